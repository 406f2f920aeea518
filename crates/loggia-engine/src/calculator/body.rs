//! A computed cube's rows, and the pages and picks made from them.

use std::sync::Arc;

use super::bounds::text_bytes;
use super::build::measure_cell;
use super::dimension::Dimension;
use super::evaluation::Column;
use super::pivot::{Axis, AxisNode, Leaf};
use crate::cube::{
    Area, Attribute, AttributeDimension, Cell, Cube, CubeDef, Expansion, MISSING, MeasureRange,
    Mode, NULL, Node, NodeKind, OTHER, Page, Picked, PivotPage, PivotPick, RangeMode, Side,
    StackPage, TOTAL,
};
use crate::format::{Locale, NumberFormat, format_value};
use crate::model::{DataModel, FieldId};
use crate::selection::SelectError;
use crate::value::Value;
use crate::view::{State, View};

/// A cube's rows under the states of a moment.
#[derive(Clone, Debug)]
pub(crate) struct CubeBody {
    data: Arc<CubeData>,
    /// Beside the visible dimensions: the state of each code.
    states: Arc<Vec<Vec<State>>>,
}

#[derive(Debug)]
pub(crate) struct CubeData {
    pub(crate) model: Arc<DataModel>,
    pub(crate) locale: Arc<Locale>,
    pub(crate) mode: Mode,
    /// Places of the visible columns in the definition.
    pub(crate) shown_dimensions: Vec<usize>,
    pub(crate) shown_measures: Vec<usize>,
    pub(crate) rows: usize,
    /// The codes of each row, one dimension beside the other.
    pub(crate) codes: Vec<u32>,
    pub(crate) dimensions: Vec<DimensionData>,
    pub(crate) measures: Vec<MeasureData>,
    pub(crate) axes: Option<Axes>,
}

/// The headers of a pivot and the values between them.
#[derive(Debug)]
pub(crate) struct Axes {
    /// Dimensions of the definition, and −1 for the measures.
    pub(crate) order: Vec<i32>,
    pub(crate) left_count: usize,
    pub(crate) left: Axis,
    pub(crate) top: Axis,
    /// Row by row; nothing for combinations that do not occur.
    pub(crate) cells: Vec<Option<Value>>,
    /// Beside the cells, where a measure has attributes.
    pub(crate) attributes: Vec<Vec<Value>>,
}

#[derive(Debug)]
pub(crate) struct DimensionData {
    pub(crate) dimension: Dimension,
    pub(crate) format: Option<NumberFormat>,
    pub(crate) ranks: Vec<u32>,
    pub(crate) special: Special,
    /// Subtotals in a pivot.
    pub(crate) has_total: bool,
    pub(crate) other_label: Arc<str>,
    pub(crate) total_label: Arc<str>,
    pub(crate) attributes: Vec<(Option<NumberFormat>, Column)>,
    pub(crate) attribute_dimensions: Vec<(Option<FieldId>, Column)>,
}

/// The codes that stand for no value of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Special {
    pub(crate) null: u32,
    pub(crate) rest: u32,
    pub(crate) total: u32,
}

#[derive(Debug)]
pub(crate) struct MeasureData {
    pub(crate) column: Column,
    pub(crate) format: Option<NumberFormat>,
    pub(crate) attributes: Vec<(Option<NumberFormat>, Column)>,
}

impl CubeData {
    fn width(&self) -> usize {
        self.dimensions.len()
    }

    fn code(&self, row: usize, dimension: usize) -> u32 {
        self.codes[row * self.width() + dimension]
    }

    fn bytes(&self) -> usize {
        let columns = self.measures.iter().map(|measure| {
            measure.column.bytes()
                + measure.attributes.iter().map(|(_, column)| column.bytes()).sum::<usize>()
        });
        let dimensions = self.dimensions.iter().map(|dimension| {
            dimension.ranks.len() * 5
                + dimension.dimension.values.own_bytes()
                + dimension.attributes.iter().map(|(_, column)| column.bytes()).sum::<usize>()
        });
        let cells = self.axes.as_ref().map_or(0, |axes| {
            let texts = axes.cells.iter().flatten().map(text_bytes).sum::<usize>();
            axes.cells.len() * 40 + axes.left.leaves.len() * 200 + texts
        });
        self.codes.len() * 4 + columns.sum::<usize>() + dimensions.sum::<usize>() + cells + 2048
    }
}

