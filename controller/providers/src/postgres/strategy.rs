//! How a template is copied: a rule that was measured, see `docs/decisions/005-clone-strategy.md`.

use agent_harness_model::kinds::database;

use super::error::PgError;

/// How `CREATE DATABASE` copies the files of its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// As the server likes: the only way before version 15.
    Default,
    /// Block by block through the write-ahead log; no checkpoint.
    WalLog,
    /// File by file, between two checkpoints.
    FileCopy,
    /// File by file, and the file system shares the blocks (18 and newer, XFS or Btrfs).
    Clone,
}

/// Templates up to this size are copied through the log.
pub const WAL_LOG_UP_TO: u64 = 256 << 20;

/// The strategy for a template of `size` bytes on a server of this major version. `reflinks`: the data
/// folder's file system can share blocks between files. An error says which strategies the server has.
pub fn choose(
    wanted: database::Strategy,
    major: u32,
    size: u64,
    reflinks: bool,
) -> Result<Strategy, PgError> {
    // Before 15 there is one way, and it is file by file.
    let file_copy = if major < 15 {
        Strategy::Default
    } else if major >= 18 && reflinks {
        Strategy::Clone
    } else {
        Strategy::FileCopy
    };
    match wanted {
        database::Strategy::FileCopy => Ok(file_copy),
        database::Strategy::WalLog if major < 15 => Err(PgError::NoStrategy { version: major }),
        database::Strategy::WalLog => Ok(Strategy::WalLog),
        database::Strategy::Auto if file_copy == Strategy::FileCopy && size <= WAL_LOG_UP_TO => {
            Ok(Strategy::WalLog)
        }
        database::Strategy::Auto => Ok(file_copy),
    }
}

impl Strategy {
    /// What ends the `CREATE DATABASE` statement.
    pub fn clause(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::WalLog => " STRATEGY wal_log",
            Self::FileCopy | Self::Clone => " STRATEGY file_copy",
        }
    }

    /// What has to be set in the session first.
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::Default | Self::WalLog | Self::FileCopy => None,
            Self::Clone => Some("SET file_copy_method = clone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule() {
        let auto = |major, size, reflinks| {
            choose(database::Strategy::Auto, major, size, reflinks).unwrap()
        };
        assert_eq!(auto(14, 1 << 30, true), Strategy::Default);
        assert_eq!(auto(15, 8 << 20, true), Strategy::WalLog);
        assert_eq!(auto(17, 400 << 20, true), Strategy::FileCopy);
        assert_eq!(auto(18, 8 << 20, true), Strategy::Clone);
        assert_eq!(auto(18, 400 << 20, false), Strategy::FileCopy);
    }

    #[test]
    fn what_the_user_says_comes_before_the_rule() {
        use database::Strategy::{FileCopy, WalLog};
        let choose = |wanted, major| choose(wanted, major, 8 << 20, true);
        assert_eq!(choose(FileCopy, 14).unwrap(), Strategy::Default);
        assert_eq!(choose(FileCopy, 15).unwrap(), Strategy::FileCopy);
        assert_eq!(choose(FileCopy, 18).unwrap(), Strategy::Clone);
        assert_eq!(choose(WalLog, 18).unwrap(), Strategy::WalLog);
        assert_eq!(
            choose(WalLog, 14).unwrap_err().to_string(),
            "PostgreSQL 14 cannot copy a template through its log; set `strategy: fileCopy` or leave it out, \
             or use version 15 or newer"
        );
    }
}
