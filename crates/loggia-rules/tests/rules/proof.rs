//! What must hold for every set of rules, tried on many random ones.
//!
//! An ordinary run compares [`ORDINARY`] answers for every property, a nightly one [`NIGHTLY`]:
//!
//! ```text
//! LOGGIA_CASES=nightly cargo nextest run --profile nightly -p loggia-rules proof
//! LOGGIA_CASES=50000 LOGGIA_SEED=7 cargo nextest run -p loggia-rules proof
//! ```
//!
//! The cases depend on the seed and on nothing else. One that fails is made smaller and printed
//! with its seed.

mod case;
mod decisions;
mod interpreter;
mod language;
mod random;
mod sets;
mod shrink;
mod texts;
mod world;

use std::panic::{self, AssertUnwindSafe};

use case::Case;
use random::Random;

const ORDINARY: usize = 20_000;
const NIGHTLY: usize = 1_000_000;

/// How many answers were compared, or what is wrong.
type Finding = Result<usize, String>;

/// Tries a property on random cases until it has compared enough answers.
fn prove(name: &str, make: impl Fn(u64) -> Case, property: impl Fn(&Case) -> Finding) {
    let mut seeds = Random::new(first_seed());
    let wanted = wanted();
    // What panics on the way is told once, with its case.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let (mut seen, mut seed) = (0, first_seed());
    while seen < wanted {
        let case = make(seed);
        match attempt(&case, &property) {
            Ok(compared) => seen += compared,
            Err(why) => {
                let report = report(name, seed, case, why, &property);
                panic::set_hook(hook);
                panic!("{report}");
            }
        }
        seed = seeds.next();
    }
    panic::set_hook(hook);
}

/// The property of one case; to panic is wrong as well.
fn attempt(case: &Case, property: &impl Fn(&Case) -> Finding) -> Finding {
    match panic::catch_unwind(AssertUnwindSafe(|| property(case))) {
        Ok(finding) => finding,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Err(format!("panicked: {}", text.unwrap_or_default()))
        }
    }
}

/// The result, or none if it panics; nothing is printed.
fn quietly<T>(run: impl FnOnce() -> T) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    panic::set_hook(hook);
    result.ok()
}

fn report(
    name: &str,
    seed: u64,
    case: Case,
    why: String,
    property: &impl Fn(&Case) -> Finding,
) -> String {
    let compiles = |case: &Case| {
        let compile = || case.rules.iter().for_each(|rule| drop(rule.compile()));
        panic::catch_unwind(AssertUnwindSafe(compile)).is_ok()
    };
    // A smaller case must fail for what it shows, not for conditions that lost their meaning.
    let is_sound = compiles(&case);
    let fails = |case: &Case| {
        if is_sound && !compiles(case) { None } else { attempt(case, property).err() }
    };
    let (case, why) = shrink::shrink(case, why, &fails);
    format!(
        "{name}: {why}\n\n{case}\nseed {seed}; once more with\n    \
         LOGGIA_SEED={seed} LOGGIA_CASES=1 cargo nextest run -p loggia-rules {name}\n"
    )
}

fn wanted() -> usize {
    match setting("LOGGIA_CASES").as_deref() {
        None | Some("") => ORDINARY,
        Some("nightly") => NIGHTLY,
        Some(number) => number.parse().expect("LOGGIA_CASES is a number, or nightly"),
    }
}

fn first_seed() -> u64 {
    setting("LOGGIA_SEED").map_or(0, |seed| seed.parse().expect("LOGGIA_SEED is a number"))
}

#[expect(clippy::disallowed_methods, reason = "how much to try is chosen by who runs the tests")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
