//! What does a loaded table look like? Columns of equal length, each a dictionary of distinct values and one narrow
//! code a row. The script builds tables; [`crate::model::DataModel::link`] joins them into a model.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::calculator::text_bytes;
use crate::value::Value;

/// A table as loaded: its name and columns of equal length.
#[derive(Clone, Debug)]
pub struct Table {
    name: Arc<str>,
    columns: Vec<Column>,
    rows: usize,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TableError {
    #[error("column {column} of table {table} has {found} rows where the others have {expected}")]
    Ragged { table: Arc<str>, column: Arc<str>, found: usize, expected: usize },
    #[error("table {table} has the column {column} twice")]
    Twice { table: Arc<str>, column: Arc<str> },
    #[error("table {table} has more than four thousand million rows")]
    TooLong { table: Arc<str> },
}

impl Table {
    pub fn new(name: impl Into<Arc<str>>, columns: Vec<Column>) -> Result<Table, TableError> {
        let name = name.into();
        let rows = columns.first().map_or(0, Column::len);
        for (index, column) in columns.iter().enumerate() {
            if column.len() != rows {
                return Err(TableError::Ragged {
                    table: name,
                    column: column.name.clone(),
                    found: column.len(),
                    expected: rows,
                });
            }
            if columns[..index].iter().any(|other| other.name == column.name) {
                return Err(TableError::Twice { table: name, column: column.name.clone() });
            }
        }
        if rows >= u32::MAX as usize {
            return Err(TableError::TooLong { table: name });
        }
        Ok(Table { name, columns, rows })
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }

    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// The same table under another name.
    pub fn renamed(mut self, name: impl Into<Arc<str>>) -> Table {
        self.name = name.into();
        self
    }
}

/// One column: distinct values in load order, and one code a row. The code after the last value means null.
#[derive(Clone, Debug)]
pub struct Column {
    name: Arc<str>,
    values: Arc<[Value]>,
    codes: Codes,
    tags: Vec<Arc<str>>,
}

impl Column {
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn len(&self) -> usize {
        self.codes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.codes.len() == 0
    }

    /// The value in a row; null beyond the end.
    pub fn value(&self, row: usize) -> Value {
        if row >= self.codes.len() {
            return Value::Null;
        }
        self.values.get(self.codes.get(row) as usize).cloned().unwrap_or_default()
    }

    /// The distinct values, in load order.
    pub fn values(&self) -> &Arc<[Value]> {
        &self.values
    }

    pub fn codes(&self) -> &Codes {
        &self.codes
    }

    pub fn tags(&self) -> &[Arc<str>] {
        &self.tags
    }

    /// Memory held, about.
    pub fn bytes(&self) -> usize {
        let texts: usize = self.values.iter().map(text_bytes).sum();
        self.codes.bytes() + self.values.len() * VALUE_BYTES + texts
    }

    pub fn renamed(mut self, name: impl Into<Arc<str>>) -> Column {
        self.name = name.into();
        self
    }

    /// Adds a tag such as `$date`; what the engine can see itself (`$numeric`, `$text`, `$key` …) it tags itself.
    pub fn tagged(mut self, tag: impl Into<Arc<str>>) -> Column {
        let tag = tag.into();
        if !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
        self
    }

    /// The rows at these positions, in this order; used by `WHERE`, joins and sorting in the script.
    pub fn gather(&self, rows: &[u32]) -> Column {
        let mut builder = ColumnBuilder::new(self.name.clone());
        let mut known = vec![u32::MAX; self.values.len() + 1];
        for &row in rows {
            let code = self.codes.get(row as usize) as usize;
            if known[code] == u32::MAX {
                known[code] =
                    self.values.get(code).map_or(NULL, |value| builder.dictionary.intern(value));
            }
            builder.codes.push(known[code]);
        }
        builder.tags.clone_from(&self.tags);
        builder.finish()
    }
}

/// The code of null while a column is being built.
const NULL: u32 = u32::MAX - 1;

/// Encodes values one after the other.
#[derive(Debug)]
pub struct ColumnBuilder {
    name: Arc<str>,
    dictionary: Dictionary,
    codes: Vec<u32>,
    tags: Vec<Arc<str>>,
}

impl ColumnBuilder {
    pub fn new(name: impl Into<Arc<str>>) -> ColumnBuilder {
        ColumnBuilder {
            name: name.into(),
            dictionary: Dictionary::default(),
            codes: Vec::new(),
            tags: Vec::new(),
        }
    }

    pub fn push(&mut self, value: Value) {
        let code = if value.is_null() { NULL } else { self.dictionary.intern(&value) };
        self.codes.push(code);
    }

    /// Repeats the value of an earlier row, without looking it up again.
    pub fn push_again(&mut self, row: usize) {
        let code = self.codes.get(row).copied().unwrap_or(NULL);
        self.codes.push(code);
    }

