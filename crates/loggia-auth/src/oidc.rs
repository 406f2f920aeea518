//! Signing in by OpenID Connect: the code flow with PKCE, state and nonce.
//!
//! The caller keeps a [`Started`] while the browser is away, under the random `state` that it sent
//! along and bound to that browser. What comes back is checked against it by
//! [`OidcClients::complete`]; nothing that only the browser says is believed.
//!
//! What is left out: implicit and hybrid flow, encrypted tokens, and tokens signed with a shared
//! secret, which whoever verifies them could also make.

pub mod claims;
pub mod discovery;
pub mod token;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use loggia_model::Moment;
use loggia_model::entity::OidcSettings;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::outside::{Credentials, Outside, OutsideError};
use crate::scheme::Person;
use crate::secret::{NoRandomness, base64_url, random_bytes};

use discovery::Entry;
pub use discovery::Provider;
use token::{Expected, TokenError};

/// The identity providers that were asked before; clones share them.
#[derive(Clone, Debug)]
pub struct OidcClients {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    outside: Outside,
    known: Mutex<HashMap<String, Arc<Entry>>>,
}

/// A sign-in whose browser is at the provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Started {
    pub issuer: String,
    pub redirect_uri: String,
    nonce: String,
    verifier: String,
}

/// What the provider shall ask of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// What it finds right.
    Usual,
    /// Nothing at all.
    Nothing,
    /// Who they want to be this time.
    Anew,
}

/// What the browser brought back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Callback<'a> {
    pub code: Option<&'a str>,
    pub error: Option<&'a str>,
    pub description: Option<&'a str>,
    pub issuer: Option<&'a str>,
}

/// Two clocks: a steady one for what is kept, and the wall's for what a token says.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub steady: Moment,
    pub wall: Moment,
}

/// Somebody whom the provider vouches for.
#[derive(Clone)]
pub struct SignedIn {
    pub person: Person,
    /// For logging out at the provider.
    pub id_token: String,
}

