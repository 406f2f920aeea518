//! From a definition to a cube: bind, evaluate, leave out, put together, sort, add up.

use std::cmp::Ordering;
use std::sync::Arc;

use hashbrown::HashMap;
use rayon::slice::ParallelSliceMut;

use super::body::{Axes, CubeBody, CubeData, DimensionData, MeasureData, Special};
use super::column::Values;
use super::dimension::{Base, Dimension};
use super::evaluation::{Column, Evaluation, MAX_GROUPS, Merged};
use super::formula::{Failure, Formula, Preparation, Reads, parse_set};
use super::{Calculator, Context};
use crate::cube::{
    AttributeDef, AttributeDimensionInfo, AttributeInfo, Cell, ColumnError, Condition, Cube,
    CubeDef, CubeError, DimensionDef, DimensionInfo, DimensionKind, LimitMode, MeasureDef,
    MeasureInfo, Mode, OtherDef, OtherRule, SortCriteria, SortIndicator, TotalKind,
};
use crate::expression::{Environment, is_true};
use crate::format::{Locale, NumberFormat, format_value};
use crate::model::{DataModel, FieldId, FieldValues};
use crate::value::{Value, collate, compare_numbers};
use crate::view::{State, View};

/// A definition whose expressions have been bound.
pub(crate) struct PreparedCube {
    dimensions: Vec<Result<PreparedDimension, ColumnError>>,
    measures: Vec<Result<PreparedMeasure, ColumnError>>,
    pub(crate) reads: Reads,
}

struct PreparedDimension {
    dimension: Dimension,
    sort_expression: Option<Formula>,
    ranking: Option<Formula>,
    attributes: Vec<Result<Formula, Failure>>,
    attribute_dimensions: Vec<Result<(Option<FieldId>, Formula), Failure>>,
}

struct PreparedMeasure {
    formula: Formula,
    attributes: Vec<Result<Formula, Failure>>,
}

/// Binds the columns of a definition. Conditions are asked for first: what is hidden is not computed.
pub(crate) fn prepare(
    calculator: &Calculator,
    context: &Context<'_>,
    environment: &Environment<'_>,
    def: &CubeDef,
) -> PreparedCube {
    let default_set = parse_set(&def.context_set);
    let mut preparation = Preparation {
        model: &calculator.model,
        variables: context.variables,
        dimensions: Vec::new(),
        default_set: default_set.clone().unwrap_or_default(),
        reads: Reads::default(),
    };
    let bound: Vec<Result<Dimension, ColumnError>> = def
        .dimensions
        .iter()
        .map(|dimension| {
            column_condition(calculator, context, dimension.condition.as_ref())?;
            calculator
                .dimension(context, &dimension.expression, &mut preparation, environment)
                .map_err(invalid)
        })
        .collect();
    preparation.dimensions = bound.iter().flatten().map(Dimension::plain_field).collect();
    let dimensions = bound
        .into_iter()
        .zip(&def.dimensions)
        .map(|(dimension, def)| Ok(prepare_dimension(dimension?, def, &mut preparation)))
        .collect();
    let measures = def
        .measures
        .iter()
        .map(|measure| {
            column_condition(calculator, context, measure.condition.as_ref())?;
            if let Err(message) = &default_set {
                return Err(invalid(message.clone()));
            }
            let formula = preparation.formula(&measure.expression).map_err(invalid)?;
            let attributes = prepare_attributes(&measure.attributes, &mut preparation);
            Ok(PreparedMeasure { formula, attributes })
        })
        .collect();
    PreparedCube { dimensions, measures, reads: preparation.reads }
}

fn prepare_dimension(
    dimension: Dimension,
    def: &DimensionDef,
    preparation: &mut Preparation<'_>,
) -> PreparedDimension {
    let mut optional = |text: &str| {
        if text.trim().is_empty() { None } else { preparation.formula(text).ok() }
    };
    let sort_expression =
        if def.sort.by_expression == 0 { None } else { optional(&def.sort.expression) };
    let ranking = def.other.as_ref().and_then(|other| optional(&other.referenced_expression));
    let attributes = prepare_attributes(&def.attributes, preparation);
    let attribute_dimensions = def
        .attribute_dimensions
        .iter()
        .map(|attribute| {
            let name = attribute.expression.trim();
            let name = name.strip_prefix('=').unwrap_or(name);
            let formula = preparation.formula(name)?;
            let bare = name.trim().trim_start_matches('[').trim_end_matches(']');
            Ok((preparation.model.field(bare), formula))
        })
        .collect();
    PreparedDimension { dimension, sort_expression, ranking, attributes, attribute_dimensions }
}

