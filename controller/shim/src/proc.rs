//! The files of a process in `/proc`, each read at once. What is in them is for others to understand.

use std::fs::File;
use std::io::{self, Read as _};

/// More than these files have, as a rule.
const USUAL: usize = 16 * 1024;

/// Reads `/proc/PID/FILE` with one call. Such a file shows the memory of the program that ran when it was opened;
/// read in pieces it ends early, with part of it read, when another program takes that one's place.
pub(crate) fn read(pid: i32, file: &str) -> io::Result<Vec<u8>> {
    let mut text = vec![0; USUAL];
    loop {
        #[allow(clippy::disallowed_methods, reason = "/proc is no file of ours")]
        let read = File::open(format!("/proc/{pid}/{file}"))?.read(&mut text)?;
        if read < text.len() {
            text.truncate(read);
            return Ok(text);
        }
        text.resize(4 * read, 0);
    }
}
