//! What does a request body say? Members without letter case, each read as the type it must have,
//! every problem remembered with its place.

use std::collections::HashMap;

use loggia_model::entity::{AttributeMapping, PropertyValue};
use loggia_model::{Moment, UserId};
use loggia_repository::{Repository, Violation};
use serde_json::Value;
use uuid::Uuid;

use crate::filter::moment;
use crate::problem::Problem;
use crate::wire;

/// The members of a JSON object. `null` is as absent, as clients send back what they fetched.
pub(crate) struct Body {
    members: HashMap<String, Value>,
    violations: Vec<Violation>,
}

impl Body {
    /// Reads the body of a request; an error names the place in the text.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Body, Problem> {
        Body::of(parse_json(bytes)?)
    }

    /// The members of a value.
    pub(crate) fn of(value: Value) -> Result<Body, Problem> {
        match value {
            Value::Object(members) => Ok(Body {
                members: members
                    .into_iter()
                    .map(|(name, value)| (name.to_lowercase(), value))
                    .collect(),
                violations: Vec::new(),
            }),
            other => Err(Problem::bad(format!("expected a JSON object, found {}", kind(&other)))),
        }
    }

    /// Ends reading: every problem at once, if there was one.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.violations.is_empty() { Ok(()) } else { Err(Problem::invalid(self.violations)) }
    }

    pub(crate) fn problem(&mut self, place: &'static str, message: impl Into<String>) {
        let code = Some("request-member");
        self.violations.push(Violation { code, ..Violation::new(place, message) });
    }

    /// Whether something was said about the member already.
    pub(crate) fn has_problem(&self, place: &str) -> bool {
        self.violations.iter().any(|violation| violation.place == place)
    }

    /// Whether the member is there, `null` included.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.members.contains_key(&name.to_lowercase())
    }

    /// The member, unless absent or null.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        self.members.get(&name.to_lowercase()).filter(|value| !value.is_null()).cloned()
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            other => self.wrong(name, "text", &other),
        }
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(flag) => Some(flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            other => self.wrong(name, "true or false", &other),
        }
    }

    pub(crate) fn number<T: TryFrom<u64>>(&mut self, name: &'static str) -> Option<T> {
        let value = self.value(name)?;
        match value.as_u64().and_then(|number| T::try_from(number).ok()) {
            Some(number) => Some(number),
            None => self.wrong(name, "a whole number that fits", &value),
        }
    }

    /// A number or name of an enum.
    pub(crate) fn choice(&mut self, name: &'static str, choices: &[(i64, &str)]) -> Option<i64> {
        let value = self.value(name)?;
        let found = match &value {
            Value::Number(number) => {
                number.as_i64().filter(|n| choices.iter().any(|(known, _)| known == n))
            }
            Value::String(text) => choices
                .iter()
                .find(|(number, known)| {
                    known.eq_ignore_ascii_case(text) || number.to_string() == *text
                })
                .map(|&(number, _)| number),
            _ => None,
        };
        if found.is_none() {
            let known: Vec<_> =
                choices.iter().map(|(number, name)| format!("{number} {name}")).collect();
            self.problem(name, format!("{value} is none of {}", known.join(", ")));
        }
        found
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = self.value(name)?;
        let texts = value.as_array().and_then(|elements| {
            elements
                .iter()
                .map(|element| element.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        match texts {
            Some(texts) => Some(texts),
            None => self.wrong(name, "a list of texts", &value),
        }
    }

    /// The id of the thing itself, when the client chooses one.
    pub(crate) fn id(&mut self) -> Option<Uuid> {
        let text = self.text("id")?;
        match Uuid::parse_str(&text) {
            Ok(id) if !id.is_nil() => Some(id),
            // Clients send an empty id with what they want to have made.
            Ok(_) => None,
            Err(_) if text.is_empty() => None,
            Err(_) => {
                self.problem("id", format!("{text:?} is no GUID"));
                None
            }
        }
    }

    /// The state the change was made from.
    pub(crate) fn modified(&mut self) -> Option<Moment> {
        let text = self.text("modifiedDate")?;
        match moment(&text) {
            Some(millis) => Some(Moment(millis)),
            None => {
                self.problem("modifiedDate", format!("{text:?} is no date"));
                None
            }
        }
    }

    /// A reference given as `{id}` or as the whole object.
    pub(crate) fn reference(&mut self, name: &'static str) -> Option<Uuid> {
        let value = self.value(name)?;
        match id_of(&value) {
            Some(id) => Some(id),
            None => self.wrong(name, "a reference such as {\"id\": \"…\"}", &value),
        }
    }

    pub(crate) fn owner(&mut self) -> Option<UserId> {
        self.reference("owner").map(UserId)
    }

    /// Tags given as `{name}`, `{id}` or whole.
    pub(crate) fn tags(&mut self, repository: &Repository) -> Option<Vec<String>> {
        let value = self.value("tags")?;
        let Some(elements) = value.as_array() else {
            return self.wrong("tags", "a list of tags", &value);
        };
        let mut tags = Vec::with_capacity(elements.len());
        for element in elements {
            let by_name = element.get("name").and_then(Value::as_str).map(str::to_owned);
            match by_name.or_else(|| wire::tag_named(repository, id_of(element)?)) {
                Some(tag) => tags.push(tag),
                None => self.problem("tags", format!("{element} is no known tag; give its name")),
            }
        }
        Some(tags)
    }

    /// Values of custom properties, whose definition may be `{name}`, `{id}` or whole.
    pub(crate) fn properties(&mut self, repository: &Repository) -> Option<Vec<PropertyValue>> {
        let value = self.value("customProperties")?;
        let Some(elements) = value.as_array() else {
            return self.wrong("customProperties", "a list of values", &value);
        };
        let mut properties = Vec::with_capacity(elements.len());
        for element in elements {
            let definition = element.get("definition").unwrap_or(&Value::Null);
            let name = definition.get("name").and_then(Value::as_str).map(str::to_owned);
            let name = name.or_else(|| wire::property_named(repository, id_of(definition)?));
            match (name, element.get("value").and_then(Value::as_str)) {
                (Some(name), Some(value)) => {
                    properties.push(PropertyValue { name, value: value.to_owned() });
                }
                _ => self.problem(
                    "customProperties",
                    format!("{element} needs a text as value and a definition with a name"),
                ),
            }
        }
        Some(properties)
    }

    /// Mappings of a sign-in's attributes, `{<from>, senseAttribute, isMandatory}` each.
    pub(crate) fn attributes(
        &mut self,
        name: &'static str,
        from: &str,
    ) -> Option<Vec<AttributeMapping>> {
        let value = self.value(name)?;
        let Some(elements) = value.as_array() else {
            return self.wrong(name, "a list of mappings", &value);
        };
        let mut mappings = Vec::with_capacity(elements.len());
        for element in elements {
            let text = |member: &str| element.get(member).and_then(Value::as_str);
            match (text(from), text("senseAttribute")) {
                (Some(from), Some(to)) => mappings.push(AttributeMapping {
                    from: from.to_owned(),
                    to: to.to_owned(),
                    is_mandatory: element.get("isMandatory").and_then(Value::as_bool) == Some(true),
                }),
                _ => self.problem(
                    name,
                    format!("{element} needs the texts `{from}` and `senseAttribute`"),
                ),
            }
        }
        Some(mappings)
    }

    /// References given as `{id}` or as whole objects.
    pub(crate) fn references(&mut self, name: &'static str) -> Option<Vec<Uuid>> {
        let value = self.value(name)?;
        let ids = value
            .as_array()
            .and_then(|elements| elements.iter().map(id_of).collect::<Option<Vec<_>>>());
        match ids {
            Some(ids) => Some(ids),
            None => self.wrong(name, "a list of references such as {\"id\": \"…\"}", &value),
        }
    }

    fn wrong<T>(&mut self, name: &'static str, expected: &str, found: &Value) -> Option<T> {
        self.problem(name, format!("expected {expected}, found {}", kind(found)));
        None
    }
}

pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad(format!("the body is no JSON: {error}")))
}

fn id_of(value: &Value) -> Option<Uuid> {
    Uuid::parse_str(value.get("id")?.as_str()?).ok()
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
