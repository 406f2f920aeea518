//! Analyzer capacity: units of six minutes, by the month.

use loggia_licence::UtcOffset;
use loggia_model::entity::PoolKind;

use crate::house::{House, MARCH, at, in_browser, person, pool, visit, visitor, visitors};

fn capacity(minutes: Option<u64>) -> House {
    House::new(vec![pool("minutes", PoolKind::AnalyzerCapacity, minutes)])
}

/// `spec/access.md` §10 row 12.
#[test]
fn twenty_six_active_minutes_are_five_units_and_idle_ones_are_free() {
    let (mut house, ana) = (capacity(Some(600)), visit(visitor(1)));
    for minute in 0..26 {
        house.visit(&ana, at(9, minute));
    }
    assert_eq!(house.used("minutes", at(9, 26)), 30);
    // The fifth unit ends at 9:30. Idle until 9:40, then active again.
    assert_eq!(house.says(&ana, at(9, 29)), "covered by minutes");
    assert_eq!(house.used("minutes", at(9, 40)), 30);
    assert_eq!(house.says(&ana, at(9, 40)), "6 of minutes");
}

#[test]
fn a_unit_ends_to_the_millisecond() {
    let (mut house, ana) = (capacity(None), visit(visitor(1)));
    let start = at(9, 0);
    assert_eq!(house.says(&ana, start), "6 of minutes");
    let end = start.plus_minutes(6);
    assert_eq!(house.says(&ana, loggia_model::Moment(end.0 - 1)), "covered by minutes");
    assert_eq!(house.says(&ana, end), "6 of minutes");
}

#[test]
fn a_new_month_begins_with_everything() {
    let (mut house, ana) = (capacity(Some(12)), visit(visitor(1)));
    let april = MARCH.plus_minutes(31 * 24 * 60);
    assert_eq!(house.says(&ana, april.plus_minutes(-14)), "6 of minutes");
    // This unit lasts into April, but belongs to March.
    assert_eq!(house.says(&ana, april.plus_minutes(-3)), "6 of minutes");
    let ben = visit(visitor(2));
    assert_eq!(house.says(&ben, april.plus_minutes(-2)), "LIC-EMPTY minutes, again in 2 min");
    assert_eq!(house.says(&ana, april.plus_minutes(1)), "covered by minutes");
    assert_eq!(house.used("minutes", april.plus_minutes(1)), 0);
    assert_eq!(house.says(&ben, april.plus_minutes(1)), "6 of minutes");
}

#[test]
fn the_month_begins_at_midnight_of_the_site() {
    let mut house = capacity(Some(6));
    house.offset = UtcOffset { minutes: 120 };
    // 22:30 UTC on 29 February is half past midnight in March two hours east.
    assert_eq!(house.says(&visit(visitor(1)), MARCH.plus_minutes(-90)), "6 of minutes");
    let march_ends = MARCH.plus_minutes(31 * 24 * 60 - 120);
    let before = march_ends.plus_minutes(-10);
    assert_eq!(house.says(&visit(visitor(2)), before), "LIC-EMPTY minutes, again in 10 min");
    assert_eq!(house.says(&visit(visitor(2)), march_ends), "6 of minutes");
}

#[test]
fn overage_is_served_after_the_capacity() {
    let mut house =
        House::new(vec![pool("minutes", PoolKind::AnalyzerCapacity, Some(6)).overage(6)]);
    let said: Vec<String> =
        (1..=3).map(|number| house.says(&visit(visitor(number)), at(9, 0))).collect();
    assert_eq!(said[..2], ["6 of minutes", "6 of minutes"]);
    assert!(said[2].starts_with("LIC-EMPTY minutes, again in "));
}

#[test]
fn less_than_a_unit_is_nothing() {
    let mut house = capacity(Some(11));
    assert_eq!(house.says(&visit(visitor(1)), at(9, 0)), "6 of minutes");
    assert!(house.says(&visit(visitor(2)), at(9, 0)).starts_with("LIC-EMPTY"));
}

#[test]
fn a_browser_is_what_runs_a_unit() {
    let mut house = capacity(None);
    // Two apps in one browser, then another browser of the same person.
    assert_eq!(house.says(&in_browser(person(1), 1), at(9, 0)), "6 of minutes");
    assert_eq!(house.says(&in_browser(person(1), 1), at(9, 1)), "covered by minutes");
    assert_eq!(house.says(&in_browser(person(1), 2), at(9, 1)), "6 of minutes");
    // A visitor's id is one browser, whatever session it is in.
    assert_eq!(house.says(&in_browser(visitor(1), 3), at(9, 0)), "6 of minutes");
    assert_eq!(house.says(&in_browser(visitor(1), 4), at(9, 1)), "covered by minutes");
}

#[test]
fn an_unlimited_pool_never_refuses_but_counts() {
    let mut house = capacity(None);
    for number in 0..1000 {
        assert_eq!(house.says(&visit(visitor(number)), at(9, 0)), "6 of minutes");
    }
    assert_eq!(house.used("minutes", at(9, 0)), 6000);
}

#[test]
fn a_changed_rule_takes_effect_inside_a_unit() {
    let mut house = House::new(vec![
        pool("minutes", PoolKind::AnalyzerCapacity, None).admits(visitors),
        pool("seats", PoolKind::Professional, None),
    ]);
    let ana = visit(visitor(1));
    assert_eq!(house.says(&ana, at(9, 0)), "6 of minutes");
    house.pools[0].admits = crate::house::nobody;
    assert_eq!(house.says(&ana, at(9, 1)), "LIC-ANON-KIND");
    house.pools[0].admits = visitors;
    assert_eq!(house.says(&ana, at(9, 2)), "covered by minutes");
}
