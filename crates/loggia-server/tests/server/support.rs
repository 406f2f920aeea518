//! A small site, and people who use it over plain sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use loggia_auth::Passwords;
use loggia_model::entity::{AnonymousMode, PoolKind, RuleCategory};
use loggia_model::{
    AppId, Caller, InternalAccount, Moment, PoolId, RuleId, StreamId, UserId, UserKey,
    VirtualProxyId,
};
use loggia_repository::{
    AppEdit, ObjectEdit, PoolEdit, Repository, RuleEdit, StreamEdit, UserEdit, VirtualProxyEdit,
    pool_kind, seed,
};
use loggia_server::serve::{Running, start, start_by};
use loggia_server::settings::Settings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use uuid::Uuid;

pub(crate) const PUBLIC: VirtualProxyId = VirtualProxyId(Uuid::from_u128(1));
pub(crate) const VISITORS_RULE: RuleId = RuleId(Uuid::from_u128(2));
pub(crate) const APP: AppId = AppId(Uuid::from_u128(3));
pub(crate) const TEAM_APP: AppId = AppId(Uuid::from_u128(4));
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) const SCRIPT: &str =
    "Sales: LOAD * INLINE [\nRegion, Amount\nNorth, 1\nSouth, 2\nWest, 4\n];";

/// A running server with its folder.
pub(crate) struct Hub {
    pub(crate) running: Running,
    data: tempfile::TempDir,
}

/// Somebody with a cookie jar.
#[derive(Clone)]
pub(crate) struct Person {
    address: SocketAddr,
    pub(crate) cookies: BTreeMap<String, String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Socket(WebSocketStream<TcpStream>);

pub(crate) fn server_itself() -> Caller {
    Caller::internal(InternalAccount::Repository)
}

impl Hub {
    /// A site with an app for everybody, one for people who signed in, and two entrances.
    pub(crate) async fn start() -> Hub {
        Hub::start_with(|_| ()).await
    }

    /// The same with other settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Hub {
        let data = tempfile::tempdir().unwrap();
        let mut settings = settings(&data, false);
        change(&mut settings);
        let running = start(settings).await.unwrap();
        Hub::furnished(running, data).await
    }

    /// The same by a clock that stands still unless it is set.
    pub(crate) async fn start_by(clock: &Arc<AtomicI64>) -> Hub {
        let data = tempfile::tempdir().unwrap();
        let clock = Arc::clone(clock);
        let clock = Arc::new(move || Moment(clock.load(Ordering::Relaxed)));
        let running = start_by(clock, settings(&data, false)).await.unwrap();
        Hub::furnished(running, data).await
    }

    async fn furnished(running: Running, data: tempfile::TempDir) -> Hub {
        let repository = running.front.repository.clone();
        let engine = running.front.engine.clone();
        tokio::task::spawn_blocking(move || {
            furnish(&repository);
            engine.reload_app(&server_itself(), APP).unwrap();
        })
        .await
        .unwrap();
        Hub { running, data }
    }

    /// Stops the server and starts another on the same folder.
    pub(crate) async fn restart(self) -> Hub {
        let Hub { running, data } = self;
        running.stop().await;
        let running = listen(&data, false).await;
        Hub { running, data }
    }

    /// Two servers that share a folder.
    pub(crate) async fn pair() -> (Hub, Running) {
        let data = tempfile::tempdir().unwrap();
        let shared = || Settings { shared: true, ..settings(&data, false) };
        let running = start(shared()).await.unwrap();
        let repository = running.front.repository.clone();
        tokio::task::spawn_blocking(move || furnish(&repository)).await.unwrap();
        let other = start(shared()).await.unwrap();
        (Hub { running, data }, other)
    }

    /// What a second server on the same folder says instead of starting.
    pub(crate) async fn second_server(&self) -> String {
        start(settings(&self.data, false))
            .await
            .map_or_else(|error| error.to_string(), |_| String::new())
    }

    /// The demo site, without its data files.
    pub(crate) async fn demo() -> Hub {
        let data = tempfile::tempdir().unwrap();
        let running = listen(&data, true).await;
        Hub { running, data }
    }

    /// Stops the demo and starts it again on the same folder.
    pub(crate) async fn restart_demo(self) -> Hub {
        let Hub { running, data } = self;
        running.stop().await;
        let running = listen(&data, true).await;
        Hub { running, data }
    }

