//! What remains of the rules when some attributes of the requester are not known in advance?

use uuid::Uuid;

use crate::solver::{Algebra, Solver};
use crate::unknown::{ExpressionId, Unknown, is_unknown};
use crate::{Action, Actions, Effect, Entity, Facts, KindSet, RequestContext, RuleSet};

/// Decisions for a requester of whom some attributes are unknown: the address, the device, the
/// entrance that they will come through.
pub struct Residues<'a> {
    solver: Solver<'a, Unknown<'a>>,
}

/// What can be said of one decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residue {
    pub verdict: Verdict,
    /// The rules that allow it always or sometimes, by id.
    pub granted_by: Vec<(Uuid, Verdict)>,
    /// The rules that forbid it always or sometimes, by id.
    pub forbidden_by: Vec<(Uuid, Verdict)>,
    /// Whether all of this is exact. What would take more than 200 tests to say is not: there the
    /// condition is `true`, with a comment that says so, and it may be allowed or not.
    pub is_exact: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Whatever the unknown attributes are.
    Always,
    /// Whatever the unknown attributes are.
    Never,
    /// When this condition holds, which reads unknown attributes only. It is one of our language.
    When(String),
}

/// What stands in for a condition that would be too long.
const TOO_LONG: &str = "true // or not: what decides it is too long to show";

impl<'a> Residues<'a> {
    /// `unknown` says of an attribute, by its name as in [`Facts::read`], whether it is unknown;
    /// `isanonymous` and `identity` are two more.
    #[must_use]
    pub fn new(
        rules: &'a RuleSet,
        facts: &'a dyn Facts,
        context: RequestContext,
        unknown: &'a dyn Fn(&str) -> bool,
    ) -> Residues<'a> {
        let sets = rules.sets();
        let terms = &sets.meaning.terms;
        let skip = |path| is_unknown(terms, path, unknown);
        let truths = sets.requester.truths(terms, facts, context, KindSet::ALL, &skip);
        let algebra = Unknown::new(facts, context, unknown, truths);
        Residues { solver: Solver::new(rules, facts, context, algebra) }
    }

    /// The actions on `entity` that are always or sometimes allowed: those whose residue is not
    /// [`Verdict::Never`], found faster than by asking for each.
    pub fn possible(&mut self, entity: &Entity) -> Actions {
        let each = self.solver.allowed_each(entity).into_iter();
        each.filter(|&(_, value)| value != Unknown::FALSE).map(|(action, _)| action).collect()
    }

    /// What can be said of `action` on `entity`.
    pub fn residue(&mut self, entity: &Entity, action: Action) -> Residue {
        let mut is_exact = true;
        let mut of_rules = |effect| -> Vec<(Uuid, Verdict)> {
            let values = self.solver.rules(entity, action, effect);
            let mut verdicts: Vec<(Uuid, Verdict)> = values
                .into_iter()
                .map(|(id, value)| (id, self.verdict(value, &mut is_exact)))
                .collect();
            verdicts.sort();
            verdicts.dedup();
            verdicts
        };
        let (granted_by, forbidden_by) = (of_rules(Effect::Allow), of_rules(Effect::Forbid));
        let value = self.solver.allowed(entity, action, Actions::ALL);
        let verdict = self.verdict(value, &mut is_exact);
        Residue { verdict, granted_by, forbidden_by, is_exact }
    }

    fn verdict(&mut self, value: ExpressionId, is_exact: &mut bool) -> Verdict {
        if value == Unknown::TRUE {
            return Verdict::Always;
        }
        if value == Unknown::FALSE {
            return Verdict::Never;
        }
        Verdict::When(self.solver.algebra.text(value).unwrap_or_else(|| {
            *is_exact = false;
            TOO_LONG.to_owned()
        }))
    }
}
