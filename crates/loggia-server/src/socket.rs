//! An engine socket: from the upgrade to the close frame. What is said on it is `loggia-qix`'s.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, Stream, StreamExt};
use http::StatusCode;
use http::request::Parts;
use loggia_auth::{AddressBlock, Session};
use loggia_model::{DeviceHash, VisitorId};
use loggia_proxy::problem::Problem;
use loggia_proxy::route::SocketName;
use loggia_proxy::{Entered, Guest, Proxy};
use loggia_qix::{CloseReason, Connection, Host, full_notice, sign_in_notice};
use loggia_repository::VisitInfo;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tracing::debug;

use crate::front::Front;

/// Longest message that a client may send, in bytes. Answers may be longer.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// Longest message of a visitor, who has nothing of that size to say.
const MAX_VISITOR_MESSAGE: usize = 256 * 1024;
/// A client that does not read lets this much pile up before its socket is closed.
const MAX_UNSENT: usize = 64 * 1024 * 1024;
/// Small, since most sockets are idle most of the time; a longer message gets room for itself.
const BUFFER: usize = 512;
/// Both ends learn within a minute that the other is gone: silence is looked at with each ping.
const PING: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(44);
/// How many pings and pongs a client may send in [`PING`]; each is answered, and none is work.
const MAX_PINGS: u32 = 100;
/// Frames that wait between the socket and the engine.
const QUEUE: usize = 8;

/// Counts a socket as open while it lives.
struct Open(Arc<Front>);

impl Open {
    fn count(front: &Arc<Front>) -> Open {
        front.sockets.send_modify(|open| *open += 1);
        Open(Arc::clone(front))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.sockets.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// Upgrades the request and serves the socket in a task of its own.
pub(crate) async fn open(
    front: &Arc<Front>,
    entered: &Entered,
    name: &SocketName,
    parts: &mut Parts,
) -> Response {
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let text = "The request is no proper WebSocket handshake.";
            let status = StatusCode::BAD_REQUEST;
            let problem = Problem::new(status, "REQ-UPGRADE", "Bad request", text, front.now());
            problem.log("edge", &entered.screened.address.to_string(), &rejection.to_string());
            return problem.json();
        }
    };
    let is_user = entered.guest.as_ref().is_some_and(|guest| !guest.session.is_anonymous());
    let longest = if is_user { MAX_MESSAGE } else { MAX_VISITOR_MESSAGE };
    let upgrade = upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT)
        .max_message_size(longest)
        .max_frame_size(longest);
    if let Some(problem) = &entered.turned_away {
        let notice = full_notice(&problem.text, problem.code, &problem.reference, problem.time);
        return upgrade.on_upgrade(|socket| turn_away(socket, notice, 4005, "no place"));
    }
    let login_uri = login_uri(front, entered);
    match &entered.guest {
        Some(guest) => {
            let connection = Box::new(connection(front, entered, guest, name, login_uri));
            let engine = front.engine.clone();
            let open = Open::count(front);
            upgrade.on_upgrade(move |socket| serve(engine, connection, socket, open))
        }
        None => {
            let notice = sign_in_notice(login_uri.as_deref().unwrap_or_default());
            upgrade.on_upgrade(|socket| turn_away(socket, notice, 4006, "sign in first"))
        }
    }
}

/// The login page's address, leading back to where the client says it came from.
fn login_uri(front: &Front, entered: &Entered) -> Option<String> {
    let is_user = entered.guest.as_ref().is_some_and(|guest| !guest.session.is_anonymous());
    if is_user || !entered.can_log_in() {
        return None;
    }
    let back = entered.screened.query.get("reloadUri");
    let hub = format!("{}{}/hub", entered.origin(), entered.base());
    back.and_then(|back| front.proxy.login_uri(entered, back))
        .or_else(|| front.proxy.login_uri(entered, &hub))
}

