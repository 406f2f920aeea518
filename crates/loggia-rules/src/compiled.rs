//! A condition in the form that decisions run.
//!
//! Negations are moved inwards, constants are gone, cheap parts stand first: tests have no side
//! effects, so their order is free. Beside that stand its *guards*: what must be among the values
//! of some path for the condition to hold at all, by which rules are found without being looked
//! at.

use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;
use uuid::Uuid;

use crate::oracle::{Value, pair_holds};
use crate::program::{Clause, Node, Path, Root, Step, Term, Test};
use crate::syntax::Comparison;
use crate::text::fold_hash;
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

#[derive(Debug)]
pub(crate) enum Constant {
    /// Also a pattern of `like`.
    Text(Arc<str>),
    Pattern(Regex),
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
    Id(Uuid),
}

/// Most keys of one guard, and most guards that one condition can choose from.
const MOST_KEYS: usize = 256;
const MOST_GUARDS: usize = 8;

impl Compiled {
    pub(crate) fn new(clause: &Clause) -> Compiled {
        let mut compiler = Compiler::default();
        let (code, cost) = compiler.clause(clause, false);
        let mut compiled = Compiled {
            code,
            paths: compiler.paths.into(),
            guards: Box::default(),
            reads_kind: false,
            asks_rules: clause.asks_rules(),
            cost,
        };
        compiled.reads_kind = compiled.paths.iter().any(LocalPath::is_kind);
        compiled.guards = compiled.guards_for(None).into();
        compiled
    }

