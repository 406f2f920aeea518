//! Logging in and out: who one is afterwards, where one lands, and what is dead.

use loggia_repository::UserEdit;
use serde_json::json;

use crate::support::{APP, Hub, PASSWORD, TEAM_APP, form, server_itself};

#[tokio::test]
async fn a_person_comes_back_to_the_address_asked_for() {
    let hub = Hub::start().await;
    let mut ana = hub.somebody();
    let deep = format!("/sense/app/{TEAM_APP}/sheet/overview/state/analysis");
    let answer = ana.page(&deep).await;
    let login = answer.header("location").to_owned();
    let page = ana.page(&login).await;
    assert_eq!(page.data()["target"], json!(deep));
    assert_eq!(page.data()["entrance"]["anonymous"], "never");
    assert!(page.body.contains(&format!("name=\"target\" value=\"{deep}\"")), "{}", page.body);
    let answer = ana.log_in("LOGGIA\\ana", PASSWORD, "", &deep).await;
    assert_eq!((answer.status, answer.header("location")), (303, deep.as_str()));
    let page = ana.page(&deep).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.data()["app"]["name"], "Payroll");
    assert_eq!(page.data()["me"]["name"], "ana");
    assert!(!ana.cookies.contains_key("X-Qlik-Session-Form"), "the form's cookie is gone");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_what_was_typed_is_kept() {
    let hub = Hub::start().await;
    let mut ana = hub.somebody();
    let known = ana.log_in("ana", "not her password", "", "/hub").await;
    assert_eq!((known.status, known.code().as_str()), (401, "ACC-PASSWORD"));
    assert_eq!(known.data()["username"], "ana");
    assert_eq!(known.data()["target"], "/hub");
    assert!(!known.body.contains("not her password"));
    let unknown = ana.log_in("nobody", "not her password", "", "/hub").await;
    assert_eq!((unknown.status, unknown.code()), (known.status, known.code()));
    assert_eq!(unknown.data()["message"]["text"], known.data()["message"]["text"]);
    assert!(ana.log_in("ana", &"x".repeat(15_000), "", "/hub").await.status == 401);
    assert_eq!(hub.sessions(), 0);

    let mut last = 401;
    for _ in 0..4 {
        last = ana.log_in("ana", "guess", "", "/hub").await.status;
    }
    assert_eq!(last, 429, "guessing is slowed down");
    assert_eq!(ana.log_in("ana", PASSWORD, "", "/hub").await.code(), "ACC-ATTEMPTS");
}

#[tokio::test]
async fn logging_in_and_out_makes_new_ids_and_kills_the_old() {
    let hub = Hub::start().await;
    let mut browser = hub.visitor().await;
    let as_visitor = browser.clone();
    let mut socket =
        as_visitor.socket(&format!("/public/app/{APP}"), &[]).await.expect("a visitor's socket");
    browser.log_in("ana", PASSWORD, "/public", "/public/hub").await;
    let as_ana = browser.clone();
    assert_eq!(as_visitor.clone().who("/public").await, "nobody");
    let end = loop {
        let frame = socket.next().await.expect("the socket is told");
        if frame["params"]["severity"] == "fatal" {
            break frame;
        }
    };
    assert_eq!(end["method"], "OnSessionClosed");

    let mut socket = as_ana.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let answer = browser.log_out("/public").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/public/loggedout"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    let end = loop {
        let frame = socket.next().await.expect("the socket is told");
        if frame["params"]["severity"] == "fatal" {
            break frame;
        }
    };
    assert_eq!(end["method"], "OnSessionLoggedOut");
    assert_eq!(as_ana.clone().who("/public").await, "nobody", "the back button finds no session");
    assert_eq!(browser.page("/public/loggedout").await.status, 200);
    browser.page("/public/hub").await;
    assert!(browser.who("/public").await.starts_with("NONE\\anonymous"));
}

#[tokio::test]
async fn a_cookie_that_was_planted_before_login_is_worth_nothing_after_it() {
    let hub = Hub::start().await;
    let mut ana = hub.somebody();
    let planted = "0123456789abcdef0123456789abcdef";
    ana.cookies.insert("X-Qlik-Session".into(), planted.into());
    ana.log_in("ana", PASSWORD, "", "/hub").await;
    assert_ne!(ana.cookies["X-Qlik-Session"], planted);
    let mut attacker = hub.somebody();
    attacker.cookies.insert("X-Qlik-Session".into(), planted.into());
    assert_eq!(attacker.who("").await, "nobody");
}

