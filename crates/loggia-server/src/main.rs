//! The `loggia` binary: see [`loggia_server`].

use std::process::ExitCode;

fn main() -> ExitCode {
    loggia_server::cli::run()
}
