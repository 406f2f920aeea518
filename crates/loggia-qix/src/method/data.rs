//! Pages of what an object computes, and the open nodes of its pivots.

use loggia_engine::cube::{Cube, CubeError, Side};
use serde_json::{Value, json};

use super::Call;
use crate::document::{Document, Object};
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::layout::cube::{self, CubeSource};
use crate::layout::pages::{self, Extent};
use crate::layout::{self, definition::Computer, list};
use crate::patch;
use crate::session::Session;
use crate::wire::{MAX_CELLS, Page};

type Answer = Result<(Value, Effects), Fault>;

/// A definition within an object, as a call names it.
pub(super) struct Located {
    pub(super) object: Object,
    pub(super) definition: Value,
    pub(super) path: String,
    pub(super) state: String,
}

/// A cube that a call is about, and how it was computed.
pub(super) struct LocatedCube {
    pub(super) object: Object,
    pub(super) path: String,
    pub(super) state: String,
    pub(super) source: CubeSource,
    pub(super) cube: std::sync::Arc<Cube>,
}

pub(super) fn get_hyper_cube_data(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let located = locate_cube(call, document)?;
    let pages = pages(call, Extent::of_cube(&located.cube))?;
    let pages: Vec<Value> =
        pages.into_iter().map(|page| cube::straight_page(&located.cube, page)).collect();
    Ok(json!({ "qDataPages": pages }))
}

/// The zoom factor thins nothing out: what fits into a page is given as it is.
pub(super) fn get_hyper_cube_reduced_data(
    call: &Call<'_>,
    session: &Session,
) -> Result<Value, Fault> {
    let document = session.document()?;
    let located = locate_cube(call, document)?;
    let pages = Extent::of_rows(&located.cube)
        .thinned_pages(call.params.list(1)?)
        .ok_or_else(Fault::pages_too_large)?;
    // Rows without numbers have no extremes to keep: they are cut off instead.
    let has_numbers = located.cube.measures.iter().any(|info| info.error.is_none());
    let pages: Vec<Value> = pages
        .into_iter()
        .map(|(page, limit)| {
            let height = if has_numbers { page.height } else { page.height.min(limit) };
            let area = cube::area(Page { height, ..page });
            cube::matrix_page(&located.cube.reduced(area, limit))
        })
        .collect();
    Ok(json!({ "qDataPages": pages }))
}

pub(super) fn get_hyper_cube_stack_data(
    call: &Call<'_>,
    session: &Session,
) -> Result<Value, Fault> {
    let document = session.document()?;
    let located = locate_cube(call, document)?;
    let limit = call.params.integer(2, 10_000)?.max(0);
    let limit = usize::try_from(limit).unwrap_or(MAX_CELLS);
    let pages = pages::few_pages(call.params.list(1)?)
        .and_then(|pages| cube::stack_pages(&located.cube, &pages, limit))
        .ok_or_else(Fault::pages_too_large)?;
    Ok(json!({ "qDataPages": pages }))
}

pub(super) fn get_hyper_cube_pivot_data(
    call: &Call<'_>,
    session: &Session,
) -> Result<Value, Fault> {
    let document = session.document()?;
    let located = locate_cube(call, document)?;
    let pages = pages(call, Extent::of_cube(&located.cube))?;
    let computer = Computer::new(call, document).of_object(located.object.id.clone());
    let titles = cube::measure_titles(&computer, &located.source, &located.cube, &located.state);
    let pages: Vec<Value> =
        pages.into_iter().map(|page| cube::pivot_page(&located.cube, page, &titles)).collect();
    Ok(json!({ "qDataPages": pages }))
}

pub(super) fn get_list_object_data(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let located = locate(call, document, "/qListObjectDef")?;
    let computer = Computer::new(call, document).of_object(located.object.id.clone());
    let (_, def) = list::read(&computer, &located.definition, &located.path, &located.state);
    let list =
        list::compute(&computer, &def, &located.state).map_err(|error| Fault::of_list(&error))?;
    let pages = pages(call, Extent::of_list(&list))?;
    let pages: Vec<Value> = pages.into_iter().map(|page| list::page(&list, page)).collect();
    Ok(json!({ "qDataPages": pages }))
}

