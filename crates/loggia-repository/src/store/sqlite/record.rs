//! How is an entity written into a row? As JSON with a format number, so that a later release
//! knows which shape it reads.

use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{StoreError, failed};

/// The format this release writes.
pub(super) const FORMAT: u32 = 1;

pub(super) fn write<T: Serialize>(entity: &T) -> Result<String, StoreError> {
    serde_json::to_string(entity).map_err(|error| StoreError::Failed(error.to_string()))
}

/// Reads a row of `table` written in `format`, raising older formats first.
pub(super) fn read<T: DeserializeOwned>(
    table: &'static str,
    format: u32,
    text: &str,
) -> Result<T, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { kind: table, reason };
    if format > FORMAT {
        return Err(corrupt(format!("format {format} is newer than {FORMAT}")));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| corrupt(error.to_string()))?;
    serde_json::from_value(value).map_err(|error| corrupt(error.to_string()))
}

/// Every row of an entity table, in the order of creation.
pub(super) fn all<T: DeserializeOwned>(
    connection: &Connection,
    table: &'static str,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection
        .prepare(&format!("SELECT format, record FROM {table} ORDER BY rowid"))
        .map_err(failed)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)))
        .map_err(failed)?;
    let mut found = Vec::new();
    for row in rows {
        let (format, text) = row.map_err(failed)?;
        found.push(read(table, format, &text)?);
    }
    Ok(found)
}
