//! `loggia licence`: pools, seats, declarations and forecasts from the command line.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use jiff::Timestamp;
use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{Caller, InternalAccount, Moment, PoolId, UserId, UserKey};
use loggia_repository::{
    Allocation, AllocationStatus, Counters, Declaration, Imported, KIND_NAMES, PoolEdit, PoolUse,
    Repository, Saved, Simulation, StepOutcome, Violation,
};
use serde_json::{Value, json};

use crate::cli::{ReportFormat, say};
use crate::serve::{inspect_repository, open_repository};
use crate::settings::Settings;

/// What is to become of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    Allocate,
    Deallocate,
    Reinstate,
}

/// How a declaration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DeclarationFormat {
    Toml,
    Json,
}

/// What to set of a pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) edit: PoolEdit,
    pub(crate) visitors: Option<bool>,
}

/// Prints every pool, what is out of it, and who has seats.
pub(crate) fn show(data: &Path, format: ReportFormat) -> anyhow::Result<()> {
    let repository = inspect_repository(data)?;
    let caller = server();
    let mut text = String::new();
    let mut rows = Vec::new();
    let uses = repository.pool_uses(&caller)?;
    if uses.is_empty() {
        text.push_str("There are no licence pools, so nobody opens an app.\n");
    }
    for pool in &uses {
        let id = pool.pool.id;
        let forecast = repository.forecast(&caller, id)?;
        let alerts = repository.pool_alerts(&caller, id)?;
        let seats = repository.allocations(&caller, id)?;
        let visitors = repository.pool_visitors(&caller, id)?.are_admitted;
        match format {
            ReportFormat::Text => {
                text.push_str(&pool_text(pool, forecast, visitors));
                if let Some(alert) = alerts.first() {
                    let when = iso(alert.time);
                    let _ = writeln!(text, "  used up to {} % at {when}", alert.percentage);
                }
                for seat in &seats {
                    let _ = writeln!(text, "  {}", seat_text(seat));
                }
            }
            ReportFormat::Json => rows.push(json!({
                "id": id,
                "name": pool.pool.name,
                "kind": kind_name(&pool.pool),
                "disabled": pool.pool.is_disabled,
                "counters": counters_json(&pool.counters),
                "visitors": visitors,
                "rules": pool.rules,
                "empty": forecast.map(iso),
                "alerts": alerts
                    .iter()
                    .map(|alert| json!({ "time": iso(alert.time), "percentage": alert.percentage }))
                    .collect::<Vec<_>>(),
                "allocations": seats.iter().map(seat_json).collect::<Vec<_>>(),
            })),
        }
    }
    let tokens = repository.tokens(&caller)?;
    if let (Some(total), ReportFormat::Text) = (tokens.total, format) {
        let left = tokens.available.unwrap_or(0);
        let _ = writeln!(text, "Tokens: {total}, of which {left} are free");
    }
    match format {
        ReportFormat::Text => say(&text),
        ReportFormat::Json => {
            let report = json!({ "pools": rows, "tokens": tokens.total });
            say(&format!("{report:#}\n"))
        }
    }
}

/// Changes a pool, or makes it when a kind is given and there is none of that name.
pub(crate) fn set(data: &Path, name: &str, wanted: Wanted) -> anyhow::Result<()> {
    let repository = open_repository(data)?;
    let caller = server();
    let is_seat = |kind| !matches!(kind, PoolKind::LoginAccess | PoolKind::AnalyzerCapacity);
    if wanted.visitors == Some(true) && wanted.edit.kind.is_some_and(is_seat) {
        bail!("visitors draw on LoginAccess and AnalyzerTimeAccess only; nothing was changed");
    }
    let (saved, verb) = match (find(&repository, name), wanted.edit.kind) {
        (Err(_), Some(_)) if name.parse::<PoolId>().is_err() => {
            let named = wanted.edit.name.clone().unwrap_or_else(|| name.to_owned());
            let edit = PoolEdit { name: Some(named), ..wanted.edit };
            (repository.create_pool(&caller, None, edit)?, "made")
        }
        (found, _) => {
            let pool = found?;
            (repository.update_pool(&caller, pool.id, None, wanted.edit)?, "set")
        }
    };
    let Saved { value: pool, mut warnings } = saved;
    if let Some(on) = wanted.visitors {
        let visitors = repository.set_pool_visitors(&caller, pool.id, on)?;
        // What was missing a moment ago may be there now.
        warnings.retain(|warning| warning.place != "id" || !on);
        warnings.extend(visitors.warnings);
    }
    let mut text = format!("Pool {:?} is {verb}.\n", pool.name);
    notes(&mut text, &warnings);
    say(&text)
}

