//! The first gate: is this a request that has one meaning, and where did it really come from?
//!
//! Nothing here knows entrances or sessions. What passes has a canonical path, one host, a method
//! we serve, and no header that claims an identity.

use std::net::IpAddr;
use std::str::FromStr;

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use thiserror::Error;

use crate::agent::Agent;
use crate::forwarded;
use crate::host::{Host, HostError};
use crate::path::{CanonicalPath, PathError};
use crate::query::Query;

/// What the edge found out about a request that it lets through.
#[derive(Clone, Debug)]
pub struct Screened {
    pub path: CanonicalPath,
    pub query: Query,
    pub host: Host,
    /// The client itself: the peer, or the address that trusted forwarders name.
    pub address: IpAddr,
    /// Whether the client's own connection is encrypted.
    pub is_secure: bool,
    pub agent: Agent,
    /// It asks for a WebSocket.
    pub is_socket: bool,
}

/// Why the edge turned a request away.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EdgeFault {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("the request has no host")]
    NoHost,
    #[error("the request names more than one host")]
    SeveralHosts,
    #[error("the host is {0}")]
    BadHost(#[from] HostError),
    #[error("the request line and the Host header name different hosts")]
    OtherHost,
    #[error("method {0} is not served")]
    Method(String),
    #[error("the upgrade is to something other than a WebSocket")]
    Upgrade,
    #[error("the expectation is not one that can be met")]
    Expectation,
    #[error("the Forwarded header cannot be read")]
    Forwarded,
    #[error("X-Forwarded-For or X-Forwarded-Proto cannot be read")]
    ForwardedFor,
    #[error("Forwarded says something else than X-Forwarded-For or X-Forwarded-Proto")]
    Forwarders,
}

/// A network whose addresses are trusted to say on whose behalf they ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a network: write an address, or an address/bits")]
pub struct NetworkError;

/// Headers by which services behind a proxy are told who asks. From outside they are always lies:
/// identity travels inside this process as a value that no header can spell.
const IDENTITY_HEADERS: [&str; 13] = [
    "x-qlik-user",
    "x-qlik-security",
    "x-qlik-proxysession",
    "x-qlik-proxyid",
    "x-qlik-trace",
    "x-qlik-app",
    "x-qlik-capabilities",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-remote-user",
    "remote-user",
    "x-authenticated-user",
    "x-original-url",
];

impl EdgeFault {
    /// The status that the answer has.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            EdgeFault::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            EdgeFault::Path(PathError::TooLong) => StatusCode::URI_TOO_LONG,
            EdgeFault::Expectation => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The code that pages, answers and log lines show.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            EdgeFault::Path(_) => "REQ-PATH",
            EdgeFault::Method(_) => "REQ-METHOD",
            EdgeFault::Forwarded | EdgeFault::ForwardedFor | EdgeFault::Forwarders => {
                "REQ-FORWARDED"
            }
            EdgeFault::Upgrade | EdgeFault::Expectation => "REQ-UPGRADE",
            _ => "REQ-HOST",
        }
    }
}

/// Looks a request over and takes the headers away that nobody outside may send.
///
/// `peer` is the other end of the connection, `is_encrypted` whether that connection is; only a
/// peer in `trusted` is believed when it forwards for somebody else.
pub fn screen(
    parts: &mut Parts,
    peer: IpAddr,
    is_encrypted: bool,
    trusted: &[Network],
) -> Result<Screened, EdgeFault> {
    check_method(&parts.method)?;
    let host = host(parts)?;
    let path = CanonicalPath::parse(parts.uri.path())?;
    let is_socket = is_socket(&parts.headers)?;
    if parts.headers.get(header::EXPECT).is_some_and(|value| {
        !value.as_bytes().eq_ignore_ascii_case(b"100-continue") || parts.version < Version::HTTP_11
    }) {
        return Err(EdgeFault::Expectation);
    }
    let (address, is_secure) = forwarded::client(&parts.headers, peer, is_encrypted, trusted)?;
    strip_identity(&mut parts.headers);
    let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Ok(Screened {
        path,
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        host,
        address,
        is_secure,
        agent: Agent::parse(agent.unwrap_or_default()),
        is_socket,
    })
}

fn check_method(method: &Method) -> Result<(), EdgeFault> {
    const SERVED: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if SERVED.contains(method) { Ok(()) } else { Err(EdgeFault::Method(method.to_string())) }
}

