//! One session: whose it is, since when, and how its sockets learn of its end.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use loggia_model::{Moment, Principal, SessionEnd, SessionId, VirtualProxyId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::proof::Proof;
use crate::secret::{CsrfToken, SessionHash};

/// One browser's stay at one entrance.
///
/// Identity never changes within a session: whoever signs in gets a new one.
#[derive(Debug)]
pub struct Session {
    pub id: SessionId,
    pub entrance: VirtualProxyId,
    pub principal: Principal,
    /// What forms and REST clients of this session must send back.
    pub csrf: CsrfToken,
    pub started: Moment,
    /// Where it was begun from.
    pub address: Option<IpAddr>,
    /// Session attributes of the sign-in, name and value.
    pub attributes: Box<[(String, String)]>,
    /// How its holder proved who they are; none for visitors.
    pub proof: Option<Box<Proof>>,
    agent: OnceLock<Arc<str>>,
    pub(crate) hash: SessionHash,
    last_active: AtomicI64,
    timeout_millis: AtomicI64,
    /// When it ends however busy it is.
    last_end: AtomicI64,
    ending: Mutex<Ending>,
    /// Already waiting for the next write to the store.
    pub(crate) is_queued: AtomicBool,
    saved_active: AtomicI64,
    /// How often an app was opened in it, or is about to be: from one on it counts for the limit
    /// of parallel sessions. A number, since an open that fails must not undo another one.
    pub(crate) opens: AtomicU32,
}

/// Most sessions never have a socket, and a watch channel is several times their size: it is made
/// when somebody first asks.
#[derive(Debug)]
enum Ending {
    Live,
    Watched(Box<watch::Sender<Option<SessionEnd>>>),
    Over(SessionEnd),
}

/// A session as the store keeps it. New fields are optional, so that old rows still open.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    id: SessionId,
    entrance: VirtualProxyId,
    principal: Principal,
    csrf: Box<str>,
    started: Moment,
    #[serde(default)]
    address: Option<IpAddr>,
    #[serde(default)]
    agent: Option<Box<str>>,
    #[serde(default)]
    attributes: Box<[(String, String)]>,
    #[serde(default)]
    proof: Option<Box<Proof>>,
    last_active: Moment,
    timeout_millis: i64,
    #[serde(default)]
    has_place: bool,
    /// None is never.
    #[serde(default)]
    last_end: Option<Moment>,
}

pub(crate) struct Beginning {
    pub(crate) hash: SessionHash,
    pub(crate) id: SessionId,
    pub(crate) csrf: CsrfToken,
    pub(crate) entrance: VirtualProxyId,
    pub(crate) principal: Principal,
    pub(crate) address: Option<IpAddr>,
    pub(crate) attributes: Box<[(String, String)]>,
    pub(crate) proof: Option<Box<Proof>>,
    pub(crate) timeout_millis: i64,
    pub(crate) lifetime_millis: Option<i64>,
    pub(crate) now: Moment,
}

impl Session {
    pub(crate) fn begin(from: Beginning) -> Session {
        Session {
            id: from.id,
            entrance: from.entrance,
            principal: from.principal,
            csrf: from.csrf,
            started: from.now,
            address: from.address,
            agent: OnceLock::new(),
            attributes: from.attributes,
            proof: from.proof,
            hash: from.hash,
            last_active: AtomicI64::new(from.now.0),
            timeout_millis: AtomicI64::new(from.timeout_millis),
            last_end: AtomicI64::new(last_end(from.now, from.lifetime_millis)),
            ending: Mutex::new(Ending::Live),
            is_queued: AtomicBool::new(false),
            saved_active: AtomicI64::new(i64::MIN),
            opens: AtomicU32::new(0),
        }
    }

    /// Takes a session up again. A wall clock that was set back meanwhile gives nobody more time
    /// than they have when they are active now.
    pub(crate) fn from_stored(hash: SessionHash, stored: Stored, now: Moment) -> Session {
        let last_active = stored.last_active.0.min(now.0);
        Session {
            id: stored.id,
            entrance: stored.entrance,
            principal: stored.principal,
            csrf: CsrfToken::parse(&stored.csrf),
            started: stored.started,
            address: stored.address,
            agent: stored
                .agent
                .map_or_else(OnceLock::new, |agent| OnceLock::from(Arc::from(agent))),
            attributes: stored.attributes,
            proof: stored.proof,
            hash,
            last_active: AtomicI64::new(last_active),
            timeout_millis: AtomicI64::new(stored.timeout_millis),
            last_end: AtomicI64::new(stored.last_end.map_or(i64::MAX, |end| end.0)),
            ending: Mutex::new(Ending::Live),
            is_queued: AtomicBool::new(false),
            saved_active: AtomicI64::new(last_active),
            opens: AtomicU32::new(stored.has_place.into()),
        }
    }

