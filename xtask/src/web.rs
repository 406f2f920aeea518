//! Builds the web pages, only when something they are made of has changed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{setup, shell};

/// Leaves fresh pages in `web/dist`.
pub(crate) fn build() -> Result<()> {
    let folder = folder();
    setup::npm_packages(&folder)?;
    let inputs = fingerprint(&folder)?;
    let stamp = shell::target().join("xtask/web-inputs");
    let is_built = folder.join("dist/hub.html").is_file();
    if is_built && std::fs::read_to_string(&stamp).is_ok_and(|built| built == inputs) {
        return Ok(());
    }
    shell::run(npm(&["run", "build"]))?;
    if let Some(parent) = stamp.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(&stamp, inputs).with_context(|| format!("cannot write {}", stamp.display()))
}

/// An npm command in the folder of the pages.
pub(crate) fn npm(arguments: &[&str]) -> std::process::Command {
    let mut command = shell::program("npm", arguments);
    command.current_dir(folder());
    command
}

pub(crate) fn folder() -> PathBuf {
    shell::root().join("web")
}

fn fingerprint(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.strip_prefix(folder)?.to_string_lossy().as_bytes());
        hash.update([0]);
        let bytes =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    // These hold what is built or only tests it.
    const ASIDE: [&str; 4] = ["node_modules", "dist", "e2e", "test-results"];
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let is_aside =
            path.file_name().is_some_and(|name| ASIDE.iter().any(|aside| name == *aside));
        match () {
            () if is_aside => {}
            () if path.is_dir() => collect(&path, files)?,
            () => files.push(path),
        }
    }
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
