//! Who came? Visits and the apps opened in them, put together from the audit trail, and the sums of
//! each day.
//!
//! What comes out names nobody: people, browsers and addresses are numbers of this reading alone.
//! A number says that two visits were by the same one, and cannot be traced back once the trail has
//! forgotten whom it stood for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use loggia_audit::{Kind, Row};
use loggia_licence::UtcOffset;
use loggia_model::{Caller, Moment};
use serde_json::{Map, Value};

use crate::Repository;
use crate::manage::ManageError;
use crate::store::TrailFilter;

/// Whose visits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Who {
    #[default]
    All,
    Visitors,
    People,
}

/// The visits that began in a period, and what was opened in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visits {
    pub visits: Vec<VisitRow>,
    pub opens: Vec<OpenRow>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitRow {
    /// From 1, in the order in which they began.
    pub number: u64,
    pub started: Moment,
    pub is_anonymous: bool,
    /// Prefix of the entrance.
    pub entrance: String,
    /// Who it was: a browser or a person. The same number is the same one.
    pub visitor: u64,
    /// From where; none where addresses are not kept or are forgotten.
    pub address: Option<u64>,
    pub browser: String,
    pub os: String,
    pub device: String,
    /// The host of the page that led here; empty where there was none.
    pub referrer: String,
    /// From its first to its last sign of life, as far as it is over.
    pub seconds: u64,
}

/// An app that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRow {
    /// The visit, if it began in the period.
    pub visit: Option<u64>,
    pub opened: Moment,
    pub app: String,
    pub stream: String,
    pub is_anonymous: bool,
    /// How long it was open, as far as it was closed.
    pub seconds: u64,
}

/// What one day saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorDay {
    /// Its midnight, in the site's zone.
    pub day: Moment,
    pub visits: u64,
    pub visitors: u64,
    pub addresses: u64,
    pub opens: u64,
    /// That apps were open, all together.
    pub seconds: u64,
    /// By name: how often each was opened, and for how long.
    pub apps: BTreeMap<String, (u64, u64)>,
    pub entrances: BTreeMap<String, u64>,
    pub referrers: BTreeMap<String, u64>,
    pub browsers: BTreeMap<String, u64>,
    pub systems: BTreeMap<String, u64>,
    pub devices: BTreeMap<String, u64>,
}

impl Repository {
    /// The visits from `from` on and before `to`, for whoever may read the audit trail.
    pub fn visits(
        &self,
        caller: &Caller,
        from: Moment,
        to: Moment,
        who: Who,
    ) -> Result<Visits, ManageError> {
        // The rules are asked by the trail itself; of its rows one page says nothing yet.
        let filter = TrailFilter {
            from: Some(from),
            to: Some(to),
            kinds: vec![Kind::SessionStart, Kind::SessionEnd, Kind::AppOpen, Kind::AppClose],
            is_anonymous: match who {
                Who::All => None,
                Who::Visitors => Some(true),
                Who::People => Some(false),
            },
            ..TrailFilter::default()
        };
        self.trail(caller, &filter, 1)?;
        let mut reading = Reading::default();
        self.walk_trail(&filter, |_, row| {
            reading.look(&row);
            ControlFlow::Continue(())
        })?;
        Ok(reading.visits)
    }

    /// The sums of each day on which anything happened, the oldest first.
    pub fn visitor_days(
        &self,
        caller: &Caller,
        from: Moment,
        to: Moment,
        who: Who,
    ) -> Result<Vec<VisitorDay>, ManageError> {
        Ok(by_day(&self.visits(caller, from, to, who)?, self.inner.settings.offset))
    }

    /// The zone whose midnight begins a day.
    #[must_use]
    pub fn offset(&self) -> UtcOffset {
        self.inner.settings.offset
    }
}

/// Adds up.
#[must_use]
pub fn by_day(visits: &Visits, offset: UtcOffset) -> Vec<VisitorDay> {
    let mut days: BTreeMap<Moment, Day> = BTreeMap::new();
    for visit in &visits.visits {
        let at = offset.day_of(visit.started);
        let day = days.entry(at).or_insert_with(|| Day::of(at));
        day.sums.visits += 1;
        day.visitors.insert(visit.visitor);
        day.addresses.extend(visit.address);
        let sums = &mut day.sums;
        for (counts, word) in [
            (&mut sums.entrances, &visit.entrance),
            (&mut sums.referrers, &visit.referrer),
            (&mut sums.browsers, &visit.browser),
            (&mut sums.systems, &visit.os),
            (&mut sums.devices, &visit.device),
        ] {
            *counts.entry(word.clone()).or_default() += 1;
        }
    }
    for open in &visits.opens {
        let at = offset.day_of(open.opened);
        let sums = &mut days.entry(at).or_insert_with(|| Day::of(at)).sums;
        sums.opens += 1;
        sums.seconds = sums.seconds.saturating_add(open.seconds);
        let (opens, seconds) = sums.apps.entry(open.app.clone()).or_default();
        *opens += 1;
        *seconds = seconds.saturating_add(open.seconds);
    }
    days.into_values()
        .map(|day| VisitorDay {
            visitors: day.visitors.len() as u64,
            addresses: day.addresses.len() as u64,
            ..day.sums
        })
        .collect()
}

