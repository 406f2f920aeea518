//! A cache bounded in bytes in which two who want the same at once compute it once.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    slot: Arc<Slot<V>>,
    bytes: usize,
    used: u64,
}

/// One value on its way.
struct Slot<V> {
    progress: Mutex<Progress<V>>,
    changed: Condvar,
}

enum Progress<V> {
    /// Somebody computes it.
    Running,
    Done(V),
    /// Whoever computed it was stopped or failed: those who waited begin again.
    GivenUp,
}

/// What an entry costs besides its value.
const OVERHEAD: usize = 256;

/// How often somebody who waits for another's result asks whether to stop waiting.
const PATIENCE: Duration = Duration::from_millis(20);

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(limit: usize) -> Cache<K, V> {
        Cache { limit, entries: Mutex::new(Entries { by_key: HashMap::new(), bytes: 0, clock: 0 }) }
    }

    /// The value kept for a key, or a new one. Whoever comes while it is computed waits for it, or until `stop` refuses.
    /// What was computed while `stop` came to refuse is neither kept nor given to anybody.
    pub(crate) fn get<Q, E>(
        &self,
        key: &Q,
        stop: impl Fn() -> Result<(), E>,
        compute: impl FnOnce() -> V,
        bytes: impl FnOnce(&V) -> usize,
    ) -> Result<V, E>
    where
        Q: Eq + Hash + ?Sized + ToOwned<Owned = K>,
        K: Borrow<Q>,
    {
        let claim = loop {
            let (slot, is_mine) = self.slot(key);
            if is_mine {
                break Claim { cache: self, key, slot, is_kept: false };
            }
            let mut progress = locked(&slot.progress);
            loop {
                match &*progress {
                    Progress::Done(value) => return Ok(value.clone()),
                    Progress::GivenUp => break,
                    Progress::Running => {}
                }
                stop()?;
                let waited = slot.changed.wait_timeout(progress, PATIENCE);
                progress = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        };
        let value = compute();
        stop()?;
        claim.keep(&value, bytes(&value));
        Ok(value)
    }

    /// The slot of a key, and whether it is the caller's to fill.
    fn slot<Q>(&self, key: &Q) -> (Arc<Slot<V>>, bool)
    where
        Q: Eq + Hash + ?Sized + ToOwned<Owned = K>,
        K: Borrow<Q>,
    {
        let mut entries = locked(&self.entries);
        entries.clock += 1;
        let now = entries.clock;
        if let Some(entry) = entries.by_key.get_mut(key) {
            entry.used = now;
            return (entry.slot.clone(), false);
        }
        let slot =
            Arc::new(Slot { progress: Mutex::new(Progress::Running), changed: Condvar::new() });
        let entry = Entry { slot: slot.clone(), bytes: OVERHEAD, used: now };
        entries.by_key.insert(key.to_owned(), entry);
        entries.bytes += OVERHEAD;
        (slot, true)
    }

    fn account<Q>(&self, key: &Q, cost: usize)
    where
        Q: Eq + Hash + ?Sized,
        K: Borrow<Q>,
    {
        let mut entries = locked(&self.entries);
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
            if entries.by_key.get(&key).is_some_and(|entry| entry.slot.is_done())
                && let Some(entry) = entries.by_key.remove(&key)
            {
                entries.bytes -= entry.bytes;
            }
        }
    }
}

/// The right to fill a slot. Dropped without a value, by a stop or by a panic, it leaves the key as if nobody had asked.
struct Claim<'c, Q, K, V>
where
    Q: Eq + Hash + ?Sized + ToOwned<Owned = K>,
    K: Borrow<Q> + Eq + Hash + Clone,
    V: Clone,
{
    cache: &'c Cache<K, V>,
    key: &'c Q,
    slot: Arc<Slot<V>>,
    is_kept: bool,
}

impl<Q, K, V> Claim<'_, Q, K, V>
where
    Q: Eq + Hash + ?Sized + ToOwned<Owned = K>,
    K: Borrow<Q> + Eq + Hash + Clone,
    V: Clone,
{
    fn keep(mut self, value: &V, cost: usize) {
        self.is_kept = true;
        self.slot.settle(Progress::Done(value.clone()));
        self.cache.account(self.key, cost);
    }
}

impl<Q, K, V> Drop for Claim<'_, Q, K, V>
where
    Q: Eq + Hash + ?Sized + ToOwned<Owned = K>,
    K: Borrow<Q> + Eq + Hash + Clone,
    V: Clone,
{
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let mut entries = locked(&self.cache.entries);
        if let Some(entry) = entries.by_key.remove(self.key) {
            entries.bytes -= entry.bytes;
        }
        drop(entries);
        self.slot.settle(Progress::GivenUp);
    }
}

impl<V> Slot<V> {
    fn settle(&self, progress: Progress<V>) {
        *locked(&self.progress) = progress;
        self.changed.notify_all();
    }

    fn is_done(&self) -> bool {
        matches!(*locked(&self.progress), Progress::Done(_))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn go_on() -> Result<(), Infallible> {
        Ok(())
    }

    #[test]
    fn what_was_used_last_stays_longest() {
        let cache: Cache<u32, u32> = Cache::new(10 * (OVERHEAD + 100));
        for key in 0..100 {
            assert_eq!(cache.get(&key, go_on, || key, |_| 100), Ok(key));
            assert_eq!(cache.get(&0, go_on, || 999, |_| 100), Ok(0));
        }
        assert_eq!(cache.get(&1, go_on, || 777, |_| 100), Ok(777));
    }

    #[test]
    fn those_who_waited_for_somebody_who_was_stopped_compute_for_themselves() {
        let cache: Cache<u32, &str> = Cache::new(1 << 20);
        let is_stopped = AtomicBool::new(false);
        let stop = || if is_stopped.load(Ordering::Relaxed) { Err("stopped") } else { Ok(()) };
        let (begun, has_begun) = mpsc::channel();
        let (finish, may_finish) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                let compute = move || {
                    let _ = begun.send(());
                    let _ = may_finish.recv();
                    "half"
                };
                cache.get(&7, stop, compute, |_| 1)
            });
            let _ = has_begun.recv();
            let second = scope.spawn(|| cache.get(&7, go_on, || "whole", |_| 1));
            is_stopped.store(true, Ordering::Relaxed);
            // Who is told to stop does not wait for others either.
            assert_eq!(cache.get(&7, stop, || "other", |_| 1), Err("stopped"));
            let _ = finish.send(());
            assert_eq!(first.join().ok(), Some(Err("stopped")));
            assert_eq!(second.join().ok(), Some(Ok("whole")));
        });
        assert_eq!(cache.get(&7, go_on, || "again", |_| 1), Ok("whole"));
        assert_eq!(locked(&cache.entries).bytes, OVERHEAD + 1);
    }
}
