//! How does one get from a row of one table to the rows of another? The forest of tables and key fields.

use std::sync::OnceLock;

use super::{DataModel, FieldId, FieldInfo, FieldValues, ModelColumn, TableId, TableInfo};
use crate::table::{Code, Codes, with_codes};

/// No row: the key found none.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// The forest: each table has a key field towards its root, and each key field a table.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Tables, parents before children.
    pub(crate) order: Vec<TableId>,
    pub(crate) table_parent: Vec<Option<FieldId>>,
    /// Key fields below each table.
    pub(crate) table_children: Vec<Vec<FieldId>>,
    /// The table above each field, for fields that associate tables.
    pub(crate) key_parent: Vec<Option<TableId>>,
    /// The tables below each field.
    pub(crate) key_children: Vec<Vec<TableId>>,
    /// The number of the tree that a table stands in.
    component: Vec<u32>,
    depth: Vec<u32>,
    /// Beside each table's columns: the rows of each key value, filled on first use.
    rows: Vec<Vec<OnceLock<KeyRows>>>,
    /// Beside each table's columns, for keys: no value occurs twice.
    unique: Vec<Vec<bool>>,
}

/// The rows that hold each key value.
#[derive(Debug)]
pub(crate) enum KeyRows {
    /// At most one each; [`NO_ROW`] for none.
    One(Vec<u32>),
    /// `rows[starts[code]..starts[code + 1]]`.
    Many { starts: Vec<u32>, rows: Vec<u32> },
}

impl KeyRows {
    /// The rows with this key; none for the code of null.
    pub(crate) fn of(&self, code: u32) -> &[u32] {
        match self {
            KeyRows::One(rows) => match rows.get(code as usize) {
                Some(row) if *row != NO_ROW => std::slice::from_ref(row),
                _ => &[],
            },
            KeyRows::Many { starts, rows } => {
                match (starts.get(code as usize), starts.get(code as usize + 1)) {
                    (Some(&start), Some(&end)) => &rows[start as usize..end as usize],
                    _ => &[],
                }
            }
        }
    }
}

/// One step of a path: over a key field into a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) from: TableId,
    pub(crate) key: FieldId,
    pub(crate) to: TableId,
}

/// The way from one table to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) steps: Vec<Step>,
    /// Each row of the start meets at most one row of the end.
    pub(crate) is_functional: bool,
}

impl Tree {
    pub(super) fn grow(
        tables: &[TableInfo],
        fields: &[FieldInfo],
        columns: &[Vec<ModelColumn>],
        dictionaries: &[FieldValues],
    ) -> Tree {
        let linked = |table: TableId| !tables[table.index()].is_loose;
        let holders: Vec<Vec<TableId>> = fields
            .iter()
            .map(|field| {
                field.tables.iter().copied().filter(|&table| linked(table)).collect::<Vec<_>>()
            })
            .map(|holders| if holders.len() > 1 { holders } else { Vec::new() })
            .collect();
        let mut tree = Tree {
            order: Vec::with_capacity(tables.len()),
            table_parent: vec![None; tables.len()],
            table_children: vec![Vec::new(); tables.len()],
            key_parent: vec![None; fields.len()],
            key_children: vec![Vec::new(); fields.len()],
            component: vec![u32::MAX; tables.len()],
            depth: vec![0; tables.len()],
            rows: columns
                .iter()
                .map(|columns| columns.iter().map(|_| OnceLock::new()).collect())
                .collect(),
            unique: Vec::new(),
        };
        // The largest table of each tree is its root: most paths then lead down from the facts.
        let mut by_size: Vec<TableId> = tables.iter().map(|table| table.id).collect();
        by_size.sort_by_key(|table| std::cmp::Reverse(tables[table.index()].rows));
        for (component, root) in by_size.into_iter().enumerate() {
            if tree.component[root.index()] != u32::MAX {
                continue;
            }
            tree.component[root.index()] = component as u32;
            let mut next = tree.order.len();
            tree.order.push(root);
            while let Some(&table) = tree.order.get(next) {
                next += 1;
                if !linked(table) {
                    continue;
                }
                for &key in &tables[table.index()].fields {
                    let is_above = tree.table_parent[table.index()] == Some(key);
                    if is_above || holders[key.index()].is_empty() {
                        continue;
                    }
                    tree.key_parent[key.index()] = Some(table);
                    tree.table_children[table.index()].push(key);
                    for &child in holders[key.index()].iter().filter(|&&child| child != table) {
                        tree.table_parent[child.index()] = Some(key);
                        tree.key_children[key.index()].push(child);
                        tree.component[child.index()] = component as u32;
                        tree.depth[child.index()] = tree.depth[table.index()] + 1;
                        tree.order.push(child);
                    }
                }
            }
        }
        tree.unique = columns
            .iter()
            .map(|columns| {
                columns
                    .iter()
                    .map(|column| {
                        !column.is_shadow
                            && tree.key_parent[column.field.index()].is_some()
                            && is_unique(&column.codes, dictionaries[column.field.index()].len())
                    })
                    .collect()
            })
            .collect();
        tree
    }

