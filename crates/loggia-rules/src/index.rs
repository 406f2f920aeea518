//! Which rules can hold for a requester and a resource, without looking at the others.
//!
//! The rules of one kind of resource are filed under what must be among the values of some path for
//! them to hold, their *guard*. A decision reads each of these paths once and looks its values up.
//! Rules about nearly every kind are filed once, in the [`Bucket`] that all kinds share.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use hashbrown::{HashMap, HashTable};
use uuid::Uuid;

use crate::compiled::{
    Code, Compare, Constant, Guard, Key, KeyValue, Place, Proof, Read, Writer, id_hash,
};
use crate::paths::{PathId, Paths};
use crate::syntax::Comparison;
use crate::text::{begins_with, equal, fold_hash, fold_hash_beginning};
use crate::{Actions, Effect, KindSet, RequestContext, ResourceKind, Rule};

/// A rule as it is arranged in one set.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) rule: Arc<Rule>,
    /// The paths that the condition reads, in its order.
    pub(crate) paths: Box<[PathId]>,
}

/// A value that is read: of a path, or the ids of the things at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Looked {
    pub(crate) path: PathId,
    pub(crate) is_id: bool,
    /// How many characters of its beginning count; zero for all of it.
    pub(crate) beginning: u32,
}

/// The rules on resources of one kind, or those that all kinds share.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    allow: Half,
    forbid: Half,
}

/// The rules of one effect.
#[derive(Debug, Default)]
pub(crate) struct Half {
    pub(crate) concern: Concern,
    signed_in: Span,
    anonymous: Span,
    without_id: Span,
    /// Rules that ask the rules again and nothing else.
    rest: Span,
    ids: Keys,
    /// By paths that read the same for every resource.
    pub(crate) fixed: Box<[Probe]>,
    pub(crate) scoped: Box<[Probe]>,
    /// What rules need that are filed under nothing else, cheap tests first.
    pub(crate) tests: Box<[SharedTest]>,
    entries: Box<[Entry]>,
}

/// The rules that are filed under the values of one path.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) looked: Looked,
    pub(crate) concern: Concern,
    keys: Keys,
}

/// A test that some rules need, made once for all of them.
#[derive(Debug)]
pub(crate) struct SharedTest {
    pub(crate) concern: Concern,
    pub(crate) test: QuickTest,
    /// One of the rules, whose test it is.
    pub(crate) entry: Entry,
    span: Span,
}

/// The most frequent tests, in a form that takes no detours.
#[derive(Debug)]
pub(crate) enum QuickTest {
    Constant {
        path: PathId,
        comparison: Comparison,
        constant: Constant,
    },
    Join {
        left: PathId,
        comparison: Comparison,
        right: PathId,
    },
    /// As the rule has it.
    Other,
}

/// One rule where it is filed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) rule: u32,
    pub(crate) concern: Concern,
    /// What need not be evaluated any more.
    pub(crate) proven: Proof,
    /// Whether it is still open if the filter matches.
    pub(crate) needs_filter: bool,
    pub(crate) asks_rules: bool,
}

/// Actions and contexts, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Concern(u16);

type Keys = HashTable<Filed>;

#[derive(Debug)]
struct Filed {
    hash: u64,
    value: KeyValue,
    span: Span,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

/// Rules on more kinds than this go to the bucket that all kinds share.
const MOST_BUCKETS: usize = 16;

/// The buckets that a rule's filter needs it in; none for the one that all kinds share.
pub(crate) fn buckets(kinds: KindSet) -> Option<KindSet> {
    (kinds.len() <= MOST_BUCKETS).then_some(kinds)
}

impl Concern {
    const HUB: u16 = 1 << 13;
    const CONSOLE: u16 = 1 << 14;

    fn of(rule: &Rule) -> Concern {
        let in_context = |context, bit| if rule.context.covers(context) { bit } else { 0 };
        let contexts = in_context(RequestContext::Hub, Concern::HUB)
            | in_context(RequestContext::Console, Concern::CONSOLE);
        Concern(Concern::bits(rule.actions) | contexts)
    }

    pub(crate) fn of_context(context: RequestContext) -> Concern {
        match context {
            RequestContext::Hub => Concern(Concern::HUB),
            RequestContext::Console => Concern(Concern::CONSOLE),
        }
    }

