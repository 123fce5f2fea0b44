//! `ctl logs`: what processes and setup steps wrote, several of them in the order of time.

use std::time::Duration;

use agent_harness_model::api::LogFile;
use agent_harness_model::id::ObjectKey;
use agent_harness_shim::logs::{Follower, From, Line, Stream};
use jiff::Timestamp;
use regex::bytes::Regex;

use crate::client::{Client, path};
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::{Tone, Ui};

/// How often a followed log is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Show logs of processes and setup steps
///
/// Without names it shows all processes, each line after the name of its process.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// Which logs: api, setup/install, ...
    #[arg(value_name = "LOG")]
    logs: Vec<String>,
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
    /// Print when each line was written
    #[arg(short, long)]
    timestamps: bool,
}

/// Carries it out.
pub async fn run(args: LogsArgs, client: &Client, ui: &mut Ui) -> Result {
    let all: Vec<LogFile> = match client.get(&path(&args.name, "/logs")).await {
        Ok(all) => all,
        Err(error) if error.is_absent() => {
            lookup::object(client, &args.name).await?;
            return Err(error.into());
        }
        // Processes outlive the controller, and so do their logs.
        Err(error) if error.is_down() => {
            let logs = client.state().logs(&args.name)?;
            if logs.is_empty() {
                return Err(error.into());
            }
            ui.warn("the controller does not run; its agents may, and these are their logs")?;
            logs
        }
        Err(error) => return Err(error.into()),
    };
    let files = select(&args, all)?;
    let from = From {
        tail: args.tail.filter(|_| args.grep.is_none()),
        since_ms: args.since.map(|since| before(ui.now(), since.0)),
    };
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let printer = Printer::new(&args, &names);
    let mut followers = Vec::new();
    let mut lines = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let (follower, mut new) = Follower::open(&file.path, from)
            .map_err(|error| Failure::failed(format!("{}: {error}", file.path.display())))?;
        if let Some(regex) = &args.grep {
            new.retain(|line| regex.is_match(&line.text));
            let excess = args.tail.map_or(0, |tail| new.len().saturating_sub(tail));
            new.drain(..excess);
        }
        lines.push((index, new));
        followers.push((file, follower));
    }
    if lines.iter().all(|(_, lines)| lines.is_empty()) && !args.follow {
        ui.say("nothing was written")?;
    }
    printer.print(ui, lines)?;
    if !args.follow {
        return Ok(Exit::Done);
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        let mut lines = Vec::new();
        for (index, (file, follower)) in followers.iter_mut().enumerate() {
            let new = follower
                .next_lines()
                .map_err(|error| Failure::failed(format!("{}: {error}", file.path.display())))?;
            lines.push((index, new));
        }
        printer.print(ui, lines)?;
    }
}

/// The logs that were named, else those of the processes, else all.
fn select(args: &LogsArgs, all: Vec<LogFile>) -> Result<Vec<LogFile>> {
    if all.is_empty() {
        return Err(Failure::failed(format!("{} has no logs yet", args.name)));
    }
    let names = || all.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
    for name in &args.logs {
        if !all.iter().any(|file| file.name == *name) {
            return Err(Failure::failed(format!("{} has no log `{name}`", args.name))
                .hint(format!("there are {}", names())));
        }
    }
    let any_process = all.iter().any(|file| !file.name.contains('/'));
    let wanted = |file: &LogFile| {
        if args.logs.is_empty() {
            !any_process || !file.name.contains('/')
        } else {
            args.logs.contains(&file.name)
        }
    };
    Ok(all.into_iter().filter(wanted).collect())
}

fn before(now: Timestamp, span: Duration) -> u64 {
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    now.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// How lines are printed.
struct Printer<'a> {
    names: &'a [&'a str],
    width: usize,
    grep: Option<&'a Regex>,
    timestamps: bool,
}

impl<'a> Printer<'a> {
    fn new(args: &'a LogsArgs, names: &'a [&'a str]) -> Self {
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Self { names, width, grep: args.grep.as_ref(), timestamps: args.timestamps }
    }

    /// Prints the lines of several logs in the order of time.
    fn print(&self, ui: &mut Ui, logs: Vec<(usize, Vec<Line>)>) -> Result<()> {
        let mut text = Vec::new();
        for (log, line) in in_time(logs) {
            if self.grep.is_none_or(|regex| regex.is_match(&line.text)) {
                self.line(ui, log, &line, &mut text);
            }
        }
        if !text.is_empty() {
            ui.bytes(&text)?;
        }
        Ok(())
    }

    fn line(&self, ui: &Ui, log: usize, line: &Line, text: &mut Vec<u8>) {
        if self.timestamps {
            let at = line.at_ms.and_then(|at| i64::try_from(at).ok());
            let at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
            let at = at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
            let at = format!("{:24} ", at.unwrap_or_default());
            text.extend_from_slice(ui.paint(Tone::Quiet, &at).as_bytes());
        }
        if self.names.len() > 1 {
            let name = format!("{:width$} | ", self.names[log], width = self.width);
            text.extend_from_slice(ui.paint(Tone::Series(log), &name).as_bytes());
        }
        match (line.stream, self.grep.filter(|_| ui.is_coloured())) {
            (Stream::Shim, _) => {
                let remark = String::from_utf8_lossy(&line.text);
                text.extend_from_slice(ui.paint(Tone::Quiet, &format!("· {remark}")).as_bytes());
            }
            (Stream::Stdout | Stream::Stderr, Some(regex)) => {
                let shown = regex.replace_all(&line.text, |found: &regex::bytes::Captures<'_>| {
                    let found = String::from_utf8_lossy(&found[0]).into_owned();
                    ui.paint(Tone::Bad, &found).into_bytes()
                });
                text.extend_from_slice(&shown);
            }
            (Stream::Stdout | Stream::Stderr, None) => text.extend_from_slice(&line.text),
        }
        text.push(b'\n');
    }
}

/// All lines in the order of time; a line that knows no time stays behind the one before it.
fn in_time(logs: Vec<(usize, Vec<Line>)>) -> Vec<(usize, Line)> {
    let mut all = Vec::new();
    for (log, lines) in logs {
        let mut at = 0;
        for line in lines {
            at = line.at_ms.unwrap_or(at).max(at);
            all.push((at, log, line));
        }
    }
    all.sort_by_key(|(at, ..)| *at);
    all.into_iter().map(|(_, log, line)| (log, line)).collect()
}
