//! The report as a file: written for reviews, read again to compare. JSON has everything, CSV one
//! line for each thing, action and rule.
//!
//! The version of the format is the JSON member `format`, and the name of the first CSV column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use loggia_model::entity::{AnonymousMode, PoolKind};
use loggia_rules::{Action, RequestContext};
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use super::{Cause, Deed, ExposedThing, Exposure, Grant, OpenEntrance, PoolExposure};
use crate::record::pool_kind;

/// Raised when older records can no longer be read.
const FORMAT: u64 = 1;

const COLUMNS: [&str; 14] = [
    "exposure1",
    "entrances",
    "resource",
    "kind",
    "name",
    "stream",
    "app",
    "action",
    "when",
    "rule",
    "rule_name",
    "rule_when",
    "forbidding",
    "exists",
];

/// A report as far as it is compared: what visitors may do, by what stays the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedExposure {
    pub(super) held: BTreeMap<Held, Basis>,
    /// What people call the things, by their keys.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) rules: BTreeMap<Uuid, String>,
}

/// One right of visitors at one entrance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    pub(super) is_console: bool,
    pub(super) resource: String,
    pub(super) deed: Deed,
    pub(super) entrance: String,
}

/// What the right rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Basis {
    pub(super) when: Option<String>,
    pub(super) rules: BTreeSet<Uuid>,
}

/// Why a recorded report cannot be compared with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}; record it again with: loggia exposure --format json")]
pub struct UnreadableRecord {
    problem: String,
}

impl Exposure {
    /// The whole report as JSON text, one thing a line so that versions of it can be compared.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = format!("{{\n\"format\": {FORMAT},\n\"siteVersion\": {},\n", self.version);
        list(&mut text, "entrances", self.entrances.iter().map(entrance));
        text.push_str(",\n");
        list(&mut text, "pools", self.pools.iter().map(pool));
        text.push_str(",\n");
        list(&mut text, "rules", self.rules.iter().map(rule));
        text.push_str(",\n");
        list(&mut text, "resources", self.things.iter().map(thing));
        text.push_str("\n}\n");
        text
    }

    /// The same as a value, for the REST interface.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({
            "format": FORMAT,
            "siteVersion": self.version,
            "entrances": self.entrances.iter().map(entrance).collect::<Value>(),
            "pools": self.pools.iter().map(pool).collect::<Value>(),
            "rules": self.rules.iter().map(rule).collect::<Value>(),
            "resources": self.things.iter().map(thing).collect::<Value>(),
        })
    }

    /// One line for each thing, action and rule.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        // Writing into memory does not fail.
        let _ = out.write_record(COLUMNS);
        for entrance in &self.entrances {
            let address = &*entrance.address;
            let mut row = [""; 14];
            let cells = [HUB, address, address, "Entrance", address];
            row.iter_mut().zip(cells).for_each(|(cell, value)| *cell = value);
            if let Some(cell) = row.get_mut(7) {
                *cell = Deed::Enter.name();
            }
            let _ = out.write_record(row);
        }
        for thing in &self.things {
            let key = thing.key();
            let name_of = |place: Option<&Arc<str>>| {
                place.map(|name| (**name).to_owned()).unwrap_or_default()
            };
            let stream = name_of(thing.stream.as_ref().map(|place| &place.name));
            let app = name_of(thing.app.as_ref().map(|place| &place.name));
            let exists = if thing.is_there { "yes" } else { "no" };
            for grant in thing.grants.iter() {
                let entrances = grant.entrances.join(" ");
                let granting = grant.granted_by.iter().map(|cause| (cause, "no"));
                let forbidding = grant.forbidden_by.iter().map(|cause| (cause, "yes"));
                for (cause, forbids) in granting.chain(forbidding) {
                    let rule = cause.rule.hyphenated().to_string();
                    let rule_name = self.rules.get(&cause.rule).map(|name| &**name);
                    let _ = out.write_record([
                        context_name(grant.context),
                        &entrances,
                        &key,
                        thing.entity.kind.name(),
                        &thing.name,
                        &stream,
                        &app,
                        grant.deed.name(),
                        grant.when.as_deref().unwrap_or_default(),
                        &rule,
                        rule_name.unwrap_or_default(),
                        cause.when.as_deref().unwrap_or_default(),
                        forbids,
                        exists,
                    ]);
                }
            }
        }
        String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    /// The report as far as it is compared.
    #[must_use]
    pub fn recorded(&self) -> RecordedExposure {
        let mut record = RecordedExposure::default();
        for entrance in &self.entrances {
            record.enter(&entrance.address);
        }
        for thing in &self.things {
            let resource = thing.key();
            for grant in thing.grants.iter() {
                let basis = Basis {
                    when: grant.when.as_deref().map(str::to_owned),
                    rules: grant.granted_by.iter().map(|cause| cause.rule).collect(),
                };
                for entrance in grant.entrances.iter() {
                    let held = Held {
                        is_console: grant.context == RequestContext::Console,
                        resource: resource.clone(),
                        deed: grant.deed,
                        entrance: (**entrance).to_owned(),
                    };
                    record.held.insert(held, basis.clone());
                }
            }
            record.labels.insert(resource, label(thing));
        }
        record.rules = self.rules.iter().map(|(id, name)| (*id, (**name).to_owned())).collect();
        record
    }
}

