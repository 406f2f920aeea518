//! What one caller may see of an app, as of one version of the site: the app, its objects, the
//! rights. Every read and write of the repository goes through here.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use loggia_model::entity::{App, AppObject, Stream};
use loggia_model::{AppId, Caller, Moment, ObjectId, SessionId};
use loggia_repository::{
    Access, Action, Actions, Code, Conflict, ManageError, ObjectEdit, OpenAppError, OpenedApp,
    Refusal, Repository, Resource, VisitInfo,
};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::document::generic_type;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::method::Call;
use crate::session::Socket;
use crate::{CloseReason, OpenVisit, Shared, frame, queue, timestamp, trail};

/// The rights that a layout names, with the words that clients know.
const PRIVILEGES: [(Action, &str); 8] = [
    (Action::Read, "read"),
    (Action::Update, "update"),
    (Action::Delete, "delete"),
    (Action::Publish, "publish"),
    (Action::Approve, "approve"),
    (Action::ExportData, "exportdata"),
    (Action::Duplicate, "duplicate"),
    (Action::ChangeOwner, "changeowner"),
];

/// An app as one caller may see it. The default is the view of somebody without an open app.
#[derive(Default)]
pub(crate) struct View {
    version: u64,
    opened: Option<Opened>,
    items: BTreeMap<Arc<str>, Arc<StoredItem>>,
    children: HashMap<Arc<str>, Vec<Arc<str>>>,
    lost: Option<Lost>,
}

struct Opened {
    app: Arc<App>,
    stream: Option<Arc<Stream>>,
    privileges: Vec<&'static str>,
    /// Milliseconds of the moment when the next licence unit is due, as far as is known here.
    covered_until: AtomicI64,
    since: Moment,
    /// What covers the visit, or would if it went on.
    access: Mutex<Access>,
    caller: Caller,
    repository: Repository,
}

/// Whether what covers a visit was paid for, or is only what would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Taken,
    Unknown,
}

/// Why a caller may not go on.
#[derive(Clone, Debug)]
struct Lost {
    what: Loss,
    why: Why,
}

#[derive(Clone, Debug)]
enum Why {
    Refused(Box<Refusal>),
    /// The store failed; the log tells.
    Unreadable,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Access,
    Licence,
    /// A node that may open the app.
    Engine,
}

/// Something stored in the app that the caller may read.
#[derive(Debug)]
pub(crate) struct StoredItem {
    pub(crate) id: Arc<str>,
    pub(crate) record: Arc<AppObject>,
    pub(crate) properties: Arc<Value>,
    pub(crate) parent: Option<Arc<str>>,
    privileges: OnceLock<Vec<&'static str>>,
}

/// An app in a list of apps.
pub(crate) struct ListedApp {
    pub(crate) app: Arc<App>,
    pub(crate) stream: Option<Arc<Stream>>,
    pub(crate) privileges: Vec<&'static str>,
}

/// Properties that are the same for everybody are kept once.
#[derive(Debug, Default)]
pub(crate) struct SharedProperties(Mutex<HashMap<ObjectId, Weak<Value>>>);

impl View {
    /// Whether nothing has changed in the site since this was made.
    pub(crate) fn is_current(&self, shared: &Shared) -> bool {
        self.opened.is_none() || self.version == shared.repository.site().version()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    pub(crate) fn is_of(&self, app: AppId) -> bool {
        self.app().is_some_and(|open| open.id == app)
    }

    /// What is open, for whoever looks after the server.
    pub(crate) fn visit(&self, session: Option<SessionId>) -> Option<OpenVisit> {
        let opened = self.opened.as_ref()?;
        Some(OpenVisit {
            session,
            app: opened.app.id,
            since: opened.since,
            access: *opened.access.lock(),
        })
    }

    pub(crate) fn app(&self) -> Option<&Arc<App>> {
        self.opened.as_ref().map(|opened| &opened.app)
    }

    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.opened.as_ref().and_then(|opened| opened.stream.as_deref())
    }

    /// What the caller may do with the app.
    pub(crate) fn privileges(&self) -> &[&'static str] {
        self.opened.as_ref().map_or(&[], |opened| &opened.privileges)
    }

