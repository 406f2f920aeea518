//! Measures `loggia-rules` against cedar-policy, casbin and its own straightforward evaluator, on
//! equal policies and the same questions. Run as `cargo xtask bench rules`.
//!
//! The last part measures what is built on decisions: lists that are kept, saves, and the impact of
//! a change, on a whole site in its store.
//!
//! All engines must give the same answers before anything is timed. A figure per decision is the
//! median over the questions, each timed on its own, clock included.
#![expect(clippy::indexing_slicing, reason = "a measurement that cannot go on should stop")]

mod ours;
mod peers;
mod report;
mod site;
mod world;

use std::collections::HashSet;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use loggia_rules::{
    Action, Entity, Listing, RequestContext, ResourceKind, RuleSet, allows, oracle,
};

use crate::ours::Site;
use crate::peers::{Casbin, Cedar, Peer};
use crate::report::{Report, median, micros, millis};
use crate::world::World;

const HUB: RequestContext = RequestContext::Hub;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).map_or_else(|| PathBuf::from("rules.json"), PathBuf::from);
    let mut report = Report::default();
    report::print_header();
    let mut smallest = None;
    for (count, budget) in [(63, 1.0), (1_000, 2.0), (10_000, 2.0)] {
        let time = decisions(count, budget, &mut report)?;
        let smallest = *smallest.get_or_insert(time);
        if count == 10_000 {
            report.budget("growth of one decision, 63 to 10,000 rules", time / smallest, "x", 2.0);
        }
    }
    residual(&mut report)?;
    listing(10_000, Some(10.0), &mut report)?;
    listing(100_000, None, &mut report)?;
    saving(&mut report)?;
    site::measure(&mut report)?;
    report.write(&path)
}

/// One uncached decision, by rules that an index can serve. Answers with our median in µs.
fn decisions(count: usize, budget: f64, report: &mut Report) -> Result<f64> {
    let world = World::new(10_000, 10_000, count);
    let site = Site::new(&world);
    let rules = ours::rules(&world)?;
    let peers: Vec<Box<dyn Peer>> =
        vec![Box::new(Cedar::new(&world)?), Box::new(Casbin::new(&world)?)];
    let questions = world.questions(4_000);
    let entities: Vec<Entity> =
        world.apps.iter().map(|app| Entity::new(ResourceKind::App, app.id)).collect();
    let own = |person: usize, app: usize| {
        allows(&rules, &site.requester(person), HUB, &entities[app], Action::Read)
    };
    let naive = |person: usize, app: usize| {
        oracle::allows(&rules, &site.requester(person), HUB, &entities[app], Action::Read)
    };
    let allowed = questions.iter().filter(|&&(person, app)| own(person, app)).count();
    ensure!(allowed > 0 && allowed < questions.len(), "the questions have one answer only");
    // The slow ones get fewer questions: seconds, not minutes.
    let few = &questions[..(400_000 / count).clamp(40, 200)];
    for &(person, app) in few {
        let answer = own(person, app);
        ensure!(naive(person, app) == answer, "the two evaluators disagree");
        for peer in &peers {
            if peer.allows(person, app)? != answer {
                bail!("{} disagrees on person {person} and app {app}", peer.name());
            }
        }
    }
    // Nothing is kept between decisions, but the processor's caches are warm, as on a hub that
    // serves; the figure for questions that have not met before stands beside it.
    let working_set: Vec<(usize, usize)> =
        questions.iter().copied().take(200).cycle().take(10_000).collect();
    let time = micros(middle(&working_set, own));
    let metric = format!("one decision, {count} rules, p50");
    report.budget(metric.clone(), time, "µs", budget);
    let spread = micros(middle(&questions, own));
    report.own(format!("{metric}, 4,000 questions, each once"), spread, "µs");
    report.peer(metric.clone(), time, "µs", "our naive evaluator", micros(middle(few, naive)));
    for peer in &peers {
        let theirs = middle(few, |person, app| peer.allows(person, app).unwrap_or_default());
        report.peer(metric.clone(), time, "µs", peer.name(), micros(theirs));
    }
    Ok(time)
}

