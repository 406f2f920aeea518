//! `LOAD`: from source rows to a table's rows.
//!
//! Where no expression looks at other rows, columns are computed one by one, and each expression once per combination
//! of the values it reads. Otherwise rows are taken in order, with all that was loaded before them in view.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use loggia_engine::Value;
use loggia_engine::expression::{Expr, ExprKind, FieldRef, eval_scalar, is_true, wildcard_matches};
use loggia_engine::functions::{Function, FunctionKind};
use loggia_engine::table::{Column, ColumnBuilder};

use super::context::{Progress, Rows};
use super::{Frame, MAX_ROWS, Room, Runner, combine, source};
use crate::command::{Load, LoadField, Source, Step, Target};
use crate::problem::Found;

impl Runner<'_> {
    pub(super) fn load(&mut self, load: Load) -> Result<(), Found> {
        let mut frame = self.source_frame(&load)?;
        for step in load.steps.iter().rev() {
            frame = self.step(step, frame)?;
        }
        if load.target == Target::Mapping {
            return self.keep_map(load.label, &frame);
        }
        let frame = self.finished_columns(frame);
        let name = load.label.clone().unwrap_or_else(|| default_name(&load.source));
        self.place(load.target, &name, frame)
    }

    fn source_frame(&self, load: &Load) -> Result<Frame, Found> {
        let needed = load.steps.last().and_then(needed_fields);
        let is_needed = |name: &str| needed.as_ref().is_none_or(|needed| needed.contains(name));
        match &load.source {
            Source::Autogenerate(count) => {
                let rows = self.evaluate(count).number().unwrap_or(0.0).max(0.0);
                if rows > MAX_ROWS as f64 {
                    let span = count.span.range();
                    return Err(Found::new(
                        span.start,
                        span.end,
                        format!("more than {MAX_ROWS} rows"),
                    ));
                }
                Ok(Frame::new(Vec::new(), rows as usize))
            }
            Source::Resident { table, start, end } => {
                let at = self.table_named(table).map_err(|found| Found {
                    start: *start,
                    end: *end,
                    ..found
                })?;
                let frame = &self.tables[at].frame;
                let columns = frame
                    .columns
                    .iter()
                    .filter(|column| is_needed(column.name()))
                    .cloned()
                    .collect();
                let labels = frame.columns.iter().map(|column| column.name().clone()).collect();
                Ok(Frame { columns, rows: frame.rows, labels })
            }
            Source::Inline { data, format } => {
                let trimmed = data.trim_start_matches([' ', '\t', '\r', '\n']);
                source::read_delimited(
                    trimmed.as_bytes(),
                    format,
                    Some(&is_needed),
                    &self.interpreter,
                )
                .map_err(|message| Found::new(0, 0, message))
            }
            Source::File { location, format, start, end } => {
                let refuse = |error| source::refused(&error, *start, *end);
                let mut whole = Frame::default();
                let files = self.connector.list(location).map_err(refuse)?;
                if files.is_empty() {
                    return Err(Found::new(*start, *end, format!("no file fits `{location}`")));
                }
                for (at, file) in files.iter().enumerate() {
                    let input = self.connector.open(file).map_err(refuse)?;
                    let read =
                        source::read_delimited(input, format, Some(&is_needed), &self.interpreter);
                    let frame = read.map_err(|message| {
                        Found::new(*start, *end, format!("cannot read `{file}`: {message}"))
                    })?;
                    self.room(&whole).check(frame.bytes())?;
                    whole = if at == 0 { frame } else { combine::appended(whole, frame) };
                }
                Ok(whole)
            }
        }
    }

    fn step(&self, step: &Step, mut frame: Frame) -> Result<Frame, Found> {
        if !step.order_by.is_empty() {
            frame = ordered(&frame, &step.order_by)?;
        }
        let mut outputs = self.outputs(step, &frame)?;
        let bound = |expr: &Option<Expr>| -> Result<Option<Expr>, Found> {
            expr.as_ref().map(|expr| self.bound(expr, &frame)).transpose()
        };
        let condition = bound(&step.condition)?;
        let repeat = bound(&step.repeat)?;
        let aggregates = outputs.iter().any(|output| output.expr.has_aggregate());
        let mut result = if step.group_by.is_some() || aggregates {
            self.grouped(step, &outputs, condition.as_ref(), &frame)?
        } else if repeat.is_some()
            || condition.as_ref().is_some_and(reads_other_rows)
            || outputs.iter().any(|output| reads_other_rows(&output.expr))
        {
            self.row_by_row(&mut outputs, condition.as_ref(), repeat.as_ref(), &frame)?
        } else {
            let room = self.room(&frame);
            let rows =
                condition.map(|condition| self.rows_where(&condition, &frame, room)).transpose()?;
            let mut columns = Vec::with_capacity(outputs.len());
            let mut held = 0;
            for output in outputs {
                let room = Room { left: room.left.saturating_sub(held), ..room };
                let column = self.column(output, &frame, rows.as_deref(), room)?;
                held += column.bytes();
                columns.push(column);
            }
            room.check(held)?;
            Frame::new(columns, rows.map_or(frame.rows, |rows| rows.len()))
        };
        if step.distinct {
            result = combine::distinct(&result);
        }
        Ok(result)
    }

    fn outputs(&self, step: &Step, frame: &Frame) -> Result<Vec<Output>, Found> {
        let mut outputs: Vec<Output> = Vec::new();
        let mut add = |name: Arc<str>, expr: Expr| {
            if outputs.iter().any(|output| output.name == name) {
                let span = expr.span.range();
                return Err(Found::new(
                    span.start,
                    span.end,
                    format!("the field `{name}` is loaded twice"),
                )
                .with_mend("give one of them another name with `AS`"));
            }
            outputs.push(Output { name, expr });
            Ok(())
        };
        for field in &step.fields {
            match field {
                LoadField::Star => {
                    for (slot, column) in frame.columns.iter().enumerate() {
                        let field =
                            FieldRef { name: column.name().clone(), slot: Some(slot as u32) };
                        add(
                            column.name().clone(),
                            Expr::new(Default::default(), ExprKind::Field(field)),
                        )?;
                    }
                }
                LoadField::Expr { expr, name } => add(name.clone(), self.bound(expr, frame)?)?,
            }
        }
        Ok(outputs)
    }

    /// The expression with its fields found in the source; one that is neither field nor variable is a mistake.
    fn bound(&self, expr: &Expr, frame: &Frame) -> Result<Expr, Found> {
        let mut missing = None;
        source_fields(expr, &mut |name, field| {
            let is_known = frame.column(name).is_some()
                || loggia_engine::expression::Variables::get(&self.variables, name).is_some();
            if !is_known && missing.is_none() {
                missing = Some((name.clone(), field.span));
            }
        });
        if let Some((name, span)) = missing {
            let span = span.range();
            let known: Vec<&str> = match frame.labels.is_empty() {
                true => frame.columns.iter().map(|column| &**column.name()).collect(),
                false => frame.labels.iter().map(|label| &**label).collect(),
            };
            let found =
                Found::new(span.start, span.end, format!("the source has no field `{name}`"));
            let folded = known.iter().find(|known| known.eq_ignore_ascii_case(&name));
            return Err(match folded {
                Some(near) => found.with_mend(format!("did you mean `{near}`?")),
                None if known.is_empty() => found,
                None => found.with_mend(format!("it has: {}", shown(&known))),
            });
        }
        let mut expr = expr.clone();
        expr.bind(&|name| frame.column(name).map(|slot| slot as u32));
        Ok(expr)
    }

    // Column by column.

    fn rows_where(&self, condition: &Expr, frame: &Frame, room: Room) -> Result<Vec<u32>, Found> {
        let mut rows = Vec::new();
        let mut holds: Vec<bool> = Vec::with_capacity(frame.rows);
        self.each_value(condition, frame, None, &mut |position, made| {
            let is_taken = match made {
                Made::New(value) => is_true(&value),
                Made::As(earlier) => holds[earlier],
            };
            holds.push(is_taken);
            if is_taken {
                rows.push(position as u32);
            }
            room.check_at(position, || holds.len() + rows.len() * 4)
        })?;
        Ok(rows)
    }

    fn column(
        &self,
        output: Output,
        frame: &Frame,
        rows: Option<&[u32]>,
        room: Room,
    ) -> Result<Column, Found> {
        if let ExprKind::Field(FieldRef { slot: Some(slot), .. }) = output.expr.kind {
            let column = &frame.columns[slot as usize];
            let column = match rows {
                None => column.clone(),
                Some(rows) => column.gather(rows),
            };
            return Ok(column.renamed(output.name));
        }
        let mut builder = ColumnBuilder::new(output.name);
        self.each_value(&output.expr, frame, rows, &mut |position, made| {
            match made {
                Made::New(value) => builder.push(value),
                Made::As(earlier) => builder.push_again(earlier),
            }
            room.check_at(position, || builder.bytes())
        })?;
        Ok(builder.finish())
    }

    /// Evaluates an expression on these rows, once for each combination of the values it reads where those are few.
    fn each_value(
        &self,
        expr: &Expr,
        frame: &Frame,
        rows: Option<&[u32]>,
        emit: &mut dyn FnMut(usize, Made) -> Result<(), Found>,
    ) -> Result<(), Found> {
        const UNKNOWN: u32 = u32::MAX;
        let environment = self.environment();
        let count = rows.map_or(frame.rows, <[u32]>::len);
        let row_at = |position: usize| rows.map_or(position, |rows| rows[position] as usize);
        let mut context = Rows { columns: &frame.columns, ..Rows::without(self, &environment) };
        let slots = slots_of(expr);
        let combinations = slots.iter().try_fold(1usize, |product, slot| {
            product
                .checked_mul(frame.columns[*slot].values().len() + 1)
                .filter(|product| *product <= (count * 2).max(1024))
        });
        let Some(combinations) = combinations else {
            for position in 0..count {
                context.row = row_at(position);
                emit(position, Made::New(eval_scalar(expr, &context)))?;
            }
            return Ok(());
        };
        let mut known = vec![UNKNOWN; combinations];
        for position in 0..count {
            let row = row_at(position);
            let combination = slots.iter().fold(0, |index, slot| {
                let column = &frame.columns[*slot];
                index * (column.values().len() + 1) + column.codes().get(row) as usize
            });
            if known[combination] == UNKNOWN {
                known[combination] = position as u32;
                context.row = row;
                emit(position, Made::New(eval_scalar(expr, &context)))?;
            } else {
                emit(position, Made::As(known[combination] as usize))?;
            }
        }
        Ok(())
    }

    // Row by row.

    fn row_by_row(
        &self,
        outputs: &mut [Output],
        condition: Option<&Expr>,
        repeat: Option<&Expr>,
        frame: &Frame,
    ) -> Result<Frame, Found> {
        let environment = self.environment();
        // `SubField` without a number makes a row of each part: the parts are read as a field of the row.
        let mut splits: Vec<Vec<Expr>> = Vec::new();
        for output in outputs.iter_mut() {
            output.expr.walk_mut(&mut |expr| {
                if is_split(expr)
                    && let ExprKind::Call(call) = &expr.kind
                {
                    let slot = Some((frame.columns.len() + splits.len()) as u32);
                    splits.push(call.args.clone());
                    expr.kind = ExprKind::Field(FieldRef { name: Arc::from(""), slot });
                }
            });
        }
        let mut exists = self
            .exists_sets(outputs.iter().map(|output| &output.expr).chain(condition).chain(repeat));
        let mut built: Vec<(Arc<str>, ColumnBuilder)> = outputs
            .iter()
            .map(|output| (output.name.clone(), ColumnBuilder::new(output.name.clone())))
            .collect();
        let room = self.room(frame);
        let mut taken = 0;
        let mut previous = None;
        let mut values = Vec::with_capacity(outputs.len());
        for row in 0..frame.rows {
            let mut iteration = 0;
            loop {
                iteration += 1;
                let progress = Progress {
                    record: row,
                    output: taken,
                    iteration,
                    previous,
                    built: &built,
                    exists: &exists,
                };
                let context = Rows {
                    columns: &frame.columns,
                    row,
                    progress: Some(&progress),
                    ..Rows::without(self, &environment)
                };
                let goes_on = repeat.is_none_or(|repeat| is_true(&eval_scalar(repeat, &context)));
                if !goes_on || (repeat.is_none() && iteration > 1) {
                    break;
                }
                if !condition.is_none_or(|condition| is_true(&eval_scalar(condition, &context))) {
                    continue;
                }
                for parts in combinations_of_parts(&splits, &context) {
                    values.clear();
                    let progress = Progress {
                        record: row,
                        output: taken,
                        iteration,
                        previous,
                        built: &built,
                        exists: &exists,
                    };
                    let context = Rows {
                        columns: &frame.columns,
                        row,
                        extra: &parts,
                        progress: Some(&progress),
                        ..Rows::without(self, &environment)
                    };
                    values.extend(outputs.iter().map(|output| eval_scalar(&output.expr, &context)));
                    for ((name, builder), value) in built.iter_mut().zip(values.drain(..)) {
                        if !value.is_null()
                            && let Some(known) = exists.get_mut(&**name)
                        {
                            known.insert(value.clone());
                        }
                        builder.push(value);
                    }
                    taken += 1;
                    previous = Some(row);
                }
                let bytes = || built.iter().map(|(_, builder)| builder.bytes()).sum();
                room.check_at(taken, bytes)?;
                if taken > MAX_ROWS {
                    return Err(Found::new(0, 0, format!("more than {MAX_ROWS} rows")));
                }
            }
        }
        let columns = built.into_iter().map(|(_, builder)| builder.finish()).collect();
        Ok(Frame::new(columns, taken))
    }

    /// The values known so far of every field that `Exists` asks about.
    fn exists_sets<'e>(
        &self,
        exprs: impl Iterator<Item = &'e Expr>,
    ) -> HashMap<String, HashSet<Value>> {
        let mut sets = HashMap::new();
        for expr in exprs {
            expr.walk(&mut |inner| {
                if let ExprKind::Call(call) = &inner.kind
                    && call.function == Function::Exists
                {
                    let name = match call.args.first().map(|arg| &arg.kind) {
                        Some(ExprKind::Field(field)) => field.name.to_string(),
                        Some(ExprKind::Literal(name)) => name.text().into_owned(),
                        _ => return,
                    };
                    let values = self.values_of(&name);
                    sets.entry(name).or_insert(values);
                }
            });
        }
        sets
    }

    // Groups.

    fn grouped(
        &self,
        step: &Step,
        outputs: &[Output],
        condition: Option<&Expr>,
        frame: &Frame,
    ) -> Result<Frame, Found> {
        let mut keys = Vec::new();
        for key in step.group_by.iter().flatten() {
            keys.push(self.bound(key, frame)?);
        }
        for output in outputs {
            check_grouped(&output.expr, &keys)?;
        }
        let room = self.room(frame);
        let rows = match condition {
            Some(condition) => self.rows_where(condition, frame, room)?,
            None => (0..frame.rows as u32).collect(),
        };
        let key_columns: Vec<Column> = keys
            .into_iter()
            .map(|expr| self.column(Output { name: Arc::from(""), expr }, frame, Some(&rows), room))
            .collect::<Result<_, _>>()?;
        let mut groups: Vec<Vec<u32>> = Vec::new();
        if step.group_by.is_none() {
            groups.push(rows);
        } else {
            for (row, group) in rows.iter().zip(combine::row_keys(&key_columns, rows.len())) {
                if group as usize == groups.len() {
                    groups.push(Vec::new());
                }
                groups[group as usize].push(*row);
            }
        }
        let environment = self.environment();
        let mut held = 0;
        let mut columns = Vec::new();
        for output in outputs {
            let mut builder = ColumnBuilder::new(output.name.clone());
            for (at, group) in groups.iter().enumerate() {
                let context = Rows {
                    columns: &frame.columns,
                    row: group.first().map_or(usize::MAX, |row| *row as usize),
                    group: Some(group),
                    ..Rows::without(self, &environment)
                };
                builder.push(eval_scalar(&output.expr, &context));
                if self.is_exhausted.get() {
                    return Err(room.exhausted());
                }
                room.check_at(at, || held + builder.bytes())?;
            }
            let column = builder.finish();
            held += column.bytes();
            room.check(held)?;
            columns.push(column);
        }
        Ok(Frame::new(columns, groups.len()))
    }

    // What happens to finished columns.

    fn keep_map(&mut self, label: Option<Arc<str>>, frame: &Frame) -> Result<(), Found> {
        let Some(label) = label else {
            return Err(Found::new(0, 0, "a mapping table needs a name")
                .with_mend("write `Name:` before `MAPPING LOAD`"));
        };
        let [from, to] = frame.columns.as_slice() else {
            let message = format!("a mapping table has two columns, not {}", frame.columns.len());
            return Err(Found::new(0, 0, message));
        };
        let map = self.maps.entry(label.to_lowercase()).or_default();
        for row in 0..frame.rows {
            // The first entry of a key counts.
            map.entry(from.value(row)).or_insert_with(|| to.value(row));
        }
        self.say(format!(
            "{label}: maps {}",
            if frame.rows == 1 { "1 value".to_owned() } else { format!("{} values", frame.rows) }
        ));
        Ok(())
    }

    /// `MAP … USING`, `NULLASVALUE`.
    fn finished_columns(&self, mut frame: Frame) -> Frame {
        for column in &mut frame.columns {
            let uses = |pattern: &str, name: &str| wildcard_matches(pattern, name);
            if let Some((_, map)) =
                self.mapped_fields.iter().rev().find(|(field, _)| uses(field, column.name()))
                && let Some(map) = self.maps.get(&map.to_lowercase())
            {
                *column =
                    combine::rewritten(column, |value| map.get(&value).cloned().unwrap_or(value));
            }
            if self.null_as_value.iter().any(|pattern| uses(pattern, column.name())) {
                let text = loggia_engine::expression::Variables::get(&self.variables, "NullValue");
                let text = text.unwrap_or_else(|| Value::from(""));
                *column =
                    combine::rewritten(
                        column,
                        |value| if value.is_null() { text.clone() } else { value },
                    );
            }
        }
        frame
    }
}

