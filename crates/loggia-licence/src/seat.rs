//! Seats of named people: who holds one, and what becomes of one that is taken away.

use loggia_model::Moment;
use loggia_model::entity::{LicencePool, PoolKind};

use crate::{Line, LineKind, UtcOffset};

/// How a person stands to the seats of a pool at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Seat {
    #[default]
    None,
    Held,
    /// Taken away lately: serves nobody, and the pool gives its former holder no new one.
    Quarantined {
        until: Moment,
    },
}

/// What the lines about one person's seat in one pool come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatRecord {
    /// As the last line left it; [`SeatRecord::at`] knows whether a quarantine is over.
    pub seat: Seat,
    /// When that line was written.
    pub since: Moment,
    /// When the person last opened an app on it, to the day.
    pub last_used: Option<Moment>,
    /// Whether a licence rule gave it, not a person.
    pub by_rule: bool,
    /// Number of the last line.
    pub last_line: u64,
    pub principal: String,
}

/// What becomes of a seat that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAway {
    /// It is back in the pool at once.
    Released,
    /// It is back when the quarantine is over.
    Quarantined { until: Moment },
}

impl SeatRecord {
    /// The record with one more line, which the ledger stored under this number. Lines that are
    /// not about a seat change nothing.
    #[must_use]
    pub fn after(before: Option<SeatRecord>, number: u64, line: &Line) -> Option<SeatRecord> {
        let seat = match line.kind {
            LineKind::Taken | LineKind::Reinstated => Seat::Held,
            LineKind::Quarantined => {
                Seat::Quarantined { until: line.until.unwrap_or(Moment(i64::MAX)) }
            }
            LineKind::Released => Seat::None,
            LineKind::Used => {
                let before = before?;
                return Some(SeatRecord {
                    last_used: before.last_used.max(Some(line.from)),
                    last_line: number,
                    ..before
                });
            }
            LineKind::Alert => return before,
        };
        let is_by_hand = !line.actor.is_empty();
        let last_used = match line.kind {
            // Who is given a seat by a rule is opening an app. A new seat knows nothing of an old.
            LineKind::Taken => (!is_by_hand).then_some(line.from),
            _ => before.as_ref().and_then(|before| before.last_used),
        };
        let by_rule = match (line.kind, &before) {
            (LineKind::Taken, _) | (_, None) => !is_by_hand,
            (_, Some(before)) => before.by_rule,
        };
        let principal = line.principal.clone();
        Some(SeatRecord {
            seat,
            since: line.moment,
            last_used,
            by_rule,
            last_line: number,
            principal,
        })
    }

    /// How the person stands to the pool at `now`.
    #[must_use]
    pub fn at(&self, now: Moment) -> Seat {
        match self.seat {
            Seat::Quarantined { until } if until <= now => Seat::None,
            seat => seat,
        }
    }
}

/// For how many days a seat of this pool stays out when it is taken away.
#[must_use]
pub fn quarantine_days(pool: &LicencePool) -> u32 {
    pool.quarantine_days.unwrap_or(match pool.kind {
        PoolKind::UserAccess => USER_ACCESS_QUARANTINE_DAYS,
        _ => 0,
    })
}

/// How long user access that was used stays in quarantine (`spec/access.md` §3.3).
pub const USER_ACCESS_QUARANTINE_DAYS: u32 = 7;

/// What becomes of a seat that is taken away now: whole days of the site are counted, so that
/// what was used on the tenth is free on the eighteenth.
#[must_use]
pub fn take_away(
    pool: &LicencePool,
    last_used: Option<Moment>,
    now: Moment,
    offset: UtcOffset,
) -> TakenAway {
    let days = i64::from(quarantine_days(pool));
    let Some(last_used) = last_used.filter(|_| days > 0) else { return TakenAway::Released };
    // A use that the clock put into the future counts as one of today.
    let day = offset.day_of(last_used.min(now));
    let until = day.plus_minutes(days.saturating_add(1).saturating_mul(24 * 60));
    if until <= now { TakenAway::Released } else { TakenAway::Quarantined { until } }
}
