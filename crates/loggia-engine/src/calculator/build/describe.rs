//! What is told about columns besides their cells: counts, ranges, lengths, order; and how a measure's cell looks.

use super::order::{indicator, measure_indicator};
use super::{Builder, invalid};
use crate::calculator::body::{DimensionData, MeasureData};
use crate::calculator::dimension::Dimension;
use crate::calculator::evaluation::Column;
use crate::calculator::formula::Failure;
use crate::cube::{
    AttributeDimensionInfo, AttributeInfo, Cell, ColumnError, DimensionDef, DimensionInfo,
    DimensionKind, MeasureDef, MeasureInfo, SortIndicator,
};
use crate::format::{Locale, NumberFormat, format_value};
use crate::model::DataModel;
use crate::value::Value;
use crate::view::{State, View};

impl Builder<'_> {
    pub(super) fn dimension_infos(&self, shown: &[DimensionData]) -> Vec<DimensionInfo> {
        let model = self.model();
        let hidden = |def: &DimensionDef, error: &ColumnError| DimensionInfo {
            field: None,
            is_calculated: def.expression.trim_start().starts_with('='),
            is_locked: false,
            cardinal: 0,
            cube_cardinal: 0,
            counts: Default::default(),
            min: f64::NAN,
            max: f64::NAN,
            glyphs: 0,
            tags: Vec::new(),
            kind: DimensionKind::Discrete,
            sort_indicator: SortIndicator::None,
            error: Some(error.clone()),
            attributes: Vec::new(),
            attribute_dimensions: Vec::new(),
        };
        let mut place = 0;
        let infos =
            self.def.dimensions.iter().zip(&self.prepared.dimensions).map(|(def, prepared)| {
                let prepared = match prepared {
                    Ok(prepared) => prepared,
                    Err(error) => return hidden(def, error),
                };
                let (own, width) = (place, self.width());
                place += 1;
                let data = &shown[own];
                let occurring = (0..self.groups.len()).map(|row| self.codes[row * width + own]);
                let mut info = describe(&self.plain_dimensions[own], model, &self.view, occurring);
                info.sort_indicator = indicator(&def.sort, def.reverse);
                info.attributes = data
                    .attributes
                    .iter()
                    .zip(&prepared.attributes)
                    .map(|((_, column), formula)| attribute_info(column, formula.as_ref().err()))
                    .collect();
                info.attribute_dimensions = data
                    .attribute_dimensions
                    .iter()
                    .zip(&prepared.attribute_dimensions)
                    .map(|((field, column), formula)| {
                        let values: hashbrown::HashSet<Value> = (0..column.len())
                            .map(|row| column.get(row))
                            .filter(|value| !value.is_null())
                            .collect();
                        AttributeDimensionInfo {
                            field: *field,
                            cardinal: values.len(),
                            error: formula.as_ref().err().map(|message| invalid(message.clone())),
                        }
                    })
                    .collect();
                info
            });
        infos.collect()
    }

    pub(super) fn measure_infos(
        &self,
        shown: &[MeasureData],
        totals: &[Value],
        locale: &Locale,
    ) -> Vec<MeasureInfo> {
        let infos = self.def.measures.iter().enumerate().map(|(at, def)| {
            let error = self.measure_errors[at].clone();
            let Some(place) = self.shown_measures.iter().position(|shown| *shown == at) else {
                return MeasureInfo {
                    min: 0.0,
                    max: 0.0,
                    glyphs: 0,
                    sort_indicator: SortIndicator::None,
                    error,
                    attributes: Vec::new(),
                };
            };
            let data = &shown[place];
            let (min, max) = range(&data.column.numbers);
            let glyphs = |number: f64| {
                let cell = measure_cell(&Value::from_number(number), data.format.as_ref(), locale);
                cell.text.chars().count()
            };
            let total = totals[place].number().unwrap_or(0.0);
            let formulas =
                self.measure(place).map(|prepared| &prepared.attributes[..]).unwrap_or_default();
            MeasureInfo {
                min: if min.is_nan() { 0.0 } else { min },
                max: if max.is_nan() { 0.0 } else { max },
                glyphs: glyphs(min).max(glyphs(max)).max(glyphs(total)),
                sort_indicator: measure_indicator(def),
                error,
                attributes: data
                    .attributes
                    .iter()
                    .enumerate()
                    .map(|(at, (_, column))| {
                        let error = formulas.get(at).and_then(|formula| formula.as_ref().err());
                        attribute_info(column, error)
                    })
                    .collect(),
            }
        });
        infos.collect()
    }
}

