//! The expression language: one for charts and for the load script.
//!
//! ```text
//! expression  = ["="] or
//! or          = and { ("or" | "xor") and }
//! and         = not { "and" not }
//! not         = "not" not | comparison
//! comparison  = concat { ("=" | "<>" | "<" | "<=" | ">" | ">=" | "like" | "precedes" | "follows") concat }
//! concat      = sum { "&" sum }
//! sum         = product { ("+" | "-") product }
//! product     = bits { ("*" | "/") bits }
//! bits        = unary { ("bitand" | "bitor" | "bitxor" | "<<" | ">>") unary }
//! unary       = ("-" | "+" | "bitnot") unary | primary
//! primary     = number | 'text' | field | call | "(" or ")" | set primary
//! field       = name | [name] | "name"
//! call        = name "(" { set | "distinct" | "total" [ "<" field { "," field } ">" ] } [ or { "," or } ] ")"
//! set         = "{" set-term { ("+" | "-" | "*" | "/") set-term } "}"
//! ```
//! Text is expanded (`$(variable)`, `$(=expression)`) before it is parsed: see [`expand()`].

mod eval;
mod expand;
pub mod lexer;
mod parser;
mod search;

use std::fmt;
use std::sync::Arc;

pub use eval::{Environment, RowContext, binary, eval_scalar, is_true, unary};
pub use expand::{ExpandError, NoVariables, Variables, expand, has_expansion};
pub use parser::{Parsed, Prefix, parse_expression, parse_prefix};
pub(crate) use search::occurrences;
pub use search::{Bound, BoundOp, Search, wildcard_matches};

use crate::functions::{AggregateKind, Function};
use crate::value::Value;

/// Bytes `start..end` of the text that was parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            end: u32::try_from(end).unwrap_or(u32::MAX),
        }
    }

    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What is wrong with a piece of text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub span: Span,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub span: Span,
    pub kind: ExprKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    Literal(Value),
    /// A field, or a variable where no field has this name.
    Field(FieldRef),
    Unary {
        op: UnaryOp,
        operand: Box<Expr>,
    },
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Call(Box<Call>),
    Aggregate(Box<Aggregate>),
    /// `Aggr([distinct] [set] value, dimension, …)`: a table of its own, whose rows feed an outer aggregation.
    Aggr(Box<Aggr>),
}

/// A field by name. `slot` is the reader's own number for it once bound, so that rows need no lookup by name.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldRef {
    pub name: Arc<str>,
    pub slot: Option<u32>,
}

/// A call of a function that does not aggregate; unknown names never get here.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub function: Function,
    /// `RowNo(total)`, `Above(total x)`: over the whole chart rather than the column segment.
    pub total: bool,
    pub args: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub kind: AggregateKind,
    pub distinct: bool,
    /// `TOTAL` is an empty list: disregard all dimensions. `TOTAL <a, b>` keeps those named.
    pub total: Option<Vec<Arc<str>>>,
    pub set: Option<SetExpr>,
    pub args: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Aggr {
    /// `false` for `Aggr(nodistinct …)`: a value for every row instead of one per combination.
    pub distinct: bool,
    pub set: Option<SetExpr>,
    pub value: Expr,
    pub dimensions: Vec<AggrDimension>,
}

