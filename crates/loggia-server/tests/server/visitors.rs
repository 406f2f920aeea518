//! Who is one visitor, and what a visit costs: rows 12 and 27 of the acceptance checks in
//! `spec/access.md` §10, row 53 of `spec/security.md` §2.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loggia_model::entity::{AnonymousMode, VisitorCookie};
use loggia_model::{PoolId, SessionEnd};
use loggia_repository::VirtualProxyEdit;
use serde_json::json;
use uuid::Uuid;

use crate::support::{APP, Hub, Person, Socket, server_itself};

const SESSION: &str = "X-Qlik-Session-public";
const VISITOR: &str = "X-Qlik-Session-public-Visitor";
/// 2026-11-24 08:00 UTC.
const NOW: i64 = 1_795_507_200_000;

/// A site and its clock.
async fn timed() -> (Hub, impl Fn(i64)) {
    let clock = Arc::new(AtomicI64::new(NOW));
    let hub = Hub::start_by(&clock).await;
    (hub, move |minutes| {
        clock.fetch_add(minutes * 60_000, Ordering::Relaxed);
    })
}

/// Minutes that visitors have drawn this month.
fn minutes(hub: &Hub) -> u64 {
    let pools = hub.repository().pool_uses(&server_itself()).unwrap();
    let visitors = PoolId(Uuid::from_u128(20));
    pools.iter().find(|pool| pool.pool.id == visitors).unwrap().used
}

async fn open(person: &Person) -> Socket {
    let mut socket = person.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let opened = socket.ask(1, -1, "OpenDoc", json!([APP.to_string()])).await;
    assert_eq!(opened["result"]["qReturn"]["qType"], "Doc", "{opened}");
    socket
}

/// The number by which the browser is known.
fn number(person: &Person) -> &str {
    person.cookies[VISITOR].split('.').next().unwrap()
}

/// The browser comes back when its session is over.
async fn again(hub: &Hub, person: &mut Person) {
    for session in hub.running.front.proxy.sessions().all() {
        hub.running.front.proxy.sessions().end(&session, SessionEnd::TimedOut);
    }
    person.cookies.remove(SESSION);
    assert_eq!(person.get("/public/hub").await.status, 200);
}

#[tokio::test]
async fn one_browser_is_one_visitor_when_its_session_is_over() {
    let (hub, pass) = timed().await;
    let mut visitor = hub.somebody();
    let page = visitor.get("/public/hub").await;
    let line = page.all("set-cookie").into_iter().find(|line| line.starts_with(VISITOR)).unwrap();
    assert!(line.ends_with("; Path=/public; HttpOnly; SameSite=Lax; Max-Age=3600"), "{line}");
    drop(open(&visitor).await);
    assert_eq!(minutes(&hub), 6);
    let first = (visitor.who("/public").await, number(&visitor).to_owned());

    pass(1);
    again(&hub, &mut visitor).await;
    assert_ne!(visitor.who("/public").await, first.0, "the session is another one");
    assert_eq!(number(&visitor), first.1);
    drop(open(&visitor).await);
    assert_eq!(minutes(&hub), 6, "and the browser has paid already");

    drop(open(&hub.visitor().await).await);
    assert_eq!(minutes(&hub), 12, "another browser pays for itself");
}

#[tokio::test]
async fn what_the_server_did_not_sign_for_this_entrance_and_hour_is_worth_nothing() {
    let (hub, pass) = timed().await;
    let elsewhere = VirtualProxyEdit {
        prefix: Some("elsewhere".parse().unwrap()),
        description: Some("Also for visitors".into()),
        anonymous: Some(AnonymousMode::Allowed),
        session_cookie: Some("X-Else".into()),
        ..VirtualProxyEdit::default()
    };
    hub.repository().create_virtual_proxy(&server_itself(), None, elsewhere).unwrap();
    let mut there = hub.somebody();
    there.get("/elsewhere/hub").await;
    let foreign = there.cookies["X-Else-Visitor"].clone();
    let visitor = hub.visitor().await;
    drop(open(&visitor).await);
    let good = visitor.cookies[VISITOR].clone();
    let (signed, tag) = good.rsplit_once('.').unwrap();
    let (_, second) = signed.split_once('.').unwrap();
    let victim = Uuid::from_u128(5).simple();
    let later = second.parse::<i64>().unwrap() + 60;
    let mut drawn = minutes(&hub);
    for forged in [
        foreign,
        format!("{victim}.{second}.{tag}"),
        format!("{}.{later}.{tag}", number(&visitor)),
        format!("{victim}.{second}."),
        signed.to_owned(),
        "..".to_owned(),
        "é".to_owned(),
    ] {
        let mut stranger = hub.somebody();
        stranger.cookies.insert(VISITOR.to_owned(), forged.clone());
        stranger.get("/public/hub").await;
        let given = number(&stranger);
        assert_ne!(stranger.cookies[VISITOR], forged);
        assert!(!forged.contains(given), "{forged}");
        drop(open(&stranger).await);
        drawn += 6;
        assert_eq!(minutes(&hub), drawn, "{forged} is somebody new");
    }
    // Each page renews it: what was left alone for an hour has run out.
    let mut visitor = visitor;
    for _ in 0..3 {
        pass(59);
        again(&hub, &mut visitor).await;
        assert!(good.starts_with(number(&visitor)));
    }
    pass(60);
    again(&hub, &mut visitor).await;
    assert!(!good.starts_with(number(&visitor)), "expired");
}

