//! Tokens → expressions. Precedence climbing for operators, plain descent for the rest.

use std::sync::Arc;

use super::lexer::{Lexer, Symbol, Token, TokenKind};
use super::{
    Aggr, AggrDimension, AggrSort, Aggregate, BinaryOp, Call, Element, ElementSet, Expr, ExprKind,
    FieldRef, Modifier, Problem, Search, SetExpr, SetOp, SetSource, Span, UnaryOp,
};
use crate::functions::{AggregateKind, Function, MANY, suggestion};
use crate::value::Value;

/// What a text turned out to be. The expression may be there although there are problems; it must not be evaluated then.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub expr: Option<Expr>,
    pub problems: Vec<Problem>,
}

impl Parsed {
    /// The expression, if nothing is wrong with it.
    pub fn into_valid(self) -> Option<Expr> {
        if self.problems.is_empty() { self.expr } else { None }
    }
}

/// An expression at the beginning of a longer text.
#[derive(Clone, Debug, PartialEq)]
pub struct Prefix {
    pub parsed: Parsed,
    /// Where the first token begins that does not belong to it.
    pub end: usize,
}

/// Parses a whole text: an optional `=`, then one expression. Empty text has neither expression nor problem.
pub fn parse_expression(text: &str) -> Parsed {
    let mut parser = Parser::new(text, 0);
    parser.take_symbol(Symbol::Equal);
    if parser.token.kind == TokenKind::End {
        return Parsed { expr: None, problems: Vec::new() };
    }
    let expr = parser.expression();
    if expr.is_some() && parser.token.kind != TokenKind::End {
        let message = format!("unexpected {} after the expression", describe(&parser.token));
        parser.problem(parser.token.span, message);
    }
    Parsed { expr, problems: parser.problems }
}

/// Parses the expression that begins at byte `start` of `text`, such as a field in a `LOAD` statement.
/// Spans count from the beginning of `text`.
pub fn parse_prefix(text: &str, start: usize) -> Prefix {
    let mut parser = Parser::new(text, start);
    let expr = parser.expression();
    let end = parser.token.span.start as usize;
    Prefix { parsed: Parsed { expr, problems: parser.problems }, end }
}

/// Brackets within brackets.
const MAX_NESTING: u32 = 100;
/// Height of the finished tree: a long chain of operators is as high as it is long.
const MAX_HEIGHT: u32 = 400;

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    last_end: u32,
    nesting: u32,
    problems: Vec<Problem>,
}

