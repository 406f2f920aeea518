//! Text → tokens, with spans. Shared by expressions and load script statements.

use std::sync::Arc;

use super::Span;

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    Number(f64),
    /// `'…'`
    Text(Arc<str>),
    /// A bare name: field, function, keyword.
    Name(Arc<str>),
    /// `[…]`
    Bracketed(Arc<str>),
    /// `"…"`
    Quoted(Arc<str>),
    Symbol(Symbol),
    /// A quote or bracket without its end.
    Unclosed(char),
    /// A character that starts nothing.
    Stray(char),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    Comma,
    Semicolon,
    Colon,
    DoubleColon,
    Plus,
    Minus,
    Star,
    Slash,
    Ampersand,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    ShiftLeft,
    ShiftRight,
    Dollar,
}

/// Reads tokens one by one from `at`; comments are skipped.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str, at: usize) -> Lexer<'a> {
        Lexer { text, at }
    }

    pub fn next_token(&mut self) -> Token {
        self.skip_blanks();
        let start = self.at;
        let kind = self.token();
        Token { kind, span: Span::new(start, self.at) }
    }

    /// The text of a span, as written.
    pub fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.range()).unwrap_or("")
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                self.at += trimmed.find("*/").map_or(trimmed.len(), |end| end + 2);
            } else {
                return;
            }
        }
    }

    fn token(&mut self) -> TokenKind {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return TokenKind::End };
        match first {
            '\'' => self.quoted('\'', TokenKind::Text),
            '"' => self.quoted('"', TokenKind::Quoted),
            '`' => self.quoted('`', TokenKind::Quoted),
            '[' => self.quoted(']', TokenKind::Bracketed),
            '0'..='9' => self.number(),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            _ if starts_name(first) => {
                let length = rest.find(|c| !continues_name(c)).unwrap_or(rest.len());
                let name = &rest[..length];
                self.at += length;
                if name == "$" {
                    TokenKind::Symbol(Symbol::Dollar)
                } else {
                    TokenKind::Name(Arc::from(name))
                }
            }
            _ => match symbol(rest) {
                Some((symbol, length)) => {
                    self.at += length;
                    TokenKind::Symbol(symbol)
                }
                None => {
                    self.at += first.len_utf8();
                    TokenKind::Stray(first)
                }
            },
        }
    }

    /// A doubled end character stands for itself.
    fn quoted(&mut self, end: char, kind: impl Fn(Arc<str>) -> TokenKind) -> TokenKind {
        let rest = self.rest();
        let mut content = String::new();
        let mut characters = rest.char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character != end {
                content.push(character);
            } else if characters.peek().is_some_and(|(_, next)| *next == end) {
                characters.next();
                content.push(end);
            } else {
                self.at += at + end.len_utf8();
                return kind(Arc::from(content));
            }
        }
        self.at = self.text.len();
        TokenKind::Unclosed(if end == ']' { '[' } else { end })
    }

    fn number(&mut self) -> TokenKind {
        let bytes = self.rest().as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits(end + 1 + sign);
            if exponent > end + 1 + sign {
                end = exponent;
            }
        }
        let number = self.rest()[..end].parse().unwrap_or(f64::NAN);
        self.at += end;
        TokenKind::Number(number)
    }
}

/// Whether a bare name may begin with this character.
pub fn starts_name(character: char) -> bool {
    character.is_alphabetic()
        || matches!(
            character,
            '_' | '%' | '#' | '@' | '$' | '§' | '~' | '?' | '!' | '\\' | '€' | '£'
        )
}

/// Whether a bare name may go on with this character.
pub fn continues_name(character: char) -> bool {
    starts_name(character) || character.is_alphanumeric() || character == '.'
}

impl Symbol {
    pub fn text(self) -> &'static str {
        SYMBOLS.iter().find(|(_, symbol)| *symbol == self).map_or("", |(text, _)| text)
    }
}

fn symbol(rest: &str) -> Option<(Symbol, usize)> {
    SYMBOLS
        .iter()
        .find(|(text, _)| rest.starts_with(text))
        .map(|(text, symbol)| (*symbol, text.len()))
}

/// Longer ones first.
const SYMBOLS: [(&str, Symbol); 22] = [
    ("<>", Symbol::NotEqual),
    ("<=", Symbol::LessEqual),
    (">=", Symbol::GreaterEqual),
    ("<<", Symbol::ShiftLeft),
    (">>", Symbol::ShiftRight),
    ("::", Symbol::DoubleColon),
    ("(", Symbol::LeftParen),
    (")", Symbol::RightParen),
    ("{", Symbol::LeftBrace),
    ("}", Symbol::RightBrace),
    (",", Symbol::Comma),
    (";", Symbol::Semicolon),
    (":", Symbol::Colon),
    ("+", Symbol::Plus),
    ("-", Symbol::Minus),
    ("*", Symbol::Star),
    ("/", Symbol::Slash),
    ("&", Symbol::Ampersand),
    ("=", Symbol::Equal),
    ("<", Symbol::Less),
    (">", Symbol::Greater),
    ("$", Symbol::Dollar),
];
