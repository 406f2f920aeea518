//! When will a pool be used up, if it goes on like this?

use loggia_model::Moment;
use loggia_model::entity::PoolKind;

use crate::{Counters, PASS_RETURN_DAYS, UtcOffset};

/// What was drawn from a pool on one day of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayOfUse {
    /// The midnight that begins it.
    pub day: Moment,
    /// Minutes, passes or seats.
    pub units: u64,
    pub units_of_visitors: u64,
    /// How often something was drawn, or a seat was used.
    pub uses: u64,
}

/// How many days back tell how it goes on.
const LOOKED_AT: i64 = 28;
const DAY: i64 = 86_400_000;

/// The day on which the pool is empty if it is drawn from as in the last four weeks, or since it
/// is drawn from at all; none where it lasts until it renews, is unlimited, or nothing is drawn.
///
/// `days` are days of the site in their order, those without use may be missing. Today is not
/// over, so it does not count as a day of the past.
#[must_use]
pub fn forecast(
    kind: PoolKind,
    counters: &Counters,
    days: &[DayOfUse],
    now: Moment,
    offset: UtcOffset,
) -> Option<Moment> {
    let mut left = counters.available?;
    left = left.saturating_add(counters.overage_limit.saturating_sub(counters.overage_used));
    let today = offset.day_of(now);
    if left == 0 {
        return Some(today);
    }
    let since = Moment(today.0.saturating_sub(LOOKED_AT * DAY));
    let past = || days.iter().filter(|day| day.day >= since && day.day < today);
    let first = past().map(|day| day.day).min()?;
    let length = today.millis_since(first).div_euclid(DAY).max(1);
    let rest_of_today = DAY - now.millis_since(today);
    let units = past().map(|day| i128::from(day.units)).sum::<i128>();
    if units == 0 {
        return None;
    }
    // Counted in shares of a day's mean, so that nothing is rounded.
    let shares = i128::from(length);
    // What comes back on a day to come is what was drawn four weeks before it, or will have been.
    let returned = |day: Moment| -> i128 {
        if kind != PoolKind::LoginAccess {
            return 0;
        }
        let length = i64::try_from(PASS_RETURN_DAYS).unwrap_or(28).saturating_mul(DAY);
        let used = Moment(day.0.saturating_sub(length));
        if used > today {
            return units;
        }
        let drawn = days.iter().filter(|day| day.day == used).map(|day| i128::from(day.units));
        let rest =
            if used == today { units * i128::from(rest_of_today) / i128::from(DAY) } else { 0 };
        drawn.sum::<i128>() * shares + rest
    };
    let mut left = i128::from(left) * shares;
    let end = counters.renews.filter(|_| kind == PoolKind::AnalyzerCapacity);
    for ahead in 0..MOST_DAYS {
        let day = Moment(today.0.saturating_add(ahead * DAY));
        if end.is_some_and(|end| day >= end) {
            return None;
        }
        // Of today only the rest is to come.
        let part = if ahead == 0 { rest_of_today } else { DAY };
        left += returned(day);
        left -= units * i128::from(part) / i128::from(DAY);
        if left <= 0 {
            return Some(day);
        }
    }
    None
}

/// Beyond ten years nobody plans.
const MOST_DAYS: i64 = 3_653;