fn prepare_attributes(
    defs: &[AttributeDef],
    preparation: &mut Preparation<'_>,
) -> Vec<Result<Formula, Failure>> {
    defs.iter().map(|attribute| preparation.formula(&attribute.expression)).collect()
}

fn column_condition(
    calculator: &Calculator,
    context: &Context<'_>,
    condition: Option<&Condition>,
) -> Result<(), ColumnError> {
    match unmet(calculator, context, condition) {
        Some(message) => Err(ColumnError::Condition { message }),
        None => Ok(()),
    }
}

/// The message of a condition that does not hold. One that cannot be evaluated does not hold.
pub(crate) fn unmet(
    calculator: &Calculator,
    context: &Context<'_>,
    condition: Option<&Condition>,
) -> Option<Arc<str>> {
    let condition = condition.filter(|condition| !condition.expression.trim().is_empty())?;
    match calculator.evaluate(context, &condition.expression) {
        Ok(value) if is_true(&value) => None,
        _ => Some(label(calculator, context, &condition.message, "")),
    }
}

/// A text, or the value of the expression that it is.
pub(crate) fn label(
    calculator: &Calculator,
    context: &Context<'_>,
    text: &Arc<str>,
    default: &str,
) -> Arc<str> {
    if text.is_empty() {
        return default.into();
    }
    if !text.trim_start().starts_with('=') {
        return text.clone();
    }
    match calculator.evaluate(context, text) {
        Ok(value) => value.shared_text(),
        Err(error) => error.to_string().into(),
    }
}

