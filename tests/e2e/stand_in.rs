//! The place of a test of the example for Lightdash: a repository that stands in for the real one (`tests/stand-in`), with
//! an origin, where the example's Stack looks for it; the example's own specs, on embedded servers; and pnpm and pip,
//! whose downloads are kept from run to run. What does not come from a registry then fails the test.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::containers::Servers;
use super::harness::{Site, succeed, text};

/// How long an agent may take that installs all that it needs, on a busy machine and for the first time.
const LONG: Duration = Duration::from_secs(20 * 60);

/// The line of the Stack that the tests replace; nothing else of it differs from what a user has.
const PORTS: &str = "{frontend: 3000, api: 8000, scheduler: 8001, debugger: 9200}";

pub struct StandIn {
    pub site: Site,
    /// With pnpm on it.
    path: OsString,
}

impl StandIn {
    /// With agents 1 and 2; the controller does not run yet.
    pub fn new() -> Self {
        let mut site = Site::on(Servers::Embedded);
        let path = pnpm();
        configure(&site);
        let home = site.folder().join("home");
        copy(&workspace().join("examples/lightdash"), &home.join("lightdash"));
        let specs = home.join("lightdash/specs");
        fs::rename(home.join("lightdash/native/infra.yaml"), specs.join("infra.yaml")).unwrap();
        site.watch(specs);
        for agent in 3..=5 {
            site.remove_spec(&format!("agent-{agent}.yaml"));
        }
        site.edit("infra.yaml", "port: 15432", &format!("port: {}", site.postgres));
        site.edit("infra.yaml", "port: 19000", &format!("port: {}", site.store));
        // Whether this host has a browser or a mail catcher must not matter.
        site.edit("infra.yaml", "chromium $", "no-such-browser $");
        site.edit("infra.yaml", "mailpit --listen", "no-such-catcher --listen");
        site.edit("stack.yaml", PORTS, &ports(site.frontend, site.api));
        let this = Self { site, path };
        this.make_repo();
        this
    }

    fn make_repo(&self) {
        let repo = self.repo();
        copy(&workspace().join("tests/stand-in"), &repo);
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "Lightdash, in small"]);
        self.git(&["clone", "--quiet", "--bare", ".", "../origin.git"]);
        self.git(&["remote", "add", "origin", "../origin.git"]);
        self.git(&["fetch", "--quiet", "origin"]);
    }

    /// The repository, where a user has the real one.
    pub fn repo(&self) -> PathBuf {
        self.site.folder().join("home/src/lightdash")
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.repo(), arguments)
    }

    pub fn git_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut command = self.site.command("git");
        command.current_dir(folder).args(arguments);
        text(&succeed(&mut command).stdout)
    }

    pub fn worktree(&self, agent: u16) -> PathBuf {
        self.site.folder().join(format!("home/worktrees/agent-{agent}"))
    }

    /// Starts the controller.
    pub fn start(&mut self) {
        let path = self.path.to_str().unwrap().to_owned();
        self.site.start_with(&[("PATH", &path)]);
    }

    /// Writes an agent's spec.
    pub fn write_agent(&self, agent: u16, more: &str) {
        let name = format!("agent-{agent}");
        let spec = format!(
            "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec:\n  stack: lightdash\n{more}"
        );
        self.site.write_spec(&format!("{name}.yaml"), &spec);
    }

    /// Waits for as long as installing may take.
    pub fn ready(&self, name: &str) {
        self.eventually(&format!("{name} to be ready"), || self.site.is_ready(name).then_some(()));
    }

    /// The same for anything.
    pub fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}\n{}", self.site.report());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the status of an object says all of these words; all that it says.
    pub fn told(&self, object: &str, words: &[&str]) -> String {
        self.eventually(&format!("{object} to say {words:?}"), || {
            let said = text(&self.site.ctl(&["get", object, "-o", "json"]).stdout);
            words.iter().all(|word| said.contains(word)).then_some(said)
        })
    }
}

/// The base ports, in the words of the Stack.
pub fn ports(frontend: u16, api: u16) -> String {
    let (scheduler, debugger) = (api + 1, api + 2);
    format!("{{frontend: {frontend}, api: {api}, scheduler: {scheduler}, debugger: {debugger}}}")
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where downloads are kept.
fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache");
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let cache = cache.join("agent-harness/stand-in");
    fs::create_dir_all(&cache).unwrap();
    cache
}

/// A PATH with the very pnpm on it that the repository names, from npm.
fn pnpm() -> OsString {
    let manifest = fs::read(workspace().join("tests/stand-in/package.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let wanted = manifest["packageManager"].as_str().unwrap();
    let folder = cache().join(wanted.replace('@', "-"));
    let lock = fs::File::create(cache().join("lock")).unwrap();
    lock.lock().unwrap();
    let bin = folder.join("node_modules/.bin");
    if !bin.join("pnpm").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]);
        succeed(npm.arg(&folder).arg(wanted).current_dir("/"));
    }
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(bin).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

/// How this machine reaches its registries, for a home folder of its own: agents do not get the environment of a terminal.
fn configure(site: &Site) {
    let mut npmrc = format!("store-dir={}\n", cache().join("store").display());
    for key in ["registry", "cafile", "proxy", "https-proxy"] {
        let mut npm = Command::new("npm");
        let value = text(&succeed(npm.args(["config", "get", key]).current_dir("/")).stdout);
        if !["null", "undefined", ""].contains(&value.trim()) {
            npmrc = format!("{npmrc}{key}={}\n", value.trim());
        }
    }
    site.write_home(".npmrc", &npmrc);
    let mut pip = format!("[global]\ncache-dir = {}\n", cache().join("pip").display());
    // pip takes each option from a variable as well.
    for (name, value) in std::env::vars() {
        if let Some(option) = name.strip_prefix("PIP_").filter(|it| *it != "CACHE_DIR") {
            let option = option.to_lowercase().replace('_', "-");
            pip = format!("{pip}{option} = {value}\n");
        }
    }
    // dbt runs once, for the template: no need to compile all of it for each agent.
    pip = format!("{pip}[install]\nno-compile = true\n");
    site.write_home(".config/pip/pip.conf", &pip);
}

/// A folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    succeed(Command::new("cp").arg("--recursive").arg(from).arg(to));
}
