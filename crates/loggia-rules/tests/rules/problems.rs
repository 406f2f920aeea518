//! What is said of texts that are wrong: all of it at once, each with its place.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_rules::{Category, Condition, Problem, ResourceFilter, Severity, parse_condition};

/// Prints the problems of a condition for a rule with this filter, each with a line that marks its
/// place.
fn check_for(filter: &str, category: Category, texts: &[&str], expected: Expect) {
    let filter: ResourceFilter = filter.parse().unwrap();
    let mut report = String::new();
    for text in texts {
        writeln!(report, "{text}").unwrap();
        let problems = match Condition::compile_for(text, category, &filter) {
            Ok(condition) => condition.warnings().to_vec(),
            Err(problems) => problems,
        };
        if problems.is_empty() {
            writeln!(report, "    fine").unwrap();
        }
        for problem in &problems {
            show(&mut report, text, problem);
        }
    }
    expected.assert_eq(&report);
}

fn check(texts: &[&str], expected: Expect) {
    check_for("*", Category::Security, texts, expected);
}

fn show(report: &mut String, text: &str, problem: &Problem) {
    let before = text[..problem.span.start].chars().count();
    let width = problem.span.of(text).chars().count().max(1);
    let mark = match problem.severity() {
        Severity::Error => "^",
        Severity::Warning => "~",
    };
    writeln!(report, "{}{}", " ".repeat(before), mark.repeat(width)).unwrap();
    write!(report, "    {:?}: {}", problem.code, problem.message).unwrap();
    if let Some(suggestion) = &problem.suggestion {
        write!(report, " [{suggestion}]").unwrap();
    }
    writeln!(report).unwrap();
}

#[test]
fn texts_that_do_not_follow_the_grammar() {
    check(
        &[
            r#"user.name = "a" adn user.name = "b""#,
            r#"user.name = "a" user.name = "b""#,
            r#"user.name = "a"#,
            r#"user.name"#,
            r#"user.name ="#,
            r#"= "a""#,
            r#"(user.name = "a""#,
            r#"user.name = "a")"#,
            r#"user.name = {}"#,
            r#"user.name = {"a", }"#,
            r#"user.name = {"a" "b"}"#,
            r#"usr.name = "a""#,
            r#"name = "a""#,
            r#"user. = "a""#,
            r#"user.@ = "a""#,
            r#"user.name <> "a" or user.name === "b" or user.name >= "c""#,
            r#"user.name lik "a*" and user.name contains "b""#,
            r#"user.name not like "a*""#,
            r#"user.IsAnonymous"#,
            r#"user.IsAnonymous() = true"#,
            r#"user.IsAnonymus()"#,
            r#"IsAnonymous()"#,
            r#"resource.HasPrivilege(read)"#,
            r#"user.name = "a" & ; user.name = "b""#,
            "and",
            "true or",
            "()",
        ],
        expect![[r#"
            user.name = "a" adn user.name = "b"
                            ^^^
                Unexpected: adn means nothing here; did you mean and? [and]
            user.name = "a" user.name = "b"
                            ^^^^
                Missing: "and" or "or" is missing before user
            user.name = "a
                        ^^
                UnclosedString: this text has no closing quote ["a"]
            user.name
            ^^^^^^^^^
                Missing: user.name needs something to compare with, as in user.name = "…"
            user.name =
                       ^
                Missing: a value is missing at the end
            = "a"
            ^
                Unexpected: a condition cannot begin with =
            (user.name = "a"
            ^
                Missing: this parenthesis is never closed
            user.name = "a")
                           ^
                Unexpected: there is no opening parenthesis for this
            user.name = {}
                        ^^
                Missing: a list needs at least one value
            user.name = {"a", }
                            ^
                Unexpected: nothing follows this comma
            user.name = {"a" "b"}
                             ^^^
                Missing: a comma or } was expected before "b"
            usr.name = "a"
            ^^^
                UnknownRoot: usr is neither user, resource nor node; did you mean user? [user]
            name = "a"
            ^^^^
                UnknownRoot: name is neither user, resource nor node; did you mean resource.name? [resource.name]
            user. = "a"
                  ^
                Missing: the name of a property is missing after the dot
            user.@ = "a"
                 ^
                Missing: the name of a custom property is missing after @
            user.name <> "a" or user.name === "b" or user.name >= "c"
                      ^^
                UnknownOperator: <> is no operator of this language; did you mean !=? [!=]
                                          ^^^
                UnknownOperator: === is no operator of this language; did you mean ==? [==]
                                                               ^^
                UnknownOperator: >= is no operator of this language
            user.name lik "a*" and user.name contains "b"
                      ^^^
                UnknownOperator: lik is no operator of this language; did you mean like? [like]
                                   ^^^^^^^^^^^^^^^^^^^^^^
                UnknownOperator: contains is no operator of this language; did you mean user.name like "*b*"? [user.name like "*b*"]
            user.name not like "a*"
            ^^^^^^^^^^^^^^^^^^^^^^^
                UnknownOperator: write !( … like … ) instead of not like [!(user.name like "a*")]
            user.IsAnonymous
            ^^^^^^^^^^^^^^^^
                Missing: IsAnonymous is a function; write user.IsAnonymous() [user.IsAnonymous()]
            user.IsAnonymous() = true
            ^^^^^^^^^^^^^^^^^^^^^^^^^
                Unexpected: a function is a condition by itself: write it alone, or with ! before it [user.IsAnonymous()]
            user.IsAnonymus()
                 ^^^^^^^^^^
                UnknownFunction: IsAnonymus is no function of this language; did you mean IsAnonymous? [IsAnonymous]
            IsAnonymous()
            ^^^^^^^^^^^
                Unexpected: IsAnonymous( … ) is called on nothing; say on what, before a dot [user.IsAnonymous]
            resource.HasPrivilege(read)
                                  ^^^^
                BadArgument: HasPrivilege takes one text at most, between double quotes ["read"]
            user.name = "a" & ; user.name = "b"
                            ^
                UnknownOperator: & is no operator of this language; did you mean &&? [&&]
                              ^
                UnknownCharacter: ';' means nothing here
            and
            ^^^
                Missing: a condition is missing before and
               ^
                Missing: a condition is missing at the end
            true or
                   ^
                Missing: a condition is missing at the end
            ()
             ^
                Missing: a condition is missing before )
        "#]],
    );
}

