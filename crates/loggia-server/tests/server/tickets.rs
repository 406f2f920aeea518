//! Tickets and the port for programs: who gets in by them, once, and who does not.

use loggia_model::entity::{AnonymousMode, AuthenticationMethod, HeaderSettings, TicketSettings};
use loggia_model::{Moment, UserId};
use loggia_repository::{UserEdit, VirtualProxyEdit};
use loggia_server::authority::{self, Authority, Purpose};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::programs::{KEY, Program, hub, wall};
use crate::support::{APP, Person, server_itself};

fn eva() -> Value {
    json!({ "UserDirectory": "ACME", "UserId": "eva", "Attributes": [] })
}

async fn ticket(program: &Program, entrance: &str) -> String {
    let answer = program.ask("POST", &format!("/qps{entrance}/ticket"), &eva()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["Ticket"].as_str().unwrap().to_owned()
}

/// The value of a parameter in an address.
fn parameter<'a>(address: &'a str, name: &str) -> &'a str {
    let (_, after) = address.split_once(&format!("{name}=")).expect(address);
    after.split('&').next().unwrap()
}

async fn who(person: &mut Person) -> String {
    person.who("/public").await
}

#[tokio::test]
async fn a_login_module_sends_people_back_to_where_they_were_going() {
    let hub = hub().await;
    let module_uri = "https://portal.example/login?site=1".to_owned();
    hub.edit_entrance(VirtualProxyEdit {
        anonymous: Some(AnonymousMode::Never),
        ticket: TicketSettings { module_uri, ..TicketSettings::default() }.into(),
        ..VirtualProxyEdit::default()
    });
    let program = Program::of(&hub);
    let mut browser = hub.somebody();
    let deep = format!("/public/sense/app/{APP}?a=b");
    let login = browser.page(&deep).await.header("location").to_owned();
    let away = browser.page(&login).await;
    let away = away.header("location").to_owned();
    assert!(away.starts_with("https://portal.example/login?site=1&targetId="), "{away}");
    let port = hub.running.trusted_address.unwrap().port();
    let rest = loggia_proxy::query::encode(&format!("https://127.0.0.1:{port}/qps/public/"));
    assert_eq!(parameter(&away, "proxyRestUri"), rest);

    let mut body = eva();
    body["TargetId"] = json!(parameter(&away, "targetId"));
    body["Attributes"] = json!([{ "group": "sales" }, { "group": "north" }, { "note": "" }]);
    let answer = program.ask("POST", "/qps/public/ticket", &body).await;
    let told = answer.json();
    assert_eq!(answer.status, 201);
    assert_eq!((&told["UserDirectory"], &told["UserId"]), (&json!("ACME"), &json!("eva")));
    assert_eq!(told["Attributes"], body["Attributes"]);
    assert_eq!(told["TargetUri"], json!(format!("{}{deep}", hub.origin())));

    let ticket = told["Ticket"].as_str().unwrap();
    let answer = browser.page(&format!("{deep}&qlikTicket={ticket}")).await;
    assert_eq!((answer.status, answer.header("location")), (302, deep.as_str()));
    assert_eq!(browser.page(&deep).await.status, 200);
    assert_eq!(who(&mut browser).await, "ACME\\eva");
    let sessions = program.ask("GET", "/qps/public/user/acme/EVA", &Value::Null).await.json();
    assert_eq!(sessions[0]["Attributes"], body["Attributes"]);
}

