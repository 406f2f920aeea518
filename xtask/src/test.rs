//! `cargo xtask test`: sets up what the tests need, runs them all, and closes with their count.
//!
//! A failing suite does not hide the ones after it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{demo, demo_data, setup, shell, web};

/// How many tests a suite ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

/// `cargo xtask test [rust|web|enigma|e2e …]`: without names, everything.
pub(crate) fn run(names: &[String]) -> Result<()> {
    const SUITES: [&str; 4] = ["rust", "web", "enigma", "e2e"];
    if let Some(unknown) = names.iter().find(|name| !SUITES.contains(&name.as_str())) {
        bail!("no suite \"{unknown}\": there are {}", SUITES.join(", "));
    }
    let wants = |suite: &str| names.is_empty() || names.iter().any(|name| name == suite);

    web::build()?;
    let mut total = Count::default();
    let mut broken = Vec::new();
    let mut take = |suite: &str, command: Command| -> Result<()> {
        println!("\n== {suite}");
        let (is_well, lines) = shell::watch(command)?;
        let count = count(&lines);
        total.passed += count.passed;
        total.failed += count.failed;
        if !is_well || count.failed > 0 {
            broken.push(suite.to_owned());
            // A suite that could not even start its tests has failed too.
            if count.failed == 0 {
                total.failed += 1;
            }
        }
        Ok(())
    };

    if wants("rust") {
        // The server's own tests sign people in at real identity providers.
        setup::npm_packages(&shell::root().join("tests/providers"))?;
        setup::slapd()?;
        for (suite, command) in rust_suites() {
            take(suite, command)?;
        }
    }
    if wants("web") {
        take("web types", web::npm(&["run", "check"]))?;
        let mut unit = web::npm(&["test"]);
        unit.env("NO_COLOR", "1");
        take("web units", unit)?;
    }
    if wants("enigma") || wants("e2e") {
        let server = Server {
            binary: demo::release()?,
            files: demo_data::prepare()?,
            chromium: setup::chromium()?,
        };
        if wants("web") {
            take("web pages", server.tell(web::npm(&["run", "--if-present", "test:pages"])))?;
        }
        if wants("enigma") {
            let folder = shell::root().join("tests/enigma");
            setup::npm_packages(&folder)?;
            take("enigma.js against the server", server.node_tests(&folder)?)?;
        }
        if wants("e2e") {
            let folder = web::folder().join("e2e");
            take("browser against the server", server.node_tests(&folder)?)?;
        }
    }

    println!();
    if !broken.is_empty() {
        println!("failed: {}", broken.join(", "));
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if broken.is_empty() { Ok(()) } else { bail!("not all tests passed") }
}

/// The workspace's own tests. `cargo test` runs the same ones where cargo-nextest is missing;
/// building it would cost more than it saves.
fn rust_suites() -> Vec<(&'static str, Command)> {
    if shell::succeeds(shell::cargo(&["nextest", "--version"])) {
        let mut nextest = shell::cargo(&["nextest", "run", "--workspace", "--locked"]);
        nextest.args(["--no-fail-fast", "--status-level", "fail", "--final-status-level", "fail"]);
        nextest.args(["--no-tests", "pass", "--color", "never"]);
        let examples = ["test", "--workspace", "--locked", "--doc", "--quiet", "--no-fail-fast"];
        vec![("Rust", nextest), ("Rust examples", shell::cargo(&examples))]
    } else {
        let all = ["test", "--workspace", "--locked", "--quiet", "--no-fail-fast"];
        vec![("Rust", shell::cargo(&all))]
    }
}

/// The release server that the outside tests start, each with its own data.
struct Server {
    binary: PathBuf,
    files: PathBuf,
    chromium: PathBuf,
}

impl Server {
    fn node_tests(&self, folder: &Path) -> Result<Command> {
        let mut node = shell::program("node", &["--test", "--test-reporter=spec"]);
        // Two cores already serve a server and a browser; suites side by side would only time out.
        node.arg("--test-concurrency=1");
        let mut files = Vec::new();
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(".test.mjs") {
                files.push(path);
            }
        }
        files.sort();
        node.args(files);
        Ok(self.tell(node))
    }

    fn tell(&self, mut command: Command) -> Command {
        command
            .env("LOGGIA_BINARY", &self.binary)
            .env("LOGGIA_DEMO_FILES", &self.files)
            .env("LOGGIA_CHROMIUM", &self.chromium)
            .env("NO_COLOR", "1");
        command
    }
}

/// Adds up the closing lines of nextest, cargo test, vitest and node's test runner.
fn count(lines: &[String]) -> Count {
    let mut total = Count::default();
    for line in lines {
        let Some(count) = nextest(line)
            .or_else(|| cargo_test(line))
            .or_else(|| vitest(line))
            .or_else(|| node(line))
        else {
            continue;
        };
        total.passed += count.passed;
        total.failed += count.failed;
    }
    total
}

/// `Summary [ 0.5s] 12 tests run: 10 passed, 1 failed, 1 timed out, 0 skipped`
fn nextest(line: &str) -> Option<Count> {
    let (start, results) = line.split_once("run: ")?;
    if !start.trim_start().starts_with("Summary [") {
        return None;
    }
    let of = |names: &[&str]| names.iter().map(|name| before(results, name)).sum();
    Some(Count { passed: of(&["passed"]), failed: of(&["failed", "timed out", "exec failed"]) })
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`
fn cargo_test(line: &str) -> Option<Count> {
    let results = line.strip_prefix("test result: ")?;
    Some(Count { passed: before(results, "passed"), failed: before(results, "failed") })
}

/// `      Tests  1 failed | 2 passed (3)`
fn vitest(line: &str) -> Option<Count> {
    let results = line.trim_start().strip_prefix("Tests  ")?;
    Some(Count { passed: before(results, "passed"), failed: before(results, "failed") })
}

/// `ℹ pass 3` and `ℹ fail 0`, or the same after `#`
fn node(line: &str) -> Option<Count> {
    let mut words = line.split_whitespace();
    if !matches!(words.next(), Some("ℹ" | "#")) {
        return None;
    }
    let kind = words.next()?;
    let number = words.next()?.parse().ok()?;
    match (kind, words.next()) {
        ("pass", None) => Some(Count { passed: number, failed: 0 }),
        ("fail" | "cancelled", None) => Some(Count { passed: 0, failed: number }),
        _ => None,
    }
}

/// The number that stands before `word`, or none of it.
fn before(text: &str, word: &str) -> u64 {
    text.split([',', ';', '|', '.', '('])
        .filter_map(|part| part.trim().strip_suffix(word))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_every_runner_are_counted() {
        let lines = [
            "     Summary [   0.512s] 14 tests run: 10 passed (1 slow), 2 failed, 1 timed out, 1 exec failed, 3 skipped",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            " Test Files  1 failed | 1 passed (2)",
            "      Tests  1 failed | 20 passed (21)",
            "ℹ tests 7",
            "ℹ pass 5",
            "ℹ fail 1",
            "ℹ cancelled 1",
            "# pass 100",
            "ℹ pass the salt 3",
        ];
        let found = count(&lines.map(str::to_owned));
        assert_eq!(found, Count { passed: 10 + 3 + 20 + 5 + 100, failed: 4 + 1 + 1 + 1 + 1 });
    }
}
