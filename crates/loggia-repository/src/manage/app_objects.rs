//! Sheets, charts, bookmarks and other objects of an app.

use std::collections::HashMap;
use std::sync::Arc;

use loggia_model::entity::AppObject;
use loggia_model::{AppId, Caller, Moment, ObjectId, RequestContext, UserId};
use loggia_rules::Action;
use serde_json::Value;
use uuid::Uuid;

use super::{Conflict, ManageError, Problems, refuse_stale, set};
use crate::Repository;
use crate::guard::Guard;
use crate::record::Record;
use crate::refusal::{Code, Gate, Refusal};
use crate::share;
use crate::store::{Change, ObjectProperties};
use crate::visit::VisitInfo;

/// An object with what the engine protocol keeps in it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredObject {
    pub record: Arc<AppObject>,
    pub properties: Value,
    /// Engine id of the object that contains it.
    pub parent: Option<String>,
}

/// What a request says about an object; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct ObjectEdit {
    /// Unique within the app; made up when absent.
    pub engine_id: Option<String>,
    pub object_type: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub owner: Option<UserId>,
    pub properties: Option<Value>,
    pub parent: Option<Option<String>>,
}

/// Objects that every kind of access lets people make; the others are authoring
/// (`spec/access.md` §3.2).
const PERSONAL: [&str; 6] =
    ["userstate", "story", "bookmark", "snapshot", "embeddedsnapshot", "hiddenbookmark"];

/// Longest properties of one object, as JSON text. The largest real ones stay below a tenth.
const MAX_PROPERTIES: usize = 1 << 20;

/// Most objects that one person may own in one app: everybody who opens it reads past them.
const MAX_OWNED: usize = 5_000;

