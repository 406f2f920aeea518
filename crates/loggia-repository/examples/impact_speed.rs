//! How fast is it told what a change would open? Builds a big site and measures the report of
//! what visitors can reach, and the impact of one change of each kind.
//!
//! ```sh
//! cargo run --release -p loggia-repository --example impact_speed -- [RULES [APPS [OBJECTS]]]
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that measures prints, and stops when it cannot go on"
)]

#[path = "list_speed/busy_site.rs"]
#[allow(dead_code, reason = "the other program that measures uses more of it")]
mod busy_site;

use std::sync::Arc;
use std::time::{Duration, Instant};

use busy_site::Size;
use loggia_model::entity::{AnonymousMode, PoolKind, RuleCategory};
use loggia_model::{Caller, InternalAccount, Moment};
use loggia_repository::store::{Store, sqlite::SqliteStore};
use loggia_repository::{
    AppEdit, Excerpt, Exposure, PoolEdit, ProposedChange, Repository, RuleEdit, Settings,
    StreamEdit, UserEdit, VirtualProxyEdit,
};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let rules = arguments.next().unwrap_or(1_000);
    let apps = arguments.next().unwrap_or(10_000);
    let objects = arguments.next().unwrap_or(100_000);
    let size = Size { rules, streams: 500, apps, objects, users: 10_000 };
    println!("{size:?}");
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("loggia.db")).unwrap();
    store.commit(0, &busy_site::changes(size)).unwrap();
    let settings = Settings::new(folder.path().join("data"));
    let clock = Arc::new(|| Moment(1_795_507_200_000));
    let repository = Repository::open(Arc::new(store), clock, settings).unwrap();
    let server = Caller::internal(InternalAccount::Repository);
    open_to_visitors(&repository, &server);

    println!("what visitors can reach");
    exposure(&repository);
    let rule = RuleEdit {
        name: Some("On the train".to_owned()),
        resource_filter: Some("App_*".to_owned()),
        condition: Some(
            "user.environment.ip like \"10.*\" and resource.@level = \"open\"".to_owned(),
        ),
        actions: Some(256),
        ..RuleEdit::default()
    };
    println!("the impact of a change");
    impacts(&repository, &server, size);
    let rule = repository.create_rule(&server, None, rule).unwrap().value.id;
    println!("with a rule that reads the address of requests");
    exposure(&repository);
    impacts(&repository, &server, size);
    repository.delete_rule(&server, rule).unwrap();
}

fn open_to_visitors(repository: &Repository, server: &Caller) {
    let edit = VirtualProxyEdit {
        prefix: Some("public".parse().unwrap()),
        description: Some("For visitors".to_owned()),
        anonymous: Some(AnonymousMode::Allowed),
        session_cookie: Some("X-Public".to_owned()),
        ..VirtualProxyEdit::default()
    };
    repository.create_virtual_proxy(server, None, edit).unwrap();
    let edit = PoolEdit {
        name: Some("Visitors".to_owned()),
        kind: Some(PoolKind::AnalyzerCapacity),
        ..PoolEdit::default()
    };
    let pool = repository.create_pool(server, None, edit).unwrap().value.id;
    let edit = RuleEdit {
        category: Some(RuleCategory::License),
        name: Some("Visitors".to_owned()),
        resource_filter: Some(format!("License.AnalyzerTimeAccessType_{pool}")),
        condition: Some("user.IsAnonymous()".to_owned()),
        actions: Some(1),
        context: Some(1),
        ..RuleEdit::default()
    };
    repository.create_rule(server, None, edit).unwrap();
}

fn exposure(repository: &Repository) {
    let site = repository.site();
    let started = Clock::start();
    let report = Exposure::of(&site);
    tell(&format!("the report, {} things", report.things.len()), started.elapsed());
    let started = Clock::start();
    let text = report.to_json();
    tell(&format!("as JSON, {} bytes", text.len()), started.elapsed());
    let started = Clock::start();
    let text = report.to_table();
    tell(&format!("as a table, {} lines", text.lines().count()), started.elapsed());
    let record = report.recorded();
    let started = Clock::start();
    assert!(report.difference(&record).is_empty());
    tell("compared with a record", started.elapsed());
}