/// Why nobody was signed in. The messages are for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OidcError {
    #[error("the entrance's settings do not do: {0}")]
    Settings(String),
    #[error("the provider cannot be asked: {0}")]
    Outside(#[from] OutsideError),
    #[error("{document} is not what it should be: {detail}")]
    Garbage { document: &'static str, detail: String },
    #[error("the answer is from {found:?} and not from {expected:?}")]
    Issuer { expected: String, found: String },
    /// Nobody is signed in there, or they would have to be asked something.
    #[error("the provider would have to ask the person: {0}")]
    WouldAsk(String),
    #[error("the provider refused: {error}: {description}")]
    Refused { error: String, description: String },
    #[error("the ID token is not accepted: {0}")]
    Token(#[from] TokenError),
    #[error("the claims do not make a person: {0}")]
    Claims(String),
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

impl OidcClients {
    #[must_use]
    pub fn new(outside: Outside) -> OidcClients {
        OidcClients { shared: Arc::new(Shared { outside, known: Mutex::default() }) }
    }

    /// What the provider says about itself at that address, asked for at most once an hour.
    pub async fn provider(
        &self,
        configuration_uri: &str,
        now: Moment,
    ) -> Result<Arc<Provider>, OidcError> {
        let entry = {
            let mut known = self.shared.known.lock();
            // Only administrators make entries; this is for the one who tries many.
            if known.len() >= 1_000 {
                known.clear();
            }
            Arc::clone(known.entry(configuration_uri.to_owned()).or_default())
        };
        entry.provider(&self.shared.outside, configuration_uri, now).await
    }

    /// Turns what the browser brought back into a person.
    pub async fn complete(
        &self,
        settings: &OidcSettings,
        started: &Started,
        callback: Callback<'_>,
        now: Times,
    ) -> Result<SignedIn, OidcError> {
        let provider = self.provider(&settings.configuration_uri, now.steady).await?;
        let code = checked_code(&provider, started, callback)?;
        let tokens = self.redeem(&provider, settings, started, code).await?;
        let claims = self.verified(&provider, settings, started, &tokens, now).await?;
        let claims = self.completed(&provider, settings, claims, &tokens).await?;
        let person = claims::person(settings, &claims).map_err(OidcError::Claims)?;
        Ok(SignedIn { person, id_token: tokens.id_token })
    }

    async fn redeem(
        &self,
        provider: &Provider,
        settings: &OidcSettings,
        started: &Started,
        code: &str,
    ) -> Result<Tokens, OidcError> {
        let mut form = Form::default();
        form.add("grant_type", "authorization_code")
            .add("code", code)
            .add("redirect_uri", &started.redirect_uri)
            .add("code_verifier", &started.verifier);
        let mut credentials = Credentials::None;
        if settings.client_secret.is_empty() {
            form.add("client_id", &settings.client_id);
        } else if provider.takes_basic() {
            // Both are form-encoded first (RFC 6749 §2.3.1).
            credentials =
                Credentials::Basic(encode(&settings.client_id), encode(&settings.client_secret));
        } else {
            form.add("client_id", &settings.client_id)
                .add("client_secret", &settings.client_secret);
        }
        let answer =
            self.shared.outside.post_form(&provider.token_endpoint, credentials, form.0).await?;
        let body: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| garbage("the token answer", "it is no JSON"))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        if answer.status != 200 {
            let (error, description) = (text("error"), text("error_description"));
            return Err(refused(error.as_deref(), description.as_deref()));
        }
        let id_token =
            text("id_token").ok_or_else(|| garbage("the token answer", "it has no id_token"))?;
        Ok(Tokens { id_token, access_token: text("access_token") })
    }

    async fn verified(
        &self,
        provider: &Provider,
        settings: &OidcSettings,
        started: &Started,
        tokens: &Tokens,
        now: Times,
    ) -> Result<Map<String, Value>, OidcError> {
        let expected = Expected {
            issuer: &provider.issuer,
            client: &settings.client_id,
            nonce: &started.nonce,
            access_token: tokens.access_token.as_deref(),
            algorithms: &provider.algorithms,
            now: now.wall,
        };
        let header = token::header(&tokens.id_token, &expected)?;
        let keys = provider.keys(&self.shared.outside, header.kid.as_deref(), now.steady).await?;
        Ok(token::verify(&tokens.id_token, &header, &keys, &expected)?)
    }

    /// Adds what only the user information endpoint says, if anything that is wanted is missing.
    async fn completed(
        &self,
        provider: &Provider,
        settings: &OidcSettings,
        mut claims: Map<String, Value>,
        tokens: &Tokens,
    ) -> Result<Map<String, Value>, OidcError> {
        let Some(endpoint) = &provider.userinfo_endpoint else { return Ok(claims) };
        let Some(access_token) = &tokens.access_token else { return Ok(claims) };
        if !claims::is_anything_missing(settings, &claims) {
            return Ok(claims);
        }
        let credentials = Credentials::Bearer(access_token.clone());
        let answer = self.shared.outside.get(endpoint, credentials).await?;
        let what = "the user information";
        if answer.status != 200 {
            return Err(garbage(what, &format!("its status is {}", answer.status)));
        }
        let more: Map<String, Value> =
            serde_json::from_slice(&answer.body).map_err(|_| garbage(what, "it is no JSON"))?;
        if more.get("sub") != claims.get("sub") {
            return Err(garbage(what, "it is about somebody else"));
        }
        for (name, value) in more {
            // What is signed counts.
            claims.entry(name).or_insert(value);
        }
        Ok(claims)
    }
}

impl Started {
    /// Begins a sign-in at a provider that shall lead back to `redirect_uri`.
    pub fn new(provider: &Provider, redirect_uri: String) -> Result<Started, NoRandomness> {
        Ok(Started {
            issuer: provider.issuer.clone(),
            redirect_uri,
            nonce: base64_url(&random_bytes::<16>()?),
            verifier: base64_url(&random_bytes::<32>()?),
        })
    }

    /// Where the browser is sent, with the `state` that it shall bring back.
    #[must_use]
    pub fn address(
        &self,
        provider: &Provider,
        settings: &OidcSettings,
        state: &str,
        prompt: Prompt,
    ) -> String {
        let mut query = Form::default();
        query
            .add("response_type", "code")
            .add("client_id", &settings.client_id)
            .add("redirect_uri", &self.redirect_uri)
            .add("scope", &scope(&settings.scope))
            .add("state", state)
            .add("nonce", &self.nonce)
            .add("code_challenge", &base64_url(&Sha256::digest(self.verifier.as_bytes())))
            .add("code_challenge_method", "S256");
        match prompt {
            Prompt::Usual => {}
            Prompt::Nothing => {
                query.add("prompt", "none");
            }
            Prompt::Anew => {
                query.add("prompt", provider.prompt_for_another());
            }
        }
        with_query(&provider.authorization_endpoint, &query)
    }
}

/// Where the browser goes to end the provider's own session; none when the provider has no such
/// place.
#[must_use]
pub fn logout_address(
    provider: &Provider,
    settings: &OidcSettings,
    id_token: &str,
    back_to: &str,
) -> Option<String> {
    let endpoint = provider.end_session_endpoint.as_deref()?;
    let mut query = Form::default();
    query
        .add("id_token_hint", id_token)
        .add("client_id", &settings.client_id)
        .add("post_logout_redirect_uri", back_to);
    Some(with_query(endpoint, &query))
}

/// The code, once the answer is known to be the one that was waited for.
fn checked_code<'a>(
    provider: &Provider,
    started: &Started,
    callback: Callback<'a>,
) -> Result<&'a str, OidcError> {
    // Another provider's code must not be taken to this one, nor this one's to another
    // (RFC 9207).
    let expected = &started.issuer;
    let found = match callback.issuer {
        Some(found) => found,
        None if provider.names_itself => "",
        None => expected,
    };
    if found != expected || provider.issuer != *expected {
        return Err(OidcError::Issuer { expected: expected.clone(), found: short(found) });
    }
    if let Some(error) = callback.error {
        return Err(match error {
            "login_required"
            | "interaction_required"
            | "consent_required"
            | "account_selection_required" => OidcError::WouldAsk(error.to_owned()),
            error => refused(Some(error), callback.description),
        });
    }
    match callback.code {
        Some(code) if !code.is_empty() => Ok(code),
        _ => Err(garbage("the provider's answer", "there is no code in it")),
    }
}

