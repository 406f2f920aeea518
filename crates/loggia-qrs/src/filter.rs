//! The filter language of list requests (`spec/qrs.md` §2.3): text to tree, and a tree against the
//! full wire form of an entity.
//!
//! ```text
//! expr       = term { "or" term }
//! term       = factor { "and" factor }
//! factor     = "(" expr ")" | "not" factor | comparison
//! comparison = path ( "eq" | "ne" | "gt" | "ge" | "lt" | "le" | "sw" | "ew" | "so" ) value
//! path       = name { "." name }
//! value      = 'text with '' doubled' | word
//! ```
//!
//! Names and words are read without letter case, and so are texts compared. A path through a list
//! holds when it holds for any element.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::Value;
use thiserror::Error;

use crate::schema::Schema;

/// A parsed filter, every path of it known to the schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    All,
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare { path: Vec<String>, operator: Operator, operand: Operand },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    StartsWith,
    EndsWith,
    Contains,
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// Quoted, lower-cased.
    Text(String),
    /// Bare: a number, `true`, a GUID or the name of an enum value; lower-cased.
    Word(String),
    Null,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} (at character {at})")]
pub struct FilterError {
    /// Bytes from the start of the filter.
    pub at: usize,
    pub message: String,
}

/// Longer filters and deeper parentheses are refused instead of exhausting the stack.
const LONGEST: usize = 16_384;
const DEEPEST: usize = 64;

impl Filter {
    /// Reads a filter on entities of this schema; an empty text is all of them.
    pub fn parse(text: &str, schema: &Schema) -> Result<Filter, FilterError> {
        if text.len() > LONGEST {
            let message = format!("the filter is longer than {LONGEST} characters");
            return Err(FilterError { at: LONGEST, message });
        }
        let mut parser = Parser { tokens: scan(text)?, at: 0, end: text.len(), depth: 0, schema };
        if parser.tokens.is_empty() {
            return Ok(Filter::All);
        }
        let filter = parser.or()?;
        match parser.tokens.get(parser.at) {
            None => Ok(filter),
            Some(token) => Err(FilterError {
                at: token.at,
                message: format!("expected and, or, or the end, found {}", token.describe()),
            }),
        }
    }

    /// Whether an entity, given by its full wire form, passes.
    #[must_use]
    pub fn accepts(&self, entity: &Value, schema: &Schema) -> bool {
        match self {
            Filter::All => true,
            Filter::And(parts) => parts.iter().all(|part| part.accepts(entity, schema)),
            Filter::Or(parts) => parts.iter().any(|part| part.accepts(entity, schema)),
            Filter::Not(part) => !part.accepts(entity, schema),
            Filter::Compare { path, operator, operand } => {
                let names: &[(i64, &str)] = schema.enum_names(path);
                any_value(entity, path, &mut |value| compare(value, *operator, operand, names))
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Open,
    Close,
    Text(String),
    Word(String),
}

#[derive(Clone, Debug, PartialEq)]
struct Token {
    kind: Kind,
    at: usize,
}

impl Token {
    fn describe(&self) -> String {
        match &self.kind {
            Kind::Open => "an opening parenthesis".to_owned(),
            Kind::Close => "a closing parenthesis".to_owned(),
            Kind::Text(text) => format!("the text '{text}'"),
            Kind::Word(word) => format!("{word:?}"),
        }
    }
}

fn scan(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            _ if c.is_whitespace() => {}
            '(' => tokens.push(Token { kind: Kind::Open, at }),
            ')' => tokens.push(Token { kind: Kind::Close, at }),
            '\'' => {
                let mut value = String::new();
                loop {
                    match rest.next() {
                        None => {
                            let message = "the text that begins here has no closing quote".into();
                            return Err(FilterError { at, message });
                        }
                        Some((_, '\'')) if rest.next_if(|&(_, c)| c == '\'').is_some() => {
                            value.push('\'');
                        }
                        Some((_, '\'')) => break,
                        Some((_, other)) => value.push(other),
                    }
                }
                tokens.push(Token { kind: Kind::Text(value), at });
            }
            _ => {
                let mut word = String::from(c);
                while let Some((_, c)) =
                    rest.next_if(|&(_, c)| !c.is_whitespace() && !"()'".contains(c))
                {
                    word.push(c);
                }
                tokens.push(Token { kind: Kind::Word(word), at });
            }
        }
    }
    Ok(tokens)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    end: usize,
    depth: usize,
    schema: &'a Schema,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.and()?];
        while self.take_word("or") {
            parts.push(self.and()?);
        }
        Ok(single(parts, Filter::Or))
    }

