//! Which way does an entrance sign people in? The login route asks here, and so does the entrance
//! that tries single sign-on before it takes somebody for a visitor.

pub(crate) mod oidc;
#[cfg_attr(not(feature = "saml"), path = "method/without_saml.rs")]
pub(crate) mod saml;
mod ticket;

use axum::response::Response;
use http::header::{HeaderMap, HeaderValue};
use loggia_auth::{NoRandomness, Session, SessionSecret};
use loggia_model::entity::AuthenticationMethod;

use crate::cookie;
use crate::proxy::{Entered, Proxy};

/// How to ask for a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The person pressed *Log in* or asked for a page that needs it.
    Ask,
    /// Nothing may be shown: whoever is not signed in at the provider comes back as a visitor.
    Silent,
    /// The person logged out on purpose: the provider must let them choose again.
    AskAnew,
}

impl Proxy {
    /// Whether single sign-on can be tried without showing anything.
    pub(crate) fn can_try_silently(entered: &Entered) -> bool {
        matches!(entered.entrance.method, AuthenticationMethod::Oidc | AuthenticationMethod::Saml)
    }

    /// Whether the entrance is told by each request who comes: there is no page to sign in at.
    pub(crate) fn is_told_by_credential(entered: &Entered) -> bool {
        matches!(
            entered.entrance.method,
            AuthenticationMethod::HeaderStatic
                | AuthenticationMethod::HeaderDynamic
                | AuthenticationMethod::Jwt
        )
    }

    /// Leads the browser to where people of this entrance sign in, and back to `target` afterwards;
    /// none where that is the built-in form.
    pub(crate) async fn lead_to_provider(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        target: &str,
        manner: Manner,
    ) -> Option<Response> {
        match entered.entrance.method {
            AuthenticationMethod::Oidc => {
                Some(self.begin_oidc(entered, headers, target, manner).await)
            }
            AuthenticationMethod::Saml => {
                Some(self.begin_saml(entered, headers, target, manner).await)
            }
            AuthenticationMethod::Ticket => self.lead_to_module(entered, target),
            AuthenticationMethod::HeaderStatic
            | AuthenticationMethod::HeaderDynamic
            | AuthenticationMethod::Jwt => Some(self.credential_is_missing(entered, headers)),
        }
    }

    /// Where the identity provider ends its own session, for somebody whose session here ended.
    pub(crate) async fn farewell(&self, entered: &Entered, session: &Session) -> Option<String> {
        match entered.entrance.method {
            AuthenticationMethod::Oidc => self.oidc_farewell(entered, session).await,
            AuthenticationMethod::Saml => self.saml_farewell(entered, session).await,
            _ => None,
        }
    }
}

/// The secret that binds a sign-in to the browser, and the cookie line when it is a new one.
/// Several tabs share it, so that each tab's sign-in stays good.
fn browser(
    entered: &Entered,
    headers: &HeaderMap,
) -> Result<(SessionSecret, Option<HeaderValue>), NoRandomness> {
    if let Some(known) = cookie::browsers(&entered.entrance, headers).next() {
        return Ok((known, None));
    }
    let secret = SessionSecret::random()?;
    let line = cookie::browser(&entered.entrance, &secret.reveal(), entered.screened.is_secure);
    Ok((secret, line))
}
