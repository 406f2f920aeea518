//! Whom and what does a typed name mean? People type `LOGGIA\ana`, `NONE\anonymous`,
//! `App_<id>` or `Stream_Everyone`; an error names the place and what was probably meant.

use loggia_model::entity::{App, AppObject, LicencePool, Stamp, Stream, SystemRule, User};
use loggia_model::entity::{UserDirectory, VirtualProxy};
use loggia_model::{
    AppId, Caller, Environment, InternalAccount, ObjectId, PoolId, Prefix, Principal,
    RequestContext, RuleId, StreamId, UserDirectoryId, UserId, UserKey, VirtualProxyId, VisitorId,
};
use loggia_rules::{Action, Entity, ResourceKind, closest, same_name};
use uuid::{Uuid, uuid};

use crate::manage::{Violation, rules, user_directories};
use crate::record::{Record, pool_kind};
use crate::site::Site;

/// Stands for every visitor who has not signed in, wherever a requester needs an id.
pub const ANONYMOUS_VISITOR: VisitorId = VisitorId(uuid!("10991a00-0000-4000-8000-a00000000001"));

/// The name that lists show for [`ANONYMOUS_VISITOR`].
pub const ANONYMOUS_NAME: &str = "Anonymous visitor";

/// Sections of hub and console (`spec/access.md` §5.11), which have no rows.
pub(crate) const SECTIONS: &[&str] = &[
    "HubSection_Home",
    "HubSection_Work",
    "QmcSection_AnalyticConnection",
    "QmcSection_App",
    "QmcSection_App.Object",
    "QmcSection_AppDistributionStatus",
    "QmcSection_Audit",
    "QmcSection_Certificate",
    "QmcSection_CloudDistribution",
    "QmcSection_CompositeEvent",
    "QmcSection_ContentLibrary",
    "QmcSection_CustomProperty",
    "QmcSection_DataConnection",
    "QmcSection_DeploymentSetup",
    "QmcSection_Engine",
    "QmcSection_EngineHealth",
    "QmcSection_Event",
    "QmcSection_Extension",
    "QmcSection_License",
    "QmcSection_LoadBalancingRule",
    "QmcSection_OnDemandApps",
    "QmcSection_Printing",
    "QmcSection_Proxy",
    "QmcSection_ReloadTask",
    "QmcSection_Repository",
    "QmcSection_Scheduler",
    "QmcSection_SchemaEvent",
    "QmcSection_ServerNodeConfiguration",
    "QmcSection_ServiceCluster",
    "QmcSection_Stream",
    "QmcSection_SystemNotification",
    "QmcSection_SystemRule",
    "QmcSection_Tag",
    "QmcSection_Task",
    "QmcSection_User",
    "QmcSection_UserDirectory",
    "QmcSection_UserSyncTask",
    "QmcSection_VirtualProxy",
];

/// Kinds that this release keeps rows of.
pub(crate) const KINDS: [ResourceKind; 14] = [
    ResourceKind::App,
    ResourceKind::AppObject,
    ResourceKind::Stream,
    ResourceKind::User,
    ResourceKind::SystemRule,
    ResourceKind::VirtualProxyConfig,
    ResourceKind::UserDirectory,
    ResourceKind::ProxyService,
    ResourceKind::ServerNodeConfiguration,
    ResourceKind::LicenseProfessionalAccessGroup,
    ResourceKind::LicenseAnalyzerAccessGroup,
    ResourceKind::LicenseUserAccessGroup,
    ResourceKind::LicenseLoginAccessType,
    ResourceKind::LicenseAnalyzerTimeAccessType,
];

/// The environment of a session that somebody typed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypedEnvironment {
    pub(crate) environment: Environment,
    /// Whether the entrance was among it.
    pub(crate) has_entrance: bool,
    pub(crate) context: Option<RequestContext>,
    /// What looks like a slip.
    pub(crate) notes: Vec<String>,
}

