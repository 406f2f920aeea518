//! What is true of a requester, found through the values that they have.
//!
//! Ten thousand rules that compare `user.group` with ten thousand texts cost one look-up for each
//! group that the requester is in.

use std::sync::OnceLock;

use hashbrown::HashMap;

use crate::digest::{self, Digest};

use crate::meaning::{
    Atom, Meaning, Part, PartId, PathId, Reads, Symbol, Terms, TestId, TestMeaning, texts_hold,
};
use crate::prefix::{Prefixes, prefixes};
use crate::program::{Root, Step};
use crate::syntax::Comparison;
use crate::text::like;
use crate::{Context, Entity, Fact, Facts, KindSet, RequestContext, ResourceKind, Rule, Subject};

/// Reads a path that begins at the requester or the node.
pub(crate) fn read_requester(
    terms: &Terms,
    path: PathId,
    facts: &dyn Facts,
    context: RequestContext,
    out: &mut Vec<Fact>,
) {
    let Some(path) = terms.path(path) else {
        return;
    };
    let Some((before, step)) = &path.last else {
        if path.root == Root::User {
            out.extend(facts.requester_entity().map(Fact::Entity));
        }
        return;
    };
    if path.depth > 1 {
        let mut things = Vec::new();
        read_requester(terms, *before, facts, context, &mut things);
        for thing in &things {
            if let Fact::Entity(thing) = thing {
                follow(facts, thing, step, out);
            }
        }
        return;
    }
    match (path.root, step) {
        (Root::User, Step::RequestContext) => out.push(Fact::Text(context.name().into())),
        (Root::User, Step::Kind) => out.push(Fact::Text(ResourceKind::User.shared_name())),
        (Root::User, Step::Id) => {
            let id = facts.requester_entity().and_then(|user| user.id);
            out.extend(id.map(|id| Fact::Text(id.hyphenated().to_string().into())));
        }
        (Root::User, Step::Read(name)) => facts.read(Subject::Requester, name, out),
        (Root::Node, step) => facts.read(Subject::Node, step.name(), out),
        (Root::Resource, _) => {}
    }
}

/// Appends what a step from a thing leads to.
pub(crate) fn follow(facts: &dyn Facts, entity: &Entity, step: &Step, out: &mut Vec<Fact>) {
    match (step, &entity.name) {
        (Step::Kind, _) => out.push(Fact::Text(entity.kind.shared_name())),
        (Step::Id, _) => {
            out.extend(entity.id.map(|id| Fact::Text(id.hyphenated().to_string().into())));
        }
        (Step::Read(property), Some(name)) if **property == *"name" => {
            out.push(Fact::Text(name.clone()));
        }
        (step, _) => facts.read(Subject::Resource(entity), step.name(), out),
    }
}

/// Values of a path, and for each text the symbol that it equals; other things have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub(crate) facts: Vec<Fact>,
    pub(crate) symbols: Vec<Option<Symbol>>,
}

impl Values {
    pub(crate) fn clear(&mut self) {
        self.facts.clear();
        self.symbols.clear();
    }

    pub(crate) fn find_symbols(&mut self, terms: &Terms, folded: &mut String) {
        self.symbols.clear();
        self.symbols.extend(self.facts.iter().map(|fact| match fact {
            Fact::Text(text) => terms.find(text, folded),
            Fact::Entity(_) => None,
        }));
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.facts.iter().filter_map(|fact| match fact {
            Fact::Text(text) => Some(&**text),
            Fact::Entity(_) => None,
        })
    }
}

