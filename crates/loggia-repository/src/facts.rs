//! What can rules read? Every property of `spec/access.md` §5.7, from one site snapshot and one
//! caller. Roles, attributes and custom properties come from the snapshot at each decision, so a
//! change is in force at once, on open sockets too.

use std::sync::Arc;

use uuid::Uuid;

use loggia_model::entity::{DirectoryKind, Node, NodePurpose, RuleCategory, RuleOrigin, User};
use loggia_model::{Caller, Environment, Moment, Principal, RequestContext, UserKey};
use loggia_rules::{Entity, Fact, Facts, ResourceKind, Subject, same_name};

use crate::Site;
use crate::record::Record;

/// Facts on one caller, and on things of one site.
pub(crate) struct SiteFacts<'a> {
    pub(crate) site: &'a Site,
    pub(crate) caller: &'a Caller,
    /// Proposed values: read instead of the stored ones for that thing, and for things without
    /// an id, which do not exist yet.
    pub(crate) draft: Option<Record<'a>>,
    /// The node that a load-balancing rule is asked about.
    node: Option<&'a Node>,
}

impl Facts for SiteFacts<'_> {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        match subject {
            Subject::Requester => self.read_requester(name, out),
            Subject::Node => {
                if let Some(node) = self.node {
                    read_record(self.site, Record::Node(node), name, out);
                }
            }
            Subject::Resource(entity) => {
                let drafted = self.draft.filter(|draft| {
                    draft.kind() == entity.kind && (entity.id.is_none() || entity.id == draft.id())
                });
                if let Some(record) = drafted.or_else(|| Record::find(self.site, entity)) {
                    read_record(self.site, record, name, out);
                }
            }
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        self.caller.is_anonymous()
    }

    fn requester_entity(&self) -> Option<Entity> {
        match &self.caller.principal {
            Principal::User { id, .. } => Some(Entity::new(ResourceKind::User, id.0)),
            Principal::Anonymous(_) | Principal::Internal(_) => None,
        }
    }

    fn requester_owns_anything(&self) -> bool {
        match &self.caller.principal {
            Principal::User { id, .. } => self.site.owns_anything(*id),
            Principal::Anonymous(_) | Principal::Internal(_) => false,
        }
    }
}

