//! Who may draw on a pool? Licence rules by the pool they are for, the switch that lets visitors
//! in, and the seats that a rule gave, which outlive it unless somebody decides otherwise.

use std::sync::Arc;

use loggia_licence::{HolderKey, MeterKey, Seat, SeatRecord, is_named};
use loggia_model::entity::{LicencePool, RuleCategory, SystemRule};
use loggia_model::{Caller, Environment, PoolId, RuleId, UserId, VisitorId};
use loggia_rules::{Action, Entity, Rule, admits};
use uuid::Uuid;

use super::rules::{RuleEdit, apply, blank, check, refuse_read_only};
use super::{Conflict, ManageError, Saved, Violation};
use crate::Repository;
use crate::facts::SiteFacts;
use crate::guard::Guard;
use crate::record::{Record, pool_kind};
use crate::site::{Site, compile_rule};
use crate::store::{Change, StoredRule};

/// What becomes of the seats that a rule gave when the rule is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocations {
    /// Whoever has a seat keeps it.
    Keep,
    /// They are taken away, with the quarantine that is usual there.
    Release,
}

/// A seat that a rule gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenSeat {
    pub pool: PoolId,
    pub pool_name: String,
    pub user: Option<UserId>,
    /// `DIRECTORY\id`
    pub principal: String,
}

/// Whether visitors may draw on a pool, and by which rules.
#[derive(Clone, Debug)]
pub struct PoolVisitors {
    pub pool: Arc<LicencePool>,
    pub are_admitted: bool,
    /// The rule of the switch, in force or not; none where it was never on.
    pub switch: Option<SystemRule>,
    /// Other rules that admit a visitor, of those that the caller may read.
    pub others: Vec<String>,
}

/// A pool and some of its seats.
type SeatsOfPool = (Arc<LicencePool>, Vec<(MeterKey, SeatRecord)>);

/// What lets every visitor in, and nobody else.
const VISITORS: &str = "user.IsAnonymous()";

