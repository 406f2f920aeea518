//! What does a chart show? A [`CubeDef`] says which dimensions and measures, a [`Cube`] holds all groups with their
//! values, sorted, and hands out pages of it in the straight, pivot or stacked shape.
//!
//! Numbers: rows, columns and elements count from 0. `element` of a dimension cell is the field's element number, or
//! one of [`TOTAL`], [`NULL`], [`OTHER`], [`MISSING`]. Numbers that are none are NaN.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::format::NumberFormat;
use crate::model::FieldId;
use crate::selection::SelectError;
use crate::view::{State, StateCounts};

/// Element of a total.
pub const TOTAL: i32 = -1;
/// Element of the group without a value.
pub const NULL: i32 = -2;
/// Element of the group that takes the rest.
pub const OTHER: i32 = -3;
/// Element of a combination that does not occur.
pub const MISSING: i32 = -4;

/// The shape of a cube.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    #[default]
    Straight,
    Pivot,
    Stacked,
}

/// What to compute. Equal definitions share their results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CubeDef {
    pub mode: Mode,
    pub dimensions: Vec<DimensionDef>,
    pub measures: Vec<MeasureDef>,
    /// Column numbers, dimensions first, most significant first. In pivot mode −1 is the pseudo dimension and columns
    /// that are no dimension are ignored. Columns left out follow in natural order.
    pub inter_column_sort: Vec<i32>,
    /// Drops rows whose measures are all zero or null.
    pub suppress_zero: bool,
    /// Drops rows whose measures are all null.
    pub suppress_missing: bool,
    /// Dimensions on the left in pivot mode; −1 means all. Stacked mode always has one.
    pub left_dimensions: i32,
    /// The place of the measures among the dimensions of a pivot; −1 means last.
    pub pseudo_position: i32,
    pub always_expanded: bool,
    pub expanded_left: Expansion,
    pub expanded_top: Expansion,
    /// Subtotals stand before what they total.
    pub show_totals_above: bool,
    /// 1 or −1: orders the first dimension by its total of the first measure, in pivot and stacked mode.
    pub sort_by_measure: i32,
    pub condition: Option<Condition>,
    /// A set expression such as `{<Year={2013}>}` that every aggregation without a set of its own reads; or empty.
    pub context_set: Arc<str>,
}

/// A chart or column is shown only when this holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    pub expression: Arc<str>,
    /// Shown instead; an expression where it begins with `=`.
    pub message: Arc<str>,
}

/// Which nodes of a pivot axis are open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Expansion {
    /// Levels open as a whole, from 0.
    pub levels: BTreeSet<u32>,
    /// Nodes whose state differs from their level's, by the elements from the first level down.
    pub nodes: BTreeSet<Vec<i32>>,
}

/// One dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DimensionDef {
    /// A field, with or without brackets, or `=` and an expression over fields.
    pub expression: Arc<str>,
    /// Rows without a value are left out.
    pub null_suppression: bool,
    /// Shows excluded values too.
    pub show_all: bool,
    /// Shows a subtotal in a pivot, a total row in a straight cube with one dimension.
    pub total: bool,
    /// Text of the total; `Totals` where empty. An expression where it begins with `=`.
    pub total_label: Arc<str>,
    pub sort: SortCriteria,
    pub reverse: bool,
    pub other: Option<OtherDef>,
    /// Text of the rest; `Others` where empty. An expression where it begins with `=`.
    pub other_label: Arc<str>,
    /// How numbers of a calculated dimension are written.
    pub number_format: Option<NumberFormat>,
    pub attributes: Vec<AttributeDef>,
    pub attribute_dimensions: Vec<AttributeDimensionDef>,
    pub condition: Option<Condition>,
}

/// One measure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MeasureDef {
    /// An expression over aggregations, with or without `=` in front.
    pub expression: Arc<str>,
    /// Nothing means by number, largest first.
    pub sort: SortCriteria,
    pub reverse: bool,
    pub number_format: Option<NumberFormat>,
    /// Shown as a share of the total.
    pub is_relative: bool,
    pub total: TotalKind,
    /// Adds this many rows up, the current one included; 0 and 1 mean none.
    pub accumulate: u32,
    pub attributes: Vec<AttributeDef>,
    pub condition: Option<Condition>,
}

/// How a measure's total is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TotalKind {
    /// Evaluated over all rows of the selection.
    #[default]
    Expression,
    /// Made from the rows of the cube.
    Sum,
    Average,
    Min,
    Max,
    Count,
    None,
}