fn middle(
    questions: &[(usize, usize)],
    answer: impl Fn(usize, usize) -> bool,
) -> std::time::Duration {
    let mut times: Vec<_> = questions
        .iter()
        .map(|&(person, app)| {
            let start = Instant::now();
            black_box(answer(black_box(person), black_box(app)));
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// Rules that no index serves: what one more of them costs a decision.
fn residual(report: &mut Report) -> Result<()> {
    let world = World::new(1_000, 1_000, 10);
    let site = Site::new(&world);
    let questions = world.questions(4_000);
    let forms: [(&str, fn(usize) -> String); 3] = [
        ("like", |number| format!("resource.@department like \"x{number}*\"")),
        ("two attributes", |number| format!("user.@p{number} = resource.@department")),
        ("matches", |number| format!("resource.@department matches \"x{number}[0-9]+\"")),
    ];
    for (form, condition) in forms {
        let time = |count: usize| -> Result<f64> {
            let rules = ours::shipped_and(count, condition)?;
            let time = middle(&questions, |person, app| {
                let entity = Entity::new(ResourceKind::App, world.apps[app].id);
                allows(&rules, &site.requester(person), HUB, &entity, Action::Read)
            });
            Ok(micros(time))
        };
        let (none, many) = (time(0)?, time(1_000)?);
        let metric = format!("one decision, shipped rules and 1,000 of {form}, p50");
        report.own(metric, many, "µs");
        report.own(format!("growth per rule of {form}"), (many - none) * 1_000.0 / 1_000.0, "ns");
    }
    Ok(())
}

/// What a visitor may read, of many apps by 1,000 rules.
fn listing(apps: usize, budget: Option<f64>, report: &mut Report) -> Result<()> {
    let world = World::new(8, apps, 1_000);
    let site = Site::new(&world);
    let rules = ours::rules(&world)?;
    let entities: Vec<Entity> =
        world.apps.iter().map(|app| Entity::new(ResourceKind::App, app.id)).collect();
    let requester = site.requester(0);
    let list = || -> HashSet<usize> {
        let mut listing = Listing::new(&rules, &requester, HUB, ResourceKind::App, Action::Read);
        (0..apps).filter(|&app| listing.contains(&entities[app])).collect()
    };
    let one_by_one = || -> HashSet<usize> {
        let may = |&app: &usize| allows(&rules, &requester, HUB, &entities[app], Action::Read);
        (0..apps).filter(may).collect()
    };
    let found = list();
    ensure!(found == one_by_one(), "listing differs from asking one by one");
    let time = millis(median(9, || {
        black_box(list());
    }));
    let metric = format!("list for a visitor, {apps} apps x 1,000 rules, cold");
    match budget {
        Some(budget) => report.budget(metric.clone(), time, "ms", budget),
        None => report.own(metric.clone(), time, "ms"),
    }
    let single = millis(median(3, || {
        black_box(one_by_one());
    }));
    report.peer(metric.clone(), time, "ms", "our decisions one by one", single);
    if budget.is_none() {
        return Ok(());
    }
    // The peers are asked about every app; casbin about each tenth, times ten.
    let peers: [(Box<dyn Peer>, usize); 2] =
        [(Box::new(Cedar::new(&world)?), 1), (Box::new(Casbin::new(&world)?), 10)];
    for (peer, step) in peers {
        let start = Instant::now();
        for app in (0..apps).step_by(step) {
            ensure!(peer.allows(0, app)? == found.contains(&app), "{} disagrees", peer.name());
        }
        let theirs = millis(start.elapsed()) * step as f64;
        let name =
            if step == 1 { peer.name().to_owned() } else { format!("{} (scaled)", peer.name()) };
        report.peer(metric.clone(), time, "ms", &name, theirs);
    }
    Ok(())
}

/// One rule changed among 10,000, and what a rule takes.
fn saving(report: &mut Report) -> Result<()> {
    let world = World::new(8, 1_000, 10_000);
    let rules = ours::rules(&world)?;
    let mut number = 0;
    let time = median(21, || {
        number += 1;
        let changed = ours::rule(number % 10_000, &world.policies[number * 31 % 10_000]);
        black_box::<RuleSet>(rules.with(changed.into_iter().collect(), &[]));
    });
    report.budget("one rule parsed and compiled into 10,000", millis(time), "ms", 50.0);
    report.own("memory per rule, 10,000 rules", rules.memory() as f64 / 10_000.0, "B");
    Ok(())
}
