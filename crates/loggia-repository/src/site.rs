//! What does a decision read? One immutable [`Site`]: everything of one version, never half a
//! change. A write makes the next one and swaps it in; readers keep the one they hold.

mod rule_book;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use thiserror::Error;

use loggia_model::entity::{App, AppObject, LicencePool, Stream, SystemRule, User, VirtualProxy};
use loggia_model::{
    AppId, InternalAccount, ObjectId, PoolId, Prefix, RuleId, StreamId, UserId, UserKey,
    VirtualProxyId,
};
use loggia_rules::{Checked, Condition, RuleSet};

use crate::store::{Change, StoredRule, StoredSite};

use rule_book::RuleBook;
pub use rule_book::{RuleProblem, RuleProblems, compile_rule};

/// Everything of one version. Cheap to derive from the one before: only what changed is copied.
#[derive(Clone)]
pub struct Site {
    version: u64,
    /// Version of the last change to what licence rules read: users, rules, pools.
    licence_version: u64,
    users: Arc<HashMap<UserId, Arc<User>>>,
    user_keys: Arc<HashMap<Box<str>, UserId>>,
    streams: Arc<HashMap<StreamId, Arc<Stream>>>,
    apps: Arc<HashMap<AppId, Arc<App>>>,
    objects: Arc<HashMap<AppId, Arc<AppObjects>>>,
    object_apps: Arc<HashMap<ObjectId, AppId>>,
    virtual_proxies: Arc<HashMap<VirtualProxyId, Arc<VirtualProxy>>>,
    pools: Arc<HashMap<PoolId, Arc<LicencePool>>>,
    data: Arc<HashMap<AppId, u32>>,
    rules: Arc<RuleBook>,
}

/// Objects inside each other are followed outwards so far; sheets hold charts, and a chart may hold
/// others. What lies deeper is on no sheet.
const DEEPEST_OBJECT: usize = 32;

/// The objects of one app.
#[derive(Clone, Default)]
struct AppObjects {
    by_id: HashMap<ObjectId, Arc<AppObject>>,
    by_engine_id: HashMap<String, ObjectId>,
    /// For an object inside another one the engine id of that other.
    parents: HashMap<ObjectId, Box<str>>,
}

/// A stored site that must not be served.
#[derive(Debug, Error)]
pub enum SiteError {
    /// Serving without it would allow what the operator forbade.
    #[error("the forbidding rule {name:?} ({id}) cannot be read: {problem}")]
    UnreadableForbid { id: RuleId, name: String, problem: String },
}

impl Site {
    /// The site as loaded.
    pub fn from_stored(stored: StoredSite) -> Result<Site, SiteError> {
        let mut objects: HashMap<AppId, AppObjects> = HashMap::new();
        let mut object_apps = HashMap::new();
        for object in stored.objects {
            object_apps.insert(object.id, object.app);
            objects.entry(object.app).or_default().put(Arc::new(object));
        }
        for (object, parent) in stored.parents {
            let siblings = object_apps.get(&object).and_then(|app| objects.get_mut(app));
            if let Some(siblings) = siblings {
                siblings.parents.insert(object, parent.into());
            }
        }
        let pools: HashMap<_, _> =
            stored.pools.into_iter().map(|pool| (pool.id, Arc::new(pool))).collect();
        let rules = stored.rules.into_iter().map(|rule| (rule.rule.id, Arc::new(rule))).collect();
        Ok(Site {
            version: stored.version,
            licence_version: stored.version,
            user_keys: Arc::new(
                stored.users.iter().map(|user| (user.key.folded().into(), user.id)).collect(),
            ),
            users: table(stored.users, |user| user.id),
            streams: table(stored.streams, |stream| stream.id),
            apps: table(stored.apps, |app| app.id),
            objects: Arc::new(
                objects.into_iter().map(|(app, objects)| (app, Arc::new(objects))).collect(),
            ),
            object_apps: Arc::new(object_apps),
            virtual_proxies: table(stored.virtual_proxies, |entrance| entrance.id),
            data: Arc::new(stored.data.into_iter().collect()),
            rules: Arc::new(RuleBook::compile(rules, &pools)?),
            pools: Arc::new(pools),
        })
    }