/// An extra value per cell, such as a colour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttributeDef {
    pub expression: Arc<str>,
    pub number_format: Option<NumberFormat>,
}

/// An extra dimension value per cell: the only value of an expression over fields in the cell's group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttributeDimensionDef {
    pub expression: Arc<str>,
}

/// An order. Each is 1 ascending, −1 descending, 0 off; the first that tells two values apart decides, from state to
/// load order. Nothing on means load order for dimensions and descending numbers for measures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SortCriteria {
    pub by_state: i8,
    pub by_greyness: i8,
    pub by_expression: i8,
    pub expression: Arc<str>,
    pub by_frequency: i8,
    pub by_numeric: i8,
    pub by_ascii: i8,
    pub by_load_order: i8,
}

/// Which values of a dimension are shown by themselves; the rest becomes one group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherDef {
    pub rule: OtherRule,
    /// The count or limit, an expression.
    pub limit: Arc<str>,
    pub limit_mode: LimitMode,
    /// Leaves the rest out instead of showing it.
    pub suppress_other: bool,
    /// Ranks by this instead of the first measure, where not empty.
    pub referenced_expression: Arc<str>,
    /// Ranks over the whole chart rather than within the outer dimensions.
    pub is_global: bool,
    /// Within the rest, inner dimensions are not told apart.
    pub collapse_inner: bool,
    /// 1 lowest first, −1 highest first.
    pub order: i8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtherRule {
    /// So many of the highest; negative: of the lowest.
    Counted,
    /// Values whose measure compares to the limit.
    AbsoluteLimit,
    /// The highest until their sum reaches the limit.
    AbsoluteTarget,
    /// As the two above, in parts of the total (0.1 is a tenth).
    RelativeLimit,
    RelativeTarget,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LimitMode {
    #[default]
    GreaterEqual,
    LessEqual,
    Greater,
    Less,
}

/// Why there is no cube.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CubeError {
    /// The wire's 7005, with the message to show.
    #[error("the calculation condition does not hold: {message}")]
    Condition { message: Arc<str> },
    /// The wire's 7009.
    #[error("the chart would have more than {limit} groups")]
    TooManyGroups { limit: usize },
    /// The wire's 7004: the caller's [`Stop`](crate::calculator::Stop) ended it.
    #[error("the calculation was stopped")]
    Stopped,
    /// The wire's 7003: its texts exceed [`MAX_TEXT_BYTES`](crate::calculator::MAX_TEXT_BYTES).
    #[error("the chart needs too much memory")]
    TooLarge,
}

/// Why a column is empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// Hidden by its condition: not among the visible columns.
    #[error("the calculation condition does not hold: {message}")]
    Condition { message: Arc<str> },
    /// The expression does not parse or names no such field: shown as `-`.
    #[error("{message}")]
    Invalid { message: Arc<str> },
}

/// A computed cube. Columns are the visible dimensions, then the visible measures.
#[derive(Clone, Debug)]
pub struct Cube {
    pub mode: Mode,
    /// All dimensions of the definition, hidden ones too.
    pub dimensions: Vec<DimensionInfo>,
    pub measures: Vec<MeasureInfo>,
    /// The order in which columns sort, by their numbers in the definition; −1 for the pseudo dimension of a pivot.
    pub effective_order: Vec<i32>,
    /// One cell for each visible measure, over all groups.
    pub grand_total: Vec<Cell>,
    /// Left dimensions in effect; −1 in straight mode.
    pub left_dimensions: i32,
    pub has_others: bool,
    pub(crate) body: crate::calculator::CubeBody,
}

