//! Which PostgreSQL programs are used: those of this machine first, else fetched once.

use std::ffi::OsString;
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
    fetch::remove_old_stagings(cache);
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
    if let Some(found) = find(wanted.major, &Places::of_machine(cache)).await? {
        return Ok(found);
    }
    let dir = fetch::fetch(wanted.major, cache, progress).await?;
    match version(&dir).await? {
        Some(major) => Ok(Binaries { dir, major }),
        None => Err(EmbeddedError::NoServerThere { dir }),
    }
}

/// Where programs are looked for.
struct Places<'a> {
    path: OsString,
    debian: &'a Path,
    red_hat: &'a Path,
    cache: &'a Path,
}

impl<'a> Places<'a> {
    fn of_machine(cache: &'a Path) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self { path, debian: Path::new(DEBIAN), red_hat: Path::new(RED_HAT), cache }
    }

    /// Folders that may hold programs: PATH, then the system's, newest first, then what was fetched.
    fn candidates(&self) -> Result<Vec<PathBuf>, EmbeddedError> {
        let mut found: Vec<PathBuf> = std::env::split_paths(&self.path).collect();
        let mut system = numbered(self.debian, "")?;
        system.extend(numbered(self.red_hat, "pgsql-")?);
        system.extend(numbered(self.cache, "")?);
        found.extend(system.into_iter().map(|dir| dir.join("bin")));
        found.retain(|dir| dir.is_absolute());
        Ok(found)
    }
}

/// The first programs that fit.
async fn find(major: Option<u32>, places: &Places<'_>) -> Result<Option<Binaries>, EmbeddedError> {
    for dir in places.candidates()? {
        if let Some(found) = usable(&dir).await?
            && major.is_none_or(|wanted| wanted == found)
        {
            return Ok(Some(Binaries { dir, major: found }));
        }
    }
    Ok(None)
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
/// one that a power cut tore, must not keep the next from being used. One that is slow may well work, and is waited
/// for: on a busy machine another version would be taken, for as long as there is this data, or fetched.
pub(super) async fn usable(dir: &Path) -> Result<Option<u32>, EmbeddedError> {
    match version(dir).await {
        Err(error @ EmbeddedError::Slow { .. }) => Err(error),
        Err(error) => {
            tracing::warn!("{}; it is passed over", chain(&error));
            Ok(None)
        }
        version => version,
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
    let Ok(output) = tokio::time::timeout(LIMIT, answer).await else {
        return Err(EmbeddedError::Slow { program, limit: LIMIT });
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
    agent_harness_model::postgres::major(version)
        .ok_or_else(|| EmbeddedError::BadVersion { version: version.to_owned() })
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
        for (name, text, mode) in [
            ("closed", "#!/bin/sh\n", 0o644),
            ("torn", "", 0o755),
            ("other", "#!/bin/sh\necho no such thing\n", 0o755),
        ] {
            let dir = folder.path().join(name);
            with_programs(&dir, text, mode);
            assert_eq!(usable(&dir).await.unwrap(), None, "{name}");
            let wanted = Wanted { bin_dir: Some(&dir), major: None, by_data: false };
            let error = provide(wanted, folder.path(), &|_| {}).await.unwrap_err();
            assert!(chain(&error).contains(dir.to_str().unwrap()), "{error}");
        }
        let good = folder.path().join("good");
        with_programs(&good, "#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n", 0o755);
        assert_eq!(usable(&good).await.unwrap(), Some(17));
    }

    #[tokio::test]
    async fn what_is_slow_is_neither_passed_over_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let text = "#!/bin/sh\nsleep 1000; echo 'postgres (PostgreSQL) 17.1'\n";
        with_programs(folder.path(), text, 0o755);
        let error = usable(folder.path()).await.unwrap_err();
        assert_eq!(error.class(), crate::Class::Transient);
        let program = folder.path().join("postgres");
        assert_eq!(
            error.to_string(),
            format!("{} did not tell its version within 5 s; it is asked again", program.display())
        );
    }

    #[tokio::test]
    async fn what_the_user_names_comes_before_path_before_the_system_before_what_was_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for (dir, version) in [
            ("named", 14),
            ("path/new", 15),
            ("debian/15/bin", 15),
            ("debian/16/bin", 16),
            ("debian/17/bin", 17),
            ("red-hat/pgsql-17/bin", 17),
            ("red-hat/pgsql-18/bin", 18),
            ("cache/18.1.0/bin", 18),
            ("cache/19.0.0/bin", 19),
        ] {
            let text = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}.1'\n");
            with_programs(&at(dir), &text, 0o755);
        }
        let (debian, red_hat, cache) = (at("debian"), at("red-hat"), at("cache"));
        let path = std::env::join_paths([at("path/none"), at("path/new")]).unwrap();
        let mut places = Places { path, debian: &debian, red_hat: &red_hat, cache: &cache };
        for (wanted, expected) in [
            (None, Some("path/new")),
            (Some(15), Some("path/new")),
            (Some(16), Some("debian/16/bin")),
            (Some(17), Some("debian/17/bin")),
            (Some(18), Some("red-hat/pgsql-18/bin")),
            (Some(19), Some("cache/19.0.0/bin")),
            (Some(14), None),
        ] {
            let found = find(wanted, &places).await.unwrap().map(|found| found.dir);
            assert_eq!(found, expected.map(at), "{wanted:?}");
        }
        // Without any on PATH: the newest of the system.
        places.path = OsString::from("relative");
        let found = find(None, &places).await.unwrap().map(|found| found.dir);
        assert_eq!(found, Some(at("debian/17/bin")));
        // What is named is taken, and nothing else in its place.
        let named = at("named");
        let wanted = |major| Wanted { bin_dir: Some(&named), major, by_data: false };
        let found = provide(wanted(None), &cache, &|_| {}).await.unwrap();
        assert_eq!(found, Binaries { dir: named.clone(), major: 14 });
        let error = provide(wanted(Some(15)), &cache, &|_| {}).await.unwrap_err();
        assert!(matches!(error, EmbeddedError::OtherVersion { found: 14, wanted: 15, .. }));
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
