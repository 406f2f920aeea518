//! Moments as the wire and the expressions write them.

use loggia_model::Moment;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// Days from 1899-12-30 to 1970-01-01.
const SERIAL_OF_EPOCH: f64 = 25_569.0;

/// `2026-11-20T08:00:00.000Z`.
pub(crate) fn iso(moment: Moment) -> String {
    let (days, millis) = (moment.0.div_euclid(MILLIS_PER_DAY), moment.0.rem_euclid(MILLIS_PER_DAY));
    let (year, month, day) = civil(days);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The moment as days since 1899-12-30, the way expressions count.
pub(crate) fn serial(moment: Moment) -> f64 {
    moment.0 as f64 / MILLIS_PER_DAY as f64 + SERIAL_OF_EPOCH
}

/// Year, month and day of a day counted from 1970-01-01, in the calendar of today for all times.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years are counted from March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_utc() {
        assert_eq!(iso(Moment(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(Moment(951_782_400_123)), "2000-02-29T00:00:00.123Z");
        assert_eq!(iso(Moment(-1)), "1969-12-31T23:59:59.999Z");
        assert_eq!(iso(Moment::NEVER), "1753-01-01T00:00:00.000Z");
        assert_eq!(serial(Moment(43_200_000)), 25_569.5);
    }
}
