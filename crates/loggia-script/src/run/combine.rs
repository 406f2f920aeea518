//! Rows beside rows and rows below rows: concatenation, joins, and where a loaded table goes.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use loggia_engine::Value;
use loggia_engine::expression::wildcard_matches;
use loggia_engine::table::{Column, ColumnBuilder};

use super::{Frame, MAX_ROWS, Room, Runner, TableRows, Work};
use crate::command::{JoinKind, Target};
use crate::problem::Found;

impl Runner<'_> {
    /// Puts loaded rows where the statement's prefix says.
    pub(super) fn place(
        &mut self,
        target: Target,
        name: &Arc<str>,
        frame: Frame,
    ) -> Result<(), Found> {
        let rows = frame.rows;
        let table = match target {
            Target::Join { kind, table } => {
                let at = self.target_table(table.as_ref())?;
                let room = self.room(&frame);
                let joined = joined(&self.tables[at].frame, &frame, kind, room)?;
                self.tables[at].frame = joined;
                at
            }
            Target::Keep { kind, table } => {
                let at = self.target_table(table.as_ref())?;
                let (old, new) = kept(&self.tables[at].frame, &frame, kind);
                self.tables[at].frame = old;
                self.add(name, new)
            }
            Target::Concatenate(table) => {
                let at = self.target_table(table.as_ref())?;
                let old = std::mem::take(&mut self.tables[at].frame);
                self.tables[at].frame = appended(old, frame);
                at
            }
            Target::Automatic => {
                let frame = self.qualified(name, frame)?;
                let same =
                    self.tables.iter().position(|table| has_same_fields(&table.frame, &frame));
                match same {
                    Some(at) => {
                        let old = std::mem::take(&mut self.tables[at].frame);
                        self.tables[at].frame = appended(old, frame);
                        at
                    }
                    None => self.add(name, frame),
                }
            }
            Target::New | Target::Mapping => {
                let frame = self.qualified(name, frame)?;
                self.add(name, frame)
            }
        };
        // Something must be left, or what is held exceeds the limit already.
        self.room(&Frame::default()).check(1)?;
        let Work { name, frame } = &self.tables[table];
        let (name, fields, total) = (name.clone(), frame.columns.len(), frame.rows);
        let noun = |count: usize, one: &str, many: &str| {
            format!("{count} {}", if count == 1 { one } else { many })
        };
        let mut line = format!(
            "{name}: {} loaded, {}",
            noun(rows, "row", "rows"),
            noun(fields, "field", "fields")
        );
        if total != rows {
            line.push_str(&format!(", {} in all", noun(total, "row", "rows")));
        }
        self.say(line);
        self.loaded.push(TableRows { table: name, rows });
        Ok(())
    }

    fn add(&mut self, name: &Arc<str>, frame: Frame) -> usize {
        let mut free = name.clone();
        let mut number = 0;
        while self.tables.iter().any(|table| table.name == free) {
            number += 1;
            free = Arc::from(format!("{name}-{number}"));
        }
        self.tables.push(Work { name: free, frame });
        self.tables.len() - 1
    }

    fn target_table(&self, name: Option<&Arc<str>>) -> Result<usize, Found> {
        match name {
            Some(name) => self.table_named(name),
            None => self
                .tables
                .len()
                .checked_sub(1)
                .ok_or_else(|| Found::new(0, 0, "there is no table yet to add to")),
        }
    }

    /// `QUALIFY`: fields take their table's name in front.
    fn qualified(&self, table: &str, mut frame: Frame) -> Result<Frame, Found> {
        for column in &mut frame.columns {
            let decided = self
                .qualified
                .iter()
                .rev()
                .find(|(pattern, _)| wildcard_matches(pattern, column.name()));
            if decided.is_some_and(|(_, qualifies)| *qualifies) {
                let name = format!("{table}.{}", column.name());
                *column = column.clone().renamed(name);
            }
        }
        Ok(frame)
    }
}

fn has_same_fields(left: &Frame, right: &Frame) -> bool {
    left.columns.len() == right.columns.len()
        && right.columns.iter().all(|column| left.column(column.name()).is_some())
}

/// Copies values of a column into a builder, each distinct value once.
struct Copier<'a> {
    column: &'a Column,
    /// Where in the builder a code was first put.
    placed: Vec<usize>,
}

