//! Who comes in where: rows 1 to 7 of the acceptance checks in `spec/access.md` §10, and changes
//! of entrances while people are inside.

use loggia_model::entity::AnonymousMode;
use loggia_repository::VirtualProxyEdit;
use serde_json::json;

use crate::support::{APP, Hub, PUBLIC, server_itself};

#[tokio::test]
async fn an_entrance_without_visitors_leads_to_the_login_page() {
    let hub = Hub::start().await;
    let mut somebody = hub.somebody();
    let answer = somebody.page("/hub?x=1").await;
    assert_eq!((answer.status, answer.header("location")), (302, "/login?target=%2Fhub%3Fx%3D1"));
    let answer = somebody.send("POST", "/hub", &[("Accept", "text/html")], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "ENT-LOGIN"));
    let answer = somebody.get("/api/v1/hub").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "ENT-LOGIN"));
    assert_eq!(somebody.get("/qps/user").await.json(), json!({ "session": "inactive" }));
    assert!(somebody.cookies.is_empty(), "{:?}", somebody.cookies);

    let mut socket = somebody.socket(&format!("/app/{APP}"), &[]).await.unwrap();
    let told = socket.next().await.unwrap();
    assert_eq!(told["method"], "OnAuthenticationInformation");
    assert_eq!(told["params"]["mustAuthenticate"], true);
    let login = told["params"]["loginUri"].as_str().unwrap();
    assert!(login.starts_with(&format!("{}/login?targetUri=", hub.origin())), "{login}");
    assert_eq!(socket.next().await, None);
    assert_eq!(hub.sessions(), 0);
}

#[tokio::test]
async fn a_visitor_is_let_in_and_known_again() {
    let hub = Hub::start().await;
    let mut visitor = hub.somebody();
    let page = visitor.page("/public/hub").await;
    assert_eq!(page.status, 200);
    let cookie = page.header("set-cookie");
    for part in ["X-Qlik-Session-public=", "Path=/public", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let data = page.data();
    assert_eq!(data["me"]["isAnonymous"], true);
    assert_eq!(data["hub"]["streams"][0]["name"], "Everyone");
    assert_eq!(data["hub"]["streams"][0]["apps"][0]["name"], "Sales");
    assert!(!page.body.contains("Payroll"), "what people alone may see is not in the page");
    assert!(
        page.body.contains(&format!("href=\"/public/sense/app/{APP}\"")),
        "links work without script"
    );

    let me = visitor.get("/public/qps/user").await.json();
    assert_eq!(me["userDirectory"], "NONE");
    assert!(me["userId"].as_str().unwrap().starts_with("anonymous"), "{me}");
    assert_eq!(me.get("loginUri"), None, "nothing to come back to was named");

    let first = visitor.who("/public").await;
    assert_eq!(visitor.who("/public").await, first, "a second tab is the same visitor");
    let mut other = hub.visitor().await;
    assert_ne!(other.who("/public").await, first, "another browser is another visitor");
    assert_eq!(visitor.get("/hub").await.status, 302, "the other entrance knows nothing of it");
}

#[tokio::test]
async fn a_way_to_log_in_is_given_only_for_returning_to_known_hosts() {
    let hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        host_allow_list: Some(vec!["portal.example".into()]),
        ..VirtualProxyEdit::default()
    });
    let mut visitor = hub.visitor().await;
    let origin = hub.origin();
    for (target, is_given) in [
        (format!("{origin}/public/hub"), true),
        ("https://portal.example/x".to_owned(), true),
        ("https://evil.example/".to_owned(), false),
        ("https://evil-portal.example/".to_owned(), false),
        (format!("http://{}.evil.example/", hub.address()), false),
        ("/public/hub".to_owned(), false),
    ] {
        let target = loggia_proxy::query::encode(&target);
        let me = visitor.get(&format!("/public/qps/user?targetUri={target}")).await.json();
        assert_eq!(me.get("loginUri").is_some(), is_given, "{target}: {me}");
    }
}

#[tokio::test]
async fn forcing_sign_in_ends_the_visit() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let before = visitor.clone();
    let answer = visitor.page("/public/hub?forceAuthentication=yes").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, "/public/login?target=%2Fpublic%2Fhub")
    );
    let answer = visitor.log_in("ana", crate::support::PASSWORD, "/public", "/public/hub").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/public/hub"));
    assert_eq!(visitor.who("/public").await, "LOGGIA\\ana");
    assert_eq!(before.clone().who("/public").await, "nobody", "the visitor's cookie is dead");
    assert_ne!(before.cookies["X-Qlik-Session-public"], visitor.cookies["X-Qlik-Session-public"]);
}