    /// Anything stored, library items included.
    pub(crate) fn item(&self, id: &str) -> Option<&Arc<StoredItem>> {
        self.items.get(id)
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Arc<StoredItem>> {
        self.items.values()
    }

    /// A dimension, measure, bookmark or variable.
    pub(crate) fn library_item(&self, id: &str, generic_type: &str) -> Option<&Arc<StoredItem>> {
        self.item(id).filter(|item| item.generic_type() == generic_type)
    }

    /// Anything that is an object to the interface.
    pub(crate) fn object(&self, id: &str) -> Option<&Arc<StoredItem>> {
        self.item(id).filter(|item| item.is_object())
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = &Arc<StoredItem>> {
        self.items().filter(|item| item.is_object())
    }

    /// Ids of the objects in an object, oldest first.
    pub(crate) fn children(&self, id: &str) -> Vec<Arc<str>> {
        self.children.get(id).cloned().unwrap_or_default()
    }

    /// The definition of a variable that is kept in the app.
    pub(crate) fn variable(&self, name: &str) -> Option<Arc<str>> {
        self.items()
            .filter(|item| item.generic_type() == "variable")
            .find(|item| crate::wire::text_at(&item.properties, "qName") == name)
            .map(|item| crate::wire::text_at(&item.properties, "qDefinition").into())
    }

    /// The view of now.
    pub(crate) fn renewed(
        &self,
        shared: &Shared,
        caller: &Caller,
        app: AppId,
        visit: &VisitInfo,
    ) -> View {
        match shared.repository.would_open_app(caller, app, visit) {
            Ok(opened) => match View::of(shared, caller, &opened, Unit::Unknown) {
                Ok(view) => view.coming_after(self),
                Err(_) => self.lost_by(Why::Unreadable, Loss::Access),
            },
            Err(OpenAppError::Unlicensed { refusal, .. }) => {
                self.lost_by(Why::Refused(refusal), Loss::Licence)
            }
            Err(OpenAppError::Unplaced { refusal, .. }) => {
                self.lost_by(Why::Refused(refusal), Loss::Engine)
            }
            Err(OpenAppError::Hidden { refusal, .. } | OpenAppError::Blocked { refusal, .. }) => {
                self.lost_by(Why::Refused(refusal), Loss::Access)
            }
            Err(error @ OpenAppError::Store { .. }) => {
                report(&error);
                self.lost_by(Why::Unreadable, Loss::Access)
            }
        }
    }

    /// What going from this view to `after` changes for the caller.
    pub(crate) fn difference(&self, after: &View) -> Effects {
        let mut effects = Effects::none();
        for (id, item) in &self.items {
            match after.items.get(id) {
                None => {
                    effects.closed.insert(item.target());
                    effects.items = true;
                    effects.parents.extend(item.parent.clone());
                    effects.data |= item.is_computed_with();
                }
                Some(now) if !now.is_same(item) => {
                    effects.targets.insert(item.target());
                    effects.items = true;
                    effects.parents.extend(item.parent.clone());
                    effects.parents.extend(now.parent.clone());
                    effects.data |= item.is_computed_with();
                }
                Some(_) => {}
            }
        }
        for (id, item) in &after.items {
            if !self.items.contains_key(id) {
                effects.items = true;
                effects.parents.extend(item.parent.clone());
                effects.data |= item.is_computed_with();
            }
        }
        effects.app = self.app() != after.app() || self.privileges() != after.privileges();
        effects
    }

    fn of(shared: &Shared, caller: &Caller, opened: &OpenedApp, unit: Unit) -> Result<View, Fault> {
        let mut stored =
            shared.repository.app_objects(caller, opened.app.id).map_err(manage_fault)?;
        stored.sort_by(|a, b| {
            (a.record.stamp.created, &a.record.engine_id)
                .cmp(&(b.record.stamp.created, &b.record.engine_id))
        });
        let mut items = BTreeMap::new();
        let mut children: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
        for object in stored {
            let id: Arc<str> = object.record.engine_id.as_str().into();
            let parent: Option<Arc<str>> = object.parent.map(Arc::from);
            if let Some(parent) = &parent {
                children.entry(parent.clone()).or_default().push(id.clone());
            }
            let properties = with_info(object.properties, &object.record);
            let item = StoredItem {
                id: id.clone(),
                properties: shared.properties.intern(object.record.id, properties),
                record: object.record,
                parent,
                privileges: OnceLock::new(),
            };
            items.insert(id, Arc::new(item));
        }
        let until = match unit {
            Unit::Taken => opened.access.ask_again().0,
            Unit::Unknown => i64::MIN,
        };
        Ok(View {
            version: opened.version,
            opened: Some(Opened {
                app: opened.app.clone(),
                stream: opened.stream.clone(),
                privileges: privileges(caller, opened.may),
                covered_until: AtomicI64::new(until),
                since: shared.now(),
                access: Mutex::new(opened.access),
                caller: caller.clone(),
                repository: shared.repository.clone(),
            }),
            items,
            children,
            lost: None,
        })
    }

    /// The view of what has been open for as long as in `before`.
    fn coming_after(mut self, before: &View) -> View {
        if let (Some(opened), Some(before)) = (&mut self.opened, &before.opened) {
            opened.since = before.since;
        }
        self
    }

    fn lost_by(&self, why: Why, what: Loss) -> View {
        View { version: self.version, lost: Some(Lost { what, why }), ..View::default() }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("version", &self.version)
            .field("app", &self.app().map(|app| app.id))
            .field("items", &self.items.len())
            .field("lost", &self.lost)
            .finish()
    }
}

impl StoredItem {
    /// `qInfo.qType`.
    pub(crate) fn generic_type(&self) -> &str {
        generic_type(&self.properties)
    }

    fn is_object(&self) -> bool {
        !matches!(self.generic_type(), "dimension" | "measure" | "bookmark" | "variable")
    }

    /// Whether charts may compute something else once this changes.
    fn is_computed_with(&self) -> bool {
        matches!(self.generic_type(), "dimension" | "measure" | "variable")
    }

    fn target(&self) -> Target {
        let id = self.id.clone();
        match self.generic_type() {
            "dimension" => Target::Dimension(id),
            "measure" => Target::Measure(id),
            "bookmark" => Target::Bookmark(id),
            "variable" => Target::Variable(id),
            _ => Target::Object(id),
        }
    }

    fn is_same(&self, other: &StoredItem) -> bool {
        Arc::ptr_eq(&self.properties, &other.properties)
            && self.parent == other.parent
            && self.record == other.record
    }

    /// Writes what the repository knows into `qMeta`.
    pub(crate) fn add_meta(&self, view: &View, meta: &mut Map<String, Value>) {
        let record = &self.record;
        let members = [
            ("privileges", json!(self.privileges(view))),
            ("published", json!(record.is_published)),
            ("approved", json!(record.is_approved)),
            ("createdDate", json!(timestamp::iso(record.stamp.created))),
            ("modifiedDate", json!(timestamp::iso(record.stamp.modified))),
            ("id", json!(record.id.text())),
            ("_resourcetype", json!("app.object")),
            ("_objecttype", json!(record.object_type)),
            ("sourceObject", json!("")),
            ("draftObject", json!("")),
        ];
        for (name, value) in members {
            meta.insert(name.to_owned(), value);
        }
        for (name, text) in [("title", &record.name), ("description", &record.description)] {
            meta.entry(name).or_insert_with(|| json!(text));
        }
    }

    /// Asked only where somebody looks: most objects of a view are never opened.
    fn privileges(&self, view: &View) -> &[&'static str] {
        self.privileges.get_or_init(|| {
            let Some(opened) = &view.opened else { return Vec::new() };
            let resource = Resource::AppObject(self.record.id);
            let may = PRIVILEGES.iter().filter(|(action, _)| {
                opened.repository.decide(&opened.caller, &resource, *action).is_allowed()
            });
            // What the kind of access does not give for the app it does not give for its objects.
            let is_author = opened.privileges.contains(&"update")
                || matches!(self.generic_type(), "bookmark" | "story" | "snapshot");
            may.map(|(_, name)| *name)
                .filter(|name| is_harmless(name) || (is_author && !opened.caller.is_anonymous()))
                .collect()
        })
    }
}

impl SharedProperties {
    fn intern(&self, object: ObjectId, properties: Value) -> Arc<Value> {
        let mut known = self.0.lock();
        if let Some(same) = known.get(&object).and_then(Weak::upgrade)
            && *same == properties
        {
            return same;
        }
        let properties = Arc::new(properties);
        known.insert(object, Arc::downgrade(&properties));
        properties
    }

    /// Forgets what nobody holds any more.
    pub(crate) fn sweep(&self) {
        self.0.lock().retain(|_, properties| properties.strong_count() > 0);
    }
}

/// The app that a client means by an id or, in old scripts, by a title that only one app has.
pub(crate) fn find_app(shared: &Shared, caller: &Caller, name: &str) -> Option<AppId> {
    if let Ok(id) = name.parse::<AppId>() {
        return Some(id);
    }
    let apps = shared.repository.apps(caller).ok()?;
    let mut named = apps.iter().filter(|app| app.name == name);
    match (named.next(), named.next()) {
        (Some(app), None) => Some(app.id),
        _ => None,
    }
}

/// Opens an app for a socket through all gates, and takes what that costs.
pub(crate) fn open(shared: &Shared, socket: &Socket, app: AppId) -> Result<Arc<View>, Fault> {
    let visit = socket.host.take_place();
    let outcome = shared.repository.open_app(&socket.caller, app, &visit);
    enter(shared, socket, app, outcome, Unit::Taken)
}

/// Joins the engine session's app through the same gates. Nothing is taken: a page whose connection
/// broke joins again by itself, and whoever goes on working pays then.
pub(crate) fn join(shared: &Shared, socket: &Socket, app: AppId) -> Result<Arc<View>, Fault> {
    let visit = socket.host.take_place();
    let outcome = shared.repository.would_open_app(&socket.caller, app, &visit);
    enter(shared, socket, app, outcome, Unit::Unknown)
}

fn enter(
    shared: &Shared,
    socket: &Socket,
    app: AppId,
    outcome: Result<OpenedApp, OpenAppError>,
    unit: Unit,
) -> Result<Arc<View>, Fault> {
    if outcome.is_err() {
        socket.host.give_place_back();
    }
    match outcome {
        Ok(opened) => View::of(shared, &socket.caller, &opened, unit)
            .map(Arc::new)
            .inspect(|_| trail::opened(shared, socket, &opened, unit == Unit::Taken))
            .inspect_err(|_| socket.host.give_place_back()),
        Err(OpenAppError::Hidden { .. }) => Err(Fault::app_not_found(app.text())),
        Err(OpenAppError::Blocked { .. }) => Err(Fault::access_denied()),
        Err(OpenAppError::Unlicensed { refusal, .. }) => {
            // The socket has nothing else to offer: it ends after the answer.
            let fault = Fault::licence(refusal.code.as_str());
            let lost = View::default().lost_by(Why::Refused(refusal), Loss::Licence);
            *socket.view.write() = Arc::new(lost);
            Err(fault)
        }
        Err(OpenAppError::Unplaced { refusal, .. }) => {
            let lost = View::default().lost_by(Why::Refused(refusal), Loss::Engine);
            *socket.view.write() = Arc::new(lost);
            Err(Fault::access_denied())
        }
        Err(error @ OpenAppError::Store { .. }) => {
            report(&error);
            Err(Fault::internal())
        }
    }
}

/// The caller is active: takes the next licence unit when one is due.
pub(crate) fn keep_alive(shared: &Shared, socket: &Socket) -> Result<(), Fault> {
    let view = socket.view();
    let Some(opened) = &view.opened else { return Ok(()) };
    if shared.now().0 < opened.covered_until.load(Ordering::Relaxed) {
        return Ok(());
    }
    let visit = socket.host.visit_info();
    match shared.repository.keep_alive(&socket.caller, opened.app.id, &visit) {
        Ok(access) => {
            *opened.access.lock() = access;
            opened.covered_until.store(access.ask_again().0, Ordering::Relaxed);
            Ok(())
        }
        Err(OpenAppError::Store { app, source }) => {
            report(&OpenAppError::Store { app, source });
            Err(Fault::internal())
        }
        Err(OpenAppError::Unlicensed { refusal, .. }) => {
            let fault = Fault::licence(refusal.code.as_str());
            let lost = view.lost_by(Why::Refused(refusal), Loss::Licence);
            *socket.view.write() = Arc::new(lost);
            Err(fault)
        }
        Err(OpenAppError::Unplaced { refusal, .. }) => {
            let lost = view.lost_by(Why::Refused(refusal), Loss::Engine);
            *socket.view.write() = Arc::new(lost);
            Err(Fault::access_denied())
        }
        Err(OpenAppError::Hidden { refusal, .. } | OpenAppError::Blocked { refusal, .. }) => {
            let lost = view.lost_by(Why::Refused(refusal), Loss::Access);
            *socket.view.write() = Arc::new(lost);
            Err(Fault::access_denied())
        }
    }
}

/// The last frame for a socket whose caller may not go on.
pub(crate) fn ended(shared: &Shared, socket: &Socket) -> Option<(String, CloseReason)> {
    let view = socket.view();
    let lost = view.lost.as_ref()?;
    let now = timestamp::iso(shared.now());
    let (method, reason) = match lost.what {
        Loss::Licence => ("OnLicenseAccessDenied", CloseReason::LicenceLost),
        Loss::Engine => ("OnNoEngineAvailable", CloseReason::AccessLost),
        Loss::Access => ("OnSessionClosed", CloseReason::AccessLost),
    };
    let frame = match &lost.why {
        Why::Refused(refusal) => {
            let mut words = refusal.words(socket.caller.is_anonymous());
            // On a socket the app was there before.
            if refusal.code == Code::RuleDenied {
                words.text = "You no longer have access to this app.".to_owned();
            }
            frame::refused(method, refusal, &words, &now)
        }
        Why::Unreadable => frame::fatal(method, "The app cannot be read", &now),
    };
    Some((frame, reason))
}

/// The apps that the caller may read.
pub(crate) fn listed_apps(shared: &Shared, caller: &Caller) -> Vec<ListedApp> {
    let mut listed = Vec::new();
    for stream in shared.repository.hub(caller).iter().flat_map(|hub| hub.iter()) {
        listed.extend(stream.apps.iter().map(|entry| ListedApp {
            app: entry.app.clone(),
            stream: Some(stream.stream.clone()),
            privileges: privileges(caller, entry.may),
        }));
    }
    let own = shared.repository.work(caller).unwrap_or_default();
    listed.extend(own.into_iter().map(|entry| ListedApp {
        privileges: privileges(caller, entry.may),
        app: entry.app,
        stream: None,
    }));
    listed
}

/// What an app's lists and layouts say beyond the protocol's own members.
pub(crate) fn app_meta(app: &App, stream: Option<&Stream>, privileges: &[&'static str]) -> Value {
    let moment = |moment: Option<Moment>| moment.map(timestamp::iso).unwrap_or_default();
    json!({
        "id": app.id.text(),
        "name": app.name,
        "description": app.description,
        "createdDate": timestamp::iso(app.stamp.created),
        "modifiedDate": timestamp::iso(app.stamp.modified),
        "published": app.is_published(),
        "publishTime": moment(app.publish_time),
        "privileges": privileges,
        "dynamicColor": "",
        "stream": stream.map(|stream| json!({ "id": stream.id.text(), "name": stream.name })),
    })
}

/// Stores a new object; the caller's view knows it when this returns.
pub(crate) fn create(
    call: &Call<'_>,
    app: AppId,
    properties: Value,
    parent: Option<&Arc<str>>,
) -> Result<Effects, Fault> {
    refuse_visitors(call)?;
    let edit = ObjectEdit {
        engine_id: properties.pointer("/qInfo/qId").and_then(Value::as_str).map(str::to_owned),
        object_type: Some(generic_type(&properties).to_owned()),
        name: Some(title(&properties)),
        description: Some(description(&properties)),
        parent: Some(parent.map(|parent| parent.to_string())),
        properties: Some(properties),
        ..ObjectEdit::default()
    };
    call.shared.repository.create_object(&call.socket.caller, app, edit).map_err(manage_fault)?;
    Ok(changed(call, app))
}

/// Stores new properties of an object.
pub(crate) fn update(
    call: &Call<'_>,
    app: AppId,
    item: &StoredItem,
    properties: Value,
) -> Result<Effects, Fault> {
    refuse_visitors(call)?;
    let edit = ObjectEdit {
        name: Some(title(&properties)),
        description: Some(description(&properties)),
        properties: Some(properties),
        ..ObjectEdit::default()
    };
    call.shared
        .repository
        .update_object(&call.socket.caller, item.record.id, None, edit)
        .map_err(manage_fault)?;
    Ok(changed(call, app))
}

/// Removes an object from the app.
pub(crate) fn delete(call: &Call<'_>, app: AppId, item: &StoredItem) -> Result<Effects, Fault> {
    refuse_visitors(call)?;
    call.shared
        .repository
        .delete_object(&call.socket.caller, item.record.id)
        .map_err(manage_fault)?;
    Ok(changed(call, app))
}

/// A visitor changes nothing that stays, whatever the rules say.
pub(crate) fn refuse_visitors(call: &Call<'_>) -> Result<(), Fault> {
    if call.socket.caller.is_anonymous() { Err(Fault::access_denied()) } else { Ok(()) }
}

/// An error of the repository's use cases as the client may read it.
pub(crate) fn manage_fault(error: ManageError) -> Fault {
    match error {
        ManageError::Hidden { .. } | ManageError::Refused(_) => Fault::access_denied(),
        ManageError::Invalid(_) => Fault::invalid_parameters(error.to_string()),
        ManageError::Conflict(Conflict::Duplicate { what }) => Fault::already_exists(what),
        ManageError::Conflict(conflict) => Fault::invalid_parameters(conflict.to_string()),
        ManageError::Store(_) | ManageError::Site(_) => {
            report(&error);
            Fault::internal()
        }
    }
}

/// Writes an error with all its causes into the log.
pub(crate) fn report(error: &dyn std::error::Error) {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!("a request failed: {chain}");
}

/// Renews the caller's own view after a write, and tells the other sessions.
pub(crate) fn changed(call: &Call<'_>, app: AppId) -> Effects {
    let before = call.socket.view();
    let visit = call.socket.host.visit_info();
    let after = Arc::new(before.renewed(call.shared, &call.socket.caller, app, &visit));
    let effects = before.difference(&after);
    *call.socket.view.write() = after;
    queue::announce(call.shared, app, &effects);
    effects
}

fn privileges(caller: &Caller, may: Actions) -> Vec<&'static str> {
    PRIVILEGES
        .iter()
        .filter(|(action, _)| may.contains(*action))
        .map(|(_, name)| *name)
        .filter(|name| is_harmless(name) || !caller.is_anonymous())
        .collect()
}

/// Rights that change nothing; visitors never have others.
fn is_harmless(privilege: &str) -> bool {
    matches!(privilege, "read" | "exportdata")
}

/// Objects stored from elsewhere may lack what the interface needs to name them.
fn with_info(mut properties: Value, record: &AppObject) -> Value {
    if !properties.is_object() {
        properties = json!({});
    }
    let info = json!({ "qId": record.engine_id, "qType": record.object_type });
    match properties.get_mut("qInfo") {
        Some(Value::Object(own)) => {
            own.insert("qId".to_owned(), json!(record.engine_id));
            own.entry("qType").or_insert_with(|| json!(record.object_type));
        }
        _ => properties["qInfo"] = info,
    }
    properties
}

fn title(properties: &Value) -> String {
    first_text(properties, &["/qMetaDef/title", "/qDim/title", "/qMeasure/qLabel", "/title"])
}

fn description(properties: &Value) -> String {
    first_text(properties, &["/qMetaDef/description", "/description"])
}

fn first_text(properties: &Value, pointers: &[&str]) -> String {
    pointers
        .iter()
        .find_map(|pointer| properties.pointer(pointer).and_then(Value::as_str))
        .unwrap_or_default()
        .to_owned()
}