fn host(parts: &Parts) -> Result<Host, EdgeFault> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let named = hosts.next();
    if hosts.next().is_some() {
        return Err(EdgeFault::SeveralHosts);
    }
    let named = match named {
        Some(named) => Some(Host::parse(named.to_str().map_err(|_| HostError)?)?),
        // HTTP/2 names it in the request line's place, and needs no header.
        None if parts.version == Version::HTTP_2 => None,
        None => return Err(EdgeFault::NoHost),
    };
    let asked = match parts.uri.authority() {
        Some(authority) => {
            if !matches!(parts.uri.scheme_str(), Some("http" | "https")) {
                return Err(EdgeFault::OtherHost);
            }
            Some(Host::parse(authority.as_str())?)
        }
        None => None,
    };
    match (named, asked) {
        (Some(named), Some(asked)) if named != asked => Err(EdgeFault::OtherHost),
        (Some(host), _) | (None, Some(host)) => Ok(host),
        (None, None) => Err(EdgeFault::NoHost),
    }
}

fn is_socket(headers: &HeaderMap) -> Result<bool, EdgeFault> {
    match headers.get(header::UPGRADE) {
        None => Ok(false),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"websocket") => Ok(true),
        // Browsers and command lines offer HTTP/2 this way and go on without it.
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"h2c") => Ok(false),
        Some(_) => Err(EdgeFault::Upgrade),
    }
}

fn strip_identity(headers: &mut HeaderMap) {
    // Some gateways read `X_Qlik_User` as `X-Qlik-User`; nobody needs an underscore.
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| IDENTITY_HEADERS.contains(&name.as_str()) || name.as_str().contains('_'))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
}

impl Network {
    /// Whether the address lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32_u32.saturating_sub(u32::from(self.bits));
                let kept = |bits: u32| bits.checked_shr(shift).unwrap_or(0);
                kept(network.to_bits()) == kept(address.to_bits())
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128_u32.saturating_sub(u32::from(self.bits));
                let kept = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                kept(network.to_bits()) == kept(address.to_bits())
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| NetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.trim().parse().map_err(|_| NetworkError)?,
            None => most,
        };
        if bits > most { Err(NetworkError) } else { Ok(Network { address, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn ask(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Screened, EdgeFault> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        screen(&mut parts, PEER, false, &["192.0.2.0/24".parse().unwrap()])
    }

    #[test]
    fn one_host_and_only_one() {
        assert!(ask("GET", "/hub", &[("host", "hub.example")]).is_ok());
        assert!(ask("GET", "http://hub.example/hub", &[("host", "HUB.example")]).is_ok());
        for (uri, headers, expected) in [
            ("/hub", vec![], EdgeFault::NoHost),
            ("/hub", vec![("host", "a"), ("host", "a")], EdgeFault::SeveralHosts),
            ("/hub", vec![("host", "a b")], EdgeFault::BadHost(HostError)),
            ("/hub", vec![("host", "a/b")], EdgeFault::BadHost(HostError)),
            ("http://other.example/hub", vec![("host", "a")], EdgeFault::OtherHost),
            ("ftp://a/hub", vec![("host", "a")], EdgeFault::OtherHost),
        ] {
            assert_eq!(ask("GET", uri, &headers).err(), Some(expected), "{uri} {headers:?}");
        }
    }

    #[test]
    fn only_methods_that_mean_something_here() {
        for method in ["TRACE", "CONNECT", "PROPFIND", "get"] {
            let fault = ask(method, "/hub", &[("host", "a")]).err().unwrap();
            assert_eq!(fault.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        }
    }

    #[test]
    fn upgrades_other_than_sockets_are_refused() {
        let upgrade = |to: &str| ask("GET", "/hub", &[("host", "a"), ("upgrade", to)]);
        assert!(upgrade("WebSocket").unwrap().is_socket);
        assert!(!upgrade("h2c").unwrap().is_socket);
        assert_eq!(upgrade("foo").err(), Some(EdgeFault::Upgrade));
    }

    #[test]
    fn claimed_identities_are_taken_away() {
        let mut request = Request::builder().uri("/hub").header("host", "a");
        for name in
            ["X-Qlik-User", "x-qlik-security", "X_Qlik_User", "x_anything", "X-Forwarded-User"]
        {
            request = request.header(name, "UserDirectory=INTERNAL;UserId=sa_api");
        }
        let request = request.header("x-qlik-xrfkey", "0123456789abcdef");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        screen(&mut parts, PEER, false, &[]).unwrap();
        let left: Vec<&str> = parts.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["host", "x-qlik-xrfkey"]);
    }

    #[test]
    fn networks_contain_what_their_bits_say() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "11.0.0.1"));
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contains("2001:db8::/32", "192.0.2.1"));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("all".parse::<Network>().is_err());
    }
}
