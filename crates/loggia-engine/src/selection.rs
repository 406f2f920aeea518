//! What has a person selected? [`Selections`] is a value: every change makes a new one, so that back, forward and
//! shared results need nothing but keeping the old ones.
//!
//! Changes that must know what is possible (picks, mass selections) are methods of
//! [`Calculator`](crate::calculator::Calculator).

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::model::{DataModel, FieldId};

/// The name of the state that exists without being made.
pub const DEFAULT_STATE: &str = "$";

/// The selections of all states. Two are equal when they select and lock the same, in whatever order it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selections {
    /// States without selections are left out.
    states: BTreeMap<Arc<str>, BTreeMap<FieldId, FieldSelection>>,
}

/// What is selected in one field.
#[derive(Clone, Debug)]
pub struct FieldSelection {
    elements: Arc<[u32]>,
    is_locked: bool,
    /// Grows with every field selected, so that the selections bar can list them in order.
    order: u32,
}

impl FieldSelection {
    /// The selected elements, ascending. Empty means that no value is allowed, which only sets can express.
    pub fn elements(&self) -> &[u32] {
        &self.elements
    }

    pub fn is_locked(&self) -> bool {
        self.is_locked
    }

    pub fn contains(&self, element: u32) -> bool {
        self.elements.binary_search(&element).is_ok()
    }

    fn identity(&self) -> (&[u32], bool) {
        (&self.elements, self.is_locked)
    }
}

impl PartialEq for FieldSelection {
    fn eq(&self, other: &FieldSelection) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for FieldSelection {}

impl PartialOrd for FieldSelection {
    fn partial_cmp(&self, other: &FieldSelection) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FieldSelection {
    fn cmp(&self, other: &FieldSelection) -> std::cmp::Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for FieldSelection {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.identity().hash(hasher);
    }
}

/// How a pick meets what is selected already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The picked values become the selection; none clears the field.
    Replace,
    /// Each picked value changes sides.
    Toggle,
}

/// Which values a mass selection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mass {
    All,
    Possible,
    Alternative,
    Excluded,
}

/// Whether a change may touch a locked field; the lock itself stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    Respect,
    /// The wire's soft lock.
    Override,
}

/// Why a selection was not made; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    #[error("the field is locked")]
    Locked,
    #[error("the field has none of these values")]
    NoSuchValue,
    #[error("there is no value to select")]
    Nothing,
    #[error("this dimension cannot be selected in")]
    NotSelectable,
}

impl Selections {
    pub fn new() -> Selections {
        Selections::default()
    }

    /// Whether nothing is selected in any state.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// What is selected in a field; the empty state name is the default state.
    pub fn field(&self, state: &str, field: FieldId) -> Option<&FieldSelection> {
        self.states.get(state_name(state))?.get(&field)
    }

    pub fn is_locked(&self, state: &str, field: FieldId) -> bool {
        self.field(state, field).is_some_and(FieldSelection::is_locked)
    }

    /// The selected fields of a state, by field.
    pub fn fields(&self, state: &str) -> impl Iterator<Item = (FieldId, &FieldSelection)> {
        self.states
            .get(state_name(state))
            .into_iter()
            .flatten()
            .map(|(field, selection)| (*field, selection))
    }

    /// The selected fields of a state, in the order in which they were first selected.
    pub fn in_order(&self, state: &str) -> Vec<(FieldId, &FieldSelection)> {
        let mut fields: Vec<_> = self.fields(state).collect();
        fields.sort_by_key(|(_, selection)| selection.order);
        fields
    }

    /// The states in which something is selected.
    pub fn states(&self) -> impl Iterator<Item = &Arc<str>> {
        self.states.keys()
    }

    /// Sets a field's selection as it is, whatever is possible: for bookmarks and restored sessions. No elements
    /// clear it. A lock stays.
    #[must_use]
    pub fn with(&self, state: &str, field: FieldId, elements: &[u32]) -> Selections {
        if elements.is_empty() {
            self.without(state, field)
        } else {
            self.with_exactly(state, field, elements)
        }
    }

    /// As [`Selections::with`], but no elements mean that no value is allowed.
    #[must_use]
    pub(crate) fn with_exactly(&self, state: &str, field: FieldId, elements: &[u32]) -> Selections {
        let mut elements = elements.to_vec();
        elements.sort_unstable();
        elements.dedup();
        let mut changed = self.clone();
        let fields = changed.states.entry(state_name(state).into()).or_default();
        let order = match fields.get(&field) {
            Some(selection) => selection.order,
            None => fields.values().map(|selection| selection.order + 1).max().unwrap_or(0),
        };
        let is_locked = fields.get(&field).is_some_and(FieldSelection::is_locked);
        fields.insert(field, FieldSelection { elements: elements.into(), is_locked, order });
        changed
    }

