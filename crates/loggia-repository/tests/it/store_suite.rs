//! What every store must do. Each back end runs the same suite.

use std::path::Path;

use loggia_licence::{HolderKey, Line, LineKind, MeterKey};
use loggia_model::entity::{
    App, AppObject, DirectoryKind, GroupSettings, Hidden, LicencePool, PoolKind, ProxyService,
    RuleCategory, RuleOrigin, Stamp, Stream, SyncSchedule, SystemRule, User, UserDirectory,
};
use loggia_model::{
    AppId, Moment, ObjectId, PoolId, RuleId, StreamId, UserDirectoryId, UserId, UserKey,
    VirtualProxyId, VisitorId,
};
use loggia_repository::seed::LOCAL_PROXY;
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::store::{
    Change, Charged, ObjectProperties, SessionRow, Store, StoreError, StoredRule,
};
use loggia_repository::{CENTRAL_NODE, Site};
use proptest::prelude::*;
use uuid::Uuid;

fn suite<S: Store>(open: impl Fn(&Path) -> S) {
    let folder = tempfile::tempdir().unwrap();
    let fresh = |name: &str| open(&folder.path().join(name));
    commits_are_whole_and_versioned(&fresh("a"));
    what_must_be_unique_or_exist_is_checked(&fresh("b"));
    deleting_an_app_takes_its_parts_along(&fresh("c"));
    the_ledger_only_grows_and_a_key_counts_once(&fresh("d"));
    sessions_last_until_they_expire(&fresh("e"));
    reopening_finds_everything(&open, &folder.path().join("f"));
    two_visits_never_take_the_same_last_unit(&fresh("g"));
}

#[test]
fn sqlite_passes_the_suite() {
    suite(|path| SqliteStore::open(path).unwrap());
}

fn commits_are_whole_and_versioned(store: &impl Store) {
    let before = store.version().unwrap();
    let changes = [Change::PutUser(user(1)), Change::PutStream(stream(1, 1))];
    assert_eq!(store.commit(before, &changes).unwrap(), before + 1);
    let loaded = store.load().unwrap();
    assert_eq!(loaded.version, before + 1);
    assert_eq!(loaded.users, [user(1)]);
    assert_eq!(loaded.streams, [stream(1, 1)]);

    // Somebody who has not seen this commit changes nothing.
    let stale = store.commit(before, &[Change::PutUser(user(2))]);
    assert!(matches!(stale, Err(StoreError::Stale { .. })), "{stale:?}");
    // Neither does a list of changes of which the last one fails.
    let half = store.commit(before + 1, &[Change::PutUser(user(2)), Change::PutApp(app(1, 9))]);
    assert!(matches!(half, Err(StoreError::Constraint(_))), "{half:?}");
    assert_eq!(store.load().unwrap(), loaded);
}

fn what_must_be_unique_or_exist_is_checked(store: &impl Store) {
    store.commit(0, &[Change::PutUser(user(1)), Change::PutStream(stream(1, 1))]).unwrap();
    let same_key = User { id: UserId(Uuid::from_u128(2)), ..user(1) };
    for change in [
        Change::PutUser(same_key),
        Change::PutApp(app(1, 2)),
        Change::DeleteUser(user(1).id),
        Change::PutObject(object(1, 1, 1)),
    ] {
        let refused = store.commit(1, std::slice::from_ref(&change));
        assert!(matches!(refused, Err(StoreError::Constraint(_))), "{change:?}: {refused:?}");
    }
    assert_eq!(store.version().unwrap(), 1);
}

fn deleting_an_app_takes_its_parts_along(store: &impl Store) {
    let properties = ObjectProperties {
        object: object(1, 1, 1).id,
        properties: serde_json::json!({"qInfo": {"qId": "o1"}, "rank": 0.5}),
        parent: Some("root".to_owned()),
    };
    let script = Change::PutScript { app: app(1, 1).id, text: "LOAD;".to_owned() };
    store
        .commit(
            0,
            &[
                Change::PutUser(user(1)),
                Change::PutApp(app(1, 1)),
                Change::PutObject(object(1, 1, 1)),
                Change::PutProperties(properties.clone()),
                script,
                Change::PutData { app: app(1, 1).id, generation: 3 },
            ],
        )
        .unwrap();
    assert_eq!(store.app_properties(app(1, 1).id).unwrap(), std::slice::from_ref(&properties));
    assert_eq!(store.object_properties(properties.object).unwrap(), Some(properties.clone()));
    assert_eq!(store.script(app(1, 1).id).unwrap().as_deref(), Some("LOAD;"));
    // Changing the record again does not lose what hangs on it.
    store.commit(1, &[Change::PutApp(App { name: "new".into(), ..app(1, 1) })]).unwrap();
    assert_eq!(store.app_properties(app(1, 1).id).unwrap().len(), 1);

    store.commit(2, &[Change::DeleteApp(app(1, 1).id)]).unwrap();
    let loaded = store.load().unwrap();
    assert!(loaded.apps.is_empty() && loaded.objects.is_empty() && loaded.data.is_empty());
    assert_eq!(store.object_properties(properties.object).unwrap(), None);
    assert_eq!(store.script(app(1, 1).id).unwrap(), None);
}

