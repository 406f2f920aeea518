//! How long lists, sets of requesters, audiences and residues take:
//! `cargo run --release -p loggia-rules --example sets_speed`.
//!
//! The rules are the shipped ones and generated ones as sites have them: most compare a group or a
//! role of the requester and a custom property of the app, some open a stream, some compare
//! addresses or names.

#![expect(clippy::print_stdout, reason = "this prints what it measures")]

use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loggia_rules::{
    Action, Category, Condition, Context, Effect, Entity, Fact, Facts, Listing, Request,
    RequestContext, Residues, ResourceFilter, ResourceKind, Rule, RuleSet, Subject, Subjects,
    Verdict, shipped,
};
use uuid::Uuid;

const HUB: RequestContext = RequestContext::Hub;
const STREAMS: u128 = 200;
const DEPARTMENTS: u128 = 100;

fn main() {
    let site = Site::new(100_000, 10_000);
    let visitor = site.visitor(7);
    for count in [63, 1_000, 10_000] {
        let clock = Clock::start();
        let rules = rule_set(count);
        let built = clock.elapsed();
        let clock = Clock::start();
        black_box(rules.footprint());
        println!("{count} rules: arranged in {built:?}, for sets in another {:?}", clock.elapsed());
        if let Some(rule) = generated(1_000_000) {
            let clock = Clock::start();
            let changed = rules.with(vec![rule], &[]);
            let saved = clock.elapsed();
            let clock = Clock::start();
            black_box(changed.footprint());
            println!("  one rule more: {saved:?}, for sets another {:?}", clock.elapsed());
        }
        let size = rules.audience(&visitor, HUB).size();
        each("  audience of a visitor", 10_000, || {
            black_box(rules.audience(&visitor, HUB));
        });
        let person = site.person(42);
        each("  audience of a person", 10_000, || {
            black_box(rules.audience(&person, HUB));
        });
        let sizes: Vec<usize> =
            (0..1_000).map(|n| rules.audience(&site.person(n), HUB).size()).collect();
        let audiences: HashSet<_> =
            (0..1_000).map(|n| rules.audience(&site.visitor(n), HUB)).collect();
        println!(
            "  {} audiences of 1,000 visitors; {size} bytes for one, {} on average for a person",
            audiences.len(),
            sizes.iter().sum::<usize>() / sizes.len(),
        );
    }
    let rules = rule_set(1_000);
    black_box(rules.footprint());
    lists(&rules, &site, &visitor, "a visitor");
    lists(&rules, &site, &site.person(42), "a person");
    subjects(&rules, &site);
    residues(&rules, &site, &visitor);
}

/// The time that this thread computed, where the system says it, so that what else runs on the
/// machine matters less; else the time that went by.
struct Clock {
    computed: Option<Duration>,
    moment: Instant,
}

impl Clock {
    fn start() -> Clock {
        Clock { computed: Clock::computed(), moment: Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        match (self.computed, Clock::computed()) {
            (Some(start), Some(end)) => end.saturating_sub(start),
            _ => self.moment.elapsed(),
        }
    }

    fn computed() -> Option<Duration> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
    }
}

fn each(what: &str, times: u32, mut run: impl FnMut()) {
    run();
    let clock = Clock::start();
    for _ in 0..times {
        run();
    }
    println!("{what}: {:?}", clock.elapsed() / times);
}

fn lists(rules: &RuleSet, site: &Site, requester: &Requester<'_>, who: &str) {
    for count in [10_000, 100_000] {
        let apps: Vec<Entity> = (0..count).map(app).collect();
        let listed = || {
            let mut listing = Listing::new(rules, requester, HUB, ResourceKind::App, Action::Read);
            apps.iter().filter(|app| listing.contains(app)).count()
        };
        listed();
        let clock = Clock::start();
        let found = listed();
        println!("list of {count} apps for {who}, 1,000 rules: {found} in {:?}", clock.elapsed());
        if count == 10_000 {
            let clock = Clock::start();
            let mut request = Request::new(rules, requester, HUB);
            let same = apps.iter().filter(|app| request.allows(app, Action::Read)).count();
            println!("  one by one: {same} in {:?}", clock.elapsed());
        }
    }
    let clock = Clock::start();
    black_box(Listing::new(rules, requester, HUB, ResourceKind::App, Action::Read));
    println!("  of that for preparing: {:?}", clock.elapsed());
    black_box(site);
}

