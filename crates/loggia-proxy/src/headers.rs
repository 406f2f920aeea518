//! Headers that protect the pages we send.

use http::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use loggia_model::entity::VirtualProxy;

use crate::host::Origin;
use crate::page::PageKind;

/// Policy of the hub, login and message pages: our own files, and nothing inline.
const STRICT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// Policy of the viewer: the chart packages write styles into the page while they paint
/// (`spec/nebula-frames.md` §9). Scripts stay strict.
const VIEWER: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// Policy of everything that is no page: shown on its own, it may do nothing.
const NOTHING: &str =
    "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Headers that every answer has.
pub fn protect(headers: &mut HeaderMap) {
    // Every answer pays for these: they are checked when we are compiled, and there is room for
    // them before they come.
    headers.reserve(8);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    headers.insert(header::REFERRER_POLICY, const { HeaderValue::from_static("same-origin") });
    headers.insert(header::X_FRAME_OPTIONS, const { HeaderValue::from_static("SAMEORIGIN") });
    headers.insert(OPENER_POLICY, const { HeaderValue::from_static("same-origin") });
    headers.insert(RESOURCE_POLICY, const { HeaderValue::from_static("same-origin") });
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let policy = const { HeaderValue::from_static(NOTHING) };
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Headers of a page, which is never kept by a cache: it holds somebody's name and token.
pub fn page<T>(response: &mut Response<T>, kind: PageKind) {
    response.extensions_mut().insert(kind);
    let headers = response.headers_mut();
    headers.reserve(12);
    let policy = match kind {
        PageKind::Viewer => const { HeaderValue::from_static(VIEWER) },
        PageKind::Hub | PageKind::Login | PageKind::Message => {
            const { HeaderValue::from_static(STRICT) }
        }
    };
    let html = const { HeaderValue::from_static("text/html; charset=utf-8") };
    headers.insert(header::CONTENT_TYPE, html);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
}

/// A year, as browsers remember it.
const ALWAYS_ENCRYPTED: &str = "max-age=31536000";

/// What an entrance adds to [`protect`]: over TLS, that browsers stay there; and who may show its
/// hub and its apps in frames. Pages that ask for a password or tell of a refusal are never shown
/// in a foreign frame, where they could be covered by something else.
pub fn of_entrance<T>(response: &mut Response<T>, entrance: &VirtualProxy, is_secure: bool) {
    let kind = response.extensions().get::<PageKind>().copied();
    let headers = response.headers_mut();
    if is_secure {
        let always = const { HeaderValue::from_static(ALWAYS_ENCRYPTED) };
        headers.insert(header::STRICT_TRANSPORT_SECURITY, always);
    }
    let policy = match kind {
        Some(PageKind::Hub) => STRICT,
        Some(PageKind::Viewer) => VIEWER,
        Some(PageKind::Login | PageKind::Message) | None => return,
    };
    let hosts = frame_ancestors(&entrance.host_allow_list);
    if hosts.is_empty() {
        return;
    }
    if let Ok(policy) = HeaderValue::from_str(&format!("{policy}{hosts}")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        // It knows no list; browsers that know the policy ignore it anyway.
        headers.remove(header::X_FRAME_OPTIONS);
        // A page that isolates itself takes frames from elsewhere only if they say so.
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    }
}

/// The hosts of an allow list as a policy writes them, with a space before each. An entry without
/// a port means every port, as it does for sockets. Policies know no addresses of version 6.
fn frame_ancestors(allow_list: &[String]) -> String {
    let mut hosts = String::new();
    for entry in allow_list {
        let entry = entry.trim();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.:*".contains(c);
        if entry.is_empty() || !entry.chars().all(is_plain) {
            continue;
        }
        hosts.push(' ');
        hosts.push_str(entry);
        if !entry.contains(':') {
            hosts.push_str(":*");
        }
    }
    hosts
}

/// Lets the page's form lead to another site as well: browsers follow the answer to a form only to
/// where the page said that forms go. `origin` is one that the entrance lists.
pub fn form_leads_to(headers: &mut HeaderMap, origin: &Origin) {
    const OWN: &str = "form-action 'self'";
    let policy = headers.get(header::CONTENT_SECURITY_POLICY).and_then(|line| line.to_str().ok());
    let wider = policy.map(|policy| policy.replace(OWN, &format!("{OWN} {origin}")));
    if let Some(line) = wider.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, line);
    }
}

/// The entrance's own additional lines, `Name: value` each. Lines that are no header, and headers
/// by which an answer is framed or a session kept, are left out. Pages that ask for a password, or
/// have a button that changes something, stay out of other sites' frames whatever the lines say.
pub fn additional<T>(response: &mut Response<T>, entrance: &VirtualProxy) {
    const OURS: [HeaderName; 6] = [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::SET_COOKIE,
        header::LOCATION,
    ];
    let kind = response.extensions().get::<PageKind>().copied();
    let stays_out = matches!(kind, Some(PageKind::Login | PageKind::Message));
    let keeps = |name: &HeaderName| {
        let frames = [header::CONTENT_SECURITY_POLICY, header::X_FRAME_OPTIONS];
        OURS.contains(name) || (stays_out && frames.contains(name))
    };
    for line in entrance.additional_headers.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        let value = HeaderValue::from_str(value.trim());
        if let (Ok(name), Ok(value)) = (name, value)
            && !keeps(&name)
        {
            response.headers_mut().insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_hosts_may_frame_and_nothing_else_gets_into_the_policy() {
        for (list, expected) in [
            (&[][..], ""),
            (&["portal.example"], " portal.example:*"),
            (&["portal.example:8443", "*.example.org"], " portal.example:8443 *.example.org:*"),
            (&["[::1]:80", "a; script-src *", "", "a b"], ""),
        ] {
            let list: Vec<String> = list.iter().map(|&entry| entry.to_owned()).collect();
            assert_eq!(frame_ancestors(&list), expected, "{list:?}");
        }
    }
}
