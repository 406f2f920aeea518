//! The engine JSON-RPC interface: what enigma.js, the charts and other clients speak with an app.
//!
//! [`Engine`] holds the engine sessions and the loaded apps of one server. [`Engine::serve`] drives
//! one socket: text frames in, text frames out. It knows no HTTP; whoever accepts the socket brings
//! a [`Connection`], which says who is calling.
//!
//! A frame is read into a request, the request finds its row in the method table, the row's function
//! reads or changes the session and answers with a value and with what it changed; each attached
//! socket then learns which of its own handles that made stale. All of this is plain code without
//! async: only the driver in this file waits for anything. Calculations run on a bounded number of
//! blocking threads, so that one heavy request does not hold up other sessions.
//!
//! What is absent: the delta form of answers (plain values are always correct), trees, binned and
//! continuous data, exports.

mod app;
mod connections;
mod document;
mod effect;
mod fault;
mod frame;
mod handle;
mod layout;
mod method;
mod params;
mod patch;
mod patience;
mod progress;
mod queue;
mod reload;
mod session;
mod timestamp;
mod trail;
mod view;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use loggia_model::{AppId, Caller, Moment, Principal, SessionEnd, SessionId};
use loggia_repository::{Access, Repository, VisitInfo};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::app::{Apps, Carried};
use crate::queue::{Cell, Job};
use crate::session::{Key, Outgoing, Socket};

pub use crate::reload::{ReloadError, ReloadReport};

/// Engine sessions that one visitor may have: each tab of an app shares one, so this is many apps.
const MAX_VISITOR_SESSIONS: usize = 20;

/// Engine sessions that one person may have.
const MAX_USER_SESSIONS: usize = 50;

/// Sockets that may share one engine session.
const MAX_SOCKETS: usize = 50;

/// The engine sessions and loaded apps of a server. Clones share them.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What an operator may choose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an engine session outlives its last socket when the client named no time.
    pub grace: Duration,
    /// Longest time to live that a client may ask for.
    pub longest_grace: Duration,
    /// Apps that stay loaded although nobody has them open.
    pub idle_apps: usize,
    /// Calculations that run at a time, over all sessions.
    pub parallel: usize,
    /// How long one request of a visitor may compute. What is not computed by then is an error in its place (7004),
    /// and the rest of the answer stands.
    pub visitor_time: Duration,
    /// The same for somebody who has signed in.
    pub person_time: Duration,
    /// The folders that load scripts may read, by the name in `lib://name/path`.
    pub folders: Vec<(String, PathBuf)>,
    /// What load scripts may read beside files, by the name in `lib://name/path`.
    pub sources: Vec<(String, Arc<dyn DataSource>)>,
}

/// Something that is no file and that load scripts read as delimited text.
pub trait DataSource: fmt::Debug + Send + Sync {
    /// The text at that path for whoever reloads; an error of kind *permission denied* where it is
    /// not for them, and of kind *not found* where there is no such thing.
    fn read(&self, caller: &Caller, path: &str) -> std::io::Result<Vec<u8>>;
}

/// One accepted socket.
pub struct Connection {
    pub caller: Caller,
    /// The app's name in the address, decoded; none for the address without one.
    pub app: Option<String>,
    pub identity: Option<String>,
    pub ttl: Option<Duration>,
    /// Becomes `Some` when the session behind the socket ends.
    pub ended: watch::Receiver<Option<SessionEnd>>,
    pub login_uri: Option<String>,
    pub logout_uri: Option<String>,
    pub host: Arc<dyn Host>,
}

/// Whoever keeps the session behind a socket, as the engine needs them.
pub trait Host: Send + Sync {
    /// A request came: the session is in use.
    fn is_active(&self);

    /// An app is about to be opened in the session. Answers how many other sessions of the same
    /// person are in the way, which the licence gate judges.
    fn take_place(&self) -> VisitInfo;

    /// Who the visit is by, beside its caller: the same for as long as the socket is open.
    fn visit_info(&self) -> VisitInfo;

    /// The app was not opened after all. Follows each [`Host::take_place`] that led to nothing.
    fn give_place_back(&self);

    /// How long the next request has to wait, since its sender has used up what may be computed
    /// for them; none where it need not.
    fn wait(&self) -> Option<Duration>;

    /// A request was computed for that long.
    fn has_computed(&self, spent: Duration);
}

/// An app that somebody has open on a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenVisit {
    pub session: Option<SessionId>,
    pub app: AppId,
    pub since: Moment,
    /// What covers the visit; the last unit of an idle one may have run out.
    pub access: Access,
}

