//! How long sessions last and how many there may be: rows 13 and 26 of the acceptance checks in
//! `spec/access.md` §10, row 27 of `spec/security.md` §2.

use loggia_model::UserId;
use loggia_repository::{UserEdit, VirtualProxyEdit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{APP, Hub, Person, Socket, form, server_itself};

const ANA: UserId = UserId(Uuid::from_u128(11));

/// Opens the app on a socket of this browser, or joins where another one of the person has it open.
async fn open(person: &Person, base: &str) -> (Socket, Value) {
    let mut socket = person.socket(&format!("{base}/app/{APP}"), &[]).await.unwrap();
    let mut opened = socket.ask(1, -1, "OpenDoc", json!([APP.to_string()])).await;
    if opened["error"]["code"] == 1002 {
        opened = socket.ask(2, -1, "GetActiveDoc", json!([])).await;
    }
    (socket, opened)
}

/// Frames up to the one of that name.
async fn notified(socket: &mut Socket, method: &str) -> Value {
    loop {
        let frame = socket.next().await.unwrap_or_else(|| panic!("no {method} before the close"));
        if frame["method"] == method {
            return frame["params"].clone();
        }
    }
}

#[tokio::test]
async fn the_sixth_session_of_a_person_may_end_the_five_others_and_goes_on() {
    let hub = Hub::start().await;
    let page = format!("/sense/app/{APP}");
    let mut looking = hub.user("ana", "").await;
    let mut five = Vec::new();
    for base in ["", "/public", "", "/public", ""] {
        let person = hub.user("ana", base).await;
        let (socket, opened) = open(&person, base).await;
        assert_eq!(opened["result"]["qReturn"]["qType"], "Doc", "{opened}");
        // A second tab is the same session.
        assert!(open(&person, base).await.1.get("error").is_none());
        five.push((person, socket));
    }
    let mut sixth = hub.user("ana", "").await;
    assert_eq!(sixth.page("/hub").await.status, 200, "looking around counts nothing");
    let refused = sixth.page(&page).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "LIC-SESSIONS"));
    assert!(refused.body.contains("action=\"/logout/others\""), "it works without script");
    let (mut socket, answer) = open(&sixth, "").await;
    assert_eq!(answer["error"]["parameter"], "LIC-SESSIONS", "{answer}");
    let told = notified(&mut socket, "OnLicenseAccessDenied").await;
    assert_eq!(told["severity"], "fatal");
    assert!(told["message"].as_str().unwrap().contains("five other sessions of yours"), "{told}");
    assert_eq!(five[4].0.page(&page).await.status, 200, "whoever is inside is not refused");

    let button = refused.data()["message"]["form"].clone();
    assert_eq!(button["target"], json!(page));
    let forged = form(&[("csrf", "0"), ("target", &page)]);
    assert_eq!(sixth.post_form("/logout/others", &forged).await.code(), "REQ-CSRF");
    let pressed = form(&[("csrf", button["csrf"].as_str().unwrap()), ("target", &page)]);
    let done = sixth.post_form(button["action"].as_str().unwrap(), &pressed).await;
    assert_eq!((done.status, done.header("location")), (303, page.as_str()));
    assert_eq!(sixth.page(&page).await.status, 200);
    assert!(open(&sixth, "").await.1.get("error").is_none(), "at once");
    for (mut person, mut socket) in five {
        notified(&mut socket, "OnSessionLoggedOut").await;
        assert_ne!(person.who("").await, "LOGGIA\\ana");
    }
    assert_eq!(looking.who("").await, "nobody", "the others are all others");
}

#[tokio::test]
async fn a_place_given_up_at_the_limit_is_free_after_the_cool_down() {
    let hub = Hub::start().await;
    let page = format!("/public/sense/app/{APP}");
    let mut five = Vec::new();
    for _ in 0..5 {
        let person = hub.user("ana", "/public").await;
        five.push((open(&person, "/public").await.0, person));
    }
    let cool_down =
        |minutes| VirtualProxyEdit { cool_down_minutes: Some(minutes), ..Default::default() };
    hub.edit_entrance(cool_down(5));
    five[0].1.log_out("/public").await;
    let mut sixth = hub.user("ana", "/public").await;
    let refused = sixth.page(&page).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "LIC-SESSIONS"));
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((240..=301).contains(&seconds), "{seconds}");
    assert!(refused.body.contains("A place is free again at"), "{}", refused.body);
    let (mut socket, answer) = open(&sixth, "/public").await;
    assert_eq!(answer["error"]["parameter"], "LIC-SESSIONS", "{answer}");
    let told = notified(&mut socket, "OnLicenseAccessDenied").await;
    assert!(told["message"].as_str().unwrap().contains("A place is free again at"), "{told}");

    // Ending the others takes over one of their places, whatever rests.
    let button = refused.data()["message"]["form"].clone();
    let pressed = form(&[("csrf", button["csrf"].as_str().unwrap()), ("target", &page)]);
    assert_eq!(sixth.post_form(button["action"].as_str().unwrap(), &pressed).await.status, 303);
    assert!(open(&sixth, "/public").await.1.get("error").is_none());
    sixth.log_out("/public").await;
    let mut last = hub.user("ana", "/public").await;
    let refused = last.page(&page).await;
    assert_eq!(refused.code(), "LIC-SESSIONS");
    assert!(refused.data()["message"]["form"].is_null(), "there is nothing left to end");
    hub.edit_entrance(cool_down(0));
    assert_eq!(last.page(&page).await.status, 200, "a changed setting holds at once");
}

