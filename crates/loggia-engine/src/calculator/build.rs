//! From a definition to a cube: bind, evaluate, leave out, put together, sort, add up.

mod describe;
mod order;
mod others;
mod prepare;

use std::sync::Arc;

use super::body::{Axes, CubeBody, CubeData, DimensionData, MeasureData, Special};
use super::bounds::{MAX_TEXT_BYTES, check};
use super::dimension::Dimension;
use super::evaluation::{Column, Evaluation, MAX_GROUPS};
use super::formula::{Failure, Formula, parse_set};
use super::{Calculator, Context};
use crate::cube::{
    AttributeDef, ColumnError, Cube, CubeDef, CubeError, DimensionDef, Mode, TotalKind,
};
use crate::expression::Environment;
use crate::format::NumberFormat;
use crate::model::DataModel;
use crate::value::Value;
use crate::view::{State, View};
use describe::measure_format;
use prepare::{PreparedMeasure, invalid};

pub(crate) use describe::{describe, measure_cell};
pub(crate) use order::{frequencies, indicator, ranks_of};
pub(crate) use prepare::{PreparedCube, label, prepare, unmet};

/// Computes a cube.
pub(crate) fn build(
    calculator: &Calculator,
    context: &Context<'_>,
    environment: &Environment<'_>,
    def: &CubeDef,
    prepared: &PreparedCube,
) -> Result<Cube, CubeError> {
    if let Some(message) = unmet(calculator, context, def.condition.as_ref()) {
        return Err(CubeError::Condition { message });
    }
    if prepared.is_too_large {
        return Err(CubeError::TooLarge);
    }
    check(context.stop)?;
    let mut builder = Builder::new(calculator, context, environment, def, prepared);
    builder.collect_pivot_others();
    builder.find_rows()?;
    builder.compute_measures()?;
    builder.suppress();
    builder.collect_others()?;
    check(context.stop)?;
    builder.sort();
    check(context.stop)?;
    builder.finish()
}

/// The visible columns and the rows while they are made.
struct Builder<'a> {
    calculator: &'a Calculator,
    context: &'a Context<'a>,
    def: &'a CubeDef,
    prepared: &'a PreparedCube,
    evaluation: Evaluation<'a>,
    view: Arc<View>,
    /// Places of the visible columns in the definition.
    shown_dimensions: Vec<usize>,
    shown_measures: Vec<usize>,
    measure_errors: Vec<Option<ColumnError>>,
    /// The group of each row.
    groups: Vec<u32>,
    /// The codes of each row, one dimension beside the other.
    codes: Vec<u32>,
    /// Beside the visible measures.
    columns: Vec<Column>,
    /// Beside the visible dimensions: the rank of each code, null, other and total included.
    ranks: Vec<Vec<u32>>,
    specials: Vec<Special>,
    /// The dimensions as they are without limits.
    plain_dimensions: Vec<Dimension>,
    has_others: bool,
    /// Of the texts made for cells so far.
    text_bytes: usize,
}

