//! Methods of objects that are about what they are: properties, patches, children, layout.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Call;
use crate::document::{Document, Object, check_definitions, generic_type, keep_identity};
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::layout::{self, definition::Computer, items};
use crate::patch::Patch;
use crate::session::Session;
use crate::trail;
use crate::view;

/// Children below children are handled to this depth; nobody nests sheets deeper.
const MAX_TREE: usize = 16;

pub(super) fn get_layout(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let object = call.object(document)?;
    trail::viewed(call, document.app, &object);
    Ok(json!({ "qLayout": object_layout(call, document, &object) }))
}

/// The whole layout of an object, its envelope included.
pub(super) fn object_layout(call: &Call<'_>, document: &Document, object: &Object) -> Value {
    let effective = document.effective(&call.view, object);
    let computer = Computer::new(call, document).of_object(object.id.clone());
    let body = layout::transform(&effective, &computer);
    let mut layout = Map::new();
    layout.insert("qInfo".to_owned(), body.get("qInfo").cloned().unwrap_or_else(|| json!({})));
    layout.insert("qMeta".to_owned(), items::meta(&call.view, object, body.get("qMeta")));
    layout.insert("qSelectionInfo".to_owned(), selection_info(document, &object.id));
    if document.has_soft_patches(&object.id) {
        layout.insert("qHasSoftPatches".to_owned(), json!(true));
    }
    for (name, value) in body {
        if !matches!(name.as_str(), "qInfo" | "qMeta" | "qSelectionInfo") {
            layout.insert(name, value);
        }
    }
    Value::Object(layout)
}

fn selection_info(document: &Document, id: &str) -> Value {
    match &document.modal {
        Some(modal) if &*modal.object == id => json!({
            "qInSelections": true,
            "qMadeSelections": modal.has_made_selections,
        }),
        _ => json!({}),
    }
}

pub(super) fn get_properties(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let object = call.object(session.document()?)?;
    Ok(json!({ "qProp": *object.properties }))
}

pub(super) fn get_effective_properties(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let object = call.object(document)?;
    Ok(json!({ "qProp": document.effective(&call.view, &object) }))
}

pub(super) fn get_info(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let object = call.object(session.document()?)?;
    Ok(json!({ "qInfo": info(&object.properties) }))
}

pub(super) fn set_properties(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let properties = call.params.object(0)?.clone();
    let document = session.document_mut()?;
    let object = call.object(document)?;
    let effects = store_properties(call, document, &object, properties)?;
    Ok((json!({}), effects))
}

pub(super) fn apply_patches(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let patches =
        call.params.list(0)?.iter().map(Patch::read).collect::<Result<Vec<Patch>, Fault>>()?;
    let document = session.document_mut()?;
    let object = call.object(document)?;
    let effects = if call.params.flag(1)? {
        document.add_soft_patches(&call.view, &object, patches)?;
        Effects::of(Target::Object(object.id))
    } else {
        let mut properties = (*object.properties).clone();
        for patch in &patches {
            patch.apply(&mut properties)?;
        }
        store_properties(call, document, &object, properties)?
    };
    Ok((json!({}), effects))
}

pub(super) fn clear_soft_patches(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let document = session.document_mut()?;
    let object = call.object(document)?;
    let effects = if document.clear_soft_patches(&object.id) {
        Effects::of(Target::Object(object.id))
    } else {
        Effects::none()
    };
    Ok((json!({}), effects))
}

pub(super) fn get_full_property_tree(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let object = call.object(document)?;
    Ok(json!({ "qPropEntry": property_tree(call, document, &object, 0) }))
}

/// Replaces an object and its children: children that the tree names stay, others go.
pub(super) fn set_full_property_tree(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let tree = call.params.object(0)?.clone();
    let document = session.document_mut()?;
    let object = call.object(document)?;
    let effects = set_tree(call, document, &object, &tree, 0)?;
    Ok((json!({}), effects))
}

pub(super) fn get_child(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let id = call.params.required_text(0)?;
    let document = session.document()?;
    let parent = call.object(document)?;
    let child = document
        .object(&call.view, &id)
        .filter(|child| child.parent.as_ref() == Some(&parent.id))
        .ok_or_else(|| Fault::object_not_found(id))?;
    hand_out(call, &child)
}

pub(super) fn get_child_infos(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let object = call.object(document)?;
    let infos: Vec<Value> = document
        .children(&call.view, &object.id)
        .iter()
        .filter_map(|id| document.object(&call.view, id))
        .map(|child| info(&child.properties))
        .collect();
    Ok(json!({ "qInfos": infos }))
}

