//! Long work as it goes: one spinner line per object on a terminal, else a line whenever something
//! changes. All of it is words, so it goes to standard error.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use agent_harness_model::id::ObjectKey;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Tone, Ui, seconds};

/// What takes less than this takes no time.
const AT_ONCE: Duration = Duration::from_millis(300);

/// Objects on their way.
pub struct Progress {
    started: Instant,
    /// The widest name, for alignment.
    width: usize,
    /// What was last said of each, where lines are printed.
    said: BTreeMap<ObjectKey, String>,
    bars: Option<(MultiProgress, BTreeMap<ObjectKey, ProgressBar>)>,
}

impl Progress {
    /// Begins to show the given objects.
    pub fn new(ui: &Ui, keys: &[ObjectKey]) -> Self {
        let width = keys.iter().map(|key| key.to_string().len()).max().unwrap_or(0);
        let bars = ui.is_live().then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(12));
            let bars = keys
                .iter()
                .map(|key| {
                    let bar = all.add(ProgressBar::new_spinner().with_style(style(ui)));
                    bar.set_prefix(format!("{:width$}", key.to_string()));
                    bar.enable_steady_tick(Duration::from_millis(100));
                    (key.clone(), bar)
                })
                .collect();
            (all, bars)
        });
        Self { started: Instant::now(), width, said: BTreeMap::new(), bars }
    }

    /// How long it takes already.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Says how an object stands.
    pub fn set(
        &mut self,
        ui: &mut Ui,
        key: &ObjectKey,
        tone: Tone,
        phase: &str,
        message: &str,
    ) -> io::Result<()> {
        let phase_shown = ui.paint_words(tone, &format!("{phase:11}"));
        match &self.bars {
            Some((_, bars)) => {
                if let Some(bar) = bars.get(key) {
                    bar.set_message(format!("{phase_shown}  {message}"));
                }
                Ok(())
            }
            None => {
                let what = format!("{phase} {message}");
                if self.said.get(key) == Some(&what) {
                    return Ok(());
                }
                self.said.insert(key.clone(), what);
                let name = format!("{:width$}", key.to_string(), width = self.width);
                ui.say(&format!("{name}  {phase_shown}  {message}"))
            }
        }
    }

    /// Ends an object's line with a line of data. On a terminal it says how long it took, too.
    pub fn done(&mut self, ui: &mut Ui, key: &ObjectKey, data: &str, note: &str) -> io::Result<()> {
        let note = self.note(ui, note);
        let line = format!("{data}{note}");
        match &self.bars {
            Some((all, bars)) => {
                if let Some(bar) = bars.get(key) {
                    bar.finish_and_clear();
                }
                all.suspend(|| ui.line(&line))
            }
            None => ui.line(&line),
        }
    }

    /// What only a person wants to know: how long it took, if it took any time, and something more.
    fn note(&self, ui: &Ui, more: &str) -> String {
        if !ui.is_terminal() {
            return String::new();
        }
        let took = self.elapsed();
        let took = if took < AT_ONCE { String::new() } else { format!("in {}", seconds(took)) };
        let words: Vec<&str> =
            [took.as_str(), more].into_iter().filter(|w| !w.is_empty()).collect();
        if words.is_empty() {
            return String::new();
        }
        format!("  {}", ui.paint(Tone::Quiet, &words.join("  ")))
    }

    /// Takes away what is still shown.
    pub fn clear(&mut self) {
        if let Some((all, bars)) = &self.bars {
            bars.values().for_each(ProgressBar::finish_and_clear);
            // The terminal is gone, and with it the lines.
            let _ = all.clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(ui: &Ui) -> ProgressStyle {
    let template = if ui.words_are_coloured() {
        "{spinner:.cyan} {prefix}  {elapsed:>4.dim}  {wide_msg}"
    } else {
        "{spinner} {prefix}  {elapsed:>4}  {wide_msg}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}
