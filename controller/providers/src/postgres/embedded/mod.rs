//! PostgreSQL as a process of ours: its programs, its data folder, its settings.
//!
//! Nothing is made half: the data folder appears by rename when `initdb` has ended and the default
//! databases are closed; programs likewise. The process itself is held by the supervisor.

mod at_work;
pub mod binaries;
mod conf;
pub mod error;
pub mod fetch;
pub mod in_force;
mod init;
pub mod layout;
mod lockfile;
pub mod user;

use std::path::{Path, PathBuf};

use agent_harness_model::kinds::service::EmbeddedPostgres;

use binaries::Wanted;
pub use error::EmbeddedError;
use fetch::Progress;
pub use init::ADMIN;
use layout::Layout;
use user::RunAs;

/// A server that is ready to be started, once its settings are put in force.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Uid and gid to run as, when we are root.
    pub user: Option<RunAs>,
    /// Its files.
    pub layout: Layout,
}

/// Folder for fetched programs: of the machine when we are root, else of the user.
pub fn default_cache() -> PathBuf {
    let of_user = || {
        let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        xdg.filter(|path| path.is_absolute()).or_else(home)
    };
    let base = if rustix::process::geteuid().is_root() { None } else { of_user() };
    base.unwrap_or_else(|| "/var/cache".into()).join("agent-harness/postgresql")
}

/// Does everything that has to be done before the server can be started. Done already: next to nothing. The settings
/// are a draft, which [`in_force::put_in_force`] takes: a server that runs keeps its own until then.
pub async fn prepare(
    want: &EmbeddedPostgres,
    cache: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Prepared, EmbeddedError> {
    let found = Layout::find(&want.root)?;
    let (owner, version) = match &found {
        Some(layout) => (layout.data_owner()?, layout.data_version()?),
        None => (None, None),
    };
    let user = user::choose(owner)?;
    let layout = Layout::prepare(&want.root, user.as_ref())?;
    let wanted = want.version.as_deref().map(binaries::major).transpose()?;
    if let (Some(found), Some(wanted)) = (version, wanted)
        && found != wanted
    {
        return Err(EmbeddedError::DataVersion { data: layout.data, found, wanted });
    }
    let wanted = Wanted {
        bin_dir: want.bin_dir.as_deref(),
        major: version.or(wanted),
        by_data: version.is_some(),
    };
    // Settings first: a wrong one should not cost a download.
    let settings = conf::render(&layout, &want.settings)?;
    let binaries = binaries::provide(wanted, cache, progress).await?;
    if let Some(user) = &user
        && let Some(parent) = user::closed_parent(&binaries.dir.join("postgres"), user)?
    {
        return Err(EmbeddedError::Closed { user: user.name.clone(), parent });
    }
    init::initialise(&layout, &binaries, user.as_ref(), &want.admin_password).await?;
    lockfile::remove_stale(&layout)?;
    in_force::draft(&layout, &settings, user.as_ref())?;
    let argv = conf::argv(&binaries.dir, &layout, want.port);
    Ok(Prepared { argv, user, layout })
}
