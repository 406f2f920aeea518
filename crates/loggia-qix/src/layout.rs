//! From an object's effective properties to its layout: everything is copied as it is, and
//! definitions and expressions are replaced by their results, at any depth (`spec/qix.md` §4).

use serde_json::{Map, Value};

pub(crate) mod cube;
pub(crate) mod definition;
pub(crate) mod field;
pub(crate) mod items;
pub(crate) mod list;
pub(crate) mod pages;
pub(crate) mod selection;

/// A member whose name says that the engine has to compute its counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    HyperCube,
    ListObject,
    TreeData,
    SelectionObject,
    FieldList,
    DimensionList,
    MeasureList,
    VariableList,
    BookmarkList,
    AppObjectList,
    ChildList,
    MediaList,
    ExtensionList,
    UndoInfo,
    StaticContentUrl,
    EmbeddedSnapshot,
}

/// What the walk asks for at the places it cannot copy.
pub(crate) trait Resolver {
    /// The layout of a definition found at `path`, in alternate state `state`; none drops it.
    fn definition(
        &self,
        kind: Definition,
        definition: &Value,
        path: &str,
        state: &str,
    ) -> Option<Value>;

    /// The text of a string expression.
    fn text(&self, expression: &str, state: &str) -> Value;

    /// The number of a value expression.
    fn number(&self, expression: &str, state: &str) -> Value;
}

/// What has to happen for a layout to become stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependencies {
    /// It computes something from data: any selection or variable may change it.
    pub(crate) on_data: bool,
    /// It shows selections or the steps between them.
    pub(crate) on_selections: bool,
    /// It lists objects, dimensions, measures, variables or bookmarks of the app.
    pub(crate) on_items: bool,
    /// It lists its own children.
    pub(crate) on_children: bool,
}

impl Definition {
    /// The member's name in properties and in the layout.
    const NAMES: [(&'static str, &'static str, Definition); 16] = [
        ("qHyperCubeDef", "qHyperCube", Definition::HyperCube),
        ("qListObjectDef", "qListObject", Definition::ListObject),
        ("qTreeDataDef", "qTreeData", Definition::TreeData),
        ("qSelectionObjectDef", "qSelectionObject", Definition::SelectionObject),
        ("qFieldListDef", "qFieldList", Definition::FieldList),
        ("qDimensionListDef", "qDimensionList", Definition::DimensionList),
        ("qMeasureListDef", "qMeasureList", Definition::MeasureList),
        ("qVariableListDef", "qVariableList", Definition::VariableList),
        ("qBookmarkListDef", "qBookmarkList", Definition::BookmarkList),
        ("qAppObjectListDef", "qAppObjectList", Definition::AppObjectList),
        ("qChildListDef", "qChildList", Definition::ChildList),
        ("qMediaListDef", "qMediaList", Definition::MediaList),
        ("qExtensionListDef", "qExtensionList", Definition::ExtensionList),
        ("qUndoInfoDef", "qUndoInfo", Definition::UndoInfo),
        ("qStaticContentUrlDef", "qStaticContentUrl", Definition::StaticContentUrl),
        ("qEmbeddedSnapshotDef", "qEmbeddedSnapshot", Definition::EmbeddedSnapshot),
    ];

    fn of(name: &str) -> Option<(&'static str, Definition)> {
        Definition::NAMES
            .iter()
            .find(|(property, ..)| *property == name)
            .map(|&(_, layout, definition)| (layout, definition))
    }
}

/// The layout of `properties`, without the envelope (`qInfo`, `qMeta`, `qSelectionInfo`).
pub(crate) fn transform(properties: &Value, resolver: &dyn Resolver) -> Map<String, Value> {
    let Value::Object(members) = properties else { return Map::new() };
    transform_members(members, "", "$", resolver)
}

/// The alternate state that applies to the definition at `path` of `properties`.
pub(crate) fn state_at(properties: &Value, path: &str) -> String {
    let mut state = "$".to_owned();
    let mut place = Some(properties);
    for segment in std::iter::once("").chain(path.split('/').skip(1)) {
        if !segment.is_empty() {
            place = place.and_then(|at| match at {
                Value::Array(items) => segment.parse::<usize>().ok().and_then(|i| items.get(i)),
                at => at.get(segment),
            });
        }
        if let Some(own) = place.and_then(own_state) {
            own.clone_into(&mut state);
        }
    }
    state
}

/// What the layout of `properties` depends on.
pub(crate) fn dependencies(properties: &Value) -> Dependencies {
    let mut found = Dependencies::default();
    collect_dependencies(properties, &mut found);
    found
}

fn transform_members(
    members: &Map<String, Value>,
    path: &str,
    inherited: &str,
    resolver: &dyn Resolver,
) -> Map<String, Value> {
    let state = members.get("qStateName").and_then(state_text).unwrap_or(inherited);
    let mut layout = Map::with_capacity(members.len());
    for (name, value) in members {
        let at = format!("{path}/{}", escape(name));
        if let Some((result, kind)) = Definition::of(name) {
            // A definition may have a state of its own, nearer than the object's.
            let state = own_state(value).unwrap_or(state);
            if let Some(computed) = resolver.definition(kind, value, &at, state) {
                layout.insert(result.to_owned(), computed);
            }
            continue;
        }
        match name.as_str() {
            "qLayoutExclude" => {}
            "qMetaDef" => {
                layout.insert("qMeta".to_owned(), transform_value(value, &at, state, resolver));
            }
            _ => {
                layout.insert(name.clone(), transform_value(value, &at, state, resolver));
            }
        }
    }
    layout
}

