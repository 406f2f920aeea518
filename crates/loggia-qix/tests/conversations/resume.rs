//! Sockets that come back, sockets beside each other, and signing in.

use std::time::Duration;

use loggia_model::SessionEnd;
use loggia_qix::Settings;
use serde_json::json;

use crate::site::{APP, Site, principal};

const SELECT_ANVIL: &str = "SelectHyperCubeValues";

#[tokio::test]
async fn a_dropped_socket_comes_back_to_its_selections_and_objects() {
    let site = Site::new();
    let mut first = site.connect(site.visitor(1)).opened().await;
    let bar = first.handle(1, "GetObject", json!(["bar"])).await;
    first
        .result(
            1,
            "CreateSessionObject",
            json!([{ "qInfo": { "qId": "FieldList", "qType": "FieldList" }, "qFieldListDef": {} }]),
        )
        .await;
    first.result(bar, SELECT_ANVIL, json!(["/qHyperCubeDef", 0, [0], false])).await;
    first.drop_socket().await;

    let mut second = site.connect(site.visitor(1));
    assert_eq!(second.greeting().await, "SESSION_ATTACHED");
    let again = second.call(-1, "OpenDoc", json!([APP.text()])).await;
    assert_eq!(again["error"]["code"], json!(1002));
    let doc = second.handle(-1, "GetActiveDoc", json!([])).await;
    second.handle(doc, "GetObject", json!(["FieldList"])).await;
    let bar = second.handle(doc, "GetObject", json!(["bar"])).await;
    assert_ne!(bar, 2, "handles are the socket's own");
    assert_eq!(second.handle(doc, "GetObject", json!(["bar"])).await, bar);
    let counts = &second.result(bar, "GetLayout", json!([])).await["qLayout"]["qHyperCube"]
        ["qDimensionInfo"][0]["qStateCounts"]
        .clone();
    assert_eq!(counts["qSelected"], json!(1));
}

#[tokio::test]
async fn a_session_that_nobody_takes_up_again_ends() {
    let site =
        Site::with_settings(Settings { grace: Duration::from_millis(1), ..Settings::default() });
    let first = site.connect(site.visitor(1)).opened().await;
    first.drop_socket().await;
    // The grace period is over once a new socket is told so; how long that takes is the system's.
    loop {
        let mut next = site.connect(site.visitor(1));
        if next.greeting().await == "SESSION_CREATED" {
            let active = next.call(-1, "GetActiveDoc", json!([])).await;
            assert_eq!(active["error"]["code"], json!(1007));
            break;
        }
        next.drop_socket().await;
    }
}

#[tokio::test]
async fn two_sockets_of_one_visitor_share_what_is_selected() {
    let site = Site::new();
    let mut first = site.connect(site.visitor(1)).opened().await;
    let bar = first.handle(1, "GetObject", json!(["bar"])).await;
    let mut second = site.connect(site.visitor(1));
    second.greeting().await;
    second.handle(-1, "GetActiveDoc", json!([])).await;
    second.handle(1, "GetObject", json!(["sheet"])).await;
    second.handle(1, "GetObject", json!(["bar"])).await;
    let answer = first.call(bar, SELECT_ANVIL, json!(["/qHyperCubeDef", 0, [1], false])).await;
    assert_eq!(answer["change"], json!([1, bar]));
    assert_eq!(second.next().await, json!({ "jsonrpc": "2.0", "change": [1, 3] }));
    // Somebody else has a session of their own.
    let mut stranger = site.connect(site.visitor(2));
    assert_eq!(stranger.greeting().await, "SESSION_CREATED");
}

#[tokio::test]
async fn selections_follow_a_visitor_who_signs_in() {
    let site = Site::new();
    let visitor = site.visitor(1);
    let ana = site.person("ana");
    let mut before = site.connect(visitor.clone()).opened().await;
    let bar = before.handle(1, "GetObject", json!(["bar"])).await;
    before.result(bar, SELECT_ANVIL, json!(["/qHyperCubeDef", 0, [2], false])).await;
    site.engine.carry_selections(&principal(&visitor), &principal(&ana));
    before.ended.send(Some(SessionEnd::Upgraded)).unwrap();

    let mut after = site.connect(ana).opened().await;
    let selections = after
        .handle(
            1,
            "CreateSessionObject",
            json!([{ "qInfo": { "qType": "bar" }, "qSelectionObjectDef": {} }]),
        )
        .await;
    let layout = after.result(selections, "GetLayout", json!([])).await;
    let shown = &layout["qLayout"]["qSelectionObject"];
    assert_eq!(shown["qSelections"][0]["qSelected"], json!("Cog"));
    assert_eq!(shown["qBackCount"], json!(1));
}

#[tokio::test]
async fn a_logged_out_session_is_not_taken_up_again() {
    let site = Site::new();
    let client = site.connect(site.visitor(1)).opened().await;
    client.ended.send(Some(SessionEnd::LoggedOut)).unwrap();
    client.closed().await;
    let mut next = site.connect(site.visitor(1));
    assert_eq!(next.greeting().await, "SESSION_CREATED");
}
