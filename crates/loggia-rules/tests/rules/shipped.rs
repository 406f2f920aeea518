//! What the shipped rules let people do. The matrix is printed to a file and reviewed as a diff.

use std::collections::HashSet;
use std::fmt::Write;

use expect_test::{expect, expect_file};
use loggia_rules::shipped::{self, security_rules, sync_rules};
use loggia_rules::{
    Action, Actions, Entity, Fact, Facts, RequestContext, ResourceKind, RuleSet, Subject, allows,
    granted,
};

use crate::site::{Person, Site, entity};

const EVERYONE: &str = "aaec8d41-5201-43ab-809f-3063750dfafd";
const MONITORING: &str = "a70ca8a5-1d59-4cc9-b5fa-6e207978dcaf";
/// The user id of the visitor who asks, and of another one.
const VISITOR: &str = "anonymousd9e61933-a7e5-4836-8540-5b137a600e69";
const OTHER_VISITOR: &str = "anonymous11111111-a7e5-4836-8540-5b137a600e69";

fn rules() -> RuleSet {
    RuleSet::new(security_rules().iter().map(|rule| rule.compile().unwrap()).collect())
}

/// Properties of an app: in a stream, or nobody's but the owner's.
fn app<'a>(stream: &'a str, owner: &'a str) -> Vec<(&'a str, &'a str)> {
    let published = if stream.is_empty() { "false" } else { "true" };
    let mut properties = vec![("published", published), ("owner", owner)];
    if !stream.is_empty() {
        properties.push(("stream", stream));
    }
    properties
}

fn site() -> Site {
    let object = |app, kind, published, approved, owner| {
        [
            ("app", app),
            ("objecttype", kind),
            ("published", published),
            ("approved", approved),
            ("owner", owner),
        ]
    };
    let everyone = format!("Stream {EVERYONE}");
    let in_everyone = format!("→{everyone}");
    let monitoring = format!("Stream {MONITORING}");
    let in_monitoring = format!("→{monitoring}");
    Site::default()
        .with(&monitoring, &[("name", "Monitoring apps")])
        .with("App licence-monitor", &app(&in_monitoring, "→User root"))
        .with(
            "App.Object licence-sheet",
            &object("→App licence-monitor", "sheet", "true", "true", "→User root"),
        )
        .with("App.Object team", &object("→App team", "sheet", "true", "true", "→User ana"))
        .with("TempContent own", &[("visitor", VISITOR)])
        .with("TempContent other", &[("visitor", OTHER_VISITOR)])
        .with("TempContent nobody's", &[])
        .with(&everyone, &[("name", "Everyone"), ("owner", "→User root")])
        .with("Stream team", &[("name", "Team"), ("owner", "→User root")])
        .with("App public", &app(&in_everyone, "→User ana"))
        .with("App team", &app("→Stream team", "→User ana"))
        .with("App work", &app("", "→User ana"))
        .with("App.Object base", &object("→App public", "sheet", "true", "true", "→User ana"))
        .with("App.Object community", &object("→App public", "sheet", "true", "false", "→User ana"))
        .with("App.Object private", &object("→App public", "sheet", "false", "false", "→User ana"))
        .with(
            "App.Object script",
            &object("→App public", "app_appscript", "true", "true", "→User ana"),
        )
        .with("App.Object in-work", &object("→App work", "sheet", "false", "false", "→User ana"))
        .with("App.DataSegment public", &[("app", "→App public")])
        .with("App.Content public", &[("app", "→App public")])
        .with("StaticContentReference picture", &[("ContentLibrarys", "→ContentLibrary default")])
        .with("ContentLibrary default", &[("name", "Default")])
        .with("DataConnection folder", &[("type", "folder")])
        .with(
            "SystemRule one-stream",
            &[("category", "Security"), ("resourcefilter", &format!("Stream_{EVERYONE}"))],
        )
        .with("SystemRule everything", &[("category", "Security"), ("resourcefilter", "*")])
        .with("SystemRule licence", &[("category", "License")])
}

