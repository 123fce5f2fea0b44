//! How many kept copies of a file there are at most: an app that writes its own file anew each time would fill the disk.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

/// So many copies of one file are kept, whatever is in them. What people and agents write by hand stays far below
/// that; a program that writes something new at each turn loses its oldest ones.
pub const MOST: usize = 1000;

/// Removes the oldest copies of the file `name` beyond the number `most`, but none of these.
pub fn thin_out(
    folder: &OwnedFd,
    name: &OsStr,
    most: usize,
    but: &[OsString],
) -> Result<(), Errno> {
    let mut copies = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let found = OsStr::from_bytes(entry.file_name().to_bytes());
        if !is_copy(found, name) || but.iter().any(|one| one == found) {
            continue;
        }
        let stat = match rustix::fs::statat(folder, found, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            // When it was kept: that gave it its name and its mode.
            copies.push((stat.st_ctime, stat.st_ctime_nsec, found.to_owned()));
        }
    }
    copies.sort_unstable();
    let too_many = (copies.len() + but.len()).saturating_sub(most).min(copies.len());
    for (_, _, copy) in copies.drain(..too_many) {
        match rustix::fs::unlinkat(folder, &copy, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether a name is one that we gave to a copy: `NAME.kept-` and eight hexadecimal digits of its hash, and perhaps a
/// number. What was no regular file has another one, and stays.
fn is_copy(found: &OsStr, name: &OsStr) -> bool {
    let rest = || found.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b".kept-");
    let Some((digits, number)) = rest().and_then(|rest| rest.split_at_checked(8)) else {
        return false;
    };
    let number = number.strip_prefix(b"-").unwrap_or(number);
    digits.iter().all(u8::is_ascii_hexdigit) && number.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_we_gave_are_those_of_copies() {
        let is = |found: &str| is_copy(OsStr::new(found), OsStr::new(".env"));
        for ours in [".env.kept-0123abcd", ".env.kept-0123abcd-2"] {
            assert!(is(ours), "{ours}");
        }
        for other in [
            ".env",
            ".env.kept-other",
            ".env.kept-other-2",
            ".env.kept-0123abcd.bak",
            ".env.kept-mine",
            ".env.local.kept-0123abcd",
            "x.env.kept-0123abcd",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
