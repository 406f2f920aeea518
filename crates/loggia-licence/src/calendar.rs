//! Calendar months in the site's zone: analyzer capacity starts anew with each.

use loggia_model::Moment;

/// The distance of the site's clock from UTC in minutes, east positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UtcOffset {
    pub minutes: i32,
}

/// A calendar month as a span of time: from `start`, up to and without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    pub start: Moment,
    pub end: Moment,
    /// Months since January of year 0; distinct for distinct months.
    pub number: i64,
}

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

impl UtcOffset {
    pub const UTC: UtcOffset = UtcOffset { minutes: 0 };

    /// The month that `moment` lies in.
    #[must_use]
    pub fn month_of(self, moment: Moment) -> Month {
        let shift = i64::from(self.minutes) * MINUTE;
        let number = month_of_day(moment.0.saturating_add(shift).div_euclid(DAY));
        let start_of = |number| Moment(first_day(number).saturating_mul(DAY).saturating_sub(shift));
        Month { start: start_of(number), end: start_of(number + 1), number }
    }
}

impl UtcOffset {
    /// The midnight that began the day of `moment`.
    #[must_use]
    pub fn day_of(self, moment: Moment) -> Moment {
        let shift = i64::from(self.minutes) * MINUTE;
        let day = moment.0.saturating_add(shift).div_euclid(DAY);
        Moment(day.saturating_mul(DAY).saturating_sub(shift))
    }
}

impl Month {
    #[must_use]
    pub fn contains(self, moment: Moment) -> bool {
        self.start <= moment && moment < self.end
    }
}

/// Days before each month of a year that begins in March, so that the leap day comes last.
fn days_before_month(month_from_march: i64) -> i64 {
    // The lengths 31 30 31 30 31 | 31 30 31 30 31 | 31 … repeat every five months, 153 days.
    (153 * month_from_march + 2).div_euclid(5)
}

/// The month number of a day counted from 1970-01-01, by the Gregorian calendar.
fn month_of_day(day: i64) -> i64 {
    // 719,468 days lie between 0000-03-01 and 1970-01-01; a 400-year era has 146,097.
    let shifted = day.saturating_add(719_468);
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    (era * 400 + year) * 12 + month_from_march + 2
}

/// The first day of a month, counted from 1970-01-01.
fn first_day(number: i64) -> i64 {
    let from_march = number - 2;
    let (year, month) = (from_march.div_euclid(12), from_march.rem_euclid(12));
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + days_before_month(month) - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_follow_the_calendar_and_the_zone() {
        // 2024-02-29T23:59:59.999Z and the moment after it.
        let last = Moment(1_709_251_199_999);
        let month = UtcOffset::UTC.month_of(last);
        assert_eq!(month.start, Moment(1_706_745_600_000)); // 2024-02-01
        assert_eq!(month.end, Moment(1_709_251_200_000)); // 2024-03-01
        assert_eq!(UtcOffset::UTC.month_of(month.end).number, month.number + 1);
        // One hour east it is March already.
        let east = UtcOffset { minutes: 60 }.month_of(last);
        assert_eq!(east.number, month.number + 1);
        assert_eq!(east.start, Moment(1_709_251_200_000 - 3_600_000));
    }

    #[test]
    fn months_follow_each_other_without_gaps() {
        let mut month = UtcOffset::UTC.month_of(Moment(-5_000_000_000_000));
        for _ in 0..6000 {
            let next = UtcOffset::UTC.month_of(month.end);
            assert_eq!((next.start, next.number), (month.end, month.number + 1));
            let days = next.end.millis_since(next.start) / DAY;
            assert!((28..=31).contains(&days), "{days} days");
            month = next;
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        for moment in [i64::MIN, i64::MAX, Moment::NEVER.0] {
            let _ = UtcOffset { minutes: -720 }.month_of(Moment(moment));
            let _ = UtcOffset { minutes: 840 }.month_of(Moment(moment));
        }
    }
}