impl CubeBody {
    pub(crate) fn new(data: CubeData, states: Vec<Vec<State>>) -> CubeBody {
        CubeBody { data: Arc::new(data), states: Arc::new(states) }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.data.bytes()
    }

    pub(crate) fn under(&self, view: &View) -> CubeBody {
        let states = self.data.dimensions.iter().map(|data| data.dimension.states(view)).collect();
        CubeBody { data: self.data.clone(), states: Arc::new(states) }
    }

    pub(crate) fn counts(&self, view: &View) -> Vec<(usize, crate::view::StateCounts)> {
        let shown = self.data.shown_dimensions.iter().copied();
        shown.zip(self.data.dimensions.iter().map(|data| data.dimension.counts(view))).collect()
    }

    pub(crate) fn size(&self) -> (usize, usize) {
        let data = &*self.data;
        match (&data.axes, data.mode) {
            (Some(axes), _) => (axes.top.leaves.len(), axes.left.leaves.len()),
            (None, Mode::Stacked) => {
                let starts = self.stack_starts();
                let mut inner: Vec<u32> = match data.width() {
                    0 | 1 => vec![0; data.rows.min(1)],
                    _ => (0..data.rows).map(|row| data.code(row, 1)).collect(),
                };
                inner.sort_unstable();
                inner.dedup();
                (inner.len(), starts.len().saturating_sub(1))
            }
            (None, _) => {
                let columns = data.width() + data.measures.len();
                (columns, if columns == 0 { 0 } else { data.rows })
            }
        }
    }

    /// Columns and rows of what lies under a straight or a stacked cube, row by row.
    pub(crate) fn flat_size(&self) -> (usize, usize) {
        let columns = self.data.width() + self.data.measures.len();
        match self.data.axes {
            Some(_) => (0, 0),
            None => (columns, if columns == 0 { 0 } else { self.data.rows }),
        }
    }

    pub(crate) fn straight(&self, area: Area) -> Page {
        let (columns, rows) = match self.data.axes {
            Some(_) => (0, 0),
            None if self.data.mode == Mode::Stacked => (0, 0),
            None => self.size(),
        };
        let area = area.clipped(columns, rows);
        let rows = (area.top..area.top + area.height).map(|row| self.row(row, area)).collect();
        Page { area, is_reduced: false, rows }
    }

    fn row(&self, row: usize, area: Area) -> Vec<Cell> {
        (area.left..area.left + area.width).map(|column| self.cell(row, column)).collect()
    }

    fn cell(&self, row: usize, column: usize) -> Cell {
        let data = &*self.data;
        if column < data.width() {
            return self.dimension_cell(row, column);
        }
        let measure = &data.measures[column - data.width()];
        let mut cell =
            measure_cell(&measure.column.get(row), measure.format.as_ref(), &data.locale);
        cell.attributes = self.attributes(&measure.attributes, row);
        cell
    }

    fn dimension_cell(&self, row: usize, dimension: usize) -> Cell {
        let own = &self.data.dimensions[dimension];
        let code = self.data.code(row, dimension);
        let shown = self.shown(dimension, code);
        Cell {
            text: shown.text,
            number: shown.number,
            element: shown.element,
            state: shown.state,
            is_null: shown.element == NULL,
            is_total: shown.element == TOTAL,
            is_other: shown.element == OTHER,
            attributes: self.attributes(&own.attributes, row),
            attribute_dimensions: self.attribute_dimensions(&own.attribute_dimensions, row),
            frequency: None,
            highlights: Vec::new(),
        }
    }

