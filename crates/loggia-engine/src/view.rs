//! What is possible under a set of selections? Which rows of each table, and in which state each value of each field.
//!
//! A row is possible when it takes part in one consistent choice of rows over the tables that lead to every selected
//! field. The tables and key fields form a forest, so messages settle it: each key field tells a table which key
//! values the rest of the tree behind it allows, once up from the leaves and once down from the root. The message to
//! a neighbour leaves that neighbour's own message out; so what a field's own selection rules out can be told from
//! what the others rule out, which is the difference between an alternative value and an excluded one.

use std::sync::{Arc, OnceLock};

use crate::bitmap::Bitmap;
use crate::model::{DataModel, FieldId, TableId};
use crate::selection::{FieldSelection, Selections};
use crate::table::{Code, Codes, with_codes};

/// The state of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// `L`: selected, locked and possible.
    Locked,
    /// `S`: selected and possible.
    Selected,
    /// `O`: possible; nothing is selected in the field.
    Optional,
    /// `D`
    Deselected,
    /// `A`: would be possible but for the selection in its own field.
    Alternative,
    /// `X`: ruled out by other fields.
    Excluded,
    /// `XS`: selected, but ruled out by other fields.
    SelectedExcluded,
    /// `XL`: locked, but ruled out by other fields.
    LockedExcluded,
}

impl State {
    /// The short form used on the wire.
    pub fn letters(self) -> &'static str {
        match self {
            State::Locked => "L",
            State::Selected => "S",
            State::Optional => "O",
            State::Deselected => "D",
            State::Alternative => "A",
            State::Excluded => "X",
            State::SelectedExcluded => "XS",
            State::LockedExcluded => "XL",
        }
    }

    /// Selected, whether possible or not.
    pub fn is_selected(self) -> bool {
        matches!(
            self,
            State::Locked | State::Selected | State::SelectedExcluded | State::LockedExcluded
        )
    }

    /// Counts in charts: selected and possible, or optional.
    pub fn is_possible(self) -> bool {
        matches!(self, State::Locked | State::Selected | State::Optional)
    }

    /// The order in which lists show states: selected, possible, alternative, excluded.
    pub(crate) fn rank(self) -> u8 {
        match self {
            State::Locked | State::Selected | State::LockedExcluded | State::SelectedExcluded => 0,
            State::Optional => 1,
            State::Alternative | State::Deselected => 2,
            State::Excluded => 3,
        }
    }
}

/// How many values of a field are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    pub locked: usize,
    pub selected: usize,
    pub optional: usize,
    pub deselected: usize,
    pub alternative: usize,
    pub excluded: usize,
    pub selected_excluded: usize,
    pub locked_excluded: usize,
}

impl StateCounts {
    pub(crate) fn add(&mut self, state: State) {
        let count = match state {
            State::Locked => &mut self.locked,
            State::Selected => &mut self.selected,
            State::Optional => &mut self.optional,
            State::Deselected => &mut self.deselected,
            State::Alternative => &mut self.alternative,
            State::Excluded => &mut self.excluded,
            State::SelectedExcluded => &mut self.selected_excluded,
            State::LockedExcluded => &mut self.locked_excluded,
        };
        *count += 1;
    }

    /// Values selected, possible or not.
    pub fn all_selected(&self) -> usize {
        self.locked + self.selected + self.selected_excluded + self.locked_excluded
    }
}

/// The states of a field's values.
#[derive(Debug)]
pub struct FieldStates {
    /// Possible when the field's own selection is left out.
    attainable: Bitmap,
    /// The selected values; nothing selected is `None`.
    selected: Option<Bitmap>,
    is_locked: bool,
    counts: StateCounts,
}

impl FieldStates {
    pub fn of(&self, element: u32) -> State {
        let attainable = self.attainable.contains(element as usize);
        match &self.selected {
            None if attainable => State::Optional,
            None => State::Excluded,
            Some(selected) => {
                match (selected.contains(element as usize), attainable, self.is_locked) {
                    (true, true, true) => State::Locked,
                    (true, true, false) => State::Selected,
                    (true, false, true) => State::LockedExcluded,
                    (true, false, false) => State::SelectedExcluded,
                    (false, true, _) => State::Alternative,
                    (false, false, _) => State::Excluded,
                }
            }
        }
    }

