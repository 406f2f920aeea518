//! Who may do what, and the reasons given.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_rules::{
    Action, Actions, Decision, Outcome, RequestContext, RuleSet, allows, decide, granted,
};

use crate::site::{Person, Site, entity, rule_name, rules};

/// A stream *press* with a published app, an unpublished app of Ana's, and objects in both.
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
    Site::default()
        .with("Stream press", &[("name", "Press"), ("@open", "yes")])
        .with("Stream payroll", &[("name", "Payroll")])
        .with(
            "App turnover",
            &[
                ("name", "Turnover"),
                ("stream", "→Stream press"),
                ("published", "true"),
                ("owner", "→User ana"),
            ],
        )
        .with("App work", &[("name", "Work"), ("published", "false"), ("owner", "→User ana")])
        .with(
            "App.Object private",
            &object("→App turnover", "sheet", "false", "false", "→User ana"),
        )
        .with(
            "App.Object community",
            &object("→App turnover", "sheet", "true", "false", "→User ana"),
        )
        .with("App.Object base", &object("→App turnover", "sheet", "true", "true", "→User ana"))
        .with(
            "App.Object script",
            &object("→App turnover", "app_appscript", "true", "true", "→User ana"),
        )
        .with(
            "App.Object model",
            &object("→App turnover", "LoadModel", "true", "true", "→User ana"),
        )
        .with("App.Object draft", &object("→App work", "sheet", "true", "true", "→User ana"))
}

fn reasons(rules: &RuleSet, decision: &Decision) -> String {
    let mut text = match decision.outcome {
        Outcome::Allowed => "allowed".to_owned(),
        Outcome::Forbidden => "forbidden".to_owned(),
        Outcome::NoGrant => "not granted".to_owned(),
    };
    let mut named = |word: &str, ids: &[uuid::Uuid]| {
        let names: Vec<String> = ids.iter().map(|id| rule_name(rules, *id)).collect();
        if !names.is_empty() {
            write!(text, ", {word} {}", names.join(", ")).unwrap();
        }
    };
    named("granted by", &decision.granted_by);
    named("forbidden by", &decision.forbidden_by);
    for refusal in &decision.nearest {
        let far =
            if refusal.distance > 9 { "∞".to_owned() } else { refusal.distance.to_string() };
        let clause = refusal.clause.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(text, "\n    {far} {}: {clause}", refusal.rule_name).unwrap();
        for seen in &refusal.seen {
            write!(text, "\n        {seen}").unwrap();
        }
    }
    text
}

fn check(texts: &[&str], person: Person, things: &[&str], expected: Expect) {
    let (rules, site) = (rules(texts), site().asked_by(person));
    let mut table = String::new();
    for thing in things {
        let decision = decide(&rules, &site, RequestContext::Hub, &entity(thing), Action::Read);
        writeln!(table, "{thing} {}", reasons(&rules, &decision)).unwrap();
    }
    expected.assert_eq(&table);
}

