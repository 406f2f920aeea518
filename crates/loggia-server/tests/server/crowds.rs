//! A flood of visitors from a great many networks: row 52 of `spec/security.md` §2. Nothing is
//! timed; what counts is who is served and how much is remembered.

use std::net::SocketAddr;

use axum::body::Body;
use http::Request;
use loggia_repository::{VirtualProxyEdit, VisitorRatesEdit};
use loggia_server::listen::Peer;

use crate::support::{APP, Hub, PASSWORD};

/// A request as it comes off a connection from that address, without a connection.
async fn ask(hub: &Hub, from: SocketAddr, path: &str, cookie: &str) -> http::StatusCode {
    let request = Request::get(path)
        .header("host", "hub.example")
        .header("accept", "text/html")
        .header("cookie", cookie)
        .body(Body::empty())
        .unwrap();
    let peer = Peer { address: from, is_encrypted: false };
    hub.running.front.answer(peer, request).await.status()
}

fn network(number: u32) -> SocketAddr {
    let [a, b, c, d] = number.to_be_bytes().map(u16::from);
    SocketAddr::from(([0x2001, 0xdb8, (a << 8) | b, (c << 8) | d, 1, 2, 3, 4], 40_000))
}

#[tokio::test]
async fn a_flood_from_ten_thousand_networks_leaves_the_house_to_those_who_live_in_it() {
    let hub = Hub::start().await;
    let (ana, mut root) = (hub.user("ana", "/public").await, hub.user("root", "/public").await);
    let settled = hub.visitor().await;
    hub.edit_entrance(VirtualProxyEdit {
        max_anonymous_sessions: Some(100),
        visitor_rates: VisitorRatesEdit { per_entrance: Some(0), ..VisitorRatesEdit::default() },
        ..VirtualProxyEdit::default()
    });
    let (cookie_of_ana, cookie_of_visitor) = (ana.cookie_header(), settled.cookie_header());
    let app = format!("/public/sense/app/{APP}");
    let mut served = 0;
    for number in 0..10_000 {
        let from = network(number);
        let status = ask(&hub, from, "/public/hub", "").await;
        assert!(matches!(status.as_u16(), 200 | 429), "{number}: {status}");
        served += u32::from(status == 200);
        assert!(hub.sessions() <= 102, "{number}: {} sessions", hub.sessions());
        // Others of the network ask for what costs nothing: no session is begun for that.
        if number % 10 == 0 {
            assert_eq!(ask(&hub, from, "/healthz", "").await, 200);
            assert_ne!(ask(&hub, from, "/assets/none.js", "").await, 429);
        }
        if number % 100 == 0 {
            assert_eq!(ask(&hub, from, &app, &cookie_of_ana).await, 200, "whoever signed in");
            assert_eq!(ask(&hub, from, &app, &cookie_of_visitor).await, 200, "whoever was here");
        }
    }
    assert_eq!(served, 99, "as many as the entrance takes, the one before the flood included");
    // Signing in is possible in the middle of it, from an address that was never here.
    let mut late = hub.somebody();
    assert_eq!(late.log_in("ana", PASSWORD, "/public", "/public/hub").await.status, 303);
    assert_eq!(root.page(&app).await.status, 200);
}

#[tokio::test]
async fn a_flood_that_throws_its_cookies_away_keeps_to_its_own_networks_share() {
    let hub = Hub::start().await;
    let mut ana = hub.user("ana", "/public").await;
    let rates = VisitorRatesEdit {
        per_address: Some(10_000),
        per_entrance: Some(0),
        ..VisitorRatesEdit::default()
    };
    hub.edit_entrance(VirtualProxyEdit { visitor_rates: rates, ..VirtualProxyEdit::default() });
    let before = hub.sessions();
    for number in 0..1_000_u16 {
        // Neighbours within one network of 64 bits; each sends a cookie that was never given out.
        let from = SocketAddr::from(([0x2001, 0xdb8, 1, 1, number, 2, 3, 4], 40_000));
        let cookie = format!("X-Qlik-Session-public={number:032x}");
        let status = ask(&hub, from, "/public/hub", &cookie).await;
        assert!(matches!(status.as_u16(), 200 | 429), "{number}: {status}");
    }
    let begun = hub.sessions() - before;
    assert_eq!(begun, 20, "as many as an address may have");
    assert_eq!(ask(&hub, network(7), "/public/hub", "").await, 200, "another network is let in");
    assert_eq!(ana.page("/public/hub").await.status, 200);
}
