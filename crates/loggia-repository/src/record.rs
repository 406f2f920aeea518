//! One entity of any kind, as rules ask about it.

use std::sync::Arc;

use uuid::Uuid;

use loggia_model::entity::{
    App, AppObject, LicencePool, Node, PoolKind, PropertyValue, ProxyService, Stamp, Stream,
    SystemRule, User, UserDirectory, VirtualProxy,
};
use loggia_model::{
    AppId, NodeId, ObjectId, PoolId, ProxyServiceId, RuleId, StreamId, UserDirectoryId, UserId,
    VirtualProxyId,
};
use loggia_rules::{Entity, ResourceKind};

use crate::Site;

/// A thing that somebody may ask about, by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    User(UserId),
    Stream(StreamId),
    App(AppId),
    AppObject(ObjectId),
    Rule(RuleId),
    VirtualProxy(VirtualProxyId),
    UserDirectory(UserDirectoryId),
    Proxy(ProxyServiceId),
    Pool(PoolId),
    Node(NodeId),
    /// Something without a row, such as `QmcSection_App`.
    Transient(Arc<str>),
}

/// A thing with its present or proposed values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record<'a> {
    User(&'a User),
    Stream(&'a Stream),
    App(&'a App),
    AppObject(&'a AppObject),
    Rule(&'a SystemRule),
    VirtualProxy(&'a VirtualProxy),
    UserDirectory(&'a UserDirectory),
    Proxy(&'a ProxyService),
    Pool(&'a LicencePool),
    Node(&'a Node),
    Transient(&'a Arc<str>),
}

impl Resource {
    /// The thing in this site, if it is there.
    pub(crate) fn record<'a>(&'a self, site: &'a Site) -> Option<Record<'a>> {
        Some(match self {
            Resource::User(id) => Record::User(site.user(*id)?),
            Resource::Stream(id) => Record::Stream(site.stream(*id)?),
            Resource::App(id) => Record::App(site.app(*id)?),
            Resource::AppObject(id) => Record::AppObject(site.object(*id)?),
            Resource::Rule(id) => Record::Rule(site.rule(*id)?),
            Resource::VirtualProxy(id) => Record::VirtualProxy(site.virtual_proxy(*id)?),
            Resource::UserDirectory(id) => Record::UserDirectory(site.user_directory(*id)?),
            Resource::Proxy(id) => Record::Proxy(site.proxy(*id)?),
            Resource::Pool(id) => Record::Pool(site.pool(*id)?),
            Resource::Node(id) => Record::Node(site.node(*id)?),
            Resource::Transient(name) => Record::Transient(name),
        })
    }
}

impl<'a> Record<'a> {
    /// The thing of this entity in the site.
    pub(crate) fn find(site: &'a Site, entity: &'a Entity) -> Option<Record<'a>> {
        if entity.kind == ResourceKind::TransientObject {
            return entity.name.as_ref().map(Record::Transient);
        }
        let id = entity.id?;
        Some(match entity.kind {
            ResourceKind::User => Record::User(site.user(id.into())?),
            ResourceKind::Stream => Record::Stream(site.stream(id.into())?),
            ResourceKind::App => Record::App(site.app(id.into())?),
            ResourceKind::AppObject => Record::AppObject(site.object(id.into())?),
            ResourceKind::SystemRule => Record::Rule(site.rule(id.into())?),
            ResourceKind::VirtualProxyConfig => {
                Record::VirtualProxy(site.virtual_proxy(id.into())?)
            }
            ResourceKind::UserDirectory => Record::UserDirectory(site.user_directory(id.into())?),
            ResourceKind::ProxyService => Record::Proxy(site.proxy(id.into())?),
            ResourceKind::ServerNodeConfiguration => Record::Node(site.node(id.into())?),
            kind => {
                let pool = site.pool(id.into())?;
                (pool_kind(pool.kind) == kind).then_some(Record::Pool(pool))?
            }
        })
    }

    pub(crate) fn kind(self) -> ResourceKind {
        match self {
            Record::User(_) => ResourceKind::User,
            Record::Stream(_) => ResourceKind::Stream,
            Record::App(_) => ResourceKind::App,
            Record::AppObject(_) => ResourceKind::AppObject,
            Record::Rule(_) => ResourceKind::SystemRule,
            Record::VirtualProxy(_) => ResourceKind::VirtualProxyConfig,
            Record::UserDirectory(_) => ResourceKind::UserDirectory,
            Record::Proxy(_) => ResourceKind::ProxyService,
            Record::Pool(pool) => pool_kind(pool.kind),
            Record::Node(_) => ResourceKind::ServerNodeConfiguration,
            Record::Transient(_) => ResourceKind::TransientObject,
        }
    }

    /// What people call it.
    pub(crate) fn kind_name(self) -> &'static str {
        match self {
            Record::User(_) => "user",
            Record::Stream(_) => "stream",
            Record::App(_) => "app",
            Record::AppObject(_) => "app object",
            Record::Rule(_) => "rule",
            Record::VirtualProxy(_) => "virtual proxy",
            Record::UserDirectory(_) => "user directory",
            Record::Proxy(_) => "proxy service",
            Record::Pool(_) => "licence pool",
            Record::Node(_) => "node",
            Record::Transient(_) => "section",
        }
    }

    pub(crate) fn id(self) -> Option<Uuid> {
        match self {
            Record::User(user) => Some(user.id.0),
            Record::Stream(stream) => Some(stream.id.0),
            Record::App(app) => Some(app.id.0),
            Record::AppObject(object) => Some(object.id.0),
            Record::Rule(rule) => Some(rule.id.0),
            Record::VirtualProxy(entrance) => Some(entrance.id.0),
            Record::UserDirectory(directory) => Some(directory.id.0),
            Record::Proxy(proxy) => Some(proxy.id.0),
            Record::Pool(pool) => Some(pool.id.0),
            Record::Node(node) => Some(node.id.0),
            Record::Transient(_) => None,
        }
    }

    /// The thing as it exists.
    pub(crate) fn entity(self) -> Entity {
        match self {
            Record::Transient(name) => Entity::transient(name.clone()),
            _ => match self.id() {
                Some(id) => Entity::new(self.kind(), id),
                None => Entity::to_create(self.kind()),
            },
        }
    }

    /// The thing as something that does not exist yet.
    pub(crate) fn entity_to_create(self) -> Entity {
        Entity::to_create(self.kind())
    }

    pub(crate) fn stamp(self) -> Option<&'a Stamp> {
        match self {
            Record::User(user) => Some(&user.stamp),
            Record::Stream(stream) => Some(&stream.stamp),
            Record::App(app) => Some(&app.stamp),
            Record::AppObject(object) => Some(&object.stamp),
            Record::Rule(rule) => Some(&rule.stamp),
            Record::VirtualProxy(entrance) => Some(&entrance.stamp),
            Record::UserDirectory(directory) => Some(&directory.stamp),
            Record::Proxy(proxy) => Some(&proxy.stamp),
            Record::Pool(pool) => Some(&pool.stamp),
            Record::Node(node) => Some(&node.stamp),
            Record::Transient(_) => None,
        }
    }

    pub(crate) fn name(self) -> &'a str {
        match self {
            Record::User(user) => &user.name,
            Record::Stream(stream) => &stream.name,
            Record::App(app) => &app.name,
            Record::AppObject(object) => &object.name,
            Record::Rule(rule) => &rule.name,
            Record::VirtualProxy(entrance) => &entrance.description,
            Record::UserDirectory(directory) => &directory.name,
            Record::Proxy(_) => "",
            Record::Pool(pool) => &pool.name,
            Record::Node(node) => &node.name,
            Record::Transient(name) => name,
        }
    }

    pub(crate) fn owner(self) -> Option<UserId> {
        match self {
            Record::Stream(stream) => Some(stream.owner),
            Record::App(app) => Some(app.owner),
            Record::AppObject(object) => Some(object.owner),
            _ => None,
        }
    }

    pub(crate) fn custom_properties(self) -> &'a [PropertyValue] {
        match self {
            Record::User(user) => &user.custom_properties,
            Record::Stream(stream) => &stream.custom_properties,
            Record::App(app) => &app.custom_properties,
            Record::Node(node) => &node.custom_properties,
            Record::VirtualProxy(entrance) => &entrance.custom_properties,
            Record::Proxy(proxy) => &proxy.custom_properties,
            _ => &[],
        }
    }

    pub(crate) fn tags(self) -> &'a [String] {
        match self {
            Record::User(user) => &user.tags,
            Record::Stream(stream) => &stream.tags,
            Record::App(app) => &app.tags,
            Record::Rule(rule) => &rule.tags,
            Record::VirtualProxy(entrance) => &entrance.tags,
            Record::UserDirectory(directory) => &directory.tags,
            Record::Proxy(proxy) => &proxy.tags,
            Record::Node(node) => &node.tags,
            _ => &[],
        }
    }
}

/// The resource type that rules use for pools of this kind.
#[must_use]
pub fn pool_kind(kind: PoolKind) -> ResourceKind {
    match kind {
        PoolKind::Professional => ResourceKind::LicenseProfessionalAccessGroup,
        PoolKind::Analyzer => ResourceKind::LicenseAnalyzerAccessGroup,
        PoolKind::UserAccess => ResourceKind::LicenseUserAccessGroup,
        PoolKind::LoginAccess => ResourceKind::LicenseLoginAccessType,
        PoolKind::AnalyzerCapacity => ResourceKind::LicenseAnalyzerTimeAccessType,
    }
}
