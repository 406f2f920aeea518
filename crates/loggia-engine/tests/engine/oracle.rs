//! The engine against a slow and obvious evaluator, on random small models under random selections.
//!
//! The evaluator knows nothing of messages, codes or groups: it enumerates choices of rows and looks whether they agree.

use std::collections::{BTreeMap, BTreeSet};

use loggia_engine::Value;
use loggia_engine::cube::Area;
use loggia_engine::selection::Selections;
use loggia_engine::table::{ColumnBuilder, Table};
use loggia_engine::view::State;
use proptest::prelude::*;

use crate::kit::{App, cube};

type Cell = Option<i32>;

#[derive(Clone, Debug)]
struct TestTable {
    fields: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// Tables that hang together as a tree: the first has key fields to the others or shares theirs. Each table has an
/// attribute `A<n>` and a number `N<n>`.
#[derive(Clone, Debug)]
struct TestModel {
    tables: Vec<TestTable>,
    selections: Vec<(String, BTreeSet<i32>)>,
}

fn cell(values: i32) -> impl Strategy<Value = Cell> {
    prop_oneof![1 => Just(None), 6 => (0..values).prop_map(Some)]
}

/// For each table after the first: the table it hangs on, and whether it shares a key that is there already.
fn model() -> impl Strategy<Value = TestModel> {
    let shape =
        prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<bool>()), 0..4);
    shape.prop_flat_map(|shape| {
        let mut fields: Vec<Vec<String>> = vec![vec!["A0".into(), "N0".into()]];
        let mut unique: Vec<Option<String>> = vec![None];
        for (number, (parent, shares, is_unique)) in shape.iter().enumerate() {
            let parent = parent.index(fields.len());
            let known = fields[parent].iter().find(|field| field.starts_with('K')).cloned();
            let key = match known {
                Some(key) if *shares => key,
                _ => {
                    let key = format!("K{number}");
                    fields[parent].push(key.clone());
                    key
                }
            };
            fields.push(vec![format!("A{}", number + 1), format!("N{}", number + 1), key.clone()]);
            unique.push(is_unique.then_some(key));
        }
        let tables: Vec<_> = fields
            .iter()
            .zip(unique)
            .map(|(fields, unique)| {
                let fields = fields.clone();
                let row: Vec<_> = fields
                    .iter()
                    .map(|field| cell(if field.starts_with('N') { 50 } else { 4 }).boxed())
                    .collect();
                prop::collection::vec(row, 1..7).prop_map(move |mut rows: Vec<Vec<Cell>>| {
                    if let Some(key) =
                        unique.as_ref().and_then(|key| fields.iter().position(|field| field == key))
                    {
                        let mut seen = BTreeSet::new();
                        rows.retain(|row| row[key].is_none_or(|value| seen.insert(value)));
                    }
                    TestTable { fields: fields.clone(), rows }
                })
            })
            .collect();
        let names: Vec<String> =
            fields.iter().flatten().filter(|field| !field.starts_with('N')).cloned().collect();
        let selection = (prop::sample::select(names), prop::collection::btree_set(0..4i32, 1..3));
        (tables, prop::collection::vec(selection, 0..3))
            .prop_map(|(tables, selections)| TestModel { tables, selections })
    })
}

impl TestModel {
    fn app(&self) -> App {
        let tables = self.tables.iter().enumerate().map(|(number, table)| {
            let columns = table.fields.iter().enumerate().map(|(at, field)| {
                let mut column = ColumnBuilder::new(field.as_str());
                for row in &table.rows {
                    column.push(row[at].map_or(Value::Null, |value| Value::Number(value.into())));
                }
                column.finish()
            });
            Table::new(format!("T{number}"), columns.collect()).unwrap()
        });
        let mut app = App::of(tables.collect());
        assert!(app.warnings.is_empty(), "{:?}", app.warnings);
        app.selections = self.selected(&app);
        app
    }

    fn selected(&self, app: &App) -> Selections {
        let model = app.calculator.model();
        let mut selections = Selections::new();
        for (field, values) in &self.filters() {
            let field = model.field(field).unwrap();
            let values = values
                .iter()
                .filter_map(|value| model.element(field, &Value::Number((*value).into())));
            selections = selections.with("", field, &values.collect::<Vec<_>>());
        }
        selections
    }

