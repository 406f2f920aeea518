//! Bearer tokens: one session for whoever brings them, on requests and sockets.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use loggia_model::entity::{AnonymousMode, AttributeMapping, AuthenticationMethod, JwtSettings};
use loggia_repository::VirtualProxyEdit;
use serde_json::{Value, json};

use crate::programs::wall;
use crate::support::{APP, Hub, PUBLIC, Person, server_itself};

fn set_up(hub: &Hub, mode: AnonymousMode) -> EncodingKey {
    let pair = rcgen::KeyPair::generate().unwrap();
    hub.edit_entrance(VirtualProxyEdit {
        anonymous: Some(mode),
        method: Some(AuthenticationMethod::Jwt),
        jwt: JwtSettings {
            key: pair.public_key_pem(),
            user_id: "sub".into(),
            user_directory: "[ACME]".into(),
            audience: "hub".into(),
            attributes: vec![AttributeMapping {
                from: "groups".into(),
                to: "group".into(),
                is_mandatory: false,
            }],
            ..JwtSettings::default()
        }
        .into(),
        ..VirtualProxyEdit::default()
    });
    EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap()
}

fn bearer(key: &EncodingKey, change: &Value) -> String {
    let expires = wall().0 / 1_000 + 300;
    let mut claims = json!({ "sub": "eva", "aud": "hub", "exp": expires, "groups": ["sales"] });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let token = encode(&Header::new(Algorithm::ES256), &claims, key).unwrap();
    format!("Bearer {token}")
}

async fn who(person: &mut Person, bearer: &str) -> (u16, Value) {
    let answer = person.send("GET", "/public/qps/user", &[("Authorization", bearer)], "").await;
    (answer.status, answer.json()["userId"].clone())
}

#[tokio::test]
async fn a_token_is_enough_with_each_request_and_begins_one_session() {
    let hub = Hub::start().await;
    let key = set_up(&hub, AnonymousMode::Never);
    let token = bearer(&key, &json!({}));
    for _ in 0..20 {
        assert_eq!(who(&mut hub.somebody(), &token).await, (200, json!("eva")));
    }
    let renewed = bearer(&key, &json!({ "exp": wall().0 / 1_000 + 900 }));
    assert_eq!(who(&mut hub.somebody(), &renewed).await, (200, json!("eva")));
    assert_eq!(hub.sessions(), 1);
    // Each answer has the cookie, since a browser's socket can send nothing else.
    let mut browser = hub.somebody();
    who(&mut browser, &token).await;
    assert_eq!(browser.who("/public").await, "ACME\\eva");
    let path = format!("/public/app/{APP}");
    for (person, headers) in
        [(browser.clone(), vec![]), (hub.somebody(), vec![("authorization", token.as_str())])]
    {
        let first = person.socket(&path, &headers).await.unwrap().next().await.unwrap();
        assert_eq!(first["params"]["userId"], "eva", "{first}");
    }
    assert_eq!(hub.sessions(), 1);
    // What the token says of groups is the session's, so another saying is another session.
    who(&mut hub.somebody(), &bearer(&key, &json!({ "groups": ["north"] }))).await;
    assert_eq!(hub.sessions(), 2);
    // Another person in the same browser ends the session before.
    assert_eq!(who(&mut browser, &bearer(&key, &json!({ "sub": "tom" }))).await.1, json!("tom"));
    assert_eq!(hub.sessions(), 2);
}

#[tokio::test]
async fn a_set_of_keys_may_stand_in_a_file_of_the_folder_for_keys() {
    let hub = Hub::start().await;
    let key = set_up(&hub, AnonymousMode::Never);
    let mut jwk = serde_json::to_value(
        jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap(),
    )
    .unwrap();
    jwk["use"] = json!("sig");
    let folder = hub.data().join("keys");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("acme.json"), json!({ "keys": [jwk] }).to_string()).unwrap();
    let mut edit = VirtualProxyEdit::default();
    edit.jwt.key = Some("file:acme.json".into());
    hub.edit_entrance(edit);
    assert_eq!(who(&mut hub.somebody(), &bearer(&key, &json!({}))).await, (200, json!("eva")));

    std::fs::write(hub.data().join("outside.json"), "{}").unwrap();
    for name in ["file:../outside.json", "file:/etc/hostname", "file:", "file:.hidden", "file:a b"]
    {
        let mut edit = VirtualProxyEdit::default();
        edit.jwt.key = Some(name.into());
        let repository = hub.repository();
        let error = repository.update_virtual_proxy(&server_itself(), PUBLIC, None, edit);
        assert!(error.unwrap_err().to_string().contains("jwtPublicKeyCertificate"), "{name}");
    }
}

#[tokio::test]
async fn a_bad_token_is_as_good_as_none_and_nobody_is_told_why() {
    let hub = Hub::start().await;
    let key = set_up(&hub, AnonymousMode::Never);
    let pair = rcgen::KeyPair::generate().unwrap();
    let foreign = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    let past = wall().0 / 1_000 - 1;
    let mut texts = Vec::new();
    for bad in [
        bearer(&foreign, &json!({})),
        bearer(&key, &json!({ "exp": past })),
        bearer(&key, &json!({ "aud": "other" })),
        bearer(&key, &json!({ "sub": "" })),
        "Bearer x.y.z".to_owned(),
        "Bearer ".to_owned(),
        // A little less than a request's head may be.
        format!("Bearer {}", "a".repeat(15_000)),
    ] {
        let headers = [("Authorization", bad.as_str())];
        let answer = hub.somebody().send("GET", "/public/api/v1/hub", &headers, "").await;
        assert_eq!(answer.status, 401, "{bad}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        texts.push((answer.code(), answer.json()["text"].clone()));
        let page = [("Authorization", bad.as_str()), ("Accept", "text/html")];
        assert_eq!(hub.somebody().send("GET", "/public/hub", &page, "").await.status, 401);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(hub.sessions(), 0);
    let forged = bearer(&foreign, &json!({}));
    let headers = [("authorization", forged.as_str())];
    let mut socket = hub.somebody().socket(&format!("/public/app/{APP}"), &headers).await.unwrap();
    let first = socket.next().await.unwrap();
    assert_eq!(first["params"]["mustAuthenticate"], json!(true));
    // A session that is good goes on.
    let mut browser = hub.somebody();
    who(&mut browser, &bearer(&key, &json!({}))).await;
    assert_eq!(who(&mut browser, "Bearer x.y.z").await, (200, json!("eva")));
    // Machines at an entrance for all are not taken for visitors because their token ran out.
    let key = set_up(&hub, AnonymousMode::Allowed);
    let expired = bearer(&key, &json!({ "exp": past }));
    let headers = [("Authorization", expired.as_str())];
    let answer = hub.somebody().send("GET", "/public/api/v1/hub", &headers, "").await;
    assert_eq!(answer.status, 401);
    // The default entrance knows no tokens.
    let answer = hub.somebody().send("GET", "/qps/user", &headers, "").await;
    assert_eq!(answer.json(), json!({ "session": "inactive" }));
}
