//! How much of what was computed one call may carry away: all its pages count together, since a
//! client may ask for the same page any number of times.

use std::cell::Cell;

use loggia_engine::cube::{AttributeDimensionInfo, AttributeInfo, Cube, Node};
use loggia_engine::list::List;
use serde_json::Value;

use super::Definition;
use crate::wire::{MAX_CELLS, Page};

/// Pages that one call may ask for; charts ask for a handful.
pub(crate) const MAX_PAGES: usize = 100;

/// Cubes and lists of one object; the richest charts have three.
const MAX_DEFINITIONS: usize = 50;

/// Cells and their attributes in the pages of one call. A table with colours has three a cell.
const MAX_VALUES: usize = 10 * MAX_CELLS;

/// Cells of all cubes and lists in one layout.
const MAX_LAYOUT_CELLS: usize = 10 * MAX_CELLS;

/// What pages are cut from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    columns: usize,
    rows: usize,
    /// Values of the richest cell: its own and its attributes.
    per_cell: usize,
}

/// What is left of the bounds of one layout.
#[derive(Debug)]
pub(crate) struct Budget {
    definitions: Cell<usize>,
    cells: Cell<usize>,
}

impl Extent {
    /// Of the pages that a cube's mode has.
    pub(crate) fn of_cube(cube: &Cube) -> Extent {
        let (columns, rows) = cube.size();
        Extent { columns, rows, per_cell: values_per_cell(cube) }
    }

    /// Of the rows under a cube.
    pub(crate) fn of_rows(cube: &Cube) -> Extent {
        let (columns, rows) = cube.flat_size();
        Extent { columns, rows, per_cell: values_per_cell(cube) }
    }

    pub(crate) fn of_list(list: &List) -> Extent {
        let (columns, rows) = list.size();
        Extent { columns, rows, per_cell: 1 }
    }

    /// The pages that are asked for, unless they are too many or too large together.
    pub(crate) fn pages(self, asked: &[Value]) -> Option<Vec<Page>> {
        let pages = few_pages(asked)?;
        (self.cells(&pages) <= self.most_cells()).then_some(pages)
    }

    /// The pages that are asked for, and how many rows of each fit into one answer.
    pub(crate) fn thinned_pages(self, asked: &[Value]) -> Option<Vec<(Page, usize)>> {
        let pages = few_pages(asked)?;
        let most = self.most_cells();
        let share = if self.cells(&pages) <= most { most } else { most / pages.len().max(1) };
        let limit = |page: Page| {
            let width = self.clipped(Page { height: self.rows, ..page }).width;
            page.height.min(share / width.max(1))
        };
        Some(pages.into_iter().map(|page| (page, limit(page))).collect())
    }

    /// Cells of the pages, counted as often as they are asked for.
    pub(crate) fn cells(self, pages: &[Page]) -> usize {
        pages.iter().fold(0, |sum: usize, page| sum.saturating_add(self.clipped(*page).cells()))
    }

    fn clipped(self, page: Page) -> Page {
        page.clipped(self.columns, self.rows)
    }

    fn most_cells(self) -> usize {
        MAX_CELLS.min(MAX_VALUES / self.per_cell.max(1))
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { definitions: Cell::new(MAX_DEFINITIONS), cells: Cell::new(MAX_LAYOUT_CELLS) }
    }
}

impl Budget {
    /// Whether one more definition may be computed.
    pub(crate) fn takes_definition(&self) -> bool {
        take(&self.definitions, 1)
    }

    /// Whether so many more cells may go into the layout.
    pub(crate) fn takes_cells(&self, cells: usize) -> bool {
        take(&self.cells, cells)
    }
}

/// Whether an object has more cubes and lists than are computed.
pub(crate) fn has_too_many_definitions(properties: &Value) -> bool {
    count_definitions(properties) > MAX_DEFINITIONS
}

/// The pages that are asked for, unless they are too many.
pub(crate) fn few_pages(asked: &[Value]) -> Option<Vec<Page>> {
    (asked.len() <= MAX_PAGES).then(|| asked.iter().map(Page::read).collect())
}

/// Nodes without nodes below.
pub(crate) fn leaves(node: &Node) -> usize {
    if node.nodes.is_empty() { 1 } else { node.nodes.iter().map(leaves).sum() }
}

fn values_per_cell(cube: &Cube) -> usize {
    let values = |attributes: &[AttributeInfo], dimensions: &[AttributeDimensionInfo]| {
        1 + attributes.len() + dimensions.len()
    };
    let dimensions =
        cube.dimensions.iter().map(|info| values(&info.attributes, &info.attribute_dimensions));
    let measures = cube.measures.iter().map(|info| values(&info.attributes, &[]));
    dimensions.chain(measures).max().unwrap_or(1)
}

fn count_definitions(value: &Value) -> usize {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match Definition::of(name) {
                Some((_, Definition::HyperCube | Definition::ListObject)) => 1,
                Some(_) => 0,
                None if name == "qLayoutExclude" => 0,
                None => count_definitions(value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(count_definitions).sum(),
        _ => 0,
    }
}

fn take(left: &Cell<usize>, wanted: usize) -> bool {
    match left.get().checked_sub(wanted) {
        Some(rest) => {
            left.set(rest);
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const WIDE: Extent = Extent { columns: 3, rows: 50_000, per_cell: 1 };

    fn asked(count: usize, width: usize, height: usize) -> Vec<Value> {
        vec![json!({ "qWidth": width, "qHeight": height }); count]
    }

    #[test]
    fn pages_count_together_as_often_as_they_are_asked_for() {
        assert!(WIDE.pages(&asked(1, 3, 3333)).is_some());
        assert!(WIDE.pages(&asked(2, 3, 3333)).is_none());
        assert!(WIDE.pages(&asked(100, 1, 100)).is_some());
        assert!(WIDE.pages(&asked(101, 0, 0)).is_none());
        // What lies beyond the data is no burden.
        let small = Extent { columns: 2, rows: 5, per_cell: 1 };
        assert!(small.pages(&asked(100, 9_999, 9_999)).is_some());
    }

    #[test]
    fn attributes_weigh_as_much_as_cells() {
        assert!(Extent { per_cell: 10, ..WIDE }.pages(&asked(1, 3, 3333)).is_some());
        assert!(Extent { per_cell: 100, ..WIDE }.pages(&asked(1, 3, 3333)).is_none());
    }

    #[test]
    fn reduced_pages_share_what_one_answer_holds() {
        let limits = |count, width, height| -> Vec<usize> {
            let pages = WIDE.thinned_pages(&asked(count, width, height)).unwrap();
            pages.into_iter().map(|(_, limit)| limit).collect()
        };
        assert_eq!(limits(1, 3, 2_000), [2_000]);
        assert_eq!(limits(1, 3, 9_000), [3_333]);
        assert_eq!(limits(2, 3, 9_000), [1_666, 1_666]);
        assert!(WIDE.thinned_pages(&asked(101, 1, 1)).is_none());
    }
}
