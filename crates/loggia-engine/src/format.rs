//! How are numbers, dates and money written and read?

mod date;
mod interpret;
mod number;

use std::sync::Arc;

pub(crate) use date::date_from_days;
pub use date::{
    CivilTime, DatePattern, civil_from_serial, days_in_month, serial_from_civil, serial_from_date,
    weekday,
};
pub use interpret::Interpreter;
pub(crate) use number::parse_separated;
pub use number::{NumberPattern, is_automatic_text, number_text, parse_plain_number};

use crate::value::Value;

/// The words and separators of a place, and the formats that the script's `SET` lines give.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Locale {
    pub decimal: Arc<str>,
    pub thousand: Arc<str>,
    pub list_separator: Arc<str>,
    pub money_decimal: Arc<str>,
    pub money_thousand: Arc<str>,
    pub money_format: Arc<str>,
    pub time_format: Arc<str>,
    pub date_format: Arc<str>,
    pub timestamp_format: Arc<str>,
    pub interval_format: Arc<str>,
    /// January first.
    pub month_names: Vec<Arc<str>>,
    pub long_month_names: Vec<Arc<str>>,
    /// Monday first.
    pub day_names: Vec<Arc<str>>,
    pub long_day_names: Vec<Arc<str>>,
    /// 0 is Monday.
    pub first_week_day: u8,
    pub broken_weeks: bool,
    /// The day of January that is always in week 1.
    pub reference_day: u8,
    pub first_month_of_year: u8,
    pub collation: Arc<str>,
    pub numerical_abbreviation: Arc<str>,
}

impl Default for Locale {
    fn default() -> Locale {
        let words = |list: &str| list.split(';').map(Arc::from).collect();
        Locale {
            decimal: ".".into(),
            thousand: ",".into(),
            list_separator: ",".into(),
            money_decimal: ".".into(),
            money_thousand: ",".into(),
            money_format: "$#,##0.00".into(),
            time_format: "hh:mm:ss".into(),
            date_format: "YYYY-MM-DD".into(),
            timestamp_format: "YYYY-MM-DD hh:mm:ss[.fff]".into(),
            interval_format: "hh:mm:ss".into(),
            month_names: words("Jan;Feb;Mar;Apr;May;Jun;Jul;Aug;Sep;Oct;Nov;Dec"),
            long_month_names: words(
                "January;February;March;April;May;June;July;August;September;October;November;December",
            ),
            day_names: words("Mon;Tue;Wed;Thu;Fri;Sat;Sun"),
            long_day_names: words("Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday"),
            first_week_day: 0,
            broken_weeks: false,
            reference_day: 4,
            first_month_of_year: 1,
            collation: "en-US".into(),
            numerical_abbreviation:
                "3:k;6:M;9:G;12:T;15:P;18:E;21:Z;24:Y;-3:m;-6:μ;-9:n;-12:p;-15:f;-18:a;-21:z;-24:y"
                    .into(),
        }
    }
}

/// The kind of a number format; the wire's `qType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NumberKind {
    #[default]
    Unknown,
    Text,
    Integer,
    Real,
    Fixed,
    Money,
    Date,
    Time,
    Timestamp,
    Interval,
}

/// How a measure's or dimension's numbers are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NumberFormat {
    pub kind: NumberKind,
    /// Decimals of `Fixed`, significant digits of `Real`.
    pub decimals: u16,
    pub use_thousands: bool,
    /// A pattern such as `#,##0.00`; it wins over the kind.
    pub pattern: Arc<str>,
    /// Separators of the pattern; the locale's where empty.
    pub decimal: Arc<str>,
    pub thousand: Arc<str>,
}

