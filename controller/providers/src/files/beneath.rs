//! File work that cannot leave a folder: every part of the path is opened from the one before, and no
//! symlink is followed.

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use agent_harness_model::hash;
use agent_harness_model::world::Record;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::error::FileError;
use super::kept;
use crate::fs::TEMPORARY_SUFFIX;

/// Generated files are small; what is larger than this is not one of ours.
const LARGEST: u64 = 64 << 20;
/// So many names are tried for copies whose hashes begin alike.
const MOST_NAMES: usize = 100;

/// A name in a folder that was reached without a symlink.
pub struct Slot {
    folder: OwnedFd,
    name: OsString,
    /// For messages.
    path: PathBuf,
    /// Under which names this writing kept what somebody else had written.
    kept: RefCell<Vec<OsString>>,
}

/// A regular file as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Hash of its content.
    pub fingerprint: String,
    /// Permission bits.
    pub mode: u32,
    /// Tells whether it is still the same, unchanged.
    pub stamp: Stamp,
}

/// Changes whenever a file is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: (u64, u64),
    size: i64,
    modified: (i64, u64),
}

/// Opens the folder that holds `path` below `root`; `None`: a folder on the way is not there.
pub fn slot(root: &Path, path: &Path, create: bool) -> Result<Option<Slot>, FileError> {
    let full = root.join(path);
    let path = &relative(root, path)?;
    let mut folder = match rustix::fs::open(root, folder_flags() & !OFlags::NOFOLLOW, Mode::empty())
    {
        Ok(fd) => fd,
        Err(Errno::NOENT) if !create => return Ok(None),
        Err(Errno::NOENT) => return Err(FileError::NoRoot { root: root.to_path_buf() }),
        Err(error) => return Err(system("open", root, error)),
    };
    let mut names: Vec<&OsStr> = path.iter().collect();
    let Some(name) = names.pop() else {
        return Err(foreign(&full, "names no file: write a path inside the worktree"));
    };
    let mut reached = root.to_path_buf();
    for part in names {
        reached.push(part);
        folder = match enter(&folder, part, &reached)? {
            Some(inner) => inner,
            None if !create => return Ok(None),
            None => {
                match rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(system("create the folder", &reached, error)),
                }
                enter(&folder, part, &reached)?
                    .ok_or_else(|| FileError::Changed { path: reached.clone() })?
            }
        };
    }
    let kept = RefCell::default();
    Ok(Some(Slot { folder, name: name.to_owned(), path: full, kept }))
}

/// The path without `.`; one that leaves the folder is refused.
pub fn relative(root: &Path, path: &Path) -> Result<PathBuf, FileError> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                let what = "leaves the worktree: write a path inside it";
                return Err(foreign(&root.join(path), what));
            }
        }
    }
    Ok(plain)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn enter(folder: &OwnedFd, name: &OsStr, path: &Path) -> Result<Option<OwnedFd>, FileError> {
    match rustix::fs::openat(folder, name, folder_flags(), Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP | Errno::NOTDIR) => {
            let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| system("look at", path, error))?;
            Err(if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                foreign(path, "is a symlink, and those are not followed: write the path without it")
            } else {
                foreign(path, "is not a folder: move it away, or choose another path under `files`")
            })
        }
        Err(error) => Err(system("open", path, error)),
    }
}

impl Slot {
    /// What is there; `None`: nothing.
    pub fn look(&self) -> Result<Option<Seen>, FileError> {
        self.look_at(&self.name)
    }

