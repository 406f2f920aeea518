//! Name and password of somebody whom a user directory knows, typed into the login form.
//!
//! It stands before the form's own scheme and takes only what is for a directory; everything else
//! it leaves to that one, which also refuses what is for nobody.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loggia_model::UserKey;
use loggia_model::entity::{DirectoryPerson, UserDirectory};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::attempts::Attempts;
use crate::ldap::{self, LdapError};
use crate::password::{MAX_LENGTH, PasswordError, Passwords};
use crate::scheme::{Answer, Person, Scheme, SignIn, SignInFailure};

/// What the scheme needs to know of the site.
pub trait DirectoryPeople: Send + Sync {
    /// The directory of this name, if people sign in with their password there.
    fn directory(&self, name: &str) -> Option<Arc<UserDirectory>>;

    /// The directory of those who type only their name.
    fn default_directory(&self) -> Option<Arc<UserDirectory>>;

    /// Whether the person has a password here, which then is the one that counts.
    fn is_local(&self, key: &UserKey) -> bool;

    /// The user that a person of a directory is, brought up to date. Blocks.
    fn admit(&self, directory: &UserDirectory, person: &DirectoryPerson) -> Result<Person, String>;
}

/// The login form's scheme for people of directories.
pub struct LdapScheme {
    people: Arc<dyn DirectoryPeople>,
    passwords: Passwords,
    attempts: Arc<Attempts>,
    /// Directory of local people who type only their name.
    local_directory: String,
    /// Questions that directories are asked at a time: a slow one must not gather all of them.
    asking: Semaphore,
}

impl LdapScheme {
    /// Shares the counts of attempts, and the room for hashing, with the form's own scheme.
    #[must_use]
    pub fn new(
        people: Arc<dyn DirectoryPeople>,
        passwords: Passwords,
        attempts: Arc<Attempts>,
        local_directory: String,
    ) -> LdapScheme {
        LdapScheme { people, passwords, attempts, local_directory, asking: Semaphore::new(32) }
    }

    /// The directory and the person that a typed name means; none if it is not for a directory.
    fn meant(&self, name: &str) -> Option<(Arc<UserDirectory>, UserKey)> {
        let (directory, id) = match name.split_once('\\') {
            Some((directory, id)) => (self.people.directory(directory)?, id),
            None => {
                let local = UserKey::from_outside(&self.local_directory, name).ok()?;
                if self.people.is_local(&local) {
                    return None;
                }
                (self.people.default_directory()?, name)
            }
        };
        let key = UserKey::from_outside(&directory.name, id).ok()?;
        (!self.people.is_local(&key)).then_some((directory, key))
    }

    async fn check(&self, sign_in: &SignIn) -> Answer {
        let SignIn { name, password, address, now } = sign_in;
        let Some((directory, key)) = self.meant(name) else { return Answer::NotMine };
        if let Err(refused) = self.attempts.begin(&key, *address, *now) {
            return refused.into();
        }
        if password.len() > MAX_LENGTH {
            return Answer::Failed(SignInFailure::WrongCredentials);
        }
        let Ok(_place) = self.asking.try_acquire() else {
            return Answer::Failed(SignInFailure::Busy);
        };
        let asked = ldap::prove(Arc::clone(&directory), key.id().to_owned(), password.clone());
        // The hash is for nothing but its time, which then is that of the form's own scheme: who
        // is local and who is not cannot be told by it.
        let (hashed, proved) = tokio::join!(self.passwords.verify(password.clone(), None), asked);
        if matches!(hashed, Err(PasswordError::Busy)) {
            return Answer::Failed(SignInFailure::Busy);
        }
        match proved {
            Ok(Some(person)) => {
                self.attempts.succeeded(&key, *address);
                self.admit(directory, person).await
            }
            Ok(None) => Answer::Failed(SignInFailure::WrongCredentials),
            Err(error) => {
                // No password was tried out.
                self.attempts.succeeded(&key, *address);
                log(&directory, &error);
                Answer::Failed(SignInFailure::Unreachable)
            }
        }
    }

    async fn admit(&self, directory: Arc<UserDirectory>, person: DirectoryPerson) -> Answer {
        let people = Arc::clone(&self.people);
        let admitting = tokio::task::spawn_blocking(move || people.admit(&directory, &person));
        match admitting.await {
            Ok(Ok(person)) => Answer::Is(person),
            Ok(Err(why)) => {
                warn!(why, "a person of a directory cannot be taken over");
                Answer::Failed(SignInFailure::Broken)
            }
            Err(error) => {
                warn!(%error, "a person of a directory cannot be taken over");
                Answer::Failed(SignInFailure::Broken)
            }
        }
    }
}

fn log(directory: &UserDirectory, error: &LdapError) {
    warn!(directory = %directory.name, %error, "nobody can sign in with {}: {error}", directory.name);
}

impl Scheme for LdapScheme {
    fn attempt<'a>(
        &'a self,
        sign_in: &'a SignIn,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(self.check(sign_in))
    }
}
