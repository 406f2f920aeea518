//! On whose behalf does a trusted forwarder ask, and how did they come? As `X-Forwarded-For` and
//! `X-Forwarded-Proto` say, or `Forwarded` (RFC 7239).
//!
//! A forwarder that writes one of the two may pass the other on as the client sent it. Where they
//! say different things nobody can tell which is the client's own invention, and the request is
//! refused: to believe neither would make the client look like the forwarder, whose address may
//! be one that rules trust.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::{self, HeaderMap};

use crate::edge::{EdgeFault, Network};

/// The client's address, and whether its own connection is encrypted. An IPv4 address is one,
/// however it is written: rules that name networks are to recognise it.
pub(crate) fn client(
    headers: &HeaderMap,
    peer: IpAddr,
    is_encrypted: bool,
    trusted: &[Network],
) -> Result<(IpAddr, bool), EdgeFault> {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return Ok((peer, is_encrypted));
    }
    let (usual, standard) = (usual(headers, is_trusted)?, standard(headers, peer, is_trusted)?);
    let address = agreed(usual.address, standard.address)?;
    let is_secure = agreed(usual.is_secure, standard.is_secure)?;
    Ok((address.unwrap_or(peer), is_secure.unwrap_or(is_encrypted)))
}

/// What headers of one kind say; none where they say nothing about it.
struct Said {
    address: Option<IpAddr>,
    is_secure: Option<bool>,
}

/// Somebody who asked the next one.
#[derive(Clone, Copy, Default)]
struct Hop {
    /// None where it is hidden.
    address: Option<IpAddr>,
    is_secure: Option<bool>,
}

fn agreed<T: PartialEq>(usual: Option<T>, standard: Option<T>) -> Result<Option<T>, EdgeFault> {
    match (usual, standard) {
        (Some(usual), Some(standard)) if usual != standard => Err(EdgeFault::Forwarders),
        (usual, standard) => Ok(usual.or(standard)),
    }
}

/// The list grows to the right with each forwarder: the right-most address that is not one of ours
/// is the client, and whatever stands left of it, the client wrote itself.
fn nearest_stranger(
    peer: IpAddr,
    hops: &[Hop],
    is_trusted: impl Fn(IpAddr) -> bool,
) -> (IpAddr, Option<bool>) {
    let (mut client, mut is_secure) = (peer, None);
    for hop in hops.iter().rev() {
        is_secure = hop.is_secure;
        let Some(address) = hop.address else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    (client, is_secure)
}

/// As [`nearest_stranger`] has it, but read no further than to the client: what it wrote itself
/// may be anything, and must not hide what its forwarder added. That must be readable, or the
/// request would seem to be the forwarder's own.
fn usual(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Result<Said, EdgeFault> {
    let lines = headers.get_all("x-forwarded-for");
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    let mut client = None;
    for hop in hops {
        let address = usual_address(hop).ok_or(EdgeFault::ForwardedFor)?;
        client = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    let scheme = headers.get_all("x-forwarded-proto").iter().next_back();
    let scheme = scheme.map(|value| value.to_str().map_err(|_| EdgeFault::ForwardedFor));
    Ok(Said { address: client, is_secure: scheme.transpose()?.map(is_https) })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn usual_address(hop: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(hop.trim_ascii()).ok()?;
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|both| both.ip()));
    address.or_else(|| bracketed().map(IpAddr::V6)).map(|address| address.to_canonical())
}

fn standard(
    headers: &HeaderMap,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Said, EdgeFault> {
    let (mut hops, mut names_somebody) = (Vec::new(), false);
    for line in headers.get_all(header::FORWARDED) {
        let line = line.to_str().map_err(|_| EdgeFault::Forwarded)?;
        for element in split(line, ',') {
            let (mut node, mut is_secure) = (None, None);
            for pair in split(element, ';').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').ok_or(EdgeFault::Forwarded)?;
                let value = unquoted(value)?;
                let is_repeated = match name.to_ascii_lowercase().as_str() {
                    "for" => node.replace(address_of(&value)?).is_some(),
                    "proto" => is_secure.replace(is_https(&value)).is_some(),
                    // Who forwarded, and the host, which is read where browsers write it.
                    _ => false,
                };
                if is_repeated {
                    return Err(EdgeFault::Forwarded);
                }
            }
            names_somebody |= node.is_some();
            hops.push(Hop { address: node.flatten(), is_secure });
        }
    }
    let (address, is_secure) = nearest_stranger(peer, &hops, is_trusted);
    Ok(Said { address: names_somebody.then_some(address), is_secure })
}

fn is_https(scheme: &str) -> bool {
    scheme.trim().eq_ignore_ascii_case("https")
}

/// Parts between separators outside quotes. A quote that does not end is part of the last one,
/// which [`unquoted`] refuses.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(move |c: char| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        c == separator && !is_quoted
    });
    parts.map(str::trim)
}

