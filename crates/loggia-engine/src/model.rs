//! Which tables, fields and associations does an app have? A [`DataModel`] is built once by a reload, never changes,
//! and is shared by everyone who uses the app.
//!
//! Tables that share a field are associated through it. Two tables that share several fields get a synthetic key, a
//! loop of associations is cut at one table, and both are reported. What remains is a forest of tables and key
//! fields, so that selections travel along unique paths.

mod file;
mod link;
mod path;

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use crate::table::Codes;
use crate::value::{Value, collate};

pub use file::{ReadError, WriteError};
pub use link::{LinkError, Linked, ModelWarning};
pub(crate) use path::{NO_ROW, Tree};

/// A field, by its place in [`DataModel::fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub u32);

/// A table, by its place in [`DataModel::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

impl FieldId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl TableId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The tables of an app, their fields, and how they hang together.
#[derive(Debug)]
pub struct DataModel {
    tables: Vec<TableInfo>,
    fields: Vec<FieldInfo>,
    /// Beside `tables`: the columns of each.
    columns: Vec<Vec<ModelColumn>>,
    /// Beside `fields`: the values of each.
    dictionaries: Vec<FieldValues>,
    by_name: HashMap<Arc<str>, FieldId>,
    tree: Tree,
    warnings: Vec<ModelWarning>,
}

/// What is known about a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    pub id: TableId,
    pub name: Arc<str>,
    pub rows: usize,
    /// In loaded order. Fields that a synthetic key replaced are not listed, the key is.
    pub fields: Vec<FieldId>,
    /// The table of a synthetic key.
    pub is_synthetic: bool,
    /// Cut loose to break a loop: selections do not travel through it.
    pub is_loose: bool,
}

/// What is known about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    pub id: FieldId,
    pub name: Arc<str>,
    /// Number of distinct values; elements are numbered from 0 in load order.
    pub cardinality: usize,
    /// `$numeric $integer $text $ascii $date $timestamp $key $hidden $system $synthetic` and what the script added.
    pub tags: Vec<Arc<str>>,
    /// The tables that list the field.
    pub tables: Vec<TableId>,
    /// The tables it was loaded into, as people know them: synthetic keys do not show here.
    pub sources: Vec<TableId>,
    /// Associates two tables or more.
    pub is_key: bool,
    /// Not shown to people: `$hidden` or `$system`.
    pub is_hidden: bool,
    /// The key field of a synthetic table.
    pub is_synthetic: bool,
    /// Every value is a number.
    pub is_numeric: bool,
}

impl FieldInfo {
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| &**own == tag)
    }
}

/// How a field sits in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    pub rows: usize,
    /// Rows that hold a value.
    pub non_null: usize,
    /// Distinct values that occur in this table.
    pub distinct: usize,
    /// No value occurs twice.
    pub is_unique: bool,
}

/// One field's column in one table.
#[derive(Clone, Debug)]
pub(crate) struct ModelColumn {
    pub(crate) field: FieldId,
    pub(crate) codes: Arc<Codes>,
    /// A synthetic key stands for this column in associations; it is kept because reading it here is quickest.
    pub(crate) is_shadow: bool,
}

/// A field's values, shared by all tables that hold the field. Null is the code after the last.
#[derive(Debug)]
pub(crate) struct FieldValues {
    pub(crate) values: Arc<[Value]>,
    /// The number of each value, not-a-number for texts and for null, which is the last.
    pub(crate) numbers: Arc<[f64]>,
    ranks: OnceLock<Ranks>,
    index: OnceLock<HashMap<Value, u32>>,
}

/// Places of values in an order; equal places mean that the order does not tell them apart.
#[derive(Debug)]
pub(crate) struct Ranks {
    /// Numbers by size, then all texts at one place.
    pub(crate) numeric: Vec<u32>,
    /// All values by their text.
    pub(crate) text: Vec<u32>,
}

impl FieldValues {
    pub(crate) fn new(values: Arc<[Value]>) -> FieldValues {
        let numbers = values
            .iter()
            .map(|value| value.number().unwrap_or(f64::NAN))
            .chain([f64::NAN])
            .collect();
        FieldValues { values, numbers, ranks: OnceLock::new(), index: OnceLock::new() }
    }

