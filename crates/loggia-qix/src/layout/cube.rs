//! Hypercubes: from the client's definition to the engine's, and from the engine's result to JSON.

mod page;
mod read;

use loggia_engine::cube::{
    AttributeInfo, ColumnError, Cube, CubeError, DimensionInfo, DimensionKind, MeasureInfo, Mode,
    SortIndicator,
};
use loggia_engine::format::{NumberFormat, NumberKind};
use serde_json::{Value, json};

use super::definition::Computer;
use super::pages::{Extent, leaves};
use crate::wire::{self, Page, copy_client_members, items_at, text_at};

pub(crate) use page::{area, cell, matrix_page, pivot_page, straight_page};
pub(crate) use read::{CubeSource, DimensionSource, read, read_dimension};

/// The layout of a hypercube definition.
pub(crate) fn layout(
    computer: &Computer<'_>,
    definition: &Value,
    path: &str,
    state: &str,
) -> Value {
    let source = read(computer, definition, path, state);
    let mut layout = match compute(computer, &source, state) {
        Ok(cube) => cube_layout(computer, &source, &cube, definition, state),
        Err(error) => error_layout(computer, &error, definition, state),
    };
    if let Some(title) = definition.get("qTitle") {
        let text = title.as_str().or_else(|| title.get("qv").and_then(Value::as_str));
        layout["qTitle"] = json!(computer.label(text.unwrap_or_default(), state));
    }
    if !text_at(definition, "qStateName").is_empty() {
        layout["qStateName"] = definition["qStateName"].clone();
    }
    copy_client_members(definition, &mut layout);
    layout
}

/// Computes a cube, or takes it from what is known.
pub(crate) fn compute(
    computer: &Computer<'_>,
    source: &CubeSource,
    state: &str,
) -> Result<std::sync::Arc<Cube>, CubeError> {
    computer.with_context(state, |context| {
        computer.document.loaded.calculator.cube(context, &source.def)
    })
}

/// The members that every dimension's entry has, in cubes and in lists.
pub(crate) fn dimension_info(
    computer: &Computer<'_>,
    source: &DimensionSource,
    info: &DimensionInfo,
    state: &str,
) -> Value {
    let counts = &info.counts;
    let format = dimension_format(computer, source, info);
    let titles: Vec<String> =
        (0..source.field_defs.len().max(1)).map(|at| source.title(computer, at, state)).collect();
    let mut entry = json!({
        "qFallbackTitle": titles.get(source.active).cloned().unwrap_or_default(),
        "qApprMaxGlyphCount": info.glyphs,
        "qCardinal": info.cardinal,
        "qSortIndicator": sort_indicator(info.sort_indicator),
        "qGroupFallbackTitles": titles,
        "qGroupPos": source.active,
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
        "qTags": info.tags,
        "qDimensionType": match info.kind {
            DimensionKind::Discrete => "D",
            DimensionKind::Numeric => "N",
            DimensionKind::Time => "T",
        },
        "qGrouping": source.grouping.letter(),
        "qNumFormat": wire::number_format_wire(&format),
        "qIsAutoFormat": source.number_format.is_none(),
        "qGroupFieldDefs": source.field_defs,
        "qMin": wire::number(info.min),
        "qMax": wire::number(info.max),
        "qAttrExprInfo": attribute_infos(computer, &source.attributes, &info.attributes, state),
        "qAttrDimInfo": source
            .attribute_dimensions
            .iter()
            .zip(&info.attribute_dimensions)
            .map(|(definition, info)| {
                let mut entry = json!({
                    "qCardinal": info.cardinal,
                    "qSize": { "qcx": 1, "qcy": info.cardinal },
                    "qFallbackTitle": text_at(definition, "qDef").trim_start_matches('='),
                    "qLocked": false,
                    "qIsCalculated": text_at(definition, "qDef").trim_start().starts_with('='),
                });
                if let Some(error) = &info.error {
                    entry["qError"] = column_error(error);
                }
                copy_client_members(definition, &mut entry);
                entry
            })
            .collect::<Vec<_>>(),
        "qCalcCondMsg": "",
        "qCardinalities": {
            "qCardinal": info.cardinal,
            "qHypercubeCardinal": info.cube_cardinal,
            "qAllValuesCardinal": -1,
        },
    });
    if info.is_locked {
        entry["qLocked"] = json!(true);
    }
    if info.is_calculated {
        entry["qIsCalculated"] = json!(true);
    }
    if !source.library_id.is_empty() {
        entry["qLibraryId"] = json!(source.library_id);
    }
    if let Some(error) = &info.error {
        set_error(&mut entry, error);
    }
    for (name, value) in &source.client_members {
        entry[name] = value.clone();
    }
    entry
}

