//! What is wrong, where, and what would mend it.

use std::fmt;

/// A problem in a script, located for people and for editors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    /// What to do about it, where that can be said.
    pub mend: Option<String>,
    /// Both from 1; columns count characters.
    pub line: usize,
    pub column: usize,
    /// Characters from the start of the script.
    pub position: usize,
    /// Bytes of the script that are meant.
    pub span: std::ops::Range<usize>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        match &self.mend {
            Some(mend) => write!(f, " ({mend})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl Problem {
    pub(crate) fn locate(found: Found, text: &str) -> Problem {
        let boundary = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (boundary(found.start), boundary(found.end));
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Problem {
            message: found.message,
            mend: found.mend,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            position: before.chars().count(),
            span: start..end.max(start),
        }
    }
}

/// A problem by bytes of whatever piece of text was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) message: String,
    pub(crate) mend: Option<String>,
}

impl Found {
    pub(crate) fn new(start: usize, end: usize, message: impl Into<String>) -> Found {
        Found { start, end, message: message.into(), mend: None }
    }

    pub(crate) fn with_mend(mut self, mend: impl Into<String>) -> Found {
        self.mend = Some(mend.into());
        self
    }

    pub(crate) fn moved(mut self, by: usize) -> Found {
        self.start += by;
        self.end += by;
        self
    }
}
