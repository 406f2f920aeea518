//! What rules may read of each type of thing (`spec/access.md` §4 and §5.7): the one place that
//! says so, for the check of conditions, for editors that complete them, and for whoever serves the
//! values. Anything else is a problem when a rule is saved, never a silent *no* later.

use crate::problem::closest;
use crate::{KindSet, ResourceKind};

/// A property that rules may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Property {
    /// As in the product; rules may write it in any letter case.
    pub name: &'static str,
    pub value: ValueType,
    /// Whether there can be more than one value.
    pub is_many: bool,
}

/// What reading a property gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Truth,
    Number,
    /// A GUID.
    Id,
    /// The name of a resource type.
    Kind,
    /// A thing, or things, of one of these types.
    Entity(KindSet),
    /// The environment of a person: a place for attributes, not a value.
    Environment,
}

/// A property found on some of the kinds that a path may stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Known(Property),
    /// A directory attribute; with the known property it may be a misspelling of.
    Attribute {
        looks_like: Option<&'static str>,
    },
    /// Custom property `@…`.
    Custom,
    Missing {
        looks_like: Option<&'static str>,
    },
    /// `@…` on kinds that have no custom properties.
    NoCustom,
}

/// The properties of things of a type. People have directory attributes besides, by any name; and
/// see [`has_custom_properties`].
///
/// ```
/// use loggia_rules::{KindSet, ResourceKind, ValueType, properties};
///
/// let of_streams: Vec<_> = properties(ResourceKind::Stream).collect();
/// let owner = of_streams.iter().find(|property| property.name == "owner").unwrap();
/// assert_eq!(owner.value, ValueType::Entity(KindSet::only(ResourceKind::User)));
/// assert!(!owner.is_many);
/// ```
pub fn properties(kind: ResourceKind) -> impl Iterator<Item = Property> {
    let owner = is_ownable(kind).then_some(entity("owner", ResourceKind::User));
    COMMON.iter().chain(own(kind)).copied().chain(owner)
}

/// What every session has under `user.environment`. A sign-in may bring more, by any name.
#[must_use]
pub fn environment_properties() -> &'static [Property] {
    ENVIRONMENT
}

/// Looks a property up on the kinds that a path may stand at; `name` in lower case.
pub(crate) fn find(kinds: KindSet, name: &str) -> Found {
    if name.starts_with('@') {
        let has_custom = kinds.iter().any(has_custom_properties);
        return if has_custom { Found::Custom } else { Found::NoCustom };
    }
    if let Some(property) = known(kinds, name) {
        return Found::Known(property);
    }
    let known = kinds.iter().flat_map(|kind| properties(kind).map(|property| property.name));
    if PEOPLE.union(kinds) == PEOPLE && kinds.contains(ResourceKind::User) {
        // Attribute names are the directory's own, so only a near miss is worth a word.
        let looks_like = closest(name, known).filter(|known| is_near_miss(name, known));
        return Found::Attribute { looks_like };
    }
    Found::Missing { looks_like: closest(name, known) }
}

/// A property that some of the kinds have in the schema; `name` in lower case.
pub(crate) fn known(kinds: KindSet, name: &str) -> Option<Property> {
    kinds.iter().filter_map(|kind| lookup(kind, name)).reduce(merge)
}

/// What `User*` covers. A rule about these and nothing else may read any directory attribute; one
/// about everything must not, or no misspelling would ever be found.
const PEOPLE: KindSet = KindSet::only(ResourceKind::User)
    .union(KindSet::only(ResourceKind::UserDirectory))
    .union(KindSet::only(ResourceKind::UserSyncTask));

const ENVIRONMENT: &[Property] = &[
    text("os"),
    text("device"),
    text("browser"),
    text("ip"),
    truth("secureRequest"),
    one("context", ValueType::OneOf(&["AppAccess", "ManagementAccess"])),
    text("requesttype"),
    text("licenseContext"),
    text("virtualProxy"),
];

