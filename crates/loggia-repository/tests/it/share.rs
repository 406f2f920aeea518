//! Sharing: public streams, and apps and sheets with an audience of their own.

use std::fmt::Write;

use expect_test::expect;
use loggia_model::entity::{AnonymousMode, AppObject, PropertyValue, RuleOrigin, SystemRule};
use loggia_model::{AppId, Caller, ObjectId, Principal};
use loggia_repository::seed::EVERYONE;
use loggia_repository::share::{
    AudienceKind, AudienceState, Choice, MemberText, PublicStream, Publicity, Readers, Shared,
    SharedPlace, Shift,
};
use loggia_repository::{Action, ManageError, ObjectEdit, Resource, RuleEdit, UserEdit};

use crate::fixture::{Hub, rule};

/// An object inside another one.
fn inner(hub: &Hub, app: AppId, holder: ObjectId, name: &str) -> ObjectId {
    let holder = hub.repository.site().object(holder).unwrap().engine_id.clone();
    let edit = ObjectEdit {
        engine_id: Some(name.to_owned()),
        object_type: Some("barchart".to_owned()),
        name: Some(name.to_owned()),
        parent: Some(Some(holder)),
        ..ObjectEdit::default()
    };
    let id = hub.repository.create_object(&hub.server(), app, edit).unwrap().record.id;
    hub.repository.publish_object(&hub.server(), id, true).unwrap();
    id
}

fn may_read(hub: &Hub, caller: &Caller, object: ObjectId) -> bool {
    hub.repository.decide(caller, &Resource::AppObject(object), Action::Read).is_allowed()
}

#[test]
fn rules_know_on_which_sheet_an_object_is() {
    let (hub, app) = Hub::public();
    let sheet = |object: &&std::sync::Arc<AppObject>| object.object_type == "sheet";
    let sheet = hub.repository.site().objects_of(app).find(sheet).unwrap().id;
    let chart = inner(&hub, app, sheet, "chart");
    let within = inner(&hub, app, chart, "within");
    let edit = RuleEdit {
        is_forbidding: Some(true),
        context: Some(1),
        ..rule("Not this sheet", "App.Object_*", 2, &format!("resource.sheet.id = \"{sheet}\""))
    };
    let visitor = hub.visitor();
    let id = hub.repository.create_rule(&hub.server(), None, edit).unwrap().value.id;
    let read = |hub: &Hub| [sheet, chart, within].map(|object| may_read(hub, &visitor, object));
    assert_eq!(read(&hub), [false; 3]);
    // Moved off the sheet, the chart and what is in it are on none.
    let edit = ObjectEdit { parent: Some(None), ..ObjectEdit::default() };
    hub.repository.update_object(&hub.server(), chart, None, edit).unwrap();
    assert_eq!(read(&hub), [false, true, true]);
    let hub = hub.restarted();
    assert_eq!(read(&hub), [false, true, true], "the store says the same");
    hub.repository.delete_object(&hub.server(), chart).unwrap();
    assert!(hub.repository.site().object(within).is_none(), "goes with what it was in");
    hub.repository.delete_rule(&hub.server(), id).unwrap();
}

// Public streams.

fn shown(public: &PublicStream) -> String {
    let mut text = String::new();
    writeln!(text, "{}: {:?}", public.stream.name, public.public).unwrap();
    for part in &public.rules {
        let SystemRule { name, resource_filter, actions, context, condition, .. } = &part.rule;
        let filter = resource_filter.replace(&public.stream.id.text(), "…");
        writeln!(
            text,
            "  {:?} {name}: {actions} on {filter} in {context} if {condition}",
            part.state
        )
        .unwrap();
    }
    let Readers { visitors, entrances, people, of } = &public.readers;
    writeln!(text, "  visitors {visitors} {entrances:?}, people {people} of {of}").unwrap();
    for other in &public.others {
        let verb = if other.is_forbidding { "forbids" } else { "grants" };
        writeln!(
            text,
            "  {} {verb}: visitors {}, people {}",
            other.name, other.visitors, other.people
        )
        .unwrap();
    }
    for app in &public.apps {
        writeln!(text, "  app {}: visitors {}", app.app.name, app.visitors).unwrap();
    }
    public.notes.iter().for_each(|note| writeln!(text, "  note: {note}").unwrap());
    text
}

fn change<T>(shared: &Shared<T>) -> String {
    let of = |shift: &Shift| {
        let people: Vec<_> = shift.people.iter().map(|person| person.name.as_str()).collect();
        format!("visitors {}, {people:?}", shift.visitors)
    };
    format!("gained {}; lost {}\n", of(&shared.gained), of(&shared.lost))
}

fn why(error: ManageError) -> String {
    error.to_string()
}

