//! What happens to people when an entrance is changed while they are inside: what must be in force
//! is in force at the next request, and whom it does not concern notices nothing.

use loggia_model::VirtualProxyId;
use loggia_model::entity::{AnonymousMode, SameSite};
use loggia_repository::seed::{DEFAULT_ENTRANCE, LOCAL_PROXY};
use loggia_repository::{LoadBalancingEdit, ProxyServiceEdit, VirtualProxyEdit};
use serde_json::json;

use crate::support::{APP, Hub, PUBLIC, server_itself};

fn serve(hub: &Hub, entrances: &[VirtualProxyId]) {
    let edit = ProxyServiceEdit {
        virtual_proxies: Some(entrances.to_vec()),
        ..ProxyServiceEdit::default()
    };
    hub.repository().update_proxy_service(&server_itself(), LOCAL_PROXY, None, edit).unwrap();
}

/// Acceptance check 25 of `spec/access.md` §10.
#[tokio::test]
async fn an_unlinked_entrance_is_gone_and_the_others_go_on() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let mut ana = hub.user("ana", "").await;
    let mut inside = visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let mut elsewhere = ana.socket(&format!("/app/{APP}"), &[]).await.unwrap();
    inside.ask(1, -1, "EngineVersion", json!([])).await;
    elsewhere.ask(1, -1, "EngineVersion", json!([])).await;

    serve(&hub, &[DEFAULT_ENTRANCE]);
    let answer = visitor.page("/public/hub").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "ENT-UNKNOWN"));
    assert_eq!(inside.next().await.unwrap()["method"], "OnSessionClosed");
    assert_eq!(visitor.socket(&format!("/public/app/{APP}"), &[]).await.err(), Some(404));
    elsewhere.ask(2, -1, "EngineVersion", json!([])).await;
    assert_eq!(ana.who("").await, "LOGGIA\\ana");

    serve(&hub, &[DEFAULT_ENTRANCE, PUBLIC]);
    assert_eq!(visitor.page("/public/hub").await.status, 200);
    elsewhere.ask(3, -1, "EngineVersion", json!([])).await;
}

/// Acceptance check 25 of `spec/access.md` §10.
#[tokio::test]
async fn without_engine_nodes_the_hub_works_and_no_app_opens() {
    let hub = Hub::start().await;
    let load_balancing = LoadBalancingEdit { nodes: Some(Some(vec![])), ..Default::default() };
    hub.edit_entrance(VirtualProxyEdit { load_balancing, ..VirtualProxyEdit::default() });
    let mut visitor = hub.visitor().await;
    let page = visitor.page("/public/hub").await;
    assert_eq!(page.data()["hub"]["streams"][0]["apps"][0]["name"], "Sales");
    let answer = visitor.page(&format!("/public/sense/app/{APP}")).await;
    assert_eq!(answer.code(), "NODE-NONE", "{answer:?}");
    assert!(!answer.body.contains("Log in"), "which would not help: {}", answer.body);
}

#[tokio::test]
async fn changes_that_end_no_session_leave_sockets_open() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let name = visitor.who("/public").await;
    let mut socket = visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let edit = VirtualProxyEdit::default;
    for (number, edit) in [
        VirtualProxyEdit { inactivity_minutes: Some(45), ..edit() },
        VirtualProxyEdit { lifetime_minutes: Some(Some(480)), ..edit() },
        VirtualProxyEdit { anonymous: Some(AnonymousMode::SilentFirst), ..edit() },
        VirtualProxyEdit { host_allow_list: Some(vec!["portal.example".into()]), ..edit() },
        VirtualProxyEdit { additional_headers: Some("X-Note: new".into()), ..edit() },
        VirtualProxyEdit { max_anonymous_sessions: Some(1), ..edit() },
    ]
    .into_iter()
    .enumerate()
    {
        hub.edit_entrance(edit);
        socket.ask(u32::try_from(number).unwrap() + 10, -1, "EngineVersion", json!([])).await;
    }
    let page = visitor.page("/public/hub").await;
    assert_eq!((page.status, page.header("x-note")), (200, "new"));
    assert_eq!(visitor.who("/public").await, name);

    // A new name: the socket goes on, and the browser, whose cookie nobody asks for, begins anew.
    let session_cookie = Some("X-Qlik-Session-renamed".to_owned());
    hub.edit_entrance(VirtualProxyEdit {
        session_cookie,
        max_anonymous_sessions: Some(10),
        ..edit()
    });
    socket.ask(20, -1, "EngineVersion", json!([])).await;
    let page = visitor.page("/public/hub").await;
    assert!(page.header("set-cookie").starts_with("X-Qlik-Session-renamed="), "{page:?}");
}

#[tokio::test]
async fn only_listed_hosts_may_frame_the_hub_and_nobody_the_login_page() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let own = visitor.page("/public/hub").await;
    assert_eq!(own.header("x-frame-options"), "SAMEORIGIN");
    assert!(own.header("content-security-policy").ends_with("frame-ancestors 'self'"));
    hub.edit_entrance(VirtualProxyEdit {
        host_allow_list: Some(vec!["portal.example".into(), "*.example.org:8443".into()]),
        ..VirtualProxyEdit::default()
    });
    for (path, may_be_framed) in [
        ("/public/hub".to_owned(), true),
        (format!("/public/sense/app/{APP}"), true),
        ("/public/login".to_owned(), false),
        ("/public/loggedout".to_owned(), false),
        ("/public/sense/app/7b0f4a7e-0000-4000-8000-000000000000".to_owned(), false),
    ] {
        let page = visitor.page(&path).await;
        let policy = page.header("content-security-policy");
        let (ancestors, options) = if may_be_framed {
            ("frame-ancestors 'self' portal.example:* *.example.org:8443", "")
        } else {
            ("frame-ancestors 'self'", "SAMEORIGIN")
        };
        assert!(policy.ends_with(ancestors), "{path}: {policy}");
        assert_eq!(page.header("x-frame-options"), options, "{path}");
        let scripts = policy.split("; ").find(|part| part.starts_with("script-src")).unwrap();
        assert_eq!(scripts, "script-src 'self'", "{path}");
    }
}

#[tokio::test]
async fn a_session_cookie_is_as_the_entrance_says() {
    let hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        cookie_domain: Some("example.com".into()),
        same_site_http: Some(SameSite::None),
        is_secure_http: Some(true),
        ..VirtualProxyEdit::default()
    });
    let mut visitor = hub.somebody();
    let page = visitor.page("/public/hub").await;
    let cookie = page.header("set-cookie");
    let (_, flags) = cookie.split_once("; ").unwrap();
    assert_eq!(
        flags,
        "Path=/public; HttpOnly; Domain=example.com; Secure; SameSite=None; Partitioned"
    );
    assert_eq!(page.header("strict-transport-security"), "", "it came over plain HTTP");
}
