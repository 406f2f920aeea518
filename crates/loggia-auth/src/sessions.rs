//! All sessions of this server: begun, found, kept alive and ended.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use loggia_model::{Moment, Principal, SessionEnd, SessionId, UserId, VirtualProxyId, VisitorId};
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tracing::{debug, info, warn};

use crate::address::AddressBlock;
use crate::people::{People, Place};
use crate::persist::{Forgetful, SessionRow, SessionStore, SessionStoreError};
use crate::proof::Proof;
use crate::secret::{
    CsrfToken, HashHead, NoRandomness, SessionHash, SessionSecret, random_bytes, random_uuid,
};
use crate::session::{Beginning, Session, Stored};

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
}

/// A part of the sessions, with one lock for all that beginning one writes.
#[derive(Default)]
struct Shard {
    sessions: HashSet<Kept, BuildHasherDefault<PassThrough>>,
    /// Which sessions to look at in which second. A session that was active meanwhile is put
    /// back for later, so a sweep costs as much as there is to end, not as much as there is.
    deadlines: BTreeMap<i64, Vec<HashHead>>,
}

/// A session that is its own key: a copy of the key for each of a million would be 32 MB.
struct Kept(Arc<Session>);

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
    #[error("there is a session of that id already")]
    Taken,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Requests with one dead cookie within this time become one visitor: a laptop that wakes up
/// replays its old cookie on every open page at once.
const BURST_MILLIS: i64 = 10_000;
const MOST_BURSTS: usize = 10_000;
const SHARDS: usize = 64;
/// Sessions that are written at a time: their JSON is several times their own size.
const BATCH: usize = 1_000;

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

/// What is needed where other servers use the same store.
#[derive(Default)]
struct Sharing {
    /// Number of the last change that was taken over.
    last: AtomicI64,
    /// In which second others were looked at last.
    second: AtomicI64,
    /// What ended here lately, and in which second: the store may still tell otherwise.
    ends: Mutex<HashMap<HashHead, i64>>,
    /// Second and number of the latest look-ups.
    look_ups: Mutex<(i64, u32)>,
}

