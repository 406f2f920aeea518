//! Reads a condition, going on after a problem so that all of them are found at once.

use std::borrow::Cow;

use crate::problem::{Problem, ProblemCode, Span, arranged, closest};
use crate::property;
use crate::syntax::lexer::{self, Sign, Token};
use crate::syntax::tree::{
    Comparison, Expr, Function, Literal, Operand, Path, Root, Segment, between_double_quotes,
};
use crate::{KindSet, ResourceKind};

/// Deepest nesting of parentheses, lists and negations.
const DEEPEST: usize = 64;
const LONGEST: usize = 65_536;

/// The tree of a condition, none for an empty text, and everything wrong with it. Where a problem
/// is an error, the tree has a gap, and what stands around the gap can still be checked.
pub(crate) fn parse(text: &str) -> (Option<Expr>, Vec<Problem>) {
    if text.len() > LONGEST {
        let message = format!("a condition has at most {LONGEST} bytes, this one {}", text.len());
        let problem = Problem::new(Span::new(0, text.len()), ProblemCode::TooLong, message);
        return (None, vec![problem]);
    }
    let mut problems = Vec::new();
    let tokens = lexer::tokens(text, &mut problems);
    let mut parser = Parser { text, tokens, at: 0, depth: 0, is_given_up: false, problems };
    let tree = if parser.sign() == Sign::End { None } else { Some(parser.whole()) };
    let mut problems = parser.problems;
    // What is shown of a condition has every parenthesis, and must be readable again.
    if let Some(tree) = tree.as_ref().filter(|tree| tree.depth() > DEEPEST) {
        problems.push(too_deep(tree.span()));
    }
    (tree, arranged(problems))
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Too deep: the rest is not read, so nothing more is said about it.
    is_given_up: bool,
    problems: Vec<Problem>,
}

fn too_deep(span: Span) -> Problem {
    let message = format!("this is nested more than {DEEPEST} levels deep");
    Problem::new(span, ProblemCode::TooDeep, message)
}

/// What can follow a path: it names a value, or a function is called on it.
enum PathOrCall {
    Path(Path),
    Call(Expr),
    /// A path that begins with an unknown word, which was reported.
    Broken(Span),
}

/// A word where a comparison is expected.
struct Operator {
    comparison: Comparison,
    /// How many tokens it takes.
    length: usize,
    spelling: Spelling,
}

/// How somebody wrote a comparison.
#[derive(Clone, Copy)]
enum Spelling {
    Own,
    /// As another language writes it; this is what it means here.
    Foreign(&'static str),
    /// `not like`.
    Negated,
    /// `contains`, `startswith`, `endswith`: `like` with `*` before or after.
    Around(&'static str, &'static str),
}

impl Parser<'_> {
    fn whole(&mut self) -> Expr {
        let mut tree = self.any();
        while self.sign() != Sign::End {
            // Only a closing parenthesis ends an expression early.
            let span = self.advance().span;
            self.report(span, ProblemCode::Unexpected, "there is no opening parenthesis for this");
            if self.starts_condition() {
                let more = self.any();
                let span = tree.span().to(more.span());
                tree = Expr::All { parts: vec![tree, more], span };
            } else if self.connective().is_some() {
                self.advance();
                let more = self.any();
                let span = tree.span().to(more.span());
                tree = Expr::All { parts: vec![tree, more], span };
            }
        }
        tree
    }

    fn any(&mut self) -> Expr {
        let start = self.span();
        let mut parts = vec![self.all()];
        while self.connective() == Some(Sign::Or) {
            self.advance();
            parts.push(self.all());
        }
        let span = start.to(self.last_span());
        one_or(parts, |parts| Expr::Any { parts, span })
    }

    fn all(&mut self) -> Expr {
        let start = self.span();
        let mut parts = vec![self.not()];
        loop {
            match self.connective() {
                Some(Sign::And) => {
                    self.advance();
                }
                Some(_) => break,
                None if self.sign() == Sign::End || self.sign() == Sign::Close => break,
                None => {
                    self.report_missing_connective();
                    if !self.starts_condition() {
                        continue;
                    }
                }
            }
            parts.push(self.not());
        }
        let span = start.to(self.last_span());
        one_or(parts, |parts| Expr::All { parts, span })
    }