    /// The actions, if it is about the context.
    pub(crate) fn actions_in(self, context: Concern) -> Actions {
        if self.0 & context.0 == 0 {
            return Actions::NONE;
        }
        Actions::from_bits(u32::from(self.0) & Actions::ALL.bits()).unwrap_or(Actions::NONE)
    }

    pub(crate) fn is_in(self, context: Concern) -> bool {
        self.0 & context.0 != 0
    }

    fn add(&mut self, other: Concern) {
        self.0 |= other.0;
    }

    fn bits(actions: Actions) -> u16 {
        u16::try_from(actions.bits()).unwrap_or(0)
    }
}

// INVARIANT: the bits of actions and contexts do not meet.
const _: () = assert!(Actions::ALL.bits() < Concern::HUB as u32);

impl Bucket {
    /// Files the rules on resources of this kind; of the kinds that share a bucket if there is
    /// none.
    pub(crate) fn new(
        kind: Option<ResourceKind>,
        paths: &Paths,
        rules: &[(u32, &Placed)],
    ) -> Bucket {
        let half = |effect| {
            let rules = rules.iter().copied();
            Half::new(kind, paths, rules.filter(|(_, placed)| placed.rule.effect == effect))
        };
        Bucket { allow: half(Effect::Allow), forbid: half(Effect::Forbid) }
    }

    pub(crate) fn half(&self, effect: Effect) -> &Half {
        match effect {
            Effect::Allow => &self.allow,
            Effect::Forbid => &self.forbid,
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Bucket>() + self.allow.memory() + self.forbid.memory()
    }
}

impl Half {
    fn new<'r>(
        kind: Option<ResourceKind>,
        paths: &Paths,
        rules: impl Iterator<Item = (u32, &'r Placed)>,
    ) -> Half {
        let candidates: Vec<Candidate<'r>> =
            rules.filter_map(|(index, placed)| Candidate::new(index, placed, kind)).collect();
        let mut common: HashMap<(Drawer, u64), u32> = HashMap::new();
        for candidate in &candidates {
            for key in candidate.guards().flat_map(|guard| &*guard.keys) {
                *common.entry((candidate.drawer(key, paths), key.hash)).or_default() += 1;
            }
        }
        let mut cards: Vec<Card<'_>> = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            candidate.file(paths, &common, &mut cards);
        }
        cards.sort_by_key(|card| (card.drawer, card.hash, card.cost, card.entry.rule));
        Half::from_cards(&cards)
    }

