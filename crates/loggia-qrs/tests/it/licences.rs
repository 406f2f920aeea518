//! Licences as administrators and their tools handle them: pools, seats, visitors, files.

use axum::body::Body;
use http::StatusCode;
use loggia_model::{AppId, Caller};
use loggia_repository::seed::EVERYONE;
use loggia_repository::{AppEdit, VisitInfo};
use serde_json::{Value, json};

use crate::fixture::{Hub, Reply};

async fn pool(hub: &Hub, root: &Caller, kind: &str, name: &str, capacity: Value) -> String {
    let pool = json!({ "name": name, "kind": kind, "capacity": capacity });
    let made = hub.post(root, "licensepool", &pool).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.id()
}

/// An app that everybody may read.
fn app(hub: &Hub) -> AppId {
    let server = hub.server();
    let edit = AppEdit { name: Some("Flights".to_owned()), ..AppEdit::default() };
    let app = hub.repository.create_app(&server, None, edit).unwrap().id;
    hub.repository.publish_app(&server, app, EVERYONE, None).unwrap();
    app
}

fn opens(hub: &Hub, caller: &Caller, app: AppId) -> bool {
    let caller = Caller { context: loggia_model::RequestContext::Hub, ..caller.clone() };
    hub.repository.open_app(&caller, app, &VisitInfo::default()).is_ok()
}

fn principals(reply: &Reply) -> Vec<String> {
    let rows = reply.body.as_array().unwrap_or_else(|| panic!("{reply:?}"));
    rows.iter().map(|row| row["user"]["userId"].as_str().unwrap_or("-").to_owned()).collect()
}

#[tokio::test]
async fn one_call_lets_visitors_draw_and_another_takes_it_back() {
    let hub = Hub::new();
    let (root, app) = (hub.root(), app(&hub));
    let visitor = hub.visitor();
    let id = pool(&hub, &root, "AnalyzerTimeAccess", "Reading time", json!(600)).await;
    assert!(!opens(&hub, &visitor, app));

    let path = format!("licensepool/{id}/visitors");
    let on = hub.put(&root, &path, &json!({ "allowed": true })).await;
    assert_eq!((on.status, &on.body["allowed"]), (StatusCode::OK, &json!(true)), "{on:?}");
    assert!(opens(&hub, &visitor, app));
    let rules = hub.get(&root, &format!("licensepool/{id}/rule")).await;
    assert_eq!(rules.body.as_array().unwrap().len(), 1);
    assert_eq!(rules.body[0]["rule"], "user.IsAnonymous()");
    assert_eq!(rules.body[0]["category"], "License");
    // Again changes nothing.
    let version = hub.repository.site().version();
    hub.put(&root, &path, &json!({ "allowed": true })).await;
    assert_eq!(hub.repository.site().version(), version);

    // Somebody else's rule still lets them in, and the answer says so.
    let everybody = json!({ "name": "Everybody", "rule": "true" });
    let made = hub.post(&root, &format!("licensepool/{id}/rule"), &everybody).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let off = hub.put(&root, &path, &json!({ "allowed": false })).await;
    assert_eq!(off.body["allowed"], true);
    assert!(off.body["warnings"][0]["message"].as_str().unwrap().contains("Everybody"), "{off:?}");
    hub.delete(&root, &format!("systemrule/{}", made.id())).await;
    assert_eq!(hub.get(&root, &path).await.body["allowed"], false);
    assert!(!opens(&hub, &hub.visitor(), app));
}

