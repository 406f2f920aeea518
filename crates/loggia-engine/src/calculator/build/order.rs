//! In which order do the rows stand?

use std::cmp::Ordering;

use rayon::slice::ParallelSliceMut;

use super::Builder;
use crate::calculator::body::Special;
use crate::calculator::dimension::{Base, Dimension};
use crate::calculator::evaluation::Column;
use crate::cube::{MeasureDef, Mode, SortCriteria, SortIndicator};
use crate::value::{Value, collate, compare_numbers};
use crate::view::View;

impl Builder<'_> {
    pub(super) fn sort(&mut self) {
        self.ranks = (0..self.width()).map(|dimension| self.dimension_ranks(dimension)).collect();
        if self.def.sort_by_measure != 0 && self.def.mode != Mode::Straight {
            self.rank_by_total();
        }
        let order = self.sort_columns();
        let keys: Vec<SortKey<'_>> = order
            .iter()
            .map(|&column| match column.checked_sub(self.width()) {
                None => SortKey::Dimension { ranks: &self.ranks[column], place: column },
                Some(measure) => {
                    let def = &self.def.measures[self.shown_measures[measure]];
                    SortKey::Measure { column: &self.columns[measure], def }
                }
            })
            .collect();
        let width = self.width();
        let codes = &self.codes;
        // What became of the rest stands last, also where a measure decides; dimensions see to it themselves.
        let measure_decides = matches!(keys.first(), Some(SortKey::Measure { .. }));
        let rests = |row: usize| {
            let is_rest = |(code, special): (&u32, &Special)| *code == special.rest;
            measure_decides
                && self.has_others
                && codes[row * width..(row + 1) * width].iter().zip(&self.specials).any(is_rest)
        };
        let compare = |left: &u32, right: &u32| {
            let (left_row, right_row) = (*left as usize, *right as usize);
            let by_keys = keys.iter().map(|key| key.compare(codes, width, left_row, right_row));
            let order = rests(left_row).cmp(&rests(right_row));
            by_keys.fold(order, Ordering::then).then(left.cmp(right))
        };
        let mut rows: Vec<u32> = (0..self.groups.len() as u32).collect();
        if rows.len() > 50_000 {
            rows.par_sort_unstable_by(compare)
        } else {
            rows.sort_unstable_by(compare)
        }
        self.keep(&rows);
    }

    /// Visible columns from the most to the least significant.
    pub(super) fn sort_columns(&self) -> Vec<usize> {
        match self.def.mode {
            Mode::Straight => {
                self.effective_columns().into_iter().map(|(shown, _)| shown).collect()
            }
            Mode::Pivot | Mode::Stacked => (0..self.width()).collect(),
        }
    }

    /// Visible columns in sort order, with their numbers in the definition.
    pub(super) fn effective_columns(&self) -> Vec<(usize, i32)> {
        let dimensions = self.shown_dimensions.iter().map(|&at| at as i32);
        let measures =
            self.shown_measures.iter().map(|&at| (self.def.dimensions.len() + at) as i32);
        let columns: Vec<(usize, i32)> = dimensions.chain(measures).enumerate().collect();
        let mut order: Vec<(usize, i32)> = Vec::new();
        for wanted in &self.def.inter_column_sort {
            if let Some(found) = columns.iter().find(|(_, number)| number == wanted)
                && !order.contains(found)
            {
                order.push(*found);
            }
        }
        for column in columns {
            if !order.contains(&column) {
                order.push(column);
            }
        }
        order
    }

    /// The place of each code of a dimension in its order. Null, the rest and totals stand last, in this order.
    pub(super) fn dimension_ranks(&mut self, dimension: usize) -> Vec<u32> {
        let def = self.dimension_def(dimension);
        let formula = match &self.prepared.dimensions[self.shown_dimensions[dimension]] {
            Ok(prepared) => prepared.sort_expression.as_ref(),
            Err(_) => None,
        };
        let len = self.null_of(dimension);
        let codes: Vec<u32> = (0..len).collect();
        let by_expression = formula
            .and_then(|formula| self.evaluation.column_of(formula, &[dimension], &codes).ok());
        let own = &self.evaluation.dimensions[dimension];
        let mut ranks = ranks_of(own, &self.view, &def.sort, by_expression.as_ref(), def.reverse);
        let special = self.specials[dimension];
        ranks.resize(special.total as usize + 1, 0);
        ranks[special.null as usize] = len;
        ranks[special.rest as usize] = len + 1;
        ranks[special.total as usize] = len + 2;
        ranks
    }

    /// Orders the first dimension by its total of the first measure.
    pub(super) fn rank_by_total(&mut self) {
        let Some(measure) = self.measure(0) else { return };
        if self.width() == 0 {
            return;
        }
        let null = self.null_of(0);
        let codes: Vec<u32> = (0..=null).collect();
        let Ok(column) = self.evaluation.column_of(&measure.formula, &[0], &codes) else { return };
        let sign = self.def.sort_by_measure;
        let mut order = codes;
        order.sort_by(|&left, &right| {
            let (left_number, right_number) =
                (column.numbers[left as usize], column.numbers[right as usize]);
            nan_last(left_number, right_number, sign < 0)
                .then(self.ranks[0][left as usize].cmp(&self.ranks[0][right as usize]))
        });
        for (place, code) in order.into_iter().enumerate() {
            self.ranks[0][code as usize] = place as u32;
        }
    }
}

