//! What did this very session see a moment ago? Whom the rules take somebody for is found out from
//! everything the rules read of them. While neither the site nor anything that is known of them
//! has changed, the answer is the one they had.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap};
use loggia_model::{Caller, SessionId};
use parking_lot::Mutex;

use crate::Site;
use crate::guard::Guard;
use crate::hub::HubStream;

/// The hubs that were shown lately.
pub(crate) struct RecentHubs {
    shards: [Mutex<HashMap<SessionId, Seen>>; SHARDS],
    hasher: DefaultHashBuilder,
}

struct Seen {
    /// Version of the whole site, which says that nothing at all has changed.
    version: u64,
    caller: Caller,
    hub: Arc<[HubStream]>,
}

const SHARDS: usize = 16;
/// Sessions of a shard. Whoever is forgotten is found out anew, which takes microseconds.
const MOST: usize = 256;

impl RecentHubs {
    pub(crate) fn new() -> RecentHubs {
        let shards = std::array::from_fn(|_| Mutex::default());
        RecentHubs { shards, hasher: DefaultHashBuilder::default() }
    }

    /// The hub of the caller, found out by `find` when it was not shown to them lately.
    pub(crate) fn get(
        &self,
        guard: &Guard<'_>,
        find: impl FnOnce() -> Arc<[HubStream]>,
    ) -> Arc<[HubStream]> {
        let (site, caller) = (guard.site(), guard.caller());
        // What is not served may say anything under the versions of what is.
        let Some(session) = caller.session.filter(|_| site.is_served()) else { return find() };
        let shard = self.shard(session);
        if let Some(seen) = shard.lock().get(&session)
            && seen.version == site.version()
            && seen.caller == *caller
        {
            return Arc::clone(&seen.hub);
        }
        let hub = find();
        let seen = Seen { version: site.version(), caller: caller.clone(), hub: Arc::clone(&hub) };
        let mut shard = shard.lock();
        if shard.len() >= MOST && !shard.contains_key(&session) {
            shard.clear();
        }
        shard.insert(session, seen);
        hub
    }

    /// Lets go of what was shown of another site than this one.
    pub(crate) fn sweep(&self, site: &Site) {
        for shard in &self.shards {
            shard.lock().retain(|_, seen| seen.version == site.version());
        }
    }

    #[expect(clippy::indexing_slicing, reason = "the rest of a division by the number of shards")]
    fn shard(&self, session: SessionId) -> &Mutex<HashMap<SessionId, Seen>> {
        let hash = self.hasher.hash_one(session);
        &self.shards[usize::from(hash as u8) % SHARDS]
    }
}
