//! The order of things: requests of one engine session run one after another as far as they change
//! it, reads between two changes run side by side, and what must be answered at once never waits.

use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use loggia_model::{AppId, Moment, Principal};
use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Shared;
use crate::app::Carried;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::frame::{self, Handles, Request};
use crate::handle::Target;
use crate::method::{self, Call, Row, Run};
use crate::params::Params;
use crate::patience::Patience;
use crate::session::{Key, Session, Socket, Sockets, Weight};
use crate::view;

/// How long a request is held back for its sender's allowance.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// An engine session with its queue.
pub(crate) struct Cell {
    pub(crate) key: Key,
    pub(crate) sockets: Sockets,
    session: RwLock<Session>,
    /// Begun with the session's first request, since many never make one. A channel keeps room for
    /// dozens of jobs from the first on: it is room for addresses.
    queue: OnceLock<mpsc::UnboundedSender<Box<Job>>>,
    /// Grows with each attach, so that an old timer does not end a session taken up again.
    generation: AtomicU64,
}

/// What the session has to do next.
pub(crate) enum Job {
    Request {
        socket: Arc<Socket>,
        request: Request,
        is_cancelled: Arc<AtomicBool>,
        weight: Weight,
    },
    /// Take over selections of before signing in.
    Carry(Carried),
    /// Objects of the app changed by somebody else.
    Refresh(AppId),
    /// The app's data were reloaded.
    Swap(AppId),
    /// A socket went away.
    Left(u64),
    Stop,
}

impl Cell {
    pub(crate) fn new(key: Key) -> Cell {
        Cell {
            key,
            sockets: Sockets::default(),
            session: RwLock::default(),
            queue: OnceLock::new(),
            generation: AtomicU64::new(0),
        }
    }

    /// Queues a request. The first one starts the queue, so this is called on the runtime.
    fn ask(self: &Arc<Cell>, shared: &Arc<Shared>, job: Job) {
        let queue = self.queue.get_or_init(|| {
            let (queue, jobs) = mpsc::unbounded_channel();
            tokio::spawn(run(self.clone(), shared.clone(), jobs));
            queue
        });
        let _ = queue.send(Box::new(job));
    }

    /// Queues what concerns only sessions that have done something: the others have nothing open
    /// that could change.
    pub(crate) fn post(&self, job: Job) {
        let queue = match &job {
            // A queue that nobody empties: it must not be started after this.
            Job::Stop => Some(self.queue.get_or_init(|| mpsc::unbounded_channel().0)),
            _ => self.queue.get(),
        };
        // The queue ends only after `Stop`, when nobody waits for an answer any more.
        if let Some(queue) = queue {
            let _ = queue.send(Box::new(job));
        }
    }

    pub(crate) fn attach(&self, socket: Arc<Socket>) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.sockets.add(socket);
    }

    /// Takes a socket out; says how many are left, and of which generation.
    pub(crate) fn detach(&self, socket: &Socket) -> (usize, u64) {
        for is_cancelled in socket.pending.lock().values() {
            is_cancelled.store(true, Ordering::Relaxed);
        }
        let left = self.sockets.remove(socket.number);
        self.post(Job::Left(socket.number));
        (left, self.generation.load(Ordering::Acquire))
    }

    pub(crate) fn is_abandoned(&self, generation: u64) -> bool {
        self.sockets.is_empty() && self.generation.load(Ordering::Acquire) == generation
    }

    /// What is selected now, to be carried elsewhere.
    pub(crate) fn selections(&self, until: Moment) -> Option<Carried> {
        self.session.read().document.as_ref().map(|document| Carried::of(document, until))
    }
}

/// Takes in a frame: answers at once what cannot or must not wait, and queues the rest.
pub(crate) fn receive(shared: &Arc<Shared>, cell: &Arc<Cell>, socket: &Arc<Socket>, text: &str) {
    let request = match Request::parse(text) {
        Ok(request) => request,
        Err(bad) => {
            socket.send(frame::answer(&bad.id, &Err(bad.fault), &Handles::default()));
            return;
        }
    };
    if request.handle == frame::GLOBAL_HANDLE
        && let Some(row) = method::find(crate::handle::Kind::Global, &request.method)
        && let Run::AtOnce(answer) = row.run
    {
        let Request { id, params, .. } = request;
        let patience = Patience::new(&shared.settings, &socket.caller, Arc::default());
        let call = Call {
            shared,
            socket,
            sockets: &cell.sockets,
            view: socket.view(),
            target: Target::Global,
            params: Params::new(row.params, params),
            request: &id,
            patience: &patience,
        };
        let outcome = guarded(row.name, || answer(&call));
        socket.send(frame::answer(&id, &outcome, &Handles::default()));
        return;
    }
    let is_cancelled = Arc::new(AtomicBool::new(false));
    match socket.pending.lock().entry(request.id.to_string()) {
        Entry::Vacant(free) => {
            free.insert(is_cancelled.clone());
        }
        // Two requests of one id could neither be counted nor taken back.
        Entry::Occupied(_) => {
            let refused = Err(Fault::invalid_request("id"));
            socket.send(frame::answer(&request.id, &refused, &Handles::default()));
            return;
        }
    }
    let weight = socket.weigh(text.len());
    cell.ask(shared, Job::Request { socket: socket.clone(), request, is_cancelled, weight });
}

