//! What a condition comes to while some attributes of the requester are not known.

use hashbrown::HashMap;

use crate::audience::attribute;
use crate::meaning::{Atom, PathId, Terms, TestId, TestMeaning};
use crate::program::Step;
use crate::property::{self, Found};
use crate::requester::{Mixed, Truths, path_of, read_requester};
use crate::solver::Algebra;
use crate::syntax::{Comparison, is_escapable};
use crate::text::fold_into;
use crate::{Category, Condition, Fact, Facts, KindSet, RequestContext, ResourceKind};

/// Most tests that one expression may have.
pub(crate) const MOST_TESTS: u32 = 200;

/// A requester of whom not everything is known. What conditions come to are expressions over what
/// is not.
pub(crate) struct Unknown<'a> {
    facts: &'a dyn Facts,
    context: RequestContext,
    unknown: &'a dyn Fn(&str) -> bool,
    truths: Truths,
    /// Values that are known and compared with the resource's.
    values: HashMap<PathId, Vec<Fact>>,
    numbers: HashMap<Expression, ExpressionId>,
    expressions: Vec<(Expression, u32)>,
    texts: HashMap<ExpressionId, Option<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ExpressionId(u32);

/// An expression over what is unknown. Negation stands at single tests only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Expression {
    Constant(bool),
    /// Stands for anything: what it would be has too many tests.
    TooLong,
    Test(OpenTest),
    Not(OpenTest),
    All(Box<[ExpressionId]>),
    Any(Box<[ExpressionId]>),
}

/// A test of something unknown, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum OpenTest {
    Compare { path: Box<str>, symbol: &'static str, texts: Box<[Box<str>]> },
    Other(Box<str>),
}

impl<'a> Unknown<'a> {
    const TOO_LONG: ExpressionId = ExpressionId(2);