#[tokio::test]
async fn what_cannot_work_for_visitors_says_why() {
    let hub = Hub::new();
    let root = hub.root();
    let seats = pool(&hub, &root, "ProfessionalAccess", "Authors", json!(5)).await;
    let switch = format!("licensepool/{seats}/visitors");
    let refused = hub.put(&root, &switch, &json!({ "allowed": true })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("a seat belongs to one person"), "{detail}");

    // As a rule it can be saved, as it may also admit people, and a lint tells.
    let rule = json!({ "rule": "user.IsAnonymous() or user.name = \"ana\"" });
    let saved = hub.post(&root, &format!("licensepool/{seats}/rule"), &rule).await;
    assert_eq!(saved.status, StatusCode::CREATED, "{saved:?}");
    let codes: Vec<_> =
        saved.body["warnings"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert!(codes.contains(&&json!("rule-seat-for-visitors")), "{saved:?}");

    // There is no resource yet when a licence is drawn.
    let rule = json!({ "rule": "resource.name = \"x\"" });
    let refused = hub.post(&root, &format!("licensepool/{seats}/rule"), &rule).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("licence rules see the user only"), "{detail}");
    assert_eq!(refused.body["problems"][0]["place"], "rule");
}

#[tokio::test]
async fn seats_are_given_listed_taken_away_and_given_back() {
    let hub = Hub::new();
    let (root, app) = (hub.root(), app(&hub));
    let ana = hub.user("ana", &[]);
    let id = pool(&hub, &root, "AnalyzerAccess", "Readers", json!(1)).await;
    let edit = json!({ "quarantineDays": 7 });
    assert_eq!(hub.put(&root, &format!("licensepool/{id}"), &edit).await.body["quarantineDays"], 7);
    let path = format!("licensepool/{id}/allocation");
    let given = hub.post(&root, &path, &json!({ "user": "LOGGIA\\ana" })).await;
    assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
    assert!(opens(&hub, &ana, app));
    hub.user("ben", &[]);
    let full = hub.post(&root, &path, &json!({ "user": "LOGGIA\\ben" })).await;
    assert_eq!((full.status, &full.body["code"]), (StatusCode::CONFLICT, &json!("REQ-PROTECTED")));

    // The original's path and filter find the same seat.
    let listed = hub
        .get(&root, "license/analyzeraccesstype?filter=lastUsed%20le%20'2100-01-01T00:00:00.000Z'")
        .await;
    assert_eq!(principals(&listed), ["ana"]);
    assert_eq!(listed.body[0]["quarantined"], false);
    let counters = hub.get(&root, &format!("licensepool/{id}/counters")).await.body;
    assert_eq!((&counters["used"], &counters["available"]), (&json!(1), &json!(0)));

    // Used lately, it goes into quarantine and comes back to nobody else.
    let seat = format!("license/analyzeraccesstype/{}", listed.body[0]["id"].as_str().unwrap());
    assert_eq!(hub.delete(&root, &seat).await.status, StatusCode::NO_CONTENT);
    assert!(!opens(&hub, &ana, app));
    let rows = hub.get(&root, &path).await;
    assert_eq!(rows.body[0]["quarantined"], true, "{rows:?}");
    let info = hub.get(&root, "license/accesstypeinfo").await.body["analyzerAccess"].clone();
    assert_eq!(
        info,
        json!({
            "enabled": true, "total": 1, "allocated": 1, "used": 0, "quarantined": 1,
            "available": 0,
        })
    );
    let user = rows.body[0]["user"]["id"].as_str().unwrap();
    let back = hub.post(&root, &format!("{path}/{user}/reinstate"), &json!({})).await;
    assert_eq!(back.status, StatusCode::OK, "{back:?}");
    assert!(opens(&hub, &ana, app));
}

