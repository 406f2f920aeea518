//! Where do statements begin and end, and which contain which? Text between is read later, when it is run.

use loggia_engine::expression::lexer::{Lexer, TokenKind};

use crate::problem::Found;

/// A list of statements that run one after the other.
pub(crate) type Block = Vec<Statement>;

/// A statement and the bytes of the script it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: StatementKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StatementKind {
    /// Anything that is not a control statement.
    Simple,
    /// Conditions as byte ranges of the script.
    If { branches: Vec<((usize, usize), Block)>, otherwise: Block },
    /// `FOR` and `FOR EACH`: the head's bytes, from after the word `FOR`.
    For { head: (usize, usize), body: Block },
    /// `DO [WHILE | UNTIL condition] … LOOP [WHILE | UNTIL condition]`
    Do { head: (usize, usize), body: Block, tail: (usize, usize) },
    /// `SUB name(parameters)`: from after the word `SUB`.
    Sub { head: (usize, usize), body: Block },
}

pub(crate) struct Outline {
    pub(crate) block: Block,
    pub(crate) problems: Vec<Found>,
}

/// Splits a script into statements.
pub(crate) fn outline(text: &str) -> Outline {
    let pieces = with_preceding_loads(text, pieces(text));
    let mut nester = Nester { text, pieces: &pieces, at: 0, depth: 0, problems: Vec::new() };
    let mut block = Block::new();
    while nester.at < pieces.len() {
        block.extend(nester.block());
        // What ends a block that was never begun.
        if let Some(piece) = pieces.get(nester.at) {
            let word = piece.control.map_or("", Control::text);
            nester.problems.push(Found::new(
                piece.start,
                piece.end,
                format!("`{word}` without its beginning"),
            ));
            nester.at += 1;
        }
    }
    Outline { block, problems: nester.problems }
}

/// Every statement, at every depth, outside first.
pub(crate) fn all_statements(block: &Block) -> Vec<&Statement> {
    fn collect<'b>(block: &'b Block, into: &mut Vec<&'b Statement>) {
        for statement in block {
            into.push(statement);
            match &statement.kind {
                StatementKind::Simple => {}
                StatementKind::If { branches, otherwise } => {
                    branches.iter().for_each(|(_, block)| collect(block, into));
                    collect(otherwise, into);
                }
                StatementKind::For { body, .. }
                | StatementKind::Do { body, .. }
                | StatementKind::Sub { body, .. } => {
                    collect(body, into);
                }
            }
        }
    }
    let mut found = Vec::new();
    collect(block, &mut found);
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    If,
    ElseIf,
    Else,
    EndIf,
    For,
    Next,
    Do,
    Loop,
    Sub,
    EndSub,
}

impl Control {
    fn text(self) -> &'static str {
        match self {
            Control::If => "IF",
            Control::ElseIf => "ELSEIF",
            Control::Else => "ELSE",
            Control::EndIf => "END IF",
            Control::For => "FOR",
            Control::Next => "NEXT",
            Control::Do => "DO",
            Control::Loop => "LOOP",
            Control::Sub => "SUB",
            Control::EndSub => "END SUB",
        }
    }
}

/// A stretch of text: a whole simple statement, or the head of a control statement.
#[derive(Debug)]
struct Piece {
    start: usize,
    end: usize,
    control: Option<Control>,
    /// Where the words after the control word begin.
    head: usize,
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blanks(text, at);
        if at >= text.len() {
            return pieces;
        }
        if text[at..].starts_with(';') {
            at += 1;
            continue;
        }
        let start = at;
        let (word, after) = word_at(text, at);
        match control(text, word, after) {
            Some((control, head)) => {
                let head = skip_line_blanks(text, head);
                let (end, next) = match control {
                    Control::If | Control::ElseIf => then_or_line(text, head),
                    Control::Else | Control::EndIf | Control::EndSub => (head, head),
                    _ => line_or_semicolon(text, head),
                };
                pieces.push(Piece { start, end, control: Some(control), head });
                at = next;
            }
            // These steer as well, and may end with their line.
            None if word.eq_ignore_ascii_case("exit") || word.eq_ignore_ascii_case("call") => {
                let (end, next) = line_or_semicolon(text, after);
                pieces.push(Piece { start, end, control: None, head: start });
                at = next;
            }
            None => {
                let raw = word.eq_ignore_ascii_case("trace") || word.eq_ignore_ascii_case("rem");
                let end = if raw {
                    text[at..].find(';').map_or(text.len(), |end| at + end)
                } else {
                    semicolon(text, at)
                };
                if !word.eq_ignore_ascii_case("rem") {
                    pieces.push(Piece { start, end, control: None, head: start });
                }
                at = end + 1;
            }
        }
    }
}