/// Why a socket was closed, with the close code to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client went away.
    ClientLeft,
    /// The session ended.
    Session(SessionEnd),
    /// The caller may no longer see the app.
    AccessLost,
    /// No licence covers the visit any longer.
    LicenceLost,
    /// The server is stopping.
    Stopping,
    /// The caller has as many engine sessions or sockets as there may be.
    TooManySessions,
}

/// Why a socket was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum AttachError {
    #[error("the caller has {most} engine sessions already")]
    Sessions { most: usize },
    #[error("the engine session has {most} sockets already")]
    Sockets { most: usize },
}

/// What all sockets share.
pub(crate) struct Shared {
    pub(crate) repository: Repository,
    pub(crate) settings: Settings,
    pub(crate) apps: Apps,
    pub(crate) threads: Arc<tokio::sync::Semaphore>,
    /// A part of `threads`: visitors never hold all of them, so that whoever signed in gets one.
    pub(crate) visitor_threads: Arc<tokio::sync::Semaphore>,
    pub(crate) progress: progress::Reloads,
    pub(crate) properties: view::SharedProperties,
    cells: Mutex<HashMap<Key, Arc<Cell>>>,
    carried: Mutex<HashMap<(Principal, AppId), Carried>>,
    last_socket: AtomicU64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            grace: Duration::from_secs(30),
            longest_grace: Duration::from_secs(10 * 60),
            idle_apps: 4,
            parallel: std::thread::available_parallelism().map_or(2, usize::from) * 2,
            visitor_time: Duration::from_secs(10),
            person_time: Duration::from_secs(60),
            folders: Vec::new(),
            sources: Vec::new(),
        }
    }
}

impl CloseReason {
    /// The WebSocket close code that tells the client whether to come back.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            CloseReason::ClientLeft => 1000,
            CloseReason::Session(SessionEnd::TimedOut) => 4001,
            CloseReason::Session(_) | CloseReason::AccessLost => 4006,
            CloseReason::LicenceLost => 4002,
            CloseReason::Stopping => 4003,
            CloseReason::TooManySessions => 4005,
        }
    }
}

impl Engine {
    #[must_use]
    pub fn new(repository: Repository, settings: Settings) -> Engine {
        let threads = Arc::new(tokio::sync::Semaphore::new(settings.parallel.max(1)));
        let for_visitors = (settings.parallel / 2).max(1);
        let visitor_threads = Arc::new(tokio::sync::Semaphore::new(for_visitors));
        let apps = Apps::new(settings.idle_apps);
        Engine {
            shared: Arc::new(Shared {
                repository,
                settings,
                apps,
                threads,
                visitor_threads,
                progress: progress::Reloads::default(),
                properties: view::SharedProperties::default(),
                cells: Mutex::default(),
                carried: Mutex::default(),
                last_socket: AtomicU64::new(0),
            }),
        }
    }

    /// Serves one socket until either side ends it.
    pub async fn serve(
        &self,
        connection: impl Into<Box<Connection>>,
        incoming: impl Stream<Item = String> + Send,
        outgoing: mpsc::Sender<Box<str>>,
    ) -> CloseReason {
        let Connection { caller, app, identity, ttl, mut ended, login_uri, logout_uri, host } =
            *connection.into();
        let key = Key {
            principal: caller.principal.clone(),
            entrance: caller.environment.virtual_proxy.to_string(),
            address: self.address(app.as_deref()),
            identity: identity.unwrap_or_default(),
        };
        let number = self.shared.last_socket.fetch_add(1, Ordering::Relaxed) + 1;
        let socket = Arc::new(Socket::new(number, caller, login_uri, host));
        let (cell, is_attached) = match self.attach(key, &socket) {
            Ok(attached) => attached,
            Err(error) => {
                let frame = self.turned_away(&socket, error);
                let _ = outgoing.send(frame.into()).await;
                return CloseReason::TooManySessions;
            }
        };
        socket.send(frame::notification(
            "OnAuthenticationInformation",
            &authentication(&socket, logout_uri.as_deref()),
        ));
        let state = if is_attached { "SESSION_ATTACHED" } else { "SESSION_CREATED" };
        socket.send(frame::notification("OnConnected", &json!({ "qSessionState": state })));

        let mut incoming = std::pin::pin!(incoming);
        let reason = loop {
            let is_open = !socket.is_busy();
            tokio::select! {
                biased;
                end = session_end(&mut ended) => {
                    let (method, message) = end_notification(end);
                    let now = timestamp::iso(self.shared.now());
                    let _ = outgoing.send(frame::fatal(method, message, &now).into()).await;
                    break CloseReason::Session(end);
                }
                queued = socket.queued() => match queued {
                    Outgoing::Frame(frame) => {
                        // A client that does not read must not outlive its session.
                        tokio::select! {
                            biased;
                            sent = outgoing.send(frame.into()) => {
                                if sent.is_err() {
                                    break CloseReason::ClientLeft;
                                }
                            }
                            end = session_end(&mut ended) => break CloseReason::Session(end),
                        }
                    }
                    Outgoing::Last(frame, reason) => {
                        let _ = outgoing.send(frame.into()).await;
                        break reason;
                    }
                },
                text = incoming.next(), if is_open => match text {
                    Some(text) => {
                        socket.host.is_active();
                        let started = Instant::now();
                        queue::receive(&self.shared, &cell, &socket, &text);
                        // Reading costs as well, and so does what is answered at once.
                        socket.host.has_computed(started.elapsed());
                    }
                    None => break CloseReason::ClientLeft,
                },
                () = outgoing.closed() => break CloseReason::ClientLeft,
            }
        };
        self.detach(&cell, &socket, reason, ttl);
        reason
    }