fn subjects(rules: &RuleSet, site: &Site) {
    let people: Vec<Requester<'_>> = (0..site.people.len()).map(|n| site.person(n)).collect();
    let facts: Vec<&dyn Facts> = people.iter().map(|person| person as &dyn Facts).collect();
    let apps: Vec<Entity> = (0..10_000).map(app).collect();
    for round in ["all actions", "once more"] {
        let clock = Clock::start();
        let mut subjects = Subjects::new(rules, HUB, &facts);
        let mut granted = 0_usize;
        for app in &apps {
            for (_, set) in subjects.granted(app) {
                granted += usize::from(!set.is_empty());
            }
        }
        println!(
            "10,000 people × 10,000 apps × 1,000 rules, {round}: {granted} sets that are not \
             empty in {:?}",
            clock.elapsed()
        );
    }
    let clock = Clock::start();
    let mut subjects = Subjects::new(rules, HUB, &facts);
    let rights: usize = apps.iter().map(|app| subjects.may(app, Action::Read).len()).sum();
    println!("  reading only: {rights} rights in {:?}", clock.elapsed());
}

fn residues(rules: &RuleSet, site: &Site, visitor: &Requester<'_>) {
    let unknown = |name: &str| name.starts_with("environment.");
    let clock = Clock::start();
    let mut residues = Residues::new(rules, visitor, HUB, &unknown);
    let (mut always, mut sometimes) = (0, 0);
    for app in (0..10_000).map(app) {
        match residues.residue(&app, Action::Read).verdict {
            Verdict::Always => always += 1,
            Verdict::When(_) => sometimes += 1,
            Verdict::Never => {}
        }
    }
    println!(
        "residues of 10,000 apps for a visitor: {always} always, {sometimes} sometimes, in {:?}",
        clock.elapsed()
    );
    black_box(site);
}

fn rule_set(count: usize) -> RuleSet {
    let shipped = shipped::security_rules().iter().filter_map(|rule| rule.compile().ok());
    let mut rules: Vec<Rule> = shipped.collect();
    let missing = count.saturating_sub(rules.len());
    rules.extend((0..missing as u128).filter_map(generated));
    RuleSet::new(rules)
}

