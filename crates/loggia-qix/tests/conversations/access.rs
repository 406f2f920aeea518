//! Who may do what, and what happens to open sockets when that changes.

use expect_test::expect;
use loggia_model::SessionEnd;
use loggia_qix::CloseReason;
use serde_json::json;

use crate::site::{APP, SECRET, Site, VISITOR_RULE};

#[tokio::test]
async fn an_app_that_one_may_not_see_does_not_exist() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1));
    client.greeting().await;
    client.call(-1, "OpenDoc", json!([SECRET.text()])).await;
    client.call(-1, "OpenDoc", json!(["Secret"])).await;
    client.call(-1, "OpenDoc", json!(["99999999-9999-4999-8999-999999999999"])).await;
    expect![[r#"
        -> h-1 OpenDoc ["22222222-2222-4222-8222-222222222222"]
        <- {"error":{"code":1003,"parameter":"22222222-2222-4222-8222-222222222222","message":"App not found"}}
        -> h-1 OpenDoc ["Secret"]
        <- {"error":{"code":1003,"parameter":"Secret","message":"App not found"}}
        -> h-1 OpenDoc ["99999999-9999-4999-8999-999999999999"]
        <- {"error":{"code":1003,"parameter":"99999999-9999-4999-8999-999999999999","message":"App not found"}}
    "#]].assert_eq(&client.said());
    let mut owner = site.connect_at(site.person("editor"), &SECRET.text(), None);
    owner.greeting().await;
    assert_eq!(owner.handle(-1, "OpenDoc", json!([SECRET.text()])).await, 1);
}

#[tokio::test]
async fn visitors_change_nothing_that_stays() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let bar = client.handle(1, "GetObject", json!(["bar"])).await;
    client.said();
    let changed = json!([{ "qInfo": { "qId": "bar", "qType": "barchart" }, "title": "mine" }]);
    let patch = json!([[{ "qOp": "add", "qPath": "/title", "qValue": "\"mine\"" }]]);
    let new = json!([{ "qInfo": { "qType": "sheet" } }]);
    client.call(bar, "SetProperties", changed).await;
    client.call(bar, "ApplyPatches", patch).await;
    client.call(1, "CreateObject", new.clone()).await;
    client.call(1, "CreateDimension", new.clone()).await;
    client.call(1, "CreateBookmark", new).await;
    client.call(1, "DestroyObject", json!(["bar"])).await;
    client.call(1, "SetScript", json!(["LOAD 1 as One;"])).await;
    client.call(1, "GetScript", json!([])).await;
    client.call(1, "DoReload", json!([])).await;
    client.call(1, "DoSave", json!([])).await;
    expect![[r#"
        -> h2 SetProperties [{"qInfo":{"qId":"bar","qType":"barchart"},"title":"mine"}]
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h2 ApplyPatches [[{"qOp":"add","qPath":"/title","qValue":"\"mine\""}]]
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h1 CreateObject [{"qInfo":{"qType":"sheet"}}]
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h1 CreateDimension [{"qInfo":{"qType":"sheet"}}]
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h1 CreateBookmark [{"qInfo":{"qType":"sheet"}}]
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h1 DestroyObject ["bar"]
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h1 SetScript ["LOAD 1 as One;"]
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h1 GetScript []
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h1 DoReload []
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
        -> h1 DoSave []
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
    "#]]
    .assert_eq(&client.said());
    let layout = client.result(bar, "GetLayout", json!([])).await;
    assert_eq!(layout["qLayout"]["qMeta"]["privileges"], json!(["read"]));
    assert_eq!(layout["qLayout"]["title"], json!("Sales of 3 products"));
}

#[tokio::test]
async fn a_visitor_who_loses_the_app_is_refused_and_then_cut_off() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let mut other = site.connect(site.person("ana")).opened().await;
    client.said();
    site.set_rule(site.stream_rule(), true);
    client.call(1, "GetAppLayout", json!([])).await;
    let mut last = client.next().await;
    let reference = last["params"]["reference"].as_str().unwrap().to_owned();
    let message = last["params"]["message"].as_str().unwrap().replace(&reference, "<reference>");
    last["params"]["message"] = json!(message);
    last["params"]["reference"] = json!("<reference>");
    expect![[r#"{"jsonrpc":"2.0","method":"OnSessionClosed","params":{"severity":"fatal","timestamp":"2026-11-24T08:00:00.000Z","message":"You no longer have access to this app (RULE-DENIED, reference <reference>)","title":"Not available","text":"You no longer have access to this app.","code":"RULE-DENIED","reference":"<reference>","renews":null}}"#]].assert_eq(&last.to_string());
    expect![[r#"
        -> h1 GetAppLayout []
        <- {"error":{"code":5,"parameter":"","message":"Access denied"}}
    "#]]
    .assert_eq(&client.said());
    assert_eq!(client.closed().await, CloseReason::AccessLost);
    // Nobody else notices.
    other.result(1, "GetAppLayout", json!([])).await;
}

#[tokio::test]
async fn without_a_licence_the_socket_ends_with_the_reason() {
    let site = Site::new();
    site.set_rule(VISITOR_RULE, true);
    let mut client = site.connect(site.visitor(1));
    client.greeting().await;
    let refused = client.call(-1, "OpenDoc", json!([APP.text()])).await;
    assert_eq!(refused["error"]["code"], json!(4000));
    assert_eq!(refused["error"]["parameter"], json!("LIC-ANON-KIND"));
    let last = client.next().await;
    assert_eq!(last["method"], json!("OnLicenseAccessDenied"));
    assert_eq!(last["params"]["severity"], json!("fatal"));
    assert_eq!(client.closed().await, CloseReason::LicenceLost);
}

#[tokio::test]
async fn without_a_node_the_socket_ends_with_the_reason() {
    let site = Site::new();
    let mut open = site.connect(site.visitor(1)).opened().await;
    site.forbid_nodes();
    let refused = open.call(1, "GetAppLayout", json!([])).await;
    assert_eq!(refused["error"]["code"], json!(5));
    assert_eq!(open.next().await["method"], json!("OnNoEngineAvailable"));
    assert_eq!(open.closed().await, CloseReason::AccessLost);
    let mut client = site.connect(site.visitor(2));
    client.greeting().await;
    let refused = client.call(-1, "OpenDoc", json!([APP.text()])).await;
    assert_eq!(refused["error"]["code"], json!(5));
    let last = client.next().await;
    assert_eq!(last["method"], json!("OnNoEngineAvailable"));
    let message = last["params"]["message"].as_str().unwrap();
    assert!(message.contains("NODE-NONE"), "{message}");
}

#[tokio::test]
async fn a_visit_takes_its_next_unit_while_there_is_one() {
    let site = Site::new();
    site.limit_visitors(12);
    let mut client = site.connect(site.visitor(1)).opened().await;
    site.pass_minutes(5);
    client.result(1, "ClearAll", json!([])).await;
    site.pass_minutes(2);
    client.result(1, "ClearAll", json!([])).await;
    site.pass_minutes(6);
    let refused = client.call(1, "ClearAll", json!([])).await;
    assert_eq!(refused["error"]["code"], json!(4000));
    assert_eq!(refused["error"]["parameter"], json!("LIC-EMPTY"));
    let last = client.next().await;
    assert_eq!(last["method"], json!("OnLicenseAccessDenied"));
    assert_eq!(last["params"]["code"], json!("LIC-EMPTY"));
    assert_eq!(last["params"]["renews"], json!("2026-12-01T00:00:00.000Z"));
    assert_eq!(
        last["params"]["text"],
        json!(
            "The capacity for opening apps is used up. Come back on 1 December 2026 at 00:00 UTC."
        )
    );
    assert_eq!(client.closed().await, CloseReason::LicenceLost);
}

#[tokio::test]
async fn a_session_that_ends_ends_its_sockets() {
    let site = Site::new();
    for (end, method) in [
        (SessionEnd::TimedOut, "OnSessionTimedOut"),
        (SessionEnd::LoggedOut, "OnSessionLoggedOut"),
        (SessionEnd::Closed, "OnSessionClosed"),
    ] {
        let mut client = site.connect(site.visitor(1));
        client.greeting().await;
        client.ended.send(Some(end)).unwrap();
        let last = client.next().await;
        assert_eq!(last["method"], json!(method));
        assert_eq!(client.closed().await, CloseReason::Session(end));
    }
}
