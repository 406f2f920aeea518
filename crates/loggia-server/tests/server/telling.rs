//! What answers and log lines tell: who may frame a page, what a stranger learns from a refusal,
//! and that a log line stays one line. Rows 58, 59 and 61 of `spec/security.md` §2.

use std::io::Write;
use std::sync::{Arc, Mutex};

use loggia_model::StreamId;
use loggia_model::entity::AnonymousMode;
use loggia_repository::{AppEdit, RuleEdit, StreamEdit, VirtualProxyEdit};
use loggia_server::log_lines;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{APP, Answer, Hub, PASSWORD, TEAM_APP, VISITORS_RULE, form, server_itself};

const KEY: &str = "0123456789abcdef";

fn frame_ancestors(answer: &Answer) -> Vec<String> {
    let policies = answer.all("content-security-policy");
    let parts = policies.iter().flat_map(|policy| policy.split(';'));
    let found = parts.filter_map(|part| part.trim().strip_prefix("frame-ancestors "));
    found.map(str::to_owned).collect()
}

#[tokio::test]
async fn only_listed_sites_frame_pages_and_none_the_login() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let app = format!("/public/sense/app/{APP}");
    let hidden = format!("/public/sense/app/{TEAM_APP}");
    for list in [vec![], vec!["portal.example:8443".to_owned(), "*.example.org".to_owned()]] {
        // Hosts of the entrance's list may frame its hub and its apps, and nothing else.
        let listed = match list.is_empty() {
            true => "'self'",
            false => "'self' portal.example:8443 *.example.org:*",
        };
        hub.edit_entrance(VirtualProxyEdit {
            host_allow_list: Some(list),
            ..VirtualProxyEdit::default()
        });
        for (path, is_framed) in [
            ("/public/hub", true),
            (app.as_str(), true),
            (hidden.as_str(), false),
            ("/public/login", false),
            ("/public/login?targetUri=https%3A%2F%2Fportal.example%3A8443%2F", false),
            ("/public/loggedout", false),
            ("/public/nothing", false),
            ("/public/sense/app/nothing", false),
            ("/nowhere/hub", false),
            ("/hub", false),
            ("/public/qps/user", false),
            ("/public/api/v1/hub", false),
            ("/public/qrs/about", false),
            ("/healthz", false),
            ("/..%2f", false),
        ] {
            // What the frame says of itself changes nothing.
            for from in ["https://portal.example:8443", "https://evil.example", "null"] {
                let headers = [
                    ("Accept", "text/html"),
                    ("Referer", from),
                    ("Sec-Fetch-Dest", "iframe"),
                    ("Sec-Fetch-Site", "cross-site"),
                ];
                let answer = visitor.send("GET", path, &headers, "").await;
                let expected = if is_framed { listed } else { "'self'" };
                assert_eq!(frame_ancestors(&answer), [expected], "{path}: {}", answer.head);
                let says_same_origin = answer.all("x-frame-options") == ["SAMEORIGIN"];
                assert_eq!(says_same_origin, expected == "'self'", "{path}: {}", answer.head);
            }
        }
    }
}

#[tokio::test]
async fn an_entrances_own_headers_do_not_let_others_frame_what_asks_for_a_password() {
    let hub = Hub::start().await;
    let lines = "Content-Security-Policy: frame-ancestors https://portal.example\n\
                 X-Frame-Options: ALLOW-FROM https://portal.example\nX-Theme: dark";
    hub.edit_entrance(VirtualProxyEdit {
        additional_headers: Some(lines.into()),
        ..VirtualProxyEdit::default()
    });
    let mut visitor = hub.visitor().await;
    for path in
        ["/public/login", "/public/loggedout", "/public/nothing", "/public/sense/app/nothing"]
    {
        let answer = visitor.page(path).await;
        assert_eq!(frame_ancestors(&answer), ["'self'"], "{path}: {}", answer.head);
        assert!(answer.header("content-security-policy").contains("script-src 'self'"), "{path}");
        assert_eq!(answer.header("x-frame-options"), "SAMEORIGIN", "{path}");
        assert_eq!(answer.header("x-theme"), "dark", "{path}");
    }
    // Who wants the apps of an entrance framed says so on purpose.
    let app = visitor.page(&format!("/public/sense/app/{APP}")).await;
    assert_eq!(frame_ancestors(&app), ["https://portal.example"]);
}