/// `openid` is what makes it OpenID Connect, whatever else is asked for.
fn scope(wanted: &str) -> String {
    let wanted = if wanted.trim().is_empty() { "openid profile email" } else { wanted };
    let mut scope = String::from("openid");
    for word in wanted.split_whitespace().filter(|word| *word != "openid") {
        scope.push(' ');
        scope.push_str(word);
    }
    scope
}

struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

/// Form-encoded pairs.
#[derive(Default)]
struct Form(String);

impl Form {
    fn add(&mut self, name: &str, value: &str) -> &mut Form {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&encode(value));
        self
    }
}

fn with_query(endpoint: &str, query: &Form) -> String {
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{joint}{}", query.0)
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn refused(error: Option<&str>, description: Option<&str>) -> OidcError {
    OidcError::Refused {
        error: short(error.unwrap_or("no reason given")),
        description: short(description.unwrap_or_default()),
    }
}

fn garbage(document: &'static str, detail: &str) -> OidcError {
    OidcError::Garbage { document, detail: detail.to_owned() }
}

/// Text from outside, short and on one line.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

impl From<NoRandomness> for OidcError {
    fn from(_: NoRandomness) -> OidcError {
        OidcError::NoRandomness
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("person", &self.person.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(names_itself: bool) -> Provider {
        Provider::read(
            "https://idp.example/.well-known/openid-configuration",
            &serde_json::json!({
                "issuer": "https://idp.example",
                "authorization_endpoint": "https://idp.example/auth?tenant=1",
                "token_endpoint": "https://idp.example/token",
                "jwks_uri": "https://idp.example/keys",
                "authorization_response_iss_parameter_supported": names_itself,
            }),
        )
        .unwrap()
    }

    #[test]
    fn the_browser_is_sent_with_everything_that_must_come_back() {
        let provider = provider(false);
        let started = Started::new(&provider, "https://hub.example/oidcauthn".into()).unwrap();
        let settings = OidcSettings { client_id: "loggia".into(), ..OidcSettings::default() };
        let address = started.address(&provider, &settings, "st4te", Prompt::Nothing);
        assert!(address.starts_with("https://idp.example/auth?tenant=1&response_type=code&"));
        for part in [
            "redirect_uri=https%3A%2F%2Fhub%2Eexample%2Foidcauthn",
            "scope=openid%20profile%20email",
            "state=st4te",
            "code_challenge_method=S256",
            "prompt=none",
        ] {
            assert!(address.contains(part), "{part} in {address}");
        }
        assert!(!address.contains(&started.verifier), "only its hash travels");
        let again = Started::new(&provider, String::new()).unwrap();
        assert!(again.nonce != started.nonce && again.verifier != started.verifier);
        assert!(!format!("{started:?}").contains(&started.verifier));
    }

    #[test]
    fn an_answer_of_another_provider_is_refused() {
        let (quiet, naming) = (provider(false), provider(true));
        let started = Started::new(&quiet, String::new()).unwrap();
        let answer = |provider: &Provider, issuer: Option<&'static str>| {
            let callback = Callback { code: Some("c"), issuer, ..Callback::default() };
            checked_code(provider, &started, callback)
        };
        assert_eq!(answer(&quiet, None), Ok("c"));
        assert_eq!(answer(&naming, Some("https://idp.example")), Ok("c"));
        for issuer in [Some("https://evil.example"), Some("https://idp.example/"), Some("")] {
            assert!(matches!(answer(&quiet, issuer), Err(OidcError::Issuer { .. })), "{issuer:?}");
        }
        assert!(matches!(answer(&naming, None), Err(OidcError::Issuer { .. })));
        // The entrance was given another provider while the browser was away.
        let mut moved = provider(false);
        moved.issuer = "https://other.example".into();
        assert!(matches!(answer(&moved, None), Err(OidcError::Issuer { .. })));
    }

    #[test]
    fn being_unknown_there_is_told_from_being_refused() {
        let provider = provider(false);
        let started = Started::new(&provider, String::new()).unwrap();
        let error = |error: &'static str| {
            let callback = Callback { error: Some(error), code: Some("c"), ..Callback::default() };
            checked_code(&provider, &started, callback).unwrap_err()
        };
        assert!(matches!(error("login_required"), OidcError::WouldAsk(_)));
        assert!(matches!(error("access_denied"), OidcError::Refused { .. }));
        let nothing = checked_code(&provider, &started, Callback::default());
        assert!(matches!(nothing, Err(OidcError::Garbage { .. })));
    }
}