fn the_ledger_only_grows_and_a_key_counts_once(store: &impl Store) {
    let first = row("k1", 0, Some(6), 6);
    assert_eq!(append(store, &first), Charged::Appended);
    assert_eq!(append(store, &first), Charged::Repeated);
    assert_eq!(append(store, &row("k2", 6, Some(12), 6)), Charged::Appended);
    assert_eq!(store.charge(Box::new(|_| Ok(Vec::new()))).unwrap(), Charged::Nothing);
    // A decision that fails leaves nothing behind.
    let failed = store.charge(Box::new(|_| Err(StoreError::Failed("no".to_owned()))));
    assert!(failed.is_err());
    let mut units = 0;
    store
        .read_ledger(&mut |ledger| {
            units = ledger.drawn_between(first.pool, Moment(0), Moment(i64::MAX))?.units;
            Ok(())
        })
        .unwrap();
    assert_eq!(units, 12);
}

fn sessions_last_until_they_expire(store: &impl Store) {
    let session = |hash: &str, expires| SessionRow {
        hash: hash.to_owned(),
        json: format!("{{\"of\":\"{hash}\"}}"),
        expires: Moment(expires),
    };
    store.save_sessions(&[session("a", 10), session("b", 20), session("c", 30)], &[]).unwrap();
    store.save_sessions(&[session("a", 40)], &["c".to_owned()]).unwrap();
    let mut kept = store.load_sessions(Moment(20)).unwrap();
    kept.sort_by(|one, two| one.hash.cmp(&two.hash));
    assert_eq!(kept, [session("a", 40)]);
    assert_eq!(store.version().unwrap(), 0, "sessions are no change of the site");
}

fn reopening_finds_everything<S: Store>(open: &impl Fn(&Path) -> S, path: &Path) {
    let first = open(path);
    let rule = StoredRule { rule: rule(1), seed_version: 2 };
    let changes = [
        Change::PutUser(user(1)),
        Change::PutRule(rule.clone()),
        Change::PutPool(pool(PoolKind::AnalyzerCapacity)),
        Change::PutSeed { seed: "site".to_owned(), version: 1 },
        Change::PutCredential { user: user(1).id, hash: "hash".to_owned(), changed: Moment(0) },
    ];
    first.commit(0, &changes).unwrap();
    let before = first.load().unwrap();
    drop(first);
    let second = open(path);
    assert_eq!(second.load().unwrap(), before);
    assert_eq!(before.rules, [rule]);
    assert_eq!(second.credential(user(1).id).unwrap().as_deref(), Some("hash"));
}

fn two_visits_never_take_the_same_last_unit(store: &impl Store) {
    // Each of eight threads wants ten units of a pool that has 24; the ledger decides.
    const CAPACITY: u64 = 24;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for visit in 0..10 {
                    let row = row(&format!("{thread}/{visit}"), 0, Some(6), 1);
                    store
                        .charge(Box::new(move |ledger| {
                            let used =
                                ledger.drawn_between(row.pool, Moment(0), Moment(i64::MAX))?;
                            Ok((used.units < CAPACITY).then(|| row.clone()).into_iter().collect())
                        }))
                        .unwrap();
                }
            });
        }
    });
    let mut used = 0;
    store
        .read_ledger(&mut |ledger| {
            let pool = row("", 0, None, 0).pool;
            used = ledger.drawn_between(pool, Moment(0), Moment(i64::MAX))?.units;
            Ok(())
        })
        .unwrap();
    assert_eq!(used, CAPACITY);
}

#[test]
fn a_second_process_looks_while_the_first_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loggia.db");
    let missing = SqliteStore::inspect(&path).err().unwrap();
    assert!(matches!(missing, StoreError::Missing(_)), "{missing:?}");
    assert!(!path.exists(), "looking makes nothing");

    let server = SqliteStore::open(&path).unwrap();
    let command = SqliteStore::inspect(&path).unwrap();
    server.commit(0, &[Change::PutUser(user(1))]).unwrap();
    assert_eq!(command.load().unwrap().users, [user(1)]);
    let refused = command.commit(1, &[Change::DeleteUser(user(1).id)]);
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    server.commit(1, &[Change::PutUser(user(2))]).unwrap();
    assert_eq!(command.version().unwrap(), 2);
}

