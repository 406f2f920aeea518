//! How does the server ask an identity provider something? Over HTTPS, for a short time, for a
//! short answer, and never at an address of the inside network that nobody listed.
//!
//! Addresses of providers come from settings, and from documents that a provider sent. Whoever may
//! edit an entrance must not be able to read the machine's own metadata service or a neighbour's
//! console through them. So the address is checked after the name was resolved, and the connection
//! goes to the very address that was checked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Semaphore;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// The client of identity providers; clones share everything.
#[derive(Clone)]
pub struct Outside {
    shared: Arc<Shared>,
}

struct Shared {
    allow: Arc<[AllowedHost]>,
    extra_roots: Vec<Certificate<'static>>,
    agent: OnceLock<ureq::Agent>,
    places: Arc<Semaphore>,
}

/// A host that may be asked although its address is on the inside, also without TLS: `name`,
/// `name:port`, `[::1]:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    host: Box<str>,
    port: Option<u16>,
}

/// The text is no host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no host name with or without a port")]
pub struct AllowedHostError(String);

/// What somebody outside answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    pub status: u16,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// What a request says about who sends it. Shown by nothing.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    None,
    Bearer(String),
    /// Client id and secret, sent as they are.
    Basic(String, String),
}

/// Why there is no answer. The messages are for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutsideError {
    #[error("{0:?} is no address that can be asked")]
    Address(String),
    #[error("{0} would be asked without TLS; list its host in outside-allow if that is meant")]
    Unencrypted(String),
    #[error(
        "{host} is at {address}, which is not on the public network; list the host in \
         outside-allow if that is meant"
    )]
    Inside { host: String, address: IpAddr },
    #[error("{host} did not answer in time")]
    Timeout { host: String },
    #[error("{host} cannot be reached: {detail}")]
    Unreachable { host: String, detail: String },
    #[error("the answer of {host} is larger than the {LARGEST} bytes taken")]
    TooLarge { host: String },
    #[error("too many questions to identity providers at the same time")]
    Busy,
    #[error("the trusted certificates cannot be used: {0}")]
    Roots(String),
}

/// Largest answer taken, in bytes.
pub const LARGEST: u64 = 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(10);
/// Questions at the same time. Each holds a thread, and all belong to people signing in.
const PLACES: usize = 16;
/// How long a question waits for its place.
const PATIENCE: Duration = Duration::from_secs(5);

impl Outside {
    /// A client that trusts the system's certificates and those of `extra_roots` (PEM).
    pub fn new(allow: Vec<AllowedHost>, extra_roots: &[u8]) -> Result<Outside, OutsideError> {
        let mut roots = Vec::new();
        for item in parse_pem(extra_roots) {
            match item {
                Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
                Ok(_) => {}
                Err(error) => return Err(OutsideError::Roots(error.to_string())),
            }
        }
        if roots.is_empty() && !extra_roots.is_empty() {
            return Err(OutsideError::Roots("there is no certificate in the file".to_owned()));
        }
        Ok(Outside {
            shared: Arc::new(Shared {
                allow: allow.into(),
                extra_roots: roots,
                agent: OnceLock::new(),
                places: Arc::new(Semaphore::new(PLACES)),
            }),
        })
    }

    /// A client that may ask public addresses only.
    #[must_use]
    pub fn public() -> Outside {
        Outside {
            shared: Arc::new(Shared {
                allow: Arc::new([]),
                extra_roots: Vec::new(),
                agent: OnceLock::new(),
                places: Arc::new(Semaphore::new(PLACES)),
            }),
        }
    }

    /// Whether the text is an address that may be asked, as far as that can be said before its
    /// name is resolved.
    pub fn check(&self, address: &str) -> Result<(), OutsideError> {
        self.shared.check(address).map(|_| ())
    }

    /// Fetches a document.
    pub async fn get(
        &self,
        address: &str,
        credentials: Credentials,
    ) -> Result<Fetched, OutsideError> {
        self.ask(address, credentials, None).await
    }

    /// Sends a form.
    pub async fn post_form(
        &self,
        address: &str,
        credentials: Credentials,
        form: String,
    ) -> Result<Fetched, OutsideError> {
        self.ask(address, credentials, Some(form)).await
    }

    async fn ask(
        &self,
        address: &str,
        credentials: Credentials,
        form: Option<String>,
    ) -> Result<Fetched, OutsideError> {
        let host = self.shared.check(address)?;
        let places = Arc::clone(&self.shared.places);
        let place = tokio::time::timeout(PATIENCE, places.acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(OutsideError::Busy) };
        let (shared, address) = (Arc::clone(&self.shared), address.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let answer = shared.ask_now(&address, &host, &credentials, form.as_deref());
            drop(place);
            answer
        });
        asked.await.unwrap_or(Err(OutsideError::Busy))
    }
}

