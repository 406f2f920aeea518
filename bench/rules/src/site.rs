//! A whole site in its store: lists, saves, and what a change would open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use loggia_model::entity::AnonymousMode;
use loggia_model::{Caller, Environment, InternalAccount, Moment, VisitorId};
use loggia_repository::store::{Store, sqlite::SqliteStore};
use loggia_repository::{
    AppEdit, Excerpt, ProposedChange, Repository, RuleEdit, Settings, UserEdit, VirtualProxyEdit,
};
use uuid::Uuid;

use crate::report::{Report, median, micros, millis};
use busy_site::Size;

#[path = "../../../crates/loggia-repository/examples/list_speed/busy_site.rs"]
#[allow(dead_code, reason = "other programs that measure use more of it")]
mod busy_site;

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let size = Size { rules: 1_000, streams: 500, apps: 10_000, objects: 20_000, users: 10_000 };
    let (_folder, repository) = open(size)?;
    lists(&repository, report)?;
    impact(&repository, size, report)?;
    let size = Size { rules: 10_000, objects: 0, ..size };
    let (_folder, repository) = open(size)?;
    saves(&repository, report)
}

fn open(size: Size) -> Result<(tempfile::TempDir, Repository)> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(&folder.path().join("loggia.db"))?;
    store.commit(0, &busy_site::changes(size))?;
    let settings = Settings::new(folder.path().join("data"));
    let clock = Arc::new(|| Moment(1_795_507_200_000));
    Ok((folder, Repository::open(Arc::new(store), clock, settings)?))
}

fn lists(repository: &Repository, report: &mut Report) -> Result<()> {
    let visitor = visitor();
    let list = || repository.apps(&visitor).map_err(|error| anyhow!("{error:?}"));
    let found = list()?.len();
    ensure!(found > 0, "the visitor may read nothing");
    let app = repository.site().apps().next().map(|app| app.id);
    let app = app.ok_or_else(|| anyhow!("there are no apps"))?;
    let mut made = Vec::new();
    for turn in 0..7 {
        let edit = AppEdit { description: Some(format!("{turn}")), ..AppEdit::default() };
        let changed = repository.update_app(&server(), app, None, edit);
        changed.map_err(|error| anyhow!("{error:?}"))?;
        let started = Instant::now();
        list()?;
        made.push(started.elapsed());
    }
    made.sort();
    let metric = format!("site: {found} apps of 10,000 for a visitor, 1,000 rules");
    report.budget(format!("{metric}, made"), millis(made[made.len() / 2]), "ms", 10.0);
    let kept = median(101, || drop(list()));
    report.budget(format!("{metric}, kept"), millis(kept), "ms", 1.0);
    let cache = repository.list_cache();
    report.own("site: kept for one audience", cache.bytes as f64 / 1_024.0, "KiB");
    let hub = || drop(repository.hub(&visitor));
    hub();
    report.own("site: the hub of a visitor, kept", micros(median(101, hub)), "µs");
    Ok(())
}

/// From the save of a rule until a visitor sees what it did, the commit to disk included.
fn saves(repository: &Repository, report: &mut Report) -> Result<()> {
    let mut effects = Vec::new();
    for turn in 0..9 {
        let stream = repository.site().streams().nth(turn).map(|stream| stream.id);
        let stream = stream.ok_or_else(|| anyhow!("too few streams"))?;
        let edit = RuleEdit {
            name: Some(format!("Opened {turn}")),
            resource_filter: Some(format!("Stream_{stream}")),
            condition: Some("user.IsAnonymous()".to_owned()),
            actions: Some(2),
            ..RuleEdit::default()
        };
        let started = Instant::now();
        repository.create_rule(&server(), None, edit).map_err(|error| anyhow!("{error:?}"))?;
        let seen = repository.streams(&visitor()).map_err(|error| anyhow!("{error:?}"))?;
        ensure!(seen.iter().any(|seen| seen.id == stream), "a saved rule is not in force");
        effects.push(started.elapsed());
    }
    effects.sort();
    let metric = "site: rule saved until in a visitor's list, 10,000 rules, p50";
    report.budget(metric, millis(effects[effects.len() / 2]), "ms", 50.0);
    Ok(())
}

/// What unsaved changes would open, 10,000 apps x 1,000 rules x 10,000 people.
fn impact(repository: &Repository, size: Size, report: &mut Report) -> Result<()> {
    let rule = |filter: String, condition: &str| ProposedChange::Rule {
        id: None,
        edit: RuleEdit {
            name: Some("New".to_owned()),
            resource_filter: Some(filter),
            condition: Some(condition.to_owned()),
            actions: Some(2),
            ..RuleEdit::default()
        },
    };
    let stream =
        busy_site::app(4, size).stream.ok_or_else(|| anyhow!("the app is in no stream"))?;
    let entrance = repository.site().virtual_proxies().next().map(|entrance| entrance.id);
    let changes = [
        ("one stream to everybody", rule(format!("Stream_{stream}"), "")),
        ("all apps to a group", rule("App_*".to_owned(), "user.group = \"group17\"")),
        ("everything of apps to everybody", rule("App*".to_owned(), "")),
        (
            "a person's role",
            ProposedChange::User {
                id: Some(busy_site::user(7).id),
                edit: UserEdit { roles: Some(vec!["role3".to_owned()]), ..UserEdit::default() },
            },
        ),
        (
            "an entrance opened to visitors",
            ProposedChange::VirtualProxy {
                id: entrance,
                edit: VirtualProxyEdit {
                    anonymous: Some(AnonymousMode::Allowed),
                    ..VirtualProxyEdit::default()
                },
            },
        ),
    ];
    for (what, change) in changes {
        let change = [change];
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..3 {
            let started = Instant::now();
            let impact = repository.impact(&server(), &change, Excerpt::default());
            impact.map_err(|error| anyhow!("{what}: {error:?}"))?;
            times.push(started.elapsed());
        }
        times.sort();
        let metric = format!("impact of {what}, 10,000 apps x 1,000 rules");
        report.budget(metric, millis(times[1]), "ms", 1_000.0);
    }
    Ok(())
}

fn server() -> Caller {
    Caller::internal(InternalAccount::Repository)
}

fn visitor() -> Caller {
    Caller::visitor(VisitorId(Uuid::from_u128(7)), Environment::default())
}