#[test]
fn a_store_of_a_newer_release_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loggia.db");
    drop(SqliteStore::open(&path).unwrap());
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 999).unwrap();
    for outcome in [SqliteStore::open(&path), SqliteStore::inspect(&path)] {
        let refused = outcome.err().unwrap();
        assert!(matches!(refused, StoreError::Newer { found: 999, .. }), "{refused:?}");
    }
    // Not even by hand is a line of the ledger changed or removed.
    raw.execute(
        "INSERT INTO ledger (key, pool, kind, meter, principal, app, entrance, address, starts, \
         ends, units) VALUES ('k', 'p', 'x', 'm', '', '', '', '', 0, 0, 1)",
        [],
    )
    .unwrap();
    assert!(raw.execute("UPDATE ledger SET units = 0", []).is_err());
    assert!(raw.execute("DELETE FROM ledger", []).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Deriving a site from the one before and loading it from the store are the same.
    #[test]
    fn the_next_site_is_the_stored_one(steps in prop::collection::vec(any_changes(), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("db")).unwrap();
        let people: Vec<_> = (1..4).map(|n| Change::PutUser(user(n))).collect();
        store.commit(0, &people).unwrap();
        let mut site = Site::from_stored(store.load().unwrap()).unwrap();
        for changes in steps {
            // What the store refuses is never made into a site.
            if let Ok(version) = store.commit(site.version(), &changes) {
                site = site.after(version, &changes).unwrap();
            }
            let loaded = Site::from_stored(store.load().unwrap()).unwrap();
            prop_assert_eq!(print(&site), print(&loaded));
        }
    }
}

fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (0..16, 1_u128..4, 1_u128..4, 1_u128..4).prop_map(|(what, a, b, c)| match what {
        0 => Change::PutUser(User { name: format!("name {b}"), ..user(a) }),
        1 => Change::DeleteUser(user(a).id),
        2 => Change::PutStream(stream(a, b)),
        3 => Change::DeleteStream(stream(a, 1).id),
        4 => Change::PutApp(App { stream: (c > 1).then(|| stream(c, 1).id), ..app(a, b) }),
        5 => Change::DeleteApp(app(a, 1).id),
        6 | 7 => Change::PutObject(object(a, b, c)),
        8 => Change::DeleteObject(object(a, 1, 1).id),
        9 => Change::PutRule(StoredRule { rule: rule(a), seed_version: 0 }),
        10 => Change::DeleteRule(rule(a).id),
        13 => Change::PutUserDirectory(Box::new(directory(a, b))),
        14 => Change::DeleteUserDirectory(directory(a, 1).id),
        15 => Change::PutProxyService(Box::new(proxy(a))),
        11 => Change::PutData { app: app(a, 1).id, generation: u32::try_from(b).unwrap() },
        _ => Change::PutPool(pool(PoolKind::LoginAccess)),
    });
    prop::collection::vec(change, 1..4)
}

/// Everything a site answers, in a fixed order.
fn print(site: &Site) -> String {
    let mut lines = vec![format!("version {}", site.version())];
    lines.extend(site.users().map(|user| format!("{user:?}")));
    lines.extend((1..4).map(|n| format!("key {n} {:?}", site.user_by_key(&user(n).key))));
    lines.extend(site.streams().map(|stream| format!("{stream:?}")));
    lines.extend(site.rules().map(|rule| format!("{rule:?}")));
    lines.extend(site.user_directories().map(|directory| format!("{directory:?}")));
    lines.push(format!("{:?}", site.proxy_service()));
    lines.extend(site.pools().map(|pool| format!("{pool:?}")));
    for app in site.apps() {
        lines.push(format!("{app:?} data {:?}", site.data_generation(app.id)));
        lines.extend(site.objects_of(app.id).map(|object| format!("of app: {object:?}")));
        let by_name = (1..4).map(|n| site.object_in_app(app.id, &format!("o{n}")));
        lines.extend(by_name.map(|object| format!("{} {object:?}", app.id)));
    }
    lines.extend((1..4).map(|n| format!("object {n} {:?}", site.object(object(n, 1, 1).id))));
    let rules: Vec<_> = site.security().rules().iter().map(|rule| rule.id).collect();
    lines.push(format!("security {rules:?}"));
    lines.sort();
    lines.join("\n")
}

fn append(store: &impl Store, row: &Line) -> Charged {
    let row = row.clone();
    store.charge(Box::new(move |_| Ok(vec![row.clone()]))).unwrap()
}

fn row(key: &str, from: i64, until: Option<i64>, units: u64) -> Line {
    let pool = pool(PoolKind::AnalyzerCapacity);
    Line {
        meter: Some(MeterKey::of(HolderKey::Visitor(VisitorId(Uuid::from_u128(1))))),
        principal: "NONE\\anonymous1".to_owned(),
        app: Some(AppId(Uuid::from_u128(1))),
        entrance: "public".to_owned(),
        until: until.map(Moment),
        units,
        ..Line::new(key.to_owned(), LineKind::Taken, (pool.id, pool.kind), Moment(from))
    }
}

