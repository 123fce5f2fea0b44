//! What this machine has to give: memory and disk. How much of it is wanted is not known here.

use std::io;
use std::path::{Path, PathBuf};

use procfs::FromRead as _;

use crate::fs;

/// Bytes of memory that this process and its children may use: the machine's, or less in a control group.
pub fn memory() -> io::Result<u64> {
    let text = fs::read("/proc/meminfo").map_err(io::Error::other)?;
    let all = procfs::Meminfo::from_read(text.as_slice()).map_err(io::Error::other)?.mem_total;
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let files = limit_files(&read("/proc/mounts"), &read("/proc/self/cgroup"));
    let limits = files.iter().filter_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        text.trim().parse().ok() // v2 says `max` where there is none
    });
    Ok(limits.fold(all, u64::min))
}

/// The files that hold the limits of memory of the groups that this process is in, the root's left out. Of those that
/// are not there nothing is known.
fn limit_files(mounts: &str, own: &str) -> Vec<PathBuf> {
    let path_of = |wanted: &dyn Fn(&str) -> bool| {
        own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            wanted(controllers).then_some(path)
        })
    };
    let v1 = path_of(&|names| names.split(',').any(|name| name == "memory"));
    let v2 = path_of(&str::is_empty);
    let mut files = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(mount), Some(kind), Some(options)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (own, file) = match kind {
            "cgroup2" => (v2, "memory.max"),
            "cgroup" if options.split(',').any(|it| it == "memory") => {
                (v1, "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let Some(own) = own else { continue };
        let mount = Path::new(mount);
        let group = mount.join(own.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|group| *group != mount);
        files.extend(groups.filter(|group| group.starts_with(mount)).map(|it| it.join(file)));
    }
    files
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
    fn every_group_above_can_limit_memory() {
        let v1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                  cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n";
        let files = limit_files(v1, "4:memory:/job/1\n3:cpu:/job\n0::/\n");
        let expected = ["job/1", "job"].map(|group| {
            PathBuf::from(format!("/sys/fs/cgroup/memory/{group}/memory.limit_in_bytes"))
        });
        assert_eq!(files, expected);
        let v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let files = limit_files(v2, "0::/system.slice/a.service\n");
        let expected = ["system.slice/a.service", "system.slice"]
            .map(|group| PathBuf::from(format!("/sys/fs/cgroup/{group}/memory.max")));
        assert_eq!(files, expected);
        assert_eq!(limit_files(v2, "0::/\n"), Vec::<PathBuf>::new());
        assert_eq!(limit_files("broken\n", ""), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_machine_has_memory_and_a_disk() {
        assert!(memory().unwrap() > 1 << 20);
        let disk = disk(Path::new("/proc/self/exe")).unwrap();
        assert!(disk.size >= disk.free);
        assert!(super::disk(Path::new("/no/such/path")).is_err());
    }
}
