//! Methods of a field: selections in it by value, by element or by search text.

use loggia_engine::model::FieldId;
use loggia_engine::selection::{Locks, Mass, Pick, SelectError, Selections};
use serde_json::{Value, json};

use super::Call;
use crate::document::Document;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::layout::definition::Computer;
use crate::session::Session;
use crate::wire::{read_number, text_at};

type Answer = Result<(Value, Effects), Fault>;

pub(super) fn clear(call: &Call<'_>, session: &mut Session) -> Answer {
    change(call, session, |document, state, field| {
        document.selections.cleared(state, field, Locks::Respect)
    })
}

pub(super) fn clear_all_but_this(call: &Call<'_>, session: &mut Session) -> Answer {
    let locks = locks(call, 0)?;
    change(call, session, |document, state, field| {
        Ok(document.selections.others_cleared(state, field, locks))
    })
}

pub(super) fn select(call: &Call<'_>, session: &mut Session) -> Answer {
    select_matches(call, session, Pick::Replace)
}

pub(super) fn toggle_select(call: &Call<'_>, session: &mut Session) -> Answer {
    select_matches(call, session, Pick::Toggle)
}

pub(super) fn select_values(call: &Call<'_>, session: &mut Session) -> Answer {
    let values = call.params.list(0)?.to_vec();
    let pick = pick(call, 1)?;
    let locks = locks(call, 2)?;
    change(call, session, |document, state, field| {
        let elements: Vec<u32> =
            values.iter().filter_map(|value| element_of(document, field, value)).collect();
        if elements.is_empty() && !values.is_empty() {
            return Err(SelectError::NoSuchValue);
        }
        let calculator = &document.loaded.calculator;
        calculator.select(&document.selections, state, field, &elements, pick, locks)
    })
}

pub(super) fn low_level_select(call: &Call<'_>, session: &mut Session) -> Answer {
    let elements = elements(&call.params.integers(0)?);
    let pick = pick(call, 1)?;
    let locks = locks(call, 2)?;
    change(call, session, |document, state, field| {
        let calculator = &document.loaded.calculator;
        calculator.select(&document.selections, state, field, &elements, pick, locks)
    })
}

pub(super) fn select_all(call: &Call<'_>, session: &mut Session) -> Answer {
    select_mass(call, session, Mass::All)
}

pub(super) fn select_possible(call: &Call<'_>, session: &mut Session) -> Answer {
    select_mass(call, session, Mass::Possible)
}

pub(super) fn select_excluded(call: &Call<'_>, session: &mut Session) -> Answer {
    select_mass(call, session, Mass::Excluded)
}

pub(super) fn select_alternative(call: &Call<'_>, session: &mut Session) -> Answer {
    select_mass(call, session, Mass::Alternative)
}

pub(super) fn lock(call: &Call<'_>, session: &mut Session) -> Answer {
    change(call, session, |document, state, field| document.selections.locked(state, field))
}

pub(super) fn unlock(call: &Call<'_>, session: &mut Session) -> Answer {
    change(call, session, |document, state, field| document.selections.unlocked(state, field))
}

pub(super) fn get_cardinal(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let (_, field) = place(call, document)?;
    Ok(json!({ "qReturn": document.loaded.model.field_info(field).cardinality }))
}

pub(super) fn get_nx_properties(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    place(call, session.document()?)?;
    Ok(json!({ "qProperties": { "qOneAndOnlyOne": false } }))
}

pub(super) fn get_and_mode(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    place(call, session.document()?)?;
    Ok(json!({ "qReturn": false }))
}

/// Element numbers from the wire; what cannot be one is left out.
pub(super) fn elements(numbers: &[i64]) -> Vec<u32> {
    numbers.iter().filter_map(|number| u32::try_from(*number).ok()).collect()
}

fn select_matches(call: &Call<'_>, session: &mut Session, pick: Pick) -> Answer {
    let text = call.params.text(0)?;
    let locks = locks(call, 1)?;
    change(call, session, |document, state, field| {
        let elements = Computer::new(call, document).matches(field, &text, state);
        if elements.is_empty() {
            return Err(SelectError::NoSuchValue);
        }
        let calculator = &document.loaded.calculator;
        calculator.select(&document.selections, state, field, &elements, pick, locks)
    })
}

fn select_mass(call: &Call<'_>, session: &mut Session, mass: Mass) -> Answer {
    let locks = locks(call, 0)?;
    change(call, session, |document, state, field| {
        let calculator = &document.loaded.calculator;
        calculator.select_mass(&document.selections, state, field, mass, locks)
    })
}

/// Applies a change to the field. A selection here is no part of an object's modal step, so it ends
/// that step first, keeping it.
fn change(
    call: &Call<'_>,
    session: &mut Session,
    make: impl FnOnce(&Document, &str, FieldId) -> Result<Selections, SelectError>,
) -> Answer {
    let document = session.document_mut()?;
    let (state, field) = place(call, document)?;
    let ended = document.end_modal(true);
    match make(document, &state, field) {
        Ok(selections) => Ok((json!({ "qReturn": true }), ended.and(document.select(selections)))),
        Err(_) => Ok((json!({ "qReturn": false }), ended)),
    }
}

fn place(call: &Call<'_>, document: &Document) -> Result<(String, FieldId), Fault> {
    let Target::Field { name, state } = &call.target else { return Err(Fault::invalid_handle()) };
    // A reload may have taken the field away.
    let field = document.field(name).ok_or_else(|| Fault::not_found(&**name))?;
    Ok((state.to_string(), field))
}

fn element_of(document: &Document, field: FieldId, value: &Value) -> Option<u32> {
    let model = &document.loaded.model;
    let is_numeric = crate::wire::flag_at(value, "qIsNumeric");
    let number = value.get("qNumber").and_then(read_number).filter(|_| is_numeric);
    let value = match number {
        Some(number) => loggia_engine::Value::from_number(number),
        None => loggia_engine::Value::from_text(text_at(value, "qText")),
    };
    model.element(field, &value).or_else(|| {
        // A text may be how a number is shown.
        let text = value.text();
        let cardinality = u32::try_from(model.field_info(field).cardinality).unwrap_or(u32::MAX);
        (0..cardinality).find(|&element| model.value(field, element).text() == text)
    })
}

fn pick(call: &Call<'_>, at: usize) -> Result<Pick, Fault> {
    Ok(if call.params.flag(at)? { Pick::Toggle } else { Pick::Replace })
}

fn locks(call: &Call<'_>, at: usize) -> Result<Locks, Fault> {
    Ok(if call.params.flag(at)? { Locks::Override } else { Locks::Respect })
}