    pub(crate) fn to_stored(&self) -> Stored {
        Stored {
            id: self.id,
            entrance: self.entrance,
            principal: self.principal.clone(),
            csrf: (*self.csrf).into(),
            started: self.started,
            address: self.address,
            agent: self.agent().map(Box::from),
            attributes: self.attributes.clone(),
            proof: self.proof.clone(),
            last_active: self.last_active(),
            timeout_millis: self.timeout_millis.load(Ordering::Relaxed),
            has_place: self.has_place(),
            last_end: Some(Moment(self.last_end.load(Ordering::Relaxed)))
                .filter(|end| end.0 != i64::MAX),
        }
    }

    /// How its holder signed in; none for visitors.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.proof.as_ref().map(|proof| proof.method.as_str())
    }

    /// Browser, system and device that it was first used with; none before that.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent.get().map(|agent| &**agent)
    }

    /// Notes what the session is used with; the first word stays. Text that many share is kept once
    /// by whoever gives it.
    pub fn note_agent(&self, agent: impl FnOnce() -> Arc<str>) {
        self.agent.get_or_init(agent);
    }

    /// Whether an app was opened in it, so that it counts for the limit of parallel sessions.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.opens.load(Ordering::Relaxed) > 0
    }

    /// Whether it belongs to somebody who has not signed in.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.principal, Principal::Anonymous(_))
    }

    /// When its holder last did something.
    #[must_use]
    pub fn last_active(&self) -> Moment {
        Moment(self.last_active.load(Ordering::Relaxed))
    }

    /// When it ends unless something happens first.
    #[must_use]
    pub fn expires(&self) -> Moment {
        let timeout = self.timeout_millis.load(Ordering::Relaxed);
        let idle_end = self.last_active().0.saturating_add(timeout);
        Moment(idle_end.min(self.last_end.load(Ordering::Relaxed)))
    }

    /// How it ended; none while it lives.
    #[must_use]
    pub fn end(&self) -> Option<SessionEnd> {
        match &*self.ending.lock() {
            Ending::Over(end) => Some(*end),
            Ending::Live | Ending::Watched(_) => None,
        }
    }

    /// Tells the holder of a socket when the session ends, and how.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<SessionEnd>> {
        let mut ending = self.ending.lock();
        match &*ending {
            Ending::Watched(sender) => sender.subscribe(),
            Ending::Over(end) => watch::channel(Some(*end)).1,
            Ending::Live => {
                let (sender, receiver) = watch::channel(None);
                *ending = Ending::Watched(Box::new(sender));
                receiver
            }
        }
    }

    /// Notes activity. A clock that was set back never shortens a session.
    pub(crate) fn touch(&self, now: Moment) {
        self.last_active.fetch_max(now.0, Ordering::Relaxed);
    }

    pub(crate) fn set_times(&self, timeout_millis: i64, lifetime_millis: Option<i64>) {
        self.timeout_millis.store(timeout_millis, Ordering::Relaxed);
        self.last_end.store(last_end(self.started, lifetime_millis), Ordering::Relaxed);
    }

    /// Whether the store has never seen it, nor is about to.
    pub(crate) fn is_unknown_to_store(&self) -> bool {
        self.saved_active.load(Ordering::Relaxed) == i64::MIN
            && !self.is_queued.load(Ordering::Relaxed)
    }

    /// Whether the store's copy is so old that a restart would cost the holder noticeable time.
    pub(crate) fn is_stale_in_store(&self, tolerated_millis: i64) -> bool {
        let saved = self.saved_active.load(Ordering::Relaxed);
        self.last_active().0.saturating_sub(saved) > tolerated_millis
    }

    /// Takes over what another server wrote about the same session.
    pub(crate) fn follow(&self, stored: &Stored, now: Moment) {
        // What was written before its holder did something here tells nothing of what they did.
        let is_news = stored.last_active >= self.last_active();
        self.touch(stored.last_active.min(now));
        self.saved_active.fetch_max(stored.last_active.0, Ordering::Relaxed);
        if is_news && stored.has_place != self.has_place() {
            self.opens.store(stored.has_place.into(), Ordering::Relaxed);
        }
    }

    pub(crate) fn note_saved(&self, stored: &Stored) {
        self.saved_active.store(stored.last_active.0, Ordering::Relaxed);
    }

    /// Ends it and tells its watchers; false when it was over already.
    pub(crate) fn finish(&self, end: SessionEnd) -> bool {
        let mut ending = self.ending.lock();
        match std::mem::replace(&mut *ending, Ending::Over(end)) {
            Ending::Over(first) => {
                *ending = Ending::Over(first);
                false
            }
            Ending::Watched(sender) => {
                sender.send_replace(Some(end));
                true
            }
            Ending::Live => true,
        }
    }
}

impl Stored {
    pub(crate) fn expires(&self) -> Moment {
        let idle_end = Moment(self.last_active.0.saturating_add(self.timeout_millis));
        self.last_end.map_or(idle_end, |end| end.min(idle_end))
    }
}

fn last_end(started: Moment, lifetime_millis: Option<i64>) -> i64 {
    lifetime_millis.map_or(i64::MAX, |lifetime| started.0.saturating_add(lifetime))
}