fn invalid(message: Failure) -> ColumnError {
    ColumnError::Invalid { message }
}

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
    let mut builder = Builder::new(calculator, context, environment, def, prepared);
    builder.collect_pivot_others();
    builder.find_rows()?;
    builder.compute_measures();
    builder.suppress();
    builder.collect_others();
    builder.sort();
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
            Err(_) => self.evaluation.groups_of(&[]).map_err(|_| too_many())?,
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

    fn compute_measures(&mut self) {
        let all = self.evaluation.all_dimensions();
        self.columns = (0..self.shown_measures.len())
            .map(|measure| self.measure_column(measure, &all))
            .collect();
    }

    fn measure_column(&mut self, measure: usize, dimensions: &[usize]) -> Column {
        let Some(prepared) = self.measure(measure) else { return Column::nulls(self.groups.len()) };
        let groups = std::mem::take(&mut self.groups);
        let column = self.evaluation.column(&prepared.formula, dimensions, &groups);
        self.groups = groups;
        column.unwrap_or_else(|message| {
            self.measure_errors[self.shown_measures[measure]] = Some(invalid(message));
            Column::nulls(self.groups.len())
        })
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

    /// Puts the values beyond each dimension's limit together, and computes the measures again for what became of them.
    fn collect_others(&mut self) {
        let limited: Vec<usize> = (0..self.width())
            .filter(|&dimension| self.dimension_def(dimension).other.is_some())
            .collect();
        if limited.is_empty() || self.columns.is_empty() || self.def.mode == Mode::Pivot {
            return;
        }
        let original = self.codes.clone();
        let mut dropped = vec![false; self.groups.len()];
        for dimension in limited {
            if let Some(other) = &self.dimension_def(dimension).other {
                self.limit(dimension, other, &original, &mut dropped);
            }
        }
        // Rows with the same codes are one row now.
        let width = self.width();
        let mut numbers: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut merged_codes = Vec::new();
        let largest = self.groups.iter().copied().max().map_or(0, |group| group as usize + 1);
        let mut map = vec![u32::MAX; largest];
        for row in 0..self.groups.len() {
            if dropped[row] {
                continue;
            }
            let next = numbers.len() as u32;
            let codes = &self.codes[row * width..(row + 1) * width];
            let number = match numbers.get(codes) {
                Some(number) => *number,
                None => {
                    merged_codes.extend_from_slice(codes);
                    *numbers.entry(codes.to_vec()).or_insert(next)
                }
            };
            map[self.groups[row] as usize] = number;
        }
        // What is not shown is computed into a last group that nobody asks for.
        let len = numbers.len();
        map.iter_mut().for_each(|number| *number = (*number).min(len as u32));
        let full = self.evaluation.grouping(&self.evaluation.all_dimensions()).len();
        map.resize(full.max(largest), len as u32);
        self.evaluation.merge(Merged { map, len: len + 1 });
        self.groups = (0..len as u32).collect();
        self.codes = merged_codes;
        self.compute_measures();
    }

    /// Gives the rows beyond one dimension's limit the code of the rest.
    fn limit(
        &mut self,
        dimension: usize,
        other: &OtherDef,
        original: &[u32],
        dropped: &mut [bool],
    ) {
        let width = self.width();
        let rest = self.specials[dimension].rest;
        let levels: Vec<usize> =
            if other.is_global { vec![dimension] } else { (0..=dimension).collect() };
        let Some((formula, limit)) = self.ranking(dimension, other) else { return };
        // The values of the dimension within each combination of the outer ones.
        let mut values: Vec<Vec<u32>> = (0..self.groups.len())
            .map(|row| levels.iter().map(|&level| original[row * width + level]).collect())
            .collect();
        values.sort_unstable();
        values.dedup();
        let flat: Vec<u32> = values.iter().flatten().copied().collect();
        let Ok(column) = self.evaluation.column_of(formula, &levels, &flat) else { return };
        let mut kept: hashbrown::HashSet<&[u32]> = hashbrown::HashSet::new();
        let mut start = 0;
        for part in
            values.chunk_by(|left, right| left[..left.len() - 1] == right[..right.len() - 1])
        {
            let numbers: Vec<f64> =
                (start..start + part.len()).map(|at| column.numbers[at]).collect();
            start += part.len();
            for at in within_limit(other, limit, &numbers) {
                kept.insert(&part[at]);
            }
        }
        for row in 0..self.groups.len() {
            let key: Vec<u32> = levels.iter().map(|&level| original[row * width + level]).collect();
            if kept.contains(&key[..]) {
                continue;
            }
            self.has_others = true;
            dropped[row] |= other.suppress_other;
            self.codes[row * width + dimension] = rest;
            if other.collapse_inner {
                for inner in dimension + 1..width {
                    self.codes[row * width + inner] = self.specials[inner].rest;
                }
            }
        }
    }

    fn sort(&mut self) {
        self.ranks = (0..self.width()).map(|dimension| self.dimension_ranks(dimension)).collect();
        if self.def.sort_by_measure != 0 && self.def.mode != Mode::Straight {
            self.rank_by_total();
        }
        let order = self.sort_columns();
        let keys: Vec<SortKey<'_>> = order
            .iter()
            .map(|&column| match column.checked_sub(self.width()) {
                None => SortKey::Dimension { ranks: &self.ranks[column], place: column },
                Some(measure) => {
                    let def = &self.def.measures[self.shown_measures[measure]];
                    SortKey::Measure { column: &self.columns[measure], def }
                }
            })
            .collect();
        let width = self.width();
        let codes = &self.codes;
        // What became of the rest stands last, also where a measure decides; dimensions see to it themselves.
        let measure_decides = matches!(keys.first(), Some(SortKey::Measure { .. }));
        let rests = |row: usize| {
            let is_rest = |(code, special): (&u32, &Special)| *code == special.rest;
            measure_decides
                && self.has_others
                && codes[row * width..(row + 1) * width].iter().zip(&self.specials).any(is_rest)
        };
        let compare = |left: &u32, right: &u32| {
            let (left_row, right_row) = (*left as usize, *right as usize);
            let by_keys = keys.iter().map(|key| key.compare(codes, width, left_row, right_row));
            let order = rests(left_row).cmp(&rests(right_row));
            by_keys.fold(order, Ordering::then).then(left.cmp(right))
        };
        let mut rows: Vec<u32> = (0..self.groups.len() as u32).collect();
        if rows.len() > 50_000 {
            rows.par_sort_unstable_by(compare)
        } else {
            rows.sort_unstable_by(compare)
        }
        self.keep(&rows);
    }

    /// Visible columns from the most to the least significant.
    fn sort_columns(&self) -> Vec<usize> {
        match self.def.mode {
            Mode::Straight => {
                self.effective_columns().into_iter().map(|(shown, _)| shown).collect()
            }
            Mode::Pivot | Mode::Stacked => (0..self.width()).collect(),
        }
    }

    /// Visible columns in sort order, with their numbers in the definition.
    fn effective_columns(&self) -> Vec<(usize, i32)> {
        let dimensions = self.shown_dimensions.iter().map(|&at| at as i32);
        let measures =
            self.shown_measures.iter().map(|&at| (self.def.dimensions.len() + at) as i32);
        let columns: Vec<(usize, i32)> = dimensions.chain(measures).enumerate().collect();
        let mut order: Vec<(usize, i32)> = Vec::new();
        for wanted in &self.def.inter_column_sort {
            if let Some(found) = columns.iter().find(|(_, number)| number == wanted)
                && !order.contains(found)
            {
                order.push(*found);
            }
        }
        for column in columns {
            if !order.contains(&column) {
                order.push(column);
            }
        }
        order
    }

    /// The place of each code of a dimension in its order. Null, the rest and totals stand last, in this order.
    fn dimension_ranks(&mut self, dimension: usize) -> Vec<u32> {
        let def = self.dimension_def(dimension);
        let formula = match &self.prepared.dimensions[self.shown_dimensions[dimension]] {
            Ok(prepared) => prepared.sort_expression.as_ref(),
            Err(_) => None,
        };
        let len = self.null_of(dimension);
        let codes: Vec<u32> = (0..len).collect();
        let by_expression = formula
            .and_then(|formula| self.evaluation.column_of(formula, &[dimension], &codes).ok());
        let own = &self.evaluation.dimensions[dimension];
        let mut ranks = ranks_of(own, &self.view, &def.sort, by_expression.as_ref(), def.reverse);
        let special = self.specials[dimension];
        ranks.resize(special.total as usize + 1, 0);
        ranks[special.null as usize] = len;
        ranks[special.rest as usize] = len + 1;
        ranks[special.total as usize] = len + 2;
        ranks
    }

    /// In a pivot every header is limited by its own totals: its values beyond the limit become one value before
    /// anything is computed, so that all subtotals see it.
    fn collect_pivot_others(&mut self) {
        if self.def.mode != Mode::Pivot {
            return;
        }
        for dimension in 0..self.width() {
            let Some(other) = &self.dimension_def(dimension).other else { continue };
            let Some((formula, limit)) = self.ranking(dimension, other) else { continue };
            let own = self.evaluation.dimensions[dimension].clone();
            let field = match own.plain_field() {
                Some(field) => field,
                None => continue,
            };
            let values = own.dictionary(self.model());
            let possible: Vec<u32> = self.view.states(field).possible().members();
            let Ok(column) = self.evaluation.column_of(formula, &[dimension], &possible) else {
                continue;
            };
            let kept = within_limit(other, limit, &column.numbers);
            if kept.len() == possible.len() {
                continue;
            }
            let rest = values.null();
            let mut map = vec![rest; values.len() + 1];
            kept.iter().for_each(|&at| map[possible[at] as usize] = possible[at]);
            map[values.len()] = rest + 1;
            let label = label(
                self.calculator,
                self.context,
                &self.dimension_def(dimension).other_label,
                "Others",
            );
            let texts = values.values.iter().cloned().chain([Value::Text(label)]).collect();
            self.specials[dimension] = Special { null: rest + 1, rest, total: rest + 2 };
            self.has_others = true;
            let mut dimensions = self.evaluation.dimensions.clone();
            dimensions[dimension] = Dimension {
                base: Base::Mapped { field, map: map.into() },
                values: Values::Own(Arc::new(FieldValues::new(texts))),
            };
            // What was grouped so far was grouped by other codes.
            let mut fresh =
                Evaluation::new(self.calculator, self.context, self.evaluation.environment);
            fresh.default_set.clone_from(&self.evaluation.default_set);
            fresh.dimensions = dimensions;
            self.evaluation = fresh;
        }
    }

    /// What a limited dimension is ranked by, and the limit.
    fn ranking(&self, dimension: usize, other: &OtherDef) -> Option<(&'a Formula, f64)> {
        let own = self.prepared.dimensions[self.shown_dimensions[dimension]].as_ref().ok()?;
        let formula = match &own.ranking {
            Some(formula) => formula,
            None if self.shown_measures.is_empty() => return None,
            None => &self.measure(0)?.formula,
        };
        let limit = self.calculator.evaluate(self.context, &other.limit).ok()?.number()?;
        Some((formula, limit))
    }

    /// Orders the first dimension by its total of the first measure.
    fn rank_by_total(&mut self) {
        let Some(measure) = self.measure(0) else { return };
        if self.width() == 0 {
            return;
        }
        let null = self.null_of(0);
        let codes: Vec<u32> = (0..=null).collect();
        let Ok(column) = self.evaluation.column_of(&measure.formula, &[0], &codes) else { return };
        let sign = self.def.sort_by_measure;
        let mut order = codes;
        order.sort_by(|&left, &right| {
            let (left_number, right_number) =
                (column.numbers[left as usize], column.numbers[right as usize]);
            nan_last(left_number, right_number, sign < 0)
                .then(self.ranks[0][left as usize].cmp(&self.ranks[0][right as usize]))
        });
        for (place, code) in order.into_iter().enumerate() {
            self.ranks[0][code as usize] = place as u32;
        }
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
        column.unwrap_or_else(|_| Column::nulls(self.groups.len()))
    }

    fn dimension_infos(&self, shown: &[DimensionData]) -> Vec<DimensionInfo> {
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

    fn measure_infos(
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
        .map_err(|_| CubeError::TooManyGroups { limit: MAX_GROUPS })
    }
}

enum SortKey<'a> {
    Dimension { ranks: &'a [u32], place: usize },
    Measure { column: &'a Column, def: &'a MeasureDef },
}

impl SortKey<'_> {
    fn compare(&self, codes: &[u32], width: usize, left: usize, right: usize) -> Ordering {
        match self {
            SortKey::Dimension { ranks, place } => {
                let rank = |row: usize| ranks[codes[row * width + place] as usize];
                rank(left).cmp(&rank(right))
            }
            SortKey::Measure { column, def } => compare_measures(column, def, left, right),
        }
    }
}

