//! The repository in the shapes that `loggia-auth` asks for.

use std::sync::Arc;

use loggia_auth::{
    Credential, CredentialSource, SessionHash, SessionRow, SessionStore, SessionStoreError,
};
use loggia_model::{Moment, UserKey};
use loggia_repository::{Repository, store};

/// Local users' passwords.
pub(crate) struct LocalUsers(pub(crate) Repository);

impl CredentialSource for LocalUsers {
    fn credential(&self, key: &UserKey) -> Option<Credential> {
        match self.0.local_credential(key) {
            Ok(Some((user, hash))) => {
                let record = Arc::clone(self.0.site().user(user)?);
                Some(Credential { user, key: record.key.clone(), name: record.name.clone(), hash })
            }
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, "cannot read a credential");
                None
            }
        }
    }
}

/// Sessions in the repository's store.
pub(crate) struct StoredSessions(pub(crate) Repository);

impl SessionStore for StoredSessions {
    fn save(&self, changed: &[SessionRow], ended: &[SessionHash]) -> Result<(), SessionStoreError> {
        let rows: Vec<store::SessionRow> = changed
            .iter()
            .map(|row| store::SessionRow {
                hash: row.hash.text(),
                json: row.json.clone(),
                expires: row.expires,
            })
            .collect();
        let ended: Vec<String> = ended.iter().map(SessionHash::text).collect();
        self.0.save_sessions(&rows, &ended).map_err(|error| SessionStoreError(Box::new(error)))
    }

    fn load(&self, _: Moment) -> Result<Vec<SessionRow>, SessionStoreError> {
        let rows = self.0.load_sessions().map_err(|error| SessionStoreError(Box::new(error)))?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let hash = SessionHash::parse(&row.hash)?;
                Some(SessionRow { hash, json: row.json, expires: row.expires })
            })
            .collect())
    }
}
