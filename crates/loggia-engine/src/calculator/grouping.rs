//! Which group does each row belong to? Combinations of dimension codes are numbered, and a [`Feed`] pairs the
//! possible rows of a table with the numbers of their groups.

use std::sync::Arc;

use hashbrown::HashMap;

use super::bounds::{Stop, check_batch, until};
use crate::bitmap::{Bitmap, Bits};
use crate::table::{Code, Codes, with_codes};

/// Numbers combinations of codes.
#[derive(Clone, Debug)]
pub(crate) struct Grouping {
    /// How many codes each dimension has, null included.
    radices: Vec<u32>,
    numbering: Numbering,
}

#[derive(Clone, Debug)]
enum Numbering {
    /// The number is the place in the product of all codes.
    Dense { size: u32, present: Bitmap },
    /// Numbers are given as combinations are met.
    Sparse { levels: Vec<Level>, members: Vec<u32> },
}

/// Some dimensions whose product fits a word, and the numbers met so far.
#[derive(Clone, Debug)]
struct Level {
    dimensions: std::ops::Range<usize>,
    known: HashMap<u64, u32>,
}

impl Grouping {
    /// Dense up to `dense_limit` combinations.
    pub(crate) fn new(radices: Vec<u32>, dense_limit: usize) -> Grouping {
        let product =
            radices.iter().try_fold(1usize, |product, &radix| product.checked_mul(radix as usize));
        let numbering = match product {
            Some(size) if size <= dense_limit.min(1 << 24) => {
                Numbering::Dense { size: size as u32, present: Bitmap::none(size) }
            }
            _ => {
                let mut levels: Vec<Level> = Vec::new();
                let mut product = u64::MAX;
                for (at, &radix) in radices.iter().enumerate() {
                    product = product.saturating_mul(u64::from(radix.max(1)));
                    if product > u64::from(u32::MAX) {
                        levels.push(Level { dimensions: at..at, known: HashMap::new() });
                        product = u64::from(radix.max(1));
                    }
                    if let Some(level) = levels.last_mut() {
                        level.dimensions.end = at + 1;
                    }
                }
                Numbering::Sparse { levels, members: Vec::new() }
            }
        };
        Grouping { radices, numbering }
    }

    /// One more than the largest number a group may have.
    pub(crate) fn len(&self) -> usize {
        match &self.numbering {
            Numbering::Dense { size, .. } => *size as usize,
            Numbering::Sparse { members, .. } => {
                members.len().checked_div(self.radices.len()).unwrap_or(1)
            }
        }
    }

    /// The number of a combination, which exists from now on.
    pub(crate) fn add(&mut self, codes: &[u32]) -> u32 {
        match &mut self.numbering {
            Numbering::Dense { present, .. } => {
                let group = place(&self.radices, codes);
                present.insert(group as usize);
                group
            }
            Numbering::Sparse { levels, members } => {
                let mut group = 0;
                let (last, before) = match levels.split_last_mut() {
                    Some(split) => split,
                    None => return 0,
                };
                for level in before {
                    let next = level.known.len() as u32;
                    group =
                        *level.known.entry(level.key(&self.radices, codes, group)).or_insert(next);
                }
                let next = last.known.len() as u32;
                let key = last.key(&self.radices, codes, group);
                let group = *last.known.entry(key).or_insert(next);
                if group == next {
                    members.extend_from_slice(codes);
                }
                group
            }
        }
    }

    /// The number of a combination, if it has one.
    pub(crate) fn find(&self, codes: &[u32]) -> Option<u32> {
        match &self.numbering {
            Numbering::Dense { .. } => Some(place(&self.radices, codes)),
            Numbering::Sparse { levels, .. } => {
                let mut group = 0;
                for level in levels {
                    group = *level.known.get(&level.key(&self.radices, codes, group))?;
                }
                Some(group)
            }
        }
    }

    /// The codes of a group.
    pub(crate) fn codes_of(&self, group: u32, out: &mut Vec<u32>) {
        out.clear();
        match &self.numbering {
            Numbering::Dense { .. } => {
                let mut rest = group;
                for &radix in self.radices.iter().rev() {
                    out.push(rest % radix.max(1));
                    rest /= radix.max(1);
                }
                out.reverse();
            }
            Numbering::Sparse { members, .. } => {
                let width = self.radices.len();
                let start = group as usize * width;
                out.extend_from_slice(&members[start..start + width]);
            }
        }
    }

