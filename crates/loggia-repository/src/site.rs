//! What does a decision read? One immutable [`Site`]: everything of one version, never half a
//! change. A write makes the next one and swaps it in; readers keep the one they hold.

mod rule_book;
mod table;
mod versions;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use thiserror::Error;

use loggia_model::entity::{
    App, AppObject, LicencePool, Node, NodePurpose, ProxyService, Stamp, Stream, SystemRule, User,
    UserDirectory, VirtualProxy,
};
use loggia_model::{
    AppId, InternalAccount, Moment, NodeId, ObjectId, PoolId, Prefix, ProxyServiceId, RuleId,
    StreamId, UserDirectoryId, UserId, UserKey, VirtualProxyId,
};
use loggia_rules::{Checked, Condition, ResourceKind, RuleSet};
use uuid::uuid;

use crate::record::pool_kind;
use crate::refusal::Refusal;
use crate::store::{Change, StoredRule, StoredSite};
use crate::trail::Trail;

use rule_book::{RuleBook, RuleChanges};
pub use rule_book::{RuleProblem, RuleProblems, compile_rule};
use table::Table;
use versions::Versions;

/// Everything of one version. Cheap to derive from the one before: only what changed is copied.
#[derive(Clone)]
pub struct Site {
    version: u64,
    /// Version of the last change to what licence rules read: users, licence rules, pools.
    licence_version: u64,
    /// Version of the last change to what people are called.
    names_version: u64,
    versions: Versions,
    users: Table<UserId, Arc<User>>,
    user_keys: Table<Arc<str>, UserId>,
    /// How many things each person owns; only those who own something are in it.
    owned: Table<UserId, u32>,
    streams: Table<StreamId, Arc<Stream>>,
    apps: Table<AppId, Arc<App>>,
    objects: Table<AppId, Arc<AppObjects>>,
    object_apps: Table<ObjectId, AppId>,
    virtual_proxies: Table<VirtualProxyId, Arc<VirtualProxy>>,
    user_directories: Table<UserDirectoryId, Arc<UserDirectory>>,
    proxy: Arc<ProxyService>,
    pools: Table<PoolId, Arc<LicencePool>>,
    tokens: Option<u64>,
    data: Table<AppId, u32>,
    rules: Arc<RuleBook>,
    node: Arc<Node>,
    is_served: bool,
    /// Where refusals are told; none on a site that nobody is refused at.
    trail: Option<Arc<Trail>>,
}

/// Objects inside each other are followed outwards so far; sheets hold charts, and a chart may hold
/// others. What lies deeper is on no sheet.
const DEEPEST_OBJECT: usize = 32;

/// The objects of one app.
#[derive(Clone, Default)]
struct AppObjects {
    by_id: Table<ObjectId, Arc<AppObject>>,
    by_engine_id: Table<Arc<str>, ObjectId>,
    /// For an object inside another one the engine id of that other.
    parents: Table<ObjectId, Arc<str>>,
}

/// A stored site that must not be served.
#[derive(Debug, Error)]
pub enum SiteError {
    /// Serving without it would allow what the operator forbade.
    #[error("the forbidding rule {name:?} ({id}) cannot be read: {problem}")]
    UnreadableForbid { id: RuleId, name: String, problem: String },
}

/// The node that every site has.
pub const CENTRAL_NODE: NodeId = NodeId(uuid!("9e3a4c52-70c1-4d0b-8a37-5b1f0c6d2e01"));

