//! Starting, listening, stopping.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use loggia_auth::{FormScheme, LdapScheme, Outside, Passwords, Scheme, Sessions, VisitorKey};
use loggia_model::Moment;
use loggia_proxy::page::Templates;
use loggia_proxy::{Ingredients, Proxy};
use loggia_qix::Engine;
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{Repository, Site};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::adapters::{LocalUsers, StoredSessions};
use crate::authority::{Authority, Names};
use crate::directories::{self, LdapDirectories, SiteDirectories};
use crate::front::Front;
use crate::hub_bodies::HubBodies;
use crate::hub_frames::HubFrames;
use crate::listen::{Crowd, Door, FAREWELL, HeadLimits};
use crate::operator::Counts;
use crate::settings::{Settings, Tls};
use crate::tls::{CertificateSource, Certificates};
use crate::trail::Retiring;
use crate::visits::TrailSource;
use crate::{
    clock, demo, examine, operator, private_file, redirecting, shipped, tls, trusted, visits, web,
};

/// A server that listens.
pub struct Running {
    pub address: SocketAddr,
    /// Where plain requests are led to the encrypted address, and where operators look.
    pub redirect_address: Option<SocketAddr>,
    pub operator_address: Option<SocketAddr>,
    /// Where login modules and scripts call.
    pub trusted_address: Option<SocketAddr>,
    pub front: Arc<Front>,
    /// What there is to say to whoever started it, such as the demo people.
    pub greeting: String,
    stopping: watch::Sender<bool>,
    accepting: JoinSet<()>,
    /// Writes the audit trail.
    writer: crate::trail::Threads,
    /// Held until the end: one server a data folder.
    _lock: File,
}

/// Connections to each of the doors beside the public one: few know them.
const SIDE_DOOR: usize = 256;

/// Time for sessions and everything that waits: steady, also when the wall clock is set.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// Opens everything and listens.
pub async fn start(settings: Settings) -> anyhow::Result<Running> {
    let clocks = Clocks { steady: Arc::new(clock::steady()), wall: Arc::new(clock::wall) };
    start_with(clocks, settings).await
}

/// The same by another clock than the machine's.
pub async fn start_by(clock: Clock, settings: Settings) -> anyhow::Result<Running> {
    start_with(Clocks { steady: Arc::clone(&clock), wall: clock }, settings).await
}

/// The two clocks of a server.
struct Clocks {
    steady: Clock,
    /// For what people read and pay for.
    wall: Clock,
}

