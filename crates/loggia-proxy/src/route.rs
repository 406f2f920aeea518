//! Which entrance and which part of the product is a path for? Decided from the canonical path
//! alone, never from the query or the end of a name.

use loggia_model::Prefix;

use crate::path;

/// A request's destination below its entrance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The entrance's own address: leads to the hub.
    Root,
    Hub {
        stream: Option<String>,
    },
    App {
        app: String,
        sheet: Option<String>,
        /// What to do first once the app is open.
        opening: Opening,
    },
    /// An engine socket.
    Socket(SocketName),
    /// An engine socket's address without an upgrade: leads to the app's page.
    SocketPage(SocketName),
    Login,
    Logout,
    /// `logout/others`: end the caller's other sessions.
    OtherSessions,
    LoggedOut,
    /// Where an OpenID Connect provider sends the browser back to.
    OidcReturn,
    /// Where a SAML identity provider sends assertions to.
    SamlAssertion,
    /// Single logout of SAML, both ways.
    SamlLogout,
    /// What the identity provider must know of us.
    SamlMetadata,
    /// `qps/user`: who am I.
    Personal,
    CsrfToken,
    /// `qps/restarted`: the server answers again.
    Restarted,
    HubApi,
    AppApi {
        app: String,
    },
    /// `api/v1/sessions`: who is here.
    LiveSessions,
    /// `api/v1/sessions/{id}`: one of them, and its end.
    LiveSession {
        id: String,
    },
    /// `api/v1/visitors`: who came, by day.
    VisitorDays,
    /// The repository interface; the path without the entrance.
    Qrs(String),
    /// A built file, the same for everybody.
    Asset(String),
    /// Pictures of apps.
    Content(Vec<String>),
    /// `healthz`: the process answers.
    Healthy,
    /// `readyz`: the server serves.
    Ready,
    /// Under an entrance that is, but nothing there.
    Nothing,
}

/// What a deep link asks of an app beside its sheet (`spec/access.md` §6.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Clear the selections of earlier visits first.
    pub clears: bool,
    pub bookmark: Option<String>,
    /// Fields with the values to select in them.
    pub select: Vec<(String, Vec<String>)>,
}

impl Opening {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Opening::default()
    }
}

/// What the address of an engine socket says (`spec/qix.md` §1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketName {
    /// The name after `/app/`, decoded: an app id, or a word for a session without an app.
    pub app: Option<String>,
    pub identity: Option<String>,
    pub ttl_seconds: Option<u64>,
}

/// Where the first segment leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    Entrance {
        prefix: Prefix,
        route: Route,
    },
    /// The first segment looks like an entrance's name, and there is none of that name.
    UnknownEntrance,
    /// Nothing that we know.
    Nothing,
}

/// Whether a request must know its caller before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The same for everybody, or about the caller's absence: makes no session.
    Nobody,
    /// A page in a browser: those who must sign in are led there.
    Page,
    /// A machine's request: those who must sign in are told so.
    Caller,
    /// An engine socket.
    Socket,
}

/// Finds entrance and route of a canonical path. `is_entrance` says whether there is an entrance
/// of that prefix; `is_socket` whether an upgrade is asked for.
pub fn choose(
    segments: &[String],
    is_socket: bool,
    is_entrance: impl Fn(&Prefix) -> bool,
) -> Chosen {
    let Some((first, rest)) = segments.split_first() else {
        let route = route(segments, is_socket);
        return Chosen::Entrance { prefix: Prefix::default_entrance(), route };
    };
    if is_own_word(first) {
        let route = route(segments, is_socket);
        return Chosen::Entrance { prefix: Prefix::default_entrance(), route };
    }
    if let Ok(prefix) = first.parse::<Prefix>()
        && is_entrance(&prefix)
    {
        return Chosen::Entrance { prefix, route: route(rest, is_socket) };
    }
    let looks_like_entrance = rest.first().is_some_and(|second| is_own_word(second)) || is_socket;
    if looks_like_entrance { Chosen::UnknownEntrance } else { Chosen::Nothing }
}

impl Route {
    /// What the route needs to know of its caller.
    #[must_use]
    pub fn need(&self) -> Need {
        match self {
            Route::Root
            | Route::Login
            | Route::Logout
            | Route::OidcReturn
            | Route::SamlAssertion
            | Route::SamlLogout
            | Route::SamlMetadata
            | Route::Restarted
            | Route::LoggedOut
            | Route::Personal
            | Route::Asset(_)
            | Route::SocketPage(_)
            | Route::Healthy
            | Route::Ready
            | Route::Nothing => Need::Nobody,
            Route::Hub { .. } | Route::App { .. } => Need::Page,
            Route::Socket(_) => Need::Socket,
            Route::CsrfToken
            | Route::OtherSessions
            | Route::HubApi
            | Route::AppApi { .. }
            | Route::LiveSessions
            | Route::LiveSession { .. }
            | Route::VisitorDays
            | Route::Qrs(_)
            | Route::Content(_) => Need::Caller,
        }
    }
}

