//! Somebody of the team, who changes the specs in a clone of their own and pushes.

use super::super::harness::{Site, succeed, text};
use super::server::Server;

/// Where the specs are in the repository.
pub const PATH: &str = "examples/hello/specs";

/// Somebody of the team, whose clone is the site's own repository.
pub struct Team {
    ssh: Option<String>,
    url: String,
}

impl Team {
    /// The site's own repository, which holds the specs, is pushed as the first commit.
    pub fn begin(site: &Site, server: &Server) -> Self {
        let ssh = server.url.starts_with("ssh:").then(|| server.ssh());
        let team = Self { ssh, url: server.url.clone() };
        team.push_all(site, "The specs of the team");
        team
    }

    pub fn git(&self, site: &Site, words: &[&str]) -> String {
        let mut command = site.command("git");
        command.current_dir(site.repo()).args(words);
        if let Some(ssh) = &self.ssh {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        text(&succeed(&mut command).stdout).trim().to_owned()
    }

    /// Commits all that is changed, and gives the commit.
    pub fn commit(&self, site: &Site, subject: &str) -> String {
        self.git(site, &["add", "--all"]);
        self.git(site, &["commit", "--quiet", "--allow-empty", "-m", subject]);
        self.git(site, &["rev-parse", "HEAD"])
    }

    pub fn push(&self, site: &Site) {
        self.git(site, &["push", "--quiet", "--force", &self.url, "HEAD:refs/heads/main"]);
    }

    /// Commits all that is changed, and pushes it.
    pub fn push_all(&self, site: &Site, subject: &str) -> String {
        let commit = self.commit(site, subject);
        self.push(site);
        commit
    }

    /// Goes back to what was pushed, and pushes that as one more commit.
    pub fn revert_to(&self, site: &Site, commit: &str) -> String {
        self.git(site, &["rm", "-r", "--quiet", "--force", "--ignore-unmatch", PATH]);
        self.git(site, &["checkout", "--quiet", commit, "--", PATH]);
        self.push_all(site, "As it was")
    }
}
