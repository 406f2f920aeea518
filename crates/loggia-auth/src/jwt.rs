//! Bearer tokens: who does a signed token say that its bearer is, and is that to be believed?
//!
//! The entrance's setting says which keys are good, and each key which family of algorithms it is
//! for. The token's own header chooses among them and decides nothing else: addresses and keys in
//! it are not looked at.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation};
use loggia_model::entity::{AttributeMapping, JwtSettings};
use loggia_model::{Moment, UserKey, UserKeyError, VirtualProxyId};
use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::ParsedCertificate;
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tracing::{info, warn};

use crate::scheme::Person;

/// The keys by which an entrance knows its tokens.
#[derive(Clone, Debug)]
pub struct JwtKeys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    key: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// Why a text holds no keys. The messages are for the log and for whoever edits the entrance.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    #[error("there is no key")]
    Empty,
    #[error("a private key has no place here: give the public one")]
    Private,
    #[error("the key is no PEM certificate or public key of RSA, P-256, P-384 or Ed25519")]
    Pem,
    #[error("the JWK set cannot be read: {0}")]
    Set(String),
    #[error("no key of the JWK set is for verifying signatures")]
    NothingToVerifyWith,
    #[error("the shared secret must be base64 of 32 bytes or more")]
    Secret,
    #[error("{0:?} is no algorithm of tokens")]
    Algorithm(String),
    #[error("the algorithms are of several families, or of another family than the key")]
    Family,
}

