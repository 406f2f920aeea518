//! Who computes, and who remembers? One [`Calculator`] an app, shared by everyone who uses it. What one visitor
//! computed under some selections the next one with the same selections gets for the price of a look-up; two who ask
//! at the same moment compute once.
//!
//! Calls may compute for many milliseconds: leave the async thread first. Do not call from a rayon pool.

mod bounds;
mod cache;
mod column;
mod dimension;

mod aggregate;
mod formula;
mod grouping;
mod set;

mod evaluation;

mod body;
mod build;
mod pivot;

mod listing;
mod select;

use std::convert::Infallible;
use std::sync::Arc;

use crate::bitmap::Bitmap;
use crate::cube::{Cube, CubeDef, CubeError};
use crate::expression::{
    Environment, Expr, ExprKind, Problem, Span, Variables, has_expansion, parse_expression,
};
use crate::format::{Interpreter, Locale};
use crate::list::{List, ListDef, ListError};
use crate::model::{DataModel, FieldId, TableId};
use crate::selection::{FieldSelection, Selections};
use crate::value::Value;
use crate::view::{View, rows_with};
use bounds::{Failure, check};
use cache::Cache;
use column::{CachedColumn, ColumnKey};
use evaluation::Evaluation;
use formula::Reads;

pub(crate) use bounds::text_bytes;
pub use bounds::{MAX_TEXT_BYTES, Stop, never};

pub(crate) use body::CubeBody;
pub(crate) use listing::ListBody;

/// Computes views, cubes and lists of one data model.
#[derive(Debug)]
pub struct Calculator {
    model: Arc<DataModel>,
    views: Cache<Selections, Arc<View>>,
    selected_rows: Cache<SelectedRows, Arc<Bitmap>>,
    columns: Cache<ColumnKey, CachedColumn>,
    cubes: Cache<Key<CubeDef>, Result<Arc<Cube>, CubeError>>,
    lists: Cache<Key<ListDef>, Result<Arc<List>, ListError>>,
    values: Cache<Key<Arc<str>>, Result<Value, Failure>>,
}

/// The selected elements of a field, as seen from a table.
type SelectedRows = (TableId, FieldId, Arc<[u32]>);

/// What a result depends on: those who agree on all of it share the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key<D> {
    selections: Selections,
    state: Arc<str>,
    variables: Vec<(Arc<str>, Value)>,
    clock: Option<u64>,
    user: Option<Arc<str>>,
    locale: Locale,
    def: D,
}

impl<D> Key<D> {
    fn new(context: &Context<'_>, reads: &Reads, def: D) -> Key<D> {
        Key {
            selections: context.selections.only(context.state),
            state: context.state.into(),
            variables: reads.variables.clone(),
            clock: reads.clock.then(|| context.now.to_bits()),
            user: reads.user.then(|| context.user.into()),
            locale: context.locale.clone(),
            def,
        }
    }
}

/// Conditions and labels are expressions of their own, evaluated with everything at hand.
fn reads_more(def: &CubeDef) -> bool {
    let conditions = def.dimensions.iter().map(|dimension| &dimension.condition);
    let mut conditions = conditions
        .chain(def.measures.iter().map(|measure| &measure.condition))
        .chain([&def.condition]);
    let is_expression = |text: &Arc<str>| text.trim_start().starts_with('=');
    conditions.any(Option::is_some)
        || def.dimensions.iter().any(|dimension| {
            is_expression(&dimension.other_label)
                || is_expression(&dimension.total_label)
                || dimension.other.as_ref().is_some_and(|other| other.limit.parse::<f64>().is_err())
        })
}

