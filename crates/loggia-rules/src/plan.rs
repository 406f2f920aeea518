//! What can be said of the rules on a kind before a thing of it is known, and which of the rest can
//! hold for a thing.

use std::collections::BTreeMap;
use std::rc::Rc;

use hashbrown::HashMap;
use uuid::Uuid;

use crate::meaning::{Atom, Meaning, Part, PartId, PathId, Reads, Symbol, Terms, TestId};
use crate::prefix::{Prefixes, prefixes};
use crate::requester::mixed;
use crate::solver::{Algebra, Solver, constant};
use crate::{Action, Actions, Effect, ResourceKind};

/// The rules of one effect on some actions on a kind of thing, as far as they are known before the
/// thing is.
pub(crate) struct Plan<V> {
    /// For each action what the rules on every thing of the kind come to, that read nothing of it.
    pub(crate) always: Vec<(Action, V)>,
    /// The rules that went into that.
    pub(crate) settled: Vec<(Actions, u32, V)>,
    /// The others.
    pub(crate) rules: Vec<PlannedRule<V>>,
    /// The rules that may hold for any thing.
    pub(crate) anywhere: Vec<u32>,
    pub(crate) by_id: HashMap<Uuid, Vec<u32>>,
    /// Rules that hold only for things with some value at the end of a path.
    pub(crate) by_value: Vec<(PathId, ByValue)>,
}

/// Rules by values of one path.
#[derive(Default)]
pub(crate) struct ByValue {
    pub(crate) by_symbol: HashMap<Symbol, Vec<u32>>,
    pub(crate) by_prefix: Prefixes<u32>,
}

pub(crate) struct PlannedRule<V> {
    pub(crate) actions: Actions,
    /// The place among the rules.
    pub(crate) rule: u32,
    /// Whether the filter names every thing of the kind.
    pub(crate) is_whole: bool,
    pub(crate) condition: Known<V>,
}

/// A part as far as it is known before the thing is.
#[derive(Clone, Copy)]
pub(crate) enum Known<V> {
    Value(V),
    Open(PartId),
}

impl<V: Copy + PartialEq> Plan<V> {
    /// What the rules come to for every thing of the kind; `no` if the plan is not on the action.
    pub(crate) fn always_or(&self, action: Action, no: V) -> V {
        self.always.iter().find(|(of, _)| *of == action).map_or(no, |&(_, value)| value)
    }

    /// Whether no rule is left but those that always hold.
    pub(crate) fn is_settled(&self) -> bool {
        self.rules.is_empty()
    }
}

impl<A: Algebra> Solver<'_, A> {
    /// What is known of the rules before a thing is.
    pub(crate) fn plan(
        &mut self,
        meaning: &Meaning,
        kind: ResourceKind,
        actions: Actions,
        effect: Effect,
    ) -> Rc<Plan<A::Value>> {
        if let Some(plan) = self.plans.get(&(kind, actions, effect)) {
            return Rc::clone(plan);
        }
        let plan = Rc::new(self.new_plan(meaning, kind, actions, effect));
        self.plans.insert((kind, actions, effect), Rc::clone(&plan));
        plan
    }

    fn new_plan(
        &mut self,
        meaning: &Meaning,
        kind: ResourceKind,
        actions: Actions,
        effect: Effect,
    ) -> Plan<A::Value> {
        let mut always: Vec<(Action, Vec<A::Value>)> =
            actions.iter().map(|action| (action, Vec::new())).collect();
        let (mut settled, mut rules) = (Vec::new(), Vec::new());
        for (place, rule) in meaning.rules_on(kind) {
            let is_meant = rule.effect == effect
                && rule.actions.intersects(actions)
                && rule.context.covers(self.context);
            if !is_meant {
                continue;
            }
            let is_whole = rule.filter.whole_kinds().contains(kind);
            match self.known(&meaning.terms, rule.condition, kind) {
                Known::Value(value) if value == A::FALSE => {}
                Known::Value(value) if is_whole => {
                    settled.push((rule.actions, place, value));
                    for (action, values) in &mut always {
                        if rule.actions.contains(*action) {
                            values.push(value);
                        }
                    }
                }
                condition => {
                    let actions = rule.actions;
                    rules.push(PlannedRule { actions, rule: place, is_whole, condition });
                }
            }
        }
        let always = always
            .into_iter()
            .map(|(action, values)| match values.contains(&A::TRUE) {
                true => (action, A::TRUE),
                false => (action, self.combine(values, false)),
            })
            .collect();
        let mut plan = Plan {
            always,
            settled,
            rules,
            anywhere: Vec::new(),
            by_id: HashMap::new(),
            by_value: Vec::new(),
        };
        plan.index(meaning, kind);
        plan
    }

    /// What a part comes to for every thing of the kind, if that can be said.
    fn known(&mut self, terms: &Terms, part: PartId, kind: ResourceKind) -> Known<A::Value> {
        let Some(meaning) = terms.part_meaning(part) else {
            return Known::Value(A::FALSE);
        };
        if meaning.is_fixed {
            return Known::Value(self.fixed(terms, part));
        }
        let (parts, is_all) = match &meaning.part {
            Part::All(parts) => (parts, true),
            Part::Any(parts) => (parts, false),
            Part::Constant(value) => return Known::Value(constant::<A>(*value)),
            &(Part::Test(test) | Part::Not(test)) => {
                let wanted = matches!(meaning.part, Part::Test(_));
                return match self.known_test(terms, test, kind) {
                    Some(value) => Known::Value(constant::<A>(value == wanted)),
                    None => Known::Open(part),
                };
            }
        };
        let (ending, neutral) = (constant::<A>(!is_all), constant::<A>(is_all));
        let mut is_open = false;
        let mut values = Vec::new();
        for &part in parts {
            match self.known(terms, part, kind) {
                Known::Value(value) if value == ending => return Known::Value(ending),
                Known::Value(value) if value == neutral => {}
                Known::Value(value) => values.push(value),
                Known::Open(_) => is_open = true,
            }
        }
        if is_open { Known::Open(part) } else { Known::Value(self.combine(values, is_all)) }
    }

    fn known_test(&mut self, terms: &Terms, test: TestId, kind: ResourceKind) -> Option<bool> {
        if let Some(Atom::Kind(kinds)) = terms.test(test).map(|meaning| &meaning.atom) {
            return Some(kinds.contains(kind));
        }
        let mixed = mixed(terms, test)?;
        self.algebra.mixed_fails(terms, mixed).then_some(false)
    }
}