/// Gives somebody a seat, takes it away, or ends its quarantine.
pub(crate) fn seat(settings: &Settings, pool: &str, user: &str, act: Seat) -> anyhow::Result<()> {
    let repository = open_repository(&settings.data)?;
    let caller = server();
    let pool = find(&repository, pool)?;
    let (id, key) = find_user(&repository, settings, &pool, user)?;
    let text = match act {
        Seat::Allocate => {
            repository.allocate(&caller, pool.id, id)?;
            format!("{key} has a seat of {:?}.\n", pool.name)
        }
        Seat::Reinstate => {
            repository.reinstate(&caller, pool.id, id)?;
            format!("{key} has the seat of {:?} back.\n", pool.name)
        }
        Seat::Deallocate => match repository.deallocate(&caller, pool.id, id)? {
            Some(Allocation { status: AllocationStatus::Quarantined { until }, .. }) => format!(
                "The seat of {key} in {:?} is in quarantine until {}; loggia licence reinstate \
                 gives it back.\n",
                pool.name,
                iso(until)
            ),
            _ => format!("{key} has no seat of {:?}.\n", pool.name),
        },
    };
    say(&text)
}

/// Brings in a declaration file, or tells what it would do.
pub(crate) fn import(data: &Path, file: &Path, is_dry_run: bool) -> anyhow::Result<()> {
    let declaration = read(file)?;
    let caller = server();
    let imported = if is_dry_run {
        inspect_repository(data)?.preview_licences(&caller, &declaration)?
    } else {
        open_repository(data)?.import_licences(&caller, &declaration)?
    };
    say(&import_text(&imported))
}

/// Prints the licences as a declaration that would change nothing.
pub(crate) fn export(data: &Path, format: DeclarationFormat) -> anyhow::Result<()> {
    let declaration = inspect_repository(data)?.licence_declaration(&server())?;
    say(&match format {
        DeclarationFormat::Toml => declaration.to_toml(),
        DeclarationFormat::Json => format!("{:#}\n", serde_json::to_value(&declaration)?),
    })
}

/// Prints what the activity between two days would have cost under the pools of a file, or under
/// those that there are.
pub(crate) fn simulate(
    data: &Path,
    span: (Option<&str>, Option<&str>),
    minutes_per_visit: u64,
    under: Option<&Path>,
    format: ReportFormat,
) -> anyhow::Result<()> {
    let declaration = under.map(read).transpose()?;
    let repository = inspect_repository(data)?;
    let to = span.1.map(day).transpose()?.unwrap_or_else(|| repository.now());
    let week_before = || Moment(to.0.saturating_sub(7 * 86_400_000));
    let from = span.0.map(day).transpose()?.unwrap_or_else(week_before);
    if from >= to {
        bail!("--from is not before --to");
    }
    let found = repository.simulate_declared(
        &server(),
        (from, to),
        minutes_per_visit,
        declaration.as_ref(),
    )?;
    say(&match format {
        ReportFormat::Text => simulation_text(&found, from, to),
        ReportFormat::Json => format!("{:#}\n", simulation_json(&found, from, to)),
    })
}

/// Prints when pools will be empty if it goes on like this.
pub(crate) fn forecast(data: &Path, format: ReportFormat) -> anyhow::Result<()> {
    let repository = inspect_repository(data)?;
    let caller = server();
    let (mut text, mut rows) = (String::new(), Vec::new());
    for pool in repository.pools(&caller)? {
        let empty = repository.forecast(&caller, pool.id)?;
        let _ = match empty {
            Some(day) => writeln!(text, "{:?} will be used up on {}", pool.name, date(day)),
            None => writeln!(text, "{:?} lasts", pool.name),
        };
        rows.push(json!({ "id": pool.id, "name": pool.name, "empty": empty.map(iso) }));
    }
    say(&match format {
        ReportFormat::Text => text,
        ReportFormat::Json => format!("{:#}\n", Value::Array(rows)),
    })
}

/// A limit as the command line writes it: a number, or `unlimited`.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    if text == "unlimited" {
        return Ok(Limit(None));
    }
    let number = text.replace('_', "").parse();
    number.map(|number| Limit(Some(number))).map_err(|_| "a whole number or unlimited".to_owned())
}

/// So many, or without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<u64>);

