//! What an expression of the script may see: the source row, the rows loaded before it, maps and variables.

use hashbrown::{HashMap, HashSet};
use loggia_engine::Value;
use loggia_engine::expression::{
    Aggregate, Call, Environment, FieldRef, RowContext, Variables, eval_scalar,
};
use loggia_engine::functions::Function;
use loggia_engine::table::{Column, ColumnBuilder};

use super::Runner;

/// One source row.
pub(super) struct Rows<'a, 'r> {
    pub(super) runner: &'a Runner<'r>,
    pub(super) environment: &'a Environment<'a>,
    pub(super) columns: &'a [Column],
    pub(super) row: usize,
    /// Values computed for this row alone; their slots follow those of the columns.
    pub(super) extra: &'a [Value],
    /// The rows of a group, where rows are aggregated.
    pub(super) group: Option<&'a [u32]>,
    pub(super) progress: Option<&'a Progress<'a>>,
}

/// How far the load is.
pub(super) struct Progress<'a> {
    pub(super) record: usize,
    pub(super) output: usize,
    pub(super) iteration: usize,
    /// The source row that was taken before this one.
    pub(super) previous: Option<usize>,
    pub(super) built: &'a [(std::sync::Arc<str>, ColumnBuilder)],
    pub(super) exists: &'a HashMap<String, HashSet<Value>>,
}

impl<'a, 'r> Rows<'a, 'r> {
    /// No row at all.
    pub(super) fn without(
        runner: &'a Runner<'r>,
        environment: &'a Environment<'a>,
    ) -> Rows<'a, 'r> {
        Rows { runner, environment, columns: &[], row: 0, extra: &[], group: None, progress: None }
    }

    fn value_of(&self, call: &Call, at: usize) -> Value {
        call.args.get(at).map_or(Value::Null, |arg| eval_scalar(arg, self))
    }

    fn apply_map(&self, call: &Call) -> Value {
        let key = self.value_of(call, 1);
        let map = self.runner.maps.get(&self.value_of(call, 0).text().to_lowercase());
        let found = map.and_then(|map| {
            map.get(&key).or_else(|| match &key {
                Value::Text(text) => {
                    map.get(&Value::Number(self.runner.interpreter.number_of(text)?))
                }
                _ => None,
            })
        });
        match found {
            Some(value) => value.clone(),
            None if call.args.len() > 2 => self.value_of(call, 2),
            None => key,
        }
    }

