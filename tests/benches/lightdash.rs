//! Prints how long an agent of the example for Lightdash takes, on the repository that stands in for the real one: from
//! `ctl apply` to Ready with template and setup there, beside its processes without any holder; and what comes before that.
//! Nothing here fails for being slow. Needs node, npm and Python's venv, and on its first run their registries. Run
//! `cargo build --release && cargo bench -p agent-harness-tests --bench lightdash`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]

mod site;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use site::harness::PATIENCE;
use site::host::{http, is_free};
use site::stand_in::StandIn;

const ROUNDS: usize = 3;
/// Of the Stack: what runs in an agent, where, and what it runs.
const PROCESSES: [(&str, &str, &str); 6] = [
    ("api", "packages/backend", "exec node --import tsx src/index.ts"),
    ("frontend", "packages/frontend", "exec node_modules/.bin/vite --port $FE_PORT --strictPort"),
    ("api-routes-watch", ".", "exec pnpm generate-api-dev"),
    (
        "common-watch",
        "packages/common",
        "exec ../../node_modules/.bin/tsc --build --watch --preserveWatchOutput --incremental tsconfig.build.json",
    ),
    (
        "warehouses-watch",
        "packages/warehouses",
        "exec ../../node_modules/.bin/tsc --build --watch --preserveWatchOutput tsconfig.json",
    ),
    (
        "formula-watch",
        "packages/formula",
        "exec ../../node_modules/.bin/tsc --build --watch --preserveWatchOutput tsconfig.json",
    ),
];

fn main() {
    let mut place = StandIn::new();
    let two = std::fs::read_to_string(place.site.specs().join("agent-2.yaml")).unwrap();
    place.site.remove_spec("agent-2.yaml");
    say("| Figure | Here | Wanted |\n|---|---|---|");
    let first = time(|| {
        place.start();
        place.ready("agent-1");
    });
    row("first start → the first agent is Ready: servers, install, template", &s(first), "");
    let second = time(|| {
        place.site.write_spec("agent-2.yaml", &two);
        place.ready("agent-2");
    });
    row("one more agent → Ready: install, builds, venv, clone", &s(second), "");
    place.site.ctl_ok(&["delete", "2", "--purge", "--yes", "--wait"]);
    apply_to_ready(&place);
}

/// All is there but the processes; in turns with the processes alone.
fn apply_to_ready(place: &StandIn) {
    let site = &place.site;
    let spec = site.folder().join("home/on.yaml");
    std::fs::copy(site.specs().join("agent-1.yaml"), &spec).unwrap();
    let off: Vec<_> =
        PROCESSES.iter().map(|(name, ..)| format!("{name}: {{enabled: false}}")).collect();
    let off = format!("  processes: {{{}}}\n", off.join(", "));
    let (mut whole, mut together, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        place.write_agent(1, &off);
        place.ready("agent-1");
        let ports = [site.api + 10, site.frontend + 10];
        site.eventually("the processes to be gone", || {
            ports.into_iter().all(is_free).then_some(())
        });
        let bare = |together: &mut Vec<Duration>, alone: &mut Vec<Duration>| {
            together.push(boot(place, &PROCESSES));
            alone.push(boot(place, &PROCESSES[..1]).max(boot(place, &PROCESSES[1..2])));
        };
        if round % 2 == 0 {
            bare(&mut together, &mut alone);
        }
        whole.push(time(|| site.ctl_ok(&["apply", "-f", spec.to_str().unwrap(), "--wait"])));
        for (port, path) in [(ports[0], "/api/v1/health"), (ports[1], "/")] {
            assert_eq!(http(port, "GET", path, "").unwrap().0, 200, "Ready, and {path} is not");
        }
        if round % 2 != 0 {
            place.write_agent(1, &off);
            place.ready("agent-1");
            site.eventually("the processes to be gone", || {
                ports.into_iter().all(is_free).then_some(())
            });
            bare(&mut together, &mut alone);
        }
    }
    for (what, times) in [("whole", &whole), ("alone", &alone), ("at once", &together)] {
        let _ = writeln!(std::io::stderr(), "{what}: {times:?}");
    }
    let (whole, together, alone) = (median(whole), median(together), median(alone));
    row("`apply` → Ready with template and setup there", &s(whole), "");
    row("the slowest process's own boot, alone", &s(alone), "");
    row("all six without any holder, at once, until page and API answer", &s(together), "");
    let ratio = |of: Duration| format!("{:.2} ×", whole.as_secs_f64() / of.as_secs_f64());
    row("`apply` → Ready beside the slowest alone", &ratio(alone), "≤ 1.2 ×");
    row("`apply` → Ready beside all six at once", &ratio(together), "≤ 1.2 ×");
}

/// Processes in the worktree of the agent and with its environment, until those that answer do.
fn boot(place: &StandIn, processes: &[(&str, &str, &str)]) -> Duration {
    let site = &place.site;
    let env = site.ctl_ok(&["env", "1", "--show-secrets", "-o", "json"]);
    let env: BTreeMap<String, String> = serde_json::from_str(&env).unwrap();
    let start = Instant::now();
    let spawn = |(_, folder, line): &(&str, &str, &str)| -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).current_dir(place.worktree(1).join(folder));
        command.env_clear().envs(&env).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<Child> = processes.iter().map(spawn).collect();
    let asked = [("api", site.api + 10, "/api/v1/health"), ("frontend", site.frontend + 10, "/")];
    for (_, port, path) in asked.iter().filter(|it| processes.iter().any(|one| one.0 == it.0)) {
        while !http(*port, "GET", path, "").is_ok_and(|(status, _)| status == 200) {
            assert!(start.elapsed() < PATIENCE, "{path} on {port} does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let took = start.elapsed();
    for mut child in children {
        kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
    }
    let ports = [site.api + 10, site.frontend + 10];
    site.eventually("them to be gone", || ports.into_iter().all(is_free).then_some(()));
    took
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn s(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn row(what: &str, here: &str, wanted: &str) {
    say(&format!("| {what} | {here} | {wanted} |"));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
