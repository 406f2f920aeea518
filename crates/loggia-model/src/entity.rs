//! Entity records as the site snapshot holds them. Field meanings: `spec/access.md` §1.2, §2.2,
//! §3, §4, §5.1.

use serde::{Deserialize, Serialize};

pub use crate::directory::{
    CheckStep, DirectoryKind, DirectoryListing, DirectoryPerson, External, GroupSettings, Hidden,
    SyncOutcome, SyncSchedule, UserDirectory,
};
pub use crate::entrance::{
    AnonymousMode, AttributeMapping, AuthenticationMethod, HeaderSettings, JwtSettings,
    LoadBalancing, OidcSettings, ProxyService, SameSite, SamlSettings, TicketSettings,
    VirtualProxy, VisitorCookie, VisitorRates,
};
use crate::{AppId, Moment, NodeId, ObjectId, PoolId, RuleId, StreamId, UserId, UserKey};

/// What every entity carries beside its own fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub created: Moment,
    pub modified: Moment,
    /// `DIRECTORY\id` of whoever changed it last.
    pub modified_by: String,
}

/// One value of a custom property on an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyValue {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub key: UserKey,
    /// Display name, not unique.
    pub name: String,
    pub roles: Vec<String>,
    /// Directory attributes such as (`group`, `sales`); several rows per type are usual.
    pub attributes: Vec<(String, String)>,
    pub custom_properties: Vec<PropertyValue>,
    pub tags: Vec<String>,
    /// Refused everything; also set when a directory no longer knows the person.
    pub is_inactive: bool,
    /// Signs in, but is refused everything.
    pub is_blocked: bool,
    /// The directory that the person was taken over from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Box<External>>,
    pub stamp: Stamp,
}

impl User {
    /// Whether the directory that the person came from no longer has them.
    #[must_use]
    pub fn is_removed_externally(&self) -> bool {
        self.external.as_ref().is_some_and(|external| external.is_removed)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    pub id: StreamId,
    pub name: String,
    pub owner: UserId,
    pub custom_properties: Vec<PropertyValue>,
    pub tags: Vec<String>,
    pub stamp: Stamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    pub id: AppId,
    pub name: String,
    pub description: String,
    pub owner: UserId,
    /// The stream it is published to; none while it is somebody's work.
    pub stream: Option<StreamId>,
    pub publish_time: Option<Moment>,
    pub last_reload: Option<Moment>,
    /// Size of the reloaded data in bytes.
    pub file_size: u64,
    /// Address of a picture, or empty.
    pub thumbnail: String,
    pub custom_properties: Vec<PropertyValue>,
    pub tags: Vec<String>,
    pub stamp: Stamp,
}

impl App {
    /// True exactly when the app is in a stream.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.stream.is_some()
    }
}

/// What the snapshot knows of an object in an app; its properties stay in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppObject {
    pub id: ObjectId,
    pub app: AppId,
    /// The id that the engine protocol uses, unique within the app.
    pub engine_id: String,
    /// `sheet`, `barchart`, `masterobject`, `bookmark`, `app_appscript` …
    pub object_type: String,
    pub name: String,
    pub description: String,
    pub owner: UserId,
    /// Visible to everybody who may read the app (community or base).
    pub is_published: bool,
    /// Part of the app's base content.
    pub is_approved: bool,
    pub stamp: Stamp,
}

/// The family of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleCategory {
    Security,
    License,
    Sync,
}

/// How firmly a rule belongs to the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleOrigin {
    /// Shipped; editing turns it into `Custom`.
    Default,
    /// Essential: neither edited nor deleted.
    ReadOnly,
    Custom,
}

/// A rule as stored: texts, not yet parsed. `loggia-rules` compiles it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemRule {
    pub id: RuleId,
    pub category: RuleCategory,
    pub origin: RuleOrigin,
    pub name: String,
    pub comment: String,
    /// Condition text; empty means always.
    pub condition: String,
    pub resource_filter: String,
    /// Bit mask of `spec/access.md` §5.2.
    pub actions: u32,
    /// 0 both, 1 hub, 2 console.
    pub context: u8,
    /// A forbidding rule wins over every granting one (`design.md` D4).
    pub is_forbidding: bool,
    pub is_disabled: bool,
    /// Identity of a shipped rule across upgrades.
    pub seed: Option<String>,
    pub tags: Vec<String>,
    pub stamp: Stamp,
}

/// What a pool hands out (`spec/access.md` §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PoolKind {
    /// Seats of named people.
    Professional,
    Analyzer,
    UserAccess,
    /// Passes of 60 minutes, to anybody the rule admits.
    LoginAccess,
    /// Units of six minutes, to anybody the rule admits.
    AnalyzerCapacity,
}

/// A licence pool: the operator's own capacity (`design.md` D5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicencePool {
    pub id: PoolId,
    pub name: String,
    pub kind: PoolKind,
    /// Seats, passes, or minutes per calendar month; none is unlimited.
    pub capacity: Option<u64>,
    /// Minutes beyond `capacity` that are still served; analyzer capacity only.
    pub overage: u64,
    pub is_disabled: bool,
    /// Days for which a seat that is taken away stays out of the pool, counted from its last use;
    /// none is what is usual for the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine_days: Option<u32>,
    /// The part of a shared pool that visitors leave alone, counted as `capacity` is.
    #[serde(default)]
    pub reserved_for_users: u64,
    /// Most passes or units that the visitors of one address begin within an hour; none is no
    /// limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units_per_address_per_hour: Option<u64>,
    pub stamp: Stamp,
}

impl LicencePool {
    /// A pool without limits.
    #[must_use]
    pub fn unlimited(id: PoolId, name: &str, kind: PoolKind, stamp: Stamp) -> LicencePool {
        LicencePool {
            id,
            name: name.to_owned(),
            kind,
            capacity: None,
            overage: 0,
            is_disabled: false,
            quarantine_days: None,
            reserved_for_users: 0,
            units_per_address_per_hour: None,
            stamp,
        }
    }
}

/// A machine that opens and reloads apps (`spec/access.md` §7.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub name: String,
    pub host_name: String,
    /// Whether it is the one that every site has.
    pub is_central: bool,
    pub purpose: NodePurpose,
    pub custom_properties: Vec<PropertyValue>,
    pub tags: Vec<String>,
    pub stamp: Stamp,
}

/// Which apps a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NodePurpose {
    Production,
    Development,
    Both,
}
