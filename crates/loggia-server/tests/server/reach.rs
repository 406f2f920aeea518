//! What an open socket reaches, and for how long: rows 26, 27, 62 and 63 of `spec/security.md` §2
//! over the wire, and row 31 where REST is the way.

use std::collections::BTreeSet;

use loggia_model::entity::PoolKind;
use loggia_model::{PoolId, StreamId, UserId, UserKey};
use loggia_repository::{AppEdit, PoolEdit, RuleEdit, StreamEdit, UserEdit, seed};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{APP, Hub, Person, Socket, TEAM_APP, VISITORS_RULE, server_itself};

const KEY: &str = "0123456789abcdef";
pub(crate) const ANA: UserId = UserId(Uuid::from_u128(11));
const TEAM: StreamId = StreamId(Uuid::from_u128(5));

async fn qrs(person: &mut Person, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("/qrs{path}{separator}xrfkey={KEY}");
    let headers = [("X-Qlik-Xrfkey", KEY), ("Content-Type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = person.send(method, &path, &headers, &body).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}

/// A socket on which the app is open, and the app's handle.
async fn opened(person: &Person, base: &str) -> (Socket, i32) {
    let mut socket = person.socket(&format!("{base}/app/{APP}"), &[]).await.unwrap();
    let opened = socket.ask(1, -1, "OpenDoc", json!([APP.text()])).await;
    let handle = opened["result"]["qReturn"]["qHandle"].as_i64();
    (socket, i32::try_from(handle.unwrap_or_else(|| panic!("{opened}"))).unwrap())
}

/// Every method that the engine has, from its own table.
fn methods() -> BTreeSet<&'static str> {
    let table = include_str!("../../../loggia-qix/src/method.rs");
    let rows = table.split("(Kind::").skip(1);
    let names: BTreeSet<&str> = rows.filter_map(|row| row.split('"').nth(1)).collect();
    assert!(names.len() > 60 && names.contains("OpenDoc"), "{names:?}");
    names
}

#[tokio::test]
async fn no_method_on_a_visitors_socket_changes_the_site_or_reaches_another_app() {
    let hub = Hub::start().await;
    let visitor = hub.visitor().await;
    let (mut socket, doc) = opened(&visitor, "/public").await;
    let before = hub.repository().site().version();
    let others = [TEAM_APP.text(), "Overview".to_owned(), "../../loggia".to_owned()];
    let mut id = 10;
    // What others must not be given: they would end the socket, or wait for it to end.
    let beyond =
        ["DeleteApp", "CreateApp", "CopyApp", "ReplaceAppFromID", "PublishApp", "ImportApp"]
            .into_iter()
            .chain([
                "ShutdownProcess",
                "GetFolderItemsForConnection",
                "ConfigureReload",
                "__proto__",
            ]);
    for method in methods().into_iter().chain(beyond) {
        for handle in [-1, doc, 0, 99] {
            for params in [
                json!([]),
                json!([others[0]]),
                json!([others[1], others[0]]),
                json!([others[2]]),
                json!([APP.text(), TEAM_APP.text()]),
                json!([{ "qInfo": { "qId": "overview", "qType": "sheet" } }, TEAM_APP.text()]),
                json!({ "qDocName": TEAM_APP.text(), "qAppId": TEAM_APP.text(), "qId": others[0] }),
            ] {
                id += 1;
                let answer = socket.ask(id, handle, method, params.clone()).await;
                // The other app's name, which no call of ours contains.
                assert!(!answer.to_string().contains("Payroll"), "{method} {params}: {answer}");
                if matches!(method, "OpenDoc" | "GetActiveDoc") && answer.get("result").is_some() {
                    let found = &answer["result"]["qReturn"]["qGenericId"];
                    assert_ne!(found, &json!(TEAM_APP.text()), "{method} {params}");
                }
            }
        }
    }
    assert_eq!(hub.repository().site().version(), before, "a visitor changed the site");
    assert_eq!(hub.repository().site().apps().count(), 2);
}

#[tokio::test]
async fn another_apps_id_on_an_open_socket_is_the_id_of_nothing() {
    let hub = Hub::start().await;
    let visitor = hub.visitor().await;
    let nothing = Uuid::from_u128(0xffff).to_string();
    for opens_first in [true, false] {
        // Also on a socket whose address names the other app, or none at all.
        for address in [APP.text(), TEAM_APP.text(), nothing.clone(), "engineData".to_owned()] {
            let mut socket = visitor.socket(&format!("/public/app/{address}"), &[]).await.unwrap();
            if opens_first {
                let first = socket.ask(1, -1, "OpenDoc", json!([APP.text()])).await;
                // Once it is open on another socket, it is only joined.
                assert!(first["result"].is_object() || first["error"]["code"] == 1002, "{first}");
            }
            let mut refusals = Vec::new();
            for app in [TEAM_APP.text(), nothing.clone()] {
                let answer = socket.ask(2, -1, "OpenDoc", json!([app])).await;
                let mut error = answer["error"].clone();
                assert!(error.is_object(), "{address} {app}: {answer}");
                error["parameter"] = Value::Null;
                refusals.push(error);
            }
            assert_eq!(refusals[0], refusals[1], "{address}: one may tell which of them exists");
            let list = socket.ask(3, -1, "GetDocList", json!([])).await.to_string();
            assert!(!list.contains(&TEAM_APP.text()) && !list.contains("Payroll"), "{list}");
        }
    }
}

#[tokio::test]
async fn not_one_of_a_thousand_calls_in_flight_is_answered_after_the_rule_is_gone() {
    enum Cut {
        Rule,
        Person,
        Entrance,
    }
    for cut in [Cut::Rule, Cut::Person, Cut::Entrance] {
        let hub = Hub::start().await;
        let person = match cut {
            Cut::Person => hub.user("ana", "/public").await,
            _ => hub.visitor().await,
        };
        let (mut socket, doc) = opened(&person, "/public").await;
        for id in 0..1_000 {
            socket.send(100 + id, doc, "GetAppLayout", json!([])).await;
        }
        let repository = hub.repository().clone();
        let change = match cut {
            Cut::Rule => tokio::task::spawn_blocking(move || {
                repository.delete_rule(&server_itself(), VISITORS_RULE).map(|_| ()).unwrap();
            }),
            Cut::Person => tokio::task::spawn_blocking(move || {
                let blocked = UserEdit { is_blocked: Some(true), ..UserEdit::default() };
                repository.update_user(&server_itself(), ANA, None, blocked).map(|_| ()).unwrap();
            }),
            Cut::Entrance => tokio::task::spawn_blocking(move || {
                repository
                    .delete_virtual_proxy(&server_itself(), crate::support::PUBLIC)
                    .map(|_| ())
                    .unwrap();
            }),
        };
        change.await.unwrap();
        // Sent after the change was committed: refused, or the socket is closed before.
        socket.send(9_999, doc, "GetAppLayout", json!([])).await;
        let mut was_refused = false;
        while let Some(frame) = socket.next().await {
            match frame["id"].as_u64() {
                Some(9_999) => assert!(frame.get("error").is_some(), "{frame}"),
                Some(id) => {
                    let is_refused = frame.get("error").is_some();
                    assert!(is_refused || !was_refused, "{id} is answered after a refusal");
                    was_refused |= is_refused;
                }
                None => {}
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_no_longer_public_is_gone_from_open_sockets_and_stays_gone_there() {
    let hub = Hub::start().await;
    let mut root = hub.user("root", "").await;
    let mut visitor = hub.visitor().await;
    let (mut socket, doc) = opened(&visitor, "/public").await;
    let layout = socket.ask(2, doc, "GetAppLayout", json!([])).await;
    assert!(layout.get("result").is_some(), "{layout}");
    let switch = format!("/stream/{}/public", seed::EVERYONE);
    let (status, told) = qrs(&mut root, "PUT", &switch, &json!({ "public": false })).await;
    assert_eq!((status, &told["lost"]["visitors"]), (200, &json!(true)), "{told}");
    let refused = socket.ask(3, doc, "GetAppLayout", json!([])).await;
    assert!(refused.get("error").is_some(), "{refused}");
    assert_eq!(visitor.page(&format!("/public/sense/app/{APP}")).await.status, 404);
    assert!(!visitor.page("/public/hub").await.body.contains("Sales"));
    // Switched on again, what was cut off does not come back to life; a new socket is opened.
    let (status, told) = qrs(&mut root, "PUT", &switch, &json!({ "public": true })).await;
    assert_eq!(status, 200, "{told}");
    socket.send(4, doc, "GetAppLayout", json!([])).await;
    while let Some(frame) = socket.next().await {
        assert!(frame.get("result").is_none(), "{frame}");
    }
    let (mut again, doc) = opened(&visitor, "/public").await;
    assert!(again.ask(2, doc, "GetAppLayout", json!([])).await.get("result").is_some());
}

#[tokio::test]
async fn what_one_may_change_is_not_changed_into_what_one_may_not_make() {
    let hub = Hub::start().await;
    let caller = server_itself();
    // Ana may make and change streams and apps whose name begins with Draft, and nothing else.
    for (number, filter) in ["Stream_*", "App_*"].into_iter().enumerate() {
        let rule = RuleEdit {
            name: Some(format!("Drafts {number}")),
            condition: Some("user.name = \"ana\" and resource.name like \"Draft*\"".into()),
            resource_filter: Some(filter.into()),
            actions: Some(1 | 2 | 4),
            ..RuleEdit::default()
        };
        hub.repository().create_rule(&caller, None, rule).unwrap();
    }
    let mut ana = hub.user("ana", "").await;
    // Its owner may do everything with it, so it is somebody else's.
    let edit = StreamEdit { name: Some("Draft one".into()), ..StreamEdit::default() };
    let draft = hub.repository().create_stream(&caller, None, edit).unwrap().id;
    let path = format!("/stream/{draft}");
    let (status, made) = qrs(&mut ana, "GET", &path, &Value::Null).await;
    assert_eq!(status, 200, "{made}");
    let (status, refused) = qrs(&mut ana, "POST", "/stream", &json!({ "name": "Board" })).await;
    assert_eq!(status, 403, "{refused}");
    // The new value is asked about, as the old one is.
    let mut changed = made.clone();
    changed["name"] = json!("Board");
    let (status, refused) = qrs(&mut ana, "PUT", &path, &changed).await;
    assert_eq!(status, 403, "{refused}");
    changed["name"] = json!("Draft two");
    let (status, accepted) = qrs(&mut ana, "PUT", &path, &changed).await;
    assert_eq!(status, 200, "{accepted}");
    // What she may read only: its new name would be one of hers.
    let team = format!("/stream/{TEAM}");
    let (_, mut others) = qrs(&mut ana, "GET", &team, &Value::Null).await;
    others["name"] = json!("Draft three");
    let (status, refused) = qrs(&mut ana, "PUT", &team, &others).await;
    assert_eq!(status, 403, "{refused}");
    // Not into a place where others see it, nor to another owner.
    let edit = AppEdit { name: Some("Draft app".into()), owner: Some(ANA), ..AppEdit::default() };
    let app = hub.repository().create_app(&caller, None, edit).unwrap().id;
    let publish = format!("/app/{app}/publish?stream={TEAM}");
    assert_eq!(qrs(&mut ana, "PUT", &publish, &Value::Null).await.0, 403);
    let (_, mut mine) = qrs(&mut ana, "GET", &format!("/app/{app}"), &Value::Null).await;
    mine["owner"] = json!({ "id": Uuid::from_u128(10) });
    mine["stream"] = json!({ "id": TEAM.text() });
    qrs(&mut ana, "PUT", &format!("/app/{app}"), &mine).await;
    let site = hub.repository().site();
    let stored = site.app(app).unwrap();
    assert_eq!((stored.owner, stored.stream), (ANA, None));
    assert_eq!(site.stream(TEAM).unwrap().name, "Team");
}

/// Two at the same moment: real threads, so that nothing but the store's own order decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_seat_and_the_last_unit_are_given_once() {
    for (kind, capacity, places) in
        [(PoolKind::Professional, 3, 3), (PoolKind::AnalyzerCapacity, 12, 2)]
    {
        let hub = Hub::start().await;
        let caller = server_itself();
        let pool = PoolId(Uuid::from_u128(if kind == PoolKind::Professional { 21 } else { 20 }));
        let edit = PoolEdit { capacity: Some(Some(capacity)), ..PoolEdit::default() };
        hub.repository().update_pool(&caller, pool, None, edit).unwrap();
        let mut people = Vec::new();
        for number in 0..8 {
            if kind == PoolKind::AnalyzerCapacity {
                people.push(hub.visitor().await);
                continue;
            }
            let edit = UserEdit {
                key: Some(UserKey::new("LOGGIA", &format!("racer{number}")).unwrap()),
                ..UserEdit::default()
            };
            let user = hub.repository().create_user(&caller, None, edit).unwrap().id;
            let hash = loggia_auth::Passwords::hash_now(crate::support::PASSWORD).unwrap();
            hub.repository().set_password(&caller, user, &hash).unwrap();
            people.push(hub.user(&format!("racer{number}"), "/public").await);
        }
        let mut racing = tokio::task::JoinSet::new();
        for person in people {
            racing.spawn(async move {
                let path = format!("/public/app/{APP}");
                let mut socket = person.socket(&path, &[]).await.unwrap();
                let answer = socket.ask(1, -1, "OpenDoc", json!([APP.text()])).await;
                (answer["result"].is_object(), answer["error"]["parameter"].clone())
            });
        }
        let outcomes = racing.join_all().await;
        let served = outcomes.iter().filter(|(is_open, _)| *is_open).count();
        assert_eq!(served, places, "{kind:?}: {outcomes:?}");
        for (is_open, code) in outcomes {
            let is_refusal = code.as_str().is_some_and(|code| code.starts_with("LIC-"));
            assert!(is_open || is_refusal, "{kind:?}: {code}");
        }
    }
}

/// Five sessions of a person may have apps open, also when seven come at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn seven_sessions_at_once_take_five_places() {
    let hub = Hub::start().await;
    let mut racing = tokio::task::JoinSet::new();
    for _ in 0..7 {
        let ana = hub.user("ana", "").await;
        racing.spawn(async move {
            let mut socket = ana.socket(&format!("/app/{APP}"), &[]).await.unwrap();
            let answer = socket.ask(1, -1, "OpenDoc", json!([APP.text()])).await;
            let code = answer["error"]["parameter"].as_str().unwrap_or_default().to_owned();
            (socket, code)
        });
    }
    let outcomes = racing.join_all().await;
    let refused = outcomes.iter().filter(|(_, code)| code == "LIC-SESSIONS").count();
    assert_eq!(refused, 2, "{:?}", outcomes.iter().map(|(_, code)| code).collect::<Vec<_>>());
    let mut late = hub.user("ana", "").await;
    assert_eq!(late.page(&format!("/sense/app/{APP}")).await.code(), "LIC-SESSIONS");
}
