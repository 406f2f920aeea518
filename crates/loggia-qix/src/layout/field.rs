//! The list of fields.

use serde_json::{Value, json};

use super::definition::Computer;
use crate::wire::flag_at;

/// The layout of a field list definition.
pub(crate) fn field_list(computer: &Computer<'_>, definition: &Value) -> Value {
    let model = &computer.document.loaded.model;
    let shows_system = flag_at(definition, "qShowSystem");
    let shows_hidden = flag_at(definition, "qShowHidden");
    let shows_tables = flag_at(definition, "qShowSrcTables");
    let items: Vec<Value> = model
        .fields()
        .iter()
        .filter(|field| shows_system || !field.is_synthetic)
        .filter(|field| shows_hidden || !field.is_hidden)
        .map(|field| {
            let tables: Vec<&str> = if shows_tables {
                field.tables.iter().map(|table| &*model.table_info(*table).name).collect()
            } else {
                Vec::new()
            };
            let mut item = json!({
                "qName": &*field.name,
                "qCardinal": field.cardinality,
                "qTags": field.tags,
                "qSrcTables": tables,
                "qIsNumeric": field.is_numeric,
            });
            if field.is_synthetic {
                item["qIsSystem"] = json!(true);
            }
            if field.is_hidden {
                item["qIsHidden"] = json!(true);
            }
            item
        })
        .collect();
    json!({ "qItems": items })
}
