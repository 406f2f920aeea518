//! Selections that objects make: in cubes, in lists, in modal mode or not.

use loggia_engine::cube::{MeasureRange, Picked, PivotPick, RangeMode};
use loggia_engine::list::{List, ListDef};
use loggia_engine::model::FieldId;
use loggia_engine::selection::{Locks, Mass, Pick, SelectError, Selections};
use serde_json::{Value, json};

use super::Call;
use super::data::{Located, locate, locate_cube};
use crate::document::{Document, Place};
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::layout::{definition::Computer, list};
use crate::session::Session;
use crate::wire::{flag_at, integer_at, items_at, read_number, text_at};

type Answer = Result<(Value, Effects), Fault>;

pub(super) fn begin_selections(call: &Call<'_>, session: &mut Session) -> Answer {
    let document = session.document_mut()?;
    let object = call.object(document)?;
    Ok((json!({}), document.begin_modal(&object.id, call.socket.number)?))
}

/// Ending twice is no fault: clients send it again when a page closes.
pub(super) fn end_selections(call: &Call<'_>, session: &mut Session) -> Answer {
    let is_accepted = call.params.flag(0)?;
    let document = session.document_mut()?;
    let effects = if is_modal(document, call.target.id()) {
        document.end_modal(is_accepted)
    } else {
        Effects::none()
    };
    Ok((json!({}), effects))
}

pub(super) fn reset_made_selections(call: &Call<'_>, session: &mut Session) -> Answer {
    let document = session.document_mut()?;
    let effects =
        if is_modal(document, call.target.id()) { document.reset_modal() } else { Effects::none() };
    Ok((json!({}), effects))
}

pub(super) fn clear_selections(call: &Call<'_>, session: &mut Session) -> Answer {
    on_fields(call, session, |selections, state, field| {
        selections.cleared(state, field, Locks::Respect).ok()
    })
}

pub(super) fn lock(call: &Call<'_>, session: &mut Session) -> Answer {
    on_fields(call, session, |selections, state, field| selections.locked(state, field).ok())
}

pub(super) fn unlock(call: &Call<'_>, session: &mut Session) -> Answer {
    on_fields(call, session, |selections, state, field| selections.unlocked(state, field).ok())
}

pub(super) fn select_hyper_cube_values(call: &Call<'_>, session: &mut Session) -> Answer {
    let dimension = dimension_number(call.params.integer(1, 0)?)?;
    let values = small_numbers(&call.params.integers(2)?);
    let pick = if call.params.flag(3)? { Pick::Toggle } else { Pick::Replace };
    let document = session.document_mut()?;
    let located = locate_cube(call, document)?;
    if dimension >= located.cube.dimensions.len() {
        return Err(Fault::invalid_params("qDimNo"));
    }
    document.check_turn(&located.object.id)?;
    let picked = located.cube.picked_values(dimension, &values).map(|picked| vec![picked]);
    take(document, &located.state, picked, pick, Locks::Respect)
}

pub(super) fn select_hyper_cube_cells(call: &Call<'_>, session: &mut Session) -> Answer {
    let rows = positions(&call.params.integers(1)?)?;
    let columns = positions(&call.params.integers(2)?)?;
    let locks = locks(call, 3)?;
    let is_deselecting = call.params.flag(4)?;
    let document = session.document_mut()?;
    let located = locate_cube(call, document)?;
    document.check_turn(&located.object.id)?;
    let picked = located.cube.picked_cells(&rows, &columns);
    take_or_clear(document, &located.state, picked, locks, is_deselecting)
}

pub(super) fn select_pivot_cells(call: &Call<'_>, session: &mut Session) -> Answer {
    let cells: Vec<PivotPick> = call.params.list(1)?.iter().map(pivot_pick).collect();
    let locks = locks(call, 2)?;
    let is_deselecting = call.params.flag(3)?;
    let document = session.document_mut()?;
    let located = locate_cube(call, document)?;
    document.check_turn(&located.object.id)?;
    let picked = located.cube.picked_pivot_cells(&cells);
    take_or_clear(document, &located.state, picked, locks, is_deselecting)
}