impl Site {
    /// The site as loaded.
    pub fn from_stored(stored: StoredSite) -> Result<Site, SiteError> {
        let mut objects: HashMap<AppId, AppObjects> = HashMap::new();
        let mut object_apps = Vec::with_capacity(stored.objects.len());
        let mut owned: HashMap<UserId, u32> = HashMap::new();
        let owners = stored.objects.iter().map(|object| object.owner);
        let owners = owners.chain(stored.apps.iter().map(|app| app.owner));
        for owner in owners.chain(stored.streams.iter().map(|stream| stream.owner)) {
            *owned.entry(owner).or_default() += 1;
        }
        for object in stored.objects {
            object_apps.push((object.id, object.app));
            objects.entry(object.app).or_default().put(Arc::new(object));
        }
        let object_apps: Table<_, _> = object_apps.into_iter().collect();
        for (object, parent) in stored.parents {
            let siblings = object_apps.get(&object).and_then(|app| objects.get_mut(app));
            if let Some(siblings) = siblings {
                siblings.parents.put(object, parent.into());
            }
        }
        let pools: Table<_, _> =
            stored.pools.into_iter().map(|pool| (pool.id, Arc::new(pool))).collect();
        Ok(Site {
            version: stored.version,
            licence_version: stored.version,
            names_version: stored.version,
            versions: Versions::all(stored.version),
            user_keys: stored
                .users
                .iter()
                .map(|user| (user.key.folded().into(), user.id))
                .collect(),
            users: table(stored.users, |user| user.id),
            owned: owned.into_iter().collect(),
            streams: table(stored.streams, |stream| stream.id),
            apps: table(stored.apps, |app| app.id),
            objects: objects.into_iter().map(|(app, objects)| (app, Arc::new(objects))).collect(),
            object_apps,
            proxy: Arc::new(local_proxy(stored.proxy_services, &stored.virtual_proxies)),
            virtual_proxies: table(stored.virtual_proxies, |entrance| entrance.id),
            user_directories: table(stored.user_directories, |directory| directory.id),
            data: stored.data.into_iter().collect(),
            rules: Arc::new(RuleBook::compile(stored.rules, &pools)?),
            pools,
            tokens: stored.tokens,
            node: Arc::new(central_node("localhost")),
            is_served: false,
            trail: None,
        })
    }

    /// The same site on a node of this name.
    #[must_use]
    pub(crate) fn on_host(mut self, host_name: &str) -> Site {
        if self.node.host_name != host_name {
            self.node = Arc::new(central_node(host_name));
        }
        self
    }

    /// The same site, whose refusals are told to this trail.
    #[must_use]
    pub(crate) fn told_to(mut self, trail: &Arc<Trail>) -> Site {
        self.trail = Some(trail.clone());
        self
    }

    /// Logs a refusal that was decided on this site, and writes it down.
    #[must_use]
    pub(crate) fn refused(&self, refusal: Refusal) -> Refusal {
        match &self.trail {
            Some(trail) => trail.refused(refusal),
            None => {
                refusal.log();
                refusal
            }
        }
    }

    /// The same site, from now on served under its version.
    #[must_use]
    pub(crate) fn served(mut self) -> Site {
        self.is_served = true;
        self
    }

    /// Whether its versions are those of what is stored. A site made for looking at an unsaved
    /// change shares them with the real one, so nothing found on it may be remembered by version.
    #[must_use]
    pub(crate) fn is_served(&self) -> bool {
        self.is_served
    }

