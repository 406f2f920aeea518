//! Is an ID token what it says? A function of token, keys, expectations and time.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation};
use loggia_model::Moment;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha384, Sha512};
use thiserror::Error;

use crate::secret::{base64_url, same_text};

/// What the token must say.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client: &'a str,
    pub nonce: &'a str,
    pub access_token: Option<&'a str>,
    pub algorithms: &'a [Algorithm],
    /// The wall clock's time.
    pub now: Moment,
}

/// Why it is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    #[error("it is no token")]
    Malformed,
    #[error("it is signed with {0}, which is not taken here")]
    Algorithm(String),
    #[error("no key of the provider fits it")]
    NoKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("its claim {0} is missing or wrong")]
    Claim(&'static str),
}

/// Seconds by which clocks may differ.
const LEEWAY: i64 = 60;
/// Longest token that is looked at, in bytes.
const LONGEST: usize = 64 * 1024;

/// The header, when it names an algorithm that is taken.
pub fn header(token: &str, expected: &Expected<'_>) -> Result<Header, TokenError> {
    if token.len() > LONGEST {
        return Err(TokenError::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    if !expected.algorithms.contains(&header.alg) || header.alg.family() == AlgorithmFamily::Hmac {
        return Err(TokenError::Algorithm(format!("{:?}", header.alg)));
    }
    Ok(header)
}

/// The claims of a token that a key of the provider signed for this client and this sign-in.
pub fn verify(
    token: &str,
    header: &Header,
    keys: &[Jwk],
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, TokenError> {
    let claims = verify_signature(token, header, keys)?;
    let number = |name: &str| claims.get(name).and_then(Value::as_f64);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(TokenError::Claim("iss"));
    }
    check_audience(&claims, expected.client)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a double")]
    let (now, leeway) = (expected.now.0.div_euclid(1_000) as f64, LEEWAY as f64);
    if !number("exp").is_some_and(|exp| now < exp + leeway) {
        return Err(TokenError::Claim("exp"));
    }
    if !number("iat").is_some_and(|iat| iat <= now + leeway) {
        return Err(TokenError::Claim("iat"));
    }
    if claims.contains_key("nbf") && !number("nbf").is_some_and(|nbf| nbf <= now + leeway) {
        return Err(TokenError::Claim("nbf"));
    }
    if !text("nonce").is_some_and(|nonce| same_text(nonce, expected.nonce)) {
        return Err(TokenError::Claim("nonce"));
    }
    if text("sub").is_none_or(str::is_empty) {
        return Err(TokenError::Claim("sub"));
    }
    if claims.contains_key("at_hash") {
        let is_right = expected.access_token.is_some_and(|access_token| {
            text("at_hash") == Some(half_hash(header.alg, access_token).as_str())
        });
        if !is_right {
            return Err(TokenError::Claim("at_hash"));
        }
    }
    Ok(claims)
}

fn verify_signature(
    token: &str,
    header: &Header,
    keys: &[Jwk],
) -> Result<Map<String, Value>, TokenError> {
    let fitting: Vec<&Jwk> = keys
        .iter()
        .filter(|key| fits(key, header.alg))
        .filter(|key| header.kid.is_none() || key.common.key_id == header.kid)
        .collect();
    if fitting.is_empty() {
        return Err(TokenError::NoKey);
    }
    // Times and names are checked with the server's own clock; the library has only the system's.
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    // A token without a key's name is tried with each key; there are a handful.
    for key in fitting {
        let Ok(key) = DecodingKey::from_jwk(key) else { continue };
        if let Ok(found) = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation) {
            return Ok(found.claims);
        }
    }
    Err(TokenError::Signature)
}

/// Whether the key is for signing, and of the algorithm's own kind.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_for_signing =
        key.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    let is_named =
        key.common.key_algorithm.is_none_or(|named| named.to_string() == format!("{algorithm:?}"));
    let is_of_kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), _) => algorithm.family() == AlgorithmFamily::Rsa,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => {
            key.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES384) => {
            key.curve == EllipticCurve::P384
        }
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => {
            key.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    is_for_signing && is_named && is_of_kind
}

fn check_audience(claims: &Map<String, Value>, client: &str) -> Result<(), TokenError> {
    let (is_for_us, is_for_others) = match claims.get("aud") {
        Some(Value::String(one)) => (one == client, false),
        Some(Value::Array(several)) => {
            let is_us = |value: &Value| value.as_str() == Some(client);
            (several.iter().any(is_us), !several.iter().all(is_us))
        }
        _ => (false, false),
    };
    if !is_for_us {
        return Err(TokenError::Claim("aud"));
    }
    // A token for several says for whom it was made.
    match claims.get("azp") {
        Some(party) if party.as_str() != Some(client) => Err(TokenError::Claim("azp")),
        None if is_for_others => Err(TokenError::Claim("azp")),
        _ => Ok(()),
    }
}

