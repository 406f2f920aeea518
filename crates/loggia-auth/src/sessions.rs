//! All sessions of this server: begun, found, kept alive and ended.

mod shard;
mod sharing;
mod storing;
mod visitors;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use loggia_model::{Moment, Principal, SessionEnd, SessionId, UserId, VirtualProxyId};
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tracing::{debug, info};

use crate::people::{People, Place};
use crate::persist::{Forgetful, SessionStore};
use crate::proof::Proof;
use crate::secret::{CsrfToken, HashHead, NoRandomness, SessionSecret, random_bytes};
use crate::session::{Beginning, Session};
use crate::sessions::shard::Shard;
use crate::sessions::sharing::Sharing;
use crate::sessions::storing::Unsaved;
pub use crate::sessions::visitors::VisitorCaps;
use crate::sessions::visitors::{Burst, BurstKey, VisitorCounts};

/// The sessions of this server; clones share them.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    shards: Vec<RwLock<Shard>>,
    visitors: Mutex<HashMap<VirtualProxyId, VisitorCounts>>,
    people: People,
    /// The latest moment that anybody named; at most a second ago while the sweep goes round.
    latest: AtomicI64,
    bursts: Mutex<HashMap<BurstKey, Burst>>,
    unsaved: Mutex<Unsaved>,
    /// Held while writing, so that what was taken first is written first.
    saving: Mutex<()>,
    /// None where no other server shares the store.
    sharing: Option<Sharing>,
    store: Box<dyn SessionStore>,
    on_end: OnceLock<Box<OnEnd>>,
}

/// Told of a session that ended, and why.
type OnEnd = dyn Fn(&Session, SessionEnd) + Send + Sync;

const SHARDS: usize = 64;

/// What a new session is for.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub entrance: VirtualProxyId,
    pub principal: Principal,
    pub inactivity_minutes: u32,
    /// Minutes after which it ends however busy it is; none is never.
    pub lifetime_minutes: Option<u32>,
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

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub inactivity_minutes: u32,
    /// None is for ever, as long as its holder is active.
    pub lifetime_minutes: Option<u32>,
}

