//! The rules of a site, as texts and compiled.

use std::collections::HashMap;
use std::sync::Arc;

use loggia_model::entity::{LicencePool, RuleCategory, SystemRule};
use loggia_model::{PoolId, RuleId};
use loggia_rules::{
    Actions, Category, Checked, Condition, Context, Effect, Entity, Problem, ResourceFilter, Rule,
    RuleSet,
};

use super::SiteError;
use crate::record::pool_kind;
use crate::store::StoredRule;

/// All rules; the enabled ones compiled.
pub(super) struct RuleBook {
    pub(super) records: HashMap<RuleId, Arc<StoredRule>>,
    pub(super) security: RuleSet,
    pub(super) licence: HashMap<PoolId, Vec<(RuleId, Condition<Checked>)>>,
    pub(super) problems: HashMap<RuleId, RuleProblems>,
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
        records: HashMap<RuleId, Arc<StoredRule>>,
        pools: &HashMap<PoolId, Arc<LicencePool>>,
    ) -> Result<RuleBook, SiteError> {
        let mut security = Vec::new();
        let mut licence: HashMap<PoolId, Vec<(RuleId, Condition<Checked>)>> = HashMap::new();
        let mut problems = HashMap::new();
        for stored in records.values() {
            let record = &stored.rule;
            match compile_rule(record) {
                Ok(_) if record.is_disabled => {}
                Ok(rule) => match record.category {
                    RuleCategory::Security => security.push(rule),
                    RuleCategory::License if rule.context != Context::Console => {
                        for pool in pools.values() {
                            let entity = Entity::new(pool_kind(pool.kind), pool.id.0);
                            if rule.filter.matches(&entity) {
                                let entry = licence.entry(pool.id).or_default();
                                entry.push((record.id, rule.condition.clone()));
                            }
                        }
                    }
                    RuleCategory::License | RuleCategory::Sync => {}
                },
                Err(found) => {
                    if record.is_forbidding && !record.is_disabled {
                        return Err(SiteError::UnreadableForbid {
                            id: record.id,
                            name: record.name.clone(),
                            problem: found.first(),
                        });
                    }
                    if !record.is_disabled {
                        tracing::error!(
                            rule.id = %record.id,
                            "rule {:?} cannot be read and grants nothing: {}",
                            record.name,
                            found.first()
                        );
                    }
                    problems.insert(record.id, found);
                }
            }
        }
        // The same rules in the same order on every load: reasons must not depend on hashing.
        security.sort_by_key(|rule| rule.id);
        for conditions in licence.values_mut() {
            conditions.sort_by_key(|(rule, _)| *rule);
        }
        Ok(RuleBook { records, security: RuleSet::new(security), licence, problems })
    }
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
        Ok(condition) => Some(condition),
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
