//! Who has a seat: under our paths by pool and user, and under the original's by kind, where each
//! seat has an id of its own that follows from its pool and its holder.

use loggia_model::entity::PoolKind;
use loggia_model::{PoolId, UserId, UserKey};
use loggia_repository::{Allocation, AllocationStatus, KIND_NAMES, ManageError, Violation};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Pools, create_as, is_seat, login_group, usage_row};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::collection::{Collection, show, shown};
use crate::problem::Problem;
use crate::schema::{ALLOCATION, Schema};
use crate::wire::{self, View};

/// Seats of the pools of one kind.
pub(crate) struct Seats;

impl Collection for Seats {
    type Entity = Allocation;

    const SCHEMA: &'static Schema = &ALLOCATION;

    fn list(call: &Call) -> Result<Vec<Allocation>, ManageError> {
        let kind = in_path(call).map(|(kind, _)| kind);
        let mut seats = Vec::new();
        for pool in call.repository.pools(&call.caller)? {
            if kind.as_ref().is_ok_and(|kind| pool.kind == *kind) && is_seat(pool.kind) {
                seats.extend(call.repository.allocations(&call.caller, pool.id)?);
            }
        }
        Ok(seats)
    }

    fn one(call: &Call, id: Uuid) -> Result<Allocation, ManageError> {
        match Seats::list(call)?.into_iter().find(|seat| seat_id(seat) == id) {
            Some(seat) => Ok(seat),
            // No pool has the id of a seat, so this is the answer for what is not there.
            None => Err(call.repository.allocations(&call.caller, PoolId(id)).err().unwrap_or(
                ManageError::Invalid(vec![Violation::new("id", "is a pool, not a seat")]),
            )),
        }
    }

    fn condensed(view: &View<'_>, seat: &Allocation) -> Value {
        let (quarantined, end) = match seat.status {
            AllocationStatus::Allocated => (false, None),
            AllocationStatus::Quarantined { until } => (true, Some(until)),
        };
        let (directory, user_id) = seat.principal.split_once('\\').unwrap_or_default();
        let gone = |text: &str| if seat.is_deleted { text.to_owned() } else { String::new() };
        let user = if seat.is_deleted { Value::Null } else { view.owner(seat.user) };
        let pool = view.site.pool(seat.pool);
        json!({
            "id": seat_id(seat),
            "createdDate": wire::date(seat.since),
            "lastUsed": wire::date_or_never(seat.last_used),
            "quarantined": quarantined,
            "quarantineEnd": wire::date_or_never(end),
            "deletedUserId": gone(user_id),
            "deletedUserDirectory": gone(directory),
            "user": user,
            "byRule": seat.by_rule,
            "pool": pool.map(|pool| json!({ "id": pool.id, "name": pool.name })),
            "schemaPath": ALLOCATION.name,
            "privileges": null,
        })
    }

    fn full(view: &View<'_>, seat: &Allocation) -> Value {
        Seats::condensed(view, seat)
    }
}

/// What the last part of a path such as `analyzeraccesstype` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Type,
    Group,
    Usage,
}

/// `GET /license/<kind>access{type|group|usage}`: seats of named kinds, or pools.
pub(crate) fn list_kind(call: &Call) -> Result<Answer, Problem> {
    let (kind, part) = in_path(call)?;
    if part == Part::Usage && !is_seat(kind) {
        let uses = call.repository.pool_uses(&call.caller)?;
        let rows = uses.iter().filter(|pool| pool.pool.kind == kind).map(usage_row);
        return Ok(Answer::Ok(rows.collect()));
    }
    if is_seat(kind) && part != Part::Group {
        let seats = Seats::list(call)?;
        return show::<Seats>(call, seats, Seats::condensed).map(Answer::Ok);
    }
    let mut pools = Pools::list(call)?;
    pools.retain(|pool| pool.kind == kind);
    let mut shown = show::<Pools>(call, pools, Pools::condensed)?;
    if kind == PoolKind::LoginAccess {
        let uses = call.repository.pool_uses(&call.caller)?;
        for row in shown.as_array_mut().into_iter().flatten() {
            login_group(row, &uses);
        }
    }
    Ok(Answer::Ok(shown))
}

/// `POST /license/<kind>accessgroup` makes a pool; `POST /license/<kind>accesstype` with
/// `{user: {id}}` gives a seat where the kind has seats.
pub(crate) fn create_kind(call: &Call) -> Result<Answer, Problem> {
    let (kind, part) = in_path(call)?;
    let mut body = call.body()?;
    if !is_seat(kind) || part == Part::Group || !body.mentions("user") {
        return create_as(call, body, Some(kind));
    }
    let pool = body.reference("pool").map(PoolId);
    let user = user_of(call, &mut body);
    let pool = match pool {
        Some(pool) => Some(pool),
        None => only_pool(call, kind, &mut body)?,
    };
    body.finish()?;
    let (Some(pool), Some(user)) = (pool, user) else {
        return Err(Problem::bad("expected a user and a pool"));
    };
    let seat = call.repository.allocate(&call.caller, pool, user)?;
    Ok(Answer::Created(shown::<Seats>(call, &seat)?))
}

