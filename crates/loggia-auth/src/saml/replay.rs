//! Assertions that were used: each is good once, also after a restart.

use std::collections::HashMap;
use std::fmt;

use loggia_model::Moment;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::saml::SamlError;
use crate::secret::hexadecimal;

/// Where used assertions are kept across restarts. Calls may block.
pub trait ReplayStore: Send + Sync {
    /// What was used and must be remembered still: fingerprints and until when.
    fn load(&self) -> Result<Vec<(String, Moment)>, String>;

    /// Remembers one more, durably, before it is used.
    fn remember(&self, fingerprint: &str, until: Moment) -> Result<(), String>;

    /// Forgets all but these.
    fn keep_only(&self, remembered: &[(String, Moment)]) -> Result<(), String>;
}

/// Used assertions, until they would be refused for their age anyway.
pub struct ReplayCache {
    store: Box<dyn ReplayStore>,
    used: Mutex<HashMap<String, Moment>>,
}

/// How many are kept before old ones are looked for.
const SWEEP_AT: usize = 1_000;

impl ReplayCache {
    /// The cache with what its store remembers.
    pub fn open(store: Box<dyn ReplayStore>) -> Result<ReplayCache, String> {
        let used = store.load()?.into_iter().collect();
        Ok(ReplayCache { store, used: Mutex::new(used) })
    }

    /// Uses an assertion; refused when that was done before. What cannot be remembered is not
    /// used.
    pub fn take(
        &self,
        issuer: &str,
        id: &str,
        until: Moment,
        now: Moment,
    ) -> Result<(), SamlError> {
        let mut hasher = Sha256::new();
        hasher.update(issuer.as_bytes());
        hasher.update([0]);
        hasher.update(id.as_bytes());
        let fingerprint = hexadecimal(&hasher.finalize());
        let mut used = self.used.lock();
        if used.contains_key(&fingerprint) {
            return Err(SamlError::Replayed);
        }
        if used.len() >= SWEEP_AT
            && used.values().filter(|end| end.0 < now.0).count() * 2 > used.len()
        {
            used.retain(|_, end| end.0 >= now.0);
            let kept: Vec<(String, Moment)> =
                used.iter().map(|(fingerprint, end)| (fingerprint.clone(), *end)).collect();
            self.store.keep_only(&kept).map_err(SamlError::Internal)?;
        }
        self.store.remember(&fingerprint, until).map_err(SamlError::Internal)?;
        used.insert(fingerprint, until);
        Ok(())
    }
}

impl fmt::Debug for ReplayCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplayCache({} used)", self.used.lock().len())
    }
}
