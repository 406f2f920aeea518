//! Which path is asked for? One canonical form, made before anything else decides, and used by
//! sign-in, routes, rules and logs alike.
//!
//! A path that two parsers could read in two ways is refused, never repaired: dot segments,
//! encoded slashes and backslashes, double encoding, control characters, invalid UTF-8.
//! Repeated slashes and a slash at the end mean nothing and are dropped, since REST clients send
//! them.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// A path as decoded segments, and the one way to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath {
    text: String,
    segments: Vec<String>,
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    #[error("the path does not start with a slash")]
    NoSlash,
    #[error("the path is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the path has a malformed percent escape")]
    Escape,
    #[error("the path is not UTF-8")]
    NotUtf8,
    #[error("the path has a dot segment")]
    DotSegment,
    #[error("a path segment ends with a dot or a space")]
    TrailingDot,
    #[error("the path has an encoded slash or a backslash")]
    Slash,
    #[error("the path is encoded twice")]
    DoubleEncoding,
    #[error("the path has a control character")]
    Control,
}

/// Longest path that is looked at, in bytes as sent.
pub const MAX_LENGTH: usize = 4_096;

/// RFC 3986 `pchar` without percent: what may stand in a segment as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

impl CanonicalPath {
    /// Reads the path of a request target, without its query.
    pub fn parse(raw: &str) -> Result<CanonicalPath, PathError> {
        if raw.len() > MAX_LENGTH {
            return Err(PathError::TooLong);
        }
        let Some(rest) = raw.strip_prefix('/') else {
            return Err(PathError::NoSlash);
        };
        let segments = rest
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode)
            .collect::<Result<Vec<String>, PathError>>()?;
        Ok(CanonicalPath { text: write(&segments), segments })
    }

    /// The path as text, percent-encoded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The decoded segments between the slashes.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }
}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Writes segments as a path that reads back to the same segments.
#[must_use]
pub fn write(segments: &[String]) -> String {
    if segments.is_empty() {
        return "/".to_owned();
    }
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        text.extend(utf8_percent_encode(segment, ENCODED));
    }
    text
}

fn decode(raw: &str) -> Result<String, PathError> {
    if has_malformed_escape(raw) {
        return Err(PathError::Escape);
    }
    let segment = percent_decode_str(raw).decode_utf8().map_err(|_| PathError::NotUtf8)?;
    if segment.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    if segment.contains(['/', '\\']) {
        return Err(PathError::Slash);
    }
    if has_escape(&segment) {
        return Err(PathError::DoubleEncoding);
    }
    // Some servers cut a segment at its semicolon, so `..;x` is as good as `..` to them.
    let before_parameters = segment.split(';').next().unwrap_or_default();
    if matches!(before_parameters, "." | "..") {
        return Err(PathError::DotSegment);
    }
    // And some file systems drop dots and spaces at the end of a name.
    if segment.ends_with(['.', ' ']) {
        return Err(PathError::TrailingDot);
    }
    Ok(segment.into_owned())
}

fn has_malformed_escape(raw: &str) -> bool {
    raw.split('%').skip(1).any(|after| !starts_with_hex_pair(after))
}

fn has_escape(decoded: &str) -> bool {
    decoded.split('%').skip(1).any(starts_with_hex_pair)
}

fn starts_with_hex_pair(text: &str) -> bool {
    text.as_bytes().first_chunk::<2>().is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(raw: &str) -> Result<String, PathError> {
        CanonicalPath::parse(raw).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn harmless_spellings_become_one() {
        for (raw, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/hub", "/hub"),
            ("/hub/", "/hub"),
            ("//qrs//app", "/qrs/app"),
            ("/%68ub", "/hub"),
            ("/app/%3Ftransient%3D", "/app/%3Ftransient="),
            ("/app/a%23b", "/app/a%23b"),
            ("/a%20b", "/a%20b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/.well-known/x", "/.well-known/x"),
            ("/app/a;b", "/app/a;b"),
        ] {
            assert_eq!(canonical(raw).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_refused() {
        for (raw, expected) in [
            ("hub", PathError::NoSlash),
            ("/resources/qmc/fonts/../../../qrs/app", PathError::DotSegment),
            ("/hub/./../qmc", PathError::DotSegment),
            ("/hub/%2e%2e/qrs", PathError::DotSegment),
            ("/hub/%2E./qrs", PathError::DotSegment),
            ("/hub/.%2e", PathError::DotSegment),
            ("/hub/%252e%252e/qrs", PathError::DoubleEncoding),
            ("/hub/%252fqrs", PathError::DoubleEncoding),
            ("/hub/..;/qrs", PathError::DotSegment),
            ("/hub/..;a=b/qrs", PathError::DotSegment),
            ("/hub/..%5cqrs", PathError::Slash),
            ("/hub\\qrs", PathError::Slash),
            ("/hub%2fqrs", PathError::Slash),
            ("/hub/%c0%ae%c0%ae/qrs", PathError::NotUtf8),
            ("/hub/%e0%80%af", PathError::NotUtf8),
            ("/hub%00", PathError::Control),
            ("/hub%0d%0aX: y", PathError::Control),
            ("/hub%7f", PathError::Control),
            ("/hub.", PathError::TrailingDot),
            ("/hub%20", PathError::TrailingDot),
            ("/hub/...", PathError::TrailingDot),
            ("/hub%2", PathError::Escape),
            ("/hub%zz", PathError::Escape),
            ("/%", PathError::Escape),
        ] {
            assert_eq!(canonical(raw), Err(expected), "{raw}");
        }
        assert_eq!(canonical(&format!("/{}", "a".repeat(5_000))), Err(PathError::TooLong));
    }

    proptest! {
        #[test]
        fn a_canonical_path_is_its_own_canonical_path(
            raw in r"(/|%2[eEfF]|%5c|%25|%c3%a9|%00|\.|;|\\|[a-z?#% é]|%[0-9a-f]{2}){0,20}"
        ) {
            if let Ok(once) = CanonicalPath::parse(&format!("/{raw}")) {
                prop_assert_eq!(CanonicalPath::parse(once.as_str()), Ok(once));
            }
        }

        #[test]
        fn no_canonical_path_climbs(raw in "(/|%2e|\\.|;|%2f|\\\\|[a-c]){0,20}") {
            if let Ok(path) = CanonicalPath::parse(&format!("/{raw}")) {
                for segment in path.segments() {
                    prop_assert!(segment != "." && segment != ".." && !segment.contains('/'));
                }
            }
        }
    }
}
