//! The rules that every new site has: security rules (`spec/access.md` §5.9 to §5.11) and
//! load-balancing rules (§7.3).
//!
//! A visitor who has not signed in reads what a stream opens to them, and its apps, data and
//! content; creates nothing but temporary content, exports nothing and owns nothing.
//!
//! Left out until the product has what they are about: `TermsAcceptanceEveryone` and the
//! `CreateOdagLinks…` family.

use uuid::{Uuid, uuid};

use crate::{Actions, Category, Condition, Context, Effect, Problem, ResourceFilter, Rule};

/// A rule of the product itself.
#[derive(Clone, Copy, Debug)]
pub struct ShippedRule {
    /// The rule's id on every site.
    pub id: Uuid,
    /// Identity across upgrades.
    pub seed: &'static str,
    /// Raised when the rule changes, so that an upgrade replaces an untouched older one.
    pub version: u32,
    pub category: Category,
    pub name: &'static str,
    pub comment: &'static str,
    pub filter: &'static str,
    pub actions: Actions,
    /// 0 both, 1 hub, 2 console.
    pub context: u8,
    pub condition: &'static str,
    /// Essential: neither edited, disabled nor deleted.
    pub read_only: bool,
}

/// The stream *Everyone*, the same on every site.
pub const EVERYONE_STREAM: Uuid = uuid!("aaec8d41-5201-43ab-809f-3063750dfafd");
/// The stream *Monitoring apps*, the same on every site. Visitors never read it.
pub const MONITORING_STREAM: Uuid = uuid!("a70ca8a5-1d59-4cc9-b5fa-6e207978dcaf");

/// Every shipped security rule.
#[must_use]
pub fn security_rules() -> &'static [ShippedRule] {
    SECURITY_RULES
}

/// Every shipped load-balancing rule.
#[must_use]
pub fn sync_rules() -> &'static [ShippedRule] {
    SYNC_RULES
}

/// Every shipped rule of any category.
pub fn rules() -> impl Iterator<Item = &'static ShippedRule> {
    SECURITY_RULES.iter().chain(SYNC_RULES)
}

impl ShippedRule {
    /// The rule, ready for a [`crate::RuleSet`].
    pub fn compile(&self) -> Result<Rule, Vec<Problem>> {
        let filter: ResourceFilter = self.filter.parse()?;
        let condition = Condition::compile_for(self.condition, self.category, &filter)?;
        Ok(Rule {
            id: self.id,
            name: self.name.into(),
            filter,
            actions: self.actions,
            context: Context::from_number(self.context).unwrap_or(Context::Both),
            effect: Effect::Allow,
            condition,
        })
    }
}

const BOTH: u8 = Context::Both.number();
const HUB: u8 = Context::Hub.number();
const CONSOLE: u8 = Context::Console.number();

const CRUD: Actions = Actions::CREATE.and(Actions::READ).and(Actions::UPDATE).and(Actions::DELETE);

/// What load-balancing rules read the first bit as.
const LOAD_BALANCING: Actions = Actions::CREATE;

/// What owners may do. Creating is not among it: whoever creates a thing becomes its owner, so
/// this would let everybody create everything.
const OWN: Actions = Actions::READ
    .and(Actions::UPDATE)
    .and(Actions::DELETE)
    .and(Actions::EXPORT)
    .and(Actions::PUBLISH)
    .and(Actions::CHANGE_OWNER)
    .and(Actions::EXPORT_DATA)
    .and(Actions::ACCESS_OFFLINE)
    .and(Actions::DISTRIBUTE)
    .and(Actions::DUPLICATE)
    .and(Actions::APPROVE);

/// Ids of shipped rules share a prefix, so that they are told apart in logs.
const fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x1099_1a00_0000_4000_8000_0000_0000_0000 | number)
}

