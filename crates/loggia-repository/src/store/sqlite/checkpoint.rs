//! Who copies the journal back into the file? A thread of its own, now and then: left to itself,
//! the library lets one commit in a hundred do it, and whoever waits for that one waits for long.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{failed, open_existing};
use crate::store::StoreError;

/// Counts commits, and begins a checkpoint when there were many.
#[derive(Default)]
pub(super) struct Checkpoints {
    commits: AtomicU32,
    is_running: Arc<AtomicBool>,
}

/// Commits between two checkpoints: some ten megabytes of journal. The disk is busy with each, so
/// that fewer than one commit in a hundred meets one.
const COMMITS: u32 = 512;
/// Pages of journal at which a commit copies them itself: what the thread could not keep up with.
pub(super) const MOST_PAGES: u32 = 16_000;

impl Checkpoints {
    /// To be called after each commit.
    pub(super) fn committed(&self, path: &Path) {
        if self.commits.fetch_add(1, Ordering::Relaxed) < COMMITS {
            return;
        }
        if self.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        self.commits.store(0, Ordering::Relaxed);
        let (path, is_running) = (path.to_owned(), self.is_running.clone());
        let thread = std::thread::Builder::new().name("loggia-checkpoint".to_owned());
        let started = thread.spawn(move || {
            if let Err(error) = checkpoint(&path) {
                tracing::debug!("cannot copy the journal back yet: {error}");
            }
            is_running.store(false, Ordering::Release);
        });
        if started.is_err() {
            self.is_running.store(false, Ordering::Release);
        }
    }
}

/// Copies what can be copied without making anybody wait. A journal that was copied to its end
/// begins anew with the next commit, so it is tried some times to get there.
fn checkpoint(path: &Path) -> Result<(), StoreError> {
    let connection = open_existing(path)?;
    for _ in 0..4 {
        let (pages, copied): (i64, i64) = connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))
            .map_err(failed)?;
        if pages == copied {
            break;
        }
    }
    Ok(())
}
