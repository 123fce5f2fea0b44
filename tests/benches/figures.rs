//! Prints the figures that the project promises, each beside what it is compared with. Nothing here
//! fails: a busy machine is no bug. Run `cargo build --release && cargo bench -p agent-harness-tests --bench figures`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]

mod site;

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use agent_harness_model::plan::plan;
use agent_harness_testkit::driver::{Crash, Driver};
use agent_harness_testkit::specs::{Agent, Specs};
use site::harness::{Site, programs, succeed};
use site::host::http;
use site::probe::{Process, post, thread_cpu};

/// How often what can be repeated is repeated.
const ROUNDS: usize = 5;

fn main() {
    say("| Figure | Here | Wanted |\n|---|---|---|");
    machine();
    plan_of_many();
    let mut site = Site::new();
    site.edit(
        "stack.yaml",
        "        seed: {run",
        "        bloat: {run: \"${harness.bin}/hello bloat --mb 100\", cwd: examples/hello/app}\n        seed: {run",
    );
    // Each run is told, so that they can be counted.
    site.start_with(&[("RUST_LOG", "warn,agent_harness_engine::converge=debug")]);
    site.ready("agent-1");
    site.ready("agent-2");
    apply_to_ready(&site);
    undelete(&site);
    edit_to_action(&site);
    no_op(&site);
    idle(&site);
}

/// What one and the same piece of work costs after a pause, beside in a loop. On a virtual machine whose memory grows
/// cold that can be twenty times as much, and figures of whatever is idle in between are to be read with that.
fn machine() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let work = || {
        let client = TcpStream::connect(address).unwrap();
        drop((client, listener.accept().unwrap()));
    };
    let hot = median((0..200).map(|_| time(work)).collect());
    let pause = Duration::from_millis(300);
    let cold = (0..20).map(|_| {
        std::thread::sleep(pause);
        time(work)
    });
    let cold = median(cold.collect());
    let times = cold.as_secs_f64() / hot.as_secs_f64();
    let what = "this machine: a connection after a pause of 300 ms, beside one of many";
    let both = format!("{} and {} = {times:.0} ×", micros(cold), micros(hot));
    row(what, &both, "");
}

fn micros(duration: Duration) -> String {
    format!("{} µs", duration.as_micros())
}

/// A plan of 1,000 agents: of all their steps, and when there is nothing to do.
fn plan_of_many() {
    let specs = Specs {
        stack: vec![
            "database: {template: {name: tmpl, build: {migrate: {run: app migrate}}}}",
            "bucket: {}",
            "files: {.env: {content: 'P=${ports.api}'}}",
            "setup: {install: {run: app install}}",
            "processes: {api: {run: app api}, web: {run: app web, after: {api: started}}}",
        ],
        agents: (1..=1000).map(|id| Agent { id, overrides: Vec::new() }).collect(),
        ..Specs::default()
    };
    let mut driver = Driver::default();
    driver.wish(&specs);
    for what in ["at first", "with nothing left to do"] {
        let desired = driver.desired();
        let observed = driver.look(&desired);
        let steps = plan(&desired, &observed).steps.len();
        assert_eq!(steps == 0, what != "at first", "{steps} steps {what}");
        let times = repeat(|| plan(&desired, &observed).steps.len());
        row(&format!("plan of 1,000 agents, {what}"), &ms(median(times)), "< 50 ms");
        for _ in 0..20 {
            driver.reconcile(Crash::Never);
            driver.world.tick();
        }
    }
}

/// From `ctl apply` to Ready, beside the clone and the slowest process alone, in turns.
fn apply_to_ready(site: &Site) {
    let spec = site.repo().join("examples/hello/agent-3.yaml");
    let template = site.sql("postgres", "SELECT datname FROM pg_database WHERE datistemplate AND datname LIKE 'hello%' ORDER BY 1 DESC LIMIT 1");
    let (mut whole, mut clones, mut boots) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // In turns, so that none of them always comes after the other's checkpoint.
        for raw in if round % 2 == 0 { [true, false] } else { [false, true] } {
            if raw {
                let sql = format!("CREATE DATABASE raw TEMPLATE \"{template}\"");
                // Without the way in.
                let login = time(|| site.sql("postgres", "SELECT 1"));
                clones.push(time(|| site.sql("postgres", &sql)).saturating_sub(login));
                site.sql("postgres", "DROP DATABASE raw");
                boots.push(boot(site, "api", "/api/v1/health").max(boot(site, "frontend", "/")));
            } else {
                let apply = ["apply", "-f", spec.to_str().unwrap(), "--wait"];
                whole.push(time(|| site.ctl_ok(&apply)));
                site.ctl_ok(&["delete", "3", "--purge", "--yes"]);
                site.wait("agent-3", "deleted");
            }
        }
    }
    let (whole, clone, boot) = (median(whole), median(clones), median(boots));
    let ratio = whole.as_secs_f64() / (clone + boot).as_secs_f64();
    let size =
        site.sql("postgres", &format!("SELECT pg_size_pretty(pg_database_size('{template}'))"));
    row(
        &format!(
            "apply → Ready, {size} template ({} alone: clone {} + boot {})",
            ms(clone + boot),
            ms(clone),
            ms(boot)
        ),
        &format!("{} = {ratio:.2} ×", ms(whole)),
        "≤ 1.5 ×",
    );
}

