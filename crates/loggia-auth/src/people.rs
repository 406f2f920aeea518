//! Which sessions does a person have, and how many of them count for the limit of parallel
//! sessions?

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use loggia_model::{Moment, Principal, UserId};
use parking_lot::Mutex;

use crate::session::Session;

/// The sessions of people, so that nothing about one person looks at everybody's.
#[derive(Debug, Default)]
pub(crate) struct People(Mutex<HashMap<UserId, Vec<Arc<Session>>>>);

/// Where a session stands among its holder's parallel sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Other sessions of the person that opened an app; none for a session that counts already,
    /// since nothing can be in its way.
    pub others: u32,
    /// The session counts from now on, and did not before.
    pub is_new: bool,
}

impl People {
    pub(crate) fn add(&self, session: &Arc<Session>) {
        if let Some(user) = user_of(session) {
            self.0.lock().entry(user).or_default().push(Arc::clone(session));
        }
    }

    pub(crate) fn remove(&self, session: &Session) {
        let Some(user) = user_of(session) else { return };
        let mut people = self.0.lock();
        if let Some(sessions) = people.get_mut(&user) {
            sessions.retain(|kept| kept.hash != session.hash);
            if sessions.is_empty() {
                people.remove(&user);
            }
        }
    }

    pub(crate) fn of(&self, user: UserId) -> Vec<Arc<Session>> {
        self.0.lock().get(&user).cloned().unwrap_or_default()
    }

    /// Counts and takes under one lock, so that two sessions cannot both take the last place.
    pub(crate) fn take_place(&self, session: &Session, most: u32, now: Moment) -> Place {
        let Some(user) = user_of(session) else { return Place::default() };
        let people = self.0.lock();
        let sessions = people.get(&user).map(Vec::as_slice).unwrap_or_default();
        let place = look(sessions, session, now);
        if session.has_place() || place.others >= most {
            return place;
        }
        session.has_place.store(true, Ordering::Relaxed);
        Place { is_new: true, ..place }
    }

    pub(crate) fn look_for_place(&self, session: &Session, now: Moment) -> Place {
        let Some(user) = user_of(session) else { return Place::default() };
        let people = self.0.lock();
        look(people.get(&user).map(Vec::as_slice).unwrap_or_default(), session, now)
    }
}

fn look(sessions: &[Arc<Session>], session: &Session, now: Moment) -> Place {
    if session.has_place() {
        return Place::default();
    }
    let is_counted = |other: &&Arc<Session>| {
        other.hash != session.hash && other.has_place() && other.expires() > now
    };
    let others = u32::try_from(sessions.iter().filter(is_counted).count()).unwrap_or(u32::MAX);
    Place { others, is_new: false }
}

fn user_of(session: &Session) -> Option<UserId> {
    match session.principal {
        Principal::User { id, .. } => Some(id),
        Principal::Anonymous(_) | Principal::Internal(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use loggia_model::{SessionEnd, UserKey, VirtualProxyId, VisitorId};
    use uuid::Uuid;

    use super::*;
    use crate::sessions::{NewSession, Sessions};

    fn begin(sessions: &Sessions, entrance: u128) -> Arc<Session> {
        let principal = Principal::User {
            id: UserId(Uuid::from_u128(7)),
            key: UserKey::new("LOGGIA", "ana").unwrap(),
        };
        let entrance = VirtualProxyId(Uuid::from_u128(entrance));
        sessions.begin(NewSession::new(entrance, principal, 30), Moment(0)).unwrap().session
    }

    #[test]
    fn only_sessions_that_opened_an_app_are_in_the_way_of_the_sixth() {
        let sessions = Sessions::in_memory();
        let _console: Vec<_> = (0..7).map(|_| begin(&sessions, 1)).collect();
        let five: Vec<_> = (0..5).map(|n| begin(&sessions, n % 2)).collect();
        for (others, session) in (0..).zip(&five) {
            assert_eq!(sessions.take_place(session, 5, Moment(0)), Place { others, is_new: true });
        }
        let sixth = begin(&sessions, 1);
        let refused = Place { others: 5, is_new: false };
        assert_eq!(sessions.take_place(&sixth, 5, Moment(0)), refused);
        assert_eq!(sessions.look_for_place(&sixth, Moment(0)), refused);
        assert_eq!(sessions.take_place(&five[0], 5, Moment(0)), Place::default());

        sessions.end(&five[1], SessionEnd::LoggedOut);
        assert!(sessions.take_place(&sixth, 5, Moment(0)).is_new, "one place is free at once");
        sessions.give_place_back(&sixth);
        // Those whose time ran out are in nobody's way, swept or not.
        assert_eq!(sessions.look_for_place(&sixth, Moment(30 * 60_000)).others, 0);

        assert_eq!(sessions.end_others(&sixth, SessionEnd::LoggedOut), 11);
        assert_eq!(sessions.count(), 1);
        assert_eq!(sessions.count_of(UserId(Uuid::from_u128(7))), 1);
    }

    #[test]
    fn visitors_have_no_limit() {
        let sessions = Sessions::in_memory();
        let entrance = VirtualProxyId(Uuid::from_u128(1));
        let visitor = Principal::Anonymous(VisitorId(Uuid::from_u128(1)));
        for _ in 0..9 {
            let new = NewSession::new(entrance, visitor.clone(), 30);
            let session = sessions.begin(new, Moment(0)).unwrap().session;
            assert_eq!(sessions.take_place(&session, 5, Moment(0)), Place::default());
            assert_eq!(sessions.end_others(&session, SessionEnd::LoggedOut), 0);
        }
    }
}
