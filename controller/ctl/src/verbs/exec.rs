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

/// Run a command in an agent's worktree, or in a service
///
/// In an agent's worktree it has the agent's environment. In a service of an Infra that is a container, as in
/// `ctl exec infra/shared postgres -- psql -U postgres`, it runs inside of that, with a terminal where there is one.
/// The exit code is the command's; 127 when there is no such command, 126 when it cannot be run.
#[derive(Debug, clap::Args)]
pub struct ExecArgs {
    /// The agent, or infra/NAME
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// Which service of an Infra
    #[arg(value_name = "SERVICE")]
    service: Option<String>,
    /// The command and its arguments; a shell without
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<OsString>,
}

/// Carries it out.
pub async fn run(args: ExecArgs, client: &Client, ui: &mut Ui) -> Result {
    let is_infra = args.name.kind == ObjectKind::Infra;
    if let Some(service) = args.service.as_deref().filter(|_| is_infra) {
        return service::run((&args.name, service), args.command, client, ui).await;
    }
    if let Some(word) = &args.service {
        return Err(Failure::usage(format!("{} has no services, such as `{word}`", args.name))
            .hint(format!("a command comes after `--`: ctl exec {} -- {word}", args.name.name)));
    }
    if is_infra {
        return Err(Failure::usage(format!("which service of {}? A name is missing", args.name))
            .hint(format!("`ctl stats {}` lists them", args.name)));
    }
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