/// An expression and the height of its tree.
struct Node {
    expr: Expr,
    height: u32,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, at: usize) -> Parser<'a> {
        let mut lexer = Lexer::new(text, at);
        let token = lexer.next_token();
        Parser { lexer, token, last_end: 0, nesting: 0, problems: Vec::new() }
    }

    fn expression(&mut self) -> Option<Expr> {
        self.operators(0).map(|node| node.expr)
    }

    fn advance(&mut self) -> Token {
        self.last_end = self.token.span.end;
        std::mem::replace(&mut self.token, self.lexer.next_token())
    }

    fn problem(&mut self, span: Span, message: impl Into<String>) {
        // One mistake often makes the next token look wrong too.
        if self.problems.last().is_none_or(|last| last.span != span) {
            self.problems.push(Problem { span, message: message.into() });
        }
    }

    fn expected<T>(&mut self, what: &str) -> Option<T> {
        let message = match &self.token.kind {
            TokenKind::Unclosed(quote) => format!("`{quote}` is not closed"),
            _ => format!("expected {what}, found {}", describe(&self.token)),
        };
        self.problem(self.token.span, message);
        None
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

    fn expect_symbol(&mut self, symbol: Symbol, what: &str) -> Option<()> {
        if self.take_symbol(symbol) { Some(()) } else { self.expected(what) }
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(&self.token.kind, TokenKind::Name(name) if name.eq_ignore_ascii_case(word))
    }

    fn peek(&self) -> Token {
        self.lexer.clone().next_token()
    }

    fn enter(&mut self) -> Option<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            self.problem(
                self.token.span,
                format!("the expression is nested more than {MAX_NESTING} deep"),
            );
            return None;
        }
        Some(())
    }

    fn leave(&mut self) {
        self.nesting -= 1;
    }

    fn node(&mut self, span: Span, kind: ExprKind, below: u32) -> Option<Node> {
        if below >= MAX_HEIGHT {
            self.problem(span, format!("the expression chains more than {MAX_HEIGHT} operations"));
            return None;
        }
        Some(Node { expr: Expr { span, kind }, height: below + 1 })
    }

    /// Operators that bind at least as tightly as `minimum`.
    fn operators(&mut self, minimum: u8) -> Option<Node> {
        self.enter()?;
        let mut left = self.prefixed()?;
        while let Some((op, power)) = self.binary_operator() {
            if power < minimum {
                break;
            }
            self.advance();
            let right = self.operators(power + 1)?;
            let span = left.expr.span.to(right.expr.span);
            let below = left.height.max(right.height);
            let kind =
                ExprKind::Binary { op, left: Box::new(left.expr), right: Box::new(right.expr) };
            left = self.node(span, kind, below)?;
        }
        self.leave();
        Some(left)
    }

    fn binary_operator(&self) -> Option<(BinaryOp, u8)> {
        Some(match &self.token.kind {
            TokenKind::Symbol(symbol) => match symbol {
                Symbol::Equal => (BinaryOp::Equal, COMPARISON),
                Symbol::NotEqual => (BinaryOp::NotEqual, COMPARISON),
                Symbol::Less => (BinaryOp::Less, COMPARISON),
                Symbol::LessEqual => (BinaryOp::LessEqual, COMPARISON),
                Symbol::Greater => (BinaryOp::Greater, COMPARISON),
                Symbol::GreaterEqual => (BinaryOp::GreaterEqual, COMPARISON),
                Symbol::Ampersand => (BinaryOp::Concat, 5),
                Symbol::Plus => (BinaryOp::Add, 6),
                Symbol::Minus => (BinaryOp::Subtract, 6),
                Symbol::Star => (BinaryOp::Multiply, 7),
                Symbol::Slash => (BinaryOp::Divide, 7),
                Symbol::ShiftLeft => (BinaryOp::ShiftLeft, 8),
                Symbol::ShiftRight => (BinaryOp::ShiftRight, 8),
                _ => return None,
            },
            TokenKind::Name(name) => {
                const WORDS: [(&str, BinaryOp, u8); 9] = [
                    ("or", BinaryOp::Or, 1),
                    ("xor", BinaryOp::Xor, 1),
                    ("and", BinaryOp::And, 2),
                    ("like", BinaryOp::Like, COMPARISON),
                    ("precedes", BinaryOp::Precedes, COMPARISON),
                    ("follows", BinaryOp::Follows, COMPARISON),
                    ("bitand", BinaryOp::BitAnd, 8),
                    ("bitor", BinaryOp::BitOr, 8),
                    ("bitxor", BinaryOp::BitXor, 8),
                ];
                let (_, op, power) =
                    WORDS.iter().find(|(word, ..)| name.eq_ignore_ascii_case(word))?;
                (*op, *power)
            }
            _ => return None,
        })
    }

    fn prefixed(&mut self) -> Option<Node> {
        let (op, power) = match &self.token.kind {
            TokenKind::Symbol(Symbol::Minus) => (UnaryOp::Minus, UNARY),
            TokenKind::Symbol(Symbol::Plus) => (UnaryOp::Plus, UNARY),
            TokenKind::Name(name) if name.eq_ignore_ascii_case("not") => (UnaryOp::Not, NOT),
            TokenKind::Name(name) if name.eq_ignore_ascii_case("bitnot") => {
                (UnaryOp::BitNot, UNARY)
            }
            _ => return self.primary(),
        };
        let start = self.advance().span;
        let operand = self.operators(power)?;
        let span = start.to(operand.expr.span);
        if let (UnaryOp::Minus, ExprKind::Literal(Value::Number(number))) = (op, &operand.expr.kind)
        {
            let kind = ExprKind::Literal(Value::Number(-number));
            return self.node(span, kind, 0);
        }
        self.node(span, ExprKind::Unary { op, operand: Box::new(operand.expr) }, operand.height)
    }

    fn primary(&mut self) -> Option<Node> {
        let kind = match &self.token.kind {
            TokenKind::Number(number) => ExprKind::Literal(Value::Number(*number)),
            TokenKind::Text(text) => ExprKind::Literal(Value::Text(text.clone())),
            TokenKind::Bracketed(name) | TokenKind::Quoted(name) => field(name),
            TokenKind::Name(name) => {
                if self.peek().kind == TokenKind::Symbol(Symbol::LeftParen) {
                    return self.call();
                }
                field(name)
            }
            TokenKind::Symbol(Symbol::LeftParen) => return self.parenthesised(),
            TokenKind::Symbol(Symbol::LeftBrace) => return self.with_outer_set(),
            _ => return self.expected("a value, a field or a function"),
        };
        let span = self.advance().span;
        self.node(span, kind, 0)
    }

    fn parenthesised(&mut self) -> Option<Node> {
        let start = self.advance().span;
        let mut node = self.operators(0)?;
        self.expect_symbol(Symbol::RightParen, "`)`")?;
        node.expr.span = Span { start: start.start, end: self.last_end };
        Some(node)
    }

    /// `{<…>} Sum(a) / Sum(b)`: the set holds for every aggregation without a set of its own.
    fn with_outer_set(&mut self) -> Option<Node> {
        let start = self.token.span;
        let set = self.set_in_braces()?;
        let mut node = self.operators(COMPARISON)?;
        node.expr.walk_mut(&mut |expr| match &mut expr.kind {
            ExprKind::Aggregate(aggregate) if aggregate.set.is_none() => {
                aggregate.set = Some(set.clone())
            }
            ExprKind::Aggr(aggr) if aggr.set.is_none() => aggr.set = Some(set.clone()),
            _ => {}
        });
        node.expr.span = start.to(node.expr.span);
        Some(node)
    }

    fn call(&mut self) -> Option<Node> {
        let name_token = self.advance();
        let TokenKind::Name(name) = name_token.kind else { return None };
        self.advance();
        if name.eq_ignore_ascii_case("aggr") {
            return self.aggr(name_token.span);
        }
        let aggregate = AggregateKind::named(&name);
        let function = if aggregate.is_none() { Function::named(&name) } else { None };
        if aggregate.is_none() && function.is_none() {
            let message = match suggestion(&name) {
                Some(near) => format!("there is no function `{name}`; did you mean `{near}`?"),
                None => format!("there is no function `{name}`"),
            };
            self.problem(name_token.span, message);
        }
        let mut qualifiers = Qualifiers::default();
        self.qualifiers(&mut qualifiers)?;
        let (args, below) = self.arguments(aggregate == Some(AggregateKind::Count))?;
        let span = Span { start: name_token.span.start, end: self.last_end };
        let count = args.len();
        match (aggregate, function) {
            (Some(kind), _) => {
                let (min, max) = kind.arity();
                self.check_arity(span, kind.name(), count, min, max);
                let aggregate = Aggregate {
                    kind,
                    distinct: qualifiers.distinct,
                    total: qualifiers.total,
                    set: qualifiers.set,
                    args,
                };
                self.node(span, ExprKind::Aggregate(Box::new(aggregate)), below)
            }
            (None, Some(function)) => {
                let info = function.info();
                self.check_arity(span, info.name, count, info.min_args, info.max_args);
                if qualifiers.distinct || qualifiers.set.is_some() {
                    self.problem(
                        span,
                        format!(
                            "`{}` does not aggregate: it takes no set and no `distinct`",
                            info.name
                        ),
                    );
                }
                let call = Call { function, total: qualifiers.total.is_some(), args };
                self.node(span, ExprKind::Call(Box::new(call)), below)
            }
            // The problem is noted; a null keeps the rest of the tree in place, for further problems.
            (None, None) => self.node(span, ExprKind::Literal(Value::Null), below),
        }
    }

    fn check_arity(&mut self, span: Span, name: &str, count: usize, min: u8, max: u8) {
        let (min, max) = (min as usize, if max == MANY { usize::MAX } else { max as usize });
        if (min..=max).contains(&count) {
            return;
        }
        let wanted = if min == max {
            format!("{min}")
        } else if max == usize::MAX {
            format!("at least {min}")
        } else {
            format!("{min} to {max}")
        };
        let noun = if wanted == "1" || wanted == "at least 1" { "argument" } else { "arguments" };
        self.problem(span, format!("`{name}` takes {wanted} {noun}, not {count}"));
    }

    /// `{set}`, `distinct`, `total <…>` in any order.
    fn qualifiers(&mut self, qualifiers: &mut Qualifiers) -> Option<()> {
        loop {
            if self.at_symbol(Symbol::LeftBrace) {
                let set = self.set_in_braces()?;
                if qualifiers.set.replace(set).is_some() {
                    self.problem(self.token.span, "one aggregation takes one set");
                }
            } else if (self.at_word("distinct") || self.at_word("nodistinct")) && self.qualifies() {
                qualifiers.distinct = self.at_word("distinct");
                qualifiers.nodistinct = self.at_word("nodistinct");
                self.advance();
            } else if self.at_word("all") && self.qualifies() {
                self.advance();
                qualifiers.set = Some(SetExpr::Source(SetSource::Full));
                qualifiers.total = Some(Vec::new());
            } else if self.at_word("total")
                && (self.qualifies() || self.peek().kind == TokenKind::Symbol(Symbol::RightParen))
            {
                self.advance();
                qualifiers.total = Some(if self.at_symbol(Symbol::Less) {
                    self.total_fields()?
                } else {
                    Vec::new()
                });
            } else {
                return Some(());
            }
        }
    }

    /// Whether the word at hand qualifies what follows, rather than being a field called `total`.
    fn qualifies(&self) -> bool {
        match self.peek().kind {
            TokenKind::Symbol(symbol) => matches!(
                symbol,
                Symbol::LeftParen
                    | Symbol::LeftBrace
                    | Symbol::Less
                    | Symbol::Minus
                    | Symbol::Star
                    | Symbol::Dollar
            ),
            TokenKind::Name(name) => {
                !["and", "or", "xor", "like"].iter().any(|word| name.eq_ignore_ascii_case(word))
            }
            TokenKind::End | TokenKind::Stray(_) | TokenKind::Unclosed(_) => false,
            _ => true,
        }
    }

    fn total_fields(&mut self) -> Option<Vec<Arc<str>>> {
        self.advance();
        let mut fields = vec![self.field_name()?];
        while self.take_symbol(Symbol::Comma) {
            fields.push(self.field_name()?);
        }
        self.expect_symbol(Symbol::Greater, "`>`")?;
        Some(fields)
    }

    fn field_name(&mut self) -> Option<Arc<str>> {
        let name = match &self.token.kind {
            TokenKind::Name(name) | TokenKind::Bracketed(name) | TokenKind::Quoted(name) => {
                name.clone()
            }
            _ => return self.expected("a field"),
        };
        self.advance();
        Some(name)
    }

    /// Arguments up to and with the closing parenthesis, and the height of the highest.
    fn arguments(&mut self, star_counts: bool) -> Option<(Vec<Expr>, u32)> {
        let mut args = Vec::new();
        let mut below = 0;
        if self.take_symbol(Symbol::RightParen) {
            return Some((args, below));
        }
        if star_counts
            && self.at_symbol(Symbol::Star)
            && self.peek().kind == TokenKind::Symbol(Symbol::RightParen)
        {
            self.advance();
            self.advance();
            return Some((args, below));
        }
        loop {
            let node = self.operators(0)?;
            below = below.max(node.height);
            args.push(node.expr);
            if !self.take_symbol(Symbol::Comma) {
                break;
            }
        }
        self.expect_symbol(Symbol::RightParen, "`,` or `)`")?;
        Some((args, below))
    }

    fn aggr(&mut self, start: Span) -> Option<Node> {
        let mut qualifiers = Qualifiers::default();
        self.qualifiers(&mut qualifiers)?;
        let value = self.operators(0)?;
        let mut dimensions = Vec::new();
        while self.take_symbol(Symbol::Comma) {
            dimensions.push(self.aggr_dimension()?);
        }
        self.expect_symbol(Symbol::RightParen, "`,` or `)`")?;
        let span = Span { start: start.start, end: self.last_end };
        if dimensions.is_empty() {
            self.problem(span, "`Aggr` needs at least one dimension after its expression");
        }
        let aggr = Aggr {
            distinct: !qualifiers.nodistinct,
            set: qualifiers.set,
            value: value.expr,
            dimensions,
        };
        self.node(span, ExprKind::Aggr(Box::new(aggr)), value.height)
    }

    fn aggr_dimension(&mut self) -> Option<AggrDimension> {
        if !self.take_symbol(Symbol::LeftParen) {
            self.take_symbol(Symbol::Equal);
            return Some(AggrDimension { field: self.field_name()?, sort: Vec::new() });
        }
        let field = self.field_name()?;
        let mut sort = Vec::new();
        while self.take_symbol(Symbol::Comma) {
            let grouped = self.take_symbol(Symbol::LeftParen);
            loop {
                sort.push(self.aggr_sort()?);
                if !grouped || !self.take_symbol(Symbol::Comma) {
                    break;
                }
            }
            if grouped {
                self.expect_symbol(Symbol::RightParen, "`)`")?;
            }
        }
        self.expect_symbol(Symbol::RightParen, "`)`")?;
        Some(AggrDimension { field, sort })
    }

    fn aggr_sort(&mut self) -> Option<AggrSort> {
        let TokenKind::Name(name) = &self.token.kind else { return self.expected("a sort order") };
        let sort = match name.to_ascii_lowercase().as_str() {
            "numeric" => AggrSort::Numeric,
            "text" => AggrSort::Text,
            "load" => AggrSort::LoadOrder,
            "frequency" | "freq" => AggrSort::Frequency,
            "ascending" | "asc" => AggrSort::Ascending,
            "descending" | "desc" | "reverse" => AggrSort::Descending,
            _ => {
                return self.expected(
                    "a sort order: numeric, text, load, frequency, ascending or descending",
                );
            }
        };
        self.advance();
        Some(sort)
    }

    // Sets.

    fn set_in_braces(&mut self) -> Option<SetExpr> {
        self.advance();
        if self.take_symbol(Symbol::RightBrace) {
            return Some(SetExpr::Source(SetSource::Current));
        }
        let set = self.set_operators(0)?;
        self.expect_symbol(Symbol::RightBrace, "`}`")?;
        Some(set)
    }

    fn set_operator(&self) -> Option<(SetOp, u8)> {
        Some(match self.token.kind {
            TokenKind::Symbol(Symbol::Plus) => (SetOp::Union, 0),
            TokenKind::Symbol(Symbol::Minus) => (SetOp::Exclude, 0),
            TokenKind::Symbol(Symbol::Star) => (SetOp::Intersect, 1),
            TokenKind::Symbol(Symbol::Slash) => (SetOp::Symmetric, 0),
            _ => return None,
        })
    }

    fn set_operators(&mut self, minimum: u8) -> Option<SetExpr> {
        self.enter()?;
        let mut left = self.set_term()?;
        let mut links = 0;
        while let Some((op, power)) = self.set_operator() {
            if power < minimum {
                break;
            }
            links += 1;
            if links > MAX_NESTING {
                self.problem(
                    self.token.span,
                    format!("the set chains more than {MAX_NESTING} operations"),
                );
                return None;
            }
            self.advance();
            let right = self.set_operators(power + 1)?;
            left = SetExpr::Binary { op, left: Box::new(left), right: Box::new(right) };
        }
        self.leave();
        Some(left)
    }

    fn set_term(&mut self) -> Option<SetExpr> {
        if self.take_symbol(Symbol::Minus) {
            self.enter()?;
            let set = self.set_term()?;
            self.leave();
            return Some(SetExpr::Complement(Box::new(set)));
        }
        if self.take_symbol(Symbol::LeftParen) {
            let set = self.set_operators(0)?;
            self.expect_symbol(Symbol::RightParen, "`)`")?;
            return self.modified(set);
        }
        let source = match &self.token.kind {
            TokenKind::Symbol(Symbol::Dollar) => SetSource::Current,
            TokenKind::Number(1.0) => SetSource::Full,
            TokenKind::Symbol(Symbol::Less | Symbol::NotEqual) => {
                return self.modified(SetExpr::Source(SetSource::Current));
            }
            TokenKind::Name(name) => set_source(name),
            TokenKind::Bracketed(name) | TokenKind::Quoted(name) | TokenKind::Text(name) => {
                SetSource::Named(name.clone())
            }
            _ => return self.expected("a set: `$`, `1`, a state, a bookmark or `<field = …>`"),
        };
        self.advance();
        self.modified(SetExpr::Source(source))
    }

    fn modified(&mut self, mut base: SetExpr) -> Option<SetExpr> {
        let mut links = 0;
        loop {
            // `<>` is one token, and here an empty list of modifiers.
            if self.take_symbol(Symbol::NotEqual) {
                continue;
            }
            if !self.at_symbol(Symbol::Less) {
                return Some(base);
            }
            links += 1;
            if links > MAX_NESTING {
                return self.expected("fewer modifiers");
            }
            self.advance();
            let mut modifiers = vec![self.modifier()?];
            while self.take_symbol(Symbol::Comma) {
                modifiers.push(self.modifier()?);
            }
            self.expect_symbol(Symbol::Greater, "`,` or `>`")?;
            base = SetExpr::Modified { base: Box::new(base), modifiers };
        }
    }

    fn modifier(&mut self) -> Option<Modifier> {
        let start = self.token.span;
        let mut field = self.field_name()?;
        if self.take_symbol(Symbol::DoubleColon) {
            field = self.field_name()?;
        }
        let op = match self.token.kind {
            TokenKind::Symbol(Symbol::Plus) => Some(SetOp::Union),
            TokenKind::Symbol(Symbol::Minus) => Some(SetOp::Exclude),
            TokenKind::Symbol(Symbol::Star) => Some(SetOp::Intersect),
            TokenKind::Symbol(Symbol::Slash) => Some(SetOp::Symmetric),
            _ => None,
        };
        if op.is_some() {
            self.advance();
        }
        // A modifier without `=` takes the field's selection as it is, in every state.
        let ends = |parser: &Parser<'_>| {
            parser.at_symbol(Symbol::Comma) || parser.at_symbol(Symbol::Greater)
        };
        let elements = if op.is_none() && ends(self) {
            Some(ElementSet::Selected { state: None, field: field.clone() })
        } else {
            self.expect_symbol(Symbol::Equal, "`=`, `+=`, `-=`, `*=` or `/=`")?;
            if ends(self) { None } else { Some(self.element_operators(0)?) }
        };
        Some(Modifier {
            span: Span { start: start.start, end: self.last_end },
            field,
            op,
            elements,
        })
    }

    fn element_operators(&mut self, minimum: u8) -> Option<ElementSet> {
        self.enter()?;
        let mut left = self.element_term()?;
        let mut links = 0;
        while let Some((op, power)) = self.set_operator() {
            if power < minimum {
                break;
            }
            links += 1;
            if links > MAX_NESTING {
                return self.expected("fewer element sets");
            }
            self.advance();
            let right = self.element_operators(power + 1)?;
            left = ElementSet::Binary { op, left: Box::new(left), right: Box::new(right) };
        }
        self.leave();
        Some(left)
    }

    fn element_term(&mut self) -> Option<ElementSet> {
        if self.at_symbol(Symbol::LeftBrace) {
            return self.element_list().map(ElementSet::List);
        }
        if self.take_symbol(Symbol::LeftParen) {
            let set = self.element_operators(0)?;
            self.expect_symbol(Symbol::RightParen, "`)`")?;
            return Some(set);
        }
        let is_call = self.peek().kind == TokenKind::Symbol(Symbol::LeftParen);
        if is_call && (self.at_word("p") || self.at_word("e")) {
            let possible = self.at_word("p");
            self.advance();
            self.advance();
            let set = if self.at_symbol(Symbol::LeftBrace) {
                Some(Box::new(self.set_in_braces()?))
            } else {
                None
            };
            let field =
                if self.at_symbol(Symbol::RightParen) { None } else { Some(self.field_name()?) };
            self.expect_symbol(Symbol::RightParen, "`)`")?;
            return Some(if possible {
                ElementSet::Possible { set, field }
            } else {
                ElementSet::Excluded { set, field }
            });
        }
        let mut field = match self.token.kind {
            TokenKind::Symbol(Symbol::Dollar) => {
                self.advance();
                Arc::from("$")
            }
            TokenKind::Name(_) | TokenKind::Bracketed(_) | TokenKind::Quoted(_) => {
                self.field_name()?
            }
            _ => return self.expected("`{…}`, `P(…)`, `E(…)` or a field"),
        };
        let mut state = None;
        if self.take_symbol(Symbol::DoubleColon) {
            state = Some(field);
            field = self.field_name()?;
        }
        Some(ElementSet::Selected { state, field })
    }

    fn element_list(&mut self) -> Option<Vec<Element>> {
        self.advance();
        let mut elements = Vec::new();
        if self.take_symbol(Symbol::RightBrace) {
            return Some(elements);
        }
        loop {
            // An expansion that yields nothing leaves a gap, as in `{2013, }`.
            if !self.at_symbol(Symbol::Comma) && !self.at_symbol(Symbol::RightBrace) {
                elements.push(self.element()?);
            }
            if !self.take_symbol(Symbol::Comma) {
                break;
            }
        }
        self.expect_symbol(Symbol::RightBrace, "`,` or `}`")?;
        Some(elements)
    }

    fn element(&mut self) -> Option<Element> {
        let element = match &self.token.kind {
            TokenKind::Text(text) => Element::Value(Value::interpret(text)),
            TokenKind::Quoted(text) | TokenKind::Bracketed(text) => {
                Element::Search(Search::parse(text))
            }
            TokenKind::Symbol(Symbol::Equal) => {
                self.advance();
                return self.operators(0).map(|node| Element::Expression(node.expr));
            }
            TokenKind::Symbol(Symbol::LeftParen) => {
                self.advance();
                self.take_symbol(Symbol::Equal);
                let node = self.operators(0)?;
                self.expect_symbol(Symbol::RightParen, "`)`")?;
                return Some(Element::Expression(node.expr));
            }
            TokenKind::Symbol(Symbol::Comma | Symbol::RightBrace)
            | TokenKind::End
            | TokenKind::Unclosed(_) => {
                return self.expected("a value");
            }
            _ => return self.bare_element(),
        };
        self.advance();
        Some(element)
    }

    /// Anything up to the next comma or brace: `2013`, `-5`, `2013-05-01`, `New York`, `A*`, `>=3`.
    fn bare_element(&mut self) -> Option<Element> {
        let start = self.token.span;
        loop {
            match self.token.kind {
                TokenKind::Symbol(Symbol::Comma | Symbol::RightBrace) => break,
                TokenKind::End | TokenKind::Unclosed(_) => return self.expected("`,` or `}`"),
                _ => {
                    self.advance();
                }
            }
        }
        let text = self.lexer.slice(Span { start: start.start, end: self.last_end }).trim();
        let searches = text.contains(['*', '?']) || text.starts_with(['<', '>']);
        Some(if searches {
            Element::Search(Search::parse(text))
        } else {
            Element::Value(Value::interpret(text))
        })
    }
}