    pub fn len(&self) -> usize {
        self.codes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Memory held so far, about.
    pub fn bytes(&self) -> usize {
        let values = self.dictionary.values.len() * VALUE_BYTES;
        self.codes.len() * 4 + values + self.dictionary.text_bytes
    }

    pub fn value(&self, row: usize) -> Value {
        match self.codes.get(row) {
            Some(&code) if code != NULL => self.dictionary.values[code as usize].clone(),
            _ => Value::Null,
        }
    }

    pub fn finish(mut self) -> Column {
        let null = self.dictionary.values.len() as u32;
        for code in &mut self.codes {
            if *code == NULL {
                *code = null;
            }
        }
        Column {
            name: self.name,
            codes: Codes::pack(self.codes, null),
            values: self.dictionary.values.into(),
            tags: self.tags,
        }
    }
}

/// Distinct values in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    pub(crate) values: Vec<Value>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    text_bytes: usize,
}

/// A distinct value and its place in the index.
const VALUE_BYTES: usize = size_of::<Value>() + 8;

impl Dictionary {
    /// The code of a value that is not null.
    pub(crate) fn intern(&mut self, value: &Value) -> u32 {
        let hash = self.hasher.hash_one(value);
        let values = &self.values;
        let entry = self.index.entry(
            hash,
            |&code| same(&values[code as usize], value),
            |&code| self.hasher.hash_one(&values[code as usize]),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(found) => *found.get(),
            hashbrown::hash_table::Entry::Vacant(free) => {
                let code = values.len() as u32;
                free.insert(code);
                self.text_bytes += text_bytes(value);
                self.values.push(value.clone());
                code
            }
        }
    }
}

/// Identity without the collation that ordering pays for.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left == right,
        (
            Value::Number(left) | Value::Dual(left, _),
            Value::Number(right) | Value::Dual(right, _),
        ) => crate::value::number_bits(*left) == crate::value::number_bits(*right),
        (Value::Null, Value::Null) => true,
        _ => false,
    }
}

/// Codes in the narrowest integer that holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codes {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Codes {
    /// Packs codes of which none is larger than `largest`.
    pub fn pack(codes: Vec<u32>, largest: u32) -> Codes {
        if largest <= u32::from(u8::MAX) {
            Codes::U8(codes.into_iter().map(|code| code as u8).collect())
        } else if largest <= u32::from(u16::MAX) {
            Codes::U16(codes.into_iter().map(|code| code as u16).collect())
        } else {
            Codes::U32(codes)
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Codes::U8(codes) => codes.len(),
            Codes::U16(codes) => codes.len(),
            Codes::U32(codes) => codes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The code of a row that exists.
    pub fn get(&self, row: usize) -> u32 {
        match self {
            Codes::U8(codes) => u32::from(codes[row]),
            Codes::U16(codes) => u32::from(codes[row]),
            Codes::U32(codes) => codes[row],
        }
    }

    pub fn to_vec(&self) -> Vec<u32> {
        match self {
            Codes::U8(codes) => codes.iter().map(|&code| u32::from(code)).collect(),
            Codes::U16(codes) => codes.iter().map(|&code| u32::from(code)).collect(),
            Codes::U32(codes) => codes.clone(),
        }
    }

    /// Bytes held, for bounded caches.
    pub fn bytes(&self) -> usize {
        match self {
            Codes::U8(codes) => codes.len(),
            Codes::U16(codes) => codes.len() * 2,
            Codes::U32(codes) => codes.len() * 4,
        }
    }
}

/// A code of some width, as an index.
pub(crate) trait Code: Copy + Send + Sync {
    fn index(self) -> usize;
}

impl Code for u8 {
    #[inline(always)]
    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Code for u16 {
    #[inline(always)]
    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Code for u32 {
    #[inline(always)]
    fn index(self) -> usize {
        self as usize
    }
}

/// Runs the same code once for each width, so that the loop inside knows its own.
macro_rules! with_codes {
    ($codes:expr, $slice:ident => $body:expr) => {
        match $codes {
            $crate::table::Codes::U8(slice) => {
                let $slice = slice.as_slice();
                $body
            }
            $crate::table::Codes::U16(slice) => {
                let $slice = slice.as_slice();
                $body
            }
            $crate::table::Codes::U32(slice) => {
                let $slice = slice.as_slice();
                $body
            }
        }
    };
}
pub(crate) use with_codes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_one_value_and_null_is_none() {
        let mut builder = ColumnBuilder::new("A");
        for value in [
            Value::dual(7.0, "007"),
            Value::Null,
            Value::Number(7.0),
            Value::from("x"),
            Value::from("X"),
        ] {
            builder.push(value);
        }
        builder.push_again(3);
        let column = builder.finish();
        assert_eq!(column.values().len(), 3);
        let texts: Vec<String> = (0..7).map(|row| column.value(row).to_string()).collect();
        assert_eq!(texts, ["007", "", "007", "x", "X", "x", ""]);
        let picked = column.gather(&[4, 1, 0]);
        assert_eq!(picked.value(0).to_string(), "X");
        assert!(picked.value(1).is_null());
        assert_eq!(picked.values().len(), 2);
    }

    #[test]
    fn ragged_tables_are_refused() {
        let mut long = ColumnBuilder::new("A");
        long.push(Value::Number(1.0));
        let short = ColumnBuilder::new("B");
        let refused = Table::new("T", vec![long.finish(), short.finish()]).map(|_| ());
        assert_eq!(
            refused.unwrap_err().to_string(),
            "column B of table T has 0 rows where the others have 1"
        );
    }
}
