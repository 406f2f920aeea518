//! Functions over the values in their own arguments.

use super::numeric;
use crate::expression::Environment;
use crate::value::{Value, collate};

fn numbers<'a>(
    args: &'a [Value],
    environment: &'a Environment<'_>,
) -> impl Iterator<Item = f64> + 'a {
    args.iter().filter_map(|value| numeric(value, environment))
}

/// Null counts as zero.
pub(super) fn sum(args: &[Value], environment: &Environment<'_>) -> Value {
    Value::from_number(numbers(args, environment).sum())
}

pub(super) fn min(args: &[Value], environment: &Environment<'_>) -> Value {
    numbers(args, environment).reduce(f64::min).map_or(Value::Null, Value::from_number)
}

pub(super) fn max(args: &[Value], environment: &Environment<'_>) -> Value {
    numbers(args, environment).reduce(f64::max).map_or(Value::Null, Value::from_number)
}

pub(super) fn avg(args: &[Value], environment: &Environment<'_>) -> Value {
    let count = numbers(args, environment).count();
    if count == 0 {
        Value::Null
    } else {
        Value::from_number(numbers(args, environment).sum::<f64>() / count as f64)
    }
}

pub(super) fn stdev(args: &[Value], environment: &Environment<'_>) -> Value {
    let count = numbers(args, environment).count() as f64;
    if count < 2.0 {
        return Value::Null;
    }
    let mean = numbers(args, environment).sum::<f64>() / count;
    let squares: f64 =
        numbers(args, environment).map(|number| (number - mean) * (number - mean)).sum();
    Value::from_number((squares / (count - 1.0)).sqrt())
}

pub(super) fn count(args: &[Value], _: &Environment<'_>) -> Value {
    Value::Number(args.iter().filter(|value| !value.is_null()).count() as f64)
}

pub(super) fn numeric_count(args: &[Value], environment: &Environment<'_>) -> Value {
    Value::Number(numbers(args, environment).count() as f64)
}

pub(super) fn text_count(args: &[Value], environment: &Environment<'_>) -> Value {
    let is_text = |value: &&Value| value.is_text() && numeric(value, environment).is_none();
    Value::Number(args.iter().filter(is_text).count() as f64)
}

pub(super) fn null_count(args: &[Value], _: &Environment<'_>) -> Value {
    Value::Number(args.iter().filter(|value| value.is_null()).count() as f64)
}

/// The one value among the arguments, if it is only one.
pub(super) fn only(args: &[Value], _: &Environment<'_>) -> Value {
    let mut present = args.iter().filter(|value| !value.is_null());
    match present.next() {
        Some(first) if present.all(|other| other == first) => first.clone(),
        _ => Value::Null,
    }
}

pub(super) fn min_string(args: &[Value], _: &Environment<'_>) -> Value {
    let texts = args.iter().filter(|value| !value.is_null()).map(Value::shared_text);
    texts.min_by(|left, right| collate(left, right)).map_or(Value::Null, Value::Text)
}

pub(super) fn max_string(args: &[Value], _: &Environment<'_>) -> Value {
    let texts = args.iter().filter(|value| !value.is_null()).map(Value::shared_text);
    texts.max_by(|left, right| collate(left, right)).map_or(Value::Null, Value::Text)
}
