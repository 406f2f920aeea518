//! Numbers as text and text as numbers.

use std::fmt::Write;
use std::sync::Arc;

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

/// A pattern such as `#,##0.00;(#,##0.00)` with the separators it is written in.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberPattern {
    positive: Section,
    negative: Option<Section>,
    zero: Option<Section>,
    decimal: Arc<str>,
    thousand: Arc<str>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Section {
    prefix: String,
    suffix: String,
    least_digits: usize,
    least_decimals: usize,
    most_decimals: usize,
    is_grouped: bool,
    is_percent: bool,
    /// Nothing but text: no digit placeholder at all.
    is_literal: bool,
    /// Only `#`, many of them: as many digits as the number has.
    is_automatic: bool,
}

impl NumberPattern {
    pub fn new(pattern: &str, decimal: &str, thousand: &str) -> NumberPattern {
        let mut sections =
            split_sections(pattern).into_iter().map(|text| section(&text, decimal, thousand));
        NumberPattern {
            positive: sections.next().unwrap_or_default(),
            negative: sections.next(),
            zero: sections.next(),
            decimal: decimal.into(),
            thousand: thousand.into(),
        }
    }

    pub fn write(&self, number: f64) -> String {
        if !number.is_finite() {
            return number_text(number);
        }
        let (section, sign) = match (&self.negative, &self.zero) {
            (_, Some(zero)) if number == 0.0 => (zero, ""),
            (Some(negative), _) if number < 0.0 => (negative, ""),
            _ if number < 0.0 => (&self.positive, "-"),
            _ => (&self.positive, ""),
        };
        if section.is_literal {
            return section.prefix.clone();
        }
        let number = number.abs() * if section.is_percent { 100.0 } else { 1.0 };
        let mut digits = String::new();
        if section.is_automatic {
            write_number(&mut digits, number);
            digits = digits.replacen('.', &self.decimal, 1);
        } else {
            let thousand = if section.is_grouped { &*self.thousand } else { "" };
            fixed(&mut digits, number, section, &self.decimal, thousand);
        }
        // What rounds to zero has no sign.
        let sign =
            if digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) { sign } else { "" };
        format!("{sign}{}{digits}{}", section.prefix, section.suffix)
    }

    /// Reads a text that this pattern could have written: its prefix, suffix and separators are accepted, not required.
    pub fn read(&self, text: &str) -> Option<f64> {
        let trimmed = text.trim();
        if let Some(negative) = &self.negative
            && negative.prefix != self.positive.prefix
            && let Some(inner) = stripped(trimmed, negative)
        {
            return self.read_plain(inner).map(|number| -number);
        }
        let (unsigned, sign) = match trimmed.strip_prefix('-') {
            Some(rest) => (rest.trim_start(), -1.0),
            None => (trimmed, 1.0),
        };
        let inner = stripped(unsigned, &self.positive).unwrap_or(unsigned);
        let percent = inner.strip_suffix('%');
        let number = self.read_plain(percent.unwrap_or(inner).trim())?;
        let is_percent =
            percent.is_some() || (self.positive.is_percent && inner.len() < unsigned.len());
        Some(sign * if is_percent { number / 100.0 } else { number })
    }

    fn read_plain(&self, text: &str) -> Option<f64> {
        parse_separated(text, &self.decimal, &self.thousand)
    }
}

fn stripped<'t>(text: &'t str, section: &Section) -> Option<&'t str> {
    let inner = text.strip_prefix(section.prefix.trim())?.strip_suffix(section.suffix.trim())?;
    Some(inner.trim())
}

/// Reads digits with the given separators; thousands must stand in groups of three.
pub(crate) fn parse_separated(text: &str, decimal: &str, thousand: &str) -> Option<f64> {
    let (whole, fraction) = match text.split_once(decimal) {
        Some((whole, fraction)) if !decimal.is_empty() => (whole, Some(fraction)),
        _ => (text, None),
    };
    let mut plain = String::with_capacity(text.len());
    if !thousand.is_empty() && whole.contains(thousand) {
        for (at, group) in whole.split(thousand).enumerate() {
            let digits = if at == 0 { group.trim_start_matches(['-', '+']) } else { group };
            let fits = if at == 0 { (1..=3).contains(&digits.len()) } else { digits.len() == 3 };
            if !fits || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            plain.push_str(group);
        }
    } else {
        // With another decimal sign, a point means something else.
        if decimal != "." && whole.contains('.') {
            return None;
        }
        plain.push_str(whole);
    }
    if let Some(fraction) = fraction {
        plain.push('.');
        plain.push_str(fraction);
    }
    parse_plain_number(&plain)
}

