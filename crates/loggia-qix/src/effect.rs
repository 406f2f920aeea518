//! What a request changed, in terms of the document; each socket then reads off which of its own
//! handles that makes stale.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::handle::Target;

/// The consequences of one request or outside event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Things whose own properties or state changed.
    pub(crate) targets: BTreeSet<Target>,
    /// Selections changed.
    pub(crate) selections: bool,
    /// The steps between selections changed, and with them only the selections bar.
    pub(crate) steps: bool,
    /// Variables, library items or data changed: whatever computes may differ.
    pub(crate) data: bool,
    /// Objects, dimensions, measures, variables or bookmarks came, went or changed.
    pub(crate) items: bool,
    /// Objects whose children came, went or changed.
    pub(crate) parents: BTreeSet<Arc<str>>,
    /// The app's own layout changed.
    pub(crate) app: bool,
    /// Things that are no more.
    pub(crate) closed: BTreeSet<Target>,
}

impl Effects {
    /// Nothing at all.
    pub(crate) fn none() -> Effects {
        Effects::default()
    }

    /// `target` alone.
    pub(crate) fn of(target: Target) -> Effects {
        Effects { targets: BTreeSet::from([target]), ..Effects::default() }
    }

    /// A new state of the selections.
    pub(crate) fn of_selections() -> Effects {
        Effects { selections: true, ..Effects::default() }
    }

    /// New data: nothing that was computed before holds.
    pub(crate) fn of_reload() -> Effects {
        Effects { selections: true, data: true, items: true, app: true, ..Effects::default() }
    }

    /// Both.
    pub(crate) fn and(mut self, other: Effects) -> Effects {
        self.targets.extend(other.targets);
        self.parents.extend(other.parents);
        self.closed.extend(other.closed);
        self.selections |= other.selections;
        self.steps |= other.steps;
        self.data |= other.data;
        self.items |= other.items;
        self.app |= other.app;
        self
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Effects::default()
    }
}
