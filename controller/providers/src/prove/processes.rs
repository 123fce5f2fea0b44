//! Processes: which of them carry a mark, and whether one has a secret of somebody else's in its environment.

use std::io;

use agent_harness_model::id::Mark;
use agent_harness_model::secret::Secret;
use agent_harness_shim::tree::{self, MARK_VARIABLE};

/// The pids of all that carries a mark.
pub fn carrying(mark: &Mark) -> io::Result<Vec<i32>> {
    let entry = format!("{MARK_VARIABLE}={mark}");
    let snapshot = tree::snapshot()?;
    let found = tree::environments(snapshot.values())?.into_iter();
    let carries =
        |environment: &[u8]| environment.split(|byte| *byte == 0).any(|it| it == entry.as_bytes());
    Ok(found.filter(|(_, environment)| carries(environment)).map(|(pid, _)| pid).collect())
}

/// Those of all that carries a mark that have one of these secrets in their environment.
pub fn sees_secret(mark: &Mark, secrets: &[Secret]) -> io::Result<Vec<i32>> {
    let ours = carrying(mark)?;
    let snapshot = tree::snapshot()?;
    let candidates = snapshot.values().filter(|stat| ours.contains(&stat.identity.pid));
    let found = tree::environments(candidates)?.into_iter();
    let knows = |environment: &[u8]| {
        let holds = |secret: &Secret| {
            let secret = secret.reveal().as_bytes();
            !secret.is_empty() && environment.windows(secret.len()).any(|part| part == secret)
        };
        secrets.iter().any(holds)
    };
    Ok(found.filter(|(_, environment)| knows(environment)).map(|(pid, _)| pid).collect())
}
