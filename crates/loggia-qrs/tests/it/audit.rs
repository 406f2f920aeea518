//! Explanations, audits and matrices over REST: their shapes, their pages, and who gets them.

use expect_test::expect;
use http::StatusCode;
use loggia_model::Caller;
use loggia_repository::{AppEdit, ObjectEdit, RuleEdit, StreamEdit};
use serde_json::{Value, json};

use crate::fixture::{Hub, Reply};

/// A hub with the app Sales in Everyone, the app Payroll in the stream Secret, and somebody who
/// may read the audit section and nothing else.
async fn site() -> (Hub, Caller) {
    let hub = Hub::new();
    let server = hub.server();
    let repository = &hub.repository;
    let edit = StreamEdit { name: Some("Secret".to_owned()), ..StreamEdit::default() };
    let secret = repository.create_stream(&server, None, edit).unwrap().id;
    for (name, stream) in [("Sales", loggia_repository::seed::EVERYONE), ("Payroll", secret)] {
        let edit = AppEdit { name: Some(name.to_owned()), ..AppEdit::default() };
        let app = repository.create_app(&server, None, edit).unwrap().id;
        let sheet = ObjectEdit { object_type: Some("sheet".to_owned()), ..ObjectEdit::default() };
        repository.create_object(&server, app, sheet).unwrap();
        repository.publish_app(&server, app, stream, None).unwrap();
    }
    let rule = RuleEdit {
        name: Some("Auditors".to_owned()),
        resource_filter: Some("QmcSection_Audit".to_owned()),
        actions: Some(2),
        context: Some(2),
        condition: Some("user.roles = \"Auditor\"".to_owned()),
        ..RuleEdit::default()
    };
    repository.create_rule(&server, None, rule).unwrap();
    hub.user("ben", &[]);
    let auditor = hub.user("aud", &["Auditor"]);
    (hub, auditor)
}

