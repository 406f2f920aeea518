//! A method's parameters, once its names are known: positional or named, `null` and absent both
//! meaning the default.

use serde_json::Value;

use crate::fault::Fault;
use crate::frame::RawParams;

/// Parameters in the order of the method's declaration.
#[derive(Debug)]
pub(crate) struct Params {
    names: &'static [&'static str],
    values: Vec<Value>,
}

impl Params {
    /// Lines `raw` up with `names`; surplus values and unknown names are ignored.
    pub(crate) fn new(names: &'static [&'static str], raw: RawParams) -> Params {
        let values = match raw {
            RawParams::Positional(values) => values,
            RawParams::Named(mut named) => {
                names.iter().map(|name| named.remove(*name).unwrap_or_default()).collect()
            }
        };
        Params { names, values }
    }

    /// The value at `at`, `null` when it was left out.
    pub(crate) fn value(&self, at: usize) -> &Value {
        self.values.get(at).unwrap_or(&Value::Null)
    }

    /// A text; empty when left out. Numbers are taken as their text: some clients send them.
    pub(crate) fn text(&self, at: usize) -> Result<String, Fault> {
        match self.value(at) {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(self.wrong(at)),
        }
    }

    /// A text that may not be empty.
    pub(crate) fn required_text(&self, at: usize) -> Result<String, Fault> {
        let text = self.text(at)?;
        if text.is_empty() { Err(self.wrong(at)) } else { Ok(text) }
    }

    pub(crate) fn flag(&self, at: usize) -> Result<bool, Fault> {
        match self.value(at) {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            Value::Number(number) => Ok(number.as_f64() != Some(0.0)),
            _ => Err(self.wrong(at)),
        }
    }

    pub(crate) fn integer(&self, at: usize, default: i64) -> Result<i64, Fault> {
        match self.value(at) {
            Value::Null => Ok(default),
            value => value
                .as_i64()
                .or_else(|| value.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64))
                .ok_or_else(|| self.wrong(at)),
        }
    }

    /// A list of whole numbers; empty when left out.
    pub(crate) fn integers(&self, at: usize) -> Result<Vec<i64>, Fault> {
        self.list(at)?
            .iter()
            .map(|value| {
                value
                    .as_i64()
                    .or_else(|| value.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64))
                    .ok_or_else(|| self.wrong(at))
            })
            .collect()
    }

    /// A list of texts; empty when left out.
    pub(crate) fn texts(&self, at: usize) -> Result<Vec<String>, Fault> {
        self.list(at)?
            .iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(|| self.wrong(at)))
            .collect()
    }

    /// Any list; empty when left out.
    pub(crate) fn list(&self, at: usize) -> Result<&[Value], Fault> {
        match self.value(at) {
            Value::Null => Ok(&[]),
            Value::Array(values) => Ok(values),
            _ => Err(self.wrong(at)),
        }
    }

    /// An object, which must be there.
    pub(crate) fn object(&self, at: usize) -> Result<&Value, Fault> {
        match self.value(at) {
            value @ Value::Object(_) => Ok(value),
            _ => Err(self.wrong(at)),
        }
    }

    fn wrong(&self, at: usize) -> Fault {
        Fault::invalid_params(self.names.get(at).copied().unwrap_or_default())
    }
}