    /// Clears a field, locked or not.
    #[must_use]
    pub fn without(&self, state: &str, field: FieldId) -> Selections {
        let mut changed = self.clone();
        let name = state_name(state);
        if let Some(fields) = changed.states.get_mut(name) {
            fields.remove(&field);
            if fields.is_empty() {
                changed.states.remove(name);
            }
        }
        changed
    }

    /// Clears a field unless it is locked.
    pub fn cleared(
        &self,
        state: &str,
        field: FieldId,
        locks: Locks,
    ) -> Result<Selections, SelectError> {
        if locks == Locks::Respect && self.is_locked(state, field) {
            return Err(SelectError::Locked);
        }
        Ok(self.without(state, field))
    }

    /// Clears every field of a state; with [`Locks::Respect`] locked ones stay.
    #[must_use]
    pub fn all_cleared(&self, state: &str, locks: Locks) -> Selections {
        let mut changed = self.clone();
        let name = state_name(state);
        if let Some(fields) = changed.states.get_mut(name) {
            fields.retain(|_, selection| locks == Locks::Respect && selection.is_locked);
            if fields.is_empty() {
                changed.states.remove(name);
            }
        }
        changed
    }

    /// Clears every field of a state but one.
    #[must_use]
    pub fn others_cleared(&self, state: &str, field: FieldId, locks: Locks) -> Selections {
        let mut changed = self.all_cleared(state, locks);
        if let Some(kept) = self.field(state, field) {
            changed.states.entry(state_name(state).into()).or_default().insert(field, kept.clone());
        }
        changed
    }

    /// Locks what is selected in a field.
    pub fn locked(&self, state: &str, field: FieldId) -> Result<Selections, SelectError> {
        self.set_lock(state, field, true)
    }

    pub fn unlocked(&self, state: &str, field: FieldId) -> Result<Selections, SelectError> {
        self.set_lock(state, field, false)
    }

    /// Locks or unlocks everything selected in a state.
    #[must_use]
    pub fn all_locked(&self, state: &str, is_locked: bool) -> Selections {
        let mut changed = self.clone();
        if let Some(fields) = changed.states.get_mut(state_name(state)) {
            fields.values_mut().for_each(|selection| selection.is_locked = is_locked);
        }
        changed
    }

    /// Forgets a state and what is selected in it.
    #[must_use]
    pub fn without_state(&self, state: &str) -> Selections {
        let mut changed = self.clone();
        changed.states.remove(state_name(state));
        changed
    }

    /// A state with the selections of another.
    #[must_use]
    pub fn with_state_copied(&self, from: &str, to: &str) -> Selections {
        let mut changed = self.without_state(to);
        if let Some(fields) = self.states.get(state_name(from)) {
            changed.states.insert(state_name(to).into(), fields.clone());
        }
        changed
    }

    /// The same values selected after a reload: what no longer exists is dropped.
    #[must_use]
    pub fn carried_over(&self, from: &DataModel, to: &DataModel) -> Selections {
        let mut carried = Selections::new();
        for state in self.states.keys() {
            for (field, selection) in self.in_order(state) {
                let Some(new_field) = to.field(&from.field_info(field).name) else {
                    continue;
                };
                let elements: Vec<u32> = selection
                    .elements
                    .iter()
                    .filter_map(|&element| to.element(new_field, from.value(field, element)))
                    .collect();
                if elements.is_empty() {
                    continue;
                }
                carried = carried.with(state, new_field, &elements);
                if selection.is_locked {
                    carried = carried.set_lock(state, new_field, true).unwrap_or(carried);
                }
            }
        }
        carried
    }

    /// Only one state's selections, as the default state: what a computation in that state depends on.
    #[must_use]
    pub(crate) fn only(&self, state: &str) -> Selections {
        let mut only = Selections::new();
        if let Some(fields) = self.states.get(state_name(state)) {
            only.states.insert(DEFAULT_STATE.into(), fields.clone());
        }
        only
    }

    fn set_lock(
        &self,
        state: &str,
        field: FieldId,
        is_locked: bool,
    ) -> Result<Selections, SelectError> {
        let mut changed = self.clone();
        let selection =
            changed.states.get_mut(state_name(state)).and_then(|fields| fields.get_mut(&field));
        match selection {
            Some(selection) => {
                selection.is_locked = is_locked;
                Ok(changed)
            }
            None => Err(SelectError::Nothing),
        }
    }
}

/// The wire writes the default state as nothing too.
fn state_name(state: &str) -> &str {
    if state.is_empty() { DEFAULT_STATE } else { state }
}
