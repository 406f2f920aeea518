//! A small site in a temporary folder, and clients that talk to its engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::stream;
use loggia_model::entity::{PoolKind, RuleCategory};
use loggia_model::{
    AppId, Caller, Environment, InternalAccount, Moment, Prefix, Principal, RuleId, SessionEnd,
    StreamId, UserKey, VisitorId,
};
use loggia_qix::{CloseReason, Connection, Engine, Host, Settings};
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{
    AppEdit, ObjectEdit, PoolEdit, Repository, RuleEdit, Settings as RepositorySettings, VisitInfo,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use uuid::{Uuid, uuid};

pub(crate) const APP: AppId = AppId(uuid!("11111111-1111-4111-8111-111111111111"));
pub(crate) const SECRET: AppId = AppId(uuid!("22222222-2222-4222-8222-222222222222"));
pub(crate) const EVERYONE: StreamId = loggia_repository::seed::EVERYONE;
pub(crate) const VISITOR_RULE: RuleId = RuleId(uuid!("33333333-3333-4333-8333-333333333333"));

/// 2026-11-24 08:00 UTC.
const NOW: i64 = 1_795_507_200_000;

const SCRIPT: &str = "
SET DateFormat='YYYY-MM-DD';
SET vRate=2;
Sales:
LOAD * INLINE [
Product, Region, Amount
Anvil, North, 10
Anvil, South, 20
Bolt, North, 5
Bolt, East, 7
Cog, South, 40
Cog, East, 3
];
Regions:
LOAD * INLINE [
Region, Country
North, Norway
South, Spain
East, Estonia
];
";

/// A site with one public app, one that only its owner sees, and somebody who edits.
pub(crate) struct Site {
    pub(crate) engine: Engine,
    pub(crate) repository: Repository,
    clock: Arc<AtomicI64>,
    admin: Caller,
    _folder: tempfile::TempDir,
}

/// One socket.
pub(crate) struct Client {
    requests: mpsc::UnboundedSender<String>,
    answers: mpsc::Receiver<Box<str>>,
    pub(crate) ended: watch::Sender<Option<SessionEnd>>,
    served: tokio::task::JoinHandle<CloseReason>,
    last_id: i64,
    /// Everything that was said, for comparison.
    pub(crate) transcript: String,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site::with_settings(Settings::default())
    }

    pub(crate) fn with_settings(settings: Settings) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("site.db")).unwrap();
        let clock = Arc::new(AtomicI64::new(NOW));
        let reading = clock.clone();
        let repository = Repository::open(
            Arc::new(store),
            Arc::new(move || Moment(reading.load(Ordering::Relaxed))),
            RepositorySettings::new(folder.path().join("data")),
        )
        .unwrap();
        let engine = Engine::new(repository.clone(), settings);
        let admin = Caller::internal(InternalAccount::Repository);
        let site = Site { engine, repository, clock, admin, _folder: folder };
        site.fill();
        site
    }

    fn fill(&self) {
        for (name, kind, resource, condition) in [
            (
                "Visitors",
                PoolKind::AnalyzerCapacity,
                "License.AnalyzerTimeAccessType",
                "user.IsAnonymous()",
            ),
            (
                "People",
                PoolKind::Professional,
                "License.ProfessionalAccessGroup",
                "!user.IsAnonymous()",
            ),
        ] {
            let edit =
                PoolEdit { name: Some(name.to_owned()), kind: Some(kind), ..PoolEdit::default() };
            let pool = self.repository.create_pool(&self.admin, None, edit).unwrap().value;
            let edit = RuleEdit {
                category: Some(RuleCategory::License),
                name: Some(format!("{name} draw")),
                condition: Some(condition.to_owned()),
                resource_filter: Some(format!("{resource}_{}", pool.id)),
                actions: Some(1),
                ..RuleEdit::default()
            };
            let id = (name == "Visitors").then_some(VISITOR_RULE);
            self.repository.create_rule(&self.admin, id, edit).unwrap();
        }
        let editor = self.person("editor");
        for (id, name) in [(APP, "Sales"), (SECRET, "Secret")] {
            let edit = AppEdit { name: Some(name.to_owned()), ..AppEdit::default() };
            self.repository.create_app(&editor, Some(id), edit).unwrap();
            self.repository.set_app_script(&editor, id, SCRIPT).unwrap();
            self.engine.reload_app(&editor, id).unwrap();
        }
        for app in [APP, SECRET] {
            self.object(&editor, app, sheet(), None);
            self.object(&editor, app, bar(), Some("sheet"));
            self.object(&editor, app, dimension(), None);
        }
        self.repository.publish_app(&editor, APP, EVERYONE, None).unwrap();
    }

    fn object(&self, owner: &Caller, app: AppId, properties: Value, parent: Option<&str>) {
        let text =
            |pointer: &str| properties.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let edit = ObjectEdit {
            engine_id: text("/qInfo/qId"),
            object_type: text("/qInfo/qType"),
            name: text("/qMetaDef/title"),
            parent: Some(parent.map(str::to_owned)),
            properties: Some(properties),
            ..ObjectEdit::default()
        };
        self.repository.create_object(owner, app, edit).unwrap();
    }

    /// A person who can sign in.
    pub(crate) fn person(&self, name: &str) -> Caller {
        let key = UserKey::new("LOGGIA", name).unwrap();
        let user = self.repository.ensure_user(&key, name, &[]).unwrap();
        Caller::user(user.id, key, environment())
    }

    /// Leaves the visitors' pool with so many minutes a month.
    pub(crate) fn limit_visitors(&self, minutes: u64) {
        let pools = self.repository.pools(&self.admin).unwrap();
        let pool = pools.iter().find(|pool| pool.name == "Visitors").unwrap();
        let edit = PoolEdit { capacity: Some(Some(minutes)), ..PoolEdit::default() };
        self.repository.update_pool(&self.admin, pool.id, None, edit).unwrap();
    }

    pub(crate) fn pass_minutes(&self, minutes: i64) {
        self.clock.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }

    /// Some visitor; the same number is the same one.
    pub(crate) fn visitor(&self, number: u128) -> Caller {
        Caller::visitor(VisitorId(Uuid::from_u128(number)), environment())
    }

    /// Switches a rule on or off, as an administrator does.
    pub(crate) fn set_rule(&self, rule: RuleId, is_disabled: bool) {
        let edit = RuleEdit { is_disabled: Some(is_disabled), ..RuleEdit::default() };
        self.repository.update_rule(&self.admin, rule, None, edit).unwrap();
    }

    /// The rule that lets visitors read the stream.
    /// A load-balancing rule that lets no node open any app.
    pub(crate) fn forbid_nodes(&self) {
        let edit = RuleEdit {
            category: Some(RuleCategory::Sync),
            name: Some("Nowhere".to_owned()),
            resource_filter: Some("App_*".to_owned()),
            actions: Some(1),
            is_forbidding: Some(true),
            ..RuleEdit::default()
        };
        self.repository.create_rule(&self.admin, None, edit).unwrap();
    }

    pub(crate) fn stream_rule(&self) -> RuleId {
        let rules = self.repository.rules(&self.admin).unwrap();
        rules.iter().find(|rule| rule.name == "StreamEveryoneAnonymous").unwrap().id
    }

    /// A socket at `/app/<app>`.
    pub(crate) fn connect(&self, caller: Caller) -> Client {
        self.connect_at(caller, &APP.text(), None)
    }

    pub(crate) fn connect_at(
        &self,
        caller: Caller,
        address: &str,
        ttl: Option<Duration>,
    ) -> Client {
        self.connect_as(caller, address, None, ttl)
    }

    /// A socket with an identity of its own: an engine session beside the caller's others.
    pub(crate) fn connect_as(
        &self,
        caller: Caller,
        address: &str,
        identity: Option<&str>,
        ttl: Option<Duration>,
    ) -> Client {
        let (requests, incoming) = mpsc::unbounded_channel();
        let (outgoing, answers) = mpsc::channel(64);
        let (ended, is_ended) = watch::channel(None);
        let connection = Connection {
            caller,
            app: Some(address.to_owned()),
            identity: identity.map(str::to_owned),
            ttl,
            ended: is_ended,
            login_uri: Some("/public/login".to_owned()),
            logout_uri: Some("/public/qps/user".to_owned()),
            host: Arc::new(Alone),
        };
        let engine = self.engine.clone();
        let served = tokio::spawn(async move {
            let incoming = stream::unfold(incoming, |mut incoming| async move {
                incoming.recv().await.map(|text| (text, incoming))
            });
            engine.serve(connection, incoming, outgoing).await
        });
        Client { requests, answers, ended, served, last_id: 0, transcript: String::new() }
    }
}

