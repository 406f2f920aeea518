//! A small site to run rules on: things with properties, and somebody who asks.

use std::collections::HashMap;
use std::sync::Arc;

use loggia_rules::{
    Actions, Category, Condition, Context, Effect, Entity, Fact, Facts, ResourceFilter,
    ResourceKind, Rule, RuleSet, Subject,
};
use uuid::Uuid;

/// Facts as a table. Properties are given as `name: value`; a value `→Stream press` is a relation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Site {
    things: HashMap<Entity, HashMap<String, Vec<Fact>>>,
    pub(crate) person: Person,
    node: HashMap<String, Vec<Fact>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    pub(crate) entity: Option<Entity>,
    pub(crate) is_anonymous: bool,
    properties: HashMap<String, Vec<Fact>>,
}

impl Site {
    /// Adds a thing, such as `App turnover`.
    pub(crate) fn with(mut self, thing: &str, properties: &[(&str, &str)]) -> Site {
        self.things.insert(entity(thing), facts(properties));
        self
    }

    pub(crate) fn at_node(&self, properties: &[(&str, &str)]) -> Site {
        Site { node: facts(properties), ..self.clone() }
    }

    pub(crate) fn asked_by(&self, person: Person) -> Site {
        Site { person, ..self.clone() }
    }
}

impl Person {
    pub(crate) fn visitor() -> Person {
        Person {
            entity: None,
            is_anonymous: true,
            properties: facts(&[
                ("userdirectory", "NONE"),
                ("userid", "anonymousd9e61933-a7e5-4836-8540-5b137a600e69"),
            ]),
        }
    }

    /// Somebody of directory LOGGIA; a property that is given replaces the usual one.
    pub(crate) fn user(name: &str, properties: &[(&str, &str)]) -> Person {
        let mut all = vec![("userdirectory", "LOGGIA"), ("userid", name), ("name", name)];
        all.extend_from_slice(properties);
        Person {
            entity: Some(entity(&format!("User {name}"))),
            is_anonymous: false,
            properties: facts(&all),
        }
    }
}

impl Person {
    /// Somebody with exactly these properties.
    pub(crate) fn only(name: &str, properties: &[(&str, &str)]) -> Person {
        Person {
            entity: Some(entity(&format!("User {name}"))),
            is_anonymous: false,
            properties: facts(properties),
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.properties.insert(name.to_lowercase(), vec![Fact::Text(value.into())]);
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.properties.entry(name.to_lowercase()).or_default().push(Fact::Text(value.into()));
    }

    /// The person without the attributes that are named.
    pub(crate) fn forget(mut self, is_named: &dyn Fn(&str) -> bool) -> Person {
        self.properties.retain(|name, _| !is_named(name));
        self.is_anonymous &= !is_named("isanonymous");
        self.entity = self.entity.filter(|_| !is_named("identity"));
        self
    }
}

impl Facts for Site {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        assert_eq!(name, name.to_lowercase(), "names arrive in lower case");
        let properties = match subject {
            Subject::Requester => Some(&self.person.properties),
            Subject::Resource(entity) => self.things.get(entity),
            Subject::Node => Some(&self.node),
        };
        if let Some(values) = properties.and_then(|properties| properties.get(name)) {
            out.extend(values.iter().cloned());
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        self.person.is_anonymous
    }

    fn requester_entity(&self) -> Option<Entity> {
        self.person.entity.clone()
    }

    fn requester_owns_anything(&self) -> bool {
        let me = self.person.entity.clone().map(Fact::Entity);
        let mut existing = self.things.iter().filter(|(thing, _)| thing.id.is_some());
        existing.any(|(_, properties)| {
            let owners = properties.get("owner");
            me.iter().any(|me| owners.is_some_and(|owners| owners.contains(me)))
        })
    }
}

/// `App turnover` is the app of that nickname, `new App` one that is still to be created, and
/// `QmcSection_App` a transient object.
pub(crate) fn entity(text: &str) -> Entity {
    match text.split_once(' ') {
        Some(("new", kind)) => Entity::to_create(kind.parse().unwrap()),
        Some((kind, nickname)) => Entity::new(kind.parse().unwrap(), id(nickname)),
        None if text.contains('_') => Entity::transient(text),
        None => Entity { kind: text.parse().unwrap(), id: None, name: None },
    }
}

/// A stable id for a nickname; GUIDs stand for themselves.
pub(crate) fn id(nickname: &str) -> Uuid {
    nickname.parse().unwrap_or_else(|_| {
        let step = |hash: u128, byte: u8| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B)
        };
        Uuid::from_u128(nickname.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, step))
    })
}

fn facts(properties: &[(&str, &str)]) -> HashMap<String, Vec<Fact>> {
    let mut all: HashMap<String, Vec<Fact>> = HashMap::new();
    for (name, value) in properties {
        let fact = match value.strip_prefix('→') {
            Some(thing) => Fact::Entity(entity(thing)),
            None => Fact::Text(Arc::from(*value)),
        };
        all.entry(name.to_lowercase()).or_default().push(fact);
    }
    all
}

/// A rule in one line: `[forbid] read,update on Stream_* [in hub|console] [if condition]`. Its
/// name is its number, its id is made from the text.
pub(crate) fn rule(number: usize, text: &str) -> Rule {
    let (head, condition) = text.split_once(" if ").unwrap_or((text, ""));
    let (effect, head) = match head.strip_prefix("forbid ") {
        Some(head) => (Effect::Forbid, head),
        None => (Effect::Allow, head),
    };
    let (head, context) = match head.split_once(" in ") {
        Some((head, "hub")) => (head, Context::Hub),
        Some((head, "console")) => (head, Context::Console),
        Some((_, other)) => panic!("no context {other}"),
        None => (head, Context::Both),
    };
    let (actions, filter) = head.split_once(" on ").unwrap();
    let filter: ResourceFilter = filter.parse().unwrap();
    let condition = Condition::compile_for(condition, Category::Security, &filter);
    Rule {
        id: id(text),
        name: format!("rule {number}").into(),
        actions: match actions {
            "all" => Actions::ALL,
            _ => actions.split(',').map(|action| action.parse().unwrap()).collect::<Actions>(),
        },
        filter,
        context,
        effect,
        condition: condition.unwrap_or_else(|problems| panic!("{text}: {problems:#?}")),
    }
}

pub(crate) fn rules(texts: &[&str]) -> RuleSet {
    RuleSet::new(texts.iter().enumerate().map(|(index, text)| rule(index + 1, text)).collect())
}

/// The name that [`rules`] gave to the rule with this id.
pub(crate) fn rule_name(rules: &RuleSet, id: Uuid) -> String {
    rules.rules().iter().find(|rule| rule.id == id).unwrap().name.to_string()
}

#[test]
fn nicknames_have_ids_of_their_own() {
    assert_ne!(id("a"), id("b"));
    assert_eq!(entity("App a").kind, ResourceKind::App);
}
