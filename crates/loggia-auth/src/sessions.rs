//! All sessions of this server: begun, found, kept alive and ended.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use loggia_model::{Moment, Principal, SessionEnd, SessionId, UserId, VirtualProxyId, VisitorId};
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tracing::{debug, info, warn};

use crate::address::AddressBlock;
use crate::people::{People, Place};
use crate::persist::{Forgetful, SessionRow, SessionStore, SessionStoreError};
use crate::proof::Proof;
use crate::secret::{NoRandomness, SessionHash, SessionSecret, random_token, random_uuid};
use crate::session::{Beginning, Session, Stored};

/// The sessions of this server; clones share them.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    shards: Vec<Shard>,
    /// Which sessions to look at in which second. A session that was active meanwhile is put
    /// back for later, so a sweep costs as much as there is to end, not as much as there is.
    deadlines: Mutex<BTreeMap<i64, Vec<SessionHash>>>,
    visitors: Mutex<HashMap<VirtualProxyId, VisitorCounts>>,
    people: People,
    bursts: Mutex<HashMap<BurstKey, Burst>>,
    unsaved: Mutex<Unsaved>,
    store: Box<dyn SessionStore>,
}

type Shard = RwLock<HashMap<SessionHash, Arc<Session>, BuildHasherDefault<PassThrough>>>;

/// What a new session is for.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub entrance: VirtualProxyId,
    pub principal: Principal,
    pub inactivity_minutes: u32,
    pub address: Option<IpAddr>,
    pub attributes: Vec<(String, String)>,
    /// How its holder proved who they are; none for visitors.
    pub proof: Option<Box<Proof>>,
}

/// A session that was just begun, with the only copy of its secret.
#[derive(Debug)]
pub struct Begun {
    pub secret: SessionSecret,
    pub session: Arc<Session>,
}

/// How many visitors an entrance takes at a time.
#[derive(Clone, Copy, Debug)]
pub struct VisitorCaps {
    pub in_total: u32,
    pub per_address: u32,
}

/// Why no session was begun.
#[derive(Debug, Error)]
pub enum BeginError {
    #[error("the entrance has {0} visitors, as many as it takes")]
    Full(u32),
    #[error("one address has {0} visitors, as many as it may have")]
    FullForAddress(u32),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Requests with one dead cookie within this time become one visitor: a laptop that wakes up
/// replays its old cookie on every open page at once.
const BURST_MILLIS: i64 = 10_000;
const MOST_BURSTS: usize = 10_000;
const SHARDS: usize = 64;

#[derive(Default)]
struct VisitorCounts {
    total: u32,
    by_address: HashMap<AddressBlock, u32>,
}

/// The same dead cookie from another address is another browser, and never shares a session.
#[derive(PartialEq, Eq, Hash)]
struct BurstKey {
    presented: SessionHash,
    entrance: VirtualProxyId,
    address: AddressBlock,
}

struct Burst {
    session: Weak<Session>,
    begun: Moment,
}

#[derive(Default)]
struct Unsaved {
    changed: Vec<Arc<Session>>,
    ended: Vec<SessionHash>,
}

impl NewSession {
    /// A session without address or attributes.
    #[must_use]
    pub fn new(
        entrance: VirtualProxyId,
        principal: Principal,
        inactivity_minutes: u32,
    ) -> NewSession {
        NewSession {
            entrance,
            principal,
            inactivity_minutes,
            address: None,
            attributes: vec![],
            proof: None,
        }
    }
}

impl Sessions {
    /// No sessions yet; [`Self::restore`] brings back those of the last run.
    #[must_use]
    pub fn new(store: Box<dyn SessionStore>) -> Sessions {
        let mut shards = Vec::new();
        shards.resize_with(SHARDS, RwLock::default);
        Sessions {
            shared: Arc::new(Shared {
                shards,
                deadlines: Mutex::default(),
                visitors: Mutex::default(),
                people: People::default(),
                bursts: Mutex::default(),
                unsaved: Mutex::default(),
                store,
            }),
        }
    }

    /// Sessions that a restart forgets.
    #[must_use]
    pub fn in_memory() -> Sessions {
        Sessions::new(Box::new(Forgetful))
    }

    /// Begins a session for a principal who is known to be let in.
    pub fn begin(&self, new: NewSession, now: Moment) -> Result<Begun, BeginError> {
        if matches!(new.principal, Principal::Anonymous(_)) {
            self.shared.visitors.lock().entry(new.entrance).or_default().add(new.address);
        }
        self.start(new, now)
    }