fn cube_layout(
    computer: &Computer<'_>,
    source: &CubeSource,
    cube: &Cube,
    definition: &Value,
    state: &str,
) -> Value {
    let extent = Extent::of_cube(cube);
    let (columns, rows) = cube.size();
    let dimensions: Vec<Value> = source
        .dimensions
        .iter()
        .zip(&cube.dimensions)
        .map(|(source, info)| dimension_info(computer, source, info, state))
        .collect();
    let measures: Vec<Value> = source
        .measures
        .iter()
        .zip(&cube.measures)
        .map(|(source, info)| measure_info(computer, source, info, state))
        .collect();
    let mut layout = json!({
        "qSize": { "qcx": columns, "qcy": rows },
        "qDimensionInfo": dimensions,
        "qMeasureInfo": measures,
        "qEffectiveInterColumnSortOrder": cube.effective_order,
        "qGrandTotalRow": cube.grand_total.iter().map(cell).collect::<Vec<_>>(),
        "qDataPages": [],
        "qPivotDataPages": [],
        "qStackedDataPages": [],
        "qMode": match cube.mode {
            Mode::Straight => "S",
            Mode::Pivot => "P",
            Mode::Stacked => "K",
        },
        "qNoOfLeftDims": cube.left_dimensions,
        "qTreeNodesOnDim": [],
        "qColumnOrder": column_order(definition, cube),
    });
    for name in ["qAlwaysFullyExpanded", "qIndentMode", "qShowTotalsAbove"] {
        if wire::flag_at(definition, name) {
            layout[name] = json!(true);
        }
    }
    if cube.has_others {
        layout["qHasOtherValues"] = json!(true);
    }
    let pages = extent
        .pages(items_at(definition, "qInitialDataFetch"))
        .filter(|pages| computer.budget.takes_cells(extent.cells(pages)));
    let pages = pages.and_then(|pages| match cube.mode {
        Mode::Straight => {
            Some(("qDataPages", pages.iter().map(|page| straight_page(cube, *page)).collect()))
        }
        Mode::Pivot => {
            let titles = measure_titles(computer, source, cube, state);
            let pages = pages.iter().map(|page| pivot_page(cube, *page, &titles)).collect();
            Some(("qPivotDataPages", pages))
        }
        Mode::Stacked => {
            let limit = wire::integer_at(definition, "qMaxStackedCells", 5000).max(0);
            let limit = usize::try_from(limit).unwrap_or(0);
            stack_pages(cube, &pages, limit).map(|pages| ("qStackedDataPages", pages))
        }
    });
    match pages {
        Some((name, pages)) => layout[name] = Value::Array(pages),
        None => layout["qError"] = json!({ "qErrorCode": 7009 }),
    }
    layout
}

/// Pages of a stacked cube, each with at most about `limit` value leaves; none where they are too
/// large together. The first stack of a page always comes whole.
pub(crate) fn stack_pages(cube: &Cube, pages: &[Page], limit: usize) -> Option<Vec<Value>> {
    let mut left = wire::MAX_CELLS;
    let mut answers = Vec::with_capacity(pages.len());
    for asked in pages {
        let stacks = cube.stacked(area(*asked), limit.min(left));
        if !stacks.root.nodes.is_empty() {
            left = left.checked_sub(leaves(&stacks.root))?;
        }
        answers.push(page::stack_page(&stacks));
    }
    Some(answers)
}

/// Titles of the measures that the cube shows.
pub(crate) fn measure_titles(
    computer: &Computer<'_>,
    source: &CubeSource,
    cube: &Cube,
    state: &str,
) -> Vec<String> {
    let shown = source.measures.iter().zip(&cube.measures).filter(|(_, info)| info.error.is_none());
    shown.map(|(source, _)| source.title(computer, state)).collect()
}

fn error_layout(
    computer: &Computer<'_>,
    error: &CubeError,
    definition: &Value,
    state: &str,
) -> Value {
    let (code, message) = match error {
        CubeError::Condition { message } => (7005, computer.label(message, state)),
        CubeError::TooManyGroups { .. } => (7009, String::new()),
        CubeError::Stopped => (7004, String::new()),
        CubeError::TooLarge => (7003, String::new()),
    };
    json!({
        "qSize": { "qcx": 0, "qcy": 0 },
        "qError": { "qErrorCode": code },
        "qCalcCondMsg": message,
        "qDimensionInfo": [],
        "qMeasureInfo": [],
        "qEffectiveInterColumnSortOrder": [],
        "qGrandTotalRow": [],
        "qDataPages": [],
        "qPivotDataPages": [],
        "qStackedDataPages": [],
        "qMode": read::mode_letter(definition),
        "qNoOfLeftDims": -1,
        "qTreeNodesOnDim": [],
        "qColumnOrder": [],
    })
}

