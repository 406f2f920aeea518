//! The store in one SQLite file.
//!
//! Journal: WAL, so that `loggia check` and other processes read while the server writes.
//! `synchronous = FULL`: in WAL mode `NORMAL` may lose the last commits at a power failure, and a
//! licence charge or a revoked rule that was acknowledged must not come back undone. Commits are
//! rare (people change things, visitors open apps), sessions are written in batches, and one
//! `fsync` each is what the promise costs.
//!
//! One writer connection stands behind a mutex; readers take a connection from a small stock.

mod archive;
mod checkpoint;
mod group_commit;
mod ledger;
mod migration;
mod record;
mod trail;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use loggia_audit::{Entry, Head, Key, Row};
use loggia_model::{AppId, Moment, ObjectId, UserId};

use super::{
    Change, Charged, Decide, Ledger, Line, ObjectProperties, Retire, SessionChanges, SessionRow,
    Store, StoreError, StoredRule, StoredSite, TrailFilter,
};
use checkpoint::{Checkpoints, MOST_PAGES};
use group_commit::GroupCommit;
use ledger::{SqliteLedger, append, charge};

/// How long a writer waits for another process that writes to the same file.
const BUSY: Duration = Duration::from_secs(10);
/// Idle reader connections kept for the next reader.
const SPARE_READERS: usize = 4;

/// A store in one file.
pub struct SqliteStore {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    is_read_only: bool,
    /// Seals the end of the audit trail.
    audit_key: Option<Key>,
    /// Set after a write that failed in an unknown state; see [`StoreError::Broken`].
    is_broken: AtomicBool,
    charges: GroupCommit,
    checkpoints: Checkpoints,
}

impl SqliteStore {
    /// Opens the file, makes it when it is missing, and brings its schema up to this release.
    pub fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        make_private_file(path)?;
        let mut connection = Connection::open(path).map_err(failed)?;
        prepare(&connection)?;
        migration::run(&mut connection)?;
        Ok(SqliteStore::over(path, connection, false))
    }

    /// Opens an existing file beside a running server: nothing is made, migrated or written.
    pub fn inspect(path: &Path) -> Result<SqliteStore, StoreError> {
        if !path.is_file() {
            return Err(StoreError::Missing(path.display().to_string()));
        }
        let connection = open_existing(path)?;
        connection.pragma_update(None, "query_only", true).map_err(failed)?;
        if migration::current(&connection)? < migration::NEWEST {
            return Err(StoreError::Older(path.display().to_string()));
        }
        migration::refuse_newer(&connection)?;
        Ok(SqliteStore::over(path, connection, true))
    }

    /// Seals the audit trail with this key, which is kept elsewhere.
    #[must_use]
    pub fn sealed_by(mut self, key: Key) -> SqliteStore {
        self.audit_key = Some(key);
        self
    }

    fn over(path: &Path, connection: Connection, is_read_only: bool) -> SqliteStore {
        SqliteStore {
            path: path.to_owned(),
            writer: Mutex::new(connection),
            readers: Mutex::new(Vec::new()),
            is_read_only,
            audit_key: None,
            is_broken: AtomicBool::new(false),
            charges: GroupCommit::default(),
            checkpoints: Checkpoints::default(),
        }
    }

    /// Runs `work` on a connection of its own, inside one read transaction.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let spare = self.readers.lock().pop();
        let mut connection = match spare {
            Some(connection) => connection,
            None => {
                let connection = open_existing(&self.path)?;
                connection.pragma_update(None, "query_only", true).map_err(failed)?;
                connection
            }
        };
        let transaction = connection.transaction().map_err(failed)?;
        let answer = work(&transaction);
        transaction.finish().map_err(failed)?;
        let mut readers = self.readers.lock();
        if readers.len() < SPARE_READERS {
            readers.push(connection);
        }
        answer
    }

    /// Runs `work` in the one write transaction there is; commits only when it succeeds.
    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_read_only {
            return Err(StoreError::ReadOnly);
        }
        if self.is_broken.load(Ordering::Acquire) {
            return Err(StoreError::Broken);
        }
        let mut connection = self.writer.lock();
        let outcome = (|| {
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failed)?;
            let answer = work(&transaction)?;
            transaction.commit().map_err(failed)?;
            Ok(answer)
        })();
        drop(connection);
        match &outcome {
            Ok(_) => self.checkpoints.committed(&self.path),
            Err(StoreError::Broken) => self.is_broken.store(true, Ordering::Release),
            Err(_) => {}
        }
        outcome
    }
}

