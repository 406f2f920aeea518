//! The work of one cube or one expression: formulas are evaluated for groups of rows under sets of selections.
//!
//! An aggregation reads the rows of one table: the one that holds the fields of its argument (the most detailed of
//! those that reach them all). Each row counts once for every combination of dimension values associated with it.

mod chosen;
mod combinations;
mod inner;
mod rows;
mod walk;

use std::sync::Arc;

use hashbrown::HashMap;

use super::aggregate::{GroupValues, aggregate};
use super::bounds::{MAX_TEXT_BYTES, Texts, check, check_batch, own_text_bytes};
use super::dimension::Dimension;
use super::formula::{AggregateSpec, Failure, Formula, Preparation, Slot};
use super::grouping::{Feed, Grouping};
use super::set::RowSet;
use super::{Calculator, Context};
use crate::expression::{Call, Environment, Expr, FieldRef, RowContext, SetExpr, eval_scalar};
use crate::functions::AggregateKind;
use crate::model::{DataModel, TableId};
use crate::selection::Selections;
use crate::value::Value;
use crate::view::View;

/// More groups than this are refused.
pub(crate) const MAX_GROUPS: usize = 4_000_000;

pub(crate) struct Evaluation<'a> {
    pub(crate) calculator: &'a Calculator,
    pub(crate) context: &'a Context<'a>,
    pub(crate) environment: &'a Environment<'a>,
    /// The selections of the state in question, as the default state.
    pub(crate) base: Selections,
    pub(crate) dimensions: Vec<Dimension>,
    /// For aggregations without a set of their own.
    pub(crate) default_set: Option<SetExpr>,
    sets: Vec<(Option<SetExpr>, RowSet)>,
    groupings: HashMap<Vec<usize>, Grouping>,
    feeds: HashMap<FeedKey, Arc<Feed>>,
    /// What groups of the full grouping have become, once some were put together.
    merged: Option<Merged>,
    /// Of the texts made so far.
    text_bytes: usize,
}

/// Groups put together, and how many there are then.
pub(crate) struct Merged {
    pub(crate) map: Vec<u32>,
    pub(crate) len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FeedKey {
    source: TableId,
    dimensions: Vec<usize>,
    set: usize,
}

/// A value for each wanted group.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) numbers: Vec<f64>,
    /// Where some values are not plain numbers.
    pub(crate) values: Option<Vec<Value>>,
}

impl Column {
    pub(crate) fn get(&self, at: usize) -> Value {
        match &self.values {
            Some(values) => values.get(at).cloned().unwrap_or_default(),
            None => Value::from_number(self.numbers.get(at).copied().unwrap_or(f64::NAN)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn from_values(values: Vec<Value>) -> Column {
        let numbers = values.iter().map(|value| value.number().unwrap_or(f64::NAN)).collect();
        let plain = values.iter().all(|value| matches!(value, Value::Number(_) | Value::Null));
        Column { numbers, values: (!plain).then_some(values) }
    }

    /// The column in another order, or part of it.
    pub(crate) fn picked(&self, places: &[u32]) -> Column {
        Column {
            numbers: places.iter().map(|&at| self.numbers[at as usize]).collect(),
            values: self
                .values
                .as_ref()
                .map(|values| places.iter().map(|&at| values[at as usize].clone()).collect()),
        }
    }

    pub(crate) fn nulls(len: usize) -> Column {
        Column { numbers: vec![f64::NAN; len], values: None }
    }

    /// Bytes of the texts that it does not share with others.
    pub(crate) fn text_bytes(&self) -> usize {
        self.values.as_ref().map_or(0, |values| values.iter().map(own_text_bytes).sum())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.numbers.len() * 8
            + self.values.as_ref().map_or(0, |values| values.len() * 48)
            + self.text_bytes()
    }
}

/// An aggregation's values and how to find a group's among them.
struct SlotValues {
    values: GroupValues,
    /// Beside the wanted groups where the aggregation has its own grouping.
    places: Option<Vec<u32>>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(
        calculator: &'a Calculator,
        context: &'a Context<'a>,
        environment: &'a Environment<'a>,
    ) -> Evaluation<'a> {
        Evaluation {
            calculator,
            context,
            environment,
            base: context.selections.only(context.state),
            dimensions: Vec::new(),
            default_set: None,
            sets: Vec::new(),
            groupings: HashMap::new(),
            feeds: HashMap::new(),
            merged: None,
            text_bytes: 0,
        }
    }

    /// A fresh evaluation under other selections.
    pub(crate) fn with_base(&self, base: Selections) -> Evaluation<'a> {
        let mut other = Evaluation::new(self.calculator, self.context, self.environment);
        other.base = base;
        other
    }

    pub(crate) fn model(&self) -> &'a DataModel {
        &self.calculator.model
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.calculator.view_of(self.base.clone())
    }

