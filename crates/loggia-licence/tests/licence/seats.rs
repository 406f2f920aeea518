//! Seats: given by rules and by hand, taken away, in quarantine, given back.

use loggia_licence::{LineKind, Seat, TakenAway, UtcOffset, quarantine_days, take_away};
use loggia_model::entity::PoolKind;

use crate::house::{House, at, days, nobody, person, pool, visit};

/// `spec/access.md` §3.3: used on the tenth, free on the eighteenth.
#[test]
fn what_was_used_on_the_tenth_is_free_on_the_eighteenth() {
    let seats = pool("seats", PoolKind::UserAccess, Some(1)).pool;
    let day = |number: i64, hour| at(hour, 30).plus_minutes(days(number - 1));
    let taken = |used, now| take_away(&seats, Some(used), now, UtcOffset::UTC);
    let until = at(0, 0).plus_minutes(days(17));
    assert_eq!(taken(day(10, 23), day(10, 23)), TakenAway::Quarantined { until });
    assert_eq!(taken(day(10, 0), day(17, 23)), TakenAway::Quarantined { until });
    assert_eq!(taken(day(10, 23), day(18, 0)), TakenAway::Released);
    assert_eq!(take_away(&seats, None, day(10, 1), UtcOffset::UTC), TakenAway::Released);
    // A day ends at the site's midnight.
    let east = UtcOffset { minutes: 120 };
    let until = at(0, 0).plus_minutes(days(18) - 120);
    assert_eq!(
        take_away(&seats, Some(day(10, 23)), day(11, 1), east),
        TakenAway::Quarantined { until }
    );
    // A clock that was a month ahead does not keep a seat for a month.
    let until = at(0, 0).plus_minutes(days(12));
    assert_eq!(taken(day(40, 1), day(5, 1)), TakenAway::Quarantined { until });
}

#[test]
fn each_kind_has_its_usual_quarantine_and_each_pool_may_have_its_own() {
    let usual = |kind| quarantine_days(&pool("seats", kind, None).pool);
    assert_eq!(usual(PoolKind::UserAccess), 7);
    assert_eq!(usual(PoolKind::Professional), 0);
    assert_eq!(usual(PoolKind::Analyzer), 0);
    let mut seats = pool("seats", PoolKind::Analyzer, None).pool;
    seats.quarantine_days = Some(3);
    assert_eq!(quarantine_days(&seats), 3);
    seats.quarantine_days = Some(0);
    assert_eq!(take_away(&seats, Some(at(1, 0)), at(1, 0), UtcOffset::UTC), TakenAway::Released);
}

#[test]
fn a_quarantine_keeps_the_seat_from_everybody_and_ends_by_itself_or_by_hand() {
    let mut house = House::new(vec![pool("seats", PoolKind::UserAccess, Some(1))]);
    let (ana, ben) = (visit(person(1)), visit(person(2)));
    assert_eq!(house.says(&ana, at(9, 0)), "1 of seats");
    let until = at(12, 0);
    let quarantine = LineKind::Quarantined;
    house.by_hand("seats", person(1), quarantine, Some(until), at(10, 0));
    assert_eq!(house.seat("seats", person(1), at(10, 0)), Seat::Quarantined { until });
    assert_eq!(house.says(&ana, at(10, 1)), "LIC-EMPTY seats");
    assert_eq!(house.says(&ben, at(11, 59)), "LIC-EMPTY seats");
    assert_eq!(house.used("seats", at(11, 59)), 1);
    // Reinstated it is Ana's as before; taken away again it is free in the end.
    house.by_hand("seats", person(1), LineKind::Reinstated, None, at(11, 59));
    assert_eq!(house.says(&ana, at(11, 59)), "covered by seats");
    house.by_hand("seats", person(1), quarantine, Some(until), at(11, 59));
    assert_eq!(house.used("seats", until), 0);
    assert_eq!(house.says(&ben, until), "1 of seats");
    assert_eq!(house.says(&ana, until), "LIC-EMPTY seats");
}

#[test]
fn a_seat_that_was_given_back_can_be_given_again() {
    let mut house = House::new(vec![pool("seats", PoolKind::Professional, Some(1))]);
    let ana = visit(person(1));
    for hour in 9..12 {
        assert_eq!(house.says(&ana, at(hour, 0)), "1 of seats");
        assert_eq!(house.used("seats", at(hour, 0)), 1);
        house.by_hand("seats", person(1), LineKind::Released, None, at(hour, 30));
        assert_eq!(house.used("seats", at(hour, 30)), 0);
    }
}

#[test]
fn the_days_of_use_are_known_and_a_seat_given_by_hand_is_unused_at_first() {
    let mut house = House::new(vec![pool("seats", PoolKind::UserAccess, None).admits(nobody)]);
    let used = |house: &House| {
        let view = house.view(&visit(person(1)), at(0, 0));
        view.pools[0].last_used
    };
    house.by_hand("seats", person(1), LineKind::Taken, None, at(8, 0));
    assert_eq!(used(&house), None);
    for (minutes, lines) in [(0, 2), (10, 2), (days(1), 3), (days(1) + 60, 3), (days(5), 4)] {
        let now = at(9, 0).plus_minutes(minutes);
        assert_eq!(house.says(&visit(person(1)), now), "covered by seats");
        assert_eq!(house.ledger.len(), lines);
    }
    assert_eq!(used(&house), Some(at(9, 0).plus_minutes(days(5))));
}

#[test]
fn user_access_costs_a_token() {
    let mut house = House::new(vec![
        pool("user access", PoolKind::UserAccess, None),
        pool("z", PoolKind::Analyzer, Some(1)),
    ]);
    house.tokens_left = Some(0);
    assert_eq!(house.says(&visit(person(1)), at(9, 0)), "1 of z");
    assert_eq!(house.says(&visit(person(2)), at(9, 0)), "LIC-EMPTY user access, z");
    house.tokens_left = Some(1);
    assert_eq!(house.says(&visit(person(2)), at(9, 0)), "1 of user access");
}