/// A dimension of `Aggr`, with its order where one is given: `(Year, (numeric, descending))`.
#[derive(Clone, Debug, PartialEq)]
pub struct AggrDimension {
    pub field: Arc<str>,
    pub sort: Vec<AggrSort>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggrSort {
    Numeric,
    Text,
    LoadOrder,
    Frequency,
    Ascending,
    Descending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Minus,
    Plus,
    Not,
    BitNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Or,
    Xor,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Like,
    /// Text order, without a look at numbers.
    Precedes,
    Follows,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

/// A set of rows that an aggregation reads instead of the current selections.
#[derive(Clone, Debug, PartialEq)]
pub enum SetExpr {
    Source(SetSource),
    /// `base<field = …, …>`; the base is `$` where none is written.
    Modified {
        base: Box<SetExpr>,
        modifiers: Vec<Modifier>,
    },
    Binary {
        op: SetOp,
        left: Box<SetExpr>,
        right: Box<SetExpr>,
    },
    /// `-{…}`: everything else.
    Complement(Box<SetExpr>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum SetSource {
    /// `$`, or nothing: the current selections of the object's own state.
    Current,
    /// `1`: all rows, whatever is selected.
    Full,
    /// `$1`: one step back.
    Back(u32),
    /// `$_1`: one step forward.
    Forward(u32),
    /// An alternate state or a bookmark.
    Named(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// `+`
    Union,
    /// `-`
    Exclude,
    /// `*`
    Intersect,
    /// `/`
    Symmetric,
}

/// One assignment of a set modifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Modifier {
    pub span: Span,
    pub field: Arc<str>,
    /// `=` replaces the field's selection; `+= -= *= /=` combine with it.
    pub op: Option<SetOp>,
    /// Nothing for `<Year=>`: the field's selection is disregarded.
    pub elements: Option<ElementSet>,
}

/// Which values of a field a modifier means.
#[derive(Clone, Debug, PartialEq)]
pub enum ElementSet {
    List(Vec<Element>),
    /// `P({set} field)`: the values possible in the set; the modified field where none is named.
    Possible {
        set: Option<Box<SetExpr>>,
        field: Option<Arc<str>>,
    },
    /// `E({set} field)`: the values excluded by the set.
    Excluded {
        set: Option<Box<SetExpr>>,
        field: Option<Arc<str>>,
    },
    /// `State::Field` or `Field`: what is selected there.
    Selected {
        state: Option<Arc<str>>,
        field: Arc<str>,
    },
    Binary {
        op: SetOp,
        left: Box<ElementSet>,
        right: Box<ElementSet>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// Bare or in single quotes: this value.
    Value(Value),
    /// In double quotes or brackets: every value that matches.
    Search(Search),
    /// `(=expression)`: the value that the expression has.
    Expression(Expr),
}

impl Expr {
    pub fn new(span: Span, kind: ExprKind) -> Expr {
        Expr { span, kind }
    }

    pub fn literal(value: Value) -> Expr {
        Expr { span: Span::default(), kind: ExprKind::Literal(value) }
    }

    pub fn field(name: &str) -> Expr {
        Expr {
            span: Span::default(),
            kind: ExprKind::Field(FieldRef { name: Arc::from(name), slot: None }),
        }
    }

    /// Calls `visit` with this expression and every one inside it, outside first; expressions within sets are left out.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Field(_) => {}
            ExprKind::Unary { operand, .. } => operand.walk(visit),
            ExprKind::Binary { left, right, .. } => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Call(call) => call.args.iter().for_each(|arg| arg.walk(visit)),
            ExprKind::Aggregate(aggregate) => aggregate.args.iter().for_each(|arg| arg.walk(visit)),
            ExprKind::Aggr(aggr) => aggr.value.walk(visit),
        }
    }

    /// As [`Expr::walk`], and may change what it meets.
    pub fn walk_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        visit(self);
        match &mut self.kind {
            ExprKind::Literal(_) | ExprKind::Field(_) => {}
            ExprKind::Unary { operand, .. } => operand.walk_mut(visit),
            ExprKind::Binary { left, right, .. } => {
                left.walk_mut(visit);
                right.walk_mut(visit);
            }
            ExprKind::Call(call) => call.args.iter_mut().for_each(|arg| arg.walk_mut(visit)),
            ExprKind::Aggregate(aggregate) => {
                aggregate.args.iter_mut().for_each(|arg| arg.walk_mut(visit))
            }
            ExprKind::Aggr(aggr) => aggr.value.walk_mut(visit),
        }
    }

    /// Gives every field its slot, so that [`RowContext::field`] needs no name.
    pub fn bind(&mut self, slot_of: &dyn Fn(&str) -> Option<u32>) {
        self.walk_mut(&mut |expr| {
            if let ExprKind::Field(field) = &mut expr.kind {
                field.slot = slot_of(&field.name);
            }
        });
    }

    /// The names of all fields read, those of `Aggr` dimensions and totals included, each once, in order of appearance.
    pub fn field_names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut add = |name: &Arc<str>| {
            if !names.contains(name) {
                names.push(name.clone());
            }
        };
        self.walk(&mut |expr| match &expr.kind {
            ExprKind::Field(field) => add(&field.name),
            ExprKind::Aggr(aggr) => {
                aggr.dimensions.iter().for_each(|dimension| add(&dimension.field))
            }
            ExprKind::Aggregate(aggregate) => aggregate.total.iter().flatten().for_each(&mut add),
            _ => {}
        });
        names
    }

    /// Whether any part aggregates rows.
    pub fn has_aggregate(&self) -> bool {
        let mut found = false;
        self.walk(&mut |expr| {
            found |= matches!(expr.kind, ExprKind::Aggregate(_) | ExprKind::Aggr(_))
        });
        found
    }

    /// The field's name, where the expression is nothing but a field.
    pub fn as_field(&self) -> Option<&Arc<str>> {
        match &self.kind {
            ExprKind::Field(field) => Some(&field.name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