/// A field that is to be made.
struct Output {
    name: Arc<str>,
    expr: Expr,
}

/// A value, or the row that has the same.
enum Made {
    New(Value),
    As(usize),
}

fn default_name(source: &Source) -> Arc<str> {
    match source {
        Source::Autogenerate(_) => Arc::from("Autogenerate"),
        Source::Inline { .. } => Arc::from("Inline"),
        Source::Resident { table, .. } => Arc::from(format!("{table}-1")),
        Source::File { location, .. } => {
            let file = location.rsplit(['/', '\\']).next().unwrap_or(location);
            Arc::from(file.rsplit_once('.').map_or(file, |(stem, _)| stem))
        }
    }
}

/// The fields that a step reads from its source; nothing if it may be all.
fn needed_fields(step: &Step) -> Option<HashSet<Arc<str>>> {
    let mut names = HashSet::new();
    for field in &step.fields {
        match field {
            LoadField::Star => return None,
            LoadField::Expr { expr, .. } => names.extend(expr.field_names()),
        }
    }
    let clauses = step.condition.iter().chain(&step.repeat).chain(step.group_by.iter().flatten());
    names.extend(clauses.flat_map(Expr::field_names));
    names.extend(step.order_by.iter().map(|(field, _)| field.clone()));
    Some(names)
}