    pub fn counts(&self) -> &StateCounts {
        &self.counts
    }

    pub fn is_locked(&self) -> bool {
        self.is_locked
    }

    pub fn has_selection(&self) -> bool {
        self.selected.is_some()
    }

    /// The values that charts may show: attainable and, where something is selected, selected.
    pub fn possible(&self) -> Bitmap {
        let mut possible = self.attainable.clone();
        if let Some(selected) = &self.selected {
            possible.intersect(selected);
        }
        possible
    }

    fn new(attainable: Bitmap, selection: Option<&FieldSelection>) -> FieldStates {
        let selected =
            selection.map(|selection| Bitmap::from_members(attainable.len(), selection.elements()));
        let is_locked = selection.is_some_and(FieldSelection::is_locked);
        let mut states =
            FieldStates { attainable, selected, is_locked, counts: StateCounts::default() };
        states.counts = states.count();
        states
    }

    fn count(&self) -> StateCounts {
        let len = self.attainable.len();
        let attainable = self.attainable.count();
        let Some(selected) = &self.selected else {
            return StateCounts {
                optional: attainable,
                excluded: len - attainable,
                ..StateCounts::default()
            };
        };
        let all = selected.count();
        let mut both = selected.clone();
        both.intersect(&self.attainable);
        let possible = both.count();
        let mut counts = StateCounts {
            alternative: attainable - possible,
            excluded: len - attainable - (all - possible),
            ..StateCounts::default()
        };
        if self.is_locked {
            (counts.locked, counts.locked_excluded) = (possible, all - possible);
        } else {
            (counts.selected, counts.selected_excluded) = (possible, all - possible);
        }
        counts
    }
}

/// The possible rows of every table.
pub(crate) trait PossibleRows {
    /// Nothing means all.
    fn rows(&self, table: TableId) -> Option<&Bitmap>;
}

/// What is possible under the selections of one state.
#[derive(Debug)]
pub struct View {
    model: Arc<DataModel>,
    selections: Selections,
    /// Beside the tables.
    tables: Vec<TableView>,
    /// Beside the fields: what each table around a key field lets through.
    messages: Vec<Vec<(TableId, Option<Arc<Bitmap>>)>>,
    /// Beside the fields, filled when asked for.
    states: Vec<OnceLock<Arc<FieldStates>>>,
    frequencies: Vec<OnceLock<Arc<[u32]>>>,
}

#[derive(Debug, Default)]
struct TableView {
    /// What narrows the rows, and which field brought it.
    constraints: Vec<(FieldId, Arc<Bitmap>)>,
    /// The rows that satisfy all of them; nothing means all rows.
    rows: Option<Arc<Bitmap>>,
}

impl TableView {
    /// The rows that satisfy every constraint but those of one field.
    fn without(&self, field: FieldId) -> Option<Arc<Bitmap>> {
        if self.constraints.iter().all(|(source, _)| *source != field) {
            return self.rows.clone();
        }
        conjunction(
            self.constraints.iter().filter(|(source, _)| *source != field).map(|(_, rows)| rows),
        )
    }
}

fn conjunction<'a>(mut sets: impl Iterator<Item = &'a Arc<Bitmap>>) -> Option<Arc<Bitmap>> {
    let first = sets.next()?;
    let Some(second) = sets.next() else {
        return Some(first.clone());
    };
    let mut all = Bitmap::clone(first);
    all.intersect(second);
    sets.for_each(|set| all.intersect(set));
    Some(Arc::new(all))
}

impl PossibleRows for View {
    fn rows(&self, table: TableId) -> Option<&Bitmap> {
        self.tables[table.index()].rows.as_deref()
    }
}

