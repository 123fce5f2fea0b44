//! A PM2 of the benchmark's own: one exact version from npm, kept beside what cargo builds, with its daemon and its
//! files in a temporary folder. It ends with the value.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::site::harness::{programs, succeed, text};
use crate::site::probe::Process;

/// What is measured. Another version goes into another folder.
pub const VERSION: &str = "7.0.4";

/// PM2 with a daemon that nobody else uses.
pub struct Pm2 {
    home: TempDir,
    program: PathBuf,
}

impl Pm2 {
    /// Fetches it where it is not there yet; the daemon does not run.
    pub fn new() -> Self {
        let folder = programs().join(format!("pm2-{VERSION}"));
        let program = folder.join("node_modules/pm2/bin/pm2");
        if !program.is_file() {
            fs::create_dir_all(&folder).unwrap();
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]);
            succeed(npm.arg(&folder).arg(format!("pm2@{VERSION}")).current_dir(&folder));
        }
        let home = tempfile::Builder::new().prefix("harness-pm2-").tempdir().unwrap();
        Self { home, program }
    }

    /// One command of its CLI, which has to succeed; what it printed.
    pub fn run(&self, words: &[&str]) -> String {
        text(&succeed(self.command().args(words)).stdout)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("PM2_HOME", self.home.path().join(".pm2"))
            // It would ask the network, which is not what is measured.
            .env("PM2_DISABLE_VERSION_CHECK", "true")
            .current_dir(self.home.path());
        command
    }

    /// Writes what it is to run: one script, once for each port.
    pub fn ecosystem(&self, script: &Path, ports: &[u16]) -> String {
        let script = script.display();
        let apps: Vec<String> = ports
            .iter()
            .map(|port| format!("{{name: 'p{port}', script: '{script}', env: {{PORT: {port}}}}}"))
            .collect();
        let path = self.home.path().join("ecosystem.config.js");
        fs::write(&path, format!("module.exports = {{apps: [{}]}};\n", apps.join(", "))).unwrap();
        path.display().to_string()
    }

    /// Its daemon.
    pub fn daemon(&self) -> Process {
        let pid = fs::read_to_string(self.home.path().join(".pm2/pm2.pid")).unwrap();
        Process::with_id(pid.trim().parse().unwrap())
    }
}

impl Drop for Pm2 {
    fn drop(&mut self) {
        // Says itself that there is none, where there is none.
        let _ = self.command().arg("kill").output();
    }
}
