//! Patches to an object's properties: JSON pointers, and values that are JSON inside a text.

use serde_json::{Map, Value, json};

use crate::fault::Fault;

/// One change to a tree of properties.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Patch {
    operation: Operation,
    path: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Operation {
    /// On an existing member it replaces, on a missing parent it creates.
    Add(Value),
    Replace(Value),
    Remove,
}

impl Patch {
    /// Reads `{qOp, qPath, qValue}`; the operation in any letter case or as its number.
    pub(crate) fn read(wire: &Value) -> Result<Patch, Fault> {
        let path = wire.get("qPath").and_then(Value::as_str).unwrap_or_default();
        if !path.starts_with('/') {
            return Err(Fault::invalid_path(path));
        }
        let value = || match wire.get("qValue") {
            Some(Value::String(text)) => serde_json::from_str::<Value>(text)
                .map_err(|_| Fault::invalid_parameters(format!("qValue of {path}"))),
            _ => Err(Fault::invalid_parameters(format!("qValue of {path}"))),
        };
        let name = match wire.get("qOp") {
            Some(Value::String(name)) => name.to_ascii_lowercase(),
            Some(Value::Number(number)) => number.to_string(),
            _ => "add".to_owned(),
        };
        let operation = match name.as_str() {
            "add" | "0" => Operation::Add(value()?),
            "remove" | "1" => Operation::Remove,
            "replace" | "2" => Operation::Replace(value()?),
            _ => return Err(Fault::invalid_parameters("qOp")),
        };
        Ok(Patch { operation, path: path.to_owned() })
    }

    /// Whether `self` makes an earlier `other` pointless: the same place, written as a whole.
    pub(crate) fn supersedes(&self, other: &Patch) -> bool {
        self.path == other.path && !is_array_place(&self.path)
    }

    /// About how many bytes it takes to keep.
    pub(crate) fn weight(&self) -> usize {
        let value = match &self.operation {
            Operation::Add(value) | Operation::Replace(value) => weight(value),
            Operation::Remove => 0,
        };
        64 + self.path.len() + value
    }

    /// Changes `tree`, or leaves it as it was and says why it cannot.
    pub(crate) fn apply(&self, tree: &mut Value) -> Result<(), Fault> {
        let segments = segments(&self.path);
        let (last, parents) = segments.split_last().ok_or_else(|| self.invalid())?;
        if last.is_empty() && parents.is_empty() {
            return match &self.operation {
                Operation::Add(value @ Value::Object(_))
                | Operation::Replace(value @ Value::Object(_)) => {
                    *tree = value.clone();
                    Ok(())
                }
                _ => Err(self.invalid()),
            };
        }
        let mut place = tree;
        for segment in parents {
            if place.is_null() {
                *place = json!({});
            }
            place = match place {
                Value::Object(members) => match self.operation {
                    Operation::Add(_) => members.entry(segment.clone()).or_insert(json!({})),
                    _ => members.get_mut(segment).ok_or_else(|| self.invalid())?,
                },
                Value::Array(items) => segment
                    .parse::<usize>()
                    .ok()
                    .and_then(|at| items.get_mut(at))
                    .ok_or_else(|| self.invalid())?,
                _ => return Err(self.invalid()),
            };
        }
        match place {
            Value::Object(members) => self.apply_to_member(members, last),
            Value::Array(items) => self.apply_to_item(items, last),
            _ => Err(self.invalid()),
        }
    }

    fn apply_to_member(&self, members: &mut Map<String, Value>, name: &str) -> Result<(), Fault> {
        match &self.operation {
            Operation::Add(value) | Operation::Replace(value) => {
                members.insert(name.to_owned(), value.clone());
            }
            Operation::Remove => {
                members.shift_remove(name).ok_or_else(|| self.invalid())?;
            }
        }
        Ok(())
    }

    fn apply_to_item(&self, items: &mut Vec<Value>, at: &str) -> Result<(), Fault> {
        let end = items.len();
        let at = if at == "-" { end } else { at.parse().map_err(|_| self.invalid())? };
        match &self.operation {
            Operation::Add(value) if at <= end => items.insert(at, value.clone()),
            Operation::Replace(value) if at < end => {
                items.splice(at..=at, [value.clone()]);
            }
            Operation::Remove if at < end => {
                items.remove(at);
            }
            _ => return Err(self.invalid()),
        }
        Ok(())
    }