/// Whether a test of one path holds for the path's values.
pub(crate) fn holds(test: &TestMeaning, values: &Values) -> bool {
    match &test.atom {
        Atom::Equal { symbols, .. } => {
            values.symbols.iter().flatten().any(|symbol| symbols.binary_search(symbol).is_ok())
        }
        Atom::Differs { symbol, .. } => {
            let mut read = values.facts.iter().zip(&values.symbols);
            read.any(|(fact, read)| matches!(fact, Fact::Text(_)) && *read != Some(*symbol))
        }
        Atom::Exactly { texts, .. } => {
            values.texts().any(|read| texts.iter().any(|text| **text == *read))
        }
        Atom::DiffersExactly { text, .. } => values.texts().any(|read| **text != *read),
        Atom::HasText { .. } => values.texts().next().is_some(),
        Atom::Like { .. } => {
            values.texts().any(|read| test.globs.iter().any(|glob| glob.matches(read)))
        }
        Atom::Matches { .. } => {
            values.texts().any(|read| test.patterns.iter().any(|pattern| pattern.is_match(read)))
        }
        Atom::PatternRead { texts, .. } => {
            values.texts().any(|pattern| texts.iter().any(|text| like(text, pattern)))
        }
        Atom::Empty { .. } => values.facts.is_empty(),
        Atom::Kind(_) | Atom::Paths { .. } | Atom::IsAnonymous | Atom::HasPrivilege { .. } => false,
    }
}

/// Whether the comparison holds between some value of each side.
pub(crate) fn pairs_hold(left: &[Fact], comparison: Comparison, right: &[Fact]) -> bool {
    left.iter().any(|left| right.iter().any(|right| pair_holds(left, comparison, right)))
}

/// Values that cannot be compared prove nothing: neither `=` nor `!=` holds between them.
pub(crate) fn pair_holds(left: &Fact, comparison: Comparison, right: &Fact) -> bool {
    match (left, right) {
        (Fact::Text(left), Fact::Text(right)) => texts_hold(left, comparison, right),
        (Fact::Entity(left), Fact::Entity(right)) => match comparison {
            Comparison::Equal | Comparison::ExactlyEqual => left.is_same(right) == Some(true),
            Comparison::NotEqual | Comparison::ExactlyNotEqual => {
                left.is_same(right) == Some(false)
            }
            Comparison::Like | Comparison::Matches => false,
        },
        _ => false,
    }
}

/// The path that a test reads, if it is one.
pub(crate) fn path_of(atom: &Atom) -> Option<PathId> {
    match *atom {
        Atom::Equal { path, .. }
        | Atom::Differs { path, .. }
        | Atom::Exactly { path, .. }
        | Atom::DiffersExactly { path, .. }
        | Atom::HasText { path }
        | Atom::Like { path, .. }
        | Atom::Matches { path, .. }
        | Atom::PatternRead { path, .. }
        | Atom::Empty { path }
        | Atom::HasPrivilege { path, .. } => Some(path),
        Atom::Kind(_) | Atom::Paths { .. } | Atom::IsAnonymous => None,
    }
}

/// The contexts that something matters in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contexts(u8);

impl Contexts {
    pub(crate) fn add(&mut self, context: Context) {
        for request in [RequestContext::Hub, RequestContext::Console] {
            if context.covers(request) {
                self.0 |= Contexts::bit(request);
            }
        }
    }

    pub(crate) fn contains(self, context: RequestContext) -> bool {
        self.0 & Contexts::bit(context) != 0
    }

    const fn bit(context: RequestContext) -> u8 {
        match context {
            RequestContext::Hub => 1,
            RequestContext::Console => 2,
        }
    }
}

/// Which tests are true of a requester.
#[derive(Clone, Debug)]
pub(crate) struct Truths(Vec<u64>);

impl Truths {
    fn new(tests: usize) -> Truths {
        Truths(vec![0; tests.div_ceil(64)])
    }

    fn insert(&mut self, test: TestId) {
        if let Some(word) = self.0.get_mut(test.0 as usize / 64) {
            *word |= 1 << (test.0 % 64);
        }
    }

    pub(crate) fn contains(&self, test: TestId) -> bool {
        let word = self.0.get(test.0 as usize / 64).copied().unwrap_or(0);
        word & (1 << (test.0 % 64)) != 0
    }

