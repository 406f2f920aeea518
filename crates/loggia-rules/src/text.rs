//! How texts are compared: without letter case, as numbers, and against `like` patterns.

use std::fmt;

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

/// A property's name as facts are asked for it: letter by letter in lower case, so that it does not
/// depend on the letters around.
pub(crate) fn lower_name(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// Whether two names of properties are the same: letter case never matters. What serves
/// [`crate::Facts`] compares the names that it keeps with the one it is asked for by this, or a rule
/// would silently not see them.
#[must_use]
pub fn same_name(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    let lower = |name: &str| lower_name(name);
    lower(one) == lower(other)
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

/// A hash that is the same for texts that are [`equal`], without writing the folded text anywhere.
pub(crate) fn fold_hash(text: &str) -> u64 {
    let mut hash = FoldHash::default();
    if let Some(number) = as_decimal(text) {
        if number.is_negative {
            hash.byte(b'-');
        }
        hash.ascii(number.whole);
        hash.byte(b'.');
        hash.ascii(number.fraction);
    } else if text.is_ascii() {
        hash.ascii(text);
    } else {
        let mut bytes = [0; 4];
        for c in text.chars().flat_map(char::to_lowercase) {
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| hash.byte(byte));
        }
    }
    hash.finish()
}

/// A hash that is the same for texts whose first characters, so many of them, are the same without
/// letter case; none if there are fewer.
pub(crate) fn fold_hash_beginning(text: &str, length: usize) -> Option<u64> {
    let mut hash = FoldHash::default();
    if let Some(beginning) = text.get(..length).filter(|beginning| beginning.is_ascii()) {
        hash.ascii(beginning);
        return Some(hash.finish());
    }
    let (mut bytes, mut left) = ([0; 4], length);
    for c in text.chars().take(length) {
        fold(c).encode_utf8(&mut bytes).bytes().for_each(|byte| hash.byte(byte));
        left -= 1;
    }
    (left == 0).then(|| hash.finish())
}

/// Whether a text begins with another, which is folded.
pub(crate) fn begins_with(text: &str, beginning: &str) -> bool {
    let mut chars = text.chars();
    beginning.chars().all(|expected| chars.next().is_some_and(|c| Letter::Is(expected).is(c)))
}

/// Hashes bytes eight at a time, however they arrive.
#[derive(Default)]
struct FoldHash {
    state: u64,
    /// The latest bytes that are not in the state yet.
    word: u64,
    length: u32,
}

impl FoldHash {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    fn ascii(&mut self, text: &str) {
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        if self.length.is_multiple_of(8) {
            for word in words {
                self.push(lower_ascii(u64::from_le_bytes(*word)));
                self.length = self.length.wrapping_add(8);
            }
        } else {
            words.iter().flatten().for_each(|&byte| self.byte(byte.to_ascii_lowercase()));
        }
        rest.iter().for_each(|&byte| self.byte(byte.to_ascii_lowercase()));
    }

    fn byte(&mut self, byte: u8) {
        self.word |= u64::from(byte) << (self.length % 8 * 8);
        self.length = self.length.wrapping_add(1);
        if self.length.is_multiple_of(8) {
            let word = std::mem::take(&mut self.word);
            self.push(word);
        }
    }

    fn push(&mut self, word: u64) {
        self.state = (self.state.rotate_left(23) ^ word).wrapping_mul(FoldHash::FACTOR);
    }

    fn finish(mut self) -> u64 {
        let word = self.word;
        self.push(word);
        let state = self.state ^ u64::from(self.length);
        let state = (state ^ (state >> 32)).wrapping_mul(FoldHash::FACTOR);
        state ^ (state >> 29)
    }
}

/// Eight bytes of ASCII in lower case.
fn lower_ascii(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // INVARIANT: no byte is above 127, so no sum carries into the next byte.
    let from_a = word.wrapping_add(EACH * 0x3f);
    let above_z = word.wrapping_add(EACH * 0x25);
    word | ((from_a & !above_z & (EACH * 0x80)) >> 2)
}

/// Writes the form of a text that all texts [`equal`] to it share, and no others.
pub(crate) fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    if text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && let Some(decimal) = as_decimal(text)
    {
        if decimal.is_negative {
            folded.push('-');
        }
        folded.push_str(if decimal.whole.is_empty() { "0" } else { decimal.whole });
        if !decimal.fraction.is_empty() {
            folded.push('.');
            folded.push_str(decimal.fraction);
        }
    } else if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.chars().map(|c| {
            let mut lower = c.to_lowercase();
            // A letter whose lower case is more than one is equal to nothing but itself.
            match (lower.next(), lower.next()) {
                (Some(lower), None) => lower,
                _ => c,
            }
        }));
    }
}

