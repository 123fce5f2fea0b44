//! `ctl verify`: checks an agent's work with the stages of its Stack. The report goes to standard output, as JSON or
//! JUnit, whatever comes of it; words for people go to standard error, as it goes on.

mod board;
mod junit;

use agent_harness_model::api::{VerifyEvent, VerifyRequest};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::verify::{Report, Selection, Verdict};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::client::{Client, encode, path};
use crate::error::{Exit, Failure, Result};
use crate::ui::{Ui, age};
use crate::whose;
use board::Board;

/// Check an agent's work
///
/// Runs the stages of `verify` of its Stack, one after the other, in its worktree and with its environment and limits.
/// It ends with the first that fails. The report is printed as JSON, words about it go to standard error. Exit code 0
/// when all pass, 1 when something fails, 3 when it could not be run, 130 when it was stopped by Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: Option<ObjectKey>,
    /// Run the stages of `only: full` as well
    #[arg(long)]
    full: bool,
    /// Run this stage alone; may be given more than once
    #[arg(long = "stage", value_name = "STAGE")]
    stages: Vec<String>,
    /// Go on when something fails
    #[arg(short, long)]
    keep_going: bool,
    /// Run at most so many commands of a stage at the same time
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Run nothing, and print what came of the last run
    #[arg(long, conflicts_with_all = ["full", "stages", "keep_going", "jobs"])]
    last: bool,
    /// How to print the report
    #[arg(short, long, value_name = "FORM", default_value = "json")]
    output: Form,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// One JSON object
    Json,
    /// XML as JUnit has it
    Junit,
}

/// Carries it out.
pub async fn run(args: VerifyArgs, client: &Client, ui: &mut Ui) -> Result {
    let key = match whose::one(client, args.name.clone()).await {
        Ok(key) => key,
        Err(failure) if failure.exit == Exit::Usage => return Err(failure),
        Err(failure) => return not_run(&args, "", failure, ui),
    };
    match verify(&args, &key, client, ui).await {
        Ok((report, exit)) => {
            print(&args, &report, ui)?;
            Ok(exit)
        }
        Err(failure) if failure.exit == Exit::Usage => Err(failure),
        Err(failure) => not_run(&args, &key.name, failure, ui),
    }
}

/// A report is printed even where nothing was run: whoever reads it learns why.
fn not_run(args: &VerifyArgs, agent: &str, failure: Failure, ui: &mut Ui) -> Result {
    let report = Report::not_run(agent, args.full, ui.now(), failure.message.clone());
    print(args, &report, ui)?;
    Err(Failure { exit: Exit::NotReady, ..failure })
}

async fn verify(
    args: &VerifyArgs,
    key: &ObjectKey,
    client: &Client,
    ui: &mut Ui,
) -> Result<(Report, Exit)> {
    if args.last {
        let report: Report = client.get(&path(key, "/verify")).await?;
        let when = age(report.started_at, ui.now());
        ui.say(&format!("{}: {} {when} ago", key.name, report.status))?;
        let exit = exit_of(&report, None);
        return Ok((report, exit));
    }
    let request = VerifyRequest {
        selection: Selection { full: args.full, stages: args.stages.clone() },
        keep_going: args.keep_going,
        jobs: args.jobs.map(usize::from),
    };
    let mut asked = Asked::listen()?;
    let mut news = client.report(&path(key, "/verify"), &request).await.map_err(refused)?;
    let mut board = Board::new(ui);
    let mut run = None;
    loop {
        let event = tokio::select! {
            event = news.next::<VerifyEvent>() => event?,
            code = asked.next() => {
                let Some(run) = run.as_ref().filter(|_| asked.codes.len() == 1) else {
                    // Without the stream the controller stops it as well, and nobody waits for what came of it.
                    return Err(Failure::new(Exit::Command(code), "stopped"));
                };
                board.say(ui, "stopping; again to leave at once")?;
                let _: bool = client.delete(&path(key, &format!("/verify/{}", encode(run)))).await?;
                continue;
            }
        };
        match event {
            None => return Err(Failure::failed("the controller ended in the middle of the run")),
            Some(VerifyEvent::Accepted { run: id }) => run = Some(id),
            Some(VerifyEvent::Finished { report }) => {
                board.end(ui, &key.name, &report)?;
                let exit = exit_of(&report, asked.codes.first().copied());
                return Ok((*report, exit));
            }
            Some(event) => board.show(ui, &event)?,
        }
    }
}

/// What is asked for in vain is a mistake of the command line where the controller calls it invalid.
fn refused(error: crate::client::ClientError) -> Failure {
    let invalid = error.is_invalid();
    let failure = Failure::from(error);
    if invalid { Failure { exit: Exit::Usage, ..failure } } else { failure }
}

fn exit_of(report: &Report, stopped: Option<u8>) -> Exit {
    match report.status {
        Verdict::Pass => Exit::Done,
        Verdict::Fail => Exit::Failed,
        Verdict::Error => Exit::NotReady,
        Verdict::Cancelled => stopped.map_or(Exit::NotReady, Exit::Command),
    }
}

fn print(args: &VerifyArgs, report: &Report, ui: &mut Ui) -> Result<()> {
    match args.output {
        Form::Json => ui.line(&serde_json::to_string_pretty(report)?)?,
        Form::Junit => ui.data(&junit::xml(report)?)?,
    }
    Ok(())
}

/// Who asks for an end: Ctrl-C, or whoever ends a job.
struct Asked {
    interrupt: Signal,
    terminate: Signal,
    /// Exit codes of those that came.
    codes: Vec<u8>,
}

impl Asked {
    fn listen() -> Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate, codes: Vec::new() })
    }

    /// The exit code of the next one.
    async fn next(&mut self) -> u8 {
        let code = tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        };
        self.codes.push(code);
        code
    }
}
