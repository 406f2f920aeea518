//! How long one uncached decision takes as rules grow in number.
//!
//! ```text
//! cargo run --release -p loggia-rules --example decide_speed
//! ```
//!
//! Every decision is a new request, so nothing is remembered from one to the next. Numbers are
//! medians of many runs. With `--only NAME` only rows of that name are measured.

#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use loggia_rules::{
    Action, Actions, Category, Condition, Context, Effect, Entity, Fact, Facts, Request,
    RequestContext, ResourceFilter, ResourceKind, Rule, RuleSet, Subject, allows, decide, oracle,
    shipped,
};
use uuid::Uuid;

type Properties = HashMap<&'static str, Vec<Fact>>;

/// Facts as tables.
struct Site {
    things: HashMap<Entity, Properties>,
    person: Properties,
    entity: Option<Entity>,
}

impl Facts for Site {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        let properties = match subject {
            Subject::Requester => Some(&self.person),
            Subject::Resource(entity) => self.things.get(entity),
            Subject::Node => None,
        };
        if let Some(values) = properties.and_then(|properties| properties.get(name)) {
            out.extend(values.iter().cloned());
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        self.entity.is_none()
    }

    fn requester_entity(&self) -> Option<Entity> {
        self.entity.clone()
    }
}

fn text(text: impl Into<Arc<str>>) -> Fact {
    Fact::Text(text.into())
}

fn id(kind: u64, number: u64) -> Uuid {
    let mix = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n >> 7);
    Uuid::from_u64_pair(mix(kind * 7 + number), mix(number + 1) | kind)
}

const EVERYONE: &str = "aaec8d41-5201-43ab-809f-3063750dfafd";

/// An app of stream *everyone*, one of department 3 in stream 5, and one that nobody may read.
fn things() -> HashMap<Entity, Properties> {
    let everyone = Entity::new(ResourceKind::Stream, EVERYONE.parse().unwrap());
    let stream = Entity::new(ResourceKind::Stream, id(2, 5));
    let owner = Entity::new(ResourceKind::User, id(3, 1));
    let app = |name: &'static str, stream: Option<&Entity>, dept: &'static str| {
        let mut properties = Properties::new();
        properties.insert("name", vec![text(name)]);
        properties.insert("owner", vec![Fact::Entity(owner.clone())]);
        properties.insert("published", vec![text(stream.is_some().to_string())]);
        properties.insert("@dept", vec![text(dept)]);
        if let Some(stream) = stream {
            properties.insert("stream", vec![Fact::Entity(stream.clone())]);
        }
        properties
    };
    let named = |name: &'static str| Properties::from([("name", vec![text(name)])]);
    HashMap::from([
        (thing("public app"), app("Sales", Some(&everyone), "none")),
        (thing("app of d3"), app("Turnover", Some(&stream), "d3")),
        (thing("private app"), app("Payroll", None, "nowhere")),
        (everyone, named("Everyone")),
        (stream, named("Five")),
    ])
}

fn thing(name: &str) -> Entity {
    let number = ["public app", "app of d3", "private app"].iter().position(|n| *n == name);
    match number {
        Some(number) => Entity::new(ResourceKind::App, id(1, number as u64)),
        None => Entity::new(ResourceKind::Stream, id(2, 5)),
    }
}

fn visitor() -> Site {
    let person = Properties::from([
        ("userdirectory", vec![text("NONE")]),
        ("userid", vec![text("anonymousd9e61933-a7e5-4836-8540-5b137a600e69")]),
    ]);
    Site { things: things(), person, entity: None }
}

fn person() -> Site {
    let groups = (0..8).map(|n| text(format!("g{}", n * 7 + 3)));
    let person = Properties::from([
        ("userdirectory", vec![text("LOGGIA")]),
        ("userid", vec![text("ana")]),
        ("name", vec![text("Ana")]),
        ("roles", vec![text("Editor"), text("Reviewer"), text("Analyst")]),
        ("group", groups.collect()),
        ("@dept", vec![text("d3")]),
    ]);
    Site { things: things(), person, entity: Some(Entity::new(ResourceKind::User, id(3, 9))) }
}

