//! What waits for a browser to come back: the far half of a redirect, kept here and known outside
//! only by a random token.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

use loggia_model::Moment;
use parking_lot::Mutex;

use crate::address::AddressBlock;
use crate::secret::{NoRandomness, SessionHash, SessionSecret};

/// Things that are asked for once, by whoever holds their token, before they expire.
///
/// Strangers make these entries, so they choose neither how many there are nor whose give way:
/// an address block that has as many as it may loses its own oldest one.
///
/// ```
/// use loggia_auth::{Pending, SessionSecret};
/// use loggia_model::Moment;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let waiting = Pending::default();
/// let browser = SessionSecret::random()?;
/// let token = waiting.put("/public/hub", Some(&browser), None, Moment(0))?;
/// assert_eq!(waiting.take(&token, None, Moment(1)), None);
/// assert_eq!(waiting.take(&token, Some(&browser), Moment(1)), Some("/public/hub"));
/// assert_eq!(waiting.take(&token, Some(&browser), Moment(1)), None);
/// # Ok(())
/// # }
/// ```
pub struct Pending<T> {
    limits: PendingLimits,
    waiting: Mutex<Waiting<T>>,
}

/// How long entries wait, and how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingLimits {
    pub lifetime_millis: i64,
    pub in_total: usize,
    pub per_address: usize,
}

struct Waiting<T> {
    entries: HashMap<SessionHash, Entry<T>>,
    /// The order in which entries were made, which is the order in which they expire.
    by_age: BTreeMap<u64, SessionHash>,
    by_address: BTreeMap<(AddressBlock, u64), SessionHash>,
    /// How many each block has: a block may have very many, and each new one asks.
    of_block: HashMap<AddressBlock, usize>,
    made: u64,
}

struct Entry<T> {
    value: T,
    browser: Option<SessionHash>,
    block: AddressBlock,
    number: u64,
    expires: Moment,
}

impl Default for PendingLimits {
    /// Ten minutes: as long as it may take to type a password and a code from a telephone.
    fn default() -> PendingLimits {
        PendingLimits { lifetime_millis: 600_000, in_total: 50_000, per_address: 200 }
    }
}

impl<T> Default for Pending<T> {
    fn default() -> Pending<T> {
        Pending::new(PendingLimits::default())
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({} entries)", self.len())
    }
}

impl<T> Pending<T> {
    #[must_use]
    pub fn new(limits: PendingLimits) -> Pending<T> {
        Pending { limits, waiting: Mutex::new(Waiting::default()) }
    }

    /// Keeps `value` and gives the token for it. With `browser`, only who shows that secret again
    /// gets the value.
    pub fn put(
        &self,
        value: T,
        browser: Option<&SessionSecret>,
        address: Option<IpAddr>,
        now: Moment,
    ) -> Result<String, NoRandomness> {
        let token = SessionSecret::random()?;
        let block = address.map_or_else(AddressBlock::unknown, AddressBlock::from);
        let expires = Moment(now.0.saturating_add(self.limits.lifetime_millis));
        let mut waiting = self.waiting.lock();
        waiting.forget_expired(now);
        if waiting.of_block(block) >= self.limits.per_address.max(1) {
            waiting.forget_oldest_of(block);
        }
        if waiting.entries.len() >= self.limits.in_total.max(1) {
            waiting.forget_oldest();
        }
        let number = waiting.made;
        waiting.made += 1;
        let hash = token.hash();
        waiting.by_age.insert(number, hash);
        waiting.by_address.insert((block, number), hash);
        *waiting.of_block.entry(block).or_default() += 1;
        let browser = browser.map(SessionSecret::hash);
        waiting.entries.insert(hash, Entry { value, browser, block, number, expires });
        Ok(token.reveal())
    }

    /// The value of that token, which nobody gets a second time. A token shown by another browser
    /// than the one it was made for stays good for that one.
    #[must_use]
    pub fn take(&self, token: &str, browser: Option<&SessionSecret>, now: Moment) -> Option<T> {
        self.take_if(token, browser, now, |_| true)
    }

    /// Like [`Self::take`], where `is_wanted` may leave the value for somebody else.
    #[must_use]
    pub fn take_if(
        &self,
        token: &str,
        browser: Option<&SessionSecret>,
        now: Moment,
        is_wanted: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let hash = SessionSecret::parse(token)?.hash();
        let mut waiting = self.waiting.lock();
        let entry = waiting.entries.get(&hash)?;
        if !entry.is_for(browser, now) || !is_wanted(&entry.value) {
            return None;
        }
        waiting.forget(hash)
    }

