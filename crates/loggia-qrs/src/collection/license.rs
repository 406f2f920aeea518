//! `/license` and our own `/licensepool`
//!
//! A pool is one object for every kind: `{id, name, kind, capacity, overage, disabled}`, where
//! `capacity` is seats, passes or minutes per month and `null` is unlimited. Who may draw on it is
//! said by a `systemrule` of category `License` with the `resourceFilter` that the pool shows, such
//! as `License.AnalyzerTimeAccessType_<id>`, and the one action 1.
//!
//! Clients that know the original's paths find the same pools by kind, for example under
//! `/license/analyzertimeaccesstype`.

use std::sync::Arc;

use loggia_model::PoolId;
use loggia_model::entity::{LicencePool, PoolKind};
use loggia_repository::{ManageError, PoolEdit, Resource, Saved, pool_kind};
use serde_json::{Value, json};
use uuid::Uuid;

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
    let rows = uses.iter().map(|pool| {
        json!({
            "id": pool.pool.id,
            "name": pool.pool.name,
            "kind": kind_name(pool.pool.kind),
            "capacity": pool.pool.capacity,
            "overage": pool.pool.overage,
            "used": pool.used,
            "renews": pool.renews.map(wire::date),
            "rules": pool.rules,
        })
    });
    Ok(Answer::Ok(rows.collect()))
}

/// The sums over all kinds, in the shape that administrators' tools read.
pub(crate) fn access_type_info(call: &Call) -> Result<Answer, Problem> {
    let uses = call.repository.pool_uses(&call.caller)?;
    let sum = |kind: PoolKind| {
        let of_kind = || uses.iter().filter(move |pool| pool.pool.kind == kind);
        let used: u64 = of_kind().map(|pool| pool.used).fold(0, u64::saturating_add);
        // The sum of an unlimited pool and others is unlimited, which this shape writes as -1.
        let total = of_kind()
            .map(|pool| pool.pool.capacity)
            .try_fold(0_u64, |sum, capacity| Some(sum.saturating_add(capacity?)));
        (of_kind().next().is_some(), total, used)
    };
    let seats = |kind| {
        let (enabled, total, used) = sum(kind);
        json!({
            "enabled": enabled,
            "total": total.map_or(json!(-1), |total| json!(total)),
            "allocated": used,
            "used": used,
            "quarantined": 0,
            "available": total.map_or(json!(-1), |total| json!(total.saturating_sub(used))),
        })
    };
    let (has_user, _, user) = sum(PoolKind::UserAccess);
    let (has_login, login_total, login) = sum(PoolKind::LoginAccess);
    Ok(Answer::Ok(json!({
        "totalTokens": 0,
        "availableTokens": 0,
        "tokensEnabled": false,
        "userAccess": {
            "enabled": has_user,
            "tokenCost": 1,
            "allocatedTokens": user,
            "usedTokens": user,
            "quarantinedTokens": 0,
        },
        "loginAccess": {
            "enabled": has_login,
            "tokenCost": 0.1,
            "allocatedTokens": login_total.unwrap_or(0) / 10,
            "usedTokens": login / 10,
            "unavailableTokens": 0,
        },
        "professionalAccess": seats(PoolKind::Professional),
        "analyzerAccess": seats(PoolKind::Analyzer),
        "analyzerTimeAccess": seats(PoolKind::AnalyzerCapacity),
        "schemaPath": "AccessTypeOverview",
    })))
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

/// `/license/<kind>`: the pools of one kind.
pub(crate) fn list_kind(call: &Call) -> Result<Answer, Problem> {
    let kind = kind_in_path(call)?;
    let mut pools = Pools::list(call)?;
    pools.retain(|pool| pool.kind == kind);
    show::<Pools>(call, pools, Pools::condensed).map(Answer::Ok)
}

/// `POST /license/<kind>` with `{name, capacity}`.
pub(crate) fn create_kind(call: &Call) -> Result<Answer, Problem> {
    let kind = kind_in_path(call)?;
    create_as(call, call.body()?, Some(kind))
}

/// `GET /license/<kind>/<id>`
pub(crate) fn one_kind(call: &Call) -> Result<Answer, Problem> {
    let pool = pool_in_path(call)?;
    Ok(Answer::Ok(shown::<Pools>(call, &pool)?))
}

/// `DELETE /license/<kind>/<id>`
pub(crate) fn delete_kind(call: &Call) -> Result<Answer, Problem> {
    let pool = pool_in_path(call)?;
    call.repository.delete_pool(&call.caller, pool.id)?;
    Ok(Answer::NoContent)
}

fn create_as(call: &Call, mut body: Body, kind: Option<PoolKind>) -> Result<Answer, Problem> {
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

fn pool_in_path(call: &Call) -> Result<Arc<LicencePool>, Problem> {
    let kind = kind_in_path(call)?;
    let id = call.places.get(1).and_then(|text| text.parse::<PoolId>().ok());
    let pool = Pools::one(call, id.ok_or_else(Problem::no_such_path)?.0)?;
    if pool.kind == kind { Ok(pool) } else { Err(Problem::no_such_path()) }
}

fn kind_in_path(call: &Call) -> Result<PoolKind, Problem> {
    let text = call.places.first().map(String::as_str).unwrap_or_default();
    let stem = text.strip_suffix("accesstype").or_else(|| text.strip_suffix("accessgroup"));
    KINDS
        .iter()
        .find(|(_, name)| {
            stem.is_some_and(|stem| {
                name.strip_suffix("Access").is_some_and(|name| name.eq_ignore_ascii_case(stem))
            })
        })
        .map(|&(kind, _)| kind)
        .ok_or_else(Problem::no_such_path)
}

/// The names of `spec/access.md` §3.1.
const KINDS: [(PoolKind, &str); 5] = [
    (PoolKind::Professional, "ProfessionalAccess"),
    (PoolKind::Analyzer, "AnalyzerAccess"),
    (PoolKind::UserAccess, "UserAccess"),
    (PoolKind::LoginAccess, "LoginAccess"),
    (PoolKind::AnalyzerCapacity, "AnalyzerTimeAccess"),
];

fn kind_name(kind: PoolKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("", |(_, name)| name)
}

pub(crate) fn read(mut body: Body, kind: Option<PoolKind>) -> Result<PoolEdit, Problem> {
    let named = body.text("kind").and_then(|text| {
        let found = KINDS.iter().find(|(_, name)| name.eq_ignore_ascii_case(&text));
        if found.is_none() {
            let known = KINDS.map(|(_, name)| name).join(", ");
            body.problem("kind", format!("{text:?} is none of {known}"));
        }
        found.map(|&(kind, _)| kind)
    });
    // Here null has a meaning of its own: without limit.
    let capacity = if body.mentions("capacity") && body.value("capacity").is_none() {
        Some(None)
    } else {
        body.number("capacity").map(Some)
    };
    let edit = PoolEdit {
        name: body.text("name"),
        kind: kind.or(named),
        capacity,
        overage: body.number("overage"),
        is_disabled: body.flag("disabled"),
        ..PoolEdit::default()
    };
    body.finish()?;
    Ok(edit)
}
