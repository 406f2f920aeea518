//! The built web UI, embedded in the binary. A debug build reads it from the source tree, so that
//! the pages can be rebuilt without rebuilding the server.

use std::borrow::Cow;

use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use rust_embed::RustEmbed;

use crate::ranged;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
#[allow_missing = true]
struct Built;

/// The text of a built page, such as `hub.html`.
pub(crate) fn page(name: &str) -> Option<String> {
    let file = Built::get(name)?;
    String::from_utf8(file.data.into_owned()).ok()
}

/// A built file under `/assets`. Its name holds a hash of its content, so it may be kept for ever.
/// The smallest prepared variant that the client understands is sent.
pub(crate) fn asset(name: &str, request: &HeaderMap) -> Option<Response> {
    let path = format!("assets/{name}");
    // The variants have no addresses of their own.
    let is_variant = name.ends_with(".br") || name.ends_with(".gz");
    let plain = if is_variant { None } else { Built::get(&path) }?;
    // A part of a file is a part of what it is, not of one of its packings.
    let accepted = match request.contains_key(header::RANGE) {
        true => Vec::new(),
        false => accepted_encodings(request),
    };
    let variant = [("br", ".br"), ("gzip", ".gz")].into_iter().find_map(|(encoding, ending)| {
        let is_accepted = accepted.iter().any(|accepted| accepted == encoding);
        let file = if is_accepted { Built::get(&format!("{path}{ending}")) } else { None }?;
        Some((encoding, file))
    });
    let (encoding, data) = match variant {
        Some((encoding, file)) => (Some(encoding), file.data),
        None => (None, plain.data),
    };
    let tag = format!("\"{name}{}\"", encoding.map(|name| format!("-{name}")).unwrap_or_default());
    let mut response = ranged::answer(request, &tag, bytes(data));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, kept);
    Some(response)
}

/// A file of an app's content folder, which anybody who may see the app may see for a while. `tag`
/// changes with the file.
pub(crate) fn content(name: &str, tag: &str, data: Vec<u8>, request: &HeaderMap) -> Response {
    let mut response = ranged::answer(request, tag, Bytes::from(data));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    response
}

/// The type for a file's name; what we do not know is never shown as a page.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        // Chart code read as latin-1 breaks its regular expressions.
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn accepted_encodings(request: &HeaderMap) -> Vec<String> {
    request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|item| {
            let (name, quality) = item.split_once(';').unwrap_or((item, ""));
            let is_refused = quality.trim().replace(' ', "").trim_start_matches("q=") == "0";
            (!is_refused).then(|| name.trim().to_ascii_lowercase())
        })
        .collect()
}

fn bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    }
}
