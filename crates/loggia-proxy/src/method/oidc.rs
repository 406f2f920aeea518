//! Signing in by OpenID Connect.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use loggia_auth::oidc::{Callback, Prompt, Started, Times, logout_address};
use loggia_auth::{OidcError, Proof, Session};
use loggia_model::entity::AuthenticationMethod;
use loggia_model::{Moment, VirtualProxyId};

use crate::cookie;
use crate::method::{Away, Failure, Manner, browser};
use crate::problem::Problem;
use crate::proxy::{Entered, Proxy};

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
        let away = self.oidc_provider(entered, headers, target, manner).await;
        self.lead_away(entered, headers, away, target, manner)
    }

    async fn oidc_provider(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        target: &str,
        manner: Manner,
    ) -> Result<Away, OidcError> {
        let settings = &entered.entrance.oidc;
        let clients = &self.shared().oidc;
        let provider = clients.provider(&settings.configuration_uri, self.now()).await?;
        let back = format!("{}{}/oidcauthn", entered.origin(), entered.base());
        let started = Started::new(&provider, back)?;
        let (secret, cookie) = browser(entered, headers)?;
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
        Ok(Away { address: started.address(&provider, settings, &state, prompt), cookie })
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
}

impl Failure for OidcError {
    const METHOD: &'static str = "oidc";

    fn would_ask(&self) -> bool {
        matches!(self, OidcError::WouldAsk(_))
    }

    fn problem(&self, now: Moment) -> Problem {
        said(self, now)
    }
}

fn said(error: &OidcError, now: Moment) -> Problem {
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
            return Problem::internal(&error.to_string(), now);
        }
    };
    Problem::new(status, code, title, text, now)
}
