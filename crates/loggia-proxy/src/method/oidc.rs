//! Signing in by OpenID Connect.

use axum::response::Response;
use http::HeaderMap;

use crate::method::Manner;
use crate::proxy::{Entered, Proxy};

impl Proxy {
    pub(crate) async fn begin_oidc(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        _target: &str,
        _manner: Manner,
    ) -> Response {
        self.refuse(entered, &self.nobody_logs_in(entered), headers)
    }
}