    pub(crate) fn preparation(&self) -> Preparation<'a> {
        Preparation {
            model: self.model(),
            variables: self.context.variables,
            dimensions: self.dimensions.iter().map(Dimension::plain_field).collect(),
            default_set: self.default_set.clone(),
            reads: Default::default(),
        }
    }

    pub(crate) fn prepared(&self, expr: Expr) -> Result<Formula, Failure> {
        self.preparation().prepared(expr)
    }

    /// All dimensions, the usual thing to group by.
    pub(crate) fn all_dimensions(&self) -> Vec<usize> {
        (0..self.dimensions.len()).collect()
    }

    /// Gives groups of the full grouping a common number: from now on values are computed for those.
    pub(crate) fn merge(&mut self, merged: Merged) {
        self.merged = Some(merged);
    }

    /// The value of a formula over all rows.
    pub(crate) fn single(&mut self, formula: &Formula) -> Result<Value, Failure> {
        Ok(self.column(formula, &[], &[0])?.get(0))
    }

    /// Values of a formula by code of the only dimension.
    pub(crate) fn column_by_codes(
        &mut self,
        formula: &Formula,
        codes: &[u32],
    ) -> Result<Column, Failure> {
        self.column_of(formula, &[0], codes)
    }

    /// Values of a formula for codes of some dimensions, one set of codes after the other.
    pub(crate) fn column_of(
        &mut self,
        formula: &Formula,
        dimensions: &[usize],
        codes: &[u32],
    ) -> Result<Column, Failure> {
        let grouping = self.grouping(dimensions);
        let width = dimensions.len().max(1);
        let groups: Vec<u32> = codes.chunks_exact(width).map(|codes| grouping.add(codes)).collect();
        self.column(formula, dimensions, &groups)
    }

    /// Values of a formula for groups of a grouping.
    pub(crate) fn column(
        &mut self,
        formula: &Formula,
        dimensions: &[usize],
        groups: &[u32],
    ) -> Result<Column, Failure> {
        let mut slots = Vec::with_capacity(formula.slots.len());
        for slot in &formula.slots {
            slots.push(self.slot_values(slot, dimensions, groups)?);
        }
        // A bare aggregation needs no evaluation.
        if let (Some(0), [only]) = (bare_slot(&formula.expr), &slots[..])
            && let GroupValues::Numbers(numbers) = &only.values
        {
            let numbers = match &only.places {
                Some(places) => places.iter().map(|&at| number_at(numbers, at)).collect(),
                None => groups.iter().map(|&at| number_at(numbers, at)).collect(),
            };
            return Ok(Column { numbers, values: None });
        }
        let mut row = GroupRow { slots: &slots, at: 0, group: 0, evaluation: self };
        let mut values = Vec::with_capacity(groups.len());
        let mut texts = Texts::default();
        for (at, &group) in groups.iter().enumerate() {
            check_batch(at, self.context.stop)?;
            (row.at, row.group) = (at, group);
            let value = eval_scalar(&formula.expr, &row);
            texts.add_own(&value)?;
            values.push(value);
        }
        // Pivots and attributes ask for many columns: together they may not take more than two may.
        self.text_bytes += texts.bytes();
        if self.text_bytes > 2 * MAX_TEXT_BYTES {
            return Err(Failure::TooLarge);
        }
        Ok(Column::from_values(values))
    }

    fn slot_values(
        &mut self,
        slot: &Slot,
        dimensions: &[usize],
        groups: &[u32],
    ) -> Result<SlotValues, Failure> {
        match slot {
            Slot::Dimension(dimension) => Ok(self.dimension_slot(*dimension, dimensions, groups)),
            Slot::Aggregate(spec) => self.aggregate_slot(spec, dimensions, groups),
        }
    }

    /// A group's own value of a dimension; null where the groups are not told apart by it.
    fn dimension_slot(
        &mut self,
        dimension: usize,
        dimensions: &[usize],
        groups: &[u32],
    ) -> SlotValues {
        let Some(place) = dimensions.iter().position(|own| *own == dimension) else {
            return self.only_value(dimension, dimensions, groups);
        };
        let dictionary = self.dimensions[dimension].values.clone();
        let dictionary = dictionary.of(self.model());
        let representatives = self.merged.as_ref().map(|merged| merged.representatives());
        let grouping = self.grouping(dimensions);
        let mut codes = Vec::new();
        let values = groups.iter().map(|&group| {
            let original = representatives
                .as_ref()
                .map_or(group, |of| of.get(group as usize).copied().unwrap_or(0));
            grouping.codes_of(original, &mut codes);
            dictionary.value(codes[place]).clone()
        });
        let values = GroupValues::Values(values.collect());
        SlotValues { values, places: Some((0..groups.len() as u32).collect()) }
    }

    /// Above the level of a dimension, its field is an ordinary field again: its only value.
    fn only_value(&mut self, dimension: usize, dimensions: &[usize], groups: &[u32]) -> SlotValues {
        let nothing = SlotValues { values: GroupValues::Numbers(Vec::new()), places: None };
        let Some(field) = self.dimensions[dimension].plain_field() else { return nothing };
        let name = self.model().field_info(field).name.clone();
        let argument = self.preparation().argument(Expr::field(&name));
        let Ok(argument) = argument else { return nothing };
        let spec = AggregateSpec {
            kind: AggregateKind::Only,
            distinct: false,
            total: None,
            set: self.default_set.clone(),
            args: vec![argument],
            aggr: None,
        };
        self.aggregate_slot(&spec, dimensions, groups).unwrap_or(nothing)
    }

    fn aggregate_slot(
        &mut self,
        spec: &AggregateSpec,
        dimensions: &[usize],
        groups: &[u32],
    ) -> Result<SlotValues, Failure> {
        let kept: Vec<usize> = dimensions
            .iter()
            .copied()
            .filter(|&dimension| match &spec.total {
                None => true,
                Some(fields) => {
                    self.dimensions[dimension].field().is_some_and(|field| fields.contains(&field))
                }
            })
            .collect();
        let (args, feed, kept) = match &spec.aggr {
            Some(aggr) => {
                let (args, feed) = self.virtual_rows(spec, aggr, &kept)?;
                (args, feed, kept)
            }
            None => self.table_rows(spec, kept)?,
        };
        let is_full = kept.len() == self.dimensions.len();
        let (feed, len) = match &self.merged {
            Some(merged) if is_full => (Arc::new(feed.regrouped(&merged.map)), merged.len),
            _ => (feed, self.grouping(&kept).len()),
        };
        let stop = self.context.stop;
        let values = aggregate(self.model(), spec.kind, spec.distinct, &args, &feed, stop, len)?;
        check(stop)?;
        let places =
            (kept.len() != dimensions.len()).then(|| self.projected(dimensions, &kept, groups));
        Ok(SlotValues { values, places })
    }

    /// The group of a coarser grouping that each group lies in.
    fn projected(&mut self, dimensions: &[usize], kept: &[usize], groups: &[u32]) -> Vec<u32> {
        let representatives = match &self.merged {
            Some(merged) if dimensions.len() == self.dimensions.len() => {
                Some(merged.representatives())
            }
            _ => None,
        };
        let places: Vec<usize> =
            kept.iter().filter_map(|kept| dimensions.iter().position(|own| own == kept)).collect();
        let fine = self.grouping(dimensions).clone();
        let coarse = self.grouping(kept);
        let (mut codes, mut part) = (Vec::new(), Vec::new());
        groups
            .iter()
            .map(|&group| {
                let original = representatives
                    .as_ref()
                    .map_or(group, |of| of.get(group as usize).copied().unwrap_or(0));
                fine.codes_of(original, &mut codes);
                part.clear();
                part.extend(places.iter().map(|&place| codes[place]));
                coarse.find(&part).unwrap_or(u32::MAX)
            })
            .collect()
    }

    pub(crate) fn grouping(&mut self, dimensions: &[usize]) -> &mut Grouping {
        let model = self.model();
        let own = &self.dimensions;
        self.groupings.entry(dimensions.to_vec()).or_insert_with(|| {
            let radices =
                dimensions.iter().map(|&at| own[at].dictionary(model).null() + 1).collect();
            let largest = model.tables().iter().map(|table| table.rows).max().unwrap_or(0);
            Grouping::new(radices, (1 << 16).max(largest * 2))
        })
    }

    /// The number of a set among those met so far.
    fn set_number(&mut self, set: Option<&SetExpr>) -> Result<usize, Failure> {
        if let Some(known) = self.sets.iter().position(|(known, _)| known.as_ref() == set) {
            return Ok(known);
        }
        let rows = match set {
            None => RowSet::View(self.view()),
            Some(set) => self.row_set(set)?,
        };
        self.sets.push((set.cloned(), rows));
        Ok(self.sets.len() - 1)
    }
}

