//! Opening apps: who is told what, and what it costs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use expect_test::expect;
use loggia_model::entity::PoolKind;
use loggia_model::{AppId, Caller, Moment};
use loggia_repository::seed::EVERYONE;
use loggia_repository::{
    Access, Allocations, Code, Gate, OpenAppError, PoolEdit, RuleEdit, StreamEdit, UserEdit,
    VisitInfo,
};
use loggia_rules::Action;
use uuid::Uuid;

use crate::fixture::{Hub, START};

fn open(hub: &Hub, caller: &Caller, app: AppId) -> Result<Option<Moment>, Code> {
    hub.repository
        .open_app(caller, app, &VisitInfo::default())
        .map(|opened| opened.access.until())
        .map_err(|error| error.refusal().unwrap().code)
}

fn used(hub: &Hub) -> Vec<(String, u64)> {
    let uses = hub.repository.pool_uses(&hub.server()).unwrap();
    uses.iter().map(|pool| (pool.pool.name.clone(), pool.used)).collect()
}

#[test]
fn a_visitor_opens_a_public_app_and_pays_by_activity() {
    let (hub, app) = Hub::public();
    let visitor = hub.visitor();
    let opened = hub.repository.open_app(&visitor, app, &VisitInfo::default()).unwrap();
    assert!(opened.may.contains(Action::Read));
    assert!(!opened.may.contains(Action::Update) && !opened.may.contains(Action::ExportData));
    assert_eq!(opened.access.until(), Some(START.plus_minutes(6)));
    assert_eq!(used(&hub), [("Visitors".to_owned(), 6)]);

    // The second app in the same browser, and everything inside the unit, is free.
    let other = hub.published_app("Weather", EVERYONE);
    open(&hub, &visitor, other).unwrap();
    hub.pass(5);
    hub.repository.keep_alive(&visitor, app, &VisitInfo::default()).unwrap();
    assert_eq!(used(&hub), [("Visitors".to_owned(), 6)]);
    // Idle time is free too; the next activity takes the next unit.
    hub.pass(40);
    assert_eq!(used(&hub), [("Visitors".to_owned(), 6)]);
    let access = hub.repository.keep_alive(&visitor, app, &VisitInfo::default()).unwrap();
    assert_eq!(access.until(), Some(START.plus_minutes(51)));
    assert_eq!(used(&hub), [("Visitors".to_owned(), 12)]);
    // A crash neither loses nor doubles a charge.
    let hub = hub.restarted();
    assert_eq!(used(&hub), [("Visitors".to_owned(), 12)]);
    hub.repository.keep_alive(&visitor, app, &VisitInfo::default()).unwrap();
    assert_eq!(used(&hub), [("Visitors".to_owned(), 12)]);
}

#[test]
fn twenty_six_active_minutes_are_five_units() {
    let (hub, app) = Hub::public();
    let visitor = hub.visitor();
    open(&hub, &visitor, app).unwrap();
    for _ in 0..26 {
        hub.repository.keep_alive(&visitor, app, &VisitInfo::default()).unwrap();
        hub.pass(1);
    }
    assert_eq!(used(&hub), [("Visitors".to_owned(), 30)]);
}