pub(super) fn range_select(call: &Call<'_>, session: &mut Session) -> Answer {
    let ranges: Vec<MeasureRange> = call.params.list(1)?.iter().map(measure_range).collect();
    let columns = positions(&call.params.integers(2)?)?;
    let mode = range_mode(call, 3)?;
    let is_deselecting = call.params.flag(4)?;
    let document = session.document_mut()?;
    let located = locate_cube(call, document)?;
    document.check_turn(&located.object.id)?;
    let picked = located.cube.picked_ranges(&ranges, &columns, mode);
    take_or_clear(document, &located.state, picked, Locks::Respect, is_deselecting)
}

/// The union of several rectangles of ranges.
pub(super) fn multi_range_select(call: &Call<'_>, session: &mut Session) -> Answer {
    let mode = range_mode(call, 2)?;
    let is_deselecting = call.params.flag(3)?;
    let document = session.document_mut()?;
    let located = locate_cube(call, document)?;
    document.check_turn(&located.object.id)?;
    let mut union: Vec<Picked> = Vec::new();
    for rectangle in call.params.list(1)? {
        let ranges: Vec<MeasureRange> =
            items_at(rectangle, "qRanges").iter().map(measure_range).collect();
        let columns: Vec<i64> =
            items_at(rectangle, "qColumnsToSelect").iter().filter_map(Value::as_i64).collect();
        let Ok(picked) = located.cube.picked_ranges(&ranges, &positions(&columns)?, mode) else {
            continue;
        };
        add_up(&mut union, picked);
    }
    let picked = if union.is_empty() { Err(SelectError::Nothing) } else { Ok(union) };
    take_or_clear(document, &located.state, picked, Locks::Respect, is_deselecting)
}

/// Dimension values whose number is in a range.
pub(super) fn select_continuous_range(call: &Call<'_>, session: &mut Session) -> Answer {
    let locks = locks(call, 2)?;
    let document = session.document_mut()?;
    let located = locate_cube(call, document)?;
    document.check_turn(&located.object.id)?;
    let mut union: Vec<Picked> = Vec::new();
    for entry in call.params.list(1)? {
        let dimension = dimension_number(integer_at(entry, "qDimIx", 0))?;
        if let Ok(picked) = located.cube.picked_numbers(dimension, &measure_range(entry)) {
            add_up(&mut union, vec![picked]);
        }
    }
    let picked = if union.is_empty() { Err(SelectError::Nothing) } else { Ok(union) };
    take(document, &located.state, picked, Pick::Replace, locks)
}

pub(super) fn select_list_object_values(call: &Call<'_>, session: &mut Session) -> Answer {
    let values = small_numbers(&call.params.integers(1)?);
    let pick = if call.params.flag(2)? { Pick::Toggle } else { Pick::Replace };
    let locks = locks(call, 3)?;
    let document = session.document_mut()?;
    let (located, _, list) = locate_list(call, document)?;
    document.check_turn(&located.object.id)?;
    let picked = list.picked_values(&values).map(|picked| vec![picked]);
    take(document, &located.state, picked, pick, locks)
}

pub(super) fn select_list_object_all(call: &Call<'_>, session: &mut Session) -> Answer {
    select_mass(call, session, Mass::All)
}

pub(super) fn select_list_object_possible(call: &Call<'_>, session: &mut Session) -> Answer {
    select_mass(call, session, Mass::Possible)
}

pub(super) fn select_list_object_alternative(call: &Call<'_>, session: &mut Session) -> Answer {
    select_mass(call, session, Mass::Alternative)
}

pub(super) fn select_list_object_excluded(call: &Call<'_>, session: &mut Session) -> Answer {
    select_mass(call, session, Mass::Excluded)
}

/// Narrows the list to what matches; an empty text takes the search back.
pub(super) fn search_list_object_for(call: &Call<'_>, session: &mut Session) -> Answer {
    let text = call.params.text(1)?;
    let document = session.document_mut()?;
    let located = locate(call, document, "/qListObjectDef")?;
    let id = located.object.id.clone();
    let place = Place { object: id.clone(), path: located.path };
    if text.is_empty() {
        document.searches.remove(&place);
    } else {
        document.searches.insert(place, text);
    }
    Ok((json!({ "qSuccess": true }), Effects::of(Target::Object(id))))
}

