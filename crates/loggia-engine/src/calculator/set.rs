//! Which rows does a set expression mean? Sets with modifiers are alternative selections; operators between sets
//! combine possible rows table by table.

use std::sync::Arc;

use super::bounds::{check, check_batch};
use super::evaluation::Evaluation;
use super::formula::{Failure, no_such_field};
use crate::bitmap::Bitmap;
use crate::expression::{
    Bound, Element, ElementSet, Expr, Modifier, Search, SetExpr, SetOp, SetSource, is_true,
};
use crate::model::{DataModel, FieldId, TableId};
use crate::selection::Selections;
use crate::value::Value;
use crate::view::{PossibleRows, View};

use super::dimension::Dimension;

/// Possible rows of every table.
#[derive(Clone, Debug)]
pub(crate) enum RowSet {
    View(Arc<View>),
    /// Beside the tables; nothing means all rows.
    Combined(Arc<Vec<Option<Arc<Bitmap>>>>),
}

impl RowSet {
    pub(crate) fn shared(&self, table: TableId) -> Option<Arc<Bitmap>> {
        match self {
            RowSet::View(view) => view.shared_rows(table),
            RowSet::Combined(rows) => rows[table.0 as usize].clone(),
        }
    }
}

impl PossibleRows for RowSet {
    fn rows(&self, table: TableId) -> Option<&Bitmap> {
        match self {
            RowSet::View(view) => view.rows(table),
            RowSet::Combined(rows) => rows[table.0 as usize].as_deref(),
        }
    }
}

