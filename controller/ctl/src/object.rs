//! What is shown of an object, read off its spec and status: all of it pure.

use agent_harness_model::api::Object;
use agent_harness_model::status::{Condition, ConditionType, Phase, ResourceStatus, Status, Truth};
use agent_harness_model::verify::Verdict;
use jiff::Timestamp;

use crate::ui::{Cell, Tone, age};

/// Whether the status is about what is wanted now.
pub fn is_current(object: &Object) -> bool {
    let of_this_spec = |status: &Status| status.observed_generation >= object.metadata.generation;
    !object.outdated && object.status.as_ref().is_some_and(of_this_spec)
}

/// One word for all of it.
pub fn phase(object: &Object) -> Phase {
    match &object.status {
        _ if object.metadata.deletion_timestamp.is_some() => Phase::Deleting,
        None => Phase::Pending,
        Some(status) if is_current(object) => status.phase,
        Some(_) => Phase::Progressing,
    }
}

/// The tone of a phase.
pub fn phase_tone(phase: Phase) -> Tone {
    match phase {
        Phase::Ready => Tone::Good,
        Phase::Progressing => Tone::Info,
        Phase::Degraded | Phase::Deleting => Tone::Busy,
        Phase::Stalled => Tone::Bad,
        Phase::Pending | Phase::Suspended => Tone::Quiet,
    }
}

/// Whether a resource is as wanted.
pub fn works(resource: &ResourceStatus) -> bool {
    matches!(resource.state.as_str(), "Ready" | "Succeeded")
}

/// The tone of a resource's state.
pub fn state_tone(state: &str) -> Tone {
    match state {
        "Ready" | "Succeeded" => Tone::Good,
        "Running" => Tone::Info,
        "Missing" | "NotRun" | "Stopped" | "Trashed" => Tone::Quiet,
        "Exited" | "Failed" | "PortTaken" | "Foreign" => Tone::Bad,
        _ => Tone::Busy,
    }
}

/// `5/6`: how many of the resources that are wanted are as wanted; nothing where there are none.
pub fn ready(object: &Object) -> String {
    let all = object.status.iter().flat_map(|status| status.resources.values());
    let wanted: Vec<_> = all.filter(|resource| !resource.leaving).collect();
    if wanted.is_empty() {
        return String::new();
    }
    let good = wanted.iter().filter(|resource| works(resource)).count();
    format!("{good}/{}", wanted.len())
}

/// The worktree's branch: as it is, else as it is written.
pub fn branch(object: &Object) -> String {
    let worktree = object.status.as_ref().and_then(|status| {
        status.resources.iter().find(|(name, _)| name.starts_with("worktree/")).map(|(_, r)| r)
    });
    let seen = worktree
        .filter(|worktree| worktree.state == "Ready")
        .and_then(|worktree| worktree.message.rsplit_once(" at "))
        .map(|(branch, _)| branch.to_owned());
    let written = || object.spec.pointer("/worktree/branch")?.as_str().map(str::to_owned);
    seen.or_else(written).filter(|branch| !branch.contains("${")).unwrap_or_default()
}

/// `pass 3m`: what the last `ctl verify` came to, and how long ago; nothing where there was none.
pub fn verified(object: &Object, now: Timestamp) -> Cell {
    let Some(last) = object.status.as_ref().and_then(|status| status.verify.as_ref()) else {
        return Cell::from("");
    };
    Cell::new(verdict_tone(last.status), format!("{} {}", last.status, age(last.started_at, now)))
}

/// The tone of what a verify came to.
pub fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Pass => Tone::Good,
        Verdict::Fail | Verdict::Error => Tone::Bad,
        Verdict::Cancelled => Tone::Busy,
    }
}

/// The URL that a person most likely wants to open.
pub fn url(object: &Object) -> Option<(&str, &str)> {
    let urls = &object.status.as_ref()?.urls;
    ["frontend", "web", "app", "ui", "site"]
        .iter()
        .find_map(|name| urls.get_key_value(*name))
        .or_else(|| urls.iter().next())
        .map(|(name, url)| (name.as_str(), url.as_str()))
}

