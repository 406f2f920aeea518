//! Dates and times.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::{numeric, whole};
use crate::expression::Environment;
use crate::format::{
    CivilTime, DatePattern, civil_from_serial, date_from_days, days_in_month, serial_from_date,
    weekday,
};
use crate::value::Value;

thread_local! {
    /// The patterns used last: a column is formatted with the same one, row after row.
    static PATTERNS: RefCell<Vec<(Arc<str>, Rc<DatePattern>)>> = const { RefCell::new(Vec::new()) };
}

fn pattern_of(text: &Arc<str>) -> Rc<DatePattern> {
    PATTERNS.with_borrow_mut(|patterns| {
        if let Some((_, pattern)) = patterns.iter().find(|(known, _)| known == text) {
            return pattern.clone();
        }
        if patterns.len() == 16 {
            patterns.remove(0);
        }
        let pattern = Rc::new(DatePattern::new(text));
        patterns.push((text.clone(), pattern.clone()));
        pattern
    })
}

fn given_or(args: &[Value], default: &Arc<str>) -> Arc<str> {
    match args.get(1) {
        Some(pattern) if !pattern.is_null() => pattern.shared_text(),
        _ => default.clone(),
    }
}

fn written(args: &[Value], default: &Arc<str>, environment: &Environment<'_>) -> Value {
    match numeric(&args[0], environment) {
        Some(serial) => Value::dual(
            serial,
            &pattern_of(&given_or(args, default)).write(serial, environment.locale),
        ),
        None => Value::Null,
    }
}

fn read(args: &[Value], default: &Arc<str>, environment: &Environment<'_>) -> Value {
    let value = &args[0];
    // A number read under a pattern is read as the text it shows: `Date#(20130501, 'YYYYMMDD')`.
    if value.is_null() {
        return Value::Null;
    }
    let text = value.text();
    match pattern_of(&given_or(args, default)).read(&text, environment.locale) {
        Some(serial) => Value::dual(serial, &text),
        None => value.clone(),
    }
}

pub(super) fn date(args: &[Value], environment: &Environment<'_>) -> Value {
    written(args, &environment.locale.date_format, environment)
}

pub(super) fn date_parse(args: &[Value], environment: &Environment<'_>) -> Value {
    read(args, &environment.locale.date_format, environment)
}

pub(super) fn time(args: &[Value], environment: &Environment<'_>) -> Value {
    written(args, &environment.locale.time_format, environment)
}

pub(super) fn time_parse(args: &[Value], environment: &Environment<'_>) -> Value {
    read(args, &environment.locale.time_format, environment)
}

pub(super) fn timestamp(args: &[Value], environment: &Environment<'_>) -> Value {
    written(args, &environment.locale.timestamp_format, environment)
}

pub(super) fn timestamp_parse(args: &[Value], environment: &Environment<'_>) -> Value {
    read(args, &environment.locale.timestamp_format, environment)
}

pub(super) fn interval(args: &[Value], environment: &Environment<'_>) -> Value {
    match numeric(&args[0], environment) {
        Some(length) => {
            let pattern = pattern_of(&given_or(args, &environment.locale.interval_format));
            Value::dual(length, &pattern.write_interval(length, environment.locale))
        }
        None => Value::Null,
    }
}

pub(super) fn interval_parse(args: &[Value], environment: &Environment<'_>) -> Value {
    let value = &args[0];
    let text = value.text();
    let pattern = pattern_of(&given_or(args, &environment.locale.interval_format));
    match pattern.read_interval(&text, environment.locale) {
        Some(length) => Value::dual(length, &text),
        None => value.clone(),
    }
}

fn date_value(serial: f64, environment: &Environment<'_>) -> Value {
    Value::dual(
        serial,
        &pattern_of(&environment.locale.date_format).write(serial, environment.locale),
    )
}

fn timestamp_value(serial: f64, environment: &Environment<'_>) -> Value {
    Value::dual(
        serial,
        &pattern_of(&environment.locale.timestamp_format).write(serial, environment.locale),
    )
}

pub(super) fn make_date(args: &[Value], environment: &Environment<'_>) -> Value {
    let part = |at: usize| args.get(at).map_or(Some(1), |value| whole(value, environment));
    let (Some(year), Some(month), Some(day)) = (part(0), part(1), part(2)) else {
        return Value::Null;
    };
    let fits = |number: i64| u32::try_from(number).unwrap_or(0);
    match i32::try_from(year).ok().and_then(|year| serial_from_date(year, fits(month), fits(day))) {
        Some(serial) => date_value(serial, environment),
        None => Value::Null,
    }
}

