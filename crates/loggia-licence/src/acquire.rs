//! The licence gate: in which order kinds are tried, and what is said when none serves.

use std::fmt;

use loggia_model::entity::PoolKind;
use loggia_model::{Moment, PoolId};
use thiserror::Error;

use crate::line::MeterKey;
use crate::seat::Seat;
use crate::view::{PoolView, PoolsView, Visit, minutes};
use crate::{ALERT_PERCENTAGES, PARALLEL_SESSIONS, UNIT_MINUTES, UtcOffset, is_named};

/// The answer of the licence gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The visitor holds access already, for a seat without end.
    Covered {
        pool: PoolId,
        kind: PoolKind,
        until: Option<Moment>,
        /// Whether a seat is used for the first time of this day, which the ledger wants to know:
        /// the days of a quarantine are counted from the last use.
        is_first_today: bool,
    },
    /// The visitor comes in once this is in the ledger.
    Charge(Charge),
    Refused(Refusal),
}

/// Something to be drawn from a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub pool: PoolId,
    pub kind: PoolKind,
    /// The same for every attempt at the same charge: a ledger that holds the key already must not
    /// store the charge again, and the visit is covered.
    pub key: String,
    pub meter: MeterKey,
    pub from: Moment,
    /// None for a seat, which lasts until it is taken away.
    pub until: Option<Moment>,
    /// Minutes for analyzer capacity, else one pass or one seat.
    pub units: u64,
    /// The percentages of [`ALERT_PERCENTAGES`] that the pool reaches with this.
    pub reaches: Vec<u64>,
}

/// Why no pool serves the visit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no licence covers this visit ({code})")]
pub struct Refusal {
    pub code: RefusalCode,
    /// The pools whose rules admit the visitor but which are used up.
    pub pools: Vec<PoolId>,
    /// When the first of them has something again.
    pub renews: Option<Moment>,
}

/// Stable codes of the licence gate (`spec/access.md` §3.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// No pool admits the visitor.
    None,
    /// A pool admits the visitor but is used up.
    Empty,
    /// A visitor who has not signed in, and only seats of named people are to be had.
    AnonymousKind,
    /// The person has too many sessions already.
    Sessions,
    /// The visitors of this address have drawn as much as one address may for now.
    Address,
}

/// In which order kinds of seats are tried (`spec/access.md` §3.8).
const SEATS: [PoolKind; 3] = [PoolKind::Professional, PoolKind::UserAccess, PoolKind::Analyzer];

/// Decides whether a visit may begin or go on, and what that costs.
///
/// What is held already comes first: a seat, then a running pass, then a running unit. Then the
/// cheapest promise to the person: a seat of their own, a pass, a unit; pools of a kind in the
/// order of their names. A pass or unit serves only while its pool's rule admits the visitor, so
/// that a changed rule takes effect at once; a seat stays with its person until it is taken away.
#[must_use]
pub fn acquire(view: &PoolsView, visit: &Visit, now: Moment) -> Admission {
    if !visit.holder.is_anonymous() && visit.parallel_sessions >= PARALLEL_SESSIONS {
        return refused(RefusalCode::Sessions);
    }
    let pools = usable(view, visit);
    if let Some(covered) = held(&pools, now, view.offset) {
        return covered;
    }
    let serves = |pool: &PoolView| has_stock(view, pool, visit) && !is_at_ceiling(pool, visit);
    match pools.iter().find(|pool| serves(pool)) {
        Some(pool) => Admission::Charge(charge(pool, visit, now, view.offset)),
        None => refuse(view, visit, &pools),
    }
}

/// The pools that could serve this holder, in the order in which they are tried.
fn usable<'a>(view: &'a PoolsView, visit: &Visit) -> Vec<&'a PoolView> {
    let is_anonymous = visit.holder.is_anonymous();
    let mut pools: Vec<&PoolView> = view
        .pools
        .iter()
        .filter(|pool| !pool.pool.is_disabled)
        .filter(|pool| !(is_anonymous && is_named(pool.pool.kind)))
        .filter(|pool| pool.admits || pool.seat == Seat::Held)
        .collect();
    pools.sort_by_key(|pool| (rank(pool.pool.kind), &pool.pool.name, pool.pool.id));
    pools
}

fn rank(kind: PoolKind) -> usize {
    match kind {
        PoolKind::LoginAccess => SEATS.len(),
        PoolKind::AnalyzerCapacity => SEATS.len() + 1,
        _ => SEATS.iter().position(|&seat| seat == kind).unwrap_or(SEATS.len()),
    }
}

fn held(pools: &[&PoolView], now: Moment, offset: UtcOffset) -> Option<Admission> {
    let is_held = |pool: &PoolView| {
        if is_named(pool.pool.kind) {
            pool.seat == Seat::Held
        } else {
            pool.last_until.is_some_and(|until| now < until)
        }
    };
    let pool = pools.iter().find(|pool| is_held(pool))?;
    let is_seat = is_named(pool.pool.kind);
    let today = offset.day_of(now);
    let is_first_today = is_seat && pool.last_used.is_none_or(|used| used < today);
    let until = if is_seat { None } else { pool.last_until };
    Some(Admission::Covered { pool: pool.pool.id, kind: pool.pool.kind, until, is_first_today })
}