/// A thing that somebody asks about.
pub(crate) enum Target {
    /// A row, or a section.
    There(Entity),
    /// To be created, with the values it would begin with where rules read any.
    New(ResourceKind, Option<Box<Draft>>),
}

/// A thing with the values that it would begin with.
pub(crate) enum Draft {
    User(User),
    Stream(Stream),
    App(App),
    AppObject(AppObject),
    Rule(SystemRule),
    VirtualProxy(Box<VirtualProxy>),
    UserDirectory(Box<UserDirectory>),
    Pool(LicencePool),
}

impl Draft {
    pub(crate) fn record(&self) -> Record<'_> {
        match self {
            Draft::User(user) => Record::User(user),
            Draft::Stream(stream) => Record::Stream(stream),
            Draft::App(app) => Record::App(app),
            Draft::AppObject(object) => Record::AppObject(object),
            Draft::Rule(rule) => Record::Rule(rule),
            Draft::VirtualProxy(entrance) => Record::VirtualProxy(entrance),
            Draft::UserDirectory(directory) => Record::UserDirectory(directory),
            Draft::Pool(pool) => Record::Pool(pool),
        }
    }

    /// Whether making one needs somebody to own it.
    pub(crate) fn needs_owner(&self) -> bool {
        matches!(self, Draft::Stream(_) | Draft::App(_) | Draft::AppObject(_))
    }
}

/// Reads environment attributes written as `OS=Windows;IP=10.0.0.1`.
pub fn environment_pairs(text: &str) -> Result<Vec<(String, String)>, Violation> {
    let mut pairs = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            let message = format!("{part:?} has no =; write name=value, with ; between several");
            return Err(Violation::new("environment", message));
        };
        pairs.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(pairs)
}

/// The environment of a session that has these attributes; what was not typed in is as for the
/// visitor of the anonymous check.
pub(crate) fn environment(pairs: &[(String, String)]) -> Result<TypedEnvironment, Vec<Violation>> {
    const KNOWN: [&str; 8] = [
        "ip",
        "os",
        "device",
        "browser",
        "secureRequest",
        "requestType",
        "virtualProxy",
        "context",
    ];
    let mut typed = TypedEnvironment {
        environment: Environment {
            os: "Unknown".to_owned(),
            device: "Default".to_owned(),
            browser: "Unknown".to_owned(),
            request_type: "Http".to_owned(),
            is_secure: true,
            ..Environment::default()
        },
        has_entrance: false,
        context: None,
        notes: Vec::new(),
    };
    let mut problems = Vec::new();
    let mut bad = |message: String| problems.push(Violation::new("environment", message));
    for (given, value) in pairs {
        let name = given.to_lowercase();
        let name = name.strip_prefix("user.").unwrap_or(&name);
        let name = name.strip_prefix("environment.").unwrap_or(name);
        let environment = &mut typed.environment;
        match name {
            "" => bad(format!("an attribute has no name before ={value}")),
            "ip" => match value.parse() {
                Ok(ip) => environment.ip = Some(ip),
                Err(_) => bad(format!("{value:?} is no IP address, such as 10.0.0.1")),
            },
            "os" => environment.os = value.clone(),
            "device" => environment.device = value.clone(),
            "browser" => environment.browser = value.clone(),
            "requesttype" => environment.request_type = value.clone(),
            "securerequest" if value.eq_ignore_ascii_case("true") => environment.is_secure = true,
            "securerequest" if value.eq_ignore_ascii_case("false") => environment.is_secure = false,
            "securerequest" => bad(format!("secureRequest is {value:?}, expected true or false")),
            "virtualproxy" => match value.trim_start_matches('/').parse::<Prefix>() {
                Ok(prefix) => {
                    environment.virtual_proxy = prefix;
                    typed.has_entrance = true;
                }
                Err(error) => bad(error.to_string()),
            },
            "context" => match context(value) {
                Some(context) => typed.context = Some(context),
                None => bad(format!("context is {value:?}, expected hub or console")),
            },
            _ => {
                let near = closest(name, KNOWN).filter(|_| name.chars().count() > 3);
                if let Some(near) = near {
                    typed.notes.push(format!(
                        "{given} is taken for an attribute of the sign-in; did you mean {near}?"
                    ));
                }
                environment.attributes.push((name.to_owned(), value.clone()));
            }
        }
    }
    if problems.is_empty() { Ok(typed) } else { Err(problems) }
}

