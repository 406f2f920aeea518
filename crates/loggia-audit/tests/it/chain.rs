//! Whatever is done to the rows, looking at them finds it and names the place.

use std::net::IpAddr;

use loggia_audit::{
    Commitment, Entry, Event, Fault, FaultKind, Head, Key, Kind, MOST_DETAILS, Row, Verdict,
    Verifier, network_of,
};
use loggia_model::Moment;
use proptest::prelude::*;
use serde_json::json;

fn key() -> Key {
    Key::new(&[7; 32])
}

fn event(at: usize) -> Event {
    let kind = Kind::ALL[at % Kind::ALL.len()];
    let mut event = Event::new(kind, Moment(at as i64 * 1_000)).with("at", at);
    event.principal = format!("LOGGIA\\person{at}");
    // Some rows are about nobody's address.
    event.address = (!at.is_multiple_of(3)).then(|| IpAddr::from([203, 0, 113, at as u8]));
    event
}

/// A trail of so many rows, of which the first `pruned` are gone.
fn trail(rows: usize, pruned: usize) -> (Vec<Row>, Head) {
    let mut head = Head::default();
    let mut salt = 0_u8;
    let mut salts = || {
        salt = salt.wrapping_add(1);
        [salt; 16]
    };
    let mut trail: Vec<Row> =
        (0..rows).map(|at| Entry::new(event(at), &mut salts).chained(&mut head)).collect();
    let kept = trail.split_off(pruned);
    head.pruned = pruned as u64;
    head.pruned_hash = trail.last().map_or([0; 32], |row| row.hash);
    (kept, head.sealed(Some(&key())))
}

fn look(rows: &[Row], head: &Head) -> Verdict {
    let mut verifier = Verifier::new(head);
    for row in rows {
        verifier.look(row);
    }
    verifier.finish(head, Some(&key()))
}

#[derive(Clone, Debug)]
enum Deed {
    Change {
        at: usize,
        what: usize,
    },
    Remove {
        at: usize,
    },
    Swap {
        at: usize,
        with: usize,
    },
    Insert {
        at: usize,
    },
    /// Somebody who knows how hashes are made: the row is changed and hashed anew.
    ChangeAndHash {
        at: usize,
    },
    /// And who makes everything after it anew, the end of the trail included.
    Remake {
        at: usize,
    },
}

fn deeds() -> impl Strategy<Value = Deed> {
    let place = 0..1_000_usize;
    prop_oneof![
        (place.clone(), 0..14_usize).prop_map(|(at, what)| Deed::Change { at, what }),
        place.clone().prop_map(|at| Deed::Remove { at }),
        (place.clone(), place.clone()).prop_map(|(at, with)| Deed::Swap { at, with }),
        place.clone().prop_map(|at| Deed::Insert { at }),
        place.clone().prop_map(|at| Deed::ChangeAndHash { at }),
        place.prop_map(|at| Deed::Remake { at }),
    ]
}

/// Does the deed, and says at which rows it may be noticed.
fn commit(deed: &Deed, rows: &mut Vec<Row>, head: &mut Head) -> std::ops::RangeInclusive<u64> {
    let count = rows.len();
    match *deed {
        Deed::Change { at, what } => {
            let row = &mut rows[at % count];
            change(row, what);
            // Whoever changes a hash breaks the bond to the next row; both places are true.
            row.number..=row.number + u64::from(what == 1)
        }
        Deed::Remove { at } => {
            let row = rows.remove(at % count);
            row.number..=row.number
        }
        Deed::Swap { at, with } => {
            let (first, second) = (at.min(with) % count, at.max(with) % count);
            let (first, second) = (first.min(second), first.max(second));
            // Swapping a row with itself is no deed.
            let second = if first == second { (first + 1) % count } else { second };
            let (first, second) = (first.min(second), first.max(second));
            rows.swap(first, second);
            // They take each other's numbers as well, as in a table with a primary key.
            let number = rows[first].number;
            rows[first].number = rows[second].number;
            rows[second].number = number;
            number.min(rows[first].number)..=number.max(rows[first].number)
        }
        Deed::Insert { at } => {
            let at = at % count;
            let mut forged = rows[at].clone();
            forged.entry.principal = "LOGGIA\\somebody".to_owned();
            let place = forged.number;
            for row in &mut rows[at..] {
                row.number += 1;
            }
            forged.hash = forged.content_hash();
            rows.insert(at, forged);
            place..=place + 1
        }
        Deed::ChangeAndHash { at } => {
            let row = &mut rows[at % count];
            row.entry.details = json!({ "forged": true }).to_string();
            row.hash = row.content_hash();
            row.number..=row.number + 1
        }
        Deed::Remake { at } => {
            let at = at % count;
            let mut end = Head { number: rows[at].number - 1, hash: rows[at].previous, ..*head };
            for row in &mut rows[at..] {
                let mut entry = row.entry.clone();
                entry.principal = "LOGGIA\\somebody".to_owned();
                *row = entry.chained(&mut end);
            }
            // The seal is the one thing that cannot be made without the key.
            *head = Head { seal: head.seal, ..end };
            head.number..=head.number
        }
    }
}