impl Repository {
    /// Whether visitors may draw on the pool.
    pub fn pool_visitors(&self, caller: &Caller, id: PoolId) -> Result<PoolVisitors, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let pool = site.pool(id).ok_or_else(|| guard.unknown("licence pool", Some(id.0)))?;
        guard.visible(Record::Pool(pool))?;
        Ok(visitors_of(&guard, &site, pool))
    }

    /// Lets visitors draw on a shared pool, by a rule that anybody can read, or switches that rule
    /// off. Other rules are left alone; if one of them still admits visitors, a warning says so.
    pub fn set_pool_visitors(
        &self,
        caller: &Caller,
        id: PoolId,
        on: bool,
    ) -> Result<Saved<PoolVisitors>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let pool = site.pool(id).ok_or_else(|| guard.unknown("licence pool", Some(id.0)))?;
            guard.visible(Record::Pool(pool))?;
            if on && is_named(pool.kind) {
                let message = "a seat belongs to one person who comes back, and a visitor is \
                               another one at every visit; let visitors draw on a pool of login \
                               access or analyzer capacity instead";
                let problem = Violation::new("visitors", message).coded(VISITORS_SEAT);
                return Err(ManageError::Invalid(vec![problem]));
            }
            let changes = match (switch_of(site, pool), on) {
                (Some(rule), on) if rule.is_disabled == on => {
                    let mut after = rule.clone();
                    after.is_disabled = !on;
                    let (old, new) = (Record::Rule(rule), Record::Rule(&after));
                    guard.require_change(old, new, Action::Update)?;
                    refuse_read_only(rule)?;
                    after.stamp = guard.restamp(&rule.stamp);
                    let seed_version =
                        site.stored_rule(rule.id).map_or(0, |stored| stored.seed_version);
                    vec![Change::PutRule(StoredRule { rule: after, seed_version })]
                }
                (None, true) => {
                    let rule = visitors_rule(&guard, pool);
                    guard.require_create(Record::Rule(&rule))?;
                    check(&rule)?;
                    vec![Change::PutRule(StoredRule { rule, seed_version: 0 })]
                }
                _ => Vec::new(),
            };
            let next = site.after(site.version() + 1, &changes)?;
            let value = visitors_of(&guard, &next, pool);
            let mut warnings = Vec::new();
            if !on && value.are_admitted {
                let by = match value.others.as_slice() {
                    [] => "another rule".to_owned(),
                    names => names.join(", "),
                };
                let message = format!("visitors are still admitted, by {by}");
                warnings.push(Violation::warning("visitors", message));
            }
            Ok((changes, Saved { value, warnings }))
        })
    }

    /// Makes a licence rule for a pool: only who it admits has to be said.
    pub fn create_pool_rule(
        &self,
        caller: &Caller,
        id: PoolId,
        edit: RuleEdit,
    ) -> Result<Saved<SystemRule>, ManageError> {
        let pool = self.pool(caller, id)?;
        let named = edit.name.clone().filter(|name| !name.trim().is_empty());
        self.create_rule(
            caller,
            None,
            RuleEdit {
                category: Some(RuleCategory::License),
                resource_filter: Some(filter_of(&pool)),
                actions: Some(Action::Create.bit()),
                context: Some(edit.context.unwrap_or(1)),
                name: Some(named.unwrap_or_else(|| generated_name(&pool, "Allow access"))),
                ..edit
            },
        )
    }

    /// The licence rules that name a pool, of those that the caller may read, by name.
    pub fn pool_rules(&self, caller: &Caller, id: PoolId) -> Result<Vec<SystemRule>, ManageError> {
        let pool = self.pool(caller, id)?;
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let rules = site.rules().filter(|rule| names(rule, &pool));
        let mut rules = guard.readable(rules, |rule| Record::Rule(rule).entity());
        rules.sort_by_cached_key(|rule| (rule.name.to_lowercase(), rule.id));
        Ok(rules.into_iter().cloned().collect())
    }

    /// Deletes a rule. A licence rule that gave seats is deleted only once it is said what becomes
    /// of them.
    pub fn delete_rule_with(
        &self,
        caller: &Caller,
        id: RuleId,
        allocations: Option<Allocations>,
    ) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let rule = site.rule(id).ok_or_else(|| guard.unknown("rule", Some(id.0)))?;
            guard.require(Record::Rule(rule), Action::Delete)?;
            refuse_read_only(rule)?;
            let mut changes = Vec::new();
            if rule.category == RuleCategory::License && allocations != Some(Allocations::Keep) {
                let given = self.given_by(site, &guard, rule)?;
                match allocations {
                    None if given.iter().any(|(_, seats)| !seats.is_empty()) => {
                        return Err(Conflict::Allocated { seats: told(site, &given) }.into());
                    }
                    None | Some(Allocations::Keep) => {}
                    Some(Allocations::Release) => {
                        let reason = format!("the rule {:?} that gave it was deleted", rule.name);
                        for (pool, seats) in &given {
                            // What the rule gave can be taken away by whoever may change the pool.
                            guard.require(Record::Pool(pool), Action::Update)?;
                            let is_given = |meter: &MeterKey| seats.iter().any(|s| s.0 == *meter);
                            changes.extend(self.take_away_where(&guard, pool, &reason, is_given)?);
                        }
                    }
                }
            }
            changes.push(Change::DeleteRule(id));
            Ok((changes, ()))
        })
    }

    /// The seats that a rule gave and no other rule would: who holds one by a rule, whom this one
    /// admits, and whom no other enabled rule of the pool does. People are looked at as they are
    /// known now, without what their sessions brought along.
    fn given_by(
        &self,
        site: &Site,
        guard: &Guard<'_>,
        rule: &SystemRule,
    ) -> Result<Vec<SeatsOfPool>, ManageError> {
        let Ok(compiled) = compile_rule(rule) else { return Ok(Vec::new()) };
        let now = guard.now();
        let mut given = Vec::new();
        for pool in site.pools().filter(|pool| is_named(pool.kind) && filters(&compiled, pool)) {
            let others: Vec<_> = site
                .licence_conditions(pool.id)
                .iter()
                .filter(|(other, _)| *other != rule.id)
                .collect();
            let is_given = |meter: &MeterKey, record: &SeatRecord| {
                if record.at(now) != Seat::Held || !record.by_rule {
                    return false;
                }
                let user = meter.holder.user().and_then(|id| site.user(id));
                let Some(user) = user else { return others.is_empty() };
                let caller = Caller::user(user.id, user.key.clone(), Environment::default());
                let facts = SiteFacts::new(site, &caller);
                let is_admitted = others.is_empty() || admits(&compiled.condition, &facts);
                is_admitted && !others.iter().any(|(_, other)| admits(other, &facts))
            };
            let mut seats = Vec::new();
            self.inner.store.read_ledger(&mut |ledger| {
                seats = ledger.seats(pool.id)?;
                Ok(())
            })?;
            seats.retain(|(meter, record)| is_given(meter, record));
            given.push((pool.clone(), seats));
        }
        Ok(given)
    }
}

