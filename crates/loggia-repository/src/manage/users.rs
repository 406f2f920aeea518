//! People: their rows, roles and local passwords.

use std::sync::Arc;

use loggia_model::entity::{PropertyValue, User};
use loggia_model::{Caller, Moment, UserId, UserKey};
use loggia_rules::Action;
use uuid::Uuid;

use super::{Conflict, ManageError, Problems, refuse_stale, set};
use crate::Repository;
use crate::record::Record;
use crate::site::Site;
use crate::store::{Change, StoreError};

/// What a request says about a user; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct UserEdit {
    /// Needed to make one; cannot be changed later.
    pub key: Option<UserKey>,
    pub name: Option<String>,
    pub roles: Option<Vec<String>>,
    pub attributes: Option<Vec<(String, String)>>,
    pub custom_properties: Option<Vec<PropertyValue>>,
    pub tags: Option<Vec<String>>,
    pub is_inactive: Option<bool>,
    pub is_blocked: Option<bool>,
}

/// The role that may do everything in the console.
const ROOT: &str = "RootAdmin";

impl Repository {
    /// The users the caller may read, by directory and id.
    pub fn users(&self, caller: &Caller) -> Result<Vec<Arc<User>>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let users = site.users().cloned();
        let mut users = guard.readable(users, |user| Record::User(user).entity());
        users.sort_by_cached_key(|user| user.key.folded().to_owned());
        Ok(users)
    }

    /// One user.
    pub fn user(&self, caller: &Caller, id: UserId) -> Result<Arc<User>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let user = site.user(id).ok_or_else(|| guard.unknown("user", Some(id.0)))?;
        guard.visible(Record::User(user))?;
        Ok(user.clone())
    }

    /// Makes a user; the name is the user id unless given.
    pub fn create_user(
        &self,
        caller: &Caller,
        id: Option<UserId>,
        edit: UserEdit,
    ) -> Result<Arc<User>, ManageError> {
        let id = id.unwrap_or_else(|| UserId(Uuid::new_v4()));
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            // Who may make no user learns nothing about how one is made.
            let key = match &edit.key {
                Some(key) => key.clone(),
                None => nobody()?,
            };
            let mut user = blank(id, key, guard.stamp());
            apply(&mut user, edit.clone());
            guard.require_create(Record::User(&user))?;
            if !user.roles.is_empty() {
                guard.require_on_draft(Record::User(&user), Action::ChangeRole)?;
            }
            if edit.key.is_none() {
                let mut problems = Problems::default();
                problems.add("userId", "a user directory and a user id are needed");
                problems.finish()?;
            }
            if site.user(id).is_some() {
                return Err(Conflict::Duplicate { what: format!("the id {id}") }.into());
            }
            if site.user_by_key(&user.key).is_some() {
                return Err(Conflict::Duplicate { what: format!("the user {}", user.key) }.into());
            }
            check(&user)?;
            Ok((vec![Change::PutUser(user.clone())], Arc::new(user)))
        })
    }

    /// Changes a user. Roles need the action *change role* as well.
    pub fn update_user(
        &self,
        caller: &Caller,
        id: UserId,
        basis: Option<Moment>,
        edit: UserEdit,
    ) -> Result<Arc<User>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.user(id).ok_or_else(|| guard.unknown("user", Some(id.0)))?;
            let mut user = User::clone(before);
            apply(&mut user, edit.clone());
            let (old, new) = (Record::User(before), Record::User(&user));
            guard.require_change(old, new, Action::Update)?;
            if user.roles != before.roles {
                guard.require_change(old, new, Action::ChangeRole)?;
            }
            refuse_stale(basis, &before.stamp)?;
            refuse_internal(before)?;
            if edit.key.as_ref().is_some_and(|key| *key != before.key) {
                let why = "the user directory and user id cannot be changed".to_owned();
                return Err(Conflict::Protected { why }.into());
            }
            if is_root(before) && !is_root(&user) {
                refuse_last_root(site, id)?;
            }
            check(&user)?;
            user.stamp = guard.restamp(&before.stamp);
            Ok((vec![Change::PutUser(user.clone())], Arc::new(user)))
        })
    }

    /// Deletes a user who owns nothing.
    pub fn delete_user(&self, caller: &Caller, id: UserId) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let user = site.user(id).ok_or_else(|| guard.unknown("user", Some(id.0)))?;
            guard.require(Record::User(user), Action::Delete)?;
            refuse_internal(user)?;
            if is_root(user) {
                refuse_last_root(site, id)?;
            }
            let owned = site.streams().filter(|stream| stream.owner == id).count()
                + site.apps().filter(|app| app.owner == id).count()
                + site.objects().filter(|object| object.owner == id).count();
            if owned > 0 {
                let by = format!("the user owns {owned} things; give them to somebody else first");
                return Err(Conflict::InUse { by }.into());
            }
            Ok((vec![Change::DeleteUser(id)], ()))
        })
    }

    /// The row of a person who has just proved who they are, made at the first sign-in. An
    /// existing row keeps its name; `attributes` that differ are taken over.
    pub fn ensure_user(
        &self,
        key: &UserKey,
        name: &str,
        attributes: &[(String, String)],
    ) -> Result<Arc<User>, ManageError> {
        let is_current = |user: &Arc<User>| attributes.is_empty() || user.attributes == attributes;
        if let Some(user) = self.site().user_by_key(key).filter(|user| is_current(user)) {
            return Ok(user.clone());
        }
        let caller = Caller::internal(loggia_model::InternalAccount::Repository);
        let id = UserId(Uuid::new_v4());
        self.change(&caller, |site| {
            let guard = self.enter(site, &caller)?;
            let mut user = match site.user_by_key(key) {
                Some(user) if is_current(user) => return Ok((Vec::new(), user.clone())),
                Some(user) => {
                    let stamp = guard.restamp(&user.stamp);
                    User { stamp, ..User::clone(user) }
                }
                None => {
                    let mut user = blank(id, key.clone(), guard.stamp());
                    if !name.trim().is_empty() {
                        user.name = name.trim().to_owned();
                    }
                    user
                }
            };
            user.attributes = attributes.to_vec();
            check(&user)?;
            Ok((vec![Change::PutUser(user.clone())], Arc::new(user)))
        })
    }

    /// The id and password hash of a local user; none when there is no such user or password.
    pub fn local_credential(&self, key: &UserKey) -> Result<Option<(UserId, String)>, StoreError> {
        let Some(id) = self.site().user_by_key(key).map(|user| user.id) else { return Ok(None) };
        Ok(self.inner.store.credential(id)?.map(|hash| (id, hash)))
    }

    /// Replaces a local user's password by its hash. Whoever sets the password of a person with
    /// roles could act in these roles, so that needs *change role* as well.
    pub fn set_password(&self, caller: &Caller, id: UserId, hash: &str) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let user = site.user(id).ok_or_else(|| guard.unknown("user", Some(id.0)))?;
            guard.require(Record::User(user), Action::Update)?;
            if !user.roles.is_empty() {
                guard.require(Record::User(user), Action::ChangeRole)?;
            }
            refuse_internal(user)?;
            let change =
                Change::PutCredential { user: id, hash: hash.to_owned(), changed: guard.now() };
            Ok((vec![change], ()))
        })
    }
}

