//! Files rules: each under the guard that it shares with the fewest others.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use hashbrown::HashTable;

use super::{
    Concern, Entry, Filed, Half, Keys, Looked, Placed, Probe, QuickTest, SharedTest, Span, buckets,
};
use crate::compiled::{Code, Guard, Key, KeyValue, Place, Proof, Writer, id_hash};
use crate::paths::{PathId, Paths};
use crate::text::equal;
use crate::{KindSet, ResourceKind, Rule};

/// Files the rules of one effect, for resources of one kind if one is given.
pub(super) fn file(
    kind: Option<ResourceKind>,
    paths: &Paths,
    mut rules: Vec<(u32, &Placed)>,
) -> Half {
    // Cheap ones come first wherever they are filed.
    rules.sort_by_cached_key(|(index, placed)| (placed.rule.condition.compiled().cost, *index));
    let candidates: Vec<Candidate<'_>> =
        rules.iter().filter_map(|(index, placed)| Candidate::new(*index, placed, kind)).collect();
    let mut groups = Groups::default();
    // The groups of all keys, candidate by candidate and guard by guard.
    let mut places = Vec::with_capacity(candidates.len());
    for candidate in &candidates {
        for key in candidate.guards().flat_map(|guard| &*guard.keys) {
            let place = groups.find(candidate.drawer(key, paths), key, candidate);
            if let Some(group) = groups.all.get_mut(place) {
                group.crowd += 1;
            }
            places.push(place);
        }
    }
    let mut cards = Vec::with_capacity(candidates.len());
    let mut rest = places.as_slice();
    for candidate in &candidates {
        let mut best: Option<Choice<'_>> = None;
        for guard in candidate.guards() {
            let (of_guard, after) = rest.split_at_checked(guard.keys.len()).unwrap_or_default();
            rest = after;
            let crowds = of_guard.iter().map(|&place| groups.all.get(place).map_or(0, |g| g.crowd));
            let choice = Choice { crowd: crowds.max().unwrap_or(0), guard, places: of_guard };
            let is_better = |best: &Choice<'_>| {
                (choice.crowd, choice.places.len()) < (best.crowd, best.places.len())
            };
            if best.as_ref().is_none_or(is_better) {
                best = Some(choice);
            }
        }
        let entry = candidate.entry(best.as_ref().map(|choice| choice.guard));
        match best {
            Some(choice) => cards.extend(choice.places.iter().map(|&place| (place, entry))),
            None => {
                let (drawer, key) = candidate.without_guard();
                cards.push((groups.find(drawer, key, candidate), entry));
            }
        }
    }
    arrange(groups.all, &cards)
}

struct Choice<'c> {
    /// How many rules share the commonest of the keys.
    crowd: u32,
    guard: &'c Guard,
    places: &'c [usize],
}

