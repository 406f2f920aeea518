//! How do loaded tables become one model? Fields of the same name are one field; what two tables share associates
//! them; what they share twice becomes a synthetic key; a loop is cut at its smallest table.

use std::fmt;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{DataModel, FieldId, FieldInfo, FieldValues, ModelColumn, TableId, TableInfo};
use crate::table::{Code, Codes, Column, Dictionary, Table, with_codes};
use crate::value::Value;

/// A model and what had to be repaired to get it.
#[derive(Debug)]
pub struct Linked {
    pub model: DataModel,
    pub warnings: Vec<ModelWarning>,
}

/// Something in the loaded tables that the author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelWarning {
    /// Tables share several fields; a key over their combinations stands between them.
    SyntheticKey { key: Arc<str>, fields: Vec<Arc<str>>, tables: Vec<Arc<str>> },
    /// The associations ran in a circle; this table no longer passes selections on.
    Loosened { table: Arc<str>, circle: Vec<Arc<str>> },
}

impl fmt::Display for ModelWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelWarning::SyntheticKey { key, fields, tables } => {
                write!(
                    f,
                    "tables {} share the fields {}: associated by the synthetic key {key}",
                    list(tables),
                    list(fields)
                )
            }
            ModelWarning::Loosened { table, circle } => {
                write!(
                    f,
                    "tables {} are associated in a circle: {table} is loosely coupled",
                    list(circle)
                )
            }
        }
    }
}