/// Look-ups in a second: cookies that nobody gave out must not become as many queries. What is not
/// looked up is there with the next [`Sessions::follow`].
const MOST_LOOK_UPS: u32 = 200;
/// Seconds for which an end is remembered at least.
const REMEMBERED_ENDS: i64 = 120;

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
        if matches!(new.principal, Principal::Anonymous(_)) {
            self.shared.visitors.lock().entry(new.entrance).or_default().add(new.address);
        }
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

    /// Begins a session for a visitor, within the entrance's caps.
    pub fn begin_visitor(
        &self,
        entrance: VirtualProxyId,
        times: Times,
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
        let new = NewSession {
            address,
            lifetime_minutes: times.lifetime_minutes,
            ..NewSession::new(entrance, principal, times.inactivity_minutes)
        };
        self.start(new, now)
    }

    /// The visitor that requests with this same dead cookie have become within the last seconds,
    /// or a new one. The secret is given once only: the other requests of the burst need none,
    /// since the browser gets it with the first answer.
    pub fn begin_visitor_for(
        &self,
        presented: &SessionSecret,
        entrance: VirtualProxyId,
        times: Times,
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
        let begun = self.begin_visitor(entrance, times, address, caps, now)?;
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
        self.shared.shard(session.hash.head()).write().sessions.remove(session.hash.head());
        if !session.finish(end) {
            return;
        }
        let now = Moment(self.shared.latest.load(Ordering::Relaxed));
        self.shared.people.remove(session, now);
        if session.is_anonymous() {
            let mut visitors = self.shared.visitors.lock();
            if let Some(counts) = visitors.get_mut(&session.entrance) {
                counts.remove(session.address);
            }
        }
        if !session.is_unknown_to_store() {
            self.shared.unsaved.lock().ended.push(session.hash);
        }
        self.tell_others(session);
        log_end(session, end);
    }

    /// Takes over what other servers made of sessions since the last call. Called once a second
    /// where servers share their store; blocks.
    pub fn follow(&self, now: Moment) -> Result<(), SessionStoreError> {
        let Some(sharing) = &self.shared.sharing else { return Ok(()) };
        loop {
            let since = sharing.last.load(Ordering::Relaxed);
            let changes = self.shared.store.changes(since)?;
            for row in changes.written {
                self.take_over(&row, now);
            }
            for hash in changes.ended {
                // Ending it here writes that once more: this server may have written the session
                // after the other one ended it.
                if let Some(session) = self.shared.get(hash.head()) {
                    self.end(&session, SessionEnd::Closed);
                }
            }
            sharing.last.store(changes.last, Ordering::Relaxed);
            if changes.last == since {
                sharing.forget(second(now));
                return Ok(());
            }
        }
    }

    /// Writes at once what another server may be asked about with the browser's next request.
    /// A person's session begins and ends rarely enough; visitors are written with the rest.
    fn tell_others(&self, session: &Session) {
        if self.shared.sharing.is_some() && !session.is_anonymous() {
            // What cannot be written now is tried again with the rest.
            if let Err(error) = self.save() {
                warn!(%error, "other servers do not know yet of a session");
            }
        }
    }

    /// A session that another server has begun a moment ago.
    fn look_up(&self, hash: &SessionHash, now: Moment) -> Option<Arc<Session>> {
        let sharing = self.shared.sharing.as_ref()?;
        if !sharing.may_look_up(second(now)) {
            return None;
        }
        match self.shared.store.find(hash) {
            Ok(row) => self.take_over(&row?, now),
            Err(error) => {
                warn!(%error, "cannot look for a session of another server");
                None
            }
        }
    }

    fn take_over(&self, row: &SessionRow, now: Moment) -> Option<Arc<Session>> {
        let stored: Stored = serde_json::from_str(&row.json).ok()?;
        let sharing = self.shared.sharing.as_ref()?;
        // Held until the session is in its place, so that no end slips in between.
        let ends = sharing.ends.lock();
        if stored.expires() <= now || ends.contains_key(row.hash.head()) {
            return None;
        }
        if let Some(session) = self.shared.get(row.hash.head()) {
            session.follow(&stored, now);
            return Some(session);
        }
        let session = Arc::new(Session::from_stored(row.hash, stored, now));
        if session.is_anonymous() {
            let mut visitors = self.shared.visitors.lock();
            visitors.entry(session.entrance).or_default().add(session.address);
        }
        self.insert(&session);
        Some(session)
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
            let due = {
                let mut shard = shard.write();
                let later = shard.deadlines.split_off(&(second(now) + 1));
                std::mem::replace(&mut shard.deadlines, later)
            };
            for head in due.into_values().flatten() {
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
        self.shared.shards.iter().map(|shard| shard.read().sessions.len()).sum()
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
            let session = Arc::new(Session::from_stored(row.hash, stored, now));
            if session.is_anonymous() {
                let mut visitors = self.shared.visitors.lock();
                visitors.entry(session.entrance).or_default().add(session.address);
            }
            self.insert(&session);
            count += 1;
        }
        Ok(count)
    }

    /// Writes what changed since the last call, a batch at a time. Blocks: never call it on a
    /// request's path.
    pub fn save(&self) -> Result<(), SessionStoreError> {
        let _saving = self.shared.saving.lock();
        loop {
            let batch = self.shared.unsaved.lock().take(BATCH);
            if batch.changed.is_empty() && batch.ended.is_empty() {
                return Ok(());
            }
            self.save_batch(batch)?;
        }
    }

    /// Writes everything, also the visitors whose browsers have not come back yet: the server
    /// stops, and they may come back to the next one.
    pub fn save_all(&self) -> Result<(), SessionStoreError> {
        for shard in &self.shared.shards {
            let unknown: Vec<Arc<Session>> = shard
                .read()
                .all()
                .filter(|session| session.is_unknown_to_store())
                .cloned()
                .collect();
            for session in &unknown {
                self.queue(session);
            }
            self.save()?;
        }
        self.save()
    }

    fn save_batch(&self, batch: Unsaved) -> Result<(), SessionStoreError> {
        let mut rows = Vec::with_capacity(batch.changed.len());
        for session in &batch.changed {
            let stored = session.to_stored();
            session.note_saved(&stored);
            session.is_queued.store(false, Ordering::Relaxed);
            if session.end().is_some() {
                continue;
            }
            match serde_json::to_string(&stored) {
                Ok(json) => {
                    rows.push(SessionRow { hash: session.hash, json, expires: stored.expires() });
                }
                Err(error) => warn!(%error, session = %session.id, "cannot write a session"),
            }
        }
        let outcome = self.shared.store.save(&rows, &batch.ended);
        if outcome.is_err() {
            // Kept for the next try: a store that was away for a while loses nobody.
            self.shared.unsaved.lock().ended.extend(batch.ended);
            for session in batch.changed.iter().filter(|session| session.end().is_none()) {
                self.queue(session);
            }
        }
        outcome
    }

    fn insert(&self, session: &Arc<Session>) {
        self.shared.people.add(session);
        let mut shard = self.shared.shard(session.hash.head()).write();
        shard.schedule(session);
        shard.sessions.insert(Kept(Arc::clone(session)));
    }

    fn queue(&self, session: &Arc<Session>) {
        if !session.is_queued.swap(true, Ordering::Relaxed) {
            self.shared.unsaved.lock().changed.push(Arc::clone(session));
        }
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
        self.shard(head).read().sessions.get(head).map(|kept| Arc::clone(&kept.0))
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

impl Shard {
    fn all(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions.iter().map(|kept| &kept.0)
    }

    fn schedule(&mut self, session: &Session) {
        let at = second(session.expires()) + 1;
        self.deadlines.entry(at).or_default().push(*session.hash.head());
    }
}

impl Borrow<HashHead> for Kept {
    fn borrow(&self) -> &HashHead {
        self.0.hash.head()
    }
}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash.head().hash(state);
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Kept) -> bool {
        self.0.hash.head() == other.0.hash.head()
    }
}

impl Eq for Kept {}

impl Sharing {
    fn note_end(&self, session: &Session) {
        let second = self.second.load(Ordering::Relaxed).max(second(session.last_active()));
        self.ends.lock().insert(*session.hash.head(), second);
    }

    fn forget(&self, now: i64) {
        self.second.store(now, Ordering::Relaxed);
        self.ends.lock().retain(|_, ended| *ended + REMEMBERED_ENDS > now);
    }

    fn may_look_up(&self, now: i64) -> bool {
        let mut look_ups = self.look_ups.lock();
        if look_ups.0 != now {
            *look_ups = (now, 0);
        }
        look_ups.1 += 1;
        look_ups.1 <= MOST_LOOK_UPS
    }
}

impl Unsaved {
    /// At most so many of each.
    fn take(&mut self, most: usize) -> Unsaved {
        let split = |length: usize| length.saturating_sub(most);
        let changed = self.changed.split_off(split(self.changed.len()));
        let ended = self.ended.split_off(split(self.ended.len()));
        Unsaved { changed, ended }
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
            fn save(
                &self,
                rows: &[SessionRow],
                _: &[SessionHash],
            ) -> Result<(), SessionStoreError> {
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
}