    fn shown(&self, dimension: usize, code: u32) -> Shown {
        let data = &*self.data;
        let own = &data.dimensions[dimension];
        let special = own.special;
        let plain = |text: &str, element| Shown {
            text: text.into(),
            number: f64::NAN,
            element,
            state: State::Optional,
        };
        if code == special.null {
            return Shown { state: State::Locked, ..plain("-", NULL) };
        }
        if code == special.rest {
            return Shown { state: State::Locked, ..plain(&own.other_label, OTHER) };
        }
        if code == special.total {
            return Shown { state: State::Locked, ..plain(&own.total_label, TOTAL) };
        }
        let value = own.dimension.dictionary(&data.model).value(code);
        let text = match &own.format {
            Some(format) if own.dimension.plain_field().is_none() => {
                format_value(value, format, &data.locale)
            }
            _ => value.shared_text(),
        };
        let state = self.states[dimension].get(code as usize).copied().unwrap_or(State::Optional);
        Shown { text, number: value.number().unwrap_or(f64::NAN), element: code as i32, state }
    }

    fn attribute_values(
        &self,
        columns: &[(Option<NumberFormat>, Column)],
        values: &[Value],
    ) -> Vec<Attribute> {
        let formats = columns.iter().map(|(format, _)| format.as_ref());
        formats.zip(values).map(|(format, value)| self.attribute(format, value)).collect()
    }

    fn attribute(&self, format: Option<&NumberFormat>, value: &Value) -> Attribute {
        let text = match format {
            Some(format) => format_value(value, format, &self.data.locale),
            None => value.shared_text(),
        };
        Attribute { text, number: value.number().unwrap_or(f64::NAN) }
    }

    fn attributes(&self, columns: &[(Option<NumberFormat>, Column)], row: usize) -> Vec<Attribute> {
        columns
            .iter()
            .map(|(format, column)| self.attribute(format.as_ref(), &column.get(row)))
            .collect()
    }

    fn attribute_dimensions(
        &self,
        columns: &[(Option<FieldId>, Column)],
        row: usize,
    ) -> Vec<AttributeDimension> {
        let attribute = |(field, column): &(Option<FieldId>, Column)| {
            let value = column.get(row);
            if value.is_null() {
                return AttributeDimension { text: "-".into(), element: NULL };
            }
            let element = field.and_then(|field| self.data.model.element(field, &value));
            AttributeDimension {
                text: value.shared_text(),
                element: element.map_or(row as i32, |element| element as i32),
            }
        };
        columns.iter().map(attribute).collect()
    }

    pub(crate) fn reduced(&self, area: Area, limit: usize) -> Page {
        let (columns, rows) = self.flat_size();
        let page_area = area.clipped(columns, rows);
        if page_area.height <= limit || self.data.measures.is_empty() {
            let end = page_area.top + page_area.height;
            let rows = (page_area.top..end).map(|row| self.row(row, page_area)).collect();
            return Page { area: page_area, is_reduced: false, rows };
        }
        // Each bucket keeps its first, lowest and highest row; the last row is kept too.
        let buckets = (limit.saturating_sub(1) / 3).max(1);
        let numbers = &self.data.measures[0].column.numbers;
        let rows: Vec<usize> = (page_area.top..page_area.top + page_area.height).collect();
        let mut kept = Vec::with_capacity(limit);
        for bucket in rows.chunks(rows.len().div_ceil(buckets)) {
            let by_number =
                |left: &&usize, right: &&usize| numbers[**left].total_cmp(&numbers[**right]);
            kept.extend(bucket.first());
            kept.extend(bucket.iter().min_by(by_number));
            kept.extend(bucket.iter().max_by(by_number));
        }
        kept.extend(rows.last());
        kept.sort_unstable();
        kept.dedup();
        let rows = kept.iter().map(|&row| self.row(row, page_area)).collect();
        Page { area: Area { height: kept.len(), ..page_area }, is_reduced: true, rows }
    }

    /// Where each value of the first dimension begins among the rows, and the end.
    fn stack_starts(&self) -> Vec<usize> {
        let data = &*self.data;
        if data.width() == 0 {
            return if data.measures.is_empty() { vec![0] } else { vec![0, data.rows] };
        }
        let begins = |row: &usize| *row == 0 || data.code(*row, 0) != data.code(*row - 1, 0);
        let mut starts: Vec<usize> = (0..data.rows).filter(begins).collect();
        starts.push(data.rows);
        starts
    }

