//! Conditions, choices and questions about a value.

use super::{Function, numeric, whole};
use crate::expression::{Environment, is_true, wildcard_matches};
use crate::value::{Value, fold};

pub(super) fn empty_is_null(args: &[Value], _: &Environment<'_>) -> Value {
    match &args[0] {
        Value::Text(text) if text.is_empty() => Value::Null,
        other => other.clone(),
    }
}

pub(super) fn match_exact(args: &[Value], environment: &Environment<'_>) -> Value {
    position(args, environment, |wanted, text| wanted == text)
}

pub(super) fn match_folded(args: &[Value], environment: &Environment<'_>) -> Value {
    position(args, environment, |wanted, text| wanted.chars().map(fold).eq(text.chars().map(fold)))
}

pub(super) fn match_wild(args: &[Value], environment: &Environment<'_>) -> Value {
    position(args, environment, wildcard_matches)
}

/// Which argument is like the first, counted from 1; 0 for none.
fn position(
    args: &[Value],
    environment: &Environment<'_>,
    is_like: fn(&str, &str) -> bool,
) -> Value {
    let Some((subject, candidates)) = args.split_first() else { return Value::Null };
    let text = subject.text();
    let number = numeric(subject, environment);
    let found = candidates.iter().position(|candidate| match (subject, candidate) {
        (Value::Null, _) | (_, Value::Null) => false,
        _ => {
            (number.is_some() && !candidate.is_text() && candidate.number() == number)
                || is_like(&candidate.text(), &text)
        }
    });
    Value::Number(found.map_or(0.0, |at| at as f64 + 1.0))
}

/// `Class(x, width [, name [, offset]])`: the interval that x lies in, as `10<=x<20`, with its start as number.
pub(super) fn class(args: &[Value], environment: &Environment<'_>) -> Value {
    let (Some(number), Some(width)) =
        (numeric(&args[0], environment), numeric(&args[1], environment))
    else {
        return Value::Null;
    };
    if width <= 0.0 {
        return Value::Null;
    }
    let name = args.get(2).map_or("x".into(), Value::text);
    let offset = args.get(3).and_then(|offset| numeric(offset, environment)).unwrap_or(0.0);
    let start = ((number - offset) / width).floor() * width + offset;
    let text = format!(
        "{}<={name}<{}",
        crate::format::number_text(start),
        crate::format::number_text(start + width)
    );
    Value::dual(start, &text)
}

pub(super) fn is_null(args: &[Value], _: &Environment<'_>) -> Value {
    Value::from_bool(args[0].is_null())
}

pub(super) fn is_num(args: &[Value], environment: &Environment<'_>) -> Value {
    Value::from_bool(numeric(&args[0], environment).is_some())
}

pub(super) fn is_text(args: &[Value], environment: &Environment<'_>) -> Value {
    Value::from_bool(args[0].is_text() && numeric(&args[0], environment).is_none())
}

pub(super) fn null(_: &[Value], _: &Environment<'_>) -> Value {
    Value::Null
}

pub(super) fn true_value(_: &[Value], _: &Environment<'_>) -> Value {
    Value::TRUE
}

pub(super) fn false_value(_: &[Value], _: &Environment<'_>) -> Value {
    Value::FALSE
}

pub(super) fn os_user(_: &[Value], environment: &Environment<'_>) -> Value {
    Value::from(environment.user)
}

/// The conditionals over values that are there already, for evaluators that work column by column.
pub(super) fn apply_eagerly(
    function: Function,
    args: &[Value],
    environment: &Environment<'_>,
) -> Value {
    let value_of = |at: usize| args.get(at).cloned().unwrap_or_default();
    match function {
        Function::If if args.first().is_some_and(is_true) => value_of(1),
        Function::If => value_of(2),
        Function::Coalesce => {
            args.iter().find(|value| !value.is_null()).cloned().unwrap_or_default()
        }
        Function::Alt => args
            .iter()
            .find(|value| numeric(value, environment).is_some())
            .or(args.last())
            .cloned()
            .unwrap_or_default(),
        Function::Pick => match args.first().and_then(|at| whole(at, environment)) {
            Some(at) if at >= 1 => usize::try_from(at).map_or(Value::Null, value_of),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}
