//! Reads a condition, going on after a problem so that all of them are found at once.

use crate::problem::{Problem, ProblemCode, Span, closest};
use crate::syntax::lexer::{self, Sign, Token};
use crate::syntax::tree::{Comparison, Expr, Function, Literal, Operand, Path, Root, Segment};

/// Deepest nesting of parentheses, lists and negations.
const DEEPEST: usize = 64;
const LONGEST: usize = 65_536;
/// After so many problems, more would help nobody.
const MOST_PROBLEMS: usize = 50;

/// The tree of a condition, none for an empty text, and everything wrong with it. The tree is
/// whole only if no problem is an error.
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
    problems.sort_by_key(|problem| problem.span);
    problems.truncate(MOST_PROBLEMS);
    (tree, problems)
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

/// What can follow a path: it names a value, or a function is called on it.
enum PathOrCall {
    Path(Path),
    Call(Expr),
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
        if let Some(operand) = self.operand() {
            let read = self.problems.len();
            let is_comparison = self.peek_comparison().is_some();
            // Whatever looking ahead reported, reading the comparison reports again.
            self.problems.truncate(read);
            if is_comparison {
                return Some(self.comparison(operand));
            }
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
        let Some((comparison, length)) = self.peek_comparison() else {
            return self.no_comparison(&left);
        };
        for _ in 0..length {
            self.advance();
        }
        match self.operand() {
            Some(right) => {
                let span = left.span().to(right.span());
                Expr::Compare { left, comparison, right, span }
            }
            None => self.skip_broken(left.span()),
        }
    }