/// `hub` or `console`, also as rules read it.
pub(crate) fn context(text: &str) -> Option<RequestContext> {
    match text.to_lowercase().as_str() {
        "hub" | "appaccess" => Some(RequestContext::Hub),
        "console" | "qmc" | "managementaccess" => Some(RequestContext::Console),
        _ => None,
    }
}

/// The requester that is meant, in the hub and without environment, and the name to show.
pub(crate) fn subject(site: &Site, text: &str) -> Result<(Caller, String), Violation> {
    // Shells differ in what they make of a backslash.
    let text = text.trim().replace("\\\\", "\\");
    let wrong = |message: String, suggestion: Option<String>| Violation {
        suggestion,
        ..Violation::new("user", message)
    };
    if text.is_empty() {
        let message = "name somebody: NONE\\anonymous, DIRECTORY\\id, an id, or a GUID";
        return Err(wrong(message.to_owned(), None));
    }
    if let Ok(id) = Uuid::try_parse(&text) {
        if id == ANONYMOUS_VISITOR.0 {
            return Ok(visitor(ANONYMOUS_VISITOR));
        }
        return match site.user(id.into()) {
            Some(user) => Ok(person(user)),
            None => Err(wrong(format!("no user has the id {id}"), None)),
        };
    }
    let (directory, name) = match text.split_once('\\') {
        Some((directory, name)) => (Some(directory.trim()), name.trim()),
        None => (None, text.as_str()),
    };
    let is_word = ["visitor", "visitors"].iter().any(|word| same_name(word, &text));
    if is_word && !site.users().any(|user| same_name(user.key.id(), name)) {
        return Ok(visitor(ANONYMOUS_VISITOR));
    }
    let is_visitors =
        directory.is_some_and(|word| word.eq_ignore_ascii_case(UserKey::ANONYMOUS_DIRECTORY));
    if directory.is_none() || is_visitors {
        let rest = name
            .get(..9)
            .filter(|start| start.eq_ignore_ascii_case("anonymous"))
            .and_then(|_| name.get(9..));
        match rest {
            Some("") => return Ok(visitor(ANONYMOUS_VISITOR)),
            Some(rest) => {
                if let Ok(id) = Uuid::try_parse(rest) {
                    return Ok(visitor(VisitorId(id)));
                }
            }
            None => {}
        }
    }
    if is_visitors {
        let meant = "NONE\\anonymous".to_owned();
        return Err(wrong(format!("a visitor is written {meant}"), Some(meant)));
    }
    let mut found: Vec<&User> = site
        .users()
        .map(AsRef::as_ref)
        .filter(|user| {
            same_name(user.key.id(), name)
                && directory.is_none_or(|d| same_name(user.key.directory(), d))
        })
        .collect();
    found.sort_by(|one, other| one.key.folded().cmp(other.key.folded()));
    match found.as_slice() {
        [user] => Ok(person(user)),
        [] => {
            let keys: Vec<String> = site.users().map(|user| user.key.to_string()).collect();
            let mut names: Vec<(&str, &str)> = Vec::new();
            for (user, key) in site.users().zip(&keys) {
                names.push((key, key));
                if directory.is_none() {
                    names.push((user.key.id(), key));
                    names.push((&user.name, key));
                }
            }
            names.push(("NONE\\anonymous", "NONE\\anonymous"));
            names.sort_unstable();
            let meant = closest(&text, names.iter().map(|(word, _)| *word))
                .and_then(|near| names.iter().find(|(word, _)| *word == near))
                .map(|(_, key)| (*key).to_owned());
            let hint = did_you_mean(meant.as_deref());
            Err(wrong(format!("there is no user {text}{hint}"), meant))
        }
        several => {
            let keys: Vec<String> = several.iter().take(5).map(|u| u.key.to_string()).collect();
            let message = format!("several users have the id {name}: write {}", keys.join(" or "));
            Err(wrong(message, None))
        }
    }
}