#[tokio::test]
async fn deleting_a_rule_asks_what_becomes_of_the_seats_it_gave() {
    let hub = Hub::new();
    let (root, app) = (hub.root(), app(&hub));
    let (ana, ben) = (hub.user("ana", &[]), hub.user("ben", &[]));
    let id = pool(&hub, &root, "ProfessionalAccess", "Authors", json!(5)).await;
    let rule = |name: &str, who: &str| json!({ "name": name, "rule": who });
    let path = format!("licensepool/{id}/rule");
    let both = hub.post(&root, &path, &rule("Both", "user.name like \"*n*\"")).await.id();
    hub.post(&root, &path, &rule("Ben too", "user.name = \"ben\"")).await;
    assert!(opens(&hub, &ana, app) && opens(&hub, &ben, app));

    let asked = hub.delete(&root, &format!("systemrule/{both}")).await;
    assert_eq!(asked.status, StatusCode::CONFLICT);
    assert_eq!(asked.body["code"], "REQ-ALLOCATIONS", "{asked:?}");
    // Ben keeps his by the other rule.
    let whose: Vec<_> = asked.body["allocations"].as_array().unwrap().iter().collect();
    assert_eq!(whose.len(), 1);
    assert_eq!(whose[0]["principal"], "LOGGIA\\ana");
    let wrong = hub.delete(&root, &format!("systemrule/{both}?allocations=perhaps")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);

    let released = hub.delete(&root, &format!("systemrule/{both}?allocations=release")).await;
    assert_eq!(released.status, StatusCode::NO_CONTENT, "{released:?}");
    assert_eq!(principals(&hub.get(&root, &format!("licensepool/{id}/allocation")).await), ["ben"]);
    assert!(!opens(&hub, &ana, app) && opens(&hub, &ben, app));

    // Kept, a seat outlives its rule.
    let rest = hub.get(&root, &path).await.body[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(hub.delete(&root, &format!("systemrule/{rest}")).await.status, StatusCode::CONFLICT);
    let kept = hub.delete(&root, &format!("systemrule/{rest}?allocations=keep")).await;
    assert_eq!(kept.status, StatusCode::NO_CONTENT);
    assert!(opens(&hub, &ben, app));
}

const FILE: &str = r#"
tokens = 20

[[pools]]
name = "Reading time"
kind = "AnalyzerTimeAccess"
capacity = 6000
reservedForUsers = 600
visitors = true

[[pools]]
name = "Authors"
kind = "ProfessionalAccess"
capacity = "unlimited"
rules = [{ name = "Editors", rule = 'user.roles = "Editor"' }]
"#;

#[tokio::test]
async fn a_declaration_is_brought_in_once_and_changes_nothing_the_second_time() {
    let hub = Hub::new();
    let root = hub.root();
    let send = |path: &'static str, text: String| {
        let (hub, root) = (&hub, &root);
        async move { hub.call(Some(root), "POST", path, Body::from(text)).await }
    };
    let outcomes = |reply: &Reply| -> Vec<String> {
        let steps = reply.body["steps"].as_array().unwrap_or_else(|| panic!("{reply:?}"));
        let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
        steps
            .iter()
            .map(|step| {
                let words = ["what", "name", "outcome"].map(|name| text(step, name));
                words.join(" ")
            })
            .collect()
    };
    let version = hub.repository.site().version();
    let dry = send("licensepool/declaration?dryrun=true", FILE.to_owned()).await;
    let made = [
        "pool Reading time made",
        "rule AnalyzerTimeAccessType_Allow visitors_Reading time made",
        "pool Authors made",
        "rule Editors made",
        "tokens 20 changed",
    ];
    assert_eq!(outcomes(&dry), made);
    assert_eq!(hub.repository.site().version(), version, "a dry run stores nothing");
    assert_eq!(outcomes(&send("licensepool/declaration", FILE.to_owned()).await), made);
    let version = hub.repository.site().version();
    let again = send("licensepool/declaration", FILE.to_owned()).await;
    assert!(outcomes(&again).iter().all(|step| step.ends_with(" same")), "{again:?}");

    // What is written out says the same, in both languages.
    let exported = hub.get(&root, "licensepool/declaration").await.body;
    assert_eq!(exported["pools"][0]["name"], "Authors");
    assert_eq!(exported["pools"][1]["reservedForUsers"], 600);
    let again = send("licensepool/declaration", exported.to_string()).await;
    assert!(outcomes(&again).iter().all(|step| step.ends_with(" same")), "{again:?}");
    let parsed: loggia_repository::Declaration = serde_json::from_value(exported).unwrap();
    let again = send("licensepool/declaration", parsed.to_toml()).await;
    assert!(outcomes(&again).iter().all(|step| step.ends_with(" same")), "{again:?}");
    assert_eq!(hub.repository.site().version(), version);

    // One change, and a pool that the file does not mention stays.
    let other = FILE.replace("6000", "3000").replace("\"Authors\"", "\"Writers\"");
    let changed = send("licensepool/declaration", other).await;
    assert_eq!(changed.body["steps"][0]["members"], json!(["capacity"]));
    assert!(outcomes(&changed).contains(&"pool Authors notMentioned".to_owned()), "{changed:?}");
}