impl View {
    /// `selected_rows` finds the rows of a table that hold selected values; a cache may stand behind it.
    pub(crate) fn new(
        model: Arc<DataModel>,
        selections: Selections,
        selected_rows: &mut dyn FnMut(TableId, FieldId, &FieldSelection) -> Arc<Bitmap>,
    ) -> View {
        let fields = model.fields().len();
        let mut view = View {
            tables: model.tables().iter().map(|_| TableView::default()).collect(),
            messages: vec![Vec::new(); fields],
            states: (0..fields).map(|_| OnceLock::new()).collect(),
            frequencies: (0..fields).map(|_| OnceLock::new()).collect(),
            selections,
            model,
        };
        view.apply_selections(selected_rows);
        view.send_messages();
        view
    }

    pub fn model(&self) -> &Arc<DataModel> {
        &self.model
    }

    pub fn selections(&self) -> &Selections {
        &self.selections
    }

    pub(crate) fn shared_rows(&self, table: TableId) -> Option<Arc<Bitmap>> {
        self.tables[table.index()].rows.clone()
    }

    /// The possible rows of a table.
    pub fn possible_rows(&self, table: TableId) -> usize {
        self.rows(table).map_or_else(|| self.model.table_info(table).rows, Bitmap::count)
    }

    /// The states of a field's values.
    pub fn states(&self, field: FieldId) -> &Arc<FieldStates> {
        self.states[field.index()].get_or_init(|| {
            let selection = self.selections.field("", field);
            Arc::new(FieldStates::new(self.attainable(field), selection))
        })
    }

    /// How many possible rows hold each value, in the largest table that lists the field.
    pub fn frequencies(&self, field: FieldId) -> &Arc<[u32]> {
        self.frequencies[field.index()].get_or_init(|| {
            let mut counts = vec![0u32; self.model.values(field).len() + 1];
            let tables = &self.model.field_info(field).sources;
            let largest =
                tables.iter().copied().max_by_key(|table| self.model.table_info(*table).rows);
            if let Some(table) = largest
                && let Some(column) = self.model.column(table, field)
            {
                with_codes!(&*column.codes, codes => match self.rows(table) {
                    None => codes.iter().for_each(|code| counts[code.index()] += 1),
                    Some(rows) => rows.iter().for_each(|row| counts[codes[row].index()] += 1),
                });
            }
            counts.pop();
            counts.into()
        })
    }

