//! Serial dates (days since 1899-12-30, the time of day as fraction), their patterns, and their way into text and back.

use std::fmt::Write;
use std::sync::Arc;

use super::Locale;
use crate::value::fold;

/// A moment as people write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CivilTime {
    pub year: i32,
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub millisecond: u32,
}

const DAY_MILLISECONDS: i64 = 86_400_000;
/// Days from 1899-12-30 to 1970-01-01.
const EPOCH: i64 = 25_569;
/// About the year 9999, on both sides; beyond, a number is no date.
const MOST_DAYS: f64 = 2_958_466.0;

/// The date of a serial number, to the millisecond; nothing where the number lies beyond all calendars.
pub fn civil_from_serial(serial: f64) -> Option<CivilTime> {
    if !serial.is_finite() || serial.abs() >= MOST_DAYS {
        return None;
    }
    let milliseconds = (serial * DAY_MILLISECONDS as f64).round() as i64;
    let (year, month, day) = date_from_days(milliseconds.div_euclid(DAY_MILLISECONDS));
    let time = milliseconds.rem_euclid(DAY_MILLISECONDS) as u32;
    Some(CivilTime {
        year,
        month,
        day,
        hour: time / 3_600_000,
        minute: time / 60_000 % 60,
        second: time / 1_000 % 60,
        millisecond: time % 1_000,
    })
}

/// The serial number of a moment; nothing for a day that is in no calendar, such as 30 February.
pub fn serial_from_civil(time: &CivilTime) -> Option<f64> {
    if time.hour > 24 || time.minute > 59 || time.second > 59 {
        return None;
    }
    let day = serial_from_date(time.year, time.month, time.day)?;
    let seconds = f64::from(time.hour * 3_600 + time.minute * 60 + time.second);
    Some(day + (seconds * 1_000.0 + f64::from(time.millisecond)) / DAY_MILLISECONDS as f64)
}

/// The serial number of a day.
pub fn serial_from_date(year: i32, month: u32, day: u32) -> Option<f64> {
    let fits = (1..=12).contains(&month)
        && day >= 1
        && day <= days_in_month(year, month)
        && (-9999..=9999).contains(&year);
    fits.then(|| days_from_date(year, month, day) as f64)
}

pub fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Monday is 0.
pub fn weekday(days: i64) -> u32 {
    // Day 0, 1899-12-30, was a Saturday.
    (days + 5).rem_euclid(7) as u32
}

// The Gregorian calendar counted in eras of 400 years that begin in March, so that leap days come last.
fn days_from_date(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 + EPOCH
}

pub(crate) fn date_from_days(days: i64) -> (i32, u32, u32) {
    let days = days - EPOCH + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = ((shifted_month + 2) % 12 + 1) as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month, day)
}

/// A pattern such as `YYYY-MM-DD hh:mm:ss[.fff] TT`, ready to write and to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatePattern {
    parts: Vec<Part>,
    has_half_day: bool,
    begins_with_name: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Year(usize),
    Month(usize),
    Day(usize),
    Weekday(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
    Fraction(usize),
    HalfDay { upper: bool },
    Literal(Arc<str>),
    Optional(Vec<Part>),
}

impl DatePattern {
    pub fn new(pattern: &str) -> DatePattern {
        let mut characters = pattern.chars().collect::<Vec<_>>().into_iter().peekable();
        let parts = parts(&mut characters, false);
        let has_half_day = parts.iter().any(|part| matches!(part, Part::HalfDay { .. }));
        let begins_with_name = matches!(parts.first(), Some(Part::Month(3..) | Part::Weekday(3..)));
        DatePattern { parts, has_half_day, begins_with_name }
    }

    /// Whether texts of this pattern begin with a word, such as a month's name.
    pub(crate) fn begins_with_name(&self) -> bool {
        self.begins_with_name
    }