fn measure_info(
    computer: &Computer<'_>,
    source: &read::MeasureSource,
    info: &MeasureInfo,
    state: &str,
) -> Value {
    let mut entry = json!({
        "qFallbackTitle": source.title(computer, state),
        "qApprMaxGlyphCount": info.glyphs,
        "qCardinal": 0,
        "qSortIndicator": sort_indicator(info.sort_indicator),
        "qNumFormat": wire::number_format_wire(&source.number_format.clone().unwrap_or_default()),
        "qIsAutoFormat": source.number_format.is_none(),
        "qMin": wire::number(info.min),
        "qMax": wire::number(info.max),
        "qAttrExprInfo": attribute_infos(computer, &source.attributes, &info.attributes, state),
        "qAttrDimInfo": [],
        "qCalcCondMsg": "",
        "qTrendLines": [],
    });
    if !source.library_id.is_empty() {
        entry["qLibraryId"] = json!(source.library_id);
    }
    // A faulty expression shows dashes; only a hidden column leaves the matrix.
    if let Some(error @ ColumnError::Condition { .. }) = &info.error {
        set_error(&mut entry, error);
    }
    for (name, value) in &source.client_members {
        entry[name] = value.clone();
    }
    entry
}

fn attribute_infos(
    computer: &Computer<'_>,
    definitions: &[Value],
    infos: &[AttributeInfo],
    state: &str,
) -> Vec<Value> {
    definitions
        .iter()
        .zip(infos)
        .map(|(definition, info)| {
            let format = read::own_format(definition.get("qNumFormat"));
            let label = match text_at(definition, "qLabelExpression") {
                "" => text_at(definition, "qLabel"),
                expression => expression,
            };
            let title = match label {
                "" => wire::expression_at(definition, "qExpression").to_owned(),
                label => computer.label(label, state),
            };
            let mut entry = json!({
                "qMin": wire::number(info.min),
                "qMax": wire::number(info.max),
                "qContinuous": false,
                "qFallbackTitle": title,
                "qMinText": wire::number(info.min).to_string(),
                "qMaxText": wire::number(info.max).to_string(),
                "qNumFormat": wire::number_format_wire(&format.clone().unwrap_or_default()),
                "qIsAutoFormat": format.is_none(),
            });
            if let Some(error) = &info.error {
                entry["qError"] = column_error(error);
            }
            copy_client_members(definition, &mut entry);
            entry
        })
        .collect()
}

/// Dates come with the format that their texts have, so that axes can be written alike.
fn dimension_format(
    computer: &Computer<'_>,
    source: &DimensionSource,
    info: &DimensionInfo,
) -> NumberFormat {
    if let Some(format) = &source.number_format {
        return format.clone();
    }
    let locale = &computer.document.loaded.locale;
    let has = |tag: &str| info.tags.iter().any(|own| &**own == tag);
    if has("$date") {
        NumberFormat {
            kind: NumberKind::Date,
            pattern: locale.date_format.clone(),
            ..NumberFormat::default()
        }
    } else if has("$timestamp") {
        NumberFormat {
            kind: NumberKind::Timestamp,
            pattern: locale.timestamp_format.clone(),
            ..NumberFormat::default()
        }
    } else {
        NumberFormat::default()
    }
}

/// The display order of columns counts only when it names them all.
fn column_order(definition: &Value, cube: &Cube) -> Vec<i64> {
    let order: Vec<i64> =
        items_at(definition, "qColumnOrder").iter().filter_map(Value::as_i64).collect();
    if order.len() == cube.dimensions.len() + cube.measures.len() { order } else { Vec::new() }
}

fn sort_indicator(indicator: SortIndicator) -> &'static str {
    match indicator {
        SortIndicator::Ascending => "A",
        SortIndicator::Descending => "D",
        SortIndicator::None => "N",
    }
}

fn set_error(entry: &mut Value, error: &ColumnError) {
    entry["qError"] = column_error(error);
    let (ColumnError::Condition { message } | ColumnError::Invalid { message }) = error;
    entry["qCalcCondMsg"] = json!(&**message);
}

fn column_error(error: &ColumnError) -> Value {
    match error {
        ColumnError::Condition { .. } => json!({ "qErrorCode": 7005 }),
        ColumnError::Invalid { message } => json!({ "qErrorCode": 7000, "qContext": &**message }),
    }
}

/// Where the engine puts a rectangle's corner.
pub(crate) fn wire_area(area: loggia_engine::cube::Area) -> Value {
    Page { left: area.left, top: area.top, width: area.width, height: area.height }.wire()
}
