//! Single sign-on by a header: a trusted sender, which has recognised the person already, names
//! them. Who is trusted is not decided here.

use loggia_model::{UserKey, UserKeyError};
use thiserror::Error;

use crate::scheme::Person;

/// How a header's value names a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderForm<'a> {
    /// It is the id of a user in this directory.
    Static { directory: &'a str },
    /// It is directory and id in this pattern, such as `$ud\\$id`.
    Dynamic { pattern: &'a str },
}

/// Why a header names nobody. The messages are for the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    #[error("the header was sent more than once")]
    Several,
    #[error("the header holds something other than visible US-ASCII text")]
    NotAscii,
    #[error("the header's value does not have the form of the entrance's pattern")]
    NotThePattern,
    #[error("the entrance's pattern needs $ud and $id, once each, with text between them")]
    BadPattern,
    #[error(transparent)]
    Key(#[from] UserKeyError),
}

/// Longest value that is looked at, in bytes.
const MAX_LENGTH: usize = 512;

/// Who the header's values name; an absent or empty header names nobody.
pub fn person_of_header<'v>(
    form: HeaderForm<'_>,
    values: impl IntoIterator<Item = &'v [u8]>,
) -> Result<Option<Person>, HeaderError> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(HeaderError::Several);
    }
    let is_text = |byte: &u8| (b' '..=b'~').contains(byte);
    if value.len() > MAX_LENGTH || !value.iter().all(is_text) {
        return Err(HeaderError::NotAscii);
    }
    let text = std::str::from_utf8(value).map_err(|_| HeaderError::NotAscii)?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let (directory, id) = match form {
        HeaderForm::Static { directory } => (directory, text),
        HeaderForm::Dynamic { pattern } => parts(pattern, text)?,
    };
    let key = UserKey::from_outside(directory, id)?;
    Ok(Some(Person { id: None, key, name: String::new(), attributes: Vec::new() }))
}

/// Directory and id of a value in that pattern. Where the value can be read in two ways it is
/// refused: whoever chooses their own id must not be able to choose their directory with it.
fn parts<'v>(pattern: &str, value: &'v str) -> Result<(&'v str, &'v str), HeaderError> {
    // The original's patterns write the backslash doubled.
    let pattern = pattern.replace(r"\\", r"\");
    let (is_directory_first, before, between, after) = split(&pattern)?;
    let inner = value
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after))
        .ok_or(HeaderError::NotThePattern)?;
    let (first, second) = inner.split_once(between).ok_or(HeaderError::NotThePattern)?;
    if first.is_empty() || second.is_empty() || second.contains(between) {
        return Err(HeaderError::NotThePattern);
    }
    Ok(if is_directory_first { (first, second) } else { (second, first) })
}

fn split(pattern: &str) -> Result<(bool, &str, &str, &str), HeaderError> {
    let (directory, id) = (pattern.find("$ud"), pattern.find("$id"));
    let (Some(directory), Some(id)) = (directory, id) else {
        return Err(HeaderError::BadPattern);
    };
    let names = if directory < id { ("$ud", "$id") } else { ("$id", "$ud") };
    let (before, rest) = pattern.split_once(names.0).ok_or(HeaderError::BadPattern)?;
    let (between, after) = rest.split_once(names.1).ok_or(HeaderError::BadPattern)?;
    let is_repeated = [before, between, after].iter().any(|text| text.contains('$'));
    if between.is_empty() || is_repeated {
        return Err(HeaderError::BadPattern);
    }
    Ok((directory < id, before, between, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(form: HeaderForm<'_>, values: &[&[u8]]) -> String {
        match person_of_header(form, values.iter().copied()) {
            Ok(Some(person)) => format!("{}\\{}", person.key.directory(), person.key.id()),
            Ok(None) => "nobody".to_owned(),
            Err(error) => format!("refused: {error}"),
        }
    }

    #[test]
    fn a_header_names_a_user_of_a_fixed_directory() {
        let form = HeaderForm::Static { directory: "ACME" };
        assert_eq!(named(form, &[b"ana"]), "ACME\\ana");
        assert_eq!(named(form, &[]), "nobody");
        assert_eq!(named(form, &[b"  "]), "nobody");
        for bad in
            [&b"a\\b"[..], b"\xc3\xa4na", b"ana\tx", b"INTERNAL\\sa_api", &[b'a'; 600], b"a;b"]
        {
            assert!(named(form, &[bad]).starts_with("refused"), "{bad:?}");
        }
        assert!(named(form, &[b"ana", b"root"]).starts_with("refused"));
        for reserved in ["NONE", "none", "Internal"] {
            let form = HeaderForm::Static { directory: reserved };
            assert!(named(form, &[b"anonymous1"]).starts_with("refused"), "{reserved}");
        }
    }

    #[test]
    fn a_pattern_finds_directory_and_id_where_there_is_one_way_to_read_it() {
        let name = |pattern: &str, value: &str| {
            named(HeaderForm::Dynamic { pattern }, &[value.as_bytes()])
        };
        assert_eq!(name(r"$ud\\$id", r"ACME\ana"), r"ACME\ana");
        assert_eq!(name(r"$ud\$id", r"ACME\ana"), r"ACME\ana");
        assert_eq!(name("$id@$ud", "ana@acme.example"), r"acme.example\ana");
        assert_eq!(name("<$ud:$id>", "<ACME:ana>"), r"ACME\ana");
        for (pattern, value) in [
            (r"$ud\\$id", "ana"),
            (r"$ud\\$id", r"\ana"),
            (r"$ud\\$id", r"ACME\"),
            (r"$ud\\$id", r"ACME\x\ana"),
            (r"$ud\\$id", r"NONE\anonymousd9e61933"),
            (r"$ud\\$id", r"internal\sa_repository"),
            ("$id@$ud", "root@INTERNAL@acme.example"),
            ("<$ud:$id>", "ACME:ana"),
            ("$ud$id", "ACMEana"),
            ("$id", "ana"),
            ("$ud\\$id$id", "ACME\\ana"),
            ("", "ana"),
        ] {
            assert!(name(pattern, value).starts_with("refused"), "{pattern} {value}");
        }
    }
}
