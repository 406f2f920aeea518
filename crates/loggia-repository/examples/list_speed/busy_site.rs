//! A big site as data: the same one for the same size, so that figures can be compared.

use loggia_model::entity::{
    App, AppObject, PropertyValue, RuleCategory, RuleOrigin, Stamp, Stream, SystemRule, User,
};
use loggia_model::{AppId, Moment, ObjectId, RuleId, StreamId, UserId, UserKey};
use loggia_repository::store::{Change, StoredRule};
use uuid::Uuid;

/// How many of each there are. Apps are spread over streams, objects over apps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) rules: u32,
    pub(crate) streams: u32,
    pub(crate) apps: u32,
    pub(crate) objects: u32,
    pub(crate) users: u32,
}

/// What different people belong to; rules compare with these.
const GROUPS: u32 = 200;

/// Everything of the site but what every site has, as one commit.
pub(crate) fn changes(size: Size) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend((0..size.users).map(|n| Change::PutUser(user(n))));
    changes.extend((0..size.streams).map(|n| Change::PutStream(stream(n, size))));
    changes.extend((0..size.apps).map(|n| Change::PutApp(app(n, size))));
    changes.extend((0..size.objects).map(|n| Change::PutObject(object(n, size))));
    changes.extend((0..size.rules).map(|n| Change::PutRule(rule(n, size))));
    changes
}

pub(crate) fn user(n: u32) -> User {
    User {
        id: UserId(id(1, n)),
        key: UserKey::new("CORP", &format!("person{n}")).expect("a plain name"),
        name: format!("Person {n}"),
        roles: if n.is_multiple_of(50) { vec![format!("role{}", n % 7)] } else { Vec::new() },
        attributes: vec![
            ("group".to_owned(), group(n)),
            ("group".to_owned(), group(n / 3)),
            ("email".to_owned(), format!("person{n}@corp.example")),
        ],
        custom_properties: vec![property("dept", &group(n / 7))],
        tags: Vec::new(),
        is_inactive: false,
        is_blocked: false,
        external: None,
        stamp: stamp(),
    }
}

fn stream(n: u32, size: Size) -> Stream {
    Stream {
        id: StreamId(id(2, n)),
        name: format!("Stream {n:04}"),
        owner: owner(n, size),
        custom_properties: vec![property("dept", &group(n))],
        tags: Vec::new(),
        stamp: stamp(),
    }
}

/// Every tenth app is nobody's but its owner's.
pub(crate) fn app(n: u32, size: Size) -> App {
    let is_published = n % 10 != 9;
    App {
        id: AppId(id(3, n)),
        name: format!("App {n:05}"),
        description: "Turnover by region and month".to_owned(),
        owner: owner(n, size),
        stream: is_published.then(|| StreamId(id(2, n % size.streams))),
        publish_time: is_published.then_some(Moment(0)),
        last_reload: Some(Moment(0)),
        file_size: 1_000_000,
        thumbnail: String::new(),
        custom_properties: vec![property("team", &group(n)), property("level", "open")],
        tags: Vec::new(),
        stamp: stamp(),
    }
}

pub(crate) fn object(n: u32, size: Size) -> AppObject {
    AppObject {
        id: ObjectId(id(4, n)),
        app: AppId(id(3, n % size.apps)),
        engine_id: format!("object{n}"),
        object_type: if n.is_multiple_of(4) { "sheet" } else { "barchart" }.to_owned(),
        name: format!("Object {n}"),
        description: String::new(),
        owner: owner(n % size.apps, size),
        is_published: true,
        is_approved: true,
        stamp: stamp(),
    }
}

/// One in ten opens a stream to visitors; the others are for groups, roles and departments.
pub(crate) fn rule(n: u32, size: Size) -> StoredRule {
    let stream = id(2, n % size.streams);
    let (filter, condition) = match n % 10 {
        0 => (format!("Stream_{stream}"), "user.IsAnonymous()".to_owned()),
        1..=4 => (format!("Stream_{stream}"), format!("user.group = {:?}", group(n))),
        5 | 6 => (
            "App_*".to_owned(),
            format!("user.roles = \"role{}\" and resource.@team = {:?}", n % 7, group(n)),
        ),
        7 => (
            "Stream_*".to_owned(),
            format!("resource.@dept = {:?} and user.@dept = {:?}", group(n), group(n / 3)),
        ),
        8 => (
            "App.Object_*".to_owned(),
            format!("resource.objectType = \"kind{n}\" and resource.app.HasPrivilege(\"read\")"),
        ),
        _ => ("DataConnection_*".to_owned(), format!("user.userId = \"person{n}\"")),
    };
    StoredRule {
        rule: SystemRule {
            id: RuleId(id(5, n)),
            category: RuleCategory::Security,
            origin: RuleOrigin::Custom,
            name: format!("Rule {n}"),
            comment: String::new(),
            condition,
            resource_filter: filter,
            actions: 2,
            context: 0,
            is_forbidding: false,
            is_disabled: false,
            seed: None,
            tags: Vec::new(),
            stamp: stamp(),
        },
        seed_version: 0,
    }
}

/// One in twenty owns something.
fn owner(n: u32, size: Size) -> UserId {
    UserId(id(1, (n % (size.users / 20).max(1)) * 20))
}

fn group(n: u32) -> String {
    format!("group{}", n % GROUPS)
}

fn property(name: &str, value: &str) -> PropertyValue {
    PropertyValue { name: name.to_owned(), value: value.to_owned() }
}

fn stamp() -> Stamp {
    Stamp { created: Moment(0), modified: Moment(0), modified_by: "CORP\\person0".to_owned() }
}

fn id(kind: u128, n: u32) -> Uuid {
    Uuid::from_u128((kind << 64) + u128::from(n))
}
