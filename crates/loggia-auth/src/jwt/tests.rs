use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::*;

/// A moment at which all tokens of these tests are good: 2026-01-01.
const NOW: u64 = 1_767_225_600;

struct Issuer {
    key: EncodingKey,
    algorithm: Algorithm,
    public_pem: String,
}

impl Issuer {
    fn ec() -> Issuer {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Issuer {
            key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap(),
            algorithm: Algorithm::ES256,
            public_pem: pair.public_key_pem(),
        }
    }

    fn ed() -> Issuer {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        Issuer {
            key: EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap(),
            algorithm: Algorithm::EdDSA,
            public_pem: pair.public_key_pem(),
        }
    }

    fn rsa(algorithm: Algorithm) -> Issuer {
        let size = rcgen::RsaKeySize::_2048;
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap();
        Issuer {
            key: EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap(),
            algorithm,
            public_pem: pair.public_key_pem(),
        }
    }

    fn jwk(&self, id: &str) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap())
                .unwrap();
        jwk["kid"] = json!(id);
        jwk
    }

    fn token(&self, header: Value, claims: &Value) -> String {
        sign(&self.key, self.algorithm, header, claims)
    }

    fn good(&self) -> String {
        self.token(json!({ "alg": name(self.algorithm), "typ": "JWT" }), &claims(json!({})))
    }
}

fn name(algorithm: Algorithm) -> String {
    serde_json::to_value(algorithm).unwrap().as_str().unwrap().to_owned()
}