/// A token, or a quoted text without its quotes.
fn unquoted(value: &str) -> Result<String, EdgeFault> {
    let Some(rest) = value.strip_prefix('"') else {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let is_good = !value.is_empty() && value.chars().all(is_token);
        return if is_good { Ok(value.to_owned()) } else { Err(EdgeFault::Forwarded) };
    };
    let inner = rest.strip_suffix('"').ok_or(EdgeFault::Forwarded)?;
    let (mut text, mut is_escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return Err(EdgeFault::Forwarded),
            c => {
                text.push(c);
                is_escaped = false;
            }
        }
    }
    if is_escaped { Err(EdgeFault::Forwarded) } else { Ok(text) }
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80`; none for `unknown` and for
/// names that hide an address.
fn address_of(text: &str) -> Result<Option<IpAddr>, EdgeFault> {
    let is_port = |port: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !port.is_empty() && port.chars().all(is_plain)
    };
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, port)) => {
            (address, Some(port.strip_prefix(':').ok_or(EdgeFault::Forwarded)?))
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err(EdgeFault::Forwarded);
    }
    let address = name.parse::<IpAddr>().ok();
    if address.is_some_and(|address| address.is_ipv6() != text.starts_with('[')) {
        return Err(EdgeFault::Forwarded);
    }
    let hides = name.eq_ignore_ascii_case("unknown") || name.starts_with('_');
    if address.is_none() && !hides {
        Err(EdgeFault::Forwarded)
    } else {
        Ok(address.map(|address| address.to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const PROXY: &str = "192.0.2.1";

    fn told(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        said(peer, &headers)
    }

    fn said(peer: &str, headers: &HeaderMap) -> String {
        let trusted = ["192.0.2.0/24".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        match client(headers, peer.parse().unwrap(), false, &trusted) {
            Ok((address, is_secure)) => format!("{address} {is_secure}"),
            Err(EdgeFault::Forwarders) => "contradiction".to_owned(),
            Err(EdgeFault::Forwarded | EdgeFault::ForwardedFor) => "unreadable".to_owned(),
            Err(other) => other.to_string(),
        }
    }

    #[test]
    fn the_usual_headers_count_only_from_trusted_peers_and_from_the_right() {
        for (peer, chain, proto, expected) in [
            ("203.0.113.9", "198.51.100.1", "https", "203.0.113.9 false"),
            (PROXY, "198.51.100.1", "https", "198.51.100.1 true"),
            (PROXY, "6.6.6.6, 198.51.100.1, 10.0.0.1", "http", "198.51.100.1 false"),
            (PROXY, "10.0.0.1", "https", "10.0.0.1 true"),
            (PROXY, "6.6.6.6:1, 198.51.100.1:4711", "http", "198.51.100.1 false"),
            (PROXY, "2001:db8::1", "http", "2001:db8::1 false"),
            (PROXY, "[2001:db8::1]", "http", "2001:db8::1 false"),
            (PROXY, "[2001:db8::1]:4711,10.0.0.1", "http", "2001:db8::1 false"),
            // Rules that name IPv4 networks are to recognise this one.
            (PROXY, "::ffff:198.51.100.1, ::ffff:10.0.0.1", "http", "198.51.100.1 false"),
            ("::ffff:203.0.113.9", "198.51.100.1", "http", "203.0.113.9 false"),
        ] {
            let lines = [("x-forwarded-for", chain), ("x-forwarded-proto", proto)];
            assert_eq!(told(peer, &lines), expected, "{peer} {chain}");
        }
    }

    #[test]
    fn nothing_that_a_client_writes_hides_what_its_forwarder_adds() {
        for byte in (0_u8..=255).filter(|byte| HeaderValue::from_bytes(&[*byte]).is_ok()) {
            for text in [vec![byte], vec![byte, b','], vec![b',', byte], vec![byte; 300]] {
                let mut headers = HeaderMap::new();
                let line = [&text[..], b", 198.51.100.1 ,10.0.0.1"].concat();
                headers.append("x-forwarded-for", HeaderValue::from_bytes(&line).unwrap());
                assert_eq!(said(PROXY, &headers), "198.51.100.1 false", "{text:?}");
                // Some forwarders write a line of their own.
                headers.clear();
                headers.append("x-forwarded-for", HeaderValue::from_bytes(&text).unwrap());
                headers.append("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
                assert_eq!(said(PROXY, &headers), "198.51.100.1 false", "{text:?}");
            }
        }
    }

    #[test]
    fn a_client_that_its_forwarder_does_not_name_readably_is_nobody() {
        for chain in [
            "nonsense",
            "unknown",
            "",
            " ",
            ",",
            "198.51.100.1,",
            "198.51.100.1, ,10.0.0.1",
            "198.51.100.1 6.6.6.6",
            "198.51.100.1:",
            "198.51.100.1:99999",
            "198.51.100.1/32",
            "[198.51.100.1]",
            "[2001:db8::1]x",
            "[2001:db8::1",
            "\u{e4}",
            "6.6.6.6, \u{e4}, 10.0.0.1",
        ] {
            assert_eq!(told(PROXY, &[("x-forwarded-for", chain)]), "unreadable", "{chain}");
            assert_eq!(told("203.0.113.9", &[("x-forwarded-for", chain)]), "203.0.113.9 false");
        }
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "")];
        assert_eq!(told(PROXY, &lines), "unreadable");
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https\u{e4}")];
        assert_eq!(told(PROXY, &lines), "unreadable");
    }

    #[test]
    fn the_standard_header_counts_alike() {
        for (peer, line, expected) in [
            ("203.0.113.9", "for=198.51.100.1;proto=https", "203.0.113.9 false"),
            ("203.0.113.9", "not = readable", "203.0.113.9 false"),
            (PROXY, "for=198.51.100.1;proto=https;by=192.0.2.1", "198.51.100.1 true"),
            (PROXY, "For=\"198.51.100.1:4711\"; Proto=HTTP", "198.51.100.1 false"),
            (PROXY, "for=\"[2001:db8::1]:80\"", "2001:db8::1 false"),
            (PROXY, "for=\"[2001:db8::1]\";host=\"a,b;c\"", "2001:db8::1 false"),
            (PROXY, "for=6.6.6.6, for=198.51.100.1;proto=https, for=10.0.0.1", "198.51.100.1 true"),
            (PROXY, "for=6.6.6.6, for=_hidden, for=10.0.0.1", "10.0.0.1 false"),
            // Each forwarder tells how it was asked itself: what counts is how the client came.
            (PROXY, "for=198.51.100.1;proto=https, for=10.0.0.1;proto=http", "198.51.100.1 true"),
            (PROXY, "for=1.1.1.1;proto=https, for=198.51.100.1;proto=http", "198.51.100.1 false"),
            (PROXY, "for=unknown", "192.0.2.1 false"),
            (PROXY, "proto=https", "192.0.2.1 true"),
            (PROXY, "for=\"198.51.100.\\1\"", "198.51.100.1 false"),
            (PROXY, "for=\"[::ffff:198.51.100.1]\"", "198.51.100.1 false"),
        ] {
            assert_eq!(told(peer, &[("forwarded", line)]), expected, "{line}");
        }
        let lines = [("forwarded", "for=6.6.6.6"), ("forwarded", "for=198.51.100.1")];
        assert_eq!(told(PROXY, &lines), "198.51.100.1 false");
    }

    #[test]
    fn what_cannot_be_read_for_certain_is_refused() {
        for line in [
            // A quote that would swallow what the forwarder appends.
            "for=\"6.6.6.6, for=198.51.100.1",
            "for=\"6.6.6.6\\\", for=198.51.100.1",
            "for=198.51.100.1\";\"proto=https",
            "for=1.1.1.1;for=2.2.2.2",
            "proto=http;proto=https",
            "for=2001:db8::1",
            "for=\"2001:db8::1\"",
            "for=\"[192.0.2.7]\"",
            "for=\"[2001:db8::1]80\"",
            "for=198.51.100.1 for=6.6.6.6",
            "for=",
            "for",
            "for=somebody",
            "for=\"198.51.100.1:\"",
            "for=198.51.100.1;proto=h\u{e4}",
        ] {
            assert_eq!(told(PROXY, &[("forwarded", line)]), "unreadable", "{line}");
        }
    }

    #[test]
    fn both_kinds_must_say_the_same() {
        for (chain, proto, line, expected) in [
            ("198.51.100.1", "https", "for=198.51.100.1;proto=https", "198.51.100.1 true"),
            ("6.6.6.6, 198.51.100.1", "https", "for=198.51.100.1", "198.51.100.1 true"),
            ("198.51.100.1", "https", "proto=https", "198.51.100.1 true"),
            ("198.51.100.1", "https", "for=6.6.6.6", "contradiction"),
            ("6.6.6.6", "https", "for=198.51.100.1", "contradiction"),
            ("198.51.100.1", "https", "for=198.51.100.1;proto=http", "contradiction"),
            ("198.51.100.1", "http", "for=198.51.100.1;proto=https", "contradiction"),
            ("198.51.100.1", "https", "for=unknown", "contradiction"),
            ("198.51.100.1", "https", "for=\"198.51.100.1", "unreadable"),
        ] {
            let both =
                [("x-forwarded-for", chain), ("x-forwarded-proto", proto), ("forwarded", line)];
            assert_eq!(told(PROXY, &both), expected, "{chain} {line}");
            assert_eq!(told("203.0.113.9", &both), "203.0.113.9 false", "a stranger is not read");
        }
    }
}
