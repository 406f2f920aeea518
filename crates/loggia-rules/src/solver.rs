//! Evaluation over whatever a condition may come to: true or false for one requester, the set of
//! requesters that it holds for, or what remains of it while something is unknown.
//!
//! Questions of `HasPrivilege` are asked, cut short and remembered as by the plain evaluator, so
//! this is exact for knots of rules too.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use uuid::Uuid;

use crate::meaning::{Atom, Meaning, Part, PartId, PathId, Terms, TestId};
use crate::plan::{Known, Plan, PlannedRule};
use crate::questions::{Asking, Questions};
use crate::requester::{Mixed, Values, follow, holds, mixed, pairs_hold, path_of};
use crate::{Action, Actions, Effect, Entity, Fact, Facts, RequestContext, ResourceKind, RuleSet};

/// What a condition may come to.
pub(crate) trait Algebra {
    type Value: Copy + Ord;
    const FALSE: Self::Value;
    const TRUE: Self::Value;

    /// The values are neither [`Algebra::FALSE`] nor [`Algebra::TRUE`], and there are two or more.
    fn all(&mut self, values: &mut Vec<Self::Value>) -> Self::Value;
    /// The values are neither [`Algebra::FALSE`] nor [`Algebra::TRUE`], and there are two or more.
    fn any(&mut self, values: &mut Vec<Self::Value>) -> Self::Value;
    fn not(&mut self, value: Self::Value) -> Self::Value;
    /// A test that reads the requester only.
    fn requester(&mut self, terms: &Terms, test: TestId) -> Self::Value;
    /// A comparison of the requester with values of the resource.
    fn mixed(&mut self, terms: &Terms, mixed: Mixed, resource: &[Fact]) -> Self::Value;
    /// Whether the comparison fails whatever the resource is, because the requester has no value.
    fn mixed_fails(&mut self, terms: &Terms, mixed: Mixed) -> bool;
}

type Plans<V> = HashMap<(ResourceKind, Actions, Effect), Rc<Plan<V>>>;

pub(crate) struct Solver<'a, A: Algebra> {
    rules: &'a RuleSet,
    pub(crate) meaning: Arc<Meaning>,
    /// Read for things only.
    facts: &'a dyn Facts,
    pub(crate) context: RequestContext,
    pub(crate) algebra: A,
    /// Values of the parts that read nothing but the requester.
    fixed: Vec<Option<A::Value>>,
    pub(crate) plans: Plans<A::Value>,
    questions: Questions<A::Value>,
    /// The thing that was asked about last, and what was read of it.
    latest: Option<(Entity, Frame<A::Value>)>,
    spare_frames: Vec<Frame<A::Value>>,
    spare_values: Vec<Vec<A::Value>>,
    folded: String,
}

/// What was read of one thing. Cells count as empty when they are of an older round.
pub(crate) struct Frame<V> {
    round: u32,
    values: Vec<(u32, Values)>,
    tests: Vec<(u32, Option<V>)>,
}

impl<V> Frame<V> {
    fn new() -> Frame<V> {
        Frame { round: 1, values: Vec::new(), tests: Vec::new() }
    }

    fn clear(&mut self) {
        match self.round.checked_add(1) {
            Some(round) => self.round = round,
            None => *self = Frame::new(),
        }
    }
}