fn compare_measures(column: &Column, def: &MeasureDef, left: usize, right: usize) -> Ordering {
    let sort = &def.sort;
    let (by_numeric, by_ascii) = match (sort.by_numeric, sort.by_ascii) {
        (0, 0) if sort.by_load_order != 0 => return Ordering::Equal,
        (0, 0) => (-1, 0),
        chosen => chosen,
    };
    let mut order = Ordering::Equal;
    if by_numeric != 0 {
        order =
            nan_last(column.numbers[left], column.numbers[right], (by_numeric < 0) != def.reverse);
    }
    if by_ascii != 0 && order.is_eq() {
        let by_text = collate(&column.get(left).text(), &column.get(right).text());
        order = if (by_ascii < 0) != def.reverse { by_text.reverse() } else { by_text };
    }
    order
}

/// Numbers up or down; what is none stands last either way.
fn nan_last(left: f64, right: f64, descending: bool) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (false, false) if descending => compare_numbers(right, left),
        (false, false) => compare_numbers(left, right),
        (left, right) => left.cmp(&right),
    }
}

/// The place of each code in the order of the criteria.
pub(crate) fn ranks_of(
    dimension: &Dimension,
    view: &View,
    sort: &SortCriteria,
    by_expression: Option<&Column>,
    reverse: bool,
) -> Vec<u32> {
    let values = dimension.dictionary(view.model());
    let len = values.len();
    let states = if sort.by_state != 0 || sort.by_greyness != 0 {
        dimension.states(view)
    } else {
        Vec::new()
    };
    let frequencies =
        if sort.by_frequency != 0 { frequencies(dimension, view) } else { Vec::new() };
    let ranks = (sort.by_numeric != 0 || sort.by_ascii != 0).then(|| values.ranks());
    let signed = |order: Ordering, sign: i8| if sign < 0 { order.reverse() } else { order };
    let compare = |left: &u32, right: &u32| {
        let (left, right) = (*left as usize, *right as usize);
        let mut order = Ordering::Equal;
        if sort.by_state != 0 {
            order = order.then_with(|| {
                signed(states[left].rank().cmp(&states[right].rank()), sort.by_state)
            });
        }
        if sort.by_greyness != 0 {
            let grey = |at: usize| !states[at].is_possible();
            order = order.then_with(|| signed(grey(left).cmp(&grey(right)), sort.by_greyness));
        }
        if let Some(column) = by_expression.filter(|_| sort.by_expression != 0) {
            let descending = sort.by_expression < 0;
            order = order.then_with(|| match (column.get(left), column.get(right)) {
                (Value::Text(left), Value::Text(right)) => {
                    signed(collate(&left, &right), sort.by_expression)
                }
                _ => nan_last(column.numbers[left], column.numbers[right], descending),
            });
        }
        if sort.by_frequency != 0 {
            order = order.then_with(|| {
                signed(frequencies[left].cmp(&frequencies[right]), sort.by_frequency)
            });
        }
        if let Some(ranks) = ranks {
            if sort.by_numeric != 0 {
                order = order.then_with(|| {
                    signed(ranks.numeric[left].cmp(&ranks.numeric[right]), sort.by_numeric)
                });
            }
            if sort.by_ascii != 0 {
                order = order
                    .then_with(|| signed(ranks.text[left].cmp(&ranks.text[right]), sort.by_ascii));
            }
        }
        order.then_with(|| signed(left.cmp(&right), sort.by_load_order))
    };
    let mut codes: Vec<u32> = (0..len as u32).collect();
    codes.sort_unstable_by(compare);
    if reverse {
        codes.reverse();
    }
    let mut places = vec![0; len];
    for (place, code) in codes.into_iter().enumerate() {
        places[code as usize] = place as u32;
    }
    places
}