#[tokio::test]
async fn a_ticket_is_good_once_at_its_entrance_only() {
    let hub = hub().await;
    let program = Program::of(&hub);
    let good = ticket(&program, "/public").await;
    let mut elsewhere = hub.somebody();
    let answer = elsewhere.page(&format!("/hub?qlikTicket={good}")).await;
    assert_eq!((answer.status, answer.header("location")), (302, "/hub"));
    assert_eq!(elsewhere.who("").await, "nobody");

    // A visitor becomes the person, and the visit is over.
    let mut browser = hub.visitor().await;
    let visit = browser.clone();
    browser.page(&format!("/public/hub?qlikTicket={good}")).await;
    assert_eq!(who(&mut browser).await, "ACME\\eva");
    assert_eq!(who(&mut visit.clone()).await, "nobody");

    // Shown again, also by somebody else, it is worth nothing, and nobody is told why.
    let mut thief = hub.somebody();
    let answer = thief.page(&format!("/public/hub?qlikTicket={good}")).await;
    assert_eq!((answer.status, answer.header("location")), (302, "/public/hub"));
    assert_eq!(who(&mut thief).await, "nobody");
    let replay = thief.get(&format!("/public/qrs/about?xrfkey={KEY}&qlikTicket={good}")).await;
    let wrong = thief.get(&format!("/public/qrs/about?xrfkey={KEY}&qlikTicket=00")).await;
    assert_eq!((replay.status, replay.code()), (401, "ENT-LOGIN".to_owned()));
    assert_eq!((wrong.status, wrong.json()["text"].clone()), (401, replay.json()["text"].clone()));
    // A session that is good already is not changed by somebody else's ticket.
    let other = ticket(&program, "/public").await;
    let mut ana = hub.user("ana", "/public").await;
    ana.page(&format!("/public/hub?qlikTicket={other}")).await;
    assert_eq!(who(&mut ana).await, "LOGGIA\\ana");
    // Guessing ends in being refused even with a good one, for a while.
    for _ in 0..40 {
        thief.get("/public/hub?qlikTicket=ffffffffffffffffffffffffffffffff").await;
    }
    assert_eq!(thief.page(&format!("/public/hub?qlikTicket={other}")).await.status, 302);
    assert_eq!(who(&mut thief).await, "nobody");
}

#[tokio::test]
async fn machines_and_sockets_need_no_second_request_for_a_ticket() {
    let hub = hub().await;
    let program = Program::of(&hub);
    hub.set_mode(AnonymousMode::Never);
    let mut client = hub.somebody();
    let path = format!("/public/qps/user?qlikTicket={}", ticket(&program, "/public").await);
    let answer = client.get(&path).await;
    assert_eq!((answer.status, &answer.json()["userId"]), (200, &json!("eva")));
    assert_eq!(who(&mut client).await, "ACME\\eva", "the answer has the cookie");
    let path = format!("/public/app/{APP}?qlikTicket={}", ticket(&program, "/public").await);
    let mut socket = hub.somebody().socket(&path, &[]).await.unwrap();
    let first = socket.next().await.unwrap();
    assert_eq!(first["params"]["mustAuthenticate"], json!(false), "{first}");
    assert_eq!(first["params"]["userId"], "eva");
    let mut socket = hub.somebody().socket(&path, &[]).await.unwrap();
    let first = socket.next().await.unwrap();
    assert_eq!(first["params"]["mustAuthenticate"], json!(true), "a replay: {first}");
}

#[tokio::test]
async fn an_entrance_for_visitors_only_ignores_every_credential() {
    let hub = hub().await;
    let program = Program::of(&hub);
    let good = ticket(&program, "/public").await;
    hub.edit_entrance(VirtualProxyEdit {
        anonymous: Some(AnonymousMode::Always),
        method: Some(AuthenticationMethod::HeaderStatic),
        header: HeaderSettings {
            name: "X-Portal-User".into(),
            static_directory: "ACME".into(),
            trusted_senders: vec!["127.0.0.1".into()],
            ..HeaderSettings::default()
        }
        .into(),
        ..VirtualProxyEdit::default()
    });
    for path in [
        format!("/public/hub?qlikTicket={good}"),
        "/public/hub?forceAuthentication=yes".to_owned(),
        "/public/hub".to_owned(),
    ] {
        let mut visitor = hub.somebody();
        let headers = [("Accept", "text/html"), ("X-Portal-User", "eva")];
        assert_eq!(visitor.send("GET", &path, &headers, "").await.status, 200, "{path}");
        assert!(who(&mut visitor).await.starts_with("NONE\\anonymous"), "{path}");
    }
    let refused = program.ask("POST", "/qps/public/ticket", &eva()).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "ENT-VISITORS"));
}

