//! What can be said on the command line, and the defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_harness_model::layout;
use agent_harness_model::source::{self, GitSource, Rewritten, Signers, SourceProblem};
use agent_harness_model::spec::Duration;
use agent_harness_providers::fs;
use agent_harness_providers::process::CgroupSetting;
use clap::{Parser, Subcommand};
use jiff::SignedDuration;

use super::config;
use crate::core::Config;

/// Gives each coding agent on this host its own development stack
#[derive(Debug, Parser)]
#[command(name = "controller", version, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Watch a folder of specs and bring about what they say
    Run(RunArgs),
    /// Bring about what the specs say, then end
    ///
    /// Removals are carried out as well. Exit codes: 0 everything is Ready, or suspended on request; 1 failed;
    /// 2 wrong usage; 3 not Ready in time; 4 not Ready, and what is missing does not come by itself.
    Once(OnceArgs),
    /// Stop everything of a state folder: agents first, then the shared services
    Down(DownArgs),
    /// Serve the embedded object store; the controller starts this itself
    #[command(hide = true)]
    ObjectStore {
        /// Its configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

/// Where specs come from, where state lies, and what goes for all of it.
#[derive(Debug, clap::Args)]
pub struct Folders {
    /// The folder of specs [default: specs]
    #[arg(long, value_name = "DIR")]
    pub specs: Option<PathBuf>,
    #[command(flatten)]
    pub state: StateFolder,
    /// Specs in a Git repository, besides the folder; may be given more than once. The name is the last part of the URL
    /// unless it is given. Without --specs, the folder is STATE/local
    #[arg(long = "source", value_name = "[NAME=]git:URL[#BRANCH[:PATH]]", value_parser = source::parse)]
    pub sources: Vec<(String, GitSource)>,
    /// How often the repositories are asked for news
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "sources")]
    pub interval: Duration,
    /// What becomes of a branch whose history was rewritten
    #[arg(long, value_name = "WHAT", default_value = "follow", requires = "sources")]
    pub rewritten: OnRewrite,
    /// Only commits that one of these has signed come into force: a file as of `allowed_signers`, or of public keys of
    /// GnuPG
    #[arg(long, value_name = "ssh:FILE|gpg:FILE", value_parser = signers, requires = "sources")]
    pub signers: Option<Signers>,
    /// Listen on this port of 127.0.0.1 for repositories that say they have something new
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub webhook: Option<u16>,
    /// A file of kind Controller that says what specs come from: --source adds to it, --specs and --webhook count instead
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Take over a state folder that served another folder of specs
    #[arg(long)]
    pub adopt: bool,
    /// By which control groups processes are held; `none` stands for process groups. `ctl info` shows what came of it
    #[arg(long, value_name = "WHICH", env = "HARNESS_CGROUPS", default_value = "auto")]
    pub cgroups: Cgroups,
    /// How long a spec has to be away before its object leaves: an editor may only be writing it anew
    #[arg(long, value_name = "TIME", env = "HARNESS_GRACE", default_value = "3s")]
    pub grace: Duration,
    /// How often everything is looked at again, whether something was heard of it or not
    #[arg(long, value_name = "TIME", env = "HARNESS_RESYNC", default_value = "60s", value_parser = at_least_a_second)]
    pub resync: Duration,
    /// How many commands of `ctl verify` run at the same time, over all agents; the others wait [default: the processors]
    #[arg(long, value_name = "N", env = "HARNESS_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

fn at_least_a_second(text: &str) -> Result<Duration, String> {
    let time: Duration = text.parse()?;
    if time.0 < std::time::Duration::from_secs(1) {
        return Err("it takes at least 1s".to_owned());
    }
    Ok(time)
}

/// By which control groups processes are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Cgroups {
    /// The best that this host lets be made
    Auto,
    /// Control groups v2
    V2,
    /// Control groups v1
    V1,
    /// None
    None,
}

impl From<Cgroups> for CgroupSetting {
    fn from(wanted: Cgroups) -> Self {
        match wanted {
            Cgroups::Auto => Self::Auto,
            Cgroups::V2 => Self::V2,
            Cgroups::V1 => Self::V1,
            Cgroups::None => Self::None,
        }
    }
}

/// What becomes of a branch whose history was rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnRewrite {
    /// The new history comes into force
    Follow,
    /// The commit in force stays
    Refuse,
}

impl From<OnRewrite> for Rewritten {
    fn from(wanted: OnRewrite) -> Self {
        match wanted {
            OnRewrite::Follow => Self::Follow,
            OnRewrite::Refuse => Self::Refuse,
        }
    }
}

