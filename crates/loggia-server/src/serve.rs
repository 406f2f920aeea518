//! Starting, listening, stopping.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use loggia_auth::{AddressBlock, FormScheme, Outside, Passwords, Scheme, Sessions};
use loggia_proxy::page::Templates;
use loggia_proxy::{Ingredients, Proxy};
use loggia_qix::Engine;
use loggia_repository::Repository;
use loggia_repository::store::sqlite::SqliteStore;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

use crate::adapters::{LocalUsers, StoredSessions};
use crate::connection::{ConnectionState, Guarded};
use crate::front::Front;
use crate::hub_bodies::HubBodies;
use crate::settings::Settings;
use crate::{clock, demo, web};

/// A server that listens.
pub struct Running {
    pub address: SocketAddr,
    pub front: Arc<Front>,
    /// What there is to say to whoever started it, such as the demo people.
    pub greeting: String,
    stopping: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
    /// Held until the end: one server a data folder.
    _lock: File,
}

/// How long connections may finish what they are at when the server stops.
const FAREWELL: Duration = Duration::from_secs(10);
/// Size of a request head, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// Opens everything and listens.
pub async fn start(settings: Settings) -> anyhow::Result<Running> {
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    let address = listener.local_addr()?;
    let lock = lock_folder(&settings.data)?;
    let opening = settings.clone();
    let (front, greeting) =
        tokio::task::spawn_blocking(move || open(&opening)).await.context("while opening")??;
    let front = Arc::new(front);
    let (stopping, stop) = watch::channel(false);
    tokio::spawn(keep_house(Arc::clone(&front), stop.clone()));
    let accepting = tokio::spawn(accept(listener, Arc::clone(&front), settings, stop));
    front.is_ready.store(true, Ordering::Relaxed);
    info!(%address, "listening on {address}");
    Ok(Running { address, front, greeting, stopping, accepting, _lock: lock })
}

impl Running {
    /// Ends connections and sockets, saves the sessions, and returns.
    pub async fn stop(self) {
        self.front.is_ready.store(false, Ordering::Relaxed);
        // Nobody receives it when the tasks have ended by themselves.
        let _ = self.stopping.send(true);
        self.front.engine.stop();
        if let Err(error) = self.accepting.await {
            error!(%error, "the listener failed");
        }
        let mut sockets = self.front.sockets.subscribe();
        let closed = sockets.wait_for(|open| *open == 0);
        if tokio::time::timeout(FAREWELL, closed).await.is_err() {
            warn!("some sockets did not close in time");
        }
        let sessions = self.front.proxy.sessions().clone();
        match tokio::task::spawn_blocking(move || sessions.save()).await {
            Ok(Ok(())) => info!("stopped"),
            Ok(Err(error)) => error!(%error, "sessions could not be saved"),
            Err(error) => error!(%error, "sessions could not be saved"),
        }
    }
}

