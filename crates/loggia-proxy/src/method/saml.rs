//! Signing in by SAML 2.0.
//!
//! An assertion comes by a form that the provider's page posts, and browsers send no cookies with
//! what another site posts. So it is verified at once and kept for a moment, and the browser is
//! led back to the same address by GET, where its cookies show whose sign-in it is.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
pub use loggia_auth::saml::Saml;
use loggia_auth::saml::request::{Asking, LogoutMessage, new_id, read_logout};
use loggia_auth::saml::response::{claimed_request, person};
use loggia_auth::saml::{Accepted, Expected, IdentityProvider, SamlError, ServiceProvider, accept};
use loggia_auth::{Person, Proof, SamlSubject, Session, SessionHash};
use loggia_model::entity::{AuthenticationMethod, VirtualProxy};
use loggia_model::{Moment, SessionEnd, VirtualProxyId};

use crate::cookie;
use crate::method::{Away, Failure, Manner, browser};
use crate::problem::Problem;
use crate::proxy::{Entered, Proxy, redirect};
use crate::query::{Query, encode};

/// A browser that is at the provider.
#[derive(Debug)]
pub(crate) struct AtIdentityProvider {
    entrance: VirtualProxyId,
    request: String,
    browser: SessionHash,
    target: String,
    manner: Manner,
}

/// Somebody whom the provider vouched for, until their browser comes for it.
#[derive(Debug)]
pub(crate) struct Vouched {
    entrance: VirtualProxyId,
    person: Person,
    subject: SamlSubject,
    target: String,
    /// None where the provider began by itself.
    browser: Option<SessionHash>,
}

/// Longest posted form: a message as base64, percent-encoded.
const MAX_FORM: usize = 512 * 1_024;

impl Proxy {
    /// Leads the browser to the provider.
    pub(crate) async fn begin_saml(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        target: &str,
        manner: Manner,
    ) -> Response {
        let away = self.saml_provider(entered, headers, target, manner).await;
        self.lead_away(entered, headers, away, target, manner)
    }

    async fn saml_provider(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        target: &str,
        manner: Manner,
    ) -> Result<Away, SamlError> {
        let hub = service(&entered.entrance)?;
        let provider = IdentityProvider::read(&entered.entrance.saml.idp_metadata)?;
        let (secret, cookie) = browser(entered, headers).map_err(|error| internal(&error))?;
        let id = new_id()?;
        let waiting = AtIdentityProvider {
            entrance: entered.entrance.id,
            request: id.clone(),
            browser: secret.hash(),
            target: target.to_owned(),
            manner,
        };
        let address = Some(entered.screened.address);
        let waiting = self.shared().at_saml.put(waiting, None, address, self.now());
        let relay_state = waiting.map_err(|error| internal(&error))?;
        let asking = match manner {
            Manner::Ask => Asking::Usual,
            Manner::Silent => Asking::Passive,
            Manner::AskAnew => Asking::Anew,
        };
        let now = self.shared().repository.now();
        let address = self
            .with_saml(move |saml| {
                hub.sign_on_address(&provider, saml.key()?, &id, &relay_state, asking, now)
            })
            .await?;
        Ok(Away { address, cookie })
    }

    /// `POST /samlauthn` with an assertion, and the `GET` that follows it.
    pub async fn saml_return(
        &self,
        entered: &Entered,
        method: &Method,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        let is_for_us = entered.entrance.method == AuthenticationMethod::Saml;
        if !entered.can_log_in() || !is_for_us {
            return self.refuse(entered, &self.nobody_logs_in(entered), headers);
        }
        match *method {
            Method::POST => self.take_assertion(entered, headers, body).await,
            Method::GET => self.come_for_assertion(entered, headers),
            _ => self.wrong_method(entered, headers, "GET, POST"),
        }
    }

    async fn take_assertion(&self, entered: &Entered, headers: &HeaderMap, body: Body) -> Response {
        let Ok(bytes) = axum::body::to_bytes(body, MAX_FORM).await else {
            return self.refuse(entered, &Problem::too_large(MAX_FORM, self.now()), headers);
        };
        let form = Query::parse(&String::from_utf8_lossy(&bytes));
        let relay_state = form.get("RelayState").unwrap_or_default();
        let is_ours = |waiting: &AtIdentityProvider| waiting.entrance == entered.entrance.id;
        let waiting = self.shared().at_saml.take_if(relay_state, None, self.now(), is_ours);
        let (target, manner) = match &waiting {
            Some(waiting) => (waiting.target.clone(), waiting.manner),
            None => {
                let query = Query::parse(&format!("target={}", encode(relay_state)));
                (self.target(entered, &query), Manner::Ask)
            }
        };
        let message = form.get("SAMLResponse").unwrap_or_default();
        let request = waiting.as_ref().map(|waiting| waiting.request.clone());
        match self.vouched(entered, message, request).await {
            Ok((person, subject)) => {
                let vouched = Vouched {
                    entrance: entered.entrance.id,
                    person,
                    subject,
                    target,
                    browser: waiting.map(|waiting| waiting.browser),
                };
                let address = Some(entered.screened.address);
                match self.shared().vouched.put(vouched, None, address, self.now()) {
                    Ok(token) => {
                        let there = format!("{}/samlauthn?done={token}", entered.base());
                        redirect(StatusCode::SEE_OTHER, &there)
                    }
                    Err(error) => {
                        let problem = Problem::internal(&error.to_string(), self.now());
                        self.refuse(entered, &problem, headers)
                    }
                }
            }
            Err(error) => self.not_signed_in(entered, headers, &error, &target, manner),
        }
    }