    /// The cards come sorted by drawer and hash.
    fn from_cards(cards: &[Card<'_>]) -> Half {
        let mut half = Half::default();
        let mut entries = Vec::with_capacity(cards.len());
        let (mut fixed, mut scoped, mut tests) = (Vec::new(), Vec::new(), Vec::new());
        for drawer in cards.chunk_by(|one, other| one.drawer == other.drawer) {
            let Some(first) = drawer.first() else { continue };
            let mut concern = Concern::default();
            drawer.iter().for_each(|card| concern.add(card.entry.concern));
            half.concern.add(concern);
            let mut keys = Vec::new();
            for run in drawer.chunk_by(|one, other| one.hash == other.hash) {
                file_run(run, &mut entries, &mut keys);
            }
            let whole = keys.first().map_or(Span::default(), |filed: &Filed| filed.span);
            match first.drawer {
                Drawer::Anonymous(true) => half.anonymous = whole,
                Drawer::Anonymous(false) => half.signed_in = whole,
                Drawer::WithoutId => half.without_id = whole,
                Drawer::Rest => half.rest = whole,
                Drawer::Test { .. } => {
                    let test = |filed: &Filed| {
                        let card = drawer.iter().find(|card| same_value(card.value, &filed.value));
                        SharedTest::new(card?, filed.span, &entries)
                    };
                    tests.extend(keys.iter().filter_map(test));
                }
                Drawer::Id => half.ids = table(keys),
                Drawer::Value { is_scoped, looked, .. } => {
                    let probes = if is_scoped { &mut scoped } else { &mut fixed };
                    probes.push(Probe { looked, concern, keys: table(keys) });
                }
            }
        }
        Half {
            fixed: fixed.into(),
            scoped: scoped.into(),
            tests: tests.into(),
            entries: entries.into(),
            ..half
        }
    }

    /// Rules for requesters that are anonymous, or that have signed in.
    pub(crate) fn by_anonymity(&self, is_anonymous: bool) -> &[Entry] {
        self.entries(if is_anonymous { self.anonymous } else { self.signed_in })
    }

    /// Rules on the resource with this id, or on resources without one.
    pub(crate) fn by_id(&self, id: Option<Uuid>) -> &[Entry] {
        let Some(id) = id else {
            return self.entries(self.without_id);
        };
        if self.ids.is_empty() {
            return &[];
        }
        let is_it = |filed: &Filed| matches!(filed.value, KeyValue::Id(known) if known == id);
        self.ids.find(id_hash(id), is_it).map_or(&[], |filed| self.entries(filed.span))
    }

    /// Rules that are filed under a text, or its beginning.
    pub(crate) fn by_text(&self, probe: &Probe, text: &str) -> &[Entry] {
        let is_it = |filed: &Filed| match &filed.value {
            KeyValue::Text(known) => equal(known, text),
            KeyValue::Beginning(beginning) => begins_with(text, beginning),
            _ => false,
        };
        let hash = match probe.looked.beginning {
            0 => Some(fold_hash(text)),
            length => fold_hash_beginning(text, length as usize),
        };
        let filed = hash.and_then(|hash| probe.keys.find(hash, is_it));
        filed.map_or(&[], |filed| self.entries(filed.span))
    }

    /// Rules that are filed under the id of a thing.
    pub(crate) fn by_thing(&self, probe: &Probe, id: Uuid) -> &[Entry] {
        let is_it = |filed: &Filed| matches!(filed.value, KeyValue::Id(known) if known == id);
        probe.keys.find(id_hash(id), is_it).map_or(&[], |filed| self.entries(filed.span))
    }

    /// The rules that need a test.
    pub(crate) fn needing(&self, test: &SharedTest) -> &[Entry] {
        self.entries(test.span)
    }

    /// Rules that are filed under nothing at all, cheap ones first.
    pub(crate) fn rest(&self) -> &[Entry] {
        self.entries(self.rest)
    }

    fn entries(&self, span: Span) -> &[Entry] {
        self.entries.get(span.start as usize..span.end as usize).unwrap_or(&[])
    }

    fn memory(&self) -> usize {
        let keys = |keys: &Keys| keys.capacity() * (size_of::<Filed>() + 1);
        let probes: usize = self
            .fixed
            .iter()
            .chain(&self.scoped)
            .map(|probe| size_of::<Probe>() + keys(&probe.keys))
            .sum();
        let lists = size_of_val(&*self.entries) + size_of_val(&*self.tests);
        lists + keys(&self.ids) + probes
    }
}

/// Files the cards of one hash: under one value, but for chance.
fn file_run(run: &[Card<'_>], entries: &mut Vec<Entry>, keys: &mut Vec<Filed>) {
    let mut open: Vec<&Card<'_>> = run.iter().collect();
    while let Some(first) = open.first().copied() {
        let start = entries.len();
        open.retain(|card| {
            let is_same = same_value(first.value, card.value);
            if is_same {
                entries.push(card.entry);
            }
            !is_same
        });
        let place = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let span = Span { start: place(start), end: place(entries.len()) };
        keys.push(Filed { hash: first.hash, value: first.value.clone(), span });
    }
}

fn same_value(one: &KeyValue, other: &KeyValue) -> bool {
    match (one, other) {
        (KeyValue::Any, KeyValue::Any) => true,
        (KeyValue::Text(one), KeyValue::Text(other)) => equal(one, other),
        (KeyValue::Beginning(one), KeyValue::Beginning(other)) => one == other,
        (KeyValue::Test(one), KeyValue::Test(other)) => one == other,
        (KeyValue::Id(one), KeyValue::Id(other)) => one == other,
        _ => false,
    }
}

fn table(keys: Vec<Filed>) -> Keys {
    let mut table = HashTable::with_capacity(keys.len());
    for filed in keys {
        table.insert_unique(filed.hash, filed, |filed| filed.hash);
    }
    table
}

impl SharedTest {
    /// The test of the card's rule, for all the entries.
    fn new(card: &Card<'_>, span: Span, entries: &[Entry]) -> Option<SharedTest> {
        let mut concern = Concern::default();
        let entries = entries.get(span.start as usize..span.end as usize)?;
        entries.iter().for_each(|entry| concern.add(entry.concern));
        let test = QuickTest::new(card.placed, card.placed.rule.condition.compiled().test()?);
        Some(SharedTest { concern, test, entry: card.entry, span })
    }
}

impl QuickTest {
    fn new(placed: &Placed, code: &Code) -> QuickTest {
        let Code::Compare(compare) = code else {
            return QuickTest::Other;
        };
        let Compare { left, comparison, right } = &**compare;
        let path = |read: &Read| match read.is_id {
            true => None,
            false => placed.paths.get(read.path).copied(),
        };
        let sides = (&*left.reads, &*left.constants, &*right.reads, &*right.constants);
        let quick = match sides {
            ([left], [], [right], []) => path(left)
                .zip(path(right))
                .map(|(left, right)| QuickTest::Join { left, comparison: *comparison, right }),
            ([left], [], [], [constant]) => path(left).map(|path| {
                let constant = constant.clone();
                QuickTest::Constant { path, comparison: *comparison, constant }
            }),
            _ => None,
        };
        quick.unwrap_or(QuickTest::Other)
    }
}

/// Where cards are filed; in the order in which probes are made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Drawer {
    Anonymous(bool),
    WithoutId,
    Id,
    /// Short paths first: they are read sooner.
    Value {
        is_scoped: bool,
        length: u32,
        looked: Looked,
    },
    /// By what the test costs.
    Test {
        cost: u32,
    },
    Rest,
}

/// One entry with what it is filed under.
struct Card<'c> {
    drawer: Drawer,
    hash: u64,
    value: &'c KeyValue,
    cost: u32,
    entry: Entry,
    placed: &'c Placed,
}

/// A rule that can hold for a resource of the kind.
struct Candidate<'r> {
    index: u32,
    placed: &'r Placed,
    of_condition: OfCondition<'r>,
    /// Keys for what the filter names one by one, unless it names the whole kind.
    of_filter: Option<Guard>,
    /// A test to share with others, if there are no keys.
    test: Option<Key>,
}

