//! How do a directory's people become users, and stay in step? A person keeps their row, and with
//! it everything they own, whatever they are called: they are recognised by what never changes in
//! the directory, and only then by their name.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use loggia_model::entity::{
    CheckStep, DirectoryListing, DirectoryPerson, External, SyncOutcome, User, UserDirectory,
};
use loggia_model::{Caller, InternalAccount, Moment, UserDirectoryId, UserId, UserKey};
use loggia_rules::Action;
use parking_lot::Mutex;
use thiserror::Error;
use tracing::{info, warn};
use uuid::Uuid;

use crate::Repository;
use crate::guard::Guard;
use crate::manage::{Conflict, ManageError, users};
use crate::record::Record;
use crate::site::Site;
use crate::store::{Change, StoreError};

/// Speaks to directories. Its calls block, so they are made where that does no harm.
pub trait DirectoryConnector: Send + Sync {
    /// Everybody, or an error; never a part that looks like everybody.
    fn people(&self, directory: &UserDirectory) -> Result<DirectoryListing, DirectoryError>;

    /// Tries the settings out, step by step, up to the first that fails.
    fn check(&self, directory: &UserDirectory) -> Vec<CheckStep>;
}

/// Why a directory did not answer, for administrators.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct DirectoryError(pub String);

/// What has been said yes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// A directory that has nobody any more is believed.
    pub believe_empty: bool,
    /// Somebody with the user id of a known person but another unchanging id is that person: for a
    /// directory that was built anew.
    pub match_by_name: bool,
}

/// What the repository needs for directories.
#[derive(Default)]
pub(crate) struct Directories {
    connector: OnceLock<Arc<dyn DirectoryConnector>>,
    running: Mutex<HashSet<UserDirectoryId>>,
}

/// Users written in one commit: a directory's worth of people at once would keep everybody else's
/// changes waiting.
const BATCH: usize = 500;
/// How many of the people who could not be taken over are named.
const NAMED: usize = 5;

/// One synchronisation at work; at most one per directory.
struct Running<'a> {
    directories: &'a Directories,
    id: UserDirectoryId,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.directories.running.lock().remove(&self.id);
    }
}

#[derive(Default)]
struct Tally {
    added: u64,
    changed: u64,
    deactivated: u64,
    failures: Vec<String>,
}

impl Repository {
    /// Lets this process speak to directories. The first call counts.
    pub fn connect_directories(&self, connector: Arc<dyn DirectoryConnector>) {
        let _ = self.inner.directories.connector.set(connector);
    }

    /// Brings a directory's people up to date. Blocks until it is done; what did not go well is
    /// in the outcome, which the directory keeps.
    pub fn sync_directory(
        &self,
        caller: &Caller,
        id: UserDirectoryId,
        options: SyncOptions,
    ) -> Result<SyncOutcome, ManageError> {
        let directory = self.directory_to_use(caller, id)?;
        let Some(_running) = self.begin_sync(id) else {
            let why = format!("{} is being synchronised already", directory.name);
            return Err(Conflict::Protected { why }.into());
        };
        let started = self.now();
        let mut tally = Tally::default();
        let fetched = self.connector().and_then(|connector| connector.people(&directory));
        let failure = match fetched {
            Ok(listing) => self.merge(&directory, listing, options, &mut tally)?,
            Err(error) => Some(error.to_string()),
        };
        self.keep_outcome(&directory, started, tally, failure)
    }

    /// Synchronises every directory whose time has come.
    pub fn sync_due_directories(&self) {
        let caller = Caller::internal(InternalAccount::Scheduler);
        let now = self.now();
        let site = self.site();
        for directory in site.user_directories() {
            let last = directory.last_sync.as_ref().map(|outcome| outcome.started);
            if !directory.schedule.is_due(last, now) || self.is_syncing(directory.id) {
                continue;
            }
            let options = SyncOptions::default();
            if let Err(error) = self.sync_directory(&caller, directory.id, options) {
                warn!(directory = %directory.name, %error, "a synchronisation could not be kept");
            }
        }
    }

    /// Whether the directory is being synchronised by this process.
    #[must_use]
    pub fn is_syncing(&self, id: UserDirectoryId) -> bool {
        self.inner.directories.running.lock().contains(&id)
    }