fn stamp() -> Stamp {
    Stamp { created: Moment(1), modified: Moment(2), modified_by: "A\\b".to_owned() }
}

fn user(number: u128) -> User {
    User {
        id: UserId(Uuid::from_u128(number)),
        key: UserKey::new("ACME", &format!("Ana{number}")).unwrap(),
        name: "Ana".to_owned(),
        roles: vec!["HubAdmin".to_owned()],
        attributes: vec![("group".to_owned(), "sales".to_owned())],
        custom_properties: Vec::new(),
        tags: vec!["é".to_owned()],
        is_inactive: false,
        is_blocked: true,
        external: None,
        stamp: stamp(),
    }
}

fn proxy(number: u128) -> ProxyService {
    ProxyService {
        id: LOCAL_PROXY,
        node: CENTRAL_NODE,
        virtual_proxies: vec![VirtualProxyId(Uuid::from_u128(number))],
        keep_alive_seconds: 300,
        max_header_bytes: 16_384,
        max_header_lines: 100,
        login_template: String::new(),
        logged_out_template: String::new(),
        error_template: String::new(),
        custom_properties: Vec::new(),
        tags: Vec::new(),
        stamp: stamp(),
    }
}

fn directory(number: u128, secret: u128) -> UserDirectory {
    UserDirectory {
        id: UserDirectoryId(Uuid::from_u128(number)),
        name: format!("CORP{number}"),
        kind: DirectoryKind::Generic,
        urls: vec!["ldaps://ldap.example".to_owned()],
        start_tls: false,
        allow_plain: false,
        authority: String::new(),
        bind_dn: "cn=reader".to_owned(),
        bind_password: Hidden::new(secret.to_string()),
        base_dn: "dc=example".to_owned(),
        user_filter: "(uid=*)".to_owned(),
        user_id: "uid".to_owned(),
        user_name: "cn".to_owned(),
        email: "mail".to_owned(),
        external_id: "entryUUID".to_owned(),
        attributes: vec!["title".to_owned()],
        groups: GroupSettings {
            base_dn: String::new(),
            filter: "(cn=*)".to_owned(),
            member: "member".to_owned(),
            name: "cn".to_owned(),
            depth: 3,
        },
        page_size: 500,
        timeout_seconds: 5,
        schedule: SyncSchedule::DailyAt(3),
        only_existing: true,
        signs_in: true,
        is_default: false,
        last_sync: None,
        tags: Vec::new(),
        stamp: stamp(),
    }
}

fn stream(number: u128, owner: u128) -> Stream {
    Stream {
        id: StreamId(Uuid::from_u128(number)),
        name: format!("stream {number}"),
        owner: UserId(Uuid::from_u128(owner)),
        custom_properties: Vec::new(),
        tags: Vec::new(),
        stamp: stamp(),
    }
}

fn app(number: u128, owner: u128) -> App {
    App {
        id: AppId(Uuid::from_u128(number)),
        name: format!("app {number}"),
        description: String::new(),
        owner: UserId(Uuid::from_u128(owner)),
        stream: None,
        publish_time: None,
        last_reload: Some(Moment(5)),
        file_size: 12,
        thumbnail: String::new(),
        custom_properties: Vec::new(),
        tags: Vec::new(),
        stamp: stamp(),
    }
}

fn object(number: u128, app_number: u128, name: u128) -> AppObject {
    AppObject {
        id: ObjectId(Uuid::from_u128(number)),
        // An object never changes its app.
        app: AppId(Uuid::from_u128(if number == 3 { 2 } else { app_number.min(1) })),
        engine_id: format!("o{name}"),
        object_type: "sheet".to_owned(),
        name: String::new(),
        description: String::new(),
        owner: UserId(Uuid::from_u128(1)),
        is_published: false,
        is_approved: false,
        stamp: stamp(),
    }
}

fn rule(number: u128) -> SystemRule {
    SystemRule {
        id: RuleId(Uuid::from_u128(number)),
        category: RuleCategory::Security,
        origin: RuleOrigin::Custom,
        name: format!("rule {number}"),
        comment: String::new(),
        condition: "user.IsAnonymous()".to_owned(),
        resource_filter: "Stream_*".to_owned(),
        actions: 2,
        context: 1,
        is_forbidding: false,
        is_disabled: number == 3,
        seed: None,
        tags: Vec::new(),
        stamp: stamp(),
    }
}

fn pool(kind: PoolKind) -> LicencePool {
    let id = PoolId(Uuid::from_u128(77));
    LicencePool { capacity: Some(100), ..LicencePool::unlimited(id, "pool", kind, stamp()) }
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("site.db")).unwrap();
    store.version().unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["site.db", "site.db-shm", "site.db-wal"]);
}