    /// Whom a posted message vouches for, once its assertion is used up.
    async fn vouched(
        &self,
        entered: &Entered,
        message: &str,
        request: Option<String>,
    ) -> Result<(Person, SamlSubject), SamlError> {
        let entrance = Arc::clone(&entered.entrance);
        let now = self.shared().repository.now();
        let decoded = loggia_auth::saml::decode(message)?;
        self.with_saml(move |saml| {
            let hub = service(&entrance)?;
            let provider = IdentityProvider::read(&entrance.saml.idp_metadata)?;
            if request.is_none() {
                // An answer to a request that nobody waits for is no sign-in that the provider
                // began.
                if claimed_request(&decoded).is_some() {
                    return Err(SamlError::Wrong("InResponseTo"));
                }
                if !entrance.saml.idp_initiated {
                    return Err(SamlError::Unasked);
                }
            }
            let expected = Expected {
                provider: &provider,
                audience: &hub.entity_id,
                recipient: &hub.consumer,
                in_response_to: request.as_deref(),
                now,
            };
            let accepted: Accepted = accept(&decoded, &expected)?;
            let person = person(&entrance.saml, &accepted)?;
            saml.used().take(&provider.entity_id, &accepted.id, accepted.until, now)?;
            Ok((person, accepted.subject))
        })
        .await
    }

    fn come_for_assertion(&self, entered: &Entered, headers: &HeaderMap) -> Response {
        let token = entered.screened.query.get("done").unwrap_or_default();
        let browsers: Vec<SessionHash> =
            cookie::browsers(&entered.entrance, headers).map(|secret| secret.hash()).collect();
        let is_theirs = |vouched: &Vouched| {
            vouched.entrance == entered.entrance.id
                && vouched.browser.is_none_or(|browser| browsers.contains(&browser))
        };
        let Some(vouched) = self.shared().vouched.take_if(token, None, self.now(), is_theirs)
        else {
            let finding = "saml: nothing waits for this browser";
            let problem = self.not_begun_here(entered, finding);
            return self.refuse(entered, &problem, headers);
        };
        let proof = Proof { saml: Some(vouched.subject), ..Proof::by("saml") };
        match self.let_in(entered, headers, vouched.person, proof, &vouched.target) {
            Ok(response) => response,
            Err(problem) => self.refuse(entered, &problem, headers),
        }
    }

    /// `GET /samlauthn/slo`: the provider ended its session, or did what it was asked. `query` is
    /// as it was sent, undecoded.
    pub async fn saml_logout(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        query: &str,
    ) -> Response {
        if entered.entrance.method != AuthenticationMethod::Saml
            || !entered.entrance.saml.single_logout
        {
            return self.refuse(entered, &self.nobody_logs_in(entered), headers);
        }
        let logged_out = format!("{}/loggedout", entered.base());
        match self.told_to_log_out(entered, query).await {
            Ok(Some(there)) => redirect(StatusCode::SEE_OTHER, &there),
            Ok(None) => redirect(StatusCode::SEE_OTHER, &logged_out),
            Err(error) => self.not_signed_in(
                entered,
                headers,
                &error,
                &format!("{}/hub", entered.base()),
                Manner::Ask,
            ),
        }
    }

    async fn told_to_log_out(
        &self,
        entered: &Entered,
        query: &str,
    ) -> Result<Option<String>, SamlError> {
        let hub = service(&entered.entrance)?;
        let provider = IdentityProvider::read(&entered.entrance.saml.idp_metadata)?;
        let now = self.shared().repository.now();
        let message = read_logout(query, &provider, &hub.logout, now)?;
        let LogoutMessage::Request { id, subject, relay_state } = message else {
            return Ok(None);
        };
        let entrance = entered.entrance.id;
        self.shared().sessions.end_where(SessionEnd::LoggedOut, |session| {
            let theirs = session.proof.as_ref().and_then(|proof| proof.saml.as_ref());
            session.entrance == entrance && theirs.is_some_and(|theirs| is_meant(&subject, theirs))
        });
        self.with_saml(move |saml| {
            hub.logout_answer_address(&provider, saml.key()?, &id, relay_state.as_deref(), now)
        })
        .await
    }