impl<'a> SiteFacts<'a> {
    pub(crate) fn new(site: &'a Site, caller: &'a Caller) -> SiteFacts<'a> {
        SiteFacts { site, caller, draft: None, node: None }
    }

    pub(crate) fn with_draft(self, draft: Option<Record<'a>>) -> SiteFacts<'a> {
        SiteFacts { draft, ..self }
    }

    pub(crate) fn on_node(self, node: &'a Node) -> SiteFacts<'a> {
        SiteFacts { node: Some(node), ..self }
    }

    fn read_requester(&self, name: &str, out: &mut Vec<Fact>) {
        if let Some(attribute) = name.strip_prefix("environment.") {
            return read_environment(self.caller, attribute, out);
        }
        match &self.caller.principal {
            Principal::User { id, .. } => {
                if let Some(user) = self.site.user(*id) {
                    read_record(self.site, Record::User(user), name, out);
                }
            }
            // A visitor has no roles, attributes or properties: only what the session is called.
            Principal::Anonymous(visitor) => match name {
                "id" => text(out, visitor.text()),
                "userdirectory" => text(out, UserKey::ANONYMOUS_DIRECTORY),
                "userid" | "name" => text(out, self.caller.principal.user_id()),
                _ => {}
            },
            Principal::Internal(account) => match name {
                "userdirectory" => text(out, UserKey::INTERNAL_DIRECTORY),
                "userid" | "name" => text(out, account.user_id()),
                "id" => {
                    if let Some(user) = self.site.internal_user(*account) {
                        text(out, user.id.text());
                    }
                }
                _ => {}
            },
        }
    }
}

fn read_environment(caller: &Caller, attribute: &str, out: &mut Vec<Fact>) {
    let Environment { ip, os, device, browser, is_secure, virtual_proxy, request_type, attributes } =
        &caller.environment;
    match attribute {
        "ip" => {
            if let Some(ip) = ip {
                text(out, ip.to_string());
            }
        }
        "os" => present(out, os),
        "device" => present(out, device),
        "browser" => present(out, browser),
        "securerequest" => flag(out, *is_secure),
        "context" => text(
            out,
            match caller.context {
                RequestContext::Hub => "AppAccess",
                RequestContext::Console => "ManagementAccess",
            },
        ),
        "requesttype" => present(out, request_type),
        "virtualproxy" => text(out, virtual_proxy.as_str()),
        // Attributes of the sign-in never replace what the server itself observed above.
        _ => {
            for (name, value) in attributes {
                if same_name(name, attribute) {
                    text(out, value.as_str());
                }
            }
        }
    }
}

fn read_record(site: &Site, record: Record<'_>, name: &str, out: &mut Vec<Fact>) {
    if let Some(property) = name.strip_prefix('@') {
        for value in record.custom_properties() {
            if same_name(&value.name, property) {
                text(out, value.value.as_str());
            }
        }
        return;
    }
    match name {
        "id" => {
            if let Some(id) = record.id() {
                text(out, id.hyphenated().to_string());
            }
        }
        "name" => text(out, record.name()),
        "resourcetype" => text(out, record.kind().shared_name()),
        "owner" => {
            if let Some(owner) = record.owner() {
                relation(out, ResourceKind::User, owner.0);
            }
        }
        "tags" => record.tags().iter().for_each(|tag| text(out, tag.as_str())),
        "createddate" => moment(out, record.stamp().map(|stamp| stamp.created)),
        "modifieddate" => moment(out, record.stamp().map(|stamp| stamp.modified)),
        "modifiedbyusername" => {
            if let Some(stamp) = record.stamp() {
                text(out, stamp.modified_by.as_str());
            }
        }
        _ => read_own(site, record, name, out),
    }
}

/// The properties that only things of this kind have. `loggia-rules` declares them; a test holds
/// the two together.
fn read_own(site: &Site, record: Record<'_>, name: &str, out: &mut Vec<Fact>) {
    match record {
        Record::User(user) => read_user(user, name, out),
        Record::App(app) => match name {
            "stream" => {
                if let Some(stream) = app.stream {
                    relation(out, ResourceKind::Stream, stream.0);
                }
            }
            "published" => flag(out, app.is_published()),
            "description" => present(out, &app.description),
            "publishtime" => moment(out, app.publish_time),
            "lastreloadtime" => moment(out, app.last_reload),
            "filesize" => text(out, app.file_size.to_string()),
            "thumbnail" => present(out, &app.thumbnail),
            _ => {}
        },
        Record::AppObject(object) => match name {
            "app" => relation(out, ResourceKind::App, object.app.0),
            "objecttype" | "engineobjecttype" => text(out, object.object_type.as_str()),
            "engineobjectid" => text(out, object.engine_id.as_str()),
            "published" => flag(out, object.is_published),
            "approved" => flag(out, object.is_approved),
            "description" => present(out, &object.description),
            "sheet" => {
                for sheet in site.sheets_of(object) {
                    relation(out, ResourceKind::AppObject, sheet.id.0);
                }
            }
            _ => {}
        },
        Record::Rule(rule) => match name {
            "category" => text(out, category_name(rule.category)),
            "type" => text(out, origin_name(rule.origin)),
            "resourcefilter" => text(out, rule.resource_filter.as_str()),
            "disabled" => flag(out, rule.is_disabled),
            _ => {}
        },
        Record::VirtualProxy(entrance) => match name {
            "prefix" => text(out, entrance.prefix.as_str()),
            "description" => present(out, &entrance.description),
            _ => {}
        },
        Record::UserDirectory(directory) => match name {
            "userdirectoryname" => text(out, directory.name.as_str()),
            "type" => text(out, directory_type(directory.kind)),
            _ => {}
        },
        Record::Node(node) => match name {
            "iscentral" => flag(out, node.is_central),
            "hostname" => text(out, node.host_name.as_str()),
            "nodepurpose" => text(out, purpose_name(node.purpose)),
            _ => {}
        },
        Record::Stream(_) | Record::Proxy(_) | Record::Pool(_) | Record::Transient(_) => {}
    }
}

fn read_user(user: &User, name: &str, out: &mut Vec<Fact>) {
    match name {
        "userdirectory" => text(out, user.key.directory()),
        "userid" => text(out, user.key.id()),
        "roles" => user.roles.iter().for_each(|role| text(out, role.as_str())),
        "inactive" => flag(out, user.is_inactive),
        "removedexternally" => flag(out, user.is_removed_externally()),
        "deleteprohibited" => {
            let directory = user.key.directory();
            flag(out, directory.eq_ignore_ascii_case(UserKey::INTERNAL_DIRECTORY));
        }
        "blacklisted" => flag(out, user.is_blocked),
        _ => {
            for (kind, value) in &user.attributes {
                if same_name(kind, name) {
                    text(out, value.as_str());
                }
            }
        }
    }
}

/// The original's name of a kind of directory.
#[must_use]
pub fn directory_type(kind: DirectoryKind) -> &'static str {
    match kind {
        DirectoryKind::Generic => "Repository.UserDirectoryConnectors.LDAP.GenericLDAP",
        DirectoryKind::ActiveDirectory => "Repository.UserDirectoryConnectors.LDAP.ActiveDirectory",
    }
}

