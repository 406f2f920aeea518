//! What a decision reads: the thing asked about, and facts on it and on the requester.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::ResourceKind;

/// A thing that rules decide about.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Entity {
    pub kind: ResourceKind,
    /// None for what is still to be created, and for transient objects.
    pub id: Option<Uuid>,
    /// The whole name of a transient object, such as `QmcSection_App`.
    pub name: Option<Arc<str>>,
}

/// One value of a property.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Text, number, or `true`/`false`.
    Text(Arc<str>),
    /// The other end of a relation.
    Entity(Entity),
}

/// Whose property is read.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    Requester,
    Resource(&'a Entity),
    /// The node that a load-balancing rule is asked about.
    Node,
}

/// What the evaluator reads; implemented over a site snapshot and a caller.
///
/// The evaluator itself answers `id`, `resourcetype`, a transient object's `name` and
/// `environment.context`; implementations need not.
pub trait Facts {
    /// Appends every value of the property `name`: lower case, custom properties as `@name`,
    /// environment attributes as `environment.ip` …; a name that no schema knows is a directory
    /// attribute of a user. Absent means that nothing is appended. Relations (`owner`, `stream`,
    /// `app`, `contentlibrarys`) append [`Fact::Entity`], so paths are followed step by step. They
    /// lead to things of the types that the schema names; where they do not, decisions that ask
    /// about such things are as right, but slower.
    ///
    /// Within one request the same question has the same answer: it may be asked only once.
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>);

    /// The flag that only the proxy sets.
    fn requester_is_anonymous(&self) -> bool;

    /// The requester as a thing of kind `User`, for `resource.owner = user`; none for visitors and
    /// internal accounts, which own nothing.
    fn requester_entity(&self) -> Option<Entity>;

    /// Whether some thing that exists names the requester as its owner. Requesters who own nothing
    /// need not be told apart for rules such as `resource.owner = user`; *yes* is always safe.
    fn requester_owns_anything(&self) -> bool {
        true
    }
}

/// Where a rule is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    Both,
    Hub,
    Console,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestContext {
    Hub,
    Console,
}

impl Entity {
    /// A thing that exists.
    #[must_use]
    pub const fn new(kind: ResourceKind, id: Uuid) -> Entity {
        Entity { kind, id: Some(id), name: None }
    }

    /// A thing that is about to be created. Its properties (owner, app, …) are read as for an
    /// existing one.
    #[must_use]
    pub const fn to_create(kind: ResourceKind) -> Entity {
        Entity { kind, id: None, name: None }
    }

    /// Something without a row, such as `QmcSection_App` or `HubSection_Home`.
    #[must_use]
    pub fn transient(name: impl Into<Arc<str>>) -> Entity {
        Entity { kind: ResourceKind::TransientObject, id: None, name: Some(name.into()) }
    }

    /// Whether the two are the same thing. Things without identity are never known to be.
    #[must_use]
    pub fn is_same(&self, other: &Entity) -> Option<bool> {
        match (self.id, other.id) {
            (Some(one), Some(two)) => Some(self.kind == other.kind && one == two),
            _ => match (&self.name, &other.name) {
                (Some(one), Some(two)) => {
                    Some(self.kind == other.kind && one.eq_ignore_ascii_case(two))
                }
                _ => None,
            },
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.id, &self.name) {
            (Some(id), _) => write!(f, "{}_{id}", self.kind),
            (None, Some(name)) => f.write_str(name),
            (None, None) => write!(f, "a new {}", self.kind),
        }
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Context {
    /// From a stored rule: 0 both, 1 hub, 2 console.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Context> {
        match number {
            0 => Some(Context::Both),
            1 => Some(Context::Hub),
            2 => Some(Context::Console),
            _ => None,
        }
    }

    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Context::Both => 0,
            Context::Hub => 1,
            Context::Console => 2,
        }
    }

    #[must_use]
    pub const fn covers(self, request: RequestContext) -> bool {
        matches!(
            (self, request),
            (Context::Both, _)
                | (Context::Hub, RequestContext::Hub)
                | (Context::Console, RequestContext::Console)
        )
    }
}

impl RequestContext {
    /// What `user.environment.context` reads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RequestContext::Hub => "AppAccess",
            RequestContext::Console => "ManagementAccess",
        }
    }
}
