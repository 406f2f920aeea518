//! Where people sign in whose credential comes with the request: an outside login module, or
//! nowhere that we know of.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use loggia_model::entity::AuthenticationMethod;
use tracing::error;

use crate::host::split_scheme;
use crate::problem::{Link, Problem};
use crate::proxy::{Entered, Proxy, redirect};
use crate::query;

impl Proxy {
    /// The redirect to the entrance's outside login module; none where there is none.
    pub(crate) fn lead_to_module(&self, entered: &Entered, target: &str) -> Option<Response> {
        let module = entered.entrance.ticket.module_uri.trim();
        if module.is_empty() {
            return None;
        }
        if split_scheme(module).is_none() {
            let entrance = entered.entrance.prefix.as_str();
            error!(entrance, "the login module's address is no http or https address");
            return None;
        }
        let whole = if target.starts_with('/') {
            format!("{}{target}", entered.origin())
        } else {
            target.to_owned()
        };
        let address = entered.screened.address;
        let tickets = &self.shared().tickets;
        let id = tickets.keep_target(entered.entrance.id, whole, address, self.now());
        let id = match id {
            Ok(id) => id,
            Err(error) => {
                error!(%error, "cannot keep the address to return to");
                return None;
            }
        };
        let separator = if module.contains('?') { '&' } else { '?' };
        let mut location = format!("{module}{separator}targetId={id}");
        if let Some(port) = self.trusted_port() {
            let host = entered.screened.host.name();
            let rest = format!("https://{host}:{port}/qps{}/", entered.base());
            location.push_str(&format!("&proxyRestUri={}", query::encode(&rest)));
        }
        Some(redirect(StatusCode::FOUND, &location))
    }

    /// The answer to somebody who came without what the entrance reads.
    pub(crate) fn credential_is_missing(&self, entered: &Entered, headers: &HeaderMap) -> Response {
        let (title, text) = if entered.entrance.method == AuthenticationMethod::Jwt {
            ("Log in first", "This entrance is for requests with a bearer token.")
        } else {
            (
                "Single sign-on header missing",
                "Your organisation's single sign-on did not say who you are. Open this page through \
                 it, or ask its administrator.",
            )
        };
        let status = StatusCode::UNAUTHORIZED;
        let mut problem = Problem::new(status, "ENT-LOGIN", title, text, self.now());
        problem.action = Some(Link::new("Try again", entered.asked_for()));
        let address = entered.screened.address.to_string();
        problem.log("entrance", &address, "the entrance's credential is missing or not valid");
        self.refuse(entered, &problem, headers)
    }
}