    /// The selections that say something: of values that exist, the last of each field.
    fn filters(&self) -> BTreeMap<String, BTreeSet<i32>> {
        let mut filters = BTreeMap::new();
        for (field, values) in &self.selections {
            let existing: BTreeSet<i32> =
                values.intersection(&self.values(field)).copied().collect();
            if !existing.is_empty() {
                filters.insert(field.clone(), existing);
            }
        }
        filters
    }

    fn values(&self, field: &str) -> BTreeSet<i32> {
        let cells = self.tables.iter().flat_map(|table| {
            let at = table.fields.iter().position(|own| own == field);
            table.rows.iter().filter_map(move |row| row[at?])
        });
        cells.collect()
    }

    fn cell(&self, table: usize, row: usize, field: &str) -> Cell {
        let at = self.tables[table].fields.iter().position(|own| own == field)?;
        self.tables[table].rows[row][at]
    }

    fn holders(&self, field: &str) -> Vec<usize> {
        (0..self.tables.len())
            .filter(|&table| self.tables[table].fields.iter().any(|own| own == field))
            .collect()
    }

    fn is_key(&self, field: &str) -> bool {
        self.holders(field).len() > 1
    }

    fn keys(&self, table: usize) -> impl Iterator<Item = &String> {
        self.tables[table].fields.iter().filter(|field| self.is_key(field))
    }

    /// Where a field stands in the tree.
    fn node(&self, field: &str) -> Node {
        if self.is_key(field) {
            Node::Key(field.to_owned())
        } else {
            Node::Table(self.holders(field)[0])
        }
    }

    fn neighbours(&self, node: &Node) -> Vec<Node> {
        match node {
            Node::Table(table) => self.keys(*table).map(|key| Node::Key(key.clone())).collect(),
            Node::Key(key) => self.holders(key).into_iter().map(Node::Table).collect(),
        }
    }

    /// The nodes on the way between two.
    fn way(&self, from: &Node, to: &Node) -> Vec<Node> {
        fn search(model: &TestModel, path: &mut Vec<Node>, to: &Node) -> bool {
            let here = path.last().unwrap().clone();
            if here == *to {
                return true;
            }
            for next in model.neighbours(&here) {
                if !path.contains(&next) {
                    path.push(next);
                    if search(model, path, to) {
                        return true;
                    }
                    path.pop();
                }
            }
            false
        }
        let mut path = vec![from.clone()];
        assert!(search(self, &mut path, to), "one tree");
        path
    }

    /// Whether a row of a table, or a value of a key, takes part in one consistent choice of rows over the smallest
    /// subtree that reaches every filter.
    fn is_possible(&self, target: &Target, filters: &BTreeMap<String, BTreeSet<i32>>) -> bool {
        let start = match target {
            Target::Row(table, _) => Node::Table(*table),
            Target::Value(key, _) => Node::Key(key.clone()),
        };
        let mut nodes = BTreeSet::from([start.clone()]);
        for field in filters.keys() {
            nodes.extend(self.way(&start, &self.node(field)));
        }
        let tables: Vec<usize> = nodes
            .iter()
            .filter_map(|node| match node {
                Node::Table(table) => Some(*table),
                Node::Key(_) => None,
            })
            .collect();
        let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
        self.choose(&tables, &nodes, target, filters, &mut rows)
    }

    fn choose(
        &self,
        tables: &[usize],
        nodes: &BTreeSet<Node>,
        target: &Target,
        filters: &BTreeMap<String, BTreeSet<i32>>,
        rows: &mut BTreeMap<usize, usize>,
    ) -> bool {
        let Some((table, rest)) = tables.split_first() else {
            return self.agrees(nodes, target, filters, rows);
        };
        for row in 0..self.tables[*table].rows.len() {
            if matches!(target, Target::Row(own, wanted) if own == table && *wanted != row) {
                continue;
            }
            rows.insert(*table, row);
            if self.choose(rest, nodes, target, filters, rows) {
                return true;
            }
        }
        rows.remove(table);
        false
    }