const THINGS: [&str; 39] = [
    "Stream aaec8d41-5201-43ab-809f-3063750dfafd",
    "Stream a70ca8a5-1d59-4cc9-b5fa-6e207978dcaf",
    "Stream team",
    "new Stream",
    "App public",
    "App team",
    "App work",
    "App licence-monitor",
    "new App",
    "App.Object base",
    "App.Object community",
    "App.Object private",
    "App.Object script",
    "App.Object in-work",
    "App.DataSegment public",
    "App.Content public",
    "StaticContentReference picture",
    "ContentLibrary default",
    "DataConnection folder",
    "TempContent own",
    "TempContent other",
    "TempContent nobody's",
    "Extension chart",
    "ReloadTask nightly",
    "CompositeEvent after",
    "FileReference any",
    "User ana",
    "SystemRule one-stream",
    "SystemRule everything",
    "SystemRule licence",
    "CustomProperty area",
    "VirtualProxyConfig public",
    "License.AnalyzerTimeAccessType visitors",
    "HubSection_Home",
    "HubSection_Work",
    "HubSection_Tasks",
    "QmcSection_App",
    "QmcSection_License",
    "QmcSection_Audit",
];

fn people() -> Vec<(&'static str, Person)> {
    let admin = |role| Person::user("admin", &[("roles", role)]);
    vec![
        ("visitor", Person::visitor()),
        ("ben", Person::user("ben", &[])),
        ("ana (owner)", Person::user("ana", &[])),
        ("RootAdmin", admin("RootAdmin")),
        ("ContentAdmin", admin("ContentAdmin")),
        ("SecurityAdmin", admin("SecurityAdmin")),
        ("DeploymentAdmin", admin("DeploymentAdmin")),
        ("AuditAdmin", admin("AuditAdmin")),
        ("HubAdmin", admin("HubAdmin")),
    ]
}

fn letters(rules: &RuleSet, site: &Site, context: RequestContext, thing: &str) -> String {
    let rights = granted(rules, site, context, &entity(thing));
    let letter = |action: Action| match action {
        Action::Create => 'C',
        Action::Read => 'R',
        Action::Update => 'U',
        Action::Delete => 'D',
        Action::Export => 'E',
        Action::Publish => 'P',
        Action::ChangeOwner => 'O',
        Action::ChangeRole => 'r',
        Action::ExportData => 'x',
        Action::AccessOffline => 'o',
        Action::Distribute => 'd',
        Action::Duplicate => '2',
        Action::Approve => 'A',
    };
    if rights.is_empty() { "–".to_owned() } else { rights.iter().map(letter).collect() }
}

#[test]
fn what_people_may_do_on_a_new_site() {
    let (rules, site) = (rules(), site());
    let mut matrix = String::from(
        "C create  R read  U update  D delete  E export  P publish  O change owner  r change role\n\
         x export data  o offline  d distribute  2 duplicate  A approve\n",
    );
    for (context, name) in [(RequestContext::Hub, "hub"), (RequestContext::Console, "console")] {
        for (who, person) in people() {
            let site = site.asked_by(person);
            writeln!(matrix, "\n{who}, {name}").unwrap();
            for thing in THINGS {
                let rights = letters(&rules, &site, context, thing);
                writeln!(matrix, "    {rights:<14}{thing}").unwrap();
            }
        }
    }
    expect_file!["../../test_data/shipped_rules.txt"].assert_eq(&matrix);
}

#[test]
fn shipped_rules_are_well_formed() {
    let (mut ids, mut seeds, mut names) = (HashSet::new(), HashSet::new(), HashSet::new());
    for shipped in shipped::rules() {
        let rule = shipped.compile().unwrap_or_else(|p| panic!("{}: {p:#?}", shipped.name));
        assert!(rule.condition.warnings().is_empty(), "{}: {:?}", shipped.name, rule.condition);
        assert!(rule.filter.problems().is_empty(), "{}", shipped.name);
        assert!(!rule.actions.is_empty() && shipped.version > 0 && !shipped.comment.is_empty());
        assert!(ids.insert(shipped.id) && seeds.insert(shipped.seed) && names.insert(shipped.name));
    }
    assert!(rules().cyclic_rules().is_empty());
}

#[test]
fn the_server_itself_may_do_everything() {
    let mut person = Person::user("sa_scheduler", &[]);
    person.set("userdirectory", "INTERNAL");
    person.entity = None;
    let site = site().asked_by(person);
    for context in [RequestContext::Hub, RequestContext::Console] {
        for thing in THINGS {
            assert_eq!(granted(&rules(), &site, context, &entity(thing)).bits(), 8191, "{thing}");
        }
    }
}

/// `spec/access.md` §10 rows 8 and 30. The temporary content of their own session is all that
/// visitors make.
#[test]
fn a_visitor_creates_exports_and_administers_nothing() {
    let (rules, site) = (rules(), site().asked_by(Person::visitor()));
    for context in [RequestContext::Hub, RequestContext::Console] {
        for thing in THINGS.into_iter().filter(|thing| *thing != "TempContent own") {
            let rights = granted(&rules, &site, context, &entity(thing));
            let others: Vec<Action> = rights.iter().filter(|a| *a != Action::Read).collect();
            assert_eq!(others, [], "{thing}");
            assert!(!thing.starts_with("QmcSection") || rights.is_empty(), "{thing}");
        }
    }
}

