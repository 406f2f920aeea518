//! The peer: a table of charges, and a synced transaction for each.

use std::path::Path;
use std::sync::Mutex;

use anyhow::Result;
use rusqlite::{Connection, TransactionBehavior, params};
use tempfile::TempDir;
use uuid::Uuid;

use crate::site::NOW;

pub(crate) struct Peer {
    connection: Mutex<Connection>,
    _folder: TempDir,
}

impl Peer {
    pub(crate) fn new(beside: &Path) -> Result<Peer> {
        let folder = tempfile::tempdir_in(beside)?;
        let connection = Connection::open(folder.path().join("peer.db"))?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // The month's sum is a row that each charge raises: reading it is not what is compared.
        connection.execute_batch(
            "CREATE TABLE charges (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, \
             pool TEXT NOT NULL, meter TEXT NOT NULL, starts INTEGER NOT NULL, \
             ends INTEGER NOT NULL, units INTEGER NOT NULL) STRICT; \
             CREATE TABLE sums (month INTEGER PRIMARY KEY, units INTEGER NOT NULL) STRICT; \
             INSERT INTO sums VALUES (0, 0);",
        )?;
        Ok(Peer { connection: Mutex::new(connection), _folder: folder })
    }

    pub(crate) fn charge(&self) -> Result<()> {
        let meter = format!("visitor:{}", Uuid::new_v4().hyphenated());
        let mut connection = self.connection.lock().unwrap_or_else(|broken| broken.into_inner());
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let used: i64 = transaction
            .prepare_cached("SELECT units FROM sums WHERE month = 0")?
            .query_row([], |row| row.get(0))?;
        anyhow::ensure!(used < 1 << 40, "the pool is empty");
        transaction
            .prepare_cached(
                "INSERT INTO charges (key, pool, meter, starts, ends, units) \
                 VALUES (?1, 'pool', ?2, ?3, ?4, 6)",
            )?
            .execute(params![format!("pool/{meter}/0"), meter, NOW.0, NOW.0 + 360_000])?;
        transaction
            .prepare_cached("UPDATE sums SET units = units + 6 WHERE month = 0")?
            .execute([])?;
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn charges(&self) -> Result<u64> {
        let connection = self.connection.lock().unwrap_or_else(|broken| broken.into_inner());
        let count: i64 =
            connection.query_row("SELECT count(*) FROM charges", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}