fn list(names: &[Arc<str>]) -> String {
    names.join(", ")
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LinkError {
    #[error("two tables have the name {table}")]
    TableTwice { table: Arc<str> },
    #[error("field {field} has more than four thousand million values")]
    TooManyValues { field: Arc<str> },
}

impl DataModel {
    /// Links tables into a model. Tables that share no field with others stand alone.
    pub fn link(tables: Vec<Table>) -> Result<Linked, LinkError> {
        let mut draft = Draft::of(tables)?;
        let mut warnings = Vec::new();
        while let Some(shared) = draft.shared_fields() {
            warnings.push(draft.add_synthetic_key(&shared));
        }
        while let Some(circle) = draft.circle() {
            warnings.push(draft.loosen(&circle));
        }
        let model = draft.finish(warnings.clone());
        Ok(Linked { model, warnings })
    }
}

struct Draft {
    tables: Vec<DraftTable>,
    fields: Vec<DraftField>,
    synthetic: usize,
}

struct DraftTable {
    name: Arc<str>,
    rows: usize,
    /// The fields that are listed and associate.
    fields: Vec<FieldId>,
    columns: Vec<ModelColumn>,
    is_synthetic: bool,
    is_loose: bool,
}

struct DraftField {
    name: Arc<str>,
    values: Arc<[Value]>,
    tags: Vec<Arc<str>>,
    is_synthetic: bool,
}

impl Draft {
    fn of(tables: Vec<Table>) -> Result<Draft, LinkError> {
        let mut names = HashSet::new();
        for table in &tables {
            if !names.insert(table.name().clone()) {
                return Err(LinkError::TableTwice { table: table.name().clone() });
            }
        }
        let mut ids: HashMap<Arc<str>, FieldId> = HashMap::new();
        let mut parts: Vec<(Arc<str>, Vec<&Column>)> = Vec::new();
        for column in tables.iter().flat_map(Table::columns) {
            let next = FieldId(parts.len() as u32);
            let id = *ids.entry(column.name().clone()).or_insert(next);
            if id == next {
                parts.push((column.name().clone(), Vec::new()));
            }
            parts[id.index()].1.push(column);
        }
        let mut fields = Vec::with_capacity(parts.len());
        let mut recoded = Vec::with_capacity(parts.len());
        for (name, columns) in parts {
            let (values, codes) = merge(&columns);
            if values.len() >= u32::MAX as usize - 2 {
                return Err(LinkError::TooManyValues { field: name });
            }
            let mut tags: Vec<Arc<str>> = Vec::new();
            for tag in columns.iter().flat_map(|column| column.tags()) {
                if !tags.contains(tag) {
                    tags.push(tag.clone());
                }
            }
            fields.push(DraftField { name, values, tags, is_synthetic: false });
            recoded.push(codes.into_iter());
        }
        let tables = tables
            .iter()
            .map(|table| {
                let columns: Vec<ModelColumn> = table
                    .columns()
                    .iter()
                    .filter_map(|column| {
                        let field = ids.get(column.name()).copied()?;
                        let codes = recoded[field.index()].next()?;
                        Some(ModelColumn { field, codes: codes.into(), is_shadow: false })
                    })
                    .collect();
                DraftTable {
                    name: table.name().clone(),
                    rows: table.rows(),
                    fields: columns.iter().map(|column| column.field).collect(),
                    columns,
                    is_synthetic: false,
                    is_loose: false,
                }
            })
            .collect();
        Ok(Draft { tables, fields, synthetic: 0 })
    }

    /// The largest set of two or more fields that some two tables share.
    fn shared_fields(&self) -> Option<Vec<FieldId>> {
        let mut largest: Vec<FieldId> = Vec::new();
        for (index, left) in self.tables.iter().enumerate() {
            for right in &self.tables[index + 1..] {
                let shared: Vec<FieldId> = left
                    .fields
                    .iter()
                    .copied()
                    .filter(|field| right.fields.contains(field))
                    .collect();
                if shared.len() > largest.len().max(1) {
                    largest = shared;
                }
            }
        }
        (!largest.is_empty()).then_some(largest)
    }

    /// Puts a table of all combinations of the shared fields between the tables that hold all of them.
    fn add_synthetic_key(&mut self, shared: &[FieldId]) -> ModelWarning {
        self.synthetic += 1;
        let key = FieldId(self.fields.len() as u32);
        let key_name: Arc<str> = format!("$Syn {}", self.synthetic).into();
        let holders: Vec<usize> = (0..self.tables.len())
            .filter(|&table| shared.iter().all(|field| self.tables[table].fields.contains(field)))
            .collect();
        let nulls: Vec<u32> =
            shared.iter().map(|field| self.fields[field.index()].values.len() as u32).collect();
        let mut combinations = Combinations::new(nulls);
        let mut keys = Vec::with_capacity(holders.len());
        for &holder in &holders {
            let table = &self.tables[holder];
            let columns: Vec<&Codes> = shared
                .iter()
                .filter_map(|field| table.columns.iter().find(|column| column.field == *field))
                .map(|column| &*column.codes)
                .collect();
            keys.push(combinations.add(holder as u32, table.rows, &columns));
        }
        let count = combinations.members.len() as u32;
        for (&holder, codes) in holders.iter().zip(keys) {
            let codes = codes.into_iter().map(|code| code.unwrap_or(count)).collect();
            let table = &mut self.tables[holder];
            for column in table.columns.iter_mut().filter(|column| shared.contains(&column.field)) {
                column.is_shadow = true;
            }
            let at = table.fields.iter().position(|field| shared.contains(field)).unwrap_or(0);
            table.fields.retain(|field| !shared.contains(field));
            table.fields.insert(at.min(table.fields.len()), key);
            table.columns.push(ModelColumn {
                field: key,
                codes: Codes::pack(codes, count).into(),
                is_shadow: false,
            });
        }
        let mut columns = vec![ModelColumn {
            field: key,
            codes: Codes::pack((0..count).collect(), count).into(),
            is_shadow: false,
        }];
        for (place, field) in shared.iter().enumerate() {
            let codes = combinations.members.iter().map(|member| member[place]).collect();
            let largest = self.fields[field.index()].values.len() as u32;
            columns.push(ModelColumn {
                field: *field,
                codes: Codes::pack(codes, largest).into(),
                is_shadow: false,
            });
        }
        let warning = ModelWarning::SyntheticKey {
            key: key_name.clone(),
            fields: shared.iter().map(|field| self.fields[field.index()].name.clone()).collect(),
            tables: holders.iter().map(|&holder| self.tables[holder].name.clone()).collect(),
        };
        self.tables.push(DraftTable {
            name: format!("{key_name} Table").into(),
            rows: count as usize,
            fields: columns.iter().map(|column| column.field).collect(),
            columns,
            is_synthetic: true,
            is_loose: false,
        });
        self.fields.push(DraftField {
            name: key_name,
            values: (0..count).map(|number| Value::Number(f64::from(number))).collect(),
            tags: ["$synthetic", "$hidden", "$system"].map(Arc::from).to_vec(),
            is_synthetic: true,
        });
        warning
    }

    /// The tables of one circle of associations.
    fn circle(&self) -> Option<Vec<usize>> {
        let tables = self.tables.len();
        // Nodes are the tables, then the fields.
        let mut edges: Vec<Vec<usize>> = vec![Vec::new(); tables + self.fields.len()];
        for (index, table) in self.tables.iter().enumerate().filter(|(_, table)| !table.is_loose) {
            for field in &table.fields {
                edges[index].push(tables + field.index());
                edges[tables + field.index()].push(index);
            }
        }
        let mut above: Vec<Option<usize>> = vec![None; edges.len()];
        let mut seen = vec![false; edges.len()];
        for root in 0..tables {
            if seen[root] {
                continue;
            }
            seen[root] = true;
            let mut open = vec![root];
            while let Some(node) = open.pop() {
                for &next in &edges[node] {
                    if above[node] == Some(next) {
                        continue;
                    }
                    if seen[next] {
                        return Some(circle_through(node, next, &above, tables));
                    }
                    seen[next] = true;
                    above[next] = Some(node);
                    open.push(next);
                }
            }
        }
        None
    }

    /// Cuts the smallest table of a circle loose: the facts, most often the largest, keep their associations.
    fn loosen(&mut self, circle: &[usize]) -> ModelWarning {
        let names = circle.iter().map(|&table| self.tables[table].name.clone()).collect();
        let smallest = circle
            .iter()
            .copied()
            .min_by_key(|&table| (self.tables[table].rows, table))
            .unwrap_or(0);
        self.tables[smallest].is_loose = true;
        ModelWarning::Loosened { table: self.tables[smallest].name.clone(), circle: names }
    }

    fn finish(self, warnings: Vec<ModelWarning>) -> DataModel {
        let tables: Vec<TableInfo> = self
            .tables
            .iter()
            .enumerate()
            .map(|(index, table)| TableInfo {
                id: TableId(index as u32),
                name: table.name.clone(),
                rows: table.rows,
                fields: table.fields.clone(),
                is_synthetic: table.is_synthetic,
                is_loose: table.is_loose,
            })
            .collect();
        let fields = self
            .fields
            .iter()
            .enumerate()
            .map(|(index, field)| describe(FieldId(index as u32), field, &tables, &self.tables))
            .collect();
        let columns = self.tables.into_iter().map(|table| table.columns).collect();
        let dictionaries =
            self.fields.into_iter().map(|field| FieldValues::new(field.values)).collect();
        DataModel::assemble(tables, fields, columns, dictionaries, warnings)
    }
}

/// One dictionary for the columns of a field, and their codes in it.
fn merge(columns: &[&Column]) -> (Arc<[Value]>, Vec<Codes>) {
    if let [column] = columns {
        return (column.values().clone(), vec![column.codes().clone()]);
    }
    let mut dictionary = Dictionary::default();
    let maps: Vec<Vec<u32>> = columns
        .iter()
        .map(|column| column.values().iter().map(|value| dictionary.intern(value)).collect())
        .collect();
    let null = dictionary.values.len() as u32;
    let codes = columns
        .iter()
        .zip(maps)
        .map(|(column, mut map)| {
            map.push(null);
            let recoded = with_codes!(column.codes(), codes => codes.iter().map(|code| map[code.index()]).collect());
            Codes::pack(recoded, null)
        })
        .collect();
    (dictionary.values.into(), codes)
}

/// Numbers the combinations of codes met in several tables.
struct Combinations {
    nulls: Vec<u32>,
    /// One level a field, and one that keeps apart what must not associate.
    levels: Vec<HashMap<u64, u32>>,
    members: Vec<Vec<u32>>,
}

impl Combinations {
    fn new(nulls: Vec<u32>) -> Combinations {
        let levels = vec![HashMap::new(); nulls.len() + 1];
        Combinations { nulls, levels, members: Vec::new() }
    }

    /// The combination of each row. Nulls associate with nothing: a combination with some is its table's own, and one
    /// of nulls only is none.
    fn add(&mut self, table: u32, rows: usize, columns: &[&Codes]) -> Vec<Option<u32>> {
        let mut keys = Vec::with_capacity(rows);
        let mut member = vec![0u32; columns.len()];
        for row in 0..rows {
            let mut nulls = 0;
            for (place, codes) in columns.iter().enumerate() {
                member[place] = codes.get(row);
                nulls += usize::from(member[place] == self.nulls[place]);
            }
            if nulls == columns.len() {
                keys.push(None);
                continue;
            }
            let mut id = member[0];
            for (place, &code) in member.iter().enumerate().skip(1) {
                id = intern(&mut self.levels[place], id, code);
            }
            let owner = if nulls == 0 { 0 } else { table + 1 };
            let last = columns.len();
            let key = intern(&mut self.levels[last], id, owner);
            if key as usize == self.members.len() {
                self.members.push(member.clone());
            }
            keys.push(Some(key));
        }
        keys
    }
}

fn intern(level: &mut HashMap<u64, u32>, left: u32, right: u32) -> u32 {
    let next = level.len() as u32;
    *level.entry(u64::from(left) << 32 | u64::from(right)).or_insert(next)
}

/// The tables on the circle that the edge between two seen nodes closes.
fn circle_through(left: usize, right: usize, above: &[Option<usize>], tables: usize) -> Vec<usize> {
    let ancestors = |mut node: usize| {
        let mut chain = vec![node];
        while let Some(next) = above[node] {
            chain.push(next);
            node = next;
        }
        chain
    };
    let (left, right) = (ancestors(left), ancestors(right));
    let meeting = left.iter().position(|node| right.contains(node)).unwrap_or(left.len() - 1);
    let other = right.iter().position(|node| *node == left[meeting]).unwrap_or(right.len() - 1);
    let mut circle: Vec<usize> = left[..=meeting]
        .iter()
        .chain(right[..other].iter().rev())
        .copied()
        .filter(|&node| node < tables)
        .collect();
    circle.sort_unstable();
    circle
}

fn describe(
    id: FieldId,
    field: &DraftField,
    tables: &[TableInfo],
    drafts: &[DraftTable],
) -> FieldInfo {
    let listed: Vec<TableId> =
        tables.iter().filter(|table| table.fields.contains(&id)).map(|table| table.id).collect();
    let holds = |table: &&TableInfo| {
        drafts[table.id.index()].columns.iter().any(|column| column.field == id)
    };
    let mut sources: Vec<TableId> = tables
        .iter()
        .filter(|table| !table.is_synthetic)
        .filter(holds)
        .map(|table| table.id)
        .collect();
    if sources.is_empty() {
        sources.clone_from(&listed);
    }
    let is_key = sources.len() > 1 || listed.len() > 1;
    let numbers = field.values.iter().filter(|value| value.is_number()).count();
    let is_numeric = numbers > 0 && numbers == field.values.len();
    let mut tags: Vec<Arc<str>> = Vec::new();
    let mut tag = |tag: &str| {
        if !tags.iter().any(|own| &**own == tag) {
            tags.push(tag.into());
        }
    };
    if is_numeric {
        tag("$numeric");
        if field.values.iter().filter_map(Value::number).all(|number| number.fract() == 0.0) {
            tag("$integer");
        }
    } else if !field.values.is_empty() {
        if field.values.iter().all(|value| value.text().is_ascii()) {
            tag("$ascii");
        }
        tag("$text");
    }
    if is_key {
        tag("$key");
    }
    field.tags.iter().for_each(|own| tag(own));
    let is_hidden = tags.iter().any(|tag| matches!(&**tag, "$hidden" | "$system"));
    FieldInfo {
        id,
        name: field.name.clone(),
        cardinality: field.values.len(),
        tags,
        tables: listed,
        sources,
        is_key,
        is_hidden,
        is_synthetic: field.is_synthetic,
        is_numeric,
    }
}
