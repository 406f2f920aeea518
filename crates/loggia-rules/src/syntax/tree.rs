//! The tree of a condition, as written.

use std::fmt;

use crate::problem::Span;

/// A condition or a part of one.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Constant {
        value: bool,
        span: Span,
    },
    All {
        parts: Vec<Expr>,
        span: Span,
    },
    Any {
        parts: Vec<Expr>,
        span: Span,
    },
    Not {
        inner: Box<Expr>,
        span: Span,
    },
    Compare {
        left: Operand,
        comparison: Comparison,
        right: Operand,
        span: Span,
    },
    Call {
        path: Path,
        function: Function,
        function_span: Span,
        argument: Option<Literal>,
        span: Span,
    },
    /// Stands where a problem was reported, so that parsing can go on.
    Broken {
        span: Span,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Path(Path),
    Literal(Literal),
    List {
        items: Vec<Operand>,
        span: Span,
    },
    /// Stands where a problem was reported.
    Broken {
        span: Span,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) root_span: Span,
    pub(crate) segments: Vec<Segment>,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Root {
    User,
    Resource,
    Node,
}

#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// As written; custom properties begin with `@`.
    pub(crate) name: Box<str>,
    pub(crate) span: Span,
}

/// A text between quotes, a number, or a truth value, all compared as text.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    /// What stands between the quotes, escapes and all. A double quote in it is escaped, whatever
    /// quotes it stood between.
    pub(crate) raw: Box<str>,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Comparison {
    Equal,
    ExactlyEqual,
    NotEqual,
    ExactlyNotEqual,
    Like,
    Matches,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    HasPrivilege,
    Empty,
    IsAnonymous,
    IsOwned,
}

impl Expr {
    /// How many levels of parentheses, lists and negations it has when it is shown.
    pub(crate) fn depth(&self) -> usize {
        let deepest = |parts: &[Expr]| parts.iter().map(Expr::depth).max().unwrap_or(0);
        match self {
            Expr::All { parts, .. } | Expr::Any { parts, .. } => 1 + deepest(parts),
            Expr::Not { inner, .. } => {
                1 + usize::from(matches!(**inner, Expr::Compare { .. })) + inner.depth()
            }
            Expr::Compare { left, right, .. } => left.depth().max(right.depth()),
            Expr::Constant { .. } | Expr::Call { .. } | Expr::Broken { .. } => 0,
        }
    }

    pub(crate) fn span(&self) -> Span {
        match *self {
            Expr::Constant { span, .. }
            | Expr::All { span, .. }
            | Expr::Any { span, .. }
            | Expr::Not { span, .. }
            | Expr::Compare { span, .. }
            | Expr::Call { span, .. }
            | Expr::Broken { span } => span,
        }
    }
}

impl Operand {
    fn depth(&self) -> usize {
        match self {
            Operand::List { items, .. } => 1 + items.iter().map(Operand::depth).max().unwrap_or(0),
            Operand::Path(_) | Operand::Literal(_) | Operand::Broken { .. } => 0,
        }
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            Operand::Path(path) => path.span,
            Operand::Literal(literal) => literal.span,
            Operand::List { span, .. } | Operand::Broken { span } => *span,
        }
    }
}

impl Literal {
    /// The text that is meant: escapes resolved. A backslash that escapes nothing stays.
    pub(crate) fn cooked(&self) -> String {
        let mut cooked = String::with_capacity(self.raw.len());
        let mut rest = self.raw.chars().peekable();
        while let Some(c) = rest.next() {
            match (c, rest.peek()) {
                ('\\', Some(&next)) if is_escapable(next) => {
                    cooked.push(next);
                    rest.next();
                }
                _ => cooked.push(c),
            }
        }
        cooked
    }

    /// The text as a `like` pattern that only it matches.
    pub(crate) fn as_pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.raw.len());
        for c in self.cooked().chars() {
            if matches!(c, '*' | '?' | '\\' | '"') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern
    }

    /// The text with every backslash that escapes nothing doubled: the same, said clearly.
    pub(crate) fn with_clear_escapes(&self) -> String {
        let mut clear = String::with_capacity(self.raw.len() + 4);
        let mut rest = self.raw.chars().peekable();
        while let Some(c) = rest.next() {
            clear.push(c);
            if c == '\\' {
                match rest.peek().copied().filter(|&next| is_escapable(next)) {
                    Some(next) => {
                        clear.push(next);
                        rest.next();
                    }
                    None => clear.push('\\'),
                }
            }
        }
        clear
    }

    /// Whether some backslash escapes nothing.
    pub(crate) fn has_unknown_escape(&self) -> bool {
        let mut rest = self.raw.chars();
        while let Some(c) = rest.next() {
            if c == '\\' && !rest.next().is_some_and(is_escapable) {
                return true;
            }
        }
        false
    }
}

