//! Where is everything kept? The [`Store`] trait: load the whole site, commit changes in one
//! transaction, append to the ledger, keep sessions. SQL lives only below this module.
//!
//! A store knows no rule and no caller. It answers `Ok` only for what is on the disk.

pub mod sqlite;

use std::net::IpAddr;

use loggia_licence::{MeterKey, SeatRecord};
use loggia_model::entity::{
    App, AppObject, LicencePool, PoolKind, ProxyService, Stream, SystemRule, User, UserDirectory,
    VirtualProxy,
};
use loggia_model::{
    AppId, Moment, ObjectId, PoolId, RuleId, StreamId, UserDirectoryId, UserId, VirtualProxyId,
};
use std::ops::ControlFlow;

use loggia_audit::{Entry, Head, Kind, Row};
use thiserror::Error;

pub use loggia_licence::{Line, LineKind};

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

    /// Lets `decide` look at the ledger and append the lines it returns, all in one transaction:
    /// two visits can never take the same last unit. A line whose key is already there changes
    /// nothing, so that a repeated charge counts once.
    ///
    /// Charges that wait for each other are made safe from a crash together; each is decided in
    /// its turn, on what the ones before it left. `decide` may be called again when that fails.
    fn charge(&self, decide: Decide) -> Result<Charged, StoreError>;

    /// Lets `look` read the ledger without charging.
    fn read_ledger(
        &self,
        look: &mut dyn FnMut(&dyn Ledger) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Moves lines that begin before this moment into compact blocks, a bounded number of them at a
    /// time; answers how many were moved. What the ledger answers stays the same, and
    /// [`Store::lines`] still finds them.
    fn compact_ledger(&self, before: Moment) -> Result<u64, StoreError>;

    /// Lines with a number above `after` in the order of their numbers, compacted or not, at most
    /// so many.
    fn lines(&self, after: u64, most: usize) -> Result<Vec<(u64, Line)>, StoreError>;

    /// Writes session rows and removes others; used in batches, behind the requests.
    fn save_sessions(&self, put: &[SessionRow], remove: &[String]) -> Result<(), StoreError>;

    /// Sessions that have not expired at `now`; expired ones are removed.
    fn load_sessions(&self, now: Moment) -> Result<Vec<SessionRow>, StoreError>;

    /// One session that has not expired.
    fn load_session(&self, hash: &str, now: Moment) -> Result<Option<SessionRow>, StoreError>;

    /// Appends to the audit trail, all or nothing, whichever process wrote the row before.
    fn append_trail(&self, entries: &[Entry]) -> Result<(), StoreError>;

    /// Shows the rows that `filter` picks, in one state of the store, with both ends of the trail,
    /// which it returns, until `look` has seen enough.
    fn walk_trail(
        &self,
        filter: &TrailFilter,
        look: &mut dyn FnMut(&Head, Row) -> ControlFlow<()>,
    ) -> Result<Head, StoreError>;

    /// Takes the rows up to `through` from the oldest end, or forgets the addresses in them, and
    /// appends `entry`, which says so.
    fn retire_trail(&self, what: Retire, through: u64, entry: &Entry) -> Result<(), StoreError>;

    /// How far the trail was sent to a place outside; none before the first time.
    fn trail_sent(&self, place: &str) -> Result<Option<u64>, StoreError>;

    fn note_trail_sent(&self, place: &str, number: u64) -> Result<(), StoreError>;

    /// What was written since the change of that number, a bounded part of it at a time.
    fn session_changes(&self, since: i64) -> Result<SessionChanges, StoreError>;
}

/// Looks at the ledger and says what to append.
pub type Decide = Box<dyn FnMut(&dyn Ledger) -> Result<Vec<Line>, StoreError> + Send>;

/// The ledger as licence arithmetic needs it (`loggia_licence::PoolView`), so that it is never
/// read line by line.
pub trait Ledger {
    /// The newest line of the meter in the pool, and the latest end of what it drew, of those that
    /// end at `latest_end` or before. Only the last few of the meter's lines are looked at: ends
    /// later than that come from a clock that was set back.
    fn meter(
        &self,
        pool: PoolId,
        meter: MeterKey,
        latest_end: Moment,
    ) -> Result<MeterLines, StoreError>;

