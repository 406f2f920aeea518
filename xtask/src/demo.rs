//! `cargo xtask demo`: everything built, then the hub served with demo content.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{demo_data, shell, web};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    web::build()?;
    let files = demo_data::prepare()?;
    let binary = release()?;
    // Started where the person stands, so that a relative `--data` means what it says.
    let mut serve = Command::new(binary);
    serve.args(["serve", "--demo", "--demo-files"]).arg(files);
    if !arguments.iter().any(|argument| argument == "--data" || argument.starts_with("--data=")) {
        serve.arg("--data").arg(shell::root().join("data/demo"));
    }
    serve.args(arguments);
    replace(serve)
}

/// Builds the release server and returns where it is.
pub(crate) fn release() -> Result<PathBuf> {
    shell::run(shell::cargo(&["build", "--release", "--locked", "--package", "loggia-server"]))?;
    Ok(shell::target().join("release/loggia"))
}

/// The server takes our place, so that signals of a terminal or a supervisor reach it directly.
#[cfg(unix)]
fn replace(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec().into())
}

#[cfg(not(unix))]
fn replace(command: Command) -> Result<()> {
    shell::run(command)
}
