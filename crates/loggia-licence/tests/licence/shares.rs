//! What visitors may draw of a pool, all of them and those of one address; and what is told.

use loggia_licence::{
    Activity, Admission, Counters, DayOfUse, Drawn, UtcOffset, Visit, activities, counters,
    forecast, simulate, tokens_occupied,
};
use loggia_model::Moment;
use loggia_model::entity::PoolKind;
use proptest::prelude::*;

use crate::house::{House, MARCH, at, days, person, pool, visit, visitor};

#[test]
fn the_reserved_part_is_for_people() {
    let minutes = pool("minutes", PoolKind::AnalyzerCapacity, Some(30)).reserved(12);
    let mut house = House::new(vec![minutes]);
    let mut says = |holder| house.says(&visit(holder), at(9, 0));
    // People may draw on everything, visitors on eighteen minutes, whoever came first.
    assert_eq!(says(person(1)), "6 of minutes");
    for number in 1..=3 {
        assert_eq!(says(visitor(number)), "6 of minutes");
    }
    assert!(says(visitor(4)).starts_with("LIC-EMPTY minutes"));
    assert_eq!(says(person(2)), "6 of minutes");
    assert!(says(person(3)).starts_with("LIC-EMPTY minutes"));
}

#[test]
fn one_address_cannot_drain_a_pool() {
    let address = |text: &str, number| Visit {
        address: Some(text.parse().unwrap()),
        ..visit(visitor(number))
    };
    let mut house =
        House::new(vec![pool("minutes", PoolKind::AnalyzerCapacity, Some(600)).per_address(2)]);
    assert_eq!(house.says(&address("203.0.113.7", 1), at(9, 0)), "6 of minutes");
    assert_eq!(house.says(&address("203.0.113.7", 2), at(9, 10)), "6 of minutes");
    let said = house.says(&address("203.0.113.7", 3), at(9, 20));
    assert_eq!(said, "LIC-ADDRESS minutes, again in 40 min");
    // What runs goes on; other addresses and people are not concerned.
    assert_eq!(house.says(&address("203.0.113.7", 2), at(9, 15)), "covered by minutes");
    assert_eq!(house.says(&address("203.0.113.8", 4), at(9, 20)), "6 of minutes");
    let ana = Visit { holder: person(1), ..address("203.0.113.7", 0) };
    assert_eq!(house.says(&ana, at(9, 20)), "6 of minutes");
    // An hour after the first unit there is room for another.
    assert_eq!(house.says(&address("203.0.113.7", 3), at(10, 0)), "6 of minutes");
    assert!(house.says(&address("203.0.113.7", 5), at(10, 0)).starts_with("LIC-ADDRESS"));

    // Whoever has one IPv6 address has a network of them.
    for (number, text) in ["2001:db8::1", "2001:db8::ffff"].into_iter().enumerate() {
        let visit = address(text, 10 + u128::try_from(number).unwrap());
        assert_eq!(house.says(&visit, at(12, 0)), "6 of minutes");
    }
    assert!(house.says(&address("2001:db8::2", 20), at(12, 0)).starts_with("LIC-ADDRESS"));
    assert_eq!(house.says(&address("2001:db8:0:1::2", 21), at(12, 0)), "6 of minutes");
}

#[test]
fn the_operator_is_told_once_at_each_mark() {
    let mut house = House::new(vec![pool("minutes", PoolKind::AnalyzerCapacity, Some(120))]);
    let mut told = Vec::new();
    for number in 1..=20 {
        if let Admission::Charge(charge) = house.visit(&visit(visitor(number)), at(9, 0)) {
            told.extend(charge.reaches.iter().map(|&mark| (number, mark)));
        }
    }
    assert_eq!(told, [(16, 80), (19, 95), (20, 100)]);
    let mut one = House::new(vec![pool("seats", PoolKind::Professional, Some(1))]);
    match one.visit(&visit(person(1)), at(9, 0)) {
        Admission::Charge(charge) => assert_eq!(charge.reaches, [80, 95, 100]),
        other => panic!("{other:?}"),
    }
}