const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const UNARY: u8 = 9;

#[derive(Default)]
struct Qualifiers {
    distinct: bool,
    nodistinct: bool,
    total: Option<Vec<Arc<str>>>,
    set: Option<SetExpr>,
}

fn field(name: &Arc<str>) -> ExprKind {
    ExprKind::Field(FieldRef { name: name.clone(), slot: None })
}

/// `$`, `$1`, `$_1` and names; the lexer reads all of them as names.
fn set_source(name: &Arc<str>) -> SetSource {
    if let Some(steps) = name.strip_prefix("$_").and_then(|steps| steps.parse().ok()) {
        return SetSource::Forward(steps);
    }
    match name.strip_prefix('$').and_then(|steps| steps.parse().ok()) {
        Some(0) => SetSource::Current,
        Some(steps) => SetSource::Back(steps),
        None => SetSource::Named(name.clone()),
    }
}

fn describe(token: &Token) -> String {
    match &token.kind {
        TokenKind::Number(number) => format!("the number {number}"),
        TokenKind::Text(text) => format!("the text '{}'", shortened(text)),
        TokenKind::Name(name) => format!("`{}`", shortened(name)),
        TokenKind::Bracketed(name) => format!("[{}]", shortened(name)),
        TokenKind::Quoted(name) => format!("\"{}\"", shortened(name)),
        TokenKind::Symbol(symbol) => format!("`{}`", symbol.text()),
        TokenKind::Unclosed(quote) => format!("`{quote}` without its end"),
        TokenKind::Stray(character) => format!("`{character}`"),
        TokenKind::End => "the end".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(30) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