/// Possible rows by code.
pub(crate) fn frequencies(dimension: &Dimension, view: &View) -> Vec<u32> {
    match &dimension.base {
        Base::Field(field) => view.frequencies(*field).to_vec(),
        Base::Mapped { field, map } => {
            let mut counts = vec![0; dimension.dictionary(view.model()).len()];
            for (element, count) in view.frequencies(*field).iter().enumerate() {
                if let Some(slot) = counts.get_mut(map[element] as usize) {
                    *slot += count;
                }
            }
            counts
        }
        Base::Rows { table, codes } => {
            let mut counts = vec![0; dimension.dictionary(view.model()).len() + 1];
            let rows = crate::view::PossibleRows::rows(view, *table);
            for row in 0..codes.len() {
                if rows.is_none_or(|rows| rows.contains(row)) {
                    counts[codes.get(row) as usize] += 1;
                }
            }
            counts.pop();
            counts
        }
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
    AttributeInfo { min, max, error: error.map(|message| invalid(message.clone())) }
}

fn range(numbers: &[f64]) -> (f64, f64) {
    numbers
        .iter()
        .fold((f64::NAN, f64::NAN), |(min, max), number| (min.min(*number), max.max(*number)))
}

pub(crate) fn indicator(sort: &SortCriteria, reverse: bool) -> SortIndicator {
    let criteria = [
        sort.by_state,
        sort.by_greyness,
        sort.by_expression,
        sort.by_frequency,
        sort.by_numeric,
        sort.by_ascii,
        sort.by_load_order,
    ];
    // State and greyness say nothing about the values when something else decides too.
    let deciding = criteria[2..].iter().chain(&criteria[..2]).find(|sign| **sign != 0);
    match deciding {
        None if reverse => SortIndicator::Descending,
        None => SortIndicator::None,
        Some(sign) if (*sign < 0) != reverse => SortIndicator::Descending,
        Some(_) => SortIndicator::Ascending,
    }
}

fn measure_indicator(def: &MeasureDef) -> SortIndicator {
    match (def.sort.by_numeric, def.sort.by_ascii) {
        (0, 0) if def.reverse => SortIndicator::Ascending,
        (0, 0) => SortIndicator::Descending,
        _ => indicator(&def.sort, def.reverse),
    }
}

fn measure_format(def: &MeasureDef) -> Option<NumberFormat> {
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

/// Places of the values that are shown by themselves.
fn within_limit(other: &OtherDef, limit: f64, numbers: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    let lowest_first = other.order > 0 || (other.rule == OtherRule::Counted && limit < 0.0);
    order.sort_by(|&left, &right| {
        nan_last(numbers[left], numbers[right], !lowest_first).then(left.cmp(&right))
    });
    let total: f64 = numbers.iter().filter(|number| !number.is_nan()).sum();
    let holds = |number: f64, limit: f64| match other.limit_mode {
        LimitMode::GreaterEqual => number >= limit,
        LimitMode::LessEqual => number <= limit,
        LimitMode::Greater => number > limit,
        LimitMode::Less => number < limit,
    };
    let reaching = |target: f64| {
        let mut sum = 0.0;
        let mut kept = Vec::new();
        for &at in &order {
            if sum >= target || numbers[at].is_nan() {
                break;
            }
            sum += numbers[at];
            kept.push(at);
        }
        kept
    };
    match other.rule {
        OtherRule::Counted => {
            order.truncate(limit.abs() as usize);
            order
        }
        OtherRule::AbsoluteLimit => {
            order.into_iter().filter(|&at| holds(numbers[at], limit)).collect()
        }
        OtherRule::RelativeLimit => {
            order.into_iter().filter(|&at| holds(numbers[at], limit * total)).collect()
        }
        OtherRule::AbsoluteTarget => reaching(limit),
        OtherRule::RelativeTarget => reaching(limit * total),
    }
}
