//! The headers of a pivot: two trees of nodes, whose leaves are the rows and the columns, and a value where they meet.

use std::ops::Range;

use hashbrown::{HashMap, HashSet};

use super::body::{Axes, DimensionData};
use super::bounds::check_batch;
use super::evaluation::{Evaluation, MAX_GROUPS, too_many_groups};
use super::formula::{Failure, Formula};
use crate::cube::{CubeDef, Expansion, NodeKind};
use crate::value::Value;

/// One header.
#[derive(Debug, Default)]
pub(crate) struct Axis {
    /// Dimensions, and one for the measures where they stand here.
    pub(crate) levels: usize,
    pub(crate) roots: Vec<AxisNode>,
    pub(crate) leaves: Vec<Leaf>,
}

#[derive(Debug)]
pub(crate) struct AxisNode {
    /// The visible dimension; nothing for a measure.
    pub(crate) dimension: Option<usize>,
    /// The dimension's code, or the number of the measure.
    pub(crate) code: u32,
    /// Elements from the first level down, to recognise the node by.
    pub(crate) path: Vec<i32>,
    pub(crate) leaves: Range<usize>,
    pub(crate) can_expand: bool,
    pub(crate) can_collapse: bool,
    pub(crate) attributes: Vec<Value>,
    pub(crate) nodes: Vec<AxisNode>,
}

/// A row or column: the values that its cells have in common.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// Codes of the axis' dimensions, as far as the leaf tells them apart.
    codes: Vec<u32>,
    pub(crate) measure: Option<usize>,
    /// `Total`, `Aggregate` for a node that is not open, otherwise `Value`.
    pub(crate) kind: NodeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Dimension(usize),
    Measures,
}

impl Axis {
    /// The node at a level over a leaf.
    pub(crate) fn node_at(&self, leaf: usize, level: usize) -> Option<&AxisNode> {
        let mut nodes = &self.roots;
        let mut found = None;
        for _ in 0..=level {
            found = nodes.iter().find(|node| node.leaves.contains(&leaf));
            nodes = &found?.nodes;
        }
        found
    }
}

/// Builds both headers from the rows' codes and computes the values between them.
pub(crate) fn axes(
    evaluation: &mut Evaluation<'_>,
    def: &CubeDef,
    shown_dimensions: &[usize],
    dimensions: &[DimensionData],
    codes: &[u32],
    formulas: &Formulas<'_>,
) -> Result<Axes, Failure> {
    let measures = formulas.measures.len();
    let (order, left_count) = axis_order(def, shown_dimensions, measures);
    let level =
        |number: &i32| match shown_dimensions.iter().position(|shown| *shown as i32 == *number) {
            Some(place) => Level::Dimension(place),
            None => Level::Measures,
        };
    let levels: Vec<Level> = order.iter().map(level).collect();
    let (left_levels, top_levels) = levels.split_at(left_count);
    let width = dimensions.len();
    let grow = |levels: &[Level], expansion: &Expansion| {
        let mut growth =
            Growth { def, dimensions, levels, expansion, measures, leaves: Vec::new() };
        growth.axis(codes, width)
    };
    let mut left = grow(left_levels, &def.expanded_left);
    let mut top = grow(top_levels, &def.expanded_top);
    if left.leaves.len().saturating_mul(top.leaves.len()) > MAX_GROUPS {
        return Err(too_many_groups());
    }
    let left_dimensions = dimension_levels(left_levels);
    let top_dimensions = dimension_levels(top_levels);
    for (axis, own) in [(&mut left, &left_dimensions), (&mut top, &top_dimensions)] {
        add_header_attributes(evaluation, axis, own, formulas, dimensions)?;
    }
    let plane = Plane {
        left: &left,
        top: &top,
        left_dimensions: &left_dimensions,
        top_dimensions: &top_dimensions,
        codes,
        width,
    };
    let cells = plane.values(evaluation, &formulas.measures)?;
    let mut attributes: Vec<Vec<Value>> = Vec::new();
    let most = formulas.measure_attributes.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..most {
        let own: Vec<Option<&Formula>> =
            formulas.measure_attributes.iter().map(|own| own.get(at).copied().flatten()).collect();
        attributes.resize(cells.len(), Vec::new());
        for (cell, value) in attributes.iter_mut().zip(plane.values(evaluation, &own)?) {
            cell.push(value.unwrap_or_default());
        }
    }
    Ok(Axes { order, left_count, left, top, cells, attributes })
}