    /// The folder that the server keeps everything in.
    pub(crate) fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    pub(crate) fn repository(&self) -> &Repository {
        &self.running.front.repository
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address())
    }

    pub(crate) fn sessions(&self) -> usize {
        self.running.front.proxy.sessions().count()
    }

    pub(crate) fn somebody(&self) -> Person {
        Person { address: self.address(), cookies: BTreeMap::new() }
    }

    /// A visitor who has opened the hub.
    pub(crate) async fn visitor(&self) -> Person {
        let mut visitor = self.somebody();
        assert_eq!(visitor.get("/public/hub").await.status, 200);
        visitor
    }

    /// Somebody signed in at an entrance.
    pub(crate) async fn user(&self, name: &str, base: &str) -> Person {
        let mut person = self.somebody();
        let answer = person.log_in(name, PASSWORD, base, &format!("{base}/hub")).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        person
    }

    pub(crate) fn set_mode(&self, mode: AnonymousMode) {
        let edit = VirtualProxyEdit { anonymous: Some(mode), ..VirtualProxyEdit::default() };
        self.repository().update_virtual_proxy(&server_itself(), PUBLIC, None, edit).unwrap();
    }

    pub(crate) fn edit_entrance(&self, edit: VirtualProxyEdit) {
        self.repository().update_virtual_proxy(&server_itself(), PUBLIC, None, edit).unwrap();
    }

    /// Sends bytes as they are and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        raw(self.address(), bytes).await
    }
}

async fn listen(data: &tempfile::TempDir, demo: bool) -> Running {
    start(settings(data, demo)).await.unwrap()
}

fn settings(data: &tempfile::TempDir, demo: bool) -> Settings {
    Settings {
        demo,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data: data.path().to_owned(),
        // Its tests ask for it; everybody else counts their own apps.
        visitors_reload_minutes: 0,
        outside_allow: vec!["127.0.0.1".parse().unwrap()],
        ..Settings::default()
    }
}

fn furnish(repository: &Repository) {
    let caller = server_itself();
    let team = StreamId(Uuid::from_u128(5));
    for (id, name, roles) in [(10, "root", vec!["RootAdmin".to_owned()]), (11, "ana", vec![])] {
        let edit = UserEdit {
            key: Some(UserKey::new("LOGGIA", name).unwrap()),
            roles: Some(roles),
            ..UserEdit::default()
        };
        let user = UserId(Uuid::from_u128(id));
        repository.create_user(&caller, Some(user), edit).unwrap();
        let hash = Passwords::hash_now(PASSWORD).unwrap();
        repository.set_password(&caller, user, &hash).unwrap();
    }
    let stream = StreamEdit { name: Some("Team".into()), ..StreamEdit::default() };
    repository.create_stream(&caller, Some(team), stream).unwrap();
    make_rule(
        repository,
        RuleId(Uuid::from_u128(6)),
        RuleCategory::Security,
        format!("Stream_{team}"),
        "!user.IsAnonymous()",
        2,
    );
    let entrance = VirtualProxyEdit {
        prefix: Some("public".parse().unwrap()),
        description: Some("Visitors".into()),
        anonymous: Some(AnonymousMode::Allowed),
        session_cookie: Some("X-Qlik-Session-public".into()),
        ..VirtualProxyEdit::default()
    };
    repository.create_virtual_proxy(&caller, Some(PUBLIC), entrance).unwrap();
    for (id, kind, rule, condition) in [
        (20, PoolKind::AnalyzerCapacity, VISITORS_RULE, "user.IsAnonymous()"),
        (21, PoolKind::Professional, RuleId(Uuid::from_u128(22)), "!user.IsAnonymous()"),
    ] {
        let pool = PoolId(Uuid::from_u128(id));
        let edit = PoolEdit {
            name: Some(format!("{kind:?}")),
            kind: Some(kind),
            capacity: Some(None),
            ..PoolEdit::default()
        };
        repository.create_pool(&caller, Some(pool), edit).unwrap();
        let filter = format!("{}_{pool}", pool_kind(kind));
        make_rule(repository, rule, RuleCategory::License, filter, condition, 1);
    }
    for (app, name, stream) in [(APP, "Sales", seed::EVERYONE), (TEAM_APP, "Payroll", team)] {
        let edit = AppEdit { name: Some(name.into()), ..AppEdit::default() };
        repository.create_app(&caller, Some(app), edit).unwrap();
        repository.set_app_script(&caller, app, SCRIPT).unwrap();
        let sheet = ObjectEdit {
            engine_id: Some("overview".into()),
            object_type: Some("sheet".into()),
            name: Some("Overview".into()),
            properties: Some(
                json!({ "qInfo": { "qId": "overview", "qType": "sheet" }, "rank": 1 }),
            ),
            ..ObjectEdit::default()
        };
        repository.create_object(&caller, app, sheet).unwrap();
        repository.publish_app(&caller, app, stream, None).unwrap();
    }
}

