//! A condition in the form that decisions run.
//!
//! Negations are moved inwards, constants are gone, cheap parts stand first: tests have no side
//! effects, so their order is free. Beside that stand its *guards*: what must be among the values
//! of some path for the condition to hold at all, by which rules are found without being looked
//! at.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use regex::Regex;
use uuid::Uuid;

use crate::oracle::{Value, pair_holds};
use crate::paths::PathId;
use crate::program::{Clause, Node, Path, Root, Step, Term, Test};
use crate::syntax::Comparison;
use crate::text::{Glob, fold_hash, fold_hash_beginning};
use crate::{Action, ResourceKind};

#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) code: Code,
    /// What the code reads; it names these by their place.
    pub(crate) paths: Box<[LocalPath]>,
    /// Each alone would do; none if nothing need be among any values.
    pub(crate) guards: Box<[Guard]>,
    /// Whether it reads what type the resource is of, so that more is known for each type.
    pub(crate) reads_kind: bool,
    pub(crate) asks_rules: bool,
    pub(crate) cost: u32,
}

#[derive(Debug)]
pub(crate) struct LocalPath {
    pub(crate) root: Root,
    pub(crate) steps: Box<[Step]>,
    /// Whether `HasPrivilege` asks about what it leads to.
    pub(crate) is_asked: bool,
}

#[derive(Debug)]
pub(crate) enum Code {
    Constant(bool),
    All(Box<[Code]>),
    Any(Box<[Code]>),
    /// Around tests only.
    Not(Box<Code>),
    IsAnonymous,
    IsEmpty(Read),
    HasPrivilege(usize, Action),
    Compare(Box<Compare>),
}

/// The values at the end of a path, or the ids of the things there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) path: usize,
    pub(crate) is_id: bool,
}

#[derive(Debug)]
pub(crate) struct Compare {
    pub(crate) left: Side,
    pub(crate) comparison: Comparison,
    pub(crate) right: Side,
}

#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) reads: Box<[Read]>,
    pub(crate) constants: Box<[Constant]>,
}

#[derive(Clone, Debug)]
pub(crate) enum Constant {
    Text(Arc<str>),
    Glob(Arc<Glob>),
    Pattern(Arc<Regex>),
}

/// One of these must be so for the condition to hold.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) keys: Box<[Key]>,
    pub(crate) proves: Proof,
}

/// What holds when a key of a guard was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Nothing,
    /// This part of the `All` that the condition is.
    Part(u16),
    Everything,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) hash: u64,
    pub(crate) value: KeyValue,
}

/// Where a key is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Whether the requester is anonymous.
    Anonymous(bool),
    /// The id of the resource.
    Id,
    Read(Read),
}

#[derive(Clone, Debug)]
pub(crate) enum KeyValue {
    /// Nothing: the place says it all.
    Any,
    Text(Arc<str>),
    /// Folded; what matters is that a value begins with it.
    Beginning(Arc<str>),
    Id(Uuid),
    /// A test as a text that only the same tests have.
    Test(Arc<str>),
}

/// Most keys of one guard, and most guards that one condition can choose from.
const MOST_KEYS: usize = 256;
const MOST_GUARDS: usize = 8;

impl Compiled {
    pub(crate) fn new(clause: &Clause) -> Compiled {
        let mut compiler = Compiler::default();
        let code = compiler.clause(clause, false);
        let mut compiled = Compiled {
            code,
            paths: compiler.paths.into(),
            guards: Box::default(),
            reads_kind: false,
            asks_rules: clause.asks_rules(),
            cost: 0,
        };
        compiled.cost = compiled.code.cost(&compiled.paths);
        compiled.reads_kind = compiled.paths.iter().any(LocalPath::is_kind);
        compiled.guards = compiled.guards_for(None).into();
        compiled
    }

    /// The guards, for resources of one kind where that is given.
    pub(crate) fn guards_for(&self, kind: Option<ResourceKind>) -> Vec<Guard> {
        Guards { paths: &self.paths, kind }.of(&self.code)
    }

