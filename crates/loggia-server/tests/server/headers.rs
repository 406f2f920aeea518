//! Single sign-on by a header: believed from trusted senders, and from nobody else.

use loggia_model::entity::{AnonymousMode, AuthenticationMethod, HeaderSettings};
use loggia_repository::VirtualProxyEdit;
use serde_json::json;

use crate::support::{Answer, Hub, Person};

const NAME: &str = "X-Portal-User";

fn set_up(hub: &Hub, mode: AnonymousMode, method: AuthenticationMethod, trusted: &[&str]) {
    hub.edit_entrance(VirtualProxyEdit {
        anonymous: Some(mode),
        method: Some(method),
        header: HeaderSettings {
            name: NAME.into(),
            static_directory: "ACME".into(),
            dynamic_directory: r"$ud\\$id".into(),
            trusted_senders: trusted.iter().map(|&text| text.to_owned()).collect(),
        }
        .into(),
        ..VirtualProxyEdit::default()
    });
}

async fn come(person: &mut Person, value: &str) -> Answer {
    let headers = [("Accept", "text/html"), (NAME, value)];
    person.send("GET", "/public/hub", &headers, "").await
}

async fn who(person: &mut Person, value: &str) -> String {
    let me = person.send("GET", "/public/qps/user", &[(NAME, value)], "").await.json();
    let part = |name: &str| me[name].as_str().unwrap_or("-").to_owned();
    format!("{}\\{}", part("userDirectory"), part("userId"))
}

#[tokio::test]
async fn a_trusted_sender_says_who_comes() {
    let hub = Hub::start().await;
    let (never, fixed) = (AnonymousMode::Never, AuthenticationMethod::HeaderStatic);
    set_up(&hub, never, fixed, &["127.0.0.1"]);
    let mut eva = hub.somebody();
    assert_eq!(come(&mut eva, "eva").await.status, 200);
    assert_eq!(eva.who("/public").await, "ACME\\eva", "the cookie alone is enough afterwards");
    // Somebody else in the same browser: a new session, and the old one is over.
    let before = eva.clone();
    assert_eq!(who(&mut eva, "tom").await, "ACME\\tom");
    assert_eq!(before.clone().who("/public").await, "nobody");
    // Who forgets the cookie has still one session.
    let sessions = hub.sessions();
    for _ in 0..20 {
        assert_eq!(who(&mut hub.somebody(), "uma").await, "ACME\\uma");
    }
    assert_eq!(hub.sessions(), sessions + 1);

    let dynamic = AuthenticationMethod::HeaderDynamic;
    set_up(&hub, never, dynamic, &["127.0.0.0/8"]);
    assert_eq!(who(&mut hub.somebody(), r"PARTNERS\eva").await, r"PARTNERS\eva");
    for bad in
        ["eva", r"NONE\anonymous1", r"internal\sa_api", r"A\B\C", "ACME\\e\u{200b}va", "ACME\\ä"]
    {
        assert_eq!(who(&mut hub.somebody(), bad).await, r"-\-", "{bad}");
        assert_eq!(come(&mut hub.somebody(), bad).await.status, 401, "{bad}");
    }
}

#[tokio::test]
async fn the_header_of_a_stranger_is_not_read() {
    let hub = Hub::start_with(|settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let fixed = AuthenticationMethod::HeaderStatic;
    // The client that a forwarder names is on the list, the forwarder itself is not.
    set_up(&hub, AnonymousMode::Never, fixed, &["10.0.0.7", "192.0.2.0/24"]);
    for headers in [
        vec![(NAME, "eva")],
        vec![(NAME, "eva"), ("X-Forwarded-For", "10.0.0.7")],
        vec![(NAME, "eva"), ("Forwarded", "for=10.0.0.7")],
        vec![(NAME, "eva"), (NAME, "root")],
    ] {
        let mut stranger = hub.somebody();
        let mut page = headers.clone();
        page.push(("Accept", "text/html"));
        let answer = stranger.send("GET", "/public/hub", &page, "").await;
        assert_eq!(answer.status, 401, "{headers:?}");
        assert!(answer.body.contains("Single sign-on header missing"), "{}", answer.body);
        let answer = stranger.send("GET", "/public/api/v1/hub", &headers, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "ENT-LOGIN"));
    }
    assert_eq!(hub.sessions(), 0);
    // Where visitors are taken, the stranger is one.
    for mode in [AnonymousMode::Allowed, AnonymousMode::SilentFirst] {
        set_up(&hub, mode, fixed, &["10.0.0.7"]);
        let mut stranger = hub.somebody();
        assert_eq!(come(&mut stranger, "eva").await.status, 200);
        assert!(stranger.who("/public").await.starts_with("NONE\\anonymous"));
    }
    // Names that carry identity between services are never asked for, in no spelling.
    let twice = [(NAME, "eva"), (NAME, "root")];
    set_up(&hub, AnonymousMode::Never, fixed, &["127.0.0.1"]);
    assert_eq!(hub.somebody().send("GET", "/public/hub", &twice, "").await.status, 401);
    let other = [("X_Portal_User", "eva"), ("X-Qlik-User", "UserDirectory=ACME; UserId=eva")];
    assert_eq!(hub.somebody().send("GET", "/public/hub", &other, "").await.status, 401);
    // The default entrance does not know the header.
    let me = hub.somebody().send("GET", "/qps/user", &[(NAME, "eva")], "").await.json();
    assert_eq!(me, json!({ "session": "inactive" }));
}

#[tokio::test]
async fn a_visitor_whom_the_sender_recognises_becomes_that_person() {
    let hub = Hub::start().await;
    let fixed = AuthenticationMethod::HeaderStatic;
    set_up(&hub, AnonymousMode::Allowed, fixed, &["127.0.0.1"]);
    let mut browser = hub.visitor().await;
    let visit = browser.clone();
    assert_eq!(come(&mut browser, "eva").await.status, 200);
    assert_eq!(browser.who("/public").await, "ACME\\eva");
    assert_eq!(visit.clone().who("/public").await, "nobody");
    // Files and health checks make no session, whoever asks.
    let sessions = hub.sessions();
    for path in ["/public/assets/x.js", "/healthz", "/public/loggedout"] {
        hub.somebody().send("GET", path, &[(NAME, "vic")], "").await;
    }
    assert_eq!(hub.sessions(), sessions);
}
