//! Sessions that outlive the server: written in batches, and brought back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loggia_model::Moment;
use tracing::warn;

use crate::persist::{SessionRow, SessionStoreError};
use crate::secret::SessionHash;
use crate::session::{Session, Stored};
use crate::sessions::Sessions;

/// Sessions that are written at a time: their JSON is several times their own size.
pub(super) const BATCH: usize = 1_000;

#[derive(Default)]
pub(super) struct Unsaved {
    changed: Vec<Arc<Session>>,
    pub(super) ended: Vec<SessionHash>,
}

impl Sessions {
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
            self.count_in(&session.principal, session.entrance, session.address);
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

    pub(super) fn queue(&self, session: &Arc<Session>) {
        if !session.is_queued.swap(true, Ordering::Relaxed) {
            self.shared.unsaved.lock().changed.push(Arc::clone(session));
        }
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