    /// The comparison that stands here and how many tokens it takes.
    fn peek_comparison(&mut self) -> Option<(Comparison, usize)> {
        let here = self.span();
        match self.sign() {
            Sign::Operator(comparison) => return Some((comparison, 1)),
            Sign::Word => {}
            _ => return None,
        }
        let word = here.of(self.text).to_ascii_lowercase();
        match word.as_str() {
            "like" => return Some((Comparison::Like, 1)),
            "matches" => return Some((Comparison::Matches, 1)),
            "not" => {
                let next = self.token(1);
                let next_word = next.span.of(self.text).to_ascii_lowercase();
                let comparison = match next_word.as_str() {
                    "like" => Comparison::Like,
                    "matches" => Comparison::Matches,
                    _ => return None,
                };
                let message = format!("write !( … {next_word} … ) instead of not {next_word}");
                self.report(here.to(next.span), ProblemCode::UnknownOperator, message);
                return Some((comparison, 2));
            }
            _ => {}
        }
        let (meant, comparison) = match word.as_str() {
            "eq" | "is" | "equals" | "in" => ("=", Comparison::Equal),
            "ne" => ("!=", Comparison::NotEqual),
            "contains" | "startswith" | "endswith" => ("like", Comparison::Like),
            "match" | "regex" => ("matches", Comparison::Matches),
            _ => match closest(&word, ["like", "matches"]) {
                Some("like") => ("like", Comparison::Like),
                Some(_) => ("matches", Comparison::Matches),
                None => return None,
            },
        };
        let message = format!("{} is no operator of this language", here.of(self.text));
        let problem = Problem::new(here, ProblemCode::UnknownOperator, message);
        self.push(problem.did_you_mean(Some(meant)));
        Some((comparison, 1))
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
        } else {
            let message = format!("{written} needs an operator and a value to compare with");
            let problem = Problem::new(span, ProblemCode::Missing, message);
            self.push(problem.suggest(format!("{written} = \"…\"")));
        }
        self.skip_broken(span)
    }

    fn after_call(&mut self, call: Expr) -> Expr {
        let Sign::Operator(_) = self.sign() else {
            return call;
        };
        let operator = self.advance().span;
        let span = match self.operand() {
            Some(operand) => operator.to(operand.span()),
            None => operator,
        };
        let message = "a function is a condition by itself: write it alone, or with ! before it";
        self.report(span, ProblemCode::Unexpected, message);
        call
    }

    fn operand(&mut self) -> Option<Operand> {
        let start = self.span();
        match self.sign() {
            Sign::Text { inner } => {
                self.advance();
                let raw = inner.of(self.text).into();
                Some(Operand::Literal(Literal { raw, span: start }))
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

    fn path_operand(&mut self, start: Span) -> Option<Operand> {
        match self.path_or_call()? {
            PathOrCall::Path(path) => Some(Operand::Path(path)),
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

    /// Reads `root.segment.segment` and, if it ends so, `.function(…)`.
    fn path_or_call(&mut self) -> Option<PathOrCall> {
        let start = self.span();
        if self.token(1).sign == Sign::Open {
            self.report_bare_function(start);
            return None;
        }
        let mut path = self.path_start()?;
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
                return self.call(path, &name, here);
            }
            path.segments.push(Segment { name, span: here });
            path.span = start.to(here);
        }
        Some(PathOrCall::Path(path))
    }

    fn report_bare_function(&mut self, span: Span) {
        let word = span.of(self.text);
        let message = format!("{word}( … ) is called on nothing; say on what, before a dot");
        let mut problem = Problem::new(span, ProblemCode::Unexpected, message);
        if let Some(function) = Function::from_word(word) {
            let root = if function == Function::IsAnonymous { Root::User } else { Root::Resource };
            problem = problem.suggest(format!("{}.{}", root.name(), function.name()));
        }
        self.push(problem);
    }

    fn path_start(&mut self) -> Option<Path> {
        let token = self.advance();
        let span = token.span;
        let word = span.of(self.text).to_owned();
        if token.sign == Sign::Custom {
            let message = format!("{word} alone was read as resource.{word}");
            let problem = Problem::new(span, ProblemCode::ShortPath, message);
            self.push(problem.suggest(format!("resource.{word}")));
            let segments = vec![Segment { name: word.into(), span }];
            return Some(Path { root: Root::Resource, root_span: span, segments, span });
        }
        let root = Root::from_word(&word).unwrap_or_else(|| {
            let message = format!("{word} is neither user, resource nor node");
            let property = format!("resource.{word}");
            let candidate = closest(&word, Root::NAMES).unwrap_or(property.as_str());
            let problem = Problem::new(span, ProblemCode::UnknownRoot, message);
            self.push(problem.did_you_mean(Some(candidate)));
            Root::Resource
        });
        Some(Path { root, root_span: span, segments: Vec::new(), span })
    }

    /// The parenthesis of `path.name(` is next.
    fn call(&mut self, path: Path, name: &str, name_span: Span) -> Option<PathOrCall> {
        self.advance();
        let mut argument = None;
        if let Sign::Text { inner } = self.sign() {
            let span = self.advance().span;
            argument = Some(Literal { raw: inner.of(self.text).into(), span });
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
            return Some(PathOrCall::Call(broken));
        }
        self.advance();
        let Some(function) = Function::from_word(name) else {
            let known = closest(name, Function::ALL.into_iter().map(Function::name));
            let message = format!("{name} is no function of this language");
            let problem = Problem::new(name_span, ProblemCode::UnknownFunction, message);
            self.push(problem.did_you_mean(known));
            return Some(PathOrCall::Call(Expr::Broken { span: path.span.to(end) }));
        };
        let span = path.span.to(end);
        Some(PathOrCall::Call(Expr::Call {
            path,
            function,
            function_span: name_span,
            argument,
            span,
        }))
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
            let message = format!("this is nested more than {DEEPEST} levels deep");
            self.report(start, ProblemCode::TooDeep, message);
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
        let token = self.token(ahead);
        match token.sign {
            Sign::Operator(_) => true,
            Sign::Word => {
                let word = token.span.of(self.text);
                word.eq_ignore_ascii_case("like") || word.eq_ignore_ascii_case("matches")
            }
            _ => false,
        }
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