    fn not(&mut self) -> Expr {
        let start = self.span();
        if self.sign() != Sign::Not && !self.is_word("not") {
            return self.primary();
        }
        self.advance();
        let Some(inner) = self.nested(start, Parser::not) else {
            return Expr::Broken { span: start };
        };
        Expr::Not { inner: Box::new(inner), span: start.to(self.last_span()) }
    }

    fn primary(&mut self) -> Expr {
        let start = self.span();
        match self.sign() {
            Sign::Open => {
                if let Some(comparison) = self.try_parenthesised_operand() {
                    return comparison;
                }
                self.advance();
                let Some(inner) = self.nested(start, Parser::any) else {
                    return Expr::Broken { span: start };
                };
                if self.sign() == Sign::Close {
                    self.advance();
                } else {
                    let message = "this parenthesis is never closed";
                    self.report(start, ProblemCode::Missing, message);
                }
                inner
            }
            Sign::Word if self.connective().is_some() => self.missing_condition(start),
            Sign::Word if self.truth().is_some() => {
                if self.is_operator_at(1) {
                    return self.comparison_from_here(start);
                }
                let value = self.truth() == Some(true);
                self.advance();
                Expr::Constant { value, span: start }
            }
            Sign::Word | Sign::Custom => match self.path_or_call() {
                Some(PathOrCall::Call(call)) => self.after_call(call),
                Some(PathOrCall::Path(path)) => self.comparison(Operand::Path(path)),
                Some(PathOrCall::Broken(span)) => self.comparison(Operand::Broken { span }),
                None => self.skip_broken(start),
            },
            Sign::Text { .. } | Sign::Number | Sign::OpenList => self.comparison_from_here(start),
            Sign::And | Sign::Or | Sign::Close | Sign::End => self.missing_condition(start),
            Sign::Bad => self.skip_broken(start),
            Sign::Dot | Sign::Comma | Sign::CloseList | Sign::Operator(_) | Sign::Not => {
                let found = start.of(self.text).to_owned();
                let message = format!("a condition cannot begin with {found}");
                self.report(start, ProblemCode::Unexpected, message);
                self.skip_broken(start)
            }
        }
    }

    /// `( operand ) op …`: parentheses around a value, which the grammar of comparisons allows.
    fn try_parenthesised_operand(&mut self) -> Option<Expr> {
        let (at, found) = (self.at, self.problems.len());
        if let Some(operand) = self.operand()
            && self.operator().is_some()
        {
            return Some(self.comparison(operand));
        }
        self.at = at;
        self.problems.truncate(found);
        self.is_given_up = false;
        None
    }

    fn comparison_from_here(&mut self, start: Span) -> Expr {
        match self.operand() {
            Some(operand) => self.comparison(operand),
            None => self.skip_broken(start),
        }
    }

    fn comparison(&mut self, left: Operand) -> Expr {
        let Some(operator) = self.operator() else {
            return self.no_comparison(&left);
        };
        let mut operator_span = self.span();
        for _ in 0..operator.length {
            operator_span = operator_span.to(self.advance().span);
        }
        let right = self.operand();
        self.report_spelling(&left, &operator, operator_span, right.as_ref());
        match right {
            Some(right) => {
                let span = left.span().to(right.span());
                Expr::Compare { left, comparison: operator.comparison, right, span }
            }
            None => self.skip_broken(left.span()),
        }
    }

    /// The comparison that stands here.
    fn operator(&self) -> Option<Operator> {
        if let Sign::Operator(comparison) = self.sign() {
            return Some(Operator { comparison, length: 1, spelling: Spelling::Own });
        }
        let word = self.word(0)?;
        let next = self.word(1).unwrap_or_default();
        let own = |word: &str| match word {
            "like" => Some(Comparison::Like),
            "matches" => Some(Comparison::Matches),
            _ => None,
        };
        if let Some(comparison) = own(&word) {
            return Some(Operator { comparison, length: 1, spelling: Spelling::Own });
        }
        if word == "not" {
            let comparison = if next == "in" { Some(Comparison::Equal) } else { own(&next) }?;
            return Some(Operator { comparison, length: 2, spelling: Spelling::Negated });
        }
        let (comparison, length, spelling) = match word.as_str() {
            "is" if next == "not" => (Comparison::NotEqual, 2, Spelling::Foreign("!=")),
            "eq" | "is" | "equals" | "in" => (Comparison::Equal, 1, Spelling::Foreign("=")),
            "ne" => (Comparison::NotEqual, 1, Spelling::Foreign("!=")),
            "contains" => (Comparison::Like, 1, Spelling::Around("*", "*")),
            "startswith" => (Comparison::Like, 1, Spelling::Around("", "*")),
            "endswith" => (Comparison::Like, 1, Spelling::Around("*", "")),
            "match" | "regex" => (Comparison::Matches, 1, Spelling::Foreign("matches")),
            _ => match closest(&word, ["like", "matches"])? {
                "like" => (Comparison::Like, 1, Spelling::Foreign("like")),
                _ => (Comparison::Matches, 1, Spelling::Foreign("matches")),
            },
        };
        Some(Operator { comparison, length, spelling })
    }