#[test]
fn each_requirement_alone_refuses_and_at_once() {
    let (hub, app) = Hub::public();
    let visitor = hub.visitor();
    open(&hub, &visitor, app).unwrap();
    let listed = |hub: &Hub| {
        hub.repository.hub(&visitor).unwrap().iter().map(|stream| stream.apps.len()).sum::<usize>()
    };
    let server = hub.server();
    let rule = |name: &str| {
        let site = hub.repository.site();
        site.rules().find(|rule| rule.name == name).unwrap().id
    };
    let switch = |name: &str, is_disabled: bool| {
        let edit = RuleEdit { is_disabled: Some(is_disabled), ..RuleEdit::default() };
        hub.repository.update_rule(&server, rule(name), None, edit).unwrap();
    };

    // The rule of the pool: still listed, not opened, although a unit was running.
    switch("Visitors admits", true);
    assert_eq!(open(&hub, &visitor, app), Err(Code::LicNone));
    assert_eq!(
        hub.repository
            .keep_alive(&visitor, app, &VisitInfo::default())
            .unwrap_err()
            .refusal()
            .unwrap()
            .gate,
        Gate::Licence
    );
    assert_eq!(listed(&hub), 1);
    // With seats of named people only, the visitor is told to sign in.
    hub.pool(PoolKind::Professional, "People", None, "!user.IsAnonymous()");
    assert_eq!(open(&hub, &visitor, app), Err(Code::LicAnonKind));
    switch("Visitors admits", false);
    open(&hub, &visitor, app).unwrap();

    // The rule of the stream: neither listed nor opened, as if it were not there.
    switch("StreamEveryoneAnonymous", true);
    assert_eq!(listed(&hub), 0);
    let hidden = hub.repository.open_app(&visitor, app, &VisitInfo::default()).unwrap_err();
    let unknown = AppId(Uuid::new_v4());
    let nothing = hub.repository.open_app(&visitor, unknown, &VisitInfo::default()).unwrap_err();
    for error in [&hidden, &nothing] {
        assert!(matches!(error, OpenAppError::Hidden { .. }), "{error:?}");
        assert_eq!(error.refusal().unwrap().reference.len(), 6);
    }
    switch("StreamEveryoneAnonymous", false);
    open(&hub, &visitor, app).unwrap();
    assert_eq!(used(&hub), [("People".to_owned(), 0), ("Visitors".to_owned(), 6)]);
}

#[test]
fn who_may_not_know_of_an_app_pays_nothing_and_learns_nothing() {
    let (hub, _) = Hub::public();
    let team = hub.stream("Team");
    let secret = hub.published_app("Budget", team);
    assert_eq!(open(&hub, &hub.visitor(), secret), Err(Code::RuleDenied));
    assert_eq!(used(&hub), [("Visitors".to_owned(), 0)]);
}

#[test]
fn a_pool_serves_exactly_what_it_has_however_many_come_at_once() {
    let hub = Hub::new();
    hub.visitors_pool(Some(60));
    let app = hub.published_app("Flights", EVERYONE);
    let (served, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    match open(&hub, &hub.visitor(), app) {
                        Ok(_) => served.fetch_add(1, Ordering::SeqCst),
                        Err(Code::LicEmpty) => refused.fetch_add(1, Ordering::SeqCst),
                        Err(other) => panic!("{other}"),
                    };
                }
            });
        }
    });
    assert_eq!((served.into_inner(), refused.into_inner()), (10, 30));
    assert_eq!(used(&hub), [("Visitors".to_owned(), 60)]);
    // The next month renews it: 24 November to 1 December.
    hub.pass(7 * 24 * 60);
    open(&hub, &hub.visitor(), app).unwrap();
    assert_eq!(used(&hub), [("Visitors".to_owned(), 6)]);
}

#[test]
fn the_same_browser_clicking_many_times_at_once_pays_once() {
    let (hub, app) = Hub::public();
    let visitor = hub.visitor();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(&hub, &visitor, app).unwrap());
        }
    });
    assert_eq!(used(&hub), [("Visitors".to_owned(), 6)]);
}

