//! The work of one cube or one expression: formulas are evaluated for groups of rows under sets of selections.
//!
//! An aggregation reads the rows of one table: the one that holds the fields of its argument (the most detailed of
//! those that reach them all). Each row counts once for every combination of dimension values associated with it.
//! Where each row meets at most one value of every dimension the groups are columns beside the rows; otherwise pairs
//! of row and group are made by walking a table that reaches both, or the join itself.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::aggregate::{GroupValues, aggregate};
use super::column::{Coded, RowColumn, Values, gather, intern};
use super::dimension::{Base, Dimension};
use super::formula::{AggregateSpec, Failure, Formula, Preparation, Slot};
use super::grouping::{Feed, Grouping};
use super::set::RowSet;
use super::{Calculator, Context};
use crate::bitmap::Bitmap;
use crate::expression::{
    Aggr, Call, Environment, Expr, FieldRef, RowContext, SetExpr, eval_scalar,
};
use crate::functions::{AggregateKind, Function};
use crate::model::{DataModel, FieldId, NO_ROW, TableId};
use crate::selection::Selections;
use crate::value::Value;
use crate::view::{PossibleRows, View};

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

    pub(crate) fn bytes(&self) -> usize {
        self.numbers.len() * 8 + self.values.as_ref().map_or(0, |values| values.len() * 48)
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
        let values = groups.iter().enumerate().map(|(at, &group)| {
            (row.at, row.group) = (at, group);
            eval_scalar(&formula.expr, &row)
        });
        Ok(Column::from_values(values.collect()))
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
        let values = aggregate(self.model(), spec.kind, spec.distinct, &args, &feed, len);
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
        let (own, calculator) = (&self.dimensions, self.calculator);
        self.groupings.entry(dimensions.to_vec()).or_insert_with(|| {
            let radices =
                dimensions.iter().map(|&at| own[at].dictionary(model).null() + 1).collect();
            let largest = model.tables().iter().map(|table| table.rows).max().unwrap_or(0);
            let _ = calculator;
            Grouping::new(radices, (1 << 16).max(largest * 2))
        })
    }

    /// Argument columns and rows with their groups, for an aggregation over the model's tables. Dimensions that the
    /// rows are not associated with fall away: every one of their values sees all rows.
    #[expect(clippy::type_complexity, reason = "three parts of one answer, used in one place")]
    fn table_rows(
        &mut self,
        spec: &AggregateSpec,
        kept: Vec<usize>,
    ) -> Result<(Vec<Arc<RowColumn>>, Arc<Feed>, Vec<usize>), Failure> {
        let mut fields: Vec<FieldId> = Vec::new();
        for field in spec.args.iter().flat_map(|arg| &arg.fields) {
            if !fields.contains(field) {
                fields.push(*field);
            }
        }
        let source = match &fields[..] {
            [] => self.rows_without_fields(&kept),
            fields => self.calculator.source_of(fields),
        };
        let set = self.set_number(spec.set.as_ref())?;
        let Some(source) = source else {
            return self.joined_rows(spec, &fields, kept, set);
        };
        let mut args = Vec::with_capacity(spec.args.len());
        for arg in &spec.args {
            let column =
                self.calculator.expression_column(source, &arg.expr, &arg.fields, self.environment);
            args.push(column.ok_or_else(unassociated)?);
        }
        let kept: Vec<usize> = kept
            .into_iter()
            .filter(|&dimension| self.dimensions[dimension].is_reachable(self.model(), source))
            .collect();
        let feed = self.feed(source, &kept, set);
        Ok((args, feed, kept))
    }

    /// `Count(*)` and aggregations of constants: rows of the table that tells the dimensions apart, or of the largest.
    fn rows_without_fields(&self, kept: &[usize]) -> Option<TableId> {
        self.root_of(kept).or_else(|| {
            let tables = self.model().tables().iter().filter(|table| !table.is_synthetic);
            tables
                .max_by_key(|table| (table.rows, std::cmp::Reverse(table.id)))
                .map(|table| table.id)
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

    /// The possible rows of a table and their groups.
    fn feed(&mut self, source: TableId, dimensions: &[usize], set: usize) -> Arc<Feed> {
        let key = FeedKey { source, dimensions: dimensions.to_vec(), set };
        if let Some(known) = self.feeds.get(&key) {
            return known.clone();
        }
        let rows = self.sets[set].1.shared(source);
        let len = self.model().table_info(source).rows;
        let columns: Option<Vec<_>> = dimensions
            .iter()
            .map(|&dimension| self.calculator.dimension_codes(source, &self.dimensions[dimension]))
            .collect();
        let feed = match columns {
            Some(columns) => {
                let groups = self.grouping(dimensions).groups(&columns, rows.as_deref(), len);
                Feed::Rows { rows, len, groups }
            }
            None => self.expanded_feed(source, dimensions, set),
        };
        let feed = Arc::new(feed);
        self.feeds.insert(key, feed.clone());
        feed
    }

    /// Rows that meet several values of a dimension.
    fn expanded_feed(&mut self, source: TableId, dimensions: &[usize], set: usize) -> Feed {
        let rows = self.sets[set].1.clone();
        match self.driver(source, dimensions) {
            Some(driver) => self.driven_feed(source, driver, dimensions, &rows),
            None => self.joined_feed(source, dimensions, &rows),
        }
    }

    /// A table each of whose rows meets at most one row of the source and one value of every dimension.
    fn driver(&self, source: TableId, dimensions: &[usize]) -> Option<TableId> {
        let model = self.model();
        let candidates = model.tables().iter().filter_map(|table| {
            let path = model.path(table.id, source).filter(|path| path.is_functional)?;
            // The nearest to the source: rows that end on the way are then few, and their dimensions are near.
            let mut steps = 0;
            for &dimension in dimensions {
                steps += self.dimensions[dimension].distance(model, table.id)?;
            }
            Some((path.steps.len(), steps, table.rows, table.id))
        });
        candidates.min().map(|(.., table)| table)
    }

    /// Pairs from the rows of a driver, and from the rows on the way to the source that no driver row meets: they
    /// count too, with null for what lies beyond them.
    fn driven_feed(
        &mut self,
        source: TableId,
        driver: TableId,
        dimensions: &[usize],
        possible: &RowSet,
    ) -> Feed {
        let calculator = self.calculator;
        let model = self.model();
        let own: Vec<Dimension> =
            dimensions.iter().map(|&at| self.dimensions[at].clone()).collect();
        let nulls: Vec<u32> =
            own.iter().map(|dimension| dimension.dictionary(model).null()).collect();
        let mut tables = vec![driver];
        tables.extend(
            model.path(driver, source).into_iter().flat_map(|path| path.steps).map(|step| step.to),
        );
        let mut pairs = Pairs::new(model.table_info(source).rows, self.grouping(dimensions).len());
        let grouping = self.grouping(dimensions);
        let mut codes = vec![0; own.len()];
        for (at, &table) in tables.iter().enumerate() {
            let Some(source_rows) = calculator.link(table, source) else { break };
            let columns: Vec<_> =
                own.iter().map(|dimension| calculator.dimension_codes(table, dimension)).collect();
            let mut visit = |row: usize| {
                let source_row = source_rows[row];
                if source_row == NO_ROW
                    || possible.rows(source).is_some_and(|rows| !rows.contains(source_row as usize))
                {
                    return;
                }
                for ((code, column), null) in codes.iter_mut().zip(&columns).zip(&nulls) {
                    *code = column.as_ref().map_or(*null, |column| column.get(row));
                }
                pairs.add(source_row, grouping.add(&codes));
            };
            let len = model.table_info(table).rows;
            let rows = possible.rows(table);
            let before = at.checked_sub(1).map(|before| tables[before]);
            match before.and_then(|before| Some((before, calculator.link(before, table)?))) {
                Some((before, link)) => {
                    let mut rest = rows.cloned().unwrap_or_else(|| Bitmap::all(len));
                    rest.subtract(&reached(&link, possible.rows(before), len));
                    rest.iter().for_each(&mut visit);
                }
                None => match rows {
                    Some(rows) => rows.iter().for_each(&mut visit),
                    None => (0..len).for_each(&mut visit),
                },
            }
        }
        pairs.into_feed()
    }

    /// Pairs by walking the join from each row of the source.
    fn joined_feed(&mut self, source: TableId, dimensions: &[usize], possible: &RowSet) -> Feed {
        let len = self.model().table_info(source).rows;
        let mut pairs = Pairs::new(len, self.grouping(dimensions).len());
        self.walk_join(&[source], dimensions, possible, &mut |rows, group| {
            if rows[0] != NO_ROW {
                pairs.add(rows[0], group);
            }
        });
        pairs.into_feed()
    }

    /// Arguments whose fields no table reaches: the join of their tables is the source.
    #[expect(clippy::type_complexity, reason = "three parts of one answer, used in one place")]
    fn joined_rows(
        &mut self,
        spec: &AggregateSpec,
        fields: &[FieldId],
        kept: Vec<usize>,
        set: usize,
    ) -> Result<(Vec<Arc<RowColumn>>, Arc<Feed>, Vec<usize>), Failure> {
        let model = self.model();
        let mut holders: Vec<TableId> = Vec::new();
        let mut home: Vec<usize> = Vec::new();
        for &field in fields {
            // Keys are read where another field is read anyway.
            let tables = &model.field_info(field).tables;
            let known = holders.iter().position(|holder| tables.contains(holder));
            home.push(known.unwrap_or(holders.len()));
            if known.is_none() {
                let largest = tables.iter().max_by_key(|table| model.table_info(**table).rows);
                holders.push(*largest.ok_or_else(unassociated)?);
            }
        }
        holders.sort_by_key(|table| std::cmp::Reverse(model.table_info(*table).rows));
        let first = *holders.first().ok_or_else(unassociated)?;
        // Tables on the way are part of the join: their rows multiply as well.
        for at in 1..holders.len() {
            let path = model.path(first, holders[at]).ok_or_else(unassociated)?;
            for step in path.steps {
                if !holders.contains(&step.to) {
                    holders.push(step.to);
                }
            }
        }
        for (place, &field) in home.iter_mut().zip(fields) {
            let holds = |table: &TableId| model.column(*table, field).is_some();
            *place = holders.iter().position(holds).ok_or_else(unassociated)?;
        }
        let kept: Vec<usize> = kept
            .into_iter()
            .filter(|&dimension| self.dimensions[dimension].is_reachable(model, first))
            .collect();
        let possible = self.sets[set].1.clone();
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut pairs = Pairs::sparse();
        self.walk_join(&holders, &kept, &possible, &mut |rows, group| {
            let next = known.len() as u32;
            let row = match known.get(rows) {
                Some(row) => *row,
                None => *known.entry(rows.to_vec()).or_insert(next),
            };
            pairs.add(row, group);
        });
        let mut tuples: Vec<(u32, Vec<u32>)> =
            known.into_iter().map(|(rows, number)| (number, rows)).collect();
        tuples.sort_unstable();
        let column_of =
            |holder: usize| tuples.iter().map(|(_, rows)| rows[holder]).collect::<Vec<u32>>();
        let holder_rows: Vec<Vec<u32>> = (0..holders.len()).map(column_of).collect();
        let mut args = Vec::with_capacity(spec.args.len());
        for arg in &spec.args {
            let mut inputs = Vec::with_capacity(arg.fields.len());
            for field in &arg.fields {
                let place = fields.iter().position(|own| own == field).ok_or_else(unassociated)?;
                let holder = home[place];
                let column = model.column(holders[holder], *field).ok_or_else(unassociated)?;
                let codes =
                    gather(&column.codes, &holder_rows[holder], model.values(*field).null());
                inputs.push(Coded { codes: codes.into(), values: Values::Field(*field) });
            }
            let column = match (&inputs[..], arg.expr.as_field()) {
                ([input], Some(_)) => RowColumn::Coded(input.clone()),
                _ => self.calculator.computed(
                    &arg.expr,
                    &arg.fields,
                    &inputs,
                    tuples.len(),
                    self.environment,
                ),
            };
            args.push(Arc::new(column));
        }
        Ok((args, Arc::new(pairs.into_feed()), kept))
    }

    /// Calls `visit` with the rows of the wanted tables and the group, for every combination of possible rows that the
    /// associations allow, starting from the first wanted table. A table without a fitting row is [`NO_ROW`].
    fn walk_join(
        &mut self,
        wanted: &[TableId],
        dimensions: &[usize],
        possible: &RowSet,
        visit: &mut dyn FnMut(&[u32], u32),
    ) {
        let model = self.model();
        let root = wanted[0];
        let mut walk =
            Walk { model, possible, tables: vec![root], steps: Vec::new(), rows: vec![NO_ROW] };
        for table in &wanted[1..] {
            walk.reach(root, *table);
        }
        // Where to read each dimension's code.
        let own: Vec<Dimension> =
            dimensions.iter().map(|&at| self.dimensions[at].clone()).collect();
        let mut readers = Vec::with_capacity(own.len());
        for dimension in &own {
            let table = match &dimension.base {
                Base::Field(field) | Base::Mapped { field, .. } => {
                    match model.nearest(root, *field) {
                        Some(path) => path.steps.last().map_or(root, |step| step.to),
                        None => root,
                    }
                }
                Base::Rows { table, .. } => *table,
            };
            walk.reach(root, table);
            let place = walk.tables.iter().position(|known| *known == table).unwrap_or(0);
            readers.push((place, self.calculator.dimension_codes(table, dimension)));
        }
        let nulls: Vec<u32> =
            own.iter().map(|dimension| dimension.dictionary(model).null()).collect();
        let places: Vec<usize> = wanted
            .iter()
            .map(|table| walk.tables.iter().position(|known| known == table).unwrap_or(0))
            .collect();
        let grouping = self.grouping(dimensions);
        let mut codes = vec![0; own.len()];
        let mut rows = vec![NO_ROW; wanted.len()];
        walk.run(&mut |found| {
            for ((code, (place, column)), null) in codes.iter_mut().zip(&readers).zip(&nulls) {
                let row = found[*place];
                *code = match column {
                    Some(column) if row != NO_ROW => column.get(row as usize),
                    _ => *null,
                };
            }
            for (row, place) in rows.iter_mut().zip(&places) {
                *row = found[*place];
            }
            visit(&rows, grouping.add(&codes));
        });
    }

    /// Rows of an `Aggr`: one for each combination of its dimensions, with the value it has there. Outer dimensions
    /// that are not among its own are added to them, so that each outer group aggregates its own inner table.
    fn virtual_rows(
        &mut self,
        spec: &AggregateSpec,
        aggr: &Aggr,
        kept: &[usize],
    ) -> Result<(Vec<Arc<RowColumn>>, Arc<Feed>), Failure> {
        let model = self.model();
        let mut inner = self.with_base(self.base.clone());
        inner.default_set = aggr.set.clone().or_else(|| self.default_set.clone());
        for dimension in &aggr.dimensions {
            let field = model
                .field(&dimension.field)
                .ok_or_else(|| super::formula::no_such_field(&dimension.field))?;
            inner.dimensions.push(Dimension::of_field(field));
        }
        // Where each outer dimension stands among the inner ones.
        let mut places = Vec::with_capacity(kept.len());
        for &outer in kept {
            let dimension = &self.dimensions[outer];
            let same = |own: &Dimension| {
                own.plain_field().is_some() && own.plain_field() == dimension.plain_field()
            };
            let place = inner.dimensions.iter().position(same);
            places.push(place.unwrap_or(inner.dimensions.len()));
            if place.is_none() {
                inner.dimensions.push(dimension.clone());
            }
        }
        let value = inner.prepared(aggr.value.clone())?;
        let all = inner.all_dimensions();
        let groups = inner.groups_of(&[&value])?;
        let values = inner.column(&value, &all, &groups)?;
        let mut args = Vec::with_capacity(spec.args.len());
        for arg in &spec.args {
            let names: Vec<FieldId> = arg.fields.clone();
            let mut inputs = Vec::with_capacity(names.len());
            for field in &names {
                let formula = inner.prepared(Expr::field(&model.field_info(*field).name))?;
                inputs.push(inner.column(&formula, &all, &groups)?);
            }
            let mut bound = arg.expr.clone();
            bound.bind(&|name| {
                let field = model.field(name)?;
                names.iter().position(|own| *own == field).map(|slot| slot as u32)
            });
            let mut row = VirtualRow {
                value: &values,
                inputs: &inputs,
                at: 0,
                environment: self.environment,
            };
            let results = (0..groups.len()).map(|at| {
                row.at = at;
                eval_scalar(&bound, &row)
            });
            args.push(Arc::new(RowColumn::Coded(intern(results, groups.len()))));
        }
        let inner_grouping = inner.grouping(&all).clone();
        let grouping = self.grouping(kept);
        let (mut codes, mut part) = (Vec::new(), Vec::new());
        let numbers: Vec<u32> = groups
            .iter()
            .map(|&group| {
                inner_grouping.codes_of(group, &mut codes);
                part.clear();
                part.extend(places.iter().map(|&place| codes[place]));
                grouping.add(&part)
            })
            .collect();
        Ok((
            args,
            Arc::new(Feed::Pairs { rows: (0..groups.len() as u32).collect(), groups: numbers }),
        ))
    }

    /// The groups of a chart: the possible combinations of dimension values, and whatever else the aggregations of
    /// these formulas meet.
    pub(crate) fn groups_of(&mut self, formulas: &[&Formula]) -> Result<Vec<u32>, Failure> {
        let all = self.all_dimensions();
        if all.is_empty() {
            return Ok(vec![0]);
        }
        for formula in formulas {
            for slot in &formula.slots {
                if let Slot::Aggregate(spec) = slot
                    && spec.aggr.is_none()
                    && spec.total.is_none()
                {
                    self.table_rows(spec, all.clone())?;
                }
            }
        }
        self.add_possible_groups(&all)?;
        Ok(self.grouping(&all).present())
    }

    /// Adds the possible combinations of dimension values: those that occur together in rows, and products of what is
    /// not associated.
    fn add_possible_groups(&mut self, all: &[usize]) -> Result<(), Failure> {
        let mut parts: Vec<Vec<usize>> = Vec::new();
        for &dimension in all {
            let related =
                |part: &Vec<usize>| part.iter().any(|other| self.are_associated(*other, dimension));
            match parts.iter_mut().find(|part| related(part)) {
                Some(part) => part.push(dimension),
                None => parts.push(vec![dimension]),
            }
        }
        if let [part] = &parts[..] {
            let part = part.clone();
            return self.add_combinations(&part);
        }
        // Each part by itself, then every combination of them.
        let mut product: Vec<Vec<u32>> = vec![vec![0; all.len()]];
        for part in parts {
            self.add_combinations(&part)?;
            let grouping = self.grouping(&part);
            let groups = grouping.present();
            if product.len().saturating_mul(groups.len()) > MAX_GROUPS {
                return Err(too_many_groups());
            }
            let mut next = Vec::with_capacity(product.len() * groups.len());
            let mut codes = Vec::new();
            for before in &product {
                for &group in &groups {
                    grouping.codes_of(group, &mut codes);
                    let mut combined = before.clone();
                    for (&dimension, &code) in part.iter().zip(&codes) {
                        combined[dimension] = code;
                    }
                    next.push(combined);
                }
            }
            product = next;
        }
        let grouping = self.grouping(all);
        for codes in &product {
            grouping.add(codes);
        }
        Ok(())
    }

    fn are_associated(&self, left: usize, right: usize) -> bool {
        let model = self.model();
        let first = self.dimensions[left].tables(model).first().copied();
        first.is_some_and(|table| self.dimensions[right].is_reachable(model, table))
    }

    /// The table whose rows tell some dimensions apart: each row meets at most one value of every one.
    fn root_of(&self, dimensions: &[usize]) -> Option<TableId> {
        if dimensions.is_empty() {
            return None;
        }
        let model = self.model();
        let candidates = model.tables().iter().filter_map(|table| {
            let mut steps = 0;
            for &dimension in dimensions {
                steps += self.dimensions[dimension].distance(model, table.id)?;
            }
            Some((steps, table.rows, table.id))
        });
        candidates.min().map(|(.., table)| table)
    }

    /// Adds the combinations of associated dimensions that occur in possible rows.
    fn add_combinations(&mut self, part: &[usize]) -> Result<(), Failure> {
        let current = self.set_number(None)?;
        if let [dimension] = part {
            self.add_values(*dimension, current);
            return Ok(());
        }
        let possible = self.sets[current].1.clone();
        let Some(root) = self.root_of(part) else {
            let holders = part
                .iter()
                .filter_map(|&at| self.dimensions[at].tables(self.model()).first().copied());
            let Some(root) = holders.max_by_key(|table| self.model().table_info(*table).rows)
            else {
                return Ok(());
            };
            self.walk_join(&[root], part, &possible, &mut |_, _| {});
            for &dimension in part {
                self.add_unseen(part, dimension, &possible);
            }
            return Ok(());
        };
        self.feed(root, part, current);
        let mut tables: Vec<TableId> = Vec::new();
        for &dimension in part {
            for table in self.dimensions[dimension].tables(self.model()) {
                if table != root && !tables.contains(&table) {
                    tables.push(table);
                }
            }
        }
        for table in tables {
            self.add_unreached(root, table, part, &possible);
        }
        Ok(())
    }

    /// The possible values of one dimension, and null where a possible row lacks one.
    fn add_values(&mut self, dimension: usize, set: usize) {
        let model = self.model();
        let own = self.dimensions[dimension].clone();
        let null = own.dictionary(model).null();
        let mut codes = Bitmap::none(null as usize + 1);
        let view = self.view();
        match &own.base {
            Base::Field(field) => {
                view.states(*field).possible().iter().for_each(|code| codes.insert(code))
            }
            Base::Mapped { field, map } => {
                view.states(*field)
                    .possible()
                    .iter()
                    .for_each(|code| codes.insert(map[code] as usize));
            }
            Base::Rows { .. } => {}
        }
        for table in own.tables(model) {
            let Some(column) = self.calculator.dimension_codes(table, &own) else { continue };
            let rows = self.sets[set].1.shared(table);
            let only_nulls = !matches!(own.base, Base::Rows { .. });
            crate::table::with_codes!(&*column, values => {
                use crate::table::Code;
                let mut visit = |row: usize| {
                    let code = values[row].index();
                    if !only_nulls || code == null as usize {
                        codes.insert(code);
                    }
                };
                match &rows {
                    Some(rows) => rows.iter().for_each(&mut visit),
                    None => (0..values.len()).for_each(&mut visit),
                }
            });
        }
        let grouping = self.grouping(&[dimension]);
        codes.iter().for_each(|code| {
            grouping.add(&[code as u32]);
        });
    }

    /// Rows of a table that no row of the root meets have combinations of their own, with nulls for what is far.
    fn add_unreached(&mut self, root: TableId, table: TableId, part: &[usize], possible: &RowSet) {
        let calculator = self.calculator;
        let len = self.model().table_info(table).rows;
        let mut rows = possible.rows(table).cloned().unwrap_or_else(|| Bitmap::all(len));
        if let Some(link) = calculator.link(root, table) {
            rows.subtract(&reached(&link, possible.rows(root), len));
        } else if let Some(link) = calculator.link(table, root) {
            let unlinked = Bitmap::from_fn(len, |row| link[row] == NO_ROW);
            rows.intersect(&unlinked);
        } else {
            for &dimension in part {
                self.add_unseen(part, dimension, possible);
            }
            return;
        }
        self.add_rows(table, part, &rows);
    }

    /// Values of a dimension that are possible but in no combination yet.
    fn add_unseen(&mut self, part: &[usize], dimension: usize, possible: &RowSet) {
        let place = part.iter().position(|own| *own == dimension).unwrap_or(0);
        let null = self.dimensions[dimension].dictionary(self.model()).null();
        let grouping = self.grouping(part);
        let mut seen = Bitmap::none(null as usize + 1);
        let mut codes = Vec::new();
        for group in grouping.present() {
            grouping.codes_of(group, &mut codes);
            seen.insert(codes[place] as usize);
        }
        seen.insert(null as usize);
        let own = self.dimensions[dimension].clone();
        for table in own.tables(self.model()) {
            let Some(column) = self.calculator.dimension_codes(table, &own) else { continue };
            let len = self.model().table_info(table).rows;
            let mut rows = possible.rows(table).cloned().unwrap_or_else(|| Bitmap::all(len));
            rows.intersect(&Bitmap::from_fn(len, |row| !seen.contains(column.get(row) as usize)));
            self.add_rows(table, part, &rows);
        }
    }

    /// The combinations in rows of a table, with nulls for dimensions that a row does not meet or meets more than once.
    fn add_rows(&mut self, table: TableId, part: &[usize], rows: &Bitmap) {
        if rows.is_empty() {
            return;
        }
        let calculator = self.calculator;
        let own: Vec<Dimension> = part.iter().map(|&at| self.dimensions[at].clone()).collect();
        let near: Vec<_> =
            own.iter().map(|dimension| calculator.dimension_codes(table, dimension)).collect();
        let nulls: Vec<u32> =
            own.iter().map(|dimension| dimension.dictionary(&calculator.model).null()).collect();
        let grouping = self.grouping(part);
        let mut codes = vec![0; own.len()];
        for row in rows.iter() {
            for ((code, column), null) in codes.iter_mut().zip(&near).zip(&nulls) {
                *code = column.as_ref().map_or(*null, |column| column.get(row));
            }
            grouping.add(&codes);
        }
    }

    /// Answers of functions about selections.
    fn selection_function(&self, call: &Call) -> Value {
        let field =
            call.args.first().and_then(Expr::as_field).and_then(|name| self.model().field(name));
        let view = self.view();
        let counts = field.map(|field| *view.states(field).counts());
        let count = |count: fn(&crate::view::StateCounts) -> usize| match &counts {
            Some(counts) => Value::Number(count(counts) as f64),
            None => Value::Null,
        };
        match call.function {
            Function::GetSelectedCount => count(|counts| counts.all_selected()),
            Function::GetPossibleCount => {
                count(|counts| counts.locked + counts.selected + counts.optional)
            }
            Function::GetExcludedCount => count(|counts| counts.excluded),
            Function::GetAlternativeCount => count(|counts| counts.alternative),
            Function::GetNotSelectedCount => {
                count(|counts| counts.optional + counts.alternative + counts.excluded)
            }
            Function::GetFieldSelections => match field {
                Some(field) => self.selected_text(field, call),
                None => Value::Null,
            },
            Function::GetCurrentSelections => {
                let lines = self.base.in_order("").into_iter().map(|(field, _)| {
                    format!(
                        "{}: {}",
                        self.model().field_info(field).name,
                        self.selected_text(field, call).text()
                    )
                });
                Value::from_text(&lines.collect::<Vec<_>>().join("\n"))
            }
            Function::StateName => Value::from_text(if self.context.state.is_empty() {
                "$"
            } else {
                self.context.state
            }),
            _ => Value::Null,
        }
    }

    fn selected_text(&self, field: FieldId, call: &Call) -> Value {
        let literal = |at: usize| match call.args.get(at).map(|arg| &arg.kind) {
            Some(crate::expression::ExprKind::Literal(value)) => Some(value.clone()),
            _ => None,
        };
        let is_own = call.function == Function::GetFieldSelections;
        let separator =
            literal(1).filter(|_| is_own).map_or(", ".into(), |value| value.text().into_owned());
        let most = literal(2).filter(|_| is_own).and_then(|value| value.number()).unwrap_or(6.0);
        let Some(selection) = self.base.field("", field) else { return Value::Null };
        let values = self.model().values(field);
        let selected = selection.elements();
        if selected.len() as f64 > most {
            return Value::from_text(&format!("{} of {}", selected.len(), values.len()));
        }
        let texts: Vec<_> = selected.iter().map(|&element| values.value(element).text()).collect();
        Value::from_text(&texts.join(&separator))
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

/// The rows that a link leads to.
fn reached(link: &[u32], from: Option<&Bitmap>, len: usize) -> Bitmap {
    let mut reached = Bitmap::none(len);
    match from {
        Some(rows) => rows.iter().for_each(|row| reached.insert(link[row] as usize)),
        None => link.iter().for_each(|&row| reached.insert(row as usize)),
    }
    reached
}

fn unassociated() -> Failure {
    "the fields of the expression are not associated with each other".into()
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

/// Distinct pairs of row and group.
struct Pairs {
    rows: Vec<u32>,
    groups: Vec<u32>,
    seen: Seen,
}

enum Seen {
    Flags { bits: Bitmap, groups: usize },
    Set(HashSet<u64>),
}

impl Pairs {
    fn new(rows: usize, groups: usize) -> Pairs {
        const FLAGS: usize = 1 << 27;
        let seen = match rows.checked_mul(groups) {
            // Numbers of a sparse grouping grow while pairs are added.
            Some(size) if groups > 1 && size <= FLAGS => {
                Seen::Flags { bits: Bitmap::none(size), groups }
            }
            _ => Seen::Set(HashSet::new()),
        };
        Pairs { rows: Vec::new(), groups: Vec::new(), seen }
    }

    fn sparse() -> Pairs {
        Pairs { rows: Vec::new(), groups: Vec::new(), seen: Seen::Set(HashSet::new()) }
    }

    fn add(&mut self, row: u32, group: u32) {
        if let Seen::Flags { bits, groups } = &self.seen
            && group as usize >= *groups
        {
            let (bits, groups) = (bits.clone(), *groups);
            let known = bits.iter().map(|at| ((at / groups) as u64) << 32 | (at % groups) as u64);
            self.seen = Seen::Set(known.collect());
        }
        let is_new = match &mut self.seen {
            Seen::Flags { bits, groups } => {
                let at = row as usize * *groups + group as usize;
                let is_new = !bits.contains(at);
                bits.insert(at);
                is_new
            }
            Seen::Set(set) => set.insert(u64::from(row) << 32 | u64::from(group)),
        };
        if is_new {
            self.rows.push(row);
            self.groups.push(group);
        }
    }

    fn into_feed(self) -> Feed {
        Feed::Pairs { rows: self.rows, groups: self.groups }
    }
}

/// A walk over the join of some tables.
struct Walk<'a> {
    model: &'a DataModel,
    possible: &'a RowSet,
    tables: Vec<TableId>,
    /// From the table at a place over a key into the table after it; beside `tables[1..]`.
    steps: Vec<(usize, FieldId)>,
    rows: Vec<u32>,
}

impl Walk<'_> {
    /// Adds a table and those on the way to it.
    fn reach(&mut self, root: TableId, table: TableId) {
        let Some(path) = self.model.path(root, table) else { return };
        let mut from = 0;
        for step in path.steps {
            from = match self.tables.iter().position(|known| *known == step.to) {
                Some(place) => place,
                None => {
                    self.tables.push(step.to);
                    self.steps.push((from, step.key));
                    self.rows.push(NO_ROW);
                    self.tables.len() - 1
                }
            };
        }
    }

    fn run(&mut self, visit: &mut dyn FnMut(&[u32])) {
        let root = self.tables[0];
        for row in 0..self.model.table_info(root).rows {
            if self.possible.rows(root).is_none_or(|rows| rows.contains(row)) {
                self.rows[0] = row as u32;
                self.extend(1, visit);
            }
        }
    }

    fn extend(&mut self, place: usize, visit: &mut dyn FnMut(&[u32])) {
        if place == self.tables.len() {
            return visit(&self.rows);
        }
        let (from, key) = self.steps[place - 1];
        let table = self.tables[place];
        let mut found = false;
        if self.rows[from] != NO_ROW
            && let Some(keys) = self.model.column(self.tables[from], key)
            && let Some(by_key) = self.model.key_rows(table, key)
        {
            for &row in by_key.of(keys.codes.get(self.rows[from] as usize)) {
                if self.possible.rows(table).is_none_or(|rows| rows.contains(row as usize)) {
                    found = true;
                    self.rows[place] = row;
                    self.extend(place + 1, visit);
                }
            }
        }
        if !found {
            self.rows[place] = NO_ROW;
            self.extend(place + 1, visit);
        }
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

/// One row of an `Aggr`.
struct VirtualRow<'r, 'a> {
    value: &'r Column,
    inputs: &'r [Column],
    at: usize,
    environment: &'r Environment<'a>,
}

impl RowContext for VirtualRow<'_, '_> {
    fn field(&self, field: &FieldRef) -> Option<Value> {
        Some(self.inputs.get(field.slot? as usize)?.get(self.at))
    }

    fn environment(&self) -> &Environment<'_> {
        self.environment
    }

    fn aggr(&self, _aggr: &Aggr) -> Value {
        self.value.get(self.at)
    }
}
