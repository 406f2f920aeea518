//! What did somebody with the same rights see last? Requesters whom the rules cannot tell apart are
//! one [`Audience`], and an audience's lists are made once: a million visitors are usually one.
//!
//! A list is kept with the version since which nothing that it was made from has changed: the
//! facts and rules of every kind in reach of its kind. It is served while that version is the
//! site's, so it is never stale, and a change elsewhere costs it nothing. Lists are made once at a
//! time, bounded in bytes, and those not asked for lately go first.

use std::any::Any;
use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use loggia_model::Caller;
use loggia_model::entity::{App, AppObject, Stream};
use loggia_rules::{Action, Audience, Entity, KindSet, Listing, ResourceKind};
use parking_lot::Mutex;

use crate::guard::Guard;
use crate::hub::HubStream;
use crate::manage::{app_objects, apps, streams};
use crate::record::Record;
use crate::{Repository, Site};

/// The lists that are kept.
pub(crate) struct Lists {
    /// Most bytes of them.
    limit: usize,
    shelf: Mutex<Shelf>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How the kept lists do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListCache {
    /// Lists that were there when they were asked for.
    pub hits: u64,
    /// Lists that had to be made.
    pub misses: u64,
    pub entries: usize,
    /// Estimated bytes of all entries.
    pub bytes: usize,
}

/// Rows of one kind, in the order in which lists show them.
pub(crate) trait Listed: Clone + Send + Sync + 'static {
    const KIND: ResourceKind;

    fn all(site: &Site) -> impl Iterator<Item = &Self>;
    fn entity(&self) -> Entity;
    fn sort(rows: &mut [Self]);
}

/// What a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// Things of a kind on which the audience may do something.
    Rows(ResourceKind, Action),
    Hub,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    audience: Audience,
    subject: Subject,
}

#[derive(Default)]
struct Shelf {
    entries: HashMap<Key, Entry>,
    /// Every key once; the next to go, unless it was asked for since, is in front.
    queue: VecDeque<Key>,
    bytes: usize,
    /// Every subject that was ever kept, with its version when outdated lists were last let go.
    subjects: Vec<(Subject, u64)>,
}

/// Where a list is, or will be once it is made.
type Place = Arc<OnceLock<Box<dyn Any + Send + Sync>>>;

struct Entry {
    /// [`Subject::version`] of the site it was made from.
    version: u64,
    list: Place,
    bytes: usize,
    is_wanted: bool,
}

/// What an entry takes beside its key and its list: its places in the table and in the queue.
const ENTRY: usize = size_of::<Entry>() + 2 * size_of::<Key>() + 64;

impl Repository {
    /// The things of a kind on which the caller may do `action`, sorted. Complete.
    pub(crate) fn rows<T: Listed>(&self, guard: &Guard<'_>, action: Action) -> Arc<[T]> {
        self.inner.lists.get(
            guard,
            Subject::Rows(T::KIND, action),
            || rows(guard, action),
            |rows| size_of_val::<[T]>(rows),
        )
    }

    /// The hub as the caller sees it, made by `make` when nobody of the audience came before.
    pub(crate) fn kept_hub(
        &self,
        guard: &Guard<'_>,
        make: impl Fn() -> Arc<[HubStream]>,
    ) -> Arc<[HubStream]> {
        self.inner.lists.get(guard, Subject::Hub, make, |hub| {
            hub.iter().map(|stream| size_of_val(stream) + size_of_val(&*stream.apps)).sum()
        })
    }

    /// Those whom the rules cannot tell from the caller where things of this kind are concerned.
    #[must_use]
    pub fn audience_of(&self, caller: &Caller, kind: ResourceKind) -> Audience {
        let site = self.site();
        Guard::new(&site, caller, self.now()).audience(site.security().reach(kind))
    }

    /// How the kept lists do.
    #[must_use]
    pub fn list_cache(&self) -> ListCache {
        self.inner.lists.report()
    }
}

/// The rows one by one, without anything kept.
fn rows<T: Listed>(guard: &Guard<'_>, action: Action) -> Arc<[T]> {
    let facts = guard.facts(None);
    let mut listing =
        Listing::new(guard.site().security(), &facts, guard.context(), T::KIND, action);
    if listing.is_none() {
        return Arc::new([]);
    }
    let mut rows: Vec<T> = if listing.is_all() {
        T::all(guard.site()).cloned().collect()
    } else {
        T::all(guard.site()).filter(|row| listing.contains(&row.entity())).cloned().collect()
    };
    T::sort(&mut rows);
    rows.into()
}

impl Listed for Arc<Stream> {
    const KIND: ResourceKind = ResourceKind::Stream;

    fn all(site: &Site) -> impl Iterator<Item = &Arc<Stream>> {
        site.streams()
    }

    fn entity(&self) -> Entity {
        Record::Stream(self).entity()
    }

    fn sort(rows: &mut [Arc<Stream>]) {
        streams::sort(rows);
    }
}

impl Listed for Arc<App> {
    const KIND: ResourceKind = ResourceKind::App;

    fn all(site: &Site) -> impl Iterator<Item = &Arc<App>> {
        site.apps()
    }

    fn entity(&self) -> Entity {
        Record::App(self).entity()
    }

    fn sort(rows: &mut [Arc<App>]) {
        apps::sort(rows);
    }
}

