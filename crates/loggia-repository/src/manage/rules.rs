//! Security, licence and load-balancing rules.

use std::sync::Arc;

use loggia_model::entity::{PoolKind, RuleCategory, RuleOrigin, Stamp, SystemRule};
use loggia_model::{Caller, Moment, RuleId};
use loggia_rules::{Action, KindSet, ResourceKind, Rule};
use uuid::Uuid;

use super::{Conflict, ManageError, Problems, Saved, Violation, refuse_stale, rule_lints, set};
use crate::Repository;
use crate::record::{Record, pool_kind};
use crate::site::{RuleProblem, RuleProblems, Site, compile_rule};
use crate::store::{Change, StoredRule};

/// What a request says about a rule; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct RuleEdit {
    pub category: Option<RuleCategory>,
    pub name: Option<String>,
    pub comment: Option<String>,
    pub condition: Option<String>,
    pub resource_filter: Option<String>,
    pub actions: Option<u32>,
    pub context: Option<u8>,
    pub is_forbidding: Option<bool>,
    pub is_disabled: Option<bool>,
    pub tags: Option<Vec<String>>,
}

impl Repository {
    /// The rules the caller may read, by name.
    pub fn rules(&self, caller: &Caller) -> Result<Vec<SystemRule>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let mut rules = guard.readable(site.rules(), |rule| Record::Rule(rule).entity());
        rules.sort_by_cached_key(|rule| (rule.name.to_lowercase(), rule.id));
        Ok(rules.into_iter().cloned().collect())
    }

    /// One rule.
    pub fn rule(&self, caller: &Caller, id: RuleId) -> Result<SystemRule, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let rule = site.rule(id).ok_or_else(|| guard.unknown("rule", Some(id.0)))?;
        guard.visible(Record::Rule(rule))?;
        Ok(rule.clone())
    }

    /// What is wrong with a proposed rule, and what is worth a look; stores nothing. With the id
    /// of a rule that exists, it is proposed in its place. A name is not needed yet. Only who could
    /// make such a rule, or may read the console's section of rules, is answered.
    pub fn check_rule(
        &self,
        caller: &Caller,
        id: Option<RuleId>,
        edit: RuleEdit,
    ) -> Result<Vec<Violation>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let is_named = edit.name.is_some();
        let mut rule = blank(id.unwrap_or(RuleId(Uuid::nil())), guard.stamp());
        apply(&mut rule, edit);
        let section: Arc<str> = "QmcSection_SystemRule".into();
        let sees_section = guard.decide(Record::Transient(&section), Action::Read).is_allowed();
        if !sees_section && !rule_lints::may_make(&guard, &rule) {
            let decision = guard.decide_new(Record::Rule(&rule), Action::Create);
            return Err(guard.denied(Record::Rule(&rule), Action::Create, &decision));
        }
        if !is_named {
            rule.name = UNNAMED.to_owned();
        }
        let (compiled, problems) = examine(&rule);
        let mut found = problems.into_list();
        match compiled {
            Some(compiled) => found.extend(rule_lints::look(&guard, &rule, &compiled)),
            None => found.extend(rule_lints::look_without_actions(&guard, &rule, &found)),
        }
        Ok(found)
    }

    /// Makes a rule; it is in force at once unless it is disabled.
    pub fn create_rule(
        &self,
        caller: &Caller,
        id: Option<RuleId>,
        edit: RuleEdit,
    ) -> Result<Saved<SystemRule>, ManageError> {
        let id = id.unwrap_or_else(|| RuleId(Uuid::new_v4()));
        self.refuse_early(caller, blank(id, NO_STAMP), &edit)?;
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let mut rule = blank(id, guard.stamp());
            apply(&mut rule, edit.clone());
            guard.require_create(Record::Rule(&rule))?;
            if site.rule(id).is_some() {
                return Err(Conflict::Duplicate { what: format!("the id {id}") }.into());
            }
            let straightened = rule_lints::straighten(&mut rule);
            let compiled = check(&rule)?;
            let mut warnings = rule_lints::look(&guard, &rule, &compiled);
            warnings.extend(straightened);
            let stored = StoredRule { rule: rule.clone(), seed_version: 0 };
            Ok((vec![Change::PutRule(stored)], Saved { value: rule, warnings }))
        })
    }

    /// Changes a rule. A shipped one becomes Custom and is never raised again by an upgrade;
    /// an essential one is refused.
    pub fn update_rule(
        &self,
        caller: &Caller,
        id: RuleId,
        basis: Option<Moment>,
        edit: RuleEdit,
    ) -> Result<Saved<SystemRule>, ManageError> {
        let before = self.site().rule(id).cloned();
        let is_open = |before: &SystemRule| {
            refuse_read_only(before).is_ok() && refuse_stale(basis, &before.stamp).is_ok()
        };
        if let Some(before) = before.filter(is_open) {
            self.refuse_early(caller, before, &edit)?;
        }
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let stored = site.stored_rule(id).ok_or_else(|| guard.unknown("rule", Some(id.0)))?;
            let before = &stored.rule;
            let mut rule = before.clone();
            apply(&mut rule, edit.clone());
            guard.require_change(Record::Rule(before), Record::Rule(&rule), Action::Update)?;
            refuse_read_only(before)?;
            refuse_stale(basis, &before.stamp)?;
            let straightened = rule_lints::straighten(&mut rule);
            let compiled = check(&rule)?;
            let mut warnings = rule_lints::look(&guard, &rule, &compiled);
            warnings.extend(straightened);
            if is_other_rule(before, &rule) {
                rule.origin = RuleOrigin::Custom;
            }
            rule.stamp = guard.restamp(&before.stamp);
            let stored = StoredRule { rule: rule.clone(), seed_version: stored.seed_version };
            Ok((vec![Change::PutRule(stored)], Saved { value: rule, warnings }))
        })
    }

    /// Refuses what cannot be saved before others have to wait for it: conditions take a while to
    /// compile. Whether the caller may save it is decided later; who may not learns nothing here.
    fn refuse_early(
        &self,
        caller: &Caller,
        mut rule: SystemRule,
        edit: &RuleEdit,
    ) -> Result<(), ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let before = site.rule(rule.id);
        apply(&mut rule, edit.clone());
        let is_allowed = match before {
            None => guard.decide_new(Record::Rule(&rule), Action::Create).is_allowed(),
            Some(before) => {
                let may = |action| guard.decide(Record::Rule(before), action).is_allowed();
                may(Action::Read)
                    && may(Action::Update)
                    && guard.decide_draft(Record::Rule(&rule), Action::Update).is_allowed()
            }
        };
        if is_allowed {
            rule_lints::straighten(&mut rule);
            check(&rule)?;
        }
        Ok(())
    }

    /// Deletes a rule; what it granted is gone at once. One that gave seats is refused, see
    /// [`Repository::delete_rule_with`].
    pub fn delete_rule(&self, caller: &Caller, id: RuleId) -> Result<(), ManageError> {
        self.delete_rule_with(caller, id, None)
    }
}

