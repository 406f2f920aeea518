//! The data model: tables, keys, fields, and rows as they were loaded.

use loggia_engine::model::{DataModel, FieldInfo, TableInfo};
use serde_json::{Value, json};

use super::Call;
use crate::fault::Fault;
use crate::session::Session;
use crate::wire::{self, MAX_CELLS, flag_at};

pub(super) fn get_tables_and_keys(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let model = &session.document()?.loaded.model;
    let shows_synthetic = call.params.flag(3)?;
    let tables: Vec<Value> = model
        .tables()
        .iter()
        .filter(|table| shows_synthetic || !table.is_synthetic)
        .enumerate()
        .map(|(at, table)| table_wire(model, table, at))
        .collect();
    let keys: Vec<Value> = model
        .fields()
        .iter()
        .filter(|field| field.tables.len() > 1)
        .filter(|field| shows_synthetic || !field.is_synthetic)
        .map(|field| {
            let tables: Vec<&str> =
                field.tables.iter().map(|table| &*model.table_info(*table).name).collect();
            json!({ "qKeyFields": [&*field.name], "qTables": tables })
        })
        .collect();
    Ok(json!({ "qtr": tables, "qk": keys }))
}

/// Rows from an offset, as many as one answer holds; offset −1 puts a row of column names first.
pub(super) fn get_table_data(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let model = &session.document()?.loaded.model;
    let offset = call.params.integer(0, 0)?;
    let count =
        usize::try_from(call.params.integer(1, 0)?).map_err(|_| Fault::invalid_params("qRows"))?;
    let name = call.params.required_text(3)?;
    let table = model.table(&name).ok_or_else(|| Fault::not_found(name))?;
    let info = model.table_info(table);
    // Wide tables come in fewer rows; one always comes, so that nobody asks in vain.
    let count = count.min((MAX_CELLS / info.fields.len().max(1)).max(1));
    let mut rows = Vec::new();
    if offset < 0 {
        let names: Vec<Value> = info
            .fields
            .iter()
            .map(|field| {
                let name = &*model.field_info(*field).name;
                json!({ "qText": name, "qIsNumeric": false, "qNumber": 0 })
            })
            .collect();
        rows.push(json!({ "qValue": names }));
    }
    let first = usize::try_from(offset.max(0)).unwrap_or(usize::MAX);
    let last = first.saturating_add(count).min(info.rows);
    for row in first..last {
        let cells: Vec<Value> = info
            .fields
            .iter()
            .map(|field| {
                let value = model.cell(table, row, *field);
                json!({
                    "qText": if value.is_null() { "-".into() } else { value.text() },
                    "qIsNumeric": value.number().is_some(),
                    "qNumber": wire::number(value.number().unwrap_or(0.0)),
                })
            })
            .collect();
        rows.push(json!({ "qValue": cells }));
    }
    Ok(json!({ "qData": rows }))
}

pub(super) fn get_field_description(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let name = call.params.required_text(0)?;
    let field = document.field(&name).ok_or_else(|| Fault::not_found(name))?;
    let model = &document.loaded.model;
    let info = model.field_info(field);
    let tables: Vec<&str> =
        info.tables.iter().map(|table| &*model.table_info(*table).name).collect();
    Ok(json!({ "qReturn": {
        "qInternalNumber": field.0,
        "qName": &*info.name,
        "qSrcTables": tables,
        "qIsSystem": info.is_synthetic,
        "qIsHidden": info.is_hidden,
        "qIsSemantic": false,
        "qDistinctOnly": false,
        "qCardinal": info.cardinality,
        "qTotalCount": info.cardinality,
        "qIsLocked": document.selections.is_locked("$", field),
        "qAlwaysOneSelected": false,
        "qAndMode": false,
        "qIsNumeric": info.is_numeric,
        "qComment": "",
        "qTags": info.tags,
        "qIsDefinitionOnly": false,
        "qByteSize": 0,
    } }))
}

fn table_wire(model: &DataModel, table: &TableInfo, at: usize) -> Value {
    let fields: Vec<Value> = table
        .fields
        .iter()
        .map(|field| field_wire(model, table, model.field_info(*field)))
        .collect();
    json!({
        "qName": &*table.name,
        "qLoose": table.is_loose,
        "qNoOfRows": table.rows,
        "qFields": fields,
        // Clients that draw the model need a place; a staircase overlaps nothing.
        "qPos": { "qx": at * 220, "qy": at * 40 },
        "qComment": "",
        "qIsDirectDiscovery": false,
        "qIsSynthetic": table.is_synthetic,
        "qTableTags": [],
        "qProfilingData": { "qNoOfRows": table.rows, "qFieldProfiling": [] },
    })
}

fn field_wire(model: &DataModel, table: &TableInfo, field: &FieldInfo) -> Value {
    let Some(presence) = model.presence(table.id, field.id) else { return json!({}) };
    let ratio =
        |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let subset = ratio(presence.distinct, field.cardinality);
    let key = match (field.is_key, presence.is_unique) {
        (false, _) => "NOT_KEY",
        (true, true) if presence.distinct == field.cardinality => "PERFECT_KEY",
        (true, true) => "PRIMARY_KEY",
        (true, false) => "ANY_KEY",
    };
    let mut entry = json!({
        "qName": &*field.name,
        "qOriginalFields": [],
        "qPresent": true,
        "qHasNull": presence.non_null < presence.rows,
        "qHasWild": false,
        "qHasDuplicates": !presence.is_unique,
        "qIsSynthetic": field.is_synthetic,
        "qInformationDensity": wire::number(ratio(presence.non_null, presence.rows)),
        "qnNonNulls": presence.non_null,
        "qnRows": presence.rows,
        "qSubsetRatio": wire::number(subset),
        "qnTotalDistinctValues": field.cardinality,
        "qnPresentDistinctValues": presence.distinct,
        "qKeyType": key,
        "qComment": "",
        "qTags": field.tags,
        "qDerivedFields": [],
        "qReadableName": &*field.name,
    });
    if flag_at(&entry, "qIsSynthetic") {
        entry["qIsHidden"] = json!(true);
    }
    entry
}
