//! Files and folders that only the server's own account may read: the database, private keys.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

/// Makes a folder that is missing, with the folders above it.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Writes a file as a whole: whoever looks meanwhile finds the old one or the new one.
pub(crate) fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let aside = file.with_extension("new");
    // One that a crash left may have other rights.
    let _ = std::fs::remove_file(&aside);
    let write = || -> std::io::Result<()> {
        fill(&aside, content)?;
        std::fs::rename(&aside, file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// Writes a file as a whole unless there is one already, which then stays; says whether it did.
/// Several may try at the same time.
pub(crate) fn write_new(file: &Path, content: &[u8]) -> anyhow::Result<bool> {
    let aside = file.with_extension(format!("{}.new", std::process::id()));
    let _ = std::fs::remove_file(&aside);
    let write = || -> std::io::Result<bool> {
        fill(&aside, content)?;
        // A link is never laid over a file, unlike a renamed one.
        let linked = std::fs::hard_link(&aside, file);
        std::fs::remove_file(&aside)?;
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

fn fill(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut opened = options.open(file)?;
    opened.write_all(content)?;
    opened.sync_all()
}