/// Calls `visit` for every field that must be in the source: those that only name a field elsewhere are left out.
fn source_fields<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e Arc<str>, &'e Expr)) {
    match &expr.kind {
        ExprKind::Field(field) => visit(&field.name, expr),
        ExprKind::Literal(_) | ExprKind::Aggr(_) => {}
        ExprKind::Unary { operand, .. } => source_fields(operand, visit),
        ExprKind::Binary { left, right, .. } => {
            source_fields(left, visit);
            source_fields(right, visit);
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.args.iter().for_each(|arg| source_fields(arg, visit))
        }
        ExprKind::Call(call) => {
            let named = match call.function {
                Function::Exists if call.args.len() == 1 => 0,
                Function::Exists
                | Function::Peek
                | Function::FieldValue
                | Function::FieldValueCount
                | Function::NoOfTableRows => 1,
                _ => 0,
            };
            call.args.iter().skip(named).for_each(|arg| source_fields(arg, visit));
        }
    }
}

fn slots_of(expr: &Expr) -> Vec<usize> {
    let mut slots = Vec::new();
    expr.walk(&mut |inner| {
        if let ExprKind::Field(FieldRef { slot: Some(slot), .. }) = inner.kind
            && !slots.contains(&(slot as usize))
        {
            slots.push(slot as usize);
        }
    });
    slots
}

