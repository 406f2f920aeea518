//! Entrances over REST: every setting, secrets that are never read back, and what links them.

use http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Hub, Reply};

fn press() -> Value {
    json!({ "prefix": "press", "description": "Press", "sessionCookieHeaderName": "X-Press" })
}

#[tokio::test]
async fn settings_are_read_back_as_they_were_written() {
    let hub = Hub::new();
    let root = hub.root();
    let settings = json!({
        "anonymousAccessMode": 3,
        "authenticationMethod": 5,
        "sessionInactivityTimeout": 45,
        "lifetimeMinutes": 480,
        "sessionCoolDownMinutes": 5,
        "sessionCookieDomain": "example.com",
        "sameSiteAttributeHttps": 1,
        "hasSecureAttributeHttps": true,
        "websocketCrossOriginWhiteList": ["portal.example", "*.example.org"],
        "headerAuthenticationHeaderName": "X-Remote-User",
        "headerAuthenticationTrustedSenders": ["10.0.0.0/8"],
        "samlSlo": true,
        "samlAttributeMap": [
            { "samlAttribute": "mail", "senseAttribute": "email", "isMandatory": true },
        ],
        "jwtIssuer": "https://issuer.example",
        "jwtLeewaySeconds": 60,
        "jwtAttributeMap": [
            { "jwtAttribute": "groups", "senseAttribute": "group", "isMandatory": false },
        ],
        "oidcConfigurationEndpointUri": "https://login.example/.well-known/openid-configuration",
        "oidcClientId": "loggia",
        "oidcRealm": "ACME",
        "visitorRequestsPerMinutePerIp": 300,
        "loadBalancingAlgorithm": 1,
        "magicLinkFriendlyName": "Press room",
    });
    let mut body = press();
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let made = hub.post(&root, "virtualproxyconfig", &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let read = hub.get(&root, &format!("virtualproxyconfig/{}", made.id())).await.body;
    for (name, value) in settings.as_object().unwrap() {
        assert_eq!(&read[name], value, "{name}");
    }
    assert_eq!((&read["linked"], &read["loadBalancingAllNodes"]), (&json!(true), &json!(true)));
    // What was fetched can be sent back, and changes nothing.
    let again = hub.put(&root, &format!("virtualproxyconfig/{}", made.id()), &read).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    for (name, value) in settings.as_object().unwrap() {
        assert_eq!(&again.body[name], value, "{name}");
    }
    assert_eq!(again.body["loadBalancingAllNodes"], true);
}

#[tokio::test]
async fn secrets_are_written_and_never_read() {
    let hub = Hub::new();
    let root = hub.root();
    let key = format!("secret:{}", "QUJD".repeat(11));
    let mut body = press();
    body["oidcClientSecret"] = json!("hush");
    body["jwtPublicKeyCertificate"] = json!(key);
    let made = hub.post(&root, "virtualproxyconfig", &body).await;
    let path = format!("virtualproxyconfig/{}", made.id());
    let mut read = hub.get(&root, &path).await.body;
    let text = hub.get(&root, "virtualproxyconfig/full").await.body.to_string() + &read.to_string();
    assert!(!text.contains("hush") && !text.contains("QUJD"), "{text}");
    assert_eq!(read["oidcClientSecret"], "********");
    assert_eq!(read["jwtPublicKeyCertificate"], "secret:********");
    let kept = || {
        let site = hub.repository.site();
        let entrance = site.entrance(&"press".parse().unwrap()).unwrap();
        (entrance.oidc.client_secret.clone(), entrance.jwt.key.clone())
    };
    // The mask keeps what is there; anything else replaces it.
    read["description"] = json!("Press room");
    let changed = hub.put(&root, &path, &read).await;
    assert_eq!(kept(), ("hush".to_owned(), key));
    let mut read = changed.body;
    read["oidcClientSecret"] = json!("");
    read["jwtPublicKeyCertificate"] = json!("");
    assert_eq!(hub.put(&root, &path, &read).await.status, StatusCode::OK);
    assert_eq!(kept(), (String::new(), String::new()));
    // A new entrance has nothing that the mask could stand for.
    let copy = json!({
        "prefix": "copy", "description": "Copy", "sessionCookieHeaderName": "X-Copy",
        "oidcClientSecret": "********",
    });
    let refused = hub.post(&root, "virtualproxyconfig", &copy).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body["detail"].as_str().unwrap().starts_with("oidcClientSecret: "));
}