/// Why a token is not believed. The messages are for the log; whoever sent it is not told which.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JwtError {
    #[error("the entrance's keys cannot be used: {0}")]
    Keys(#[from] KeyError),
    #[error("the entrance's keys have not been fetched yet")]
    NoKeysYet,
    #[error("the token is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("the token is not of three parts that can be read, or names an unknown algorithm")]
    Malformed,
    #[error("the token is of another type than JWT")]
    Type,
    #[error("the token demands extensions that are not understood")]
    Critical,
    #[error("no key has the token's id")]
    UnknownKey,
    #[error("the token's algorithm is not one of its key's")]
    Algorithm,
    #[error("the signature is wrong")]
    Signature,
    #[error("claim {0} is missing")]
    Missing(String),
    #[error("claim {0} is not of the form it must have")]
    Form(String),
    #[error("the token has expired")]
    Expired,
    #[error("the token is not good yet")]
    Early,
    #[error("the token is meant for somebody else")]
    Audience,
    #[error("the token is by somebody else")]
    Issuer,
    #[error(transparent)]
    Person(#[from] UserKeyError),
    #[error("the token says too much")]
    TooMuch,
}

/// Longest token, in bytes.
const MAX_LENGTH: usize = 16 * 1_024;
/// How far the clocks of issuer and server may differ at most, whatever is set.
const MAX_LEEWAY: u32 = 300;
/// The end of the year 9999: no date of a token lies behind it.
const LATEST: u64 = 253_402_300_799;
const MOST_ATTRIBUTES: usize = 500;
const MAX_ATTRIBUTE: usize = 2_048;

impl JwtKeys {
    /// Reads a key as the entrance's setting has it, except for addresses of sets. `algorithms`
    /// narrows what the key's family takes.
    pub fn parse(text: &str, algorithms: &[String]) -> Result<JwtKeys, KeyError> {
        let text = text.trim();
        let keys = if text.is_empty() {
            return Err(KeyError::Empty);
        } else if let Some(secret) = text.strip_prefix("secret:") {
            vec![Key::of_secret(secret)?]
        } else if text.starts_with('{') || text.starts_with('[') {
            return JwtKeys::parse_set(text, algorithms);
        } else {
            vec![Key::of_pem(text)?]
        };
        JwtKeys(keys).narrowed(algorithms)
    }

    /// Reads a JWK set, or one JWK. Shared secrets in it are left out: a set is something public.
    pub fn parse_set(text: &str, algorithms: &[String]) -> Result<JwtKeys, KeyError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| KeyError::Set(error.to_string()))?;
        let list = match value.get("keys") {
            Some(Value::Array(list)) => list.clone(),
            Some(_) => return Err(KeyError::Set("keys is no list".to_owned())),
            None => vec![value],
        };
        // One key of a kind that we do not know must not shut the others out.
        let keys: Vec<Key> = list
            .into_iter()
            .filter_map(|entry| serde_json::from_value::<Jwk>(entry).ok())
            .filter_map(|jwk| Key::of_jwk(&jwk))
            .collect();
        if keys.is_empty() {
            return Err(KeyError::NothingToVerifyWith);
        }
        JwtKeys(keys).narrowed(algorithms)
    }

    fn narrowed(self, algorithms: &[String]) -> Result<JwtKeys, KeyError> {
        if algorithms.is_empty() {
            return Ok(self);
        }
        let mut wanted = Vec::new();
        for name in algorithms {
            let algorithm =
                name.trim().parse::<Algorithm>().map_err(|_| KeyError::Algorithm(name.clone()))?;
            wanted.push(algorithm);
        }
        let family = wanted.first().map(|algorithm| algorithm.family());
        if wanted.iter().any(|algorithm| Some(algorithm.family()) != family) {
            return Err(KeyError::Family);
        }
        let mut keys = self.0;
        for key in &mut keys {
            key.algorithms.retain(|algorithm| wanted.contains(algorithm));
        }
        keys.retain(|key| !key.algorithms.is_empty());
        if keys.is_empty() { Err(KeyError::Family) } else { Ok(JwtKeys(keys)) }
    }

    /// The key for a token of this header. A set is asked by id; a key alone needs none.
    fn find(&self, header: &Header) -> Option<&Key> {
        match (self.0.as_slice(), &header.kid) {
            ([only], None) => Some(only),
            ([only], Some(_)) if only.id.is_none() => Some(only),
            (keys, Some(id)) => keys
                .iter()
                .find(|key| key.id.as_deref() == Some(id) && key.algorithms.contains(&header.alg)),
            _ => None,
        }
    }

    fn has(&self, id: Option<&str>) -> bool {
        match id {
            Some(id) => self.0.iter().any(|key| key.id.as_deref() == Some(id)),
            None => true,
        }
    }

    /// Whom the token is about, if everything about it is as the entrance wants it.
    pub fn verify(
        &self,
        token: &str,
        settings: &JwtSettings,
        wall: Moment,
    ) -> Result<Person, JwtError> {
        if token.len() > MAX_LENGTH {
            return Err(JwtError::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| JwtError::Malformed)?;
        let is_jwt = |typ: &String| {
            let typ = typ.strip_prefix("application/").unwrap_or(typ);
            typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt")
        };
        if !header.typ.as_ref().is_none_or(is_jwt) {
            return Err(JwtError::Type);
        }
        if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
            return Err(JwtError::Critical);
        }
        let key = self.find(&header).ok_or(JwtError::UnknownKey)?;
        if !key.algorithms.contains(&header.alg) {
            return Err(JwtError::Algorithm);
        }
        // Only the signature is checked there: times come from a clock of ours, and the claims
        // are read once, so that nothing is checked in one place and used from another.
        let mut validation = Validation::new(header.alg);
        validation.algorithms.clone_from(&key.algorithms);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &validation)
            .map_err(|_| JwtError::Signature)?
            .claims;
        check_times(&claims, settings.leeway_seconds, wall)?;
        if !settings.issuer.is_empty() && text(&claims, "iss")? != settings.issuer {
            return Err(JwtError::Issuer);
        }
        if !settings.audience.is_empty() {
            check_audience(&claims, &settings.audience)?;
        }
        person(&claims, settings)
    }
}