    /// Says how an operator of another language is written here.
    fn report_spelling(
        &mut self,
        left: &Operand,
        operator: &Operator,
        operator_span: Span,
        right: Option<&Operand>,
    ) {
        let written = operator_span.of(self.text);
        let whole = right.map(|right| left.span().to(right.span()));
        let left = left.span().of(self.text);
        let message = format!("{written} is no operator of this language");
        let problem =
            |span: Span, message: String| Problem::new(span, ProblemCode::UnknownOperator, message);
        let problem = match operator.spelling {
            Spelling::Own => return,
            Spelling::Foreign(meant) => problem(operator_span, message).did_you_mean(Some(meant)),
            Spelling::Negated => {
                let symbol = operator.comparison.symbol();
                let message = format!("write !( … {symbol} … ) instead of {written}");
                match (whole, right) {
                    (Some(whole), Some(right)) => {
                        let right = right.span().of(self.text);
                        problem(whole, message).suggest(format!("!({left} {symbol} {right})"))
                    }
                    _ => problem(operator_span, message),
                }
            }
            Spelling::Around(before, after) => match (whole, right) {
                (Some(whole), Some(Operand::Literal(literal))) => {
                    let text = literal.as_pattern();
                    let pattern = format!("{left} like \"{before}{text}{after}\"");
                    problem(whole, message).did_you_mean(Some(&pattern))
                }
                _ => problem(operator_span, format!("{message}; use like with a pattern")),
            },
        };
        self.push(problem);
    }

    /// A value stands alone where a condition was expected.
    fn no_comparison(&mut self, left: &Operand) -> Expr {
        let span = left.span();
        let written = span.of(self.text).to_owned();
        let last = match left {
            Operand::Path(path) => path.segments.last(),
            _ => None,
        };
        if let Some(function) = last.and_then(|segment| Function::from_word(&segment.name)) {
            let name = function.name();
            let call = if function == Function::HasPrivilege { "(\"read\")" } else { "()" };
            let message = format!("{name} is a function; write {written}{call}");
            let problem = Problem::new(span, ProblemCode::Missing, message);
            self.push(problem.suggest(format!("{written}{call}")));
        } else if !matches!(left, Operand::Broken { .. }) {
            let message =
                format!("{written} needs something to compare with, as in {written} = \"…\"");
            self.report(span, ProblemCode::Missing, message);
        }
        self.skip_broken(span)
    }

    fn after_call(&mut self, call: Expr) -> Expr {
        let Sign::Operator(comparison) = self.sign() else {
            return call;
        };
        let operator = self.advance().span;
        let operand = self.operand();
        let span = operand.as_ref().map_or(operator, |operand| operator.to(operand.span()));
        let is_negated = match (comparison, &operand) {
            (Comparison::Equal | Comparison::ExactlyEqual, Some(Operand::Literal(literal))) => {
                match literal.cooked().to_ascii_lowercase().as_str() {
                    "true" => Some(false),
                    "false" => Some(true),
                    _ => None,
                }
            }
            _ => None,
        };
        let message = "a function is a condition by itself: write it alone, or with ! before it";
        let whole = call.span().to(span);
        let written = call.span().of(self.text);
        let problem = Problem::new(whole, ProblemCode::Unexpected, message);
        self.push(match is_negated {
            Some(true) => problem.suggest(format!("!{written}")),
            Some(false) => problem.suggest(written),
            None => problem,
        });
        call
    }

