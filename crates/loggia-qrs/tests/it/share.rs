//! Public streams and audiences over REST.

use expect_test::expect;
use http::StatusCode;
use loggia_model::{AppId, ObjectId, StreamId};
use loggia_repository::{AppEdit, ObjectEdit};
use serde_json::{Value, json};
use uuid::uuid;

use crate::fixture::Hub;

const STREAM: StreamId = StreamId(uuid!("5eed5eed-0000-4000-8000-000000000001"));
const APP: AppId = AppId(uuid!("5eed5eed-0000-4000-8000-000000000002"));

/// A hub with a stream of one app, and the app's sheet.
fn hub() -> (Hub, ObjectId) {
    let hub = Hub::new();
    let server = hub.server();
    let stream =
        loggia_repository::StreamEdit { name: Some("Press".to_owned()), ..Default::default() };
    hub.repository.create_stream(&server, Some(STREAM), stream).unwrap();
    let app = AppEdit { name: Some("Figures".to_owned()), ..AppEdit::default() };
    hub.repository.create_app(&server, Some(APP), app).unwrap();
    let sheet = ObjectEdit {
        engine_id: Some("pay".to_owned()),
        object_type: Some("sheet".to_owned()),
        name: Some("Salaries".to_owned()),
        ..ObjectEdit::default()
    };
    let sheet = hub.repository.create_object(&server, APP, sheet).unwrap().record.id;
    hub.repository.publish_app(&server, APP, STREAM, None).unwrap();
    (hub, sheet)
}

/// Without what is drawn at random.
fn plain(mut body: Value, sheet: ObjectId) -> String {
    for list in ["gained", "lost"] {
        if let Some(people) = body[list]["people"].as_array_mut() {
            people.iter_mut().for_each(|person| person["id"] = json!("…"));
        }
    }
    body["version"] = json!("…");
    if body["sheet"].is_object() {
        body["rule"]["id"] = json!("…");
    }
    let text = serde_json::to_string_pretty(&body).unwrap();
    text.replace(&sheet.text(), "<sheet>") + "\n"
}

