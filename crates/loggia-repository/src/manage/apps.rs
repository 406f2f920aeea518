//! Apps: their record, script and place in a stream.

use std::sync::Arc;

use loggia_model::entity::{App, AppObject, PropertyValue};
use loggia_model::{AppId, Caller, Moment, ObjectId, StreamId, UserId};
use loggia_rules::Action;
use uuid::Uuid;

use super::{Conflict, ManageError, Problems, refuse_stale, set};
use crate::Repository;
use crate::guard::Guard;
use crate::record::Record;
use crate::share;
use crate::store::Change;

/// What a request says about an app; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct AppEdit {
    pub name: Option<String>,
    pub description: Option<String>,
    pub thumbnail: Option<String>,
    pub owner: Option<UserId>,
    pub custom_properties: Option<Vec<PropertyValue>>,
    pub tags: Option<Vec<String>>,
}

impl Repository {
    /// The apps the caller may read, by name.
    pub fn apps(&self, caller: &Caller) -> Result<Vec<Arc<App>>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        Ok(self.rows::<Arc<App>>(&guard, Action::Read).to_vec())
    }

    /// One app's record; opening it is [`Repository::open_app`].
    pub fn app(&self, caller: &Caller, id: AppId) -> Result<Arc<App>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let app = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
        guard.visible(Record::App(app))?;
        Ok(app.clone())
    }

    /// Makes an unpublished app that belongs to the caller; a name is needed.
    pub fn create_app(
        &self,
        caller: &Caller,
        id: Option<AppId>,
        edit: AppEdit,
    ) -> Result<Arc<App>, ManageError> {
        let id = id.unwrap_or_else(|| AppId(Uuid::new_v4()));
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let mut app = App {
                id,
                name: String::new(),
                description: String::new(),
                owner: guard.owner()?,
                stream: None,
                publish_time: None,
                last_reload: None,
                file_size: 0,
                thumbnail: String::new(),
                custom_properties: Vec::new(),
                tags: Vec::new(),
                stamp: guard.stamp(),
            };
            apply(&mut app, edit.clone());
            guard.require_create(Record::App(&app))?;
            if site.app(id).is_some() {
                return Err(Conflict::Duplicate { what: format!("the id {id}") }.into());
            }
            check(site, &app)?;
            Ok((vec![Change::PutApp(app.clone())], Arc::new(app)))
        })
    }

    /// Changes an app's record.
    pub fn update_app(
        &self,
        caller: &Caller,
        id: AppId,
        basis: Option<Moment>,
        edit: AppEdit,
    ) -> Result<Arc<App>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
            let mut app = App::clone(before);
            apply(&mut app, edit.clone());
            let (old, new) = (Record::App(before), Record::App(&app));
            guard.require_change(old, new, Action::Update)?;
            if app.owner != before.owner {
                guard.require_change(old, new, Action::ChangeOwner)?;
            }
            refuse_stale(basis, &before.stamp)?;
            check(site, &app)?;
            app.stamp = guard.restamp(&before.stamp);
            Ok((vec![Change::PutApp(app.clone())], Arc::new(app)))
        })
    }

    /// Puts an app into a stream, where its objects become base content; an app that is in
    /// another stream moves. Needs *publish* on the app and on every stream concerned.
    pub fn publish_app(
        &self,
        caller: &Caller,
        id: AppId,
        stream: StreamId,
        name: Option<String>,
    ) -> Result<Arc<App>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
            guard.require(Record::App(before), Action::Publish)?;
            let target =
                site.stream(stream).ok_or_else(|| guard.unknown("stream", Some(stream.0)))?;
            guard.require(Record::Stream(target), Action::Publish)?;
            if let Some(source) = before.stream.and_then(|stream| site.stream(stream)) {
                guard.require(Record::Stream(source), Action::Publish)?;
            }
            if before.stream == Some(stream) {
                let what = format!("a place in {:?}: the app", target.name);
                return Err(Conflict::Duplicate { what }.into());
            }
            let mut app = App::clone(before);
            set(&mut app.name, name.clone());
            check(site, &app)?;
            app.stream = Some(stream);
            app.publish_time = Some(guard.now());
            app.stamp = guard.restamp(&before.stamp);
            let mut changes = vec![Change::PutApp(app.clone())];
            if before.stream.is_none() {
                changes.extend(site.objects_of(id).map(|object| release(&guard, object, true)));
            }
            Ok((changes, Arc::new(app)))
        })
    }

    /// Takes an app out of its stream, back to its owner's work.
    pub fn unpublish_app(&self, caller: &Caller, id: AppId) -> Result<Arc<App>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
            guard.require(Record::App(before), Action::Publish)?;
            let Some(stream) = before.stream else {
                let why = "the app is not published".to_owned();
                return Err(Conflict::Protected { why }.into());
            };
            if let Some(stream) = site.stream(stream) {
                guard.require(Record::Stream(stream), Action::Publish)?;
            }
            let mut app = App::clone(before);
            app.stream = None;
            app.publish_time = None;
            app.stamp = guard.restamp(&before.stamp);
            let mut changes = vec![Change::PutApp(app.clone())];
            let base = site.objects_of(id).filter(|object| object.is_approved);
            changes.extend(base.map(|object| release(&guard, object, false)));
            Ok((changes, Arc::new(app)))
        })
    }

    /// Deletes an app with its objects, script and data.
    pub fn delete_app(&self, caller: &Caller, id: AppId) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let app = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
            guard.require(Record::App(app), Action::Delete)?;
            let mut changes = share::rules_of_app(site, app);
            changes.push(Change::DeleteApp(id));
            Ok((changes, ()))
        })?;
        self.sweep_data_of_deleted(id);
        Ok(())
    }

    /// The load script; empty when none was written. Who may read it is decided as for an app
    /// object of type `app_appscript`.
    pub fn app_script(&self, caller: &Caller, id: AppId) -> Result<String, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let app = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
        guard.visible(Record::App(app))?;
        guard.require_on_draft(Record::AppObject(&script_object(app)), Action::Read)?;
        Ok(self.inner.store.script(id)?.unwrap_or_default())
    }

    /// Replaces the load script.
    pub fn set_app_script(
        &self,
        caller: &Caller,
        id: AppId,
        text: &str,
    ) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
            guard.visible(Record::App(before))?;
            guard.require_on_draft(Record::AppObject(&script_object(before)), Action::Update)?;
            let mut app = App::clone(before);
            app.stamp = guard.restamp(&before.stamp);
            let script = Change::PutScript { app: id, text: text.to_owned() };
            Ok((vec![script, Change::PutApp(app)], ()))
        })
    }
}

