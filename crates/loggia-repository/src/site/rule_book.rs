//! The rules of a site, as texts and compiled.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use loggia_model::entity::{LicencePool, RuleCategory, SystemRule};
use loggia_model::{PoolId, RuleId};
use loggia_rules::{
    Actions, Category, Checked, Condition, Context, Effect, Entity, KindSet, Problem,
    ResourceFilter, Rule, RuleSet,
};

use super::SiteError;
use super::table::Table;
use crate::record::pool_kind;
use crate::store::StoredRule;

/// All rules; the enabled ones compiled.
#[derive(Clone, Default)]
pub(super) struct RuleBook {
    pub(super) records: Table<RuleId, Arc<StoredRule>>,
    pub(super) security: RuleSet,
    pub(super) sync: RuleSet,
    pub(super) licence: HashMap<PoolId, Vec<(RuleId, Condition<Checked>)>>,
    /// The licence rules, in an order that is the same on every load.
    licence_rules: BTreeMap<RuleId, Arc<Rule>>,
    pub(super) problems: HashMap<RuleId, RuleProblems>,
}

/// Rules to put in (or, where there is none, to take out), the last word on each.
#[derive(Default)]
pub(super) struct RuleChanges(BTreeMap<RuleId, Option<Arc<StoredRule>>>);

/// What a change of rules may have changed for others.
pub(super) struct Touched {
    /// Whether a record is another, or one came or went.
    pub(super) records: bool,
    /// Kinds of things that a changed security rule speaks of.
    pub(super) security: KindSet,
    pub(super) licence: bool,
}

impl RuleChanges {
    pub(super) fn put(&mut self, rule: &StoredRule) {
        self.0.insert(rule.rule.id, Some(Arc::new(rule.clone())));
    }

    pub(super) fn delete(&mut self, id: RuleId) {
        self.0.insert(id, None);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Everything wrong with the texts of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleProblems {
    pub filter: Vec<Problem>,
    pub condition: Vec<Problem>,
    pub other: Vec<RuleProblem>,
}

/// A problem outside the two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleProblem {
    /// The mask has no bit, or one that is no action.
    Actions(u32),
    /// Not 0, 1 or 2.
    Context(u8),
}

impl RuleProblems {
    /// Whether the rule cannot be used.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !self.other.is_empty() || self.filter.iter().chain(&self.condition).any(Problem::is_error)
    }

    fn first(&self) -> String {
        let mut texts = self.filter.iter().chain(&self.condition).filter(|p| p.is_error());
        match (texts.next(), self.other.first()) {
            (Some(problem), _) => problem.to_string(),
            (None, Some(problem)) => format!("{problem:?}"),
            (None, None) => String::new(),
        }
    }
}

impl RuleBook {
    pub(super) fn compile(
        records: Vec<StoredRule>,
        pools: &Table<PoolId, Arc<LicencePool>>,
    ) -> Result<RuleBook, SiteError> {
        let mut changes = RuleChanges::default();
        for record in &records {
            changes.put(record);
        }
        RuleBook::default().after(changes, pools).map(|(book, _)| book)
    }

    pub(super) fn licence_rules(&self) -> RuleSet {
        RuleSet::new(self.licence_rules.values().cloned().collect())
    }

    /// The rules after some of them changed, or the pools; only the changed ones are compiled.
    pub(super) fn after(
        &self,
        changes: RuleChanges,
        pools: &Table<PoolId, Arc<LicencePool>>,
    ) -> Result<(RuleBook, Touched), SiteError> {
        let mut book = self.clone();
        let mut touched = Touched { records: false, security: KindSet::NONE, licence: false };
        let (mut security, mut sync) = (SetChanges::default(), SetChanges::default());
        for (id, stored) in changes.0 {
            let before = match &stored {
                Some(stored) => book.records.put(id, stored.clone()),
                None => book.records.remove(&id),
            };
            let (old, new) = (before.as_ref().map(|s| &s.rule), stored.as_ref().map(|s| &s.rule));
            if old == new {
                continue;
            }
            touched.records = true;
            if let (Some(old), Some(new)) = (old, new)
                && reads_the_same(old, new)
            {
                continue;
            }
            let is_other_decision = match (old, new) {
                (Some(old), Some(new)) => !decides_the_same(old, new),
                _ => true,
            };
            if let Some(old) = old.filter(|old| !old.is_disabled) {
                match old.category {
                    RuleCategory::Security => security.remove.push(id.0),
                    RuleCategory::Sync => sync.remove.push(id.0),
                    RuleCategory::License => {
                        touched.licence |= book.licence_rules.remove(&id).is_some();
                    }
                }
                if old.category == RuleCategory::Security && is_other_decision {
                    touched.security = touched.security.union(kinds_of(old));
                }
            }
            book.problems.remove(&id);
            let Some(new) = new else { continue };
            match compile_rule(new) {
                Ok(_) if new.is_disabled => {}
                Ok(rule) => match new.category {
                    RuleCategory::Security => {
                        if is_other_decision {
                            touched.security = touched.security.union(rule.filter.kinds());
                        }
                        security.put.push(rule);
                    }
                    RuleCategory::Sync => sync.put.push(rule),
                    RuleCategory::License if rule.context != Context::Console => {
                        book.licence_rules.insert(id, Arc::new(rule));
                        touched.licence = true;
                    }
                    RuleCategory::License => {}
                },
                Err(found) => {
                    refuse_forbid(new, &found)?;
                    book.problems.insert(id, found);
                }
            }
        }
        security.apply(&mut book.security);
        sync.apply(&mut book.sync);
        book.licence = by_pool(&book.licence_rules, pools);
        Ok((book, touched))
    }
}

