//! Login access passes: an hour each, back after 28 days.

use loggia_model::entity::PoolKind;

use crate::house::{House, at, days, in_browser, person, pool, visit, visitor};

/// The worked example of `spec/access.md` §3.3.
#[test]
fn ten_passes_of_one_token() {
    let mut house = House::new(vec![pool("passes", PoolKind::LoginAccess, Some(10))]);
    let left = |house: &House, now| 10 - house.used("passes", now);
    let (ana, ben) = (visit(person(1)), visit(person(2)));

    // A enters at 15:46 and works until 16:48: two passes.
    for minute in 46..=108 {
        house.visit(&ana, at(15, minute));
    }
    assert_eq!(left(&house, at(16, 48)), 8);
    // A returns at 17:20, still inside the second hour.
    assert_eq!(house.says(&ana, at(17, 20)), "covered by passes");
    // B comes for twenty seconds.
    assert_eq!(house.says(&ben, at(17, 30)), "1 of passes");
    assert_eq!(left(&house, at(17, 30)), 7);

    // Twenty-eight days later the passes return at their own times of use.
    let later = |hour, minute| at(hour, minute).plus_minutes(days(28));
    assert_eq!(left(&house, later(15, 45)), 7);
    assert_eq!(left(&house, later(15, 46)), 8);
    assert_eq!(left(&house, later(16, 46)), 9);
    assert_eq!(left(&house, later(17, 30)), 10);
}

#[test]
fn a_pass_serves_its_holder_everywhere() {
    let mut house = House::new(vec![pool("passes", PoolKind::LoginAccess, Some(2))]);
    assert_eq!(house.says(&in_browser(person(1), 1), at(9, 0)), "1 of passes");
    for browser in 2..=5 {
        assert_eq!(house.says(&in_browser(person(1), browser), at(9, 59)), "covered by passes");
    }
    assert_eq!(house.says(&in_browser(person(1), 1), at(10, 0)), "1 of passes");
}

#[test]
fn visitors_draw_passes_too() {
    let mut house = House::new(vec![pool("passes", PoolKind::LoginAccess, Some(2))]);
    assert_eq!(house.says(&visit(visitor(1)), at(9, 0)), "1 of passes");
    assert_eq!(house.says(&visit(visitor(2)), at(9, 10)), "1 of passes");
    // The first pass is back 28 days after 9:00.
    let wait = days(28) - 20;
    let said = house.says(&visit(visitor(3)), at(9, 20));
    assert_eq!(said, format!("LIC-EMPTY passes, again in {wait} min"));
}

#[test]
fn groups_are_drawn_from_in_the_order_of_their_names() {
    let mut house = House::new(vec![
        pool("b", PoolKind::LoginAccess, Some(1)),
        pool("c", PoolKind::LoginAccess, None),
        pool("a", PoolKind::LoginAccess, Some(1)),
    ]);
    let said: Vec<String> =
        (1..=4).map(|number| house.says(&visit(visitor(number)), at(9, 0))).collect();
    assert_eq!(said, ["1 of a", "1 of b", "1 of c", "1 of c"]);
}
