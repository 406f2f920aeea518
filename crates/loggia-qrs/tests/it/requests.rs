//! Requests as clients send them, good and bad.

use axum::body::Body;
use expect_test::{Expect, expect};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Hub, KEY, Reply};

fn print(reply: &Reply, expected: Expect) {
    let body = serde_json::to_string_pretty(&reply.body).unwrap();
    expected.assert_eq(&format!("{}\n{body}\n", reply.status.as_u16()));
}

#[tokio::test]
async fn a_stream_is_made_read_changed_and_deleted() {
    let hub = Hub::new();
    let root = hub.root();
    let stream = json!({
        "name": "Team",
        "tags": [{ "name": "internal" }],
        "customProperties": [{ "value": "sales", "definition": { "name": "department" } }],
        "unknown": "ignored",
    });
    let made = hub.post(&root, "stream", &stream).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let path = format!("stream/{}", made.id());
    let full = hub.get(&root, &format!("{path}?privileges=TRUE")).await;
    let mut shown = full.body.clone();
    for member in ["id", "privileges"] {
        shown[member] = json!("…");
    }
    shown["owner"]["id"] = json!("…");
    for date in [&["createdDate"][..], &["modifiedDate"]] {
        let text = shown[date[0]].as_str().unwrap();
        assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
        shown[date[0]] = json!("…");
    }
    shown["customProperties"][0]["createdDate"] = json!("…");
    shown["customProperties"][0]["modifiedDate"] = json!("…");
    print(
        &Reply { body: shown, ..full },
        expect![[r#"
        200
        {
          "id": "…",
          "createdDate": "…",
          "modifiedDate": "…",
          "modifiedByUserName": "LOGGIA\\root",
          "name": "Team",
          "privileges": "…",
          "customProperties": [
            {
              "id": "4daf5f00-c51a-8cb8-b24f-62996c2164b1",
              "createdDate": "…",
              "modifiedDate": "…",
              "schemaPath": "CustomPropertyValue",
              "value": "sales",
              "definition": {
                "id": "c47a6fff-16d3-8b05-841d-2e3729d4fac6",
                "name": "department",
                "valueType": "Text",
                "choiceValues": [],
                "privileges": null
              }
            }
          ],
          "owner": {
            "id": "…",
            "userId": "root",
            "userDirectory": "LOGGIA",
            "userDirectoryConnectorName": "",
            "name": "root",
            "privileges": null
          },
          "tags": [
            {
              "id": "fb40ba47-fbb3-8573-a08e-f3d9c2611274",
              "name": "internal",
              "privileges": null
            }
          ],
          "schemaPath": "Stream"
        }
    "#]],
    );
    assert!(hub.get(&root, &path).await.body["privileges"].is_null());

    // A client sends back what it fetched; the id of the tag alone is enough.
    let mut fetched = hub.get(&root, &path).await.body;
    let basis = fetched["modifiedDate"].clone();
    fetched["name"] = json!("The team");
    fetched["tags"] = json!([{ "id": fetched["tags"][0]["id"] }]);
    let changed = hub.put(&root, &path, &fetched).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(changed.body["name"], "The team");
    assert_eq!(changed.body["tags"][0]["name"], "internal");
    assert_eq!(changed.body["customProperties"][0]["definition"]["name"], "department");
    let late = hub.put(&root, &path, &json!({ "name": "x", "modifiedDate": basis })).await;
    assert_eq!((late.status, &late.body["code"]), (StatusCode::CONFLICT, &json!("REQ-STALE")));

    let gone = hub.delete(&root, &path).await;
    assert_eq!((gone.status, gone.body), (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(hub.get(&root, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hub.delete(&root, &path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_are_filtered_ordered_counted_and_cut() {
    let hub = Hub::new();
    let root = hub.root();
    for (name, tag) in [("Beta", "x"), ("alpha", "y"), ("Gamma", "x")] {
        hub.post(&root, "stream", &json!({ "name": name, "tags": [{ "name": tag }] })).await;
    }
    let names = async |query: &str| hub.get(&root, query).await.names();
    assert_eq!(
        names("stream").await,
        ["Everyone", "alpha", "Beta", "Gamma", "Monitoring apps"],
        "Everyone first, then by name"
    );
    assert_eq!(
        names("stream/full?filter=tags.name+eq+'x'&orderby=name+desc").await,
        ["Gamma", "Beta"]
    );
    assert_eq!(names("stream?orderby=name&skip=1&take=2").await, ["Beta", "Everyone"]);
    assert_eq!(names("STREAM/Full/?Filter=name%20sw%20'g'").await, ["Gamma"]);
    assert_eq!(
        names(
            "systemrule?filter=type eq ReadOnly and disabled eq true".replace(' ', "%20").as_str()
        )
        .await,
        Vec::<String>::new()
    );
    let count = hub.get(&root, "stream/count?filter=tags.name%20ne%20'x'").await;
    assert_eq!(count.body, json!({ "value": 1 }));
    for (path, expected) in [
        (
            "stream?filter=nmae%20eq%20'x'",
            expect![[
                r#"filter: there is no property "nmae"; did you mean "name"? (at character 0)"#
            ]],
        ),
        (
            "stream?filter=name%20eq",
            expect![
                "filter: expected a value: 'text', a number, true, false or an id (at character 7)"
            ],
        ),
        ("stream?orderby=size", expect![[r#"orderby: there is no property "size""#]]),
        ("stream?take=many", expect![[r#"take is "many", expected a whole number"#]]),
        (
            "stream?privileges=perhaps",
            expect![[r#"privileges is "perhaps", expected true or false"#]],
        ),
        ("stream?filter=a&FILTER=b", expect![[r#"the query has "filter" twice"#]]),
    ] {
        let reply = hub.get(&root, path).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}");
        expected.assert_eq(reply.body["detail"].as_str().unwrap());
    }
}

#[tokio::test]
async fn a_broken_rule_is_told_where_it_breaks() {
    let hub = Hub::new();
    let root = hub.root();
    let rule = json!({
        "name": "Broken",
        "category": "Security",
        "resourceFilter": "Stream_*",
        "actions": 2,
        "rule": "user.IsAnonymous() or\n  (user.name = \"x",
    });
    let reply = hub.post(&root, "systemrule", &rule).await;
    print(
        &reply,
        expect![[r#"
            400
            {
              "code": "REQ-INVALID",
              "title": "Bad request",
              "detail": "rule: this parenthesis is never closed (at character 24)\nrule: this text has no closing quote (at character 37); \"x\"",
              "problems": [
                {
                  "place": "rule",
                  "message": "this parenthesis is never closed",
                  "start": 24,
                  "end": 25,
                  "suggestion": null,
                  "code": "rule-missing",
                  "severity": "error",
                  "other": null
                },
                {
                  "place": "rule",
                  "message": "this text has no closing quote",
                  "start": 37,
                  "end": 39,
                  "suggestion": "\"x\"",
                  "code": "rule-unclosed-text",
                  "severity": "error",
                  "other": null
                }
              ]
            }
        "#]],
    );
    let checked = hub.post(&root, "systemrule/check", &rule).await;
    assert_eq!(checked.status, StatusCode::OK);
    assert_eq!(checked.body["problems"], reply.body["problems"]);
    // Nothing of it was stored.
    assert!(hub.get(&root, "systemrule?filter=name%20eq%20'Broken'").await.names().is_empty());
}

#[tokio::test]
async fn members_of_the_wrong_type_are_all_told() {
    let hub = Hub::new();
    let root = hub.root();
    let entrance = json!({
        "prefix": "Pub/lic",
        "description": 5,
        "anonymousAccessMode": 9,
        "sessionInactivityTimeout": -1,
        "extendedSecurityEnvironment": "perhaps",
        "websocketCrossOriginWhiteList": "host",
        "authenticationMethod": 4,
        "hasSecureAttributeHttps": false,
        "sameSiteAttributeHttps": "None",
        "owner": "me",
        "id": "not-a-guid",
    });
    let reply = hub.post(&root, "virtualproxyconfig", &entrance).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    expect![[r#"
        id: "not-a-guid" is no GUID
        prefix: the prefix has 'P' at position 0; use a-z, 0-9, hyphen, dot, underscore or tilde
        description: expected text, found the number 5
        anonymousAccessMode: 9 is none of 0 Never, 1 Optional, 2 Always, 3 SilentSignOnFirst
        sessionInactivityTimeout: expected a whole number that fits, found the number -1
        websocketCrossOriginWhiteList: expected a list of texts, found the text "host"
        extendedSecurityEnvironment: expected true or false, found the text "perhaps""#]]
    .assert_eq(reply.body["detail"].as_str().unwrap());
}

#[tokio::test]
async fn a_bad_request_gets_a_clear_answer_and_changes_nothing() {
    let hub = Hub::new();
    let root = hub.root();
    let version = hub.repository.site().version();
    let request = |method: &str, uri: &str, header: Option<&str>, body: Body| {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(header) = header {
            request = request.header("x-qlik-xrfkey", header);
        }
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(root.clone());
        request
    };
    let good = format!("xrfkey={KEY}");
    let long = || Body::from(vec![b' '; 2 * 1024 * 1024]);
    let chunked = || {
        let pieces = (0..100).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024 * 64]));
        Body::from_stream(futures_util::stream::iter(pieces))
    };
    let cases = [
        ("GET", "/qrs/stream".to_owned(), Some(KEY), Body::empty()),
        ("GET", "/qrs/stream?xrfkey=short".to_owned(), Some("short"), Body::empty()),
        ("GET", format!("/qrs/stream?{good}"), None, Body::empty()),
        ("GET", format!("/qrs/stream?{good}"), Some("fedcba9876543210"), Body::empty()),
        ("POST", format!("/qrs/stream?{good}"), None, Body::from("{\"name\":\"x\"}")),
        ("POST", format!("/qrs/stream?{good}"), Some(KEY), Body::from("{\"name\":\n  oops}")),
        ("POST", format!("/qrs/stream?{good}"), Some(KEY), Body::from("[]")),
        ("POST", format!("/qrs/stream?{good}"), Some(KEY), Body::empty()),
        ("POST", format!("/qrs/stream?{good}"), Some(KEY), long()),
        ("POST", format!("/qrs/stream?{good}"), Some(KEY), chunked()),
        ("GET", format!("/qrs/stream/not-an-id?{good}"), Some(KEY), Body::empty()),
        ("GET", format!("/qrs/stream/{{id}}?{good}"), Some(KEY), Body::empty()),
        ("GET", format!("/qrs/stream/..%2fapp?{good}"), Some(KEY), Body::empty()),
        ("GET", format!("/qrs/steam?{good}"), Some(KEY), Body::empty()),
        ("PATCH", format!("/qrs/stream?{good}"), Some(KEY), Body::empty()),
        ("GET", format!("/qrs/license/goldaccesstype?{good}"), Some(KEY), Body::empty()),
    ];
    let mut table = String::new();
    for (method, uri, header, body) in cases {
        // Braces are no URI; a client sends them encoded.
        let uri = uri.replace('{', "%7B").replace('}', "%7D");
        let reply = hub.send(request(method, &uri, header, body)).await;
        let kind = &reply.headers["content-type"];
        assert_eq!(kind, "application/json; charset=utf-8");
        let detail = reply.body["detail"].as_str().unwrap();
        let code = reply.body["code"].as_str().unwrap();
        table.push_str(&format!("{method} {uri}\n  {} {code}: {detail}\n", reply.status.as_u16()));
    }
    assert_eq!(hub.repository.site().version(), version);
    expect![[r#"
        GET /qrs/stream
          400 REQ-XRFKEY: XSRF prevention check failed: the query parameter xrfkey is missing
        GET /qrs/stream?xrfkey=short
          400 REQ-XRFKEY: XSRF prevention check failed: xrfkey must be 16 letters or digits
        GET /qrs/stream?xrfkey=0123456789abcdef
          400 REQ-XRFKEY: XSRF prevention check failed: the header X-Qlik-Xrfkey is missing
        GET /qrs/stream?xrfkey=0123456789abcdef
          400 REQ-XRFKEY: XSRF prevention check failed: the header X-Qlik-Xrfkey differs from the query parameter
        POST /qrs/stream?xrfkey=0123456789abcdef
          400 REQ-XRFKEY: XSRF prevention check failed: the header X-Qlik-Xrfkey is missing
        POST /qrs/stream?xrfkey=0123456789abcdef
          400 REQ-INVALID: the body is no JSON: expected value at line 2 column 3
        POST /qrs/stream?xrfkey=0123456789abcdef
          400 REQ-INVALID: expected a JSON object, found a list
        POST /qrs/stream?xrfkey=0123456789abcdef
          400 REQ-INVALID: the body is no JSON: EOF while parsing a value at line 1 column 0
        POST /qrs/stream?xrfkey=0123456789abcdef
          413 REQ-TOO-LARGE: the body is larger than 1048576 bytes
        POST /qrs/stream?xrfkey=0123456789abcdef
          413 REQ-TOO-LARGE: the body is larger than 1048576 bytes
        GET /qrs/stream/not-an-id?xrfkey=0123456789abcdef
          404 REQ-PATH: the address has no id in the place of one; an id is a GUID of 36 characters
        GET /qrs/stream/%7Bid%7D?xrfkey=0123456789abcdef
          404 REQ-PATH: the address has no id in the place of one; an id is a GUID of 36 characters
        GET /qrs/stream/..%2fapp?xrfkey=0123456789abcdef
          404 REQ-PATH: the address has no id in the place of one; an id is a GUID of 36 characters
        GET /qrs/steam?xrfkey=0123456789abcdef
          404 REQ-PATH: there is no such address
        PATCH /qrs/stream?xrfkey=0123456789abcdef
          405 REQ-METHOD: this address takes GET, POST
        GET /qrs/license/goldaccesstype?xrfkey=0123456789abcdef
          404 REQ-PATH: there is no such address
    "#]].assert_eq(&table);
}

#[tokio::test]
async fn administrators_tools_find_what_they_ask_first() {
    let hub = Hub::new();
    let root = hub.root();
    let about = hub.get(&root, "about").await.body;
    assert_eq!((&about["schemaPath"], &about["nodeType"]), (&json!("About"), &json!(1)));
    let enums = hub.get(&root, "about/api/enums").await.body;
    for (_, entry) in enums.as_object().unwrap() {
        assert!(entry["usages"][0].is_string() && entry["values"][0].is_string());
    }
    assert_eq!(hub.get(&root, "license").await.body, Value::Null);
    let sections = json!(["QmcSection_App", "QmcSection_Stream"]);
    let path = "systemrule/security/evaluatetransientresources";
    assert_eq!(hub.post(&root, path, &sections).await.body, sections);
    assert_eq!(hub.post(&hub.visitor(), path, &sections).await.body, json!([]));
}

#[tokio::test]
async fn nothing_changes_for_a_page_of_another_site() {
    let hub = Hub::new();
    let root = hub.root();
    let version = hub.repository.site().version();
    let cases = [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("content-type", "text/plain", 415),
        ("content-type", "Text/Plain; charset=utf-8", 415),
        ("content-type", "application/x-www-form-urlencoded", 415),
        ("content-type", "multipart/form-data; boundary=x", 415),
    ];
    let send = |header: &str, value: &str| {
        let mut request = Request::builder()
            .method("POST")
            .uri(format!("/qrs/stream?xrfkey={KEY}"))
            .header("x-qlik-xrfkey", KEY)
            .header(header, value)
            .body(Body::from("{\"name\":\"x\"}"))
            .unwrap();
        request.extensions_mut().insert(root.clone());
        hub.send(request)
    };
    for (header, value, expected) in cases {
        assert_eq!(send(header, value).await.status.as_u16(), expected, "{header}: {value}");
    }
    assert_eq!(hub.repository.site().version(), version);
    assert_eq!(send("sec-fetch-site", "same-origin").await.status.as_u16(), 201);
}

#[tokio::test]
async fn a_visitor_does_not_learn_who_changed_an_app() {
    let hub = Hub::new();
    let root = hub.root();
    let stream = hub.post(&root, "stream", &json!({ "name": "Open" })).await.id();
    for (filter, rule) in [(format!("Stream_{stream}"), "user.IsAnonymous()")] {
        let rule = json!({
            "name": "Open", "category": "Security", "resourceFilter": filter, "actions": 2,
            "ruleContext": 1, "rule": rule,
        });
        assert_eq!(hub.post(&root, "systemrule", &rule).await.status.as_u16(), 201);
    }
    let app = hub.post(&root, "app", &json!({ "name": "Sales" })).await.id();
    let published = hub.put(&root, &format!("app/{app}/publish?stream={stream}"), &json!({})).await;
    assert_eq!(published.status.as_u16(), 200);
    let seen = hub.get(&hub.visitor(), "app/hublist/full").await;
    assert_eq!(seen.names(), ["Sales"]);
    assert_eq!(seen.body[0]["modifiedByUserName"], "");
    let filter = "app/hublist?filter=modifiedByUserName%20so%20'root'";
    assert_eq!(hub.get(&hub.visitor(), filter).await.body, json!([]));
    let signed_in = hub.get(&root, &format!("app/{app}")).await;
    assert_eq!(signed_in.body["modifiedByUserName"], "LOGGIA\\root");
}
