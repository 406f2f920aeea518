//! Variables. A value that somebody sets holds for their engine session; the definition that the
//! script or the app gave stays what it is.

use std::sync::Arc;

use loggia_engine::Value as EngineValue;
use serde_json::{Value, json};

use super::Call;
use crate::document::Document;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::layout::definition::Computer;
use crate::layout::items;
use crate::session::Session;
use crate::wire::{self, read_number, text_at};

/// Variables and bytes of one definition that an engine session may set.
const MAX_VARIABLES: usize = 1_000;
const MAX_DEFINITION: usize = 64 * 1024;

/// Ids of variables that are not kept in the app.
const PREFIX: &str = "variable:";

type Answer = Result<(Value, Effects), Fault>;

pub(super) fn get_by_id(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let id = call.params.required_text(0)?;
    let document = session.document()?;
    if name_of(call, document, &id).is_none() {
        return Err(Fault::object_not_found(id));
    }
    hand_out(call, &id)
}

pub(super) fn get_by_name(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let name = call.params.required_text(0)?;
    let document = session.document()?;
    if document.variable(&call.view, &name).is_none() {
        return Err(Fault::object_not_found(name));
    }
    let id = id_of(call, &name);
    hand_out(call, &id)
}

pub(super) fn create_session_variable(call: &Call<'_>, session: &mut Session) -> Answer {
    let properties = call.params.object(0)?;
    let name = text_at(properties, "qName").to_owned();
    let definition = text_at(properties, "qDefinition").to_owned();
    if name.is_empty() {
        return Err(Fault::invalid_params("qName"));
    }
    let document = session.document_mut()?;
    if document.variable(&call.view, &name).is_some() {
        return Err(Fault::already_exists(name));
    }
    let effects = set(call, document, &name, &definition)?;
    let id = id_of(call, &name);
    let mut answer = hand_out(call, &id)?;
    answer["qInfo"] = json!({ "qId": id, "qType": "variable" });
    Ok((answer, effects))
}

pub(super) fn destroy_session_variable(call: &Call<'_>, session: &mut Session) -> Answer {
    let id = call.params.required_text(0)?;
    let document = session.document_mut()?;
    let name = id.strip_prefix(PREFIX).unwrap_or(&id);
    let is_removed = document.variables.remove(name).is_some();
    let mut effects = Effects { data: is_removed, items: is_removed, ..Effects::default() };
    if is_removed && document.variable(&call.view, name).is_none() {
        effects.closed.insert(Target::Variable(id_of(call, name).into()));
    }
    Ok((json!({ "qSuccess": is_removed }), effects))
}

pub(super) fn get_layout(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let name = own_name(call, document)?;
    let definition = document.variable(&call.view, &name).unwrap_or_default();
    let computer = Computer::new(call, document);
    let value = if definition.trim_start().starts_with('=') {
        computer.evaluate(&definition, "$").unwrap_or(EngineValue::Null)
    } else {
        EngineValue::interpret(&definition)
    };
    let meta = match call.view.library_item(call.target.id(), "variable") {
        Some(item) => items::stored_meta(&call.view, item, item.properties.get("qMetaDef")),
        None => json!({ "privileges": ["read"] }),
    };
    Ok(json!({ "qLayout": {
        "qInfo": { "qId": call.target.id(), "qType": "variable" },
        "qMeta": meta,
        "qText": value.text(),
        "qNum": wire::number_or_nan(value.number()),
        "qIsScriptCreated": document.loaded.variables.contains_key(&*name),
    } }))
}

pub(super) fn get_properties(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let name = own_name(call, document)?;
    if let Some(item) = call.view.library_item(call.target.id(), "variable") {
        return Ok(json!({ "qProp": *item.properties }));
    }
    Ok(json!({ "qProp": {
        "qInfo": { "qId": call.target.id(), "qType": "variable" },
        "qMetaDef": {},
        "qName": name,
        "qComment": "",
        "qDefinition": document.variable(&call.view, &name).as_deref().unwrap_or_default(),
    } }))
}

pub(super) fn get_info(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    own_name(call, session.document()?)?;
    Ok(json!({ "qInfo": { "qId": call.target.id(), "qType": "variable" } }))
}

pub(super) fn get_raw_content(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let name = own_name(call, document)?;
    let definition = document.variable(&call.view, &name);
    Ok(json!({ "qReturn": definition.as_deref().unwrap_or_default() }))
}

pub(super) fn set_string_value(call: &Call<'_>, session: &mut Session) -> Answer {
    let text = call.params.text(0)?;
    set_own(call, session, &text)
}

pub(super) fn set_number_value(call: &Call<'_>, session: &mut Session) -> Answer {
    let number = read_number(call.params.value(0)).ok_or_else(|| Fault::invalid_params("qVal"))?;
    set_own(call, session, &wire::number(number).to_string())
}

pub(super) fn set_dual_value(call: &Call<'_>, session: &mut Session) -> Answer {
    let text = call.params.text(0)?;
    set_own(call, session, &text)
}

fn set_own(call: &Call<'_>, session: &mut Session, definition: &str) -> Answer {
    let document = session.document_mut()?;
    let name = own_name(call, document)?;
    let effects = set(call, document, &name, definition)?;
    Ok((json!({}), effects.and(Effects::of(call.target.clone()))))
}

fn set(
    call: &Call<'_>,
    document: &mut Document,
    name: &str,
    definition: &str,
) -> Result<Effects, Fault> {
    if document.variables.len() >= MAX_VARIABLES || definition.len() > MAX_DEFINITION {
        return Err(Fault::limit("variables"));
    }
    let is_new = document.variable(&call.view, name).is_none();
    document.variables.insert(name.into(), definition.into());
    Ok(Effects { data: true, items: is_new, ..Effects::default() })
}

fn hand_out(call: &Call<'_>, id: &str) -> Result<Value, Fault> {
    let target = Target::Variable(id.into());
    Ok(json!({ "qReturn": call.socket.interface(&target, "variable", id)? }))
}

fn own_name(call: &Call<'_>, document: &Document) -> Result<Arc<str>, Fault> {
    let id = call.target.id();
    name_of(call, document, id).ok_or_else(|| Fault::object_not_found(id))
}

fn name_of(call: &Call<'_>, document: &Document, id: &str) -> Option<Arc<str>> {
    if let Some(item) = call.view.library_item(id, "variable") {
        return Some(text_at(&item.properties, "qName").into());
    }
    let name = id.strip_prefix(PREFIX)?;
    document.variable(&call.view, name).map(|_| name.into())
}

fn id_of(call: &Call<'_>, name: &str) -> String {
    call.view
        .items()
        .filter(|item| item.generic_type() == "variable")
        .find(|item| text_at(&item.properties, "qName") == name)
        .map_or_else(|| format!("{PREFIX}{name}"), |item| item.id.to_string())
}
