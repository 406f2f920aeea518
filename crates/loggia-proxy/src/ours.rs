//! Was a request sent by a page of ours, on behalf of the session that it comes with? Asked of
//! everything that changes something and that a page of another site could make a browser send.

use axum::response::Response;
use http::header::HeaderMap;
use http::{Method, StatusCode};

use crate::host::{Host, Origin};
use crate::problem::Problem;
use crate::proxy::{Entered, Guest, Proxy, same};
use crate::query::Query;

/// What must speak for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// The browser says that a page of ours sent it. Where it says nothing, a proof.
    SenderOrProof,
    /// A proof, whatever the browser says.
    Proof,
}

/// From where a browser says that a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Ours,
    Foreign,
    /// No browser, or an old one.
    Unknown,
}

impl Proxy {
    /// The refusal of what another site's page may have made a guest's browser send; none where the
    /// guest meant it. `has_proof` says whether it brings what only a page of ours knows.
    pub(crate) fn refuse_forged(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        guest: &Guest,
        demand: Demand,
        has_proof: bool,
    ) -> Option<Response> {
        if is_ours(entered, headers, demand, has_proof) {
            return None;
        }
        Some(self.forged(entered, &guest.caller.principal.to_string(), headers))
    }
}

impl Proxy {
    /// The refusal of a change that was asked for by script, without what only a page of ours and
    /// a client that knows its session can send along; none where it is there.
    #[must_use]
    pub fn refuse_unproven(&self, entered: &Entered, headers: &HeaderMap) -> Option<Response> {
        let guest = entered.guest.as_ref()?;
        let has_proof = is_token_of(guest, header_token(headers))
            || has_xrf_key(&entered.screened.query, headers);
        self.refuse_forged(entered, headers, guest, Demand::Proof, has_proof)
    }

    /// The refusal of a change that a browser says another site's page asks for. What neither says
    /// is for whoever is handed the request, and knows which proof it needs.
    #[must_use]
    pub fn refuse_foreign(
        &self,
        entered: &Entered,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response> {
        let is_reading = matches!(*method, Method::GET | Method::HEAD);
        if is_reading || sender(&entered.screened.host, headers) != Sender::Foreign {
            return None;
        }
        let (title, text) =
            ("Not from there", "Changes may be asked for only by pages of this hub.");
        let problem = Problem::new(StatusCode::FORBIDDEN, "REQ-ORIGIN", title, text, self.now());
        let address = entered.screened.address.to_string();
        problem.log("entrance", &address, "a change asked for by a page of another site");
        Some(problem.json())
    }
}

/// Whether a page of ours sent the request, as far as `demand` wants that known.
pub(crate) fn is_ours(
    entered: &Entered,
    headers: &HeaderMap,
    demand: Demand,
    has_proof: bool,
) -> bool {
    match (sender(&entered.screened.host, headers), demand) {
        (Sender::Foreign, _) => false,
        (Sender::Ours, Demand::SenderOrProof) => true,
        (Sender::Ours, Demand::Proof) | (Sender::Unknown, _) => has_proof,
    }
}

/// Whether a token is that of the guest's session.
pub(crate) fn is_token_of(guest: &Guest, token: Option<&str>) -> bool {
    token.is_some_and(|token| same(token, &guest.session.csrf))
}

/// The token that scripts send.
pub(crate) fn header_token(headers: &HeaderMap) -> Option<&str> {
    headers.get("qlik-csrf-token").and_then(|value| value.to_str().ok())
}

/// Whether the request carries a key both in its address and in a header. Another site's page
/// cannot add the header without being asked first, and is then refused.
#[must_use]
pub(crate) fn has_xrf_key(query: &Query, headers: &HeaderMap) -> bool {
    let mut sent = headers.get_all("x-qlik-xrfkey").iter();
    let (Some(header), None) = (sent.next(), sent.next()) else { return false };
    query.get("xrfkey").is_some_and(|key| {
        let is_proper = key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_proper && header.as_bytes() == key.as_bytes()
    })
}

/// What a browser says twice or unreadably, no browser says.
fn sender(host: &Host, headers: &HeaderMap) -> Sender {
    let (Ok(site), Ok(origin)) = (only(headers, "sec-fetch-site"), only(headers, "origin")) else {
        return Sender::Foreign;
    };
    match site {
        Some("same-origin") => return Sender::Ours,
        // `none` is an address typed by hand, which sends no form.
        Some("none") | None => {}
        Some(_) => return Sender::Foreign,
    }
    match origin {
        None => Sender::Unknown,
        // Privacy settings may hide the origin of our own form, whose token then decides.
        Some("null") => Sender::Unknown,
        Some(origin) => match Origin::parse(origin) {
            Some(origin) if origin.is_of(host) => Sender::Ours,
            _ => Sender::Foreign,
        },
    }
}

/// The value of a header that may be there once; none where it is not.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_browser_says_who_sent_a_request_and_the_clearer_word_counts() {
        let host = Host::parse("hub.example").unwrap();
        for (site, origin, expected) in [
            (Some("same-origin"), None, Sender::Ours),
            (Some("same-origin"), Some("https://evil.example"), Sender::Ours),
            (Some("cross-site"), Some("https://hub.example"), Sender::Foreign),
            (Some("same-site"), None, Sender::Foreign),
            (Some("SAME-ORIGIN"), None, Sender::Foreign),
            (Some("none"), None, Sender::Unknown),
            (Some("none"), Some("https://evil.example"), Sender::Foreign),
            (None, Some("https://hub.example"), Sender::Ours),
            (None, Some("https://hub.example.evil.example"), Sender::Foreign),
            (None, Some("https://sub.hub.example"), Sender::Foreign),
            (None, Some("nonsense"), Sender::Foreign),
            (None, Some("null"), Sender::Unknown),
            (None, None, Sender::Unknown),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(HeaderName::from_static(name), value.parse().unwrap());
                }
            }
            assert_eq!(sender(&host, &headers), expected, "{site:?} {origin:?}");
        }
    }

    #[test]
    fn a_browser_says_it_once_and_readably() {
        let host = Host::parse("hub.example").unwrap();
        for (name, values) in [
            ("sec-fetch-site", ["same-origin", "cross-site"]),
            ("sec-fetch-site", ["same-origin", "same-origin"]),
            ("sec-fetch-site", ["none", "cross-site"]),
            ("origin", ["https://hub.example", "https://evil.example"]),
            ("origin", ["null", "https://evil.example"]),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            assert_eq!(sender(&host, &headers), Sender::Foreign, "{name}: {values:?}");
        }
        for name in ["sec-fetch-site", "origin"] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(b"https://hub.example\xe4").unwrap();
            headers.insert(HeaderName::from_static(name), value);
            assert_eq!(sender(&host, &headers), Sender::Foreign, "{name}");
        }
    }
}
