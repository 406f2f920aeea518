//! How a script reaches files.

pub(crate) mod folder;

use std::io::Read;

/// Opens what `FROM` names. A connector decides what may be read; scripts are written by people who may not read everything.
pub trait Connector {
    /// `location` is as in the script, such as `lib://Sales/2013/orders.csv`.
    fn open(&self, location: &str) -> Result<Box<dyn Read + Send>, ConnectError>;

    /// The files that a location with `*` or `?` in its last part means, sorted.
    fn list(&self, location: &str) -> Result<Vec<String>, ConnectError> {
        Ok(vec![location.to_owned()])
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("`{location}` does not name a connection: write `lib://connection/path`")]
    NotALocation { location: String },
    #[error("there is no connection `{name}`")]
    UnknownConnection { name: String, known: Vec<String> },
    #[error("the path `{path}` leaves the folder of its connection")]
    Outside { path: String },
    #[error("there is no file `{location}`")]
    Missing { location: String },
    #[error("cannot read `{location}`")]
    Unreadable { location: String, source: std::io::Error },
}

/// No connection at all: for checks, and for scripts of inline data.
pub struct NoFiles;

impl Connector for NoFiles {
    fn open(&self, location: &str) -> Result<Box<dyn Read + Send>, ConnectError> {
        let (name, _) = split_location(location)?;
        Err(ConnectError::UnknownConnection { name: name.to_owned(), known: Vec::new() })
    }
}

/// `lib://Name/path` as name and path.
pub(crate) fn split_location(location: &str) -> Result<(&str, &str), ConnectError> {
    let refused = || ConnectError::NotALocation { location: location.to_owned() };
    let scheme = location
        .get(..6)
        .filter(|scheme| scheme.eq_ignore_ascii_case("lib://"))
        .ok_or_else(refused)?;
    let rest = &location[scheme.len()..];
    let (name, path) = rest.split_once('/').ok_or_else(refused)?;
    if name.is_empty() || path.is_empty() { Err(refused()) } else { Ok((name, path)) }
}