/// Signs whatever header there is, also one that no honest library writes.
fn sign(key: &EncodingKey, algorithm: Algorithm, header: Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn claims(change: Value) -> Value {
    let mut claims = json!({
        "userId": "ana", "userDirectory": "ACME", "exp": NOW + 60, "nbf": NOW - 60, "iat": NOW - 60,
        "iss": "https://issuer.example", "aud": "hub", "groups": ["staff", "sales"], "level": 3,
        "name": "Ana",
    });
    for (name, value) in change.as_object().unwrap() {
        if value == "(none)" {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn settings() -> JwtSettings {
    JwtSettings {
        audience: "hub".to_owned(),
        issuer: "https://issuer.example".to_owned(),
        attributes: vec![
            AttributeMapping { from: "groups".into(), to: "group".into(), is_mandatory: true },
            AttributeMapping { from: "level".into(), to: "level".into(), is_mandatory: false },
        ],
        ..JwtSettings::default()
    }
}

fn verify(keys: &JwtKeys, token: &str) -> Result<Person, JwtError> {
    keys.verify(token, &settings(), Moment(NOW as i64 * 1_000))
}

#[test]
fn each_kind_of_key_knows_its_own_tokens_and_no_others() {
    let secret = [7; 32];
    let hmac = Issuer {
        key: EncodingKey::from_secret(&secret),
        algorithm: Algorithm::HS256,
        public_pem: format!("secret:{}", STANDARD.encode(secret)),
    };
    let issuers = [
        Issuer::ec(),
        Issuer::ed(),
        Issuer::rsa(Algorithm::RS256),
        Issuer::rsa(Algorithm::PS384),
        hmac,
    ];
    for (n, issuer) in issuers.iter().enumerate() {
        let keys = JwtKeys::parse(&issuer.public_pem, &[]).unwrap();
        for (m, other) in issuers.iter().enumerate() {
            let outcome = verify(&keys, &other.good());
            assert_eq!(outcome.is_ok(), n == m, "{n} {m} {outcome:?}");
        }
        let person = verify(&keys, &issuer.good()).unwrap();
        assert_eq!((person.key.directory(), person.key.id()), ("ACME", "ana"));
        assert_eq!(person.name, "Ana");
        let attributes: Vec<String> =
            person.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(attributes, ["group=staff", "group=sales", "level=3"]);
    }
}

#[test]
fn a_certificate_is_as_good_as_its_key() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["issuer".to_owned()])
        .unwrap()
        .self_signed(&pair)
        .unwrap();
    let keys = JwtKeys::parse(&certificate.pem(), &[]).unwrap();
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    let header = json!({ "alg": "ES256", "typ": "JWT" });
    assert!(verify(&keys, &sign(&key, Algorithm::ES256, header, &claims(json!({})))).is_ok());
}

/// Row 20 of the attack list, with variants.
#[test]
fn no_forged_or_stretched_token_is_believed() {
    let issuer = Issuer::rsa(Algorithm::RS256);
    let keys = JwtKeys::parse(&issuer.public_pem, &[]).unwrap();
    let plain = json!({ "alg": "RS256", "typ": "JWT" });
    let with = |change: Value| issuer.token(plain.clone(), &claims(change));
    let mut bad: Vec<(String, String)> = Vec::new();
    let mut add = |label: &str, token: String| bad.push((label.to_owned(), token));

    // Algorithms that the key is not for; the public key as a shared secret among them.
    for alg in ["none", "None", "NONE", "", "HS256", "ES256", "EdDSA", "PS256", "RS257"] {
        let body = URL_SAFE_NO_PAD.encode(claims(json!({})).to_string());
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "JWT" }).to_string());
        add("no signature", format!("{header}.{body}."));
        add("no signature part", format!("{header}.{body}"));
        add("foreign alg", issuer.token(json!({ "alg": alg, "typ": "JWT" }), &claims(json!({}))));
    }
    for secret in [issuer.public_pem.as_bytes(), issuer.public_pem.trim().as_bytes(), b""] {
        for (alg, algorithm) in [("HS256", Algorithm::HS256), ("HS512", Algorithm::HS512)] {
            let key = EncodingKey::from_secret(secret);
            add(
                "public key as secret",
                sign(&key, algorithm, json!({ "alg": alg }), &claims(json!({}))),
            );
        }
    }
    // A key, or the address of one, in the token itself; ids that are paths or queries.
    let attacker = Issuer::rsa(Algorithm::RS256);
    for header in [
        json!({ "alg": "RS256", "jwk": attacker.jwk("mine") }),
        json!({ "alg": "RS256", "jku": "https://evil.example/keys" }),
        json!({ "alg": "RS256", "x5u": "https://evil.example/cert" }),
        json!({ "alg": "RS256", "x5c": ["MIIB"] }),
        json!({ "alg": "RS256", "kid": "../../../../dev/null" }),
        json!({ "alg": "RS256", "kid": "x' UNION SELECT 'secret" }),
        json!({ "alg": "RS256", "kid": "" }),
    ] {
        add("key of the attacker", attacker.token(header, &claims(json!({}))));
    }
    for header in [
        json!({ "alg": "RS256", "typ": "JWE" }),
        json!({ "alg": "RS256", "typ": "logout+jwt" }),
        json!({ "alg": "RS256", "crit": ["b64"], "b64": false }),
        json!({ "alg": "RS256", "crit": [] }),
        json!({ "alg": "RS256", "zip": "DEF" }),
    ] {
        add("type or extension", issuer.token(header, &claims(json!({}))));
    }
    for exp in [
        json!("(none)"),
        json!((NOW + 60).to_string()),
        json!(NOW as f64 + 60.5),
        json!(9_223_372_036_854_775_808_u64),
        json!(u64::MAX),
        json!(-1),
        json!(0),
        json!(NOW),
        json!(NOW - 1),
        json!(null),
        json!(true),
        json!([NOW + 60]),
    ] {
        add("exp", with(json!({ "exp": exp })));
    }
    for date in [json!(NOW + 1), json!("0"), json!(1.5), json!(u64::MAX), json!(null), json!({})] {
        add("nbf", with(json!({ "nbf": date })));
        add("iat", with(json!({ "iat": date })));
    }
    for aud in [
        json!("(none)"),
        json!("Hub"),
        json!("hub2"),
        json!(["other"]),
        json!([]),
        json!([["hub"]]),
        json!({ "hub": 1 }),
    ] {
        add("aud", with(json!({ "aud": aud })));
    }
    for iss in [
        json!("(none)"),
        json!("https://issuer.example/"),
        json!(["https://issuer.example"]),
        json!(1),
    ] {
        add("iss", with(json!({ "iss": iss })));
    }
    for id in [
        json!("(none)"),
        json!(""),
        json!(1),
        json!("a\\b"),
        json!("a\u{200b}"),
        json!(["ana"]),
        json!(null),
    ] {
        add("user id", with(json!({ "userId": id })));
    }
    for directory in [
        json!("(none)"),
        json!("NONE"),
        json!("none"),
        json!("INTERNAL"),
        json!(" Internal "),
        json!("NO\u{200b}NE"),
        json!(""),
    ] {
        add("directory", with(json!({ "userDirectory": directory })));
    }
    add("mandatory attribute", with(json!({ "groups": "(none)" })));
    add("mandatory attribute", with(json!({ "groups": [] })));
    add("too large", with(json!({ "x": "x".repeat(16 * 1_024) })));
    add("attributes", with(json!({ "groups": vec!["g"; 501] })));
    // Bytes changed after signing.
    let good = issuer.good();
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let other = URL_SAFE_NO_PAD.encode(claims(json!({ "userId": "root" })).to_string());
    add("other body", format!("{header}.{other}.{signature}"));
    add("cut signature", format!("{header}.{body}.{}", &signature[..signature.len() - 4]));
    add("padded", format!("{header}.{body}.{signature}=="));
    add("four parts", format!("{good}.{signature}"));
    add("space", format!(" {good}"));
    for junk in ["", ".", "..", "a.b.c", "e30.e30.", "\u{0}.\u{0}.\u{0}"] {
        add("junk", junk.to_owned());
    }

    for (label, token) in &bad {
        let outcome = verify(&keys, token);
        assert!(outcome.is_err(), "{label}: {token} {outcome:?}");
    }
    assert!(verify(&keys, &good).is_ok());
    // What the header says beside the algorithm changes nothing for an honest token either.
    let header = json!({ "alg": "RS256", "jku": "https://evil.example/keys", "typ": "at+JWT" });
    assert!(verify(&keys, &issuer.token(header, &claims(json!({})))).is_ok());
    assert!(verify(&keys, &with(json!({ "aud": ["other", "hub"] }))).is_ok());
}

