//! Which requesters can the rules not tell apart?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hashbrown::{HashMap, HashSet};

use crate::digest::{self, Digest};
use crate::meaning::{Atom, Meaning, PathId, Terms};
use crate::program::{Root, Step};
use crate::requester::{Mixed, RequesterIndex, Use, for_each_test, mixed, path_of, read_requester};
use crate::syntax::Comparison;
use crate::text::fold_into;
use crate::{
    Action, Actions, Entity, Fact, Facts, KindSet, RequestContext, ResourceKind, RuleSet, property,
};

/// Which attributes of a requester the rules read.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    attributes: Vec<Box<str>>,
}

impl Footprint {
    /// The attributes as [`Facts::read`] calls them, such as `roles`, `@dept` or `environment.ip`;
    /// `isanonymous`; `identity` when rules ask who the requester is, mostly as an owner.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|name| &**name)
    }
}

/// Requesters that the rules cannot tell apart: they get the same answer for every thing and
/// action, from the same rules. Reasons may differ in the values that they show.
///
/// It holds what tells them from others: the truth of conditions on the requester alone, and
/// attributes only where rules compare them with a resource's. Audiences are of one set of rules,
/// and those of different sets say nothing of each other, unless the rules on the kinds that they
/// were asked for are the same: then equal ones get the same answers by both.
///
/// Things that do not exist yet are no part of this: whoever creates a thing owns it, and so may
/// differ from the others.
#[derive(Clone)]
pub struct Audience(Arc<Known>);

struct Known {
    context: RequestContext,
    /// The kinds that it was asked for.
    kinds: KindSet,
    /// Parts of conditions that are other than for a requester without any attribute, sorted.
    parts: Box<[Digest]>,
    /// Values that are compared with the resource's, sorted; paths without any are left out.
    values: Box<[(Digest, Box<[Value]>)]>,
    hash: u64,
}

/// One value of an attribute.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Value {
    Text(Arc<str>),
    Entity(u32, Option<uuid::Uuid>, Option<Box<str>>),
}

impl Audience {
    /// Bytes that it takes in memory.
    #[must_use]
    pub fn size(&self) -> usize {
        let known = &self.0;
        let value = |value: &Value| match value {
            Value::Text(text) => text.len() + 2 * size_of::<usize>(),
            Value::Entity(_, _, name) => name.as_ref().map_or(0, |name| name.len()),
        };
        let values = known.values.iter().map(|(_, values)| {
            size_of_val::<[Value]>(values) + values.iter().map(value).sum::<usize>()
        });
        size_of::<Known>()
            + 2 * size_of::<usize>()
            + size_of_val::<[Digest]>(&known.parts)
            + size_of_val(&*known.values)
            + values.sum::<usize>()
    }

    /// A number that differs between audiences, but for rare chance.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.0.hash
    }
}

impl PartialEq for Audience {
    fn eq(&self, other: &Audience) -> bool {
        let (one, other) = (&self.0, &other.0);
        Arc::ptr_eq(one, other)
            || one.hash == other.hash
                && one.context == other.context
                && one.kinds == other.kinds
                && one.parts == other.parts
                && one.values == other.values
    }
}

impl Eq for Audience {}

impl Hash for Audience {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audience({:016x})", self.0.hash)
    }
}

/// What evaluation over sets of things and requesters derives from a set of rules.
#[derive(Debug)]
pub(crate) struct Sets {
    pub(crate) meaning: Arc<Meaning>,
    pub(crate) requester: RequesterIndex,
    footprint: Footprint,
    compared: Vec<Compared>,
    reach: OnceLock<Vec<KindSet>>,
}

/// A path of the requester that some rule compares with the resource.
#[derive(Debug)]
struct Compared {
    path: PathId,
    digest: Digest,
    used: Use,
    /// Whether texts are told apart by more than `=` does.
    is_exact: bool,
    /// Whether only those who own something can pass the comparison.
    is_for_owners: bool,
}

/// [`Sets`] of rules that may never be asked for.
#[derive(Debug, Default)]
pub(crate) struct LazySets {
    sets: OnceLock<Arc<Sets>>,
    /// Those of the rules before the latest change.
    previous: Mutex<Option<Arc<Sets>>>,
}

impl LazySets {
    pub(crate) fn get(&self, rules: &RuleSet) -> &Arc<Sets> {
        self.sets.get_or_init(|| {
            let previous = self.previous().take();
            Arc::new(match previous {
                Some(previous) => Sets::of(previous.meaning.next(rules)),
                None => Sets::of(Meaning::new(rules)),
            })
        })
    }

