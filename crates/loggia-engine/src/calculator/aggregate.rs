//! One value for each group of rows: sums, counts and all the others.
//!
//! Sums, averages, counts and extremes are folded in one pass over the rows. Everything that must know which values
//! occur (distinct, median, mode, only …) works on the occurrences of each group: its distinct values and how often
//! each occurs.

use std::sync::Arc;

use rayon::prelude::*;

use super::bounds::{Failure, Stop, Texts, until};
use super::column::{Coded, RowColumn};
use super::grouping::Feed;
use crate::functions::{AggregateKind, MAX_TEXT};
use crate::model::{DataModel, FieldValues};
use crate::table::{Code, with_codes};
use crate::value::Value;

/// A value for each group.
#[derive(Clone, Debug)]
pub(crate) enum GroupValues {
    /// Not-a-number is null.
    Numbers(Vec<f64>),
    Values(Vec<Value>),
}

impl GroupValues {
    pub(crate) fn get(&self, group: usize) -> Value {
        match self {
            GroupValues::Numbers(numbers) => {
                Value::from_number(numbers.get(group).copied().unwrap_or(f64::NAN))
            }
            GroupValues::Values(values) => values.get(group).cloned().unwrap_or_default(),
        }
    }
}

/// Computes one aggregation. `args` stand for rows as `feed` numbers them; none means the rows themselves.
pub(crate) fn aggregate(
    model: &DataModel,
    kind: AggregateKind,
    distinct: bool,
    args: &[Arc<RowColumn>],
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> Result<GroupValues, Failure> {
    use AggregateKind as Kind;
    let Some(first) = args.first() else {
        return Ok(GroupValues::Numbers(fold(
            feed,
            stop,
            groups,
            0.0,
            |count, _| *count += 1.0,
            |count, more| *count += more,
        )));
    };
    let by_value = distinct
        || match kind {
            Kind::Sum | Kind::Avg | Kind::Count | Kind::NumericCount | Kind::TextCount => false,
            Kind::NullCount | Kind::MissingCount | Kind::FirstValue | Kind::LastValue => false,
            Kind::FirstSortedValue | Kind::Correl => false,
            Kind::Min | Kind::Max => args.len() > 1,
            _ => true,
        };
    if by_value {
        return by_occurrence(model, kind, distinct, args, feed, stop, groups);
    }
    Ok(match kind {
        Kind::Sum => numbers(tallies(model, first, feed, stop, groups), |tally| tally.sum),
        Kind::Avg => {
            numbers(tallies(model, first, feed, stop, groups), |tally| tally.sum / tally.count)
        }
        Kind::NumericCount => {
            numbers(tallies(model, first, feed, stop, groups), |tally| tally.count)
        }
        Kind::Count => GroupValues::Numbers(count_if(model, first, feed, stop, groups, |value| {
            !value.is_null()
        })),
        Kind::TextCount => {
            GroupValues::Numbers(count_if(model, first, feed, stop, groups, Value::is_text))
        }
        Kind::NullCount | Kind::MissingCount => {
            GroupValues::Numbers(count_if(model, first, feed, stop, groups, Value::is_null))
        }
        Kind::Min => numbers(extremes(model, first, feed, stop, groups), |(min, _)| min),
        Kind::Max => numbers(extremes(model, first, feed, stop, groups), |(_, max)| max),
        Kind::FirstValue | Kind::LastValue => first_or_last(model, kind, first, feed, stop, groups),
        Kind::FirstSortedValue => match args.get(1) {
            Some(weight) => first_sorted(model, first, weight, args.get(2), feed, stop, groups),
            None => GroupValues::Numbers(vec![f64::NAN; groups]),
        },
        _ => match args.get(1) {
            Some(second) => correlation(model, first, second, feed, stop, groups),
            None => GroupValues::Numbers(vec![f64::NAN; groups]),
        },
    })
}

fn numbers<T>(states: Vec<T>, result: impl Fn(T) -> f64) -> GroupValues {
    GroupValues::Numbers(states.into_iter().map(result).collect())
}

/// Folds the rows of each group. With few groups every block is folded by itself and the blocks are joined in order:
/// the result does not depend on threads. With many groups one pass in row order costs less than joining would.
fn fold<T: Copy + Send + Sync>(
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
    start: T,
    step: impl Fn(&mut T, usize) + Sync,
    join: impl Fn(&mut T, &T),
) -> Vec<T> {
    const JOINED_GROUPS: usize = 1 << 13;
    const THREADED_BLOCKS: usize = 16;
    let one_block = |block: usize| {
        let mut states = vec![start; groups];
        if !stop() {
            feed.each(block, |row, group| step(&mut states[group], row));
        }
        states
    };
    let blocks = feed.blocks();
    if blocks <= 1 || groups > JOINED_GROUPS {
        let mut states = vec![start; groups];
        for block in 0..blocks {
            feed.each(block, |row, group| step(&mut states[group], row));
        }
        return states;
    }
    let mut total = vec![start; groups];
    let mut add = |states: Vec<T>| {
        total.iter_mut().zip(&states).for_each(|(total, state)| join(total, state))
    };
    if blocks < THREADED_BLOCKS {
        feed.blocks_until(stop).map(one_block).for_each(&mut add);
    } else {
        let parts: Vec<Vec<T>> = (0..blocks).into_par_iter().map(one_block).collect();
        parts.into_iter().for_each(&mut add);
    }
    total
}

/// Runs `$body` with `$at`, a function from a row to its number (not-a-number for none), once for each kind of column.
macro_rules! with_numbers {
    ($model:expr, $column:expr, $at:ident => $body:expr) => {
        match &**$column {
            RowColumn::Numbers { numbers, .. } => {
                let numbers = numbers.as_slice();
                let $at = |row: usize| numbers[row];
                $body
            }
            RowColumn::Coded(Coded { codes, values }) => {
                let numbers: &[f64] = &values.of($model).numbers;
                with_codes!(&**codes, codes => {
                    let $at = |row: usize| numbers[codes[row].index()];
                    $body
                })
            }
        }
    };
}

#[derive(Clone, Copy)]
struct Tally {
    sum: f64,
    count: f64,
}

fn tallies(
    model: &DataModel,
    column: &Arc<RowColumn>,
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> Vec<Tally> {
    let join = |tally: &mut Tally, more: &Tally| {
        tally.sum += more.sum;
        tally.count += more.count;
    };
    with_numbers!(model, column, number => {
        let step = |tally: &mut Tally, row: usize| {
            let number = number(row);
            if !number.is_nan() {
                tally.sum += number;
                tally.count += 1.0;
            }
        };
        fold(feed, stop, groups, Tally { sum: 0.0, count: 0.0 }, step, join)
    })
}

fn extremes(
    model: &DataModel,
    column: &Arc<RowColumn>,
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> Vec<(f64, f64)> {
    let join = |state: &mut (f64, f64), more: &(f64, f64)| {
        *state = (state.0.min(more.0), state.1.max(more.1))
    };
    with_numbers!(model, column, number => {
        let step = |state: &mut (f64, f64), row: usize| {
            // `min` and `max` pass not-a-number over.
            let number = number(row);
            *state = (state.0.min(number), state.1.max(number));
        };
        fold(feed, stop, groups, (f64::NAN, f64::NAN), step, join)
    })
}

fn count_if(
    model: &DataModel,
    column: &Arc<RowColumn>,
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
    counts: impl Fn(&Value) -> bool,
) -> Vec<f64> {
    let join = |count: &mut f64, more: &f64| *count += more;
    match &**column {
        RowColumn::Numbers { numbers, .. } => {
            let (null, number) = (counts(&Value::Null), counts(&Value::Number(0.0)));
            let step = |count: &mut f64, row: usize| {
                let holds = if numbers[row].is_nan() { null } else { number };
                *count += f64::from(u8::from(holds));
            };
            fold(feed, stop, groups, 0.0, step, join)
        }
        RowColumn::Coded(Coded { codes, values }) => {
            let values = values.of(model);
            let counted: Vec<f64> = (0..=values.null())
                .map(|code| f64::from(u8::from(counts(values.value(code)))))
                .collect();
            with_codes!(&**codes, codes => {
                let step = |count: &mut f64, row: usize| *count += counted[codes[row].index()];
                fold(feed, stop, groups, 0.0, step, join)
            })
        }
    }
}

fn first_or_last(
    model: &DataModel,
    kind: AggregateKind,
    column: &Arc<RowColumn>,
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> GroupValues {
    const NONE: usize = usize::MAX;
    let take = |state: &mut usize, row: usize| {
        let better = match kind {
            AggregateKind::FirstValue => row < *state,
            _ => *state == NONE || row > *state,
        };
        if better {
            *state = row;
        }
    };
    let rows = fold(feed, stop, groups, NONE, take, |state, more| {
        if *more != NONE {
            take(state, *more);
        }
    });
    let coded = column.coded();
    let values = coded.values.of(model);
    let value = |row: usize| {
        if row == NONE { Value::Null } else { values.value(coded.codes.get(row)).clone() }
    };
    GroupValues::Values(rows.into_iter().map(value).collect())
}

/// The value that goes with the lowest weight (the nth lowest; negative ranks count from the highest, as does a
/// negated weight); nothing where different values share it.
fn first_sorted(
    model: &DataModel,
    column: &Arc<RowColumn>,
    weight: &Arc<RowColumn>,
    rank: Option<&Arc<RowColumn>>,
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> GroupValues {
    let coded = column.coded();
    let values = coded.values.of(model);
    let rank = rank.map_or(1.0, |rank| constant(model, rank));
    let mut found: Vec<Vec<(f64, u32)>> = vec![Vec::new(); groups];
    with_numbers!(model, weight, number => {
        for block in feed.blocks_until(stop) {
            feed.each(block, |row, group| {
                let (code, weight) = (coded.codes.get(row), number(row));
                if !weight.is_nan() && code != values.null() {
                    found[group].push((weight, code));
                }
            });
        }
    });
    let pick = |mut pairs: Vec<(f64, u32)>| {
        pairs.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        pairs.dedup();
        let mut runs = pairs.chunk_by(|left, right| left.0 == right.0);
        let run = if rank >= 1.0 {
            runs.nth(rank as usize - 1)
        } else if rank <= -1.0 {
            runs.nth_back((-rank) as usize - 1)
        } else {
            None
        };
        match run {
            Some([(_, code)]) => values.value(*code).clone(),
            _ => Value::Null,
        }
    };
    GroupValues::Values(
        found.into_iter().zip(until(stop, groups)).map(|(pairs, _)| pick(pairs)).collect(),
    )
}

fn correlation(
    model: &DataModel,
    left: &Arc<RowColumn>,
    right: &Arc<RowColumn>,
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> GroupValues {
    #[derive(Clone, Copy, Default)]
    struct Moments {
        n: f64,
        x: f64,
        y: f64,
        xx: f64,
        yy: f64,
        xy: f64,
    }
    let right: Vec<f64> = with_numbers!(model, right, number => {
        let mut numbers = Vec::new();
        for block in feed.blocks_until(stop) {
            feed.each(block, |row, _| {
                if numbers.len() <= row {
                    numbers.resize(row + 1, f64::NAN);
                }
                numbers[row] = number(row);
            });
        }
        numbers
    });
    let states = with_numbers!(model, left, number => {
        let step = |state: &mut Moments, row: usize| {
            let (x, y) = (number(row), right[row]);
            if !x.is_nan() && !y.is_nan() {
                state.n += 1.0;
                state.x += x;
                state.y += y;
                state.xx += x * x;
                state.yy += y * y;
                state.xy += x * y;
            }
        };
        let join = |state: &mut Moments, more: &Moments| {
            state.n += more.n;
            state.x += more.x;
            state.y += more.y;
            state.xx += more.xx;
            state.yy += more.yy;
            state.xy += more.xy;
        };
        fold(feed, stop, groups, Moments::default(), step, join)
    });
    numbers(states, |state| {
        let covariance = state.n * state.xy - state.x * state.y;
        let spread =
            (state.n * state.xx - state.x * state.x) * (state.n * state.yy - state.y * state.y);
        if spread > 0.0 { covariance / spread.sqrt() } else { f64::NAN }
    })
}

/// The number that a column has in its first row: arguments such as a rank are the same everywhere.
fn constant(model: &DataModel, column: &Arc<RowColumn>) -> f64 {
    match &**column {
        RowColumn::Numbers { numbers, .. } => numbers.first().copied().unwrap_or(f64::NAN),
        RowColumn::Coded(coded) if coded.codes.is_empty() => f64::NAN,
        RowColumn::Coded(coded) => coded.values.of(model).numbers[coded.codes.get(0) as usize],
    }
}

fn constant_text(model: &DataModel, column: &Arc<RowColumn>) -> String {
    let coded = column.coded();
    if coded.codes.is_empty() {
        return String::new();
    }
    coded.values.of(model).value(coded.codes.get(0)).text().into_owned()
}

/// A code and how often it occurs.
type Occurrence = (u32, u32);

/// The distinct values of each group and how often each occurs.
struct Occurrences {
    starts: Vec<usize>,
    /// By code.
    items: Vec<Occurrence>,
}

impl Occurrences {
    fn of(&self, group: usize) -> &[(u32, u32)] {
        &self.items[self.starts[group]..self.starts[group + 1]]
    }
}

fn occurrences(
    coded: &Coded,
    null: u32,
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> Occurrences {
    let width = null as usize + 1;
    let mut starts = Vec::with_capacity(groups + 1);
    starts.push(0);
    let mut items = Vec::new();
    if is_worth_a_place_each(groups, width, feed, 1 << 22) {
        let mut counts = vec![0u32; groups * width];
        with_codes!(&*coded.codes, codes => {
            for block in feed.blocks_until(stop) {
                feed.each(block, |row, group| counts[group * width + codes[row].index()] += 1);
            }
        });
        for histogram in counts.chunks_exact(width) {
            let occurring =
                histogram[..width - 1].iter().enumerate().filter(|(_, count)| **count > 0);
            items.extend(occurring.map(|(code, &count)| (code as u32, count)));
            starts.push(items.len());
        }
        return Occurrences { starts, items };
    }
    let mut pairs: Vec<u64> = Vec::new();
    with_codes!(&*coded.codes, codes => {
        for block in feed.blocks_until(stop) {
            feed.each(block, |row, group| {
                let code = codes[row].index();
                if code + 1 != width {
                    pairs.push((group as u64) << 32 | code as u64);
                }
            });
        }
    });
    pairs.par_sort_unstable();
    for run in pairs.chunk_by(|left, right| left == right) {
        let (group, code) = ((run[0] >> 32) as usize, run[0] as u32);
        while starts.len() <= group {
            starts.push(items.len());
        }
        items.push((code, run.len() as u32));
    }
    starts.resize(groups + 1, items.len());
    Occurrences { starts, items }
}

/// Whether a place for every group and value costs less than sorting the rows' pairs of them.
fn is_worth_a_place_each(groups: usize, width: usize, feed: &Feed, most: usize) -> bool {
    let limit = feed.rows().saturating_mul(16).clamp(1 << 16, most);
    groups.checked_mul(width).is_some_and(|size| size <= limit)
}

/// Counts distinct values without listing them.
fn count_distinct(
    coded: &Coded,
    null: u32,
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> Option<Vec<f64>> {
    let width = null as usize + 1;
    if !is_worth_a_place_each(groups, width, feed, 1 << 24) {
        return None;
    }
    let mut seen = vec![false; groups * width];
    with_codes!(&*coded.codes, codes => {
        for block in feed.blocks_until(stop) {
            feed.each(block, |row, group| seen[group * width + codes[row].index()] = true);
        }
    });
    let count = |flags: &[bool]| flags[..width - 1].iter().filter(|flag| **flag).count() as f64;
    Some(seen.chunks_exact(width).map(count).collect())
}

fn by_occurrence(
    model: &DataModel,
    kind: AggregateKind,
    distinct: bool,
    args: &[Arc<RowColumn>],
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
) -> Result<GroupValues, Failure> {
    use AggregateKind as Kind;
    let coded = args[0].coded();
    let values = coded.values.of(model);
    if kind == Kind::Count
        && let Some(counts) = count_distinct(coded, values.null(), feed, stop, groups)
    {
        return Ok(GroupValues::Numbers(counts));
    }
    let found = occurrences(coded, values.null(), feed, stop, groups);
    let each = |result: &dyn Fn(&[Occurrence]) -> f64| {
        GroupValues::Numbers(until(stop, groups).map(|group| result(found.of(group))).collect())
    };
    let each_value = |result: &dyn Fn(&[Occurrence]) -> Option<u32>| {
        let value =
            |group| result(found.of(group)).map_or(Value::Null, |code| values.value(code).clone());
        GroupValues::Values(until(stop, groups).map(value).collect())
    };
    let sample = |items: &[(u32, u32)]| Sample::of(values, items, distinct);
    Ok(match kind {
        Kind::Sum => each(&|items| sample(items).sum()),
        Kind::Avg => each(&|items| sample(items).mean()),
        Kind::Count => each(&|items| items.len() as f64),
        Kind::NumericCount => each(&|items| sample(items).count()),
        Kind::TextCount => each(&|items| {
            items.iter().filter(|(code, _)| values.value(*code).is_text()).count() as f64
        }),
        Kind::NullCount | Kind::MissingCount => {
            // Distinct nulls are one null.
            let counts = count_if(model, &args[0], feed, stop, groups, Value::is_null);
            GroupValues::Numbers(counts.into_iter().map(|count| count.min(1.0)).collect())
        }
        Kind::Min | Kind::Max => {
            let rank = args.get(1).map_or(1.0, |rank| constant(model, rank));
            each(&|items| {
                let mut distinct: Vec<f64> =
                    Sample::of(values, items, true).numbers.into_iter().map(|(x, _)| x).collect();
                if kind == Kind::Max {
                    distinct.reverse();
                }
                if rank >= 1.0 {
                    distinct.get(rank as usize - 1).copied().unwrap_or(f64::NAN)
                } else {
                    f64::NAN
                }
            })
        }
        Kind::Only => each_value(&|items| match items {
            [(code, _)] => Some(*code),
            _ => None,
        }),
        Kind::Mode => each_value(&|items| {
            let most = items.iter().map(|(_, count)| *count).max()?;
            let mut modes = items.iter().filter(|(_, count)| *count == most);
            match (modes.next(), modes.next()) {
                (Some((code, _)), None) => Some(*code),
                _ => None,
            }
        }),
        Kind::MinString | Kind::MaxString => {
            let rank = |(code, _): &&(u32, u32)| values.ranks().text[*code as usize];
            each_value(&|items| {
                let found = if kind == Kind::MinString {
                    items.iter().min_by_key(rank)
                } else {
                    items.iter().max_by_key(rank)
                };
                found.map(|(code, _)| *code)
            })
        }
        Kind::Concat => return concat(model, distinct, args, feed, stop, groups, &found),
        Kind::Median => each(&|items| sample(items).fractile(0.5)),
        Kind::Fractile => {
            let fraction = args.get(1).map_or(f64::NAN, |fraction| constant(model, fraction));
            each(&|items| sample(items).fractile(fraction))
        }
        Kind::Stdev => each(&|items| sample(items).deviation()),
        Kind::Sterr => each(&|items| {
            let sample = sample(items);
            sample.deviation() / sample.count().sqrt()
        }),
        Kind::Skew => each(&|items| sample(items).skewness()),
        Kind::Kurtosis => each(&|items| sample(items).kurtosis()),
        Kind::FirstValue | Kind::LastValue | Kind::FirstSortedValue | Kind::Correl => {
            return aggregate(model, kind, false, args, feed, stop, groups);
        }
    })
}

/// The texts of a group, in the order of the third argument or else of the values, joined by the second. Nothing where
/// they are longer than any text may be.
fn concat(
    model: &DataModel,
    distinct: bool,
    args: &[Arc<RowColumn>],
    feed: &Feed,
    stop: Stop<'_>,
    groups: usize,
    found: &Occurrences,
) -> Result<GroupValues, Failure> {
    let coded = args[0].coded();
    let values = coded.values.of(model);
    let separator = args.get(1).map_or(String::new(), |separator| constant_text(model, separator));
    let mut weights: Vec<Vec<(f64, u32)>> = Vec::new();
    if let Some(weight) = args.get(2) {
        weights = vec![Vec::new(); groups];
        with_numbers!(model, weight, number => {
            for block in feed.blocks_until(stop) {
                feed.each(block, |row, group| {
                    let code = coded.codes.get(row);
                    if code != values.null() {
                        weights[group].push((number(row), code));
                    }
                });
            }
        });
    }
    let ranks = values.ranks();
    let order = |code: u32| (ranks.numeric[code as usize], ranks.text[code as usize]);
    let mut joined = |group: usize| {
        let mut texts: Vec<u32> = Vec::new();
        match weights.get_mut(group) {
            Some(weighted) => {
                weighted.sort_by(|left, right| {
                    left.0.total_cmp(&right.0).then(order(left.1).cmp(&order(right.1)))
                });
                texts.extend(weighted.iter().map(|(_, code)| *code));
                if distinct {
                    let mut seen = hashbrown::HashSet::new();
                    texts.retain(|code| seen.insert(*code));
                }
            }
            None => {
                for (code, count) in found.of(group) {
                    texts.extend(std::iter::repeat_n(
                        *code,
                        if distinct { 1 } else { *count as usize },
                    ));
                }
                texts.sort_by_key(|code| order(*code));
            }
        }
        if texts.is_empty() {
            return Value::Null;
        }
        let mut whole = String::new();
        for (at, code) in texts.into_iter().enumerate() {
            if at > 0 {
                whole.push_str(&separator);
            }
            whole.push_str(&values.value(code).text());
            if whole.len() > MAX_TEXT {
                return Value::Null;
            }
        }
        Value::from_text(&whole)
    };
    let mut texts = Texts::default();
    let mut all = Vec::with_capacity(groups);
    for group in until(stop, groups) {
        let text = joined(group);
        texts.add(&text)?;
        all.push(text);
    }
    Ok(GroupValues::Values(all))
}

/// The numbers of a group, ascending, with how often each occurs.
struct Sample {
    numbers: Vec<(f64, f64)>,
}

impl Sample {
    fn of(values: &FieldValues, items: &[(u32, u32)], distinct: bool) -> Sample {
        let mut numbers: Vec<(f64, f64)> = items
            .iter()
            .map(|(code, count)| {
                (values.numbers[*code as usize], if distinct { 1.0 } else { f64::from(*count) })
            })
            .filter(|(number, _)| !number.is_nan())
            .collect();
        numbers.sort_by(|left, right| left.0.total_cmp(&right.0));
        Sample { numbers }
    }

    fn count(&self) -> f64 {
        self.numbers.iter().map(|(_, count)| count).sum()
    }

    fn sum(&self) -> f64 {
        self.numbers.iter().map(|(number, count)| number * count).sum()
    }

    fn mean(&self) -> f64 {
        self.sum() / self.count()
    }

    /// Sum of the powers of the distances from the mean.
    fn moment(&self, power: i32) -> f64 {
        let mean = self.mean();
        self.numbers.iter().map(|(number, count)| (number - mean).powi(power) * count).sum()
    }

    fn deviation(&self) -> f64 {
        let n = self.count();
        if n > 1.0 { (self.moment(2) / (n - 1.0)).sqrt() } else { f64::NAN }
    }

    fn skewness(&self) -> f64 {
        let (n, s) = (self.count(), self.deviation());
        if n > 2.0 && s > 0.0 {
            n / ((n - 1.0) * (n - 2.0)) * self.moment(3) / s.powi(3)
        } else {
            f64::NAN
        }
    }

    fn kurtosis(&self) -> f64 {
        let (n, s) = (self.count(), self.deviation());
        if n <= 3.0 || s <= 0.0 || s.is_nan() {
            return f64::NAN;
        }
        let scale = n * (n + 1.0) / ((n - 1.0) * (n - 2.0) * (n - 3.0));
        scale * self.moment(4) / s.powi(4) - 3.0 * (n - 1.0) * (n - 1.0) / ((n - 2.0) * (n - 3.0))
    }

    /// The value below which a fraction of the numbers lies, between neighbours in proportion.
    fn fractile(&self, fraction: f64) -> f64 {
        let n = self.count();
        if n == 0.0 || !(0.0..=1.0).contains(&fraction) {
            return f64::NAN;
        }
        let place = fraction * (n - 1.0);
        let at = |place: f64| {
            let mut before = 0.0;
            for (number, count) in &self.numbers {
                before += count;
                if place < before {
                    return *number;
                }
            }
            f64::NAN
        };
        let (low, high) = (at(place.floor()), at(place.ceil()));
        low + (high - low) * (place - place.floor())
    }
}
