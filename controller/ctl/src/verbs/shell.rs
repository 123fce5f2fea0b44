//! `ctl shell`: the user's shell, where an agent's processes are.

use agent_harness_model::id::{ObjectKey, ObjectKind};

use crate::client::Client;
use crate::error::{Failure, Result};
use crate::ui::Ui;
use crate::verbs::exec::become_command;
use crate::whose;

/// Open a shell in an agent's worktree
///
/// It is $SHELL, else /bin/sh, with the environment and the folder of the agent's processes. The exit code is the
/// shell's.
#[derive(Debug, clap::Args)]
pub struct ShellArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: Option<ObjectKey>,
}

/// Carries it out.
pub async fn run(args: ShellArgs, client: &Client, ui: &mut Ui) -> Result {
    let key = whose::one(client, args.name).await?;
    if key.kind != ObjectKind::Agent {
        return Err(Failure::usage(format!("{key} has no worktree: those are of agents"))
            .hint("a shell in a service's container: ctl exec infra/NAME SERVICE"));
    }
    become_command(&key, Vec::new(), client, ui).await
}
