//! Why the system refuses to execute a program or to go into a folder, in words that say what to do. Its own are the
//! same for a program that is missing and for one whose interpreter is.

use std::io::{self, ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// More than a first line may have.
const FIRST: u64 = 512;

/// Why `program` was not executed in `cwd`.
pub fn program(program: &str, cwd: &Path, error: &io::Error) -> String {
    format!("cannot execute {program}: {}", because(program, cwd, error))
}

/// Why a process cannot run in this folder; `None`: it can.
pub fn folder(cwd: &Path) -> Option<String> {
    let why = match std::fs::metadata(cwd) {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => "is not a folder".to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => "does not exist".to_owned(),
        Err(error) => format!("cannot be used: {error}"),
    };
    Some(format!("the working folder {} {why}", cwd.display()))
}

fn because(program: &str, cwd: &Path, error: &io::Error) -> String {
    if !program.contains('/') {
        return if error.kind() == ErrorKind::NotFound {
            "no folder of its `PATH` has such a program".to_owned()
        } else {
            error.to_string()
        };
    }
    // Without the dots in the middle that `./program` brings along.
    let path: PathBuf = cwd.join(program).components().collect();
    match (std::fs::metadata(&path), error.kind()) {
        (Err(_), ErrorKind::NotFound) => format!("{} does not exist", path.display()),
        (Ok(metadata), ErrorKind::PermissionDenied) if metadata.is_dir() => {
            format!("{} is a folder", path.display())
        }
        (Ok(metadata), ErrorKind::PermissionDenied)
            if metadata.permissions().mode() & 0o111 == 0 =>
        {
            format!("{} is not executable; `chmod +x` makes it so", path.display())
        }
        (Ok(_), ErrorKind::NotFound) => match interpreter(&path) {
            Some(name) if name.ends_with('\r') => format!(
                "its first line ends with a carriage return, so that `{}` is looked for; give it the line ends of Unix",
                name.replace('\r', "\\r")
            ),
            Some(name) => format!("`{name}`, which its first line names, does not exist"),
            None => "what it has to be loaded by does not exist: it is built for another system"
                .to_owned(),
        },
        _ => error.to_string(),
    }
}

/// What the first line of a script names.
fn interpreter(script: &Path) -> Option<String> {
    let mut first = Vec::new();
    std::fs::File::open(script).ok()?.take(FIRST).read_to_end(&mut first).ok()?;
    let line = first.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::ffi::OsStr::from_bytes(line).to_string_lossy();
    line.trim_start().split([' ', '\t']).next().map(str::to_owned)
}