/// Browsers follow the answer to a form only to where the page said that forms go.
#[tokio::test]
async fn a_login_form_leads_to_the_listed_host_that_it_returns_to_and_to_no_other() {
    let hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        host_allow_list: Some(vec!["portal.example".into(), "*.example.org".into()]),
        ..VirtualProxyEdit::default()
    });
    let policy = |answer: &Answer| {
        let policy = answer.header("content-security-policy").to_owned();
        let part = policy.split("form-action ").nth(1).unwrap().split(';').next();
        part.unwrap().to_owned()
    };
    for (target, allowed) in [
        ("/public/hub", "'self'"),
        ("https://portal.example/start?a=b", "'self' https://portal.example"),
        ("http://Portal.example:8080/", "'self' http://portal.example:8080"),
        ("https://a.example.org", "'self' https://a.example.org"),
        ("https://evil.example/", "'self'"),
        ("https://portal.example@evil.example/", "'self'"),
        ("https://portal.example;script-src *", "'self'"),
        ("https://portal.example/;%20script-src%20*", "'self' https://portal.example"),
        ("//portal.example/", "'self'"),
        ("javascript://portal.example/%0aalert(1)", "'self'"),
    ] {
        let encoded = loggia_proxy::query::encode(target);
        let mut browser = hub.somebody();
        let page = browser.page(&format!("/public/login?targetUri={encoded}")).await;
        assert_eq!(policy(&page), allowed, "{target}");
        assert_eq!(page.all("content-security-policy").len(), 1, "{target}");
        // The page that says that the password was wrong can still lead there.
        let target = page.data()["target"].as_str().unwrap().to_owned();
        let wrong = browser.log_in("ana", "wrong", "/public", &target).await;
        assert_eq!((wrong.status, policy(&wrong).as_str()), (401, allowed), "{target}");
        let entered = browser.log_in("ana", PASSWORD, "/public", &target).await;
        assert_eq!((entered.status, entered.header("location")), (303, target.as_str()));
    }
}

/// Words that no stranger may read in any answer, header or page.
fn is_telling(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let words = [
        env!("CARGO_PKG_VERSION"),
        "hyper/",
        "axum",
        "rust",
        "panicked",
        "stack",
        "backtrace",
        ".rs:",
        "/var/lib/",
        "/tmp/",
        "sqlite",
        "loggia.db",
        "payroll",
        "isanonymous",
        "systemrule",
        "no rule grants",
        "tokio",
        "x-powered-by",
    ];
    words.into_iter().find(|word| lower.contains(word))
}