    /// How a person stands to the seats of a pool.
    fn seat(&self, pool: PoolId, meter: MeterKey) -> Result<Option<SeatRecord>, StoreError>;

    /// All seats of the pool that were ever given, by meter.
    fn seats(&self, pool: PoolId) -> Result<Vec<(MeterKey, SeatRecord)>, StoreError>;

    /// How many seats of the pool are out at `now`.
    fn seats_out(&self, pool: PoolId, now: Moment) -> Result<SeatsOut, StoreError>;

    /// How many seats are out of all pools of a kind, those that were deleted included.
    fn seats_out_of_kind(&self, kind: PoolKind, now: Moment) -> Result<SeatsOut, StoreError>;

    /// What was drawn at or after `from` and before `to`.
    fn drawn_between(&self, pool: PoolId, from: Moment, to: Moment) -> Result<Sum, StoreError>;

    /// The earliest draw at or after `from`: whose pass comes back first.
    fn first_since(&self, pool: PoolId, from: Moment) -> Result<Option<Moment>, StoreError>;

    /// Pools of a kind that were drawn from at or after `from`, those that were deleted included.
    fn drawn_pools(&self, kind: PoolKind, from: Moment) -> Result<Vec<PoolId>, StoreError>;

    /// How often visitors of the address drew on the pool after `from`, and when for the first
    /// time since. Remembers some hours.
    fn drawn_from_address(
        &self,
        pool: PoolId,
        address: IpAddr,
        from: Moment,
    ) -> Result<(u64, Option<Moment>), StoreError>;

    /// Number of the newest line that is about a seat of the pool; 0 for none.
    fn last_seat_line(&self, pool: PoolId) -> Result<u64, StoreError>;

    /// The newest alerts about a pool, the last one first.
    fn alerts(&self, pool: PoolId, most: usize) -> Result<Vec<Line>, StoreError>;
}

/// What the ledger knows of one meter in one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MeterLines {
    /// Number of the newest line; 0 for none.
    pub last_line: u64,
    pub last_until: Option<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SeatsOut {
    pub held: u64,
    pub quarantined: u64,
}

/// What was drawn within some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sum {
    /// Minutes, passes or seats.
    pub units: u64,
    pub units_of_visitors: u64,
    /// How often something was drawn, or a seat was used.
    pub uses: u64,
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
    /// How many tokens the site has; none where it does not count them.
    pub tokens: Option<u64>,
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
    /// How many tokens the site has; none is not counting them.
    PutTokens(Option<u64>),
    /// Fails the commit as stale unless this is still the newest line about a seat of the pool: what
    /// follows was decided on what the seats were then.
    ExpectSeatLine {
        pool: PoolId,
        last_line: u64,
    },
    /// A line of the ledger about something that was done by hand.
    AppendLine(Box<Line>),
    /// Tells the audit trail, in the same transaction as what it is about.
    Record(Box<Entry>),
}

/// Which rows of the audit trail; what is not mentioned is not asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailFilter {
    /// At or after, and before.
    pub from: Option<Moment>,
    pub to: Option<Moment>,
    /// Any of these; an empty list is every kind.
    pub kinds: Vec<Kind>,
    /// `DIRECTORY\\id`, whatever its case.
    pub principal: Option<String>,
    pub is_anonymous: Option<bool>,
    pub session: Option<String>,
    pub entrance: Option<String>,
    pub app: Option<String>,
    pub correlation: Option<String>,
    /// Numbers beyond this one, and below this one.
    pub after: Option<u64>,
    pub before: Option<u64>,
    pub order: TrailOrder,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailOrder {
    #[default]
    OldestFirst,
    NewestFirst,
}

/// What becomes of old rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retire {
    /// They go.
    Rows,
    /// They stay; addresses and what belongs to them go.
    Addresses,
}

/// What the engine protocol keeps in an object; opaque here.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectProperties {
    pub object: ObjectId,
    pub properties: serde_json::Value,
    /// Engine id of the object that contains it.
    pub parent: Option<String>,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// `decide` returned no line.
    Nothing,
    /// The first line was appended.
    Appended,
    /// The key of the first line was there already.
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
#[derive(Clone, Debug, Error)]
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
    /// What happens must not go on unrecorded, and it cannot be recorded.
    #[error("the audit trail cannot be written, and so this was not done: {0}")]
    AuditBlocked(String),
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
