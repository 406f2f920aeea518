//! Cookies: read leniently, since clients replay whole `Set-Cookie` lines, and written strictly.

use http::HeaderMap;
use http::header::{self, HeaderValue};
use loggia_auth::SessionSecret;
use loggia_model::entity::{SameSite, VirtualProxy};

/// How many cookies of one name are tried. More than one comes from a sibling host or path that
/// set its own; the right one must not be shadowed by it.
const MOST_OF_A_NAME: usize = 4;

/// The values of the cookies of that name, in the order sent.
pub fn values<'a, 'n>(
    headers: &'a HeaderMap,
    name: &'n str,
) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
    pairs(headers)
        .filter(move |(found, _)| *found == name)
        .map(|(_, value)| value)
        .take(MOST_OF_A_NAME)
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')))
}

/// What the name of a cookie begins with that browsers take from this very host only, over HTTPS,
/// for every path: no sibling host can set another one in its place.
const HOST_ONLY: &str = "__Host-";

/// The values that may be sessions of this entrance, the most trustworthy first. The plain name is
/// read as well: clients that are no browsers know only that one.
pub fn sessions<'a>(headers: &'a HeaderMap, entrance: &VirtualProxy) -> Vec<&'a str> {
    let name = entrance.session_cookie.as_str();
    let (mut host_only, mut plain) = (Vec::new(), Vec::new());
    for (found, value) in pairs(headers) {
        let of_name = match found.strip_suffix(name) {
            Some("") => &mut plain,
            Some(HOST_ONLY) => &mut host_only,
            _ => continue,
        };
        if of_name.len() < MOST_OF_A_NAME {
            of_name.push(value);
        }
    }
    host_only.append(&mut plain);
    host_only
}

/// The line that gives a browser its session at this entrance, until the browser closes.
#[must_use]
pub fn session(entrance: &VirtualProxy, secret: &str, is_secure: bool) -> Option<HeaderValue> {
    session_line(entrance, secret, is_secure, None)
}

/// The line that takes the session cookie away.
#[must_use]
pub fn no_session(entrance: &VirtualProxy, is_secure: bool) -> Option<HeaderValue> {
    session_line(entrance, "", is_secure, Some(0))
}

fn session_line(
    entrance: &VirtualProxy,
    secret: &str,
    came_encrypted: bool,
    max_age: Option<u32>,
) -> Option<HeaderValue> {
    let (is_secure, same_site) = of_sessions(entrance, came_encrypted);
    let domain = Some(entrance.cookie_domain.as_str()).filter(|domain| !domain.is_empty());
    // Only the default entrance's cookie is for every path. One name serves HTTP and HTTPS alike
    // elsewhere; the original's `-HTTP` suffix is not needed, since each cookie is tried.
    let is_host_only =
        came_encrypted && is_secure && domain.is_none() && entrance.prefix.is_default();
    let name = if is_host_only {
        format!("{HOST_ONLY}{}", entrance.session_cookie)
    } else {
        entrance.session_cookie.clone()
    };
    line(&name, secret, entrance, Flags { is_secure, same_site, domain, max_age })
}

/// What the entrance says of its sessions' cookies: `Secure`, and `SameSite`.
fn of_sessions(entrance: &VirtualProxy, came_encrypted: bool) -> (bool, SameSite) {
    if came_encrypted {
        (entrance.is_secure_https, entrance.same_site_https)
    } else {
        (entrance.is_secure_http, entrance.same_site_http)
    }
}

/// The name of the cookie that binds a login form to the browser that asked for it.
#[must_use]
pub fn form_name(entrance: &VirtualProxy) -> String {
    format!("{}-Form", entrance.session_cookie)
}

/// The line that binds a login form to a browser which has no session yet.
#[must_use]
pub fn form(entrance: &VirtualProxy, secret: &str, is_secure: bool) -> Option<HeaderValue> {
    line(&form_name(entrance), secret, entrance, Flags::own(is_secure, SameSite::Strict, 3_600))
}

/// What the cookie says that keeps single sign-on from being tried again and again.
const TRIED: &str = "tried";
const LEFT: &str = "left";

/// Whether this browser was asked for silent single sign-on a while ago, or logged out on purpose.
#[must_use]
pub fn was_tried(entrance: &VirtualProxy, headers: &HeaderMap) -> bool {
    values(headers, &silent_name(entrance)).next().is_some()
}