    fn and(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.factor()?];
        while self.take_word("and") {
            parts.push(self.factor()?);
        }
        Ok(single(parts, Filter::And))
    }

    fn factor(&mut self) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.fault(&format!("parentheses are nested deeper than {DEEPEST}")));
        }
        let filter = if self.take(&Kind::Open) {
            let inner = self.or()?;
            if !self.take(&Kind::Close) {
                return Err(self.expected("a closing parenthesis"));
            }
            inner
        } else if self.take_word("not") {
            Filter::Not(Box::new(self.factor()?))
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn comparison(&mut self) -> Result<Filter, FilterError> {
        let at = self.position();
        let Some(Kind::Word(path)) = self.next() else {
            self.at = self.at.saturating_sub(usize::from(at < self.end));
            return Err(self.expected("the name of a property"));
        };
        let path: Vec<String> = path.split('.').map(str::to_lowercase).collect();
        self.schema.check(&path).map_err(|message| FilterError { at, message })?;
        let operator_at = self.position();
        let operator = match self.next() {
            Some(Kind::Word(word)) => operator(&word),
            _ => None,
        };
        let Some(operator) = operator else {
            let message = format!("expected one of {OPERATORS}");
            return Err(FilterError { at: operator_at, message });
        };
        let value_at = self.position();
        let operand = match self.next() {
            Some(Kind::Text(text)) => Operand::Text(text.to_lowercase()),
            Some(Kind::Word(word)) if word.eq_ignore_ascii_case("null") => Operand::Null,
            Some(Kind::Word(word)) => Operand::Word(word.to_lowercase()),
            _ => {
                let message = "expected a value: 'text', a number, true, false or an id".to_owned();
                return Err(FilterError { at: value_at, message });
            }
        };
        Ok(Filter::Compare { path, operator, operand })
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |token| token.at)
    }

    fn next(&mut self) -> Option<Kind> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token.kind.clone())
    }

    fn take(&mut self, kind: &Kind) -> bool {
        let is_next = self.tokens.get(self.at).is_some_and(|token| token.kind == *kind);
        self.at += usize::from(is_next);
        is_next
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.tokens.get(self.at).is_some_and(
            |token| matches!(&token.kind, Kind::Word(found) if found.eq_ignore_ascii_case(word)),
        );
        self.at += usize::from(is_next);
        is_next
    }

    fn expected(&self, what: &str) -> FilterError {
        let found = self
            .tokens
            .get(self.at)
            .map_or_else(|| "the end of the filter".to_owned(), Token::describe);
        self.fault(&format!("expected {what}, found {found}"))
    }

    fn fault(&self, message: &str) -> FilterError {
        FilterError { at: self.position(), message: message.to_owned() }
    }
}

fn single(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            parts.push(last);
            join(parts)
        }
        (_, None) => Filter::All,
    }
}

const OPERATORS: &str = "eq, ne, gt, ge, lt, le, sw, ew, so";

fn operator(word: &str) -> Option<Operator> {
    Some(match word.to_ascii_lowercase().as_str() {
        "eq" => Operator::Equal,
        "ne" => Operator::NotEqual,
        "gt" => Operator::Greater,
        "ge" => Operator::GreaterOrEqual,
        "lt" => Operator::Less,
        "le" => Operator::LessOrEqual,
        "sw" => Operator::StartsWith,
        "ew" => Operator::EndsWith,
        "so" => Operator::Contains,
        _ => return None,
    })
}

/// Calls `test` with every value at the end of `path`, until one passes.
fn any_value(value: &Value, path: &[String], test: &mut dyn FnMut(&Value) -> bool) -> bool {
    if let Value::Array(elements) = value {
        return elements.iter().any(|element| any_value(element, path, test));
    }
    let Some((name, rest)) = path.split_first() else { return test(value) };
    match value {
        Value::Object(members) => members
            .iter()
            .find(|(member, _)| member.eq_ignore_ascii_case(name))
            .is_some_and(|(_, member)| any_value(member, rest, test)),
        // A reference that is not there: its members are nothing, which `eq null` can ask for.
        Value::Null => test(&Value::Null),
        _ => false,
    }
}

