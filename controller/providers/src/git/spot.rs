//! Where a worktree's folder can lie, and how it moves from one place to the next.
//!
//! A folder moves in two steps: first git's pointer is rewritten to the new place, then the folder is
//! renamed. Between the two, the folder lies in a known other place and still names its git entry, so a
//! move that was cut is found by looking and finished by doing it again. What was put away under another
//! name than it would be now is recognised here and renamed in `astray`.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use agent_harness_model::id::{Mark, Uid};
use agent_harness_model::kinds::worktree::Place;

use super::Cuts;
use super::error::GitError;
use super::identity::is_one;
use super::repo::{Entry, canonical_parent, link};
use super::shelve::Note;
use crate::fs;

/// All places of one worktree. They share a parent folder, hence a file system.
#[derive(Debug, Clone)]
pub struct Spots {
    /// Where users see it.
    pub live: PathBuf,
    /// Where it waits for `undelete`.
    pub trash: PathBuf,
    /// Where it is made; nobody works there, so what is left there can be done again.
    pub new: PathBuf,
    /// Where it is deleted; nothing there is ever brought back.
    pub doomed: PathBuf,
    /// What the names of the latter three begin with, and in older versions were.
    stem: OsString,
}

/// One of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    Live,
    Trash,
    New,
    Doomed,
}

impl Spots {
    /// The places of the worktree that an object's incarnation has at `place`.
    pub fn of(place: &Place, uid: &Uid) -> Result<Self, GitError> {
        let live = canonical_parent(&place.path)?;
        let (Some(parent), Some(name)) = (live.parent(), live.file_name()) else {
            return Err(GitError::Occupied {
                path: place.path.clone(),
                what: "is no place for a worktree: change worktree.path".into(),
            });
        };
        let mut stem = name.to_owned();
        stem.push(format!("-{}", uid.short()));
        // An object can have trees of several repositories at one path, one after the other.
        let mut unique = stem.clone();
        unique.push(format!("-{}", tag(&place.repo)));
        let bin = parent.join(".trash");
        Ok(Self {
            trash: bin.join(&unique),
            new: bin.join("new").join(&unique),
            doomed: bin.join("gone").join(&unique),
            live,
            stem,
        })
    }

    /// The path of a place.
    pub fn path(&self, spot: Spot) -> &Path {
        match spot {
            Spot::Live => &self.live,
            Spot::Trash => &self.trash,
            Spot::New => &self.new,
            Spot::Doomed => &self.doomed,
        }
    }

    fn all() -> [Spot; 4] {
        [Spot::Live, Spot::Trash, Spot::New, Spot::Doomed]
    }

    /// The places as older versions named them, whatever the repository.
    pub fn older(&self) -> [(Spot, PathBuf); 3] {
        [Spot::Trash, Spot::New, Spot::Doomed]
            .map(|spot| (spot, self.path(spot).with_file_name(&self.stem)))
    }

    /// Which place a path is, or was for an older version or while the repository was elsewhere. Only of what
    /// the repository itself knows to be its own.
    fn spot_of(&self, path: &Path) -> Option<Spot> {
        Self::all().into_iter().find(|spot| {
            let is_named_so = || self.is_name(path.file_name());
            let place = self.path(*spot);
            path == place
                || (*spot != Spot::Live && path.parent() == place.parent() && is_named_so())
        })
    }

    /// Whether it is the stem, alone or with the tag of any repository.
    fn is_name(&self, name: Option<&OsStr>) -> bool {
        let rest = name
            .and_then(|name| name.as_encoded_bytes().strip_prefix(self.stem.as_encoded_bytes()));
        rest.is_some_and(|rest| match rest.strip_prefix(b"-") {
            Some(tag) => tag.len() == TAG_LENGTH && tag.iter().all(u8::is_ascii_hexdigit),
            None => rest.is_empty(),
        })
    }

    /// Removes the folders around the places when nothing is in them any more.
    pub fn tidy(&self) {
        for path in [&self.new, &self.doomed, &self.trash] {
            if let Some(folder) = path.parent() {
                // Fails when something is in it, and that is the point.
                let _ = std::fs::remove_dir(folder);
            }
        }
    }
}