struct Day {
    sums: VisitorDay,
    visitors: BTreeSet<u64>,
    addresses: BTreeSet<u64>,
}

impl Day {
    fn of(day: Moment) -> Day {
        let sums = VisitorDay {
            day,
            visits: 0,
            visitors: 0,
            addresses: 0,
            opens: 0,
            seconds: 0,
            apps: BTreeMap::new(),
            entrances: BTreeMap::new(),
            referrers: BTreeMap::new(),
            browsers: BTreeMap::new(),
            systems: BTreeMap::new(),
            devices: BTreeMap::new(),
        };
        Day { sums, visitors: BTreeSet::new(), addresses: BTreeSet::new() }
    }
}

/// Rows of the trail on the way to visits, the oldest first.
#[derive(Default)]
struct Reading {
    visits: Visits,
    /// Place of a session's visit.
    sessions: HashMap<String, usize>,
    /// Places of what is open, by session and app.
    open: HashMap<(String, String), Vec<usize>>,
    visitors: HashMap<String, u64>,
    addresses: HashMap<String, u64>,
}

impl Reading {
    fn look(&mut self, row: &Row) {
        match row.entry.known_kind() {
            Some(Kind::SessionStart) => self.begin(row),
            Some(Kind::SessionEnd) => self.end(row),
            Some(Kind::AppOpen) => self.open(row),
            Some(Kind::AppClose) => self.close(row),
            _ => {}
        }
    }

    fn begin(&mut self, row: &Row) {
        let entry = &row.entry;
        let details = entry.detail_values();
        // A browser is known by its cookie, a person by their name, and whoever has neither is
        // somebody else each time.
        let visitor = match details.get("visitor").and_then(Value::as_str) {
            Some(browser) => format!("browser {browser}"),
            None => entry.principal.clone(),
        };
        let visit = VisitRow {
            number: self.visits.visits.len() as u64 + 1,
            started: entry.time,
            is_anonymous: entry.is_anonymous,
            entrance: entry.entrance.clone(),
            visitor: number(&mut self.visitors, visitor),
            address: entry.address().map(|address| number(&mut self.addresses, address)),
            browser: text(&details, "browser"),
            os: text(&details, "os"),
            device: text(&details, "device"),
            referrer: text(&details, "referrer"),
            seconds: 0,
        };
        if let Some(session) = &entry.session {
            self.sessions.insert(session.clone(), self.visits.visits.len());
        }
        self.visits.visits.push(visit);
    }

    fn end(&mut self, row: &Row) {
        let place = row.entry.session.as_ref().and_then(|session| self.sessions.get(session));
        if let Some(visit) = place.and_then(|&place| self.visits.visits.get_mut(place)) {
            visit.seconds = seconds(&row.entry.detail_values());
        }
    }

    fn open(&mut self, row: &Row) {
        let entry = &row.entry;
        let details = entry.detail_values();
        let place = entry.session.as_ref().and_then(|session| self.sessions.get(session));
        let visit = place.and_then(|&place| self.visits.visits.get(place)).map(|one| one.number);
        self.open.entry(key(row)).or_default().push(self.visits.opens.len());
        self.visits.opens.push(OpenRow {
            visit,
            opened: entry.time,
            app: text(&details, "name"),
            stream: text(&details, "stream"),
            is_anonymous: entry.is_anonymous,
            seconds: 0,
        });
    }

    fn close(&mut self, row: &Row) {
        let Some(places) = self.open.get_mut(&key(row)) else { return };
        // A connection that broke and came back closes twice: the time adds up.
        let place = if places.len() > 1 { places.pop() } else { places.first().copied() };
        if let Some(open) = place.and_then(|place| self.visits.opens.get_mut(place)) {
            open.seconds = open.seconds.saturating_add(seconds(&row.entry.detail_values()));
        }
    }
}

fn key(row: &Row) -> (String, String) {
    let entry = &row.entry;
    (entry.session.clone().unwrap_or_default(), entry.app.clone().unwrap_or_default())
}

fn number(known: &mut HashMap<String, u64>, text: String) -> u64 {
    let next = known.len() as u64 + 1;
    *known.entry(text).or_insert(next)
}

fn text(details: &Map<String, Value>, name: &str) -> String {
    details.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn seconds(details: &Map<String, Value>) -> u64 {
    details.get("seconds").and_then(Value::as_u64).unwrap_or_default()
}
