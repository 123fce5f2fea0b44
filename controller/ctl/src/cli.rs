//! The command line: which verbs there are, and what all of them have in common.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::client::Client;
use crate::error::Result;
use crate::state::State;
use crate::ui::{Color, Ui};
use crate::verbs;
use crate::whose::Surroundings;

/// Looks after the stacks of coding agents: says what is wanted, and shows what is there
#[derive(Debug, Parser)]
#[command(
    name = "ctl",
    version,
    subcommand_value_name = "VERB",
    help_template = HELP,
    max_term_width = 100
)]
pub struct Cli {
    // The variable is read by us: clap would show the option in usages as if it were required.
    /// The controller's state folder [default: ~/.local/state/agent-harness] [env: HARNESS_STATE]
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,

    /// When to use colours: auto, always or never; auto heeds NO_COLOR
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: Color,

    #[command(subcommand)]
    verb: Verb,
}

/// The verbs in groups. A test holds that each is named here, with its own words.
const HELP: &str = "\
{about-with-newline}
{usage-heading} {usage}

A NAME is 3, agent-3, agent/agent-3, stack/NAME or infra/NAME. Where [NAME] may be left out, it is the
agent that HARNESS_AGENT names, else the one in whose worktree you are.

Say what is wanted
  apply        Create or change objects from spec files
  diff         Show what an apply would change and do
  edit         Edit an object's spec file
  delete       Stop an agent and move what it made to the trash
  undelete     Bring a deleted agent back
  trash        List what can be brought back
  approve      Let deletions through that the guard holds back
  sync         Fetch specs from their Git repositories now
  rollback     Apply an earlier spec of an object again
  suspend      Let agents be as they are
  resume       Look after suspended agents again
  reconcile    Look at objects now, and try again what failed
  restart      Restart an agent's processes, or services of an Infra
  reset        Give an agent a new database, cloned from the template
  db           Keep an agent's database under a name, and bring it back
  rebuild      Build a Stack's template anew, though nothing has changed

See what is there
  get          List objects
  describe     Show everything about an object
  status       Show how an agent stands, on a short page
  wait         Wait until objects are ready, deleted, or in a condition
  history      Show the specs that an object had
  events       Show what happened
  logs         Show logs of processes, services and setup steps
  stats        Show what an agent's processes use, or services of an Infra
  top          Watch all agents, their processes and what they use, and act on them
  health       Look at an agent's processes now
  slow-queries Show which queries of an agent took longest
  url          Print an agent's URLs
  env          Print an agent's environment
  sources      Show the Git repositories that specs come from
  info         Show which controller runs here
  doctor       Look at what everything rests on
  leaks        List what is of no object that is known

Work inside an agent or a service
  verify       Check an agent's work
  prove        Show that agents are kept apart
  exec         Run a command in an agent's worktree, or in a service
  shell        Open a shell in an agent's worktree
  psql         Open an agent's database, or run one query

Write specs
  validate     Check spec files, without a controller
  explain      Explain a field: ctl explain agent.spec.worktree
  schema       Print the JSON Schema of a kind
  convert      Turn a compose file, a Procfile or a PM2 config into a spec

  completion   Print a script that completes ctl's words in a shell

Options
{options}

Exit codes: 0 done · 1 failed · 2 usage · 3 not ready in time · 4 blocked
`ctl help VERB` says more about a verb.
";

