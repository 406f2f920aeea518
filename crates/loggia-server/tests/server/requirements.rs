//! Three things let a visitor open an app; each alone can refuse, with its own page and code, and
//! each can be changed over REST while others are at work.

use loggia_model::entity::AnonymousMode;
use loggia_repository::RuleEdit;
use serde_json::{Value, json};

use crate::support::{APP, Hub, Person, TEAM_APP, VISITORS_RULE, server_itself};

const KEY: &str = "0123456789abcdef";

async fn qrs(person: &mut Person, method: &str, path: &str, body: Option<&Value>) -> Value {
    let joint = if path.contains('?') { '&' } else { '?' };
    let body = body.map(Value::to_string).unwrap_or_default();
    let headers = [("X-Qlik-Xrfkey", KEY), ("Content-Type", "application/json")];
    let answer =
        person.send(method, &format!("/qrs{path}{joint}xrfkey={KEY}"), &headers, &body).await;
    assert!(
        (200..300).contains(&answer.status),
        "{method} {path}: {} {}",
        answer.head,
        answer.body
    );
    answer.json()
}

#[tokio::test]
async fn each_requirement_alone_can_refuse() {
    let hub = Hub::start().await;
    let address = format!("/public/sense/app/{APP}/sheet/overview/state/analysis");
    let open = |hub: &Hub| {
        let mut visitor = hub.somebody();
        let address = address.clone();
        async move { visitor.page(&address).await }
    };
    let page = open(&hub).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.data()["sheet"], "overview");
    assert_eq!(page.data()["app"]["sheets"][0]["title"], "Overview");

    let mut root = hub.user("root", "").await;
    let bystander = hub.user("ana", "").await;
    let mut socket = bystander.socket(&format!("/app/{APP}"), &[]).await.unwrap();

    // The licence.
    let mut rule = qrs(&mut root, "GET", &format!("/systemrule/{VISITORS_RULE}"), None).await;
    rule["disabled"] = json!(true);
    let mut rule =
        qrs(&mut root, "PUT", &format!("/systemrule/{VISITORS_RULE}"), Some(&rule)).await;
    let page = open(&hub).await;
    assert_eq!((page.status, page.code().as_str()), (403, "LIC-ANON-KIND"));
    let message = &page.data()["message"];
    assert_eq!(message["reference"].as_str().unwrap().len(), 6);
    assert_eq!(message["action"]["label"], "Log in");
    assert!(page.body.contains(message["reference"].as_str().unwrap()), "also without script");
    let listed = hub.visitor().await.page("/public/hub").await.data();
    assert_eq!(listed["hub"]["streams"][0]["apps"][0]["name"], "Sales", "looking costs nothing");
    rule["disabled"] = json!(false);
    qrs(&mut root, "PUT", &format!("/systemrule/{VISITORS_RULE}"), Some(&rule)).await;
    assert_eq!(open(&hub).await.status, 200);

    // The stream's rule.
    let stream_rule = hub
        .repository()
        .site()
        .rules()
        .find(|rule| rule.name == "StreamEveryoneAnonymous")
        .unwrap()
        .id;
    let disable = |is_disabled| {
        let edit = RuleEdit { is_disabled: Some(is_disabled), ..RuleEdit::default() };
        hub.repository().update_rule(&server_itself(), stream_rule, None, edit).unwrap();
    };
    disable(true);
    let page = open(&hub).await;
    assert_eq!((page.status, page.code().as_str()), (404, "RULE-DENIED"));
    assert!(!page.body.contains("Sales"), "the name of a hidden app stays hidden");
    disable(false);

    // The entrance.
    hub.set_mode(AnonymousMode::Never);
    let page = open(&hub).await;
    assert_eq!(page.status, 302);
    let login = page.header("location").to_owned();
    assert!(login.starts_with("/public/login?target=%2Fpublic%2Fsense%2Fapp"));
    let page = hub.somebody().page(&login).await;
    assert_eq!(page.status, 200);
    let asked = &page.data()["asked"];
    assert_eq!(asked["code"], "ENT-LOGIN");
    assert_eq!(asked["reference"].as_str().map(str::len), Some(6));
    hub.set_mode(AnonymousMode::Allowed);
    assert_eq!(open(&hub).await.status, 200);

    socket.ask(1, -1, "EngineVersion", json!([])).await;
}

