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
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let write = || -> std::io::Result<()> {
        let mut opened = options.open(&aside)?;
        opened.write_all(content)?;
        opened.sync_all()?;
        std::fs::rename(&aside, file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
