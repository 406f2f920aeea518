//! Things with properties, and people who ask: what random rules are tried on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use loggia_rules::{Entity, Fact, Facts, ResourceKind, Subject};
use uuid::Uuid;

use super::random::Random;

use ResourceKind as Kind;

/// What reading a property gives. The product has its own table of this; the two must agree, or a
/// generated condition does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text,
    Truth,
    Number,
    Id,
    Kind,
    OneOf(&'static [&'static str]),
    Entity(Kind),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) value: Value,
    pub(crate) is_many: bool,
}

const fn one(name: &'static str, value: Value) -> Property {
    Property { name, value, is_many: false }
}

const fn many(name: &'static str, value: Value) -> Property {
    Property { name, value, is_many: true }
}

const OWNER: Property = one("owner", Value::Entity(Kind::User));
const AREA: Property = many("@area", Value::Text);
const LEVEL: Property = many("@Level", Value::Text);
const ID: Property = one("id", Value::Id);
const NAME: Property = one("name", Value::Text);
const TYPE: Property = one("resourcetype", Value::Kind);
const TAGS: Property = many("tags", Value::Text);
const APP: Property = one("app", Value::Entity(Kind::App));

/// What rules may read of a thing of this kind: a part of it, enough for every sort of value and
/// every relation.
pub(crate) fn properties(kind: Kind) -> &'static [Property] {
    match kind {
        Kind::App => {
            const {
                &[
                    ID,
                    NAME,
                    TYPE,
                    TAGS,
                    OWNER,
                    AREA,
                    LEVEL,
                    one("stream", Value::Entity(Kind::Stream)),
                    one("published", Value::Truth),
                    one("description", Value::Text),
                    one("fileSize", Value::Number),
                ]
            }
        }
        Kind::AppObject => {
            const {
                &[
                    ID,
                    NAME,
                    TYPE,
                    TAGS,
                    OWNER,
                    APP,
                    many("sheet", Value::Entity(Kind::AppObject)),
                    one("objectType", Value::Text),
                    one("published", Value::Truth),
                    one("approved", Value::Truth),
                ]
            }
        }
        Kind::AppContent => const { &[ID, NAME, TYPE, OWNER, APP] },
        Kind::AppDataSegment => const { &[ID, NAME, TYPE, APP] },
        Kind::Stream => const { &[ID, NAME, TYPE, TAGS, OWNER, AREA, LEVEL] },
        Kind::ContentLibrary => {
            const { &[ID, NAME, TYPE, OWNER, AREA, LEVEL, one("type", Value::Text)] }
        }
        Kind::SharedContent => const { &[ID, NAME, TYPE, OWNER, one("type", Value::Text)] },
        Kind::StaticContentReference => {
            const {
                &[
                    ID,
                    NAME,
                    TYPE,
                    OWNER,
                    many("ContentLibrarys", Value::Entity(Kind::ContentLibrary)),
                    many("SharedContents", Value::Entity(Kind::SharedContent)),
                    many("app", Value::Entity(Kind::App)),
                ]
            }
        }
        Kind::DataConnection => {
            const { &[ID, NAME, TYPE, TAGS, OWNER, AREA, LEVEL, one("type", Value::Text)] }
        }
        Kind::ReloadTask => {
            const { &[ID, NAME, TYPE, AREA, LEVEL, APP, one("isEnabled", Value::Truth)] }
        }
        Kind::SchemaEvent => {
            const {
                &[
                    ID,
                    NAME,
                    TYPE,
                    one("enabled", Value::Truth),
                    one("reloadTask", Value::Entity(Kind::ReloadTask)),
                ]
            }
        }
        Kind::User => {
            const {
                &[
                    ID,
                    NAME,
                    TYPE,
                    TAGS,
                    AREA,
                    LEVEL,
                    one("userId", Value::Text),
                    one("userDirectory", Value::Text),
                    many("roles", Value::Text),
                    many("group", Value::Text),
                    many("email", Value::Text),
                    one("inactive", Value::Truth),
                    many(DIRECTORY[0], Value::Text),
                    many(DIRECTORY[1], Value::Text),
                ]
            }
        }
        Kind::SystemRule => {
            const {
                &[
                    ID,
                    NAME,
                    TYPE,
                    TAGS,
                    one("category", CATEGORIES),
                    one("resourceFilter", Value::Text),
                    one("disabled", Value::Truth),
                ]
            }
        }
        Kind::TempContent => const { &[ID, NAME, TYPE, OWNER, one("visitor", Value::Text)] },
        Kind::Extension => const { &[ID, NAME, TYPE, TAGS, OWNER, AREA, LEVEL] },
        Kind::Tag => const { &[ID, NAME, TYPE] },
        Kind::TransientObject => const { &[NAME, TYPE] },
        kind => unreachable!("no {kind} in any world"),
    }
}

