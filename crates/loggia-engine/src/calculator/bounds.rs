//! What may a calculation cost? It ends when its caller says so, and it makes no more text than there is memory for.
//!
//! The engine has no clock: a [`Stop`] is asked, once for each block of rows or batch of values, whether to go on. What
//! has been computed by then is incomplete and thrown away.

use std::sync::Arc;

use super::EvaluateError;
use crate::cube::CubeError;
use crate::list::ListError;
use crate::table::Dictionary;
use crate::value::Value;

/// Whether to stop. Once it has said so it must go on saying so.
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// Never stops: for tests, examples and whoever waits for the end whatever it takes.
pub fn never() -> bool {
    false
}

/// Bytes of text that one computed column may hold, and the cells of one chart together; more is a definition gone
/// wrong (`=Repeat(Flight & Date, 1000)`), which must not take the server's memory.
pub const MAX_TEXT_BYTES: usize = 128 << 20;

/// Pairs of row and group, where rows stand in several groups.
pub(crate) const MAX_PAIRS: usize = 1 << 25;

/// Expressions evaluated between two questions whether to stop: one of them may take a millisecond.
pub(crate) const BATCH: usize = 64;

/// The calculation was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Why an expression has no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Invalid(Arc<str>),
    #[error("the calculation was stopped")]
    Stopped,
    #[error("the calculation needs too much memory")]
    TooLarge,
}

impl From<&str> for Failure {
    fn from(message: &str) -> Failure {
        Failure::Invalid(message.into())
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure::Invalid(message.into())
    }
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Failure {
        Failure::Stopped
    }
}

impl From<Stopped> for CubeError {
    fn from(_: Stopped) -> CubeError {
        CubeError::Stopped
    }
}

impl From<Stopped> for ListError {
    fn from(_: Stopped) -> ListError {
        ListError::Stopped
    }
}

impl From<Stopped> for EvaluateError {
    fn from(_: Stopped) -> EvaluateError {
        EvaluateError::Stopped
    }
}

impl From<Failure> for ListError {
    fn from(failure: Failure) -> ListError {
        match failure {
            Failure::Invalid(message) => ListError::Invalid { message },
            Failure::Stopped => ListError::Stopped,
            Failure::TooLarge => ListError::TooLarge,
        }
    }
}

impl From<Failure> for EvaluateError {
    fn from(failure: Failure) -> EvaluateError {
        match failure {
            Failure::Invalid(message) => EvaluateError::Invalid { message },
            Failure::Stopped => EvaluateError::Stopped,
            Failure::TooLarge => EvaluateError::TooLarge,
        }
    }
}

/// Goes on, or not.
pub(crate) fn check(stop: Stop<'_>) -> Result<(), Stopped> {
    if stop() { Err(Stopped) } else { Ok(()) }
}

/// The same, asked only once for each batch.
#[inline]
pub(crate) fn check_batch(at: usize, stop: Stop<'_>) -> Result<(), Stopped> {
    if at.is_multiple_of(BATCH) { check(stop) } else { Ok(()) }
}

/// Numbers up to an end, as long as nobody stops.
pub(crate) fn until(stop: Stop<'_>, end: usize) -> impl Iterator<Item = usize> {
    (0..end).take_while(move |at| check_batch(*at, stop).is_ok())
}

/// Bytes of a value's text.
pub(crate) fn text_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Dual(_, text) => text.len() + 16,
        Value::Null | Value::Number(_) => 0,
    }
}

/// Bytes of a value's text that nobody else holds.
pub(crate) fn own_text_bytes(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Dual(_, text) if Arc::strong_count(text) == 1 => text.len() + 16,
        _ => 0,
    }
}

/// Texts counted against [`MAX_TEXT_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct Texts(usize);

impl Texts {
    pub(crate) fn add(&mut self, value: &Value) -> Result<(), Failure> {
        self.add_bytes(text_bytes(value))
    }

    /// Counts a text only where it was made for this value.
    pub(crate) fn add_own(&mut self, value: &Value) -> Result<(), Failure> {
        self.add_bytes(own_text_bytes(value))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0
    }

    fn add_bytes(&mut self, bytes: usize) -> Result<(), Failure> {
        self.0 += bytes;
        if self.0 > MAX_TEXT_BYTES { Err(Failure::TooLarge) } else { Ok(()) }
    }
}

/// A dictionary whose texts are counted.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    pub(crate) dictionary: Dictionary,
    texts: Texts,
}

impl Interner {
    /// The code of a value; nothing for null.
    pub(crate) fn code(&mut self, value: &Value) -> Result<Option<u32>, Failure> {
        if value.is_null() {
            return Ok(None);
        }
        let known = self.dictionary.values.len();
        let code = self.dictionary.intern(value);
        if code as usize == known {
            self.texts.add(value)?;
        }
        Ok(Some(code))
    }
}
