//! Which user the server runs as: PostgreSQL refuses to run as root.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::EmbeddedError;
use crate::fs;

/// Users that a server may run as, in this order; both are usual on Linux.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The user to run as, when we are root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    /// For messages.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// `None`: we are no root, so the server runs as ourselves. `owner` is preferred: who has the data already.
pub fn choose(owner: Option<u32>) -> Result<Option<RunAs>, EmbeddedError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = users(&fs::read_to_string("/etc/passwd")?);
    let by_owner = users.iter().find(|user| Some(user.uid) == owner && user.uid != 0);
    let by_name = || {
        CANDIDATES
            .iter()
            .find_map(|name| users.iter().find(|user| user.name == *name && user.uid != 0))
    };
    by_owner.or_else(by_name).cloned().map(Some).ok_or(EmbeddedError::NoUser)
}

fn users(passwd: &str) -> Vec<RunAs> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(RunAs { name, uid, gid })
    };
    passwd.lines().filter_map(user).collect()
}

/// The first parent of `path` that `user` cannot pass through; parents that do not exist yet can be made so.
pub fn closed_parent(path: &Path, user: &RunAs) -> Result<Option<PathBuf>, EmbeddedError> {
    let mut parents: Vec<&Path> = path.ancestors().skip(1).collect();
    parents.reverse();
    for parent in parents.into_iter().filter(|parent| !parent.as_os_str().is_empty()) {
        let Some(metadata) = std::fs::metadata(parent).ok() else { break };
        let open = if metadata.uid() == user.uid {
            metadata.mode() & 0o100 != 0
        } else if metadata.gid() == user.gid {
            metadata.mode() & 0o010 != 0
        } else {
            metadata.mode() & 0o001 != 0
        };
        if !open {
            return Ok(Some(parent.to_path_buf()));
        }
    }
    Ok(None)
}

/// Gives a file or folder to the user.
pub fn give(path: &Path, user: Option<&RunAs>) -> Result<(), EmbeddedError> {
    match user {
        None => Ok(()),
        Some(user) => {
            // The user has the folder already, and may have put a link there.
            std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid)).map_err(|source| {
                EmbeddedError::Give { path: path.to_path_buf(), user: user.name.clone(), source }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_and_odd_lines_passed_over() {
        let read =
            users("root:x:0:0:root:/root:/bin/bash\n+::::::\npostgres:x:101:104:a,b:/x:/y\n");
        assert_eq!(read[0].uid, 0);
        assert_eq!(read[1], RunAs { name: "postgres".into(), uid: 101, gid: 104 });
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn what_a_link_leads_to_is_not_given_away() {
        use std::os::unix::fs::{MetadataExt as _, symlink};
        let user = RunAs { name: "x".into(), uid: 4_000_000, gid: 4_000_000 };
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write_atomic(&file, "", 0o600).unwrap();
        symlink(&file, &link).unwrap();
        let owner = |path: &Path| fs::metadata(path).unwrap().unwrap().uid();
        let before = owner(&file);
        match give(&link, Some(&user)) {
            Ok(()) => assert_eq!(owner(&link), user.uid),
            // Only root gives anything away.
            Err(error) => assert!(matches!(error, EmbeddedError::Give { .. })),
        }
        assert_eq!(owner(&file), before);
    }

    #[test]
    fn a_closed_parent_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir_all(&inner, 0o700).unwrap();
        fs::set_mode(folder.path(), 0o755).unwrap();
        let user = RunAs { name: "x".into(), uid: 4_000_000, gid: 4_000_000 };
        assert_eq!(closed_parent(&inner.join("data"), &user).unwrap(), Some(inner.clone()));
        fs::set_mode(&inner, 0o711).unwrap();
        assert_eq!(closed_parent(&inner.join("data/deeper"), &user).unwrap(), None);
    }
}