#[test]
fn strangers_see_only_what_a_rule_opens() {
    check(
        &[r#"read on Stream_* if resource.@open = "yes""#],
        Person::visitor(),
        &["Stream press", "Stream payroll", "App turnover"],
        expect![[r#"
            Stream press allowed, granted by rule 1
            Stream payroll not granted
                1 rule 1: resource.@open = "yes"
                    resource.@open: no value
            App turnover not granted
        "#]],
    );
}

#[test]
fn a_refusal_names_the_clause_that_stood_in_the_way() {
    check(
        &[
            r#"read on Stream_* if user.group = {"sales", "hr"} and resource.name like "P*""#,
            r#"read on Stream_* if user.roles = "X" and user.group = "hr" or resource.@open = "yes" and user.IsAnonymous()"#,
            r#"read on Stream_* if !(resource.@open.Empty() or resource.name = "press")"#,
            "read on Stream_* if false",
            "update on Stream_*",
        ],
        Person::user("ana", &[("group", "it"), ("group", "staff")]),
        &["Stream press"],
        expect![[r#"
            Stream press not granted
                1 rule 1: user.group = {"sales", "hr"}
                    user.group: "it", "staff"
                1 rule 2: user.IsAnonymous()
                    the requester has signed in
                1 rule 3: !(resource.@open.Empty() or resource.name = "press")
                    resource.name: "Press"
                ∞ rule 4: false
        "#]],
    );
}

#[test]
fn a_refusal_shows_which_right_was_missing() {
    check(
        &[
            r#"read on App_* if resource.stream.HasPrivilege("read")"#,
            r#"read on Stream_* if user.group = "press""#,
        ],
        Person::visitor(),
        &["App turnover", "App work"],
        expect![[r#"
            App turnover not granted
                1 rule 1: resource.stream.HasPrivilege("read")
                    resource.stream Stream_f786db9b-3783-d94f-7081-7529fe3030b4: read not granted
            App work not granted
                1 rule 1: resource.stream.HasPrivilege("read")
                    resource.stream: nothing
        "#]],
    );
}

#[test]
fn rules_add_up_and_a_forbidding_one_wins() {
    check(
        &[
            r#"read on Stream_*"#,
            r#"read on * if resource.name = "press""#,
            r#"forbid read on Stream_* if resource.name = "payroll" and user.IsAnonymous()"#,
        ],
        Person::visitor(),
        &["Stream press", "Stream payroll", "App turnover"],
        expect![[r#"
            Stream press allowed, granted by rule 2, rule 1
            Stream payroll forbidden, granted by rule 1, forbidden by rule 3
            App turnover not granted
                1 rule 2: resource.name = "press"
                    resource.name: "Turnover"
        "#]],
    );
    let rules = rules(&["all on Stream_*", "forbid update,delete on *"]);
    let rights = granted(&rules, &site(), RequestContext::Hub, &entity("Stream press"));
    assert_eq!(rights, Actions::ALL - (Actions::UPDATE | Actions::DELETE));
}

#[test]
fn a_rule_is_in_force_in_its_context_only() {
    let rules =
        rules(&["read on Stream_* in hub", "update on Stream_* in console", "delete on Stream_*"]);
    let rights = |context| granted(&rules, &site(), context, &entity("Stream press"));
    assert_eq!(rights(RequestContext::Hub), Actions::READ | Actions::DELETE);
    assert_eq!(rights(RequestContext::Console), Actions::UPDATE | Actions::DELETE);
}

#[test]
fn a_privilege_is_asked_in_the_same_context() {
    let rules = rules(&[
        r#"read on App_* if resource.stream.HasPrivilege("read")"#,
        "read on Stream_* in console",
    ]);
    let can_read =
        |context| allows(&rules, &site(), context, &entity("App turnover"), Action::Read);
    assert!(!can_read(RequestContext::Hub));
    assert!(can_read(RequestContext::Console));
}

/// The shipped rule *Stream* (`spec/access.md` §10 row 19).
#[test]
fn readers_of_a_stream_see_its_apps_and_their_published_objects() {
    let stream = loggia_rules::shipped::security_rules()
        .iter()
        .find(|rule| rule.seed == "stream")
        .unwrap()
        .compile()
        .unwrap();
    let rules = rules(&[r#"read on Stream_* if resource.@open = "yes""#]).with(vec![stream], &[]);
    let site = site().asked_by(Person::visitor());
    let mut table = String::new();
    for thing in [
        "App turnover",
        "App work",
        "App.Object private",
        "App.Object community",
        "App.Object base",
        "App.Object script",
        "App.Object model",
        "App.Object draft",
    ] {
        let can_read = allows(&rules, &site, RequestContext::Hub, &entity(thing), Action::Read);
        writeln!(table, "{} {thing}", if can_read { "yes" } else { "no " }).unwrap();
    }
    expect![[r#"
        yes App turnover
        no  App work
        no  App.Object private
        yes App.Object community
        yes App.Object base
        no  App.Object script
        no  App.Object model
        no  App.Object draft
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_privilege_asked_within_itself_is_not_held() {
    check(
        &[
            r#"read on Stream_* if resource.HasPrivilege("update")"#,
            r#"update on Stream_* if resource.HasPrivilege("read")"#,
            r#"read on App_* if !resource.HasPrivilege("read")"#,
        ],
        Person::visitor(),
        &["Stream press", "App turnover"],
        expect![[r#"
            Stream press not granted
                1 rule 1: resource.HasPrivilege("update")
                    resource Stream_f786db9b-3783-d94f-7081-7529fe3030b4: update not granted
            App turnover allowed, granted by rule 3
        "#]],
    );
    let rules = rules(&[
        r#"read on Stream_* if resource.HasPrivilege("update")"#,
        r#"update on Stream_* if resource.HasPrivilege("read")"#,
        r#"update on App_* if resource.stream.HasPrivilege("update")"#,
        r#"read on App_* if !user.IsAnonymous()"#,
    ]);
    let mut cyclic: Vec<String> =
        rules.cyclic_rules().into_iter().map(|id| rule_name(&rules, id)).collect();
    cyclic.sort();
    assert_eq!(cyclic, ["rule 1", "rule 2"]);
}

#[test]
fn privileges_may_be_asked_within_each_other_eight_deep() {
    // Every library's file asks for the library that it names as its own.
    let chain = |length: usize| {
        let mut site = Site::default();
        for index in 0..length {
            let next = format!("→StaticContentReference {}", index + 1);
            let thing = format!("StaticContentReference {index}");
            // The relation is named app here: any path from a file to a file would do.
            site = site.with(&thing, &[("app", &next)]);
        }
        site.with(&format!("StaticContentReference {length}"), &[("name", "end")])
    };
    let rules = rules(&[
        r#"read on StaticContentReference_* if resource.app.HasPrivilege("read") or resource.name = "end""#,
    ]);
    let can_read = |site: &Site| {
        let first = entity("StaticContentReference 0");
        allows(&rules, site, RequestContext::Hub, &first, Action::Read)
    };
    assert!(can_read(&chain(8)));
    assert!(!can_read(&chain(9)));
}

#[test]
fn rules_that_refer_to_each_other_in_every_way_end() {
    let actions: Vec<&str> = Action::ALL.into_iter().map(Action::name).collect();
    let texts: Vec<String> = actions
        .iter()
        .flat_map(|asked| {
            actions.iter().map(move |other| {
                format!(r#"{asked} on Stream_* if resource.HasPrivilege("{other}")"#)
            })
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let rules = rules(&texts);
    let rights = granted(&rules, &site(), RequestContext::Hub, &entity("Stream press"));
    assert!(rights.is_empty());
}

#[test]
fn what_is_to_be_created_is_judged_by_its_draft() {
    let site =
        Site::default().with("new App.Object", &[("app", "→App work"), ("objecttype", "sheet")]);
    let rules = rules(&[
        r#"create on App.Object_* if resource.objectType = "sheet" and resource.app.HasPrivilege("update")"#,
        "update on App_*",
    ]);
    let new = entity("new App.Object");
    assert!(allows(&rules, &site, RequestContext::Hub, &new, Action::Create));
    assert!(!allows(&rules, &Site::default(), RequestContext::Hub, &new, Action::Create));
}
