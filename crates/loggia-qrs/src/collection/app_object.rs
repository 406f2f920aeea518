//! `/app/object`

use std::sync::Arc;

use loggia_model::ObjectId;
use loggia_model::entity::AppObject;
use loggia_repository::{ManageError, ObjectEdit, Resource};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collection, shown};
use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::schema::{APP_OBJECT, Schema};
use crate::wire::{self, View};

pub(crate) struct AppObjects;

impl Collection for AppObjects {
    type Entity = Arc<AppObject>;

    const SCHEMA: &'static Schema = &APP_OBJECT;

    fn list(call: &Call) -> Result<Vec<Arc<AppObject>>, ManageError> {
        call.repository.app_object_records(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<Arc<AppObject>, ManageError> {
        call.repository.app_object(&call.caller, ObjectId(id)).map(|object| object.record)
    }

    fn condensed(view: &View<'_>, object: &Arc<AppObject>) -> Value {
        json!({
            "id": object.id,
            "name": object.name,
            "engineObjectId": object.engine_id,
            "engineObjectType": object.object_type,
            "contentHash": "",
            "description": object.description,
            "objectType": object.object_type,
            "publishTime": wire::date_or_never(
                object.is_published.then_some(object.stamp.modified)
            ),
            "published": object.is_published,
            "privileges": view.privileges(&Resource::AppObject(object.id)),
        })
    }

    fn full(view: &View<'_>, object: &Arc<AppObject>) -> Value {
        let app = view.site.app(object.app).map(|app| {
            json!({
                "id": app.id,
                "name": app.name,
                "published": app.is_published(),
                "stream": app.stream.map(|stream| view.stream(stream)),
                "privileges": null,
            })
        });
        let own = json!({
            "owner": view.owner(object.owner),
            "tags": [],
            "app": app,
            "size": null,
            "attributes": "",
            "approved": object.is_approved,
            "sourceObject": "",
            "draftObject": "",
            "appObjectBlobId": "",
        });
        let condensed = AppObjects::condensed(view, object);
        wire::full(view, object.id.0, &object.stamp, APP_OBJECT.name, condensed, own)
    }
}

/// Name, description, owner and approval; what the object shows is the engine protocol's matter.
pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = ObjectId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let is_approved = body.flag("approved");
    let edit = ObjectEdit {
        name: body.text("name"),
        description: body.text("description"),
        owner: body.owner(),
        ..ObjectEdit::default()
    };
    body.finish()?;
    let before = call.repository.app_object(&call.caller, id)?.record;
    let is_edited = edit.name.as_ref().is_some_and(|name| *name != before.name)
        || edit.description.as_ref().is_some_and(|text| *text != before.description)
        || edit.owner.is_some_and(|owner| owner != before.owner);
    let mut object = before;
    // The approval alone needs the right to approve, not the right to edit.
    if is_edited || is_approved.is_none_or(|is_approved| is_approved == object.is_approved) {
        object = call.repository.update_object(&call.caller, id, basis, edit)?.record;
    }
    if let Some(is_approved) = is_approved.filter(|&wanted| wanted != object.is_approved) {
        object = call.repository.approve_object(&call.caller, id, is_approved)?;
    }
    Ok(Answer::Ok(shown::<AppObjects>(call, &object)?))
}

pub(crate) fn publish(call: &Call) -> Result<Answer, Problem> {
    mark(call, true)
}

pub(crate) fn unpublish(call: &Call) -> Result<Answer, Problem> {
    mark(call, false)
}

fn mark(call: &Call, is_published: bool) -> Result<Answer, Problem> {
    let id = ObjectId(call.id()?);
    let object = call.repository.publish_object(&call.caller, id, is_published)?;
    Ok(Answer::Ok(shown::<AppObjects>(call, &object)?))
}

pub(crate) fn delete(call: &Call) -> Result<Answer, Problem> {
    call.repository.delete_object(&call.caller, ObjectId(call.id()?))?;
    Ok(Answer::NoContent)
}