    fn operand(&mut self) -> Option<Operand> {
        let start = self.span();
        match self.sign() {
            Sign::Text { inner } => {
                self.advance();
                Some(Operand::Literal(self.literal(inner, start)))
            }
            Sign::Number => {
                self.advance();
                let raw = start.of(self.text).into();
                Some(Operand::Literal(Literal { raw, span: start }))
            }
            Sign::Word if self.truth().is_some() => {
                let raw = if self.truth() == Some(true) { "true" } else { "false" };
                self.advance();
                Some(Operand::Literal(Literal { raw: raw.into(), span: start }))
            }
            Sign::Word if self.connective().is_none() => self.path_operand(start),
            Sign::Custom => self.path_operand(start),
            Sign::OpenList => self.list(start),
            Sign::Open => {
                self.advance();
                let operand = self.nested(start, Parser::operand)??;
                if self.sign() == Sign::Comma {
                    return self.list_in_parentheses(start, operand);
                }
                if self.sign() != Sign::Close {
                    let message = "this parenthesis is never closed";
                    self.report(start, ProblemCode::Missing, message);
                    return None;
                }
                self.advance();
                Some(operand)
            }
            Sign::Bad => None,
            _ => {
                let message = if self.sign() == Sign::End {
                    "a value is missing at the end".to_owned()
                } else {
                    format!("a value was expected, not {}", start.of(self.text))
                };
                self.report(start, ProblemCode::Missing, message);
                None
            }
        }
    }

    fn literal(&self, inner: Span, span: Span) -> Literal {
        let content = inner.of(self.text);
        let raw = match span.of(self.text).starts_with('"') {
            true => Cow::Borrowed(content),
            false => Cow::Owned(between_double_quotes(content)),
        };
        Literal { raw: raw.into(), span }
    }

    fn path_operand(&mut self, start: Span) -> Option<Operand> {
        match self.path_or_call()? {
            PathOrCall::Path(path) => Some(Operand::Path(path)),
            PathOrCall::Broken(span) => Some(Operand::Broken { span }),
            PathOrCall::Call(call) => {
                let message = "a function is a condition by itself and cannot be compared";
                self.report(start.to(call.span()), ProblemCode::Unexpected, message);
                None
            }
        }
    }

    fn list(&mut self, start: Span) -> Option<Operand> {
        self.advance();
        let mut items = Vec::new();
        loop {
            if self.sign() == Sign::CloseList {
                let span = start.to(self.advance().span);
                if items.is_empty() {
                    self.report(span, ProblemCode::Missing, "a list needs at least one value");
                }
                return Some(Operand::List { items, span });
            }
            items.push(self.nested(start, Parser::operand)??);
            match self.sign() {
                Sign::Comma if self.token(1).sign == Sign::CloseList => {
                    let span = self.advance().span;
                    self.report(span, ProblemCode::Unexpected, "nothing follows this comma");
                }
                Sign::Comma => {
                    self.advance();
                }
                Sign::CloseList => {}
                Sign::End => {
                    let message = "this list is never closed with }";
                    self.report(start, ProblemCode::Missing, message);
                    return None;
                }
                _ => {
                    let here = self.span();
                    let message =
                        format!("a comma or }} was expected before {}", here.of(self.text));
                    self.report(here, ProblemCode::Missing, message);
                    return None;
                }
            }
        }
    }

    /// `("a", "b")`, as other languages write a list; the first comma is next.
    fn list_in_parentheses(&mut self, start: Span, first: Operand) -> Option<Operand> {
        let mut items = vec![first];
        while self.sign() == Sign::Comma {
            self.advance();
            items.push(self.nested(start, Parser::operand)??);
        }
        if self.sign() != Sign::Close {
            let message = "this parenthesis is never closed";
            self.report(start, ProblemCode::Missing, message);
            return None;
        }
        let span = start.to(self.advance().span);
        let inside = Span::new(span.start + 1, span.end - 1).of(self.text);
        let message = "the members of a list stand between { and }";
        let problem = Problem::new(span, ProblemCode::Unexpected, message);
        self.push(problem.suggest(format!("{{{inside}}}")));
        Some(Operand::List { items, span })
    }

    /// Reads `root.segment.segment` and, if it ends so, `.function(…)`.
    fn path_or_call(&mut self) -> Option<PathOrCall> {
        let start = self.span();
        if self.token(1).sign == Sign::Open {
            self.report_bare_function(start);
            return None;
        }
        let (mut path, is_known) = self.path_start();
        while self.sign() == Sign::Dot {
            self.advance();
            let here = self.span();
            if !matches!(self.sign(), Sign::Word | Sign::Custom) {
                if self.sign() != Sign::Bad {
                    let message = "the name of a property is missing after the dot";
                    self.report(here, ProblemCode::Missing, message);
                }
                return None;
            }
            let name: Box<str> = here.of(self.text).into();
            self.advance();
            if self.sign() == Sign::Open {
                let call = self.call(path, &name, here);
                let broken = || PathOrCall::Call(Expr::Broken { span: call.span() });
                return Some(if is_known { PathOrCall::Call(call) } else { broken() });
            }
            path.segments.push(Segment { name, span: here });
            path.span = start.to(here);
        }
        Some(if is_known { PathOrCall::Path(path) } else { PathOrCall::Broken(path.span) })
    }