/// A `LOAD` without a source reads from the `LOAD` after it: the two are one statement.
fn with_preceding_loads(text: &str, pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut is_open = false;
    for piece in pieces {
        let words =
            if piece.control.is_none() { load_words(&text[piece.start..piece.end]) } else { None };
        match merged.last_mut() {
            Some(last) if is_open && words.as_ref().is_some_and(|words| words.begins) => {
                last.end = piece.end
            }
            _ => merged.push(piece),
        }
        is_open = words.is_some_and(|words| !words.has_source);
    }
    merged
}

struct LoadWords {
    /// The statement begins with the word itself, without label or prefix.
    begins: bool,
    has_source: bool,
}

/// What matters of a `LOAD`; nothing for other statements.
fn load_words(statement: &str) -> Option<LoadWords> {
    let mut lexer = Lexer::new(statement, 0);
    let mut loads = None;
    let mut has_source = false;
    for at in 0usize.. {
        match lexer.next_token().kind {
            TokenKind::End => break,
            TokenKind::Name(word) => {
                let is = |wanted: &str| word.eq_ignore_ascii_case(wanted);
                if loads.is_none() && (is("set") || is("let") || is("trace")) {
                    return None;
                }
                if loads.is_none() && is("load") {
                    loads = Some(at == 0);
                }
                has_source |= is("from") || is("resident") || is("inline") || is("autogenerate");
            }
            _ => {}
        }
    }
    loads.map(|begins| LoadWords { begins, has_source })
}

/// Blanks and comments.
fn skip_blanks(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at.min(text.len())..];
        let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        at += rest.len() - trimmed.len();
        match comment(trimmed) {
            Some(length) => at += length,
            None => return at.min(text.len()),
        }
    }
}

/// The length of a comment at the beginning of a text.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        Some(text.find('\n').unwrap_or(text.len()))
    } else if text.starts_with("/*") {
        Some(text.find("*/").map_or(text.len(), |end| end + 2))
    } else {
        None
    }
}

fn word_at(text: &str, at: usize) -> (&str, usize) {
    let rest = &text[at..];
    let length = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    (&rest[..length], at + length)
}

fn control(text: &str, word: &str, after: usize) -> Option<(Control, usize)> {
    // A label or an assignment may have any name.
    if text[after..]
        .starts_with(|c: char| c.is_alphanumeric() || matches!(c, ':' | '_' | '.' | '#'))
    {
        return None;
    }
    let next = || {
        let start = skip_line_blanks(text, after);
        word_at(text, start)
    };
    Some(match word.to_ascii_lowercase().as_str() {
        "if" => (Control::If, after),
        "elseif" => (Control::ElseIf, after),
        "else" => match next() {
            (word, end) if word.eq_ignore_ascii_case("if") => (Control::ElseIf, end),
            _ => (Control::Else, after),
        },
        "endif" => (Control::EndIf, after),
        "endsub" => (Control::EndSub, after),
        "end" => match next() {
            (word, end) if word.eq_ignore_ascii_case("if") => (Control::EndIf, end),
            (word, end) if word.eq_ignore_ascii_case("sub") => (Control::EndSub, end),
            _ => return None,
        },
        "for" => (Control::For, after),
        "next" => (Control::Next, after),
        "do" => (Control::Do, after),
        "loop" => (Control::Loop, after),
        "sub" => (Control::Sub, after),
        _ => return None,
    })
}

fn skip_line_blanks(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    at + rest.len() - rest.trim_start_matches([' ', '\t']).len()
}

/// Where quoted or bracketed text ends that begins here, or a comment.
fn skip_quoted(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    if let Some(length) = comment(rest) {
        return Some(at + length);
    }
    let end = match rest.as_bytes().first()? {
        b'\'' => '\'',
        b'"' => '"',
        b'[' => ']',
        _ => return None,
    };
    Some(rest[1..].find(end).map_or(text.len(), |length| at + length + 2))
}

fn semicolon(text: &str, mut at: usize) -> usize {
    while let Some(character) = text[at..].chars().next() {
        if character == ';' {
            return at;
        }
        at = match character {
            // `lib://…` in a bare path is no comment.
            ':' if text[at..].starts_with("://") => at + 3,
            _ => skip_quoted(text, at).unwrap_or(at + character.len_utf8()),
        };
    }
    text.len()
}

