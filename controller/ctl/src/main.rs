//! The binary `ctl`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent_harness_ctl::run(std::env::args_os())
}
