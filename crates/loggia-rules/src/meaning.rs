//! What do the rules say, each thing once?
//!
//! Conditions of many rules repeat each other. Here every path, test and part of a condition that
//! means the same has one number, whoever wrote it: comparisons are taken apart into single paths,
//! negation stands at single tests only, and what reads nothing but the requester is gathered into
//! parts of its own. Evaluation over sets of things or of requesters works on these numbers.

use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;

use hashbrown::HashMap;
use regex::Regex;

use crate::program::{Clause, Node, Path, Root, Step, Term, Test};
use crate::syntax::Comparison;
use crate::text::{Glob, equal, fold_into, like};
use crate::{Action, KindSet, ResourceKind, Rule, RuleSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PathId(pub(crate) u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TestId(pub(crate) u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PartId(pub(crate) u32);

/// A text that rules compare with, told apart as `=` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(pub(crate) u32);

/// A path is the path before it and one more step.
#[derive(Clone, Debug)]
pub(crate) struct PathMeaning {
    pub(crate) root: Root,
    /// None for a root itself.
    pub(crate) last: Option<(PathId, Step)>,
    pub(crate) depth: u32,
    next: HashMap<Step, PathId>,
}

/// What a single test asks. Of many values one that passes is enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Atom {
    /// The resource is of one of these kinds.
    Kind(KindSet),
    Equal {
        path: PathId,
        symbols: Box<[Symbol]>,
    },
    Differs {
        path: PathId,
        symbol: Symbol,
    },
    Exactly {
        path: PathId,
        texts: Box<[Arc<str>]>,
    },
    DiffersExactly {
        path: PathId,
        text: Arc<str>,
    },
    /// There is a text, whichever.
    HasText {
        path: PathId,
    },
    Like {
        path: PathId,
        patterns: Box<[Box<str>]>,
    },
    /// The sources of regular expressions; [`TestMeaning::patterns`] has them compiled.
    Matches {
        path: PathId,
        sources: Box<[Box<str>]>,
    },
    /// One of the texts is like a pattern that is read.
    PatternRead {
        texts: Box<[Arc<str>]>,
        path: PathId,
    },
    Paths {
        left: PathId,
        comparison: Comparison,
        right: PathId,
    },
    Empty {
        path: PathId,
    },
    IsAnonymous,
    HasPrivilege {
        path: PathId,
        action: Action,
    },
}

/// What a test or a part of a condition reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reads {
    /// The requester, or the node; also of what reads nothing.
    Requester,
    Resource,
    Both,
}

#[derive(Clone, Debug)]
pub(crate) struct TestMeaning {
    pub(crate) atom: Atom,
    pub(crate) reads: Reads,
    pub(crate) patterns: Box<[Regex]>,
    pub(crate) globs: Box<[Glob]>,
    cost: u32,
}

/// A part of a condition. Whatever it is made of comes before it, cheap parts first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Constant(bool),
    All(Box<[PartId]>),
    Any(Box<[PartId]>),
    Test(TestId),
    Not(TestId),
}

#[derive(Clone, Debug)]
pub(crate) struct PartMeaning {
    pub(crate) part: Part,
    /// Whether it reads nothing of the resource.
    pub(crate) is_fixed: bool,
    cost: u32,
}

/// What is known of a rule without evaluating it.
#[derive(Clone, Debug)]
pub(crate) struct RuleMeaning {
    pub(crate) rule: Arc<Rule>,
    pub(crate) condition: PartId,
}

/// Everything that a set of rules says.
#[derive(Clone, Debug)]
pub(crate) struct Meaning {
    pub(crate) terms: Terms,
    /// How many parts there were when the terms were new.
    fresh_parts: usize,
    pub(crate) rules: Vec<RuleMeaning>,
    /// For each kind of resource the rules whose filters can match it.
    by_kind: Vec<Vec<u32>>,
}

/// The numbers and what they stand for.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    paths: Vec<PathMeaning>,
    symbols: Numbers<Arc<str>>,
    /// For each symbol a text as somebody wrote it.
    written: Vec<Arc<str>>,
    atoms: Numbers<Atom>,
    tests: Vec<TestMeaning>,
    part_numbers: Numbers<Part>,
    parts: Vec<PartMeaning>,
    folded: String,
}

