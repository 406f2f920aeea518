//! Reads loaded text as numbers and dates of a locale.

use super::Locale;
use super::parse_plain_number;

#[derive(Clone, Debug)]
pub struct Interpreter {}

impl Interpreter {
    pub fn new(_locale: &Locale) -> Interpreter {
        Interpreter {}
    }

    /// The number that a text stands for.
    pub fn number_of(&self, text: &str) -> Option<f64> {
        parse_plain_number(text)
    }
}
