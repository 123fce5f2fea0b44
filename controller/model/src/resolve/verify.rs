//! The verify pipeline of an agent, with every choice made.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Stop;
use super::agent::millis;
use super::commands::Surroundings;
use super::context::Context;
use super::{probes, processes};
use crate::kinds::command::Command;
use crate::spec::{StackSpec, VerifyOnly, VerifyStage};
use crate::verify::{Pipeline, Stage, Work};

/// Default time of a stage.
const TIMEOUT_MS: u64 = 30 * 60 * 1000;

/// What `ctl verify` runs for this agent.
pub(super) fn pipeline(
    cx: &mut Context<'_>,
    around: &Surroundings<'_>,
    spec: &StackSpec,
    worktree: Option<PathBuf>,
) -> Result<Option<Arc<Pipeline>>, Stop> {
    if spec.verify.is_empty() {
        return Ok(None);
    }
    let mut stages = Vec::new();
    for (name, wanted) in spec.verify.iter() {
        stages.push(Stage {
            name: name.to_owned(),
            work: work(cx, around, name, wanted)?,
            only_full: wanted.only == Some(VerifyOnly::Full),
            timeout_ms: wanted.timeout.map_or(TIMEOUT_MS, |timeout| millis(timeout.0)),
        });
    }
    Ok(Some(Arc::new(Pipeline {
        stages,
        matchers: spec.problem_matchers.clone(),
        budget: processes::budget(spec.limits.as_ref()),
        worktree,
    })))
}

fn work(
    cx: &mut Context<'_>,
    around: &Surroundings<'_>,
    name: &str,
    wanted: &VerifyStage,
) -> Result<Work, Stop> {
    let at = ["verify", name];
    let mut command = |path: &[&str], run| {
        let made = around.command_at(cx, path, &at, run, wanted.cwd.as_deref(), &wanted.env)?;
        Ok::<Command, Stop>(made)
    };
    if let Some(run) = &wanted.run {
        return Ok(Work::Commands(vec![(
            name.to_owned(),
            command(&["verify", name, "run"], run)?,
        )]));
    }
    if !wanted.parallel.is_empty() {
        let mut all = Vec::new();
        for (part, run) in &wanted.parallel {
            all.push((part.clone(), command(&["verify", name, "parallel", part], run)?));
        }
        return Ok(Work::Commands(all));
    }
    // A check by a command is run as the commands of the stage are.
    let nothing = crate::spec::Command::Words(Vec::new());
    let base = command(&["verify", name, "probes"], &nothing)?;
    let ports: BTreeMap<String, u16> = cx.object.ports.clone();
    let mut all = Vec::new();
    for (part, wanted) in &wanted.probes {
        let path = ["verify", name, "probes", part];
        all.push((part.clone(), probes::probe(cx, around, &path, wanted, &base, &ports)?));
    }
    Ok(Work::Probes(all))
}