    pub fn write(&self, serial: f64, locale: &Locale) -> String {
        match civil_from_serial(serial) {
            Some(time) => {
                let mut text = String::new();
                self.write_parts(
                    &self.parts,
                    &mut text,
                    &time,
                    weekday(serial.floor() as i64),
                    locale,
                );
                text
            }
            None => super::number_text(serial),
        }
    }

    /// Writes a length of time: the largest unit takes all that is left, so hours may pass 24.
    pub fn write_interval(&self, serial: f64, locale: &Locale) -> String {
        if !serial.is_finite() || serial.abs() >= 1e9 {
            return super::number_text(serial);
        }
        let total = (serial.abs() * DAY_MILLISECONDS as f64).round() as i64;
        let mut text = String::new();
        if serial < 0.0 && total > 0 {
            text.push('-');
        }
        let has = |wanted: fn(&Part) -> bool| self.parts.iter().any(wanted);
        let (has_day, has_hour) =
            (has(|part| matches!(part, Part::Day(_))), has(|part| matches!(part, Part::Hour(_))));
        let has_minute = has(|part| matches!(part, Part::Minute(_)));
        let hours = if has_day { total / 3_600_000 % 24 } else { total / 3_600_000 };
        let minutes = if has_hour || has_day { total / 60_000 % 60 } else { total / 60_000 };
        let seconds =
            if has_minute || has_hour || has_day { total / 1_000 % 60 } else { total / 1_000 };
        for part in &self.parts {
            match part {
                Part::Day(width) => padded(&mut text, total / DAY_MILLISECONDS, *width),
                Part::Hour(width) => padded(&mut text, hours, *width),
                Part::Minute(width) => padded(&mut text, minutes, *width),
                Part::Second(width) => padded(&mut text, seconds, *width),
                other => {
                    let time =
                        CivilTime { millisecond: (total % 1_000) as u32, ..CivilTime::default() };
                    self.write_parts(std::slice::from_ref(other), &mut text, &time, 0, locale);
                }
            }
        }
        text
    }

    fn write_parts(
        &self,
        parts: &[Part],
        text: &mut String,
        time: &CivilTime,
        weekday: u32,
        locale: &Locale,
    ) {
        let name = |names: &[Arc<str>], at: u32| {
            names.get(at as usize).cloned().unwrap_or_else(|| Arc::from(""))
        };
        for part in parts {
            match part {
                Part::Year(2) => padded(text, i64::from(time.year.rem_euclid(100)), 2),
                Part::Year(width) => padded(text, i64::from(time.year), *width),
                Part::Month(3) => text.push_str(&name(&locale.month_names, time.month - 1)),
                Part::Month(4..) => text.push_str(&name(&locale.long_month_names, time.month - 1)),
                Part::Month(width) => padded(text, i64::from(time.month), *width),
                Part::Day(width) => padded(text, i64::from(time.day), *width),
                Part::Weekday(3) => text.push_str(&name(&locale.day_names, weekday)),
                Part::Weekday(4..) => text.push_str(&name(&locale.long_day_names, weekday)),
                Part::Weekday(width) => padded(text, i64::from(weekday), *width),
                Part::Hour(width) if self.has_half_day => {
                    padded(text, i64::from((time.hour + 11) % 12 + 1), *width)
                }
                Part::Hour(width) => padded(text, i64::from(time.hour), *width),
                Part::Minute(width) => padded(text, i64::from(time.minute), *width),
                Part::Second(width) => padded(text, i64::from(time.second), *width),
                Part::Fraction(width) => {
                    let digits = format!("{:03}", time.millisecond);
                    text.extend(digits.chars().chain(std::iter::repeat('0')).take(*width));
                }
                Part::HalfDay { upper } => text.push_str(match (time.hour < 12, upper) {
                    (true, true) => "AM",
                    (true, false) => "am",
                    (false, true) => "PM",
                    (false, false) => "pm",
                }),
                Part::Literal(literal) => text.push_str(literal),
                Part::Optional(inner) if time.millisecond != 0 => {
                    self.write_parts(inner, text, time, weekday, locale)
                }
                Part::Optional(_) => {}
            }
        }
    }

