//! What the hub's answers say of streams and apps is the same for everybody who sees the same list
//! at the same entrance, so it is written once.

use std::sync::Arc;

use hashbrown::HashMap;
use loggia_model::VirtualProxyId;
use loggia_repository::HubStream;
use parking_lot::Mutex;

/// The bodies that are kept.
#[derive(Default)]
pub(crate) struct HubBodies(Mutex<Shelf>);

/// A hub, written.
pub(crate) struct HubBody {
    /// The `hub` member of the data block, by `loggia_proxy::page::written`.
    pub(crate) json: String,
    /// The same as plain links.
    pub(crate) html: String,
}

#[derive(Default)]
struct Shelf {
    bodies: HashMap<Key, Kept>,
    bytes: usize,
}

/// The list's address stands for the list: it cannot become another's while we hold it.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    streams: usize,
    entrance: VirtualProxyId,
}

struct Kept {
    streams: Arc<[HubStream]>,
    base: String,
    body: Arc<HubBody>,
}

/// Most bytes of bodies that are kept.
const LIMIT: usize = 16 * 1024 * 1024;

impl HubBodies {
    /// The body of this list at this entrance, made by `write` when it is new. `base` is the
    /// entrance's address, which stands in every link.
    pub(crate) fn get(
        &self,
        streams: &Arc<[HubStream]>,
        entrance: VirtualProxyId,
        base: &str,
        write: impl FnOnce() -> HubBody,
    ) -> Arc<HubBody> {
        let key = Key { streams: Arc::as_ptr(streams).cast::<HubStream>() as usize, entrance };
        if let Some(kept) = self.0.lock().bodies.get(&key)
            && kept.base == base
        {
            return Arc::clone(&kept.body);
        }
        let body = Arc::new(write());
        let mut shelf = self.0.lock();
        if shelf.bytes + body.size() > LIMIT {
            // Lists that the site no longer has go first.
            shelf.keep(|kept| Arc::strong_count(&kept.streams) > 1);
            if shelf.bytes + body.size() > LIMIT {
                shelf.keep(|_| false);
            }
        }
        let kept =
            Kept { streams: Arc::clone(streams), base: base.to_owned(), body: Arc::clone(&body) };
        shelf.bytes += body.size();
        if let Some(before) = shelf.bodies.insert(key, kept) {
            shelf.bytes -= before.body.size();
        }
        body
    }

    /// Lets go of lists that the site no longer has, so that they do not outlive it here.
    pub(crate) fn sweep(&self) {
        self.0.lock().keep(|kept| Arc::strong_count(&kept.streams) > 1);
    }
}

impl Shelf {
    fn keep(&mut self, is_kept: impl Fn(&Kept) -> bool) {
        self.bodies.retain(|_, kept| is_kept(kept));
        self.bytes = self.bodies.values().map(|kept| kept.body.size()).sum();
    }
}

impl HubBody {
    fn size(&self) -> usize {
        self.json.len() + self.html.len() + 128
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn body(text: &str) -> HubBody {
        HubBody { json: text.to_owned(), html: String::new() }
    }

    #[test]
    fn a_list_is_written_once_for_each_entrance_and_address() {
        let bodies = HubBodies::default();
        let (one, other) = (VirtualProxyId(Uuid::from_u128(1)), VirtualProxyId(Uuid::from_u128(2)));
        let streams: Arc<[HubStream]> = Arc::new([]);
        assert_eq!(bodies.get(&streams, one, "/a", || body("first")).json, "first");
        assert_eq!(bodies.get(&streams, one, "/a", || body("again")).json, "first");
        assert_eq!(bodies.get(&streams, other, "/b", || body("other")).json, "other");
        // The entrance got another prefix.
        assert_eq!(bodies.get(&streams, one, "/c", || body("moved")).json, "moved");
    }

    #[test]
    fn lists_that_are_gone_are_not_held() {
        let bodies = HubBodies::default();
        let streams: Arc<[HubStream]> = vec![].into();
        let seen = Arc::downgrade(&streams);
        bodies.get(&streams, VirtualProxyId(Uuid::nil()), "", || body("x"));
        drop(streams);
        bodies.sweep();
        assert_eq!(seen.strong_count(), 0);
        assert_eq!(bodies.0.lock().bytes, 0);
    }
}
