//! What does a list box show? All values of a field with their states, sorted, perhaps narrowed by a search.

use std::sync::Arc;

use crate::cube::{Area, Condition, DimensionInfo, MeasureInfo, Page, Picked, SortCriteria};
use crate::format::NumberFormat;
use crate::selection::SelectError;

/// What to list. Equal definitions share their results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListDef {
    /// A field, with or without brackets, or `=` and an expression over one field.
    pub expression: Arc<str>,
    pub sort: SortCriteria,
    pub reverse: bool,
    pub number_format: Option<NumberFormat>,
    /// Selected values first when the list has more rows than this; 0 is off.
    pub auto_sort_rows: u32,
    pub frequency: FrequencyMode,
    /// Off: alternative values are shown as excluded.
    pub show_alternatives: bool,
    /// Measures beside each value.
    pub expressions: Vec<ListExpression>,
    /// Only values that match; see [`crate::list`]. Empty is no search.
    pub search: Arc<str>,
    pub condition: Option<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListExpression {
    pub expression: Arc<str>,
    pub number_format: Option<NumberFormat>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FrequencyMode {
    #[default]
    None,
    /// Rows.
    Value,
    /// Rows in a hundred, with a percent sign.
    Percent,
    /// Rows as a part of 1.
    Relative,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    #[error("{message}")]
    Invalid { message: Arc<str> },
    #[error("the calculation condition does not hold: {message}")]
    Condition { message: Arc<str> },
    /// The wire's 7004: the caller's [`Stop`](crate::calculator::Stop) ended it.
    #[error("the calculation was stopped")]
    Stopped,
    /// The wire's 7003: its texts exceed [`MAX_TEXT_BYTES`](crate::calculator::MAX_TEXT_BYTES).
    #[error("the list needs too much memory")]
    TooLarge,
}

/// A computed list.
#[derive(Clone, Debug)]
pub struct List {
    pub dimension: DimensionInfo,
    pub expressions: Vec<MeasureInfo>,
    pub(crate) body: crate::calculator::ListBody,
}

impl List {
    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        self.body.size()
    }

    /// A page, clipped to what there is.
    pub fn page(&self, area: Area) -> Page {
        self.body.page(area)
    }

    /// The field elements behind list elements.
    pub fn picked_values(&self, elements: &[i32]) -> Result<Picked, SelectError> {
        self.body.picked_values(elements)
    }

    /// The same rows with the states of another moment: while someone selects in a list its rows do not move.
    #[must_use]
    pub fn under(&self, view: &crate::view::View) -> List {
        self.body.under(self, view)
    }

    /// Everything listed: what accepting a search selects.
    pub fn picked_matches(&self) -> Result<Picked, SelectError> {
        self.body.picked_matches()
    }
}