#[test]
fn clocks_may_differ_by_what_is_set_and_never_by_more_than_five_minutes() {
    let issuer = Issuer::ec();
    let keys = JwtKeys::parse(&issuer.public_pem, &[]).unwrap();
    let outcome = |leeway_seconds: u32, change: Value| {
        let token = issuer.token(json!({ "alg": "ES256" }), &claims(change));
        let settings = JwtSettings { leeway_seconds, ..settings() };
        keys.verify(&token, &settings, Moment(NOW as i64 * 1_000)).map(drop)
    };
    assert_eq!(outcome(0, json!({ "exp": NOW - 30 })), Err(JwtError::Expired));
    assert_eq!(outcome(60, json!({ "exp": NOW - 30 })), Ok(()));
    assert_eq!(outcome(60, json!({ "nbf": NOW + 30 })), Ok(()));
    assert_eq!(outcome(u32::MAX, json!({ "exp": NOW - 301 })), Err(JwtError::Expired));
    assert_eq!(outcome(u32::MAX, json!({ "nbf": NOW + 301 })), Err(JwtError::Early));
}

#[test]
fn the_directory_may_be_fixed_and_the_claims_may_have_other_names() {
    let issuer = Issuer::ec();
    let keys = JwtKeys::parse(&issuer.public_pem, &[]).unwrap();
    let token = issuer.token(json!({ "alg": "ES256" }), &claims(json!({ "sub": "bob" })));
    let named = |user_id: &str, user_directory: &str| {
        let settings = JwtSettings {
            user_id: user_id.to_owned(),
            user_directory: user_directory.to_owned(),
            ..settings()
        };
        keys.verify(&token, &settings, Moment(NOW as i64 * 1_000)).map(|person| person.key)
    };
    assert_eq!(named("sub", "[PARTNERS]").unwrap(), UserKey::new("PARTNERS", "bob").unwrap());
    assert!(named("sub", "[NONE]").is_err());
    assert!(named("email", "[PARTNERS]").is_err());
}