    /// `GET /samlauthn/metadata`.
    pub async fn saml_metadata(&self, entered: &Entered, headers: &HeaderMap) -> Response {
        let hub = match service(&entered.entrance) {
            Ok(hub) if entered.entrance.method == AuthenticationMethod::Saml => hub,
            _ => {
                let problem = Problem::nothing_here(&entered.reader(), self.now());
                return self.refuse(entered, &problem, headers);
            }
        };
        match self.with_saml(move |saml| Ok(hub.metadata(saml.key()?))).await {
            Ok(metadata) => {
                let mut response = Response::new(Body::from(metadata));
                let kind = HeaderValue::from_static("application/samlmetadata+xml");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
            Err(error) => {
                let problem = Problem::internal(&error.to_string(), self.now());
                self.refuse(entered, &problem, headers)
            }
        }
    }

    /// Where the provider ends its own session after ours ended.
    pub(crate) async fn saml_farewell(
        &self,
        entered: &Entered,
        session: &Session,
    ) -> Option<String> {
        if !entered.entrance.saml.single_logout {
            return None;
        }
        let subject = session.proof.as_ref()?.saml.clone()?;
        let hub = service(&entered.entrance).ok()?;
        let provider = IdentityProvider::read(&entered.entrance.saml.idp_metadata).ok()?;
        let now = self.shared().repository.now();
        self.with_saml(move |saml| hub.logout_address(&provider, saml.key()?, &subject, now))
            .await
            .ok()?
    }

    /// Signing and verifying compute for a while, and the first use makes a key.
    async fn with_saml<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Saml) -> Result<T, SamlError> + Send + 'static,
    ) -> Result<T, SamlError> {
        let saml = Arc::clone(&self.shared().saml);
        let worked = tokio::task::spawn_blocking(move || work(&saml)).await;
        worked.unwrap_or_else(|error| Err(internal(&error)))
    }
}

impl Failure for SamlError {
    const METHOD: &'static str = "saml";

    fn would_ask(&self) -> bool {
        matches!(self, SamlError::WouldAsk)
    }

    fn problem(&self, now: Moment) -> Problem {
        said(self, now)
    }
}

/// Whether the provider's logout is about this session: of that person, and of that session index
/// where it names one.
fn is_meant(asked: &SamlSubject, session: &SamlSubject) -> bool {
    asked.name_id == session.name_id
        && (asked.session_index.is_empty() || asked.session_index == session.session_index)
}

/// The hub as this entrance shows it. Its address comes from the settings only: were it taken from
/// the request, whoever sends that could make an assertion for another site fit.
fn service(entrance: &VirtualProxy) -> Result<ServiceProvider, SamlError> {
    let host = entrance.saml.host_uri.trim_end_matches('/');
    if host.is_empty() {
        let text = "the entrance's SAML host address is missing, such as https://hub.example";
        return Err(SamlError::Settings(text.to_owned()));
    }
    let base = format!("{host}{}", entrance.prefix.base());
    let entity_id = match entrance.saml.entity_id.as_str() {
        "" => format!("{base}/samlauthn/metadata"),
        entity_id => entity_id.to_owned(),
    };
    Ok(ServiceProvider {
        entity_id,
        consumer: format!("{base}/samlauthn"),
        logout: format!("{base}/samlauthn/slo"),
    })
}

fn internal(error: &dyn std::error::Error) -> SamlError {
    SamlError::Internal(error.to_string())
}

/// What the person reads.
fn said(error: &SamlError, now: Moment) -> Problem {
    let title = "Not logged in";
    let (status, code, text) = match error {
        SamlError::Metadata(_) | SamlError::Settings(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "AUTH-SETTINGS",
            "Signing in is not set up completely at this entrance. Ask its administrator.",
        ),
        SamlError::WouldAsk | SamlError::Refused(_) => {
            (StatusCode::FORBIDDEN, "AUTH-REFUSED", "The identity provider did not sign you in.")
        }
        SamlError::Attributes(_) => (
            StatusCode::FORBIDDEN,
            "AUTH-CLAIMS",
            "The identity provider did not say about you what this entrance needs to know.",
        ),
        SamlError::Unasked => (
            StatusCode::FORBIDDEN,
            "AUTH-STATE",
            "Sign-ins at this entrance begin here, not at the identity provider.",
        ),
        SamlError::Internal(detail) => return Problem::internal(detail, now),
        _ => (
            StatusCode::FORBIDDEN,
            "AUTH-PROOF",
            "What the identity provider sent could not be accepted.",
        ),
    };
    Problem::new(status, code, title, text, now)
}
