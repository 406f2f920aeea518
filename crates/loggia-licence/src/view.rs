//! What an acquisition looks at: the pools, what was drawn from them, and the visit.

use std::fmt;
use std::net::IpAddr;

use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{AppId, Moment, Prefix, SessionId, UserId, VisitorId};

use crate::{PASS_RETURN_DAYS, UtcOffset, is_named};

/// Who holds what a pool hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HolderKey {
    User(UserId),
    /// An anonymous visitor: the session's own id, or the one in a visitor cookie that outlives it.
    Visitor(VisitorId),
}

/// Somebody opens an app, or is active in one. Internal accounts need no licence and never ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    pub holder: HolderKey,
    pub app: AppId,
    pub session: Option<SessionId>,
    pub entrance: Prefix,
    pub address: Option<IpAddr>,
    /// Other live sessions of the same person.
    pub parallel_sessions: u32,
}

/// Whose clock runs: one unit serves one browser, one pass or seat serves one holder everywhere.
///
/// Its text form is what the ledger stores with each charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MeterKey {
    pub holder: HolderKey,
    /// For units of a known person: each of their browsers runs a unit of its own.
    pub session: Option<SessionId>,
}

/// All pools as one visit sees them.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PoolsView {
    pub pools: Vec<PoolView>,
    /// The zone whose midnight begins a month.
    pub offset: UtcOffset,
}

/// One pool as one visit sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolView {
    pub pool: LicencePool,
    /// Whether the pool's enabled rules admit the requester.
    pub admits: bool,
    /// Whether the requester has a seat here; always [`Seat::None`] in pools of other kinds.
    pub seat: Seat,
    /// When the newest unit or pass that the visit's meter drew here ends or ended.
    pub last_until: Option<Moment>,
    /// What is out at the moment: minutes of units begun this month, passes not yet returned,
    /// seats taken or in quarantine.
    pub used: u64,
    /// When something comes back to a pool that is used up; none where nothing does by itself.
    pub renews: Option<Moment>,
}

/// How a person stands to the seats of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Seat {
    #[default]
    None,
    Held,
    /// Taken away lately: serves nobody, and the pool gives its former holder no new one.
    Quarantined,
}

/// One line of the ledger: something drawn from a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    pub meter: MeterKey,
    pub from: Moment,
    /// None for a seat that is held.
    pub until: Option<Moment>,
    /// Minutes, passes or seats.
    pub units: u64,
}

impl HolderKey {
    #[must_use]
    pub fn is_anonymous(self) -> bool {
        matches!(self, HolderKey::Visitor(_))
    }
}

impl Visit {
    /// A visit without session, entrance and address.
    #[must_use]
    pub fn new(holder: HolderKey, app: AppId) -> Visit {
        Visit {
            holder,
            app,
            session: None,
            entrance: Prefix::default_entrance(),
            address: None,
            parallel_sessions: 0,
        }
    }

    /// The meter that a charge of this kind runs on.
    #[must_use]
    pub fn meter(&self, kind: PoolKind) -> MeterKey {
        let session = match (kind, self.holder) {
            (PoolKind::AnalyzerCapacity, HolderKey::User(_)) => self.session,
            // A visitor's id is one browser already; passes and seats follow their holder around.
            _ => None,
        };
        MeterKey { holder: self.holder, session }
    }
}

impl PoolView {
    /// The view of a pool from its ledger, lines in any order.
    ///
    /// Lines older than [`PoolView::horizon`] change nothing and may be left out.
    #[must_use]
    pub fn from_ledger(
        pool: LicencePool,
        admits: bool,
        ledger: &[Drawn],
        visit: &Visit,
        now: Moment,
        offset: UtcOffset,
    ) -> PoolView {
        let meter = visit.meter(pool.kind);
        let own = ledger.iter().filter(|drawn| drawn.meter == meter);
        let last_until = own.clone().filter_map(|drawn| drawn.until).max();
        let is_out = |drawn: &&Drawn| match pool.kind {
            PoolKind::AnalyzerCapacity => offset.month_of(now).contains(drawn.from),
            PoolKind::LoginAccess => returns(drawn) > now,
            _ => drawn.until.is_none_or(|until| until > now),
        };
        let out = ledger.iter().filter(is_out);
        let renews = match pool.kind {
            PoolKind::AnalyzerCapacity => Some(offset.month_of(now).end),
            PoolKind::LoginAccess => out.clone().map(returns).min(),
            _ => None,
        };
        let holds_seat = is_named(pool.kind) && own.clone().any(|drawn| drawn.until.is_none());
        PoolView {
            admits,
            seat: if holds_seat { Seat::Held } else { Seat::None },
            last_until,
            used: out.map(|drawn| drawn.units).fold(0, u64::saturating_add),
            renews,
            pool,
        }
    }

    /// The beginning of the ledger that still matters to a pool of this kind: lines that begin
    /// before it can be archived. None where all of it matters.
    #[must_use]
    pub fn horizon(kind: PoolKind, now: Moment, offset: UtcOffset) -> Option<Moment> {
        match kind {
            // A unit that began in the last minutes of the old month may still be running.
            PoolKind::AnalyzerCapacity => {
                let month = offset.month_of(now).start;
                Some(Moment(month.0.saturating_sub(60 * 60_000)))
            }
            PoolKind::LoginAccess => Some(now.plus_minutes(-pass_return_minutes())),
            _ => None,
        }
    }

    /// What is left; none is unlimited. Overage counts as left.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.pool.capacity.map(|capacity| {
            let overage = match self.pool.kind {
                PoolKind::AnalyzerCapacity => self.pool.overage,
                _ => 0,
            };
            capacity.saturating_add(overage).saturating_sub(self.used)
        })
    }
}

impl fmt::Display for HolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HolderKey::User(id) => write!(f, "user:{id}"),
            HolderKey::Visitor(id) => write!(f, "visitor:{id}"),
        }
    }
}

impl fmt::Display for MeterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.session {
            Some(session) => write!(f, "{}/session:{session}", self.holder),
            None => self.holder.fmt(f),
        }
    }
}

fn pass_return_minutes() -> i64 {
    i64::try_from(PASS_RETURN_DAYS * 24 * 60).unwrap_or(i64::MAX)
}

fn returns(drawn: &Drawn) -> Moment {
    drawn.from.plus_minutes(pass_return_minutes())
}