#[tokio::test]
async fn nobody_outside_is_a_visitor_or_the_server() {
    let hub = hub().await;
    let program = Program::of(&hub);
    for (directory, id) in [
        ("NONE", "anonymousd9e61933-a7e5-4836-8540-5b137a600e69"),
        ("none", "x"),
        (" NONE ", "x"),
        ("NO\u{200b}NE", "x"),
        ("INTERNAL", "sa_repository"),
        ("internal", "sa_api"),
        ("ACME\\x", "eva"),
        ("ACME", "eva;UserDirectory=NONE"),
        ("", "eva"),
        ("ACME", ""),
    ] {
        for path in ["/qps/public/ticket", "/qps/public/session"] {
            let body = json!({ "UserDirectory": directory, "UserId": id });
            let answer = program.ask("POST", path, &body).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "REQ-BODY"), "{directory}");
        }
    }
    assert_eq!(hub.sessions(), 0);
    for attributes in [json!("x"), json!([1]), json!([{ "a": 1 }]), json!([{ "a": "x", "b": "y" }])]
    {
        let mut body = eva();
        body["Attributes"] = attributes;
        assert_eq!(program.ask("POST", "/qps/public/ticket", &body).await.status, 400);
    }
}

#[tokio::test]
async fn only_certificates_of_this_site_are_let_in() {
    let hub = hub().await;
    let get = "GET /qps/session HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(Program::with(&hub, None).raw(get).await.is_err(), "no certificate");
    let write = |issued: &authority::Issued| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("client.pem"), &issued.certificate).unwrap();
        std::fs::write(folder.path().join("client_key.pem"), &issued.key).unwrap();
        folder
    };
    let ours = Authority::open(hub.data(), wall()).unwrap();
    let foreign_data = tempfile::tempdir().unwrap();
    let foreign = Authority::open(foreign_data.path(), wall()).unwrap();
    let long_ago = Moment(wall().0 - 1_000 * 24 * 60 * 60 * 1_000);
    let soon = Moment(wall().0 + 10 * 24 * 60 * 60 * 1_000);
    let issue = |by: &Authority, purpose, now| write(&by.issue("x", vec![], purpose, now).unwrap());
    for (label, folder) in [
        ("another site's", issue(&foreign, Purpose::Caller, wall())),
        ("expired", issue(&ours, Purpose::Caller, long_ago)),
        ("not good yet", issue(&ours, Purpose::Caller, soon)),
        ("for a server", issue(&ours, Purpose::Listener, wall())),
    ] {
        let outcome = Program::with(&hub, Some(folder.path())).raw(get).await;
        assert!(outcome.is_err(), "{label}: {outcome:?}");
    }
    let folder = issue(&ours, Purpose::Caller, wall());
    assert_eq!(Program::with(&hub, Some(folder.path())).raw(get).await.unwrap().status, 403);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = hub.data().join("authority/root_key.pem");
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // Without TLS nobody answers.
    let plain = crate::support::raw(hub.running.trusted_address.unwrap(), get.as_bytes()).await;
    assert!(!plain.contains("HTTP/1.1 2"), "{plain}");
}