/// The state folder.
#[derive(Debug, clap::Args)]
pub struct StateFolder {
    /// The state folder [default: ~/.local/state/agent-harness]
    #[arg(long, value_name = "DIR", env = "HARNESS_STATE")]
    pub state: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub folders: Folders,
    /// Stop all processes on the way out: for demos
    #[arg(long)]
    pub stop_agents_on_exit: bool,
}

#[derive(Debug, clap::Args)]
pub struct OnceArgs {
    #[command(flatten)]
    pub folders: Folders,
    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "120s")]
    pub timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub struct DownArgs {
    #[command(flatten)]
    pub state: StateFolder,
    /// Destroy the data as well: worktrees, databases, buckets, also those in the trash
    ///
    /// What you may have written into the state folder stays and is named: the secrets that specs refer to, and
    /// environment.json.
    #[arg(long)]
    pub purge: bool,
    /// Do it without asking
    #[arg(long)]
    pub yes: bool,
}

impl Folders {
    /// The setup that was asked for.
    pub fn config(self) -> Result<Config, std::process::ExitCode> {
        let state = self.state.folder()?;
        let written = self.config.as_deref().map(config::read).transpose()?.unwrap_or_default();
        let said = self.sources.into_iter().map(|(name, source)| {
            let (interval, rewritten) = (self.interval.0, self.rewritten.into());
            let source = source.with_whole_path(|path| {
                std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
            });
            (name, GitSource { interval, rewritten, signers: self.signers.clone(), ..source })
        });
        let sources = named(written.sources.git.into_iter().chain(said))?;
        let folders = written.sources.folders;
        let specs = match self.specs.or(written.specs) {
            Some(specs) => specs,
            None if sources.is_empty() && folders.is_empty() => PathBuf::from("specs"),
            None => {
                let local = state.join("local");
                fs::create_dir_all(&local, 0o700).map_err(|error| super::say::failed(&error))?;
                local
            }
        };
        let config = Config::new(specs, state).map_err(|error| super::say::failed(&error))?;
        let jobs = self.jobs.map_or(config.jobs, usize::from);
        let (adopt, cgroups) = (self.adopt, self.cgroups.into());
        let grace = SignedDuration::try_from(self.grace.0).unwrap_or(config.grace);
        let webhook = self.webhook.or(written.webhook);
        let resync = self.resync.0;
        Ok(Config { grace, resync, adopt, cgroups, jobs, sources, folders, webhook, ..config })
    }
}

/// By their names, of which there are no two the same.
fn named(
    sources: impl Iterator<Item = (String, GitSource)>,
) -> Result<BTreeMap<String, GitSource>, std::process::ExitCode> {
    let mut all = BTreeMap::new();
    for (name, source) in sources {
        if all.insert(name.clone(), source).is_some() {
            super::say::problem(&SourceProblem::Twice(name).to_string());
            return Err(std::process::ExitCode::from(2));
        }
    }
    Ok(all)
}

/// Reads `ssh:FILE` or `gpg:FILE`.
fn signers(words: &str) -> Result<Signers, String> {
    let file = |path: &str| std::path::absolute(path).map_err(|error| error.to_string());
    match words.split_once(':') {
        Some(("ssh", path)) => Ok(Signers::Ssh(file(path)?)),
        Some(("gpg", path)) => Ok(Signers::Gpg(file(path)?)),
        _ => Err("write ssh:FILE or gpg:FILE".to_owned()),
    }
}

impl StateFolder {
    /// The folder to use.
    pub fn folder(self) -> Result<PathBuf, std::process::ExitCode> {
        layout::state_folder(self.state, |name| std::env::var_os(name)).ok_or_else(|| {
            super::say::problem(
                "no state folder: neither HOME nor XDG_STATE_HOME is set; name it with --state DIR",
            );
            std::process::ExitCode::from(2)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_the_one_that_is_named() {
        for verb in ["run", "once", "down"] {
            let args = Args::try_parse_from(["controller", verb, "--state", "/s"]).unwrap();
            let state = match args.verb {
                Verb::Run(run) => run.folders.state,
                Verb::Once(once) => once.folders.state,
                Verb::Down(down) => down.state,
                Verb::ObjectStore { .. } => unreachable!("it was not asked for"),
            };
            assert_eq!(state.folder(), Ok("/s".into()), "{verb}");
        }
        // The rest is the rule that `ctl` follows as well.
        let rule = layout::state_folder(None, |name| std::env::var_os(name));
        assert_eq!(StateFolder { state: None }.folder().ok(), rule);
    }
}
