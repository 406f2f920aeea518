//! What is told of visitors is what they may do, and what is told of a change is what it does:
//! compared with every decision one by one, on small random sites.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use loggia_model::entity::{AnonymousMode, PropertyValue, RuleCategory};
use loggia_model::{
    AppId, Caller, ObjectId, PoolId, RuleId, StreamId, UserId, UserKey, VirtualProxyId,
};
use loggia_repository::impact::{Contexts, Held, Shift};
use loggia_repository::{
    Action, AppEdit, Excerpt, Exposure, Impact, ManageError, PoolEdit, ProposedChange, Repository,
    Resource, RuleEdit, StreamEdit, UserEdit, VirtualProxyEdit,
};
use loggia_rules::{Category, Condition, Entity, Fact, Facts, RequestContext, Subject, admits};
use proptest::prelude::*;
use uuid::Uuid;

use crate::fixture::{Hub, environment};

/// Random choices; zeros are the plainest.
struct Tape {
    choices: Vec<u32>,
    next: usize,
}

impl Tape {
    fn below(&mut self, bound: usize) -> usize {
        let choice = self.choices.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        choice as usize % bound
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn word(&mut self, all: &[&'static str]) -> &'static str {
        let choice = self.below(all.len());
        all[choice]
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == bound - 1
    }
}

struct World {
    hub: Hub,
    root: Caller,
    streams: Vec<StreamId>,
    apps: Vec<AppId>,
    objects: Vec<ObjectId>,
    users: Vec<UserId>,
    rules: Vec<RuleId>,
    entrances: Vec<VirtualProxyId>,
    pool: PoolId,
}

const CONDITIONS: [&str; 22] = [
    "",
    "user.IsAnonymous()",
    "!user.IsAnonymous()",
    r#"user.roles = "r1""#,
    r#"user.roles = "r0" or user.dept = "d1""#,
    r#"!(user.dept = "d0")"#,
    "resource.owner = user",
    "resource.@x = user.dept",
    r#"resource.@x = "d1""#,
    r#"resource.stream.HasPrivilege("read")"#,
    r#"resource.app.HasPrivilege("read") and resource.published = "true""#,
    r#"!resource.app.HasPrivilege("update")"#,
    r#"resource.app.stream.HasPrivilege("publish")"#,
    r#"resource.app.stream.@x = "d0""#,
    r#"resource.HasPrivilege("update")"#,
    r#"resource.HasPrivilege("read") and user.@team = "t1""#,
    r#"resource.owner.@team = "t1""#,
    r#"resource.owner.HasPrivilege("read")"#,
    r#"user.environment.virtualProxy = "press""#,
    r#"user.environment.ip like "10.*""#,
    r#"user.IsAnonymous() and !(user.environment.ip like "10.*")"#,
    r#"resource.name like "*1""#,
];

fn property(name: &str, value: &str) -> Vec<PropertyValue> {
    vec![PropertyValue { name: name.to_owned(), value: value.to_owned() }]
}

impl World {
    fn new(tape: &mut Tape) -> World {
        let hub = Hub::new();
        let root = hub.root();
        let server = hub.server();
        let repository = &hub.repository;
        let entrances = vec![
            hub.entrance("public", AnonymousMode::Allowed),
            hub.entrance("press", AnonymousMode::Always),
            hub.entrance("staff", AnonymousMode::Never),
        ];
        let pool = hub.visitors_pool(None).0;
        let users: Vec<UserId> = (0..3)
            .map(|number| {
                let key = UserKey::new("LOGGIA", &format!("user{number}")).unwrap();
                let edit = UserEdit { key: Some(key), ..user_edit(tape) };
                repository.create_user(&server, None, edit).unwrap().id
            })
            .collect();
        let streams: Vec<StreamId> = (0..2)
            .map(|number| {
                let edit = StreamEdit {
                    name: Some(format!("Stream {number}")),
                    owner: Some(*tape.of(&users)),
                    custom_properties: Some(property("x", tape.word(&["d0", "d1"]))),
                    ..StreamEdit::default()
                };
                repository.create_stream(&server, None, edit).unwrap().id
            })
            .collect();
        let (mut apps, mut objects) = (Vec::new(), Vec::new());
        for number in 0..3 {
            let edit = AppEdit {
                name: Some(format!("App {number}")),
                owner: Some(*tape.of(&users)),
                custom_properties: Some(property("x", tape.word(&["d0", "d1"]))),
                ..AppEdit::default()
            };
            let app = repository.create_app(&server, None, edit).unwrap().id;
            objects.push(hub.sheet(&server, app, &format!("Sheet {number}")));
            if !tape.one_in(3) {
                repository.publish_app(&server, app, *tape.of(&streams), None).unwrap();
            }
            if tape.one_in(2) {
                objects.push(hub.sheet(&server, app, "Private 1"));
            }
            apps.push(app);
        }
        let mut rules = Vec::new();
        for _ in 0..4 + tape.below(8) {
            let id = RuleId(Uuid::new_v4());
            match repository.create_rule(&server, Some(id), rule_edit(&streams, &apps, tape)) {
                Ok(_) => rules.push(id),
                // Not every condition makes sense on everything, and a rule may forbid further ones.
                Err(ManageError::Invalid(_) | ManageError::Refused(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        World { root, streams, apps, objects, users, rules, entrances, pool, hub }
    }

    fn repository(&self) -> &Repository {
        &self.hub.repository
    }

    fn change(&self, tape: &mut Tape) -> ProposedChange {
        let app = *tape.of(&self.apps);
        let object = *tape.of(&self.objects);
        let rule = tape.below(self.rules.len().max(1));
        let rule = self.rules.get(rule).copied();
        match (tape.below(16), rule) {
            (0 | 1, _) | (2..=4, None) => ProposedChange::Rule {
                id: Some(RuleId(Uuid::new_v4())),
                edit: rule_edit(&self.streams, &self.apps, tape),
            },
            (2, Some(rule)) => {
                let edit = rule_edit(&self.streams, &self.apps, tape);
                ProposedChange::Rule { id: Some(rule), edit }
            }
            (3, Some(rule)) => {
                let edit = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
                ProposedChange::Rule { id: Some(rule), edit }
            }
            (4, Some(rule)) => ProposedChange::DeleteRule(rule),
            (5, _) => {
                let edit = StreamEdit {
                    owner: Some(*tape.of(&self.users)),
                    custom_properties: Some(property("x", tape.word(&["d0", "d1"]))),
                    ..StreamEdit::default()
                };
                ProposedChange::Stream { id: Some(*tape.of(&self.streams)), edit }
            }
            (6, _) => {
                let edit = StreamEdit {
                    name: Some("Stream 1".to_owned()),
                    custom_properties: Some(property("x", "d1")),
                    ..StreamEdit::default()
                };
                ProposedChange::Stream { id: Some(StreamId(Uuid::new_v4())), edit }
            }
            (7, _) => {
                let stream = (!tape.one_in(3)).then(|| *tape.of(&self.streams));
                ProposedChange::App { id: Some(app), edit: None, stream: Some(stream) }
            }
            (8, _) => {
                let edit = AppEdit {
                    owner: Some(*tape.of(&self.users)),
                    custom_properties: Some(property("x", tape.word(&["d0", "d1"]))),
                    ..AppEdit::default()
                };
                ProposedChange::App { id: Some(app), edit: Some(edit), stream: None }
            }
            (9, _) => ProposedChange::DeleteApp(app),
            (10, _) => ProposedChange::AppObject {
                id: object,
                edit: None,
                is_published: Some(true),
                is_approved: tape.one_in(2).then_some(true),
            },
            (11, _) => ProposedChange::DeleteAppObject(object),
            (12, _) => {
                let edit = user_edit(tape);
                ProposedChange::User { id: Some(*tape.of(&self.users)), edit }
            }
            (13, _) => {
                let key = UserKey::new("LOGGIA", "newcomer").unwrap();
                let edit = UserEdit { key: Some(key), ..user_edit(tape) };
                ProposedChange::User { id: Some(UserId(Uuid::new_v4())), edit }
            }
            (14, _) => {
                let modes = [AnonymousMode::Never, AnonymousMode::Allowed, AnonymousMode::Always];
                let prefix = tape.one_in(3).then(|| "other".parse().unwrap());
                let edit = VirtualProxyEdit {
                    anonymous: Some(*tape.of(&modes)),
                    prefix,
                    ..VirtualProxyEdit::default()
                };
                ProposedChange::VirtualProxy {
                    id: Some(*tape.of(&self.entrances)),
                    edit: Box::new(edit),
                }
            }
            _ => {
                let edit = PoolEdit { is_disabled: Some(true), ..PoolEdit::default() };
                ProposedChange::Pool { id: Some(self.pool), edit }
            }
        }
    }

    /// Everything there is, by the key that reports use.
    fn resources(&self) -> BTreeMap<String, Resource> {
        let site = self.repository().site();
        let mut all = BTreeMap::new();
        let mut add = |kind: &str, id: String, resource| {
            all.insert(format!("{kind}_{id}"), resource);
        };
        site.streams().for_each(|s| add("Stream", s.id.text(), Resource::Stream(s.id)));
        site.apps().for_each(|a| add("App", a.id.text(), Resource::App(a.id)));
        site.objects().for_each(|o| add("App.Object", o.id.text(), Resource::AppObject(o.id)));
        site.users().for_each(|u| add("User", u.id.text(), Resource::User(u.id)));
        site.rules().for_each(|r| add("SystemRule", r.id.text(), Resource::Rule(r.id)));
        site.virtual_proxies().for_each(|entrance| {
            let resource = Resource::VirtualProxy(entrance.id);
            add("VirtualProxyConfig", entrance.id.text(), resource);
        });
        for name in ["HubSection_Home", "HubSection_Work", "QmcSection_App", "QmcSection_Audit"] {
            all.insert(name.to_owned(), Resource::Transient(name.into()));
        }
        all
    }

    /// Every right that somebody holds, with the visitors' requests coming from `ip`.
    fn rights(&self, ip: &str) -> BTreeSet<Right> {
        let site = self.repository().site();
        let ip: IpAddr = ip.parse().unwrap();
        let mut callers: Vec<(Who, Caller)> = Vec::new();
        for entrance in site.virtual_proxies() {
            if entrance.anonymous != AnonymousMode::Never {
                let mut visitor = self.hub.visitor_at(entrance.prefix.as_str());
                visitor.environment.ip = Some(ip);
                callers.push((Who::Visitor(entrance.id), visitor));
            }
        }
        for user in site.users().filter(|user| user.key.directory() != "INTERNAL") {
            let caller = Caller::user(user.id, user.key.clone(), environment(""));
            callers.push((Who::Person(user.id), caller));
        }
        let mut rights = BTreeSet::new();
        for (key, resource) in self.resources() {
            for (who, caller) in &callers {
                for is_console in [false, true] {
                    let caller = caller.clone();
                    let caller = if is_console { caller.in_console() } else { caller };
                    for action in self.repository().privileges(&caller, &resource).iter() {
                        let (who, key) = (who.clone(), key.clone());
                        rights.insert(Right { who, is_console, action: action.bit(), key });
                    }
                }
            }
        }
        rights
    }

    fn make(&self, change: &ProposedChange) -> Result<(), ManageError> {
        let (repository, root) = (self.repository(), &self.root);
        let site = repository.site();
        match change.clone() {
            ProposedChange::Rule { id, edit } if site.rule(id.unwrap()).is_some() => {
                repository.update_rule(root, id.unwrap(), None, edit)?;
            }
            ProposedChange::Rule { id, edit } => {
                repository.create_rule(root, id, edit)?;
            }
            ProposedChange::DeleteRule(id) => repository.delete_rule(root, id)?,
            ProposedChange::Stream { id, edit } if site.stream(id.unwrap()).is_some() => {
                repository.update_stream(root, id.unwrap(), None, edit)?;
            }
            ProposedChange::Stream { id, edit } => {
                repository.create_stream(root, id, edit)?;
            }
            ProposedChange::App { id, edit, stream } => {
                let id = id.unwrap();
                if let Some(edit) = edit {
                    repository.update_app(root, id, None, edit)?;
                }
                match stream {
                    Some(place) if site.app(id).unwrap().stream == place => {}
                    Some(Some(stream)) => drop(repository.publish_app(root, id, stream, None)?),
                    Some(None) => drop(repository.unpublish_app(root, id)?),
                    None => {}
                }
            }
            ProposedChange::DeleteApp(id) => repository.delete_app(root, id)?,
            ProposedChange::AppObject { id, is_approved, .. } => {
                repository.publish_object(root, id, true)?;
                if is_approved.is_some() {
                    repository.approve_object(root, id, true)?;
                }
            }
            ProposedChange::DeleteAppObject(id) => repository.delete_object(root, id)?,
            ProposedChange::User { id, edit } if site.user(id.unwrap()).is_some() => {
                repository.update_user(root, id.unwrap(), None, edit)?;
            }
            ProposedChange::User { id, edit } => {
                repository.create_user(root, id, edit)?;
            }
            ProposedChange::VirtualProxy { id, edit } => {
                repository.update_virtual_proxy(root, id.unwrap(), None, *edit)?;
            }
            ProposedChange::Pool { id, edit } => {
                repository.update_pool(root, id.unwrap(), None, edit)?;
            }
            other => panic!("{other:?} is not among the changes"),
        }
        Ok(())
    }
}

fn user_edit(tape: &mut Tape) -> UserEdit {
    UserEdit {
        roles: Some(vec![tape.word(&["r0", "r1", "ContentAdmin"]).to_owned()]),
        attributes: Some(vec![("dept".to_owned(), tape.word(&["d0", "d1"]).to_owned())]),
        custom_properties: Some(property("team", tape.word(&["t0", "t1"]))),
        is_blocked: Some(tape.one_in(5)),
        ..UserEdit::default()
    }
}

fn rule_edit(streams: &[StreamId], apps: &[AppId], tape: &mut Tape) -> RuleEdit {
    let filter = match tape.below(9) {
        0 => "Stream_*".to_owned(),
        1 => "App_*".to_owned(),
        2 => "App.Object_*".to_owned(),
        3 => "App*".to_owned(),
        4 => format!("Stream_{}", tape.of(streams)),
        5 => format!("App_{}", tape.of(apps)),
        6 => "User_*, HubSection_*".to_owned(),
        7 => "SystemRule_*, QmcSection_App".to_owned(),
        _ => "*".to_owned(),
    };
    RuleEdit {
        category: Some(RuleCategory::Security),
        name: Some("Rule 1".to_owned()),
        condition: Some((*tape.of(&CONDITIONS)).to_owned()),
        resource_filter: Some(filter),
        actions: Some(*tape.of(&[2, 6, 256, 34, 8191])),
        context: Some(*tape.of(&[0, 1, 2])),
        is_forbidding: Some(tape.one_in(5)),
        ..RuleEdit::default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Visitor(VirtualProxyId),
    Person(UserId),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    who: Who,
    is_console: bool,
    action: u32,
    key: String,
}

/// What the impact says of each right: gained, lost, or dependent on the request.
struct Told {
    gained: BTreeSet<Right>,
    lost: BTreeSet<Right>,
    conditional: BTreeMap<Right, (Held, Held)>,
}

impl Told {
    fn of(impact: &Impact, addresses: &BTreeMap<String, VirtualProxyId>) -> Told {
        let contexts = |contexts: Contexts| match contexts {
            Contexts::Both => vec![false, true],
            Contexts::Hub => vec![false],
            Contexts::Console => vec![true],
        };
        let spread = |shifts: &[Shift]| {
            let mut rights = BTreeSet::new();
            for Shift { audience, deeds, contexts: places, things } in shifts {
                assert_eq!(audience.names.len(), audience.people, "everybody is named");
                assert!(things.kind.is_none() || things.names.len() == things.count);
                let visitors = audience.visitors.iter().map(|a| Who::Visitor(addresses[&**a]));
                let people = audience.names.iter().map(|named| {
                    let id = named.key.strip_prefix("User_").unwrap();
                    Who::Person(UserId(Uuid::parse_str(id).unwrap()))
                });
                for who in visitors.chain(people) {
                    for deed in deeds.iter().filter_map(|deed| deed.name().parse::<Action>().ok()) {
                        for is_console in contexts(*places) {
                            for thing in &things.names {
                                let new = Right {
                                    who: who.clone(),
                                    is_console,
                                    action: deed.bit(),
                                    key: thing.key.clone(),
                                };
                                assert!(rights.insert(new.clone()), "{new:?} is told twice");
                            }
                        }
                    }
                }
            }
            rights
        };
        let mut conditional = BTreeMap::new();
        for shift in &impact.conditional {
            for address in &shift.entrances {
                for deed in &shift.deeds {
                    let Ok(action) = deed.name().parse::<Action>() else { continue };
                    for is_console in contexts(shift.contexts) {
                        for thing in &shift.things.names {
                            let who = Who::Visitor(addresses[&**address]);
                            let key = thing.key.clone();
                            let right = Right { who, is_console, action: action.bit(), key };
                            let held = (shift.before.clone(), shift.after.clone());
                            assert!(conditional.insert(right, held).is_none());
                        }
                    }
                }
            }
        }
        Told { gained: spread(&impact.gained), lost: spread(&impact.lost), conditional }
    }
}

/// A request of which only the address matters.
struct From<'a>(&'a str);

impl Facts for From<'_> {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        if matches!(subject, Subject::Requester) && name == "environment.ip" {
            out.push(Fact::Text(self.0.into()));
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        true
    }

    fn requester_entity(&self) -> Option<Entity> {
        None
    }
}

fn holds(held: &Held, ip: &str) -> bool {
    match held {
        Held::Never => false,
        Held::Always => true,
        Held::When(condition) => {
            let condition = Condition::compile(condition, Category::License).unwrap();
            admits(&condition, &From(ip))
        }
    }
}

fn open_addresses(world: &World) -> impl Iterator<Item = (String, VirtualProxyId)> + use<> {
    let site = world.repository().site();
    let open: Vec<_> = site
        .virtual_proxies()
        .filter(|entrance| entrance.anonymous != AnonymousMode::Never)
        .map(|entrance| (entrance.prefix.base(), entrance.id))
        .collect();
    open.into_iter()
}

const ADDRESSES: [&str; 2] = ["10.1.2.3", "192.0.2.7"];

fn check_exposure(choices: Vec<u32>) {
    let world = World::new(&mut Tape { choices, next: 0 });
    let addresses: BTreeMap<_, _> = open_addresses(&world).collect();
    let report = Exposure::of(&world.repository().site());
    for ip in ADDRESSES {
        let mut told = BTreeSet::new();
        for thing in report.things.iter().filter(|thing| thing.is_there) {
            for grant in thing.grants.iter() {
                let Ok(action) = grant.deed.name().parse::<Action>() else { continue };
                let held = grant.when.clone().map_or(Held::Always, Held::When);
                if !holds(&held, ip) {
                    continue;
                }
                for entrance in grant.entrances.iter() {
                    told.insert(Right {
                        who: Who::Visitor(addresses[&**entrance]),
                        is_console: grant.context == RequestContext::Console,
                        action: action.bit(),
                        key: thing.key(),
                    });
                }
            }
        }
        told.retain(|right| right.key.contains('_') && world.is_known(right));
        let mut is = world.rights(ip);
        is.retain(|right| matches!(right.who, Who::Visitor(_)));
        assert_eq!(told, is, "from {ip}\n{}", report.to_table());
    }
}

fn check(choices: Vec<u32>) {
    let mut tape = Tape { choices, next: 0 };
    let world = World::new(&mut tape);
    let change = world.change(&mut tape);
    let section = Resource::Transient("QmcSection_Audit".into());
    if !world.repository().decide(&world.root, &section, Action::Read).is_allowed() {
        // A rule forbids the audit: then names are kept back, and there is nothing to compare.
        return;
    }
    let excerpt = Excerpt { skip: 0, take: usize::MAX };
    let told = world.repository().impact(&world.root, std::slice::from_ref(&change), excerpt);
    let mut addresses: BTreeMap<_, _> = open_addresses(&world).collect();
    let before = ADDRESSES.map(|ip| world.rights(ip));
    let made = world.make(&change);
    let impact = match (told, made) {
        (Ok(impact), Ok(())) => impact,
        (Err(_), Err(_)) => return,
        (told, made) => panic!("{change:?}: told {told:?}, but {made:?}"),
    };
    addresses.extend(open_addresses(&world));
    let after = ADDRESSES.map(|ip| world.rights(ip));
    let told = Told::of(&impact, &addresses);
    let everything = [&before[0], &before[1], &after[0], &after[1], &told.gained, &told.lost];
    let everything: BTreeSet<&Right> =
        everything.into_iter().flatten().chain(told.conditional.keys()).collect();
    for right in everything {
        if right.key.ends_with("_*") || !right.key.contains('_') {
            continue;
        }
        if !world.is_known(right) {
            continue;
        }
        for (number, ip) in ADDRESSES.into_iter().enumerate() {
            let is = (before[number].contains(right), after[number].contains(right));
            let said = match told.conditional.get(right) {
                Some((before, after)) => (holds(before, ip), holds(after, ip)),
                None if told.gained.contains(right) => (false, true),
                None if told.lost.contains(right) => (true, false),
                None => (is.0, is.0),
            };
            assert_eq!(is, said, "{right:?} from {ip}\n{change:?}\n{impact:#?}");
        }
    }
}

impl World {
    /// Of sections only some are asked about one by one, and of nodes, proxies and pools none.
    fn is_known(&self, right: &Right) -> bool {
        let skipped =
            ["ServerNodeConfiguration", "ProxyService", "License", "QmcSection", "HubSection"];
        let known = ["QmcSection_App", "QmcSection_Audit", "HubSection_Home", "HubSection_Work"];
        known.contains(&&*right.key) || !skipped.iter().any(|kind| right.key.starts_with(kind))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_of_visitors_is_what_they_may_do(choices in prop::collection::vec(any::<u32>(), 160)) {
        check_exposure(choices);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_of_a_change_is_what_it_does(choices in prop::collection::vec(any::<u32>(), 160)) {
        check(choices);
    }
}