/// A decimal number without anything that does not change its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

/// The shortest way to write it; the same for equal numbers.
impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_negative { "-" } else { "" };
        write!(f, "{sign}{}.{}", self.whole, self.fraction)
    }
}

pub(crate) fn as_decimal(text: &str) -> Option<Decimal<'_>> {
    // Most texts are no numbers, which their first letter tells.
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
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

/// Longest pattern of `like` and `matches`, in bytes.
pub(crate) const LONGEST_PATTERN: usize = 1024;

/// Whether the whole text matches a pattern that is itself a value, and so known only now. A
/// pattern longer than [`LONGEST_PATTERN`] matches nothing, so that nobody's property makes
/// deciding slow.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    pattern.len() <= LONGEST_PATTERN && Glob::new(pattern).matches(text)
}

/// A `like` pattern, ready to match: `*` any run, `?` one character, `\` escapes, letter case
/// never matters.
///
/// Matching takes one pass over the text, with a few operations a character for each 64
/// characters of the longest stretch between two `*`: linear, as patterns are bounded.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    text: Box<str>,
    /// What must stand at the beginning, up to the first `*`.
    head: Box<[Letter]>,
    /// What must follow; none without a `*`, when the head is all there is.
    rest: Option<Rest>,
}

#[derive(Clone, Debug)]
struct Rest {
    /// What must come in this order somewhere between the first and the last `*`.
    between: Box<[Stretch]>,
    /// What must stand at the end, after the last `*`.
    tail: Box<[Letter]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Any,
    /// Folded.
    Is(char),
}

/// A stretch of letters that is looked for anywhere: for every letter, a bit for each place where
/// it may stand (Baeza-Yates and Gonnet's shift-and).
#[derive(Clone, Debug)]
struct Stretch {
    words: usize,
    last_bit: u64,
    /// Places of `?`.
    any: Box<[u64]>,
    letters: Box<[(char, Box<[u64]>)]>,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Glob {
        let mut stretches: Vec<Vec<Letter>> = vec![Vec::new()];
        let mut rest = pattern;
        loop {
            let (piece, after) = next_piece(rest);
            let letter = match piece {
                Piece::End => break,
                Piece::Run => {
                    stretches.push(Vec::new());
                    rest = after;
                    continue;
                }
                Piece::One => Letter::Any,
                Piece::Char(c) => Letter::Is(fold(c)),
            };
            if let Some(stretch) = stretches.last_mut() {
                stretch.push(letter);
            }
            rest = after;
        }
        let tail = if stretches.len() > 1 { stretches.pop() } else { None };
        let mut stretches = stretches.into_iter();
        let head = stretches.next().unwrap_or_default().into();
        let rest = tail.map(|tail| {
            let between = stretches.filter(|stretch| !stretch.is_empty());
            Rest { between: between.map(|s| Stretch::new(&s)).collect(), tail: tail.into() }
        });
        Glob { text: pattern.into(), head, rest }
    }

    /// What every text that matches begins with, folded letter by letter.
    pub(crate) fn prefix(&self) -> impl Iterator<Item = char> {
        self.head.iter().map_while(|letter| match letter {
            Letter::Is(c) => Some(*c),
            Letter::Any => None,
        })
    }

    /// Whether every text matches that begins with its prefix.
    pub(crate) fn is_prefix(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| {
            rest.between.is_empty() && rest.tail.is_empty() && !self.head.contains(&Letter::Any)
        })
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut chars = text.chars();
        if !self.head.iter().all(|letter| chars.next().is_some_and(|c| letter.is(c))) {
            return false;
        }
        let Some(rest) = &self.rest else {
            return chars.next().is_none();
        };
        if !rest.tail.iter().rev().all(|letter| chars.next_back().is_some_and(|c| letter.is(c))) {
            return false;
        }
        // The earliest place leaves the most room for what follows.
        rest.between.iter().all(|stretch| stretch.take(&mut chars))
    }
}

