//! `cargo xtask ci`: what every change must pass.

use anyhow::Result;

use crate::{shell, tidy, web};

pub(crate) fn run() -> Result<()> {
    shell::run(shell::cargo(&["fmt", "--all", "--check"]))?;
    tidy::run()?;
    // The pages come first: the server embeds them, so it does not compile without.
    web::build()?;
    shell::run(web::npm(&["run", "check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    shell::run(shell::cargo(&lints))?;
    // What can be left out must be missed by nothing else.
    shell::run(shell::cargo(&[
        "check",
        "-p",
        "loggia-server",
        "--no-default-features",
        "--locked",
    ]))?;
    deny()?;
    // The README's test command, as a person would type it.
    shell::run(shell::cargo(&["xtask", "test"]))
}

/// Runs cargo-deny where it is installed. Building it takes longer than all of Loggia's own lints
/// and tests, so a bare machine relies on tidy, which checks the licences by itself.
fn deny() -> Result<()> {
    if !shell::succeeds(shell::cargo(&["deny", "--version"])) {
        println!(
            "notice: cargo-deny is not installed, so duplicate and banned crates went unchecked \
             (tidy has checked the licences); `cargo install --locked cargo-deny` brings it"
        );
        return Ok(());
    }
    // Advisories are left out: they need a download from outside the package registries.
    let what = ["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    let mut deny = shell::cargo(&["deny"]);
    deny.args(what);
    shell::run(deny)
}
