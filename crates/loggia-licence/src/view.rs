//! What an acquisition looks at: the pools, what was drawn from them, and the visit.

use std::net::IpAddr;

use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{AppId, DeviceHash, Moment, Prefix, SessionId};

use crate::line::{Device, HolderKey, Line, LineKind, MeterKey, address_block};
use crate::seat::{Seat, SeatRecord};
use crate::{PASS_MINUTES, PASS_RETURN_DAYS, UNIT_MINUTES, UtcOffset, is_named};

/// Somebody opens an app, or is active in one. Internal accounts need no licence and never ask.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    pub holder: HolderKey,
    pub app: AppId,
    pub session: Option<SessionId>,
    pub device: Option<DeviceHash>,
    pub entrance: Prefix,
    pub address: Option<IpAddr>,
    /// Other live sessions of the same person.
    pub parallel_sessions: u32,
}

/// All pools as one visit sees them.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PoolsView {
    pub pools: Vec<PoolView>,
    /// The zone whose midnight begins a month.
    pub offset: UtcOffset,
    /// Tokens that nothing occupies; none where the site does not count tokens.
    pub tokens_left: Option<u64>,
}

/// One pool as one visit sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolView {
    pub pool: LicencePool,
    /// Whether the pool's enabled rules admit the requester.
    pub admits: bool,
    /// Whether the requester has a seat here; always [`Seat::None`] in pools of other kinds.
    pub seat: Seat,
    /// When that seat was last used, to the day.
    pub last_used: Option<Moment>,
    /// When the newest unit or pass that the visit's meter drew here ends or ended. One that ends
    /// later than [`PoolView::latest_end`] was drawn by a clock that has been set back since, and
    /// is left out.
    pub last_until: Option<Moment>,
    /// Number of the newest line of the visit's meter here; 0 for none.
    pub last_line: u64,
    /// What is out at the moment: minutes of units begun this month, passes not yet returned,
    /// seats taken or in quarantine.
    pub used: u64,
    /// The part of it that visitors drew.
    pub used_by_visitors: u64,
    /// How many units or passes the visitors of this address began within the last hour, and when
    /// that gets less; looked up only for a visitor where the pool has a ceiling.
    pub from_address: u64,
    pub address_renews: Option<Moment>,
    /// When something comes back to a pool that is used up; none where nothing does by itself.
    pub renews: Option<Moment>,
}

impl Visit {
    /// A visit without session, device, entrance and address.
    #[must_use]
    pub fn new(holder: HolderKey, app: AppId) -> Visit {
        Visit {
            holder,
            app,
            session: None,
            device: None,
            entrance: Prefix::default_entrance(),
            address: None,
            parallel_sessions: 0,
        }
    }

    /// The meter that a charge of this kind runs on.
    #[must_use]
    pub fn meter(&self, kind: PoolKind) -> MeterKey {
        let device = match (kind, self.holder) {
            (PoolKind::AnalyzerCapacity, HolderKey::User(_)) => {
                self.device.map(Device::Known).or(self.session.map(Device::Session))
            }
            // A visitor's id is one browser already; passes and seats follow their holder around.
            _ => None,
        };
        MeterKey { holder: self.holder, device }
    }

    /// The address whose draw on the pool is limited, where it is.
    #[must_use]
    pub fn limited_address(&self, pool: &LicencePool) -> Option<IpAddr> {
        // One address cannot drain what has no end.
        let is_limited = pool.capacity.is_some()
            && pool.units_per_address_per_hour.is_some()
            && !is_named(pool.kind)
            && self.holder.is_anonymous();
        self.address.filter(|_| is_limited).map(address_block)
    }
}

impl PoolView {
    /// A pool of which nothing is known yet to be out.
    #[must_use]
    pub fn new(pool: LicencePool, admits: bool) -> PoolView {
        PoolView {
            pool,
            admits,
            seat: Seat::None,
            last_used: None,
            last_until: None,
            last_line: 0,
            used: 0,
            used_by_visitors: 0,
            from_address: 0,
            address_renews: None,
            renews: None,
        }
    }

