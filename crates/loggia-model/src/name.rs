//! Text that has rules, parsed once at the edge into types that cannot hold anything else.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The first URL segment that selects a virtual proxy, such as `public` in `/public/hub`.
///
/// Empty for the default virtual proxy. Characters `a–z 0–9 - . _ ~` (`spec/access.md` §2.2),
/// and never only dots, which a browser would swallow as a relative path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(Box<str>);

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixError {
    #[error(
        "the prefix has {found:?} at position {at}; use a-z, 0-9, hyphen, dot, underscore or tilde"
    )]
    Forbidden { at: usize, found: char },
    #[error("the prefix consists of dots only; add a letter or a digit")]
    OnlyDots,
    #[error("the prefix {0:?} is an address of the hub itself; choose another word")]
    Reserved(String),
    #[error("the prefix is longer than 64 characters")]
    TooLong,
}

impl Prefix {
    /// First segments that the product answers itself under the default virtual proxy.
    pub const RESERVED: [&'static str; 22] = [
        "api",
        "app",
        "appcontent",
        "assets",
        "console",
        "content",
        "extensions",
        "healthz",
        "hub",
        "login",
        "loggedout",
        "logout",
        "metrics",
        "oidcauthn",
        "qmc",
        "qps",
        "qrs",
        "readyz",
        "samlauthn",
        "sense",
        "single",
        "tempcontent",
    ];

    /// The prefix of the default virtual proxy.
    #[must_use]
    pub fn default_entrance() -> Prefix {
        Prefix::default()
    }

    /// The text, without slashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the default virtual proxy's empty prefix.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// The part of an address before everything else: `` or `/public`.
    #[must_use]
    pub fn base(&self) -> String {
        if self.is_default() { String::new() } else { format!("/{}", self.0) }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Prefix, PrefixError> {
        if text.chars().count() > 64 {
            return Err(PrefixError::TooLong);
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._~".contains(c);
        if let Some((at, found)) = text.char_indices().find(|&(_, c)| !allowed(c)) {
            return Err(PrefixError::Forbidden { at, found });
        }
        if !text.is_empty() && text.chars().all(|c| c == '.') {
            return Err(PrefixError::OnlyDots);
        }
        if Prefix::RESERVED.contains(&text) {
            return Err(PrefixError::Reserved(text.to_owned()));
        }
        Ok(Prefix(text.into()))
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Prefix, PrefixError> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> String {
        prefix.0.into()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A person's name in a user directory: `DIRECTORY\id`.
///
/// Shown as first received, compared without letter case (`spec/access.md` §1.1).
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserKey {
    directory: Box<str>,
    id: Box<str>,
    folded: Box<str>,
}

/// Why a text is no user key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserKeyError {
    #[error("the user directory is empty")]
    NoDirectory,
    #[error("the user id is empty")]
    NoId,
    #[error("a backslash may stand only between the user directory and the user id")]
    Backslash,
    #[error("the user key contains a control character")]
    Control,
    #[error("the user key is longer than 256 characters")]
    TooLong,
    #[error("the user directory {0} is reserved")]
    Reserved(String),
}

impl UserKey {
    /// The directory of visitors who have not signed in.
    pub const ANONYMOUS_DIRECTORY: &'static str = "NONE";
    /// The directory of the server's own accounts.
    pub const INTERNAL_DIRECTORY: &'static str = "INTERNAL";

    /// A key from its two parts, surrounding white space trimmed.
    pub fn new(directory: &str, id: &str) -> Result<UserKey, UserKeyError> {
        let (directory, id) = (directory.trim(), id.trim());
        if directory.is_empty() {
            return Err(UserKeyError::NoDirectory);
        }
        if id.is_empty() {
            return Err(UserKeyError::NoId);
        }
        if directory.contains('\\') || id.contains('\\') {
            return Err(UserKeyError::Backslash);
        }
        if directory.chars().chain(id.chars()).any(char::is_control) {
            return Err(UserKeyError::Control);
        }
        if directory.chars().count() + id.chars().count() > 256 {
            return Err(UserKeyError::TooLong);
        }
        let folded = format!("{}\\{}", directory.to_lowercase(), id.to_lowercase());
        Ok(UserKey { directory: directory.into(), id: id.into(), folded: folded.into() })
    }

    /// A key that came from outside (a form, ticket, header or token): refuses the directories
    /// `NONE` and `INTERNAL`, which only the server itself may hand out.
    pub fn from_outside(directory: &str, id: &str) -> Result<UserKey, UserKeyError> {
        let key = UserKey::new(directory, id)?;
        for reserved in [UserKey::ANONYMOUS_DIRECTORY, UserKey::INTERNAL_DIRECTORY] {
            if key.directory.eq_ignore_ascii_case(reserved) {
                return Err(UserKeyError::Reserved(reserved.to_owned()));
            }
        }
        Ok(key)
    }

    /// The directory as first received.
    #[must_use]
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The id within the directory as first received.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key in lower case: what indexes and comparisons use.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

impl PartialEq for UserKey {
    fn eq(&self, other: &UserKey) -> bool {
        self.folded == other.folded
    }
}

impl Eq for UserKey {}

impl Hash for UserKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\\{}", self.directory, self.id)
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserKey({self})")
    }
}

impl FromStr for UserKey {
    type Err = UserKeyError;

    /// Reads `DIRECTORY\id`.
    fn from_str(text: &str) -> Result<UserKey, UserKeyError> {
        let (directory, id) = text.split_once('\\').ok_or(UserKeyError::NoDirectory)?;
        UserKey::new(directory, id)
    }
}

impl TryFrom<String> for UserKey {
    type Error = UserKeyError;

    fn try_from(text: String) -> Result<UserKey, UserKeyError> {
        text.parse()
    }
}

impl From<UserKey> for String {
    fn from(key: UserKey) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_one_lower_case_segment() {
        for good in ["", "public", "a.b-c_d~e", "x1"] {
            assert_eq!(good.parse::<Prefix>().map(|p| p.as_str().to_owned()), Ok(good.to_owned()));
        }
        assert_eq!("Public".parse::<Prefix>(), Err(PrefixError::Forbidden { at: 0, found: 'P' }));
        assert_eq!("a/b".parse::<Prefix>(), Err(PrefixError::Forbidden { at: 1, found: '/' }));
        assert_eq!("a#".parse::<Prefix>(), Err(PrefixError::Forbidden { at: 1, found: '#' }));
        assert_eq!("..".parse::<Prefix>(), Err(PrefixError::OnlyDots));
        assert_eq!("qrs".parse::<Prefix>(), Err(PrefixError::Reserved("qrs".to_owned())));
    }

    #[test]
    fn user_keys_compare_without_letter_case_and_show_as_received() {
        let first = UserKey::new(" Acme ", "Ana").unwrap();
        assert_eq!(first, UserKey::new("ACME", "ana").unwrap());
        assert_eq!(first.to_string(), "Acme\\Ana");
        assert_eq!(UserKey::new("  ", "ana"), Err(UserKeyError::NoDirectory));
        assert_eq!(UserKey::new("A", "b\\c"), Err(UserKeyError::Backslash));
    }

    #[test]
    fn nobody_outside_can_claim_to_be_a_visitor_or_the_server() {
        assert_eq!(
            UserKey::from_outside("none", "anonymous1"),
            Err(UserKeyError::Reserved("NONE".to_owned()))
        );
        assert!(UserKey::from_outside("internal", "sa_repository").is_err());
        assert!(UserKey::from_outside("LOGGIA", "ana").is_ok());
    }
}
