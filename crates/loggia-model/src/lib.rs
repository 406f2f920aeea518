//! Ids, names, callers and entity records: the words every Loggia crate shares.
//!
//! Nothing here decides anything: rules, licences and storage live in crates of their own.
//! Read [`Caller`] first, then [`entity`].

pub mod caller;
pub mod directory;
pub mod entity;
pub mod entrance;
pub mod id;
pub mod moment;
pub mod name;

pub use caller::{
    Caller, Environment, InternalAccount, PARALLEL_SESSIONS, Principal, RequestContext, SessionEnd,
};
pub use id::{
    AppId, DeviceHash, IdError, NodeId, ObjectId, PoolId, ProxyServiceId, RuleId, SessionId,
    StreamId, UserDirectoryId, UserId, VirtualProxyId, VisitorId,
};
pub use moment::Moment;
pub use name::{Prefix, PrefixError, UserKey, UserKeyError};