    /// Starts a session whose visitor, if it is one, has been counted.
    fn start(&self, new: NewSession, now: Moment) -> Result<Begun, BeginError> {
        let secret = SessionSecret::random()?;
        let session = Arc::new(Session::begin(Beginning {
            hash: secret.hash(),
            id: SessionId(random_uuid()?),
            csrf: random_token()?.into(),
            entrance: new.entrance,
            principal: new.principal,
            address: new.address,
            attributes: new.attributes.into(),
            proof: new.proof,
            timeout_millis: minutes(new.inactivity_minutes),
            now,
        }));
        self.insert(&session);
        self.queue(&session);
        log_start(&session);
        Ok(Begun { secret, session })
    }

    /// Begins a session for a visitor, within the entrance's caps.
    pub fn begin_visitor(
        &self,
        entrance: VirtualProxyId,
        inactivity_minutes: u32,
        address: Option<IpAddr>,
        caps: VisitorCaps,
        now: Moment,
    ) -> Result<Begun, BeginError> {
        let principal = Principal::Anonymous(VisitorId(random_uuid()?));
        {
            // Checked and counted under one lock, so that a crowd cannot overrun the caps.
            let mut visitors = self.shared.visitors.lock();
            let counts = visitors.entry(entrance).or_default();
            counts.check(address, caps)?;
            counts.add(address);
        }
        let new =
            NewSession { address, ..NewSession::new(entrance, principal, inactivity_minutes) };
        self.start(new, now)
    }

    /// The visitor that requests with this same dead cookie have become within the last seconds,
    /// or a new one. The secret is given once only: the other requests of the burst need none,
    /// since the browser gets it with the first answer.
    pub fn begin_visitor_for(
        &self,
        presented: &SessionSecret,
        entrance: VirtualProxyId,
        inactivity_minutes: u32,
        address: Option<IpAddr>,
        caps: VisitorCaps,
        now: Moment,
    ) -> Result<(Option<SessionSecret>, Arc<Session>), BeginError> {
        let key = BurstKey {
            presented: presented.hash(),
            entrance,
            address: address.map_or_else(AddressBlock::unknown, AddressBlock::from),
        };
        let is_fresh = |burst: &Burst| {
            now.millis_since(burst.begun) < BURST_MILLIS && burst.session.strong_count() > 0
        };
        // Held until the session exists, so that two requests of a burst cannot both begin one.
        let mut bursts = self.shared.bursts.lock();
        if let Some(session) =
            bursts.get(&key).filter(|burst| is_fresh(burst)).and_then(|b| b.session.upgrade())
            && session.end().is_none()
        {
            return Ok((None, session));
        }
        let begun = self.begin_visitor(entrance, inactivity_minutes, address, caps, now)?;
        if bursts.len() >= MOST_BURSTS {
            bursts.retain(|_, burst| is_fresh(burst));
        }
        if bursts.len() < MOST_BURSTS {
            bursts.insert(key, Burst { session: Arc::downgrade(&begun.session), begun: now });
        }
        Ok((Some(begun.secret), begun.session))
    }

    /// The living session of this entrance that the cookie value `presented` stands for.
    #[must_use]
    pub fn find(
        &self,
        presented: &str,
        entrance: VirtualProxyId,
        now: Moment,
    ) -> Option<Arc<Session>> {
        let hash = SessionSecret::parse(presented)?.hash();
        let session = self.shared.shard(&hash).read().get(&hash).cloned()?;
        if session.entrance != entrance {
            return None;
        }
        if session.expires() <= now {
            // The next sweep would do it; nobody may slip in before.
            self.end(&session, SessionEnd::TimedOut);
            return None;
        }
        Some(session)
    }

    /// Notes that the session's holder did something, and restarts its inactivity timer.
    pub fn touch(&self, session: &Arc<Session>, now: Moment) {
        session.touch(now);
        if session.is_stale_in_store() {
            self.queue(session);
        }
    }

    /// Ends a session; its sockets are told how.
    pub fn end(&self, session: &Arc<Session>, end: SessionEnd) {
        self.shared.shard(&session.hash).write().remove(&session.hash);
        if !session.finish(end) {
            return;
        }
        self.shared.people.remove(session);
        if session.is_anonymous() {
            let mut visitors = self.shared.visitors.lock();
            if let Some(counts) = visitors.get_mut(&session.entrance) {
                counts.remove(session.address);
            }
        }
        self.shared.unsaved.lock().ended.push(session.hash);
        log_end(session, end);
    }

    /// Ends every session that `is_chosen` picks, and says how many.
    pub fn end_where(&self, end: SessionEnd, is_chosen: impl Fn(&Session) -> bool) -> usize {
        let chosen: Vec<Arc<Session>> =
            self.all().into_iter().filter(|session| is_chosen(session)).collect();
        for session in &chosen {
            self.end(session, end);
        }
        chosen.len()
    }