    /// Every occurrence of a map's key within the text is replaced, the first that fits from the left.
    fn map_sub_string(&self, call: &Call) -> Value {
        let subject = self.value_of(call, 1);
        let Some(map) = self.runner.maps.get(&self.value_of(call, 0).text().to_lowercase()) else {
            return subject;
        };
        let mut keys: Vec<(&Value, &Value)> = map.iter().collect();
        keys.sort_by_key(|(key, _)| std::cmp::Reverse(key.text().len()));
        let text = subject.text();
        let mut rest = &*text;
        let mut result = String::with_capacity(text.len());
        while let Some(first) = rest.chars().next() {
            let fitting = keys
                .iter()
                .find(|(key, _)| !key.text().is_empty() && rest.starts_with(&*key.text()));
            match fitting {
                Some((key, value)) => {
                    result.push_str(&value.text());
                    rest = &rest[key.text().len()..];
                }
                None => {
                    result.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        Value::from(result.as_str())
    }

    /// `Peek(field [, row [, table]])`: rows count from 0, or from the end where negative.
    fn peek(&self, call: &Call) -> Value {
        let field = self.name_argument(call, 0);
        let at = if call.args.len() > 1 {
            self.value_of(call, 1).number().unwrap_or(-1.0)
        } else {
            -1.0
        };
        let position = |rows: usize| {
            let at = if at < 0.0 { rows as f64 + at } else { at };
            if at >= 0.0 && at < rows as f64 { Some(at as usize) } else { None }
        };
        if call.args.len() > 2 {
            let table = self.name_argument(call, 2);
            let Some(table) = self.runner.tables.iter().find(|known| *known.name == *table) else {
                return Value::Null;
            };
            let column = table.frame.column(&field).map(|at| &table.frame.columns[at]);
            return match (column, position(table.frame.rows)) {
                (Some(column), Some(row)) => column.value(row),
                _ => Value::Null,
            };
        }
        if let Some(progress) = self.progress {
            let column = progress.built.iter().find(|(name, _)| **name == *field);
            return match column.and_then(|(_, column)| Some(column.value(position(column.len())?)))
            {
                Some(value) => value,
                None => Value::Null,
            };
        }
        // Outside a load it is the table loaded last that is looked at.
        let table = self
            .runner
            .tables
            .iter()
            .rev()
            .find_map(|table| Some((table, table.frame.column(&field)?)));
        match table.and_then(|(table, at)| {
            Some(table.frame.columns[at].value(position(table.frame.rows)?))
        }) {
            Some(value) => value,
            None => Value::Null,
        }
    }

    /// A field or table given by name: `Peek('Sales')` and `Exists(Customer)` both name one.
    fn name_argument(&self, call: &Call, at: usize) -> String {
        match call.args.get(at).and_then(|arg| arg.as_field()) {
            Some(name) => name.to_string(),
            None => self.value_of(call, at).text().into_owned(),
        }
    }

    fn exists(&self, call: &Call) -> Value {
        let field = self.name_argument(call, 0);
        let value =
            if call.args.len() > 1 { self.value_of(call, 1) } else { self.value_of(call, 0) };
        if value.is_null() {
            return Value::FALSE;
        }
        match self.progress.and_then(|progress| progress.exists.get(&field)) {
            Some(known) => Value::from_bool(known.contains(&value)),
            None => Value::from_bool(self.runner.values_of(&field).contains(&value)),
        }
    }

    fn auto_number(&self, call: &Call) -> Value {
        let value = self.value_of(call, 0);
        if value.is_null() {
            return Value::Null;
        }
        let counter = self.value_of(call, 1).text().into_owned();
        let mut counters = self.runner.numbers.borrow_mut();
        let known = counters.entry(counter).or_default();
        let next = known.len() + 1;
        Value::Number(*known.entry(value).or_insert(next) as f64)
    }

    fn previous(&self, call: &Call) -> Value {
        match (self.progress.and_then(|progress| progress.previous), call.args.first()) {
            (Some(row), Some(arg)) => eval_scalar(arg, &Rows { row, extra: &[], ..*self }),
            _ => Value::Null,
        }
    }

    /// The nth distinct value of a field, over all tables in the order of their loading.
    fn field_values(&self, field: &str) -> Vec<Value> {
        let mut seen = HashSet::new();
        let tables = self.runner.tables.iter();
        let columns =
            tables.filter_map(|table| Some(&table.frame.columns[table.frame.column(field)?]));
        columns
            .flat_map(|column| column.values().iter())
            .filter(|value| seen.insert((*value).clone()))
            .cloned()
            .collect()
    }
}

impl RowContext for Rows<'_, '_> {
    fn field(&self, field: &FieldRef) -> Option<Value> {
        let slot = field.slot? as usize;
        match self.columns.get(slot) {
            Some(column) => Some(column.value(self.row)),
            None => Some(self.extra.get(slot - self.columns.len()).cloned().unwrap_or_default()),
        }
    }

    fn environment(&self) -> &Environment<'_> {
        self.environment
    }

    fn variable(&self, name: &str) -> Option<Value> {
        self.runner.variables.get(name)
    }

    fn call(&self, call: &Call) -> Value {
        let count = |number: usize| Value::Number(number as f64);
        match call.function {
            Function::ApplyMap => self.apply_map(call),
            Function::MapSubString => self.map_sub_string(call),
            Function::RowNo => {
                self.progress.map_or(Value::Null, |progress| count(progress.output + 1))
            }
            Function::RecNo => {
                self.progress.map_or(Value::Null, |progress| count(progress.record + 1))
            }
            Function::IterNo => {
                self.progress.map_or(Value::Null, |progress| count(progress.iteration))
            }
            Function::Peek => self.peek(call),
            Function::Previous => self.previous(call),
            Function::Exists => self.exists(call),
            Function::AutoNumber => self.auto_number(call),
            Function::FieldValueCount => {
                count(self.field_values(&self.name_argument(call, 0)).len())
            }
            Function::FieldValue => {
                let at = self.value_of(call, 1).number().unwrap_or(0.0);
                let values = self.field_values(&self.name_argument(call, 0));
                if at >= 1.0 {
                    values.get(at as usize - 1).cloned().unwrap_or_default()
                } else {
                    Value::Null
                }
            }
            Function::NoOfTableRows => {
                let table = self.name_argument(call, 0);
                let found = self.runner.tables.iter().find(|known| *known.name == *table);
                found.map_or(Value::Null, |table| count(table.frame.rows))
            }
            _ => Value::Null,
        }
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Value {
        match self.group {
            Some(rows) => super::aggregate::aggregated(aggregate, rows, self),
            None => Value::Null,
        }
    }
}