    fn agrees(
        &self,
        nodes: &BTreeSet<Node>,
        target: &Target,
        filters: &BTreeMap<String, BTreeSet<i32>>,
        rows: &BTreeMap<usize, usize>,
    ) -> bool {
        nodes.iter().all(|node| match node {
            Node::Table(table) => filters.iter().all(|(field, values)| {
                self.node(field) != *node
                    || self
                        .cell(*table, rows[table], field)
                        .is_some_and(|value| values.contains(&value))
            }),
            Node::Key(key) => {
                let mut cells: Vec<Cell> = rows
                    .iter()
                    .filter(|(table, _)| self.tables[**table].fields.contains(key))
                    .map(|(table, row)| self.cell(*table, *row, key))
                    .collect();
                if let Target::Value(own, value) = target
                    && own == key
                {
                    cells.push(Some(*value));
                }
                let Some(Some(value)) = cells.first() else { return cells.is_empty() };
                cells.iter().all(|cell| *cell == Some(*value))
                    && filters.get(key).is_none_or(|values| values.contains(value))
            }
        })
    }

    fn state(&self, field: &str, value: i32) -> State {
        let all = self.filters();
        let mut others = all.clone();
        let own = others.remove(field);
        let attainable = if self.is_key(field) {
            self.is_possible(&Target::Value(field.to_owned(), value), &others)
        } else {
            let table = self.holders(field)[0];
            (0..self.tables[table].rows.len()).any(|row| {
                self.cell(table, row, field) == Some(value)
                    && self.is_possible(&Target::Row(table, row), &others)
            })
        };
        match (own.map(|values| values.contains(&value)), attainable) {
            (None, true) => State::Optional,
            (None | Some(false), false) => State::Excluded,
            (Some(true), true) => State::Selected,
            (Some(true), false) => State::SelectedExcluded,
            (Some(false), true) => State::Alternative,
        }
    }

    fn possible_rows(&self) -> Vec<Vec<bool>> {
        let filters = self.filters();
        let tables = self.tables.iter().enumerate();
        tables
            .map(|(table, own)| {
                (0..own.rows.len())
                    .map(|row| self.is_possible(&Target::Row(table, row), &filters))
                    .collect()
            })
            .collect()
    }

    /// The table nearest to a root that holds a field.
    fn nearest(&self, root: usize, field: &str) -> usize {
        let steps = |table: &usize| self.way(&Node::Table(root), &Node::Table(*table)).len();
        self.holders(field).into_iter().min_by_key(steps).unwrap()
    }

    /// All combinations of possible rows of the wanted tables that hang together with a row; a table without a fitting
    /// row has none.
    fn joined(
        &self,
        root: usize,
        row: usize,
        came_by: Option<&str>,
        wanted: &BTreeSet<usize>,
        possible: &[Vec<bool>],
    ) -> Vec<BTreeMap<usize, usize>> {
        let mut combinations = vec![BTreeMap::from([(root, row)])];
        for key in self.keys(root).filter(|key| Some(key.as_str()) != came_by) {
            for next in self.holders(key).into_iter().filter(|next| *next != root) {
                let leads_on = wanted.iter().any(|table| {
                    let way = self.way(&Node::Table(root), &Node::Table(*table));
                    way.get(1) == Some(&Node::Key(key.clone()))
                        && way.get(2) == Some(&Node::Table(next))
                });
                if !leads_on {
                    continue;
                }
                let value = self.cell(root, row, key);
                let mut choices: Vec<BTreeMap<usize, usize>> = (0..self.tables[next].rows.len())
                    .filter(|&other| {
                        value.is_some()
                            && self.cell(next, other, key) == value
                            && possible[next][other]
                    })
                    .flat_map(|other| self.joined(next, other, Some(key), wanted, possible))
                    .collect();
                if choices.is_empty() {
                    choices.push(BTreeMap::new());
                }
                combinations = combinations
                    .iter()
                    .flat_map(|before| {
                        choices.iter().map(|more| {
                            let mut both = before.clone();
                            both.extend(more);
                            both
                        })
                    })
                    .collect();
            }
        }
        combinations
    }

