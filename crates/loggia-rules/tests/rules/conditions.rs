//! Grammar and values: what a condition means.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_rules::{
    Action, Category, Condition, Entity, Facts, RequestContext, RuleSet, decide, parse_condition,
};

use crate::site::{Person, Site, entity, rule};

fn ana() -> Site {
    Site::default()
        .with(
            "App turnover",
            &[
                ("name", "Turnover 2024"),
                ("owner", "→User ana"),
                ("stream", "→Stream press"),
                ("published", "true"),
                ("@area", "north"),
                ("@area", "South"),
                ("filesize", "1024"),
            ],
        )
        .with("Stream press", &[("name", "Press"), ("owner", "→User ben"), ("@open", "yes")])
        .with("User ana", &[("name", "ana"), ("group", "sales")])
        .with("User ben", &[("name", "Ben")])
        .asked_by(Person::user(
            "ana",
            &[
                ("group", "A"),
                ("group", "B"),
                ("email", "Ana@Example.org"),
                ("roles", "Editor"),
                ("environment.ip", "10.0.0.7"),
                ("@area", "north"),
                ("title", ""),
            ],
        ))
}

fn holds(site: &dyn Facts, condition: &str) -> bool {
    let rule = rule(1, &format!("read on App_* if {condition}"));
    let rules = RuleSet::new(vec![rule]);
    decide(&rules, site, RequestContext::Hub, &turnover(), Action::Read).is_allowed()
}

fn turnover() -> Entity {
    entity("App turnover")
}

/// Prints whether each condition holds for Ana and her app.
fn check(conditions: &[&str], expected: Expect) {
    let site = ana();
    let mut table = String::new();
    for condition in conditions {
        let word = if holds(&site, condition) { "yes" } else { "no " };
        writeln!(table, "{word}  {condition}").unwrap();
    }
    expected.assert_eq(&table);
}

fn check_reading(texts: &[&str], expected: Expect) {
    let mut table = String::new();
    for text in texts {
        let (condition, problems) = parse_condition(text);
        let reading = match condition {
            Some(condition) => condition.to_string(),
            None => format!("{problems:?}"),
        };
        writeln!(table, "{text}\n    {reading}").unwrap();
    }
    expected.assert_eq(&table);
}

