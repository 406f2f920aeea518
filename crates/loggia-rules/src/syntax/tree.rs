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
    List { items: Vec<Operand>, span: Span },
}

#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) root_span: Span,
    pub(crate) segments: Vec<Segment>,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// What stands between the quotes, escapes and all.
    pub(crate) raw: Box<str>,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub(crate) fn span(&self) -> Span {
        match self {
            Operand::Path(path) => path.span,
            Operand::Literal(literal) => literal.span,
            Operand::List { span, .. } => *span,
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
        // Between single quotes a double one needs no escape; between double ones it does.
        f.write_str("\"")?;
        let mut is_escaped = false;
        for c in self.raw.chars() {
            if c == '"' && !is_escaped {
                f.write_str("\\")?;
            }
            is_escaped = c == '\\' && !is_escaped;
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}