    pub(crate) fn stacked(&self, area: Area, limit: usize) -> StackPage {
        let data = &*self.data;
        let (columns, rows) = if data.mode == Mode::Stacked { self.size() } else { (0, 0) };
        let mut area = area.clipped(columns, rows);
        let starts = self.stack_starts();
        let mut root = Node { kind: NodeKind::Root, ..Node::default() };
        let mut leaves = 0;
        for stack in area.top..area.top + area.height {
            let inner = starts[stack]..starts[stack + 1];
            leaves += inner.len() * data.measures.len().max(1);
            if leaves > limit && stack > area.top {
                area.height = stack - area.top;
                break;
            }
            let mut node = match data.width() {
                0 => Node { kind: NodeKind::Normal, ..Node::default() },
                _ => self.stack_node(0, inner.start),
            };
            node.row = stack;
            node.nodes = match data.width() {
                0 | 1 => self.stack_values(inner.start),
                _ => self.stack_level(1, inner, area),
            };
            add_up(&mut node);
            root.nodes.push(node);
        }
        root.up = area.top;
        root.down = rows - area.top - area.height;
        // The root says how far the axis must reach: as far as the highest stack, not all of them together.
        root.max_positive = root.nodes.iter().map(|below| below.max_positive).fold(0.0, f64::max);
        root.min_negative = root.nodes.iter().map(|below| below.min_negative).fold(0.0, f64::min);
        StackPage { area, root }
    }

    fn stack_level(&self, level: usize, rows: std::ops::Range<usize>, area: Area) -> Vec<Node> {
        let data = &*self.data;
        let mut starts: Vec<usize> = rows
            .clone()
            .filter(|&row| row == rows.start || data.code(row, level) != data.code(row - 1, level))
            .collect();
        let count = starts.len();
        starts.push(rows.end);
        let (left, width) = if level == 1 { (area.left, area.width) } else { (0, count) };
        let shown = left.min(count)..(left + width).min(count);
        let mut nodes: Vec<Node> = shown
            .clone()
            .map(|at| {
                let mut node = self.stack_node(level, starts[at]);
                node.row = at;
                node.nodes = if level + 1 < data.width() {
                    self.stack_level(level + 1, starts[at]..starts[at + 1], area)
                } else {
                    self.stack_values(starts[at])
                };
                add_up(&mut node);
                node
            })
            .collect();
        if let Some(first) = nodes.first_mut() {
            first.up = shown.start;
        }
        if let Some(last) = nodes.last_mut() {
            last.down = count - shown.end;
        }
        nodes
    }

    fn stack_node(&self, dimension: usize, row: usize) -> Node {
        let own = &self.data.dimensions[dimension];
        let code = self.data.code(row, dimension);
        let mut node = self.header_node(dimension, code);
        node.attributes = self.attributes(&own.attributes, row);
        node.attribute_dimensions = self.attribute_dimensions(&own.attribute_dimensions, row);
        node
    }

    fn header_node(&self, dimension: usize, code: u32) -> Node {
        let shown = self.shown(dimension, code);
        let kind = match shown.element {
            NULL => NodeKind::Null,
            OTHER => NodeKind::Other,
            TOTAL => NodeKind::Total,
            _ => NodeKind::Normal,
        };
        Node {
            kind,
            text: shown.text,
            element: shown.element,
            number: shown.number,
            state: shown.state,
            ..Node::default()
        }
    }