/// Lays the entries out group by group; each comes with the place of its group.
fn arrange(mut groups: Vec<Group<'_>>, cards: &[(usize, Entry)]) -> Half {
    let mut half = Half::default();
    let Some((_, any)) = cards.first() else {
        return half;
    };
    for (place, entry) in cards {
        if let Some(group) = groups.get_mut(*place) {
            group.filed += 1;
            group.concern.add(entry.concern);
        }
    }
    let mut start = 0;
    for group in &mut groups {
        group.span = Span { start, end: start };
        start += group.filed;
    }
    let mut entries = vec![*any; cards.len()];
    for (place, entry) in cards {
        if let Some(group) = groups.get_mut(*place)
            && let Some(free) = entries.get_mut(group.span.end as usize)
        {
            *free = *entry;
            group.span.end += 1;
        }
    }
    groups.retain(|group| group.filed > 0);
    groups.sort_by_key(|group| group.drawer);
    let (mut fixed, mut scoped, mut tests) = (Vec::new(), Vec::new(), Vec::new());
    for drawer in groups.chunk_by(|one, other| one.drawer == other.drawer) {
        let Some(first) = drawer.first() else { continue };
        let mut concern = Concern::default();
        drawer.iter().for_each(|group| concern.add(group.concern));
        half.concern.add(concern);
        match first.drawer {
            Drawer::Anonymous(true) => half.anonymous = first.span,
            Drawer::Anonymous(false) => half.signed_in = first.span,
            Drawer::WithoutId => half.without_id = first.span,
            Drawer::Rest => half.rest = first.span,
            Drawer::Id => half.ids = table(drawer),
            Drawer::Value { is_scoped, looked, .. } => {
                let probes = if is_scoped { &mut scoped } else { &mut fixed };
                probes.push(Probe { looked, concern, keys: table(drawer) });
            }
            Drawer::Test { .. } => tests.extend(drawer.iter().filter_map(Group::test)),
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

fn table(drawer: &[Group<'_>]) -> Keys {
    let mut table = HashTable::with_capacity(drawer.len());
    for group in drawer {
        let filed = Filed { hash: group.hash, value: group.value.clone(), span: group.span };
        table.insert_unique(filed.hash, filed, |filed| filed.hash);
    }
    table
}

/// Where rules are filed; in the order in which decisions look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// The rules of one key.
struct Group<'c> {
    drawer: Drawer,
    hash: u64,
    value: &'c KeyValue,
    /// One of the rules.
    candidate: &'c Candidate<'c>,
    /// How many could be filed here, and how many are.
    crowd: u32,
    filed: u32,
    concern: Concern,
    span: Span,
}

impl Group<'_> {
    fn test(&self) -> Option<SharedTest> {
        let (rule, placed) = (self.candidate.index, self.candidate.placed);
        let test = QuickTest::new(placed, placed.rule.condition.compiled().test()?);
        Some(SharedTest { concern: self.concern, test, rule, span: self.span })
    }
}

#[derive(Default)]
struct Groups<'c> {
    all: Vec<Group<'c>>,
    by_key: HashTable<usize>,
}

impl<'c> Groups<'c> {
    /// The place of the group with this key; a new one if there is none.
    fn find(&mut self, drawer: Drawer, key: &'c Key, candidate: &'c Candidate<'c>) -> usize {
        let Groups { all, by_key } = self;
        let is_it = |place: &usize| {
            all.get(*place).is_some_and(|group| {
                group.hash == key.hash && group.drawer == drawer && is_same(group.value, &key.value)
            })
        };
        let hash = drawer.mix(key.hash);
        if let Some(place) = by_key.find(hash, is_it) {
            return *place;
        }
        let place = all.len();
        all.push(Group {
            drawer,
            hash: key.hash,
            value: &key.value,
            candidate,
            crowd: 0,
            filed: 0,
            concern: Concern::default(),
            span: Span::default(),
        });
        by_key.insert_unique(hash, place, |place| {
            all.get(*place).map_or(0, |group| group.drawer.mix(group.hash))
        });
        place
    }
}

impl Drawer {
    /// A hash of the drawer and of what is in it.
    fn mix(self, hash: u64) -> u64 {
        let number = match self {
            Drawer::Anonymous(is_anonymous) => u64::from(is_anonymous),
            Drawer::WithoutId => 2,
            Drawer::Id => 3,
            Drawer::Rest => 4,
            Drawer::Test { .. } => 5,
            Drawer::Value { looked, .. } => {
                let Looked { path, is_id, beginning } = looked;
                6 + (path.index() as u64) * 2 + u64::from(is_id) + (u64::from(beginning) << 32)
            }
        };
        hash ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn is_same(one: &KeyValue, other: &KeyValue) -> bool {
    match (one, other) {
        (KeyValue::Any, KeyValue::Any) => true,
        (KeyValue::Text(one), KeyValue::Text(other)) => equal(one, other),
        (KeyValue::Beginning(one), KeyValue::Beginning(other)) => one == other,
        (KeyValue::Test(one), KeyValue::Test(other)) => one == other,
        (KeyValue::Id(one), KeyValue::Id(other)) => one == other,
        _ => false,
    }
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
                let beginning = match &key.value {
                    KeyValue::Beginning(text) => text.chars().count(),
                    _ => 0,
                };
                let beginning = u32::try_from(beginning).unwrap_or(u32::MAX);
                Drawer::Value {
                    is_scoped: !node.is_some_and(|node| node.is_fixed()),
                    length: node.map_or(0, |node| node.length),
                    looked: Looked { path, is_id: read.is_id, beginning },
                }
            }
        }
    }

    fn without_guard(&self) -> (Drawer, &Key) {
        const NO_KEY: &Key = &Key { place: Place::Id, hash: 0, value: KeyValue::Any };
        let compiled = self.placed.rule.condition.compiled();
        match (&self.test, compiled.test()) {
            (Some(key), Some(code)) => (Drawer::Test { cost: code.cost(&compiled.paths) }, key),
            _ => (Drawer::Rest, NO_KEY),
        }
    }

    /// The entry under a guard, or under the shared test, or under nothing.
    fn entry(&self, guard: Option<&Guard>) -> Entry {
        let rule = &self.placed.rule;
        let compiled = rule.condition.compiled();
        let of_filter = guard.filter(|guard| {
            self.of_filter.as_ref().is_some_and(|of_filter| std::ptr::eq(of_filter, *guard))
        });
        let needs_filter = match (&self.of_filter, of_filter) {
            // Keys for things without an id stand for several names.
            (Some(_), Some(guard)) => {
                !guard.keys.iter().all(|key| matches!(key.value, KeyValue::Id(_)))
            }
            (Some(_), None) => true,
            // The bucket that kinds share has rules that leave out some.
            (None, _) => {
                rule.filter.whole_kinds() != KindSet::ALL && buckets(rule.filter.kinds()).is_none()
            }
        };
        let proven = match (guard, &compiled.code) {
            (Some(_), _) if of_filter.is_some() => Proof::Nothing,
            (Some(guard), _) => guard.proves,
            (None, Code::Constant(true)) => Proof::Everything,
            (None, _) if self.test.is_none() => Proof::Nothing,
            // The test is the first part.
            (None, Code::All(_)) => Proof::Part(0),
            (None, _) => Proof::Everything,
        };
        let concern = Concern::of(rule);
        let asks_rules = compiled.asks_rules;
        Entry { rule: self.index, concern, proven, needs_filter, asks_rules }
    }
}

fn test_key(placed: &Placed, code: &Code) -> Key {
    let mut text = String::new();
    let path = |path: usize| placed.paths.get(path).copied().unwrap_or(PathId::RESOURCE);
    Writer { path, out: &mut text }.code(code);
    let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(&text);
    Key { place: Place::Id, hash, value: KeyValue::Test(text.into()) }
}

/// The resources of the kind that the filter names; none if it names the whole kind.
fn of_filter(rule: &Rule, kind: ResourceKind) -> Option<Guard> {
    if rule.filter.whole_kinds().contains(kind) {
        return None;
    }
    let of_id = |id| Key { place: Place::Id, hash: id_hash(id), value: KeyValue::Id(id) };
    let mut keys: Vec<Key> = rule.filter.ids(kind).map(of_id).collect();
    if rule.filter.names_without_id(kind) {
        keys.push(Key { place: Place::Id, hash: 0, value: KeyValue::Any });
    }
    Some(Guard { keys: keys.into(), proves: Proof::Nothing })
}
