//! Ways to sign in. They are asked in order; each answers *not mine*, *failed* or *is this
//! person*, and a failure ends the list.

pub mod form;
pub mod ldap;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use loggia_model::{Moment, UserId, UserKey};
use thiserror::Error;

use crate::attempts::AttemptsRefused;

/// What somebody presents to be recognised. Shown by nothing: it holds a password.
#[derive(Clone)]
pub struct SignIn {
    /// As typed into the form.
    pub name: String,
    pub password: String,
    pub address: Option<IpAddr>,
    pub now: Moment,
}

/// Who it is, as the scheme found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user row, where the scheme knows it already.
    pub id: Option<UserId>,
    pub key: UserKey,
    /// Display name.
    pub name: String,
    /// Session attributes, name and value.
    pub attributes: Vec<(String, String)>,
}

/// A scheme's answer.
#[derive(Debug)]
pub enum Answer {
    /// Nothing presented is for this scheme.
    NotMine,
    Failed(SignInFailure),
    Is(Person),
}

/// Why somebody was not recognised. The messages are for the log: the page never says which of
/// name and password was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignInFailure {
    #[error("no scheme recognised the caller")]
    Unrecognised,
    #[error("wrong name or password")]
    WrongCredentials,
    #[error("too many attempts; the next is heard in {wait_seconds} s")]
    TooManyAttempts { wait_seconds: u64 },
    #[error("too many sign-ins at the same time")]
    Busy,
    #[error("the user directory gives no answer")]
    Unreachable,
    #[error("sign-in failed inside the server")]
    Broken,
}

impl From<AttemptsRefused> for Answer {
    fn from(AttemptsRefused { wait_seconds }: AttemptsRefused) -> Answer {
        Answer::Failed(SignInFailure::TooManyAttempts { wait_seconds })
    }
}

/// One way to sign in.
pub trait Scheme: Send + Sync {
    /// Looks at what was presented.
    fn attempt<'a>(
        &'a self,
        sign_in: &'a SignIn,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;
}

/// Asks the schemes in order.
pub async fn sign_in(
    schemes: &[Box<dyn Scheme>],
    presented: &SignIn,
) -> Result<Person, SignInFailure> {
    for scheme in schemes {
        match scheme.attempt(presented).await {
            Answer::NotMine => {}
            Answer::Failed(failure) => return Err(failure),
            Answer::Is(person) => return Ok(person),
        }
    }
    Err(SignInFailure::Unrecognised)
}