    /// The value leaves of a row; several measures stand under a node each.
    fn stack_values(&self, row: usize) -> Vec<Node> {
        let data = &*self.data;
        let leaf = |measure: &MeasureData| {
            let cell =
                measure_cell(&measure.column.get(row), measure.format.as_ref(), &data.locale);
            Node {
                kind: if cell.is_null { NodeKind::Empty } else { NodeKind::Value },
                text: cell.text,
                element: if cell.is_null { MISSING } else { 0 },
                number: cell.number,
                attributes: self.attributes(&measure.attributes, row),
                max_positive: cell.number.max(0.0),
                min_negative: cell.number.min(0.0),
                ..Node::default()
            }
        };
        if let [measure] = &data.measures[..] {
            return vec![leaf(measure)];
        }
        data.measures
            .iter()
            .enumerate()
            .map(|(at, measure)| {
                let mut node = Node {
                    kind: NodeKind::Pseudo,
                    element: at as i32,
                    row: at,
                    nodes: vec![leaf(measure)],
                    ..Node::default()
                };
                add_up(&mut node);
                node
            })
            .collect()
    }

    pub(crate) fn pivot(&self, area: Area) -> PivotPage {
        let Some(axes) = &self.data.axes else {
            return PivotPage {
                area: area.clipped(0, 0),
                left: Vec::new(),
                top: Vec::new(),
                data: Vec::new(),
            };
        };
        let (columns, rows) = self.size();
        let area = area.clipped(columns, rows);
        let left = self.axis_nodes(&axes.left.roots, area.top, area.top + area.height);
        let top = self.axis_nodes(&axes.top.roots, area.left, area.left + area.width);
        let data = (area.top..area.top + area.height)
            .map(|row| {
                (area.left..area.left + area.width)
                    .map(|column| {
                        self.pivot_cell(
                            axes,
                            &axes.left.leaves[row],
                            &axes.top.leaves[column],
                            row * columns + column,
                        )
                    })
                    .collect()
            })
            .collect();
        PivotPage { area, left, top, data }
    }

    fn pivot_cell(
        &self,
        axes: &Axes,
        left: &Leaf,
        top: &Leaf,
        at: usize,
    ) -> crate::cube::PivotCell {
        let measure = left.measure.or(top.measure).unwrap_or(0);
        let Some(value) = &axes.cells[at] else {
            return crate::cube::PivotCell {
                kind: NodeKind::Null,
                text: "-".into(),
                number: f64::NAN,
                attributes: Vec::new(),
            };
        };
        let format = self.data.measures.get(measure).and_then(|measure| measure.format.as_ref());
        let cell = measure_cell(value, format, &self.data.locale);
        let kind = match (left.kind, top.kind) {
            (NodeKind::Total, _) | (_, NodeKind::Total) => NodeKind::Total,
            (NodeKind::Aggregate, _) | (_, NodeKind::Aggregate) => NodeKind::Aggregate,
            _ => NodeKind::Value,
        };
        let attributes = match (self.data.measures.get(measure), axes.attributes.get(at)) {
            (Some(measure), Some(values)) => self.attribute_values(&measure.attributes, values),
            _ => Vec::new(),
        };
        crate::cube::PivotCell { kind, text: cell.text, number: cell.number, attributes }
    }

    /// The header nodes over leaves `start..end`.
    fn axis_nodes(&self, nodes: &[AxisNode], start: usize, end: usize) -> Vec<Node> {
        let over = |node: &&AxisNode| node.leaves.start < end && node.leaves.end > start;
        let mut shown: Vec<Node> = nodes
            .iter()
            .filter(over)
            .map(|own| {
                let mut node = match own.dimension {
                    Some(dimension) => self.header_node(dimension, own.code),
                    None => Node {
                        kind: NodeKind::Pseudo,
                        element: own.code as i32,
                        row: own.code as usize,
                        ..Node::default()
                    },
                };
                node.up = start.saturating_sub(own.leaves.start);
                node.down = own.leaves.end.saturating_sub(end);
                node.can_expand = own.can_expand;
                node.can_collapse = own.can_collapse;
                if let Some(dimension) = own.dimension {
                    let columns = &self.data.dimensions[dimension].attributes;
                    node.attributes = self.attribute_values(columns, &own.attributes);
                }
                node.nodes = self.axis_nodes(&own.nodes, start, end);
                node
            })
            .collect();
        shown.shrink_to_fit();
        shown
    }