/// The table of `spec/access.md` §5.10. A is *access offline*: auditors have it on apps, and they
/// approve nothing.
const ROLES: [&str; 5] =
    ["AuditAdmin", "ContentAdmin", "DeploymentAdmin", "SecurityAdmin", "HubAdmin"];
const MATRIX: [(&str, [&str; 5]); 36] = [
    ("Stream team", ["R", "CRUDPO", "–", "CRUDPO", "–"]),
    ("Stream a70ca8a5-1d59-4cc9-b5fa-6e207978dcaf", ["R", "CRUDPO", "R", "CRUDPO", "–"]),
    ("App team", ["RA", "CRUDEPAO", "RUA", "CRUDEPAO", "–"]),
    ("App.Object team", ["R", "CRUDPO", "–", "CRUDPO", "–"]),
    ("App.Object licence-sheet", ["R", "CRUDPO", "R", "CRUDPO", "–"]),
    ("DataConnection folder", ["R", "CRUDO", "–", "CRUDO", "–"]),
    ("Extension chart", ["R", "CRUDO", "R", "R", "–"]),
    ("ContentLibrary default", ["R", "CRUDO", "R", "CRUDO", "–"]),
    ("ContentCacheControl all", ["–", "R", "–", "R", "–"]),
    ("ServerNodeConfiguration central", ["R", "–", "CRUD", "R", "–"]),
    ("EngineService central", ["R", "–", "CRUD", "–", "–"]),
    ("RepositoryService central", ["R", "–", "CRUD", "–", "–"]),
    ("SchedulerService central", ["R", "–", "CRUD", "–", "–"]),
    ("ServiceCluster all", ["R", "–", "CRUD", "–", "–"]),
    ("ProxyService central", ["R", "–", "CRUD", "CRUD", "–"]),
    ("VirtualProxyConfig public", ["R", "–", "CRUD", "CRUD", "–"]),
    ("ReloadTask nightly", ["R", "CRUD", "CRUD", "–", "CRU"]),
    ("SchemaEvent at-night", ["R", "CRUD", "CRUD", "–", "CRU"]),
    ("CompositeEvent after", ["R", "CRUD", "CRUD", "–", "–"]),
    ("User ana", ["R", "CRUD", "CRUD", "CRUD", "–"]),
    ("UserSyncTask ldap", ["R", "CRUD", "CRUD", "CRUD", "–"]),
    ("UserDirectory ldap", ["R", "CRUD", "CRUD", "CRUD", "–"]),
    ("SystemRule one-stream", ["R", "CRUD", "CRUD", "CRUD", "–"]),
    ("SystemRule everything", ["R", "CRUD", "CRUD", "CRUD", "–"]),
    ("SystemRule licence", ["R", "CRUD", "CRUD", "CRUD", "–"]),
    ("CustomProperty area", ["R", "CRUD", "CRUD", "CRUD", "–"]),
    ("Tag press", ["R", "CRUD", "CRUD", "CRUD", "–"]),
    ("License all", ["R", "R", "CRUD", "R", "–"]),
    ("License.AnalyzerTimeAccessType visitors", ["R", "R", "CRUD", "R", "–"]),
    ("TermsAcceptance all", ["R", "R", "CRUD", "R", "–"]),
    ("ServiceStatus central", ["R", "–", "CRUD", "R", "–"]),
    ("FileExtension png", ["R", "CRD", "–", "CRD", "–"]),
    ("FileExtensionWhiteList all", ["R", "RU", "–", "RU", "–"]),
    ("AnalyticConnection r", ["R", "CRUD", "R", "CRUD", "–"]),
    ("QmcSection_Audit", ["R", "R", "R", "R", "–"]),
    ("QmcSection_Tag", ["R", "R", "R", "R", "–"]),
];