    /// Ends the sessions whose time ran out. Called once a second.
    pub fn sweep(&self, now: Moment) -> usize {
        let due = {
            let mut deadlines = self.shared.deadlines.lock();
            let later = deadlines.split_off(&(second(now) + 1));
            std::mem::replace(&mut *deadlines, later)
        };
        let mut ended = 0;
        for hash in due.into_values().flatten() {
            let Some(session) = self.shared.shard(&hash).read().get(&hash).cloned() else {
                continue;
            };
            if session.expires() <= now {
                self.end(&session, SessionEnd::TimedOut);
                ended += 1;
            } else {
                self.shared.schedule(&session);
            }
        }
        ended
    }

    /// Applies an entrance's new inactivity timeout to the sessions it has.
    pub fn set_timeout(&self, entrance: VirtualProxyId, inactivity_minutes: u32) {
        for session in self.all() {
            if session.entrance == entrance {
                session.set_timeout(minutes(inactivity_minutes));
                self.shared.schedule(&session);
                self.queue(&session);
            }
        }
    }

    /// Every living session, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.shared
            .shards
            .iter()
            .flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// How many sessions there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// How many sessions a person has, over all entrances.
    #[must_use]
    pub fn count_of(&self, user: UserId) -> usize {
        self.shared.people.of(user).len()
    }

    /// The sessions of a person, over all entrances.
    #[must_use]
    pub fn of_user(&self, user: UserId) -> Vec<Arc<Session>> {
        self.shared.people.of(user)
    }

    /// The living sessions of an entrance, in no order.
    #[must_use]
    pub fn list(&self, entrance: VirtualProxyId) -> Vec<Arc<Session>> {
        let mut sessions = self.all();
        sessions.retain(|session| session.entrance == entrance);
        sessions
    }

    /// The living session of that id.
    #[must_use]
    pub fn by_id(&self, id: SessionId) -> Option<Arc<Session>> {
        // Asked by administrators only: an index of its own would cost every visitor memory.
        self.shared
            .shards
            .iter()
            .find_map(|shard| shard.read().values().find(|session| session.id == id).cloned())
    }

    /// Ends all sessions of a person, and returns those that were ended.
    pub fn end_user(&self, user: UserId, end: SessionEnd) -> Vec<Arc<Session>> {
        let sessions = self.of_user(user);
        for session in &sessions {
            self.end(session, end);
        }
        sessions
    }

    /// Ends all other sessions of whoever holds this one; says how many.
    pub fn end_others(&self, session: &Session, end: SessionEnd) -> usize {
        let Principal::User { id, .. } = &session.principal else { return 0 };
        let mut others = self.of_user(*id);
        others.retain(|other| other.hash != session.hash);
        for other in &others {
            self.end(other, end);
        }
        others.len()
    }

    /// Counts this session for the limit of `most` parallel sessions a person, if there is room.
    /// An app is about to be opened in it.
    pub fn take_place(&self, session: &Arc<Session>, most: u32, now: Moment) -> Place {
        let place = self.shared.people.take_place(session, most, now);
        if place.is_new {
            self.queue(session);
        }
        place
    }

    /// What [`Self::take_place`] would find, without counting the session.
    #[must_use]
    pub fn look_for_place(&self, session: &Arc<Session>, now: Moment) -> Place {
        self.shared.people.look_for_place(session, now)
    }

    /// The app was not opened after all: the session counts no longer.
    pub fn give_place_back(&self, session: &Arc<Session>) {
        session.has_place.store(false, Ordering::Relaxed);
        self.queue(session);
    }

    /// Brings back the sessions of the last run that have time left; says how many.
    pub fn restore(&self, now: Moment) -> Result<usize, SessionStoreError> {
        let mut count = 0;
        for row in self.shared.store.load(now)? {
            let stored: Stored = match serde_json::from_str(&row.json) {
                Ok(stored) => stored,
                Err(error) => {
                    warn!(%error, "a stored session is unreadable and is left out");
                    continue;
                }
            };
            if stored.expires() <= now {
                continue;
            }
            let session = Arc::new(Session::from_stored(row.hash, stored));
            if session.is_anonymous() {
                let mut visitors = self.shared.visitors.lock();
                visitors.entry(session.entrance).or_default().add(session.address);
            }
            self.insert(&session);
            count += 1;
        }
        Ok(count)
    }