fn purpose_name(purpose: NodePurpose) -> &'static str {
    match purpose {
        NodePurpose::Production => "production",
        NodePurpose::Development => "development",
        NodePurpose::Both => "both",
    }
}

/// The spelling that rules and the wire use.
pub(crate) fn category_name(category: RuleCategory) -> &'static str {
    match category {
        RuleCategory::Security => "Security",
        RuleCategory::License => "License",
        RuleCategory::Sync => "Sync",
    }
}

fn origin_name(origin: RuleOrigin) -> &'static str {
    match origin {
        RuleOrigin::Default => "Default",
        RuleOrigin::ReadOnly => "ReadOnly",
        RuleOrigin::Custom => "Custom",
    }
}

fn text(out: &mut Vec<Fact>, value: impl Into<Arc<str>>) {
    out.push(Fact::Text(value.into()));
}

/// An observation; nothing was observed when it is empty.
fn present(out: &mut Vec<Fact>, value: &str) {
    if !value.is_empty() {
        text(out, value);
    }
}

/// A date in the form that the REST interface has, so that texts compare as people read them.
fn moment(out: &mut Vec<Fact>, moment: Option<Moment>) {
    let stamp = moment.and_then(|moment| jiff::Timestamp::from_millisecond(moment.0).ok());
    if let Some(stamp) = stamp {
        text(out, stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
    }
}

fn flag(out: &mut Vec<Fact>, value: bool) {
    text(out, if value { "true" } else { "false" });
}

fn relation(out: &mut Vec<Fact>, kind: ResourceKind, id: Uuid) {
    out.push(Fact::Entity(Entity::new(kind, id)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use loggia_model::entity::{
        AnonymousMode, App, AppObject, LicencePool, PoolKind, PropertyValue, Stamp, Stream,
        SystemRule, UserDirectory, VirtualProxy,
    };
    use loggia_model::{
        AppId, InternalAccount, ObjectId, PoolId, RuleId, StreamId, UserDirectoryId, UserId,
        VirtualProxyId,
    };
    use loggia_rules::{Property, ValueType, has_custom_properties, properties};

    use super::*;
    use crate::seed::new_entrance;
    use crate::site::CENTRAL_NODE;
    use crate::store::{StoredRule, StoredSite};

    /// A site with one thing of every kind, every member of it filled.
    fn full_site() -> Site {
        let id = Uuid::from_u128;
        let stamp = || Stamp {
            created: Moment(0),
            modified: Moment(1),
            modified_by: "LOGGIA\\ana".to_owned(),
        };
        let tags = || vec!["one".to_owned(), "two".to_owned()];
        let custom = || vec![PropertyValue { name: "team".to_owned(), value: "red".to_owned() }];
        let user = User {
            id: UserId(id(1)),
            key: UserKey::new("LOGGIA", "ana").unwrap(),
            name: "Ana".to_owned(),
            roles: tags(),
            attributes: vec![
                ("group".to_owned(), "sales".to_owned()),
                ("email".to_owned(), "ana@hub.example".to_owned()),
            ],
            custom_properties: custom(),
            tags: tags(),
            is_inactive: false,
            is_blocked: false,
            external: None,
            stamp: stamp(),
        };
        let stream = Stream {
            id: StreamId(id(2)),
            name: "News".to_owned(),
            owner: user.id,
            custom_properties: custom(),
            tags: tags(),
            stamp: stamp(),
        };
        let app = App {
            id: AppId(id(3)),
            name: "Flights".to_owned(),
            description: "Delays".to_owned(),
            owner: user.id,
            stream: Some(stream.id),
            publish_time: Some(Moment(0)),
            last_reload: Some(Moment(0)),
            file_size: 1,
            thumbnail: "/picture.png".to_owned(),
            custom_properties: custom(),
            tags: tags(),
            stamp: stamp(),
        };
        let object = AppObject {
            id: ObjectId(id(4)),
            app: app.id,
            engine_id: "sheet1".to_owned(),
            object_type: "sheet".to_owned(),
            name: "Overview".to_owned(),
            description: "All".to_owned(),
            owner: user.id,
            is_published: true,
            is_approved: true,
            stamp: stamp(),
        };
        let rule = SystemRule {
            id: RuleId(id(5)),
            category: RuleCategory::Security,
            origin: RuleOrigin::Custom,
            name: "Rule".to_owned(),
            comment: "Why".to_owned(),
            condition: "true".to_owned(),
            resource_filter: "App_*".to_owned(),
            actions: 2,
            context: 0,
            is_forbidding: false,
            is_disabled: false,
            seed: None,
            tags: tags(),
            stamp: stamp(),
        };
        let entrance = VirtualProxy {
            id: VirtualProxyId(id(6)),
            prefix: "public".parse().unwrap(),
            description: "Public".to_owned(),
            anonymous: AnonymousMode::Allowed,
            tags: tags(),
            ..new_entrance(stamp())
        };
        let directory = UserDirectory {
            tags: tags(),
            ..crate::manage::user_directories::blank(UserDirectoryId(id(6)), stamp())
        };
        let pools = POOLS.iter().zip(7..).map(|(&kind, number)| {
            LicencePool::unlimited(PoolId(id(number)), "Pool", kind, stamp())
        });
        Site::from_stored(StoredSite {
            users: vec![user],
            streams: vec![stream],
            apps: vec![app],
            objects: vec![object],
            rules: vec![StoredRule { rule, seed_version: 0 }],
            virtual_proxies: vec![entrance],
            user_directories: vec![directory],
            pools: pools.collect(),
            ..StoredSite::default()
        })
        .unwrap()
    }

    const POOLS: [PoolKind; 5] = [
        PoolKind::Professional,
        PoolKind::Analyzer,
        PoolKind::UserAccess,
        PoolKind::LoginAccess,
        PoolKind::AnalyzerCapacity,
    ];

    /// The one thing of each kind that has rows.
    fn things() -> Vec<Entity> {
        let mut things: Vec<Entity> = [
            (ResourceKind::User, 1),
            (ResourceKind::Stream, 2),
            (ResourceKind::App, 3),
            (ResourceKind::AppObject, 4),
            (ResourceKind::SystemRule, 5),
            (ResourceKind::VirtualProxyConfig, 6),
            (ResourceKind::UserDirectory, 6),
        ]
        .map(|(kind, number)| Entity::new(kind, Uuid::from_u128(number)))
        .into();
        let pools = POOLS.iter().zip(7..);
        things.extend(pools.map(|(&kind, number)| {
            Entity::new(crate::record::pool_kind(kind), Uuid::from_u128(number))
        }));
        things.push(Entity::new(ResourceKind::ServerNodeConfiguration, CENTRAL_NODE.0));
        things
    }

    fn read(site: &Site, entity: &Entity, name: &str) -> Vec<Fact> {
        let caller = Caller::internal(InternalAccount::Repository);
        let mut facts = Vec::new();
        let subject = Subject::Resource(entity);
        SiteFacts::new(site, &caller).read(subject, &name.to_lowercase(), &mut facts);
        facts
    }

    fn is_value(property: Property, fact: &Fact) -> bool {
        match (property.value, fact) {
            (ValueType::Entity(kinds), Fact::Entity(entity)) => kinds.contains(entity.kind),
            (ValueType::OneOf(texts), Fact::Text(text)) => texts.contains(&&**text),
            (ValueType::Truth, Fact::Text(text)) => matches!(&**text, "true" | "false"),
            (ValueType::Number, Fact::Text(text)) => text.parse::<f64>().is_ok(),
            (ValueType::Id, Fact::Text(text)) => text.parse::<Uuid>().is_ok(),
            (ValueType::Kind, Fact::Text(text)) => text.parse::<ResourceKind>().is_ok(),
            (ValueType::Text, Fact::Text(_)) => true,
            _ => false,
        }
    }

    #[test]
    fn every_declared_property_can_be_read_and_is_what_it_is_declared_to_be() {
        let site = full_site();
        for thing in things() {
            // A place for attributes, not a value.
            let values = properties(thing.kind).filter(|p| p.value != ValueType::Environment);
            for property in values {
                // An entrance has no tags of its own beyond those that it was given; pools and the
                // node have none.
                let has_tags = !matches!(
                    Record::find(&site, &thing),
                    Some(Record::AppObject(_) | Record::Pool(_) | Record::Node(_))
                );
                let facts = read(&site, &thing, property.name);
                let is_absent = property.name == "tags" && !has_tags;
                assert_eq!(facts.is_empty(), is_absent, "{thing} {}", property.name);
                assert!(property.is_many || facts.len() <= 1, "{thing} {}", property.name);
                for fact in &facts {
                    assert!(is_value(property, fact), "{thing} {} {fact:?}", property.name);
                }
            }
            let has_custom = !read(&site, &thing, "@team").is_empty();
            assert!(!has_custom || has_custom_properties(thing.kind), "{thing}");
        }
    }

    #[test]
    fn nothing_else_can_be_read() {
        let site = full_site();
        let declared = ResourceKind::ALL.iter().flat_map(|&kind| properties(kind));
        let mut names: BTreeSet<String> =
            declared.map(|property| property.name.to_lowercase()).collect();
        // Members of records that are nobody's business, and of neighbours.
        let others = [
            "actions",
            "comment",
            "condition",
            "context",
            "rule",
            "seed",
            "capacity",
            "overage",
            "prefix",
            "anonymous",
            "engineid",
            "roles",
            "stamp",
            "is_published",
            "stream",
            "owner",
            "attributes",
            "key",
            "sheet",
            "environment",
            "kind",
            "",
        ];
        names.extend(others.map(str::to_owned));
        for thing in things().iter().filter(|thing| thing.kind != ResourceKind::User) {
            let is_declared = |name: &str| {
                properties(thing.kind).any(|property| property.name.eq_ignore_ascii_case(name))
            };
            for name in names.iter().filter(|name| !is_declared(name)) {
                assert_eq!(read(&site, thing, name), [], "{thing} {name}");
            }
        }
        let user = Entity::new(ResourceKind::User, Uuid::from_u128(1));
        for name in ["key", "isinactive", "password", "attributes", "environment", "capacity"] {
            assert_eq!(read(&site, &user, name), [], "{name}");
        }
    }
}