fn transform_value(value: &Value, path: &str, state: &str, resolver: &dyn Resolver) -> Value {
    match value {
        Value::Object(members) => {
            if let Some(expression) = members.get("qStringExpression").and_then(expression_text) {
                return resolver.text(expression, state);
            }
            if let Some(expression) = members.get("qValueExpression").and_then(expression_text) {
                return resolver.number(expression, state);
            }
            Value::Object(transform_members(members, path, state, resolver))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, item)| transform_value(item, &format!("{path}/{at}"), state, resolver))
            .collect(),
        plain => plain.clone(),
    }
}

fn collect_dependencies(value: &Value, found: &mut Dependencies) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match Definition::of(name).map(|(_, definition)| definition) {
                    Some(Definition::HyperCube | Definition::ListObject | Definition::TreeData) => {
                        found.on_data = true
                    }
                    Some(Definition::SelectionObject) => found.on_selections = true,
                    Some(
                        Definition::DimensionList
                        | Definition::MeasureList
                        | Definition::VariableList
                        | Definition::BookmarkList
                        | Definition::AppObjectList,
                    ) => found.on_items = true,
                    Some(Definition::ChildList) => found.on_children = true,
                    Some(_) => {}
                    None if name == "qStringExpression" || name == "qValueExpression" => {
                        found.on_data = true;
                    }
                    None if name == "qLayoutExclude" => {}
                    None => collect_dependencies(value, found),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect_dependencies(item, found);
            }
        }
        _ => {}
    }
}

/// The text of an expression member: `{"qExpr": "…"}`, or the text itself.
pub(crate) fn expression_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("qExpr").and_then(Value::as_str))
}

fn own_state(value: &Value) -> Option<&str> {
    value.get("qStateName").and_then(state_text)
}

/// Empty and `inherited` leave the choice to what is around.
fn state_text(value: &Value) -> Option<&str> {
    value.as_str().filter(|state| !state.is_empty() && *state != "inherited")
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    struct Echo;

    impl Resolver for Echo {
        fn definition(
            &self,
            kind: Definition,
            _: &Value,
            path: &str,
            state: &str,
        ) -> Option<Value> {
            Some(json!(format!("{kind:?} at {path} in {state}")))
        }

        fn text(&self, expression: &str, state: &str) -> Value {
            json!(format!("text of {expression} in {state}"))
        }

        fn number(&self, expression: &str, _: &str) -> Value {
            json!(expression.len())
        }
    }

    #[test]
    fn definitions_and_expressions_are_replaced_at_any_depth() {
        check(
            json!({
                "visualization": "barchart",
                "qHyperCubeDef": { "qMode": "S" },
                "title": { "qStringExpression": { "qExpr": "'a'&1" } },
                "short": { "qStringExpression": "='b'" },
                "frequencyMax": { "qValueExpression": { "qExpr": "Max(x)" } },
                "tooltip": { "data": { "qHyperCubeDef": {} } },
                "alternateStates": [{ "stateName": "A", "qSelectionObjectDef": { "qStateName": "A" } }],
                "qLayoutExclude": { "hidden": 1 },
                "qUndoExclude": { "box": { "qHyperCubeDef": { "qStateName": "B" } } },
                "qMetaDef": { "title": "T" },
            }),
            expect![[r#"
                {
                  "visualization": "barchart",
                  "qHyperCube": "HyperCube at /qHyperCubeDef in $",
                  "title": "text of 'a'&1 in $",
                  "short": "text of ='b' in $",
                  "frequencyMax": 6,
                  "tooltip": {
                    "data": {
                      "qHyperCube": "HyperCube at /tooltip/data/qHyperCubeDef in $"
                    }
                  },
                  "alternateStates": [
                    {
                      "stateName": "A",
                      "qSelectionObject": "SelectionObject at /alternateStates/0/qSelectionObjectDef in A"
                    }
                  ],
                  "qUndoExclude": {
                    "box": {
                      "qHyperCube": "HyperCube at /qUndoExclude/box/qHyperCubeDef in B"
                    }
                  },
                  "qMeta": {
                    "title": "T"
                  }
                }"#]],
        );
    }

    #[test]
    fn a_state_is_inherited_from_the_nearest_object_around() {
        let properties = json!({
            "qStateName": "Left",
            "qHyperCubeDef": { "qStateName": "" },
            "inner": { "qListObjectDef": { "qStateName": "Right" } },
        });
        assert_eq!(state_at(&properties, "/qHyperCubeDef"), "Left");
        assert_eq!(state_at(&properties, "/inner/qListObjectDef"), "Right");
        assert_eq!(state_at(&json!({}), "/qHyperCubeDef"), "$");
    }

    #[test]
    fn a_layout_knows_what_makes_it_stale() {
        let found = dependencies(&json!({ "a": [{ "qListObjectDef": {} }], "qChildListDef": {} }));
        assert!(found.on_data && found.on_children && !found.on_items && !found.on_selections);
        assert_eq!(dependencies(&json!({ "cells": [1] })), Dependencies::default());
    }

    fn check(properties: Value, expected: Expect) {
        let layout = Value::Object(transform(&properties, &Echo));
        expected.assert_eq(&serde_json::to_string_pretty(&layout).unwrap_or_default());
    }
}