#[test]
fn negation_binds_tightest_then_and_then_or() {
    check_reading(
        &[
            "true or true and false",
            "true and false or true",
            "!true or false",
            "not not true and false",
            r#"!user.name = "a" and user.name != "b""#,
            "(true or true) and false",
            "true or true or false",
            "true && false || !true",
            "TRUE AND False oR nOt true",
        ],
        expect![[r#"
            true or true and false
                (true or (true and false))
            true and false or true
                ((true and false) or true)
            !true or false
                (!true or false)
            not not true and false
                (!!true and false)
            !user.name = "a" and user.name != "b"
                (!(user.name = "a") and user.name != "b")
            (true or true) and false
                ((true or true) and false)
            true or true or false
                (true or true or false)
            true && false || !true
                ((true and false) or !true)
            TRUE AND False oR nOt true
                ((true and false) or !true)
        "#]],
    );
}

#[test]
fn a_or_b_and_c_is_a_or_the_rest() {
    let mut table = String::new();
    for bits in 0..8 {
        let [a, b, c] = [4, 2, 1].map(|bit| bits & bit != 0);
        let result = holds(&ana(), &format!("{a} or {b} and {c}"));
        assert_eq!(result, a || (b && c));
        writeln!(table, "{a:5} or {b:5} and {c:5} = {result}").unwrap();
    }
    expect![[r#"
        false or false and false = false
        false or false and true  = false
        false or true  and false = false
        false or true  and true  = true
        true  or false and false = true
        true  or false and true  = true
        true  or true  and false = true
        true  or true  and true  = true
    "#]]
    .assert_eq(&table);
}

#[test]
fn texts_are_read_as_people_write_them() {
    check_reading(
        &[
            "",
            "  // nothing but a comment",
            "user.name = \"a\" // who\n# more\n  and true",
            r#"((user.name)) = ("a")"#,
            r#"user.name = {"a", {"b", 3}, user.email}"#,
            r#"USER.Name LIKE "a*""#,
            r#"user.isanonymous() OR resource.STREAM.empty()"#,
            r#"resource.published = true"#,
            r#"@area = user.@area"#,
            r#"user.environment.ip matches "10\..*""#,
            r#""a" = user.name"#,
            "user.name = “a”",
            "user.name = 'it is \"a\"'",
            r#"resource.stream . HasPrivilege ( "read" )"#,
            "resource.size = -1.50",
            r#"user.some-attribute = "x""#,
        ],
        expect![[r#"

                true
              // nothing but a comment
                true
            user.name = "a" // who
            # more
              and true
                (user.name = "a" and true)
            ((user.name)) = ("a")
                user.name = "a"
            user.name = {"a", {"b", 3}, user.email}
                user.name = {"a", {"b", "3"}, user.email}
            USER.Name LIKE "a*"
                user.Name like "a*"
            user.isanonymous() OR resource.STREAM.empty()
                (user.IsAnonymous() or resource.STREAM.Empty())
            resource.published = true
                resource.published = "true"
            @area = user.@area
                resource.@area = user.@area
            user.environment.ip matches "10\..*"
                user.environment.ip matches "10\..*"
            "a" = user.name
                "a" = user.name
            user.name = “a”
                user.name = "a"
            user.name = 'it is "a"'
                user.name = "it is \"a\""
            resource.stream . HasPrivilege ( "read" )
                resource.stream.HasPrivilege("read")
            resource.size = -1.50
                resource.size = "-1.50"
            user.some-attribute = "x"
                user.some-attribute = "x"
        "#]],
    );
}

#[test]
fn values_compare_as_sets() {
    check(
        &[
            // One value of several is enough.
            r#"user.group = "a""#,
            r#"user.group == "a""#,
            r#"user.group == "A""#,
            r#"user.group = "c""#,
            r#"user.group = {"c", "b"}"#,
            r#"{"c", "b"} = user.group"#,
            r#"user.@area = resource.@area"#,
            r#"resource.@area == "south""#,
            // The trap: true for a member of A, because B differs.
            r#"user.group != "A""#,
            r#"!(user.group = "A")"#,
            r#"user.roles != "editor""#,
            r#"user.roles !== "editor""#,
            // Absent proves nothing, and is not the empty text.
            r#"user.phone = """#,
            r#"user.phone = "x""#,
            r#"user.phone != "x""#,
            r#"user.phone like "*""#,
            r#"user.phone.Empty()"#,
            r#"user.title = """#,
            r#"user.title.Empty()"#,
            r#"resource.@missing != "x""#,
        ],
        expect![[r#"
            yes  user.group = "a"
            no   user.group == "a"
            yes  user.group == "A"
            no   user.group = "c"
            yes  user.group = {"c", "b"}
            yes  {"c", "b"} = user.group
            yes  user.@area = resource.@area
            no   resource.@area == "south"
            yes  user.group != "A"
            no   !(user.group = "A")
            no   user.roles != "editor"
            yes  user.roles !== "editor"
            no   user.phone = ""
            no   user.phone = "x"
            no   user.phone != "x"
            no   user.phone like "*"
            yes  user.phone.Empty()
            yes  user.title = ""
            no   user.title.Empty()
            no   resource.@missing != "x"
        "#]],
    );
}

#[test]
fn patterns_match_the_whole_value() {
    check(
        &[
            r#"user.email like "ana@*""#,
            r#"user.email like "*@example.???""#,
            r#"user.email like "example""#,
            r#"resource.name like {"x*", "turn*"}"#,
            r#"resource.name like "Turnover\*""#,
            r#"user.email matches "Ana@.*""#,
            r#"user.email matches "ana@.*""#,
            r#"user.email matches "Example""#,
            r#"user.email matches "(?i)ana@example\.(com|org)""#,
            r#"user.group matches {"x", "[AB]"}"#,
            r#"user.group matches "A|B.""#,
            r#"user.email matches "(?x)Ana@.* # with a comment""#,
            r#"resource.name matches "[^0-9]+\d{4}""#,
        ],
        expect![[r#"
            yes  user.email like "ana@*"
            yes  user.email like "*@example.???"
            no   user.email like "example"
            yes  resource.name like {"x*", "turn*"}
            no   resource.name like "Turnover\*"
            yes  user.email matches "Ana@.*"
            no   user.email matches "ana@.*"
            no   user.email matches "Example"
            yes  user.email matches "(?i)ana@example\.(com|org)"
            yes  user.group matches {"x", "[AB]"}
            yes  user.group matches "A|B."
            yes  user.email matches "(?x)Ana@.* # with a comment"
            yes  resource.name matches "[^0-9]+\d{4}"
        "#]],
    );
}

#[test]
fn paths_follow_relations_and_things_compare_by_identity() {
    check(
        &[
            "resource.owner = user",
            "resource.stream.owner = user",
            "resource.stream.owner != user",
            r#"resource.stream.owner.name = "ben""#,
            r#"resource.owner.group = "SALES""#,
            r#"resource.stream.@open = "yes""#,
            "resource.IsOwned()",
            "resource.stream.Empty()",
            r#"resource.resourcetype = "app""#,
            r#"resource.resourcetype == "App""#,
            r#"resource.published = "TRUE""#,
            "resource.published = true",
            "resource.fileSize = 1024.0",
            r#"resource.filesize == "1024.0""#,
            r#"user.userId = "ana" and user.userDirectory = "loggia""#,
            r#"user.environment.context = "AppAccess""#,
            r#"user.environment.ip = "10.0.0.7""#,
            "user.IsAnonymous()",
        ],
        expect![[r#"
            yes  resource.owner = user
            no   resource.stream.owner = user
            yes  resource.stream.owner != user
            yes  resource.stream.owner.name = "ben"
            yes  resource.owner.group = "SALES"
            yes  resource.stream.@open = "yes"
            yes  resource.IsOwned()
            no   resource.stream.Empty()
            yes  resource.resourcetype = "app"
            yes  resource.resourcetype == "App"
            yes  resource.published = "TRUE"
            yes  resource.published = true
            yes  resource.fileSize = 1024.0
            no   resource.filesize == "1024.0"
            yes  user.userId = "ana" and user.userDirectory = "loggia"
            yes  user.environment.context = "AppAccess"
            yes  user.environment.ip = "10.0.0.7"
            no   user.IsAnonymous()
        "#]],
    );
}

#[test]
fn only_the_flag_makes_somebody_anonymous() {
    let mut spoofed = Person::user("anonymous1", &[]);
    spoofed.set("userdirectory", "NONE");
    assert!(!holds(&ana().asked_by(spoofed), "user.IsAnonymous()"));
    assert!(holds(&ana().asked_by(Person::visitor()), "user.IsAnonymous()"));
    assert!(holds(&ana().asked_by(Person::visitor()), r#"user.userDirectory = "none""#));
    // A visitor is nobody who could own anything, not even something without an owner.
    assert!(!holds(&ana().asked_by(Person::visitor()), "resource.owner = user"));
    assert!(!holds(&ana().asked_by(Person::visitor()), "resource.owner != user"));
}

#[test]
fn a_regular_expression_takes_linear_time() {
    let long = "a".repeat(50_000);
    let site = ana().asked_by(Person::user(&long, &[]));
    // Backtracking engines need more than the age of the universe for these.
    assert!(!holds(&site, r#"user.name matches "(a+)+b""#));
    assert!(!holds(&site, r#"user.name matches "(a|a)*(a|aa)*x""#));
}

#[test]
fn licence_rules_read_the_requester_only() {
    let admits = |text: &str, person: Person| {
        let condition = Condition::compile(text, Category::License).unwrap();
        loggia_rules::admits(&condition, &ana().asked_by(person))
    };
    assert!(admits("user.IsAnonymous()", Person::visitor()));
    assert!(!admits("user.IsAnonymous()", Person::user("ben", &[])));
    assert!(admits(r#"user.group = "sales""#, Person::user("ben", &[("group", "Sales")])));
    assert!(admits(r#"user.environment.context = "AppAccess""#, Person::visitor()));
    assert!(admits("", Person::visitor()));
}