pub(crate) const CONTEXTS: Value = Value::OneOf(&["AppAccess", "ManagementAccess"]);
const CATEGORIES: Value = Value::OneOf(&["Security", "License", "Sync"]);

/// Attributes that no schema knows: the directory's own.
pub(crate) const DIRECTORY: [&str; 2] = ["Department", "cost-centre"];

/// What a session knows of the requester's surroundings.
pub(crate) const ENVIRONMENT: [&str; 6] =
    ["ip", "os", "device", "browser", "virtualProxy", "channel"];

/// The kinds that worlds have, and how many of each.
const POPULATION: [(Kind, usize); 16] = [
    (Kind::User, 4),
    (Kind::Stream, 2),
    (Kind::App, 3),
    (Kind::AppObject, 4),
    (Kind::AppContent, 1),
    (Kind::AppDataSegment, 1),
    (Kind::ContentLibrary, 2),
    (Kind::SharedContent, 1),
    (Kind::StaticContentReference, 2),
    (Kind::DataConnection, 1),
    (Kind::ReloadTask, 1),
    (Kind::SchemaEvent, 1),
    (Kind::SystemRule, 1),
    (Kind::TempContent, 1),
    (Kind::Extension, 1),
    (Kind::Tag, 1),
];

const SECTIONS: [&str; 4] =
    ["QmcSection_App", "QmcSection_Audit", "HubSection_Home", "HubSection_Work"];

/// Texts that some ways of comparing confuse: each group holds spellings that are equal without
/// letter case, or the same number, or only nearly so.
const GROUPS: [&[&str]; 24] = [
    &["sales", "Sales", "SALES"],
    &["a", "A", "b"],
    &["sheet", "Sheet", "story"],
    &["folder", "Folder", "odbc"],
    &["true", "TRUE", "false"],
    &["1", "1.0", "01", "2"],
    &["0", "-0", "0.00", ""],
    &["-1.5", "-1.50", "1.5"],
    &["9007199254740993", "9007199254740992", "9007199254740993.0"],
    &["1e3", "1000", "1000.", ".5", "0.5"],
    &["ä", "Ä", "a\u{308}"],
    &["straße", "STRASSE", "Straße", "STRAẞE"],
    &["ΣΑΣ", "σασ", "σας"],
    &["\u{212a}elvin", "kelvin", "KELVIN"],
    &["İ", "i\u{307}", "i", "I", "ı"],
    &["ſ", "s", "S"],
    &["Ǆ", "ǅ", "ǆ"],
    &["Ꭰ", "ꭰ"],
    &["ﬁ", "fi", "FI"],
    &["a*b", "a?b", "axb", "a\\*b"],
    &["dom\\ana", "DOM\\ANA", "dom\\\\ana"],
    &["say \"hi\"", "it's", "“so”"],
    &[" ", "", "a b", "a  b", "a\nb"],
    &["/* no comment", "// nor this", "# or this", "x and y"],
];

