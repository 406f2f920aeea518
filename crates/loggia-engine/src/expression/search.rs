//! What a search string in a set or in a list means: a pattern, a range of numbers, an expression.

use std::collections::HashMap;
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
///
/// Takes time in proportion to both lengths, whatever they hold: visitors write patterns.
pub fn wildcard_matches(pattern: &str, text: &str) -> bool {
    let steps = 16 * (pattern.len() + text.len()) + 256;
    walk(pattern, text, steps).unwrap_or_else(|| matches_by_segment(pattern, text))
}

/// Compares character by character and goes back where a star must cover more. Nearly always that is
/// a few steps; nothing is known after `steps` of them.
fn walk(pattern: &str, text: &str, steps: usize) -> Option<bool> {
    let mut pattern_rest = pattern.chars();
    let mut text_rest = text.chars();
    // Where to go on when a star turns out to cover more than was thought.
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    for _ in 0..steps {
        let after_pattern = pattern_rest.clone();
        match (pattern_rest.next(), text_rest.clone().next()) {
            (None, None) => return Some(true),
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
            None => return Some(false),
        }
    }
    None
}

/// A `?` segment longer than this is found nowhere.
const MAX_MASKED: usize = 4_096;

/// As [`walk`], without ever going back: the texts between stars are looked for one after another.
fn matches_by_segment(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().map(fold).collect();
    let segments: Vec<Vec<Option<char>>> = pattern
        .split('*')
        .map(|part| part.chars().map(|c| (c != '?').then(|| fold(c))).collect())
        .collect();
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return false };
    let fits = |part: &[char], segment: &[Option<char>]| {
        part.iter().zip(segment).all(|(found, wanted)| wanted.is_none_or(|c| c == *found))
    };
    if segments.len() == 1 {
        return text.len() == first.len() && fits(&text, first);
    }
    let Some(end) = text.len().checked_sub(last.len()).filter(|end| *end >= first.len()) else {
        return false;
    };
    if !fits(&text[..first.len()], first) || !fits(&text[end..], last) {
        return false;
    }
    let mut rest = &text[first.len()..end];
    for segment in &segments[1..segments.len() - 1] {
        match find_segment(rest, segment) {
            Some(at) => rest = &rest[at + segment.len()..],
            None => return false,
        }
    }
    true
}

fn find_segment(text: &[char], segment: &[Option<char>]) -> Option<usize> {
    match segment.iter().copied().collect::<Option<Vec<char>>>() {
        Some(plain) => occurrences(text, &plain).next(),
        None => find_masked(text, segment),
    }
}

/// Follows all places where the segment may have begun at once, one bit each.
fn find_masked(text: &[char], segment: &[Option<char>]) -> Option<usize> {
    if segment.len() > MAX_MASKED {
        return None;
    }
    let words = segment.len().div_ceil(64);
    let mut any = vec![0_u64; words];
    let mut of_character: HashMap<char, Vec<u64>> = HashMap::new();
    for (at, wanted) in segment.iter().enumerate() {
        let mask = match wanted {
            Some(character) => of_character.entry(*character).or_insert_with(|| vec![0; words]),
            None => &mut any,
        };
        mask[at / 64] |= 1 << (at % 64);
    }
    let last = segment.len().checked_sub(1)?;
    let mut state = vec![0_u64; words];
    for (at, character) in text.iter().enumerate() {
        let own = of_character.get(character);
        let mut carry = 1;
        for word in 0..words {
            let shifted = state[word] << 1 | carry;
            carry = state[word] >> 63;
            state[word] = shifted & (any[word] | own.map_or(0, |mask| mask[word]));
        }
        if state[last / 64] >> (last % 64) & 1 == 1 {
            return Some(at - last);
        }
    }
    None
}

/// Where `wanted` occurs, overlapping or not, in one pass (Knuth, Morris, Pratt). An empty text is
/// found once, at the start.
pub(crate) fn occurrences<'a, T: PartialEq>(
    text: &'a [T],
    wanted: &'a [T],
) -> impl Iterator<Item = usize> + 'a {
    // How much of `wanted` is still matched when the character after so much of it differs.
    let mut fallback = vec![0_usize; wanted.len()];
    let mut matched = 0;
    for at in 1..wanted.len() {
        while matched > 0 && wanted[at] != wanted[matched] {
            matched = fallback[matched - 1];
        }
        matched += usize::from(wanted[at] == wanted[matched]);
        fallback[at] = matched;
    }
    let mut matched = 0;
    let found = text.iter().enumerate().filter_map(move |(at, item)| {
        let last = wanted.len().checked_sub(1)?;
        while matched > 0 && *item != wanted[matched] {
            matched = fallback[matched - 1];
        }
        matched += usize::from(*item == wanted[matched]);
        if matched < wanted.len() {
            return None;
        }
        matched = fallback[last];
        Some(at - last)
    });
    wanted.is_empty().then_some(0).into_iter().chain(found)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

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

    #[test]
    fn patterns_made_to_be_slow_are_not() {
        let text = "a".repeat(1 << 18);
        let half = "a".repeat(1 << 17);
        let question = "a?".repeat(400);
        for (pattern, expected) in [
            (format!("*{half}b"), false),
            (format!("*{half}b*"), false),
            (format!("*{half}*"), true),
            (format!("*{}b", "*a".repeat(1 << 16)), false),
            (format!("*{question}b*"), false),
            (format!("*{question}*"), true),
        ] {
            let begun = Instant::now();
            assert_eq!(wildcard_matches(&pattern, &text), expected);
            // Much for a slow machine without optimisation; going back each time would take far more.
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        }
    }

    proptest! {
        #[test]
        fn both_ways_to_match_agree(pattern in "[ab?*]{0,12}", text in "[abA]{0,16}") {
            let walked = walk(&pattern, &text, usize::MAX);
            prop_assert_eq!(walked, Some(matches_by_segment(&pattern, &text)));
        }

        #[test]
        fn occurrences_are_where_the_text_begins_anew(text in "[ab]{0,20}", wanted in "[ab]{1,4}") {
            let expected: Vec<usize> =
                (0..text.len()).filter(|at| text[*at..].starts_with(&wanted)).collect();
            let found: Vec<usize> = occurrences(text.as_bytes(), wanted.as_bytes()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