#[tokio::test]
async fn a_declaration_that_is_wrong_is_refused_with_the_place_and_changes_nothing() {
    let hub = Hub::new();
    let root = hub.root();
    let version = hub.repository.site().version();
    for (from, to, told) in [
        ("capacity = 6000", "capacitty = 6000", "unknown field `capacitty`"),
        ("capacity = 6000", "capacitty = 6000", "line 7"),
        ("capacity = 6000", "capacity = \"lots\"", "expected a whole number or \"unlimited\""),
        ("kind = \"Prof", "kind = \"Golden", "is no kind of pool; there are ProfessionalAccess"),
        ("reservedForUsers = 600", "reservedForUsers = 60000", "pools[0] \"Reading time\""),
        ("user.roles =", "user.roles (", "pools[1] \"Authors\": rule \"Editors\""),
        ("user.roles =", "resource.name =", "licence rules see the user only"),
        ("\"Authors\"", "\"reading time\"", "two pools have the same name"),
    ] {
        let text = FILE.replacen(from, to, 1);
        let refused =
            hub.call(Some(&root), "POST", "licensepool/declaration", Body::from(text)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{to}: {refused:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{to}: {detail}");
    }
    assert_eq!(hub.repository.site().version(), version);
}

#[tokio::test]
async fn a_week_is_played_against_other_pools() {
    let hub = Hub::new();
    let (root, app) = (hub.root(), app(&hub));
    let id = pool(&hub, &root, "AnalyzerTimeAccess", "Reading time", Value::Null).await;
    hub.put(&root, &format!("licensepool/{id}/visitors"), &json!({ "allowed": true })).await;
    for _ in 0..3 {
        assert!(opens(&hub, &hub.visitor(), app));
    }
    let days = hub.get(&root, &format!("licensepool/{id}/history")).await.body;
    let units: u64 =
        days.as_array().unwrap().iter().map(|day| day["units"].as_u64().unwrap()).sum();
    assert_eq!(units, 18, "{days}");
    let as_is = hub.post(&root, "licensepool/simulation", &json!({})).await.body;
    assert_eq!((&as_is["activities"], &as_is["refused"]), (&json!(3), &json!(0)), "{as_is}");
    assert_eq!(as_is["pools"][0]["units"], 18);
    let under = json!({ "pools": [
        { "name": "Passes", "kind": "LoginAccess", "capacity": 2 },
    ]});
    let version = hub.repository.site().version();
    let played = hub.post(&root, "licensepool/simulation", &under).await.body;
    assert_eq!(played["refusals"], json!({ "LIC-EMPTY": 1 }), "{played}");
    assert_eq!((&played["pools"][0]["units"], &played["pools"][0]["peak"]), (&json!(2), &json!(2)));
    assert_eq!(hub.repository.site().version(), version, "nothing is stored");
    let empty = hub.get(&root, &format!("licensepool/{id}/forecast")).await.body;
    assert_eq!(empty, json!({ "empty": null }), "what has no limit lasts");
    assert_eq!(hub.get(&root, &format!("licensepool/{id}/alerts")).await.body, json!([]));
}
