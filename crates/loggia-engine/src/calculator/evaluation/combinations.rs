//! Which groups does a chart have? The combinations of dimension values that occur together in possible rows, and
//! products of what is not associated.

use super::rows::reached;
use super::{Evaluation, MAX_GROUPS, too_many_groups};
use crate::bitmap::Bitmap;
use crate::calculator::bounds::{check, check_batch};
use crate::calculator::dimension::{Base, Dimension};
use crate::calculator::formula::{Failure, Formula, Slot};
use crate::calculator::set::RowSet;
use crate::model::{NO_ROW, TableId};
use crate::view::PossibleRows;

impl<'a> Evaluation<'a> {
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
        check(self.context.stop)?;
        Ok(self.grouping(&all).present())
    }

    /// Adds the possible combinations of dimension values: those that occur together in rows, and products of what is
    /// not associated.
    pub(super) fn add_possible_groups(&mut self, all: &[usize]) -> Result<(), Failure> {
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
        let stop = self.context.stop;
        let mut product: Vec<Vec<u32>> = vec![vec![0; all.len()]];
        for part in parts {
            self.add_combinations(&part)?;
            let grouping = self.grouping(&part);
            let groups = grouping.present();
            if product.len().saturating_mul(groups.len()) > MAX_GROUPS {
                return Err(too_many_groups());
            }
            check(stop)?;
            let mut next = Vec::with_capacity(product.len() * groups.len());
            let mut codes = Vec::new();
            for (at, before) in product.iter().enumerate() {
                check_batch(at, stop)?;
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
        for (at, codes) in product.iter().enumerate() {
            check_batch(at, stop)?;
            grouping.add(codes);
        }
        Ok(())
    }

    pub(super) fn are_associated(&self, left: usize, right: usize) -> bool {
        let model = self.model();
        let first = self.dimensions[left].tables(model).first().copied();
        first.is_some_and(|table| self.dimensions[right].is_reachable(model, table))
    }

    /// The table whose rows tell some dimensions apart: each row meets at most one value of every one.
    pub(super) fn root_of(&self, dimensions: &[usize]) -> Option<TableId> {
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
    pub(super) fn add_combinations(&mut self, part: &[usize]) -> Result<(), Failure> {
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
        self.feed(root, part, current)?;
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
    pub(super) fn add_values(&mut self, dimension: usize, set: usize) {
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
    pub(super) fn add_unreached(
        &mut self,
        root: TableId,
        table: TableId,
        part: &[usize],
        possible: &RowSet,
    ) {
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
    pub(super) fn add_unseen(&mut self, part: &[usize], dimension: usize, possible: &RowSet) {
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
    pub(super) fn add_rows(&mut self, table: TableId, part: &[usize], rows: &Bitmap) {
        if rows.is_empty() {
            return;
        }
        let (calculator, stop) = (self.calculator, self.context.stop);
        let own: Vec<Dimension> = part.iter().map(|&at| self.dimensions[at].clone()).collect();
        let near: Vec<_> =
            own.iter().map(|dimension| calculator.dimension_codes(table, dimension)).collect();
        let nulls: Vec<u32> =
            own.iter().map(|dimension| dimension.dictionary(&calculator.model).null()).collect();
        let grouping = self.grouping(part);
        let mut codes = vec![0; own.len()];
        for (at, row) in rows.iter().enumerate() {
            if check_batch(at, stop).is_err() {
                return;
            }
            for ((code, column), null) in codes.iter_mut().zip(&near).zip(&nulls) {
                *code = column.as_ref().map_or(*null, |column| column.get(row));
            }
            grouping.add(&codes);
        }
    }
}
