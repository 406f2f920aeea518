//! An engine session and the sockets attached to it: who gets what answer and which handles it
//! makes stale.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use loggia_model::{AppId, Caller, Moment, Principal};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::Host;
use crate::document::Document;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::frame::{self, Handles};
use crate::handle::{HandleTable, Target, interface};
use crate::layout;
use crate::view::View;

/// What tells engine sessions apart: a second socket with the same key attaches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) principal: Principal,
    /// Rights may depend on the entrance.
    pub(crate) entrance: String,
    /// The app's name in the address, which need not be the app that is opened.
    pub(crate) address: String,
    pub(crate) identity: String,
}

/// The state that all sockets of an engine session share.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Aside, since a session that has none open yet should be small.
    pub(crate) document: Option<Box<Document>>,
}

/// One socket's own part: its handles, its caller's view, its way out.
pub(crate) struct Socket {
    pub(crate) number: u64,
    pub(crate) caller: Caller,
    pub(crate) login_uri: Option<String>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) handles: Mutex<HandleTable>,
    pub(crate) view: RwLock<Arc<View>>,
    /// Requests that have not been answered, and whether the client took them back.
    pub(crate) pending: Mutex<HashMap<String, Arc<AtomicBool>>>,
    /// Bytes of the frames of those requests.
    pending_bytes: Arc<AtomicUsize>,
    /// What `ConfigureReload` asked for: whether script errors are kept for `GetProgress`.
    pub(crate) keeps_errors: AtomicBool,
    /// The app that was opened here and when, for the audit trail.
    pub(crate) opened: Mutex<Option<(AppId, Moment)>>,
    /// The sheet that was looked at last: its layout is asked for again with every selection.
    pub(crate) sheet: Mutex<Box<str>>,
    outbox: Outbox,
    backlog: AtomicUsize,
}

/// Bytes of answers that may wait for a client before no more of its requests are read.
const MAX_BACKLOG: usize = 16 * 1024 * 1024;
/// Requests of one socket that may wait.
const MAX_PENDING: usize = 256;
/// Bytes of the frames of one socket's requests that may wait, until no more are read. Read, a
/// frame may take twenty times its bytes.
const VISITOR_PENDING: usize = 512 * 1024;
const USER_PENDING: usize = 8 * 1024 * 1024;

/// A frame that was read and is not answered yet. It goes before the answer does.
pub(crate) struct Weight {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a socket's writer gets.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frame(String),
    /// The last frame; the socket closes after it.
    Last(String, crate::CloseReason),
}

/// Frames on their way out. A channel would keep room for dozens of them on each idle socket.
#[derive(Default)]
struct Outbox {
    frames: Mutex<VecDeque<Outgoing>>,
    filled: Notify,
}

impl Outbox {
    fn put(&self, frame: Outgoing) {
        self.frames.lock().push_back(frame);
        self.filled.notify_one();
    }

    /// Loses nothing when it is dropped while it waits.
    async fn take(&self) -> Outgoing {
        loop {
            {
                let mut frames = self.frames.lock();
                if let Some(frame) = frames.pop_front() {
                    if frames.is_empty() {
                        *frames = VecDeque::new();
                    }
                    return frame;
                }
            }
            self.filled.notified().await;
        }
    }
}

/// All sockets of an engine session.
#[derive(Debug, Default)]
pub(crate) struct Sockets(RwLock<BTreeMap<u64, Arc<Socket>>>);

impl Session {
    pub(crate) fn document(&self) -> Result<&Document, Fault> {
        self.document.as_deref().ok_or_else(Fault::no_active_app)
    }

    pub(crate) fn document_mut(&mut self) -> Result<&mut Document, Fault> {
        self.document.as_deref_mut().ok_or_else(Fault::no_active_app)
    }
}