pub(super) fn make_time(args: &[Value], environment: &Environment<'_>) -> Value {
    let part = |at: usize| args.get(at).map_or(Some(0), |value| whole(value, environment));
    match (part(0), part(1), part(2)) {
        (Some(hour @ 0..=23), Some(minute @ 0..=59), Some(second @ 0..=59)) => {
            let serial = (hour * 3_600 + minute * 60 + second) as f64 / 86_400.0;
            Value::dual(
                serial,
                &pattern_of(&environment.locale.time_format).write(serial, environment.locale),
            )
        }
        _ => Value::Null,
    }
}

/// `MakeWeekDate(year [, week [, weekday]])`; weekday 0 is Monday.
pub(super) fn make_week_date(args: &[Value], environment: &Environment<'_>) -> Value {
    let part = |at: usize, default: i64| {
        args.get(at).map_or(Some(default), |value| whole(value, environment))
    };
    let (Some(year), Some(week), Some(day)) = (part(0, 0), part(1, 1), part(2, 0)) else {
        return Value::Null;
    };
    let Some(january) = i32::try_from(year).ok().and_then(|year| serial_from_date(year, 1, 4))
    else {
        return Value::Null;
    };
    if !(1..=53).contains(&week) || !(0..=6).contains(&day) {
        return Value::Null;
    }
    let monday = january as i64 - i64::from(weekday(january as i64));
    date_value((monday + (week - 1) * 7 + day) as f64, environment)
}

fn civil(args: &[Value], environment: &Environment<'_>) -> Option<CivilTime> {
    civil_from_serial(numeric(&args[0], environment)?)
}

macro_rules! parts_of_a_moment {
    ($($name:ident $part:ident;)*) => {
        $(pub(super) fn $name(args: &[Value], environment: &Environment<'_>) -> Value {
            civil(args, environment).map_or(Value::Null, |time| Value::Number(f64::from(time.$part)))
        })*
    };
}

parts_of_a_moment! {
    year year;
    day day;
    hour hour;
    minute minute;
    second second;
}

/// Shown by its name, sorted by its number.
pub(super) fn month(args: &[Value], environment: &Environment<'_>) -> Value {
    let Some(time) = civil(args, environment) else { return Value::Null };
    named(&environment.locale.month_names, time.month as usize - 1, f64::from(time.month))
}

/// Monday is 0, or whichever day the second argument makes the first.
pub(super) fn week_day(args: &[Value], environment: &Environment<'_>) -> Value {
    let Some(serial) = in_calendar(numeric(&args[0], environment)) else { return Value::Null };
    let day = i64::from(weekday(serial.floor() as i64));
    let first = args
        .get(1)
        .and_then(|first| whole(first, environment))
        .unwrap_or(i64::from(environment.locale.first_week_day));
    named(&environment.locale.day_names, day as usize, (day - first).rem_euclid(7) as f64)
}

fn named(names: &[Arc<str>], at: usize, number: f64) -> Value {
    match names.get(at) {
        Some(name) => Value::Dual(number, name.clone()),
        None => Value::Number(number),
    }
}

fn in_calendar(serial: Option<f64>) -> Option<f64> {
    serial.filter(|serial| civil_from_serial(*serial).is_some())
}

/// ISO week and its year: week 1 holds 4 January (the locale's reference day), weeks begin on the locale's first day.
fn week_and_year(serial: f64, environment: &Environment<'_>) -> (i64, i32) {
    let days = serial.floor() as i64;
    let first = i64::from(environment.locale.first_week_day);
    let start_of_week = |days: i64| days - (i64::from(weekday(days)) - first).rem_euclid(7);
    let start_of_year = |year: i32| {
        let reference = u32::from(environment.locale.reference_day.clamp(1, 7));
        start_of_week(serial_from_date(year, 1, reference).unwrap_or(0.0) as i64)
    };
    let (mut year, ..) = date_from_days(days);
    if environment.locale.broken_weeks {
        let january = serial_from_date(year, 1, 1).unwrap_or(0.0) as i64;
        return ((start_of_week(days) - start_of_week(january)) / 7 + 1, year);
    }
    if days >= start_of_year(year + 1) {
        year += 1;
    } else if days < start_of_year(year) {
        year -= 1;
    }
    ((days - start_of_year(year)) / 7 + 1, year)
}

pub(super) fn week(args: &[Value], environment: &Environment<'_>) -> Value {
    match in_calendar(numeric(&args[0], environment)) {
        Some(serial) => Value::Number(week_and_year(serial, environment).0 as f64),
        None => Value::Null,
    }
}

pub(super) fn week_year(args: &[Value], environment: &Environment<'_>) -> Value {
    match in_calendar(numeric(&args[0], environment)) {
        Some(serial) => Value::Number(f64::from(week_and_year(serial, environment).1)),
        None => Value::Null,
    }
}

