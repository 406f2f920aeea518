//! Every address, called by nobody, by a visitor, by a person without rights and by root. No new
//! address escapes: the routes come from the server's own table.

use std::fmt::Write;

use axum::body::Body;
use expect_test::expect;
use http::StatusCode;
use loggia_model::Caller;
use loggia_model::entity::PoolKind;
use loggia_repository::{
    AppEdit, ObjectEdit, PoolEdit, RuleEdit, StreamEdit, UserDirectoryEdit, VirtualProxyEdit,
};
use serde_json::Value;
use uuid::Uuid;

use crate::fixture::{Hub, Reply};

/// One thing of each type that strangers must not learn of, by the beginning of its address.
fn secrets(hub: &Hub) -> Vec<(&'static str, String)> {
    let server = hub.server();
    let repository = &hub.repository;
    let name = || Some("Secret".to_owned());
    let stream = repository
        .create_stream(&server, None, StreamEdit { name: name(), ..StreamEdit::default() })
        .unwrap()
        .id;
    let app = repository
        .create_app(&server, None, AppEdit { name: name(), ..AppEdit::default() })
        .unwrap()
        .id;
    let object = ObjectEdit { object_type: Some("sheet".to_owned()), ..ObjectEdit::default() };
    let object = repository.create_object(&server, app, object).unwrap().record.id;
    let rule = RuleEdit {
        name: name(),
        resource_filter: Some(format!("Stream_{stream}")),
        actions: Some(2),
        condition: Some("user.roles = \"Secret\"".to_owned()),
        ..RuleEdit::default()
    };
    let rule = repository.create_rule(&server, None, rule).unwrap().value.id;
    let entrance = VirtualProxyEdit {
        prefix: Some("secret".parse().unwrap()),
        description: name(),
        session_cookie: Some("X-Secret".to_owned()),
        ..VirtualProxyEdit::default()
    };
    let entrance = repository.create_virtual_proxy(&server, None, entrance).unwrap().value.id;
    let pool =
        PoolEdit { name: name(), kind: Some(PoolKind::AnalyzerCapacity), ..PoolEdit::default() };
    let pool = repository.create_pool(&server, None, pool).unwrap().value.id;
    let directory = UserDirectoryEdit {
        name: name(),
        urls: Some(vec!["ldaps://secret.example".to_owned()]),
        base_dn: Some("dc=secret".to_owned()),
        ..UserDirectoryEdit::default()
    };
    let directory = repository.create_user_directory(&server, None, directory).unwrap().id;
    let user = repository
        .ensure_user(&loggia_model::UserKey::new("LOGGIA", "secret").unwrap(), "Secret", &[])
        .unwrap()
        .id;
    vec![
        ("app/object", object.text()),
        ("app", app.text()),
        ("stream", stream.text()),
        ("systemrule", rule.text()),
        ("virtualproxyconfig", entrance.text()),
        ("proxyservice", loggia_repository::seed::LOCAL_PROXY.text()),
        ("license", pool.text()),
        ("licensepool", pool.text()),
        ("user", user.text()),
        ("userdirectory", directory.text()),
    ]
}

