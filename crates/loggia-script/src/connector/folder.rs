//! Folders by name: `lib://Name/path` is a file below the folder called Name, and never anything outside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use loggia_engine::expression::wildcard_matches;

use super::{ConnectError, Connector, split_location};

/// Reads files below named root folders.
#[derive(Clone, Debug, Default)]
pub struct FolderConnector {
    roots: BTreeMap<String, PathBuf>,
}

impl FolderConnector {
    pub fn new() -> FolderConnector {
        FolderConnector::default()
    }

    /// Adds a folder under a name; names are compared whatever their case.
    pub fn with_root(mut self, name: &str, folder: impl Into<PathBuf>) -> FolderConnector {
        self.roots.insert(name.to_owned(), folder.into());
        self
    }

    fn root(&self, name: &str) -> Result<&Path, ConnectError> {
        let found = self.roots.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, folder)| folder.as_path()).ok_or_else(|| ConnectError::UnknownConnection {
            name: name.to_owned(),
            known: self.roots.keys().cloned().collect(),
        })
    }

    /// The real path of a location, links followed, if it is still below its root.
    fn resolve(&self, location: &str) -> Result<PathBuf, ConnectError> {
        let (name, path) = split_location(location)?;
        let root = self.root(name)?;
        let relative = inner_path(path)?;
        let missing = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                ConnectError::Missing { location: location.to_owned() }
            }
            _ => ConnectError::Unreadable { location: location.to_owned(), source },
        };
        let root = root.canonicalize().map_err(missing)?;
        let real = root.join(relative).canonicalize().map_err(missing)?;
        if real.starts_with(&root) {
            Ok(real)
        } else {
            Err(ConnectError::Outside { path: path.to_owned() })
        }
    }
}

impl Connector for FolderConnector {
    fn open(&self, location: &str) -> Result<Box<dyn Read + Send>, ConnectError> {
        let path = self.resolve(location)?;
        if !path.is_file() {
            return Err(ConnectError::Missing { location: location.to_owned() });
        }
        match File::open(&path) {
            Ok(file) => Ok(Box::new(file)),
            Err(source) => Err(ConnectError::Unreadable { location: location.to_owned(), source }),
        }
    }

    fn list(&self, location: &str) -> Result<Vec<String>, ConnectError> {
        if !location.contains(['*', '?']) {
            return Ok(vec![location.to_owned()]);
        }
        let (folder, pattern) = location.rsplit_once('/').unwrap_or(("", location));
        let (name, path) = split_location(location)?;
        // The folder itself may be the root, which has no path of its own.
        let directory = match path.rsplit_once('/') {
            Some(_) => self.resolve(folder)?,
            None => self.root(name)?.to_owned(),
        };
        let unreadable =
            |source| ConnectError::Unreadable { location: location.to_owned(), source };
        let mut found = Vec::new();
        for entry in directory.read_dir().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if let Some(file) = entry.file_name().to_str()
                && wildcard_matches(pattern, file)
                && entry.path().is_file()
            {
                found.push(format!("{folder}/{file}"));
            }
        }
        found.sort();
        Ok(found)
    }
}

/// A path made of plain names only.
fn inner_path(path: &str) -> Result<PathBuf, ConnectError> {
    let is_plain = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0'])
    };
    if path.split('/').all(is_plain) {
        Ok(path.split('/').collect())
    } else {
        Err(ConnectError::Outside { path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(connector: &FolderConnector, location: &str) -> String {
        match connector.open(location) {
            Ok(mut file) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                text
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn nothing_outside_the_folder_is_read() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.csv"), "secret").unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("in")).unwrap();
        std::fs::write(root.path().join("in/a.csv"), "a").unwrap();
        std::fs::write(root.path().join("in/b.csv"), "b").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path(), root.path().join("out")).unwrap();
        let connector = FolderConnector::new().with_root("Data", root.path());
        assert_eq!(answer(&connector, "lib://Data/in/a.csv"), "a");
        assert_eq!(answer(&connector, "LIB://data/in/a.csv"), "a");
        assert_eq!(answer(&connector, "lib://Data/in"), "there is no file `lib://Data/in`");
        assert_eq!(
            answer(&connector, "lib://Data/in/c.csv"),
            "there is no file `lib://Data/in/c.csv`"
        );
        assert_eq!(answer(&connector, "lib://Other/a.csv"), "there is no connection `Other`");
        for path in [
            "../secret.csv",
            "in/../../secret.csv",
            "/etc/hosts",
            "in//a.csv",
            "C:/x",
            "..\\x",
            "in/./a.csv",
        ] {
            let refusal = answer(&connector, &format!("lib://Data/{path}"));
            assert_eq!(refusal, format!("the path `{path}` leaves the folder of its connection"));
        }
        #[cfg(unix)]
        assert_eq!(
            answer(&connector, "lib://Data/out/secret.csv"),
            "the path `out/secret.csv` leaves the folder of its connection"
        );
        for location in ["/etc/hosts", "lib://", "lib://Data", "lib://Data/", "é"] {
            assert!(
                answer(&connector, location).contains("does not name a connection"),
                "{location}"
            );
        }
        assert_eq!(
            connector.list("lib://Data/in/*.csv").unwrap(),
            ["lib://Data/in/a.csv", "lib://Data/in/b.csv"]
        );
    }
}