pub(super) fn get_parent(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let object = call.object(document)?;
    let parent = object
        .parent
        .as_ref()
        .and_then(|id| document.object(&call.view, id))
        .ok_or_else(|| Fault::object_not_found(&*object.id))?;
    hand_out(call, &parent)
}

pub(super) fn create_child(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let properties = call.params.object(0)?.clone();
    let document = session.document_mut()?;
    let parent = call.object(document)?;
    let (id, effects) = make_child(call, document, &parent, properties)?;
    let effects = effects.and(set_for_this(call, document, &parent, 1)?);
    let view = call.socket.view();
    let child = document.object(&view, &id).ok_or_else(|| Fault::object_not_found(&*id))?;
    let mut answer = hand_out(call, &child)?;
    answer["qInfo"] = info(&child.properties);
    Ok((answer, effects))
}

pub(super) fn destroy_child(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let id = call.params.required_text(0)?;
    let document = session.document_mut()?;
    let parent = call.object(document)?;
    let child = document
        .object(&call.view, &id)
        .filter(|child| child.parent.as_ref() == Some(&parent.id))
        .ok_or_else(|| Fault::object_not_found(id))?;
    let effects = destroy(call, document, &child)?;
    let effects = effects.and(set_for_this(call, document, &parent, 1)?);
    Ok((json!({ "qSuccess": true }), effects))
}

pub(super) fn destroy_all_children(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let document = session.document_mut()?;
    let parent = call.object(document)?;
    let mut effects = Effects::none();
    for id in document.children(&call.view, &parent.id) {
        if let Some(child) = document.object(&call.view, &id) {
            effects = effects.and(destroy(call, document, &child)?);
        }
    }
    let effects = effects.and(set_for_this(call, document, &parent, 0)?);
    Ok((json!({}), effects))
}

pub(super) fn set_child_array_order(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let order: Vec<Arc<str>> = call.params.texts(0)?.into_iter().map(Arc::from).collect();
    let document = session.document_mut()?;
    let parent = call.object(document)?;
    if parent.stored.is_some() {
        return Err(Fault::access_denied());
    }
    if !document.set_session_children(&parent.id, order) {
        return Err(Fault::invalid_parameters("qIds"));
    }
    let mut effects = Effects::none();
    effects.parents.insert(parent.id);
    Ok((json!({}), effects))
}

/// Objects that are made from this one.
pub(super) fn get_linked_objects(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let id = call.target.id();
    let linked: Vec<Value> = call
        .view
        .objects()
        .map(|stored| &stored.properties)
        .chain(document.session_objects().map(|(_, properties)| properties))
        .filter(|properties| uses(properties, id))
        .map(|properties| json!({ "qInfo": info(properties), "qRootPath": "" }))
        .collect();
    Ok(json!({ "qItems": linked }))
}

/// The object interface of an object on the caller's socket.
pub(super) fn hand_out(call: &Call<'_>, object: &Object) -> Result<Value, Fault> {
    let target = Target::Object(object.id.clone());
    let interface = call.socket.interface(&target, object.generic_type(), &object.id)?;
    Ok(json!({ "qReturn": interface }))
}

/// `qInfo` of properties.
pub(super) fn info(properties: &Value) -> Value {
    properties.get("qInfo").cloned().unwrap_or_else(|| json!({}))
}

/// Makes an object of the session or, below a stored parent, of the app.
fn make_child(
    call: &Call<'_>,
    document: &mut Document,
    parent: &Object,
    mut properties: Value,
) -> Result<(Arc<str>, Effects), Fault> {
    let (id, effects) = if parent.stored.is_some() {
        let id = document.claim_id(&call.socket.view(), &mut properties)?;
        (id.clone(), view::create(call, document.app, properties, Some(&parent.id))?)
    } else {
        let view = call.socket.view();
        let id = document.create_session_object(&view, properties, Some(&parent.id))?;
        (id, Effects { items: true, ..Effects::default() })
    };
    Ok((id, effects.and(Effects { parents: [parent.id.clone()].into(), ..Effects::default() })))
}

