//! Which of many things may one requester act on?

use std::rc::Rc;
use std::sync::Arc;

use crate::meaning::{PathId, Terms, TestId};
use crate::plan::Plan;
use crate::requester::{Mixed, Truths, read_requester};
use crate::solver::{Algebra, Solver};
use crate::{Action, Effect, Entity, Fact, Facts, KindSet, RequestContext, ResourceKind, RuleSet};
use hashbrown::HashMap;

/// The rules on one kind and action with the requester fixed: what is left of them reads the
/// thing only. It answers as [`crate::allows`] does.
pub struct Listing<'a> {
    solver: Solver<'a, OneRequester<'a>>,
    action: Action,
    allowing: Rc<Plan<bool>>,
    forbidding: Rc<Plan<bool>>,
}

impl<'a> Listing<'a> {
    #[must_use]
    pub fn new(
        rules: &'a RuleSet,
        facts: &'a dyn Facts,
        context: RequestContext,
        kind: ResourceKind,
        action: Action,
    ) -> Listing<'a> {
        let sets = rules.sets();
        let meaning = Arc::clone(&sets.meaning);
        let truths =
            sets.requester.truths(&meaning.terms, facts, context, KindSet::ALL, &|_| false);
        let algebra = OneRequester { facts, context, truths, values: HashMap::new() };
        let mut solver = Solver::new(rules, facts, context, algebra);
        let mut plan = |effect| solver.plan(&meaning, kind, action.into(), effect);
        let (allowing, forbidding) = (plan(Effect::Allow), plan(Effect::Forbid));
        Listing { solver, action, allowing, forbidding }
    }

    /// Whether every thing of the kind is in the list, whatever its properties.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.allowing.always(self.action)
            && self.forbidding.is_settled()
            && !self.forbidding.always(self.action)
    }

    /// Whether nothing can be in the list.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.forbidding.always(self.action)
            || self.allowing.is_settled() && !self.allowing.always(self.action)
    }

    /// Whether the thing is in the list.
    pub fn contains(&mut self, entity: &Entity) -> bool {
        self.solver.allowed(entity, self.action, self.action.into())
    }
}

/// Truth for one requester.
struct OneRequester<'a> {
    facts: &'a dyn Facts,
    context: RequestContext,
    truths: Truths,
    /// Values that are compared with the resource's.
    values: HashMap<PathId, Vec<Fact>>,
}

impl OneRequester<'_> {
    fn values(&mut self, terms: &Terms, path: PathId) -> &[Fact] {
        self.values.entry(path).or_insert_with(|| {
            let mut values = Vec::new();
            read_requester(terms, path, self.facts, self.context, &mut values);
            values
        })
    }
}

impl Algebra for OneRequester<'_> {
    type Value = bool;
    const FALSE: bool = false;
    const TRUE: bool = true;

    fn all(&mut self, values: &mut Vec<bool>) -> bool {
        values.iter().all(|&value| value)
    }

    fn any(&mut self, values: &mut Vec<bool>) -> bool {
        values.iter().any(|&value| value)
    }

    fn not(&mut self, value: bool) -> bool {
        !value
    }

    fn requester(&mut self, _: &Terms, test: TestId) -> bool {
        self.truths.contains(test)
    }

    fn mixed(&mut self, terms: &Terms, mixed: Mixed, resource: &[Fact]) -> bool {
        mixed.holds(self.values(terms, mixed.requester), resource)
    }

    fn mixed_fails(&mut self, terms: &Terms, mixed: Mixed) -> bool {
        self.values(terms, mixed.requester).is_empty()
    }
}