impl Evaluation<'_> {
    /// The rows of a set expression.
    pub(crate) fn row_set(&self, set: &SetExpr) -> Result<RowSet, Failure> {
        check(self.context.stop)?;
        match set {
            SetExpr::Binary { op, left, right } => {
                let (left, right) = (self.row_set(left)?, self.row_set(right)?);
                Ok(self.combined(|table| {
                    let mut rows = self.all_rows(left.shared(table), table);
                    let other = self.all_rows(right.shared(table), table);
                    match op {
                        SetOp::Union => rows.unite(&other),
                        SetOp::Exclude => rows.subtract(&other),
                        SetOp::Intersect => rows.intersect(&other),
                        SetOp::Symmetric => rows.toggle(&other),
                    }
                    rows
                }))
            }
            SetExpr::Complement(set) => {
                let rest = self.row_set(set)?;
                Ok(self.combined(|table| {
                    let mut rows = Bitmap::all(self.model().table_info(table).rows);
                    rows.subtract(&self.all_rows(rest.shared(table), table));
                    rows
                }))
            }
            // Modifiers of a combination are those of its parts.
            SetExpr::Modified { base, modifiers } => match &**base {
                SetExpr::Binary { op, left, right } => {
                    let part = |base: &SetExpr| {
                        Box::new(SetExpr::Modified {
                            base: Box::new(base.clone()),
                            modifiers: modifiers.clone(),
                        })
                    };
                    self.row_set(&SetExpr::Binary { op: *op, left: part(left), right: part(right) })
                }
                SetExpr::Complement(inner) => {
                    let modified =
                        SetExpr::Modified { base: inner.clone(), modifiers: modifiers.clone() };
                    self.row_set(&SetExpr::Complement(Box::new(modified)))
                }
                _ => Ok(RowSet::View(self.calculator.view_of(self.set_selections(set)?))),
            },
            SetExpr::Source(_) => {
                Ok(RowSet::View(self.calculator.view_of(self.set_selections(set)?)))
            }
        }
    }

    fn combined(&self, rows: impl Fn(TableId) -> Bitmap) -> RowSet {
        let tables = self.model().tables().iter();
        RowSet::Combined(Arc::new(tables.map(|table| Some(Arc::new(rows(table.id)))).collect()))
    }

    fn all_rows(&self, rows: Option<Arc<Bitmap>>, table: TableId) -> Bitmap {
        match rows {
            Some(rows) => Bitmap::clone(&rows),
            None => Bitmap::all(self.model().table_info(table).rows),
        }
    }

    /// The selections that a set without operators stands for.
    fn set_selections(&self, set: &SetExpr) -> Result<Selections, Failure> {
        match set {
            SetExpr::Source(source) => self.source_selections(source),
            SetExpr::Modified { base, modifiers } => {
                let base = self.set_selections(base)?;
                let mut selections = base.clone();
                for modifier in modifiers {
                    selections = self.modified(&base, selections, modifier)?;
                }
                Ok(selections)
            }
            SetExpr::Binary { .. } | SetExpr::Complement(_) => {
                Err("a combination of sets cannot stand here".into())
            }
        }
    }

    fn source_selections(&self, source: &SetSource) -> Result<Selections, Failure> {
        let context = self.context;
        match source {
            SetSource::Current => Ok(self.base.clone()),
            SetSource::Full => Ok(Selections::new()),
            SetSource::Back(steps) => {
                let step = context.sets.step(i32::try_from(*steps).unwrap_or(i32::MAX));
                Ok(step.unwrap_or_default().only(context.state))
            }
            SetSource::Forward(steps) => {
                let step = context.sets.step(-i32::try_from(*steps).unwrap_or(i32::MAX));
                Ok(step
                    .map_or_else(|| self.base.clone(), |selections| selections.only(context.state)))
            }
            SetSource::Named(name) => match context.sets.bookmark(name) {
                Some(bookmark) => Ok(bookmark.only("")),
                // A state without selections is not to be told from one that does not exist.
                None => Ok(context.selections.only(name)),
            },
        }
    }

    fn modified(
        &self,
        base: &Selections,
        selections: Selections,
        modifier: &Modifier,
    ) -> Result<Selections, Failure> {
        let field =
            self.model().field(&modifier.field).ok_or_else(|| no_such_field(&modifier.field))?;
        let Some(elements) = &modifier.elements else {
            return Ok(selections.without("", field));
        };
        let Some(mut wanted) = self.elements(base, field, elements)? else {
            return Ok(selections.without("", field));
        };
        if let Some(op) = modifier.op {
            let len = self.model().values(field).len();
            let mut current = match (base.field("", field), op) {
                (Some(selection), _) => Bitmap::from_members(len, selection.elements()),
                // Nothing selected: there is nothing to add to, and all to take away from.
                (None, SetOp::Union | SetOp::Symmetric) => Bitmap::none(len),
                (None, SetOp::Exclude | SetOp::Intersect) => Bitmap::all(len),
            };
            combine(&mut current, op, &wanted);
            wanted = current;
        }
        Ok(selections.with_exactly("", field, &wanted.members()))
    }

    /// The elements of a field that an element set means; nothing where it does not restrict the field.
    fn elements(
        &self,
        base: &Selections,
        field: FieldId,
        set: &ElementSet,
    ) -> Result<Option<Bitmap>, Failure> {
        let len = self.model().values(field).len();
        match set {
            ElementSet::List(list) => {
                let mut found = Bitmap::none(len);
                for element in list {
                    check(self.context.stop)?;
                    match element {
                        Element::Value(value) => self.find_value(field, value, &mut found),
                        Element::Search(search) => found.unite(&self.matches(base, field, search)?),
                        Element::Expression(expr) => {
                            let value = self.scalar(base, expr)?;
                            self.find_value(field, &value, &mut found);
                        }
                    }
                }
                Ok(Some(found))
            }
            ElementSet::Possible { set, field: other } => {
                check(self.context.stop)?;
                let other = self.other_field(field, other.as_ref())?;
                let possible = self.possible_in(base, set.as_deref(), other)?;
                Ok(Some(self.translated(other, &possible, field)))
            }
            ElementSet::Excluded { set, field: other } => {
                check(self.context.stop)?;
                let other = self.other_field(field, other.as_ref())?;
                let possible = self.possible_in(base, set.as_deref(), other)?;
                let mut excluded = Bitmap::all(possible.len());
                excluded.subtract(&possible);
                Ok(Some(self.translated(other, &excluded, field)))
            }
            ElementSet::Selected { state, field: other } => {
                let other = self.other_field(field, Some(other))?;
                let source = match state {
                    Some(state) => self.context.selections.only(state),
                    None => base.clone(),
                };
                let Some(selection) = source.field("", other) else { return Ok(None) };
                let selected =
                    Bitmap::from_members(self.model().values(other).len(), selection.elements());
                Ok(Some(self.translated(other, &selected, field)))
            }
            ElementSet::Binary { op, left, right } => {
                let everything = || Bitmap::all(len);
                let mut found = self.elements(base, field, left)?.unwrap_or_else(everything);
                let other = self.elements(base, field, right)?.unwrap_or_else(everything);
                combine(&mut found, *op, &other);
                Ok(Some(found))
            }
        }
    }

    fn other_field(&self, field: FieldId, other: Option<&Arc<str>>) -> Result<FieldId, Failure> {
        match other {
            Some(name) => self.model().field(name).ok_or_else(|| no_such_field(name)),
            None => Ok(field),
        }
    }

    fn possible_in(
        &self,
        base: &Selections,
        set: Option<&SetExpr>,
        field: FieldId,
    ) -> Result<Bitmap, Failure> {
        let rows = match set {
            None => RowSet::View(self.calculator.view_of(base.clone())),
            Some(set) => self.with_base(base.clone()).row_set(set)?,
        };
        match &rows {
            RowSet::View(view) => Ok(view.states(field).possible()),
            RowSet::Combined(_) => {
                let mut possible = Bitmap::none(self.model().values(field).len());
                for table in &self.model().field_info(field).tables {
                    if let Some(column) = self.model().column(*table, field) {
                        let rows = self.all_rows(rows.shared(*table), *table);
                        rows.iter().for_each(|row| possible.insert(column.codes.get(row) as usize));
                    }
                }
                Ok(possible)
            }
        }
    }

    /// The same values in another field.
    fn translated(&self, from: FieldId, elements: &Bitmap, to: FieldId) -> Bitmap {
        if from == to {
            return elements.clone();
        }
        let (from, to) = (self.model().values(from), self.model().values(to));
        let mut found = Bitmap::none(to.len());
        for element in elements.iter() {
            if let Some(same) = to.find(from.value(element as u32)) {
                found.insert(same as usize);
            }
        }
        found
    }

    /// Adds the elements that a written value means: the same number, or the same text.
    fn find_value(&self, field: FieldId, value: &Value, found: &mut Bitmap) {
        find_value(
            self.model(),
            field,
            value,
            &|text| self.environment.interpreter().number_of(text),
            found,
        );
    }

    fn matches(
        &self,
        base: &Selections,
        field: FieldId,
        search: &Search,
    ) -> Result<Bitmap, Failure> {
        match search {
            Search::Pattern(pattern) => {
                let values = self.model().values(field);
                let mut found = Bitmap::none(values.len());
                for (element, value) in values.values.iter().enumerate() {
                    check_batch(element, self.context.stop)?;
                    if crate::expression::wildcard_matches(pattern, &value.text()) {
                        found.insert(element);
                    }
                }
                Ok(found)
            }
            Search::Range(bounds) => Ok(self.in_bounds(field, bounds)),
            Search::Expression(expr) => self.where_true(base, field, expr),
        }
    }

    fn in_bounds(&self, field: FieldId, bounds: &[Bound]) -> Bitmap {
        in_bounds(self.model(), field, bounds, &|text| {
            self.environment.interpreter().number_of(text)
        })
    }

    /// The elements for which an expression holds, evaluated by value of the field.
    pub(crate) fn where_true(
        &self,
        base: &Selections,
        field: FieldId,
        expr: &Expr,
    ) -> Result<Bitmap, Failure> {
        let mut evaluation = self.with_base(base.clone());
        evaluation.dimensions = vec![Dimension::of_field(field)];
        let formula = evaluation.prepared(expr.clone())?;
        let len = self.model().values(field).len();
        let groups: Vec<u32> = (0..len as u32).collect();
        let column = evaluation.column_by_codes(&formula, &groups)?;
        Ok(Bitmap::from_fn(len, |element| is_true(&column.get(element))))
    }

    fn scalar(&self, base: &Selections, expr: &Expr) -> Result<Value, Failure> {
        let mut evaluation = self.with_base(base.clone());
        evaluation.dimensions = Vec::new();
        let formula = evaluation.prepared(expr.clone())?;
        evaluation.single(&formula)
    }
}

