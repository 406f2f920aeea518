//! Which sessions does a person have, and how many of them count for the limit of parallel
//! sessions?
//!
//! A place that somebody at the limit gives up may stay taken for a while, where an entrance says
//! so. What rests is forgotten by a restart.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loggia_model::{Moment, PARALLEL_SESSIONS, Principal, UserId, VirtualProxyId};
use parking_lot::Mutex;

use crate::session::Session;

/// The sessions of people, so that nothing about one person looks at everybody's.
#[derive(Debug, Default)]
pub(crate) struct People(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<UserId, Vec<Arc<Session>>>,
    /// Places that were given up by people who had as many as they may have.
    freed: HashMap<UserId, Vec<Freed>>,
    /// Milliseconds for which such a place stays taken, by the entrance where it was given up;
    /// entrances that let nobody wait are not among them.
    cool_downs: HashMap<VirtualProxyId, i64>,
}

#[derive(Clone, Copy, Debug)]
struct Freed {
    at: Moment,
    entrance: VirtualProxyId,
}

/// Where a session stands among its holder's parallel sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Places of the person that are in the way: other sessions that opened an app, and places
    /// that rest. None for a session that counts already, since nothing can be in its way.
    pub others: u32,
    /// How many of them rest: their sessions ended, and their cool-down has not.
    pub resting: u32,
    /// When enough of those have rested; none where nothing is in the way, or where sessions are
    /// that live.
    pub wait: Option<Duration>,
    /// The session counts from now on, unless it is given back.
    pub is_taken: bool,
}

impl People {
    pub(crate) fn add(&self, session: &Arc<Session>) {
        if let Some(user) = user_of(session) {
            self.0.lock().sessions.entry(user).or_default().push(Arc::clone(session));
        }
    }

    pub(crate) fn remove(&self, session: &Session, now: Moment) {
        let Some(user) = user_of(session) else { return };
        let mut known = self.0.lock();
        let rests = session.has_place() && known.cool_downs.contains_key(&session.entrance);
        if rests && known.others(user, session, now) + 1 >= PARALLEL_SESSIONS {
            let freed = Freed { at: now, entrance: session.entrance };
            known.freed.entry(user).or_default().push(freed);
        }
        if let Some(sessions) = known.sessions.get_mut(&user) {
            sessions.retain(|kept| kept.hash != session.hash);
            if sessions.is_empty() {
                known.sessions.remove(&user);
            }
        }
    }

    pub(crate) fn of(&self, user: UserId) -> Vec<Arc<Session>> {
        self.0.lock().sessions.get(&user).cloned().unwrap_or_default()
    }

    /// Counts and takes under one lock, so that two sessions cannot both take the last place.
    pub(crate) fn take_place(&self, session: &Session, now: Moment) -> Place {
        let Some(user) = user_of(session) else { return Place::default() };
        let known = self.0.lock();
        let place = known.look(user, session, now);
        if place.others >= PARALLEL_SESSIONS {
            return place;
        }
        let opens = session.opens.load(Ordering::Relaxed);
        session.opens.store(opens.saturating_add(1), Ordering::Relaxed);
        Place { is_taken: true, ..place }
    }

    /// Undoes one [`Self::take_place`] that took it.
    pub(crate) fn give_place_back(&self, session: &Session) {
        let _known = self.0.lock();
        let opens = session.opens.load(Ordering::Relaxed);
        session.opens.store(opens.saturating_sub(1), Ordering::Relaxed);
    }

    pub(crate) fn look_for_place(&self, session: &Session, now: Moment) -> Place {
        let Some(user) = user_of(session) else { return Place::default() };
        self.0.lock().look(user, session, now)
    }

    /// Sets how long a place rests that is given up at the entrance, also for those that rest.
    pub(crate) fn set_cool_down(&self, entrance: VirtualProxyId, millis: i64) {
        let cool_downs = &mut self.0.lock().cool_downs;
        match millis {
            0 => cool_downs.remove(&entrance),
            _ => cool_downs.insert(entrance, millis),
        };
    }

    /// Lets the place that was given up last be taken at once.
    pub(crate) fn wake_last(&self, user: UserId) {
        if let Some(freed) = self.0.lock().freed.get_mut(&user) {
            freed.pop();
        }
    }

    /// Forgets places that have rested.
    pub(crate) fn sweep(&self, now: Moment) {
        let Known { freed, cool_downs, .. } = &mut *self.0.lock();
        freed.retain(|_, freed| {
            freed.retain(|freed| freed.rests_for(cool_downs, now).is_some());
            !freed.is_empty()
        });
    }
}

