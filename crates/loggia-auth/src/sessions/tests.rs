use std::collections::HashMap;

use loggia_model::VisitorId;
use uuid::Uuid;

use super::storing::BATCH;
use super::*;
use crate::persist::{SessionRow, SessionStoreError};
use crate::secret::SessionHash;

const ENTRANCE: VirtualProxyId = VirtualProxyId(Uuid::from_u128(1));
const OTHER: VirtualProxyId = VirtualProxyId(Uuid::from_u128(2));
const TIMES: Times = Times { inactivity_minutes: 30, lifetime_minutes: None };
const CAPS: VisitorCaps = VisitorCaps { in_total: 3, per_address: 2 };

fn visitor(sessions: &Sessions, address: &str, now: i64) -> Result<Begun, BeginError> {
    let address = Some(address.parse().unwrap());
    sessions.begin_visitor(ENTRANCE, TIMES, address, CAPS, Moment(now))
}

#[test]
fn a_cookie_opens_only_its_own_entrance() {
    let sessions = Sessions::in_memory();
    let begun = visitor(&sessions, "192.0.2.1", 0).unwrap();
    let cookie = begun.secret.reveal();
    let found = sessions.find(&cookie, ENTRANCE, Moment(1)).unwrap();
    assert_eq!(found.principal, begun.session.principal);
    assert!(sessions.find(&cookie, OTHER, Moment(1)).is_none());
    assert!(sessions.find("nonsense", ENTRANCE, Moment(1)).is_none());
    assert!(sessions.find(&"0".repeat(32), ENTRANCE, Moment(1)).is_none());
}

#[test]
fn inactivity_ends_a_session_and_activity_puts_it_off() {
    let sessions = Sessions::in_memory();
    let idle = visitor(&sessions, "192.0.2.1", 0).unwrap();
    let busy = visitor(&sessions, "192.0.2.1", 0).unwrap();
    let (idle_told, busy_told) = (idle.session.watch(), busy.session.watch());

    sessions.touch(&busy.session, Moment(20 * 60_000));
    assert_eq!(sessions.sweep(Moment(30 * 60_000 - 1)), 0);
    assert_eq!(sessions.sweep(Moment(30 * 60_000 + 1_000)), 1);
    assert_eq!(*idle_told.borrow(), Some(SessionEnd::TimedOut));
    assert_eq!(*busy_told.borrow(), None);

    assert_eq!(sessions.sweep(Moment(50 * 60_000 - 1)), 0);
    assert_eq!(sessions.sweep(Moment(50 * 60_000 + 1_000)), 1);
    assert_eq!(*busy_told.borrow(), Some(SessionEnd::TimedOut));
    assert_eq!(sessions.count(), 0);
}

#[test]
fn time_that_ran_out_counts_before_the_sweep_comes_round() {
    let sessions = Sessions::in_memory();
    let begun = visitor(&sessions, "192.0.2.1", 0).unwrap();
    assert!(sessions.find(&begun.secret.reveal(), ENTRANCE, Moment(30 * 60_000)).is_none());
    assert_eq!(begun.session.end(), Some(SessionEnd::TimedOut));
}

#[test]
fn a_shorter_timeout_reaches_the_sessions_that_are_there() {
    let sessions = Sessions::in_memory();
    let begun = visitor(&sessions, "192.0.2.1", 0).unwrap();
    let times = Times { inactivity_minutes: 1, lifetime_minutes: None };
    sessions.set_times(ENTRANCE, times);
    assert_eq!(sessions.sweep(Moment(62_000)), 1);
    assert_eq!(begun.session.end(), Some(SessionEnd::TimedOut));
}

#[test]
fn visitors_are_capped_per_address_and_in_total_until_one_leaves() {
    let sessions = Sessions::in_memory();
    let first = visitor(&sessions, "192.0.2.1", 0).unwrap();
    visitor(&sessions, "192.0.2.1", 0).unwrap();
    assert!(matches!(visitor(&sessions, "192.0.2.1", 0), Err(BeginError::FullForAddress(2))));
    visitor(&sessions, "192.0.2.2", 0).unwrap();
    assert!(matches!(visitor(&sessions, "192.0.2.3", 0), Err(BeginError::Full(3))));
    sessions.end(&first.session, SessionEnd::LoggedOut);
    sessions.end(&first.session, SessionEnd::Closed);
    visitor(&sessions, "192.0.2.3", 0).unwrap();
}

