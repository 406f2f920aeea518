//! `/license` and our own `/licensepool`
//!
//! A pool is one object for every kind: `{id, name, kind, capacity, overage, disabled}` and limits, where
//! `capacity` is seats, passes or minutes per month and `null` is unlimited. Who may draw on it is
//! said by a `systemrule` of category `License` with the `resourceFilter` that the pool shows, such
//! as `License.AnalyzerTimeAccessType_<id>`, and the one action 1.
//!
//! Clients that know the original's paths find the same pools by kind, for example under
//! `/license/analyzertimeaccesstype` or `/license/analyzeraccessgroup`, and seats of named people
//! under paths such as `/license/analyzeraccesstype`.

pub(crate) mod declaration;
pub(crate) mod forecast;
pub(crate) mod seats;

use std::sync::Arc;

use loggia_model::PoolId;
use loggia_model::entity::{LicencePool, PoolKind};
use loggia_repository::{
    Counters, KIND_NAMES, ManageError, PoolEdit, PoolUse, PoolVisitors, Resource, Saved,
    TokenCounters, pool_kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::system_rule::{self, SystemRules};
use super::{Collection, show, shown};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::{Problem, violations};
use crate::schema::{LICENSE_POOL, Schema};
use crate::wire::{self, View};

pub(crate) struct Pools;

impl Collection for Pools {
    type Entity = Arc<LicencePool>;

    const SCHEMA: &'static Schema = &LICENSE_POOL;

    fn list(call: &Call) -> Result<Vec<Arc<LicencePool>>, ManageError> {
        call.repository.pools(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<Arc<LicencePool>, ManageError> {
        call.repository.pool(&call.caller, PoolId(id))
    }

    fn condensed(view: &View<'_>, pool: &Arc<LicencePool>) -> Value {
        json!({
            "id": pool.id,
            "name": pool.name,
            "kind": kind_name(pool.kind),
            "capacity": pool.capacity,
            "overage": pool.overage,
            "disabled": pool.is_disabled,
            "quarantineDays": pool.quarantine_days,
            "reservedForUsers": pool.reserved_for_users,
            "unitsPerAddressPerHour": pool.units_per_address_per_hour,
            "resourceFilter": format!("{}_{}", pool_kind(pool.kind), pool.id),
            "privileges": view.privileges(&Resource::Pool(pool.id)),
        })
    }

    fn full(view: &View<'_>, pool: &Arc<LicencePool>) -> Value {
        let condensed = Pools::condensed(view, pool);
        wire::full(view, pool.id.0, &pool.stamp, LICENSE_POOL.name, condensed, Value::Null)
    }
}

/// There is no vendor and no vendor's key.
pub(crate) fn license(_: &Call) -> Result<Answer, Problem> {
    Ok(Answer::Ok(Value::Null))
}

/// What is out of each pool that the caller may read.
pub(crate) fn usage(call: &Call) -> Result<Answer, Problem> {
    let uses = call.repository.pool_uses(&call.caller)?;
    Ok(Answer::Ok(uses.iter().map(usage_row).collect()))
}

pub(crate) fn usage_row(pool: &PoolUse) -> Value {
    json!({
        "id": pool.pool.id,
        "name": pool.pool.name,
        "kind": kind_name(pool.pool.kind),
        "capacity": pool.pool.capacity,
        "overage": pool.pool.overage,
        "used": pool.used,
        "renews": pool.renews.map(wire::date),
        "rules": pool.rules,
        "counters": forecast::counted(&pool.counters),
    })
}

/// The sums over all kinds, in the shape that administrators' tools read. What has no limit is
/// written as -1, as the shape has numbers only.
pub(crate) fn access_type_info(call: &Call) -> Result<Answer, Problem> {
    let uses = call.repository.pool_uses(&call.caller)?;
    // Tokens are the site's: who may read no pool reads none of them either.
    let tokens = if uses.is_empty() {
        TokenCounters::default()
    } else {
        call.repository.tokens(&call.caller).unwrap_or_default()
    };
    let sum = |kind: PoolKind| {
        let of_kind = || uses.iter().filter(move |pool| pool.pool.kind == kind);
        let add = |value: fn(&Counters) -> u64| {
            of_kind().map(|pool| value(&pool.counters)).fold(0, u64::saturating_add)
        };
        // The sum of an unlimited pool and others is unlimited.
        let add_limited = |value: fn(&Counters) -> Option<u64>| {
            of_kind()
                .map(|pool| value(&pool.counters))
                .try_fold(0_u64, |sum, value| Some(sum.saturating_add(value?)))
                .map_or(json!(-1), |sum| json!(sum))
        };
        let (used, quarantined) = (add(|one| one.used), add(|one| one.quarantined));
        json!({
            "enabled": of_kind().any(|pool| !pool.pool.is_disabled),
            "total": add_limited(|one| one.total),
            "allocated": used.saturating_add(quarantined),
            "used": used,
            "quarantined": quarantined,
            "available": add_limited(|one| one.available),
        })
    };
    let has = |kind: PoolKind| uses.iter().any(|pool| pool.pool.kind == kind);
    let counts_tokens = tokens.total.is_some();
    Ok(Answer::Ok(json!({
        "totalTokens": tokens.total.unwrap_or(0),
        "availableTokens": tokens.available.unwrap_or(0),
        "tokensEnabled": counts_tokens,
        "userAccess": {
            "enabled": has(PoolKind::UserAccess),
            "tokenCost": 1,
            "allocatedTokens": tokens.user_access.allocated,
            "usedTokens": tokens.user_access.used,
            "quarantinedTokens": tokens.user_access.quarantined,
        },
        "loginAccess": {
            "enabled": has(PoolKind::LoginAccess),
            "tokenCost": 0.1,
            "allocatedTokens": tokens.login_access.allocated,
            "usedTokens": tokens.login_access.used,
            "unavailableTokens": tokens.login_access.unavailable,
        },
        "professionalAccess": sum(PoolKind::Professional),
        "analyzerAccess": sum(PoolKind::Analyzer),
        "analyzerTimeAccess": sum(PoolKind::AnalyzerCapacity),
        "schemaPath": "AccessTypeOverview",
    })))
}

/// `GET /license/tokens`
pub(crate) fn tokens(call: &Call) -> Result<Answer, Problem> {
    Ok(Answer::Ok(token_counters(&call.repository.tokens(&call.caller)?)))
}

/// `PUT /license/tokens` with `{"total": 20}`; null stops counting them.
pub(crate) fn set_tokens(call: &Call) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let total = match body.value("total") {
        Some(_) => body.number("total"),
        None => None,
    };
    if !body.mentions("total") {
        body.problem("total", "is missing; give a number, or null for not counting tokens");
    }
    body.finish()?;
    Ok(Answer::Ok(token_counters(&call.repository.set_tokens(&call.caller, total)?)))
}

fn token_counters(tokens: &TokenCounters) -> Value {
    json!({
        "total": tokens.total,
        "available": tokens.available,
        "userAccess": {
            "allocated": tokens.user_access.allocated,
            "used": tokens.user_access.used,
            "quarantined": tokens.user_access.quarantined,
        },
        "loginAccess": {
            "allocated": tokens.login_access.allocated,
            "used": tokens.login_access.used,
            "unavailable": tokens.login_access.unavailable,
        },
    })
}

/// `GET /licensepool/<id>/visitors`
pub(crate) fn visitors(call: &Call) -> Result<Answer, Problem> {
    let state = call.repository.pool_visitors(&call.caller, PoolId(call.id()?))?;
    Ok(Answer::Ok(visitors_value(&state)))
}

/// `PUT /licensepool/<id>/visitors` with `{"allowed": true}`: writes the rule, or switches it off.
pub(crate) fn set_visitors(call: &Call) -> Result<Answer, Problem> {
    let id = PoolId(call.id()?);
    let mut body = call.body()?;
    let allowed = body.flag("allowed");
    if allowed.is_none() && !body.has_problem("allowed") {
        body.problem("allowed", "is missing; give true or false");
    }
    body.finish()?;
    let on = allowed.unwrap_or(false);
    let saved = call.repository.set_pool_visitors(&call.caller, id, on)?;
    let mut value = visitors_value(&saved.value);
    if let Some(members) = value.as_object_mut() {
        members.insert("warnings".to_owned(), violations(&saved.warnings));
    }
    Ok(Answer::Ok(value))
}

fn visitors_value(state: &PoolVisitors) -> Value {
    json!({
        "id": state.pool.id,
        "allowed": state.are_admitted,
        "rule": state.switch.as_ref().map(|rule| json!({
            "id": rule.id,
            "name": rule.name,
            "rule": rule.condition,
            "disabled": rule.is_disabled,
        })),
        "others": state.others,
    })
}

/// `GET /licensepool/<id>/rule`: the rules that say who may draw.
pub(crate) fn rules(call: &Call) -> Result<Answer, Problem> {
    let rules = call.repository.pool_rules(&call.caller, PoolId(call.id()?))?;
    show::<SystemRules>(call, rules, SystemRules::condensed).map(Answer::Ok)
}

/// `POST /licensepool/<id>/rule` with `{"rule": "…"}`; the rest follows from the pool.
pub(crate) fn create_rule(call: &Call) -> Result<Answer, Problem> {
    let id = PoolId(call.id()?);
    call.repository.pool(&call.caller, id)?;
    let mut body = call.body()?;
    if !body.mentions("rule") {
        body.problem("rule", "is missing: the condition says who may draw on the pool");
    }
    let edit = system_rule::read(call, body)?;
    let saved = call.repository.create_pool_rule(&call.caller, id, edit)?;
    Ok(Answer::Created(system_rule::with_warnings(call, saved)?))
}

pub(crate) fn create(call: &Call) -> Result<Answer, Problem> {
    let body = call.body()?;
    create_as(call, body, None)
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = PoolId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let edit = read(body, None)?;
    let saved = call.repository.update_pool(&call.caller, id, basis, edit)?;
    Ok(Answer::Ok(with_warnings(call, saved)?))
}

pub(crate) fn delete(call: &Call) -> Result<Answer, Problem> {
    call.repository.delete_pool(&call.caller, PoolId(call.id()?))?;
    Ok(Answer::NoContent)
}

pub(crate) fn create_as(
    call: &Call,
    mut body: Body,
    kind: Option<PoolKind>,
) -> Result<Answer, Problem> {
    let id = body.id().map(PoolId);
    let edit = read(body, kind)?;
    let saved = call.repository.create_pool(&call.caller, id, edit)?;
    Ok(Answer::Created(with_warnings(call, saved)?))
}

fn with_warnings(call: &Call, saved: Saved<Arc<LicencePool>>) -> Result<Value, Problem> {
    let mut shown = shown::<Pools>(call, &saved.value)?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("warnings".to_owned(), violations(&saved.warnings));
    }
    Ok(shown)
}

pub(crate) fn pool_in_path(call: &Call) -> Result<Arc<LicencePool>, Problem> {
    let kind = seats::kind_in_path(call)?;
    let id = call.places.get(1).and_then(|text| text.parse::<PoolId>().ok());
    let pool = Pools::one(call, id.ok_or_else(Problem::no_such_path)?.0)?;
    if pool.kind == kind { Ok(pool) } else { Err(Problem::no_such_path()) }
}

/// Whether pools of the kind hold seats of named people.
pub(crate) fn is_seat(kind: PoolKind) -> bool {
    !matches!(kind, PoolKind::LoginAccess | PoolKind::AnalyzerCapacity)
}

/// What the original shows of a login access group: ten passes are a token.
pub(crate) fn login_group(row: &mut Value, uses: &[PoolUse]) {
    let id = row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let found = uses.iter().find(|pool| pool.pool.id.text() == id);
    let (Some(found), Some(members)) = (found, row.as_object_mut()) else { return };
    let number = |value: Option<u64>| value.map_or(json!(-1), |value| json!(value));
    let tokens = found.counters.total.map(|passes| passes.div_ceil(10));
    members.insert("assignedTokens".to_owned(), number(tokens));
    members.insert("assignedAccessTypes".to_owned(), number(found.counters.total));
    members.insert("usedAccessTypes".to_owned(), json!(found.counters.used));
    members.insert("remainingAccessTypes".to_owned(), number(found.counters.available));
}

pub(crate) fn kind_name(kind: PoolKind) -> &'static str {
    KIND_NAMES.iter().find(|(known, _)| *known == kind).map_or("", |(_, name)| name)
}

