//! What a campaign has tried, and what it found: the figures that `docs/reliability.md` has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// The boundaries of each operation at which something was done, by its kind and its fault.
    struck: BTreeMap<(&'static str, String), BTreeSet<(String, usize)>>,
    /// How many steps each operation has.
    steps: BTreeMap<&'static str, usize>,
    /// Controllers that were ended by `kill -9`, at a boundary or at any moment.
    pub kills: usize,
    /// Specs that were put in force, taken away or brought back.
    pub transitions: usize,
    /// What somebody else broke.
    pub tampered: usize,
    /// Servers that were stopped or ended.
    pub outages: usize,
    /// Controllers that saw another time than the last one.
    pub clocks: usize,
    /// Random paths of specs.
    pub paths: usize,
    /// How long it took from each fault until all was as it should be.
    pub converged: Vec<Duration>,
    /// Bytes of agents that were looked for in what there is or in the trash, and those that were not found.
    pub bytes: (usize, usize),
    /// Processes, databases, buckets, worktrees and records that were counted, and those that were there twice.
    pub counted: (usize, usize),
    /// What was left of us when everything had been destroyed.
    pub orphans: usize,
    /// What belongs to nobody of us, and what of it was not as before.
    pub foreign: (usize, usize),
    /// Bugs that were planted, and those that were found.
    pub planted: (usize, usize),
}

impl Tally {
    /// A fault `KIND:SIDE:NUMBER` came about in an operation.
    pub fn struck(&mut self, operation: &'static str, fault: &str) {
        let mut words = fault.split(':').map(str::to_owned);
        let (kind, side) = (words.next().unwrap(), words.next().unwrap());
        let number = words.next().unwrap().parse().unwrap();
        self.struck.entry((operation, kind)).or_default().insert((side, number));
    }

    /// An operation has so many steps where nothing goes wrong.
    pub fn has_steps(&mut self, operation: &'static str, steps: usize) {
        self.steps.insert(operation, steps);
    }

    /// Something was looked for; `false` where it is not there.
    pub fn looked_for(&mut self, bytes: &str, is_there: bool) {
        self.bytes.0 += bytes.len();
        self.bytes.1 += if is_there { 0 } else { bytes.len() };
    }

    /// There are so many of something, and should be no more than that.
    pub fn counts(&mut self, there_are: usize, at_most: usize) {
        self.counted.0 += there_are;
        self.counted.1 += there_are.saturating_sub(at_most);
    }

    /// Boundaries at which something was done, and all that there are: each step's two sides, under each kind of fault.
    pub fn boundaries(&self) -> (usize, usize) {
        let of = |(operation, _): &(&'static str, String), all: &BTreeSet<(String, usize)>| {
            let steps = self.steps.get(operation).copied().unwrap_or_default();
            (all.iter().filter(|(_, number)| *number <= steps).count(), steps * 2)
        };
        let all = self.struck.iter().map(|(key, all)| of(key, all));
        all.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
    }

    /// Nothing was lost, doubled, left behind, harmed or overlooked.
    pub fn assert_clean(&self) {
        let bad = [self.bytes.1, self.counted.1, self.orphans, self.foreign.1];
        assert_eq!(bad, [0; 4], "lost, doubled, left behind, harmed\n{self}");
        assert_eq!(self.planted.0, self.planted.1, "planted bugs that nobody found\n{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, text: String| writeln!(f, "{what:<24}{text}");
        let (done, all) = self.boundaries();
        if all > 0 {
            let steps = self.steps.iter().map(|(what, steps)| format!("{what} {steps}"));
            let steps = steps.collect::<Vec<_>>().join(", ");
            line("boundaries covered", format!("{done} of {all} (steps: {steps})"))?;
        }
        line("kill -9", self.kills.to_string())?;
        line("transitions", self.transitions.to_string())?;
        if self.paths > 0 {
            line("random paths", self.paths.to_string())?;
            line("somebody broke things", self.tampered.to_string())?;
            line("servers that stopped", self.outages.to_string())?;
            line("clocks that jumped", self.clocks.to_string())?;
        }
        let mut times = self.converged.clone();
        times.sort_unstable();
        if let Some(last) = times.len().checked_sub(1) {
            let at = |percent: usize| times[last * percent / 100].as_secs_f64();
            let text = format!("{} (p50 {:.2} s, p99 {:.2} s)", times.len(), at(50), at(99));
            line("converged", text)?;
        }
        line("bytes lost", format!("{} of {}", self.bytes.1, self.bytes.0))?;
        line("duplicates", format!("{} of {}", self.counted.1, self.counted.0))?;
        line("orphans", self.orphans.to_string())?;
        line("foreign touched", format!("{} of {}", self.foreign.1, self.foreign.0))?;
        if self.planted.0 > 0 {
            line("planted bugs found", format!("{} of {}", self.planted.1, self.planted.0))?;
        }
        Ok(())
    }
}