impl Shared {
    /// The host's name when the address may be asked.
    fn check(&self, address: &str) -> Result<String, OutsideError> {
        let unusable = || OutsideError::Address(address.chars().take(200).collect());
        let uri: Uri = address.parse().map_err(|_| unusable())?;
        let authority = uri.authority().ok_or_else(unusable)?;
        if authority.as_str().contains('@') || address.contains(['\\', '#']) {
            return Err(unusable());
        }
        let host = authority.host().to_owned();
        match uri.scheme_str() {
            Some("https") => Ok(host),
            Some("http") if is_listed(&self.allow, &uri) => Ok(host),
            Some("http") => Err(OutsideError::Unencrypted(host)),
            _ => Err(unusable()),
        }
    }

    fn ask_now(
        &self,
        address: &str,
        host: &str,
        credentials: &Credentials,
        form: Option<&str>,
    ) -> Result<Fetched, OutsideError> {
        let failed = |error: ureq::Error| failure(host, error);
        let agent = self.agent();
        let accept = "application/json, application/jwt, */*;q=0.5";
        let authorization = match credentials {
            Credentials::None => None,
            Credentials::Bearer(token) => Some(format!("Bearer {token}")),
            Credentials::Basic(id, secret) => Some(format!(
                "Basic {}",
                crate::secret::base64(format!("{id}:{secret}").as_bytes())
            )),
        };
        let answer = match form {
            Some(form) => {
                let mut request = agent.post(address).header("Accept", accept);
                if let Some(authorization) = authorization {
                    request = request.header("Authorization", authorization);
                }
                request.content_type("application/x-www-form-urlencoded").send(form)
            }
            None => {
                let mut request = agent.get(address).header("Accept", accept);
                if let Some(authorization) = authorization {
                    request = request.header("Authorization", authorization);
                }
                request.call()
            }
        };
        let mut answer = answer.map_err(failed)?;
        let content_type = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec();
        Ok(Fetched { status, content_type, body: body.map_err(failed)? })
    }

    fn agent(&self) -> &ureq::Agent {
        // Reading the system's certificates takes a while, and most sites never ask anybody.
        self.agent.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a trusted certificate of the system cannot be read");
            }
            let mut roots: Vec<Certificate<'static>> = found
                .certs
                .iter()
                .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
                .collect();
            roots.extend(self.extra_roots.iter().cloned());
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::new_with_certs(&roots))
                .unversioned_rustls_crypto_provider(provider)
                .build();
            let config = Config::builder()
                .tls_config(tls)
                // A forwarder named in the environment would resolve names for us, unchecked.
                .proxy(None)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .http_status_as_error(false)
                .timeout_resolve(Some(CONNECT))
                .timeout_connect(Some(CONNECT))
                .timeout_global(Some(TOTAL))
                .max_response_header_size(32 * 1024)
                .user_agent(concat!("Loggia/", env!("CARGO_PKG_VERSION")))
                .build();
            let resolver = CheckedResolver { allow: Arc::clone(&self.allow) };
            ureq::Agent::with_parts(config, DefaultConnector::default(), resolver)
        })
    }
}

/// Resolves names as the system does, and refuses a host of which any address is on the inside.
#[derive(Debug)]
struct CheckedResolver {
    allow: Arc<[AllowedHost]>,
}

/// Travels through the client's own error type.
#[derive(Debug, Error)]
#[error("{0} is not on the public network")]
struct IsInside(IpAddr);

impl Resolver for CheckedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        if !is_listed(&self.allow, uri)
            && let Some(inside) = found.iter().find(|address| !is_public(address.ip()))
        {
            return Err(ureq::Error::Other(Box::new(IsInside(inside.ip()))));
        }
        Ok(found)
    }
}

fn is_listed(allow: &[AllowedHost], uri: &Uri) -> bool {
    let Some(authority) = uri.authority() else { return false };
    let default = if uri.scheme_str() == Some("http") { 80 } else { 443 };
    let port = authority.port_u16().unwrap_or(default);
    allow.iter().any(|allowed| {
        allowed.host.eq_ignore_ascii_case(authority.host())
            && allowed.port.is_none_or(|listed| listed == port)
    })
}

/// Whether an address belongs to the public network. Addresses that carry an IPv4 address inside
/// are as public as that is.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_reserved = a == 0
        || a >= 240
        // Shared between a carrier and its customers.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b));
    !(is_reserved
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Only 2000::/3 is given out; of that, 2001::/23 is for protocols and 2001:db8::/32 and
    // 3fff::/20 are for examples.
    (0x2000..0x4000).contains(&first)
        && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        && !(first == 0x3fff && second < 0x1000)
}