enum SortKey<'a> {
    Dimension { ranks: &'a [u32], place: usize },
    Measure { column: &'a Column, def: &'a MeasureDef },
}

impl SortKey<'_> {
    fn compare(&self, codes: &[u32], width: usize, left: usize, right: usize) -> Ordering {
        match self {
            SortKey::Dimension { ranks, place } => {
                let rank = |row: usize| ranks[codes[row * width + place] as usize];
                rank(left).cmp(&rank(right))
            }
            SortKey::Measure { column, def } => compare_measures(column, def, left, right),
        }
    }
}

fn compare_measures(column: &Column, def: &MeasureDef, left: usize, right: usize) -> Ordering {
    let sort = &def.sort;
    let (by_numeric, by_ascii) = match (sort.by_numeric, sort.by_ascii) {
        (0, 0) if sort.by_load_order != 0 => return Ordering::Equal,
        (0, 0) => (-1, 0),
        chosen => chosen,
    };
    let mut order = Ordering::Equal;
    if by_numeric != 0 {
        order =
            nan_last(column.numbers[left], column.numbers[right], (by_numeric < 0) != def.reverse);
    }
    if by_ascii != 0 && order.is_eq() {
        let by_text = collate(&column.get(left).text(), &column.get(right).text());
        order = if (by_ascii < 0) != def.reverse { by_text.reverse() } else { by_text };
    }
    order
}

/// Numbers up or down; what is none stands last either way.
pub(super) fn nan_last(left: f64, right: f64, descending: bool) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (false, false) if descending => compare_numbers(right, left),
        (false, false) => compare_numbers(left, right),
        (left, right) => left.cmp(&right),
    }
}

