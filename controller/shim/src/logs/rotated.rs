//! The files that a log consists of beside the current one: `api.log.7`, or `api.log.7.gz` once it is compressed.
//!
//! Each rotated file gets the number after the last one and keeps it. Nobody renames what another one reads, so the
//! shim may rotate, the controller compress, and any number of readers read, and none of them waits for another. Where
//! both forms of a number are there, somebody was stopped in between: both are whole, and the plain one counts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::bufread::GzDecoder;

/// How the name of a compressed one ends.
pub const COMPRESSED: &str = ".gz";

/// A rotated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// A higher one is newer.
    pub number: u64,
    pub path: PathBuf,
}

/// The rotated files of a log.
#[derive(Debug, Default)]
pub struct Listing {
    /// The oldest first, each number once.
    pub files: Vec<Rotated>,
    /// The highest number that any entry has, also one that is no file.
    pub last: u64,
}

/// The name of the rotated file with this number, before it is compressed.
pub fn name(log: &Path, number: u64) -> PathBuf {
    with_ending(log, &format!(".{number}"))
}

/// A name beside another one.
pub fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Which log the file of this name belongs to, and its number: `api.log` and 7 of `api.log.7.gz`.
pub fn of_name(name: &str) -> Option<(&str, u64)> {
    let (log, number) = name.strip_suffix(COMPRESSED).unwrap_or(name).rsplit_once('.')?;
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    Some((log, number.parse().ok().filter(|_| is_plain)?)).filter(|_| !log.is_empty())
}

/// The rotated files of a log; a folder that is not there has none.
#[allow(clippy::disallowed_methods, reason = "the shim has no wrapper of its own for folders")]
pub fn list(log: &Path) -> io::Result<Listing> {
    let (Some(folder), Some(own)) = (log.parent(), log.file_name()) else {
        return Ok(Listing::default());
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        Err(error) => return Err(error),
    };
    let mut found: BTreeMap<u64, OsString> = BTreeMap::new();
    let mut last = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((log, number)) = name.to_str().and_then(of_name) else { continue };
        if own != log {
            continue;
        }
        last = last.max(number);
        if entry.file_type()?.is_file() {
            // The plain name is the shorter one.
            let kept = found.entry(number).or_insert_with(|| name.clone());
            if name.len() < kept.len() {
                *kept = name;
            }
        }
    }
    let files = found.into_iter();
    let files = files.map(|(number, name)| Rotated { number, path: folder.join(name) }).collect();
    Ok(Listing { files, last })
}

/// Removes both forms of a rotated file.
#[allow(clippy::disallowed_methods, reason = "the shim has no wrapper of its own for this")]
pub fn remove(log: &Path, number: u64) -> io::Result<()> {
    let plain = name(log, number);
    for path in [with_ending(&plain, COMPRESSED), plain] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

impl Rotated {
    /// What it holds. `None`: it is gone, as it is too old by now.
    pub fn open(&self) -> io::Result<Option<Box<dyn BufRead + Send>>> {
        let Some((file, is_compressed)) = self.file()? else { return Ok(None) };
        let file = BufReader::new(file);
        Ok(Some(if is_compressed {
            Box::new(BufReader::new(GzDecoder::new(file)))
        } else {
            Box::new(file)
        }))
    }

    /// The file, and whether it is compressed: it may have been since it was listed.
    pub(super) fn file(&self) -> io::Result<Option<(File, bool)>> {
        let listed = self.path.as_os_str().as_encoded_bytes().ends_with(COMPRESSED.as_bytes());
        match File::open(&self.path) {
            Ok(file) => return Ok(Some((file, listed))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !listed => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        match File::open(with_ending(&self.path, COMPRESSED)) {
            Ok(file) => Ok(Some((file, true))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When its last line was written; `None`: it is gone, or nobody knows.
    pub fn written(&self) -> Option<SystemTime> {
        let (file, _) = self.file().ok()??;
        file.metadata().ok()?.modified().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::of_name;

    #[test]
    fn names_of_rotated_files_and_of_nothing_else() {
        assert_eq!(of_name("api.log.7"), Some(("api.log", 7)));
        assert_eq!(of_name("api.log.12.gz"), Some(("api.log", 12)));
        for other in
            ["api.log", "api.log.next", "api.log.07", "api.log.7.gz.part", "api.log.", ".7"]
        {
            assert_eq!(of_name(other), None, "{other}");
        }
    }
}
