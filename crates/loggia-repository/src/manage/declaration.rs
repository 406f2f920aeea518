//! Licences as a file: pools, who may draw on them, tokens. What is in the file holds afterwards,
//! whatever was there before; what it does not mention stays. Bringing in the same file twice
//! changes nothing the second time.
//!
//! TOML and JSON say the same:
//!
//! ```toml
//! [[pools]]
//! name = "Reading time"
//! kind = "AnalyzerTimeAccess"
//! capacity = 6000
//! visitors = true
//! ```

use std::fmt;
use std::sync::Arc;

use loggia_licence::is_named;
use loggia_model::entity::{LicencePool, PoolKind, RuleCategory, SystemRule};
use loggia_model::{Caller, PoolId, RuleId};
use loggia_rules::Action;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use uuid::Uuid;

use super::licence_rules::{filter_of, names, switch_of, visitors_rule};
use super::pools::{PoolEdit, new_pool};
use super::rules::{RuleEdit, apply, blank, check, refuse_read_only};
use super::{Conflict, ManageError, Plan, Violation, pools, rule_lints};
use crate::Repository;
use crate::guard::Guard;
use crate::licence::{may_read_tokens, require_on_tokens};
use crate::record::Record;
use crate::site::Site;
use crate::store::{Change, StoredRule};

/// What a file says of licences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Declaration {
    /// How many tokens there are, or `"unlimited"` for not counting them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Limit>,
    #[serde(default)]
    pub pools: Vec<DeclaredPool>,
}

/// One pool; members that are missing stay as they are, or are what is usual in a new pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeclaredPool {
    /// Without an id the name says which pool is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PoolId>,
    pub name: String,
    pub kind: DeclaredKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Limit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overage: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Seats of named people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine_days: Option<u32>,
    /// Shared pools only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_for_users: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units_per_address_per_hour: Option<Limit>,
    /// The switch that lets visitors draw; shared pools only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitors: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<DeclaredRule>,
}

/// A licence rule of a pool, known by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeclaredRule {
    pub name: String,
    /// The condition.
    pub rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// A kind of pool by its name in `spec/access.md` §3.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeclaredKind(pub Option<PoolKind>);

/// So many, or `"unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<u64>);

/// A text that is no declaration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct DeclarationError {
    /// What is wrong, with line and column.
    pub message: String,
}

/// What bringing in a declaration did, or would do.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    pub steps: Vec<ImportStep>,
    /// The pools that the declaration names, in its order.
    pub pools: Vec<PoolId>,
    pub warnings: Vec<Violation>,
    pub is_dry_run: bool,
}

/// One thing that the declaration mentions, or that stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportStep {
    /// `pool`, `rule` or `tokens`.
    pub what: &'static str,
    pub name: String,
    /// For a rule, the pool it is for.
    pub pool: Option<String>,
    pub outcome: StepOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    Made,
    /// The members that became others.
    Changed(Vec<&'static str>),
    Same,
    /// It is there and the declaration says nothing of it: it stays.
    NotMentioned,
}

/// The names of kinds, as the wire and files write them.
pub const KIND_NAMES: [(PoolKind, &str); 5] = [
    (PoolKind::Professional, "ProfessionalAccess"),
    (PoolKind::Analyzer, "AnalyzerAccess"),
    (PoolKind::UserAccess, "UserAccess"),
    (PoolKind::LoginAccess, "LoginAccess"),
    (PoolKind::AnalyzerCapacity, "AnalyzerTimeAccess"),
];

impl Declaration {
    /// Reads TOML, or JSON where the text begins with a brace. Members that are not known are
    /// refused: a misspelt limit must not become no limit.
    pub fn parse(text: &str) -> Result<Declaration, DeclarationError> {
        let told = |message: String| DeclarationError { message: message.trim().to_owned() };
        if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| told(error.to_string()))
        } else {
            toml::from_str(text).map_err(|error: toml::de::Error| told(error.to_string()))
        }
    }

    /// As TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // Nothing in it can fail to be written: texts, numbers and lists of such.
        toml::to_string(self).unwrap_or_default()
    }
}

