//! Which specs a state folder belongs to: `STATE/specs` names their folder.
//!
//! Two sets of specs have objects of one name, such as `agent-1` and the Infra `shared`. With the state folder of
//! another project the agents of the one would get the databases of the other, and whatever it does not have would
//! be taken for removed.

use std::path::{Path, PathBuf};

use agent_harness_providers::fs::{self, FsError};

use crate::intake::folder::is_same;

/// Why a state folder does not serve these specs.
#[derive(Debug, thiserror::Error)]
pub enum ServedError {
    /// The note cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// It holds what other specs asked for.
    #[error(
        "the state folder {} holds what the specs in {} asked for, and these are in {}; name another state folder with \
         --state, or say --adopt if it is the specs that moved",
        state.display(), before.display(), now.display()
    )]
    Elsewhere {
        /// The state folder.
        state: PathBuf,
        /// The folder that it served.
        before: PathBuf,
        /// The folder that it was asked to serve.
        now: PathBuf,
    },
}

/// Notes that a state folder serves these specs. Another folder than before needs `adopt`, unless nothing is left
/// of what that one asked for.
pub fn claim(state: &Path, specs: &Path, empty: bool, adopt: bool) -> Result<(), ServedError> {
    let note = state.join("specs");
    let before = fs::read_to_string_if_exists(&note)?.map(|text| PathBuf::from(text.trim_end()));
    match before {
        Some(before) if is_same(&before, specs) => Ok(()),
        Some(before) if !empty && !adopt => Err(ServedError::Elsewhere {
            state: state.to_path_buf(),
            before,
            now: specs.to_path_buf(),
        }),
        Some(_) | None => Ok(fs::write_atomic(note, format!("{}\n", specs.display()), 0o600)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_serves_one_folder_of_specs() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        let (one, two) = (Path::new("/one"), Path::new("/two"));
        claim(state, one, false, false).unwrap();
        claim(state, one, false, false).unwrap();
        let refused = claim(state, two, false, false).unwrap_err().to_string();
        assert_eq!(
            refused.replace(&state.display().to_string(), "STATE"),
            "the state folder STATE holds what the specs in /one asked for, and these are in /two; name another \
             state folder with --state, or say --adopt if it is the specs that moved"
        );
        claim(state, two, true, false).unwrap();
        claim(state, one, false, true).unwrap();
        assert!(claim(state, two, false, false).is_err());
    }

    #[test]
    fn the_same_folder_by_another_name_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (state, link) = (folder.path(), folder.path().join("link"));
        let specs = folder.path().join("mine");
        fs::create_dir_all(&specs, 0o755).unwrap();
        std::os::unix::fs::symlink(&specs, &link).unwrap();
        claim(state, &specs, false, false).unwrap();
        claim(state, &link, false, false).unwrap();
        assert!(claim(state, folder.path(), false, false).is_err());
    }
}