    /// The cheapest test that must hold for the condition to hold, unless all of them ask
    /// `HasPrivilege`.
    pub(crate) fn test(&self) -> Option<&Code> {
        let test = match &self.code {
            Code::All(parts) => parts.first()?,
            Code::Constant(_) => return None,
            code => code,
        };
        (!test.asks_rules()).then_some(test)
    }

    /// About how many bytes it takes.
    pub(crate) fn memory(&self) -> usize {
        let steps = |path: &LocalPath| size_of_val(&*path.steps) + path.steps.len() * 8;
        let paths: usize = self.paths.iter().map(|p| size_of::<LocalPath>() + steps(p)).sum();
        let guards: usize =
            self.guards.iter().map(|g| size_of::<Guard>() + size_of_val(&*g.keys)).sum();
        size_of::<Compiled>() + paths + guards + self.code.memory()
    }
}

impl LocalPath {
    fn cost(&self) -> u32 {
        if self.is_kind() || self.is_resource() {
            return 2;
        }
        let steps = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        // What is read of the requester serves many decisions.
        if self.root == Root::Resource { steps.saturating_mul(16) } else { 4 }
    }

    /// The resource itself.
    fn is_resource(&self) -> bool {
        self.root == Root::Resource && self.steps.is_empty()
    }

    /// `resource.resourcetype`, which is the same for all resources of a kind.
    fn is_kind(&self) -> bool {
        self.root == Root::Resource && *self.steps == [Step::Kind]
    }
}

#[derive(Default)]
struct Compiler {
    paths: Vec<LocalPath>,
    by_path: HashMap<(u8, Box<[Step]>), usize>,
}

impl Compiler {
    /// The clause or its opposite.
    fn clause(&mut self, clause: &Clause, is_negated: bool) -> Code {
        match &clause.node {
            Node::Constant(value) => Code::Constant(*value != is_negated),
            Node::Not(inner) => self.clause(inner, !is_negated),
            Node::All(parts) => self.join(parts, is_negated, !is_negated),
            Node::Any(parts) => self.join(parts, is_negated, is_negated),
            Node::Test(test) => {
                let code = self.test(test);
                if is_negated { Code::not(code) } else { code }
            }
        }
    }

    fn join(&mut self, parts: &[Clause], is_negated: bool, is_all: bool) -> Code {
        let mut joined = Vec::with_capacity(parts.len());
        for part in parts {
            match self.clause(part, is_negated) {
                Code::Constant(value) if value == is_all => {}
                Code::Constant(value) => return Code::Constant(value),
                part => joined.push(part),
            }
        }
        joined.sort_by_cached_key(|code| code.cost(&self.paths));
        match joined.pop() {
            None => Code::Constant(is_all),
            Some(only) if joined.is_empty() => only,
            Some(last) => {
                joined.push(last);
                if is_all { Code::All(joined.into()) } else { Code::Any(joined.into()) }
            }
        }
    }

    fn test(&mut self, test: &Test) -> Code {
        match test {
            Test::IsAnonymous => Code::IsAnonymous,
            Test::Empty { path } => Code::IsEmpty(self.read(path)),
            Test::IsOwned { path } => {
                let steps = path.steps.iter().cloned().chain([Step::Read("owner".into())]);
                let path = self.path(path.root, steps.collect());
                Code::not(Code::IsEmpty(Read { path, is_id: false }))
            }
            Test::HasPrivilege { path, action } => {
                let index = self.path(path.root, path.steps.as_slice().into());
                if let Some(path) = self.paths.get_mut(index) {
                    path.is_asked = true;
                }
                Code::HasPrivilege(index, *action)
            }
            Test::Compare { left, comparison, right } => {
                let (left, right) = (self.side(left), self.side(right));
                Code::Compare(Box::new(Compare { left, comparison: *comparison, right }))
            }
        }
    }

    fn side(&mut self, terms: &[Term]) -> Side {
        let (mut reads, mut constants) = (Vec::new(), Vec::new());
        for term in terms {
            match term {
                Term::Path(path) => reads.push(self.read(path)),
                Term::Text(text) => constants.push(Constant::Text(text.clone())),
                Term::Glob(glob) => constants.push(Constant::Glob(Arc::new(glob.clone()))),
                Term::Pattern(pattern) => constants.push(Constant::Pattern(pattern.clone())),
            }
        }
        Side { reads: reads.into(), constants: constants.into() }
    }

