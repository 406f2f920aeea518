//! Lists, sets of requesters, audiences and residues say what asking one by one says.

use expect_test::{Expect, expect};
use loggia_rules::{
    Action, Actions, Category, Condition, Context, Effect, Entity, Facts, Listing, RequestContext,
    Residues, ResourceKind, Rule, RuleSet, SubjectSet, Subjects, Verdict, admits, oracle,
};
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use crate::site::{Person, Site, entity, rules};

const CONTEXTS: [RequestContext; 2] = [RequestContext::Hub, RequestContext::Console];

const THINGS: [&str; 11] = [
    "App one",
    "App two",
    "App three",
    "new App",
    "Stream one",
    "Stream two",
    "App.Object one",
    "App.Object two",
    "StaticContentReference one",
    "ContentLibrary one",
    "User ana",
];

fn things() -> impl Iterator<Item = Entity> {
    let sections = ["QmcSection_App", "HubSection_Home"];
    THINGS.into_iter().chain(sections).map(entity)
}

/// Texts that are alike in different ways.
const TEXTS: [&str; 8] = ["a", "A", "b", "1", "1.0", "10.0.0.1", "*", "a\"\\b"];

fn texts() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(select(&TEXTS[..]), 0..3)
}

fn named(
    names: &'static [&'static str],
) -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    names
        .iter()
        .map(|&name| texts().prop_map(move |texts| texts.into_iter().map(move |t| (name, t))))
        .collect::<Vec<_>>()
        .prop_map(|properties| properties.into_iter().flatten().collect())
}

fn person() -> impl Strategy<Value = Person> {
    let attributes = named(&[
        "group",
        "roles",
        "@area",
        "environment.ip",
        "environment.team",
        "environment.device",
    ]);
    (select(&["", "", "ana", "ben", "cleo"][..]), attributes).prop_map(|(name, attributes)| {
        let mut person = match name {
            "" => Person::visitor(),
            name => Person::user(name, &[]),
        };
        for (name, value) in attributes {
            person.add(name, value);
        }
        person
    })
}

fn site() -> impl Strategy<Value = Site> {
    let related = |options: &'static [&'static str]| select(options);
    let streams = &["", "→Stream one", "→Stream two"][..];
    let owners = &["", "→User ana", "→User ben"][..];
    let thing = move |thing: &'static str,
                      relations: Vec<(&'static str, &'static [&'static str])>| {
        let relations: Vec<_> = relations
            .into_iter()
            .map(|(name, options)| related(options).prop_map(move |value| (name, value)))
            .collect();
        (named(&["name", "@area", "tags", "published"]), relations).prop_map(
            move |(mut properties, relations)| {
                properties.extend(relations.into_iter().filter(|(_, value)| !value.is_empty()));
                (thing, properties)
            },
        )
    };
    let apps = &["", "→App one", "→App two"][..];
    let libraries = &["", "→ContentLibrary one"][..];
    let things = vec![
        thing("App one", vec![("stream", streams), ("owner", owners)]).boxed(),
        thing("App two", vec![("stream", streams), ("owner", owners)]).boxed(),
        thing("App three", vec![("stream", streams), ("owner", owners)]).boxed(),
        thing("new App", vec![("stream", streams), ("owner", owners)]).boxed(),
        thing("Stream one", vec![("owner", owners)]).boxed(),
        thing("Stream two", vec![("owner", owners)]).boxed(),
        thing("App.Object one", vec![("app", apps), ("owner", owners)]).boxed(),
        thing("App.Object two", vec![("app", apps), ("owner", owners)]).boxed(),
        thing(
            "StaticContentReference one",
            vec![("contentlibrarys", libraries), ("app", apps), ("app", apps)],
        )
        .boxed(),
        thing("ContentLibrary one", vec![("owner", owners)]).boxed(),
        thing("User ana", vec![]).boxed(),
    ];
    things.prop_map(|things| {
        things
            .into_iter()
            .fold(Site::default(), |site, (thing, properties)| site.with(thing, &properties))
    })
}

fn operand(paths: &'static [&'static str]) -> impl Strategy<Value = String> {
    let literal = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let constant = select(&TEXTS[..]).prop_map(literal);
    let item = prop_oneof![3 => select(paths).prop_map(str::to_owned), 1 => constant];
    prop_oneof![
        4 => item.clone(),
        1 => prop::collection::vec(item, 1..4).prop_map(|items| format!("{{{}}}", items.join(", "))),
    ]
}

