//! `cargo xtask bench`: measures, and writes what it found to `target/bench/*.json`, each a list of
//! `{metric, value, unit, budget, holds, peer, peer_value, ratio}`.
//!
//! `hub` measures the release server from outside, as a visitor meets it (`web/e2e/bench.mjs`);
//! `rules` measures decisions beside other policy engines (`bench/rules`); `proxy` measures the way
//! through the entrance beside a bare handler and nginx (`bench/proxy`); `licence` measures the
//! ledger beside one transaction for each charge, and a year of it (`bench/licence`).

use anyhow::{Result, bail};

use crate::{demo, demo_data, setup, shell, web};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments.is_empty() {
        hub()?;
        rules()?;
        proxy()?;
        return licence();
    }
    for argument in arguments {
        match argument.as_str() {
            "hub" => hub()?,
            "rules" => rules()?,
            "proxy" => proxy()?,
            "licence" => licence()?,
            unknown => bail!("no bench {unknown:?}; there are hub, rules, proxy and licence"),
        }
    }
    Ok(())
}

fn rules() -> Result<()> {
    let results = shell::target().join("bench");
    // Its own workspace: the peers are built only by those who measure.
    let mut bench = shell::cargo(&["run", "--release", "--locked", "--quiet"]);
    bench
        .args(["--manifest-path", "bench/rules/Cargo.toml", "--"])
        .arg(results.join("rules.json"))
        .env("CARGO_TARGET_DIR", shell::target().join("bench-rules"));
    shell::run(bench)
}

fn licence() -> Result<()> {
    // Its files are made beside the results: on a disk that syncs, where the server's may be.
    let results = shell::target().join("bench");
    std::fs::create_dir_all(&results)?;
    let mut bench = shell::cargo(&["run", "--release", "--locked", "--quiet"]);
    bench
        .args(["--manifest-path", "bench/licence/Cargo.toml", "--"])
        .arg(results.join("licence.json"))
        .env("CARGO_TARGET_DIR", shell::target().join("bench-licence"));
    shell::run(bench)
}

fn proxy() -> Result<()> {
    setup::nginx()?;
    web::build()?;
    let binary = demo::release()?;
    let mut bench = shell::cargo(&["run", "--release", "--locked", "--quiet"]);
    bench
        .args(["--manifest-path", "bench/proxy/Cargo.toml", "--"])
        .arg(binary)
        .arg(shell::target().join("bench/proxy.json"))
        .env("CARGO_TARGET_DIR", shell::target().join("bench-proxy"));
    shell::run(bench)
}

fn hub() -> Result<()> {
    web::build()?;
    let results = shell::target().join("bench");
    std::fs::create_dir_all(&results)?;
    let mut node = shell::program("node", &["web/e2e/bench.mjs"]);
    node.env("LOGGIA_BINARY", demo::release()?)
        .env("LOGGIA_DEMO_FILES", demo_data::prepare()?)
        .env("LOGGIA_CHROMIUM", setup::chromium()?)
        .env("LOGGIA_BENCH", &results);
    shell::run(node)
}
