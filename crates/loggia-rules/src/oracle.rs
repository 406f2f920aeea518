//! The straightforward evaluator: the reference that every faster way must agree with.
//!
//! It looks at all rules, one after the other, and evaluates their conditions as they are written.
//! Nothing here is arranged, indexed or simplified in advance. Tests compare with it, reasons for
//! refusals come from it, and it answers the questions that [`RuleSet`] finds to be entangled.
//!
//! # What `HasPrivilege` answers
//!
//! It asks the rules again, about another thing or another action. Which questions can lead to
//! which is known from the rules alone: every rule leads from the types of its filter and its
//! actions to the types at the ends of its paths and the actions it asks for. The answer is *no*
//!
//! - for a question that is asked within itself: the same action on the same thing;
//! - for a question that would be the ninth within others;
//! - in a *knot*, which is a group of types and actions that lead back to each other: for a
//!   question that is asked within more than so many others of its knot. That number is eight, or
//!   as much less as it takes for no question to start more than 1,024 chains of different
//!   questions through its knot, where a relation to many counts as 30 things. Ordinary knots, such
//!   as rights to one thing that ask for each other in a ring, have all eight; a knot of all
//!   thirteen actions, each asking for each, has room for two, and so have objects that ask for the
//!   sheets that they are on.
//!
//! So the answer is a matter of the rules and the facts. Neither the order of rules, nor their
//! repetition, nor what was asked before can change it, and rules outside of knots are never cut
//! short but for depth.

mod evaluator;

pub(crate) use evaluator::{Evaluator, Value, pair_holds};

use uuid::Uuid;

use crate::{
    Action, Actions, Decision, Effect, Entity, Facts, Outcome, Refusal, RequestContext, RuleSet,
    explain,
};

/// Decides with reasons.
#[must_use]
pub fn decide(
    rules: &RuleSet,
    facts: &dyn Facts,
    context: RequestContext,
    entity: &Entity,
    action: Action,
) -> Decision {
    let mut evaluator = Evaluator::new(rules, facts, context);
    let mut holding = |effect| -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = evaluator.as_question(entity, action, |evaluator| {
            rules
                .candidates(entity, action, context, effect)
                .filter(|rule| evaluator.holds(rule.condition.clause(), Some(entity)))
                .map(|rule| rule.id)
                .collect()
        });
        ids.sort();
        ids.dedup();
        ids
    };
    let (granted_by, forbidden_by) = (holding(Effect::Allow), holding(Effect::Forbid));
    let outcome = match (granted_by.is_empty(), forbidden_by.is_empty()) {
        (_, false) => Outcome::Forbidden,
        (false, true) => Outcome::Allowed,
        (true, true) => Outcome::NoGrant,
    };
    let nearest = match granted_by.is_empty() {
        true => nearest(&mut evaluator, rules, entity, action, context),
        false => Vec::new(),
    };
    Decision { outcome, granted_by, forbidden_by, nearest }
}

/// For each rule that speaks of `action` on `entity` and does not allow it, what stood in the way;
/// the rule that came closest first.
fn nearest(
    evaluator: &mut Evaluator<'_>,
    rules: &RuleSet,
    entity: &Entity,
    action: Action,
    context: RequestContext,
) -> Vec<Refusal> {
    let mut nearest: Vec<Refusal> = evaluator.as_question(entity, action, |evaluator| {
        let candidates = rules.candidates(entity, action, context, Effect::Allow);
        candidates.map(|rule| explain::refusal(evaluator, rule, entity)).collect()
    });
    nearest.sort_by(|one, other| {
        (one.distance, &one.rule_name, one.rule, &one.clause).cmp(&(
            other.distance,
            &other.rule_name,
            other.rule,
            &other.clause,
        ))
    });
    nearest.dedup();
    nearest
}

/// [`nearest`] by itself, for a decision that is known to be a refusal.
pub(crate) fn refusals(
    rules: &RuleSet,
    facts: &dyn Facts,
    context: RequestContext,
    entity: &Entity,
    action: Action,
) -> Vec<Refusal> {
    nearest(&mut Evaluator::new(rules, facts, context), rules, entity, action, context)
}

/// Whether `action` on `entity` is allowed.
#[must_use]
pub fn allows(
    rules: &RuleSet,
    facts: &dyn Facts,
    context: RequestContext,
    entity: &Entity,
    action: Action,
) -> bool {
    Evaluator::new(rules, facts, context).allows(entity, action)
}

/// Everything the requester may do to `entity`.
#[must_use]
pub fn granted(
    rules: &RuleSet,
    facts: &dyn Facts,
    context: RequestContext,
    entity: &Entity,
) -> Actions {
    let mut evaluator = Evaluator::new(rules, facts, context);
    Action::ALL.into_iter().filter(|&action| evaluator.allows(entity, action)).collect()
}
