//! Runs a script: statements in order, tables as they grow.

mod aggregate;
mod combine;
mod context;
mod load;
mod source;
mod variables;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use loggia_engine::Value;
use loggia_engine::expression::{
    Environment, Expr, Variables, eval_scalar, expand, has_expansion, is_true, wildcard_matches,
};
use loggia_engine::format::{Interpreter, Locale};
use loggia_engine::table::{Column, Table};

use crate::command::{Command, ExitWhat};
use crate::connector::Connector;
use crate::outline::{Block, Statement, StatementKind, outline};
use crate::parse::{EachItem, ForHead, parse_command, parse_condition, parse_for, parse_sub};
use crate::problem::{Found, Problem};

/// What a run may know of the world.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The moment of the reload, as a serial date in local time.
    pub now: f64,
    /// Who reloads, for `OSUser()`.
    pub user: String,
    pub locale: Locale,
    /// Variables that exist before the script begins.
    pub variables: Vec<(Arc<str>, Value)>,
    /// Bytes that the tables may take while they are loaded; a script that needs more ends with a problem instead of
    /// taking the memory of everybody's apps.
    pub memory: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            now: 0.0,
            user: String::new(),
            locale: Locale::default(),
            variables: Vec::new(),
            memory: 4 << 30,
        }
    }
}

/// One line of the reload's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The line of the script it speaks of, from 1.
    pub line: usize,
    pub text: String,
}

/// How many rows a `LOAD` added to which table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows {
    pub table: Arc<str>,
    pub rows: usize,
}

/// What a script made.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub tables: Vec<Table>,
    pub variables: Vec<(Arc<str>, Value)>,
    /// The formats that the script's `SET` lines left behind; charts use them too.
    pub locale: Locale,
    pub loaded: Vec<TableRows>,
}

/// Runs a script to its end or to its first problem.
pub fn run(
    text: &str,
    connector: &dyn Connector,
    settings: &Settings,
    log: &mut dyn FnMut(LogLine),
) -> Result<Outcome, Problem> {
    let outline = outline(text);
    if let Some(found) = outline.problems.into_iter().next() {
        return Err(Problem::locate(found, text));
    }
    let mut runner = Runner {
        text,
        connector,
        settings,
        log,
        interpreter: Interpreter::new(&settings.locale),
        locale: settings.locale.clone(),
        variables: variables::Store::new(&settings.variables),
        tables: Vec::new(),
        maps: HashMap::new(),
        mapped_fields: Vec::new(),
        qualified: Vec::new(),
        null_as_value: Vec::new(),
        numbers: RefCell::new(HashMap::new()),
        subs: HashMap::new(),
        call_depth: 0,
        turns: 0,
        loaded: Vec::new(),
        line: 1,
        is_exhausted: Cell::new(false),
    };
    runner
        .define_subs(&outline.block)
        .and_then(|()| runner.block(&outline.block).map(|_| ()))
        .map_err(|found| Problem::locate(found, text))?;
    runner.finish().map_err(|found| Problem::locate(found, text))
}

/// A table while the script runs.
#[derive(Clone, Debug)]
struct Work {
    name: Arc<str>,
    frame: Frame,
}

/// Columns of equal length; the number of rows stands for itself where there are no columns.
#[derive(Clone, Debug, Default)]
struct Frame {
    columns: Vec<Column>,
    rows: usize,
    /// All the fields a file has, those included that were not read; for messages.
    labels: Vec<Arc<str>>,
}

impl Frame {
    fn new(columns: Vec<Column>, rows: usize) -> Frame {
        Frame { columns, rows, labels: Vec::new() }
    }

    fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &**column.name() == name)
    }
}

struct Runner<'a> {
    text: &'a str,
    connector: &'a dyn Connector,
    settings: &'a Settings,
    log: &'a mut dyn FnMut(LogLine),
    locale: Locale,
    interpreter: Interpreter,
    variables: variables::Store,
    tables: Vec<Work>,
    maps: HashMap<String, HashMap<Value, Value>>,
    mapped_fields: Vec<(Arc<str>, Arc<str>)>,
    /// Patterns of `QUALIFY`, and whether they qualify or not; the last that fits decides.
    qualified: Vec<(Arc<str>, bool)>,
    null_as_value: Vec<Arc<str>>,
    /// Counters of `AutoNumber`, by their name.
    numbers: RefCell<HashMap<String, HashMap<Value, usize>>>,
    subs: HashMap<String, Sub>,
    call_depth: usize,
    turns: usize,
    loaded: Vec<TableRows>,
    line: usize,
    /// An aggregation gave up for want of memory.
    is_exhausted: Cell<bool>,
}