/// Selects everything that matches and ends the search. With toggle it adds to the selection.
pub(super) fn accept_list_object_search(call: &Call<'_>, session: &mut Session) -> Answer {
    let is_adding = call.params.flag(1)?;
    let locks = locks(call, 2)?;
    let document = session.document_mut()?;
    let (located, def, list) = locate_list(call, document)?;
    document.check_turn(&located.object.id)?;
    let matches =
        if def.search.is_empty() { Err(SelectError::Nothing) } else { list.picked_matches() };
    let picked = matches.map(|mut picked| {
        if is_adding && let Some(selected) = document.selections.field(&located.state, picked.field)
        {
            picked.elements.extend_from_slice(selected.elements());
        }
        vec![picked]
    });
    let (answer, effects) = take(document, &located.state, picked, Pick::Replace, locks)?;
    Ok((answer, effects.and(end_search(document, &located))))
}

pub(super) fn abort_list_object_search(call: &Call<'_>, session: &mut Session) -> Answer {
    let document = session.document_mut()?;
    let located = locate(call, document, "/qListObjectDef")?;
    Ok((json!({}), end_search(document, &located)))
}

fn end_search(document: &mut Document, located: &Located) -> Effects {
    let place = Place { object: located.object.id.clone(), path: located.path.clone() };
    if document.searches.remove(&place).is_some() {
        Effects::of(Target::Object(place.object))
    } else {
        Effects::none()
    }
}

fn select_mass(call: &Call<'_>, session: &mut Session, mass: Mass) -> Answer {
    let locks = locks(call, 1)?;
    let document = session.document_mut()?;
    let (located, def, list) = locate_list(call, document)?;
    document.check_turn(&located.object.id)?;
    let Some(field) = list.dimension.field else { return failed() };
    let calculator = &document.loaded.calculator;
    let selections = if !def.search.is_empty() && matches!(mass, Mass::All | Mass::Possible) {
        // During a search the list is all there is.
        list.picked_matches().and_then(|picked| {
            calculator.select(
                &document.selections,
                &located.state,
                picked.field,
                &picked.elements,
                Pick::Replace,
                locks,
            )
        })
    } else {
        calculator.select_mass(&document.selections, &located.state, field, mass, locks)
    };
    match selections {
        Ok(selections) => Ok((json!({ "qSuccess": true }), document.select(selections))),
        Err(_) => failed(),
    }
}

/// Takes over picked values; a refusal is an answer, not a fault.
fn take(
    document: &mut Document,
    state: &str,
    picked: Result<Vec<Picked>, SelectError>,
    pick: Pick,
    locks: Locks,
) -> Answer {
    let Ok(picked) = picked else { return failed() };
    let calculator = &document.loaded.calculator;
    let mut selections = document.selections.clone();
    for Picked { field, elements } in picked {
        match calculator.select(&selections, state, field, &elements, pick, locks) {
            Ok(changed) => selections = changed,
            Err(_) => return failed(),
        }
    }
    Ok((json!({ "qSuccess": true }), document.select(selections)))
}

/// As [`take`], but picking the only selected value again clears it when the client says so.
fn take_or_clear(
    document: &mut Document,
    state: &str,
    picked: Result<Vec<Picked>, SelectError>,
    locks: Locks,
    is_deselecting: bool,
) -> Answer {
    let picked = picked.map(|mut picked| {
        for Picked { field, elements } in &mut picked {
            let selected = document.selections.field(state, *field);
            let is_the_only_one = elements.len() == 1
                && selected.is_some_and(|selected| selected.elements() == elements.as_slice());
            if is_deselecting && is_the_only_one {
                elements.clear();
            }
        }
        picked
    });
    take(document, state, picked, Pick::Replace, locks)
}