    /// Looks at the value of that token without taking it.
    pub fn peek<R>(
        &self,
        token: &str,
        browser: Option<&SessionSecret>,
        now: Moment,
        look: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        let hash = SessionSecret::parse(token)?.hash();
        let waiting = self.waiting.lock();
        let entry = waiting.entries.get(&hash)?;
        entry.is_for(browser, now).then(|| look(&entry.value))
    }

    /// How many entries there are, expired ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.lock().entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Entry<T> {
    fn is_for(&self, browser: Option<&SessionSecret>, now: Moment) -> bool {
        let is_same_browser = match self.browser {
            None => true,
            Some(expected) => browser.is_some_and(|secret| secret.hash() == expected),
        };
        is_same_browser && now < self.expires
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        Waiting {
            entries: HashMap::new(),
            by_age: BTreeMap::new(),
            by_address: BTreeMap::new(),
            of_block: HashMap::new(),
            made: 0,
        }
    }
}

impl<T> Waiting<T> {
    fn forget_expired(&mut self, now: Moment) {
        while let Some((_, &hash)) = self.by_age.first_key_value()
            && self.entries.get(&hash).is_none_or(|entry| entry.expires <= now)
        {
            if self.forget(hash).is_none() {
                self.by_age.pop_first();
            }
        }
    }

    fn of_block(&self, block: AddressBlock) -> usize {
        self.of_block.get(&block).copied().unwrap_or_default()
    }

    fn forget_oldest_of(&mut self, block: AddressBlock) {
        let oldest = self.by_address.range((block, 0)..=(block, u64::MAX)).next();
        if let Some((_, &hash)) = oldest {
            self.forget(hash);
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, &hash)) = self.by_age.first_key_value() {
            self.forget(hash);
        }
    }

    fn forget(&mut self, hash: SessionHash) -> Option<T> {
        let entry = self.entries.remove(&hash)?;
        self.by_age.remove(&entry.number);
        self.by_address.remove(&(entry.block, entry.number));
        if let Some(count) = self.of_block.get_mut(&entry.block) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_block.remove(&entry.block);
            }
        }
        Some(entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_token_is_good_once_for_one_browser_and_for_ten_minutes() {
        let waiting = Pending::default();
        let browser = SessionSecret::random().unwrap();
        let other = SessionSecret::random().unwrap();
        let token = waiting.put(7, Some(&browser), from(1), Moment(0)).unwrap();

        assert_eq!(waiting.take(&token, Some(&other), Moment(1)), None);
        assert_eq!(waiting.take(&token, None, Moment(1)), None);
        assert_eq!(waiting.take(&"0".repeat(32), Some(&browser), Moment(1)), None);
        assert_eq!(waiting.take("", Some(&browser), Moment(1)), None);
        assert_eq!(waiting.peek(&token, Some(&browser), Moment(1), |&value| value), Some(7));
        assert_eq!(waiting.take(&token, Some(&browser), Moment(1)), Some(7));
        assert_eq!(waiting.take(&token, Some(&browser), Moment(1)), None);

        let late = waiting.put(8, None, from(1), Moment(0)).unwrap();
        assert_eq!(waiting.take(&late, None, Moment(600_000)), None);
        // Whatever has expired is forgotten when somebody else comes.
        waiting.put(9, None, from(1), Moment(600_000)).unwrap();
        assert_eq!(waiting.len(), 1);
    }

    #[test]
    fn a_crowd_from_one_address_pushes_out_its_own_entries_only() {
        let limits = PendingLimits { lifetime_millis: 600_000, in_total: 10, per_address: 3 };
        let waiting = Pending::new(limits);
        let mine = waiting.put(0, None, from(1), Moment(0)).unwrap();
        let theirs: Vec<String> =
            (1..=50).map(|n| waiting.put(n, None, from(2), Moment(0)).unwrap()).collect();
        assert_eq!(waiting.len(), 4);
        assert_eq!(waiting.take(&mine, None, Moment(1)), Some(0));
        assert_eq!(waiting.take(&theirs[46], None, Moment(1)), None);
        assert_eq!(waiting.take(&theirs[49], None, Moment(1)), Some(50));

        // Many addresses together do not grow it beyond its total.
        for n in 10..200 {
            waiting.put(0, None, from(n), Moment(0)).unwrap();
        }
        assert_eq!(waiting.len(), 10);
    }
}
