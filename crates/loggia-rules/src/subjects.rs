//! Which of many requesters may act on one thing?

use std::fmt;
use std::sync::Arc;

use crate::people::People;
use crate::solver::Solver;
use crate::subject_set::SubjectSet;
use crate::{Action, Actions, Entity, Facts, RequestContext, Rule, RuleSet};

/// Evaluates for many requesters at once: what a test comes to is the set of requesters that it
/// holds for, so that one pass over the rules answers for all.
///
/// What the facts say on things must be the same for all requesters: it is read through the first
/// one.
pub struct Subjects<'a> {
    solver: Solver<'a, People<'a>>,
}

impl<'a> Subjects<'a> {
    #[must_use]
    pub fn new(
        rules: &'a RuleSet,
        context: RequestContext,
        subjects: &'a [&'a dyn Facts],
    ) -> Subjects<'a> {
        let facts = subjects.first().map_or(&Nothing as &dyn Facts, |&first| first);
        let people = People::new(context, subjects);
        Subjects { solver: Solver::new(rules, facts, context, people) }
    }

    /// Who may do `action` to `entity`; members are the places in the slice of subjects.
    pub fn may(&mut self, entity: &Entity, action: Action) -> SubjectSet {
        let value = self.solver.allowed(entity, action, Actions::ALL);
        self.solver.algebra.set(value)
    }

    /// Who may do what to `entity`: every action once, lowest bit first.
    pub fn granted(&mut self, entity: &Entity) -> Vec<(Action, SubjectSet)> {
        let each = self.solver.allowed_each(entity);
        each.into_iter().map(|(action, value)| (action, self.solver.algebra.set(value))).collect()
    }

    /// For whom the rule's condition holds on `entity`, which the rule's filter is taken to match.
    /// The rule need not be among the enabled ones.
    pub fn holds(&mut self, rule: &Rule, entity: &Entity) -> SubjectSet {
        let meaning = Arc::make_mut(&mut self.solver.meaning);
        let condition = meaning.terms.condition(rule.condition.clause());
        let value = self.solver.condition(entity, condition);
        self.solver.algebra.set(value)
    }
}

impl fmt::Debug for Subjects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subjects").finish_non_exhaustive()
    }
}

/// Facts on nothing and nobody.
struct Nothing;

impl Facts for Nothing {
    fn read(&self, _: crate::Subject<'_>, _: &str, _: &mut Vec<crate::Fact>) {}

    fn requester_is_anonymous(&self) -> bool {
        false
    }

    fn requester_entity(&self) -> Option<Entity> {
        None
    }
}