/// The pattern as written.
impl std::ops::Deref for Glob {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Letter {
    fn is(self, c: char) -> bool {
        match self {
            Letter::Any => true,
            Letter::Is(expected) => expected == c || expected == fold(c),
        }
    }
}

impl Stretch {
    fn new(stretch: &[Letter]) -> Stretch {
        let words = stretch.len().div_ceil(64);
        let mut any = vec![0u64; words];
        let mut letters: Vec<(char, Box<[u64]>)> = Vec::new();
        for (place, letter) in stretch.iter().enumerate() {
            let bits = match *letter {
                Letter::Any => Some(&mut any[..]),
                Letter::Is(c) => {
                    let at = letters.binary_search_by_key(&c, |(letter, _)| *letter);
                    let at = at.unwrap_or_else(|at| {
                        letters.insert(at, (c, vec![0u64; words].into()));
                        at
                    });
                    letters.get_mut(at).map(|(_, bits)| &mut bits[..])
                }
            };
            if let Some(word) = bits.and_then(|bits| bits.get_mut(place / 64)) {
                *word |= 1 << (place % 64);
            }
        }
        for (_, bits) in &mut letters {
            bits.iter_mut().zip(&any).for_each(|(bits, any)| *bits |= any);
        }
        let last_bit = 1 << (stretch.len().saturating_sub(1) % 64);
        Stretch { words, last_bit, any: any.into(), letters: letters.into() }
    }

    /// Takes characters up to the end of the first place where the stretch stands.
    fn take(&self, chars: &mut std::str::Chars<'_>) -> bool {
        // Bit n of the state: the n + 1 characters up to here begin the stretch.
        let mut state = [0u64; LONGEST_PATTERN / 64];
        let Some(state) = state.get_mut(..self.words) else {
            return false;
        };
        for c in chars {
            let mut carry = 1;
            let mut is_complete = false;
            for (state, bits) in state.iter_mut().zip(self.places(fold(c))) {
                let shifted = (*state << 1) | carry;
                carry = *state >> 63;
                *state = shifted & bits;
                is_complete = *state & self.last_bit != 0;
            }
            if is_complete {
                return true;
            }
        }
        false
    }

    fn places(&self, c: char) -> &[u64] {
        let at = self.letters.binary_search_by_key(&c, |(letter, _)| *letter).ok();
        at.and_then(|at| self.letters.get(at)).map_or(&self.any, |(_, bits)| bits)
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

/// One character for all that differ in letter case only: what [`fold_eq`] compares by.
pub(crate) fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        // Only İ becomes two, and nothing else becomes the same two.
        _ => c,
    }
}

fn fold_eq_char(one: char, other: char) -> bool {
    one == other || one.to_lowercase().eq(other.to_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_begin_alike_have_a_hash_in_common() {
        let same = [
            ("Finance 2026", "finance*"),
            ("\u{212a}elvin", "kel*n"),
            ("ÄRGER", "är?er*"),
            ("i\u{307}x", "i\u{307}*"),
            ("İx", "İ*"),
        ];
        for (text, pattern) in same {
            let glob = Glob::new(pattern);
            let beginning: String = glob.prefix().collect();
            let length = beginning.chars().count();
            assert!(glob.matches(text) && begins_with(text, &beginning), "{text} {pattern}");
            assert_eq!(
                fold_hash_beginning(text, length),
                fold_hash_beginning(&beginning, length),
                "{text} {pattern}"
            );
        }
        assert!(!begins_with("fin", "fina") && fold_hash_beginning("fin", 4).is_none());
        assert!(Glob::new("ab*").is_prefix());
        for pattern in ["a?b*", "ab", "ab*c", "a*b*"] {
            assert!(!Glob::new(pattern).is_prefix(), "{pattern}");
        }
    }

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
    fn equal_texts_have_equal_hashes() {
        let same = [
            ("Ana", "aNA"),
            ("QmcSection_VirtualProxyConfig", "qmcsection_virtualproxyconfig"),
            ("@[`{AZaz", "@[`{azAZ"),
            ("ÄRGER im Büro", "ärger IM bÜRO"),
            ("\u{212a}elvin and kelvin", "kelvin AND \u{212a}elvin"),
            ("1", "1.0"),
            ("007", "7"),
            ("-0", "0"),
            ("-12345678901.50", "-12345678901.5"),
        ];
        for (one, other) in same {
            assert!(equal(one, other), "{one} {other}");
            assert_eq!(fold_hash(one), fold_hash(other), "{one} {other}");
        }
        let hashes: std::collections::HashSet<u64> =
            (0..10_000).map(|n| fold_hash(&format!("group {n}"))).collect();
        assert_eq!(hashes.len(), 10_000);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..proptest::prelude::ProptestConfig::default()
        })]

