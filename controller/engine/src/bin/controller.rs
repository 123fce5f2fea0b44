//! The controller's program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    match agent_harness_engine::cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}
