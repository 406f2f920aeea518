//! Numbers as text and text as numbers.

use std::fmt::Write;

/// The automatic text of a number: up to 14 significant digits, and an exponent only where the digits would not fit.
pub fn number_text(number: f64) -> String {
    let mut text = String::new();
    write_number(&mut text, number);
    text
}

pub(crate) fn write_number(text: &mut String, number: f64) {
    // Writing to a string cannot fail.
    if number == 0.0 {
        text.push('0');
    } else if !number.is_finite() {
        text.push_str(if number.is_nan() {
            "NaN"
        } else if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
    } else if number.trunc() == number && number.abs() < 1e14 {
        let _ = write!(text, "{}", number as i64);
    } else {
        significant(text, number, DIGITS);
    }
}

const DIGITS: usize = 14;

/// `digits` significant digits without trailing zeros.
pub(crate) fn significant(text: &mut String, number: f64, digits: usize) {
    let scientific = format!("{:.*e}", digits.max(1) - 1, number);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -5 || exponent >= digits as i32 {
        let mantissa = if mantissa.contains('.') {
            mantissa.trim_end_matches('0').trim_end_matches('.')
        } else {
            mantissa
        };
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(text, "{mantissa}e{sign}{:02}", exponent.abs());
        return;
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    let fixed = format!("{number:.decimals$}");
    text.push_str(if fixed.contains('.') {
        fixed.trim_end_matches('0').trim_end_matches('.')
    } else {
        &fixed
    });
}

/// Whether `text` is what [`number_text`] would write anyway; does not allocate for whole numbers.
pub fn is_automatic_text(number: f64, text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if digits.is_empty() || digits.len() > 20 {
        return false;
    }
    if number.trunc() == number && number.abs() < 1e14 {
        let plain = digits.iter().all(u8::is_ascii_digit);
        return plain && (digits[0] != b'0' || text == "0");
    }
    number_text(number) == text
}

/// Reads `12`, `-12.5`, `1e3`, `.5`; nothing else, no blanks, no words such as `inf`.
pub fn parse_plain_number(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let unsigned = match bytes.first()? {
        b'-' | b'+' => &bytes[1..],
        _ => bytes,
    };
    if !matches!(unsigned, [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..]) {
        return None;
    }
    // Whole numbers are the common case and need no general reader.
    if unsigned.len() <= 15 && unsigned.iter().all(u8::is_ascii_digit) {
        let magnitude = unsigned.iter().fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        return Some(if bytes[0] == b'-' { -(magnitude as f64) } else { magnitude as f64 });
    }
    if !unsigned.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}
