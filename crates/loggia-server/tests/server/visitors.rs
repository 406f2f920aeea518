//! Who is one visitor, and what a visit costs: rows 12 and 27 of the acceptance checks in
//! `spec/access.md` §10, row 53 of `spec/security.md` §2.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loggia_model::entity::{AnonymousMode, VisitorCookie};
use loggia_model::{PoolId, SessionEnd, UserId};
use loggia_repository::{PoolEdit, RuleEdit, UserEdit, VirtualProxyEdit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{APP, Hub, Person, Socket, server_itself};

const SESSION: &str = "X-Qlik-Session-public";
const VISITOR: &str = "X-Qlik-Session-public-Visitor";
/// 2026-11-24 08:00 UTC.
const NOW: i64 = 1_795_507_200_000;

/// A site and its clock.
async fn timed() -> (Hub, impl Fn(i64)) {
    let clock = Arc::new(AtomicI64::new(NOW));
    let hub = Hub::start_by(&clock).await;
    (hub, move |minutes| {
        clock.fetch_add(minutes * 60_000, Ordering::Relaxed);
    })
}

/// Minutes that visitors have drawn this month.
fn minutes(hub: &Hub) -> u64 {
    let pools = hub.repository().pool_uses(&server_itself()).unwrap();
    let visitors = PoolId(Uuid::from_u128(20));
    pools.iter().find(|pool| pool.pool.id == visitors).unwrap().used
}

async fn open(person: &Person) -> Socket {
    let mut socket = person.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let opened = socket.ask(1, -1, "OpenDoc", json!([APP.to_string()])).await;
    assert_eq!(opened["result"]["qReturn"]["qType"], "Doc", "{opened}");
    socket
}

/// The number by which the browser is known.
fn number(person: &Person) -> &str {
    person.cookies[VISITOR].split('.').next().unwrap()
}

/// The browser comes back when its session is over.
async fn again(hub: &Hub, person: &mut Person) {
    for session in hub.running.front.proxy.sessions().all() {
        hub.running.front.proxy.sessions().end(&session, SessionEnd::TimedOut);
    }
    person.cookies.remove(SESSION);
    assert_eq!(person.get("/public/hub").await.status, 200);
}

#[tokio::test]
async fn one_browser_is_one_visitor_when_its_session_is_over() {
    let (hub, pass) = timed().await;
    let mut visitor = hub.somebody();
    let page = visitor.get("/public/hub").await;
    let line = page.all("set-cookie").into_iter().find(|line| line.starts_with(VISITOR)).unwrap();
    assert!(line.ends_with("; Path=/public; HttpOnly; SameSite=Lax; Max-Age=3600"), "{line}");
    drop(open(&visitor).await);
    assert_eq!(minutes(&hub), 6);
    let first = (visitor.who("/public").await, number(&visitor).to_owned());

    pass(1);
    again(&hub, &mut visitor).await;
    assert_ne!(visitor.who("/public").await, first.0, "the session is another one");
    assert_eq!(number(&visitor), first.1);
    drop(open(&visitor).await);
    assert_eq!(minutes(&hub), 6, "and the browser has paid already");

    drop(open(&hub.visitor().await).await);
    assert_eq!(minutes(&hub), 12, "another browser pays for itself");
}

#[tokio::test]
async fn what_the_server_did_not_sign_for_this_entrance_and_hour_is_worth_nothing() {
    let (hub, pass) = timed().await;
    let elsewhere = VirtualProxyEdit {
        prefix: Some("elsewhere".parse().unwrap()),
        description: Some("Also for visitors".into()),
        anonymous: Some(AnonymousMode::Allowed),
        session_cookie: Some("X-Else".into()),
        ..VirtualProxyEdit::default()
    };
    hub.repository().create_virtual_proxy(&server_itself(), None, elsewhere).unwrap();
    let mut there = hub.somebody();
    there.get("/elsewhere/hub").await;
    let foreign = there.cookies["X-Else-Visitor"].clone();
    let visitor = hub.visitor().await;
    drop(open(&visitor).await);
    let good = visitor.cookies[VISITOR].clone();
    let (signed, tag) = good.rsplit_once('.').unwrap();
    let (_, second) = signed.split_once('.').unwrap();
    let victim = Uuid::from_u128(5).simple();
    let later = second.parse::<i64>().unwrap() + 60;
    let mut drawn = minutes(&hub);
    for forged in [
        foreign,
        format!("{victim}.{second}.{tag}"),
        format!("{}.{later}.{tag}", number(&visitor)),
        format!("{victim}.{second}."),
        signed.to_owned(),
        "..".to_owned(),
        "é".to_owned(),
    ] {
        let mut stranger = hub.somebody();
        stranger.cookies.insert(VISITOR.to_owned(), forged.clone());
        stranger.get("/public/hub").await;
        let given = number(&stranger);
        assert_ne!(stranger.cookies[VISITOR], forged);
        assert!(!forged.contains(given), "{forged}");
        drop(open(&stranger).await);
        drawn += 6;
        assert_eq!(minutes(&hub), drawn, "{forged} is somebody new");
    }
    // Each page renews it: what was left alone for an hour has run out.
    let mut visitor = visitor;
    for _ in 0..3 {
        pass(59);
        again(&hub, &mut visitor).await;
        assert!(good.starts_with(number(&visitor)));
    }
    pass(60);
    again(&hub, &mut visitor).await;
    assert!(!good.starts_with(number(&visitor)), "expired");
}

#[tokio::test]
async fn an_entrance_without_visitor_cookies_and_people_who_signed_in_get_none() {
    let hub = Hub::start().await;
    let mut person = hub.user("ana", "/public").await;
    person.get("/public/hub").await;
    assert!(!person.cookies.contains_key(VISITOR), "{:?}", person.cookies);

    let off = VirtualProxyEdit {
        visitor_cookie: Some(VisitorCookie::Off),
        ..VirtualProxyEdit::default()
    };
    hub.edit_entrance(off);
    let mut visitor = hub.visitor().await;
    assert_eq!(visitor.cookies.keys().collect::<Vec<_>>(), [SESSION]);
    drop(open(&visitor).await);
    assert_eq!(minutes(&hub), 6);
    again(&hub, &mut visitor).await;
    drop(open(&visitor).await);
    assert_eq!(minutes(&hub), 12, "the session is the meter");
    let year = VirtualProxyEdit {
        visitor_cookie: Some(VisitorCookie::Year),
        ..VirtualProxyEdit::default()
    };
    hub.edit_entrance(year);
    let page = hub.somebody().get("/public/hub").await;
    assert!(page.head.contains("Max-Age=31536000"), "{}", page.head);
}

#[tokio::test]
async fn a_browser_is_known_after_a_restart() {
    let hub = Hub::start().await;
    let visitor = hub.visitor().await;
    let before = number(&visitor).to_owned();
    let hub = hub.restart().await;
    let mut visitor = visitor.at(hub.address());
    again(&hub, &mut visitor).await;
    assert_eq!(number(&visitor), before);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = std::fs::metadata(hub.data().join("visitor.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn looking_in_and_idling_cost_nothing() {
    let (hub, pass) = timed().await;
    let mut visitor = hub.visitor().await;
    assert_eq!(visitor.page(&format!("/public/sense/app/{APP}")).await.status, 200);
    assert_eq!(visitor.get(&format!("/public/api/v1/apps/{APP}")).await.status, 200);
    drop(visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap());
    let mut silent = visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let mut chatty = visitor.socket(&format!("/public/app/{APP}?identity=two"), &[]).await.unwrap();
    silent.next().await;
    chatty.send(1, 77, "GetLayout", json!([])).await;
    chatty.ask(2, -1, "GetDocList", json!([])).await;
    let nothing_open = chatty.ask(3, -1, "GetActiveDoc", json!([])).await;
    assert!(nothing_open.get("error").is_some(), "{nothing_open}");
    assert_eq!(minutes(&hub), 0);

    let mut socket = open(&visitor).await;
    assert_eq!(minutes(&hub), 6);
    for id in 2..12 {
        pass(7);
        // What a page asks by itself when the server says that something changed.
        let layout = socket.ask(id, 1, "GetAppLayout", json!([])).await;
        assert!(layout.get("error").is_none(), "{layout}");
    }
    // A page whose connection broke joins again by itself.
    let mut joined = visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let answer = joined.ask(1, -1, "GetActiveDoc", json!([])).await;
    assert!(answer.get("error").is_none(), "{answer}");
    assert_eq!(minutes(&hub), 6, "an hour of idling");
    joined.ask(2, 1, "ClearAll", json!([])).await;
    assert_eq!(minutes(&hub), 12, "whoever goes on working pays");
}

#[tokio::test]
async fn twenty_six_active_minutes_are_five_units() {
    let (hub, pass) = timed().await;
    let visitor = hub.visitor().await;
    let mut socket = open(&visitor).await;
    for minute in 1..=26 {
        pass(1);
        let done = socket.ask(minute + 1, 1, "ClearAll", json!([])).await;
        assert!(done.get("error").is_none(), "{done}");
    }
    assert_eq!(minutes(&hub), 30);
    // A change of the site in between gives nobody anything for nothing.
    hub.edit_entrance(VirtualProxyEdit { cool_down_minutes: Some(1), ..Default::default() });
    pass(6);
    socket.ask(40, 1, "ClearAll", json!([])).await;
    assert_eq!(minutes(&hub), 36);
}

#[tokio::test]
async fn one_address_cannot_drain_the_pool() {
    let (hub, pass) = timed().await;
    let edit = PoolEdit {
        capacity: Some(Some(1_000)),
        units_per_address_per_hour: Some(Some(3)),
        ..PoolEdit::default()
    };
    let pool = PoolId(Uuid::from_u128(20));
    hub.repository().update_pool(&server_itself(), pool, None, edit).unwrap();
    for _ in 0..3 {
        drop(open(&hub.visitor().await).await);
    }
    // A fourth browser without a cookie, and then one that throws its cookie away.
    let fourth = hub.visitor().await;
    let mut socket = fourth.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let refused = socket.ask(1, -1, "OpenDoc", json!([APP.to_string()])).await;
    assert_eq!(refused["error"]["parameter"], "LIC-ADDRESS", "{refused}");
    assert_eq!(minutes(&hub), 18);
    pass(61);
    drop(open(&hub.visitor().await).await);
    assert_eq!(minutes(&hub), 24, "an hour later there are units again");
}

/// The answer to a script that knows its session.
async fn by_script(person: &mut Person, method: &str, path: &str) -> crate::support::Answer {
    let key = "0123456789abcdef";
    let headers = [("X-Qlik-Xrfkey", key)];
    person.send(method, &format!("{path}?xrfkey={key}"), &headers, "").await
}

async fn live(person: &mut Person) -> Vec<Value> {
    let answer = person.get("/api/v1/sessions").await.json();
    assert_eq!(answer["total"], answer["sessions"].as_array().unwrap().len());
    answer["sessions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn whoever_looks_after_an_entrance_sees_who_is_here_and_ends_sessions_at_once() {
    let (hub, pass) = timed().await;
    let mut root = hub.user("root", "").await;
    let mut visitor = hub.somebody();
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";
    visitor.send("GET", "/public/hub", &[("User-Agent", agent)], "").await;
    let mut socket = open(&visitor).await;
    pass(2);
    let shown = live(&mut root).await;
    assert_eq!(shown[0]["isOwn"], true, "latest active first: {shown:?}");
    let theirs = &shown[1];
    assert_eq!(theirs["userDirectory"], "NONE");
    assert_eq!(theirs["isAnonymous"], true);
    assert_eq!(theirs["address"], "127.0.0.1");
    assert_eq!(theirs["agent"], "Chrome 140.0, Linux, Default");
    assert_eq!(theirs["entrance"]["prefix"], "public");
    assert_eq!(theirs["idleSeconds"], 120);
    assert_eq!(theirs["apps"][0]["name"], "Sales");
    assert_eq!(theirs["apps"][0]["since"], "2026-11-24T08:00:00.000Z");
    let licence = &theirs["apps"][0]["licence"];
    assert_eq!(licence["kind"], "License.AnalyzerTimeAccessType");
    assert_eq!(licence["pool"]["name"], "AnalyzerCapacity");
    assert_eq!(licence["until"], "2026-11-24T08:06:00.000Z");

    let path = format!("/api/v1/sessions/{}", theirs["id"].as_str().unwrap());
    let forged = root.send("DELETE", &path, &[], "").await;
    assert_eq!((forged.status, forged.code().as_str()), (403, "REQ-CSRF"));
    assert_eq!(by_script(&mut root, "DELETE", &path).await.status, 200);
    let last = loop {
        let frame = socket.next().await.expect("a last word");
        if frame["params"]["severity"] == "fatal" {
            break frame;
        }
    };
    assert_eq!(last["method"], "OnSessionClosed");
    assert_eq!(socket.next().await, None, "the socket is closed");
    assert_eq!(live(&mut root).await.len(), 1);
    assert_eq!(by_script(&mut root, "DELETE", &path).await.status, 404);
    let key = [("X-Qlik-Xrfkey", "0123456789abcdef")];
    let trail = root.send("GET", "/qrs/auditlog?xrfkey=0123456789abcdef", &key, "").await;
    let ended = theirs["id"].as_str().unwrap();
    assert!(trail.body.contains("admin.session_ended"), "{}", trail.body);
    assert!(trail.body.contains(&format!("\"ended\":\"{ended}\"")), "{}", trail.body);
}

#[tokio::test]
async fn sessions_are_shown_as_the_rules_say_and_never_to_visitors() {
    let hub = Hub::start().await;
    let id = {
        let mut visitor = hub.visitor().await;
        let rules = hub.repository().rules(&server_itself()).unwrap();
        let root = rules.iter().find(|rule| rule.name == "RootAdmin").unwrap();
        let open = RuleEdit {
            name: Some("Everything to everybody".into()),
            condition: Some("true".into()),
            resource_filter: Some("VirtualProxy_*".into()),
            actions: Some(root.actions),
            category: Some(root.category),
            context: Some(0),
            ..RuleEdit::default()
        };
        let opened = hub.repository().create_rule(&server_itself(), None, open).unwrap();
        let asked = visitor.get("/public/api/v1/sessions").await;
        assert_eq!(asked.status, 404, "{}", asked.body);
        let own = hub.running.front.proxy.sessions().all()[0].id;
        let path = format!("/public/api/v1/sessions/{own}");
        assert_eq!(
            by_script(&mut visitor, "DELETE", &path).await.status,
            404,
            "not even one's own"
        );
        hub.repository().delete_rule(&server_itself(), opened.value.id).unwrap();
        own
    };
    let mut ana = hub.user("ana", "").await;
    assert_eq!(ana.get("/api/v1/sessions").await.status, 404);
    let path = format!("/api/v1/sessions/{id}");
    assert_eq!(by_script(&mut ana, "DELETE", &path).await.status, 404);
    let auditor = UserEdit { roles: Some(vec!["AuditAdmin".into()]), ..UserEdit::default() };
    let user = UserId(Uuid::from_u128(11));
    hub.repository().update_user(&server_itself(), user, None, auditor).unwrap();
    let shown = live(&mut ana).await;
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().all(|session| session["mayEnd"] == false));
    let refused = by_script(&mut ana, "DELETE", &path).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "RULE-DENIED"));
    assert_eq!(hub.sessions(), 2);
}

/// A site with the shipped app, and an auditor.
async fn with_statistics() -> Hub {
    Hub::start_with(|settings| settings.visitors_reload_minutes = 60).await
}

/// Loads the app as the schedule does, and reads one number of it.
async fn reload_and_evaluate(hub: &Hub, person: &Person, expression: &str) -> String {
    let (engine, app) = (hub.running.front.engine.clone(), STATISTICS.parse().unwrap());
    let scheduler = loggia_model::Caller::internal(loggia_model::InternalAccount::Scheduler);
    tokio::task::spawn_blocking(move || engine.reload_app(&scheduler, app).unwrap()).await.unwrap();
    let identity = expression.len();
    let path = format!("/app/{STATISTICS}/identity/{identity}");
    let mut socket = person.socket(&path, &[]).await.unwrap();
    let opened = socket.ask(1, -1, "OpenDoc", json!([STATISTICS])).await;
    let handle = opened["result"]["qReturn"]["qHandle"].as_i64();
    let handle = handle.unwrap_or_else(|| panic!("{opened}"));
    let found = socket.ask(2, handle as i32, "Evaluate", json!([expression])).await;
    found["result"]["qReturn"].as_str().unwrap().to_owned()
}

const STATISTICS: &str = "105a17e0-0000-4000-8000-000000000001";

#[tokio::test]
async fn the_days_and_the_app_count_visits_visitors_apps_and_where_they_came_from() {
    let hub = with_statistics().await;
    let mut first = hub.somebody();
    let firefox = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0";
    let headers = [("User-Agent", firefox), ("Referer", "https://News.example/a?secret=1")];
    first.send("GET", "/public/hub", &headers, "").await;
    drop(open(&first).await);
    again(&hub, &mut first).await;
    hub.visitor().await;
    let mut root = hub.user("root", "").await;
    let answer = root.get("/api/v1/visitors?who=visitors").await.json();
    let days = answer["days"].as_array().unwrap();
    assert_eq!(days.len(), 1, "{answer}");
    let day = &days[0];
    assert_eq!(day["visits"], 3, "{day}");
    assert_eq!(day["visitors"], 2, "one browser came twice: {day}");
    assert_eq!(day["addresses"], 1);
    assert_eq!(day["opens"], 1);
    assert_eq!(day["apps"], json!([{ "name": "Sales", "opens": 1, "minutes": 0 }]));
    assert_eq!(day["referrers"]["news.example"], 1, "the host alone: {day}");
    assert_eq!(day["browsers"]["Firefox 140.0"], 1);
    assert_eq!(day["systems"]["Windows"], 1);
    assert!(!answer.to_string().contains("127.0.0.1"), "{answer}");
    let people = root.get("/api/v1/visitors?who=people").await.json();
    assert_eq!(people["days"][0]["visits"], 1);
    for bad in ["from=yesterday", "from=2026-02-01&to=2026-01-01", "who=me", "from=0001-01-01"] {
        let refused = root.get(&format!("/api/v1/visitors?{bad}")).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "REQ-QUERY"), "{bad}");
    }
    let far = root.get("/api/v1/visitors?from=2020-01-01&to=2020-01-31").await.json();
    assert_eq!(far["days"], json!([]));

    // What the day says is what the app says; its tables hold no names and no addresses.
    let measures = "Count(DISTINCT [Visit]) & '|' & Count(DISTINCT [Visitor]) & '|' & \
                    Count([Opening]) & '|' & Count(DISTINCT [Address])";
    let found = reload_and_evaluate(&hub, &root, &format!("={measures}")).await;
    assert_eq!(found, "4|3|1|1");
    let apps = reload_and_evaluate(&hub, &root, "=Concat(DISTINCT [App], ',')").await;
    assert_eq!(apps, "Sales,Visitors", "the last look is there, too");
}

