//! Who came? The days of the visitor statistics, and the tables that the app *Visitors* loads.

use std::fmt::Write;
use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use loggia_model::{Caller, InternalAccount, Moment};
use loggia_proxy::problem::{Problem, iso};
use loggia_proxy::{Entered, json_response};
use loggia_qix::DataSource;
use loggia_repository::{ManageError, Repository, VisitorDay, Who};
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::front::Front;
use crate::shipped::VISITORS_APP;

/// The name of the data connection in load scripts.
pub(crate) const CONNECTION: &str = "Visits";
/// How far back the app looks.
const APP_DAYS: i64 = 400;
/// The days of an answer unless the request says otherwise, and at most.
const USUAL_DAYS: i64 = 30;
const MOST_DAYS: i64 = 800;
const DAY: i64 = 86_400_000;

/// `GET /api/v1/visitors?from=2026-11-01&to=2026-11-30&who=visitors`: the sums of each day, both
/// ends included, for whoever may read the audit trail.
pub(crate) async fn days(front: &Arc<Front>, entered: &Entered, headers: &HeaderMap) -> Response {
    let Some(guest) = entered.guest.as_ref().filter(|guest| !guest.session.is_anonymous()) else {
        return front.nothing_here(entered, headers);
    };
    let (from, to, who) = match asked(front, entered) {
        Ok(asked) => asked,
        Err(text) => {
            let (status, title) = (StatusCode::BAD_REQUEST, "Bad request");
            let problem = Problem::new(status, "REQ-QUERY", title, &text, front.now());
            return front.proxy.refuse(entered, &problem, headers);
        }
    };
    let (repository, caller) = (front.repository.clone(), guest.caller.clone());
    let work = tokio::task::spawn_blocking(move || repository.visitor_days(&caller, from, to, who));
    let problem = match work.await {
        Ok(Ok(days)) => {
            let days: Vec<Value> = days.iter().map(|day| shown(&front.repository, day)).collect();
            return json_response(&json!({
                "from": iso(from),
                "to": iso(to),
                "days": days,
            }));
        }
        Ok(Err(ManageError::Refused(refusal) | ManageError::Hidden { refusal, .. })) => {
            Problem::of_refusal(&refusal, &entered.reader())
        }
        Ok(Err(error)) => Problem::internal(&error.to_string(), front.now()),
        Err(error) => Problem::internal(&error.to_string(), front.now()),
    };
    front.proxy.refuse(entered, &problem, headers)
}

fn asked(front: &Front, entered: &Entered) -> Result<(Moment, Moment, Who), String> {
    let query = &entered.screened.query;
    let offset = front.repository.offset();
    let shift = first_midnight(&front.repository);
    let day = |name: &str| -> Result<Option<Moment>, String> {
        match query.get(name).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => {
                let date = text.parse::<jiff::civil::Date>();
                let date = date.map_err(|_| format!("{name} must be a day such as 2026-11-24."))?;
                let epoch = jiff::civil::date(1970, 1, 1);
                let days = epoch.until((jiff::Unit::Day, date)).map(|span| span.get_days());
                let days = days.map_err(|_| format!("{name} is too far away."))?;
                Ok(Some(Moment(i64::from(days) * DAY + shift)))
            }
        }
    };
    let today = offset.day_of(front.now());
    let last = day("to")?.unwrap_or(today);
    let first = day("from")?.unwrap_or(Moment(last.0 - (USUAL_DAYS - 1) * DAY));
    let to = Moment(last.0 + DAY);
    if to <= first || to.millis_since(first) > MOST_DAYS * DAY {
        return Err(format!("from must not be after to, nor {MOST_DAYS} days or more before it."));
    }
    let who = match query.get("who").unwrap_or("all") {
        "all" => Who::All,
        "visitors" => Who::Visitors,
        "people" => Who::People,
        _ => return Err("who must be all, visitors or people.".to_owned()),
    };
    Ok((first, to, who))
}

fn shown(repository: &Repository, day: &VisitorDay) -> Value {
    let apps: Vec<Value> = day
        .apps
        .iter()
        .map(|(name, (opens, seconds))| json!({ "name": name, "opens": opens, "minutes": seconds / 60 }))
        .collect();
    json!({
        "day": date(local(repository, day.day)),
        "visits": day.visits,
        "visitors": day.visitors,
        "addresses": day.addresses,
        "opens": day.opens,
        "minutes": day.seconds / 60,
        "apps": apps,
        "entrances": day.entrances,
        "referrers": day.referrers,
        "browsers": day.browsers,
        "systems": day.systems,
        "devices": day.devices,
    })
}

/// The trail as load scripts read it. Whoever may not read the trail reads nothing here, whatever
/// scripts they may write.
pub(crate) struct TrailSource(pub(crate) Repository);

impl std::fmt::Debug for TrailSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrailSource")
    }
}

