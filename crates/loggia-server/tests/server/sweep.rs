//! Every address there is, asked for by everybody: nobody, a visitor, a user without rights, an
//! administrator, a page of another site, and with a wrong method. The addresses come from the route
//! tables, so that a new one is swept as soon as it exists.

use std::collections::BTreeSet;

use loggia_proxy::route::{Need, Route, SocketName};
use uuid::Uuid;

use crate::support::{APP, Answer, Hub, PASSWORD, Person, TEAM_APP};

const KEY: &str = "0123456789abcdef";

/// An address of each kind of route, below an entrance. Exhaustive: a new kind does not compile
/// until it is swept.
fn example(route: &Route) -> String {
    match route {
        Route::Root => String::new(),
        Route::Hub { .. } => "/hub".into(),
        Route::App { app, .. } => format!("/sense/app/{app}"),
        Route::Socket(_) => format!("/app/{TEAM_APP}"),
        Route::SocketPage(_) => format!("/app/{TEAM_APP}"),
        Route::Login => "/login".into(),
        Route::Logout => "/logout".into(),
        Route::OtherSessions => "/logout/others".into(),
        Route::LoggedOut => "/loggedout".into(),
        Route::OidcReturn => "/oidcauthn".into(),
        Route::SamlAssertion => "/samlauthn".into(),
        Route::SamlLogout => "/samlauthn/slo".into(),
        Route::SamlMetadata => "/samlauthn/metadata".into(),
        Route::Personal => "/qps/user".into(),
        Route::CsrfToken => "/qps/csrftoken".into(),
        Route::Restarted => "/qps/restarted".into(),
        Route::HubApi => "/api/v1/hub".into(),
        Route::AppApi { app } => format!("/api/v1/apps/{app}"),
        Route::Qrs(_) => format!("/qrs/app?xrfkey={KEY}"),
        Route::Asset(_) => "/assets/none.js".into(),
        Route::Content(_) => format!("/content/apps/{TEAM_APP}/a.png"),
        Route::Healthy => "/healthz".into(),
        Route::Ready => "/readyz".into(),
        Route::Nothing => "/api/v1/nothing".into(),
    }
}

fn routes() -> Vec<Route> {
    let app = TEAM_APP.text();
    vec![
        Route::Root,
        Route::Hub { stream: None },
        Route::App { app: app.clone(), sheet: None, opening: Default::default() },
        Route::SocketPage(SocketName::default()),
        Route::Login,
        Route::Logout,
        Route::OtherSessions,
        Route::LoggedOut,
        Route::OidcReturn,
        Route::SamlAssertion,
        Route::SamlLogout,
        Route::SamlMetadata,
        Route::Personal,
        Route::CsrfToken,
        Route::Restarted,
        Route::HubApi,
        Route::AppApi { app },
        Route::Qrs(String::new()),
        Route::Asset(String::new()),
        Route::Content(Vec::new()),
        Route::Healthy,
        Route::Ready,
        Route::Nothing,
    ]
}

/// Sends on an open connection and reads one answer: a connection for each of thousands of requests
/// would wear the machine out.
async fn ask(person: &mut Person, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut headers = headers.to_vec();
    headers.push(("X-Qlik-Xrfkey", KEY));
    let body = match method {
        "POST" | "PUT" | "PATCH" => "{}",
        _ => "",
    };
    if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "Content-Type") {
        headers.push(("Content-Type", "application/json"));
    }
    person.send(method, path, &headers, body).await
}