/// The place of each code in the order of the criteria.
pub(crate) fn ranks_of(
    dimension: &Dimension,
    view: &View,
    sort: &SortCriteria,
    by_expression: Option<&Column>,
    reverse: bool,
) -> Vec<u32> {
    let values = dimension.dictionary(view.model());
    let len = values.len();
    let states = if sort.by_state != 0 || sort.by_greyness != 0 {
        dimension.states(view)
    } else {
        Vec::new()
    };
    let frequencies =
        if sort.by_frequency != 0 { frequencies(dimension, view) } else { Vec::new() };
    let ranks = (sort.by_numeric != 0 || sort.by_ascii != 0).then(|| values.ranks());
    let signed = |order: Ordering, sign: i8| if sign < 0 { order.reverse() } else { order };
    let compare = |left: &u32, right: &u32| {
        let (left, right) = (*left as usize, *right as usize);
        let mut order = Ordering::Equal;
        if sort.by_state != 0 {
            order = order.then_with(|| {
                signed(states[left].rank().cmp(&states[right].rank()), sort.by_state)
            });
        }
        if sort.by_greyness != 0 {
            let grey = |at: usize| !states[at].is_possible();
            order = order.then_with(|| signed(grey(left).cmp(&grey(right)), sort.by_greyness));
        }
        if let Some(column) = by_expression.filter(|_| sort.by_expression != 0) {
            let descending = sort.by_expression < 0;
            order = order.then_with(|| match (column.get(left), column.get(right)) {
                (Value::Text(left), Value::Text(right)) => {
                    signed(collate(&left, &right), sort.by_expression)
                }
                _ => nan_last(column.numbers[left], column.numbers[right], descending),
            });
        }
        if sort.by_frequency != 0 {
            order = order.then_with(|| {
                signed(frequencies[left].cmp(&frequencies[right]), sort.by_frequency)
            });
        }
        if let Some(ranks) = ranks {
            if sort.by_numeric != 0 {
                order = order.then_with(|| {
                    signed(ranks.numeric[left].cmp(&ranks.numeric[right]), sort.by_numeric)
                });
            }
            if sort.by_ascii != 0 {
                order = order
                    .then_with(|| signed(ranks.text[left].cmp(&ranks.text[right]), sort.by_ascii));
            }
        }
        order.then_with(|| signed(left.cmp(&right), sort.by_load_order))
    };
    let mut codes: Vec<u32> = (0..len as u32).collect();
    codes.sort_unstable_by(compare);
    if reverse {
        codes.reverse();
    }
    let mut places = vec![0; len];
    for (place, code) in codes.into_iter().enumerate() {
        places[code as usize] = place as u32;
    }
    places
}

/// Possible rows by code.
pub(crate) fn frequencies(dimension: &Dimension, view: &View) -> Vec<u32> {
    match &dimension.base {
        Base::Field(field) => view.frequencies(*field).to_vec(),
        Base::Mapped { field, map } => {
            let mut counts = vec![0; dimension.dictionary(view.model()).len()];
            for (element, count) in view.frequencies(*field).iter().enumerate() {
                if let Some(slot) = counts.get_mut(map[element] as usize) {
                    *slot += count;
                }
            }
            counts
        }
        Base::Rows { table, codes } => {
            let mut counts = vec![0; dimension.dictionary(view.model()).len() + 1];
            let rows = crate::view::PossibleRows::rows(view, *table);
            for row in 0..codes.len() {
                if rows.is_none_or(|rows| rows.contains(row)) {
                    counts[codes.get(row) as usize] += 1;
                }
            }
            counts.pop();
            counts
        }
    }
}

pub(crate) fn indicator(sort: &SortCriteria, reverse: bool) -> SortIndicator {
    let criteria = [
        sort.by_state,
        sort.by_greyness,
        sort.by_expression,
        sort.by_frequency,
        sort.by_numeric,
        sort.by_ascii,
        sort.by_load_order,
    ];
    // State and greyness say nothing about the values when something else decides too.
    let deciding = criteria[2..].iter().chain(&criteria[..2]).find(|sign| **sign != 0);
    match deciding {
        None if reverse => SortIndicator::Descending,
        None => SortIndicator::None,
        Some(sign) if (*sign < 0) != reverse => SortIndicator::Descending,
        Some(_) => SortIndicator::Ascending,
    }
}

pub(super) fn measure_indicator(def: &MeasureDef) -> SortIndicator {
    match (def.sort.by_numeric, def.sort.by_ascii) {
        (0, 0) if def.reverse => SortIndicator::Ascending,
        (0, 0) => SortIndicator::Descending,
        _ => indicator(&def.sort, def.reverse),
    }
}
