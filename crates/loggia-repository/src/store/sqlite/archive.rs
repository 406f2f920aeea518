//! Compaction: where do lines go that no decision looks at any more? Into blocks of many, each one
//! row of the archive. What follows from them stays in tables of its own.

use std::io::{Read, Write};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::{Value, json};

use loggia_model::Moment;

use super::ledger::{COLUMNS, kind_text, line, line_kind, optional, parsed, pool_kind};
use super::{Line, StoreError, failed};

/// Lines of one block: few enough that nobody waits for long while they are taken out.
const BLOCK: u64 = 1_000;

/// Lines that are about to move.
pub(super) struct Block {
    first: i64,
    last: i64,
    lines: u64,
    body: Vec<u8>,
}

/// The oldest lines, if they begin before this moment, packed. Charges go on meanwhile.
pub(super) fn oldest(connection: &Connection, before: Moment) -> Result<Option<Block>, StoreError> {
    let first: Option<i64> = connection
        .query_row("SELECT min(sequence) FROM ledger", [], |row| row.get(0))
        .map_err(failed)?;
    let Some(first) = first else { return Ok(None) };
    // Blocks are whole ranges of numbers: they end where a line is too young.
    let end = first.saturating_add(i64::try_from(BLOCK).unwrap_or(i64::MAX));
    let young: Option<i64> = connection
        .query_row(
            "SELECT sequence FROM ledger WHERE sequence < ?1 AND starts >= ?2 \
             ORDER BY sequence LIMIT 1",
            params![end, before.0],
            |row| row.get(0),
        )
        .optional()
        .map_err(failed)?;
    let mut statement = connection
        .prepare(&format!("SELECT {COLUMNS} FROM ledger WHERE sequence < ?1 ORDER BY sequence"))
        .map_err(failed)?;
    let mut rows = statement.query([young.unwrap_or(end)]).map_err(failed)?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        lines.push(line(row)?);
    }
    let Some((last, _)) = lines.last() else { return Ok(None) };
    Ok(Some(Block {
        first,
        last: i64::try_from(*last).unwrap_or(i64::MAX),
        lines: u64::try_from(lines.len()).unwrap_or(u64::MAX),
        body: pack(&lines)?,
    }))
}

/// Puts a block into the archive and takes its lines out of the ledger; answers how many.
pub(super) fn archive(transaction: &Transaction<'_>, block: &Block) -> Result<u64, StoreError> {
    let known: bool = transaction
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM ledger_archive WHERE last >= ?1)",
            [block.first],
            |row| row.get(0),
        )
        .map_err(failed)?;
    if known {
        // Another server that shares the store was faster.
        return Ok(0);
    }
    transaction
        .execute(
            "INSERT INTO ledger_archive (first, last, lines, body) VALUES (?1, ?2, ?3, ?4)",
            params![
                block.first,
                block.last,
                i64::try_from(block.lines).unwrap_or(i64::MAX),
                block.body
            ],
        )
        .map_err(failed)?;
    transaction.execute("DELETE FROM ledger WHERE sequence <= ?1", [block.last]).map_err(failed)?;
    Ok(block.lines)
}

/// Lines with numbers above `after`, from blocks and from the ledger.
pub(super) fn lines(
    connection: &Connection,
    after: u64,
    most: usize,
) -> Result<Vec<(u64, Line)>, StoreError> {
    let start = i64::try_from(after).unwrap_or(i64::MAX);
    let mut found: Vec<(u64, Line)> = Vec::new();
    let mut statement = connection
        .prepare("SELECT body FROM ledger_archive WHERE last > ?1 ORDER BY last")
        .map_err(failed)?;
    let mut rows = statement.query([start]).map_err(failed)?;
    while found.len() < most {
        let Some(row) = rows.next().map_err(failed)? else { break };
        let body: Vec<u8> = row.get(0).map_err(failed)?;
        found.extend(unpack(&body)?.into_iter().filter(|(number, _)| *number > after));
    }
    found.truncate(most);
    let rest = i64::try_from(most.saturating_sub(found.len())).unwrap_or(i64::MAX);
    let mut statement = connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM ledger WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"
        ))
        .map_err(failed)?;
    let mut rows = statement.query(params![start, rest]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(line(row)?);
    }
    Ok(found)
}

/// Lines as compressed JSON: read rarely, by tools that need not know this release.
fn pack(lines: &[(u64, Line)]) -> Result<Vec<u8>, StoreError> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    for (number, line) in lines {
        let value = json!({
            "sequence": number,
            "key": line.key,
            "line": line.kind.as_str(),
            "moment": line.moment.0,
            "pool": line.pool.text(),
            "kind": kind_text(line.pool_kind),
            "meter": line.meter.map(|meter| meter.to_string()),
            "principal": line.principal,
            "app": line.app.map(|app| app.text()),
            "session": line.session.map(|session| session.text()),
            "entrance": line.entrance,
            "address": line.address.map(|address| address.to_string()),
            "device": line.device.map(|device| device.to_string()),
            "starts": line.from.0,
            "ends": line.until.map(|until| until.0),
            "units": line.units,
            "actor": line.actor,
            "reason": line.reason,
        });
        writeln!(out, "{value}").map_err(corrupt)?;
    }
    out.finish().map_err(corrupt)
}

fn unpack(body: &[u8]) -> Result<Vec<(u64, Line)>, StoreError> {
    let mut text = String::new();
    flate2::read::DeflateDecoder::new(body).read_to_string(&mut text).map_err(corrupt)?;
    text.lines().map(unpack_line).collect()
}

fn unpack_line(text: &str) -> Result<(u64, Line), StoreError> {
    let value: Value = serde_json::from_str(text).map_err(corrupt)?;
    let member = |name: &str| value.get(name).unwrap_or(&Value::Null);
    let maybe = |name: &str| member(name).as_str().map(str::to_owned);
    let word = |name: &str| maybe(name).ok_or_else(|| corrupt(format!("no {name} in {text}")));
    let number = |name: &str| {
        member(name).as_i64().ok_or_else(|| corrupt(format!("no number {name} in {text}")))
    };
    let natural = |name: &str| {
        member(name).as_u64().ok_or_else(|| corrupt(format!("no number {name} in {text}")))
    };
    Ok((
        natural("sequence")?,
        Line {
            key: word("key")?,
            kind: line_kind(&word("line")?)?,
            moment: Moment(number("moment")?),
            pool: parsed("archived line", &word("pool")?)?,
            pool_kind: pool_kind(&word("kind")?)?,
            meter: optional("archived line", maybe("meter"))?,
            principal: word("principal")?,
            app: optional("archived line", maybe("app"))?,
            session: optional("archived line", maybe("session"))?,
            entrance: word("entrance")?,
            address: optional("archived line", maybe("address"))?,
            device: optional("archived line", maybe("device"))?,
            from: Moment(number("starts")?),
            until: member("ends").as_i64().map(Moment),
            units: natural("units")?,
            actor: word("actor")?,
            reason: word("reason")?,
        },
    ))
}

fn corrupt(error: impl ToString) -> StoreError {
    StoreError::Corrupt { kind: "archived line", reason: error.to_string() }
}