    pub(crate) fn new(
        facts: &'a dyn Facts,
        context: RequestContext,
        unknown: &'a dyn Fn(&str) -> bool,
        truths: Truths,
    ) -> Unknown<'a> {
        let mut algebra = Unknown {
            facts,
            context,
            unknown,
            truths,
            values: HashMap::new(),
            numbers: HashMap::new(),
            expressions: Vec::new(),
            texts: HashMap::new(),
        };
        // INVARIANT: the constants that the algebra names are the first expressions.
        algebra.add(Expression::Constant(false), 0);
        algebra.add(Expression::Constant(true), 0);
        algebra.add(Expression::TooLong, 0);
        algebra
    }

    /// The expression as a condition; none if it has too many tests.
    pub(crate) fn text(&mut self, id: ExpressionId) -> Option<String> {
        if let Some(known) = self.texts.get(&id) {
            return known.clone();
        }
        let mut text = String::new();
        self.write(id, false, &mut text);
        // Values of things were written by others: what our language cannot say is left open.
        let is_readable =
            id != Unknown::TOO_LONG && Condition::compile(&text, Category::Security).is_ok();
        let text = is_readable.then_some(text);
        self.texts.insert(id, text.clone());
        text
    }

    fn write(&self, id: ExpressionId, is_inner: bool, text: &mut String) {
        let Some((expression, _)) = self.expressions.get(id.0 as usize) else {
            return;
        };
        match expression {
            Expression::Constant(value) => text.push_str(if *value { "true" } else { "false" }),
            Expression::TooLong => text.push_str("true"),
            Expression::Test(test) => test.write(text),
            Expression::Not(test @ OpenTest::Compare { .. }) => {
                text.push_str("!(");
                test.write(text);
                text.push(')');
            }
            Expression::Not(test @ OpenTest::Other(written)) => {
                // Anything but a call has an operator.
                let is_call = written.ends_with("()");
                text.push_str(if is_call { "!" } else { "!(" });
                test.write(text);
                text.push_str(if is_call { "" } else { ")" });
            }
            Expression::All(parts) => self.write_joined(parts, " and ", is_inner, text),
            Expression::Any(parts) => self.write_joined(parts, " or ", is_inner, text),
        }
    }

    fn write_joined(&self, parts: &[ExpressionId], word: &str, is_inner: bool, text: &mut String) {
        text.push_str(if is_inner { "(" } else { "" });
        for (index, &part) in parts.iter().enumerate() {
            text.push_str(if index > 0 { word } else { "" });
            self.write(part, true, text);
        }
        text.push_str(if is_inner { ")" } else { "" });
    }

    fn add(&mut self, expression: Expression, tests: u32) -> ExpressionId {
        if let Some(&known) = self.numbers.get(&expression) {
            return known;
        }
        if tests > MOST_TESTS {
            return Unknown::TOO_LONG;
        }
        let id = ExpressionId(self.expressions.len() as u32);
        self.numbers.insert(expression.clone(), id);
        self.expressions.push((expression, tests));
        id
    }

    fn add_test(&mut self, test: OpenTest) -> ExpressionId {
        let tests = test.size();
        self.add(Expression::Test(test), tests)
    }

    fn expression(&self, id: ExpressionId) -> Option<&Expression> {
        self.expressions.get(id.0 as usize).map(|(expression, _)| expression)
    }

    fn size(&self, id: ExpressionId) -> u32 {
        self.expressions.get(id.0 as usize).map_or(0, |&(_, tests)| tests)
    }

    fn is_unknown(&self, terms: &Terms, path: PathId) -> bool {
        is_unknown(terms, path, self.unknown)
    }

    fn known_values(&mut self, terms: &Terms, path: PathId) -> &[Fact] {
        self.values.entry(path).or_insert_with(|| {
            let mut values = Vec::new();
            read_requester(terms, path, self.facts, self.context, &mut values);
            values
        })
    }

    fn joined(&mut self, parts: &[ExpressionId], is_all: bool) -> ExpressionId {
        if parts.contains(&Unknown::TOO_LONG) {
            return Unknown::TOO_LONG;
        }
        let mut flat = Vec::new();
        for &part in parts {
            match self.expression(part) {
                Some(Expression::All(inner)) if is_all => flat.extend_from_slice(inner),
                Some(Expression::Any(inner)) if !is_all => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        self.merge(&mut flat, is_all);
        flat.sort();
        flat.dedup();
        if self.contradict(&flat) {
            return if is_all { Unknown::FALSE } else { Unknown::TRUE };
        }
        self.absorb(&mut flat, is_all);
        if let [only] = *flat {
            return only;
        }
        let tests = flat.iter().fold(0_u32, |tests, &part| tests.saturating_add(self.size(part)));
        let parts = flat.into_boxed_slice();
        self.add(if is_all { Expression::All(parts) } else { Expression::Any(parts) }, tests)
    }

    /// `x = "a" or x = "b"` is `x = {"a", "b"}`; the same for the negations of both.
    fn merge(&mut self, parts: &mut Vec<ExpressionId>, is_all: bool) {
        let mut groups: HashMap<(Box<str>, &'static str), Vec<ExpressionId>> = HashMap::new();
        for &part in parts.iter() {
            let test = match self.expression(part) {
                Some(Expression::Test(test)) if !is_all => test,
                Some(Expression::Not(test)) if is_all => test,
                _ => continue,
            };
            if let OpenTest::Compare { path, symbol, .. } = test {
                groups.entry((path.clone(), symbol)).or_default().push(part);
            }
        }
        for ((path, symbol), group) in groups {
            if group.len() < 2 {
                continue;
            }
            let mut texts: Vec<Box<str>> = Vec::new();
            for &part in &group {
                if let Some(
                    Expression::Test(OpenTest::Compare { texts: own, .. })
                    | Expression::Not(OpenTest::Compare { texts: own, .. }),
                ) = self.expression(part)
                {
                    texts.extend(own.iter().cloned());
                }
            }
            texts.sort();
            texts.dedup();
            let test = OpenTest::Compare { path, symbol, texts: texts.into() };
            let tests = test.size();
            let merged = if is_all { Expression::Not(test) } else { Expression::Test(test) };
            let merged = self.add(merged, tests);
            parts.retain(|part| !group.contains(part));
            parts.push(merged);
        }
    }

    /// Whether some test stands there beside its negation.
    fn contradict(&self, parts: &[ExpressionId]) -> bool {
        let mut negated = parts.iter().filter_map(|&part| match self.expression(part) {
            Some(Expression::Not(test)) => Some(test),
            _ => None,
        });
        negated.any(|not| {
            parts.iter().any(|&part| {
                matches!(self.expression(part), Some(Expression::Test(test)) if test == not)
            })
        })
    }

    /// `a or (a and b)` is `a`, and so is `a and (a or b)`.
    fn absorb(&self, parts: &mut Vec<ExpressionId>, is_all: bool) {
        let inner = |part: ExpressionId| -> &[ExpressionId] {
            match self.expression(part) {
                Some(Expression::Any(inner)) if is_all => inner,
                Some(Expression::All(inner)) if !is_all => inner,
                _ => &[],
            }
        };
        let covers = |other: ExpressionId, part: ExpressionId| {
            let (less, more) = (inner(other), inner(part));
            other != part
                && (more.contains(&other)
                    || !less.is_empty() && less.iter().all(|part| more.contains(part)))
        };
        let all = parts.clone();
        parts.retain(|&part| !all.iter().any(|&other| covers(other, part)));
    }

    /// A test of the requester that reads something unknown.
    fn open_test(&mut self, terms: &Terms, meaning: &TestMeaning) -> ExpressionId {
        let compare = |path: PathId, symbol, texts: Vec<Box<str>>| {
            let mut texts = texts;
            texts.sort();
            texts.dedup();
            OpenTest::Compare { path: path_text(terms, path), symbol, texts: texts.into() }
        };
        let test = match &meaning.atom {
            Atom::Equal { path, symbols } => {
                let texts = symbols.iter().map(|&symbol| quoted(terms.written(symbol)));
                compare(*path, "=", texts.collect())
            }
            Atom::Differs { path, symbol } => {
                compare(*path, "!=", vec![quoted(terms.written(*symbol))])
            }
            Atom::Exactly { path, texts } => {
                compare(*path, "==", texts.iter().map(|text| quoted(text)).collect())
            }
            Atom::DiffersExactly { path, text } => compare(*path, "!==", vec![quoted(text)]),
            Atom::Like { path, patterns } => {
                compare(*path, "like", patterns.iter().map(|glob| quoted_glob(glob)).collect())
            }
            Atom::Matches { path, sources } => {
                compare(*path, "matches", sources.iter().map(|s| quoted_pattern(s)).collect())
            }
            Atom::PatternRead { texts, path } => {
                let texts: Vec<Box<str>> = texts.iter().map(|text| quoted(text)).collect();
                other(format!("{} like {}", list(&texts), path_text(terms, *path)))
            }
            // Attributes of people are texts.
            Atom::HasText { path } => {
                let empty = self.add_test(other(format!("{}.Empty()", path_text(terms, *path))));
                return self.not(empty);
            }
            Atom::Empty { path } => other(format!("{}.Empty()", path_text(terms, *path))),
            Atom::IsAnonymous => other("user.IsAnonymous()".to_owned()),
            &Atom::Paths { left, comparison, right } => {
                let (is_left, is_right) =
                    (self.is_unknown(terms, left), self.is_unknown(terms, right));
                if is_left && is_right {
                    let (left, right) = (path_text(terms, left), path_text(terms, right));
                    other(format!("{left} {} {right}", comparison.symbol()))
                } else {
                    let (open, known) = if is_left { (left, right) } else { (right, left) };
                    let values = self.known_values(terms, known).to_vec();
                    return self.compare_open(terms, open, comparison, &values, is_right);
                }
            }
            Atom::Kind(_) | Atom::HasPrivilege { .. } => return Unknown::FALSE,
        };
        self.add_test(test)
    }

    /// Compares an unknown attribute with values; `is_right` if it stands on the right.
    fn compare_open(
        &mut self,
        terms: &Terms,
        path: PathId,
        comparison: Comparison,
        values: &[Fact],
        is_right: bool,
    ) -> ExpressionId {
        if path == Terms::USER {
            return self.compare_identity(comparison, values);
        }
        let mut folded = String::new();
        let mut seen = Vec::new();
        let mut texts: Vec<&str> = Vec::new();
        for value in values {
            let Fact::Text(text) = value else {
                continue;
            };
            // Texts that are equal would only make the list longer.
            if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                fold_into(text, &mut folded);
                if seen.contains(&folded) {
                    continue;
                }
                seen.push(folded.clone());
            }
            texts.push(text);
        }
        if texts.is_empty() || comparison == Comparison::Matches {
            return Unknown::FALSE;
        }
        let quote = |is_glob: bool| {
            let mut texts: Vec<Box<str>> = texts
                .iter()
                .map(|text| if is_glob { quoted_glob(text) } else { quoted(text) })
                .collect();
            texts.sort();
            texts.dedup();
            texts.into_boxed_slice()
        };
        let path = path_text(terms, path);
        let test = match comparison {
            Comparison::Like if is_right => other(format!("{} like {path}", list(&quote(false)))),
            _ => {
                let texts = quote(comparison == Comparison::Like);
                OpenTest::Compare { path, symbol: comparison.symbol(), texts }
            }
        };
        self.add_test(test)
    }

    /// Compares a requester of whom it is not known who they are with things.
    fn compare_identity(&mut self, comparison: Comparison, things: &[Fact]) -> ExpressionId {
        let things = || {
            things.iter().filter_map(|thing| match thing {
                Fact::Entity(entity) => Some((entity.kind, entity.id?)),
                Fact::Text(_) => None,
            })
        };
        let people = things().filter(|(kind, _)| *kind == ResourceKind::User);
        let mut texts: Vec<Box<str>> =
            people.map(|(_, id)| format!("\"{}\"", id.hyphenated()).into()).collect();
        texts.sort();
        texts.dedup();
        let path = Box::from("user.id");
        match comparison {
            Comparison::Equal | Comparison::ExactlyEqual if texts.is_empty() => Unknown::FALSE,
            Comparison::Equal | Comparison::ExactlyEqual => {
                self.add_test(OpenTest::Compare { path, symbol: "=", texts: texts.into() })
            }
            Comparison::NotEqual | Comparison::ExactlyNotEqual => {
                // Nobody is a thing of another kind.
                if things().any(|(kind, _)| kind != ResourceKind::User) {
                    let empty = self.add_test(other("user.id.Empty()".to_owned()));
                    return self.not(empty);
                }
                if texts.is_empty() {
                    return Unknown::FALSE;
                }
                self.add_test(OpenTest::Compare { path, symbol: "!=", texts: texts.into() })
            }
            Comparison::Like | Comparison::Matches => Unknown::FALSE,
        }
    }
}

impl OpenTest {
    fn size(&self) -> u32 {
        match self {
            OpenTest::Compare { texts, .. } => texts.len() as u32,
            OpenTest::Other(_) => 1,
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            OpenTest::Compare { path, symbol, texts } => {
                text.push_str(path);
                text.push(' ');
                text.push_str(symbol);
                text.push(' ');
                text.push_str(&list(texts));
            }
            OpenTest::Other(written) => text.push_str(written),
        }
    }
}

fn other(text: String) -> OpenTest {
    OpenTest::Other(text.into())
}

/// Whether a path reads an attribute that is unknown.
pub(crate) fn is_unknown(terms: &Terms, path: PathId, unknown: &dyn Fn(&str) -> bool) -> bool {
    match attribute(terms, path) {
        Some("identity") => unknown("identity") || unknown("id"),
        Some(name) => unknown(name),
        None => false,
    }
}

/// The path as rules write it.
fn path_text(terms: &Terms, path: PathId) -> Box<str> {
    let mut text = terms.root(path).name().to_owned();
    for step in terms.steps(path) {
        text.push('.');
        match step {
            Step::Read(name) => text.push_str(&spelling(name)),
            step => text.push_str(step.name()),
        }
    }
    text.into()
}

/// The usual spelling of an attribute of a person.
fn spelling(name: &str) -> String {
    if let Some(attribute) = name.strip_prefix("environment.") {
        let known = property::find_environment(attribute);
        return format!("environment.{}", known.map_or(attribute, |known| known.name));
    }
    match property::find(KindSet::only(ResourceKind::User), name) {
        Found::Known(property) => property.name.to_owned(),
        _ => name.to_owned(),
    }
}

fn list(texts: &[Box<str>]) -> String {
    match texts {
        [only] => only.to_string(),
        _ => format!("{{{}}}", texts.join(", ")),
    }
}

/// A text between quotes.
fn quoted(text: &str) -> Box<str> {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted.into()
}

/// A pattern of `like` between quotes: its own escapes stay, a backslash that is none is escaped.
fn quoted_glob(glob: &str) -> Box<str> {
    let mut quoted = String::with_capacity(glob.len() + 2);
    quoted.push('"');
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next)) if is_escapable(next) => {
                chars.next();
                quoted.extend(['\\', next]);
            }
            ('\\', _) => quoted.push_str("\\\\"),
            ('"', _) => quoted.push_str("\\\""),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted.into()
}

