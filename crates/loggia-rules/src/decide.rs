//! May this requester do this to that thing, and why.

use std::sync::{Arc, LazyLock, OnceLock};

use uuid::Uuid;

use crate::audience::Sets;
use crate::evaluate::Evaluator;
use crate::problem::Span;
use crate::program::{Root, Step, Test};
use crate::property;
use crate::{
    Action, Actions, Checked, Condition, Context, Entity, Facts, RequestContext, ResourceFilter,
    ResourceKind, explain,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    Allow,
    /// Wins over every allowing rule.
    Forbid,
}

/// The enabled rules of one category, arranged for decisions.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    /// For each kind of resource the rules whose filters can match it, cheap conditions first.
    by_kind: Vec<Vec<usize>>,
    /// What evaluation over sets of requesters and things derives, when it is first asked for.
    sets: OnceLock<Arc<Sets>>,
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

/// Decisions for one requester in one context, sharing what they find out on the way: for lists.
pub struct Request<'a> {
    rules: &'a RuleSet,
    evaluator: Evaluator<'a>,
    context: RequestContext,
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
    let mut nearest = Vec::new();
    if granted_by.is_empty() {
        evaluator.as_question(entity, action, |evaluator| {
            for rule in rules.candidates(entity, action, context, Effect::Allow) {
                nearest.push(explain::refusal(evaluator, rule, entity));
            }
        });
        nearest.sort_by(|one: &Refusal, other| {
            (one.distance, &one.rule_name, one.rule, &one.clause).cmp(&(
                other.distance,
                &other.rule_name,
                other.rule,
                &other.clause,
            ))
        });
        nearest.dedup();
    }
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
        Request { rules, evaluator: Evaluator::new(rules, facts, context), context }
    }

    /// Whether the requester may do `action` to `entity`.
    pub fn allows(&mut self, entity: &Entity, action: Action) -> bool {
        self.evaluator.allows(entity, action)
    }

    /// Everything the requester may do to `entity`.
    pub fn granted(&mut self, entity: &Entity) -> Actions {
        let (allowed, forbidden) =
            (self.holding(entity, Effect::Allow), self.holding(entity, Effect::Forbid));
        allowed - forbidden
    }

    /// The actions for which some rule with this effect holds.
    fn holding(&mut self, entity: &Entity, effect: Effect) -> Actions {
        let (rules, context) = (self.rules, self.context);
        let (mut holding, mut open) = (Actions::NONE, Actions::NONE);
        for rule in rules.of(entity, context, effect) {
            if rule.condition.asks_rules() {
                open |= rule.actions;
            } else if !(rule.actions - holding).is_empty()
                && self.evaluator.holds(rule.condition.clause(), Some(entity))
            {
                holding |= rule.actions;
            }
        }
        // What the rules answer may depend on the action that they are asked for.
        for action in (open - holding).iter() {
            let mut asking = rules
                .candidates(entity, action, context, effect)
                .filter(|rule| rule.condition.asks_rules());
            let holds = self.evaluator.as_question(entity, action, |evaluator| {
                asking.any(|rule| evaluator.holds(rule.condition.clause(), Some(entity)))
            });
            if holds {
                holding |= action.into();
            }
        }
        holding
    }
}

impl RuleSet {
    /// Arranges the rules; their order never matters.
    #[must_use]
    pub fn new(mut rules: Vec<Rule>) -> RuleSet {
        rules.sort_by(|one, other| {
            let key = |rule: &Rule| (rule.condition.asks_rules(), rule.id, rule.actions.bits());
            let texts =
                |rule: &'_ Rule| (rule.filter.text().to_owned(), rule.condition.text().to_owned());
            key(one).cmp(&key(other)).then_with(|| texts(one).cmp(&texts(other)))
        });
        let by_kind = ResourceKind::ALL
            .iter()
            .map(|&kind| {
                let covers = |rule: &Rule| rule.filter.kinds().contains(kind);
                let matching = rules.iter().enumerate().filter(|(_, rule)| covers(rule));
                matching.map(|(index, _)| index).collect()
            })
            .collect();
        RuleSet { rules, by_kind, sets: OnceLock::new() }
    }

    pub(crate) fn sets(&self) -> &Arc<Sets> {
        self.sets.get_or_init(|| Arc::new(Sets::new(self)))
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Rules that can ask `HasPrivilege` within itself, by type of resource and action: whatever
    /// they ask there is answered *no*. For the rule editor.
    #[must_use]
    pub fn cyclic_rules(&self) -> Vec<Uuid> {
        let questions = self.questions();
        let mut cyclic: Vec<Uuid> = questions
            .iter()
            .filter(|question| leads_back(&questions, question))
            .map(|question| question.rule)
            .collect();
        cyclic.sort();
        cyclic.dedup();
        cyclic
    }

    /// The rules that speak of `action` on `entity` in this context.
    pub(crate) fn candidates<'r>(
        &'r self,
        entity: &'r Entity,
        action: Action,
        context: RequestContext,
        effect: Effect,
    ) -> impl Iterator<Item = &'r Rule> {
        self.of(entity, context, effect).filter(move |rule| rule.actions.contains(action))
    }

    fn of<'r>(
        &'r self,
        entity: &'r Entity,
        context: RequestContext,
        effect: Effect,
    ) -> impl Iterator<Item = &'r Rule> {
        let indexes = self.by_kind.get(entity.kind as usize).map_or(&[][..], Vec::as_slice);
        indexes
            .iter()
            .filter_map(|&index| self.rules.get(index))
            .filter(move |rule| rule.effect == effect && rule.context.covers(context))
            .filter(move |rule| rule.filter.matches(entity))
    }

    fn questions(&self) -> Vec<KindQuestion> {
        let mut questions = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.condition.asks_rules()) {
            rule.condition.clause().for_each_test(&mut |test| {
                let Test::HasPrivilege { path, action } = test else {
                    return;
                };
                debug_assert_eq!(path.root, Root::Resource, "checked: only resources have rights");
                for kind in rule.filter.kinds().iter() {
                    let targets = property::follow(kind, path.steps.iter().map(Step::name));
                    for target in targets.iter() {
                        for asked in rule.actions.iter() {
                            let (from, to) = ((kind, asked), (target, *action));
                            questions.push(KindQuestion { rule: rule.id, from, to });
                        }
                    }
                }
            });
        }
        questions
    }
}

/// To answer `from`, a rule asks for `to`.
struct KindQuestion {
    rule: Uuid,
    from: (ResourceKind, Action),
    to: (ResourceKind, Action),
}

fn leads_back(questions: &[KindQuestion], question: &KindQuestion) -> bool {
    let mut reached = vec![question.to];
    let mut next = 0;
    while let Some(&here) = reached.get(next) {
        if here == question.from {
            return true;
        }
        for further in questions.iter().filter(|further| further.from == here) {
            if !reached.contains(&further.to) {
                reached.push(further.to);
            }
        }
        next += 1;
    }
    false
}

impl Decision {
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }
}