/// Under which circumstances to compute.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub selections: &'a Selections,
    /// The state of the object; empty is the default state.
    pub state: &'a str,
    pub variables: &'a dyn Variables,
    /// Sets that expressions may name besides states: earlier and later selections, bookmarks.
    pub sets: &'a dyn NamedSets,
    /// Serial date: days since 1899-12-30, local time.
    pub now: f64,
    pub locale: &'a Locale,
    /// As `OSUser()` shows it.
    pub user: &'a str,
    /// Asked, for each block of rows and batch of values, whether to give up: the engine has no clock and knows no
    /// client. Once it has said so it must go on saying so. What is computed then is an error, kept nowhere and given
    /// to nobody else.
    pub stop: Stop<'a>,
}

/// Selections that set expressions may name.
pub trait NamedSets {
    /// `$1` is one step back, `$_1` (−1) one step forward.
    fn step(&self, back: i32) -> Option<Selections>;
    fn bookmark(&self, name: &str) -> Option<Selections>;
}

/// No history and no bookmarks.
pub struct NoSets;

impl NamedSets for NoSets {
    fn step(&self, _back: i32) -> Option<Selections> {
        None
    }

    fn bookmark(&self, _name: &str) -> Option<Selections> {
        None
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    #[error("{}", .problems.first().map_or("the expression is empty", |problem| &problem.message))]
    Syntax { problems: Vec<Problem> },
    #[error("{message}")]
    Invalid { message: Arc<str> },
    #[error("the calculation was stopped")]
    Stopped,
    /// Its texts exceed [`MAX_TEXT_BYTES`].
    #[error("the expression needs too much memory")]
    TooLarge,
}

/// Memory that the caches of one calculator may hold.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    pub views: usize,
    pub cubes: usize,
    pub columns: usize,
}

impl Default for CacheLimits {
    fn default() -> CacheLimits {
        CacheLimits { views: 16 << 20, cubes: 32 << 20, columns: 96 << 20 }
    }
}

impl Calculator {
    pub fn new(model: Arc<DataModel>) -> Calculator {
        Calculator::with_limits(model, CacheLimits::default())
    }

    pub fn with_limits(model: Arc<DataModel>, limits: CacheLimits) -> Calculator {
        Calculator {
            model,
            views: Cache::new(limits.views),
            selected_rows: Cache::new(limits.views / 2),
            columns: Cache::new(limits.columns),
            cubes: Cache::new(limits.cubes),
            lists: Cache::new(limits.cubes / 2),
            values: Cache::new(limits.cubes / 16),
        }
    }

    pub fn model(&self) -> &Arc<DataModel> {
        &self.model
    }

    /// What is possible in a state.
    pub fn view(&self, selections: &Selections, state: &str) -> Arc<View> {
        self.view_of(selections.only(state))
    }

    /// Computes a chart, or takes it from the cache.
    pub fn cube(&self, context: &Context<'_>, def: &CubeDef) -> Result<Arc<Cube>, CubeError> {
        let expanded = self.expanded_cube(context, def);
        let def = expanded.as_ref().unwrap_or(def);
        let interpreter = Interpreter::new(context.locale);
        let environment = Environment::new(context.now, context.locale, &interpreter, context.user);
        let prepared = build::prepare(self, context, &environment, def);
        check(context.stop)?;
        let compute = || build::build(self, context, &environment, def, &prepared).map(Arc::new);
        if prepared.reads.named_sets || reads_more(def) {
            let cube = compute();
            check(context.stop)?;
            return cube;
        }
        let key = Key::new(context, &prepared.reads, def.clone());
        let bytes =
            |cube: &Result<Arc<Cube>, _>| cube.as_ref().map_or(64, |cube| cube.body.bytes());
        self.cubes.get(&key, || check(context.stop), compute, bytes)?
    }

