//! Runs compiled rules for one requester in one context.
//!
//! What is read of the requester is read once, and the rules that are filed under it are found
//! once. What is read of a resource is read once for each question about it.

use std::ops::Range;

use hashbrown::HashMap;
use uuid::Uuid;

use crate::compiled::{Code, Compare, Proof, Read, Side};
use crate::index::{Concern, Entry, Half, Placed, Probe, QuickTest, SharedTest};
use crate::oracle::{Value, pair_holds};
use crate::paths::PathId;
use crate::program::{Root, Step};
use crate::questions::{Asking, Questions};
use crate::rule_set::Arrangement;
use crate::{Action, Actions, Effect, Entity, Fact, Facts, RequestContext, ResourceKind, Subject};

pub(crate) struct Machine<'a> {
    rules: &'a Arrangement,
    facts: &'a dyn Facts,
    context: RequestContext,
    /// By path: what was read.
    slots: Vec<Slot>,
    /// Values that are the same for all resources.
    fixed: Vec<Fact>,
    /// Values of the resources that are asked about, outermost first.
    scoped: Vec<Fact>,
    /// Which question about a resource is being answered. Each has a number of its own, so that
    /// what was read for another one is not taken for its own.
    question: u64,
    latest_question: u64,
    /// The rules that are filed under what the requester is.
    found: Vec<Found<'a>>,
    entries: Vec<&'a [Entry]>,
    /// Rules that ask the rules again, kept until the others had their turn.
    deferred: Vec<Entry>,
    answers: HashMap<(Entity, Action), bool>,
    /// How questions are kept apart where they are entangled.
    questions: Questions,
    is_tracked: bool,
    /// Whether a relation led to a kind of thing that it should not lead to, so that questions may
    /// be entangled although they seemed simple.
    is_surprised: bool,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// The question that it was read for; zero if it was not.
    question: u64,
    start: u32,
    end: u32,
}

/// Question number of what is read once and for all.
const ONCE: u64 = u64::MAX;

struct Found<'a> {
    half: &'a Half,
    /// Among all entries found.
    start: usize,
    end: usize,
}

