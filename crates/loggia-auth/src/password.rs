//! Passwords: hashed slowly, off the async threads, and never more of them at once than the
//! machine can bear.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use thiserror::Error;
use tokio::sync::Semaphore;

/// Hashes and verifies passwords; clones share the same pool.
#[derive(Clone, Debug)]
pub struct Passwords {
    /// How many hashes may run at a time: each takes 19 MB and tens of milliseconds.
    running: Arc<Semaphore>,
    /// How many may run or wait; the rest are told to come back.
    admitted: Arc<Semaphore>,
}

/// Why a password was not hashed or verified.
#[derive(Debug, Error)]
pub enum PasswordError {
    #[error("the password is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("too many sign-ins at the same time")]
    Busy,
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

/// Longest password that is hashed, in bytes. Longer ones are refused before any work.
pub const MAX_LENGTH: usize = 512;

/// Stands in for the hash of people who do not exist, so that they take as long as those who do.
/// Its digest is all zeros, for which nobody knows a password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bG9nZ2lhLW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Passwords {
    /// A pool that hashes `parallel` passwords at a time and lets `waiting` more queue.
    #[must_use]
    pub fn new(parallel: usize, waiting: usize) -> Passwords {
        let parallel = parallel.max(1);
        Passwords {
            running: Arc::new(Semaphore::new(parallel)),
            admitted: Arc::new(Semaphore::new(parallel.saturating_add(waiting))),
        }
    }

    /// Whether `password` is the one `hash` was made of. Without a hash the answer is no, after
    /// the same amount of work.
    pub async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        if password.len() > MAX_LENGTH {
            return Err(PasswordError::TooLong);
        }
        self.run(move || Ok(verify_now(&password, hash.as_deref()))).await
    }

    /// The text to store for `password`, off the async threads.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(move || Passwords::hash_now(&password)).await
    }

    /// The text to store for `password`: argon2id with a random salt. Blocks; for command lines.
    pub fn hash_now(password: &str) -> Result<String, PasswordError> {
        if password.len() > MAX_LENGTH {
            return Err(PasswordError::TooLong);
        }
        let hash: PasswordHash = Argon2::default()
            .hash_password(password.as_bytes())
            .map_err(|error| PasswordError::Hash(error.to_string()))?;
        Ok(hash.to_string())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let admitted =
            Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let running =
            Arc::clone(&self.running).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        // The permits travel with the work: a client that hangs up frees no slot before its hash
        // is done.
        tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop((running, admitted));
            outcome
        })
        .await
        .map_err(|error| PasswordError::Hash(error.to_string()))?
    }
}

fn verify_now(password: &str, hash: Option<&str>) -> bool {
    let known = hash.and_then(|hash| PasswordHash::new(hash).ok());
    let is_known = known.is_some();
    let Some(hash) = known.or_else(|| PasswordHash::new(NOBODY).ok()) else {
        return false;
    };
    let matches = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
    matches && is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let passwords = Passwords::new(1, 8);
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
        assert!(!passwords.verify("x".into(), Some("not a hash".into())).await.unwrap());
    }

    #[test]
    fn the_stand_in_for_nobody_costs_what_a_real_hash_costs() {
        let real = Passwords::hash_now("x").unwrap();
        let cost = |hash: &str| hash.split('$').nth(3).map(str::to_owned);
        assert_eq!(cost(&real), cost(NOBODY));
        assert!(PasswordHash::new(NOBODY).is_ok());
    }

    #[tokio::test]
    async fn a_megabyte_of_password_is_refused_before_any_hashing() {
        let passwords = Passwords::new(1, 0);
        let huge = "x".repeat(1_000_000);
        assert!(matches!(passwords.verify(huge, None).await, Err(PasswordError::TooLong)));
    }

    #[tokio::test]
    async fn a_full_queue_is_said_and_not_joined() {
        let passwords = Passwords::new(1, 1);
        let ask = |n: usize| {
            let passwords = passwords.clone();
            async move { passwords.verify(n.to_string(), None).await }
        };
        let outcomes = tokio::join!(ask(1), ask(2), ask(3));
        assert!(outcomes.0.is_ok() && outcomes.1.is_ok());
        assert!(matches!(outcomes.2, Err(PasswordError::Busy)));
    }
}
