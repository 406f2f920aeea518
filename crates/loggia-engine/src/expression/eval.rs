//! What is the value of an expression on one row?

use std::cmp::Ordering;

use super::search::wildcard_matches;
use super::{Aggr, Aggregate, BinaryOp, Call, Expr, ExprKind, FieldRef, UnaryOp};
use crate::format::{Interpreter, Locale};
use crate::functions::{self, Function, FunctionKind, numeric};
use crate::value::{Value, collate};

/// What functions may know beside their arguments.
#[derive(Clone, Debug)]
pub struct Environment<'a> {
    /// The moment of the evaluation, as a serial date in local time.
    pub now: f64,
    pub locale: &'a Locale,
    /// The user as `UserDirectory=…; UserId=…`.
    pub user: &'a str,
    interpreter: &'a Interpreter,
}

impl<'a> Environment<'a> {
    pub fn new(
        now: f64,
        locale: &'a Locale,
        interpreter: &'a Interpreter,
        user: &'a str,
    ) -> Environment<'a> {
        Environment { now, locale, user, interpreter }
    }

    /// Reads text as numbers and dates in the locale's formats.
    pub fn interpreter(&self) -> &Interpreter {
        self.interpreter
    }
}

/// One row, and whatever else an expression may ask about it.
pub trait RowContext {
    /// The field's value on this row; nothing if there is no such field.
    fn field(&self, field: &FieldRef) -> Option<Value>;

    fn environment(&self) -> &Environment<'_>;

    /// A variable's value, for names that are no field.
    fn variable(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }

    /// Answers functions that need the row, the script or the chart: their kind is `Row`, `Script` or `Chart`.
    fn call(&self, call: &Call) -> Value {
        let _ = call;
        Value::Null
    }

    /// The result of an aggregation as seen from this row.
    fn aggregate(&self, aggregate: &Aggregate) -> Value {
        let _ = aggregate;
        Value::Null
    }

    fn aggr(&self, aggr: &Aggr) -> Value {
        let _ = aggr;
        Value::Null
    }
}

/// Evaluates an expression; numbers are computed without allocating.
pub fn eval_scalar<C: RowContext + ?Sized>(expr: &Expr, context: &C) -> Value {
    match &expr.kind {
        ExprKind::Literal(value) => value.clone(),
        ExprKind::Field(field) => {
            context.field(field).or_else(|| context.variable(&field.name)).unwrap_or(Value::Null)
        }
        ExprKind::Unary { op, operand } => {
            unary(*op, &eval_scalar(operand, context), context.environment())
        }
        ExprKind::Binary { op, left, right } => eval_binary(*op, left, right, context),
        ExprKind::Call(call) => eval_call(call, context),
        ExprKind::Aggregate(aggregate) => context.aggregate(aggregate),
        ExprKind::Aggr(aggr) => context.aggr(aggr),
    }
}

/// Whether a condition holds: any number but zero. Text and null do not.
pub fn is_true(value: &Value) -> bool {
    value.number().is_some_and(|number| number != 0.0)
}

/// Applies an operator to a computed operand.
pub fn unary(op: UnaryOp, operand: &Value, environment: &Environment<'_>) -> Value {
    match op {
        UnaryOp::Not if operand.is_null() => Value::Null,
        UnaryOp::Not => Value::from_bool(!is_true(operand)),
        UnaryOp::Plus => numeric(operand, environment).map_or(Value::Null, Value::from_number),
        UnaryOp::Minus => {
            numeric(operand, environment).map_or(Value::Null, |number| Value::from_number(-number))
        }
        UnaryOp::BitNot => functions::whole(operand, environment)
            .map_or(Value::Null, |number| Value::Number(!number as f64)),
    }
}

fn eval_binary<C: RowContext + ?Sized>(
    op: BinaryOp,
    left: &Expr,
    right: &Expr,
    context: &C,
) -> Value {
    let left = eval_scalar(left, context);
    match op {
        BinaryOp::And if !left.is_null() && !is_true(&left) => Value::FALSE,
        BinaryOp::Or if is_true(&left) => Value::TRUE,
        _ => binary(op, &left, &eval_scalar(right, context), context.environment()),
    }
}