    /// Tries a directory's settings out.
    pub fn check_directory(
        &self,
        caller: &Caller,
        id: UserDirectoryId,
    ) -> Result<Vec<CheckStep>, ManageError> {
        let directory = self.directory_to_use(caller, id)?;
        Ok(match self.connector() {
            Ok(connector) => connector.check(&directory),
            Err(error) => {
                vec![CheckStep { name: "connect", is_ok: false, finding: error.to_string() }]
            }
        })
    }

    /// The row of somebody who has just proved who they are to a directory, as it describes them
    /// now.
    pub fn admit_from_directory(
        &self,
        id: UserDirectoryId,
        person: &DirectoryPerson,
    ) -> Result<Arc<User>, ManageError> {
        let new = UserId(Uuid::new_v4());
        // Most people are as they were at their last sign-in; these keep nobody waiting.
        if let Ok(Merged::Same(user)) = self.merge_one(&self.site(), id, person, new)? {
            return Ok(user);
        }
        let caller = Caller::internal(InternalAccount::Repository);
        self.change(&caller, |site| match self.merge_one(site, id, person, new)? {
            Ok(Merged::Same(user)) => Ok((Vec::new(), user)),
            Ok(Merged::Added(user) | Merged::Changed(user)) => {
                Ok((vec![Change::PutUser(user.clone())], Arc::new(user)))
            }
            Err(Unmerged::Taken(why) | Unmerged::Refused(why)) => {
                Err(Conflict::Protected { why }.into())
            }
            Err(Unmerged::Store(error)) => Err(error.into()),
        })
    }

    fn merge_one(
        &self,
        site: &Site,
        id: UserDirectoryId,
        person: &DirectoryPerson,
        new: UserId,
    ) -> Result<Result<Merged, Unmerged>, ManageError> {
        let caller = Caller::internal(InternalAccount::Repository);
        let guard = self.enter(site, &caller)?;
        let directory =
            site.user_directory(id).ok_or_else(|| guard.unknown("user directory", Some(id.0)))?;
        let is_person = |user: &&Arc<User>| {
            user.external.as_ref().is_some_and(|external| external.id == person.external_id)
        };
        // Under the same name as before, unless it has changed.
        let by_name = UserKey::from_outside(&directory.name, &person.user_id).ok();
        let by_name = by_name.and_then(|key| site.user_by_key(&key));
        let by_name = by_name.filter(|user| is_of(user, id)).filter(is_person);
        let user = by_name.or_else(|| members(site, id).find(is_person));
        let known = user.map(|user| (person.external_id.clone(), user.id)).into_iter().collect();
        let merging = Merging {
            site,
            guard: &guard,
            store: self,
            directory,
            known: &known,
            options: SyncOptions::default(),
        };
        Ok(merging.user(person, new))
    }

    fn connector(&self) -> Result<&Arc<dyn DirectoryConnector>, DirectoryError> {
        self.inner
            .directories
            .connector
            .get()
            .ok_or_else(|| DirectoryError("this process does not speak to directories".to_owned()))
    }