/// A period of whole months: its first day and the first day after it.
fn months(
    args: &[Value],
    environment: &Environment<'_>,
    length: i64,
    first_month: i64,
) -> Option<(f64, f64)> {
    let time = civil(args, environment)?;
    let shift = args.get(1).map_or(Some(0), |shift| whole(shift, environment))?;
    let month = i64::from(time.year) * 12 + i64::from(time.month) - 1;
    let start = (month - (first_month - 1)).div_euclid(length) * length + (first_month - 1);
    let start = start.checked_add(shift.checked_mul(length)?)?;
    Some((first_day(start)?, first_day(start.checked_add(length)?)?))
}

/// The first day of a month counted from the year 0.
fn first_day(month: i64) -> Option<f64> {
    serial_from_date(i32::try_from(month.div_euclid(12)).ok()?, month.rem_euclid(12) as u32 + 1, 1)
}

/// The last millisecond before a day.
fn before(serial: f64) -> f64 {
    serial - 1.0 / 86_400_000.0
}

fn start(period: Option<(f64, f64)>, environment: &Environment<'_>) -> Value {
    period.map_or(Value::Null, |(start, _)| date_value(start, environment))
}

/// Shown as its day, though it is the day's last moment.
fn end(period: Option<(f64, f64)>, environment: &Environment<'_>) -> Value {
    period.map_or(Value::Null, |(_, end)| date_value(before(end), environment))
}

fn year_begin(args: &[Value], at: usize, environment: &Environment<'_>) -> i64 {
    let given = args.get(at).and_then(|month| whole(month, environment));
    given.unwrap_or(i64::from(environment.locale.first_month_of_year)).clamp(1, 12)
}

pub(super) fn month_start(args: &[Value], environment: &Environment<'_>) -> Value {
    start(months(args, environment, 1, 1), environment)
}

pub(super) fn month_end(args: &[Value], environment: &Environment<'_>) -> Value {
    end(months(args, environment, 1, 1), environment)
}

pub(super) fn quarter_start(args: &[Value], environment: &Environment<'_>) -> Value {
    start(months(args, environment, 3, year_begin(args, 2, environment)), environment)
}

pub(super) fn quarter_end(args: &[Value], environment: &Environment<'_>) -> Value {
    end(months(args, environment, 3, year_begin(args, 2, environment)), environment)
}

pub(super) fn year_start(args: &[Value], environment: &Environment<'_>) -> Value {
    start(months(args, environment, 12, year_begin(args, 2, environment)), environment)
}

pub(super) fn year_end(args: &[Value], environment: &Environment<'_>) -> Value {
    end(months(args, environment, 12, year_begin(args, 2, environment)), environment)
}

/// `May 2013`, with the month's first day as number.
pub(super) fn month_name(args: &[Value], environment: &Environment<'_>) -> Value {
    let Some((start, _)) = months(args, environment, 1, 1) else { return Value::Null };
    Value::dual(start, &pattern_of(&Arc::from("MMM YYYY")).write(start, environment.locale))
}

/// `Apr-Jun 2013`, with the quarter's first day as number.
pub(super) fn quarter_name(args: &[Value], environment: &Environment<'_>) -> Value {
    let Some((start, end)) = months(args, environment, 3, year_begin(args, 2, environment)) else {
        return Value::Null;
    };
    let month = pattern_of(&Arc::from("MMM")).write(start, environment.locale);
    let last = pattern_of(&Arc::from("MMM YYYY")).write(before(end), environment.locale);
    Value::dual(start, &format!("{month}-{last}"))
}

pub(super) fn year_name(args: &[Value], environment: &Environment<'_>) -> Value {
    let first_month = year_begin(args, 2, environment);
    let Some((start, end)) = months(args, environment, 12, first_month) else { return Value::Null };
    let year = |serial: f64| civil_from_serial(serial).map_or(0, |time| time.year);
    let text = match first_month {
        1 => year(start).to_string(),
        _ => format!("{}-{}", year(start), year(before(end))),
    };
    Value::dual(start, &text)
}

fn week_period(args: &[Value], environment: &Environment<'_>) -> Option<(f64, f64)> {
    let days = in_calendar(numeric(&args[0], environment))?.floor() as i64;
    let shift = args
        .get(1)
        .map_or(Some(0), |shift| whole(shift, environment))?
        .clamp(-1_000_000, 1_000_000);
    let first = args.get(2).and_then(|first| whole(first, environment));
    let first = first.unwrap_or(i64::from(environment.locale.first_week_day)).rem_euclid(7);
    let start = days - (i64::from(weekday(days)) - first).rem_euclid(7) + shift * 7;
    Some((start as f64, (start + 7) as f64))
}

pub(super) fn week_start(args: &[Value], environment: &Environment<'_>) -> Value {
    start(week_period(args, environment), environment)
}

pub(super) fn week_end(args: &[Value], environment: &Environment<'_>) -> Value {
    end(week_period(args, environment), environment)
}

