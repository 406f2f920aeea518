//! How is a model kept on disk? A header, then parts: each with its name, length and checksum, so that a damaged file
//! is recognised before anything in it is believed, and the error can name the part.
//!
//! ```text
//! file = "LOGGIA-M" version:u32 parts:u32 part*
//! part = name-length:u32 payload-length:u64 xxh3(name, payload):u64 name payload
//! ```
//! All numbers are little-endian. The parts are `schema`, then one a field, then one a column.

use std::io::{self, Write};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::{
    DataModel, FieldId, FieldInfo, FieldValues, ModelColumn, ModelWarning, TableId, TableInfo,
};
use crate::table::{Code, Codes, with_codes};
use crate::value::Value;

const MAGIC: &[u8; 8] = b"LOGGIA-M";
const VERSION: u32 = 1;

#[derive(Debug, thiserror::Error)]
#[error("cannot write the data model")]
pub struct WriteError(#[from] io::Error);

/// Why a file is not a usable model. `part` names the piece: `schema`, `field Origin`, `table Flights, column Origin`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    #[error("this is not a data model file")]
    NotAModel,
    #[error("the data model file has version {found}, this build reads version {VERSION}")]
    Version { found: u32 },
    #[error("the data model file ends within {part}")]
    Truncated { part: String },
    #[error("the data model file is damaged in {part}")]
    Damaged { part: String },
    #[error("the data model file has more after its end")]
    Trailing,
}

impl DataModel {
    /// Writes the model in the current version. The caller writes aside, syncs and renames.
    pub fn write(&self, out: &mut impl Write) -> Result<(), WriteError> {
        let columns: usize = self.columns.iter().map(Vec::len).sum();
        let parts = 1 + self.fields.len() + columns;
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&(parts as u32).to_le_bytes())?;
        let mut payload = Vec::new();
        self.write_schema(&mut payload);
        write_part(out, "schema", &payload)?;
        for (field, values) in self.fields.iter().zip(&self.dictionaries) {
            payload.clear();
            write_values(&mut payload, &values.values);
            write_part(out, &field_part(&field.name), &payload)?;
        }
        for (table, columns) in self.tables.iter().zip(&self.columns) {
            for column in columns {
                payload.clear();
                write_codes(&mut payload, &column.codes);
                let field = &self.fields[column.field.index()].name;
                write_part(out, &column_part(&table.name, field), &payload)?;
            }
        }
        Ok(())
    }

    /// Reads a model written by [`DataModel::write`]. Never panics, whatever the bytes.
    pub fn read(bytes: &[u8]) -> Result<DataModel, ReadError> {
        let mut header = Reader { bytes, part: "the header" };
        if header.take(MAGIC.len()).ok() != Some(MAGIC) {
            return Err(ReadError::NotAModel);
        }
        let version = header.u32()?;
        if version != VERSION {
            return Err(ReadError::Version { found: version });
        }
        let parts = header.u32()? as usize;
        let mut rest = header.bytes;
        let mut read = 0;
        let mut next = |expected: &str| {
            read += 1;
            read_part(&mut rest, expected)
        };
        let schema = Schema::read(next("schema")?)?;
        if parts != 1 + schema.fields.len() + schema.columns.iter().map(Vec::len).sum::<usize>() {
            return Err(ReadError::Damaged { part: "the header".into() });
        }
        let mut dictionaries = Vec::with_capacity(schema.fields.len());
        for field in &schema.fields {
            let part = field_part(&field.name);
            let values = read_values(next(&part)?, &part, field.cardinality)?;
            dictionaries.push(FieldValues::new(values));
        }
        let mut columns = Vec::with_capacity(schema.tables.len());
        for (table, shapes) in schema.tables.iter().zip(&schema.columns) {
            let mut own = Vec::with_capacity(shapes.len());
            for shape in shapes {
                let field = &schema.fields[shape.field.index()];
                let part = column_part(&table.name, &field.name);
                let codes = read_codes(next(&part)?, &part, table.rows, field.cardinality)?;
                own.push(ModelColumn {
                    field: shape.field,
                    codes: codes.into(),
                    is_shadow: shape.is_shadow,
                });
            }
            columns.push(own);
        }
        if read != parts || !rest.is_empty() {
            return Err(ReadError::Trailing);
        }
        Ok(DataModel::assemble(
            schema.tables,
            schema.fields,
            columns,
            dictionaries,
            schema.warnings,
        ))
    }

    fn write_schema(&self, out: &mut Vec<u8>) {
        put_u32(out, self.tables.len());
        for (table, columns) in self.tables.iter().zip(&self.columns) {
            put_text(out, &table.name);
            out.extend((table.rows as u64).to_le_bytes());
            put_ids(out, table.fields.iter().map(|field| field.0));
            out.push(u8::from(table.is_synthetic));
            out.push(u8::from(table.is_loose));
            put_u32(out, columns.len());
            for column in columns {
                put_u32(out, column.field.index());
                out.push(u8::from(column.is_shadow));
            }
        }
        put_u32(out, self.fields.len());
        for field in &self.fields {
            put_text(out, &field.name);
            put_u32(out, field.cardinality);
            put_texts(out, &field.tags);
            put_ids(out, field.tables.iter().map(|table| table.0));
            put_ids(out, field.sources.iter().map(|table| table.0));
            for flag in [field.is_key, field.is_hidden, field.is_synthetic, field.is_numeric] {
                out.push(u8::from(flag));
            }
        }
        put_u32(out, self.warnings.len());
        for warning in &self.warnings {
            let (kind, name, left, right): (u8, _, &[Arc<str>], &[Arc<str>]) = match warning {
                ModelWarning::SyntheticKey { key, fields, tables } => (0, key, fields, tables),
                ModelWarning::Loosened { table, circle } => (1, table, circle, &[]),
            };
            out.push(kind);
            put_text(out, name);
            put_texts(out, left);
            put_texts(out, right);
        }
    }
}