#[tokio::test]
async fn every_route_gives_each_caller_what_its_need_says() {
    let hub = Hub::start().await;
    let mut victim = hub.visitor().await;
    for route in routes() {
        let path = format!("/public{}", example(&route));
        let at_default = example(&route);
        let need = route.need();

        // Nobody, where nobody is let in as a visitor.
        let mut nobody = hub.somebody();
        let sessions = hub.sessions();
        let answer = ask(&mut nobody, "GET", &at_default, &[]).await;
        let (status, expected) = (answer.status, format!("{route:?}: {}", answer.head));
        assert!(status < 500, "{expected}");
        match need {
            Need::Page => assert_eq!(status, 302, "{expected}"),
            Need::Caller => assert_eq!(status, 401, "{expected}"),
            Need::Nobody | Need::Socket => assert_ne!(status, 401, "{expected}"),
        }
        assert_eq!(hub.sessions(), sessions, "{expected}");
        assert!(!answer.header("set-cookie").contains("X-Qlik-Session="), "{expected}");

        // A visitor gets a session where one is needed, and nowhere else.
        let mut visitor = hub.somebody();
        let answer = ask(&mut visitor, "GET", &path, &[]).await;
        let expected = format!("{route:?}: {}", answer.head);
        assert!(answer.status < 500, "{expected}");
        let has_session = answer.header("set-cookie").contains("X-Qlik-Session-public=");
        assert_eq!(has_session, matches!(need, Need::Page | Need::Caller), "{expected}");

        // A page of another site gets nothing done.
        let before = (victim.who("/public").await, hub.sessions());
        for foreign in [
            &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")][..],
            &[("Origin", "null"), ("Sec-Fetch-Site", "cross-site")][..],
            &[("Sec-Fetch-Site", "same-site"), ("Content-Type", "text/plain")][..],
        ] {
            for method in ["POST", "PUT", "DELETE"] {
                let answer = ask(&mut victim, method, &path, foreign).await;
                let expected = format!("{method} {route:?} {foreign:?}: {}", answer.head);
                assert!((400..500).contains(&answer.status), "{expected}");
                assert_eq!(answer.header("access-control-allow-origin"), "", "{expected}");
            }
        }
        assert_eq!((victim.who("/public").await, hub.sessions()), before, "{route:?}");

        // Methods that are no method here.
        for method in ["TRACE", "CONNECT", "PROPFIND", "PATCH", "OPTIONS", "DELETE"] {
            let answer = ask(&mut victim, method, &path, &[]).await;
            let expected = format!("{method} {route:?}: {}", answer.head);
            let ends_session = method == "DELETE" && matches!(route, Route::Personal);
            if ends_session {
                continue;
            }
            assert!((400..500).contains(&answer.status), "{expected}");
        }
    }
}

/// What somebody learns of an answer: its status and code.
fn learnt(answer: &Answer) -> (u16, String) {
    let code = if answer.body.starts_with('{') {
        answer.json()["code"].as_str().unwrap_or_default().to_owned()
    } else {
        String::new()
    };
    (answer.status, code)
}

