//! Limits: values beyond them become one group, computed anew from its rows.

use std::sync::Arc;

use hashbrown::HashMap;

use super::order::nan_last;
use super::{Builder, label};
use crate::calculator::body::Special;
use crate::calculator::column::Values;
use crate::calculator::dimension::{Base, Dimension};
use crate::calculator::evaluation::{Evaluation, Merged};
use crate::calculator::formula::Formula;
use crate::cube::{CubeError, LimitMode, Mode, OtherDef, OtherRule};
use crate::model::FieldValues;
use crate::value::Value;

impl<'a> Builder<'a> {
    /// Puts the values beyond each dimension's limit together, and computes the measures again for what became of them.
    pub(super) fn collect_others(&mut self) -> Result<(), CubeError> {
        let limited: Vec<usize> = (0..self.width())
            .filter(|&dimension| self.dimension_def(dimension).other.is_some())
            .collect();
        if limited.is_empty() || self.columns.is_empty() || self.def.mode == Mode::Pivot {
            return Ok(());
        }
        let original = self.codes.clone();
        let mut dropped = vec![false; self.groups.len()];
        for dimension in limited {
            if let Some(other) = &self.dimension_def(dimension).other {
                self.limit(dimension, other, &original, &mut dropped);
            }
        }
        // Rows with the same codes are one row now.
        let width = self.width();
        let mut numbers: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut merged_codes = Vec::new();
        let largest = self.groups.iter().copied().max().map_or(0, |group| group as usize + 1);
        let mut map = vec![u32::MAX; largest];
        for row in 0..self.groups.len() {
            if dropped[row] {
                continue;
            }
            let next = numbers.len() as u32;
            let codes = &self.codes[row * width..(row + 1) * width];
            let number = match numbers.get(codes) {
                Some(number) => *number,
                None => {
                    merged_codes.extend_from_slice(codes);
                    *numbers.entry(codes.to_vec()).or_insert(next)
                }
            };
            map[self.groups[row] as usize] = number;
        }
        // What is not shown is computed into a last group that nobody asks for.
        let len = numbers.len();
        map.iter_mut().for_each(|number| *number = (*number).min(len as u32));
        let full = self.evaluation.grouping(&self.evaluation.all_dimensions()).len();
        map.resize(full.max(largest), len as u32);
        self.evaluation.merge(Merged { map, len: len + 1 });
        self.groups = (0..len as u32).collect();
        self.codes = merged_codes;
        self.compute_measures()
    }

    /// Gives the rows beyond one dimension's limit the code of the rest.
    pub(super) fn limit(
        &mut self,
        dimension: usize,
        other: &OtherDef,
        original: &[u32],
        dropped: &mut [bool],
    ) {
        let width = self.width();
        let rest = self.specials[dimension].rest;
        let levels: Vec<usize> =
            if other.is_global { vec![dimension] } else { (0..=dimension).collect() };
        let Some((formula, limit)) = self.ranking(dimension, other) else { return };
        // The values of the dimension within each combination of the outer ones.
        let mut values: Vec<Vec<u32>> = (0..self.groups.len())
            .map(|row| levels.iter().map(|&level| original[row * width + level]).collect())
            .collect();
        values.sort_unstable();
        values.dedup();
        let flat: Vec<u32> = values.iter().flatten().copied().collect();
        let Ok(column) = self.evaluation.column_of(formula, &levels, &flat) else { return };
        let mut kept: hashbrown::HashSet<&[u32]> = hashbrown::HashSet::new();
        let mut start = 0;
        for part in
            values.chunk_by(|left, right| left[..left.len() - 1] == right[..right.len() - 1])
        {
            let numbers: Vec<f64> =
                (start..start + part.len()).map(|at| column.numbers[at]).collect();
            start += part.len();
            for at in within_limit(other, limit, &numbers) {
                kept.insert(&part[at]);
            }
        }
        for row in 0..self.groups.len() {
            let key: Vec<u32> = levels.iter().map(|&level| original[row * width + level]).collect();
            if kept.contains(&key[..]) {
                continue;
            }
            self.has_others = true;
            dropped[row] |= other.suppress_other;
            self.codes[row * width + dimension] = rest;
            if other.collapse_inner {
                for inner in dimension + 1..width {
                    self.codes[row * width + inner] = self.specials[inner].rest;
                }
            }
        }
    }