pub(crate) fn sort(apps: &mut [Arc<App>]) {
    apps.sort_by_cached_key(|app| (app.name.to_lowercase(), app.id));
}

fn apply(app: &mut App, edit: AppEdit) {
    set(&mut app.name, edit.name);
    set(&mut app.description, edit.description);
    set(&mut app.thumbnail, edit.thumbnail);
    set(&mut app.owner, edit.owner);
    set(&mut app.custom_properties, edit.custom_properties);
    set(&mut app.tags, edit.tags);
}

fn check(site: &crate::Site, app: &App) -> Result<(), ManageError> {
    let mut problems = Problems::default();
    problems.text("name", &app.name, true);
    problems.text("description", &app.description, false);
    problems.text("thumbnail", &app.thumbnail, false);
    // A picture is an address of this hub: anything else would call another site or run script.
    let thumbnail = &app.thumbnail;
    if !thumbnail.is_empty() && (!thumbnail.starts_with('/') || thumbnail.starts_with("//")) {
        problems.add("thumbnail", "must be an address of this hub, starting with one slash");
    }
    problems.properties(&app.custom_properties);
    if site.user(app.owner).is_none() {
        problems.add("owner", "there is no such user");
    }
    problems.finish()
}

/// An object as it becomes base content, or stops being it.
fn release(guard: &Guard<'_>, object: &AppObject, is_released: bool) -> Change {
    let mut object = object.clone();
    object.is_published = is_released;
    object.is_approved = is_released;
    object.stamp = guard.restamp(&object.stamp);
    Change::PutObject(object)
}

/// The script as the object that the rules know it as.
fn script_object(app: &App) -> AppObject {
    AppObject {
        id: ObjectId(app.id.0),
        app: app.id,
        engine_id: "app_appscript".to_owned(),
        object_type: "app_appscript".to_owned(),
        name: String::new(),
        description: String::new(),
        owner: app.owner,
        is_published: app.is_published(),
        is_approved: app.is_published(),
        stamp: app.stamp.clone(),
    }
}