async fn run(cell: Arc<Cell>, shared: Arc<Shared>, mut jobs: mpsc::UnboundedReceiver<Box<Job>>) {
    let mut reads = JoinSet::new();
    // One session leaves others room, however much it asks for at once.
    let share = shared.settings.parallel.div_ceil(2);
    while let Some(job) = jobs.recv().await {
        let job = *job;
        if matches!(job, Job::Stop) {
            break;
        }
        let reads_only = job.only_reads();
        if !reads_only {
            while reads.join_next().await.is_some() {}
        }
        while reads.try_join_next().is_some() {}
        while reads.len() >= share.max(1) {
            reads.join_next().await;
        }
        let Some(job) = affordable(job).await else { continue };
        let visitor_permit = match cell.key.principal {
            Principal::Anonymous(_) => shared.visitor_threads.clone().acquire_owned().await.ok(),
            Principal::User { .. } | Principal::Internal(_) => None,
        };
        let permit = shared.threads.clone().acquire_owned().await;
        let (cell, shared) = (cell.clone(), shared.clone());
        reads.spawn_blocking(move || {
            perform(&shared, &cell, job);
            drop((permit, visitor_permit));
        });
        if !reads_only {
            while reads.join_next().await.is_some() {}
        }
    }
}

/// Holds a request back until its sender may have more computed; one that would wait too long is
/// refused, and the session stays.
async fn affordable(job: Job) -> Option<Job> {
    let Job::Request { socket, request, is_cancelled, .. } = &job else { return Some(job) };
    let mut waited = Duration::ZERO;
    while let Some(wait) = socket.host.wait() {
        if is_cancelled.load(Ordering::Relaxed) {
            break;
        }
        if waited >= LONGEST_WAIT {
            let refused = Err(Fault::timed_out());
            let answer = frame::answer(&request.id, &refused, &Handles::default());
            socket.pending.lock().remove(&request.id.to_string());
            let socket = Arc::clone(socket);
            drop(job);
            socket.send(answer);
            return None;
        }
        // Not the whole time at once: the client may go away, and the allowance may be raised.
        let step = wait.min(Duration::from_secs(1));
        tokio::time::sleep(step).await;
        waited += step;
    }
    Some(job)
}

impl Job {
    /// Whether the session stays as it is, as far as can be told from outside.
    fn only_reads(&self) -> bool {
        let Job::Request { socket, request, .. } = self else { return false };
        let target = socket.handles.lock().target(request.handle);
        target
            .and_then(|target| method::find(target.kind(), &request.method))
            .is_none_or(|row| matches!(row.run, Run::Read(_)))
    }
}

fn perform(shared: &Arc<Shared>, cell: &Cell, job: Job) {
    match job {
        Job::Request { socket, request, is_cancelled, weight } => {
            let id = request.id.clone();
            let (outcome, handles) = if is_cancelled.load(Ordering::Relaxed) {
                (Err(Fault::aborted()), Handles::default())
            } else {
                let patience = Patience::new(&shared.settings, &socket.caller, is_cancelled);
                let started = Instant::now();
                let done = execute(shared, cell, &socket, request, &patience);
                socket.host.has_computed(started.elapsed());
                done
            };
            socket.pending.lock().remove(&id.to_string());
            drop(weight);
            socket.send(frame::answer(&id, &outcome, &handles));
            if let Some(end) = view::ended(shared, &socket) {
                socket.end(end.0, end.1);
            }
        }
        Job::Carry(carried) => {
            let mut session = cell.session.write();
            let Some(document) = &mut session.document else { return };
            if document.app == carried.app {
                let effects = carried.restore(document);
                cell.sockets.push(session.document.as_deref(), &effects, None);
            }
        }
        Job::Refresh(app) => {
            let mut session = cell.session.write();
            if session.document.as_deref().is_some_and(|document| document.app == app) {
                for socket in cell.sockets.list() {
                    refresh(shared, &mut session, &socket);
                }
            }
        }
        Job::Swap(app) => {
            let mut session = cell.session.write();
            let Some(document) = &mut session.document else { return };
            if document.app == app
                && let Ok(loaded) = shared.apps.load(&shared.repository, app)
            {
                let effects = document.swap(loaded);
                cell.sockets.push(session.document.as_deref(), &effects, None);
            }
        }
        Job::Left(number) => {
            let mut session = cell.session.write();
            let Some(document) = &mut session.document else { return };
            if document.modal.as_ref().is_some_and(|modal| modal.socket == number) {
                let effects = document.end_modal(false);
                cell.sockets.push(session.document.as_deref(), &effects, None);
            }
        }
        Job::Stop => {}
    }
}