/// Hex digits of a repository's tag.
const TAG_LENGTH: usize = 8;

/// Tells repositories apart in a name. It is made of the path alone, so that the name is known also while the
/// repository is away, and never in another way, because what is in the trash is found by it.
fn tag(repo: &Path) -> String {
    // By its parts, as paths are compared: `/r` and `/r/` are one.
    let repo: PathBuf = repo.components().collect();
    blake3::hash(repo.as_os_str().as_encoded_bytes()).to_hex()[..TAG_LENGTH].to_owned()
}

/// A worktree entry of ours and where its folder is.
#[derive(Debug, Clone)]
pub struct Found {
    pub entry: Entry,
    /// Where git's pointer leads.
    pub pointed: Spot,
    /// Where the folder is; `None`: nowhere.
    pub actual: Option<Spot>,
    /// The folder's path, when it has another name there than it would be given now.
    pub stray: Option<PathBuf>,
    /// What its git folder says of its stay in the trash.
    pub note: Note,
}

/// What a found worktree amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In place and whole.
    Live,
    /// With all its files, and not wholly where it is to be: on its way from or to the trash, or back while it
    /// was being made again elsewhere.
    Moving,
    /// In the trash, whole, and its branch is free.
    Trashed,
    /// Without a folder that counts: never completed, deleted by hand, or half purged.
    Missing,
}

impl Found {
    /// What it amounts to.
    pub fn state(&self) -> State {
        match (self.pointed, self.actual) {
            (Spot::Live, Some(Spot::Live)) if self.note == Note::None => State::Live,
            (Spot::Trash, Some(Spot::Trash)) if self.note == Note::Complete => State::Trashed,
            // Only what is whole is ever in these places, whatever git's pointer says meanwhile.
            (Spot::Live | Spot::Trash | Spot::New, Some(Spot::Live | Spot::Trash)) => State::Moving,
            // A purge was begun, and what is purged is never brought back.
            (Spot::Doomed, _)
            | (Spot::Live | Spot::Trash | Spot::New, None | Some(Spot::New | Spot::Doomed)) => {
                State::Missing
            }
        }
    }

    /// In the trash as far as git goes, whether its folder is there or not.
    pub fn is_shelved(&self) -> bool {
        self.pointed == Spot::Trash && self.note == Note::Complete
    }

    /// Never completed, or half purged: nothing in it is anybody's.
    pub fn is_nobodys(&self) -> bool {
        match (self.pointed, self.actual) {
            (Spot::New, Some(Spot::Live | Spot::Trash)) => false,
            (Spot::New, None | Some(Spot::New | Spot::Doomed)) => !self.has_index(),
            (Spot::Doomed, _) => true,
            (Spot::Live | Spot::Trash, _) => false,
        }
    }

    /// Git writes the index when all files are checked out.
    pub fn has_index(&self) -> bool {
        self.entry.admin.join("index").exists()
    }
}

/// Finds the worktree with this mark at these places.
pub fn find(entries: &[Entry], spots: &Spots, mark: &Mark) -> Result<Option<Found>, GitError> {
    for entry in entries.iter().filter(|entry| entry.mark.as_ref() == Some(mark)) {
        let pointed = match &entry.folder {
            Some(folder) => spots.spot_of(folder),
            // The first instant of an `add`: only its id tells what it was to become.
            None => spots.is_name(entry.admin.file_name()).then_some(Spot::New),
        };
        let Some(pointed) = pointed else { continue };
        let pointer = entry.folder.iter().map(|folder| (pointed, folder.clone()));
        let places = Spots::all().map(|spot| (spot, spots.path(spot).to_path_buf()));
        let (mut actual, mut stray) = (None, None);
        for (spot, path) in pointer.chain(places).chain(spots.older()) {
            if belongs(&path, &entry.admin)? {
                actual = Some(spot);
                stray = (path != spots.path(spot)).then_some(path);
                break;
            }
        }
        let note = super::shelve::note(&entry.admin);
        return Ok(Some(Found { entry: entry.clone(), pointed, actual, stray, note }));
    }
    Ok(None)
}