    fn look_at(&self, name: &OsStr) -> Result<Option<Seen>, FileError> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        let stat =
            rustix::fs::fstat(&file).map_err(|error| system("look at", &self.path, error))?;
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(|source| FileError::System {
            what: "read",
            path: self.path.clone(),
            source,
        })?;
        Ok(Some(Seen {
            fingerprint: hash::content(&bytes),
            mode: stat.st_mode & 0o7777,
            stamp: Stamp::of(&stat),
        }))
    }

    fn open(&self, name: &OsStr) -> Result<Option<File>, FileError> {
        // Without NONBLOCK, a pipe of that name would hold us for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.folder, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => {
                return Err(foreign(
                    &self.path,
                    "is a symlink: remove it, or choose another name under `files`",
                ));
            }
            Err(Errno::NXIO) => return Err(self.odd()),
            Err(error) => return Err(system("open", &self.path, error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|error| system("look at", &self.path, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(File::from(fd))),
            FileType::Directory => Err(foreign(
                &self.path,
                "is a folder: move it away, or choose another name under `files`",
            )),
            _ => Err(self.odd()),
        }
    }

    fn odd(&self) -> FileError {
        foreign(&self.path, "is no regular file: remove it, or choose another name under `files`")
    }

    /// Makes the file be so. What is there and is not as `expected` stays beside it under another name, and
    /// so does what an earlier, cut write left, unless it is `known` to be ours.
    pub fn write(
        &self,
        bytes: &[u8],
        mode: u32,
        expected: Option<Stamp>,
        known: &Record,
    ) -> Result<(), FileError> {
        let now = self.look()?;
        if let Some(now) = now.as_ref().filter(|now| now.fingerprint == hash::content(bytes)) {
            if now.mode != mode
                && let Some(file) = self.open(&self.name)?
            {
                rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
                    .map_err(|error| system("set the mode of", &self.path, error))?;
            }
            return Ok(());
        }
        let edited = now.as_ref().filter(|now| expected != Some(now.stamp));
        if let Some(edited) = edited {
            self.keep(&self.name, &edited.fingerprint, mode)?;
        }
        let temporary = self.temporary();
        self.save_leftover(&temporary, bytes, mode, known)?;
        let filled = self.fill(&temporary, bytes, mode)?;
        self.put(&temporary, filled, mode, now.as_ref())?;
        rustix::fs::fsync(&self.folder).map_err(|error| system("write", &self.path, error))
    }

    fn temporary(&self) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(TEMPORARY_SUFFIX);
        name
    }

    /// An earlier write that was cut leaves its temporary file, and after the swap that is what somebody
    /// else had written.
    fn save_leftover(
        &self,
        temporary: &OsStr,
        bytes: &[u8],
        mode: u32,
        known: &Record,
    ) -> Result<(), FileError> {
        let found = match self.open(temporary) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(()),
            Err(FileError::Foreign(_)) => return self.keep_other(temporary),
            Err(error) => return Err(error),
        };
        let mut content = Vec::new();
        found.take(LARGEST).read_to_end(&mut content).map_err(|source| FileError::System {
            what: "read",
            path: self.path.clone(),
            source,
        })?;
        let fingerprint = hash::content(&content);
        // As far as the cut write came, or what was there before it.
        if bytes.starts_with(&content) || known.knows(&fingerprint) {
            return Ok(());
        }
        self.keep(temporary, &fingerprint, mode)
    }

    /// Moves what is no regular file out of the way, under a name that says what it is.
    fn keep_other(&self, from: &OsStr) -> Result<(), FileError> {
        for number in 1..=MOST_NAMES {
            let name = self.kept("other", number);
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(&self.folder, from, &self.folder, &name, flags) {
                Ok(()) => {
                    self.kept.borrow_mut().push(name);
                    return Ok(());
                }
                Err(Errno::NOENT) => return Ok(()),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(system("keep a copy of", &self.path, error)),
            }
        }
        Err(FileError::TooManyKept { path: self.path.clone() })
    }

    fn kept(&self, what: &str, number: usize) -> OsString {
        let mut name = self.name.clone();
        name.push(format!(".kept-{what}"));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        name
    }

    fn fill(&self, temporary: &OsStr, bytes: &[u8], mode: u32) -> Result<Stamp, FileError> {
        let failed = |error: Errno| system("write", &self.path, error);
        match rustix::fs::unlinkat(&self.folder, temporary, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Never wider than what is wanted, not even for a moment.
        let fd =
            rustix::fs::openat(&self.folder, temporary, flags, Mode::from_raw_mode(mode & 0o600))
                .map_err(failed)?;
        let mut file = File::from(fd);
        let written = file.write_all(bytes).and_then(|()| {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            file.sync_all()?;
            Ok(Stamp::of(&rustix::fs::fstat(&file)?))
        });
        written.map_err(|source| {
            // The error that counts is the first one.
            let _ = rustix::fs::unlinkat(&self.folder, temporary, AtFlags::empty());
            FileError::System { what: "write", path: self.path.clone(), source }
        })
    }

    /// Swaps the new file in; whatever comes out that was not looked at before is kept.
    fn put(
        &self,
        temporary: &OsStr,
        filled: Stamp,
        mode: u32,
        before: Option<&Seen>,
    ) -> Result<(), FileError> {
        let flags = if before.is_some() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        let swapped =
            rustix::fs::renameat_with(&self.folder, temporary, &self.folder, &self.name, flags);
        match (swapped, before) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(before)) => {
                match self.look_at(temporary) {
                    Ok(Some(out)) if out.stamp != before.stamp => {
                        self.keep(temporary, &out.fingerprint, mode)?;
                    }
                    Ok(_) => {}
                    // No file any more: somebody put a folder or a link there since. It stays, as it would
                    // have if it had been looked at.
                    Err(error @ FileError::Foreign(_)) => {
                        return self.swap_back(temporary, filled, mode, error);
                    }
                    Err(error) => return Err(error),
                }
                rustix::fs::unlinkat(&self.folder, temporary, AtFlags::empty())
                    .map_err(|error| system("write", &self.path, error))
            }
            // A file system without such renames, as some network ones are.
            (Err(Errno::INVAL | Errno::NOSYS), before) => self.replace(temporary, mode, before),
            (Err(Errno::EXIST | Errno::NOENT), _) => {
                let _ = rustix::fs::unlinkat(&self.folder, temporary, AtFlags::empty());
                Err(FileError::Changed { path: self.path.clone() })
            }
            (Err(error), _) => Err(system("write", &self.path, error)),
        }
    }

    /// Writes over the file where it cannot be swapped: what was written since the look is kept before that. Only
    /// what is written between these two steps is lost.
    fn replace(
        &self,
        temporary: &OsStr,
        mode: u32,
        before: Option<&Seen>,
    ) -> Result<(), FileError> {
        let now = self.look().inspect_err(|_| {
            let _ = rustix::fs::unlinkat(&self.folder, temporary, AtFlags::empty());
        })?;
        if let Some(now) = now
            && before.map(|before| before.stamp) != Some(now.stamp)
        {
            self.keep(&self.name, &now.fingerprint, mode)?;
        }
        rustix::fs::renameat(&self.folder, temporary, &self.folder, &self.name)
            .map_err(|error| system("write", &self.path, error))
    }

    /// Takes a swap back that brought out what is not ours to replace. What took the place of our file meanwhile
    /// comes out then, and is kept.
    fn swap_back(
        &self,
        temporary: &OsStr,
        filled: Stamp,
        mode: u32,
        why: FileError,
    ) -> Result<(), FileError> {
        let flags = RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(&self.folder, temporary, &self.folder, &self.name, flags)
            .map_err(|error| system("write", &self.path, error))?;
        match self.look_at(temporary) {
            Ok(Some(out)) if out.stamp != filled => {
                self.keep(temporary, &out.fingerprint, mode)?;
            }
            Ok(Some(_)) => {}
            Ok(None) => return Err(why),
            Err(FileError::Foreign(_)) => {
                self.keep_other(temporary)?;
                return Err(why);
            }
            Err(error) => return Err(error),
        }
        rustix::fs::unlinkat(&self.folder, temporary, AtFlags::empty())
            .map_err(|error| system("write", &self.path, error))?;
        Err(why)
    }

    /// Paths of what was kept so far.
    pub fn kept_paths(&self) -> Vec<PathBuf> {
        self.kept.borrow().iter().map(|name| self.path.with_file_name(name)).collect()
    }

    /// Gives the file `from` a second name that says what it is; the same content is kept once. It may hold what the
    /// file does, secrets included, so nobody else may read it than may read that; nor may anybody who could not read
    /// it before.
    fn keep(&self, from: &OsStr, fingerprint: &str, mode: u32) -> Result<(), FileError> {
        let digits = fingerprint.rsplit('-').next().unwrap_or(fingerprint);
        let digits = digits.get(..8).unwrap_or(digits);
        for number in 1..=MOST_NAMES {
            let name = self.kept(digits, number);
            match rustix::fs::linkat(&self.folder, from, &self.folder, &name, AtFlags::empty()) {
                Ok(()) => return self.close(name, mode),
                Err(Errno::EXIST) => {
                    let kept = self.look_at(&name);
                    if kept
                        .is_ok_and(|kept| kept.is_some_and(|kept| kept.fingerprint == fingerprint))
                    {
                        return self.close(name, mode);
                    }
                }
                Err(error) => return Err(system("keep a copy of", &self.path, error)),
            }
        }
        Err(FileError::TooManyKept { path: self.path.clone() })
    }

    fn close(&self, name: OsString, mode: u32) -> Result<(), FileError> {
        if let Some(file) = self.open(&name)? {
            let failed = |error| system("set the mode of a kept copy of", &self.path, error);
            let now = rustix::fs::fstat(&file).map_err(failed)?.st_mode & 0o7777;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(now & mode)).map_err(failed)?;
        }
        let mut ours = self.kept.borrow_mut();
        ours.push(name);
        if let Err(error) = kept::thin_out(&self.folder, &self.name, kept::MOST, &ours) {
            // Room is made at the next one; the file itself matters more.
            let path = self.path.display();
            tracing::warn!(%path, %error, "cannot remove the oldest of its many kept copies");
        }
        Ok(())
    }

    /// Removes the file if it is still as expected. Gone already: Ok.
    pub fn remove(&self, expected: Option<Stamp>) -> Result<(), FileError> {
        match self.look()? {
            None => return Ok(()),
            Some(now) if expected == Some(now.stamp) => {}
            Some(_) => return Err(FileError::Changed { path: self.path.clone() }),
        }
        match rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(system("remove", &self.path, error)),
        }
    }
}

impl Stamp {
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // Their types differ by platform.
    fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            inode: (stat.st_dev as u64, stat.st_ino as u64),
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        }
    }
}

fn foreign(path: &Path, what: &str) -> FileError {
    FileError::Foreign(format!("{} {what}", path.display()))
}

fn system(what: &'static str, path: &Path, error: Errno) -> FileError {
    FileError::System { what, path: path.to_path_buf(), source: error.into() }
}

#[cfg(test)]
mod tests;
