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
    deny()?;
    // The README's test command, as a person would type it.
    shell::run(shell::cargo(&["xtask", "test"]))
}

/// A contributor need not wait for cargo-deny to be built; CI, which has no one waiting, does.
fn deny() -> Result<()> {
    let is_installed = || shell::succeeds(shell::cargo(&["deny", "--version"]));
    if !is_installed() && std::env::var_os("CI").is_some() {
        shell::run(shell::cargo(&["install", "--locked", "--quiet", "cargo-deny"]))?;
    }
    if !is_installed() {
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
