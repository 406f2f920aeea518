//! Which browser is a visitor in? A signed number in a cookie of its own outlives the anonymous
//! session, so that one browser pays for one pass and counts as one visitor.
//!
//! The cookie lets nobody in. Whoever copies one shares what its browser has paid for, within the
//! entrance it was given at; whoever makes one up has nothing, since only the server can sign.

use std::fmt;

use aws_lc_rs::hmac;
use loggia_model::{Moment, VirtualProxyId, VisitorId};
use uuid::Uuid;

use crate::secret::{NoRandomness, base64_url, random_bytes, same_text};

/// The key that visitor cookies are signed with. Shown by nothing but [`Self::reveal`].
#[derive(Clone)]
pub struct VisitorKey {
    bytes: [u8; 32],
    /// Made ready once: that costs more than a signature does, and each first visit needs one.
    key: hmac::Key,
}

/// What a cookie says that this server signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisitorMark {
    pub visitor: VisitorId,
    /// When it was signed: a roaming lifetime begins anew from time to time.
    pub signed: Moment,
}

/// What the signature is about, so that no other signature of the server can stand in for it.
const PURPOSE: &[u8] = b"loggia visitor cookie 1";

impl VisitorKey {
    fn new(bytes: [u8; 32]) -> VisitorKey {
        VisitorKey { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), bytes }
    }

    /// A fresh key: cookies signed with any other one are worth nothing afterwards.
    pub fn random() -> Result<VisitorKey, NoRandomness> {
        random_bytes().map(VisitorKey::new)
    }

    /// Reads what [`Self::reveal`] gave.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<VisitorKey> {
        bytes.try_into().ok().map(VisitorKey::new)
    }

    /// The key itself, for the file that keeps it.
    #[must_use]
    pub fn reveal(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The value of a cookie that names the visitor at this entrance.
    #[must_use]
    pub fn sign(&self, visitor: VisitorId, entrance: VirtualProxyId, now: Moment) -> String {
        let seconds = now.0.div_euclid(1_000);
        let named = format!("{}.{seconds}", visitor.0.simple());
        let tag = self.tag(&named, entrance);
        format!("{named}.{tag}")
    }

    /// What a cookie's value says, if this server signed it for this entrance less than
    /// `lifetime_seconds` ago. Anything else says nothing.
    #[must_use]
    pub fn read(
        &self,
        value: &str,
        entrance: VirtualProxyId,
        lifetime_seconds: u32,
        now: Moment,
    ) -> Option<VisitorMark> {
        // The longest of ours: 32 digits, a moment, a signature.
        if value.len() > 128 {
            return None;
        }
        let (named, tag) = value.rsplit_once('.')?;
        if !same_text(tag, &self.tag(named, entrance)) {
            return None;
        }
        let (visitor, seconds) = named.split_once('.')?;
        let visitor = VisitorId(Uuid::try_parse(visitor).ok()?);
        let seconds: i64 = seconds.parse().ok()?;
        let signed = Moment(seconds.checked_mul(1_000)?);
        let age = now.millis_since(signed);
        // A clock that was set back makes a cookie of the future, which would never run out.
        let is_current = (-60_000..i64::from(lifetime_seconds) * 1_000).contains(&age);
        is_current.then_some(VisitorMark { visitor, signed })
    }

    fn tag(&self, named: &str, entrance: VirtualProxyId) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(PURPOSE);
        context.update(entrance.0.as_bytes());
        context.update(named.as_bytes());
        base64_url(context.sign().as_ref())
    }
}

impl fmt::Debug for VisitorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VisitorKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: VirtualProxyId = VirtualProxyId(Uuid::from_u128(1));
    const ELSEWHERE: VirtualProxyId = VirtualProxyId(Uuid::from_u128(2));
    const BROWSER: VisitorId = VisitorId(Uuid::from_u128(7));
    const NOW: Moment = Moment(1_795_507_200_000);
    const HOUR: u32 = 3_600;

    fn key() -> VisitorKey {
        VisitorKey::from_bytes(&[3; 32]).unwrap()
    }

    #[test]
    fn a_cookie_names_its_browser_at_its_entrance_for_its_time() {
        let value = key().sign(BROWSER, HERE, NOW);
        let after = |minutes| key().read(&value, HERE, HOUR, NOW.plus_minutes(minutes));
        assert_eq!(after(0), Some(VisitorMark { visitor: BROWSER, signed: NOW }));
        assert_eq!(after(59).map(|mark| mark.visitor), Some(BROWSER));
        assert_eq!(after(60), None, "expired");
        assert_eq!(after(-5), None, "of a time that has not come");
        assert_eq!(key().read(&value, ELSEWHERE, HOUR, NOW), None, "another entrance's");
        let other = VisitorKey::from_bytes(&[4; 32]).unwrap();
        assert_eq!(other.read(&value, HERE, HOUR, NOW), None, "another server's");
    }

    #[test]
    fn a_key_shows_nowhere_and_is_read_back_from_its_file() {
        let fresh = VisitorKey::random().unwrap();
        assert_eq!(format!("{fresh:?}"), "VisitorKey(hidden)");
        let again = VisitorKey::from_bytes(fresh.reveal()).unwrap();
        let value = fresh.sign(BROWSER, HERE, NOW);
        assert!(again.read(&value, HERE, HOUR, NOW).is_some());
        assert!(VisitorKey::from_bytes(b"short").is_none());
    }

    proptest! {
        #[test]
        fn a_changed_letter_makes_a_cookie_worthless(at in 0usize..100, letter in "[0-9A-Za-z_.-]") {
            let mut value = key().sign(BROWSER, HERE, NOW);
            let at = at % value.len();
            prop_assume!(value[at..=at] != letter);
            value.replace_range(at..=at, &letter);
            prop_assert_eq!(key().read(&value, HERE, HOUR, NOW), None);
        }

        #[test]
        fn no_text_is_a_cookie_or_a_fault(text in "\\PC{0,140}") {
            prop_assert_eq!(key().read(&text, HERE, HOUR, NOW), None);
        }
    }
}