#[test]
fn a_person_takes_a_seat_once_and_keeps_it() {
    let (hub, app) = Hub::public();
    let (_, rule) = hub.pool(PoolKind::Professional, "People", Some(1), "!user.IsAnonymous()");
    let (ana, ben) = (hub.user("ana"), hub.user("ben"));
    assert_eq!(open(&hub, &ana, app), Ok(None));
    assert_eq!(open(&hub, &ana, app), Ok(None));
    assert_eq!(open(&hub, &ben, app), Err(Code::LicEmpty));
    // Deleting the rule does not take the seat back.
    hub.repository.delete_rule_with(&hub.server(), rule, Some(Allocations::Keep)).unwrap();
    assert_eq!(open(&hub, &ana, app), Ok(None));
    assert_eq!(open(&hub, &ben, app), Err(Code::LicNone));
    // Looking whether it would open costs nothing.
    let would = hub.repository.would_open_app(&hub.visitor(), app, &VisitInfo::default()).unwrap();
    assert!(matches!(would.access, Access::Held { kind: PoolKind::AnalyzerCapacity, .. }));
    assert_eq!(used(&hub), [("People".to_owned(), 1), ("Visitors".to_owned(), 0)]);
    // The sixth session is refused, whatever the person holds.
    let six = VisitInfo { parallel_sessions: 5, ..VisitInfo::default() };
    let refused = hub.repository.open_app(&ana, app, &six).unwrap_err();
    let refusal = refused.refusal().unwrap();
    assert_eq!((refusal.code, refusal.renews), (Code::LicSessions, None));
    // Where a place only rests, the refusal tells until when.
    let resting = VisitInfo { place_wait: Some(Duration::from_secs(60)), ..six };
    let refused = hub.repository.open_app(&ana, app, &resting).unwrap_err();
    let refusal = refused.refusal().unwrap();
    assert_eq!(refusal.renews, Some(refusal.time.plus_minutes(1)));
}

#[test]
fn a_blocked_person_is_refused_everywhere_at_once() {
    let (hub, app) = Hub::public();
    hub.pool(PoolKind::Professional, "People", None, "!user.IsAnonymous()");
    let ana = hub.user("ana");
    open(&hub, &ana, app).unwrap();
    let id = match &ana.principal {
        loggia_model::Principal::User { id, .. } => *id,
        _ => unreachable!("Ana has a row"),
    };
    let block = UserEdit { is_blocked: Some(true), ..UserEdit::default() };
    hub.repository.update_user(&hub.server(), id, None, block).unwrap();
    assert_eq!(open(&hub, &ana, app), Err(Code::AccInactive));
    let kept = hub.repository.keep_alive(&ana, app, &VisitInfo::default()).unwrap_err();
    assert!(matches!(kept, OpenAppError::Blocked { .. }), "{kept:?}");
    assert_eq!(hub.repository.hub(&ana).unwrap_err().code, Code::AccInactive);
    let resource = loggia_repository::Resource::App(app);
    assert!(!hub.repository.decide(&ana, &resource, Action::Read).is_allowed());
    assert!(hub.repository.privileges(&ana, &resource).is_empty());
    let edit = StreamEdit { name: Some("x".to_owned()), ..StreamEdit::default() };
    assert!(hub.repository.create_stream(&ana, None, edit).is_err());
}

#[test]
fn analyzer_access_makes_bookmarks_but_no_sheets_whatever_the_rules_say() {
    let hub = Hub::new();
    hub.pool(PoolKind::Analyzer, "Readers", None, "!user.IsAnonymous()");
    let app = hub.published_app("Flights", EVERYONE);
    let ana = hub.user("ana");
    open(&hub, &ana, app).unwrap();
    let object = |kind: &str| loggia_repository::ObjectEdit {
        object_type: Some(kind.to_owned()),
        ..loggia_repository::ObjectEdit::default()
    };
    hub.repository.create_object(&ana, app, object("bookmark")).unwrap();
    let refused = hub.repository.create_object(&ana, app, object("sheet")).unwrap_err();
    expect![["refused with LIC-NONE"]].assert_eq(&refused.to_string()[..21]);
}

#[test]
fn a_disabled_pool_serves_nobody_and_an_unlimited_one_is_still_metered() {
    let hub = Hub::new();
    let (pool, _) = hub.visitors_pool(None);
    let app = hub.published_app("Flights", EVERYONE);
    for _ in 0..3 {
        open(&hub, &hub.visitor(), app).unwrap();
    }
    assert_eq!(used(&hub), [("Visitors".to_owned(), 18)]);
    let edit = PoolEdit { is_disabled: Some(true), ..PoolEdit::default() };
    hub.repository.update_pool(&hub.server(), pool, None, edit).unwrap();
    assert_eq!(open(&hub, &hub.visitor(), app), Err(Code::LicNone));
}