#[test]
fn a_stream_becomes_public_by_a_pair_of_rules_and_back() {
    let hub = Hub::new();
    hub.entrance("public", AnonymousMode::Allowed);
    let (ana, _ben, root) = (hub.user("ana"), hub.user("ben"), hub.root());
    let press = hub.stream("Press");
    hub.rule("Ana reads", &format!("Stream_{press}"), 2, "user.name = \"ana\"");
    hub.published_app("Turnover", press);
    let repository = &hub.repository;

    expect![[r#"
        Press: No
          Missing Stream_read_Press: 2 on Stream_… in 1 if user.IsAnonymous()
          Missing Stream_read+publish_Press: 34 on Stream_… in 0 if !user.IsAnonymous()
          visitors false [], people 1 of 3
          Ana reads grants: visitors false, people 1
          app Turnover: visitors false
          note: 1 person read it by other rules: "Ana reads"
    "#]]
    .assert_eq(&shown(&repository.stream_public(&root, press).unwrap()));

    let version = repository.site().version();
    let preview = repository.preview_stream_public(&root, press, true).unwrap();
    assert_eq!(repository.site().version(), version, "nothing is stored");
    let done = repository.set_stream_public(&root, press, true).unwrap();
    assert_eq!(repository.site().version(), version + 1, "one commit");
    assert_eq!(change(&preview), change(&done));
    assert_eq!(shown(&preview.state), shown(&done.state));
    expect![[r#"
        Press: Yes
          InForce Stream_read_Press: 2 on Stream_… in 1 if user.IsAnonymous()
          InForce Stream_read+publish_Press: 34 on Stream_… in 0 if !user.IsAnonymous()
          visitors true ["public"], people 3 of 3
          Ana reads grants: visitors false, people 1
          app Turnover: visitors true
        gained visitors true, ["ben", "root"]; lost visitors false, []
    "#]]
    .assert_eq(&(shown(&done.state) + &change(&done)));
    assert_eq!(repository.hub(&hub.visitor()).unwrap().len(), 2, "the hub shows it at once");

    repository.set_stream_public(&root, press, true).unwrap();
    assert_eq!(repository.site().version(), version + 1, "nothing to do");
    let done = repository.set_stream_public(&root, press, false).unwrap();
    expect![[r#"
        gained visitors false, []; lost visitors true, ["ben", "root"]
    "#]]
    .assert_eq(&change(&done));
    let left = repository.rules(&root).unwrap();
    assert!(left.iter().all(|rule| !rule.name.ends_with("_Press")));
    repository.set_stream_public(&root, press, false).unwrap();
    assert_eq!(repository.site().version(), version + 2);
    assert!(repository.hub(&ana).unwrap().iter().any(|shown| shown.stream.id == press));
}

#[test]
fn the_stream_everyone_has_its_pair_by_birth() {
    let hub = Hub::new();
    let root = hub.root();
    let state = hub.repository.stream_public(&root, EVERYONE).unwrap();
    expect![[r#"
        Everyone: Yes
          InForce StreamEveryoneAnonymous: 2 on Stream_… in 1 if user.IsAnonymous()
          InForce StreamEveryone: 34 on Stream_… in 0 if !user.IsAnonymous()
          visitors true [], people 1 of 1
          note: no entrance admits visitors, so none can come yet
    "#]]
    .assert_eq(&shown(&state));
    let done = hub.repository.set_stream_public(&root, EVERYONE, false).unwrap();
    expect![[r#"
        Everyone: No
          SwitchedOff StreamEveryoneAnonymous: 2 on Stream_… in 1 if user.IsAnonymous()
          SwitchedOff StreamEveryone: 34 on Stream_… in 0 if !user.IsAnonymous()
          visitors false [], people 0 of 1
    "#]]
    .assert_eq(&shown(&done.state));
    let done = hub.repository.set_stream_public(&root, EVERYONE, true).unwrap();
    assert_eq!(done.state.public, Publicity::Yes);
    assert!(done.state.rules.iter().all(|part| part.rule.origin == RuleOrigin::Default));
}

#[test]
fn rules_edited_by_hand_and_rules_beside_the_pair_are_told() {
    let hub = Hub::new();
    hub.entrance("public", AnonymousMode::Allowed);
    let root = hub.root();
    let press = hub.stream("Press");
    let repository = &hub.repository;
    let done = repository.set_stream_public(&root, press, true).unwrap();
    let visitors = done.state.rules[0].rule.id;
    let edit = RuleEdit {
        condition: Some("user.IsAnonymous() and user.environment.ip = \"::1\"".to_owned()),
        ..RuleEdit::default()
    };
    repository.update_rule(&root, visitors, None, edit).unwrap();
    let forbid = RuleEdit {
        is_forbidding: Some(true),
        context: Some(1),
        ..rule("Not root", &format!("Stream_{press}"), 2, "user.name = \"root\"")
    };
    repository.create_rule(&root, None, forbid).unwrap();
    expect![[r#"
        Press: Partly
          Edited Stream_read_Press: 2 on Stream_… in 1 if user.IsAnonymous() and user.environment.ip = "::1"
          InForce Stream_read+publish_Press: 34 on Stream_… in 0 if !user.IsAnonymous()
          visitors false [], people 0 of 1
          Not root forbids: visitors false, people 1
          note: the rule "Stream_read_Press" was edited by hand, so the switch leaves it alone
          note: other rules forbid it to 1 person: "Not root"
          note: visitors read it when user.environment.ip = "::1" (rule "Stream_read_Press")
    "#]]
    .assert_eq(&shown(&repository.stream_public(&root, press).unwrap()));
    let version = repository.site().version();
    for is_public in [true, false] {
        let error = repository.set_stream_public(&root, press, is_public).unwrap_err();
        let text = why(error).replace(&visitors.text(), "…");
        assert_eq!(
            text,
            "the rule \"Stream_read_Press\" (…) was edited by hand since it was made; change it \
             there, or delete it and repeat this"
        );
    }
    assert_eq!(repository.site().version(), version, "all or nothing");
    // Put back by hand, in other words for the same, it is the switch's again.
    let condition = Some("( USER.isAnonymous() )".to_owned());
    let edit = RuleEdit { condition, ..RuleEdit::default() };
    repository.update_rule(&root, visitors, None, edit).unwrap();
    repository.set_stream_public(&root, press, false).unwrap();
    // A deleted stream takes its rules along, but not those that say something else by now.
    repository.set_stream_public(&root, press, true).unwrap();
    repository.delete_stream(&root, press).unwrap();
    let names: Vec<_> = repository.rules(&root).unwrap().into_iter().map(|r| r.name).collect();
    assert!(
        !names.iter().any(|name| name.ends_with("_Press")) && names.contains(&"Not root".into())
    );
}

#[test]
fn a_stream_that_visitors_read_at_times_is_partly_public() {
    let hub = Hub::new();
    hub.entrance("public", AnonymousMode::Allowed);
    let root = hub.root();
    let press = hub.stream("Press");
    let filter = format!("Stream_{press}");
    let condition = "user.IsAnonymous() and user.environment.ip like \"10.*\"";
    let office = hub.rule("At the office", &filter, 2, condition);
    let repository = &hub.repository;
    expect![[r#"
        Press: Partly
          Missing Stream_read_Press: 2 on Stream_… in 1 if user.IsAnonymous()
          Missing Stream_read+publish_Press: 34 on Stream_… in 0 if !user.IsAnonymous()
          visitors false [], people 0 of 1
          note: visitors read it when user.environment.ip like "10.*" (rule "At the office")
    "#]]
    .assert_eq(&shown(&repository.stream_public(&root, press).unwrap()));
    let done = repository.set_stream_public(&root, press, true).unwrap();
    assert_eq!(done.state.public, Publicity::Yes);
    let done = repository.set_stream_public(&root, press, false).unwrap();
    assert_eq!(done.state.public, Publicity::Partly);
    assert!(!done.lost.visitors, "some of them still can");
    repository.delete_rule(&root, office).unwrap();
    repository.set_stream_public(&root, press, true).unwrap();
    let forbid = RuleEdit {
        is_forbidding: Some(true),
        context: Some(1),
        ..rule("Not on phones", &filter, 2, "user.environment.device like \"iP*\"")
    };
    repository.create_rule(&root, None, forbid).unwrap();
    expect![[r#"
        Press: Partly
          InForce Stream_read_Press: 2 on Stream_… in 1 if user.IsAnonymous()
          InForce Stream_read+publish_Press: 34 on Stream_… in 0 if !user.IsAnonymous()
          visitors true ["public"], people 1 of 1
          note: visitors do not read it when user.environment.device like "iP*" (rule "Not on phones")
    "#]].assert_eq(&shown(&repository.stream_public(&root, press).unwrap()));
    let done = repository.set_stream_public(&root, press, false).unwrap();
    assert_eq!(done.state.public, Publicity::No);
    assert!(done.lost.visitors);
}

#[test]
fn sharing_takes_the_right_to_change_the_thing_and_the_rules() {
    let hub = Hub::new();
    let press = hub.stream("Press");
    let app = hub.published_app("Turnover", press);
    let people = [
        ("visitor", hub.visitor()),
        ("ana", hub.user("ana")),
        ("content", hub.admin("content", "ContentAdmin")),
        ("deployment", hub.admin("deployment", "DeploymentAdmin")),
        ("audit", hub.admin("audit", "AuditAdmin")),
        ("security", hub.admin("security", "SecurityAdmin")),
        ("root", hub.root()),
    ];
    let own = Choice::Own(vec![member("visitors", "")]);
    let word = |done: Result<(), ManageError>| match done {
        Ok(()) => "yes",
        Err(ManageError::Hidden { .. }) => "hidden",
        Err(ManageError::Refused(_)) => "refused",
        Err(error) => panic!("{error}"),
    };
    let mut table = String::new();
    for (who, caller) in &people {
        let repository = &hub.repository;
        let looks = word(repository.stream_public(caller, press).map(drop));
        let opens = word(repository.preview_stream_public(caller, press, true).map(drop));
        let place = SharedPlace::App(app);
        let reads = word(repository.audience(caller, place).map(drop));
        let narrows = word(repository.preview_audience(caller, place, &own).map(drop));
        writeln!(table, "{who}: stream {looks} {opens}, app {reads} {narrows}").unwrap();
    }
    expect![[r#"
        visitor: stream hidden hidden, app hidden hidden
        ana: stream hidden hidden, app hidden hidden
        content: stream yes yes, app yes refused
        deployment: stream hidden hidden, app yes refused
        audit: stream refused refused, app refused refused
        security: stream yes yes, app yes yes
        root: stream yes yes, app yes yes
    "#]]
    .assert_eq(&table);
}

// Audiences.

fn member(kind: &str, value: &str) -> MemberText {
    let (name, value) = value.split_once('=').unwrap_or(("", value));
    MemberText { kind: kind.to_owned(), name: name.to_owned(), value: value.to_owned() }
}

fn own(members: &[(&str, &str)]) -> Choice {
    Choice::Own(members.iter().map(|(kind, value)| member(kind, value)).collect())
}

/// A public stream with an app of two sheets, each with a chart, and people of all kinds.
struct Office {
    hub: Hub,
    root: Caller,
    app: AppId,
    /// Salaries and what is on it, then Turnover and what is on it.
    things: Vec<(&'static str, Resource)>,
    people: Vec<(&'static str, Caller)>,
    salaries: ObjectId,
}

impl Office {
    fn new() -> Office {
        let hub = Hub::new();
        hub.entrance("public", AnonymousMode::Allowed);
        let server = hub.server();
        let root = hub.root();
        let person = |name: &str, edit: UserEdit| {
            let caller = hub.user(name);
            let Principal::User { id, .. } = caller.principal else { unreachable!() };
            hub.repository.update_user(&server, id, None, edit).unwrap();
            caller
        };
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
        let owner = person("olga", UserEdit::default());
        let finance =
            person("fred", UserEdit { roles: texts(&["finance"]), ..UserEdit::default() });
        let sales = person(
            "sam",
            UserEdit {
                attributes: Some(vec![("group".to_owned(), "Sales \"EU\" \\ 007".to_owned())]),
                ..UserEdit::default()
            },
        );
        let dept = person(
            "dora",
            UserEdit {
                custom_properties: Some(vec![PropertyValue {
                    name: "Dept".to_owned(),
                    value: "7".to_owned(),
                }]),
                ..UserEdit::default()
            },
        );
        let ben = person("ben", UserEdit::default());
        let stream = hub.stream("Office");
        hub.repository.set_stream_public(&root, stream, true).unwrap();
        let app = hub.app(&owner, "Figures");
        let salaries = hub.sheet(&owner, app, "Salaries");
        let turnover = hub.sheet(&owner, app, "Turnover");
        let pay = inner(&hub, app, salaries, "pay");
        let within = inner(&hub, app, pay, "within");
        let sold = inner(&hub, app, turnover, "sold");
        hub.repository.publish_app(&server, app, stream, None).unwrap();
        let things = vec![
            ("app", Resource::App(app)),
            ("salaries", Resource::AppObject(salaries)),
            ("pay", Resource::AppObject(pay)),
            ("within", Resource::AppObject(within)),
            ("turnover", Resource::AppObject(turnover)),
            ("sold", Resource::AppObject(sold)),
        ];
        let people = vec![
            ("visitor", hub.visitor()),
            ("olga (owner)", owner),
            ("fred (role)", finance),
            ("sam (group)", sales),
            ("dora (@dept)", dept),
            ("ben", ben.clone()),
            ("ben in console", ben.in_console()),
            ("root in console", root.clone()),
            ("auditor in console", hub.admin("auditor", "AuditAdmin")),
            ("server", hub.server()),
        ];
        Office { hub, root, app, things, people, salaries }
    }

    fn set(&self, place: SharedPlace, choice: &Choice) -> Shared<AudienceState> {
        self.hub.repository.set_audience(&self.root, place, choice).unwrap()
    }

    /// Who reads what.
    fn matrix(&self) -> String {
        let mut table = String::new();
        for (who, caller) in &self.people {
            let read: Vec<_> = self
                .things
                .iter()
                .filter(|(_, thing)| {
                    self.hub.repository.decide(caller, thing, Action::Read).is_allowed()
                })
                .map(|(what, _)| *what)
                .collect();
            writeln!(table, "{who}: {}", read.join(" ")).unwrap();
        }
        table
    }
}

fn state(state: &AudienceState) -> String {
    let mut text = String::new();
    let Readers { visitors, people, of, .. } = &state.readers;
    writeln!(text, "{:?}: visitors {visitors}, people {people} of {of}", state.kind).unwrap();
    for listed in &state.members {
        writeln!(text, "  {}: {}", listed.name, listed.people).unwrap();
    }
    state.notes.iter().for_each(|note| writeln!(text, "  note: {note}").unwrap());
    text
}

#[test]
fn a_sheet_for_some_hides_what_is_on_it_from_the_others() {
    let office = Office::new();
    let place = SharedPlace::Sheet(office.salaries);
    let list = own(&[
        ("role", "Finance"),
        ("group", "Sales \"EU\" \\ 007"),
        ("property", "dept=7"),
        ("Role", "FINANCE"),
    ]);
    let done = office.set(place, &list);
    expect![[r#"
        Own: visitors false, people 4 of 7
          role "Finance": 1
          group "Sales \"EU\" \\ 007": 1
          @dept "7": 1
        gained visitors false, []; lost visitors true, ["auditor", "ben", "root"]
    "#]]
    .assert_eq(&(state(&done.state) + &change(&done)));
    let rule = done.state.rule.unwrap();
    let text = format!("{}\n{}\n{}\n", rule.name, rule.resource_filter, rule.condition);
    expect![[r#"
        App.Object_audience_Salaries
        App.Object_*
        resource.sheet.id = "…"
        and !(resource.sheet.owner = user or resource.app.owner = user
          or (user.environment.context = "ManagementAccess" and (resource.HasPrivilege("update") or user.roles = "AuditAdmin"))
          or user.roles = "Finance"
          or user.group = "Sales \"EU\" \\ 007"
          or user.@dept == "7")
    "#]].assert_eq(&text.replace(&office.salaries.text(), "…"));
    expect![[r#"
        visitor: app turnover sold
        olga (owner): app salaries pay within turnover sold
        fred (role): app salaries pay within turnover sold
        sam (group): app salaries pay within turnover sold
        dora (@dept): app salaries pay within turnover sold
        ben: app turnover sold
        ben in console: app turnover sold
        root in console: app salaries pay within turnover sold
        auditor in console: app salaries pay within turnover sold
        server: app salaries pay within turnover sold
    "#]]
    .assert_eq(&office.matrix());
    let version = office.hub.repository.site().version();
    office.set(place, &list);
    assert_eq!(office.hub.repository.site().version(), version, "nothing to do");
    let done = office.set(place, &Choice::SameAsStream);
    expect![[r#"
        SameAsStream: visitors true, people 7 of 7
        gained visitors true, ["auditor", "ben", "root"]; lost visitors false, []
    "#]]
    .assert_eq(&(state(&done.state) + &change(&done)));
    assert!(office.hub.repository.rule(&office.root, rule.id).is_err());
}

#[test]
fn an_app_for_some_is_gone_for_the_others() {
    let office = Office::new();
    let place = SharedPlace::App(office.app);
    let done = office.set(place, &own(&[("user", "loggia\\fred"), ("visitors", "")]));
    let shown = (state(&done.state) + &change(&done)).replace(&office.app.text(), "…");
    expect![[r#"
        Own: visitors true, people 2 of 7
          visitors: 0
          fred (LOGGIA\fred): 1
        gained visitors false, []; lost visitors false, ["auditor", "ben", "dora", "root", "sam"]
    "#]]
    .assert_eq(&shown);
    let rule = done.state.rule.unwrap();
    let fred = office.hub.repository.site();
    let fred = fred.users().find(|user| user.name == "fred").unwrap();
    let text = format!("{}\n{}\n{}\n", rule.name, rule.resource_filter, rule.condition);
    let text = text.replace(&office.app.text(), "…").replace(&fred.id.text(), "<fred>");
    expect![[r#"
        App_audience_Figures
        App_…, App.Object_*, App.Content_*, App.DataSegment_*, App.Internal_*
        (resource.id = "…" or resource.app.id = "…")
        and !(resource.owner = user or resource.app.owner = user
          or (user.environment.context = "ManagementAccess" and (resource.HasPrivilege("update") or user.roles = "AuditAdmin"))
          or user.IsAnonymous()
          or user.id = "<fred>")
    "#]].assert_eq(&text);
    expect![[r#"
        visitor: app salaries pay within turnover sold
        olga (owner): app salaries pay within turnover sold
        fred (role): app salaries pay within turnover sold
        sam (group): 
        dora (@dept): 
        ben: 
        ben in console: 
        root in console: app salaries pay within turnover sold
        auditor in console: app salaries pay within turnover sold
        server: app salaries pay within turnover sold
    "#]]
    .assert_eq(&office.matrix());
    // The hub and its REST twin name it to nobody else.
    let ben = office.hub.user("ben");
    for caller in [ben.clone(), ben.in_console()] {
        assert!(office.hub.repository.apps(&caller).unwrap().is_empty());
        assert!(office.hub.repository.app_object_records(&caller).unwrap().is_empty());
    }
    // Both lists at once: who is on both.
    let done = office.set(SharedPlace::Sheet(office.salaries), &own(&[("signedin", "")]));
    expect![[r#"
        Own: visitors false, people 2 of 7
          everybody who has signed in: 7
          note: the app is narrowed as well: who does not meet it meets no sheet
        gained visitors false, []; lost visitors true, []
    "#]]
    .assert_eq(&(state(&done.state) + &change(&done)));
    expect![[r#"
        visitor: app turnover sold
        olga (owner): app salaries pay within turnover sold
        fred (role): app salaries pay within turnover sold
        sam (group): 
        dora (@dept): 
        ben: 
        ben in console: 
        root in console: app salaries pay within turnover sold
        auditor in console: app salaries pay within turnover sold
        server: app salaries pay within turnover sold
    "#]]
    .assert_eq(&office.matrix());
    let done = office.set(place, &own(&[]));
    expect![[r#"
        Own: visitors false, people 1 of 7
          note: nobody is on the list: only the owner meets the app
        gained visitors false, []; lost visitors true, ["fred"]
    "#]]
    .assert_eq(&(state(&done.state) + &change(&done)));
    let site = office.hub.repository.site();
    assert!(site.security().cyclic_rules().is_empty(), "lists ask nothing that asks them");
    // What is deleted takes its lists along.
    let before = office.hub.repository.site().rules().count();
    office.hub.repository.delete_app(&office.hub.server(), office.app).unwrap();
    assert_eq!(office.hub.repository.site().rules().count(), before - 2);
}

#[test]
fn members_who_cannot_come_are_told() {
    let office = Office::new();
    let hub = &office.hub;
    let stream = hub.stream("Board");
    hub.rule("Board", &format!("Stream_{stream}"), 2, "user.roles = \"finance\"");
    hub.repository.publish_app(&office.root, office.app, stream, None).unwrap();
    let forbid = RuleEdit {
        is_forbidding: Some(true),
        context: Some(1),
        ..rule("Fred is ill", &format!("App_{}", office.app), 2, "user.name = \"fred\"")
    };
    hub.repository.create_rule(&office.root, None, forbid).unwrap();
    let list = own(&[
        ("visitors", ""),
        ("role", "finance"),
        ("property", "Dept=7"),
        ("property", "dept=07"),
        ("user", "LOGGIA\\ben"),
    ]);
    let done = office.set(SharedPlace::App(office.app), &list);
    expect![[r#"
        Own: visitors false, people 1 of 7
          visitors: 0
          ben (LOGGIA\ben): 1
          role "finance": 1
          @Dept "7": 1
          @Dept "07": 0
          note: other rules forbid it to some: "Fred is ill"
          note: visitors cannot read the stream, so they will not see the app
          note: 2 members cannot read the stream, so they will not see the app
          note: 1 member of the stream will not see the app: no rule lets them, or another forbids it
    "#]].assert_eq(&state(&done.state));
}

#[test]
fn a_user_of_a_list_may_be_named_by_the_id_alone_while_only_one_has_it() {
    let office = Office::new();
    office.hub.user("zoe");
    let repository = &office.hub.repository;
    let place = SharedPlace::App(office.app);
    let list = own(&[("user", "Zoe")]);
    let done = repository.preview_audience(&office.root, place, &list).unwrap();
    assert_eq!(done.state.members.len(), 1);
    let other = loggia_model::UserKey::new("OTHER", "zoe").unwrap();
    repository.ensure_user(&other, "Zoe", &[]).unwrap();
    assert!(repository.preview_audience(&office.root, place, &list).is_err());
}

/// The recipe of `docs/manual/sharing.md`.
#[test]
fn one_person_is_kept_out_of_a_sheet_by_a_rule_that_forbids() {
    let (hub, app) = Hub::public();
    let (ana, ben) = (hub.user("ana"), hub.user("ben"));
    let is_sheet = |object: &&std::sync::Arc<AppObject>| object.object_type == "sheet";
    let sheet = hub.repository.site().objects_of(app).find(is_sheet).unwrap().id;
    let chart = inner(&hub, app, sheet, "chart");
    let condition = format!(
        "resource.sheet.id = \"{sheet}\"\nand user.userDirectory = \"LOGGIA\" and user.userId = \"ana\""
    );
    let edit = RuleEdit {
        is_forbidding: Some(true),
        context: Some(0),
        ..rule("Not Ana", "App.Object_*", 2, &condition)
    };
    hub.repository.create_rule(&hub.server(), None, edit).unwrap();
    for object in [sheet, chart] {
        assert!(!may_read(&hub, &ana, object));
        assert!(may_read(&hub, &ben, object) && may_read(&hub, &hub.visitor(), object));
    }
}

#[test]
fn a_list_is_told_everything_that_is_wrong_with_it() {
    let office = Office::new();
    let list = own(&[
        ("rolle", "x"),
        ("user", "LOGGIA\\nobody"),
        ("user", "00000000-0000-4000-8000-000000000000"),
        ("role", "  "),
        ("group", "a\nb"),
        ("property", "x y=1"),
        ("property", "value alone"),
        ("", ""),
        ("!visitors", ""),
        ("not signedin", ""),
        ("-user", "ana"),
        ("user", "nobody"),
    ]);
    let place = SharedPlace::App(office.app);
    let error = office.hub.repository.set_audience(&office.root, place, &list).unwrap_err();
    expect![[r#"
        members: member 1: "rolle" is none of visitors, signedin, user, role, group, property; did you mean role?
        members: member 2: there is no user "LOGGIA\\nobody"; give DIRECTORY\id or the row's id
        members: member 3: there is no user "00000000-0000-4000-8000-000000000000"; give DIRECTORY\id or the row's id
        members: member 4: a role needs a value
        members: member 5: the value contains a control character
        members: member 6: "x y" is no name of a property; use letters and digits
        members: member 7: "" is no name of a property; use letters and digits
        members: member 8: "" is none of visitors, signedin, user, role, group, property
        members: member 9: "!visitors" would keep somebody out, and a list only lets people in; to keep one person out, make a rule that forbids: see "Keep one person out of a sheet" in the manual, Sharing
        members: member 10: "not signedin" would keep somebody out, and a list only lets people in; to keep one person out, make a rule that forbids: see "Keep one person out of a sheet" in the manual, Sharing
        members: member 11: "-user" would keep somebody out, and a list only lets people in; to keep one person out, make a rule that forbids: see "Keep one person out of a sheet" in the manual, Sharing
        members: member 12: there is no user "nobody"; give DIRECTORY\id or the row's id"#]].assert_eq(&why(error));
    let Resource::AppObject(chart) = office.things[2].1 else { unreachable!() };
    let place = SharedPlace::Sheet(chart);
    let error = office.hub.repository.audience(&office.root, place).unwrap_err();
    expect!["id: this is a barchart; only sheets have an audience, and what is on one follows it"]
        .assert_eq(&why(error));
}

#[test]
fn a_list_edited_by_hand_is_read_while_it_is_one_and_left_alone_after() {
    let office = Office::new();
    let (repository, root) = (&office.hub.repository, &office.root);
    let place = SharedPlace::Sheet(office.salaries);
    let rule = office.set(place, &own(&[("role", "Finance")])).state.rule.unwrap();
    let edited = |condition: String| {
        let edit = RuleEdit { condition: Some(condition), ..RuleEdit::default() };
        repository.update_rule(root, rule.id, None, edit).unwrap();
        state(&repository.audience(root, place).unwrap())
    };
    let added = rule.condition.replace("\"Finance\"", "{\"Finance\", \"HR\"}");
    expect![[r#"
        Own: visitors false, people 2 of 7
          role "Finance": 1
          role "HR": 0
    "#]]
    .assert_eq(&edited(added));
    let other = rule.condition.replace("user.roles = \"Finance\"", "user.name like \"f*\"");
    expect![[r#"
        OwnRule: visitors false, people 2 of 7
          note: the rule "App.Object_audience_Salaries" was edited by hand; who is let in stands there
    "#]].assert_eq(&edited(other));
    for choice in [Choice::SameAsStream, own(&[("visitors", "")])] {
        let error = repository.set_audience(root, place, &choice).unwrap_err();
        let text = why(error).replace(&rule.id.text(), "…");
        assert_eq!(
            text,
            "the rule \"App.Object_audience_Salaries\" (…) was edited by hand, so that it is no \
             list any more; change it there, or delete it and repeat this"
        );
    }
    let off = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
    edited(rule.condition.clone());
    repository.update_rule(root, rule.id, None, off).unwrap();
    expect![[r#"
        SameAsStream: visitors true, people 7 of 7
          role "Finance": 1
          note: there is a list, but its rule "App.Object_audience_Salaries" is switched off
    "#]]
    .assert_eq(&state(&repository.audience(root, place).unwrap()));
    let done = office.set(place, &own(&[("role", "Finance")]));
    assert_eq!(done.state.kind, AudienceKind::Own, "switched on again");
}

#[test]
fn what_a_sheet_shows_without_holding_it_is_told() {
    let office = Office::new();
    let properties = serde_json::json!({ "cells": [{ "name": "pay" }, { "name": "sold" }] });
    let edit = ObjectEdit { properties: Some(properties), ..ObjectEdit::default() };
    let repository = &office.hub.repository;
    repository.update_object(&office.hub.server(), office.salaries, None, edit).unwrap();
    let edit = ObjectEdit {
        engine_id: Some("master".to_owned()),
        object_type: Some("masterobject".to_owned()),
        ..ObjectEdit::default()
    };
    repository.create_object(&office.hub.server(), office.app, edit).unwrap();
    let edit = ObjectEdit {
        properties: Some(serde_json::json!({ "qExtendsId": "master" })),
        ..ObjectEdit::default()
    };
    let Resource::AppObject(chart) = office.things[2].1 else { unreachable!() };
    repository.update_object(&office.hub.server(), chart, None, edit).unwrap();
    let done = office.set(SharedPlace::Sheet(office.salaries), &own(&[]));
    expect![[r#"
        Own: visitors false, people 1 of 7
          note: nobody is on the list: only the owner meets the sheet
          note: "master" is shown on the sheet but is not inside it, so it stays readable with the app
          note: "sold" is shown on the sheet but is not inside it, so it stays readable with the app
    "#]]
    .assert_eq(&state(&done.state));
}

// What the caller may not read.

/// Ana owns an app in a stream and may change both in the console, and reads nothing else.
fn stranger(hub: &Hub) -> (Caller, loggia_model::StreamId, AppId) {
    let ana = hub.user("ana");
    let press = hub.stream("Press");
    let app = hub.app(&ana, "Figures");
    hub.repository.publish_app(&hub.server(), app, press, None).unwrap();
    for filter in [format!("Stream_{press}"), format!("App_{app}")] {
        hub.rule("Ana works here", &filter, 6, "user.name = \"ana\"");
    }
    (ana.in_console(), press, app)
}

#[test]
fn who_has_no_right_on_the_rule_learns_nothing_of_the_members() {
    let hub = Hub::new();
    let (ana, _, app) = stranger(&hub);
    let (ben, root) = (hub.user("ben"), hub.root());
    let Principal::User { id, .. } = ben.principal else { unreachable!() };
    let place = SharedPlace::App(app);
    let refused = |list: &Choice| {
        let preview = hub.repository.preview_audience(&ana, place, list).map(drop);
        let change = hub.repository.set_audience(&ana, place, list).map(drop);
        for done in [preview, change] {
            assert!(matches!(done, Err(ManageError::Refused(_))), "{list:?}: {done:?}");
        }
    };
    let id = id.text();
    let key =
        hub.repository.site().users().find(|user| user.name == "ben").unwrap().key.to_string();
    let lists = [
        own(&[("user", &id)]),
        own(&[("user", &key)]),
        own(&[("user", "LOGGIA\\nobody")]),
        own(&[("user", "5eed5eed-0000-4000-8000-00000000ffff")]),
        own(&[("roll", "")]),
        Choice::Own(vec![member("role", &"x".repeat(240)); 2_000]),
        own(&[]),
    ];
    lists.iter().for_each(refused);
    hub.repository.set_audience(&root, place, &lists[1]).unwrap();
    lists.iter().for_each(refused);
    refused(&Choice::SameAsStream);
}

#[test]
fn what_the_caller_may_not_read_is_counted_and_not_named() {
    let hub = Hub::new();
    hub.entrance("public", AnonymousMode::Allowed);
    let (ana, press, app) = stranger(&hub);
    let (_ben, root) = (hub.user("ben"), hub.root());
    let takeover = hub.published_app("Takeover", press);
    hub.repository.set_audience(&root, SharedPlace::App(takeover), &own(&[])).unwrap();
    hub.rule("Secret plan", &format!("Stream_{press}"), 2, "user.name = \"ben\"");
    let repository = &hub.repository;
    let key = repository.site().users().find(|user| user.name == "ben").unwrap().key.to_string();
    repository
        .set_audience(&root, SharedPlace::App(app), &own(&[("user", &key), ("role", "Agents")]))
        .unwrap();
    repository.set_stream_public(&root, press, true).unwrap();
    let public = repository.stream_public(&ana, press).unwrap();
    let audience = repository.audience(&ana, SharedPlace::App(app)).unwrap();
    for text in [format!("{public:?}"), format!("{audience:?}")] {
        for name in ["Takeover", "Secret plan", "ben", "Agents", "Stream_read_Press", "Ana works"] {
            assert!(!text.contains(name), "{name}: {text}");
        }
    }
    assert_eq!(public.public, Publicity::Yes);
    assert_eq!((public.apps.len(), public.hidden_apps), (1, 1));
    assert_eq!((public.others.len(), public.hidden_rules), (0, 2));
    assert_eq!(audience.kind, AudienceKind::Own);
    assert_eq!((audience.members.len(), audience.hidden_members), (0, 2));
    assert!(audience.rule.is_none());
    // Root is told all of it.
    let public = repository.stream_public(&root, press).unwrap();
    assert_eq!((public.apps.len(), public.hidden_apps, public.hidden_rules), (2, 0, 0));
    let audience = repository.audience(&root, SharedPlace::App(app)).unwrap();
    assert_eq!((audience.members.len(), audience.hidden_members), (2, 0));
    // A change names nobody either.
    repository.set_stream_public(&root, press, false).unwrap();
    hub.rule("Ana makes rules", "SystemRule_*", 1, "user.name = \"ana\"");
    let opened = repository.preview_stream_public(&ana, press, true).unwrap();
    assert!(opened.gained.people.iter().all(|person| person.name == "ana"), "{opened:?}");
    assert_eq!(opened.gained.hidden, 1, "root");
}

#[test]
fn long_lists_are_answered() {
    let hub = Hub::new();
    let (root, press) = (hub.root(), hub.stream("Press"));
    let app = hub.published_app("Figures", press);
    let list = |length: usize| {
        let value = |at: usize| format!("{at:0>length$}x");
        Choice::Own((0..1_000).map(|at| member("group", &value(at))).collect())
    };
    let place = SharedPlace::App(app);
    let error = hub.repository.preview_audience(&root, place, &list(239)).unwrap_err();
    assert!(why(error).contains("more than 64 KB"));
    let done = hub.repository.preview_audience(&root, place, &list(49)).unwrap();
    assert_eq!(done.state.members.len(), 1_000);
    let twice = Choice::Own(vec![member("group", "Straße"); 999]);
    let done = hub.repository.preview_audience(&root, place, &twice).unwrap();
    assert_eq!(done.state.members.len(), 1);
}