/// Nobody else has a session.
struct Alone;

impl Host for Alone {
    fn is_active(&self) {}

    fn take_place(&self) -> VisitInfo {
        VisitInfo::default()
    }

    fn visit_info(&self) -> VisitInfo {
        VisitInfo::default()
    }

    fn give_place_back(&self) {}

    fn wait(&self) -> Option<Duration> {
        None
    }

    fn has_computed(&self, _: Duration) {}
}

impl Client {
    /// Reads the two frames of the beginning, and opens the public app.
    pub(crate) async fn opened(self) -> Client {
        self.opened_with(APP).await
    }

    pub(crate) async fn opened_with(mut self, app: AppId) -> Client {
        self.greeting().await;
        self.result(-1, "OpenDoc", json!([app.text()])).await;
        self
    }

    /// The state that the server announces.
    pub(crate) async fn greeting(&mut self) -> String {
        let first = self.next().await;
        assert_eq!(first["method"], "OnAuthenticationInformation", "{first}");
        let second = self.next().await;
        assert_eq!(second["method"], "OnConnected", "{second}");
        second["params"]["qSessionState"].as_str().unwrap().to_owned()
    }

    /// Sends a request and waits for its answer; pushes on the way go to the transcript.
    pub(crate) async fn call(&mut self, handle: i64, method: &str, params: Value) -> Value {
        let id = self.send(handle, method, &params);
        self.answer(id).await
    }

