//! Where is an app's reloaded data? In `<data folder>/apps/<id>/<generation>.loggia`, one whole
//! file per reload: written aside, forced to disk, renamed, the folder forced to disk, and only
//! then made current in the store. A crash leaves the old data or the new, never a mix.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use loggia_model::entity::App;
use loggia_model::{AppId, Caller};
use loggia_rules::Action;

use crate::Repository;
use crate::manage::ManageError;
use crate::record::Record;
use crate::store::Change;

/// Why data was not stored. The data before stays current.
#[derive(Debug, Error)]
pub enum DataError {
    #[error("cannot write the data of app {app}")]
    File { app: AppId, source: io::Error },
    #[error(transparent)]
    Manage(#[from] ManageError),
}

impl Repository {
    /// The app's current data file; none before the first reload. Who may see the data is decided
    /// when the app is opened.
    #[must_use]
    pub fn data_file(&self, app: AppId) -> Option<PathBuf> {
        let generation = self.site().data_generation(app)?;
        Some(self.app_folder(app).join(file_name(generation)))
    }

    /// Stores what `write` writes as the app's data, needs *update* on the app, and answers with
    /// the new file. Files of earlier generations are removed; readers that hold one keep it.
    pub fn store_data(
        &self,
        caller: &Caller,
        app: AppId,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<PathBuf, DataError> {
        {
            let site = self.site();
            let guard = self.enter(&site, caller)?;
            let record = site.app(app).ok_or_else(|| guard.unknown("app", Some(app.0)))?;
            guard.require(Record::App(record), Action::Update)?;
        }
        let failed = |source| DataError::File { app, source };
        let folder = self.app_folder(app);
        make_folder(&folder).map_err(failed)?;
        let aside = folder.join(format!("{}.new", uuid::Uuid::new_v4().simple()));
        let size = match write_whole(&aside, write) {
            Ok(size) => size,
            Err(source) => {
                // The half file is worthless; if it cannot be removed, the next start sweeps it.
                let _ = fs::remove_file(&aside);
                return Err(failed(source));
            }
        };
        let mut renamed = None;
        let outcome = self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.app(app).ok_or_else(|| guard.unknown("app", Some(app.0)))?;
            guard.require(Record::App(before), Action::Update)?;
            let generation = site.data_generation(app).unwrap_or(0) + 1;
            let target = folder.join(file_name(generation));
            let source = renamed.as_ref().unwrap_or(&aside);
            fs::rename(source, &target)
                .and_then(|()| File::open(&folder)?.sync_all())
                .map_err(|error| crate::StoreError::Failed(format!("data file: {error}")))?;
            renamed = Some(target.clone());
            let mut record = App::clone(before);
            record.last_reload = Some(guard.now());
            record.file_size = size;
            record.stamp = guard.restamp(&before.stamp);
            let changes = vec![Change::PutApp(record), Change::PutData { app, generation }];
            Ok((changes, (generation, target)))
        });
        if outcome.is_err() {
            let _ = fs::remove_file(renamed.as_ref().unwrap_or(&aside));
        }
        let (generation, current) = outcome?;
        sweep_superseded(&folder, generation).map_err(failed)?;
        Ok(current)
    }

    /// Removes what crashes left behind: half files, superseded generations, folders of apps that
    /// are gone. Only for the one process that serves the folder: what another one is writing
    /// looks like a half file.
    pub fn sweep_data(&self) -> io::Result<()> {
        let apps = self.inner.settings.data_folder.join("apps");
        make_folder(&apps)?;
        let site = self.site();
        for entry in fs::read_dir(&apps)? {
            let folder = entry?.path();
            let name = folder.file_name().and_then(|name| name.to_str()).map(str::parse::<AppId>);
            // What is not ours is not touched.
            let Some(Ok(app)) = name else { continue };
            if site.app(app).is_none() {
                fs::remove_dir_all(&folder)?;
            } else {
                sweep_orphans(&folder, site.data_generation(app))?;
            }
        }
        Ok(())
    }

    /// Removes the folder of an app that was deleted; a failure waits for the next start.
    pub(crate) fn sweep_data_of_deleted(&self, app: AppId) {
        let folder = self.app_folder(app);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(app.id = %app, %error, "data of the deleted app {app} stays for now");
            }
            _ => {}
        }
    }

    fn app_folder(&self, app: AppId) -> PathBuf {
        self.inner.settings.data_folder.join("apps").join(app.text())
    }
}

fn file_name(generation: u32) -> String {
    format!("{generation}.loggia")
}

/// Makes a folder with those above it, for the server's own account only: the data folder itself
/// may have been made by somebody who let others look in.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Writes and forces to disk; answers with the size.
fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<u64> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Rules decide who reads the data, not the accounts of the machine.
        options.mode(0o600);
    }
    let mut file = BufWriter::new(options.open(path)?);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Removes generations before `current`. A later one may be another reload that was faster, and
/// half files may be reloads that are still running.
fn sweep_superseded(folder: &Path, current: u32) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if generation_of(&path).is_some_and(|generation| generation < current) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes everything but the current generation; only while no reload runs.
fn sweep_orphans(folder: &Path, current: Option<u32>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_half = path.extension().is_some_and(|kind| kind == "new");
        let is_orphan = generation_of(&path).is_some_and(|found| Some(found) != current);
        if is_half || is_orphan {
            remove(&path)?;
        }
    }
    Ok(())
}

fn generation_of(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_suffix(".loggia")?.parse().ok()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
