//! How fast is a big site? Builds one and prints what lists, changes and kept audiences cost.
//!
//! ```sh
//! cargo run --release -p loggia-repository --example list_speed -- [RULES [APPS]]
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that measures prints, and stops when it cannot go on"
)]

mod busy_site;

use std::sync::Arc;
use std::time::{Duration, Instant};

use busy_site::Size;
use loggia_model::{Caller, Environment, InternalAccount, Moment, VisitorId};
use loggia_repository::store::{Change, Store, sqlite::SqliteStore};
use loggia_repository::{Repository, RuleEdit, Settings};
use loggia_rules::{Action, ResourceKind};
use uuid::Uuid;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let rules = arguments.next().unwrap_or(10_000);
    let apps = arguments.next().unwrap_or(10_000);
    let size = Size { rules, streams: 500, apps, objects: apps * 10, users: 10_000 };
    println!("{size:?}");

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("loggia.db")).unwrap();
    store.commit(0, &busy_site::changes(size)).unwrap();
    let settings = Settings::new(folder.path().join("data"));
    let started = Instant::now();
    let repository =
        Repository::open(Arc::new(store), Arc::new(|| Moment(1_795_507_200_000)), settings)
            .unwrap();
    tell("store opened, rules compiled", started.elapsed());
    let bytes = repository.site().security().memory();
    println!("  {:<44} {:>9} bytes", "compiled rules, each", bytes / (rules as usize).max(1));

    changes(&repository, size);
    lists(&repository);
    saves(&repository);
}

/// What the next snapshot costs while readers hold the one before.
fn changes(repository: &Repository, size: Size) {
    println!("the site after one change, with the site before still read");
    let site = repository.site();
    let mut rule = busy_site::rule(17, size);
    rule.rule.condition = "user.group = \"somebody else\"".to_owned();
    let mut user = busy_site::user(5);
    user.roles.push("new".to_owned());
    let mut app = busy_site::app(5, size);
    app.name.push('!');
    let mut object = busy_site::object(5, size);
    object.name.push('!');
    let one_each = [
        ("a rule", Change::PutRule(rule)),
        ("a user", Change::PutUser(user)),
        ("an app", Change::PutApp(app)),
        ("an object", Change::PutObject(object)),
    ];
    for (what, change) in one_each {
        let change = [change];
        tell(what, median(|| site.after(site.version() + 1, &change).unwrap()));
    }
}

fn lists(repository: &Repository) {
    let person = |n: u32| {
        let user = busy_site::user(n);
        Caller::user(user.id, user.key, Environment::default())
    };
    let root = Caller::internal(InternalAccount::Repository);
    for (who, caller) in [
        ("a visitor", visitor()),
        ("a person", person(7)),
        ("an owner", person(20)),
        ("the server", root),
    ] {
        println!("{who}");
        tell("audience", median(|| repository.audience_of(&caller, ResourceKind::App)));
        let before = repository.list_cache();
        let started = Instant::now();
        let apps = repository.apps(&caller).unwrap().len();
        tell(&format!("{apps} apps, cold"), started.elapsed());
        tell("the same, cached", median(|| repository.apps(&caller).unwrap()));
        let started = Instant::now();
        let streams = repository.hub(&caller).unwrap();
        let shown: usize = streams.iter().map(|stream| stream.apps.len()).sum();
        tell(&format!("hub with {} streams, {shown} apps, cold", streams.len()), started.elapsed());
        tell("the same, cached", median(|| repository.hub(&caller).unwrap()));
        let started = Instant::now();
        let objects = repository.app_object_records(&caller).unwrap().len();
        tell(&format!("{objects} objects, cold"), started.elapsed());
        tell("the same, cached", median(|| repository.app_object_records(&caller).unwrap()));
        let after = repository.list_cache();
        println!(
            "  {:<44} {:>9} bytes in {} lists",
            "kept for the audience",
            after.bytes - before.bytes,
            after.entries - before.entries
        );
        let allows = repository.decide(
            &caller,
            &loggia_repository::Resource::App(repository.site().apps().next().unwrap().id),
            Action::Read,
        );
        std::hint::black_box(allows);
    }
}

/// From the save of a rule until a visitor sees what it did, the commit to disk included.
fn saves(repository: &Repository) {
    println!("a rule is saved");
    let server = Caller::internal(InternalAccount::Repository);
    let mut saves = Vec::new();
    let mut effects = Vec::new();
    for turn in 0..9 {
        let stream = repository.site().streams().nth(turn).unwrap().id;
        let edit = RuleEdit {
            name: Some(format!("Opened {turn}")),
            resource_filter: Some(format!("Stream_{stream}")),
            condition: Some("user.IsAnonymous()".to_owned()),
            actions: Some(2),
            ..RuleEdit::default()
        };
        let started = Instant::now();
        repository.create_rule(&server, None, edit).unwrap();
        saves.push(started.elapsed());
        let seen = repository.streams(&visitor()).unwrap();
        assert!(seen.iter().any(|seen| seen.id == stream));
        effects.push(started.elapsed());
        repository.hub(&visitor()).unwrap();
    }
    saves.sort();
    effects.sort();
    tell("saved and served to everybody", saves[4]);
    tell("seen in a visitor's list of streams", effects[4]);
}

fn visitor() -> Caller {
    Caller::visitor(VisitorId(Uuid::new_v4()), Environment::default())
}

fn median<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut times: Vec<_> = (0..15)
        .map(|_| {
            let started = Instant::now();
            let result = run();
            let elapsed = started.elapsed();
            drop(result);
            elapsed
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn tell(what: &str, time: Duration) {
    println!("  {what:<44} {:>9.3} ms", time.as_secs_f64() * 1_000.0);
}