/// The rows of a list in words: user, resource and rule by name.
fn rows(reply: &Reply) -> String {
    let body = &reply.body;
    let mut lines: Vec<String> = body["ruleApplication"]
        .as_array()
        .unwrap_or_else(|| panic!("{reply:?}"))
        .iter()
        .map(|row| {
            let named = |map: &str, id: &str| -> String {
                body[map][row[id].as_str().unwrap()]["name"].as_str().unwrap().to_owned()
            };
            format!(
                "{} {} {} {} {}",
                named("users", "userID"),
                named("resources", "resourceID"),
                named("rules", "ruleID"),
                row["allowed"],
                row["evaluationState"],
            )
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

#[tokio::test]
async fn an_explanation_tells_rules_clauses_and_what_they_saw() {
    let (hub, auditor) = site().await;
    let question = json!({
        "user": "NONE\\anonymous", "action": "read", "resource": "App_Payroll", "context": "hub",
        "environment": {"ip": "10.0.0.1", "group": ["a", "b"]},
    });
    let reply = hub.post(&auditor, "systemrule/security/explain", &question).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let body = &reply.body;
    assert_eq!(body["allowed"], false);
    assert_eq!((&body["outcome"], &body["code"]), (&json!("noGrant"), &json!("RULE-DENIED")));
    assert_eq!(body["resource"]["name"], "Payroll", "names are told, whatever the auditor may see");
    let nearest = body["nearest"].as_array().unwrap();
    let stream = nearest.iter().find(|near| near["rule"]["name"] == "Stream").unwrap();
    assert_eq!(stream["clause"], "resource.stream.HasPrivilege(\"read\")");
    assert_eq!((&stream["line"], &stream["column"]), (&json!(1), &json!(36)));
    assert_eq!(stream["asked"][0]["resource"]["name"], "Secret");
    assert!(stream["seen"][0].as_str().unwrap().ends_with("read not granted"));

    let wrong = json!({"user": "bne", "action": "raed", "environment": {"ip": "x"}});
    let reply = hub.post(&auditor, "systemrule/security/explain", &wrong).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    expect![[r#"
        resource: is missing
        action: "raed" is no action; did you mean "read"?"#]]
    .assert_eq(reply.body["detail"].as_str().unwrap());
    let wrong = json!({"user": "bne", "action": "read", "resource": "App_Sales"});
    let reply = hub.post(&auditor, "systemrule/security/explain", &wrong).await;
    assert_eq!(reply.body["problems"][0]["suggestion"], "LOGGIA\\ben");
}

#[tokio::test]
async fn an_audit_has_the_shape_that_scripts_read() {
    let (hub, auditor) = site().await;
    let body = json!({
        "resourceType": "App", "resourceFilter": "name eq 'Sales'",
        "userFilter": "userDirectory eq 'NONE' or userId eq 'ben'",
        "environmentAttributes": "OS=Windows;IP=10.0.0.1;context=AppAccess",
        "userSkip": 0, "userTake": 0, "resourceSkip": 0, "resourceTake": 0,
        "includeNonGrantingRules": false,
    });
    let reply = hub.post(&auditor, "systemrule/security/audit", &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    expect![[r#"
        Anonymous visitor Sales Stream true 0
        ben Sales CreateApp true 0
        ben Sales ExportAppData true 0
        ben Sales OfflineAccess true 0
        ben Sales Stream true 0"#]]
    .assert_eq(&rows(&reply));
    assert_eq!(reply.body["schemaPath"], "Audit");
    let visitor = loggia_repository::ANONYMOUS_VISITOR.text();
    assert_eq!(
        reply.body["users"][&visitor],
        json!({"userId": "anonymous", "userDirectory": "NONE", "name": "Anonymous visitor"})
    );
    let row = &reply.body["ruleApplication"][0];
    assert_eq!((&row["errorAt"], &row["errorMessage"]), (&json!(-1), &json!("")));

    // All members are optional, and nothing else may be given for them than what they are.
    for attributes in [json!(null), json!(["OS=Windows"]), json!([{"name": "OS", "value": "x"}])] {
        let body = json!({"resourceType": "Stream", "environmentAttributes": attributes});
        let reply = hub.post(&auditor, "systemrule/security/audit", &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    }
    let reply = hub.post(&auditor, "systemrule/security/audit", &json!({})).await;
    assert_eq!(reply.status, StatusCode::OK);
    for (wrong, place) in [
        (json!({"resourceType": "Ap"}), "did you mean"),
        (json!({"resourceType": "App", "resourceFilter": "nmae eq 'x'"}), "resourceFilter: "),
        (json!({"userFilter": "user eq"}), "userFilter: "),
        (json!({"environmentAttributes": "OS"}), "name=value"),
        (json!({"context": "everywhere"}), "none of hub, console and both"),
        (json!({"actions": 1 << 20}), "no action"),
    ] {
        let reply = hub.post(&auditor, "systemrule/security/audit", &wrong).await;
        let detail = reply.body["detail"].as_str().unwrap();
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(detail.contains(place), "{wrong}: {detail}");
    }
}

#[tokio::test]
async fn pages_tell_how_much_there_is_beyond_them() {
    let (hub, auditor) = site().await;
    let ask = |body: Value| {
        let (hub, auditor) = (&hub, &auditor);
        async move { hub.post(auditor, "systemrule/security/audit/matrix", &body).await }
    };
    let all = ask(json!({"resourceType": "App"})).await;
    let cells = |reply: &Reply| reply.body["matrix"].as_array().unwrap().clone();
    let (users, apps) = (&all.body["totalUsers"], &all.body["totalResources"]);
    assert_eq!((&all.body["complete"], apps), (&json!(true), &json!(2)));
    let mut seen = Vec::new();
    for user in 0..users.as_u64().unwrap() {
        for app in 0..2 {
            let page = json!({
                "resourceType": "App", "userSkip": user, "userTake": 1,
                "resourceSkip": app, "resourceTake": 1,
            });
            let reply = ask(page).await;
            assert_eq!((&reply.body["totalUsers"], &reply.body["totalResources"]), (users, apps));
            assert_eq!(reply.body["subjects"].as_object().unwrap().len(), 1);
            seen.extend(cells(&reply));
        }
    }
    let text = |cells: &[Value]| {
        let mut lines: Vec<_> = cells.iter().map(Value::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(text(&seen), text(&cells(&all)));
    let some = ask(json!({"resourceType": "App", "auditLimit": 1})).await;
    assert_eq!((cells(&some).len(), &some.body["complete"]), (1, &json!(false)));
    assert_eq!(some.body["totalCells"], cells(&all).len());
}

#[tokio::test]
async fn a_matrix_takes_references_properties_and_an_unsaved_rule() {
    let (hub, auditor) = site().await;
    let body = json!({
        "resourceType": "Stream",
        "resourceRef": {"resourceFilter": "name eq 'Secret'"},
        "subjectRef": {"resourceFilter": "userId eq 'ben'"},
        "resourceProperties": ["name", "owner.userId"],
        "subjectProperties": ["userId"],
        "outputObjectsPrivileges": true,
        "previewRule": {
            "resourceFilter": "Stream_*", "actions": 2, "rule": "user.name = \"ben\"",
        },
    });
    let reply = hub.post(&auditor, "systemrule/security/audit/matrix", &body).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    let only = |map: &str| reply.body[map].as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(only("subjects"), json!({"subjectProperties": {"userId": "ben"}}));
    assert_eq!(
        only("resources"),
        json!({
            "resourceProperties": {"name": "Secret", "owner.userId": null},
            "privileges": [],
        })
    );
    let cell = &reply.body["matrix"][0];
    assert_eq!(cell["audit"], json!({"access": 2, "hub": 2, "console": 2, "before": 0}));

    let mut selection = body.clone();
    selection["resourceRef"] = json!({"selection": "11111111-1111-1111-1111-111111111111"});
    let reply = hub.post(&auditor, "systemrule/security/audit/matrix", &selection).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert!(reply.body["detail"].as_str().unwrap().contains("selections are not part"));

    let reply = hub.post(&auditor, "systemrule/security/audit/preview", &body).await;
    expect!["ben Secret Unsaved rule true 0"].assert_eq(&rows(&reply));
    let mut broken = body;
    broken["previewRule"]["rule"] = json!("user.nmae = 'ben' or (");
    let reply = hub.post(&auditor, "systemrule/security/audit/preview", &broken).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.body["problems"][0]["place"], "rule");
}

/// The section tells names; what else there is of a thing is for who may read it.
#[tokio::test]
async fn a_matrix_tells_no_more_than_names_of_what_the_auditor_may_not_read() {
    let (hub, auditor) = site().await;
    let root = hub.root();
    let ask = async |caller: &Caller, resources: &str, users: &str| {
        let body = json!({
            "resourceType": "App", "resourceFilter": resources, "userFilter": users,
            "resourceProperties": ["name", "owner.userId", "published", "stream.name"],
            "subjectProperties": ["id", "name", "userId", "userDirectory", "createdDate"],
        });
        let reply = hub.post(caller, "systemrule/security/audit/matrix", &body).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        let told = |map: &str, properties: &str| -> Vec<Value> {
            let rows = reply.body[map].as_object().unwrap().values();
            rows.map(|row| row[properties].clone()).collect()
        };
        (told("resources", "resourceProperties"), told("subjects", "subjectProperties"))
    };
    let (apps, people) = ask(&auditor, "name eq 'Payroll'", "userId eq 'ben'").await;
    assert_eq!(
        apps,
        [json!({"name": "Payroll", "owner.userId": null, "published": null, "stream.name": null})]
    );
    assert_eq!((&people[0]["userId"], &people[0]["createdDate"]), (&json!("ben"), &json!(null)));
    let (apps, people) = ask(&root, "name eq 'Payroll'", "userId eq 'ben'").await;
    assert_eq!((&apps[0]["published"], &apps[0]["stream.name"]), (&json!(true), &json!("Secret")));
    assert!(people[0]["createdDate"].is_string(), "{people:?}");

    // Filters tell nothing that the members would not.
    for filter in ["stream.name eq 'Secret'", "owner.userId eq 'sa_repository'"] {
        let filter = format!("{filter} and name eq 'Payroll'");
        assert_eq!(ask(&root, &filter, "userId eq 'ben'").await.0.len(), 1, "{filter}");
        assert_eq!(ask(&auditor, &filter, "userId eq 'ben'").await.0.len(), 0, "{filter}");
    }
    let by_role = "roles eq 'Auditor' and userId eq 'aud'";
    assert_eq!(ask(&root, "", by_role).await.1.len(), 1);
}

#[tokio::test]
async fn rules_that_do_not_grant_are_listed_on_demand_with_their_reasons() {
    let (hub, auditor) = site().await;
    let rule = RuleEdit {
        name: Some("Off".to_owned()),
        resource_filter: Some("Stream_*".to_owned()),
        actions: Some(2),
        condition: Some("user.name = \"ben\"".to_owned()),
        is_disabled: Some(true),
        ..RuleEdit::default()
    };
    hub.repository.create_rule(&hub.server(), None, rule).unwrap();
    let body = json!({
        "resourceType": "Stream", "resourceFilter": "name eq 'Secret'",
        "userFilter": "userId eq 'ben'", "context": "hub", "actions": 2,
        "includeNonGrantingRules": true,
    });
    let reply = hub.post(&auditor, "systemrule/security/audit", &body).await;
    expect![[r#"
        ben Secret Off false 1
        ben Secret Owner false 0
        ben Secret OwnerRead false 0
        ben Secret ServiceAccount false 0"#]]
    .assert_eq(&rows(&reply));
    let reasons: Vec<_> = reply.body["ruleApplication"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["explanation"]["clause"].as_str())
        .collect();
    expect![[r#"
        resource.owner = user
        resource.owner = user
        user.userDirectory = "INTERNAL""#]]
    .assert_eq(&reasons.join("\n"));
}

#[tokio::test]
async fn an_export_is_a_table_that_no_spreadsheet_takes_for_formulas() {
    let (hub, auditor) = site().await;
    let edit = AppEdit { name: Some("=1+\"2\"".to_owned()), ..AppEdit::default() };
    let app = hub.repository.create_app(&hub.server(), None, edit).unwrap().id;
    hub.repository
        .publish_app(&hub.server(), app, loggia_repository::seed::EVERYONE, None)
        .unwrap();
    let body = json!({
        "resourceType": "App", "userFilter": "userDirectory eq 'NONE'", "actions": 2,
        "context": "hub",
    });
    let reply = hub.post(&auditor, "systemrule/security/audit/export", &body).await;
    assert_eq!(reply.headers["content-disposition"], "attachment; filename=\"audit.csv\"");
    let mut text = reply.body.as_str().unwrap().to_owned();
    for app in hub.repository.site().apps() {
        text = text.replace(&app.id.text(), "<id>");
    }
    expect![[r#"
        userDirectory,userId,userName,resourceType,resourceId,resourceName,hub,console,rules
        "NONE","anonymous","Anonymous visitor","App","<id>","'=1+""2""","read","","Stream"
        "NONE","anonymous","Anonymous visitor","App","<id>","Sales","read","","Stream"
    "#]]
    .assert_eq(&text.replace("\r\n", "\n"));
}

#[tokio::test]
async fn conditions_have_a_tree_and_lists_where_they_are_lists() {
    let (hub, _) = site().await;
    let ben = hub.user("ben", &[]);
    let rule = "user.name = \"ana\" and !(user.roles = \"X\") or resource.name like \"S*\"";
    let reply = hub.post(&ben, "systemrule/parsetree", &json!({ "rule": rule })).await;
    assert_eq!(reply.status, StatusCode::OK);
    let lists = reply.body["lists"].as_array().unwrap();
    assert_eq!((lists.len(), lists[0].as_array().unwrap().len()), (2, 2));
    assert_eq!((&lists[0][1]["not"], &lists[0][1]["operator"]), (&json!(true), &json!("=")));
    assert_eq!(reply.body["tree"]["type"], "or");
    let deep = "user.name = \"a\" and (user.name = \"b\" or user.name = \"c\")";
    let reply = hub.post(&ben, "systemrule/parsetree", &json!(deep)).await;
    assert_eq!((&reply.body["lists"], &reply.body["tree"]["type"]), (&json!(null), &json!("and")));
    let reply = hub.post(&ben, "systemrule/parsetree", &json!({"rule": "user.name ="})).await;
    assert_eq!(reply.body["tree"], json!(null));
    assert!(!reply.body["problems"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn edited_shipped_rules_are_put_back_by_who_may_edit_them() {
    let (hub, auditor) = site().await;
    let root = hub.root();
    let find = "systemrule/full?filter=name%20eq%20'CreateApp'";
    let mut rule = hub.get(&root, find).await.body[0].clone();
    let (id, text) = (rule["id"].as_str().unwrap().to_owned(), rule["rule"].clone());
    rule["rule"] = json!("user.name = \"ana\"");
    assert_eq!(hub.put(&root, &format!("systemrule/{id}"), &rule).await.status, StatusCode::OK);
    let refused = hub.post(&auditor, "systemrule/security/resetdefault", &json!({})).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let done = hub.post(&root, "systemrule/security/resetdefault", &json!({})).await;
    assert_eq!(done.body, json!({"reset": [{"id": id, "name": "CreateApp"}], "deleted": []}));
    let after = hub.get(&root, find).await.body[0].clone();
    assert_eq!((&after["rule"], &after["type"]), (&text, &json!("Default")));
}

#[tokio::test]
async fn visitors_see_no_section_of_the_console() {
    let (hub, auditor) = site().await;
    let visitor = hub.visitor();
    let names = json!(["QmcSection_App", "QmcSection_Stream", "QmcSection_Audit"]);
    let evaluate = "systemrule/security/evaluatetransientresources";
    assert_eq!(hub.post(&visitor, evaluate, &names).await.body, json!([]));
    assert_eq!(hub.post(&auditor, evaluate, &names).await.body, json!(["QmcSection_Audit"]));
    let body = json!({
        "resourceType": "QmcSection", "resourceFilter": "name sw 'QmcSection'",
        "userFilter": "userDirectory eq 'NONE'",
    });
    let reply = hub.post(&auditor, "systemrule/security/audit/matrix", &body).await;
    assert_eq!(reply.body["matrix"], json!([]));
    assert!(reply.body["totalResources"].as_u64().unwrap() > 30);
}

#[tokio::test]
async fn a_condition_that_went_astray_is_not_taken_for_an_empty_one() {
    let (hub, auditor) = site().await;
    for path in ["systemrule/security/audit/preview", "systemrule/security/audit/matrix"] {
        for (member, expected) in [("rule", None), ("condition", Some("rule: is missing"))] {
            let mut rule = json!({"resourceFilter": "Stream_*", "actions": 2});
            rule[member] = json!("user.name = \"ben\"");
            let body = json!({"resourceType": "Stream", "previewRule": rule});
            let reply = hub.post(&auditor, path, &body).await;
            let Some(expected) = expected else {
                assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
                continue;
            };
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{reply:?}");
            assert!(reply.body["detail"].as_str().unwrap().contains(expected), "{reply:?}");
        }
    }
}
