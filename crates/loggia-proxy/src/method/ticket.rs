//! Tickets, headers and bearer tokens: credentials that come with the request itself.

use axum::response::Response;
use http::HeaderMap;

use crate::proxy::{Entered, Proxy};

impl Proxy {
    /// The redirect to the entrance's outside login module; none where there is none.
    pub(crate) fn lead_to_module(&self, _entered: &Entered, _target: &str) -> Option<Response> {
        None
    }

    /// The answer to somebody who came without what the entrance reads.
    pub(crate) fn credential_is_missing(&self, entered: &Entered, headers: &HeaderMap) -> Response {
        self.refuse(entered, &self.nobody_logs_in(entered), headers)
    }
}
