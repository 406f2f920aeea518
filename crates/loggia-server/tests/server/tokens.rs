//! Bearer tokens: one session for whoever brings them, on requests and sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use loggia_model::entity::{AnonymousMode, AttributeMapping, AuthenticationMethod, JwtSettings};
use loggia_repository::VirtualProxyEdit;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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
    signed(key, None, change)
}

fn signed(key: &EncodingKey, id: Option<&str>, change: &Value) -> String {
    let expires = wall().0 / 1_000 + 300;
    let mut claims = json!({ "sub": "eva", "aud": "hub", "exp": expires, "groups": ["sales"] });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::ES256) };
    let token = encode(&header, &claims, key).unwrap();
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

/// Somebody who publishes keys over HTTP.
#[derive(Clone)]
struct Issuer {
    address: SocketAddr,
    /// What is answered, and how often it was asked for.
    told: Arc<Mutex<(String, u32)>>,
}

impl Issuer {
    async fn start() -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new((String::new(), 0)));
        let issuer = Issuer { address, told: Arc::clone(&told) };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                assert!(request.starts_with(b"GET /keys HTTP/1.1\r\n"));
                let answer = {
                    let mut told = told.lock().unwrap();
                    told.1 += 1;
                    told.0.clone()
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        issuer
    }

    fn answers(&self, status: &str, body: &str) {
        self.told.lock().unwrap().0 = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }

    fn publishes(&self, keys: &[(&str, &EncodingKey)]) {
        let keys: Vec<Value> = keys
            .iter()
            .map(|(id, key)| {
                let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(key, Algorithm::ES256).unwrap();
                let mut jwk = serde_json::to_value(jwk).unwrap();
                jwk["kid"] = json!(id);
                jwk
            })
            .collect();
        self.answers("200 OK", &json!({ "keys": keys }).to_string());
    }

    fn was_asked(&self) -> u32 {
        self.told.lock().unwrap().1
    }
}

#[tokio::test]
async fn keys_are_fetched_from_their_address_when_they_change_and_not_for_whoever_likes() {
    const MINUTE: i64 = 60_000;
    let clock = Arc::new(AtomicI64::new(wall().0));
    let passes = |millis: i64| clock.fetch_add(millis, Ordering::Relaxed);
    let hub = Hub::start_by(&clock).await;
    let first = set_up(&hub, AnonymousMode::Never);
    let pair = rcgen::KeyPair::generate().unwrap();
    let second = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    let issuer = Issuer::start().await;
    let mut edit = VirtualProxyEdit::default();
    edit.jwt.key = Some(format!("http://{}/keys", issuer.address));
    hub.edit_entrance(edit);
    let status = async |key: &EncodingKey, id: &str| {
        let expires = clock.load(Ordering::Relaxed) / 1_000 + 300;
        let token = signed(key, Some(id), &json!({ "exp": expires }));
        let headers = [("Authorization", token.as_str())];
        hub.somebody().send("GET", "/public/api/v1/hub", &headers, "").await.status
    };

    issuer.publishes(&[("a", &first)]);
    for _ in 0..3 {
        assert_eq!(status(&first, "a").await, 200);
    }
    assert_eq!(status(&second, "a").await, 401, "another's signature");
    assert_eq!(issuer.was_asked(), 1, "once for all");

    // The keys are replaced. Whoever comes with a new one makes us look, but not all the time.
    issuer.publishes(&[("b", &second)]);
    for id in ["b", "c", "d", "e"] {
        assert_eq!(status(&second, id).await, 401);
    }
    assert_eq!(issuer.was_asked(), 1, "a moment ago");
    passes(MINUTE);
    assert_eq!(status(&second, "b").await, 200);
    assert_eq!(issuer.was_asked(), 2);
    assert_eq!(status(&first, "a").await, 401, "withdrawn");
    passes(MINUTE);
    for number in 0..20 {
        assert_eq!(status(&first, &format!("unknown {number}")).await, 401);
    }
    assert_eq!(issuer.was_asked(), 3, "once for a flood of unknown keys");

    // An issuer that is away, or talks nonsense, locks nobody out.
    for (answer, body) in [("503 Away", ""), ("200 OK", "<html>"), ("200 OK", "{\"keys\":[]}")] {
        issuer.answers(answer, body);
        passes(60 * MINUTE);
        let before = issuer.was_asked();
        assert_eq!(status(&second, "b").await, 200, "{answer} {body}");
        assert_eq!(issuer.was_asked(), before + 1, "{answer} {body}");
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
