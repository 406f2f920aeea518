//! How much visitors may ask for, and what those read for whom there is no room: rows 52 and 53 of
//! `spec/security.md` §2.

use std::sync::Arc;
use std::time::Duration;

use loggia_auth::AddressBlock;
use loggia_repository::{VirtualProxyEdit, VisitorRatesEdit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{APP, Answer, Hub, PASSWORD, PUBLIC};

fn limit(hub: &Hub, rates: VisitorRatesEdit) {
    hub.edit_entrance(VirtualProxyEdit { visitor_rates: rates, ..VirtualProxyEdit::default() });
}

fn refresh(answer: &Answer) -> u64 {
    assert_eq!(answer.header("refresh"), answer.header("retry-after"), "{answer:?}");
    answer.header("refresh").parse().unwrap()
}

#[tokio::test]
async fn a_full_entrance_asks_to_wait_and_its_page_comes_back_by_itself() {
    let hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        max_anonymous_sessions: Some(2),
        max_anonymous_sessions_per_address: Some(2),
        ..VirtualProxyEdit::default()
    });
    let (mut leaving, _staying) = (hub.visitor().await, hub.visitor().await);
    let mut waiting = hub.somebody();
    let first = waiting.page("/public/hub?x=1").await;
    assert_eq!((first.status, first.code().as_str()), (429, "ENT-FULL"));
    assert!(first.body.contains("tries again by itself"), "it says so without script");
    assert!(first.body.contains("href=\"/public/login?target="), "who can log in need not wait");
    let now = first.data()["message"]["secondary"].clone();
    assert_eq!((&now["label"], &now["href"]), (&json!("Try now"), &json!("/public/hub?x=1")));
    let waits = [
        refresh(&first),
        refresh(&waiting.page("/public/hub?x=1").await),
        refresh(&waiting.page("/public/hub?x=1").await),
    ];
    assert!(waits.is_sorted_by(|a, b| a < b), "longer each time: {waits:?}");

    let machine = hub.somebody().get("/public/api/v1/hub").await;
    assert_eq!((machine.status, machine.code().as_str()), (429, "ENT-FULL"));
    assert_ne!(machine.header("retry-after"), "");
    assert_eq!(machine.header("refresh"), "");
    let mut socket = hub.somebody().socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let told = socket.next().await.unwrap();
    assert_eq!(told["method"], "OnMaxAnonymousSessions");
    assert_eq!(told["params"]["code"], "ENT-FULL");
    assert_eq!(socket.closed_with().await, Some(4005));
    assert_eq!(hub.sessions(), 2);

    assert_eq!(hub.user("ana", "/public").await.who("/public").await, "LOGGIA\\ana");
    leaving.log_out("/public").await;
    assert_eq!(waiting.page("/public/hub?x=1").await.status, 200);
}

#[tokio::test]
async fn visitors_who_ask_too_often_wait_and_nobody_else_does() {
    let hub = Hub::start().await;
    let mut ana = hub.user("ana", "/public").await;
    let rates = VisitorRatesEdit { per_address: Some(4), ..VisitorRatesEdit::default() };
    limit(&hub, rates);
    for _ in 0..3 {
        hub.visitor().await;
    }
    // What was asked for before the limit was lowered may count for the fourth, or not.
    hub.somebody().page("/public/hub").await;
    let before = hub.sessions();
    let mut flood = hub.somebody();
    let refused = flood.page("/public/hub").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "ENT-RATE"));
    assert!(refresh(&refused) > 3, "as long as it takes");
    let message = refused.data()["message"].clone();
    let labels = ["action", "secondary"].map(|button| message[button]["label"].clone());
    assert_eq!(labels, [json!("Log in"), json!("Try now")]);
    assert!(!flood.cookies.contains_key("X-Qlik-Session-public"), "no session is begun");
    assert_eq!(hub.sessions(), before);
    assert_eq!(flood.socket(&format!("/public/app/{APP}"), &[]).await.err(), Some(429));
    for path in ["/public/healthz", "/healthz", "/readyz"] {
        assert_eq!(flood.get(path).await.status, 200, "{path} is for free");
    }
    for _ in 0..5 {
        assert_eq!(ana.page("/public/hub").await.status, 200, "whoever signed in goes on");
    }
    assert_eq!(
        hub.somebody().page("/login").await.status,
        200,
        "entrances have limits of their own"
    );
    limit(&hub, VisitorRatesEdit { per_address: Some(0), ..VisitorRatesEdit::default() });
    assert_eq!(flood.page("/public/hub").await.status, 200, "a changed limit holds at once");
}

