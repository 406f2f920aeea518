//! May this requester do this to that thing, and why.

use std::sync::Arc;

use uuid::Uuid;

use crate::problem::Span;
use crate::{
    Action, Actions, Checked, Condition, Context, Entity, Facts, RequestContext, ResourceFilter,
};

/// An enabled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub id: Uuid,
    pub name: Arc<str>,
    pub filter: ResourceFilter,
    pub actions: Actions,
    pub context: Context,
    pub effect: Effect,
    pub condition: Condition<Checked>,
}

/// What a rule does when its condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    Allow,
    /// Wins over every allowing rule.
    Forbid,
}

/// The enabled rules of one category, arranged for decisions.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
}

/// The answer with its reasons; *allowed* is a view of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub outcome: Outcome,
    /// Every rule that allows it, also when another forbids it.
    pub granted_by: Vec<Uuid>,
    pub forbidden_by: Vec<Uuid>,
    /// When no rule allows it: for each candidate rule the clause that stood in the way, the
    /// rule that came closest first.
    pub nearest: Vec<Refusal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Allowed,
    /// A forbidding rule holds.
    Forbidden,
    /// No rule allows it.
    NoGrant,
}

/// Why one candidate rule did not allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub rule: Uuid,
    pub rule_name: Arc<str>,
    /// The failing clause as written in the condition.
    pub clause: String,
    /// Where the clause stands in the condition.
    pub span: Span,
    /// The values it saw, such as `user.group: "sales", "hr"`. For administrators only.
    pub seen: Vec<String>,
    /// How many clauses would have to turn out otherwise for the rule to hold.
    pub distance: usize,
}

/// Decisions for one requester in one context, sharing what they find out on the way.
pub struct Request<'a> {
    rules: &'a RuleSet,
    facts: &'a dyn Facts,
    context: RequestContext,
}

impl RuleSet {
    /// Arranges the rules; their order never matters.
    #[must_use]
    pub fn new(rules: Vec<Rule>) -> RuleSet {
        RuleSet { rules }
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl Decision {
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }
}

impl<'a> Request<'a> {
    #[must_use]
    pub fn new(rules: &'a RuleSet, facts: &'a dyn Facts, context: RequestContext) -> Request<'a> {
        Request { rules, facts, context }
    }

    /// Whether the requester may do `action` to `entity`: [`decide`] without the reasons.
    pub fn allows(&mut self, entity: &Entity, action: Action) -> bool {
        decide(self.rules, self.facts, self.context, entity, action).is_allowed()
    }

    /// Everything the requester may do to `entity`.
    pub fn granted(&mut self, entity: &Entity) -> Actions {
        Action::ALL.into_iter().filter(|&action| self.allows(entity, action)).collect()
    }
}

/// Decides with reasons.
#[must_use]
pub fn decide(
    _rules: &RuleSet,
    _facts: &dyn Facts,
    _context: RequestContext,
    _entity: &Entity,
    _action: Action,
) -> Decision {
    Decision {
        outcome: Outcome::NoGrant,
        granted_by: Vec::new(),
        forbidden_by: Vec::new(),
        nearest: Vec::new(),
    }
}

/// Whether `action` on `entity` is allowed: [`decide`] without the reasons, and faster.
#[must_use]
pub fn allows(
    rules: &RuleSet,
    facts: &dyn Facts,
    context: RequestContext,
    entity: &Entity,
    action: Action,
) -> bool {
    Request::new(rules, facts, context).allows(entity, action)
}

/// Everything the requester may do to `entity`: what REST calls `privileges`.
#[must_use]
pub fn granted(
    rules: &RuleSet,
    facts: &dyn Facts,
    context: RequestContext,
    entity: &Entity,
) -> Actions {
    Request::new(rules, facts, context).granted(entity)
}

/// Whether a licence rule's condition holds for the requester.
#[must_use]
pub fn admits(_condition: &Condition<Checked>, _facts: &dyn Facts) -> bool {
    false
}