impl<'a> Copier<'a> {
    fn new(column: &'a Column) -> Copier<'a> {
        Copier { column, placed: vec![usize::MAX; column.values().len() + 1] }
    }

    fn push(&mut self, builder: &mut ColumnBuilder, row: usize) {
        let code = self.column.codes().get(row) as usize;
        if self.placed[code] == usize::MAX {
            self.placed[code] = builder.len();
            builder.push(self.column.values().get(code).cloned().unwrap_or_default());
        } else {
            builder.push_again(self.placed[code]);
        }
    }
}

fn tagged_like(mut column: Column, models: &[&Column]) -> Column {
    for tag in models.iter().flat_map(|model| model.tags()) {
        column = column.tagged(tag.clone());
    }
    column
}

/// The rows of both; fields that only one has are null in the other's rows.
pub(super) fn appended(first: Frame, second: Frame) -> Frame {
    if first.columns.is_empty() && first.rows == 0 {
        return second;
    }
    let mut names: Vec<Arc<str>> =
        first.columns.iter().map(|column| column.name().clone()).collect();
    for column in &second.columns {
        if !names.contains(column.name()) {
            names.push(column.name().clone());
        }
    }
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let mut builder = ColumnBuilder::new(name.clone());
        let mut models = Vec::new();
        for frame in [&first, &second] {
            match frame.column(&name) {
                Some(at) => {
                    let column = &frame.columns[at];
                    models.push(column);
                    let mut copier = Copier::new(column);
                    (0..frame.rows).for_each(|row| copier.push(&mut builder, row));
                }
                None => (0..frame.rows).for_each(|_| builder.push(Value::Null)),
            }
        }
        columns.push(tagged_like(builder.finish(), &models));
    }
    Frame::new(columns, first.rows + second.rows)
}

pub(super) fn gathered(frame: &Frame, rows: &[u32]) -> Frame {
    let columns = frame.columns.iter().map(|column| column.gather(rows)).collect();
    Frame::new(columns, rows.len())
}

/// Another value for each distinct value, null included.
pub(super) fn rewritten(column: &Column, new_value: impl Fn(Value) -> Value) -> Column {
    let mut builder = ColumnBuilder::new(column.name().clone());
    let mut placed = vec![usize::MAX; column.values().len() + 1];
    for row in 0..column.len() {
        let code = column.codes().get(row) as usize;
        if placed[code] == usize::MAX {
            placed[code] = row;
            builder.push(new_value(column.value(row)));
        } else {
            builder.push_again(placed[code]);
        }
    }
    tagged_like(builder.finish(), &[column])
}

/// Numbers the distinct combinations of values, in the order in which they appear.
pub(super) fn row_keys(columns: &[Column], rows: usize) -> Vec<u32> {
    let mut keys = vec![0u32; rows];
    for column in columns {
        let mut known: HashMap<(u32, u32), u32> = HashMap::new();
        for (row, key) in keys.iter_mut().enumerate() {
            let next = known.len() as u32;
            *key = *known.entry((*key, column.codes().get(row))).or_insert(next);
        }
    }
    keys
}

/// Every combination of values once.
pub(super) fn distinct(frame: &Frame) -> Frame {
    if frame.columns.is_empty() {
        return Frame::new(Vec::new(), frame.rows.min(1));
    }
    let keys = row_keys(&frame.columns, frame.rows);
    let mut next = 0;
    let mut rows = Vec::new();
    for (row, key) in keys.into_iter().enumerate() {
        if key == next {
            next += 1;
            rows.push(row as u32);
        }
    }
    gathered(frame, &rows)
}

/// For both frames the number of each row's combination of common values; nothing where one is null.
fn common_keys(left: &Frame, right: &Frame) -> (Vec<Option<u32>>, Vec<Option<u32>>) {
    let mut keys = (vec![Some(0u32); left.rows], vec![Some(0u32); right.rows]);
    for column in &left.columns {
        let Some(at) = right.column(column.name()) else { continue };
        let mut values: HashMap<Value, u32> = HashMap::new();
        let mut combined: HashMap<(u32, u32), u32> = HashMap::new();
        for (keys, column) in [(&mut keys.0, column), (&mut keys.1, &right.columns[at])] {
            let mut numbers: Vec<Option<u32>> = Vec::with_capacity(column.values().len() + 1);
            for value in column.values().iter() {
                let next = values.len() as u32;
                numbers.push(Some(*values.entry(value.clone()).or_insert(next)));
            }
            numbers.push(None);
            for (row, key) in keys.iter_mut().enumerate() {
                *key = match (*key, numbers[column.codes().get(row) as usize]) {
                    (Some(before), Some(number)) => {
                        let next = combined.len() as u32;
                        Some(*combined.entry((before, number)).or_insert(next))
                    }
                    _ => None,
                };
            }
        }
    }
    keys
}

