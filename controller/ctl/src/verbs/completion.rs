//! `ctl completion`: a script that completes ctl's words in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::{Exit, Result};
use crate::ui::Ui;

/// Print a script that completes ctl's words in a shell
///
/// For bash: source <(ctl completion bash)
#[derive(Debug, clap::Args)]
pub struct CompletionArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Carries it out.
pub fn run(args: &CompletionArgs, ui: &mut Ui) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ctl", &mut script);
    ui.bytes(&script)?;
    Ok(Exit::Done)
}
