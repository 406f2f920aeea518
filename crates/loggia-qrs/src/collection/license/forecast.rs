//! What of a pool is out, what was drawn day by day, when it will be empty, and what a week would
//! have cost under other pools.

use loggia_model::{Moment, PoolId};
use loggia_repository::{Counters, Declaration, Simulation};
use serde_json::{Value, json};

use super::kind_name;
use crate::call::{Answer, Call};
use crate::collection::system_rule::refuse_visitor;
use crate::filter::moment;
use crate::problem::Problem;
use crate::wire;

const DAY: i64 = 86_400_000;

pub(crate) fn counters(call: &Call) -> Result<Answer, Problem> {
    let counters = call.repository.pool_counters(&call.caller, PoolId(call.id()?))?;
    Ok(Answer::Ok(counted(&counters)))
}

/// `?from=2026-11-01&to=2026-12-01`, the last four weeks when not said.
pub(crate) fn history(call: &Call) -> Result<Answer, Problem> {
    let (from, to) = span(call, call.query.get("from"), call.query.get("to"), 28 * DAY)?;
    let days = call.repository.pool_history(&call.caller, PoolId(call.id()?), from, to)?;
    let row = |day: &loggia_repository::PoolDay| {
        json!({
            "day": wire::date(day.day),
            "units": day.units,
            "unitsOfVisitors": day.units_of_visitors,
            "uses": day.uses,
        })
    };
    Ok(Answer::Ok(days.iter().map(row).collect()))
}

/// The day on which the pool will be empty if it goes on like this; null when it lasts.
pub(crate) fn forecast(call: &Call) -> Result<Answer, Problem> {
    let id = PoolId(call.id()?);
    let empty = call.repository.forecast(&call.caller, id)?;
    Ok(Answer::Ok(json!({ "empty": empty.map(wire::date) })))
}

/// When the pool was used up to 80, 95 and 100 per cent, the last time first.
pub(crate) fn alerts(call: &Call) -> Result<Answer, Problem> {
    let alerts = call.repository.pool_alerts(&call.caller, PoolId(call.id()?))?;
    let row = |alert: &loggia_repository::Alert| {
        json!({
            "pool": alert.pool,
            "time": wire::date(alert.time),
            "percentage": alert.percentage,
        })
    };
    Ok(Answer::Ok(alerts.iter().map(row).collect()))
}

/// `{"from", "to", "minutesPerVisit", "pools": […]}`: pools as in a declaration. Without dates it
/// is the last seven days, without pools those of the site.
pub(crate) fn simulate(call: &Call) -> Result<Answer, Problem> {
    refuse_visitor(call)?;
    let mut body = call.body()?;
    let (from, to) = (body.text("from"), body.text("to"));
    let minutes = body.number::<u64>("minutesPerVisit").unwrap_or(MINUTES_PER_VISIT);
    let pools = body.value("pools");
    body.finish()?;
    let (from, to) = span(call, from.as_deref(), to.as_deref(), 7 * DAY)?;
    let declaration = pools.map(|pools| {
        serde_json::from_value::<Declaration>(json!({ "pools": pools }))
            .map_err(|error| Problem::bad(format!("pools: {error}")))
    });
    let declaration = declaration.transpose()?;
    let simulation = call.repository.simulate_declared(
        &call.caller,
        (from, to),
        minutes,
        declaration.as_ref(),
    )?;
    Ok(Answer::Ok(simulated(&simulation, from, to)))
}

/// For how long people are taken to be active where the ledger tells only that they came.
const MINUTES_PER_VISIT: u64 = 12;

fn span(
    call: &Call,
    from: Option<&str>,
    to: Option<&str>,
    length: i64,
) -> Result<(Moment, Moment), Problem> {
    let read = |name: &str, text: &str| {
        moment(text)
            .map(Moment)
            .ok_or_else(|| Problem::bad(format!("{name} is {text:?}, expected a date")))
    };
    let to = to.map(|text| read("to", text)).transpose()?;
    let to = to.unwrap_or_else(|| call.repository.now());
    let from = from.map(|text| read("from", text)).transpose()?;
    let from = from.unwrap_or(Moment(to.0.saturating_sub(length)));
    if from >= to {
        return Err(Problem::bad("from is not before to"));
    }
    Ok((from, to))
}

pub(crate) fn counted(counters: &Counters) -> Value {
    json!({
        "total": counters.total,
        "used": counters.used,
        "available": counters.available,
        "quarantined": counters.quarantined,
        "unavailable": counters.unavailable,
        "overageLimit": counters.overage_limit,
        "overageUsed": counters.overage_used,
        "usedByVisitors": counters.used_by_visitors,
        "renews": counters.renews.map(wire::date),
    })
}

fn simulated(simulation: &Simulation, from: Moment, to: Moment) -> Value {
    let outcome = &simulation.outcome;
    let pool =
        |(pool, row): (&loggia_model::entity::LicencePool, &loggia_repository::PoolOutcome)| {
            json!({
                "id": pool.id,
                "name": pool.name,
                "kind": kind_name(pool.kind),
                "capacity": pool.capacity,
                "units": row.units,
                "unitsOfVisitors": row.units_of_visitors,
                "peak": row.peak,
                "served": row.served,
            })
        };
    json!({
        "from": wire::date(from),
        "to": wire::date(to),
        "activities": outcome.activities,
        "refused": outcome.refused,
        "refusals": outcome.refusals,
        "firstEmpty": outcome.first_empty.map(wire::date),
        "pools": simulation.pools.iter().zip(&outcome.pools).map(pool).collect::<Vec<_>>(),
    })
}