fn make_rule(
    repository: &Repository,
    id: RuleId,
    category: RuleCategory,
    filter: String,
    condition: &str,
    actions: u32,
) {
    let edit = RuleEdit {
        category: Some(category),
        name: Some(format!("rule {id}")),
        condition: Some(condition.to_owned()),
        resource_filter: Some(filter),
        actions: Some(actions),
        context: Some(0),
        ..RuleEdit::default()
    };
    repository.create_rule(&server_itself(), Some(id), edit).unwrap();
}

impl Person {
    /// The same browser, led to another server.
    pub(crate) fn at(&self, address: SocketAddr) -> Person {
        Person { address, ..self.clone() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// As a browser asks for a page.
    pub(crate) async fn page(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[("Accept", "text/html")], "").await
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        text.push_str("Connection: close\r\n");
        if !self.cookies.is_empty() {
            text.push_str(&format!("Cookie: {}\r\n", self.cookie_header()));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        let answer = Answer::parse(&raw(self.address, text.as_bytes()).await);
        for line in answer.all("set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(crate) fn cookie_header(&self) -> String {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    pub(crate) async fn log_in(
        &mut self,
        name: &str,
        password: &str,
        base: &str,
        target: &str,
    ) -> Answer {
        let page = self.page(&format!("{base}/login")).await;
        let csrf = page.data()["csrf"].as_str().unwrap().to_owned();
        let form = form(&[
            ("username", name),
            ("password", password),
            ("target", target),
            ("csrf", &csrf),
        ]);
        self.post_form(&format!("{base}/login"), &form).await
    }

    pub(crate) async fn post_form(&mut self, path: &str, form: &str) -> Answer {
        let headers =
            [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "text/html")];
        self.send("POST", path, &headers, form).await
    }

    pub(crate) async fn log_out(&mut self, base: &str) -> Answer {
        let csrf = self.page(&format!("{base}/hub")).await.data()["csrf"].clone();
        let form = form(&[("csrf", csrf.as_str().unwrap())]);
        self.post_form(&format!("{base}/logout"), &form).await
    }

    /// `DIRECTORY\id` as the entrance knows this browser.
    pub(crate) async fn who(&mut self, base: &str) -> String {
        let me = self.get(&format!("{base}/qps/user")).await.json();
        match me.get("userId") {
            Some(id) => {
                format!("{}\\{}", me["userDirectory"].as_str().unwrap(), id.as_str().unwrap())
            }
            None => "nobody".to_owned(),
        }
    }

    /// Opens a socket, or says with which status that was refused.
    pub(crate) async fn socket(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, u16> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        if !self.cookies.is_empty() {
            request.headers_mut().insert("cookie", self.cookie_header().parse().unwrap());
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Socket {
    /// The next frame; none when the server closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.0.next());
            match next.await.expect("the server said nothing for a long time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).ok(),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Sends bytes as they are, whatever the protocol says.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    /// Waits until the server closes, and says with which code it did.
    pub(crate) async fn closed_with(&mut self) -> Option<u16> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.0.next());
            match next.await.expect("the server did not close for a long time") {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Asks without waiting; what is sent to a closed socket is lost.
    pub(crate) async fn send(&mut self, id: u32, handle: i32, method: &str, params: Value) {
        let request = json!({ "jsonrpc": "2.0", "id": id, "handle": handle, "method": method, "params": params });
        let _ = self.0.send(Message::text(request.to_string())).await;
    }

    /// Asks and waits for the answer to it.
    pub(crate) async fn ask(&mut self, id: u32, handle: i32, method: &str, params: Value) -> Value {
        self.send(id, handle, method, params).await;
        loop {
            let frame = self.next().await.expect("an answer");
            if frame["id"] == json!(id) {
                return frame;
            }
        }
    }
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The data block of a page.
    pub(crate) fn data(&self) -> Value {
        let (_, after) = self
            .body
            .split_once("id=\"loggia-data\">")
            .unwrap_or_else(|| panic!("no data block: {} {}", self.head, self.body));
        serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
    }

    /// The code of a refusal, from the page or from JSON.
    pub(crate) fn code(&self) -> String {
        let value =
            if self.body.starts_with('{') { self.json() } else { self.data()["message"].clone() };
        value["code"].as_str().unwrap_or_default().to_owned()
    }
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| loggia_proxy::query::encode(text);
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    let _ = read.await.expect("the server neither answered nor closed");
    String::from_utf8_lossy(&answer).into_owned()
}