#[tokio::test]
async fn what_a_visitor_may_not_know_looks_like_what_is_not_there() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let mut bodies = Vec::new();
    for app in [TEAM_APP.text(), "00000000-0000-4000-8000-00000000dead".into(), "not-an-id".into()]
    {
        let answer = visitor.get(&format!("/public/api/v1/apps/{app}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "RULE-DENIED"), "{app}");
        let mut body = answer.json();
        // When it was and how to find it in the log is another matter each time.
        for member in ["reference", "time"] {
            assert!(body.as_object_mut().unwrap().remove(member).is_some(), "{member}");
        }
        bodies.push(body);
        let answer = visitor.get(&format!("/public/content/apps/{app}/thumbnail.svg")).await;
        assert_eq!(answer.status, 404);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn the_anonymous_check_reads_the_running_servers_folder() {
    let hub = Hub::start().await;
    let report = hub.repository().check_anonymous(&"public".parse().unwrap()).unwrap();
    let sales = report.apps.iter().find(|app| app.name == "Sales").unwrap();
    assert!(sales.can_list && sales.can_open, "{report:#?}");
    let payroll = report.apps.iter().find(|app| app.name == "Payroll").unwrap();
    assert!(!payroll.can_list && !payroll.can_open);
}

/// Pages, REST and sockets of a running server agree on who is on a list.
#[tokio::test]
async fn a_sheet_and_an_app_for_some_are_hidden_everywhere_at_once() {
    let hub = Hub::start().await;
    let mut root = hub.user("root", "").await;
    let mut ana = hub.user("ana", "").await;
    let mut visitor = hub.visitor().await;
    let sheet = hub.repository().site().object_in_app(APP, "overview").unwrap().id;
    let app_page = format!("/public/sense/app/{APP}");
    let mut socket = visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let opened = socket.ask(1, -1, "OpenDoc", json!([APP.text()])).await;
    assert_eq!(opened["result"]["qReturn"]["qHandle"], json!(1), "{opened}");
    let got = socket.ask(2, 1, "GetObject", json!(["overview"])).await;
    let handle = i32::try_from(got["result"]["qReturn"]["qHandle"].as_i64().unwrap()).unwrap();

    let list =
        json!({ "audience": "own", "members": [{ "type": "user", "value": "LOGGIA\\ana" }] });
    let path = format!("/app/object/{sheet}/audience");
    let done = qrs(&mut root, "PUT", &path, Some(&list)).await;
    assert_eq!(done["lost"]["visitors"], json!(true), "{done}");
    let page = visitor.page(&app_page).await;
    assert_eq!(page.data()["app"]["sheets"], json!([]), "the overview leaves it out");
    for (id, handle, method, params) in
        [(3, handle, "GetLayout", json!([])), (4, 1, "GetObject", json!(["overview"]))]
    {
        let answer = socket.ask(id, handle, method, params).await;
        assert!(answer.get("error").is_some(), "{method}: {answer}");
    }
    let sheets = qrs(&mut ana, "GET", "/app/object", None).await;
    assert!(sheets.to_string().contains(&sheet.text()), "a member sees it over REST");
    let page = ana.page(&format!("/sense/app/{APP}")).await;
    assert_eq!(page.data()["app"]["sheets"][0]["id"], json!("overview"));

    // Now the app, for root: neither the member of the sheet nor visitors meet it any more.
    let list = json!({ "audience": "own", "members": [{ "type": "role", "value": "RootAdmin" }] });
    qrs(&mut root, "PUT", &format!("/app/{APP}/audience"), Some(&list)).await;
    let answer = socket.ask(5, 1, "GetAppLayout", json!([])).await;
    assert!(answer.get("error").is_some(), "{answer}");
    assert_eq!(socket.closed_with().await, Some(4006));
    assert_eq!(visitor.page(&app_page).await.status, 404);
    let listed = visitor.page("/public/hub").await.data();
    assert_eq!(listed["hub"]["streams"][0]["apps"], json!([]));
    let apps = qrs(&mut ana, "GET", "/app", None).await;
    assert!(!apps.to_string().contains(&APP.text()), "{apps}");
    let objects = qrs(&mut ana, "GET", "/app/object/full", None).await;
    assert!(!objects.to_string().contains(&sheet.text()), "{objects}");
}
