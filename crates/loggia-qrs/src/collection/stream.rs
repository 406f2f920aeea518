//! `/stream`

use std::sync::Arc;

use loggia_model::StreamId;
use loggia_model::entity::Stream;
use loggia_repository::{ManageError, Resource, StreamEdit};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collection, shown};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::schema::{STREAM, Schema};
use crate::wire::{self, View};

pub(crate) struct Streams;

impl Collection for Streams {
    type Entity = Arc<Stream>;

    const SCHEMA: &'static Schema = &STREAM;

    fn list(call: &Call) -> Result<Vec<Arc<Stream>>, ManageError> {
        call.repository.streams(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<Arc<Stream>, ManageError> {
        call.repository.stream(&call.caller, StreamId(id))
    }

    fn condensed(view: &View<'_>, stream: &Arc<Stream>) -> Value {
        json!({
            "id": stream.id,
            "name": stream.name,
            "privileges": view.privileges(&Resource::Stream(stream.id)),
        })
    }

    fn full(view: &View<'_>, stream: &Arc<Stream>) -> Value {
        let own = json!({
            "customProperties": wire::properties(&stream.custom_properties, &stream.stamp),
            "owner": view.owner(stream.owner),
            "tags": wire::tags(&stream.tags),
        });
        let condensed = Streams::condensed(view, stream);
        wire::full(view, stream.id.0, &stream.stamp, STREAM.name, condensed, own)
    }
}

pub(crate) fn create(call: &Call) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let id = body.id().map(StreamId);
    let edit = read(call, body)?;
    let stream = call.repository.create_stream(&call.caller, id, edit)?;
    Ok(Answer::Created(shown::<Streams>(call, &stream)?))
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = StreamId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let edit = read(call, body)?;
    let stream = call.repository.update_stream(&call.caller, id, basis, edit)?;
    Ok(Answer::Ok(shown::<Streams>(call, &stream)?))
}

pub(crate) fn delete(call: &Call) -> Result<Answer, Problem> {
    call.repository.delete_stream(&call.caller, StreamId(call.id()?))?;
    Ok(Answer::NoContent)
}

pub(crate) fn read(call: &Call, mut body: Body) -> Result<StreamEdit, Problem> {
    let edit = StreamEdit {
        name: body.text("name"),
        owner: body.owner(),
        custom_properties: body.properties(&call.repository),
        tags: body.tags(&call.repository),
    };
    body.finish()?;
    Ok(edit)
}
