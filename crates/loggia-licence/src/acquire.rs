//! The licence gate: in which order kinds are tried, and what is said when none serves.

use std::fmt;

use loggia_model::entity::PoolKind;
use loggia_model::{Moment, PoolId};
use thiserror::Error;

use crate::view::{MeterKey, PoolView, PoolsView, Seat, Visit};
use crate::{PARALLEL_SESSIONS, PASS_MINUTES, UNIT_MINUTES, UtcOffset, is_named};

/// The answer of the licence gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The visitor holds access already, for a seat without end.
    Covered {
        pool: PoolId,
        kind: PoolKind,
        until: Option<Moment>,
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
    if let Some(covered) = held(&pools, now) {
        return covered;
    }
    match pools.iter().find(|pool| has_stock(pool)) {
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

fn held(pools: &[&PoolView], now: Moment) -> Option<Admission> {
    let is_held = |pool: &PoolView| {
        if is_named(pool.pool.kind) {
            pool.seat == Seat::Held
        } else {
            pool.last_until.is_some_and(|until| now < until)
        }
    };
    let pool = pools.iter().find(|pool| is_held(pool))?;
    let until = if is_named(pool.pool.kind) { None } else { pool.last_until };
    Some(Admission::Covered { pool: pool.pool.id, kind: pool.pool.kind, until })
}

fn has_stock(pool: &PoolView) -> bool {
    let is_barred = pool.seat == Seat::Quarantined;
    !is_barred && pool.remaining().is_none_or(|remaining| remaining >= cost(pool.pool.kind))
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
    let minutes = match kind {
        PoolKind::AnalyzerCapacity => Some(UNIT_MINUTES),
        PoolKind::LoginAccess => Some(PASS_MINUTES),
        _ => None,
    };
    let until = minutes.map(|m| now.plus_minutes(i64::try_from(m).unwrap_or(i64::MAX)));
    Charge {
        pool: pool.pool.id,
        kind,
        key: key(pool, meter, now, offset),
        meter,
        from: now,
        until,
        units: cost(kind),
    }
}

/// What a charge follows names it: a second attempt sees the same predecessor, while after a
/// stored charge the predecessor is another one. The period keeps keys apart when predecessors
/// older than [`PoolView::horizon`] were archived.
fn key(pool: &PoolView, meter: MeterKey, now: Moment, offset: UtcOffset) -> String {
    let predecessor = pool.last_until.map_or_else(|| "-".to_owned(), |until| until.0.to_string());
    let period = match pool.pool.kind {
        PoolKind::AnalyzerCapacity => offset.month_of(now).number,
        PoolKind::LoginAccess => {
            let length = i64::try_from(crate::PASS_RETURN_DAYS * 86_400_000).unwrap_or(i64::MAX);
            now.0.div_euclid(length)
        }
        _ => 0,
    };
    format!("{}/{meter}/{predecessor}/{period}", pool.pool.id)
}

/// The most specific reason: used up, else only for people who sign in, else nothing at all.
fn refuse(view: &PoolsView, visit: &Visit, admitting: &[&PoolView]) -> Admission {
    if !admitting.is_empty() {
        let renews = admitting
            .iter()
            .filter(|pool| pool.pool.capacity.is_some_and(|capacity| capacity > 0))
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
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
