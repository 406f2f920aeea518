//! Use cases on entities, the site snapshot, and the store behind it.
//!
//! REST, QIX, pages and the command line all come here, and all get the same answer: a use case
//! takes the [`Caller`] first, passes the account, licence and rules gates in their order, commits
//! to the [`store`], and swaps in the next [`Site`]. Nothing here knows a status code or a wire
//! format.
//!
//! Read [`Repository`] first, then [`Site`] and [`store::Store`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use loggia_model::{Caller, Environment, Moment, VisitorId};
//! use loggia_repository::store::sqlite::SqliteStore;
//! use loggia_repository::{Repository, Settings, StreamEdit};
//!
//! let folder = tempfile::tempdir()?;
//! let store = SqliteStore::open(&folder.path().join("loggia.db"))?;
//! let settings = Settings::new(folder.path().join("data"));
//! let repository = Repository::open(Arc::new(store), Arc::new(|| Moment(0)), settings)?;
//!
//! // A visitor sees what the shipped rules open to everyone, and makes nothing.
//! let visitor = Caller::visitor(VisitorId(uuid::Uuid::nil()), Environment::default());
//! let hub = repository.hub(&visitor).unwrap();
//! assert_eq!(hub.iter().map(|s| s.stream.name.as_str()).collect::<Vec<_>>(), ["Everyone"]);
//! let stream = StreamEdit { name: Some("Graffiti".to_owned()), ..StreamEdit::default() };
//! assert!(repository.create_stream(&visitor, None, stream).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Deliberately absent: sessions and sign-in (their rows are opaque here), wire formats, the
//! content of objects and data files.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test that cannot go on should stop"
    )
)]

mod audiences;
mod audit;
pub mod check;
mod clock;
mod data;
mod directory_sync;
mod explain;
pub mod exposure;
mod facts;
mod guard;
pub mod hub;
pub mod impact;
mod licence;
pub mod manage;
mod nodes;
mod recent;
mod record;
mod refusal;
mod resolve;
pub mod seed;
pub mod share;
mod site;
pub mod store;
mod trail;
mod visit;
mod visitors;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use thiserror::Error;

use loggia_model::entity::VirtualProxy;
use loggia_model::{Caller, Moment};

use crate::guard::Guard;
use crate::store::Store;

pub use audiences::ListCache;
pub use audit::{
    Application, Audit, AuditRequest, AuditRule, AuditSubject, Auditor, Cell, Contexts, Failing,
    MOST_CELLS, MOST_ROWS, Matrix, Overruled, RuleState,
};
pub use check::{AnonymousReport, AppReport, GateOutcome, GateReport};
pub use clock::Clock;
pub use data::DataError;
pub use directory_sync::{DirectoryConnector, DirectoryError, SyncOptions};
pub use explain::{
    Asked, Explanation, Further, Question, Reason, Requester, RuleName, Unreadable, Verdict,
};
pub use exposure::{Exposure, ExposureDifference, RecordedExposure};
pub use facts::directory_type;
pub use guard::finding;
pub use hub::{AppDetails, HubApp, HubStream, Sheet};
pub use impact::{Excerpt, Impact, ProposedChange};
pub use licence::{Alert, Allocation, AllocationStatus, PoolDay};
pub use loggia_audit;
pub use loggia_licence::{
    Counters, LoginTokens, Outcome as SimulationOutcome, PoolOutcome, TokenCounters, UserTokens,
    UtcOffset,
};
pub use loggia_rules::{
    Action, Actions, Decision, Entity, Outcome, Outline, OutlineTest, ResourceKind, Severity,
    parse_condition,
};
pub use manage::{
    Allocations, AppEdit, Conflict, Declaration, DeclarationError, DeclaredPool, DeclaredRule,
    GivenSeat, HeaderEdit, ImportStep, Imported, JwtEdit, KIND_NAMES, Limit, LoadBalancingEdit,
    ManageError, ObjectEdit, OidcEdit, PoolEdit, PoolUse, PoolVisitors, ProxyServiceEdit, RuleEdit,
    SamlEdit, Saved, ShippedReset, Simulation, StepOutcome, StoredObject, StreamEdit, TicketEdit,
    UserDirectoryEdit, UserEdit, Violation, VirtualProxyEdit, VisitorRatesEdit,
};
pub use record::{Resource, pool_kind};
pub use refusal::{Code, Gate, Refusal, Words};
pub use resolve::{ANONYMOUS_NAME, ANONYMOUS_VISITOR, environment_pairs};
pub use site::{CENTRAL_NODE, RuleProblem, RuleProblems, Site, SiteError, compile_rule};
pub use store::{SessionRow, StoreError, TrailFilter, TrailOrder};
pub use trail::{AuditBlocked, Retention, Retired, TrailPage, TrailReport, TrailState};
pub use visit::{Access, OpenAppError, OpenedApp, VisitInfo};
pub use visitors::{OpenRow, VisitRow, VisitorDay, Visits, Who, by_day};

