//! What can rules read? Every property of `spec/access.md` §5.7, from one site snapshot and one
//! caller. Roles, attributes and custom properties come from the snapshot at each decision, so a
//! change is in force at once, on open sockets too.

use std::sync::Arc;

use uuid::Uuid;

use loggia_model::entity::{Node, NodePurpose, RuleCategory, RuleOrigin, User};
use loggia_model::{Caller, Environment, Moment, Principal, RequestContext, UserKey};
use loggia_rules::{Entity, Fact, Facts, ResourceKind, Subject};

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
                if name.eq_ignore_ascii_case(attribute) {
                    text(out, value.as_str());
                }
            }
        }
    }
}

fn read_record(site: &Site, record: Record<'_>, name: &str, out: &mut Vec<Fact>) {
    if let Some(property) = name.strip_prefix('@') {
        for value in record.custom_properties() {
            if value.name.eq_ignore_ascii_case(property) {
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
            "stream" => {
                if let Some(stream) = site.app(object.app).and_then(|app| app.stream) {
                    relation(out, ResourceKind::Stream, stream.0);
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
        Record::Node(node) => match name {
            "iscentral" => flag(out, node.is_central),
            "hostname" => text(out, node.host_name.as_str()),
            "nodepurpose" => text(out, purpose_name(node.purpose)),
            _ => {}
        },
        Record::Stream(_) | Record::Pool(_) | Record::Transient(_) => {}
    }
}

fn read_user(user: &User, name: &str, out: &mut Vec<Fact>) {
    match name {
        "userdirectory" => text(out, user.key.directory()),
        "userid" => text(out, user.key.id()),
        "roles" => user.roles.iter().for_each(|role| text(out, role.as_str())),
        "inactive" => flag(out, user.is_inactive),
        "blacklisted" => flag(out, user.is_blocked),
        _ => {
            for (kind, value) in &user.attributes {
                if kind.eq_ignore_ascii_case(name) {
                    text(out, value.as_str());
                }
            }
        }
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