/// The shipped rules, and as many others as it takes.
fn rules(count: usize, other: impl Fn(u64) -> (String, String)) -> Vec<Rule> {
    let mut rules: Vec<Rule> =
        shipped::security_rules().iter().map(|rule| rule.compile().unwrap()).collect();
    for number in 0.. {
        if rules.len() >= count {
            break;
        }
        let (filter, condition) = other(number);
        let filter: ResourceFilter = filter.parse().unwrap();
        let condition = Condition::compile_for(&condition, Category::Security, &filter).unwrap();
        rules.push(Rule {
            id: id(4, number),
            name: format!("rule {number}").into(),
            filter,
            actions: Actions::READ,
            context: Context::Both,
            effect: Effect::Allow,
            condition,
        });
    }
    rules
}

fn by_group(n: u64) -> (String, String) {
    ("App_*".to_owned(), format!(r#"user.group = "g{n}""#))
}

fn by_department(n: u64) -> (String, String) {
    ("App_*".to_owned(), format!(r#"resource.@dept = "d{n}" and user.@dept = "d{n}""#))
}

fn by_stream(n: u64) -> (String, String) {
    (format!("Stream_{}", id(2, n)), format!(r#"user.group = "g{}""#, n % 40))
}

fn mixed(n: u64) -> (String, String) {
    match n % 3 {
        0 => (by_group(n).0, format!(r#"user.group = "g{}""#, 1000 + n)),
        1 => by_department(n / 3),
        _ => by_stream(n / 3),
    }
}

fn same_department(n: u64) -> (String, String) {
    ("App_*".to_owned(), format!(r#"user.@dept = resource.@dept and resource.@level = "{n}""#))
}

fn joined(n: u64) -> (String, String) {
    ("App_*".to_owned(), format!("user.@a{} = resource.@a{}", n % 20, n % 20))
}

fn by_pattern(n: u64) -> (String, String) {
    ("App_*".to_owned(), format!(r#"resource.name like "x{n}*""#))
}

/// One test for each rule, and nothing to find it by.
fn by_ending(n: u64) -> (String, String) {
    ("App_*".to_owned(), format!(r#"resource.name like "*x{n}""#))
}

/// The median of several runs, in nanoseconds. Each run repeats for half a millisecond.
fn measure(mut run: impl FnMut()) -> f64 {
    let mut once = |times: u32| {
        let start = Instant::now();
        for _ in 0..times {
            run();
        }
        start.elapsed().as_nanos() as f64 / f64::from(times)
    };
    let times = (500_000.0 / once(1).max(100.0)).clamp(1.0, 1_000.0) as u32;
    let mut all: Vec<f64> = (0..41).map(|_| once(times)).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// The mean of runs that take milliseconds, counted on the processor where the system tells that, so
/// that other work on the machine does not count.
fn measure_long(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let clock = || {
        let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let counted = counted.and_then(|text| text.split(' ').next()?.parse().ok());
        counted.unwrap_or_else(|| u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    };
    let begin = clock();
    for _ in 0..40 {
        run();
    }
    (clock() - begin) as f64 / 40.0
}

fn main() {
    let only = std::env::args().skip_while(|argument| argument != "--only").nth(1);
    type Other = fn(u64) -> (String, String);
    let kinds: [(&str, Other); 8] = [
        ("group", by_group),
        ("department", by_department),
        ("stream", by_stream),
        ("mixed", mixed),
        ("same department", same_department),
        ("joined", joined),
        ("pattern", by_pattern),
        ("ending", by_ending),
    ];
    let (visitor, person) = (visitor(), person());
    let who: [(&str, &Site); 2] = [("visitor", &visitor), ("person", &person)];
    let what = ["public app", "app of d3", "private app", "stream 5"];
    println!("{:<52} {:>5} {:>9} {:>9} {:>9}", "read, ns", "", "63", "1,000", "10,000");
    for (kind, other) in kinds {
        if only.as_ref().is_some_and(|only| !kind.starts_with(only)) {
            continue;
        }
        let sets = [63, 1_000, 10_000].map(|count| RuleSet::new(rules(count, other)));
        for (name, site) in who {
            for what in what {
                let entity = thing(what);
                let can = |rules| {
                    let facts: &dyn Facts = site;
                    allows(rules, facts, RequestContext::Hub, &entity, Action::Read)
                };
                let answers = sets.each_ref().map(can);
                let by_oracle = sets.each_ref().map(|rules| {
                    oracle::allows(rules, site, RequestContext::Hub, &entity, Action::Read)
                });
                assert_eq!(answers, by_oracle);
                let numbers = sets.each_ref().map(|rules| {
                    measure(|| {
                        black_box(can(black_box(rules)));
                    })
                });
                let word = answers.map(|is_allowed| if is_allowed { "y" } else { "n" }).concat();
                let row = format!("{kind}: {name}, {what}");
                let [few, more, most] = numbers;
                println!("{row:<52} {word:>5} {few:>9.0} {more:>9.0} {most:>9.0}");
            }
        }
    }
    if only.is_some_and(|only| !"other".starts_with(&only)) {
        return;
    }
    println!();
    other_rows(&person);
}

fn other_rows(person: &Site) {
    let row = |name: &str, nanoseconds: f64| println!("{name:<52} {:>12.1} µs", nanoseconds / 1e3);
    let set = rules(10_000, mixed);
    let arranged = RuleSet::new(set.clone());
    let app = thing("app of d3");
    row(
        "decide with reasons, allowed, 10,000",
        measure(|| {
            black_box(decide(&arranged, person, RequestContext::Hub, &app, Action::Read));
        }),
    );
    let private = thing("private app");
    row(
        "decide with reasons, refused, 10,000",
        measure_long(|| {
            black_box(decide(&arranged, person, RequestContext::Hub, &private, Action::Read));
        }),
    );
    row(
        "granted, 10,000",
        measure(|| {
            let mut request = Request::new(&arranged, person, RequestContext::Hub);
            black_box(request.granted(&app));
        }),
    );
    let mut request = Request::new(&arranged, person, RequestContext::Hub);
    row(
        "one more in a list, 10,000",
        measure(|| {
            black_box(request.allows(&app, Action::Read));
        }),
    );
    row(
        "the reference, 10,000",
        measure_long(|| {
            black_box(oracle::allows(
                &arranged,
                person,
                RequestContext::Hub,
                &private,
                Action::Read,
            ));
        }),
    );
    let shared: Vec<Arc<Rule>> = set.iter().cloned().map(Arc::new).collect();
    row(
        "new, 10,000",
        measure_long(|| {
            black_box(RuleSet::new(shared.clone()));
        }),
    );
    let put = |filter: &str| {
        let filter: ResourceFilter = filter.parse().unwrap();
        Rule { filter, ..set[9_000].clone() }
    };
    for (name, filter) in [
        ("with one App_* rule, 10,000", "App_*"),
        ("with one rule on everything, 10,000", "*"),
        ("with one App* rule, 10,000", "App*"),
    ] {
        row(
            name,
            measure_long(|| {
                black_box(arranged.with(vec![put(filter)], &[]));
            }),
        );
    }
    let text = r#"resource.@dept = "d3" and user.@dept = "d3""#;
    row(
        "compile one condition",
        measure(|| {
            black_box(Condition::compile(text, Category::Security).unwrap());
        }),
    );
    println!("memory: {} bytes a rule", arranged.memory() / 10_000);
}