impl Socket {
    pub(crate) fn new(
        number: u64,
        caller: Caller,
        login_uri: Option<String>,
        host: Arc<dyn Host>,
    ) -> Socket {
        Socket {
            number,
            caller,
            login_uri,
            host,
            handles: Mutex::default(),
            view: RwLock::default(),
            pending: Mutex::default(),
            pending_bytes: Arc::default(),
            keeps_errors: AtomicBool::new(false),
            opened: Mutex::default(),
            sheet: Mutex::default(),
            outbox: Outbox::default(),
            backlog: AtomicUsize::new(0),
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.read().clone()
    }

    /// Queues a frame. A socket that is gone loses it, which is what going away means.
    pub(crate) fn send(&self, frame: String) {
        self.backlog.fetch_add(frame.len(), Ordering::Relaxed);
        self.outbox.put(Outgoing::Frame(frame));
    }

    /// Queues the last frame.
    pub(crate) fn end(&self, frame: String, reason: crate::CloseReason) {
        self.outbox.put(Outgoing::Last(frame, reason));
    }

    /// The next frame for the client, when there is one. Only the socket's own writer asks.
    pub(crate) async fn queued(&self) -> Outgoing {
        let next = self.outbox.take().await;
        if let Outgoing::Frame(frame) = &next {
            self.backlog.fetch_sub(frame.len(), Ordering::Relaxed);
        }
        next
    }

    /// Counts a frame of `bytes` as waiting for as long as the weight lives.
    pub(crate) fn weigh(&self, bytes: usize) -> Weight {
        self.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        Weight { bytes, all: Arc::clone(&self.pending_bytes) }
    }

    /// Whether no more may be read from the client for now. Each answer is a reason to ask again.
    pub(crate) fn is_busy(&self) -> bool {
        let most = if self.caller.is_anonymous() { VISITOR_PENDING } else { USER_PENDING };
        self.backlog() >= MAX_BACKLOG
            || self.pending_bytes.load(Ordering::Relaxed) >= most
            || self.pending.lock().len() >= MAX_PENDING
    }

    /// Bytes of the frames that wait for the client.
    fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    /// The object interface of `target` on this socket.
    pub(crate) fn interface(
        &self,
        target: &Target,
        generic_type: &str,
        id: &str,
    ) -> Result<serde_json::Value, Fault> {
        let handle = self.handles.lock().give(target).map_err(|_| Fault::limit("handles"))?;
        Ok(interface(target.kind(), handle, generic_type, id))
    }

    /// Reads `effects` into this socket's handles, and forgets those that close.
    pub(crate) fn stale_handles(&self, document: Option<&Document>, effects: &Effects) -> Handles {
        let mut found = Handles::default();
        if effects.is_none() {
            return found;
        }
        let mut handles = self.handles.lock();
        for target in &effects.closed {
            found.close.extend(handles.close(target));
        }
        let view = self.view();
        found.change.extend(
            handles
                .iter()
                .filter(|(_, target)| is_stale(document, &view, target, effects))
                .map(|(handle, _)| handle),
        );
        found
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("number", &self.number)
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

impl Sockets {
    pub(crate) fn add(&self, socket: Arc<Socket>) {
        self.0.write().insert(socket.number, socket);
    }

    /// Takes a socket out and says how many are left.
    pub(crate) fn remove(&self, number: u64) -> usize {
        let mut sockets = self.0.write();
        sockets.remove(&number);
        sockets.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    pub(crate) fn list(&self) -> Vec<Arc<Socket>> {
        self.0.read().values().cloned().collect()
    }

    /// Ids of the objects that any socket has a handle of.
    pub(crate) fn held_objects(&self) -> HashSet<Arc<str>> {
        let mut held = HashSet::new();
        for socket in self.list() {
            for (_, target) in socket.handles.lock().iter() {
                if let Target::Object(id) = target {
                    held.insert(id.clone());
                }
            }
        }
        held
    }

    /// Tells every socket but `except` what `effects` mean to it.
    pub(crate) fn push(&self, document: Option<&Document>, effects: &Effects, except: Option<u64>) {
        if effects.is_none() {
            return;
        }
        for socket in self.list() {
            if Some(socket.number) == except {
                continue;
            }
            let handles = socket.stale_handles(document, effects);
            if !handles.is_empty() {
                socket.send(frame::push(&handles));
            }
        }
    }
}

fn is_stale(document: Option<&Document>, view: &View, target: &Target, effects: &Effects) -> bool {
    if effects.targets.contains(target) {
        return true;
    }
    match target {
        Target::Global | Target::Field { .. } => false,
        Target::Doc => effects.app || effects.selections,
        Target::Variable(_) => effects.data,
        Target::Dimension(_) | Target::Measure(_) | Target::Bookmark(_) => effects.data,
        Target::Object(id) => {
            let Some(document) = document else { return false };
            let Some(object) = document.object(view, id) else { return false };
            let effective = document.effective(view, &object);
            let depends = layout::dependencies(&effective);
            let on_selections = depends.on_data || depends.on_selections;
            (effects.selections && on_selections)
                || (effects.steps && depends.on_selections)
                || (effects.data && (depends.on_data || depends.on_items))
                || (effects.items && depends.on_items)
                || (depends.on_children && effects.parents.contains(id))
                || extends_one_of(&effective, effects)
        }
    }
}

fn extends_one_of(properties: &serde_json::Value, effects: &Effects) -> bool {
    properties
        .get("qExtendsId")
        .and_then(serde_json::Value::as_str)
        .is_some_and(|master| effects.targets.contains(&Target::Object(master.into())))
}