/// Whether the folder names this git entry as its own.
fn belongs(folder: &Path, admin: &Path) -> Result<bool, GitError> {
    match link(folder)? {
        Some(target) if target == admin => Ok(true),
        Some(target) => match fs::metadata(&target)? {
            Some(_) => is_one(&target, admin),
            None => Ok(false),
        },
        None => Ok(false),
    }
}

/// What stands at a path where a worktree is to be; `None`: nothing, or an empty folder.
pub fn occupant(path: &Path) -> Result<Option<&'static str>, GitError> {
    Ok(match fs::metadata(path)? {
        None => None,
        Some(metadata) if metadata.is_symlink() => Some("is a symlink"),
        Some(metadata) if !metadata.is_dir() => Some("is a file"),
        Some(_) if fs::list_dir(path)?.is_empty() => None,
        Some(_) => Some("is a folder with something in it"),
    })
}

/// Makes the folder that a worktree is to be moved into, and fails with what is in the way. Call it
/// before anything else is changed.
pub fn clear_way(found: &Found, spots: &Spots, to: Spot) -> Result<(), GitError> {
    let target = spots.path(to);
    if found.actual == Some(to) {
        return Ok(());
    }
    if let Some(what) = occupant(target)? {
        return Err(GitError::Occupied {
            path: target.to_path_buf(),
            what: format!("{what}: move it away"),
        });
    }
    let parent = target.parent().unwrap_or(target);
    fs::create_dir_all(parent, 0o777)?;
    let Some(from) = found.actual.map(|from| spots.path(from)) else { return Ok(()) };
    let mount = super::occupants::mount_within(from)?;
    if let Some(mount) = mount.filter(|mount| mount == from) {
        return Err(GitError::Mounted { path: mount.clone(), mount });
    }
    let device = |folder: &Path| -> Result<u64, GitError> {
        Ok(std::fs::metadata(folder).map_err(GitError::system("look at", folder))?.dev())
    };
    if device(from.parent().unwrap_or(from))? != device(parent)? {
        return Err(GitError::Occupied {
            path: parent.to_path_buf(),
            what: format!(
                "is on another file system than {}, and a worktree is only ever renamed: make it a folder beside \
                 the worktree",
                from.display()
            ),
        });
    }
    Ok(())
}

/// Moves a worktree to a place; what is there already stays. The folder has to be somewhere.
pub fn relocate(found: &mut Found, spots: &Spots, to: Spot, cuts: &Cuts) -> Result<(), GitError> {
    let Some(from) = found.actual else {
        return Err(GitError::NotOurs { path: spots.path(to).to_path_buf() });
    };
    let target = spots.path(to);
    clear_way(found, spots, to)?;
    if found.pointed != to {
        cuts.before("the pointer is rewritten")?;
        point(found, spots, to)?;
    }
    if from != to {
        cuts.before("the folder is renamed")?;
        fs::rename(spots.path(from), target)?;
        found.actual = Some(to);
    }
    Ok(())
}

/// Rewrites git's pointer to the worktree's folder.
pub fn point(found: &mut Found, spots: &Spots, to: Spot) -> Result<(), GitError> {
    let folder = spots.path(to).to_path_buf();
    let mut bytes = folder.join(".git").into_os_string().into_encoded_bytes();
    bytes.push(b'\n');
    fs::write_atomic(found.entry.admin.join("gitdir"), bytes, 0o644)?;
    found.entry.folder = Some(folder);
    found.pointed = to;
    Ok(())
}

/// Makes the folder's own link absolute: a relative one would break when the folder moves.
pub fn anchor(folder: &Path, admin: &Path) -> Result<(), GitError> {
    let mut wanted = b"gitdir: ".to_vec();
    wanted.extend_from_slice(admin.as_os_str().as_encoded_bytes());
    wanted.push(b'\n');
    let path = folder.join(".git");
    match fs::read(&path) {
        Ok(now) if now == wanted => return Ok(()),
        Ok(_) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.into()),
    }
    fs::write_atomic(path, wanted, 0o644)?;
    Ok(())
}
