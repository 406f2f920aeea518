//! Lists of what an app holds: objects, children, dimensions, measures, bookmarks, variables.

use serde_json::{Map, Value, json};

use super::definition::Computer;
use super::{Resolver, expression_text};
use crate::document::Object;
use crate::view::{StoredItem, View};
use crate::wire::{flag_at, text_at};

/// Variables that every script has and that steer formats.
const RESERVED: [&str; 20] = [
    "BrokenWeeks",
    "CollationLocale",
    "DateFormat",
    "DayNames",
    "DecimalSep",
    "FirstMonthOfYear",
    "FirstWeekDay",
    "LongDayNames",
    "LongMonthNames",
    "MoneyDecimalSep",
    "MoneyFormat",
    "MoneyThousandSep",
    "MonthNames",
    "NumericalAbbreviation",
    "ReferenceDay",
    "ThousandSep",
    "TimeFormat",
    "TimestampFormat",
    "CreateSearchIndexOnReload",
    "ErrorMode",
];

/// Objects of one type in the app.
pub(crate) fn app_object_list(computer: &Computer<'_>, definition: &Value) -> Value {
    let generic_type = text_at(definition, "qType");
    let items: Vec<Value> = computer
        .view
        .objects()
        .filter(|stored| generic_type.is_empty() || stored.generic_type() == generic_type)
        .map(|stored| stored_item(computer, stored, definition))
        .collect();
    json!({ "qItems": items })
}

/// Children of `parent`.
pub(crate) fn child_list(computer: &Computer<'_>, parent: &str, definition: &Value) -> Value {
    let items: Vec<Value> = computer
        .document
        .children(computer.view, parent)
        .iter()
        .filter_map(|id| computer.document.object(computer.view, id))
        .map(|child| {
            let meta = meta(computer.view, &child, child.properties.get("qMetaDef"));
            item(computer, &child.properties, meta, &Value::Null, definition)
        })
        .collect();
    json!({ "qItems": items })
}

/// Dimensions, measures or bookmarks.
pub(crate) fn library_list(
    computer: &Computer<'_>,
    generic_type: &str,
    definition: &Value,
) -> Value {
    let items: Vec<Value> = computer
        .view
        .items()
        .filter(|stored| stored.generic_type() == generic_type)
        .map(|stored| stored_item(computer, stored, definition))
        .collect();
    json!({ "qItems": items })
}

/// Variables of the script, of the app and of the session.
pub(crate) fn variable_list(computer: &Computer<'_>, definition: &Value) -> Value {
    let shows_reserved = flag_at(definition, "qShowReserved");
    let shows_session = flag_at(definition, "qShowSession");
    let mut items = Vec::new();
    let stored: Vec<_> =
        computer.view.items().filter(|item| item.generic_type() == "variable").collect();
    for item in &stored {
        let name = text_at(&item.properties, "qName");
        let mut entry = stored_item(computer, item, definition);
        entry["qName"] = json!(name);
        entry["qDescription"] = json!(text_at(&item.properties, "qComment"));
        entry["qDefinition"] = json!(text_at(&item.properties, "qDefinition"));
        items.push(entry);
    }
    let is_stored =
        |name: &str| stored.iter().any(|item| text_at(&item.properties, "qName") == name);
    for (name, value) in &computer.document.loaded.variables {
        let is_reserved = RESERVED.contains(&&**name);
        if is_stored(name) || (is_reserved && !shows_reserved) {
            continue;
        }
        let mut entry = script_variable(name, value);
        entry["qIsScriptCreated"] = json!(true);
        if is_reserved {
            entry["qIsReserved"] = json!(true);
        }
        items.push(entry);
    }
    if shows_session {
        for (name, value) in &computer.document.variables {
            let is_known = is_stored(name) || computer.document.loaded.variables.contains_key(name);
            if !is_known {
                items.push(script_variable(name, value));
            }
        }
    }
    json!({ "qItems": items })
}

/// `qMeta`: what the client wrote, then what the server knows.
pub(crate) fn meta(view: &View, object: &Object, own: Option<&Value>) -> Value {
    match &object.stored {
        Some(stored) => stored_meta(view, stored, own),
        None => {
            let mut meta = own.and_then(Value::as_object).cloned().unwrap_or_default();
            let all = json!(["read", "update", "delete", "exportdata"]);
            meta.insert("privileges".to_owned(), all);
            Value::Object(meta)
        }
    }
}