#[derive(Clone, Debug)]
struct Numbers<T>(HashMap<T, u32>);

impl<T: Eq + Hash> Numbers<T> {
    fn new() -> Numbers<T> {
        Numbers(HashMap::new())
    }

    fn add(&mut self, thing: T) -> u32 {
        let number = self.0.len() as u32;
        self.0.insert(thing, number);
        number
    }
}

impl Meaning {
    pub(crate) fn new(rules: &RuleSet) -> Meaning {
        let mut terms = Terms::new();
        let condition = |rule: &Arc<Rule>| terms.condition(rule.condition.clause());
        let conditions: Vec<PartId> = rules.rules().iter().map(condition).collect();
        let parts = terms.parts.len();
        Meaning::of(rules, terms, parts, conditions)
    }

    /// What the rules say after some of them changed. The numbers stay what they were, unless too
    /// many of them stand for nothing by now.
    pub(crate) fn next(&self, rules: &RuleSet) -> Meaning {
        let known: HashMap<*const Rule, PartId> =
            self.rules.iter().map(|rule| (Arc::as_ptr(&rule.rule), rule.condition)).collect();
        let mut terms = self.terms.clone();
        let condition = |rule: &Arc<Rule>| match known.get(&Arc::as_ptr(rule)) {
            Some(&known) => known,
            None => terms.condition(rule.condition.clause()),
        };
        let conditions: Vec<PartId> = rules.rules().iter().map(condition).collect();
        if terms.parts.len() > 2 * self.fresh_parts + 1_000 {
            return Meaning::new(rules);
        }
        Meaning::of(rules, terms, self.fresh_parts, conditions)
    }

    fn of(rules: &RuleSet, terms: Terms, fresh_parts: usize, conditions: Vec<PartId>) -> Meaning {
        let mut by_kind = vec![Vec::new(); ResourceKind::ALL.len()];
        let mut meanings = Vec::with_capacity(conditions.len());
        for (rule, condition) in rules.rules().iter().zip(conditions) {
            for kind in rule.filter.kinds().iter() {
                if let Some(of_kind) = by_kind.get_mut(kind as usize) {
                    of_kind.push(meanings.len() as u32);
                }
            }
            meanings.push(RuleMeaning { rule: Arc::clone(rule), condition });
        }
        Meaning { terms, fresh_parts, rules: meanings, by_kind }
    }

    /// The rules whose filters can match a thing of this kind, with their places.
    pub(crate) fn rules_on(&self, kind: ResourceKind) -> impl Iterator<Item = (u32, &RuleMeaning)> {
        let places = self.by_kind.get(kind as usize).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|&place| Some((place, self.rules.get(place as usize)?)))
    }
}

impl Deref for RuleMeaning {
    type Target = Rule;

    fn deref(&self) -> &Rule {
        &self.rule
    }
}

impl Terms {
    pub(crate) const FALSE: PartId = PartId(0);
    pub(crate) const TRUE: PartId = PartId(1);
    pub(crate) const USER: PathId = PathId(0);
    pub(crate) const RESOURCE: PathId = PathId(1);
    const NODE: PathId = PathId(2);

    pub(crate) fn new() -> Terms {
        let root = |root| PathMeaning { root, last: None, depth: 0, next: HashMap::new() };
        let mut terms = Terms {
            paths: [Root::User, Root::Resource, Root::Node].map(root).into(),
            symbols: Numbers::new(),
            written: Vec::new(),
            atoms: Numbers::new(),
            tests: Vec::new(),
            part_numbers: Numbers::new(),
            parts: Vec::new(),
            folded: String::new(),
        };
        // INVARIANT: `FALSE` and `TRUE` are the first two parts.
        terms.part(Part::Constant(false));
        terms.part(Part::Constant(true));
        terms
    }

    pub(crate) fn path_count(&self) -> usize {
        self.paths.len()
    }

    pub(crate) fn test_count(&self) -> usize {
        self.tests.len()
    }

    pub(crate) fn part_count(&self) -> usize {
        self.parts.len()
    }