impl<'a, A: Algebra> Solver<'a, A> {
    pub(crate) fn new(
        rules: &'a RuleSet,
        facts: &'a dyn Facts,
        context: RequestContext,
        algebra: A,
    ) -> Solver<'a, A> {
        Solver {
            rules,
            meaning: Arc::clone(&rules.sets().meaning),
            facts,
            context,
            algebra,
            fixed: Vec::new(),
            plans: HashMap::new(),
            questions: Questions::new(A::FALSE),
            latest: None,
            spare_frames: Vec::new(),
            spare_values: Vec::new(),
            folded: String::new(),
        }
    }

    /// What it comes to whether `action` on `entity` is allowed. `planned` are the actions that
    /// rules are prepared for at a time, `action` among them.
    pub(crate) fn allowed(
        &mut self,
        entity: &Entity,
        action: Action,
        planned: Actions,
    ) -> A::Value {
        let meaning = Arc::clone(&self.meaning);
        self.at(entity, action, |solver, frame| {
            solver.answer(&meaning, entity, action, planned, frame)
        })
    }

    /// What each action on `entity` comes to.
    pub(crate) fn allowed_each(&mut self, entity: &Entity) -> Vec<(Action, A::Value)> {
        let meaning = Arc::clone(&self.meaning);
        // Of the others the answer may depend on the action that is asked for.
        let simple = self.rules.web().simple(entity.kind);
        let mut each: Vec<(Action, A::Value)> = Vec::with_capacity(Action::ALL.len());
        if let Some(first) = simple.iter().next() {
            self.at(entity, first, |solver, frame| {
                let allowed = solver.each(&meaning, entity, simple, Effect::Allow, frame);
                let forbidden = solver.each(&meaning, entity, simple, Effect::Forbid, frame);
                for ((action, allowed), (_, forbidden)) in allowed.into_iter().zip(forbidden) {
                    each.push((action, solver.without(allowed, forbidden)));
                }
            });
        }
        for action in (Actions::ALL - simple).iter() {
            each.push((action, self.allowed(entity, action, Actions::ALL)));
        }
        each.sort();
        each
    }

    /// What the rules of one effect come to, one by one, without those that come to nothing.
    pub(crate) fn rules(
        &mut self,
        entity: &Entity,
        action: Action,
        effect: Effect,
    ) -> Vec<(Uuid, A::Value)> {
        let meaning = Arc::clone(&self.meaning);
        self.at(entity, action, |solver, frame| {
            let plan = solver.plan(&meaning, entity.kind, Actions::ALL, effect);
            let id = |place: u32| meaning.rules.get(place as usize).map(|rule| rule.id);
            let mut values: Vec<(Uuid, A::Value)> = plan
                .settled
                .iter()
                .filter(|(actions, ..)| actions.contains(action))
                .filter_map(|&(_, place, value)| Some((id(place)?, value)))
                .collect();
            for index in solver.candidates(&meaning, &plan, entity, frame) {
                let Some(rule) = plan.rules.get(index as usize) else {
                    continue;
                };
                if rule.actions.contains(action) {
                    let value = solver.planned(&meaning, rule, entity, frame);
                    values
                        .extend(id(rule.rule).filter(|_| value != A::FALSE).map(|id| (id, value)));
                }
            }
            values
        })
    }

    /// What a condition on `entity` comes to, asked on its own.
    pub(crate) fn condition(&mut self, entity: &Entity, condition: PartId) -> A::Value {
        let meaning = Arc::clone(&self.meaning);
        // What is remembered within a question may be otherwise outside of it.
        self.latest = None;
        let mut frame = Frame::new();
        self.part(&meaning.terms, condition, entity, &mut frame)
    }

    /// Runs the outermost question about a thing.
    fn at<T>(
        &mut self,
        entity: &Entity,
        action: Action,
        run: impl FnOnce(&mut Self, &mut Frame<A::Value>) -> T,
    ) -> T {
        let mut frame = self.take_frame(entity);
        self.questions.begin(entity, action);
        let result = run(self, &mut frame);
        self.questions.end();
        self.latest = Some((entity.clone(), frame));
        result
    }

    fn take_frame(&mut self, entity: &Entity) -> Frame<A::Value> {
        match self.latest.take() {
            Some((latest, frame)) if latest == *entity => frame,
            Some((_, mut frame)) => {
                frame.clear();
                frame
            }
            None => Frame::new(),
        }
    }

    fn answer(
        &mut self,
        meaning: &Meaning,
        entity: &Entity,
        action: Action,
        planned: Actions,
        frame: &mut Frame<A::Value>,
    ) -> A::Value {
        let allowed = self.some(meaning, entity, action, planned, Effect::Allow, frame);
        if allowed == A::FALSE {
            return allowed;
        }
        let forbidden = self.some(meaning, entity, action, planned, Effect::Forbid, frame);
        self.without(allowed, forbidden)
    }

    fn without(&mut self, allowed: A::Value, forbidden: A::Value) -> A::Value {
        if forbidden == A::FALSE || allowed == A::FALSE {
            return allowed;
        }
        if forbidden == A::TRUE {
            return A::FALSE;
        }
        let open = self.algebra.not(forbidden);
        if allowed == A::TRUE {
            return open;
        }
        let mut values = self.spare_values.pop().unwrap_or_default();
        values.extend([allowed, open]);
        self.combine(values, true)
    }

    /// What it comes to whether some rule of this effect holds.
    fn some(
        &mut self,
        meaning: &Meaning,
        entity: &Entity,
        action: Action,
        planned: Actions,
        effect: Effect,
        frame: &mut Frame<A::Value>,
    ) -> A::Value {
        let plan = self.plan(meaning, entity.kind, planned, effect);
        let always = plan.always_or(action, A::FALSE);
        if always == A::TRUE || plan.is_settled() {
            return always;
        }
        let mut values = self.spare_values.pop().unwrap_or_default();
        if always != A::FALSE {
            values.push(always);
        }
        for index in self.candidates(meaning, &plan, entity, frame) {
            let Some(rule) = plan.rules.get(index as usize) else {
                continue;
            };
            if !rule.actions.contains(action) {
                continue;
            }
            let value = self.planned(meaning, rule, entity, frame);
            if value == A::TRUE {
                values.clear();
                self.spare_values.push(values);
                return value;
            }
            if value != A::FALSE {
                values.push(value);
            }
        }
        self.combine(values, false)
    }

    /// What some rule of this effect comes to, for each action.
    fn each(
        &mut self,
        meaning: &Meaning,
        entity: &Entity,
        actions: Actions,
        effect: Effect,
        frame: &mut Frame<A::Value>,
    ) -> Vec<(Action, A::Value)> {
        let plan = self.plan(meaning, entity.kind, actions, effect);
        let mut found: Vec<(Actions, A::Value)> = Vec::new();
        for index in self.candidates(meaning, &plan, entity, frame) {
            if let Some(rule) = plan.rules.get(index as usize) {
                let value = self.planned(meaning, rule, entity, frame);
                if value != A::FALSE {
                    found.push((rule.actions, value));
                }
            }
        }
        let of_action = |&(action, always): &(Action, A::Value)| {
            let of_action = found.iter().filter(|(actions, _)| actions.contains(action));
            if always == A::TRUE || of_action.clone().any(|&(_, value)| value == A::TRUE) {
                return (action, A::TRUE);
            }
            let mut values = self.spare_values.pop().unwrap_or_default();
            values.extend((always != A::FALSE).then_some(always));
            values.extend(of_action.map(|&(_, value)| value));
            (action, self.combine(values, false))
        };
        plan.always.iter().map(of_action).collect()
    }

    fn planned(
        &mut self,
        meaning: &Meaning,
        rule: &PlannedRule<A::Value>,
        entity: &Entity,
        frame: &mut Frame<A::Value>,
    ) -> A::Value {
        let is_meant = rule.is_whole
            || meaning
                .rules
                .get(rule.rule as usize)
                .is_some_and(|meaning| meaning.filter.matches(entity));
        match rule.condition {
            _ if !is_meant => A::FALSE,
            Known::Value(value) => value,
            Known::Open(part) => self.part(&meaning.terms, part, entity, frame),
        }
    }

    /// All or any of the values, of which none settles the matter alone.
    pub(crate) fn combine(&mut self, mut values: Vec<A::Value>, is_all: bool) -> A::Value {
        if values.len() > 1 {
            values.sort();
            values.dedup();
        }
        let value = match values.as_slice() {
            [] if is_all => A::TRUE,
            [] => A::FALSE,
            [only] => *only,
            _ if is_all => self.algebra.all(&mut values),
            _ => self.algebra.any(&mut values),
        };
        values.clear();
        self.spare_values.push(values);
        value
    }

    /// The rules of a plan that may hold for the thing, by their place in it.
    fn candidates(
        &mut self,
        meaning: &Meaning,
        plan: &Plan<A::Value>,
        entity: &Entity,
        frame: &mut Frame<A::Value>,
    ) -> Vec<u32> {
        let mut candidates = plan.anywhere.clone();
        if let Some(id) = entity.id.filter(|_| !plan.by_id.is_empty()) {
            candidates.extend(plan.by_id.get(&id).into_iter().flatten());
        }
        for (path, by_symbol) in &plan.by_value {
            let values = self.values(&meaning.terms, *path, entity, frame);
            for symbol in values.symbols.iter().flatten() {
                candidates.extend(by_symbol.get(symbol).into_iter().flatten());
            }
        }
        candidates
    }

    /// What a part of a condition comes to.
    fn part(
        &mut self,
        terms: &Terms,
        part: PartId,
        entity: &Entity,
        frame: &mut Frame<A::Value>,
    ) -> A::Value {
        let Some(meaning) = terms.part_meaning(part) else {
            return A::FALSE;
        };
        if meaning.is_fixed {
            return self.fixed(terms, part);
        }
        match &meaning.part {
            Part::All(parts) => {
                self.parts(parts, true, |solver, part| solver.part(terms, part, entity, frame))
            }
            Part::Any(parts) => {
                self.parts(parts, false, |solver, part| solver.part(terms, part, entity, frame))
            }
            Part::Test(test) => self.test(terms, *test, entity, frame),
            Part::Not(test) => {
                let value = self.test(terms, *test, entity, frame);
                self.negate(value)
            }
            Part::Constant(value) => constant::<A>(*value),
        }
    }

    fn parts(
        &mut self,
        parts: &[PartId],
        is_all: bool,
        mut evaluate: impl FnMut(&mut Self, PartId) -> A::Value,
    ) -> A::Value {
        let ending = constant::<A>(!is_all);
        let neutral = constant::<A>(is_all);
        let mut values = self.spare_values.pop().unwrap_or_default();
        for &part in parts {
            let value = evaluate(self, part);
            if value == ending {
                values.clear();
                self.spare_values.push(values);
                return ending;
            }
            if value != neutral {
                values.push(value);
            }
        }
        self.combine(values, is_all)
    }

    fn negate(&mut self, value: A::Value) -> A::Value {
        if value == A::FALSE {
            A::TRUE
        } else if value == A::TRUE {
            A::FALSE
        } else {
            self.algebra.not(value)
        }
    }

    /// What a part that reads nothing but the requester comes to.
    pub(crate) fn fixed(&mut self, terms: &Terms, part: PartId) -> A::Value {
        let place = part.0 as usize;
        if let Some(&Some(value)) = self.fixed.get(place) {
            return value;
        }
        let value = match terms.part_meaning(part).map(|meaning| &meaning.part) {
            Some(Part::Constant(value)) => constant::<A>(*value),
            Some(Part::All(parts)) => {
                self.parts(parts, true, |solver, part| solver.fixed(terms, part))
            }
            Some(Part::Any(parts)) => {
                self.parts(parts, false, |solver, part| solver.fixed(terms, part))
            }
            Some(Part::Test(test)) => self.algebra.requester(terms, *test),
            Some(Part::Not(test)) => {
                let value = self.algebra.requester(terms, *test);
                self.negate(value)
            }
            None => A::FALSE,
        };
        if self.fixed.len() <= place {
            self.fixed.resize(terms.part_count().max(place + 1), None);
        }
        if let Some(cell) = self.fixed.get_mut(place) {
            *cell = Some(value);
        }
        value
    }

    /// What a test that reads the resource comes to.
    fn test(
        &mut self,
        terms: &Terms,
        test: TestId,
        entity: &Entity,
        frame: &mut Frame<A::Value>,
    ) -> A::Value {
        let Some(meaning) = terms.test(test) else {
            return A::FALSE;
        };
        if let Atom::Kind(kinds) = meaning.atom {
            return constant::<A>(kinds.contains(entity.kind));
        }
        let place = test.0 as usize;
        match frame.tests.get(place) {
            Some(&(round, Some(value))) if round == frame.round => return value,
            _ => {}
        }
        let mut is_simple = true;
        let value = match &meaning.atom {
            Atom::HasPrivilege { path, action } => {
                let value = self.privilege(terms, *path, *action, entity, frame);
                let things = self.values(terms, *path, entity, frame);
                is_simple = things.facts.iter().all(|thing| match thing {
                    Fact::Entity(thing) => self.rules.web().is_simple(thing.kind, *action),
                    Fact::Text(_) => true,
                });
                value
            }
            &Atom::Paths { left, comparison, right } => match mixed(terms, test) {
                Some(mixed) => {
                    let values = self.values(terms, mixed.resource, entity, frame);
                    self.algebra.mixed(terms, mixed, &values.facts)
                }
                None => {
                    let left = self.values(terms, left, entity, frame).facts.clone();
                    let right = self.values(terms, right, entity, frame);
                    constant::<A>(pairs_hold(&left, comparison, &right.facts))
                }
            },
            atom => {
                let Some(path) = path_of(atom) else {
                    return A::FALSE;
                };
                let values = self.values(terms, path, entity, frame);
                constant::<A>(holds(atom, &meaning.patterns, values))
            }
        };
        // An answer that may depend on what it is asked within is not remembered.
        if is_simple {
            if frame.tests.len() <= place {
                frame.tests.resize(terms.test_count().max(place + 1), (0, None));
            }
            if let Some(cell) = frame.tests.get_mut(place) {
                *cell = (frame.round, Some(value));
            }
        }
        value
    }

    fn privilege(
        &mut self,
        terms: &Terms,
        path: PathId,
        action: Action,
        entity: &Entity,
        frame: &mut Frame<A::Value>,
    ) -> A::Value {
        let things = self.values(terms, path, entity, frame);
        let mut found = self.spare_values.pop().unwrap_or_default();
        for thing in &things.facts {
            let Fact::Entity(thing) = thing else {
                continue;
            };
            let value = self.ask(thing, action);
            if value == A::TRUE {
                found.clear();
                self.spare_values.push(found);
                return value;
            }
            if value != A::FALSE {
                found.push(value);
            }
        }
        self.combine(found, false)
    }

    /// Asks the rules again, about a thing that a condition came upon.
    fn ask(&mut self, entity: &Entity, action: Action) -> A::Value {
        match self.questions.ask(self.rules.web(), entity, action) {
            Asking::Answered(value) => value,
            Asking::Open(open) => {
                let mut frame = self.spare_frames.pop().unwrap_or_else(Frame::new);
                frame.clear();
                let meaning = Arc::clone(&self.meaning);
                let value = self.answer(&meaning, entity, action, action.into(), &mut frame);
                self.spare_frames.push(frame);
                self.questions.answer(open, value)
            }
        }
    }

    /// The values of a path from the thing, with their symbols.
    fn values<'f>(
        &mut self,
        terms: &Terms,
        path: PathId,
        entity: &Entity,
        frame: &'f mut Frame<A::Value>,
    ) -> &'f Values {
        self.read(terms, path, entity, frame);
        static NONE: Values = Values { facts: Vec::new(), symbols: Vec::new() };
        frame.values.get(path.0 as usize).map_or(&NONE, |(_, values)| values)
    }

    fn read(&mut self, terms: &Terms, path: PathId, entity: &Entity, frame: &mut Frame<A::Value>) {
        let place = path.0 as usize;
        if frame.values.len() <= place {
            frame.values.resize_with(terms.path_count().max(place + 1), Default::default);
        }
        let round = frame.round;
        let Some(cell) = frame.values.get_mut(place).filter(|(of, _)| *of != round) else {
            return;
        };
        cell.0 = round;
        let mut values = std::mem::take(&mut cell.1);
        values.clear();
        match terms.path(path).and_then(|path| path.last.as_ref()) {
            None => values.facts.push(Fact::Entity(entity.clone())),
            Some((Terms::RESOURCE, step)) => {
                follow(self.facts, entity, step, &mut values.facts);
            }
            Some((before, step)) => {
                self.read(terms, *before, entity, frame);
                if let Some((_, things)) = frame.values.get(before.0 as usize) {
                    for thing in &things.facts {
                        if let Fact::Entity(thing) = thing {
                            follow(self.facts, thing, step, &mut values.facts);
                        }
                    }
                }
            }
        }
        values.find_symbols(terms, &mut self.folded);
        if let Some(cell) = frame.values.get_mut(place) {
            cell.1 = values;
        }
    }
}

pub(crate) fn constant<A: Algebra>(value: bool) -> A::Value {
    if value { A::TRUE } else { A::FALSE }
}
