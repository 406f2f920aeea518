//! How often a wrong password may be tried: a limiter of request and time in, pass or wait out.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use loggia_model::{Moment, UserKey};
use parking_lot::Mutex;

use crate::address::AddressBlock;

/// Counts sign-in attempts per account and per address.
///
/// An attempt counts when it begins, so a hundred at once are not one; a success takes its own
/// attempts back. The count of an account at one address is strict; the count of an account over
/// all addresses is loose, so that a stranger cannot lock a person out by knowing their name.
#[derive(Debug, Default)]
pub struct Attempts {
    counts: Mutex<HashMap<Subject, Count>>,
}

/// Too many attempts: the next one is heard after this many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptsRefused {
    pub wait_seconds: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    AccountAtAddress(UserKey, AddressBlock),
    Account(UserKey),
    Address(AddressBlock),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    attempts: u32,
    last: Moment,
}

/// Attempts are forgotten after a quarter of an hour without one.
const WINDOW_MILLIS: i64 = 15 * 60_000;
/// Strangers choose the accounts they try; they shall not choose how much memory we keep.
const MOST_SUBJECTS: usize = 50_000;

impl Attempts {
    /// Lets one attempt through, or says how long to wait. A refused attempt costs no hashing
    /// and does not count.
    pub fn begin(
        &self,
        account: &UserKey,
        address: Option<IpAddr>,
        now: Moment,
    ) -> Result<(), AttemptsRefused> {
        let subjects = subjects(account, address);
        let mut counts = self.counts.lock();
        let wait = subjects.iter().filter_map(|subject| {
            counts.get(subject).and_then(|count| count.wait_millis(subject.allowance(), now))
        });
        if let Some(millis) = wait.max() {
            return Err(AttemptsRefused { wait_seconds: millis.unsigned_abs().div_ceil(1_000) });
        }
        if counts.len() >= MOST_SUBJECTS {
            counts.retain(|_, count| !count.is_forgotten(now));
        }
        for subject in subjects {
            if counts.len() >= MOST_SUBJECTS && !counts.contains_key(&subject) {
                continue;
            }
            let count = counts.entry(subject).or_insert(Count { attempts: 0, last: now });
            if count.is_forgotten(now) {
                count.attempts = 0;
            }
            count.attempts = count.attempts.saturating_add(1);
            count.last = now;
        }
        Ok(())
    }

    /// Takes back what a successful attempt counted.
    pub fn succeeded(&self, account: &UserKey, address: Option<IpAddr>) {
        let mut counts = self.counts.lock();
        for subject in subjects(account, address) {
            match &subject {
                Subject::AccountAtAddress(..) => {
                    counts.remove(&subject);
                }
                Subject::Account(_) | Subject::Address(_) => {
                    if let Some(count) = counts.get_mut(&subject) {
                        count.attempts = count.attempts.saturating_sub(1);
                    }
                }
            }
        }
    }
}

fn subjects(account: &UserKey, address: Option<IpAddr>) -> [Subject; 3] {
    let block = address.map_or_else(AddressBlock::unknown, AddressBlock::from);
    [
        Subject::AccountAtAddress(account.clone(), block),
        Subject::Account(account.clone()),
        Subject::Address(block),
    ]
}

impl Subject {
    /// Attempts that are free before waiting begins.
    fn allowance(&self) -> u32 {
        match self {
            Subject::AccountAtAddress(..) => 5,
            Subject::Account(_) => 50,
            Subject::Address(_) => 60,
        }
    }
}

impl Count {
    /// Doubles with each attempt beyond the allowance: 2, 4, 8 … seconds, at most the window.
    fn wait_millis(&self, allowance: u32, now: Moment) -> Option<i64> {
        let beyond = self.attempts.checked_sub(allowance)?;
        if self.is_forgotten(now) {
            return None;
        }
        let wait = 2_000_i64.checked_shl(beyond.min(20)).unwrap_or(WINDOW_MILLIS);
        let until = Moment(self.last.0.saturating_add(wait.min(WINDOW_MILLIS)));
        Some(until.millis_since(now)).filter(|&millis| millis > 0)
    }

    fn is_forgotten(&self, now: Moment) -> bool {
        now.millis_since(self.last) >= WINDOW_MILLIS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> UserKey {
        UserKey::new("LOGGIA", "ana").unwrap()
    }

    fn at(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn the_sixth_guess_waits_and_the_wait_doubles() {
        let attempts = Attempts::default();
        for _ in 0..5 {
            assert_eq!(attempts.begin(&ana(), at(1), Moment(0)), Ok(()));
        }
        let wait =
            |now: i64| attempts.begin(&ana(), at(1), Moment(now)).map_err(|r| r.wait_seconds);
        assert_eq!(wait(0), Err(2));
        assert_eq!(wait(2_000), Ok(()));
        assert_eq!(wait(2_000), Err(4));
        assert_eq!(wait(6_000), Ok(()));
        // A stranger's guesses do not lock the person out at their own desk.
        assert_eq!(attempts.begin(&ana(), at(2), Moment(6_000)), Ok(()));
        // After a quarter of an hour all is forgotten.
        assert_eq!(wait(6_000 + WINDOW_MILLIS), Ok(()));
        assert_eq!(wait(6_000 + WINDOW_MILLIS), Ok(()));
    }

    #[test]
    fn one_address_cannot_try_every_account() {
        let attempts = Attempts::default();
        let mut refused = 0;
        for n in 0..100 {
            let account = UserKey::new("LOGGIA", &format!("user{n}")).unwrap();
            refused += u32::from(attempts.begin(&account, at(1), Moment(0)).is_err());
        }
        assert_eq!(refused, 40);
        assert_eq!(attempts.begin(&ana(), at(2), Moment(0)), Ok(()));
    }

    #[test]
    fn people_who_know_their_password_never_wait() {
        let attempts = Attempts::default();
        for n in 0..500 {
            assert_eq!(attempts.begin(&ana(), at(1), Moment(n)), Ok(()));
            attempts.succeeded(&ana(), at(1));
        }
    }
}