fn has_stock(view: &PoolsView, pool: &PoolView, visit: &Visit) -> bool {
    if matches!(pool.seat, Seat::Quarantined { .. }) {
        return false;
    }
    // User access is paid for in tokens, one each, where the site counts them.
    if pool.pool.kind == PoolKind::UserAccess && view.tokens_left == Some(0) {
        return false;
    }
    let remaining = pool.remaining(visit.holder.is_anonymous());
    remaining.is_none_or(|remaining| remaining >= cost(pool.pool.kind))
}

fn is_at_ceiling(pool: &PoolView, visit: &Visit) -> bool {
    let ceiling = pool.pool.units_per_address_per_hour;
    visit.limited_address(&pool.pool).is_some()
        && ceiling.is_some_and(|ceiling| pool.from_address >= ceiling)
}

fn cost(kind: PoolKind) -> u64 {
    match kind {
        PoolKind::AnalyzerCapacity => UNIT_MINUTES,
        _ => 1,
    }
}

fn charge(pool: &PoolView, visit: &Visit, now: Moment, offset: UtcOffset) -> Charge {
    let kind = pool.pool.kind;
    let meter = visit.meter(kind);
    let until = (!is_named(kind)).then(|| now.plus_minutes(minutes(kind)));
    Charge {
        pool: pool.pool.id,
        kind,
        key: key(pool, meter, now, offset),
        meter,
        from: now,
        until,
        units: cost(kind),
        reaches: reaches(pool),
    }
}

/// What a charge follows names it: a second attempt sees the same predecessor, while after a
/// stored charge the predecessor is another one. The period keeps keys apart when all lines of the
/// meter were archived.
fn key(pool: &PoolView, meter: MeterKey, now: Moment, offset: UtcOffset) -> String {
    let period = if is_named(pool.pool.kind) { 0 } else { offset.month_of(now).number };
    format!("{}/{meter}/{}/{period}", pool.pool.id, pool.last_line)
}

/// Whether there is something for the visit when all of the pool is back: what is smaller than
/// one unit, or reserved for others, is not worth coming back for.
fn serves_once_renewed(pool: &PoolView, visit: &Visit) -> bool {
    let renewed = PoolView { used: 0, used_by_visitors: 0, ..pool.clone() };
    let remaining = renewed.remaining(visit.holder.is_anonymous());
    remaining.is_some_and(|remaining| remaining >= cost(pool.pool.kind))
}

fn reaches(pool: &PoolView) -> Vec<u64> {
    let Some(capacity) = pool.pool.capacity.filter(|capacity| *capacity > 0) else {
        return Vec::new();
    };
    let after = pool.used.saturating_add(cost(pool.pool.kind));
    let is_reached = |used: u64, percentage: u64| {
        u128::from(used) * 100 >= u128::from(capacity) * u128::from(percentage)
    };
    let mut reached = ALERT_PERCENTAGES.to_vec();
    reached.retain(|&level| is_reached(after, level) && !is_reached(pool.used, level));
    reached
}

/// The most specific reason: used up, else only for people who sign in, else nothing at all.
fn refuse(view: &PoolsView, visit: &Visit, admitting: &[&PoolView]) -> Admission {
    let stocked = || admitting.iter().filter(|pool| has_stock(view, pool, visit));
    if stocked().next().is_some() {
        let renews = stocked().filter_map(|pool| pool.address_renews).min();
        let pools = stocked().map(|pool| pool.pool.id).collect();
        return Admission::Refused(Refusal { code: RefusalCode::Address, pools, renews });
    }
    if !admitting.is_empty() {
        let renews = admitting
            .iter()
            .filter(|pool| serves_once_renewed(pool, visit))
            .filter_map(|pool| pool.renews)
            .min();
        let pools = admitting.iter().map(|pool| pool.pool.id).collect();
        return Admission::Refused(Refusal { code: RefusalCode::Empty, pools, renews });
    }
    let has_seats = view.pools.iter().any(|p| is_named(p.pool.kind) && !p.pool.is_disabled);
    if visit.holder.is_anonymous() && has_seats {
        return refused(RefusalCode::AnonymousKind);
    }
    refused(RefusalCode::None)
}

fn refused(code: RefusalCode) -> Admission {
    Admission::Refused(Refusal { code, pools: Vec::new(), renews: None })
}

impl RefusalCode {
    /// The code as pages, logs and answers carry it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RefusalCode::None => "LIC-NONE",
            RefusalCode::Empty => "LIC-EMPTY",
            RefusalCode::AnonymousKind => "LIC-ANON-KIND",
            RefusalCode::Sessions => "LIC-SESSIONS",
            RefusalCode::Address => "LIC-ADDRESS",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
