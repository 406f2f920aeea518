//! The text of one statement → a command.

use std::sync::Arc;

use loggia_engine::expression::lexer::{Lexer, Symbol, Token, TokenKind};
use loggia_engine::expression::{Expr, ExprKind, parse_prefix};
use loggia_engine::value::Value;

use crate::command::{
    Command, ExitWhat, FileFormat, JoinKind, Load, LoadField, Source, Step, Target,
};
use crate::problem::Found;

pub(crate) struct ParsedCommand {
    pub(crate) command: Option<Command>,
    pub(crate) problems: Vec<Found>,
}

/// Parses the text of one statement, without its semicolon. Positions count from its beginning.
pub(crate) fn parse_command(text: &str) -> ParsedCommand {
    let mut parser = Parser::new(text);
    let command = parser.command();
    if command.is_some() && parser.problems.is_empty() && parser.token.kind != TokenKind::End {
        let what = parser.found();
        parser.problem(format!("unexpected {what}"));
    }
    ParsedCommand { command, problems: parser.problems }
}

/// Parses a whole text as one expression of a script.
pub(crate) fn parse_condition(text: &str) -> Result<Expr, Vec<Found>> {
    let mut parser = Parser::new(text);
    let expr = parser.expr();
    if parser.problems.is_empty() && parser.token.kind != TokenKind::End {
        let what = parser.found();
        parser.problem(format!("unexpected {what}"));
    }
    match expr {
        Some(expr) if parser.problems.is_empty() => Ok(expr),
        _ => Err(parser.problems),
    }
}

/// The head of a `FOR`.
pub(crate) enum ForHead {
    Range { variable: Arc<str>, from: Expr, to: Expr, step: Option<Expr> },
    Each { variable: Arc<str>, items: Vec<EachItem> },
}

pub(crate) enum EachItem {
    Expr(Expr),
    /// `FileList('lib://Data/*.csv')`
    Files(Expr),
}

pub(crate) fn parse_for(text: &str) -> Result<ForHead, Vec<Found>> {
    let mut parser = Parser::new(text);
    match parser.for_head() {
        Some(head) if parser.problems.is_empty() => Ok(head),
        _ => Err(parser.problems),
    }
}

/// The head of a `SUB`: `name(a, b)`.
pub(crate) struct SubHead {
    pub(crate) name: Arc<str>,
    pub(crate) parameters: Vec<Arc<str>>,
}

pub(crate) fn parse_sub(text: &str) -> Result<SubHead, Vec<Found>> {
    let mut parser = Parser::new(text);
    let head = parser.sub_head();
    head.ok_or(parser.problems)
}