    pub(crate) fn path(&self, id: PathId) -> Option<&PathMeaning> {
        self.paths.get(id.0 as usize)
    }

    /// The steps of a path, the first one first.
    pub(crate) fn steps(&self, id: PathId) -> Vec<&Step> {
        let mut steps = Vec::new();
        let mut here = self.path(id);
        while let Some((before, step)) = here.and_then(|path| path.last.as_ref()) {
            steps.push(step);
            here = self.path(*before);
        }
        steps.reverse();
        steps
    }

    pub(crate) fn root(&self, id: PathId) -> Root {
        self.path(id).map_or(Root::Resource, |path| path.root)
    }

    /// A text as somebody wrote it.
    pub(crate) fn written(&self, symbol: Symbol) -> &Arc<str> {
        static NOTHING: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| "".into());
        self.written.get(symbol.0 as usize).unwrap_or(&NOTHING)
    }

    /// The symbol of a text, if any rule compares with it. `folded` is room to work in.
    pub(crate) fn find(&self, text: &str, folded: &mut String) -> Option<Symbol> {
        fold_into(text, folded);
        self.symbols.0.get(folded.as_str()).copied().map(Symbol)
    }

    pub(crate) fn test(&self, id: TestId) -> Option<&TestMeaning> {
        self.tests.get(id.0 as usize)
    }

    pub(crate) fn part_meaning(&self, id: PartId) -> Option<&PartMeaning> {
        self.parts.get(id.0 as usize)
    }

    pub(crate) fn is_fixed(&self, id: PartId) -> bool {
        self.part_meaning(id).is_some_and(|part| part.is_fixed)
    }

    /// What a condition says.
    pub(crate) fn condition(&mut self, clause: &Clause) -> PartId {
        self.clause(clause, true)
    }

    fn clause(&mut self, clause: &Clause, wanted: bool) -> PartId {
        match &clause.node {
            Node::Constant(value) => Terms::constant(*value == wanted),
            Node::Not(inner) => self.clause(inner, !wanted),
            Node::All(parts) if wanted => self.all_clauses(parts, wanted),
            Node::Any(parts) if !wanted => self.all_clauses(parts, wanted),
            Node::All(parts) | Node::Any(parts) => {
                let parts = parts.iter().map(|part| self.clause(part, wanted)).collect();
                self.any(parts)
            }
            Node::Test(test) => self.clause_test(test, wanted),
        }
    }

    fn all_clauses(&mut self, parts: &[Clause], wanted: bool) -> PartId {
        let parts = parts.iter().map(|part| self.clause(part, wanted)).collect();
        self.all(parts)
    }

    const fn constant(value: bool) -> PartId {
        if value { Terms::TRUE } else { Terms::FALSE }
    }

    fn all(&mut self, parts: Vec<PartId>) -> PartId {
        self.joined(parts, true)
    }

    fn any(&mut self, parts: Vec<PartId>) -> PartId {
        self.joined(parts, false)
    }

    /// All of the parts, or any of them.
    fn joined(&mut self, parts: Vec<PartId>, is_all: bool) -> PartId {
        let (ending, neutral) = (Terms::constant(!is_all), Terms::constant(is_all));
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            self.flatten(part, is_all, &mut flat);
        }
        flat.sort();
        flat.dedup();
        flat.retain(|&part| part != neutral);
        if flat.contains(&ending) || self.contradict(&flat) {
            return ending;
        }
        let (fixed, mut open): (Vec<PartId>, Vec<PartId>) =
            flat.into_iter().partition(|&part| self.is_fixed(part));
        if open.is_empty() {
            return self.join(fixed, is_all, neutral);
        }
        if !fixed.is_empty() {
            open.push(self.join(fixed, is_all, neutral));
        }
        self.join(open, is_all, neutral)
    }

    /// Replaces a part that is joined in the same way by what it joins.
    fn flatten(&self, part: PartId, is_all: bool, flat: &mut Vec<PartId>) {
        match self.part_meaning(part).map(|meaning| &meaning.part) {
            Some(Part::All(parts)) if is_all => {
                parts.iter().for_each(|&part| self.flatten(part, is_all, flat));
            }
            Some(Part::Any(parts)) if !is_all => {
                parts.iter().for_each(|&part| self.flatten(part, is_all, flat));
            }
            _ => flat.push(part),
        }
    }

    /// Whether some test stands there beside its negation.
    fn contradict(&self, parts: &[PartId]) -> bool {
        let test = |part: PartId, wanted: bool| match self.part_meaning(part).map(|p| &p.part) {
            Some(Part::Test(test)) if wanted => Some(*test),
            Some(Part::Not(test)) if !wanted => Some(*test),
            _ => None,
        };
        let mut negated = parts.iter().filter_map(|&part| test(part, false));
        negated.any(|not| parts.iter().any(|&part| test(part, true) == Some(not)))
    }

    fn join(&mut self, mut parts: Vec<PartId>, is_all: bool, neutral: PartId) -> PartId {
        match parts.as_slice() {
            [] => return neutral,
            [only] => return *only,
            _ => {}
        }
        let cost = |part: PartId| self.part_meaning(part).map_or(0, |meaning| meaning.cost);
        parts.sort_by_key(|&part| (!self.is_fixed(part), cost(part), part));
        let parts = parts.into_boxed_slice();
        self.part(if is_all { Part::All(parts) } else { Part::Any(parts) })
    }

    fn part(&mut self, part: Part) -> PartId {
        if let Some(&number) = self.part_numbers.0.get(&part) {
            return PartId(number);
        }
        let test = |test: TestId| match self.test(test) {
            Some(meaning) => (meaning.reads == Reads::Requester, meaning.cost),
            None => (false, 0),
        };
        let (is_fixed, cost) = match &part {
            Part::Constant(_) => (true, 0),
            Part::All(parts) | Part::Any(parts) => {
                let meanings = || parts.iter().filter_map(|&part| self.part_meaning(part));
                let cost = meanings().fold(1_u32, |cost, part| cost.saturating_add(part.cost));
                (meanings().all(|part| part.is_fixed), cost)
            }
            Part::Test(id) | Part::Not(id) => test(*id),
        };
        self.parts.push(PartMeaning { part: part.clone(), is_fixed, cost });
        PartId(self.part_numbers.add(part))
    }

    fn clause_test(&mut self, test: &Test, wanted: bool) -> PartId {
        let parts = match test {
            Test::Compare { left, comparison, right } => self.compare(left, *comparison, right),
            Test::IsAnonymous => vec![self.atom(Atom::IsAnonymous)],
            Test::Empty { path } => {
                let path = self.path_id(path);
                vec![self.atom(Atom::Empty { path })]
            }
            Test::IsOwned { path } => {
                let path = self.path_id(path);
                let path = self.step(path, &Step::Read("owner".into()));
                let unowned = self.atom(Atom::Empty { path });
                vec![self.negated(unowned)]
            }
            Test::HasPrivilege { path, action } => {
                let path = self.path_id(path);
                vec![self.atom(Atom::HasPrivilege { path, action: *action })]
            }
        };
        if wanted {
            return self.any(parts);
        }
        let parts = parts.into_iter().map(|part| self.negated(part)).collect();
        self.all(parts)
    }

    /// The negation of a single test or constant.
    fn negated(&mut self, part: PartId) -> PartId {
        match self.part_meaning(part).map(|meaning| meaning.part.clone()) {
            Some(Part::Constant(value)) => Terms::constant(!value),
            Some(Part::Test(test)) => self.part(Part::Not(test)),
            Some(Part::Not(test)) => self.part(Part::Test(test)),
            // Tests are negated one by one, so there is nothing else.
            _ => part,
        }
    }

    fn atom(&mut self, atom: Atom) -> PartId {
        self.atom_with(atom, Box::default(), Box::default())
    }

    fn atom_with(&mut self, atom: Atom, patterns: Box<[Regex]>, globs: Box<[Glob]>) -> PartId {
        if let Some(&number) = self.atoms.0.get(&atom) {
            return self.part(Part::Test(TestId(number)));
        }
        let (reads, cost) = self.classify(&atom);
        self.tests.push(TestMeaning { atom: atom.clone(), reads, patterns, globs, cost });
        let test = TestId(self.atoms.add(atom));
        self.part(Part::Test(test))
    }

    fn classify(&self, atom: &Atom) -> (Reads, u32) {
        let of = |path: PathId| match self.root(path) {
            Root::Resource => Reads::Resource,
            Root::User | Root::Node => Reads::Requester,
        };
        let steps = |path: PathId| self.path(path).map_or(0, |path| path.depth);
        match *atom {
            Atom::Kind(_) => (Reads::Resource, 1),
            Atom::IsAnonymous => (Reads::Requester, 1),
            Atom::HasPrivilege { path, .. } => (Reads::Both, 100 + 4 * steps(path)),
            Atom::Paths { left, right, .. } => {
                let reads = if of(left) == of(right) { of(left) } else { Reads::Both };
                (reads, 6 + 4 * steps(left) + 4 * steps(right))
            }
            Atom::Equal { path, .. }
            | Atom::Differs { path, .. }
            | Atom::Exactly { path, .. }
            | Atom::DiffersExactly { path, .. }
            | Atom::HasText { path }
            | Atom::Empty { path } => (of(path), 2 + 4 * steps(path)),
            Atom::Like { path, .. }
            | Atom::Matches { path, .. }
            | Atom::PatternRead { path, .. } => (of(path), 8 + 4 * steps(path)),
        }
    }

    fn path_id(&mut self, path: &Path) -> PathId {
        let mut here = match path.root {
            Root::User => Terms::USER,
            Root::Resource => Terms::RESOURCE,
            Root::Node => Terms::NODE,
        };
        for step in &path.steps {
            here = self.step(here, step);
        }
        here
    }

    fn step(&mut self, from: PathId, step: &Step) -> PathId {
        let next = PathId(self.paths.len() as u32);
        let Some(before) = self.paths.get_mut(from.0 as usize) else {
            return from;
        };
        if let Some(&known) = before.next.get(step) {
            return known;
        }
        before.next.insert(step.clone(), next);
        let (root, depth) = (before.root, before.depth + 1);
        let last = Some((from, step.clone()));
        self.paths.push(PathMeaning { root, last, depth, next: HashMap::new() });
        next
    }

    fn symbol(&mut self, text: &Arc<str>) -> Symbol {
        fold_into(text, &mut self.folded);
        if let Some(&number) = self.symbols.0.get(self.folded.as_str()) {
            return Symbol(number);
        }
        self.written.push(Arc::clone(text));
        Symbol(self.symbols.add(self.folded.as_str().into()))
    }

    /// A comparison holds if it does between any term of one side and any of the other.
    fn compare(&mut self, left: &[Term], comparison: Comparison, right: &[Term]) -> Vec<PartId> {
        let (left, right) = (Side::new(left), Side::new(right));
        let mut parts = Vec::new();
        if left.texts.iter().any(|text| right.is_met_by(comparison, text)) {
            parts.push(Terms::TRUE);
        }
        for &path in &left.paths {
            if !right.is_free_of_texts() {
                parts.push(self.compare_path(path, comparison, &right));
            }
        }
        for &path in &right.paths {
            if left.texts.is_empty() {
                continue;
            }
            match comparison {
                Comparison::Matches => {}
                Comparison::Like => {
                    let path = self.path_id(path);
                    let texts = sorted(left.texts.iter().map(|&text| Arc::clone(text)));
                    parts.push(self.atom(Atom::PatternRead { texts, path }));
                }
                // These say the same in both directions.
                _ => parts.push(self.compare_path(path, comparison, &left)),
            }
        }
        if comparison != Comparison::Matches {
            for left in &left.paths {
                for right in &right.paths {
                    let (mut left, mut right) = (self.path_id(left), self.path_id(right));
                    if comparison != Comparison::Like && right < left {
                        std::mem::swap(&mut left, &mut right);
                    }
                    parts.push(self.atom(Atom::Paths { left, comparison, right }));
                }
            }
        }
        parts
    }

    /// Compares a path with texts.
    fn compare_path(&mut self, path: &Path, comparison: Comparison, side: &Side<'_>) -> PartId {
        if matches!(path.steps.as_slice(), [Step::Kind]) {
            match path.root {
                Root::Resource => {
                    let holds =
                        |kind: &ResourceKind| side.is_met_by(comparison, &kind.shared_name());
                    let kinds: KindSet = ResourceKind::ALL.iter().copied().filter(holds).collect();
                    return self.atom(Atom::Kind(kinds));
                }
                Root::User => {
                    let name = ResourceKind::User.shared_name();
                    return Terms::constant(side.is_met_by(comparison, &name));
                }
                Root::Node => {}
            }
        }
        let path = self.path_id(path);
        let atom = match comparison {
            Comparison::Equal => {
                let symbols: Vec<Symbol> =
                    side.texts.iter().map(|text| self.symbol(text)).collect();
                Atom::Equal { path, symbols: sorted(symbols) }
            }
            Comparison::NotEqual => {
                let symbols: Vec<Symbol> =
                    side.texts.iter().map(|text| self.symbol(text)).collect();
                match *sorted(symbols) {
                    [symbol] => Atom::Differs { path, symbol },
                    // Whatever the text is, it differs from one of several.
                    _ => Atom::HasText { path },
                }
            }
            Comparison::ExactlyEqual => {
                let texts = sorted(side.texts.iter().map(|&text| Arc::clone(text)));
                Atom::Exactly { path, texts }
            }
            Comparison::ExactlyNotEqual => {
                match &*sorted(side.texts.iter().map(|&text| Arc::clone(text))) {
                    [text] => Atom::DiffersExactly { path, text: Arc::clone(text) },
                    _ => Atom::HasText { path },
                }
            }
            Comparison::Like => {
                let mut globs: Vec<Glob> = side.globs.iter().map(|&glob| glob.clone()).collect();
                globs.sort_by(|one, other| str::cmp(one, other));
                let patterns = globs.iter().map(|glob| Box::from(&**glob)).collect();
                return self.atom_with(Atom::Like { path, patterns }, Box::default(), globs.into());
            }
            Comparison::Matches => {
                let mut patterns: Vec<Regex> =
                    side.patterns.iter().map(|&pattern| pattern.clone()).collect();
                patterns.sort_by(|one, other| one.as_str().cmp(other.as_str()));
                let sources = patterns.iter().map(|pattern| pattern.as_str().into()).collect();
                return self.atom_with(
                    Atom::Matches { path, sources },
                    patterns.into(),
                    Box::default(),
                );
            }
        };
        self.atom(atom)
    }
}

