//! What a search string in a set or in a list means: a pattern, a range of numbers, an expression.

use std::sync::Arc;

use super::{Expr, parse_expression};
use crate::value::fold;

/// A parsed search string.
#[derive(Clone, Debug, PartialEq)]
pub enum Search {
    /// Text with the wildcards `*` and `?`; without any it is the whole text, whatever its case.
    Pattern(Arc<str>),
    /// `>=3<5`: all bounds must hold.
    Range(Vec<Bound>),
    /// `=Sum(Sales)>5`: evaluated for every value of the field.
    Expression(Box<Expr>),
}

/// One side of a range; the text is a number or a date in the field's own format.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    pub op: BoundOp,
    pub text: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundOp {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl BoundOp {
    pub fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            BoundOp::Less => number < bound,
            BoundOp::LessEqual => number <= bound,
            BoundOp::Greater => number > bound,
            BoundOp::GreaterEqual => number >= bound,
        }
    }
}

impl Search {
    /// Reads a search string; an expression that does not parse is taken as text.
    pub fn parse(text: &str) -> Search {
        let trimmed = text.trim();
        if trimmed.starts_with('=')
            && let Some(expr) = parse_expression(trimmed).into_valid()
        {
            return Search::Expression(Box::new(expr));
        }
        match bounds(trimmed) {
            Some(bounds) => Search::Range(bounds),
            None => Search::Pattern(Arc::from(text)),
        }
    }
}

fn bounds(mut text: &str) -> Option<Vec<Bound>> {
    let mut bounds = Vec::new();
    while !text.is_empty() {
        let (op, length) = match text.as_bytes() {
            [b'>', b'=', ..] => (BoundOp::GreaterEqual, 2),
            [b'<', b'=', ..] => (BoundOp::LessEqual, 2),
            [b'>', ..] => (BoundOp::Greater, 1),
            [b'<', ..] => (BoundOp::Less, 1),
            _ => return None,
        };
        let rest = &text[length..];
        let end = rest.find(['<', '>']).unwrap_or(rest.len());
        let bound = rest[..end].trim();
        if bound.is_empty() {
            return None;
        }
        bounds.push(Bound { op, text: Arc::from(bound) });
        text = &rest[end..];
    }
    (!bounds.is_empty()).then_some(bounds)
}

/// Whether the whole text matches a pattern with `*` (any characters) and `?` (one character), whatever the case.
pub fn wildcard_matches(pattern: &str, text: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    let mut text_rest = text.chars();
    // Where to go on when a star turns out to cover more than was thought.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let after_pattern = pattern_rest.clone();
        match (pattern_rest.next(), text_rest.clone().next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                let mut later = text_rest.clone();
                let more = later.next().is_some();
                retry = more.then_some((after_pattern, later));
                continue;
            }
            (Some('?'), Some(_)) => {
                text_rest.next();
                continue;
            }
            (Some(wanted), Some(found)) if fold(wanted) == fold(found) => {
                text_rest.next();
                continue;
            }
            _ => {}
        }
        match retry.take() {
            Some((pattern_again, text_again)) => {
                pattern_rest = pattern_again;
                text_rest = text_again;
            }
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_the_whole_text() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abcd", false),
            ("*b*b*", "abab", true),
            ("*b*b*c", "abab", false),
            ("?é", "Xe", true),
            ("a?", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(wildcard_matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn ranges_are_read_bound_by_bound() {
        assert!(matches!(Search::parse(">=3<5"), Search::Range(ref bounds) if bounds.len() == 2));
        assert!(matches!(Search::parse("<"), Search::Pattern(_)));
        assert!(matches!(Search::parse("=1+1"), Search::Expression(_)));
        assert!(matches!(Search::parse("=1+"), Search::Pattern(_)));
    }
}