    fn read(&mut self, path: &Path) -> Read {
        match path.steps.split_last() {
            // The id is known of a thing without reading it.
            Some((Step::Id, before)) => {
                Read { path: self.path(path.root, before.into()), is_id: true }
            }
            _ => Read { path: self.path(path.root, path.steps.as_slice().into()), is_id: false },
        }
    }

    fn path(&mut self, root: Root, steps: Box<[Step]>) -> usize {
        let next = self.paths.len();
        let index = *self.by_path.entry((root as u8, steps.clone())).or_insert(next);
        if index == next {
            self.paths.push(LocalPath { root, steps, is_asked: false });
        }
        index
    }
}

/// Finds guards; for resources of one kind, if one is given.
struct Guards<'c> {
    paths: &'c [LocalPath],
    kind: Option<ResourceKind>,
}

impl Guards<'_> {
    fn of(&self, code: &Code) -> Vec<Guard> {
        match code {
            // What never holds needs one of no keys.
            _ if self.known(code) == Some(false) => vec![Guard::new(Vec::new())],
            Code::All(parts) => {
                let mut guards: Vec<Guard> = Vec::new();
                for (index, part) in parts.iter().enumerate() {
                    let of_part = self.of(part).into_iter().map(|guard| {
                        let proves = match (guard.proves, u16::try_from(index)) {
                            (Proof::Everything, Ok(index)) => Proof::Part(index),
                            _ => Proof::Nothing,
                        };
                        Guard { proves, ..guard }
                    });
                    guards.extend(of_part);
                }
                guards.sort_by_key(|guard| guard.keys.len());
                guards.truncate(MOST_GUARDS);
                guards
            }
            Code::Any(parts) => {
                let (mut keys, mut is_proof) = (Vec::new(), true);
                for part in parts {
                    // Few keys are better than many, and halving all requesters is hardly a key.
                    let best = self.of(part).into_iter().min_by_key(|guard| {
                        let is_halving =
                            guard.keys.iter().any(|key| matches!(key.place, Place::Anonymous(_)));
                        (is_halving, guard.keys.len())
                    });
                    let Some(best) = best else {
                        return Vec::new();
                    };
                    is_proof &= best.proves == Proof::Everything || best.keys.is_empty();
                    keys.extend(best.keys);
                }
                if keys.len() > MOST_KEYS {
                    return Vec::new();
                }
                let proves = if is_proof { Proof::Everything } else { Proof::Nothing };
                vec![Guard { proves, ..Guard::new(keys) }]
            }
            Code::IsAnonymous => vec![Guard::new(vec![Key::anonymous(true)])],
            Code::Not(inner) if matches!(**inner, Code::IsAnonymous) => {
                vec![Guard::new(vec![Key::anonymous(false)])]
            }
            Code::Compare(compare) if self.known(code).is_none() => {
                self.of_compare(compare).into_iter().collect()
            }
            Code::Constant(_)
            | Code::Not(_)
            | Code::Compare(_)
            | Code::IsEmpty(_)
            | Code::HasPrivilege(..) => Vec::new(),
        }
    }

    /// What a single test is for all resources of the kind, if that can be told.
    fn known(&self, code: &Code) -> Option<bool> {
        match code {
            Code::Constant(value) => Some(*value),
            Code::Not(inner) => self.known(inner).map(|value| !value),
            Code::Compare(compare) => {
                let kind = self.kind?.name();
                let is_known = |side: &Side| {
                    let is_kind = |read: &Read| {
                        !read.is_id && self.paths.get(read.path).is_some_and(LocalPath::is_kind)
                    };
                    side.reads.iter().all(is_kind)
                };
                let Compare { left, comparison, right } = &**compare;
                if !is_known(left) || !is_known(right) {
                    return None;
                }
                let values = |side: &Side| {
                    let read = side.reads.iter().map(|_| Value::Text(kind));
                    read.collect::<Vec<_>>()
                };
                let (left_read, right_read) = (values(left), values(right));
                let mut left = left_read.into_iter().chain(left.values());
                Some(left.any(|left| {
                    let mut right = right_read.iter().copied().chain(right.values());
                    right.any(|right| pair_holds(left, *comparison, right))
                }))
            }
            _ => None,
        }
    }

    /// The guard of a comparison: one value of a path equals one constant, or begins with it.
    fn of_compare(&self, compare: &Compare) -> Option<Guard> {
        let Compare { left, comparison, right } = compare;
        let (reads, constants) = match comparison {
            Comparison::Equal | Comparison::ExactlyEqual if right.reads.is_empty() => {
                (&left.reads, &right.constants)
            }
            Comparison::Equal | Comparison::ExactlyEqual if left.reads.is_empty() => {
                (&right.reads, &left.constants)
            }
            // A pattern that is read is known only then.
            Comparison::Like if right.reads.is_empty() => (&left.reads, &right.constants),
            _ => return None,
        };
        // Constants of both sides may match each other whatever is read.
        if !left.constants.is_empty() && !right.constants.is_empty() {
            return None;
        }
        // Exact texts are found without letter case, so the case is still to be tested.
        let mut is_proof = *comparison != Comparison::ExactlyEqual;
        let mut keys = Vec::new();
        for constant in constants {
            for read in reads {
                keys.extend(self.key(*read, constant, &mut is_proof)?);
            }
            if keys.len() > MOST_KEYS {
                return None;
            }
        }
        let proves = if is_proof { Proof::Everything } else { Proof::Nothing };
        Some(Guard { keys: keys.into(), proves })
    }

    /// What must be found for a value that is read to match a constant: one key, or none if it never
    /// can. Nothing can be said where there is no answer.
    fn key(&self, read: Read, constant: &Constant, is_proof: &mut bool) -> Option<Option<Key>> {
        let place = match self.paths.get(read.path) {
            Some(path) if read.is_id && path.is_resource() => Place::Id,
            _ => Place::Read(read),
        };
        match constant {
            Constant::Text(text) if read.is_id => Some(Key::id(place, text)),
            Constant::Text(text) => Some(Some(Key::text(place, text))),
            Constant::Glob(glob) if !read.is_id => {
                let beginning: String = glob.prefix().collect();
                *is_proof &= glob.is_prefix();
                if beginning.is_empty() {
                    return None;
                }
                Some(Some(Key::beginning(place, beginning)))
            }
            Constant::Glob(_) | Constant::Pattern(_) => None,
        }
    }
}