    /// Reads a text that follows the pattern from end to end.
    pub fn read(&self, text: &str, locale: &Locale) -> Option<f64> {
        let mut reading = Reading::default();
        let rest = read_parts(&self.parts, text.trim(), &mut reading, locale)?;
        if rest.is_empty() { reading.serial() } else { None }
    }

    /// Reads a length of time: units may run over.
    pub fn read_interval(&self, text: &str, locale: &Locale) -> Option<f64> {
        let trimmed = text.trim();
        let (unsigned, sign) = match trimmed.strip_prefix('-') {
            Some(rest) => (rest, -1.0),
            None => (trimmed, 1.0),
        };
        let mut reading = Reading::default();
        let rest = read_parts(&self.parts, unsigned, &mut reading, locale)?;
        if !rest.is_empty() {
            return None;
        }
        let seconds = f64::from(reading.hour.unwrap_or(0)) * 3_600.0
            + f64::from(reading.minute.unwrap_or(0)) * 60.0
            + f64::from(reading.second.unwrap_or(0))
            + f64::from(reading.millisecond.unwrap_or(0)) / 1_000.0;
        Some(sign * (f64::from(reading.day.unwrap_or(0)) + seconds / 86_400.0))
    }
}

fn parts(
    characters: &mut std::iter::Peekable<std::vec::IntoIter<char>>,
    inside: bool,
) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut literal = String::new();
    while let Some(character) = characters.next() {
        if character == ']' && inside {
            break;
        }
        if character == '[' && !inside {
            flush(&mut literal, &mut parts);
            parts.push(Part::Optional(self::parts(characters, true)));
            continue;
        }
        if character == '\\' {
            literal.extend(characters.next());
            continue;
        }
        // `M` is a month and `m` a minute; for the other letters case says nothing.
        let same = |next: char| {
            if matches!(character, 'M' | 'm') {
                next == character
            } else {
                next.eq_ignore_ascii_case(&character)
            }
        };
        if !matches!(
            character,
            'Y' | 'y'
                | 'M'
                | 'D'
                | 'd'
                | 'W'
                | 'w'
                | 'h'
                | 'H'
                | 'm'
                | 's'
                | 'S'
                | 'f'
                | 'F'
                | 'T'
                | 't'
        ) {
            literal.push(character);
            continue;
        }
        let mut width = 1;
        while characters.next_if(|next| same(*next)).is_some() {
            width += 1;
        }
        let part = match character {
            'Y' | 'y' => Part::Year(if width <= 2 { 2 } else { 4 }),
            'M' => Part::Month(width),
            'D' | 'd' => Part::Day(width),
            'W' | 'w' => Part::Weekday(width),
            'h' | 'H' => Part::Hour(width),
            'm' => Part::Minute(width),
            's' | 'S' => Part::Second(width),
            'f' | 'F' => Part::Fraction(width),
            _ if width == 2 => Part::HalfDay { upper: character == 'T' },
            // A single T separates date and time in ISO dates.
            _ => {
                literal.extend(std::iter::repeat_n(character, width));
                continue;
            }
        };
        flush(&mut literal, &mut parts);
        parts.push(part);
    }
    flush(&mut literal, &mut parts);
    parts
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(Arc::from(std::mem::take(literal))));
    }
}

fn padded(text: &mut String, number: i64, width: usize) {
    let _ = write!(text, "{number:0width$}");
}

#[derive(Clone, Copy, Default)]
struct Reading {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
    second: Option<u32>,
    millisecond: Option<u32>,
    afternoon: Option<bool>,
}

