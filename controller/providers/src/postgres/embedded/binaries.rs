//! Which PostgreSQL programs are used: those of this machine first, else fetched once.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use agent_harness_model::world::ApplyError;

use super::error::EmbeddedError;
use super::fetch::{self, Progress};
use crate::fs;

/// Where Debian and its kin put their versions.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Where Red Hat and its kin put theirs: `/usr/pgsql-17/bin`.
const RED_HAT: &str = "/usr";
/// How long a program may take to tell its version.
const LIMIT: Duration = Duration::from_secs(5);

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The folder with `postgres` and `initdb`.
    pub dir: PathBuf,
    /// Major version.
    pub major: u32,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// `binDir`: nothing else is looked at.
    pub bin_dir: Option<&'a Path>,
    /// Major version; `None`: any.
    pub major: Option<u32>,
    /// The data that is there needs this version, not the spec.
    pub by_data: bool,
}

/// Finds the programs, or fetches them into `cache`.
pub async fn provide(
    wanted: Wanted<'_>,
    cache: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Binaries, EmbeddedError> {
    if let Some(dir) = wanted.bin_dir {
        let Some(found) = version(dir).await? else {
            return Err(EmbeddedError::NoServerThere { dir: dir.to_path_buf() });
        };
        return match wanted.major {
            Some(major) if major != found => Err(EmbeddedError::OtherVersion {
                dir: dir.to_path_buf(),
                found,
                wanted: major,
                by_data: wanted.by_data,
            }),
            _ => Ok(Binaries { dir: dir.to_path_buf(), major: found }),
        };
    }
    for dir in candidates(cache)? {
        if let Some(major) = usable(&dir).await
            && wanted.major.is_none_or(|wanted| wanted == major)
        {
            return Ok(Binaries { dir, major });
        }
    }
    let dir = fetch::fetch(wanted.major, cache, progress).await?;
    match version(&dir).await? {
        Some(major) => Ok(Binaries { dir, major }),
        None => Err(EmbeddedError::NoServerThere { dir }),
    }
}

/// Folders that may hold programs: PATH, then the system's, newest first, then what was fetched.
fn candidates(cache: &Path) -> Result<Vec<PathBuf>, EmbeddedError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut system = numbered(Path::new(DEBIAN), "")?;
    system.extend(numbered(Path::new(RED_HAT), "pgsql-")?);
    system.extend(numbered(cache, "")?);
    found.extend(system.into_iter().map(|dir| dir.join("bin")));
    found.retain(|dir| dir.is_absolute());
    Ok(found)
}

/// Folders named by a version after the prefix, newest first.
fn numbered(parent: &Path, prefix: &str) -> Result<Vec<PathBuf>, EmbeddedError> {
    let number = |path: &PathBuf| -> Option<Vec<u32>> {
        let name = path.file_name()?.to_str()?.strip_prefix(prefix)?;
        name.split('.').map(|part| part.parse().ok()).collect()
    };
    let mut found: Vec<(Vec<u32>, PathBuf)> =
        fs::list_dir(parent)?.into_iter().filter_map(|path| Some((number(&path)?, path))).collect();
    found.sort();
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// The version of a candidate that nobody named: one that does not work, such as a program of another name's or
/// one that a power cut tore, must not keep the next from being used.
pub(super) async fn usable(dir: &Path) -> Option<u32> {
    match version(dir).await {
        Ok(version) => version,
        Err(error) => {
            tracing::warn!("{}; it is passed over", chain(&error));
            None
        }
    }
}

fn chain(error: &EmbeddedError) -> String {
    ApplyError::from_error(error.class(), error).message
}

/// The major version of the programs in a folder; `None` when they are not there.
async fn version(dir: &Path) -> Result<Option<u32>, EmbeddedError> {
    for name in ["postgres", "initdb"] {
        // Through symlinks: Debian's are.
        if !dir.join(name).is_file() {
            return Ok(None);
        }
    }
    let program = dir.join("postgres");
    let answer = tokio::process::Command::new(&program)
        .arg("--version")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(LIMIT, answer).await {
        Ok(output) => output,
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    };
    let output = output.map_err(|source| EmbeddedError::Run { program, source })?;
    Ok(parse_version(&String::from_utf8_lossy(&output.stdout)))
}

/// `postgres (PostgreSQL) 15.19 (Debian …)`
fn parse_version(line: &str) -> Option<u32> {
    let number =
        line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Reads what a spec says: `18` or `18.1`.
pub fn major(version: &str) -> Result<u32, EmbeddedError> {
    let bad = || EmbeddedError::BadVersion { version: version.to_owned() };
    let first = version.split('.').next().unwrap_or_default();
    first.parse().ok().filter(|major| (13..100).contains(major)).ok_or_else(bad)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(
            parse_version("postgres (PostgreSQL) 15.19 (Debian 15.19-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(parse_version("postgres: no such thing"), None);
        assert_eq!(major("18.1").unwrap(), 18);
        for bad in ["", "latest", "9.6", "v18"] {
            assert!(major(bad).is_err(), "{bad}");
        }
    }

    pub fn with_programs(folder: &Path, postgres: &str, mode: u32) {
        fs::create_dir_all(folder, 0o755).unwrap();
        let text = folder.join("text");
        fs::write_atomic(&text, postgres, mode).unwrap();
        for name in ["postgres", "initdb"] {
            // By another program: while one of our threads forks, its child has open whatever we write to, and
            // what is open for writing cannot be executed.
            let copy = std::process::Command::new("cp").arg(&text).arg(folder.join(name)).status();
            assert!(copy.unwrap().success());
        }
    }

    #[tokio::test]
    async fn what_does_not_work_is_passed_over_unless_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let wrapped = "#!/bin/sh\nsleep 1000; echo 'postgres (PostgreSQL) 17.1'\n";
        for (name, text, mode) in [
            ("closed", "#!/bin/sh\n", 0o644),
            ("torn", "", 0o755),
            ("other", "#!/bin/sh\necho no such thing\n", 0o755),
            ("hangs", wrapped, 0o755),
        ] {
            let dir = folder.path().join(name);
            with_programs(&dir, text, mode);
            assert_eq!(usable(&dir).await, None, "{name}");
            if name == "hangs" {
                // Once is long enough.
                continue;
            }
            let wanted = Wanted { bin_dir: Some(&dir), major: None, by_data: false };
            let error = provide(wanted, folder.path(), &|_| {}).await.unwrap_err();
            assert!(chain(&error).contains(dir.to_str().unwrap()), "{error}");
        }
        let good = folder.path().join("good");
        with_programs(&good, "#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n", 0o755);
        assert_eq!(usable(&good).await, Some(17));
    }

    #[test]
    fn the_newest_comes_first_and_numbers_are_not_words() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["9", "18.6.0", "17", "18.10.0", "x"] {
            fs::create_dir_all(folder.path().join(name), 0o755).unwrap();
        }
        let names: Vec<_> = numbered(folder.path(), "")
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["18.10.0", "18.6.0", "17", "9"]);
    }
}
