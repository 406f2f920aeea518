//! However people come and go, no pool hands out more than it has, and no charge counts twice.

use loggia_licence::{Admission, HolderKey, LineKind, PASS_RETURN_DAYS, UtcOffset, acquire};
use loggia_model::Moment;
use loggia_model::entity::PoolKind;
use proptest::prelude::*;

use crate::house::{House, MARCH, Pool, in_browser, person, pool, visitor};

#[derive(Clone, Debug)]
struct Step {
    /// Minutes since the step before.
    wait: i64,
    holder: HolderKey,
    browser: u128,
    /// The same request arrives again, decided on what was seen before the charge was stored.
    is_repeated: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let holder = prop_oneof![(0u128..4).prop_map(person), (0u128..6).prop_map(visitor)];
    let wait = prop_oneof![6 => 0i64..8, 2 => 30i64..120, 1 => 0i64..20_000];
    (wait, holder, 0u128..2, any::<bool>()).prop_map(|(wait, holder, browser, is_repeated)| Step {
        wait,
        holder,
        browser,
        is_repeated,
    })
}

fn pools() -> impl Strategy<Value = Vec<Pool>> {
    let capacity = || prop::option::weighted(0.9, 0u64..40);
    (capacity(), capacity(), capacity(), 0u64..20, 0u8..8).prop_map(
        |(seats, passes, minutes, overage, disabled)| {
            let mut pools = vec![
                pool("seats", PoolKind::Analyzer, seats.map(|seats| seats / 10)),
                pool("passes", PoolKind::LoginAccess, passes.map(|passes| passes / 4)),
                pool("minutes", PoolKind::AnalyzerCapacity, minutes).overage(overage),
            ];
            for (index, pool) in pools.iter_mut().enumerate() {
                pool.pool.is_disabled = disabled == 1 << index;
            }
            pools
        },
    )
}

/// What of a pool is out at `now`, counted anew from the ledger.
fn out(house: &House, pool: &Pool, now: Moment) -> u64 {
    let month = house.offset.month_of(now);
    let lines = house.ledger.iter().map(|(_, line)| line);
    lines
        .filter(|line| line.pool == pool.pool.id && line.kind == LineKind::Taken)
        .filter(|drawn| match pool.pool.kind {
            PoolKind::AnalyzerCapacity => month.contains(drawn.from),
            PoolKind::LoginAccess => {
                let days = i64::try_from(PASS_RETURN_DAYS).unwrap();
                now.millis_since(drawn.from) < days * 86_400_000
            }
            _ => true,
        })
        .map(|drawn| drawn.units)
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_the_pool(
        pools in pools(),
        steps in prop::collection::vec(step(), 1..120),
        minutes in -720i32..840,
    ) {
        let mut house = House::new(pools);
        house.offset = UtcOffset { minutes };
        let mut now = MARCH;
        for step in steps {
            now = now.plus_minutes(step.wait);
            let visit = in_browser(step.holder, step.browser);
            let view = house.view(&visit, now);
            let lines = house.ledger.len();
            let admission = house.visit(&visit, now);
            match &admission {
                Admission::Charge(charge) => {
                    prop_assert_eq!(house.ledger.len(), lines + 1);
                    let is_seat = charge.until.is_none();
                    prop_assert!(!(is_seat && step.holder.is_anonymous()));
                    // Right after the charge the visit is covered, by the same pool.
                    let again = house.visit(&visit, now);
                    let is_covered =
                        matches!(again, Admission::Covered { pool, .. } if pool == charge.pool);
                    prop_assert!(is_covered, "{:?}", again);
                }
                Admission::Covered { until, is_first_today, .. } => {
                    prop_assert!(until.is_none_or(|until| now < until));
                    prop_assert_eq!(house.ledger.len(), lines + usize::from(*is_first_today));
                }
                Admission::Refused(refusal) => {
                    prop_assert_eq!(house.ledger.len(), lines);
                    prop_assert!(refusal.renews.is_none_or(|renews| renews > now));
                }
            }
            if step.is_repeated {
                // A moment later, but on the old view: the key says that it is the same charge.
                let lines = house.ledger.len();
                if let Admission::Charge(charge) = acquire(&view, &visit, Moment(now.0 + 5)) {
                    house.store(&charge, &visit);
                }
                prop_assert_eq!(house.ledger.len(), lines);
            }
            for pool in &house.pools {
                let out = out(&house, pool, now);
                if let Some(capacity) = pool.pool.capacity {
                    prop_assert!(out <= capacity + pool.pool.overage, "{} {}", pool.pool.name, out);
                }
                prop_assert_eq!(out, house.used(&pool.pool.name, now));
            }
        }
    }
}
