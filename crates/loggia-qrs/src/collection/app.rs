//! `/app`

use std::sync::Arc;

use loggia_model::entity::App;
use loggia_model::{AppId, RequestContext, StreamId};
use loggia_repository::{AppEdit, ManageError, Resource};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collection, show, shown};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::schema::{APP, Schema};
use crate::wire::{self, View};

pub(crate) struct Apps;

impl Collection for Apps {
    type Entity = Arc<App>;

    const SCHEMA: &'static Schema = &APP;

    fn list(call: &Call) -> Result<Vec<Arc<App>>, ManageError> {
        call.repository.apps(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<Arc<App>, ManageError> {
        call.repository.app(&call.caller, AppId(id))
    }

    fn condensed(view: &View<'_>, app: &Arc<App>) -> Value {
        json!({
            "id": app.id,
            "appId": "",
            "name": app.name,
            "publishTime": wire::date_or_never(app.publish_time),
            "published": app.is_published(),
            "stream": app.stream.map(|stream| view.stream(stream)),
            "savedInProductVersion": "",
            "migrationHash": "",
            "availabilityStatus": 0,
            "privileges": view.privileges(&Resource::App(app.id)),
        })
    }

    fn full(view: &View<'_>, app: &Arc<App>) -> Value {
        let own = json!({
            "customProperties": wire::properties(&app.custom_properties, &app.stamp),
            "owner": view.owner(app.owner),
            "tags": wire::tags(&app.tags),
            "sourceAppId": "",
            "targetAppId": "",
            "description": app.description,
            "thumbnail": app.thumbnail,
            "fileSize": app.file_size,
            "lastReloadTime": wire::date_or_never(app.last_reload),
            "dynamicColor": "",
        });
        wire::full(view, app.id.0, &app.stamp, APP.name, Apps::condensed(view, app), own)
    }
}

/// The apps that the hub shows: in streams, by the rules of the hub.
pub(crate) fn hub_list(call: &Call) -> Result<Answer, Problem> {
    show::<Apps>(call, hub_apps(call)?, Apps::condensed).map(Answer::Ok)
}

pub(crate) fn hub_list_full(call: &Call) -> Result<Answer, Problem> {
    show::<Apps>(call, hub_apps(call)?, Apps::full).map(Answer::Ok)
}

fn hub_apps(call: &Call) -> Result<Vec<Arc<App>>, Problem> {
    let mut caller = call.caller.clone();
    caller.context = RequestContext::Hub;
    let streams = call.repository.hub(&caller)?;
    Ok(streams.iter().flat_map(|stream| &stream.apps).map(|app| app.app.clone()).collect())
}

pub(crate) fn create(call: &Call) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let id = body.id().map(AppId);
    let edit = read(call, body)?;
    let app = call.repository.create_app(&call.caller, id, edit)?;
    Ok(Answer::Created(shown::<Apps>(call, &app)?))
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = AppId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let edit = read(call, body)?;
    let app = call.repository.update_app(&call.caller, id, basis, edit)?;
    Ok(Answer::Ok(shown::<Apps>(call, &app)?))
}

pub(crate) fn publish(call: &Call) -> Result<Answer, Problem> {
    let id = AppId(call.id()?);
    let stream = call.query.get("stream").unwrap_or_default();
    let stream: StreamId = stream.parse().map_err(|_| {
        Problem::bad(format!("stream is {stream:?}, expected the id of the stream to publish to"))
    })?;
    let name = call.query.get("name").filter(|name| !name.is_empty()).map(str::to_owned);
    let app = call.repository.publish_app(&call.caller, id, stream, name)?;
    Ok(Answer::Ok(shown::<Apps>(call, &app)?))
}

pub(crate) fn unpublish(call: &Call) -> Result<Answer, Problem> {
    let app = call.repository.unpublish_app(&call.caller, AppId(call.id()?))?;
    Ok(Answer::Ok(shown::<Apps>(call, &app)?))
}

pub(crate) fn delete(call: &Call) -> Result<Answer, Problem> {
    call.repository.delete_app(&call.caller, AppId(call.id()?))?;
    Ok(Answer::NoContent)
}

pub(crate) fn read(call: &Call, mut body: Body) -> Result<AppEdit, Problem> {
    let edit = AppEdit {
        name: body.text("name"),
        description: body.text("description"),
        thumbnail: body.text("thumbnail"),
        owner: body.owner(),
        custom_properties: body.properties(&call.repository),
        tags: body.tags(&call.repository),
    };
    body.finish()?;
    Ok(edit)
}
