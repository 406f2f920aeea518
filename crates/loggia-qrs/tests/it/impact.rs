//! What would a change open? Over REST, with every type of change, saved by nobody.

use http::StatusCode;
use loggia_model::entity::AnonymousMode;
use loggia_repository::VirtualProxyEdit;
use serde_json::{Value, json};

use crate::fixture::Hub;

const ADDRESS: &str = "systemrule/security/impact";

async fn office() -> (Hub, loggia_model::Caller, String, String) {
    let hub = Hub::new();
    let root = hub.root();
    let edit = VirtualProxyEdit {
        prefix: Some("public".parse().unwrap()),
        description: Some("For visitors".to_owned()),
        anonymous: Some(AnonymousMode::Allowed),
        session_cookie: Some("X-Public".to_owned()),
        ..VirtualProxyEdit::default()
    };
    hub.repository.create_virtual_proxy(&hub.server(), None, edit).unwrap();
    let stream = hub.post(&root, "stream", &json!({ "name": "Sales" })).await.id();
    let app = hub.post(&root, "app", &json!({ "name": "Turnover" })).await.id();
    (hub, root, stream, app)
}

#[tokio::test]
async fn an_unsaved_rule_says_who_gains_and_asks_to_confirm() {
    let (hub, root, stream, app) = office().await;
    let version = hub.repository.site().version();
    let changes = json!({ "changes": [
        { "type": "app", "id": app, "value": { "stream": { "id": stream } } },
        { "type": "rule", "value": {
            "name": "Sales_Read", "resourceFilter": format!("Stream_{stream}"), "actions": 2,
            "ruleContext": 1, "rule": "",
        } },
    ] });
    let reply = hub.post(&root, ADDRESS, &changes).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let answer = &reply.body;
    assert_eq!((&answer["needsConfirmation"], &answer["permitted"]), (&json!(true), &json!(true)));
    let confirm: Vec<_> =
        answer["confirm"].as_array().unwrap().iter().map(|one| one["text"].as_str()).collect();
    assert_eq!(
        confirm,
        [
            Some(
                "\"Sales_Read\" has no condition: everyone, including anonymous visitors, may \
                 read the stream Sales (visitors come in at /public)"
            ),
            Some("visitors at /public gain read on the stream Sales, the app Turnover"),
        ]
    );
    let first = &answer["gained"][0];
    assert_eq!(first["audience"]["visitors"], json!(["/public"]));
    assert_eq!(first["resources"]["names"][0]["name"], "Sales");
    assert_eq!((&first["context"], &first["actions"]), (&json!("hub"), &json!(["read"])));
    assert_eq!(hub.repository.site().version(), version);
    assert!(hub.get(&root, "systemrule?filter=name%20eq%20'Sales_Read'").await.names().is_empty());
}

#[tokio::test]
async fn every_type_of_change_is_understood_and_checked_as_when_it_is_saved() {
    let (hub, root, stream, app) = office().await;
    let user = hub.post(&root, "user", &json!({ "userId": "ana", "userDirectory": "ACME" })).await;
    let rule = hub.get(&root, "systemrule?filter=name%20eq%20'StreamEveryoneAnonymous'").await;
    let entrance = hub.get(&root, "virtualproxyconfig?filter=prefix%20eq%20'public'").await;
    let id = |reply: &crate::fixture::Reply| reply.body[0]["id"].clone();
    let changes = [
        json!({ "type": "rule", "id": id(&rule), "value": { "disabled": true } }),
        json!({ "type": "rule", "id": id(&rule), "delete": true }),
        json!({ "type": "stream", "id": stream, "value": { "name": "Sales 2" } }),
        json!({ "type": "stream", "id": stream, "delete": true }),
        json!({ "type": "app", "id": app, "value": { "stream": { "id": stream } } }),
        json!({ "type": "app", "id": app, "delete": true }),
        json!({ "type": "user", "id": user.id(), "value": { "roles": ["ContentAdmin"] } }),
        json!({ "type": "virtualproxy", "id": id(&entrance), "value": { "anonymousAccessMode": 0 } }),
        json!({ "type": "pool", "value": { "name": "Visitors", "kind": "AnalyzerTimeAccess" } }),
    ];
    let version = hub.repository.site().version();
    for change in changes {
        let reply = hub.post(&root, ADDRESS, &json!({ "changes": [change.clone()] })).await;
        assert_eq!(reply.status, StatusCode::OK, "{change}: {reply:?}");
    }
    let wrong: [(Value, StatusCode, &str); 6] = [
        (json!({ "changes": 3 }), StatusCode::BAD_REQUEST, "expected a list of changes"),
        (json!({ "changes": [{ "type": "tea" }] }), StatusCode::BAD_REQUEST, "none of rule"),
        (json!({ "changes": [{ "type": "app", "delete": true }] }), StatusCode::BAD_REQUEST, "id"),
        (
            json!({ "changes": [{ "type": "rule", "value": {
                "name": "X", "resourceFilter": "App_*", "actions": 2, "rule": "user.IsAnonymus()",
            } }] }),
            StatusCode::BAD_REQUEST,
            "IsAnonymous",
        ),
        (
            json!({ "changes": [{ "type": "rule", "id": app, "delete": true }] }),
            StatusCode::NOT_FOUND,
            "no such rule",
        ),
        (
            json!({ "changes": [
                { "type": "app", "id": app, "value": { "stream": { "id": stream } } },
                { "type": "stream", "id": stream, "delete": true },
            ] }),
            StatusCode::CONFLICT,
            "still in use",
        ),
    ];
    for (body, status, told) in wrong {
        let reply = hub.post(&root, ADDRESS, &body).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert!(reply.body.to_string().contains(told), "{body}: {reply:?}");
    }
    assert_eq!(hub.repository.site().version(), version);
}