/// The rule as it would be saved, over the one with this id if there is one; every problem of it
/// otherwise. A name is not needed to try one out.
pub(crate) fn drafted(
    site: &Site,
    id: Option<RuleId>,
    edit: RuleEdit,
) -> Result<(SystemRule, Rule), ManageError> {
    let mut rule = match id.and_then(|id| site.rule(id)) {
        Some(rule) => rule.clone(),
        None => blank(id.unwrap_or(RuleId(Uuid::nil())), NO_STAMP),
    };
    apply(&mut rule, edit);
    if rule.name.trim().is_empty() {
        rule.name = UNNAMED.to_owned();
    }
    let compiled = check(&rule)?;
    Ok((rule, compiled))
}

/// The stamp of what nobody has saved.
const NO_STAMP: Stamp =
    Stamp { created: Moment::NEVER, modified: Moment::NEVER, modified_by: String::new() };

/// What a rule is called that has no name yet.
const UNNAMED: &str = "Unsaved rule";

pub(crate) fn blank(id: RuleId, stamp: Stamp) -> SystemRule {
    SystemRule {
        id,
        category: RuleCategory::Security,
        origin: RuleOrigin::Custom,
        name: String::new(),
        comment: String::new(),
        condition: String::new(),
        resource_filter: String::new(),
        actions: 0,
        context: 0,
        is_forbidding: false,
        is_disabled: false,
        seed: None,
        tags: Vec::new(),
        stamp,
    }
}

pub(super) fn apply(rule: &mut SystemRule, edit: RuleEdit) {
    set(&mut rule.category, edit.category);
    set(&mut rule.name, edit.name);
    set(&mut rule.comment, edit.comment);
    set(&mut rule.condition, edit.condition);
    set(&mut rule.resource_filter, edit.resource_filter);
    set(&mut rule.actions, edit.actions);
    set(&mut rule.context, edit.context);
    set(&mut rule.is_forbidding, edit.is_forbidding);
    set(&mut rule.is_disabled, edit.is_disabled);
    set(&mut rule.tags, edit.tags);
}

/// Whether the change goes beyond switching the rule on or off and tagging it.
fn is_other_rule(before: &SystemRule, after: &SystemRule) -> bool {
    let same = SystemRule {
        is_disabled: before.is_disabled,
        tags: before.tags.clone(),
        stamp: before.stamp.clone(),
        ..after.clone()
    };
    same != *before
}