    /// In a pivot every header is limited by its own totals: its values beyond the limit become one value before
    /// anything is computed, so that all subtotals see it.
    pub(super) fn collect_pivot_others(&mut self) {
        if self.def.mode != Mode::Pivot {
            return;
        }
        for dimension in 0..self.width() {
            let Some(other) = &self.dimension_def(dimension).other else { continue };
            let Some((formula, limit)) = self.ranking(dimension, other) else { continue };
            let own = self.evaluation.dimensions[dimension].clone();
            let field = match own.plain_field() {
                Some(field) => field,
                None => continue,
            };
            let values = own.dictionary(self.model());
            let possible: Vec<u32> = self.view.states(field).possible().members();
            let Ok(column) = self.evaluation.column_of(formula, &[dimension], &possible) else {
                continue;
            };
            let kept = within_limit(other, limit, &column.numbers);
            if kept.len() == possible.len() {
                continue;
            }
            let rest = values.null();
            let mut map = vec![rest; values.len() + 1];
            kept.iter().for_each(|&at| map[possible[at] as usize] = possible[at]);
            map[values.len()] = rest + 1;
            let label = label(
                self.calculator,
                self.context,
                &self.dimension_def(dimension).other_label,
                "Others",
            );
            let texts = values.values.iter().cloned().chain([Value::Text(label)]).collect();
            self.specials[dimension] = Special { null: rest + 1, rest, total: rest + 2 };
            self.has_others = true;
            let mut dimensions = self.evaluation.dimensions.clone();
            dimensions[dimension] = Dimension {
                base: Base::Mapped { field, map: map.into() },
                values: Values::Own(Arc::new(FieldValues::new(texts))),
            };
            // What was grouped so far was grouped by other codes.
            let mut fresh =
                Evaluation::new(self.calculator, self.context, self.evaluation.environment);
            fresh.default_set.clone_from(&self.evaluation.default_set);
            fresh.dimensions = dimensions;
            self.evaluation = fresh;
        }
    }

    /// What a limited dimension is ranked by, and the limit.
    pub(super) fn ranking(&self, dimension: usize, other: &OtherDef) -> Option<(&'a Formula, f64)> {
        let own = self.prepared.dimensions[self.shown_dimensions[dimension]].as_ref().ok()?;
        let formula = match &own.ranking {
            Some(formula) => formula,
            None if self.shown_measures.is_empty() => return None,
            None => &self.measure(0)?.formula,
        };
        let limit = self.calculator.evaluate(self.context, &other.limit).ok()?.number()?;
        Some((formula, limit))
    }
}

/// Places of the values that are shown by themselves.
fn within_limit(other: &OtherDef, limit: f64, numbers: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    let lowest_first = other.order > 0 || (other.rule == OtherRule::Counted && limit < 0.0);
    order.sort_by(|&left, &right| {
        nan_last(numbers[left], numbers[right], !lowest_first).then(left.cmp(&right))
    });
    let total: f64 = numbers.iter().filter(|number| !number.is_nan()).sum();
    let holds = |number: f64, limit: f64| match other.limit_mode {
        LimitMode::GreaterEqual => number >= limit,
        LimitMode::LessEqual => number <= limit,
        LimitMode::Greater => number > limit,
        LimitMode::Less => number < limit,
    };
    let reaching = |target: f64| {
        let mut sum = 0.0;
        let mut kept = Vec::new();
        for &at in &order {
            if sum >= target || numbers[at].is_nan() {
                break;
            }
            sum += numbers[at];
            kept.push(at);
        }
        kept
    };
    match other.rule {
        OtherRule::Counted => {
            order.truncate(limit.abs() as usize);
            order
        }
        OtherRule::AbsoluteLimit => {
            order.into_iter().filter(|&at| holds(numbers[at], limit)).collect()
        }
        OtherRule::RelativeLimit => {
            order.into_iter().filter(|&at| holds(numbers[at], limit * total)).collect()
        }
        OtherRule::AbsoluteTarget => reaching(limit),
        OtherRule::RelativeTarget => reaching(limit * total),
    }
}
