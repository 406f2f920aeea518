//! Every combination of rows that the associations allow, one after the other.

use super::Evaluation;
use crate::calculator::bounds::{BATCH, Stop, until};
use crate::calculator::dimension::{Base, Dimension};
use crate::calculator::set::RowSet;
use crate::model::{DataModel, FieldId, NO_ROW, TableId};
use crate::view::PossibleRows;

impl Evaluation<'_> {
    /// Calls `visit` with the rows of the wanted tables and the group, for every combination of possible rows that the
    /// associations allow, starting from the first wanted table. A table without a fitting row is [`NO_ROW`].
    pub(super) fn walk_join(
        &mut self,
        wanted: &[TableId],
        dimensions: &[usize],
        possible: &RowSet,
        visit: &mut dyn FnMut(&[u32], u32),
    ) {
        let model = self.model();
        let root = wanted[0];
        let mut walk = Walk {
            model,
            possible,
            stop: self.context.stop,
            tables: vec![root],
            steps: Vec::new(),
            rows: vec![NO_ROW],
        };
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
}

/// A walk over the join of some tables.
struct Walk<'a> {
    model: &'a DataModel,
    possible: &'a RowSet,
    stop: Stop<'a>,
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
        for row in until(self.stop, self.model.table_info(root).rows) {
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
            for (at, &row) in by_key.of(keys.codes.get(self.rows[from] as usize)).iter().enumerate()
            {
                // Even one row may meet all others.
                if at % BATCH == BATCH - 1 && (self.stop)() {
                    return;
                }
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
