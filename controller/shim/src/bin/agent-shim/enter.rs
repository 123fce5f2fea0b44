//! `agent-shim --enter FOLDER… -- PROGRAM ARGUMENT…`: goes into control groups and becomes the program. For commands that
//! the controller waits for itself, which it cannot put there before they begin.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::{refused, sys};

/// As a shell has it: there is no such program.
const NOT_FOUND: u8 = 127;
/// And: it cannot be executed.
const NOT_EXECUTABLE: u8 = 126;

/// Becomes the program; comes back only where that fails.
pub fn become_program(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let groups: Vec<PathBuf> =
        words.by_ref().take_while(|word| word != "--").map(PathBuf::from).collect();
    for group in groups {
        // Without its group it is still ended by its marks; the limits are then those of nobody.
        if let Err(error) = agent_harness_shim::cgroup::enter(&group) {
            let _ = writeln!(io::stderr(), "agent-shim: cannot enter {}: {error}", group.display());
        }
    }
    let Some(program) = words.next() else {
        let _ = writeln!(io::stderr(), "agent-shim: there is no program to become");
        return ExitCode::from(2);
    };
    sys::usual_signals();
    let error = Command::new(&program).args(words).exec();
    let cwd = std::env::current_dir().unwrap_or_default();
    let _ =
        writeln!(io::stderr(), "{}", refused::program(&program.to_string_lossy(), &cwd, &error));
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    })
}