pub(crate) fn read(mut body: Body, kind: Option<PoolKind>) -> Result<PoolEdit, Problem> {
    let named = body.text("kind").and_then(|text| {
        let found = KIND_NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(&text));
        if found.is_none() {
            let known = KIND_NAMES.map(|(_, name)| name).join(", ");
            body.problem("kind", format!("{text:?} is none of {known}"));
        }
        found.map(|&(kind, _)| kind)
    });
    let capacity = limit(&mut body, "capacity");
    let quarantine_days = limit(&mut body, "quarantineDays");
    let units_per_address_per_hour = limit(&mut body, "unitsPerAddressPerHour");
    let edit = PoolEdit {
        name: body.text("name"),
        kind: kind.or(named),
        capacity,
        overage: body.number("overage"),
        is_disabled: body.flag("disabled"),
        quarantine_days,
        reserved_for_users: body.number("reservedForUsers"),
        units_per_address_per_hour,
    };
    body.finish()?;
    Ok(edit)
}

/// A number, or null with a meaning of its own: without limit, or what is usual.
fn limit<T: TryFrom<u64>>(body: &mut Body, name: &'static str) -> Option<Option<T>> {
    if body.mentions(name) && body.value(name).is_none() {
        return Some(None);
    }
    body.number(name).map(Some)
}