    /// The site after `changes`, as version `version`. It is not served yet, and need never be.
    pub fn after(&self, version: u64, changes: &[Change]) -> Result<Site, SiteError> {
        let mut site = self.clone();
        site.version = version;
        site.is_served = false;
        let mut rules = RuleChanges::default();
        let mut pools_changed = false;
        for change in changes {
            match change {
                Change::PutUser(user) => site.put_user(user),
                Change::DeleteUser(id) => {
                    if let Some(user) = site.users.remove(id) {
                        site.user_keys.remove(user.key.folded());
                        site.licence_version = version;
                        site.names_version = version;
                        site.touch(ResourceKind::User);
                    }
                }
                Change::PutStream(stream) => {
                    let before = site.streams.put(stream.id, Arc::new(stream.clone()));
                    let owner = before.as_ref().map(|stream| stream.owner);
                    site.count_owner(owner, Some(stream.owner));
                    if before.as_deref() != Some(stream) {
                        site.touch(ResourceKind::Stream);
                    }
                }
                Change::DeleteStream(id) => {
                    if let Some(stream) = site.streams.remove(id) {
                        site.count_owner(Some(stream.owner), None);
                        site.touch(ResourceKind::Stream);
                    }
                }
                Change::PutApp(app) => {
                    let before = site.apps.put(app.id, Arc::new(app.clone()));
                    site.count_owner(before.as_ref().map(|app| app.owner), Some(app.owner));
                    if before.as_deref() != Some(app) {
                        site.touch(ResourceKind::App);
                    }
                }
                Change::DeleteApp(id) => site.delete_app(*id),
                Change::PutObject(object) => site.put_object(object),
                Change::DeleteObject(id) => site.delete_object(*id),
                Change::PutData { app, generation } => {
                    site.data.put(*app, *generation);
                }
                Change::PutRule(rule) => rules.put(rule),
                Change::DeleteRule(id) => rules.delete(*id),
                Change::PutVirtualProxy(entrance) => {
                    let kept = Arc::new(VirtualProxy::clone(entrance));
                    let before = site.virtual_proxies.put(entrance.id, kept);
                    if before.as_deref() != Some(entrance) {
                        site.touch(ResourceKind::VirtualProxyConfig);
                    }
                }
                Change::DeleteVirtualProxy(id) => {
                    if site.virtual_proxies.remove(id).is_some() {
                        site.touch(ResourceKind::VirtualProxyConfig);
                    }
                }
                Change::PutUserDirectory(directory) => {
                    let kept = Arc::new(UserDirectory::clone(directory));
                    let before = site.user_directories.put(directory.id, kept);
                    if before.as_deref() != Some(directory) {
                        site.touch(ResourceKind::UserDirectory);
                    }
                }
                Change::DeleteUserDirectory(id) => {
                    if site.user_directories.remove(id).is_some() {
                        site.touch(ResourceKind::UserDirectory);
                    }
                }
                Change::PutProxyService(proxy) => {
                    if proxy.id == site.proxy.id && *site.proxy != **proxy {
                        site.proxy = Arc::new(ProxyService::clone(proxy));
                        site.touch(ResourceKind::ProxyService);
                    }
                }
                Change::PutPool(pool) => {
                    let before = site.pools.put(pool.id, Arc::new(pool.clone()));
                    if before.as_deref() != Some(pool) {
                        site.touch(pool_kind(pool.kind));
                        if let Some(before) = before {
                            site.touch(pool_kind(before.kind));
                        }
                        pools_changed = true;
                    }
                }
                Change::DeletePool(id) => {
                    if let Some(pool) = site.pools.remove(id) {
                        site.touch(pool_kind(pool.kind));
                        pools_changed = true;
                    }
                }
                Change::PutTokens(tokens) => {
                    site.tokens = *tokens;
                    site.licence_version = version;
                }
                // Somebody was given a seat, or lost one.
                Change::AppendLine(_) => site.licence_version = version,
                Change::ExpectSeatLine { .. } => {}
                Change::PutProperties(entry) => {
                    site.put_parent(entry.object, entry.parent.as_deref());
                }
                // Not part of the snapshot: read from the store when asked for.
                Change::PutCredential { .. }
                | Change::PutScript { .. }
                | Change::PutSeed { .. }
                | Change::Record(_) => {}
            }
        }
        if !rules.is_empty() || pools_changed {
            let (rules, touched) = site.rules.after(rules, &site.pools)?;
            site.rules = Arc::new(rules);
            if touched.records {
                site.touch(ResourceKind::SystemRule);
            }
            for kind in touched.security.iter() {
                site.versions.touch_rules(kind, version);
            }
            if touched.licence || pools_changed {
                site.licence_version = version;
            }
        }
        Ok(site)
    }

    /// The version of the store this site was made from.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Who may draw on which pool has not changed since this version.
    #[must_use]
    pub(crate) fn licence_version(&self) -> u64 {
        self.licence_version
    }

    /// What rules may read of things of this kind, and which there are, has not changed since this
    /// version.
    #[must_use]
    pub fn facts_version(&self, kind: ResourceKind) -> u64 {
        self.versions.facts(kind)
    }

    /// The security rules that speak of things of this kind have not changed since this version.
    #[must_use]
    pub fn rules_version(&self, kind: ResourceKind) -> u64 {
        self.versions.rules(kind)
    }

    /// Nothing that a decision about things of this kind reads has changed since this version, but
    /// for the requester.
    #[must_use]
    pub fn reach_version(&self, kind: ResourceKind) -> u64 {
        // INVARIANT: a rule that goes takes its part of the reach along, but it speaks of a kind
        // that is still reached, whose rules then have this version.
        let reach = self.security().reach(kind);
        let versions =
            reach.iter().map(|kind| self.facts_version(kind).max(self.rules_version(kind)));
        versions.max().unwrap_or(self.version)
    }

    /// What people are called has not changed since this version.
    #[must_use]
    pub fn names_version(&self) -> u64 {
        self.names_version
    }

    /// Whether the person owns a stream, an app or an object.
    #[must_use]
    pub fn owns_anything(&self, user: UserId) -> bool {
        self.owned.contains(&user)
    }

    #[must_use]
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    #[must_use]
    pub fn user_by_key(&self, key: &UserKey) -> Option<&Arc<User>> {
        self.users.get(self.user_keys.get(key.folded())?)
    }

