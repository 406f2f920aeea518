//! Bookmarks: selections kept by value.

use serde_json::{Map, Value, json};

use super::Call;
use super::library::{self, own_item};
use crate::effect::Effects;
use crate::fault::Fault;
use crate::layout::{self, definition::Computer, items, selection};
use crate::session::Session;

type Answer = Result<(Value, Effects), Fault>;

pub(super) fn get_bookmark(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    library::hand_out(call, "bookmark", &call.params.text(0)?)
}

/// Keeps what is selected now.
pub(super) fn create_bookmark(call: &Call<'_>, session: &mut Session) -> Answer {
    let mut properties = call.params.object(0)?.clone();
    let document = session.document()?;
    properties["qBookmark"] = selection::to_bookmark(&document.loaded.model, &document.selections);
    library::create(call, session, "bookmark", properties)
}

pub(super) fn destroy_bookmark(call: &Call<'_>, session: &mut Session) -> Answer {
    library::destroy(call, session, "bookmark")
}

pub(super) fn apply(call: &Call<'_>, session: &mut Session) -> Answer {
    let properties = own_item(call)?.properties.clone();
    apply_kept(session, &properties)
}

pub(super) fn apply_by_id(call: &Call<'_>, session: &mut Session) -> Answer {
    let id = call.params.required_text(0)?;
    let Some(item) = call.view.library_item(&id, "bookmark") else {
        return Ok((json!({ "qSuccess": false }), Effects::none()));
    };
    let properties = item.properties.clone();
    apply_kept(session, &properties)
}

pub(super) fn get_layout(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let item = own_item(call)?;
    let computer = Computer::new(call, document);
    let mut layout: Map<String, Value> = layout::transform(&item.properties, &computer);
    let own = layout.get("qMeta").cloned();
    layout.insert("qMeta".to_owned(), items::stored_meta(&call.view, item, own.as_ref()));
    layout.entry("qFieldInfos").or_insert_with(|| json!([]));
    Ok(json!({ "qLayout": layout }))
}

fn apply_kept(session: &mut Session, properties: &Value) -> Answer {
    let document = session.document_mut()?;
    let ended = document.end_modal(true);
    let selections = selection::from_bookmark(&document.loaded.model, properties);
    Ok((json!({ "qSuccess": true }), ended.and(document.select(selections))))
}
