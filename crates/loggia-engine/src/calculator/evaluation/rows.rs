//! Which rows does an aggregation read, and to which groups does each belong?
//!
//! Where each row meets at most one value of every dimension, the groups are a column beside the rows. Otherwise pairs
//! of row and group are made by walking a table that reaches both, or the join itself.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{Evaluation, FeedKey};
use crate::bitmap::Bitmap;
use crate::calculator::bounds::{MAX_PAIRS, check};
use crate::calculator::column::{Coded, RowColumn, Values, gather};
use crate::calculator::dimension::Dimension;
use crate::calculator::formula::{AggregateSpec, Failure};
use crate::calculator::grouping::Feed;
use crate::calculator::set::RowSet;
use crate::model::{FieldId, NO_ROW, TableId};
use crate::view::PossibleRows;

impl<'a> Evaluation<'a> {
    /// Argument columns and rows with their groups, for an aggregation over the model's tables. Dimensions that the
    /// rows are not associated with fall away: every one of their values sees all rows.
    #[expect(clippy::type_complexity, reason = "three parts of one answer, used in one place")]
    pub(super) fn table_rows(
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
            let column = self.calculator.expression_column(
                source,
                &arg.expr,
                &arg.fields,
                self.environment,
                self.context.stop,
            )?;
            args.push(column.ok_or_else(unassociated)?);
        }
        let kept: Vec<usize> = kept
            .into_iter()
            .filter(|&dimension| self.dimensions[dimension].is_reachable(self.model(), source))
            .collect();
        let feed = self.feed(source, &kept, set)?;
        Ok((args, feed, kept))
    }

    /// `Count(*)` and aggregations of constants: rows of the table that tells the dimensions apart, or of the largest.
    pub(super) fn rows_without_fields(&self, kept: &[usize]) -> Option<TableId> {
        self.root_of(kept).or_else(|| {
            let tables = self.model().tables().iter().filter(|table| !table.is_synthetic);
            tables
                .max_by_key(|table| (table.rows, std::cmp::Reverse(table.id)))
                .map(|table| table.id)
        })
    }

    /// The possible rows of a table and their groups.
    pub(super) fn feed(
        &mut self,
        source: TableId,
        dimensions: &[usize],
        set: usize,
    ) -> Result<Arc<Feed>, Failure> {
        let key = FeedKey { source, dimensions: dimensions.to_vec(), set };
        if let Some(known) = self.feeds.get(&key) {
            return Ok(known.clone());
        }
        let stop = self.context.stop;
        let rows = self.sets[set].1.shared(source);
        let len = self.model().table_info(source).rows;
        let columns: Option<Vec<_>> = dimensions
            .iter()
            .map(|&dimension| self.calculator.dimension_codes(source, &self.dimensions[dimension]))
            .collect();
        let feed = match columns {
            Some(columns) => {
                let groups = self.grouping(dimensions).groups(&columns, rows.as_deref(), len, stop);
                Feed::Rows { rows, len, groups }
            }
            None => self.expanded_feed(source, dimensions, set)?,
        };
        check(stop)?;
        let feed = Arc::new(feed);
        self.feeds.insert(key, feed.clone());
        Ok(feed)
    }

    /// Rows that meet several values of a dimension.
    pub(super) fn expanded_feed(
        &mut self,
        source: TableId,
        dimensions: &[usize],
        set: usize,
    ) -> Result<Feed, Failure> {
        let rows = self.sets[set].1.clone();
        match self.driver(source, dimensions) {
            Some(driver) => self.driven_feed(source, driver, dimensions, &rows),
            None => self.joined_feed(source, dimensions, &rows),
        }
    }

    /// A table each of whose rows meets at most one row of the source and one value of every dimension.
    pub(super) fn driver(&self, source: TableId, dimensions: &[usize]) -> Option<TableId> {
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
    pub(super) fn driven_feed(
        &mut self,
        source: TableId,
        driver: TableId,
        dimensions: &[usize],
        possible: &RowSet,
    ) -> Result<Feed, Failure> {
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
                if pairs.is_full {
                    return;
                }
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
    pub(super) fn joined_feed(
        &mut self,
        source: TableId,
        dimensions: &[usize],
        possible: &RowSet,
    ) -> Result<Feed, Failure> {
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
    pub(super) fn joined_rows(
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
            if pairs.is_full {
                return;
            }
            let next = known.len() as u32;
            let row = match known.get(rows) {
                Some(row) => *row,
                None => *known.entry(rows.to_vec()).or_insert(next),
            };
            pairs.add(row, group);
        });
        check(self.context.stop)?;
        if pairs.is_full {
            return Err(Failure::TooLarge);
        }
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
                    self.context.stop,
                )?,
            };
            args.push(Arc::new(column));
        }
        Ok((args, Arc::new(pairs.into_feed()?), kept))
    }
}

/// The rows that a link leads to.
pub(super) fn reached(link: &[u32], from: Option<&Bitmap>, len: usize) -> Bitmap {
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

/// Distinct pairs of row and group.
struct Pairs {
    rows: Vec<u32>,
    groups: Vec<u32>,
    seen: Seen,
    /// More than may be held; what is added now is dropped.
    is_full: bool,
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
        Pairs { rows: Vec::new(), groups: Vec::new(), seen, is_full: false }
    }

    fn sparse() -> Pairs {
        Pairs {
            rows: Vec::new(),
            groups: Vec::new(),
            seen: Seen::Set(HashSet::new()),
            is_full: false,
        }
    }

    fn add(&mut self, row: u32, group: u32) {
        if self.rows.len() >= MAX_PAIRS {
            self.is_full = true;
            return;
        }
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

    fn into_feed(self) -> Result<Feed, Failure> {
        if self.is_full {
            return Err(Failure::TooLarge);
        }
        Ok(Feed::Pairs { rows: self.rows, groups: self.groups })
    }
}