    /// The numbers of each group: every row of the measure's tables' join once in each combination of dimension values.
    fn groups(&self, dimensions: &[&str], measures: &[&str]) -> BTreeMap<Vec<Cell>, Vec<i32>> {
        let possible = self.possible_rows();
        let root = self.holders(measures[0])[0];
        let homes: Vec<usize> = dimensions.iter().map(|field| self.nearest(root, field)).collect();
        let sources: Vec<usize> = measures.iter().map(|field| self.holders(field)[0]).collect();
        // The join of the measure's tables, with those between them.
        let mut counted: BTreeSet<usize> = sources.iter().copied().collect();
        for source in &sources {
            for node in self.way(&Node::Table(root), &Node::Table(*source)) {
                if let Node::Table(table) = node {
                    counted.insert(table);
                }
            }
        }
        let wanted: BTreeSet<usize> = homes.iter().chain(&counted).copied().collect();
        let mut seen: BTreeSet<(Vec<Option<usize>>, Vec<Cell>)> = BTreeSet::new();
        let mut groups: BTreeMap<Vec<Cell>, Vec<i32>> = BTreeMap::new();
        for row in (0..self.tables[root].rows.len()).filter(|&row| possible[root][row]) {
            for combination in self.joined(root, row, None, &wanted, &possible) {
                let value = |table: &usize, field: &str| {
                    combination.get(table).and_then(|&row| self.cell(*table, row, field))
                };
                let group: Vec<Cell> = homes
                    .iter()
                    .zip(dimensions)
                    .map(|(table, field)| value(table, field))
                    .collect();
                let rows = counted.iter().map(|table| combination.get(table).copied()).collect();
                if !seen.insert((rows, group.clone())) {
                    continue;
                }
                let numbers: Option<Vec<i32>> = sources
                    .iter()
                    .zip(measures)
                    .map(|(table, field)| value(table, field))
                    .collect();
                let numbers = numbers.map(|numbers| numbers.iter().product::<i32>());
                groups.entry(group).or_default().extend(numbers);
            }
        }
        groups
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Table(usize),
    Key(String),
}

#[derive(Clone, Debug)]
enum Target {
    Row(usize, usize),
    Value(String, i32),
}

fn close(left: f64, right: f64) -> bool {
    (left.is_nan() && right.is_nan()) || (left - right).abs() < 1e-9
}

fn expected(numbers: &[i32]) -> [f64; 6] {
    let distinct: BTreeSet<i32> = numbers.iter().copied().collect();
    let sum: i32 = numbers.iter().sum();
    let or_nan = |number: Option<i32>| number.map_or(f64::NAN, f64::from);
    [
        f64::from(sum),
        numbers.len() as f64,
        distinct.len() as f64,
        f64::from(sum) / numbers.len() as f64,
        or_nan(distinct.first().copied()),
        or_nan(distinct.last().copied()),
    ]
}

/// Compares a cube's rows with the groups of the slow evaluator. Rows that it does not know must be empty.
fn compare_cube(test: &TestModel, app: &App, dimensions: &[&str], measures: &[&str]) {
    let argument = measures.join(" * ");
    let texts = ["Sum(#)", "Count(#)", "Count(DISTINCT #)", "Avg(#)", "Min(#)", "Max(#)"];
    let texts = texts.map(|text| text.replace('#', &argument));
    let shown = app.cube(&cube(dimensions, &texts.each_ref().map(String::as_str)));
    assert!(shown.measures.iter().all(|measure| measure.error.is_none()), "{:?}", shown.measures);
    let (columns, rows) = shown.size();
    let page = shown.straight(Area { left: 0, top: 0, width: columns, height: rows });
    let mut groups = test.groups(dimensions, measures);
    for row in &page.rows {
        let (cells, numbers) = row.split_at(dimensions.len());
        let group: Vec<Cell> =
            cells.iter().map(|cell| (!cell.is_null).then_some(cell.number as i32)).collect();
        let found: Vec<f64> = numbers.iter().map(|cell| cell.number).collect();
        let wanted = expected(&groups.remove(&group).unwrap_or_default());
        let agrees = found.iter().zip(&wanted).all(|(found, wanted)| close(*found, *wanted));
        assert!(agrees, "{dimensions:?} {argument} in {group:?}: {found:?}, not {wanted:?}");
    }
    // Rows without numbers are at nobody's door.
    groups.retain(|_, numbers| !numbers.is_empty());
    assert!(groups.is_empty(), "{dimensions:?} {argument}: missing {groups:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn states_and_possible_rows_are_those_of_the_slow_evaluator(test in model()) {
        let app = test.app();
        let model = app.calculator.model();
        let view = app.calculator.view(&app.selections, "");
        for field in model.fields() {
            let states = view.states(field.id);
            let mut counted = BTreeMap::new();
            for element in 0..field.cardinality as u32 {
                let value = model.value(field.id, element).number().unwrap() as i32;
                let wanted = test.state(&field.name, value);
                prop_assert_eq!(states.of(element), wanted, "{} = {}", field.name, value);
                *counted.entry(wanted.letters()).or_insert(0) += 1;
            }
            let counts = states.counts();
            let count = |letters| counted.get(letters).copied().unwrap_or(0);
            prop_assert_eq!(counts.selected, count("S"));
            prop_assert_eq!(counts.optional, count("O"));
            prop_assert_eq!(counts.alternative, count("A"));
            prop_assert_eq!(counts.excluded, count("X"));
            prop_assert_eq!(counts.selected_excluded, count("XS"));
        }
        for (table, rows) in test.possible_rows().iter().enumerate() {
            let id = model.table(&format!("T{table}")).unwrap();
            prop_assert_eq!(view.possible_rows(id), rows.iter().filter(|possible| **possible).count());
        }
    }

    #[test]
    fn cubes_are_those_of_the_slow_evaluator(
        test in model(),
        first in any::<prop::sample::Index>(),
        second in any::<prop::sample::Index>(),
        third in any::<prop::sample::Index>(),
    ) {
        let app = test.app();
        let names: Vec<&str> =
            test.tables.iter().flat_map(|table| &table.fields).map(String::as_str).collect();
        let dimensions: Vec<&str> = names.iter().copied().filter(|name| !name.starts_with('N')).collect();
        let numbers: Vec<&str> = names.iter().copied().filter(|name| name.starts_with('N')).collect();
        let (one, other) = (*first.get(&dimensions), *second.get(&dimensions));
        let (number, factor) = (*third.get(&numbers), *first.get(&numbers));
        compare_cube(&test, &app, &[], &[number]);
        compare_cube(&test, &app, &[one], &[number]);
        compare_cube(&test, &app, &[one], &[number, factor]);
        if one != other {
            compare_cube(&test, &app, &[one, other], &[number]);
            compare_cube(&test, &app, &[one, other], &[number, factor]);
        }
    }

    /// One dimension alone lists the possible values.
    #[test]
    fn a_dimension_lists_what_is_possible(test in model(), pick in any::<prop::sample::Index>()) {
        let app = test.app();
        let names: Vec<&String> = test.tables.iter().flat_map(|table| &table.fields).collect();
        let field = pick.get(&names).as_str();
        let mut def = cube(&[field], &[]);
        def.dimensions[0].null_suppression = true;
        let shown = app.cube(&def);
        let page = shown.straight(Area { left: 0, top: 0, width: 1, height: 100 });
        let found: Vec<i32> = page.rows.iter().map(|row| row[0].number as i32).collect();
        let wanted: Vec<i32> = test
            .values(field)
            .into_iter()
            .filter(|value| test.state(field, *value).is_possible())
            .collect();
        prop_assert_eq!(found, wanted);
    }

    /// A pick of any value leaves it possible unless it is impossible by itself.
    #[test]
    fn a_picked_value_is_possible_afterwards(test in model(), pick in any::<prop::sample::Index>()) {
        use loggia_engine::selection::{Locks, Pick};
        let app = test.app();
        let model = app.calculator.model().clone();
        let fields: Vec<_> = model.fields().iter().filter(|field| field.cardinality > 0).collect();
        prop_assume!(!fields.is_empty());
        let field = pick.get(&fields);
        let element = pick.index(field.cardinality) as u32;
        let picked = app
            .calculator
            .select(&app.selections, "", field.id, &[element], Pick::Replace, Locks::Respect)
            .unwrap();
        let view = app.calculator.view(&picked, "");
        prop_assert_eq!(view.states(field.id).of(element), State::Selected);
    }
}
