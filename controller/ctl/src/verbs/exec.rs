//! `ctl exec`: becomes a command in an agent's worktree, with its environment.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use agent_harness_model::id::ObjectKey;

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::Ui;
use crate::verbs::psql::without_own_postgres;

/// Run a command in an agent's worktree and environment
///
/// The exit code is the command's; 127 when there is no such command, 126 when it cannot be run.
#[derive(Debug, clap::Args)]
pub struct ExecArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// The command and its arguments; your shell without
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<OsString>,
}

/// Carries it out.
pub async fn run(args: ExecArgs, client: &Client, _: &mut Ui) -> Result {
    let environment = lookup::environment(client, &args.name).await?;
    let mut words = args.command.into_iter();
    let program = words.next().unwrap_or_else(|| {
        std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "sh".into())
    });
    if !environment.cwd.is_dir() {
        let message = format!("the worktree {} is not there", environment.cwd.display());
        return Err(Failure::failed(message)
            .hint(format!("`ctl describe {}` says how it stands", args.name.name)));
    }
    let mut command = Command::new(&program);
    without_own_postgres(&mut command);
    let error = command
        .args(words)
        .current_dir(&environment.cwd)
        .envs(&environment.variables)
        .env("PWD", &environment.cwd)
        .exec();
    let exit = match error.kind() {
        std::io::ErrorKind::NotFound => Exit::NoCommand,
        _ => Exit::CannotRun,
    };
    Err(Failure::new(exit, format!("{}: {error}", program.display())))
}
