//! The repository in the shapes that `loggia-auth` asks for.

use std::sync::Arc;

use loggia_auth::{
    Changes, Credential, CredentialSource, SessionHash, SessionRow, SessionStore, SessionStoreError,
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
        Ok(rows.into_iter().filter_map(session_row).collect())
    }

    fn find(&self, hash: &SessionHash) -> Result<Option<SessionRow>, SessionStoreError> {
        let row = self.0.load_session(&hash.text());
        Ok(row.map_err(|error| SessionStoreError(Box::new(error)))?.and_then(session_row))
    }

    fn changes(&self, since: i64) -> Result<Changes, SessionStoreError> {
        let found = self.0.session_changes(since);
        let found = found.map_err(|error| SessionStoreError(Box::new(error)))?;
        Ok(Changes {
            written: found.written.into_iter().filter_map(session_row).collect(),
            ended: found.ended.iter().filter_map(|hash| SessionHash::parse(hash)).collect(),
            last: found.last,
        })
    }
}

fn session_row(row: store::SessionRow) -> Option<SessionRow> {
    let hash = SessionHash::parse(&row.hash)?;
    Some(SessionRow { hash, json: row.json, expires: row.expires })
}
