//! Files as a whole, in part, or not again: entity tags and single byte ranges (RFC 9110 §13, §14).
//! Several ranges at once are answered with the whole file, as the RFC allows: nobody needs them,
//! and they are a way to ask for much with little.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{HeaderName, StatusCode};

/// What is sent of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Of(RangeInclusive<usize>),
    /// The range begins after the end.
    Beyond,
    /// The client has it already.
    Nothing,
}

/// The answer to a request for a file whose content `tag` stands for, quotes included.
pub(crate) fn answer(request: &HeaderMap, tag: &str, data: Bytes) -> Response {
    let length = data.len();
    let part = part(request, tag, length);
    let (status, range, data) = match part {
        Part::Whole => (StatusCode::OK, None, data),
        Part::Nothing => (StatusCode::NOT_MODIFIED, None, Bytes::new()),
        Part::Beyond => {
            let range = Some(format!("bytes */{length}"));
            (StatusCode::RANGE_NOT_SATISFIABLE, range, Bytes::new())
        }
        Part::Of(bytes) => {
            let range = Some(format!("bytes {}-{}/{length}", bytes.start(), bytes.end()));
            (StatusCode::PARTIAL_CONTENT, range, data.slice(bytes))
        }
    };
    let mut response = Response::new(Body::from(data));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    for (name, value) in [(header::ETAG, Some(tag)), (header::CONTENT_RANGE, range.as_deref())] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

fn part(request: &HeaderMap, tag: &str, length: usize) -> Part {
    let text = |name: HeaderName| request.get(name).and_then(|value| value.to_str().ok());
    let is_known = text(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',').any(|known| matches!(known.trim(), "*") || weak(known.trim()) == tag)
    });
    if is_known {
        return Part::Nothing;
    }
    // A part of what has changed meanwhile is no part of what the client has.
    if text(header::IF_RANGE).is_some_and(|known| known.trim() != tag) {
        return Part::Whole;
    }
    text(header::RANGE).map_or(Part::Whole, |range| asked(range, length))
}

/// `If-None-Match` compares weakly: forwarders that pack an answer say so this way.
fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn asked(range: &str, length: usize) -> Part {
    let whole = Part::Whole;
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|one| one.split_once('-'))
    else {
        return whole;
    };
    let number = |digits: &str| match digits {
        "" => Some(None),
        _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(digits.parse::<usize>().unwrap_or(usize::MAX)))
        }
        _ => None,
    };
    let (Some(first), Some(last)) = (number(first.trim()), number(last.trim())) else {
        return whole;
    };
    let end = length.saturating_sub(1);
    match (first, last) {
        (None, None) => whole,
        (Some(first), Some(last)) if last < first => whole,
        (Some(first), _) if first >= length => Part::Beyond,
        (Some(first), last) => Part::Of(first..=last.unwrap_or(end).min(end)),
        (None, Some(0)) => Part::Beyond,
        (None, Some(_)) if length == 0 => Part::Beyond,
        (None, Some(count)) => Part::Of(length.saturating_sub(count)..=end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_with(headers: &[(&'static str, &str)]) -> (u16, String, usize) {
        let mut request = HeaderMap::new();
        for (name, value) in headers {
            request.insert(*name, value.parse().unwrap());
        }
        let response = answer(&request, "\"v1\"", Bytes::from_static(b"0123456789"));
        let range = response.headers().get("content-range");
        let range = range.map(|range| range.to_str().unwrap().to_owned()).unwrap_or_default();
        let length = hyper::body::Body::size_hint(response.body()).exact().unwrap();
        (response.status().as_u16(), range, length as usize)
    }

    #[test]
    fn one_range_is_a_part_and_nonsense_is_the_whole() {
        for (range, status, content_range, length) in [
            ("bytes=0-3", 206, "bytes 0-3/10", 4),
            ("bytes=7-", 206, "bytes 7-9/10", 3),
            ("bytes=-2", 206, "bytes 8-9/10", 2),
            ("bytes=-99", 206, "bytes 0-9/10", 10),
            ("bytes=5-99999999999999999999999", 206, "bytes 5-9/10", 5),
            ("bytes=10-", 416, "bytes */10", 0),
            ("bytes=-0", 416, "bytes */10", 0),
            ("bytes=3-1", 200, "", 10),
            ("bytes=0-1,4-5", 200, "", 10),
            ("bytes=-", 200, "", 10),
            ("bytes=+1-2", 200, "", 10),
            ("lines=1-2", 200, "", 10),
        ] {
            let expected = (status, content_range.to_owned(), length);
            assert_eq!(asked_with(&[("range", range)]), expected, "{range}");
        }
    }

    #[test]
    fn tags_save_sending_what_is_known_and_keep_parts_together() {
        for (tags, status) in
            [("\"v1\"", 304), ("\"v0\", W/\"v1\"", 304), ("*", 304), ("\"v0\"", 200), ("v1", 200)]
        {
            assert_eq!(asked_with(&[("if-none-match", tags)]).0, status, "{tags}");
        }
        for (known, status) in [("\"v1\"", 206), ("\"v0\"", 200), ("W/\"v1\"", 200)] {
            let headers = [("range", "bytes=0-1"), ("if-range", known)];
            assert_eq!(asked_with(&headers).0, status, "{known}");
        }
    }
}