    /// The row of one of the server's own accounts.
    #[must_use]
    pub fn internal_user(&self, account: InternalAccount) -> Option<&Arc<User>> {
        self.user_by_key(&UserKey::new(UserKey::INTERNAL_DIRECTORY, account.user_id()).ok()?)
    }

    /// All users, in no particular order; so are the other collections here.
    pub fn users(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    #[must_use]
    pub fn stream(&self, id: StreamId) -> Option<&Arc<Stream>> {
        self.streams.get(&id)
    }

    pub fn streams(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.streams.values()
    }

    #[must_use]
    pub fn app(&self, id: AppId) -> Option<&Arc<App>> {
        self.apps.get(&id)
    }

    pub fn apps(&self) -> impl Iterator<Item = &Arc<App>> {
        self.apps.values()
    }

    #[must_use]
    pub fn object(&self, id: ObjectId) -> Option<&Arc<AppObject>> {
        self.objects.get(self.object_apps.get(&id)?)?.by_id.get(&id)
    }

    /// The object that the engine protocol calls `engine_id` in this app.
    #[must_use]
    pub fn object_in_app(&self, app: AppId, engine_id: &str) -> Option<&Arc<AppObject>> {
        let objects = self.objects.get(&app)?;
        objects.by_id.get(objects.by_engine_id.get(engine_id)?)
    }

    pub fn objects_of(&self, app: AppId) -> impl Iterator<Item = &Arc<AppObject>> {
        self.objects.get(&app).into_iter().flat_map(|objects| objects.by_id.values())
    }

    pub fn objects(&self) -> impl Iterator<Item = &Arc<AppObject>> {
        self.objects.values().flat_map(|objects| objects.by_id.values())
    }

    /// The object that this one is inside.
    #[must_use]
    pub fn container_of(&self, object: &AppObject) -> Option<&Arc<AppObject>> {
        self.object_in_app(object.app, self.objects.get(&object.app)?.parents.get(&object.id)?)
    }

    /// Every sheet that the object is on, nearest first; a sheet is on itself.
    pub fn sheets_of<'s>(
        &'s self,
        object: &'s AppObject,
    ) -> impl Iterator<Item = &'s AppObject> + use<'s> {
        std::iter::successors(Some(object), |inner| self.container_of(inner).map(Arc::as_ref))
            .take(DEEPEST_OBJECT)
            .filter(|object| is_sheet(object))
    }

    /// Everything inside an object, at any depth, itself left out.
    #[must_use]
    pub fn inside(&self, object: &AppObject) -> Vec<&Arc<AppObject>> {
        let mut found: Vec<&Arc<AppObject>> = Vec::new();
        let mut holders = vec![object.engine_id.as_str()];
        while let (Some(holder), Some(all)) = (holders.pop(), self.objects.get(&object.app)) {
            for (id, parent) in all.parents.iter() {
                let Some(inner) = all.by_id.get(id).filter(|_| **parent == *holder) else {
                    continue;
                };
                // Objects in a circle are inside each other only once.
                if inner.id != object.id && !found.iter().any(|known| known.id == inner.id) {
                    found.push(inner);
                    holders.push(&inner.engine_id);
                }
            }
        }
        found.sort_by(|one, other| one.engine_id.cmp(&other.engine_id));
        found
    }

    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<&SystemRule> {
        self.rules.records.get(&id).map(|stored| &stored.rule)
    }

    /// A rule with the version of its shipped text.
    #[must_use]
    pub fn stored_rule(&self, id: RuleId) -> Option<&Arc<StoredRule>> {
        self.rules.records.get(&id)
    }

    pub fn rules(&self) -> impl Iterator<Item = &SystemRule> {
        self.rules.records.values().map(|stored| &stored.rule)
    }

    /// The enabled security rules, ready to decide.
    #[must_use]
    pub fn security(&self) -> &RuleSet {
        &self.rules.security
    }

    /// The enabled load-balancing rules: which node may open which app.
    #[must_use]
    pub fn sync(&self) -> &RuleSet {
        &self.rules.sync
    }

    /// The enabled licence rules of all pools.
    #[must_use]
    pub fn licence_rules(&self) -> RuleSet {
        self.rules.licence_rules()
    }

