//! A suggestion is a ready rewrite: put in place, the problem is gone, and nothing else went wrong.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_rules::{Category, Condition, Problem, ProblemCode, ResourceFilter};
use proptest::prelude::*;

/// Every problem of a condition about apps, their objects and streams.
fn problems(text: &str, category: Category) -> Vec<Problem> {
    let filter: ResourceFilter = match category {
        Category::Security => "App*, Stream_*".parse().unwrap(),
        Category::Sync => "App_*".parse().unwrap(),
        Category::License => "License.AnalyzerAccessGroup_*".parse().unwrap(),
    };
    match Condition::compile_for(text, category, &filter) {
        Ok(condition) => condition.warnings().to_vec(),
        Err(problems) => problems,
    }
}

/// Takes suggestions one after the other, the first first, until there is none left.
fn mended(text: &str, category: Category) -> String {
    let mut text = text.to_owned();
    for _ in 0..100 {
        let found = problems(&text, category);
        let Some(rewritten) = found.iter().find_map(|problem| problem.rewrite(&text)) else {
            return text;
        };
        text = rewritten;
    }
    panic!("suggestions without end: {text}");
}

fn check(texts: &[&str], expected: Expect) {
    let mut table = String::new();
    for text in texts {
        let mended = mended(text, Category::Security);
        let left = problems(&mended, Category::Security);
        let rest = if left.is_empty() { String::new() } else { format!("    {left:?}") };
        writeln!(table, "{text}\n    {mended}{rest}").unwrap();
    }
    expected.assert_eq(&table);
}

#[test]
fn taking_every_suggestion_gives_a_condition_without_problems() {
    check(
        &[
            r#"user.name <> "a" && user.email === "b""#,
            r#"usr.name = "a" adn user.name lik "b*""#,
            r#"name = "a" and roles = "x" and ip = "10.0.0.1""#,
            r#"app.name = "a" or environment.os = "Windows""#,
            "user.name = “a” and user.name = 'it is \"b\"'",
            r#"user.name = "a"#,
            r#"user.name contains "50%*" or user.name startswith "a" or user.name endswith "z""#,
            r#"user.name not like "a*" and user.group not in {"a", "b"}"#,
            r#"user.group in ("a", "b") or user.group in ["c", "d"]"#,
            r#"user.name is not "a" and user.name is "b""#,
            "user.IsAnonymous() = false and resource.IsOwned() == true",
            "IsAnonymous() or user.IsAnonymous",
            r#"resource.HasPrivilege(read) or resource.HasPrivilege("raed")"#,
            "resource.HasPrivilege() or resource.stream.HasPrivilege",
            r#"user.HasPrivilege("read") and resource.name.HasPrivilege("read")"#,
            "resource.IsAnonymous() or user.IsOwned()",
            "user.isAnonymus() and resource.Stream.emty()",
            r#"resource.objecType = "sheet" and @area = "x""#,
            r#"resource.owner = "ana" and resource.stream like "a*""#,
            r#"resource.published = "yes" or resource.published == "True""#,
            r#"resource.resourcetype == "app" or resource.resourcetype = "Ap""#,
            r#"resource.id = "AAEC8D41520143AB809F3063750DFAFD""#,
            r#"user.environment.context = "appacces""#,
            r#"user.rolse = "x" and user.environment.browsr like "Chrome*""#,
            r#"user.name = "DOM\ana" and user.name like "DOM\a*\*""#,
            r#"user.group != "A" and {"A", "B"} !== user.group"#,
            r#"resource.name != "a" or user.name = "b" or resource.name != "c" and true"#,
            r#"resource.name != "a" or user.name = "b" or "c" != resource.name"#,
        ],
        expect![[r#"
            user.name <> "a" && user.email === "b"
                user.name != "a" && user.email == "b"
            usr.name = "a" adn user.name lik "b*"
                user.name = "a" and user.name like "b*"
            name = "a" and roles = "x" and ip = "10.0.0.1"
                resource.name = "a" and user.roles = "x" and user.environment.ip = "10.0.0.1"
            app.name = "a" or environment.os = "Windows"
                resource.app.name = "a" or user.environment.os = "Windows"
            user.name = “a” and user.name = 'it is "b"'
                user.name = "a" and user.name = "it is \"b\""
            user.name = "a
                user.name = "a"
            user.name contains "50%*" or user.name startswith "a" or user.name endswith "z"
                user.name like "*50%\**" or user.name like "a*" or user.name like "*z"
            user.name not like "a*" and user.group not in {"a", "b"}
                !(user.name like "a*") and !(user.group = {"a", "b"})
            user.group in ("a", "b") or user.group in ["c", "d"]
                user.group = {"a", "b"} or user.group = {"c", "d"}
            user.name is not "a" and user.name is "b"
                user.name != "a" and user.name = "b"
            user.IsAnonymous() = false and resource.IsOwned() == true
                !user.IsAnonymous() and resource.IsOwned()
            IsAnonymous() or user.IsAnonymous
                user.IsAnonymous() or user.IsAnonymous()
            resource.HasPrivilege(read) or resource.HasPrivilege("raed")
                resource.HasPrivilege("read") or resource.HasPrivilege("read")
            resource.HasPrivilege() or resource.stream.HasPrivilege
                resource.HasPrivilege("read") or resource.stream.HasPrivilege("read")
            user.HasPrivilege("read") and resource.name.HasPrivilege("read")
                resource.HasPrivilege("read") and resource.HasPrivilege("read")
            resource.IsAnonymous() or user.IsOwned()
                user.IsAnonymous() or resource.IsOwned()
            user.isAnonymus() and resource.Stream.emty()
                user.IsAnonymous() and resource.Stream.Empty()
            resource.objecType = "sheet" and @area = "x"
                resource.objectType = "sheet" and resource.@area = "x"
            resource.owner = "ana" and resource.stream like "a*"
                resource.owner.userId = "ana" and resource.stream.name like "a*"
            resource.published = "yes" or resource.published == "True"
                resource.published = "true" or resource.published == "true"
            resource.resourcetype == "app" or resource.resourcetype = "Ap"
                resource.resourcetype == "App" or resource.resourcetype = "App"
            resource.id = "AAEC8D41520143AB809F3063750DFAFD"
                resource.id = "aaec8d41-5201-43ab-809f-3063750dfafd"
            user.environment.context = "appacces"
                user.environment.context = "AppAccess"
            user.rolse = "x" and user.environment.browsr like "Chrome*"
                user.roles = "x" and user.environment.browser like "Chrome*"
            user.name = "DOM\ana" and user.name like "DOM\a*\*"
                user.name = "DOM\\ana" and user.name like "DOM\\a*\*"
            user.group != "A" and {"A", "B"} !== user.group
                !(user.group = "A") and !({"A", "B"} == user.group)
            resource.name != "a" or user.name = "b" or resource.name != "c" and true
                resource.name != "a" or user.name = "b" or resource.name != "c" and true
            resource.name != "a" or user.name = "b" or "c" != resource.name
                !(resource.name = {"a", "c"}) or user.name = "b"
        "#]],
    );
}

#[test]
fn a_licence_rule_is_not_told_to_ask_about_a_resource() {
    for text in [r#"name = "a""#, r#"@area = "x""#, "IsOwned()"] {
        for problem in problems(text, Category::License) {
            assert_eq!(problem.suggestion, None, "{problem:?}");
        }
    }
}

#[test]
fn a_mistake_of_grammar_hides_nothing_else() {
    let text = r#"usr.nam = resource.sream and user.name lik "a" or (resource.objecType = ["x"] and user.name = )"#;
    let found = problems(text, Category::Security);
    let words: Vec<&str> = found.iter().map(|problem| problem.span.of(text)).collect();
    assert_eq!(words, ["usr", "sream", "lik", "objecType", "[", "]", ")"]);
}

#[test]
fn many_warnings_never_hide_an_error() {
    let text = format!("{}user.name <> \"a\"", "user.name = 'x' and ".repeat(2000));
    let (condition, _) = loggia_rules::parse_condition(&text);
    assert!(condition.is_none());
    let found = problems(&text, Category::Security);
    assert!(found.iter().any(Problem::is_error) && found.len() <= 100);
}

#[test]
fn every_code_is_a_word_of_its_own() {
    let mut codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.code()).collect();
    codes.sort_unstable();
    let count = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), count);
    assert!(codes.iter().all(|code| code.starts_with("rule-")));
}

