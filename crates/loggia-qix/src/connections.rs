//! What a load script may read: folders of files, and sources that the server makes rows of itself.
//! A source is asked on behalf of whoever reloads, since scripts are written by people who may not
//! read everything.

use std::io::{Cursor, Error, ErrorKind, Read};

use loggia_model::Caller;
use loggia_script::{ConnectError, Connector, FolderConnector};

use crate::{DataSource, Settings};

/// Everything that one reload may read.
pub(crate) struct Connections<'a> {
    folders: FolderConnector,
    settings: &'a Settings,
    caller: &'a Caller,
}

impl<'a> Connections<'a> {
    pub(crate) fn of(settings: &'a Settings, caller: &'a Caller) -> Connections<'a> {
        let mut folders = FolderConnector::new();
        for (name, folder) in &settings.folders {
            folders = folders.with_root(name, folder);
        }
        Connections { folders, settings, caller }
    }

    /// The source that a location means, and the path in it.
    fn source<'l>(&self, location: &'l str) -> Option<(&dyn DataSource, &'l str)> {
        let (scheme, rest) = location.split_at_checked(6)?;
        let (name, path) = rest.split_once('/')?;
        let (_, source) = self
            .settings
            .sources
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .filter(|_| scheme.eq_ignore_ascii_case("lib://"))?;
        Some((source.as_ref(), path))
    }
}

impl Connector for Connections<'_> {
    fn open(&self, location: &str) -> Result<Box<dyn Read + Send>, ConnectError> {
        let Some((source, path)) = self.source(location) else {
            return self.folders.open(location);
        };
        let location = location.to_owned();
        match source.read(self.caller, path) {
            Ok(text) => Ok(Box::new(Cursor::new(text))),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(ConnectError::Missing { location })
            }
            Err(error) => Err(ConnectError::Unreadable { location, source: plain(error) }),
        }
    }

    fn list(&self, location: &str) -> Result<Vec<String>, ConnectError> {
        match self.source(location) {
            Some(_) => Ok(vec![location.to_owned()]),
            None => self.folders.list(location),
        }
    }
}

/// What whoever reloads may read of a failure.
fn plain(error: Error) -> Error {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::PermissionDenied, "it is not for whoever reloads the app")
        }
        _ => error,
    }
}