    /// Computes a list, or takes it from the cache.
    pub fn list(&self, context: &Context<'_>, def: &ListDef) -> Result<Arc<List>, ListError> {
        let expanded = self.expanded_list(context, def);
        let def = expanded.as_ref().unwrap_or(def);
        let compute = || listing::build(self, context, def).map(Arc::new);
        if def.expressions.iter().any(|own| own.expression.contains('{'))
            || def.condition.is_some()
            || def.sort.expression.contains('{')
            || def.search.starts_with('=')
        {
            let list = compute();
            check(context.stop)?;
            return list;
        }
        // Expressions without sets read variables at most; those are named in the definition or not at all.
        let mut reads = Reads { clock: true, user: true, ..Reads::default() };
        let texts = [&def.expression, &def.sort.expression].into_iter();
        for text in texts.chain(def.expressions.iter().map(|own| &own.expression)) {
            if let Some(expr) = parse_expression(text).expr {
                reads.variables.extend(self.variables_of(context, &expr));
            }
        }
        reads.clock = def.expressions.iter().any(|own| own.expression.contains('('));
        reads.user = reads.clock;
        let key = Key::new(context, &reads, def.clone());
        let bytes =
            |list: &Result<Arc<List>, _>| list.as_ref().map_or(64, |list| list.body.bytes());
        self.lists.get(&key, || check(context.stop), compute, bytes)?
    }

    /// The value of an expression over all rows; a leading `=` is optional, `$(…)` is expanded.
    pub fn evaluate(
        &self,
        context: &Context<'_>,
        expression: &str,
    ) -> Result<Value, EvaluateError> {
        self.evaluate_within(context, expression, 0)
    }

    fn evaluate_within(
        &self,
        context: &Context<'_>,
        expression: &str,
        depth: u32,
    ) -> Result<Value, EvaluateError> {
        let expanded;
        let expression = if has_expansion(expression) {
            expanded = self.expand_within(context, expression, depth)?;
            &expanded
        } else {
            expression
        };
        let parsed = parse_expression(expression);
        if !parsed.problems.is_empty() {
            return Err(EvaluateError::Syntax { problems: parsed.problems });
        }
        let Some(expr) = parsed.expr else { return Ok(Value::Null) };
        if let ExprKind::Literal(value) = &expr.kind {
            return Ok(value.clone());
        }
        check(context.stop)?;
        let interpreter = Interpreter::new(context.locale);
        let environment = Environment::new(context.now, context.locale, &interpreter, context.user);
        let mut evaluation = Evaluation::new(self, context, &environment);
        let mut preparation = evaluation.preparation();
        let formula = preparation.prepared(expr)?;
        let reads = preparation.reads;
        if formula.slots.is_empty() || reads.named_sets {
            return Ok(evaluation.single(&formula)?);
        }
        let key = Key::new(context, &reads, Arc::<str>::from(expression));
        let bytes = |value: &Result<Value, _>| 128 + value.as_ref().map_or(0, text_bytes);
        let compute = || evaluation.single(&formula);
        Ok(self.values.get(&key, || check(context.stop), compute, bytes)??)
    }

    /// Expands `$(…)` and does nothing else.
    pub fn expand(&self, context: &Context<'_>, text: &str) -> Result<String, EvaluateError> {
        self.expand_within(context, text, 0)
    }

    /// Expansions may evaluate expressions that have expansions: a variable that means itself must end somewhere.
    fn expand_within(
        &self,
        context: &Context<'_>,
        text: &str,
        depth: u32,
    ) -> Result<String, EvaluateError> {
        const DEEPEST: u32 = 8;
        if depth > DEEPEST {
            return Err(EvaluateError::Invalid {
                message: "expansions within expansions go too deep".into(),
            });
        }
        let evaluate = |expression: &str| {
            self.evaluate_within(context, expression, depth + 1).map_err(|error| error.to_string())
        };
        crate::expression::expand(text, context.variables, &evaluate)
            .map_err(|error| EvaluateError::Invalid { message: error.to_string().into() })
    }