    /// The groups that exist.
    pub(crate) fn present(&self) -> Vec<u32> {
        match &self.numbering {
            Numbering::Dense { present, .. } => present.members(),
            Numbering::Sparse { .. } => (0..self.len() as u32).collect(),
        }
    }

    /// The groups of a table's rows from one code column a dimension. Rows outside `rows` may get any number.
    pub(crate) fn groups(
        &mut self,
        columns: &[Arc<Codes>],
        rows: Option<&Bitmap>,
        len: usize,
        stop: Stop<'_>,
    ) -> Groups {
        let groups = match (&mut self.numbering, columns) {
            (_, []) => Groups::One,
            (Numbering::Dense { .. }, [column]) => Groups::Codes(column.clone()),
            (Numbering::Dense { .. }, columns) => {
                let mut places = vec![0u32; len];
                for (column, &radix) in columns.iter().zip(&self.radices) {
                    with_codes!(&**column, codes => {
                        for (place, code) in places.iter_mut().zip(codes) {
                            *place = *place * radix + code.index() as u32;
                        }
                    });
                }
                Groups::Codes(Arc::new(Codes::U32(places)))
            }
            (Numbering::Sparse { .. }, columns) => {
                let mut numbers = vec![0u32; len];
                let mut codes = vec![0u32; columns.len()];
                let mut number = |row: usize| {
                    for (code, column) in codes.iter_mut().zip(columns) {
                        *code = column.get(row);
                    }
                    numbers[row] = self.add(&codes);
                };
                match rows {
                    Some(rows) => {
                        let goes_on = |(at, _): &(usize, usize)| check_batch(*at, stop).is_ok();
                        let rows = rows.iter().enumerate().take_while(goes_on);
                        rows.for_each(|(_, row)| number(row));
                    }
                    None => until(stop, len).for_each(&mut number),
                }
                Groups::Codes(Arc::new(Codes::U32(numbers)))
            }
        };
        self.mark(&groups, rows, len);
        groups
    }

    fn mark(&mut self, groups: &Groups, rows: Option<&Bitmap>, len: usize) {
        let Numbering::Dense { present, size } = &mut self.numbering else { return };
        match groups {
            Groups::One => {
                if rows.map_or(len > 0, |rows| !rows.is_empty()) {
                    present.insert(0);
                }
            }
            Groups::Codes(codes) => {
                let mut seen = vec![false; *size as usize];
                with_codes!(&**codes, codes => match rows {
                    Some(rows) => rows.iter().for_each(|row| seen[codes[row].index()] = true),
                    None => codes.iter().for_each(|code| seen[code.index()] = true),
                });
                present.unite(&Bitmap::from_fn(*size as usize, |group| seen[group]));
            }
        }
    }
}

impl Level {
    fn key(&self, radices: &[u32], codes: &[u32], before: u32) -> u64 {
        let dimensions = self.dimensions.clone();
        u64::from(before) << 32 | u64::from(place(&radices[dimensions.clone()], &codes[dimensions]))
    }
}

fn place(radices: &[u32], codes: &[u32]) -> u32 {
    radices.iter().zip(codes).fold(0, |place, (&radix, &code)| place * radix + code)
}

/// The group of each row.
#[derive(Clone, Debug)]
pub(crate) enum Groups {
    /// All rows are one group.
    One,
    Codes(Arc<Codes>),
}

/// Rows and their groups.
#[derive(Clone, Debug)]
pub(crate) enum Feed {
    /// Each row has one group.
    Rows { rows: Option<Arc<Bitmap>>, len: usize, groups: Groups },
    /// Rows that stand in several groups, once in each.
    Pairs { rows: Vec<u32>, groups: Vec<u32> },
}

/// Sums are made within blocks of this many rows, and the blocks are added in order, so that a total never depends on
/// how many threads there are.
pub(crate) const BLOCK: usize = 1 << 16;

