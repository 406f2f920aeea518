//! Whether a parsed condition can mean something: every path, function and comparison.

use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::condition::Category;
use crate::problem::{Problem, ProblemCode, Span, arranged, closest};
use crate::program::{Clause, Node, Path, Root, Step, Term, Test};
use crate::property::{self, Found, ValueType};
use crate::syntax::{self, Comparison, Expr, Function, Literal, Operand};
use crate::text::{Glob, LONGEST_PATTERN, as_decimal, equal, fold_eq, lower_name};
use crate::{Action, KindSet, ResourceKind};

/// How much memory a compiled expression may take: the first step that is enough is what it counts
/// for, and the last is the most that one may take.
const PATTERN_MEMORY: [usize; 3] = [1 << 14, 1 << 16, 1 << 18];

/// Most memory that all expressions of a condition may take together.
const PATTERNS_MEMORY: usize = 1 << 21;

/// How deep the groups of an expression may be nested.
const DEEPEST: u32 = 50;

/// Most different expressions in a condition.
const MOST_PATTERNS: usize = 50;

/// How many pairs of members two lists may have that are compared with each other.
const MOST_PAIRS: usize = 100_000;

/// Checks a tree for rules of `category` about things of `kinds`. The problems may be warnings
/// only; the clause is whole if none is an error. Gaps that the parser left are passed over.
pub(crate) fn check(
    text: &str,
    tree: &Expr,
    category: Category,
    kinds: KindSet,
) -> (Clause, Vec<Problem>) {
    let patterns = Patterns::default();
    let mut checker = Checker { text, category, kinds, patterns, problems: Vec::new() };
    let clause = checker.clause(tree);
    (clause, arranged(checker.problems))
}

struct Checker<'t> {
    text: &'t str,
    category: Category,
    kinds: KindSet,
    patterns: Patterns,
    problems: Vec<Problem>,
}

/// The expressions of a condition. Each is compiled once, however often it is written.
#[derive(Default)]
struct Patterns {
    /// By what is written; why it is refused otherwise.
    known: HashMap<String, Result<Arc<Regex>, String>>,
    /// What they count for together.
    memory: usize,
    /// That there are too many was told, and no further ones are compiled.
    is_full: bool,
}

/// What is known of a term before any value is seen.
struct Typed {
    term: Term,
    span: Span,
    value: TermType,
    is_many: bool,
    /// Of which types the thing may be that the value is read from.
    of: KindSet,
}

enum TermType {
    Literal(String),
    Of(ValueType),
    /// A problem was reported already.
    Unknown,
}

/// A path whose every step is known.
struct Resolved {
    path: Path,
    value: ValueType,
    is_many: bool,
    /// Of which types the thing may be that the last step reads.
    of: KindSet,
}

impl Patterns {
    fn compile(&mut self, raw: &str) -> Result<Regex, String> {
        // Curly quotes may be escaped in a text, but not in an expression.
        let mut source = raw.to_owned();
        for quote in ['“', '”', '„', '‘', '’'] {
            source = source.replace(&format!("\\{quote}"), quote.encode_utf8(&mut [0; 4]));
        }
        // Read alone first: between the anchors `a)|(b` would pass.
        read(&source)?;
        let mut anchored = format!("\\A(?:{source})\\z");
        if read(&anchored).is_err() {
            // The new line ends a comment of an expression with the flag `x`, which would swallow
            // the anchor.
            anchored = format!("\\A(?:{source}\n)\\z");
        }
        for step in PATTERN_MEMORY {
            if self.memory + step > PATTERNS_MEMORY {
                return Err("the regular expressions of this condition need too much memory \
                            together"
                    .to_owned());
            }
            match RegexBuilder::new(&anchored).size_limit(step).nest_limit(DEEPEST).build() {
                Ok(pattern) => {
                    self.memory += step;
                    return Ok(pattern);
                }
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(error) => return Err(no_expression(&error)),
            }
        }
        // Finding out took as long as if it had been accepted.
        self.memory += PATTERN_MEMORY.last().copied().unwrap_or_default();
        Err("this regular expression needs too much memory".to_owned())
    }
}

