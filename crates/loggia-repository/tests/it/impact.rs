//! What would a change open or shut, and to whom?

use std::collections::BTreeSet;
use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_model::entity::{AnonymousMode, PropertyValue, RuleCategory};
use loggia_model::{AppId, Caller, ObjectId, StreamId, UserId, UserKey};
use loggia_repository::impact::{Contexts, Held, Shift};
use loggia_repository::seed::EVERYONE;
use loggia_repository::{
    AppEdit, Excerpt, Impact, ManageError, PoolEdit, ProposedChange, RuleEdit, StreamEdit,
    UserEdit, VirtualProxyEdit,
};

use crate::fixture::{Hub, rule};

struct Office {
    hub: Hub,
    root: Caller,
    flights: AppId,
    budget: AppId,
    team: StreamId,
    ana: UserId,
    map: ObjectId,
}

fn person(hub: &Hub, name: &str, roles: &[&str], dept: &str) -> UserId {
    let key = UserKey::new("LOGGIA", name).unwrap();
    let edit = UserEdit {
        key: Some(key),
        name: Some(name.to_owned()),
        roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
        attributes: Some(vec![("dept".to_owned(), dept.to_owned())]),
        ..UserEdit::default()
    };
    hub.repository.create_user(&hub.server(), None, edit).unwrap().id
}