/// The texts of one world: few, so that they meet.
#[derive(Clone, Debug)]
pub(crate) struct Palette(Vec<&'static str>);

impl Palette {
    pub(crate) fn random(random: &mut Random) -> Palette {
        let mut texts = Vec::new();
        for _ in 0..random.between(2, 3) {
            // Ordinary words more often than curiosities.
            let group =
                if random.chance(40) { random.below(4) } else { random.below(GROUPS.len()) };
            texts.extend_from_slice(GROUPS[group]);
        }
        Palette(texts)
    }

    pub(crate) fn text(&self, random: &mut Random) -> &'static str {
        if random.chance(4) {
            let group = random.pick(&GROUPS);
            return random.pick::<&str>(group);
        }
        random.pick::<&str>(&self.0)
    }
}

pub(crate) type Values = BTreeMap<String, Vec<Fact>>;

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) things: BTreeMap<Thing, Values>,
    pub(crate) requesters: Vec<Requester>,
    /// The node that load-balancing rules are asked about.
    pub(crate) node: Values,
}

/// An entity that can be a key of an ordered map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Thing {
    kind: Kind,
    id: Option<Uuid>,
    name: Option<Arc<str>>,
}

#[derive(Clone)]
pub(crate) struct Requester {
    pub(crate) entity: Option<Entity>,
    pub(crate) is_anonymous: bool,
    pub(crate) values: Values,
}

impl Thing {
    pub(crate) fn entity(&self) -> Entity {
        Entity { kind: self.kind, id: self.id, name: self.name.clone() }
    }
}

impl From<&Entity> for Thing {
    fn from(entity: &Entity) -> Thing {
        Thing { kind: entity.kind, id: entity.id, name: entity.name.clone() }
    }
}

/// The id of the so-manyeth thing of a kind.
pub(crate) fn id(kind: Kind, number: usize) -> Uuid {
    let kind = kind as u128;
    Uuid::from_u128(0x4000_8000_0000_0000_0000 | (kind << 96) | number as u128)
}

impl World {
    pub(crate) fn random(random: &mut Random, palette: &Palette) -> World {
        let mut entities = Vec::new();
        for (kind, count) in POPULATION {
            entities.extend((1..=count).map(|number| Entity::new(kind, id(kind, number))));
        }
        entities.extend(SECTIONS.map(Entity::transient));
        for kind in [Kind::App, Kind::AppObject, Kind::Stream, Kind::DataConnection] {
            entities.push(Entity::to_create(kind));
        }
        let mut things = BTreeMap::new();
        for entity in &entities {
            things.insert(Thing::from(entity), values(random, palette, entity.kind));
        }
        let mut world = World { things, requesters: Vec::new(), node: node(random, palette) };
        for number in 1..=3 {
            let entity = Entity::new(Kind::User, id(Kind::User, number));
            let mut own = world.things[&Thing::from(&entity)].clone();
            own.extend(environment(random, palette));
            let entity = Some(entity);
            world.requesters.push(Requester { entity, is_anonymous: false, values: own });
        }
        // A visitor, and an account of the server itself: nobody who could own a thing.
        for is_anonymous in [true, false] {
            let mut own = environment(random, palette);
            for name in ["userid", "userdirectory"] {
                own.insert(name.to_owned(), vec![text(palette.text(random))]);
            }
            if !is_anonymous && random.chance(50) {
                own.insert("roles".to_owned(), vec![text(palette.text(random))]);
            }
            world.requesters.push(Requester { entity: None, is_anonymous, values: own });
        }
        world
    }

    pub(crate) fn entities(&self) -> impl Iterator<Item = Entity> {
        self.things.keys().map(Thing::entity)
    }

    pub(crate) fn facts(&self, requester: usize) -> View<'_> {
        View { world: self, requester: &self.requesters[requester] }
    }
}

fn node(random: &mut Random, palette: &Palette) -> Values {
    let mut values = Values::new();
    for name in ["name", "hostname", "@area", "@area", "@level"] {
        if random.chance(70) {
            let list = values.entry(name.to_owned()).or_default();
            list.push(text(palette.text(random)));
        }
    }
    values.insert("iscentral".to_owned(), vec![text(random.pick::<&str>(&["true", "false"]))]);
    values
}