/// Half of the access token's hash, by the hash of the signature.
fn half_hash(algorithm: Algorithm, access_token: &str) -> String {
    let bytes = access_token.as_bytes();
    let hash = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => Sha384::digest(bytes).to_vec(),
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => Sha512::digest(bytes).to_vec(),
        _ => Sha256::digest(bytes).to_vec(),
    };
    base64_url(hash.get(..hash.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    };
    use jsonwebtoken::EncodingKey;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    struct Signer {
        key: EncodingKey,
        jwk: Jwk,
        algorithm: Algorithm,
    }

    fn signer(algorithm: Algorithm, name: &str) -> Signer {
        let curve = match algorithm {
            Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
        };
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
        let key = EncodingKey::from_ec_der(pkcs8.as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
        jwk.common.key_id = Some(name.to_owned());
        Signer { key, jwk, algorithm }
    }

    impl Signer {
        fn sign(&self, claims: &Value) -> String {
            let mut header = Header::new(self.algorithm);
            header.kid = self.jwk.common.key_id.clone();
            jsonwebtoken::encode(&header, claims, &self.key).unwrap()
        }
    }

    fn expected() -> Expected<'static> {
        Expected {
            issuer: "https://idp.example",
            client: "loggia",
            nonce: "n0nce",
            access_token: Some("access"),
            algorithms: &[Algorithm::ES256, Algorithm::ES384],
            now: Moment(NOW * 1_000),
        }
    }

    fn good() -> Value {
        json!({
            "iss": "https://idp.example",
            "aud": "loggia",
            "exp": NOW + 300,
            "iat": NOW,
            "nonce": "n0nce",
            "sub": "ana",
            "at_hash": half_hash(Algorithm::ES256, "access"),
        })
    }

    fn judge(token: &str, keys: &[Jwk]) -> Result<Map<String, Value>, TokenError> {
        let expected = expected();
        let header = header(token, &expected)?;
        verify(token, &header, keys, &expected)
    }

    #[test]
    fn every_claim_is_checked() {
        let signer = signer(Algorithm::ES256, "k");
        let keys = [signer.jwk.clone()];
        let with = |name: &str, value: Value| {
            let mut claims = good();
            let members = claims.as_object_mut().unwrap();
            match value {
                Value::Null => members.remove(name),
                value => members.insert(name.to_owned(), value),
            };
            judge(&signer.sign(&claims), &keys)
        };
        for (name, value) in [
            ("sub", json!("ana")),
            ("aud", json!(["loggia"])),
            ("azp", json!("loggia")),
            ("exp", json!(NOW - 59)),
            ("iat", json!(NOW + 60)),
            ("nbf", json!(NOW + 60)),
            ("at_hash", Value::Null),
        ] {
            assert!(with(name, value.clone()).is_ok(), "{name}: {value}");
        }
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("iss", json!("https://idp.example/")),
            ("iss", Value::Null),
            ("aud", json!("other")),
            ("aud", json!(["other"])),
            ("aud", json!([])),
            ("aud", json!({ "loggia": true })),
            ("aud", Value::Null),
            ("azp", json!("other")),
            ("azp", json!(1)),
            ("exp", json!(NOW - 60)),
            ("exp", json!("tomorrow")),
            ("exp", Value::Null),
            ("iat", json!(NOW + 61)),
            ("iat", Value::Null),
            ("nbf", json!(NOW + 61)),
            ("nbf", json!("now")),
            ("nonce", json!("other")),
            ("nonce", json!("")),
            ("nonce", Value::Null),
            ("sub", json!("")),
            ("sub", json!(7)),
            ("sub", Value::Null),
            ("at_hash", json!("AAAA")),
            ("at_hash", json!(1)),
        ] {
            assert_eq!(with(name, value.clone()), Err(TokenError::Claim(name)), "{name}: {value}");
        }
        assert_eq!(with("aud", json!(["loggia", "other"])), Err(TokenError::Claim("azp")));
    }

    #[test]
    fn only_the_providers_own_keys_count() {
        let (ours, theirs, large) = (
            signer(Algorithm::ES256, "k"),
            signer(Algorithm::ES256, "k"),
            signer(Algorithm::ES384, "k"),
        );
        let token = ours.sign(&good());
        let judge = |token: &str, keys: &[&Jwk]| {
            let keys: Vec<Jwk> = keys.iter().map(|key| (*key).clone()).collect();
            judge(token, &keys).map(|_| ())
        };
        assert_eq!(judge(&token, &[&large.jwk, &theirs.jwk, &ours.jwk]), Ok(()));
        assert_eq!(judge(&token, &[&theirs.jwk]), Err(TokenError::Signature));
        assert_eq!(judge(&token, &[&large.jwk]), Err(TokenError::NoKey));
        assert_eq!(judge(&token, &[]), Err(TokenError::NoKey));
        let mut other = ours.jwk.clone();
        other.common.key_id = Some("other".into());
        assert_eq!(judge(&token, &[&other]), Err(TokenError::NoKey));
        let mut encrypting = ours.jwk.clone();
        encrypting.common.public_key_use = Some(PublicKeyUse::Encryption);
        assert_eq!(judge(&token, &[&encrypting]), Err(TokenError::NoKey));

        // A signature made with what everybody knows: the public key as a shared secret.
        let public = serde_json::to_vec(&ours.jwk).unwrap();
        let forged = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &good(),
            &EncodingKey::from_secret(&public),
        )
        .unwrap();
        assert!(matches!(judge(&forged, &[&ours.jwk]), Err(TokenError::Algorithm(_))));
        let (head, rest) = token.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let none = base64_url(br#"{"alg":"none"}"#);
        let altered = base64_url(good().to_string().replace("ana", "eve").as_bytes());
        for (what, token) in [
            ("alg none", format!("{none}.{claims}.")),
            ("no signature", format!("{head}.{claims}.")),
            ("no claims", format!("{head}..{signature}")),
            ("other claims", format!("{head}.{altered}.{signature}")),
            ("two parts", format!("{head}.{claims}")),
            ("four parts", format!("{token}.{signature}")),
            ("nothing", String::new()),
            ("very long", "a".repeat(LONGEST + 1)),
        ] {
            assert!(judge(&token, &[&ours.jwk]).is_err(), "{what}");
        }
    }
}