const SECURITY_RULES: &[ShippedRule] = &[
    ShippedRule {
        id: id(1),
        seed: "root-admin",
        version: 1,
        category: Category::Security,
        name: "RootAdmin",
        comment: "Root administrators may do everything in the console.",
        filter: "*",
        actions: Actions::ALL,
        context: CONSOLE,
        condition: r#"user.roles = "RootAdmin""#,
        read_only: true,
    },
    ShippedRule {
        id: id(2),
        seed: "service-account",
        version: 1,
        category: Category::Security,
        name: "ServiceAccount",
        comment: "The server's own accounts may do everything.",
        filter: "*",
        actions: Actions::ALL,
        context: BOTH,
        condition: r#"user.userDirectory = "INTERNAL" and user.userId like "sa_*""#,
        read_only: true,
    },
    ShippedRule {
        id: id(3),
        seed: "owner",
        version: 1,
        category: Category::Security,
        name: "Owner",
        comment: "Owners may do everything with what they own, except with published apps and \
               published objects.",
        filter: "*",
        actions: OWN,
        context: BOTH,
        condition: r#"resource.IsOwned() and resource.owner = user
and !(resource.resourcetype = "App" and !resource.stream.Empty())
and !(resource.resourcetype = "App.Object" and resource.published = "true")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(4),
        seed: "owner-read",
        version: 1,
        category: Category::Security,
        name: "OwnerRead",
        comment: "Owners may read what they own, published or not.",
        filter: "*",
        actions: Actions::READ,
        context: BOTH,
        condition: "resource.IsOwned() and resource.owner = user",
        read_only: false,
    },
    ShippedRule {
        id: id(5),
        seed: "owner-publish-duplicate",
        version: 1,
        category: Category::Security,
        name: "OwnerPublishDuplicate",
        comment: "Owners may publish and duplicate their apps.",
        filter: "App_*",
        actions: Actions::PUBLISH.and(Actions::DUPLICATE),
        context: BOTH,
        condition: "resource.IsOwned() and resource.owner = user",
        read_only: false,
    },
    ShippedRule {
        id: id(6),
        seed: "owner-publish-app-object",
        version: 1,
        category: Category::Security,
        name: "OwnerPublishAppObject",
        comment: "Owners may publish their own objects in apps of streams that they may \
               publish to.",
        filter: "App.Object_*",
        actions: Actions::PUBLISH,
        context: HUB,
        condition: r#"resource.IsOwned() and resource.owner = user
and resource.approved = "false"
and resource.app.stream.HasPrivilege("publish")"#,
        read_only: false,
    },
    ShippedRule {
        id: id(7),
        seed: "owner-approve-app-object",
        version: 1,
        category: Category::Security,
        name: "OwnerApproveAppObject",
        comment: "The owner of an app may approve the objects in it.",
        filter: "App.Object_*",
        actions: Actions::APPROVE,
        context: HUB,
        condition: "resource.app.owner = user",
        read_only: false,
    },
    ShippedRule {
        id: id(8),
        seed: "stream",
        version: 1,
        category: Category::Security,
        name: "Stream",
        comment: "Who may read a stream may read its apps and their published objects.",
        filter: "App*",
        actions: Actions::READ,
        context: BOTH,
        condition: r#"(resource.resourcetype = "App" and resource.stream.HasPrivilege("read"))
or (resource.resourcetype = "App.Object"
    and resource.published = "true"
    and resource.objectType != "app_appscript"
    and resource.objectType != "loadmodel"
    and resource.app.stream.HasPrivilege("read"))"#,
        read_only: false,
    },
    ShippedRule {
        id: id(9),
        seed: "stream-everyone",
        version: 1,
        category: Category::Security,
        name: "StreamEveryone",
        comment: "Everybody who has signed in may read the stream Everyone and publish to it.",
        filter: "Stream_aaec8d41-5201-43ab-809f-3063750dfafd",
        actions: Actions::READ.and(Actions::PUBLISH),
        context: BOTH,
        condition: "!user.IsAnonymous()",
        read_only: false,
    },
    ShippedRule {
        id: id(10),
        seed: "stream-everyone-anonymous",
        version: 1,
        category: Category::Security,
        name: "StreamEveryoneAnonymous",
        comment: "Visitors may read the stream Everyone.",
        filter: "Stream_aaec8d41-5201-43ab-809f-3063750dfafd",
        actions: Actions::READ,
        context: HUB,
        condition: "user.IsAnonymous()",
        read_only: false,
    },
    ShippedRule {
        id: id(11),
        seed: "create-app",
        version: 1,
        category: Category::Security,
        name: "CreateApp",
        comment: "Everybody who has signed in may create apps.",
        filter: "App_*",
        actions: Actions::CREATE,
        context: HUB,
        condition: "!user.IsAnonymous()",
        read_only: false,
    },
    ShippedRule {
        id: id(12),
        seed: "create-app-objects-published-app",
        version: 1,
        category: Category::Security,
        name: "CreateAppObjectsPublishedApp",
        comment: "Everybody who has signed in may create objects of their own in published \
               apps that they may read.",
        filter: "App.Object_*",
        actions: Actions::CREATE,
        context: HUB,
        condition: r#"!user.IsAnonymous()
and !resource.app.stream.Empty()
and resource.objectType = {"userstate", "sheet", "story", "bookmark", "snapshot", "embeddedsnapshot", "hiddenbookmark"}
and resource.app.HasPrivilege("read")"#,
        read_only: false,
    },
    ShippedRule {
        id: id(13),
        seed: "create-app-objects-unpublished-app",
        version: 1,
        category: Category::Security,
        name: "CreateAppObjectsUnPublishedApp",
        comment: "Who may change an unpublished app may create objects in it.",
        filter: "App.Object_*",
        actions: Actions::CREATE,
        context: HUB,
        condition: r#"!user.IsAnonymous()
and resource.app.stream.Empty()
and resource.app.HasPrivilege("update")"#,
        read_only: false,
    },
    ShippedRule {
        id: id(14),
        seed: "read-app-data-segments",
        version: 1,
        category: Category::Security,
        name: "ReadAppDataSegments",
        comment: "Who may read an app may read its data.",
        filter: "App.DataSegment_*",
        actions: Actions::READ,
        context: BOTH,
        condition: r#"resource.app.HasPrivilege("read")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(15),
        seed: "update-app-data-segments",
        version: 1,
        category: Category::Security,
        name: "UpdateAppDataSegments",
        comment: "Who may change an app may change its data.",
        filter: "App.DataSegment_*",
        actions: Actions::UPDATE,
        context: BOTH,
        condition: r#"resource.app.HasPrivilege("update")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(16),
        seed: "read-app-contents",
        version: 1,
        category: Category::Security,
        name: "ReadAppContents",
        comment: "Who may read an app may see the content that belongs to it.",
        filter: "App.Content_*",
        actions: Actions::READ,
        context: BOTH,
        condition: r#"resource.app.HasPrivilege("read")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(17),
        seed: "read-app-content-files",
        version: 1,
        category: Category::Security,
        name: "ReadAppContentFiles",
        comment: "Who may read an app may read the files of its content.",
        filter: "StaticContentReference_*",
        actions: Actions::READ,
        context: BOTH,
        condition: r#"resource.app.HasPrivilege("read")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(18),
        seed: "update-app-contents",
        version: 1,
        category: Category::Security,
        name: "UpdateAppContents",
        comment: "Who may change an app may change the content that belongs to it.",
        filter: "App.Content_*",
        actions: Actions::CREATE.and(Actions::UPDATE).and(Actions::DELETE),
        context: BOTH,
        condition: r#"resource.app.HasPrivilege("update")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(19),
        seed: "update-app-content-files",
        version: 1,
        category: Category::Security,
        name: "UpdateAppContentFiles",
        comment: "Who may change an app may change the files of its content.",
        filter: "StaticContentReference_*",
        actions: Actions::CREATE.and(Actions::UPDATE).and(Actions::DELETE),
        context: BOTH,
        condition: r#"resource.app.HasPrivilege("update")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(20),
        seed: "export-app-data",
        version: 1,
        category: Category::Security,
        name: "ExportAppData",
        comment: "Everybody who has signed in may export data from apps that they may read.",
        filter: "App_*",
        actions: Actions::EXPORT_DATA,
        context: BOTH,
        condition: r#"!user.IsAnonymous() and resource.HasPrivilege("read")"#,
        read_only: false,
    },
    ShippedRule {
        id: id(21),
        seed: "offline-access",
        version: 1,
        category: Category::Security,
        name: "OfflineAccess",
        comment: "Everybody who has signed in may take apps that they may read offline.",
        filter: "App_*",
        actions: Actions::ACCESS_OFFLINE,
        context: BOTH,
        condition: r#"!user.IsAnonymous() and resource.HasPrivilege("read")"#,
        read_only: false,
    },
    ShippedRule {
        id: id(22),
        seed: "data-connection",
        version: 1,
        category: Category::Security,
        name: "DataConnection",
        comment: "Everybody who has signed in may create data connections, except to folders.",
        filter: "DataConnection_*",
        actions: Actions::CREATE,
        context: BOTH,
        condition: r#"!user.IsAnonymous() and resource.type != "folder""#,
        read_only: false,
    },
    ShippedRule {
        id: id(23),
        seed: "folder-data-connection",
        version: 1,
        category: Category::Security,
        name: "FolderDataConnection",
        comment: "Administrators may manage connections to folders.",
        filter: "DataConnection_*",
        actions: CRUD,
        context: BOTH,
        condition: r#"resource.type = "folder" and user.roles = {"RootAdmin", "ContentAdmin", "SecurityAdmin"}"#,
        read_only: false,
    },
    ShippedRule {
        id: id(24),
        seed: "extension",
        version: 1,
        category: Category::Security,
        name: "Extension",
        comment: "Everybody may read extensions.",
        filter: "Extension_*",
        actions: Actions::READ,
        context: BOTH,
        condition: "true",
        read_only: false,
    },
    ShippedRule {
        id: id(25),
        seed: "content-library-content",
        version: 1,
        category: Category::Security,
        name: "Content library content",
        comment: "Who may read a content library may read its files.",
        filter: "StaticContentReference_*",
        actions: Actions::READ,
        context: BOTH,
        condition: r#"resource.ContentLibrarys.HasPrivilege("read")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(26),
        seed: "content-library-manage-content",
        version: 1,
        category: Category::Security,
        name: "Content library manage content",
        comment: "Who may change a content library may manage its files.",
        filter: "StaticContentReference_*",
        actions: CRUD,
        context: BOTH,
        condition: r#"resource.ContentLibrarys.HasPrivilege("update")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(27),
        seed: "shared-content-see",
        version: 1,
        category: Category::Security,
        name: "Shared content see files",
        comment: "Who may read shared content may read its files.",
        filter: "StaticContentReference_*",
        actions: Actions::READ,
        context: BOTH,
        condition: r#"resource.SharedContents.HasPrivilege("read")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(28),
        seed: "shared-content-manage",
        version: 1,
        category: Category::Security,
        name: "Shared content manage files",
        comment: "Who may change shared content may manage its files.",
        filter: "StaticContentReference_*",
        actions: CRUD,
        context: BOTH,
        condition: r#"resource.SharedContents.HasPrivilege("update")"#,
        read_only: true,
    },
    ShippedRule {
        id: id(29),
        seed: "read-custom-properties",
        version: 1,
        category: Category::Security,
        name: "ReadCustomProperties",
        comment: "Everybody who has signed in may read the definitions of custom properties.",
        filter: "CustomProperty*",
        actions: Actions::READ,
        context: BOTH,
        condition: "!user.IsAnonymous()",
        read_only: false,
    },
    ShippedRule {
        id: id(30),
        seed: "read-file-reference",
        version: 1,
        category: Category::Security,
        name: "ReadFileReference",
        comment: "Everybody may read file references.",
        filter: "FileReference_*",
        actions: Actions::READ,
        context: BOTH,
        condition: "true",
        read_only: true,
    },
    ShippedRule {
        id: id(31),
        seed: "hub-sections",
        version: 1,
        category: Category::Security,
        name: "HubSections",
        comment: "Everybody may see the hub's home; its other sections are for people who have \
               signed in.",
        filter: "HubSection_*",
        actions: Actions::READ,
        context: HUB,
        condition: r#"resource.name = "HubSection_Home" or !user.IsAnonymous()"#,
        read_only: false,
    },
    ShippedRule {
        id: id(32),
        seed: "hub-admin",
        version: 2,
        category: Category::Security,
        name: "HubAdmin",
        comment: "Hub administrators may manage reload tasks and their schedules from the hub.",
        filter: "ReloadTask_*, SchemaEvent_*",
        actions: Actions::CREATE.and(Actions::READ).and(Actions::UPDATE),
        context: HUB,
        condition: r#"user.roles = "HubAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(33),
        seed: "stream-monitoring-apps-read",
        version: 1,
        category: Category::Security,
        name: "StreamMonitoringAppsRead",
        comment: "Administrators may read the stream Monitoring apps.",
        filter: "Stream_a70ca8a5-1d59-4cc9-b5fa-6e207978dcaf",
        actions: Actions::READ,
        context: BOTH,
        condition: r#"user.roles = {"RootAdmin", "AuditAdmin", "ContentAdmin", "DeploymentAdmin", "SecurityAdmin"}"#,
        read_only: false,
    },
    ShippedRule {
        id: id(34),
        seed: "stream-monitoring-apps-publish",
        version: 1,
        category: Category::Security,
        name: "StreamMonitoringAppsPublish",
        comment: "Root, content and security administrators may publish to the stream \
               Monitoring apps.",
        filter: "Stream_a70ca8a5-1d59-4cc9-b5fa-6e207978dcaf",
        actions: Actions::READ.and(Actions::PUBLISH),
        context: BOTH,
        condition: r#"user.roles = {"RootAdmin", "ContentAdmin", "SecurityAdmin"}"#,
        read_only: false,
    },
    ShippedRule {
        id: id(35),
        seed: "owner-anonymous-temp-content",
        version: 1,
        category: Category::Security,
        name: "OwnerAnonymousTempContent",
        comment: "Visitors may manage the temporary content of their own session, such as an \
               export that they have asked for. A visitor's user id lasts as long as the session.",
        filter: "TempContent_*",
        actions: CRUD,
        context: BOTH,
        condition: "user.IsAnonymous() and resource.visitor = user.userId",
        read_only: true,
    },
    ShippedRule {
        id: id(40),
        seed: "audit-admin",
        version: 1,
        category: Category::Security,
        name: "AuditAdmin",
        comment: "Audit administrators may read everything in the console except its sections.",
        filter: "*",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "AuditAdmin"
and !(resource.resourcetype = "TransientObject" and resource.name like "QmcSection_*")"#,
        read_only: false,
    },
    ShippedRule {
        id: id(41),
        seed: "audit-admin-qmc-sections",
        version: 1,
        category: Category::Security,
        name: "AuditAdminQmcSections",
        comment: "Console sections of audit administrators.",
        filter: "License_*, TermsAcceptance_*, QmcSection_Tag, QmcSection_Audit, \
              QmcSection_AppDistributionStatus, QmcSection_CloudDistribution, \
              QmcSection_DeploymentSetup, QmcSection_EngineHealth",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "AuditAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(42),
        seed: "content-admin",
        version: 1,
        category: Category::Security,
        name: "ContentAdmin",
        comment: "Content administrators may manage streams, apps, tasks, people and content.",
        filter: "Stream_*, App*, ReloadTask_*, UserSyncTask_*, SchemaEvent_*, User*, \
              CustomProperty*, Tag_*, DataConnection_*, AnalyticConnection_*, \
              CompositeEvent_*, Extension_*, ContentLibrary_*, StaticContentReference_*, \
              FileExtension_*, FileExtensionWhiteList_*, SystemNotification_*",
        actions: CRUD
            .and(Actions::EXPORT)
            .and(Actions::PUBLISH)
            .and(Actions::CHANGE_OWNER)
            .and(Actions::EXPORT_DATA)
            .and(Actions::ACCESS_OFFLINE)
            .and(Actions::DUPLICATE)
            .and(Actions::APPROVE),
        context: CONSOLE,
        condition: r#"user.roles = "ContentAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(43),
        seed: "content-admin-reads",
        version: 2,
        category: Category::Security,
        name: "ContentAdminReads",
        comment: "Content administrators may see the licence and content caching.",
        filter: "License*, TermsAcceptance_*, ContentCacheControl_*",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "ContentAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(44),
        seed: "content-admin-qmc-sections",
        version: 1,
        category: Category::Security,
        name: "ContentAdminQmcSections",
        comment: "Console sections of content administrators.",
        filter: "QmcSection_App, QmcSection_App.Object, QmcSection_Stream, \
              QmcSection_ContentLibrary, QmcSection_DataConnection, \
              QmcSection_AnalyticConnection, QmcSection_Extension, QmcSection_Task, \
              QmcSection_ReloadTask, QmcSection_UserSyncTask, QmcSection_Event, \
              QmcSection_SchemaEvent, QmcSection_CompositeEvent, QmcSection_User, \
              QmcSection_Audit, QmcSection_SystemRule, QmcSection_CustomProperty, \
              QmcSection_Tag, QmcSection_SystemNotification",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "ContentAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(45),
        seed: "content-admin-rules-access",
        version: 1,
        category: Category::Security,
        name: "ContentAdminRulesAccess",
        comment: "Content administrators may manage security rules that are about one stream, \
               app, library, connection, extension or task.",
        filter: "SystemRule_*",
        actions: CRUD,
        context: CONSOLE,
        condition: r#"user.roles = "ContentAdmin"
and resource.category = "Security"
and resource.resourceFilter matches "(Stream|App|App\.Object|ContentLibrary|DataConnection|Extension|ReloadTask)_[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}""#,
        read_only: false,
    },
    ShippedRule {
        id: id(46),
        seed: "security-admin",
        version: 1,
        category: Category::Security,
        name: "SecurityAdmin",
        comment: "Security administrators may manage streams, apps, people, rules and \
               entrances.",
        filter: "Stream_*, App*, DataConnection_*, AnalyticConnection_*, ContentLibrary_*, \
              StaticContentReference_*, User*, SystemRule_*, CustomProperty*, Tag_*, \
              ProxyService_*, VirtualProxyConfig_*, FileExtension_*, \
              FileExtensionWhiteList_*",
        actions: CRUD
            .and(Actions::EXPORT)
            .and(Actions::PUBLISH)
            .and(Actions::CHANGE_OWNER)
            .and(Actions::CHANGE_ROLE)
            .and(Actions::EXPORT_DATA)
            .and(Actions::ACCESS_OFFLINE)
            .and(Actions::DUPLICATE)
            .and(Actions::APPROVE),
        context: CONSOLE,
        condition: r#"user.roles = "SecurityAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(47),
        seed: "security-admin-reads",
        version: 1,
        category: Category::Security,
        name: "SecurityAdminReads",
        comment: "Security administrators may see extensions, the licence, the state of \
               services and content caching.",
        filter: "Extension_*, License*, TermsAcceptance_*, ServiceStatus_*, \
              ContentCacheControl_*",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "SecurityAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(48),
        seed: "security-admin-qmc-sections",
        version: 1,
        category: Category::Security,
        name: "SecurityAdminQmcSections",
        comment: "Console sections of security administrators.",
        filter: "QmcSection_App, QmcSection_App.Object, QmcSection_Stream, \
              QmcSection_ContentLibrary, QmcSection_DataConnection, \
              QmcSection_AnalyticConnection, QmcSection_User, QmcSection_Audit, \
              QmcSection_SystemRule, QmcSection_CustomProperty, QmcSection_Tag, \
              QmcSection_Proxy, QmcSection_VirtualProxy",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "SecurityAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(49),
        seed: "security-admin-server-node-configuration",
        version: 1,
        category: Category::Security,
        name: "SecurityAdminServerNodeConfiguration",
        comment: "Security administrators may read the configuration of nodes.",
        filter: "ServerNodeConfiguration_*",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "SecurityAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(50),
        seed: "deployment-admin",
        version: 1,
        category: Category::Security,
        name: "DeploymentAdmin",
        comment: "Deployment administrators may manage nodes, services, entrances, tasks, \
               people and licences.",
        filter: "ServerNodeConfiguration_*, ServiceCluster_*, ServiceStatus_*, EngineService_*, \
              ProxyService_*, VirtualProxyConfig_*, RepositoryService_*, SchedulerService_*, \
              PrintingService_*, ReloadTask_*, UserSyncTask_*, ExternalProgramTask_*, \
              SchemaEvent_*, CompositeEvent_*, User*, CustomProperty*, Tag_*, License*, \
              TermsAcceptance_*",
        actions: CRUD,
        context: CONSOLE,
        condition: r#"user.roles = "DeploymentAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(51),
        seed: "deployment-admin-reads",
        version: 1,
        category: Category::Security,
        name: "DeploymentAdminReads",
        comment: "Deployment administrators may see extensions, libraries and analytic \
               connections.",
        filter: "Extension_*, ContentLibrary_*, AnalyticConnection_*",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "DeploymentAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(52),
        seed: "deployment-admin-app-access",
        version: 1,
        category: Category::Security,
        name: "DeploymentAdminAppAccess",
        comment: "Deployment administrators may see and change apps, but not what is in them.",
        filter: "App_*",
        actions: Actions::READ.and(Actions::UPDATE).and(Actions::ACCESS_OFFLINE),
        context: CONSOLE,
        condition: r#"user.roles = "DeploymentAdmin""#,
        read_only: false,
    },
    ShippedRule {
        id: id(53),
        seed: "deployment-admin-rules-access",
        version: 1,
        category: Category::Security,
        name: "DeploymentAdminRulesAccess",
        comment: "Deployment administrators may manage licence and load-balancing rules.",
        filter: "SystemRule_*",
        actions: CRUD,
        context: CONSOLE,
        condition: r#"user.roles = "DeploymentAdmin" and resource.category = {"License", "Sync"}"#,
        read_only: false,
    },
    ShippedRule {
        id: id(54),
        seed: "deployment-admin-qmc-sections",
        version: 2,
        category: Category::Security,
        name: "DeploymentAdminQmcSections",
        comment: "Console sections of deployment administrators.",
        filter: "QmcSection_App, QmcSection_Task, QmcSection_ReloadTask, \
              QmcSection_UserSyncTask, QmcSection_Event, QmcSection_SchemaEvent, \
              QmcSection_CompositeEvent, QmcSection_User, QmcSection_UserDirectory, \
              QmcSection_Audit, QmcSection_CustomProperty, QmcSection_License, \
              QmcSection_Tag, QmcSection_ServerNodeConfiguration, QmcSection_ServiceCluster, \
              QmcSection_Engine, QmcSection_EngineHealth, QmcSection_Proxy, \
              QmcSection_VirtualProxy, QmcSection_Scheduler, QmcSection_Repository, \
              QmcSection_Printing, QmcSection_LoadBalancingRule, \
              QmcSection_DeploymentSetup, QmcSection_Certificate",
        actions: Actions::READ,
        context: CONSOLE,
        condition: r#"user.roles = "DeploymentAdmin""#,
        read_only: false,
    },
];

const SYNC_RULES: &[ShippedRule] = &[
    ShippedRule {
        id: id(60),
        seed: "resources-on-central-node",
        version: 1,
        category: Category::Sync,
        name: "ResourcesOnCentralNode",
        comment: "The central node has every app.",
        filter: "App_*",
        actions: LOAD_BALANCING,
        context: BOTH,
        condition: r#"node.isCentral = "true""#,
        read_only: true,
    },
    ShippedRule {
        id: id(61),
        seed: "resources-on-non-central-nodes",
        version: 1,
        category: Category::Sync,
        name: "ResourcesOnNonCentralNodes",
        comment: "Every other node has every app but those of the stream Monitoring apps. \
               Disable it to choose which node has which app.",
        filter: "App_*",
        actions: LOAD_BALANCING,
        context: BOTH,
        condition: r#"node.isCentral = "false"
and !(resource.stream.id = "a70ca8a5-1d59-4cc9-b5fa-6e207978dcaf")"#,
        read_only: false,
    },
];