impl Merged {
    /// One original group for each merged one.
    fn representatives(&self) -> Vec<u32> {
        let mut first = vec![0; self.len];
        for (group, &merged) in self.map.iter().enumerate().rev() {
            if let Some(slot) = first.get_mut(merged as usize) {
                *slot = group as u32;
            }
        }
        first
    }
}

pub(crate) fn too_many_groups() -> Failure {
    format!("more than {MAX_GROUPS} groups").into()
}

fn number_at(numbers: &[f64], at: u32) -> f64 {
    numbers.get(at as usize).copied().unwrap_or(f64::NAN)
}

/// The slot, where an expression is nothing but one.
fn bare_slot(expr: &Expr) -> Option<u32> {
    match &expr.kind {
        crate::expression::ExprKind::Field(field) => field.slot,
        _ => None,
    }
}

/// One group's slots.
struct GroupRow<'r, 'a> {
    slots: &'r [SlotValues],
    at: usize,
    group: u32,
    evaluation: &'r Evaluation<'a>,
}

impl RowContext for GroupRow<'_, '_> {
    fn field(&self, field: &FieldRef) -> Option<Value> {
        let slot = self.slots.get(field.slot? as usize)?;
        let place = slot.places.as_ref().map_or(self.group, |places| places[self.at]);
        Some(slot.values.get(place as usize))
    }

    fn environment(&self) -> &Environment<'_> {
        self.evaluation.environment
    }

    fn call(&self, call: &Call) -> Value {
        self.evaluation.selection_function(call)
    }
}