/// The code of what a switch for visitors on a pool of seats is told.
const VISITORS_SEAT: &str = loggia_rules::lint::SEAT_FOR_VISITORS;

/// The resource filter that names one pool.
pub(super) fn filter_of(pool: &LicencePool) -> String {
    format!("{}_{}", pool_kind(pool.kind), pool.id)
}

/// Whether the rule, in force or not, is for this pool.
pub(super) fn names(rule: &SystemRule, pool: &LicencePool) -> bool {
    rule.category == RuleCategory::License
        && compile_rule(rule).is_ok_and(|compiled| filters(&compiled, pool))
}

fn filters(rule: &Rule, pool: &LicencePool) -> bool {
    rule.filter.matches(&Entity::new(pool_kind(pool.kind), pool.id.0))
}

/// As administrators of the original know them: resource type, access, resource name.
fn generated_name(pool: &LicencePool, access: &str) -> String {
    let kind = pool_kind(pool.kind).to_string();
    let kind = kind.strip_prefix("License.").unwrap_or(&kind);
    format!("{kind}_{access}_{}", pool.name)
}

pub(super) fn visitors_rule(guard: &Guard<'_>, pool: &LicencePool) -> SystemRule {
    let mut rule = blank(RuleId(Uuid::new_v4()), guard.stamp());
    apply(
        &mut rule,
        RuleEdit {
            category: Some(RuleCategory::License),
            name: Some(generated_name(pool, "Allow visitors")),
            comment: Some("Lets anonymous visitors draw on this pool.".to_owned()),
            condition: Some(VISITORS.to_owned()),
            resource_filter: Some(filter_of(pool)),
            actions: Some(Action::Create.bit()),
            context: Some(1),
            ..RuleEdit::default()
        },
    );
    rule
}

/// The rule that is just the switch, whoever made it; one in force before one that is not.
pub(super) fn switch_of<'s>(site: &'s Site, pool: &LicencePool) -> Option<&'s SystemRule> {
    let filter = filter_of(pool);
    let is_switch = |rule: &&SystemRule| {
        rule.category == RuleCategory::License
            && !rule.is_forbidding
            && rule.context != 2
            && rule.resource_filter.trim().eq_ignore_ascii_case(&filter)
            && rule.condition.trim().eq_ignore_ascii_case(VISITORS)
    };
    site.rules().filter(is_switch).min_by_key(|rule| (rule.is_disabled, rule.id))
}

fn visitors_of(guard: &Guard<'_>, site: &Site, pool: &Arc<LicencePool>) -> PoolVisitors {
    let visitor = Caller::visitor(VisitorId(Uuid::nil()), Environment::default());
    let facts = SiteFacts::new(site, &visitor);
    let switch = switch_of(site, pool);
    let admitting: Vec<RuleId> = site
        .licence_conditions(pool.id)
        .iter()
        .filter(|(_, condition)| admits(condition, &facts))
        .map(|(id, _)| *id)
        .collect();
    let others = admitting
        .iter()
        .filter(|id| switch.is_none_or(|switch| switch.id != **id))
        .filter_map(|id| site.rule(*id))
        .filter(|rule| guard.decide(Record::Rule(rule), Action::Read).is_allowed())
        .map(|rule| rule.name.clone())
        .collect();
    let may_read =
        |rule: &&SystemRule| guard.decide_draft(Record::Rule(rule), Action::Read).is_allowed();
    PoolVisitors {
        pool: pool.clone(),
        are_admitted: !is_named(pool.kind) && !admitting.is_empty(),
        switch: switch.filter(may_read).cloned(),
        others,
    }
}

fn told(site: &Site, given: &[SeatsOfPool]) -> Vec<GivenSeat> {
    let mut told: Vec<GivenSeat> = given
        .iter()
        .flat_map(|(pool, seats)| {
            seats.iter().map(|(meter, record)| {
                let user = match meter.holder {
                    HolderKey::User(id) => site.user(id),
                    HolderKey::Visitor(_) => None,
                };
                GivenSeat {
                    pool: pool.id,
                    pool_name: pool.name.clone(),
                    user: meter.holder.user(),
                    principal: user
                        .map_or_else(|| record.principal.clone(), |user| user.key.to_string()),
                }
            })
        })
        .collect();
    told.sort_by_cached_key(|seat| (seat.pool_name.clone(), seat.principal.to_lowercase()));
    told
}