/// The memory that is left for what is being loaded.
#[derive(Clone, Copy, Debug)]
struct Room {
    left: usize,
    limit: usize,
}

impl Room {
    fn check(self, bytes: usize) -> Result<(), Found> {
        if bytes <= self.left { Ok(()) } else { Err(self.exhausted()) }
    }

    fn exhausted(self) -> Found {
        let limit = self.limit >> 20;
        Found::new(0, 0, format!("the tables need more than the {limit} MB that a reload may take"))
            .with_mend("load fewer rows or fields, or drop tables that are no longer needed with `DROP TABLE`")
    }

    /// The same for a loop over rows, asked now and then.
    fn check_at(self, row: usize, bytes: impl FnOnce() -> usize) -> Result<(), Found> {
        if row.is_multiple_of(256) { self.check(bytes()) } else { Ok(()) }
    }
}

#[derive(Clone)]
struct Sub {
    parameters: Vec<Arc<str>>,
    body: Arc<Block>,
}

/// How a block ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Exit(ExitWhat),
}

/// No loop of a script needs more turns, and none may run for ever.
const MAX_TURNS: usize = 1_000_000;
const MAX_CALLS: usize = 30;
/// Rows of one table; beyond, a join or `AUTOGENERATE` was a mistake.
const MAX_ROWS: usize = 500_000_000;

