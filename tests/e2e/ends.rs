//! How a controller begins and ends: `once` and its exit codes, what a terminal shows, an end that leaves the
//! processes running, one that does not, and `down`.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::harness::{Site, succeed, text};
use super::host::{http, is_free};

fn once(site: &Site, timeout: &str) -> Output {
    let mut once = site.controller();
    once.arg("once").args(site.specs_argument()).args(["--timeout", timeout]).output().unwrap()
}

fn down(site: &Site, arguments: &[&str]) -> Output {
    let mut down = site.controller();
    down.arg("down").args(arguments).output().unwrap()
}

/// Whether something of agents 1 and 2, or a shared server, answers.
fn runs(site: &Site) -> [bool; 4] {
    let agent = |number| !site.processes(number).is_empty();
    [agent(1), agent(2), !is_free(site.postgres), !is_free(site.store)]
}

#[test]
fn once_says_by_its_exit_code_how_it_went() {
    let mut site = Site::new();
    let output = once(&site, "300s");
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output.stderr));
    for number in 1..=2 {
        let line = format!("agent/agent-{number} Ready http://localhost:");
        assert!(printed.contains(&line), "{printed}");
    }
    let before = [site.processes(1), site.processes(2)];
    assert_eq!(before.each_ref().map(Vec::len), [3, 3], "they run on");

    // What does not come by itself, by agent.
    let good = fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap();
    let nowhere = "spec: {stack: hello, worktree: {base: no-such-base}}";
    site.write_spec("agent-3.yaml", &good.replace("agent-1", "agent-3"));
    site.edit("agent-3.yaml", "spec: {stack: hello}", nowhere);
    site.edit("agent-1.yaml", "spec: {stack: hello}", "spec: {stack: hello, prots: {api: 1}}");
    let output = once(&site, "300s");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("not everything gets Ready by itself"), "{told}");
    let why = |agent: &str| {
        let line = told.lines().find(|line| line.starts_with(agent));
        line.unwrap_or_else(|| panic!("nothing of {agent}: {told}")).to_owned()
    };
    assert!(why("agent/agent-1: ").contains("agent-1.yaml:5:"), "{told}");
    assert!(why("agent/agent-3: ").contains("no-such-base"), "{told}");
    assert!(!told.contains("agent/agent-2"), "{told}");

    // What does not come in time.
    site.write_spec("agent-1.yaml", &good);
    site.edit(
        "agent-3.yaml",
        nowhere,
        "spec: {stack: hello, setup: {versions: {run: sleep 3000}}}",
    );
    let output = once(&site, "3s");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("not everything is Ready after 3s"), "{told}");
    assert!(told.contains("\nagent/agent-3: "), "{told}");
    assert_eq!(before, [site.processes(1), site.processes(2)]);

    // And what cannot even begin.
    let nowhere = site.controller().args(["once", "--specs", "nowhere"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1), "{}", text(&nowhere.stderr));
    let wrong = site.controller().args(["once", "--timeout", "soon"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));

    // `run` finds all of it as it is; told to end, it leaves it so.
    fs::remove_file(site.specs().join("agent-3.yaml")).unwrap();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    assert_eq!(site.terminate().code(), Some(0));
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    assert_eq!(runs(&site), [true; 4]);
    assert_eq!(http(site.api + 10, "GET", "/api/v1/health", "").unwrap().0, 200);
    assert_eq!(once(&site, "300s").status.code(), Some(0));
    assert_eq!(before, [site.processes(1), site.processes(2)]);
}