/// `2013/18`, with the week's first day as number.
pub(super) fn week_name(args: &[Value], environment: &Environment<'_>) -> Value {
    let Some((start, _)) =
        week_period(args, environment).filter(|(start, _)| in_calendar(Some(*start)).is_some())
    else {
        return Value::Null;
    };
    let (week, year) = week_and_year(start, environment);
    Value::dual(start, &format!("{year}/{week:02}"))
}

fn day_period(args: &[Value], environment: &Environment<'_>) -> Option<(f64, f64)> {
    let shift = args.get(1).map_or(Some(0), |shift| whole(shift, environment))?;
    let day = numeric(&args[0], environment)?.floor() + shift as f64;
    Some((day, day + 1.0))
}

pub(super) fn day_start(args: &[Value], environment: &Environment<'_>) -> Value {
    day_period(args, environment)
        .map_or(Value::Null, |(start, _)| timestamp_value(start, environment))
}

pub(super) fn day_end(args: &[Value], environment: &Environment<'_>) -> Value {
    day_period(args, environment)
        .map_or(Value::Null, |(_, end)| timestamp_value(before(end), environment))
}

pub(super) fn day_number_of_year(args: &[Value], environment: &Environment<'_>) -> Value {
    let serial = numeric(&args[0], environment).map(f64::floor);
    let start = months(&args[..1], environment, 12, year_begin(args, 1, environment));
    match (serial, start) {
        (Some(serial), Some((start, _))) => Value::Number(serial - start + 1.0),
        _ => Value::Null,
    }
}

/// The same day of another month, or that month's last day. Mode 1 counts from the month's end.
pub(super) fn add_months(args: &[Value], environment: &Environment<'_>) -> Value {
    let (Some(serial), Some(count)) =
        (numeric(&args[0], environment), whole(&args[1], environment))
    else {
        return Value::Null;
    };
    let from_end = args.get(2).and_then(|mode| whole(mode, environment)) == Some(1);
    moved(serial, count, from_end).map_or(Value::Null, |serial| like(&args[0], serial, environment))
}

pub(super) fn add_years(args: &[Value], environment: &Environment<'_>) -> Value {
    let (Some(serial), Some(count)) =
        (numeric(&args[0], environment), whole(&args[1], environment))
    else {
        return Value::Null;
    };
    let months = count.saturating_mul(12);
    moved(serial, months, false).map_or(Value::Null, |serial| like(&args[0], serial, environment))
}

fn moved(serial: f64, months: i64, from_end: bool) -> Option<f64> {
    let time = civil_from_serial(serial)?;
    let month = (i64::from(time.year) * 12 + i64::from(time.month) - 1).checked_add(months)?;
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let month = month.rem_euclid(12) as u32 + 1;
    let length = days_in_month(year, month);
    let day = match from_end {
        true => length.saturating_sub(days_in_month(time.year, time.month) - time.day).max(1),
        false => time.day.min(length),
    };
    Some(serial_from_date(year, month, day)? + (serial - serial.floor()))
}

/// A date for a date, a timestamp for a moment within a day.
fn like(_original: &Value, serial: f64, environment: &Environment<'_>) -> Value {
    if serial.fract() == 0.0 {
        date_value(serial, environment)
    } else {
        timestamp_value(serial, environment)
    }
}

/// Whole years from a birth date to a date.
pub(super) fn age(args: &[Value], environment: &Environment<'_>) -> Value {
    let now = civil(args, environment);
    let born = civil(&args[1..], environment);
    match (now, born) {
        (Some(now), Some(born)) => {
            let had_birthday = (now.month, now.day) >= (born.month, born.day);
            Value::Number(f64::from(now.year - born.year - i32::from(!had_birthday)))
        }
        _ => Value::Null,
    }
}

/// `InYear(date, base, shift [, first month])`.
pub(super) fn in_year(args: &[Value], environment: &Environment<'_>) -> Value {
    let serial = numeric(&args[0], environment);
    let period = months(&args[1..3], environment, 12, year_begin(args, 3, environment));
    within(serial, period)
}

pub(super) fn in_month(args: &[Value], environment: &Environment<'_>) -> Value {
    let serial = numeric(&args[0], environment);
    within(serial, months(&args[1..3], environment, 1, 1))
}

fn within(serial: Option<f64>, period: Option<(f64, f64)>) -> Value {
    match (serial, period) {
        (Some(serial), Some((start, end))) => Value::from_bool(serial >= start && serial < end),
        _ => Value::Null,
    }
}

pub(super) fn today(_: &[Value], environment: &Environment<'_>) -> Value {
    date_value(environment.now.floor(), environment)
}

pub(super) fn now(_: &[Value], environment: &Environment<'_>) -> Value {
    timestamp_value((environment.now * 86_400.0).floor() / 86_400.0, environment)
}