        #[test]
        fn writing_in_other_case_changes_no_hash(text in "\\PC{0,30}|-?[0-9]{1,4}(\\.[0-9]{1,3})?") {
            for other in [text.to_uppercase(), text.to_lowercase(), format!("{text}0"), format!("0{text}")] {
                if equal(&text, &other) {
                    assert_eq!(fold_hash(&text), fold_hash(&other), "{text} {other}");
                }
            }
        }
    }

    #[test]
    fn equal_texts_and_no_others_fold_to_the_same() {
        let texts = [
            "",
            "a",
            "A",
            "Ana",
            "aNA",
            "ÄRGER",
            "ärger",
            "arger",
            "ΣΑΣ",
            "σασ",
            "σας",
            "İ",
            "i̇",
            "i",
            "\u{212A}",
            "k",
            "K",
            "straße",
            "STRASSE",
            "1",
            "1.0",
            "007",
            "7",
            "7.",
            "-0",
            "0",
            ".0",
            "0.0",
            "-1.50",
            "-1.5",
            "1e3",
            "1000",
            "--1",
            "-",
            "9007199254740993",
            "9007199254740992",
            "1 ",
            "ǅ",
            "ǆ",
            "Ǆ",
        ];
        let fold = |text: &str| {
            let mut folded = String::new();
            fold_into(text, &mut folded);
            folded
        };
        for one in texts {
            for other in texts {
                assert_eq!(fold(one) == fold(other), equal(one, other), "{one:?} {other:?}");
            }
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

    /// The definition, without regard to time.
    fn naive(text: &[char], pattern: &str) -> bool {
        let (piece, rest) = next_piece(pattern);
        match piece {
            Piece::End => text.is_empty(),
            Piece::Run => (0..=text.len()).any(|from| naive(&text[from..], rest)),
            Piece::One => !text.is_empty() && naive(&text[1..], rest),
            Piece::Char(c) => {
                text.first().is_some_and(|&first| fold_eq_char(first, c)) && naive(&text[1..], rest)
            }
        }
    }

    proptest! {
        #[test]
        fn like_is_what_its_definition_says(
            text in "[aAbBäÄ*?İ]{0,12}",
            pattern in r"([aAbBäİ]|\\|\*|\?|\\\*|\\\?){0,8}",
        ) {
            let chars: Vec<char> = text.chars().collect();
            prop_assert_eq!(like(&text, &pattern), naive(&chars, &pattern));
        }

        #[test]
        fn stretches_longer_than_a_word_are_found(
            before in "[ab]{0,80}", stretch in "[ab?]{60,200}", after in "[ab]{0,80}", cut in 0usize..4,
        ) {
            let found = format!("{before}{}{after}", stretch.replace('?', "b"));
            let pattern = format!("*{stretch}*");
            prop_assert!(like(&found, &pattern));
            let short: String = stretch.replace('?', "a").chars().skip(cut).collect();
            prop_assert_eq!(like(&short, &pattern), cut == 0);
        }

        #[test]
        fn folding_agrees_with_comparing(one in any::<char>(), other in any::<char>()) {
            prop_assert_eq!(fold(one) == fold(other), fold_eq_char(one, other));
        }
    }

    #[test]
    fn time_grows_with_the_text_only() {
        // The product of the lengths would be 10⁹ steps for each of these.
        let text = "a".repeat(1_000_000);
        for pattern in [
            format!("*{}b*", "a".repeat(1000)),
            format!("*{}b*", "?a".repeat(500)),
            format!("{}b", "*a".repeat(500)),
            format!("{}b", "*?".repeat(500)),
        ] {
            assert!(!like(&text, &pattern));
        }
        assert!(!like("a", &"a".repeat(1025)), "too long to be a pattern");
    }
}