pub(super) fn refuse_read_only(rule: &SystemRule) -> Result<(), ManageError> {
    if rule.origin == RuleOrigin::ReadOnly {
        let why = format!("{:?} is essential: it is neither edited nor deleted", rule.name);
        return Err(Conflict::Protected { why }.into());
    }
    Ok(())
}

/// Every problem of a rule at once, or the rule ready to be looked at further.
pub(super) fn check(rule: &SystemRule) -> Result<Rule, ManageError> {
    match examine(rule) {
        (Some(compiled), problems) => problems.finish().map(|()| compiled),
        (None, problems) => Err(problems.into_error()),
    }
}

/// Every problem of a rule, and the rule, if its texts can be used.
fn examine(rule: &SystemRule) -> (Option<Rule>, Problems) {
    let mut problems = Problems::default();
    problems.text("name", &rule.name, true);
    problems.text("comment", &rule.comment, false);
    match compile_rule(rule) {
        Ok(compiled) => {
            let kinds = compiled.filter.kinds();
            match rule.category {
                RuleCategory::License => check_licence(rule, kinds, &mut problems),
                RuleCategory::Sync => check_sync(rule, kinds, &mut problems),
                RuleCategory::Security => {}
            }
            (Some(compiled), problems)
        }
        Err(found) => {
            add_all(&found, &mut problems);
            (None, problems)
        }
    }
}

fn check_licence(rule: &SystemRule, kinds: KindSet, problems: &mut Problems) {
    let pools: KindSet = POOL_KINDS.iter().map(|&kind| pool_kind(kind)).collect();
    let mut add = |code, place, message| problems.push(Violation::new(place, message).coded(code));
    if kinds.intersection(pools).is_empty() {
        let message = "a licence rule names a pool, such as License.AnalyzerTimeAccessType_<id of \
                       the pool>";
        add("rule-licence-no-pool", "resourceFilter", message);
    }
    if rule.is_forbidding {
        add("rule-licence-forbids", "isForbidding", "a licence rule admits; it cannot forbid");
    }
    if rule.actions != Action::Create.bit() {
        let message = "a licence rule has the one action allow access, which is 1";
        add("rule-licence-actions", "actions", message);
    }
    if rule.context == 2 {
        let message = "licences are drawn in the hub; use 1, or 0 for both";
        add("rule-licence-context", "ruleContext", message);
    }
}

fn check_sync(rule: &SystemRule, kinds: KindSet, problems: &mut Problems) {
    let mut add = |code, place, message| problems.push(Violation::new(place, message).coded(code));
    if !kinds.contains(ResourceKind::App) {
        let message = "a load-balancing rule names apps, such as App_*";
        add("rule-balancing-no-app", "resourceFilter", message);
    }
    if rule.actions != Action::Create.bit() {
        let message = "a load-balancing rule has the one action load balancing, which is 1";
        add("rule-balancing-actions", "actions", message);
    }
    if rule.context == 2 {
        let message = "apps are opened in the hub; use 1, or 0 for both";
        add("rule-balancing-context", "ruleContext", message);
    }
}

/// Every kind of pool.
pub(crate) const POOL_KINDS: [PoolKind; 5] = [
    PoolKind::Professional,
    PoolKind::Analyzer,
    PoolKind::UserAccess,
    PoolKind::LoginAccess,
    PoolKind::AnalyzerCapacity,
];

fn add_all(found: &RuleProblems, problems: &mut Problems) {
    for problem in &found.filter {
        problems.push(rule_lints::violation("resourceFilter", problem));
    }
    for problem in &found.condition {
        problems.push(rule_lints::violation("rule", problem));
    }
    for problem in &found.other {
        let (code, place, message) = match problem {
            RuleProblem::Actions(0) => {
                ("rule-no-action", "actions", "at least one action is needed".to_owned())
            }
            RuleProblem::Actions(bits) => {
                ("rule-no-such-action", "actions", format!("{bits} has bits that are no action"))
            }
            RuleProblem::Context(number) => {
                ("rule-no-such-context", "ruleContext", format!("{number} is none of 0, 1 and 2"))
            }
        };
        problems.push(Violation::new(place, message).coded(code));
    }
}

/// Rules of the site as records, for places that look for one by its pool.
pub(crate) fn naming_pool(site: &Site, kind: ResourceKind, id: Uuid) -> Vec<Arc<str>> {
    let name = format!("{kind}_{id}").to_lowercase();
    site.rules()
        .filter(|rule| rule.category == RuleCategory::License)
        .filter(|rule| rule.resource_filter.to_lowercase().contains(&name))
        .map(|rule| rule.name.as_str().into())
        .collect()
}