impl Known {
    fn look(&self, user: UserId, session: &Session, now: Moment) -> Place {
        if session.has_place() {
            return Place::default();
        }
        let others = self.others(user, session, now);
        let mut rests = self.rests(user, now);
        rests.sort_unstable();
        let resting = count(rests.len());
        // With the last of so many to wait for, one fewer is in the way than there may be.
        let wait = match others.checked_sub(PARALLEL_SESSIONS) {
            Some(excess) => rests.get(excess as usize).map(|rest| Duration::from_millis(*rest)),
            None => None,
        };
        Place { others, resting, wait, is_taken: false }
    }

    /// Places of the person beside this session's.
    fn others(&self, user: UserId, session: &Session, now: Moment) -> u32 {
        let is_counted = |other: &&Arc<Session>| {
            other.hash != session.hash && other.has_place() && other.expires() > now
        };
        let sessions = self.sessions.get(&user).map(Vec::as_slice).unwrap_or_default();
        count(sessions.iter().filter(is_counted).count() + self.rests(user, now).len())
    }

    /// Milliseconds for which the person's places still rest.
    fn rests(&self, user: UserId, now: Moment) -> Vec<u64> {
        let freed = self.freed.get(&user).map(Vec::as_slice).unwrap_or_default();
        freed.iter().filter_map(|freed| freed.rests_for(&self.cool_downs, now)).collect()
    }
}

