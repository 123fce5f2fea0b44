//! Where an embedded server keeps its files.
//!
//! Below the service's root, unless we are root and the server's user cannot get there (`/root` is closed
//! to others): then below `/var/lib/agent-harness`, and a file in the root says where, so that it stays there.
//! Another file in the root says that the data was made once: if it is gone, it is missed, and never made anew.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::at_work::anybody_works_in;
use super::error::EmbeddedError;
use super::user::{self, RunAs};
use crate::fs;
use crate::service::owner;

/// Where data goes when the server's user cannot reach the root.
const ELSEWHERE: &str = "/var/lib/agent-harness";

/// How the names of unfinished data begin.
const DRAFT: &str = "data.draft";
/// A password file of an earlier version that was cut off.
const PASSWORD: &str = "password.draft";

/// The files of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The service's root in the state folder.
    pub root: PathBuf,
    /// What holds the files below; the root itself, as a rule.
    pub base: PathBuf,
    /// `PGDATA`, owned by the server's user, 0700. It is there as soon as it is complete.
    pub data: PathBuf,
    /// Our settings, read after those that `initdb` writes.
    pub conf: PathBuf,
}

impl Layout {
    /// Where the files are; `None` when nothing was ever made.
    pub fn find(root: &Path) -> Result<Option<Self>, EmbeddedError> {
        if let Some(base) = fs::read_to_string_if_exists(pointer(root))? {
            return Ok(Some(Self::new(root, PathBuf::from(base.trim_end()))));
        }
        let layout = Self::new(root, root.to_path_buf());
        Ok(fs::metadata(&layout.data)?.is_some().then_some(layout))
    }

    /// Where the files are or are to be; makes the folders, open to the server's user.
    pub fn prepare(root: &Path, user: Option<&RunAs>) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(root, 0o711)?;
        let layout = match (Self::find(root)?, user) {
            (Some(layout), _) => layout,
            (None, Some(user)) if user::closed_parent(&root.join("x"), user)?.is_some() => {
                Self::new(root, elsewhere(root)?)
            }
            (None, _) => Self::new(root, root.to_path_buf()),
        };
        layout.refuse_what_is_gone()?;
        fs::create_dir_all(&layout.base, 0o711)?;
        if layout.base != root && fs::metadata(pointer(root))?.is_none() {
            // After the folder: a pointer to none says that a disk is not mounted.
            fs::write_atomic(pointer(root), layout.base.as_os_str().as_encoded_bytes(), 0o644)?;
        }
        if let Some(user) = user
            && let Some(parent) = user::closed_parent(&layout.data, user)?
        {
            return Err(EmbeddedError::Closed { user: user.name.clone(), parent });
        }
        Ok(layout)
    }

    /// Fails when there was data and it is not there.
    fn refuse_what_is_gone(&self) -> Result<(), EmbeddedError> {
        let pointed = self.base != self.root && fs::metadata(pointer(&self.root))?.is_some();
        let no_folder = pointed && fs::metadata(&self.base)?.is_none();
        let no_data =
            fs::metadata(initialised(&self.root))?.is_some() && fs::metadata(&self.data)?.is_none();
        if no_folder || no_data {
            return Err(EmbeddedError::DataGone {
                data: self.data.clone(),
                root: self.root.clone(),
            });
        }
        Ok(())
    }

    /// Notes that the data is there: from now on it is missed when it is not.
    pub(super) fn note_data(&self) -> Result<(), EmbeddedError> {
        let note = initialised(&self.root);
        if fs::metadata(&note)?.is_none() {
            fs::write_atomic(note, format!("{}\n", self.data.display()), 0o644)?;
        }
        Ok(())
    }

    /// Where the data is made before it is complete: a folder of its own for each try. An `initdb` whose
    /// controller was killed goes on, and tidies up at its end.
    pub(super) fn new_draft(&self) -> PathBuf {
        self.base.join(format!("{DRAFT}-{}", uuid::Uuid::now_v7()))
    }

    /// Removes what earlier tries left, unless somebody is still at work on it.
    pub(super) fn remove_drafts(&self) -> Result<(), EmbeddedError> {
        for path in fs::list_dir(&self.base)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(metadata) = fs::metadata(&path)? else { continue };
            if !name.starts_with(DRAFT) && name != PASSWORD {
                continue;
            }
            if !metadata.is_dir() {
                fs::remove_file_if_exists(&path)?;
            } else if !anybody_works_in(&path)?
                && let Err(error) = fs::remove_dir_all(&path)
            {
                // In the way of nobody; the next start tries again.
                tracing::warn!(%error, "what an earlier initdb left stays for now");
            }
        }
        Ok(())
    }

    fn new(root: &Path, base: PathBuf) -> Self {
        Self {
            root: root.to_path_buf(),
            data: base.join("data"),
            conf: base.join("agent-harness.conf"),
            base,
        }
    }

    /// Major version of the data that is there.
    pub fn data_version(&self) -> Result<Option<u32>, EmbeddedError> {
        let text = fs::read_to_string_if_exists(self.data.join("PG_VERSION"))?;
        Ok(text.and_then(|text| text.trim().parse().ok()))
    }

    /// Who owns the data that is there.
    pub fn data_owner(&self) -> Result<Option<u32>, EmbeddedError> {
        Ok(fs::metadata(&self.data)?.map(|metadata| metadata.uid()))
    }

    /// Deletes the data, and all that lies outside of the root; the root is the caller's to remove. A successor
    /// may come before that is done: half-deleted data must not be taken for data, nor be missed.
    pub fn clear(root: &Path) -> Result<(), EmbeddedError> {
        let Some(layout) = Self::find(root)? else { return Ok(()) };
        fs::remove_file_if_exists(initialised(root))?;
        let going = layout.base.join("data.removed");
        fs::remove_dir_all(&going)?;
        if fs::metadata(&layout.data)?.is_some() {
            fs::rename(&layout.data, &going)?;
            fs::remove_dir_all(&going)?;
        }
        fs::remove_file_if_exists(&layout.conf)?;
        if layout.base != root {
            fs::remove_file_if_exists(pointer(root))?;
            fs::remove_dir_all(&layout.base)?;
        }
        Ok(())
    }
}

fn initialised(root: &Path) -> PathBuf {
    root.join("initialised")
}

/// A folder outside of the root, of this installation alone: a state folder that was deleted and made again has
/// another password, and must not come upon the data of the old one.
fn elsewhere(root: &Path) -> Result<PathBuf, EmbeddedError> {
    let hash = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
    let hash = &hash[..16];
    let name = match owner::read(root)? {
        Some(mark) => format!("postgres-{}-{hash}", mark.installation),
        None => format!("postgres-{hash}"),
    };
    Ok(Path::new(ELSEWHERE).join(name))
}

fn pointer(root: &Path) -> PathBuf {
    root.join("location")
}