fn check_times(
    claims: &Map<String, Value>,
    leeway_seconds: u32,
    wall: Moment,
) -> Result<(), JwtError> {
    let leeway = u64::from(leeway_seconds.min(MAX_LEEWAY));
    let now = u64::try_from(wall.0.div_euclid(1_000)).unwrap_or(0);
    let expires = date(claims, "exp")?.ok_or_else(|| JwtError::Missing("exp".to_owned()))?;
    if expires.saturating_add(leeway) <= now {
        return Err(JwtError::Expired);
    }
    for name in ["nbf", "iat"] {
        if date(claims, name)?.is_some_and(|date| date > now.saturating_add(leeway)) {
            return Err(JwtError::Early);
        }
    }
    Ok(())
}

/// A whole number of seconds. Fractions are allowed by the standard and used by nobody; a value
/// that two readers round differently is not worth having.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, JwtError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .filter(|&seconds| seconds > 0 && seconds <= LATEST)
            .map(Some)
            .ok_or_else(|| JwtError::Form(name.to_owned())),
    }
}

fn check_audience(claims: &Map<String, Value>, wanted: &str) -> Result<(), JwtError> {
    let is_meant = match claims.get("aud") {
        None => return Err(JwtError::Missing("aud".to_owned())),
        Some(Value::String(audience)) => audience == wanted,
        Some(Value::Array(list)) => {
            if !list.iter().all(Value::is_string) {
                return Err(JwtError::Form("aud".to_owned()));
            }
            list.iter().any(|audience| audience == wanted)
        }
        Some(_) => return Err(JwtError::Form("aud".to_owned())),
    };
    if is_meant { Ok(()) } else { Err(JwtError::Audience) }
}

fn person(claims: &Map<String, Value>, settings: &JwtSettings) -> Result<Person, JwtError> {
    let or_usual = |name: &str, usual: &'static str| match name.trim() {
        "" => usual.to_owned(),
        name => name.to_owned(),
    };
    let id = text(claims, &or_usual(&settings.user_id, "userId"))?.to_owned();
    let directory = or_usual(&settings.user_directory, "userDirectory");
    let directory = match directory.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(constant) => constant.to_owned(),
        None => text(claims, &directory)?.to_owned(),
    };
    let key = UserKey::from_outside(&directory, &id)?;
    let name = claims.get("name").and_then(Value::as_str).unwrap_or_default();
    let name = name.chars().take(256).collect();
    let attributes = mapped(claims, &settings.attributes)?;
    Ok(Person { id: None, key, name, attributes })
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<&'c str, JwtError> {
    match claims.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(Value::Null) | None => Err(JwtError::Missing(name.to_owned())),
        Some(_) => Err(JwtError::Form(name.to_owned())),
    }
}

/// The session attributes that the entrance makes of claims. A list becomes several of one name.
fn mapped(
    claims: &Map<String, Value>,
    mappings: &[AttributeMapping],
) -> Result<Vec<(String, String)>, JwtError> {
    let mut attributes = Vec::new();
    for mapping in mappings {
        let before = attributes.len();
        match claims.get(&mapping.from) {
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(Value::Array(list)) => {
                let values = list.iter().filter_map(plain);
                attributes.extend(values.map(|value| (mapping.to.clone(), value)));
            }
            Some(value) => {
                attributes.extend(plain(value).map(|value| (mapping.to.clone(), value)));
            }
        }
        if mapping.is_mandatory && attributes.len() == before {
            return Err(JwtError::Missing(mapping.from.clone()));
        }
    }
    let is_long = attributes.iter().any(|(_, value)| value.len() > MAX_ATTRIBUTE);
    if is_long || attributes.len() > MOST_ATTRIBUTES {
        return Err(JwtError::TooMuch);
    }
    Ok(attributes)
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Key {
    fn of_secret(text: &str) -> Result<Key, KeyError> {
        let secret = STANDARD.decode(text.trim()).map_err(|_| KeyError::Secret)?;
        if secret.len() < 32 {
            return Err(KeyError::Secret);
        }
        Ok(Key::new(None, DecodingKey::from_secret(&secret)))
    }

    fn of_pem(text: &str) -> Result<Key, KeyError> {
        if text.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        let text = match CertificateDer::from_pem_slice(text.as_bytes()) {
            Ok(certificate) => {
                let parsed =
                    ParsedCertificate::try_from(&certificate).map_err(|_| KeyError::Pem)?;
                let public = STANDARD.encode(parsed.subject_public_key_info());
                format!("-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----\n")
            }
            Err(_) => text.to_owned(),
        };
        let pem = text.as_bytes();
        DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem))
            .map(|key| Key::new(None, key))
            .map_err(|_| KeyError::Pem)
    }

    fn of_jwk(jwk: &Jwk) -> Option<Key> {
        let is_for_signatures =
            matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let is_public = !matches!(
            jwk.algorithm,
            AlgorithmParameters::OctetKey(_) | AlgorithmParameters::Other(_)
        );
        if !is_for_signatures || !is_public {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let mut made = Key::new(jwk.common.key_id.clone(), key);
        if let Some(named) = jwk.common.key_algorithm {
            let named = algorithm(named)?;
            made.algorithms.retain(|&algorithm| algorithm == named);
        }
        (!made.algorithms.is_empty()).then_some(made)
    }

    fn new(id: Option<String>, key: DecodingKey) -> Key {
        let family: AlgorithmFamily = key.family();
        Key { id, key, algorithms: family.algorithms().to_vec() }
    }
}