/// Applies an operator to computed operands.
pub fn binary(op: BinaryOp, left: &Value, right: &Value, environment: &Environment<'_>) -> Value {
    match op {
        BinaryOp::And => match (truth(left), truth(right)) {
            (Some(false), _) | (_, Some(false)) => Value::FALSE,
            (Some(true), Some(true)) => Value::TRUE,
            _ => Value::Null,
        },
        BinaryOp::Or => match (truth(left), truth(right)) {
            (Some(true), _) | (_, Some(true)) => Value::TRUE,
            (Some(false), Some(false)) => Value::FALSE,
            _ => Value::Null,
        },
        BinaryOp::Xor => match (truth(left), truth(right)) {
            (Some(left), Some(right)) => Value::from_bool(left != right),
            _ => Value::Null,
        },
        BinaryOp::Equal => compared(left, right, environment, |order| order == Ordering::Equal),
        BinaryOp::NotEqual => compared(left, right, environment, |order| order != Ordering::Equal),
        BinaryOp::Less => compared(left, right, environment, |order| order == Ordering::Less),
        BinaryOp::LessEqual => {
            compared(left, right, environment, |order| order != Ordering::Greater)
        }
        BinaryOp::Greater => compared(left, right, environment, |order| order == Ordering::Greater),
        BinaryOp::GreaterEqual => {
            compared(left, right, environment, |order| order != Ordering::Less)
        }
        BinaryOp::Like if left.is_null() || right.is_null() => Value::Null,
        BinaryOp::Like => Value::from_bool(wildcard_matches(&right.text(), &left.text())),
        BinaryOp::Precedes if left.is_null() || right.is_null() => Value::Null,
        BinaryOp::Precedes => {
            Value::from_bool(collate(&left.text(), &right.text()) == Ordering::Less)
        }
        BinaryOp::Follows if left.is_null() || right.is_null() => Value::Null,
        BinaryOp::Follows => {
            Value::from_bool(collate(&left.text(), &right.text()) == Ordering::Greater)
        }
        BinaryOp::Concat => concatenated(left, right),
        BinaryOp::Add => arithmetic(left, right, environment, |a, b| a + b),
        BinaryOp::Subtract => arithmetic(left, right, environment, |a, b| a - b),
        BinaryOp::Multiply => arithmetic(left, right, environment, |a, b| a * b),
        BinaryOp::Divide => {
            arithmetic(left, right, environment, |a, b| if b == 0.0 { f64::NAN } else { a / b })
        }
        BinaryOp::BitAnd => bits(left, right, environment, |a, b| a & b),
        BinaryOp::BitOr => bits(left, right, environment, |a, b| a | b),
        BinaryOp::BitXor => bits(left, right, environment, |a, b| a ^ b),
        BinaryOp::ShiftLeft => bits(left, right, environment, shifted),
        BinaryOp::ShiftRight => {
            bits(left, right, environment, |a, b| shifted(a, b.saturating_neg()))
        }
    }
}

fn truth(value: &Value) -> Option<bool> {
    if value.is_null() { None } else { Some(is_true(value)) }
}

/// Numbers where both operands can be read as such, texts otherwise.
fn compared(
    left: &Value,
    right: &Value,
    environment: &Environment<'_>,
    holds: fn(Ordering) -> bool,
) -> Value {
    let order = match (left, right) {
        (Value::Null, _) | (_, Value::Null) => return Value::Null,
        (Value::Text(left), Value::Text(right)) if left == right => Ordering::Equal,
        _ => match (numeric(left, environment), numeric(right, environment)) {
            (Some(left), Some(right)) => crate::value::compare_numbers(left, right),
            _ => collate(&left.text(), &right.text()),
        },
    };
    Value::from_bool(holds(order))
}

