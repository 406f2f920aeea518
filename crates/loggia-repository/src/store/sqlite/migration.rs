//! How does an old file become a new one? Numbered steps, each in a transaction of its own.
//! Steps first add, later remove; a step that has been released is never edited.

use rusqlite::{Connection, TransactionBehavior};

use super::{StoreError, failed};

/// Step `n` is entry `n - 1`.
const STEPS: [&str; 6] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_user_directories.sql"),
    include_str!("migrations/0003_proxy_services.sql"),
    include_str!("migrations/0004_shared_sessions.sql"),
    include_str!("migrations/0005_ledger_lines.sql"),
    include_str!("migrations/0006_audit.sql"),
];

/// The schema number of this release.
pub(super) const NEWEST: u32 = STEPS.len() as u32;

/// Brings the file up to [`NEWEST`]; an interruption leaves it at a whole step.
pub(super) fn run(connection: &mut Connection) -> Result<(), StoreError> {
    refuse_newer(connection)?;
    for (step, sql) in STEPS.iter().enumerate() {
        let number = step as u32 + 1;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Asked again under the lock: another process may be doing the same work.
        if current(&transaction)? < number {
            transaction.execute_batch(sql).map_err(failed)?;
            transaction.pragma_update(None, "user_version", number).map_err(failed)?;
            transaction.commit().map_err(failed)?;
        }
    }
    Ok(())
}

/// The schema number of the file; 0 for an empty one.
pub(super) fn current(connection: &Connection) -> Result<u32, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)
}

pub(super) fn refuse_newer(connection: &Connection) -> Result<(), StoreError> {
    let found = current(connection)?;
    if found > NEWEST {
        return Err(StoreError::Newer { found, known: NEWEST });
    }
    Ok(())
}