#[tokio::test]
async fn a_stream_is_opened_by_one_switch() {
    let (hub, sheet) = hub();
    let root = hub.root();
    let path = format!("stream/{STREAM}/public");
    assert_eq!(hub.get(&root, &path).await.body["public"], json!("no"));
    let preview = hub.put(&root, &path, &json!({ "public": true, "preview": true })).await;
    assert_eq!(preview.body["gained"]["visitors"], json!(true));
    assert_eq!(hub.get(&root, &path).await.body["public"], json!("no"));
    let opened = hub.put(&root, &path, &json!({ "public": true })).await;
    assert_eq!(opened.status, StatusCode::OK);
    expect![[r#"
        {
          "stream": {
            "id": "5eed5eed-0000-4000-8000-000000000001",
            "name": "Press"
          },
          "public": "yes",
          "rules": [
            {
              "for": "visitors",
              "state": "inForce",
              "id": "8280eea9-3592-596c-a45b-c69933428bfb",
              "name": "Stream_read_Press",
              "resourceFilter": "Stream_5eed5eed-0000-4000-8000-000000000001",
              "rule": "user.IsAnonymous()",
              "actions": 2,
              "ruleContext": 1,
              "disabled": false
            },
            {
              "for": "people",
              "state": "inForce",
              "id": "e152192b-9c70-5f89-b05b-a77db208a327",
              "name": "Stream_read+publish_Press",
              "resourceFilter": "Stream_5eed5eed-0000-4000-8000-000000000001",
              "rule": "!user.IsAnonymous()",
              "actions": 34,
              "ruleContext": 0,
              "disabled": false
            }
          ],
          "otherRules": [],
          "readers": {
            "visitors": true,
            "entrances": [],
            "people": 1,
            "of": 1
          },
          "conditional": [],
          "apps": [
            {
              "id": "5eed5eed-0000-4000-8000-000000000002",
              "name": "Figures",
              "visitors": true,
              "audience": "stream"
            }
          ],
          "hidden": {
            "rules": 0,
            "conditional": 0,
            "apps": 0
          },
          "notes": [
            "no entrance admits visitors, so none can come yet"
          ],
          "version": "…",
          "gained": {
            "visitors": true,
            "count": 1,
            "people": [
              {
                "id": "…",
                "userDirectory": "LOGGIA",
                "userId": "root",
                "name": "root"
              }
            ]
          },
          "lost": {
            "visitors": false,
            "count": 0,
            "people": []
          },
          "preview": false
        }
    "#]]
    .assert_eq(&plain(opened.body, sheet));
    let shut = hub.put(&root, &path, &json!({ "public": false })).await;
    assert_eq!(shut.body["public"], json!("no"));
    let bad = hub.put(&root, &path, &json!({ "public": "perhaps", "preview": 7 })).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    assert_eq!(bad.body["problems"].as_array().unwrap().len(), 2, "{bad:?}");
    assert_eq!(hub.put(&root, &path, &json!({})).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_sheet_is_narrowed_to_a_list_and_hidden_from_the_others() {
    let (hub, sheet) = hub();
    let (root, ben) = (hub.root(), hub.user("ben", &[]));
    hub.put(&root, &format!("stream/{STREAM}/public"), &json!({ "public": true })).await;
    let path = format!("app/object/{sheet}/audience");
    assert_eq!(hub.get(&ben, "app/object").await.names(), ["Salaries"]);
    let list = json!({ "audience": "own", "members": [
        { "type": "role", "value": "RootAdmin" },
        { "type": "property", "name": "dept", "value": "a \"b\"" },
        { "type": "visitors" },
    ] });
    let done = hub.put(&root, &path, &list).await;
    expect![[r#"
        {
          "app": {
            "id": "5eed5eed-0000-4000-8000-000000000002",
            "name": "Figures"
          },
          "sheet": {
            "id": "<sheet>",
            "name": "Salaries",
            "engineObjectId": "pay"
          },
          "stream": {
            "id": "5eed5eed-0000-4000-8000-000000000001",
            "name": "Press"
          },
          "audience": "own",
          "members": [
            {
              "type": "visitors",
              "value": null,
              "name": null,
              "title": "visitors",
              "known": true,
              "people": 0
            },
            {
              "type": "role",
              "value": "RootAdmin",
              "name": null,
              "title": "role \"RootAdmin\"",
              "known": true,
              "people": 1
            },
            {
              "type": "property",
              "value": "a \"b\"",
              "name": "dept",
              "title": "@dept \"a \\\"b\\\"\"",
              "known": true,
              "people": 0
            }
          ],
          "rule": {
            "id": "…",
            "name": "App.Object_audience_Salaries",
            "resourceFilter": "App.Object_*",
            "rule": "resource.sheet.id = \"<sheet>\"\nand !(resource.sheet.owner = user or resource.app.owner = user\n  or (user.environment.context = \"ManagementAccess\" and (resource.HasPrivilege(\"update\") or user.roles = \"AuditAdmin\"))\n  or user.IsAnonymous()\n  or user.roles = \"RootAdmin\"\n  or user.@dept = \"a \\\"b\\\"\")",
            "disabled": false
          },
          "otherRules": [],
          "hidden": {
            "rules": 0,
            "members": 0,
            "stream": false
          },
          "readers": {
            "visitors": true,
            "entrances": [],
            "people": 1,
            "of": 2
          },
          "notes": [],
          "version": "…",
          "gained": {
            "visitors": false,
            "count": 0,
            "people": []
          },
          "lost": {
            "visitors": false,
            "count": 1,
            "people": [
              {
                "id": "…",
                "userDirectory": "LOGGIA",
                "userId": "ben",
                "name": "ben"
              }
            ]
          },
          "preview": false
        }
    "#]].assert_eq(&plain(done.body.clone(), sheet));
    assert!(hub.get(&ben, "app/object").await.names().is_empty());
    assert_eq!(hub.get(&ben, &format!("app/object/{sheet}")).await.status, StatusCode::NOT_FOUND);
    // What was answered can be sent back, and changes nothing.
    let version = hub.repository.site().version();
    let again = hub.put(&root, &path, &hub.get(&root, &path).await.body).await;
    assert_eq!(again.body["members"], done.body["members"]);
    assert_eq!(hub.repository.site().version(), version);
    let back = hub.put(&root, &path, &json!({ "audience": "stream" })).await;
    assert_eq!(back.body["gained"]["count"], json!(1));
    assert_eq!(hub.get(&ben, "app/object").await.names(), ["Salaries"]);
}

#[tokio::test]
async fn an_app_is_narrowed_and_mistakes_are_told_together() {
    let (hub, _) = hub();
    let (root, ben) = (hub.root(), hub.user("ben", &[]));
    hub.put(&root, &format!("stream/{STREAM}/public"), &json!({ "public": true })).await;
    let path = format!("app/{APP}/audience");
    let mut told = String::new();
    for body in [
        json!({ "audience": "all" }),
        json!({ "audience": "own" }),
        json!({ "audience": "own", "members": [{ "type": 1 }, "x", { "type": "role" }] }),
        json!({ "audience": "own", "members": [{ "type": "roll", "value": "x" }, { "type": "role" }] }),
    ] {
        let reply = hub.put(&root, &path, &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        told.push_str(&format!("{}\n", reply.body["detail"].as_str().unwrap()));
    }
    expect![[r#"
        audience: is "stream", or "own" with a list of members
        members: expected a list such as [{"type": "role", "value": "HR"}]
        members: member 1: type, value and name are texts
        members: member 2: type, value and name are texts
        members: member 1: "roll" is none of visitors, signedin, user, role, group, property; did you mean role?
        members: member 2: a role needs a value
    "#]].assert_eq(&told);
    assert_eq!(hub.get(&ben, "app").await.names(), ["Figures"]);
    let list =
        json!({ "audience": "own", "members": [{ "type": "user", "value": "loggia\\root" }] });
    let done = hub.put(&root, &path, &list).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert!(hub.get(&ben, "app").await.names().is_empty());
    assert!(hub.get(&ben, "app/object").await.names().is_empty());
    let shown = hub.get(&root, &format!("stream/{STREAM}/public")).await;
    assert_eq!(shown.body["apps"][0]["audience"], json!("own"));
    assert_eq!(shown.body["apps"][0]["visitors"], json!(false));
}