#[test]
fn one_dead_cookie_replayed_at_once_becomes_one_visitor() {
    let sessions = Sessions::in_memory();
    let dead = SessionSecret::random().unwrap();
    let ask = |address: &str, now: i64| {
        let address = Some(address.parse().unwrap());
        let caps = VisitorCaps { in_total: 9, per_address: 9 };
        sessions.begin_visitor_for(&dead, ENTRANCE, TIMES, address, caps, Moment(now)).unwrap()
    };
    let (secret, first) = ask("192.0.2.1", 0);
    assert!(secret.is_some());
    let (secret, second) = ask("192.0.2.1", 9_000);
    assert!(secret.is_none());
    assert_eq!(first.id, second.id);
    // Another address is another browser, whoever planted the cookie in both.
    assert_ne!(ask("192.0.2.9", 9_000).1.id, first.id);
    assert_ne!(ask("192.0.2.1", 10_000).1.id, first.id);
}

#[derive(Default, Clone)]
struct Shelf(Arc<Mutex<(HashMap<SessionHash, SessionRow>, bool)>>);

impl SessionStore for Shelf {
    fn save(&self, rows: &[SessionRow], ended: &[SessionHash]) -> Result<(), SessionStoreError> {
        let mut shelf = self.0.lock();
        if shelf.1 {
            return Err(SessionStoreError("away".into()));
        }
        for row in rows {
            shelf.0.insert(row.hash, row.clone());
        }
        for hash in ended {
            shelf.0.remove(hash);
        }
        Ok(())
    }

    fn load(&self, now: Moment) -> Result<Vec<SessionRow>, SessionStoreError> {
        Ok(self.0.lock().0.values().filter(|row| row.expires > now).cloned().collect())
    }
}

#[test]
fn a_restart_keeps_people_in_and_the_ended_out() {
    let shelf = Shelf::default();
    let sessions = Sessions::new(Box::new(shelf.clone()));
    let stays = visitor(&sessions, "192.0.2.1", 0).unwrap();
    let leaves = visitor(&sessions, "192.0.2.1", 0).unwrap();
    sessions.touch(&stays.session, Moment(1));
    sessions.touch(&leaves.session, Moment(1));
    sessions.save().unwrap();
    sessions.end(&leaves.session, SessionEnd::LoggedOut);

    shelf.0.lock().1 = true;
    assert!(sessions.save().is_err());
    shelf.0.lock().1 = false;
    sessions.save().unwrap();

    let again = Sessions::new(Box::new(shelf.clone()));
    assert_eq!(again.restore(Moment(1_000)).unwrap(), 1);
    let found = again.find(&stays.secret.reveal(), ENTRANCE, Moment(1_000)).unwrap();
    assert_eq!(found.principal, stays.session.principal);
    assert_eq!(found.csrf, stays.session.csrf);
    assert!(again.find(&leaves.secret.reveal(), ENTRANCE, Moment(1_000)).is_none());
    // The caps count those who were brought back.
    visitor(&again, "192.0.2.1", 1_000).unwrap();
    assert!(visitor(&again, "192.0.2.1", 1_000).is_err());

    let late = Sessions::new(Box::new(shelf));
    assert_eq!(late.restore(Moment(31 * 60_000)).unwrap(), 0);
}

#[test]
fn no_store_holds_a_secret() {
    let shelf = Shelf::default();
    let sessions = Sessions::new(Box::new(shelf.clone()));
    let begun = visitor(&sessions, "192.0.2.1", 0).unwrap();
    sessions.save().unwrap();
    assert_eq!(shelf.load(Moment(0)).unwrap(), [], "the cookie never came back");
    sessions.save_all().unwrap();
    let rows = shelf.load(Moment(0)).unwrap();
    assert_eq!(rows.len(), 1);
    assert!(!rows[0].json.contains(&begun.secret.reveal()));
}