/// Stands in for the key of a user that nobody has named.
fn nobody() -> Result<UserKey, ManageError> {
    UserKey::new("UNNAMED", "unnamed").map_err(|error| StoreError::Failed(error.to_string()).into())
}

pub(crate) fn blank(id: UserId, key: UserKey, stamp: loggia_model::entity::Stamp) -> User {
    User {
        id,
        name: key.id().to_owned(),
        key,
        roles: Vec::new(),
        attributes: Vec::new(),
        custom_properties: Vec::new(),
        tags: Vec::new(),
        is_inactive: false,
        is_blocked: false,
        external: None,
        stamp,
    }
}

fn apply(user: &mut User, edit: UserEdit) {
    set(&mut user.name, edit.name);
    set(&mut user.roles, edit.roles);
    set(&mut user.attributes, edit.attributes);
    set(&mut user.custom_properties, edit.custom_properties);
    set(&mut user.tags, edit.tags);
    set(&mut user.is_inactive, edit.is_inactive);
    set(&mut user.is_blocked, edit.is_blocked);
}

pub(crate) fn check(user: &User) -> Result<(), ManageError> {
    let mut problems = Problems::default();
    if let Err(error) = UserKey::from_outside(user.key.directory(), user.key.id()) {
        problems.add("userDirectory", error.to_string());
    }
    problems.text("name", &user.name, true);
    for role in &user.roles {
        problems.text("roles", role, true);
    }
    problems.properties(&user.custom_properties);
    problems.finish()
}

pub(crate) fn is_root(user: &User) -> bool {
    user.roles.iter().any(|role| role == ROOT) && !user.is_blocked && !user.is_inactive
}

pub(crate) fn refuse_last_root(site: &Site, id: UserId) -> Result<(), ManageError> {
    if site.users().any(|user| user.id != id && is_root(user)) {
        return Ok(());
    }
    let why = format!("this is the last active user with the role {ROOT}");
    Err(Conflict::Protected { why }.into())
}

fn refuse_internal(user: &User) -> Result<(), ManageError> {
    if user.key.directory().eq_ignore_ascii_case(UserKey::INTERNAL_DIRECTORY) {
        let why = "the server's own accounts are neither edited nor deleted".to_owned();
        return Err(Conflict::Protected { why }.into());
    }
    Ok(())
}