fn generated(n: u128) -> Option<Rule> {
    let (department, stream) = (n * 7 % DEPARTMENTS, Uuid::from_u128(1_000 + n % STREAMS));
    let (filter, actions, effect, condition) = match n % 20 {
        0..8 => (
            "App_*".to_owned(),
            "read",
            Effect::Allow,
            format!(r#"user.group = "g{n}" and resource.@dept = "d{department}""#),
        ),
        8..12 => (
            "App*".to_owned(),
            "update",
            Effect::Allow,
            format!(r#"user.roles = "r{n}" and resource.stream.HasPrivilege("read")"#),
        ),
        12..14 => (
            "App_*".to_owned(),
            "read",
            Effect::Allow,
            format!(r#"user.IsAnonymous() and @dept = "d{department}" and @open = "yes""#),
        ),
        14..16 => (
            format!("Stream_{stream}"),
            "read",
            Effect::Allow,
            format!(r#"user.group = {{"g{n}", "G{}"}} or user.@area = "a{}""#, n + 1, n % 50),
        ),
        16..18 => (
            "App_*".to_owned(),
            "export",
            Effect::Allow,
            format!(r#"user.@area = resource.@area and resource.name like "report {n}*""#),
        ),
        18 => (
            "App_*".to_owned(),
            "read",
            Effect::Allow,
            format!(r#"user.environment.ip like "10.{n}.*" and resource.@dept = "d{department}""#),
        ),
        _ => (
            "App_*".to_owned(),
            "read",
            Effect::Forbid,
            format!(r#"resource.@secret = "s{n}" and !(user.group = "g{n}")"#),
        ),
    };
    let filter: ResourceFilter = filter.parse().ok()?;
    let condition = Condition::compile_for(&condition, Category::Security, &filter).ok()?;
    let actions = [actions.parse::<Action>().ok()?].into_iter().collect();
    let (name, context) = (format!("rule {n}").into(), Context::Both);
    Some(Rule { id: Uuid::from_u128(n), name, filter, actions, context, effect, condition })
}

fn app(n: usize) -> Entity {
    Entity::new(ResourceKind::App, Uuid::from_u128(1_000_000 + n as u128))
}

type Properties = HashMap<&'static str, Vec<Fact>>;

/// Apps in streams, and people in groups.
struct Site {
    apps: Vec<Properties>,
    people: Vec<Properties>,
}

struct Requester<'s> {
    site: &'s Site,
    person: Option<usize>,
    address: Arc<str>,
}

impl Site {
    fn new(apps: usize, people: usize) -> Site {
        let app = |n: usize| {
            let n = n as u128;
            let mut properties = Properties::new();
            if !n.is_multiple_of(3) {
                let id = Uuid::from_u128(1_000 + n * 31 % STREAMS);
                let stream = Fact::Entity(Entity::new(ResourceKind::Stream, id));
                properties.insert("stream", vec![stream]);
            }
            properties.insert(
                "published",
                vec![text(if n.is_multiple_of(3) { "false" } else { "true" })],
            );
            properties.insert("owner", vec![Fact::Entity(user((n * 17 % 10_000) as usize))]);
            properties.insert("name", vec![text(&format!("report {}", n * 13 % 5_000))]);
            properties.insert("@dept", vec![text(&format!("d{}", n % DEPARTMENTS))]);
            properties.insert("@area", vec![text(&format!("a{}", n % 50))]);
            properties.insert("@open", vec![text(if n % 5 < 2 { "yes" } else { "no" })]);
            if n.is_multiple_of(10) {
                properties.insert("@secret", vec![text(&format!("s{}", n % 1_000 + 19))]);
            }
            properties
        };
        let person = |n: usize| {
            let mut properties = Properties::new();
            let groups = (0..5).map(|step| text(&format!("g{}", (n * 7 + step * 101) % 2_000)));
            properties.insert("group", groups.collect());
            properties.insert("roles", vec![text(&format!("r{}", n % 300))]);
            properties.insert("@area", vec![text(&format!("a{}", n % 50))]);
            properties.insert("userdirectory", vec![text("LOGGIA")]);
            properties.insert("userid", vec![text(&format!("user{n}"))]);
            properties
        };
        Site { apps: (0..apps).map(app).collect(), people: (0..people).map(person).collect() }
    }

    fn person(&self, n: usize) -> Requester<'_> {
        Requester { site: self, person: Some(n), address: format!("10.{}.0.1", n % 256).into() }
    }

    fn visitor(&self, n: usize) -> Requester<'_> {
        Requester { site: self, person: None, address: format!("192.168.0.{}", n % 256).into() }
    }
}

fn user(n: usize) -> Entity {
    Entity::new(ResourceKind::User, Uuid::from_u128(50_000_000 + n as u128))
}

fn text(text: &str) -> Fact {
    Fact::Text(text.into())
}

impl Facts for Requester<'_> {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        let properties = match subject {
            Subject::Requester if name == "environment.ip" => {
                return out.push(Fact::Text(self.address.clone()));
            }
            Subject::Requester => self.person.and_then(|n| self.site.people.get(n)),
            Subject::Resource(Entity { kind: ResourceKind::App, id: Some(id), .. }) => {
                self.site.apps.get((id.as_u128() - 1_000_000) as usize)
            }
            _ => None,
        };
        if let Some(values) = properties.and_then(|properties| properties.get(name)) {
            out.extend(values.iter().cloned());
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        self.person.is_none()
    }

    fn requester_entity(&self) -> Option<Entity> {
        self.person.map(user)
    }
}