/// The visitor, as somebody who asks.
pub(crate) fn visitor(id: VisitorId) -> (Caller, String) {
    (Caller::visitor(id, Environment::default()), ANONYMOUS_NAME.to_owned())
}

/// A user, as somebody who asks.
pub(crate) fn person(user: &User) -> (Caller, String) {
    let accounts =
        [InternalAccount::Repository, InternalAccount::Engine, InternalAccount::Scheduler];
    let is_internal = same_name(user.key.directory(), UserKey::INTERNAL_DIRECTORY);
    let account =
        accounts.into_iter().find(|a| is_internal && same_name(a.user_id(), user.key.id()));
    let mut caller = Caller::user(user.id, user.key.clone(), Environment::default());
    if let Some(account) = account {
        caller.principal = Principal::Internal(account);
    }
    (caller, user.name.clone())
}

/// The thing that is meant. `within` is the app that a new object would be made in; `notes`
/// collects what looks like a slip.
pub(crate) fn target(
    site: &Site,
    text: &str,
    action: Action,
    within: Option<&str>,
    caller: &Caller,
    notes: &mut Vec<String>,
) -> Result<Target, Violation> {
    let text = text.trim();
    let wrong = |message: String, suggestion: Option<String>| Violation {
        suggestion,
        ..Violation::new("resource", message)
    };
    if let Ok(id) = Uuid::try_parse(text) {
        return match KINDS.iter().find_map(|&kind| row(site, kind, id)) {
            Some(record) => Ok(Target::There(record.entity())),
            None => Err(wrong(format!("nothing has the id {id}"), None)),
        };
    }
    let Some((family, rest)) = text.split_once('_') else {
        let kind: ResourceKind = text.parse().map_err(|error: loggia_rules::UnknownKind| {
            let message = format!(
                "{error}{}; write Type_id, such as App_<id>, or a section, such as QmcSection_App",
                if error.suggestion.is_some() { "" } else { " or section" }
            );
            wrong(message, error.suggestion.map(str::to_owned))
        })?;
        if action != Action::Create {
            let message = format!(
                "name one: {kind}_<id> or {kind}_<name>; {kind} alone is something to be created, \
                 for the action create"
            );
            return Err(wrong(message, None));
        }
        let draft = draft(site, kind, within, caller)?;
        return Ok(Target::New(kind, draft.map(Box::new)));
    };
    if ["QmcSection", "HubSection", "Hub"].iter().any(|word| same_name(word, family)) {
        if rest.is_empty() || rest.contains('*') {
            let message = format!("name one section, such as {family}_{}", example(family));
            return Err(wrong(message, None));
        }
        if !SECTIONS.iter().any(|section| same_name(section, text)) {
            let near = did_you_mean(closest(text, SECTIONS.iter().copied()));
            notes.push(format!("{text} is no section of this product{near}"));
        }
        return Ok(Target::There(Entity::transient(text)));
    }
    let kind: ResourceKind = family.parse().map_err(|error: loggia_rules::UnknownKind| {
        wrong(error.to_string(), error.suggestion.map(|word| format!("{word}_{rest}")))
    })?;
    if !KINDS.contains(&kind) {
        return Err(wrong(format!("this release keeps nothing of the type {kind}"), None));
    }
    if let Ok(id) = Uuid::try_parse(rest) {
        if let Some(record) = row(site, kind, id) {
            return Ok(Target::There(record.entity()));
        }
        return Err(match KINDS.iter().find_map(|&other| row(site, other, id)) {
            Some(other) => {
                let meant = other.entity().to_string();
                wrong(format!("{id} is no {kind}; did you mean {meant}?"), Some(meant))
            }
            None => wrong(format!("there is no {kind} with the id {id}"), None),
        });
    }
    let mut found: Vec<Record<'_>> = rows(site, kind)
        .filter(|record| names(*record).iter().any(|name| same_name(name, rest)))
        .collect();
    found.sort_by_key(|record| record.id());
    match found.as_slice() {
        [record] => Ok(Target::There(record.entity())),
        [] => {
            let mut known: Vec<String> = rows(site, kind).flat_map(names).collect();
            known.sort_unstable();
            let near = closest(rest, known.iter().map(String::as_str));
            let meant = near.map(|near| format!("{kind}_{near}"));
            let hint = did_you_mean(meant.as_deref());
            Err(wrong(format!("there is no {kind} called {rest:?}{hint}"), meant))
        }
        several => {
            let ids: Vec<_> =
                several.iter().take(5).map(|record| record.entity().to_string()).collect();
            let more = several.len().saturating_sub(5);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let message =
                format!("several have the name {rest:?}; write one of {}{more}", ids.join(", "));
            Err(wrong(message, None))
        }
    }
}