fn impacts(repository: &Repository, server: &Caller, size: Size) {
    let site = repository.site();
    let rule = |filter: &str, actions, condition: &str, is_forbidding| ProposedChange::Rule {
        id: None,
        edit: RuleEdit {
            name: Some("New".to_owned()),
            resource_filter: Some(filter.to_owned()),
            condition: Some(condition.to_owned()),
            actions: Some(actions),
            is_forbidding: Some(is_forbidding),
            ..RuleEdit::default()
        },
    };
    let app = busy_site::app(4, size);
    let stream = app.stream.unwrap();
    let other = busy_site::app(5, size).stream.unwrap();
    let known = busy_site::rule(5, size).rule.id;
    let public = site.entrance(&"public".parse().unwrap()).unwrap().id;
    let person = busy_site::user(7).id;
    let pool = site.pools().next().unwrap().id;
    let user = |edit| ProposedChange::User { id: Some(person), edit };
    let changes = [
        ("one stream to everybody", rule(&format!("Stream_{stream}"), 2, "", false)),
        ("all apps to a group", rule("App_*", 2, "user.group = \"group17\"", false)),
        ("everything of apps to everybody", rule("App*", 2, "", false)),
        (
            "no app of a team for visitors",
            rule("App_*", 2, "user.IsAnonymous() and resource.@team = \"group3\"", true),
        ),
        (
            "a rule of teams switched off",
            ProposedChange::Rule {
                id: Some(known),
                edit: RuleEdit { is_disabled: Some(true), ..RuleEdit::default() },
            },
        ),
        ("a rule deleted", ProposedChange::DeleteRule(busy_site::rule(0, size).rule.id)),
        (
            "a stream's department",
            ProposedChange::Stream {
                id: Some(stream),
                edit: StreamEdit { custom_properties: Some(Vec::new()), ..StreamEdit::default() },
            },
        ),
        (
            "an app moved",
            ProposedChange::App { id: Some(app.id), edit: None, stream: Some(Some(other)) },
        ),
        (
            "an app's owner",
            ProposedChange::App {
                id: Some(app.id),
                edit: Some(AppEdit { owner: Some(person), ..AppEdit::default() }),
                stream: None,
            },
        ),
        (
            "a person's role",
            user(UserEdit { roles: Some(vec!["role3".to_owned()]), ..UserEdit::default() }),
        ),
        (
            "a person made root",
            user(UserEdit { roles: Some(vec!["RootAdmin".to_owned()]), ..UserEdit::default() }),
        ),
        ("a person blocked", user(UserEdit { is_blocked: Some(true), ..UserEdit::default() })),
        (
            "an entrance shut",
            ProposedChange::VirtualProxy {
                id: Some(public),
                edit: Box::new(VirtualProxyEdit {
                    anonymous: Some(AnonymousMode::Never),
                    ..VirtualProxyEdit::default()
                }),
            },
        ),
        (
            "a pool disabled",
            ProposedChange::Pool {
                id: Some(pool),
                edit: PoolEdit { is_disabled: Some(true), ..PoolEdit::default() },
            },
        ),
    ];
    for (what, change) in changes {
        let change = [change];
        let mut best = Duration::MAX;
        let mut told = String::new();
        for _ in 0..3 {
            let started = Clock::start();
            let impact = repository.impact(server, &change, Excerpt::default()).unwrap();
            best = best.min(started.elapsed());
            let things = |shifts: &[loggia_repository::impact::Shift]| {
                shifts.iter().map(|shift| shift.things.count).sum::<usize>()
            };
            told = format!(
                "{what}: +{} -{} ?{}",
                things(&impact.gained),
                things(&impact.lost),
                impact.conditional.len()
            );
        }
        tell(&told, best);
    }
}

/// Time that this thread computed, where the system tells; on a busy machine the clock on the wall
/// says little.
struct Clock {
    wall: Instant,
    computed: Option<Duration>,
}

impl Clock {
    fn start() -> Clock {
        Clock { wall: Instant::now(), computed: computed() }
    }

    fn elapsed(&self) -> Duration {
        match (computed(), self.computed) {
            (Some(now), Some(started)) => now.saturating_sub(started),
            _ => self.wall.elapsed(),
        }
    }
}

fn computed() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn tell(what: &str, time: Duration) {
    println!("  {what:<56} {:>9.1} ms", time.as_secs_f64() * 1_000.0);
}
