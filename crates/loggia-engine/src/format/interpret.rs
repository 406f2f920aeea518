//! Which loaded texts are numbers, dates or moments? As the locale's formats say.

use std::sync::Arc;

use super::{DatePattern, Locale, NumberPattern, parse_plain_number, parse_separated};
use crate::value::Value;

/// Reads text under the formats of a locale. Made once per load, used for every value.
#[derive(Clone, Debug)]
pub struct Interpreter {
    locale: Locale,
    dates: Vec<DatePattern>,
    money: NumberPattern,
    money_symbol: Arc<str>,
    /// Whether a text that begins with a letter can be a date.
    names_begin: bool,
    plain_point: bool,
}

impl Interpreter {
    pub fn new(locale: &Locale) -> Interpreter {
        let dates: Vec<DatePattern> = [
            &*locale.date_format,
            &*locale.timestamp_format,
            &*locale.time_format,
            // ISO dates are understood everywhere.
            "YYYY-MM-DD",
            "YYYY-MM-DD hh:mm[:ss]",
            "YYYY-MM-DD hh:mm:ss[.fff]",
            "YYYY-MM-DDThh:mm:ss[.fff]",
            "YYYY-MM-DDThh:mm:ss[.fff]Z",
        ]
        .into_iter()
        .map(DatePattern::new)
        .collect();
        let positive = locale.money_format.split(';').next().unwrap_or("");
        let symbol: String = positive.chars().filter(|c| !"#0.,-() ".contains(*c)).collect();
        Interpreter {
            names_begin: dates.iter().any(DatePattern::begins_with_name),
            dates,
            money: NumberPattern::new(
                &locale.money_format,
                &locale.money_decimal,
                &locale.money_thousand,
            ),
            money_symbol: symbol.into(),
            plain_point: &*locale.decimal == ".",
            locale: locale.clone(),
        }
    }

    pub fn locale(&self) -> &Locale {
        &self.locale
    }

    /// A loaded text as value: a number (dual where the text says more than the number), or text.
    pub fn interpret(&self, text: &str) -> Value {
        match self.number_of(text) {
            Some(number) => Value::number_shown_as(number, text),
            None => Value::from_text(text),
        }
    }

    /// The number that a text stands for.
    pub fn number_of(&self, text: &str) -> Option<f64> {
        let trimmed = text.trim();
        let first = *trimmed.as_bytes().first()?;
        if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.' | b'(')) {
            if !self.money_symbol.is_empty() && trimmed.starts_with(&*self.money_symbol) {
                return self.money.read(trimmed);
            }
            return if self.names_begin { self.date_of(trimmed) } else { None };
        }
        if (self.plain_point || !trimmed.contains('.'))
            && let Some(number) = parse_plain_number(trimmed)
        {
            return Some(number);
        }
        parse_separated(trimmed, &self.locale.decimal, &self.locale.thousand)
            .or_else(|| self.date_of(trimmed))
            .or_else(|| self.money_of(trimmed))
    }

    fn date_of(&self, text: &str) -> Option<f64> {
        self.dates.iter().find_map(|pattern| pattern.read(text, &self.locale))
    }

    fn money_of(&self, text: &str) -> Option<f64> {
        let has_symbol = !self.money_symbol.is_empty() && text.contains(&*self.money_symbol);
        if has_symbol { self.money.read(text) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formats_decide_what_is_a_number() {
        let plain = Interpreter::new(&Locale::default());
        for (text, number) in [
            ("12.5", Some(12.5)),
            (" 7 ", Some(7.0)),
            ("1,234", Some(1234.0)),
            ("$1,234.50", Some(1234.5)),
            ("-$5.00", Some(-5.0)),
            ("2013-05-01", Some(41395.0)),
            ("2013-05-01 12:00:00", Some(41395.5)),
            ("2013-05-01T12:00:00Z", Some(41395.5)),
            ("12:00:00", Some(0.5)),
            ("5/1/2013", None),
            ("12 Main Street", None),
            ("", None),
            ("-", None),
            ("May", None),
        ] {
            assert_eq!(plain.number_of(text), number, "{text}");
        }
        let both = Locale { money_format: "$#,##0.00;-$#,##0.00".into(), ..Locale::default() };
        assert_eq!(Interpreter::new(&both).number_of("$5.50"), Some(5.5));
        assert_eq!(Interpreter::new(&both).number_of("-$5.50"), Some(-5.5));
        let german = Interpreter::new(&Locale {
            decimal: ",".into(),
            thousand: ".".into(),
            money_format: "#.##0,00 €".into(),
            money_decimal: ",".into(),
            money_thousand: ".".into(),
            date_format: "DD.MM.YYYY".into(),
            ..Locale::default()
        });
        for (text, number) in [
            ("12,5", Some(12.5)),
            ("1.234", Some(1234.0)),
            ("12.5", None),
            ("1.234,50 €", Some(1234.5)),
            ("01.05.2013", Some(41395.0)),
        ] {
            assert_eq!(german.number_of(text), number, "{text}");
        }
    }
}
