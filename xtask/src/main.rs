//! Loggia's build commands, run as `cargo xtask COMMAND`.
//!
//! Each works on a bare Debian machine with the Rust toolchain and Node.js 20: what else it needs it
//! installs by the ordinary package clients (`apt-get`, `npm`, `pip`).
#![expect(clippy::print_stdout, reason = "a command line tool talks on its standard output")]

mod bench;
mod ci;
mod demo;
mod demo_data;
mod setup;
mod shell;
mod test;
mod tidy;
mod web;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

  demo [-- ARGS]   build everything and serve the demo; ARGS go to `loggia serve --demo`
  test             set up and run all tests
  ci               what CI runs: formatting, lints, tidy, licences, types, then all tests
  tidy             check the crate arrows, file sizes and tracked texts
  demo-data        fetch the demo's data files only
  web              build the web pages only
  bench [hub|rules|proxy|licence]  measure, and write target/bench/*.json
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let mut rest: Vec<String> = arguments.collect();
    if rest.first().is_some_and(|first| first == "--") {
        rest.remove(0);
    }
    let outcome = match command.as_str() {
        "demo" => demo::run(&rest),
        "test" => test::run(&rest),
        "ci" => ci::run(),
        "tidy" => tidy::run(),
        "demo-data" => demo_data::prepare().map(|directory| println!("{}", directory.display())),
        "web" => web::build(),
        "bench" => bench::run(&rest),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        unknown => {
            eprint!("error: no command \"{unknown}\"\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