async fn knock(hub: &Hub, caller: Option<&Caller>, method: &str, pattern: &str, id: &str) -> Reply {
    let nobody = Uuid::from_u128(7).hyphenated().to_string();
    let mut path = pattern.replace("{kind}", "analyzertimeaccesstype").replace("{id}", id);
    path = path.replace("{user}", &nobody);
    if pattern.ends_with("/publish") && !pattern.contains("object") {
        write!(path, "?stream={}", loggia_repository::seed::EVERYONE).unwrap();
    }
    let named = format!(r#"["{id}"]"#);
    let body = match (method, pattern) {
        ("POST", "userdirectoryconnector/syncuserdirectories") => named.as_str(),
        ("POST", "systemrule/security/evaluatetransientresources") => r#"["QmcSection_App"]"#,
        ("PUT", pattern) if pattern.ends_with("/public") && pattern.starts_with("stream") => {
            r#"{"public": true}"#
        }
        ("PUT", pattern) if pattern.ends_with("/audience") => {
            r#"{"audience": "own", "members": []}"#
        }
        ("POST", "systemrule/security/impact") => {
            r#"{"changes": [{"type": "stream", "value": {"name": "Graffiti"}}]}"#
        }
        ("PUT", "licensepool/{id}/visitors") => r#"{"allowed": true}"#,
        ("PUT", "license/tokens") => r#"{"total": 5}"#,
        ("POST", "licensepool/declaration") => r#"{"tokens": 5}"#,
        ("POST", "licensepool/{id}/rule") => r#"{"rule": "true"}"#,
        ("POST" | "PUT", _) => r#"{"name": "Graffiti"}"#,
        _ => "",
    };
    hub.call(caller, method, &path, Body::from(body.to_owned())).await
}

#[tokio::test]
async fn strangers_get_nothing_and_learn_nothing() {
    let mut table = String::new();
    for (method, pattern) in loggia_qrs::routes() {
        // A hub of its own per address: what root does must not matter to the next one.
        let hub = Hub::new();
        let secrets = secrets(&hub);
        let secret = secrets
            .iter()
            .filter(|(start, _)| pattern.starts_with(start))
            .max_by_key(|(start, _)| start.len())
            .map_or_else(String::new, |(_, id)| id.clone());
        let visitor = hub.visitor();
        let ben = hub.user("ben", &[]);
        let root = hub.root();
        let unknown = Uuid::new_v4().hyphenated().to_string();
        let method = method.as_str();
        let version = hub.repository.site().version();

        let nobody = knock(&hub, None, method, pattern, &secret).await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{method} {pattern}");
        write!(table, "{method:6} {pattern}:").unwrap();
        for (who, caller) in [("visitor", &visitor), ("ben", &ben)] {
            let reply = knock(&hub, Some(caller), method, pattern, &secret).await;
            let text = reply.body.to_string();
            assert!(!text.contains("Secret"), "{who} {method} {pattern}: {text}");
            if pattern.contains("{id}") {
                // Something hidden answers exactly as something that is not there.
                let other = knock(&hub, Some(caller), method, pattern, &unknown).await;
                assert_eq!(reply.status, other.status, "{who} {method} {pattern}");
                assert_eq!(plain(reply.body), plain(other.body), "{who} {method} {pattern}");
            }
            write!(table, " {who} {}", reply.status.as_u16()).unwrap();
        }
        assert_eq!(hub.repository.site().version(), version, "{method} {pattern} changed it");
        let reply = knock(&hub, Some(&root), method, pattern, &secret).await;
        writeln!(table, " root {}", reply.status.as_u16()).unwrap();
        assert!(!reply.status.is_server_error(), "{method} {pattern}: {reply:?}");
    }
    expect![[r#"
        GET    about: visitor 403 ben 200 root 200
        GET    about/api/enums: visitor 403 ben 200 root 200
        GET    about/api/relations: visitor 403 ben 200 root 200
        GET    app: visitor 200 ben 200 root 200
        GET    app/full: visitor 200 ben 200 root 200
        GET    app/count: visitor 200 ben 200 root 200
        GET    app/hublist: visitor 200 ben 200 root 200
        GET    app/hublist/full: visitor 200 ben 200 root 200
        GET    app/object: visitor 200 ben 200 root 200
        GET    app/object/full: visitor 200 ben 200 root 200
        GET    app/object/count: visitor 200 ben 200 root 200
        GET    app/object/{id}: visitor 404 ben 404 root 200
        PUT    app/object/{id}: visitor 404 ben 404 root 200
        GET    app/object/{id}/audience: visitor 404 ben 404 root 200
        PUT    app/object/{id}/audience: visitor 404 ben 404 root 200
        PUT    app/object/{id}/publish: visitor 404 ben 404 root 200
        PUT    app/object/{id}/unpublish: visitor 404 ben 404 root 200
        DELETE app/object/{id}: visitor 404 ben 404 root 204
        GET    app/{id}: visitor 404 ben 404 root 200
        POST   app: visitor 403 ben 403 root 201
        PUT    app/{id}: visitor 404 ben 404 root 200
        GET    app/{id}/audience: visitor 404 ben 404 root 200
        PUT    app/{id}/audience: visitor 404 ben 404 root 200
        PUT    app/{id}/publish: visitor 404 ben 404 root 200
        PUT    app/{id}/unpublish: visitor 404 ben 404 root 409
        DELETE app/{id}: visitor 404 ben 404 root 204
        GET    stream: visitor 200 ben 200 root 200
        GET    stream/full: visitor 200 ben 200 root 200
        GET    stream/count: visitor 200 ben 200 root 200
        GET    stream/{id}: visitor 404 ben 404 root 200
        GET    stream/{id}/public: visitor 404 ben 404 root 200
        PUT    stream/{id}/public: visitor 404 ben 404 root 200
        POST   stream: visitor 403 ben 403 root 201
        PUT    stream/{id}: visitor 404 ben 404 root 200
        DELETE stream/{id}: visitor 404 ben 404 root 204
        GET    user: visitor 200 ben 200 root 200
        GET    user/full: visitor 200 ben 200 root 200
        GET    user/count: visitor 200 ben 200 root 200
        GET    user/{id}: visitor 404 ben 404 root 200
        POST   user: visitor 403 ben 403 root 400
        PUT    user/{id}: visitor 404 ben 404 root 200
        DELETE user/{id}: visitor 404 ben 404 root 204
        GET    userdirectory: visitor 200 ben 200 root 200
        GET    userdirectory/full: visitor 200 ben 200 root 200
        GET    userdirectory/count: visitor 200 ben 200 root 200
        GET    userdirectory/{id}: visitor 404 ben 404 root 200
        POST   userdirectory/{id}/check: visitor 404 ben 404 root 200
        POST   userdirectory: visitor 403 ben 403 root 400
        PUT    userdirectory/{id}: visitor 404 ben 404 root 200
        DELETE userdirectory/{id}: visitor 404 ben 404 root 204
        POST   userdirectoryconnector/syncuserdirectories: visitor 404 ben 404 root 409
        GET    systemrule: visitor 200 ben 200 root 200
        GET    systemrule/full: visitor 200 ben 200 root 200
        GET    systemrule/count: visitor 200 ben 200 root 200
        POST   systemrule/check: visitor 403 ben 403 root 200
        POST   systemrule/security/evaluatetransientresources: visitor 200 ben 200 root 200
        GET    systemrule/security/exposure: visitor 403 ben 403 root 200
        POST   systemrule/parsetree: visitor 403 ben 200 root 200
        POST   systemrule/security/explain: visitor 403 ben 403 root 400
        POST   systemrule/security/audit: visitor 403 ben 403 root 200
        POST   systemrule/security/audit/matrix: visitor 403 ben 403 root 200
        POST   systemrule/security/audit/preview: visitor 403 ben 403 root 400
        POST   systemrule/security/audit/export: visitor 403 ben 403 root 200
        POST   systemrule/security/resetdefault: visitor 403 ben 403 root 200
        POST   systemrule/license/audit: visitor 403 ben 403 root 200
        POST   systemrule/license/audit/matrix: visitor 403 ben 403 root 200
        POST   systemrule/sync/audit: visitor 403 ben 403 root 200
        POST   systemrule/sync/audit/matrix: visitor 403 ben 403 root 200
        POST   systemrule/security/impact: visitor 403 ben 403 root 200
        GET    systemrule/{id}: visitor 404 ben 404 root 200
        POST   systemrule: visitor 403 ben 403 root 400
        PUT    systemrule/{id}: visitor 404 ben 404 root 200
        DELETE systemrule/{id}: visitor 404 ben 404 root 204
        GET    virtualproxyconfig: visitor 200 ben 200 root 200
        GET    virtualproxyconfig/full: visitor 200 ben 200 root 200
        GET    virtualproxyconfig/count: visitor 200 ben 200 root 200
        GET    virtualproxyconfig/{id}: visitor 404 ben 404 root 200
        GET    virtualproxyconfig/{id}/anonymouscheck: visitor 404 ben 404 root 200
        POST   virtualproxyconfig: visitor 403 ben 403 root 400
        PUT    virtualproxyconfig/{id}: visitor 404 ben 404 root 200
        DELETE virtualproxyconfig/{id}: visitor 404 ben 404 root 204
        GET    proxyservice: visitor 200 ben 200 root 200
        GET    proxyservice/full: visitor 200 ben 200 root 200
        GET    proxyservice/count: visitor 200 ben 200 root 200
        GET    proxyservice/local: visitor 404 ben 404 root 200
        GET    proxyservice/{id}: visitor 404 ben 404 root 200
        PUT    proxyservice/{id}: visitor 404 ben 404 root 200
        GET    auditlog: visitor 403 ben 403 root 200
        GET    auditlog/export: visitor 403 ben 403 root 200
        GET    auditlog/verification: visitor 403 ben 403 root 200
        GET    license: visitor 200 ben 200 root 200
        GET    license/accesstypeinfo: visitor 200 ben 200 root 200
        GET    license/accesstypeoverview: visitor 200 ben 200 root 200
        GET    license/tokens: visitor 403 ben 403 root 200
        PUT    license/tokens: visitor 403 ben 403 root 200
        GET    license/{kind}: visitor 200 ben 200 root 200
        POST   license/{kind}: visitor 403 ben 403 root 201
        GET    license/{kind}/{id}: visitor 404 ben 404 root 200
        DELETE license/{kind}/{id}: visitor 404 ben 404 root 204
        GET    licensepool: visitor 200 ben 200 root 200
        GET    licensepool/full: visitor 200 ben 200 root 200
        GET    licensepool/count: visitor 200 ben 200 root 200
        GET    licensepool/usage: visitor 200 ben 200 root 200
        GET    licensepool/declaration: visitor 200 ben 200 root 200
        POST   licensepool/declaration: visitor 403 ben 403 root 200
        POST   licensepool/simulation: visitor 403 ben 403 root 200
        GET    licensepool/{id}: visitor 404 ben 404 root 200
        GET    licensepool/{id}/counters: visitor 404 ben 404 root 200
        GET    licensepool/{id}/history: visitor 404 ben 404 root 200
        GET    licensepool/{id}/forecast: visitor 404 ben 404 root 200
        GET    licensepool/{id}/alerts: visitor 404 ben 404 root 200
        GET    licensepool/{id}/visitors: visitor 404 ben 404 root 200
        PUT    licensepool/{id}/visitors: visitor 404 ben 404 root 200
        GET    licensepool/{id}/rule: visitor 404 ben 404 root 200
        POST   licensepool/{id}/rule: visitor 404 ben 404 root 201
        GET    licensepool/{id}/allocation: visitor 404 ben 404 root 200
        POST   licensepool/{id}/allocation: visitor 404 ben 404 root 400
        DELETE licensepool/{id}/allocation/{user}: visitor 404 ben 404 root 409
        POST   licensepool/{id}/allocation/{user}/reinstate: visitor 404 ben 404 root 409
        POST   licensepool: visitor 403 ben 403 root 400
        PUT    licensepool/{id}: visitor 404 ben 404 root 200
        DELETE licensepool/{id}: visitor 404 ben 404 root 204
    "#]]
    .assert_eq(&table);
}

/// An answer without what differs each time.
fn plain(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.remove("reference");
    }
    body
}

#[tokio::test]
async fn a_blocked_administrator_is_refused_everywhere_at_once() {
    let hub = Hub::new();
    let root = hub.root();
    hub.user("second", &["RootAdmin"]);
    assert_eq!(hub.get(&root, "stream").await.names(), ["Everyone", "Monitoring apps"]);
    let user = hub.get(&root, "user?filter=userId%20eq%20%27root%27").await.body[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let block = serde_json::json!({ "blacklisted": true });
    assert_eq!(hub.put(&root, &format!("user/{user}"), &block).await.status, StatusCode::OK);
    let refused = hub.get(&root, "stream").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.body["code"], "ACC-INACTIVE");
    assert_eq!(refused.body["reference"].as_str().unwrap().len(), 6);
}
