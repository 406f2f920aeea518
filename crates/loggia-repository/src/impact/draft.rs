//! Changes tried out on a copy of the site: with every check of the real use cases, and nothing
//! stored.

use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use loggia_audit::{Entry, Head, Row};
use loggia_model::{AppId, Caller, Moment, ObjectId, UserId};

use super::ProposedChange;
use crate::manage::{ManageError, Violation};
use crate::store::{
    Change, Charged, Decide, Ledger, Line, ObjectProperties, Retire, SessionChanges, SessionRow,
    Store, StoreError, StoredSite, TrailFilter,
};
use crate::{Repository, Settings, Site, VirtualProxyEdit};

/// A repository that forgets.
pub(super) struct Draft {
    repository: Repository,
    store: Arc<DraftStore>,
}

/// Reads what is stored, and keeps commits to itself.
struct DraftStore {
    stored: Arc<dyn Store>,
    version: Mutex<u64>,
    changes: Mutex<Vec<Change>>,
}

impl Draft {
    pub(super) fn of(repository: &Repository, site: Arc<Site>) -> Draft {
        let inner = &repository.inner;
        let store = Arc::new(DraftStore {
            stored: inner.store.clone(),
            version: Mutex::new(site.version()),
            changes: Mutex::new(Vec::new()),
        });
        // Deleting an app sweeps its data, and the data of the real one must stay where it is.
        let data_folder = inner.settings.data_folder.join("draft");
        let settings = Settings { data_folder, ..inner.settings.clone() };
        let repository = Repository::on(store.clone(), inner.clock.clone(), settings, site);
        Draft { repository, store }
    }

    /// The site after the changes so far.
    pub(super) fn site(&self) -> Arc<Site> {
        self.repository.site()
    }

    /// What the changes so far come to.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.store.changes.lock().clone()
    }

    /// Makes the change on the copy, by the rights of this caller.
    pub(super) fn apply(
        &self,
        caller: &Caller,
        change: &ProposedChange,
    ) -> Result<Vec<Violation>, ManageError> {
        let draft = &self.repository;
        let site = draft.site();
        match change {
            ProposedChange::Rule { id, edit } => {
                let saved = update_or_create(
                    id.filter(|id| site.rule(*id).is_some()),
                    |id| draft.update_rule(caller, id, None, edit.clone()),
                    || draft.create_rule(caller, *id, edit.clone()),
                )?;
                return Ok(saved.warnings);
            }
            ProposedChange::DeleteRule(id) => draft.delete_rule(caller, *id)?,
            ProposedChange::Stream { id, edit } => {
                update_or_create(
                    id.filter(|id| site.stream(*id).is_some()),
                    |id| draft.update_stream(caller, id, None, edit.clone()),
                    || draft.create_stream(caller, *id, edit.clone()),
                )?;
            }
            ProposedChange::DeleteStream(id) => draft.delete_stream(caller, *id)?,
            ProposedChange::App { id, edit, stream } => {
                let app = match (id, edit) {
                    // Moving an app is a right of its own: not every mover may edit.
                    (Some(id), None) => *id,
                    _ => {
                        let edit = edit.clone().unwrap_or_default();
                        let app = update_or_create(
                            id.filter(|id| site.app(*id).is_some()),
                            |id| draft.update_app(caller, id, None, edit.clone()),
                            || draft.create_app(caller, *id, edit.clone()),
                        )?;
                        app.id
                    }
                };
                match stream {
                    None => {}
                    Some(place)
                        if draft.site().app(app).is_some_and(|app| app.stream == *place) => {}
                    Some(Some(stream)) => {
                        draft.publish_app(caller, app, *stream, None)?;
                    }
                    Some(None) => {
                        draft.unpublish_app(caller, app)?;
                    }
                }
            }
            ProposedChange::DeleteApp(id) => draft.delete_app(caller, *id)?,
            ProposedChange::AppObject { id, edit, is_published, is_approved } => {
                if let Some(edit) = edit {
                    draft.update_object(caller, *id, None, edit.clone())?;
                }
                self.release(caller, *id, *is_published, *is_approved)?;
            }
            ProposedChange::DeleteAppObject(id) => draft.delete_object(caller, *id)?,
            ProposedChange::User { id, edit } => {
                update_or_create(
                    id.filter(|id| site.user(*id).is_some()),
                    |id| draft.update_user(caller, id, None, edit.clone()),
                    || draft.create_user(caller, *id, edit.clone()),
                )?;
            }
            ProposedChange::DeleteUser(id) => draft.delete_user(caller, *id)?,
            ProposedChange::VirtualProxy { id, edit } => {
                let saved = update_or_create(
                    id.filter(|id| site.virtual_proxy(*id).is_some()),
                    |id| {
                        draft.update_virtual_proxy(caller, id, None, VirtualProxyEdit::clone(edit))
                    },
                    || draft.create_virtual_proxy(caller, *id, VirtualProxyEdit::clone(edit)),
                )?;
                return Ok(saved.warnings);
            }
            ProposedChange::DeleteVirtualProxy(id) => draft.delete_virtual_proxy(caller, *id)?,
            ProposedChange::Pool { id, edit } => {
                let saved = update_or_create(
                    id.filter(|id| site.pool(*id).is_some()),
                    |id| draft.update_pool(caller, id, None, edit.clone()),
                    || draft.create_pool(caller, *id, edit.clone()),
                )?;
                return Ok(saved.warnings);
            }
            ProposedChange::DeletePool(id) => draft.delete_pool(caller, *id)?,
        }
        Ok(Vec::new())
    }

    /// Publishes before approving and takes the approval back before unpublishing, as it must be.
    fn release(
        &self,
        caller: &Caller,
        id: ObjectId,
        is_published: Option<bool>,
        is_approved: Option<bool>,
    ) -> Result<(), ManageError> {
        let draft = &self.repository;
        if is_approved == Some(false) {
            draft.approve_object(caller, id, false)?;
        }
        if let Some(is_published) = is_published {
            draft.publish_object(caller, id, is_published)?;
        }
        if is_approved == Some(true) {
            draft.approve_object(caller, id, true)?;
        }
        Ok(())
    }
}