/// What a pivot computes besides its headers.
pub(crate) struct Formulas<'a> {
    pub(crate) measures: Vec<Option<&'a Formula>>,
    /// Beside the measures.
    pub(crate) measure_attributes: Vec<Vec<Option<&'a Formula>>>,
    /// Beside the visible dimensions.
    pub(crate) dimension_attributes: Vec<Vec<Option<&'a Formula>>>,
}

/// Computes the attributes of header nodes, each for the rows under its node.
fn add_header_attributes(
    evaluation: &mut Evaluation<'_>,
    axis: &mut Axis,
    own: &[usize],
    formulas: &Formulas<'_>,
    dimensions: &[DimensionData],
) -> Result<(), Failure> {
    for (depth, &dimension) in own.iter().enumerate() {
        for formula in &formulas.dimension_attributes[dimension] {
            let mut wanted = Vec::new();
            let is_total = |node: &AxisNode| node.code == dimensions[dimension].special.total;
            visit_nodes(&mut axis.roots, dimension, &mut Vec::new(), &mut |node, codes| {
                if !is_total(node) {
                    wanted.extend_from_slice(codes);
                }
            });
            let column = match formula {
                Some(formula) => Some(evaluation.column_of(formula, &own[..=depth], &wanted)?),
                None => None,
            };
            let mut at = 0;
            visit_nodes(&mut axis.roots, dimension, &mut Vec::new(), &mut |node, _| {
                let value = match &column {
                    Some(column) if !is_total(node) => column.get(at),
                    _ => Value::Null,
                };
                at += usize::from(!is_total(node));
                node.attributes.push(value);
            });
        }
    }
    Ok(())
}

/// Visits the nodes of a dimension with the codes of the dimensions down to it.
fn visit_nodes(
    nodes: &mut [AxisNode],
    dimension: usize,
    codes: &mut Vec<u32>,
    visit: &mut dyn FnMut(&mut AxisNode, &[u32]),
) {
    for node in nodes {
        let is_dimension = node.dimension.is_some();
        if is_dimension {
            codes.push(node.code);
        }
        if node.dimension == Some(dimension) {
            visit(node, codes);
        } else {
            visit_nodes(&mut node.nodes, dimension, codes, visit);
        }
        if is_dimension {
            codes.pop();
        }
    }
}

fn dimension_levels(levels: &[Level]) -> Vec<usize> {
    levels
        .iter()
        .filter_map(|level| match level {
            Level::Dimension(place) => Some(*place),
            Level::Measures => None,
        })
        .collect()
}

/// Visible dimensions and −1 for the measures in the order of the axes, and how many of them stand on the left.
fn axis_order(def: &CubeDef, shown: &[usize], measures: usize) -> (Vec<i32>, usize) {
    let all = def.dimensions.len() as i32;
    let mut order: Vec<i32> = Vec::new();
    for &number in &def.inter_column_sort {
        if (-1..all).contains(&number) && !order.contains(&number) {
            order.push(number);
        }
    }
    for number in 0..all {
        if !order.contains(&number) {
            // Dimensions that the order forgets stand before the measures at the end.
            let at = if order.last() == Some(&-1) { order.len() - 1 } else { order.len() };
            order.insert(at, number);
        }
    }
    let mut left = match def.left_dimensions {
        count if count < 0 => order.iter().filter(|number| **number >= 0).count(),
        count => (count as usize).min(order.len()),
    };
    if !order.contains(&-1) {
        match usize::try_from(def.pseudo_position) {
            Ok(place) if place < order.len() => {
                order.insert(place, -1);
                left += usize::from(place < left);
            }
            _ => order.push(-1),
        }
    }
    // One measure needs a header only where the top would have none.
    let needs_measures = measures > 1
        || (measures == 1 && order[left.min(order.len())..].iter().all(|number| *number < 0));
    if measures == 1 && needs_measures {
        let place = order.iter().position(|number| *number < 0).unwrap_or(order.len());
        if place < left {
            order.remove(place);
            left -= 1;
            order.push(-1);
        }
    }
    let is_kept =
        |number: i32| if number < 0 { needs_measures } else { shown.contains(&(number as usize)) };
    let left = order[..left].iter().filter(|number| is_kept(**number)).count();
    (order.into_iter().filter(|number| is_kept(*number)).collect(), left)
}