impl Reading {
    fn serial(&self) -> Option<f64> {
        let hour = match (self.hour, self.afternoon) {
            (Some(hour), Some(_)) if hour > 12 => return None,
            (Some(hour), Some(afternoon)) => hour % 12 + if afternoon { 12 } else { 0 },
            (hour, _) => hour.unwrap_or(0),
        };
        if hour > 23 || self.minute.unwrap_or(0) > 59 || self.second.unwrap_or(0) > 59 {
            return None;
        }
        let day = match (self.year, self.month, self.day) {
            (None, None, None) => 0.0,
            (year, month, day) => {
                // A pattern without a year, such as MMM or hh:mm, still names a day of some year.
                let year = year.map_or(1900, |year| year as i32);
                serial_from_date(year, month.unwrap_or(1), day.unwrap_or(1))?
            }
        };
        let seconds = hour * 3_600 + self.minute.unwrap_or(0) * 60 + self.second.unwrap_or(0);
        let milliseconds = f64::from(seconds) * 1_000.0 + f64::from(self.millisecond.unwrap_or(0));
        Some(day + milliseconds / DAY_MILLISECONDS as f64)
    }
}

fn read_parts<'t>(
    parts: &[Part],
    mut text: &'t str,
    reading: &mut Reading,
    locale: &Locale,
) -> Option<&'t str> {
    for (at, part) in parts.iter().enumerate() {
        // Digits that follow each other without a separator have exactly their pattern's width.
        let is_packed = matches!(
            parts.get(at + 1),
            Some(
                Part::Year(_)
                    | Part::Month(1 | 2)
                    | Part::Day(_)
                    | Part::Hour(_)
                    | Part::Minute(_)
                    | Part::Second(_)
                    | Part::Fraction(_)
            )
        );
        let mut number = |least: usize, most: usize| {
            let (number, rest) = digits(text, if is_packed { most } else { least }, most)?;
            text = rest;
            Some(number)
        };
        match part {
            Part::Year(2) => {
                let year = number(2, 2)?;
                reading.year = Some(if year < 50 { 2000 + year } else { 1900 + year });
            }
            Part::Year(_) => reading.year = Some(number(4, 4)?),
            Part::Month(3..) => {
                let (month, rest) = longest_name(text, &locale.long_month_names)
                    .or_else(|| longest_name(text, &locale.month_names))?;
                reading.month = Some(month + 1);
                text = rest;
            }
            Part::Month(_) => reading.month = Some(number(1, 2)?),
            Part::Day(_) => reading.day = Some(number(1, 2)?),
            Part::Weekday(3..) => {
                let (_, rest) = longest_name(text, &locale.long_day_names)
                    .or_else(|| longest_name(text, &locale.day_names))?;
                text = rest;
            }
            Part::Weekday(_) => {
                number(1, 2)?;
            }
            Part::Hour(_) => reading.hour = Some(number(1, if is_packed { 2 } else { 6 })?),
            Part::Minute(_) => reading.minute = Some(number(1, if is_packed { 2 } else { 6 })?),
            Part::Second(_) => reading.second = Some(number(1, if is_packed { 2 } else { 6 })?),
            Part::Fraction(_) => {
                let length = text.bytes().take_while(u8::is_ascii_digit).count();
                let (fraction, rest) = text.split_at(length);
                let kept: String = fraction.chars().chain("000".chars()).take(3).collect();
                reading.millisecond = Some(kept.parse().ok().filter(|_| length > 0)?);
                text = rest;
            }
            Part::HalfDay { .. } => {
                let word = text.get(..2)?;
                reading.afternoon = Some(match word.to_ascii_lowercase().as_str() {
                    "am" => false,
                    "pm" => true,
                    _ => return None,
                });
                text = &text[2..];
            }
            Part::Literal(literal) => text = text.strip_prefix(&**literal)?,
            Part::Optional(inner) => {
                let mut tried = *reading;
                if let Some(rest) = read_parts(inner, text, &mut tried, locale) {
                    *reading = tried;
                    text = rest;
                }
            }
        }
    }
    Some(text)
}

fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if length < least {
        return None;
    }
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// The name that the text begins with, whatever its case.
fn longest_name<'t>(text: &'t str, names: &[Arc<str>]) -> Option<(u32, &'t str)> {
    let mut best: Option<(u32, &str)> = None;
    for (at, name) in names.iter().enumerate() {
        let mut rest = text.chars();
        if !name.is_empty()
            && name
                .chars()
                .all(|wanted| rest.next().is_some_and(|found| fold(found) == fold(wanted)))
            && best.is_none_or(|(_, shortest)| rest.as_str().len() < shortest.len())
        {
            best = Some((at as u32, rest.as_str()));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_write_and_read() {
        let locale = Locale::default();
        let serial = 41_395.0 + (13.0 * 3600.0 + 5.0 * 60.0 + 9.25) / 86_400.0;
        for (pattern, text) in [
            ("YYYY-MM-DD", "2013-05-01"),
            ("M/D/YYYY", "5/1/2013"),
            ("DD.MM.YY", "01.05.13"),
            ("M/D/YYYY h:mm:ss[.fff] TT", "5/1/2013 1:05:09.250 PM"),
            ("YYYY-MM-DDThh:mm:ssZ", "2013-05-01T13:05:09Z"),
            ("WWWW D MMMM YYYY", "Wednesday 1 May 2013"),
            ("MMM YYYY", "May 2013"),
            ("hh:mm", "13:05"),
            ("YYYYMMDDhhmmss", "20130501130509"),
        ] {
            let compiled = DatePattern::new(pattern);
            assert_eq!(compiled.write(serial, &locale), text, "{pattern}");
            let again = compiled.read(text, &locale).map(|serial| compiled.write(serial, &locale));
            assert_eq!(again.as_deref(), Some(text), "{pattern}");
        }
    }

    #[test]
    fn days_that_are_in_no_calendar_are_not_read() {
        let pattern = DatePattern::new("YYYY-MM-DD");
        for text in ["2013-02-30", "2013-13-01", "2013-05-01x", "213-05-01", "2013-05", ""] {
            assert_eq!(pattern.read(text, &Locale::default()), None, "{text}");
        }
    }

    #[test]
    fn lengths_of_time_run_over() {
        let pattern = DatePattern::new("hh:mm:ss");
        assert_eq!(pattern.write_interval(1.5, &Locale::default()), "36:00:00");
        assert_eq!(pattern.write_interval(-0.25, &Locale::default()), "-06:00:00");
        assert_eq!(pattern.read_interval("36:00:00", &Locale::default()), Some(1.5));
        assert_eq!(DatePattern::new("mm").write_interval(0.5, &Locale::default()), "720");
    }

    proptest! {
        #[test]
        fn every_day_has_one_date(days in -2_958_465i64..2_958_465) {
            let (year, month, day) = date_from_days(days);
            prop_assert_eq!(days_from_date(year, month, day), days);
        }

        #[test]
        fn moments_come_back(milliseconds in 0i64..200_000 * DAY_MILLISECONDS) {
            let serial = milliseconds as f64 / DAY_MILLISECONDS as f64;
            let pattern = DatePattern::new("YYYY-MM-DD hh:mm:ss[.fff]");
            let text = pattern.write(serial, &Locale::default());
            let again = pattern.read(&text, &Locale::default()).unwrap();
            prop_assert!((again - serial).abs() < 1e-9, "{} {} {}", text, serial, again);
        }

        #[test]
        fn any_pattern_and_any_text_are_survived(pattern in ".{0,20}", text in ".{0,20}", serial in any::<f64>()) {
            let pattern = DatePattern::new(&pattern);
            pattern.read(&text, &Locale::default());
            pattern.write(serial, &Locale::default());
            pattern.write_interval(serial, &Locale::default());
        }
    }
}