fn change(row: &mut Row, what: usize) {
    let entry = &mut row.entry;
    match what {
        0 => row.previous[3] ^= 1,
        1 => row.hash[5] ^= 1,
        2 => entry.time.0 += 1,
        3 => entry.kind.push('x'),
        4 => entry.correlation.push('x'),
        5 => entry.node.push('x'),
        6 => entry.principal.push('x'),
        7 => entry.is_anonymous = !entry.is_anonymous,
        8 => entry.session = Some("x".to_owned()),
        9 => entry.entrance.push('x'),
        10 => entry.app = Some(String::new()),
        11 => entry.details.push(' '),
        12 => forge(&mut entry.network),
        _ => forge(&mut entry.personal),
    }
}

/// Another value with the old commitment, or one where there was none.
fn forge(commitment: &mut Option<Commitment>) {
    match commitment {
        Some(Commitment { opening: Some((value, _)), .. }) => value.push('9'),
        other => *other = Some(Commitment::to("198.51.100.0/24".to_owned(), [1; 16])),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_row_that_is_changed_removed_swapped_or_put_in_is_found_and_named(
        count in 2..40_usize,
        pruned in 0..10_usize,
        deed in deeds(),
    ) {
        let (mut rows, mut head) = trail(count + pruned, pruned);
        prop_assert!(look(&rows, &head).is_whole());
        let places = commit(&deed, &mut rows, &mut head);
        let verdict = look(&rows, &head);
        let first = verdict.faults.first();
        prop_assert!(
            first.is_some_and(|fault| places.contains(&fault.place)),
            "{deed:?} should be found at {places:?}, and {:?} was", verdict.faults
        );
    }

    #[test]
    fn forgetting_addresses_keeps_the_chain_and_nothing_else_may_be_erased(
        count in 2..40_usize,
        forgotten in 0..40_u64,
    ) {
        let (mut rows, mut head) = trail(count, 0);
        head.forgotten = forgotten.min(head.number);
        let head = head.sealed(Some(&key()));
        for row in rows.iter_mut().filter(|row| row.number <= head.forgotten) {
            if let Some(personal) = &mut row.entry.personal {
                personal.opening = None;
            }
        }
        prop_assert!(look(&rows, &head).is_whole());
        for row in &rows {
            let address = row.entry.address();
            if row.number <= head.forgotten {
                prop_assert!(address.is_none_or(|address| address == "203.0.113.0/24"));
            }
        }
        // One more is not what retention did.
        let next = rows.iter_mut().find(|row| {
            row.number > head.forgotten && row.entry.personal.is_some()
        });
        if let Some(row) = next {
            row.entry.personal.as_mut().unwrap().opening = None;
            let place = row.number;
            let faults = look(&rows, &head).faults;
            prop_assert_eq!(faults, [Fault { place, kind: FaultKind::PersonalErased }]);
        }
    }
}

#[test]
fn without_the_key_a_whole_new_trail_passes_and_with_it_does_not() {
    let (_, head) = trail(5, 0);
    let forged = Head { hash: [9; 32], ..head };
    assert!(!forged.is_sealed_by(&key()));
    assert!(head.is_sealed_by(&key()));
    assert!(!head.is_sealed_by(&Key::new(&[8; 32])));
}

#[test]
fn a_row_has_bounds_whatever_is_told() {
    let long = "\u{20ac}\u{7}\"".repeat(100_000);
    let mut event = event(1);
    event.principal = long.clone();
    event.correlation = long.clone();
    event.entrance = long.clone();
    let mut nested = json!("deep");
    for _ in 0..1_000 {
        nested = json!([nested]);
    }
    event = event.with("nested", nested).with("many", vec![1; 100_000]).personal("agent", &*long);
    for at in 0..500 {
        event = event.with(&format!("{at}{long}"), long.clone());
    }
    let entry = Entry::new(event, &mut || [0; 16]);
    assert!(entry.details.len() <= MOST_DETAILS, "{}", entry.details.len());
    assert!(entry.detail_values().contains_key("cut"));
    assert!(entry.personal.as_ref().unwrap().value().unwrap().len() <= MOST_DETAILS);
    for text in [&entry.principal, &entry.correlation, &entry.entrance] {
        assert!(text.len() < 300);
    }
}

#[test]
fn of_an_address_its_network_stays() {
    for (address, network) in [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
    ] {
        assert_eq!(network_of(address.parse().unwrap()), network);
    }
}