impl Runner<'_> {
    /// What the tables, and what is read now, leave.
    fn room(&self, source: &Frame) -> Room {
        let tables: usize = self.tables.iter().map(|table| table.frame.bytes()).sum();
        let limit = self.settings.memory;
        Room { left: limit.saturating_sub(tables + source.bytes()), limit }
    }

    fn define_subs(&mut self, block: &Block) -> Result<(), Found> {
        for statement in block {
            if let StatementKind::Sub { head, body } = &statement.kind {
                let read = parse_sub(&self.text[head.0..head.1])
                    .map_err(|problems| first(problems, head.0))?;
                let sub = Sub { parameters: read.parameters, body: Arc::new(body.clone()) };
                self.subs.insert(read.name.to_lowercase(), sub);
            }
        }
        Ok(())
    }

    fn block(&mut self, block: &Block) -> Result<Flow, Found> {
        for statement in block {
            let flow = self.statement(statement)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &Statement) -> Result<Flow, Found> {
        self.line = self.text[..statement.start].matches('\n').count() + 1;
        match &statement.kind {
            StatementKind::Simple => self.simple(statement),
            StatementKind::Sub { .. } => Ok(Flow::Next),
            StatementKind::If { branches, otherwise } => {
                for (condition, block) in branches {
                    if self.holds(*condition)? {
                        return self.block(block);
                    }
                }
                self.block(otherwise)
            }
            StatementKind::For { head, body } => self.for_loop(*head, body),
            StatementKind::Do { head, body, tail } => self.do_loop(*head, body, *tail),
        }
    }

    fn simple(&mut self, statement: &Statement) -> Result<Flow, Found> {
        let (text, moved) = self.expanded(statement.start, statement.end)?;
        let parsed = parse_command(&text);
        let place = |found: Found| match moved {
            true => Found { start: statement.start, end: statement.end, ..found },
            false => found.moved(statement.start),
        };
        if let Some(found) = parsed.problems.into_iter().next() {
            return Err(place(found));
        }
        match parsed.command {
            Some(command) => self.command(command).map_err(place),
            None => Ok(Flow::Next),
        }
    }

    /// The text of a stretch of script after expansion, and whether that changed it.
    fn expanded(&self, start: usize, end: usize) -> Result<(String, bool), Found> {
        let text = &self.text[start..end];
        if !has_expansion(text) {
            return Ok((text.to_owned(), false));
        }
        let folded = text.to_ascii_lowercase();
        if folded.contains("$(include=") || folded.contains("$(must_include=") {
            return Err(Found::new(start, end, "scripts of other files cannot be included"));
        }
        let evaluate = |expression: &str| -> Result<Value, String> {
            let expr =
                parse_condition(expression).map_err(|problems| first(problems, 0).message)?;
            Ok(self.evaluate(&expr))
        };
        match expand(text, &self.variables, &evaluate) {
            Ok(expanded) => Ok((expanded, true)),
            Err(error) => Err(Found::new(start, end, error.to_string())),
        }
    }

    fn environment(&self) -> Environment<'_> {
        Environment::new(self.settings.now, &self.locale, &self.interpreter, &self.settings.user)
    }

    /// Evaluates where there is no row.
    fn evaluate(&self, expr: &Expr) -> Value {
        let environment = self.environment();
        eval_scalar(expr, &context::Rows::without(self, &environment))
    }

    fn expression_at(&self, (start, end): (usize, usize)) -> Result<Expr, Found> {
        let (text, moved) = self.expanded(start, end)?;
        parse_condition(&text).map_err(|problems| match moved {
            true => Found { start, end, ..first(problems, 0) },
            false => first(problems, start),
        })
    }

    fn holds(&self, range: (usize, usize)) -> Result<bool, Found> {
        let expr = self.expression_at(range)?;
        Ok(is_true(&self.evaluate(&expr)))
    }

    fn turn(&mut self, at: (usize, usize)) -> Result<(), Found> {
        self.turns += 1;
        if self.turns > MAX_TURNS {
            return Err(Found::new(
                at.0,
                at.1,
                format!("the loops of this script turned more than {MAX_TURNS} times"),
            ));
        }
        Ok(())
    }

    fn for_loop(&mut self, head: (usize, usize), body: &Block) -> Result<Flow, Found> {
        let (text, moved) = self.expanded(head.0, head.1)?;
        let place = |found: Found| match moved {
            true => Found { start: head.0, end: head.1, ..found },
            false => found.moved(head.0),
        };
        let parsed = parse_for(&text).map_err(|problems| place(first(problems, 0)))?;
        match parsed {
            ForHead::Range { variable, from, to, step } => {
                let number = |expr: &Expr| self.evaluate(expr).number();
                let (Some(from), Some(to), Some(step)) =
                    (number(&from), number(&to), step.as_ref().map_or(Some(1.0), number))
                else {
                    return Err(Found::new(head.0, head.1, "`FOR` needs numbers"));
                };
                if step == 0.0 {
                    return Err(Found::new(head.0, head.1, "the step of `FOR` must not be 0"));
                }
                let mut at = from;
                while if step > 0.0 { at <= to } else { at >= to } {
                    self.turn(head)?;
                    self.variables.set(&variable, Value::Number(at));
                    match self.block(body)? {
                        Flow::Next => {}
                        Flow::Exit(ExitWhat::Loop) => return Ok(Flow::Next),
                        exit => return Ok(exit),
                    }
                    at += step;
                }
                self.variables.set(&variable, Value::Number(at));
            }
            ForHead::Each { variable, items } => {
                let mut values = Vec::new();
                for item in &items {
                    match item {
                        EachItem::Expr(expr) => values.push(self.evaluate(expr)),
                        EachItem::Files(expr) => {
                            let files = self.connector.list(&self.evaluate(expr).text());
                            let files =
                                files.map_err(|error| source::refused(&error, head.0, head.1))?;
                            values.extend(files.iter().map(|file| Value::from(file.as_str())));
                        }
                    }
                }
                for value in values {
                    self.turn(head)?;
                    self.variables.set(&variable, value);
                    match self.block(body)? {
                        Flow::Next => {}
                        Flow::Exit(ExitWhat::Loop) => return Ok(Flow::Next),
                        exit => return Ok(exit),
                    }
                }
            }
        }
        Ok(Flow::Next)
    }

    fn do_loop(
        &mut self,
        head: (usize, usize),
        body: &Block,
        tail: (usize, usize),
    ) -> Result<Flow, Found> {
        loop {
            self.turn(head)?;
            if !self.goes_on(head)? {
                return Ok(Flow::Next);
            }
            match self.block(body)? {
                Flow::Next => {}
                Flow::Exit(ExitWhat::Loop) => return Ok(Flow::Next),
                exit => return Ok(exit),
            }
            if !self.goes_on(tail)? {
                return Ok(Flow::Next);
            }
        }
    }

    /// `WHILE condition`, `UNTIL condition`, or nothing.
    fn goes_on(&self, (start, end): (usize, usize)) -> Result<bool, Found> {
        let text = &self.text[start..end];
        let trimmed = text.trim_start();
        if trimmed.trim_end().is_empty() {
            return Ok(true);
        }
        let word = trimmed.get(..5).unwrap_or("");
        let at = start + text.len() - trimmed.len() + 5;
        match word.to_ascii_lowercase().as_str() {
            "while" => self.holds((at, end)),
            "until" => Ok(!self.holds((at, end))?),
            _ => Err(Found::new(start, end, "expected `WHILE` or `UNTIL`")),
        }
    }

    fn command(&mut self, command: Command) -> Result<Flow, Found> {
        match command {
            Command::Nothing => {}
            Command::Load(load) => self.load(*load)?,
            Command::Set { name, text } => {
                let value = Value::interpret(&text);
                self.set_variable(&name, value);
            }
            Command::Let { name, expr: None } => self.variables.remove(&name),
            Command::Let { name, expr: Some(expr) } => {
                let value = self.evaluate(&expr);
                self.set_variable(&name, value);
            }
            Command::DropTables(names) => {
                for name in names {
                    let at = self.table_named(&name)?;
                    self.tables.remove(at);
                }
            }
            Command::DropFields { fields, tables } => self.drop_fields(&fields, &tables)?,
            Command::RenameFields(pairs) => self.rename_fields(&pairs)?,
            Command::RenameFieldsUsing(map) => {
                let Some(map) = self.maps.get(&map.to_lowercase()) else {
                    return Err(no_map(&map));
                };
                let pairs: Vec<(Arc<str>, Arc<str>)> =
                    map.iter().map(|(from, to)| (from.shared_text(), to.shared_text())).collect();
                let known = |name: &Arc<str>| {
                    self.tables.iter().any(|table| table.frame.column(name).is_some())
                };
                let pairs: Vec<_> = pairs.into_iter().filter(|(from, _)| known(from)).collect();
                self.rename_fields(&pairs)?;
            }
            Command::RenameTables(pairs) => {
                for (from, to) in pairs {
                    let at = self.table_named(&from)?;
                    if self.tables.iter().any(|table| table.name == to) {
                        return Err(Found::new(0, 0, format!("there is a table `{to}` already")));
                    }
                    self.tables[at].name = to;
                }
            }
            Command::Qualify(patterns) => {
                self.qualified.extend(patterns.into_iter().map(|pattern| (pattern, true)))
            }
            Command::Unqualify(patterns) => {
                self.qualified.extend(patterns.into_iter().map(|pattern| (pattern, false)))
            }
            Command::NullAsValue(patterns) => self.null_as_value.extend(patterns),
            Command::Tag { fields, tags } => self.tag(&fields, &tags)?,
            Command::MapUsing { fields, map } => {
                if !self.maps.contains_key(&map.to_lowercase()) {
                    return Err(no_map(&map));
                }
                self.mapped_fields.extend(fields.into_iter().map(|field| (field, map.clone())));
            }
            Command::Unmap(patterns) => {
                self.mapped_fields.retain(|(field, _)| {
                    !patterns.iter().any(|pattern| wildcard_matches(pattern, field))
                });
            }
            Command::Trace(text) => self.say(text),
            Command::Call { name, args } => return self.call(&name, &args),
            Command::Exit { what, condition } => {
                let exits = condition.is_none_or(|condition| is_true(&self.evaluate(&condition)));
                return Ok(if exits { Flow::Exit(what) } else { Flow::Next });
            }
        }
        Ok(Flow::Next)
    }

    fn say(&mut self, text: impl Into<String>) {
        (self.log)(LogLine { line: self.line, text: text.into() });
    }

    fn set_variable(&mut self, name: &Arc<str>, value: Value) {
        if variables::apply_to_locale(&mut self.locale, name, &value.text()) {
            self.interpreter = Interpreter::new(&self.locale);
        }
        self.variables.set(name, value);
    }

    fn call(&mut self, name: &str, args: &[Expr]) -> Result<Flow, Found> {
        let Some(sub) = self.subs.get(&name.to_lowercase()).cloned() else {
            return Err(Found::new(0, 0, format!("there is no sub `{name}`")));
        };
        if self.call_depth == MAX_CALLS {
            return Err(Found::new(
                0,
                0,
                format!("subs call each other more than {MAX_CALLS} deep"),
            ));
        }
        let values: Vec<Value> = args.iter().map(|arg| self.evaluate(arg)).collect();
        let before: Vec<Option<Value>> =
            sub.parameters.iter().map(|name| self.variables.get(name)).collect();
        for (at, parameter) in sub.parameters.iter().enumerate() {
            self.variables.set(parameter, values.get(at).cloned().unwrap_or_default());
        }
        self.call_depth += 1;
        let flow = self.block(&sub.body);
        self.call_depth -= 1;
        for (parameter, value) in sub.parameters.iter().zip(before) {
            match value {
                Some(value) => self.variables.set(parameter, value),
                None => self.variables.remove(parameter),
            }
        }
        match flow? {
            Flow::Exit(ExitWhat::Sub) => Ok(Flow::Next),
            other => Ok(other),
        }
    }

    // Tables and fields by name.

    fn table_named(&self, name: &str) -> Result<usize, Found> {
        self.tables.iter().position(|table| &*table.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.tables.iter().map(|table| &*table.name).collect();
            let found = Found::new(0, 0, format!("there is no table `{name}`"));
            match known.is_empty() {
                true => found,
                false => found.with_mend(format!("there are: {}", known.join(", "))),
            }
        })
    }

    fn drop_fields(&mut self, fields: &[Arc<str>], tables: &[Arc<str>]) -> Result<(), Found> {
        for table in tables {
            self.table_named(table)?;
        }
        for field in fields {
            let mut dropped = false;
            for table in &mut self.tables {
                if (tables.is_empty() || tables.contains(&table.name))
                    && let Some(at) = table.frame.column(field)
                {
                    table.frame.columns.remove(at);
                    dropped = true;
                }
            }
            if !dropped {
                return Err(Found::new(0, 0, format!("there is no field `{field}` to drop")));
            }
        }
        self.tables.retain(|table| !table.frame.columns.is_empty());
        Ok(())
    }

    fn rename_fields(&mut self, pairs: &[(Arc<str>, Arc<str>)]) -> Result<(), Found> {
        for (from, to) in pairs {
            let mut renamed = false;
            for table in &mut self.tables {
                let Some(at) = table.frame.column(from) else { continue };
                if from != to && table.frame.column(to).is_some() {
                    return Err(Found::new(
                        0,
                        0,
                        format!("table `{}` has a field `{to}` already", table.name),
                    ));
                }
                let column = table.frame.columns[at].clone();
                table.frame.columns[at] = column.renamed(to.clone());
                renamed = true;
            }
            if !renamed {
                return Err(Found::new(0, 0, format!("there is no field `{from}` to rename")));
            }
        }
        Ok(())
    }

    fn tag(&mut self, fields: &[Arc<str>], tags: &[Arc<str>]) -> Result<(), Found> {
        for field in fields {
            let mut tagged = false;
            for column in self.tables.iter_mut().flat_map(|table| &mut table.frame.columns) {
                if column.name() == field {
                    for tag in tags {
                        *column = column.clone().tagged(tag.clone());
                    }
                    tagged = true;
                }
            }
            if !tagged {
                return Err(Found::new(0, 0, format!("there is no field `{field}` to tag")));
            }
        }
        Ok(())
    }

    /// All values that a field has so far, in any table.
    fn values_of(&self, field: &str) -> HashSet<Value> {
        let columns = self
            .tables
            .iter()
            .filter_map(|table| Some(&table.frame.columns[table.frame.column(field)?]));
        columns.flat_map(|column| column.values().iter().cloned()).collect()
    }

    fn finish(self) -> Result<Outcome, Found> {
        let mut tables = Vec::new();
        for work in self.tables {
            let table = Table::new(work.name, work.frame.columns);
            tables.push(table.map_err(|error| {
                Found::new(self.text.len(), self.text.len(), error.to_string())
            })?);
        }
        Ok(Outcome {
            tables,
            variables: self.variables.into_list(),
            locale: self.locale,
            loaded: self.loaded,
        })
    }
}

fn no_map(name: &str) -> Found {
    Found::new(0, 0, format!("there is no mapping table `{name}`"))
        .with_mend("load it first, with `MAPPING LOAD`")
}

fn first(problems: Vec<Found>, moved: usize) -> Found {
    let unreadable = || Found::new(0, 0, "expected an expression");
    problems.into_iter().next().unwrap_or_else(unreadable).moved(moved)
}