/// What a backslash takes its meaning from in texts and patterns.
pub(crate) fn is_escapable(c: char) -> bool {
    matches!(c, '"' | '\\' | '*' | '?' | '\'' | '“' | '”' | '„' | '‘' | '’')
}

impl Root {
    pub(crate) const NAMES: [&'static str; 3] = ["user", "resource", "node"];

    pub(crate) fn from_word(word: &str) -> Option<Root> {
        [Root::User, Root::Resource, Root::Node]
            .into_iter()
            .find(|root| root.name().eq_ignore_ascii_case(word))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Root::User => "user",
            Root::Resource => "resource",
            Root::Node => "node",
        }
    }
}

impl Function {
    pub(crate) const ALL: [Function; 4] =
        [Function::HasPrivilege, Function::Empty, Function::IsAnonymous, Function::IsOwned];

    pub(crate) fn from_word(word: &str) -> Option<Function> {
        Function::ALL.into_iter().find(|function| function.name().eq_ignore_ascii_case(word))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Function::HasPrivilege => "HasPrivilege",
            Function::Empty => "Empty",
            Function::IsAnonymous => "IsAnonymous",
            Function::IsOwned => "IsOwned",
        }
    }
}

impl Comparison {
    /// Whether two values compare so only where they compare like `other` too.
    pub(crate) fn is_within(self, other: Comparison) -> bool {
        self == other
            || matches!(
                (self, other),
                (Comparison::ExactlyEqual, Comparison::Equal)
                    | (Comparison::NotEqual, Comparison::ExactlyNotEqual)
            )
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::ExactlyEqual => "==",
            Comparison::NotEqual => "!=",
            Comparison::ExactlyNotEqual => "!==",
            Comparison::Like => "like",
            Comparison::Matches => "matches",
        }
    }
}

/// The condition in one line with every parenthesis that it implies.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Constant { value, .. } => write!(f, "{value}"),
            Expr::All { parts, .. } => joined(f, parts, " and "),
            Expr::Any { parts, .. } => joined(f, parts, " or "),
            Expr::Not { inner, .. } => match **inner {
                Expr::Compare { .. } => write!(f, "!({inner})"),
                _ => write!(f, "!{inner}"),
            },
            Expr::Compare { left, comparison, right, .. } => {
                write!(f, "{left} {} {right}", comparison.symbol())
            }
            Expr::Call { path, function, argument, .. } => {
                write!(f, "{path}.{}(", function.name())?;
                if let Some(argument) = argument {
                    write!(f, "{argument}")?;
                }
                f.write_str(")")
            }
            Expr::Broken { .. } => f.write_str("<?>"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], word: &str) -> fmt::Result {
    f.write_str("(")?;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        write!(f, "{part}")?;
    }
    f.write_str(")")
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Path(path) => path.fmt(f),
            Operand::Literal(literal) => literal.fmt(f),
            Operand::List { items, .. } => {
                f.write_str("{")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_str("}")
            }
            Operand::Broken { .. } => f.write_str("<?>"),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.name())?;
        for segment in &self.segments {
            write!(f, ".{}", segment.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.raw)
    }
}