fn field_part(field: &str) -> String {
    format!("field {field}")
}

fn column_part(table: &str, field: &str) -> String {
    format!("table {table}, column {field}")
}

fn checksum(name: &str, payload: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(name.as_bytes());
    hash.update(&[0]);
    hash.update(payload);
    hash.digest()
}

fn write_part(out: &mut impl Write, name: &str, payload: &[u8]) -> io::Result<()> {
    out.write_all(&(name.len() as u32).to_le_bytes())?;
    out.write_all(&(payload.len() as u64).to_le_bytes())?;
    out.write_all(&checksum(name, payload).to_le_bytes())?;
    out.write_all(name.as_bytes())?;
    out.write_all(payload)
}

/// The payload of the next part, which must be the expected one and whole.
fn read_part<'a>(rest: &mut &'a [u8], expected: &str) -> Result<&'a [u8], ReadError> {
    let mut reader = Reader { bytes: rest, part: expected };
    let name_length = reader.u32()? as usize;
    let length = usize::try_from(reader.u64()?).map_err(|_| reader.truncated())?;
    let sum = reader.u64()?;
    let name = reader.take(name_length)?;
    let payload = reader.take(length)?;
    if name != expected.as_bytes() || checksum(expected, payload) != sum {
        return Err(reader.damaged());
    }
    *rest = reader.bytes;
    Ok(payload)
}

struct Shape {
    field: FieldId,
    is_shadow: bool,
}

struct Schema {
    tables: Vec<TableInfo>,
    fields: Vec<FieldInfo>,
    columns: Vec<Vec<Shape>>,
    warnings: Vec<ModelWarning>,
}

