//! Prints what it costs to hold processes: four of Node beside PM2, which does the same with its own four in the same
//! run, and 200 idle ones. Nothing here fails for being slow. Needs node and npm, and no server. Run
//! `cargo build --release && cargo bench -p agent-harness-tests --bench supervision`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]

mod flood;
mod pm2;
mod site;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use pm2::Pm2;
use rustix::process::{Pid, Signal, kill_process};
use site::harness::{PATIENCE, Site, programs};
use site::host::{http, is_free};
use site::probe::Process;

const ROUNDS: usize = 5;
/// It answers with its pid, so that whoever asks knows which run of it answers.
const SCRIPT: &str = "const pid = String(process.pid);\n\
    require('http').createServer((_, answer) => answer.end(pid)).listen(process.env.PORT, '127.0.0.1');\n";
/// So much better than PM2 each is wanted to be.
const WANTED: &str = "≥ 5 ×";
/// Idle processes: so many agents, and in each of them so many.
const AGENTS: u16 = 20;
const EACH: u16 = 10;

fn main() {
    say("| Figure | Ours | PM2 | PM2 beside ours | on top of node's own boot | Wanted |");
    say("|---|---|---|---|---|---|");
    let base = free_run(40);
    let ports = |which: u16| [0, 10, 20, 30].map(|apart| base + apart + which);
    let mut ours = Ours::new(ports(1));
    let theirs = Theirs::new(&ours.script, ports(2));
    let (mut own, mut other, mut boots) = (Times::default(), Times::default(), Boots::default());
    for round in 0..ROUNDS {
        boots.measure(&ours);
        own.cold.push(ours.cold_start());
        other.cold.push(theirs.cold_start());
        boots.measure(&ours);
        // In turns, so that none of them always comes first.
        if round % 2 == 0 {
            own.round(&ours);
            other.round(&theirs);
        } else {
            other.round(&theirs);
            own.round(&ours);
        }
        ours.site.terminate();
        theirs.pm2.run(&["kill"]);
    }
    ours.begin();
    own.print(&other, &boots);
    memory(&ours, &theirs);
    drop((ours, theirs));
    many();
    flood::print();
}

/// Who holds the four processes.
trait Holder {
    fn ports(&self) -> &[u16];
    fn start(&self);
    /// What a user does again who does not know whether it is done already.
    fn start_again(&self);
    fn restart(&self);
    fn stop(&self);
    /// What is left to be done until all is as before the start.
    fn forget(&self) {}
}

/// The controller, with an agent that has nothing but processes.
struct Ours {
    site: Site,
    ports: [u16; 4],
    script: PathBuf,
    /// The agent's spec, which is not in the watched folder yet.
    spec: PathBuf,
}

const AGENT: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: agent-1}\nspec: {stack: four}\n";

impl Ours {
    fn new(ports: [u16; 4]) -> Self {
        let site = Site::new();
        without_servers(&site);
        site.write_home("server.js", SCRIPT);
        let script = site.folder().join("home/server.js");
        let mut stack =
            "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: four}\nspec:\n"
                .to_owned();
        // Those of agent 1 are to be the ones that are free.
        let bases: Vec<_> = ports.iter().map(|port| format!("p{port}: {}", port - 1)).collect();
        writeln!(stack, "  portStride: 1\n  ports: {{{}}}\n  processes:", bases.join(", "))
            .unwrap();
        for port in ports {
            let env = format!("{{PORT: \"{port}\"}}");
            writeln!(
                stack,
                "    p{port}: {{run: [node, {}], env: {env}, ready: {{http: {{port: p{port}}}}}}}",
                script.display()
            )
            .unwrap();
        }
        site.write_spec("stack.yaml", &stack);
        site.write_home("agent-1.yaml", AGENT);
        let spec = site.folder().join("home/agent-1.yaml");
        Self { site, ports, script, spec }
    }
}

impl Ours {
    /// Starts the controller, which is idle then.
    fn begin(&mut self) {
        self.site.start();
        self.site.ready("stack/four");
    }

    /// No controller runs, and the spec is in its folder. Afterwards it runs, and the agent does not.
    fn cold_start(&mut self) -> Duration {
        self.site.write_spec("agent-1.yaml", AGENT);
        let start = Instant::now();
        self.site.start();
        others(&self.ports, &[]);
        let took = start.elapsed();
        self.site.ready("agent-1");
        self.stop();
        took
    }
}

impl Holder for Ours {
    fn ports(&self) -> &[u16] {
        &self.ports
    }

    fn start(&self) {
        self.site.ctl_ok(&["apply", "-f", self.spec.to_str().unwrap(), "--wait"]);
    }

    fn start_again(&self) {
        self.start();
    }

    fn restart(&self) {
        self.site.ctl_ok(&["restart", "agent-1", "--wait"]);
    }

    fn stop(&self) {
        self.site.ctl_ok(&["delete", "agent-1", "--purge", "--yes", "--wait"]);
    }
}