impl Store for SqliteStore {
    fn load(&self) -> Result<StoredSite, StoreError> {
        self.read(|connection| {
            Ok(StoredSite {
                version: version_of(connection)?,
                users: record::all(connection, "users")?,
                streams: record::all(connection, "streams")?,
                apps: record::all(connection, "apps")?,
                objects: record::all(connection, "app_objects")?,
                parents: load_parents(connection)?,
                rules: load_rules(connection)?,
                virtual_proxies: record::all(connection, "virtual_proxies")?,
                user_directories: record::all(connection, "user_directories")?,
                proxy_services: record::all(connection, "proxy_services")?,
                pools: record::all(connection, "pools")?,
                tokens: load_tokens(connection)?,
                data: load_data(connection)?,
                seeds: load_seeds(connection)?,
            })
        })
    }

    fn version(&self) -> Result<u64, StoreError> {
        self.read(version_of)
    }

    fn commit(&self, expected: u64, changes: &[Change]) -> Result<u64, StoreError> {
        self.write(|transaction| {
            let found = version_of(transaction)?;
            if found != expected {
                return Err(StoreError::Stale { expected, found });
            }
            let mut told = Vec::new();
            for change in changes {
                match change {
                    Change::Record(entry) => told.push(Entry::clone(entry)),
                    change => apply(transaction, change)?,
                }
            }
            if !told.is_empty() {
                trail::append(transaction, &told, self.audit_key.as_ref()).map_err(blocked)?;
            }
            let next = found + 1;
            transaction
                .execute("UPDATE meta SET value = ?1 WHERE name = 'version'", [next.to_string()])
                .map_err(failed)?;
            Ok(next)
        })
    }