impl<'a> Builder<'a> {
    fn new(
        calculator: &'a Calculator,
        context: &'a Context<'a>,
        environment: &'a Environment<'a>,
        def: &'a CubeDef,
        prepared: &'a PreparedCube,
    ) -> Builder<'a> {
        let mut evaluation = Evaluation::new(calculator, context, environment);
        evaluation.default_set = parse_set(&def.context_set).unwrap_or_default();
        let mut shown_dimensions = Vec::new();
        for (at, dimension) in prepared.dimensions.iter().enumerate() {
            if let Ok(dimension) = dimension {
                shown_dimensions.push(at);
                evaluation.dimensions.push(dimension.dimension.clone());
            }
        }
        // A measure that is wrong is shown as nothing; one whose condition does not hold is not shown.
        let is_shown = |measure: &Result<PreparedMeasure, ColumnError>| {
            !matches!(measure, Err(ColumnError::Condition { .. }))
        };
        let shown_measures: Vec<usize> =
            (0..prepared.measures.len()).filter(|&at| is_shown(&prepared.measures[at])).collect();
        let measure_errors =
            prepared.measures.iter().map(|measure| measure.as_ref().err().cloned()).collect();
        let view = evaluation.view();
        let specials = evaluation
            .dimensions
            .iter()
            .map(|dimension| {
                let null = dimension.dictionary(&calculator.model).null();
                Special { null, rest: null + 1, total: null + 2 }
            })
            .collect();
        let plain_dimensions = evaluation.dimensions.clone();
        Builder {
            calculator,
            context,
            def,
            prepared,
            evaluation,
            view,
            shown_dimensions,
            shown_measures,
            measure_errors,
            groups: Vec::new(),
            codes: Vec::new(),
            columns: Vec::new(),
            ranks: Vec::new(),
            specials,
            plain_dimensions,
            has_others: false,
            text_bytes: 0,
        }
    }

    fn model(&self) -> &'a DataModel {
        &self.calculator.model
    }

    fn width(&self) -> usize {
        self.shown_dimensions.len()
    }

    fn row(&self, row: usize) -> &[u32] {
        &self.codes[row * self.width()..(row + 1) * self.width()]
    }

    fn null_of(&self, dimension: usize) -> u32 {
        self.evaluation.dimensions[dimension].dictionary(self.model()).null()
    }

    fn dimension_def(&self, dimension: usize) -> &'a DimensionDef {
        &self.def.dimensions[self.shown_dimensions[dimension]]
    }

    fn measure(&self, measure: usize) -> Option<&'a PreparedMeasure> {
        self.prepared.measures[self.shown_measures[measure]].as_ref().ok()
    }

    /// Which groups there are.
    fn find_rows(&mut self) -> Result<(), CubeError> {
        let too_many = || CubeError::TooManyGroups { limit: MAX_GROUPS };
        let formulas: Vec<&Formula> =
            self.prepared.measures.iter().flatten().map(|measure| &measure.formula).collect();
        // A formula that fails now fails again, with its message, when its values are asked for.
        let mut groups = match self.evaluation.groups_of(&formulas) {
            Ok(groups) => groups,
            Err(Failure::Stopped) => return Err(CubeError::Stopped),
            Err(Failure::TooLarge) => return Err(CubeError::TooLarge),
            Err(Failure::Invalid(_)) => self.evaluation.groups_of(&[]).map_err(|_| too_many())?,
        };
        if self.shown_dimensions.iter().any(|&at| self.def.dimensions[at].show_all) {
            groups = self.with_excluded(groups)?;
        }
        if groups.len() > MAX_GROUPS {
            return Err(too_many());
        }
        let all = self.evaluation.all_dimensions();
        let suppressed: Vec<bool> =
            all.iter().map(|&dimension| self.dimension_def(dimension).null_suppression).collect();
        let nulls: Vec<u32> = all.iter().map(|&dimension| self.null_of(dimension)).collect();
        let hidden_rests: Vec<Option<u32>> = all
            .iter()
            .map(|&dimension| {
                let other = self.dimension_def(dimension).other.as_ref()?;
                other.suppress_other.then_some(self.specials[dimension].rest)
            })
            .collect();
        let width = self.width();
        let grouping = self.evaluation.grouping(&all);
        let mut codes = Vec::with_capacity(width);
        self.groups.reserve(groups.len());
        self.codes.reserve(groups.len() * width);
        for group in groups {
            grouping.codes_of(group, &mut codes);
            let is_null_row = codes
                .iter()
                .zip(&nulls)
                .zip(&suppressed)
                .any(|((code, null), suppressed)| *suppressed && code == null);
            let is_rest_row =
                codes.iter().zip(&hidden_rests).any(|(code, rest)| Some(*code) == *rest);
            if !is_null_row && !is_rest_row {
                self.groups.push(group);
                self.codes.extend_from_slice(&codes);
            }
        }
        Ok(())
    }

    /// Adds the combinations that exist without any selection, for dimensions that show all their values.
    fn with_excluded(&mut self, mut groups: Vec<u32>) -> Result<Vec<u32>, CubeError> {
        let all = self.evaluation.all_dimensions();
        let mut unselected = self.evaluation.with_base(Default::default());
        unselected.dimensions.clone_from(&self.evaluation.dimensions);
        let more = unselected
            .groups_of(&[])
            .map_err(|_| CubeError::TooManyGroups { limit: MAX_GROUPS })?;
        let shows_all: Vec<bool> =
            all.iter().map(|&dimension| self.dimension_def(dimension).show_all).collect();
        let states: Vec<Vec<State>> = self
            .evaluation
            .dimensions
            .iter()
            .map(|dimension| dimension.states(&self.view))
            .collect();
        let mut known: hashbrown::HashSet<u32> = groups.iter().copied().collect();
        let mut codes = Vec::new();
        for group in more {
            unselected.grouping(&all).codes_of(group, &mut codes);
            let is_wanted =
                codes.iter().zip(&states).zip(&shows_all).all(|((&code, states), shows_all)| {
                    *shows_all || states.get(code as usize).is_none_or(|state| state.is_possible())
                });
            if is_wanted {
                let group = self.evaluation.grouping(&all).add(&codes);
                if known.insert(group) {
                    groups.push(group);
                }
            }
        }
        Ok(groups)
    }

    fn compute_measures(&mut self) -> Result<(), CubeError> {
        let all = self.evaluation.all_dimensions();
        self.text_bytes = 0;
        let mut columns = Vec::with_capacity(self.shown_measures.len());
        for measure in 0..self.shown_measures.len() {
            columns.push(self.measure_column(measure, &all)?);
        }
        self.columns = columns;
        Ok(())
    }

    fn measure_column(
        &mut self,
        measure: usize,
        dimensions: &[usize],
    ) -> Result<Column, CubeError> {
        let Some(prepared) = self.measure(measure) else {
            return Ok(Column::nulls(self.groups.len()));
        };
        let groups = std::mem::take(&mut self.groups);
        let column = self.evaluation.column(&prepared.formula, dimensions, &groups);
        self.groups = groups;
        match column {
            Ok(column) => {
                self.text_bytes += column.text_bytes();
                if self.text_bytes > MAX_TEXT_BYTES { Err(CubeError::TooLarge) } else { Ok(column) }
            }
            Err(Failure::Stopped) => Err(CubeError::Stopped),
            Err(Failure::TooLarge) => Err(CubeError::TooLarge),
            Err(failure) => {
                self.measure_errors[self.shown_measures[measure]] = Some(invalid(failure));
                Ok(Column::nulls(self.groups.len()))
            }
        }
    }

    /// Leaves out rows in which no measure says anything.
    fn suppress(&mut self) {
        if self.columns.is_empty()
            || self.width() == 0
            || !(self.def.suppress_zero || self.def.suppress_missing)
        {
            return;
        }
        let says_nothing = |row: usize| {
            self.columns.iter().all(|column| {
                let value = column.get(row);
                value.is_null() || (self.def.suppress_zero && value.number() == Some(0.0))
            })
        };
        let kept: Vec<u32> = (0..self.groups.len())
            .filter(|&row| !says_nothing(row))
            .map(|row| row as u32)
            .collect();
        if kept.len() < self.groups.len() {
            self.keep(&kept);
        }
    }

    fn keep(&mut self, rows: &[u32]) {
        self.groups = rows.iter().map(|&row| self.groups[row as usize]).collect();
        self.codes = rows.iter().flat_map(|&row| self.row(row as usize).to_vec()).collect();
        self.columns = self.columns.iter().map(|column| column.picked(rows)).collect();
    }

    fn finish(mut self) -> Result<Cube, CubeError> {
        let mut totals: Vec<Value> =
            (0..self.shown_measures.len()).map(|measure| self.total(measure)).collect();
        for (measure, total) in totals.iter_mut().enumerate() {
            self.adjust(measure, total);
        }
        if self.def.mode == Mode::Straight && self.width() == 1 && self.dimension_def(0).total {
            self.add_total_row(&totals);
        }
        let locale = Arc::new(self.context.locale.clone());
        let dimensions = self.dimension_data();
        let measures = self.measure_data();
        let mut axes = None;
        if self.def.mode == Mode::Pivot {
            axes = Some(self.axes(&dimensions)?);
        }
        let effective_order = match &axes {
            Some(axes) => axes.order.clone(),
            None => {
                let columns = self.effective_columns();
                let is_kept = |number: &i32| {
                    self.def.mode == Mode::Straight
                        || (*number as usize) < self.def.dimensions.len()
                };
                columns.into_iter().map(|(_, number)| number).filter(is_kept).collect()
            }
        };
        let left_dimensions = match (&axes, self.def.mode) {
            (Some(axes), _) => axes.left_count as i32,
            (None, Mode::Stacked) => 1.min(self.width() as i32),
            (None, _) => -1,
        };
        let dimension_infos = self.dimension_infos(&dimensions);
        let measure_infos = self.measure_infos(&measures, &totals, &locale);
        let grand_total = totals
            .iter()
            .zip(&measures)
            .map(|(total, measure)| {
                let mut cell = measure_cell(total, measure.format.as_ref(), &locale);
                cell.is_total = true;
                cell.element = crate::cube::TOTAL;
                cell.state = State::Excluded;
                cell
            })
            .collect();
        let states = dimensions.iter().map(|data| data.dimension.states(&self.view)).collect();
        let data = CubeData {
            model: self.calculator.model.clone(),
            locale,
            mode: self.def.mode,
            shown_dimensions: self.shown_dimensions,
            shown_measures: self.shown_measures,
            rows: self.groups.len(),
            codes: self.codes,
            dimensions,
            measures,
            axes,
        };
        Ok(Cube {
            mode: self.def.mode,
            dimensions: dimension_infos,
            measures: measure_infos,
            effective_order,
            grand_total,
            left_dimensions,
            has_others: self.has_others,
            body: CubeBody::new(data, states),
        })
    }

    /// A measure's total.
    fn total(&mut self, measure: usize) -> Value {
        let kind = self.def.measures[self.shown_measures[measure]].total;
        let numbers =
            self.columns[measure].numbers.iter().copied().filter(|number| !number.is_nan());
        match kind {
            TotalKind::Expression => {
                let Some(prepared) = self.measure(measure) else { return Value::Null };
                self.evaluation.single(&prepared.formula).unwrap_or_default()
            }
            TotalKind::Sum => Value::Number(numbers.sum()),
            TotalKind::Count => Value::Number(numbers.count() as f64),
            TotalKind::Average => {
                let (sum, count) =
                    numbers.fold((0.0, 0.0), |(sum, count), number| (sum + number, count + 1.0));
                Value::from_number(sum / count)
            }
            TotalKind::Min => Value::from_number(numbers.fold(f64::NAN, f64::min)),
            TotalKind::Max => Value::from_number(numbers.fold(f64::NAN, f64::max)),
            TotalKind::None => Value::Null,
        }
    }

    /// Running sums and shares.
    fn adjust(&mut self, measure: usize, total: &mut Value) {
        let def = &self.def.measures[self.shown_measures[measure]];
        if def.accumulate > 1 && self.def.mode == Mode::Straight {
            let numbers = &self.columns[measure].numbers;
            let window = def.accumulate as usize;
            let sums = (0..numbers.len()).map(|row| {
                numbers[(row + 1).saturating_sub(window)..=row]
                    .iter()
                    .filter(|number| !number.is_nan())
                    .sum()
            });
            self.columns[measure] = Column { numbers: sums.collect(), values: None };
        }
        if def.is_relative {
            let whole = total.number().filter(|total| *total != 0.0).unwrap_or(f64::NAN);
            let numbers =
                self.columns[measure].numbers.iter().map(|number| number / whole).collect();
            *total = if whole.is_nan() { Value::Null } else { Value::Number(1.0) };
            self.columns[measure] = Column { numbers, values: None };
        }
    }

    /// One more row with the totals, of a straight cube with one dimension.
    fn add_total_row(&mut self, totals: &[Value]) {
        let total = self.specials[0].total;
        let at = if self.def.show_totals_above { 0 } else { self.groups.len() };
        self.groups.insert(at, u32::MAX);
        self.codes.insert(at, total);
        for (column, value) in self.columns.iter_mut().zip(totals) {
            let mut values: Vec<Value> = (0..column.len()).map(|row| column.get(row)).collect();
            values.insert(at, value.clone());
            *column = Column::from_values(values);
        }
    }

    fn dimension_data(&mut self) -> Vec<DimensionData> {
        let mut all = Vec::with_capacity(self.width());
        for place in 0..self.width() {
            let def = self.dimension_def(place);
            let prepared = self.prepared.dimensions[self.shown_dimensions[place]].as_ref();
            let (attributes, attribute_dimensions) = match prepared {
                Ok(prepared) => (&prepared.attributes[..], &prepared.attribute_dimensions[..]),
                Err(_) => (&[][..], &[][..]),
            };
            let attributes = self.attribute_columns(attributes, &def.attributes, place);
            let attribute_dimensions = attribute_dimensions
                .iter()
                .map(|attribute| match attribute {
                    Ok((field, formula)) => (*field, self.level_column(formula, place)),
                    Err(_) => (None, Column::nulls(self.groups.len())),
                })
                .collect();
            all.push(DimensionData {
                dimension: self.evaluation.dimensions[place].clone(),
                format: def.number_format.clone(),
                ranks: std::mem::take(&mut self.ranks[place]),
                special: self.specials[place],
                has_total: def.total,
                other_label: label(self.calculator, self.context, &def.other_label, "Others"),
                total_label: label(self.calculator, self.context, &def.total_label, "Totals"),
                attributes,
                attribute_dimensions,
            });
        }
        all
    }

    fn measure_data(&mut self) -> Vec<MeasureData> {
        let mut all = Vec::with_capacity(self.columns.len());
        let last = self.width().saturating_sub(1);
        for (measure, column) in std::mem::take(&mut self.columns).into_iter().enumerate() {
            let def = &self.def.measures[self.shown_measures[measure]];
            let attributes = match self.measure(measure) {
                Some(prepared) => {
                    self.attribute_columns(&prepared.attributes, &def.attributes, last)
                }
                None => def
                    .attributes
                    .iter()
                    .map(|_| (None, Column::nulls(self.groups.len())))
                    .collect(),
            };
            all.push(MeasureData { column, format: measure_format(def), attributes });
        }
        all
    }

    fn attribute_columns(
        &mut self,
        formulas: &[Result<Formula, Failure>],
        defs: &[AttributeDef],
        level: usize,
    ) -> Vec<(Option<NumberFormat>, Column)> {
        formulas
            .iter()
            .zip(defs)
            .map(|(formula, def)| {
                let column = match formula {
                    Ok(formula) => self.level_column(formula, level),
                    Err(_) => Column::nulls(self.groups.len()),
                };
                (def.number_format.clone(), column)
            })
            .collect()
    }

    /// A value for each row: of its whole group in straight cubes, of its node down to a level in the others.
    fn level_column(&mut self, formula: &Formula, level: usize) -> Column {
        let groups = std::mem::take(&mut self.groups);
        let is_whole = self.def.mode == Mode::Straight || level + 1 >= self.width();
        let column = if is_whole {
            let all = self.evaluation.all_dimensions();
            self.evaluation.column(formula, &all, &groups)
        } else {
            let dimensions: Vec<usize> = (0..=level).collect();
            let width = self.width();
            let codes: Vec<u32> = (0..groups.len())
                .flat_map(|row| self.codes[row * width..row * width + level + 1].to_vec())
                .collect();
            self.evaluation.column_of(formula, &dimensions, &codes)
        };
        self.groups = groups;
        let column = column.unwrap_or_else(|_| Column::nulls(self.groups.len()));
        self.text_bytes += column.text_bytes();
        // Beyond the bound, attributes are as if they were not there.
        if self.text_bytes > MAX_TEXT_BYTES { Column::nulls(self.groups.len()) } else { column }
    }

    fn axes(&mut self, dimensions: &[DimensionData]) -> Result<Axes, CubeError> {
        fn all(attributes: &[Result<Formula, Failure>]) -> Vec<Option<&Formula>> {
            attributes.iter().map(|formula| formula.as_ref().ok()).collect()
        }
        let shown = self.shown_measures.iter().map(|&at| self.prepared.measures[at].as_ref().ok());
        let formulas = super::pivot::Formulas {
            measures: shown.clone().map(|measure| measure.map(|own| &own.formula)).collect(),
            measure_attributes: shown
                .map(|measure| measure.map(|own| all(&own.attributes)).unwrap_or_default())
                .collect(),
            dimension_attributes: self
                .shown_dimensions
                .iter()
                .map(|&at| self.prepared.dimensions[at].as_ref().map(|own| all(&own.attributes)))
                .map(Result::unwrap_or_default)
                .collect(),
        };
        super::pivot::axes(
            &mut self.evaluation,
            self.def,
            &self.shown_dimensions,
            dimensions,
            &self.codes,
            &formulas,
        )
        .map_err(|failure| match failure {
            Failure::Stopped => CubeError::Stopped,
            Failure::TooLarge => CubeError::TooLarge,
            Failure::Invalid(_) => CubeError::TooManyGroups { limit: MAX_GROUPS },
        })
    }
}
