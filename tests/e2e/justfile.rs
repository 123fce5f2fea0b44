//! The recipes of the `justfile`, each run by `just` over the hello app: what they do, and that nothing that is
//! typed reaches a shell. What `ctl` itself does with its words is tested elsewhere.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::harness::{Site, programs, text};

/// The release of `just` that the recipes are tried with, as its wheel on PyPI.
const JUST: &str = "rust-just==1.59.0";

/// The program `just`, fetched once into the cache; nothing where it cannot be had and nobody insists on every test.
fn just(test: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()).map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"),
        PathBuf::from,
    );
    let folder = cache.join("agent-harness").join(JUST.replace("==", "-"));
    let program = folder.join("bin/just");
    if program.is_file() {
        return Some(program);
    }
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    let draft = tempfile::tempdir_in(folder.parent().unwrap()).unwrap();
    let fetched = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(draft.path().join("just"))
        .arg(JUST)
        .output()
        .is_ok_and(|output| output.status.success());
    if fetched {
        // Another run may have been faster.
        if let Err(error) = fs::rename(draft.path().join("just"), &folder) {
            assert!(program.is_file(), "{}: {error}", folder.display());
        }
        return Some(program);
    }
    assert!(std::env::var_os("CI").is_none(), "{test}: pip could not fetch {JUST}");
    // Past what the test runner keeps for itself.
    let line = format!("{test}: skipped, as pip could not fetch {JUST}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// A place whose recipes are called.
struct Recipes {
    site: Site,
    just: PathBuf,
}

impl Recipes {
    /// Without any agent, and without a controller.
    fn new(test: &str) -> Option<Self> {
        let recipes = Self { just: just(test)?, site: Site::new() };
        recipes.site.remove_spec("agent-1.yaml");
        recipes.site.remove_spec("agent-2.yaml");
        Some(recipes)
    }

    fn run(&self, words: &[&str]) -> Output {
        let justfile = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("justfile");
        let mut command = self.site.command(&self.just);
        command.arg("--justfile").arg(justfile).args(words);
        command.env("HARNESS_SPECS", self.site.specs()).env("HARNESS_BIN", programs());
        // What runs in `ctl exec` sees this, which a shell would put in.
        command.env("TYPED", "expanded").output().unwrap()
    }

    /// `just agent …`, which has to succeed; what it printed.
    fn agent(&self, words: &[&str]) -> String {
        let output = self.run(&[&["agent"], words].concat());
        assert!(
            output.status.success(),
            "just agent {words:?} ended with {}\n{}{}\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr),
            self.site.report()
        );
        text(&output.stdout)
    }

    /// `just agent …`, which has to end with this code; its words.
    fn refused(&self, words: &[&str], code: i32) -> String {
        let output = self.run(&[&["agent"], words].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "just agent {words:?}: {said}");
        said
    }

    fn pid(&self) -> String {
        let info = self.site.ctl_ok(&["info"]);
        info.lines().find(|line| line.contains("(pid ")).unwrap().to_owned()
    }
}

#[test]
fn just_lists_its_recipes() {
    let Some(recipes) = Recipes::new("just_lists_its_recipes") else { return };
    let all = text(&recipes.run(&[]).stdout);
    for recipe in [
        "setup ",
        "launch id ",
        "teardown id ",
        "verify id ",
        "verify-full id ",
        "status ",
        "launch-all n=\"3\" ",
        "teardown-all ",
        "cli id +command ",
    ] {
        let line = all.lines().find(|line| line.trim_start().starts_with(recipe));
        assert!(line.is_some_and(|line| line.contains(" # ")), "{recipe:?} is not in\n{all}");
    }
    assert!(text(&recipes.run(&["--list"]).stdout).contains("just --list agent"));
}

#[test]
fn every_recipe_does_what_its_name_says() {
    let test = "every_recipe_does_what_its_name_says";
    let Some(recipes) = Recipes::new(test) else { return };
    let site = &recipes.site;

    // Servers and template, by a controller that goes on when the recipe has ended; once.
    recipes.agent(&["setup"]);
    let stack = site.object("stack/hello");
    assert_eq!(stack["status"]["phase"], "Ready");
    assert!(stack["status"]["resources"].to_string().contains("template/hello_template_"));
    let controller = recipes.pid();
    recipes.agent(&["setup"]);
    assert_eq!(recipes.pid(), controller);

    // An agent is four lines; one that is there stays as it was written.
    let printed = recipes.agent(&["launch", "1"]);
    assert!(printed.contains(&format!("http://localhost:{}", site.frontend + 10)), "{printed}");
    let spec = fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap();
    assert_eq!(spec.lines().filter(|line| !line.starts_with(['-', '#'])).count(), 4, "{spec}");
    let edited = format!("# mine\n{spec}");
    site.write_spec("agent-1.yaml", &edited);
    recipes.agent(&["launch", "agent-1"]);
    assert_eq!(fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap(), edited);

    recipes.agent(&["launch-all", "2"]);
    let status = recipes.agent(&["status"]);
    assert_eq!(status.matches(" Ready ").count(), 2, "{status}");

    for (recipe, stages) in [("verify", 2), ("verify-full", 3)] {
        let report: serde_json::Value =
            serde_json::from_str(&recipes.agent(&[recipe, "1"])).unwrap();
        assert_eq!(report["status"], "pass", "{report:#}");
        assert_eq!(report["stages"].as_array().unwrap().len(), stages);
    }

    // All that the plan's agent-cli could.
    let cli = |words: &[&str]| recipes.agent(&[&["cli", "1"], words].concat());
    assert!(cli(&["logs", "api", "--tail", "5"]).contains("on http://localhost:"));
    let quoted = cli(&["psql", "SELECT 'it''s \"$TYPED\" `x`' AS words"]);
    assert!(quoted.contains("it's \"$TYPED\" `x`"), "{quoted}");
    assert!(cli(&["psql", "SELECT current_database()"]).contains("agent_1"));
    assert!(cli(&["stats"]).contains("worker"));
    let urls = cli(&["url"]);
    for port in [site.frontend + 10, site.api + 10] {
        assert!(urls.contains(&format!("http://localhost:{port}\n")), "{urls}");
    }
    let (api, worker) = (Site::pid_on(site.api + 10), Site::pid_on(site.frontend + 10));
    cli(&["restart", "api", "--wait"]);
    assert_ne!(Site::pid_on(site.api + 10), api);
    assert_eq!(Site::pid_on(site.frontend + 10), worker);
    let page = cli(&["status"]);
    assert!(page.contains("worker") && page.contains("http://localhost:"), "{page}");
    assert!(cli(&["health"]).contains("pass"));
    assert!(cli(&["slow-queries", "-n", "1"]).contains("QUERY"));
    let typed = ["a b", "$TYPED", "`x`", "-x", "'"];
    for dashes in [&["exec", "--"][..], &["exec"]] {
        let words = [dashes, &["printf", "%s|"], &typed].concat();
        assert_eq!(cli(&words), "a b|$TYPED|`x`|-x|'|");
    }
    recipes.refused(&["cli", "1", "exec", "sh", "-c", "exit 7"], 7);

    // One leaves, and the other stays as it is; then all leave, and the servers stay.
    let other = Site::pid_on(site.api + 20);
    recipes.agent(&["teardown", "1"]);
    assert!(!site.specs().join("agent-1.yaml").exists());
    assert_eq!(site.ctl_ok(&["get", "agents", "-o", "name"]), "agent/agent-2\n");
    assert_eq!(Site::pid_on(site.api + 20), other);
    recipes.agent(&["teardown-all"]);
    assert_eq!(site.ctl_ok(&["get", "agents", "-o", "name"]), "");
    assert_eq!(site.object("infra/shared")["status"]["phase"], "Ready");
    recipes.agent(&["teardown-all"]);
}

#[test]
fn what_is_no_agent_is_refused_in_words_and_never_run() {
    let test = "what_is_no_agent_is_refused_in_words_and_never_run";
    let Some(recipes) = Recipes::new(test) else { return };
    let home = recipes.site.folder().join("home");
    let entries = || -> Vec<OsString> {
        fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let before = entries();
    for id in ["0", "-1", "x", "", "1;touch run", "$(touch run)", "`touch run`", "../1", "1 2"] {
        for recipe in ["launch", "teardown", "verify", "verify-full"] {
            let said = recipes.refused(&[recipe, id], 2);
            assert!(said.contains(&format!("error: `{id}` is no agent")), "{recipe} {id}: {said}");
        }
        assert!(recipes.refused(&["cli", id, "status"], 2).contains("is no agent"));
    }
    for n in ["0", "many", "2;touch run"] {
        assert!(recipes.refused(&["launch-all", n], 2).contains("is no number of agents"));
    }
    let said = recipes.refused(&["cli", "1", "$(touch run)"], 2);
    assert!(said.contains("logs, psql, stats"), "{said}");
    assert!(recipes.refused(&["cli", "1", "exec"], 2).contains("a command is missing"));
    assert_eq!(entries(), before);
    assert!(!recipes.site.state().exists(), "nothing was begun");
}