/// Some value for most of the properties.
fn values(random: &mut Random, palette: &Palette, kind: Kind) -> Values {
    let mut values = Values::new();
    for property in properties(kind) {
        // What the evaluator answers by itself.
        if matches!(property.value, Value::Id | Value::Kind)
            || kind == Kind::TransientObject && property.name == "name"
        {
            continue;
        }
        let count = match random.below(100) {
            0..20 => 0,
            _ if property.is_many => random.between(1, 3),
            _ => 1,
        };
        let list: Vec<Fact> =
            (0..count).map(|_| value(random, palette, kind, property.value)).collect();
        if !list.is_empty() {
            values.insert(property.name.to_lowercase(), list);
        }
    }
    if kind == Kind::User && random.chance(20) {
        values.extend(environment(random, palette));
    }
    values
}

fn value(random: &mut Random, palette: &Palette, of: Kind, value: Value) -> Fact {
    match value {
        Value::Truth => text(random.pick::<&str>(&["true", "false"])),
        Value::Number => text(random.pick::<&str>(&["0", "1", "1.0", "007", "12"])),
        Value::OneOf(words) => text(random.pick::<&str>(words)),
        Value::Text | Value::Id | Value::Kind => text(palette.text(random)),
        // Now and then something that does not exist yet, or not any more.
        Value::Entity(kind) if random.chance(4) => Fact::Entity(Entity::to_create(kind)),
        Value::Entity(kind) if random.chance(4) => Fact::Entity(Entity::new(kind, id(kind, 99))),
        Value::Entity(kind) => {
            let count = POPULATION.iter().find(|(other, _)| *other == kind).map_or(1, |&(_, n)| n);
            // Sheets contain objects, which are not sheets: no long way round.
            let most = if of == Kind::AppObject && kind == of { 2 } else { count };
            Fact::Entity(Entity::new(kind, id(kind, random.between(1, most))))
        }
    }
}

pub(crate) fn environment(random: &mut Random, palette: &Palette) -> Values {
    let mut values = Values::new();
    for name in ENVIRONMENT {
        if random.chance(60) {
            let name = format!("environment.{}", name.to_lowercase());
            values.insert(name, vec![text(palette.text(random))]);
        }
    }
    values
}

pub(crate) fn text(text: &str) -> Fact {
    Fact::Text(text.into())
}

/// A world as one requester sees it.
#[derive(Clone, Copy)]
pub(crate) struct View<'w> {
    pub(crate) world: &'w World,
    pub(crate) requester: &'w Requester,
}

impl Facts for View<'_> {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        let values = match subject {
            Subject::Requester => Some(&self.requester.values),
            Subject::Resource(entity) => self.world.things.get(&Thing::from(entity)),
            Subject::Node => Some(&self.world.node),
        };
        if let Some(values) = values.and_then(|values| values.get(name)) {
            out.extend(values.iter().cloned());
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        self.requester.is_anonymous
    }

    fn requester_entity(&self) -> Option<Entity> {
        self.requester.entity.clone()
    }

    fn requester_owns_anything(&self) -> bool {
        let Some(entity) = &self.requester.entity else {
            return false;
        };
        let mut all = self.world.things.values().filter_map(|values| values.get("owner"));
        all.any(|owners| owners.contains(&Fact::Entity(entity.clone())))
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thing, values) in self.things.iter().filter(|(_, values)| !values.is_empty()) {
            writeln!(f, "    {}: {}", thing.entity(), show(values))?;
        }
        writeln!(f, "    the node: {}", show(&self.node))
    }
}

impl fmt::Display for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entity {
            Some(entity) => write!(f, "{entity}")?,
            None if self.is_anonymous => f.write_str("a visitor")?,
            None => f.write_str("an account of the server")?,
        }
        write!(f, ": {}", show(&self.values))
    }
}

fn show(values: &Values) -> String {
    let fact = |fact: &Fact| match fact {
        Fact::Text(text) => format!("{text:?}"),
        Fact::Entity(entity) => format!("→{entity}"),
    };
    let list = |(name, facts): (&String, &Vec<Fact>)| {
        format!("{name} {}", facts.iter().map(fact).collect::<Vec<_>>().join(" "))
    };
    values.iter().map(list).collect::<Vec<_>>().join(", ")
}