#[tokio::test]
async fn refusals_tell_strangers_nothing_of_the_machine_or_its_rules() {
    let hub = Hub::start().await;
    let data = hub.data().display().to_string();
    let mut visitor = hub.visitor().await;
    let mut nobody = hub.somebody();
    let hidden = TEAM_APP.text();
    let mut answers = Vec::new();
    let long = "x".repeat(3_000);
    let paths = [
        format!("/public/sense/app/{hidden}"),
        format!("/public/api/v1/apps/{hidden}"),
        format!("/public/content/apps/{hidden}/a.png"),
        format!("/public/qrs/app/{hidden}?xrfkey={KEY}"),
        format!("/public/qrs/app/full?xrfkey={KEY}&filter=(("),
        format!("/public/qrs/app?xrfkey={KEY}&orderby=';--"),
        format!("/public/qrs/stream/not-an-id?xrfkey={KEY}"),
        "/public/qrs/app".into(),
        "/public/nothing".into(),
        "/nowhere/hub".into(),
        "/public/login?target=%ff".into(),
        "/public/oidcauthn?state=x&code=y".into(),
        "/public/samlauthn/metadata".into(),
        "/public/samlauthn/slo?SAMLResponse=x".into(),
        "/public/hub?qlikTicket=x".into(),
        "/public/loggedout?farewell=x".into(),
        "/..%2f".into(),
        "/%00".into(),
        format!("/{long}"),
        format!("/public/hub?{long}"),
        format!("/assets/{long}"),
    ];
    for path in &paths {
        for method in ["GET", "POST", "PUT", "DELETE", "TRACE", "BREW"] {
            for accept in ["text/html", "application/json"] {
                for (who, person) in [("visitor", &mut visitor), ("nobody", &mut nobody)] {
                    let headers = [
                        ("Accept", accept),
                        ("X-Qlik-Xrfkey", KEY),
                        ("Content-Type", "application/json"),
                    ];
                    let body = if method == "POST" || method == "PUT" { "{\"a\":[[" } else { "" };
                    let path = if who == "nobody" {
                        path.replacen("/public", "", 1)
                    } else {
                        path.clone()
                    };
                    let answer = person.send(method, &path, &headers, body).await;
                    assert!(answer.status < 500, "{who} {method} {path}: {answer:?}");
                    answers.push((format!("{who} {method} {path}"), answer));
                }
            }
        }
    }
    for raw in [
        "GET / HTTP/9.9\r\n\r\n",
        "GET /hub HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /public/app/x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "POST /public/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /public/app/x HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ] {
        answers.push((raw.to_owned(), Answer::parse(&hub.raw(raw.as_bytes()).await)));
    }
    // Without a licence, without a rule, without a place, and behind a closed door.
    hub.repository().delete_rule(&server_itself(), VISITORS_RULE).unwrap();
    let app = format!("/public/sense/app/{APP}");
    answers.push(("no licence".into(), visitor.page(&app).await));
    answers.push(("no licence".into(), visitor.get(&format!("/public/api/v1/apps/{APP}")).await));
    hub.edit_entrance(VirtualProxyEdit {
        max_anonymous_sessions: Some(1),
        ..VirtualProxyEdit::default()
    });
    answers.push(("full".into(), hub.somebody().page("/public/hub").await));
    let refused = nobody.log_in("ana", "wrong", "/public", "/public/hub").await;
    answers.push(("wrong password".into(), refused));
    hub.set_mode(AnonymousMode::Never);
    answers.push(("closed".into(), nobody.page("/public/login").await));
    answers.push(("closed".into(), visitor.get("/public/api/v1/hub").await));
    for (what, answer) in &answers {
        let told = format!("{}\n{}", answer.head, answer.body);
        // What the client itself sent does not count, nor that a visitor is one.
        let told = told.replace("\"isAnonymous\":", "").replace(&long, "");
        assert_eq!(is_telling(&told), None, "{what}: {told}");
        assert!(!told.contains(&data), "{what}: {told}");
        assert_eq!(answer.header("server"), "", "{what}");
    }
}