/// The text between quotes of another kind as it stands between double ones.
pub(crate) fn between_double_quotes(raw: &str) -> String {
    let mut escaped = String::with_capacity(raw.len());
    let mut is_escaped = false;
    for c in raw.chars() {
        if c == '"' && !is_escaped {
            escaped.push('\\');
        }
        is_escaped = c == '\\' && !is_escaped;
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::syntax::parse;

    const HERE: Span = Span::new(0, 0);

    fn path() -> impl Strategy<Value = Path> {
        let root = prop::sample::select(vec![Root::User, Root::Resource, Root::Node]);
        let segment = prop_oneof![
            3 => "[a-zA-Zé_][a-z0-9é_-]{0,6}",
            1 => "@[a-z0-9_-]{1,6}",
            // Words that mean something elsewhere.
            1 => prop::sample::select(vec!["and", "or", "not", "true", "like", "IsAnonymous"])
                .prop_map(str::to_owned),
        ];
        (root, prop::collection::vec(segment, 0..4)).prop_map(|(root, names)| {
            let segment = |name: String| Segment { name: name.into(), span: HERE };
            let segments = names.into_iter().map(segment).collect();
            Path { root, root_span: HERE, segments, span: HERE }
        })
    }

    fn literal() -> impl Strategy<Value = Literal> {
        let piece = prop_oneof![
            "[a-zA-Z0-9 .*?'“”’éß\n(){}#/,=-]{0,4}",
            prop::sample::select(vec!["\\\\", "\\\"", "\\*", "\\?", "\\d", "\\“", "\\'"])
                .prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 0..5)
            .prop_map(|pieces| Literal { raw: pieces.concat().into(), span: HERE })
    }

    fn operand() -> impl Strategy<Value = Operand> {
        let single =
            prop_oneof![path().prop_map(Operand::Path), literal().prop_map(Operand::Literal)];
        single.prop_recursive(3, 8, 4, |inner| {
            prop::collection::vec(inner, 1..4).prop_map(|items| Operand::List { items, span: HERE })
        })
    }

    fn tree() -> impl Strategy<Value = Expr> {
        let comparison = prop::sample::select(vec![
            Comparison::Equal,
            Comparison::ExactlyEqual,
            Comparison::NotEqual,
            Comparison::ExactlyNotEqual,
            Comparison::Like,
            Comparison::Matches,
        ]);
        let compare = (operand(), comparison, operand()).prop_map(|(left, comparison, right)| {
            Expr::Compare { left, comparison, right, span: HERE }
        });
        let function = prop::sample::select(Function::ALL.to_vec());
        let call = (path(), function, prop::option::of(literal())).prop_map(
            |(path, function, argument)| Expr::Call {
                path,
                function,
                function_span: HERE,
                argument,
                span: HERE,
            },
        );
        let constant = any::<bool>().prop_map(|value| Expr::Constant { value, span: HERE });
        let leaf = prop_oneof![3 => compare, 2 => call, 1 => constant];
        leaf.prop_recursive(8, 40, 4, |inner| {
            let parts = prop::collection::vec(inner.clone(), 2..5);
            prop_oneof![
                parts.clone().prop_map(|parts| Expr::All { parts, span: HERE }),
                parts.prop_map(|parts| Expr::Any { parts, span: HERE }),
                inner.prop_map(|inner| Expr::Not { inner: Box::new(inner), span: HERE }),
            ]
        })
    }

    /// The tree without its positions.
    fn shape(tree: &Expr) -> String {
        let text = format!("{tree:?}");
        let mut shape = String::new();
        let mut rest = text.as_str();
        // A span is shown as `12..34`; no text of these tests has two dots in a row between digits.
        while let Some(at) = rest.find("span: ") {
            let (before, after) = rest.split_at(at + "span: ".len());
            shape.push_str(before);
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        }
        shape + rest
    }

    proptest! {
        #[test]
        fn a_tree_that_is_printed_reads_the_same(tree in tree()) {
            let printed = tree.to_string();
            let (read, problems) = parse(&printed);
            prop_assert!(!problems.iter().any(|p| p.is_error()), "{}\n{:?}", printed, problems);
            prop_assert_eq!(shape(&tree), shape(&read.unwrap()), "{}", printed);
        }
    }

    #[test]
    fn what_is_nested_as_deeply_as_possible_reads_the_same() {
        for (before, after) in [("!", ""), ("(true or ", ")"), ("!(false and ", ")")] {
            let accepted = (1..=64).rev().find_map(|depth| {
                let text = format!("{}user.a = 1{}", before.repeat(depth), after.repeat(depth));
                let (tree, problems) = parse(&text);
                problems.is_empty().then(|| tree.unwrap())
            });
            let tree = accepted.unwrap();
            let (read, problems) = parse(&tree.to_string());
            assert!(problems.is_empty(), "{before} {problems:?}");
            assert_eq!(shape(&tree), shape(&read.unwrap()));
        }
    }
}
