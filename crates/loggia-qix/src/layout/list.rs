//! List objects: all values of a field with their states, perhaps narrowed by a search.

use std::sync::Arc;

use loggia_engine::list::{FrequencyMode, List, ListDef, ListError, ListExpression};
use serde_json::{Value, json};

use super::cube::{DimensionSource, dimension_info, read_dimension};
use super::definition::Computer;
use super::pages::Extent;
use crate::layout::cube::area;
use crate::wire::{
    Page, choice, copy_client_members, expression_at, flag_at, integer_at, items_at, text_at,
};

/// The layout of a list object definition.
pub(crate) fn layout(
    computer: &Computer<'_>,
    definition: &Value,
    path: &str,
    state: &str,
) -> Value {
    let (source, def) = read(computer, definition, path, state);
    let mut layout = match compute(computer, &def, state) {
        Ok(list) => list_layout(computer, &source, &list, definition, state),
        Err(error) => error_layout(&error),
    };
    if !text_at(definition, "qStateName").is_empty() {
        layout["qStateName"] = definition["qStateName"].clone();
    }
    copy_client_members(definition, &mut layout);
    layout
}

/// Reads `qListObjectDef`, with the search that is open on it.
pub(crate) fn read(
    computer: &Computer<'_>,
    definition: &Value,
    path: &str,
    state: &str,
) -> (DimensionSource, ListDef) {
    let (source, dimension) = read_dimension(computer, definition, state);
    let search = computer
        .place(path)
        .and_then(|place| computer.document.searches.get(&place))
        .cloned()
        .unwrap_or_default();
    let frequency = match choice(
        definition.get("qFrequencyMode"),
        &[
            &["N", "NX_FREQUENCY_NONE"],
            &["V", "NX_FREQUENCY_VALUE"],
            &["P", "NX_FREQUENCY_PERCENT"],
            &["R", "NX_FREQUENCY_RELATIVE"],
        ],
    ) {
        Some(1) => FrequencyMode::Value,
        Some(2) => FrequencyMode::Percent,
        Some(3) => FrequencyMode::Relative,
        _ => FrequencyMode::None,
    };
    let auto_sort = definition
        .get("qAutoSortByState")
        .map_or(0, |auto| integer_at(auto, "qDisplayNumberOfRows", 0));
    let def = ListDef {
        expression: dimension.expression,
        sort: dimension.sort,
        reverse: dimension.reverse,
        number_format: dimension.number_format,
        auto_sort_rows: u32::try_from(auto_sort).unwrap_or(0),
        frequency,
        show_alternatives: flag_at(definition, "qShowAlternatives"),
        expressions: items_at(definition, "qExpressions")
            .iter()
            .map(|entry| ListExpression {
                expression: expression_at(entry, "qExpr").into(),
                number_format: None,
            })
            .collect(),
        search: search.into(),
        condition: dimension.condition,
    };
    (source, def)
}

/// Computes a list, or takes it from what is known.
pub(crate) fn compute(
    computer: &Computer<'_>,
    def: &ListDef,
    state: &str,
) -> Result<Arc<List>, ListError> {
    computer.with_context(state, |context| computer.document.loaded.calculator.list(context, def))
}

/// A page of a list.
pub(crate) fn page(list: &List, page: Page) -> Value {
    super::cube::matrix_page(&list.page(area(page)))
}

/// A field's name as an expression.
pub(crate) fn bracketed(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

fn list_layout(
    computer: &Computer<'_>,
    source: &DimensionSource,
    list: &List,
    definition: &Value,
    state: &str,
) -> Value {
    let (columns, rows) = list.size();
    let expressions: Vec<Value> = items_at(definition, "qExpressions")
        .iter()
        .zip(&list.expressions)
        .map(|(entry, _)| json!({ "qExpr": expression_at(entry, "qExpr"), "qLibraryId": "" }))
        .collect();
    let extent = Extent::of_list(list);
    let pages = extent
        .pages(items_at(definition, "qInitialDataFetch"))
        .filter(|pages| computer.budget.takes_cells(extent.cells(pages)));
    let mut layout = json!({
        "qSize": { "qcx": columns, "qcy": rows },
        "qDimensionInfo": dimension_info(computer, source, &list.dimension, state),
        "qExpressions": expressions,
        "qDataPages": [],
    });
    match pages {
        Some(pages) => layout["qDataPages"] = pages.iter().map(|at| page(list, *at)).collect(),
        None => layout["qError"] = json!({ "qErrorCode": 7009 }),
    }
    layout
}

fn error_layout(error: &ListError) -> Value {
    let (code, message) = match error {
        ListError::Condition { message } => (7005, &**message),
        ListError::Invalid { message } => (7000, &**message),
        ListError::Stopped => (7004, ""),
        ListError::TooLarge => (7003, ""),
    };
    json!({
        "qSize": { "qcx": 0, "qcy": 0 },
        "qError": { "qErrorCode": code },
        "qCalcCondMsg": message,
        "qDimensionInfo": {
            "qFallbackTitle": "",
            "qGroupFieldDefs": [],
            "qGroupFallbackTitles": [],
            "qTags": [],
            "qStateCounts": {
                "qLocked": 0, "qSelected": 0, "qOption": 0, "qDeselected": 0,
                "qAlternative": 0, "qExcluded": 0, "qSelectedExcluded": 0, "qLockedExcluded": 0,
            },
            "qError": { "qErrorCode": code },
        },
        "qExpressions": [],
        "qDataPages": [],
    })
}
