//! Where does what happened get written down? Events wait in memory, bounded, until a writer
//! appends them in groups; a change of the site is told in the change's own transaction.
//!
//! When the trail cannot be written, what an event is about decides ([`Class`]): the acts of
//! administrators are not done and denials are answered as unavailable, while visits go on, and
//! how many of them went untold is told as soon as it can be.
//!
//! [`Class`]: loggia_audit::Class

pub(crate) mod changes;
mod reading;
mod retention;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use loggia_audit::{Entry, Event, Kind};
use loggia_model::Moment;
use parking_lot::{Condvar, Mutex};
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use crate::Repository;
use crate::clock::Clock;
use crate::refusal::{Code, Gate, Refusal};
use crate::store::{Store, StoreError};

pub use reading::{TrailPage, TrailReport};
pub use retention::{Retention, Retired};

/// Events that wait for the writer. A busy site makes some thousand a second, and a group of a
/// thousand is written in some milliseconds.
const MOST_WAITING: usize = 65_536;
/// Of these, room that only denials may use: visits must not push them out.
const FOR_REFUSALS: usize = 8_192;
/// Written in one transaction; other writers wait meanwhile.
const GROUP: usize = 1_000;
/// How long events gather before they are written.
const GATHER: Duration = Duration::from_millis(100);

/// The trail cannot be written, and what must not go unrecorded is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the audit trail cannot be written, and so this was not done")]
pub struct AuditBlocked;

/// What is written about and how.
pub(crate) struct Trail {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    node: String,
    keeps_addresses: bool,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Held while writing, so that what came first is written first.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Entry>,
    lost: BTreeMap<Kind, u64>,
    first_lost: Option<Moment>,
    is_blocked: bool,
    is_closed: bool,
    written: BTreeMap<Kind, u64>,
    lost_ever: u64,
    refused_ever: u64,
}

/// How the trail does, for who watches the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailState {
    /// Events written since the start, by kind.
    pub written: BTreeMap<Kind, u64>,
    pub waiting: u64,
    /// Events that found no room since the start.
    pub lost: u64,
    /// Acts that were refused since they could not be recorded.
    pub refused: u64,
    pub is_blocked: bool,
}

