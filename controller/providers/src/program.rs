//! What a process is called where people read it, as in a status that says who is in the way.
//!
//! Its program's name and nothing of its arguments: those can hold passwords, and a status is read by many.

use std::path::Path;

use crate::fs;

/// The name of the program that a process runs; `?` when it ended meanwhile.
pub fn name(pid: i32) -> String {
    let process = Path::new("/proc").join(pid.to_string());
    // A process can give itself another name, and that is cut off after 15 bytes; but of another user's there is
    // no more to be seen.
    let name = match std::fs::read_link(process.join("exe")) {
        Ok(program) => program.file_name().map(|name| name.as_encoded_bytes().to_vec()),
        Err(_) => fs::read(process.join("comm")).ok(),
    };
    let name = String::from_utf8_lossy(&name.unwrap_or_default()).into_owned();
    let name = name.trim_end_matches('\n');
    let name = name.strip_suffix(" (deleted)").unwrap_or(name).replace(char::is_control, "?");
    if name.is_empty() { "?".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_called_by_its_program_alone() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("a server");
        // By another program: what a child of another test's has open for writing cannot be executed.
        let copy = std::process::Command::new("cp").arg("/bin/sleep").arg(&program).status();
        assert!(copy.unwrap().success());
        // It is that program when this returns: the way there is waited for.
        let mut child = std::process::Command::new(&program).arg("600").spawn().unwrap();
        let pid = child.id().cast_signed();
        assert_eq!(name(pid), "a server");
        std::fs::remove_file(&program).unwrap();
        assert_eq!(name(pid), "a server", "also when that was replaced");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(name(pid), "?");
    }
}