    pub(crate) fn send(&mut self, handle: i64, method: &str, params: &Value) -> i64 {
        self.last_id += 1;
        let request = json!({
            "jsonrpc": "2.0", "id": self.last_id, "handle": handle,
            "method": method, "params": params, "delta": true,
        });
        self.say(&format!("-> h{handle} {method} {params}"));
        self.send_text(request.to_string());
        self.last_id
    }

    pub(crate) fn send_text(&self, text: String) {
        self.requests.send(text).unwrap();
    }

    pub(crate) async fn answer(&mut self, id: i64) -> Value {
        loop {
            let mut frame = self.next().await;
            mask_ids(&mut frame);
            let is_answer = frame["id"] == json!(id);
            let members = frame.as_object_mut().unwrap();
            members.shift_remove("jsonrpc");
            members.shift_remove("id");
            self.say(&format!("<- {}", shown(&frame)));
            if is_answer {
                return frame;
            }
        }
    }

    /// The next frame, whatever it is.
    pub(crate) async fn next(&mut self) -> Value {
        let text = tokio::time::timeout(Duration::from_secs(20), self.answers.recv())
            .await
            .expect("an answer in time")
            .expect("an open socket");
        serde_json::from_str(&text).unwrap()
    }

    /// The result of a request that must succeed.
    pub(crate) async fn result(&mut self, handle: i64, method: &str, params: Value) -> Value {
        let answer = self.call(handle, method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The handle that a request hands out.
    pub(crate) async fn handle(&mut self, handle: i64, method: &str, params: Value) -> i64 {
        let result = self.result(handle, method, params).await;
        result["qReturn"]["qHandle"].as_i64().unwrap()
    }

    /// Goes away without a word.
    pub(crate) async fn drop_socket(self) {
        drop(self.requests);
        assert_eq!(self.served.await.unwrap(), CloseReason::ClientLeft);
    }

    /// Waits until the server ends the socket.
    pub(crate) async fn closed(self) -> CloseReason {
        let _open = self.requests;
        self.served.await.unwrap()
    }

    fn say(&mut self, line: &str) {
        self.transcript.push_str(line);
        self.transcript.push('\n');
    }

    /// What was said since the last call of this.
    pub(crate) fn said(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }
}

pub(crate) fn principal(caller: &Caller) -> Principal {
    caller.principal.clone()
}

fn sheet() -> Value {
    json!({
        "qInfo": { "qId": "sheet", "qType": "sheet" },
        "qMetaDef": { "title": "Overview", "description": "" },
        "rank": 0, "columns": 24, "rows": 12,
        "cells": [{ "name": "bar", "type": "barchart", "col": 0, "row": 0, "colspan": 12, "rowspan": 6 }],
        "qChildListDef": { "qData": { "title": "/title" } },
    })
}

fn bar() -> Value {
    json!({
        "qInfo": { "qId": "bar", "qType": "barchart" },
        "visualization": "barchart",
        "title": { "qStringExpression": { "qExpr": "='Sales of ' & Count(distinct Product) & ' products'" } },
        "color": { "auto": true },
        "qHyperCubeDef": {
            "qDimensions": [{ "qDef": {
                "qFieldDefs": ["Product"], "cId": "d0",
                "qSortCriterias": [{ "qSortByNumeric": 1, "qSortByAscii": 1 }],
            } }],
            "qMeasures": [{ "qDef": { "qDef": "Sum(Amount)", "cId": "m0" } }],
            "qInterColumnSortOrder": [0, 1],
            "qInitialDataFetch": [{ "qWidth": 17, "qHeight": 500 }],
        },
    })
}

fn dimension() -> Value {
    json!({
        "qInfo": { "qId": "dim-region", "qType": "dimension" },
        "qMetaDef": { "title": "Sales region", "tags": ["geo"] },
        "qDim": {
            "qGrouping": "N", "qFieldDefs": ["Region"], "qFieldLabels": ["Sales region"],
            "title": "Sales region",
        },
    })
}

fn environment() -> Environment {
    Environment { virtual_proxy: "public".parse::<Prefix>().unwrap(), ..Environment::default() }
}

/// Ids of stored objects are drawn at random, so they are left out of what is compared.
fn mask_ids(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.contains_key("_resourcetype") {
                members["id"] = json!("…");
            }
            members.values_mut().for_each(mask_ids);
        }
        Value::Array(items) => items.iter_mut().for_each(mask_ids),
        _ => {}
    }
}

/// A frame for reading: long ones over several lines.
fn shown(frame: &Value) -> String {
    let line = frame.to_string();
    if line.len() <= 160 { line } else { serde_json::to_string_pretty(frame).unwrap() }
}