/// Nothing where the result would be longer than [`functions::MAX_TEXT`].
fn concatenated(left: &Value, right: &Value) -> Value {
    match (left.is_null(), right.is_null()) {
        (true, true) => Value::Null,
        (false, true) => Value::Text(left.shared_text()),
        (true, false) => Value::Text(right.shared_text()),
        (false, false) => {
            let (left, right) = (left.text(), right.text());
            if left.len() + right.len() > functions::MAX_TEXT.max(left.len()).max(right.len()) {
                return Value::Null;
            }
            let mut text = String::with_capacity(left.len() + right.len());
            text.push_str(&left);
            text.push_str(&right);
            Value::Text(text.into())
        }
    }
}

fn arithmetic(
    left: &Value,
    right: &Value,
    environment: &Environment<'_>,
    result: fn(f64, f64) -> f64,
) -> Value {
    match (numeric(left, environment), numeric(right, environment)) {
        (Some(left), Some(right)) => Value::from_number(result(left, right)),
        _ => Value::Null,
    }
}

fn bits(
    left: &Value,
    right: &Value,
    environment: &Environment<'_>,
    result: fn(i64, i64) -> i64,
) -> Value {
    match (functions::whole(left, environment), functions::whole(right, environment)) {
        (Some(left), Some(right)) => Value::Number(result(left, right) as f64),
        _ => Value::Null,
    }
}

fn shifted(number: i64, by: i64) -> i64 {
    match u32::try_from(by.unsigned_abs()) {
        Ok(distance @ 0..64) if by >= 0 => number.wrapping_shl(distance),
        Ok(distance @ 0..64) => number.wrapping_shr(distance),
        _ => 0,
    }
}

fn eval_call<C: RowContext + ?Sized>(call: &Call, context: &C) -> Value {
    match call.function.info().kind {
        FunctionKind::Scalar(body) => {
            with_values(&call.args, context, |args| body(args, context.environment()))
        }
        FunctionKind::Conditional => conditional(call, context),
        FunctionKind::Row | FunctionKind::Script | FunctionKind::Chart => context.call(call),
    }
}

/// Evaluates arguments, on the stack where they are few.
fn with_values<C: RowContext + ?Sized>(
    args: &[Expr],
    context: &C,
    then: impl FnOnce(&[Value]) -> Value,
) -> Value {
    match args {
        [] => then(&[]),
        [only] => then(&[eval_scalar(only, context)]),
        [first, second] => then(&[eval_scalar(first, context), eval_scalar(second, context)]),
        [first, second, third] => then(&[
            eval_scalar(first, context),
            eval_scalar(second, context),
            eval_scalar(third, context),
        ]),
        many => {
            let values: Vec<Value> = many.iter().map(|arg| eval_scalar(arg, context)).collect();
            then(&values)
        }
    }
}

/// Functions that evaluate only the branch they return.
fn conditional<C: RowContext + ?Sized>(call: &Call, context: &C) -> Value {
    let args = call.args.as_slice();
    let value_of = |at: usize| args.get(at).map_or(Value::Null, |arg| eval_scalar(arg, context));
    match call.function {
        Function::If => {
            if is_true(&value_of(0)) {
                value_of(1)
            } else {
                value_of(2)
            }
        }
        Function::Alt => alternative(args, context),
        Function::Coalesce => args
            .iter()
            .map(|arg| eval_scalar(arg, context))
            .find(|value| !value.is_null())
            .unwrap_or_default(),
        Function::Pick => match functions::whole(&value_of(0), context.environment()) {
            Some(at) if at >= 1 => usize::try_from(at).map_or(Value::Null, value_of),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}

/// The first value that is a number; the last argument whatever it is.
fn alternative<C: RowContext + ?Sized>(args: &[Expr], context: &C) -> Value {
    let mut last = Value::Null;
    for arg in args {
        last = eval_scalar(arg, context);
        match (&last, numeric(&last, context.environment())) {
            (Value::Text(text), Some(number)) => return Value::Dual(number, text.clone()),
            (_, Some(_)) => return last,
            (_, None) => {}
        }
    }
    last
}