    /// Bytes held, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let constraints =
            self.tables.iter().flat_map(|table| &table.constraints).map(|(_, rows)| rows.bytes());
        let messages = self
            .messages
            .iter()
            .flatten()
            .filter_map(|(_, set)| set.as_ref())
            .map(|set| set.bytes());
        let fields: usize =
            self.model.fields().iter().map(|field| field.cardinality / 4 + 64).sum();
        constraints.sum::<usize>() * 2 + messages.sum::<usize>() + fields
    }

    fn apply_selections(
        &mut self,
        selected_rows: &mut dyn FnMut(TableId, FieldId, &FieldSelection) -> Arc<Bitmap>,
    ) {
        let model = self.model.clone();
        for (field, selection) in self.selections.fields("") {
            // A key field's selection narrows the messages that pass it; loose tables hear no messages.
            let is_key = model.tree().is_key(field);
            for &table in &model.field_info(field).tables {
                if !is_key || model.table_info(table).is_loose {
                    let rows = selected_rows(table, field, selection);
                    self.tables[table.index()].constraints.push((field, rows));
                }
            }
        }
    }

    fn send_messages(&mut self) {
        let model = self.model.clone();
        let tree = model.tree();
        // Up: each table tells the key above it what its own part of the tree allows.
        for &table in tree.order.iter().rev() {
            for &key in &tree.table_children[table.index()] {
                let allowed = self.allowed_by_key(key, Some(table));
                self.constrain(table, key, allowed);
            }
            if let Some(key) = tree.table_parent[table.index()] {
                let rows = conjunction(
                    self.tables[table.index()].constraints.iter().map(|(_, rows)| rows),
                );
                let message = rows.map(|rows| self.keys_of(table, key, &rows));
                self.messages[key.index()].push((table, message));
            }
        }
        // Down: each table tells the keys below it what all the rest allows.
        for &table in &tree.order {
            if let Some(key) = tree.table_parent[table.index()] {
                let allowed = self.allowed_by_key(key, Some(table));
                self.constrain(table, key, allowed);
            }
            let own = &mut self.tables[table.index()];
            own.rows = conjunction(own.constraints.iter().map(|(_, rows)| rows));
            for &key in &tree.table_children[table.index()] {
                let rows = self.tables[table.index()].without(key);
                let message = rows.map(|rows| self.keys_of(table, key, &rows));
                self.messages[key.index()].push((table, message));
            }
        }
    }

    /// The key values that the selection in the key field and every table around it but one allow.
    fn allowed_by_key(&self, key: FieldId, except: Option<TableId>) -> Option<Arc<Bitmap>> {
        let selected = self.selections.field("", key).map(|selection| {
            Arc::new(Bitmap::from_members(self.model.values(key).len(), selection.elements()))
        });
        let others = self.messages[key.index()].iter().filter(|(table, _)| Some(*table) != except);
        conjunction(selected.iter().chain(others.filter_map(|(_, message)| message.as_ref())))
    }

    fn constrain(&mut self, table: TableId, key: FieldId, allowed: Option<Arc<Bitmap>>) {
        let Some(allowed) = allowed else { return };
        if let Some(column) = self.model.column(table, key) {
            let rows = Arc::new(rows_with(&column.codes, &allowed));
            self.tables[table.index()].constraints.push((key, rows));
        }
    }

    fn keys_of(&self, table: TableId, key: FieldId, rows: &Bitmap) -> Arc<Bitmap> {
        Arc::new(self.values_in(table, key, Some(rows)))
    }

    /// The values that occur in these rows of a table.
    fn values_in(&self, table: TableId, field: FieldId, rows: Option<&Bitmap>) -> Bitmap {
        let len = self.model.values(field).len();
        match self.model.column(table, field) {
            Some(column) => values_of(&column.codes, len, rows),
            None => Bitmap::none(len),
        }
    }

    /// The values that would be possible without the field's own selection.
    fn attainable(&self, field: FieldId) -> Bitmap {
        let len = self.model.values(field).len();
        if self.model.tree().is_key(field) {
            let others =
                self.messages[field.index()].iter().filter_map(|(_, message)| message.as_ref());
            return conjunction(others).map_or_else(|| Bitmap::all(len), |set| Bitmap::clone(&set));
        }
        // A loose table has a say only where no other holds the field.
        let listed = &self.model.field_info(field).tables;
        let is_loose = |table: &TableId| self.model.table_info(*table).is_loose;
        let all_loose = listed.iter().all(is_loose);
        let mut attainable = Bitmap::none(len);
        for table in listed.iter().filter(|table| all_loose || !is_loose(table)) {
            match self.tables[table.index()].without(field) {
                None => return Bitmap::all(len),
                rows => attainable.unite(&self.values_in(*table, field, rows.as_deref())),
            }
        }
        attainable
    }
}

/// The rows whose code is in a set; null is in none.
pub(crate) fn rows_with(codes: &Codes, set: &Bitmap) -> Bitmap {
    // A table of bytes is quicker to look into than a bitmap, for as long as it stays in the cache.
    let mut wanted = vec![false; set.len() + 1];
    set.iter().for_each(|code| wanted[code] = true);
    with_codes!(codes, codes => Bitmap::from_fn(codes.len(), |row| wanted[codes[row].index()]))
}

fn values_of(codes: &Codes, len: usize, rows: Option<&Bitmap>) -> Bitmap {
    let mut seen = vec![false; len + 1];
    with_codes!(codes, codes => match rows {
        None => codes.iter().for_each(|code| seen[code.index()] = true),
        Some(rows) => rows.iter().for_each(|row| seen[codes[row].index()] = true),
    });
    Bitmap::from_fn(len, |code| seen[code])
}
