//! From an expression to something that can be computed group by group: the aggregations are taken out and become
//! slots; what remains is a scalar expression over them.

use std::sync::Arc;

use crate::expression::{
    Aggr, Aggregate, Expr, ExprKind, FieldRef, SetExpr, SetSource, Span, Variables,
    parse_expression,
};
use crate::functions::{AggregateKind, Function, FunctionKind};
use crate::model::{DataModel, FieldId};
use crate::value::Value;

/// A scalar expression over slots.
#[derive(Clone, Debug)]
pub(crate) struct Formula {
    pub(crate) expr: Expr,
    pub(crate) slots: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot {
    Aggregate(AggregateSpec),
    /// The group's own value of a dimension.
    Dimension(usize),
}

/// One aggregation to compute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AggregateSpec {
    pub(crate) kind: AggregateKind,
    pub(crate) distinct: bool,
    /// The dimensions to keep, where not all.
    pub(crate) total: Option<Vec<FieldId>>,
    pub(crate) set: Option<SetExpr>,
    pub(crate) args: Vec<Argument>,
    /// The virtual table the arguments read instead of the model's.
    pub(crate) aggr: Option<Box<Aggr>>,
}

/// An expression over the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    pub(crate) expr: Expr,
    pub(crate) fields: Vec<FieldId>,
}

/// What an expression reads besides fields and the current selections; results may be shared only among those who
/// agree on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reads {
    pub(crate) variables: Vec<(Arc<str>, Value)>,
    pub(crate) clock: bool,
    pub(crate) user: bool,
    /// Sets by step or name: never shared.
    pub(crate) named_sets: bool,
}

/// What is known while formulas are prepared.
pub(crate) struct Preparation<'a> {
    pub(crate) model: &'a DataModel,
    pub(crate) variables: &'a dyn Variables,
    /// The field of each plain dimension.
    pub(crate) dimensions: Vec<Option<FieldId>>,
    /// For aggregations without a set of their own.
    pub(crate) default_set: Option<SetExpr>,
    pub(crate) reads: Reads,
}

pub(crate) use super::bounds::Failure;