enum OfCondition<'r> {
    Whole(&'r [Guard]),
    /// For this kind only.
    Own(Vec<Guard>),
}

impl<'r> Candidate<'r> {
    /// None if its condition never holds.
    fn new(index: u32, placed: &'r Placed, kind: Option<ResourceKind>) -> Option<Candidate<'r>> {
        let compiled = placed.rule.condition.compiled();
        let of_condition = match kind {
            Some(_) if compiled.reads_kind => OfCondition::Own(compiled.guards_for(kind)),
            _ => OfCondition::Whole(&compiled.guards),
        };
        let of_filter = kind.and_then(|kind| of_filter(&placed.rule, kind));
        let mut candidate = Candidate { index, placed, of_condition, of_filter, test: None };
        let can_hold = candidate.guards().all(|guard| !guard.keys.is_empty());
        if candidate.guards().next().is_none() {
            candidate.test = compiled.test().map(|code| test_key(placed, code));
        }
        can_hold.then_some(candidate)
    }

    fn guards(&self) -> impl Iterator<Item = &Guard> {
        let of_condition = match &self.of_condition {
            OfCondition::Whole(guards) => guards,
            OfCondition::Own(guards) => guards.as_slice(),
        };
        self.of_filter.iter().chain(of_condition)
    }

    fn drawer(&self, key: &Key, paths: &Paths) -> Drawer {
        match key.place {
            Place::Anonymous(is_anonymous) => Drawer::Anonymous(is_anonymous),
            Place::Id => match key.value {
                KeyValue::Id(_) => Drawer::Id,
                _ => Drawer::WithoutId,
            },
            Place::Read(read) => {
                let path = self.placed.paths.get(read.path).copied().unwrap_or(PathId::RESOURCE);
                let node = paths.node(path);
                Drawer::Value {
                    is_scoped: !node.is_some_and(|node| node.is_fixed()),
                    length: node.map_or(0, |node| node.length),
                    looked: Looked { path, is_id: read.is_id, beginning: beginning(&key.value) },
                }
            }
        }
    }

    /// Files it under the guard that the fewest others share.
    fn file<'c>(
        &'c self,
        paths: &Paths,
        common: &HashMap<(Drawer, u64), u32>,
        cards: &mut Vec<Card<'c>>,
    ) {
        let rule = &self.placed.rule;
        let compiled = rule.condition.compiled();
        let crowd = |guard: &Guard| {
            let of_key = |key: &Key| {
                let crowd = common.get(&(self.drawer(key, paths), key.hash)).copied();
                crowd.unwrap_or(0)
            };
            guard.keys.iter().map(of_key).max().unwrap_or(0)
        };
        let best = self.guards().min_by_key(|guard| (crowd(guard), guard.keys.len()));
        let is_of_filter =
            |guard| self.of_filter.as_ref().is_some_and(|of| std::ptr::eq(of, guard));
        // Keys for things without an id stand for several names.
        let names_all =
            |guard: &Guard| guard.keys.iter().all(|key| matches!(key.value, KeyValue::Id(_)));
        let whole = rule.filter.whole_kinds();
        let needs_filter = match (best, &self.of_filter) {
            (Some(guard), Some(_)) => !is_of_filter(guard) || !names_all(guard),
            (None, Some(_)) => true,
            // The bucket that kinds share has rules that leave out some.
            (_, None) => whole != KindSet::ALL && buckets(rule.filter.kinds()).is_none(),
        };
        let proven = match best {
            Some(guard) if !is_of_filter(guard) => guard.proves,
            None => match compiled.code {
                Code::Constant(true) => Proof::Everything,
                Code::All(_) if self.test.is_some() => Proof::Part(0),
                _ if self.test.is_some() => Proof::Everything,
                _ => Proof::Nothing,
            },
            Some(_) => Proof::Nothing,
        };
        let entry = Entry {
            rule: self.index,
            concern: Concern::of(rule),
            proven,
            needs_filter,
            asks_rules: compiled.asks_rules,
        };
        let mut add = |drawer, key: &'c Key| {
            let (hash, value, cost) = (key.hash, &key.value, compiled.cost);
            cards.push(Card { drawer, hash, value, cost, entry, placed: self.placed });
        };
        match (best, &self.test) {
            (Some(guard), _) => {
                guard.keys.iter().for_each(|key| add(self.drawer(key, paths), key));
            }
            (None, Some(test)) => {
                let cost = compiled.test().map_or(0, |code| code.cost(&compiled.paths));
                add(Drawer::Test { cost }, test);
            }
            (None, None) => add(Drawer::Rest, &NO_KEY),
        }
    }
}