#[derive(Clone, Debug)]
pub struct DimensionInfo {
    /// The field, for plain and for calculated dimensions over one field.
    pub field: Option<FieldId>,
    pub is_calculated: bool,
    pub is_locked: bool,
    /// Values of the field.
    pub cardinal: usize,
    /// Values that occur in the cube.
    pub cube_cardinal: usize,
    pub counts: StateCounts,
    /// Of the numbers that occur; NaN where there are none.
    pub min: f64,
    pub max: f64,
    /// Characters of the longest text that occurs.
    pub glyphs: usize,
    pub tags: Vec<Arc<str>>,
    pub kind: DimensionKind,
    pub sort_indicator: SortIndicator,
    pub error: Option<ColumnError>,
    pub attributes: Vec<AttributeInfo>,
    pub attribute_dimensions: Vec<AttributeDimensionInfo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DimensionKind {
    Discrete,
    Numeric,
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortIndicator {
    Ascending,
    Descending,
    None,
}

#[derive(Clone, Debug)]
pub struct MeasureInfo {
    /// Over the cells of the cube, totals left out; 0 where there are none.
    pub min: f64,
    pub max: f64,
    pub glyphs: usize,
    pub sort_indicator: SortIndicator,
    pub error: Option<ColumnError>,
    pub attributes: Vec<AttributeInfo>,
}

#[derive(Clone, Debug)]
pub struct AttributeInfo {
    pub min: f64,
    pub max: f64,
    pub error: Option<ColumnError>,
}

#[derive(Clone, Debug)]
pub struct AttributeDimensionInfo {
    pub field: Option<FieldId>,
    /// Distinct values that occur.
    pub cardinal: usize,
    pub error: Option<ColumnError>,
}

/// A rectangle of rows and columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Area {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl Area {
    /// What is left of the area in something so large; nothing at all beyond the end.
    pub fn clipped(self, columns: usize, rows: usize) -> Area {
        let width = self.width.min(columns.saturating_sub(self.left));
        let height = self.height.min(rows.saturating_sub(self.top));
        if width == 0 || height == 0 {
            return Area {
                left: self.left.min(columns),
                top: self.top.min(rows),
                width: 0,
                height: 0,
            };
        }
        Area { left: self.left, top: self.top, width, height }
    }
}

/// A page of a straight cube or of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// What is really in `rows`.
    pub area: Area,
    pub is_reduced: bool,
    pub rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Clone, Debug)]
pub struct Cell {
    pub text: Arc<str>,
    pub number: f64,
    /// Of dimension cells; 0 in measure cells.
    pub element: i32,
    pub state: State,
    pub is_null: bool,
    pub is_total: bool,
    pub is_other: bool,
    pub attributes: Vec<Attribute>,
    pub attribute_dimensions: Vec<AttributeDimension>,
    /// Of list cells, when asked for.
    pub frequency: Option<Arc<str>>,
    /// Of list cells during a search: first character and number of characters.
    pub highlights: Vec<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    pub text: Arc<str>,
    pub number: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AttributeDimension {
    pub text: Arc<str>,
    pub element: i32,
}

/// The kind of a node; letters are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// `R`
    Root,
    /// `N`
    Normal,
    /// `V`
    Value,
    /// `E`
    Empty,
    /// `T`
    Total,
    /// `O`
    Other,
    /// `A`: the value of a node that is not expanded.
    Aggregate,
    /// `P`: stands for a measure.
    Pseudo,
    /// `U`
    Null,
}

impl NodeKind {
    pub fn letter(self) -> &'static str {
        match self {
            NodeKind::Root => "R",
            NodeKind::Normal => "N",
            NodeKind::Value => "V",
            NodeKind::Empty => "E",
            NodeKind::Total => "T",
            NodeKind::Other => "O",
            NodeKind::Aggregate => "A",
            NodeKind::Pseudo => "P",
            NodeKind::Null => "U",
        }
    }
}

/// A node of a pivot header or of a stack.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: NodeKind,
    pub text: Arc<str>,
    pub element: i32,
    /// The number of a value leaf or of a numeric dimension value; NaN otherwise.
    pub number: f64,
    /// In stacks: the place of the first-level node in the whole cube.
    pub row: usize,
    /// Leaves of this node before and after the page; in stacks: siblings.
    pub up: usize,
    pub down: usize,
    /// Sums of the positive and of the negative values below.
    pub max_positive: f64,
    pub min_negative: f64,
    pub can_expand: bool,
    pub can_collapse: bool,
    pub state: State,
    pub attributes: Vec<Attribute>,
    pub attribute_dimensions: Vec<AttributeDimension>,
    pub nodes: Vec<Node>,
}

/// A page of a stacked cube: rows are nodes of the first dimension, columns those of the second.
#[derive(Clone, Debug)]
pub struct StackPage {
    pub area: Area,
    pub root: Node,
}

/// A page of a pivot: the leaves of `left` are the rows of `data`, those of `top` its columns.
#[derive(Clone, Debug)]
pub struct PivotPage {
    pub area: Area,
    pub left: Vec<Node>,
    pub top: Vec<Node>,
    pub data: Vec<Vec<PivotCell>>,
}

#[derive(Clone, Debug)]
pub struct PivotCell {
    pub kind: NodeKind,
    pub text: Arc<str>,
    pub number: f64,
    pub attributes: Vec<Attribute>,
}

/// A side of a pivot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Left,
    Top,
}

