//! Who computes, and who remembers? One [`Calculator`] an app, shared by everyone who uses it. What one visitor
//! computed under some selections the next one with the same selections gets for the price of a look-up; two who ask
//! at the same moment compute once.
//!
//! Calls may compute for many milliseconds: leave the async thread first. Do not call from a rayon pool.

mod cache;
mod select;

use std::sync::Arc;

use crate::cube::{
    Area, Cube, CubeDef, CubeError, Expansion, MeasureRange, Page, Picked, PivotPage, PivotPick,
};
use crate::cube::{RangeMode, Side, StackPage};
use crate::expression::{Problem, Variables, parse_expression};
use crate::format::Locale;
use crate::list::{List, ListDef, ListError};
use crate::model::{DataModel, FieldId, TableId};
use crate::selection::{FieldSelection, SelectError, Selections};
use crate::value::Value;
use crate::view::{View, rows_with};
use cache::Cache;

/// Computes views, cubes and lists of one data model.
#[derive(Debug)]
pub struct Calculator {
    model: Arc<DataModel>,
    views: Cache<Selections, Arc<View>>,
    selected_rows: Cache<(TableId, FieldId, Arc<[u32]>), Arc<crate::bitmap::Bitmap>>,
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
        CacheLimits { views: 32 << 20, cubes: 64 << 20, columns: 128 << 20 }
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
        let _ = (context, def);
        Err(CubeError::TooManyGroups { limit: 0 })
    }

    /// Computes a list, or takes it from the cache.
    pub fn list(&self, context: &Context<'_>, def: &ListDef) -> Result<Arc<List>, ListError> {
        let _ = (context, def);
        Err(ListError::Invalid { message: "not yet".into() })
    }

    /// The value of an expression over all rows; a leading `=` is optional, `$(…)` is expanded.
    pub fn evaluate(
        &self,
        context: &Context<'_>,
        expression: &str,
    ) -> Result<Value, EvaluateError> {
        let _ = (context, expression);
        Ok(Value::Null)
    }

    /// Expands `$(…)` and does nothing else.
    pub fn expand(&self, context: &Context<'_>, text: &str) -> Result<String, EvaluateError> {
        let evaluate = |expression: &str| {
            self.evaluate(context, expression).map_err(|error| error.to_string())
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

    pub(crate) fn view_of(&self, selections: Selections) -> Arc<View> {
        self.views.get(
            &selections,
            || {
                let mut rows = |table, field, selection: &FieldSelection| {
                    self.selected_rows(table, field, selection)
                };
                Arc::new(View::new(self.model.clone(), selections.clone(), &mut rows))
            },
            |view| view.bytes(),
        )
    }

    fn selected_rows(
        &self,
        table: TableId,
        field: FieldId,
        selection: &FieldSelection,
    ) -> Arc<crate::bitmap::Bitmap> {
        let key = (table, field, Arc::from(selection.elements()));
        self.selected_rows.get(
            &key,
            || {
                let members = crate::bitmap::Bitmap::from_members(
                    self.model.values(field).len(),
                    selection.elements(),
                );
                let rows = self
                    .model
                    .column(table, field)
                    .map(|column| rows_with(&column.codes, &members));
                Arc::new(rows.unwrap_or_else(|| {
                    crate::bitmap::Bitmap::none(self.model.table_info(table).rows)
                }))
            },
            |rows| rows.bytes() + selection.elements().len() * 4,
        )
    }
}

/// What is wrong with an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpressionCheck {
    pub problems: Vec<Problem>,
    /// Where unknown names stand.
    pub unknown_fields: Vec<crate::expression::Span>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct CubeBody {}

impl CubeBody {
    pub(crate) fn size(&self) -> (usize, usize) {
        (0, 0)
    }

    pub(crate) fn straight(&self, _cube: &Cube, area: Area) -> Page {
        Page { area: area.clipped(0, 0), is_reduced: false, rows: Vec::new() }
    }

    pub(crate) fn reduced(&self, cube: &Cube, area: Area, _limit: usize) -> Page {
        self.straight(cube, area)
    }

    pub(crate) fn stacked(&self, _cube: &Cube, area: Area, _limit: usize) -> StackPage {
        StackPage { area: area.clipped(0, 0), root: crate::cube::Node::default() }
    }

    pub(crate) fn pivot(&self, _cube: &Cube, area: Area) -> PivotPage {
        PivotPage { area: area.clipped(0, 0), left: Vec::new(), top: Vec::new(), data: Vec::new() }
    }

    pub(crate) fn with_expansion(
        &self,
        _def: &CubeDef,
        _side: Side,
        _at: usize,
        _level: usize,
        _all: bool,
        _open: bool,
    ) -> Option<Expansion> {
        None
    }

    pub(crate) fn picked_values(
        &self,
        _cube: &Cube,
        _dimension: usize,
        _elements: &[i32],
    ) -> Result<Picked, SelectError> {
        Err(SelectError::NotSelectable)
    }

    pub(crate) fn picked_cells(
        &self,
        _cube: &Cube,
        _rows: &[usize],
        _columns: &[usize],
    ) -> Result<Vec<Picked>, SelectError> {
        Err(SelectError::NotSelectable)
    }

    pub(crate) fn picked_pivot_cells(
        &self,
        _cube: &Cube,
        _cells: &[PivotPick],
    ) -> Result<Vec<Picked>, SelectError> {
        Err(SelectError::NotSelectable)
    }

    pub(crate) fn picked_ranges(
        &self,
        _cube: &Cube,
        _ranges: &[MeasureRange],
        _columns: &[usize],
        _mode: RangeMode,
    ) -> Result<Vec<Picked>, SelectError> {
        Err(SelectError::NotSelectable)
    }

    pub(crate) fn picked_numbers(
        &self,
        _cube: &Cube,
        _dimension: usize,
        _range: &MeasureRange,
    ) -> Result<Picked, SelectError> {
        Err(SelectError::NotSelectable)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ListBody {}

impl ListBody {
    pub(crate) fn size(&self) -> (usize, usize) {
        (1, 0)
    }

    pub(crate) fn page(&self, area: Area) -> Page {
        Page { area: area.clipped(0, 0), is_reduced: false, rows: Vec::new() }
    }

    pub(crate) fn picked_values(&self, _elements: &[i32]) -> Result<Picked, SelectError> {
        Err(SelectError::NotSelectable)
    }

    pub(crate) fn picked_matches(&self) -> Result<Picked, SelectError> {
        Err(SelectError::NotSelectable)
    }
}
