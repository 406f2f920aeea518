//! What is the shape of a condition? For editors that show one as rows of tests instead of text.

use crate::problem::Span;
use crate::syntax::{Expr, Operand};

/// A condition or a part of one, by its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outline {
    Constant(bool),
    /// Every part must hold.
    All(Vec<Outline>),
    /// One part must hold.
    Any(Vec<Outline>),
    Not(Box<Outline>),
    Test(OutlineTest),
}

/// One comparison or function call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineTest {
    /// The path on the left of a comparison, or the one that a function is called on.
    pub subject: String,
    /// `=`, `like`, `IsAnonymous` …
    pub operator: String,
    /// The texts or paths on the right, or the function's argument; texts without their quotes.
    pub values: Vec<String>,
    /// Whether the values are paths to be read rather than texts, each in its place.
    pub are_paths: Vec<bool>,
    /// Where the test stands in the text.
    pub span: Span,
}

/// A test and whether it must hold or must not.
type Row = (bool, OutlineTest);

impl Outline {
    pub(crate) fn of(expr: &Expr) -> Outline {
        match expr {
            Expr::Constant { value, .. } => Outline::Constant(*value),
            Expr::All { parts, .. } => Outline::All(parts.iter().map(Outline::of).collect()),
            Expr::Any { parts, .. } => Outline::Any(parts.iter().map(Outline::of).collect()),
            Expr::Not { inner, .. } => Outline::Not(Box::new(Outline::of(inner))),
            Expr::Compare { left, comparison, right, span } => {
                let (values, are_paths) = values(right);
                Outline::Test(OutlineTest {
                    subject: left.to_string(),
                    operator: comparison.symbol().to_owned(),
                    values,
                    are_paths,
                    span: *span,
                })
            }
            Expr::Call { path, function, argument, span, .. } => Outline::Test(OutlineTest {
                subject: path.to_string(),
                operator: function.name().to_owned(),
                values: argument.iter().map(|argument| argument.cooked()).collect(),
                are_paths: argument.iter().map(|_| false).collect(),
                span: *span,
            }),
            // Only a text with errors has one, and that has no condition.
            Expr::Broken { .. } => Outline::Constant(false),
        }
    }

    /// The condition as a list of lists: one of the lists must hold, and of that every row. None
    /// where that would not be what was written, so that no editor rewrites a condition by showing
    /// it.
    #[must_use]
    pub fn rows(&self) -> Option<Vec<Vec<Row>>> {
        match self {
            Outline::Any(parts) => {
                let mut lists = Vec::with_capacity(parts.len());
                for part in parts {
                    match part {
                        // Or within or, by parentheses that change nothing.
                        Outline::Any(_) => lists.extend(part.rows()?),
                        part => lists.push(part.every()?),
                    }
                }
                Some(lists)
            }
            part => Some(vec![part.every()?]),
        }
    }

    fn every(&self) -> Option<Vec<Row>> {
        match self {
            Outline::All(parts) => {
                let mut rows = Vec::with_capacity(parts.len());
                for part in parts {
                    rows.extend(part.every()?);
                }
                Some(rows)
            }
            Outline::Test(test) => Some(vec![(true, test.clone())]),
            Outline::Not(inner) => match &**inner {
                Outline::Test(test) => Some(vec![(false, test.clone())]),
                _ => None,
            },
            Outline::Constant(_) | Outline::Any(_) => None,
        }
    }
}

fn values(operand: &Operand) -> (Vec<String>, Vec<bool>) {
    match operand {
        Operand::List { items, .. } => items.iter().map(value).unzip(),
        operand => {
            let (text, is_path) = value(operand);
            (vec![text], vec![is_path])
        }
    }
}

fn value(operand: &Operand) -> (String, bool) {
    match operand {
        Operand::Path(path) => (path.to_string(), true),
        Operand::Literal(literal) => (literal.cooked(), false),
        Operand::List { .. } | Operand::Broken { .. } => (operand.to_string(), false),
    }
}

/// A text between quotes that conditions read as exactly this text, whatever is in it.
///
/// ```
/// assert_eq!(loggia_rules::quote(r#"He said "no" \o/"#), r#""He said \"no\" \\o/""#);
/// ```
#[must_use]
pub fn quote(text: &str) -> String {
    // The other characters that a backslash may stand before mean themselves without one.
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
