//! What became of one rule: the clause that held or stood in the way, and what it saw; and the
//! shape of a condition for editors.

use std::fmt::Write;

use expect_test::expect;
use loggia_rules::{
    Action, Category, Condition, Outline, RequestContext, RuleSet, allows, parse_condition, trace,
};

use crate::site::{Person, Site, entity, rule, rules};

fn site() -> Site {
    Site::default()
        .with("Stream press", &[("name", "Press"), ("@open", "yes")])
        .with("App turnover", &[("name", "Turnover"), ("stream", "→Stream press")])
}

#[test]
fn a_trace_names_the_deciding_clause_and_what_it_asked() {
    let conditions = [
        "user.IsAnonymous() or resource.name = \"Turnover\" and user.group = \"sales\"",
        "user.group = \"hr\" or\n  resource.stream.HasPrivilege(\"read\")",
        "!(resource.name = \"Turnover\")",
        "resource.stream.@open = \"no\" and user.roles = \"Root\"",
        "",
    ];
    let others = rules(&["read on Stream_* if user.IsAnonymous()"]);
    let mut table = String::new();
    for person in [Person::visitor(), Person::user("ana", &[("group", "sales")])] {
        let who = if person.is_anonymous { "visitor" } else { "ana" };
        let site = site().asked_by(person);
        for text in conditions {
            // The rule itself is not in force; what it asks is answered by those that are.
            let rule = rule(1, &format!("read on App_* if {text}"));
            let context = RequestContext::Hub;
            let found =
                trace(&others, &site, context, &rule, &entity("App turnover"), Action::Read);
            let word = if found.holds { "holds" } else { "fails" };
            let (line, column) = found.span.line_and_column(text);
            writeln!(table, "{who} {word} {} at {line}:{column}: {}", found.distance, found.clause)
                .unwrap();
            for seen in &found.seen {
                writeln!(table, "    {seen}").unwrap();
            }
            for (_, action, granted) in &found.asked {
                writeln!(table, "    asked {action}: {granted}").unwrap();
            }
            let alone = RuleSet::new(vec![rule.clone()]);
            if !rule.condition.asks_rules() {
                let allowed = allows(&alone, &site, context, &entity("App turnover"), Action::Read);
                assert_eq!(found.holds, allowed, "{text}");
            }
        }
    }
    expect![[r#"
        visitor holds 0 at 1:1: user.IsAnonymous()
            the requester is anonymous
        visitor holds 0 at 2:3: resource.stream.HasPrivilege("read")
            resource.stream Stream_f786db9b-3783-d94f-7081-7529fe3030b4: read granted
            asked read: true
        visitor fails 1 at 1:1: !(resource.name = "Turnover")
            resource.name: "Turnover"
        visitor fails 2 at 1:1: resource.stream.@open = "no"
            resource.stream.@open: "yes"
        visitor holds 0 at 1:1: 
        ana holds 0 at 1:23: resource.name = "Turnover" and user.group = "sales"
            resource.name: "Turnover"
            user.group: "sales"
        ana fails 1 at 1:1: user.group = "hr"
            user.group: "sales"
        ana fails 1 at 1:1: !(resource.name = "Turnover")
            resource.name: "Turnover"
        ana fails 2 at 1:1: resource.stream.@open = "no"
            resource.stream.@open: "yes"
        ana holds 0 at 1:1: 
    "#]]
    .assert_eq(&table);
}

#[test]
fn an_outline_is_a_list_of_lists_where_the_text_is_one() {
    let mut table = String::new();
    for text in [
        "",
        "user.IsAnonymous()",
        "user.name = \"ana\" and !(resource.name like \"Sales*\") or user.roles = {\"A\", \"B\"}",
        "(user.name = \"a\" or (user.name = \"b\" or user.name = \"c\"))",
        "user.name = \"a\" and (user.name = \"b\" or user.name = \"c\")",
        "!(user.name = \"a\" and user.name = \"b\")",
        "true",
        "resource.owner = user and resource.stream.HasPrivilege('read')",
    ] {
        let (condition, _) = parse_condition(text);
        let Some(outline) = condition.unwrap().outline() else {
            writeln!(table, "{text:?}: says nothing").unwrap();
            continue;
        };
        assert!(Condition::compile(text, Category::Security).is_ok(), "{text}");
        writeln!(table, "{text}").unwrap();
        match outline.rows() {
            None => writeln!(table, "    only as text: {}", kind(&outline)).unwrap(),
            Some(lists) => {
                for list in lists {
                    let rows: Vec<String> = list
                        .iter()
                        .map(|(holds, test)| {
                            let not = if *holds { "" } else { "not " };
                            let values = test.values.join("|");
                            format!("{not}[{}] [{}] [{values}]", test.subject, test.operator)
                        })
                        .collect();
                    writeln!(table, "    {}", rows.join(" and ")).unwrap();
                }
            }
        }
    }
    expect![[r#"
        "": says nothing
        user.IsAnonymous()
            [user] [IsAnonymous] []
        user.name = "ana" and !(resource.name like "Sales*") or user.roles = {"A", "B"}
            [user.name] [=] [ana] and not [resource.name] [like] [Sales*]
            [user.roles] [=] [A|B]
        (user.name = "a" or (user.name = "b" or user.name = "c"))
            [user.name] [=] [a]
            [user.name] [=] [b]
            [user.name] [=] [c]
        user.name = "a" and (user.name = "b" or user.name = "c")
            only as text: all of
        !(user.name = "a" and user.name = "b")
            only as text: not
        true
            only as text: a constant
        resource.owner = user and resource.stream.HasPrivilege('read')
            [resource.owner] [=] [user] and [resource.stream] [HasPrivilege] [read]
    "#]]
    .assert_eq(&table);
}

fn kind(outline: &Outline) -> &'static str {
    match outline {
        Outline::Constant(_) => "a constant",
        Outline::All(_) => "all of",
        Outline::Any(_) => "any of",
        Outline::Not(_) => "not",
        Outline::Test(_) => "a test",
    }
}
