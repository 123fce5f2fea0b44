//! Renames that do not cover up what somebody else put there meanwhile. A file system without such renames, as some
//! network ones are, gets a look and a plain rename; there alone another writer can come in between.

use std::path::Path;

use agent_harness_providers::fs::{self, FsError, Op};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Why a file is not where it was to go.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// What lies there, or does not, is not what was expected. It was left, or put back.
    #[error("somebody else changed it just now")]
    Changed,
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
}

/// Puts a file where nothing is.
pub fn put(from: &Path, to: &Path) -> Result<(), SwapError> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => synced(from, to).inspect_err(|_| {
            // As if nothing had been done; the error that counts is the first one.
            let _ = renameat_with(CWD, to, CWD, from, RenameFlags::NOREPLACE);
        }),
        Err(Errno::EXIST) => Err(SwapError::Changed),
        Err(Errno::INVAL | Errno::NOSYS) if fs::metadata(to)?.is_some() => Err(SwapError::Changed),
        Err(Errno::INVAL | Errno::NOSYS) => Ok(fs::rename(from, to)?),
        Err(error) => Err(failed(from, error).into()),
    }
}

/// Takes away a file that holds `expected`: it lies at `to` then.
pub fn take(from: &Path, to: &Path, expected: &str) -> Result<(), SwapError> {
    match put(from, to) {
        Err(SwapError::File(error)) if error.is_not_found() => return Err(SwapError::Changed),
        put => put?,
    }
    if holds(to, expected) {
        return Ok(());
    }
    // What came there since then is the newer one. The other stays beside it.
    put(to, from)?;
    Err(SwapError::Changed)
}

/// Exchanges a file with another one that holds `expected`: that lies at `from` then.
pub fn exchange(from: &Path, to: &Path, expected: &str) -> Result<(), SwapError> {
    let swap = || renameat_with(CWD, from, CWD, to, RenameFlags::EXCHANGE);
    match swap() {
        Ok(()) => {}
        Err(Errno::NOENT) if fs::metadata(from)?.is_some() => return Err(SwapError::Changed),
        Err(Errno::INVAL | Errno::NOSYS) => return exchange_slowly(from, to, expected),
        Err(error) => return Err(failed(to, error).into()),
    }
    let done = if holds(from, expected) { synced(from, to) } else { Err(SwapError::Changed) };
    if done.is_err() {
        swap().map_err(|error| failed(to, error))?;
    }
    done
}

/// The same in steps, of which the one that counts is one rename.
fn exchange_slowly(from: &Path, to: &Path, expected: &str) -> Result<(), SwapError> {
    let Some(metadata) = fs::metadata(to)?.filter(|_| holds(to, expected)) else {
        return Err(SwapError::Changed);
    };
    let new = fs::read(from)?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
    fs::write_atomic(to, new, mode)?;
    Ok(fs::write_atomic(from, expected, mode)?)
}

/// Whether a regular file holds a text.
pub fn holds(path: &Path, expected: &str) -> bool {
    let size = |it: &std::fs::Metadata| it.is_file() && it.len() == expected.len() as u64;
    fs::metadata(path).is_ok_and(|it| it.as_ref().is_some_and(size))
        && fs::read(path).is_ok_and(|bytes| bytes == expected.as_bytes())
}

/// Both names are on the disk.
fn synced(from: &Path, to: &Path) -> Result<(), SwapError> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let synced = folder.map_or(Ok(()), |it| std::fs::File::open(it).and_then(|it| it.sync_all()));
    synced.map_err(|source| FsError { op: Op::Rename, path: from.to_path_buf(), source }.into())
}

fn failed(path: &Path, error: Errno) -> FsError {
    FsError { op: Op::Rename, path: path.to_path_buf(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of these texts.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write_atomic(folder.path().join(name), text, 0o644).unwrap();
        }
        folder
    }

    /// What lies in a folder, as `name=text`.
    fn shown(folder: &tempfile::TempDir) -> Vec<String> {
        let show = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            format!("{name}={}", fs::read_to_string(path).unwrap_or_default())
        };
        fs::list_dir(folder.path()).unwrap().iter().map(show).collect()
    }

    fn is_changed(result: &Result<(), SwapError>) {
        assert!(matches!(result, Err(SwapError::Changed)), "{result:?}");
    }

    #[test]
    fn what_is_expected_is_moved() {
        for exchange in [exchange, exchange_slowly] {
            let folder = folder(&[("a", "old"), ("b", "new")]);
            let at = |name: &str| folder.path().join(name);
            exchange(&at("b"), &at("a"), "old").unwrap();
            assert_eq!(shown(&folder), ["a=new", "b=old"]);
            take(&at("a"), &at("c"), "new").unwrap();
            put(&at("b"), &at("a")).unwrap();
            assert_eq!(shown(&folder), ["a=old", "c=new"]);
        }
    }

    #[test]
    fn what_somebody_else_put_there_stays() {
        for exchange in [exchange, exchange_slowly] {
            let folder = folder(&[("a", "theirs"), ("b", "new")]);
            let at = |name: &str| folder.path().join(name);
            is_changed(&exchange(&at("b"), &at("a"), "old"));
            is_changed(&exchange(&at("b"), &at("none"), "old"));
            is_changed(&take(&at("a"), &at("c"), "old"));
            is_changed(&take(&at("none"), &at("c"), "old"));
            is_changed(&put(&at("b"), &at("a")));
            std::os::unix::fs::symlink("b", at("l")).unwrap();
            is_changed(&exchange(&at("b"), &at("l"), "new"));
            assert_eq!(shown(&folder), ["a=theirs", "b=new", "l=new"]);
            assert!(at("l").is_symlink());
        }
    }
}