/// A regular expression between quotes, without the anchors that were put around it.
fn quoted_pattern(source: &str) -> Box<str> {
    let bare = source.strip_prefix("\\A(?:").unwrap_or(source);
    let bare = bare.strip_suffix(")\\z").unwrap_or(bare);
    let bare = bare.strip_suffix('\n').unwrap_or(bare);
    let mut quoted = String::with_capacity(bare.len() + 2);
    quoted.push('"');
    let mut is_escaped = false;
    for c in bare.chars() {
        if c == '"' && !is_escaped {
            quoted.push('\\');
        }
        is_escaped = c == '\\' && !is_escaped;
        quoted.push(c);
    }
    quoted.push('"');
    quoted.into()
}

impl Algebra for Unknown<'_> {
    type Value = ExpressionId;
    const FALSE: ExpressionId = ExpressionId(0);
    const TRUE: ExpressionId = ExpressionId(1);

    fn all(&mut self, values: &mut Vec<ExpressionId>) -> ExpressionId {
        self.joined(values, true)
    }

    fn any(&mut self, values: &mut Vec<ExpressionId>) -> ExpressionId {
        self.joined(values, false)
    }

    fn not(&mut self, value: ExpressionId) -> ExpressionId {
        let (expression, tests) = match self.expressions.get(value.0 as usize) {
            Some((expression, tests)) => (expression.clone(), *tests),
            None => return Unknown::TOO_LONG,
        };
        match expression {
            Expression::Constant(value) => {
                if value {
                    Unknown::FALSE
                } else {
                    Unknown::TRUE
                }
            }
            Expression::TooLong => value,
            Expression::Test(test) => self.add(Expression::Not(test), tests),
            Expression::Not(test) => self.add(Expression::Test(test), tests),
            Expression::All(parts) => {
                let parts: Vec<ExpressionId> = parts.iter().map(|&part| self.not(part)).collect();
                self.joined(&parts, false)
            }
            Expression::Any(parts) => {
                let parts: Vec<ExpressionId> = parts.iter().map(|&part| self.not(part)).collect();
                self.joined(&parts, true)
            }
        }
    }

    fn requester(&mut self, terms: &Terms, test: TestId) -> ExpressionId {
        let Some(meaning) = terms.test(test) else {
            return Unknown::FALSE;
        };
        let is_open = match meaning.atom {
            Atom::IsAnonymous => (self.unknown)("isanonymous"),
            Atom::Paths { left, right, .. } => {
                self.is_unknown(terms, left) || self.is_unknown(terms, right)
            }
            ref atom => path_of(atom).is_some_and(|path| self.is_unknown(terms, path)),
        };
        match is_open {
            true => self.open_test(terms, meaning),
            false if self.truths.contains(test) => Unknown::TRUE,
            false => Unknown::FALSE,
        }
    }

    fn mixed(&mut self, terms: &Terms, mixed: Mixed, resource: &[Fact]) -> ExpressionId {
        if self.is_unknown(terms, mixed.requester) {
            let is_right = mixed.is_swapped;
            return self.compare_open(terms, mixed.requester, mixed.comparison, resource, is_right);
        }
        match mixed.holds(self.known_values(terms, mixed.requester), resource) {
            true => Unknown::TRUE,
            false => Unknown::FALSE,
        }
    }

    fn mixed_fails(&mut self, terms: &Terms, mixed: Mixed) -> bool {
        !self.is_unknown(terms, mixed.requester)
            && self.known_values(terms, mixed.requester).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_written_so_that_they_read_the_same() {
        let pairs = [
            (quoted(r#"a"b\c*"#), r#""a\"b\\c*""#),
            (quoted_glob(r#"a\*b"c\d\"#), r#""a\*b\"c\\d\\""#),
            (quoted_pattern("\\A(?:a\"b\\.c\n)\\z"), r#""a\"b\.c""#),
        ];
        for (written, expected) in pairs {
            assert_eq!(&*written, expected);
        }
    }
}
