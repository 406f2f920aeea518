//! The audit trail in SQLite.

use std::fmt::Write;
use std::ops::ControlFlow;

use loggia_audit::{Commitment, Entry, Head, Key, Row};
use loggia_model::Moment;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Transaction, params, params_from_iter};

use super::{Retire, StoreError, TrailFilter, failed};
use crate::store::TrailOrder;

/// Appends rows and moves the sealed end along.
pub(super) fn append(
    transaction: &Transaction<'_>,
    entries: &[Entry],
    key: Option<&Key>,
) -> Result<(), StoreError> {
    let mut head = head(transaction)?;
    let mut insert = transaction
        .prepare_cached(
            "INSERT INTO audit (number, previous, hash, time, kind, correlation, node, principal, \
             is_anonymous, session, entrance, app, network, network_salt, network_hash, personal, \
             personal_salt, personal_hash, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, \
             ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        )
        .map_err(failed)?;
    for entry in entries {
        let row = entry.clone().chained(&mut head);
        let entry = &row.entry;
        let (network, network_salt, network_hash) = columns(entry.network.as_ref());
        let (personal, personal_salt, personal_hash) = columns(entry.personal.as_ref());
        insert
            .execute(params![
                stored(row.number),
                row.previous,
                row.hash,
                entry.time.0,
                entry.kind,
                entry.correlation,
                entry.node,
                entry.principal,
                entry.is_anonymous,
                entry.session,
                entry.entrance,
                entry.app,
                network,
                network_salt,
                network_hash,
                personal,
                personal_salt,
                personal_hash,
                entry.details
            ])
            .map_err(failed)?;
    }
    seal(transaction, head, key)
}

/// Walks over the rows that the filter picks.
pub(super) fn walk(
    connection: &Connection,
    filter: &TrailFilter,
    look: &mut dyn FnMut(&Head, Row) -> ControlFlow<()>,
) -> Result<Head, StoreError> {
    let head = head(connection)?;
    let (sql, values) = query(filter);
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        if look(&head, read(row).map_err(failed)?).is_break() {
            break;
        }
    }
    Ok(head)
}

/// Prunes or forgets up to a row, and says so in the trail.
pub(super) fn retire(
    transaction: &Transaction<'_>,
    what: Retire,
    through: u64,
    entry: &Entry,
    key: Option<&Key>,
) -> Result<(), StoreError> {
    let present = head(transaction)?;
    let through = stored(through.min(present.number));
    match what {
        Retire::Rows => {
            let moved = transaction
                .execute(
                    "UPDATE audit_head SET pruned = ?1, forgotten = max(forgotten, ?1), \
                     pruned_hash = (SELECT hash FROM audit WHERE number = ?1) \
                     WHERE pruned < ?1 AND EXISTS (SELECT 1 FROM audit WHERE number = ?1)",
                    [through],
                )
                .map_err(failed)?;
            if moved == 0 {
                // Another server was faster.
                return Ok(());
            }
            transaction
                .execute("DELETE FROM audit WHERE number <= ?1", [through])
                .map_err(failed)?;
        }
        Retire::Addresses => {
            let moved = transaction
                .execute("UPDATE audit_head SET forgotten = ?1 WHERE forgotten < ?1", [through])
                .map_err(failed)?;
            if moved == 0 {
                return Ok(());
            }
            transaction
                .execute(
                    "UPDATE audit SET personal = NULL, personal_salt = NULL \
                     WHERE number > ?1 AND number <= ?2 AND personal IS NOT NULL",
                    [stored(present.forgotten), through],
                )
                .map_err(failed)?;
        }
    }
    append(transaction, std::slice::from_ref(entry), key)
}

/// How far rows were sent to a place.
pub(super) fn sent(connection: &Connection, place: &str) -> Result<Option<u64>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT number FROM audit_sent WHERE place = ?1")
        .map_err(failed)?;
    let mut rows = statement.query([place]).map_err(failed)?;
    match rows.next().map_err(failed)? {
        Some(row) => row.get(0).map(|number: i64| Some(number.unsigned_abs())).map_err(failed),
        None => Ok(None),
    }
}

pub(super) fn note_sent(
    transaction: &Transaction<'_>,
    place: &str,
    number: u64,
) -> Result<(), StoreError> {
    super::put(
        transaction,
        "INSERT INTO audit_sent (place, number) VALUES (?1, ?2) \
         ON CONFLICT (place) DO UPDATE SET number = excluded.number",
        params![place, stored(number)],
    )
}

fn head(connection: &Connection) -> Result<Head, StoreError> {
    connection
        .prepare_cached("SELECT number, hash, pruned, pruned_hash, forgotten, seal FROM audit_head")
        .map_err(failed)?
        .query_row([], |row| {
            Ok(Head {
                number: row.get::<_, i64>(0)?.unsigned_abs(),
                hash: bytes(row.get_ref(1)?),
                pruned: row.get::<_, i64>(2)?.unsigned_abs(),
                pruned_hash: bytes(row.get_ref(3)?),
                forgotten: row.get::<_, i64>(4)?.unsigned_abs(),
                seal: match row.get_ref(5)? {
                    ValueRef::Null => None,
                    seal => Some(bytes(seal)),
                },
            })
        })
        .map_err(failed)
}

