//! Every rule that holds is found, and little else is looked at.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::{
    Category, Condition, Context, ResourceFilter, Rule, RuleSet, allows, decide, granted, oracle,
};

const IDS: [u128; 3] = [0xA0, 0xB1, 0xC2];

/// Texts that are equal or begin alike in ways that a table of texts could miss.
const TEXTS: [&str; 14] =
    ["a", "A", "ab", "Äb", "äB", "1", "1.0", "-0", "0", "\u{212a}", "k", "İ", "i\u{307}", ""];

/// Values of everybody and everything, chosen by a number.
struct World {
    seed: u64,
    is_anonymous: bool,
    reads: Cell<usize>,
}

impl World {
    fn pick(&self, salt: &str, id: u128, below: usize) -> usize {
        let mut hash = self.seed ^ (id as u64).wrapping_mul(0x9e37_79b9);
        for byte in salt.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            hash ^= hash >> 29;
        }
        (hash % below as u64) as usize
    }

    fn texts(&self, name: &str, id: u128, out: &mut Vec<Fact>) {
        for number in 0..self.pick(name, id, 4) {
            let text = TEXTS[self.pick(&format!("{name}{number}"), id, TEXTS.len())];
            out.push(Fact::Text(text.into()));
        }
    }

    fn thing(&self, kind: ResourceKind, name: &str, id: u128, out: &mut Vec<Fact>) {
        let choice = self.pick(name, id, IDS.len() + 1);
        let id = IDS.get(choice).map(|id| Uuid::from_u128(*id));
        out.extend(id.map(|id| Fact::Entity(Entity::new(kind, id))));
    }
}

fn number(thing: &Entity) -> u128 {
    thing.id.map_or(9, |id| id.as_u128())
}

