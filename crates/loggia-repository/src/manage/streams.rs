//! Streams.

use std::sync::Arc;

use loggia_model::entity::{PropertyValue, Stream};
use loggia_model::{Caller, Moment, StreamId, UserId};
use loggia_rules::Action;
use uuid::Uuid;

use super::{Conflict, ManageError, Problems, refuse_stale, set};
use crate::Repository;
use crate::record::Record;
use crate::share;
use crate::store::Change;

/// What a request says about a stream; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct StreamEdit {
    pub name: Option<String>,
    pub owner: Option<UserId>,
    pub custom_properties: Option<Vec<PropertyValue>>,
    pub tags: Option<Vec<String>>,
}

impl Repository {
    /// The streams the caller may read, *Everyone* first, then by name.
    pub fn streams(&self, caller: &Caller) -> Result<Vec<Arc<Stream>>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        Ok(self.rows::<Arc<Stream>>(&guard, Action::Read).to_vec())
    }

    /// One stream.
    pub fn stream(&self, caller: &Caller, id: StreamId) -> Result<Arc<Stream>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let stream = site.stream(id).ok_or_else(|| guard.unknown("stream", Some(id.0)))?;
        guard.visible(Record::Stream(stream))?;
        Ok(stream.clone())
    }

    /// Makes a stream; a name is needed. Nobody but its owner and administrators sees it until a
    /// rule says so.
    pub fn create_stream(
        &self,
        caller: &Caller,
        id: Option<StreamId>,
        edit: StreamEdit,
    ) -> Result<Arc<Stream>, ManageError> {
        let id = id.unwrap_or_else(|| StreamId(Uuid::new_v4()));
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let mut stream = Stream {
                id,
                name: String::new(),
                owner: guard.owner()?,
                custom_properties: Vec::new(),
                tags: Vec::new(),
                stamp: guard.stamp(),
            };
            apply(&mut stream, edit.clone());
            guard.require_create(Record::Stream(&stream))?;
            if site.stream(id).is_some() {
                return Err(Conflict::Duplicate { what: format!("the id {id}") }.into());
            }
            check(site, &stream)?;
            Ok((vec![Change::PutStream(stream.clone())], Arc::new(stream)))
        })
    }

    /// Changes a stream.
    pub fn update_stream(
        &self,
        caller: &Caller,
        id: StreamId,
        basis: Option<Moment>,
        edit: StreamEdit,
    ) -> Result<Arc<Stream>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.stream(id).ok_or_else(|| guard.unknown("stream", Some(id.0)))?;
            let mut stream = Stream::clone(before);
            apply(&mut stream, edit.clone());
            let (old, new) = (Record::Stream(before), Record::Stream(&stream));
            guard.require_change(old, new, Action::Update)?;
            if stream.owner != before.owner {
                guard.require_change(old, new, Action::ChangeOwner)?;
            }
            refuse_stale(basis, &before.stamp)?;
            check(site, &stream)?;
            stream.stamp = guard.restamp(&before.stamp);
            Ok((vec![Change::PutStream(stream.clone())], Arc::new(stream)))
        })
    }

    /// Deletes a stream that holds no app.
    pub fn delete_stream(&self, caller: &Caller, id: StreamId) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let stream = site.stream(id).ok_or_else(|| guard.unknown("stream", Some(id.0)))?;
            guard.require(Record::Stream(stream), Action::Delete)?;
            let apps = site.apps().filter(|app| app.stream == Some(id)).count();
            if apps > 0 {
                let by = format!("{apps} published apps; move or delete them first");
                return Err(Conflict::InUse { by }.into());
            }
            let mut changes = share::rules_of_stream(site, stream);
            changes.push(Change::DeleteStream(id));
            Ok((changes, ()))
        })
    }
}

/// *Everyone* first, then by name.
pub(crate) fn sort(streams: &mut [Arc<Stream>]) {
    streams.sort_by_cached_key(|stream| {
        (stream.id != crate::seed::EVERYONE, stream.name.to_lowercase(), stream.id)
    });
}

fn apply(stream: &mut Stream, edit: StreamEdit) {
    set(&mut stream.name, edit.name);
    set(&mut stream.owner, edit.owner);
    set(&mut stream.custom_properties, edit.custom_properties);
    set(&mut stream.tags, edit.tags);
}

fn check(site: &crate::Site, stream: &Stream) -> Result<(), ManageError> {
    let mut problems = Problems::default();
    problems.text("name", &stream.name, true);
    problems.properties(&stream.custom_properties);
    if site.user(stream.owner).is_none() {
        problems.add("owner", "there is no such user");
    }
    problems.finish()
}