    /// The nodes of the site. There is one.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        std::iter::once(&self.node)
    }

    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes().find(|node| node.id == id)
    }

    /// Conditions of the enabled licence rules that name this pool; one that holds admits.
    #[must_use]
    pub fn licence_conditions(&self, pool: PoolId) -> &[(RuleId, Condition<Checked>)] {
        self.rules.licence.get(&pool).map_or(&[], Vec::as_slice)
    }

    /// Rules that cannot be read any more: they grant nothing.
    #[must_use]
    pub fn rule_problems(&self) -> &HashMap<RuleId, RuleProblems> {
        &self.rules.problems
    }

    #[must_use]
    pub fn virtual_proxy(&self, id: VirtualProxyId) -> Option<&Arc<VirtualProxy>> {
        self.virtual_proxies.get(&id)
    }

    /// The entrance that people reach under this prefix: one that this node's proxy serves.
    #[must_use]
    pub fn entrance(&self, prefix: &Prefix) -> Option<&Arc<VirtualProxy>> {
        self.entrance_anywhere(prefix).filter(|entrance| self.is_linked(entrance.id))
    }

    /// The entrance with this prefix, whether anybody can reach it or not.
    #[must_use]
    pub fn entrance_anywhere(&self, prefix: &Prefix) -> Option<&Arc<VirtualProxy>> {
        self.virtual_proxies.values().find(|entrance| entrance.prefix == *prefix)
    }

    /// Whether this node's proxy serves the entrance.
    #[must_use]
    pub fn is_linked(&self, id: VirtualProxyId) -> bool {
        self.proxy.virtual_proxies.contains(&id)
    }

    /// What this node listens with.
    #[must_use]
    pub fn proxy_service(&self) -> &Arc<ProxyService> {
        &self.proxy
    }

    /// The proxy service with this id. There is one.
    #[must_use]
    pub fn proxy(&self, id: ProxyServiceId) -> Option<&Arc<ProxyService>> {
        Some(&self.proxy).filter(|proxy| proxy.id == id)
    }

    /// Every entrance, reachable or not.
    pub fn virtual_proxies(&self) -> impl Iterator<Item = &Arc<VirtualProxy>> {
        self.virtual_proxies.values()
    }

    #[must_use]
    pub fn user_directory(&self, id: UserDirectoryId) -> Option<&Arc<UserDirectory>> {
        self.user_directories.get(&id)
    }

    /// The directory of this name, in any letter case.
    #[must_use]
    pub fn user_directory_named(&self, name: &str) -> Option<&Arc<UserDirectory>> {
        let name = name.trim().to_lowercase();
        self.user_directories.values().find(|directory| directory.name.to_lowercase() == name)
    }

    pub fn user_directories(&self) -> impl Iterator<Item = &Arc<UserDirectory>> {
        self.user_directories.values()
    }

    #[must_use]
    pub fn pool(&self, id: PoolId) -> Option<&Arc<LicencePool>> {
        self.pools.get(&id)
    }

    pub fn pools(&self) -> impl Iterator<Item = &Arc<LicencePool>> {
        self.pools.values()
    }

    /// How many tokens the site has for user access and login access; none where it does not count
    /// them.
    #[must_use]
    pub fn tokens(&self) -> Option<u64> {
        self.tokens
    }

    /// Generation of the app's current data file.
    #[must_use]
    pub fn data_generation(&self, app: AppId) -> Option<u32> {
        self.data.get(&app).copied()
    }

    fn put_user(&mut self, user: &User) {
        let before = self.users.put(user.id, Arc::new(user.clone()));
        if before.as_deref() == Some(user) {
            return;
        }
        if before.as_ref().is_none_or(|before| before.key != user.key) {
            if let Some(before) = &before {
                self.user_keys.remove(before.key.folded());
            }
            self.user_keys.put(user.key.folded().into(), user.id);
        }
        // Somebody new is nobody's owner yet.
        if before.map_or(self.owns_anything(user.id), |before| before.name != user.name) {
            self.names_version = self.version;
        }
        self.licence_version = self.version;
        self.touch(ResourceKind::User);
    }

    fn delete_app(&mut self, id: AppId) {
        self.data.remove(&id);
        if let Some(app) = self.apps.remove(&id) {
            self.count_owner(Some(app.owner), None);
            self.touch(ResourceKind::App);
        }
        let Some(objects) = self.objects.remove(&id) else { return };
        for object in objects.by_id.values() {
            self.object_apps.remove(&object.id);
            self.count_owner(Some(object.owner), None);
        }
        if objects.by_id.len() > 0 {
            self.touch(ResourceKind::AppObject);
        }
    }

    fn put_object(&mut self, object: &AppObject) {
        if !self.object_apps.contains(&object.id) {
            self.object_apps.put(object.id, object.app);
        }
        if !self.objects.contains(&object.app) {
            self.objects.put(object.app, Arc::default());
        }
        let Some(objects) = self.objects.get_mut(&object.app) else { return };
        let before = Arc::make_mut(objects).put(Arc::new(object.clone()));
        self.count_owner(before.as_ref().map(|object| object.owner), Some(object.owner));
        if before.as_deref() != Some(object) {
            self.touch(ResourceKind::AppObject);
        }
    }

    fn put_parent(&mut self, id: ObjectId, parent: Option<&str>) {
        let Some(app) = self.object_apps.get(&id).copied() else { return };
        let known = self.objects.get(&app).and_then(|objects| objects.parents.get(&id));
        // Most writes of properties leave the object where it is.
        if known.map(AsRef::as_ref) == parent {
            return;
        }
        if let Some(objects) = self.objects.get_mut(&app) {
            let objects = Arc::make_mut(objects);
            match parent {
                Some(parent) => objects.parents.put(id, parent.into()),
                None => objects.parents.remove(&id),
            };
            // The sheets that it is on are another property of it.
            self.touch(ResourceKind::AppObject);
        }
    }

    fn delete_object(&mut self, id: ObjectId) {
        let Some(app) = self.object_apps.remove(&id) else { return };
        let Some(objects) = self.objects.get_mut(&app) else { return };
        if let Some(object) = Arc::make_mut(objects).remove(id) {
            self.count_owner(Some(object.owner), None);
            self.touch(ResourceKind::AppObject);
        }
    }

    /// One thing went from the owner it had to the one it has.
    fn count_owner(&mut self, before: Option<UserId>, after: Option<UserId>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            match self.owned.get(&before).copied() {
                Some(count) if count > 1 => self.owned.put(before, count - 1),
                _ => self.owned.remove(&before),
            };
        }
        if let Some(after) = after {
            let count = self.owned.get(&after).copied().unwrap_or(0);
            self.owned.put(after, count.saturating_add(1));
        }
    }

    fn touch(&mut self, kind: ResourceKind) {
        self.versions.touch_facts(kind, self.version);
    }
}

