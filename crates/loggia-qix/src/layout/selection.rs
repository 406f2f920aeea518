//! The selections bar: what is selected, field by field, and what bookmarks keep of it.

use loggia_engine::model::DataModel;
use loggia_engine::selection::Selections;
use serde_json::{Value, json};

use super::definition::Computer;
use crate::wire::{flag_at, items_at, text_at};

/// Up to this many selected values are written out.
const THRESHOLD: usize = 6;

/// The layout of a selection object in `state`.
pub(crate) fn layout(computer: &Computer<'_>, state: &str) -> Value {
    let document = computer.document;
    let model = &document.loaded.model;
    let view = document.loaded.calculator.view(&document.selections, state);
    let entries: Vec<Value> = document
        .selections
        .in_order(state)
        .into_iter()
        .map(|(field, selection)| {
            let info = model.field_info(field);
            let counts = *view.states(field).counts();
            let elements = selection.elements();
            let names: Vec<String> = elements
                .iter()
                .take(THRESHOLD)
                .map(|&element| model.value(field, element).text().into_owned())
                .collect();
            let selected = if elements.len() == info.cardinality && elements.len() > THRESHOLD {
                "ALL".to_owned()
            } else if elements.len() > THRESHOLD {
                format!("{} of {}", elements.len(), info.cardinality)
            } else {
                names.join(", ")
            };
            let shown: &[String] = if elements.len() > THRESHOLD { &[] } else { &names };
            json!({
                "qField": &*info.name,
                "qReadableName": &*info.name,
                "qSelected": selected,
                "qSelectedCount": elements.len(),
                "qTotal": info.cardinality,
                "qIsNum": info.is_numeric,
                "qLocked": selection.is_locked(),
                "qOneAndOnlyOne": false,
                "qTextSearch": "",
                "qSortIndex": 0,
                "qSelectionThreshold": THRESHOLD,
                "qIsHidden": info.is_hidden,
                "qRangeInfo": [],
                "qStateCounts": {
                    "qLocked": counts.locked,
                    "qSelected": counts.selected,
                    "qOption": counts.optional,
                    "qDeselected": counts.deselected,
                    "qAlternative": counts.alternative,
                    "qExcluded": counts.excluded,
                    "qSelectedExcluded": counts.selected_excluded,
                    "qLockedExcluded": counts.locked_excluded,
                },
                "qSelectedFieldSelectionInfo": shown
                    .iter()
                    .map(|name| json!({ "qName": name, "qFieldSelectionMode": "NORMAL" }))
                    .collect::<Vec<_>>(),
                "qNotSelectedFieldSelectionInfo": [],
                "qDimensionReferences": dimension_references(computer, &info.name),
            })
        })
        .collect();
    json!({
        "qBackCount": document.back.len(),
        "qForwardCount": document.forward.len(),
        "qSelections": entries,
        "qStateName": state,
    })
}

/// What a bookmark keeps: the selected values of each field in each state, by value rather than by
/// element, so that they hold after a reload.
pub(crate) fn to_bookmark(model: &DataModel, selections: &Selections) -> Value {
    let states: Vec<Value> = selections
        .states()
        .map(|state| {
            let fields: Vec<Value> = selections
                .in_order(state)
                .into_iter()
                .map(|(field, selection)| {
                    let info = model.field_info(field);
                    let values: Vec<Value> = selection
                        .elements()
                        .iter()
                        .map(|&element| value_wire(model.value(field, element)))
                        .collect();
                    json!({
                        "qDef": { "qName": &*info.name, "qType": "PRESENT" },
                        "qSelectInfo": {
                            "qTextSearch": "",
                            "qRangeLo": "NaN",
                            "qRangeHi": "NaN",
                            "qNumberFormat": { "qType": "U" },
                            "qRangeInfo": [],
                        },
                        "qValues": values,
                        "qExcludedValues": [],
                        "qAndMode": false,
                        "qOneAndOnlyOne": false,
                        "qLocked": selection.is_locked(),
                    })
                })
                .collect();
            json!({ "qStateName": &**state, "qFieldItems": fields })
        })
        .collect();
    json!({ "qStateData": states, "qVariableItems": [], "qPatches": [] })
}

/// The selections that a bookmark's properties keep; values that are gone are left out.
pub(crate) fn from_bookmark(model: &DataModel, properties: &Value) -> Selections {
    let null = Value::Null;
    let kept = properties.get("qBookmark").unwrap_or(&null);
    let mut selections = Selections::new();
    for state_data in items_at(kept, "qStateData") {
        let state = text_at(state_data, "qStateName");
        for item in items_at(state_data, "qFieldItems") {
            let name = item.pointer("/qDef/qName").and_then(Value::as_str).unwrap_or_default();
            let Some(field) = model.field(name) else { continue };
            let elements: Vec<u32> = items_at(item, "qValues")
                .iter()
                .filter_map(|value| model.element(field, &value_read(value)))
                .collect();
            if elements.is_empty() {
                continue;
            }
            selections = selections.with(state, field, &elements);
            if flag_at(item, "qLocked") {
                selections = selections.locked(state, field).unwrap_or(selections);
            }
        }
    }
    selections
}

fn value_wire(value: &loggia_engine::Value) -> Value {
    json!({
        "qText": value.text(),
        "qIsNumeric": value.number().is_some(),
        "qNumber": value.number().map_or(json!("NaN"), crate::wire::number),
    })
}

fn value_read(wire: &Value) -> loggia_engine::Value {
    let number = wire.get("qNumber").and_then(crate::wire::read_number);
    match number.filter(|number| flag_at(wire, "qIsNumeric") && !number.is_nan()) {
        Some(number) => loggia_engine::Value::number_shown_as(number, text_at(wire, "qText")),
        None => loggia_engine::Value::from_text(text_at(wire, "qText")),
    }
}

/// Master dimensions over a field, so that a client can show their titles.
fn dimension_references(computer: &Computer<'_>, field: &str) -> Vec<Value> {
    computer
        .view
        .items()
        .filter(|item| item.generic_type() == "dimension")
        .filter(|item| {
            item.properties
                .pointer("/qDim/qFieldDefs")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .any(|definition| definition.trim_matches(['[', ']', '=']) == field)
        })
        .map(|item| {
            let title = item.properties.pointer("/qMetaDef/title").and_then(Value::as_str);
            json!({ "qId": &*item.id, "qLabel": title.unwrap_or(field) })
        })
        .collect()
}