    fn app_properties(&self, app: AppId) -> Result<Vec<ObjectProperties>, StoreError> {
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached(
                    "SELECT p.object, p.properties, p.parent FROM object_properties p \
                     JOIN app_objects o ON o.id = p.object WHERE o.app = ?1 ORDER BY o.rowid",
                )
                .map_err(failed)?;
            let rows = statement
                .query_map([app.text()], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, Option<String>>(2)?,
                    ))
                })
                .map_err(failed)?;
            let mut found = Vec::new();
            for row in rows {
                let (object, properties, parent) = row.map_err(failed)?;
                found.push(properties_from(&object, &properties, parent)?);
            }
            Ok(found)
        })
    }

    fn object_properties(&self, object: ObjectId) -> Result<Option<ObjectProperties>, StoreError> {
        let row = self.read(|connection| {
            connection
                .query_row(
                    "SELECT properties, parent FROM object_properties WHERE object = ?1",
                    [object.text()],
                    |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)),
                )
                .optional()
                .map_err(failed)
        })?;
        match row {
            Some((properties, parent)) => {
                properties_from(&object.text(), &properties, parent).map(Some)
            }
            None => Ok(None),
        }
    }

    fn script(&self, app: AppId) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            connection
                .query_row("SELECT script FROM app_scripts WHERE app = ?1", [app.text()], |row| {
                    row.get(0)
                })
                .optional()
                .map_err(failed)
        })
    }

    fn credential(&self, user: UserId) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            connection
                .query_row("SELECT hash FROM credentials WHERE user = ?1", [user.text()], |row| {
                    row.get(0)
                })
                .optional()
                .map_err(failed)
        })
    }

    fn charge(&self, decide: Decide) -> Result<Charged, StoreError> {
        self.charges.run(decide, |batch| {
            self.write(|transaction| {
                let mut outcomes = Vec::with_capacity(batch.len());
                for decide in batch {
                    match charge(transaction, decide) {
                        // What is on the disk is in doubt for all of them.
                        Err(error @ (StoreError::Broken | StoreError::Full)) => return Err(error),
                        outcome => outcomes.push(outcome),
                    }
                }
                Ok(outcomes)
            })
        })
    }

    fn read_ledger(
        &self,
        look: &mut dyn FnMut(&dyn Ledger) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.read(|connection| look(&SqliteLedger(connection)))
    }

    fn compact_ledger(&self, before: Moment) -> Result<u64, StoreError> {
        match self.read(|connection| archive::oldest(connection, before))? {
            Some(block) => self.write(|transaction| archive::archive(transaction, &block)),
            None => Ok(0),
        }
    }

    fn lines(&self, after: u64, most: usize) -> Result<Vec<(u64, Line)>, StoreError> {
        self.read(|connection| archive::lines(connection, after, most))
    }

    fn save_sessions(&self, put: &[SessionRow], remove: &[String]) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut number: i64 = transaction
                .query_row("SELECT last FROM session_numbers", [], |row| row.get(0))
                .map_err(failed)?;
            let mut upsert = transaction
                .prepare_cached(
                    "INSERT INTO sessions (hash, json, expires, number) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (hash) DO UPDATE SET json = excluded.json, \
                     expires = excluded.expires, number = excluded.number",
                )
                .map_err(failed)?;
            for row in put {
                number += 1;
                upsert
                    .execute(params![row.hash, row.json, row.expires.0, number])
                    .map_err(failed)?;
            }
            let mut delete = transaction
                .prepare_cached("DELETE FROM sessions WHERE hash = ?1")
                .map_err(failed)?;
            let mut tell = transaction
                .prepare_cached("INSERT INTO ended_sessions (number, hash) VALUES (?1, ?2)")
                .map_err(failed)?;
            for hash in remove {
                delete.execute([hash]).map_err(failed)?;
                number += 1;
                tell.execute(params![number, hash]).map_err(failed)?;
            }
            // Other servers look every second: so many changes are behind everybody.
            transaction
                .execute("DELETE FROM ended_sessions WHERE number <= ?1", [number - TOLD_ENDS])
                .map_err(failed)?;
            transaction
                .execute("UPDATE session_numbers SET last = ?1", [number])
                .map_err(failed)?;
            Ok(())
        })
    }

    fn load_session(&self, hash: &str, now: Moment) -> Result<Option<SessionRow>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT hash, json, expires FROM sessions WHERE hash = ?1 AND expires > ?2",
                )
                .map_err(failed)?
                .query_row(params![hash, now.0], session_row)
                .optional()
                .map_err(failed)
        })
    }

    fn session_changes(&self, since: i64) -> Result<SessionChanges, StoreError> {
        self.read(|connection| {
            // One statement, one state: nothing may come in between.
            let mut statement = connection
                .prepare_cached(
                    "SELECT hash, json, expires, number FROM sessions WHERE number > ?1 UNION ALL \
                     SELECT hash, NULL, 0, number FROM ended_sessions WHERE number > ?1 \
                     ORDER BY number LIMIT 10000",
                )
                .map_err(failed)?;
            let mut changes = SessionChanges { last: since, ..SessionChanges::default() };
            let mut rows = statement.query([since]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                changes.last = row.get(3).map_err(failed)?;
                match row.get::<_, Option<String>>(1).map_err(failed)? {
                    Some(_) => changes.written.push(session_row(row).map_err(failed)?),
                    None => changes.ended.push(row.get(0).map_err(failed)?),
                }
            }
            Ok(changes)
        })
    }

    fn append_trail(&self, entries: &[Entry]) -> Result<(), StoreError> {
        self.write(|transaction| trail::append(transaction, entries, self.audit_key.as_ref()))
    }

    fn walk_trail(
        &self,
        filter: &TrailFilter,
        look: &mut dyn FnMut(&Head, Row) -> ControlFlow<()>,
    ) -> Result<Head, StoreError> {
        self.read(|connection| trail::walk(connection, filter, look))
    }

    fn retire_trail(&self, what: Retire, through: u64, entry: &Entry) -> Result<(), StoreError> {
        let key = self.audit_key.as_ref();
        self.write(|transaction| trail::retire(transaction, what, through, entry, key))
    }

    fn trail_sent(&self, place: &str) -> Result<Option<u64>, StoreError> {
        self.read(|connection| trail::sent(connection, place))
    }

    fn note_trail_sent(&self, place: &str, number: u64) -> Result<(), StoreError> {
        self.write(|transaction| trail::note_sent(transaction, place, number))
    }

    fn load_sessions(&self, now: Moment) -> Result<Vec<SessionRow>, StoreError> {
        if !self.is_read_only {
            self.write(|transaction| {
                transaction
                    .execute("DELETE FROM sessions WHERE expires <= ?1", [now.0])
                    .map_err(failed)
            })?;
        }
        self.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT hash, json, expires FROM sessions WHERE expires > ?1")
                .map_err(failed)?;
            let rows = statement.query_map([now.0], session_row).map_err(failed)?;
            rows.collect::<Result<_, _>>().map_err(failed)
        })
    }
}

