//! Sessions outlive a restart through a store that is written behind the requests.

use loggia_model::Moment;
use thiserror::Error;

use crate::secret::SessionHash;

/// One session as the store sees it: opaque, except for when it may be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    pub hash: SessionHash,
    pub json: String,
    pub expires: Moment,
}

/// Why a store did not save or load.
#[derive(Debug, Error)]
#[error("the session store failed: {0}")]
pub struct SessionStoreError(pub Box<dyn std::error::Error + Send + Sync>);

/// Where sessions are kept across restarts. Calls may block; nobody calls it on a request's path.
pub trait SessionStore: Send + Sync {
    /// Writes `changed` over what is there and forgets `ended`, in one transaction.
    fn save(&self, changed: &[SessionRow], ended: &[SessionHash]) -> Result<(), SessionStoreError>;

    /// All rows that expire after `now`.
    fn load(&self, now: Moment) -> Result<Vec<SessionRow>, SessionStoreError>;

    /// One row, if the store has it. Only asked where several servers share the store.
    fn find(&self, _hash: &SessionHash) -> Result<Option<SessionRow>, SessionStoreError> {
        Ok(None)
    }

    /// What was written since the change of that number, this server's own changes included.
    fn changes(&self, since: i64) -> Result<Changes, SessionStoreError> {
        Ok(Changes { last: since, ..Changes::default() })
    }
}

/// What became of sessions since another server looked.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub written: Vec<SessionRow>,
    pub ended: Vec<SessionHash>,
    /// Number of the last change that is told of.
    pub last: i64,
}

/// Keeps nothing: for tests and for command lines.
#[derive(Debug)]
pub struct Forgetful;

impl SessionStore for Forgetful {
    fn save(&self, _: &[SessionRow], _: &[SessionHash]) -> Result<(), SessionStoreError> {
        Ok(())
    }

    fn load(&self, _: Moment) -> Result<Vec<SessionRow>, SessionStoreError> {
        Ok(Vec::new())
    }
}