    /// The view of a pool from its lines and their numbers, in the order of these.
    ///
    /// A repository finds the same faster; this says what it has to find.
    #[must_use]
    pub fn from_ledger(
        pool: LicencePool,
        admits: bool,
        ledger: &[(u64, Line)],
        visit: &Visit,
        now: Moment,
        offset: UtcOffset,
    ) -> PoolView {
        let meter = visit.meter(pool.kind);
        let taken = || ledger.iter().map(|(_, line)| line).filter(|l| l.kind == LineKind::Taken);
        let own = || ledger.iter().filter(|(_, line)| line.meter == Some(meter));
        let mut view = PoolView::new(pool, admits);
        view.last_line = own().map(|(number, _)| *number).max().unwrap_or(0);
        if is_named(view.pool.kind) {
            if let Some(record) = seat_of(meter, ledger) {
                view.seat = record.at(now);
                view.last_used = record.last_used;
            }
            let mut holders: Vec<MeterKey> = taken().filter_map(|line| line.meter).collect();
            holders.sort_unstable();
            holders.dedup();
            let seats = holders.into_iter().filter_map(|holder| seat_of(holder, ledger));
            let out = seats.filter(|record| record.at(now) != Seat::None).count();
            view.used = u64::try_from(out).unwrap_or(u64::MAX);
            return view;
        }
        let latest = PoolView::latest_end(view.pool.kind, now);
        let ends = own().filter_map(|(_, line)| line.until);
        view.last_until = ends.filter(|until| *until <= latest).max();
        let month = offset.month_of(now);
        let is_out = |line: &&Line| match view.pool.kind {
            PoolKind::AnalyzerCapacity => month.contains(line.from),
            _ => returns(line.from) > now,
        };
        let sum = |lines: &mut dyn Iterator<Item = &Line>| {
            lines.map(|line| line.units).fold(0, u64::saturating_add)
        };
        view.used = sum(&mut taken().filter(is_out));
        view.used_by_visitors = sum(&mut taken().filter(is_out).filter(|l| l.is_of_visitor()));
        view.renews = match view.pool.kind {
            PoolKind::AnalyzerCapacity => Some(month.end),
            _ => taken().filter(is_out).map(|line| returns(line.from)).min(),
        };
        if let Some(address) = visit.limited_address(&view.pool) {
            let recent = || {
                taken()
                    .filter(|line| line.is_of_visitor() && line.from > now.plus_minutes(-60))
                    .filter(|line| line.address.map(address_block) == Some(address))
            };
            view.from_address = u64::try_from(recent().count()).unwrap_or(u64::MAX);
            view.address_renews = recent().map(|line| line.from.plus_minutes(60)).min();
        }
        view
    }

    /// The latest end that a unit or pass may have and still be one of the present: a clock that is
    /// a little behind another is no reason to charge twice, one that was set back by a day is no
    /// reason to serve for a day.
    #[must_use]
    pub fn latest_end(kind: PoolKind, now: Moment) -> Moment {
        now.plus_minutes(2 * minutes(kind))
    }

    /// What is left for such a holder; none is unlimited. Overage counts as left.
    #[must_use]
    pub fn remaining(&self, is_anonymous: bool) -> Option<u64> {
        let overage = match self.pool.kind {
            PoolKind::AnalyzerCapacity => self.pool.overage,
            _ => 0,
        };
        let total = self.pool.capacity?.saturating_add(overage);
        let left = total.saturating_sub(self.used);
        if !is_anonymous {
            return Some(left);
        }
        let for_visitors = total.saturating_sub(self.pool.reserved_for_users);
        Some(left.min(for_visitors.saturating_sub(self.used_by_visitors)))
    }
}

/// What the lines of a pool say about one person's seat.
fn seat_of(meter: MeterKey, ledger: &[(u64, Line)]) -> Option<SeatRecord> {
    let own = ledger.iter().filter(|(_, line)| line.meter == Some(meter));
    own.fold(None, |record, (number, line)| SeatRecord::after(record, *number, line))
}

/// How long a unit or pass of this kind lasts.
pub(crate) fn minutes(kind: PoolKind) -> i64 {
    let minutes = match kind {
        PoolKind::AnalyzerCapacity => UNIT_MINUTES,
        PoolKind::LoginAccess => PASS_MINUTES,
        _ => 0,
    };
    i64::try_from(minutes).unwrap_or(i64::MAX)
}

/// When a pass that was used then is back.
#[must_use]
pub fn returns(used: Moment) -> Moment {
    used.plus_minutes(i64::try_from(PASS_RETURN_DAYS * 24 * 60).unwrap_or(i64::MAX))
}