/// Whether this browser logged out on purpose a while ago: it must be able to choose anew.
#[must_use]
pub fn has_left(entrance: &VirtualProxy, headers: &HeaderMap) -> bool {
    values(headers, &silent_name(entrance)).any(|value| value == LEFT)
}

/// The line that remembers for a while that single sign-on was tried.
#[must_use]
pub fn tried(entrance: &VirtualProxy, is_secure: bool) -> Option<HeaderValue> {
    line(&silent_name(entrance), TRIED, entrance, Flags::own(is_secure, SameSite::Lax, 600))
}

/// The line that remembers for a while that somebody logged out on purpose.
#[must_use]
pub fn left(entrance: &VirtualProxy, is_secure: bool) -> Option<HeaderValue> {
    line(&silent_name(entrance), LEFT, entrance, Flags::own(is_secure, SameSite::Lax, 600))
}

fn silent_name(entrance: &VirtualProxy) -> String {
    format!("{}-Silent", entrance.session_cookie)
}

/// The secrets by which a browser that comes back from an identity provider shows that it is the
/// one that was sent there.
pub fn browsers(
    entrance: &VirtualProxy,
    headers: &HeaderMap,
) -> impl Iterator<Item = SessionSecret> {
    let name = browser_name(entrance);
    let found: Vec<SessionSecret> =
        values(headers, &name).filter_map(SessionSecret::parse).collect();
    found.into_iter()
}

/// The line that gives a browser the secret by which it is known when it comes back. It comes back
/// from another site, so the cookie must not be a strict one.
#[must_use]
pub fn browser(entrance: &VirtualProxy, secret: &str, is_secure: bool) -> Option<HeaderValue> {
    line(&browser_name(entrance), secret, entrance, Flags::own(is_secure, SameSite::Lax, 3_600))
}

fn browser_name(entrance: &VirtualProxy) -> String {
    format!("{}-Browser", entrance.session_cookie)
}

/// How often in a row this browser was told to wait.
#[must_use]
pub fn waits(entrance: &VirtualProxy, headers: &HeaderMap) -> u8 {
    let waits = values(headers, &waits_name(entrance)).find_map(|value| value.parse().ok());
    waits.unwrap_or_default()
}

/// The line that remembers how often a browser was told to wait.
#[must_use]
pub fn waited(entrance: &VirtualProxy, times: u8, is_secure: bool) -> Option<HeaderValue> {
    let name = waits_name(entrance);
    line(&name, &times.to_string(), entrance, Flags::own(is_secure, SameSite::Lax, 300))
}

fn waits_name(entrance: &VirtualProxy) -> String {
    format!("{}-Wait", entrance.session_cookie)
}

/// The values that may say which browser a visitor is in.
pub fn visitors<'a>(
    headers: &'a HeaderMap,
    entrance: &VirtualProxy,
) -> impl Iterator<Item = &'a str> {
    let found: Vec<&str> = values(headers, &visitor_name(entrance)).collect();
    found.into_iter()
}

/// The line by which a visitor's browser is known again. It goes wherever the session's cookie
/// goes: an embedded page has visitors, too.
#[must_use]
pub fn visitor(
    entrance: &VirtualProxy,
    value: &str,
    lifetime_seconds: u32,
    came_encrypted: bool,
) -> Option<HeaderValue> {
    let (is_secure, same_site) = of_sessions(entrance, came_encrypted);
    let flags = Flags { is_secure, same_site, domain: None, max_age: Some(lifetime_seconds) };
    line(&visitor_name(entrance), value, entrance, flags)
}

fn visitor_name(entrance: &VirtualProxy) -> String {
    format!("{}-Visitor", entrance.session_cookie)
}

/// The line that takes the form's cookie away.
#[must_use]
pub fn no_form(entrance: &VirtualProxy, is_secure: bool) -> Option<HeaderValue> {
    line(&form_name(entrance), "", entrance, Flags::own(is_secure, SameSite::Strict, 0))
}

/// What a cookie says beside its name, value and path.
struct Flags<'a> {
    is_secure: bool,
    same_site: SameSite,
    domain: Option<&'a str>,
    max_age: Option<u32>,
}

