//! Signing in by OpenID Connect.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use loggia_auth::oidc::{Callback, Prompt, Started, Times, logout_address};
use loggia_auth::{OidcError, Proof, Session};
use loggia_model::VirtualProxyId;
use loggia_model::entity::AuthenticationMethod;

use crate::cookie;
use crate::method::{Manner, browser};
use crate::problem::{Link, Problem};
use crate::proxy::{Entered, Proxy, redirect};

/// A browser that is at the provider.
#[derive(Debug)]
pub(crate) struct AtProvider {
    entrance: VirtualProxyId,
    started: Started,
    target: String,
    manner: Manner,
}

impl Proxy {
    /// Leads the browser to the provider.
    pub(crate) async fn begin_oidc(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        target: &str,
        manner: Manner,
    ) -> Response {
        match self.lead_to_oidc(entered, headers, target, manner).await {
            Ok(response) => response,
            Err(error) => self.not_signed_in(entered, headers, &error, target, manner),
        }
    }

    async fn lead_to_oidc(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        target: &str,
        manner: Manner,
    ) -> Result<Response, OidcError> {
        let settings = &entered.entrance.oidc;
        let clients = &self.shared().oidc;
        let provider = clients.provider(&settings.configuration_uri, self.now()).await?;
        let back = format!("{}{}/oidcauthn", entered.origin(), entered.base());
        let started = Started::new(&provider, back)?;
        let (secret, line) = browser(entered, headers)?;
        let waiting = AtProvider {
            entrance: entered.entrance.id,
            started: started.clone(),
            target: target.to_owned(),
            manner,
        };
        let address = Some(entered.screened.address);
        let state = self.shared().at_oidc.put(waiting, Some(&secret), address, self.now())?;
        let prompt = match manner {
            Manner::Ask => Prompt::Usual,
            Manner::Silent => Prompt::Nothing,
            Manner::AskAnew => Prompt::Anew,
        };
        let there = started.address(&provider, settings, &state, prompt);
        let mut response = redirect(StatusCode::FOUND, &there);
        if let Some(line) = line {
            response.headers_mut().append(http::header::SET_COOKIE, line);
        }
        Ok(response)
    }

    /// `GET /oidcauthn`: the browser is back.
    pub async fn oidc_return(&self, entered: &Entered, headers: &HeaderMap) -> Response {
        let is_for_us = entered.entrance.method == AuthenticationMethod::Oidc;
        if !entered.can_log_in() || !is_for_us {
            return self.refuse(entered, &self.nobody_logs_in(entered), headers);
        }
        let query = &entered.screened.query;
        let state = query.get("state").unwrap_or_default();
        let waiting = cookie::browsers(&entered.entrance, headers).find_map(|secret| {
            let is_ours = |waiting: &AtProvider| waiting.entrance == entered.entrance.id;
            self.shared().at_oidc.take_if(state, Some(&secret), self.now(), is_ours)
        });
        let Some(waiting) = waiting else {
            let problem = self.not_begun_here(entered, "oidc: unknown state, or another browser's");
            return self.refuse(entered, &problem, headers);
        };
        let callback = Callback {
            code: query.get("code"),
            error: query.get("error"),
            description: query.get("error_description"),
            issuer: query.get("iss"),
        };
        let times = Times { steady: self.now(), wall: self.shared().repository.now() };
        let settings = &entered.entrance.oidc;
        let completed =
            self.shared().oidc.complete(settings, &waiting.started, callback, times).await;
        match completed {
            Ok(found) => {
                let proof = Proof { id_token: Some(found.id_token), ..Proof::by("oidc") };
                match self.let_in(entered, headers, found.person, proof, &waiting.target) {
                    Ok(response) => response,
                    Err(problem) => self.refuse(entered, &problem, headers),
                }
            }
            Err(error) => {
                self.not_signed_in(entered, headers, &error, &waiting.target, waiting.manner)
            }
        }
    }

