//! What happened is in the trail, in order and whole, or it did not happen.

use std::ops::ControlFlow;
use std::sync::Arc;

use loggia_audit::Event;
use loggia_audit::{FaultKind, Key, Kind, Row};
use loggia_model::entity::AnonymousMode;
use loggia_model::{Environment, Moment};
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{
    AuditBlocked, Code, JwtEdit, ManageError, OidcEdit, Repository, Retention, RuleEdit, Settings,
    StoreError, TrailFilter, UserEdit, VirtualProxyEdit, VisitInfo, loggia_audit,
};
use rusqlite::Connection;

use crate::fixture::{Hub, START};

fn rows(repository: &Repository, filter: &TrailFilter) -> Vec<Row> {
    repository.flush_trail().unwrap();
    let mut rows = Vec::new();
    repository
        .walk_trail(filter, |_, row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

fn of_kind(hub: &Hub, kind: Kind) -> Vec<Row> {
    rows(&hub.repository, &TrailFilter { kinds: vec![kind], ..TrailFilter::default() })
}

fn is_whole(repository: &Repository) -> bool {
    let report = repository.verify_trail(None).unwrap();
    assert!(report.verdict.is_whole(), "{:?}", report.verdict.faults);
    report.verdict.rows > 0
}

/// Makes the trail refuse to grow, as a full disk would, or lets it grow again.
fn block(hub: &Hub, is_blocked: bool) {
    let database = Connection::open(hub.store_path()).unwrap();
    let sql = if is_blocked {
        "CREATE TRIGGER blocked BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END"
    } else {
        "DROP TRIGGER blocked"
    };
    database.execute_batch(sql).unwrap();
}

#[test]
fn every_denial_is_one_event_with_code_and_gate() {
    let (hub, app) = Hub::public();
    let secret = hub.published_app("Budget", hub.stream("Team"));
    let visitor = hub.visitor();
    let before = of_kind(&hub, Kind::SessionDenied).len();
    let hidden = hub.repository.open_app(&visitor, secret, &VisitInfo::default()).unwrap_err();
    let denied = of_kind(&hub, Kind::SessionDenied);
    assert_eq!(denied.len(), before + 1);
    let entry = &denied.last().unwrap().entry;
    assert_eq!(entry.correlation, hidden.refusal().unwrap().reference);
    assert_eq!(entry.principal, visitor.principal.to_string());
    assert_eq!(entry.app, Some(secret.text()));
    assert_eq!(
        (entry.detail_values()["code"].as_str(), entry.detail_values()["gate"].as_u64()),
        (Some("RULE-DENIED"), Some(5))
    );

    let rule =
        hub.repository.site().rules().find(|rule| rule.name == "Visitors admits").unwrap().id;
    hub.repository.delete_rule(&hub.server(), rule).unwrap();
    hub.repository.open_app(&visitor, app, &VisitInfo::default()).unwrap_err();
    let denied = of_kind(&hub, Kind::LicenceDenied);
    let details = denied.last().unwrap().entry.detail_values();
    assert_eq!((details["code"].as_str(), details["gate"].as_u64()), (Some("LIC-NONE"), Some(4)));
    assert!(is_whole(&hub.repository));
}

#[test]
fn changes_say_what_was_before_and_by_whom_and_one_that_is_not_made_says_nothing() {
    let hub = Hub::new();
    let root = hub.root();
    let edit = RuleEdit {
        category: Some(loggia_model::entity::RuleCategory::Security),
        name: Some("Press".to_owned()),
        condition: Some("user.group = \"press\"".to_owned()),
        resource_filter: Some("Stream_*".to_owned()),
        actions: Some(2),
        context: Some(0),
        ..RuleEdit::default()
    };
    let rule = hub.repository.create_rule(&root, None, edit).unwrap().value.id;
    let edit =
        RuleEdit { condition: Some("user.group = \"all\"".to_owned()), ..RuleEdit::default() };
    hub.repository.update_rule(&root, rule, None, edit).unwrap();
    let edit = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
    hub.repository.update_rule(&root, rule, None, edit).unwrap();
    let before = rows(&hub.repository, &TrailFilter::default()).len();
    let edit = RuleEdit { condition: Some("user.group =".to_owned()), ..RuleEdit::default() };
    hub.repository.update_rule(&root, rule, None, edit).unwrap_err();
    assert_eq!(rows(&hub.repository, &TrailFilter::default()).len(), before);
    hub.repository.delete_rule(&root, rule).unwrap();

    let filter = TrailFilter {
        principal: Some("loggia\\ROOT".to_owned()),
        kinds: vec![Kind::RuleCreated, Kind::RuleChanged, Kind::RuleDisabled, Kind::RuleDeleted],
        ..TrailFilter::default()
    };
    let told: Vec<String> = rows(&hub.repository, &filter)
        .iter()
        .map(|row| {
            let details = row.entry.detail_values();
            let part = |name: &str| details[name]["condition"].to_string();
            format!("{} {} -> {}", row.entry.kind, part("before"), part("after"))
        })
        .collect();
    assert_eq!(
        told,
        [
            r#"rule.created null -> "user.group = \"press\"""#,
            r#"rule.changed "user.group = \"press\"" -> "user.group = \"all\"""#,
            "rule.disabled null -> null",
            r#"rule.deleted "user.group = \"all\"" -> null"#,
        ]
    );
    let roles = of_kind(&hub, Kind::UserRoleChanged);
    let details = roles.last().unwrap().entry.detail_values();
    assert_eq!(details["before"]["roles"], serde_json::json!([]));
    assert_eq!(details["after"]["roles"], serde_json::json!(["RootAdmin"]));
}

#[test]
fn secrets_never_reach_the_trail() {
    const SECRET: &str = "dmVyeXNlY3JldHRleHRvZnRoaXJ0eXR3b2J5dGVzMTIzNDU2";
    let hub = Hub::new();
    let id = hub.entrance("press", AnonymousMode::Allowed);
    for secret in [SECRET.to_owned(), format!("{SECRET}QUJD")] {
        let edit = VirtualProxyEdit {
            oidc: OidcEdit { client_secret: Some(secret.clone()), ..OidcEdit::default() },
            jwt: JwtEdit { key: Some(format!("secret:{secret}")), ..JwtEdit::default() },
            description: Some("changed".to_owned()),
            ..VirtualProxyEdit::default()
        };
        hub.repository.update_virtual_proxy(&hub.server(), id, None, edit).unwrap();
    }
    hub.repository.delete_virtual_proxy(&hub.server(), id).unwrap();
    let ana = hub.user("ana");
    let loggia_model::Principal::User { id, .. } = ana.principal else { panic!() };
    hub.repository.set_password(&hub.server(), id, SECRET).unwrap();
    let all = rows(&hub.repository, &TrailFilter::default());
    let text: String = all.iter().map(loggia_audit::export::json_line).collect();
    assert!(!text.contains(SECRET), "{text}");
    assert!(text.contains("(another secret)") && text.contains("user.password_changed"));
}

#[test]
fn while_the_trail_is_blocked_administrators_wait_and_visits_are_counted() {
    let (hub, app) = Hub::public();
    let root = hub.root();
    hub.repository.flush_trail().unwrap();
    let version = hub.repository.site().version();
    block(&hub, true);

    // An administrator's change is not made at all.
    let edit = UserEdit { roles: Some(vec!["AuditAdmin".to_owned()]), ..UserEdit::default() };
    let ana = hub.user("ana");
    let loggia_model::Principal::User { id, .. } = ana.principal else { panic!() };
    let refused = hub.repository.update_user(&root, id, None, edit.clone()).unwrap_err();
    assert!(matches!(refused, ManageError::Store(StoreError::AuditBlocked(_))), "{refused:?}");
    assert!(hub.repository.user(&root, id).unwrap().roles.is_empty());
    assert!(hub.repository.auditor(&root).is_err());

    // Visitors go on; those who are refused are told no more than that.
    let visitor = hub.visitor();
    hub.repository.open_app(&visitor, app, &VisitInfo::default()).unwrap();
    let secret = loggia_model::AppId(uuid::Uuid::new_v4());
    let refusal = hub.repository.open_app(&visitor, secret, &VisitInfo::default()).unwrap_err();
    assert_eq!(refusal.refusal().unwrap().code, Code::AuditBlocked);
    let view = || Event::by(&visitor, Kind::ObjectView, START);
    for _ in 0..70_000 {
        assert_eq!(hub.repository.record(view()), Ok(()));
    }
    let state = hub.repository.trail_state();
    assert!(state.is_blocked && state.lost > 0 && state.waiting < 70_000, "{state:?}");
    // Room for denials is left when there is none for visits.
    assert_eq!(
        hub.repository.record(Event::by(&visitor, Kind::SessionDenied, START)),
        Err(AuditBlocked)
    );
    assert_eq!(hub.repository.trail_state().waiting, state.waiting + 1);

    block(&hub, false);
    hub.repository.flush_trail().unwrap();
    let views = of_kind(&hub, Kind::ObjectView).len() as u64;
    let lost = of_kind(&hub, Kind::TrailLost);
    let told = lost[0].entry.detail_values()["kinds"]["object.view"].as_u64().unwrap();
    assert_eq!((lost.len(), views + told), (1, 70_000), "no visit is lost in silence");
    assert!(!hub.repository.trail_state().is_blocked);
    hub.repository.update_user(&root, id, None, edit).unwrap();
    assert!(hub.repository.site().version() > version && is_whole(&hub.repository));
}

#[test]
fn a_write_that_breaks_off_anywhere_leaves_the_trail_whole() {
    let (hub, app) = Hub::public();
    hub.repository.flush_trail().unwrap();
    let database = Connection::open(hub.store_path()).unwrap();
    let visitor = hub.visitor();
    let server = hub.server();
    // Each point of a group and of a change at which the process may be gone.
    for (at, point) in [
        "AFTER INSERT ON audit WHEN NEW.number % 4 = 0",
        "AFTER INSERT ON audit WHEN NEW.number % 4 = 1",
        "BEFORE UPDATE OF seal ON audit_head",
        "BEFORE UPDATE OF value ON meta",
        "BEFORE UPDATE OF pruned ON audit_head",
        "BEFORE DELETE ON audit",
    ]
    .into_iter()
    .enumerate()
    {
        let trigger =
            format!("CREATE TRIGGER crash {point} BEGIN SELECT RAISE(ROLLBACK, 'gone'); END");
        database.execute_batch(&trigger).unwrap();
        let before = hub.repository.verify_trail(None).unwrap();
        for _ in 0..8 {
            hub.repository.record(Event::by(&visitor, Kind::ObjectView, START)).unwrap();
        }
        let _ = hub.repository.flush_trail();
        let edit = loggia_repository::AppEdit {
            name: Some(format!("Flights {at}")),
            ..loggia_repository::AppEdit::default()
        };
        let _ = hub.repository.update_app(&server, app, None, edit);
        let keep_none = Retention { keep_days: None, most_rows: Some(3), address_days: None };
        let _ = hub.repository.retire_trail(&keep_none);
        let after = hub.repository.verify_trail(None).unwrap();
        assert!(after.verdict.is_whole(), "{point}: {:?}", after.verdict.faults);
        assert!(after.head.number >= before.head.number, "{point}");
        database.execute_batch("DROP TRIGGER crash").unwrap();
        hub.repository.flush_trail().unwrap();
    }
    // What waited was written once each.
    let before = hub.repository.trail_state().written[&Kind::ObjectView];
    assert_eq!(before, 6 * 8);
    let hub = hub.restarted();
    assert!(is_whole(&hub.repository));
}

#[test]
fn two_servers_on_one_database_write_one_chain() {
    let (hub, _) = Hub::public();
    let store = SqliteStore::open(&hub.store_path()).unwrap();
    let settings = Settings {
        host_name: "second".to_owned(),
        ..Settings::new(hub.folder.path().join("data"))
    };
    let second = Repository::open(Arc::new(store), Arc::new(|| START), settings).unwrap();
    let first = hub.repository.clone();
    let visitor = hub.visitor();
    std::thread::scope(|threads| {
        for repository in [&first, &second] {
            let visitor = &visitor;
            threads.spawn(move || {
                for _ in 0..20 {
                    for _ in 0..10 {
                        repository.record(Event::by(visitor, Kind::ObjectView, START)).unwrap();
                    }
                    repository.flush_trail().unwrap();
                }
            });
        }
    });
    let views = of_kind(&hub, Kind::ObjectView);
    assert_eq!(views.len(), 400);
    for node in ["localhost", "second"] {
        assert_eq!(views.iter().filter(|row| row.entry.node == node).count(), 200);
    }
    assert!(is_whole(&second));
}

#[test]
fn old_rows_go_from_the_oldest_end_and_addresses_before_them() {
    let (hub, _) = Hub::public();
    let mut visitor = hub.visitor();
    visitor.environment =
        Environment { ip: Some("203.0.113.77".parse().unwrap()), ..visitor.environment };
    let see = |day: i64| {
        let event = Event::by(&visitor, Kind::ObjectView, Moment(START.0 + day * 86_400_000));
        hub.repository.record(event.personal("userAgent", "Browser 1")).unwrap();
    };
    (0..100).for_each(see);
    hub.repository.flush_trail().unwrap();
    hub.pass(100 * 24 * 60);
    let retention = Retention { keep_days: Some(60), most_rows: None, address_days: Some(30) };
    hub.repository.retire_trail(&retention).unwrap();
    let views = of_kind(&hub, Kind::ObjectView);
    assert_eq!(views.len(), 60);
    let addresses: Vec<_> = views.iter().map(|row| row.entry.address().unwrap()).collect();
    assert_eq!(addresses.iter().filter(|address| *address == "203.0.113.0/24").count(), 30);
    assert_eq!(addresses.iter().filter(|address| *address == "203.0.113.77").count(), 30);
    assert!(views[0].entry.personal_values().is_empty());
    assert_eq!(views[59].entry.personal_values()["userAgent"], "Browser 1");
    assert!(is_whole(&hub.repository));
    assert_eq!(of_kind(&hub, Kind::TrailPruned).len(), 1);

    // Nothing is left to do, and what is gone is gone from the files too.
    assert_eq!(hub.repository.retire_trail(&retention).unwrap().rows, 0);
    let few = Retention { keep_days: None, most_rows: Some(10), address_days: None };
    hub.repository.retire_trail(&few).unwrap();
    assert!(rows(&hub.repository, &TrailFilter::default()).len() <= 11);
    let hub = hub.restarted();
    assert!(is_whole(&hub.repository));
}

#[test]
fn without_addresses_none_is_ever_written() {
    let hub = Hub::with_settings(|settings| settings.keeps_addresses = false);
    let mut visitor = hub.visitor();
    visitor.environment.ip = Some("203.0.113.77".parse().unwrap());
    let event = Event::by(&visitor, Kind::SessionStart, START).personal("userAgent", "Browser 1");
    hub.repository.record(event).unwrap();
    let all = rows(&hub.repository, &TrailFilter::default());
    assert!(all.iter().all(|row| row.entry.network.is_none() && row.entry.personal.is_none()));
}

#[test]
fn the_database_refuses_what_is_not_appending_or_retention() {
    let (hub, _) = Hub::public();
    hub.repository.flush_trail().unwrap();
    let database = Connection::open(hub.store_path()).unwrap();
    for deed in [
        "DELETE FROM audit",
        "DELETE FROM audit WHERE number = 1",
        "UPDATE audit SET principal = 'x'",
        "UPDATE audit SET personal = NULL, personal_salt = NULL",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE number = 1",
        "INSERT INTO audit SELECT number + 1000, previous, hash, time, kind, correlation, node, \
         principal, is_anonymous, session, entrance, app, network, network_salt, network_hash, \
         personal, personal_salt, personal_hash, details FROM audit WHERE number = 1",
        "DELETE FROM audit_head",
        "UPDATE audit_head SET number = 0",
    ] {
        assert!(database.execute_batch(deed).is_err(), "{deed}");
    }
    assert!(is_whole(&hub.repository));
    // Whoever goes past the triggers is found out.
    database.execute_batch("DROP TRIGGER audit_keep; DELETE FROM audit WHERE number = 2").unwrap();
    let found = hub.repository.verify_trail(None).unwrap().verdict.faults;
    assert_eq!((found[0].place, found[0].kind), (2, FaultKind::Missing { to: 2 }));
}

#[test]
fn the_end_of_the_trail_bears_the_seal_of_the_site() {
    let (hub, _) = Hub::public();
    let key = Key::new(&[3; 32]);
    let store = SqliteStore::open(&hub.store_path()).unwrap().sealed_by(key.clone());
    let settings = Settings::new(hub.folder.path().join("data"));
    let sealed = Repository::open(Arc::new(store), Arc::new(|| START), settings).unwrap();
    sealed.record(Event::new(Kind::AdminLogin, START)).unwrap();
    assert!(sealed.verify_trail(Some(&key)).unwrap().verdict.is_whole());
    let other = sealed.verify_trail(Some(&Key::new(&[4; 32]))).unwrap().verdict;
    assert_eq!(other.faults[0].kind, FaultKind::Unsealed);
    // Cutting the newest row off, past every trigger.
    let database = Connection::open(hub.store_path()).unwrap();
    database
        .execute_batch(
            "DROP TRIGGER audit_keep; DROP TRIGGER audit_head_grows; \
             DELETE FROM audit WHERE number = (SELECT number FROM audit_head); \
             UPDATE audit_head SET number = (SELECT max(number) FROM audit), \
             hash = (SELECT hash FROM audit ORDER BY number DESC LIMIT 1)",
        )
        .unwrap();
    assert!(!sealed.verify_trail(Some(&key)).unwrap().verdict.is_whole());
}

#[test]
fn the_trail_is_read_by_those_whose_rules_allow_it_and_never_by_visitors() {
    let (hub, _) = Hub::public();
    let auditor = hub.admin("audrey", "AuditAdmin");
    let page = hub.repository.trail(&auditor, &TrailFilter::default(), 5).unwrap();
    assert!(page.rows.len() == 5 && page.has_more);
    let next = TrailFilter { after: Some(page.rows[4].number), ..TrailFilter::default() };
    assert_eq!(hub.repository.trail(&auditor, &next, 5).unwrap().rows[0].number, 6);
    assert!(hub.repository.trail(&hub.user("ana"), &TrailFilter::default(), 5).is_err());
    // Not even by a rule that says so.
    let edit = RuleEdit {
        category: Some(loggia_model::entity::RuleCategory::Security),
        name: Some("Everything for all".to_owned()),
        condition: Some(String::new()),
        resource_filter: Some("*".to_owned()),
        actions: Some(2),
        context: Some(0),
        ..RuleEdit::default()
    };
    hub.repository.create_rule(&hub.server(), None, edit).unwrap();
    assert!(hub.repository.trail(&hub.user("ana"), &TrailFilter::default(), 5).is_ok());
    let refused = hub.repository.trail(&hub.visitor(), &TrailFilter::default(), 5);
    assert!(matches!(refused, Err(ManageError::Refused(_))));
}

#[test]
fn after_a_crash_the_next_run_says_so() {
    let hub = Hub::new();
    let said = |hub: &Hub| {
        let opened = of_kind(hub, Kind::TrailOpened);
        opened.last().unwrap().entry.detail_values()["afterCrash"].as_bool().unwrap()
    };
    hub.repository.open_trail().unwrap();
    assert!(!said(&hub));
    hub.repository.close_trail().unwrap();
    let hub = hub.restarted();
    hub.repository.open_trail().unwrap();
    assert!(!said(&hub));
    let hub = hub.restarted();
    hub.repository.open_trail().unwrap();
    assert!(said(&hub));
}
