//! A run as it goes, in words: a line for each stage that has ended, and on a terminal what is under way.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use agent_harness_model::api::VerifyEvent;
use agent_harness_model::verify::{CommandReport, Report, StageReport, Verdict};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::object::verdict_tone;
use crate::ui::{Tone, Ui, seconds};

/// So many problems of a stage are shown; all are in the report.
const SHOWN: usize = 5;

/// What is shown.
pub struct Board {
    bar: Option<ProgressBar>,
    stage: String,
    open: BTreeSet<String>,
}

impl Board {
    /// Nothing was told yet.
    pub fn new(ui: &Ui) -> Self {
        let bar = ui.is_live().then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(12);
            let bar = ProgressBar::with_draw_target(None, target);
            let style = ProgressStyle::with_template("{spinner} {elapsed:>4}  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, stage: String::new(), open: BTreeSet::new() }
    }

    /// Shows how far it is.
    pub fn show(&mut self, ui: &mut Ui, event: &VerifyEvent) -> io::Result<()> {
        match event {
            VerifyEvent::Accepted { .. } | VerifyEvent::Finished { .. } => {}
            VerifyEvent::Waiting { stage } => {
                let words =
                    format!("{stage} waits until other verifies on this host leave it room");
                match &self.bar {
                    Some(bar) => bar.set_message(words),
                    None => ui.say(&words)?,
                }
            }
            VerifyEvent::Stage { name, commands } => {
                self.stage.clone_from(name);
                self.open = commands.iter().cloned().collect();
                self.update();
            }
            VerifyEvent::Command { name, .. } => {
                self.open.remove(name);
                self.update();
            }
            VerifyEvent::StageEnded { name, status, duration_ms, first_error } => {
                let why = first_error.as_deref().unwrap_or_default();
                let line = line(ui, *status, name, *duration_ms, why);
                self.say(ui, &line)?;
            }
        }
        Ok(())
    }

    /// Says something beside what is under way.
    pub fn say(&self, ui: &mut Ui, text: &str) -> io::Result<()> {
        match &self.bar {
            Some(bar) => bar.suspend(|| ui.say(text)),
            None => ui.say(text),
        }
    }

    /// Says what came of it, and where there is more.
    pub fn end(&mut self, ui: &mut Ui, agent: &str, report: &Report) -> io::Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        for stage in report.stages.iter().filter(|stage| stage.status != Verdict::Pass) {
            for command in stage.commands.iter().filter(|it| it.status != Verdict::Pass) {
                more(ui, agent, stage, command)?;
            }
        }
        if !report.skipped.is_empty() {
            ui.say(&format!("not run: {}", report.skipped.join(", ")))?;
        }
        let status = ui.paint_words(verdict_tone(report.status), &report.status.to_string());
        let time = seconds(Duration::from_millis(report.total_duration_ms));
        let queued = match report.queued_ms {
            0..100 => String::new(),
            waited => format!(", after {} in the queue", seconds(Duration::from_millis(waited))),
        };
        let why = report.error.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        ui.say(&format!("{status} in {time}{queued}{why}"))?;
        if report.receipt.as_ref().is_some_and(|receipt| receipt.changed_meanwhile) {
            ui.warn("files of the worktree changed while it ran: verify it again")?;
        }
        Ok(())
    }

    fn update(&self) {
        let Some(bar) = &self.bar else { return };
        let alone = self.open.len() == 1 && self.open.contains(&self.stage);
        let open: Vec<&str> = self.open.iter().map(String::as_str).collect();
        bar.set_message(if alone || open.is_empty() {
            self.stage.clone()
        } else {
            format!("{}: {}", self.stage, open.join(", "))
        });
    }
}

fn line(ui: &Ui, status: Verdict, stage: &str, duration_ms: u64, why: &str) -> String {
    let status = ui.paint_words(verdict_tone(status), &format!("{status:9}"));
    let time = seconds(Duration::from_millis(duration_ms));
    format!("{status}  {stage:14} {time:>7}  {why}")
}

/// What a command that failed has told beside what came first, and where the rest is.
fn more(ui: &mut Ui, agent: &str, stage: &StageReport, command: &CommandReport) -> io::Result<()> {
    if command.status == Verdict::Cancelled || command.log.is_none() {
        return Ok(());
    }
    let name = if command.name == stage.name {
        stage.name.clone()
    } else {
        format!("{}.{}", stage.name, command.name)
    };
    for problem in command.problems.iter().take(SHOWN) {
        ui.say(&format!("  {}", problem.words()))?;
    }
    let rest = command.problems.len().saturating_sub(SHOWN);
    let rest = if rest > 0 { format!("{rest} more; ") } else { String::new() };
    let words = format!("  {rest}all of its output: ctl logs {agent} verify/{name}");
    ui.say(&ui.paint_words(Tone::Quiet, &words))
}