impl Repository {
    /// The objects of an app that the caller may read. Complete, in no particular order.
    pub fn app_objects(
        &self,
        caller: &Caller,
        app: AppId,
    ) -> Result<Vec<StoredObject>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let record = site.app(app).ok_or_else(|| guard.unknown("app", Some(app.0)))?;
        guard.visible(Record::App(record))?;
        let objects = site.objects_of(app).cloned();
        let readable = guard.readable(objects, |object| Record::AppObject(object).entity());
        let mut stored: HashMap<_, _> = self
            .inner
            .store
            .app_properties(app)?
            .into_iter()
            .map(|entry| (entry.object, entry))
            .collect();
        Ok(readable
            .into_iter()
            .map(|record| with_properties(stored.remove(&record.id), record))
            .collect())
    }

    /// Records of objects that the caller may read, of every app, by name.
    pub fn app_object_records(&self, caller: &Caller) -> Result<Vec<Arc<AppObject>>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        Ok(self.rows::<Arc<AppObject>>(&guard, Action::Read).to_vec())
    }

    /// One object.
    pub fn app_object(&self, caller: &Caller, id: ObjectId) -> Result<StoredObject, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let record = site.object(id).ok_or_else(|| guard.unknown("app object", Some(id.0)))?;
        guard.visible(Record::AppObject(record))?;
        Ok(with_properties(self.inner.store.object_properties(id)?, record.clone()))
    }

    /// Makes an object. It is private to its owner until it is published.
    pub fn create_object(
        &self,
        caller: &Caller,
        app: AppId,
        edit: ObjectEdit,
    ) -> Result<StoredObject, ManageError> {
        let id = ObjectId(Uuid::new_v4());
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let record = site.app(app).ok_or_else(|| guard.unknown("app", Some(app.0)))?;
            guard.visible(Record::App(record))?;
            let mut object = AppObject {
                id,
                app,
                engine_id: Uuid::new_v4().hyphenated().to_string(),
                object_type: String::new(),
                name: String::new(),
                description: String::new(),
                owner: guard.owner()?,
                is_published: false,
                is_approved: false,
                stamp: guard.stamp(),
            };
            apply(&mut object, &edit);
            self.require_authoring(&guard, &object)?;
            guard.require_create(Record::AppObject(&object))?;
            if site.object_in_app(app, &object.engine_id).is_some() {
                let what = format!("the object id {:?}", object.engine_id);
                return Err(Conflict::Duplicate { what }.into());
            }
            check(site, &object, edit.properties.as_ref())?;
            let owned = site.objects_of(app).filter(|other| other.owner == object.owner).count();
            if owned >= MAX_OWNED {
                let mut problems = Problems::default();
                problems.add("owner", format!("owns {MAX_OWNED} objects in this app, the most"));
                problems.finish()?;
            }
            let properties = ObjectProperties {
                object: id,
                properties: edit.properties.clone().unwrap_or(Value::Object(Default::default())),
                parent: edit.parent.clone().flatten(),
            };
            let changes =
                vec![Change::PutObject(object.clone()), Change::PutProperties(properties.clone())];
            Ok((changes, with_properties(Some(properties), Arc::new(object))))
        })
    }

    /// Changes an object.
    pub fn update_object(
        &self,
        caller: &Caller,
        id: ObjectId,
        basis: Option<Moment>,
        edit: ObjectEdit,
    ) -> Result<StoredObject, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.object(id).ok_or_else(|| guard.unknown("app object", Some(id.0)))?;
            let mut object = AppObject::clone(before);
            apply(&mut object, &edit);
            let (old, new) = (Record::AppObject(before), Record::AppObject(&object));
            guard.require_change(old, new, Action::Update)?;
            if object.owner != before.owner {
                guard.require_change(old, new, Action::ChangeOwner)?;
            }
            self.require_authoring(&guard, &object)?;
            refuse_stale(basis, &before.stamp)?;
            let taken = site.object_in_app(object.app, &object.engine_id);
            if taken.is_some_and(|taken| taken.id != id) {
                let what = format!("the object id {:?}", object.engine_id);
                return Err(Conflict::Duplicate { what }.into());
            }
            check(site, &object, edit.properties.as_ref())?;
            object.stamp = guard.restamp(&before.stamp);
            let mut changes = vec![Change::PutObject(object.clone())];
            let mut stored = self.inner.store.object_properties(id)?.unwrap_or(ObjectProperties {
                object: id,
                properties: Value::Object(Default::default()),
                parent: None,
            });
            if edit.properties.is_some() || edit.parent.is_some() {
                set(&mut stored.properties, edit.properties.clone());
                set(&mut stored.parent, edit.parent.clone());
                changes.push(Change::PutProperties(stored.clone()));
            }
            Ok((changes, with_properties(Some(stored), Arc::new(object))))
        })
    }

    /// Shows a private object to everybody who may read the app, or takes that back.
    pub fn publish_object(
        &self,
        caller: &Caller,
        id: ObjectId,
        is_published: bool,
    ) -> Result<Arc<AppObject>, ManageError> {
        self.mark_object(caller, id, Action::Publish, |object| {
            if object.is_approved && !is_published {
                let why = "it is base content of the app; take back the approval first".to_owned();
                return Err(Conflict::Protected { why }.into());
            }
            object.is_published = is_published;
            Ok(())
        })
    }

    /// Makes a published object part of the app's base content, or takes that back.
    pub fn approve_object(
        &self,
        caller: &Caller,
        id: ObjectId,
        is_approved: bool,
    ) -> Result<Arc<AppObject>, ManageError> {
        self.mark_object(caller, id, Action::Approve, |object| {
            if is_approved && !object.is_published {
                let why = "it is private; publish it first".to_owned();
                return Err(Conflict::Protected { why }.into());
            }
            object.is_approved = is_approved;
            Ok(())
        })
    }

    /// Deletes an object with everything inside it: a chart that stayed behind would be on no sheet
    /// any more, so that rules about the sheet would no longer hide it.
    pub fn delete_object(&self, caller: &Caller, id: ObjectId) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let object = site.object(id).ok_or_else(|| guard.unknown("app object", Some(id.0)))?;
            guard.require(Record::AppObject(object), Action::Delete)?;
            self.require_authoring(&guard, object)?;
            let mut gone: Vec<&AppObject> =
                site.inside(object).into_iter().map(Arc::as_ref).collect();
            gone.push(object);
            let mut changes = share::rules_of_objects(site, gone.iter().copied());
            changes.extend(gone.iter().map(|object| Change::DeleteObject(object.id)));
            Ok((changes, ()))
        })
    }

    fn mark_object(
        &self,
        caller: &Caller,
        id: ObjectId,
        action: Action,
        mark: impl Fn(&mut AppObject) -> Result<(), ManageError>,
    ) -> Result<Arc<AppObject>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.object(id).ok_or_else(|| guard.unknown("app object", Some(id.0)))?;
            guard.require(Record::AppObject(before), action)?;
            let mut object = AppObject::clone(before);
            self.require_authoring(&guard, &object)?;
            mark(&mut object)?;
            object.stamp = guard.restamp(&before.stamp);
            Ok((vec![Change::PutObject(object.clone())], Arc::new(object)))
        })
    }

    /// Gate 4 for a licensed right: in the hub, a person whose access is of an analyzer
    /// kind makes no sheets, whatever the rules say.
    fn require_authoring(&self, guard: &Guard<'_>, object: &AppObject) -> Result<(), ManageError> {
        let caller = guard.caller();
        let is_personal = PERSONAL.iter().any(|t| object.object_type.eq_ignore_ascii_case(t));
        if is_personal || caller.context == RequestContext::Console {
            return Ok(());
        }
        let info = VisitInfo::default();
        let access = match self.covered(guard.site(), caller, &info) {
            Some(access) => Some(access),
            // Without access there is nothing to ask here: the app could not be opened.
            None => self.would_acquire(guard.site(), caller, object.app, &info).ok(),
        };
        if access.is_none_or(|access| access.may_author()) {
            return Ok(());
        }
        let version = guard.site().version();
        let refusal = Refusal::new(caller, guard.now(), version, Gate::Licence, Code::LicNone)
            .about(object.app)
            .found("analyzer access does not create, edit or publish sheets");
        let refusal = guard.site().refused(refusal);
        Err(ManageError::Refused(Box::new(refusal)))
    }
}

