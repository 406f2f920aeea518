//! How much may visitors ask for? Requests and computing per address block, requests per entrance.
//!
//! Each allowance is a bucket that holds a minute's worth and fills evenly, kept as one number: when
//! it will be full again. People who signed in are never asked.
//!
//! Our own lines, since what exists either reads its own clock or keeps every key it ever saw.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use loggia_model::entity::VisitorRates;
use loggia_model::{Moment, VirtualProxyId};
use parking_lot::{Mutex, RwLock};

use crate::address::AddressBlock;

/// Allowances of all visitors.
#[derive(Debug)]
pub struct Limiter {
    shards: Vec<Mutex<HashMap<Key, Allowance>>>,
    hasher: RandomState,
    entrances: RwLock<HashMap<VirtualProxyId, Arc<AtomicI64>>>,
}

/// Come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub millis: u64,
    pub limit: Limit,
    /// Nobody was told yet since the allowance ran out: worth a line in the log, which a flood of
    /// refusals must not become.
    pub is_first: bool,
}

/// Which allowance is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    AddressRequests,
    AddressComputing,
    EntranceRequests,
}

/// What a request draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// A visit: the address's requests and computing, and the entrance's requests.
    Visit,
    /// Something of those who may be about to sign in. Visitors must not use up what they need,
    /// neither a crowd of them nor those of the same address: it has as many requests again for
    /// this, and computing counts for nothing.
    Approach,
}

type Key = (VirtualProxyId, AddressBlock);

#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    requests: i64,
    approaches: i64,
    computing: i64,
    is_told: bool,
}

const MINUTE: i64 = 60_000_000;
/// However much somebody computed, and whatever a clock does, nobody waits longer than this.
const LONGEST_DEBT: i64 = 2 * MINUTE;
const SHARDS: usize = 64;
/// Strangers choose their addresses; they shall not choose how much memory we keep: about 8 MB.
const MOST_PER_SHARD: usize = 1_024;

impl Default for Limiter {
    fn default() -> Limiter {
        let mut shards = Vec::new();
        shards.resize_with(SHARDS, Mutex::default);
        Limiter { shards, hasher: RandomState::new(), entrances: RwLock::default() }
    }
}

impl Limiter {
    /// Lets a request through, or says how long to wait.
    pub fn ask(
        &self,
        entrance: VirtualProxyId,
        block: AddressBlock,
        draw: Draw,
        rates: &VisitorRates,
        now: Moment,
    ) -> Result<(), Wait> {
        let now = micros(now);
        self.with((entrance, block), now, |allowance| {
            let Allowance { requests, approaches, computing, .. } = *allowance;
            let (requests, is_visit) = match draw {
                Draw::Visit => (requests, true),
                Draw::Approach => (approaches, false),
            };
            let requests = drawn(requests, cost(rates.per_address), now)
                .map_err(|wait| (wait, Limit::AddressRequests));
            let computing = match rates.compute_per_address {
                limit if limit > 0 && is_visit => {
                    drawn(computing, 0, now).map_err(|wait| (wait, Limit::AddressComputing))
                }
                _ => Ok(0),
            };
            match (requests, computing) {
                (Ok(drawn), Ok(_)) => {
                    match draw {
                        Draw::Visit => allowance.requests = drawn,
                        Draw::Approach => allowance.approaches = drawn,
                    }
                    allowance.is_told = false;
                    Ok(())
                }
                (Err((wait, limit)), _) | (_, Err((wait, limit))) => {
                    let is_first = !std::mem::replace(&mut allowance.is_told, true);
                    Err(Wait { millis: millis(wait), limit, is_first })
                }
            }
        })?;
        if draw == Draw::Visit { self.ask_entrance(entrance, rates, now) } else { Ok(()) }
    }

    /// Whether visitors of this address may compute; none is at once.
    #[must_use]
    pub fn computing_wait(
        &self,
        entrance: VirtualProxyId,
        block: AddressBlock,
        rates: &VisitorRates,
        now: Moment,
    ) -> Option<Duration> {
        if rates.compute_per_address == 0 {
            return None;
        }
        let now = micros(now);
        let wait =
            self.with((entrance, block), now, |allowance| drawn(allowance.computing, 0, now));
        wait.err().map(|wait| Duration::from_millis(millis(wait)))
    }

    /// Takes what an answer has cost from its address's allowance.
    pub fn charge(
        &self,
        entrance: VirtualProxyId,
        block: AddressBlock,
        spent: Duration,
        rates: &VisitorRates,
        now: Moment,
    ) {
        if rates.compute_per_address == 0 {
            return;
        }
        let spent = i64::try_from(spent.as_micros()).unwrap_or(i64::MAX);
        let now = micros(now);
        let cost = spent.saturating_mul(60_000) / i64::from(rates.compute_per_address);
        self.with((entrance, block), now, |allowance| {
            let full = allowance.computing.max(now).saturating_add(cost);
            allowance.computing = full.min(now.saturating_add(LONGEST_DEBT));
        });
    }