fn sorted<T: Ord>(texts: impl IntoIterator<Item = T>) -> Box<[T]> {
    let mut texts: Vec<T> = texts.into_iter().collect();
    texts.sort();
    texts.dedup();
    texts.into()
}

/// One side of a comparison, by what its terms are.
#[derive(Default)]
struct Side<'t> {
    paths: Vec<&'t Path>,
    texts: Vec<&'t Arc<str>>,
    globs: Vec<&'t Glob>,
    patterns: Vec<&'t Regex>,
}

impl<'t> Side<'t> {
    fn new(terms: &'t [Term]) -> Side<'t> {
        let mut side = Side::default();
        for term in terms {
            match term {
                Term::Path(path) => side.paths.push(path),
                Term::Text(text) => side.texts.push(text),
                Term::Glob(glob) => side.globs.push(glob),
                Term::Pattern(pattern) => side.patterns.push(pattern),
            }
        }
        side
    }

    fn is_free_of_texts(&self) -> bool {
        self.texts.is_empty() && self.globs.is_empty() && self.patterns.is_empty()
    }

    /// Whether a text on the left passes the comparison with some text or pattern here.
    fn is_met_by(&self, comparison: Comparison, left: &str) -> bool {
        match comparison {
            Comparison::Like => self.globs.iter().any(|glob| glob.matches(left)),
            Comparison::Matches => self.patterns.iter().any(|pattern| pattern.is_match(left)),
            _ => self.texts.iter().any(|right| texts_hold(left, comparison, right)),
        }
    }
}

/// Whether the comparison holds between two texts that were read.
pub(crate) fn texts_hold(left: &str, comparison: Comparison, right: &str) -> bool {
    match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        Comparison::ExactlyEqual => left == right,
        Comparison::ExactlyNotEqual => left != right,
        Comparison::Like => like(left, right),
        Comparison::Matches => false,
    }
}
