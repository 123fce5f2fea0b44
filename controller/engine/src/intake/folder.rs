//! One look at the watched folder. Unreadable is never absent: every failure is an answer of its own.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use agent_harness_model::layout::is_spec_name;
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::{MAX_FILE, too_large};
use agent_harness_providers::fs;

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Every spec file, by path.
    pub files: BTreeMap<PathBuf, Found>,
    /// The device that the folder is on.
    pub device: u64,
}

/// One spec file, and what tells whether somebody is in the middle of writing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it holds.
    pub read: FileRead,
    /// Which file has the name; one that was put there by rename is another one.
    pub inode: u64,
    /// When it was written last, as seen after it was read.
    pub modified: SystemTime,
}

/// What a spec file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileRead {
    /// It was read.
    Bytes(Vec<u8>),
    /// It is there and could not be read: why, and what to do.
    Bad(Diagnostic),
}

/// Lists and reads the folder: regular `*.yaml` and `*.yml` files, no dot-files.
///
/// # Errors
/// A sentence when the folder itself cannot be listed; then nothing is known about any file.
pub fn list(folder: &Path) -> Result<Listing, String> {
    // The folder itself may be a symlink, such as `current -> releases/7`.
    let metadata = folder.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("the folder {} does not exist", folder.display()),
        _ => format!("cannot look at the folder {}: {error}", folder.display()),
    })?;
    if !metadata.is_dir() {
        return Err(format!("{} is not a folder", folder.display()));
    }
    let mut files = BTreeMap::new();
    for path in fs::list_dir(folder).map_err(|error| error.to_string())? {
        if is_spec_name(&path) {
            if let Some(read) = read(folder, &path) {
                let metadata = path.symlink_metadata().ok();
                let inode = metadata.as_ref().map_or(0, MetadataExt::ino);
                let modified = metadata.and_then(|metadata| metadata.modified().ok());
                let modified = modified.unwrap_or(SystemTime::UNIX_EPOCH);
                files.insert(path, Found { read, inode, modified });
            }
        }
    }
    Ok(Listing { files, device: metadata.dev() })
}

/// Reads one file; `None` when it vanished meanwhile or is a folder.
pub fn read(folder: &Path, path: &Path) -> Option<FileRead> {
    let name = path.display().to_string();
    let bad = |what: String, help: &str| {
        Some(FileRead::Bad(Diagnostic::file(name.as_str(), what).help(help)))
    };
    let failed = |error: &fs::FsError| {
        // The file is named beside it.
        let fs::FsError { op, source, .. } = error;
        bad(
            format!("cannot {op} it{}: {source}", fs::remedy(error.kind())),
            "the last good version of what it holds stays in force until it can be read",
        )
    };
    match leaves(folder, path) {
        Ok(false) => {}
        Ok(true) => {
            return bad(
                "the file is a symlink out of the watched folder".to_owned(),
                "copy the file into the folder",
            );
        }
        Err(why) => return bad(why, "correct the symlink, or remove it"),
    }
    let metadata = match fs::metadata(path) {
        Ok(Some(metadata)) => metadata,
        Ok(None) => return None,
        Err(error) => return failed(&error),
    };
    if metadata.is_dir() {
        return None;
    }
    if metadata.is_symlink() {
        return bad(
            "the file is a symlink, and these are not followed".to_owned(),
            "put the file itself there, or remove the symlink where what it points to is in this folder anyway",
        );
    }
    if !metadata.is_file() {
        return bad("this is not a regular file".to_owned(), "put a regular file there");
    }
    if metadata.len() > MAX_FILE {
        return Some(FileRead::Bad(too_large(&name, metadata.len())));
    }
    match fs::read(path) {
        Ok(bytes) => Some(FileRead::Bytes(bytes)),
        Err(error) if error.is_not_found() => None,
        Err(error) => failed(&error),
    }
}

/// Whether two paths lead to one file or folder.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

/// Whether a path is a symlink to something outside the folder.
fn leaves(folder: &Path, path: &Path) -> Result<bool, String> {
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    if !is_link {
        return Ok(false);
    }
    let broken = |error: std::io::Error| format!("the file is a broken symlink: {error}");
    let inside = folder.canonicalize().map_err(broken)?;
    Ok(!path.canonicalize().map_err(broken)?.starts_with(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write_atomic(folder.path().join(name), bytes, 0o644).unwrap();
        }
        folder
    }

    fn only(folder: &tempfile::TempDir) -> String {
        let listing = list(folder.path()).unwrap();
        assert_eq!(listing.files.len(), 1, "{listing:?}");
        match listing.files.into_values().next().map(|found| found.read) {
            Some(FileRead::Bad(why)) => {
                why.line().replace(&folder.path().display().to_string(), "SPECS")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_spec_files_count() {
        let folder = folder(&[
            ("a.yaml", b"a"),
            ("b.yml", b"b"),
            (".c.yaml", b"c"),
            ("d.yaml~", b"d"),
            ("e.txt", b"e"),
            ("f.yaml.swp", b"f"),
        ]);
        let names: Vec<_> = list(folder.path())
            .unwrap()
            .files
            .into_keys()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a.yaml", "b.yml"]);
    }

    #[test]
    fn a_huge_file_is_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("big.yaml")).unwrap();
        file.set_len(100 * 1024 * 1024).unwrap();
        assert_eq!(
            only(&folder),
            "SPECS/big.yaml: the file is too large: 100.0 MiB, and a spec file has 1 MiB at most; \
             move data out of the spec, or move the file out of this folder"
        );
    }

    #[test]
    fn a_symlink_out_of_the_folder_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("x.yaml")).unwrap();
        assert_eq!(
            only(&folder),
            "SPECS/x.yaml: the file is a symlink out of the watched folder; copy the file into the folder"
        );
    }

    #[test]
    fn a_symlink_within_the_folder_is_called_one() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("x.txt", folder.path().join("x.yaml")).unwrap();
        fs::write_atomic(folder.path().join("x.txt"), "a", 0o644).unwrap();
        assert_eq!(
            only(&folder),
            "SPECS/x.yaml: the file is a symlink, and these are not followed; put the file itself there, or remove \
             the symlink where what it points to is in this folder anyway"
        );
    }

    #[test]
    fn the_folder_itself_may_be_a_symlink() {
        let real = folder(&[("a.yaml", b"a")]);
        let other = tempfile::tempdir().unwrap();
        let link = other.path().join("specs");
        std::os::unix::fs::symlink(real.path(), &link).unwrap();
        let files = list(&link).unwrap().files;
        assert_eq!(files.into_keys().collect::<Vec<_>>(), [link.join("a.yaml")]);
    }

    #[test]
    fn a_missing_folder_is_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = list(&folder.path().join("no")).unwrap_err();
        assert!(error.ends_with("/no does not exist"), "{error}");
    }
}