/// A control statement may end with its line. Returns where it ends and where the next begins.
fn line_or_semicolon(text: &str, mut at: usize) -> (usize, usize) {
    let mut open = 0usize;
    while let Some(character) = text[at..].chars().next() {
        match character {
            ';' => return (at, at + 1),
            '\n' if open == 0 => return (at, at),
            '(' | ')' => {
                open = if character == '(' { open + 1 } else { open.saturating_sub(1) };
                at += 1;
            }
            _ if comment(&text[at..]).is_some() => return (at, at),
            _ => at = skip_quoted(text, at).unwrap_or(at + character.len_utf8()),
        }
    }
    (text.len(), text.len())
}

/// A condition ends with `THEN`.
fn then_or_line(text: &str, mut at: usize) -> (usize, usize) {
    let start = at;
    let mut in_word = true;
    while let Some(character) = text[at..].chars().next() {
        if character == ';' {
            break;
        }
        if !in_word && character.is_ascii_alphabetic() {
            let (word, after) = word_at(text, at);
            if word.eq_ignore_ascii_case("then") {
                return (at, after);
            }
        }
        in_word = character.is_alphanumeric() || character == '_';
        at = skip_quoted(text, at).unwrap_or(at + character.len_utf8());
    }
    // No THEN: the condition is its line.
    line_or_semicolon(text, start)
}

const MAX_DEPTH: usize = 60;

struct Nester<'a> {
    text: &'a str,
    pieces: &'a [Piece],
    at: usize,
    depth: usize,
    problems: Vec<Found>,
}

impl Nester<'_> {
    /// Statements up to a control word that this block does not begin.
    fn block(&mut self) -> Block {
        let mut block = Block::new();
        while let Some(piece) = self.pieces.get(self.at) {
            let (start, end, head) = (piece.start, piece.end, (piece.head, piece.end));
            let kind = match piece.control {
                None => {
                    self.at += 1;
                    StatementKind::Simple
                }
                Some(control @ (Control::If | Control::For | Control::Do | Control::Sub)) => {
                    if self.depth == MAX_DEPTH {
                        self.problems.push(Found::new(
                            start,
                            end,
                            format!("blocks are nested more than {MAX_DEPTH} deep"),
                        ));
                        self.at = self.pieces.len();
                        return block;
                    }
                    self.depth += 1;
                    self.at += 1;
                    let kind = self.nested(control, start, end, head);
                    self.depth -= 1;
                    kind
                }
                Some(_) => return block,
            };
            block.push(Statement { start, end, kind });
        }
        block
    }

    fn nested(
        &mut self,
        control: Control,
        start: usize,
        end: usize,
        head: (usize, usize),
    ) -> StatementKind {
        let body = self.block();
        let unclosed = |word: &str, ending: &str| {
            Found::new(start, end, format!("`{word}` without `{ending}`"))
                .with_mend(format!("end the block with `{ending}`"))
        };
        match control {
            Control::If => {
                let mut branches = vec![(head, body)];
                let mut otherwise = Block::new();
                let mut seen_else = false;
                loop {
                    let piece = self.pieces.get(self.at);
                    match piece.and_then(|piece| piece.control) {
                        Some(Control::ElseIf) if !seen_else => {
                            let head = piece.map_or((0, 0), |piece| (piece.head, piece.end));
                            self.at += 1;
                            branches.push((head, self.block()));
                        }
                        Some(Control::Else) if !seen_else => {
                            seen_else = true;
                            self.at += 1;
                            otherwise = self.block();
                        }
                        Some(Control::EndIf) => {
                            self.at += 1;
                            break;
                        }
                        _ => {
                            self.problems.push(unclosed("IF", "END IF"));
                            break;
                        }
                    }
                }
                StatementKind::If { branches, otherwise }
            }
            Control::Sub => {
                self.close(Control::EndSub, unclosed("SUB", "END SUB"));
                StatementKind::Sub { head, body }
            }
            Control::Do => {
                let tail = self.close(Control::Loop, unclosed("DO", "LOOP"));
                StatementKind::Do { head, body, tail }
            }
            _ => {
                self.close(Control::Next, unclosed("FOR", "NEXT"));
                StatementKind::For { head, body }
            }
        }
    }

    fn close(&mut self, wanted: Control, problem: Found) -> (usize, usize) {
        match self.pieces.get(self.at) {
            Some(piece) if piece.control == Some(wanted) => {
                self.at += 1;
                (piece.head, piece.end)
            }
            _ => {
                self.problems.push(problem);
                (self.text.len(), self.text.len())
            }
        }
    }
}
