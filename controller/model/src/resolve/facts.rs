//! What resolving has to know about the host, as plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::id::ObjectKey;
use crate::secret::Secret;

/// What is known about the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The state folder, absolute.
    pub state: PathBuf,
    /// The user's home folder.
    pub home: PathBuf,
    /// The folder of our own programs.
    pub bin: PathBuf,
    /// Variables that every command gets, from an allow-list: PATH, HOME, LANG, …
    pub environment: BTreeMap<String, String>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// How often the template of a Stack was to be built anew by hand.
    pub rebuilds: BTreeMap<ObjectKey, u32>,
    /// Answers to everything else that was needed: a value, or why there is none.
    pub answers: BTreeMap<Need, Result<String, String>>,
}

/// A fact that has to be looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A secret of this name, generated when there is none.
    Secret(String),
    /// The text of a file.
    File(PathBuf),
    /// The commit that a revision of a repository stands for.
    Commit {
        /// The repository.
        repo: PathBuf,
        /// The revision.
        base: String,
    },
    /// A hash over the files of a commit that match the patterns.
    Inputs {
        /// The repository.
        repo: PathBuf,
        /// The full id of the commit: what a revision stands for may change between two looks.
        commit: String,
        /// Glob patterns.
        patterns: Vec<String>,
    },
    /// What tells the repository at this path apart from all others, by whatever path they are reached.
    Repository(PathBuf),
    /// The same of a folder, which may not be there yet.
    Folder(PathBuf),
    /// How much memory the controller and all that it starts may use, in bytes.
    Memory,
    /// The size of the file system that the state folder is on, in bytes.
    Disk,
    /// Whether this many bytes are free there; a failure says how much is.
    FreeDisk(u64),
    /// Where the program of this name is that every command finds; a failure where there is none.
    Program(String),
}
