//! Pages of a cube as the wire writes them: matrices, pivots, stacks.

use loggia_engine::cube::{
    Area, Attribute, AttributeDimension, Cell, Cube, Node, NodeKind, StackPage,
};
use serde_json::{Map, Value, json};

use super::wire_area;
use crate::wire::{self, Page};

/// The engine's rectangle for a page.
pub(crate) fn area(page: Page) -> Area {
    Area { left: page.left, top: page.top, width: page.width, height: page.height }
}

/// A page of a straight cube.
pub(crate) fn straight_page(cube: &Cube, page: Page) -> Value {
    matrix_page(&cube.straight(area(page)))
}

/// A page of rows and cells, of a cube or a list.
pub(crate) fn matrix_page(page: &loggia_engine::cube::Page) -> Value {
    let matrix: Vec<Value> =
        page.rows.iter().map(|row| row.iter().map(cell).collect::<Value>()).collect();
    json!({
        "qMatrix": matrix,
        "qTails": [{ "qUp": 0, "qDown": 0 }],
        "qArea": wire_area(page.area),
        "qIsReduced": page.is_reduced,
    })
}

/// A page of a stacked cube.
pub(crate) fn stack_page(page: &StackPage) -> Value {
    json!({ "qData": [stack_node(&page.root)], "qArea": wire_area(page.area) })
}

/// A page of a pivot. `titles` are those of the cube's measures, which stand in its headers.
pub(crate) fn pivot_page(cube: &Cube, page: Page, titles: &[String]) -> Value {
    let page = cube.pivot(area(page));
    let data: Vec<Value> = page
        .data
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| {
                    let mut entry = json!({
                        "qLabel": "",
                        "qText": &*cell.text,
                        "qNum": wire::number(cell.number),
                        "qType": cell.kind.letter(),
                    });
                    add_attributes(&mut entry, &cell.attributes, &[]);
                    entry
                })
                .collect::<Value>()
        })
        .collect();
    json!({
        "qLeft": page.left.iter().map(|node| pivot_node(node, titles)).collect::<Vec<_>>(),
        "qTop": page.top.iter().map(|node| pivot_node(node, titles)).collect::<Vec<_>>(),
        "qData": data,
        "qArea": wire_area(page.area),
    })
}

/// A cell of a matrix. Flags are written only where they are true.
pub(crate) fn cell(cell: &Cell) -> Value {
    let mut entry = Map::new();
    entry.insert("qText".to_owned(), json!(&*cell.text));
    entry.insert("qNum".to_owned(), wire::number(cell.number));
    entry.insert("qElemNumber".to_owned(), json!(cell.element));
    // A total belongs to no value, so it has no state of its own.
    let state = if cell.is_total { "X" } else { cell.state.letters() };
    entry.insert("qState".to_owned(), json!(state));
    for (name, is_set) in [
        ("qIsNull", cell.is_null),
        ("qIsTotalCell", cell.is_total),
        ("qIsOtherCell", cell.is_other),
    ] {
        if is_set {
            entry.insert(name.to_owned(), json!(true));
        }
    }
    if let Some(frequency) = &cell.frequency {
        entry.insert("qFrequency".to_owned(), json!(&**frequency));
    }
    if !cell.highlights.is_empty() {
        let ranges: Vec<Value> = cell
            .highlights
            .iter()
            .map(|(at, count)| json!({ "qCharPos": at, "qCharCount": count }))
            .collect();
        entry.insert("qHighlightRanges".to_owned(), json!({ "qRanges": ranges }));
    }
    let mut entry = Value::Object(entry);
    add_attributes(&mut entry, &cell.attributes, &cell.attribute_dimensions);
    entry
}

fn stack_node(node: &Node) -> Value {
    let mut entry = json!({
        "qText": &*node.text,
        "qElemNo": node.element,
        "qValue": wire::number(node.number),
        "qType": node.kind.letter(),
        "qRow": node.row,
        "qUp": node.up,
        "qDown": node.down,
        "qMaxPos": wire::number(node.max_positive),
        "qMinNeg": wire::number(node.min_negative),
        "qSubNodes": node.nodes.iter().map(stack_node).collect::<Vec<_>>(),
    });
    if node.kind != NodeKind::Value && node.kind != NodeKind::Root {
        entry["qState"] = json!(node.state.letters());
    }
    add_attributes(&mut entry, &node.attributes, &node.attribute_dimensions);
    entry
}

fn pivot_node(node: &Node, titles: &[String]) -> Value {
    // The engine numbers measures from 0; on the wire they count downwards from -1, so that no
    // client takes one for a value.
    let (text, element) = match node.kind {
        NodeKind::Pseudo => {
            let title = usize::try_from(node.element).ok().and_then(|at| titles.get(at));
            (title.map_or("", String::as_str), -1 - node.element)
        }
        _ => (&*node.text, node.element),
    };
    let mut entry = json!({
        "qText": text,
        "qElemNo": element,
        "qValue": wire::number(node.number),
        "qCanExpand": node.can_expand,
        "qCanCollapse": node.can_collapse,
        "qUp": node.up,
        "qDown": node.down,
        "qRow": node.row,
        "qType": node.kind.letter(),
        "qState": node.state.letters(),
        "qSubNodes": node.nodes.iter().map(|node| pivot_node(node, titles)).collect::<Vec<_>>(),
    });
    add_attributes(&mut entry, &node.attributes, &node.attribute_dimensions);
    entry
}

fn add_attributes(entry: &mut Value, attributes: &[Attribute], dimensions: &[AttributeDimension]) {
    if !attributes.is_empty() {
        let values: Vec<Value> = attributes
            .iter()
            .map(|attribute| {
                json!({ "qText": &*attribute.text, "qNum": wire::number(attribute.number) })
            })
            .collect();
        entry["qAttrExps"] = json!({ "qValues": values });
    }
    if !dimensions.is_empty() {
        let values: Vec<Value> = dimensions
            .iter()
            .map(|attribute| json!({ "qText": &*attribute.text, "qElemNo": attribute.element }))
            .collect();
        entry["qAttrDims"] = json!({ "qValues": values });
    }
}
