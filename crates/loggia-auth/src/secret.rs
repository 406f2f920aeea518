//! Random values, and the secret that a session cookie carries.

use std::fmt;
use std::ops::Deref;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use uuid::Uuid;

/// The operating system gave no random bytes.
#[derive(Debug, Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// 128 random bits that stand for a session in a cookie. Shown by nothing but [`Self::reveal`].
#[derive(Clone)]
pub struct SessionSecret([u8; 16]);

/// SHA-256 of a session's secret: what memory and store keep.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionHash {
    /// As even as a hash function needs, and as much as there is to guess about a secret.
    head: HashHead,
    tail: [u8; 16],
}

/// The first half of a [`SessionHash`]: enough to find a session by.
pub(crate) type HashHead = [u8; 16];

/// 32 hexadecimal digits that forms and REST clients of a session send back. Kept in place, since
/// there are as many as sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CsrfToken([u8; 32]);

impl SessionSecret {
    /// A fresh secret.
    pub fn random() -> Result<SessionSecret, NoRandomness> {
        random_bytes().map(SessionSecret)
    }

    pub(crate) fn from_random(bytes: [u8; 16]) -> SessionSecret {
        SessionSecret(bytes)
    }

    /// Reads what a cookie holds: 32 lower-case hexadecimal digits, or the GUID that a trusted
    /// caller chose. Anything else is none of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<SessionSecret> {
        if text.len() == 36 {
            return Uuid::try_parse(text).ok().map(|guid| SessionSecret(guid.into_bytes()));
        }
        let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else { return None };
            *byte = (nibble(high)? << 4) | nibble(low)?;
        }
        Some(SessionSecret(bytes))
    }

    /// The text for the cookie.
    #[must_use]
    pub fn reveal(&self) -> String {
        hexadecimal(&self.0)
    }

    /// What the server keeps of it.
    #[must_use]
    pub fn hash(&self) -> SessionHash {
        SessionHash::from_bytes(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(hidden)")
    }
}

impl SessionHash {
    /// 64 hexadecimal digits, for the store.
    #[must_use]
    pub fn text(&self) -> String {
        hexadecimal(&[self.head, self.tail].concat())
    }

    /// Reads [`Self::text`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<SessionHash> {
        let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else { return None };
            *byte = (nibble(high)? << 4) | nibble(low)?;
        }
        Some(SessionHash::from_bytes(bytes))
    }

    fn from_bytes(bytes: [u8; 32]) -> SessionHash {
        let (mut head, mut tail) = ([0; 16], [0; 16]);
        let (first, rest) = bytes.split_at(16);
        head.copy_from_slice(first);
        tail.copy_from_slice(rest);
        SessionHash { head, tail }
    }

    pub(crate) fn head(&self) -> &HashHead {
        &self.head
    }

    /// Eight of its bytes as a number: as even as a hash function needs.
    #[must_use]
    pub(crate) fn bucket(&self) -> u64 {
        self.head.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionHash({:016x}…)", self.bucket().swap_bytes())
    }
}

impl CsrfToken {
    pub(crate) fn from_bytes(bytes: &[u8; 16]) -> CsrfToken {
        let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            if let [high, low] = pair {
                (*high, *low) = (digit(byte >> 4), digit(byte & 15));
            }
        }
        CsrfToken(digits)
    }

    /// Reads what the store has; text of another form gives a token that nothing equals.
    pub(crate) fn parse(text: &str) -> CsrfToken {
        CsrfToken(text.as_bytes().try_into().unwrap_or([0; 32]))
    }
}

impl Deref for CsrfToken {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(hidden)")
    }
}

/// `N` random bytes.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A random GUID.
pub fn random_uuid() -> Result<Uuid, NoRandomness> {
    Ok(uuid::Builder::from_random_bytes(random_bytes()?).into_uuid())
}

/// Six letters and digits that a person can read over the telephone: `7F3K9Q`. They name a
/// refusal on the page and in the log; they protect nothing.
pub fn random_reference() -> Result<String, NoRandomness> {
    // Crockford's alphabet: no I, L, O or U to mistake.
    const ALPHABET: [char; 32] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H',
        'J', 'K', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
    ];
    let bytes: [u8; 6] = random_bytes()?;
    Ok(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31))).collect())
}

/// Random text of 128 bits for form tokens: 32 hexadecimal digits.
pub fn random_token() -> Result<String, NoRandomness> {
    Ok(hexadecimal(&random_bytes::<16>()?))
}

/// The token of a login form that was made for the browser holding `secret` in a cookie. Whoever
/// cannot read the cookie cannot make the token.
#[must_use]
pub fn form_token(secret: &SessionSecret) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"loggia login form");
    hasher.update(secret.0);
    let digest: [u8; 32] = hasher.finalize().into();
    hexadecimal(&digest)
}

/// Compares two texts in a time that does not tell where they differ.
#[must_use]
pub fn same_text(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    // Once or twice per request: the formatting machinery would cost more than the rest.
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The usual base64, padded.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The base64 of addresses and tokens, without padding.
pub(crate) fn base64_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_the_cookie_and_shows_nowhere_else() {
        let secret = SessionSecret::random().unwrap();
        let text = secret.reveal();
        assert_eq!(text.len(), 32);
        assert_eq!(SessionSecret::parse(&text).unwrap().hash(), secret.hash());
        assert_eq!(format!("{secret:?}"), "SessionSecret(hidden)");
        assert_eq!(SessionHash::parse(&secret.hash().text()), Some(secret.hash()));
        let guid = Uuid::from_bytes(secret.0).hyphenated().to_string();
        assert_eq!(SessionSecret::parse(&guid).unwrap().hash(), secret.hash());
    }

    #[test]
    fn what_we_never_wrote_is_no_secret() {
        for text in ["", "abc", "G0000000000000000000000000000000", &"A".repeat(32)] {
            assert!(SessionSecret::parse(text).is_none(), "{text}");
        }
        assert!(SessionSecret::parse(&"é".repeat(16)).is_none());
    }

    #[test]
    fn references_are_short_and_legible() {
        let reference = random_reference().unwrap();
        assert_eq!(reference.len(), 6);
        assert!(reference.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()));
    }
}
