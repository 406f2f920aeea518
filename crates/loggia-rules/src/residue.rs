//! What remains of the rules when some attributes of the requester are not known in advance?

use uuid::Uuid;

use crate::oracle::Evaluator;
use crate::{Action, Effect, Entity, Facts, Request, RequestContext, RuleSet};

/// Decisions for a requester of whom some attributes are unknown: the address, the device, the
/// entrance that they will come through.
pub struct Residues<'a> {
    rules: &'a RuleSet,
    facts: &'a dyn Facts,
    context: RequestContext,
    unknown: &'a dyn Fn(&str) -> bool,
}

/// What can be said of one decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residue {
    pub verdict: Verdict,
    /// The rules that allow it always or sometimes, by id.
    pub granted_by: Vec<(Uuid, Verdict)>,
    /// The rules that forbid it always or sometimes, by id.
    pub forbidden_by: Vec<(Uuid, Verdict)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Whatever the unknown attributes are.
    Always,
    /// Whatever the unknown attributes are.
    Never,
    /// When this condition holds, which reads unknown attributes only. It is one of our language.
    When(String),
}

impl<'a> Residues<'a> {
    /// `unknown` says of an attribute, by its name as in [`Facts::read`], whether it is unknown.
    #[must_use]
    pub fn new(
        rules: &'a RuleSet,
        facts: &'a dyn Facts,
        context: RequestContext,
        unknown: &'a dyn Fn(&str) -> bool,
    ) -> Residues<'a> {
        Residues { rules, facts, context, unknown }
    }

    /// What can be said of `action` on `entity`.
    pub fn residue(&mut self, entity: &Entity, action: Action) -> Residue {
        let is_open = self.rules.footprint().attributes().any(|name| (self.unknown)(name));
        let mut evaluator = Evaluator::new(self.rules, self.facts, self.context);
        let mut holding = |effect| {
            let candidates = self.rules.candidates(entity, action, self.context, effect);
            let mut holding: Vec<(Uuid, Verdict)> = Vec::new();
            for rule in candidates {
                let verdict = match is_open {
                    true => Verdict::When("true".to_owned()),
                    false => evaluator.as_question(entity, action, |evaluator| {
                        match evaluator.holds(rule.condition.clause(), Some(entity)) {
                            true => Verdict::Always,
                            false => Verdict::Never,
                        }
                    }),
                };
                if verdict != Verdict::Never {
                    holding.push((rule.id, verdict));
                }
            }
            holding.sort_by_key(|&(id, _)| id);
            holding.dedup();
            holding
        };
        let (granted_by, forbidden_by) = (holding(Effect::Allow), holding(Effect::Forbid));
        let verdict = if is_open && !granted_by.is_empty() {
            Verdict::When("true".to_owned())
        } else {
            let mut request = Request::new(self.rules, self.facts, self.context);
            match request.allows(entity, action) && !granted_by.is_empty() {
                true => Verdict::Always,
                false => Verdict::Never,
            }
        };
        Residue { verdict, granted_by, forbidden_by }
    }
}