/// A kind of pool by its name.
pub(crate) fn kind(text: &str) -> Result<PoolKind, String> {
    let found = KIND_NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
    found
        .map(|(kind, _)| *kind)
        .ok_or_else(|| format!("there are {}", KIND_NAMES.map(|(_, name)| name).join(", ")))
}

fn server() -> Caller {
    Caller::internal(InternalAccount::Repository)
}

fn read(file: &Path) -> anyhow::Result<Declaration> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the declaration {}", file.display()))?;
    Declaration::parse(&text)
        .with_context(|| format!("cannot understand the declaration {}", file.display()))
}

fn find(repository: &Repository, text: &str) -> anyhow::Result<Arc<LicencePool>> {
    let pools = repository.pools(&server())?;
    if let Some(id) = text.parse::<PoolId>().ok()
        && let Some(pool) = pools.iter().find(|pool| pool.id == id)
    {
        return Ok(pool.clone());
    }
    let is_named = |pool: &&Arc<LicencePool>| pool.name.to_lowercase() == text.to_lowercase();
    let named: Vec<_> = pools.iter().filter(is_named).collect();
    match named.as_slice() {
        [pool] => Ok(Arc::clone(pool)),
        [] if pools.is_empty() => bail!("there is no pool {text:?}, nor any other"),
        [] => {
            let names: Vec<_> = pools.iter().map(|pool| format!("{:?}", pool.name)).collect();
            bail!("there is no pool {text:?}; there are {}", names.join(", "))
        }
        several => bail!("{} pools are called {text:?}; give the id", several.len()),
    }
}

/// Somebody by id or key; of whose row was deleted, whoever still has a seat of the pool.
fn find_user(
    repository: &Repository,
    settings: &Settings,
    pool: &LicencePool,
    text: &str,
) -> anyhow::Result<(UserId, String)> {
    let site = repository.site();
    if let Some(user) = text.parse::<UserId>().ok().and_then(|id| site.user(id)) {
        return Ok((user.id, user.key.to_string()));
    }
    let (directory, id) = text.split_once('\\').unwrap_or((&settings.default_directory, text));
    let key = UserKey::from_outside(directory, id)?;
    if let Some(user) = site.user_by_key(&key) {
        return Ok((user.id, key.to_string()));
    }
    let seats = repository.allocations(&server(), pool.id)?;
    let seat = seats.iter().find(|seat| seat.principal.eq_ignore_ascii_case(&key.to_string()));
    match seat {
        Some(seat) => Ok((seat.user, seat.principal.clone())),
        None => bail!("there is no user {key}"),
    }
}

fn kind_name(pool: &LicencePool) -> &'static str {
    KIND_NAMES.iter().find(|(kind, _)| *kind == pool.kind).map_or("", |(_, name)| name)
}

fn pool_text(pool: &PoolUse, forecast: Option<Moment>, visitors: bool) -> String {
    let counters = &pool.counters;
    let off = if pool.pool.is_disabled { ", switched off" } else { "" };
    let mut text = format!("{:?}, {}{off}\n", pool.pool.name, kind_name(&pool.pool));
    let total = counters.total.map_or_else(|| "no limit".to_owned(), |total| total.to_string());
    let _ = write!(text, "  {} used of {total}", counters.used);
    for (number, word) in [
        (counters.quarantined, "in quarantine"),
        (counters.unavailable, "still to come back"),
        (counters.overage_used, "of the overage"),
        (counters.used_by_visitors, "by visitors"),
    ] {
        if number > 0 {
            let _ = write!(text, ", {number} {word}");
        }
    }
    text.push('\n');
    if let Some(renews) = counters.renews {
        let _ = writeln!(text, "  renews at {}", iso(renews));
    }
    if let Some(day) = forecast {
        let _ = writeln!(text, "  will be used up on {}, if it goes on like this", date(day));
    }
    let rules: Vec<_> = pool.rules.iter().map(|rule| format!("{rule:?}")).collect();
    let _ = match (rules.is_empty(), visitors) {
        (true, _) => writeln!(text, "  admits nobody: no licence rule names it"),
        (false, true) => writeln!(text, "  admits visitors; rules: {}", rules.join(", ")),
        (false, false) => writeln!(text, "  rules: {}", rules.join(", ")),
    };
    text
}

fn seat_text(seat: &Allocation) -> String {
    let mut text = seat.principal.clone();
    if seat.is_deleted {
        text.push_str(" (deleted)");
    }
    if let AllocationStatus::Quarantined { until } = seat.status {
        text.push_str(&format!(", in quarantine until {}", iso(until)));
    }
    match seat.last_used {
        Some(day) => text.push_str(&format!(", last used on {}", date(day))),
        None => text.push_str(", never used"),
    }
    text.push_str(if seat.by_rule { ", by a rule" } else { ", by hand" });
    text
}