/// The environment attribute of this name, in any letter case.
pub(crate) fn find_environment(name: &str) -> Option<Property> {
    ENVIRONMENT.iter().copied().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The environment attribute that `name`, in lower case, is a near miss of.
pub(crate) fn near_environment(name: &str) -> Option<&'static str> {
    closest(name, ENVIRONMENT.iter().map(|known| known.name))
        .filter(|known| is_near_miss(name, known))
}

/// The kinds at the end of a path of relations that begins at `kind`; empty if it leads nowhere.
pub(crate) fn follow<'a>(kind: ResourceKind, steps: impl Iterator<Item = &'a str>) -> KindSet {
    let mut kinds = KindSet::only(kind);
    for step in steps {
        kinds = match known(kinds, step) {
            Some(Property { value: ValueType::Entity(targets), .. }) => targets,
            _ => KindSet::NONE,
        };
    }
    kinds
}

/// Whether a path that begins at one of these kinds can lead to more than one value.
pub(crate) fn can_be_many<'a>(mut kinds: KindSet, steps: impl Iterator<Item = &'a str>) -> bool {
    for step in steps {
        let property = match step.strip_prefix("environment.") {
            Some(attribute) => find_environment(attribute),
            None => match find(kinds, step) {
                Found::Known(property) => Some(property),
                _ => None,
            },
        };
        let Some(property) = property.filter(|property| !property.is_many) else {
            return true;
        };
        kinds = match property.value {
            ValueType::Entity(targets) => targets,
            _ => KindSet::NONE,
        };
    }
    false
}

fn is_near_miss(name: &str, known: &str) -> bool {
    !known.eq_ignore_ascii_case(name)
        && name.chars().count() > 3
        && crate::problem::distance(name, &known.to_lowercase()) == 1
}

fn merge(one: Property, other: Property) -> Property {
    let value = match (one.value, other.value) {
        (ValueType::Entity(one), ValueType::Entity(other)) => ValueType::Entity(one.union(other)),
        (one, other) if one == other => one,
        // Kinds disagree, so nothing can be said at check time.
        _ => ValueType::Text,
    };
    Property { name: one.name, value, is_many: one.is_many || other.is_many }
}

fn lookup(kind: ResourceKind, name: &str) -> Option<Property> {
    properties(kind).find(|property| property.name.eq_ignore_ascii_case(name))
}

const fn one(name: &'static str, value: ValueType) -> Property {
    Property { name, value, is_many: false }
}

const fn text(name: &'static str) -> Property {
    one(name, ValueType::Text)
}

const fn truth(name: &'static str) -> Property {
    one(name, ValueType::Truth)
}

const fn number(name: &'static str) -> Property {
    one(name, ValueType::Number)
}

const fn entity(name: &'static str, kind: ResourceKind) -> Property {
    one(name, ValueType::Entity(KindSet::only(kind)))
}

const fn many(property: Property) -> Property {
    Property { is_many: true, ..property }
}

const COMMON: &[Property] = &[
    one("id", ValueType::Id),
    text("name"),
    text("createdDate"),
    text("modifiedDate"),
    text("modifiedByUserName"),
    one("resourcetype", ValueType::Kind),
    many(text("tags")),
];

/// What the product has and this release does not keep, such as an app's `targetAppId`, is left out:
/// a rule that reads it would wait for it in silence.
const APP: &[Property] = &[
    text("description"),
    entity("stream", ResourceKind::Stream),
    truth("published"),
    text("publishTime"),
    text("lastReloadTime"),
    number("fileSize"),
    text("thumbnail"),
];

const APP_OBJECT: &[Property] = &[
    entity("app", ResourceKind::App),
    // Our own: the sheets that an object is on; a sheet is on itself.
    many(entity("sheet", ResourceKind::AppObject)),
    text("engineObjectId"),
    text("engineObjectType"),
    text("objectType"),
    text("description"),
    truth("published"),
    truth("approved"),
];

const OF_APP: &[Property] = &[entity("app", ResourceKind::App)];

const TYPED: &[Property] = &[text("type")];

/// `visitor` is the user id of the anonymous visitor whose session made it: visitors own nothing.
const TEMP_CONTENT: &[Property] = &[text("visitor")];

const STATIC_CONTENT: &[Property] = &[
    many(entity("ContentLibrarys", ResourceKind::ContentLibrary)),
    many(entity("SharedContents", ResourceKind::SharedContent)),
    many(entity("app", ResourceKind::App)),
];