/// What people call a thing: `app Flights`, `sheet Overview in Flights`.
pub(super) fn label(thing: &ExposedThing) -> String {
    let place = thing.app.as_ref().map(|app| format!(" in {}", app.name)).unwrap_or_default();
    describe(thing.entity.kind.name(), thing.object_type.as_deref(), &thing.name, &place)
}

fn describe(kind: &str, object_type: Option<&str>, name: &str, place: &str) -> String {
    match (kind, object_type) {
        ("App.Object", Some(object_type)) => format!("{object_type} {name}{place}"),
        ("App" | "Stream" | "User", _) => format!("{} {name}", kind.to_lowercase()),
        ("TransientObject", _) => name.to_owned(),
        ("SystemRule", _) => format!("rule {name}"),
        ("VirtualProxyConfig", _) => format!("entrance {name}"),
        _ if name.starts_with("any ") || name.starts_with("a new ") => name.to_owned(),
        _ => format!("{kind} {name}{place}"),
    }
}

const HUB: &str = "hub";

fn context_name(context: RequestContext) -> &'static str {
    match context {
        RequestContext::Hub => HUB,
        RequestContext::Console => "console",
    }
}

fn mode_name(mode: AnonymousMode) -> &'static str {
    match mode {
        AnonymousMode::Never => "never",
        AnonymousMode::Allowed => "allowed",
        AnonymousMode::SilentFirst => "silentFirst",
        AnonymousMode::Always => "always",
    }
}

/// What the pool holds, in the words of the console.
pub(super) fn pool_words(kind: PoolKind) -> &'static str {
    match kind {
        PoolKind::Professional => "professional seats",
        PoolKind::Analyzer => "analyzer seats",
        PoolKind::UserAccess => "user seats",
        PoolKind::LoginAccess => "login passes",
        PoolKind::AnalyzerCapacity => "analyzer capacity",
    }
}

fn list(text: &mut String, name: &str, rows: impl Iterator<Item = Value>) {
    let _ = write!(text, "\"{name}\": [");
    let mut is_first = true;
    for row in rows {
        let _ = write!(text, "{}\n{row}", if is_first { "" } else { "," });
        is_first = false;
    }
    text.push_str(if is_first { "]" } else { "\n]" });
}

fn entrance(entrance: &OpenEntrance) -> Value {
    json!({
        "address": *entrance.address,
        "description": entrance.description,
        "anonymousMode": mode_name(entrance.mode),
    })
}

fn rule((id, name): (&Uuid, &Arc<str>)) -> Value {
    json!({ "id": id, "name": **name })
}

