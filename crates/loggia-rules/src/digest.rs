//! What a part of a condition is, as a number that does not depend on the set of rules it is in.
//!
//! Numbers of parts and paths are those of one set. After a rule was saved there is another set,
//! whose other rules say what they said: their parts have the same digests.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::meaning::{Atom, Part, PartId, PathId, Symbol, Terms, TestId};
use crate::syntax::Comparison;
use crate::text::fold_into;

/// Two parts with the same digest are the same, but for a chance that need not be reckoned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest(u64, u64);

impl Digest {
    fn of(thing: impl Hash) -> Digest {
        let half = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            thing.hash(&mut hasher);
            hasher.finish()
        };
        Digest(half(0), half(1))
    }
}

/// The digest of a part that reads nothing but the requester, and of any other.
pub(crate) fn part(terms: &Terms, id: PartId) -> Digest {
    let all = |parts: &[PartId]| {
        let mut parts: Vec<Digest> = parts.iter().map(|&id| part(terms, id)).collect();
        // Their order is that of their numbers.
        parts.sort();
        parts
    };
    match terms.part_meaning(id).map(|meaning| &meaning.part) {
        None => Digest::of("none"),
        Some(Part::Constant(value)) => Digest::of(("constant", value)),
        Some(Part::All(parts)) => Digest::of(("all", all(parts))),
        Some(Part::Any(parts)) => Digest::of(("any", all(parts))),
        Some(&Part::Test(id)) => Digest::of(("test", test(terms, id))),
        Some(&Part::Not(id)) => Digest::of(("not", test(terms, id))),
    }
}

pub(crate) fn path(terms: &Terms, id: PathId) -> Digest {
    Digest::of((terms.root(id) as u8, terms.steps(id)))
}

fn test(terms: &Terms, id: TestId) -> Digest {
    let Some(meaning) = terms.test(id) else { return Digest::of("none") };
    let path = |id: &PathId| path(terms, *id);
    match &meaning.atom {
        Atom::Kind(kinds) => Digest::of(("kind", kinds)),
        Atom::Equal { path: id, symbols } => {
            let mut texts: Vec<String> =
                symbols.iter().map(|&symbol| folded(terms, symbol)).collect();
            texts.sort();
            Digest::of(("equal", path(id), texts))
        }
        Atom::Differs { path: id, symbol } => {
            Digest::of(("differs", path(id), folded(terms, *symbol)))
        }
        Atom::Exactly { path: id, texts } => Digest::of(("exactly", path(id), texts)),
        Atom::DiffersExactly { path: id, text } => Digest::of(("differs exactly", path(id), text)),
        Atom::HasText { path: id } => Digest::of(("has text", path(id))),
        Atom::Like { path: id, patterns } => Digest::of(("like", path(id), patterns)),
        Atom::Matches { path: id, sources } => Digest::of(("matches", path(id), sources)),
        Atom::PatternRead { texts, path: id } => Digest::of(("pattern read", texts, path(id))),
        Atom::Paths { left, comparison, right } => {
            let mut paths = [path(left), path(right)];
            // All others say the same in both directions, and stand in the order of numbers.
            if *comparison != Comparison::Like {
                paths.sort();
            }
            Digest::of(("paths", *comparison as u8, paths))
        }
        Atom::Empty { path: id } => Digest::of(("empty", path(id))),
        Atom::IsAnonymous => Digest::of("is anonymous"),
        Atom::HasPrivilege { path: id, action } => Digest::of(("has privilege", path(id), action)),
    }
}

fn folded(terms: &Terms, symbol: Symbol) -> String {
    let mut folded = String::new();
    fold_into(terms.written(symbol), &mut folded);
    folded
}