/// `spec/access.md` §3.3.6.
#[test]
fn a_token_is_free_when_ten_passes_of_it_are() {
    let occupied: Vec<u64> = [0, 1, 10, 11, 25, 30].map(|out| tokens_occupied(0, out)).to_vec();
    assert_eq!(occupied, [0, 1, 1, 2, 3, 3]);
    // Lowered from three tokens to one while 25 passes are out: two come free one by one.
    let lowered: Vec<u64> = [25, 21, 20, 11, 10, 0].map(|out| tokens_occupied(10, out)).to_vec();
    assert_eq!(lowered, [3, 3, 2, 2, 1, 1]);
}

#[test]
fn counters_tell_overage_and_what_a_lowered_pool_cannot_give() {
    let minutes = pool("m", PoolKind::AnalyzerCapacity, Some(60)).overage(30).pool;
    let drawn = Drawn { used: 72, used_by_visitors: 12, ..Drawn::default() };
    let counted = counters(&minutes, &drawn);
    assert_eq!((counted.available, counted.overage_used, counted.unavailable), (Some(0), 12, 0));
    let passes = pool("p", PoolKind::LoginAccess, Some(10)).pool;
    let counted = counters(&passes, &Drawn { used: 14, ..Drawn::default() });
    assert_eq!((counted.available, counted.overage_used, counted.unavailable), (Some(0), 0, 4));
    let seats = pool("s", PoolKind::UserAccess, Some(5)).pool;
    let counted = counters(&seats, &Drawn { used: 2, quarantined: 1, ..Drawn::default() });
    assert_eq!((counted.used, counted.quarantined, counted.available), (2, 1, Some(2)));
}

#[test]
fn a_forecast_says_on_which_day_a_pool_is_empty() {
    let drawn = |kind, capacity, used: u64, past: &[(i64, u64)], day: i64| -> Option<i64> {
        let now = MARCH.plus_minutes(days(day));
        let renews = (kind == PoolKind::AnalyzerCapacity).then(|| UtcOffset::UTC.month_of(now).end);
        let out = Drawn { used, renews, ..Drawn::default() };
        let counted: Counters = counters(&pool("p", kind, capacity).pool, &out);
        let past: Vec<DayOfUse> = past
            .iter()
            .map(|&(day, units)| DayOfUse {
                day: MARCH.plus_minutes(days(day)),
                units,
                units_of_visitors: 0,
                uses: units,
            })
            .collect();
        let empty = forecast(kind, &counted, &past, now, UtcOffset::UTC)?;
        Some(empty.millis_since(MARCH) / 86_400_000)
    };
    use PoolKind::{AnalyzerCapacity as Minutes, LoginAccess as Passes, Professional as Seats};
    // Ten days of sixty minutes; what is left lasts for five more.
    let ten: Vec<(i64, u64)> = (0..10).map(|day| (day, 60)).collect();
    assert_eq!(drawn(Minutes, Some(900), 600, &ten, 10), Some(14));
    assert_eq!(drawn(Minutes, Some(600), 600, &ten, 10), Some(10));
    // The month is over first; nothing is drawn; nothing has an end.
    assert_eq!(drawn(Minutes, Some(9000), 600, &ten, 10), None);
    assert_eq!(drawn(Minutes, Some(900), 0, &[], 10), None);
    assert_eq!(drawn(Minutes, None, 600, &ten, 10), None);
    // Days without use count as days.
    assert_eq!(drawn(Minutes, Some(900), 600, &[(0, 300), (5, 300)], 10), Some(14));
    // Seats do not come back by themselves, passes do: two a day are forty of a hundred out.
    let two: Vec<(i64, u64)> = (0..28).map(|day| (day, 2)).collect();
    assert_eq!(drawn(Seats, Some(100), 56, &two, 28), Some(49));
    assert_eq!(drawn(Passes, Some(57), 56, &two, 28), None);
}

