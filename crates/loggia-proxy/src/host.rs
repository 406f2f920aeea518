//! Which host is addressed, and which other hosts are trusted with what: origins of sockets and
//! addresses to return to. Hosts are compared whole, never by a part of their text.

use std::fmt;

use thiserror::Error;

/// A host name with its port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

/// A host of a certain scheme: what browsers call an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub is_secure: bool,
    pub host: Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a host name with an optional port")]
pub struct HostError;

impl Host {
    /// Reads `name`, `name:port`, `[v6]` or `[v6]:port`.
    pub fn parse(text: &str) -> Result<Host, HostError> {
        let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, after)) => {
                address.parse::<std::net::Ipv6Addr>().map_err(|_| HostError)?;
                let port = match after.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if after.is_empty() => None,
                    None => return Err(HostError),
                };
                (format!("[{address}]"), port)
            }
            None => match text.split_once(':') {
                Some((name, port)) => (name.to_owned(), Some(port)),
                None => (text.to_owned(), None),
            },
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_plain = !name.is_empty() && name.chars().all(is_name);
        if !(is_plain || name.starts_with('[')) || name.len() > 253 {
            return Err(HostError);
        }
        let port = match port {
            Some(digits) if digits.chars().all(|c| c.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| HostError)?)
            }
            Some(_) => return Err(HostError),
            None => None,
        };
        Ok(Host { name: name.to_ascii_lowercase(), port })
    }

    /// The name without the port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn port_or_default(&self, is_secure: bool) -> u16 {
        self.port.unwrap_or(if is_secure { 443 } else { 80 })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Origin {
    /// Reads `http://host` or `https://host:port`; `null` and everything else is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Origin> {
        let (is_secure, rest) = split_scheme(text)?;
        Some(Origin { is_secure, host: Host::parse(rest).ok()? })
    }

    /// The origin of a whole address.
    #[must_use]
    pub fn of_address(address: &str) -> Option<Origin> {
        let (is_secure, rest) = split_scheme(address)?;
        let host = Host::parse(rest.split(['/', '?', '#']).next().unwrap_or_default()).ok()?;
        Some(Origin { is_secure, host })
    }

    /// Whether both stand for the same host and port. A server behind a TLS-ending forwarder may
    /// not know its own scheme, so a default port of either scheme counts for both.
    #[must_use]
    pub fn is_of(&self, host: &Host) -> bool {
        self.host.name == host.name
            && (self.host.port == host.port
                || self.host.port_or_default(self.is_secure)
                    == host.port_or_default(self.is_secure))
    }

    /// Whether an entrance's allow list names it: `host`, `host:port` or `*.parent`.
    #[must_use]
    pub fn is_listed(&self, allow_list: &[String]) -> bool {
        allow_list.iter().any(|entry| {
            let entry = entry.trim().to_ascii_lowercase();
            if let Some(parent) = entry.strip_prefix("*.") {
                return !parent.is_empty()
                    && self
                        .host
                        .name
                        .strip_suffix(parent)
                        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
            }
            match Host::parse(&entry) {
                Ok(listed @ Host { port: Some(_), .. }) => {
                    listed.name == self.host.name
                        && listed.port == Some(self.host.port_or_default(self.is_secure))
                }
                Ok(listed) => listed.name == self.host.name,
                Err(HostError) => false,
            }
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_secure { "https" } else { "http" }, self.host)
    }
}

/// The part after `http://` or `https://`, and whether it was the latter.
pub(crate) fn split_scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    if scheme.eq_ignore_ascii_case("https") {
        Some((true, rest))
    } else if scheme.eq_ignore_ascii_case("http") {
        Some((false, rest))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_listed(origin: &str, list: &[&str]) -> bool {
        let list: Vec<String> = list.iter().map(|&entry| entry.to_owned()).collect();
        Origin::parse(origin).is_some_and(|origin| origin.is_listed(&list))
    }

    #[test]
    fn hosts_are_names_with_a_port_and_nothing_else() {
        for good in ["a", "Hub.Example", "hub.example:8080", "127.0.0.1:80", "[::1]", "[::1]:8080"]
        {
            assert!(Host::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", ":80", "a:b", "a:99999", "a/b", "a@b", "a b", "[::1", "[x]", "a:80:90", "a#"]
        {
            assert!(Host::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_ours_only_when_host_and_port_are() {
        let host = |text: &str| Host::parse(text).unwrap();
        let origin = |text: &str| Origin::parse(text).unwrap();
        assert!(origin("http://127.0.0.1:8080").is_of(&host("127.0.0.1:8080")));
        assert!(origin("https://hub.example").is_of(&host("hub.example")));
        assert!(origin("https://hub.example").is_of(&host("HUB.example:443")));
        assert!(!origin("http://127.0.0.1:8081").is_of(&host("127.0.0.1:8080")));
        assert!(!origin("http://evil.hub.example").is_of(&host("hub.example")));
        assert!(Origin::parse("null").is_none());
        assert!(Origin::parse("file://hub.example").is_none());
        assert!(Origin::parse("http://hub.example/path").is_none());
        assert!(Origin::parse("http://hub.example@evil.example").is_none());
    }

    #[test]
    fn the_allow_list_takes_hosts_ports_and_whole_parents() {
        assert!(is_listed("https://portal.example", &["portal.example"]));
        assert!(is_listed("https://portal.example:8443", &["portal.example"]));
        assert!(is_listed("https://portal.example:8443", &["portal.example:8443"]));
        assert!(!is_listed("https://portal.example", &["portal.example:8443"]));
        assert!(is_listed("https://a.portal.example", &["*.portal.example"]));
        assert!(!is_listed("https://portal.example", &["*.portal.example"]));
        assert!(!is_listed("https://evilportal.example", &["*.portal.example", "portal.example"]));
        assert!(!is_listed("https://portal.example.evil", &["portal.example"]));
        assert!(!is_listed("https://anything.example", &["*.", "*", ""]));
    }
}
