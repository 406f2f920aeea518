//! What a provider says about itself, and the keys it signs with: fetched, checked, kept a while.

use std::sync::Arc;

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::Jwk;
use loggia_model::Moment;
use serde_json::Value;

use crate::oidc::{OidcError, garbage, short};
use crate::outside::{Credentials, Outside};

/// An identity provider, as its discovery document describes it.
#[derive(Debug)]
pub struct Provider {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    pub userinfo_endpoint: Option<String>,
    pub end_session_endpoint: Option<String>,
    /// What it signs ID tokens with, of what is safe.
    pub algorithms: Vec<Algorithm>,
    /// It says who it is in every answer (RFC 9207).
    pub names_itself: bool,
    token_methods: Vec<String>,
    prompts: Vec<String>,
    keys: tokio::sync::Mutex<Option<Keys>>,
}

/// The place of one configuration address. Whoever asks for it waits for whoever asks already.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<(Arc<Provider>, Moment)>,
    failed: Option<(OidcError, Moment)>,
}

#[derive(Debug)]
struct Keys {
    keys: Arc<Vec<Jwk>>,
    fetched: Moment,
}

const FRESH_MILLIS: i64 = 3_600_000;
/// What is older is not used any more, even when nothing newer can be had.
const USABLE_MILLIS: i64 = 24 * 3_600_000;
/// How long a failure answers for the next ones, so that a dead provider is not asked by each.
const FAILURE_MILLIS: i64 = 5_000;
/// A key that is not known makes the keys be fetched again, but no oftener than this: strangers
/// cannot cause it, but a confused provider could.
const KEYS_AGAIN_MILLIS: i64 = 30_000;

const SUFFIX: &str = "/.well-known/openid-configuration";

/// What tokens may be signed with: what only the holder of a private key can do.
const SAFE: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

impl Entry {
    pub(crate) async fn provider(
        &self,
        outside: &Outside,
        uri: &str,
        now: Moment,
    ) -> Result<Arc<Provider>, OidcError> {
        let mut state = self.state.lock().await;
        let age = |since: Moment| now.millis_since(since);
        if let Some((known, fetched)) = &state.known
            && age(*fetched) < FRESH_MILLIS
        {
            return Ok(Arc::clone(known));
        }
        let failed = match &state.failed {
            Some((error, at)) if age(*at) < FAILURE_MILLIS => error.clone(),
            _ => match fetch(outside, uri).await {
                Ok(provider) => {
                    let provider = Arc::new(provider);
                    *state = State { known: Some((Arc::clone(&provider), now)), failed: None };
                    return Ok(provider);
                }
                Err(error) => {
                    state.failed = Some((error.clone(), now));
                    error
                }
            },
        };
        match &state.known {
            Some((known, fetched)) if age(*fetched) < USABLE_MILLIS => {
                tracing::warn!(error = %failed, "going on with what the provider said before");
                Ok(Arc::clone(known))
            }
            _ => Err(failed),
        }
    }
}

async fn fetch(outside: &Outside, uri: &str) -> Result<Provider, OidcError> {
    const WHAT: &str = "the discovery document";
    if uri.is_empty() {
        return Err(OidcError::Settings("there is no configuration address".to_owned()));
    }
    let answer = outside.get(uri, Credentials::None).await?;
    if answer.status != 200 {
        return Err(garbage(WHAT, &format!("its status is {}", answer.status)));
    }
    let document: Value =
        serde_json::from_slice(&answer.body).map_err(|_| garbage(WHAT, "it is no JSON"))?;
    let provider = Provider::read(uri, &document)?;
    for endpoint in provider.endpoints() {
        outside.check(endpoint)?;
    }
    Ok(provider)
}