#[derive(Debug, Subcommand)]
enum Verb {
    Apply(verbs::apply::ApplyArgs),
    Diff(verbs::diff::DiffArgs),
    Edit(verbs::edit::EditArgs),
    Delete(verbs::delete::DeleteArgs),
    Undelete(verbs::undelete::UndeleteArgs),
    Trash(verbs::trash::TrashArgs),
    Approve(verbs::approve::ApproveArgs),
    Sync(verbs::sources::SyncArgs),
    Rollback(verbs::history::RollbackArgs),
    Suspend(verbs::suspend::SuspendArgs),
    Resume(verbs::suspend::ResumeArgs),
    Reconcile(verbs::reconcile::ReconcileArgs),
    Restart(verbs::restart::RestartArgs),
    Reset(verbs::reset::ResetArgs),
    Db(verbs::db::DbArgs),
    Rebuild(verbs::rebuild::RebuildArgs),
    Get(verbs::get::GetArgs),
    Describe(verbs::describe::DescribeArgs),
    Status(verbs::status::StatusArgs),
    Wait(verbs::wait::WaitArgs),
    History(verbs::history::HistoryArgs),
    Events(verbs::events::EventsArgs),
    Logs(verbs::logs::LogsArgs),
    Stats(verbs::stats::StatsArgs),
    Top(verbs::top::TopArgs),
    Health(verbs::health::HealthArgs),
    SlowQueries(verbs::slow_queries::SlowQueriesArgs),
    Url(verbs::url::UrlArgs),
    Env(verbs::env::EnvArgs),
    Sources(verbs::sources::SourcesArgs),
    #[command(alias = "version")]
    Info(verbs::info::InfoArgs),
    Doctor(verbs::doctor::DoctorArgs),
    Leaks(verbs::leaks::LeaksArgs),
    Verify(verbs::verify::VerifyArgs),
    Prove(verbs::prove::ProveArgs),
    Exec(verbs::exec::ExecArgs),
    Shell(verbs::shell::ShellArgs),
    Psql(verbs::psql::PsqlArgs),
    Validate(verbs::validate::ValidateArgs),
    Explain(verbs::explain::ExplainArgs),
    Schema(verbs::schema::SchemaArgs),
    Convert(verbs::convert::ConvertArgs),
    Completion(verbs::completion::CompletionArgs),
}

