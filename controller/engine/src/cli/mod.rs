//! The command line of `controller`: one file a verb. Data to stdout, words to stderr.

mod args;
mod config;
mod daemon;
mod down;
mod missing;
mod once;
mod run;
mod say;
mod table;
mod told;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Verb};

use crate::faults;

/// Runs a command line. The error is the exit code: 1 failed, 2 usage, 3 not ready in time, 4 not ready and not
/// getting there by itself.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Result<(), ExitCode> {
    let args = Args::try_parse_from(words).map_err(|error| {
        // Help and version come as errors too, and say so by their code.
        let code = u8::try_from(error.exit_code()).unwrap_or(2);
        let _ = error.print();
        ExitCode::from(code)
    })?;
    if let Verb::ObjectStore { config } = &args.verb {
        // A process of its own, with its own small runtime.
        say::log(&args.verb);
        return agent_harness_providers::object_store::run(config)
            .map_err(|error| say::failed(&error));
    }
    say::log(&args.verb);
    faults::plant();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        // Longer than from one resync to the next, which would begin its threads anew each time.
        .thread_keep_alive(std::time::Duration::from_secs(60))
        .enable_all()
        .build()
        .map_err(|error| say::failed(&error))?;
    let result = runtime.block_on(async {
        match args.verb {
            Verb::Run(run) => run::run(run).await,
            Verb::Once(once) => once::once(once).await,
            Verb::Down(down) => down::down(down).await,
            Verb::ObjectStore { .. } => Ok(()),
        }
    });
    // Steps that are still under way are finished by the next start.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    result
}