/// A pivot cell to select by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PivotPick {
    /// A data cell: the values of its row and its column.
    Data { row: usize, column: usize },
    /// A node of the left header: the data row and the level; no row means all of the level.
    Left { row: Option<usize>, level: usize },
    /// A node of the top header: the level and the data column.
    Top { level: usize, column: Option<usize> },
}

/// A range of a measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasureRange {
    pub measure: usize,
    pub min: f64,
    pub max: f64,
    pub min_included: bool,
    pub max_included: bool,
}

/// Whether several ranges must all hold, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeMode {
    All,
    Any,
}

/// Values picked in one field, to be handed to [`Calculator::select`](crate::calculator::Calculator::select).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    pub field: FieldId,
    pub elements: Vec<u32>,
}

impl Cube {
    /// Columns and rows: visible columns and rows of a straight cube; second-level and first-level nodes of a stack;
    /// columns and rows of a pivot's data.
    pub fn size(&self) -> (usize, usize) {
        self.body.size()
    }

    /// A page of a straight cube, clipped to what there is. Other modes have none.
    pub fn straight(&self, area: Area) -> Page {
        self.body.straight(area)
    }

    /// Columns and rows of what lies under a straight or a stacked cube, row by row.
    pub fn flat_size(&self) -> (usize, usize) {
        self.body.flat_size()
    }

    /// A page with at most `limit` rows that keeps the first, the last and the extreme values.
    /// A stacked cube gives the rows under its stacks: charts take their legends from them.
    pub fn reduced(&self, area: Area, limit: usize) -> Page {
        self.body.reduced(area, limit)
    }

    /// A page of a stacked cube; `limit` bounds the value leaves.
    pub fn stacked(&self, area: Area, limit: usize) -> StackPage {
        self.body.stacked(area, limit)
    }

    pub fn pivot(&self, area: Area) -> PivotPage {
        self.body.pivot(area)
    }

    /// What the definition's expansion becomes when the node at a data row (column) and level is opened; `all` opens
    /// its whole level. Nothing where there is no such node.
    pub fn expanded(
        &self,
        def: &CubeDef,
        side: Side,
        at: usize,
        level: usize,
        all: bool,
    ) -> Option<Expansion> {
        self.body.with_expansion(def, side, at, level, all, true)
    }

    pub fn collapsed(
        &self,
        def: &CubeDef,
        side: Side,
        at: usize,
        level: usize,
        all: bool,
    ) -> Option<Expansion> {
        self.body.with_expansion(def, side, at, level, all, false)
    }

    /// The field elements behind dimension values, as `SelectHyperCubeValues` sends them: `dimension` counts as in the
    /// definition. Elements of calculated dimensions become those of the field they are calculated from.
    pub fn picked_values(&self, dimension: usize, elements: &[i32]) -> Result<Picked, SelectError> {
        self.body.picked_values(dimension, elements)
    }

    /// The values in cells of a straight cube. `columns` count visible columns, measures are passed over; no rows or
    /// no columns mean all.
    pub fn picked_cells(
        &self,
        rows: &[usize],
        columns: &[usize],
    ) -> Result<Vec<Picked>, SelectError> {
        self.body.picked_cells(rows, columns)
    }

    pub fn picked_pivot_cells(&self, cells: &[PivotPick]) -> Result<Vec<Picked>, SelectError> {
        self.body.picked_pivot_cells(cells)
    }

    /// The values of rows whose measures are in the ranges; `columns` count dimensions of the definition, none means
    /// all.
    pub fn picked_ranges(
        &self,
        ranges: &[MeasureRange],
        columns: &[usize],
        mode: RangeMode,
    ) -> Result<Vec<Picked>, SelectError> {
        self.body.picked_ranges(ranges, columns, mode)
    }

    /// The values of a dimension whose number is in a range (the `measure` of the range is not looked at).
    pub fn picked_numbers(
        &self,
        dimension: usize,
        range: &MeasureRange,
    ) -> Result<Picked, SelectError> {
        self.body.picked_numbers(dimension, range)
    }
}

impl Default for Node {
    fn default() -> Node {
        Node {
            kind: NodeKind::Root,
            text: "".into(),
            element: 0,
            number: f64::NAN,
            row: 0,
            up: 0,
            down: 0,
            max_positive: 0.0,
            min_negative: 0.0,
            can_expand: false,
            can_collapse: false,
            state: State::Optional,
            attributes: Vec::new(),
            attribute_dimensions: Vec::new(),
            nodes: Vec::new(),
        }
    }
}