    /// How many addresses are remembered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn ask_entrance(
        &self,
        entrance: VirtualProxyId,
        rates: &VisitorRates,
        now: i64,
    ) -> Result<(), Wait> {
        if rates.per_entrance == 0 {
            return Ok(());
        }
        let known = self.entrances.read().get(&entrance).cloned();
        let full = known
            .unwrap_or_else(|| Arc::clone(self.entrances.write().entry(entrance).or_default()));
        let cost = cost(rates.per_entrance);
        full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full| drawn(full, cost, now).ok())
            .map(drop)
            .map_err(|full| Wait {
                millis: millis(drawn(full, cost, now).err().unwrap_or_default()),
                limit: Limit::EntranceRequests,
                is_first: false,
            })
    }

    fn with<T>(&self, key: Key, now: i64, look: impl FnOnce(&mut Allowance) -> T) -> T {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "there are SHARDS shards from the start")]
        let mut shard = self.shards[at].lock();
        if shard.len() >= MOST_PER_SHARD && !shard.contains_key(&key) {
            make_room(&mut shard, now);
        }
        look(shard.entry(key).or_default())
    }
}

/// Forgets addresses whose allowances are whole: there is nothing to remember about them. Where
/// all are in use, the eighth that used least gets it back early; the entrance's own limit holds.
fn make_room(shard: &mut HashMap<Key, Allowance>, now: i64) {
    let mut full_at: Vec<i64> = shard.values().map(Allowance::full_at).collect();
    let eighth = full_at.len() / 8;
    let (_, &mut least, _) = full_at.select_nth_unstable(eighth);
    shard.retain(|_, allowance| allowance.full_at() > least.max(now));
}

impl Allowance {
    fn full_at(&self) -> i64 {
        self.requests.max(self.approaches).max(self.computing)
    }
}

/// When a bucket that is full at `full` will be full again after `cost` was drawn; the wait until
/// there is enough in it otherwise.
fn drawn(full: i64, cost: i64, now: i64) -> Result<i64, i64> {
    let full = full.clamp(now, now.saturating_add(LONGEST_DEBT)).saturating_add(cost);
    let missing = full.saturating_sub(now).saturating_sub(MINUTE);
    if missing > 0 { Err(missing) } else { Ok(full) }
}

fn cost(per_minute: u32) -> i64 {
    match per_minute {
        0 => 0,
        rate => MINUTE / i64::from(rate),
    }
}

fn micros(moment: Moment) -> i64 {
    moment.0.saturating_mul(1_000)
}