fn seat_json(seat: &Allocation) -> Value {
    let until = match seat.status {
        AllocationStatus::Allocated => None,
        AllocationStatus::Quarantined { until } => Some(until),
    };
    json!({
        "user": seat.user,
        "principal": seat.principal,
        "deleted": seat.is_deleted,
        "quarantineEnd": until.map(iso),
        "lastUsed": seat.last_used.map(iso),
        "byRule": seat.by_rule,
    })
}

fn counters_json(counters: &Counters) -> Value {
    json!({
        "total": counters.total,
        "used": counters.used,
        "available": counters.available,
        "quarantined": counters.quarantined,
        "unavailable": counters.unavailable,
        "overageLimit": counters.overage_limit,
        "overageUsed": counters.overage_used,
        "usedByVisitors": counters.used_by_visitors,
        "renews": counters.renews.map(iso),
    })
}

fn import_text(imported: &Imported) -> String {
    let mut text = String::new();
    if imported.is_dry_run {
        text.push_str("Nothing is changed; it would be so:\n");
    }
    for step in &imported.steps {
        let outcome = match &step.outcome {
            StepOutcome::Made => "made".to_owned(),
            StepOutcome::Changed(members) => format!("changed: {}", members.join(", ")),
            StepOutcome::Same => "as it is".to_owned(),
            StepOutcome::NotMentioned => "not mentioned, stays".to_owned(),
        };
        let pool = step.pool.as_ref().map(|pool| format!(" of {pool:?}")).unwrap_or_default();
        let _ = writeln!(text, "  {} {:?}{pool}: {outcome}", step.what, step.name);
    }
    notes(&mut text, &imported.warnings);
    text
}

fn simulation_text(simulation: &Simulation, from: Moment, to: Moment) -> String {
    let outcome = &simulation.outcome;
    let mut text = format!(
        "From {} to {}: {} activities, {} refused\n",
        iso(from),
        iso(to),
        outcome.activities,
        outcome.refused
    );
    for (code, times) in &outcome.refusals {
        let _ = writeln!(text, "  {code}: {times}");
    }
    if let Some(empty) = outcome.first_empty {
        let _ = writeln!(text, "  used up for the first time at {}", iso(empty));
    }
    for (pool, row) in simulation.pools.iter().zip(&outcome.pools) {
        let total = pool.capacity.map_or_else(|| "no limit".to_owned(), |total| total.to_string());
        let _ = writeln!(
            text,
            "  {:?}, {}: {} drawn ({} by visitors), {} out at most, of {total}",
            pool.name,
            kind_name(pool),
            row.units,
            row.units_of_visitors,
            row.peak
        );
    }
    text
}

fn simulation_json(simulation: &Simulation, from: Moment, to: Moment) -> Value {
    let outcome = &simulation.outcome;
    let pools: Vec<_> = simulation
        .pools
        .iter()
        .zip(&outcome.pools)
        .map(|(pool, row)| {
            json!({
                "name": pool.name,
                "kind": kind_name(pool),
                "capacity": pool.capacity,
                "units": row.units,
                "unitsOfVisitors": row.units_of_visitors,
                "peak": row.peak,
                "served": row.served,
            })
        })
        .collect();
    json!({
        "from": iso(from),
        "to": iso(to),
        "activities": outcome.activities,
        "refused": outcome.refused,
        "refusals": outcome.refusals,
        "firstEmpty": outcome.first_empty.map(iso),
        "pools": pools,
    })
}

fn notes(text: &mut String, warnings: &[Violation]) {
    for warning in warnings {
        let _ = writeln!(text, "  note: {}", warning.message);
    }
}

fn day(text: &str) -> anyhow::Result<Moment> {
    let date: jiff::civil::Date =
        text.parse().with_context(|| format!("{text:?} is no day such as 2026-11-16"))?;
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    let at = jiff::tz::TimeZone::UTC.to_timestamp(midnight)?;
    Ok(Moment(at.as_millisecond()))
}

fn iso(moment: Moment) -> String {
    Timestamp::from_millisecond(moment.0).map(|at| format!("{at:.0}")).unwrap_or_default()
}

fn date(moment: Moment) -> String {
    let stamp = Timestamp::from_millisecond(moment.0);
    stamp.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}