#[tokio::test]
async fn a_crowd_of_visitors_leaves_the_door_to_signing_in_open() {
    let hub = Hub::start().await;
    let rates = VisitorRatesEdit { per_entrance: Some(1), ..VisitorRatesEdit::default() };
    limit(&hub, rates);
    hub.visitor().await;
    let refused = hub.somebody().page("/public/hub").await;
    assert_eq!(refused.code(), "ENT-RATE");
    assert_eq!(refused.data()["message"]["action"]["label"], "Log in");
    let mut ana = hub.user("ana", "/public").await;
    assert_eq!(ana.page("/public/hub").await.status, 200);
}

#[tokio::test]
async fn whatever_visitors_of_a_network_owe_its_people_sign_in() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let block = AddressBlock::from(hub.address().ip());
    hub.running.front.proxy.charge_address(PUBLIC, block, Duration::from_secs(100));
    limit(&hub, VisitorRatesEdit { per_address: Some(5), ..VisitorRatesEdit::default() });
    assert_eq!(visitor.page("/public/hub").await.code(), "ENT-RATE", "computing");
    let no_compute =
        VisitorRatesEdit { compute_per_address: Some(0), ..VisitorRatesEdit::default() };
    limit(&hub, no_compute);
    while visitor.page("/public/hub").await.status == 200 {}
    limit(
        &hub,
        VisitorRatesEdit { compute_per_address: Some(30_000), ..VisitorRatesEdit::default() },
    );
    assert_eq!(visitor.page("/public/hub").await.code(), "ENT-RATE", "requests");

    // With the visit's own cookie, and from a browser that never was here.
    let answer = visitor.log_in("ana", PASSWORD, "/public", "/public/hub").await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(visitor.page("/public/hub").await.status, 200);
    hub.user("ana", "/public").await;
    // The door has a limit too.
    let mut knocking = hub.somebody();
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(knocking.page("/public/login").await.status);
    }
    assert_eq!(answers.last(), Some(&429), "{answers:?}");
}

#[tokio::test]
async fn an_address_that_made_the_hub_compute_for_long_pauses() {
    let hub = Hub::start().await;
    let (mut visitor, mut ana) = (hub.visitor().await, hub.user("ana", "/public").await);
    let block = AddressBlock::from(hub.address().ip());
    hub.running.front.proxy.charge_address(PUBLIC, block, Duration::from_secs(60));
    let page = format!("/public/sense/app/{APP}");
    let refused = visitor.page(&page).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "ENT-RATE"));
    assert!(refused.body.contains("computing"), "{}", refused.body);
    assert_eq!(ana.page(&page).await.status, 200);
    limit(&hub, VisitorRatesEdit { compute_per_address: Some(0), ..VisitorRatesEdit::default() });
    assert_eq!(visitor.page(&page).await.status, 200);
}

