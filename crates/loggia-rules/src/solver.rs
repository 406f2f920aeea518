//! Evaluation over whatever a condition may come to: true or false for one requester, the set of
//! requesters that it holds for, or what remains of it while something is unknown.
//!
//! Questions of `HasPrivilege` are asked, cut short and remembered as by the plain evaluator, so
//! this is exact for knots of rules too.

use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;
use uuid::Uuid;

use crate::meaning::{Atom, Meaning, Part, PartId, PathId, Terms, TestId};
use crate::plan::{Known, Plan, PlannedRule};
use crate::program::Step;
use crate::questions::{Asking, Questions};
use crate::requester::{Mixed, Values, follow, holds, mixed, pairs_hold, path_of};
use crate::{
    Action, Actions, Effect, Entity, Fact, Facts, KindSet, RequestContext, ResourceKind, RuleSet,
    property,
};

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
    /// Answers within simple questions: those that can lead neither back to themselves nor too
    /// deep, which the rules tell.
    answers: HashMap<(Entity, Action), A::Value>,
    /// Whether a simple question is being answered.
    is_simple: bool,
    /// Whether a relation led to a kind of thing that it should not lead to, so that questions may
    /// be entangled although they seemed simple. From then on nothing is taken for simple.
    is_surprised: bool,
    expected: HashMap<(PathId, ResourceKind), KindSet>,
    questions: Questions<A::Value>,
    /// The thing that was asked about last, and what was read of it.
    latest: Option<(Entity, Frame<A::Value>)>,
    /// The same for conditions that are asked on their own.
    latest_alone: Option<(Entity, Frame<A::Value>)>,
    spare_frames: Vec<Frame<A::Value>>,
    spare_values: Vec<Vec<A::Value>>,
    spare_places: Vec<Vec<u32>>,
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
            answers: HashMap::new(),
            is_simple: false,
            is_surprised: false,
            expected: HashMap::new(),
            questions: Questions::new(A::FALSE),
            latest: None,
            latest_alone: None,
            spare_frames: Vec::new(),
            spare_values: Vec::new(),
            spare_places: Vec::new(),
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
        let simple = self.simple(entity.kind);
        let mut each = self
            .at_simple(entity, |solver, frame| {
                let allowed = solver.each(&meaning, entity, simple, Effect::Allow, frame);
                let forbidden = solver.each(&meaning, entity, simple, Effect::Forbid, frame);
                let mut each = Vec::with_capacity(Action::ALL.len());
                for ((action, allowed), (_, forbidden)) in allowed.into_iter().zip(forbidden) {
                    each.push((action, solver.without(allowed, forbidden)));
                }
                each
            })
            .unwrap_or_default();
        // Of the others the answer may depend on the action that is asked for.
        let open = if each.is_empty() { Actions::ALL } else { Actions::ALL - simple };
        if !open.is_empty() {
            for action in open.iter() {
                each.push((action, self.allowed(entity, action, Actions::ALL)));
            }
            each.sort();
        }
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
            let candidates = solver.candidates(&meaning, &plan, entity, frame);
            for &index in &candidates {
                let Some(rule) = plan.rules.get(index as usize) else {
                    continue;
                };
                if rule.actions.contains(action) {
                    let value = solver.planned(&meaning, rule, entity, frame);
                    values
                        .extend(id(rule.rule).filter(|_| value != A::FALSE).map(|id| (id, value)));
                }
            }
            solver.put_back(candidates);
            values
        })
    }

    /// What a condition on `entity` comes to, asked on its own.
    pub(crate) fn condition(&mut self, entity: &Entity, condition: PartId) -> A::Value {
        let meaning = Arc::clone(&self.meaning);
        let mut frame = take_frame(&mut self.latest_alone, entity);
        let value = self.part(&meaning.terms, condition, entity, &mut frame);
        self.latest_alone = Some((entity.clone(), frame));
        value
    }

    /// The actions on a kind of thing that are simple to answer.
    fn simple(&self, kind: ResourceKind) -> Actions {
        if self.is_surprised { Actions::NONE } else { self.rules.web().simple(kind) }
    }

    /// Runs the outermost question about a thing.
    fn at<T>(
        &mut self,
        entity: &Entity,
        action: Action,
        run: impl Fn(&mut Self, &mut Frame<A::Value>) -> T,
    ) -> T {
        if self.simple(entity.kind).contains(action)
            && let Some(result) = self.at_simple(entity, &run)
        {
            return result;
        }
        let mut frame = take_frame(&mut self.latest, entity);
        self.questions.begin(entity, action);
        let result = run(self, &mut frame);
        self.questions.end();
        self.latest = Some((entity.clone(), frame));
        result
    }

    /// Runs questions about a thing that are simple; none if they turn out not to be.
    fn at_simple<T>(
        &mut self,
        entity: &Entity,
        run: impl FnOnce(&mut Self, &mut Frame<A::Value>) -> T,
    ) -> Option<T> {
        if self.is_surprised {
            return None;
        }
        let mut frame = take_frame(&mut self.latest, entity);
        self.is_simple = true;
        let result = run(self, &mut frame);
        self.is_simple = false;
        if self.is_surprised {
            self.answers.clear();
            return None;
        }
        self.latest = Some((entity.clone(), frame));
        Some(result)
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
        let candidates = self.candidates(meaning, &plan, entity, frame);
        for &index in &candidates {
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
                self.put_back(candidates);
                return value;
            }
            if value != A::FALSE {
                values.push(value);
            }
        }
        self.put_back(candidates);
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
        let candidates = self.candidates(meaning, &plan, entity, frame);
        for &index in &candidates {
            if let Some(rule) = plan.rules.get(index as usize) {
                let value = self.planned(meaning, rule, entity, frame);
                if value != A::FALSE {
                    found.push((rule.actions, value));
                }
            }
        }
        self.put_back(candidates);
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
        let mut candidates = self.spare_places.pop().unwrap_or_default();
        candidates.extend_from_slice(&plan.anywhere);
        if let Some(id) = entity.id.filter(|_| !plan.by_id.is_empty()) {
            candidates.extend(plan.by_id.get(&id).into_iter().flatten());
        }
        for (path, by_value) in &plan.by_value {
            let values = self.values(&meaning.terms, *path, entity, frame);
            for symbol in values.symbols.iter().flatten() {
                candidates.extend(by_value.by_symbol.get(symbol).into_iter().flatten());
            }
            if !by_value.by_prefix.is_empty() {
                for text in values.texts() {
                    let found = |place| candidates.push(place);
                    by_value.by_prefix.find(text, &mut self.folded, found);
                }
            }
        }
        candidates
    }

    fn put_back(&mut self, mut places: Vec<u32>) {
        places.clear();
        self.spare_places.push(places);
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
        let mut is_constant = true;
        let value = match &meaning.atom {
            Atom::HasPrivilege { path, action } => {
                // Within other questions the answer may be another.
                is_constant = self.is_simple;
                self.privilege(terms, *path, *action, entity, frame)
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
                constant::<A>(holds(meaning, values))
            }
        };
        if is_constant {
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
        let expected = self.expected(terms, path, entity.kind);
        let things = self.values(terms, path, entity, frame);
        let mut found = self.spare_values.pop().unwrap_or_default();
        for thing in &things.facts {
            let Fact::Entity(thing) = thing else {
                continue;
            };
            self.is_surprised |= !expected.contains(thing.kind);
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

    /// The kinds of things that a path can lead to.
    fn expected(&mut self, terms: &Terms, path: PathId, kind: ResourceKind) -> KindSet {
        *self.expected.entry((path, kind)).or_insert_with(|| {
            property::follow(kind, terms.steps(path).into_iter().map(Step::name))
        })
    }

    /// Asks the rules again, about a thing that a condition came upon.
    fn ask(&mut self, entity: &Entity, action: Action) -> A::Value {
        if self.is_simple {
            return self.ask_simple(entity, action);
        }
        match self.questions.ask(self.rules.web(), entity, action) {
            Asking::Answered(value) => value,
            Asking::Open(open) => {
                let value = self.answer_inner(entity, action);
                self.questions.answer(open, value)
            }
        }
    }

    /// Asks where nothing leads back. When it turned out that something does, any answer is as
    /// good as another: all is asked again.
    fn ask_simple(&mut self, entity: &Entity, action: Action) -> A::Value {
        if self.is_surprised {
            return A::FALSE;
        }
        let question = (entity.clone(), action);
        if let Some(&value) = self.answers.get(&question) {
            return value;
        }
        let value = self.answer_inner(entity, action);
        self.answers.insert(question, value);
        value
    }

    fn answer_inner(&mut self, entity: &Entity, action: Action) -> A::Value {
        let mut frame = self.spare_frames.pop().unwrap_or_else(Frame::new);
        frame.clear();
        let meaning = Arc::clone(&self.meaning);
        let value = self.answer(&meaning, entity, action, action.into(), &mut frame);
        self.spare_frames.push(frame);
        value
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

/// The frame of the thing that was asked about last if it is this one, else an empty one.
fn take_frame<V>(latest: &mut Option<(Entity, Frame<V>)>, entity: &Entity) -> Frame<V> {
    match latest.take() {
        Some((latest, frame)) if latest == *entity => frame,
        Some((_, mut frame)) => {
            frame.clear();
            frame
        }
        None => Frame::new(),
    }
}

pub(crate) fn constant<A: Algebra>(value: bool) -> A::Value {
    if value { A::TRUE } else { A::FALSE }
}