    fn iter(&self) -> impl Iterator<Item = TestId> {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    TestId(index as u32 * 64 + bit)
                })
            })
        })
    }

    /// Whether a part that reads nothing but the requester holds.
    pub(crate) fn hold(&self, terms: &Terms, part: PartId) -> bool {
        match terms.part_meaning(part).map(|meaning| &meaning.part) {
            Some(Part::Constant(value)) => *value,
            Some(Part::All(parts)) => parts.iter().all(|&part| self.hold(terms, part)),
            Some(Part::Any(parts)) => parts.iter().any(|&part| self.hold(terms, part)),
            Some(Part::Test(test)) => self.contains(*test),
            Some(Part::Not(test)) => !self.contains(*test),
            None => false,
        }
    }
}

/// Tests of the requester by what makes them true, and the parts of conditions made of them.
#[derive(Debug, Default)]
pub(crate) struct RequesterIndex {
    paths: Vec<(PathId, PathTests)>,
    /// Tests of two paths, and whether the requester is anonymous.
    others: Vec<(TestId, Use)>,
    /// The largest parts of conditions that read nothing but the requester.
    parts: HashMap<PartId, FixedPart>,
    /// For each test the parts that cannot be other than with no test true, unless some test
    /// that they are listed at is.
    watchers: HashMap<TestId, Vec<PartId>>,
}

#[derive(Debug, Default)]
struct FixedPart {
    used: Use,
    /// Whether it holds when no test is true.
    baseline: bool,
    digest: OnceLock<Digest>,
}

/// Where rules use a part of a condition, or a path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    contexts: Contexts,
    /// What the rules are about.
    kinds: KindSet,
}

impl Use {
    pub(crate) fn add(&mut self, rule: &Rule) {
        self.contexts.add(rule.context);
        self.kinds = self.kinds.union(rule.filter.kinds());
    }

    fn merge(&mut self, other: Use) {
        self.contexts.0 |= other.contexts.0;
        self.kinds = self.kinds.union(other.kinds);
    }

    /// Whether a rule about one of the kinds uses it in this context.
    pub(crate) fn matters(&self, context: RequestContext, kinds: KindSet) -> bool {
        self.contexts.contains(context) && !self.kinds.intersection(kinds).is_empty()
    }
}

#[derive(Debug, Default)]
struct PathTests {
    used: Use,
    by_symbol: HashMap<Symbol, Vec<TestId>>,
    by_prefix: Prefixes<TestId>,
    /// Those that must be evaluated one by one.
    each: Vec<(TestId, Use)>,
}

impl RequesterIndex {
    pub(crate) fn new(meaning: &Meaning) -> RequesterIndex {
        let terms = &meaning.terms;
        let mut parts: HashMap<PartId, FixedPart> = HashMap::new();
        let mut uses: HashMap<TestId, Use> = HashMap::new();
        for rule in &meaning.rules {
            for_each_fixed(terms, rule.condition, &mut |part| {
                parts.entry(part).or_default().used.add(rule);
            });
        }
        let mut watchers: HashMap<TestId, Vec<PartId>> = HashMap::with_capacity(parts.len());
        for (&id, part) in &mut parts {
            part.baseline = baseline(terms, id);
            for_each_test(terms, id, &mut |test| {
                uses.entry(test).or_default().merge(part.used);
            });
            let mut watched = watch(terms, id).tests;
            watched.sort();
            watched.dedup();
            for test in watched {
                watchers.entry(test).or_default().push(id);
            }
        }
        let mut paths: HashMap<PathId, PathTests> = HashMap::new();
        let mut others = Vec::new();
        for (test, used) in uses {
            let Some(meaning) = terms.test(test) else {
                continue;
            };
            match path_of(&meaning.atom) {
                Some(path) => paths.entry(path).or_default().add(test, meaning, used),
                None => others.push((test, used)),
            }
        }
        RequesterIndex { paths: paths.into_iter().collect(), others, parts, watchers }
    }

