//! Name and password of a local user, typed into the login form.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loggia_model::{UserId, UserKey};
use tracing::warn;

use crate::attempts::Attempts;
use crate::password::{PasswordError, Passwords};
use crate::scheme::{Answer, Person, Scheme, SignIn, SignInFailure};

/// A local user's stored password.
#[derive(Clone)]
pub struct Credential {
    pub user: UserId,
    /// The key as the directory writes it, whatever letter case was typed.
    pub key: UserKey,
    pub name: String,
    pub hash: String,
}

/// Where local users' passwords are kept.
pub trait CredentialSource: Send + Sync {
    /// The credential of a user; none for people who do not exist or have no password.
    fn credential(&self, key: &UserKey) -> Option<Credential>;
}

/// The login form's scheme.
pub struct FormScheme {
    source: Box<dyn CredentialSource>,
    passwords: Passwords,
    attempts: Arc<Attempts>,
    /// Directory of those who type only their name.
    default_directory: String,
}

impl FormScheme {
    /// Checks typed passwords against `source`.
    #[must_use]
    pub fn new(
        source: Box<dyn CredentialSource>,
        passwords: Passwords,
        default_directory: String,
    ) -> FormScheme {
        FormScheme { source, passwords, attempts: Arc::default(), default_directory }
    }

    /// The counts of attempts, for other schemes that the same form serves.
    #[must_use]
    pub fn attempts(&self) -> Arc<Attempts> {
        Arc::clone(&self.attempts)
    }

    async fn check(&self, sign_in: &SignIn) -> Answer {
        let SignIn { name, password, address, now } = sign_in;
        let possible = self.key(name);
        // Names that nobody can have take as long to refuse as those of people, and count like them.
        let Some(key) = possible.clone().or_else(|| stand_in(name)) else {
            return Answer::Failed(SignInFailure::WrongCredentials);
        };
        if let Err(refused) = self.attempts.begin(&key, *address, *now) {
            return refused.into();
        }
        let credential = possible.and_then(|key| self.source.credential(&key));
        let hash = credential.as_ref().map(|credential| credential.hash.clone());
        match (self.passwords.verify(password.clone(), hash).await, credential) {
            (Ok(true), Some(credential)) => {
                self.attempts.succeeded(&key, *address);
                Answer::Is(Person {
                    id: Some(credential.user),
                    key: credential.key,
                    name: credential.name,
                    attributes: Vec::new(),
                })
            }
            (Ok(_), _) | (Err(PasswordError::TooLong), _) => {
                Answer::Failed(SignInFailure::WrongCredentials)
            }
            (Err(PasswordError::Busy), _) => Answer::Failed(SignInFailure::Busy),
            (Err(error @ PasswordError::Hash(_)), _) => {
                warn!(%error, "a password could not be checked");
                Answer::Failed(SignInFailure::Broken)
            }
        }
    }

    /// `ana` or `DIRECTORY\ana`. Reserved directories are nobody's to type.
    fn key(&self, name: &str) -> Option<UserKey> {
        let (directory, id) = name.split_once('\\').unwrap_or((&self.default_directory, name));
        UserKey::from_outside(directory, id).ok()
    }
}

/// The key by which attempts with a name that nobody can have are counted.
fn stand_in(name: &str) -> Option<UserKey> {
    let is_plain = |letter: &char| !letter.is_control() && *letter != '\\';
    let plain: String = name.chars().filter(is_plain).take(200).collect();
    UserKey::new(UserKey::INTERNAL_DIRECTORY, &format!("typed {plain}")).ok()
}

impl Scheme for FormScheme {
    fn attempt<'a>(
        &'a self,
        sign_in: &'a SignIn,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send + 'a>> {
        Box::pin(self.check(sign_in))
    }
}

#[cfg(test)]
mod tests {
    use loggia_model::Moment;
    use uuid::Uuid;

    use super::*;
    use crate::scheme;

    struct OnlyAna(String);

    impl CredentialSource for OnlyAna {
        fn credential(&self, key: &UserKey) -> Option<Credential> {
            let ana = UserKey::new("LOGGIA", "ana").unwrap();
            (*key == ana).then(|| Credential {
                user: UserId(Uuid::nil()),
                key: ana,
                name: "Ana".into(),
                hash: self.0.clone(),
            })
        }
    }

    async fn sign_in(name: &str, password: &str) -> Result<String, SignInFailure> {
        let source = Box::new(OnlyAna(Passwords::hash_now("secret of ana").unwrap()));
        let form = FormScheme::new(source, Passwords::new(1, 1), "LOGGIA".into());
        let schemes: Vec<Box<dyn Scheme>> = vec![Box::new(form)];
        let presented =
            SignIn { name: name.into(), password: password.into(), address: None, now: Moment(0) };
        scheme::sign_in(&schemes, &presented).await.map(|person| person.key.to_string())
    }

    #[tokio::test]
    async fn a_person_signs_in_with_or_without_the_directory() {
        for name in ["ana", "ANA", "LOGGIA\\ana", "loggia\\Ana", " ana "] {
            assert_eq!(sign_in(name, "secret of ana").await, Ok("LOGGIA\\ana".into()), "{name}");
        }
    }

    #[tokio::test]
    async fn names_that_nobody_can_have_cost_a_hash_like_others() {
        let long = "x".repeat(5_000);
        for name in ["ana", "NONE\\anonymous1", "INTERNAL\\sa_repository", &long, "", "a\\b\\c"] {
            let source = Box::new(OnlyAna(Passwords::hash_now("secret of ana").unwrap()));
            let form = FormScheme::new(source, Passwords::new(1, 0), "LOGGIA".into());
            let presented =
                SignIn { name: name.into(), password: "x".into(), address: None, now: Moment(0) };
            // Of two at a time only one may hash; the other learns that it would have had to.
            let (first, second) = tokio::join!(form.attempt(&presented), form.attempt(&presented));
            assert!(matches!(first, Answer::Failed(SignInFailure::WrongCredentials)), "{name}");
            assert!(matches!(second, Answer::Failed(SignInFailure::Busy)), "{name}");
        }
    }

    #[tokio::test]
    async fn every_wrong_way_in_gets_the_same_answer() {
        for (name, password) in [
            ("ana", "wrong"),
            ("nobody", "secret of ana"),
            ("OTHER\\ana", "secret of ana"),
            ("", ""),
            ("NONE\\anonymous1", "secret of ana"),
            ("INTERNAL\\sa_repository", "secret of ana"),
            ("a\\b\\c", "x"),
            ("ana", &"x".repeat(10_000)),
        ] {
            let outcome = sign_in(name, password).await;
            assert_eq!(outcome, Err(SignInFailure::WrongCredentials), "{name}");
        }
    }
}
