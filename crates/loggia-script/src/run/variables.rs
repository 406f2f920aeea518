//! Variables, and those among them that set formats.

use std::sync::Arc;

use loggia_engine::Value;
use loggia_engine::expression::Variables;
use loggia_engine::format::Locale;

/// Variables in the order in which they were first set.
#[derive(Debug, Default)]
pub(super) struct Store {
    list: Vec<(Arc<str>, Value)>,
}

impl Store {
    pub(super) fn new(initial: &[(Arc<str>, Value)]) -> Store {
        Store { list: initial.to_vec() }
    }

    pub(super) fn set(&mut self, name: &Arc<str>, value: Value) {
        match self.list.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.list.push((name.clone(), value)),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.list.retain(|(known, _)| &**known != name);
    }

    pub(super) fn into_list(self) -> Vec<(Arc<str>, Value)> {
        self.list
    }
}

impl Variables for Store {
    fn get(&self, name: &str) -> Option<Value> {
        self.list.iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
    }
}

/// Takes over a variable that sets a format; false for all others.
pub(super) fn apply_to_locale(locale: &mut Locale, name: &str, text: &str) -> bool {
    let list = |length: usize| -> Option<Vec<Arc<str>>> {
        let names: Vec<Arc<str>> = text.split(';').map(|name| Arc::from(name.trim())).collect();
        (names.len() == length).then_some(names)
    };
    let number = text.trim().parse::<u8>().ok();
    match name.to_ascii_lowercase().as_str() {
        "decimalsep" => locale.decimal = text.into(),
        "thousandsep" => locale.thousand = text.into(),
        "listsep" => locale.list_separator = text.into(),
        "moneydecimalsep" => locale.money_decimal = text.into(),
        "moneythousandsep" => locale.money_thousand = text.into(),
        "moneyformat" => locale.money_format = text.into(),
        "timeformat" => locale.time_format = text.into(),
        "dateformat" => locale.date_format = text.into(),
        "timestampformat" => locale.timestamp_format = text.into(),
        "collationlocale" => locale.collation = text.into(),
        "numericalabbreviation" => locale.numerical_abbreviation = text.into(),
        "monthnames" => locale.month_names = list(12).unwrap_or_else(|| locale.month_names.clone()),
        "longmonthnames" => {
            locale.long_month_names = list(12).unwrap_or_else(|| locale.long_month_names.clone())
        }
        "daynames" => locale.day_names = list(7).unwrap_or_else(|| locale.day_names.clone()),
        "longdaynames" => {
            locale.long_day_names = list(7).unwrap_or_else(|| locale.long_day_names.clone())
        }
        "firstweekday" => {
            locale.first_week_day = number.filter(|day| *day < 7).unwrap_or(locale.first_week_day)
        }
        "brokenweeks" => locale.broken_weeks = number == Some(1),
        "referenceday" => {
            locale.reference_day =
                number.filter(|day| (1..=7).contains(day)).unwrap_or(locale.reference_day);
        }
        "firstmonthofyear" => {
            locale.first_month_of_year = number
                .filter(|month| (1..=12).contains(month))
                .unwrap_or(locale.first_month_of_year);
        }
        _ => return false,
    }
    true
}
