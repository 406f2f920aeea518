//! Aggregations over the rows of a group.

use std::cmp::Ordering;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use loggia_engine::Value;
use loggia_engine::expression::{Aggregate, Expr, eval_scalar};
use loggia_engine::functions::AggregateKind;
use loggia_engine::value::collate;

use super::context::Rows;

/// The result of an aggregation over these rows.
pub(super) fn aggregated(aggregate: &Aggregate, rows: &[u32], context: &Rows<'_, '_>) -> Value {
    let Some(first) = aggregate.args.first() else { return Value::Number(rows.len() as f64) };
    let mut values = evaluated(first, rows, context);
    if aggregate.distinct {
        let mut seen = HashSet::new();
        values.retain(|value| seen.insert(value.clone()));
    }
    let parameter = || aggregate.args.get(1).and_then(|arg| eval_scalar(arg, context).number());
    let count = |number: usize| Value::Number(number as f64);
    let numbers = || values.iter().filter_map(Value::number);
    match aggregate.kind {
        AggregateKind::Sum => Value::from_number(numbers().sum()),
        AggregateKind::Count => count(values.iter().filter(|value| !value.is_null()).count()),
        AggregateKind::NumericCount => count(numbers().count()),
        AggregateKind::TextCount => count(values.iter().filter(|value| value.is_text()).count()),
        AggregateKind::NullCount => count(values.iter().filter(|value| value.is_null()).count()),
        AggregateKind::MissingCount => {
            count(values.iter().filter(|value| value.is_null() || value.text().is_empty()).count())
        }
        AggregateKind::Min => ranked(values, parameter(), |left, right| left.cmp(right)),
        AggregateKind::Max => ranked(values, parameter(), |left, right| right.cmp(left)),
        AggregateKind::Avg => match numbers().count() {
            0 => Value::Null,
            count => Value::from_number(numbers().sum::<f64>() / count as f64),
        },
        AggregateKind::Only => {
            let mut present = values.iter().filter(|value| !value.is_null());
            match present.next() {
                Some(only) if present.all(|other| other == only) => only.clone(),
                _ => Value::Null,
            }
        }
        AggregateKind::MinString => {
            texts(&values).min_by(|a, b| collate(a, b)).map_or(Value::Null, Value::Text)
        }
        AggregateKind::MaxString => {
            texts(&values).max_by(|a, b| collate(a, b)).map_or(Value::Null, Value::Text)
        }
        AggregateKind::Concat => concatenated(aggregate, values, rows, context),
        AggregateKind::FirstValue => values.first().cloned().unwrap_or_default(),
        AggregateKind::LastValue => values.last().cloned().unwrap_or_default(),
        AggregateKind::FirstSortedValue => first_sorted(aggregate, rows, context),
        AggregateKind::Mode => mode(&values),
        AggregateKind::Median => fractile(numbers().collect(), 0.5),
        AggregateKind::Fractile => {
            parameter().map_or(Value::Null, |share| fractile(numbers().collect(), share))
        }
        AggregateKind::Stdev => moments(numbers()).deviation(),
        AggregateKind::Sterr => {
            let moments = moments(numbers());
            moments.deviation().number().map_or(Value::Null, |deviation| {
                Value::from_number(deviation / moments.count.sqrt())
            })
        }
        AggregateKind::Skew => moments(numbers()).skew(),
        AggregateKind::Kurtosis => moments(numbers()).kurtosis(),
        AggregateKind::Correl => correlation(aggregate, rows, context),
    }
}

fn evaluated(expr: &Expr, rows: &[u32], context: &Rows<'_, '_>) -> Vec<Value> {
    let limit = context.runner.settings.memory / 2;
    let mut texts = 0;
    let mut values = Vec::with_capacity(rows.len());
    for row in rows {
        let value = eval_scalar(expr, &Rows { row: *row as usize, group: None, ..*context });
        // Texts of the source are held anyway.
        if let Value::Text(text) | Value::Dual(_, text) = &value
            && Arc::strong_count(text) == 1
        {
            texts += text.len();
        }
        values.push(value);
        if texts > limit {
            context.runner.is_exhausted.set(true);
            break;
        }
    }
    values
}

/// The value at a rank among the numbers, in this order.
fn ranked(values: Vec<Value>, rank: Option<f64>, order: fn(&Value, &Value) -> Ordering) -> Value {
    let mut numbers: Vec<Value> = values.into_iter().filter(Value::is_number).collect();
    match rank {
        None => numbers.into_iter().min_by(order).unwrap_or_default(),
        Some(rank) if rank >= 1.0 => {
            numbers.sort_by(order);
            numbers.dedup();
            numbers.into_iter().nth(rank as usize - 1).unwrap_or_default()
        }
        Some(_) => Value::Null,
    }
}

fn texts(values: &[Value]) -> impl Iterator<Item = std::sync::Arc<str>> + '_ {
    values.iter().filter(|value| !value.is_null()).map(Value::shared_text)
}