/// Seals the end as it is stored now: retention has moved other members of it.
fn seal(transaction: &Transaction<'_>, end: Head, key: Option<&Key>) -> Result<(), StoreError> {
    let sealed = Head { number: end.number, hash: end.hash, ..head(transaction)? }.sealed(key);
    transaction
        .prepare_cached("UPDATE audit_head SET seal = ?1")
        .map_err(failed)?
        .execute([sealed.seal])
        .map_err(failed)?;
    Ok(())
}

fn columns(commitment: Option<&Commitment>) -> (Option<&str>, Option<[u8; 16]>, Option<[u8; 32]>) {
    let opening = commitment.and_then(|commitment| commitment.opening.as_ref());
    (
        opening.map(|(value, _)| value.as_str()),
        opening.map(|(_, salt)| *salt),
        commitment.map(|commitment| commitment.hash),
    )
}

fn query(filter: &TrailFilter) -> (String, Vec<Value>) {
    let mut sql = "SELECT number, previous, hash, time, kind, correlation, node, principal, \
                   is_anonymous, session, entrance, app, network, network_salt, network_hash, \
                   personal, personal_salt, personal_hash, details FROM audit WHERE 1"
        .to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut add = |clause: &str, value: Value| {
        values.push(value);
        // Writing into a text cannot fail.
        let _ = write!(sql, " AND {clause} ?{}", values.len());
    };
    let text = |text: &String| Value::Text(text.clone());
    if let Some(from) = filter.from {
        add("time >=", Value::Integer(from.0));
    }
    if let Some(to) = filter.to {
        add("time <", Value::Integer(to.0));
    }
    if let Some(after) = filter.after {
        add("number >", Value::Integer(stored(after)));
    }
    if let Some(before) = filter.before {
        add("number <", Value::Integer(stored(before)));
    }
    if let Some(principal) = &filter.principal {
        add("principal COLLATE NOCASE =", text(principal));
    }
    if let Some(is_anonymous) = filter.is_anonymous {
        add("is_anonymous =", Value::Integer(is_anonymous.into()));
    }
    if let Some(session) = &filter.session {
        add("session =", text(session));
    }
    if let Some(entrance) = &filter.entrance {
        add("entrance =", text(entrance));
    }
    if let Some(app) = &filter.app {
        add("app =", text(app));
    }
    if let Some(correlation) = &filter.correlation {
        add("correlation =", text(correlation));
    }
    if !filter.kinds.is_empty() {
        let kinds: Vec<String> = filter.kinds.iter().map(|kind| format!("'{kind}'")).collect();
        let _ = write!(sql, " AND kind IN ({})", kinds.join(", "));
    }
    sql.push_str(match filter.order {
        TrailOrder::OldestFirst => " ORDER BY number",
        TrailOrder::NewestFirst => " ORDER BY number DESC",
    });
    (sql, values)
}

/// A row whatever was done to it: nothing here may fail because of what somebody wrote there.
fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let number = |at| {
        Ok::<i64, rusqlite::Error>(match row.get_ref(at)? {
            ValueRef::Integer(number) => number,
            _ => 0,
        })
    };
    let optional = |at| {
        Ok::<Option<String>, rusqlite::Error>(match row.get_ref(at)? {
            ValueRef::Text(text) | ValueRef::Blob(text) => {
                Some(String::from_utf8_lossy(text).into_owned())
            }
            ValueRef::Null => None,
            ValueRef::Integer(number) => Some(number.to_string()),
            ValueRef::Real(number) => Some(number.to_string()),
        })
    };
    let text = |at| optional(at).map(Option::unwrap_or_default);
    let commitment = |at: usize| {
        let opening = match (optional(at)?, row.get_ref(at + 1)?) {
            (None, ValueRef::Null) => None,
            (value, salt) => Some((value.unwrap_or_default(), bytes(salt))),
        };
        Ok::<_, rusqlite::Error>(match (opening, row.get_ref(at + 2)?) {
            (None, ValueRef::Null) => None,
            (opening, hash) => Some(Commitment { hash: bytes(hash), opening }),
        })
    };
    Ok(Row {
        number: number(0)?.unsigned_abs(),
        previous: bytes(row.get_ref(1)?),
        hash: bytes(row.get_ref(2)?),
        entry: Entry {
            time: Moment(number(3)?),
            kind: text(4)?,
            correlation: text(5)?,
            node: text(6)?,
            principal: text(7)?,
            is_anonymous: number(8)? != 0,
            session: optional(9)?,
            entrance: text(10)?,
            app: optional(11)?,
            network: commitment(12)?,
            personal: commitment(15)?,
            details: text(18)?,
        },
    })
}

/// The bytes of a column; zeros where somebody put something else there.
fn bytes<const N: usize>(value: ValueRef<'_>) -> [u8; N] {
    match value {
        ValueRef::Blob(bytes) => bytes.try_into().unwrap_or([0; N]),
        _ => [0; N],
    }
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
