//! What is one value? A number, a text, both at once (a dual), or nothing.
//!
//! A dual is how a date can read `2013-05-01` and still be sorted and added to: it has a number and the text the
//! number is shown as. Identity follows the number where there is one, so `1` and `1.0` are one value of a field,
//! shown as whichever text came first.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::format;

/// One value of a field or of an expression.
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Null,
    Number(f64),
    Text(Arc<str>),
    /// A number and the text it is shown as.
    Dual(f64, Arc<str>),
}

impl Value {
    /// True is −1, so that `not` and arithmetic on conditions agree.
    pub const TRUE: Value = Value::Number(-1.0);
    pub const FALSE: Value = Value::Number(0.0);

    /// A text value as it stands; see [`Value::interpret`] for text that may be a number.
    pub fn from_text(text: &str) -> Value {
        Value::Text(Arc::from(text))
    }

    /// A number shown as `text`.
    pub fn dual(number: f64, text: &str) -> Value {
        Value::Dual(number, Arc::from(text))
    }

    pub fn from_bool(holds: bool) -> Value {
        if holds { Value::TRUE } else { Value::FALSE }
    }

    /// Nothing for a result that is not a number, such as a division by zero.
    pub fn from_number(number: f64) -> Value {
        if number.is_nan() { Value::Null } else { Value::Number(number) }
    }

    /// Reads loaded text: plain numbers become numbers and keep a text that differs from the automatic one (`007`).
    /// Dates and local separators need a [`format::Interpreter`].
    pub fn interpret(text: &str) -> Value {
        match format::parse_plain_number(text.trim()) {
            Some(number) => Value::number_shown_as(number, text),
            None => Value::from_text(text),
        }
    }

    /// A dual, or the plain number where `text` says nothing more.
    pub fn number_shown_as(number: f64, text: &str) -> Value {
        if format::is_automatic_text(number, text) {
            Value::Number(number)
        } else {
            Value::dual(number, text)
        }
    }

    /// The text to show; empty for null.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Value::Null => Cow::Borrowed(""),
            Value::Number(number) => Cow::Owned(format::number_text(*number)),
            Value::Text(text) | Value::Dual(_, text) => Cow::Borrowed(text),
        }
    }

    /// As [`Value::text`], shared where the value already holds its text.
    pub fn shared_text(&self) -> Arc<str> {
        match self {
            Value::Text(text) | Value::Dual(_, text) => text.clone(),
            other => Arc::from(&*other.text()),
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) | Value::Dual(number, _) => Some(*number),
            Value::Null | Value::Text(_) => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Has a number, as the functions that count numbers mean it.
    pub fn is_number(&self) -> bool {
        matches!(self, Value::Number(_) | Value::Dual(..))
    }

    /// Only text.
    pub fn is_text(&self) -> bool {
        matches!(self, Value::Text(_))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::from_number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::from_text(text)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Value::Null => state.write_u8(0),
            Value::Number(number) | Value::Dual(number, _) => {
                state.write_u8(1);
                state.write_u64(number_bits(*number));
            }
            Value::Text(text) => {
                state.write_u8(2);
                text.hash(state);
            }
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Null, then numbers, then texts: the order of a field that is sorted by number first and by text second.
impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Less,
            (_, Value::Null) => Ordering::Greater,
            (Value::Text(left), Value::Text(right)) => collate(left, right),
            (Value::Text(_), _) => Ordering::Greater,
            (_, Value::Text(_)) => Ordering::Less,
            (
                Value::Number(left) | Value::Dual(left, _),
                Value::Number(right) | Value::Dual(right, _),
            ) => compare_numbers(*left, *right),
        }
    }
}

/// The bits under which equal numbers are equal: one zero, one not-a-number.
pub fn number_bits(number: f64) -> u64 {
    if number == 0.0 {
        0
    } else if number.is_nan() {
        f64::NAN.to_bits()
    } else {
        number.to_bits()
    }
}

/// A total order of numbers that knows one zero; not-a-number comes last.
pub fn compare_numbers(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// Orders texts for people: letter case and accents decide only between texts that are otherwise the same.
pub fn collate(left: &str, right: &str) -> Ordering {
    let mut folded_left = left.chars().map(fold);
    let mut folded_right = right.chars().map(fold);
    loop {
        match (folded_left.next(), folded_right.next()) {
            (None, None) => return left.cmp(right),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return a.cmp(&b),
        }
    }
}

/// A character without case and without the accents of European languages, for search and order.
pub fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let mut lower = character.to_lowercase();
    let lower = match (lower.next(), lower.next()) {
        (Some(first), None) => first,
        _ => character,
    };
    match lower {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' | 'ĉ' | 'ċ' => 'c',
        'ď' | 'đ' => 'd',
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ğ' | 'ģ' | 'ĝ' | 'ġ' => 'g',
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => 'i',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' | 'ł' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ŕ' | 'ř' => 'r',
        'ś' | 'ş' | 'š' | 'ș' => 's',
        'ţ' | 'ť' | 'ț' => 't',
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_text_keeps_its_look_only_where_it_says_more_than_the_number() {
        assert!(matches!(Value::interpret("12.5"), Value::Number(n) if n == 12.5));
        assert!(
            matches!(Value::interpret("007"), Value::Dual(n, ref t) if n == 7.0 && &**t == "007")
        );
        assert!(matches!(Value::interpret("1e3"), Value::Dual(n, _) if n == 1000.0));
        assert!(matches!(Value::interpret("N/A"), Value::Text(_)));
        assert!(matches!(Value::interpret("inf"), Value::Text(_)));
        assert_eq!(Value::interpret("1.0"), Value::Number(1.0));
    }

    #[test]
    fn numbers_stand_before_texts_and_case_decides_last() {
        let mut values = [
            Value::from("b"),
            Value::from("Á"),
            Value::from("a"),
            Value::Number(10.0),
            Value::dual(9.0, "September"),
            Value::Null,
            Value::from("B"),
        ];
        values.sort();
        let texts: Vec<String> = values.iter().map(Value::to_string).collect();
        assert_eq!(texts, ["", "September", "10", "a", "Á", "B", "b"]);
    }
}
