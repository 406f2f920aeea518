//! In the place of SAML in a build without it: an entrance that is set to it says so.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use loggia_auth::Session;

use crate::method::Manner;
use crate::problem::Problem;
use crate::proxy::{Entered, Proxy};

/// What SAML keeps: nothing.
#[derive(Debug)]
pub struct Saml;

/// Nobody is at a provider.
pub(crate) enum AtIdentityProvider {}

/// Nobody is vouched for.
pub(crate) enum Vouched {}

impl Proxy {
    pub(crate) async fn begin_saml(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        _target: &str,
        _manner: Manner,
    ) -> Response {
        let problem = Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "AUTH-SETTINGS",
            "Not logged in",
            "Logging in is not set up properly here. Please tell the administrator.",
            self.now(),
        );
        let finding = "the entrance is set to SAML, which this build is without";
        problem.log("entrance", &entered.screened.address.to_string(), finding);
        self.refuse(entered, &problem, headers)
    }

    /// `/samlauthn`.
    pub async fn saml_return(
        &self,
        entered: &Entered,
        _method: &Method,
        headers: &HeaderMap,
        _body: Body,
    ) -> Response {
        self.refuse(entered, &self.nobody_logs_in(entered), headers)
    }

    /// `/samlauthn/slo`.
    pub async fn saml_logout(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        _query: &str,
    ) -> Response {
        self.refuse(entered, &self.nobody_logs_in(entered), headers)
    }

    /// `/samlauthn/metadata`.
    pub async fn saml_metadata(&self, entered: &Entered, headers: &HeaderMap) -> Response {
        let problem = Problem::nothing_here(&entered.reader(), self.now());
        self.refuse(entered, &problem, headers)
    }

    pub(crate) async fn saml_farewell(&self, _: &Entered, _: &Session) -> Option<String> {
        None
    }
}