#[tokio::test]
async fn a_program_says_its_key_twice() {
    let hub = hub().await;
    let program = Program::of(&hub);
    let get = |query: &str, header: &str| {
        format!("GET /qps/session{query} HTTP/1.1\r\nHost: a\r\n{header}Connection: close\r\n\r\n")
    };
    let key = format!("X-Qlik-Xrfkey: {KEY}\r\n");
    for (query, header) in [
        ("", ""),
        (&*format!("?Xrfkey={KEY}"), ""),
        ("", &key),
        ("?xrfkey=fedcba9876543210", &key),
        ("?xrfkey=short", "X-Qlik-Xrfkey: short\r\n"),
        ("?xrfkey=0123456789abcde-", "X-Qlik-Xrfkey: 0123456789abcde-\r\n"),
        (&format!("?xrfkey={KEY}"), &format!("{key}{key}")),
    ] {
        let answer = program.raw(&get(query, header)).await.unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "REQ-XRFKEY"),
            "{query} {header}"
        );
    }
    for name in ["Xrfkey", "xrfkey", "XRFKEY"] {
        let answer = program.raw(&get(&format!("?{name}={KEY}"), &key)).await.unwrap();
        assert_eq!((answer.status, answer.json()), (200, json!([])), "{name}");
    }
}

#[tokio::test]
async fn programs_begin_list_and_end_sessions() {
    let hub = hub().await;
    let program = Program::of(&hub);
    let id = "3f0c2a51-9d7e-4b86-a1f4-c05d92e7b368";
    let mut body = eva();
    body["SessionId"] = json!(id);
    body["Attributes"] = json!([{ "group": "sales" }]);
    let answer = program.ask("POST", "/qps/public/session", &body).await;
    assert_eq!((answer.status, &answer.json()["NewUser"]), (201, &json!(true)), "{answer:?}");
    assert_eq!(answer.json()["SessionId"], json!(id));
    let again = program.ask("POST", "/qps/public/session", &body).await;
    assert_eq!(again.status, 409);
    let mut browser = hub.somebody();
    browser.cookies.insert("X-Qlik-Session-public".into(), id.into());
    assert_eq!(who(&mut browser).await, "ACME\\eva");
    body["SessionId"] = json!("3f0c2a519d7e4b86a1f4c05d92e7b369");
    let second = program.ask("POST", "/qps/public/session", &body).await;
    assert_eq!(second.json()["NewUser"], json!(false));
    for bad in ["abc", "00000000-0000-0000-0000-000000000000", "../../etc/passwd", &"x".repeat(99)]
    {
        body["SessionId"] = json!(bad);
        assert_eq!(program.ask("POST", "/qps/public/session", &body).await.status, 400, "{bad}");
    }

    let list = program.ask("GET", "/qps/public/session", &Value::Null).await.json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains(id), "a list shows no secret");
    let shown = list[0]["SessionId"].as_str().unwrap();
    let one = program.ask("GET", &format!("/qps/public/session/{shown}"), &Value::Null).await;
    assert_eq!((one.status, &one.json()["UserId"]), (200, &json!("eva")));
    // Another entrance has none of them.
    assert_eq!(program.ask("GET", "/qps/session", &Value::Null).await.json(), json!([]));
    let path = format!("/qps/session/{shown}");
    assert_eq!(program.ask("DELETE", &path, &Value::Null).await.status, 404);

    let ended = program.ask("DELETE", &format!("/qps/public/session/{id}"), &Value::Null).await;
    assert_eq!((ended.status, &ended.json()["SessionId"]), (200, &json!(id)));
    assert_eq!(who(&mut browser).await, "nobody");
    let all = program.ask("DELETE", "/qps/public/user/ACME/eva", &Value::Null).await;
    assert_eq!(all.json().as_array().unwrap().len(), 1);
    assert_eq!(hub.sessions(), 0);
    assert_eq!(program.ask("GET", "/qps/user/ACME/eva", &Value::Null).await.json(), json!([]));
    assert_eq!(program.ask("PUT", "/qps/session", &json!({})).await.status, 405);
    assert_eq!(program.ask("GET", "/qps/nowhere/session", &Value::Null).await.status, 404);
}