pub(super) fn expand_left(call: &Call<'_>, session: &mut Session) -> Answer {
    set_expanded(call, session, Side::Left, true)
}

pub(super) fn expand_top(call: &Call<'_>, session: &mut Session) -> Answer {
    set_expanded(call, session, Side::Top, true)
}

pub(super) fn collapse_left(call: &Call<'_>, session: &mut Session) -> Answer {
    set_expanded(call, session, Side::Left, false)
}

pub(super) fn collapse_top(call: &Call<'_>, session: &mut Session) -> Answer {
    set_expanded(call, session, Side::Top, false)
}

/// The definition that the call's first parameter names; `usual` where it names none.
pub(super) fn locate(call: &Call<'_>, document: &Document, usual: &str) -> Result<Located, Fault> {
    let object = call.object(document)?;
    let effective = document.effective(&call.view, &object);
    let given = call.params.text(0)?;
    let path = match given.as_str() {
        "" => usual.to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{path}"),
    };
    // Some clients name the definition by its name in the layout.
    let path = if patch::find(&effective, &path).is_none() { format!("{path}Def") } else { path };
    let definition = patch::find(&effective, &path)
        .filter(|definition| definition.is_object())
        .cloned()
        .ok_or_else(|| Fault::invalid_path(given))?;
    let state = layout::state_at(&effective, &path);
    Ok(Located { object, definition, path, state })
}

/// The computed cube that the call's first parameter names.
pub(super) fn locate_cube(call: &Call<'_>, document: &Document) -> Result<LocatedCube, Fault> {
    let Located { object, mut definition, path, state } = locate(call, document, "/qHyperCubeDef")?;
    if path.contains("/qAttributeDimensions/") {
        // A legend asks for the values of an attribute dimension: a cube of that dimension alone.
        definition = json!({ "qDimensions": [{
            "qDef": {
                "qFieldDefs": [definition.get("qDef").cloned().unwrap_or_default()],
                "qSortCriterias": [{ "qSortByNumeric": 1, "qSortByAscii": 1 }],
            },
            "qLibraryId": definition.get("qLibraryId").cloned().unwrap_or_default(),
            "qNullSuppression": true,
        }] });
    }
    let computer = Computer::new(call, document).of_object(object.id.clone());
    let source = cube::read(&computer, &definition, &path, &state);
    let cube = cube::compute(&computer, &source, &state).map_err(|error| match error {
        CubeError::Condition { .. } => Fault::invalid_state(),
        CubeError::TooManyGroups { .. } => Fault::pages_too_large(),
        CubeError::Stopped => Fault::timed_out(),
        CubeError::TooLarge => Fault::result_too_large(),
    })?;
    Ok(LocatedCube { object, path, state, source, cube })
}

/// The pages that a call asks for.
fn pages(call: &Call<'_>, extent: Extent) -> Result<Vec<Page>, Fault> {
    extent.pages(call.params.list(1)?).ok_or_else(Fault::pages_too_large)
}

fn set_expanded(call: &Call<'_>, session: &mut Session, side: Side, is_open: bool) -> Answer {
    let document = session.document_mut()?;
    let located = locate_cube(call, document)?;
    let at = |at: usize| -> Result<usize, Fault> {
        usize::try_from(call.params.integer(at, 0)?)
            .map_err(|_| Fault::invalid_parameters("position"))
    };
    let (row, column) = (at(1)?, at(2)?);
    let is_all = call.params.flag(3)?;
    let (place, level) = match side {
        Side::Left => (row, column),
        Side::Top => (column, row),
    };
    let def = &located.source.def;
    let changed = if is_open {
        located.cube.expanded(def, side, place, level, is_all)
    } else {
        located.cube.collapsed(def, side, place, level, is_all)
    };
    let Some(changed) = changed else { return Ok((json!({}), Effects::none())) };
    let id = located.object.id;
    let place = crate::document::Place { object: id.clone(), path: located.path };
    let open = document.expansions.entry(place).or_default();
    match side {
        Side::Left => open.left = changed,
        Side::Top => open.top = changed,
    }
    Ok((json!({}), Effects::of(Target::Object(id))))
}