/// One mistake each, in a condition that is otherwise right.
fn one_mistake() -> impl Strategy<Value = String> {
    let wrong = prop::sample::select(vec![
        "user.name <> \"a\"",
        "user.name = 'a\"b'",
        "user.name = „a”",
        "user.name lik \"a\"",
        "user.name contains \"a\\\"*\"",
        "user.name not matches \"a\"",
        "user.name is not \"a\"",
        "user.group = (\"a\", user.name)",
        "user.group != \"a\"",
        "user.group !== {\"a\", \"b\"}",
        "roles = \"a\"",
        "@area = \"a\"",
        "usr.name = \"a\"",
        "user.nmae.Empty()",
        "IsAnonymous()",
        "user.IsAnonymous() == \"False\"",
        "resource.HasPrivilege(update)",
        "resource.HasPrivilege()",
        "resource.sream.Empty()",
        "resource.published = \"1\"",
        "resource.owner = \"a\"",
        "resource.resourcetype = \"Streem\"",
        "user.name = \"a\\b\"",
        "(resource.name != \"a\" or user.IsAnonymous() or \"b\" != resource.name)",
    ]);
    let right = prop::sample::select(vec![
        "true",
        "!user.IsAnonymous()",
        "(user.name = \"x\" or !resource.stream.Empty())",
        "resource.HasPrivilege(\"read\") // with a comment\n",
        "!(user.group = {\"x\", \"y\"})",
    ]);
    let word = prop::sample::select(vec![" and ", " or ", "&&", "\n||\n"]);
    let side = || prop::option::of((right.clone(), word.clone()));
    (side(), prop::sample::select(vec!["", "!", "not "]), wrong, side()).prop_map(
        |(before, not, wrong, after)| {
            let before = before.map_or(String::new(), |(text, word)| format!("{text}{word}"));
            let after = after.map_or(String::new(), |(text, word)| format!("{word}{text}"));
            format!("{before}{not}{wrong}{after}")
        },
    )
}

proptest! {
    #[test]
    fn taking_a_suggestion_mends_what_it_is_about(text in one_mistake()) {
        let found = problems(&text, Category::Security);
        prop_assert_eq!(found.len(), 1, "{} {:?}", text, found);
        if let Some(rewritten) = found[0].rewrite(&text) {
            let left = problems(&rewritten, Category::Security);
            prop_assert!(left.is_empty(), "{}\n{}\n{:?}", text, rewritten, left);
        }
    }
}