/// Removes an object and everything in it.
pub(super) fn destroy(
    call: &Call<'_>,
    document: &mut Document,
    object: &Object,
) -> Result<Effects, Fault> {
    match &object.stored {
        None => document
            .destroy_session_object(&object.id)
            .ok_or_else(|| Fault::object_not_found(&*object.id)),
        Some(stored) => {
            let mut effects = Effects::none();
            for id in document.children(&call.view, &object.id) {
                if let Some(child) = document.object(&call.view, &id) {
                    effects = effects.and(destroy(call, document, &child)?);
                }
            }
            effects = effects.and(view::delete(call, document.app, stored)?);
            Ok(effects.and(document.forget(&object.id)))
        }
    }
}

/// Writes properties where the object lives.
pub(super) fn store_properties(
    call: &Call<'_>,
    document: &mut Document,
    object: &Object,
    mut properties: Value,
) -> Result<Effects, Fault> {
    check_definitions(&properties)?;
    let effects = match &object.stored {
        None => {
            document.set_session_properties(&object.id, properties)?;
            Effects { items: true, ..Effects::default() }
        }
        Some(stored) => {
            keep_identity(&mut properties, &object.properties);
            view::update(call, document.app, stored, properties)?
        }
    };
    let mut own = Effects::of(Target::Object(object.id.clone()));
    own.parents.extend(object.parent.clone());
    Ok(effects.and(own))
}

fn set_for_this(
    call: &Call<'_>,
    document: &mut Document,
    parent: &Object,
    at: usize,
) -> Result<Effects, Fault> {
    match call.params.value(at) {
        Value::Object(members) if !members.is_empty() => {
            let properties = Value::Object(members.clone());
            store_properties(call, document, parent, properties)
        }
        _ => Ok(Effects::none()),
    }
}

fn property_tree(call: &Call<'_>, document: &Document, object: &Object, depth: usize) -> Value {
    let children: Vec<Value> = if depth < MAX_TREE {
        document
            .children(&call.view, &object.id)
            .iter()
            .filter_map(|id| document.object(&call.view, id))
            .map(|child| property_tree(call, document, &child, depth + 1))
            .collect()
    } else {
        Vec::new()
    };
    json!({ "qProperty": *object.properties, "qChildren": children, "qEmbeddedSnapshotRef": null })
}

fn set_tree(
    call: &Call<'_>,
    document: &mut Document,
    object: &Object,
    tree: &Value,
    depth: usize,
) -> Result<Effects, Fault> {
    if depth >= MAX_TREE {
        return Err(Fault::invalid_parameters("qChildren"));
    }
    let mut effects = Effects::none();
    if let Some(properties @ Value::Object(_)) = tree.get("qProperty") {
        effects = effects.and(store_properties(call, document, object, properties.clone())?);
    }
    let wanted = crate::wire::items_at(tree, "qChildren");
    let named: Vec<&str> = wanted
        .iter()
        .filter_map(|entry| entry.pointer("/qProperty/qInfo/qId").and_then(Value::as_str))
        .collect();
    for id in document.children(&call.socket.view(), &object.id) {
        if !named.contains(&&*id)
            && let Some(child) = document.object(&call.socket.view(), &id)
        {
            effects = effects.and(destroy(call, document, &child)?);
        }
    }
    for entry in wanted {
        let properties = entry.get("qProperty").cloned().unwrap_or_else(|| json!({}));
        let existing = properties
            .pointer("/qInfo/qId")
            .and_then(Value::as_str)
            .and_then(|id| document.object(&call.socket.view(), id))
            .filter(|child| child.parent.as_ref() == Some(&object.id));
        let child = match existing {
            Some(child) => child,
            None => {
                let (id, made) = make_child(call, document, object, properties)?;
                effects = effects.and(made);
                document
                    .object(&call.socket.view(), &id)
                    .ok_or_else(|| Fault::object_not_found(&*id))?
            }
        };
        effects = effects.and(set_tree(call, document, &child, entry, depth + 1)?);
    }
    effects.parents.insert(object.id.clone());
    Ok(effects)
}

/// Whether properties are made from the item `id`.
fn uses(properties: &Value, id: &str) -> bool {
    match properties {
        Value::Object(members) => members.iter().any(|(name, value)| {
            matches!(name.as_str(), "qLibraryId" | "qExtendsId") && value.as_str() == Some(id)
                || uses(value, id)
        }),
        Value::Array(items) => items.iter().any(|item| uses(item, id)),
        _ => false,
    }
}

/// Whether an object is one that `GetObject` finds.
pub(super) fn is_plain_object(properties: &Value) -> bool {
    !matches!(generic_type(properties), "dimension" | "measure" | "bookmark" | "variable")
}
