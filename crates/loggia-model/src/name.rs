//! Text that has rules, parsed once at the edge into types that cannot hold anything else.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use icu_normalizer::ComposingNormalizerBorrowed;
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
        if self.is_default() { String::new() } else { ["/", &self.0].concat() }
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
    #[error("a semicolon may not stand in a user directory or user id")]
    Semicolon,
    #[error("the user key contains a character that nobody sees")]
    Unseen,
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
    ///
    /// Letters with marks are composed, so that two spellings of one name are one person. Names
    /// with characters that nobody sees are refused, since they look like somebody else's, and so
    /// are those with a semicolon, which separates directory and id where both stand in one line.
    pub fn from_outside(directory: &str, id: &str) -> Result<UserKey, UserKeyError> {
        if directory.chars().chain(id.chars()).any(is_unseen) {
            return Err(UserKeyError::Unseen);
        }
        if directory.contains(';') || id.contains(';') {
            return Err(UserKeyError::Semicolon);
        }
        let composer = ComposingNormalizerBorrowed::new_nfc();
        let key = UserKey::new(&composer.normalize(directory), &composer.normalize(id))?;
        for reserved in [UserKey::ANONYMOUS_DIRECTORY, UserKey::INTERNAL_DIRECTORY] {
            // Letters that are only drawn differently, such as the wide ones, count as the same.
            let plain = ComposingNormalizerBorrowed::new_nfkc().normalize(&key.directory);
            if plain.trim().eq_ignore_ascii_case(reserved) {
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

/// Spaces without width, marks of writing direction, tags: what makes two texts look the same.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
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
        for (directory, id) in [
            ("NONE", "anonymousd9e61933-a7e5-4836-8540-5b137a600e69"),
            (" None ", "x"),
            ("\tNONE", "x"),
            ("internal", "sa_repository"),
            ("INTERNAL\u{a0}", "sa_api"),
            ("NO\u{200b}NE", "x"),
            ("\u{202e}ENON", "x"),
            ("INTERNAL\u{fe0f}", "sa_api"),
            ("NONE\u{e0041}", "x"),
            ("\u{ff2e}\u{ff2f}\u{ff2e}\u{ff25}", "x"),
            ("ACME\\NONE", "x"),
            ("ACME", "NONE\\x"),
            ("ACME; UserId=root", "x"),
            ("ACME", "ana; UserDirectory=NONE"),
            ("ACME", "ana\r\nX: y"),
            ("ACME", "ana\0"),
            ("ACME", ""),
            ("", "ana"),
        ] {
            assert!(UserKey::from_outside(directory, id).is_err(), "{directory:?} {id:?}");
        }
        assert!(UserKey::from_outside("LOGGIA", "ana").is_ok());
    }

    #[test]
    fn two_spellings_of_a_letter_are_one_person_and_look_alikes_are_not() {
        let key = |id: &str| UserKey::from_outside("ACME", id).unwrap();
        assert_eq!(key("Zoe\u{308}"), key("zo\u{eb}"));
        assert_ne!(key("ana"), key("an\u{430}"));
        // What only looks like the reserved word is a directory of its own, and no visitor.
        let directory = |text: &str| UserKey::from_outside(text, "x").unwrap();
        assert!(!directory("N\u{41e}NE").folded().starts_with("none\\"));
    }
}