#[tokio::test]
async fn scripts_act_as_a_user_and_see_what_that_user_sees() {
    let hub = hub().await;
    let program = Program::of(&hub);
    let count = async |user: &str| {
        let answer = program.ask_as("GET", "/qrs/app/count", user, &Value::Null).await;
        (answer.status, answer.json()["value"].clone())
    };
    assert_eq!(count("UserDirectory=INTERNAL; UserId=sa_api").await, (200, json!(2)));
    assert_eq!(count("UserDirectory=internal; UserId=sa_repository").await.0, 200);
    assert_eq!(count("UserDirectory=LOGGIA; UserId=root").await, (200, json!(2)));
    for refused in [
        "",
        "UserDirectory=NONE; UserId=anonymous1",
        "UserDirectory=INTERNAL; UserId=sa_engine",
        "UserDirectory=INTERNAL; UserId=root",
        "UserDirectory=LOGGIA; UserId=unknown",
        "LOGGIA\\root",
    ] {
        let answer = program.ask_as("GET", "/qrs/app/count", refused, &Value::Null).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "REQ-USER"), "{refused}");
    }
    let denied = program
        .ask_as("GET", "/qrs/systemrule/count", "UserDirectory=LOGGIA; UserId=ana", &Value::Null)
        .await;
    assert_eq!(denied.json()["value"], json!(0), "{denied:?}");
    let edit = UserEdit { is_blocked: Some(true), ..UserEdit::default() };
    let ana = UserId(Uuid::from_u128(11));
    hub.repository().update_user(&server_itself(), ana, None, edit).unwrap();
    assert_eq!(count("UserDirectory=LOGGIA; UserId=ana").await.0, 403);
    // On the public port the header means nothing.
    let path = format!("/qrs/app/count?xrfkey={KEY}");
    let headers =
        [("X-Qlik-Xrfkey", KEY), ("X-Qlik-User", "UserDirectory=INTERNAL; UserId=sa_api")];
    assert_eq!(hub.somebody().send("GET", &path, &headers, "").await.status, 401);
}

#[tokio::test]
async fn the_personal_interface_says_who_one_is_and_where_to_sign_in() {
    let hub = hub().await;
    let listed = vec!["portal.example".to_owned()];
    hub.edit_entrance(VirtualProxyEdit { host_allow_list: Some(listed), ..Default::default() });
    let mut visitor = hub.visitor().await;
    let me = visitor.get("/public/qps/user").await.json();
    assert_eq!((&me["userDirectory"], &me["session"]), (&json!("NONE"), &json!("inactive")));
    assert!(me["userId"].as_str().unwrap().starts_with("anonymous"));
    assert!(me.get("loginUri").is_none());
    let own = format!("{}/public/hub", hub.origin());
    for (target, is_given) in [
        (own.as_str(), true),
        ("https://portal.example/x", true),
        ("https://evil.example/x", false),
        ("/public/hub", false),
    ] {
        let target = loggia_proxy::query::encode(target);
        let me = visitor.get(&format!("/public/qps/user?targetUri={target}")).await.json();
        assert_eq!(me.get("loginUri").is_some(), is_given, "{target}");
    }
    assert_eq!(hub.somebody().get("/qps/user").await.json(), json!({ "session": "inactive" }));
    let mut ana = hub.user("ana", "/public").await;
    let me = ana.get("/public/qps/user?targetUri=x").await.json();
    assert_eq!((&me["userId"], &me["userDirectory"]), (&json!("ana"), &json!("LOGGIA")));
    assert_eq!(me["logoutUri"], json!(format!("{}/public/qps/user", hub.origin())));
    assert!(me["userName"].is_string() && me.get("loginUri").is_none());
    // After signing in, a listed page elsewhere is gone back to, and no other.
    for (target, expected) in [
        ("https://portal.example/x?a=b", "https://portal.example/x?a=b"),
        ("https://evil.example/x", "/public/hub"),
    ] {
        let path = format!("/public/login?targetUri={}", loggia_proxy::query::encode(target));
        assert_eq!(ana.page(&path).await.header("location"), expected);
    }
    assert_eq!(ana.get("/public/qps/restarted").await.status, 200);
}
