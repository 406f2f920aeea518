//! Are the settings of an entrance in order? Every problem at once, each with its field and what
//! would mend it (`spec/access.md` §2.2).

use std::net::IpAddr;
use std::sync::Arc;

use loggia_model::entity::{SameSite, VirtualProxy};

use super::sign_in;
use crate::manage::Problems;
use crate::site::Site;

/// The validations of `spec/access.md` §2.2.
pub(super) fn check(site: &Site, entrance: &VirtualProxy, problems: &mut Problems) {
    problems.text("description", &entrance.description, true);
    let others = || site.virtual_proxies().filter(|other| other.id != entrance.id);
    if others().any(|other| other.prefix == entrance.prefix) {
        problems.add(
            "prefix",
            format!("{:?} is the prefix of another entrance", entrance.prefix.as_str()),
        );
    }
    check_cookie(entrance, others(), problems);
    for (place, same_site, is_secure) in [
        ("sameSiteAttributeHttps", entrance.same_site_https, entrance.is_secure_https),
        ("sameSiteAttributeHttp", entrance.same_site_http, entrance.is_secure_http),
    ] {
        if same_site == SameSite::None && !is_secure {
            problems.add(
                place,
                "SameSite=None works only for Secure cookies; browsers drop others. Set the \
                 Secure attribute as well, or choose Lax",
            );
        }
    }
    for host in &entrance.host_allow_list {
        if !is_host(host) {
            problems.add(
                "websocketCrossOriginWhiteList",
                format!("{host:?} is no host; write host, host:port or *.parent, without a scheme"),
            );
        }
    }
    check_headers(&entrance.additional_headers, problems);
    check_limits(entrance, problems);
    for node in entrance.load_balancing.nodes.iter().flatten() {
        if site.node(*node).is_none() {
            problems.add("loadBalancingServerNodes", format!("there is no node {node}"));
        }
    }
    for (place, uri) in [
        ("sessionModuleBaseUri", &entrance.session_module_uri),
        ("loadBalancingModuleBaseUri", &entrance.load_balancing_module_uri),
        ("magicLinkHostUri", &entrance.magic_link_host),
    ] {
        if !uri.is_empty() && !is_web_address(uri) {
            problems.add(place, format!("{uri:?} is no address; write https://host/path"));
        }
    }
    problems.text("magicLinkFriendlyName", &entrance.magic_link_name, false);
    problems.properties(&entrance.custom_properties);
    sign_in::check(entrance, problems);
}

/// Most minutes that a session may last: a year.
const LONGEST_LIFETIME: u32 = 525_600;
const LONGEST_COOL_DOWN: u32 = 60;
/// More sessions or requests a minute than any server takes.
const LARGEST_LIMIT: u32 = 10_000_000;

fn check_limits(entrance: &VirtualProxy, problems: &mut Problems) {
    if !(1..=43_200).contains(&entrance.inactivity_minutes) {
        problems.add("sessionInactivityTimeout", "must be 1 to 43,200 minutes");
    }
    if entrance.lifetime_minutes.is_some_and(|minutes| !(1..=LONGEST_LIFETIME).contains(&minutes)) {
        problems.add("lifetimeMinutes", "must be 1 to 525,600 minutes, or 0 for no limit");
    }
    if entrance.cool_down_minutes > LONGEST_COOL_DOWN {
        problems.add("sessionCoolDownMinutes", "must be at most 60 minutes; 0 is no wait");
    }
    if entrance.anonymous.takes_visitors()
        && (entrance.max_anonymous_sessions == 0
            || entrance.max_anonymous_sessions_per_address == 0)
    {
        problems.add(
            "maxAnonymousSessions",
            "must be at least 1, in total and per address, while visitors are admitted",
        );
    }
    let rates = &entrance.visitor_rates;
    for (place, value) in [
        ("maxAnonymousSessions", entrance.max_anonymous_sessions),
        ("maxAnonymousSessionsPerIp", entrance.max_anonymous_sessions_per_address),
        ("visitorRequestsPerMinute", rates.per_entrance),
        ("visitorRequestsPerMinutePerIp", rates.per_address),
        ("visitorComputeMsPerMinutePerIp", rates.compute_per_address),
    ] {
        if value > LARGEST_LIMIT {
            problems.add(place, "must be at most 10,000,000; 0 is no limit");
        }
    }
}