/// Ends of sessions that are kept for other servers to see.
const TOLD_ENDS: i64 = 1_000_000;

fn session_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow { hash: row.get(0)?, json: row.get(1)?, expires: Moment(row.get(2)?) })
}

/// Makes the file when it is missing, for its owner's eyes only: password hashes are in it. The
/// files beside it get its mode from the database library.
fn make_private_file(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Failed(format!("cannot make {}: {error}", path.display()))),
    }
}

fn open_existing(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection
        .pragma_update_and_check(None, "wal_autocheckpoint", MOST_PAGES, |_| Ok(()))
        .map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)
}

fn version_of(connection: &Connection) -> Result<u64, StoreError> {
    let text: String = connection
        .query_row("SELECT value FROM meta WHERE name = 'version'", [], |row| row.get(0))
        .map_err(failed)?;
    text.parse().map_err(|_| StoreError::Corrupt { kind: "version", reason: text })
}

/// An empty text is *not counting*, as is none.
fn load_tokens(connection: &Connection) -> Result<Option<u64>, StoreError> {
    let text: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE name = 'tokens'", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    match text.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(tokens) => Ok(Some(tokens)),
            Err(_) => Err(StoreError::Corrupt { kind: "token stock", reason: text }),
        },
    }
}

fn load_rules(connection: &Connection) -> Result<Vec<StoredRule>, StoreError> {
    let mut statement = connection
        .prepare("SELECT format, record, seed_version FROM rules ORDER BY rowid")
        .map_err(failed)?;
    let rows = statement
        .query_map([], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?, row.get::<_, u32>(2)?))
        })
        .map_err(failed)?;
    let mut rules = Vec::new();
    for row in rows {
        let (format, text, seed_version) = row.map_err(failed)?;
        rules.push(StoredRule { rule: record::read("rules", format, &text)?, seed_version });
    }
    Ok(rules)
}

fn load_data(connection: &Connection) -> Result<Vec<(AppId, u32)>, StoreError> {
    let mut statement =
        connection.prepare("SELECT app, generation FROM app_data ORDER BY app").map_err(failed)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?)))
        .map_err(failed)?;
    let mut found = Vec::new();
    for row in rows {
        let (app, generation) = row.map_err(failed)?;
        let app = app
            .parse()
            .map_err(|_| StoreError::Corrupt { kind: "app data pointer", reason: app.clone() })?;
        found.push((app, generation));
    }
    Ok(found)
}

fn load_parents(connection: &Connection) -> Result<Vec<(ObjectId, String)>, StoreError> {
    let mut statement = connection
        .prepare("SELECT object, parent FROM object_properties WHERE parent IS NOT NULL ORDER BY 1")
        .map_err(failed)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .map_err(failed)?;
    let mut found = Vec::new();
    for row in rows {
        let (object, parent) = row.map_err(failed)?;
        let object = object
            .parse()
            .map_err(|_| StoreError::Corrupt { kind: "object's parent", reason: object.clone() })?;
        found.push((object, parent));
    }
    Ok(found)
}

