//! Splits a condition into words, texts and signs.

use crate::problem::{Problem, ProblemCode, Span};
use crate::syntax::tree::{Comparison, between_double_quotes};

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) sign: Sign,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// A name or keyword: the parser tells them apart by place.
    Word,
    /// `@name`.
    Custom,
    /// A text; the span of what stands between the quotes.
    Text {
        inner: Span,
    },
    Number,
    Dot,
    Comma,
    Open,
    Close,
    OpenList,
    CloseList,
    /// An operator other than the words `like` and `matches`.
    Operator(Comparison),
    Not,
    And,
    Or,
    /// Reported already.
    Bad,
    End,
}

/// The tokens of a text, closed by one [`Sign::End`].
pub(super) fn tokens(text: &str, problems: &mut Vec<Problem>) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, problems };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next() {
        tokens.push(token);
    }
    tokens.push(Token { sign: Sign::End, span: Span::new(text.len(), text.len()) });
    tokens
}

/// The text with straight double quotes in place of others; none if it has no others.
pub(crate) fn straightened(text: &str) -> Option<String> {
    let mut problems = Vec::new();
    tokens(text, &mut problems);
    problems.retain(|problem| problem.code == ProblemCode::OtherQuotes);
    if problems.is_empty() {
        return None;
    }
    let mut straight = String::with_capacity(text.len());
    let mut from = 0;
    for problem in &problems {
        straight.push_str(text.get(from..problem.span.start)?);
        straight.push_str(problem.suggestion.as_deref()?);
        from = problem.span.end;
    }
    straight.push_str(text.get(from..)?);
    Some(straight)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    problems: &'a mut Vec<Problem>,
}

/// Signs of more than one character, longer ones first.
const OPERATORS: [(&str, Sign); 9] = [
    ("!==", Sign::Operator(Comparison::ExactlyNotEqual)),
    ("!=", Sign::Operator(Comparison::NotEqual)),
    ("==", Sign::Operator(Comparison::ExactlyEqual)),
    ("=", Sign::Operator(Comparison::Equal)),
    ("!", Sign::Not),
    ("&&", Sign::And),
    ("||", Sign::Or),
    ("(", Sign::Open),
    (")", Sign::Close),
];

/// What people write instead of an operator of this language, and what they mean.
const FOREIGN: [(&str, Sign, Option<&str>); 12] = [
    ("===", Sign::Operator(Comparison::ExactlyEqual), Some("==")),
    ("<>", Sign::Operator(Comparison::NotEqual), Some("!=")),
    ("≠", Sign::Operator(Comparison::NotEqual), Some("!=")),
    ("<=", Sign::Operator(Comparison::Equal), None),
    (">=", Sign::Operator(Comparison::Equal), None),
    ("=~", Sign::Operator(Comparison::Equal), Some("matches")),
    ("<", Sign::Operator(Comparison::Equal), None),
    (">", Sign::Operator(Comparison::Equal), None),
    ("&", Sign::And, Some("&&")),
    ("|", Sign::Or, Some("||")),
    ("[", Sign::OpenList, Some("{")),
    ("]", Sign::CloseList, Some("}")),
];