#[test]
fn down_ends_agents_first_and_with_purge_nothing_is_left() {
    let mut site = Site::new();
    // On a terminal it shows a table.
    let screen = site.folder().join("screen");
    let run = [site.controller().get_program().to_owned(), "run".into()];
    let run = run.into_iter().chain(site.specs_argument());
    let run: Vec<_> = run.map(|word| word.into_string().unwrap()).collect();
    let mut terminal = site.command("script");
    terminal.args(["--quiet", "--return", "--flush", "--command"]);
    let run = format!("stty cols 160 rows 40; exec {} --stop-agents-on-exit", run.join(" "));
    terminal.arg(run).arg(&screen);
    terminal.env("TERM", "xterm").env("SHELL", "/bin/sh");
    site.begin(terminal);
    site.ready("agent-1");
    site.ready("agent-2");
    let row = |name: &str, port: u16| {
        let shown = text(&fs::read(&screen).unwrap());
        let has = |line: &str| {
            line.contains(name)
                && line.contains("Ready")
                && line.contains(&format!("http://localhost:{port}"))
        };
        shown.lines().any(has).then_some(())
    };
    site.eventually("the table to show URLs", || {
        row("agent/agent-1", site.frontend + 10).and(row("agent/agent-2", site.api + 20))
    });
    let shown = text(&fs::read(&screen).unwrap());
    assert!(shown.contains("URLS"), "{shown}");
    let pid = pid_of(&site);
    succeed(Command::new("kill").arg(pid.to_string()));
    assert!(site.ended_or(|_| false));
    assert_eq!(runs(&site), [false; 4], "all of it was to end with the controller");
    assert!(site.worktree("agent-1").exists(), "and nothing was to be lost");

    // Not on a terminal, a line for each change.
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let line = format!("agent/agent-1 Ready api http://localhost:{}", site.api + 10);
    site.eventually("a line with the URLs", || {
        let log = fs::read_to_string(site.log()).unwrap();
        log.lines().any(|told| told.starts_with(&line)).then_some(())
    });

    // Nothing without a word, then everything in its order.
    assert_eq!(down(&site, &[]).status.code(), Some(2));
    assert_eq!(runs(&site), [true; 4]);
    let note = r#"{"body":"of before"}"#;
    assert_eq!(http(site.api + 10, "POST", "/api/v1/notes", note).unwrap().0, 201);
    let ended = down(&site, &["--yes"]);
    let told = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{told}");
    in_order(&site, &told);
    assert!(site.ended_or(|_| false), "the controller ends as well");
    assert_eq!(runs(&site), [false; 4]);
    assert!(site.worktree("agent-1").exists());
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    assert!(http(site.api + 10, "GET", "/api/v1/notes", "").unwrap().1.contains("of before"));

    // With nobody there to ask, and with all that there is.
    site.kill();
    let ended = down(&site, &["--purge", "--yes"]);
    let told = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{told}");
    in_order(&site, &told);
    assert_eq!(runs(&site), [false; 4]);
    assert_eq!(site.git(&["worktree", "list"]).lines().count(), 1);
    let mut left = files(&site.state());
    // Which environment commands get is said by the first start, and is no data.
    left.retain(|path| path != "environment.json");
    assert_eq!(left, ["installation", "lock"]);
}

/// The pid of the controller, whoever started it.
fn pid_of(site: &Site) -> u32 {
    let info = site.ctl_ok(&["info", "--json"]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    u32::try_from(info["controller"]["pid"].as_u64().unwrap()).unwrap()
}

/// Agents' processes end before the services that they use.
fn in_order(site: &Site, told: &str) {
    let place = |what: &str, last: bool| {
        let mut places = told.lines().enumerate().filter(|(_, line)| line.contains(what));
        let place = if last { places.last() } else { places.next() };
        place.unwrap_or_else(|| panic!("nothing of {what}: {told}")).0
    };
    let agents = ["agent/agent-1 Done process/", "agent/agent-2 Done process/"];
    for agent in agents {
        for service in ["postgres", "objectStore"] {
            let service = format!("infra/{} Done {}/{service}", site.infra, site.server_kind());
            assert!(place(agent, true) < place(&service, false), "{told}");
        }
    }
}

/// All files below a folder, relative to it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
