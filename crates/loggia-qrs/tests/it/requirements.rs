//! The three requirements of public access, read and changed over REST, in force at once.

use http::StatusCode;
use loggia_model::{AppId, Prefix};
use loggia_repository::VisitInfo;
use loggia_repository::seed::EVERYONE;
use serde_json::json;

use crate::fixture::Hub;

#[tokio::test]
async fn a_public_entrance_is_made_and_unmade_by_rest_alone() {
    let hub = Hub::new();
    let root = hub.root();
    let visitor = hub.visitor();
    let code = |app: AppId| match hub.repository.open_app(&visitor, app, &VisitInfo::default()) {
        Ok(_) => "open",
        Err(error) => error.refusal().unwrap().code.as_str(),
    };

    // (a) the entrance
    let entrance = json!({
        "prefix": "public",
        "description": "Visitors welcome",
        "anonymousAccessMode": "Optional",
        "sessionCookieHeaderName": "X-Qlik-Session-public",
    });
    let made = hub.post(&root, "virtualproxyconfig", &entrance).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.body["anonymousAccessMode"], 1);
    assert!(made.body["warnings"][0]["message"].as_str().unwrap().contains("no licence pool"));
    let entrance = made.id();
    let prefix: Prefix = "public".parse().unwrap();
    assert!(hub.repository.virtual_proxy(&prefix).is_some());

    // an app in the stream that ships with the rules for visitors
    let app = hub.post(&root, "app", &json!({ "name": "Flights" })).await;
    assert_eq!(app.status, StatusCode::CREATED, "{app:?}");
    let app_id = app.id();
    let app: AppId = app_id.parse().unwrap();
    assert_eq!(code(app), "RULE-DENIED");
    let published = hub
        .put(
            &root,
            &format!("app/{app_id}/publish?stream={EVERYONE}&name=Flights+2013"),
            &json!({}),
        )
        .await;
    assert_eq!(published.status, StatusCode::OK, "{published:?}");
    assert_eq!(published.body["stream"]["name"], "Everyone");
    assert_eq!(published.body["name"], "Flights 2013");
    assert_eq!(code(app), "LIC-NONE");

    // (b) the pool and its rule
    let pool = json!({ "name": "Visitors", "kind": "AnalyzerTimeAccess", "capacity": null });
    let pool = hub.post(&root, "licensepool", &pool).await;
    assert_eq!(pool.status, StatusCode::CREATED, "{pool:?}");
    let rule = json!({
        "name": "Visitors draw on the pool",
        "category": "License",
        "resourceFilter": pool.body["resourceFilter"],
        "actions": 1,
        "ruleContext": 1,
        "rule": "user.IsAnonymous()",
    });
    let rule = hub.post(&root, "systemrule", &rule).await;
    assert_eq!(rule.status, StatusCode::CREATED, "{rule:?}");
    assert_eq!(code(app), "open");
    let check = hub.get(&root, &format!("virtualproxyconfig/{entrance}/anonymouscheck")).await;
    let outcomes: Vec<_> = check.body["gates"].as_array().unwrap().iter().collect();
    let failing: Vec<_> = outcomes.iter().filter(|gate| gate["outcome"] != "pass").collect();
    assert_eq!(failing.len(), 1, "only the data is missing: {check:?}");
    assert_eq!(failing[0]["name"], "data");

    // Each is taken away and given back; the very next question is answered by it.
    let rule_path = format!("systemrule/{}", rule.id());
    let off = hub.put(&root, &rule_path, &json!({ "disabled": true })).await;
    assert_eq!(off.status, StatusCode::OK, "{off:?}");
    assert_eq!(code(app), "LIC-NONE");
    hub.put(&root, &rule_path, &json!({ "disabled": false })).await;
    assert_eq!(code(app), "open");

    // (c) the rule of the stream
    let filter = "systemrule?filter=name%20eq%20'StreamEveryoneAnonymous'";
    let shipped = hub.get(&root, filter).await.body[0]["id"].as_str().unwrap().to_owned();
    hub.put(&root, &format!("systemrule/{shipped}"), &json!({ "disabled": true })).await;
    assert_eq!(code(app), "RULE-DENIED");
    hub.put(&root, &format!("systemrule/{shipped}"), &json!({ "disabled": false })).await;
    assert_eq!(code(app), "open");

    let closed = hub
        .put(&root, &format!("virtualproxyconfig/{entrance}"), &json!({ "anonymousAccessMode": 0 }))
        .await;
    assert_eq!(closed.body["anonymousAccessMode"], 0);
    let mode = hub.repository.virtual_proxy(&prefix).unwrap().anonymous;
    assert_eq!(mode, loggia_model::entity::AnonymousMode::Never);

    let usage = hub.get(&root, "licensepool/usage").await;
    assert_eq!(usage.body[0]["used"], 6, "{usage:?}");
    let info = hub.get(&root, "license/AccessTypeInfo").await;
    assert_eq!(info.body["analyzerTimeAccess"]["total"], -1);
    // The same pool by the original's path, until its rule is gone.
    let path = format!("license/AnalyzerTimeAccessType/{}", pool.id());
    assert_eq!(hub.get(&root, &path).await.body["name"], "Visitors");
    assert_eq!(hub.delete(&root, &path).await.status, StatusCode::CONFLICT);
    assert_eq!(hub.delete(&root, &rule_path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(hub.delete(&root, &path).await.status, StatusCode::NO_CONTENT);
}