impl Listed for Arc<AppObject> {
    const KIND: ResourceKind = ResourceKind::AppObject;

    fn all(site: &Site) -> impl Iterator<Item = &Arc<AppObject>> {
        site.objects()
    }

    fn entity(&self) -> Entity {
        Record::AppObject(self).entity()
    }

    fn sort(rows: &mut [Arc<AppObject>]) {
        app_objects::sort(rows);
    }
}

impl Subject {
    /// The kinds that decisions for the list read, or ask rules about.
    fn reach(self, site: &Site) -> KindSet {
        let reach = |kind| site.security().reach(kind);
        match self {
            Subject::Rows(kind, _) => reach(kind),
            Subject::Hub => reach(ResourceKind::Stream).union(reach(ResourceKind::App)),
        }
    }

    /// Nothing that the list is made from has changed since this version.
    fn version(self, site: &Site) -> u64 {
        match self {
            Subject::Rows(kind, _) => site.reach_version(kind),
            Subject::Hub => site
                .reach_version(ResourceKind::Stream)
                .max(site.reach_version(ResourceKind::App))
                .max(site.names_version()),
        }
    }
}

impl Lists {
    pub(crate) fn new(limit: usize) -> Lists {
        Lists { limit, shelf: Mutex::default(), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    fn get<T: Clone + Send + Sync + 'static>(
        &self,
        guard: &Guard<'_>,
        subject: Subject,
        make: impl Fn() -> T,
        bytes: impl FnOnce(&T) -> usize,
    ) -> T {
        // What is not served may say anything under the versions of what is.
        if !guard.site().is_served() {
            return make();
        }
        let key = Key { audience: guard.audience(subject.reach(guard.site())), subject };
        let version = subject.version(guard.site());
        let Some(list) = self.shelf.lock().place(&key, version) else {
            // Somebody is on a later site already; what they keep stays.
            self.misses.fetch_add(1, Ordering::Relaxed);
            return make();
        };
        let mut made = None;
        // Whoever is first makes it; who comes meanwhile waits for it.
        let kept = list.get_or_init(|| {
            let list = make();
            made = Some(bytes(&list));
            Box::new(list)
        });
        match made {
            Some(bytes) => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                self.shelf.lock().weigh(&key, &list, bytes, self.limit);
            }
            None => {
                self.hits.fetch_add(1, Ordering::Relaxed);
            }
        }
        // A subject has lists of one type, so this is a clone.
        kept.downcast_ref::<T>().cloned().unwrap_or_else(make)
    }

    /// Lets go of lists that no reader of this site or a later one can use, and of the rows in
    /// them.
    pub(crate) fn sweep(&self, site: &Site) {
        self.shelf.lock().sweep(site);
    }

    fn report(&self) -> ListCache {
        let shelf = self.shelf.lock();
        ListCache {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: shelf.entries.len(),
            bytes: shelf.bytes,
        }
    }
}

impl Shelf {
    /// The place of a list, new or filled; none when a later one has it.
    fn place(&mut self, key: &Key, version: u64) -> Option<Place> {
        if let Some(entry) = self.entries.get_mut(key) {
            if entry.version == version {
                entry.is_wanted = true;
                return Some(entry.list.clone());
            }
            if entry.version > version {
                return None;
            }
            self.bytes -= entry.bytes;
        } else {
            self.queue.push_back(key.clone());
            if !self.subjects.iter().any(|(subject, _)| *subject == key.subject) {
                self.subjects.push((key.subject, version));
            }
        }
        let bytes = ENTRY + key.audience.size();
        let list = Arc::new(OnceLock::new());
        let entry = Entry { version, list: list.clone(), bytes, is_wanted: false };
        self.entries.insert(key.clone(), entry);
        self.bytes += bytes;
        Some(list)
    }

    /// Counts a list that was made, and lets others go when all are too much.
    fn weigh(&mut self, key: &Key, list: &Place, bytes: usize, limit: usize) {
        // It may have been let go of while it was made.
        if let Some(entry) = self.entries.get_mut(key).filter(|e| Arc::ptr_eq(&e.list, list)) {
            entry.bytes += bytes;
            self.bytes += bytes;
        }
        while self.bytes > limit {
            let Some(key) = self.queue.pop_front() else { return };
            match self.entries.get_mut(&key) {
                Some(entry) if entry.is_wanted => {
                    entry.is_wanted = false;
                    self.queue.push_back(key);
                }
                _ => {
                    if let Some(entry) = self.entries.remove(&key) {
                        self.bytes -= entry.bytes;
                    }
                }
            }
        }
    }

    fn sweep(&mut self, site: &Site) {
        let mut is_same = true;
        for (subject, swept) in &mut self.subjects {
            let version = subject.version(site);
            is_same &= *swept == version;
            *swept = version;
        }
        if is_same {
            return;
        }
        let (subjects, bytes) = (&self.subjects, &mut self.bytes);
        self.entries.retain(|key, entry| {
            let current = subjects.iter().find(|(subject, _)| *subject == key.subject);
            let is_current = current.is_some_and(|(_, version)| entry.version >= *version);
            if !is_current {
                *bytes -= entry.bytes;
            }
            is_current
        });
        let entries = &self.entries;
        self.queue.retain(|key| entries.contains_key(key));
    }
}