/// Conditions that pass every check; those that do not are left out.
fn condition() -> impl Strategy<Value = String> {
    const USER: &[&str] = &[
        "user.group",
        "user.roles",
        "user.@area",
        "user.name",
        "user.userId",
        "user.environment.ip",
        "user.environment.team",
    ];
    const RESOURCE: &[&str] = &[
        "resource.name",
        "resource.@area",
        "resource.tags",
        "resource.stream.name",
        "resource.app.@area",
        "resource.app.stream.@area",
        "resource.owner.name",
        "resource.owner.@area",
    ];
    let operator = select(&["=", "=", "==", "!=", "!==", "like"][..]);
    let user_only = (operand(USER), operator.clone(), operand(USER));
    let resource_only = (operand(RESOURCE), operator.clone(), operand(RESOURCE));
    let mixed = (operand(USER), operator.clone(), operand(RESOURCE));
    let swapped = (operand(RESOURCE), operator, operand(USER));
    let compare =
        |(left, operator, right): (String, &str, String)| format!("{left} {operator} {right}");
    let fixed = select(
        &[
            "true",
            "false",
            "user.IsAnonymous()",
            "user.group.Empty()",
            "user.environment.ip.Empty()",
            r#"user.environment.ip matches "10[.].*""#,
            r#"user.environment.ip like {"10.*", "a?"}"#,
            r#"user.environment.device = {"a", "b", "1"}"#,
            r#"resource.name matches "[ab1].*""#,
            "resource.@area.Empty()",
            "resource.stream.Empty()",
            "resource.owner = user",
            "resource.owner != user",
            "user == resource.app.owner",
            "resource.owner.id = user.id",
            "resource = user",
            "resource.IsOwned()",
            "resource.app.IsOwned()",
            r#"resource.resourcetype = "App""#,
            r#"resource.resourcetype != {"App", "Stream"}"#,
            r#"resource.resourcetype like "App*""#,
            r#"user.environment.context = "AppAccess""#,
            r#"resource.HasPrivilege("read")"#,
            r#"resource.HasPrivilege("update")"#,
            r#"resource.stream.HasPrivilege("read")"#,
            r#"resource.stream.HasPrivilege("publish")"#,
            r#"resource.app.HasPrivilege("read")"#,
            r#"resource.app.HasPrivilege("update")"#,
            r#"resource.app.stream.HasPrivilege("read")"#,
            r#"resource.ContentLibrarys.HasPrivilege("read")"#,
        ][..],
    )
    .prop_map(str::to_owned);
    let test = prop_oneof![
        2 => user_only.prop_map(compare),
        1 => resource_only.prop_map(compare),
        2 => mixed.prop_map(compare),
        1 => swapped.prop_map(compare),
        4 => fixed,
    ]
    .prop_filter("a condition that passes every check", |text| {
        Condition::compile(text, Category::Security).is_ok()
    });
    test.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| parts.join(" and ")),
            2 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            1 => inner.prop_map(|part| format!("!({part})")),
        ]
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let one = format!("App_{}, Stream_{}", crate::site::id("one"), crate::site::id("two"));
    let filters =
        ["*", "App*", "App_*", "App_*", "Stream_*", "App.Object_*", "App", "QmcSection_*", &one];
    let filter = select(filters.map(str::to_owned).to_vec());
    let actions = select(vec![
        Actions::READ,
        Actions::READ | Actions::UPDATE,
        Actions::UPDATE,
        Actions::PUBLISH,
        Actions::READ | Actions::PUBLISH,
        Actions::ALL,
    ]);
    let context = select(vec![Context::Both, Context::Both, Context::Hub, Context::Console]);
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