/// What the repository needs to be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the data files; made when it is missing.
    pub data_folder: PathBuf,
    /// The zone whose midnight begins a month of analyzer capacity.
    pub offset: UtcOffset,
    /// What the node calls itself: load-balancing rules read it as `node.hostName`.
    pub host_name: String,
    /// Most bytes of lists that are kept for requesters whom the rules cannot tell apart.
    pub list_cache_bytes: usize,
    /// Whether the audit trail keeps addresses at all.
    pub keeps_addresses: bool,
}

impl Settings {
    /// The defaults, with the data in this folder.
    #[must_use]
    pub fn new(data_folder: impl Into<PathBuf>) -> Settings {
        Settings {
            data_folder: data_folder.into(),
            offset: UtcOffset::UTC,
            host_name: "localhost".to_owned(),
            list_cache_bytes: 64 << 20,
            keeps_addresses: true,
        }
    }
}

/// The repository: cheap to clone, shared by everything that serves.
#[derive(Clone)]
pub struct Repository {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    trail: Arc<trail::Trail>,
    site: ArcSwap<Site>,
    /// Held from reading the site that a change builds on until the next one is swapped in.
    writing: Mutex<()>,
    listeners: Mutex<Vec<Listener>>,
    coverage: licence::Coverage,
    lists: audiences::Lists,
    recent_hubs: recent::RecentHubs,
    directories: directory_sync::Directories,
    examiner: OnceLock<Box<Examiner>>,
}

/// Looks closer at an entrance that is about to be saved.
pub type Examiner = dyn Fn(&VirtualProxy) -> Vec<Violation> + Send + Sync;

type Listener = Box<dyn Fn(&Arc<Site>) + Send + Sync>;