#[tokio::test]
async fn an_entrance_without_visitor_cookies_and_people_who_signed_in_get_none() {
    let hub = Hub::start().await;
    let mut person = hub.user("ana", "/public").await;
    person.get("/public/hub").await;
    assert!(!person.cookies.contains_key(VISITOR), "{:?}", person.cookies);

    let off = VirtualProxyEdit {
        visitor_cookie: Some(VisitorCookie::Off),
        ..VirtualProxyEdit::default()
    };
    hub.edit_entrance(off);
    let mut visitor = hub.visitor().await;
    assert_eq!(visitor.cookies.keys().collect::<Vec<_>>(), [SESSION]);
    drop(open(&visitor).await);
    assert_eq!(minutes(&hub), 6);
    again(&hub, &mut visitor).await;
    drop(open(&visitor).await);
    assert_eq!(minutes(&hub), 12, "the session is the meter");
    let year = VirtualProxyEdit {
        visitor_cookie: Some(VisitorCookie::Year),
        ..VirtualProxyEdit::default()
    };
    hub.edit_entrance(year);
    let page = hub.somebody().get("/public/hub").await;
    assert!(page.head.contains("Max-Age=31536000"), "{}", page.head);
}

#[tokio::test]
async fn a_browser_is_known_after_a_restart() {
    let hub = Hub::start().await;
    let visitor = hub.visitor().await;
    let before = number(&visitor).to_owned();
    let hub = hub.restart().await;
    let mut visitor = visitor.at(hub.address());
    again(&hub, &mut visitor).await;
    assert_eq!(number(&visitor), before);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = std::fs::metadata(hub.data().join("visitor.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn looking_in_and_idling_cost_nothing() {
    let (hub, pass) = timed().await;
    let mut visitor = hub.visitor().await;
    assert_eq!(visitor.page(&format!("/public/sense/app/{APP}")).await.status, 200);
    assert_eq!(visitor.get(&format!("/public/api/v1/apps/{APP}")).await.status, 200);
    drop(visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap());
    let mut silent = visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let mut chatty = visitor.socket(&format!("/public/app/{APP}?identity=two"), &[]).await.unwrap();
    silent.next().await;
    chatty.send(1, 77, "GetLayout", json!([])).await;
    chatty.ask(2, -1, "GetDocList", json!([])).await;
    let nothing_open = chatty.ask(3, -1, "GetActiveDoc", json!([])).await;
    assert!(nothing_open.get("error").is_some(), "{nothing_open}");
    assert_eq!(minutes(&hub), 0);

    let mut socket = open(&visitor).await;
    assert_eq!(minutes(&hub), 6);
    for id in 2..12 {
        pass(7);
        // What a page asks by itself when the server says that something changed.
        let layout = socket.ask(id, 1, "GetAppLayout", json!([])).await;
        assert!(layout.get("error").is_none(), "{layout}");
    }
    // A page whose connection broke joins again by itself.
    let mut joined = visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let answer = joined.ask(1, -1, "GetActiveDoc", json!([])).await;
    assert!(answer.get("error").is_none(), "{answer}");
    assert_eq!(minutes(&hub), 6, "an hour of idling");
    joined.ask(2, 1, "ClearAll", json!([])).await;
    assert_eq!(minutes(&hub), 12, "whoever goes on working pays");
}

#[tokio::test]
async fn twenty_six_active_minutes_are_five_units() {
    let (hub, pass) = timed().await;
    let visitor = hub.visitor().await;
    let mut socket = open(&visitor).await;
    for minute in 1..=26 {
        pass(1);
        let done = socket.ask(minute + 1, 1, "ClearAll", json!([])).await;
        assert!(done.get("error").is_none(), "{done}");
    }
    assert_eq!(minutes(&hub), 30);
    // A change of the site in between gives nobody anything for nothing.
    hub.edit_entrance(VirtualProxyEdit { cool_down_minutes: Some(1), ..Default::default() });
    pass(6);
    socket.ask(40, 1, "ClearAll", json!([])).await;
    assert_eq!(minutes(&hub), 36);
}
