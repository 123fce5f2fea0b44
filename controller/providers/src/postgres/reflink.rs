//! Whether a folder's file system shares blocks between copies (XFS, Btrfs): found out by doing it.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Whether it works there. Any failure means no.
pub(super) fn works(folder: &Path) -> bool {
    // Files without names: nothing is left behind, whatever happens.
    let copied = || -> std::io::Result<()> {
        let mut from: File = tempfile::tempfile_in(folder)?;
        from.write_all(&[1; 4096])?;
        let to = tempfile::tempfile_in(folder)?;
        Ok(rustix::fs::ioctl_ficlone(&to, &from)?)
    };
    copied().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_be_written_nothing_is_shared() {
        assert!(!works(Path::new("/proc")));
    }
}