    fn report_bare_function(&mut self, span: Span) {
        let word = span.of(self.text);
        let message = format!("{word}( … ) is called on nothing; say on what, before a dot");
        let mut problem = Problem::new(span, ProblemCode::Unexpected, message);
        // `Empty` is asked of a property, and which one nobody can tell.
        if let Some(function) = Function::from_word(word).filter(|&f| f != Function::Empty) {
            let root = if function == Function::IsAnonymous { Root::User } else { Root::Resource };
            problem = problem.suggest(format!("{}.{}", root.name(), function.name()));
        }
        self.push(problem);
    }

    /// The first word of a path, and whether anything is called so.
    fn path_start(&mut self) -> (Path, bool) {
        let token = self.advance();
        let span = token.span;
        let word = span.of(self.text).to_owned();
        if token.sign == Sign::Custom {
            let message = format!("{word} alone was read as resource.{word}");
            let problem = Problem::new(span, ProblemCode::ShortPath, message);
            self.push(problem.suggest(format!("resource.{word}")));
            let segments = vec![Segment { name: word.into(), span }];
            return (Path { root: Root::Resource, root_span: span, segments, span }, true);
        }
        let root = Root::from_word(&word);
        if root.is_none() {
            let message = format!("{word} is neither user, resource nor node");
            let root = || closest(&word, Root::NAMES).map(str::to_owned);
            let meant = whose(&word).or_else(root);
            let problem = Problem::new(span, ProblemCode::UnknownRoot, message);
            self.push(problem.did_you_mean(meant.as_deref()));
        }
        let path = Path {
            root: root.unwrap_or(Root::Resource),
            root_span: span,
            segments: Vec::new(),
            span,
        };
        (path, root.is_some())
    }

    /// The parenthesis of `path.name(` is next.
    fn call(&mut self, path: Path, name: &str, name_span: Span) -> Expr {
        self.advance();
        let mut argument = None;
        if let Sign::Text { inner } = self.sign() {
            let span = self.advance().span;
            argument = Some(self.literal(inner, span));
        }
        let end = self.span();
        if self.sign() != Sign::Close {
            let found = end.of(self.text);
            let message = format!("{name} takes one text at most, between double quotes");
            let mut problem = Problem::new(end, ProblemCode::BadArgument, message);
            if self.sign() == Sign::Word {
                problem = problem.suggest(format!("\"{found}\""));
            }
            self.push(problem);
            let broken = self.skip_broken(path.span);
            if self.sign() == Sign::Close {
                self.advance();
            }
            return broken;
        }
        self.advance();
        let Some(function) = Function::from_word(name) else {
            let known = closest(name, Function::ALL.into_iter().map(Function::name));
            let message = format!("{name} is no function of this language");
            let problem = Problem::new(name_span, ProblemCode::UnknownFunction, message);
            self.push(problem.did_you_mean(known));
            return Expr::Broken { span: path.span.to(end) };
        };
        let span = path.span.to(end);
        Expr::Call { path, function, function_span: name_span, argument, span }
    }

    fn missing_condition(&mut self, at: Span) -> Expr {
        let message = match self.sign() {
            Sign::End => "a condition is missing at the end".to_owned(),
            _ => format!("a condition is missing before {}", at.of(self.text)),
        };
        self.report(at, ProblemCode::Missing, message);
        Expr::Broken { span: at }
    }

    fn report_missing_connective(&mut self) {
        let here = self.span();
        let word = here.of(self.text).to_owned();
        // Only a lone word can be a connective misspelt: `usr.name` is none.
        let is_lone = self.sign() == Sign::Word && self.token(1).sign != Sign::Dot;
        let meant = if is_lone && self.truth().is_none() && !self.is_word("not") {
            closest(&word, ["and", "or"])
        } else {
            None
        };
        if let Some(meant) = meant {
            let message = format!("{word} means nothing here");
            let problem = Problem::new(here, ProblemCode::Unexpected, message);
            self.push(problem.did_you_mean(Some(meant)));
            self.advance();
            return;
        }
        if self.sign() != Sign::Bad {
            let message = format!("\"and\" or \"or\" is missing before {word}");
            self.report(here, ProblemCode::Missing, message);
        }
        if !self.starts_condition() {
            self.advance();
        }
    }