    /// What the rules have after a change.
    pub(crate) fn next(&self) -> LazySets {
        let known = self.sets.get().cloned().or_else(|| self.previous().clone());
        LazySets { sets: OnceLock::new(), previous: Mutex::new(known) }
    }

    fn previous(&self) -> MutexGuard<'_, Option<Arc<Sets>>> {
        self.previous.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sets {
    fn of(meaning: Meaning) -> Sets {
        Sets {
            requester: RequesterIndex::new(&meaning),
            footprint: footprint(&meaning),
            compared: compared(&meaning),
            reach: OnceLock::new(),
            meaning: Arc::new(meaning),
        }
    }

    fn reach(&self) -> &[KindSet] {
        self.reach.get_or_init(|| reaches(&self.meaning))
    }
}

fn footprint(meaning: &Meaning) -> Footprint {
    let terms = &meaning.terms;
    let mut attributes = BTreeSet::new();
    let mut visit = |path: PathId| attributes.extend(attribute(terms, path).map(Box::from));
    let mut asks_anonymous = false;
    for rule in &meaning.rules {
        for_each_test(terms, rule.condition, &mut |test| match terms
            .test(test)
            .map(|meaning| &meaning.atom)
        {
            Some(Atom::IsAnonymous) => asks_anonymous = true,
            Some(&Atom::Paths { left, right, .. }) => {
                visit(left);
                visit(right);
            }
            Some(atom) => {
                if let Some(path) = path_of(atom) {
                    visit(path);
                }
            }
            None => {}
        });
    }
    attributes.extend(asks_anonymous.then(|| Box::from("isanonymous")));
    Footprint { attributes: attributes.into_iter().collect() }
}

/// The attribute of the requester that a path reads, if it does.
pub(crate) fn attribute(terms: &Terms, path: PathId) -> Option<&str> {
    if terms.root(path) != Root::User {
        return None;
    }
    match terms.steps(path).first() {
        None | Some(Step::Id) => Some("identity"),
        Some(Step::Kind | Step::RequestContext) => None,
        Some(Step::Read(name)) => Some(name),
    }
}

fn compared(meaning: &Meaning) -> Vec<Compared> {
    let terms = &meaning.terms;
    let mut compared: BTreeMap<PathId, Compared> = BTreeMap::new();
    for rule in &meaning.rules {
        for_each_test(terms, rule.condition, &mut |test| {
            let Some(Mixed { requester, comparison, resource, .. }) = mixed(terms, test) else {
                return;
            };
            let of_path = compared.entry(requester).or_insert_with(|| Compared {
                path: requester,
                digest: digest::path(terms, requester),
                used: Use::default(),
                is_exact: false,
                is_for_owners: true,
            });
            of_path.used.add(rule);
            of_path.is_exact |= !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
            of_path.is_for_owners &= asks_owner(terms, requester, comparison, resource);
        });
    }
    compared.into_values().collect()
}

/// Whether a comparison asks if the requester owns something: `resource.owner = user`, also by id.
fn asks_owner(terms: &Terms, requester: PathId, comparison: Comparison, resource: PathId) -> bool {
    let is_owner = |step: &Step| step.name() == "owner";
    let (own, its) = (terms.steps(requester), terms.steps(resource));
    matches!(comparison, Comparison::Equal | Comparison::ExactlyEqual)
        && match (own.as_slice(), its.as_slice()) {
            ([], [.., owner]) => is_owner(owner),
            ([Step::Id], [.., owner, Step::Id]) => is_owner(owner),
            _ => false,
        }
        && terms.root(requester) == Root::User
}

/// For each kind the kinds that a decision about it can read.
fn reaches(meaning: &Meaning) -> Vec<KindSet> {
    // Many rules read the same, so what they read is followed once.
    let mut uses: HashMap<(PathId, Option<Action>), HashMap<KindSet, Actions>> = HashMap::new();
    for rule in &meaning.rules {
        for_each_test(&meaning.terms, rule.condition, &mut |test| {
            let (paths, asked) = match meaning.terms.test(test).map(|meaning| &meaning.atom) {
                Some(&Atom::Paths { left, right, .. }) => ([Some(left), Some(right)], None),
                Some(&Atom::HasPrivilege { path, action }) => ([Some(path), None], Some(action)),
                Some(atom) => ([path_of(atom), None], None),
                None => return,
            };
            for path in paths.into_iter().flatten() {
                if meaning.terms.root(path) == Root::Resource {
                    let by_kinds = uses.entry((path, asked)).or_default();
                    *by_kinds.entry(rule.filter.kinds()).or_default() |= rule.actions;
                }
            }
        });
    }
    let mut leads: HashMap<(ResourceKind, Action), Leads> = HashMap::new();
    for (&(path, asked), by_kinds) in &uses {
        let steps = meaning.terms.steps(path);
        for (kinds, actions) in by_kinds {
            for kind in kinds.iter() {
                let ends = |length: usize| {
                    property::follow(kind, steps.iter().take(length).map(|step| step.name()))
                };
                // The thing at the end is only named, not read, unless rules are asked.
                let read = (0..steps.len()).map(ends).fold(KindSet::NONE, KindSet::union);
                let asked = asked.map(|action| (ends(steps.len()), action));
                for action in actions.iter() {
                    let leads = leads.entry((kind, action)).or_default();
                    leads.read = leads.read.union(read);
                    leads.asked.extend(asked);
                }
            }
        }
    }
    let of_kind = |kind: ResourceKind| {
        let mut reached = KindSet::only(kind);
        let mut open: Vec<(ResourceKind, Action)> =
            Action::ALL.into_iter().map(|action| (kind, action)).collect();
        let mut seen: HashSet<(ResourceKind, Action)> = open.iter().copied().collect();
        while let Some(leads) = open.pop().map(|question| leads.get(&question)) {
            let Some(leads) = leads else {
                continue;
            };
            reached = reached.union(leads.read);
            for &(kinds, action) in &leads.asked {
                reached = reached.union(kinds);
                open.extend(
                    kinds.iter().map(|kind| (kind, action)).filter(|&asked| seen.insert(asked)),
                );
            }
        }
        reached
    };
    ResourceKind::ALL.iter().map(|&kind| of_kind(kind)).collect()
}

/// What the rules on a kind and an action read.
#[derive(Default)]
struct Leads {
    read: KindSet,
    /// What they ask, of things of which kinds.
    asked: HashSet<(KindSet, Action)>,
}

impl RuleSet {
    /// Which attributes of a requester these rules read.
    #[must_use]
    pub fn footprint(&self) -> &Footprint {
        &self.sets().footprint
    }

