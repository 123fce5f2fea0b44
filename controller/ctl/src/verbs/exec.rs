//! `ctl exec`: becomes a command in an agent's worktree, with its environment; or runs one inside of a service.

mod service;
mod terminal;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use agent_harness_model::id::{ObjectKey, ObjectKind};

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::Ui;
use crate::verbs::psql::without_own_postgres;
use crate::whose;

/// Run a command in an agent's worktree, or in a service
///
/// In an agent's worktree it has the agent's environment. In a service of an Infra that is a container, as in
/// `ctl exec infra/shared postgres -- psql -U postgres`, it runs inside of that, with a terminal where there is one.
/// The exit code is the command's; 127 when there is no such command, 126 when it cannot be run.
#[derive(Debug, clap::Args)]
pub struct ExecArgs {
    /// The agent, or infra/NAME
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Which service of an Infra
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    /// The command and its arguments; a shell without
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<OsString>,
}

/// Carries it out.
pub async fn run(args: ExecArgs, client: &Client, ui: &mut Ui) -> Result {
    let words = args.name.into_iter().chain(args.service).collect();
    let (name, service) = whose::about(client, words, 1).await?;
    let is_infra = name.kind == ObjectKind::Infra;
    if let Some(service) = service.first().filter(|_| is_infra) {
        return service::run((&name, service), args.command, client, ui).await;
    }
    if let Some(word) = service.first() {
        return Err(Failure::usage(format!("{name} has no services, such as `{word}`"))
            .hint(format!("a command comes after `--`: ctl exec {} -- {word}", name.name)));
    }
    if is_infra {
        return Err(Failure::usage(format!("which service of {name}? A name is missing"))
            .hint(format!("`ctl stats {name}` lists them")));
    }
    become_command(&name, args.command, client, ui).await
}

/// Becomes a command in an agent's worktree, or the user's shell where there is none. Comes back only with a failure.
pub async fn become_command(
    name: &ObjectKey,
    command: Vec<OsString>,
    client: &Client,
    ui: &Ui,
) -> Result {
    let environment = lookup::environment(client, name).await?;
    if !environment.cwd.is_dir() {
        let message = format!("the worktree {} is not there", environment.cwd.display());
        return Err(Failure::failed(message)
            .hint(format!("`ctl describe {}` says how it stands", name.name)));
    }
    let mut words = command.into_iter();
    let named = words.next();
    let for_a_person = named.is_none() && ui.is_terminal();
    let program = named.unwrap_or_else(shell);
    let mut command = Command::new(&program);
    without_own_postgres(&mut command);
    command
        .args(words)
        .current_dir(&environment.cwd)
        .envs(&environment.variables)
        .env("PWD", &environment.cwd);
    if for_a_person {
        // Shells whose own files set a prompt go on to show that one.
        let prompt = std::env::var("PS1").unwrap_or_else(|_| "$ ".to_owned());
        command.env("PS1", format!("({}) {prompt}", name.name));
    }
    let error = command.exec();
    let exit = match error.kind() {
        std::io::ErrorKind::NotFound => Exit::NoCommand,
        _ => Exit::CannotRun,
    };
    Err(Failure::new(exit, format!("{}: {error}", program.display())))
}

/// The shell that the user has chosen.
fn shell() -> OsString {
    let chosen = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    chosen.unwrap_or_else(|| "/bin/sh".into())
}
