//! The example of a login module, as people would run it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use loggia_model::entity::{AnonymousMode, TicketSettings};
use loggia_repository::VirtualProxyEdit;
use loggia_server::authority;
use serde_json::json;

use crate::programs::{hub, wall};
use crate::providers::Browser;
use crate::support::{APP, form};

struct Module(Child);

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/login-module")
}

fn node(arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.arg(folder().join("server.mjs")).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

const NO_NODE: &str = "node does not start; install Node.js 20 or later";

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

#[tokio::test]
async fn somebody_signs_in_at_the_example_module_and_is_back_where_they_wanted_to_be() {
    let hub = hub().await;
    let work = tempfile::tempdir().unwrap();
    let certificates = work.path().join("certificates");
    authority::export(hub.data(), "login-module", &certificates, wall()).unwrap();
    let mut hashing = node(&["hash"]).spawn().expect(NO_NODE);
    hashing.stdin.take().unwrap().write_all(b"a long password\n").unwrap();
    let mut person: serde_json::Value = serde_json::from_str(&first_line(&mut hashing)).unwrap();
    assert!(hashing.wait().unwrap().success());
    person["groups"] = json!(["sales"]);
    let people = work.path().join("people.json");
    std::fs::write(&people, json!({ "eva": person }).to_string()).unwrap();
    let mut child = node(&[])
        .env("PORT", "0")
        .env("LOGGIA", format!("https://{}", hub.running.trusted_address.unwrap()))
        .env("CERTIFICATES", &certificates)
        .env("PEOPLE", &people)
        .env("DIRECTORY", "ACME")
        .spawn()
        .expect(NO_NODE);
    let module_uri = first_line(&mut child);
    let _module = Module(child);
    assert!(module_uri.starts_with("http://127.0.0.1:"), "{module_uri}");
    hub.edit_entrance(VirtualProxyEdit {
        anonymous: Some(AnonymousMode::Never),
        ticket: TicketSettings { module_uri: module_uri.clone(), ..TicketSettings::default() }
            .into(),
        ..VirtualProxyEdit::default()
    });

    let mut browser = Browser::default();
    let app = format!("{}/public/sense/app/{APP}", hub.origin());
    let page = browser.go(&app).await;
    assert_eq!(page.status, 200);
    assert!(browser.url.starts_with(&module_uri), "{}", browser.url);
    let (_, query) = browser.url.split_once('?').unwrap();
    let query = loggia_proxy::query::Query::parse(query);
    let (target, rest) = (query.get("targetId").unwrap(), query.get("proxyRestUri").unwrap());
    let fields = |password: &str| {
        form(&[
            ("name", "eva"),
            ("password", password),
            ("targetId", target),
            ("proxyRestUri", rest),
        ])
    };
    let refused = browser.submit(&module_uri, &fields("a guess")).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let page = browser.submit(&module_uri, &fields("a long password")).await;
    assert_eq!((page.status, browser.url.as_str()), (200, app.as_str()), "{page:?}");
    let me = browser.go(&format!("{}/public/qps/user", hub.origin())).await.json();
    assert_eq!((&me["userDirectory"], &me["userId"]), (&json!("ACME"), &json!("eva")));
    // A page that forged the fields leads nowhere else: the hub says where to go back to.
    let forged = form(&[
        ("name", "eva"),
        ("password", "a long password"),
        ("targetId", "https://evil.example/"),
        ("proxyRestUri", "https://evil.example/qps/public/"),
    ]);
    let answer = browser.step("POST", &module_uri, &forged).await;
    assert_eq!((answer.status, answer.header("location")), (400, ""));
}