fn load_seeds(connection: &Connection) -> Result<Vec<(String, u32)>, StoreError> {
    let mut statement =
        connection.prepare("SELECT seed, version FROM seeds ORDER BY seed").map_err(failed)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

fn properties_from(
    object: &str,
    properties: &str,
    parent: Option<String>,
) -> Result<ObjectProperties, StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { kind: "object's properties", reason };
    Ok(ObjectProperties {
        object: object.parse().map_err(|_| corrupt(object.to_owned()))?,
        properties: serde_json::from_str(properties).map_err(|error| corrupt(error.to_string()))?,
        parent,
    })
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::PutUser(user) => put(
            transaction,
            "INSERT INTO users (id, format, record, folded_key) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record, \
             folded_key = excluded.folded_key",
            params![user.id.text(), record::FORMAT, record::write(user)?, user.key.folded()],
        ),
        Change::DeleteUser(user) => delete(transaction, "users", &user.text()),
        Change::PutCredential { user, hash, changed } => put(
            transaction,
            "INSERT INTO credentials (user, hash, changed) VALUES (?1, ?2, ?3) \
             ON CONFLICT (user) DO UPDATE SET hash = excluded.hash, changed = excluded.changed",
            params![user.text(), hash, changed.0],
        ),
        Change::PutStream(stream) => put(
            transaction,
            "INSERT INTO streams (id, format, record, owner) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record, \
             owner = excluded.owner",
            params![stream.id.text(), record::FORMAT, record::write(stream)?, stream.owner.text()],
        ),
        Change::DeleteStream(stream) => delete(transaction, "streams", &stream.text()),
        Change::PutApp(app) => put(
            transaction,
            "INSERT INTO apps (id, format, record, owner, stream) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record, \
             owner = excluded.owner, stream = excluded.stream",
            params![
                app.id.text(),
                record::FORMAT,
                record::write(app)?,
                app.owner.text(),
                app.stream.map(|stream| stream.text())
            ],
        ),
        Change::DeleteApp(app) => delete(transaction, "apps", &app.text()),
        Change::PutObject(object) => put(
            transaction,
            "INSERT INTO app_objects (id, format, record, app, engine_id, owner) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record, \
             engine_id = excluded.engine_id, owner = excluded.owner",
            params![
                object.id.text(),
                record::FORMAT,
                record::write(object)?,
                object.app.text(),
                object.engine_id,
                object.owner.text()
            ],
        ),
        Change::PutProperties(entry) => put(
            transaction,
            "INSERT INTO object_properties (object, properties, parent) VALUES (?1, ?2, ?3) \
             ON CONFLICT (object) DO UPDATE SET properties = excluded.properties, \
             parent = excluded.parent",
            params![entry.object.text(), entry.properties.to_string(), entry.parent],
        ),
        Change::DeleteObject(object) => delete(transaction, "app_objects", &object.text()),
        Change::PutScript { app, text } => put(
            transaction,
            "INSERT INTO app_scripts (app, script) VALUES (?1, ?2) \
             ON CONFLICT (app) DO UPDATE SET script = excluded.script",
            params![app.text(), text],
        ),
        Change::PutData { app, generation } => put(
            transaction,
            "INSERT INTO app_data (app, generation) VALUES (?1, ?2) \
             ON CONFLICT (app) DO UPDATE SET generation = excluded.generation",
            params![app.text(), generation],
        ),
        Change::PutRule(StoredRule { rule, seed_version }) => put(
            transaction,
            "INSERT INTO rules (id, format, record, seed, seed_version) \
             VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record, \
             seed = excluded.seed, seed_version = excluded.seed_version",
            params![rule.id.text(), record::FORMAT, record::write(rule)?, rule.seed, seed_version],
        ),
        Change::DeleteRule(rule) => delete(transaction, "rules", &rule.text()),
        Change::PutSeed { seed, version } => put(
            transaction,
            "INSERT INTO seeds (seed, version) VALUES (?1, ?2) \
             ON CONFLICT (seed) DO UPDATE SET version = excluded.version",
            params![seed, version],
        ),
        Change::PutVirtualProxy(entrance) => put(
            transaction,
            "INSERT INTO virtual_proxies (id, format, record, prefix, session_cookie) \
             VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record, \
             prefix = excluded.prefix, session_cookie = excluded.session_cookie",
            params![
                entrance.id.text(),
                record::FORMAT,
                record::write(entrance)?,
                entrance.prefix.as_str(),
                entrance.session_cookie
            ],
        ),
        Change::DeleteVirtualProxy(entrance) => {
            delete(transaction, "virtual_proxies", &entrance.text())
        }
        Change::PutUserDirectory(directory) => put(
            transaction,
            "INSERT INTO user_directories (id, format, record, folded_name) \
             VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record, \
             folded_name = excluded.folded_name",
            params![
                directory.id.text(),
                record::FORMAT,
                record::write(directory)?,
                directory.name.to_lowercase()
            ],
        ),
        Change::DeleteUserDirectory(directory) => {
            delete(transaction, "user_directories", &directory.text())
        }
        Change::PutProxyService(proxy) => put(
            transaction,
            "INSERT INTO proxy_services (id, format, record, node) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record, \
             node = excluded.node",
            params![proxy.id.text(), record::FORMAT, record::write(proxy)?, proxy.node.text()],
        ),
        Change::PutPool(pool) => put(
            transaction,
            "INSERT INTO pools (id, format, record) VALUES (?1, ?2, ?3) \
             ON CONFLICT (id) DO UPDATE SET format = excluded.format, record = excluded.record",
            params![pool.id.text(), record::FORMAT, record::write(pool)?],
        ),
        Change::DeletePool(pool) => delete(transaction, "pools", &pool.text()),
        Change::PutTokens(tokens) => put(
            transaction,
            "INSERT INTO meta (name, value) VALUES ('tokens', ?1) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![tokens.map(|tokens| tokens.to_string()).unwrap_or_default()],
        ),
        Change::ExpectSeatLine { pool, last_line } => {
            let found = SqliteLedger(transaction).last_seat_line(*pool)?;
            if found == *last_line {
                return Ok(());
            }
            let version = version_of(transaction)?;
            Err(StoreError::Stale { expected: version, found: version })
        }
        Change::AppendLine(line) => append(transaction, line).map(|_| ()),
        // Appended together, after everything else.
        Change::Record(_) => Ok(()),
    }
}

