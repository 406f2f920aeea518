//! May this requester do this to that thing, and why.

use std::sync::{Arc, LazyLock};

use uuid::Uuid;

use crate::machine::Machine;
use crate::oracle::{self, Evaluator};
use crate::problem::Span;
use crate::{Action, Actions, Checked, Condition, Entity, Facts, RequestContext, RuleSet};

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

/// Decisions for one requester in one context, sharing what they find out on the way: for lists.
pub struct Request<'a> {
    machine: Machine<'a>,
}

/// Decides with reasons.
#[must_use]
pub fn decide(
    rules: &RuleSet,
    facts: &dyn Facts,
    context: RequestContext,
    entity: &Entity,
    action: Action,
) -> Decision {
    let mut machine = Machine::new(rules.arrangement(), facts, context);
    let [granted_by, forbidden_by] = machine.holding(entity, action);
    let outcome = match (granted_by.is_empty(), forbidden_by.is_empty()) {
        (_, false) => Outcome::Forbidden,
        (false, true) => Outcome::Allowed,
        (true, true) => Outcome::NoGrant,
    };
    let nearest = match granted_by.is_empty() {
        // Reasons take a look at every candidate as it was written.
        true => oracle::refusals(rules, facts, context, entity, action),
        false => Vec::new(),
    };
    Decision { outcome, granted_by, forbidden_by, nearest }
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

/// Whether a licence rule's condition holds for the requester. Licence rules are in force in the
/// hub.
#[must_use]
pub fn admits(condition: &Condition<Checked>, facts: &dyn Facts) -> bool {
    static NO_RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::default);
    Evaluator::new(&NO_RULES, facts, RequestContext::Hub).holds(condition.clause(), None)
}

impl<'a> Request<'a> {
    #[must_use]
    pub fn new(rules: &'a RuleSet, facts: &'a dyn Facts, context: RequestContext) -> Request<'a> {
        Request { machine: Machine::new(rules.arrangement(), facts, context) }
    }

    /// Whether the requester may do `action` to `entity`.
    pub fn allows(&mut self, entity: &Entity, action: Action) -> bool {
        !self.machine.granted(entity, action.into()).is_empty()
    }

    /// Everything the requester may do to `entity`.
    pub fn granted(&mut self, entity: &Entity) -> Actions {
        self.machine.granted(entity, Actions::ALL)
    }
}

impl Decision {
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }
}