    /// Whether a field takes part in the tree.
    pub(crate) fn is_key(&self, field: FieldId) -> bool {
        self.key_parent[field.index()].is_some()
    }

    pub(crate) fn connected(&self, left: TableId, right: TableId) -> bool {
        self.component[left.index()] == self.component[right.index()]
    }
}

fn is_unique(codes: &Codes, cardinality: usize) -> bool {
    let mut seen = vec![false; cardinality + 1];
    with_codes!(codes, codes => {
        codes.iter().all(|code| {
            let code = code.index();
            code == cardinality || !std::mem::replace(&mut seen[code], true)
        })
    })
}

impl DataModel {
    /// The way between two tables; nothing where no association leads there.
    pub(crate) fn path(&self, from: TableId, to: TableId) -> Option<Path> {
        if !self.tree.connected(from, to) {
            return None;
        }
        // Climb from both ends until they meet; two siblings meet at their key without visiting its table.
        let (mut left, mut right) = (from, to);
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while left != right {
            let key_of = |table: TableId| self.tree.table_parent[table.index()];
            if let (Some(key), Some(other)) = (key_of(left), key_of(right))
                && key == other
            {
                up.push(Step { from: left, key, to: right });
                break;
            }
            if self.tree.depth[left.index()] >= self.tree.depth[right.index()] {
                let key = key_of(left)?;
                let parent = self.tree.key_parent[key.index()]?;
                up.push(Step { from: left, key, to: parent });
                left = parent;
            } else {
                let key = key_of(right)?;
                let parent = self.tree.key_parent[key.index()]?;
                down.push(Step { from: parent, key, to: right });
                right = parent;
            }
        }
        up.extend(down.into_iter().rev());
        let is_functional = up.iter().all(|step| self.is_unique(step.to, step.key));
        Some(Path { steps: up, is_functional })
    }

    /// Whether each value of a key field occurs at most once in a table.
    pub(crate) fn is_unique(&self, table: TableId, key: FieldId) -> bool {
        let at = self.columns[table.index()].iter().position(|column| column.field == key);
        at.is_some_and(|at| self.tree.unique[table.index()][at])
    }

    /// The rows of a table by key value.
    pub(crate) fn key_rows(&self, table: TableId, key: FieldId) -> Option<&KeyRows> {
        let at = self.columns[table.index()].iter().position(|column| column.field == key)?;
        let column = &self.columns[table.index()][at];
        let cardinality = self.dictionaries[key.index()].len();
        Some(self.tree.rows[table.index()][at].get_or_init(|| {
            if self.tree.unique[table.index()][at] {
                let mut rows = vec![NO_ROW; cardinality];
                for row in 0..column.codes.len() {
                    if let Some(slot) = rows.get_mut(column.codes.get(row) as usize) {
                        *slot = row as u32;
                    }
                }
                return KeyRows::One(rows);
            }
            let mut starts = vec![0u32; cardinality + 2];
            with_codes!(&*column.codes, codes => {
                for code in codes {
                    starts[code.index() + 1] += 1;
                }
            });
            for at in 1..starts.len() {
                starts[at] += starts[at - 1];
            }
            let mut rows = vec![0u32; column.codes.len()];
            let mut free = starts.clone();
            with_codes!(&*column.codes, codes => {
                for (row, code) in codes.iter().enumerate() {
                    rows[free[code.index()] as usize] = row as u32;
                    free[code.index()] += 1;
                }
            });
            // The rows of null stand last; without this end nobody can ask for them.
            starts.pop();
            KeyRows::Many { starts, rows }
        }))
    }

    /// The table nearest to `from` that holds a field, and the way there.
    pub(crate) fn nearest(&self, from: TableId, field: FieldId) -> Option<Path> {
        if self.column(from, field).is_some() {
            return Some(Path { steps: Vec::new(), is_functional: true });
        }
        let holders = (0..self.tables.len()).map(|table| TableId(table as u32));
        holders
            .filter(|&table| self.column(table, field).is_some())
            .filter_map(|table| self.path(from, table))
            .min_by_key(|path| (!path.is_functional, path.steps.len()))
    }
}
