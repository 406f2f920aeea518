//! Whether a parsed condition can mean something: every path, function and comparison.

use regex::RegexBuilder;

use crate::condition::Category;
use crate::problem::{Problem, ProblemCode, Span};
use crate::program::{Clause, Node, Path, Root, Step, Term, Test};
use crate::property::{self, Found, ValueType};
use crate::syntax::{self, Comparison, Expr, Function, Literal, Operand};
use crate::text::{as_decimal, fold_eq};
use crate::{Action, KindSet, ResourceKind};

/// Longest regular expression.
const LONGEST_PATTERN: usize = 1024;
/// Most memory that one compiled expression may take.
const PATTERN_MEMORY: usize = 1 << 20;

/// Checks a tree for rules of `category` about things of `kinds`. The problems may be warnings
/// only; the clause is whole if none is an error.
pub(crate) fn check(
    text: &str,
    tree: &Expr,
    category: Category,
    kinds: KindSet,
) -> (Clause, Vec<Problem>) {
    let mut checker = Checker { text, category, kinds, problems: Vec::new() };
    let clause = checker.clause(tree);
    checker.problems.sort_by_key(|problem| problem.span);
    (clause, checker.problems)
}

struct Checker<'t> {
    text: &'t str,
    category: Category,
    kinds: KindSet,
    problems: Vec<Problem>,
}