fn connection(
    front: &Arc<Front>,
    entered: &Entered,
    guest: &Guest,
    name: &SocketName,
    login_uri: Option<String>,
) -> Connection {
    let logout_uri = (!guest.session.is_anonymous())
        .then(|| format!("{}{}/qps/user", entered.origin(), entered.base()));
    Connection {
        caller: guest.caller.clone(),
        app: name.app.clone(),
        identity: name.identity.clone(),
        ttl: name.ttl_seconds.map(Duration::from_secs),
        ended: guest.session.watch(),
        login_uri,
        logout_uri,
        host: Arc::new(Behind {
            proxy: front.proxy.clone(),
            session: Arc::clone(&guest.session),
            address: entered.screened.address,
            browser: guest.browser,
            took_place: AtomicBool::new(false),
        }),
    }
}

/// The session behind a socket.
struct Behind {
    proxy: Proxy,
    session: Arc<Session>,
    address: IpAddr,
    /// The browser that a visitor is in, if that is known.
    browser: Option<VisitorId>,
    /// This socket's last attempt to open an app counts for its session's place.
    took_place: AtomicBool,
}

impl Behind {
    /// Whose allowance the socket draws from; none for people who signed in.
    fn visitors_block(&self) -> Option<AddressBlock> {
        self.session.is_anonymous().then(|| AddressBlock::from(self.address))
    }
}

impl Host for Behind {
    fn is_active(&self) {
        self.proxy.sessions().touch(&self.session, self.proxy.now());
    }

    fn take_place(&self) -> VisitInfo {
        let place = self.proxy.sessions().take_place(&self.session, self.proxy.now());
        self.took_place.store(place.is_taken, Ordering::Relaxed);
        VisitInfo { parallel_sessions: place.others, place_wait: place.wait, ..self.visit_info() }
    }

    fn visit_info(&self) -> VisitInfo {
        VisitInfo {
            visitor: self.browser,
            device: self.session.agent().map(device),
            ..VisitInfo::default()
        }
    }

    fn give_place_back(&self) {
        if self.took_place.swap(false, Ordering::Relaxed) {
            self.proxy.sessions().give_place_back(&self.session);
        }
    }

    fn wait(&self) -> Option<Duration> {
        let block = self.visitors_block()?;
        self.proxy.computing_wait(self.session.entrance, block)
    }

    fn has_computed(&self, spent: Duration) {
        if let Some(block) = self.visitors_block() {
            self.proxy.charge_address(self.session.entrance, block, spent);
        }
    }
}

/// What tells devices apart in the ledger, without saying what they are.
fn device(agent: &str) -> DeviceHash {
    let digest = Sha256::digest(agent.as_bytes());
    DeviceHash(digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
}

/// Says why nothing is served, and closes.
async fn turn_away(mut socket: WebSocket, notice: String, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    if socket.send(Message::Text(notice.into())).await.is_ok() {
        let _ = socket.send(Message::Close(Some(frame))).await;
    }
}

/// The future is as small as it can be: there is one for each socket, and most of them wait.
fn serve(
    engine: loggia_qix::Engine,
    connection: Box<Connection>,
    socket: WebSocket,
    open: Open,
) -> impl Future<Output = ()> + Send {
    let (sink, stream) = socket.split();
    async move {
        converse(engine, connection, sink, stream).await;
        drop(open);
    }
}

async fn converse(
    engine: loggia_qix::Engine,
    connection: Box<Connection>,
    sink: SplitSink<WebSocket, Message>,
    mut stream: SplitStream<WebSocket>,
) {
    let (outgoing, outgoing_receiver) = mpsc::channel::<Box<str>>(QUEUE);
    let last_heard = Heard::new(Some(Instant::now()));
    let mut reader = Reader::new(&mut stream, &last_heard);
    // Nothing more is taken from the client once the engine is done; the writer ends with the
    // engine's sender.
    let serving = engine.serve(connection, reader.frames(), outgoing);
    let writing = write(sink, outgoing_receiver, &last_heard);
    let (reason, sink) = tokio::join!(serving, writing);
    let violation = reader.violation;
    let code = match (reason, violation) {
        (CloseReason::ClientLeft, Some(violation)) => violation.code(),
        _ => reason.code(),
    };
    close(sink, code).await;
    if violation.is_some() {
        hear_out(stream).await;
    }
    debug!(target: "loggia::socket", ?reason, ?violation, "socket closed");
}

/// When the client was heard last; none while what it said waits for the engine, since nothing
/// more is read then.
type Heard = parking_lot::Mutex<Option<Instant>>;

/// What a client sent that no client may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    Protocol,
    Binary,
    NoText,
    TooLong,
    Flood,
}