fn millis(micros: i64) -> u64 {
    micros.unsigned_abs().div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const ENTRANCE: VirtualProxyId = VirtualProxyId(Uuid::from_u128(1));
    const RATES: VisitorRates =
        VisitorRates { per_entrance: 100, per_address: 60, compute_per_address: 30_000 };

    fn block(number: u64) -> AddressBlock {
        AddressBlock::from(IpAddr::from(Ipv6Addr::from_bits(u128::from(number) << 64)))
    }

    fn ask(limiter: &Limiter, address: u64, now: i64) -> Result<(), Wait> {
        limiter.ask(ENTRANCE, block(address), Draw::Visit, &RATES, Moment(now))
    }

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_evenly() {
        let limiter = Limiter::default();
        for _ in 0..60 {
            assert_eq!(ask(&limiter, 1, 0), Ok(()));
        }
        let wait = Wait { millis: 1_000, limit: Limit::AddressRequests, is_first: true };
        assert_eq!(ask(&limiter, 1, 0), Err(wait));
        assert_eq!(ask(&limiter, 1, 500), Err(Wait { millis: 500, is_first: false, ..wait }));
        assert_eq!(ask(&limiter, 1, 1_000), Ok(()));
        assert!(ask(&limiter, 1, 1_000).unwrap_err().is_first, "told again after it went on");
        // Others are not concerned, until the entrance as a whole has enough.
        for address in 0..39 {
            assert_eq!(ask(&limiter, 100 + address, 1_000), Ok(()), "{address}");
        }
        while ask(&limiter, 200, 1_000).is_ok() {}
        let refused = ask(&limiter, 201, 1_000).unwrap_err();
        assert_eq!(refused.limit, Limit::EntranceRequests);
        let approach = limiter.ask(ENTRANCE, block(202), Draw::Approach, &RATES, Moment(1_000));
        assert_eq!(approach, Ok(()), "whoever comes to sign in finds the door");
        // Another entrance has its own.
        let other = VirtualProxyId(Uuid::from_u128(2));
        assert_eq!(limiter.ask(other, block(1), Draw::Visit, &RATES, Moment(1_000)), Ok(()));
    }

    #[test]
    fn computing_is_paid_afterwards_and_by_its_own_address() {
        let limiter = Limiter::default();
        let wait = |address: u64, now: i64| {
            limiter.computing_wait(ENTRANCE, block(address), &RATES, Moment(now))
        };
        let charge = |seconds: u64, now: i64| {
            let spent = Duration::from_secs(seconds);
            limiter.charge(ENTRANCE, block(1), spent, &RATES, Moment(now));
        };
        charge(30, 0);
        assert_eq!(wait(1, 0), None, "a minute's worth");
        charge(5, 0);
        assert_eq!(wait(1, 0), Some(Duration::from_secs(10)), "half a second a second");
        assert_eq!(ask(&limiter, 1, 0).unwrap_err().limit, Limit::AddressComputing);
        assert_eq!(wait(2, 0), None);
        assert_eq!(wait(1, 10_000), None);
        charge(100_000, 10_000);
        assert_eq!(wait(1, 10_000), Some(Duration::from_secs(60)), "no debt is for ever");
    }

    #[test]
    fn what_visitors_of_an_address_use_up_keeps_nobody_there_from_signing_in() {
        let limiter = Limiter::default();
        let approach =
            || limiter.ask(ENTRANCE, block(1), Draw::Approach, &RATES, Moment(0)).map(drop);
        limiter.charge(ENTRANCE, block(1), Duration::from_secs(100), &RATES, Moment(0));
        assert_eq!(ask(&limiter, 1, 0).unwrap_err().limit, Limit::AddressComputing);
        while ask(&limiter, 2, 0).is_ok() {}
        let other = limiter.ask(ENTRANCE, block(2), Draw::Approach, &RATES, Moment(0));
        assert_eq!(other, Ok(()));
        // Nor does it go on without end.
        for number in 0..60 {
            assert_eq!(approach(), Ok(()), "{number}");
        }
        assert_eq!(approach().unwrap_err().limit, Limit::AddressRequests);
    }

    #[test]
    fn no_limit_is_no_limit() {
        let limiter = Limiter::default();
        let rates = VisitorRates { per_entrance: 0, per_address: 0, compute_per_address: 0 };
        for _ in 0..10_000 {
            limiter.charge(ENTRANCE, block(1), Duration::from_secs(60), &rates, Moment(0));
            let asked = limiter.ask(ENTRANCE, block(1), Draw::Visit, &rates, Moment(0));
            assert_eq!(asked, Ok(()));
        }
    }

    #[test]
    fn a_million_spoofed_networks_cost_bounded_memory_and_nobody_elses_allowance() {
        let limiter = Limiter::default();
        let rates = VisitorRates { per_entrance: 0, ..RATES };
        let ask = |address: u64, now: i64| {
            limiter.ask(ENTRANCE, block(address), Draw::Visit, &rates, Moment(now))
        };
        while ask(u64::MAX, 0).is_ok() {}
        for address in 0..1_000_000_u64 {
            // All within a second: no allowance is whole again before the end.
            assert_eq!(ask(address, i64::try_from(address / 1_000).unwrap()), Ok(()));
        }
        assert!(limiter.count() <= SHARDS * MOST_PER_SHARD, "{}", limiter.count());
        assert!(ask(u64::MAX, 100).is_err(), "whoever used most is remembered longest");
    }

    proptest! {
        #[test]
        fn never_more_than_two_minutes_worth_in_a_minute(steps in prop::collection::vec(0_i64..3_000, 1..400)) {
            let limiter = Limiter::default();
            let (mut now, mut passed) = (0, Vec::new());
            for step in steps {
                now += step;
                if ask(&limiter, 1, now).is_ok() {
                    passed.push(now);
                }
                let lately = passed.iter().filter(|&&at| at > now - 60_000).count();
                prop_assert!(lately <= 120, "{lately}");
            }
        }

        #[test]
        fn a_clock_that_jumps_shuts_nobody_out_for_long(jumps in prop::collection::vec(-90_000_000_i64..90_000_000, 1..20)) {
            let limiter = Limiter::default();
            let mut now = 0_i64;
            for jump in jumps {
                while ask(&limiter, 1, now).is_ok() {}
                now += jump;
                if let Err(wait) = ask(&limiter, 1, now) {
                    prop_assert!(wait.millis <= 61_000, "{}", wait.millis);
                }
            }
        }
    }
}
