//! In which order kinds are tried, and what a refusal says.

use loggia_licence::{LineKind, Visit};
use loggia_model::entity::PoolKind;

use crate::house::{House, at, nobody, people, person, pool, visit, visitor, visitors};

fn everything() -> House {
    House::new(vec![
        pool("capacity", PoolKind::AnalyzerCapacity, Some(6)),
        pool("analyzer", PoolKind::Analyzer, Some(1)),
        pool("passes", PoolKind::LoginAccess, Some(1)),
        pool("professional", PoolKind::Professional, Some(1)),
        pool("user access", PoolKind::UserAccess, Some(1)),
    ])
}

#[test]
fn people_draw_seats_before_passes_before_minutes() {
    let mut house = everything();
    let said: Vec<String> =
        (1..=6).map(|number| house.says(&visit(person(number)), at(9, 0))).collect();
    assert_eq!(
        said[..5],
        ["1 of professional", "1 of user access", "1 of analyzer", "1 of passes", "6 of capacity"]
    );
    assert!(
        said[5].starts_with(
            "LIC-EMPTY professional, user access, analyzer, passes, capacity, again in "
        )
    );
    // Whoever has a seat keeps it.
    let much_later = at(9, 0).plus_minutes(crate::house::days(400));
    assert_eq!(house.says(&visit(person(3)), much_later), "covered by analyzer");
}

/// `spec/access.md` §10 row 10.
#[test]
fn a_visitor_never_takes_a_seat() {
    let mut house = everything();
    assert_eq!(house.says(&visit(visitor(1)), at(9, 0)), "1 of passes");
    assert_eq!(house.says(&visit(visitor(2)), at(9, 0)), "6 of capacity");
    assert!(house.says(&visit(visitor(3)), at(9, 0)).starts_with("LIC-EMPTY passes, capacity"));
    let seats = ["professional", "user access", "analyzer"];
    assert!(seats.iter().all(|seat| house.used(seat, at(9, 0)) == 0));
}

/// `spec/access.md` §10 row 9.
#[test]
fn a_refusal_gives_the_most_specific_reason() {
    let seats = || pool("seats", PoolKind::Professional, None);
    let minutes = || pool("minutes", PoolKind::AnalyzerCapacity, Some(0)).admits(visitors);
    let says = |pools, who: &Visit| House::new(pools).says(who, at(9, 0));
    let (stranger, ana) = (visit(visitor(1)), visit(person(1)));

    assert_eq!(says(vec![], &stranger), "LIC-NONE");
    assert_eq!(says(vec![], &ana), "LIC-NONE");
    assert_eq!(says(vec![seats()], &stranger), "LIC-ANON-KIND");
    assert_eq!(says(vec![seats(), minutes().admits(nobody)], &stranger), "LIC-ANON-KIND");
    assert_eq!(says(vec![minutes().admits(people)], &stranger), "LIC-NONE");
    // Used up says more than that a seat would have to be taken.
    assert_eq!(says(vec![seats(), minutes()], &stranger), "LIC-EMPTY minutes");
    assert_eq!(says(vec![minutes()], &ana), "LIC-NONE");
    assert_eq!(says(vec![seats().admits(nobody)], &ana), "LIC-NONE");
    assert_eq!(says(vec![seats().disabled()], &ana), "LIC-NONE");
    assert_eq!(says(vec![seats().disabled()], &stranger), "LIC-NONE");
}

#[test]
fn nobody_is_asked_back_to_what_will_not_serve_them() {
    let minutes = |capacity| pool("minutes", PoolKind::AnalyzerCapacity, Some(capacity));
    let says = |pool| House::new(vec![pool]).says(&visit(visitor(1)), at(9, 0));
    assert_eq!(says(minutes(5)), "LIC-EMPTY minutes", "less than a unit");
    assert_eq!(says(minutes(60).reserved(60)), "LIC-EMPTY minutes", "all for people");
    let mut house = House::new(vec![minutes(6)]);
    assert_eq!(house.says(&visit(visitor(1)), at(9, 0)), "6 of minutes");
    let late = house.says(&visit(visitor(2)), at(9, 1));
    assert!(late.starts_with("LIC-EMPTY minutes, again in"), "{late}");
}

#[test]
fn a_seat_outlives_the_rule_that_gave_it() {
    let mut house = House::new(vec![pool("seats", PoolKind::Professional, Some(1)).admits(people)]);
    let ana = visit(person(1));
    assert_eq!(house.says(&ana, at(9, 0)), "1 of seats");
    house.pools[0].admits = nobody;
    assert_eq!(house.says(&ana, at(10, 0)), "covered by seats");
    house.pools[0].pool.is_disabled = true;
    assert_eq!(house.says(&ana, at(11, 0)), "LIC-NONE");
}

#[test]
fn a_seat_in_quarantine_serves_nobody() {
    let mut house = House::new(vec![pool("seats", PoolKind::Professional, Some(2))]);
    let until = Some(at(20, 0));
    house.by_hand("seats", person(1), LineKind::Quarantined, until, at(8, 0));
    assert_eq!(house.says(&visit(person(1)), at(9, 0)), "LIC-EMPTY seats");
    assert_eq!(house.says(&visit(person(2)), at(9, 0)), "1 of seats");
}

#[test]
fn what_runs_goes_on_before_anything_new_is_drawn() {
    let mut house = House::new(vec![
        pool("minutes", PoolKind::AnalyzerCapacity, None),
        pool("seats", PoolKind::Professional, Some(1)).admits(nobody),
    ]);
    let ana = visit(person(1));
    assert_eq!(house.says(&ana, at(9, 0)), "6 of minutes");
    house.pools[1].admits = people;
    assert_eq!(house.says(&ana, at(9, 2)), "covered by minutes");
    assert_eq!(house.says(&ana, at(9, 6)), "1 of seats");
}

#[test]
fn a_seat_given_by_hand_is_used_at_once() {
    let mut house = House::new(vec![
        pool("minutes", PoolKind::AnalyzerCapacity, None),
        pool("seats", PoolKind::Professional, Some(1)).admits(nobody),
    ]);
    let ana = visit(person(1));
    assert_eq!(house.says(&ana, at(9, 0)), "6 of minutes");
    house.by_hand("seats", person(1), LineKind::Taken, None, at(9, 1));
    assert_eq!(house.says(&ana, at(9, 1)), "covered by seats");
}

/// `spec/access.md` §10 row 13.
#[test]
fn the_sixth_session_of_a_person_is_refused() {
    let mut house = House::new(vec![pool("seats", PoolKind::Professional, None)]);
    let with = |parallel_sessions| Visit { parallel_sessions, ..visit(person(1)) };
    assert_eq!(house.says(&with(4), at(9, 0)), "1 of seats");
    assert_eq!(house.says(&with(5), at(9, 1)), "LIC-SESSIONS");
    assert_eq!(house.says(&with(4), at(9, 2)), "covered by seats");
    // Each session of a visitor is a visitor of its own.
    let mut open = House::new(vec![pool("minutes", PoolKind::AnalyzerCapacity, None)]);
    let crowd = Visit { parallel_sessions: 500, ..visit(visitor(1)) };
    assert_eq!(open.says(&crowd, at(9, 0)), "6 of minutes");
}
