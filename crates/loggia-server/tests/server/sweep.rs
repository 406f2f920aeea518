//! Every address there is, asked for by everybody: nobody, a visitor, a user without rights, an
//! administrator, a page of another site, and with a wrong method. The addresses come from the route
//! tables, so that a new one is swept as soon as it exists.

use std::collections::BTreeSet;

use loggia_model::entity::RuleCategory;
use loggia_model::{AppId, StreamId};
use loggia_proxy::query;
use loggia_proxy::route::{Need, Route, SocketName};
use loggia_repository::{AppEdit, RuleEdit, StreamEdit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{APP, Answer, Hub, PASSWORD, Person, TEAM_APP, server_itself};

const KEY: &str = "0123456789abcdef";
/// An app and a stream that no rule opens to anybody.
const SECRET_APP: AppId = AppId(Uuid::from_u128(40));
const SECRET_STREAM: StreamId = StreamId(Uuid::from_u128(41));

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
        Route::LiveSessions => "/api/v1/sessions".into(),
        Route::LiveSession { id } => format!("/api/v1/sessions/{id}"),
        Route::VisitorDays => "/api/v1/visitors".into(),
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
        Route::Socket(SocketName::default()),
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
    let asked_without_upgrade = |route: &Route| !matches!(route, Route::Socket(_));
    for route in routes().into_iter().filter(asked_without_upgrade) {
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

/// A handshake that is refused, as bytes: a browser's own would have a right method and origin.
async fn refused_handshake(hub: &Hub, method: &str, path: &str, lines: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n",
        hub.address()
    );
    Answer::parse(&hub.raw(request.as_bytes()).await)
}

#[tokio::test]
async fn every_address_asked_for_a_socket_opens_one_only_where_sockets_are() {
    let hub = Hub::start().await;
    let ana = hub.user("ana", "").await;
    let mut victim = hub.visitor().await;
    for route in routes() {
        let at_default = example(&route);
        let path = format!("/public{at_default}");
        let is_socket = matches!(route, Route::Root | Route::Socket(_) | Route::SocketPage(_));
        let before = (victim.who("/public").await, hub.sessions());

        // Another site's page, with the victim's cookie or without, and methods that open nothing.
        let cookie = format!("Cookie: {}\r\n", victim.cookie_header());
        for origin in ["https://evil.example", "null", "", "file://"] {
            for cookie in ["", cookie.as_str()] {
                let lines = format!("{cookie}Origin: {origin}\r\n");
                let answer = refused_handshake(&hub, "GET", &path, &lines).await;
                let expected = format!("{route:?} {origin:?} {cookie:?}: {}", answer.head);
                assert_eq!(answer.status, 403, "{expected}");
                assert_eq!(answer.header("set-cookie"), "", "{expected}");
            }
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"] {
            let answer = refused_handshake(&hub, method, &path, &cookie).await;
            let expected = format!("{method} {route:?}: {}", answer.head);
            assert!((400..500).contains(&answer.status), "{expected}");
            assert_eq!(answer.header("connection"), "close", "{expected}");
        }
        assert_eq!((victim.who("/public").await, hub.sessions()), before, "{route:?}");

        // Nobody, where nobody is let in as a visitor; a visitor; and a user without rights.
        let (mut heard, sessions) = (Vec::new(), hub.sessions());
        for (person, path) in
            [(hub.somebody(), &at_default), (hub.somebody(), &path), (ana.clone(), &at_default)]
        {
            match person.socket(if path.is_empty() { "/" } else { path }, &[]).await {
                Ok(mut socket) => {
                    let first = socket.next().await.unwrap()["params"].clone();
                    let opened = socket.ask(1, -1, "OpenDoc", json!([SECRET_APP.text()]));
                    let is_told = first["mustAuthenticate"] == json!(true);
                    if !is_told {
                        let opened = opened.await;
                        assert!(opened.get("result").is_none(), "{route:?}: {opened}");
                    }
                    heard.push(match is_told {
                        true => "sign in".to_owned(),
                        false => first["userDirectory"].as_str().unwrap_or_default().to_owned(),
                    });
                }
                Err(status) => heard.push(status.to_string()),
            }
        }
        match is_socket {
            true => assert_eq!(heard, ["sign in", "NONE", "LOGGIA"], "{route:?}"),
            false => assert_eq!(heard, ["404", "404", "404"], "{route:?}"),
        }
        assert_eq!(hub.sessions() - sessions, usize::from(is_socket), "{route:?}");
    }
}

/// Makes an app and a stream that only administrators know of.
fn hide(hub: &Hub) {
    let (repository, caller) = (hub.repository(), server_itself());
    let stream = StreamEdit { name: Some("Board".into()), ..StreamEdit::default() };
    repository.create_stream(&caller, Some(SECRET_STREAM), stream).unwrap();
    let app = AppEdit { name: Some("Bonuses".into()), ..AppEdit::default() };
    repository.create_app(&caller, Some(SECRET_APP), app).unwrap();
    repository.publish_app(&caller, SECRET_APP, SECRET_STREAM, None).unwrap();
}

/// Everything that an answer says, apart from what differs each time and the id that was asked for.
fn said(answer: &Answer, id: &str) -> (u16, Vec<String>, Value) {
    let names = answer.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let names = names.map(|(name, _)| name.to_owned()).collect();
    let mut message = match answer.body.starts_with('{') {
        true => answer.json(),
        false => answer.data()["message"].clone(),
    };
    assert!(message.is_object(), "{}", answer.body);
    for member in ["reference", "time", "timestamp"] {
        message.as_object_mut().unwrap().remove(member);
    }
    let text = message.to_string().replace(id, "ID").replace(&query::encode(id), "ID");
    (answer.status, names, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn who_may_not_read_an_app_is_answered_as_if_there_were_none() {
    let hub = Hub::start().await;
    hide(&hub);
    let none = AppId(Uuid::from_u128(0xffff)).text();
    for (base, mut person, hidden) in [
        ("/public", hub.visitor().await, vec![SECRET_APP.text(), TEAM_APP.text()]),
        ("/public", hub.user("ana", "/public").await, vec![SECRET_APP.text()]),
        ("", hub.user("ana", "").await, vec![SECRET_APP.text()]),
    ] {
        let who = person.who(base).await;
        for (method, address) in [
            ("GET", "/sense/app/ID"),
            ("GET", "/sense/app/ID/sheet/overview/state/analysis"),
            ("GET", "/sense/app/ID/bookmark/x/select/Region/North"),
            ("GET", "/api/v1/apps/ID"),
            ("GET", "/content/apps/ID/thumbnail.svg"),
            ("GET", "/qrs/app/ID?xrfkey=KEY"),
            ("PUT", "/qrs/app/ID?xrfkey=KEY"),
            ("DELETE", "/qrs/app/ID?xrfkey=KEY"),
            ("GET", "/app/ID"),
        ] {
            for accept in ["text/html", "application/json"] {
                let address = format!("{base}{}", address.replace("KEY", KEY));
                let mut answers = Vec::new();
                for id in [&none].into_iter().chain(&hidden) {
                    let path = address.replace("ID", id);
                    let answer = ask(&mut person, method, &path, &[("Accept", accept)]).await;
                    if answer.status == 302 {
                        // Leads to the page without having looked.
                        let there = answer.header("location").replace(id, "ID");
                        answers.push((302, vec![there], Value::Null));
                        continue;
                    }
                    assert_eq!(answer.status, 404, "{who} {method} {path}: {}", answer.body);
                    answers.push(said(&answer, id));
                }
                let expected = format!("{who} {method} {address} {accept}: {answers:?}");
                answers.dedup();
                assert_eq!(answers.len(), 1, "{expected}");
            }
        }
        // On a socket the same.
        let socket = person.socket(&format!("{base}/app/engineData"), &[]).await;
        let mut socket = socket.unwrap_or_else(|status| panic!("{who}: {status}"));
        let mut answers = Vec::new();
        for (number, id) in (1..).zip([&none].into_iter().chain(&hidden)) {
            let mut answer = socket.ask(number, -1, "OpenDoc", json!([id])).await;
            let error = answer["error"].as_object_mut().unwrap();
            let parameter = error["parameter"].as_str().unwrap_or_default().to_owned();
            error.insert("parameter".into(), json!(parameter.replace(id.as_str(), "ID")));
            answers.push(json!([error["code"], error["message"], error["parameter"]]));
        }
        let expected = format!("{who}: {answers:?}");
        answers.dedup();
        assert_eq!(answers.len(), 1, "{expected}");
    }

    // Who may know of it and not touch it is told so.
    let rule = RuleEdit {
        category: Some(RuleCategory::Security),
        name: Some("everybody looks, also over the repository's interface".into()),
        condition: Some("true".into()),
        resource_filter: Some(format!("App_{APP}")),
        actions: Some(2),
        context: Some(0),
        ..RuleEdit::default()
    };
    hub.repository().create_rule(&server_itself(), None, rule).unwrap();
    let mut visitor = hub.visitor().await;
    let mut ana = hub.user("ana", "").await;
    for (person, base) in [(&mut visitor, "/public"), (&mut ana, "")] {
        let path = format!("{base}/qrs/app/{APP}?xrfkey={KEY}");
        assert_eq!(ask(person, "GET", &path, &[]).await.status, 200, "{path}");
        for method in ["PUT", "DELETE"] {
            let answer = ask(person, method, &path, &[]).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
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
    hide(&hub);
    let mut nobody = hub.somebody();
    let mut visitor = hub.visitor().await;
    let mut ana = hub.user("ana", "").await;
    let unknown = Uuid::from_u128(0xffff).to_string();
    let secret = [SECRET_APP.text(), SECRET_STREAM.text()];
    // Ana reads the team's stream and app, which visitors may not know of.
    let of_team =
        [TEAM_APP.text(), Uuid::from_u128(10).to_string(), Uuid::from_u128(5).to_string()];
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
            let of_team = of_team.iter().filter(|_| who == "visitor");
            for id in secret.iter().chain(of_team) {
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
            "another site, in a browser that names only the origin",
            "POST",
            with_key.as_str(),
            vec![key, json, ("Origin", "https://evil.example")],
        ),
        (
            "another site beside this one",
            "POST",
            with_key.as_str(),
            vec![key, json, ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
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
