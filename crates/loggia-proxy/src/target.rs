//! Where a person is sent back to after signing in: an address of our own, of an entrance that
//! exists, or the hub.

use crate::host::{Host, Origin, split_scheme};
use crate::path::CanonicalPath;
use crate::query::Query;

/// A path of this server, with query, that is safe in a `Location` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

const MAX_LENGTH: usize = 2_048;

impl Target {
    /// Reads a `target` as our own pages write it: `/public/hub?x=y`. Anything that a browser
    /// could take for another host, and everything that is no canonical path, is none.
    #[must_use]
    pub fn from_path(text: &str) -> Option<Target> {
        if text.len() > MAX_LENGTH || text.starts_with("//") || text.contains('\\') {
            return None;
        }
        if text.chars().any(|c| c.is_control() || c == ' ' || c == '#') {
            return None;
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let path = CanonicalPath::parse(path).ok()?;
        let query = Query::parse(query).without("forceAuthentication");
        Some(Target(match query.as_str() {
            "" => path.as_str().to_owned(),
            query => format!("{}?{query}", path.as_str()),
        }))
    }

    /// Reads a `targetUri` or `reloadUri`: a whole address, whose host must be the one that was
    /// asked or one that the entrance lists. Compared whole; the scheme must be http or https.
    #[must_use]
    pub fn is_allowed_uri(uri: &str, host: &Host, allow_list: &[String]) -> bool {
        if uri.len() > MAX_LENGTH || uri.contains('\\') || uri.chars().any(char::is_control) {
            return false;
        }
        Origin::of_address(uri)
            .is_some_and(|origin| origin.is_of(host) || origin.is_listed(allow_list))
    }

    /// The path on this host that a whole address of this host leads to.
    #[must_use]
    pub fn from_uri(uri: &str, host: &Host) -> Option<Target> {
        if !Target::is_allowed_uri(uri, host, &[]) {
            return None;
        }
        let (_, rest) = split_scheme(uri)?;
        let path = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or("/");
        Target::from_path(path.split('#').next().unwrap_or_default())
    }

    /// The path with its query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path alone, canonical.
    #[must_use]
    pub fn path(&self) -> Option<CanonicalPath> {
        let path = self.0.split('?').next().unwrap_or_default();
        CanonicalPath::parse(path).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_stays_on_this_host() {
        let target = |text: &str| Target::from_path(text).map(|target| target.0);
        assert_eq!(target("/public/hub").as_deref(), Some("/public/hub"));
        assert_eq!(
            target("/public/hub?forceAuthentication=yes&a=b").as_deref(),
            Some("/public/hub?a=b")
        );
        for evil in [
            "",
            "hub",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https:evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/hub\r\nSet-Cookie: a=b",
            "/hub%0d%0aSet-Cookie:a",
            "/%2f%2fevil.example",
            "/%5cevil.example",
            "/..//evil.example",
            "/.//evil.example",
            "/\tevil.example",
        ] {
            assert_eq!(target(evil), None, "{evil}");
        }
        // Slashes in the middle collapse, so nothing that starts with two of them can come out.
        assert_eq!(target("/hub//evil.example").as_deref(), Some("/hub/evil.example"));
    }

    #[test]
    fn a_target_uri_must_name_our_host_or_a_listed_one() {
        let host = Host::parse("hub.example:8080").unwrap();
        let list = ["portal.example".to_owned()];
        let allowed = |uri: &str| Target::is_allowed_uri(uri, &host, &list);
        assert!(allowed("http://hub.example:8080/public/hub"));
        assert!(allowed("https://portal.example/x"));
        for foreign in [
            "http://evil.example/",
            "http://hub.example:8080.evil.example/",
            "http://hub.example:8080@evil.example/",
            "http://evil.example/?hub.example:8080",
            "http://evil.example#hub.example:8080",
            "http://evil.example\\@hub.example:8080/",
            "ftp://hub.example:8080/",
            "//hub.example:8080/",
            "/hub",
            "",
        ] {
            assert!(!allowed(foreign), "{foreign}");
        }
        let back = Target::from_uri("http://hub.example:8080/public/hub?a=b#c", &host).unwrap();
        assert_eq!(back.as_str(), "/public/hub?a=b");
        assert_eq!(Target::from_uri("https://portal.example/x", &host), None);
    }
}