impl Repository {
    /// The licences that the caller may read, as a declaration that would change nothing.
    pub fn licence_declaration(&self, caller: &Caller) -> Result<Declaration, ManageError> {
        let pools = self.pools(caller)?;
        let site = self.site();
        let mut declared = Vec::with_capacity(pools.len());
        for pool in &pools {
            let is_shared = !is_named(pool.kind);
            let switch = switch_of(&site, pool).map(|rule| rule.id);
            let filter = filter_of(pool);
            let rules = self.pool_rules(caller, pool.id)?.into_iter();
            // A rule that names several pools is nobody's own.
            let own = |rule: &SystemRule| {
                rule.resource_filter.trim().eq_ignore_ascii_case(&filter) && Some(rule.id) != switch
            };
            declared.push(DeclaredPool {
                id: Some(pool.id),
                name: pool.name.clone(),
                kind: DeclaredKind(Some(pool.kind)),
                capacity: Some(Limit(pool.capacity)),
                overage: (pool.kind == PoolKind::AnalyzerCapacity).then_some(pool.overage),
                disabled: Some(pool.is_disabled),
                quarantine_days: pool.quarantine_days,
                reserved_for_users: is_shared.then_some(pool.reserved_for_users),
                units_per_address_per_hour: is_shared
                    .then_some(Limit(pool.units_per_address_per_hour)),
                visitors: is_shared
                    .then(|| switch_of(&site, pool).is_some_and(|rule| !rule.is_disabled)),
                rules: rules
                    .filter(own)
                    .map(|rule| DeclaredRule {
                        name: rule.name,
                        rule: rule.condition,
                        comment: Some(rule.comment).filter(|comment| !comment.is_empty()),
                        disabled: Some(rule.is_disabled),
                    })
                    .collect(),
            });
        }
        let guard = self.enter(&site, caller)?;
        let tokens = site.tokens().filter(|_| may_read_tokens(&guard));
        Ok(Declaration { tokens: tokens.map(|tokens| Limit(Some(tokens))), pools: declared })
    }

    /// Makes what the declaration says, all of it or nothing.
    pub fn import_licences(
        &self,
        caller: &Caller,
        declaration: &Declaration,
    ) -> Result<Imported, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            self.require_licence_duties(&guard, caller)?;
            self.plan(site, &guard, declaration)
        })
    }

    /// What [`Repository::import_licences`] would do; stores nothing.
    pub fn preview_licences(
        &self,
        caller: &Caller,
        declaration: &Declaration,
    ) -> Result<Imported, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        self.require_licence_duties(&guard, caller)?;
        let (_, imported) = self.plan(&site, &guard, declaration)?;
        Ok(Imported { is_dry_run: true, ..imported })
    }

    pub(super) fn plan(
        &self,
        site: &Site,
        guard: &Guard<'_>,
        declaration: &Declaration,
    ) -> Plan<Imported> {
        let mut draft = Draft { guard, changes: Vec::new(), imported: Imported::default() };
        let mut problems = Vec::new();
        let mut mentioned: Vec<PoolId> = Vec::new();
        for (place, declared) in declaration.pools.iter().enumerate() {
            let label = format!("pools[{place}] {:?}", declared.name);
            let outcome = meant(site, guard, declared).and_then(|before| match before {
                Some(before) if mentioned.contains(&before.id) => {
                    Err(wrong("name", "means a pool that the declaration names already"))
                }
                before => draft.pool(site, declared, before.map(AsRef::as_ref)),
            });
            match outcome {
                Ok(id) => mentioned.push(id),
                Err(ManageError::Invalid(found)) => {
                    problems.extend(found.into_iter().map(|problem| placed(&label, problem)));
                }
                Err(error) => return Err(error),
            }
        }
        let without_id = declaration.pools.iter().filter(|pool| pool.id.is_none());
        let mut names: Vec<_> = without_id.map(|pool| pool.name.trim().to_lowercase()).collect();
        names.sort();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            problems.push(Violation::new("pools", "two pools have the same name"));
        }
        draft.tokens(site, declaration)?;
        if !problems.is_empty() {
            return Err(ManageError::Invalid(problems));
        }
        if !draft.changes.is_empty() {
            let after = site.after(site.version() + 1, &draft.changes)?;
            self.check_stock(site, &after)?;
        }
        let others = guard.readable(site.pools(), |pool| Record::Pool(pool).entity());
        let mut others: Vec<_> =
            others.into_iter().filter(|pool| !mentioned.contains(&pool.id)).collect();
        others.sort_by_cached_key(|pool| (pool.name.to_lowercase(), pool.id));
        for pool in others {
            draft.step("pool", &pool.name, None, StepOutcome::NotMentioned);
        }
        draft.imported.pools = mentioned;
        Ok((draft.changes, draft.imported))
    }
}