/// Why the repository could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("cannot read the store")]
    Store(#[from] StoreError),
    #[error("cannot serve what is stored")]
    Site(#[from] SiteError),
}

impl Repository {
    /// Opens the repository for serving: lays down shipped content that is missing, and raises
    /// shipped rules to this release. The one process that serves the folder also calls
    /// [`Repository::sweep_data`].
    pub fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Repository, OpenError> {
        seed::lay_down(store.as_ref(), clock.now(), &settings.host_name)?;
        Repository::inspect(store, clock, settings)
    }

    /// Opens the repository for looking only, beside a running server.
    pub fn inspect(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Result<Repository, OpenError> {
        let site = Site::from_stored(store.load()?)?.on_host(&settings.host_name);
        Ok(Repository::on(store, clock, settings, Arc::new(site.served())))
    }

    /// A repository that begins with this snapshot, with nothing remembered yet.
    pub(crate) fn on(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        site: Arc<Site>,
    ) -> Repository {
        let node = &settings.host_name;
        let keeps_addresses = settings.keeps_addresses;
        let trail = trail::Trail::new(store.clone(), clock.clone(), node, keeps_addresses);
        let trail = Arc::new(trail);
        let site = Arc::new(Site::clone(&site).told_to(&trail));
        Repository {
            inner: Arc::new(Inner {
                trail,
                lists: audiences::Lists::new(settings.list_cache_bytes),
                recent_hubs: recent::RecentHubs::new(),
                store,
                clock,
                settings,
                site: ArcSwap::new(site),
                writing: Mutex::new(()),
                listeners: Mutex::new(Vec::new()),
                coverage: licence::Coverage::default(),
                directories: directory_sync::Directories::default(),
                examiner: OnceLock::new(),
            }),
        }
    }

    /// The present snapshot. Decide everything that belongs together on one of them.
    #[must_use]
    pub fn site(&self) -> Arc<Site> {
        self.inner.site.load_full()
    }

    /// Calls `listener` after each swap with the new snapshot, in the order of versions. It must
    /// return soon and must not change the site.
    pub fn subscribe(&self, listener: impl Fn(&Arc<Site>) + Send + Sync + 'static) {
        self.inner.listeners.lock().push(Box::new(listener));
    }

    /// Takes over what another process committed to the same store. Cheap when nobody did.
    pub fn refresh(&self) -> Result<(), ManageError> {
        if self.inner.store.version()? == self.site().version() {
            return Ok(());
        }
        let _writing = self.inner.writing.lock();
        self.load_again()
    }

    /// Lets `examine` look at every entrance before it is saved: what it finds refuses the change,
    /// warnings excepted. Whoever signs people in knows what keys and metadata they can use. The
    /// first examiner stays.
    pub fn examine_entrances_with(
        &self,
        examine: impl Fn(&VirtualProxy) -> Vec<Violation> + Send + Sync + 'static,
    ) {
        // A second one could only be a second server on one repository, which has the same keys.
        let _ = self.inner.examiner.set(Box::new(examine));
    }

    /// May the caller do `action` to the thing, and why. Not logged: use cases log what they
    /// refuse.
    #[must_use]
    pub fn decide(&self, caller: &Caller, resource: &Resource, action: Action) -> Decision {
        let site = self.site();
        let guard = Guard::new(&site, caller, self.now());
        match resource.record(&site) {
            Some(record) if guard.account().is_ok() => guard.decide(record, action),
            _ => Decision {
                outcome: Outcome::NoGrant,
                granted_by: Vec::new(),
                forbidden_by: Vec::new(),
                nearest: Vec::new(),
            },
        }
    }

    /// Writes session rows, behind the requests.
    pub fn save_sessions(&self, put: &[SessionRow], remove: &[String]) -> Result<(), StoreError> {
        self.inner.store.save_sessions(put, remove)
    }

    /// One session that was written before.
    pub fn load_session(&self, hash: &str) -> Result<Option<SessionRow>, StoreError> {
        self.inner.store.load_session(hash, self.now())
    }

    /// What another server that shares the store made of sessions since.
    pub fn session_changes(&self, since: i64) -> Result<store::SessionChanges, StoreError> {
        self.inner.store.session_changes(since)
    }

    /// The sessions that a restart keeps.
    pub fn load_sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        self.inner.store.load_sessions(self.now())
    }

    /// The present moment by the repository's clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.inner.clock.now()
    }

    /// Replaces the snapshot by what is stored. The writing lock must be held.
    fn load_again(&self) -> Result<(), ManageError> {
        let site = Site::from_stored(self.inner.store.load()?)?;
        let site = site.on_host(&self.inner.settings.host_name);
        self.swap(site.told_to(&self.inner.trail));
        Ok(())
    }

    /// Publishes the next snapshot. The writing lock must be held, so that listeners see versions
    /// in order.
    fn swap(&self, site: Site) {
        let site = Arc::new(site.served());
        self.inner.site.store(site.clone());
        self.inner.lists.sweep(&site);
        self.inner.recent_hubs.sweep(&site);
        for listener in self.inner.listeners.lock().iter() {
            listener(&site);
        }
    }
}
