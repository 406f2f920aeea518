//! Headers that protect the pages we send.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use loggia_model::entity::VirtualProxy;

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

/// Headers that every answer has.
pub fn protect(headers: &mut HeaderMap) {
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, "same-origin");
    set(headers, header::X_FRAME_OPTIONS, "SAMEORIGIN");
    set(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        set(headers, header::CONTENT_SECURITY_POLICY, NOTHING);
    }
}

/// Headers of a page, which is never kept by a cache: it holds somebody's name and token.
pub fn page(headers: &mut HeaderMap, kind: PageKind) {
    let policy = if kind == PageKind::Viewer { VIEWER } else { STRICT };
    set(headers, header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(headers, header::CONTENT_SECURITY_POLICY, policy);
    set(headers, header::CACHE_CONTROL, "no-store");
}

/// The entrance's own additional lines, `Name: value` each. Lines that are no header, and headers
/// by which an answer is framed or a session kept, are left out.
pub fn additional(headers: &mut HeaderMap, entrance: &VirtualProxy) {
    const OURS: [HeaderName; 6] = [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::SET_COOKIE,
        header::LOCATION,
    ];
    for line in entrance.additional_headers.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        let value = HeaderValue::from_str(value.trim());
        if let (Ok(name), Ok(value)) = (name, value)
            && !OURS.contains(&name)
        {
            headers.insert(name, value);
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