/// Whether the value depends on more than the fields of its own row.
fn reads_other_rows(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |inner| {
        found |= is_split(inner);
        if let ExprKind::Call(call) = &inner.kind {
            found |= match call.function {
                Function::ApplyMap | Function::MapSubString => false,
                function => {
                    matches!(function.info().kind, FunctionKind::Row | FunctionKind::Script)
                }
            };
        }
    });
    found
}

fn is_split(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call(call) if call.function == Function::SubField && call.args.len() == 2)
}

/// All combinations of the parts of the texts that are split; one, and empty, where none is.
fn combinations_of_parts(splits: &[Vec<Expr>], context: &Rows<'_, '_>) -> Vec<Vec<Value>> {
    let mut combinations = vec![Vec::new()];
    for args in splits {
        let [text, delimiter] = args.as_slice() else { continue };
        let (text, delimiter) = (eval_scalar(text, context), eval_scalar(delimiter, context));
        let parts: Vec<Value> = match (text.is_null(), delimiter.text()) {
            (true, _) => vec![Value::Null],
            (false, delimiter) if delimiter.is_empty() => vec![text],
            (false, delimiter) => text.text().split(&*delimiter).map(Value::from).collect(),
        };
        combinations = combinations
            .into_iter()
            .flat_map(|before: Vec<Value>| {
                parts.iter().map(move |part| before.iter().cloned().chain([part.clone()]).collect())
            })
            .collect();
    }
    combinations
}