    /// Where the provider ends its own session after ours ended; none when it has no such place,
    /// or cannot be asked for it.
    pub(crate) async fn oidc_farewell(
        &self,
        entered: &Entered,
        session: &Session,
    ) -> Option<String> {
        let id_token = session.proof.as_ref()?.id_token.as_deref()?;
        let settings = &entered.entrance.oidc;
        let provider = self.shared().oidc.provider(&settings.configuration_uri, self.now()).await;
        let back = format!("{}{}/loggedout", entered.origin(), entered.base());
        logout_address(&*provider.ok()?, settings, id_token, &back)
    }

    /// Nobody was signed in: whoever was not to notice goes on as a visitor, others read why.
    fn not_signed_in(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        error: &OidcError,
        target: &str,
        manner: Manner,
    ) -> Response {
        let mut problem = said(error, self);
        if !matches!((manner, error), (Manner::Silent, OidcError::WouldAsk(_))) {
            let address = entered.screened.address.to_string();
            problem.log("entrance", &address, &format!("oidc: {error}"));
        }
        if manner == Manner::Silent {
            return redirect(StatusCode::SEE_OTHER, target);
        }
        self.offer_again(entered, &mut problem, target);
        self.refuse(entered, &problem, headers)
    }

    /// The answer to a browser that brings what this server did not send it for.
    pub(crate) fn not_begun_here(&self, entered: &Entered, finding: &str) -> Problem {
        let text =
            "This sign-in was not begun in this browser, was used already, or took too long.";
        let status = StatusCode::BAD_REQUEST;
        let mut problem = Problem::new(status, "AUTH-STATE", "Not logged in", text, self.now());
        problem.log("entrance", &entered.screened.address.to_string(), finding);
        self.offer_again(entered, &mut problem, &format!("{}/hub", entered.base()));
        problem
    }

    /// Buttons for trying again, and for going on without where that is possible.
    pub(crate) fn offer_again(&self, entered: &Entered, problem: &mut Problem, target: &str) {
        let again = format!("{}/login?target={}", entered.base(), crate::query::encode(target));
        problem.action = Some(Link::new("Try again", again));
        if entered.entrance.anonymous.takes_visitors() {
            let hub = format!("{}/hub", entered.base());
            problem.secondary = Some(Link::new("Go on as a visitor", hub));
        }
    }
}

/// What the person reads: true, and nothing that helps a forger.
fn said(error: &OidcError, proxy: &Proxy) -> Problem {
    let title = "Not logged in";
    let (status, code, text) = match error {
        OidcError::Outside(_) => (
            StatusCode::BAD_GATEWAY,
            "AUTH-DOWN",
            "The identity provider of this entrance cannot be reached. Please try again in a \
             moment.",
        ),
        OidcError::Garbage { .. } => (
            StatusCode::BAD_GATEWAY,
            "AUTH-PROVIDER",
            "The identity provider of this entrance gave an answer that cannot be used.",
        ),
        OidcError::Settings(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "AUTH-SETTINGS",
            "Signing in is not set up completely at this entrance. Ask its administrator.",
        ),
        OidcError::WouldAsk(_) | OidcError::Refused { .. } => {
            (StatusCode::FORBIDDEN, "AUTH-REFUSED", "The identity provider did not sign you in.")
        }
        OidcError::Issuer { .. } | OidcError::Token(_) => (
            StatusCode::FORBIDDEN,
            "AUTH-PROOF",
            "What the identity provider sent could not be accepted.",
        ),
        OidcError::Claims(_) => (
            StatusCode::FORBIDDEN,
            "AUTH-CLAIMS",
            "The identity provider did not say about you what this entrance needs to know.",
        ),
        OidcError::NoRandomness => {
            return Problem::internal(&error.to_string(), proxy.now());
        }
    };
    Problem::new(status, code, title, text, proxy.now())
}
