//! Lists that are kept for everybody with the same rights: never another answer than deciding one
//! by one, whatever changed in between.

use loggia_model::entity::PropertyValue;
use loggia_model::{AppId, Caller, Environment, ObjectId, RuleId, StreamId, UserId};
use loggia_repository::seed::EVERYONE;
use loggia_repository::{
    Action, AppEdit, ObjectEdit, Repository, Resource, RuleEdit, StreamEdit, UserEdit,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::{Hub, rule};

/// Conditions that read the requester, the thing, both, neighbours and the rules.
const CONDITIONS: [&str; 16] = [
    "user.IsAnonymous()",
    "!user.IsAnonymous()",
    r#"user.roles = "red""#,
    r#"user.roles = "blue""#,
    "user.group = resource.@team",
    "resource.owner = user",
    r#"resource.owner.@team = "red""#,
    r#"resource.owner.name = user.name"#,
    r#"resource.@team = "red" and user.environment.os = "Linux""#,
    r#"resource.@team = "blue" or user.roles = "red""#,
    r#"resource.stream.HasPrivilege("read")"#,
    r#"resource.stream.@team = user.group"#,
    r#"resource.app.HasPrivilege("read") and resource.published = "true""#,
    r#"resource.name like "a*""#,
    r#"resource.description = "x" and user.name = "ana""#,
    "true",
];
const FILTERS: [&str; 9] = [
    "App_*",
    "Stream_*",
    "App.Object_*",
    "App*",
    "*",
    "User_*",
    "DataConnection_*",
    "App_*, Stream_*",
    "SystemRule_*",
];
const TEAMS: [&str; 3] = ["red", "blue", "green"];

/// One step of somebody's working day.
#[derive(Clone, Debug)]
enum Step {
    AddRule { condition: usize, filter: usize, is_forbidding: bool, context: u8 },
    ChangeRule { rule: Index, condition: usize, filter: usize },
    ToggleRule { rule: Index },
    DeleteRule { rule: Index },
    Roles { user: Index, team: usize },
    Groups { user: Index, team: usize },
    Rename { user: Index, name: usize },
    Newcomer,
    AddApp { owner: Index, team: usize },
    EditApp { app: Index, team: usize, owner: Option<Index> },
    Publish { app: Index, stream: Index },
    Unpublish { app: Index },
    DeleteApp { app: Index },
    AddStream { team: usize },
    EditStream { stream: Index, team: usize },
    AddObject { app: Index, owner: Index },
    ReleaseObject { object: Index },
    DeleteObject { object: Index },
    Look { caller: Index },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<Index>;
    let (condition, filter, team) = (0..CONDITIONS.len(), 0..FILTERS.len(), 0..TEAMS.len());
    let step = prop_oneof![
        4 => (condition.clone(), filter.clone(), prop::bool::weighted(0.2), 0_u8..3).prop_map(
            |(condition, filter, is_forbidding, context)| Step::AddRule {
                condition, filter, is_forbidding, context
            }
        ),
        2 => (index(), condition, filter)
            .prop_map(|(rule, condition, filter)| Step::ChangeRule { rule, condition, filter }),
        1 => index().prop_map(|rule| Step::ToggleRule { rule }),
        1 => index().prop_map(|rule| Step::DeleteRule { rule }),
        2 => (index(), team.clone()).prop_map(|(user, team)| Step::Roles { user, team }),
        1 => (index(), team.clone()).prop_map(|(user, team)| Step::Groups { user, team }),
        1 => (index(), team.clone()).prop_map(|(user, name)| Step::Rename { user, name }),
        1 => Just(Step::Newcomer),
        2 => (index(), team.clone()).prop_map(|(owner, team)| Step::AddApp { owner, team }),
        2 => (index(), team.clone(), prop::option::of(index()))
            .prop_map(|(app, team, owner)| Step::EditApp { app, team, owner }),
        2 => (index(), index()).prop_map(|(app, stream)| Step::Publish { app, stream }),
        1 => index().prop_map(|app| Step::Unpublish { app }),
        1 => index().prop_map(|app| Step::DeleteApp { app }),
        1 => team.clone().prop_map(|team| Step::AddStream { team }),
        1 => (index(), team).prop_map(|(stream, team)| Step::EditStream { stream, team }),
        2 => (index(), index()).prop_map(|(app, owner)| Step::AddObject { app, owner }),
        1 => index().prop_map(|object| Step::ReleaseObject { object }),
        1 => index().prop_map(|object| Step::DeleteObject { object }),
        8 => index().prop_map(|caller| Step::Look { caller }),
    ];
    prop::collection::vec(step, 10..40)
}

/// A small site and the people in it.
struct Play {
    hub: Hub,
    callers: Vec<Caller>,
    users: Vec<UserId>,
    rules: Vec<RuleId>,
    apps: Vec<AppId>,
    streams: Vec<StreamId>,
    objects: Vec<ObjectId>,
}

impl Play {
    fn new() -> Play {
        let hub = Hub::new();
        let people = [hub.user("ana"), hub.user("ben"), hub.user("cleo")];
        let users = people.iter().map(id_of).collect();
        let mut linux = hub.visitor();
        linux.environment.os = "Linux".to_owned();
        let mut callers = vec![hub.visitor(), hub.visitor(), linux, hub.root()];
        callers.extend(people.iter().cloned());
        callers.extend(people.into_iter().map(Caller::in_console));
        let mut play = Play {
            hub,
            callers,
            users,
            rules: Vec::new(),
            apps: Vec::new(),
            streams: vec![EVERYONE],
            objects: Vec::new(),
        };
        for (name, is_published) in [("alpha", true), ("beta", false), ("gamma", true)] {
            let owner = play.callers[4].clone();
            let app = play.hub.app(&owner, name);
            let sheet = play.hub.sheet(&owner, app, "sheet");
            if is_published {
                let server = play.hub.server();
                play.repository().publish_app(&server, app, EVERYONE, None).unwrap();
            }
            play.apps.push(app);
            play.objects.push(sheet);
        }
        play
    }

    fn repository(&self) -> &Repository {
        &self.hub.repository
    }

    /// Does one step; what makes no sense in the present state is passed over.
    fn go(&mut self, step: Step) {
        let server = self.hub.server();
        let repository = self.hub.repository.clone();
        match step {
            Step::AddRule { condition, filter, is_forbidding, context } => {
                let condition = CONDITIONS[condition];
                // The server itself is never locked out, or nothing more would happen.
                let others = r#"!(user.userDirectory = "INTERNAL")"#;
                let condition = match is_forbidding {
                    true => format!("{others} and ({condition})"),
                    false => condition.to_owned(),
                };
                let edit = RuleEdit {
                    is_forbidding: Some(is_forbidding),
                    context: Some(context),
                    ..rule("made up", FILTERS[filter], 2, &condition)
                };
                if let Ok(saved) = repository.create_rule(&server, None, edit) {
                    self.rules.push(saved.value.id);
                }
            }
            Step::ChangeRule { rule: at, condition, filter } => {
                let Some(&id) = get(&self.rules, &at) else { return };
                let edit = RuleEdit {
                    is_forbidding: Some(false),
                    ..rule("changed", FILTERS[filter], 2, CONDITIONS[condition])
                };
                let _ = repository.update_rule(&server, id, None, edit);
            }
            Step::ToggleRule { rule } => {
                let Some(&id) = get(&self.rules, &rule) else { return };
                let is_disabled = !repository.site().rule(id).unwrap().is_disabled;
                let edit = RuleEdit { is_disabled: Some(is_disabled), ..RuleEdit::default() };
                repository.update_rule(&server, id, None, edit).unwrap();
            }
            Step::DeleteRule { rule } => {
                let Some(&id) = get(&self.rules, &rule) else { return };
                repository.delete_rule(&server, id).unwrap();
                self.rules.retain(|rule| *rule != id);
            }
            Step::Roles { user, team } => {
                let edit = UserEdit {
                    roles: Some(vec![TEAMS[team].to_owned()]),
                    custom_properties: Some(vec![property(team)]),
                    ..UserEdit::default()
                };
                let user = *user.get(&self.users);
                repository.update_user(&server, user, None, edit).unwrap();
            }
            Step::Groups { user, team } => {
                let attributes = Some(vec![("group".to_owned(), TEAMS[team].to_owned())]);
                let edit = UserEdit { attributes, ..UserEdit::default() };
                let user = *user.get(&self.users);
                repository.update_user(&server, user, None, edit).unwrap();
            }
            Step::Rename { user, name } => {
                let edit = UserEdit { name: Some(TEAMS[name].to_owned()), ..UserEdit::default() };
                let user = *user.get(&self.users);
                repository.update_user(&server, user, None, edit).unwrap();
            }
            Step::Newcomer => {
                self.hub.user(&format!("newcomer {}", repository.site().version()));
            }
            Step::AddApp { owner, team } => {
                let owner = *owner.get(&self.users);
                let edit = AppEdit {
                    name: Some(TEAMS[team].to_owned()),
                    owner: Some(owner),
                    custom_properties: Some(vec![property(team)]),
                    ..AppEdit::default()
                };
                self.apps.push(repository.create_app(&server, None, edit).unwrap().id);
            }
            Step::EditApp { app, team, owner } => {
                let Some(&id) = get(&self.apps, &app) else { return };
                let edit = AppEdit {
                    description: Some("x".to_owned()),
                    owner: owner.map(|owner| *owner.get(&self.users)),
                    custom_properties: Some(vec![property(team)]),
                    ..AppEdit::default()
                };
                repository.update_app(&server, id, None, edit).unwrap();
            }
            Step::Publish { app, stream } => {
                let Some(&id) = get(&self.apps, &app) else { return };
                // An app that is there already stays.
                let _ = repository.publish_app(&server, id, *stream.get(&self.streams), None);
            }
            Step::Unpublish { app } => {
                let Some(&id) = get(&self.apps, &app) else { return };
                let _ = repository.unpublish_app(&server, id);
            }
            Step::DeleteApp { app } => {
                let Some(&id) = get(&self.apps, &app) else { return };
                repository.delete_app(&server, id).unwrap();
                self.apps.retain(|app| *app != id);
                let site = repository.site();
                self.objects.retain(|object| site.object(*object).is_some());
            }
            Step::AddStream { team } => {
                let edit = StreamEdit {
                    name: Some(TEAMS[team].to_owned()),
                    custom_properties: Some(vec![property(team)]),
                    ..StreamEdit::default()
                };
                self.streams.push(repository.create_stream(&server, None, edit).unwrap().id);
            }
            Step::EditStream { stream, team } => {
                let edit = StreamEdit {
                    custom_properties: Some(vec![property(team)]),
                    ..StreamEdit::default()
                };
                let stream = *stream.get(&self.streams);
                repository.update_stream(&server, stream, None, edit).unwrap();
            }
            Step::AddObject { app, owner } => {
                let Some(&app) = get(&self.apps, &app) else { return };
                let edit = ObjectEdit {
                    object_type: Some("sheet".to_owned()),
                    name: Some("another".to_owned()),
                    owner: Some(*owner.get(&self.users)),
                    ..ObjectEdit::default()
                };
                let object = repository.create_object(&server, app, edit).unwrap();
                self.objects.push(object.record.id);
            }
            Step::ReleaseObject { object } => {
                let Some(&id) = get(&self.objects, &object) else { return };
                let _ = repository.publish_object(&server, id, true);
            }
            Step::DeleteObject { object } => {
                let Some(&id) = get(&self.objects, &object) else { return };
                repository.delete_object(&server, id).unwrap();
                self.objects.retain(|object| *object != id);
            }
            Step::Look { caller } => self.compare(caller.get(&self.callers)),
        }
    }

    /// Every list of the caller holds what deciding one by one allows, no more and no less.
    fn compare(&self, caller: &Caller) {
        let repository = self.repository();
        let site = repository.site();
        let may_read =
            |resource: Resource| repository.decide(caller, &resource, Action::Read).is_allowed();

        let listed = sorted(repository.apps(caller).unwrap().iter().map(|app| app.id));
        let apps = site.apps().map(|app| app.id);
        assert_eq!(listed, sorted(apps.filter(|id| may_read(Resource::App(*id)))));

        let listed = sorted(repository.streams(caller).unwrap().iter().map(|s| s.id));
        let streams = site.streams().map(|stream| stream.id);
        assert_eq!(listed, sorted(streams.filter(|id| may_read(Resource::Stream(*id)))));

        let records = repository.app_object_records(caller).unwrap();
        let objects = site.objects().map(|object| object.id);
        assert_eq!(
            sorted(records.iter().map(|object| object.id)),
            sorted(objects.filter(|id| may_read(Resource::AppObject(*id))))
        );
        for record in &records {
            assert_eq!(Some(record), site.object(record.id), "lists hold present records");
        }

        let mut shown = Vec::new();
        for stream in repository.hub(caller).unwrap().iter() {
            assert_eq!(Some(&stream.stream), site.stream(stream.stream.id));
            for app in &stream.apps {
                assert_eq!(Some(&app.app), site.app(app.app.id));
                assert_eq!(*app.owner_name, site.user(app.app.owner).unwrap().name);
                assert_eq!(app.may, repository.privileges(caller, &Resource::App(app.app.id)));
                shown.push((stream.stream.id, app.app.id));
            }
        }
        let expected = site.apps().filter_map(|app| Some((app.stream?, app.id)));
        let expected = expected.filter(|(stream, app)| {
            may_read(Resource::Stream(*stream)) && may_read(Resource::App(*app))
        });
        assert_eq!(sorted(shown.into_iter()), sorted(expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn kept_lists_are_what_deciding_one_by_one_gives(steps in steps()) {
        let mut play = Play::new();
        for step in steps {
            play.go(step);
        }
        for caller in &play.callers {
            play.compare(caller);
        }
    }
}

#[test]
fn visitors_share_their_lists_until_something_in_reach_changes() {
    let (hub, _) = Hub::public();
    let repository = &hub.repository;
    let made = |look: &dyn Fn()| {
        let before = repository.list_cache();
        look();
        let after = repository.list_cache();
        (after.misses - before.misses, after.hits - before.hits)
    };
    let look = || {
        repository.streams(&hub.visitor()).unwrap();
        repository.apps(&hub.visitor()).unwrap();
    };
    assert_eq!(made(&look), (2, 0), "the first visitor's lists are made");
    assert_eq!(made(&look), (0, 2), "another visitor's are the same");
    // A rule about something else, a tag on a rule and an entrance change no list.
    let other = hub.rule("Tags", "Tag_*", 2, "user.IsAnonymous()");
    let edit = RuleEdit { tags: Some(vec!["x".to_owned()]), ..RuleEdit::default() };
    repository.update_rule(&hub.server(), other, None, edit).unwrap();
    hub.entrance("other", loggia_model::entity::AnonymousMode::Allowed);
    assert_eq!(made(&look), (0, 2), "a change elsewhere costs nothing");
    hub.rule("Apps", "App_*", 2, r#"resource.@x = "1""#);
    assert_eq!(made(&look), (1, 1), "a rule about apps changes what is listed of them");
    hub.published_app("Trains", EVERYONE);
    assert_eq!(made(&look), (1, 1), "so does an app");
    let edit = StreamEdit { tags: Some(vec!["x".to_owned()]), ..StreamEdit::default() };
    repository.update_stream(&hub.server(), EVERYONE, None, edit).unwrap();
    assert_eq!(made(&look), (2, 0), "apps are asked for by their streams");
}

#[test]
fn kept_lists_are_bounded() {
    let hub = Hub::with_settings(|settings| settings.list_cache_bytes = 20_000);
    hub.rule("By address", "App_*", 2, "resource.@ip = user.environment.ip");
    for name in ["one", "two", "three"] {
        hub.published_app(name, EVERYONE);
    }
    for host in 0..200_u8 {
        let ip = Some(std::net::IpAddr::from([10, 0, 0, host]));
        let environment = Environment { ip, ..Environment::default() };
        let visitor = loggia_model::VisitorId(uuid::Uuid::new_v4());
        let visitor = Caller::visitor(visitor, environment);
        assert_eq!(hub.repository.apps(&visitor).unwrap().len(), 3);
        let cache = hub.repository.list_cache();
        assert!(cache.bytes <= 20_000, "{cache:?}");
        assert!(cache.entries > 0);
    }
}

fn id_of(caller: &Caller) -> UserId {
    match caller.principal {
        loggia_model::Principal::User { id, .. } => id,
        _ => unreachable!("a person"),
    }
}

fn property(team: usize) -> PropertyValue {
    PropertyValue { name: "team".to_owned(), value: TEAMS[team].to_owned() }
}

fn get<'a, T>(all: &'a [T], index: &Index) -> Option<&'a T> {
    if all.is_empty() { None } else { Some(index.get(all)) }
}

fn sorted<T: Ord>(ids: impl Iterator<Item = T>) -> Vec<T> {
    let mut ids: Vec<T> = ids.collect();
    ids.sort();
    ids
}