impl AppObjects {
    fn put(&mut self, object: Arc<AppObject>) -> Option<Arc<AppObject>> {
        let before = self.by_id.put(object.id, object.clone());
        if before.as_ref().is_none_or(|before| before.engine_id != object.engine_id) {
            if let Some(before) = &before {
                self.by_engine_id.remove(before.engine_id.as_str());
            }
            self.by_engine_id.put(object.engine_id.as_str().into(), object.id);
        }
        before
    }

    fn remove(&mut self, id: ObjectId) -> Option<Arc<AppObject>> {
        let object = self.by_id.remove(&id)?;
        self.by_engine_id.remove(object.engine_id.as_str());
        self.parents.remove(&id);
        Some(object)
    }
}

/// Whether the object is a sheet.
pub(crate) fn is_sheet(object: &AppObject) -> bool {
    object.object_type.eq_ignore_ascii_case("sheet")
}

fn table<I: Eq + Hash + Clone, T>(rows: Vec<T>, id: impl Fn(&T) -> I) -> Table<I, Arc<T>> {
    rows.into_iter().map(|row| (id(&row), Arc::new(row))).collect()
}

/// The proxy service of this node; a site of a time before there were any serves every entrance.
fn local_proxy(stored: Vec<ProxyService>, entrances: &[VirtualProxy]) -> ProxyService {
    let stored = stored.into_iter().find(|proxy| proxy.node == CENTRAL_NODE);
    stored.unwrap_or_else(|| {
        let stamp = Stamp {
            created: Moment(0),
            modified: Moment(0),
            modified_by: "INTERNAL\\sa_repository".to_owned(),
        };
        let linked = entrances.iter().map(|entrance| entrance.id).collect();
        crate::seed::proxy_service(linked, stamp)
    })
}

fn central_node(host_name: &str) -> Node {
    Node {
        id: CENTRAL_NODE,
        name: "Central".to_owned(),
        host_name: host_name.to_owned(),
        is_central: true,
        purpose: NodePurpose::Both,
        custom_properties: Vec::new(),
        tags: Vec::new(),
        stamp: Stamp {
            created: Moment(0),
            modified: Moment(0),
            modified_by: "INTERNAL\\sa_repository".to_owned(),
        },
    }
}