/// Makes this process the only server of a data folder, which is made when it is missing. Two
/// would each keep their own sessions and sweep each other's half-written files.
fn lock_folder(data: &Path) -> anyhow::Result<File> {
    make_private_folder(data)?;
    let path = data.join("loggia.lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another loggia serves the data folder {}; stop it, or choose another folder with \
             --data",
            data.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The repository of a data folder, which is made when it is missing.
pub(crate) fn open_repository(data: &Path) -> anyhow::Result<Repository> {
    make_private_folder(data)?;
    let file = data.join("loggia.db");
    let store = SqliteStore::open(&file)
        .with_context(|| format!("cannot open the database {}", file.display()))?;
    Repository::open(Arc::new(store), Arc::new(clock::wall), repository_settings(data))
        .with_context(|| format!("cannot open the data folder {}", data.display()))
}

/// The repository of a data folder, for looking only.
pub(crate) fn inspect_repository(data: &Path) -> anyhow::Result<Repository> {
    let file = data.join("loggia.db");
    let store = SqliteStore::inspect(&file)
        .with_context(|| format!("cannot read the database {}", file.display()))?;
    Repository::inspect(Arc::new(store), Arc::new(clock::wall), repository_settings(data))
        .with_context(|| format!("cannot read the data folder {}", data.display()))
}

/// The engine over a repository.
pub(crate) fn engine(repository: &Repository, demo_files: Option<&Path>) -> Engine {
    let mut settings = loggia_qix::Settings::default();
    if let Some(folder) = demo_files {
        settings.folders.push(("Demo".to_owned(), folder.to_owned()));
    }
    Engine::new(repository.clone(), settings)
}

fn repository_settings(data: &Path) -> loggia_repository::Settings {
    loggia_repository::Settings::new(data)
}

fn open(settings: &Settings) -> anyhow::Result<(Front, String)> {
    let repository = open_repository(&settings.data)?;
    repository.sweep_data().context("cannot sweep what a crash left of data files")?;
    let engine = engine(&repository, settings.demo_files.as_deref());
    let greeting = if settings.demo {
        demo::lay_out(&repository, &engine, &settings.data)
            .context("cannot lay out the demo content")?
    } else {
        String::new()
    };
    let steady = Arc::new(clock::steady());
    let sessions = Sessions::new(Box::new(StoredSessions(repository.clone())));
    let restored = sessions.restore(steady()).context("cannot restore the sessions")?;
    if restored > 0 {
        info!(restored, "{restored} sessions go on");
    }
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let form = FormScheme::new(
        Box::new(LocalUsers(repository.clone())),
        Passwords::new(processors.div_ceil(2), 64),
        settings.default_directory.clone(),
    );
    let schemes: Vec<Box<dyn Scheme>> = vec![Box::new(form)];
    let upgraded = engine.clone();
    let proxy = Proxy::new(Ingredients {
        repository: repository.clone(),
        sessions,
        schemes,
        templates: Templates::new(web::page),
        trusted: settings.trusted_proxies.clone(),
        clock: steady,
        outside: outside(settings)?,
        on_upgrade: Box::new(move |from, to| upgraded.carry_selections(from, to)),
    });
    let content = settings.data.join("content");
    let front = Front {
        proxy,
        repository,
        engine,
        hub_bodies: HubBodies::default(),
        content,
        is_ready: AtomicBool::new(false),
        sockets: watch::Sender::new(0),
    };
    Ok((front, greeting))
}

/// The client of identity providers.
fn outside(settings: &Settings) -> anyhow::Result<Outside> {
    let roots = match &settings.outside_ca {
        Some(path) => std::fs::read(path)
            .with_context(|| format!("outside-ca: cannot read {}", path.display()))?,
        None => Vec::new(),
    };
    Outside::new(settings.outside_allow.clone(), &roots).context("outside-ca")
}

/// Every second: end what timed out, save sessions, and take over what another process changed.
async fn keep_house(front: Arc<Front>, mut stop: watch::Receiver<bool>) {
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    every_second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every_second.tick() => {}
            _ = stop.changed() => return,
        }
        let worker = Arc::clone(&front);
        let work = tokio::task::spawn_blocking(move || {
            worker.proxy.sessions().sweep(worker.proxy.now());
            worker.hub_bodies.sweep();
            if let Err(error) = worker.proxy.sessions().save() {
                warn!(%error, "sessions wait for the store");
            }
            if let Err(error) = worker.repository.refresh() {
                warn!(%error, "cannot look for changes by other processes");
            }
        });
        if let Err(error) = work.await {
            error!(%error, "housekeeping failed");
        }
    }
}

async fn accept(
    listener: TcpListener,
    front: Arc<Front>,
    settings: Settings,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let crowd =
        Arc::new(Crowd { most: settings.max_connections_per_address, counts: Mutex::default() });
    let mut connections = JoinSet::new();
    loop {
        // A full house leaves newcomers waiting in the system's own queue.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stop.changed() => break,
        };
        let Ok(place) = place else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file handles, most likely: going round at once would only burn.
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = stop.changed() => break,
        };
        let Some(standing) = Crowd::join(&crowd, peer) else {
            debug!(%peer, "too many connections from one address");
            continue;
        };
        let (front, stop) = (Arc::clone(&front), stop.clone());
        connections.spawn(async move {
            serve_connection(front, stream, peer, stop).await;
            drop((place, standing));
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        warn!("some connections did not end in time");
    }
}

async fn serve_connection(
    front: Arc<Front>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "cannot send small answers at once");
    }
    let state = Arc::new(ConnectionState::default());
    let io = TokioIo::new(Guarded::new(stream, Arc::clone(&state)));
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (front, state) = (Arc::clone(&front), Arc::clone(&state));
        async move {
            let answering = state.begin();
            let response = front.answer(peer.ip(), request.map(Body::new)).await;
            if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                state.becomes_socket();
            }
            drop(answering);
            Ok::<_, Infallible>(response)
        }
    });
    // The library's own timer cannot tell an idle connection from a slow head; ours can.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .max_headers(100)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        debug!(%peer, %error, "connection ended");
    }
}

/// How many connections each address has.
struct Crowd {
    most: u32,
    counts: Mutex<HashMap<AddressBlock, u32>>,
}

/// One connection's place among those of its address.
struct Standing {
    crowd: Arc<Crowd>,
    block: AddressBlock,
}

impl Crowd {
    fn join(crowd: &Arc<Crowd>, peer: SocketAddr) -> Option<Standing> {
        let block = AddressBlock::from(peer.ip());
        let mut counts = crowd.counts.lock();
        let count = counts.entry(block).or_default();
        if *count >= crowd.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Standing { crowd: Arc::clone(crowd), block })
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts.lock();
        if let Some(count) = counts.get_mut(&self.block) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.block);
            }
        }
    }
}

fn make_private_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        // Password hashes and sessions are in it.
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}
