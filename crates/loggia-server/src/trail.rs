//! The audit trail of a server: its key, the thread that writes it, what becomes of old rows, and
//! where it is sent.

pub(crate) mod command;
mod syslog;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use loggia_model::Moment;
use loggia_repository::loggia_audit::Key;
use loggia_repository::{Repository, Retention};
use parking_lot::Mutex;
use tracing::{error, info, warn};

use crate::private_file;
use crate::settings::SyslogTarget;
use syslog::Syslog;

/// When retention looks again.
const EVERY_MINUTES: i64 = 60;

/// Says when it is time to let old rows go.
pub(crate) struct Retiring {
    retention: Retention,
    next: Mutex<Moment>,
}

impl Retiring {
    pub(crate) fn new(retention: Retention) -> Retiring {
        Retiring { retention, next: Mutex::new(Moment(i64::MIN)) }
    }

    /// What to keep, if it is time.
    pub(crate) fn due(&self, now: Moment) -> Option<Retention> {
        let mut next = self.next.lock();
        if now < *next {
            return None;
        }
        *next = now.plus_minutes(EVERY_MINUTES);
        Some(self.retention)
    }
}

/// The key that seals the trail, made at the first start. It lies beside the database and not in
/// it: who can write there alone cannot make another end of the trail.
pub(crate) fn key(data: &Path) -> anyhow::Result<Key> {
    let path = data.join("audit.key");
    if !path.exists() {
        let mut bytes = [0_u8; 32];
        for (half, random) in bytes.chunks_mut(16).zip([uuid::Uuid::new_v4(), uuid::Uuid::new_v4()])
        {
            half.copy_from_slice(random.as_bytes());
        }
        private_file::write(&path, &bytes)?;
    }
    known_key(data)?.with_context(|| format!("cannot read {}", path.display()))
}

/// The key, where there is one.
pub(crate) fn known_key(data: &Path) -> anyhow::Result<Option<Key>> {
    let path = data.join("audit.key");
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| anyhow::anyhow!("{} is not a key of 32 bytes", path.display()))?;
    Ok(Some(Key::new(&bytes)))
}

/// What writes the trail, and what sends it away.
pub(crate) struct Threads {
    writer: JoinHandle<()>,
    sender: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

/// Begins to write.
pub(crate) fn start(
    repository: &Repository,
    syslog: Option<SyslogTarget>,
) -> anyhow::Result<Threads> {
    if let Err(error) = repository.open_trail() {
        // Administrators are refused until it can be written; visitors go on.
        error!(%error, "the audit trail cannot be written");
    }
    let writing = repository.clone();
    let writer = std::thread::Builder::new()
        .name("audit trail".to_owned())
        .spawn(move || writing.write_trail())
        .context("cannot start the thread that writes the audit trail")?;
    let sender = match syslog {
        None => None,
        Some(target) => {
            let mut syslog = Syslog::new(target);
            if let Err(error) = syslog.begin(repository) {
                warn!("the audit trail waits for its syslog receiver: {error:#}");
            }
            let is_stopping = Arc::new(AtomicBool::new(false));
            let (stop, sending) = (is_stopping.clone(), repository.clone());
            let thread = std::thread::Builder::new()
                .name("audit syslog".to_owned())
                .spawn(move || send_until(&stop, &sending, &mut syslog))
                .context("cannot start the thread that sends the audit trail")?;
            Some((is_stopping, thread))
        }
    };
    Ok(Threads { writer, sender })
}

/// Sends what is new every second. A receiver that is away gets the rest when it is back.
fn send_until(stop: &AtomicBool, repository: &Repository, syslog: &mut Syslog) {
    let mut is_told = false;
    loop {
        let is_last = stop.load(Ordering::Acquire);
        match syslog.send_new(repository) {
            Ok(()) => is_told = false,
            Err(error) if !is_told => {
                is_told = true;
                warn!("the audit trail waits for its syslog receiver: {error:#}");
            }
            Err(_) => {}
        }
        if is_last {
            return;
        }
        std::thread::park_timeout(Duration::from_secs(1));
    }
}

/// Writes what is left.
pub(crate) fn stop(repository: &Repository, threads: Threads) {
    if let Err(error) = repository.close_trail() {
        error!(%error, "the end of the audit trail could not be written");
    }
    if threads.writer.join().is_err() {
        error!("the writer of the audit trail failed");
    }
    if let Some((is_stopping, thread)) = threads.sender {
        is_stopping.store(true, Ordering::Release);
        thread.thread().unpark();
        if thread.join().is_err() {
            error!("the sender of the audit trail failed");
        }
    }
}

/// Lets old rows go.
pub(crate) fn retire(repository: &Repository, retention: &Retention) {
    match repository.retire_trail(retention) {
        Ok(retired) if retired.rows + retired.addresses > 0 => info!(
            rows = retired.rows,
            addresses = retired.addresses,
            "the audit trail let {} rows go and forgot the addresses of {}",
            retired.rows,
            retired.addresses
        ),
        Ok(_) => {}
        Err(error) => warn!(%error, "old rows of the audit trail stay for now"),
    }
}