async fn start_with(clocks: Clocks, settings: Settings) -> anyhow::Result<Running> {
    settings.check()?;
    let crowd = Crowd::new(
        settings.max_connections,
        settings.max_connections_per_address,
        settings.trusted_proxies.clone(),
    );
    let mut public = Door::open(settings.listen, Arc::clone(&crowd)).await?;
    let address = public.address()?;
    let redirect = match settings.redirect_listen {
        Some(address) => Some(Door::open(address, crowd).await?),
        None => None,
    };
    let side_door = || Crowd::new(SIDE_DOOR, SIDE_DOOR as u32, Vec::new());
    let operator = match settings.operator_listen {
        Some(address) => Some(Door::open(address, side_door()).await?),
        None => None,
    };
    let mut trusted = match settings.trusted_listen {
        Some(address) => Some(Door::open(address, side_door()).await?),
        None => None,
    };
    let (lock, is_alone) = lock_folder(&settings.data, settings.shared)?;
    if let Some(door) = trusted.take() {
        trusted = Some(for_callers(door, &settings.data)?);
    }
    let opening = settings.clone();
    let (front, greeting) = tokio::task::spawn_blocking(move || open(&opening, clocks, is_alone))
        .await
        .context("while opening")??;
    if settings.shared && is_alone {
        lock.try_lock_shared().context("cannot share the data folder")?;
    }
    let front = Arc::new(front);
    let writer = crate::trail::start(&front.repository, settings.audit.syslog.clone())?;
    if let Some(certificates) = &front.certificates {
        let certificates = Arc::clone(certificates);
        public = public.encrypted(tls::public_config(certificates)?);
    }
    let repository = front.repository.clone();
    public = public.limited(Arc::new(move || head_limits(&repository.site())));
    let (stopping, stop) = watch::channel(false);
    tokio::spawn(keep_house(Arc::clone(&front), stop.clone()));
    let directories = LdapDirectories::new(tokio::runtime::Handle::current(), stop.clone());
    front.repository.connect_directories(Arc::new(directories));
    tokio::spawn(directories::keep_in_step(front.repository.clone(), stop.clone()));
    if settings.visitors_reload_minutes > 0 {
        let every = settings.visitors_reload_minutes;
        tokio::spawn(visits::keep_current(Arc::clone(&front), every, stop.clone()));
    }
    let mut accepting = JoinSet::new();
    let redirect_address = redirect.as_ref().map(Door::address).transpose()?;
    if let Some(door) = redirect {
        let answer = move |_, request| redirecting::answer(address.port(), request);
        accepting.spawn(door.serve(answer, stop.clone()));
    }
    let operator_address = operator.as_ref().map(Door::address).transpose()?;
    if let Some(door) = operator {
        let front = Arc::clone(&front);
        let answer = move |_, request| operator::answer(Arc::clone(&front), request);
        accepting.spawn(door.serve(answer, stop.clone()));
    }
    let trusted_address = trusted.as_ref().map(Door::address).transpose()?;
    if let (Some(door), Some(address)) = (trusted, trusted_address) {
        front.proxy.set_trusted_port(address.port());
        let front = Arc::clone(&front);
        let answer = move |peer, request| trusted::answer(Arc::clone(&front), peer, request);
        accepting.spawn(door.serve(answer, stop.clone()));
        info!(%address, "programs with a certificate of this site call {address}");
    }
    let answering = Arc::clone(&front);
    let answer = move |peer, request| {
        let front = Arc::clone(&answering);
        async move { front.answer(peer, request).await }
    };
    accepting.spawn(public.serve(answer, stop));
    front.is_ready.store(true, Ordering::Relaxed);
    info!(%address, "listening on {address}");
    Ok(Running {
        address,
        redirect_address,
        operator_address,
        trusted_address,
        front,
        greeting,
        stopping,
        accepting,
        writer,
        _lock: lock,
    })
}

/// Makes a door that opens only to callers with a certificate of the site's authority.
fn for_callers(door: Door, data: &Path) -> anyhow::Result<Door> {
    let authority = Authority::open(data, clock::wall())?;
    let roots = authority.roots()?;
    let names = Names::new(authority, door.address()?.ip(), clock::wall);
    Ok(door.encrypted(tls::mutual_config(Arc::new(names), roots)?))
}

impl Running {
    /// Ends connections and sockets, saves the sessions, and returns.
    pub async fn stop(mut self) {
        self.front.is_ready.store(false, Ordering::Relaxed);
        // Nobody receives it when the tasks have ended by themselves.
        let _ = self.stopping.send(true);
        self.front.engine.stop();
        while let Some(ended) = self.accepting.join_next().await {
            if let Err(error) = ended {
                error!(%error, "a listener failed");
            }
        }
        let mut sockets = self.front.sockets.subscribe();
        let closed = sockets.wait_for(|open| *open == 0);
        if tokio::time::timeout(FAREWELL, closed).await.is_err() {
            warn!("some sockets did not close in time");
        }
        let sessions = self.front.proxy.sessions().clone();
        let (repository, writer) = (self.front.repository.clone(), self.writer);
        let closing = tokio::task::spawn_blocking(move || crate::trail::stop(&repository, writer));
        if let Err(error) = closing.await {
            error!(%error, "the audit trail was not closed");
        }
        match tokio::task::spawn_blocking(move || sessions.save_all()).await {
            Ok(Ok(())) => info!("stopped"),
            Ok(Err(error)) => error!(%error, "sessions could not be saved"),
            Err(error) => error!(%error, "sessions could not be saved"),
        }
    }
}

