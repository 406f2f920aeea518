//! Whoever comes, opens apps, signs in and is refused is in the trail of a real server.

use std::net::UdpSocket;
use std::ops::ControlFlow;

use loggia_repository::TrailFilter;
use loggia_repository::loggia_audit::Row;
use serde_json::Value;

use crate::support::Hub;

fn rows(hub: &Hub, event: &str) -> Vec<Row> {
    hub.repository().flush_trail().unwrap();
    let filter = TrailFilter { kinds: vec![event.parse().unwrap()], ..TrailFilter::default() };
    let mut rows = Vec::new();
    hub.repository()
        .walk_trail(&filter, |_, row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

#[tokio::test]
async fn a_visit_that_becomes_a_person_is_one_story() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let started = rows(&hub, "session.start");
    assert_eq!(started.len(), 1);
    let start = &started[0].entry;
    assert!(start.is_anonymous && start.entrance == "public");
    assert_eq!(start.address().as_deref(), Some("127.0.0.1"));
    let as_visitor = start.principal.clone();

    // A second request of the same visitor tells nothing new.
    visitor.get("/public/hub").await;
    assert_eq!(rows(&hub, "session.start").len(), 1);

    visitor.log_in("ana", crate::support::PASSWORD, "/public", "").await;
    let upgrades = rows(&hub, "session.upgrade");
    assert_eq!(upgrades.len(), 1);
    let details = upgrades[0].entry.detail_values();
    assert_eq!(details["from"], as_visitor.as_str());
    assert!(details["to"].as_str().unwrap().to_lowercase().ends_with("\\ana"), "{details:?}");
    let ended = rows(&hub, "session.end");
    assert_eq!(
        (ended.len(), &ended[0].entry.detail_values()["reason"]),
        (1, &Value::from("Upgraded"))
    );

    // Nobody may read it who is no auditor.
    let refused = visitor.get("/public/qrs/auditlog?xrfkey=0123456789abcdef").await;
    assert!(refused.status >= 400, "{}", refused.status);
    assert!(hub.repository().verify_trail(None).unwrap().verdict.is_whole());
}

#[tokio::test]
async fn a_syslog_receiver_hears_of_what_happens_after_it_was_named() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let place = receiver.local_addr().unwrap().to_string();
    let hub = Hub::start_with(|settings| {
        settings.audit.syslog = Some(loggia_server::settings::SyslogTarget::Udp(place));
    })
    .await;
    let _visitor = hub.visitor().await;
    let message = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 16_384];
        let mut heard = String::new();
        while !heard.contains(" session.start ") {
            let length = receiver.recv(&mut bytes).unwrap();
            heard = String::from_utf8(bytes[..length].to_vec()).unwrap();
        }
        heard
    })
    .await
    .unwrap();
    assert!(
        message.starts_with("<110>1 ") && message.contains("address=\"127.0.0.1\""),
        "{message}"
    );
}
