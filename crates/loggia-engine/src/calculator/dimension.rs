//! What are a chart's rows grouped by? A field, or an expression over fields, bound to the model.

use std::sync::Arc;

use super::bounds::Stop;
use super::column::{Coded, Values, gather, intern};
use super::evaluation::Evaluation;
use super::formula::{Argument, Failure, Preparation, parse};
use super::{Calculator, Context};
use crate::expression::{Environment, Expr, ExprKind};
use crate::model::{DataModel, FieldId, FieldValues, TableId};
use crate::table::{Code, Codes, with_codes};
use crate::view::{State, StateCounts, View};

/// A dimension bound to the model. The code after its last value is null.
#[derive(Clone, Debug)]
pub(crate) struct Dimension {
    pub(crate) base: Base,
    pub(crate) values: Values,
}

#[derive(Clone, Debug)]
pub(crate) enum Base {
    Field(FieldId),
    /// An expression over one field: its own code for each code of the field.
    Mapped {
        field: FieldId,
        map: Arc<[u32]>,
    },
    /// An expression over several fields, computed for the rows of one table.
    Rows {
        table: TableId,
        codes: Arc<Codes>,
    },
}

impl Dimension {
    pub(crate) fn of_field(field: FieldId) -> Dimension {
        Dimension { base: Base::Field(field), values: Values::Field(field) }
    }

    /// The field, for plain and for calculated dimensions over one field.
    pub(crate) fn field(&self) -> Option<FieldId> {
        match self.base {
            Base::Field(field) | Base::Mapped { field, .. } => Some(field),
            Base::Rows { .. } => None,
        }
    }

    pub(crate) fn plain_field(&self) -> Option<FieldId> {
        match self.base {
            Base::Field(field) => Some(field),
            _ => None,
        }
    }

    pub(crate) fn dictionary<'a>(&'a self, model: &'a DataModel) -> &'a FieldValues {
        self.values.of(model)
    }

    /// Whether rows of a table are associated with this dimension at all.
    pub(crate) fn is_reachable(&self, model: &DataModel, from: TableId) -> bool {
        match &self.base {
            Base::Field(field) | Base::Mapped { field, .. } => {
                model.nearest(from, *field).is_some()
            }
            Base::Rows { table, .. } => model.path(from, *table).is_some(),
        }
    }

    /// Steps from a table to the dimension, where each row meets at most one value.
    pub(crate) fn distance(&self, model: &DataModel, from: TableId) -> Option<usize> {
        let path = match &self.base {
            Base::Field(field) | Base::Mapped { field, .. } => model.nearest(from, *field),
            Base::Rows { table, .. } => model.path(from, *table),
        };
        path.filter(|path| path.is_functional).map(|path| path.steps.len())
    }

    /// The tables that hold the dimension's values, those that associate first.
    pub(crate) fn tables(&self, model: &DataModel) -> Vec<TableId> {
        match &self.base {
            Base::Field(field) | Base::Mapped { field, .. } => {
                let mut tables = model.field_info(*field).tables.clone();
                tables.sort_by_key(|table| model.table_info(*table).is_loose);
                tables
            }
            Base::Rows { table, .. } => vec![*table],
        }
    }

    /// The elements of the field that make up a code of the dimension.
    pub(crate) fn elements_of(&self, code: u32) -> Option<(FieldId, Vec<u32>)> {
        match &self.base {
            Base::Field(field) => Some((*field, vec![code])),
            Base::Mapped { field, map } => {
                let elements = 0..map.len().saturating_sub(1) as u32;
                Some((*field, elements.filter(|&element| map[element as usize] == code).collect()))
            }
            Base::Rows { .. } => None,
        }
    }

    /// The state of each code.
    pub(crate) fn states(&self, view: &View) -> Vec<State> {
        let len = self.dictionary(view.model()).len();
        match &self.base {
            Base::Field(field) => {
                let states = view.states(*field);
                (0..len as u32).map(|code| states.of(code)).collect()
            }
            Base::Mapped { field, map } => {
                let states = view.states(*field);
                let mut best = vec![State::Excluded; len];
                for (element, &code) in map.iter().enumerate().take(map.len().saturating_sub(1)) {
                    if let Some(best) = best.get_mut(code as usize) {
                        *best = stronger(*best, states.of(element as u32));
                    }
                }
                best
            }
            Base::Rows { table, codes } => {
                let mut states = vec![State::Excluded; len + 1];
                let rows = crate::view::PossibleRows::rows(view, *table);
                for row in 0..codes.len() {
                    if rows.is_none_or(|rows| rows.contains(row)) {
                        states[codes.get(row) as usize] = State::Optional;
                    }
                }
                states.pop();
                states
            }
        }
    }

    pub(crate) fn counts(&self, view: &View) -> StateCounts {
        if let Base::Field(field) = self.base {
            return *view.states(field).counts();
        }
        let mut counts = StateCounts::default();
        self.states(view).into_iter().for_each(|state| counts.add(state));
        counts
    }
}

/// What several elements together are: selected if one is, possible if one is.
fn stronger(left: State, right: State) -> State {
    let strength = |state: State| match state {
        State::Locked => 7,
        State::Selected => 6,
        State::Optional => 5,
        State::Alternative => 4,
        State::LockedExcluded => 3,
        State::SelectedExcluded => 2,
        State::Deselected => 1,
        State::Excluded => 0,
    };
    if strength(right) > strength(left) { right } else { left }
}

