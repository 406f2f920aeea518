//! What is wrong with a text that somebody typed, where, and what they may have meant.

use std::fmt;

/// A range of bytes in the text that was parsed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// One thing wrong, or worth knowing, in a rule's text. A text can have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub span: Span,
    pub code: ProblemCode,
    /// A sentence for the person who typed the text.
    pub message: String,
    /// A ready rewrite, where there is a likely one: put in place of the span, this problem is gone
    /// and no new one came.
    pub suggestion: Option<String>,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The text can be used; the person should look at it.
    Warning,
    /// The text cannot be used.
    Error,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $severity:ident $variant:ident = $code:literal;)*) => {
        /// What kind of problem it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemCode {
            $($(#[$doc])* $variant,)*
        }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &'static [ProblemCode] = &[$(ProblemCode::$variant,)*];

            /// Stable words for editors, scripts and tests; the message may be reworded, these
            /// never are.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(ProblemCode::$variant => $code,)*
                }
            }

            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(ProblemCode::$variant => Severity::$severity,)*
                }
            }
        }
    };
}

codes! {
    // Conditions: text.
    Error UnknownCharacter = "rule-unknown-character";
    Error UnclosedString = "rule-unclosed-text";
    Error UnknownOperator = "rule-unknown-operator";
    Error Unexpected = "rule-unexpected";
    Error Missing = "rule-missing";
    Error TooDeep = "rule-too-deep";
    Error TooLong = "rule-too-long";
    /// Single or curly quotes were read as straight double ones.
    Warning OtherQuotes = "rule-other-quotes";
    /// `@x` alone was read as `resource.@x`.
    Warning ShortPath = "rule-short-path";
    /// A backslash that escapes nothing stands for itself.
    Warning UnknownEscape = "rule-unknown-escape";
    // Conditions: meaning.
    Error UnknownRoot = "rule-unknown-root";
    Error RootNotAllowed = "rule-root-not-allowed";
    Error UnknownProperty = "rule-unknown-property";
    Error UnknownFunction = "rule-unknown-function";
    Error UnknownAction = "rule-unknown-action";
    Error BadArgument = "rule-bad-argument";
    Error BadPattern = "rule-bad-pattern";
    Error TooManyPatterns = "rule-too-many-patterns";
    Error UnknownType = "rule-unknown-type";
    Error ImpossibleComparison = "rule-impossible-comparison";
    /// `!=` against several values is true as soon as one differs.
    Warning ManyNotEqual = "rule-many-not-equal";
    /// `x != "a" or x != "b"` holds for every value.
    Warning AlwaysTrue = "rule-always-true";
    /// The property reads a directory attribute, but looks like a known one misspelt.
    Warning LooksMisspelt = "rule-looks-misspelt";
    /// The rule's filter names nothing of the type that is compared with.
    Warning TypeOutsideFilter = "rule-type-outside-filter";
    // Resource filters.
    Error EmptyFilter = "rule-filter-empty";
    Error BadFilterItem = "rule-filter-bad-item";
    /// The item names no type, so it matches nothing.
    Warning UnknownFilterType = "rule-filter-unknown-type";
    Error TooManyItems = "rule-filter-too-many-items";
}

impl Span {
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// The part of `text` that the span covers; empty where it does not fit.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// `text` with `replacement` in place of what the span covers; as it is where the span does
    /// not fit.
    #[must_use]
    pub fn replace(self, text: &str, replacement: &str) -> String {
        match (text.get(..self.start), text.get(self.end..)) {
            (Some(before), Some(after)) => [before, replacement, after].concat(),
            _ => text.to_owned(),
        }
    }

    /// Line and column of the start in `text`, both from 1, the column in characters.
    #[must_use]
    pub fn line_and_column(self, text: &str) -> (usize, usize) {
        let before = text.get(..self.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl Problem {
    pub(crate) fn new(span: Span, code: ProblemCode, message: impl Into<String>) -> Problem {
        Problem { span, code, message: message.into(), suggestion: None }
    }

    pub(crate) fn suggest(mut self, suggestion: impl Into<String>) -> Problem {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Adds "did you mean" when there is a candidate.
    pub(crate) fn did_you_mean(mut self, candidate: Option<&str>) -> Problem {
        if let Some(candidate) = candidate {
            self.message.push_str(&format!("; did you mean {candidate}?"));
            self.suggestion = Some(candidate.to_owned());
        }
        self
    }

    /// `text` with the suggestion in place of the span; none without a suggestion.
    #[must_use]
    pub fn rewrite(&self, text: &str) -> Option<String> {
        self.suggestion.as_ref().map(|suggestion| self.span.replace(text, suggestion))
    }

    /// Whether the text can still be used.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {})", self.message, self.span.start)
    }
}

/// Most problems that are told of one text; more would help nobody.
const MOST_PROBLEMS: usize = 100;

/// In the order of the text, and not without end. Errors stay before warnings: a text must never
/// seem usable for having too much wrong with it.
pub(crate) fn arranged(mut problems: Vec<Problem>) -> Vec<Problem> {
    if problems.len() > MOST_PROBLEMS {
        problems.sort_by_key(|problem| (!problem.is_error(), problem.span));
        problems.truncate(MOST_PROBLEMS);
    }
    problems.sort_by_key(|problem| problem.span);
    problems.dedup();
    problems
}

/// The candidate that `word` most likely means: a third of its letters may be wrong.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody misspells a word this long; comparing it would only cost time.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let folded = word.to_lowercase();
    let length = folded.chars().count();
    let most = 1.max(word.chars().count() / 3);
    candidates
        .into_iter()
        // Most candidates are out by their length alone.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= most)
        .map(|candidate| (distance(&folded, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= most)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, dropped, changed or swapped with their neighbour to get from
/// one word to the other.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut line = Vec::with_capacity(last.len());
        let mut left = row + 1;
        line.push(left);
        for (column, &other) in to.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let changed = at(&last, column) + usize::from(letter != other);
            let mut best = changed.min(at(&last, column + 1) + 1).min(left + 1);
            let swapped = column > 0
                && previous == Some(other)
                && to.get(column.wrapping_sub(1)) == Some(&letter);
            if swapped {
                best = best.min(at(&before_last, column - 1).saturating_add(1));
            }
            line.push(best);
            left = best;
        }
        before_last = std::mem::replace(&mut last, line);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(usize::MAX)
}