impl Schema {
    fn read(bytes: &[u8]) -> Result<Schema, ReadError> {
        let mut reader = Reader { bytes, part: "schema" };
        let mut tables = Vec::new();
        let mut columns = Vec::new();
        for id in 0..reader.u32()? {
            let name = reader.text()?;
            let rows = usize::try_from(reader.u64()?).map_err(|_| reader.damaged())?;
            let fields = reader.ids()?.into_iter().map(FieldId).collect();
            let (is_synthetic, is_loose) = (reader.flag()?, reader.flag()?);
            let mut shapes = Vec::new();
            for _ in 0..reader.u32()? {
                shapes.push(Shape { field: FieldId(reader.u32()?), is_shadow: reader.flag()? });
            }
            tables.push(TableInfo { id: TableId(id), name, rows, fields, is_synthetic, is_loose });
            columns.push(shapes);
        }
        let mut fields = Vec::new();
        for id in 0..reader.u32()? {
            fields.push(FieldInfo {
                id: FieldId(id),
                name: reader.text()?,
                cardinality: reader.u32()? as usize,
                tags: reader.texts()?,
                tables: reader.ids()?.into_iter().map(TableId).collect(),
                sources: reader.ids()?.into_iter().map(TableId).collect(),
                is_key: reader.flag()?,
                is_hidden: reader.flag()?,
                is_synthetic: reader.flag()?,
                is_numeric: reader.flag()?,
            });
        }
        let mut warnings = Vec::new();
        for _ in 0..reader.u32()? {
            let (kind, name, left, right) =
                (reader.u8()?, reader.text()?, reader.texts()?, reader.texts()?);
            warnings.push(match kind {
                0 => ModelWarning::SyntheticKey { key: name, fields: left, tables: right },
                1 => ModelWarning::Loosened { table: name, circle: left },
                _ => return Err(reader.damaged()),
            });
        }
        let schema = Schema { tables, fields, columns, warnings };
        if !reader.bytes.is_empty() || !schema.is_consistent() {
            return Err(reader.damaged());
        }
        Ok(schema)
    }

    /// Every id names something, so that nothing later needs to doubt it.
    fn is_consistent(&self) -> bool {
        let is_field = |field: &FieldId| field.index() < self.fields.len();
        let is_table = |table: &TableId| table.index() < self.tables.len();
        let tables =
            self.tables.iter().zip(&self.columns).all(|(table, shapes)| {
                table.fields.iter().all(|field| {
                    shapes.iter().any(|shape| shape.field == *field && !shape.is_shadow)
                }) && shapes.iter().all(|shape| is_field(&shape.field))
            });
        let fields = self.fields.iter().all(|field| {
            field.tables.iter().all(|table| {
                is_table(table) && self.tables[table.index()].fields.contains(&field.id)
            }) && field.sources.iter().all(is_table)
        });
        let rows = self.tables.iter().all(|table| table.rows < u32::MAX as usize);
        tables && fields && rows && self.is_forest()
    }

    fn is_forest(&self) -> bool {
        // Joining two nodes that are already joined closes a circle.
        let mut above: Vec<usize> = (0..self.tables.len() + self.fields.len()).collect();
        let root = |above: &[usize], mut node: usize| {
            while above[node] != node {
                node = above[node];
            }
            node
        };
        for table in self.tables.iter().filter(|table| !table.is_loose) {
            for field in &table.fields {
                let (left, right) = (
                    root(&above, table.id.index()),
                    root(&above, self.tables.len() + field.index()),
                );
                if left == right {
                    return false;
                }
                above[right] = left;
            }
        }
        true
    }
}

fn write_values(out: &mut Vec<u8>, values: &[Value]) {
    for value in values {
        match value {
            Value::Null => out.push(0),
            Value::Number(number) => {
                out.push(1);
                out.extend(number.to_le_bytes());
            }
            Value::Text(text) => {
                out.push(2);
                put_text(out, text);
            }
            Value::Dual(number, text) => {
                out.push(3);
                out.extend(number.to_le_bytes());
                put_text(out, text);
            }
        }
    }
}