impl Facts for World {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        self.reads.set(self.reads.get() + 1);
        match (subject, name) {
            (Subject::Resource(thing), "stream") if thing.kind == ResourceKind::App => {
                self.thing(ResourceKind::Stream, name, number(thing), out);
            }
            (Subject::Resource(thing), "owner") => {
                self.thing(ResourceKind::User, name, number(thing), out);
            }
            (Subject::Resource(thing), _) => {
                self.texts(name, number(thing), out);
            }
            (Subject::Requester, _) => self.texts(name, 1, out),
            (Subject::Node, _) => {}
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    fn requester_entity(&self) -> Option<Entity> {
        let id = Uuid::from_u128(IDS[self.pick("requester", 1, IDS.len())]);
        (!self.is_anonymous).then(|| Entity::new(ResourceKind::User, id))
    }
}

fn test() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "user.group",
        "user.@dept",
        "user.name",
        "resource.name",
        "resource.@dept",
        "resource.stream.name",
        "resource.stream.@dept",
    ]);
    let text = prop::sample::select(TEXTS.to_vec());
    let operator = prop::sample::select(vec!["=", "==", "!=", "!==", "like"]);
    let pattern = prop::sample::select(vec!["", "*", "?", "*b"]);
    let id = prop::sample::select(IDS.to_vec()).prop_map(Uuid::from_u128);
    prop_oneof![
        6 => (path.clone(), operator.clone(), text.clone())
            .prop_map(|(path, operator, text)| format!(r#"{path} {operator} "{text}""#)),
        2 => (path.clone(), text.clone(), text.clone())
            .prop_map(|(path, one, other)| format!(r#"{path} = {{"{one}", "{other}"}}"#)),
        2 => (path.clone(), text, pattern)
            .prop_map(|(path, text, pattern)| format!(r#"{path} like "{text}{pattern}""#)),
        2 => (path.clone(), operator, path.clone())
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        1 => path.prop_map(|path| format!("{path}.Empty()")),
        1 => id.clone().prop_map(|id| format!(r#"resource.id = "{id}""#)),
        1 => id.prop_map(|id| format!(r#"resource.stream.id = "{id}""#)),
        1 => prop::sample::select(vec![
            "user.IsAnonymous()",
            "resource.owner = user",
            "resource.IsOwned()",
            r#"resource.resourcetype = "App""#,
            r#"resource.resourcetype != "Stream""#,
            r#"resource.stream.HasPrivilege("read")"#,
            "true",
            "false",
        ])
        .prop_map(str::to_owned),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    test().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(|p| p.join(" and ")),
            2 => prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            1 => inner.prop_map(|part| format!("!({part})")),
        ]
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let id = prop::sample::select(IDS.to_vec()).prop_map(Uuid::from_u128);
    let filter = prop_oneof![
        prop::sample::select(vec!["*", "App*", "App_*", "Stream_*", "App", "App_*,Stream_*"])
            .prop_map(str::to_owned),
        id.clone().prop_map(|id| format!("App_{id}")),
        (id.clone(), id).prop_map(|(one, other)| format!("Stream_{one}, Stream_{other}, App")),
    ];
    let effect = prop_oneof![3 => Just(Effect::Allow), 1 => Just(Effect::Forbid)];
    let actions = prop::sample::select(vec![Actions::READ, Actions::READ | Actions::UPDATE]);
    let context = prop::sample::select(vec![Context::Both, Context::Hub, Context::Console]);
    let numbers = (0..12_u128, filter, condition(), effect, actions, context);
    numbers.prop_map(|(id, filter, condition, effect, actions, context)| Rule {
        id: Uuid::from_u128(id),
        name: "rule".into(),
        filter: filter.parse::<ResourceFilter>().unwrap(),
        actions,
        context,
        effect,
        condition: Condition::compile(&condition, Category::Security).unwrap(),
    })
}

fn things() -> impl Iterator<Item = Entity> {
    let of_kind = |kind| {
        let existing = IDS.into_iter().map(move |id| Entity::new(kind, Uuid::from_u128(id)));
        existing.chain([Entity::to_create(kind)])
    };
    of_kind(ResourceKind::App).chain(of_kind(ResourceKind::Stream))
}

fn compare(rules: &RuleSet, world: &World) -> Result<(), TestCaseError> {
    for context in [RequestContext::Hub, RequestContext::Console] {
        for thing in things() {
            let expected = oracle::decide(rules, world, context, &thing, Action::Read);
            // Every rule that holds is found, and no other.
            prop_assert_eq!(decide(rules, world, context, &thing, Action::Read), expected);
            let expected = oracle::granted(rules, world, context, &thing);
            prop_assert_eq!(granted(rules, world, context, &thing), expected);
            for action in [Action::Read, Action::Update] {
                let allows = allows(rules, world, context, &thing, action);
                prop_assert_eq!(allows, expected.contains(action));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_rule_that_holds_is_found(
        set in prop::collection::vec(rule(), 0..16),
        seed in any::<u64>(),
        is_anonymous in any::<bool>(),
    ) {
        compare(&RuleSet::new(set), &World { seed, is_anonymous, reads: Cell::new(0) })?;
    }

    #[test]
    fn a_set_that_was_changed_finds_what_a_new_one_finds(
        set in prop::collection::vec(rule(), 0..10),
        changes in prop::collection::vec((prop::collection::vec(rule(), 0..3), 0..12_u128), 1..6),
        seed in any::<u64>(),
    ) {
        let world = World { seed, is_anonymous: false, reads: Cell::new(0) };
        let mut rules = RuleSet::new(set);
        for (put, gone) in changes {
            rules = rules.with(put, &[Uuid::from_u128(gone)]);
            let anew = RuleSet::new(rules.rules().to_vec());
            compare(&rules, &world)?;
            for thing in things() {
                let decide = |rules| {
                    decide(rules, &world, RequestContext::Hub, &thing, Action::Read)
                };
                prop_assert_eq!(decide(&rules), decide(&anew));
            }
        }
    }
}

#[test]
fn decisions_read_each_path_once_and_only_what_rules_are_filed_under() {
    let rules = |condition: &dyn Fn(u128) -> String| {
        let rule = |number| Rule {
            id: Uuid::from_u128(number),
            name: "rule".into(),
            filter: "App_*".parse().unwrap(),
            actions: Actions::READ,
            context: Context::Both,
            effect: Effect::Allow,
            condition: Condition::compile(&condition(number), Category::Security).unwrap(),
        };
        RuleSet::new((0..100).map(rule).collect::<Vec<Rule>>())
    };
    let reads = |rules: &RuleSet, questions: usize| {
        let world = World { seed: 7, is_anonymous: false, reads: Cell::new(0) };
        let mut machine = Machine::new(rules.arrangement(), &world, RequestContext::Hub);
        for _ in 0..questions {
            for id in IDS {
                let app = Entity::new(ResourceKind::App, Uuid::from_u128(id));
                machine.granted(&app, Actions::READ);
            }
        }
        world.reads.get()
    };
    let groups = rules(&|n| format!(r#"user.group = "g{n}""#));
    assert_eq!([reads(&groups, 1), reads(&groups, 5)], [1, 1]);
    let both = rules(&|n| format!(r#"resource.@dept = "d{n}" and user.@dept = "d{n}""#));
    assert_eq!([reads(&both, 1), reads(&both, 5)], [1, 1], "the requester tells enough");
    let names = rules(&|n| format!(r#"resource.name = "n{n}" and resource.@dept = "d""#));
    assert_eq!(reads(&names, 1), 3);
    let patterns = rules(&|n| format!(r#"resource.name like "*{n}*""#));
    assert_eq!(reads(&patterns, 1), 3);
    let streams = rules(&|n| format!(r#"resource.stream.@dept = "d{n}" or user.name = "x{n}""#));
    assert!(reads(&streams, 1) <= 1 + 3 * 2);
}
