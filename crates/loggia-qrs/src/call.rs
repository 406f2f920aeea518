//! One request on its way to a handler, and its answer on the way back.

use http::StatusCode;
use loggia_model::Caller;
use loggia_repository::{Repository, Site};
use serde_json::Value;
use uuid::Uuid;

use crate::body::Body;
use crate::problem::Problem;
use crate::query::Query;
use crate::wire::View;

/// A request whose address, caller and key have been accepted.
pub(crate) struct Call {
    pub(crate) repository: Repository,
    pub(crate) caller: Caller,
    /// What stood in the places of the route's pattern, in order.
    pub(crate) places: Vec<String>,
    pub(crate) query: Query,
    pub(crate) bytes: Vec<u8>,
}

/// Success.
#[derive(Debug)]
pub(crate) enum Answer {
    Ok(Value),
    Created(Value),
    NoContent,
    /// JSON that is written already.
    Json(Vec<u8>),
    /// Something to be kept as a file.
    File {
        content_type: &'static str,
        name: &'static str,
        bytes: Vec<u8>,
    },
}

impl Call {
    /// The id in the first place of the route.
    pub(crate) fn id(&self) -> Result<Uuid, Problem> {
        let text = self.places.first().map(String::as_str).unwrap_or_default();
        let is_plain = text.len() == 36;
        Uuid::parse_str(text).ok().filter(|_| is_plain).ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "REQ-PATH",
                "the address has no id in the place of one; an id is a GUID of 36 characters",
            )
        })
    }

    pub(crate) fn body(&self) -> Result<Body, Problem> {
        Body::parse(&self.bytes)
    }

    /// How this caller sees the given snapshot.
    pub(crate) fn view<'a>(&'a self, site: &'a Site) -> Result<View<'a>, Problem> {
        Ok(View {
            repository: &self.repository,
            site,
            caller: &self.caller,
            with_privileges: self.query.flag("privileges")?,
        })
    }
}
