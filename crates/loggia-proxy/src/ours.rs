//! Was a request sent by a page of ours, on behalf of the session that it comes with? Asked of
//! everything that changes something and that a page of another site could make a browser send.

use axum::response::Response;
use http::header::HeaderMap;

use crate::host::{Host, Origin};
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

fn sender(host: &Host, headers: &HeaderMap) -> Sender {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin") => return Sender::Ours,
        // `none` is an address typed by hand, which sends no form.
        Some("none") | None => {}
        Some(_) => return Sender::Foreign,
    }
    match text("origin") {
        None => Sender::Unknown,
        // Privacy settings may hide the origin of our own form, whose token then decides.
        Some("null") => Sender::Unknown,
        Some(origin) => match Origin::parse(origin) {
            Some(origin) if origin.is_of(host) => Sender::Ours,
            _ => Sender::Foreign,
        },
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

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
}
