//! The query of a request target, and form bodies: names compared without letter case.

use percent_encoding::percent_decode_str;

/// Name and value pairs in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

/// More pairs than this are not looked at.
const MOST_PAIRS: usize = 100;

impl Query {
    /// Reads `a=b&c=d`. Text that is not UTF-8 is read with replacement characters, so it equals
    /// nothing that we compare with.
    #[must_use]
    pub fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(MOST_PAIRS);
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The same query without that name, written out again.
    #[must_use]
    pub fn without(&self, name: &str) -> String {
        let mut text = String::new();
        for (found, value) in self.0.iter().filter(|(found, _)| !found.eq_ignore_ascii_case(name)) {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(&encode(found));
            if !value.is_empty() {
                text.push('=');
                text.push_str(&encode(value));
            }
        }
        text
    }
}

/// `text` for use as one query value.
#[must_use]
pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_letter_case_and_values_are_decoded() {
        let query = Query::parse("targetUri=%2Fhub%3Fa%3D1&Empty&x=a+b&x=second");
        assert_eq!(query.get("TARGETURI"), Some("/hub?a=1"));
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.get("x"), Some("a b"));
        assert_eq!(query.get("y"), None);
        assert_eq!(query.without("X"), "targetUri=%2Fhub%3Fa%3D1&Empty");
    }
}