/// The changes so far.
struct Draft<'a> {
    guard: &'a Guard<'a>,
    changes: Vec<Change>,
    imported: Imported,
}

impl Draft<'_> {
    fn step(&mut self, what: &'static str, name: &str, pool: Option<&str>, outcome: StepOutcome) {
        self.imported.steps.push(ImportStep {
            what,
            name: name.to_owned(),
            pool: pool.map(str::to_owned),
            outcome,
        });
    }

    fn pool(
        &mut self,
        site: &Site,
        declared: &DeclaredPool,
        before: Option<&LicencePool>,
    ) -> Result<PoolId, ManageError> {
        let guard = self.guard;
        let kind = declared.kind.0.ok_or_else(|| wrong("kind", "is missing"))?;
        let edit = edit_of(declared);
        let pool = match before {
            None => {
                let id = declared.id.unwrap_or_else(|| PoolId(Uuid::new_v4()));
                let mut pool = new_pool(id, kind, guard.stamp());
                pools::apply(&mut pool, &edit);
                guard.require_create(Record::Pool(&pool))?;
                if site.pool(id).is_some() {
                    return Err(Conflict::Duplicate { what: format!("the id {id}") }.into());
                }
                pools::check(&pool, super::Problems::default())?;
                self.changes.push(Change::PutPool(pool.clone()));
                self.step("pool", &pool.name, None, StepOutcome::Made);
                pool
            }
            Some(before) => {
                let mut pool = before.clone();
                pools::apply(&mut pool, &edit);
                if kind != before.kind {
                    let message = "cannot be changed; make another pool and disable this one";
                    return Err(wrong("kind", message));
                }
                let changed = changed_members(before, &pool);
                if changed.is_empty() {
                    guard.visible(Record::Pool(before))?;
                    self.step("pool", &pool.name, None, StepOutcome::Same);
                } else {
                    let (old, new) = (Record::Pool(before), Record::Pool(&pool));
                    guard.require_change(old, new, Action::Update)?;
                    pools::check(&pool, super::Problems::default())?;
                    pool.stamp = guard.restamp(&before.stamp);
                    self.changes.push(Change::PutPool(pool.clone()));
                    self.step("pool", &pool.name, None, StepOutcome::Changed(changed));
                }
                pool
            }
        };
        self.visitors(site, declared, &pool)?;
        let mut problems = Vec::new();
        for rule in &declared.rules {
            match self.rule(site, rule, &pool) {
                Ok(()) => {}
                Err(ManageError::Invalid(found)) => {
                    let label = format!("rule {:?}", rule.name);
                    problems.extend(found.into_iter().map(|problem| placed(&label, problem)));
                }
                Err(error) => return Err(error),
            }
        }
        if !problems.is_empty() {
            return Err(ManageError::Invalid(problems));
        }
        let switch = switch_of(site, &pool).map(|rule| rule.id);
        let is_mentioned = |rule: &SystemRule| {
            Some(rule.id) == switch && declared.visitors.is_some()
                || declared.rules.iter().any(|own| own.name == rule.name)
        };
        let rules = site.rules().filter(|rule| names(rule, &pool) && !is_mentioned(rule));
        let mut left: Vec<String> = guard
            .readable(rules, |rule| Record::Rule(rule).entity())
            .into_iter()
            .map(|rule| rule.name.clone())
            .collect();
        left.sort();
        for name in left {
            self.step("rule", &name, Some(&pool.name), StepOutcome::NotMentioned);
        }
        Ok(pool.id)
    }

    fn visitors(
        &mut self,
        site: &Site,
        declared: &DeclaredPool,
        pool: &LicencePool,
    ) -> Result<(), ManageError> {
        let Some(on) = declared.visitors else { return Ok(()) };
        if on && is_named(pool.kind) {
            return Err(wrong(
                "visitors",
                "a seat belongs to one person who comes back; only login access and analyzer \
                 capacity serve visitors",
            ));
        }
        match (switch_of(site, pool), on) {
            (Some(before), on) if before.is_disabled == on => {
                let after = SystemRule { is_disabled: !on, ..before.clone() };
                self.put_rule(site, before, after, pool, vec!["visitors"])
            }
            (Some(before), _) => {
                self.step("rule", &before.name.clone(), Some(&pool.name), StepOutcome::Same);
                Ok(())
            }
            (None, true) => {
                let rule = visitors_rule(self.guard, pool);
                self.make_rule(rule, pool)
            }
            (None, false) => Ok(()),
        }
    }

    fn rule(
        &mut self,
        site: &Site,
        declared: &DeclaredRule,
        pool: &LicencePool,
    ) -> Result<(), ManageError> {
        let edit = RuleEdit {
            condition: Some(declared.rule.clone()),
            comment: declared.comment.clone(),
            is_disabled: declared.disabled,
            ..RuleEdit::default()
        };
        let named = site.rules().filter(|rule| rule.name == declared.name && names(rule, pool));
        let named = self.guard.readable(named, |rule| Record::Rule(rule).entity());
        match named.as_slice() {
            [] => {
                let mut rule = blank(RuleId(Uuid::new_v4()), self.guard.stamp());
                let fixed = RuleEdit {
                    category: Some(RuleCategory::License),
                    name: Some(declared.name.clone()),
                    resource_filter: Some(filter_of(pool)),
                    actions: Some(Action::Create.bit()),
                    context: Some(1),
                    ..edit
                };
                apply(&mut rule, fixed);
                self.make_rule(rule, pool)
            }
            [before] => {
                let mut after = SystemRule::clone(before);
                apply(&mut after, edit);
                let mut changed = Vec::new();
                let mut note = |is_other: bool, name| {
                    if is_other {
                        changed.push(name);
                    }
                };
                note(after.condition != before.condition, "rule");
                note(after.comment != before.comment, "comment");
                note(after.is_disabled != before.is_disabled, "disabled");
                if changed.is_empty() {
                    self.guard.visible(Record::Rule(before))?;
                    self.step("rule", &declared.name, Some(&pool.name), StepOutcome::Same);
                    return Ok(());
                }
                self.put_rule(site, before, after, pool, changed)
            }
            _ => Err(wrong("name", "several rules of the pool have this name; rename one first")),
        }
    }

    fn make_rule(&mut self, mut rule: SystemRule, pool: &LicencePool) -> Result<(), ManageError> {
        self.guard.require_create(Record::Rule(&rule))?;
        self.look(&mut rule)?;
        self.step("rule", &rule.name.clone(), Some(&pool.name), StepOutcome::Made);
        self.changes.push(Change::PutRule(StoredRule { rule, seed_version: 0 }));
        Ok(())
    }

    fn put_rule(
        &mut self,
        site: &Site,
        before: &SystemRule,
        mut after: SystemRule,
        pool: &LicencePool,
        changed: Vec<&'static str>,
    ) -> Result<(), ManageError> {
        let (old, new) = (Record::Rule(before), Record::Rule(&after));
        self.guard.require_change(old, new, Action::Update)?;
        refuse_read_only(before)?;
        self.look(&mut after)?;
        after.stamp = self.guard.restamp(&before.stamp);
        self.step("rule", &after.name.clone(), Some(&pool.name), StepOutcome::Changed(changed));
        let seed_version = site.stored_rule(before.id).map_or(0, |stored| stored.seed_version);
        self.changes.push(Change::PutRule(StoredRule { rule: after, seed_version }));
        Ok(())
    }

    /// Refuses a rule that cannot be saved, and keeps what is worth a look about one that can.
    fn look(&mut self, rule: &mut SystemRule) -> Result<(), ManageError> {
        let straightened = rule_lints::straighten(rule);
        let compiled = check(rule)?;
        let mut found = rule_lints::look(self.guard, rule, &compiled);
        found.extend(straightened);
        let label = format!("rule {:?}", rule.name);
        self.imported.warnings.extend(found.into_iter().map(|warning| placed(&label, warning)));
        Ok(())
    }

    fn tokens(&mut self, site: &Site, declaration: &Declaration) -> Result<(), ManageError> {
        let Some(Limit(tokens)) = declaration.tokens else { return Ok(()) };
        require_on_tokens(self.guard, Action::Read)?;
        let outcome = if site.tokens() == tokens {
            StepOutcome::Same
        } else {
            require_on_tokens(self.guard, Action::Update)?;
            self.changes.push(Change::PutTokens(tokens));
            StepOutcome::Changed(vec!["tokens"])
        };
        let name = tokens.map_or_else(|| "unlimited".to_owned(), |tokens| tokens.to_string());
        self.step("tokens", &name, None, outcome);
        Ok(())
    }
}

