//! One resource as it was seen, in a word and a sentence.

use super::ResourceStatus;
use crate::kinds::{
    AnyTarget, End, Have, Readiness, Resource, bucket, container, database, file, process, service,
    template, worktree,
};
use crate::world::Seen;

/// One resource as it was seen, in a word and a sentence.
pub(super) fn seen(seen: &Seen<Option<&Have>>, target: &AnyTarget) -> ResourceStatus {
    let leaving = target.leaves();
    let say = |state: &str, message: String| ResourceStatus {
        state: state.to_owned(),
        message,
        failed: false,
        leaving,
    };
    let have = match seen {
        Seen::Unknown(why) => return say("Unknown", why.clone()),
        Seen::Known(None) => return say("Missing", String::new()),
        Seen::Known(Some(have)) => have,
    };
    match have {
        Have::Service(service::Observed::Running { ready, .. })
        | Have::Process(process::Observed::Running { ready, .. }) => match ready {
            Readiness::Ready => say("Ready", String::new()),
            Readiness::NotReady(why) => say("Running", why.clone()),
        },
        Have::Service(service::Observed::Exited { exit, .. })
        | Have::Process(process::Observed::Exited { exit, .. }) => {
            say(if exit.end == End::Success { "Succeeded" } else { "Exited" }, exit.how.clone())
        }
        Have::Container(container::Observed::There { state, .. }) => match state {
            container::State::Running(Readiness::Ready) => say("Ready", String::new()),
            container::State::Running(Readiness::NotReady(why)) => say("Running", why.clone()),
            container::State::Created => say("Created", String::new()),
            container::State::Restarting(how) => say("Restarting", how.clone()),
            container::State::Paused => say("Paused", String::new()),
            container::State::Exited(exit) => say("Exited", exit.how.clone()),
            container::State::Removing => say("Removing", String::new()),
        },
        Have::Container(container::Observed::Kept(volumes)) if volumes.is_empty() => {
            say("Kept", "its network".into())
        }
        Have::Container(container::Observed::Kept(volumes)) => {
            say("Kept", format!("volume {}", volumes.join(", ")))
        }
        Have::Container(container::Observed::Foreign(who)) => say("Foreign", who.clone()),
        Have::Container(container::Observed::PortTaken(who)) => say("PortTaken", who.clone()),
        Have::Service(service::Observed::Stopped) => say("Stopped", String::new()),
        Have::Service(service::Observed::PortTaken(who))
        | Have::Process(process::Observed::PortTaken(who)) => say("PortTaken", who.clone()),
        Have::Worktree(worktree::Observed::Live { branch, head, .. }) => {
            let head = head.get(..12).unwrap_or(head);
            say(
                "Ready",
                branch.as_ref().map_or_else(|| head.to_owned(), |b| format!("{b} at {head}")),
            )
        }
        Have::Worktree(worktree::Observed::Missing) => say("Missing", String::new()),
        Have::Worktree(worktree::Observed::Trashed)
        | Have::Database(database::Observed::Trashed)
        | Have::Bucket(bucket::Observed::Trashed) => say("Trashed", String::new()),
        Have::Bucket(bucket::Observed::Taken(uid)) => {
            say("Foreign", format!("it lies in the trash, of the uid {uid}"))
        }
        Have::Worktree(worktree::Observed::Foreign(what) | worktree::Observed::Unusable(what))
        | Have::File(file::Observed::Foreign(what))
        | Have::Template(template::Observed::Foreign(what))
        | Have::Database(database::Observed::Foreign(what))
        | Have::Bucket(bucket::Observed::Foreign(what)) => say("Foreign", what.clone()),
        Have::File(file::Observed::Present { .. })
        | Have::Bucket(bucket::Observed::Live { .. })
        | Have::Template(template::Observed::Complete) => say("Ready", String::new()),
        Have::Template(template::Observed::Partial)
        | Have::Database(database::Observed::Partial) => say("Partial", String::new()),
        Have::Database(database::Observed::Live { generation, .. }) => {
            say("Ready", behind(generation.as_deref(), target))
        }
        Have::Setup(setup) => match &setup.last {
            Some(run) if run.success => say("Succeeded", String::new()),
            Some(run) => say("Failed", run.how.clone()),
            None => say("NotRun", String::new()),
        },
    }
}

/// Says when a database was cloned from another generation of the template than new ones are.
fn behind(generation: Option<&str>, target: &AnyTarget) -> String {
    let AnyTarget::Present(Resource::Database(want)) = target else { return String::new() };
    match (generation, &want.template) {
        (Some(has), Some(from)) if has != from.generation => {
            format!("cloned from template generation {has}; new ones come from {}", from.generation)
        }
        _ => String::new(),
    }
}