fn algorithm(named: KeyAlgorithm) -> Option<Algorithm> {
    serde_json::to_value(named).ok().and_then(|name| name.as_str()?.parse().ok())
}

/// Fetches what an address outside holds: a JWK set.
pub trait KeySource: Send + Sync {
    fn fetch<'a>(
        &'a self,
        address: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;
}

/// The keys of all entrances, read once and fetched anew now and then.
pub struct Tokens {
    source: Arc<dyn KeySource>,
    known: Arc<Mutex<HashMap<VirtualProxyId, Known>>>,
    /// Places for requests that wait for keys.
    places: Semaphore,
}

struct Known {
    /// The settings that the keys were read from.
    text: String,
    algorithms: Vec<String>,
    keys: Result<Arc<JwtKeys>, JwtError>,
    /// When they were last asked for, whatever came of it.
    asked: Option<Moment>,
    fetched: Option<Moment>,
    /// Held while they are fetched.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

/// A set that is older is fetched anew, while the old one goes on being used.
const FRESH_MILLIS: i64 = 60 * 60_000;
/// A token with an unknown key makes us ask again, but no more often than this, whoever sends it.
const PAUSE_MILLIS: i64 = 60_000;
/// The same when there is no set yet.
const FIRST_PAUSE_MILLIS: i64 = 5_000;
/// Keys that the issuer has not confirmed for so long are no longer believed.
const OLDEST_MILLIS: i64 = 24 * 60 * 60_000;
/// Requests that wait for keys at a time; others are answered at once, without.
const MOST_WAITING: usize = 64;

impl Tokens {
    #[must_use]
    pub fn new(source: Arc<dyn KeySource>) -> Tokens {
        Tokens { source, known: Arc::default(), places: Semaphore::new(MOST_WAITING) }
    }