#[tokio::test]
async fn an_app_that_does_not_open_takes_no_place() {
    let hub = Hub::start().await;
    for _ in 0..6 {
        let person = hub.user("ana", "").await;
        let mut socket = person.socket("/app/nothing", &[]).await.unwrap();
        let missing = Uuid::from_u128(99).to_string();
        let refused = socket.ask(1, -1, "OpenDoc", json!([missing])).await;
        assert_eq!(refused["error"]["code"], 1003, "{refused}");
    }
    assert_eq!(hub.running.front.proxy.sessions().count_of(ANA), 6);
    assert!(open(&hub.user("ana", "").await, "").await.1.get("error").is_none());
}

#[tokio::test]
async fn a_restart_keeps_people_in_and_their_places_taken() {
    let hub = Hub::start().await;
    let mut people = Vec::new();
    for _ in 0..5 {
        let person = hub.user("ana", "").await;
        open(&person, "").await;
        people.push(person);
    }
    let mut visitor = hub.visitor().await;
    let who = visitor.who("/public").await;
    let hub = hub.restart().await;
    let moved = |person: &Person| {
        let mut again = hub.somebody();
        again.cookies = person.cookies.clone();
        again
    };
    let mut first = moved(&people[0]);
    assert_eq!(first.who("").await, "LOGGIA\\ana");
    assert_eq!(moved(&visitor).who("/public").await, who);
    let mut sixth = hub.user("ana", "").await;
    let refused = sixth.page(&format!("/sense/app/{APP}")).await;
    assert_eq!(refused.code(), "LIC-SESSIONS");
    assert_eq!(first.page(&format!("/sense/app/{APP}")).await.status, 200);
    let methods: Vec<_> = hub.running.front.proxy.sessions().of_user(ANA);
    assert!(methods.iter().all(|session| session.method() == Some("form")));
}

#[tokio::test]
async fn a_blocked_person_gets_no_further_answer_on_an_open_socket() {
    let hub = Hub::start().await;
    let ana = hub.user("ana", "").await;
    let (mut socket, opened) = open(&ana, "").await;
    let handle = i32::try_from(opened["result"]["qReturn"]["qHandle"].as_i64().unwrap()).unwrap();
    let layout = socket.ask(2, handle, "GetAppLayout", json!([])).await;
    assert!(layout.get("error").is_none(), "{layout}");
    let block = UserEdit { is_blocked: Some(true), ..UserEdit::default() };
    hub.repository().update_user(&server_itself(), ANA, None, block).unwrap();
    let refused = socket.ask(3, handle, "GetAppLayout", json!([])).await;
    assert_eq!(refused["error"]["code"], 5, "{refused}");
    notified(&mut socket, "OnSessionClosed").await;
}

#[tokio::test]
async fn servers_that_share_a_folder_share_their_sessions() {
    let (hub, other) = Hub::pair().await;
    let second = other.address;
    assert!(hub.second_server().await.contains("--shared"), "others must know of each other");
    let ana = hub.user("ana", "").await;
    assert_eq!(ana.at(second).who("").await, "LOGGIA\\ana", "at once");
    let (mut socket, opened) = open(&hub.user("ana", "").await.at(second), "").await;
    assert!(opened.get("error").is_none(), "{opened}");

    // Logged out at the one, dead at the other as soon as that looks, which it does each second.
    let follow = |front: std::sync::Arc<loggia_server::front::Front>| async move {
        let look = move || front.proxy.sessions().follow(front.proxy.now()).unwrap();
        tokio::task::spawn_blocking(look).await.unwrap();
    };
    let mut leaving = hub.user("ana", "").await;
    let mut left = leaving.at(second);
    assert_eq!(left.who("").await, "LOGGIA\\ana");
    leaving.log_out("").await;
    follow(other.front.clone()).await;
    assert_eq!(left.who("").await, "nobody");
    follow(hub.running.front.clone()).await;
    assert_eq!(hub.running.front.proxy.sessions().count_of(ANA), 2);

    // The first goes away for good; whoever signed in there stays in.
    let Hub { running, .. } = hub;
    running.stop().await;
    assert_eq!(ana.at(second).who("").await, "LOGGIA\\ana");
    let answer = socket.ask(9, -1, "EngineVersion", json!([])).await;
    assert!(answer.get("error").is_none(), "{answer}");
    other.stop().await;
}