fn check_cookie<'a>(
    entrance: &VirtualProxy,
    mut others: impl Iterator<Item = &'a Arc<VirtualProxy>>,
    problems: &mut Problems,
) {
    let name = entrance.session_cookie.as_str();
    if name.is_empty() {
        problems.add("sessionCookieHeaderName", "must not be blank");
    } else if name.len() > 128 || !name.chars().all(is_token) {
        problems.add("sessionCookieHeaderName", format!("{name:?} is no cookie name"));
    } else if name.starts_with("__") {
        problems.add(
            "sessionCookieHeaderName",
            format!("{name:?} begins with __, which the server adds itself where browsers take it"),
        );
    } else if others.any(|other| collide(&other.session_cookie, name)) {
        problems.add(
            "sessionCookieHeaderName",
            format!("{name:?} is the cookie of another entrance; include the prefix in it"),
        );
    }
    let domain = entrance.cookie_domain.as_str();
    if !domain.is_empty() && !is_parent_domain(domain) {
        problems.add(
            "sessionCookieDomain",
            format!(
                "{domain:?} is no domain that a cookie can be widened to; write a parent of the \
                 hub's host, such as example.com, or leave it empty"
            ),
        );
    }
}

/// Beside the session's own cookie there are some that are called after it.
fn collide(one: &str, other: &str) -> bool {
    let is_called_after = |long: &str, short: &str| {
        ["-Form", "-Silent", "-Browser", "-Wait"].iter().any(|end| {
            long.len() == short.len() + end.len()
                && long.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
                && long.get(short.len()..).is_some_and(|rest| rest.eq_ignore_ascii_case(end))
        })
    };
    one.eq_ignore_ascii_case(other) || is_called_after(one, other) || is_called_after(other, one)
}

/// A name of at least two labels that is no address.
fn is_parent_domain(text: &str) -> bool {
    is_host(text)
        && !text.contains([':', '*', '['])
        && text.contains('.')
        && text.parse::<IpAddr>().is_err()
}

/// Headers that the server itself must decide.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "set-cookie",
    "transfer-encoding",
    "upgrade",
];

fn check_headers(text: &str, problems: &mut Problems) {
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = number + 1;
        let place = "additionalResponseHeaders";
        let Some((name, value)) = line.split_once(':') else {
            problems.add(place, format!("line {number} is no `Name: value`"));
            continue;
        };
        if name.is_empty() || !name.chars().all(is_token) {
            problems.add(place, format!("line {number}: {name:?} is no header name"));
        } else if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
            || name.to_ascii_lowercase().starts_with("x-qlik-")
        {
            problems.add(place, format!("line {number}: {name} is decided by the server"));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') || !value.is_ascii() {
            problems.add(place, format!("line {number}: the value may hold visible ASCII only"));
        }
    }
    if text.contains('\r') && !text.contains("\r\n") {
        problems.add("additionalResponseHeaders", "a line ends with a bare carriage return");
    }
}

/// A token of RFC 9110.
pub(super) fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// `host`, `host:port`, `*.parent`, an address, or `[v6]:port`.
pub(super) fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port))
            if !port.contains(']') && (!host.contains(':') || host.ends_with(']')) =>
        {
            (host, Some(port))
        }
        _ => (text, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return false;
    }
    if let Some(v6) = host.strip_prefix('[') {
        return v6.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let host = host.strip_prefix("*.").unwrap_or(host);
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Whether an entry of the host allow list is the literal of an address, with a port or without.
pub(super) fn is_address(entry: &str) -> bool {
    let host =
        entry.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let host = host.map_or(entry, |(host, _)| host);
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

/// `https://host/…` or `http://host/…`, without a user's name and without a fragment.
pub(super) fn is_web_address(text: &str) -> bool {
    authority(text).is_some()
}

/// A web address that nobody on the way can read: HTTPS, or HTTP that stays on this machine.
pub(super) fn is_private_address(text: &str) -> bool {
    let Some(host) = authority(text) else { return false };
    let host = match host.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
        _ => host,
    };
    let literal = host.trim_matches(['[', ']']).parse::<IpAddr>();
    text.starts_with("https://")
        || host.eq_ignore_ascii_case("localhost")
        || literal.is_ok_and(|address| address.is_loopback())
}

fn authority(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(c));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, _) = rest.split_at_checked(end)?;
    (is_plain && text.len() <= 2_048 && !authority.contains('*') && is_host(authority))
        .then_some(authority)
}
