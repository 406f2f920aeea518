//! Where is everything kept? The [`Store`] trait: load the whole site, commit changes in one
//! transaction, append to the ledger, keep sessions. SQL lives only below this module.
//!
//! A store knows no rule and no caller. It answers `Ok` only for what is on the disk.

pub mod sqlite;

use loggia_model::entity::{
    App, AppObject, LicencePool, PoolKind, ProxyService, Stream, SystemRule, User, UserDirectory,
    VirtualProxy,
};
use loggia_model::{
    AppId, Moment, ObjectId, PoolId, RuleId, SessionId, StreamId, UserDirectoryId, UserId,
    VirtualProxyId,
};
use thiserror::Error;

/// What every back end offers. One test suite (`tests/store_suite.rs`) states the behaviour.
pub trait Store: Send + Sync {
    /// Everything the snapshot is made of, read in one transaction.
    fn load(&self) -> Result<StoredSite, StoreError>;

    /// The version of what is stored; it grows by one with each commit, whoever commits.
    fn version(&self) -> Result<u64, StoreError>;

    /// Writes all changes or none, provided that nobody committed since `expected`; answers with
    /// the new version once the changes are safe from a crash.
    fn commit(&self, expected: u64, changes: &[Change]) -> Result<u64, StoreError>;

    /// Properties of every object of an app.
    fn app_properties(&self, app: AppId) -> Result<Vec<ObjectProperties>, StoreError>;

    /// Properties of one object.
    fn object_properties(&self, object: ObjectId) -> Result<Option<ObjectProperties>, StoreError>;

    /// An app's load script.
    fn script(&self, app: AppId) -> Result<Option<String>, StoreError>;

    /// The password hash of a local user.
    fn credential(&self, user: UserId) -> Result<Option<String>, StoreError>;

    /// Lets `decide` look at the ledger and append the row it returns, all in one transaction:
    /// two visits can never take the same last unit. A row whose key is already there changes
    /// nothing, so that a repeated charge counts once.
    fn charge(&self, decide: &mut Decide<'_>) -> Result<Charged, StoreError>;

    /// Lets `look` read the ledger without charging.
    fn read_ledger(
        &self,
        look: &mut dyn FnMut(&dyn Ledger) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Writes session rows and removes others; used in batches, behind the requests.
    fn save_sessions(&self, put: &[SessionRow], remove: &[String]) -> Result<(), StoreError>;

    /// Sessions that have not expired at `now`; expired ones are removed.
    fn load_sessions(&self, now: Moment) -> Result<Vec<SessionRow>, StoreError>;

    /// One session that has not expired.
    fn load_session(&self, hash: &str, now: Moment) -> Result<Option<SessionRow>, StoreError>;

    /// What was written since the change of that number, a bounded part of it at a time.
    fn session_changes(&self, since: i64) -> Result<SessionChanges, StoreError>;
}

/// Looks at the ledger and says what to append.
pub type Decide<'a> = dyn FnMut(&dyn Ledger) -> Result<Option<LedgerRow>, StoreError> + 'a;

/// The ledger as licence arithmetic needs it (`loggia_licence::PoolView`), so that it is never
/// read row by row.
pub trait Ledger {
    /// The latest end of a unit or pass that the meter drew from the pool.
    fn last_until(&self, pool: PoolId, meter: &str) -> Result<Option<Moment>, StoreError>;

    /// Whether the meter holds a seat of the pool.
    fn has_seat(&self, pool: PoolId, meter: &str) -> Result<bool, StoreError>;

    /// Seats of the pool that are held.
    fn seats(&self, pool: PoolId) -> Result<u64, StoreError>;

    /// Units of the pool that began at or after `from` and before `to`.
    fn units_between(&self, pool: PoolId, from: Moment, to: Moment) -> Result<u64, StoreError>;

    /// The earliest beginning at or after `from`: whose pass comes back first.
    fn first_since(&self, pool: PoolId, from: Moment) -> Result<Option<Moment>, StoreError>;
}

/// Everything a snapshot is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredSite {
    pub version: u64,
    pub users: Vec<User>,
    pub streams: Vec<Stream>,
    pub apps: Vec<App>,
    pub objects: Vec<AppObject>,
    /// For each object inside another one the engine id of that other.
    pub parents: Vec<(ObjectId, String)>,
    pub rules: Vec<StoredRule>,
    pub virtual_proxies: Vec<VirtualProxy>,
    pub user_directories: Vec<UserDirectory>,
    pub proxy_services: Vec<ProxyService>,
    pub pools: Vec<LicencePool>,
    /// Generation of the current data file of each app that has one.
    pub data: Vec<(AppId, u32)>,
    /// Shipped content that was laid down, and in which version.
    pub seeds: Vec<(String, u32)>,
}

/// A rule and the version of the shipped text it came from (0 for rules of the operator's own).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRule {
    pub rule: SystemRule,
    pub seed_version: u32,
}