/// The pool that a declared one means; none when it is to be made.
fn meant<'s>(
    site: &'s Site,
    guard: &Guard<'_>,
    declared: &DeclaredPool,
) -> Result<Option<&'s Arc<LicencePool>>, ManageError> {
    // What the caller may not read is not there, so that nobody learns of it by trying.
    let may_read =
        |pool: &&Arc<LicencePool>| guard.decide(Record::Pool(pool), Action::Read).is_allowed();
    if let Some(id) = declared.id {
        return Ok(site.pool(id).filter(may_read));
    }
    let name = declared.name.trim().to_lowercase();
    let is_named = |pool: &&Arc<LicencePool>| pool.name.trim().to_lowercase() == name;
    let mut named = site.pools().filter(is_named).filter(may_read);
    let first = named.next();
    if named.next().is_some() {
        return Err(wrong("name", "several pools have this name; give the id"));
    }
    Ok(first)
}

fn edit_of(declared: &DeclaredPool) -> PoolEdit {
    PoolEdit {
        name: Some(declared.name.clone()),
        kind: declared.kind.0,
        capacity: declared.capacity.map(|Limit(limit)| limit),
        overage: declared.overage,
        is_disabled: declared.disabled,
        quarantine_days: declared.quarantine_days.map(Some),
        reserved_for_users: declared.reserved_for_users,
        units_per_address_per_hour: declared.units_per_address_per_hour.map(|Limit(limit)| limit),
    }
}

