//! The lock file of a data folder, `postmaster.pid`, after a power cut.
//!
//! It names the pid of the server that ran. PostgreSQL tells by that number alone whether this one still runs, and
//! refuses to start when some process of the same user has it now; with a state folder in a container that is
//! started again, one has it nearly always. What happens next to the data is safe only if nobody is at work on
//! it, and who is at work on it stands in it: each process of a server has the data as its working folder.

use super::at_work::anybody_works_in;
use super::error::EmbeddedError;
use super::layout::Layout;
use crate::fs;

/// Removes a lock file whose pid is somebody else's by now. One that PostgreSQL gets over by itself stays: it also
/// names the shared memory, by which PostgreSQL knows that sessions of a killed server are still at work.
pub(super) fn remove_stale(layout: &Layout) -> Result<(), EmbeddedError> {
    let path = layout.data.join("postmaster.pid");
    let Some(text) = fs::read_to_string_if_exists(&path)? else { return Ok(()) };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else {
        // PostgreSQL has words for that.
        return Ok(());
    };
    let in_the_way = fs::metadata(format!("/proc/{pid}"))?.is_some();
    if in_the_way && !anybody_works_in(&layout.data)? {
        tracing::warn!(
            pid,
            "{} is left from before a restart of the machine; its pid is another program's now, and the file \
             is removed",
            path.display()
        );
        fs::remove_file_if_exists(&path)?;
    }
    Ok(())
}