/// One step of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    PutUser(User),
    DeleteUser(UserId),
    PutCredential {
        user: UserId,
        hash: String,
        changed: Moment,
    },
    PutStream(Stream),
    DeleteStream(StreamId),
    PutApp(App),
    /// Takes the app's objects, script and data pointer along.
    DeleteApp(AppId),
    PutObject(AppObject),
    PutProperties(ObjectProperties),
    DeleteObject(ObjectId),
    PutScript {
        app: AppId,
        text: String,
    },
    PutData {
        app: AppId,
        generation: u32,
    },
    PutRule(StoredRule),
    DeleteRule(RuleId),
    PutVirtualProxy(Box<VirtualProxy>),
    DeleteVirtualProxy(VirtualProxyId),
    PutUserDirectory(Box<UserDirectory>),
    DeleteUserDirectory(UserDirectoryId),
    PutProxyService(Box<ProxyService>),
    /// Remembers that shipped content was laid down, also once somebody has deleted it.
    PutSeed {
        seed: String,
        version: u32,
    },
    PutPool(LicencePool),
    DeletePool(PoolId),
}

/// What the engine protocol keeps in an object; opaque here.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectProperties {
    pub object: ObjectId,
    pub properties: serde_json::Value,
    /// Engine id of the object that contains it.
    pub parent: Option<String>,
}

/// One charge. Rows are appended, never changed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Two rows with one key are one charge.
    pub key: String,
    pub pool: PoolId,
    pub kind: PoolKind,
    /// Whose clock it runs on: a visitor, a person, or one session of a person.
    pub meter: String,
    /// `DIRECTORY\id`, for the operator's reading.
    pub principal: String,
    pub app: AppId,
    pub session: Option<SessionId>,
    pub entrance: String,
    pub address: String,
    pub from: Moment,
    /// None for a seat, which is held until it is taken away.
    pub until: Option<Moment>,
    pub units: u64,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// `decide` returned no row.
    Nothing,
    Appended,
    /// The key was there already.
    Repeated,
}

/// A session as the store keeps it: nothing of it is readable here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Hash of the secret that the cookie carries.
    pub hash: String,
    pub json: String,
    pub expires: Moment,
}

/// What became of sessions, for another server that shares the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionChanges {
    pub written: Vec<SessionRow>,
    /// Hashes.
    pub ended: Vec<String>,
    /// Number of the last change that is told of.
    pub last: i64,
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Somebody else committed first; load again and repeat.
    #[error("the store has moved on to version {found}, version {expected} was expected")]
    Stale { expected: u64, found: u64 },
    #[error("the store was made by a newer release (schema {found}, this release knows {known})")]
    Newer { found: u32, known: u32 },
    #[error("there is no store at {0}")]
    Missing(String),
    #[error("the store at {0} is older than this release; start the server once to bring it up")]
    Older(String),
    /// A value that must be unique or must exist is not.
    #[error("the change breaks the store's rules: {0}")]
    Constraint(String),
    #[error("the disk is full")]
    Full,
    /// After a failed write nobody knows what is on the disk: no further write until a restart.
    #[error("the store failed to write and takes no further changes until the server restarts")]
    Broken,
    #[error("the store is read only here")]
    ReadOnly,
    #[error("a stored {kind} cannot be read: {reason}")]
    Corrupt { kind: &'static str, reason: String },
    #[error("the store failed: {0}")]
    Failed(String),
}