    /// Which of the tests are true that matter to rules about these kinds in this context. Tests
    /// of paths that `skip` names are left out.
    pub(crate) fn truths(
        &self,
        terms: &Terms,
        facts: &dyn Facts,
        context: RequestContext,
        kinds: KindSet,
        skip: &dyn Fn(PathId) -> bool,
    ) -> Truths {
        let mut truths = Truths::new(terms.test_count());
        let (mut values, mut folded) = (Values::default(), String::new());
        for (path, tests) in &self.paths {
            if !tests.used.matters(context, kinds) || skip(*path) {
                continue;
            }
            values.clear();
            read_requester(terms, *path, facts, context, &mut values.facts);
            values.find_symbols(terms, &mut folded);
            for symbol in values.symbols.iter().flatten() {
                for &test in tests.by_symbol.get(symbol).into_iter().flatten() {
                    truths.insert(test);
                }
            }
            for text in values.texts() {
                tests.by_prefix.find(text, &mut folded, |test| {
                    if !truths.contains(test)
                        && terms.test(test).is_some_and(|test| holds(test, &values))
                    {
                        truths.insert(test);
                    }
                });
            }
            for &(test, used) in &tests.each {
                if used.matters(context, kinds)
                    && terms.test(test).is_some_and(|test| holds(test, &values))
                {
                    truths.insert(test);
                }
            }
        }
        for &(test, used) in &self.others {
            if used.matters(context, kinds) && other_holds(terms, test, facts, context, skip) {
                truths.insert(test);
            }
        }
        truths
    }

    /// The parts that matter to rules about these kinds in this context and are other than with no
    /// test true.
    pub(crate) fn changed(
        &self,
        terms: &Terms,
        truths: &Truths,
        context: RequestContext,
        kinds: KindSet,
    ) -> Vec<Digest> {
        let mut changed: Vec<PartId> = Vec::new();
        for test in truths.iter() {
            changed.extend(self.watchers.get(&test).into_iter().flatten());
        }
        changed.sort();
        changed.dedup();
        let mut digests: Vec<Digest> = changed
            .into_iter()
            .filter_map(|id| {
                let part = self.parts.get(&id)?;
                let differs =
                    part.used.matters(context, kinds) && truths.hold(terms, id) != part.baseline;
                differs.then(|| *part.digest.get_or_init(|| digest::part(terms, id)))
            })
            .collect();
        digests.sort();
        digests
    }
}

impl PathTests {
    fn add(&mut self, test: TestId, meaning: &TestMeaning, used: Use) {
        self.used.merge(used);
        match &meaning.atom {
            Atom::Equal { symbols, .. } => {
                for &symbol in symbols {
                    self.by_symbol.entry(symbol).or_default().push(test);
                }
            }
            Atom::Like { .. } => match prefixes(meaning) {
                Some(prefixes) => {
                    for prefix in prefixes {
                        self.by_prefix.add(&prefix, test);
                    }
                }
                None => self.each.push((test, used)),
            },
            _ => self.each.push((test, used)),
        }
    }
}

fn other_holds(
    terms: &Terms,
    test: TestId,
    facts: &dyn Facts,
    context: RequestContext,
    skip: &dyn Fn(PathId) -> bool,
) -> bool {
    match terms.test(test).map(|meaning| &meaning.atom) {
        Some(Atom::IsAnonymous) => facts.requester_is_anonymous(),
        Some(&Atom::Paths { left, comparison, right }) if !skip(left) && !skip(right) => {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            read_requester(terms, left, facts, context, &mut one);
            read_requester(terms, right, facts, context, &mut other);
            pairs_hold(&one, comparison, &other)
        }
        _ => false,
    }
}