impl Guard {
    /// Finding one of these keys proves the condition.
    fn new(keys: Vec<Key>) -> Guard {
        Guard { keys: keys.into(), proves: Proof::Everything }
    }
}

impl Key {
    fn anonymous(is_anonymous: bool) -> Key {
        Key { place: Place::Anonymous(is_anonymous), hash: 0, value: KeyValue::Any }
    }

    fn text(place: Place, text: &Arc<str>) -> Key {
        Key { place, hash: fold_hash(text), value: KeyValue::Text(text.clone()) }
    }

    fn beginning(place: Place, beginning: String) -> Key {
        let length = beginning.chars().count();
        let hash = fold_hash_beginning(&beginning, length).unwrap_or(0);
        Key { place, hash, value: KeyValue::Beginning(beginning.into()) }
    }

    /// None if the text is not the writing of an id, which then equals no id.
    fn id(place: Place, text: &str) -> Option<Key> {
        let id = Uuid::try_parse(text).ok().filter(|_| text.len() == 36)?;
        Some(Key { place, hash: id_hash(id), value: KeyValue::Id(id) })
    }
}

pub(crate) fn id_hash(id: Uuid) -> u64 {
    let (high, low) = id.as_u64_pair();
    let mixed = (high.rotate_left(32) ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

impl Side {
    pub(crate) fn values(&self) -> impl Iterator<Item = Value<'_>> {
        self.constants.iter().map(Constant::value)
    }
}

impl Constant {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Constant::Text(text) => Value::Text(text),
            Constant::Glob(glob) => Value::Glob(glob),
            Constant::Pattern(pattern) => Value::Pattern(pattern),
        }
    }
}

/// Writes tests so that two are written alike only if they are the same.
pub(crate) struct Writer<'w, F: Fn(usize) -> PathId> {
    pub(crate) path: F,
    pub(crate) out: &'w mut String,
}