/// What can be done at all to things of a type, among what the table speaks of.
fn applicable(kind: ResourceKind) -> Actions {
    const CRUD: Actions =
        Actions::CREATE.and(Actions::READ).and(Actions::UPDATE).and(Actions::DELETE);
    const OWNED: Actions = CRUD.and(Actions::CHANGE_OWNER);
    match kind {
        ResourceKind::App => OWNED | Actions::EXPORT | Actions::PUBLISH | Actions::ACCESS_OFFLINE,
        ResourceKind::AppObject | ResourceKind::Stream => OWNED | Actions::PUBLISH,
        ResourceKind::DataConnection | ResourceKind::Extension | ResourceKind::ContentLibrary => {
            OWNED
        }
        ResourceKind::FileExtension => CRUD - Actions::UPDATE,
        ResourceKind::FileExtensionWhiteList => Actions::READ | Actions::UPDATE,
        _ => CRUD,
    }
}

/// What a role gives: in the console, and for the hub's own role what it adds in the hub.
fn role_letters(rules: &RuleSet, site: &Site, role: &str, thing: &Entity) -> String {
    let rights_of = |properties: &[(&str, &str)], context| {
        let site = site.asked_by(Person::user("admin", properties));
        granted(rules, &site, context, thing)
    };
    let rights = if role == "HubAdmin" {
        rights_of(&[("roles", role)], RequestContext::Hub) - rights_of(&[], RequestContext::Hub)
    } else {
        rights_of(&[("roles", role)], RequestContext::Console)
    };
    let rights = rights - (Actions::ALL - applicable(thing.kind));
    let letters = [
        (Action::Create, 'C'),
        (Action::Read, 'R'),
        (Action::Update, 'U'),
        (Action::Delete, 'D'),
        (Action::Export, 'E'),
        (Action::Publish, 'P'),
        (Action::AccessOffline, 'A'),
        (Action::ChangeOwner, 'O'),
    ];
    let held = letters.into_iter().filter(|(action, _)| rights.contains(*action));
    let text: String = held.map(|(_, letter)| letter).collect();
    if text.is_empty() { "–".to_owned() } else { text }
}

#[test]
fn roles_have_the_rights_of_the_table() {
    let (rules, site) = (rules(), site());
    let mut table = format!("{:<46}", "");
    for role in ROLES {
        write!(table, "{role:<17}").unwrap();
    }
    let mut departures = String::new();
    for (thing, expected) in MATRIX {
        write!(table, "\n{thing:<46}").unwrap();
        for (role, expected) in ROLES.into_iter().zip(expected) {
            let found = role_letters(&rules, &site, role, &entity(thing));
            write!(table, "{found:<17}").unwrap();
            if found != expected {
                writeln!(departures, "{role}, {thing}: table {expected}, rules {found}").unwrap();
            }
        }
    }
    let table: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    expect_file!["../../test_data/shipped_roles.txt"].assert_eq(&table);
    // An auditor sees everything, by §5.9. Content administrators manage rules about one thing
    // only, and deployment administrators those of licences and nodes: whoever may write any
    // security rule may give themselves every other right.
    expect![[r#"
        AuditAdmin, ContentCacheControl all: table –, rules R
        DeploymentAdmin, SystemRule one-stream: table CRUD, rules –
        ContentAdmin, SystemRule everything: table CRUD, rules –
        DeploymentAdmin, SystemRule everything: table CRUD, rules –
        ContentAdmin, SystemRule licence: table CRUD, rules –
    "#]]
    .assert_eq(&departures);
}

/// A node that is asked for an app.
struct Node<'a> {
    site: &'a Site,
    is_central: &'static str,
}

impl Facts for Node<'_> {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        match subject {
            Subject::Node if name == "iscentral" => out.push(Fact::Text(self.is_central.into())),
            Subject::Node => {}
            _ => self.site.read(subject, name, out),
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        self.site.requester_is_anonymous()
    }

    fn requester_entity(&self) -> Option<Entity> {
        self.site.requester_entity()
    }
}

/// `spec/access.md` §7.3.
#[test]
fn apps_are_on_the_nodes_that_load_balancing_gives_them() {
    let rules = RuleSet::new(sync_rules().iter().map(|rule| rule.compile().unwrap()).collect());
    let site = site();
    let mut table = String::new();
    for is_central in ["true", "false"] {
        for app in ["App public", "App work", "App licence-monitor"] {
            let node = Node { site: &site, is_central };
            let is_there = allows(&rules, &node, RequestContext::Hub, &entity(app), Action::Create);
            writeln!(table, "{app} on a node with isCentral {is_central}: {is_there}").unwrap();
        }
    }
    expect![[r#"
        App public on a node with isCentral true: true
        App work on a node with isCentral true: true
        App licence-monitor on a node with isCentral true: true
        App public on a node with isCentral false: true
        App work on a node with isCentral false: true
        App licence-monitor on a node with isCentral false: false
    "#]]
    .assert_eq(&table);
}
