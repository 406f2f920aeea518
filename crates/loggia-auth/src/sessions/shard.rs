//! A part of the sessions: where one is found by its hash, and looked at when its time is over.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use crate::secret::HashHead;
use crate::session::Session;
use crate::sessions::second;

/// A part of the sessions, with one lock for all that beginning one writes.
#[derive(Default)]
pub(super) struct Shard {
    sessions: HashSet<Kept, BuildHasherDefault<PassThrough>>,
    /// Which sessions to look at in which second. A session that was active meanwhile is put
    /// back for later, so a sweep costs as much as there is to end, not as much as there is.
    deadlines: BTreeMap<i64, Vec<HashHead>>,
}

/// A session that is its own key: a copy of the key for each of a million would be 32 MB.
struct Kept(Arc<Session>);

impl Shard {
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions.iter().map(|kept| &kept.0)
    }

    pub(super) fn count(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn get(&self, head: &HashHead) -> Option<Arc<Session>> {
        self.sessions.get(head).map(|kept| Arc::clone(&kept.0))
    }

    pub(super) fn insert(&mut self, session: &Arc<Session>) {
        self.schedule(session);
        self.sessions.insert(Kept(Arc::clone(session)));
    }

    pub(super) fn remove(&mut self, head: &HashHead) {
        self.sessions.remove(head);
    }

    /// Which sessions to look at by this second; they are scheduled no longer.
    pub(super) fn take_due(&mut self, second: i64) -> impl Iterator<Item = HashHead> + use<> {
        let later = self.deadlines.split_off(&(second + 1));
        std::mem::replace(&mut self.deadlines, later).into_values().flatten()
    }

    pub(super) fn schedule(&mut self, session: &Session) {
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
