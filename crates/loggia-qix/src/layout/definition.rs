//! What a layout's definitions and expressions come to, for one document and one caller.

use std::sync::Arc;

use loggia_engine::Value as EngineValue;
use loggia_engine::calculator::{Context, EvaluateError, NamedSets};
use loggia_engine::expression::Variables;
use loggia_engine::model::FieldId;
use loggia_engine::selection::Selections;
use serde_json::{Value, json};

use super::pages::Budget;
use super::{Definition, Resolver, cube, field, items, list, selection};
use crate::document::{Document, Place};
use crate::method::Call;
use crate::patience::Patience;
use crate::timestamp;
use crate::view::View;
use crate::wire;

/// Computes for one caller's view of a document.
pub(crate) struct Computer<'a> {
    pub(crate) document: &'a Document,
    pub(crate) view: &'a View,
    now: f64,
    user: String,
    patience: &'a Patience,
    /// The object whose definitions are computed: its open searches and nodes count.
    object: Option<Arc<str>>,
    /// What one layout may still hold.
    pub(crate) budget: Budget,
}

struct VariablesOf<'a> {
    document: &'a Document,
    view: &'a View,
}

struct SetsOf<'a> {
    document: &'a Document,
    view: &'a View,
}

impl<'a> Computer<'a> {
    pub(crate) fn new(call: &'a Call<'_>, document: &'a Document) -> Computer<'a> {
        let principal = &call.socket.caller.principal;
        Computer {
            document,
            view: &call.view,
            now: timestamp::serial(call.shared.now()),
            user: format!(
                "UserDirectory={}; UserId={}",
                principal.directory(),
                principal.user_id()
            ),
            patience: call.patience,
            object: None,
            budget: Budget::default(),
        }
    }

    /// The same for the definitions of one object.
    pub(crate) fn of_object(mut self, object: Arc<str>) -> Computer<'a> {
        self.object = Some(object);
        self
    }

    /// Calls `compute` with the circumstances of a computation in `state`.
    pub(crate) fn with_context<T>(
        &self,
        state: &str,
        compute: impl FnOnce(&Context<'_>) -> T,
    ) -> T {
        let variables = VariablesOf { document: self.document, view: self.view };
        let sets = SetsOf { document: self.document, view: self.view };
        compute(&Context {
            selections: &self.document.selections,
            state,
            variables: &variables,
            sets: &sets,
            now: self.now,
            locale: &self.document.loaded.locale,
            user: &self.user,
            stop: &|| self.patience.is_over(),
        })
    }

    /// The value of an expression over the whole app.
    pub(crate) fn evaluate(
        &self,
        expression: &str,
        state: &str,
    ) -> Result<EngineValue, EvaluateError> {
        self.with_context(state, |context| {
            self.document.loaded.calculator.evaluate(context, expression)
        })
    }

    /// The text with `$(…)` expanded; as it was where that fails.
    pub(crate) fn expanded(&self, text: &str) -> String {
        self.with_context("$", |context| self.document.loaded.calculator.expand(context, text))
            .unwrap_or_else(|_| text.to_owned())
    }

    /// A label: plain text, or an expression where it begins with `=`.
    pub(crate) fn label(&self, text: &str, state: &str) -> String {
        if text.trim_start().starts_with('=') {
            match self.evaluate(text, state) {
                Ok(value) => value.text().into_owned(),
                Err(_) => String::new(),
            }
        } else if text.contains("$(") {
            self.expanded(text)
        } else {
            text.to_owned()
        }
    }

    /// Elements of a field whose values match a search text.
    pub(crate) fn matches(&self, field: FieldId, text: &str, state: &str) -> Vec<u32> {
        let def = loggia_engine::list::ListDef {
            expression: list::bracketed(&self.document.loaded.model.field_info(field).name).into(),
            search: text.into(),
            ..Default::default()
        };
        self.with_context(state, |context| self.document.loaded.calculator.list(context, &def).ok())
            .and_then(|list| list.picked_matches().ok())
            .map(|picked| picked.elements)
            .unwrap_or_default()
    }

    /// A definition of the present object, by its path.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        Some(Place { object: self.object.clone()?, path: path.to_owned() })
    }
}

impl Resolver for Computer<'_> {
    fn definition(
        &self,
        kind: Definition,
        definition: &Value,
        path: &str,
        state: &str,
    ) -> Option<Value> {
        let is_heavy = matches!(kind, Definition::HyperCube | Definition::ListObject);
        if is_heavy && !self.budget.takes_definition() {
            return Some(json!({
                "qSize": { "qcx": 0, "qcy": 0 },
                "qError": { "qErrorCode": 8 },
                "qDataPages": [],
            }));
        }
        match kind {
            Definition::HyperCube => Some(cube::layout(self, definition, path, state)),
            Definition::ListObject => Some(list::layout(self, definition, path, state)),
            Definition::SelectionObject => Some(selection::layout(self, state)),
            Definition::FieldList => Some(field::field_list(self, definition)),
            Definition::DimensionList => Some(items::library_list(self, "dimension", definition)),
            Definition::MeasureList => Some(items::library_list(self, "measure", definition)),
            Definition::BookmarkList => Some(items::library_list(self, "bookmark", definition)),
            Definition::VariableList => Some(items::variable_list(self, definition)),
            Definition::AppObjectList => Some(items::app_object_list(self, definition)),
            Definition::ChildList => Some(items::child_list(
                self,
                self.object.as_deref().unwrap_or_default(),
                definition,
            )),
            Definition::MediaList => Some(json!({ "qItems": [] })),
            Definition::ExtensionList => Some(json!({ "qNames": [] })),
            Definition::UndoInfo => Some(json!({ "qUndoCount": 0, "qRedoCount": 0 })),
            Definition::StaticContentUrl => {
                Some(json!({ "qUrl": wire::text_at(definition, "qUrl") }))
            }
            // Trees and snapshots are not computed: a client sees that they are missing.
            Definition::TreeData | Definition::EmbeddedSnapshot => None,
        }
    }

    fn text(&self, expression: &str, state: &str) -> Value {
        match self.evaluate(expression, state) {
            Ok(value) => json!(value.text()),
            Err(_) => json!(""),
        }
    }

    fn number(&self, expression: &str, state: &str) -> Value {
        let value = self.evaluate(expression, state).ok();
        wire::number_or_nan(value.and_then(|value| value.number()))
    }
}

impl Variables for VariablesOf<'_> {
    fn get(&self, name: &str) -> Option<EngineValue> {
        self.document.variable(self.view, name).map(|text| EngineValue::interpret(&text))
    }
}

impl NamedSets for SetsOf<'_> {
    fn step(&self, back: i32) -> Option<Selections> {
        let steps = if back > 0 { &self.document.back } else { &self.document.forward };
        let at = usize::try_from(back.unsigned_abs()).ok()?.checked_sub(1)?;
        steps.iter().rev().nth(at).cloned()
    }

    fn bookmark(&self, name: &str) -> Option<Selections> {
        let bookmark = self.view.library_item(name, "bookmark").or_else(|| {
            self.view.items().filter(|item| item.generic_type() == "bookmark").find(|item| {
                item.properties.pointer("/qMetaDef/title").and_then(Value::as_str) == Some(name)
            })
        })?;
        Some(selection::from_bookmark(&self.document.loaded.model, &bookmark.properties))
    }
}
