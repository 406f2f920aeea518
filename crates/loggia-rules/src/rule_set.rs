//! The rules in force, arranged for decisions.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use crate::audience::Sets;
use crate::web::Web;
use crate::{
    Action, Actions, Checked, Condition, Context, Entity, RequestContext, ResourceFilter,
    ResourceKind,
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

/// The enabled rules of one category, arranged for decisions. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// By id.
    rules: Arc<[Arc<Rule>]>,
    /// Which questions lead to which.
    web: Arc<Web>,
    /// What evaluation over sets of requesters and things derives, when it is first asked for.
    sets: Arc<OnceLock<Arc<Sets>>>,
}

impl RuleSet {
    /// Arranges the rules; their order and repetition never matter.
    #[must_use]
    pub fn new<R: Into<Arc<Rule>>>(rules: Vec<R>) -> RuleSet {
        let mut rules: Vec<Arc<Rule>> = rules.into_iter().map(Into::into).collect();
        rules.sort_by(|one, other| compare(one, other));
        let web = Arc::new(Web::of(&rules));
        RuleSet { rules: rules.into(), web, sets: Arc::default() }
    }

    /// The set after some rules were put, in place of those with their ids, and some taken out.
    /// What does not change is shared with this set.
    #[must_use]
    pub fn with(&self, put: Vec<Rule>, remove: &[Uuid]) -> RuleSet {
        let gone: HashSet<Uuid> =
            remove.iter().copied().chain(put.iter().map(|rule| rule.id)).collect();
        let kept = self.rules.iter().filter(|rule| !gone.contains(&rule.id)).cloned();
        RuleSet::new(kept.chain(put.into_iter().map(Arc::new)).collect())
    }

    /// The rules, by id.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Rules that can ask `HasPrivilege` within itself, by type of resource and action: whatever
    /// they ask there is answered *no*. For the rule editor.
    #[must_use]
    pub fn cyclic_rules(&self) -> Vec<Uuid> {
        let mut cyclic: Vec<Uuid> = self
            .rules
            .iter()
            .filter(|rule| self.web.ties_a_knot(rule))
            .map(|rule| rule.id)
            .collect();
        cyclic.dedup();
        cyclic
    }

    /// Whether no question that `action` on a thing of this kind leads to can lead back to itself
    /// or too deep, so that `HasPrivilege` is never cut short.
    #[allow(dead_code, reason = "compiled evaluation is next to use it")]
    pub(crate) fn is_simple(&self, kind: ResourceKind, action: Action) -> bool {
        self.web.is_simple(kind, action)
    }

    pub(crate) fn sets(&self) -> &Arc<Sets> {
        self.sets.get_or_init(|| Arc::new(Sets::new(self)))
    }

    pub(crate) fn web(&self) -> &Web {
        &self.web
    }

    /// The rules that speak of `action` on `entity` in this context.
    pub(crate) fn candidates<'r>(
        &'r self,
        entity: &'r Entity,
        action: Action,
        context: RequestContext,
        effect: Effect,
    ) -> impl Iterator<Item = &'r Arc<Rule>> {
        self.rules
            .iter()
            .filter(move |rule| rule.effect == effect && rule.context.covers(context))
            .filter(move |rule| rule.actions.contains(action) && rule.filter.matches(entity))
    }

    /// About how many bytes the rules and their arrangement take, without the texts that they
    /// share with others.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.rules.iter().map(|rule| size_of::<Rule>() + rule.condition.text().len()).sum()
    }
}

/// An order that depends on nothing but what the rules say.
fn compare(one: &Rule, other: &Rule) -> std::cmp::Ordering {
    let key = |rule: &Rule| (rule.id, rule.effect, rule.context.number(), rule.actions.bits());
    key(one)
        .cmp(&key(other))
        .then_with(|| one.filter.text().cmp(other.filter.text()))
        .then_with(|| one.condition.text().cmp(other.condition.text()))
}
