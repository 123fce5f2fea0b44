//! All processes of one installation: those that are supervised, and those of the host that carry its mark and are not.
//! For an audit, and for a person who wants one of them gone.

use std::io;
use std::time::Duration;

use agent_harness_model::audit::{Found, Owner, Thing};
use agent_harness_model::id::Mark;
use agent_harness_shim::tree::{self, MARK_VARIABLE};
use rustix::process::Signal;

use super::error::SuperviseError;
use super::launch::ProcessId;
use super::state::ProcessState;
use super::supervisor::Supervisor;

/// How long a folder without a process is left alone: one may be about to start in it.
const SETTLES: Duration = Duration::from_mins(10);

/// How long a process of nobody's may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// The supervised ones, and folders that are left of some.
pub fn find(supervisor: &Supervisor, installation: &str) -> Result<Vec<Found>, SuperviseError> {
    let mut all = Vec::new();
    for (id, process) in supervisor.list()? {
        // One that cannot be read may be anybody's.
        let Ok(process) = process else { continue };
        let mark = Mark::parse(&process.mark).filter(|mark| mark.installation == installation);
        let state = (!matches!(process.state, ProcessState::Exited { .. })).then_some("runs");
        let thing = Thing::Process { folder: id.folder() };
        all.extend(mark.map(|mark| Found { thing, owner: Owner::Incarnation(mark.uid), state }));
    }
    all.extend(supervisor.empty_folders(SETTLES)?.iter().map(|id| Found {
        thing: Thing::Process { folder: id.folder() },
        owner: Owner::Nobody,
        state: Some("has ended, and only its folder is left"),
    }));
    Ok(all)
}

/// Those of the host that carry a mark. Looks at the environment of every process.
pub fn strays(installation: &str) -> io::Result<Vec<Found>> {
    let snapshot = tree::snapshot()?;
    let entry = format!("{MARK_VARIABLE}=");
    let mut all = Vec::new();
    for (pid, environment) in tree::environments(snapshot.values())? {
        let words = environment.split(|byte| *byte == 0);
        let mut marks = words.filter_map(|word| {
            let mark = Mark::parse(std::str::from_utf8(word).ok()?.strip_prefix(&entry)?)?;
            (mark.installation == installation).then_some(mark)
        });
        if let Some(mark) = marks.next() {
            let owner = Owner::Incarnation(mark.uid);
            all.push(Found { thing: Thing::Stray { pid }, owner, state: None });
        }
    }
    Ok(all)
}

/// Ends a supervised process that carries the mark, and forgets it; or what is left of one. Gone already: Ok.
pub async fn remove(
    supervisor: &Supervisor,
    mark: &Mark,
    folder: &str,
) -> Result<(), SuperviseError> {
    let Some(id) = ProcessId::from_folder(folder) else { return Ok(()) };
    match supervisor.get(&id)? {
        Some(process) if process.mark != mark.to_string() => return Ok(()),
        Some(_) => supervisor.stop(&id, Signal::TERM, GRACE).await?,
        None => {}
    }
    supervisor.forget(&id).await
}
