//! Text, and formatting numbers as text and back.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{numeric, whole};
use crate::expression::{Environment, occurrences};
use crate::format::{NumberFormat, NumberKind, NumberPattern, format_number, parse_separated};
use crate::value::Value;

/// No text grows past a megabyte by functions and operators.
pub(crate) const MAX_TEXT: usize = 1 << 20;

fn made(text: impl AsRef<str>) -> Value {
    Value::from_text(text.as_ref())
}

/// Nothing where the first argument is null, which text functions pass on.
fn on_text(args: &[Value], result: impl FnOnce(&str) -> Value) -> Value {
    match &args[0] {
        Value::Null => Value::Null,
        value => result(&value.text()),
    }
}

fn count_of(args: &[Value], at: usize, environment: &Environment<'_>) -> Option<usize> {
    whole(args.get(at)?, environment).map(|number| usize::try_from(number).unwrap_or(0))
}

pub(super) fn len(args: &[Value], _: &Environment<'_>) -> Value {
    Value::Number(args[0].text().chars().count() as f64)
}

pub(super) fn left(args: &[Value], environment: &Environment<'_>) -> Value {
    on_text(args, |text| made(from_character(text, 0, count_of(args, 1, environment).unwrap_or(0))))
}

pub(super) fn right(args: &[Value], environment: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let wanted = count_of(args, 1, environment).unwrap_or(0);
        made(from_character(text, text.chars().count().saturating_sub(wanted), usize::MAX))
    })
}

pub(super) fn mid(args: &[Value], environment: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let start = count_of(args, 1, environment).unwrap_or(1).max(1) - 1;
        let count =
            if args.len() > 2 { count_of(args, 2, environment).unwrap_or(0) } else { usize::MAX };
        made(from_character(text, start, count))
    })
}

/// `count` characters from the one at `start`.
fn from_character(text: &str, start: usize, count: usize) -> &str {
    let rest = match text.char_indices().nth(start) {
        Some((at, _)) => &text[at..],
        None => return "",
    };
    match rest.char_indices().nth(count) {
        Some((end, _)) => &rest[..end],
        None => rest,
    }
}

pub(super) fn upper(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| made(text.to_uppercase()))
}

pub(super) fn lower(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| made(text.to_lowercase()))
}

pub(super) fn capitalize(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let mut result = String::with_capacity(text.len());
        let mut begins = true;
        for character in text.chars() {
            if begins {
                result.extend(character.to_uppercase());
            } else {
                result.extend(character.to_lowercase());
            }
            begins = !character.is_alphanumeric() && character != '\'';
        }
        made(result)
    })
}

pub(super) fn trim(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| made(text.trim()))
}

pub(super) fn trim_left(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| made(text.trim_start()))
}

pub(super) fn trim_right(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| made(text.trim_end()))
}

/// `SubField(text, delimiter [, n])`: the nth part, from the end where n is negative.
/// Without n the load script makes a row of each part; elsewhere it is the first.
pub(super) fn sub_field(args: &[Value], environment: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let delimiter = args[1].text();
        let wanted = args.get(2).map_or(Some(1), |n| whole(n, environment)).unwrap_or(0);
        if delimiter.is_empty() {
            return if wanted == 1 || wanted == -1 { made(text) } else { Value::Null };
        }
        let at = usize::try_from(wanted.unsigned_abs()).unwrap_or(usize::MAX);
        let part = match wanted {
            0 => None,
            1.. => text.split(&*delimiter).nth(at - 1),
            _ => text.rsplit(&*delimiter).nth(at - 1),
        };
        part.map_or(Value::Null, made)
    })
}

pub(super) fn sub_string_count(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let wanted = args[1].text();
        Value::Number(if wanted.is_empty() { 0.0 } else { text.matches(&*wanted).count() as f64 })
    })
}

/// `Index(text, part [, n])`: where the nth occurrence begins, counted from 1; from the end where n is negative.
pub(super) fn index(args: &[Value], environment: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let wanted = args[1].text();
        let n = args.get(2).map_or(Some(1), |n| whole(n, environment)).unwrap_or(0);
        if wanted.is_empty() || n == 0 {
            return Value::Number(0.0);
        }
        let at = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
        let mut starts = occurrences(text.as_bytes(), wanted.as_bytes());
        let found = if n > 0 {
            starts.nth(at - 1)
        } else {
            let starts: Vec<usize> = starts.collect();
            starts.len().checked_sub(at).and_then(|at| starts.get(at).copied())
        };
        Value::Number(found.map_or(0.0, |start| text[..start].chars().count() as f64 + 1.0))
    })
}

pub(super) fn find_one_of(args: &[Value], environment: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let wanted = characters(&args[1]);
        let n = count_of(args, 2, environment).unwrap_or(1).max(1);
        let found =
            text.chars().enumerate().filter(|(_, character)| wanted.contains(character)).nth(n - 1);
        Value::Number(found.map_or(0.0, |(at, _)| at as f64 + 1.0))
    })
}

/// Nothing where the result would be longer than [`MAX_TEXT`].
pub(super) fn replace(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let (wanted, instead) = (args[1].text(), args[2].text());
        if wanted.is_empty() {
            return made(text);
        }
        let growth = instead.len().saturating_sub(wanted.len());
        let length = match growth {
            0 => text.len(),
            _ => growth.saturating_mul(text.matches(&*wanted).count()).saturating_add(text.len()),
        };
        if length > MAX_TEXT.max(text.len()) {
            return Value::Null;
        }
        made(text.replace(&*wanted, &instead))
    })
}