    /// The apps that are open now, one for each socket, in no order.
    #[must_use]
    pub fn visits(&self) -> Vec<OpenVisit> {
        let sockets = self.shared.cells().into_iter().flat_map(|cell| cell.sockets.list());
        sockets.filter_map(|socket| socket.view().visit(socket.caller.session)).collect()
    }

    /// Copies a visitor's selections to the person who has just signed in: to that person's open
    /// sessions, and to those opened within ten minutes. Waits for a request of the visitor's that
    /// runs now, so call it off the async tasks.
    pub fn carry_selections(&self, from: &Principal, to: &Principal) {
        let cells: Vec<Arc<Cell>> = self.shared.cells.lock().values().cloned().collect();
        let until = self.shared.now().plus_minutes(10);
        for cell in cells.iter().filter(|cell| cell.key.principal == *from) {
            let Some(carried) = cell.selections(until) else { continue };
            for target in cells.iter().filter(|cell| cell.key.principal == *to) {
                target.post(Job::Carry(carried.clone()));
            }
            let mut waiting = self.shared.carried.lock();
            let now = self.shared.now();
            waiting.retain(|_, carried| carried.until >= now);
            waiting.insert((to.clone(), carried.app), carried);
        }
    }

    /// Ends every socket: the server is stopping, and clients may come back to the next one.
    pub fn stop(&self) {
        let cells: Vec<Arc<Cell>> =
            self.shared.cells.lock().drain().map(|(_, cell)| cell).collect();
        let now = timestamp::iso(self.shared.now());
        for cell in cells {
            for socket in cell.sockets.list() {
                let frame = frame::fatal("OnSessionClosed", "The server is stopping", &now);
                socket.end(frame, CloseReason::Stopping);
            }
            cell.post(Job::Stop);
        }
    }

    /// Runs the app's load script as `caller`, stores the data and gives it to everybody who has the
    /// app open. Blocks until it is done.
    pub fn reload_app(&self, caller: &Caller, app: AppId) -> Result<ReloadReport, ReloadError> {
        reload::reload(&self.shared, caller, app, None)
    }

    /// A transient name is private to its socket: nobody else may attach.
    fn address(&self, app: Option<&str>) -> String {
        match app {
            Some(app) if app.contains("?transient=") => {
                format!("{app}#{}", self.shared.last_socket.load(Ordering::Relaxed) + 1)
            }
            Some(app) => app.to_lowercase(),
            None => String::new(),
        }
    }

    /// Logs that a socket is not let in, and makes its only frame.
    fn turned_away(&self, socket: &Socket, error: AttachError) -> String {
        const CODE: &str = "SES-PARALLEL";
        let mut reference = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
        reference.truncate(6);
        let principal = &socket.caller.principal;
        tracing::info!(
            target: "loggia::refusal",
            code = CODE,
            gate = "engine",
            principal = %principal,
            entrance = %socket.caller.environment.virtual_proxy,
            reference,
            "refused {principal} at the engine gate: {error}"
        );
        frame::notification(
            "OnMaxParallelSessionsExceeded",
            &json!({
                "severity": "fatal",
                "timestamp": timestamp::iso(self.shared.now()),
                "message": "Too many sessions are open; close some and try again",
                "code": CODE,
                "reference": reference,
            }),
        )
    }

    fn attach(&self, key: Key, socket: &Arc<Socket>) -> Result<(Arc<Cell>, bool), AttachError> {
        let mut cells = self.shared.cells.lock();
        if let Some(cell) = cells.get(&key) {
            if cell.sockets.list().len() >= MAX_SOCKETS {
                return Err(AttachError::Sockets { most: MAX_SOCKETS });
            }
            cell.attach(socket.clone());
            return Ok((cell.clone(), true));
        }
        let is_visitor = socket.caller.is_anonymous();
        let most = if is_visitor { MAX_VISITOR_SESSIONS } else { MAX_USER_SESSIONS };
        let own = || cells.values().filter(|cell| cell.key.principal == key.principal);
        if own().count() >= most {
            // Sessions that only wait for their socket to come back make room for one that is here.
            let waiting = own().find(|cell| cell.sockets.is_empty()).cloned();
            let waiting = waiting.ok_or(AttachError::Sessions { most })?;
            cells.remove(&waiting.key);
            waiting.post(Job::Stop);
        }
        let cell = Arc::new(Cell::new(key.clone()));
        cell.attach(socket.clone());
        cells.insert(key, cell.clone());
        Ok((cell, false))
    }