#[tokio::test]
async fn whoever_signed_in_does_not_queue_behind_visitors() {
    let hub = Hub::start().await;
    let (mut visitor, mut ana) = (hub.visitor().await, hub.user("ana", "/public").await);
    let front = Arc::clone(&hub.running.front);
    let turns = u32::try_from(front.visitors.available_permits()).unwrap();
    let busy = front.visitors.acquire_many(turns).await.unwrap();
    let page = format!("/public/sense/app/{APP}");
    let asked = page.clone();
    let waiting = tokio::spawn(async move { visitor.page(&asked).await.status });
    assert_eq!(ana.page(&page).await.status, 200);
    assert!(!waiting.is_finished());
    drop(busy);
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test]
async fn visitors_who_send_something_wait_their_turn_and_pay_for_it() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let front = Arc::clone(&hub.running.front);
    let path = "/public/qrs/app?xrfkey=0123456789abcdef";
    let headers = [("X-Qlik-Xrfkey", "0123456789abcdef"), ("Content-Type", "application/json")];
    let turns = u32::try_from(front.visitors.available_permits()).unwrap();
    let mut busy = front.visitors.acquire_many(turns).await.unwrap();

    // A body that comes slowly keeps nobody waiting: it is read before its sender takes a turn.
    let mut slow = TcpStream::connect(hub.address()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\
         X-Qlik-Xrfkey: 0123456789abcdef\r\nContent-Type: application/json\r\n\
         Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        hub.address(),
        visitor.cookie_header(),
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 25];
    slow.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n", "it is being read");
    drop(busy.split(1).unwrap());
    assert_eq!(visitor.page("/public/hub").await.status, 200);
    let last = front.visitors.acquire().await.unwrap();
    slow.write_all(b"{}").await.unwrap();
    let mut first = [0; 1];
    tokio::select! {
        biased;
        _ = slow.read(&mut first) => panic!("answered before its turn"),
        status = async { hub.user("ana", "/public").await.page("/public/hub").await.status } => {
            assert_eq!(status, 200, "whoever signed in goes on");
        }
    }
    drop((last, busy));
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert_eq!(Answer::parse(&answer).status, 403, "{answer}");

    let long = "x".repeat(65 * 1024);
    let refused = visitor.send("POST", path, &headers, &long).await;
    assert_eq!((refused.status, refused.code().as_str()), (413, "REQ-SIZE"));
    limit(
        &hub,
        VisitorRatesEdit {
            per_address: Some(0),
            compute_per_address: Some(1),
            ..VisitorRatesEdit::default()
        },
    );
    let mut codes = Vec::new();
    while codes.len() < 2_000 && codes.last().is_none_or(|code| code != "ENT-RATE") {
        codes.push(visitor.send("POST", path, &headers, "{}").await.code());
    }
    assert!(codes.last().is_some_and(|code| code == "ENT-RATE"), "nothing was charged");
    assert_eq!(visitor.page("/public/hub").await.status, 429, "of its own network");
    assert_eq!(visitor.page("/public/login").await.status, 200, "and signing in costs nothing");
}

#[tokio::test]
async fn a_crowd_that_fills_every_place_keeps_nobody_who_signed_in_from_working() {
    let hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        max_anonymous_sessions: Some(3),
        max_anonymous_sessions_per_address: Some(3),
        ..VirtualProxyEdit::default()
    });
    let front = Arc::clone(&hub.running.front);
    let (first, mut coming, _third) =
        (hub.visitor().await, hub.visitor().await, hub.visitor().await);
    assert_eq!(hub.somebody().page("/public/hub").await.code(), "ENT-FULL");
    // Every turn is taken, and more visitors wait for one.
    let turns = u32::try_from(front.visitors.available_permits()).unwrap();
    let busy = front.visitors.acquire_many(turns).await.unwrap();
    let page = format!("/public/sense/app/{APP}");
    let asked = page.clone();
    let mut waiting = first;
    let waiting = tokio::spawn(async move { waiting.page(&asked).await.status });

    // A visitor among them may sign in, and works as on a quiet day.
    let signed_in = coming.log_in("ana", PASSWORD, "/public", "/public/hub").await;
    assert_eq!(signed_in.status, 303, "{signed_in:?}");
    for mut person in [coming, hub.user("ana", "/public").await] {
        assert_eq!(person.who("/public").await, "LOGGIA\\ana");
        assert_eq!(person.page("/public/hub").await.status, 200);
        assert_eq!(person.page(&page).await.status, 200);
        let mut socket = person.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
        let opened = socket.ask(1, -1, "GetActiveDoc", json!([])).await;
        let opened = match opened.get("error") {
            Some(_) => socket.ask(2, -1, "OpenDoc", json!([APP.to_string()])).await,
            None => opened,
        };
        let handle = opened["result"]["qReturn"]["qHandle"].as_i64().unwrap();
        let handle = i32::try_from(handle).unwrap();
        let layout = socket.ask(3, handle, "GetAppLayout", json!([])).await;
        assert!(layout.get("error").is_none(), "{layout}");
    }
    assert!(!waiting.is_finished());
    drop(busy);
    assert_eq!(waiting.await.unwrap(), 200);
}