/// The IPv4 address inside: mapped, compatible, translated (64:ff9b::/96) or 6to4 (2002::/16).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = |address: Ipv6Addr| {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(low(address)),
        [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)))
        }
        _ => None,
    }
}

fn failure(host: &str, error: ureq::Error) -> OutsideError {
    let host = host.to_owned();
    match error {
        ureq::Error::Other(error) => match error.downcast_ref::<IsInside>() {
            Some(IsInside(address)) => OutsideError::Inside { host, address: *address },
            None => OutsideError::Unreachable { host, detail: error.to_string() },
        },
        ureq::Error::Timeout(_) => OutsideError::Timeout { host },
        ureq::Error::BodyExceedsLimit(_) => OutsideError::TooLarge { host },
        error => OutsideError::Unreachable { host, detail: error.to_string() },
    }
}

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    fn from_str(text: &str) -> Result<AllowedHost, AllowedHostError> {
        let unusable = || AllowedHostError(text.to_owned());
        let authority: ureq::http::uri::Authority = text.parse().map_err(|_| unusable())?;
        if text.contains('@') || text.contains('*') || authority.host().is_empty() {
            return Err(unusable());
        }
        // A port that is no number would silently allow every port.
        let rest = text.strip_prefix(authority.host()).unwrap_or_default();
        if !rest.is_empty() && authority.port_u16().is_none() {
            return Err(unusable());
        }
        Ok(AllowedHost { host: authority.host().into(), port: authority.port_u16() })
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("allow", &self.shared.allow).finish_non_exhaustive()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tokens come in bodies.
        write!(f, "Fetched({}, {} bytes)", self.status, self.body.len())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn inside_addresses_are_known_in_every_disguise() {
        for inside in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::1",
            "2002:c0a8:101::1",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for public in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn only_hosts_are_listed() {
        for good in ["idp.corp.example", "127.0.0.1:8080", "[::1]:8080", "localhost"] {
            assert!(good.parse::<AllowedHost>().is_ok(), "{good}");
        }
        for bad in ["", "*", "*.example", "a b", "http://a", "a:b", "a:", "u@a", "a/b", "a:99999"] {
            assert!(bad.parse::<AllowedHost>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_inside_is_not_asked_whatever_its_name() {
        let outside = Outside::public();
        let ask = async |address: &str| outside.get(address, Credentials::None).await.unwrap_err();
        for address in [
            "https://127.0.0.1/",
            "https://localhost/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            let error = ask(address).await;
            // A system that does not read such a number as an address cannot be led astray by it.
            let is_unreadable = !address.contains("127.0.0.1")
                && !address.contains("169")
                && matches!(error, OutsideError::Unreachable { .. } | OutsideError::Timeout { .. });
            assert!(
                matches!(error, OutsideError::Inside { .. }) || is_unreadable,
                "{address}: {error}"
            );
        }
        for address in ["http://idp.example/", "http://127.0.0.1/"] {
            assert!(matches!(ask(address).await, OutsideError::Unencrypted(_)), "{address}");
        }
        for address in [
            "",
            "idp.example",
            "ftp://idp.example/",
            "file:///etc/passwd",
            "https://a@b/",
            "https://a\\b/",
        ] {
            assert!(matches!(ask(address).await, OutsideError::Address(_)), "{address}");
        }
    }

    #[tokio::test]
    async fn a_listed_host_is_asked_once_without_following_and_within_a_size() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let big = "x".repeat(usize::try_from(LARGEST).unwrap() + 1);
            let answers = [
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{big}", big.len()),
            ];
            let mut heads = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    head.extend(byte);
                }
                heads.push(String::from_utf8(head).unwrap());
                // The client may hang up in the middle of what is too large for it.
                let _ = stream.write_all(answer.as_bytes());
            }
            heads
        });
        let outside = Outside::new(vec![address.to_string().parse().unwrap()], b"").unwrap();
        let url = format!("http://{address}/");
        let first = outside.get(&url, Credentials::Bearer("secret".into())).await.unwrap();
        assert_eq!(first.status, 302);
        let second = outside.get(&url, Credentials::None).await.unwrap_err();
        assert!(matches!(second, OutsideError::TooLarge { .. }), "{second}");
        let heads = serving.join().unwrap();
        assert!(heads.first().unwrap().to_lowercase().contains("authorization: bearer secret"));
        // Another port of the same host is not listed.
        let other = outside.check("http://127.0.0.1:1/").unwrap_err();
        assert!(matches!(other, OutsideError::Unencrypted(_)), "{other}");
    }
}