/// Writes a number.
pub fn format_number(number: f64, format: &NumberFormat, locale: &Locale) -> String {
    let or =
        |own: &Arc<str>, other: &Arc<str>| if own.is_empty() { other.clone() } else { own.clone() };
    let pattern_or = |other: &Arc<str>| or(&format.pattern, other);
    let thousand = || {
        if format.use_thousands { or(&format.thousand, &locale.thousand) } else { Arc::from("") }
    };
    match format.kind {
        NumberKind::Date => {
            DatePattern::new(&pattern_or(&locale.date_format)).write(number, locale)
        }
        NumberKind::Time => {
            DatePattern::new(&pattern_or(&locale.time_format)).write(number, locale)
        }
        NumberKind::Timestamp => {
            DatePattern::new(&pattern_or(&locale.timestamp_format)).write(number, locale)
        }
        NumberKind::Interval => {
            DatePattern::new(&pattern_or(&locale.interval_format)).write_interval(number, locale)
        }
        NumberKind::Money => {
            let decimal = or(&format.decimal, &locale.money_decimal);
            let thousand = or(&format.thousand, &locale.money_thousand);
            NumberPattern::new(&pattern_or(&locale.money_format), &decimal, &thousand).write(number)
        }
        _ if !format.pattern.is_empty() => {
            let decimal = or(&format.decimal, &locale.decimal);
            NumberPattern::new(&format.pattern, &decimal, &or(&format.thousand, &locale.thousand))
                .write(number)
        }
        NumberKind::Unknown | NumberKind::Text => localised(number_text(number), &locale.decimal),
        NumberKind::Integer => number::fixed_text(number, 0, ".", &thousand()),
        NumberKind::Fixed => {
            let decimal = or(&format.decimal, &locale.decimal);
            number::fixed_text(number, format.decimals.into(), &decimal, &thousand())
        }
        NumberKind::Real if number.is_finite() => {
            let digits =
                if format.decimals == 0 { 14 } else { usize::from(format.decimals.min(17)) };
            let mut text = String::new();
            number::significant(&mut text, number, digits);
            localised(text, &or(&format.decimal, &locale.decimal))
        }
        NumberKind::Real => number_text(number),
    }
}

fn localised(text: String, decimal: &str) -> String {
    if decimal == "." { text } else { text.replacen('.', decimal, 1) }
}

/// The text to show for a value under a format: a format of unknown kind keeps the text the value has.
pub fn format_value(value: &Value, format: &NumberFormat, locale: &Locale) -> Arc<str> {
    match (value, format.kind) {
        (Value::Null | Value::Text(_), _) => value.shared_text(),
        (Value::Dual(_, text), NumberKind::Unknown) if format.pattern.is_empty() => text.clone(),
        (Value::Dual(_, text), NumberKind::Text) => text.clone(),
        (Value::Dual(number, _) | Value::Number(number), _) => {
            format_number(*number, format, locale).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_write_what_their_kind_says() {
        let locale = Locale::default();
        let of = |kind, decimals, use_thousands| NumberFormat {
            kind,
            decimals,
            use_thousands,
            ..NumberFormat::default()
        };
        for (format, number, text) in [
            (of(NumberKind::Unknown, 10, true), 1234.5, "1234.5"),
            (of(NumberKind::Integer, 0, true), 1234.5, "1,235"),
            (of(NumberKind::Integer, 0, false), -0.2, "0"),
            (of(NumberKind::Fixed, 2, false), 0.125, "0.13"),
            (of(NumberKind::Real, 3, false), 1234.5, "1.23e+03"),
            (of(NumberKind::Real, 0, false), 2.999999999999999, "3"),
            (of(NumberKind::Money, 0, false), -1234.5, "-$1,234.50"),
            (of(NumberKind::Date, 0, false), 41395.0, "2013-05-01"),
            (of(NumberKind::Interval, 0, false), 1.5, "36:00:00"),
        ] {
            assert_eq!(format_number(number, &format, &locale), text, "{format:?}");
        }
        let comma = Locale { decimal: ",".into(), thousand: ".".into(), ..Locale::default() };
        assert_eq!(format_number(1234.5, &of(NumberKind::Fixed, 1, true), &comma), "1.234,5");
        assert_eq!(format_number(0.5, &NumberFormat::default(), &comma), "0,5");
    }
}
