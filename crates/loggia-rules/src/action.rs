//! What can be done to a resource: thirteen actions, each one bit of a rule's mask.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};
use std::str::FromStr;

use thiserror::Error;

use crate::problem::closest;

/// One action (`spec/access.md` §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Action {
    /// Licence rules read this bit as *allow access*, load-balancing rules as *load balancing*.
    Create = 1,
    Read = 2,
    Update = 4,
    Delete = 8,
    Export = 16,
    Publish = 32,
    ChangeOwner = 64,
    ChangeRole = 128,
    ExportData = 256,
    AccessOffline = 512,
    Distribute = 1024,
    Duplicate = 2048,
    Approve = 4096,
}

/// A set of [`Action`]s.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Actions(u32);

/// A word that names no action.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is no action{}", suggestion.map(|s| format!("; did you mean {s:?}?")).unwrap_or_default())]
pub struct UnknownAction {
    pub text: String,
    pub suggestion: Option<&'static str>,
}

impl Action {
    /// Every action, lowest bit first.
    pub const ALL: [Action; 13] = [
        Action::Create,
        Action::Read,
        Action::Update,
        Action::Delete,
        Action::Export,
        Action::Publish,
        Action::ChangeOwner,
        Action::ChangeRole,
        Action::ExportData,
        Action::AccessOffline,
        Action::Distribute,
        Action::Duplicate,
        Action::Approve,
    ];

    /// The action's bit in a rule's mask.
    #[must_use]
    pub const fn bit(self) -> u32 {
        self as u32
    }

    /// The name that `HasPrivilege` and the `privileges` lists of the REST interface use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Read => "read",
            Action::Update => "update",
            Action::Delete => "delete",
            Action::Export => "export",
            Action::Publish => "publish",
            Action::ChangeOwner => "changeowner",
            Action::ChangeRole => "changerole",
            Action::ExportData => "exportdata",
            Action::AccessOffline => "offlineaccess",
            Action::Distribute => "distribute",
            Action::Duplicate => "duplicate",
            Action::Approve => "approve",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    /// Reads a privilege name without letter case.
    fn from_str(text: &str) -> Result<Action, UnknownAction> {
        match Action::ALL.into_iter().find(|action| action.name().eq_ignore_ascii_case(text)) {
            Some(action) => Ok(action),
            None => Err(UnknownAction {
                text: text.to_owned(),
                suggestion: closest(text, Action::ALL.into_iter().map(Action::name)),
            }),
        }
    }
}

impl Actions {
    pub const NONE: Actions = Actions(0);
    pub const CREATE: Actions = Actions(Action::Create as u32);
    pub const READ: Actions = Actions(Action::Read as u32);
    pub const UPDATE: Actions = Actions(Action::Update as u32);
    pub const DELETE: Actions = Actions(Action::Delete as u32);
    pub const EXPORT: Actions = Actions(Action::Export as u32);
    pub const PUBLISH: Actions = Actions(Action::Publish as u32);
    pub const CHANGE_OWNER: Actions = Actions(Action::ChangeOwner as u32);
    pub const CHANGE_ROLE: Actions = Actions(Action::ChangeRole as u32);
    pub const EXPORT_DATA: Actions = Actions(Action::ExportData as u32);
    pub const ACCESS_OFFLINE: Actions = Actions(Action::AccessOffline as u32);
    pub const DISTRIBUTE: Actions = Actions(Action::Distribute as u32);
    pub const DUPLICATE: Actions = Actions(Action::Duplicate as u32);
    pub const APPROVE: Actions = Actions(Action::Approve as u32);
    pub const ALL: Actions = Actions(8191);

    /// The set with exactly these bits; none when a bit belongs to no action.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Actions> {
        if bits & !Actions::ALL.0 == 0 { Some(Actions(bits)) } else { None }
    }

    /// The bits as a rule stores them.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether the two sets share an action.
    #[must_use]
    pub const fn intersects(self, other: Actions) -> bool {
        self.0 & other.0 != 0
    }

    /// The union, usable in constants.
    #[must_use]
    pub const fn and(self, other: Actions) -> Actions {
        Actions(self.0 | other.0)
    }

    /// The actions in it, lowest bit first.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |&action| self.contains(action))
    }

    /// The privilege names in it, as REST answers carry them.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Action::name).collect()
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Actions {
        Actions(action.bit())
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<T: IntoIterator<Item = Action>>(actions: T) -> Actions {
        actions.into_iter().fold(Actions::NONE, |set, action| set | action.into())
    }
}

impl BitAnd for Actions {
    type Output = Actions;

    fn bitand(self, other: Actions) -> Actions {
        Actions(self.0 & other.0)
    }
}

impl BitOr for Actions {
    type Output = Actions;

    fn bitor(self, other: Actions) -> Actions {
        self.and(other)
    }
}

impl BitOrAssign for Actions {
    fn bitor_assign(&mut self, other: Actions) {
        self.0 |= other.0;
    }
}

impl Sub for Actions {
    type Output = Actions;

    fn sub(self, other: Actions) -> Actions {
        Actions(self.0 & !other.0)
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() { f.write_str("none") } else { f.write_str(&self.names().join("+")) }
    }
}