pub(crate) fn sort(objects: &mut [Arc<AppObject>]) {
    objects.sort_by_cached_key(|object| (object.name.to_lowercase(), object.id));
}

fn with_properties(stored: Option<ObjectProperties>, record: Arc<AppObject>) -> StoredObject {
    let (properties, parent) = match stored {
        Some(stored) => (stored.properties, stored.parent),
        None => (Value::Object(Default::default()), None),
    };
    StoredObject { record, properties, parent }
}

fn apply(object: &mut AppObject, edit: &ObjectEdit) {
    set(&mut object.engine_id, edit.engine_id.clone());
    set(&mut object.object_type, edit.object_type.clone());
    set(&mut object.name, edit.name.clone());
    set(&mut object.description, edit.description.clone());
    set(&mut object.owner, edit.owner);
}

fn check(
    site: &crate::Site,
    object: &AppObject,
    properties: Option<&Value>,
) -> Result<(), ManageError> {
    let mut problems = Problems::default();
    problems.text("engineObjectId", &object.engine_id, true);
    problems.text("objectType", &object.object_type, true);
    problems.text("name", &object.name, false);
    problems.text("description", &object.description, false);
    if site.user(object.owner).is_none() {
        problems.add("owner", "there is no such user");
    }
    if properties.is_some_and(|properties| properties.to_string().len() > MAX_PROPERTIES) {
        problems.add("properties", format!("are longer than {MAX_PROPERTIES} bytes"));
    }
    problems.finish()
}