#[test]
fn several_problems_are_found_at_once() {
    check(
        &[
            r#"usr.name = "a" adn (user.name lik "b" or user.name) and user.IsAnonymus()"#,
            r#"resource.sream.HasPrivilege("raed") or resource.published = "maybe" or resource.owner = "ana""#,
        ],
        expect![[r#"
            usr.name = "a" adn (user.name lik "b" or user.name) and user.IsAnonymus()
            ^^^
                UnknownRoot: usr is neither user, resource nor node; did you mean user? [user]
                           ^^^
                Unexpected: adn means nothing here; did you mean and? [and]
                                          ^^^
                UnknownOperator: lik is no operator of this language; did you mean like? [like]
                                                     ^^^^^^^^^
                Missing: user.name needs something to compare with, as in user.name = "…"
                                                                         ^^^^^^^^^^
                UnknownFunction: IsAnonymus is no function of this language; did you mean IsAnonymous? [IsAnonymous]
            resource.sream.HasPrivilege("raed") or resource.published = "maybe" or resource.owner = "ana"
                     ^^^^^
                UnknownProperty: resource has no property sream; did you mean stream? [stream]
                                        ^^^^^^
                UnknownAction: "raed" is no action; did you mean "read"? ["read"]
                                                                        ^^^^^^^
                ImpossibleComparison: this property is "true" or "false"
                                                                                   ^^^^^^^^^^^^^^
                ImpossibleComparison: resource.owner is a thing, not a text; compare one of its properties [resource.owner.userId]
        "#]],
    );
}

#[test]
fn paths_and_functions_that_mean_nothing() {
    check_for(
        "App*, Stream_*",
        Category::Security,
        &[
            r#"resource.objecType = "sheet""#,
            r#"resource.stream.published = "true""#,
            r#"resource.name.first = "a""#,
            r#"resource.owner.environment.ip = "10.0.0.1""#,
            r#"user.environment = "x""#,
            r#"user.environment.ipp = "x""#,
            r#"user.rolse = "x" and user.costCentre = "7""#,
            r#"node.name = "x""#,
            r#"resource.HasPrivilege("raed")"#,
            r#"resource.HasPrivilege()"#,
            r#"user.HasPrivilege("read")"#,
            r#"resource.name.HasPrivilege("read")"#,
            r#"user.Empty()"#,
            r#"resource.IsAnonymous()"#,
            r#"user.IsOwned()"#,
            r#"user.IsAnonymous("x")"#,
        ],
        expect![[r#"
            resource.objecType = "sheet"
                     ^^^^^^^^^
                UnknownProperty: resource has no property objecType; did you mean objectType? [objectType]
            resource.stream.published = "true"
                            ^^^^^^^^^
                UnknownProperty: resource.stream has no property published (it is Stream)
            resource.name.first = "a"
                          ^^^^^
                UnknownProperty: resource.name is a value and has no properties
            resource.owner.environment.ip = "10.0.0.1"
                fine
            user.environment = "x"
            ^^^^^^^^^^^^^^^^
                UnknownProperty: name an attribute of the environment, such as user.environment.ip
            user.environment.ipp = "x"
                fine
            user.rolse = "x" and user.costCentre = "7"
                 ~~~~~
                LooksMisspelt: rolse reads a directory attribute of that name; did you mean roles? [roles]
            node.name = "x"
            ^^^^
                RootNotAllowed: only load-balancing rules see the node
            resource.HasPrivilege("raed")
                                  ^^^^^^
                UnknownAction: "raed" is no action; did you mean "read"? ["read"]
            resource.HasPrivilege()
                     ^^^^^^^^^^^^^^
                BadArgument: HasPrivilege needs an action [HasPrivilege("read")]
            user.HasPrivilege("read")
            ^^^^
                UnknownFunction: HasPrivilege asks about the resource or something related [resource]
            resource.name.HasPrivilege("read")
            ^^^^^^^^^^^^^
                UnknownFunction: HasPrivilege asks about the resource or something related [resource]
            user.Empty()
            ^^^^
                BadArgument: user itself is always there; ask about one of its properties
            resource.IsAnonymous()
            ^^^^^^^^^^^^^^^^^^^^^^
                UnknownFunction: IsAnonymous asks about the requester only [user.IsAnonymous()]
            user.IsOwned()
            ^^^^
                UnknownFunction: IsOwned asks about the resource or something related [resource]
            user.IsAnonymous("x")
                             ^^^
                BadArgument: IsAnonymous takes nothing between its parentheses
        "#]],
    );
    check_for(
        "App.Object_*",
        Category::Security,
        &[r#"resource.@area = "x""#, r#"resource.stream.Empty()"#, r#"resource.app.@area = "x""#],
        expect![[r#"
            resource.@area = "x"
                     ^^^^^
                UnknownProperty: resource has no custom properties (it is App.Object); did you mean app.@area? [app.@area]
            resource.stream.Empty()
                     ^^^^^^
                UnknownProperty: resource has no property stream (it is App.Object)
            resource.app.@area = "x"
                fine
        "#]],
    );
    check_for(
        "License.AnalyzerAccessGroup_*",
        Category::License,
        &[r#"resource.name = "x""#, "user.IsAnonymous()"],
        expect![[r#"
            resource.name = "x"
            ^^^^^^^^
                RootNotAllowed: licence rules see the user only: there is no resource yet
            user.IsAnonymous()
                fine
        "#]],
    );
    check_for(
        "App_*",
        Category::Sync,
        &["node.isCentral = true"],
        expect![[r#"
        node.isCentral = true
            fine
    "#]],
    );
}

#[test]
fn comparisons_that_can_never_hold() {
    check(
        &[
            r#"resource.owner = "ana""#,
            r#"resource.stream = user"#,
            r#"resource.stream like "Every*""#,
            r#"resource.published = "yes""#,
            r#"resource.published == "True""#,
            r#"resource.resourcetype = "Ap""#,
            r#"resource.resourcetype == "app""#,
            r#"resource.resourcetype = {"App", "Appp.Object"}"#,
            r#"resource.id = "everyone""#,
            r#"resource.fileSize = "big""#,
            r#"resource.published = resource.id"#,
            r#"resource.name = resource.owner"#,
        ],
        expect![[r#"
            resource.owner = "ana"
            ^^^^^^^^^^^^^^
                ImpossibleComparison: resource.owner is a thing, not a text; compare one of its properties [resource.owner.userId]
            resource.stream = user
            ^^^^^^^^^^^^^^^^^^^^^^
                ImpossibleComparison: these are things of different types and never the same
            resource.stream like "Every*"
            ^^^^^^^^^^^^^^^
                ImpossibleComparison: resource.stream is a thing, not a text; compare one of its properties [resource.stream.name]
            resource.published = "yes"
                                 ^^^^^
                ImpossibleComparison: this property is "true" or "false"; did you mean "true"? ["true"]
            resource.published == "True"
                                  ^^^^^^
                ImpossibleComparison: this property is "true" or "false"; did you mean "true"? ["true"]
            resource.resourcetype = "Ap"
                                    ^^^^
                UnknownType: "Ap" is no resource type; did you mean "App"? ["App"]
            resource.resourcetype == "app"
                                     ^^^^^
                UnknownType: the type is written App ["App"]
            resource.resourcetype = {"App", "Appp.Object"}
                                            ^^^^^^^^^^^^^
                UnknownType: "Appp.Object" is no resource type; did you mean "App.Object"? ["App.Object"]
            resource.id = "everyone"
                          ^^^^^^^^^^
                ImpossibleComparison: an id is a GUID such as aaec8d41-5201-43ab-809f-3063750dfafd
            resource.fileSize = "big"
                                ^^^^^
                ImpossibleComparison: this property is a number
            resource.published = resource.id
            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                ImpossibleComparison: these two can never be equal
            resource.name = resource.owner
                            ^^^^^^^^^^^^^^
                ImpossibleComparison: resource.owner is a thing, not a text; compare one of its properties [resource.owner.userId]
        "#]],
    );
}

#[test]
fn patterns_that_cannot_be_used() {
    let refused = |text: &str| {
        let problems = Condition::compile(text, Category::Security).unwrap_err();
        problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("\n")
    };
    let long = "a".repeat(1025);
    let long_pattern = refused(&format!(r#"user.name matches "{long}""#));
    assert_eq!(long_pattern, "a regular expression has at most 1024 bytes");
    assert_eq!(refused(&format!(r#"user.name like "{long}""#)), "a pattern has at most 1024 bytes");
    let list = format!("{{{}}}", vec!["1"; 400].join(","));
    let pairs = refused(&format!("{list} = {list}"));
    assert_eq!(pairs, "these two lists are too long to be compared with each other");
    check(
        &[
            r#"user.name matches "(""#,
            r#"user.name matches "a)|(b""#,
            r#"user.name matches "(a)\1""#,
            r#"user.name matches "(\w{100}){100}""#,
            r#"user.name matches resource.name"#,
        ],
        expect![[r#"
            user.name matches "("
                              ^^^
                BadPattern: this is no regular expression: unclosed group
            user.name matches "a)|(b"
                              ^^^^^^^
                BadPattern: this is no regular expression: unopened group
            user.name matches "(a)\1"
                              ^^^^^^^
                BadPattern: this is no regular expression: backreferences are not supported
            user.name matches "(\w{100}){100}"
                              ^^^^^^^^^^^^^^^^
                BadPattern: this regular expression needs too much memory
            user.name matches resource.name
                              ^^^^^^^^^^^^^
                BadPattern: the right side of matches must be a text: it is compiled when the rule is saved
        "#]],
    );
}

/// Anybody who may write rules would stop the site otherwise.
#[test]
fn patterns_take_little_time_and_memory_together() {
    let compiled = |patterns: &[String]| {
        let parts: Vec<_> =
            patterns.iter().map(|pattern| format!("resource.name matches \"{pattern}\"")).collect();
        let told = |problem: &Problem| (problem.code.code(), problem.message.clone());
        Condition::compile(&parts.join(" or "), Category::Security)
            .map(|_| ())
            .map_err(|problems| problems.iter().map(told).collect::<Vec<_>>())
    };
    let numbered = |count: usize, text: &str| -> Vec<String> {
        (0..count).map(|number| format!("{text}{number}")).collect()
    };
    assert_eq!(compiled(&numbered(50, ".*[a-z]+")), Ok(()));
    // The same one counts once.
    assert_eq!(compiled(&vec!["(a|b|c){0,200}".to_owned(); 300]), Ok(()));

    let problems = compiled(&numbered(60, "a.*")).unwrap_err();
    assert_eq!(problems.len(), 1, "told once: {problems:?}");
    assert_eq!(problems[0].0, "rule-too-many-patterns");
    let started = std::time::Instant::now();
    let problems = compiled(&numbered(1_200, "(a|b|c){0,900}")).unwrap_err();
    assert!(problems.iter().any(|(code, _)| *code == "rule-too-many-patterns"));
    let together = "the regular expressions of this condition need too much memory together";
    assert!(problems.iter().any(|(_, message)| message == together));
    // It takes a fraction of this.
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    let heavy = "(?i)".to_owned() + &"\\\\w".repeat(300);
    let started = std::time::Instant::now();
    assert!(compiled(&numbered(50, &heavy)).is_err());
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn texts_that_work_but_may_not_mean_what_they_say() {
    check(
        &[
            r#"user.group != "A""#,
            r#"resource.name !== {"a", "b"}"#,
            r#"resource.name != "a""#,
            r#"resource.name != "a" or resource.name != "b""#,
            r#"resource.name = “a” and resource.name = 'b'"#,
            r#"resource.name = "DOMAIN\ana""#,
            r#"@area = "x""#,
            r#"user.role = "x""#,
        ],
        expect![[r#"
            user.group != "A"
            ~~~~~~~~~~~~~~~~~
                ManyNotEqual: != is true as soon as one of several values differs [!(user.group = "A")]
            resource.name !== {"a", "b"}
            ~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                ManyNotEqual: !== is true as soon as one of several values differs [!(resource.name == {"a", "b"})]
            resource.name != "a"
                fine
            resource.name != "a" or resource.name != "b"
            ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
                AlwaysTrue: one of these always holds, unless there is no value; was and meant? [!(resource.name = {"a", "b"})]
            resource.name = “a” and resource.name = 'b'
                            ~~~
                OtherQuotes: quotes of another kind were read as straight double quotes ["a"]
                                                    ~~~
                OtherQuotes: quotes of another kind were read as straight double quotes ["b"]
            resource.name = "DOMAIN\ana"
                            ~~~~~~~~~~~~
                UnknownEscape: a backslash that escapes nothing stands for itself; write \\ to say so ["DOMAIN\\ana"]
            @area = "x"
            ~~~~~
                ShortPath: @area alone was read as resource.@area [resource.@area]
            user.role = "x"
                 ~~~~
                LooksMisspelt: role reads a directory attribute of that name; did you mean roles? [roles]
        "#]],
    );
}

#[test]
fn nesting_and_length_are_bounded() {
    for text in
        ["(".repeat(100_000), "!".repeat(60_000), format!("user.name = {}", "{".repeat(60_000))]
    {
        let (condition, problems) = parse_condition(&text);
        assert!(condition.is_none());
        assert!(problems.len() <= 50, "{} problems", problems.len());
    }
    let deep = format!("{}true{}", "(".repeat(60), ")".repeat(60));
    assert!(parse_condition(&deep).0.is_some());
    let deeper = format!("{}true{}", "(".repeat(65), ")".repeat(65));
    let (_, problems) = parse_condition(&deeper);
    let mut report = String::new();
    for problem in &problems {
        writeln!(report, "{:?} {:?} {}", problem.span, problem.code, problem.message).unwrap();
    }
    expect![[r#"
        64..65 TooDeep this is nested more than 64 levels deep
    "#]]
    .assert_eq(&report);
    // Long without being deep is fine.
    let long = vec!["user.name = \"a\""; 2000].join(" or ");
    assert!(parse_condition(&long).0.is_some());
}

#[test]
fn places_are_found_again_by_line_and_column() {
    let text = "user.name = \"ä\"\n  and usr.name = \"b\"";
    let (_, problems) = parse_condition(text);
    assert_eq!(problems[0].span.line_and_column(text), (2, 7));
    assert_eq!(problems[0].span.of(text), "usr");
}