struct Theirs {
    pm2: Pm2,
    ports: [u16; 4],
    ecosystem: String,
}

impl Theirs {
    fn new(script: &Path, ports: [u16; 4]) -> Self {
        let pm2 = Pm2::new();
        let ecosystem = pm2.ecosystem(script, &ports);
        Self { pm2, ports, ecosystem }
    }
}

impl Theirs {
    /// No daemon runs. Afterwards it does, and nothing else.
    fn cold_start(&self) -> Duration {
        let start = Instant::now();
        self.start();
        others(&self.ports, &[]);
        let took = start.elapsed();
        self.forget();
        took
    }
}

impl Holder for Theirs {
    fn ports(&self) -> &[u16] {
        &self.ports
    }

    fn start(&self) {
        self.pm2.run(&["start", &self.ecosystem]);
    }

    fn start_again(&self) {
        self.start();
    }

    fn restart(&self) {
        self.pm2.run(&["restart", "all"]);
    }

    fn stop(&self) {
        self.pm2.run(&["stop", "all"]);
    }

    fn forget(&self) {
        self.pm2.run(&["delete", "all"]);
    }
}

/// What Node itself takes, which nobody who starts it can do without.
#[derive(Default)]
struct Boots {
    one: Vec<Duration>,
    four: Vec<Duration>,
}

impl Boots {
    /// In the environment that the processes get otherwise.
    fn measure(&mut self, ours: &Ours) {
        self.one.push(boot(ours, &ours.ports[..1]));
        self.four.push(boot(ours, &ours.ports));
    }
}

/// The script without any holder, until all answer.
fn boot(ours: &Ours, ports: &[u16]) -> Duration {
    let start = Instant::now();
    let spawn = |port: &u16| -> Child {
        let mut node = ours.site.command("node");
        node.arg(&ours.script).env("PORT", port.to_string()).spawn().unwrap()
    };
    let children: Vec<Child> = ports.iter().map(spawn).collect();
    others(ports, &[]);
    let took = start.elapsed();
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    took
}

/// What each part of a round took.
#[derive(Default)]
struct Times {
    /// With the controller, or the daemon.
    cold: Vec<Duration>,
    start: Vec<Duration>,
    no_op: Vec<Duration>,
    restart: Vec<Duration>,
    crash: Vec<Duration>,
    stop: Vec<Duration>,
    /// Processes that a no-op left alone.
    kept: usize,
}

impl Times {
    /// From the call of a command until it has returned and all is as it was to be.
    fn round(&mut self, holder: &impl Holder) {
        let ports = holder.ports();
        let timed = |command: &dyn Fn(), before: &[u32]| {
            let start = Instant::now();
            command();
            (others(ports, before), start.elapsed())
        };
        let (first, took) = timed(&|| holder.start(), &[]);
        self.start.push(took);
        let start = Instant::now();
        holder.start_again();
        self.no_op.push(start.elapsed());
        let second = others(ports, &[]);
        self.kept += first.iter().filter(|pid| second.contains(pid)).count();
        let (third, took) = timed(&|| holder.restart(), &second);
        self.restart.push(took);
        // The first is killed, and only it is to be another one.
        let crash = Instant::now();
        kill(third[0]);
        let fourth = others(&ports[..1], &third);
        self.crash.push(crash.elapsed());
        let start = Instant::now();
        holder.stop();
        fourth.iter().chain(&third[1..]).for_each(|pid| until("they are gone", || is_gone(*pid)));
        self.stop.push(start.elapsed());
        holder.forget();
    }

    fn print(self, other: &Self, boots: &Boots) {
        let (one, four) = (median(boots.one.clone()), median(boots.four.clone()));
        let both = format!("{} and {}", ms(one), ms(four));
        say(&format!("| node's own boot: one, four at once | {both} |||||"));
        let all = ROUNDS * 4;
        let kept = format!("no-op: {} and {} of {all} pids stay", self.kept, other.kept);
        let both = |ours: &[Duration], theirs: &[Duration]| {
            (median(ours.to_vec()), median(theirs.to_vec()))
        };
        for (what, (ours, theirs), boot) in [
            ("start, its daemon as well", both(&self.cold, &other.cold), Some(four)),
            ("start", both(&self.start, &other.start), Some(four)),
            (&*kept, both(&self.no_op, &other.no_op), None),
            ("restart", both(&self.restart, &other.restart), Some(four)),
            ("one killed → it answers again", both(&self.crash, &other.crash), Some(one)),
            ("stop", both(&self.stop, &other.stop), None),
        ] {
            compare(what, ours, theirs, boot);
        }
    }
}