/// Applies a change to the fields of an object's definition: those of the named columns, or all.
fn on_fields(
    call: &Call<'_>,
    session: &mut Session,
    change: impl Fn(&Selections, &str, FieldId) -> Option<Selections>,
) -> Answer {
    let columns = positions(&call.params.integers(1)?)?;
    let document = session.document_mut()?;
    let path = call.params.text(0)?;
    let (object, state, fields) = if path.contains("qListObject") {
        let (located, _, list) = locate_list(call, document)?;
        (located.object.id, located.state, vec![list.dimension.field])
    } else {
        let located = locate_cube(call, document)?;
        let fields = located
            .cube
            .dimensions
            .iter()
            .enumerate()
            .filter(|(at, _)| columns.is_empty() || columns.contains(at))
            .map(|(_, dimension)| dimension.field)
            .collect();
        (located.object.id, located.state, fields)
    };
    document.check_turn(&object)?;
    let mut selections = document.selections.clone();
    for field in fields.into_iter().flatten() {
        if let Some(changed) = change(&selections, &state, field) {
            selections = changed;
        }
    }
    Ok((json!({}), document.select(selections)))
}

fn locate_list(
    call: &Call<'_>,
    document: &Document,
) -> Result<(Located, ListDef, std::sync::Arc<List>), Fault> {
    let located = locate(call, document, "/qListObjectDef")?;
    let computer = Computer::new(call, document).of_object(located.object.id.clone());
    let (_, def) = list::read(&computer, &located.definition, &located.path, &located.state);
    let list =
        list::compute(&computer, &def, &located.state).map_err(|error| Fault::of_list(&error))?;
    Ok((located, def, list))
}

fn is_modal(document: &Document, object: &str) -> bool {
    document.modal.as_ref().is_some_and(|modal| &*modal.object == object)
}

fn failed() -> Answer {
    Ok((json!({ "qSuccess": false }), Effects::none()))
}

fn add_up(union: &mut Vec<Picked>, picked: Vec<Picked>) {
    for Picked { field, elements } in picked {
        match union.iter_mut().find(|known| known.field == field) {
            Some(known) => known.elements.extend(elements),
            None => union.push(Picked { field, elements }),
        }
    }
}

fn measure_range(entry: &Value) -> MeasureRange {
    let null = Value::Null;
    let range = entry.get("qRange").unwrap_or(&null);
    let bound = |name: &str, open: f64| {
        range.get(name).and_then(read_number).filter(|bound| !bound.is_nan()).unwrap_or(open)
    };
    MeasureRange {
        measure: usize::try_from(integer_at(entry, "qMeasureIx", 0)).unwrap_or(usize::MAX),
        min: bound("qMin", f64::NEG_INFINITY),
        max: bound("qMax", f64::INFINITY),
        min_included: flag_at(range, "qMinInclEq"),
        max_included: flag_at(range, "qMaxInclEq"),
    }
}

fn pivot_pick(entry: &Value) -> PivotPick {
    let at = |name: &str| usize::try_from(integer_at(entry, name, 0)).ok();
    let (row, column) = (at("qRow"), at("qCol"));
    match text_at(entry, "qType") {
        "L" | "NX_DIM_CELL_LEFT" => PivotPick::Left { row, level: column.unwrap_or(0) },
        "T" | "NX_DIM_CELL_TOP" => PivotPick::Top { level: row.unwrap_or(0), column },
        _ => PivotPick::Data { row: row.unwrap_or(0), column: column.unwrap_or(0) },
    }
}

fn range_mode(call: &Call<'_>, at: usize) -> Result<RangeMode, Fault> {
    Ok(if call.params.flag(at)? { RangeMode::Any } else { RangeMode::All })
}

fn locks(call: &Call<'_>, at: usize) -> Result<Locks, Fault> {
    Ok(if call.params.flag(at)? { Locks::Override } else { Locks::Respect })
}

fn dimension_number(number: i64) -> Result<usize, Fault> {
    usize::try_from(number).map_err(|_| Fault::invalid_params("qDimNo"))
}

fn positions(numbers: &[i64]) -> Result<Vec<usize>, Fault> {
    numbers
        .iter()
        .map(|number| usize::try_from(*number).map_err(|_| Fault::invalid_params("indices")))
        .collect()
}

/// Element numbers, special ones included; what is out of range cannot be one.
fn small_numbers(numbers: &[i64]) -> Vec<i32> {
    numbers.iter().filter_map(|number| i32::try_from(*number).ok()).collect()
}