    /// The guards, for resources of one kind where that is given.
    pub(crate) fn guards_for(&self, kind: Option<ResourceKind>) -> Vec<Guard> {
        Guards { paths: &self.paths, kind }.of(&self.code)
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
    /// The clause or its opposite, and what it costs to evaluate.
    fn clause(&mut self, clause: &Clause, is_negated: bool) -> (Code, u32) {
        match &clause.node {
            Node::Constant(value) => (Code::Constant(*value != is_negated), 0),
            Node::Not(inner) => self.clause(inner, !is_negated),
            Node::All(parts) => self.join(parts, is_negated, !is_negated),
            Node::Any(parts) => self.join(parts, is_negated, is_negated),
            Node::Test(test) => {
                let (code, cost) = self.test(test);
                (if is_negated { Code::Not(Box::new(code)) } else { code }, cost)
            }
        }
    }

    fn join(&mut self, parts: &[Clause], is_negated: bool, is_all: bool) -> (Code, u32) {
        let mut joined = Vec::with_capacity(parts.len());
        for part in parts {
            match self.clause(part, is_negated) {
                (Code::Constant(value), _) if value == is_all => {}
                (Code::Constant(value), _) => return (Code::Constant(value), 0),
                part => joined.push(part),
            }
        }
        joined.sort_by_key(|(_, cost)| *cost);
        let cost = joined.iter().fold(0, |sum: u32, (_, cost)| sum.saturating_add(*cost));
        let mut parts: Vec<Code> = joined.into_iter().map(|(code, _)| code).collect();
        match parts.pop() {
            None => (Code::Constant(is_all), 0),
            Some(only) if parts.is_empty() => (only, cost),
            Some(last) => {
                parts.push(last);
                let parts = parts.into();
                (if is_all { Code::All(parts) } else { Code::Any(parts) }, cost)
            }
        }
    }

    fn test(&mut self, test: &Test) -> (Code, u32) {
        match test {
            Test::IsAnonymous => (Code::IsAnonymous, 1),
            Test::Empty { path } => {
                let read = self.read(path);
                (Code::IsEmpty(read), self.cost(read))
            }
            Test::IsOwned { path } => {
                let steps = path.steps.iter().cloned().chain([Step::Read("owner".into())]);
                let read = Read { path: self.path(path.root, steps.collect()), is_id: false };
                (Code::Not(Box::new(Code::IsEmpty(read))), self.cost(read))
            }
            Test::HasPrivilege { path, action } => {
                let index = self.path(path.root, path.steps.as_slice().into());
                if let Some(path) = self.paths.get_mut(index) {
                    path.is_asked = true;
                }
                let cost = 1000 + self.cost(Read { path: index, is_id: false });
                (Code::HasPrivilege(index, *action), cost)
            }
            Test::Compare { left, comparison, right } => {
                let (left, left_cost) = self.side(left);
                let (right, right_cost) = self.side(right);
                let compare = Compare { left, comparison: *comparison, right };
                let cost = left_cost.saturating_add(right_cost);
                (Code::Compare(Box::new(compare)), cost)
            }
        }
    }

    fn side(&mut self, terms: &[Term]) -> (Side, u32) {
        let (mut reads, mut constants, mut cost) = (Vec::new(), Vec::new(), 0_u32);
        for term in terms {
            let costs = match term {
                Term::Path(path) => {
                    let read = self.read(path);
                    reads.push(read);
                    self.cost(read)
                }
                Term::Text(text) => {
                    constants.push(Constant::Text(text.clone()));
                    1
                }
                Term::Glob(text) => {
                    constants.push(Constant::Text((&**text).into()));
                    4
                }
                Term::Pattern(pattern) => {
                    constants.push(Constant::Pattern(pattern.clone()));
                    20
                }
            };
            cost = cost.saturating_add(costs);
        }
        (Side { reads: reads.into(), constants: constants.into() }, cost)
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

    fn cost(&self, read: Read) -> u32 {
        let Some(path) = self.paths.get(read.path) else { return 0 };
        if path.is_kind() || path.root == Root::Resource && path.steps.is_empty() {
            return 2;
        }
        let steps = u32::try_from(path.steps.len()).unwrap_or(u32::MAX);
        // What is read of the requester serves many decisions.
        if path.root == Root::Resource { steps.saturating_mul(16) } else { 4 }
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

    /// The guard of a comparison: one value of a path equals one constant.
    fn of_compare(&self, compare: &Compare) -> Option<Guard> {
        let Compare { left, comparison, right } = compare;
        let (is_exact, is_pattern) = match comparison {
            Comparison::Equal => (true, false),
            // Found without letter case, so the case is still to be tested.
            Comparison::ExactlyEqual => (false, false),
            Comparison::Like => (false, true),
            _ => return None,
        };
        if !left.reads.is_empty() && !right.reads.is_empty() || is_pattern && left.reads.is_empty()
        {
            return None;
        }
        let mut guard = Guard::new(Vec::new());
        if !is_exact {
            guard.proves = Proof::Nothing;
        }
        let mut keys = Vec::new();
        for constant in left.constants.iter().chain(&right.constants) {
            let Constant::Text(text) = constant else { continue };
            if is_pattern && text.contains(['*', '?', '\\']) {
                return None;
            }
            keys.extend(left.reads.iter().chain(&right.reads).filter_map(|read| {
                let is_resource = self
                    .paths
                    .get(read.path)
                    .is_some_and(|path| path.root == Root::Resource && path.steps.is_empty());
                match read.is_id {
                    true if is_resource => Key::id(Place::Id, text),
                    true => Key::id(Place::Read(*read), text),
                    false => Some(Key::text(Place::Read(*read), text)),
                }
            }));
        }
        // Constants of both sides may equal each other whatever is read.
        let has_both =
            |left: &Side, right: &Side| !left.constants.is_empty() && !right.constants.is_empty();
        if has_both(left, right) || keys.len() > MOST_KEYS {
            return None;
        }
        guard.keys = keys.into();
        Some(guard)
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
        self.constants.iter().map(|constant| match constant {
            Constant::Text(text) => Value::Text(text),
            Constant::Pattern(pattern) => Value::Pattern(pattern),
        })
    }
}

impl Code {
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