/// Conditions on texts of things, by which rules are filed.
fn condition_on_things() -> impl Strategy<Value = String> {
    let path =
        select(&["resource.name", "resource.@area", "resource.tags", "resource.stream.name"][..]);
    let texts = r#""a" "A" "b" "1" "1.0" "c" "10.0.0.1" {"a","b"} {"1","c","b"}"#;
    let patterns = r#""a*" "A*" "1*" "1?0" "*" "*1" "10.*" {"a*","b*"} {"a*","*b"} "\*""#;
    let of = |texts: &'static str| select(texts.split(' ').collect::<Vec<_>>());
    let test = prop_oneof![
        4 => (path.clone(), select(&["=", "=", "=", "==", "!="][..]), of(texts)),
        2 => (path, Just("like"), of(patterns)),
    ];
    test.prop_map(|(path, operator, text)| format!("{path} {operator} {text}")).prop_recursive(
        3,
        8,
        3,
        |inner| {
            prop_oneof![
                2 => prop::collection::vec(inner.clone(), 2..4)
                    .prop_map(|parts| format!("({})", parts.join(" and "))),
                3 => prop::collection::vec(inner.clone(), 2..4)
                    .prop_map(|parts| format!("({})", parts.join(" or "))),
                1 => inner.prop_map(|part| format!("!({part})")),
            ]
        },
    )
}

/// Sets made at once, and sets that were changed after they were in use.
fn rule_set() -> impl Strategy<Value = RuleSet> {
    let rules = |most| prop::collection::vec(rule(), 0..most);
    prop_oneof![
        rules(9).prop_map(RuleSet::new),
        (rules(6), rules(5), 0..3_usize).prop_map(|(before, put, gone)| {
            let gone: Vec<Uuid> = before.iter().take(gone).map(|rule| rule.id).collect();
            let before = RuleSet::new(before);
            let _ = before.footprint();
            before.with(put, &gone)
        }),
    ]
}