#[test]
fn settings_that_make_no_sense_are_refused_with_their_reason() {
    let ec = Issuer::ec();
    let parse = |text: &str, algorithms: &[&str]| {
        let algorithms: Vec<String> = algorithms.iter().map(|&name| name.to_owned()).collect();
        JwtKeys::parse(text, &algorithms).map(|keys| keys.0.len())
    };
    assert_eq!(parse("", &[]), Err(KeyError::Empty));
    assert_eq!(parse("-----BEGIN PRIVATE KEY-----", &[]), Err(KeyError::Private));
    assert_eq!(parse("certificate", &[]), Err(KeyError::Pem));
    assert_eq!(parse("secret:c2hvcnQ=", &[]), Err(KeyError::Secret));
    assert_eq!(parse("{\"keys\":[]}", &[]), Err(KeyError::NothingToVerifyWith));
    let shared = json!({ "keys": [{ "kty": "oct", "k": STANDARD.encode([1; 32]) }] });
    assert_eq!(parse(&shared.to_string(), &[]), Err(KeyError::NothingToVerifyWith));
    assert_eq!(parse(&ec.public_pem, &["RS256"]), Err(KeyError::Family));
    assert_eq!(parse(&ec.public_pem, &["ES256", "HS256"]), Err(KeyError::Family));
    assert_eq!(parse(&ec.public_pem, &["none"]), Err(KeyError::Algorithm("none".to_owned())));
    assert_eq!(parse(&ec.public_pem, &["ES256"]), Ok(1));
}

/// Hands out sets one after the other and counts how often it was asked.
#[derive(Default)]
struct Rotating {
    sets: Mutex<Vec<Result<String, String>>>,
    asked: Mutex<usize>,
}

impl KeySource for Rotating {
    fn fetch<'a>(
        &'a self,
        _address: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        *self.asked.lock() += 1;
        let next = self.sets.lock().pop().unwrap_or_else(|| Err("away".to_owned()));
        Box::pin(async move { next })
    }
}

#[tokio::test]
async fn a_key_set_is_fetched_when_needed_and_not_each_time_a_stranger_asks() {
    let (old, new) = (Issuer::ec(), Issuer::ec());
    let set = |keys: &[Value]| Ok(json!({ "keys": keys }).to_string());
    let source = Arc::new(Rotating::default());
    *source.sets.lock() = vec![set(&[old.jwk("1"), new.jwk("2")]), set(&[old.jwk("1")])];
    let tokens = Tokens::new(source.clone());
    let entrance = VirtualProxyId(uuid::Uuid::nil());
    let settings = JwtSettings { key: "https://issuer.example/keys".into(), ..settings() };
    let token = |issuer: &Issuer, id: &str| {
        issuer.token(json!({ "alg": "ES256", "kid": id }), &claims(json!({})))
    };
    let come = async |token: &str, now: i64| {
        tokens.prepare(entrance, &settings, token, Moment(now)).await;
        tokens.verify(entrance, &settings, token, Moment(NOW as i64 * 1_000)).map(drop)
    };
    assert_eq!(come(&token(&old, "1"), 0).await, Ok(()));
    assert_eq!(come(&token(&old, "1"), 1).await, Ok(()));
    assert_eq!(*source.asked.lock(), 1);
    // A new key is found, but unknown ids alone do not make us ask again and again.
    for _ in 0..50 {
        assert_eq!(come(&token(&new, "2"), 1_000).await, Err(JwtError::UnknownKey));
    }
    assert_eq!(*source.asked.lock(), 1);
    assert_eq!(come(&token(&new, "2"), PAUSE_MILLIS).await, Ok(()));
    assert_eq!(come(&token(&old, "2"), PAUSE_MILLIS).await, Err(JwtError::Signature));
    assert_eq!(*source.asked.lock(), 2);
    // The issuer is away: what is known stays good.
    assert_eq!(come(&token(&old, "1"), PAUSE_MILLIS + FRESH_MILLIS).await, Ok(()));
    assert_eq!(*source.asked.lock(), 3);
}