impl Violation {
    /// What a failed read means; none where the connection broke.
    fn of(error: &axum::Error) -> Option<Violation> {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(at) = cause {
            match at.downcast_ref::<tungstenite::Error>() {
                Some(tungstenite::Error::Capacity(_)) => return Some(Violation::TooLong),
                Some(tungstenite::Error::Utf8(_)) => return Some(Violation::NoText),
                // That is a client that went away, not one that errs.
                Some(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                    return None;
                }
                Some(tungstenite::Error::Protocol(_)) => return Some(Violation::Protocol),
                Some(_) => return None,
                None => cause = at.source(),
            }
        }
        None
    }

    /// The close code of RFC 6455 §7.4.1.
    fn code(self) -> u16 {
        match self {
            Violation::Protocol => 1002,
            Violation::Binary => 1003,
            Violation::NoText => 1007,
            Violation::Flood => 1008,
            Violation::TooLong => 1009,
        }
    }
}

/// What a client says, frame by frame.
struct Reader<'a> {
    stream: &'a mut SplitStream<WebSocket>,
    last_heard: &'a Heard,
    since: Instant,
    pings: u32,
    /// Why nothing more is read.
    violation: Option<Violation>,
}

impl<'a> Reader<'a> {
    fn new(stream: &'a mut SplitStream<WebSocket>, last_heard: &'a Heard) -> Reader<'a> {
        Reader { stream, last_heard, since: Instant::now(), pings: 0, violation: None }
    }

    /// The text frames, until the client ends or does what no client may.
    fn frames(&mut self) -> impl Stream<Item = String> + Send {
        futures_util::stream::unfold(self, |reader| async move {
            let frame = reader.next().await?;
            Some((frame, reader))
        })
    }

    async fn next(&mut self) -> Option<String> {
        loop {
            // Whoever takes a frame is back for the next one when it is dealt with.
            *self.last_heard.lock() = Some(Instant::now());
            let message = match self.stream.next().await? {
                Ok(message) => message,
                Err(error) => {
                    self.violation = Violation::of(&error);
                    return None;
                }
            };
            match message {
                Message::Text(text) => {
                    *self.last_heard.lock() = None;
                    return Some(text.to_string());
                }
                Message::Close(_) => return None,
                Message::Binary(_) => {
                    self.violation = Some(Violation::Binary);
                    return None;
                }
                // Pings are answered below us.
                Message::Ping(_) | Message::Pong(_) => {
                    let now = Instant::now();
                    if now - self.since > PING {
                        (self.since, self.pings) = (now, 0);
                    }
                    self.pings += 1;
                    if self.pings > MAX_PINGS {
                        self.violation = Some(Violation::Flood);
                        return None;
                    }
                }
            }
        }
    }
}

/// Sends frames until the engine has no more, and pings meanwhile. A silent client is given up.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut outgoing: mpsc::Receiver<Box<str>>,
    last_heard: &Heard,
) -> Option<SplitSink<WebSocket, Message>> {
    let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            frame = outgoing.recv() => match frame {
                Some(frame) => Message::Text(String::from(frame).into()),
                None => return Some(sink),
            },
            _ = ping.tick() => {
                if last_heard.lock().is_some_and(|at| at.elapsed() > SILENCE) {
                    return None;
                }
                Message::Ping(Default::default())
            }
        };
        match tokio::time::timeout(SILENCE, sink.send(message)).await {
            Ok(Ok(())) => {}
            _ => return None,
        }
    }
}

async fn close(sink: Option<SplitSink<WebSocket, Message>>, code: u16) {
    if let Some(mut sink) = sink {
        let frame = CloseFrame { code, reason: "".into() };
        let _ = tokio::time::timeout(PING, sink.send(Message::Close(Some(frame)))).await;
    }
}

/// Reads what a client that was told to go still sends, for a short while: a connection that is
/// closed with unread bytes is reset, and the client may never see why.
async fn hear_out(mut stream: SplitStream<WebSocket>) {
    let rest = async {
        for _ in 0..10 * MAX_PINGS {
            if !matches!(stream.next().await, Some(Ok(_))) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), rest).await;
}
