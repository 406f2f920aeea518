//! What holds for every rule set and every text.

use loggia_rules::{
    Action, Actions, Category, Condition, Context, Effect, Entity, Request, RequestContext,
    ResourceFilter, Rule, RuleSet, allows, decide, granted, parse_condition,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::site::{Person, Site, entity};

const THINGS: [&str; 6] =
    ["App one", "App two", "Stream one", "Stream two", "App.Object one", "App.Object two"];

fn site(is_anonymous: bool) -> Site {
    let person = if is_anonymous {
        Person::visitor()
    } else {
        Person::user("ana", &[("group", "A"), ("group", "B"), ("roles", "Editor"), ("@area", "1")])
    };
    Site::default()
        .with(
            "App one",
            &[
                ("name", "one"),
                ("stream", "→Stream one"),
                ("published", "true"),
                ("owner", "→User ana"),
                ("@area", "1"),
                ("@area", "2"),
            ],
        )
        .with("App two", &[("name", "two"), ("published", "false"), ("owner", "→User ben")])
        .with("Stream one", &[("name", "one"), ("owner", "→User ana"), ("@area", "1")])
        .with("Stream two", &[("name", "two")])
        .with(
            "App.Object one",
            &[("name", "one"), ("app", "→App one"), ("objecttype", "sheet"), ("published", "true")],
        )
        .with("App.Object two", &[("app", "→App two"), ("objecttype", "story")])
        .asked_by(person)
}

/// Pieces that conditions are made of, in any order: most sequences are wrong in some way.
fn token_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "user",
        "resource",
        "node",
        ".",
        ".name",
        ".group",
        ".@area",
        ".owner",
        ".stream",
        ".app",
        ".environment",
        ".ip",
        "=",
        "==",
        "!=",
        "!==",
        "like",
        "matches",
        "and",
        "or",
        "not",
        "!",
        "&&",
        "||",
        "(",
        ")",
        "{",
        "}",
        ",",
        "\"a\"",
        "\"*\"",
        "\"(\"",
        "\"read\"",
        "'x'",
        "“y”",
        "true",
        "false",
        "1",
        "-2.5",
        ".HasPrivilege(\"read\")",
        ".Empty()",
        ".IsAnonymous()",
        ".IsOwned()",
        "@",
        "@area",
        "// c\n",
        "#",
        "\"",
        "<>",
        "adn",
        "lik",
        "\\",
        "é",
        "&",
        "\n",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

/// Conditions that pass every check.
fn condition() -> impl Strategy<Value = String> {
    let test = prop::sample::select(vec![
        "true",
        "false",
        "user.IsAnonymous()",
        r#"user.group = "a""#,
        r#"user.group != "A""#,
        r#"user.roles = {"x", "editor"}"#,
        r#"resource.name = "one""#,
        r#"resource.name like "t*""#,
        r#"resource.name matches "[ot].*""#,
        r#"resource.@area = user.@area"#,
        "resource.@area.Empty()",
        "resource.owner = user",
        "resource.owner != user",
        "resource.IsOwned()",
        "resource.stream.Empty()",
        r#"resource.published = "true""#,
        r#"resource.resourcetype = "App""#,
        r#"resource.HasPrivilege("read")"#,
        r#"resource.HasPrivilege("update")"#,
        r#"resource.HasPrivilege("publish")"#,
        r#"resource.stream.HasPrivilege("read")"#,
        r#"resource.stream.HasPrivilege("publish")"#,
        r#"resource.app.HasPrivilege("update")"#,
        r#"resource.app.stream.HasPrivilege("read")"#,
    ])
    .prop_map(str::to_owned);
    test.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.join(" and ")),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("!({part})")),
        ]
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let filter = prop::sample::select(vec!["*", "App*", "App_*", "Stream_*", "App.Object_*"]);
    let actions = prop::sample::select(vec![
        Actions::READ,
        Actions::READ | Actions::UPDATE,
        Actions::UPDATE,
        Actions::PUBLISH,
        Actions::READ | Actions::PUBLISH,
    ]);
    let context = prop::sample::select(vec![Context::Both, Context::Hub, Context::Console]);
    let effect = prop_oneof![4 => Just(Effect::Allow), 1 => Just(Effect::Forbid)];
    (any::<u128>(), filter, actions, context, effect, condition()).prop_map(
        |(id, filter, actions, context, effect, condition)| Rule {
            id: Uuid::from_u128(id),
            name: "rule".into(),
            filter: filter.parse().unwrap(),
            actions,
            context,
            effect,
            condition: Condition::compile(&condition, Category::Security).unwrap(),
        },
    )
}