/// Rows that agree in all common fields stand beside each other.
fn joined(left: &Frame, right: &Frame, kind: JoinKind, room: Room) -> Result<Frame, Found> {
    let (left_keys, right_keys) = common_keys(left, right);
    let mut by_key: HashMap<u32, Vec<u32>> = HashMap::new();
    for (row, key) in right_keys.iter().enumerate() {
        if let Some(key) = key {
            by_key.entry(*key).or_default().push(row as u32);
        }
    }
    let mut pairs: Vec<(Option<u32>, Option<u32>)> = Vec::new();
    let mut matched = vec![false; right.rows];
    for (row, key) in left_keys.iter().enumerate() {
        match key.and_then(|key| by_key.get(&key)) {
            Some(partners) => {
                for partner in partners {
                    matched[*partner as usize] = true;
                    pairs.push((Some(row as u32), Some(*partner)));
                }
            }
            None if matches!(kind, JoinKind::Outer | JoinKind::Left) => {
                pairs.push((Some(row as u32), None))
            }
            None => {}
        }
        room.check_at(row, || pairs.len() * size_of::<(Option<u32>, Option<u32>)>())?;
        if pairs.len() > MAX_ROWS {
            return Err(Found::new(0, 0, format!("the join makes more than {MAX_ROWS} rows"))
                .with_mend("do the tables share the fields you mean?"));
        }
    }
    if matches!(kind, JoinKind::Outer | JoinKind::Right) {
        let unmatched = (0..right.rows as u32).filter(|row| !matched[*row as usize]);
        pairs.extend(unmatched.map(|row| (None, Some(row))));
    }
    let mut held = pairs.len() * size_of::<(Option<u32>, Option<u32>)>();
    let mut columns = Vec::new();
    for column in &left.columns {
        room.check(held + pairs.len() * 4 + column.bytes())?;
        let mut builder = ColumnBuilder::new(column.name().clone());
        let partner = right.column(column.name()).map(|at| &right.columns[at]);
        let mut own = Copier::new(column);
        let mut other = partner.map(Copier::new);
        for pair in &pairs {
            match (pair, &mut other) {
                ((Some(row), _), _) => own.push(&mut builder, *row as usize),
                ((None, Some(row)), Some(other)) => other.push(&mut builder, *row as usize),
                _ => builder.push(Value::Null),
            }
        }
        columns.push(tagged_like(builder.finish(), &[column]));
        held += columns.last().map_or(0, Column::bytes);
    }
    for column in right.columns.iter().filter(|column| left.column(column.name()).is_none()) {
        room.check(held + pairs.len() * 4 + column.bytes())?;
        let mut builder = ColumnBuilder::new(column.name().clone());
        let mut own = Copier::new(column);
        for (_, row) in &pairs {
            match row {
                Some(row) => own.push(&mut builder, *row as usize),
                None => builder.push(Value::Null),
            }
        }
        columns.push(tagged_like(builder.finish(), &[column]));
        held += columns.last().map_or(0, Column::bytes);
    }
    Ok(Frame::new(columns, pairs.len()))
}

/// Both tables stay, without the rows that the join would leave out.
fn kept(old: &Frame, new: &Frame, kind: JoinKind) -> (Frame, Frame) {
    let (old_keys, new_keys) = common_keys(old, new);
    let reduce = |frame: &Frame, keys: &[Option<u32>], others: &[Option<u32>]| {
        let others: HashSet<u32> = others.iter().copied().flatten().collect();
        let has_partner = |row: &u32| keys[*row as usize].is_some_and(|key| others.contains(&key));
        gathered(frame, &(0..frame.rows as u32).filter(has_partner).collect::<Vec<u32>>())
    };
    let reduces_old = matches!(kind, JoinKind::Inner | JoinKind::Right);
    let reduces_new = matches!(kind, JoinKind::Inner | JoinKind::Left);
    let reduced_old = if reduces_old { reduce(old, &old_keys, &new_keys) } else { old.clone() };
    let reduced_new = if reduces_new { reduce(new, &new_keys, &old_keys) } else { new.clone() };
    (reduced_old, reduced_new)
}