impl Feed {
    /// Rows to read, counted once for each group they stand in.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Feed::Rows { rows: Some(rows), .. } => rows.count(),
            Feed::Rows { rows: None, len, .. } => *len,
            Feed::Pairs { rows, .. } => rows.len(),
        }
    }

    pub(crate) fn blocks(&self) -> usize {
        match self {
            Feed::Rows { len, .. } => len.div_ceil(BLOCK),
            Feed::Pairs { rows, .. } => rows.len().div_ceil(BLOCK),
        }
    }

    /// The blocks, as long as nobody stops.
    pub(crate) fn blocks_until(&self, stop: Stop<'_>) -> impl Iterator<Item = usize> {
        (0..self.blocks()).take_while(move |_| !stop())
    }

    /// Calls `visit` with each row of a block and its group.
    #[inline(always)]
    pub(crate) fn each(&self, block: usize, mut visit: impl FnMut(usize, usize)) {
        match self {
            Feed::Rows { rows, len, groups } => {
                let range = block * BLOCK..(*len).min((block + 1) * BLOCK);
                match groups {
                    Groups::One => each_row(rows.as_deref(), range, |row| visit(row, 0)),
                    Groups::Codes(codes) => with_codes!(&**codes, codes => {
                        each_row(rows.as_deref(), range, |row| visit(row, codes[row].index()));
                    }),
                }
            }
            Feed::Pairs { rows, groups } => {
                let range = block * BLOCK..rows.len().min((block + 1) * BLOCK);
                for (row, group) in rows[range.clone()].iter().zip(&groups[range]) {
                    visit(*row as usize, *group as usize);
                }
            }
        }
    }

    /// The same rows with other group numbers.
    pub(crate) fn regrouped(&self, map: &[u32]) -> Feed {
        let look_up = |group: usize| map.get(group).copied().unwrap_or(0);
        match self {
            Feed::Rows { rows, len, groups } => {
                let groups = match groups {
                    Groups::One => vec![look_up(0); *len],
                    Groups::Codes(codes) => {
                        with_codes!(&**codes, codes => codes.iter().map(|code| look_up(code.index())).collect())
                    }
                };
                Feed::Rows {
                    rows: rows.clone(),
                    len: *len,
                    groups: Groups::Codes(Arc::new(Codes::U32(groups))),
                }
            }
            Feed::Pairs { rows, groups } => {
                // Groups that have become one must not count a row twice.
                let mut pairs: Vec<(u32, u32)> = rows
                    .iter()
                    .zip(groups)
                    .map(|(row, group)| (*row, look_up(*group as usize)))
                    .collect();
                pairs.sort_unstable();
                pairs.dedup();
                let (rows, groups) = pairs.into_iter().unzip();
                Feed::Pairs { rows, groups }
            }
        }
    }
}

#[inline(always)]
fn each_row(rows: Option<&Bitmap>, range: std::ops::Range<usize>, mut visit: impl FnMut(usize)) {
    let Some(rows) = rows else {
        return range.for_each(visit);
    };
    // Blocks are multiples of 64 rows.
    let words = range.start / 64..range.end.div_ceil(64);
    for (at, &word) in words.clone().zip(&rows.words()[words]) {
        let start = at * 64;
        if word == u64::MAX {
            (start..start + 64).for_each(&mut visit);
        } else {
            Bits(word).for_each(|bit| visit(start + bit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_and_dense_agree_on_what_a_group_is() {
        let radices = vec![3, 70_000, 5, 70_000];
        let mut sparse = Grouping::new(radices, 1000);
        let first = sparse.add(&[2, 69_999, 4, 1]);
        let second = sparse.add(&[2, 69_999, 4, 2]);
        assert_eq!(sparse.add(&[2, 69_999, 4, 1]), first);
        assert_ne!(first, second);
        let mut codes = Vec::new();
        sparse.codes_of(second, &mut codes);
        assert_eq!(codes, [2, 69_999, 4, 2]);
        assert_eq!(sparse.find(&[0, 0, 0, 0]), None);
        let mut dense = Grouping::new(vec![3, 4], 100);
        let group = dense.add(&[2, 1]);
        dense.codes_of(group, &mut codes);
        assert_eq!(codes, [2, 1]);
        assert_eq!(dense.present(), [group]);
    }
}