fn entities() -> impl Iterator<Item = Entity> {
    THINGS.into_iter().map(entity)
}

/// Parses, checks, evaluates and explains whatever the text is.
fn run(text: &str) {
    let (parsed, problems) = parse_condition(text);
    assert_eq!(parsed.is_none(), problems.iter().any(|problem| problem.is_error()));
    for problem in &problems {
        assert!(text.get(problem.span.start..problem.span.end).is_some(), "{problem:?}");
    }
    for category in [Category::License, Category::Sync, Category::Security] {
        match Condition::compile(text, category) {
            Err(problems) => assert!(problems.iter().any(|problem| problem.is_error())),
            Ok(condition) => {
                let site = site(false);
                let _ = loggia_rules::admits(&condition, &site);
                let rules = RuleSet::new(vec![Rule {
                    id: Uuid::nil(),
                    name: "rule".into(),
                    filter: ResourceFilter::everything(),
                    actions: Actions::ALL,
                    context: Context::Both,
                    effect: Effect::Allow,
                    condition,
                }]);
                for entity in entities() {
                    let _ = decide(&rules, &site, RequestContext::Hub, &entity, Action::Read);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        run(&text);
    }

    #[test]
    fn no_soup_of_tokens_makes_it_panic(text in token_soup()) {
        run(&text);
    }

    #[test]
    fn no_filter_makes_it_panic(text in "[A-Za-z.*_, 0-9é-]{0,40}") {
        let (filter, problems) = ResourceFilter::parse(&text);
        prop_assert_eq!(filter.is_none(), problems.iter().any(|problem| problem.is_error()));
        if let Some(filter) = filter {
            for entity in entities() {
                if filter.matches(&entity) {
                    prop_assert!(filter.kinds().contains(entity.kind));
                }
            }
        }
    }

    #[test]
    fn a_reading_reads_the_same_again(text in condition()) {
        let reading = parse_condition(&text).0.unwrap().to_string();
        let again = parse_condition(&reading).0.unwrap().to_string();
        prop_assert_eq!(reading, again);
    }

    #[test]
    fn explaining_listing_and_deciding_agree(
        set in prop::collection::vec(rule(), 0..7),
        is_anonymous in any::<bool>(),
    ) {
        let (rules, site) = (RuleSet::new(set), site(is_anonymous));
        for context in [RequestContext::Hub, RequestContext::Console] {
            // One request for all, as lists use it, and a fresh one for each question.
            let mut shared = Request::new(&rules, &site, context);
            for entity in entities() {
                let rights = granted(&rules, &site, context, &entity);
                prop_assert_eq!(rights, shared.granted(&entity));
                for action in Action::ALL {
                    let decision = decide(&rules, &site, context, &entity, action);
                    let is_allowed = decision.is_allowed();
                    prop_assert_eq!(is_allowed, rights.contains(action), "{} {}", entity, action);
                    prop_assert_eq!(is_allowed, shared.allows(&entity, action));
                    prop_assert_eq!(is_allowed, allows(&rules, &site, context, &entity, action));
                    if is_allowed {
                        prop_assert!(!decision.granted_by.is_empty());
                    }
                    for refusal in &decision.nearest {
                        prop_assert!(refusal.distance > 0 && !refusal.clause.is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn order_and_repetition_of_rules_never_matter(
        set in prop::collection::vec(rule(), 0..7),
        seed in any::<u64>(),
        is_anonymous in any::<bool>(),
    ) {
        let mut other: Vec<Rule> = set.iter().chain(set.iter().take(2)).cloned().collect();
        other.sort_by_key(|rule| rule.id.as_u128().wrapping_mul(u128::from(seed | 1)));
        let (rules, other) = (RuleSet::new(set), RuleSet::new(other));
        let site = site(is_anonymous);
        for entity in entities() {
            for action in [Action::Read, Action::Update, Action::Publish] {
                let one = decide(&rules, &site, RequestContext::Hub, &entity, action);
                let two = decide(&other, &site, RequestContext::Hub, &entity, action);
                prop_assert_eq!(one, two);
            }
        }
    }
}