impl Preparation<'_> {
    /// Parses and prepares a text. An empty one is null.
    pub(crate) fn formula(&mut self, text: &str) -> Result<Formula, Failure> {
        let expr = parse(text)?.unwrap_or_else(|| Expr::literal(Value::Null));
        self.prepared(expr)
    }

    pub(crate) fn prepared(&mut self, mut expr: Expr) -> Result<Formula, Failure> {
        clear_spans(&mut expr);
        self.note_reads(&expr);
        let mut slots = Vec::new();
        let expr = self.rewrite(expr, &mut slots, 0)?;
        Ok(Formula { expr, slots })
    }

    /// An expression over rows, with variables put in.
    pub(crate) fn argument(&mut self, mut expr: Expr) -> Result<Argument, Failure> {
        clear_spans(&mut expr);
        self.note_reads(&expr);
        let mut problem = None;
        expr.walk_mut(&mut |part| {
            if let ExprKind::Field(field) = &part.kind
                && self.model.field(&field.name).is_none()
            {
                match self.variable(&field.name) {
                    Some(value) => part.kind = ExprKind::Literal(value),
                    None => problem = Some(no_such_field(&field.name)),
                }
            }
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        let mut fields: Vec<FieldId> = Vec::new();
        for name in expr.field_names() {
            let field = self.model.field(&name).ok_or_else(|| no_such_field(&name))?;
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        Ok(Argument { expr, fields })
    }

    fn rewrite(
        &mut self,
        expr: Expr,
        slots: &mut Vec<Slot>,
        depth: usize,
    ) -> Result<Expr, Failure> {
        let span = expr.span;
        let kind = match expr.kind {
            ExprKind::Literal(value) => ExprKind::Literal(value),
            ExprKind::Field(field) => return self.rewrite_field(&field, slots, depth),
            ExprKind::Unary { op, operand } => {
                ExprKind::Unary { op, operand: Box::new(self.rewrite(*operand, slots, depth)?) }
            }
            ExprKind::Binary { op, left, right } => ExprKind::Binary {
                op,
                left: Box::new(self.rewrite(*left, slots, depth)?),
                right: Box::new(self.rewrite(*right, slots, depth)?),
            },
            ExprKind::Call(mut call) => {
                if matches!(call.function.info().kind, FunctionKind::Script) {
                    return Err(format!("{} is for load scripts only", call.function.name()).into());
                }
                if !names_fields(call.function) {
                    let args = std::mem::take(&mut call.args);
                    call.args = args
                        .into_iter()
                        .map(|arg| self.rewrite(arg, slots, depth))
                        .collect::<Result<_, _>>()?;
                }
                ExprKind::Call(call)
            }
            ExprKind::Aggregate(aggregate) => {
                let spec = self.aggregate(*aggregate)?;
                return Ok(slot(slots, Slot::Aggregate(spec)));
            }
            ExprKind::Aggr(aggr) => {
                let only = Aggregate {
                    kind: AggregateKind::Only,
                    distinct: false,
                    total: None,
                    set: None,
                    args: vec![Expr::new(span, ExprKind::Aggr(aggr))],
                };
                let spec = self.aggregate(only)?;
                return Ok(slot(slots, Slot::Aggregate(spec)));
            }
        };
        Ok(Expr::new(span, kind))
    }

    /// A field outside any aggregation is its only value in the group.
    fn rewrite_field(
        &mut self,
        field: &FieldRef,
        slots: &mut Vec<Slot>,
        depth: usize,
    ) -> Result<Expr, Failure> {
        let Some(id) = self.model.field(&field.name) else {
            let value = self.variable(&field.name).ok_or_else(|| no_such_field(&field.name))?;
            if let Value::Text(text) = &value
                && text.trim_start().starts_with('=')
                && depth < 8
                && let Some(mut expr) = parse(text)?
            {
                clear_spans(&mut expr);
                self.note_reads(&expr);
                return self.rewrite(expr, slots, depth + 1);
            }
            return Ok(Expr::literal(value));
        };
        if let Some(dimension) = self.dimensions.iter().position(|own| *own == Some(id)) {
            return Ok(slot(slots, Slot::Dimension(dimension)));
        }
        let spec = self.aggregate(Aggregate {
            kind: AggregateKind::Only,
            distinct: false,
            total: None,
            set: None,
            args: vec![Expr::field(&field.name)],
        })?;
        Ok(slot(slots, Slot::Aggregate(spec)))
    }

    fn aggregate(&mut self, aggregate: Aggregate) -> Result<AggregateSpec, Failure> {
        let mut aggr: Option<Box<Aggr>> = None;
        for arg in &aggregate.args {
            find_aggr(arg, &mut aggr)?;
        }
        let args =
            aggregate.args.into_iter().map(|arg| self.argument(arg)).collect::<Result<_, _>>()?;
        if let Some(aggr) = &mut aggr {
            // The copy needs its variables as well.
            let whole = Expr::new(Span::default(), ExprKind::Aggr(aggr.clone()));
            if let ExprKind::Aggr(prepared) = self.argument(whole)?.expr.kind {
                *aggr = prepared;
            }
        }
        let total = match aggregate.total {
            Some(names) => Some(
                names
                    .iter()
                    .map(|name| self.model.field(name).ok_or_else(|| no_such_field(name)))
                    .collect::<Result<_, _>>()?,
            ),
            None => None,
        };
        let set = aggregate.set.or_else(|| self.default_set.clone());
        if let Some(set) = &set {
            self.note_set(set);
        }
        Ok(AggregateSpec {
            kind: aggregate.kind,
            distinct: aggregate.distinct,
            total,
            set,
            args,
            aggr,
        })
    }

    fn variable(&mut self, name: &str) -> Option<Value> {
        let value = self.variables.get(name)?;
        if !self.reads.variables.iter().any(|(known, _)| &**known == name) {
            self.reads.variables.push((name.into(), value.clone()));
        }
        Some(value)
    }

    fn note_reads(&mut self, expr: &Expr) {
        let mut sets = Vec::new();
        expr.walk(&mut |part| match &part.kind {
            ExprKind::Call(call) => {
                self.reads.clock |=
                    matches!(call.function, Function::Now | Function::Today | Function::Age);
                self.reads.user |= call.function == Function::OsUser;
            }
            ExprKind::Aggregate(aggregate) => sets.extend(&aggregate.set),
            ExprKind::Aggr(aggr) => sets.extend(&aggr.set),
            _ => {}
        });
        sets.into_iter().for_each(|set| self.note_set(set));
    }

    fn note_set(&mut self, set: &SetExpr) {
        match set {
            SetExpr::Source(SetSource::Current | SetSource::Full) => {}
            SetExpr::Source(_) => self.reads.named_sets = true,
            // Values may be searched for by any expression; today's date or the user may hide there.
            SetExpr::Modified { base, modifiers } => {
                let text = format!("{modifiers:?}");
                self.reads.clock |= ["Now", "Today", "Age"].iter().any(|name| text.contains(name));
                self.reads.user |= text.contains("OsUser");
                self.reads.named_sets |= ["Back(", "Forward(", "Named(", "state: Some("]
                    .iter()
                    .any(|name| text.contains(name));
                self.note_set(base);
            }
            SetExpr::Binary { left, right, .. } => {
                self.note_set(left);
                self.note_set(right);
            }
            SetExpr::Complement(set) => self.note_set(set),
        }
    }
}

/// Parses a text; nothing for an empty one, the first problem where there are any.
pub(crate) fn parse(text: &str) -> Result<Option<Expr>, Failure> {
    let parsed = parse_expression(text);
    match parsed.problems.first() {
        Some(problem) => Err(problem.message.as_str().into()),
        None => Ok(parsed.expr),
    }
}

pub(crate) fn no_such_field(name: &str) -> Failure {
    format!("there is no field {name}").into()
}

/// The set in front of every measure: `{<Year={2013}>}`, braces optional.
pub(crate) fn parse_set(text: &str) -> Result<Option<SetExpr>, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let braced = if text.starts_with('{') { text.to_owned() } else { format!("{{{text}}}") };
    let parsed = parse(&format!("Sum({braced} 1)"))?;
    Ok(match parsed.map(|expr| expr.kind) {
        Some(ExprKind::Aggregate(aggregate)) => aggregate.set,
        _ => None,
    })
}

fn clear_spans(expr: &mut Expr) {
    expr.walk_mut(&mut |part| part.span = Span::default());
}

/// A reference to a slot; equal slots are computed once.
fn slot(slots: &mut Vec<Slot>, wanted: Slot) -> Expr {
    let at = slots.iter().position(|known| *known == wanted).unwrap_or_else(|| {
        slots.push(wanted);
        slots.len() - 1
    });
    Expr::new(Span::default(), ExprKind::Field(FieldRef { name: "".into(), slot: Some(at as u32) }))
}

/// The `Aggr` in an argument; what aggregates without one cannot be nested.
fn find_aggr(expr: &Expr, found: &mut Option<Box<Aggr>>) -> Result<(), Failure> {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Field(_) => Ok(()),
        ExprKind::Unary { operand, .. } => find_aggr(operand, found),
        ExprKind::Binary { left, right, .. } => {
            find_aggr(left, found)?;
            find_aggr(right, found)
        }
        ExprKind::Call(call) => call.args.iter().try_for_each(|arg| find_aggr(arg, found)),
        ExprKind::Aggregate(_) => Err("an aggregation within an aggregation needs Aggr".into()),
        ExprKind::Aggr(aggr) => match found {
            Some(known) if known != aggr => Err("one aggregation can read only one Aggr".into()),
            _ => {
                *found = Some(aggr.clone());
                Ok(())
            }
        },
    }
}

/// Functions whose arguments are names of fields, not their values.
fn names_fields(function: Function) -> bool {
    matches!(
        function,
        Function::GetSelectedCount
            | Function::GetPossibleCount
            | Function::GetExcludedCount
            | Function::GetAlternativeCount
            | Function::GetNotSelectedCount
            | Function::GetFieldSelections
            | Function::GetCurrentSelections
    )
}