/// `Concat(text [, delimiter [, weight]])`: by weight, or in alphabetical order.
fn concatenated(
    aggregate: &Aggregate,
    values: Vec<Value>,
    rows: &[u32],
    context: &Rows<'_, '_>,
) -> Value {
    let delimiter = aggregate.args.get(1).map_or(Value::Null, |arg| eval_scalar(arg, context));
    let mut parts: Vec<(Value, Value)> = match aggregate.args.get(2) {
        Some(weight) => {
            let all = evaluated(&aggregate.args[0], rows, context);
            let mut parts: Vec<(Value, Value)> =
                evaluated(weight, rows, context).into_iter().zip(all).collect();
            if aggregate.distinct {
                let mut seen = HashSet::new();
                parts.retain(|(_, value)| seen.insert(value.clone()));
            }
            parts
        }
        None => values.into_iter().map(|value| (value.clone(), value)).collect(),
    };
    parts.retain(|(_, value)| !value.is_null());
    if parts.is_empty() {
        return Value::Null;
    }
    let length = parts.iter().map(|(_, value)| value.text().len() + delimiter.text().len());
    if length.sum::<usize>() > context.runner.settings.memory / 2 {
        context.runner.is_exhausted.set(true);
        return Value::Null;
    }
    parts.sort_by(|(left, _), (right, _)| left.cmp(right));
    let parts: Vec<_> = parts.iter().map(|(_, value)| value.text()).collect();
    Value::from(parts.join(&*delimiter.text()).as_str())
}

/// The value whose weight is lowest, if it is only one.
fn first_sorted(aggregate: &Aggregate, rows: &[u32], context: &Rows<'_, '_>) -> Value {
    let [value, weight, rest @ ..] = aggregate.args.as_slice() else { return Value::Null };
    let rank =
        rest.first().and_then(|arg| eval_scalar(arg, context).number()).unwrap_or(1.0).max(1.0)
            as usize;
    let weights = evaluated(weight, rows, context);
    let mut pairs: Vec<(Value, Value)> =
        weights.into_iter().zip(evaluated(value, rows, context)).collect();
    pairs.retain(|(weight, value)| !weight.is_null() && !value.is_null());
    pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut weights: Vec<&Value> = pairs.iter().map(|(weight, _)| weight).collect();
    weights.dedup();
    let Some(wanted) = weights.get(rank - 1) else { return Value::Null };
    let mut found = pairs.iter().filter(|(weight, _)| weight == *wanted).map(|(_, value)| value);
    match found.next() {
        Some(only) if aggregate.distinct || found.all(|other| other == only) => only.clone(),
        _ => Value::Null,
    }
}

/// The most frequent value, if it is only one.
fn mode(values: &[Value]) -> Value {
    let mut counts: HashMap<&Value, usize> = HashMap::new();
    for value in values.iter().filter(|value| !value.is_null()) {
        *counts.entry(value).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0);
    let mut found = counts.iter().filter(|(_, count)| **count == most);
    match (found.next(), found.next()) {
        (Some((value, _)), None) => (*value).clone(),
        _ => Value::Null,
    }
}

/// Between two numbers the share decides, as spreadsheets do.
fn fractile(mut numbers: Vec<f64>, share: f64) -> Value {
    if numbers.is_empty() || !(0.0..=1.0).contains(&share) {
        return Value::Null;
    }
    numbers.sort_by(f64::total_cmp);
    let at = share * (numbers.len() - 1) as f64;
    let below = numbers[at.floor() as usize];
    let above = numbers[at.ceil() as usize];
    Value::from_number(below + (above - below) * at.fract())
}

struct Moments {
    count: f64,
    second: f64,
    third: f64,
    fourth: f64,
}

fn moments(numbers: impl Iterator<Item = f64>) -> Moments {
    let numbers: Vec<f64> = numbers.collect();
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let power =
        |exponent: i32| numbers.iter().map(|number| (number - mean).powi(exponent)).sum::<f64>();
    Moments { count, second: power(2), third: power(3), fourth: power(4) }
}

impl Moments {
    fn deviation(&self) -> Value {
        if self.count < 2.0 {
            Value::Null
        } else {
            Value::from_number((self.second / (self.count - 1.0)).sqrt())
        }
    }

    fn skew(&self) -> Value {
        let n = self.count;
        if n < 3.0 || self.second == 0.0 {
            return Value::Null;
        }
        let deviation = (self.second / (n - 1.0)).sqrt();
        Value::from_number(n / ((n - 1.0) * (n - 2.0)) * self.third / deviation.powi(3))
    }

    fn kurtosis(&self) -> Value {
        let n = self.count;
        if n < 4.0 || self.second == 0.0 {
            return Value::Null;
        }
        let variance = self.second / (n - 1.0);
        let scale = n * (n + 1.0) / ((n - 1.0) * (n - 2.0) * (n - 3.0));
        let shift = 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0));
        Value::from_number(scale * self.fourth / (variance * variance) - shift)
    }
}

fn correlation(aggregate: &Aggregate, rows: &[u32], context: &Rows<'_, '_>) -> Value {
    let [left, right, ..] = aggregate.args.as_slice() else { return Value::Null };
    let (left, right) = (evaluated(left, rows, context), evaluated(right, rows, context));
    let pairs: Vec<(f64, f64)> = left
        .iter()
        .zip(&right)
        .filter_map(|(left, right)| Some((left.number()?, right.number()?)))
        .collect();
    let count = pairs.len() as f64;
    let (mean_left, mean_right) = (
        pairs.iter().map(|pair| pair.0).sum::<f64>() / count,
        pairs.iter().map(|pair| pair.1).sum::<f64>() / count,
    );
    let sum = |term: &dyn Fn(f64, f64) -> f64| {
        pairs.iter().map(|pair| term(pair.0 - mean_left, pair.1 - mean_right)).sum::<f64>()
    };
    let spread = (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
    if spread == 0.0 { Value::Null } else { Value::from_number(sum(&|x, y| x * y) / spread) }
}
