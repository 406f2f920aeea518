//! How do entities look on the wire? The shapes of `spec/qrs.md` §5, made by hand from ours.

use loggia_model::entity::{Node, PropertyValue, Stamp, User};
use loggia_model::{Caller, Moment, Principal, StreamId, UserId};
use loggia_repository::{Action, Actions, Repository, Resource, Site};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Who reads, and on which snapshot.
pub(crate) struct View<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) site: &'a Site,
    pub(crate) caller: &'a Caller,
    pub(crate) with_privileges: bool,
}

impl View<'_> {
    /// The caller's rights on a thing when they were asked for, else null.
    pub(crate) fn privileges(&self, resource: &Resource) -> Value {
        if self.with_privileges {
            names(self.repository.privileges(self.caller, resource))
        } else {
            Value::Null
        }
    }

    /// A reference to a user. A visitor learns the name that tiles show, not the account.
    pub(crate) fn owner(&self, id: UserId) -> Value {
        let Some(user) = self.site.user(id) else { return Value::Null };
        let is_visitor = matches!(self.caller.principal, Principal::Anonymous(_));
        let (user_id, directory) =
            if is_visitor { ("", "") } else { (user.key.id(), user.key.directory()) };
        json!({
            "id": user.id,
            "userId": user_id,
            "userDirectory": directory,
            "userDirectoryConnectorName":
                if is_visitor { "" } else { connector_name(self.site, user) },
            "name": user.name,
            "privileges": null,
        })
    }

    /// A reference to a stream, named only to those who may read it.
    pub(crate) fn stream(&self, id: StreamId) -> Value {
        let Some(stream) = self.site.stream(id) else { return Value::Null };
        let decision = self.repository.decide(self.caller, &Resource::Stream(id), Action::Read);
        let name = if decision.is_allowed() { stream.name.as_str() } else { "" };
        json!({ "id": id, "name": name, "privileges": null })
    }
}

/// The directory that the person was taken over from, or nothing.
pub(crate) fn connector_name<'s>(site: &'s Site, user: &User) -> &'s str {
    let external = user.external.as_ref();
    let directory = external.and_then(|external| site.user_directory(external.directory));
    directory.map_or("", |directory| &directory.name)
}

/// Names of actions, lowest bit first.
pub(crate) fn names(actions: Actions) -> Value {
    json!(actions.names())
}

/// The members every full form begins with, then `own`, then tags. A visitor does not learn whose
/// account changed a thing.
pub(crate) fn full(
    view: &View<'_>,
    id: Uuid,
    stamp: &Stamp,
    schema_path: &str,
    condensed: Value,
    own: Value,
) -> Value {
    let mut members = Map::new();
    members.insert("id".to_owned(), json!(id));
    members.insert("createdDate".to_owned(), date(stamp.created));
    members.insert("modifiedDate".to_owned(), date(stamp.modified));
    let modified_by = if view.caller.is_anonymous() { "" } else { &stamp.modified_by };
    members.insert("modifiedByUserName".to_owned(), json!(modified_by));
    for part in [condensed, own] {
        if let Value::Object(part) = part {
            members.extend(part);
        }
    }
    members.insert("schemaPath".to_owned(), json!(schema_path));
    Value::Object(members)
}

/// A date in the one form that every client reads.
pub(crate) fn date(moment: Moment) -> Value {
    match jiff::Timestamp::from_millisecond(moment.0) {
        Ok(stamp) => json!(stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        Err(_) => date(Moment::NEVER),
    }
}

/// A date that may not have come yet.
pub(crate) fn date_or_never(moment: Option<Moment>) -> Value {
    date(moment.unwrap_or(Moment::NEVER))
}

pub(crate) fn tags(tags: &[String]) -> Value {
    tags.iter()
        .map(|tag| json!({ "id": word_id("tag", tag), "name": tag, "privileges": null }))
        .collect()
}

pub(crate) fn properties(values: &[PropertyValue], stamp: &Stamp) -> Value {
    values
        .iter()
        .map(|value| {
            json!({
                "id": word_id("value", &format!("{}={}", value.name, value.value)),
                "createdDate": date(stamp.created),
                "modifiedDate": date(stamp.modified),
                "schemaPath": "CustomPropertyValue",
                "value": value.value,
                "definition": {
                    "id": word_id("property", &value.name),
                    "name": value.name,
                    "valueType": "Text",
                    "choiceValues": [],
                    "privileges": null,
                },
            })
        })
        .collect()
}

/// A reference to a node.
pub(crate) fn node(node: &Node) -> Value {
    json!({
        "id": node.id,
        "name": node.name,
        "hostName": node.host_name,
        "isCentral": node.is_central,
        "privileges": null,
    })
}

/// The tag in use that this id was given out for.
pub(crate) fn tag_named(repository: &Repository, id: Uuid) -> Option<String> {
    let site = repository.site();
    let mut tags = site
        .users()
        .flat_map(|user| &user.tags)
        .chain(site.streams().flat_map(|stream| &stream.tags))
        .chain(site.apps().flat_map(|app| &app.tags))
        .chain(site.rules().flat_map(|rule| &rule.tags))
        .chain(site.virtual_proxies().flat_map(|entrance| &entrance.tags))
        .chain(site.user_directories().flat_map(|directory| &directory.tags))
        .chain(&site.proxy_service().tags);
    tags.find(|tag| word_id("tag", tag) == id).cloned()
}

/// The custom property in use that this id was given out for.
pub(crate) fn property_named(repository: &Repository, id: Uuid) -> Option<String> {
    let site = repository.site();
    let mut values = site
        .users()
        .flat_map(|user| &user.custom_properties)
        .chain(site.streams().flat_map(|stream| &stream.custom_properties))
        .chain(site.apps().flat_map(|app| &app.custom_properties))
        .chain(site.virtual_proxies().flat_map(|entrance| &entrance.custom_properties))
        .chain(&site.proxy_service().custom_properties);
    values.find(|value| word_id("property", &value.name) == id).map(|value| value.name.clone())
}

/// The id of a word that has no row of its own: always the same for the same word (FNV-1a).
pub(crate) fn word_id(family: &str, word: &str) -> Uuid {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in family.bytes().chain([0]).chain(word.bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
}