fn split_sections(pattern: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            ';' => sections.push(String::new()),
            '\\' => {
                if let (Some(section), Some(next)) = (sections.last_mut(), characters.next()) {
                    section.extend(['\\', next]);
                }
            }
            _ => {
                if let Some(section) = sections.last_mut() {
                    section.push(character);
                }
            }
        }
    }
    sections
}

fn section(text: &str, decimal: &str, thousand: &str) -> Section {
    let mut section = Section::default();
    let mut in_decimals = false;
    let mut seen_digit = false;
    let mut rest = text;
    let mut hashes = 0;
    while let Some(character) = rest.chars().next() {
        let length = character.len_utf8();
        let suffix_begun = !section.suffix.is_empty();
        if matches!(character, '#' | '0') && !suffix_begun {
            seen_digit = true;
            match (in_decimals, character) {
                (true, '0') => {
                    section.most_decimals += 1;
                    section.least_decimals = section.most_decimals;
                }
                (true, _) => section.most_decimals += 1,
                (false, '0') => section.least_digits += 1,
                (false, _) => hashes += 1,
            }
        } else if !decimal.is_empty()
            && rest.starts_with(decimal)
            && !in_decimals
            && !suffix_begun
            && (seen_digit || rest[decimal.len()..].starts_with(['0', '#']))
        {
            in_decimals = true;
            seen_digit = true;
            rest = &rest[decimal.len()..];
            continue;
        } else if !thousand.is_empty()
            && rest.starts_with(thousand)
            && seen_digit
            && !in_decimals
            && !suffix_begun
            && rest[thousand.len()..].starts_with(['0', '#'])
        {
            section.is_grouped = true;
            rest = &rest[thousand.len()..];
            continue;
        } else {
            let target = if seen_digit { &mut section.suffix } else { &mut section.prefix };
            match character {
                '\\' => {
                    if let Some(next) = rest[length..].chars().next() {
                        target.push(next);
                        rest = &rest[length + next.len_utf8()..];
                        continue;
                    }
                }
                '\'' | '"' => {
                    let inside = &rest[length..];
                    if let Some(end) = inside.find(character) {
                        target.push_str(&inside[..end]);
                        rest = &inside[end + 1..];
                        continue;
                    }
                }
                '%' => {
                    section.is_percent = true;
                    target.push('%');
                }
                _ => target.push(character),
            }
        }
        rest = &rest[length..];
    }
    section.most_decimals = section.most_decimals.min(30);
    section.least_decimals = section.least_decimals.min(30);
    section.least_digits = section.least_digits.min(40);
    section.is_literal = !seen_digit;
    section.is_automatic = hashes >= 10
        && section.least_digits == 0
        && section.most_decimals == 0
        && !section.is_grouped;
    section
}

fn fixed(text: &mut String, number: f64, section: &Section, decimal: &str, thousand: &str) {
    let (whole, mut fraction) = rounded(number, section.most_decimals);
    while fraction.len() > section.least_decimals && fraction.ends_with('0') {
        fraction.pop();
    }
    let whole = if whole == "0" && section.least_digits == 0 && !fraction.is_empty() {
        String::new()
    } else {
        whole
    };
    let padded = format!("{whole:0>width$}", width = section.least_digits);
    grouped(text, &padded, thousand);
    if !fraction.is_empty() {
        text.push_str(decimal);
        text.push_str(&fraction);
    }
}

fn grouped(text: &mut String, digits: &str, thousand: &str) {
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push_str(thousand);
        }
        text.push(digit);
    }
}