fn compare(what: &str, ours: Duration, theirs: Duration, boot: Option<Duration>) {
    let whole = times(theirs, ours);
    let rest = match boot {
        None => String::new(),
        // On a busy machine the one is now and then slower than the other.
        Some(boot) if ours <= boot => format!("nothing and {}", ms(theirs.saturating_sub(boot))),
        Some(boot) => {
            let (ours, theirs) = (ours.saturating_sub(boot), theirs.saturating_sub(boot));
            format!("{} and {} = {}", ms(ours), ms(theirs), times(theirs, ours))
        }
    };
    say(&format!("| {what} | {} | {} | {whole} | {rest} | {WANTED} |", ms(ours), ms(theirs)));
}

fn times(theirs: Duration, ours: Duration) -> String {
    format!("{:.1} ×", theirs.as_secs_f64() / ours.as_secs_f64())
}

/// Of who holds them, while all four run.
fn memory(ours: &Ours, theirs: &Theirs) {
    ours.start();
    theirs.start();
    others(&theirs.ports, &[]);
    let mut own = Process::shims(&ours.site);
    own.push(Process::of(&ours.site));
    let daemon = theirs.pm2.daemon();
    for (what, of) in [
        ("resident", Process::resident as fn(&Process) -> u64),
        ("the same, of what is shared a part", Process::proportional),
    ] {
        let (own, other) = (own.iter().map(of).sum::<u64>(), of(&daemon));
        let ratio = other as f64 / own as f64;
        say(&format!("| {what} | {} | {} | {ratio:.1} × | | {WANTED} |", mb(own), mb(other)));
    }
}

/// 200 processes that do nothing, one in ten with a page that is looked at.
fn many() {
    let mut site = Site::new();
    without_servers(&site);
    let base = free_run(AGENTS + 1);
    let mut stack = format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {{name: many}}\nspec:\n  \
         portStride: 1\n  ports: {{page: {base}}}\n  env: {{FE_PORT: \"${{ports.page}}\", PORT: \"1\"}}\n  processes:\n    \
         page: {{run: [{}, frontend], cwd: app/examples/hello/app, ready: {{http: {{port: page}}}}}}\n",
        programs().join("hello").display(),
    );
    for number in 1..EACH {
        writeln!(stack, "    idle-{number}: {{run: sleep infinity}}").unwrap();
    }
    site.write_spec("stack.yaml", &stack);
    site.start();
    let names: Vec<_> = (1..=AGENTS).map(|agent| format!("agent-{agent}")).collect();
    for name in &names {
        let spec = AGENT.replace("agent-1", name).replace("four", "many");
        site.write_spec(&format!("{name}.yaml"), &spec);
    }
    for name in &names {
        site.ready(name);
    }
    let (controller, shims) = (Process::of(&site), Process::shims(&site));
    assert_eq!(shims.len(), usize::from(AGENTS * EACH), "one for each process");
    std::thread::sleep(Duration::from_secs(10));
    let ran = || (controller.cpu(), shims.iter().map(Process::ran).sum::<Duration>());
    let (start, before) = (Instant::now(), ran());
    std::thread::sleep(Duration::from_secs(60));
    let (after, took) = (ran(), start.elapsed().as_secs_f64());
    let share = |before: Duration, after: Duration| {
        100.0 * after.saturating_sub(before).as_secs_f64() / took
    };
    let (own, held) = (share(before.0, after.0), share(before.1, after.1));
    let what = format!("{} idle processes over {took:.0} s: processor", shims.len());
    let parts = format!("controller {own:.2} %, shims {held:.2} %");
    say(&format!("| {what} | {:.2} % of a core ({parts}) |||| < 1 % |", own + held));
    let (resident, proportional) = (Process::resident, Process::proportional);
    for (what, of) in
        [("resident", resident as fn(&Process) -> u64), ("of what is shared a part", proportional)]
    {
        let (own, held) = (of(&controller), shims.iter().map(of).sum::<u64>());
        let parts = format!("controller {}, shims {}", mb(own), mb(held));
        say(&format!("| the same: {what} | {} ({parts}) |||||", mb(own + held)));
    }
}

/// Takes away all specs: nothing shared is needed for processes.
fn without_servers(site: &Site) {
    for file in ["agent-1.yaml", "agent-2.yaml", "stack.yaml", "infra.yaml"] {
        site.remove_spec(file);
    }
}

/// The first of so many ports in a row that nobody listens on, below those that the system hands out.
fn free_run(count: u16) -> u16 {
    let free = |base: &u16| (0..count).all(|further| is_free(base + further));
    (20_000..32_000).step_by(50).find(free).expect("free ports")
}

/// Waits until on each port another one answers than any of those; who does.
fn others(ports: &[u16], before: &[u32]) -> Vec<u32> {
    let one = |port: &u16| {
        let answer = || -> Option<u32> { http(*port, "GET", "/", "").ok()?.1.parse().ok() };
        let mut pid = None;
        until("it answers", || {
            pid = answer().filter(|pid| !before.contains(pid));
            pid.is_some()
        });
        pid.unwrap()
    };
    ports.iter().map(one).collect()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

/// Also one that nobody has asked for its end yet.
fn is_gone(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().is_empty()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1000.0)
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
