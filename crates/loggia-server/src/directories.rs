//! The repository and the LDAP client, brought together: signing in, synchronising, trying out.

use std::fmt::Write;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use loggia_auth::{DirectoryPeople, Person, ldap};
use loggia_model::entity::{
    CheckStep, DirectoryListing, DirectoryPerson, SyncOutcome, UserDirectory,
};
use loggia_model::{Caller, InternalAccount, UserDirectoryId, UserKey};
use loggia_repository::{DirectoryConnector, DirectoryError, Repository, SyncOptions};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::error;

use crate::cli::say;
use crate::serve::open_repository;

/// How often it is looked whether a directory's time has come.
const LOOK: Duration = Duration::from_secs(20);

/// The site's directories and people, as signing in asks for them.
pub(crate) struct SiteDirectories(pub(crate) Repository);

impl DirectoryPeople for SiteDirectories {
    fn directory(&self, name: &str) -> Option<Arc<UserDirectory>> {
        let site = self.0.site();
        site.user_directory_named(name).filter(|directory| directory.signs_in).cloned()
    }

    fn default_directory(&self) -> Option<Arc<UserDirectory>> {
        let site = self.0.site();
        site.user_directories().find(|one| one.is_default && one.signs_in).cloned()
    }

    fn is_local(&self, key: &UserKey) -> bool {
        // What cannot be read is no reason to send somebody's password elsewhere.
        self.0.local_credential(key).map_or(true, |found| found.is_some())
    }

    fn admit(&self, directory: &UserDirectory, person: &DirectoryPerson) -> Result<Person, String> {
        let user =
            self.0.admit_from_directory(directory.id, person).map_err(|error| error.to_string())?;
        Ok(Person {
            id: Some(user.id),
            key: user.key.clone(),
            name: user.name.clone(),
            attributes: person.attributes.clone(),
        })
    }
}

/// Speaks to directories for the repository, whose threads may wait.
pub(crate) struct LdapDirectories {
    runtime: Handle,
    /// A long list is not waited for when the server stops.
    stop: watch::Receiver<bool>,
}

impl LdapDirectories {
    pub(crate) fn new(runtime: Handle, stop: watch::Receiver<bool>) -> LdapDirectories {
        LdapDirectories { runtime, stop }
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        self.runtime.block_on(async {
            tokio::select! {
                done = work => Some(done),
                _ = stop.wait_for(|stops| *stops) => None,
            }
        })
    }
}

impl DirectoryConnector for LdapDirectories {
    fn people(&self, directory: &UserDirectory) -> Result<DirectoryListing, DirectoryError> {
        match self.wait(ldap::list(Arc::new(directory.clone()))) {
            Some(Ok(listing)) => Ok(listing),
            Some(Err(error)) => Err(DirectoryError(error.to_string())),
            None => Err(DirectoryError("the server was stopped".to_owned())),
        }
    }

    fn check(&self, directory: &UserDirectory) -> Vec<CheckStep> {
        self.wait(ldap::check(Arc::new(directory.clone()))).unwrap_or_default()
    }
}

/// Synchronises directories whose time has come, one after the other, until the server stops.
pub(crate) async fn keep_in_step(repository: Repository, mut stop: watch::Receiver<bool>) {
    let mut now_and_then = tokio::time::interval(LOOK);
    now_and_then.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = now_and_then.tick() => {}
            _ = stop.changed() => return,
        }
        let repository = repository.clone();
        let work = tokio::task::spawn_blocking(move || repository.sync_due_directories());
        if let Err(error) = work.await {
            error!(%error, "synchronising directories failed");
        }
    }
}

/// Synchronises a directory now, and says how it went.
pub(crate) fn sync(data: &Path, name: &str, options: SyncOptions) -> anyhow::Result<bool> {
    with_directory(data, name, |repository, caller, id| {
        let outcome = repository.sync_directory(caller, id, options)?;
        say(&in_words(name, &outcome))?;
        Ok(outcome.is_ok)
    })
}

/// Tries a directory out, step by step.
pub(crate) fn check(data: &Path, name: &str) -> anyhow::Result<bool> {
    with_directory(data, name, |repository, caller, id| {
        let steps = repository.check_directory(caller, id)?;
        let mut text = String::new();
        for CheckStep { name, is_ok, finding } in &steps {
            let mark = if *is_ok { "ok  " } else { "FAIL" };
            let _ = writeln!(text, "  {mark}  {name}: {finding}");
        }
        say(&text)?;
        Ok(steps.iter().all(|step| step.is_ok))
    })
}

fn with_directory(
    data: &Path,
    name: &str,
    work: impl FnOnce(&Repository, &Caller, UserDirectoryId) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let repository = open_repository(data)?;
    let found = repository.site().user_directory_named(name).map(|directory| directory.id);
    let id = found.with_context(|| format!("there is no user directory {name}"))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (_stopping, stop) = watch::channel(false);
    let connector = LdapDirectories::new(runtime.handle().clone(), stop);
    repository.connect_directories(Arc::new(connector));
    work(&repository, &Caller::internal(InternalAccount::Repository), id)
}

fn in_words(name: &str, outcome: &SyncOutcome) -> String {
    let SyncOutcome { added, changed, deactivated, failed, message, .. } = outcome;
    if !outcome.is_ok {
        return format!("{name} could not be synchronised: {message}\n");
    }
    let mut text = format!(
        "Synchronised {name}: {added} added, {changed} changed, {deactivated} deactivated.\n"
    );
    if *failed > 0 {
        let _ = writeln!(text, "{failed} could not be taken over: {message}");
    }
    text
}