    /// The directory, for whoever may change it: both uses send its password somewhere.
    fn directory_to_use(
        &self,
        caller: &Caller,
        id: UserDirectoryId,
    ) -> Result<Arc<UserDirectory>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let directory =
            site.user_directory(id).ok_or_else(|| guard.unknown("user directory", Some(id.0)))?;
        guard.require(Record::UserDirectory(directory), Action::Update)?;
        Ok(directory.clone())
    }

    fn begin_sync(&self, id: UserDirectoryId) -> Option<Running<'_>> {
        let directories = &self.inner.directories;
        let is_first = directories.running.lock().insert(id);
        // Only the first one may take the mark away again, so nobody else gets the value.
        is_first.then(|| Running { directories, id })
    }

    /// Takes everybody over; an answer says why that was not even begun.
    fn merge(
        &self,
        directory: &UserDirectory,
        listing: DirectoryListing,
        options: SyncOptions,
        tally: &mut Tally,
    ) -> Result<Option<String>, ManageError> {
        let site = self.site();
        let is_empty = listing.people.is_empty() && listing.unusable.is_empty();
        let active = members(&site, directory.id).filter(|user| !user.is_removed_externally());
        let active = active.count();
        if is_empty && active > 0 && !options.believe_empty {
            return Ok(Some(format!(
                "the directory has nobody any more, but {active} people came from it; nobody was \
                 deactivated. If that is right, synchronise once with confirmEmpty"
            )));
        }
        let mut known = external_ids(&site, directory.id);
        // Whoever is in the directory in any shape has not vanished.
        let mut kept: HashSet<UserId> = HashSet::new();
        let there = listing.people.iter().map(|person| person.external_id.as_str());
        let there = there.chain(listing.unusable.iter().map(|(id, _)| id.as_str()));
        kept.extend(there.filter_map(|id| known.get(id)));
        drop(site);

        let (mut names, mut ids) = (HashSet::new(), HashSet::new());
        let (people, twice): (Vec<_>, Vec<_>) = listing.people.into_iter().partition(|person| {
            let id = &person.external_id;
            names.insert(person.user_id.trim().to_lowercase())
                && (id.is_empty() || ids.insert(id.clone()))
        });
        tally.failures.extend(listing.unusable.into_iter().map(|(_, why)| why));
        tally.failures.extend(
            twice.iter().map(|person| format!("{:?} is there more than once", person.user_id)),
        );
        let mut waiting = Vec::new();
        for batch in people.chunks(BATCH) {
            let later =
                self.merge_batch(directory, batch, options, &mut known, &mut kept, tally)?;
            waiting.extend(later.into_iter().map(|(person, _)| person.clone()));
        }
        // Names that somebody else has given up in the meantime.
        for person in &waiting {
            let one = std::slice::from_ref(person);
            let still = self.merge_batch(directory, one, options, &mut known, &mut kept, tally)?;
            tally.failures.extend(still.into_iter().map(|(_, why)| why));
        }
        self.deactivate(directory, &kept, tally)?;
        Ok(None)
    }

    /// Takes some people over in one commit. Those whose name somebody else still has are answered
    /// with.
    fn merge_batch<'p>(
        &self,
        directory: &UserDirectory,
        people: &'p [DirectoryPerson],
        options: SyncOptions,
        known: &mut HashMap<String, UserId>,
        kept: &mut HashSet<UserId>,
        tally: &mut Tally,
    ) -> Result<Vec<(&'p DirectoryPerson, String)>, ManageError> {
        let caller = Caller::internal(InternalAccount::Scheduler);
        let ids: Vec<UserId> = people.iter().map(|_| UserId(Uuid::new_v4())).collect();
        let before = &*known;
        let (users, done, waiting) = self.change(&caller, |site| {
            let guard = self.enter(site, &caller)?;
            let merging =
                Merging { site, guard: &guard, store: self, directory, known: before, options };
            let (mut changes, mut users) = (Vec::new(), Vec::new());
            let (mut done, mut waiting) = (Tally::default(), Vec::new());
            for (person, new) in people.iter().zip(&ids) {
                match merging.user(person, *new) {
                    Ok(Merged::Same(user)) => users.push((person, user.id)),
                    // With this setting people begin with their first sign-in.
                    Ok(Merged::Added(_)) if directory.only_existing => {}
                    Ok(Merged::Added(user)) => {
                        users.push((person, user.id));
                        done.added += 1;
                        changes.push(Change::PutUser(user));
                    }
                    Ok(Merged::Changed(user)) => {
                        users.push((person, user.id));
                        done.changed += 1;
                        changes.push(Change::PutUser(user));
                    }
                    Err(Unmerged::Taken(why)) => waiting.push((person, why)),
                    Err(Unmerged::Refused(why)) => done.failures.push(why),
                    Err(Unmerged::Store(error)) => return Err(error.into()),
                }
            }
            Ok((changes, (users, done, waiting)))
        })?;
        for (person, id) in users {
            kept.insert(id);
            if !person.external_id.is_empty() {
                known.insert(person.external_id.clone(), id);
            }
        }
        tally.added += done.added;
        tally.changed += done.changed;
        tally.failures.extend(done.failures);
        Ok(waiting)
    }

    /// Deactivates those whom the directory no longer has.
    fn deactivate(
        &self,
        directory: &UserDirectory,
        kept: &HashSet<UserId>,
        tally: &mut Tally,
    ) -> Result<(), ManageError> {
        let caller = Caller::internal(InternalAccount::Scheduler);
        let site = self.site();
        let gone: Vec<UserId> = members(&site, directory.id)
            .filter(|user| !user.is_removed_externally() && !kept.contains(&user.id))
            .map(|user| user.id)
            .collect();
        drop(site);
        for batch in gone.chunks(BATCH) {
            let (count, failures) = self.change(&caller, |site| {
                let guard = self.enter(site, &caller)?;
                let (mut changes, mut failures) = (Vec::new(), Vec::new());
                for user in batch.iter().filter_map(|id| site.user(*id)) {
                    if users::is_root(user) && users::refuse_last_root(site, user.id).is_err() {
                        failures.push(format!(
                            "{} is gone, but is the last active administrator",
                            user.key
                        ));
                        continue;
                    }
                    let external = user.external.as_deref().map(|external| {
                        Box::new(External { is_removed: true, ..external.clone() })
                    });
                    let stamp = guard.restamp(&user.stamp);
                    let user = User { is_inactive: true, external, stamp, ..User::clone(user) };
                    changes.push(Change::PutUser(user));
                }
                let count = changes.len();
                Ok((changes, (count, failures)))
            })?;
            tally.deactivated += u64::try_from(count).unwrap_or(u64::MAX);
            tally.failures.extend(failures);
        }
        Ok(())
    }

    fn keep_outcome(
        &self,
        directory: &UserDirectory,
        started: Moment,
        tally: Tally,
        failure: Option<String>,
    ) -> Result<SyncOutcome, ManageError> {
        let failed = u64::try_from(tally.failures.len()).unwrap_or(u64::MAX);
        let is_ok = failure.is_none();
        let message = failure.unwrap_or_else(|| in_words(&tally.failures));
        let ended = self.now();
        let caller = Caller::internal(InternalAccount::Scheduler);
        let outcome = self.change(&caller, |site| {
            let mut outcome = SyncOutcome {
                started,
                ended,
                is_ok,
                last_success: is_ok.then_some(ended),
                added: tally.added,
                changed: tally.changed,
                deactivated: tally.deactivated,
                failed,
                message: message.clone(),
            };
            // It may have been deleted while its people were coming in.
            let Some(now) = site.user_directory(directory.id) else {
                return Ok((Vec::new(), outcome));
            };
            if !is_ok {
                outcome.last_success = now.last_sync.as_ref().and_then(|last| last.last_success);
            }
            let kept =
                UserDirectory { last_sync: Some(outcome.clone()), ..UserDirectory::clone(now) };
            Ok((vec![Change::PutUserDirectory(Box::new(kept))], outcome))
        })?;
        let SyncOutcome { added, changed, deactivated, .. } = outcome;
        if outcome.is_ok {
            info!(
                target: "loggia::directory",
                directory = %directory.name, added, changed, deactivated, failed, message,
                "synchronised {}", directory.name
            );
        } else {
            warn!(
                target: "loggia::directory",
                directory = %directory.name, message,
                "{} could not be synchronised: {message}", directory.name
            );
        }
        Ok(outcome)
    }
}

