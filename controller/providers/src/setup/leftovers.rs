//! The processes of steps and probes that outlived their run: found by the marks in their environment, ended.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use agent_harness_model::id::{Mark, Uid};
use agent_harness_shim::identity::{self, Identity};
use agent_harness_shim::tree::{self, MARK_VARIABLE};
use rustix::process::Signal;

use crate::git::occupants::has_open;

/// The variable that names the step (or the probe) which a process belongs to.
pub const STEP_VARIABLE: &str = "HARNESS_STEP";

/// Which processes are meant.
#[derive(Debug, Clone)]
pub struct Whose {
    /// What the mark begins with: a whole mark, or that of a whole installation.
    mark: String,
    /// One step, or all.
    step: Option<String>,
    /// Only of those that started then or later, in ticks since the boot: whoever knows that need not read the
    /// environment of all.
    since: u64,
}

impl Whose {
    /// Those of one step of an object.
    pub fn step(mark: String, step: String) -> Self {
        Self { mark, step: Some(step), since: 0 }
    }

    /// Those of any step of an installation.
    pub fn any_step(installation: &str) -> Self {
        let any = Mark { installation: installation.to_owned(), uid: Uid::new("") };
        Self { mark: any.to_string(), step: None, since: 0 }
    }

    /// Those of them that started with this process or after it.
    pub fn since(self, first: Identity) -> Self {
        Self { since: first.start, ..self }
    }

    /// Its live processes and their descendants, also those that changed their session or environment.
    pub fn alive(&self) -> io::Result<Vec<Identity>> {
        let processes = tree::snapshot()?;
        let mark = format!("{MARK_VARIABLE}={}", self.mark);
        let any_step = format!("{STEP_VARIABLE}=");
        let step = self.step.as_ref().map(|step| format!("{STEP_VARIABLE}={step}"));
        let mut found = Vec::new();
        let candidates = processes.values().filter(|stat| stat.identity.start >= self.since);
        for (pid, environment) in tree::environments(candidates)? {
            let mut entries = environment.split(|byte| *byte == 0);
            let marked = entries.clone().any(|entry| entry.starts_with(mark.as_bytes()));
            let stepped = entries.any(|entry| match &step {
                Some(step) => entry == step.as_bytes(),
                None => entry.starts_with(any_step.as_bytes()),
            });
            if marked && stepped {
                found.extend(processes.get(&pid).map(|stat| stat.identity));
            }
        }
        let roots: Vec<i32> = found.iter().map(|identity| identity.pid).collect();
        for root in roots {
            found.extend(tree::descendants(&processes, root));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The same for who must not wait: it reads all of `/proc`, more than once where a program has only just begun.
    async fn look(&self) -> io::Result<Vec<Identity>> {
        let whose = self.clone();
        tokio::task::spawn_blocking(move || whose.alive()).await.map_err(io::Error::other)?
    }

    /// Sends a signal to all of them; gives those that we may not end, as what sudo started is not to be
    /// ended by a controller without its rights.
    pub fn signal(&self, signal: Signal) -> io::Result<BTreeSet<Identity>> {
        send(&self.alive()?, signal)
    }

    /// Asks them to end, kills them after the grace, and waits until none is left. Gives those that
    /// outlived that, or that we may not end.
    pub async fn end(&self, grace: Duration) -> io::Result<Vec<Identity>> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let alive = self.look().await?;
        if alive.is_empty() {
            return Ok(alive);
        }
        let first = if grace.is_zero() { Signal::KILL } else { Signal::TERM };
        let mut denied = send(&alive, first)?;
        let kill_at = Instant::now() + grace;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut alive: BTreeSet<Identity> = self.look().await?.into_iter().collect();
            // Found by its descent alone, and not any more once what started it has ended.
            for identity in &denied {
                if identity::is_alive(*identity)? {
                    alive.insert(*identity);
                }
            }
            let now = Instant::now();
            let no_more_to_do = now >= kill_at && alive.is_subset(&denied);
            if alive.is_empty() || no_more_to_do || now > kill_at + PATIENCE {
                return Ok(alive.into_iter().collect());
            }
            if now >= kill_at {
                let ours: Vec<Identity> = alive.difference(&denied).copied().collect();
                denied.extend(send(&ours, Signal::KILL)?);
            }
        }
    }
}

/// Signals each of them, also when that fails for one; gives those that we may not signal.
fn send(all: &[Identity], signal: Signal) -> io::Result<BTreeSet<Identity>> {
    let (mut denied, mut failed) = (BTreeSet::new(), None);
    for identity in all {
        match identity::signal(*identity, signal) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                denied.insert(*identity);
            }
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(denied), Err)
}

/// Which processes have the file open, as far as they are to be seen.
pub fn holders(file: &File) -> io::Result<Vec<i32>> {
    let at = file.metadata()?;
    let us = std::process::id().cast_signed();
    let others = tree::snapshot()?.into_keys().filter(|pid| *pid != us);
    Ok(others.filter(|pid| has_open(*pid, (at.dev(), at.ino()))).collect())
}

#[cfg(test)]
mod tests;
