//! Arithmetic and trigonometry.

use super::{numeric, whole};
use crate::expression::Environment;
use crate::value::Value;

macro_rules! of_one_number {
    ($($name:ident: |$x:ident| $result:expr;)*) => {
        $(pub(super) fn $name(args: &[Value], environment: &Environment<'_>) -> Value {
            match numeric(&args[0], environment) {
                Some($x) => Value::from_number($result),
                None => Value::Null,
            }
        })*
    };
}

of_one_number! {
    frac: |x| x - x.floor();
    abs: |x| x.abs();
    sign: |x| if x == 0.0 { 0.0 } else { x.signum() };
    sqrt: |x| x.sqrt();
    sqr: |x| x * x;
    exp: |x| x.exp();
    log: |x| if x > 0.0 { x.ln() } else { f64::NAN };
    log10: |x| if x > 0.0 { x.log10() } else { f64::NAN };
    sin: |x| x.sin();
    cos: |x| x.cos();
    tan: |x| x.tan();
    asin: |x| x.asin();
    acos: |x| x.acos();
    atan: |x| x.atan();
    sinh: |x| x.sinh();
    cosh: |x| x.cosh();
    tanh: |x| x.tanh();
    fact: |x| if (0.0..=170.0).contains(&x) { (1..=x as u64).map(|n| n as f64).product() } else { f64::NAN };
}

macro_rules! of_two_numbers {
    ($($name:ident: |$x:ident, $y:ident| $result:expr;)*) => {
        $(pub(super) fn $name(args: &[Value], environment: &Environment<'_>) -> Value {
            match (numeric(&args[0], environment), numeric(&args[1], environment)) {
                (Some($x), Some($y)) => Value::from_number($result),
                _ => Value::Null,
            }
        })*
    };
}

of_two_numbers! {
    pow: |x, y| x.powf(y);
    fmod: |x, y| x % y;
    atan2: |x, y| x.atan2(y);
    combin: |n, k| if k < 0.0 || k > n { f64::NAN } else { (1..=(k.min(n - k) as u64).min(10_000)).fold(1.0, |product, i| product * (n - k.min(n - k) + i as f64) / i as f64).round() };
}

/// The rest of a whole division, never negative; nothing for fractions.
pub(super) fn modulo(args: &[Value], environment: &Environment<'_>) -> Value {
    match (numeric(&args[0], environment), numeric(&args[1], environment)) {
        (Some(x), Some(y)) if x.fract() == 0.0 && y.fract() == 0.0 && y > 0.0 => {
            Value::Number(x.rem_euclid(y))
        }
        _ => Value::Null,
    }
}

/// The whole part of a division.
pub(super) fn div(args: &[Value], environment: &Environment<'_>) -> Value {
    match (numeric(&args[0], environment), numeric(&args[1], environment)) {
        (Some(x), Some(y)) if y != 0.0 => Value::from_number((x / y).trunc()),
        _ => Value::Null,
    }
}

pub(super) fn floor(args: &[Value], environment: &Environment<'_>) -> Value {
    stepped(args, environment, f64::floor)
}

pub(super) fn ceil(args: &[Value], environment: &Environment<'_>) -> Value {
    stepped(args, environment, f64::ceil)
}

/// Halves go up.
pub(super) fn round(args: &[Value], environment: &Environment<'_>) -> Value {
    stepped(args, environment, |x| (x + 0.5).floor())
}

/// `F(x [, step [, offset]])`.
fn stepped(args: &[Value], environment: &Environment<'_>, to_whole: fn(f64) -> f64) -> Value {
    let Some(number) = numeric(&args[0], environment) else { return Value::Null };
    let step = args.get(1).and_then(|step| numeric(step, environment)).unwrap_or(1.0);
    let offset = args.get(2).and_then(|offset| numeric(offset, environment)).unwrap_or(0.0);
    if step == 0.0 {
        return Value::Number(number);
    }
    let scaled = (number - offset) / step;
    // 1.15 / 0.05 is not quite 23: a result that close to a whole number is meant to be one.
    let near = scaled.round();
    let scaled = if (scaled - near).abs() < 1e-9 * near.abs().max(1.0) { near } else { scaled };
    let result = to_whole(scaled) * step + offset;
    // 3 * 0.1 is 0.30000000000000004; the step's own decimals are what is meant.
    let inverse = 1.0 / step;
    let result = if step < 1.0
        && (inverse - inverse.round()).abs() < 1e-9
        && result.abs() < 1e15 / inverse
    {
        (result * inverse.round()).round() / inverse.round()
    } else {
        result
    };
    Value::from_number(if offset == 0.0 { result } else { to_whole(scaled) * step + offset })
}

pub(super) fn even(args: &[Value], environment: &Environment<'_>) -> Value {
    whole_number(args, environment).map_or(Value::Null, |number| Value::from_bool(number % 2 == 0))
}

pub(super) fn odd(args: &[Value], environment: &Environment<'_>) -> Value {
    whole_number(args, environment).map_or(Value::Null, |number| Value::from_bool(number % 2 != 0))
}

fn whole_number(args: &[Value], environment: &Environment<'_>) -> Option<i64> {
    let is_whole = numeric(&args[0], environment).is_some_and(|number| number.fract() == 0.0);
    if is_whole { whole(&args[0], environment) } else { None }
}

pub(super) fn bit_count(args: &[Value], environment: &Environment<'_>) -> Value {
    whole(&args[0], environment)
        .map_or(Value::Null, |number| Value::Number(f64::from(number.count_ones())))
}

pub(super) fn pi(_: &[Value], _: &Environment<'_>) -> Value {
    Value::Number(std::f64::consts::PI)
}

pub(super) fn e(_: &[Value], _: &Environment<'_>) -> Value {
    Value::Number(std::f64::consts::E)
}
