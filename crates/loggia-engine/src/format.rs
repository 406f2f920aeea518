//! How are numbers, dates and money written and read?

mod date;
mod interpret;
mod number;

use std::sync::Arc;

pub use interpret::Interpreter;
pub use number::{is_automatic_text, number_text, parse_plain_number};

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
    let _ = (format, locale);
    number_text(number)
}

/// The text to show for a value under a format: a format of unknown kind keeps the text the value has.
pub fn format_value(value: &Value, format: &NumberFormat, locale: &Locale) -> Arc<str> {
    match (value, format.kind) {
        (Value::Null | Value::Text(_), _) | (_, NumberKind::Text) => value.shared_text(),
        (Value::Dual(_, text), NumberKind::Unknown) if format.pattern.is_empty() => text.clone(),
        (Value::Dual(number, _) | Value::Number(number), _) => {
            format_number(*number, format, locale).into()
        }
    }
}