fn compare(value: &Value, operator: Operator, operand: &Operand, names: &[(i64, &str)]) -> bool {
    let text = match operand {
        Operand::Null => {
            return match operator {
                Operator::Equal => value.is_null(),
                Operator::NotEqual => !value.is_null(),
                _ => false,
            };
        }
        Operand::Text(text) | Operand::Word(text) => text.as_str(),
    };
    match value {
        Value::Null => operator == Operator::NotEqual,
        Value::Bool(flag) => {
            let is_same = text == if *flag { "true" } else { "false" };
            match operator {
                Operator::Equal => is_same,
                Operator::NotEqual => !is_same,
                _ => false,
            }
        }
        Value::Number(number) => {
            let named = names.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
            let wanted = named.map(|&(number, _)| number as f64).or_else(|| text.parse().ok());
            match (number.as_f64(), wanted) {
                (Some(found), Some(wanted)) => ordered(operator, found.partial_cmp(&wanted)),
                _ => operator == Operator::NotEqual,
            }
        }
        Value::String(found) => {
            let found = found.to_lowercase();
            match operator {
                Operator::StartsWith => found.starts_with(text),
                Operator::EndsWith => found.ends_with(text),
                Operator::Contains => found.contains(text),
                _ => match (moment(&found), moment(text)) {
                    (Some(found), Some(wanted)) => ordered(operator, Some(found.cmp(&wanted))),
                    _ => ordered(operator, Some(found.as_str().cmp(text))),
                },
            }
        }
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn ordered(operator: Operator, order: Option<std::cmp::Ordering>) -> bool {
    let Some(order) = order else { return operator == Operator::NotEqual };
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::StartsWith | Operator::EndsWith | Operator::Contains => false,
    }
}

/// Milliseconds of a date in one of the forms that clients write; dates without a zone are UTC.
pub(crate) fn moment(text: &str) -> Option<i64> {
    // Everything that could be a date begins with a year.
    if !text.get(..4)?.bytes().all(|byte| byte.is_ascii_digit()) || text.get(4..5)? != "-" {
        return None;
    }
    if let Ok(stamp) = text.to_uppercase().parse::<jiff::Timestamp>() {
        return Some(stamp.as_millisecond());
    }
    let local = match text.parse::<DateTime>() {
        Ok(local) => local,
        Err(_) => text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
    };
    TimeZone::UTC.to_timestamp(local).ok().map(|stamp| stamp.as_millisecond())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::schema::APP;

    fn accepts(filter: &str) -> bool {
        let app = json!({
            "id": "11111111-1111-1111-1111-111111111111",
            "name": "Flights of O'Hare",
            "published": true,
            "fileSize": 1200,
            "availabilityStatus": 0,
            "stream": {"id": "aaec8d41-5201-43ab-809f-3063750dfafd", "name": "Everyone"},
            "owner": {"userId": "ana", "userDirectory": "LOGGIA"},
            "tags": [{"name": "air"}, {"name": "2013"}],
            "customProperties": [{"value": "open", "definition": {"name": "audience"}}],
            "modifiedDate": "2026-11-24T08:15:30.123Z",
            "description": "",
        });
        Filter::parse(filter, &APP).unwrap().accepts(&app, &APP)
    }

    #[test]
    fn filters_recorded_in_clients_find_what_they_mean() {
        for yes in [
            "",
            "  ",
            "id eq 11111111-1111-1111-1111-111111111111",
            "ID EQ 11111111-1111-1111-1111-111111111111",
            "name eq 'flights of o''hare'",
            "name sw 'Flight' and name ew 'hare'",
            "name so 'OF O'",
            "published eq true",
            "published eq True",
            "published ne false",
            "stream.name eq 'Everyone'",
            "tags.name eq '2013'",
            "customProperties.definition.name eq 'audience' and customProperties.value eq 'open'",
            "(owner.userId eq 'ana') and (owner.userDirectory eq 'loggia')",
            "modifiedDate gt '2026-11-24'",
            "modifiedDate gt '2026-11-24 08:00:00'",
            "modifiedDate le '2026-11-24T08:15:30.123Z'",
            "fileSize gt 1000 and fileSize le 1200",
            "name eq 'x' or published eq true and fileSize ge 1200",
            "not (name eq 'x')",
            "description eq ''",
        ] {
            assert!(accepts(yes), "{yes}");
        }
        for no in [
            "name eq 'flights'",
            "tags.name eq 'sea'",
            "stream.id eq null",
            "(name eq 'x' or published eq true) and fileSize gt 1200",
            "modifiedDate lt '2026-01-01'",
        ] {
            assert!(!accepts(no), "{no}");
        }
    }

    #[test]
    fn an_error_names_the_place_and_what_was_expected() {
        let fault = |text: &str| Filter::parse(text, &APP).unwrap_err().to_string();
        expect_test::expect![[r#"
            name: expected one of eq, ne, gt, ge, lt, le, sw, ew, so (at character 4)
            name is 'x': expected one of eq, ne, gt, ge, lt, le, sw, ew, so (at character 5)
            name eq: expected a value: 'text', a number, true, false or an id (at character 7)
            name eq 'x: the text that begins here has no closing quote (at character 8)
            (name eq 'x': expected a closing parenthesis, found the end of the filter (at character 12)
            name eq 'x' published: expected and, or, or the end, found "published" (at character 12)
            nmae eq 'x': there is no property "nmae"; did you mean "name"? (at character 0)
            stream.nmae eq 'x': there is no property "stream.nmae"; did you mean "stream.name"? (at character 0)
            eq 'x': there is no property "eq" (at character 0)
            'x' eq name: expected the name of a property, found the text 'x' (at character 0)
        "#]]
        .assert_eq(
            &[
                "name",
                "name is 'x'",
                "name eq",
                "name eq 'x",
                "(name eq 'x'",
                "name eq 'x' published",
                "nmae eq 'x'",
                "stream.nmae eq 'x'",
                "eq 'x'",
                "'x' eq name",
            ]
            .map(|text| format!("{text}: {}\n", fault(text)))
            .concat(),
        );
        let deep = format!("{}name eq 'x'{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(Filter::parse(&deep, &APP).unwrap_err().message.contains("nested"));
        let nots = format!("{}name eq 'x'", "not ".repeat(4_000));
        assert!(Filter::parse(&nots, &APP).unwrap_err().message.contains("nested"));
    }

    fn any_filter() -> impl Strategy<Value = (String, Filter)> {
        let comparison = (
            prop::sample::select(vec!["name", "published", "stream.name", "tags.name"]),
            prop::sample::select(vec!["eq", "ne", "gt", "ge", "lt", "le", "sw", "ew", "so"]),
            "[ -~äß]{0,8}",
        )
            .prop_map(|(path, op, value)| {
                let text = format!("{path} {op} '{}'", value.replace('\'', "''"));
                let filter = Filter::Compare {
                    path: path.split('.').map(str::to_owned).collect(),
                    operator: operator(op).unwrap(),
                    operand: Operand::Text(value.to_lowercase()),
                };
                (text, filter)
            });
        comparison.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|(text, filter)| {
                    (format!("not ({text})"), Filter::Not(Box::new(filter)))
                }),
                (prop::collection::vec(inner, 2..4), any::<bool>()).prop_map(|(parts, is_and)| {
                    let (word, join): (_, fn(Vec<Filter>) -> Filter) =
                        if is_and { (" and ", Filter::And) } else { (" OR ", Filter::Or) };
                    let texts: Vec<_> = parts.iter().map(|(text, _)| format!("({text})")).collect();
                    let filters = parts.into_iter().map(|(_, filter)| filter).collect();
                    (texts.join(word), join(filters))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back((text, filter) in any_filter()) {
            prop_assert_eq!(Filter::parse(&text, &APP), Ok(filter));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}|[()' a-z.]{0,60}") {
            if let Ok(filter) = Filter::parse(&text, &APP) {
                let _ = filter.accepts(&json!({"name": "x", "tags": [], "stream": null}), &APP);
            }
        }
    }
}