impl Freed {
    /// Milliseconds for which the place still rests; none where it may be taken.
    fn rests_for(self, cool_downs: &HashMap<VirtualProxyId, i64>, now: Moment) -> Option<u64> {
        let cool_down = cool_downs.get(&self.entrance)?;
        let rest = cool_down.saturating_sub(now.millis_since(self.at).max(0));
        u64::try_from(rest).ok().filter(|rest| *rest > 0)
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn user_of(session: &Session) -> Option<UserId> {
    match session.principal {
        Principal::User { id, .. } => Some(id),
        Principal::Anonymous(_) | Principal::Internal(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use loggia_model::{SessionEnd, UserKey, VisitorId};
    use uuid::Uuid;

    use super::*;
    use crate::sessions::{NewSession, Sessions};

    const ANA: UserId = UserId(Uuid::from_u128(7));

    fn entrance(number: u128) -> VirtualProxyId {
        VirtualProxyId(Uuid::from_u128(number))
    }

    fn begin(sessions: &Sessions, at: u128) -> Arc<Session> {
        let key = UserKey::new("LOGGIA", "ana").unwrap();
        let new = NewSession::new(entrance(at), Principal::User { id: ANA, key }, 240);
        sessions.begin(new, Moment(0)).unwrap().session
    }

    fn taken(sessions: &Sessions, count: u128, now: Moment) -> Vec<Arc<Session>> {
        let begun = (0..count).map(|n| begin(sessions, n % 2));
        let opened = begun.inspect(|session| {
            assert!(sessions.take_place(session, now).is_taken);
        });
        opened.collect()
    }

    #[test]
    fn only_sessions_that_opened_an_app_are_in_the_way_of_the_sixth() {
        let sessions = Sessions::in_memory();
        let _console: Vec<_> = (0..7).map(|_| begin(&sessions, 1)).collect();
        let five: Vec<_> = (0..5).map(|n| begin(&sessions, n % 2)).collect();
        for (others, session) in (0..).zip(&five) {
            let place = Place { others, is_taken: true, ..Place::default() };
            assert_eq!(sessions.take_place(session, Moment(0)), place);
        }
        let sixth = begin(&sessions, 1);
        let refused = Place { others: 5, ..Place::default() };
        assert_eq!(sessions.take_place(&sixth, Moment(0)), refused);
        assert_eq!(sessions.look_for_place(&sixth, Moment(0)), refused);
        let again = Place { is_taken: true, ..Place::default() };
        assert_eq!(sessions.take_place(&five[0], Moment(0)), again);

        sessions.end(&five[1], SessionEnd::LoggedOut);
        assert!(sessions.take_place(&sixth, Moment(0)).is_taken, "one place is free at once");
        sessions.give_place_back(&sixth);
        // Those whose time ran out are in nobody's way, swept or not.
        assert_eq!(sessions.look_for_place(&sixth, Moment(240 * 60_000)).others, 0);

        assert_eq!(sessions.end_others(&sixth, SessionEnd::LoggedOut), 11);
        assert_eq!(sessions.count(), 1);
        assert_eq!(sessions.count_of(ANA), 1);
    }

    #[test]
    fn a_place_given_up_at_the_limit_rests_for_as_long_as_its_entrance_says() {
        let sessions = Sessions::in_memory();
        let minute = |minute: i64| Moment(0).plus_minutes(minute);
        let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
        sessions.set_cool_down(entrance(0), 5);
        let five = taken(&sessions, 5, minute(0));
        let sixth = begin(&sessions, 1);
        let look = |now: Moment| sessions.look_for_place(&sixth, now);

        sessions.sweep(minute(10));
        sessions.end(&five[0], SessionEnd::LoggedOut);
        let refused = Place { others: 5, resting: 1, wait: minutes(5), is_taken: false };
        assert_eq!(sessions.take_place(&sixth, minute(10)), refused);
        sessions.sweep(minute(13));
        sessions.end(&five[2], SessionEnd::TimedOut);
        let refused = Place { others: 5, resting: 2, wait: minutes(2), is_taken: false };
        assert_eq!(look(minute(13)), refused, "the first to have rested is free first");
        // A changed setting holds for those that rest, and so does its end.
        sessions.set_cool_down(entrance(0), 60);
        assert_eq!(look(minute(15)).wait, minutes(55));
        sessions.set_cool_down(entrance(0), 5);
        assert_eq!(look(minute(15)), Place { others: 4, resting: 1, ..Place::default() });
        assert!(sessions.take_place(&sixth, minute(15)).is_taken);

        let seventh = begin(&sessions, 0);
        assert_eq!(sessions.look_for_place(&seventh, minute(17)).wait, minutes(1));
        sessions.end(&five[1], SessionEnd::LoggedOut);
        assert_eq!(sessions.look_for_place(&seventh, minute(17)).others, 4, "not at the other");
    }

    #[test]
    fn nobody_below_the_limit_waits_and_nobody_who_ends_all_others_does() {
        let sessions = Sessions::in_memory();
        for at in 0..2 {
            sessions.set_cool_down(entrance(at), 5);
        }
        let four = taken(&sessions, 4, Moment(0));
        sessions.end(&four[0], SessionEnd::LoggedOut);
        let next = begin(&sessions, 0);
        assert_eq!(sessions.look_for_place(&next, Moment(0)).others, 3);
        let again = taken(&sessions, 2, Moment(0));
        assert_eq!(sessions.look_for_place(&next, Moment(0)).others, 5);

        sessions.end_others(&next, SessionEnd::LoggedOut);
        let place = Place { others: 4, resting: 4, wait: None, is_taken: true };
        assert_eq!(sessions.take_place(&next, Moment(0)), place, "it takes over one of theirs");
        let late = begin(&sessions, 0);
        sessions.end_others(&late, SessionEnd::LoggedOut);
        assert!(sessions.take_place(&late, Moment(0)).is_taken);
        sessions.end(&late, SessionEnd::LoggedOut);
        let last = begin(&sessions, 0);
        sessions.end_others(&last, SessionEnd::LoggedOut);
        let place = sessions.take_place(&last, Moment(0));
        assert_eq!((place.others, place.resting), (5, 5), "nobody was there to take over from");
        sessions.sweep(Moment(0).plus_minutes(5));
        assert!(sessions.take_place(&last, Moment(0).plus_minutes(5)).is_taken);
        drop(again);
    }

    #[test]
    fn an_open_that_fails_gives_back_its_own_place_only() {
        let sessions = Sessions::in_memory();
        let session = begin(&sessions, 0);
        assert!(sessions.take_place(&session, Moment(0)).is_taken);
        assert!(sessions.take_place(&session, Moment(0)).is_taken);
        sessions.give_place_back(&session);
        assert!(session.has_place(), "the other one is open");
        sessions.give_place_back(&session);
        assert!(!session.has_place());
    }

    #[test]
    fn visitors_have_no_limit() {
        let sessions = Sessions::in_memory();
        let visitor = Principal::Anonymous(VisitorId(Uuid::from_u128(1)));
        for _ in 0..9 {
            let new = NewSession::new(entrance(1), visitor.clone(), 30);
            let session = sessions.begin(new, Moment(0)).unwrap().session;
            assert_eq!(sessions.take_place(&session, Moment(0)), Place::default());
            assert_eq!(sessions.end_others(&session, SessionEnd::LoggedOut), 0);
        }
    }
}