/// Whole digits and exactly `decimals` decimals, halves away from zero.
fn rounded(number: f64, decimals: usize) -> (String, String) {
    let scale = 10f64.powi(decimals as i32);
    let scaled = number * scale;
    if scaled < 9e15 {
        let scaled = scaled.round() as u64;
        let scale = scale as u64;
        let fraction =
            if decimals == 0 { String::new() } else { format!("{:0decimals$}", scaled % scale) };
        return ((scaled / scale).to_string(), fraction);
    }
    let text = format!("{number:.decimals$}");
    match text.split_once('.') {
        Some((whole, fraction)) => (whole.to_owned(), fraction.to_owned()),
        None => (text, String::new()),
    }
}

/// A fixed number of decimals, grouped or not.
pub(crate) fn fixed_text(number: f64, decimals: usize, decimal: &str, thousand: &str) -> String {
    let section = Section {
        least_digits: 1,
        least_decimals: decimals.min(30),
        most_decimals: decimals.min(30),
        ..Section::default()
    };
    let mut text = String::new();
    fixed(&mut text, number.abs(), &section, decimal, thousand);
    if number < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        text.insert(0, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_show_the_digits_they_have() {
        for (number, text) in [
            (0.1 + 0.2, "0.3"),
            (-0.0, "0"),
            (1234567.0, "1234567"),
            (1.0 / 3.0, "0.33333333333333"),
            (2.0f64.powi(60), "1.1529215046068e+18"),
            (1.5e-9, "1.5e-09"),
            (-12.50, "-12.5"),
            (99_999_999_999_999.5, "1e+14"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn patterns_write_numbers() {
        for (pattern, number, text) in [
            ("#,##0.00", 1234567.891, "1,234,567.89"),
            ("#,##0.00", -0.001, "0.00"),
            ("0", 0.5, "1"),
            ("#,##0", -1234.0, "-1,234"),
            ("#,##0.##", 12.0, "12"),
            ("0.0%", 0.1234, "12.3%"),
            ("$#,##0.00;($#,##0.00)", -5.0, "($5.00)"),
            ("0;-0;none", 0.0, "none"),
            ("000", 7.0, "007"),
            ("#.#", 0.5, ".5"),
            ("0 'km'", 3.0, "3 km"),
            ("##############", 2.5, "2.5"),
            ("€ 0.00", -2.0, "-€ 2.00"),
        ] {
            assert_eq!(NumberPattern::new(pattern, ".", ",").write(number), text, "{pattern}");
        }
        assert_eq!(NumberPattern::new("#.##0,00", ",", ".").write(1234.5), "1.234,50");
        assert_eq!(NumberPattern::new("# ##0,0", ",", " ").write(1234.5), "1 234,5");
    }

    #[test]
    fn patterns_read_what_they_write() {
        for (pattern, text, number) in [
            ("#,##0.00", "1,234.50", Some(1234.5)),
            ("#,##0.00", "12,34", None),
            ("0%", "12%", Some(0.12)),
            ("$#,##0.00;($#,##0.00)", "($5.00)", Some(-5.0)),
            ("$#,##0.00", "$5", Some(5.0)),
            ("$#,##0.00", "five", None),
        ] {
            assert_eq!(NumberPattern::new(pattern, ".", ",").read(text), number, "{text}");
        }
    }

    proptest! {
        #[test]
        fn written_numbers_are_read_again(hundredths in -1_000_000_000i64..1_000_000_000) {
            let number = hundredths as f64 / 100.0;
            for (pattern, decimal, thousand) in [("#,##0.00", ".", ","), ("#.##0,00", ",", "."), ("0.00 kr", ".", "")] {
                let pattern = NumberPattern::new(pattern, decimal, thousand);
                prop_assert_eq!(pattern.read(&pattern.write(number)), Some(number));
            }
            prop_assert_eq!(parse_plain_number(&number_text(number)), Some(number));
        }

        #[test]
        fn any_pattern_is_survived(pattern in ".{0,16}", number in any::<f64>(), text in ".{0,12}") {
            let pattern = NumberPattern::new(&pattern, ".", ",");
            pattern.write(number);
            pattern.read(&text);
        }

        #[test]
        fn automatic_text_is_recognised(number in any::<f64>()) {
            prop_assume!(number.is_finite());
            prop_assert!(is_automatic_text(number, &number_text(number)));
        }
    }
}