impl<F: Fn(usize) -> PathId> Writer<'_, F> {
    pub(crate) fn code(&mut self, code: &Code) {
        match code {
            Code::Constant(value) => self.write(format_args!("{value}")),
            Code::All(parts) => self.parts('&', parts),
            Code::Any(parts) => self.parts('|', parts),
            Code::Not(inner) => {
                self.out.push('!');
                self.code(inner);
            }
            Code::IsAnonymous => self.out.push('a'),
            Code::IsEmpty(read) => {
                self.out.push('e');
                self.read(*read);
            }
            Code::HasPrivilege(path, action) => {
                let path = (self.path)(*path);
                self.write(format_args!("h{path:?}{action}"));
            }
            Code::Compare(compare) => {
                let Compare { left, comparison, right } = &**compare;
                self.write(format_args!("{comparison:?}"));
                self.side(left);
                self.side(right);
            }
        }
    }

    fn parts(&mut self, word: char, parts: &[Code]) {
        self.write(format_args!("{word}{}", parts.len()));
        parts.iter().for_each(|part| self.code(part));
    }

    fn side(&mut self, side: &Side) {
        self.write(format_args!("({},{}", side.reads.len(), side.constants.len()));
        side.reads.iter().for_each(|read| self.read(*read));
        for constant in &side.constants {
            let (word, text): (char, &str) = match constant {
                Constant::Text(text) => ('t', text),
                Constant::Glob(glob) => ('g', glob),
                Constant::Pattern(pattern) => ('p', pattern.as_str()),
            };
            // With its length before it, no text can look like the end of one and more.
            self.write(format_args!("{word}{}:{text}", text.len()));
        }
    }

    fn read(&mut self, read: Read) {
        let path = (self.path)(read.path);
        self.write(format_args!("{path:?}{}", if read.is_id { '#' } else { '.' }));
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a text never fails.
        let _ = self.out.write_fmt(text);
    }
}

impl Code {
    fn not(code: Code) -> Code {
        match code {
            Code::Not(inner) => *inner,
            code => Code::Not(Box::new(code)),
        }
    }

    /// What it costs to evaluate, about.
    pub(crate) fn cost(&self, paths: &[LocalPath]) -> u32 {
        let of_path = |path: usize| paths.get(path).map_or(0, LocalPath::cost);
        let of_side = |side: &Side| {
            let reads = side.reads.iter().map(|read| of_path(read.path));
            let constants = side.constants.iter().map(|constant| match constant {
                Constant::Text(_) => 1,
                Constant::Glob(_) => 4,
                Constant::Pattern(_) => 20,
            });
            reads.chain(constants).fold(0, u32::saturating_add)
        };
        match self {
            Code::Constant(_) => 0,
            Code::All(parts) | Code::Any(parts) => {
                parts.iter().map(|part| part.cost(paths)).fold(0, u32::saturating_add)
            }
            Code::Not(inner) => inner.cost(paths),
            Code::IsAnonymous => 1,
            Code::IsEmpty(read) => of_path(read.path),
            Code::HasPrivilege(path, _) => of_path(*path).saturating_add(1000),
            Code::Compare(compare) => {
                of_side(&compare.left).saturating_add(of_side(&compare.right))
            }
        }
    }

    /// Whether it asks `HasPrivilege`.
    pub(crate) fn asks_rules(&self) -> bool {
        match self {
            Code::All(parts) | Code::Any(parts) => parts.iter().any(Code::asks_rules),
            Code::Not(inner) => inner.asks_rules(),
            Code::HasPrivilege(..) => true,
            _ => false,
        }
    }

    fn memory(&self) -> usize {
        let side = |side: &Side| size_of_val(&*side.reads) + size_of_val(&*side.constants);
        let inner = match self {
            Code::All(parts) | Code::Any(parts) => parts.iter().map(Code::memory).sum(),
            Code::Not(inner) => inner.memory(),
            Code::Compare(compare) => {
                size_of::<Compare>() + side(&compare.left) + side(&compare.right)
            }
            _ => 0,
        };
        size_of::<Code>() + inner
    }
}