fn read_values(bytes: &[u8], part: &str, count: usize) -> Result<Arc<[Value]>, ReadError> {
    let mut reader = Reader { bytes, part };
    if count > bytes.len() {
        return Err(reader.damaged());
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(match reader.u8()? {
            1 => Value::Number(reader.f64()?),
            2 => Value::Text(reader.text()?),
            3 => Value::Dual(reader.f64()?, reader.text()?),
            _ => return Err(reader.damaged()),
        });
    }
    if !reader.bytes.is_empty() {
        return Err(reader.damaged());
    }
    Ok(values.into())
}

fn write_codes(out: &mut Vec<u8>, codes: &Codes) {
    match codes {
        Codes::U8(codes) => {
            out.push(1);
            out.extend(codes);
        }
        Codes::U16(codes) => {
            out.push(2);
            codes.iter().for_each(|code| out.extend(code.to_le_bytes()));
        }
        Codes::U32(codes) => {
            out.push(4);
            codes.iter().for_each(|code| out.extend(code.to_le_bytes()));
        }
    }
}

fn read_codes(
    bytes: &[u8],
    part: &str,
    rows: usize,
    cardinality: usize,
) -> Result<Codes, ReadError> {
    let mut reader = Reader { bytes, part };
    let width = usize::from(reader.u8()?);
    let bytes = reader.bytes;
    if rows.checked_mul(width) != Some(bytes.len()) {
        return Err(reader.damaged());
    }
    let codes = match width {
        1 => Codes::U8(bytes.to_vec()),
        2 => Codes::U16(
            bytes.chunks_exact(2).map(|code| u16::from_le_bytes([code[0], code[1]])).collect(),
        ),
        4 => Codes::U32(
            bytes
                .chunks_exact(4)
                .map(|code| u32::from_le_bytes([code[0], code[1], code[2], code[3]]))
                .collect(),
        ),
        _ => return Err(reader.damaged()),
    };
    let largest =
        with_codes!(&codes, codes => codes.iter().map(|code| code.index()).max().unwrap_or(0));
    if largest > cardinality {
        return Err(reader.damaged());
    }
    Ok(codes)
}

fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend((number as u32).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_u32(out, text.len());
    out.extend(text.as_bytes());
}

fn put_texts(out: &mut Vec<u8>, texts: &[Arc<str>]) {
    put_u32(out, texts.len());
    texts.iter().for_each(|text| put_text(out, text));
}

fn put_ids(out: &mut Vec<u8>, ids: impl ExactSizeIterator<Item = u32>) {
    put_u32(out, ids.len());
    ids.for_each(|id| out.extend(id.to_le_bytes()));
}

/// Takes pieces off the front of a part.
struct Reader<'a, 'p> {
    bytes: &'a [u8],
    part: &'p str,
}

impl<'a> Reader<'a, '_> {
    fn truncated(&self) -> ReadError {
        ReadError::Truncated { part: self.part.to_owned() }
    }

    fn damaged(&self) -> ReadError {
        ReadError::Damaged { part: self.part.to_owned() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(|| self.truncated())?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or_else(|| self.truncated())?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, ReadError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, ReadError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ReadError> {
        self.array().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Result<f64, ReadError> {
        self.array().map(f64::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, ReadError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged()),
        }
    }

    fn text(&mut self) -> Result<Arc<str>, ReadError> {
        let length = self.u32()? as usize;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(Arc::from).map_err(|_| self.damaged())
    }

    fn texts(&mut self) -> Result<Vec<Arc<str>>, ReadError> {
        let count = self.u32()?;
        (0..count).map(|_| self.text()).collect()
    }

    fn ids(&mut self) -> Result<Vec<u32>, ReadError> {
        let count = self.u32()?;
        (0..count).map(|_| self.u32()).collect()
    }
}