/// Calls `visit` with the largest parts that read nothing but the requester.
pub(crate) fn for_each_fixed(terms: &Terms, part: PartId, visit: &mut impl FnMut(PartId)) {
    let Some(meaning) = terms.part_meaning(part) else {
        return;
    };
    match &meaning.part {
        Part::Constant(_) => {}
        _ if meaning.is_fixed => visit(part),
        Part::All(parts) | Part::Any(parts) => {
            for &part in parts {
                for_each_fixed(terms, part, visit);
            }
        }
        Part::Test(_) | Part::Not(_) => {}
    }
}

pub(crate) fn for_each_test(terms: &Terms, part: PartId, visit: &mut impl FnMut(TestId)) {
    match terms.part_meaning(part).map(|meaning| &meaning.part) {
        None | Some(Part::Constant(_)) => {}
        Some(Part::All(parts) | Part::Any(parts)) => {
            for &part in parts {
                for_each_test(terms, part, visit);
            }
        }
        Some(&(Part::Test(test) | Part::Not(test))) => visit(test),
    }
}

/// Whether the part holds when no test is true.
fn baseline(terms: &Terms, part: PartId) -> bool {
    match terms.part_meaning(part).map(|meaning| &meaning.part) {
        Some(Part::Constant(value)) => *value,
        Some(Part::All(parts)) => parts.iter().all(|&part| baseline(terms, part)),
        Some(Part::Any(parts)) => parts.iter().any(|&part| baseline(terms, part)),
        Some(Part::Not(_)) => true,
        Some(Part::Test(_)) | None => false,
    }
}

/// Tests of which one must be true for a part to be other than its [`baseline`].
#[derive(Default)]
struct Watch {
    tests: Vec<TestId>,
    /// How often one of them is likely true.
    weight: u32,
}

fn watch(terms: &Terms, part: PartId) -> Watch {
    let (parts, is_all) = match terms.part_meaning(part).map(|meaning| &meaning.part) {
        None | Some(Part::Constant(_)) => return Watch::default(),
        Some(&(Part::Test(test) | Part::Not(test))) => {
            let weight = match terms.test(test).map(|meaning| &meaning.atom) {
                Some(Atom::Equal { .. } | Atom::Exactly { .. }) => 1,
                Some(Atom::Like { .. } | Atom::Matches { .. }) => 20,
                _ => 1_000,
            };
            return Watch { tests: vec![test], weight };
        }
        Some(Part::All(parts)) => (parts, true),
        Some(Part::Any(parts)) => (parts, false),
    };
    // One part decides a conjunction that is false, or a disjunction that is true: while that part
    // stays as it is, so does the whole.
    let deciding = parts.iter().filter(|&&part| baseline(terms, part) != is_all);
    if let Some(least) = deciding.map(|&part| watch(terms, part)).min_by_key(|watch| watch.weight) {
        return least;
    }
    parts.iter().map(|&part| watch(terms, part)).fold(Watch::default(), |mut all, one| {
        all.tests.extend(one.tests);
        all.weight = all.weight.saturating_add(one.weight);
        all
    })
}

/// A test that compares the requester with the resource: the path of each.
pub(crate) fn mixed(terms: &Terms, test: TestId) -> Option<Mixed> {
    let meaning = terms.test(test)?;
    match meaning.atom {
        Atom::Paths { left, comparison, right } if meaning.reads == Reads::Both => {
            Some(match terms.root(left) {
                Root::Resource => {
                    Mixed { requester: right, comparison, resource: left, is_swapped: true }
                }
                _ => Mixed { requester: left, comparison, resource: right, is_swapped: false },
            })
        }
        _ => None,
    }
}

/// A comparison of the requester with the resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixed {
    pub(crate) requester: PathId,
    pub(crate) comparison: Comparison,
    pub(crate) resource: PathId,
    /// Whether the resource stands on the left.
    pub(crate) is_swapped: bool,
}

impl Mixed {
    pub(crate) fn holds(&self, requester: &[Fact], resource: &[Fact]) -> bool {
        match self.is_swapped {
            true => pairs_hold(resource, self.comparison, requester),
            false => pairs_hold(requester, self.comparison, resource),
        }
    }
}
