//! The ledger: whatever happens, what it answers follows from its lines, nothing is lost and
//! nothing counts twice.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use loggia_licence::{
    Admission, HolderKey, Line, LineKind, MeterKey, PoolView, PoolsView, UtcOffset, Visit, acquire,
    is_named,
};
use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{
    AppId, Caller, Environment, Moment, PoolId, Principal, SessionId, UserId, VisitorId,
};
use loggia_repository::store::Store;
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{
    AllocationStatus, Code, PoolEdit, Repository, Settings, UserEdit, VisitInfo,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::fixture::{Hub, START};

const EVERYBODY: [(&str, PoolKind); 5] = [
    ("professional", PoolKind::Professional),
    ("user access", PoolKind::UserAccess),
    ("analyzer", PoolKind::Analyzer),
    ("passes", PoolKind::LoginAccess),
    ("minutes", PoolKind::AnalyzerCapacity),
];

/// Everything of the ledger, in its order.
fn lines(store: &SqliteStore) -> Vec<(u64, Line)> {
    store.lines(0, usize::MAX).unwrap()
}

fn beside(hub: &Hub) -> SqliteStore {
    SqliteStore::inspect(&hub.store_path()).unwrap()
}

fn out(lines: &[(u64, Line)], pool: &LicencePool, now: Moment) -> u64 {
    let own: Vec<_> = lines.iter().filter(|(_, line)| line.pool == pool.id).cloned().collect();
    let nobody = Visit::new(HolderKey::User(UserId(Uuid::nil())), AppId(Uuid::nil()));
    PoolView::from_ledger(pool.clone(), true, &own, &nobody, now, UtcOffset::UTC).used
}

#[derive(Clone, Debug)]
enum Step {
    /// Somebody opens the app, or is active in it.
    Come {
        who: usize,
        browser: u8,
        address: u8,
    },
    Allocate {
        who: usize,
        pool: usize,
    },
    Deallocate {
        who: usize,
        pool: usize,
    },
    Reinstate {
        who: usize,
        pool: usize,
    },
    /// Minutes, back as well.
    Wait(i64),
    Resize {
        pool: usize,
        capacity: u64,
    },
    Compact,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let come = (0..6_usize, 0..2_u8, 0..2_u8).prop_map(|(who, browser, address)| Step::Come {
        who,
        browser,
        address,
    });
    let seat = |make: fn(usize, usize) -> Step| {
        (0..3_usize, 0..3_usize).prop_map(move |(who, pool)| make(who, pool))
    };
    let wait = prop_oneof![
        4 => 0..10_i64,
        2 => 30..90_i64,
        2 => 0..50_000_i64,
        1 => -120..0_i64,
        1 => -60_000..0_i64,
        1 => Just(200 * 24 * 60),
    ];
    prop_oneof![
        12 => come,
        1 => seat(|who, pool| Step::Allocate { who, pool }),
        2 => seat(|who, pool| Step::Deallocate { who, pool }),
        1 => seat(|who, pool| Step::Reinstate { who, pool }),
        6 => wait.prop_map(Step::Wait),
        1 => (0..5_usize, 0..40_u64).prop_map(|(pool, capacity)| Step::Resize { pool, capacity }),
        1 => Just(Step::Compact),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A naive model reads all lines for each decision; the store reads sums. They decide the same
    /// about everybody, whatever the clock does, and no charge takes more than there is.
    #[test]
    fn the_store_decides_as_its_lines_do(steps in prop::collection::vec(step(), 1..60)) {
        let mut hub = Hub::new();
        let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
        let pools: Vec<PoolId> = EVERYBODY
            .iter()
            .zip([1, 1, 1, 3, 18])
            .map(|((name, kind), capacity)| hub.pool(*kind, name, Some(capacity), "true").0)
            .collect();
        let edit = PoolEdit { units_per_address_per_hour: Some(Some(2)), ..PoolEdit::default() };
        hub.repository.update_pool(&hub.server(), pools[4], None, edit).unwrap();
        let edit = PoolEdit {
            reserved_for_users: Some(6),
            overage: Some(6),
            ..PoolEdit::default()
        };
        hub.repository.update_pool(&hub.server(), pools[4], None, edit).unwrap();
        let people: Vec<Caller> = ["ana", "ben", "eva"].map(|name| hub.user(name)).to_vec();
        let visitors = (0..3).map(|_| hub.visitor());
        let everybody: Vec<Caller> = people.iter().cloned().chain(visitors).collect();
        let user = |who: usize| match &people[who].principal {
            Principal::User { id, .. } => *id,
            other => unreachable!("{other}"),
        };
        for step in steps {
            let server = hub.server();
            let before = lines(&beside(&hub));
            match step {
                Step::Come { who, browser, address } => {
                    let mut caller = everybody[who].clone();
                    caller.session = Some(SessionId(Uuid::from_u128(u128::from(browser) + 1)));
                    caller.environment.ip = Some([192, 0, 2, address].into());
                    let decided = naive(&hub, &before, &caller);
                    let opened = hub.repository.open_app(&caller, app, &VisitInfo::default());
                    let after = lines(&beside(&hub));
                    match (&decided, &opened) {
                        (Admission::Charge(charge), Ok(_)) => {
                            let new: Vec<&Line> =
                                after[before.len()..].iter().map(|(_, line)| line).collect();
                            let told = (new[0].pool, new[0].meter, new[0].until, new[0].units);
                            let meter = Some(charge.meter);
                            prop_assert_eq!(told, (charge.pool, meter, charge.until, charge.units));
                            let told = new.iter().filter(|line| line.kind == LineKind::Alert);
                            prop_assert!(told.count() <= charge.reaches.len());
                            let pool = hub.repository.site().pool(charge.pool).unwrap().clone();
                            let most = pool.capacity.unwrap() + pool.overage;
                            prop_assert!(out(&after, &pool, hub.repository.now()) <= most);
                        }
                        (Admission::Covered { is_first_today, .. }, Ok(_)) => {
                            prop_assert_eq!(after.len(), before.len() + usize::from(*is_first_today));
                        }
                        (Admission::Refused(refusal), Err(error)) => {
                            prop_assert_eq!(
                                refusal.code.as_str(), error.refusal().unwrap().code.as_str());
                            prop_assert_eq!(&after, &before);
                        }
                        (decided, opened) => prop_assert!(false, "{:?} {:?}", decided, opened),
                    }
                }
                Step::Allocate { who, pool } => {
                    let _ = hub.repository.allocate(&server, pools[pool], user(who));
                }
                Step::Deallocate { who, pool } => {
                    hub.repository.deallocate(&server, pools[pool], user(who)).unwrap();
                }
                Step::Reinstate { who, pool } => {
                    let _ = hub.repository.reinstate(&server, pools[pool], user(who));
                }
                Step::Wait(minutes) => hub.pass(minutes),
                Step::Resize { pool, capacity } => {
                    // What is reserved for people stays within the pool.
                    let reserved = hub.repository.site().pool(pools[pool]).map(|p| p.reserved_for_users);
                    let edit = PoolEdit {
                        capacity: Some(Some(capacity.max(reserved.unwrap_or_default()))),
                        ..PoolEdit::default()
                    };
                    hub.repository.update_pool(&server, pools[pool], None, edit).unwrap();
                }
                Step::Compact => {
                    hub.repository.compact_ledger().unwrap();
                    prop_assert_eq!(&lines(&beside(&hub)), &before, "compaction loses nothing");
                }
                Step::Restart => hub = hub.restarted(),
            }
            // About nobody who could come now do the two disagree.
            let (store, lines) = (beside(&hub), lines(&beside(&hub)));
            for caller in &everybody {
                prop_assert_eq!(by_store(&hub, &store, caller), naive(&hub, &lines, caller));
            }
        }
    }

    /// Several at once, in any order: the same pool, the same browsers, clocks that go on.
    #[test]
    fn however_visits_interleave_the_pools_hold(
        capacity in 0_u64..60,
        threads in prop::collection::vec(
            prop::collection::vec((0_u128..5, prop_oneof![3 => 0_i64..4, 1 => 5_i64..30]), 1..12),
            2..5,
        ),
    ) {
        let hub = Hub::new();
        let (pool, _) = hub.visitors_pool(Some(capacity));
        let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
        std::thread::scope(|scope| {
            for visits in &threads {
                let hub = &hub;
                scope.spawn(move || {
                    for (visitor, minutes) in visits {
                        let _ = hub.repository.open_app(&visitor_of(*visitor), app, &VisitInfo::default());
                        hub.pass(*minutes);
                    }
                });
            }
        });
        let lines = lines(&beside(&hub));
        let pool = hub.repository.site().pool(pool).unwrap().clone();
        prop_assert!(out(&lines, &pool, hub.repository.now()) <= capacity);
        // A browser never pays for the same minute twice: each unit begins where the last one of
        // its meter is over. Clocks are read before the turn comes, so they may be told late.
        let mut last: BTreeMap<MeterKey, Moment> = BTreeMap::new();
        let taken = lines.iter().map(|(_, line)| line).filter(|line| line.kind == LineKind::Taken);
        for line in taken {
            let until = line.until.unwrap();
            if let Some(before) = last.insert(line.meter.unwrap(), until) {
                prop_assert!(before <= line.from || line.from < before.plus_minutes(-12));
            }
        }
        let counters = hub.repository.pool_counters(&hub.server(), pool.id).unwrap();
        prop_assert_eq!(counters.used, out(&lines, &pool, hub.repository.now()));
    }
}

/// What everything that is known says about a caller who comes now.
fn naive(hub: &Hub, lines: &[(u64, Line)], caller: &Caller) -> Admission {
    let (site, now) = (hub.repository.site(), hub.repository.now());
    let visit = visit_of(caller);
    let mut view = PoolsView::default();
    for pool in site.pools() {
        let own = lines.iter().filter(|(_, line)| line.pool == pool.id);
        let own: Vec<_> = own.cloned().collect();
        let pool = LicencePool::clone(pool);
        view.pools.push(PoolView::from_ledger(pool, true, &own, &visit, now, UtcOffset::UTC));
    }
    unnamed(acquire(&view, &visit, now))
}

/// The decision without the key of its charge, which knows whether lines were compacted.
fn unnamed(mut admission: Admission) -> Admission {
    if let Admission::Charge(charge) = &mut admission {
        charge.key.clear();
    }
    admission
}

fn by_store(hub: &Hub, store: &SqliteStore, caller: &Caller) -> Admission {
    let (site, now) = (hub.repository.site(), hub.repository.now());
    let visit = visit_of(caller);
    let mut view = PoolsView::default();
    store
        .read_ledger(&mut |ledger| {
            view.pools.clear();
            for pool in site.pools() {
                view.pools.push(hub.repository.pool_view(pool, true, &visit, ledger, now)?);
            }
            Ok(())
        })
        .unwrap();
    unnamed(acquire(&view, &visit, now))
}

fn visit_of(caller: &Caller) -> Visit {
    let holder = match &caller.principal {
        Principal::User { id, .. } => HolderKey::User(*id),
        Principal::Anonymous(id) => HolderKey::Visitor(*id),
        Principal::Internal(account) => unreachable!("{account:?} needs no licence"),
    };
    Visit {
        session: caller.session,
        address: caller.environment.ip,
        ..Visit::new(holder, AppId(Uuid::nil()))
    }
}

fn visitor_of(number: u128) -> Caller {
    let visitor = VisitorId(Uuid::from_u128(number + 1));
    let mut caller = Caller::visitor(visitor, Environment::default());
    caller.session = Some(SessionId(Uuid::from_u128(number + 1)));
    caller
}

/// What the store keeps of the ledger, table by table.
fn dump(path: &Path) -> String {
    let raw = rusqlite::Connection::open(path).unwrap();
    let mut text = String::new();
    for table in ["ledger", "ledger_seats", "ledger_sums", "ledger_addresses", "ledger_archive"] {
        let mut statement = raw.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            text.push_str(table);
            for column in 0..columns {
                let value: rusqlite::types::Value = row.get(column).unwrap();
                text.push_str(&format!(" {value:?}"));
            }
            text.push('\n');
        }
    }
    text
}

#[test]
fn a_write_that_fails_anywhere_leaves_nothing_behind_and_can_be_repeated() {
    let hub = Hub::new();
    hub.pool(PoolKind::UserAccess, "people", Some(5), "!user.IsAnonymous()");
    hub.visitors_pool(Some(6));
    let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let path = hub.store_path();
    let raw = rusqlite::Connection::open(&path).unwrap();
    let mut ana = hub.user("ana");
    ana.environment.ip = None;
    let mut stranger = hub.visitor();
    stranger.environment.ip = Some([192, 0, 2, 1].into());
    let points = [
        ("BEFORE INSERT ON ledger WHEN NEW.line = 'taken'", 2),
        ("AFTER INSERT ON ledger WHEN NEW.line = 'taken'", 2),
        ("AFTER INSERT ON ledger WHEN NEW.line = 'alert'", 1),
        ("BEFORE INSERT ON ledger_seats WHEN true", 1),
        ("BEFORE INSERT ON ledger_sums WHEN NEW.span = 900000", 2),
        ("AFTER INSERT ON ledger_sums WHEN NEW.span = 86400000", 2),
        ("AFTER INSERT ON ledger_addresses WHEN true", 1),
    ];
    for (point, hit) in points {
        raw.execute_batch(&format!(
            "CREATE TRIGGER fault {point} BEGIN SELECT raise(FAIL, 'the disk is gone'); END"
        ))
        .unwrap();
        let before = dump(&path);
        let mut failed = 0;
        for caller in [&ana, &stranger] {
            let opened = hub.repository.would_open_app(caller, app, &VisitInfo::default());
            assert!(opened.is_ok(), "{point}");
            // In a transaction with others, who are not concerned: here only with itself.
            failed +=
                u32::from(hub.repository.open_app(caller, app, &VisitInfo::default()).is_err());
        }
        assert_eq!(failed, hit, "{point}");
        if failed == 2 {
            assert_eq!(dump(&path), before, "{point}");
        }
        raw.execute_batch("DROP TRIGGER fault").unwrap();
        for caller in [&ana, &stranger] {
            hub.repository.open_app(caller, app, &VisitInfo::default()).unwrap();
        }
        let counts: Vec<u64> =
            hub.repository.pool_uses(&hub.server()).unwrap().iter().map(|pool| pool.used).collect();
        assert_eq!(counts, [1, 6], "{point}");
        // The next point finds everything as it was.
        raw.execute_batch(
            "DROP TRIGGER ledger_is_never_shortened; DELETE FROM ledger; DELETE FROM ledger_seats; \
             DELETE FROM ledger_sums; DELETE FROM ledger_addresses; \
             CREATE TRIGGER ledger_is_never_shortened BEFORE DELETE ON ledger \
             BEGIN SELECT raise(ABORT, 'append-only'); END",
        )
        .unwrap();
        // Also what this server remembers.
        let edit = UserEdit { name: Some(format!("Ana {point}")), ..UserEdit::default() };
        let Principal::User { id, .. } = &ana.principal else { unreachable!("a person") };
        hub.repository.update_user(&hub.server(), *id, None, edit).unwrap();
    }
}

#[test]
fn one_charge_that_fails_does_not_touch_those_it_waits_with() {
    let hub = Hub::new();
    let (pool, _) = hub.visitors_pool(None);
    let store = Arc::new(SqliteStore::open(&hub.store_path()).unwrap());
    let line = move |number: u128| Line {
        meter: Some(MeterKey::of(HolderKey::Visitor(VisitorId(Uuid::from_u128(number))))),
        until: Some(START),
        units: 6,
        ..Line::new(number.to_string(), LineKind::Taken, (pool, PoolKind::AnalyzerCapacity), START)
    };
    std::thread::scope(|scope| {
        for number in 0..40 {
            let store = store.clone();
            scope.spawn(move || {
                let made = store.charge(Box::new(move |_| {
                    if number % 4 == 0 {
                        return Err(loggia_repository::StoreError::Failed("no".to_owned()));
                    }
                    Ok(vec![line(number)])
                }));
                assert_eq!(made.is_err(), number % 4 == 0);
            });
        }
    });
    assert_eq!(lines(&store).len(), 30);
    let counters = hub.repository.pool_counters(&hub.server(), pool).unwrap();
    assert_eq!((counters.used, counters.used_by_visitors), (180, 180));
}

const CHILD_FOLDER: &str = "LOGGIA_TEST_LEDGER";
const CHILD_VISITS: &str = "LOGGIA_TEST_VISITS";

/// Another process that serves the same store; see below.
#[test]
#[ignore = "run by the tests below"]
#[expect(clippy::disallowed_methods, reason = "the test that starts it says where the store is")]
fn another_process() {
    let folder = std::env::var(CHILD_FOLDER).unwrap();
    let visits: usize = std::env::var(CHILD_VISITS).unwrap().parse().unwrap();
    let folder = Path::new(&folder);
    let store = SqliteStore::open(&folder.join("loggia.db")).unwrap();
    let settings = Settings::new(folder.join("data"));
    let repository = Repository::open(Arc::new(store), Arc::new(|| START), settings).unwrap();
    let app = repository.site().apps().next().unwrap().id;
    for _ in 0..visits {
        let visitor = VisitorId(Uuid::new_v4());
        let caller = Caller::visitor(visitor, Environment::default());
        match repository.open_app(&caller, app, &VisitInfo::default()) {
            // Said only once it is true: whoever reads it may rely on it.
            Ok(_) => println!("served {visitor}"),
            Err(error) => {
                assert_eq!(error.refusal().unwrap().code, Code::LicEmpty);
                println!("refused {visitor}");
            }
        }
    }
}

fn start(hub: &Hub, visits: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::another_process", "--ignored", "--nocapture"])
        .env(CHILD_FOLDER, hub.folder.path())
        .env(CHILD_VISITS, visits.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The visitors that a process said it served.
fn served(reader: impl BufRead) -> Vec<String> {
    let lines = reader.lines().map_while(Result::ok);
    lines.filter_map(|line| line.split("served ").nth(1).map(|id| id.trim().to_owned())).collect()
}

#[test]
fn two_processes_on_one_store_serve_exactly_what_the_pool_has() {
    let hub = Hub::new();
    let (pool, _) = hub.visitors_pool(Some(180));
    hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let children = [start(&hub, 25), start(&hub, 25)];
    let mut all = Vec::new();
    for mut child in children {
        all.extend(served(BufReader::new(child.stdout.take().unwrap())));
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(all.len(), 30);
    let mut found: Vec<String> = lines(&beside(&hub))
        .iter()
        .filter(|(_, line)| line.kind == LineKind::Taken)
        .map(|(_, line)| line.meter.unwrap().to_string().replace("visitor:", ""))
        .collect();
    all.sort();
    found.sort();
    assert_eq!(found, all);
    let alerts = hub.repository.pool_alerts(&hub.server(), pool).unwrap();
    let told: Vec<u64> = alerts.iter().map(|alert| alert.percentage).collect();
    assert_eq!(told, [100, 95, 80]);
}

#[test]
fn a_process_that_is_killed_loses_nothing_it_has_said() {
    let hub = Hub::new();
    let (pool, _) = hub.visitors_pool(None);
    hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let mut said = Vec::new();
    for round in 0..4 {
        let mut child = start(&hub, 100_000);
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let most = said.len() + 5 + round * 7;
        while said.len() < most {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0);
            said.extend(line.split("served ").nth(1).map(|id| id.trim().to_owned()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        said.extend(served(reader));
    }
    let store = SqliteStore::open(&hub.store_path()).unwrap();
    let lines = lines(&store);
    let stored: Vec<String> = lines
        .iter()
        .map(|(_, line)| line.meter.unwrap().to_string().replace("visitor:", ""))
        .collect();
    for visitor in &said {
        assert_eq!(stored.iter().filter(|stored| *stored == visitor).count(), 1, "{visitor}");
    }
    // What was in the making is there as a whole or not at all.
    let counters = hub.repository.pool_counters(&hub.server(), pool).unwrap();
    assert_eq!(counters.used, u64::try_from(lines.len()).unwrap() * 6);
}

#[test]
fn compaction_keeps_totals_days_seats_and_what_runs() {
    let mut hub = Hub::new();
    let (minutes, _) = hub.visitors_pool(Some(6_000));
    let (people, _) = hub.pool(PoolKind::UserAccess, "People", Some(5), "!user.IsAnonymous()");
    let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let ana = hub.user("ana");
    for day in 0..130 {
        for _ in 0..(day % 3) {
            hub.repository.open_app(&hub.visitor(), app, &VisitInfo::default()).unwrap();
        }
        hub.repository.open_app(&ana, app, &VisitInfo::default()).unwrap();
        hub.pass(24 * 60);
    }
    let here = hub.visitor();
    hub.repository.open_app(&here, app, &VisitInfo::default()).unwrap();
    let server = hub.server();
    let seen = |hub: &Hub| {
        let repository = &hub.repository;
        (
            lines(&beside(hub)),
            repository.pool_counters(&server, minutes).unwrap(),
            repository.pool_history(&server, minutes, START, repository.now()).unwrap(),
            repository.pool_history(&server, people, START, repository.now()).unwrap(),
            repository.allocations(&server, people).unwrap(),
            repository.forecast(&server, minutes).unwrap(),
        )
    };
    let before = seen(&hub);
    let moved = hub.repository.compact_ledger().unwrap();
    assert!(moved > 30, "{moved}");
    assert_eq!(hub.repository.compact_ledger().unwrap(), 0);
    assert_eq!(seen(&hub), before);
    assert_eq!(before.2.iter().map(|day| day.units).sum::<u64>(), 6 * 130);
    // Another server finds the same, and what runs goes on.
    hub = hub.restarted();
    assert_eq!(seen(&hub), before);
    hub.repository.open_app(&here, app, &VisitInfo::default()).unwrap();
    assert_eq!(seen(&hub).1, before.1);
    // What was moved cannot be changed, and nothing else be removed.
    let raw = rusqlite::Connection::open(hub.store_path()).unwrap();
    for act in [
        "DELETE FROM ledger",
        "DELETE FROM ledger_archive",
        "UPDATE ledger SET units = 0",
        "UPDATE ledger_archive SET lines = 0",
    ] {
        assert!(raw.execute(act, []).is_err(), "{act}");
    }
}

#[test]
fn a_week_out_of_a_long_ledger_is_played_again() {
    let hub = Hub::new();
    let (pool, _) = hub.visitors_pool(None);
    let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    for day in 0..140 {
        for _ in 0..=(day % 2) {
            hub.repository.open_app(&hub.visitor(), app, &VisitInfo::default()).unwrap();
        }
        hub.pass(24 * 60);
    }
    let pool = LicencePool::clone(hub.repository.site().pool(pool).unwrap());
    let played = |day: i64, days: i64| {
        let from = START.plus_minutes(day * 24 * 60);
        let span = (from, from.plus_minutes(days * 24 * 60));
        let pools = std::slice::from_ref(&pool);
        let outcome = hub.repository.simulate(&hub.server(), span, 6, pools).unwrap();
        (outcome.activities, outcome.pools[0].units)
    };
    let all = || [played(0, 140), played(-5, 7), played(20, 7), played(133, 20), played(200, 7)];
    let before = all();
    assert_eq!(before, [(210, 1260), (3, 18), (10, 60), (11, 66), (0, 0)]);
    assert!(hub.repository.compact_ledger().unwrap() > 0);
    assert_eq!(all(), before);
}

/// A database of the release before knows only what was drawn.
#[test]
fn a_ledger_of_before_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loggia.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    for step in [
        include_str!("../../src/store/sqlite/migrations/0001_first.sql"),
        include_str!("../../src/store/sqlite/migrations/0002_user_directories.sql"),
        include_str!("../../src/store/sqlite/migrations/0003_proxy_services.sql"),
        include_str!("../../src/store/sqlite/migrations/0004_shared_sessions.sql"),
    ] {
        raw.execute_batch(step).unwrap();
    }
    raw.pragma_update(None, "user_version", 4).unwrap();
    let (seats, minutes) = (PoolId(Uuid::from_u128(1)), PoolId(Uuid::from_u128(2)));
    let ana = MeterKey::of(HolderKey::User(UserId(Uuid::from_u128(3))));
    let stranger = MeterKey::of(HolderKey::Visitor(VisitorId(Uuid::from_u128(4))));
    let mut insert = raw
        .prepare(
            "INSERT INTO ledger (key, pool, kind, meter, principal, app, entrance, address, \
             starts, ends, units) VALUES (?1, ?2, ?3, ?4, 'A\\ana', '', 'public', '', ?5, ?6, ?7)",
        )
        .unwrap();
    let start = START.0;
    let (seat, unit) = ("Professional", "AnalyzerCapacity");
    insert
        .execute(rusqlite::params!["a", seats.text(), seat, ana.to_string(), start, None::<i64>, 1])
        .unwrap();
    for (key, meter, starts) in [("b", ana, start), ("c", stranger, start + 60_000)] {
        let ends = Some(starts + 360_000);
        let values =
            rusqlite::params![key, minutes.text(), unit, meter.to_string(), starts, ends, 6];
        insert.execute(values).unwrap();
    }
    drop(insert);
    drop(raw);

    let store = SqliteStore::open(&path).unwrap();
    store
        .read_ledger(&mut |ledger| {
            assert_eq!(ledger.seats_out(seats, START)?.held, 1);
            let seat = ledger.seat(seats, ana)?.unwrap();
            assert_eq!((seat.last_used, seat.by_rule), (Some(START), true));
            let sum = ledger.drawn_between(minutes, Moment(0), Moment(i64::MAX))?;
            assert_eq!((sum.units, sum.units_of_visitors, sum.uses), (12, 6, 2));
            let meter = ledger.meter(minutes, stranger, Moment(i64::MAX))?;
            assert_eq!((meter.last_line, meter.last_until), (3, Some(START.plus_minutes(7))));
            Ok(())
        })
        .unwrap();
    let kinds: Vec<_> = lines(&store).iter().map(|(_, line)| (line.kind, line.moment)).collect();
    let taken = |minutes| (LineKind::Taken, START.plus_minutes(minutes));
    assert_eq!(kinds, [taken(0), taken(0), taken(1)]);
}

#[test]
fn seats_are_given_and_taken_away_by_hand() {
    let hub = Hub::new();
    let (pool, _) = hub.pool(PoolKind::UserAccess, "People", Some(1), "false");
    let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let (ana, ben) = (hub.user("ana"), hub.user("ben"));
    let id = |caller: &Caller| match &caller.principal {
        Principal::User { id, .. } => *id,
        other => unreachable!("{other}"),
    };
    let (repository, root) = (&hub.repository, hub.root());
    let open = |caller: &Caller| {
        repository
            .open_app(caller, app, &VisitInfo::default())
            .map(|_| ())
            .map_err(|error| error.refusal().unwrap().code)
    };
    let status = || {
        let rows = repository.allocations(&root, pool).unwrap();
        rows.iter().map(|row| (row.name.clone(), row.status)).collect::<Vec<_>>()
    };
    // Who may not change the pool gives nobody a seat.
    assert!(repository.allocate(&ana, pool, id(&ana)).is_err());
    assert_eq!(open(&ana), Err(Code::LicNone));
    let given = repository.allocate(&root, pool, id(&ana)).unwrap();
    assert_eq!(
        (given.status, given.by_rule, given.last_used),
        (AllocationStatus::Allocated, false, None)
    );
    // It works at once, and one seat is one seat.
    assert_eq!(open(&ana), Ok(()));
    repository.allocate(&root, pool, id(&ana)).unwrap();
    assert!(
        repository.allocate(&root, pool, id(&ben)).unwrap_err().to_string().contains("no seat")
    );
    assert_eq!(repository.allocations(&root, pool).unwrap()[0].last_used, Some(START));

    // Taken away on the day of use it rests for seven days; nobody gets it meanwhile.
    let until = Moment(START.0 - START.0.rem_euclid(86_400_000)).plus_minutes(8 * 24 * 60);
    let quarantined = AllocationStatus::Quarantined { until };
    assert_eq!(repository.deallocate(&root, pool, id(&ana)).unwrap().unwrap().status, quarantined);
    assert_eq!(status(), [("ana".to_owned(), quarantined)]);
    assert_eq!(open(&ana), Err(Code::LicNone));
    assert!(repository.allocate(&root, pool, id(&ben)).is_err());
    assert!(
        repository.allocate(&root, pool, id(&ana)).unwrap_err().to_string().contains("reinstate")
    );
    // The same person may have it back.
    repository.reinstate(&root, pool, id(&ana)).unwrap();
    assert_eq!(open(&ana), Ok(()));
    // A deleted person's seat rests as well, and is shown.
    repository.deallocate(&root, pool, id(&ana)).unwrap();
    repository.delete_user(&root, id(&ana)).unwrap();
    let row = repository.allocations(&root, pool).unwrap().remove(0);
    assert_eq!((row.is_deleted, row.principal.as_str()), (true, "LOGGIA\\ana"));
    hub.pass(8 * 24 * 60);
    assert_eq!(status(), []);
    assert_eq!(
        repository.allocate(&root, pool, id(&ben)).unwrap().status,
        AllocationStatus::Allocated
    );
    // Never used: free at once.
    assert_eq!(repository.deallocate(&root, pool, id(&ben)).unwrap(), None);
    assert_eq!(status(), []);
    assert!(repository.reinstate(&root, pool, id(&ben)).is_err());
    // Nobody is given a seat of what has none.
    let (minutes, _) = hub.visitors_pool(None);
    assert!(repository.allocate(&root, minutes, id(&ben)).is_err());
}

#[test]
fn the_last_seat_is_given_once_however_many_ask_and_give() {
    let hub = Hub::new();
    let (pool, _) = hub.pool(PoolKind::Professional, "People", Some(3), "true");
    let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let people: Vec<Caller> = (0..8).map(|number| hub.user(&format!("p{number}"))).collect();
    let root = hub.root();
    std::thread::scope(|scope| {
        for (number, person) in people.iter().enumerate() {
            let (hub, root) = (&hub, &root);
            scope.spawn(move || {
                let Principal::User { id, .. } = &person.principal else { unreachable!() };
                for _ in 0..4 {
                    if number % 2 == 0 {
                        let _ = hub.repository.open_app(person, app, &VisitInfo::default());
                    } else if hub.repository.allocate(root, pool, *id).is_ok() {
                        hub.repository.deallocate(root, pool, *id).unwrap();
                    }
                }
            });
        }
    });
    // At no time were more than three out.
    let lines = lines(&beside(&hub));
    let record = hub.repository.site().pool(pool).unwrap().clone();
    assert!(is_named(record.kind));
    for (place, (_, line)) in lines.iter().enumerate() {
        assert!(out(&lines[..=place], &record, line.moment) <= 3);
    }
    assert_eq!(
        hub.repository.pool_counters(&root, pool).unwrap().used,
        out(&lines, &record, START)
    );
}

/// `spec/access.md` §3.3.6 and .7.
#[test]
fn tokens_are_shared_by_seats_and_groups_and_come_back_with_their_passes() {
    let hub = Hub::new();
    let (repository, root) = (&hub.repository, hub.root());
    let (group, rule) = hub.pool(PoolKind::LoginAccess, "Group", Some(20), "true");
    let app = hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let left = || repository.tokens(&root).unwrap().available;
    assert_eq!(left(), None, "not counted by default");
    assert!(repository.set_tokens(&root, Some(1)).is_err(), "the group has two");
    repository.set_tokens(&root, Some(4)).unwrap();
    assert!(repository.set_tokens(&hub.user("ana"), None).is_err());
    assert_eq!(left(), Some(2));
    // A seat is a token.
    let (people, _) = hub.pool(PoolKind::UserAccess, "People", None, "false");
    let ben = hub.user("ben");
    let Principal::User { id: ben, .. } = ben.principal else { unreachable!("a person") };
    repository.allocate(&root, people, ben).unwrap();
    assert_eq!(left(), Some(1));
    // No group is saved with more than there are.
    let sized = |passes| PoolEdit { capacity: Some(Some(passes)), ..PoolEdit::default() };
    assert!(repository.update_pool(&root, group, None, sized(31)).is_err());
    repository.update_pool(&root, group, None, sized(30)).unwrap();
    let eva = hub.user("eva");
    let Principal::User { id: eva, .. } = eva.principal else { unreachable!("a person") };
    assert!(repository.allocate(&root, people, eva).unwrap_err().to_string().contains("token"));
    // Eleven passes are out when the group is deleted: two of its tokens are not free yet.
    for _ in 0..11 {
        repository.open_app(&hub.visitor(), app, &VisitInfo::default()).unwrap();
        hub.pass(1);
    }
    repository.delete_rule(&root, rule).unwrap();
    repository.delete_pool(&root, group).unwrap();
    assert_eq!(left(), Some(1));
    assert_eq!(repository.tokens(&root).unwrap().login_access.unavailable, 2);
    hub.pass(28 * 24 * 60 - 11);
    assert_eq!(left(), Some(2), "one is back, so ten are out");
    hub.pass(9);
    assert_eq!(left(), Some(2));
    hub.pass(1);
    assert_eq!(left(), Some(3));
    // A deleted pool's seats are free as if they had been taken away.
    let rules: Vec<_> = repository
        .site()
        .rules()
        .filter(|rule| rule.name == "People admits")
        .map(|r| r.id)
        .collect();
    repository.delete_rule(&root, rules[0]).unwrap();
    repository.delete_pool(&root, people).unwrap();
    assert_eq!(left(), Some(4));
}