    fn invalid(&self) -> Fault {
        Fault::invalid_path(&*self.path)
    }
}

/// About how many bytes a value takes.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 24 + text.len(),
        Value::Array(items) => 24 + items.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            48 + members.iter().map(|(name, value)| 32 + name.len() + weight(value)).sum::<usize>()
        }
        _ => 16,
    }
}

/// The value a JSON pointer names.
pub(crate) fn find<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() || path == "/" { Some(tree) } else { tree.pointer(path) }
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")).collect()
}

fn is_array_place(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|s| s == "-" || s.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[test]
    fn patches_change_properties_in_place() {
        check(
            r#"{"qOp":"add","qPath":"/a/x","qValue":"true"}"#,
            expect![[r#"{"a":{"x":true},"b":[1,2]}"#]],
        );
        check(
            r#"{"qOp":"Add","qPath":"/n/m","qValue":"{}"}"#,
            expect![[r#"{"a":{"x":1},"b":[1,2],"n":{"m":{}}}"#]],
        );
        check(
            r#"{"qOp":"Replace","qPath":"/b","qValue":"[3]"}"#,
            expect![[r#"{"a":{"x":1},"b":[3]}"#]],
        );
        check(
            r#"{"qOp":"add","qPath":"/b/1","qValue":"9"}"#,
            expect![[r#"{"a":{"x":1},"b":[1,9,2]}"#]],
        );
        check(
            r#"{"qOp":"add","qPath":"/b/-","qValue":"9"}"#,
            expect![[r#"{"a":{"x":1},"b":[1,2,9]}"#]],
        );
        check(
            r#"{"qOp":"replace","qPath":"/b/0","qValue":"9"}"#,
            expect![[r#"{"a":{"x":1},"b":[9,2]}"#]],
        );
        check(r#"{"qOp":"remove","qPath":"/a/x"}"#, expect![[r#"{"a":{},"b":[1,2]}"#]]);
        check(
            r#"{"qOp":"add","qPath":"/a~1b","qValue":"\"\""}"#,
            expect![[r#"{"a":{"x":1},"b":[1,2],"a/b":""}"#]],
        );
    }

    #[test]
    fn patches_that_cannot_apply_say_where() {
        check(r#"{"qOp":"remove","qPath":"/c"}"#, expect!["Invalid path (4) /c"]);
        check(r#"{"qOp":"replace","qPath":"/c/d","qValue":"1"}"#, expect!["Invalid path (4) /c/d"]);
        check(r#"{"qOp":"add","qPath":"/b/7","qValue":"1"}"#, expect!["Invalid path (4) /b/7"]);
        check(r#"{"qOp":"add","qPath":"/a/x/y","qValue":"1"}"#, expect!["Invalid path (4) /a/x/y"]);
        check(
            r#"{"qOp":"add","qPath":"/a","qValue":"{"}"#,
            expect!["Invalid parameters (8) qValue of /a"],
        );
        check(
            r#"{"qOp":"add","qPath":"/a","qValue":5}"#,
            expect!["Invalid parameters (8) qValue of /a"],
        );
        check(r#"{"qOp":"turn","qPath":"/a","qValue":"5"}"#, expect!["Invalid parameters (8) qOp"]);
        check(r#"{"qOp":"add","qPath":"a","qValue":"5"}"#, expect!["Invalid path (4) a"]);
    }

    fn check(patch: &str, expected: Expect) {
        let mut tree = json!({ "a": { "x": 1 }, "b": [1, 2] });
        let outcome = serde_json::from_str(patch)
            .map_err(|error| error.to_string())
            .and_then(|wire| Patch::read(&wire).map_err(|fault| fault.to_string()))
            .and_then(|patch| patch.apply(&mut tree).map_err(|fault| fault.to_string()));
        expected.assert_eq(&match outcome {
            Ok(()) => tree.to_string(),
            Err(message) => message,
        });
    }
}