/// Makes this process the only server of a data folder, or one of those that share it, and says
/// whether it is alone so far. The folder is made when it is missing. Two that do not know of each
/// other would each keep their own sessions and sweep each other's half-written files.
fn lock_folder(data: &Path, shared: bool) -> anyhow::Result<(File, bool)> {
    private_file::make_folder(data)?;
    let path = data.join("loggia.lock");
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let alone = lock.try_lock();
    let is_alone = alone.is_ok();
    // The first of several gives the lock up for a shared one when it has tidied up.
    match if shared && !is_alone { lock.try_lock_shared() } else { alone } {
        Ok(()) => Ok((lock, is_alone)),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another loggia serves the data folder {}; stop it, choose another folder with --data, \
             or start both with --shared",
            data.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The repository of a data folder, which is made when it is missing.
pub(crate) fn open_repository(data: &Path) -> anyhow::Result<Repository> {
    open_repository_by(Arc::new(clock::wall), data, true)
}

fn open_repository_by(
    clock: Clock,
    data: &Path,
    keeps_addresses: bool,
) -> anyhow::Result<Repository> {
    private_file::make_folder(data)?;
    let file = data.join("loggia.db");
    let store = SqliteStore::open(&file)
        .with_context(|| format!("cannot open the database {}", file.display()))?
        .sealed_by(crate::trail::key(data)?);
    let settings = loggia_repository::Settings { keeps_addresses, ..repository_settings(data) };
    Repository::open(Arc::new(store), Arc::new(move || clock()), settings)
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
    let visits = TrailSource(repository.clone());
    settings.sources.push((visits::CONNECTION.to_owned(), Arc::new(visits)));
    Engine::new(repository.clone(), settings)
}

fn repository_settings(data: &Path) -> loggia_repository::Settings {
    loggia_repository::Settings::new(data)
}

/// What the proxy service's settings say of requests; a change holds for the next connection.
fn head_limits(site: &Site) -> HeadLimits {
    let service = site.proxy_service();
    HeadLimits {
        bytes: service.max_header_bytes as usize,
        lines: service.max_header_lines as usize,
        idle: Duration::from_secs(u64::from(service.keep_alive_seconds)),
    }
}

/// The certificate of the public listener, where it is encrypted.
fn certificates(settings: &Settings) -> anyhow::Result<Option<Arc<Certificates>>> {
    let source = match &settings.tls {
        Tls::No => return Ok(None),
        Tls::Files { certificate, key } => {
            CertificateSource::Files { certificate: certificate.clone(), key: key.clone() }
        }
        Tls::SelfSigned => CertificateSource::SelfSigned { folder: settings.data.join("tls") },
    };
    Ok(Some(Certificates::open(source, clock::wall())?))
}

fn open(settings: &Settings, clocks: Clocks, is_alone: bool) -> anyhow::Result<(Front, String)> {
    let Clocks { steady: clock, wall } = clocks;
    let certificates = certificates(settings)?;
    let repository = open_repository_by(wall, &settings.data, settings.audit.keeps_addresses)?;
    repository.examine_entrances_with(examine::entrance);
    if is_alone {
        // Another server's half-written files look like what a crash left.
        repository.sweep_data().context("cannot sweep what a crash left of data files")?;
    }
    let engine = engine(&repository, settings.demo_files.as_deref());
    let greeting = if settings.demo {
        demo::lay_out(&repository, &engine, &settings.data)
            .context("cannot lay out the demo content")?
    } else {
        String::new()
    };
    if is_alone && settings.visitors_reload_minutes > 0 {
        shipped::lay_out(&repository, &engine, &settings.data)
            .context("cannot lay out the shipped apps")?;
    }
    let store = Box::new(StoredSessions(repository.clone()));
    let sessions = if settings.shared { Sessions::shared(store) } else { Sessions::new(store) };
    let restored = sessions.restore(clock()).context("cannot restore the sessions")?;
    if restored > 0 {
        info!(restored, "{restored} sessions go on");
    }
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let passwords = Passwords::new(processors.div_ceil(2), 64);
    let form = FormScheme::new(
        Box::new(LocalUsers(repository.clone())),
        passwords.clone(),
        settings.default_directory.clone(),
    );
    let of_directories = LdapScheme::new(
        Arc::new(SiteDirectories(repository.clone())),
        passwords,
        form.attempts(),
        settings.default_directory.clone(),
    );
    let schemes: Vec<Box<dyn Scheme>> = vec![Box::new(of_directories), Box::new(form)];
    let upgraded = engine.clone();
    let proxy = Proxy::new(Ingredients {
        repository: repository.clone(),
        sessions,
        schemes,
        templates: Templates::new(web::page),
        trusted: settings.trusted_proxies.clone(),
        clock,
        outside: outside(settings)?,
        keys: settings.data.join("keys"),
        #[cfg(feature = "saml")]
        saml: crate::saml::open(&settings.data).context("cannot open what SAML keeps")?,
        #[cfg(not(feature = "saml"))]
        saml: loggia_proxy::Saml,
        visitor_key: visitor_key(&settings.data)?,
        on_upgrade: Box::new(move |from, to| upgraded.carry_selections(from, to)),
    });
    let content = settings.data.join("content");
    let front = Front {
        proxy,
        repository,
        engine,
        hub_bodies: HubBodies::default(),
        hub_frames: HubFrames::default(),
        content,
        is_ready: AtomicBool::new(false),
        sockets: watch::Sender::new(0),
        certificates,
        counts: Counts::default(),
        retiring: Retiring::new(settings.audit.retention),
        visitors: Semaphore::new(processors),
    };
    Ok((front, greeting))
}

/// The key of visitor cookies, made at the first start. Servers that share a folder share it, so
/// that a browser is known to each of them.
fn visitor_key(data: &Path) -> anyhow::Result<VisitorKey> {
    let file = data.join("visitor.key");
    if let Some(key) = read_visitor_key(&file)? {
        return Ok(key);
    }
    // Two servers that start at once must end up with one key: the lock of the folder is shared.
    let fresh = VisitorKey::random().context("cannot make the key of visitor cookies")?;
    match private_file::write_new(&file, fresh.reveal())? {
        true => Ok(fresh),
        false => read_visitor_key(&file)?.context("another server's key vanished"),
    }
}

fn read_visitor_key(file: &Path) -> anyhow::Result<Option<VisitorKey>> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let key = VisitorKey::from_bytes(&bytes).with_context(|| {
                format!("{} is no key; delete it to have a new one made", file.display())
            })?;
            Ok(Some(key))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
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
    let seconds_to_compaction = Arc::new(AtomicU32::new(0));
    loop {
        tokio::select! {
            _ = every_second.tick() => {}
            _ = stop.changed() => return,
        }
        let worker = Arc::clone(&front);
        let to_compaction = Arc::clone(&seconds_to_compaction);
        let work = tokio::task::spawn_blocking(move || {
            worker.proxy.sessions().sweep(worker.proxy.now());
            worker.hub_bodies.sweep();
            if let Some(retention) = worker.retiring.due(worker.proxy.now()) {
                crate::trail::retire(&worker.repository, &retention);
            }
            if let Err(error) = worker.proxy.sessions().save() {
                warn!(%error, "sessions wait for the store");
            }
            if let Err(error) = worker.proxy.sessions().follow(worker.proxy.now()) {
                warn!(%error, "cannot look for sessions of other servers");
            }
            if let Err(error) = worker.repository.refresh() {
                warn!(%error, "cannot look for changes by other processes");
            }
            if let Some(certificates) = &worker.certificates {
                certificates.refresh(clock::wall());
            }
            compact(&worker, &to_compaction);
        });
        if let Err(error) = work.await {
            error!(%error, "housekeeping failed");
        }
    }
}

/// Moves old lines of the ledger aside: some each second while there are any, else once an hour.
fn compact(front: &Front, seconds_to_go: &AtomicU32) {
    let seconds = seconds_to_go.load(Ordering::Relaxed);
    if seconds > 0 {
        return seconds_to_go.store(seconds - 1, Ordering::Relaxed);
    }
    match front.repository.compact_ledger() {
        Ok(0) => seconds_to_go.store(3_600, Ordering::Relaxed),
        Ok(_) => {}
        Err(error) => {
            warn!(%error, "cannot compact the ledger of licences");
            seconds_to_go.store(3_600, Ordering::Relaxed);
        }
    }
}