/// Why no session was begun.
#[derive(Debug, Error)]
pub enum BeginError {
    #[error("the entrance has {0} visitors, as many as it takes")]
    Full(u32),
    #[error("one address has {0} visitors, as many as it may have")]
    FullForAddress(u32),
    #[error("there is a session of that id already")]
    Taken,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
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
            lifetime_minutes: None,
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
        Sessions::with(store, None)
    }

    /// No sessions yet, in a store that other servers use at the same time: what becomes of
    /// people's sessions is written at once, and [`Self::follow`] takes over what others wrote.
    #[must_use]
    pub fn shared(store: Box<dyn SessionStore>) -> Sessions {
        Sessions::with(store, Some(Sharing::default()))
    }

    fn with(store: Box<dyn SessionStore>, sharing: Option<Sharing>) -> Sessions {
        let mut shards = Vec::new();
        shards.resize_with(SHARDS, RwLock::default);
        Sessions {
            shared: Arc::new(Shared {
                shards,
                visitors: Mutex::default(),
                people: People::default(),
                latest: AtomicI64::new(i64::MIN),
                bursts: Mutex::default(),
                unsaved: Mutex::default(),
                saving: Mutex::default(),
                sharing,
                store,
                on_end: OnceLock::new(),
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
        self.count_in(&new.principal, new.entrance, new.address);
        self.start(new, now)
    }

    /// Begins a session whose cookie a trusted caller chose.
    pub fn begin_with_secret(
        &self,
        new: NewSession,
        secret: SessionSecret,
        now: Moment,
    ) -> Result<Begun, BeginError> {
        if self.shared.get(secret.hash().head()).is_some() {
            return Err(BeginError::Taken);
        }
        self.count_in(&new.principal, new.entrance, new.address);
        Ok(self.start_with(new, secret, &random_bytes()?, now))
    }

    /// Starts a session whose visitor, if it is one, has been counted.
    fn start(&self, new: NewSession, now: Moment) -> Result<Begun, BeginError> {
        let random: Random = random_bytes()?;
        Ok(self.start_with(new, SessionSecret::from_random(part(&random, 0)), &random, now))
    }

    fn start_with(
        &self,
        new: NewSession,
        secret: SessionSecret,
        random: &Random,
        now: Moment,
    ) -> Begun {
        let session = Arc::new(Session::begin(Beginning {
            hash: secret.hash(),
            id: SessionId(uuid::Builder::from_random_bytes(part(random, 1)).into_uuid()),
            csrf: CsrfToken::from_bytes(&part(random, 2)),
            entrance: new.entrance,
            principal: new.principal,
            address: new.address,
            attributes: new.attributes.into(),
            proof: new.proof,
            timeout_millis: minutes(new.inactivity_minutes),
            lifetime_millis: new.lifetime_minutes.map(minutes),
            now,
        }));
        self.insert(&session);
        // A visitor is written once their browser shows the cookie: most floods never do, and a
        // cookie that never came back is nobody's to lose.
        if !session.is_anonymous() || self.shared.sharing.is_some() {
            self.queue(&session);
        }
        self.tell_others(&session);
        log_start(&session);
        Begun { secret, session }
    }

    /// The living session of this entrance that the cookie value `presented` stands for.
    #[must_use]
    pub fn find(
        &self,
        presented: &str,
        entrance: VirtualProxyId,
        now: Moment,
    ) -> Option<Arc<Session>> {
        self.shared.note(now);
        let hash = SessionSecret::parse(presented)?.hash();
        let session = self.shared.get(hash.head()).or_else(|| self.look_up(&hash, now))?;
        if session.hash != hash || session.entrance != entrance {
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
        let tolerated = if self.shared.sharing.is_some() { 5_000 } else { 30_000 };
        if session.is_stale_in_store(tolerated) {
            self.queue(session);
        }
    }

    /// Ends a session; its sockets are told how.
    pub fn end(&self, session: &Arc<Session>, end: SessionEnd) {
        if let Some(sharing) = &self.shared.sharing {
            sharing.note_end(session);
        }
        self.shared.shard(session.hash.head()).write().remove(session.hash.head());
        if !session.finish(end) {
            return;
        }
        let now = Moment(self.shared.latest.load(Ordering::Relaxed));
        self.shared.people.remove(session, now);
        self.count_out(session);
        if !session.is_unknown_to_store() {
            self.shared.unsaved.lock().ended.push(session.hash);
        }
        self.tell_others(session);
        log_end(session, end);
        if let Some(observe) = self.shared.on_end.get() {
            observe(session, end);
        }
    }

    /// Calls `observe` with every session that ends here. The first observer stays; it must return
    /// soon.
    pub fn on_end(&self, observe: impl Fn(&Session, SessionEnd) + Send + Sync + 'static) {
        let _ = self.shared.on_end.set(Box::new(observe));
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
        self.shared.note(now);
        self.shared.people.sweep(now);
        let mut ended = 0;
        for shard in &self.shared.shards {
            let due = shard.write().take_due(second(now));
            for head in due {
                let Some(session) = self.shared.get(&head) else { continue };
                if session.expires() <= now {
                    self.end(&session, SessionEnd::TimedOut);
                    ended += 1;
                } else {
                    self.shared.schedule(&session);
                }
            }
        }
        ended
    }

    /// Applies an entrance's new inactivity timeout and lifetime to the sessions it has.
    pub fn set_times(&self, entrance: VirtualProxyId, times: Times) {
        for session in self.list(entrance) {
            let lifetime = times.lifetime_minutes.map(minutes);
            session.set_times(minutes(times.inactivity_minutes), lifetime);
            self.shared.schedule(&session);
            self.queue(&session);
        }
    }

    /// Sets for how many minutes a place stays taken that somebody at the limit of parallel
    /// sessions gives up at this entrance. It holds at once, also for places given up before.
    pub fn set_cool_down(&self, entrance: VirtualProxyId, minutes: u32) {
        self.shared.people.set_cool_down(entrance, i64::from(minutes) * 60_000);
    }

    /// Every living session, in no order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.shared
            .shards
            .iter()
            .flat_map(|shard| shard.read().all().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// How many sessions there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.shards.iter().map(|shard| shard.read().count()).sum()
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
            .find_map(|shard| shard.read().all().find(|session| session.id == id).cloned())
    }

    /// Ends all sessions of a person, and returns those that were ended.
    pub fn end_user(&self, user: UserId, end: SessionEnd) -> Vec<Arc<Session>> {
        let sessions = self.of_user(user);
        for session in &sessions {
            self.end(session, end);
        }
        sessions
    }

    /// Ends all other sessions of whoever holds this one; says how many. It may take over a place
    /// of theirs at once, however long the others rest.
    pub fn end_others(&self, session: &Session, end: SessionEnd) -> usize {
        let Principal::User { id, .. } = &session.principal else { return 0 };
        let mut others = self.of_user(*id);
        others.retain(|other| other.hash != session.hash);
        let inherits = !session.has_place() && others.iter().any(|other| other.has_place());
        for other in &others {
            self.end(other, end);
        }
        if inherits {
            self.shared.people.wake_last(*id);
        }
        others.len()
    }

    /// Counts this session for the limit of parallel sessions of a person, if there is room. An
    /// app is about to be opened in it.
    pub fn take_place(&self, session: &Arc<Session>, now: Moment) -> Place {
        self.shared.note(now);
        let place = self.shared.people.take_place(session, now);
        if place.is_taken {
            self.queue(session);
        }
        place
    }

    /// What [`Self::take_place`] would find, without counting the session.
    #[must_use]
    pub fn look_for_place(&self, session: &Arc<Session>, now: Moment) -> Place {
        self.shared.people.look_for_place(session, now)
    }

    /// The app was not opened after all: the session counts no longer, unless others are open.
    /// Follows a [`Self::take_place`] that took it, once.
    pub fn give_place_back(&self, session: &Arc<Session>) {
        self.shared.people.give_place_back(session);
        self.queue(session);
    }

    fn insert(&self, session: &Arc<Session>) {
        self.shared.people.add(session);
        self.shared.shard(session.hash.head()).write().insert(session);
    }
}

/// All that is random about a session, asked of the operating system at once: asking costs more
/// than anything else here.
type Random = [u8; 48];

fn part(random: &Random, index: usize) -> [u8; 16] {
    let mut part = [0; 16];
    for (byte, from) in part.iter_mut().zip(random.iter().skip(index * 16)) {
        *byte = *from;
    }
    part
}

impl Shared {
    fn shard(&self, head: &HashHead) -> &RwLock<Shard> {
        // The table below takes the first bytes.
        let at = head.last().map_or(0, |&byte| usize::from(byte)) % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "there are SHARDS shards from the start")]
        &self.shards[at]
    }

    fn get(&self, head: &HashHead) -> Option<Arc<Session>> {
        self.shard(head).read().get(head)
    }

    fn note(&self, now: Moment) {
        // Mostly known already, and then nothing is written that all processors share.
        if self.latest.load(Ordering::Relaxed) < now.0 {
            self.latest.fetch_max(now.0, Ordering::Relaxed);
        }
    }

    fn schedule(&self, session: &Session) {
        self.shard(session.hash.head()).write().schedule(session);
    }
}

/// People's sessions are few and of interest; visitors come by the thousand.
fn log_start(session: &Session) {
    let (id, principal, address) = (session.id, &session.principal, session.address);
    let address = address.as_ref().map(tracing::field::display);
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

#[cfg(test)]
mod tests;