#[test]
fn a_lifetime_ends_even_the_busiest_session() {
    let sessions = Sessions::in_memory();
    let times = Times { lifetime_minutes: Some(60), ..TIMES };
    let begun = sessions.begin_visitor(ENTRANCE, times, None, CAPS, Moment(0)).unwrap();
    let cookie = begun.secret.reveal();
    for minute in (0..60).step_by(10) {
        let now = Moment(0).plus_minutes(minute);
        sessions.sweep(now);
        let found = sessions.find(&cookie, ENTRANCE, now).unwrap();
        sessions.touch(&found, now);
    }
    assert!(sessions.find(&cookie, ENTRANCE, Moment(0).plus_minutes(60)).is_none());

    let shelf = Shelf::default();
    let sessions = Sessions::new(Box::new(shelf.clone()));
    sessions.begin_visitor(ENTRANCE, times, None, CAPS, Moment(0)).unwrap();
    sessions.save_all().unwrap();
    let again = Sessions::new(Box::new(shelf));
    assert_eq!(again.restore(Moment(1_000)).unwrap(), 1);
    let kept = again.all().pop().unwrap();
    again.touch(&kept, Moment(0).plus_minutes(59));
    assert_eq!(kept.expires(), Moment(0).plus_minutes(60), "a restart gives no more time");
    again.set_times(ENTRANCE, TIMES);
    assert_eq!(kept.expires(), Moment(0).plus_minutes(89), "a changed setting does");
}

#[test]
fn a_clock_that_jumps_ends_nobody_and_revives_nobody() {
    let shelf = Shelf::default();
    let sessions = Sessions::new(Box::new(shelf.clone()));
    let hour = 3_600_000;
    let (stays, left) =
        (visitor(&sessions, "192.0.2.1", hour).unwrap(), visitor(&sessions, "192.0.2.1", hour));
    let left = left.unwrap();
    sessions.save_all().unwrap();
    sessions.end(&left.session, SessionEnd::LoggedOut);
    // Backwards within a run, as no steady clock does: nothing gets shorter.
    sessions.touch(&stays.session, Moment(0));
    assert_eq!(stays.session.expires(), Moment(hour).plus_minutes(30));
    assert_eq!(sessions.sweep(Moment(0)), 0);
    sessions.save_all().unwrap();
    // Backwards between two runs: no session is extended by that, and the ended stay ended.
    let again = Sessions::new(Box::new(shelf));
    assert_eq!(again.restore(Moment(0)).unwrap(), 1);
    assert_eq!(again.all()[0].expires(), Moment(0).plus_minutes(30));
    assert!(again.find(&left.secret.reveal(), ENTRANCE, Moment(0)).is_none());
}

#[test]
fn a_trusted_caller_may_choose_the_cookie_once() {
    let sessions = Sessions::in_memory();
    let chosen = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let begin = || {
        let principal = Principal::Anonymous(VisitorId(Uuid::from_u128(1)));
        let secret = SessionSecret::parse(chosen).unwrap();
        sessions.begin_with_secret(NewSession::new(ENTRANCE, principal, 30), secret, Moment(0))
    };
    let begun = begin().unwrap();
    assert_eq!(sessions.find(chosen, ENTRANCE, Moment(1)).unwrap().id, begun.session.id);
    assert!(matches!(begin(), Err(BeginError::Taken)));
    assert_eq!(sessions.by_id(begun.session.id).unwrap().id, begun.session.id);
    sessions.end(&begun.session, SessionEnd::Closed);
    assert!(begin().is_ok());
}

#[test]
fn a_great_many_sessions_are_saved_in_small_batches() {
    #[derive(Clone, Default)]
    struct Largest(Arc<Mutex<(usize, usize)>>);
    impl SessionStore for Largest {
        fn save(&self, rows: &[SessionRow], _: &[SessionHash]) -> Result<(), SessionStoreError> {
            let mut seen = self.0.lock();
            *seen = (seen.0 + rows.len(), seen.1.max(rows.len()));
            Ok(())
        }

        fn load(&self, _: Moment) -> Result<Vec<SessionRow>, SessionStoreError> {
            Ok(Vec::new())
        }
    }
    let largest = Largest::default();
    let sessions = Sessions::new(Box::new(largest.clone()));
    for n in 0..2_500 {
        let principal = Principal::Anonymous(VisitorId(Uuid::from_u128(n)));
        sessions.begin(NewSession::new(ENTRANCE, principal, 30), Moment(0)).unwrap();
    }
    for session in sessions.all() {
        sessions.touch(&session, Moment(1));
    }
    sessions.save().unwrap();
    assert_eq!(*largest.0.lock(), (2_500, BATCH));
}