    fn detach(
        &self,
        cell: &Arc<Cell>,
        socket: &Arc<Socket>,
        reason: CloseReason,
        ttl: Option<Duration>,
    ) {
        self.shared.progress.forget(socket.number);
        trail::closed(&self.shared, socket);
        let (left, generation) = cell.detach(socket);
        if left > 0 {
            return;
        }
        // A session that ended must not be taken up again; one whose socket dropped may be.
        if reason != CloseReason::ClientLeft {
            self.shared.remove(cell, generation);
            return;
        }
        let grace = ttl.map_or(self.shared.settings.grace, |ttl| {
            ttl.clamp(Duration::from_secs(1), self.shared.settings.longest_grace)
        });
        let (shared, cell) = (Arc::downgrade(&self.shared), Arc::downgrade(cell));
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            if let (Some(shared), Some(cell)) = (shared.upgrade(), cell.upgrade()) {
                shared.remove(&cell, generation);
            }
        });
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sessions", &self.shared.cells.lock().len()).finish()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("caller", &self.caller)
            .field("app", &self.app)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Moment {
        self.repository.now()
    }

    /// Selections that wait for this caller since signing in.
    pub(crate) fn take_carried(&self, principal: &Principal, app: AppId) -> Option<Carried> {
        let carried = self.carried.lock().remove(&(principal.clone(), app))?;
        (carried.until >= self.now()).then_some(carried)
    }

    /// Every engine session.
    pub(crate) fn cells(&self) -> Vec<Arc<Cell>> {
        self.cells.lock().values().cloned().collect()
    }

    /// Forgets an engine session, unless a socket has come back since `generation`.
    fn remove(&self, cell: &Arc<Cell>, generation: u64) {
        let mut cells = self.cells.lock();
        if !cell.is_abandoned(generation) {
            return;
        }
        if cells.get(&cell.key).is_some_and(|found| Arc::ptr_eq(found, cell)) {
            cells.remove(&cell.key);
        }
        drop(cells);
        cell.post(Job::Stop);
        self.apps.drop_idle();
        self.properties.sweep();
    }
}

/// The frame for a visitor for whom there is no place; nothing is served after it.
#[must_use]
pub fn full_notice(message: &str, code: &str, reference: &str, now: Moment) -> String {
    frame::notification(
        "OnMaxAnonymousSessions",
        &json!({
            "severity": "fatal",
            "timestamp": timestamp::iso(now),
            "message": message,
            "code": code,
            "reference": reference,
        }),
    )
}

/// The frame for somebody who has to sign in first; nothing is served after it.
#[must_use]
pub fn sign_in_notice(login_uri: &str) -> String {
    frame::notification(
        "OnAuthenticationInformation",
        &json!({ "loginUri": login_uri, "mustAuthenticate": true }),
    )
}

fn authentication(socket: &Socket, logout_uri: Option<&str>) -> Value {
    let principal = &socket.caller.principal;
    let mut params = json!({
        "userId": principal.user_id(),
        "userDirectory": principal.directory(),
        "mustAuthenticate": false,
    });
    if let Some(uri) = logout_uri {
        params["logoutUri"] = json!(uri);
    }
    // A visitor's page can offer to sign in.
    if let (true, Some(uri)) = (socket.caller.is_anonymous(), &socket.login_uri) {
        params["loginUri"] = json!(uri);
    }
    params
}

async fn session_end(ended: &mut watch::Receiver<Option<SessionEnd>>) -> SessionEnd {
    match ended.wait_for(Option::is_some).await.map(|end| *end) {
        Ok(Some(end)) => end,
        // Nobody is left to end the session: it lasts as long as the socket.
        _ => std::future::pending().await,
    }
}

fn end_notification(end: SessionEnd) -> (&'static str, &'static str) {
    match end {
        SessionEnd::TimedOut => ("OnSessionTimedOut", "The session timed out"),
        SessionEnd::LoggedOut => ("OnSessionLoggedOut", "The session was logged out"),
        SessionEnd::Closed => ("OnSessionClosed", "The session was closed"),
        SessionEnd::Upgraded => ("OnSessionClosed", "The session continues after signing in"),
    }
}