const NO_KEY: Key = Key { place: Place::Id, hash: 0, value: KeyValue::Any };

fn test_key(placed: &Placed, code: &Code) -> Key {
    let mut text = String::new();
    let path = |path: usize| placed.paths.get(path).copied().unwrap_or(PathId::RESOURCE);
    Writer { path, out: &mut text }.code(code);
    Key { place: Place::Id, hash: exact_hash(&text), value: KeyValue::Test(text.into()) }
}

fn exact_hash(text: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::new().hash_one(text)
}

fn beginning(value: &KeyValue) -> u32 {
    match value {
        KeyValue::Beginning(text) => u32::try_from(text.chars().count()).unwrap_or(u32::MAX),
        _ => 0,
    }
}

/// The resources of the kind that the filter names; none if it names the whole kind.
fn of_filter(rule: &Rule, kind: ResourceKind) -> Option<Guard> {
    if rule.filter.whole_kinds().contains(kind) {
        return None;
    }
    let mut keys: Vec<Key> = rule
        .filter
        .ids(kind)
        .map(|id| Key { place: Place::Id, hash: id_hash(id), value: KeyValue::Id(id) })
        .collect();
    if rule.filter.names_without_id(kind) {
        keys.push(Key { place: Place::Id, hash: 0, value: KeyValue::Any });
    }
    Some(Guard { keys: keys.into(), proves: Proof::Nothing })
}