/// Where the values of a path are.
struct Values {
    is_fixed: bool,
    places: Range<usize>,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(
        rules: &'a Arrangement,
        facts: &'a dyn Facts,
        context: RequestContext,
    ) -> Machine<'a> {
        Machine {
            rules,
            facts,
            context,
            slots: Vec::new(),
            fixed: Vec::new(),
            scoped: Vec::new(),
            question: 0,
            latest_question: 0,
            found: Vec::new(),
            entries: Vec::new(),
            deferred: Vec::new(),
            answers: HashMap::new(),
            questions: Questions::default(),
            is_tracked: false,
            is_surprised: false,
        }
    }

    /// The actions among `wanted` that are allowed.
    pub(crate) fn granted(&mut self, entity: &Entity, wanted: Actions) -> Actions {
        let simple = wanted & self.rules.web().simple(entity.kind);
        let mut granted = Actions::NONE;
        if !simple.is_empty() {
            granted = self.answer(entity, simple);
        }
        let mut open = wanted - simple;
        if std::mem::take(&mut self.is_surprised) {
            (granted, open) = (Actions::NONE, wanted);
        }
        for action in open.iter() {
            granted |=
                self.tracked(entity, action, |machine| machine.answer(entity, action.into()));
        }
        granted
    }

    /// The rules of either effect that hold.
    pub(crate) fn holding(&mut self, entity: &Entity, action: Action) -> [Vec<Uuid>; 2] {
        if self.rules.web().is_simple(entity.kind, action) {
            let holding = self.both_effects(entity, action);
            if !std::mem::take(&mut self.is_surprised) {
                return holding;
            }
        }
        self.tracked(entity, action, |machine| machine.both_effects(entity, action))
    }

    /// Evaluates as the outermost question, keeping track of those within it.
    fn tracked<T>(
        &mut self,
        entity: &Entity,
        action: Action,
        evaluate: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.is_tracked = true;
        self.questions.begin(entity, action);
        let result = evaluate(self);
        self.questions.end();
        self.is_tracked = false;
        result
    }

    fn both_effects(&mut self, entity: &Entity, action: Action) -> [Vec<Uuid>; 2] {
        self.as_question(|machine| {
            [Effect::Allow, Effect::Forbid].map(|effect| {
                let (rules, mut ids) = (machine.rules, Vec::new());
                machine.visit(entity, effect, action.into(), |rule, _| {
                    ids.extend(rules.placed(rule).map(|placed| placed.rule.id));
                    action.into()
                });
                ids.sort();
                ids.dedup();
                ids
            })
        })
    }

    fn answer(&mut self, entity: &Entity, wanted: Actions) -> Actions {
        self.as_question(|machine| {
            let mut allowed = Actions::NONE;
            machine.visit(entity, Effect::Allow, wanted, |_, actions| {
                allowed |= actions;
                wanted - allowed
            });
            if allowed.is_empty() {
                return allowed;
            }
            let mut left = allowed;
            machine.visit(entity, Effect::Forbid, allowed, |_, actions| {
                left = left - actions;
                left
            });
            left
        })
    }

    /// Evaluates as a question about one resource.
    fn as_question<T>(&mut self, evaluate: impl FnOnce(&mut Self) -> T) -> T {
        if self.slots.is_empty() {
            self.slots = vec![Slot::default(); self.rules.paths().len()];
            // Enough for most decisions.
            self.fixed.reserve(16);
            self.scoped.reserve(16);
        }
        let (outer, read) = (self.question, self.scoped.len());
        self.latest_question += 1;
        self.question = self.latest_question;
        let result = evaluate(self);
        self.question = outer;
        self.scoped.truncate(read);
        result
    }

    /// Calls `found` for rules that hold, each with the wanted ones among its actions, until
    /// nothing that it answers is wanted any more. A rule may be found more than once.
    fn visit(
        &mut self,
        entity: &Entity,
        effect: Effect,
        wanted: Actions,
        mut found: impl FnMut(u32, Actions) -> Actions,
    ) {
        let deferred = self.deferred.len();
        let _ = self.visit_until(entity, effect, wanted, &mut found);
        self.deferred.truncate(deferred);
    }

    /// None when nothing is wanted any more.
    fn visit_until(
        &mut self,
        entity: &Entity,
        effect: Effect,
        mut wanted: Actions,
        found: &mut impl FnMut(u32, Actions) -> Actions,
    ) -> Option<()> {
        let (context, deferred) = (Concern::of_context(self.context), self.deferred.len());
        let halves = self.rules.buckets(entity.kind).map(|bucket| bucket.half(effect));
        let concerns =
            |concern: Concern, wanted: Actions| concern.actions_in(context).intersects(wanted);
        let at_first = wanted;
        let halves = halves.into_iter().filter(|half| concerns(half.concern, at_first));
        for half in halves.clone() {
            for index in self.found_for(half, context) {
                let entries = self.entries.get(index).copied().unwrap_or(&[]);
                wanted = self.run(entries, entity, wanted, found)?;
            }
        }
        for half in halves.clone() {
            wanted = self.run(half.by_id(entity.id), entity, wanted, found)?;
            for probe in &half.scoped {
                if !concerns(probe.concern, wanted) {
                    continue;
                }
                let values = self.read(probe.looked.path, entity);
                for index in values.places {
                    let entries = filed_under(half, probe, self.scoped.get(index));
                    if !entries.is_empty() {
                        wanted = self.run(entries, entity, wanted, found)?;
                    }
                }
            }
        }
        for half in halves {
            for test in &half.tests {
                if concerns(test.concern, wanted) && self.test_holds(test, entity) {
                    wanted = self.run(half.needing(test), entity, wanted, found)?;
                }
            }
            wanted = self.run(half.rest(), entity, wanted, found)?;
        }
        let mut next = deferred;
        while let Some(&entry) = self.deferred.get(next) {
            next += 1;
            let actions = entry.concern.actions_in(context) & wanted;
            if !actions.is_empty() && self.entry_holds(entry, entity) {
                wanted = Some(found(entry.rule, actions)).filter(|wanted| !wanted.is_empty())?;
            }
        }
        Some(())
    }

    /// The entries that are filed under what the requester is, as places among those found.
    fn found_for(&mut self, half: &'a Half, context: Concern) -> Range<usize> {
        if let Some(found) = self.found.iter().find(|found| std::ptr::eq(found.half, half)) {
            return found.start..found.end;
        }
        let start = self.entries.len();
        let by_anonymity = half.by_anonymity(self.facts.requester_is_anonymous());
        if !by_anonymity.is_empty() {
            self.entries.push(by_anonymity);
        }
        for probe in half.fixed.iter().filter(|probe| probe.concern.is_in(context)) {
            // Nothing fixed is read of it.
            const ANY: Entity = Entity::to_create(ResourceKind::App);
            for index in self.read(probe.looked.path, &ANY).places {
                let entries = filed_under(half, probe, self.fixed.get(index));
                if !entries.is_empty() {
                    self.entries.push(entries);
                }
            }
        }
        let end = self.entries.len();
        self.found.push(Found { half, start, end });
        start..end
    }

    /// Tries entries one by one; answers what is still wanted, or none if nothing is.
    fn run(
        &mut self,
        entries: &'a [Entry],
        entity: &Entity,
        mut wanted: Actions,
        found: &mut impl FnMut(u32, Actions) -> Actions,
    ) -> Option<Actions> {
        let context = Concern::of_context(self.context);
        for &entry in entries {
            let actions = entry.concern.actions_in(context) & wanted;
            if actions.is_empty() {
                continue;
            }
            if entry.asks_rules && entry.proven != Proof::Everything {
                self.deferred.push(entry);
            } else if self.entry_holds(entry, entity) {
                wanted = found(entry.rule, actions);
                if wanted.is_empty() {
                    return None;
                }
            }
        }
        Some(wanted)
    }

    fn test_holds(&mut self, shared: &'a SharedTest, entity: &Entity) -> bool {
        match &shared.test {
            QuickTest::Constant { path, comparison, constant } => {
                let values = self.read(*path, entity);
                let holds = |fact: &Fact| match fact {
                    Fact::Text(text) => {
                        pair_holds(Value::Text(text), *comparison, constant.value())
                    }
                    Fact::Entity(_) => false,
                };
                self.facts_at(&values).iter().any(holds)
            }
            QuickTest::Join { left, comparison, right } => {
                // What is read of the requester is read once for all, and may be nothing.
                let is_fixed = self.rules.paths().is_fixed(*right);
                let [first, second] = if is_fixed { [*right, *left] } else { [*left, *right] };
                if self.read(first, entity).places.is_empty() {
                    return false;
                }
                self.read(second, entity);
                let [left, right] = [*left, *right].map(|path| self.read_before(path));
                left.iter().any(|left| {
                    right.iter().any(|right| pair_holds(left.into(), *comparison, right.into()))
                })
            }
            QuickTest::Other => {
                let placed = self.rules.placed(shared.rule);
                placed.is_some_and(|placed| {
                    let test = placed.rule.condition.compiled().test();
                    test.is_some_and(|test| self.holds(placed, test, entity))
                })
            }
        }
    }

    fn entry_holds(&mut self, entry: Entry, entity: &Entity) -> bool {
        if entry.proven == Proof::Everything && !entry.needs_filter {
            return true;
        }
        let Some(placed) = self.rules.placed(entry.rule) else {
            return false;
        };
        if entry.needs_filter && !placed.rule.filter.matches(entity) {
            return false;
        }
        let code = &placed.rule.condition.compiled().code;
        match (entry.proven, code) {
            (Proof::Everything, _) => true,
            (Proof::Part(proven), Code::All(parts)) => parts.iter().enumerate().all(|part| {
                let (index, part) = part;
                index == usize::from(proven) || self.holds(placed, part, entity)
            }),
            _ => self.holds(placed, code, entity),
        }
    }

    fn holds(&mut self, placed: &'a Placed, code: &'a Code, entity: &Entity) -> bool {
        match code {
            Code::Constant(value) => *value,
            Code::All(parts) => parts.iter().all(|part| self.holds(placed, part, entity)),
            Code::Any(parts) => parts.iter().any(|part| self.holds(placed, part, entity)),
            Code::Not(inner) => !self.holds(placed, inner, entity),
            Code::IsAnonymous => self.facts.requester_is_anonymous(),
            Code::IsEmpty(read) => !self.has_values(placed, *read, entity),
            Code::Compare(compare) => self.compare(placed, compare, entity),
            Code::HasPrivilege(path, action) => match placed.paths.get(*path) {
                Some(path) => self.has_privilege_on_some(*path, *action, entity),
                None => false,
            },
        }
    }

    fn has_values(&mut self, placed: &'a Placed, read: Read, entity: &Entity) -> bool {
        let Some(path) = placed.paths.get(read.path) else { return false };
        let values = self.read(*path, entity);
        let facts = self.facts_at(&values);
        match read.is_id {
            true => facts.iter().any(|fact| matches!(fact, Fact::Entity(e) if e.id.is_some())),
            false => !facts.is_empty(),
        }
    }

    fn compare(&mut self, placed: &'a Placed, compare: &'a Compare, entity: &Entity) -> bool {
        let Compare { left, comparison, right } = compare;
        // A side without values decides, and what is read of the requester is read once for all.
        let is_fixed = right.reads.iter().all(|read| self.is_fixed(placed, *read));
        let (first, second) = if is_fixed { (right, left) } else { (left, right) };
        if !self.reads_something(placed, first, entity)
            || !self.reads_something(placed, second, entity)
        {
            return false;
        }
        self.some_value(placed, left, |left| {
            self.some_value(placed, right, |right| pair_holds(left, *comparison, right))
        })
    }

    fn is_fixed(&self, placed: &Placed, read: Read) -> bool {
        placed.paths.get(read.path).is_some_and(|path| self.rules.paths().is_fixed(*path))
    }

    /// Reads all of a side; whether there is anything to compare.
    fn reads_something(&mut self, placed: &'a Placed, side: &Side, entity: &Entity) -> bool {
        let mut is_something = !side.constants.is_empty();
        for read in &side.reads {
            is_something |= self.has_values(placed, *read, entity);
        }
        is_something
    }

    /// Whether some value of a side, which was read before, is as asked.
    fn some_value(
        &self,
        placed: &Placed,
        side: &Side,
        mut is_it: impl FnMut(Value<'_>) -> bool,
    ) -> bool {
        let mut buffer = Uuid::encode_buffer();
        for read in &side.reads {
            let Some(path) = placed.paths.get(read.path) else { continue };
            for fact in self.read_before(*path) {
                let is_found = match (fact, read.is_id) {
                    (fact, false) => is_it(fact.into()),
                    (Fact::Entity(Entity { id: Some(id), .. }), true) => {
                        is_it(Value::Text(id.hyphenated().encode_lower(&mut buffer)))
                    }
                    _ => false,
                };
                if is_found {
                    return true;
                }
            }
        }
        side.values().any(is_it)
    }

    /// Whether the rules allow it for some thing at the end of a path.
    fn has_privilege_on_some(&mut self, path: PathId, action: Action, entity: &Entity) -> bool {
        let expected = self.rules.paths().node(path).map(|node| node.leads(entity.kind));
        let values = self.read(path, entity);
        for index in values.places {
            let Some(Fact::Entity(thing)) = self.scoped.get(index) else { continue };
            let thing = thing.clone();
            if !self.is_tracked && !expected.is_some_and(|kinds| kinds.contains(thing.kind)) {
                self.is_surprised = true;
                return false;
            }
            if self.has_privilege(thing, action) {
                return true;
            }
        }
        false
    }

    fn has_privilege(&mut self, thing: Entity, action: Action) -> bool {
        if self.is_tracked {
            return match self.questions.ask(self.rules.web(), &thing, action) {
                Asking::Answered(holds) => holds,
                Asking::Open(open) => {
                    let holds = !self.answer(&thing, action.into()).is_empty();
                    self.questions.answer(open, holds)
                }
            };
        }
        let question = (thing, action);
        if let Some(holds) = self.answers.get(&question) {
            return *holds;
        }
        let holds = !self.answer(&question.0, action.into()).is_empty();
        if !self.is_surprised {
            self.answers.insert(question, holds);
        }
        holds
    }

    /// The values of a path that was just read.
    fn read_before(&self, path: PathId) -> &[Fact] {
        self.was_read(path).map_or(&[], |values| self.facts_at(&values))
    }

    fn facts_at(&self, values: &Values) -> &[Fact] {
        let facts = if values.is_fixed { &self.fixed } else { &self.scoped };
        facts.get(values.places.clone()).unwrap_or(&[])
    }

    /// Reads a path, unless that was done for this question.
    fn read(&mut self, path: PathId, entity: &Entity) -> Values {
        if let Some(values) = self.was_read(path) {
            return values;
        }
        let is_short = self.rules.paths().node(path).is_none_or(|node| node.length < 2);
        if is_short {
            return self.read_on(path, entity);
        }
        // What it begins with is read before it, shortest first.
        let mut open = vec![path];
        while let Some((before, _)) =
            open.last().and_then(|path| self.rules.paths().node(*path)?.last.as_ref())
            && self.rules.paths().node(*before).is_some_and(|node| node.length > 0)
            && self.was_read(*before).is_none()
        {
            open.push(*before);
        }
        for path in open.into_iter().skip(1).rev() {
            self.read_on(path, entity);
        }
        self.read_on(path, entity)
    }

    fn was_read(&self, path: PathId) -> Option<Values> {
        let is_fixed = self.rules.paths().is_fixed(path);
        let question = if is_fixed { ONCE } else { self.question };
        let slot = self.slots.get(path.index()).filter(|slot| slot.question == question)?;
        Some(Values { is_fixed, places: slot.start as usize..slot.end as usize })
    }

    /// Reads the last step of a path; what is before it was read, if that is more than its root.
    fn read_on(&mut self, path: PathId, entity: &Entity) -> Values {
        let rules = self.rules;
        let Some(node) = rules.paths().node(path) else {
            return Values { is_fixed: true, places: 0..0 };
        };
        let is_fixed = node.is_fixed();
        let facts = if is_fixed { &mut self.fixed } else { &mut self.scoped };
        let (start, mut out) = (facts.len(), std::mem::take(facts));
        match &node.last {
            None => match node.root {
                Root::User => out.extend(self.facts.requester_entity().map(Fact::Entity)),
                Root::Resource => out.push(Fact::Entity(entity.clone())),
                Root::Node => {}
            },
            Some((_, step)) if node.length == 1 => {
                self.read_first(node.root, step, entity, &mut out);
            }
            Some((before, step)) => {
                let slot = self.slots.get(before.index()).copied().unwrap_or_default();
                for index in slot.start as usize..slot.end as usize {
                    if let Some(Fact::Entity(thing)) = out.get(index) {
                        let thing = thing.clone();
                        self.read_thing(&thing, step, &mut out);
                    }
                }
            }
        }
        let places = start..out.len();
        let question = if is_fixed { ONCE } else { self.question };
        let place = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        if let Some(slot) = self.slots.get_mut(path.index()) {
            *slot = Slot { question, start: place(places.start), end: place(places.end) };
        }
        *(if is_fixed { &mut self.fixed } else { &mut self.scoped }) = out;
        Values { is_fixed, places }
    }

    fn read_first(&self, root: Root, step: &Step, entity: &Entity, out: &mut Vec<Fact>) {
        match (root, step) {
            (Root::Resource, step) => self.read_thing(entity, step, out),
            (Root::User, Step::RequestContext) => out.push(Fact::Text(self.context.name().into())),
            (Root::User, Step::Kind) => out.push(Fact::Text(ResourceKind::User.shared_name())),
            (Root::User, step) => self.facts.read(Subject::Requester, step.name(), out),
            (Root::Node, step) => self.facts.read(Subject::Node, step.name(), out),
        }
    }

    fn read_thing(&self, thing: &Entity, step: &Step, out: &mut Vec<Fact>) {
        match (step, &thing.name) {
            (Step::Kind, _) => out.push(Fact::Text(thing.kind.shared_name())),
            (Step::Read(property), Some(name)) if **property == *"name" => {
                out.push(Fact::Text(name.clone()));
            }
            (step, _) => self.facts.read(Subject::Resource(thing), step.name(), out),
        }
    }
}

/// The entries that are filed under one value.
fn filed_under<'a>(half: &'a Half, probe: &'a Probe, value: Option<&Fact>) -> &'a [Entry] {
    match value {
        Some(Fact::Text(text)) if !probe.looked.is_id => half.by_text(probe, text),
        Some(Fact::Entity(Entity { id: Some(id), .. })) if probe.looked.is_id => {
            half.by_thing(probe, *id)
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
