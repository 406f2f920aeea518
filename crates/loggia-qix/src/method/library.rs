//! Master dimensions and measures.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Call;
use super::object::info;
use crate::document::keep_identity;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::{Kind, Target};
use crate::layout::{self, definition::Computer, items};
use crate::patch::Patch;
use crate::session::Session;
use crate::view::{self, StoredItem};

type Answer = Result<(Value, Effects), Fault>;

pub(super) fn get_dimension(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    hand_out(call, "dimension", &call.params.text(0)?)
}

pub(super) fn get_measure(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    hand_out(call, "measure", &call.params.text(0)?)
}

pub(super) fn create_dimension(call: &Call<'_>, session: &mut Session) -> Answer {
    create(call, session, "dimension", call.params.object(0)?.clone())
}

pub(super) fn create_measure(call: &Call<'_>, session: &mut Session) -> Answer {
    create(call, session, "measure", call.params.object(0)?.clone())
}

pub(super) fn destroy_dimension(call: &Call<'_>, session: &mut Session) -> Answer {
    destroy(call, session, "dimension")
}

pub(super) fn destroy_measure(call: &Call<'_>, session: &mut Session) -> Answer {
    destroy(call, session, "measure")
}

/// The layout of a dimension or measure: its members, what the server knows, what its fields are like.
pub(super) fn get_layout(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let item = own_item(call)?;
    let computer = Computer::new(call, document);
    let mut layout = Map::new();
    for (name, value) in layout::transform(&item.properties, &computer) {
        layout.insert(name, value);
    }
    let own = layout.get("qMeta").cloned();
    layout.insert("qMeta".to_owned(), items::stored_meta(&call.view, item, own.as_ref()));
    if item.generic_type() == "dimension" {
        let infos = items::dimension_infos(&computer, &item.properties);
        layout.insert("qDimInfos".to_owned(), infos);
    }
    Ok(json!({ "qLayout": layout }))
}

pub(super) fn get_properties(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    Ok(json!({ "qProp": *own_item(call)?.properties }))
}

pub(super) fn get_info(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    Ok(json!({ "qInfo": info(&own_item(call)?.properties) }))
}

pub(super) fn get_inner_dimension(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    let dimension = own_item(call)?.properties.get("qDim").cloned();
    Ok(json!({ "qDim": dimension.unwrap_or_else(|| json!({})) }))
}

pub(super) fn get_inner_measure(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    let measure = own_item(call)?.properties.get("qMeasure").cloned();
    Ok(json!({ "qMeasure": measure.unwrap_or_else(|| json!({})) }))
}

pub(super) fn set_properties(call: &Call<'_>, session: &mut Session) -> Answer {
    let mut properties = call.params.object(0)?.clone();
    let item = own_item(call)?;
    keep_identity(&mut properties, &item.properties);
    store(call, session, item, properties)
}

pub(super) fn apply_patches(call: &Call<'_>, session: &mut Session) -> Answer {
    let item = own_item(call)?;
    let mut properties = (*item.properties).clone();
    for patch in call.params.list(0)? {
        Patch::read(patch)?.apply(&mut properties)?;
    }
    keep_identity(&mut properties, &item.properties);
    store(call, session, item, properties)
}

/// Makes a library item and hands it out.
pub(super) fn create(
    call: &Call<'_>,
    session: &mut Session,
    generic_type: &str,
    mut properties: Value,
) -> Answer {
    let document = session.document_mut()?;
    let id = document.claim_id(&call.view, &mut properties)?;
    if let Some(Value::Object(info)) = properties.get_mut("qInfo") {
        info.insert("qType".to_owned(), json!(generic_type));
    }
    let info = info(&properties);
    let effects = view::create(call, document.app, properties, None)?;
    let target = target_of(generic_type, id.clone());
    let interface = call.socket.interface(&target, generic_type, &id)?;
    Ok((json!({ "qInfo": info, "qReturn": interface }), effects))
}

/// Removes a library item by the id in the first parameter.
pub(super) fn destroy(call: &Call<'_>, session: &mut Session, generic_type: &str) -> Answer {
    let id = call.params.required_text(0)?;
    let document = session.document_mut()?;
    let item =
        call.view.library_item(&id, generic_type).ok_or_else(|| Fault::object_not_found(id))?;
    let effects = view::delete(call, document.app, item)?;
    Ok((json!({ "qSuccess": true }), effects))
}

/// The object interface of a library item.
pub(super) fn hand_out(call: &Call<'_>, generic_type: &str, id: &str) -> Result<Value, Fault> {
    let item =
        call.view.library_item(id, generic_type).ok_or_else(|| Fault::object_not_found(id))?;
    let target = target_of(generic_type, item.id.clone());
    let interface = call.socket.interface(&target, generic_type, &item.id)?;
    Ok(json!({ "qReturn": interface }))
}

/// The item that the call's handle stands for.
pub(super) fn own_item<'a>(call: &'a Call<'_>) -> Result<&'a Arc<StoredItem>, Fault> {
    let generic_type = match call.target.kind() {
        Kind::Dimension => "dimension",
        Kind::Measure => "measure",
        Kind::Bookmark => "bookmark",
        _ => return Err(Fault::invalid_handle()),
    };
    let id = call.target.id();
    call.view.library_item(id, generic_type).ok_or_else(|| Fault::object_not_found(id))
}

fn store(call: &Call<'_>, session: &mut Session, item: &StoredItem, properties: Value) -> Answer {
    let document = session.document_mut()?;
    let effects = view::update(call, document.app, item, properties)?;
    Ok((json!({}), effects.and(Effects::of(call.target.clone()))))
}

fn target_of(generic_type: &str, id: Arc<str>) -> Target {
    match generic_type {
        "dimension" => Target::Dimension(id),
        "measure" => Target::Measure(id),
        _ => Target::Bookmark(id),
    }
}