struct Growth<'a> {
    def: &'a CubeDef,
    dimensions: &'a [DimensionData],
    levels: &'a [Level],
    expansion: &'a Expansion,
    measures: usize,
    leaves: Vec<Leaf>,
}

impl Growth<'_> {
    fn axis(&mut self, codes: &[u32], width: usize) -> Axis {
        let own = dimension_levels(self.levels);
        let mut combinations: Vec<Vec<u32>> = if width == 0 {
            vec![Vec::new()]
        } else {
            codes
                .chunks_exact(width)
                .map(|row| own.iter().map(|&place| row[place]).collect())
                .collect()
        };
        let ranked = |combination: &Vec<u32>| -> Vec<u32> {
            combination
                .iter()
                .zip(&own)
                .map(|(&code, &place)| self.dimensions[place].ranks[code as usize])
                .collect()
        };
        combinations.sort_by_cached_key(ranked);
        combinations.dedup();
        let roots = if combinations.is_empty() {
            Vec::new()
        } else {
            self.nodes(0, &combinations, &mut Vec::new(), &mut Vec::new(), None, NodeKind::Value)
        };
        Axis { levels: self.levels.len(), roots, leaves: std::mem::take(&mut self.leaves) }
    }

    /// The nodes of a level under what stands above; without a level left, a leaf.
    fn nodes(
        &mut self,
        level: usize,
        combinations: &[Vec<u32>],
        codes: &mut Vec<u32>,
        path: &mut Vec<i32>,
        measure: Option<usize>,
        kind: NodeKind,
    ) -> Vec<AxisNode> {
        match self.levels.get(level) {
            None => {
                self.leaves.push(Leaf { codes: codes.clone(), measure, kind });
                Vec::new()
            }
            Some(Level::Measures) => (0..self.measures)
                .map(|number| {
                    let start = self.leaves.len();
                    // No element is so low.
                    path.push(i32::MIN + number as i32);
                    let nodes =
                        self.nodes(level + 1, combinations, codes, path, Some(number), kind);
                    let own_path = path.clone();
                    path.pop();
                    AxisNode {
                        dimension: None,
                        code: number as u32,
                        path: own_path,
                        leaves: start..self.leaves.len(),
                        can_expand: false,
                        can_collapse: false,
                        attributes: Vec::new(),
                        nodes,
                    }
                })
                .collect(),
            Some(Level::Dimension(place)) => {
                self.dimension_nodes(level, *place, combinations, codes, path, measure, kind)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of a recursion")]
    fn dimension_nodes(
        &mut self,
        level: usize,
        place: usize,
        combinations: &[Vec<u32>],
        codes: &mut Vec<u32>,
        path: &mut Vec<i32>,
        measure: Option<usize>,
        kind: NodeKind,
    ) -> Vec<AxisNode> {
        let depth = codes.len();
        let special = self.dimensions[place].special;
        let has_inner =
            self.levels[level + 1..].iter().any(|level| matches!(level, Level::Dimension(_)));
        let has_total = self.has_total(place);
        let mut nodes = Vec::new();
        if has_total && self.def.show_totals_above {
            nodes.push(self.total_node(level, place, codes, path, measure));
        }
        for part in combinations.chunk_by(|left, right| left[depth] == right[depth]) {
            let code = part[0][depth];
            let element = match code {
                code if code == special.null => crate::cube::NULL,
                code if code == special.rest => crate::cube::OTHER,
                code => code as i32,
            };
            let start = self.leaves.len();
            codes.push(code);
            path.push(element);
            let is_open = self.def.always_expanded || self.is_open(level, path);
            let own_path = path.clone();
            let below = if !has_inner || is_open {
                self.nodes(level + 1, part, codes, path, measure, kind)
            } else {
                self.closed(level + 1, codes, measure, NodeKind::Aggregate)
            };
            path.pop();
            codes.pop();
            nodes.push(AxisNode {
                dimension: Some(place),
                code,
                path: own_path,
                leaves: start..self.leaves.len(),
                can_expand: has_inner && !is_open,
                can_collapse: has_inner && is_open && !self.def.always_expanded,
                attributes: Vec::new(),
                nodes: below,
            });
        }
        if has_total && !self.def.show_totals_above {
            nodes.push(self.total_node(level, place, codes, path, measure));
        }
        nodes
    }

    fn has_total(&self, place: usize) -> bool {
        self.dimensions[place].has_total
    }

    fn is_open(&self, level: usize, path: &[i32]) -> bool {
        self.expansion.levels.contains(&(level as u32)) != self.expansion.nodes.contains(path)
    }

    fn total_node(
        &mut self,
        level: usize,
        place: usize,
        codes: &mut [u32],
        path: &[i32],
        measure: Option<usize>,
    ) -> AxisNode {
        let start = self.leaves.len();
        let mut own_path = path.to_vec();
        own_path.push(crate::cube::TOTAL);
        let nodes = self.closed(level + 1, codes, measure, NodeKind::Total);
        AxisNode {
            dimension: Some(place),
            code: self.dimensions[place].special.total,
            path: own_path,
            leaves: start..self.leaves.len(),
            can_expand: false,
            can_collapse: false,
            attributes: Vec::new(),
            nodes,
        }
    }

    /// Below a node that is not open only the measures are told apart.
    fn closed(
        &mut self,
        level: usize,
        codes: &[u32],
        measure: Option<usize>,
        kind: NodeKind,
    ) -> Vec<AxisNode> {
        if !self.levels[level.min(self.levels.len())..].contains(&Level::Measures) {
            self.leaves.push(Leaf { codes: codes.to_vec(), measure, kind });
            return Vec::new();
        }
        (0..self.measures)
            .map(|number| {
                let start = self.leaves.len();
                self.leaves.push(Leaf { codes: codes.to_vec(), measure: Some(number), kind });
                AxisNode {
                    dimension: None,
                    code: number as u32,
                    path: Vec::new(),
                    leaves: start..start + 1,
                    can_expand: false,
                    can_collapse: false,
                    attributes: Vec::new(),
                    nodes: Vec::new(),
                }
            })
            .collect()
    }
}

/// The cells between both headers.
struct Plane<'a> {
    left: &'a Axis,
    top: &'a Axis,
    left_dimensions: &'a [usize],
    top_dimensions: &'a [usize],
    codes: &'a [u32],
    width: usize,
}

impl Plane<'_> {
    /// The value in each cell; nothing for combinations that do not occur. Formulas stand beside the measures.
    fn values(
        &self,
        evaluation: &mut Evaluation<'_>,
        formulas: &[Option<&Formula>],
    ) -> Result<Vec<Option<Value>>, Failure> {
        let Plane { left, top, left_dimensions, top_dimensions, codes, width } = *self;
        let columns = top.leaves.len();
        let mut cells: Vec<Option<Value>> = vec![None; left.leaves.len() * columns];
        // Cells by how far their row and column tell the dimensions apart, and by measure.
        let mut kinds: HashMap<(usize, usize, usize), Vec<usize>> = HashMap::new();
        for (row, left_leaf) in left.leaves.iter().enumerate() {
            check_batch(row, evaluation.context.stop)?;
            for (column, top_leaf) in top.leaves.iter().enumerate() {
                let measure = left_leaf.measure.or(top_leaf.measure).unwrap_or(0);
                if measure < formulas.len() {
                    let kind = (left_leaf.codes.len(), top_leaf.codes.len(), measure);
                    kinds.entry(kind).or_default().push(row * columns + column);
                }
            }
        }
        for ((left_depth, top_depth, measure), places) in kinds {
            let Some(formula) = formulas[measure] else { continue };
            let dimensions: Vec<usize> = left_dimensions[..left_depth]
                .iter()
                .chain(&top_dimensions[..top_depth])
                .copied()
                .collect();
            let occurring: HashSet<Vec<u32>> = if width == 0 {
                [Vec::new()].into_iter().collect()
            } else {
                codes
                    .chunks_exact(width)
                    .map(|row| dimensions.iter().map(|&place| row[place]).collect())
                    .collect()
            };
            let mut wanted = Vec::new();
            let mut flat = Vec::new();
            for place in places {
                let (left_leaf, top_leaf) =
                    (&left.leaves[place / columns], &top.leaves[place % columns]);
                let combination: Vec<u32> =
                    left_leaf.codes.iter().chain(&top_leaf.codes).copied().collect();
                if occurring.contains(&combination) {
                    wanted.push(place);
                    flat.extend(combination);
                }
            }
            let column = if dimensions.is_empty() {
                let value = evaluation.single(formula)?;
                super::evaluation::Column::from_values(vec![value; wanted.len()])
            } else {
                evaluation.column_of(formula, &dimensions, &flat)?
            };
            for (at, place) in wanted.into_iter().enumerate() {
                cells[place] = Some(column.get(at));
            }
        }
        Ok(cells)
    }
}