/// A public stream, one for the finance department, and six people.
fn office() -> Office {
    let (hub, flights) = Hub::public();
    let root = hub.root();
    let ana = person(&hub, "Ana", &[], "finance");
    person(&hub, "Ben", &[], "finance");
    person(&hub, "Cleo", &["Editor"], "sales");
    person(&hub, "Dora", &["Editor"], "sales");
    person(&hub, "Emil", &[], "sales");
    let team = hub.stream("Team");
    hub.rule("Finance reads Team", &format!("Stream_{team}"), 2, r#"user.dept = "finance""#);
    let budget = hub.published_app("Budget", team);
    let map = hub.sheet(&hub.server(), flights, "Map");
    Office { hub, root, flights, budget, team, ana, map }
}

impl Office {
    fn ask(&self, change: ProposedChange) -> Impact {
        self.hub.repository.impact(&self.root, &[change], Excerpt::default()).unwrap()
    }

    fn check(&self, change: ProposedChange, expected: Expect) {
        let version = self.hub.repository.site().version();
        expected.assert_eq(&told(&self.ask(change)));
        assert_eq!(self.hub.repository.site().version(), version, "nothing is saved");
    }
}

fn told(impact: &Impact) -> String {
    let mut text = String::new();
    for confirmation in &impact.confirm {
        writeln!(text, "confirm {:?}: {}", confirmation.code, confirmation.text).unwrap();
    }
    let deeds = |deeds: &[loggia_repository::exposure::Deed]| {
        deeds.iter().map(|deed| deed.words()).collect::<Vec<_>>().join(", ")
    };
    let place = |contexts: Contexts| match contexts {
        Contexts::Both => "hub and console",
        Contexts::Hub => "hub",
        Contexts::Console => "console",
    };
    for (word, shifts) in [("gain", &impact.gained), ("lose", &impact.lost)] {
        for Shift { audience, deeds: done, contexts, things } in shifts {
            writeln!(
                text,
                "{} {word} {}: {} ({})",
                audience.text,
                things.text,
                deeds(done),
                place(*contexts)
            )
            .unwrap();
        }
    }
    let held = |held: &Held| match held {
        Held::Never => "never".to_owned(),
        Held::When(when) => format!("when {when}"),
        Held::Always => "always".to_owned(),
    };
    for shift in &impact.conditional {
        writeln!(
            text,
            "visitors at {}, {}: {} ({}): {} -> {}",
            shift.entrances.join(" "),
            shift.things.text,
            deeds(&shift.deeds),
            place(shift.contexts),
            held(&shift.before),
            held(&shift.after),
        )
        .unwrap();
    }
    for assumption in &impact.assumptions {
        writeln!(text, "given: {assumption}").unwrap();
    }
    for warning in &impact.warnings {
        writeln!(text, "warning: {warning}").unwrap();
    }
    if !impact.is_permitted {
        writeln!(text, "not by this caller").unwrap();
    }
    text
}

fn make_rule(edit: RuleEdit) -> ProposedChange {
    ProposedChange::Rule { id: None, edit }
}

#[test]
fn an_associated_rule_without_a_condition_is_confirmed_in_words() {
    let office = office();
    let edit = rule("Team_Read", &format!("Stream_{}", office.team), 34, "");
    office.check(make_rule(edit), expect![[r#"
        confirm Everyone: "Team_Read" has no condition: everyone, including anonymous visitors, may read, publish the stream Team (visitors come in at /public)
        confirm Visitors: visitors at /public gain publish on the stream Team; read on the stream Team, the app Budget, the app object Overview in Budget
        confirm VisitorsInConsole: visitors at /public gain, on the console's side, publish on the stream Team; read on the stream Team, the app Budget, the app object Overview in Budget
        anonymous visitors at /public and everyone signed in gain the stream Team: publish (hub)
        anonymous visitors at /public and 5 people: Ana, Ben, Cleo, Dora, Emil gain the stream Team: publish (console)
        anonymous visitors at /public and 4 people: Cleo, Dora, Emil, root gain the stream Team: read (hub)
        anonymous visitors at /public and 4 people: Cleo, Dora, Emil, root gain the app Budget: read (hub)
        anonymous visitors at /public and 4 people: Cleo, Dora, Emil, root gain the app object Overview in Budget: read (hub)
        anonymous visitors at /public and all with dept = sales (3 people) gain the stream Team: read (console)
        anonymous visitors at /public and all with dept = sales (3 people) gain the app Budget: read (console)
        anonymous visitors at /public and all with dept = sales (3 people) gain the app object Overview in Budget: read (console)
        4 people: Cleo, Dora, Emil, root gain the app Budget: export data, take offline (hub)
        4 people: Cleo, Dora, Emil, root gain the app object Overview in Budget: create (hub)
        all with dept = sales (3 people) gain the app Budget: export data, take offline (console)
        root gain the rule Team_Read: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
        warning: rule: an empty condition holds for everyone, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it (at character 0); !user.IsAnonymous()
    "#]]);
}

#[test]
fn a_rule_is_made_narrowed_switched_off_and_deleted() {
    let office = office();
    let editors = rule(
        "Editors read Team",
        &format!("Stream_{}", office.team),
        2,
        r#"user.roles = "Editor""#,
    );
    office.check(make_rule(editors), expect![[r#"
        all with the role Editor (2 people) gain the stream Team: read (hub and console)
        all with the role Editor (2 people) gain the app Budget: read, export data, take offline (hub and console)
        all with the role Editor (2 people) gain the app object Overview in Budget: read (hub and console)
        all with the role Editor (2 people) gain the app object Overview in Budget: create (hub)
        root gain the rule Editors read Team: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
    "#]]);
    let known = office.hub.rule("All apps for sales", "App_*", 256, r#"user.dept = "sales""#);
    let narrower = RuleEdit {
        condition: Some(r#"user.dept = "sales" and user.roles = "Editor""#.to_owned()),
        ..RuleEdit::default()
    };
    office.check(
        ProposedChange::Rule { id: Some(known), edit: narrower },
        expect![[r#"
        Emil lose the app Budget: export data (hub and console)
    "#]],
    );
    let off = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
    office.check(
        ProposedChange::Rule { id: Some(known), edit: off },
        expect![[r#"
        all with dept = sales (3 people) lose the app Budget: export data (hub and console)
    "#]],
    );
    office.check(ProposedChange::DeleteRule(known), expect![[r#"
        all with dept = sales (3 people) lose the app Budget: export data (hub and console)
        root lose the rule All apps for sales: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
    "#]]);
    let forbid = RuleEdit {
        is_forbidding: Some(true),
        ..rule("Not for visitors", "App.Object_*", 2, "user.IsAnonymous()")
    };
    office.check(make_rule(forbid), expect![[r#"
        root gain the rule Not for visitors: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
        anonymous visitors at /public lose the app object Overview in Flights: read (hub)
    "#]]);
}

#[test]
fn streams_apps_and_objects() {
    let office = office();
    let edit = StreamEdit { name: Some("News".to_owned()), ..StreamEdit::default() };
    office.check(ProposedChange::Stream { id: None, edit }, expect![[r#"
        root gain the stream News: read, update, delete, export, publish, change owner, export data, take offline, distribute, duplicate, approve (hub and console)
        root gain the stream News: create, change role (console)
    "#]]);
    let publish = |stream| ProposedChange::App { id: Some(office.budget), edit: None, stream };
    office.check(publish(Some(Some(EVERYONE))), expect![[r#"
        confirm Visitors: visitors at /public gain read on the app Budget, the app object Overview in Budget
        anonymous visitors at /public and 4 people: Cleo, Dora, Emil, root gain the app Budget: read (hub)
        anonymous visitors at /public and 4 people: Cleo, Dora, Emil, root gain the app object Overview in Budget: read (hub)
        4 people: Cleo, Dora, Emil, root gain the app Budget: export data, take offline (hub)
        4 people: Cleo, Dora, Emil, root gain the app object Overview in Budget: create (hub)
        all with dept = sales (3 people) gain the app Budget: read, export data, take offline (console)
        all with dept = sales (3 people) gain the app object Overview in Budget: read (console)
    "#]]);
    office.check(publish(Some(None)), expect![[r#"
        all with dept = finance (2 people) lose the app Budget: read, export data, take offline (hub and console)
        all with dept = finance (2 people) lose the app object Overview in Budget: read (hub and console)
        all with dept = finance (2 people) lose the app object Overview in Budget: create (hub)
    "#]]);
    let edit = AppEdit { owner: Some(office.ana), ..AppEdit::default() };
    let give = ProposedChange::App { id: Some(office.flights), edit: Some(edit), stream: None };
    office.check(
        give,
        expect![[r#"
        Ana gain the app Flights: publish, duplicate (hub and console)
        Ana gain 2 app objects: approve (hub)
    "#]],
    );
    let show = ProposedChange::AppObject {
        id: office.map,
        edit: None,
        is_published: Some(true),
        is_approved: None,
    };
    office.check(show, expect![[r#"
        confirm Visitors: visitors at /public gain read on the app object Map in Flights
        anonymous visitors at /public and everyone signed in gain the app object Map in Flights: read (hub)
        5 people: Ana, Ben, Cleo, Dora, Emil gain the app object Map in Flights: read (console)
    "#]]);
    office.check(ProposedChange::DeleteApp(office.flights), expect![[r#"
        anonymous visitors at /public and everyone signed in lose the app Flights: read (hub)
        anonymous visitors at /public and everyone signed in lose the app object Overview in Flights: read (hub)
        everyone signed in lose the app Flights: export data, take offline (hub and console)
        everyone signed in lose the app Flights: create (hub)
        everyone signed in lose the app Flights: read (console)
        everyone signed in lose the app object Overview in Flights: create (hub)
        everyone signed in lose the app object Overview in Flights: read (console)
        everyone signed in lose the app object Map in Flights: create (hub)
        root lose the app Flights: create, update, delete, export, publish, change owner, change role, distribute, duplicate, approve (console)
        root lose the app object Overview in Flights: create, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
        root lose the app object Map in Flights: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
    "#]]);
    // The data of the real app stays where it is.
    assert!(office.hub.repository.data_file(office.flights).unwrap().is_file());
}

#[test]
fn people_their_roles_and_attributes() {
    let office = office();
    let change = |edit| ProposedChange::User { id: Some(office.ana), edit };
    let edit = UserEdit { roles: Some(vec!["ContentAdmin".to_owned()]), ..UserEdit::default() };
    let impact = office.ask(change(edit));
    let first = impact.gained.first().unwrap();
    assert_eq!(first.audience.text, "Ana");
    let console = impact.gained.iter().filter(|shift| shift.contexts == Contexts::Console);
    assert!(console.count() > 3, "{impact:?}");
    let edit = UserEdit { attributes: Some(Vec::new()), ..UserEdit::default() };
    office.check(
        change(edit),
        expect![[r#"
        Ana lose the stream Team: read (hub and console)
        Ana lose the app Budget: read, export data, take offline (hub and console)
        Ana lose the app object Overview in Budget: read (hub and console)
        Ana lose the app object Overview in Budget: create (hub)
    "#]],
    );
    let edit = UserEdit { is_blocked: Some(true), ..UserEdit::default() };
    office.check(
        change(edit),
        expect![[r#"
            Ana lose the stream Team: read (hub and console)
            Ana lose the stream Everyone: read, publish (hub and console)
            Ana lose 2 apps: read, export data, take offline (hub and console)
            Ana lose 2 apps: create (hub)
            Ana lose a new App: create (hub)
            Ana lose 2 app objects: read (hub and console)
            Ana lose 2 app objects: create (hub)
            Ana lose the app object Map in Flights: create (hub)
            Ana lose 2 sections: read (hub)
            Ana lose any FileReference: read (hub and console)
            Ana lose any Extension: read (hub and console)
            Ana lose any CustomProperty: read (hub and console)
        "#]],
    );
    let key = UserKey::new("LOGGIA", "fay").unwrap();
    let edit = UserEdit { key: Some(key), ..UserEdit::default() };
    office.check(ProposedChange::User { id: None, edit }, expect![[r#"
        fay gain the stream Everyone: read, publish (hub and console)
        fay gain the app Flights: read, export data, take offline (hub and console)
        fay gain the app Flights: create (hub)
        fay gain 2 apps: create (hub)
        fay gain the app object Overview in Flights: read (hub and console)
        fay gain the app object Overview in Flights: create (hub)
        fay gain the app object Map in Flights: create (hub)
        root gain the user fay: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
        fay gain 2 sections: read (hub)
        fay gain any FileReference: read (hub and console)
        fay gain any Extension: read (hub and console)
        fay gain any CustomProperty: read (hub and console)
    "#]]);
    let edit = UserEdit {
        custom_properties: Some(vec![PropertyValue { name: "x".into(), value: "y".into() }]),
        ..UserEdit::default()
    };
    office.check(change(edit), expect![[""]]);
}

#[test]
fn entrances_and_pools() {
    let office = office();
    let site = office.hub.repository.site();
    let public = site.entrance(&"public".parse().unwrap()).unwrap().id;
    let pool = site.pools().next().unwrap().id;
    let mode = |id, mode| ProposedChange::VirtualProxy {
        id: Some(id),
        edit: Box::new(VirtualProxyEdit { anonymous: Some(mode), ..VirtualProxyEdit::default() }),
    };
    office.check(
        mode(public, AnonymousMode::Never),
        expect![[r#"
        anonymous visitors at /public lose apps, by licence: open (hub)
        anonymous visitors at /public lose the stream Everyone: read (hub)
        anonymous visitors at /public lose the app Flights: read (hub)
        anonymous visitors at /public lose the app object Overview in Flights: read (hub)
        anonymous visitors at /public lose the section HubSection_Home: read (hub)
        anonymous visitors at /public lose any FileReference: read (hub and console)
        anonymous visitors at /public lose any Extension: read (hub and console)
        given: a seat that a person holds already stays with the person
    "#]],
    );
    office.check(ProposedChange::DeleteVirtualProxy(public), expect![[r#"
        anonymous visitors at /public lose apps, by licence: open (hub)
        anonymous visitors at /public lose the stream Everyone: read (hub)
        anonymous visitors at /public lose the app Flights: read (hub)
        anonymous visitors at /public lose the app object Overview in Flights: read (hub)
        anonymous visitors at /public lose the section HubSection_Home: read (hub)
        anonymous visitors at /public lose any FileReference: read (hub and console)
        anonymous visitors at /public lose any Extension: read (hub and console)
        root lose the entrance /public: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
        given: a seat that a person holds already stays with the person
    "#]]);
    office.check(
        mode(loggia_repository::seed::DEFAULT_ENTRANCE, AnonymousMode::Allowed),
        expect![[r#"
            confirm Visitors: visitors at / gain open on apps, by licence; read on the stream Everyone, the app Flights, the app object Overview in Flights, the section HubSection_Home
            anonymous visitors at / gain apps, by licence: open (hub)
            anonymous visitors at / gain the stream Everyone: read (hub)
            anonymous visitors at / gain the app Flights: read (hub)
            anonymous visitors at / gain the app object Overview in Flights: read (hub)
            anonymous visitors at / gain the section HubSection_Home: read (hub)
            anonymous visitors at / gain any FileReference: read (hub and console)
            anonymous visitors at / gain any Extension: read (hub and console)
            given: a seat that a person holds already stays with the person
            warning: anonymousAccessMode: everybody who used to be signed in silently here now enters as a visitor until they press Log in; a separate entrance such as /public keeps their links working
        "#]],
    );
    let edit = PoolEdit { is_disabled: Some(true), ..PoolEdit::default() };
    office.check(
        ProposedChange::Pool { id: Some(pool), edit },
        expect![[r#"
        anonymous visitors at /public lose apps, by licence: open (hub)
        given: a seat that a person holds already stays with the person
    "#]],
    );
    let licence = RuleEdit {
        category: Some(RuleCategory::License),
        context: Some(1),
        ..rule("Everybody draws", &format!("License.AnalyzerTimeAccessType_{pool}"), 1, "")
    };
    office.check(make_rule(licence), expect![[r#"
        confirm Everyone: "Everybody draws" has no condition: everyone, including anonymous visitors, may draw on the licence pools that it names (visitors come in at /public)
        everyone signed in gain apps, by licence: open (hub)
        root gain the rule Everybody draws: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
        given: a seat that a person holds already stays with the person
        warning: rule: an empty condition lets everyone draw, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it (at character 0); !user.IsAnonymous()
    "#]]);
}

#[test]
fn who_may_not_make_the_change_nor_audit_is_refused_and_others_see_what_they_may() {
    let office = office();
    let hub = &office.hub;
    let open = || make_rule(rule("Open", &format!("Stream_{}", office.team), 2, ""));
    let ask = |caller: &Caller| hub.repository.impact(caller, &[open()], Excerpt::default());
    assert!(matches!(ask(&hub.visitor().in_console()), Err(ManageError::Refused(_))));
    assert!(matches!(ask(&hub.user("fritz").in_console()), Err(ManageError::Refused(_))));
    let seen = ask(&hub.admin("auditor", "AuditAdmin")).unwrap();
    assert!(!seen.is_permitted);
    assert_eq!(told(&seen).lines().last(), Some("not by this caller"));
    // Somebody who may edit rules and read nothing else.
    hub.rule("Rule makers", "SystemRule_*", 15, r#"user.roles = "RuleMaker""#);
    let seen = ask(&hub.admin("maker", "RuleMaker")).unwrap();
    let names = |impact: &Impact| {
        let shifts = impact.gained.iter();
        let names = shifts.flat_map(|shift| [&shift.audience.names, &shift.things.names]);
        names.flatten().map(|named| named.name.clone()).collect::<BTreeSet<_>>()
    };
    expect![[r#"
        confirm Everyone: "Open" has no condition: everyone, including anonymous visitors, may read whatever Stream_… names (visitors come in at /public)
        confirm Visitors: visitors at /public gain read on 1 stream, 1 app, 1 app object
        confirm VisitorsInConsole: visitors at /public gain, on the console's side, read on 1 stream, 1 app, 1 app object
        anonymous visitors at /public and everyone signed in except 2 people gain 1 stream: read (hub)
        anonymous visitors at /public and everyone signed in except 2 people gain 1 app: read (hub)
        anonymous visitors at /public and everyone signed in except 2 people gain 1 app object: read (hub)
        anonymous visitors at /public and 5 people gain 1 stream: read (console)
        anonymous visitors at /public and 5 people gain 1 app: read (console)
        anonymous visitors at /public and 5 people gain 1 app object: read (console)
        everyone signed in except 2 people gain 1 app: export data, take offline (hub)
        everyone signed in except 2 people gain 1 app object: create (hub)
        5 people gain 1 app: export data, take offline (console)
        3 people gain the rule Open: read (console)
        2 people gain the rule Open: create, update, delete (console)
        1 person gain the rule Open: create, read, update, delete (hub)
        1 person gain the rule Open: export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
        warning: rule: an empty condition holds for everyone, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it (at character 0); !user.IsAnonymous()
        {"Open"}
    "#]].assert_eq(&format!("{}{:?}\n", told(&seen).replace(&office.team.text(), "…"), names(&seen)));
}

#[test]
fn long_lists_say_how_much_of_them_is_shown() {
    let office = office();
    for number in 0..5 {
        office.hub.published_app(&format!("App {number}"), office.team);
    }
    let change = [make_rule(rule("Open", &format!("Stream_{}", office.team), 2, ""))];
    let excerpt = Excerpt { skip: 1, take: 2 };
    let impact = office.hub.repository.impact(&office.root, &change, excerpt).unwrap();
    let apps = impact.gained.iter().find(|shift| shift.things.text == "6 apps").unwrap();
    let names: Vec<_> = apps.things.names.iter().map(|named| named.name.as_str()).collect();
    assert_eq!((apps.things.count, names), (6, vec!["App 1", "App 2"]));
}
#[test]
fn what_depends_on_the_request_is_told_as_a_condition() {
    let office = office();
    let edit = rule(
        "From the office",
        &format!("Stream_{}", office.team),
        2,
        r#"user.IsAnonymous() and user.environment.ip like "10.*""#,
    );
    office.check(make_rule(edit), expect![[r#"
        confirm Visitors: visitors at /public gain read on the stream Team, the app Budget, the app object Overview in Budget
        confirm VisitorsInConsole: visitors at /public gain, on the console's side, read on the stream Team, the app Budget, the app object Overview in Budget
        root gain the rule From the office: create, read, update, delete, export, publish, change owner, change role, export data, take offline, distribute, duplicate, approve (console)
        visitors at /public, the stream Team: read (hub and console): never -> when user.environment.ip like "10.*"
        visitors at /public, the app Budget: read (hub and console): never -> when user.environment.ip like "10.*"
        visitors at /public, the app object Overview in Budget: read (hub and console): never -> when user.environment.ip like "10.*"
        given: rules read ip of the request: for visitors what depends on it is told as a condition; people are taken to come through the default entrance, from no known address or device
    "#]]);
}

#[test]
fn what_rules_read_of_requests_is_told_to_auditors_only() {
    let office = office();
    let hub = &office.hub;
    hub.rule("Rule makers", "SystemRule_*", 15, r#"user.roles = "RuleMaker""#);
    let secret = r#"user.IsAnonymous() and user.environment.ip = "10.9.9.9""#;
    hub.rule("From the vault", &format!("Stream_{}", office.team), 4, secret);
    let change = [make_rule(rule("Open", &format!("Stream_{}", office.team), 2, secret))];
    let seen = |caller: &Caller| {
        let impact = hub.repository.impact(caller, &change, Excerpt::default()).unwrap();
        assert!(!impact.conditional.is_empty());
        format!("{:?} {:?}", impact.conditional, impact.assumptions)
    };
    assert!(seen(&office.root).contains("10.9.9.9"));
    let seen = seen(&hub.admin("maker", "RuleMaker"));
    assert!(!seen.contains("10.9.9.9") && !seen.contains("ip of the request"), "{seen}");
}

#[test]
fn names_of_properties_are_compared_without_letter_case_in_any_alphabet() {
    let office = office();
    let hub = &office.hub;
    let edit = UserEdit {
        attributes: Some(
            [("dept", "finance"), ("ΟΔΟΣ", "x"), ("İL", "x")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
        ),
        custom_properties: Some(vec![PropertyValue { name: "ÄB".into(), value: "x".into() }]),
        ..UserEdit::default()
    };
    hub.repository.update_user(&hub.server(), office.ana, None, edit).unwrap();
    for condition in ["user.@Äb", "user.@äB", "user.οδοΣ", "user.İl"] {
        let condition = format!("{condition} = \"x\"");
        let shut = RuleEdit {
            is_forbidding: Some(true),
            ..rule("Shut", &format!("Stream_{}", office.team), 2, &condition)
        };
        let impact = office.ask(make_rule(shut));
        let lost: Vec<_> = impact.lost.iter().map(|shift| shift.audience.people).collect();
        assert!(!lost.is_empty() && lost.iter().all(|&people| people == 1), "{condition}");
    }
}
