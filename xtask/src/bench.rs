//! `cargo xtask bench`: measures the release server from outside, as a visitor meets it.
//!
//! The browser part is `web/e2e/bench.mjs`; results go to `target/bench/*.json`, each a list of
//! `{metric, value, unit, budget, holds, peer, peer_value, ratio}`.

use anyhow::Result;

use crate::{demo, demo_data, setup, shell, web};

pub(crate) fn run() -> Result<()> {
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