const TASK: &[Property] = &[
    entity("app", ResourceKind::App),
    truth("isEnabled"),
    truth("enabled"),
    truth("isManuallyTriggered"),
    truth("isPartialReload"),
];

const ENABLED: &[Property] = &[truth("isEnabled"), truth("enabled")];

const EVENT: &[Property] = &[truth("enabled"), entity("reloadTask", ResourceKind::ReloadTask)];

const USER: &[Property] = &[
    text("userId"),
    text("userDirectory"),
    many(text("roles")),
    many(text("group")),
    many(text("email")),
    truth("inactive"),
    truth("removedExternally"),
    truth("blacklisted"),
    truth("deleteProhibited"),
    one("environment", ValueType::Environment),
];

const USER_DIRECTORY: &[Property] = &[text("userDirectoryName"), text("type")];

const SYSTEM_RULE: &[Property] = &[
    one("category", ValueType::OneOf(&["Security", "License", "Sync"])),
    one("type", ValueType::OneOf(&["Default", "ReadOnly", "Custom"])),
    text("resourceFilter"),
    truth("disabled"),
];

const NODE: &[Property] = &[
    truth("isCentral"),
    one("nodePurpose", ValueType::OneOf(&["production", "development", "both"])),
    text("hostName"),
];

const VIRTUAL_PROXY: &[Property] = &[text("prefix"), text("description")];

const CUSTOM_PROPERTY: &[Property] =
    &[text("description"), text("valueType"), many(text("objectTypes"))];

fn own(kind: ResourceKind) -> &'static [Property] {
    match kind {
        ResourceKind::App => APP,
        ResourceKind::AppObject => APP_OBJECT,
        ResourceKind::AppContent | ResourceKind::AppDataSegment | ResourceKind::AppInternal => {
            OF_APP
        }
        ResourceKind::DataConnection
        | ResourceKind::ContentLibrary
        | ResourceKind::SharedContent => TYPED,
        ResourceKind::StaticContentReference => STATIC_CONTENT,
        ResourceKind::TempContent => TEMP_CONTENT,
        ResourceKind::ReloadTask => TASK,
        ResourceKind::UserSyncTask | ResourceKind::ExternalProgramTask => ENABLED,
        ResourceKind::SchemaEvent | ResourceKind::CompositeEvent => EVENT,
        ResourceKind::User => USER,
        ResourceKind::UserDirectory => USER_DIRECTORY,
        ResourceKind::SystemRule => SYSTEM_RULE,
        ResourceKind::ServerNodeConfiguration => NODE,
        ResourceKind::VirtualProxyConfig => VIRTUAL_PROXY,
        ResourceKind::CustomProperty => CUSTOM_PROPERTY,
        _ => &[],
    }
}

fn is_ownable(kind: ResourceKind) -> bool {
    use ResourceKind as K;
    matches!(
        kind,
        K::App
            | K::AppObject
            | K::AppContent
            | K::Stream
            | K::ContentLibrary
            | K::StaticContentReference
            | K::SharedContent
            | K::TempContent
            | K::Extension
            | K::Widgets
            | K::WebExtensionLibrary
            | K::DataConnection
            | K::AnalyticConnection
            | K::OdagLink
            | K::OdagRequest
    )
}

/// Whether things of a type have custom properties, read as `@name` with any number of values
/// (`spec/access.md` §4.9). Objects of an app have none: `resource.app.@name` tells them apart.
#[must_use]
pub fn has_custom_properties(kind: ResourceKind) -> bool {
    use ResourceKind as K;
    matches!(
        kind,
        K::App
            | K::AnalyticConnection
            | K::ContentLibrary
            | K::DataConnection
            | K::EngineService
            | K::Extension
            | K::ExternalProgramTask
            | K::ServerNodeConfiguration
            | K::PrintingService
            | K::ProxyService
            | K::ReloadTask
            | K::RepositoryService
            | K::SchedulerService
            | K::Stream
            | K::UserSyncTask
            | K::User
            | K::VirtualProxyConfig
    )
}
