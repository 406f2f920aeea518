//! Where rows come from: delimited text, inline data.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use loggia_engine::Value;
use loggia_engine::format::Interpreter;
use loggia_engine::table::ColumnBuilder;

use super::Frame;
use crate::command::FileFormat;
use crate::connector::ConnectError;
use crate::problem::Found;

/// A refusal of the connector, with what would mend it.
pub(super) fn refused(error: &ConnectError, start: usize, end: usize) -> Found {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        message.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    let found = Found::new(start, end, message);
    match error {
        ConnectError::UnknownConnection { known, .. } if !known.is_empty() => {
            found.with_mend(format!("there are: {}", known.join(", ")))
        }
        _ => found,
    }
}

/// Reads delimited text. `wanted` says which columns are needed; nothing means all of them.
pub(super) fn read_delimited(
    input: impl Read,
    format: &FileFormat,
    wanted: Option<&dyn Fn(&str) -> bool>,
    interpreter: &Interpreter,
) -> Result<Frame, String> {
    let mut input = BufReader::with_capacity(1 << 18, input);
    skip_byte_order_mark(&mut input).map_err(|error| error.to_string())?;
    let mut skipped = Vec::new();
    for _ in 0..format.header_lines {
        skipped.clear();
        input.read_until(b'\n', &mut skipped).map_err(|error| error.to_string())?;
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(format.delimiter)
        .quoting(format.quotes)
        .from_reader(input);
    let mut record = csv::ByteRecord::new();
    let mut columns: Vec<Option<Reading>> = Vec::new();
    let mut labels = Vec::new();
    let mut begun = false;
    let mut rows = 0usize;
    while reader.read_byte_record(&mut record).map_err(|error| error.to_string())? {
        if is_comment(&record, format) {
            continue;
        }
        if !begun {
            begun = true;
            labels = column_names(&record, format);
            columns = begin(&labels, wanted);
            if format.labels {
                continue;
            }
        }
        if record.len() == 1 && record[0].trim_ascii().is_empty() && columns.len() > 1 {
            continue;
        }
        for (at, column) in columns.iter_mut().enumerate() {
            if let Some(column) = column {
                column.push(record.get(at), format, interpreter);
            }
        }
        rows += 1;
        if rows >= super::MAX_ROWS {
            return Err("the file has too many rows".to_owned());
        }
    }
    let columns = columns.into_iter().flatten().map(|column| column.builder.finish()).collect();
    Ok(Frame { columns, rows, labels })
}

fn skip_byte_order_mark(input: &mut impl BufRead) -> std::io::Result<()> {
    if input.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    Ok(())
}

fn is_comment(record: &csv::ByteRecord, format: &FileFormat) -> bool {
    match (&format.comment, record.get(0)) {
        (Some(mark), Some(first)) => first.starts_with(mark.as_bytes()),
        _ => false,
    }
}

/// The names of a file's columns, from its first line; `@1`, `@2` … where it has none.
fn column_names(record: &csv::ByteRecord, format: &FileFormat) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    for (at, label) in record.iter().enumerate() {
        let label = decoded(label.trim_ascii(), format);
        let plain = if format.labels && !label.is_empty() { label } else { format!("@{}", at + 1) };
        let mut name: Arc<str> = Arc::from(plain.as_str());
        let mut again = 0;
        while !seen.insert(name.clone()) {
            again += 1;
            name = Arc::from(format!("{plain}{again}"));
        }
        names.push(name);
    }
    names
}

/// Begins the columns that are wanted.
fn begin(names: &[Arc<str>], wanted: Option<&dyn Fn(&str) -> bool>) -> Vec<Option<Reading>> {
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted(name));
    names.iter().map(|name| is_wanted(name).then(|| Reading::new(name.clone()))).collect()
}

fn decoded(bytes: &[u8], format: &FileFormat) -> String {
    match format.utf8 {
        true => String::from_utf8_lossy(bytes).into_owned(),
        false => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// A column that is being read: each distinct text is interpreted once.
struct Reading {
    builder: ColumnBuilder,
    /// The row in which a text was first met.
    known: HashMap<Box<[u8]>, u32>,
    /// The text of the row before, for columns in which values repeat.
    last: Vec<u8>,
}

impl Reading {
    fn new(name: Arc<str>) -> Reading {
        Reading { builder: ColumnBuilder::new(name), known: HashMap::new(), last: Vec::new() }
    }

    fn push(&mut self, field: Option<&[u8]>, format: &FileFormat, interpreter: &Interpreter) {
        let Some(field) = field else {
            self.builder.push(Value::Null);
            self.last.clear();
            return;
        };
        let field = field.trim_ascii();
        let row = self.builder.len();
        if row > 0 && !field.is_empty() && *field == *self.last {
            self.builder.push_again(row - 1);
            return;
        }
        self.last.clear();
        self.last.extend_from_slice(field);
        match self.known.get(field) {
            Some(first) => self.builder.push_again(*first as usize),
            None => {
                let text = decoded(field, format);
                self.builder.push(interpreter.interpret(&text));
                self.known.insert(field.into(), row as u32);
            }
        }
    }
}
