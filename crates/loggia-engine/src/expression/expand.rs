//! Dollar expansion: `$(variable)`, `$(variable(a, b))`, `$(=expression)` are replaced in the text before it is parsed.

use crate::value::Value;

/// Where variables come from.
pub trait Variables {
    fn get(&self, name: &str) -> Option<Value>;
}

/// No variables at all.
pub struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, _name: &str) -> Option<Value> {
        None
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    #[error("`$(` at character {at} is not closed")]
    Unclosed { at: usize },
    #[error("expansions nest more than {MAX_DEPTH} deep; does a variable refer to itself?")]
    TooDeep,
    #[error("the expanded text is longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("cannot evaluate `$(={expression})`: {reason}")]
    Evaluation { expression: String, reason: String },
}

const MAX_DEPTH: usize = 32;
const MAX_LENGTH: usize = 4 << 20;

/// Whether there is anything to expand.
pub fn has_expansion(text: &str) -> bool {
    text.contains("$(")
}

/// Replaces every expansion. `evaluate` answers `$(=…)`, and variables whose text begins with `=`.
/// An unknown variable expands to nothing.
pub fn expand(
    text: &str,
    variables: &dyn Variables,
    evaluate: &dyn Fn(&str) -> Result<Value, String>,
) -> Result<String, ExpandError> {
    let mut expansion = Expansion { variables, evaluate, budget: MAX_LENGTH };
    expansion.expand(text, 0)
}

struct Expansion<'a> {
    variables: &'a dyn Variables,
    evaluate: &'a dyn Fn(&str) -> Result<Value, String>,
    /// Bytes that may still be produced: nested doubling must not fill the memory.
    budget: usize,
}

impl Expansion<'_> {
    fn expand(&mut self, text: &str, depth: usize) -> Result<String, ExpandError> {
        if depth > MAX_DEPTH {
            return Err(ExpandError::TooDeep);
        }
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("$(") {
            result.push_str(&rest[..start]);
            let inside = &rest[start + 2..];
            let end = closing_paren(inside).ok_or(ExpandError::Unclosed {
                at: text[..text.len() - rest.len() + start].chars().count(),
            })?;
            let replacement = self.replacement(&inside[..end], depth)?;
            result.push_str(&replacement);
            rest = &inside[end + 1..];
        }
        result.push_str(rest);
        self.budget = self.budget.checked_sub(result.len()).ok_or(ExpandError::TooLong)?;
        Ok(result)
    }

    fn replacement(&mut self, inside: &str, depth: usize) -> Result<String, ExpandError> {
        let inside = self.expand(inside, depth + 1)?;
        let trimmed = inside.trim();
        if let Some(expression) = trimmed.strip_prefix('=') {
            return self.evaluated(expression, false);
        }
        let (name, plain_number) = match trimmed.strip_prefix('#') {
            Some(rest) => (rest.trim(), true),
            None => (trimmed, false),
        };
        if let Some(value) = self.variables.get(unbracketed(name)) {
            return self.variable(&value, &[], plain_number, depth);
        }
        if let Some(open) = name.find('(')
            && let Some(arguments) = name[open + 1..].strip_suffix(')')
            && let Some(value) = self.variables.get(unbracketed(name[..open].trim()))
        {
            return self.variable(&value, &split_arguments(arguments), plain_number, depth);
        }
        Ok(String::new())
    }

    fn variable(
        &mut self,
        value: &Value,
        arguments: &[&str],
        plain_number: bool,
        depth: usize,
    ) -> Result<String, ExpandError> {
        if plain_number && let Some(number) = value.number() {
            return Ok(crate::format::number_text(number));
        }
        let mut text = value.text().into_owned();
        if !arguments.is_empty() {
            text = with_arguments(&text, arguments);
        }
        let text = self.expand(&text, depth + 1)?;
        match text.trim_start().strip_prefix('=') {
            Some(expression) => self.evaluated(expression, plain_number),
            None => Ok(text),
        }
    }

    fn evaluated(&mut self, expression: &str, plain_number: bool) -> Result<String, ExpandError> {
        let value = (self.evaluate)(expression).map_err(|reason| ExpandError::Evaluation {
            expression: expression.to_owned(),
            reason,
        })?;
        match value.number() {
            Some(number) if plain_number => Ok(crate::format::number_text(number)),
            _ => Ok(value.text().into_owned()),
        }
    }
}

/// Where the parenthesis closes that was open before `text`; quotes hide parentheses.
fn closing_paren(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(end), _) if character == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => quote = Some(']'),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return Some(at),
            (None, ')') => depth -= 1,
            _ => {}
        }
    }
    // A lone quote, as in a text fragment: take the first parenthesis that fits without regard to quotes.
    let mut depth = 0usize;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn unbracketed(name: &str) -> &str {
    name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name)
}

fn split_arguments(text: &str) -> Vec<&str> {
    let mut arguments = Vec::new();
    let mut start = 0;
    let mut depth = 0usize;
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(end), _) if character == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => quote = Some(']'),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                arguments.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    arguments.push(text[start..].trim());
    arguments
}

/// Replaces `$1`, `$2`, … by the arguments; one that was not given becomes empty.
fn with_arguments(text: &str, arguments: &[&str]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek().and_then(|next| next.to_digit(10)) {
            Some(digit @ 1..) if character == '$' => {
                characters.next();
                result.push_str(arguments.get(digit as usize - 1).copied().unwrap_or(""));
            }
            _ => result.push(character),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Variables for Known {
        fn get(&self, name: &str) -> Option<Value> {
            Some(match name {
                "year" => Value::Number(2013.0),
                "set" => Value::from("{<Year={$(year)}>}"),
                "ratio" => Value::from("Sum($1)/Sum($2)"),
                "loop" => Value::from("$(loop)"),
                "double" => Value::from("$(double1)$(double1)"),
                "calculated" => Value::from("=1+1"),
                _ => return None,
            })
        }
    }

    fn check(text: &str, expected: &str) {
        let evaluate = |expression: &str| Ok(Value::from(format!("<{expression}>").as_str()));
        let result = expand(text, &Known, &evaluate).unwrap_or_else(|error| error.to_string());
        assert_eq!(result, expected);
    }

    #[test]
    fn variables_stand_for_their_text() {
        check("Sum($(set) Sales)", "Sum({<Year={2013}>} Sales)");
        check("$(ratio(a, [b,c]))", "Sum(a)/Sum([b,c])");
        check("a$(nothing)b", "ab");
        check("$(=max($(year)))", "<max(2013)>");
        check("$(calculated)", "<1+1>");
    }

    #[test]
    fn what_cannot_end_is_refused() {
        check("$(loop)", "expansions nest more than 32 deep; does a variable refer to itself?");
        check("x $(year", "`$(` at character 2 is not closed");
    }
}
