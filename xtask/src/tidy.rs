//! `cargo xtask tidy`: keeps the workspace in the shape that `docs/architecture.md` draws.
//!
//! It reads `cargo metadata` and the tracked files and reports everything it finds, not only the
//! first: wrong arrows between crates, impure pure crates, licences outside of `deny.toml`'s list,
//! texts that only make sense on one machine, and files that have grown too long.

mod licences;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::shell;

/// Which of our crates each may use (style §1). The binary may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("loggia-model", &[]),
    ("loggia-rules", &[]),
    ("loggia-licence", &["loggia-model"]),
    ("loggia-audit", &["loggia-model"]),
    ("loggia-engine", &[]),
    ("loggia-script", &["loggia-engine"]),
    ("loggia-repository", &["loggia-model", "loggia-rules", "loggia-licence", "loggia-audit"]),
    ("loggia-auth", &["loggia-model"]),
    ("loggia-proxy", &["loggia-model", "loggia-auth", "loggia-repository"]),
    ("loggia-qrs", &["loggia-model", "loggia-repository"]),
    ("loggia-qix", &["loggia-model", "loggia-engine", "loggia-script", "loggia-repository"]),
];

/// Crates that know no clock, file, socket, environment, randomness or async.
const PURE: &[&str] =
    &["loggia-model", "loggia-rules", "loggia-licence", "loggia-engine", "loggia-audit"];

/// What a pure crate may not reach through any chain of dependencies.
const IMPURE_CRATES: &[&str] = &[
    "argon2",
    "async-std",
    "axum",
    "fs4",
    "futures-util",
    "hyper",
    "mio",
    "native-tls",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "tempfile",
    "tokio",
    "tower",
    "ureq",
];

/// What the text of a pure crate may not name outside of its tests.
const IMPURE_PATHS: &[&str] = &[
    "std::env",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "SystemTime::now",
    "Instant::now",
    "getrandom::",
    "Uuid::new_v4",
    "thread::sleep",
];

/// Longest file that needs no second thought.
const LONG: usize = 1500;

pub(crate) fn run() -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(shell::root().join("Cargo.toml"))
        .other_options(["--locked".to_owned()])
        .exec()
        .context("cannot read the workspace")?;
    let mut findings = Vec::new();
    check_arrows(&metadata, &mut findings);
    check_purity(&metadata, &mut findings)?;
    licences::check(&metadata, &mut findings)?;
    check_texts(&mut findings)?;
    for finding in &findings {
        println!("tidy: {finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("tidy has one finding"),
        many => bail!("tidy has {many} findings"),
    }
}

fn check_arrows(metadata: &Metadata, findings: &mut Vec<String>) {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let is_binary = name == "loggia-server";
        let folder = package.manifest_path.parent().and_then(|folder| folder.file_name());
        if folder != Some(name) {
            findings.push(format!("{name}: the folder must have the package's name"));
        }
        for dependency in &package.dependencies {
            let is_ours = dependency.path.is_some();
            if !is_ours || dependency.kind == DependencyKind::Development || is_binary {
                continue;
            }
            let may_use = arrows.get(name).copied().unwrap_or_default();
            if !may_use.contains(&dependency.name.as_str()) {
                findings.push(format!("{name} may not use {}", dependency.name));
            }
        }
        if !is_binary && name != "xtask" && !arrows.contains_key(name) {
            findings.push(format!("{name} has no place in xtask's table of arrows"));
        }
    }
}

fn check_purity(metadata: &Metadata, findings: &mut Vec<String>) -> Result<()> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let edges: BTreeMap<_, _> = resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = node.deps.iter().filter(|dependency| {
                dependency
                    .dep_kinds
                    .iter()
                    // What only some platform needs says nothing about the crate itself.
                    .any(|kind| kind.kind == DependencyKind::Normal && kind.target.is_none())
            });
            (&node.id, normal.map(|dependency| &dependency.pkg).collect::<Vec<_>>())
        })
        .collect();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        if !PURE.contains(&name) {
            continue;
        }
        let mut reached = BTreeSet::new();
        let mut open = vec![&package.id];
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(edges.get(id).into_iter().flatten());
            }
        }
        let reached: BTreeSet<_> = reached.iter().filter_map(|id| names.get(id)).collect();
        for impure in IMPURE_CRATES.iter().filter(|impure| reached.contains(impure)) {
            findings.push(format!("{name} is pure, but reaches {impure}"));
        }
        if let Some(folder) = package.manifest_path.parent() {
            check_pure_text(folder.join("src").as_std_path(), findings)?;
        }
    }
    Ok(())
}

fn check_pure_text(folder: &Path, findings: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            check_pure_text(&path, findings)?;
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("#[cfg(test)]") {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            for impure in IMPURE_PATHS.iter().filter(|impure| code.contains(**impure)) {
                let shown = path.strip_prefix(shell::root()).unwrap_or(&path).display();
                findings.push(format!("{shown}:{}: {impure} in a pure crate", number + 1));
            }
        }
    }
    Ok(())
}

fn check_texts(findings: &mut Vec<String>) -> Result<()> {
    let tracked = shell::read(shell::program("git", &["ls-files", "-z"]))?;
    for name in tracked.split('\0').filter(|name| !name.is_empty()) {
        // Cargo writes its own index address into the lock file.
        if name == "Cargo.lock" {
            continue;
        }
        let Ok(bytes) = std::fs::read(shell::root().join(name)) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let mut lines = 0;
        for line in text.lines() {
            lines += 1;
            if let Some(found) = local_text(line) {
                findings
                    .push(format!("{name}:{lines}: \"{found}\" does not belong in the project"));
            }
        }
        let is_code = [".rs", ".ts", ".tsx", ".mjs", ".css"].iter().any(|end| name.ends_with(end));
        if is_code && lines > LONG {
            println!("tidy: warning: {name} has {lines} lines; look for a second subject in it");
        }
    }
    Ok(())
}

/// A folder of somebody's machine or the host of a package registry in a line, if any.
fn local_text(line: &str) -> Option<&'static str> {
    // Written in two halves, so that this file passes its own check.
    const HOSTS: [&str; 6] = [
        concat!("registry.npm", "js"),
        concat!("pypi", ".org"),
        concat!("python", "hosted"),
        concat!("index.crates", ".io"),
        concat!("static.crates", ".io"),
        concat!("deb.debian", ".org"),
    ];
    const FOLDERS: [&str; 4] = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
        concat!("/Us", "ers/"),
    ];
    if let Some(host) = HOSTS.into_iter().find(|host| line.contains(host)) {
        return Some(host);
    }
    FOLDERS.into_iter().find(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            // Only at the start of a path: a URL may well hold a part of that name.
            line.get(..at)
                .and_then(|start| start.chars().last())
                .is_none_or(|before| !before.is_alphanumeric() && !"/.-_}*".contains(before))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_folders_and_registry_hosts_are_local() {
        let folder = concat!("\"/wo", "rk/main\"");
        assert!(local_text(folder).is_some());
        assert!(local_text(concat!("cd /ro", "ot/x")).is_some());
        assert!(local_text(concat!("https://", "pypi", ".org/simple")).is_some());
        assert_eq!(local_text(concat!("GET /hub/wo", "rk/1")), None);
        assert_eq!(local_text("the crate is on the registry"), None);
    }
}