    pub(crate) fn with_expansion(
        &self,
        def: &CubeDef,
        side: Side,
        at: usize,
        level: usize,
        all: bool,
        open: bool,
    ) -> Option<Expansion> {
        let axes = self.data.axes.as_ref()?;
        let (axis, expansion) = match side {
            Side::Left => (&axes.left, &def.expanded_left),
            Side::Top => (&axes.top, &def.expanded_top),
        };
        let node = axis.node_at(at, level)?;
        if !(if open { node.can_expand } else { node.can_collapse }) {
            return None;
        }
        let mut changed = expansion.clone();
        if all {
            changed.nodes.retain(|path| path.len() != level + 1);
            if open {
                changed.levels.insert(level as u32)
            } else {
                changed.levels.remove(&(level as u32))
            };
        } else if !changed.nodes.remove(&node.path) {
            changed.nodes.insert(node.path.clone());
        }
        Some(changed)
    }

    pub(crate) fn picked_values(
        &self,
        dimension: usize,
        elements: &[i32],
    ) -> Result<Picked, SelectError> {
        let place = self.data.shown_dimensions.iter().position(|shown| *shown == dimension);
        let place = place.ok_or(SelectError::NotSelectable)?;
        let codes: Vec<u32> =
            elements.iter().filter_map(|&element| u32::try_from(element).ok()).collect();
        if codes.is_empty() && !elements.is_empty() {
            return Err(SelectError::NoSuchValue);
        }
        self.picked(place, codes)
    }

    /// The field elements behind codes of a visible dimension. Null, the rest and totals are none.
    fn picked(&self, place: usize, mut codes: Vec<u32>) -> Result<Picked, SelectError> {
        let data = &self.data.dimensions[place];
        let len = data.dimension.dictionary(&self.data.model).len() as u32;
        codes.retain(|&code| code < len && code != data.special.rest);
        codes.sort_unstable();
        codes.dedup();
        let field = data.dimension.field().ok_or(SelectError::NotSelectable)?;
        if data.dimension.plain_field().is_some() {
            return Ok(Picked { field, elements: codes });
        }
        let mut elements: Vec<u32> = codes
            .iter()
            .filter_map(|&code| data.dimension.elements_of(code))
            .flat_map(|(_, elements)| elements)
            .collect();
        elements.sort_unstable();
        elements.dedup();
        Ok(Picked { field, elements })
    }

    pub(crate) fn picked_cells(
        &self,
        rows: &[usize],
        columns: &[usize],
    ) -> Result<Vec<Picked>, SelectError> {
        let data = &*self.data;
        let places: Vec<usize> = if columns.is_empty() {
            (0..data.width()).collect()
        } else {
            columns.iter().copied().filter(|&column| column < data.width()).collect()
        };
        let all: Vec<usize>;
        let rows = if rows.is_empty() {
            all = (0..data.rows).collect();
            &all
        } else {
            rows
        };
        self.picked_rows(&places, rows.iter().copied().filter(|&row| row < data.rows))
    }

    fn picked_rows(
        &self,
        places: &[usize],
        rows: impl Iterator<Item = usize> + Clone,
    ) -> Result<Vec<Picked>, SelectError> {
        let mut picked = Vec::with_capacity(places.len());
        for &place in places {
            let codes = rows.clone().map(|row| self.data.code(row, place)).collect();
            let values = self.picked(place, codes)?;
            if !values.elements.is_empty() {
                picked.push(values);
            }
        }
        if picked.is_empty() { Err(SelectError::NoSuchValue) } else { Ok(picked) }
    }