/// Answers when it is told to.
struct Slow {
    set: String,
    may_answer: tokio::sync::Semaphore,
    asked: Mutex<usize>,
}

impl KeySource for Slow {
    fn fetch<'a>(
        &'a self,
        _address: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        *self.asked.lock() += 1;
        Box::pin(async move {
            self.may_answer.acquire().await.map_err(|error| error.to_string())?.forget();
            Ok(self.set.clone())
        })
    }
}

#[tokio::test]
async fn whoever_comes_while_keys_are_fetched_waits_for_them() {
    let issuer = Issuer::ec();
    let source = Arc::new(Slow {
        set: json!({ "keys": [issuer.jwk("1")] }).to_string(),
        may_answer: tokio::sync::Semaphore::new(0),
        asked: Mutex::default(),
    });
    let tokens = Tokens::new(source.clone());
    let entrance = VirtualProxyId(uuid::Uuid::nil());
    let settings = JwtSettings { key: "https://issuer.example/keys".into(), ..settings() };
    let come = async |id: &str, now: i64| {
        let token = issuer.token(json!({ "alg": "ES256", "kid": id }), &claims(json!({})));
        tokens.prepare(entrance, &settings, &token, Moment(now)).await;
        tokens.verify(entrance, &settings, &token, Moment(NOW as i64 * 1_000)).map(drop)
    };
    let answer = async || source.may_answer.add_permits(1);
    let (first, second, third, ()) =
        tokio::join!(come("1", 0), come("1", 0), come("2", 0), answer());
    assert_eq!((first, second), (Ok(()), Ok(())));
    assert_eq!(third, Err(JwtError::UnknownKey));
    assert_eq!(*source.asked.lock(), 1);
    // Keys that are only to be renewed keep nobody waiting but whoever fetches them.
    let (renewing, meanwhile) = (come("1", FRESH_MILLIS), async {
        let outcome = come("1", FRESH_MILLIS).await;
        answer().await;
        outcome
    });
    assert_eq!(tokio::join!(renewing, meanwhile), (Ok(()), Ok(())));
    assert_eq!(*source.asked.lock(), 2);
}

/// What the tests below share: an issuer that answers when it is told to, and one entrance.
struct Waiting {
    issuer: Issuer,
    source: Arc<Slow>,
    tokens: Arc<Tokens>,
}

impl Waiting {
    fn new() -> Waiting {
        let issuer = Issuer::ec();
        let source = Arc::new(Slow {
            set: json!({ "keys": [issuer.jwk("1")] }).to_string(),
            may_answer: tokio::sync::Semaphore::new(0),
            asked: Mutex::default(),
        });
        let tokens = Arc::new(Tokens::new(source.clone()));
        Waiting { issuer, source, tokens }
    }

    fn come(
        &self,
        id: &str,
        now: i64,
    ) -> impl Future<Output = Result<(), JwtError>> + Send + use<> {
        let entrance = VirtualProxyId(uuid::Uuid::nil());
        let settings = JwtSettings { key: "https://issuer.example/keys".into(), ..settings() };
        let token = self.issuer.token(json!({ "alg": "ES256", "kid": id }), &claims(json!({})));
        let tokens = Arc::clone(&self.tokens);
        async move {
            tokens.prepare(entrance, &settings, &token, Moment(now)).await;
            tokens.verify(entrance, &settings, &token, Moment(NOW as i64 * 1_000)).map(drop)
        }
    }