impl Lexer<'_> {
    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let start = self.at;
        let first = self.rest().chars().next()?;
        let sign = match first {
            '.' => self.sign(1, Sign::Dot),
            ',' => self.sign(1, Sign::Comma),
            '{' => self.sign(1, Sign::OpenList),
            '}' => self.sign(1, Sign::CloseList),
            '"' => self.quoted(first, &['"']),
            '“' | '”' | '„' | '‟' => self.quoted(first, &['”', '“', '‟', '"']),
            '\'' => self.quoted(first, &['\'']),
            '‘' | '’' | '‚' => self.quoted(first, &['’', '‘', '\'']),
            '@' => self.custom(),
            _ if is_name_start(first) => self.word(),
            _ if first.is_ascii_digit() || self.is_negative_number() => self.number(),
            _ => self.operator(first),
        };
        Some(Token { sign, span: Span::new(start, self.at) })
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn sign(&mut self, length: usize, sign: Sign) -> Sign {
        self.at += length;
        sign
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            // Texts copied from web pages carry marks that take no room.
            let is_blank = |c: char| {
                c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
            };
            let trimmed = rest.trim_start_matches(is_blank);
            let is_comment = trimmed.starts_with("//") || trimmed.starts_with('#');
            let comment = if is_comment { trimmed.find('\n').unwrap_or(trimmed.len()) } else { 0 };
            let skipped = rest.len() - trimmed.len() + comment;
            if skipped == 0 {
                return;
            }
            self.at += skipped;
        }
    }

    fn word(&mut self) -> Sign {
        let length = name_length(self.rest());
        self.sign(length, Sign::Word)
    }

    fn custom(&mut self) -> Sign {
        let after = self.rest().get(1..).unwrap_or_default();
        let length = name_length(after);
        if length == 0 {
            let span = Span::new(self.at, self.at + 1);
            self.report(Problem::new(
                span,
                ProblemCode::Missing,
                "the name of a custom property is missing after @",
            ));
            return self.sign(1, Sign::Bad);
        }
        self.sign(1 + length, Sign::Custom)
    }

    fn is_negative_number(&self) -> bool {
        let mut chars = self.rest().chars();
        chars.next() == Some('-') && chars.next().is_some_and(|c| c.is_ascii_digit())
    }

    fn number(&mut self) -> Sign {
        let rest = self.rest();
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
        let sign = usize::from(rest.starts_with('-'));
        let mut length = sign + digits(rest.get(sign..).unwrap_or_default());
        let after = rest.get(length..).unwrap_or_default();
        if let Some(fraction) = after.strip_prefix('.') {
            let fraction = digits(fraction);
            if fraction > 0 {
                length += 1 + fraction;
            }
        }
        self.sign(length, Sign::Number)
    }

    fn quoted(&mut self, opening: char, closing: &[char]) -> Sign {
        let start = self.at;
        let inner_start = start + opening.len_utf8();
        let inner = self.text.get(inner_start..).unwrap_or_default();
        let mut is_escaped = false;
        let mut end = None;
        for (offset, c) in inner.char_indices() {
            if !is_escaped && closing.contains(&c) {
                end = Some((inner_start + offset, c));
                break;
            }
            is_escaped = c == '\\' && !is_escaped;
        }
        let Some((inner_end, closed_by)) = end else {
            self.at = self.text.len();
            let span = Span::new(start, self.at);
            let message = "this text has no closing quote";
            let content = Span::new(inner_start, self.at).of(self.text).trim_end();
            let mut closed = format!("\"{}", between_double_quotes(content));
            let backslashes = closed.len() - closed.trim_end_matches('\\').len();
            closed.push_str(if backslashes % 2 == 1 { "\\\"" } else { "\"" });
            self.report(Problem::new(span, ProblemCode::UnclosedString, message).suggest(closed));
            return Sign::Text { inner: Span::new(inner_start, self.at) };
        };
        self.at = inner_end + closed_by.len_utf8();
        if opening != '"' {
            let content = self.text.get(inner_start..inner_end).unwrap_or_default();
            let message = "quotes of another kind were read as straight double quotes";
            let problem =
                Problem::new(Span::new(start, self.at), ProblemCode::OtherQuotes, message);
            let straight = between_double_quotes(content);
            self.problems.push(problem.suggest(format!("\"{straight}\"")));
        }
        Sign::Text { inner: Span::new(inner_start, inner_end) }
    }

    fn operator(&mut self, first: char) -> Sign {
        let own = OPERATORS.iter().find(|(text, _)| self.rest().starts_with(text));
        let foreign = FOREIGN.iter().find(|(text, ..)| self.rest().starts_with(text));
        match (own, foreign) {
            // `===` begins with our `==`, and `=~` with our `=`: the longer one is meant.
            (Some(&(text, sign)), foreign)
                if foreign.is_none_or(|(other, ..)| other.len() <= text.len()) =>
            {
                self.sign(text.len(), sign)
            }
            (_, Some(&(text, sign, meant))) => {
                let span = Span::new(self.at, self.at + text.len());
                let message = format!("{text} is no operator of this language");
                let problem = Problem::new(span, ProblemCode::UnknownOperator, message);
                self.report(problem.did_you_mean(meant));
                self.sign(text.len(), sign)
            }
            _ => {
                let length = first.len_utf8();
                let span = Span::new(self.at, self.at + length);
                let message = format!("{first:?} means nothing here");
                self.report(Problem::new(span, ProblemCode::UnknownCharacter, message));
                self.sign(length, Sign::Bad)
            }
        }
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn name_length(text: &str) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.find(|c: char| !is_name(c)).unwrap_or(text.len())
}
