//! `ctl logs`: what processes, services and setup steps wrote, several of them in the order of time.

mod clean;
mod printer;
mod source;

use std::time::{Duration, Instant};

use agent_harness_model::api::LogFile;
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_shim::logs::{From, Line};
use jiff::Timestamp;
use regex::bytes::Regex;

use crate::client::{Client, path};
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::object;
use crate::ui::Ui;
use crate::whose;
use printer::Printer;
use source::Source;

/// How often a followed log is looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// How often it is asked which logs there are, while some are followed.
const LOOK: Duration = Duration::from_secs(1);

/// Show logs of processes, services and setup steps
///
/// Without names it shows all processes, or all services of an Infra, each line after its name. Colours that a process
/// prints are kept where ctl itself uses colours.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// The agent, or infra/NAME
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Which logs: api, setup/install, postgres, ...
    #[arg(value_name = "LOG")]
    logs: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// What of them is shown, and how.
#[derive(Debug, Default, clap::Args)]
struct How {
    /// Go on and print what is written
    #[arg(short, long)]
    follow: bool,
    /// At most so many of the last lines of each log
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<usize>,
    /// Only what was written in the last 10m, 2h, ...
    #[arg(long, value_name = "TIME")]
    since: Option<agent_harness_model::spec::Duration>,
    /// Only lines that match a regular expression
    #[arg(short, long, value_name = "REGEX")]
    grep: Option<Regex>,
    /// Only what the run before the latest one wrote
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,
    /// Print when each line was written
    #[arg(short, long)]
    timestamps: bool,
    /// How to print it
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// One JSON object a line: time, object, log, stream, text
    Json,
}

impl LogsArgs {
    /// The last lines of one part of an object, or of all, and what is written from then on.
    pub fn following(key: &ObjectKey, part: Option<&str>, tail: usize) -> Self {
        let how = How { follow: true, tail: Some(tail), ..How::default() };
        let logs = part.into_iter().map(str::to_owned).collect();
        Self { name: Some(key.to_string()), logs, how }
    }
}

/// What is shown.
struct Wanted {
    name: ObjectKey,
    logs: Vec<String>,
    how: How,
}

/// Carries it out.
pub async fn run(args: LogsArgs, client: &Client, ui: &mut Ui) -> Result {
    let words = args.name.into_iter().chain(args.logs).collect();
    let (name, logs) = whose::about(client, words, usize::MAX).await?;
    let args = Wanted { name, logs, how: args.how };
    let all = list(&args, client, ui).await?;
    let files = match check(&args, &all) {
        Ok(()) => chosen(&args, all),
        Err(failure) if !args.how.follow || !is_to_come(&args, client).await => {
            return Err(failure);
        }
        Err(_) => {
            ui.say("nothing was written yet")?;
            Vec::new()
        }
    };
    let mut shown = Shown::new(&args, ui.now());
    let lines = shown.open(client, ui, files).await?;
    if args.how.previous && lines.is_empty() {
        return Err(no_previous(&args.name, &args.logs));
    }
    if lines.iter().all(|(_, lines)| lines.is_empty()) && !args.how.follow {
        ui.say("nothing was written")?;
    }
    shown.printer.print(ui, lines)?;
    if !args.how.follow {
        return Ok(Exit::Done);
    }
    // Whatever else begins to write is new from its first line on.
    shown.from.tail = None;
    let mut looked = Instant::now();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let mut lines = shown.next_lines()?;
        if looked.elapsed() >= LOOK {
            // Where the controller does not run just now, nothing new is started either.
            if let Ok(all) = client.get::<Vec<LogFile>>(&path(&args.name, "/logs")).await {
                lines.extend(shown.open(client, ui, chosen(&args, all)).await?);
            }
            looked = Instant::now();
        }
        shown.printer.print(ui, lines)?;
    }
}

/// The logs that there are.
async fn list(args: &Wanted, client: &Client, ui: &mut Ui) -> Result<Vec<LogFile>> {
    match client.get(&path(&args.name, "/logs")).await {
        Ok(all) => Ok(all),
        Err(error) if error.is_absent() => {
            lookup::object(client, &args.name).await?;
            Err(error.into())
        }
        // Processes outlive the controller, and so do their logs.
        Err(error) if error.is_down() => {
            let logs = client.state().logs(&args.name)?;
            if logs.is_empty() {
                return Err(error.into());
            }
            ui.warn(match args.name.kind {
                ObjectKind::Infra => {
                    "the controller does not run, and it alone has the logs of containers; these are the others"
                }
                ObjectKind::Stack | ObjectKind::Agent => {
                    "the controller does not run; its agents may, and these are their logs"
                }
            })?;
            Ok(logs)
        }
        Err(error) => Err(error.into()),
    }
}