fn changed_members(before: &LicencePool, after: &LicencePool) -> Vec<&'static str> {
    let mut changed = Vec::new();
    let mut note = |is_other: bool, name| {
        if is_other {
            changed.push(name);
        }
    };
    note(before.name != after.name, "name");
    note(before.capacity != after.capacity, "capacity");
    note(before.overage != after.overage, "overage");
    note(before.is_disabled != after.is_disabled, "disabled");
    note(before.quarantine_days != after.quarantine_days, "quarantineDays");
    note(before.reserved_for_users != after.reserved_for_users, "reservedForUsers");
    let ceiling = |pool: &LicencePool| pool.units_per_address_per_hour;
    note(ceiling(before) != ceiling(after), "unitsPerAddressPerHour");
    changed
}

fn wrong(place: &'static str, message: &str) -> ManageError {
    ManageError::Invalid(vec![Violation::new(place, message)])
}

/// The problem with the part of the file that it is about.
fn placed(label: &str, problem: Violation) -> Violation {
    Violation { message: format!("{label}: {}", problem.message).into_boxed_str(), ..problem }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(number) => serializer.serialize_u64(number),
            None => serializer.serialize_str(UNLIMITED),
        }
    }
}

const UNLIMITED: &str = "unlimited";

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Limit, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Limit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or \"unlimited\"")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Limit, E> {
                Ok(Limit(Some(number)))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Limit, E> {
                u64::try_from(number)
                    .map(|number| Limit(Some(number)))
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
                if text == UNLIMITED {
                    return Ok(Limit(None));
                }
                Err(E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Serialize for DeclaredKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = KIND_NAMES.iter().find(|(kind, _)| Some(*kind) == self.0);
        serializer.serialize_str(name.map_or("", |(_, name)| name))
    }
}

impl<'de> Deserialize<'de> for DeclaredKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DeclaredKind, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = KIND_NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(&text));
        match found {
            Some((kind, _)) => Ok(DeclaredKind(Some(*kind))),
            None => {
                let known = KIND_NAMES.map(|(_, name)| name).join(", ");
                Err(de::Error::custom(format!("{text:?} is no kind of pool; there are {known}")))
            }
        }
    }
}