#[tokio::test]
async fn the_statistics_are_for_those_whom_the_rules_name_and_never_for_visitors() {
    let hub = with_statistics().await;
    let mut visitor = hub.visitor().await;
    let mut ana = hub.user("ana", "").await;
    assert_eq!(visitor.get("/public/api/v1/visitors").await.status, 404);
    assert_ne!(ana.get("/api/v1/visitors").await.status, 200);
    for (person, base) in [(&visitor, "/public"), (&ana, "")] {
        let mut socket = person.socket(&format!("{base}/app/{STATISTICS}"), &[]).await.unwrap();
        let refused = socket.ask(1, -1, "OpenDoc", json!([STATISTICS])).await;
        assert_eq!(refused["error"]["code"], 1003, "{refused}");
    }
    // Whoever may write scripts reads no trail with them.
    let script = "LOAD * FROM 'lib://Visits/visits.csv' (txt, utf8, embedded labels);";
    let own = loggia_model::AppId(Uuid::from_u128(77));
    let user = UserId(Uuid::from_u128(11));
    let key = loggia_model::UserKey::new("LOGGIA", "ana").unwrap();
    let caller = loggia_model::Caller::user(user, key, loggia_model::Environment::default());
    let edit = loggia_repository::AppEdit { name: Some("Mine".into()), ..Default::default() };
    hub.repository().create_app(&caller, Some(own), edit).unwrap();
    hub.repository().set_app_script(&caller, own, script).unwrap();
    let engine = hub.running.front.engine.clone();
    let refused = tokio::task::spawn_blocking(move || engine.reload_app(&caller, own)).await;
    let refused = refused.unwrap().unwrap_err().to_string();
    assert!(refused.contains("not for whoever reloads"), "{refused}");
    // An app that somebody deleted does not come back.
    let app = STATISTICS.parse().unwrap();
    hub.repository().delete_app(&server_itself(), app).unwrap();
    let hub = hub.restart().await;
    assert!(hub.repository().site().app(app).is_none());
}
