//! How texts are compared: without letter case, as numbers, and against `like` patterns.

/// Whether two texts are the same but for letter case.
pub(crate) fn fold_eq(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    let (mut one, mut other) = (one.chars(), other.chars());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if fold_eq_char(a, b) => {}
            _ => return false,
        }
    }
}

/// Whether two texts are equal without letter case, or are the same number.
///
/// Numbers are plain decimals and compared digit by digit, so that long ids that look like numbers
/// are never rounded to each other.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    if fold_eq(one, other) {
        return true;
    }
    match (as_decimal(one), as_decimal(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// A decimal number without anything that does not change its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

pub(crate) fn as_decimal(text: &str) -> Option<Decimal<'_>> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let is_zero = whole.is_empty() && fraction.is_empty();
    Some(Decimal { is_negative: is_negative && !is_zero, whole, fraction })
}

/// Whether the whole text matches a pattern: `*` any run, `?` one character, `\` escapes, letter
/// case never matters.
///
/// On a mismatch only the last `*` takes one more character, which bounds the work by the product
/// of the two lengths.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let (mut text, mut pattern) = (text, pattern);
    let mut retry: Option<(&str, &str)> = None;
    loop {
        let (piece, rest) = next_piece(pattern);
        let mut chars = text.chars();
        let is_step = match (piece, chars.next()) {
            (Piece::End, None) => return true,
            (Piece::Run, _) => {
                pattern = rest;
                retry = Some((text, pattern));
                continue;
            }
            (Piece::One, Some(_)) => true,
            (Piece::Char(expected), Some(found)) => fold_eq_char(expected, found),
            (Piece::End, Some(_)) | (Piece::One | Piece::Char(_), None) => false,
        };
        if is_step {
            (text, pattern) = (chars.as_str(), rest);
            continue;
        }
        let Some((from, after_run)) = retry else {
            return false;
        };
        let mut longer = from.chars();
        if longer.next().is_none() {
            return false;
        }
        (text, pattern) = (longer.as_str(), after_run);
        retry = Some((text, pattern));
    }
}

enum Piece {
    End,
    Run,
    One,
    Char(char),
}

fn next_piece(pattern: &str) -> (Piece, &str) {
    let mut chars = pattern.chars();
    let piece = match chars.next() {
        None => Piece::End,
        Some('*') => Piece::Run,
        Some('?') => Piece::One,
        Some('\\') => {
            let mut after = chars.clone();
            match after.next() {
                Some(c) if crate::syntax::is_escapable(c) => {
                    chars = after;
                    Piece::Char(c)
                }
                // A backslash that escapes nothing stands for itself.
                _ => Piece::Char('\\'),
            }
        }
        Some(c) => Piece::Char(c),
    };
    (piece, chars.as_str())
}

fn fold_eq_char(one: char, other: char) -> bool {
    one == other || one.to_lowercase().eq(other.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_equal_without_letter_case() {
        for (one, other) in [("Ana", "aNA"), ("ÄRGER", "ärger"), ("", ""), ("ΣΑΣ", "σασ")] {
            assert!(equal(one, other), "{one} {other}");
        }
        for (one, other) in [("Ana", "An"), ("", "a"), ("ä", "a"), ("straße", "strasse")] {
            assert!(!equal(one, other), "{one} {other}");
        }
    }

    #[test]
    fn numbers_are_equal_however_they_are_written() {
        for (one, other) in [("1", "1.0"), ("007", "7"), ("-0", "0"), ("-1.50", "-1.5")] {
            assert!(equal(one, other), "{one} {other}");
        }
        let almost = [("9007199254740993", "9007199254740992"), ("1e3", "1000"), ("1.", "1")];
        for (one, other) in almost {
            assert!(!equal(one, other), "{one} {other}");
        }
    }

    #[test]
    fn like_matches_the_whole_text() {
        let holds = [
            ("sales", "S*"),
            ("sales", "*ES"),
            ("sales", "s?l?s"),
            ("", "*"),
            ("", ""),
            ("a*b", r"a\*b"),
            ("50%?", r"50%\?"),
            (r"DOM\ana", r"DOM\ana"),
            (r"DOM\ana", r"DOM\\*"),
            ("aXbXc", "a*X*c"),
            ("Ärger", "ä*"),
        ];
        for (text, pattern) in holds {
            assert!(like(text, pattern), "{text} like {pattern}");
        }
        let fails = [("sales", "ale"), ("", "?"), ("axb", r"a\*b"), ("ab", "a"), ("a", "ab")];
        for (text, pattern) in fails {
            assert!(!like(text, pattern), "{text} like {pattern}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        let text = "a".repeat(5000);
        assert!(!like(&text, &format!("{}b", "a*".repeat(200))));
    }
}