impl Route {
    /// Whether it is for whoever looks after the server: rules about the console hold there.
    #[must_use]
    pub fn is_console(&self) -> bool {
        matches!(
            self,
            Route::Qrs(_) | Route::LiveSessions | Route::LiveSession { .. } | Route::VisitorDays
        )
    }

    /// Whether it is about signing in or out.
    #[must_use]
    pub fn is_approach(&self) -> bool {
        matches!(
            self,
            Route::Login
                | Route::Logout
                | Route::LoggedOut
                | Route::OidcReturn
                | Route::SamlAssertion
                | Route::SamlLogout
        )
    }
}

/// The first segments that are ours under every entrance. REST clients write them in any case.
fn is_own_word(segment: &str) -> bool {
    Prefix::RESERVED.iter().any(|word| word.eq_ignore_ascii_case(segment))
}

fn route(segments: &[String], is_socket: bool) -> Route {
    let Some((first, rest)) = segments.split_first() else {
        return if is_socket { Route::Socket(SocketName::default()) } else { Route::Root };
    };
    let first = first.to_ascii_lowercase();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (first.as_str(), rest.as_slice()) {
        ("app", rest) if is_socket => socket(rest).map_or(Route::Nothing, Route::Socket),
        ("app", rest) => socket(rest).map_or(Route::Nothing, Route::SocketPage),
        _ if is_socket => Route::Nothing,
        ("hub", []) => Route::Hub { stream: None },
        ("hub", ["stream", stream]) => Route::Hub { stream: Some((*stream).to_owned()) },
        ("sense", ["app", app, rest @ ..]) => deep_link(app, rest).unwrap_or(Route::Nothing),
        ("healthz", []) => Route::Healthy,
        ("readyz", []) => Route::Ready,
        ("login", []) => Route::Login,
        ("logout", []) => Route::Logout,
        ("logout", ["others"]) => Route::OtherSessions,
        ("oidcauthn", []) => Route::OidcReturn,
        ("samlauthn", []) => Route::SamlAssertion,
        ("samlauthn", ["slo"]) => Route::SamlLogout,
        ("samlauthn", ["metadata"]) => Route::SamlMetadata,
        ("loggedout", []) => Route::LoggedOut,
        ("qps", [word]) if word.eq_ignore_ascii_case("user") => Route::Personal,
        ("qps", [word]) if word.eq_ignore_ascii_case("csrftoken") => Route::CsrfToken,
        ("qps", [word]) if word.eq_ignore_ascii_case("restarted") => Route::Restarted,
        ("api", ["v1", "hub"]) => Route::HubApi,
        ("api", ["v1", "sessions"]) => Route::LiveSessions,
        ("api", ["v1", "sessions", id]) => Route::LiveSession { id: (*id).to_owned() },
        ("api", ["v1", "visitors"]) => Route::VisitorDays,
        ("api", ["v1", "apps", app]) => Route::AppApi { app: (*app).to_owned() },
        ("qrs", rest) => {
            let mut segments = vec!["qrs".to_owned()];
            segments.extend(rest.iter().map(|&segment| segment.to_owned()));
            Route::Qrs(path::write(&segments))
        }
        ("assets", [name]) => Route::Asset((*name).to_owned()),
        ("content", [_, ..]) => {
            Route::Content(rest.iter().map(|&segment| segment.to_owned()).collect())
        }
        _ => Route::Nothing,
    }
}

/// Reads `[sheet/x[/state/analysis]]`, then what to do first, in any order.
fn deep_link(app: &str, segments: &[&str]) -> Option<Route> {
    let (sheet, mut rest) = match segments {
        ["sheet", sheet, "state", "analysis", rest @ ..] | ["sheet", sheet, rest @ ..] => {
            (Some((*sheet).to_owned()), rest)
        }
        rest => (None, rest),
    };
    let mut opening = Opening::default();
    while !rest.is_empty() {
        rest = match rest {
            ["options", "clearselections", rest @ ..] => {
                opening.clears = true;
                rest
            }
            ["bookmark", bookmark, rest @ ..] => {
                opening.bookmark = Some((*bookmark).to_owned());
                rest
            }
            ["select", field, values, rest @ ..] => {
                let values = values.split(';').filter(|value| !value.is_empty());
                opening.select.push(((*field).to_owned(), values.map(str::to_owned).collect()));
                rest
            }
            // The browser's own settings choose these here.
            ["theme" | "language", _, rest @ ..] => rest,
            _ => return None,
        };
    }
    Some(Route::App { app: app.to_owned(), sheet, opening })
}