/// The rows of a kind, in no particular order.
pub(crate) fn rows(site: &Site, kind: ResourceKind) -> Box<dyn Iterator<Item = Record<'_>> + '_> {
    match kind {
        ResourceKind::App => Box::new(site.apps().map(|app| Record::App(app))),
        ResourceKind::AppObject => Box::new(site.objects().map(|o| Record::AppObject(o))),
        ResourceKind::Stream => Box::new(site.streams().map(|stream| Record::Stream(stream))),
        ResourceKind::User => Box::new(site.users().map(|user| Record::User(user))),
        ResourceKind::SystemRule => Box::new(site.rules().map(Record::Rule)),
        ResourceKind::VirtualProxyConfig => {
            Box::new(site.virtual_proxies().map(|entrance| Record::VirtualProxy(entrance)))
        }
        ResourceKind::UserDirectory => {
            Box::new(site.user_directories().map(|directory| Record::UserDirectory(directory)))
        }
        ResourceKind::ProxyService => {
            Box::new(std::iter::once(Record::Proxy(site.proxy_service())))
        }
        ResourceKind::ServerNodeConfiguration => {
            Box::new(site.nodes().map(|node| Record::Node(node)))
        }
        kind => Box::new(
            site.pools()
                .filter(move |pool| pool_kind(pool.kind) == kind)
                .map(|pool| Record::Pool(pool)),
        ),
    }
}

fn row(site: &Site, kind: ResourceKind, id: Uuid) -> Option<Record<'_>> {
    Some(match kind {
        ResourceKind::App => Record::App(site.app(id.into())?),
        ResourceKind::AppObject => Record::AppObject(site.object(id.into())?),
        ResourceKind::Stream => Record::Stream(site.stream(id.into())?),
        ResourceKind::User => Record::User(site.user(id.into())?),
        ResourceKind::SystemRule => Record::Rule(site.rule(id.into())?),
        ResourceKind::VirtualProxyConfig => Record::VirtualProxy(site.virtual_proxy(id.into())?),
        ResourceKind::UserDirectory => Record::UserDirectory(site.user_directory(id.into())?),
        ResourceKind::ProxyService => Record::Proxy(site.proxy(id.into())?),
        ResourceKind::ServerNodeConfiguration => Record::Node(site.node(id.into())?),
        kind => {
            let pool = site.pool(id.into())?;
            (pool_kind(pool.kind) == kind).then_some(Record::Pool(pool))?
        }
    })
}