pub(super) fn purge_char(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let unwanted = characters(&args[1]);
        made(text.chars().filter(|character| !unwanted.contains(character)).collect::<String>())
    })
}

pub(super) fn keep_char(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let wanted = characters(&args[1]);
        made(text.chars().filter(|character| wanted.contains(character)).collect::<String>())
    })
}

fn characters(value: &Value) -> HashSet<char> {
    value.text().chars().collect()
}

/// `TextBetween(text, before, after [, n])`.
pub(super) fn text_between(args: &[Value], environment: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let (before, after) = (args[1].text(), args[2].text());
        let n = count_of(args, 3, environment).unwrap_or(1).max(1);
        let rest = if before.is_empty() {
            Some(text)
        } else {
            text.match_indices(&*before).nth(n - 1).map(|(at, _)| &text[at + before.len()..])
        };
        let part = rest.and_then(|rest| {
            if after.is_empty() { Some(rest) } else { rest.find(&*after).map(|end| &rest[..end]) }
        });
        part.map_or(Value::Null, made)
    })
}

/// Cut at [`MAX_TEXT`].
pub(super) fn repeat(args: &[Value], environment: &Environment<'_>) -> Value {
    on_text(args, |text| {
        let most = MAX_TEXT / text.len().max(1);
        made(text.repeat(count_of(args, 1, environment).unwrap_or(0).min(most)))
    })
}

pub(super) fn chr(args: &[Value], environment: &Environment<'_>) -> Value {
    let character = whole(&args[0], environment)
        .and_then(|code| u32::try_from(code).ok())
        .and_then(char::from_u32);
    character.map_or(Value::Null, |character| made(character.encode_utf8(&mut [0; 4])))
}

pub(super) fn ord(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| {
        text.chars().next().map_or(Value::Null, |first| Value::Number(f64::from(u32::from(first))))
    })
}

// The hashes identify combinations of values; they are not for secrets.

pub(super) fn hash128(args: &[Value], _: &Environment<'_>) -> Value {
    made(hashed(args, 22))
}

pub(super) fn hash160(args: &[Value], _: &Environment<'_>) -> Value {
    made(hashed(args, 27))
}

pub(super) fn hash256(args: &[Value], _: &Environment<'_>) -> Value {
    made(hashed(args, 43))
}

fn hashed(args: &[Value], length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz_-";
    let mut joined = String::new();
    for value in args {
        joined.push_str(&value.text());
        joined.push('\u{1f}');
    }
    let mut text = String::with_capacity(length);
    for seed in 0.. {
        let mut hash = xxh3_128_with_seed(joined.as_bytes(), seed);
        for _ in 0..21 {
            if text.len() == length {
                return text;
            }
            text.push(LETTERS[(hash & 63) as usize] as char);
            hash >>= 6;
        }
    }
    text
}

pub(super) fn levenshtein(args: &[Value], _: &Environment<'_>) -> Value {
    Value::Number(edit_distance(&args[0].text(), &args[1].text()) as f64)
}

/// How many characters must be changed to make one text of the other; texts are cut at 200 characters.
pub(super) fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(200).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().take(200).enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

pub(super) fn text(args: &[Value], _: &Environment<'_>) -> Value {
    on_text(args, |text| made(text))
}

/// `Num(x [, pattern [, decimal [, thousand]]])`: the number, shown as the pattern says.
pub(super) fn num(args: &[Value], environment: &Environment<'_>) -> Value {
    formatted(args, NumberKind::Unknown, environment)
}

pub(super) fn money(args: &[Value], environment: &Environment<'_>) -> Value {
    formatted(args, NumberKind::Money, environment)
}

fn formatted(args: &[Value], kind: NumberKind, environment: &Environment<'_>) -> Value {
    let Some(number) = numeric(&args[0], environment) else { return Value::Null };
    let part = |at: usize| args.get(at).map_or_else(|| "".into(), Value::shared_text);
    let format = NumberFormat {
        kind,
        pattern: part(1),
        decimal: part(2),
        thousand: part(3),
        ..NumberFormat::default()
    };
    Value::number_shown_as(number, &format_number(number, &format, environment.locale))
}

/// `Num#(text [, pattern [, decimal [, thousand]]])`: reads a text; one that does not fit stays text.
pub(super) fn num_parse(args: &[Value], environment: &Environment<'_>) -> Value {
    let value = &args[0];
    if value.is_number() || value.is_null() {
        return value.clone();
    }
    let text = value.text();
    let separator = |at: usize, own: &str| {
        args.get(at).map_or_else(|| own.to_owned(), |value| value.text().into_owned())
    };
    let (decimal, thousand) =
        (separator(2, &environment.locale.decimal), separator(3, &environment.locale.thousand));
    let number = match args.get(1) {
        Some(pattern) if !pattern.text().is_empty() => {
            NumberPattern::new(&pattern.text(), &decimal, &thousand).read(&text)
        }
        _ => parse_separated(text.trim(), &decimal, &thousand)
            .or_else(|| environment.interpreter().number_of(&text)),
    };
    number.map_or_else(|| value.clone(), |number| Value::number_shown_as(number, &text))
}

pub(super) fn dual(args: &[Value], environment: &Environment<'_>) -> Value {
    match numeric(&args[1], environment) {
        Some(number) => Value::dual(number, &args[0].text()),
        None if args[0].is_null() => Value::Null,
        None => made(args[0].text()),
    }
}
