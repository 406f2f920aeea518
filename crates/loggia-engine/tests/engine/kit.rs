//! Small models from text, and results as text.

use std::fmt::Write;
use std::sync::Arc;

use loggia_engine::Value;
use loggia_engine::calculator::{Calculator, Context, NoSets, never};
use loggia_engine::cube::{
    Area, Cell, Cube, CubeDef, DimensionDef, MeasureDef, Mode, Node, SortCriteria,
};
use loggia_engine::expression::Variables;
use loggia_engine::format::Locale;
use loggia_engine::list::ListDef;
use loggia_engine::model::{DataModel, Linked};
use loggia_engine::selection::{Locks, Pick, SelectError, Selections};
use loggia_engine::table::{ColumnBuilder, Table};

/// Tables as text: `Name: field, field` and then a row a line; a blank line ends a table. `-` is null.
pub(crate) fn tables(text: &str) -> Vec<Table> {
    let blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks.map(table).collect()
}

fn table(block: &str) -> Table {
    let mut lines = block.lines();
    let (name, fields) = lines.next().unwrap().split_once(':').unwrap();
    let mut columns: Vec<ColumnBuilder> =
        fields.split(',').map(|field| ColumnBuilder::new(field.trim())).collect();
    for line in lines {
        for (column, cell) in columns.iter_mut().zip(line.split(',')) {
            let cell = cell.trim();
            column.push(if cell == "-" { Value::Null } else { Value::interpret(cell) });
        }
    }
    let columns = columns.into_iter().map(ColumnBuilder::finish).collect();
    Table::new(name.trim(), columns).unwrap()
}

pub(crate) struct NoVariables;

impl Variables for NoVariables {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "vLimit" => Some(Value::Number(2.0)),
            "vSelf" => Some(Value::from("=$(vSelf)")),
            _ => None,
        }
    }
}

/// An app someone has open.
pub(crate) struct App {
    pub(crate) calculator: Calculator,
    pub(crate) warnings: Vec<String>,
    pub(crate) selections: Selections,
    locale: Locale,
}

impl App {
    pub(crate) fn new(text: &str) -> App {
        App::of(tables(text))
    }

    pub(crate) fn of(tables: Vec<Table>) -> App {
        let Linked { model, warnings } = DataModel::link(tables).unwrap();
        App {
            calculator: Calculator::new(Arc::new(model)),
            warnings: warnings.iter().map(ToString::to_string).collect(),
            selections: Selections::new(),
            locale: Locale::default(),
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            selections: &self.selections,
            state: "",
            variables: &NoVariables,
            sets: &NoSets,
            now: 46_000.0,
            locale: &self.locale,
            user: "ana",
            stop: &never,
        }
    }

    pub(crate) fn elements(&self, field: &str, values: &str) -> Vec<u32> {
        let model = self.calculator.model();
        let field = model.field(field).unwrap();
        let values = values.split(',').map(str::trim).filter(|value| !value.is_empty());
        values.map(|value| model.element(field, &Value::interpret(value)).unwrap()).collect()
    }

    pub(crate) fn pick(&mut self, field: &str, values: &str) -> &mut App {
        self.try_pick(field, values, Pick::Replace).unwrap();
        self
    }

    pub(crate) fn toggle(&mut self, field: &str, values: &str) -> &mut App {
        self.try_pick(field, values, Pick::Toggle).unwrap();
        self
    }

    pub(crate) fn try_pick(
        &mut self,
        field: &str,
        values: &str,
        pick: Pick,
    ) -> Result<(), SelectError> {
        let elements = self.elements(field, values);
        let field = self.calculator.model().field(field).unwrap();
        self.selections =
            self.calculator.select(&self.selections, "", field, &elements, pick, Locks::Respect)?;
        Ok(())
    }

    /// `Field: value=S value=A …`, each field on a line.
    pub(crate) fn states(&self, fields: &[&str]) -> String {
        let view = self.calculator.view(&self.selections, "");
        let model = self.calculator.model();
        let mut out = String::new();
        for name in fields {
            let field = model.field(name).unwrap();
            let states = view.states(field);
            write!(out, "{name}:").unwrap();
            for element in 0..model.field_info(field).cardinality as u32 {
                write!(out, " {}={}", model.value(field, element), states.of(element).letters())
                    .unwrap();
            }
            out.push('\n');
        }
        out
    }

    pub(crate) fn cube(&self, def: &CubeDef) -> Arc<Cube> {
        self.calculator.cube(&self.context(), def).unwrap()
    }

    /// A straight table as text.
    pub(crate) fn table(&self, def: &CubeDef) -> String {
        straight_text(&self.cube(def))
    }

    pub(crate) fn evaluate(&self, expression: &str) -> String {
        match self.calculator.evaluate(&self.context(), expression) {
            Ok(value) if value.is_null() => "-".into(),
            Ok(value) => value.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    pub(crate) fn list(&self, def: &ListDef) -> String {
        let list = self.calculator.list(&self.context(), def).unwrap();
        let (columns, rows) = list.size();
        let page = list.page(Area { left: 0, top: 0, width: columns, height: rows });
        rows_text(&page.rows)
    }
}

pub(crate) fn straight_text(cube: &Cube) -> String {
    let (columns, rows) = cube.size();
    let page = cube.straight(Area { left: 0, top: 0, width: columns, height: rows });
    let mut out = rows_text(&page.rows);
    for cell in &cube.grand_total {
        write!(out, "total {} ", cell.text).unwrap();
    }
    format!("{}\n", out.trim_end())
}

pub(crate) fn rows_text(rows: &[Vec<Cell>]) -> String {
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| {
                let mut text = cell.text.to_string();
                if !matches!(cell.state.letters(), "O" | "L") {
                    write!(text, " [{}]", cell.state.letters()).unwrap();
                }
                if let Some(frequency) = &cell.frequency {
                    write!(text, " ×{frequency}").unwrap();
                }
                for (at, count) in &cell.highlights {
                    write!(text, " ^{at}+{count}").unwrap();
                }
                text
            })
            .collect();
        writeln!(out, "{}", cells.join(" | ")).unwrap();
    }
    out
}

pub(crate) fn nodes_text(nodes: &[Node], depth: usize, out: &mut String) {
    for node in nodes {
        let sign = match (node.can_expand, node.can_collapse) {
            (true, _) => " +",
            (_, true) => " -",
            _ => "",
        };
        let sides = if node.up + node.down > 0 {
            format!(" up {} down {}", node.up, node.down)
        } else {
            String::new()
        };
        writeln!(
            out,
            "{}{} {} #{}{sign}{sides}",
            "  ".repeat(depth),
            node.kind.letter(),
            node.text,
            node.element
        )
        .unwrap();
        nodes_text(&node.nodes, depth + 1, out);
    }
}

pub(crate) fn dimension(expression: &str) -> DimensionDef {
    let sort = SortCriteria { by_numeric: 1, by_ascii: 1, ..SortCriteria::default() };
    DimensionDef { expression: expression.into(), sort, ..DimensionDef::default() }
}

pub(crate) fn measure(expression: &str) -> MeasureDef {
    MeasureDef { expression: expression.into(), ..MeasureDef::default() }
}

pub(crate) fn cube(dimensions: &[&str], measures: &[&str]) -> CubeDef {
    CubeDef {
        mode: Mode::Straight,
        dimensions: dimensions.iter().map(|text| dimension(text)).collect(),
        measures: measures.iter().map(|text| measure(text)).collect(),
        left_dimensions: -1,
        pseudo_position: -1,
        ..CubeDef::default()
    }
}