/// `GET /license/<kind>/<id>`
pub(crate) fn one_kind(call: &Call) -> Result<Answer, Problem> {
    match seat_in_path(call)? {
        Some(seat) => Ok(Answer::Ok(shown::<Seats>(call, &seat)?)),
        None => Ok(Answer::Ok(shown::<Pools>(call, &super::pool_in_path(call)?)?)),
    }
}

/// `DELETE /license/<kind>/<id>`: takes a seat away, or deletes a pool.
pub(crate) fn delete_kind(call: &Call) -> Result<Answer, Problem> {
    match seat_in_path(call)? {
        Some(seat) => {
            call.repository.deallocate(&call.caller, seat.pool, seat.user)?;
        }
        None => {
            let pool = super::pool_in_path(call)?;
            call.repository.delete_pool(&call.caller, pool.id)?;
        }
    }
    Ok(Answer::NoContent)
}

/// `GET /licensepool/<id>/allocation`
pub(crate) fn allocations(call: &Call) -> Result<Answer, Problem> {
    let seats = call.repository.allocations(&call.caller, PoolId(call.id()?))?;
    show::<Seats>(call, seats, Seats::condensed).map(Answer::Ok)
}

/// `POST /licensepool/<id>/allocation` with `{"user": {"id"}}` or `{"user": "DIRECTORY\\id"}`.
pub(crate) fn allocate(call: &Call) -> Result<Answer, Problem> {
    let pool = PoolId(call.id()?);
    call.repository.pool(&call.caller, pool)?;
    let mut body = call.body()?;
    let user = user_of(call, &mut body);
    body.finish()?;
    let user = user.ok_or_else(|| Problem::bad("user: is missing"))?;
    let seat = call.repository.allocate(&call.caller, pool, user)?;
    Ok(Answer::Created(shown::<Seats>(call, &seat)?))
}

/// `DELETE /licensepool/<id>/allocation/<user>`: answers with the seat where it is in quarantine,
/// with nothing where it is back in the pool.
pub(crate) fn deallocate(call: &Call) -> Result<Answer, Problem> {
    let (pool, user) = (PoolId(call.id()?), user_in_path(call)?);
    match call.repository.deallocate(&call.caller, pool, user)? {
        Some(seat) => Ok(Answer::Ok(shown::<Seats>(call, &seat)?)),
        None => Ok(Answer::NoContent),
    }
}

/// `POST /licensepool/<id>/allocation/<user>/reinstate`
pub(crate) fn reinstate(call: &Call) -> Result<Answer, Problem> {
    let (pool, user) = (PoolId(call.id()?), user_in_path(call)?);
    let seat = call.repository.reinstate(&call.caller, pool, user)?;
    Ok(Answer::Ok(shown::<Seats>(call, &seat)?))
}

fn seat_id(seat: &Allocation) -> Uuid {
    wire::word_id("seat", &format!("{}/{}", seat.pool, seat.user))
}

/// The seat that a path under `/license` names; none where it must be a pool.
fn seat_in_path(call: &Call) -> Result<Option<Allocation>, Problem> {
    let (kind, part) = in_path(call)?;
    if !is_seat(kind) || part == Part::Group {
        return Ok(None);
    }
    let id = call.places.get(1).and_then(|text| Uuid::parse_str(text).ok());
    let id = id.ok_or_else(Problem::no_such_path)?;
    Ok(Seats::list(call)?.into_iter().find(|seat| seat_id(seat) == id))
}

fn in_path(call: &Call) -> Result<(PoolKind, Part), Problem> {
    let text = call.places.first().map(String::as_str).unwrap_or_default();
    let parts = [("type", Part::Type), ("group", Part::Group), ("usage", Part::Usage)];
    let found = parts.iter().find_map(|(suffix, part)| {
        let stem = text.strip_suffix(suffix)?;
        let kind = KIND_NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(stem))?;
        Some((kind.0, *part))
    });
    found.ok_or_else(Problem::no_such_path)
}

pub(crate) fn kind_in_path(call: &Call) -> Result<PoolKind, Problem> {
    in_path(call).map(|(kind, _)| kind)
}

fn only_pool(call: &Call, kind: PoolKind, body: &mut Body) -> Result<Option<PoolId>, Problem> {
    let mut pools = Pools::list(call)?;
    pools.retain(|pool| pool.kind == kind);
    if let [pool] = pools.as_slice() {
        return Ok(Some(pool.id));
    }
    let found = pools.len();
    body.problem("pool", format!("there are {found} pools of this kind; say which is meant"));
    Ok(None)
}

fn user_in_path(call: &Call) -> Result<UserId, Problem> {
    let text = call.places.get(1).map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| Problem::no_such_path())
}

fn user_of(call: &Call, body: &mut Body) -> Option<UserId> {
    let Some(Value::String(text)) = body.value("user") else {
        if !body.mentions("user") {
            body.problem("user", "is missing; give {\"id\"} or \"DIRECTORY\\\\id\"");
        }
        return body.reference("user").map(UserId);
    };
    let key = text.split_once('\\').and_then(|(directory, id)| UserKey::new(directory, id).ok());
    let site = call.repository.site();
    let found = match key {
        Some(key) => site.user_by_key(&key).map(|user| user.id),
        None => text.parse::<UserId>().ok(),
    };
    if found.is_none() {
        body.problem("user", format!("there is no user {text:?}; write DIRECTORY\\id"));
    }
    found
}