/// What is known of a dimension whose codes occur so.
pub(crate) fn describe(
    dimension: &Dimension,
    model: &DataModel,
    view: &View,
    occurring: impl Iterator<Item = u32>,
) -> DimensionInfo {
    let values = dimension.dictionary(model);
    let mut seen = vec![false; values.len()];
    for code in occurring {
        if let Some(flag) = seen.get_mut(code as usize) {
            *flag = true;
        }
    }
    let occurring = || seen.iter().enumerate().filter(|(_, seen)| **seen).map(|(code, _)| code);
    let field = dimension.field();
    let is_plain = dimension.plain_field().is_some();
    let tags = field.filter(|_| is_plain).map(|field| model.field_info(field).tags.clone());
    let tags = tags.unwrap_or_else(|| {
        let is_numeric = values.len() > 0 && values.values.iter().all(Value::is_number);
        if is_numeric { vec!["$numeric".into()] } else { vec!["$text".into()] }
    });
    let has = |wanted: &str| tags.iter().any(|tag| &**tag == wanted);
    let kind = if has("$date") || has("$timestamp") {
        DimensionKind::Time
    } else if has("$numeric") {
        DimensionKind::Numeric
    } else {
        DimensionKind::Discrete
    };
    let (min, max) = match kind {
        DimensionKind::Discrete => (f64::NAN, f64::NAN),
        _ => occurring().fold((f64::NAN, f64::NAN), |(min, max), code| {
            (min.min(values.numbers[code]), max.max(values.numbers[code]))
        }),
    };
    DimensionInfo {
        field,
        is_calculated: !is_plain,
        is_locked: field.is_some_and(|field| view.selections().is_locked("", field)),
        cardinal: values.len(),
        cube_cardinal: occurring().count(),
        counts: dimension.counts(view),
        min,
        max,
        glyphs: occurring()
            .map(|code| values.value(code as u32).text().chars().count())
            .max()
            .unwrap_or(0),
        tags,
        kind,
        sort_indicator: SortIndicator::None,
        error: None,
        attributes: Vec::new(),
        attribute_dimensions: Vec::new(),
    }
}

fn attribute_info(column: &Column, error: Option<&Failure>) -> AttributeInfo {
    let (min, max) = range(&column.numbers);
    AttributeInfo { min, max, error: error.map(|failure| invalid(failure.clone())) }
}

fn range(numbers: &[f64]) -> (f64, f64) {
    numbers
        .iter()
        .fold((f64::NAN, f64::NAN), |(min, max), number| (min.min(*number), max.max(*number)))
}

pub(super) fn measure_format(def: &MeasureDef) -> Option<NumberFormat> {
    let has_own =
        def.number_format.as_ref().is_some_and(|format| *format != NumberFormat::default());
    if def.is_relative && !has_own {
        return Some(NumberFormat {
            kind: crate::format::NumberKind::Fixed,
            pattern: "0.0%".into(),
            ..NumberFormat::default()
        });
    }
    def.number_format.clone()
}

/// A cell of a measure.
pub(crate) fn measure_cell(value: &Value, format: Option<&NumberFormat>, locale: &Locale) -> Cell {
    let text = match (value, format) {
        (Value::Null, _) => "-".into(),
        (value, Some(format)) => format_value(value, format, locale),
        (value, None) => value.shared_text(),
    };
    Cell {
        text,
        number: value.number().unwrap_or(f64::NAN),
        element: 0,
        state: State::Locked,
        is_null: value.is_null(),
        is_total: false,
        is_other: false,
        attributes: Vec::new(),
        attribute_dimensions: Vec::new(),
        frequency: None,
        highlights: Vec::new(),
    }
}