const KEYWORDS: [&str; 28] = [
    "LOAD",
    "SET",
    "LET",
    "DROP",
    "RENAME",
    "QUALIFY",
    "UNQUALIFY",
    "TAG",
    "UNTAG",
    "MAP",
    "UNMAP",
    "TRACE",
    "CALL",
    "EXIT",
    "MAPPING",
    "NOCONCATENATE",
    "CONCATENATE",
    "JOIN",
    "KEEP",
    "LEFT",
    "RIGHT",
    "INNER",
    "OUTER",
    "DIRECTORY",
    "STORE",
    "NULLASVALUE",
    "COMMENT",
    "IF",
];

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    token: Token,
    last_end: usize,
    problems: Vec<Found>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        let mut lexer = Lexer::new(text, 0);
        let token = lexer.next_token();
        Parser { text, lexer, token, last_end: 0, problems: Vec::new() }
    }

    // Tokens.

    fn advance(&mut self) {
        self.last_end = self.token.span.range().end;
        self.token = self.lexer.next_token();
    }

    fn go_to(&mut self, at: usize) {
        self.last_end = at;
        self.lexer = Lexer::new(self.text, at);
        self.token = self.lexer.next_token();
    }

    fn start(&self) -> usize {
        self.token.span.range().start
    }

    fn peek(&self) -> TokenKind {
        self.lexer.clone().next_token().kind
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(&self.token.kind, TokenKind::Name(name) if name.eq_ignore_ascii_case(word))
    }

    fn at_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.at_word(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn at_symbol(&self, symbol: Symbol) -> bool {
        self.token.kind == TokenKind::Symbol(symbol)
    }

    fn take_symbol(&mut self, symbol: Symbol) -> bool {
        let found = self.at_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn found(&self) -> String {
        match &self.token.kind {
            TokenKind::End => "the end of the statement".to_owned(),
            TokenKind::Unclosed(quote) => format!("`{quote}` without its end"),
            _ => {
                let written: String = self.lexer.slice(self.token.span).chars().take(30).collect();
                format!("`{written}`")
            }
        }
    }

    fn problem(&mut self, message: impl Into<String>) {
        let span = self.token.span.range();
        self.problems.push(Found::new(span.start, span.end, message));
    }

    fn expected<T>(&mut self, what: &str) -> Option<T> {
        let found = self.found();
        self.problem(format!("expected {what}, found {found}"));
        None
    }

    fn expect_word(&mut self, word: &str) -> Option<()> {
        if self.take_word(word) { Some(()) } else { self.expected(&format!("`{word}`")) }
    }

    fn expect_symbol(&mut self, symbol: Symbol) -> Option<()> {
        if self.take_symbol(symbol) {
            Some(())
        } else {
            self.expected(&format!("`{}`", symbol.text()))
        }
    }

    fn name(&mut self, what: &str) -> Option<Arc<str>> {
        let name = match &self.token.kind {
            TokenKind::Name(name)
            | TokenKind::Bracketed(name)
            | TokenKind::Quoted(name)
            | TokenKind::Text(name) => name.clone(),
            _ => return self.expected(what),
        };
        self.advance();
        Some(name)
    }

    /// Names separated by commas; `*` and `a*` are names here.
    fn patterns(&mut self) -> Option<Vec<Arc<str>>> {
        let mut names = Vec::new();
        loop {
            let start = self.start();
            let quoted = matches!(
                self.token.kind,
                TokenKind::Bracketed(_) | TokenKind::Quoted(_) | TokenKind::Text(_)
            );
            if quoted {
                names.push(self.name("a field")?);
            } else {
                while matches!(
                    self.token.kind,
                    TokenKind::Name(_) | TokenKind::Number(_) | TokenKind::Symbol(Symbol::Star)
                ) && (self.start() == start || self.start() == self.last_end)
                {
                    self.advance();
                }
                if self.start() == start {
                    return self.expected("a field");
                }
                names.push(Arc::from(&self.text[start..self.last_end]));
            }
            if !self.take_symbol(Symbol::Comma) {
                return Some(names);
            }
        }
    }

    fn names(&mut self, what: &str) -> Option<Vec<Arc<str>>> {
        let mut names = vec![self.name(what)?];
        while self.take_symbol(Symbol::Comma) {
            names.push(self.name(what)?);
        }
        Some(names)
    }

    /// `(name)`, where it is given.
    fn table_in_parens(&mut self) -> Option<Option<Arc<str>>> {
        if !self.take_symbol(Symbol::LeftParen) {
            return Some(None);
        }
        let name = self.name("a table")?;
        self.expect_symbol(Symbol::RightParen)?;
        Some(Some(name))
    }

    fn expr(&mut self) -> Option<Expr> {
        let prefix = parse_prefix(self.text, self.start());
        self.go_to(prefix.end);
        let is_valid = prefix.parsed.problems.is_empty();
        for found in prefix.parsed.problems {
            let span = found.span.range();
            self.problems.push(Found::new(span.start, span.end, found.message));
        }
        if is_valid { prefix.parsed.expr } else { None }
    }

    // Statements.

    fn command(&mut self) -> Option<Command> {
        let label = self.label();
        if self.at_any(&[
            "LOAD",
            "SELECT",
            "MAPPING",
            "NOCONCATENATE",
            "CONCATENATE",
            "JOIN",
            "KEEP",
            "LEFT",
            "RIGHT",
            "INNER",
            "OUTER",
            "BUFFER",
            "ADD",
            "REPLACE",
            "SQL",
        ]) {
            return self.load(label);
        }
        if let Some(label) = label {
            let found = self.found();
            self.problem(format!("expected `LOAD` after the label `{label}`, found {found}"));
            return None;
        }
        if self.at_word("SET") || self.at_word("LET") {
            return self.assignment();
        }
        let word = match &self.token.kind {
            TokenKind::Name(word) => word.to_ascii_uppercase(),
            TokenKind::End => return Some(Command::Nothing),
            _ => return self.expected("a statement"),
        };
        match word.as_str() {
            "DROP" => self.drop_command(),
            "RENAME" => self.rename(),
            "QUALIFY" => self.then_patterns(Command::Qualify),
            "UNQUALIFY" => self.then_patterns(Command::Unqualify),
            "NULLASVALUE" => self.then_patterns(Command::NullAsValue),
            "TAG" => self.tag(),
            "MAP" => self.map_using(),
            "UNMAP" => self.then_patterns(Command::Unmap),
            "TRACE" => {
                let text = self.text[self.token.span.range().end..].trim().to_owned();
                self.go_to(self.text.len());
                Some(Command::Trace(text))
            }
            "CALL" => self.call(),
            "EXIT" => self.exit(),
            "COMMENT" | "UNTAG" | "DIRECTORY" | "SECTION" | "ALIAS" | "STAR" | "NULLASNULL"
            | "SEARCH" | "FORCE" | "DISCONNECT" | "DECLARE" | "DERIVE" | "SLEEP" | "LOOSEN"
            | "FLUSHLOG" | "UNLESS" | "WHEN" | "STORE" | "BINARY" | "CONNECT" | "LIB"
            | "EXECUTE" | "ODBC" | "OLEDB" | "INCLUDE" => {
                if matches!(
                    word.as_str(),
                    "COMMENT" | "UNTAG" | "DIRECTORY" | "SEARCH" | "FLUSHLOG"
                ) {
                    self.go_to(self.text.len());
                    return Some(Command::Nothing);
                }
                self.problem(format!("`{word}` is not supported here"));
                None
            }
            _ => {
                if self.peek() == TokenKind::Symbol(Symbol::Equal) {
                    return self.assignment();
                }
                let span = self.token.span.range();
                let mut found =
                    Found::new(span.start, span.end, format!("`{word}` begins no statement"));
                if let Some(near) = nearest(&word) {
                    found = found.with_mend(format!("did you mean `{near}`?"));
                }
                self.problems.push(found);
                None
            }
        }
    }

    fn then_patterns(&mut self, command: fn(Vec<Arc<str>>) -> Command) -> Option<Command> {
        self.advance();
        self.patterns().map(command)
    }

    fn label(&mut self) -> Option<Arc<str>> {
        let name = match &self.token.kind {
            TokenKind::Name(name)
            | TokenKind::Bracketed(name)
            | TokenKind::Quoted(name)
            | TokenKind::Text(name) => name.clone(),
            _ => return None,
        };
        if self.peek() != TokenKind::Symbol(Symbol::Colon) {
            return None;
        }
        self.advance();
        self.advance();
        Some(name)
    }

    fn assignment(&mut self) -> Option<Command> {
        let is_set = self.take_word("SET");
        if !is_set {
            self.take_word("LET");
        }
        let name = self.name("the name of a variable")?;
        if !self.at_symbol(Symbol::Equal) {
            return self.expected("`=`");
        }
        let after = self.token.span.range().end;
        if is_set {
            let text = self.text[after..].trim();
            self.go_to(self.text.len());
            return Some(Command::Set { name, text: unquoted(text) });
        }
        self.advance();
        let expr = if self.token.kind == TokenKind::End { None } else { Some(self.expr()?) };
        Some(Command::Let { name, expr })
    }

    fn drop_command(&mut self) -> Option<Command> {
        self.advance();
        if self.take_word("TABLE") || self.take_word("TABLES") {
            return Some(Command::DropTables(self.names("a table")?));
        }
        if self.take_word("FIELD") || self.take_word("FIELDS") {
            let fields = self.names("a field")?;
            let tables = if self.take_word("FROM") { self.names("a table")? } else { Vec::new() };
            return Some(Command::DropFields { fields, tables });
        }
        self.expected("`TABLE` or `FIELD`")
    }

    fn rename(&mut self) -> Option<Command> {
        self.advance();
        let fields = self.take_word("FIELD") || self.take_word("FIELDS");
        if !fields && !self.take_word("TABLE") && !self.take_word("TABLES") {
            return self.expected("`FIELD` or `TABLE`");
        }
        if self.take_word("USING") {
            return Some(Command::RenameFieldsUsing(self.name("a mapping table")?));
        }
        let mut pairs = Vec::new();
        loop {
            let from = self.name("a name")?;
            self.expect_word("TO")?;
            pairs.push((from, self.name("the new name")?));
            if !self.take_symbol(Symbol::Comma) {
                break;
            }
        }
        Some(if fields { Command::RenameFields(pairs) } else { Command::RenameTables(pairs) })
    }

    fn tag(&mut self) -> Option<Command> {
        self.advance();
        if !self.take_word("FIELD") {
            self.take_word("FIELDS");
        }
        let fields = self.names("a field")?;
        self.expect_word("WITH")?;
        let mut tags = Vec::new();
        loop {
            tags.push(self.name("a tag")?);
            if !self.take_symbol(Symbol::Comma) {
                break;
            }
        }
        Some(Command::Tag { fields, tags })
    }

    fn map_using(&mut self) -> Option<Command> {
        self.advance();
        let fields = self.patterns()?;
        self.expect_word("USING")?;
        Some(Command::MapUsing { fields, map: self.name("a mapping table")? })
    }

    fn call(&mut self) -> Option<Command> {
        self.advance();
        let name = self.name("a sub")?;
        let mut args = Vec::new();
        if self.take_symbol(Symbol::LeftParen) && !self.take_symbol(Symbol::RightParen) {
            loop {
                args.push(self.expr()?);
                if !self.take_symbol(Symbol::Comma) {
                    break;
                }
            }
            self.expect_symbol(Symbol::RightParen)?;
        }
        Some(Command::Call { name, args })
    }

    fn exit(&mut self) -> Option<Command> {
        self.advance();
        let what = if self.take_word("SCRIPT") {
            ExitWhat::Script
        } else if self.take_word("FOR") || self.take_word("DO") {
            ExitWhat::Loop
        } else if self.take_word("SUB") {
            ExitWhat::Sub
        } else {
            return self.expected("`SCRIPT`, `FOR`, `DO` or `SUB`");
        };
        let unless = self.at_word("UNLESS");
        let condition = if unless || self.at_word("WHEN") {
            self.advance();
            let expr = self.expr()?;
            Some(if unless { negated(expr) } else { expr })
        } else {
            None
        };
        Some(Command::Exit { what, condition })
    }

    fn for_head(&mut self) -> Option<ForHead> {
        let each = self.take_word("EACH");
        let variable = self.name("a variable")?;
        if !each {
            self.expect_symbol(Symbol::Equal)?;
            let from = self.expr()?;
            self.expect_word("TO")?;
            let to = self.expr()?;
            let step = if self.take_word("STEP") { Some(self.expr()?) } else { None };
            return Some(ForHead::Range { variable, from, to, step });
        }
        self.expect_word("IN")?;
        let mut items = Vec::new();
        loop {
            if self.at_word("FileList") && self.peek() == TokenKind::Symbol(Symbol::LeftParen) {
                self.advance();
                self.advance();
                items.push(EachItem::Files(self.expr()?));
                self.expect_symbol(Symbol::RightParen)?;
            } else {
                items.push(EachItem::Expr(self.expr()?));
            }
            if !self.take_symbol(Symbol::Comma) {
                break;
            }
        }
        Some(ForHead::Each { variable, items })
    }

    fn sub_head(&mut self) -> Option<SubHead> {
        let name = self.name("the name of the sub")?;
        let mut parameters = Vec::new();
        if self.take_symbol(Symbol::LeftParen) && !self.take_symbol(Symbol::RightParen) {
            parameters = self.names("a parameter")?;
            self.expect_symbol(Symbol::RightParen)?;
        }
        Some(SubHead { name, parameters })
    }

    // LOAD.

    fn load(&mut self, label: Option<Arc<str>>) -> Option<Command> {
        let target = self.target()?;
        let mut steps = Vec::new();
        let source = loop {
            if self.at_any(&["SQL", "SELECT"]) {
                self.problem("there is no database connection to send this to");
                return None;
            }
            self.expect_word("LOAD")?;
            let mut step = Step { distinct: self.take_word("DISTINCT"), ..Step::default() };
            self.fields(&mut step)?;
            let source = self.source()?;
            self.clauses(&mut step)?;
            steps.push(step);
            match source {
                Some(source) => break source,
                None if self.take_symbol(Symbol::Semicolon) || self.at_word("LOAD") => {}
                None if self.token.kind == TokenKind::End => {
                    return self.expected(
                        "`FROM`, `RESIDENT`, `INLINE`, `AUTOGENERATE` or another `LOAD`",
                    );
                }
                None => return self.expected("`FROM`, `RESIDENT`, `INLINE` or `AUTOGENERATE`"),
            }
        };
        Some(Command::Load(Box::new(Load { label, target, steps, source })))
    }

    fn target(&mut self) -> Option<Target> {
        let mut target = Target::Automatic;
        loop {
            let kind = if self.at_word("LEFT") {
                Some(JoinKind::Left)
            } else if self.at_word("RIGHT") {
                Some(JoinKind::Right)
            } else if self.at_word("INNER") {
                Some(JoinKind::Inner)
            } else if self.at_word("OUTER") {
                Some(JoinKind::Outer)
            } else {
                None
            };
            if kind.is_some() {
                self.advance();
                if !self.at_any(&["JOIN", "KEEP"]) {
                    return self.expected("`JOIN` or `KEEP`");
                }
            }
            if self.take_word("JOIN") {
                target = Target::Join {
                    kind: kind.unwrap_or(JoinKind::Outer),
                    table: self.table_in_parens()?,
                };
            } else if self.take_word("KEEP") {
                let kind = kind.unwrap_or(JoinKind::Outer);
                target = Target::Keep { kind, table: self.table_in_parens()? };
            } else if self.take_word("MAPPING") {
                target = Target::Mapping;
            } else if self.take_word("NOCONCATENATE") {
                target = Target::New;
            } else if self.take_word("CONCATENATE") {
                target = Target::Concatenate(self.table_in_parens()?);
            } else if self.take_word("ADD") || self.take_word("REPLACE") || self.take_word("BUFFER")
            {
                // These say what a partial reload does; a full one ignores them.
                self.table_in_parens()?;
                self.take_word("ONLY");
            } else {
                return Some(target);
            }
        }
    }

    fn fields(&mut self, step: &mut Step) -> Option<()> {
        loop {
            if self.at_symbol(Symbol::Star) {
                self.advance();
                step.fields.push(LoadField::Star);
            } else {
                let start = self.start();
                let expr = self.expr()?;
                let end = self.last_end.min(self.text.len());
                let written = self.text[start..end].trim();
                let name = if self.take_word("AS") {
                    self.name("a name after `AS`")?
                } else {
                    match &expr.kind {
                        ExprKind::Field(field) => field.name.clone(),
                        _ => Arc::from(written),
                    }
                };
                step.fields.push(LoadField::Expr { expr, name });
            }
            if !self.take_symbol(Symbol::Comma) {
                return Some(());
            }
        }
    }

    fn source(&mut self) -> Option<Option<Source>> {
        if self.take_word("RESIDENT") {
            let span = self.token.span.range();
            let table = self.name("a table")?;
            return Some(Some(Source::Resident { table, start: span.start, end: span.end }));
        }
        if self.take_word("AUTOGENERATE") {
            return Some(Some(Source::Autogenerate(self.expr()?)));
        }
        if self.take_word("INLINE") {
            let data = match &self.token.kind {
                TokenKind::Bracketed(data) | TokenKind::Quoted(data) | TokenKind::Text(data) => {
                    data.clone()
                }
                _ => return self.expected("`[` with the data"),
            };
            self.advance();
            let format = self.format()?;
            return Some(Some(Source::Inline { data, format }));
        }
        if self.at_any(&["FROM_FIELD", "EXTENSION"]) {
            self.problem("this source is not supported here");
            return None;
        }
        if !self.at_word("FROM") {
            return Some(None);
        }
        let (location, start, end) = self.location()?;
        let format = self.format()?;
        Some(Some(Source::File { location, format, start, end }))
    }

    /// After `FROM`: quoted, bracketed, or bare up to a blank or a parenthesis.
    fn location(&mut self) -> Option<(Arc<str>, usize, usize)> {
        let after = self.token.span.range().end;
        let rest = &self.text[after..];
        let start = after + rest.len() - rest.trim_start().len();
        let is_quoted = self.text[start..].starts_with(['[', '\'', '"']);
        if is_quoted {
            self.advance();
            let span = self.token.span.range();
            return Some((self.name("a file")?, span.start, span.end));
        }
        let bare = &self.text[start..];
        let end = start
            + bare
                .find(|c: char| c.is_whitespace() || matches!(c, '(' | ','))
                .unwrap_or(bare.len());
        self.go_to(end);
        if start == end {
            return self.expected("a file");
        }
        Some((Arc::from(&self.text[start..end]), start, end))
    }

    fn format(&mut self) -> Option<FileFormat> {
        let mut format = FileFormat::default();
        if !self.take_symbol(Symbol::LeftParen) {
            return Some(format);
        }
        loop {
            let word = match &self.token.kind {
                TokenKind::Name(word) => word.to_ascii_lowercase(),
                TokenKind::Symbol(Symbol::RightParen) => break,
                _ => return self.expected("a word of the file format"),
            };
            match word.as_str() {
                "txt" | "utf8" | "unicode" | "msq" => {}
                "ansi" | "oem" | "mac" => format.utf8 = false,
                "codepage" => {
                    self.advance();
                    self.expect_word("is")?;
                    format.utf8 = matches!(self.token.kind, TokenKind::Number(65001.0));
                }
                "embedded" | "explicit" => {
                    self.advance();
                    format.labels = word == "embedded";
                }
                "no" => {
                    self.advance();
                    if self.at_word("labels") {
                        format.labels = false;
                    } else if self.at_word("quotes") {
                        format.quotes = false;
                    } else if !self.at_word("eof") {
                        return self.expected("`labels`, `quotes` or `eof`");
                    }
                }
                "delimiter" => {
                    self.advance();
                    self.expect_word("is")?;
                    format.delimiter = self.delimiter()?;
                }
                "header" => {
                    self.advance();
                    self.expect_word("is")?;
                    match self.token.kind {
                        TokenKind::Number(lines) if (0.0..1e6).contains(&lines) => format.header_lines = lines as usize,
                        _ => return self.expected("a number of lines"),
                    }
                    self.advance();
                    if !self.at_any(&["lines", "line"]) {
                        return self.expected("`lines`");
                    }
                }
                "comment" => {
                    self.advance();
                    self.expect_word("is")?;
                    match &self.token.kind {
                        TokenKind::Text(mark) | TokenKind::Name(mark) => format.comment = Some(mark.to_string()),
                        _ => return self.expected("the mark of comment lines"),
                    }
                }
                "qvd" | "qvx" | "ooxml" | "biff" | "xmlsimple" | "html" | "parquet" | "fix" | "dif" | "kml" | "json" => {
                    self.problem(format!("files of format `{word}` cannot be read; delimited text (`txt`) can"));
                    return None;
                }
                _ => return self.expected("a word of the file format: txt, utf8, embedded labels, no labels, delimiter is, header is, msq"),
            }
            self.advance();
            if !self.take_symbol(Symbol::Comma) {
                break;
            }
        }
        self.expect_symbol(Symbol::RightParen)?;
        Some(format)
    }

    fn delimiter(&mut self) -> Option<u8> {
        let text = match &self.token.kind {
            TokenKind::Text(text) | TokenKind::Name(text) | TokenKind::Quoted(text) => text.clone(),
            _ => return self.expected("a delimiter in quotes"),
        };
        match text.as_bytes() {
            [single] if *single != b'"' && *single != b'\n' && *single != b'\r' => Some(*single),
            b"\\t" | b"tab" => Some(b'\t'),
            _ => {
                let word = text.to_ascii_lowercase();
                match word.as_str() {
                    "spaces" => Some(b' '),
                    _ => self.expected("a delimiter of one character, or '\\t'"),
                }
            }
        }
    }

    fn clauses(&mut self, step: &mut Step) -> Option<()> {
        loop {
            if self.take_word("WHERE") {
                step.condition = Some(self.expr()?);
            } else if self.take_word("WHILE") {
                step.repeat = Some(self.expr()?);
            } else if self.take_word("GROUP") {
                self.expect_word("BY")?;
                let mut keys = vec![self.expr()?];
                while self.take_symbol(Symbol::Comma) {
                    keys.push(self.expr()?);
                }
                step.group_by = Some(keys);
            } else if self.take_word("ORDER") {
                self.expect_word("BY")?;
                loop {
                    let field = self.name("a field")?;
                    let descending = self.take_word("DESC") || self.take_word("DESCENDING");
                    if !descending && !self.take_word("ASC") {
                        self.take_word("ASCENDING");
                    }
                    step.order_by.push((field, descending));
                    if !self.take_symbol(Symbol::Comma) {
                        break;
                    }
                }
            } else {
                return Some(());
            }
        }
    }
}

fn negated(expr: Expr) -> Expr {
    let op = loggia_engine::expression::UnaryOp::Not;
    Expr::new(expr.span, ExprKind::Unary { op, operand: Box::new(expr) })
}

/// A value in quotes from end to end loses them.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match inner {
        Some(inner) if !inner.replace("''", "").contains('\'') => inner.replace("''", "'"),
        _ => text.to_owned(),
    }
}

fn nearest(word: &str) -> Option<&'static str> {
    let interpreter =
        loggia_engine::format::Interpreter::new(&loggia_engine::format::Locale::default());
    let locale = loggia_engine::format::Locale::default();
    let environment = loggia_engine::expression::Environment::new(0.0, &locale, &interpreter, "");
    let distance = |known: &str| {
        let args = [Value::from(word), Value::from(known)];
        loggia_engine::functions::apply(
            loggia_engine::functions::Function::LevenshteinDist,
            &args,
            &environment,
        )
        .number()
        .unwrap_or(f64::MAX)
    };
    KEYWORDS
        .iter()
        .copied()
        .filter(|known| distance(known) <= 2.0)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
}