fn put(
    transaction: &Transaction<'_>,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<(), StoreError> {
    transaction.prepare_cached(sql).map_err(failed)?.execute(values).map_err(failed)?;
    Ok(())
}

fn delete(transaction: &Transaction<'_>, table: &str, id: &str) -> Result<(), StoreError> {
    transaction
        .prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))
        .map_err(failed)?
        .execute([id])
        .map_err(failed)?;
    Ok(())
}

/// What a change meets that the trail cannot take.
fn blocked(error: StoreError) -> StoreError {
    match error {
        // Nobody knows what is on the disk, which is worse.
        StoreError::Broken => StoreError::Broken,
        error => StoreError::AuditBlocked(error.to_string()),
    }
}

/// Our word for what SQLite reports.
fn failed(error: rusqlite::Error) -> StoreError {
    match &error {
        rusqlite::Error::SqliteFailure(code, message) => match code.code {
            ErrorCode::ConstraintViolation => {
                StoreError::Constraint(message.clone().unwrap_or_else(|| error.to_string()))
            }
            ErrorCode::DiskFull => StoreError::Full,
            ErrorCode::ReadOnly => StoreError::ReadOnly,
            ErrorCode::SystemIoFailure => StoreError::Broken,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                StoreError::Corrupt { kind: "database page", reason: error.to_string() }
            }
            _ => StoreError::Failed(error.to_string()),
        },
        _ => StoreError::Failed(error.to_string()),
    }
}