    /// Fetches the entrance's keys if its setting is an address and this token needs them. Called
    /// before [`Self::verify`], which does not wait. Keys that are too old are forgotten here.
    pub async fn prepare(
        &self,
        entrance: VirtualProxyId,
        settings: &JwtSettings,
        token: &str,
        now: Moment,
    ) {
        let address = settings.key.trim();
        if !is_address(address) || token.len() > MAX_LENGTH {
            return;
        }
        let Ok(header) = jsonwebtoken::decode_header(token) else { return };
        let fetching = {
            let mut known = self.known.lock();
            let known = known.entry(entrance).or_insert_with(|| Known::unfetched(settings));
            if !known.is_of(settings) {
                *known = Known::unfetched(settings);
            }
            let since = |then: Option<Moment>| then.map_or(i64::MAX, |then| now.millis_since(then));
            if known.keys.is_ok() && since(known.fetched) >= OLDEST_MILLIS {
                known.keys = Err(JwtError::NoKeysYet);
            }
            let age = since(known.asked);
            let (is_missing, is_due) = match &known.keys {
                Ok(keys) if keys.has(header.kid.as_deref()) => (false, age >= FRESH_MILLIS),
                Ok(_) => (true, age >= PAUSE_MILLIS),
                Err(_) => (true, age >= FIRST_PAUSE_MILLIS),
            };
            match Arc::clone(&known.fetching).try_lock_owned() {
                Ok(turn) if is_due => self.begin_fetching(entrance, settings, now, turn),
                // Somebody else is fetching what this token needs, too.
                Err(_) if is_missing => {}
                _ => return,
            }
            Arc::clone(&known.fetching)
        };
        // Whoever finds no place is judged by the keys that are there.
        let Ok(_place) = self.places.try_acquire() else { return };
        drop(fetching.lock().await);
    }

    /// Fetches an entrance's keys in a task of its own: whoever made us ask may go away before
    /// they arrive, and would otherwise take them from everybody else. `turn` lasts until then.
    fn begin_fetching(
        &self,
        entrance: VirtualProxyId,
        settings: &JwtSettings,
        now: Moment,
        turn: OwnedMutexGuard<()>,
    ) {
        let (source, all, settings) =
            (Arc::clone(&self.source), Arc::clone(&self.known), settings.clone());
        tokio::spawn(async move {
            let _turn = turn;
            let address = settings.key.trim();
            let read = source.fetch(address).await.and_then(|text| {
                JwtKeys::parse_set(&text, &settings.algorithms).map_err(|error| error.to_string())
            });
            let mut all = all.lock();
            let Some(known) = all.get_mut(&entrance).filter(|known| known.is_of(&settings)) else {
                return;
            };
            known.asked = Some(now);
            match read {
                Ok(keys) => {
                    info!(%address, keys = keys.0.len(), "fetched the keys of an entrance's tokens");
                    known.keys = Ok(Arc::new(keys));
                    known.fetched = Some(now);
                }
                // The keys of before stay good: a provider that is away for a while locks nobody
                // out.
                Err(error) => {
                    warn!(%address, error, "cannot fetch the keys of an entrance's tokens");
                }
            }
        });
    }

    /// Whom the token lets in at this entrance.
    pub fn verify(
        &self,
        entrance: VirtualProxyId,
        settings: &JwtSettings,
        token: &str,
        wall: Moment,
    ) -> Result<Person, JwtError> {
        let keys = {
            let mut known = self.known.lock();
            let found = known.entry(entrance).or_insert_with(|| Known::read(settings));
            if !found.is_of(settings) {
                *found = Known::read(settings);
            }
            found.keys.clone()?
        };
        keys.verify(token, settings, wall)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} entrances)", self.known.lock().len())
    }
}

impl Known {
    fn read(settings: &JwtSettings) -> Known {
        if is_address(settings.key.trim()) {
            return Known::unfetched(settings);
        }
        let keys = JwtKeys::parse(&settings.key, &settings.algorithms)
            .map(Arc::new)
            .map_err(JwtError::Keys);
        Known { keys, ..Known::unfetched(settings) }
    }

    fn unfetched(settings: &JwtSettings) -> Known {
        Known {
            text: settings.key.clone(),
            algorithms: settings.algorithms.clone(),
            keys: Err(JwtError::NoKeysYet),
            asked: None,
            fetched: None,
            fetching: Arc::default(),
        }
    }

    fn is_of(&self, settings: &JwtSettings) -> bool {
        self.text == settings.key && self.algorithms == settings.algorithms
    }
}

fn is_address(key: &str) -> bool {
    ["https://", "http://", "file:"].iter().any(|scheme| key.starts_with(scheme))
}

#[cfg(test)]
mod tests;