/// Changes to one rule set.
#[derive(Default)]
struct SetChanges {
    put: Vec<Rule>,
    remove: Vec<uuid::Uuid>,
}

impl SetChanges {
    fn apply(self, rules: &mut RuleSet) {
        if self.put.is_empty() && self.remove.is_empty() {
            return;
        }
        *rules = rules.with(self.put, &self.remove);
    }
}

/// A rule that allows and cannot be read allows nothing, which is safe and logged; one that
/// forbids must not be passed over.
fn refuse_forbid(rule: &SystemRule, found: &RuleProblems) -> Result<(), SiteError> {
    if rule.is_disabled {
        return Ok(());
    }
    if rule.is_forbidding {
        return Err(SiteError::UnreadableForbid {
            id: rule.id,
            name: rule.name.clone(),
            problem: found.first(),
        });
    }
    tracing::error!(
        rule.id = %rule.id,
        "rule {:?} cannot be read and grants nothing: {}",
        rule.name,
        found.first()
    );
    Ok(())
}

/// Whether the compiled rules are the same: tags, comments and stamps are not in them.
fn reads_the_same(one: &SystemRule, other: &SystemRule) -> bool {
    one.name == other.name && decides_the_same(one, other)
}

/// Whether every decision is the same with either of the two, reasons aside.
fn decides_the_same(one: &SystemRule, other: &SystemRule) -> bool {
    (one.category, one.actions, one.context, one.is_forbidding, one.is_disabled)
        == (other.category, other.actions, other.context, other.is_forbidding, other.is_disabled)
        && one.condition == other.condition
        && one.resource_filter == other.resource_filter
}

fn kinds_of(rule: &SystemRule) -> KindSet {
    ResourceFilter::parse(&rule.resource_filter).0.map_or(KindSet::NONE, |filter| filter.kinds())
}

fn by_pool(
    rules: &BTreeMap<RuleId, Arc<Rule>>,
    pools: &Table<PoolId, Arc<LicencePool>>,
) -> HashMap<PoolId, Vec<(RuleId, Condition<Checked>)>> {
    let mut licence: HashMap<PoolId, Vec<_>> = HashMap::new();
    for pool in pools.values() {
        let entity = Entity::new(pool_kind(pool.kind), pool.id.0);
        let naming = rules.iter().filter(|(_, rule)| rule.filter.matches(&entity));
        let conditions: Vec<_> = naming.map(|(id, rule)| (*id, rule.condition.clone())).collect();
        if !conditions.is_empty() {
            licence.insert(pool.id, conditions);
        }
    }
    licence
}

/// Compiles a stored rule, or tells everything that is wrong with it.
pub fn compile_rule(record: &SystemRule) -> Result<Rule, RuleProblems> {
    let category = match record.category {
        RuleCategory::Security => Category::Security,
        RuleCategory::License => Category::License,
        RuleCategory::Sync => Category::Sync,
    };
    let mut problems = RuleProblems::default();
    let (filter, filter_problems) = ResourceFilter::parse(&record.resource_filter);
    problems.filter = filter_problems;
    // A broken filter must not hide what is wrong with the condition.
    let everything = ResourceFilter::everything();
    let condition = match Condition::compile_for(
        &record.condition,
        category,
        filter.as_ref().unwrap_or(&everything),
    ) {
        Ok(condition) => {
            problems.condition = condition.warnings().to_vec();
            Some(condition)
        }
        Err(found) => {
            problems.condition = found;
            None
        }
    };
    let actions = Actions::from_bits(record.actions).filter(|actions| !actions.is_empty());
    if actions.is_none() {
        problems.other.push(RuleProblem::Actions(record.actions));
    }
    let context = Context::from_number(record.context);
    if context.is_none() {
        problems.other.push(RuleProblem::Context(record.context));
    }
    match (filter, condition, actions, context) {
        (Some(filter), Some(condition), Some(actions), Some(context)) => Ok(Rule {
            id: record.id.0,
            name: record.name.as_str().into(),
            filter,
            actions,
            context,
            effect: if record.is_forbidding { Effect::Forbid } else { Effect::Allow },
            condition,
        }),
        _ => Err(problems),
    }
}