/// Whether it is a regular expression by its grammar.
fn read(source: &str) -> Result<(), String> {
    let mut parser = regex_syntax::ast::parse::ParserBuilder::new().nest_limit(DEEPEST).build();
    parser.parse(source).map(|_| ()).map_err(|error| no_expression(&error))
}

fn no_expression(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let reason = text.rsplit("error: ").next().unwrap_or_default().trim();
    format!("this is no regular expression: {reason}")
}

impl Checker<'_> {
    fn clause(&mut self, tree: &Expr) -> Clause {
        let node = match tree {
            Expr::Constant { value, .. } => Node::Constant(*value),
            Expr::Broken { .. } => Node::Constant(false),
            Expr::All { parts, .. } => Node::All(self.clauses(parts)),
            Expr::Any { parts, .. } => {
                self.warn_always_true(parts);
                Node::Any(self.clauses(parts))
            }
            Expr::Not { inner, .. } => Node::Not(Box::new(self.clause(inner))),
            Expr::Compare { left, comparison, right, span } => {
                self.comparison(left, *comparison, right, *span)
            }
            Expr::Call { path, function, function_span, argument, span } => {
                match self.call(path, *function, *function_span, argument.as_ref(), *span) {
                    Some(test) => Node::Test(test),
                    None => Node::Constant(false),
                }
            }
        };
        Clause { span: tree.span(), node }
    }

    fn clauses(&mut self, parts: &[Expr]) -> Vec<Clause> {
        parts.iter().map(|part| self.clause(part)).collect()
    }

    fn comparison(
        &mut self,
        left: &Operand,
        comparison: Comparison,
        right: &Operand,
        span: Span,
    ) -> Node {
        let is_pattern = matches!(comparison, Comparison::Like | Comparison::Matches);
        let left_terms = self.terms(left, None);
        let right_terms = self.terms(right, is_pattern.then_some(comparison));
        if left_terms.len().saturating_mul(right_terms.len()) > MOST_PAIRS {
            let message = "these two lists are too long to be compared with each other";
            self.report(span, ProblemCode::TooLong, message);
            return Node::Constant(false);
        }
        for left in &left_terms {
            for right in &right_terms {
                self.check_pair(left, comparison, right);
            }
        }
        self.warn_many_not_equal(left, &left_terms, comparison, right, &right_terms, span);
        let plain = |terms: Vec<Typed>| terms.into_iter().map(|typed| typed.term).collect();
        Node::Test(Test::Compare { left: plain(left_terms), comparison, right: plain(right_terms) })
    }

    /// The members of one side; `pattern` is set on the right of `like` and `matches`.
    fn terms(&mut self, operand: &Operand, pattern: Option<Comparison>) -> Vec<Typed> {
        let mut terms = Vec::new();
        self.collect_terms(operand, pattern, &mut terms);
        terms
    }

    fn collect_terms(
        &mut self,
        operand: &Operand,
        pattern: Option<Comparison>,
        terms: &mut Vec<Typed>,
    ) {
        match operand {
            Operand::List { items, .. } => {
                for item in items {
                    self.collect_terms(item, pattern, terms);
                }
            }
            Operand::Broken { .. } => {}
            Operand::Literal(literal) => terms.push(self.literal_term(literal, pattern)),
            Operand::Path(path) => {
                if pattern == Some(Comparison::Matches) {
                    let message = "the right side of matches must be a text: it is compiled when \
                                   the rule is saved";
                    self.report(path.span, ProblemCode::BadPattern, message);
                    return;
                }
                let Some(resolved) = self.path(path) else {
                    return;
                };
                let (term, is_many) = (Term::Path(resolved.path), resolved.is_many);
                let value = TermType::Of(resolved.value);
                let of = resolved.of;
                terms.push(Typed { term, span: path.span, value, is_many, of });
            }
        }
    }

    fn literal_term(&mut self, literal: &Literal, pattern: Option<Comparison>) -> Typed {
        let span = literal.span;
        let cooked = literal.cooked();
        let (term, value) = match pattern {
            Some(Comparison::Matches) => match self.pattern(&literal.raw, span) {
                Some(pattern) => (Term::Pattern(pattern), TermType::Literal(cooked)),
                None => (Term::Text("".into()), TermType::Unknown),
            },
            Some(_) if literal.raw.len() > LONGEST_PATTERN => {
                let message = format!("a pattern has at most {LONGEST_PATTERN} bytes");
                self.report(span, ProblemCode::BadPattern, message);
                (Term::Text("".into()), TermType::Unknown)
            }
            Some(_) => (Term::Glob(Glob::new(&literal.raw)), TermType::Literal(cooked)),
            None => (Term::Text(cooked.as_str().into()), TermType::Literal(cooked)),
        };
        if pattern != Some(Comparison::Matches) && literal.has_unknown_escape() {
            let message =
                "a backslash that escapes nothing stands for itself; write \\\\ to say so";
            let problem = Problem::new(span, ProblemCode::UnknownEscape, message);
            self.problems.push(problem.suggest(format!("\"{}\"", literal.with_clear_escapes())));
        }
        Typed { term, span, value, is_many: false, of: KindSet::NONE }
    }

    fn pattern(&mut self, raw: &str, span: Span) -> Option<Arc<Regex>> {
        if raw.len() > LONGEST_PATTERN {
            let message = format!("a regular expression has at most {LONGEST_PATTERN} bytes");
            self.report(span, ProblemCode::BadPattern, message);
            return None;
        }
        let compiled = match self.patterns.known.get(raw) {
            Some(known) => known.clone(),
            None if self.patterns.is_full => return None,
            None if self.patterns.known.len() >= MOST_PATTERNS => {
                self.patterns.is_full = true;
                let message = format!(
                    "a condition has at most {MOST_PATTERNS} different regular expressions; join \
                     some of them with |, or compare with a list of texts"
                );
                self.report(span, ProblemCode::TooManyPatterns, message);
                return None;
            }
            None => {
                let compiled = self.patterns.compile(raw).map(Arc::new);
                self.patterns.known.insert(raw.to_owned(), compiled.clone());
                compiled
            }
        };
        compiled.map_err(|message| self.report(span, ProblemCode::BadPattern, message)).ok()
    }

    fn check_pair(&mut self, left: &Typed, comparison: Comparison, right: &Typed) {
        let is_pattern = matches!(comparison, Comparison::Like | Comparison::Matches);
        match (&left.value, &right.value) {
            (TermType::Unknown, _) | (_, TermType::Unknown) => {}
            (TermType::Literal(_), TermType::Literal(_)) => {}
            (TermType::Of(ValueType::Entity(one)), TermType::Of(ValueType::Entity(other)))
                if !is_pattern =>
            {
                if one.intersection(*other).is_empty() {
                    let message = "these are things of different types and never the same";
                    self.report(
                        left.span.to(right.span),
                        ProblemCode::ImpossibleComparison,
                        message,
                    );
                }
            }
            (TermType::Of(ValueType::Entity(one)), TermType::Of(ValueType::Entity(other))) => {
                self.report_entity(left.span, *one);
                self.report_entity(right.span, *other);
            }
            (TermType::Of(ValueType::Entity(kinds)), _) => self.report_entity(left.span, *kinds),
            (_, TermType::Of(ValueType::Entity(kinds))) => self.report_entity(right.span, *kinds),
            _ if is_pattern => {}
            (TermType::Of(value), TermType::Literal(text)) => {
                self.check_literal(*value, left.of, comparison, text, right.span);
            }
            (TermType::Literal(text), TermType::Of(value)) => {
                self.check_literal(*value, right.of, comparison, text, left.span);
            }
            (TermType::Of(one), TermType::Of(other)) => {
                let is_free = |value: ValueType| value == ValueType::Text;
                if one != other && !is_free(*one) && !is_free(*other) {
                    let message = "these two can never be equal";
                    let span = left.span.to(right.span);
                    self.report(span, ProblemCode::ImpossibleComparison, message);
                }
            }
        }
    }

    fn report_entity(&mut self, span: Span, kinds: KindSet) {
        let written = span.of(self.text).to_owned();
        let is_person = kinds == KindSet::only(ResourceKind::User);
        let property = if is_person { "userId" } else { "name" };
        let message = format!("{written} is a thing, not a text; compare one of its properties");
        let problem = Problem::new(span, ProblemCode::ImpossibleComparison, message);
        self.problems.push(problem.suggest(format!("{written}.{property}")));
    }

    /// Whether a value of this type, read from a thing of one of `kinds`, can ever equal the text.
    fn check_literal(
        &mut self,
        value: ValueType,
        kinds: KindSet,
        comparison: Comparison,
        text: &str,
        span: Span,
    ) {
        let is_exact = matches!(comparison, Comparison::ExactlyEqual | Comparison::ExactlyNotEqual);
        let quoted = |text: &str| format!("\"{text}\"");
        let impossible =
            |message: String| Problem::new(span, ProblemCode::ImpossibleComparison, message);
        let is_among =
            |known: &[&str]| known.iter().any(|k| *k == text || !is_exact && fold_eq(k, text));
        let problem = match value {
            ValueType::Truth if !is_among(&["true", "false"]) => {
                let likely = match text.to_lowercase().as_str() {
                    "1" | "yes" | "on" | "true" => Some("\"true\""),
                    "0" | "no" | "off" | "false" => Some("\"false\""),
                    _ => None,
                };
                let message = "this property is \"true\" or \"false\"".to_owned();
                impossible(message).did_you_mean(likely)
            }
            ValueType::OneOf(known) if !is_among(known) => {
                let likely = closest(text, known.iter().copied()).map(quoted);
                let message = format!("this property is one of {}", known.join(", "));
                impossible(message).did_you_mean(likely.as_deref())
            }
            ValueType::Number if as_decimal(text).is_none() => {
                impossible("this property is a number".to_owned())
            }
            ValueType::Id => match uuid::Uuid::try_parse(text.trim()) {
                Ok(_) if text.len() == 36 && (!is_exact || text == text.to_lowercase()) => return,
                Ok(id) => {
                    let written = id.hyphenated().to_string();
                    let message = format!("an id is written {written}");
                    impossible(message).suggest(quoted(&written))
                }
                Err(_) => impossible(
                    "an id is a GUID such as aaec8d41-5201-43ab-809f-3063750dfafd".to_owned(),
                ),
            },
            ValueType::Kind => match text.parse::<ResourceKind>() {
                Ok(kind) if !is_among(&[kind.name()]) => {
                    let message = format!("the type is written {}", kind.name());
                    Problem::new(span, ProblemCode::UnknownType, message)
                        .suggest(quoted(kind.name()))
                }
                Ok(kind) if !kinds.contains(kind) => {
                    let message = match of_kinds(kinds).as_str() {
                        "" => format!("the rule's filter names no {kind}"),
                        of => format!("the rule's filter names no {kind}{of}"),
                    };
                    Problem::new(span, ProblemCode::TypeOutsideFilter, message)
                }
                Ok(_) => return,
                Err(error) => {
                    let message = format!("{text:?} is no resource type");
                    let meant = error.suggestion.map(quoted);
                    Problem::new(span, ProblemCode::UnknownType, message)
                        .did_you_mean(meant.as_deref())
                }
            },
            _ => return,
        };
        self.problems.push(problem);
    }

    fn warn_many_not_equal(
        &mut self,
        left: &Operand,
        left_terms: &[Typed],
        comparison: Comparison,
        right: &Operand,
        right_terms: &[Typed],
        span: Span,
    ) {
        let positive = match comparison {
            Comparison::NotEqual => "=",
            Comparison::ExactlyNotEqual => "==",
            _ => return,
        };
        let is_many = |terms: &[Typed]| terms.len() > 1 || terms.iter().any(|t| t.is_many);
        if !is_many(left_terms) && !is_many(right_terms) {
            return;
        }
        let symbol = comparison.symbol();
        let (left, right) = (left.span().of(self.text), right.span().of(self.text));
        let message = format!("{symbol} is true as soon as one of several values differs");
        let problem = Problem::new(span, ProblemCode::ManyNotEqual, message);
        self.problems.push(problem.suggest(format!("!({left} {positive} {right})")));
    }

    /// `x != "a" or x != "b"`.
    fn warn_always_true(&mut self, parts: &[Expr]) {
        struct Differs<'e> {
            index: usize,
            path: String,
            comparison: Comparison,
            literal: &'e Literal,
        }
        let differing: Vec<Differs<'_>> = parts
            .iter()
            .enumerate()
            .filter_map(|(index, part)| {
                let Expr::Compare { left, comparison, right, .. } = part else {
                    return None;
                };
                let is_negative =
                    matches!(comparison, Comparison::NotEqual | Comparison::ExactlyNotEqual);
                match (left, right) {
                    (Operand::Path(path), Operand::Literal(literal))
                    | (Operand::Literal(literal), Operand::Path(path))
                        if is_negative =>
                    {
                        let path = path.to_string().to_lowercase();
                        Some(Differs { index, path, comparison: *comparison, literal })
                    }
                    _ => None,
                }
            })
            .collect();
        let same = |one: &Differs<'_>, other: &Differs<'_>| {
            one.path == other.path && one.comparison == other.comparison
        };
        let values_differ = |one: &Differs<'_>, other: &Differs<'_>| {
            let (one_text, other_text) = (one.literal.cooked(), other.literal.cooked());
            match one.comparison {
                Comparison::NotEqual => !equal(&one_text, &other_text),
                _ => one_text != other_text,
            }
        };
        let first = differing.iter().enumerate().find(|(at, one)| {
            let mut later = differing.iter().skip(at + 1);
            later.any(|other| same(one, other) && values_differ(one, other))
        });
        let Some((_, first)) = first else {
            return;
        };
        let members: Vec<&Differs<'_>> =
            differing.iter().filter(|other| same(first, other)).collect();
        let indexes: Vec<usize> = members.iter().map(|member| member.index).collect();
        let (Some(&from), Some(&to)) = (indexes.first(), indexes.last()) else {
            return;
        };
        let within: Vec<&Expr> = parts.iter().skip(from).take(to + 1 - from).collect();
        let (Some(start), Some(end)) = (within.first(), within.last()) else {
            return;
        };
        // What stands between them stays, after the list that takes their place.
        let path = match start {
            Expr::Compare { left: Operand::Path(path), .. }
            | Expr::Compare { right: Operand::Path(path), .. } => path.span.of(self.text),
            _ => return,
        };
        let symbol = if first.comparison == Comparison::NotEqual { "=" } else { "==" };
        let values: Vec<String> = members.iter().map(|m| m.literal.to_string()).collect();
        let mut rewritten = format!("!({path} {symbol} {{{}}})", values.join(", "));
        for (index, part) in within.iter().enumerate() {
            if !indexes.contains(&(from + index)) {
                rewritten.push_str(&format!(" or {part}"));
            }
        }
        let message = "one of these always holds, unless there is no value; was and meant?";
        let span = start.span().to(end.span());
        let problem = Problem::new(span, ProblemCode::AlwaysTrue, message);
        self.problems.push(problem.suggest(rewritten));
    }

    fn call(
        &mut self,
        path: &syntax::Path,
        function: Function,
        function_span: Span,
        argument: Option<&Literal>,
        span: Span,
    ) -> Option<Test> {
        if let Some(argument) = argument.filter(|_| function != Function::HasPrivilege) {
            let message = format!("{} takes nothing between its parentheses", function.name());
            self.report(argument.span, ProblemCode::BadArgument, message);
            return None;
        }
        match function {
            Function::IsAnonymous => {
                if path.root == Root::User && path.segments.is_empty() {
                    return Some(Test::IsAnonymous);
                }
                let message = "IsAnonymous asks about the requester only";
                let problem = Problem::new(span, ProblemCode::UnknownFunction, message);
                self.problems.push(problem.suggest("user.IsAnonymous()"));
                None
            }
            Function::Empty => {
                let resolved = self.path(path)?;
                if path.segments.is_empty() {
                    let message =
                        format!("{path} itself is always there; ask about one of its properties");
                    self.report(path.span, ProblemCode::BadArgument, message);
                    return None;
                }
                Some(Test::Empty { path: resolved.path })
            }
            Function::IsOwned => {
                let (path, kinds) = self.related(path, "IsOwned")?;
                if let Found::Missing { .. } | Found::Attribute { .. } =
                    property::find(kinds, "owner")
                {
                    let message = "things of this type have no owner";
                    self.report(span, ProblemCode::UnknownFunction, message);
                    return None;
                }
                Some(Test::IsOwned { path })
            }
            Function::HasPrivilege => {
                if self.category == Category::Sync {
                    let message = "HasPrivilege works in security rules only";
                    self.report(function_span, ProblemCode::UnknownFunction, message);
                    return None;
                }
                let related = self.related(path, "HasPrivilege");
                let call_span = Span::new(function_span.start, span.end);
                let action = self.action(argument, call_span)?;
                Some(Test::HasPrivilege { path: related?.0, action })
            }
        }
    }

    /// `call_span` is that of the function and its parentheses.
    fn action(&mut self, argument: Option<&Literal>, call_span: Span) -> Option<Action> {
        let Some(argument) = argument else {
            let message = "HasPrivilege needs an action";
            let problem = Problem::new(call_span, ProblemCode::BadArgument, message);
            self.problems.push(problem.suggest("HasPrivilege(\"read\")"));
            return None;
        };
        match argument.cooked().trim().parse::<Action>() {
            Ok(action) => Some(action),
            Err(error) => {
                let message = format!("{:?} is no action", error.text);
                let meant = error.suggestion.map(|name| format!("\"{name}\""));
                let problem = Problem::new(argument.span, ProblemCode::UnknownAction, message);
                self.problems.push(problem.did_you_mean(meant.as_deref()));
                None
            }
        }
    }

    /// A path to the resource or to things related to it.
    fn related(&mut self, path: &syntax::Path, function: &str) -> Option<(Path, KindSet)> {
        let resolved = self.path(path)?;
        match resolved.value {
            ValueType::Entity(kinds) if path.root == Root::Resource => Some((resolved.path, kinds)),
            _ => {
                let message = format!("{function} asks about the resource or something related");
                let problem = Problem::new(path.span, ProblemCode::UnknownFunction, message);
                self.problems.push(problem.suggest("resource"));
                None
            }
        }
    }

    fn path(&mut self, path: &syntax::Path) -> Option<Resolved> {
        let mut kinds = self.root(path)?;
        let mut of = kinds;
        let mut value = ValueType::Entity(kinds);
        let (mut is_many, mut steps) = (false, Vec::new());
        let mut before = path.root.name().to_owned();
        for segment in &path.segments {
            let name = lower_name(&segment.name);
            match value {
                ValueType::Entity(_) => {}
                ValueType::Environment => {
                    let (step, property) = self.environment(&name, segment.span);
                    steps.push(step);
                    value = property.0;
                    is_many |= property.1;
                    before = format!("{before}.{}", segment.name);
                    continue;
                }
                _ => {
                    let message = format!("{before} is a value and has no properties");
                    self.report(segment.span, ProblemCode::UnknownProperty, message);
                    return None;
                }
            }
            of = kinds;
            match property::find(kinds, &name) {
                Found::Known(property) => {
                    is_many |= property.is_many;
                    value = property.value;
                    if let ValueType::Entity(targets) = value {
                        kinds = targets;
                    }
                    steps.extend(step(&name, value));
                }
                Found::Custom => {
                    (value, is_many) = (ValueType::Text, true);
                    steps.push(Step::Read(name.into()));
                }
                Found::Attribute { looks_like } => {
                    if let Some(known) = looks_like {
                        let message =
                            format!("{} reads a directory attribute of that name", segment.name);
                        let problem =
                            Problem::new(segment.span, ProblemCode::LooksMisspelt, message);
                        self.problems.push(problem.did_you_mean(Some(known)));
                    }
                    (value, is_many) = (ValueType::Text, true);
                    steps.push(Step::Read(name.into()));
                }
                Found::Missing { looks_like } => {
                    let message =
                        format!("{before} has no property {}{}", segment.name, of_kinds(kinds));
                    let problem = Problem::new(segment.span, ProblemCode::UnknownProperty, message);
                    self.problems.push(problem.did_you_mean(looks_like));
                    return None;
                }
                Found::NoCustom => {
                    self.report_no_custom(kinds, &before, segment);
                    return None;
                }
            }
            before = format!("{before}.{}", segment.name);
        }
        if value == ValueType::Environment {
            let written = path.span.of(self.text);
            let message = format!("name an attribute of the environment, such as {written}.ip");
            self.report(path.span, ProblemCode::UnknownProperty, message);
            return None;
        }
        let text = path.span.of(self.text).into();
        Some(Resolved { path: Path { root: path.root, steps, text }, value, is_many, of })
    }

    fn root(&mut self, path: &syntax::Path) -> Option<KindSet> {
        let (kinds, refusal) = match (path.root, self.category) {
            (Root::User, _) => (KindSet::only(ResourceKind::User), None),
            (Root::Resource, Category::License) => {
                (self.kinds, Some("licence rules see the user only: there is no resource yet"))
            }
            (Root::Resource, _) => (self.kinds, None),
            (Root::Node, Category::Sync) => {
                (KindSet::only(ResourceKind::ServerNodeConfiguration), None)
            }
            (Root::Node, _) => (KindSet::NONE, Some("only load-balancing rules see the node")),
        };
        if let Some(message) = refusal {
            self.report(path.root_span, ProblemCode::RootNotAllowed, message);
            return None;
        }
        Some(kinds)
    }

    /// The step that reads an environment attribute, with its type and whether it has many values.
    fn environment(&mut self, name: &str, span: Span) -> (Step, (ValueType, bool)) {
        if name == "context" {
            let known = property::find_environment(name);
            let value = known.map_or(ValueType::Text, |known| known.value);
            return (Step::RequestContext, (value, false));
        }
        let step = Step::Read(format!("environment.{name}").into());
        if let Some(known) = property::find_environment(name) {
            return (step, (known.value, known.is_many));
        }
        if let Some(known) = property::near_environment(name) {
            let message = format!("{name} reads a session attribute of that name");
            let problem = Problem::new(span, ProblemCode::LooksMisspelt, message);
            self.problems.push(problem.did_you_mean(Some(known)));
        }
        // A sign-in may bring the same attribute several times.
        (step, (ValueType::Text, true))
    }

    fn report_no_custom(&mut self, kinds: KindSet, before: &str, segment: &syntax::Segment) {
        let message = format!("{before} has no custom properties{}", of_kinds(kinds));
        let mut problem = Problem::new(segment.span, ProblemCode::UnknownProperty, message);
        // Objects, contents and data of an app are told apart by the app's own properties.
        if matches!(property::find(kinds, "app"), Found::Known(_)) {
            problem = problem.did_you_mean(Some(&format!("app.{}", segment.name)));
        }
        self.problems.push(problem);
    }

    fn report(&mut self, span: Span, code: ProblemCode, message: impl Into<String>) {
        self.problems.push(Problem::new(span, code, message));
    }
}

/// The step that reads a known property; `environment` waits for its attribute.
fn step(name: &str, value: ValueType) -> Option<Step> {
    match value {
        ValueType::Id => Some(Step::Id),
        ValueType::Kind => Some(Step::Kind),
        ValueType::Environment => None,
        _ => Some(Step::Read(name.into())),
    }
}

fn of_kinds(kinds: KindSet) -> String {
    let names: Vec<&str> = kinds.iter().take(4).map(ResourceKind::name).collect();
    if names.is_empty() || names.len() > 3 {
        return String::new();
    }
    format!(" (it is {})", names.join(" or "))
}