impl Provider {
    /// Reads the discovery document that was fetched from `uri`.
    pub fn read(uri: &str, document: &Value) -> Result<Provider, OidcError> {
        const WHAT: &str = "the discovery document";
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let needed =
            |name: &str| text(name).ok_or_else(|| garbage(WHAT, &format!("it has no {name}")));
        let list = |name: &str| -> Option<Vec<String>> {
            let list = document.get(name)?.as_array()?;
            Some(list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
        };
        let issuer = needed("issuer")?;
        let Some(expected) = uri.strip_suffix(SUFFIX) else {
            let text = format!("the configuration address must end in {SUFFIX}");
            return Err(OidcError::Settings(text));
        };
        // The address is made from the issuer by taking off a slash at its end.
        if issuer.strip_suffix('/').unwrap_or(&issuer) != expected {
            let expected = expected.to_owned();
            return Err(OidcError::Issuer { expected, found: short(&issuer) });
        }
        if let Some(methods) = list("code_challenge_methods_supported")
            && !methods.iter().any(|method| method == "S256")
        {
            return Err(garbage(WHAT, "the provider takes no PKCE with S256"));
        }
        let algorithms = match list("id_token_signing_alg_values_supported") {
            Some(named) => {
                let named: Vec<Algorithm> =
                    named.iter().filter_map(|name| name.parse().ok()).collect();
                SAFE.into_iter().filter(|safe| named.contains(safe)).collect()
            }
            None => vec![Algorithm::RS256],
        };
        if algorithms.is_empty() {
            return Err(garbage(WHAT, "the provider signs with nothing that is taken here"));
        }
        Ok(Provider {
            issuer,
            authorization_endpoint: needed("authorization_endpoint")?,
            token_endpoint: needed("token_endpoint")?,
            jwks_uri: needed("jwks_uri")?,
            userinfo_endpoint: text("userinfo_endpoint"),
            end_session_endpoint: text("end_session_endpoint"),
            algorithms,
            names_itself: document
                .get("authorization_response_iss_parameter_supported")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            token_methods: list("token_endpoint_auth_methods_supported")
                .unwrap_or_else(|| vec!["client_secret_basic".to_owned()]),
            prompts: list("prompt_values_supported").unwrap_or_default(),
            keys: tokio::sync::Mutex::default(),
        })
    }

    fn endpoints(&self) -> impl Iterator<Item = &str> {
        [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri]
            .into_iter()
            .chain(&self.userinfo_endpoint)
            .chain(&self.end_session_endpoint)
            .map(String::as_str)
    }

    pub(crate) fn takes_basic(&self) -> bool {
        let takes = |name: &str| self.token_methods.iter().any(|method| method == name);
        takes("client_secret_basic") || !takes("client_secret_post")
    }

    pub(crate) fn prompt_for_another(&self) -> &'static str {
        let can_choose = self.prompts.iter().any(|prompt| prompt == "select_account");
        if can_choose { "select_account" } else { "login" }
    }

    /// The keys, fetched again when they are old or lack the one that is wanted.
    pub(crate) async fn keys(
        &self,
        outside: &Outside,
        wanted: Option<&str>,
        now: Moment,
    ) -> Result<Arc<Vec<Jwk>>, OidcError> {
        const WHAT: &str = "the key set";
        let mut kept = self.keys.lock().await;
        if let Some(kept) = &*kept {
            let age = now.millis_since(kept.fetched);
            let has_wanted = wanted.is_none_or(|wanted| {
                kept.keys.iter().any(|key| key.common.key_id.as_deref() == Some(wanted))
            });
            let limit = if has_wanted { FRESH_MILLIS } else { KEYS_AGAIN_MILLIS };
            if age < limit {
                return Ok(Arc::clone(&kept.keys));
            }
        }
        let answer = outside.get(&self.jwks_uri, Credentials::None).await?;
        let document: Value =
            serde_json::from_slice(&answer.body).map_err(|_| garbage(WHAT, "it is no JSON"))?;
        let keys = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or_else(|| garbage(WHAT, "it has no keys"))?;
        // One key of an unknown kind does not spoil the others.
        let keys: Vec<Jwk> = keys
            .iter()
            .take(100)
            .filter_map(|key| serde_json::from_value(key.clone()).ok())
            .collect();
        let keys = Arc::new(keys);
        *kept = Some(Keys { keys: Arc::clone(&keys), fetched: now });
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_that_weakens_the_flow_is_refused() {
        let uri = "https://idp.example/realm/.well-known/openid-configuration";
        let good = json!({
            "issuer": "https://idp.example/realm",
            "authorization_endpoint": "https://idp.example/auth",
            "token_endpoint": "https://idp.example/token",
            "jwks_uri": "https://idp.example/keys",
            "code_challenge_methods_supported": ["plain", "S256"],
            "id_token_signing_alg_values_supported": ["none", "HS256", "ES256", "RS256"],
        });
        let read = |name: &str, value: Value| {
            let mut document = good.clone();
            document.as_object_mut().unwrap().insert(name.to_owned(), value);
            Provider::read(uri, &document)
        };
        let provider = read("issuer", json!("https://idp.example/realm/")).unwrap();
        assert_eq!(provider.algorithms, [Algorithm::RS256, Algorithm::ES256]);
        for (name, value) in [
            ("issuer", json!("https://idp.example")),
            ("issuer", json!("https://idp.example/realm2")),
            ("issuer", json!("http://idp.example/realm")),
            ("issuer", json!("https://idp.example/realm//")),
            ("issuer", Value::Null),
            ("token_endpoint", Value::Null),
            ("jwks_uri", json!(1)),
            ("code_challenge_methods_supported", json!(["plain"])),
            ("id_token_signing_alg_values_supported", json!(["none", "HS256"])),
        ] {
            assert!(read(name, value.clone()).is_err(), "{name}: {value}");
        }
        assert!(Provider::read("https://idp.example/realm", &good).is_err());
    }
}
