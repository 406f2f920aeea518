//! Servers that share their store: what one begins or ends, the others learn.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loggia_model::{Moment, SessionEnd};
use parking_lot::Mutex;
use tracing::warn;

use crate::persist::{SessionRow, SessionStoreError};
use crate::secret::{HashHead, SessionHash};
use crate::session::{Session, Stored};
use crate::sessions::{Sessions, second};

/// What is needed where other servers use the same store.
#[derive(Default)]
pub(super) struct Sharing {
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

impl Sessions {
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
    pub(super) fn tell_others(&self, session: &Session) {
        if self.shared.sharing.is_some() && !session.is_anonymous() {
            // What cannot be written now is tried again with the rest.
            if let Err(error) = self.save() {
                warn!(%error, "other servers do not know yet of a session");
            }
        }
    }

    /// A session that another server has begun a moment ago.
    pub(super) fn look_up(&self, hash: &SessionHash, now: Moment) -> Option<Arc<Session>> {
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
        self.count_in(&session.principal, session.entrance, session.address);
        self.insert(&session);
        Some(session)
    }
}

impl Sharing {
    pub(super) fn note_end(&self, session: &Session) {
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