/// Whether anything may answer at the object's URLs: of an agent that is stuck or suspended, or of which no
/// process runs, they lead nowhere.
pub fn is_reachable(object: &Object) -> bool {
    let Some(status) = object.status.as_ref().filter(|_| object.kind == "Agent") else {
        return object.status.is_some();
    };
    let runs = |(name, resource): (&String, &ResourceStatus)| {
        name.starts_with("process/") && matches!(resource.state.as_str(), "Ready" | "Running")
    };
    let at_work = matches!(phase(object), Phase::Ready | Phase::Progressing | Phase::Degraded);
    at_work && status.resources.iter().any(runs)
}

/// Where an agent's worktree is; `None` while it has none, it lies in the trash, or somebody else's is there.
pub fn worktree(object: &Object) -> Option<&str> {
    let status = object.status.as_ref().filter(|_| object.kind == "Agent")?;
    status
        .resources
        .iter()
        .filter(|(_, resource)| !matches!(resource.state.as_str(), "Trashed" | "Foreign"))
        .find_map(|(name, _)| name.strip_prefix("worktree/"))
}

/// What stands between the object and Ready, in one line; empty when nothing does.
pub fn message(object: &Object) -> String {
    if object.status.is_none() {
        let gone = object.metadata.deletion_timestamp.is_some();
        return if gone { "gone" } else { "not looked at yet" }.to_owned();
    }
    if let Some(condition) = problem(object) {
        return condition.message.lines().next().unwrap_or_default().to_owned();
    }
    if is_current(object) { "" } else { "the changed spec is not looked at yet" }.to_owned()
}

/// The condition that says what stands between the object and Ready, the gravest where several do.
pub fn problem(object: &Object) -> Option<&Condition> {
    let status = object.status.as_ref()?;
    let of = |kind, truth: &[Truth]| {
        status
            .condition(kind)
            .filter(|condition| truth.contains(&condition.status) && !condition.message.is_empty())
    };
    let always = of(ConditionType::SourceValid, &[Truth::False])
        .or_else(|| of(ConditionType::DeletionBlocked, &[Truth::True]));
    if always.is_some() || !is_current(object) {
        return always;
    }
    of(ConditionType::Suspended, &[Truth::True])
        .or_else(|| of(ConditionType::Stalled, &[Truth::True]))
        .or_else(|| of(ConditionType::Ready, &[Truth::False, Truth::Unknown]))
        .or_else(|| of(ConditionType::Drifted, &[Truth::True]))
}

/// The tone of a condition: whether its status is the good one.
pub fn condition_tone(condition: &Condition) -> Tone {
    use ConditionType as C;
    match (condition.kind, condition.status) {
        (_, Truth::Unknown) => Tone::Busy,
        (C::Ready | C::Synced | C::SourceValid, Truth::True) => Tone::Good,
        (C::Ready | C::Synced | C::SourceValid, Truth::False) => Tone::Bad,
        (C::Progressing | C::Suspended, Truth::True) => Tone::Info,
        (C::Stalled | C::CrashLoop | C::DeletionBlocked, Truth::True) => Tone::Bad,
        (C::Drifted, Truth::True) => Tone::Busy,
        (
            C::Progressing
            | C::Stalled
            | C::CrashLoop
            | C::Drifted
            | C::Suspended
            | C::DeletionBlocked,
            Truth::False,
        ) => Tone::Quiet,
    }
}

/// The objects in the order in which they are listed: shared things first, `agent-9` before `agent-10`.
pub fn sort(objects: &mut [Object]) {
    objects.sort_by_key(|object| object.key().map(|key| key.listed()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wanted_any_more_is_not_missing() {
        let mut object = crate::testing::agent("agent-1", Phase::Ready, "");
        let count = ready(&object);
        let resources = &mut object.status.as_mut().unwrap().resources;
        let trashed = ResourceStatus {
            state: "Trashed".into(),
            message: String::new(),
            failed: false,
            leaving: true,
        };
        resources.insert("database/old".into(), trashed);
        assert_eq!(ready(&object), count);
    }
}