    pub(crate) fn picked_pivot_cells(
        &self,
        cells: &[PivotPick],
    ) -> Result<Vec<Picked>, SelectError> {
        let axes = self.data.axes.as_ref().ok_or(SelectError::NotSelectable)?;
        let mut codes: Vec<Vec<u32>> = vec![Vec::new(); self.data.width()];
        let mut header = |axis: &Axis, at: Option<usize>, level: usize| match at {
            Some(at) => {
                // A node stands for its own value within those above it.
                for above in 0..=level {
                    if let Some(node) = axis.node_at(at, above)
                        && let Some(dimension) = node.dimension
                    {
                        codes[dimension].push(node.code);
                    }
                }
            }
            None => {
                for at in 0..axis.leaves.len() {
                    if let Some(node) = axis.node_at(at, level)
                        && let Some(dimension) = node.dimension
                    {
                        codes[dimension].push(node.code);
                    }
                }
            }
        };
        for cell in cells {
            match *cell {
                PivotPick::Left { row, level } => header(&axes.left, row, level),
                PivotPick::Top { level, column } => header(&axes.top, column, level),
                PivotPick::Data { row, column } => {
                    let depth = |axis: &Axis| axis.levels.saturating_sub(1);
                    header(&axes.left, Some(row), depth(&axes.left));
                    header(&axes.top, Some(column), depth(&axes.top));
                }
            }
        }
        let mut picked = Vec::new();
        for (place, codes) in codes.into_iter().enumerate().filter(|(_, codes)| !codes.is_empty()) {
            let values = self.picked(place, codes)?;
            if !values.elements.is_empty() {
                picked.push(values);
            }
        }
        if picked.is_empty() { Err(SelectError::NoSuchValue) } else { Ok(picked) }
    }

    pub(crate) fn picked_ranges(
        &self,
        ranges: &[MeasureRange],
        columns: &[usize],
        mode: RangeMode,
    ) -> Result<Vec<Picked>, SelectError> {
        let data = &*self.data;
        let places: Vec<usize> = (0..data.width())
            .filter(|&place| columns.is_empty() || columns.contains(&data.shown_dimensions[place]))
            .collect();
        let mut measures = Vec::with_capacity(ranges.len());
        for range in ranges {
            let place = data.shown_measures.iter().position(|shown| *shown == range.measure);
            measures.push((place.ok_or(SelectError::NotSelectable)?, range));
        }
        let holds = |row: &usize| {
            let mut in_range = measures.iter().map(|(measure, range)| {
                contains(range, data.measures[*measure].column.numbers[*row])
            });
            match mode {
                RangeMode::All => in_range.all(|holds| holds),
                RangeMode::Any => in_range.any(|holds| holds),
            }
        };
        self.picked_rows(&places, (0..data.rows).filter(holds))
    }

    pub(crate) fn picked_numbers(
        &self,
        dimension: usize,
        range: &MeasureRange,
    ) -> Result<Picked, SelectError> {
        let place = self.data.shown_dimensions.iter().position(|shown| *shown == dimension);
        let place = place.ok_or(SelectError::NotSelectable)?;
        let values = self.data.dimensions[place].dimension.dictionary(&self.data.model);
        let codes: Vec<u32> = (0..values.null())
            .filter(|&code| contains(range, values.numbers[code as usize]))
            .collect();
        if codes.is_empty() {
            return Err(SelectError::NoSuchValue);
        }
        self.picked(place, codes)
    }
}

struct Shown {
    text: Arc<str>,
    number: f64,
    element: i32,
    state: State,
}

fn contains(range: &MeasureRange, number: f64) -> bool {
    let above = if range.min_included { number >= range.min } else { number > range.min };
    let below = if range.max_included { number <= range.max } else { number < range.max };
    (above || range.min.is_nan()) && (below || range.max.is_nan()) && !number.is_nan()
}

/// Gives a node the sums of what is below it.
fn add_up(node: &mut Node) {
    node.max_positive = node.nodes.iter().map(|below| below.max_positive).sum();
    node.min_negative = node.nodes.iter().map(|below| below.min_negative).sum();
}

impl Cube {
    /// The same rows with the states of another moment: what a chart shows while someone selects in it. Its rows
    /// neither move nor vanish then, they only change their states.
    #[must_use]
    pub fn under(&self, view: &View) -> Cube {
        let mut shown = self.clone();
        shown.body = self.body.under(view);
        for (at, counts) in self.body.counts(view) {
            if let Some(info) = shown.dimensions.get_mut(at) {
                info.counts = counts;
                info.is_locked =
                    info.field.is_some_and(|field| view.selections().is_locked("", field));
            }
        }
        shown
    }
}