#[tokio::test]
async fn an_entrance_for_visitors_only_takes_nobody_else() {
    let hub = Hub::start().await;
    hub.set_mode(AnonymousMode::Always);
    let mut visitor = hub.visitor().await;
    assert_eq!(visitor.page("/public/hub?forceAuthentication=yes").await.status, 200);
    assert_eq!(visitor.page("/public/login").await.status, 404);
    let data = visitor.page("/public/hub").await.data();
    assert_eq!(data["entrance"]["anonymous"], "always");
    assert_eq!(data["me"].get("loginUrl"), None);
}

#[tokio::test]
async fn nobody_becomes_somebody_by_a_header() {
    let hub = Hub::start().await;
    let mut somebody = hub.somebody();
    for name in ["X-Qlik-User", "x-qlik-user", "X_Qlik_User", "X-Forwarded-User"] {
        let headers = [(name, "UserDirectory=INTERNAL;UserId=sa_repository")];
        let answer = somebody.send("GET", "/qrs/about", &headers, "").await;
        assert_eq!(answer.status, 401, "{name}");
        let answer = somebody.send("GET", "/qps/user", &headers, "").await;
        assert_eq!(answer.json(), json!({ "session": "inactive" }), "{name}");
    }
}

#[tokio::test]
async fn a_change_of_the_mode_ends_exactly_the_sessions_that_it_no_longer_takes() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let mut ana = hub.user("ana", "/public").await;
    let mut bystander = hub.user("ana", "").await;
    let path = format!("/app/{APP}");
    let mut visitors_socket = visitor.socket(&format!("/public{path}"), &[]).await.unwrap();
    let mut anas_socket = ana.socket(&format!("/public{path}"), &[]).await.unwrap();
    let mut other_socket = bystander.socket(&path, &[]).await.unwrap();
    for socket in [&mut visitors_socket, &mut anas_socket, &mut other_socket] {
        socket.ask(1, -1, "EngineVersion", json!([])).await;
    }

    hub.set_mode(AnonymousMode::Never);
    let told = visitors_socket.next().await.unwrap();
    assert_eq!(told["method"], "OnSessionClosed", "{told}");
    assert_eq!(visitor.page("/public/hub").await.status, 302);
    assert_eq!(ana.who("/public").await, "LOGGIA\\ana");
    anas_socket.ask(2, -1, "EngineVersion", json!([])).await;

    hub.set_mode(AnonymousMode::Always);
    assert_eq!(anas_socket.next().await.unwrap()["method"], "OnSessionClosed");
    assert!(ana.who("/public").await.starts_with("nobody"));

    hub.repository().delete_virtual_proxy(&server_itself(), PUBLIC).unwrap();
    let answer = visitor.page("/public/hub").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "ENT-UNKNOWN"));
    other_socket.ask(3, -1, "EngineVersion", json!([])).await;
    assert_eq!(bystander.who("").await, "LOGGIA\\ana");
}

#[tokio::test]
async fn a_full_entrance_says_so_and_lets_those_inside_stay() {
    let hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        max_anonymous_sessions_per_address: Some(2),
        ..VirtualProxyEdit::default()
    });
    let mut first = hub.visitor().await;
    let mut second = hub.visitor().await;
    let mut third = hub.somebody();
    let answer = third.page("/public/hub").await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "ENT-FULL"));
    assert_ne!(answer.header("retry-after"), "");
    assert_eq!(first.page("/public/hub").await.status, 200);
    second.log_out("/public").await;
    assert_eq!(third.page("/public/hub").await.status, 200);
}

#[tokio::test]
async fn only_requests_that_need_a_caller_begin_a_session() {
    let hub = Hub::start().await;
    let mut somebody = hub.somebody();
    for path in [
        "/healthz",
        "/readyz",
        "/public/",
        "/public/login",
        "/public/loggedout",
        "/assets/none.js",
        "/public/qps/user",
        "/public/nothing",
        "/favicon.ico",
        "/nowhere/hub",
    ] {
        somebody.get(path).await;
    }
    assert_eq!(hub.sessions(), 0);
    assert_eq!(somebody.get("/public/qps/csrftoken").await.status, 204);
    assert_eq!(hub.sessions(), 1);
}

#[tokio::test]
async fn sessions_go_on_after_a_restart() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let mut ana = hub.user("ana", "").await;
    let mut left = hub.user("ana", "").await;
    let before = left.clone();
    let name = visitor.who("/public").await;
    left.log_out("").await;

    let hub = hub.restart().await;
    for person in [&mut visitor, &mut ana] {
        let cookies = person.cookies.clone();
        *person = hub.somebody();
        person.cookies = cookies;
    }
    assert_eq!(visitor.who("/public").await, name);
    assert_eq!(ana.who("").await, "LOGGIA\\ana");
    let mut left = hub.somebody();
    left.cookies = before.cookies;
    assert_eq!(left.who("").await, "nobody");
}

#[tokio::test]
async fn a_data_folder_has_one_server() {
    let hub = Hub::start().await;
    let told = hub.second_server().await;
    assert!(told.contains("another loggia serves the data folder"), "{told}");
    hub.restart().await;
}
