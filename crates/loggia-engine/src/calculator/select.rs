//! Picks and mass selections: the changes that must know what is possible.

use super::Calculator;
use crate::bitmap::Bitmap;
use crate::model::FieldId;
use crate::selection::{Locks, Mass, Pick, SelectError, Selections};
use crate::view::State;

impl Calculator {
    /// Picks values. An excluded value may be picked and wins: unlocked selections in other fields under which it is
    /// impossible give way, the most recent ones last. Unknown elements are passed over unless all are unknown.
    pub fn select(
        &self,
        selections: &Selections,
        state: &str,
        field: FieldId,
        elements: &[u32],
        pick: Pick,
        locks: Locks,
    ) -> Result<Selections, SelectError> {
        let cardinality = self.model.values(field).len();
        if !elements.is_empty() && elements.iter().all(|&element| element as usize >= cardinality) {
            return Err(SelectError::NoSuchValue);
        }
        let picked = Bitmap::from_members(cardinality, elements);
        let current = selected(selections, state, field, cardinality);
        let mut wanted = picked.clone();
        if pick == Pick::Toggle {
            wanted.toggle(&current);
        }
        // What is new wins; picking anew what was selected but excluded means that it shall win now.
        let mut winners = wanted.clone();
        winners.subtract(&current);
        if winners.is_empty() && pick == Pick::Replace {
            winners.clone_from(&wanted);
        }
        self.settle(selections, state, field, &wanted, &winners, locks)
    }

    /// Picks all values of a kind.
    pub fn select_mass(
        &self,
        selections: &Selections,
        state: &str,
        field: FieldId,
        mass: Mass,
        locks: Locks,
    ) -> Result<Selections, SelectError> {
        let states = self.view(selections, state).states(field).clone();
        let cardinality = self.model.values(field).len();
        let those = |wanted: &[State]| {
            Bitmap::from_fn(cardinality, |element| wanted.contains(&states.of(element as u32)))
        };
        let nothing = Bitmap::none(cardinality);
        let alternative = those(&[State::Alternative]);
        let (wanted, winners) = match mass {
            Mass::All => (Bitmap::all(cardinality), nothing),
            Mass::Possible => (those(&[State::Optional, State::Selected, State::Locked]), nothing),
            Mass::Alternative => (alternative, nothing),
            Mass::Excluded if !alternative.is_empty() => {
                (those(&[State::Alternative, State::Excluded]), nothing)
            }
            Mass::Excluded => {
                let excluded = those(&[State::Excluded]);
                (excluded.clone(), excluded)
            }
        };
        if wanted.is_empty() {
            return Err(SelectError::Nothing);
        }
        self.settle(selections, state, field, &wanted, &winners, locks)
    }

    /// The selections with a field set to what is wanted, and without those that make a winner impossible.
    fn settle(
        &self,
        selections: &Selections,
        state: &str,
        field: FieldId,
        wanted: &Bitmap,
        winners: &Bitmap,
        locks: Locks,
    ) -> Result<Selections, SelectError> {
        if locks == Locks::Respect && selections.is_locked(state, field) {
            return Err(SelectError::Locked);
        }
        let changed = selections.with(state, field, &wanted.members());
        let impossible = |selections: &Selections, winners: &Bitmap| {
            let states = self.view(selections, state).states(field).clone();
            Bitmap::from_fn(winners.len(), |element| {
                winners.contains(element) && !states.of(element as u32).is_possible()
            })
        };
        let losers = impossible(&changed, winners);
        if losers.is_empty() || wanted.is_empty() {
            return Ok(changed);
        }
        // Start with what cannot give way, then take back the others as far as the winners allow, newest first.
        let others: Vec<FieldId> = changed
            .in_order(state)
            .into_iter()
            .rev()
            .filter(|(other, selection)| *other != field && !selection.is_locked())
            .map(|(other, _)| other)
            .collect();
        let mut kept =
            others.iter().fold(changed.clone(), |kept, other| kept.without(state, *other));
        let still_impossible = impossible(&kept, &losers);
        let mut must_stay = losers;
        must_stay.subtract(&still_impossible);
        if must_stay.is_empty() {
            return Ok(changed);
        }
        let mut dropped = Vec::new();
        for other in others {
            let Some(selection) = changed.field(state, other) else { continue };
            let candidate = kept.with(state, other, selection.elements());
            if impossible(&candidate, &must_stay).is_empty() {
                kept = candidate;
            } else {
                dropped.push(other);
            }
        }
        // Dropping from the original keeps the order in which fields were selected.
        Ok(dropped.iter().fold(changed, |settled, gone| settled.without(state, *gone)))
    }
}

fn selected(selections: &Selections, state: &str, field: FieldId, cardinality: usize) -> Bitmap {
    let elements = selections.field(state, field).map_or(&[][..], |selection| selection.elements());
    Bitmap::from_members(cardinality, elements)
}