fn execute(
    shared: &Arc<Shared>,
    cell: &Cell,
    socket: &Arc<Socket>,
    request: Request,
    patience: &Patience,
) -> (Result<Value, Fault>, Handles) {
    let Request { id, handle, method, params } = request;
    let refuse = |fault| (Err(fault), Handles::default());
    let Some(target) = socket.handles.lock().target(handle) else {
        return refuse(Fault::invalid_handle());
    };
    let Some(row) = method::find(target.kind(), &method) else {
        return refuse(Fault::method_not_found(&method));
    };
    if target != Target::Global
        && let Err(fault) = check_access(shared, cell, socket, row.is_activity())
    {
        return refuse(fault);
    }
    let call = Call {
        shared,
        socket,
        sockets: &cell.sockets,
        view: socket.view(),
        target,
        params: Params::new(row.params, params),
        request: &id,
        patience,
    };
    match row.run {
        Run::AtOnce(answer) => (guarded(row.name, || answer(&call)), Handles::default()),
        Run::Read(read) => {
            let outcome = guarded(row.name, || read(&call, &cell.session.read()));
            if patience.is_cancelled() {
                return refuse(Fault::aborted());
            }
            (outcome, Handles::default())
        }
        Run::Change(change) => run_change(cell, &call, row, change),
    }
}

fn run_change(
    cell: &Cell,
    call: &Call<'_>,
    row: &Row,
    change: method::Change,
) -> (Result<Value, Fault>, Handles) {
    let mut session = cell.session.write();
    let outcome = guarded(row.name, || change(call, &mut session));
    match outcome {
        Ok((value, effects)) => {
            let document = session.document.as_deref();
            let handles = call.socket.stale_handles(document, &effects);
            cell.sockets.push(document, &effects, Some(call.socket.number));
            (Ok(value), handles)
        }
        // What failed because it was taken back says so.
        Err(_) if call.patience.is_cancelled() => (Err(Fault::aborted()), Handles::default()),
        Err(fault) => (Err(fault), Handles::default()),
    }
}

/// Looks at the site again when it has changed since this socket last did, and takes the next
/// licence unit where one is due.
fn check_access(
    shared: &Arc<Shared>,
    cell: &Cell,
    socket: &Arc<Socket>,
    is_activity: bool,
) -> Result<(), Fault> {
    if socket.view().is_current(shared) {
        return keep_alive(shared, socket, is_activity);
    }
    let mut session = cell.session.write();
    refresh(shared, &mut session, socket);
    drop(session);
    if socket.view().is_lost() {
        Err(Fault::access_denied())
    } else {
        keep_alive(shared, socket, is_activity)
    }
}

fn keep_alive(shared: &Shared, socket: &Socket, is_activity: bool) -> Result<(), Fault> {
    if is_activity { view::keep_alive(shared, socket) } else { Ok(()) }
}

/// Brings a socket's view up to date and tells it what that changed.
fn refresh(shared: &Arc<Shared>, session: &mut Session, socket: &Arc<Socket>) {
    let Some(document) = &mut session.document else { return };
    let before = socket.view();
    if before.is_lost() || before.is_current(shared) {
        return;
    }
    let visit = socket.host.visit_info();
    let after = Arc::new(before.renewed(shared, &socket.caller, document.app, &visit));
    *socket.view.write() = after.clone();
    if after.is_lost() {
        return;
    }
    let mut effects = before.difference(&after);
    for target in effects.closed.clone() {
        if let Target::Object(id) = target {
            effects = effects.and(document.forget(&id));
        }
    }
    let handles = socket.stale_handles(session.document.as_deref(), &effects);
    if !handles.is_empty() {
        socket.send(frame::push(&handles));
    }
}

/// A fault of ours in one request must not take the session down.
fn guarded<T>(method: &str, run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        tracing::error!(method, "a request of method {method} failed inside");
        Err(Fault::internal())
    })
}

/// The effects of what one session did on the other sessions that have the app open.
pub(crate) fn announce(shared: &Shared, app: AppId, effects: &Effects) {
    if effects.is_none() {
        return;
    }
    for cell in shared.cells() {
        cell.post(Job::Refresh(app));
    }
}