/// Changes what is there and makes what is not. Who may not make such a thing is told so,
/// whether it is there and hidden or not there: nobody finds out which ids there are.
fn update_or_create<I, T>(
    known: Option<I>,
    update: impl FnOnce(I) -> Result<T, ManageError>,
    create: impl FnOnce() -> Result<T, ManageError>,
) -> Result<T, ManageError> {
    match known.map(update) {
        Some(Err(hidden @ ManageError::Hidden { .. })) => match create() {
            Err(refused @ ManageError::Refused(_)) => Err(refused),
            _ => Err(hidden),
        },
        Some(updated) => updated,
        None => create(),
    }
}

impl Store for DraftStore {
    fn load(&self) -> Result<StoredSite, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn version(&self) -> Result<u64, StoreError> {
        Ok(*self.version.lock())
    }

    fn commit(&self, expected: u64, changes: &[Change]) -> Result<u64, StoreError> {
        let mut version = self.version.lock();
        if *version != expected {
            return Err(StoreError::Stale { expected, found: *version });
        }
        *version += 1;
        let real = changes.iter().filter(|change| !matches!(change, Change::Record(_)));
        self.changes.lock().extend(real.cloned());
        Ok(*version)
    }

    fn app_properties(&self, app: AppId) -> Result<Vec<ObjectProperties>, StoreError> {
        self.stored.app_properties(app)
    }

    fn object_properties(&self, object: ObjectId) -> Result<Option<ObjectProperties>, StoreError> {
        self.stored.object_properties(object)
    }

    fn script(&self, app: AppId) -> Result<Option<String>, StoreError> {
        self.stored.script(app)
    }

    fn credential(&self, user: UserId) -> Result<Option<String>, StoreError> {
        self.stored.credential(user)
    }

    fn charge(&self, _: Decide) -> Result<Charged, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn read_ledger(
        &self,
        look: &mut dyn FnMut(&dyn Ledger) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.stored.read_ledger(look)
    }

    fn compact_ledger(&self, _: Moment) -> Result<u64, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn lines(&self, after: u64, most: usize) -> Result<Vec<(u64, Line)>, StoreError> {
        self.stored.lines(after, most)
    }

    fn append_trail(&self, _: &[Entry]) -> Result<(), StoreError> {
        // What was only tried out did not happen.
        Ok(())
    }

    fn walk_trail(
        &self,
        _: &TrailFilter,
        _: &mut dyn FnMut(&Head, Row) -> ControlFlow<()>,
    ) -> Result<Head, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn retire_trail(&self, _: Retire, _: u64, _: &Entry) -> Result<(), StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn trail_sent(&self, _: &str) -> Result<Option<u64>, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn note_trail_sent(&self, _: &str, _: u64) -> Result<(), StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn save_sessions(&self, _: &[SessionRow], _: &[String]) -> Result<(), StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn load_sessions(&self, _: Moment) -> Result<Vec<SessionRow>, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn load_session(&self, _: &str, _: Moment) -> Result<Option<SessionRow>, StoreError> {
        Err(StoreError::ReadOnly)
    }

    fn session_changes(&self, _: i64) -> Result<SessionChanges, StoreError> {
        Err(StoreError::ReadOnly)
    }
}
