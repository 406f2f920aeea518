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
use loggia_repository::{AppEdit, Repository, RuleEdit, Settings};
use loggia_rules::ResourceKind;
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
        tell(what, best(|| site.after(site.version() + 1, &change).unwrap()));
    }
}

fn lists(repository: &Repository) {
    let person = |n: u32| {
        let user = busy_site::user(n);
        Caller::user(user.id, user.key, Environment::default())
    };
    let callers = [
        ("a visitor", visitor()),
        ("a person", person(7)),
        ("an owner", person(20)),
        ("the server", server()),
    ];
    for (who, caller) in callers {
        println!("{who}");
        tell("audience", best(|| repository.audience_of(&caller, ResourceKind::App)));
        let apps = || repository.apps(&caller).unwrap();
        tell(&format!("{} apps, made", apps().len()), made(repository, apps));
        tell("the same, kept", best(apps));
        let hub = || repository.hub(&caller).unwrap();
        let shown: usize = hub().iter().map(|stream| stream.apps.len()).sum();
        let what = format!("hub with {} streams, {shown} apps, made", hub().len());
        tell(&what, made(repository, hub));
        tell("the same, kept", best(hub));
        let objects = || repository.app_object_records(&caller).unwrap();
        tell(&format!("{} objects, made", objects().len()), made(repository, objects));
        tell("the same, kept", best(objects));
        touch(repository, "all lists are let go");
        let before = repository.list_cache();
        hub();
        objects();
        let after = repository.list_cache();
        let kept = "kept of streams, apps, hub and objects";
        println!(
            "  {kept:<44} {:>9} bytes in {} lists",
            after.bytes - before.bytes,
            after.entries - before.entries
        );
    }
}

/// The time of a list after something that it depends on has changed.
fn made<T>(repository: &Repository, list: impl Fn() -> T) -> Duration {
    let times = (0..5).map(|turn| {
        touch(repository, &format!("turn {turn}"));
        timed(&list)
    });
    times.min().unwrap_or_default()
}

/// Changes one app.
fn touch(repository: &Repository, text: &str) {
    let app = repository.site().apps().next().unwrap().id;
    let edit = AppEdit { description: Some(text.to_owned()), ..AppEdit::default() };
    repository.update_app(&server(), app, None, edit).unwrap();
}

/// From the save of a rule until a visitor sees what it did, the commit to disk included.
fn saves(repository: &Repository) {
    println!("a rule is saved");
    let (mut checks, mut saves, mut effects) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..9 {
        let stream = repository.site().streams().nth(turn).unwrap().id;
        let edit = RuleEdit {
            name: Some(format!("Opened {turn}")),
            resource_filter: Some(format!("Stream_{stream}")),
            condition: Some("user.IsAnonymous()".to_owned()),
            actions: Some(2),
            ..RuleEdit::default()
        };
        checks.push(timed(|| repository.check_rule(&server(), None, edit.clone()).unwrap()));
        let started = Instant::now();
        repository.create_rule(&server(), None, edit).unwrap();
        saves.push(started.elapsed());
        let seen = repository.streams(&visitor()).unwrap();
        assert!(seen.iter().any(|seen| seen.id == stream));
        effects.push(started.elapsed());
    }
    for times in [&mut checks, &mut saves, &mut effects] {
        times.sort();
    }
    tell("checked and linted, nothing saved", checks[0]);
    tell("saved and served to everybody", saves[0]);
    tell("seen in a visitor's list of streams", effects[0]);
}

fn server() -> Caller {
    Caller::internal(InternalAccount::Repository)
}

fn visitor() -> Caller {
    Caller::visitor(VisitorId(Uuid::new_v4()), Environment::default())
}

/// The best of several turns: what it costs when nothing else is running.
fn best<T>(mut run: impl FnMut() -> T) -> Duration {
    (0..15).map(|_| timed(&mut run)).min().unwrap_or_default()
}

fn timed<T>(mut run: impl FnMut() -> T) -> Duration {
    let started = Instant::now();
    let result = run();
    let elapsed = started.elapsed();
    drop(result);
    elapsed
}

fn tell(what: &str, time: Duration) {
    println!("  {what:<44} {:>9.3} ms", time.as_secs_f64() * 1_000.0);
}