#[tokio::test]
async fn refusals_on_sockets_tell_strangers_nothing_either() {
    let hub = Hub::start().await;
    let visitor = hub.visitor().await;
    let mut socket = visitor.socket(&format!("/public/app/{APP}"), &[]).await.unwrap();
    let opened = socket.ask(1, -1, "OpenDoc", json!([APP.text()])).await;
    assert!(opened["result"].is_object(), "{opened}");
    for (id, handle, method, params) in [
        (2, -1, "OpenDoc", json!([TEAM_APP.text()])),
        (3, 1, "GetScript", json!([])),
        (4, 1, "DoReload", json!([])),
        (5, 1, "CreateObject", json!([{ "qInfo": { "qType": "sheet" } }])),
        (6, 1, "GetObject", json!(["nothing"])),
        (7, 77, "GetLayout", json!([])),
        (8, 1, "Nothing", json!([])),
        (9, 1, "Evaluate", json!([{ "a": [] }])),
        (10, -1, "CreateApp", json!(["x"])),
        (11, 1, "GetObject", json!({ "qId": 5 })),
    ] {
        let answer = socket.ask(id, handle, method, params).await;
        assert!(answer.get("error").is_some(), "{method}: {answer}");
        assert_eq!(is_telling(&answer.to_string()), None, "{method}: {answer}");
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Asks for everything that is logged, with whatever could break a line of the log.
async fn provoke(hub: &Hub) {
    let evil = "\u{1b}[31m\nINFO forged=true\r\n\"},{\"level\":\"ERROR\u{202e}\u{2028}";
    let caller = server_itself();
    // Names that administrators choose turn up in findings.
    let stream = StreamId(Uuid::from_u128(0x77));
    let name = StreamEdit { name: Some(format!("Board {evil}")), ..StreamEdit::default() };
    let _ = hub.repository().create_stream(&caller, Some(stream), name);
    let rule = RuleEdit {
        name: Some(format!("rule {evil}")),
        condition: Some("user.name = \"x\ny\"".into()),
        resource_filter: Some(format!("Stream_{stream}")),
        actions: Some(2),
        ..RuleEdit::default()
    };
    let _ = hub.repository().create_rule(&caller, None, rule);
    let app = AppEdit { name: Some(format!("App {evil}")), ..AppEdit::default() };
    let _ = hub.repository().create_app(&caller, None, app);
    let mut visitor = hub.visitor().await;
    let encoded = loggia_proxy::query::encode(evil);
    let long = "A".repeat(20_000);
    let agent = "\u{1b}[2J".repeat(2_000);
    for path in [
        format!("/public/qrs/stream/{stream}?xrfkey={KEY}"),
        format!("/public/sense/app/{encoded}"),
        format!("/{encoded}/hub"),
        format!("/{long}/hub"),
        format!("/public/hub?qlikTicket={encoded}"),
        format!("/public/oidcauthn?state={encoded}&error={encoded}&error_description={long}"),
        format!("/public/samlauthn/slo?SAMLResponse={encoded}"),
        format!("/public/login?target={encoded}&targetUri={long}"),
        format!("/public/content/apps/{encoded}/{encoded}"),
        format!("/public/qrs/app?xrfkey={KEY}&filter={encoded}"),
    ] {
        for (header, value) in [
            ("User-Agent", agent.as_str()),
            ("User-Agent", &long),
            ("X-Forwarded-For", "1.2.3.4\u{1b}[31m"),
            ("Authorization", "Bearer \u{1b}[31m.x.y"),
            ("Referer", &long),
            ("Origin", &long),
        ] {
            visitor.send("GET", &path, &[(header, value), ("X-Qlik-Xrfkey", KEY)], "").await;
        }
    }
    let method = "M".repeat(15_000);
    for request in [
        format!("{method} /public/hub HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        format!(
            "GET /public/app/x HTTP/1.1\r\nHost: a\r\nUpgrade: {long}\r\nConnection: upgrade\r\n\r\n"
        ),
        format!(
            "GET /public/app/x HTTP/1.1\r\nHost: a\r\nOrigin: https://{long}\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
        ),
        format!("GET /public/hub HTTP/1.1\r\nHost: {long}\r\nConnection: close\r\n\r\n"),
        format!(
            "GET /public/hub HTTP/1.1\r\nHost: a\r\nExpect: {long}\r\nConnection: close\r\n\r\n"
        ),
    ] {
        hub.raw(request.as_bytes()).await;
    }
    let page = visitor.page("/public/login").await;
    let csrf = page.data()["csrf"].as_str().unwrap().to_owned();
    for name in [evil, &long[..12_000], "ana\u{1b}[31m", "LOGGIA\\\nroot"] {
        let body = form(&[("username", name), ("password", evil), ("csrf", &csrf)]);
        visitor.post_form("/public/login", &body).await;
        visitor.post_form("/public/login", &body.replace("csrf=", "csrf=x")).await;
    }
    let mut socket = visitor.socket("/public/app/x%1b%0ay", &[]).await.ok();
    if socket.is_none() {
        socket = visitor.socket("/public/app/engineData", &[]).await.ok();
    }
    let mut socket = socket.unwrap();
    for (id, params) in
        [json!([evil]), json!([long]), json!([TEAM_APP.text()])].into_iter().enumerate()
    {
        socket.ask(u32::try_from(id).unwrap() + 1, -1, "OpenDoc", params).await;
    }
    socket.ask(9, -1, &format!("{evil}{long}"), json!([])).await;
}

#[tokio::test]
async fn the_log_names_an_origin_that_is_refused_and_the_answer_does_not() {
    use tracing_subscriber::layer::SubscriberExt;
    let lines = Lines::default();
    let to_lines = lines.clone();
    let subscriber = tracing_subscriber::registry()
        .with(tracing_subscriber::EnvFilter::new("loggia=info"))
        .with(log_lines::json(move || to_lines.clone()));
    // Of this thread, in which the server answers too.
    let _log = tracing::subscriber::set_default(subscriber);
    let hub = Hub::start().await;
    hub.edit_entrance(VirtualProxyEdit {
        host_allow_list: Some(vec!["portal.example".into()]),
        ..VirtualProxyEdit::default()
    });
    let visitor = hub.visitor().await;
    for origin in ["https://evil.example:8443", "https://portal.example.evil.example"] {
        let request = format!(
            "GET /public/app/{APP} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nOrigin: {origin}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            hub.address(),
            visitor.cookie_header()
        );
        let answer = Answer::parse(&hub.raw(request.as_bytes()).await);
        assert_eq!((answer.status, answer.code().as_str()), (403, "REQ-ORIGIN"), "{origin}");
        let told = format!("{}{}", answer.head, answer.body);
        for hidden in ["evil.example", "portal.example"] {
            assert!(!told.contains(hidden), "{told}");
        }
        let reference = answer.json()["reference"].as_str().unwrap().to_owned();
        let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let found: Vec<&str> = log.lines().filter(|line| line.contains(&reference)).collect();
        assert_eq!(found.len(), 1, "{log}");
        assert!(found[0].contains(origin) && found[0].contains("public"), "{}", found[0]);
    }
    let origins = [("origin", "https://portal.example")];
    assert!(visitor.socket(&format!("/public/app/{APP}"), &origins).await.is_ok());
}

/// One test for both forms of the log, since a process has one log.
#[tokio::test]
async fn every_line_of_the_log_stays_one_line() {
    use tracing_subscriber::layer::SubscriberExt;
    let (plain, structured) = (Lines::default(), Lines::default());
    let (to_plain, to_structured) = (plain.clone(), structured.clone());
    let subscriber = tracing_subscriber::registry()
        .with(tracing_subscriber::EnvFilter::new("loggia=debug"))
        .with(log_lines::text(move || to_plain.clone(), false))
        .with(log_lines::json(move || to_structured.clone()));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let hub = Hub::start().await;
    provoke(&hub).await;
    let _ = hub.restart().await;

    let text = String::from_utf8(plain.0.lock().unwrap().clone()).unwrap();
    assert!(text.lines().count() > 40, "{text}");
    for line in text.lines() {
        let short = &line[..line.len().min(300)];
        assert!(line.starts_with("20"), "a line of the log begins with its time: {short}");
        let has_level = ["INFO", "WARN", "DEBUG", "ERROR"]
            .iter()
            .any(|level| line.split_whitespace().nth(1) == Some(level));
        assert!(has_level, "{short}");
        assert!(
            !line.chars().any(|c| c.is_control() || "\u{2028}\u{2029}\u{202e}".contains(c)),
            "{short:?}"
        );
        assert!(line.len() <= log_lines::LONGEST + 20, "{} bytes: {short}", line.len());
        assert!(!line.contains(PASSWORD), "{short}");
    }
    let structured = String::from_utf8(structured.0.lock().unwrap().clone()).unwrap();
    assert_eq!(structured.lines().count(), text.lines().count());
    for line in structured.lines() {
        let short = &line[..line.len().min(300)];
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {short}"));
        assert!(value["level"].is_string() && value["timestamp"].is_string(), "{short}");
        assert!(value.get("forged").is_none(), "{short}");
        assert!(line.len() <= log_lines::LONGEST, "{} bytes: {short}", line.len());
    }
}