fn pool(pool: &PoolExposure) -> Value {
    json!({
        "id": pool.id,
        "name": pool.name,
        "kind": pool_kind(pool.kind).name(),
        "servesVisitors": pool.closed.is_none(),
        "why": pool.closed,
        "grants": pool.grants.iter().map(grant).collect::<Value>(),
    })
}

fn thing(thing: &ExposedThing) -> Value {
    let mut value = json!({
        "resource": thing.key(),
        "kind": thing.entity.kind.name(),
        "name": *thing.name,
    });
    if let Some(members) = value.as_object_mut() {
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        if let Some(object_type) = &thing.object_type {
            put("objectType", json!(**object_type));
        }
        if let Some(stream) = &thing.stream {
            put("stream", json!({ "id": stream.id, "name": *stream.name }));
        }
        if let Some(app) = &thing.app {
            put("app", json!({ "id": app.id, "name": *app.name }));
        }
        if let Some(closed) = &thing.closed {
            put("closed", json!(**closed));
        }
        if !thing.is_there {
            put("exists", json!(false));
        }
        put("grants", thing.grants.iter().map(grant).collect());
    }
    value
}

fn grant(grant: &Grant) -> Value {
    let mut value = json!({
        "action": grant.deed.name(),
        "context": context_name(grant.context),
        "entrances": grant.entrances.iter().map(|entrance| &**entrance).collect::<Value>(),
        "when": grant.when.as_deref(),
        "grantedBy": grant.granted_by.iter().map(cause).collect::<Value>(),
    });
    if let Some(members) = value.as_object_mut().filter(|_| !grant.forbidden_by.is_empty()) {
        let forbidden_by = grant.forbidden_by.iter().map(cause).collect();
        members.insert("forbiddenBy".to_owned(), forbidden_by);
    }
    value
}

fn cause(cause: &Cause) -> Value {
    match &cause.when {
        None => json!({ "rule": cause.rule }),
        Some(when) => json!({ "rule": cause.rule, "when": **when }),
    }
}

impl RecordedExposure {
    /// Reads a report that was recorded as JSON or CSV.
    pub fn parse(text: &str) -> Result<RecordedExposure, UnreadableRecord> {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('{') { from_json(text) } else { from_csv(text) }
    }

    fn enter(&mut self, address: &str) {
        let held = Held {
            is_console: false,
            resource: address.to_owned(),
            deed: Deed::Enter,
            entrance: address.to_owned(),
        };
        self.held.insert(held, Basis::default());
        self.labels.insert(address.to_owned(), format!("entrance {address}"));
    }
}

fn from_json(text: &str) -> Result<RecordedExposure, UnreadableRecord> {
    let report: Value = serde_json::from_str(text)
        .map_err(|error| unreadable(format!("it is no JSON report: {error}")))?;
    match report.get("format").and_then(Value::as_u64) {
        Some(FORMAT) => {}
        Some(other) => {
            let problem = format!("it has the format {other}, and this release reads {FORMAT}");
            return Err(unreadable(problem));
        }
        None => return Err(unreadable("it is no exposure report: no member format".to_owned())),
    }
    let mut record = RecordedExposure::default();
    for entrance in members(&report, "entrances")? {
        record.enter(word(entrance, "address")?);
    }
    for rule in members(&report, "rules")? {
        record.rules.insert(id(word(rule, "id")?)?, word(rule, "name")?.to_owned());
    }
    for thing in members(&report, "resources")? {
        let resource = word(thing, "resource")?;
        let place = thing.get("app").and_then(|app| app.get("name")).and_then(Value::as_str);
        let place = place.map(|app| format!(" in {app}")).unwrap_or_default();
        let object_type = thing.get("objectType").and_then(Value::as_str);
        let label = describe(word(thing, "kind")?, object_type, word(thing, "name")?, &place);
        record.labels.insert(resource.to_owned(), label);
        for grant in members(thing, "grants")? {
            let when = grant.get("when").and_then(Value::as_str).map(str::to_owned);
            let causes = members(grant, "grantedBy")?;
            let rules = causes.iter().map(|cause| id(word(cause, "rule")?));
            let basis = Basis { when, rules: rules.collect::<Result<_, _>>()? };
            for entrance in members(grant, "entrances")? {
                let Some(entrance) = entrance.as_str() else {
                    return Err(unreadable("an entrance is no text".to_owned()));
                };
                let held = Held {
                    is_console: is_console(word(grant, "context")?)?,
                    resource: resource.to_owned(),
                    deed: deed(word(grant, "action")?)?,
                    entrance: entrance.to_owned(),
                };
                record.held.insert(held, basis.clone());
            }
        }
    }
    Ok(record)
}

