//! Which way does an entrance sign people in? The login route asks here, and so does the entrance
//! that tries single sign-on before it takes somebody for a visitor.

pub(crate) mod oidc;
#[cfg_attr(not(feature = "saml"), path = "method/without_saml.rs")]
pub(crate) mod saml;
mod ticket;

use std::fmt;

use axum::response::Response;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use loggia_auth::{NoRandomness, Session, SessionSecret};
use loggia_model::Moment;
use loggia_model::entity::AuthenticationMethod;

use crate::cookie;
use crate::problem::{Link, Problem};
use crate::proxy::{Entered, Proxy, redirect};

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

/// Where a browser goes to sign in.
struct Away {
    address: String,
    /// The cookie line that binds the sign-in to the browser, where it has none yet.
    cookie: Option<HeaderValue>,
}

/// Why a provider signed nobody in.
trait Failure: fmt::Display {
    /// The way of signing in, for the log.
    const METHOD: &'static str;

    /// Whether the provider would have had to show something.
    fn would_ask(&self) -> bool;

    /// What the person reads: true, and nothing that helps a forger.
    fn problem(&self, now: Moment) -> Problem;
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

    /// Leads the browser away to sign in, or says why not.
    fn lead_away<E: Failure>(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        away: Result<Away, E>,
        target: &str,
        manner: Manner,
    ) -> Response {
        match away {
            Ok(Away { address, cookie }) => {
                let mut response = redirect(StatusCode::FOUND, &address);
                if let Some(line) = cookie {
                    response.headers_mut().append(header::SET_COOKIE, line);
                }
                response
            }
            Err(error) => self.not_signed_in(entered, headers, &error, target, manner),
        }
    }

    /// The answer to somebody whom the provider did not sign in. Who was not to notice anything
    /// goes on as a visitor; the others read why.
    fn not_signed_in<E: Failure>(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        error: &E,
        target: &str,
        manner: Manner,
    ) -> Response {
        let mut problem = error.problem(self.now());
        if manner != Manner::Silent || !error.would_ask() {
            let address = entered.screened.address.to_string();
            problem.log("entrance", &address, &format!("{}: {error}", E::METHOD));
        }
        if manner == Manner::Silent {
            return redirect(StatusCode::SEE_OTHER, target);
        }
        self.offer_again(entered, &mut problem, target);
        self.refuse(entered, &problem, headers)
    }

    /// The answer to a browser that brings what this server did not send it for.
    fn not_begun_here(&self, entered: &Entered, finding: &str) -> Problem {
        let text =
            "This sign-in was not begun in this browser, was used already, or took too long.";
        let status = StatusCode::BAD_REQUEST;
        let mut problem = Problem::new(status, "AUTH-STATE", "Not logged in", text, self.now());
        problem.log("entrance", &entered.screened.address.to_string(), finding);
        self.offer_again(entered, &mut problem, &format!("{}/hub", entered.base()));
        problem
    }

    /// Buttons for trying again, and for going on without where that is possible.
    fn offer_again(&self, entered: &Entered, problem: &mut Problem, target: &str) {
        let again = format!("{}/login?target={}", entered.base(), crate::query::encode(target));
        problem.action = Some(Link::new("Try again", again));
        if entered.entrance.anonymous.takes_visitors() {
            problem.secondary = Some(Link::new("Go on as a visitor", target));
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