    /// Comes, and goes away before there is an answer.
    async fn abort(&self, id: &str, now: i64) {
        tokio::select! {
            biased;
            outcome = self.come(id, now) => panic!("answered at once: {outcome:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
}

#[tokio::test]
async fn keys_arrive_though_whoever_made_us_ask_went_away() {
    let waiting = Waiting::new();
    waiting.abort("1", 0).await;
    waiting.source.may_answer.add_permits(1);
    assert_eq!(waiting.come("1", 1).await, Ok(()));
    // The same for a key that is unknown so far: known ones stay good, and one question is asked.
    for number in 0..50 {
        waiting.abort(&format!("made up {number}"), PAUSE_MILLIS).await;
        assert_eq!(waiting.come("1", PAUSE_MILLIS).await, Ok(()));
    }
    assert_eq!(*waiting.source.asked.lock(), 2);
    waiting.source.may_answer.add_permits(1);
    assert_eq!(waiting.come("made up", PAUSE_MILLIS).await, Err(JwtError::UnknownKey));
    assert_eq!(waiting.come("made up", PAUSE_MILLIS + 1).await, Err(JwtError::UnknownKey));
    assert_eq!(*waiting.source.asked.lock(), 2);
}

#[tokio::test]
async fn a_bounded_number_waits_for_keys() {
    let waiting = Waiting::new();
    let came: Vec<_> = (0..MOST_WAITING + 40).map(|_| tokio::spawn(waiting.come("1", 0))).collect();
    while came.iter().filter(|one| one.is_finished()).count() < 40 {
        tokio::task::yield_now().await;
    }
    waiting.source.may_answer.add_permits(1);
    let mut outcomes = Vec::new();
    for one in came {
        outcomes.push(one.await.unwrap());
    }
    let count = |outcome| outcomes.iter().filter(|&one| *one == outcome).count();
    assert_eq!(count(Ok(())), MOST_WAITING);
    assert_eq!(count(Err(JwtError::NoKeysYet)), 40);
    // The places are free again.
    let again: Vec<_> =
        (0..MOST_WAITING).map(|_| tokio::spawn(waiting.come("2", PAUSE_MILLIS))).collect();
    waiting.source.may_answer.add_permits(1);
    for one in again {
        assert_eq!(one.await.unwrap(), Err(JwtError::UnknownKey));
    }
    assert_eq!(*waiting.source.asked.lock(), 2);
}

#[tokio::test]
async fn keys_that_an_issuer_has_not_confirmed_for_a_day_are_no_longer_believed() {
    let issuer = Issuer::ec();
    let source = Arc::new(Rotating::default());
    let set = || Ok(json!({ "keys": [issuer.jwk("1")] }).to_string());
    source.sets.lock().push(set());
    let tokens = Tokens::new(source.clone());
    let entrance = VirtualProxyId(uuid::Uuid::nil());
    let settings = JwtSettings { key: "https://issuer.example/keys".into(), ..settings() };
    let token = issuer.token(json!({ "alg": "ES256", "kid": "1" }), &claims(json!({})));
    let come = async |now: i64| {
        tokens.prepare(entrance, &settings, &token, Moment(now)).await;
        tokens.verify(entrance, &settings, &token, Moment(NOW as i64 * 1_000)).map(drop)
    };
    assert_eq!(come(0).await, Ok(()));
    assert_eq!(come(OLDEST_MILLIS - 1).await, Ok(()), "the issuer is away for a while");
    assert_eq!(come(OLDEST_MILLIS).await, Err(JwtError::NoKeysYet));
    source.sets.lock().push(set());
    assert_eq!(come(OLDEST_MILLIS + FIRST_PAUSE_MILLIS).await, Ok(()));
}
