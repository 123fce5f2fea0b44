//! Whether anybody is at work on a data folder, complete or not: by the working folders and the arguments of
//! all processes. A server's processes have the data as their working folder; `initdb` names it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::EmbeddedError;
use crate::fs;

/// Whether any process works in the folder. One that may not be looked at is another user's, who cannot be at
/// work on data of mode 0700.
pub(super) fn anybody_works_in(folder: &Path) -> Result<bool, EmbeddedError> {
    let Some(wanted) = fs::metadata(folder)? else { return Ok(false) };
    let works = |process: &Path| {
        let is_its_folder = std::fs::metadata(process.join("cwd"))
            .is_ok_and(|at| (at.dev(), at.ino()) == (wanted.dev(), wanted.ino()));
        let names_it = || {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            arguments.split(|byte| *byte == 0).any(|word| OsStr::from_bytes(word) == folder)
        };
        is_its_folder || names_it()
    };
    let is_process = |path: &Path| {
        let name = path.file_name().unwrap_or_default().as_bytes();
        name.iter().all(u8::is_ascii_digit)
    };
    Ok(fs::list_dir("/proc")?.iter().any(|path| is_process(path) && works(path)))
}
