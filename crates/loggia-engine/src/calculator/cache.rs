//! A cache bounded in bytes in which two who want the same at once compute it once.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hashbrown::HashMap;

pub(crate) struct Cache<K, V> {
    limit: usize,
    entries: Mutex<Entries<K, V>>,
}

struct Entries<K, V> {
    by_key: HashMap<K, Entry<V>>,
    bytes: usize,
    clock: u64,
}

struct Entry<V> {
    value: Arc<OnceLock<V>>,
    bytes: usize,
    used: u64,
}

/// What an entry costs besides its value.
const OVERHEAD: usize = 256;

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(limit: usize) -> Cache<K, V> {
        Cache { limit, entries: Mutex::new(Entries { by_key: HashMap::new(), bytes: 0, clock: 0 }) }
    }

    /// The value kept for a key, or a new one. Whoever comes while it is computed waits for it.
    pub(crate) fn get<Q>(
        &self,
        key: &Q,
        compute: impl FnOnce() -> V,
        bytes: impl FnOnce(&V) -> usize,
    ) -> V
    where
        Q: Eq + Hash + ?Sized + ToOwned<Owned = K>,
        K: Borrow<Q>,
    {
        let slot = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.clock += 1;
            let now = entries.clock;
            match entries.by_key.get_mut(key) {
                Some(entry) => {
                    entry.used = now;
                    entry.value.clone()
                }
                None => {
                    let value = Arc::new(OnceLock::new());
                    let entry = Entry { value: value.clone(), bytes: OVERHEAD, used: now };
                    entries.by_key.insert(key.to_owned(), entry);
                    entries.bytes += OVERHEAD;
                    value
                }
            }
        };
        if let Some(value) = slot.get() {
            return value.clone();
        }
        let mut cost = None;
        let value = slot
            .get_or_init(|| {
                let value = compute();
                cost = Some(bytes(&value));
                value
            })
            .clone();
        if let Some(cost) = cost {
            self.account(key, cost);
        }
        value
    }

    fn account<Q>(&self, key: &Q, cost: usize)
    where
        Q: Eq + Hash + ?Sized,
        K: Borrow<Q>,
    {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = &mut *entries;
        if let Some(entry) = entries.by_key.get_mut(key) {
            entry.bytes += cost;
            entries.bytes += cost;
        }
        if entries.bytes <= self.limit {
            return;
        }
        // Down to three quarters at once, so that the sorting is paid for rarely.
        let mut by_age: Vec<(u64, K)> =
            entries.by_key.iter().map(|(key, entry)| (entry.used, key.clone())).collect();
        by_age.sort_unstable_by_key(|(used, _)| *used);
        for (_, key) in by_age {
            if entries.bytes <= self.limit / 4 * 3 {
                break;
            }
            if entries.by_key.get(&key).is_some_and(|entry| entry.value.get().is_some())
                && let Some(entry) = entries.by_key.remove(&key)
            {
                entries.bytes -= entry.bytes;
            }
        }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays_longest() {
        let cache: Cache<u32, u32> = Cache::new(10 * (OVERHEAD + 100));
        for key in 0..100 {
            assert_eq!(cache.get(&key, || key, |_| 100), key);
            assert_eq!(cache.get(&0, || 999, |_| 100), 0);
        }
        assert_eq!(cache.get(&1, || 777, |_| 100), 777);
    }
}