impl Trail {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        node: &str,
        keeps_addresses: bool,
    ) -> Trail {
        Trail {
            store,
            clock,
            node: node.to_owned(),
            keeps_addresses,
            queue: Mutex::default(),
            wake: Condvar::new(),
            writing: Mutex::default(),
        }
    }

    /// Makes an event ready to be chained.
    pub(crate) fn entry(&self, event: Event) -> Entry {
        let mut event = if self.keeps_addresses { event } else { event.without_address() };
        if event.node.is_empty() {
            event.node.clone_from(&self.node);
        }
        // Random but for the six bits that say so.
        Entry::new(event, &mut || Uuid::new_v4().into_bytes())
    }

    /// Writes an event down, or sees to it that it will be.
    pub(crate) fn record(&self, event: Event) -> Result<(), AuditBlocked> {
        let kind = event.kind;
        let class = kind.class();
        if class == loggia_audit::Class::Management {
            return self.record_now(event);
        }
        let time = event.time;
        let entry = self.entry(event);
        let mut queue = self.queue.lock();
        let room = if class.fails_closed() { MOST_WAITING } else { MOST_WAITING - FOR_REFUSALS };
        let has_room = queue.waiting.len() < room;
        if has_room {
            queue.waiting.push_back(entry);
            // One waiter, who is woken by the first and gathers the rest.
            if queue.waiting.len() == 1 || queue.waiting.len() == GROUP {
                self.wake.notify_one();
            }
        } else {
            *queue.lost.entry(kind).or_default() += 1;
            queue.lost_ever += 1;
            queue.first_lost.get_or_insert(time);
        }
        if class.fails_closed() && (queue.is_blocked || !has_room) {
            queue.refused_ever += 1;
            return Err(AuditBlocked);
        }
        Ok(())
    }

    /// Writes an event, after all that wait, before this returns.
    fn record_now(&self, event: Event) -> Result<(), AuditBlocked> {
        let kind = event.kind;
        let entry = self.entry(event);
        let outcome = self.drain().and_then(|()| {
            let _writing = self.writing.lock();
            self.store.append_trail(std::slice::from_ref(&entry))
        });
        let mut queue = self.queue.lock();
        match outcome {
            Ok(()) => {
                *queue.written.entry(kind).or_default() += 1;
                Ok(())
            }
            Err(error) => {
                queue.refused_ever += 1;
                queue.is_blocked = true;
                drop(queue);
                tracing::error!(%error, "the audit trail cannot be written; {kind} is refused");
                Err(AuditBlocked)
            }
        }
    }

    /// Writes everything that waits.
    pub(crate) fn drain(&self) -> Result<(), StoreError> {
        let _writing = self.writing.lock();
        loop {
            let (group, lost, first) = {
                let mut queue = self.queue.lock();
                let many = queue.waiting.len().min(GROUP);
                let group: Vec<Entry> = queue.waiting.drain(..many).collect();
                (group, std::mem::take(&mut queue.lost), queue.first_lost.take())
            };
            if group.is_empty() && lost.is_empty() {
                self.queue.lock().is_blocked = false;
                return Ok(());
            }
            let mut entries = group;
            if !lost.is_empty() {
                entries.push(self.loss(&lost, first));
            }
            let outcome = self.store.append_trail(&entries);
            let mut queue = self.queue.lock();
            match outcome {
                Ok(()) => {
                    queue.is_blocked = false;
                    for entry in &entries {
                        if let Some(kind) = entry.known_kind() {
                            *queue.written.entry(kind).or_default() += 1;
                        }
                    }
                }
                Err(error) => {
                    if !lost.is_empty() {
                        entries.pop();
                        for (kind, count) in lost {
                            *queue.lost.entry(kind).or_default() += count;
                        }
                        queue.first_lost = first.or(queue.first_lost);
                    }
                    for entry in entries.into_iter().rev() {
                        queue.waiting.push_front(entry);
                    }
                    let was_blocked = std::mem::replace(&mut queue.is_blocked, true);
                    drop(queue);
                    if !was_blocked {
                        tracing::error!(%error, "the audit trail cannot be written");
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Logs a refusal and writes it down. Where that is not possible, the refusal is another one:
    /// nobody is told more than that the hub cannot do its work.
    pub(crate) fn refused(&self, mut refusal: Refusal) -> Refusal {
        refusal.log();
        let kind = match refusal.gate {
            Gate::Licence => Kind::LicenceDenied,
            _ => Kind::SessionDenied,
        };
        let mut event = Event::new(kind, refusal.time)
            .correlated(refusal.reference.clone())
            .with("code", refusal.code.as_str())
            .with("gate", refusal.gate.number())
            .with("finding", refusal.finding.clone());
        // Where nobody is known, logs name the address, which the trail must be able to forget.
        if refusal.principal.parse::<IpAddr>().is_err() {
            event.principal.clone_from(&refusal.principal);
        }
        event.is_anonymous = refusal.is_anonymous;
        event.session = refusal.session;
        event.entrance = refusal.entrance.to_string();
        event.app = refusal.app;
        event.address = refusal.address;
        if self.record(event).is_err() {
            refusal.code = Code::AuditBlocked;
            refusal.renews = None;
        }
        refusal
    }

    /// The number of events that nobody can tell any more.
    fn loss(&self, lost: &BTreeMap<Kind, u64>, first: Option<Moment>) -> Entry {
        let now = self.clock.now();
        let kinds: Map<String, Value> =
            lost.iter().map(|(kind, count)| (kind.as_str().to_owned(), (*count).into())).collect();
        let mut event = Event::new(Kind::TrailLost, now)
            .with("events", lost.values().sum::<u64>())
            .with("kinds", Value::Object(kinds));
        if let Some(first) = first {
            event = event.with("since", first.0);
        }
        self.entry(event)
    }

    /// Waits until there is something to write and it had time to gather. False once it is closed.
    fn wait(&self) -> bool {
        let mut queue = self.queue.lock();
        while queue.waiting.is_empty() && queue.lost.is_empty() && !queue.is_closed {
            self.wake.wait(&mut queue);
        }
        let pause = if queue.is_blocked { Duration::from_secs(1) } else { GATHER };
        if queue.waiting.len() < GROUP || queue.is_blocked {
            self.wake.wait_for(&mut queue, pause);
        }
        !queue.is_closed
    }
}

impl Drop for Trail {
    /// Whoever did one thing and leaves, such as a command line, leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.drain();
    }
}

impl Repository {
    /// Writes an event down, or sees to it that it will be: what administrators do is on the disk
    /// when this returns, all else waits for [`Repository::write_trail`]. Never waits for the
    /// store unless the event is of class *management*.
    pub fn record(&self, event: Event) -> Result<(), AuditBlocked> {
        self.inner.trail.record(event)
    }

    /// Logs a refusal and writes it down.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> Refusal {
        self.inner.trail.refused(refusal)
    }

    /// Writes the events that wait, at once.
    pub fn flush_trail(&self) -> Result<(), StoreError> {
        self.inner.trail.drain()
    }

    /// Writes events as they come, until the trail is closed: the work of one thread. Says first
    /// whether the node stopped in an orderly way the last time; what waited then is lost.
    pub fn write_trail(&self) {
        let trail = &self.inner.trail;
        while trail.wait() {
            // Told once when it begins to fail; what waits goes on waiting.
            let _ = trail.drain();
        }
    }

    /// Begins the trail of one run of a node, and says whether the run before ended by itself:
    /// otherwise up to a tenth of a second of visits went untold.
    pub fn open_trail(&self) -> Result<(), StoreError> {
        let trail = &self.inner.trail;
        let is_clean = self.stopped_cleanly()?;
        let event = Event::new(Kind::TrailOpened, self.now()).with("afterCrash", !is_clean);
        // A class that never fails closed.
        let _ = trail.record(event);
        trail.drain()
    }

    /// Writes what waits, and that this was the end.
    pub fn close_trail(&self) -> Result<(), StoreError> {
        let trail = &self.inner.trail;
        let _ = trail.record(Event::new(Kind::TrailClosed, self.now()));
        trail.queue.lock().is_closed = true;
        trail.wake.notify_all();
        trail.drain()
    }

    /// How the trail does.
    #[must_use]
    pub fn trail_state(&self) -> TrailState {
        let queue = self.inner.trail.queue.lock();
        TrailState {
            written: queue.written.clone(),
            waiting: queue.waiting.len() as u64,
            lost: queue.lost_ever,
            refused: queue.refused_ever,
            is_blocked: queue.is_blocked,
        }
    }
}
