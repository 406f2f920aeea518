//! Handles: the numbers by which one socket names what it has asked for. They belong to the socket,
//! start at 1 and are never used twice on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::frame::GLOBAL_HANDLE;

/// Most things one socket may hold at a time.
const MAX_HANDLES: usize = 20_000;

/// What a handle stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Target {
    Global,
    Doc,
    Object(Arc<str>),
    Dimension(Arc<str>),
    Measure(Arc<str>),
    Bookmark(Arc<str>),
    Variable(Arc<str>),
    Field { name: Arc<str>, state: Arc<str> },
}

/// The type of a target, which decides what methods it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Global,
    Doc,
    Object,
    Dimension,
    Measure,
    Bookmark,
    Variable,
    Field,
}

/// The handles of one socket.
#[derive(Debug, Default)]
pub(crate) struct HandleTable {
    last: i64,
    targets: BTreeMap<i64, Target>,
    handles: HashMap<Target, i64>,
}

/// The socket holds as many handles as it may.
#[derive(Debug)]
pub(crate) struct TooManyHandles;

impl Target {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Target::Global => Kind::Global,
            Target::Doc => Kind::Doc,
            Target::Object(_) => Kind::Object,
            Target::Dimension(_) => Kind::Dimension,
            Target::Measure(_) => Kind::Measure,
            Target::Bookmark(_) => Kind::Bookmark,
            Target::Variable(_) => Kind::Variable,
            Target::Field { .. } => Kind::Field,
        }
    }

    /// The id of what the handle stands for; the name for a field.
    pub(crate) fn id(&self) -> &str {
        match self {
            Target::Global | Target::Doc => "",
            Target::Object(id)
            | Target::Dimension(id)
            | Target::Measure(id)
            | Target::Bookmark(id)
            | Target::Variable(id) => id,
            Target::Field { name, .. } => name,
        }
    }
}

impl Kind {
    /// The type's name in an object interface.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Kind::Global => "Global",
            Kind::Doc => "Doc",
            Kind::Object => "GenericObject",
            Kind::Dimension => "GenericDimension",
            Kind::Measure => "GenericMeasure",
            Kind::Bookmark => "GenericBookmark",
            Kind::Variable => "GenericVariable",
            Kind::Field => "Field",
        }
    }
}

impl HandleTable {
    /// What `handle` stands for, if it is one of this socket's.
    pub(crate) fn target(&self, handle: i64) -> Option<Target> {
        if handle == GLOBAL_HANDLE {
            return Some(Target::Global);
        }
        self.targets.get(&handle).cloned()
    }

    /// The handle of `target`, a new one when the socket has none yet.
    pub(crate) fn give(&mut self, target: &Target) -> Result<i64, TooManyHandles> {
        if let Some(&handle) = self.handles.get(target) {
            return Ok(handle);
        }
        if self.targets.len() >= MAX_HANDLES {
            return Err(TooManyHandles);
        }
        self.last += 1;
        self.targets.insert(self.last, target.clone());
        self.handles.insert(target.clone(), self.last);
        Ok(self.last)
    }

    /// Forgets `target` and says what its handle was.
    pub(crate) fn close(&mut self, target: &Target) -> Option<i64> {
        let handle = self.handles.remove(target)?;
        self.targets.remove(&handle);
        Some(handle)
    }

    /// Everything the socket holds, in the order it was handed out.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &Target)> {
        self.targets.iter().map(|(&handle, target)| (handle, target))
    }
}

/// An object interface: how an answer hands out a handle.
pub(crate) fn interface(kind: Kind, handle: i64, generic_type: &str, id: &str) -> Value {
    json!({
        "qType": kind.wire(),
        "qHandle": handle,
        "qGenericType": generic_type,
        "qGenericId": id,
    })
}
