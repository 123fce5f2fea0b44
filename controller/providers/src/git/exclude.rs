//! Keeps generated files out of `git status`: a block of our own in the repository's `info/exclude`.
//!
//! The file is shared by all worktrees of a repository, and by several installations of the harness; each
//! has one block, and in it a section for each worktree, so that what one of them drops goes and what the
//! others have stays. Everything outside of the blocks is the user's.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use agent_harness_model::id::Mark;

use super::error::GitError;
use crate::fs;

/// A worktree's section begins with this and whose it is.
const SECTION: &str = "# of ";

/// Whose section is meant.
#[derive(Debug, Clone)]
pub struct Section {
    installation: String,
    /// The uid of its owner, and its path: an owner may have two for a while, and a path two owners.
    name: String,
}

impl Section {
    /// That of the worktree that an object's incarnation has at this path.
    pub fn of(mark: &Mark, live: &Path) -> Self {
        let name = format!("{} {}", mark.uid, live.display());
        Self { installation: mark.installation.clone(), name: name.replace(['\n', '\r'], "?") }
    }
}

/// The file, parted at one installation's block.
struct Parted {
    before: Vec<u8>,
    /// Lines by the name of their section; those of older versions have none.
    sections: BTreeMap<String, BTreeSet<String>>,
    after: Vec<u8>,
}

/// The lines for some generated files: each file, what was kept aside of it, and the temporary file that a
/// crash can leave.
fn lines(files: &[String]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in files.iter().filter(|file| !file.is_empty() && !file.contains(['\n', '\r'])) {
        let (folder, name) = match file.rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/"), name),
            None => (String::new(), file.as_str()),
        };
        all.insert(literal(file));
        if !name.is_empty() {
            all.insert(format!("{}.kept-*", literal(file)));
            all.insert(literal(&format!("{folder}.{name}{}", fs::TEMPORARY_SUFFIX)));
        }
    }
    all
}

/// The pattern that matches this path alone.
fn literal(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    let blanks_from = path.trim_end_matches([' ', '\t']).len();
    for (at, c) in path.char_indices() {
        // Blanks at the end would be dropped.
        if matches!(c, '*' | '?' | '[' | '\\') || at >= blanks_from {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// Whether the worktree's section is as it should be.
pub fn has(common: &Path, section: &Section, files: &[String]) -> Result<bool, GitError> {
    Ok(read(common, &section.installation)?.of(section) == lines(files))
}

/// Makes the worktree's section so. Call it under the repository's lock.
pub fn set(common: &Path, section: &Section, files: &[String]) -> Result<(), GitError> {
    let wanted = lines(files);
    let mut parted = read(common, &section.installation)?;
    if parted.of(section) == wanted {
        return Ok(());
    }
    parted.sections.insert(section.name.clone(), wanted);
    write(common, &section.installation, &parted)
}

/// Removes the worktree's section, or the whole block after the installation's last worktree. Call it under
/// the repository's lock.
pub fn clear(common: &Path, section: &Section, is_last: bool) -> Result<(), GitError> {
    let mut parted = read(common, &section.installation)?;
    if parted.sections.is_empty() {
        return Ok(());
    }
    if is_last {
        parted.sections.clear();
    } else if parted.sections.remove(&section.name).is_none() {
        return Ok(());
    }
    write(common, &section.installation, &parted)
}

impl Parted {
    fn of(&self, section: &Section) -> BTreeSet<String> {
        self.sections.get(&section.name).cloned().unwrap_or_default()
    }
}

fn path(common: &Path) -> PathBuf {
    common.join("info").join("exclude")
}

fn borders(installation: &str) -> (String, String) {
    (
        format!("# >>> agent-harness {installation}: files that it generates"),
        format!("# <<< agent-harness {installation}"),
    )
}

fn read(common: &Path, installation: &str) -> Result<Parted, GitError> {
    let bytes = match fs::read(path(common)) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(part(&bytes, installation))
}

fn part(bytes: &[u8], installation: &str) -> Parted {
    let (begin, end) = borders(installation);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let at = |border: &str, from: usize| {
        let found = lines.iter().skip(from).position(|line| line.trim_ascii() == border.as_bytes());
        found.map(|index| index + from)
    };
    let ends = at(&begin, 0).and_then(|first| Some((first, at(&end, first)?)));
    // A block without its end is not taken for one: lines of the user's would be in it.
    let Some((first, last)) = ends else {
        return Parted { before: bytes.to_vec(), sections: BTreeMap::new(), after: Vec::new() };
    };
    let mut sections: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in lines.get(first + 1..last).unwrap_or_default() {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\n', '\r']);
        match line.strip_prefix(SECTION) {
            Some(next) => next.clone_into(&mut name),
            None => {
                sections.entry(name.clone()).or_default().insert(line.to_owned());
            }
        }
    }
    Parted {
        before: lines.get(..first).unwrap_or_default().concat(),
        sections,
        after: lines.get(last + 1..).unwrap_or_default().concat(),
    }
}

fn write(common: &Path, installation: &str, parted: &Parted) -> Result<(), GitError> {
    let mut bytes = parted.before.clone();
    let mut sections = parted.sections.iter().filter(|(_, lines)| !lines.is_empty()).peekable();
    if sections.peek().is_some() {
        if bytes.last().is_some_and(|last| *last != b'\n') {
            bytes.push(b'\n');
        }
        let (begin, end) = borders(installation);
        let mut block = vec![begin];
        for (name, lines) in sections {
            if !name.is_empty() {
                block.push(format!("{SECTION}{name}"));
            }
            block.extend(lines.iter().cloned());
        }
        block.push(end);
        for line in block {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
    }
    bytes.extend_from_slice(&parted.after);
    put(common, bytes)
}

/// Writes the file, or the one that it is a symlink to, which several repositories may share. Its mode and
/// its owner stay.
fn put(common: &Path, bytes: Vec<u8>) -> Result<(), GitError> {
    let path = path(common);
    let folder = common.join("info");
    if !folder.exists() {
        fs::create_dir_all(&folder, 0o777)?;
    }
    let owner = std::fs::metadata(common).map_err(GitError::system("look at", common))?.uid();
    let mut is_link = false;
    for part in [&folder, &path] {
        is_link |= owned(part, owner)?;
    }
    if !path.exists() {
        if is_link {
            return Err(refused(&path, "leads to no file"));
        }
        return Ok(fs::write_atomic(path, bytes, 0o644)?);
    }
    let target = super::repo::canonical(&path)?;
    let Some(metadata) = fs::metadata(&target)? else {
        return Err(refused(&path, "changed at this moment"));
    };
    // Whoever may put a symlink here could else have any file of ours changed.
    if is_link && metadata.uid() != owner {
        return Err(refused(&path, "leads to a file of another user"));
    }
    // Its owner must still be able to read and change it.
    Ok(fs::write_atomic_like(&target, bytes, &metadata)?)
}

/// Whether it is a symlink; one that somebody else than the repository's owner made is refused.
fn owned(path: &Path, owner: u32) -> Result<bool, GitError> {
    match fs::metadata(path)? {
        Some(metadata) if metadata.is_symlink() && metadata.uid() != owner => {
            Err(refused(path, "is a symlink that does not belong to the repository's owner"))
        }
        Some(metadata) => Ok(metadata.is_symlink()),
        None => Ok(false),
    }
}

fn refused(path: &Path, why: &str) -> GitError {
    GitError::Occupied {
        path: path.to_path_buf(),
        what: format!(
            "{why}, and is not written through: put a file of the repository's own there"
        ),
    }
}

#[cfg(test)]
mod tests;