    /// What is wrong with an expression: syntax, and names that are neither field nor variable.
    pub fn check(&self, context: &Context<'_>, expression: &str) -> ExpressionCheck {
        let parsed = parse_expression(expression);
        let mut unknown_fields = Vec::new();
        if let Some(expr) = &parsed.expr {
            expr.walk(&mut |part| {
                if let Some(name) = part.as_field()
                    && self.model.field(name).is_none()
                    && context.variables.get(name).is_none()
                {
                    unknown_fields.push(part.span);
                }
            });
        }
        ExpressionCheck { problems: parsed.problems, unknown_fields }
    }

    fn variables_of(&self, context: &Context<'_>, expr: &Expr) -> Vec<(Arc<str>, Value)> {
        let names = expr.field_names().into_iter();
        names.filter_map(|name| Some((name.clone(), context.variables.get(&name)?))).collect()
    }

    /// The definition with every `$(…)` replaced; nothing where there is none. What cannot be expanded stays as it
    /// is and fails when it is parsed.
    fn expanded_cube(&self, context: &Context<'_>, def: &CubeDef) -> Option<CubeDef> {
        let mut expanded = def.clone();
        let mut found = false;
        let mut expand = |text: &mut Arc<str>| {
            if has_expansion(text)
                && let Ok(new) = self.expand(context, text)
            {
                *text = new.into();
                found = true;
            }
        };
        expand(&mut expanded.context_set);
        for dimension in &mut expanded.dimensions {
            expand(&mut dimension.expression);
            expand(&mut dimension.sort.expression);
            dimension.attributes.iter_mut().for_each(|attribute| expand(&mut attribute.expression));
            dimension
                .attribute_dimensions
                .iter_mut()
                .for_each(|attribute| expand(&mut attribute.expression));
            if let Some(other) = &mut dimension.other {
                expand(&mut other.limit);
                expand(&mut other.referenced_expression);
            }
        }
        for measure in &mut expanded.measures {
            expand(&mut measure.expression);
            expand(&mut measure.sort.expression);
            measure.attributes.iter_mut().for_each(|attribute| expand(&mut attribute.expression));
        }
        found.then_some(expanded)
    }

    fn expanded_list(&self, context: &Context<'_>, def: &ListDef) -> Option<ListDef> {
        let mut expanded = def.clone();
        let mut found = false;
        let own = expanded.expressions.iter_mut().map(|own| &mut own.expression);
        for text in own.chain([&mut expanded.expression, &mut expanded.sort.expression]) {
            if has_expansion(text)
                && let Ok(new) = self.expand(context, text)
            {
                *text = new.into();
                found = true;
            }
        }
        found.then_some(expanded)
    }

    pub(crate) fn view_of(&self, selections: Selections) -> Arc<View> {
        let Ok(view) = self.views.get(
            &selections,
            go_on,
            || {
                let mut rows = |table, field, selection: &FieldSelection| {
                    self.selected_rows(table, field, selection)
                };
                Arc::new(View::new(self.model.clone(), selections.clone(), &mut rows))
            },
            |view| view.bytes(),
        );
        view
    }

    fn selected_rows(
        &self,
        table: TableId,
        field: FieldId,
        selection: &FieldSelection,
    ) -> Arc<Bitmap> {
        let key = (table, field, Arc::from(selection.elements()));
        let Ok(rows) = self.selected_rows.get(
            &key,
            go_on,
            || {
                let members =
                    Bitmap::from_members(self.model.values(field).len(), selection.elements());
                let rows = self
                    .model
                    .column(table, field)
                    .map(|column| rows_with(&column.codes, &members));
                Arc::new(rows.unwrap_or_else(|| Bitmap::none(self.model.table_info(table).rows)))
            },
            |rows| rows.bytes() + selection.elements().len() * 4,
        );
        rows
    }
}

/// Views cost a few passes over the model, which nobody's expressions make longer.
fn go_on() -> Result<(), Infallible> {
    Ok(())
}

/// What is wrong with an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpressionCheck {
    pub problems: Vec<Problem>,
    /// Where unknown names stand.
    pub unknown_fields: Vec<Span>,
}
