//! `ctl`: what a person or a coding agent types. It talks to the controller over the control socket,
//! or reads status files when no controller runs; it decides nothing.
//!
//! Each verb is a file in `verbs`; everything that is printed goes through `ui`.

mod cli;
mod client;
mod confirm;
mod convert;
mod error;
mod files;
mod folder;
mod lookup;
mod object;
mod specs;
mod state;
mod templates;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod ui;
mod verbs;
mod waiting;
mod whose;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

pub use cli::Cli;

/// Runs one command line and answers with its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is the reader's wish to end, as everywhere.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut ui = ui::Ui::of_terminal(cli.color);
    let exit = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.run(whose::Surroundings::of_process(), &mut ui)),
        Err(error) => Err(error.into()),
    };
    match exit {
        Ok(exit) => exit.into(),
        Err(failure) => {
            ui.failure(&failure);
            failure.exit.into()
        }
    }
}