fn show(rules: &RuleSet) -> Vec<String> {
    let line = |rule: &Rule| {
        let condition = rule.condition.text();
        format!(
            "{:?} {:?} {:?} {} if {condition}",
            rule.effect,
            rule.context,
            rule.actions.names(),
            rule.filter
        )
    };
    rules.rules().iter().map(|rule| line(rule)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_has_what_may_be_acted_on(rules in rule_set(), site in site(), person in person()) {
        let site = site.asked_by(person);
        for context in CONTEXTS {
            for action in [Action::Read, Action::Update, Action::Publish, Action::Export] {
                for kind in [ResourceKind::App, ResourceKind::Stream, ResourceKind::AppObject,
                    ResourceKind::StaticContentReference, ResourceKind::TransientObject, ResourceKind::User] {
                    let mut listing = Listing::new(&rules, &site, context, kind, action);
                    for thing in things().filter(|thing| thing.kind == kind) {
                        let expected = oracle::allows(&rules, &site, context, &thing, action);
                        let found = listing.contains(&thing);
                        prop_assert_eq!(found, expected, "{} {} {:#?}", action, thing, show(&rules));
                        prop_assert!(!listing.is_all() || found, "all but {} {:#?}", thing, show(&rules));
                        prop_assert!(!listing.is_none() || !found, "none but {} {:#?}", thing, show(&rules));
                    }
                }
            }
        }
    }

    #[test]
    fn no_rule_is_missed_for_being_filed_elsewhere(
        texts in prop::collection::vec(condition_on_things(), 1..4),
        filter in select(&["App_*", "*", "App.Object_*, App_*"][..]),
        site in site(),
    ) {
        let rule = |(n, text): (usize, &String)| crate::site::rule(n, &format!("read on {filter} if {text}"));
        let set = RuleSet::new(texts.iter().enumerate().map(rule).collect());
        let facts: [&dyn Facts; 1] = [&site];
        let mut subjects = Subjects::new(&set, RequestContext::Hub, &facts);
        let mut listing =
            Listing::new(&set, &site, RequestContext::Hub, ResourceKind::App, Action::Read);
        for thing in things().filter(|thing| thing.kind == ResourceKind::App) {
            let expected =
                oracle::allows(&set, &site, RequestContext::Hub, &thing, Action::Read);
            prop_assert_eq!(listing.contains(&thing), expected, "{} {:#?}", thing, texts);
            let allowed = subjects.may(&thing, Action::Read).contains(0);
            prop_assert_eq!(allowed, expected, "{} {:#?}", thing, texts);
        }
    }

    #[test]
    fn many_requesters_get_what_each_gets(
        rules in rule_set(),
        other in rule(),
        site in site(),
        people in prop::collection::vec(person(), 0..70),
    ) {
        let sites: Vec<Site> = people.into_iter().map(|person| site.asked_by(person)).collect();
        let facts: Vec<&dyn Facts> = sites.iter().map(|site| site as &dyn Facts).collect();
        for context in CONTEXTS {
            let mut subjects = Subjects::new(&rules, context, &facts);
            for thing in things() {
                let granted = subjects.granted(&thing);
                prop_assert_eq!(granted.len(), Action::ALL.len());
                for (action, allowed) in granted {
                    let expected: Vec<usize> = (0..facts.len())
                        .filter(|&i| oracle::allows(&rules, facts[i], context, &thing, action))
                        .collect();
                    let members = |set: &SubjectSet| set.iter().collect::<Vec<usize>>();
                    prop_assert_eq!(&members(&allowed), &expected, "{} {} {:#?}", action, thing, show(&rules));
                    prop_assert_eq!(members(&subjects.may(&thing, action)), expected);
                }
                // A rule that asks nothing holds for whom it would grant if it were alone.
                if !other.condition.asks_rules() {
                    let alone = Rule {
                        filter: "*".parse().unwrap(),
                        actions: Actions::ALL,
                        context: Context::Both,
                        effect: Effect::Allow,
                        ..other.clone()
                    };
                    let alone = RuleSet::new(vec![alone]);
                    let expected: Vec<usize> = (0..facts.len())
                        .filter(|&i| oracle::allows(&alone, facts[i], context, &thing, Action::Read))
                        .collect();
                    prop_assert_eq!(subjects.holds(&other, &thing).iter().collect::<Vec<_>>(), expected);
                }
            }
        }
    }

    #[test]
    fn an_audience_gets_the_same_answers(
        rules in rule_set(),
        site in site(),
        people in prop::collection::vec(person(), 2..9),
    ) {
        let sites: Vec<Site> = people.into_iter().map(|person| site.asked_by(person)).collect();
        for context in CONTEXTS {
            let answers = |site: &Site| -> Vec<Actions> {
                // What does not exist is owned by whoever is about to create it.
                let existing = things().filter(|thing| thing.id.is_some() || thing.name.is_some());
                existing.map(|thing| oracle::granted(&rules, site, context, &thing)).collect()
            };
            let known: Vec<_> =
                sites.iter().map(|site| (rules.audience(site, context), answers(site))).collect();
            for (one, its) in &known {
                for (other, others) in &known {
                    if one == other {
                        prop_assert_eq!(its, others, "{:#?}", show(&rules));
                        prop_assert_eq!(one.fingerprint(), other.fingerprint());
                    }
                }
            }
        }
    }

    #[test]
    fn a_residue_says_what_is_decided_when_all_is_known(
        rules in rule_set(),
        site in site(),
        person in person(),
        open in prop::collection::vec(
            select(&["environment.ip", "environment.team", "environment.device", "group", "@area",
                     "name", "userid", "identity", "isanonymous"][..]),
            0..5,
        ),
    ) {
        let unknown = |name: &str| open.contains(&name);
        let known = site.asked_by(person.clone());
        let unsure = site.asked_by(person.forget(&unknown));
        for context in CONTEXTS {
            let mut residues = Residues::new(&rules, &unsure, context, &unknown);
            let holds = |verdict: &Verdict| match verdict {
                Verdict::Always => true,
                Verdict::Never => false,
                Verdict::When(text) => {
                    let condition = Condition::compile(text, Category::License);
                    admits(&condition.unwrap_or_else(|problems| panic!("{text}: {problems:?}")), &known)
                }
            };
            for thing in things() {
                for action in [Action::Read, Action::Update, Action::Publish] {
                    let residue = residues.residue(&thing, action);
                    if !residue.is_exact {
                        continue;
                    }
                    let decision = oracle::decide(&rules, &known, context, &thing, action);
                    prop_assert_eq!(
                        holds(&residue.verdict), decision.is_allowed(),
                        "{} {} {:?} {:#?}", action, thing, residue, show(&rules)
                    );
                    let ids = |rules: &[(Uuid, Verdict)]| {
                        let holding = rules.iter().filter(|(_, verdict)| holds(verdict));
                        holding.map(|&(id, _)| id).collect::<Vec<_>>()
                    };
                    prop_assert_eq!(ids(&residue.granted_by), decision.granted_by, "{:#?}", show(&rules));
                    prop_assert_eq!(ids(&residue.forbidden_by), decision.forbidden_by);
                }
            }
        }
    }
}

/// Which of some visitors are told apart.
fn audiences(texts: &[&str], people: &[Person], context: RequestContext) -> Vec<usize> {
    let (rules, site) = (rules(texts), Site::default());
    let mut seen = Vec::new();
    let number = |person: &Person| {
        let audience = rules.audience(&site.asked_by(person.clone()), context);
        let place = seen.iter().position(|known| *known == audience);
        place.unwrap_or_else(|| {
            seen.push(audience);
            seen.len() - 1
        })
    };
    people.iter().map(number).collect()
}

fn visitor(properties: &[(&str, &str)]) -> Person {
    let mut person = Person::visitor();
    for (name, value) in properties {
        person.set(name, value);
    }
    person
}

#[test]
fn visitors_are_one_audience_unless_a_rule_tells_them_apart() {
    let visitors = [
        visitor(&[("userid", "anonymous1"), ("environment.ip", "10.0.0.1")]),
        visitor(&[("userid", "anonymous2"), ("environment.ip", "10.0.0.2")]),
        visitor(&[("userid", "anonymous3"), ("environment.ip", "192.168.0.1")]),
    ];
    let hub = |texts: &[&str]| audiences(texts, &visitors, RequestContext::Hub);
    let usual = [
        "read on Stream_* if user.IsAnonymous()",
        r#"all on * in console if user.roles = "RootAdmin""#,
        r#"all on * if user.userDirectory = "INTERNAL" and user.userId like "sa_*""#,
        "read,update on * if resource.IsOwned() and resource.owner = user",
        r#"read on App_* if resource.@area = user.@area and resource.stream.HasPrivilege("read")"#,
    ];
    assert_eq!(hub(&usual), [0, 0, 0]);
    let mut by_address = usual.to_vec();
    by_address.push(r#"read on App_* if user.environment.ip like "10.*""#);
    assert_eq!(hub(&by_address), [0, 0, 1]);
    assert_eq!(hub(&[r#"read on App_* in console if user.environment.ip like "10.*""#]), [0, 0, 0]);
    // What no rule can grant is no difference.
    let never = r#"read on App_* if user.environment.ip like "10.*" and !user.IsAnonymous()"#;
    assert_eq!(hub(&[never]), [0, 0, 0]);
    assert_eq!(hub(&["read on App_* if resource.name = user.userId"]), [0, 1, 2]);
}

#[test]
fn people_are_told_apart_by_what_they_own_and_by_values_that_rules_compare() {
    let people = [
        Person::user("ana", &[("@area", "North"), ("group", "a"), ("group", "b")]),
        Person::user("ben", &[("@area", "north"), ("group", "b"), ("group", "x")]),
        Person::user("cleo", &[("@area", "South"), ("group", "b")]),
    ];
    let hub = |texts: &[&str]| audiences(texts, &people, RequestContext::Hub);
    assert_eq!(hub(&["read on App_* if resource.@area = user.@area"]), [0, 0, 1]);
    assert_eq!(hub(&["read on App_* if resource.@area == user.@area"]), [0, 1, 2]);
    assert_eq!(hub(&[r#"read on App_* if user.group = {"b", "c"}"#]), [0, 0, 0]);
    assert_eq!(hub(&[r#"read on App_* if user.group = "a" or user.group = "x""#]), [0, 0, 1]);
    // Nobody owns anything here.
    assert_eq!(hub(&["read on App_* if resource.owner = user"]), [0, 0, 0]);
    assert_eq!(hub(&["read on App_* if resource.owner != user"]), [0, 1, 2]);
}

#[test]
fn rules_read_what_is_in_their_footprint() {
    let rules = rules(&[
        "read on Stream_* if user.IsAnonymous()",
        r#"read on App_* if resource.@area = user.@Area and user.environment.IP like "10.*""#,
        r#"update on App_* if user.environment.context = "AppAccess" and resource.owner = user"#,
    ]);
    let attributes: Vec<&str> = rules.footprint().attributes().collect();
    assert_eq!(attributes, ["@area", "environment.ip", "identity", "isanonymous"]);
}

#[test]
fn a_decision_reaches_what_paths_and_privileges_lead_to() {
    let rules = rules(&[
        r#"read on App_* if resource.stream.HasPrivilege("read")"#,
        r#"read on App.Object_* if resource.app.HasPrivilege("read")"#,
        r#"read on Stream_* if resource.owner.name = "ana""#,
        "update on Stream_* if resource.owner = user",
    ]);
    let reach = |kind: ResourceKind| -> Vec<&str> {
        rules.reach(kind).iter().map(ResourceKind::name).collect()
    };
    assert_eq!(reach(ResourceKind::AppObject), ["App", "App.Object", "Stream", "User"]);
    assert_eq!(reach(ResourceKind::Stream), ["Stream", "User"]);
    assert_eq!(reach(ResourceKind::User), ["User"]);
}

#[test]
fn lists_of_all_and_of_nothing_are_known_at_once() {
    let site = Site::default().asked_by(Person::visitor());
    let list = |texts: &[&str]| {
        let rules = rules(texts);
        let listing =
            Listing::new(&rules, &site, RequestContext::Hub, ResourceKind::App, Action::Read);
        (listing.is_all(), listing.is_none())
    };
    assert_eq!(list(&["read on App* if user.IsAnonymous()"]), (true, false));
    assert_eq!(list(&[r#"read on App* if resource.resourcetype = "App""#]), (true, false));
    assert_eq!(list(&["read on App*", "forbid read on * if user.group.Empty()"]), (false, true));
    assert_eq!(list(&["read on App*", r#"forbid read on * if @area = "x""#]), (false, false));
    assert_eq!(list(&[r#"read on App* if resource.owner = user and @area = "x""#]), (false, true));
    assert_eq!(list(&["read on App_* in console"]), (false, true));
}

/// What a visitor of unknown address, device and entrance may read.
fn check_residue(texts: &[&str], expected: Expect) {
    let site = Site::default()
        .with("Stream press", &[("@open", "yes"), ("@region", "EU"), ("@region", "\"US\"")])
        .with("App turnover", &[("stream", "→Stream press"), ("name", "turnover")])
        .with("App diary", &[("owner", "→User ana")])
        .asked_by(Person::visitor());
    let rules = rules(texts);
    let unknown = |name: &str| name.starts_with("environment.");
    let mut residues = Residues::new(&rules, &site, RequestContext::Hub, &unknown);
    let mut shown = String::new();
    for thing in ["Stream press", "App turnover", "App diary"] {
        let verdict = match residues.residue(&entity(thing), Action::Read).verdict {
            Verdict::Always => "always".to_owned(),
            Verdict::Never => "never".to_owned(),
            Verdict::When(condition) => format!("when {condition}"),
        };
        shown += &format!("{thing}: {verdict}\n");
    }
    expected.assert_eq(&shown);
}

#[test]
fn what_remains_reads_only_what_is_unknown() {
    check_residue(
        &[
            r#"read on Stream_* if @open = "yes" and user.IsAnonymous() and user.environment.ip like "10.*""#,
            r#"read on App_* if resource.stream.HasPrivilege("read") and user.environment.Device != "iPad""#,
        ],
        expect![[r#"
            Stream press: when user.environment.ip like "10.*"
            App turnover: when user.environment.ip like "10.*" and user.environment.device != "iPad"
            App diary: never
        "#]],
    );
}

#[test]
fn what_remains_is_said_shortly() {
    check_residue(
        &[
            r#"read on Stream_* if user.environment.region = @region"#,
            r#"read on Stream_* if user.environment.region = "asia" and user.environment.os = "Linux""#,
            r#"read on Stream_* if user.environment.region = "asia""#,
            r#"read on App_* if user.environment.ip.Empty() and (user.IsAnonymous() or resource.owner = user)"#,
            r#"read on App_* if !user.environment.ip.Empty() and user.userDirectory = "NONE""#,
            r#"forbid read on App_* if resource.stream.Empty() and !(user.environment.virtualProxy = "public" or user.environment.ip matches "10\..*")"#,
        ],
        expect![[r#"
            Stream press: when user.environment.region = {"EU", "\"US\"", "asia"}
            App turnover: always
            App diary: when user.environment.virtualProxy = "public" or user.environment.ip matches "10\..*"
        "#]],
    );
}

#[test]
fn what_would_be_too_long_to_say_is_left_open() {
    let texts: Vec<String> = (0..300)
        .map(|n| format!(r#"read on App_* if user.environment.ip = "10.0.0.{n}" and user.environment.os = "{n}""#))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    check_residue(
        &texts,
        expect![[r#"
        Stream press: never
        App turnover: when true // or not: what decides it is too long to show
        App diary: when true // or not: what decides it is too long to show
    "#]],
    );
}