    /// The site after `changes`, as version `version`.
    pub fn after(&self, version: u64, changes: &[Change]) -> Result<Site, SiteError> {
        let mut site = self.clone();
        site.version = version;
        let mut rules: Option<HashMap<RuleId, Arc<StoredRule>>> = None;
        let mut pools_changed = false;
        for change in changes {
            match change {
                Change::PutUser(user) => {
                    site.put_user(user);
                    site.licence_version = version;
                }
                Change::DeleteUser(id) => {
                    site.licence_version = version;
                    if let Some(user) = Arc::make_mut(&mut site.users).remove(id) {
                        Arc::make_mut(&mut site.user_keys).remove(user.key.folded());
                    }
                }
                Change::PutStream(stream) => put(&mut site.streams, stream.id, stream),
                Change::DeleteStream(id) => remove(&mut site.streams, id),
                Change::PutApp(app) => put(&mut site.apps, app.id, app),
                Change::DeleteApp(id) => {
                    remove(&mut site.apps, id);
                    remove(&mut site.data, id);
                    if let Some(objects) = Arc::make_mut(&mut site.objects).remove(id) {
                        let object_apps = Arc::make_mut(&mut site.object_apps);
                        for object in objects.by_id.keys() {
                            object_apps.remove(object);
                        }
                    }
                }
                Change::PutObject(object) => site.put_object(object),
                Change::DeleteObject(id) => site.delete_object(*id),
                Change::PutData { app, generation } => {
                    Arc::make_mut(&mut site.data).insert(*app, *generation);
                }
                Change::PutRule(rule) => {
                    rules
                        .get_or_insert_with(|| site.rules.records.clone())
                        .insert(rule.rule.id, Arc::new(rule.clone()));
                }
                Change::DeleteRule(id) => {
                    rules.get_or_insert_with(|| site.rules.records.clone()).remove(id);
                }
                Change::PutVirtualProxy(entrance) => {
                    put(&mut site.virtual_proxies, entrance.id, entrance);
                }
                Change::DeleteVirtualProxy(id) => remove(&mut site.virtual_proxies, id),
                Change::PutPool(pool) => {
                    put(&mut site.pools, pool.id, pool);
                    pools_changed = true;
                }
                Change::DeletePool(id) => {
                    remove(&mut site.pools, id);
                    pools_changed = true;
                }
                Change::PutProperties(entry) => {
                    site.put_parent(entry.object, entry.parent.as_deref());
                }
                // Not part of the snapshot: read from the store when asked for.
                Change::PutCredential { .. }
                | Change::PutScript { .. }
                | Change::PutSeed { .. } => {}
            }
        }
        if rules.is_some() || pools_changed {
            let records = rules.unwrap_or_else(|| site.rules.records.clone());
            site.rules = Arc::new(RuleBook::compile(records, &site.pools)?);
            site.licence_version = version;
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
            for (id, parent) in &all.parents {
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

    /// The entrance with this prefix.
    #[must_use]
    pub fn entrance(&self, prefix: &Prefix) -> Option<&Arc<VirtualProxy>> {
        self.virtual_proxies.values().find(|entrance| entrance.prefix == *prefix)
    }

    pub fn virtual_proxies(&self) -> impl Iterator<Item = &Arc<VirtualProxy>> {
        self.virtual_proxies.values()
    }

    #[must_use]
    pub fn pool(&self, id: PoolId) -> Option<&Arc<LicencePool>> {
        self.pools.get(&id)
    }

    pub fn pools(&self) -> impl Iterator<Item = &Arc<LicencePool>> {
        self.pools.values()
    }

    /// Generation of the app's current data file.
    #[must_use]
    pub fn data_generation(&self, app: AppId) -> Option<u32> {
        self.data.get(&app).copied()
    }

    fn put_user(&mut self, user: &User) {
        let keys = Arc::make_mut(&mut self.user_keys);
        if let Some(before) = self.users.get(&user.id) {
            keys.remove(before.key.folded());
        }
        keys.insert(user.key.folded().into(), user.id);
        put(&mut self.users, user.id, user);
    }

    fn put_object(&mut self, object: &AppObject) {
        if !self.object_apps.contains_key(&object.id) {
            Arc::make_mut(&mut self.object_apps).insert(object.id, object.app);
        }
        let objects = Arc::make_mut(&mut self.objects).entry(object.app).or_default();
        Arc::make_mut(objects).put(Arc::new(object.clone()));
    }

    fn put_parent(&mut self, id: ObjectId, parent: Option<&str>) {
        let Some(app) = self.object_apps.get(&id) else { return };
        let known = self.objects.get(app).and_then(|objects| objects.parents.get(&id));
        // Most writes of properties leave the object where it is.
        if known.map(AsRef::as_ref) == parent {
            return;
        }
        if let Some(objects) = Arc::make_mut(&mut self.objects).get_mut(app) {
            let objects = Arc::make_mut(objects);
            match parent {
                Some(parent) => objects.parents.insert(id, parent.into()),
                None => objects.parents.remove(&id),
            };
        }
    }

    fn delete_object(&mut self, id: ObjectId) {
        let Some(app) = Arc::make_mut(&mut self.object_apps).remove(&id) else { return };
        if let Some(objects) = Arc::make_mut(&mut self.objects).get_mut(&app) {
            Arc::make_mut(objects).remove(id);
        }
    }
}

impl AppObjects {
    fn put(&mut self, object: Arc<AppObject>) {
        if let Some(before) = self.by_id.get(&object.id) {
            self.by_engine_id.remove(&before.engine_id);
        }
        self.by_engine_id.insert(object.engine_id.clone(), object.id);
        self.by_id.insert(object.id, object);
    }

    fn remove(&mut self, id: ObjectId) {
        if let Some(object) = self.by_id.remove(&id) {
            self.by_engine_id.remove(&object.engine_id);
        }
        self.parents.remove(&id);
    }
}

/// Whether the object is a sheet.
pub(crate) fn is_sheet(object: &AppObject) -> bool {
    object.object_type.eq_ignore_ascii_case("sheet")
}

fn table<I: Eq + Hash, T>(rows: Vec<T>, id: impl Fn(&T) -> I) -> Arc<HashMap<I, Arc<T>>> {
    Arc::new(rows.into_iter().map(|row| (id(&row), Arc::new(row))).collect())
}

fn put<I: Eq + Hash + Clone, T: Clone>(table: &mut Arc<HashMap<I, Arc<T>>>, id: I, row: &T) {
    Arc::make_mut(table).insert(id, Arc::new(row.clone()));
}

fn remove<I: Eq + Hash + Clone, T: Clone>(table: &mut Arc<HashMap<I, T>>, id: &I) {
    Arc::make_mut(table).remove(id);
}