    /// Writes what changed since the last call. Blocks: never call it on a request's path.
    pub fn save(&self) -> Result<(), SessionStoreError> {
        let unsaved = std::mem::take(&mut *self.shared.unsaved.lock());
        if unsaved.changed.is_empty() && unsaved.ended.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(unsaved.changed.len());
        for session in &unsaved.changed {
            session.is_queued.store(false, Ordering::Relaxed);
            if session.end().is_some() {
                continue;
            }
            let stored = session.to_stored();
            match serde_json::to_string(&stored) {
                Ok(json) => {
                    session.note_saved(&stored);
                    rows.push(SessionRow { hash: session.hash, json, expires: stored.expires() });
                }
                Err(error) => warn!(%error, session = %session.id, "cannot write a session"),
            }
        }
        let outcome = self.shared.store.save(&rows, &unsaved.ended);
        if outcome.is_err() {
            // Kept for the next try: a store that was away for a while loses nobody.
            self.shared.unsaved.lock().ended.extend(unsaved.ended);
            for session in unsaved.changed.iter().filter(|session| session.end().is_none()) {
                self.queue(session);
            }
        }
        outcome
    }

    fn insert(&self, session: &Arc<Session>) {
        self.shared.schedule(session);
        self.shared.people.add(session);
        self.shared.shard(&session.hash).write().insert(session.hash, Arc::clone(session));
    }

    fn queue(&self, session: &Arc<Session>) {
        if !session.is_queued.swap(true, Ordering::Relaxed) {
            self.shared.unsaved.lock().changed.push(Arc::clone(session));
        }
    }
}

impl Shared {
    fn shard(&self, hash: &SessionHash) -> &Shard {
        let at = (hash.bucket() >> 48) as usize % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "there are SHARDS shards from the start")]
        &self.shards[at]
    }

    fn schedule(&self, session: &Session) {
        let at = second(session.expires()) + 1;
        self.deadlines.lock().entry(at).or_default().push(session.hash);
    }
}

impl VisitorCounts {
    fn check(&self, address: Option<IpAddr>, caps: VisitorCaps) -> Result<(), BeginError> {
        if self.total >= caps.in_total {
            return Err(BeginError::Full(self.total));
        }
        let block = address.map_or_else(AddressBlock::unknown, AddressBlock::from);
        match self.by_address.get(&block) {
            Some(&count) if count >= caps.per_address => Err(BeginError::FullForAddress(count)),
            _ => Ok(()),
        }
    }

    fn add(&mut self, address: Option<IpAddr>) {
        self.total = self.total.saturating_add(1);
        let block = address.map_or_else(AddressBlock::unknown, AddressBlock::from);
        let count = self.by_address.entry(block).or_default();
        *count = count.saturating_add(1);
    }

    fn remove(&mut self, address: Option<IpAddr>) {
        self.total = self.total.saturating_sub(1);
        let block = address.map_or_else(AddressBlock::unknown, AddressBlock::from);
        if let Some(count) = self.by_address.get_mut(&block) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_address.remove(&block);
            }
        }
    }
}

/// People's sessions are few and of interest; visitors come by the thousand.
fn log_start(session: &Session) {
    let address = session.address.map(|address| address.to_string());
    let (id, principal) = (session.id, &session.principal);
    if session.is_anonymous() {
        debug!(target: "loggia::session", session = %id, address, "visit of {principal} started");
    } else {
        info!(target: "loggia::session", session = %id, address, "session of {principal} started");
    }
}

fn log_end(session: &Session, end: SessionEnd) {
    let (id, principal) = (session.id, &session.principal);
    if session.is_anonymous() {
        debug!(target: "loggia::session", session = %id, ?end, "visit of {principal} ended");
    } else {
        info!(target: "loggia::session", session = %id, ?end, "session of {principal} ended");
    }
}

fn minutes(minutes: u32) -> i64 {
    i64::from(minutes.max(1)) * 60_000
}

fn second(moment: Moment) -> i64 {
    moment.0.div_euclid(1_000)
}

/// The keys are digests of secrets that we made: nobody can choose them to collide.
#[derive(Default)]
struct PassThrough(u64);

impl Hasher for PassThrough {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use uuid::Uuid;

    use super::*;

    const ENTRANCE: VirtualProxyId = VirtualProxyId(Uuid::from_u128(1));
    const OTHER: VirtualProxyId = VirtualProxyId(Uuid::from_u128(2));
    const CAPS: VisitorCaps = VisitorCaps { in_total: 3, per_address: 2 };

    fn visitor(sessions: &Sessions, address: &str, now: i64) -> Result<Begun, BeginError> {
        let address = Some(address.parse().unwrap());
        sessions.begin_visitor(ENTRANCE, 30, address, CAPS, Moment(now))
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
        sessions.set_timeout(ENTRANCE, 1);
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
            sessions.begin_visitor_for(&dead, ENTRANCE, 30, address, caps, Moment(now)).unwrap()
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
        fn save(
            &self,
            rows: &[SessionRow],
            ended: &[SessionHash],
        ) -> Result<(), SessionStoreError> {
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
        let rows = shelf.load(Moment(0)).unwrap();
        assert_eq!(rows.len(), 1);
        assert!(!rows[0].json.contains(&begun.secret.reveal()));
    }
}