/// Outside aggregations only what the rows are grouped by may stand.
fn check_grouped(expr: &Expr, keys: &[Expr]) -> Result<(), Found> {
    if keys.iter().any(|key| same_expression(key, expr)) {
        return Ok(());
    }
    match &expr.kind {
        ExprKind::Field(field) if field.slot.is_some() => {
            let span = expr.span.range();
            let message = format!("`{}` is neither aggregated nor grouped by", field.name);
            Err(Found::new(span.start, span.end, message)
                .with_mend("add it to `GROUP BY`, or wrap it in `Only(…)`"))
        }
        ExprKind::Unary { operand, .. } => check_grouped(operand, keys),
        ExprKind::Binary { left, right, .. } => {
            check_grouped(left, keys)?;
            check_grouped(right, keys)
        }
        ExprKind::Call(call) => call.args.iter().try_for_each(|arg| check_grouped(arg, keys)),
        _ => Ok(()),
    }
}

/// Equal wherever they stand in the text.
fn same_expression(left: &Expr, right: &Expr) -> bool {
    fn placeless(expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        expr.walk_mut(&mut |inner| inner.span = Default::default());
        expr
    }
    placeless(left) == placeless(right)
}

fn ordered(frame: &Frame, order: &[(Arc<str>, bool)]) -> Result<Frame, Found> {
    let mut ranks: Vec<Vec<u32>> = Vec::new();
    for (name, descending) in order {
        let Some(at) = frame.column(name) else {
            return Err(Found::new(0, 0, format!("there is no field `{name}` to order by")));
        };
        let column = &frame.columns[at];
        let values = column.values();
        let mut sorted: Vec<usize> = (0..values.len()).collect();
        sorted.sort_by(|left, right| values[*left].cmp(&values[*right]));
        // Nulls come first, as the lowest value.
        let mut rank = vec![0u32; values.len() + 1];
        for (at, code) in sorted.into_iter().enumerate() {
            rank[code] = at as u32 + 1;
        }
        let of_row = |row: usize| {
            let rank = rank[column.codes().get(row) as usize];
            if *descending { u32::MAX - rank } else { rank }
        };
        ranks.push((0..frame.rows).map(of_row).collect());
    }
    let mut rows: Vec<u32> = (0..frame.rows as u32).collect();
    rows.sort_by(|left, right| {
        let orders = ranks.iter().map(|rank| rank[*left as usize].cmp(&rank[*right as usize]));
        orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    Ok(combine::gathered(frame, &rows))
}

fn shown(names: &[&str]) -> String {
    match names {
        [first @ .., _] if names.len() > 12 => format!("{}, …", first[..11].join(", ")),
        _ => names.join(", "),
    }
}