/// What is known of a term before any value is seen.
struct Typed {
    term: Term,
    span: Span,
    value: TermType,
    is_many: bool,
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
                terms.push(Typed { term, span: path.span, value, is_many });
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
            Some(_) => (Term::Glob(literal.raw.clone()), TermType::Literal(cooked)),
            None => (Term::Text(cooked.as_str().into()), TermType::Literal(cooked)),
        };
        if pattern != Some(Comparison::Matches) && literal.has_unknown_escape() {
            let message =
                "a backslash that escapes nothing stands for itself; write \\\\ to say so";
            self.report(span, ProblemCode::UnknownEscape, message);
        }
        Typed { term, span, value, is_many: false }
    }

    fn pattern(&mut self, raw: &str, span: Span) -> Option<regex::Regex> {
        if raw.len() > LONGEST_PATTERN {
            let message = format!("a regular expression has at most {LONGEST_PATTERN} bytes");
            self.report(span, ProblemCode::BadPattern, message);
            return None;
        }
        // Curly quotes may be escaped in a text, but not in an expression.
        let source = raw.replace("\\“", "“").replace("\\”", "”").replace("\\’", "’");
        let compile = |source: &str| {
            RegexBuilder::new(source).size_limit(PATTERN_MEMORY).nest_limit(50).build()
        };
        // Alone first: between the anchors `a)|(b` would pass. The new line ends a comment of an
        // expression with the flag `x`, which would swallow the anchor.
        let compiled = compile(&source)
            .and_then(|_| compile(&format!("\\A(?:{source})\\z")))
            .or_else(|error| match compile(&source) {
                Ok(_) => compile(&format!("\\A(?:{source}\n)\\z")),
                Err(_) => Err(error),
            });
        match compiled {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let message = match error {
                    regex::Error::CompiledTooBig(_) => {
                        "this regular expression needs too much memory".to_owned()
                    }
                    other => {
                        let text = other.to_string();
                        let reason = text.rsplit("error: ").next().unwrap_or_default().trim();
                        format!("this is no regular expression: {reason}")
                    }
                };
                self.report(span, ProblemCode::BadPattern, message);
                None
            }
        }
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
            (TermType::Of(ValueType::Entity(kinds)), _) => self.report_entity(left.span, *kinds),
            (_, TermType::Of(ValueType::Entity(kinds))) => self.report_entity(right.span, *kinds),
            _ if is_pattern => {}
            (TermType::Of(value), TermType::Literal(text)) => {
                self.check_literal(*value, comparison, text, right.span);
            }
            (TermType::Literal(text), TermType::Of(value)) => {
                self.check_literal(*value, comparison, text, left.span);
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
        let property = if kinds.contains(ResourceKind::User) { "userId" } else { "name" };
        let message = format!("{written} is a thing, not a text; compare one of its properties");
        let problem = Problem::new(span, ProblemCode::ImpossibleComparison, message);
        self.problems.push(problem.suggest(format!("{written}.{property}")));
    }

    /// Whether a value of this type can ever equal the text.
    fn check_literal(&mut self, value: ValueType, comparison: Comparison, text: &str, span: Span) {
        let is_exact = matches!(comparison, Comparison::ExactlyEqual | Comparison::ExactlyNotEqual);
        let quoted = |text: &str| format!("\"{text}\"");
        match value {
            ValueType::Truth => {
                let known = ["true", "false"];
                if is_exact && !known.contains(&text) || !known.iter().any(|k| fold_eq(k, text)) {
                    let likely = match text.to_lowercase().as_str() {
                        "1" | "yes" | "on" | "true" => Some("true"),
                        "0" | "no" | "off" | "false" => Some("false"),
                        _ => None,
                    };
                    let message = "this property is \"true\" or \"false\"";
                    let problem = Problem::new(span, ProblemCode::ImpossibleComparison, message);
                    self.problems.push(problem.did_you_mean(likely.map(quoted).as_deref()));
                }
            }
            ValueType::Number if as_decimal(text).is_none() => {
                let message = "this property is a number";
                self.report(span, ProblemCode::ImpossibleComparison, message);
            }
            ValueType::Id if text.len() != 36 || uuid::Uuid::try_parse(text).is_err() => {
                let message = "an id is a GUID such as aaec8d41-5201-43ab-809f-3063750dfafd";
                self.report(span, ProblemCode::ImpossibleComparison, message);
            }
            ValueType::Kind => match text.parse::<ResourceKind>() {
                Ok(kind) if kind.name() == text => {}
                Ok(kind) if !is_exact && fold_eq(kind.name(), text) => {}
                Ok(kind) => {
                    let message = format!("the type is written {}", kind.name());
                    let problem = Problem::new(span, ProblemCode::UnknownType, message);
                    self.problems.push(problem.suggest(quoted(kind.name())));
                }
                Err(error) => {
                    let message = format!("{text:?} is no resource type");
                    let meant = error.suggestion.map(quoted);
                    let problem = Problem::new(span, ProblemCode::UnknownType, message);
                    self.problems.push(problem.did_you_mean(meant.as_deref()));
                }
            },
            _ => {}
        }
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
        let differing: Vec<(String, String, Span)> = parts
            .iter()
            .filter_map(|part| match part {
                Expr::Compare {
                    left: Operand::Path(path),
                    comparison: Comparison::NotEqual | Comparison::ExactlyNotEqual,
                    right: Operand::Literal(literal),
                    span,
                } => Some((path.to_string().to_lowercase(), literal.cooked(), *span)),
                _ => None,
            })
            .collect();
        let Some((path, text, first)) = differing.first() else {
            return;
        };
        let other = differing.iter().find(|(other, value, _)| other == path && value != text);
        if let Some((.., second)) = other {
            let message = "one of these always holds, unless there is no value; was and meant?";
            self.report(first.to(*second), ProblemCode::AlwaysTrue, message);
        }
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
                let action = self.action(argument, function_span)?;
                Some(Test::HasPrivilege { path: related?.0, action })
            }
        }
    }

    fn action(&mut self, argument: Option<&Literal>, function_span: Span) -> Option<Action> {
        let Some(argument) = argument else {
            let message = "HasPrivilege needs an action";
            let problem = Problem::new(function_span, ProblemCode::BadArgument, message);
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
        let mut value = ValueType::Entity(kinds);
        let (mut is_many, mut steps) = (false, Vec::new());
        let mut before = path.root.name().to_owned();
        for segment in &path.segments {
            let name = segment.name.to_lowercase();
            match value {
                ValueType::Entity(_) => {}
                ValueType::Environment => {
                    (value, is_many) = (ValueType::Text, true);
                    steps.push(self.environment(&name, segment.span, &mut is_many));
                    before = format!("{before}.{}", segment.name);
                    continue;
                }
                _ => {
                    let message = format!("{before} is a value and has no properties");
                    self.report(segment.span, ProblemCode::UnknownProperty, message);
                    return None;
                }
            }
            match property::find(kinds, &name) {
                Found::Known(property) => {
                    is_many |= property.is_many;
                    value = property.value;
                    match value {
                        ValueType::Entity(targets) => kinds = targets,
                        ValueType::Environment => {}
                        _ => {}
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
            let message = "name an attribute of the environment";
            let problem = Problem::new(path.span, ProblemCode::UnknownProperty, message);
            let written = path.span.of(self.text);
            self.problems.push(problem.suggest(format!("{written}.ip")));
            return None;
        }
        let text = path.span.of(self.text).into();
        Some(Resolved { path: Path { root: path.root, steps, text }, value, is_many })
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

    fn environment(&mut self, name: &str, span: Span, is_many: &mut bool) -> Step {
        if name == "context" {
            *is_many = false;
            return Step::RequestContext;
        }
        if property::ENVIRONMENT.iter().any(|known| fold_eq(known, name)) {
            *is_many = false;
        } else if let Some(known) = property::near_environment(name) {
            let message = format!("{name} reads a session attribute of that name");
            let problem = Problem::new(span, ProblemCode::LooksMisspelt, message);
            self.problems.push(problem.did_you_mean(Some(known)));
        }
        Step::Read(format!("environment.{name}").into())
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