/// From `ctl undelete` to Ready, beside the slowest process alone.
fn undelete(site: &Site) {
    let (mut whole, mut boots) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        site.ctl_ok(&["delete", "2", "--wait"]);
        boots.push(boot(site, "api", "/api/v1/health").max(boot(site, "frontend", "/")));
        whole.push(time(|| {
            site.ctl_ok(&["undelete", "2"]);
            site.ready("agent-2");
        }));
    }
    let (whole, boot) = (median(whole), median(boots));
    let what = format!("undelete → Ready (the slowest process alone: {})", ms(boot));
    row(&what, &ms(whole), "< 2 s + boot");
}

/// How long a process of agent 1 takes on its own, on a port beside it.
fn boot(site: &Site, what: &str, path: &str) -> Duration {
    let port = site.api + 99;
    let mut command = site.command(programs().join("hello"));
    command.arg(what).current_dir(site.worktree("agent-1").join("examples/hello/app"));
    for line in fs::read_to_string(site.worktree("agent-1").join(".env.agent.1")).unwrap().lines() {
        if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            command.env(name, value);
        }
    }
    let variable = if what == "api" { "PORT" } else { "FE_PORT" };
    command.env(variable, port.to_string()).stdout(std::process::Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    while !http(port, "GET", path, "").is_ok_and(|(status, _)| status == 200) {
        assert!(start.elapsed() < Duration::from_secs(30), "{what} does not come up");
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    took
}

/// From the write of a spec to the end of the process that it changes.
fn edit_to_action(site: &Site) {
    let mut times = Vec::new();
    let worker = || site.processes(1).into_iter().find(|(what, ..)| what == "worker");
    let mut last = "spec: {stack: hello}".to_owned();
    for round in 0..ROUNDS {
        let pid = worker().unwrap().1;
        let next = format!(
            "spec: {{stack: hello, processes: {{worker: {{env: {{ROUND: \"{round}\"}}}}}}}}"
        );
        site.edit("agent-1.yaml", &last, &next);
        let start = Instant::now();
        while Path::new(&format!("/proc/{pid}/cmdline")).exists()
            && !fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().is_empty()
        {
            assert!(start.elapsed() < Duration::from_secs(30), "the edit is not acted on");
            std::thread::sleep(Duration::from_millis(1));
        }
        times.push(start.elapsed());
        site.eventually("the new worker", worker);
        site.ready("agent-1");
        last = next;
    }
    row("spec edit → the old process is gone", &ms(median(times)), "< 300 ms");
}

/// A reconcile that finds nothing to do; each of them looks at the world anew. First one right after another, then
/// with pauses as they have in life: how cold the machine grows meanwhile comes on top. There, what the controller
/// does anyway in such a time is measured first, and taken off.
fn no_op(site: &Site) {
    const PAUSE: Duration = Duration::from_millis(2500);
    let controller = Process::of(site);
    let socket = site.state().join("control.sock");
    let reconcile = || {
        let before = runs(site);
        post(&socket, "/v1/objects/agent/agent-1/reconcile");
        let start = Instant::now();
        while runs(site) == before {
            assert!(start.elapsed() < Duration::from_secs(30), "nothing is looked at");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let spent = |times: u32, each: &dyn Fn()| {
        let (cpu, before) = (controller.cpu(), runs(site));
        (0..times).for_each(|_| each());
        (controller.cpu().saturating_sub(cpu), runs(site) - before)
    };
    std::thread::sleep(Duration::from_secs(3));
    site.ctl_ok(&["diff"]); // There is nothing to do.
    let files = written(&site.state());
    spent(20, &reconcile);
    let (hot, made) = spent(200, &reconcile);
    let pause = || std::thread::sleep(PAUSE);
    let (idle, by_itself) = spent(20, &pause);
    let paused = || {
        pause();
        reconcile();
    };
    let (cold, all) = spent(20, &paused);
    let now = written(&site.state());
    site.ctl_ok(&["diff"]);
    row(
        &format!("no-op reconcile of one agent, {made} one after another"),
        &format!("{} CPU", ms(hot / made)),
        "< 5 ms",
    );
    let cold = cold.saturating_sub(idle) / all.saturating_sub(by_itself).max(1);
    row("the same, each after a pause of 2.5 s", &format!("{} CPU", ms(cold)), "");
    let changed = now.iter().filter(|file| !files.contains(file)).count();
    row("files written by these reconciles", &changed.to_string(), "0");
}

/// How often agent 1 was looked at so far.
fn runs(site: &Site) -> u32 {
    let log = fs::read_to_string(site.folder().join("controller.log")).unwrap();
    let count = log.lines().filter(|line| line.contains("looked at agent/agent-1")).count();
    u32::try_from(count).unwrap()
}

/// The controller's own needs while five agents run and nothing happens.
fn idle(site: &Site) {
    for number in 3..=5 {
        let spec = format!(
            "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: agent-{number}}}\nspec: {{stack: hello}}\n"
        );
        site.write_spec(&format!("agent-{number}.yaml"), &spec);
    }
    for number in 1..=5 {
        site.eventually("the agent to be known", || {
            site.object_exists(&format!("agent-{number}")).then_some(())
        });
        site.ready(&format!("agent-{number}"));
    }
    let controller = Process::of(site);
    std::thread::sleep(Duration::from_secs(10));
    let (start, cpu) = (Instant::now(), controller.cpu());
    // Two resyncs, and a dozen looks at all servers.
    std::thread::sleep(Duration::from_secs(120));
    let share =
        100.0 * controller.cpu().saturating_sub(cpu).as_secs_f64() / start.elapsed().as_secs_f64();
    row("idle with 5 agents: processor", &format!("{share:.2} % of a core"), "< 0.3 %");
    let bare = bare_looks(site);
    row(
        "the same looks at ten servers alone, by a bare loop",
        &format!("{bare:.2} % of a core"),
        "",
    );
    row("idle with 5 agents: controller, resident", &mb(controller.resident()), "< 40 MB");
    let shims = Process::shims(site);
    let most = shims.iter().map(Process::resident).max().expect("there are shims");
    row(&format!("the largest of {} shims, resident", shims.len()), &mb(most), "< 1.5 MB");
}

/// What it costs to look at the servers of five agents as often as the controller does, with nothing around it: the
/// share of a core that no program of this machine could do without.
fn bare_looks(site: &Site) -> f64 {
    const PERIOD: Duration = Duration::from_secs(10);
    let pages =
        |agent: u16| [(site.api + agent * 10, "/api/v1/health"), (site.frontend + agent * 10, "/")];
    let look = || {
        for (port, path) in (1..=5).flat_map(pages) {
            assert!(http(port, "GET", path, "").is_ok_and(|(status, _)| status == 200), "{port}");
        }
    };
    look();
    let (start, cpu) = (Instant::now(), thread_cpu());
    for _ in 0..6 {
        std::thread::sleep(PERIOD);
        look();
    }
    100.0 * thread_cpu().saturating_sub(cpu).as_secs_f64() / start.elapsed().as_secs_f64()
}

/// Every file of the state folder that is the controller's own, with the time of its last change.
fn written(folder: &Path) -> Vec<String> {
    let list = succeed(Command::new("find").arg(folder).args([
        "-type",
        "f",
        "-not",
        "-path",
        "*/worktrees/*",
        "-not",
        "-path",
        "*/postgres/*",
        "-not",
        "-path",
        "*/object-store/*",
        "-not",
        "-name",
        "*.log*",
        "-printf",
        "%p %T@\n",
    ]));
    site::harness::text(&list.stdout).lines().map(str::to_owned).collect()
}

fn repeat<T>(mut work: impl FnMut() -> T) -> Vec<Duration> {
    (0..ROUNDS).map(|_| time(&mut work)).collect()
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn row(what: &str, here: &str, wanted: &str) {
    say(&format!("| {what} | {here} | {wanted} |"));
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
