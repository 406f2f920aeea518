//! The site that all engines are asked about: people and visitors, apps, and policies that each of
//! the engines can express.

use uuid::Uuid;

/// Departments that apps belong to; the number of groups grows with the number of policies.
pub(crate) const DEPARTMENTS: usize = 200;
/// The group that stands for visitors where an engine has no word for them.
pub(crate) const VISITORS: &str = "visitors";

/// A requester.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) groups: Vec<String>,
    pub(crate) is_visitor: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: Uuid,
    pub(crate) department: String,
}

/// One policy on reading apps.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) is_forbidding: bool,
    pub(crate) group: String,
    /// Only apps of this department.
    pub(crate) department: Option<String>,
    /// Only this app.
    pub(crate) app: Option<Uuid>,
}

pub(crate) struct World {
    pub(crate) people: Vec<Person>,
    pub(crate) apps: Vec<App>,
    pub(crate) policies: Vec<Policy>,
}

impl World {
    /// `policies` policies: six of ten open a department to a group, three one app to a group, one
    /// forbids a group everything; of the first kind one in ten is for visitors.
    pub(crate) fn new(people: usize, apps: usize, policies: usize) -> World {
        let mut random = Random(0x10661a);
        let groups = policies.max(8);
        let apps: Vec<App> = (0..apps)
            .map(|number| App {
                id: id(1, number),
                department: department(random.below(DEPARTMENTS)),
            })
            .collect();
        let policies = (0..policies)
            .map(|number| match number % 10 {
                0..6 => Policy {
                    is_forbidding: false,
                    group: if number % 60 == 5 { VISITORS.into() } else { group(number) },
                    department: Some(department(number * 7 % DEPARTMENTS)),
                    app: None,
                },
                6..9 => Policy {
                    is_forbidding: false,
                    group: group(number),
                    department: None,
                    app: apps.get(number * 37 % apps.len().max(1)).map(|app| app.id),
                },
                _ => Policy {
                    is_forbidding: true,
                    group: group(number),
                    department: None,
                    app: None,
                },
            })
            .collect();
        let people = (0..people)
            .map(|number| {
                let is_visitor = number % 4 == 0;
                let own = (0..3).map(|_| group(random.below(groups)));
                Person {
                    id: id(2, number),
                    groups: if is_visitor { vec![VISITORS.into()] } else { own.collect() },
                    is_visitor,
                }
            })
            .collect();
        World { people, apps, policies }
    }

    /// Pairs of a person and an app, the same in every run.
    pub(crate) fn questions(&self, count: usize) -> Vec<(usize, usize)> {
        let mut random = Random(0xa5a5);
        (0..count)
            .map(|_| (random.below(self.people.len()), random.below(self.apps.len())))
            .collect()
    }
}

fn group(number: usize) -> String {
    format!("g{number}")
}

fn department(number: usize) -> String {
    format!("d{number}")
}

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((kind << 100) | (4 << 76) | (8 << 60) | number as u128)
}

/// SplitMix64: repeatable numbers, well enough mixed for choosing.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}