impl DataSource for TrailSource {
    fn read(&self, caller: &Caller, path: &str) -> std::io::Result<Vec<u8>> {
        let repository = &self.0;
        let to = Moment(repository.now().0.saturating_add(1));
        let from = Moment(to.0.saturating_sub(APP_DAYS * DAY));
        let visits =
            repository.visits(caller, from, to, Who::All).map_err(|error| match error {
                ManageError::Refused(_) | ManageError::Hidden { .. } => {
                    Error::from(ErrorKind::PermissionDenied)
                }
                error => Error::other(error.to_string()),
            })?;
        match path.to_ascii_lowercase().as_str() {
            "visits.csv" => {
                let mut text = String::from(
                    "Visit,Started,Kind,Entrance,Visitor,Address,Browser,System,Device,Referrer,Seconds\n",
                );
                for visit in &visits.visits {
                    let _ = writeln!(
                        text,
                        "{},{},{},{},{},{},{},{},{},{},{}",
                        visit.number,
                        stamp(local(repository, visit.started)),
                        kind(visit.is_anonymous),
                        cell(&visit.entrance),
                        visit.visitor,
                        visit.address.map(|address| address.to_string()).unwrap_or_default(),
                        cell(&visit.browser),
                        cell(&visit.os),
                        cell(&visit.device),
                        cell(&visit.referrer),
                        visit.seconds,
                    );
                }
                Ok(text.into_bytes())
            }
            "apps.csv" => {
                let mut text = String::from("Visit,Opened,Kind,App,Stream,Seconds\n");
                for open in &visits.opens {
                    let _ = writeln!(
                        text,
                        "{},{},{},{},{},{}",
                        open.visit.map(|visit| visit.to_string()).unwrap_or_default(),
                        stamp(local(repository, open.opened)),
                        kind(open.is_anonymous),
                        cell(&open.app),
                        cell(&open.stream),
                        open.seconds,
                    );
                }
                Ok(text.into_bytes())
            }
            _ => Err(Error::from(ErrorKind::NotFound)),
        }
    }
}

fn kind(is_anonymous: bool) -> &'static str {
    if is_anonymous { "Visitor" } else { "Signed in" }
}

/// Text between quotes, whatever a stranger's browser wrote in it.
fn cell(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", plain.replace('"', "\"\""))
}

/// The moment as clocks of the site's zone show it.
fn local(repository: &Repository, moment: Moment) -> Moment {
    Moment(moment.0.saturating_sub(first_midnight(repository)))
}

/// The midnight that began 1970 in the site's zone.
fn first_midnight(repository: &Repository) -> i64 {
    // It is January all over the world in its middle.
    repository.offset().month_of(Moment(15 * DAY)).start.0
}

/// `2026-11-24 08:05:00`.
fn stamp(moment: Moment) -> String {
    iso(moment).get(..19).unwrap_or_default().replace('T', " ")
}

fn date(moment: Moment) -> String {
    iso(moment).get(..10).unwrap_or_default().to_owned()
}

/// Whether the app is to be loaded again.
fn is_due(last: Option<Moment>, now: Moment, every_minutes: u32) -> bool {
    last.is_none_or(|last| now >= last.plus_minutes(i64::from(every_minutes)) || now < last)
}

/// Loads the app *Visitors* anew from time to time, until the server stops. On demand it is
/// reloaded like every other app.
pub(crate) async fn keep_current(
    front: Arc<Front>,
    every_minutes: u32,
    mut stop: watch::Receiver<bool>,
) {
    let mut every_minute = tokio::time::interval(Duration::from_secs(60));
    every_minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every_minute.tick() => {}
            _ = stop.changed() => return,
        }
        let worker = Arc::clone(&front);
        let work = tokio::task::spawn_blocking(move || reload_if_due(&worker, every_minutes));
        if let Err(error) = work.await {
            error!(%error, "the visitor statistics were not loaded");
        }
    }
}

fn reload_if_due(front: &Front, every_minutes: u32) {
    // An operator who deleted the app wants none.
    let Some(app) = front.repository.site().app(VISITORS_APP).cloned() else { return };
    if !is_due(app.last_reload, front.now(), every_minutes) {
        return;
    }
    let caller = Caller::internal(InternalAccount::Scheduler);
    match front.engine.reload_app(&caller, VISITORS_APP) {
        Ok(report) => info!("loaded the visitor statistics in {} ms", report.millis),
        Err(error) => warn!(%error, "the visitor statistics were not loaded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_is_loaded_when_its_data_are_old_or_of_a_time_to_come() {
        let last = Moment(1_000_000_000);
        for (minutes, expected) in [(0, false), (59, false), (60, true), (600, true), (-5, true)] {
            assert_eq!(is_due(Some(last), last.plus_minutes(minutes), 60), expected, "{minutes}");
        }
        assert!(is_due(None, last, 60));
    }

    #[test]
    fn what_a_browser_calls_itself_stays_one_cell() {
        assert_eq!(cell("a\",\"b\r\n=1+1"), "\"a\"\",\"\"b=1+1\"");
    }
}
