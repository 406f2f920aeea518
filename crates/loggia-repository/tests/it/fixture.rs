//! A hub in a temporary folder, with a clock that the test sets and people who can act.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loggia_model::entity::{AnonymousMode, PoolKind, RuleCategory};
use loggia_model::{
    AppId, Caller, Environment, InternalAccount, Moment, PoolId, Prefix, RuleId, SessionId,
    StreamId, UserKey, VirtualProxyId, VisitorId,
};
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{
    AppEdit, ObjectEdit, PoolEdit, Repository, RuleEdit, Settings, StreamEdit, UserEdit,
    VirtualProxyEdit,
};
use tempfile::TempDir;
use uuid::Uuid;

/// 2026-11-24T08:00:00Z.
pub(crate) const START: Moment = Moment(1_795_507_200_000);

pub(crate) struct Hub {
    pub(crate) repository: Repository,
    pub(crate) folder: TempDir,
    clock: Arc<AtomicI64>,
}

impl Hub {
    /// A new site as it ships.
    pub(crate) fn new() -> Hub {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START.0));
        let repository = open(&folder, &clock);
        Hub { repository, folder, clock }
    }

    /// A new site with settings of its own.
    pub(crate) fn with_settings(set: impl FnOnce(&mut Settings)) -> Hub {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START.0));
        let mut settings = Settings::new(folder.path().join("data"));
        set(&mut settings);
        let repository = open_with(&folder, &clock, settings);
        Hub { repository, folder, clock }
    }

    /// A new site with a public entrance, a visitors' pool and a public stream with one app.
    pub(crate) fn public() -> (Hub, AppId) {
        let hub = Hub::new();
        hub.entrance("public", AnonymousMode::Allowed);
        hub.visitors_pool(None);
        let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
        (hub, app)
    }

    /// The same data folder opened by a new server.
    pub(crate) fn restarted(self) -> Hub {
        let Hub { repository, folder, clock } = self;
        drop(repository);
        let repository = open(&folder, &clock);
        Hub { repository, folder, clock }
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.folder.path().join("loggia.db")
    }

    pub(crate) fn pass(&self, minutes: i64) {
        self.clock.fetch_add(minutes * 60_000, Ordering::SeqCst);
    }

    pub(crate) fn server(&self) -> Caller {
        Caller::internal(InternalAccount::Repository)
    }

    /// A visitor in the hub of an entrance.
    pub(crate) fn visitor_at(&self, prefix: &str) -> Caller {
        let mut caller = Caller::visitor(VisitorId(Uuid::new_v4()), environment(prefix));
        caller.session = Some(SessionId(Uuid::new_v4()));
        caller
    }

    pub(crate) fn visitor(&self) -> Caller {
        self.visitor_at("public")
    }

    /// A person in the hub, made when they first appear.
    pub(crate) fn user(&self, name: &str) -> Caller {
        let key = UserKey::new("LOGGIA", name).unwrap();
        let user = self.repository.ensure_user(&key, name, &[]).unwrap();
        let mut caller = Caller::user(user.id, key, environment(""));
        caller.session = Some(SessionId(Uuid::new_v4()));
        caller
    }

    /// A person with a role, in the console.
    pub(crate) fn admin(&self, name: &str, role: &str) -> Caller {
        let key = UserKey::new("LOGGIA", name).unwrap();
        let user = self.repository.ensure_user(&key, name, &[]).unwrap();
        let edit = UserEdit { roles: Some(vec![role.to_owned()]), ..UserEdit::default() };
        self.repository.update_user(&self.server(), user.id, None, edit).unwrap();
        Caller::user(user.id, key, environment("")).in_console()
    }

    pub(crate) fn root(&self) -> Caller {
        self.admin("root", "RootAdmin")
    }

    pub(crate) fn entrance(&self, prefix: &str, anonymous: AnonymousMode) -> VirtualProxyId {
        let edit = VirtualProxyEdit {
            prefix: Some(prefix.parse::<Prefix>().unwrap()),
            description: Some(format!("The {prefix} entrance")),
            anonymous: Some(anonymous),
            session_cookie: Some(format!("X-Qlik-Session-{prefix}")),
            ..VirtualProxyEdit::default()
        };
        self.repository.create_virtual_proxy(&self.server(), None, edit).unwrap().value.id
    }

    /// A pool of analyzer capacity that admits visitors, and its rule.
    pub(crate) fn visitors_pool(&self, capacity: Option<u64>) -> (PoolId, RuleId) {
        self.pool(PoolKind::AnalyzerCapacity, "Visitors", capacity, "user.IsAnonymous()")
    }

    pub(crate) fn pool(
        &self,
        kind: PoolKind,
        name: &str,
        capacity: Option<u64>,
        condition: &str,
    ) -> (PoolId, RuleId) {
        let edit = PoolEdit {
            name: Some(name.to_owned()),
            kind: Some(kind),
            capacity: Some(capacity),
            ..PoolEdit::default()
        };
        let pool = self.repository.create_pool(&self.server(), None, edit).unwrap().value.id;
        let filter = format!("{}_{pool}", loggia_repository::pool_kind(kind));
        let edit = RuleEdit {
            category: Some(RuleCategory::License),
            context: Some(1),
            ..rule(&format!("{name} admits"), &filter, 1, condition)
        };
        let rule = self.repository.create_rule(&self.server(), None, edit).unwrap().value.id;
        (pool, rule)
    }

    pub(crate) fn stream(&self, name: &str) -> StreamId {
        let edit = StreamEdit { name: Some(name.to_owned()), ..StreamEdit::default() };
        self.repository.create_stream(&self.server(), None, edit).unwrap().id
    }

    pub(crate) fn app(&self, owner: &Caller, name: &str) -> AppId {
        let edit = AppEdit { name: Some(name.to_owned()), ..AppEdit::default() };
        self.repository.create_app(owner, None, edit).unwrap().id
    }

    /// An app with a sheet and data in a stream.
    pub(crate) fn published_app(&self, name: &str, stream: StreamId) -> AppId {
        let server = self.server();
        let app = self.app(&server, name);
        self.sheet(&server, app, "Overview");
        self.repository.set_app_script(&server, app, "LOAD 1 AS x AUTOGENERATE 1;").unwrap();
        self.repository.store_data(&server, app, |out| out.write_all(b"data")).unwrap();
        self.repository.publish_app(&server, app, stream, None).unwrap();
        app
    }

    pub(crate) fn sheet(&self, owner: &Caller, app: AppId, name: &str) -> loggia_model::ObjectId {
        let edit = ObjectEdit {
            object_type: Some("sheet".to_owned()),
            name: Some(name.to_owned()),
            properties: Some(serde_json::json!({ "rank": 1, "qMetaDef": { "title": name } })),
            ..ObjectEdit::default()
        };
        self.repository.create_object(owner, app, edit).unwrap().record.id
    }

    pub(crate) fn rule(&self, name: &str, filter: &str, actions: u32, condition: &str) -> RuleId {
        let edit = rule(name, filter, actions, condition);
        self.repository.create_rule(&self.server(), None, edit).unwrap().value.id
    }
}

pub(crate) fn rule(name: &str, filter: &str, actions: u32, condition: &str) -> RuleEdit {
    RuleEdit {
        name: Some(name.to_owned()),
        resource_filter: Some(filter.to_owned()),
        actions: Some(actions),
        condition: Some(condition.to_owned()),
        ..RuleEdit::default()
    }
}

pub(crate) fn environment(prefix: &str) -> Environment {
    Environment { virtual_proxy: prefix.parse().unwrap(), ..Environment::default() }
}

fn open(folder: &TempDir, clock: &Arc<AtomicI64>) -> Repository {
    open_with(folder, clock, Settings::new(folder.path().join("data")))
}

fn open_with(folder: &TempDir, clock: &Arc<AtomicI64>, settings: Settings) -> Repository {
    let store = SqliteStore::open(&folder.path().join("loggia.db")).unwrap();
    let clock = clock.clone();
    let now = move || Moment(clock.load(Ordering::SeqCst));
    Repository::open(Arc::new(store), Arc::new(now), settings).unwrap()
}