/// Acceptance check 24 of `spec/access.md` §10.
#[tokio::test]
async fn prefixes_and_cookies_are_clean_and_nobody_elses() {
    let hub = Hub::new();
    let root = hub.root();
    assert_eq!(hub.post(&root, "virtualproxyconfig", &press()).await.status, StatusCode::CREATED);
    for (member, value) in [
        ("prefix", "Press2"),
        ("prefix", "pr#ess"),
        ("prefix", "press"),
        ("prefix", ""),
        ("sessionCookieHeaderName", "x-press"),
        ("sessionCookieHeaderName", "X Press"),
        ("sessionCookieHeaderName", ""),
    ] {
        let mut body = json!({
            "prefix": "other", "description": "Other", "sessionCookieHeaderName": "X-Other",
        });
        body[member] = json!(value);
        let refused = hub.post(&root, "virtualproxyconfig", &body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{member} {value:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{member}: ")), "{value:?}: {detail}");
    }
}

#[tokio::test]
async fn only_the_entrance_without_a_prefix_is_called_the_default() {
    let hub = Hub::new();
    let root = hub.root();
    let claiming = |mut body: Value| {
        body["defaultVirtualProxy"] = json!(true);
        body
    };
    let is_refused = |answer: Reply| {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.starts_with("defaultVirtualProxy: "), "{detail}");
        assert!(detail.contains("empty prefix"), "{detail}");
    };
    is_refused(hub.post(&root, "virtualproxyconfig", &claiming(press())).await);
    let made = hub.post(&root, "virtualproxyconfig", &press()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let path = format!("virtualproxyconfig/{}", made.body["id"].as_str().unwrap());
    is_refused(hub.put(&root, &path, &claiming(made.body.clone())).await);
    let without = json!({ "modifiedDate": made.body["modifiedDate"] });
    is_refused(hub.put(&root, &path, &claiming(without)).await);
    assert_eq!(hub.put(&root, &path, &made.body).await.status, StatusCode::OK);
    // What the default entrance says of itself may come back.
    let filter = "virtualproxyconfig/full?filter=prefix%20eq%20''";
    let found = hub.get(&root, filter).await.body[0].clone();
    assert_eq!(found["defaultVirtualProxy"], true);
    let path = format!("virtualproxyconfig/{}", found["id"].as_str().unwrap());
    assert_eq!(hub.put(&root, &path, &found).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_proxy_serves_what_is_linked_to_it() {
    let hub = Hub::new();
    let root = hub.root();
    let mut body = press();
    body["linked"] = json!(false);
    let made = hub.post(&root, "virtualproxyconfig", &body).await;
    assert_eq!(made.body["linked"], false);
    assert_eq!(made.body["warnings"][0]["place"], "linked", "{made:?}");
    let local = hub.get(&root, "proxyservice/local").await.body;
    assert_eq!(local["schemaPath"], "ProxyService");
    assert_eq!(local["serverNodeConfiguration"]["hostName"], "localhost");
    let prefixes = |proxy: &Value| -> Vec<String> {
        let linked = proxy["settings"]["virtualProxies"].as_array().unwrap();
        linked.iter().map(|one| one["prefix"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(prefixes(&local), [""]);
    let path = format!("proxyservice/{}", local["id"].as_str().unwrap());
    let mut edited = local.clone();
    edited["settings"]["virtualProxies"].as_array_mut().unwrap().push(json!({ "id": made.id() }));
    edited["settings"]["keepAliveTimeoutSeconds"] = json!(120);
    let saved = hub.put(&root, &path, &edited).await;
    assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
    assert_eq!(prefixes(&saved.body), ["", "press"]);
    assert_eq!(saved.body["settings"]["keepAliveTimeoutSeconds"], 120);
    let shown = hub.get(&root, &format!("virtualproxyconfig/{}", made.id())).await.body;
    assert_eq!(shown["linked"], true);
    // Whoever has not seen that change does not undo it.
    assert_eq!(hub.put(&root, &path, &local).await.status, StatusCode::CONFLICT);
    let mut none = hub.get(&root, &path).await.body;
    none["settings"]["virtualProxies"] = json!([]);
    let refused = hub.put(&root, &path, &none).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "the default entrance stays: {refused:?}");
    assert_eq!(hub.get(&root, "proxyservice/count").await.body["value"], 1);
    let found = hub.get(&root, "proxyservice?filter=settings.virtualProxies.prefix%20eq%20'press'");
    assert_eq!(found.await.body.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_of_nodes_decides_unless_it_still_names_all() {
    let hub = Hub::new();
    let root = hub.root();
    let made = hub.post(&root, "virtualproxyconfig", &press()).await;
    let path = format!("virtualproxyconfig/{}", made.id());
    let all = made.body["loadBalancingServerNodes"].clone();
    assert_eq!(all[0]["name"], "Central");
    // A client of the original empties the list, and sends what it does not know as it came.
    let mut none = made.body.clone();
    none["loadBalancingServerNodes"] = json!([]);
    let saved = hub.put(&root, &path, &none).await.body;
    assert_eq!(saved["loadBalancingServerNodes"], json!([]));
    assert_eq!(saved["loadBalancingAllNodes"], false);
    assert_eq!(saved["warnings"][0]["place"], "loadBalancingServerNodes");
    let body = json!({ "loadBalancingAllNodes": true });
    let saved = hub.put(&root, &path, &body).await.body;
    assert_eq!(
        (&saved["loadBalancingServerNodes"], saved["loadBalancingAllNodes"].as_bool()),
        (&all, Some(true))
    );
}
