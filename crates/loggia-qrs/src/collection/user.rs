//! `/user`

use std::sync::Arc;

use loggia_model::entity::User;
use loggia_model::{UserId, UserKey};
use loggia_repository::{ManageError, Resource, UserEdit};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collection, shown};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::schema::{Schema, USER};
use crate::wire::{self, View};

pub(crate) struct Users;

impl Collection for Users {
    type Entity = Arc<User>;

    const SCHEMA: &'static Schema = &USER;

    fn list(call: &Call) -> Result<Vec<Arc<User>>, ManageError> {
        call.repository.users(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<Arc<User>, ManageError> {
        call.repository.user(&call.caller, UserId(id))
    }

    fn condensed(view: &View<'_>, user: &Arc<User>) -> Value {
        json!({
            "id": user.id,
            "userId": user.key.id(),
            "userDirectory": user.key.directory(),
            "userDirectoryConnectorName": wire::connector_name(view.site, user),
            "name": user.name,
            "privileges": view.privileges(&Resource::User(user.id)),
        })
    }

    fn full(view: &View<'_>, user: &Arc<User>) -> Value {
        let is_internal = user.key.directory().eq_ignore_ascii_case(UserKey::INTERNAL_DIRECTORY);
        let external = user.external.as_ref().map_or("", |external| &external.id);
        let attributes: Vec<_> = user
            .attributes
            .iter()
            .map(|(kind, value)| {
                json!({ "attributeType": kind, "attributeValue": value, "externalId": external })
            })
            .collect();
        let own = json!({
            "customProperties": wire::properties(&user.custom_properties, &user.stamp),
            "roles": user.roles,
            "attributes": attributes,
            "inactive": user.is_inactive,
            "removedExternally": user.is_removed_externally(),
            "blacklisted": user.is_blocked,
            "deleteProhibited": is_internal,
            "tags": wire::tags(&user.tags),
        });
        wire::full(view, user.id.0, &user.stamp, USER.name, Users::condensed(view, user), own)
    }
}

pub(crate) fn create(call: &Call) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let id = body.id().map(UserId);
    let edit = read(call, body)?;
    let user = call.repository.create_user(&call.caller, id, edit)?;
    Ok(Answer::Created(shown::<Users>(call, &user)?))
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = UserId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let edit = read(call, body)?;
    let user = call.repository.update_user(&call.caller, id, basis, edit)?;
    Ok(Answer::Ok(shown::<Users>(call, &user)?))
}

pub(crate) fn delete(call: &Call) -> Result<Answer, Problem> {
    call.repository.delete_user(&call.caller, UserId(call.id()?))?;
    Ok(Answer::NoContent)
}

pub(crate) fn read(call: &Call, mut body: Body) -> Result<UserEdit, Problem> {
    let key = match (body.text("userDirectory"), body.text("userId")) {
        (Some(directory), Some(id)) => match UserKey::new(&directory, &id) {
            Ok(key) => Some(key),
            Err(error) => {
                body.problem("userId", error.to_string());
                None
            }
        },
        _ => None,
    };
    let attributes = attributes(&mut body);
    let edit = UserEdit {
        key,
        name: body.text("name").filter(|name| !name.is_empty()),
        roles: body.texts("roles"),
        attributes,
        custom_properties: body.properties(&call.repository),
        tags: body.tags(&call.repository),
        is_inactive: body.flag("inactive"),
        is_blocked: body.flag("blacklisted"),
    };
    body.finish()?;
    Ok(edit)
}

fn attributes(body: &mut Body) -> Option<Vec<(String, String)>> {
    let value = body.value("attributes")?;
    let read = value.as_array().and_then(|elements| {
        elements
            .iter()
            .map(|element| {
                let kind = element.get("attributeType")?.as_str()?.to_owned();
                Some((kind, element.get("attributeValue")?.as_str()?.to_owned()))
            })
            .collect::<Option<Vec<_>>>()
    });
    if read.is_none() {
        body.problem("attributes", "expected a list of {attributeType, attributeValue}");
    }
    read
}