impl Cli {
    /// Carries out the verb.
    pub(crate) async fn run(self, around: Surroundings, ui: &mut Ui) -> Result {
        let state = self.state.or_else(|| std::env::var_os("HARNESS_STATE").map(PathBuf::from));
        let client = || -> Result<Client> {
            Ok(Client::new(State::new(state.clone())?).from(around.clone()))
        };
        match self.verb {
            Verb::Apply(args) => verbs::apply::run(args, &client()?, ui).await,
            Verb::Diff(args) => verbs::diff::run(args, &client()?, ui).await,
            Verb::Edit(args) => verbs::edit::run(args, &client()?, ui).await,
            Verb::Delete(args) => verbs::delete::run(args, &client()?, ui).await,
            Verb::Undelete(args) => verbs::undelete::run(args, &client()?, ui).await,
            Verb::Trash(args) => verbs::trash::run(args, &client()?, ui).await,
            Verb::History(args) => verbs::history::history(args, &client()?, ui).await,
            Verb::Rollback(args) => verbs::history::rollback(args, &client()?, ui).await,
            Verb::Suspend(args) => verbs::suspend::suspend(args, &client()?, ui).await,
            Verb::Resume(args) => verbs::suspend::resume(args, &client()?, ui).await,
            Verb::Reconcile(args) => verbs::reconcile::run(args, &client()?, ui).await,
            Verb::Sync(args) => verbs::sources::sync(args, &client()?, ui).await,
            Verb::Sources(args) => verbs::sources::list(args, &client()?, ui).await,
            Verb::Approve(args) => verbs::approve::run(args, &client()?, ui).await,
            Verb::Restart(args) => verbs::restart::run(args, &client()?, ui).await,
            Verb::Reset(args) => verbs::reset::run(args, &client()?, ui).await,
            Verb::Db(args) => verbs::db::run(args, &client()?, ui).await,
            Verb::Rebuild(args) => verbs::rebuild::run(args, &client()?, ui).await,
            Verb::Get(args) => verbs::get::run(args, &client()?, ui).await,
            Verb::Describe(args) => verbs::describe::run(args, &client()?, ui).await,
            Verb::Status(args) => verbs::status::run(args, &client()?, ui).await,
            Verb::Wait(args) => verbs::wait::run(args, &client()?, ui).await,
            Verb::Events(args) => verbs::events::run(args, &client()?, ui).await,
            Verb::Logs(args) => verbs::logs::run(args, &client()?, ui).await,
            Verb::Stats(args) => verbs::stats::run(args, &client()?, ui).await,
            Verb::Top(args) => verbs::top::run(args, &client()?, ui).await,
            Verb::Health(args) => verbs::health::run(args, &client()?, ui).await,
            Verb::SlowQueries(args) => verbs::slow_queries::run(args, &client()?, ui).await,
            Verb::Url(args) => verbs::url::run(args, &client()?, ui).await,
            Verb::Env(args) => verbs::env::run(args, &client()?, ui).await,
            Verb::Info(args) => verbs::info::run(args, &client()?, ui).await,
            Verb::Doctor(args) => verbs::doctor::run(args, &client()?, ui).await,
            Verb::Leaks(args) => verbs::leaks::run(args, &client()?, ui).await,
            Verb::Verify(args) => verbs::verify::run(args, &client()?, ui).await,
            Verb::Prove(args) => verbs::prove::run(args, &client()?, ui).await,
            Verb::Exec(args) => verbs::exec::run(args, &client()?, ui).await,
            Verb::Shell(args) => verbs::shell::run(args, &client()?, ui).await,
            Verb::Psql(args) => verbs::psql::run(args, &client()?, ui).await,
            Verb::Validate(args) => verbs::validate::run(&args, ui),
            Verb::Explain(args) => verbs::explain::run(&args, ui),
            Verb::Schema(args) => verbs::schema::run(&args, ui),
            Verb::Convert(args) => verbs::convert::run(&args, ui),
            Verb::Completion(args) => verbs::completion::run(&args, ui),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_verb_in_its_own_words() {
        for verb in Cli::command().get_subcommands() {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let line = format!("\n  {:12} {about}\n", verb.get_name());
            assert!(HELP.contains(&line), "not in the help:{line}");
        }
    }

    #[test]
    fn the_help_reads_well() {
        insta::assert_snapshot!(Cli::command().render_help(), @"
        Looks after the stacks of coding agents: says what is wanted, and shows what is there

        Usage: ctl [OPTIONS] <VERB>

        A NAME is 3, agent-3, agent/agent-3, stack/NAME or infra/NAME. Where [NAME] may be left out, it is the
        agent that HARNESS_AGENT names, else the one in whose worktree you are.

        Say what is wanted
          apply        Create or change objects from spec files
          diff         Show what an apply would change and do
          edit         Edit an object's spec file
          delete       Stop an agent and move what it made to the trash
          undelete     Bring a deleted agent back
          trash        List what can be brought back
          approve      Let deletions through that the guard holds back
          sync         Fetch specs from their Git repositories now
          rollback     Apply an earlier spec of an object again
          suspend      Let agents be as they are
          resume       Look after suspended agents again
          reconcile    Look at objects now, and try again what failed
          restart      Restart an agent's processes, or services of an Infra
          reset        Give an agent a new database, cloned from the template
          db           Keep an agent's database under a name, and bring it back
          rebuild      Build a Stack's template anew, though nothing has changed

        See what is there
          get          List objects
          describe     Show everything about an object
          status       Show how an agent stands, on a short page
          wait         Wait until objects are ready, deleted, or in a condition
          history      Show the specs that an object had
          events       Show what happened
          logs         Show logs of processes, services and setup steps
          stats        Show what an agent's processes use, or services of an Infra
          top          Watch all agents, their processes and what they use, and act on them
          health       Look at an agent's processes now
          slow-queries Show which queries of an agent took longest
          url          Print an agent's URLs
          env          Print an agent's environment
          sources      Show the Git repositories that specs come from
          info         Show which controller runs here
          doctor       Look at what everything rests on
          leaks        List what is of no object that is known

        Work inside an agent or a service
          verify       Check an agent's work
          prove        Show that agents are kept apart
          exec         Run a command in an agent's worktree, or in a service
          shell        Open a shell in an agent's worktree
          psql         Open an agent's database, or run one query

        Write specs
          validate     Check spec files, without a controller
          explain      Explain a field: ctl explain agent.spec.worktree
          schema       Print the JSON Schema of a kind
          convert      Turn a compose file, a Procfile or a PM2 config into a spec

          completion   Print a script that completes ctl's words in a shell

        Options
              --state <DIR>   The controller's state folder [default: ~/.local/state/agent-harness] [env:
                              HARNESS_STATE]
              --color <WHEN>  When to use colours: auto, always or never; auto heeds NO_COLOR [default:
                              auto]
          -h, --help          Print help
          -V, --version       Print version

        Exit codes: 0 done · 1 failed · 2 usage · 3 not ready in time · 4 blocked
        `ctl help VERB` says more about a verb.
        ");
    }
}