#[tokio::test]
async fn no_address_of_the_repository_tells_strangers_what_exists() {
    let hub = Hub::start().await;
    let mut nobody = hub.somebody();
    let mut visitor = hub.visitor().await;
    let mut ana = hub.user("ana", "").await;
    let unknown = Uuid::from_u128(0xffff).to_string();
    let hidden = [TEAM_APP.text(), Uuid::from_u128(10).to_string(), Uuid::from_u128(5).to_string()];
    let mut swept = BTreeSet::new();
    let mut answered = Vec::new();
    for (method, pattern) in loggia_qrs::routes() {
        let method = method.as_str();
        let address = |base: &str, id: &str| {
            let places =
                pattern.split('/').map(|part| if part.starts_with('{') { id } else { part });
            let path = places.collect::<Vec<_>>().join("/");
            format!("{base}/qrs/{path}?xrfkey={KEY}")
        };
        swept.insert((method, pattern));

        let answer = ask(&mut nobody, method, &address("", &unknown), &[]).await;
        assert_eq!(answer.status, 401, "{method} {pattern}: {}", answer.head);
        assert_eq!(answer.header("set-cookie"), "", "{method} {pattern}");

        for (who, base, person) in [("visitor", "/public", &mut visitor), ("ana", "", &mut ana)] {
            let there_is_none = ask(person, method, &address(base, &unknown), &[]).await;
            let told = learnt(&there_is_none);
            assert!(told.0 < 500, "{who} {method} {pattern}: {}", there_is_none.body);
            if !pattern.contains('{') {
                if method != "GET" && told.0 < 400 {
                    answered.push(format!("{who} {method} {pattern}"));
                }
                continue;
            }
            for id in &hidden {
                // Ana reads the team's stream and app, which visitors may not know of.
                if who == "ana" {
                    continue;
                }
                let answer = ask(person, method, &address(base, id), &[]).await;
                assert_eq!(learnt(&answer), told, "{who} {method} {pattern} {id}: {}", answer.body);
            }
            // Row 30: templates and odd ids are nothing.
            for id in ["{id}", "%7Bid%7D", ":id", "*", "%2A"] {
                let answer = ask(person, method, &address(base, id), &[]).await;
                assert!((400..500).contains(&answer.status), "{who} {method} {pattern} {id}");
            }
        }
    }
    // Asks how a text reads, and nothing of the site.
    assert_eq!(answered, ["ana POST systemrule/parsetree"]);
    assert_eq!(swept.len(), loggia_qrs::routes().count());
    assert_eq!(
        hub.repository().site().app(APP).map(|app| app.name.clone()).as_deref(),
        Some("Sales")
    );
}

/// Row 33: what a forged request lacks, or has too much of.
#[tokio::test]
async fn forged_requests_change_nothing() {
    let hub = Hub::start().await;
    let mut root = hub.somebody();
    root.log_in("root", PASSWORD, "", "/hub").await;
    let key = ("X-Qlik-Xrfkey", KEY);
    let json = ("Content-Type", "application/json");
    let body = "{\"name\":\"Forged\"}";
    let with_key = format!("/qrs/stream?xrfkey={KEY}");
    for (what, method, path, headers) in [
        ("no key", "POST", "/qrs/stream", vec![json]),
        ("key in the query only", "POST", with_key.as_str(), vec![json]),
        ("key in the header only", "POST", "/qrs/stream", vec![json, key]),
        ("another key", "POST", "/qrs/stream?xrfkey=fedcba9876543210", vec![json, key]),
        ("a short key", "POST", "/qrs/stream?xrfkey=0", vec![json, ("X-Qlik-Xrfkey", "0")]),
        ("a form", "POST", with_key.as_str(), vec![key, ("Content-Type", "text/plain")]),
        (
            "an urlencoded form",
            "POST",
            with_key.as_str(),
            vec![key, ("Content-Type", "application/x-www-form-urlencoded")],
        ),
        (
            "another site",
            "POST",
            with_key.as_str(),
            vec![key, json, ("Sec-Fetch-Site", "cross-site")],
        ),
        (
            "a sibling site",
            "POST",
            with_key.as_str(),
            vec![key, json, ("Sec-Fetch-Site", "same-site")],
        ),
        (
            "a hidden method",
            "GET",
            with_key.as_str(),
            vec![key, ("X-HTTP-Method-Override", "POST")],
        ),
    ] {
        let _ = root.send(method, path, &headers, if method == "GET" { "" } else { body }).await;
        let streams = root.send("GET", &format!("/qrs/stream?xrfkey={KEY}"), &[key], "").await;
        assert_eq!(streams.status, 200, "{what}");
        assert!(!streams.body.contains("Forged"), "{what}: {}", streams.body);
    }
    for path in ["/logout", "/login", "/logout/others"] {
        for form in ["", "csrf=", "csrf=0000", "_method=DELETE"] {
            let answer = root.post_form(path, form).await;
            assert!((400..500).contains(&answer.status), "{path} {form}: {}", answer.head);
        }
    }
    assert_eq!(root.who("").await, "LOGGIA\\root");
}