#[tokio::test]
async fn the_selections_of_the_visit_are_the_persons() {
    let hub = Hub::start().await;
    let mut browser = hub.visitor().await;
    let path = format!("/public/app/{APP}");
    let mut socket = browser.socket(&path, &[]).await.unwrap();
    let opened = socket.ask(1, -1, "OpenDoc", json!([APP.text()])).await;
    let doc = opened["result"]["qReturn"]["qHandle"].as_i64().unwrap() as i32;
    let field = socket.ask(2, doc, "GetField", json!(["Region"])).await;
    let field = field["result"]["qReturn"]["qHandle"].as_i64().unwrap() as i32;
    socket.ask(3, field, "SelectValues", json!([[{ "qText": "South" }], false, false])).await;

    browser.log_in("ana", PASSWORD, "/public", "/public/hub").await;
    let mut socket = browser.socket(&path, &[]).await.unwrap();
    let opened = socket.ask(1, -1, "OpenDoc", json!([APP.text()])).await;
    let doc = opened["result"]["qReturn"]["qHandle"].as_i64().unwrap() as i32;
    let sum = socket.ask(2, doc, "Evaluate", json!(["Sum(Amount)"])).await;
    assert_eq!(sum["result"]["qReturn"], "2", "{sum}");
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let hub = Hub::start().await;
    for target in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/%09/evil.example",
        "/%5cevil.example",
        "%2f%2fevil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "/nowhere/hub",
        "/logout",
        "/hub\r\nSet-Cookie: a=b",
    ] {
        let encoded = loggia_proxy::query::encode(target);
        let page = hub.somebody().page(&format!("/login?target={encoded}")).await;
        assert_eq!(page.data()["target"], "/hub", "{target}");
        let page = hub.somebody().page(&format!("/login?targetUri={encoded}")).await;
        assert_eq!(page.data()["target"], "/hub", "{target}");
    }
    let mut ana = hub.somebody();
    let answer = ana.log_in("ana", PASSWORD, "", "//evil.example/").await;
    assert_eq!(answer.header("location"), "/hub");
    let own = loggia_proxy::query::encode(&format!("{}/public/hub", hub.origin()));
    let answer = ana.page(&format!("/login?targetUri={own}")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/public/hub"));
}

#[tokio::test]
async fn forms_of_other_pages_do_nothing() {
    let hub = Hub::start().await;
    let credentials = [("username", "ana"), ("password", PASSWORD), ("target", "/hub")];
    let mut ana = hub.somebody();
    for csrf in ["", "0123", &"0".repeat(64)] {
        let mut pairs = credentials.to_vec();
        pairs.push(("csrf", csrf));
        let answer = ana.post_form("/login", &form(&pairs)).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "REQ-CSRF"));
    }
    // The token of another browser's form.
    let foreign = hub.somebody().page("/login").await.data()["csrf"].clone();
    ana.page("/login").await;
    let mut pairs = credentials.to_vec();
    pairs.push(("csrf", foreign.as_str().unwrap()));
    assert_eq!(ana.post_form("/login", &form(&pairs)).await.status, 403);
    // The right token from a wrong place.
    let own = ana.page("/login").await.data()["csrf"].clone();
    let mut pairs = credentials.to_vec();
    pairs.push(("csrf", own.as_str().unwrap()));
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), (name, value)];
        let answer = ana.send("POST", "/login", &headers, &form(&pairs)).await;
        assert_eq!(answer.status, 403, "{name}: {value}");
    }
    assert_eq!(ana.post_form("/login", &form(&pairs)).await.status, 303);

    let origin = hub.origin();
    assert_eq!(ana.post_form("/logout", "").await.status, 403);
    assert_eq!(
        ana.send("POST", "/logout", &[("Sec-Fetch-Site", "cross-site")], "").await.status,
        403
    );
    assert_eq!(ana.send("POST", "/logout", &[("Origin", "null")], "").await.status, 403);
    assert_eq!(
        ana.send("DELETE", "/qps/user", &[("Origin", "https://evil.example")], "").await.status,
        403
    );
    let (path, key) = ("/qps/user?xrfkey=0123456789abcdef", "0123456789abcdef");
    for headers in [
        &[][..],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "none")],
        &[("qlik-csrf-token", "0123")],
        &[("X-Qlik-Xrfkey", "fedcba9876543210")],
        &[("X-Qlik-Xrfkey", key), ("Origin", "https://evil.example")],
        &[("X-Qlik-Xrfkey", key), ("Sec-Fetch-Site", "cross-site")],
    ] {
        assert_eq!(ana.send("DELETE", path, headers, "").await.status, 403, "{headers:?}");
    }
    assert_eq!(ana.page("/logout").await.status, 405, "a link logs nobody out");
    assert_eq!(ana.who("").await, "LOGGIA\\ana");
    assert_eq!(ana.send("POST", "/logout", &[("Origin", &origin)], "").await.status, 303);
    assert_eq!(ana.who("").await, "nobody");
}

#[tokio::test]
async fn clients_end_their_own_session() {
    let hub = Hub::start().await;
    let (path, key) = ("/qps/user?xrfkey=0123456789abcdef", "0123456789abcdef");
    let origin = hub.origin();
    for (name, value) in [
        ("X-Qlik-Xrfkey", key),
        ("Origin", &origin),
        ("Sec-Fetch-Site", "same-origin"),
        ("qlik-csrf-token", ""),
    ] {
        let mut ana = hub.user("ana", "").await;
        let token = ana.get("/qps/csrftoken").await.header("qlik-csrf-token").to_owned();
        let value = if value.is_empty() { &token } else { value };
        let answer = ana.send("DELETE", path, &[(name, value)], "").await;
        assert_eq!(answer.json(), json!({ "session": "inactive" }), "{name}");
        assert_eq!(ana.who("").await, "nobody", "{name}");
    }
}

#[tokio::test]
async fn a_blocked_person_can_make_room_for_another() {
    let hub = Hub::start().await;
    let mut browser = hub.user("ana", "").await;
    let blocked = UserEdit { is_blocked: Some(true), ..UserEdit::default() };
    hub.repository().update_user(&server_itself(), crate::reach::ANA, None, blocked).unwrap();
    let page = browser.page("/hub").await;
    assert_eq!((page.status, page.code().as_str()), (403, "ACC-INACTIVE"));
    let button = page.data()["message"]["form"].clone();
    assert_eq!(button["label"], "Log out");
    let pairs = [("csrf", button["csrf"].as_str().unwrap())];
    let answer = browser.post_form(button["action"].as_str().unwrap(), &form(&pairs)).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/loggedout"));
}