fn from_csv(text: &str) -> Result<RecordedExposure, UnreadableRecord> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| unreadable(error.to_string()))?;
    if headers != COLUMNS.as_slice() {
        return Err(unreadable("it is no exposure report of this release".to_owned()));
    }
    let mut record = RecordedExposure::default();
    for (row, line) in reader.records().zip(2..) {
        let row = row.map_err(|error| unreadable(error.to_string()))?;
        let at =
            |problem: UnreadableRecord| unreadable(format!("line {line}: {}", problem.problem));
        let cell = |name: &str| {
            let column = COLUMNS.iter().position(|column| *column == name);
            column.and_then(|column| row.get(column)).unwrap_or_default()
        };
        let (resource, deed) = (cell("resource"), deed(cell("action")).map_err(at)?);
        if deed == Deed::Enter {
            record.enter(resource);
            continue;
        }
        let place = Some(cell("app")).filter(|app| !app.is_empty());
        let place = place.map(|app| format!(" in {app}")).unwrap_or_default();
        let label = describe(cell("kind"), None, cell("name"), &place);
        record.labels.insert(resource.to_owned(), label);
        let rule = id(cell("rule")).map_err(at)?;
        record.rules.insert(rule, cell("rule_name").to_owned());
        let is_console = is_console(cell(COLUMNS[0])).map_err(at)?;
        for entrance in cell("entrances").split(' ') {
            let held = Held {
                is_console,
                resource: resource.to_owned(),
                deed,
                entrance: entrance.to_owned(),
            };
            let basis = record.held.entry(held).or_default();
            basis.when = Some(cell("when").to_owned()).filter(|when| !when.is_empty());
            if cell("forbidding") == "no" {
                basis.rules.insert(rule);
            }
        }
    }
    Ok(record)
}

fn members<'v>(value: &'v Value, name: &str) -> Result<&'v Vec<Value>, UnreadableRecord> {
    let list = value.get(name).and_then(Value::as_array);
    list.ok_or_else(|| unreadable(format!("the list {name:?} is missing")))
}

fn word<'v>(value: &'v Value, name: &str) -> Result<&'v str, UnreadableRecord> {
    let text = value.get(name).and_then(Value::as_str);
    text.ok_or_else(|| unreadable(format!("the text {name:?} is missing in {value}")))
}

fn id(text: &str) -> Result<Uuid, UnreadableRecord> {
    Uuid::parse_str(text).map_err(|_| unreadable(format!("{text:?} is no id of a rule")))
}

fn deed(text: &str) -> Result<Deed, UnreadableRecord> {
    match text {
        "open" => Ok(Deed::Open),
        "enter" => Ok(Deed::Enter),
        _ => {
            text.parse::<Action>().map(Deed::Action).map_err(|error| unreadable(error.to_string()))
        }
    }
}

fn is_console(text: &str) -> Result<bool, UnreadableRecord> {
    match text {
        HUB => Ok(false),
        "console" => Ok(true),
        _ => Err(unreadable(format!("{text:?} is neither hub nor console"))),
    }
}

fn unreadable(problem: String) -> UnreadableRecord {
    UnreadableRecord { problem }
}