/// What a thing may be called by.
fn names(record: Record<'_>) -> Vec<String> {
    let mut names = vec![record.name().to_owned()];
    match record {
        Record::User(user) => {
            names.extend([user.key.to_string(), user.key.id().to_owned()]);
        }
        Record::AppObject(object) => names.push(object.engine_id.clone()),
        Record::VirtualProxy(entrance) => names.push(entrance.prefix.to_string()),
        Record::Node(node) => names.push(node.host_name.clone()),
        _ => {}
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What would be made, as its maker's use case begins with it; none where rules read no values.
fn draft(
    site: &Site,
    kind: ResourceKind,
    within: Option<&str>,
    caller: &Caller,
) -> Result<Option<Draft>, Violation> {
    let wrong = |message: &str| Err(Violation::new("within", message));
    if within.is_some() && kind != ResourceKind::AppObject {
        return wrong("only an App.Object is made within something, namely an app");
    }
    let owner = match &caller.principal {
        Principal::User { id, .. } => *id,
        Principal::Internal(account) => {
            site.internal_user(*account).map_or(UserId(Uuid::nil()), |user| user.id)
        }
        Principal::Anonymous(_) => UserId(Uuid::nil()),
    };
    let stamp = Stamp {
        created: loggia_model::Moment::NEVER,
        modified: loggia_model::Moment::NEVER,
        modified_by: caller.principal.to_string(),
    };
    Ok(Some(match kind {
        ResourceKind::App => Draft::App(App {
            id: AppId(Uuid::nil()),
            name: String::new(),
            description: String::new(),
            owner,
            stream: None,
            publish_time: None,
            last_reload: None,
            file_size: 0,
            thumbnail: String::new(),
            custom_properties: Vec::new(),
            tags: Vec::new(),
            stamp,
        }),
        ResourceKind::AppObject => {
            let Some(within) = within else {
                return wrong("name the app that the object would be made in, such as App_<id>");
            };
            let place = |violation: Violation| Violation { place: "within", ..violation };
            let app = target(site, within, Action::Read, None, caller, &mut Vec::new());
            let app = match app.map_err(place)? {
                Target::There(Entity { kind: ResourceKind::App, id: Some(id), .. }) => id,
                _ => return wrong("an object is made in an app; write App_<id>"),
            };
            Draft::AppObject(AppObject {
                id: ObjectId(Uuid::nil()),
                app: AppId(app),
                engine_id: String::new(),
                object_type: "sheet".to_owned(),
                name: String::new(),
                description: String::new(),
                owner,
                is_published: false,
                is_approved: false,
                stamp,
            })
        }
        ResourceKind::Stream => Draft::Stream(Stream {
            id: StreamId(Uuid::nil()),
            name: String::new(),
            owner,
            custom_properties: Vec::new(),
            tags: Vec::new(),
            stamp,
        }),
        ResourceKind::User => {
            let Ok(key) = UserKey::new("UNNAMED", "unnamed") else { return Ok(None) };
            Draft::User(User {
                id: UserId(Uuid::nil()),
                key,
                name: String::new(),
                roles: Vec::new(),
                attributes: Vec::new(),
                custom_properties: Vec::new(),
                tags: Vec::new(),
                is_inactive: false,
                is_blocked: false,
                external: None,
                stamp,
            })
        }
        ResourceKind::SystemRule => Draft::Rule(rules::blank(RuleId(Uuid::nil()), stamp)),
        ResourceKind::VirtualProxyConfig => Draft::VirtualProxy(Box::new(VirtualProxy {
            id: VirtualProxyId(Uuid::nil()),
            ..crate::seed::new_entrance(stamp)
        })),
        ResourceKind::UserDirectory => Draft::UserDirectory(Box::new(user_directories::blank(
            UserDirectoryId(Uuid::nil()),
            stamp,
        ))),
        kind => {
            let Some(pool) = rules::POOL_KINDS.into_iter().find(|&pool| pool_kind(pool) == kind)
            else {
                return Ok(None);
            };
            Draft::Pool(LicencePool::unlimited(PoolId(Uuid::nil()), "", pool, stamp))
        }
    }))
}

fn example(family: &str) -> &'static str {
    if same_name(family, "QmcSection") { "App" } else { "Home" }
}

pub(crate) fn did_you_mean(meant: Option<&str>) -> String {
    meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()
}