    /// Goes on to where the next condition may begin.
    fn skip_broken(&mut self, start: Span) -> Expr {
        let mut open = 0usize;
        let mut span = start;
        loop {
            match self.sign() {
                Sign::End => break,
                Sign::Close if open == 0 => break,
                Sign::Close => open -= 1,
                Sign::Open => open += 1,
                _ if open == 0 && self.connective().is_some() => break,
                _ => {}
            }
            span = span.to(self.advance().span);
        }
        Expr::Broken { span }
    }

    /// Runs one level deeper, or reports that it is too deep and ends the parse.
    fn nested<T>(&mut self, start: Span, inner: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth == DEEPEST {
            self.push(too_deep(start));
            self.at = self.tokens.len().saturating_sub(1);
            self.is_given_up = true;
            return None;
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        Some(result)
    }

    fn starts_condition(&self) -> bool {
        match self.sign() {
            Sign::Word => self.connective().is_none(),
            Sign::Custom
            | Sign::Text { .. }
            | Sign::Number
            | Sign::Open
            | Sign::OpenList
            | Sign::Not => true,
            _ => false,
        }
    }

    /// `and` or `or`, by word or sign, if it stands here.
    fn connective(&self) -> Option<Sign> {
        match self.sign() {
            sign @ (Sign::And | Sign::Or) => Some(sign),
            Sign::Word if self.is_word("and") => Some(Sign::And),
            Sign::Word if self.is_word("or") => Some(Sign::Or),
            _ => None,
        }
    }

    fn truth(&self) -> Option<bool> {
        if self.is_word("true") {
            Some(true)
        } else if self.is_word("false") {
            Some(false)
        } else {
            None
        }
    }

    fn is_operator_at(&self, ahead: usize) -> bool {
        matches!(self.token(ahead).sign, Sign::Operator(_))
            || matches!(self.word(ahead).as_deref(), Some("like" | "matches"))
    }

    /// The word so many tokens ahead, in lower case.
    fn word(&self, ahead: usize) -> Option<String> {
        let token = self.token(ahead);
        (token.sign == Sign::Word).then(|| token.span.of(self.text).to_ascii_lowercase())
    }

    fn is_word(&self, word: &str) -> bool {
        self.sign() == Sign::Word && self.span().of(self.text).eq_ignore_ascii_case(word)
    }

    fn report(&mut self, span: Span, code: ProblemCode, message: impl Into<String>) {
        self.push(Problem::new(span, code, message));
    }

    fn push(&mut self, problem: Problem) {
        if !self.is_given_up {
            self.problems.push(problem);
        }
    }

    fn sign(&self) -> Sign {
        self.token(0).sign
    }

    fn span(&self) -> Span {
        self.token(0).span
    }

    /// Where the token before this one stands.
    fn last_span(&self) -> Span {
        let last = self.at.checked_sub(1).and_then(|before| self.tokens.get(before));
        last.map_or_else(Span::default, |token| token.span)
    }

    fn token(&self, ahead: usize) -> Token {
        let end = Span::new(self.text.len(), self.text.len());
        self.tokens.get(self.at + ahead).copied().unwrap_or(Token { sign: Sign::End, span: end })
    }

    /// Takes the token that stands here; the end stays.
    fn advance(&mut self) -> Token {
        let token = self.token(0);
        if token.sign != Sign::End {
            self.at += 1;
        }
        token
    }
}

/// The path that somebody means who writes a property without saying whose.
fn whose(word: &str) -> Option<String> {
    let name = word.to_lowercase();
    let all = property::find(KindSet::ALL, &name);
    let found = |found| matches!(found, property::Found::Known(_));
    if ResourceKind::ALL.iter().any(|&kind| {
        kind != ResourceKind::User && found(property::find(KindSet::only(kind), &name))
    }) {
        return Some(format!("resource.{word}"));
    }
    if found(all) {
        return Some(format!("user.{word}"));
    }
    property::find_environment(&name).map(|_| format!("user.environment.{word}"))
}

/// The only part itself, or what joins several.
fn one_or(mut parts: Vec<Expr>, join: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            parts.extend(last);
            join(parts)
        }
    }
}