/// One directory's people on one site.
struct Merging<'a> {
    site: &'a Site,
    guard: &'a Guard<'a>,
    store: &'a Repository,
    directory: &'a UserDirectory,
    /// Who is known by which unchanging id.
    known: &'a HashMap<String, UserId>,
    options: SyncOptions,
}

/// What a person becomes.
enum Merged {
    Same(Arc<User>),
    Added(User),
    Changed(User),
}

/// Why a person becomes nobody.
enum Unmerged {
    /// Somebody else has the name, and may be about to give it up.
    Taken(String),
    Refused(String),
    Store(StoreError),
}

impl Merging<'_> {
    /// The row of a person as it should be.
    fn user(&self, person: &DirectoryPerson, new: UserId) -> Result<Merged, Unmerged> {
        let key = UserKey::from_outside(&self.directory.name, &person.user_id)
            .map_err(|error| Unmerged::Refused(format!("{:?}: {error}", person.user_id)))?;
        let holder = self.site.user_by_key(&key);
        let known = (!person.external_id.is_empty())
            .then(|| self.known.get(&person.external_id))
            .flatten()
            .and_then(|id| self.site.user(*id))
            .filter(|user| is_of(user, self.directory.id));
        let before = match (known, holder) {
            (Some(known), Some(holder)) if known.id != holder.id => {
                let why = format!("{} cannot become {key}, which somebody else is", known.key);
                return Err(Unmerged::Taken(why));
            }
            (Some(known), _) => Some(known),
            (None, Some(holder)) => {
                self.may_take(holder, person)?;
                Some(holder)
            }
            (None, None) => None,
        };
        let external = Some(Box::new(External {
            directory: self.directory.id,
            id: person.external_id.clone(),
            is_removed: false,
        }));
        let mut user = match before {
            Some(before) => User::clone(before),
            None => users::blank(new, key.clone(), self.guard.stamp()),
        };
        // Letter case is as it was first received.
        if user.key != key {
            user.key = key;
        }
        if user.is_removed_externally() {
            user.is_inactive = false;
        }
        if !person.name.trim().is_empty() {
            user.name = person.name.trim().to_owned();
        }
        user.attributes.clone_from(&person.attributes);
        user.external = external;
        if before.is_some_and(|before| **before == user) {
            return before
                .cloned()
                .map(Merged::Same)
                .ok_or_else(|| Unmerged::Refused("nobody".to_owned()));
        }
        users::check(&user).map_err(|error| Unmerged::Refused(format!("{}: {error}", user.key)))?;
        Ok(match before {
            Some(before) => {
                user.stamp = self.guard.restamp(&before.stamp);
                Merged::Changed(user)
            }
            None => Merged::Added(user),
        })
    }

    /// Whether the row of this name may become that of a person whom the site does not know yet.
    fn may_take(&self, holder: &User, person: &DirectoryPerson) -> Result<(), Unmerged> {
        let key = &holder.key;
        match holder.external.as_deref() {
            Some(external) if external.directory == self.directory.id => {
                let is_same = external.id == person.external_id
                    || external.id.is_empty()
                    || person.external_id.is_empty();
                if is_same || self.options.match_by_name {
                    return Ok(());
                }
                Err(Unmerged::Taken(format!(
                    "{key} was another person, whose place nobody takes silently; delete or \
                     rename that user, or synchronise once with matchByName if the directory was \
                     built anew"
                )))
            }
            Some(external) if self.site.user_directory(external.directory).is_some() => {
                Err(Unmerged::Refused(format!("{key} belongs to another directory")))
            }
            // Somebody made by hand, by a sign-in, or by a directory that is gone. Whoever has a
            // password here is another proof of being that person, so the two are not merged.
            _ => match self.store.inner.store.credential(holder.id) {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err(Unmerged::Refused(format!(
                    "{key} is a local user with a password here, whom the directory does not take \
                     over; delete or rename that user"
                ))),
                Err(error) => Err(Unmerged::Store(error)),
            },
        }
    }
}

fn is_of(user: &User, id: UserDirectoryId) -> bool {
    user.external.as_ref().is_some_and(|external| external.directory == id)
}

fn members(site: &Site, id: UserDirectoryId) -> impl Iterator<Item = &Arc<User>> {
    site.users().filter(move |user| is_of(user, id))
}

/// Who is known by which unchanging id.
fn external_ids(site: &Site, id: UserDirectoryId) -> HashMap<String, UserId> {
    members(site, id)
        .filter_map(|user| Some((user.external.as_ref()?.id.clone(), user.id)))
        .filter(|(id, _)| !id.is_empty())
        .collect()
}

fn in_words(failures: &[String]) -> String {
    let mut text: Vec<&str> = failures.iter().take(NAMED).map(String::as_str).collect();
    let more = failures.len().saturating_sub(NAMED);
    let rest = format!("and {more} more");
    if more > 0 {
        text.push(&rest);
    }
    text.join("; ")
}