/// A value that the thing must have at the end of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Text(PathId, Symbol),
    /// A text that begins so.
    Prefix(PathId, String),
}

impl Key {
    fn path(&self) -> PathId {
        match *self {
            Key::Text(path, _) | Key::Prefix(path, _) => path,
        }
    }
}

impl Plan<bool> {
    pub(crate) fn always(&self, action: Action) -> bool {
        self.always_or(action, false)
    }
}

impl<V: Copy + PartialEq> Plan<V> {
    /// Lists the rules by what things they can hold for.
    fn index(&mut self, meaning: &Meaning, kind: ResourceKind) {
        let guards: Vec<Option<Vec<Vec<Key>>>> = self
            .rules
            .iter()
            .map(|rule| match rule.condition {
                Known::Open(part) => Some(guards(&meaning.terms, part)),
                Known::Value(_) => None,
            })
            .collect();
        // The more texts a path is compared with, the fewer rules are left for each thing.
        let mut keys: Vec<&Key> = guards.iter().flatten().flatten().flatten().collect();
        keys.sort();
        keys.dedup();
        let mut spread: HashMap<PathId, usize> = HashMap::new();
        for key in keys {
            *spread.entry(key.path()).or_default() += 1;
        }
        let mut by_value: BTreeMap<PathId, ByValue> = BTreeMap::new();
        for (place, (rule, guards)) in self.rules.iter().zip(guards).enumerate() {
            let place = place as u32;
            let filter = meaning.rules.get(rule.rule as usize).map(|rule| &rule.filter);
            let only_ids = filter.filter(|filter| {
                !filter.whole_kinds().contains(kind) && !filter.names_without_id(kind)
            });
            if let Some(filter) = only_ids {
                for id in filter.ids(kind) {
                    let of_id = self.by_id.entry(id).or_default();
                    if of_id.last() != Some(&place) {
                        of_id.push(place);
                    }
                }
                continue;
            }
            let worst = |guard: &Vec<Key>| {
                guard.iter().filter_map(|key| spread.get(&key.path())).copied().min().unwrap_or(0)
            };
            match guards.unwrap_or_default().into_iter().max_by_key(worst) {
                Some(guard) => {
                    for key in guard {
                        let of_path = by_value.entry(key.path()).or_default();
                        match key {
                            Key::Text(_, symbol) => {
                                let rules = of_path.by_symbol.entry(symbol).or_default();
                                if rules.last() != Some(&place) {
                                    rules.push(place);
                                }
                            }
                            Key::Prefix(_, prefix) => of_path.by_prefix.add(&prefix, place),
                        }
                    }
                }
                None => self.anywhere.push(place),
            }
        }
        self.by_value = by_value.into_iter().collect();
    }
}

/// Sets of keys of which each has one that the thing must have for the part to hold.
fn guards(terms: &Terms, part: PartId) -> Vec<Vec<Key>> {
    match terms.part_meaning(part).map(|meaning| &meaning.part) {
        Some(Part::All(parts)) => parts.iter().flat_map(|&part| guards(terms, part)).collect(),
        Some(Part::Any(parts)) => {
            // One guard of each, those on the same path if there are any.
            let mut all = Vec::new();
            for &part in parts {
                let guard = guards(terms, part).into_iter().next();
                let Some(guard) = guard else {
                    return Vec::new();
                };
                all.extend(guard);
            }
            vec![all]
        }
        Some(Part::Test(test)) => match terms.test(*test) {
            Some(meaning) if meaning.reads == Reads::Resource => match &meaning.atom {
                Atom::Equal { path, symbols } => {
                    vec![symbols.iter().map(|&symbol| Key::Text(*path, symbol)).collect()]
                }
                Atom::Like { path, .. } => {
                    let key = |prefix| Key::Prefix(*path, prefix);
                    let prefixes = prefixes(meaning).into_iter();
                    prefixes.map(|prefixes| prefixes.into_iter().map(key).collect()).collect()
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        },
        Some(Part::Constant(_) | Part::Not(_)) | None => Vec::new(),
    }
}
