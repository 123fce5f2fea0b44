//! What this machine has to give: memory and disk. How much of it is wanted is not known here.

use std::io;
use std::path::Path;

use procfs::FromRead as _;

use crate::fs;
use crate::process::cgroups::own_memory_limit;

/// Bytes of memory that this process and its children may use: the machine's, or less in a control group.
pub fn memory() -> io::Result<u64> {
    let text = fs::read("/proc/meminfo").map_err(io::Error::other)?;
    let all = procfs::Meminfo::from_read(text.as_slice()).map_err(io::Error::other)?.mem_total;
    Ok(own_memory_limit().map_or(all, |limit| limit.min(all)))
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Its size in bytes.
    pub size: u64,
    /// Bytes that are free for this user.
    pub free: u64,
}

/// The file system that a file or folder is on.
pub fn disk(path: &Path) -> io::Result<Disk> {
    let stat = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Disk { size: bytes(stat.f_blocks), free: bytes(stat.f_bavail) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_memory_and_a_disk() {
        assert!(memory().unwrap() > 1 << 20);
        let disk = disk(Path::new("/proc/self/exe")).unwrap();
        assert!(disk.size >= disk.free);
        assert!(super::disk(Path::new("/no/such/path")).is_err());
    }
}