#[test]
fn a_week_is_played_again_under_other_pools() {
    // Three visitors for 18 minutes each, and Ana twice with an hour between.
    let mut house = House::new(vec![pool("minutes", PoolKind::AnalyzerCapacity, None)]);
    for minute in [0, 6, 12] {
        for number in 1..=3 {
            house.visit(&visit(visitor(number)), at(9, minute));
        }
    }
    house.visit(&visit(person(1)), at(9, 0));
    house.visit(&visit(person(1)), at(11, 0));
    let lines: Vec<_> = house.ledger.iter().map(|(_, line)| line.clone()).collect();
    let week = activities(&lines, 6);
    assert_eq!(week.len(), 11);
    let played = |pools: Vec<crate::house::Pool>| {
        let pools: Vec<_> = pools.into_iter().map(|pool| pool.pool).collect();
        let outcome = simulate(&week, &pools, |_, _| true, UtcOffset::UTC);
        let given: Vec<(u64, u64)> =
            outcome.pools.iter().map(|pool| (pool.units, pool.peak)).collect();
        (given, outcome.refused, outcome.first_empty)
    };
    // As it was.
    let minutes = |minutes| pool("minutes", PoolKind::AnalyzerCapacity, minutes);
    assert_eq!(played(vec![minutes(None)]), (vec![(66, 66)], 0, None));
    // An hour of a pass serves it all, and Ana needs a second one.
    let passes = pool("passes", PoolKind::LoginAccess, Some(10));
    assert_eq!(played(vec![passes]), (vec![(5, 5)], 0, None));
    // Half of it: refused from the moment it is used up.
    let (given, refused, empty) = played(vec![minutes(Some(30))]);
    assert_eq!((given, refused), (vec![(30, 30)], 6));
    assert!(empty.is_some_and(|empty: Moment| empty >= at(9, 6)));
    // A seat for Ana, nothing for visitors.
    let seat = pool("seats", PoolKind::Professional, Some(1));
    assert_eq!(played(vec![seat]), (vec![(1, 1)], 9, None));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A simulation keeps sums where a ledger has lines; both give and refuse the same.
    #[test]
    fn playing_again_is_as_it_would_have_been(
        steps in prop::collection::vec(
            (0_i64..40, 0_u128..6, 0_u8..2, prop::bool::weighted(0.1)), 0..120),
        capacities in (0_u64..3, 0_u64..6, 0_u64..60),
        reserved in 0_u64..20,
        ceiling in 1_u64..5,
    ) {
        let pools = || vec![
            pool("seats", PoolKind::Analyzer, Some(capacities.0)),
            pool("passes", PoolKind::LoginAccess, Some(capacities.1)).reserved(1),
            pool("minutes", PoolKind::AnalyzerCapacity, Some(capacities.2))
                .overage(6)
                .reserved(reserved)
                .per_address(ceiling),
        ];
        let mut house = House::new(pools());
        let mut now = MARCH;
        let (mut played, mut refused) = (Vec::new(), 0);
        for (minutes, who, address, is_late) in steps {
            now = now.plus_minutes(minutes + if is_late { days(20) } else { 0 });
            let holder = if who < 3 { person(who) } else { visitor(who) };
            let address = Some([192, 0, 2, address].into());
            let visit = Visit { address, ..visit(holder) };
            refused += u64::from(matches!(house.visit(&visit, now), Admission::Refused(_)));
            played.push(Activity { at: now, visit, principal: String::new() });
        }
        let pools: Vec<_> = pools().into_iter().map(|pool| pool.pool).collect();
        let outcome = simulate(&played, &pools, |_, _| true, UtcOffset::UTC);
        prop_assert_eq!(outcome.refused, refused);
        for given in &outcome.pools {
            let lines = house.ledger.iter().map(|(_, line)| line);
            let own = lines.filter(|line| line.pool == given.pool).map(|line| line.units);
            prop_assert_eq!(given.units, own.sum::<u64>());
        }
    }
}