/// `qMeta` of something stored.
pub(crate) fn stored_meta(view: &View, stored: &StoredItem, own: Option<&Value>) -> Value {
    let mut meta = own.and_then(Value::as_object).cloned().unwrap_or_default();
    stored.add_meta(view, &mut meta);
    Value::Object(meta)
}

/// `qDimInfos` of a master dimension: what its fields are like.
pub(crate) fn dimension_infos(computer: &Computer<'_>, properties: &Value) -> Value {
    let model = &computer.document.loaded.model;
    properties
        .pointer("/qDim/qFieldDefs")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|definition| {
            let text = definition.as_str().unwrap_or_default();
            match computer.document.field(text) {
                Some(field) => {
                    let info = model.field_info(field);
                    json!({
                        "qName": &*info.name,
                        "qApprMaxGlyphCount": 0,
                        "qCardinal": info.cardinality,
                        "qTags": info.tags,
                        "qIsSemantic": false,
                        "qAndMode": false,
                    })
                }
                None => json!({
                    "qName": text,
                    "qApprMaxGlyphCount": 0,
                    "qCardinal": 0,
                    "qTags": [],
                    "qIsSemantic": false,
                    "qAndMode": false,
                }),
            }
        })
        .collect()
}

/// The members of `qData`, each found by its pointer. One that points nowhere is an empty text:
/// clients tell a missing member from an empty one.
pub(crate) fn picked(
    computer: &Computer<'_>,
    wanted: &Value,
    properties: &Value,
    meta: &Value,
    extra: &Value,
) -> Value {
    let mut data = Map::new();
    for (name, pointer) in wanted.as_object().into_iter().flatten() {
        let pointer = pointer.as_str().unwrap_or_default();
        let found = find(pointer, properties, meta, extra).cloned().unwrap_or_else(|| json!(""));
        data.insert(name.clone(), computed(computer, found));
    }
    Value::Object(data)
}

fn find<'a>(
    pointer: &str,
    properties: &'a Value,
    meta: &'a Value,
    extra: &'a Value,
) -> Option<&'a Value> {
    if let Some(in_meta) = pointer.strip_prefix("/qMeta/") {
        return meta.pointer(&format!("/{in_meta}"));
    }
    let direct = properties.pointer(pointer).or_else(|| extra.pointer(pointer));
    // `/title` means the title wherever this kind of thing keeps it.
    direct.or_else(|| {
        ["/qMetaDef", "/qDim", "/qMeasure"]
            .iter()
            .find_map(|place| properties.pointer(&format!("{place}{pointer}")))
            .or_else(|| meta.pointer(pointer))
    })
}

/// The value of an expression, where the member is one.
fn computed(computer: &Computer<'_>, value: Value) -> Value {
    if let Some(expression) = value.get("qStringExpression").and_then(expression_text) {
        return computer.text(expression, "$");
    }
    if let Some(expression) = value.get("qValueExpression").and_then(expression_text) {
        return computer.number(expression, "$");
    }
    value
}

fn stored_item(computer: &Computer<'_>, stored: &StoredItem, definition: &Value) -> Value {
    let meta = stored_meta(computer.view, stored, stored.properties.get("qMetaDef"));
    let extra = if stored.generic_type() == "dimension" {
        json!({ "qDimInfos": dimension_infos(computer, &stored.properties) })
    } else {
        Value::Null
    };
    item(computer, &stored.properties, meta, &extra, definition)
}

fn item(
    computer: &Computer<'_>,
    properties: &Value,
    meta: Value,
    extra: &Value,
    definition: &Value,
) -> Value {
    let wanted = definition.get("qData").unwrap_or(&Value::Null);
    let data = picked(computer, wanted, properties, &meta, extra);
    json!({
        "qInfo": properties.get("qInfo").cloned().unwrap_or_else(|| json!({})),
        "qMeta": meta,
        "qData": data,
    })
}

fn script_variable(name: &str, value: &str) -> Value {
    json!({
        "qName": name,
        "qDescription": "",
        "qDefinition": value,
        "qInfo": { "qId": format!("variable:{name}"), "qType": "variable" },
        "qMeta": { "privileges": ["read"] },
        "qData": {},
    })
}