    /// The audience that the requester belongs to.
    #[must_use]
    pub fn audience(&self, facts: &dyn Facts, context: RequestContext) -> Audience {
        self.audience_of(facts, context, KindSet::ALL)
    }

    /// The audience that the requester belongs to where only rules on these kinds are asked: for
    /// things of one kind, those of its [`RuleSet::reach`]. After a change of other rules the
    /// requester's audience is still the same.
    #[must_use]
    pub fn audience_of(
        &self,
        facts: &dyn Facts,
        context: RequestContext,
        kinds: KindSet,
    ) -> Audience {
        let sets = &**self.sets();
        let terms = &sets.meaning.terms;
        let truths = sets.requester.truths(terms, facts, context, kinds, &|_| false);
        let parts = sets.requester.changed(terms, &truths, context, kinds);
        let (mut read, mut folded) = (Vec::new(), String::new());
        let mut values = Vec::new();
        let mut owns = None;
        for compared in sets.compared.iter().filter(|path| path.used.matters(context, kinds)) {
            if compared.is_for_owners
                && !*owns.get_or_insert_with(|| facts.requester_owns_anything())
            {
                continue;
            }
            read.clear();
            read_requester(terms, compared.path, facts, context, &mut read);
            let mut known: Vec<Value> =
                read.drain(..).map(|fact| known(fact, compared.is_exact, &mut folded)).collect();
            known.sort();
            known.dedup();
            if !known.is_empty() {
                values.push((compared.digest, known.into_boxed_slice()));
            }
        }
        values.sort();
        let mut hasher = DefaultHasher::new();
        (context, kinds, &parts, &values).hash(&mut hasher);
        Audience(Arc::new(Known {
            context,
            kinds,
            parts: parts.into(),
            values: values.into(),
            hash: hasher.finish(),
        }))
    }

    /// The kinds whose properties a decision about `kind` can read: itself, what paths lead to,
    /// and what `HasPrivilege` asks about.
    #[must_use]
    pub fn reach(&self, kind: ResourceKind) -> KindSet {
        self.sets().reach().get(kind as usize).copied().unwrap_or(KindSet::ALL)
    }
}

fn known(fact: Fact, is_exact: bool, folded: &mut String) -> Value {
    match fact {
        Fact::Text(text) if is_exact => Value::Text(text),
        Fact::Text(text) => {
            fold_into(&text, folded);
            Value::Text(if *folded == *text { text } else { folded.as_str().into() })
        }
        Fact::Entity(Entity { kind, id, name }) => {
            Value::Entity(kind as u32, id, name.map(|name| Box::from(&*name)))
        }
    }
}
