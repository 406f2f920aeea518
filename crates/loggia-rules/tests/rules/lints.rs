//! What is worth a look about a rule that can be used; and that no lint claims what is not so.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_rules::lint::Place;
use loggia_rules::{
    Action, Actions, Category, Condition, Context, Effect, Entity, Lint, LintScope, RequestContext,
    ResourceFilter, Rule, RuleSet, decide, lint,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::site::{Person, Site, entity, rule, rule_name, rules};

const SECURITY: LintScope = LintScope { category: Category::Security };

/// Looks at the last rule, given the ones before it.
fn check(cases: &[&[&str]], expected: Expect) {
    let mut report = String::new();
    for texts in cases {
        let (last, before) = texts.split_last().unwrap();
        let others = rules(before);
        let looked_at = rule(texts.len(), last);
        writeln!(report, "{}", texts.join("\n")).unwrap();
        show(&mut report, &looked_at, &others, &lint(&looked_at, &others, SECURITY));
    }
    expected.assert_eq(&report);
}

fn show(report: &mut String, rule: &Rule, others: &RuleSet, lints: &[Lint]) {
    if lints.is_empty() {
        writeln!(report, "    nothing").unwrap();
    }
    for lint in lints {
        let text = match lint.place {
            Place::Filter => rule.filter.text(),
            _ => rule.condition.text(),
        };
        write!(report, "    {}", lint.code).unwrap();
        if let Some(span) = lint.span {
            write!(report, " `{}`", span.of(text)).unwrap();
        }
        write!(report, ": {}", lint.message).unwrap();
        if let Some(suggestion) = &lint.suggestion {
            write!(report, " [{suggestion}]").unwrap();
        }
        if let Some(other) = lint.other {
            write!(report, " → {}", rule_name(others, other)).unwrap();
        }
        writeln!(report).unwrap();
    }
}

#[test]
fn conditions_that_hold_for_everybody() {
    check(
        &[
            &["read on Stream_*"],
            &["read on App_*, App.Object_* in hub if // nobody reads this"],
            &["read on Stream_* in console"],
            &["read on SystemRule_*"],
            &["forbid read on Stream_*"],
            &["read on Stream_* if true"],
            &["read on Stream_* if user.IsAnonymous() or !user.IsAnonymous()"],
            &[r#"read on App_* if resource.resourcetype = "App""#],
            &["forbid all on *"],
            &["forbid read,update on * if true"],
            &["forbid create on * in hub if true"],
        ],
        expect![[r#"
            read on Stream_*
                rule-empty-condition ``: an empty condition holds for everyone, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it [!user.IsAnonymous()]
            read on App_*, App.Object_* in hub if // nobody reads this
                rule-empty-condition `// nobody reads this`: an empty condition holds for everyone, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it [!user.IsAnonymous()]
            read on Stream_* in console
                rule-empty-condition ``: an empty condition holds for everyone; write !user.IsAnonymous() to keep visitors out, or true to mean it [!user.IsAnonymous()]
            read on SystemRule_*
                rule-empty-condition ``: an empty condition holds for everyone; write !user.IsAnonymous() to keep visitors out, or true to mean it [!user.IsAnonymous()]
            forbid read on Stream_*
                rule-empty-condition ``: an empty condition forbids it to everyone, including anonymous visitors; write true to mean it [true]
            read on Stream_* if true
                nothing
            read on Stream_* if user.IsAnonymous() or !user.IsAnonymous()
                rule-always-holds `user.IsAnonymous() or !user.IsAnonymous()`: this condition always holds, so it holds for everyone, including anonymous visitors; write true to mean it [true]
            read on App_* if resource.resourcetype = "App"
                rule-always-holds `resource.resourcetype = "App"`: this condition always holds, so it holds for everyone, including anonymous visitors; write true to mean it [true]
            forbid all on *
                rule-forbids-everything: this forbids everything to everybody, administrators too: nobody could take it back by signing in
            forbid read,update on * if true
                rule-forbids-everything: this forbids everything to everybody, administrators too: nobody could take it back by signing in
            forbid create on * in hub if true
                nothing
        "#]],
    );
}

#[test]
fn conditions_that_never_hold() {
    check(
        &[
            &["read on App_* if false"],
            &["read on App_* if user.IsAnonymous() and !user.IsAnonymous()"],
            &[r#"read on App_* if resource.name = "a" and resource.name = "b""#],
            &[r#"read on App_* if resource.name = "a" and resource.name = "A ""#],
            &[r#"read on App_* if user.group = "a" and user.group = "b""#],
            &[r#"read on App_* if user.IsAnonymous() and user.roles = "Editor""#],
            &[r#"read on App_* if user.IsAnonymous() and user.userDirectory = "ACME""#],
            &[r#"read on App_* if user.IsAnonymous() and user.userDirectory = "none""#],
            &[r#"read on App_* if user.userDirectory = "NONE" and resource.owner = user"#],
            &[r#"read on App_* if !user.IsAnonymous() and user.userDirectory like "n?ne""#],
            &[
                r#"read on App_* if resource.stream.Empty() and resource.stream.HasPrivilege("read")"#,
            ],
            &[r#"read on App_* if resource.stream.Empty() and resource.stream.name like "a*""#],
            &["read on App_* if !resource.IsOwned() and resource.owner = user"],
            &[
                r#"read on App_* if (user.IsAnonymous() or resource.stream.Empty()) and user.@dept = "x" and resource.stream.name = "y""#,
            ],
            &[r#"read on Stream_* if resource.resourcetype = "App""#],
            &[r#"read on App_* in hub if user.environment.context = "ManagementAccess""#],
            &[r#"read on App_* if user.environment.context = "ManagementAccess""#],
            &[r#"read on App_* if resource.fileSize = "1" and resource.fileSize != "1.0""#],
        ],
        expect![[r#"
            read on App_* if false
                rule-never-holds `false`: this condition never holds: it is false whatever anybody has
            read on App_* if user.IsAnonymous() and !user.IsAnonymous()
                rule-never-holds `user.IsAnonymous() and !user.IsAnonymous()`: this condition never holds: user.IsAnonymous() would have to hold and not to hold
            read on App_* if resource.name = "a" and resource.name = "b"
                rule-never-holds `resource.name = "a" and resource.name = "b"`: this condition never holds: resource.name = "a" and resource.name = "b" exclude each other
            read on App_* if resource.name = "a" and resource.name = "A "
                rule-never-holds `resource.name = "a" and resource.name = "A "`: this condition never holds: resource.name = "a" and resource.name = "A " exclude each other
            read on App_* if user.group = "a" and user.group = "b"
                nothing
            read on App_* if user.IsAnonymous() and user.roles = "Editor"
                rule-never-holds `user.IsAnonymous() and user.roles = "Editor"`: this condition never holds: user.IsAnonymous() and user.roles = "Editor" exclude each other
            read on App_* if user.IsAnonymous() and user.userDirectory = "ACME"
                rule-never-holds `user.IsAnonymous() and user.userDirectory = "ACME"`: this condition never holds: user.IsAnonymous() and user.userDirectory = "ACME" exclude each other
            read on App_* if user.IsAnonymous() and user.userDirectory = "none"
                nothing
            read on App_* if user.userDirectory = "NONE" and resource.owner = user
                rule-never-holds `user.userDirectory = "NONE" and resource.owner = user`: this condition never holds: its parts exclude each other
            read on App_* if !user.IsAnonymous() and user.userDirectory like "n?ne"
                nothing
            read on App_* if resource.stream.Empty() and resource.stream.HasPrivilege("read")
                rule-never-holds `resource.stream.Empty() and resource.stream.HasPrivilege("read")`: this condition never holds: resource.stream.Empty() and resource.stream.HasPrivilege("read") exclude each other
            read on App_* if resource.stream.Empty() and resource.stream.name like "a*"
                rule-never-holds `resource.stream.Empty() and resource.stream.name like "a*"`: this condition never holds: resource.stream.Empty() and resource.stream.name like "a*" exclude each other
            read on App_* if !resource.IsOwned() and resource.owner = user
                rule-never-holds `!resource.IsOwned() and resource.owner = user`: this condition never holds: resource.IsOwned() and resource.owner = user exclude each other
            read on App_* if (user.IsAnonymous() or resource.stream.Empty()) and user.@dept = "x" and resource.stream.name = "y"
                rule-never-holds `(user.IsAnonymous() or resource.stream.Empty()) and user.@dept = "x" and resource.stream.name = "y"`: this condition never holds: user.@dept = "x" and user.IsAnonymous() exclude each other
            read on Stream_* if resource.resourcetype = "App"
                rule-type-outside-filter `"App"`: the rule's filter names no App (it is Stream)
                rule-never-holds `resource.resourcetype = "App"`: this condition never holds: it is false whatever anybody has
            read on App_* in hub if user.environment.context = "ManagementAccess"
                rule-never-holds `user.environment.context = "ManagementAccess"`: this condition never holds: it is false whatever anybody has
            read on App_* if user.environment.context = "ManagementAccess"
                nothing
            read on App_* if resource.fileSize = "1" and resource.fileSize != "1.0"
                rule-never-holds `resource.fileSize = "1" and resource.fileSize != "1.0"`: this condition never holds: resource.fileSize = "1" and resource.fileSize != "1.0" exclude each other
        "#]],
    );
}

#[test]
fn rules_that_another_one_makes_useless() {
    check(
        &[
            &["read on App_*", r#"read on App_* if user.group = "a""#],
            &["read on App_* in hub", r#"read on App_* if user.group = "a""#],
            &["read on App_* in hub", r#"read on App_* in hub if user.group = "a""#],
            &["read on App* if true", r#"read on App.Object_* if user.group = "a""#],
            &["read on App_* if true", r#"read,update on App_* if user.group = "a""#],
            &["forbid read on App_* if true", r#"read on App_* if user.group = "a""#],
            &[
                r#"read on Stream_* if user.group = {"a", "B", "c"}"#,
                r#"read on Stream_* if user.group = "b""#,
            ],
            &[
                r#"read on Stream_* if user.group = "b""#,
                r#"read on Stream_* if user.group = {"a", "B", "c"}"#,
            ],
            &[
                r#"read on Stream_* if resource.name like "sales*" or user.roles = "x""#,
                r#"read on Stream_* if resource.name = "Sales north" and !user.IsAnonymous()"#,
            ],
            &[
                "read on App_* if !resource.stream.Empty()",
                r#"read on App_* if resource.stream.HasPrivilege("read")"#,
            ],
            &[
                "read on App_* if user.IsAnonymous() or resource.IsOwned()",
                r#"read on App_* if resource.owner = user"#,
            ],
            &[
                r#"read on App_* if (user.group = "b" or user.IsAnonymous()) and true"#,
                r#"read on App_* if !(!user.isanonymous() and !("B" = USER.GROUP))"#,
            ],
            &[
                r#"read on App* if (resource.resourcetype = "App" and user.group = "a") or (resource.resourcetype = "App.Object" and user.group = "b")"#,
                r#"read on App.Object_* if user.group = "b""#,
            ],
            &["read on Stream_6c62272e-07bb-0142-62b8-21756295c58d", "read on Stream_*"],
            &["read on Stream_*", "read on Stream_6c62272e-07bb-0142-62b8-21756295c58d"],
            &[
                "read on QmcSection_App* in console",
                "read on QmcSection_App, QmcSection_App.Object in console",
            ],
            &["read on App_*", "read on App_* if false"],
        ],
        expect![[r#"
            read on App_*
            read on App_* if user.group = "a"
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on App_* in hub
            read on App_* if user.group = "a"
                nothing
            read on App_* in hub
            read on App_* in hub if user.group = "a"
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on App* if true
            read on App.Object_* if user.group = "a"
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on App_* if true
            read,update on App_* if user.group = "a"
                nothing
            forbid read on App_* if true
            read on App_* if user.group = "a"
                nothing
            read on Stream_* if user.group = {"a", "B", "c"}
            read on Stream_* if user.group = "b"
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on Stream_* if user.group = "b"
            read on Stream_* if user.group = {"a", "B", "c"}
                nothing
            read on Stream_* if resource.name like "sales*" or user.roles = "x"
            read on Stream_* if resource.name = "Sales north" and !user.IsAnonymous()
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on App_* if !resource.stream.Empty()
            read on App_* if resource.stream.HasPrivilege("read")
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on App_* if user.IsAnonymous() or resource.IsOwned()
            read on App_* if resource.owner = user
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on App_* if (user.group = "b" or user.IsAnonymous()) and true
            read on App_* if !(!user.isanonymous() and !("B" = USER.GROUP))
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on App* if (resource.resourcetype = "App" and user.group = "a") or (resource.resourcetype = "App.Object" and user.group = "b")
            read on App.Object_* if user.group = "b"
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on Stream_6c62272e-07bb-0142-62b8-21756295c58d
            read on Stream_*
                rule-empty-condition ``: an empty condition holds for everyone, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it [!user.IsAnonymous()]
            read on Stream_*
            read on Stream_6c62272e-07bb-0142-62b8-21756295c58d
                rule-empty-condition ``: an empty condition holds for everyone, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it [!user.IsAnonymous()]
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on QmcSection_App* in console
            read on QmcSection_App, QmcSection_App.Object in console
                rule-empty-condition ``: an empty condition holds for everyone; write !user.IsAnonymous() to keep visitors out, or true to mean it [!user.IsAnonymous()]
                rule-useless: the rule "rule 1" already grants all that this one does → rule 1
            read on App_*
            read on App_* if false
                rule-never-holds `false`: this condition never holds: it is false whatever anybody has
        "#]],
    );
}

#[test]
fn filters_and_questions_that_lead_nowhere() {
    check(
        &[
            &[r#"read on QmcSection_* in hub if user.roles = "x""#],
            &[r#"read on SystemRule_*, Stream_*, QmcSection_Stream in hub if user.roles = "x""#],
            &[r#"read on HubSection_*, Tag_* in hub if user.roles = "x""#],
            &[r#"read on QmcSection_*, SystemRule_* in console if user.roles = "x""#],
            &[r#"read on App_* if resource.HasPrivilege("read")"#],
            &[
                r#"update on App_* if resource.HasPrivilege("read")"#,
                r#"read on App_* if user.IsAnonymous() or resource.HasPrivilege("update")"#,
            ],
            &[
                r#"update on App_* if resource.HasPrivilege("read")"#,
                r#"read on App_* if resource.stream.HasPrivilege("read")"#,
            ],
            &[r#"read on Ap_* if user.group != "a" and user.name = 'b'"#],
        ],
        expect![[r#"
            read on QmcSection_* in hub if user.roles = "x"
                rule-console-only: only the console shows what this rule is about, so in the context "only in the hub" it does nothing
            read on SystemRule_*, Stream_*, QmcSection_Stream in hub if user.roles = "x"
                rule-console-only `SystemRule_*`: only the console shows SystemRule_*, and this rule is in force in the hub
                rule-console-only `QmcSection_Stream`: only the console shows QmcSection_Stream, and this rule is in force in the hub
            read on HubSection_*, Tag_* in hub if user.roles = "x"
                nothing
            read on QmcSection_*, SystemRule_* in console if user.roles = "x"
                nothing
            read on App_* if resource.HasPrivilege("read")
                rule-asks-itself `resource.HasPrivilege("read")`: what HasPrivilege asks here can lead back to this rule; a question that is asked within itself is answered no
            update on App_* if resource.HasPrivilege("read")
            read on App_* if user.IsAnonymous() or resource.HasPrivilege("update")
                rule-asks-itself `resource.HasPrivilege("update")`: what HasPrivilege asks here can lead back to this rule; a question that is asked within itself is answered no
            update on App_* if resource.HasPrivilege("read")
            read on App_* if resource.stream.HasPrivilege("read")
                nothing
            read on Ap_* if user.group != "a" and user.name = 'b'
                rule-filter-unknown-type `Ap`: Ap is no resource type, so this matches nothing; did you mean App? [App]
                rule-many-not-equal `user.group != "a"`: != is true as soon as one of several values differs [!(user.group = "a")]
                rule-other-quotes `'b'`: quotes of another kind were read as straight double quotes ["b"]
        "#]],
    );
}

fn licence_rule(filter: &str, condition: &str) -> Rule {
    let filter: ResourceFilter = filter.parse().unwrap();
    let condition = Condition::compile_for(condition, Category::License, &filter).unwrap();
    Rule {
        id: Uuid::from_u128(1),
        name: "licence".into(),
        filter,
        actions: Actions::CREATE,
        context: Context::Hub,
        effect: Effect::Allow,
        condition,
    }
}

#[test]
fn licence_rules_that_admit_nobody_or_the_wrong_ones() {
    let (seat, pool) = ("License.ProfessionalAccessGroup_*", "License.AnalyzerTimeAccessType_*");
    let mut report = String::new();
    for (filter, condition) in [
        (pool, ""),
        (seat, ""),
        (pool, "user.IsAnonymous()"),
        (pool, "false"),
        (pool, r#"user.IsAnonymous() and user.@dept = "x""#),
        (pool, r#"user.userDirectory = "NONE" and user.roles = {"x", "y"}"#),
        (pool, r#"user.IsAnonymous() and user.userId = "ana""#),
        (pool, r#"user.environment.context = "ManagementAccess" and user.group = "x""#),
        (pool, r#"user.IsAnonymous() and user.environment.ip like "10.*""#),
        (seat, "user.IsAnonymous()"),
        (seat, r#"user.group = "x" or user.userDirectory = "NONE""#),
        (seat, r#"user.group = "x""#),
        (seat, "!user.IsAnonymous()"),
    ] {
        let rule = licence_rule(filter, condition);
        let others = RuleSet::default();
        let scope = LintScope { category: Category::License };
        writeln!(report, "{filter} if {condition}").unwrap();
        show(&mut report, &rule, &others, &lint(&rule, &others, scope));
    }
    expect![[r#"
        License.AnalyzerTimeAccessType_* if 
            rule-empty-condition ``: an empty condition lets everyone draw, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it [!user.IsAnonymous()]
        License.ProfessionalAccessGroup_* if 
            rule-empty-condition ``: an empty condition gives everyone who signs in a seat; write true to mean it [true]
        License.AnalyzerTimeAccessType_* if user.IsAnonymous()
            nothing
        License.AnalyzerTimeAccessType_* if false
            rule-licence-admits-nobody `false`: this rule admits nobody: it is false whatever anybody has
        License.AnalyzerTimeAccessType_* if user.IsAnonymous() and user.@dept = "x"
            rule-licence-admits-nobody `user.IsAnonymous() and user.@dept = "x"`: this rule admits nobody: user.IsAnonymous() and user.@dept = "x" exclude each other
        License.AnalyzerTimeAccessType_* if user.userDirectory = "NONE" and user.roles = {"x", "y"}
            rule-licence-admits-nobody `user.userDirectory = "NONE" and user.roles = {"x", "y"}`: this rule admits nobody: its parts exclude each other
        License.AnalyzerTimeAccessType_* if user.IsAnonymous() and user.userId = "ana"
            rule-licence-admits-nobody `user.IsAnonymous() and user.userId = "ana"`: this rule admits nobody: user.IsAnonymous() and user.userId = "ana" exclude each other
        License.AnalyzerTimeAccessType_* if user.environment.context = "ManagementAccess" and user.group = "x"
            rule-licence-admits-nobody `user.environment.context = "ManagementAccess" and user.group = "x"`: this rule admits nobody: it is false whatever anybody has
        License.AnalyzerTimeAccessType_* if user.IsAnonymous() and user.environment.ip like "10.*"
            nothing
        License.ProfessionalAccessGroup_* if user.IsAnonymous()
            rule-seat-for-visitors `user.IsAnonymous()`: seats are for named people: an anonymous visitor never gets one, so this rule admits nobody; use a pool of analyzer capacity or login access
        License.ProfessionalAccessGroup_* if user.group = "x" or user.userDirectory = "NONE"
            rule-seat-for-visitors `user.group = "x" or user.userDirectory = "NONE"`: seats are for named people: an anonymous visitor never gets one, whatever the rule says; use a pool of analyzer capacity or login access
        License.ProfessionalAccessGroup_* if user.group = "x"
            nothing
        License.ProfessionalAccessGroup_* if !user.IsAnonymous()
            nothing
    "#]].assert_eq(&report);
}

#[test]
fn what_ships_is_not_worth_a_look() {
    let all: Vec<Rule> = loggia_rules::shipped::security_rules()
        .iter()
        .map(|rule| rule.compile().unwrap())
        .collect();
    let others = RuleSet::new(all.clone());
    let mut report = String::new();
    for rule in &all {
        let lints = lint(rule, &others, SECURITY);
        if !lints.is_empty() {
            writeln!(report, "{}", rule.name).unwrap();
            show(&mut report, rule, &others, &lints);
        }
    }
    expect![[r#""#]].assert_eq(&report);
}

#[test]
fn looking_at_a_rule_among_ten_thousand_ends() {
    let many = (0..10_000).map(|n| {
        let condition =
            format!(r#"user.group = "group{n}" and resource.stream.HasPrivilege("read")"#);
        let filter: ResourceFilter = "App_*".parse().unwrap();
        let id = Uuid::from_u128(n);
        let condition = Condition::compile_for(&condition, Category::Security, &filter).unwrap();
        Rule { id, condition, filter, ..rule(1, "read on App_*") }
    });
    let others = RuleSet::new(many.collect::<Vec<Rule>>());
    // As many alternatives as there is room for, and too many.
    for width in [2, 3, 40] {
        let part = |n: usize| {
            let texts = (0..width).map(|m| format!(r#"user.@p{n} = "{m}""#));
            format!("({})", texts.collect::<Vec<String>>().join(" or "))
        };
        let condition: Vec<String> = (0..7).map(part).collect();
        let looked_at = rule(1, &format!("read on App_* if {}", condition.join(" and ")));
        assert_eq!(lint(&looked_at, &others, SECURITY), []);
    }
}

// Random rules, things and people, as every site keeps them.

const NAMES: [&str; 4] = ["a", "A", "b", "1"];

fn test() -> impl Strategy<Value = String> {
    let value =
        || prop::sample::select(vec!["\"a\"", "\"A\"", "\"b\"", "\"1\"", "\"1.0\"", "\"NONE\""]);
    let single = prop::sample::select(vec![
        "resource.name",
        "user.name",
        "user.userDirectory",
        "resource.stream.name",
        "user.environment.ip",
    ]);
    let many = prop::sample::select(vec![
        "user.group",
        "user.roles",
        "user.@area",
        "resource.@area",
        "user.environment.group",
    ]);
    let path = prop_oneof![single, many];
    let comparison = prop::sample::select(vec!["=", "==", "!=", "!=="]);
    prop_oneof![
        4 => (path.clone(), comparison, value()).prop_map(|(p, c, v)| format!("{p} {c} {v}")),
        1 => (path.clone(), prop::sample::select(vec!["\"a*\"", "\"*\"", "\"?\"", "\"n*\""]))
            .prop_map(|(p, v)| format!("{p} like {v}")),
        1 => (path.clone(), value(), value()).prop_map(|(p, v, w)| format!("{p} = {{{v}, {w}}}")),
        1 => (path.clone(), path, prop::sample::select(vec!["=", "==", "!=", "!=="]))
            .prop_map(|(p, q, c)| format!("{p} {c} {q}")),
        3 => prop::sample::select(vec![
            "user.IsAnonymous()",
            "resource.stream.Empty()",
            "resource.stream.name.Empty()",
            "resource.@area.Empty()",
            "user.roles.Empty()",
            "resource.IsOwned()",
            "resource.owner = user",
            "resource.owner != user",
            "resource.stream.owner = user",
            r#"resource.stream.HasPrivilege("read")"#,
            r#"resource.HasPrivilege("update")"#,
            r#"resource.resourcetype = "App""#,
            r#"resource.resourcetype != "Stream""#,
            r#"user.environment.context = "AppAccess""#,
            "true",
            "false",
        ]).prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    test().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|p| format!("({})", p.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|p| format!("({})", p.join(" or "))),
            inner.prop_map(|part| format!("!({part})")),
        ]
    })
}

fn random_rule() -> impl Strategy<Value = Rule> {
    let filter = prop::sample::select(vec!["*", "App*", "App_*", "Stream_*", "App_*, Stream_*"]);
    let actions =
        prop::sample::select(vec![Actions::READ, Actions::READ | Actions::UPDATE, Actions::UPDATE]);
    let context = prop::sample::select(vec![Context::Both, Context::Hub, Context::Console]);
    let effect = prop_oneof![4 => Just(Effect::Allow), 1 => Just(Effect::Forbid)];
    (any::<u128>(), filter, actions, context, effect, condition()).prop_map(
        |(id, filter, actions, context, effect, condition)| {
            let filter: ResourceFilter = filter.parse().unwrap();
            let condition = Condition::compile(&condition, Category::Security).unwrap();
            let id = Uuid::from_u128(id);
            Rule { id, name: "rule".into(), filter, actions, context, effect, condition }
        },
    )
}

/// The rule with another condition, wider or narrower or neither.
fn variant(rule: Rule) -> impl Strategy<Value = Rule> {
    let text = rule.condition.text().to_owned();
    let contexts = prop::sample::select(vec![Context::Both, Context::Hub, Context::Console]);
    let filters = prop::sample::select(vec!["*", "App*", "App_*", "App_*, Stream_*"]);
    (any::<u128>(), condition(), 0..4, contexts, filters, any::<bool>()).prop_map(
        move |(id, more, how, context, filter, is_same)| {
            let text = match how {
                0 => text.clone(),
                1 => format!("{text} or {more}"),
                2 => format!("({text}) and {more}"),
                _ => format!("!(!({text}) and !{more})"),
            };
            let condition = Condition::compile(&text, Category::Security).unwrap();
            let id = Uuid::from_u128(id);
            let copy = Rule { id, condition, ..rule.clone() };
            if is_same {
                return copy;
            }
            Rule { filter: filter.parse().unwrap(), context, ..copy }
        },
    )
}

fn world() -> impl Strategy<Value = Site> {
    let names = prop::sample::select(NAMES.to_vec());
    let some = || prop::collection::vec(prop::sample::select(NAMES.to_vec()), 0..3);
    let maybe = prop::option::of(names.clone());
    let thing = (
        maybe.clone(),
        some(),
        prop::option::of(prop::sample::select(vec!["→User ana", "→User ben"])),
    );
    let directory = prop::sample::select(vec!["ACME", "a", "b"]);
    let person = (names, directory, some(), some(), some(), maybe, some());
    (thing.clone(), any::<bool>(), thing, person, any::<bool>()).prop_map(
        |(app, is_published, stream, person, is_visitor)| {
            let properties = |(name, areas, owner): (
                Option<&'static str>,
                Vec<&'static str>,
                Option<&'static str>,
            )| {
                let mut all: Vec<(&str, &str)> =
                    areas.into_iter().map(|area| ("@area", area)).collect();
                all.extend(name.map(|name| ("name", name)));
                all.extend(owner.map(|owner| ("owner", owner)));
                all
            };
            let mut app = properties(app);
            if is_published {
                app.push(("stream", "→Stream one"));
            }
            let (name, directory, groups, roles, areas, ip, session) = person;
            let person = if is_visitor {
                let mut visitor = Person::visitor();
                if let Some(ip) = ip {
                    visitor.set("environment.ip", ip);
                }
                if let Some(group) = session.first() {
                    visitor.set("environment.group", group);
                }
                visitor
            } else {
                let mut all = vec![("userdirectory", directory), ("name", name)];
                all.extend(groups.into_iter().map(|value| ("group", value)));
                all.extend(roles.into_iter().map(|value| ("roles", value)));
                all.extend(areas.into_iter().map(|value| ("@area", value)));
                all.extend(session.into_iter().map(|value| ("environment.group", value)));
                all.extend(ip.map(|value| ("environment.ip", value)));
                Person::only("ana", &all)
            };
            Site::default()
                .with("App one", &app)
                .with("Stream one", &properties(stream))
                .asked_by(person)
        },
    )
}

/// Every question that the small world has room for, and the rules that hold for it.
fn holding(
    rules: &RuleSet,
    site: &Site,
    mut visit: impl FnMut(&[Uuid], &Entity, Action, RequestContext),
) {
    for context in [RequestContext::Hub, RequestContext::Console] {
        for thing in [entity("App one"), entity("Stream one")] {
            for action in [Action::Read, Action::Update] {
                let decision = decide(rules, site, context, &thing, action);
                let all: Vec<Uuid> =
                    decision.granted_by.iter().chain(&decision.forbidden_by).copied().collect();
                visit(&all, &thing, action, context);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn a_lint_is_never_wrong(
        (looked_at, wider) in random_rule().prop_flat_map(|rule| (Just(rule.clone()), variant(rule))),
        third in random_rule(),
        sites in prop::collection::vec(world(), 8),
    ) {
        let others = RuleSet::new(vec![wider.clone(), third.clone()]);
        let lints = lint(&looked_at, &others, SECURITY);
        let rules = others.with(vec![looked_at.clone()], &[]);
        for lint in &lints {
            for site in &sites {
                holding(&rules, site, |holding, thing, action, context| {
                    let holds = holding.contains(&looked_at.id);
                    let is_asked = looked_at.filter.matches(thing)
                        && looked_at.actions.contains(action)
                        && looked_at.context.covers(context);
                    match lint.code {
                        lint::NEVER_HOLDS => assert!(!holds),
                        lint::ALWAYS_HOLDS | lint::FORBIDS_EVERYTHING => assert_eq!(holds, is_asked),
                        lint::USELESS => {
                            assert!(!holds || holding.contains(&lint.other.unwrap()), "{wider:?}");
                        }
                        _ => {}
                    }
                });
            }
        }
    }

    #[test]
    fn looking_for_lints_finds_what_is_plainly_there(rule in random_rule(), more in condition()) {
        // The same rule again, and with one more demand, is useless unless it never holds at all.
        for text in [
            rule.condition.text().to_owned(),
            format!("({}) and {more}", rule.condition.text()),
        ] {
            let condition = Condition::compile(&text, Category::Security).unwrap();
            let narrower = Rule { id: Uuid::from_u128(7), condition, ..rule.clone() };
            let lints = lint(&narrower, &RuleSet::new(vec![rule.clone()]), SECURITY);
            let is_told = lints.iter().any(|lint| {
                lint.code == lint::USELESS || lint.code == lint::NEVER_HOLDS
            });
            prop_assert!(is_told, "{:?} {:?}", rule, text);
        }
    }
}
