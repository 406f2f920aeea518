//! What the shipped rules let people do. The matrix is printed to a file and reviewed as a diff.

use std::collections::HashSet;
use std::fmt::Write;

use expect_test::expect_file;
use loggia_rules::shipped::security_rules;
use loggia_rules::{Action, RequestContext, RuleSet, granted};

use crate::site::{Person, Site, entity};

const EVERYONE: &str = "aaec8d41-5201-43ab-809f-3063750dfafd";

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
    Site::default()
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

const THINGS: [&str; 30] = [
    "Stream aaec8d41-5201-43ab-809f-3063750dfafd",
    "Stream team",
    "new Stream",
    "App public",
    "App team",
    "App work",
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
    "Extension chart",
    "User ana",
    "SystemRule one-stream",
    "SystemRule everything",
    "SystemRule licence",
    "CustomProperty area",
    "VirtualProxyConfig public",
    "License.AnalyzerTimeAccessType visitors",
    "HubSection_Home",
    "HubSection_Work",
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
    for shipped in security_rules() {
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

/// `spec/access.md` §10 rows 8 and 30.
#[test]
fn a_visitor_creates_exports_and_administers_nothing() {
    let (rules, site) = (rules(), site().asked_by(Person::visitor()));
    for context in [RequestContext::Hub, RequestContext::Console] {
        for thing in THINGS {
            let rights = granted(&rules, &site, context, &entity(thing));
            let others: Vec<Action> = rights.iter().filter(|a| *a != Action::Read).collect();
            assert_eq!(others, [], "{thing}");
            assert!(!thing.starts_with("QmcSection") || rights.is_empty(), "{thing}");
        }
    }
}