impl Flags<'_> {
    /// Of a cookie that is for the server alone, whatever the entrance says of sessions.
    fn own(is_secure: bool, same_site: SameSite, max_age: u32) -> Flags<'static> {
        Flags { is_secure, same_site, domain: None, max_age: Some(max_age) }
    }
}

fn line(name: &str, value: &str, entrance: &VirtualProxy, flags: Flags<'_>) -> Option<HeaderValue> {
    let Flags { is_secure, same_site, domain, max_age } = flags;
    // Narrower than the host: an entrance's cookie is never sent to another entrance, except the
    // default one's, which has another name.
    let path = if entrance.prefix.is_default() { "/".to_owned() } else { entrance.prefix.base() };
    let mut text = format!("{name}={value}; Path={path}; HttpOnly");
    if let Some(domain) = domain {
        text.push_str(&format!("; Domain={domain}"));
    }
    if is_secure {
        text.push_str("; Secure");
    }
    match same_site {
        SameSite::Unset => {}
        // Browsers drop a cookie that says None without Secure; Lax keeps people in.
        SameSite::None if !is_secure => text.push_str("; SameSite=Lax"),
        SameSite::None => text.push_str("; SameSite=None; Partitioned"),
        SameSite::Lax => text.push_str("; SameSite=Lax"),
        SameSite::Strict => text.push_str("; SameSite=Strict"),
    }
    if let Some(seconds) = max_age {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_set_cookie_lines_are_understood_as_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            "a=1; X-Qlik-Session=abc; Path=/; HttpOnly; X-Qlik-Session=\"def\"".parse().unwrap(),
        );
        headers.append(header::COOKIE, "X-Qlik-Session=ghi; x-qlik-session=no".parse().unwrap());
        let found: Vec<&str> = values(&headers, "X-Qlik-Session").collect();
        assert_eq!(found, ["abc", "def", "ghi"]);
        assert_eq!(values(&headers, "X-Qlik-Session-public").next(), None);
    }

    fn entrance(prefix: &str) -> VirtualProxy {
        serde_json::from_value(serde_json::json!({
            "id": "00000000-0000-4000-8000-000000000001",
            "prefix": prefix,
            "description": "",
            "anonymous": "Never",
            "session_cookie": "X-S",
            "inactivity_minutes": 30,
            "host_allow_list": [],
            "same_site_https": "Lax",
            "same_site_http": "Lax",
            "additional_headers": "",
            "extended_security": false,
            "max_anonymous_sessions": 1,
            "max_anonymous_sessions_per_address": 1,
            "tags": [],
            "stamp": { "created": 0, "modified": 0, "modified_by": "" },
        }))
        .unwrap()
    }

    #[test]
    fn a_session_cookie_is_bound_to_its_host_where_browsers_can_do_so() {
        let plain = || entrance("");
        let wide = || VirtualProxy { cookie_domain: "example.com".to_owned(), ..plain() };
        let open = || VirtualProxy { is_secure_https: false, ..plain() };
        let embedded = || VirtualProxy { same_site_https: SameSite::None, ..entrance("public") };
        let unset = || VirtualProxy { same_site_https: SameSite::Unset, ..plain() };
        for (entrance, is_secure, expected) in [
            (plain(), true, "__Host-X-S=v; Path=/; HttpOnly; Secure; SameSite=Lax"),
            (plain(), false, "X-S=v; Path=/; HttpOnly; SameSite=Lax"),
            (wide(), true, "X-S=v; Path=/; HttpOnly; Domain=example.com; Secure; SameSite=Lax"),
            (open(), true, "X-S=v; Path=/; HttpOnly; SameSite=Lax"),
            (unset(), true, "__Host-X-S=v; Path=/; HttpOnly; Secure"),
            (entrance("public"), true, "X-S=v; Path=/public; HttpOnly; Secure; SameSite=Lax"),
            (embedded(), true, "X-S=v; Path=/public; HttpOnly; Secure; SameSite=None; Partitioned"),
        ] {
            assert_eq!(session(&entrance, "v", is_secure).unwrap(), expected);
        }
        let gone = no_session(&plain(), true).unwrap();
        assert_eq!(gone, "__Host-X-S=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn a_cookie_of_a_sibling_host_comes_after_the_one_that_is_bound_to_this_host() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "X-S=tossed; __Host-X-S=own".parse().unwrap());
        assert_eq!(sessions(&headers, &entrance("")), ["own", "tossed"]);
    }
}