/// That the logs that were named are there, or any.
fn check(args: &Wanted, all: &[LogFile]) -> Result<()> {
    if all.is_empty() {
        return Err(Failure::failed(format!("{} has no logs yet", args.name)));
    }
    let names = || all.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
    match args.logs.iter().find(|name| !all.iter().any(|file| file.name == **name)) {
        Some(name) => Err(Failure::failed(format!("{} has no log `{name}`", args.name))
            .hint(format!("there are {}", names()))),
        None => Ok(()),
    }
}

/// Whether what is not written yet may be: nobody looked at the object as it is now, or what was named is a part of it.
async fn is_to_come(args: &Wanted, client: &Client) -> bool {
    let Ok(object) = lookup::object(client, &args.name).await else { return false };
    let Some(status) = object.status.as_ref().filter(|_| object::is_current(&object)) else {
        return true;
    };
    args.logs.iter().all(|name| {
        let kinds = ["process", "service", "container"];
        let locals = kinds.map(|kind| format!("{kind}/{name}"));
        locals.iter().chain([name]).any(|local| status.resources.contains_key(local))
    })
}

fn no_previous(key: &ObjectKey, logs: &[String]) -> Failure {
    let what = match logs {
        [] => format!("no log of {key} has anything"),
        [log] => format!("the log `{log}` of {key} has nothing"),
        _ => format!("none of these logs of {key} has anything"),
    };
    let words: Vec<_> = [key.to_string()].iter().chain(logs).cloned().collect();
    Failure::failed(format!("{what} of a run before the latest one"))
        .hint(format!("`ctl logs {}` shows the latest", words.join(" ")))
}

/// The logs that were named, else those of the processes, else all.
fn chosen(args: &Wanted, all: Vec<LogFile>) -> Vec<LogFile> {
    let any_process = all.iter().any(|file| !file.name.contains('/'));
    let wanted = |file: &LogFile| {
        if args.logs.is_empty() {
            !any_process || !file.name.contains('/')
        } else {
            args.logs.contains(&file.name)
        }
    };
    all.into_iter().filter(wanted).collect()
}

/// The logs that are shown, and how far they were read.
struct Shown<'a> {
    args: &'a Wanted,
    from: From,
    printer: Printer<'a>,
    /// By the place of the log's name in the printer's.
    sources: Vec<Source>,
}

impl<'a> Shown<'a> {
    fn new(args: &'a Wanted, now: Timestamp) -> Self {
        let from = From {
            tail: args.how.tail.filter(|_| args.how.grep.is_none()),
            since_ms: args.how.since.map(|since| before(now, since.0)),
        };
        let json = args.how.output.map(|Form::Json| &args.name);
        let printer = Printer::new(args.how.grep.as_ref(), args.how.timestamps, json);
        Self { args, from, printer, sources: Vec::new() }
    }

    /// Opens the logs that are not shown yet; their lines so far.
    async fn open(
        &mut self,
        client: &Client,
        ui: &mut Ui,
        files: Vec<LogFile>,
    ) -> Result<Vec<(usize, Vec<Line>)>> {
        let mut lines = Vec::new();
        for file in files {
            if self.printer.knows(&file.name) {
                continue;
            }
            let (source, mut new) = match file.path {
                Some(path) if self.args.how.previous => match Source::previous(&path, self.from)? {
                    Some(opened) => opened,
                    // Said where none of them has any.
                    None => continue,
                },
                None if self.args.how.previous => {
                    let message =
                        format!("{} is a container, whose runs are not told apart", file.name);
                    if !self.args.logs.is_empty() {
                        return Err(Failure::failed(message)
                            .hint("`--since` shows what was written from a time on"));
                    }
                    ui.warn(&message)?;
                    continue;
                }
                Some(path) => Source::file(path, self.from)?,
                None => {
                    let of = (&self.args.name, file.name.as_str());
                    match Source::streamed(client, of, self.from, self.args.how.follow).await {
                        Ok(opened) => opened,
                        // Of several, the others are there all the same.
                        Err(failure) if self.args.logs.is_empty() => {
                            ui.warn(&format!("{}: {}", file.name, failure.message))?;
                            (Source::Silent, Vec::new())
                        }
                        Err(failure) => return Err(failure),
                    }
                }
            };
            if self.args.how.grep.is_some() {
                new.retain(|line| self.printer.wants(line));
                let excess = self.args.how.tail.map_or(0, |tail| new.len().saturating_sub(tail));
                new.drain(..excess);
            }
            lines.push((self.printer.add(&file.name), new));
            self.sources.push(source);
        }
        Ok(lines)
    }

    /// What was written since the last call.
    fn next_lines(&mut self) -> Result<Vec<(usize, Vec<Line>)>> {
        let next = |(index, source): (usize, &mut Source)| Ok((index, source.next_lines()?));
        self.sources.iter_mut().enumerate().map(next).collect()
    }
}

fn before(now: Timestamp, span: Duration) -> u64 {
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    now.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