impl Calculator {
    /// Binds a field name, with or without brackets, or an expression.
    pub(crate) fn dimension(
        &self,
        context: &Context<'_>,
        text: &str,
        preparation: &mut Preparation<'_>,
        environment: &Environment<'_>,
    ) -> Result<Dimension, Failure> {
        let trimmed = text.trim();
        if let Some(field) = self.field_named(trimmed) {
            return Ok(Dimension::of_field(field));
        }
        let expr = parse(trimmed)?.ok_or_else(|| Failure::from("the dimension is empty"))?;
        if let Some(field) = expr.as_field().and_then(|name| self.model.field(name)) {
            return Ok(Dimension::of_field(field));
        }
        if expr.has_aggregate() {
            return self.aggregated_dimension(context, expr, preparation, environment);
        }
        if !trimmed.starts_with('=') && expr.as_field().is_some() {
            return Err(super::formula::no_such_field(trimmed));
        }
        let argument = preparation.argument(expr)?;
        self.row_dimension(&argument, environment, context.stop)
    }

    /// A field by name, with or without brackets or quotes.
    pub(crate) fn field_named(&self, text: &str) -> Option<FieldId> {
        let text = text.trim();
        if let Some(field) = self.model.field(text) {
            return Some(field);
        }
        let bare = text.strip_prefix('=').map_or(text, str::trim_start);
        let inner = bare
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .or_else(|| bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')))
            .unwrap_or(bare);
        self.model.field(inner)
    }

    fn row_dimension(
        &self,
        argument: &Argument,
        environment: &Environment<'_>,
        stop: Stop<'_>,
    ) -> Result<Dimension, Failure> {
        if let [field] = argument.fields[..] {
            let mapped = self.field_expression(field, &argument.expr, environment, stop)?;
            return Ok(Dimension {
                base: Base::Mapped { field, map: mapped.map.clone().into() },
                values: Values::Own(mapped.values.clone()),
            });
        }
        let table = self.source_of(&argument.fields).ok_or_else(|| {
            Failure::from("the fields of the dimension are not associated with each other")
        })?;
        let column = self
            .expression_column(table, &argument.expr, &argument.fields, environment, stop)?
            .ok_or_else(|| {
                Failure::from("the fields of the dimension are not associated with each other")
            })?;
        let Coded { codes, values } = column.coded().clone();
        Ok(Dimension { base: Base::Rows { table, codes }, values })
    }

    /// `=Aggr(value, Field)`, perhaps within scalar functions: a value for each value of the field, under the current
    /// selections.
    fn aggregated_dimension(
        &self,
        context: &Context<'_>,
        expr: Expr,
        preparation: &mut Preparation<'_>,
        environment: &Environment<'_>,
    ) -> Result<Dimension, Failure> {
        let refused = || Failure::from("a dimension can aggregate only within Aggr over one field");
        let mut fields = Vec::new();
        expr.walk(&mut |part| {
            if let ExprKind::Aggr(aggr) = &part.kind {
                fields.extend(aggr.dimensions.iter().map(|dimension| dimension.field.clone()));
            }
        });
        fields.dedup();
        let [name] = &fields[..] else { return Err(refused()) };
        let field = self.model.field(name).ok_or_else(|| super::formula::no_such_field(name))?;
        let mut evaluation = Evaluation::new(self, context, environment);
        evaluation.dimensions = vec![Dimension::of_field(field)];
        preparation.reads.named_sets = true;
        let formula = evaluation.prepared(expr)?;
        let codes: Vec<u32> = (0..=self.model.values(field).null()).collect();
        let column = evaluation.column_by_codes(&formula, &codes)?;
        let coded =
            intern((0..codes.len()).map(|code| column.get(code)), codes.len(), context.stop)?;
        Ok(Dimension {
            base: Base::Mapped { field, map: coded.codes.to_vec().into() },
            values: coded.values,
        })
    }

    /// The table whose rows an expression over these fields is evaluated for: all fields are reached without meeting
    /// a choice, in the fewest steps; the table with the most rows where that leaves several.
    pub(crate) fn source_of(&self, fields: &[FieldId]) -> Option<TableId> {
        let tables = self.model.tables().iter();
        let candidates = tables.filter_map(|table| {
            let mut steps = 0;
            for field in fields {
                let path =
                    self.model.nearest(table.id, *field).filter(|path| path.is_functional)?;
                steps += path.steps.len();
            }
            Some((steps, std::cmp::Reverse(table.rows), table.id))
        });
        candidates.min().map(|(.., table)| table)
    }

    /// The dimension's code for each row of a table, where each row meets at most one.
    pub(crate) fn dimension_codes(
        &self,
        source: TableId,
        dimension: &Dimension,
    ) -> Option<Arc<Codes>> {
        match &dimension.base {
            Base::Field(field) => self.field_column(source, *field),
            Base::Mapped { field, map } => {
                let codes = self.field_column(source, *field)?;
                let null = dimension.dictionary(&self.model).null();
                let mapped = with_codes!(&*codes, codes => codes.iter().map(|code| map[code.index()]).collect());
                Some(Codes::pack(mapped, null).into())
            }
            Base::Rows { table, codes } if *table == source => Some(codes.clone()),
            Base::Rows { table, codes } => {
                let rows = self.link(source, *table)?;
                Some(gather(codes, &rows, dimension.dictionary(&self.model).null()).into())
            }
        }
    }
}