    /// Bytes held, orders and index included where they may be made later.
    pub(crate) fn bytes(&self) -> usize {
        let texts: usize = self.values.iter().map(crate::calculator::text_bytes).sum();
        self.values.len() * 48 + texts
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The code that stands for null.
    pub(crate) fn null(&self) -> u32 {
        self.values.len() as u32
    }

    pub(crate) fn value(&self, code: u32) -> &Value {
        self.values.get(code as usize).unwrap_or(&Value::Null)
    }

    pub(crate) fn ranks(&self) -> &Ranks {
        self.ranks.get_or_init(|| {
            let compare_numbers = |left: &u32, right: &u32| {
                let (left, right) = (self.numbers[*left as usize], self.numbers[*right as usize]);
                crate::value::compare_numbers(left, right)
            };
            let texts: Vec<_> = self.values.iter().map(Value::shared_text).collect();
            let compare_texts =
                |left: &u32, right: &u32| collate(&texts[*left as usize], &texts[*right as usize]);
            Ranks {
                numeric: rank(self.len(), compare_numbers),
                text: rank(self.len(), compare_texts),
            }
        })
    }

    pub(crate) fn find(&self, value: &Value) -> Option<u32> {
        let index = self.index.get_or_init(|| {
            self.values
                .iter()
                .enumerate()
                .map(|(code, value)| (value.clone(), code as u32))
                .collect()
        });
        index.get(value).copied()
    }
}

/// Numbers places from 0 up; what compares equal shares a place.
fn rank(len: usize, compare: impl Fn(&u32, &u32) -> std::cmp::Ordering) -> Vec<u32> {
    let mut order: Vec<u32> = (0..len as u32).collect();
    order.sort_by(&compare);
    let mut ranks = vec![0; len];
    let mut place = 0;
    for (at, element) in order.iter().enumerate() {
        if at > 0 && compare(&order[at - 1], element).is_ne() {
            place += 1;
        }
        ranks[*element as usize] = place;
    }
    ranks
}

impl DataModel {
    /// An app that has not been loaded yet.
    pub fn empty() -> DataModel {
        DataModel::assemble(Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new())
    }

    pub fn tables(&self) -> &[TableInfo] {
        &self.tables
    }

    pub fn fields(&self) -> &[FieldInfo] {
        &self.fields
    }

    /// What linking had to repair; kept with the data so that it can be shown later too.
    pub fn warnings(&self) -> &[ModelWarning] {
        &self.warnings
    }

    /// Finds a field by its exact name, or by its name in any letter case where only one matches.
    pub fn field(&self, name: &str) -> Option<FieldId> {
        if let Some(found) = self.by_name.get(name) {
            return Some(*found);
        }
        let mut matches = self.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        match (matches.next(), matches.next()) {
            (Some(found), None) => Some(found.id),
            _ => None,
        }
    }

    pub fn field_info(&self, field: FieldId) -> &FieldInfo {
        &self.fields[field.index()]
    }

    pub fn table(&self, name: &str) -> Option<TableId> {
        self.tables.iter().find(|table| &*table.name == name).map(|table| table.id)
    }

    pub fn table_info(&self, table: TableId) -> &TableInfo {
        &self.tables[table.index()]
    }

    /// The value of an element; null for a number that is none.
    pub fn value(&self, field: FieldId, element: u32) -> &Value {
        self.dictionaries[field.index()].value(element)
    }

    /// The element that holds a value.
    pub fn element(&self, field: FieldId, value: &Value) -> Option<u32> {
        self.dictionaries[field.index()].find(value)
    }

    /// The value in a row of a table; null where the table lacks the field or the row.
    pub fn cell(&self, table: TableId, row: usize, field: FieldId) -> &Value {
        match self.column(table, field) {
            Some(column) if row < column.codes.len() => self.value(field, column.codes.get(row)),
            _ => &Value::Null,
        }
    }

    /// How a field sits in a table; nothing where the table does not hold it.
    pub fn presence(&self, table: TableId, field: FieldId) -> Option<Presence> {
        let column = self.column(table, field)?;
        let mut seen = vec![0u32; self.dictionaries[field.index()].len() + 1];
        crate::table::with_codes!(&*column.codes, codes => {
            for code in codes {
                seen[crate::table::Code::index(*code)] += 1;
            }
        });
        let nulls = seen.pop().unwrap_or(0) as usize;
        Some(Presence {
            rows: column.codes.len(),
            non_null: column.codes.len() - nulls,
            distinct: seen.iter().filter(|&&count| count > 0).count(),
            is_unique: seen.iter().all(|&count| count <= 1),
        })
    }

    /// Bytes held by columns and values, roughly, for the server's memory accounts.
    pub fn bytes(&self) -> usize {
        let columns: usize = self.columns.iter().flatten().map(|column| column.codes.bytes()).sum();
        let values: usize = self.dictionaries.iter().map(|values| values.len() * 40).sum();
        columns + values
    }

    pub(crate) fn values(&self, field: FieldId) -> &FieldValues {
        &self.dictionaries[field.index()]
    }

    pub(crate) fn column(&self, table: TableId, field: FieldId) -> Option<&ModelColumn> {
        self.columns[table.index()].iter().find(|column| column.field == field)
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Puts the parts together; `columns` stand beside `tables`, `dictionaries` beside `fields`.
    fn assemble(
        tables: Vec<TableInfo>,
        fields: Vec<FieldInfo>,
        columns: Vec<Vec<ModelColumn>>,
        dictionaries: Vec<FieldValues>,
        warnings: Vec<ModelWarning>,
    ) -> DataModel {
        let by_name = fields.iter().map(|field| (field.name.clone(), field.id)).collect();
        let tree = Tree::grow(&tables, &fields, &columns, &dictionaries);
        DataModel { tables, fields, columns, dictionaries, by_name, tree, warnings }
    }
}