/// Reads `[name][/identity/x][/ttl/seconds]`.
fn socket(segments: &[&str]) -> Option<SocketName> {
    let mut name = SocketName::default();
    let mut rest = segments;
    if let [app, after @ ..] = rest
        && !matches!(*app, "identity" | "ttl")
    {
        name.app = Some((*app).to_owned());
        rest = after;
    }
    if let ["identity", identity, after @ ..] = rest {
        name.identity = Some((*identity).to_owned());
        rest = after;
    }
    if let ["ttl", seconds, after @ ..] = rest {
        name.ttl_seconds = Some(seconds.parse().ok()?);
        rest = after;
    }
    rest.is_empty().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::CanonicalPath;

    fn chosen(path: &str, is_socket: bool) -> String {
        let path = CanonicalPath::parse(path).unwrap();
        let is_entrance = |prefix: &Prefix| matches!(prefix.as_str(), "" | "public");
        match choose(path.segments(), is_socket, is_entrance) {
            Chosen::Entrance { prefix, route } => format!("{}: {route:?}", prefix.base()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_first_segment_chooses_the_entrance() {
        for (path, expected) in [
            ("/", ": Root"),
            ("/hub", ": Hub { stream: None }"),
            ("/public", "/public: Root"),
            ("/public/hub", "/public: Hub { stream: None }"),
            ("/public/hub/stream/x", "/public: Hub { stream: Some(\"x\") }"),
            ("/public/public/hub", "/public: Nothing"),
            ("/Public/hub", "UnknownEntrance"),
            ("/nowhere/hub", "UnknownEntrance"),
            ("/nowhere/qrs/about", "UnknownEntrance"),
            ("/nowhere", "Nothing"),
            ("/favicon.ico", "Nothing"),
            ("/hub/x.ttf", ": Nothing"),
            ("/QRS/About", ": Qrs(\"/qrs/About\")"),
            ("/public//qrs//app/full/", "/public: Qrs(\"/qrs/app/full\")"),
            ("/assets/a.js", ": Asset(\"a.js\")"),
            ("/public/qps/user", "/public: Personal"),
            ("/sense/app/1/sheet/2/state/edit", ": Nothing"),
            ("/api/v1/apps/1", ": AppApi { app: \"1\" }"),
        ] {
            assert_eq!(chosen(path, false), expected, "{path}");
        }
    }

    #[test]
    fn deep_links_say_what_to_do_first() {
        for (path, expected) in [
            ("1", "sheet: None, opening: Opening { clears: false, bookmark: None, select: [] }"),
            (
                "1/sheet/2/state/analysis",
                "sheet: Some(\"2\"), opening: Opening { clears: false, bookmark: None, select: [] }",
            ),
            (
                "1/sheet/2/options/clearselections/select/Sales%20Region/North;S%C3%BCd/select/Year/2025",
                "sheet: Some(\"2\"), opening: Opening { clears: true, bookmark: None, select: \
                 [(\"Sales Region\", [\"North\", \"Süd\"]), (\"Year\", [\"2025\"])] }",
            ),
            (
                "1/bookmark/3/theme/dark/language/de",
                "sheet: None, opening: Opening { clears: false, bookmark: Some(\"3\"), select: [] }",
            ),
        ] {
            let expected = format!(": App {{ app: \"1\", {expected} }}");
            assert_eq!(chosen(&format!("/sense/app/{path}"), false), expected, "{path}");
        }
        for path in ["1/select/Year", "1/bookmark", "1/options/other", "1/sheet", "1/sheet/2/x"] {
            assert_eq!(chosen(&format!("/sense/app/{path}"), false), ": Nothing", "{path}");
        }
    }

    #[test]
    fn sockets_say_app_identity_and_how_long_to_wait() {
        let socket = |app: Option<&str>, identity: Option<&str>, ttl_seconds| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let name = SocketName { app: owned(app), identity: owned(identity), ttl_seconds };
            format!(": {:?}", Route::Socket(name))
        };
        assert_eq!(chosen("/app/1", true), socket(Some("1"), None, None));
        assert_eq!(chosen("/app/", true), socket(None, None, None));
        assert_eq!(chosen("/", true), socket(None, None, None));
        assert_eq!(
            chosen("/app/%3Ftransient%3D/identity/a%2Bb/ttl/60", true),
            socket(Some("?transient="), Some("a+b"), Some(60))
        );
        assert_eq!(chosen("/app/1/ttl/5", true), socket(Some("1"), None, Some(5)));
        assert_eq!(chosen("/app/1/ttl/soon", true), ": Nothing");
        assert_eq!(chosen("/app/1/x", true), ": Nothing");
        assert_eq!(chosen("/hub", true), ": Nothing");
        assert_eq!(chosen("/nowhere/app/1", true), "UnknownEntrance");
        assert!(chosen("/app/1", false).contains("SocketPage"));
    }
}