fn combine(left: &mut Bitmap, op: SetOp, right: &Bitmap) {
    match op {
        SetOp::Union => left.unite(right),
        SetOp::Exclude => left.subtract(right),
        SetOp::Intersect => left.intersect(right),
        SetOp::Symmetric => left.toggle(right),
    }
}

/// Adds the elements that a written value means: the same number, or the same text.
pub(crate) fn find_value(
    model: &DataModel,
    field: FieldId,
    value: &Value,
    number_of: &dyn Fn(&str) -> Option<f64>,
    found: &mut Bitmap,
) {
    let values = model.values(field);
    if let Some(element) = values.find(value) {
        found.insert(element as usize);
        return;
    }
    let text = value.text();
    if text.is_empty() {
        return;
    }
    let same_text = (0..values.len()).find(|element| values.value(*element as u32).text() == text);
    let same_number =
        || values.find(&Value::Number(number_of(&text)?)).map(|element| element as usize);
    if let Some(element) = same_text.or_else(same_number) {
        found.insert(element);
    }
}

/// The elements whose number is within all bounds. A bound is a number, a date, or the text of a value.
pub(crate) fn in_bounds(
    model: &DataModel,
    field: FieldId,
    bounds: &[Bound],
    number_of: &dyn Fn(&str) -> Option<f64>,
) -> Bitmap {
    let values = model.values(field);
    let number = |bound: &Bound| {
        let dual = || {
            let mut found = Bitmap::none(values.len());
            find_value(model, field, &Value::Text(bound.text.clone()), number_of, &mut found);
            let element = found.iter().next()?;
            values.value(element as u32).number()
        };
        number_of(&bound.text).or_else(dual)
    };
    let limits: Option<Vec<_>> =
        bounds.iter().map(|bound| Some((bound.op, number(bound)?))).collect();
    let Some(limits) = limits else {
        return Bitmap::none(values.len());
    };
    Bitmap::from_fn(values.len(), |element| {
        let number = values.numbers[element];
        !number.is_nan() && limits.iter().all(|(op, limit)| op.holds(number, *limit))
    })
}
