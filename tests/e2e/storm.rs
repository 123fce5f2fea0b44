//! A storm over the real controller: it is killed at any moment of starts, stops, restarts and edits, and shims with it.
//! No process is ever there twice, none is left behind, what is not touched keeps its pid, and strangers live on.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::harness::Site;
use super::host::{Running, running, started};

/// How often the controller is killed.
const KILLS: u32 = 400;
/// Every so many of these a shim is killed as well.
const SHIM_EVERY: u32 = 4;

/// Which process a number stands for: `sleep NUMBER`.
const STEADY: u32 = 1_000_001;
const EDITED: u32 = 1_000_002;
const SWITCHED: u32 = 1_000_003;
const ORDERED: u32 = 1_000_004;

/// What the specs say now.
#[derive(Clone, Copy)]
struct Wanted {
    round: u32,
    on: bool,
}

impl Wanted {
    fn write(self, site: &Site) {
        let Self { round, on } = self;
        let place = site.folder().display();
        site.write_spec(
            "stack.yaml",
            &format!(
                "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {{name: storm}}\nspec:\n  \
                 env: {{STORM: {place}}}\n  processes:\n    \
                 steady: {{run: sleep {STEADY}}}\n    \
                 edited: {{run: sleep {EDITED}, env: {{ROUND: \"{round}\"}}}}\n    \
                 switched: {{run: sleep {SWITCHED}, enabled: {on}}}\n    \
                 ordered: {{run: sleep {ORDERED}}}\n"
            ),
        );
    }
}

/// A process of the storm: its pid, when it started, its parent and the round it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    pid: u32,
    started: String,
    parent: u32,
    round: Option<String>,
}

/// All that run, by their number.
fn seen(site: &Site) -> BTreeMap<u32, Vec<Seen>> {
    let mark = format!("STORM={}", site.folder().display());
    let mut found: BTreeMap<u32, Vec<Seen>> = BTreeMap::new();
    for Running { pid, parent, command, environment } in running() {
        let number = command.get(1).and_then(|number| number.parse().ok());
        let (Some(number), true) = (number, environment.contains(&mark)) else { continue };
        let round = environment.iter().find_map(|line| line.strip_prefix("ROUND="));
        let round = round.map(str::to_owned);
        found.entry(number).or_default().push(Seen { pid, started: started(pid), parent, round });
    }
    found
}

/// Numbers that look random, the same ones for the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Somebody else's, with the same command.
struct Strangers(Vec<Child>);

impl Strangers {
    fn new() -> Self {
        let sleep = |number: u32| {
            let mut command = Command::new("sleep");
            command.arg(number.to_string()).stdin(Stdio::null()).spawn().unwrap()
        };
        Self([STEADY, EDITED, SWITCHED, ORDERED].into_iter().map(sleep).collect())
    }

    fn all_live(&mut self) -> bool {
        self.0.iter_mut().all(|child| child.try_wait().unwrap().is_none())
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn no_kill_of_the_controller_doubles_loses_or_leaves_a_process() {
    let mut site = Site::new();
    for file in ["agent-1.yaml", "agent-2.yaml", "infra.yaml"] {
        site.remove_spec(file);
    }
    let mut wanted = Wanted { round: 0, on: true };
    wanted.write(&site);
    site.write_spec(
        "storm-1.yaml",
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: storm-1}\nspec: {stack: storm}\n",
    );
    let mut strangers = Strangers::new();
    let seed = std::env::var("HARNESS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
    println!("seed {seed}; the same order of events: HARNESS_SEED={seed}");
    let mut dice = Dice(seed);

    site.start();
    site.ready("storm-1");
    let steady = seen(&site)[&STEADY].clone();
    site.kill();
    // How long a controller takes to do what is to be done: a kill comes within that time, or soon after.
    wanted.round += 1;
    wanted.write(&site);
    let begun = Instant::now();
    site.start();
    site.eventually("the edit to be carried out", || {
        let edited = seen(&site).remove(&EDITED)?;
        (edited.first()?.round.as_deref() == Some("1")).then_some(())
    });
    let usual = u64::try_from(begun.elapsed().as_millis()).unwrap();
    site.kill();

    let (mut shims, mut edits, mut switches, mut orders) = (0, 0, 0, 0);
    for kill in 0..KILLS {
        match dice.below(4) {
            0 | 1 => (wanted.round, edits) = (wanted.round + 1, edits + 1),
            2 => (wanted.on, switches) = (!wanted.on, switches + 1),
            _ => {}
        }
        wanted.write(&site);
        if kill % SHIM_EVERY == 0 {
            let running = seen(&site);
            let target = [EDITED, SWITCHED, ORDERED].into_iter().cycle();
            let mut target = target.skip(usize::try_from(dice.below(3)).unwrap()).take(3);
            if let Some(victim) = target.find_map(|number| running.get(&number)?.first())
                && victim.parent > 1
            {
                let pid = rustix::process::Pid::from_raw(victim.parent.cast_signed()).unwrap();
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                shims += 1;
            }
        }
        site.start();
        let moment = Duration::from_millis(dice.below(usual * 3 / 2));
        let mut order = None;
        if dice.below(3) == 0 {
            let mut command = site.ctl_command(&["restart", "storm-1", "ordered"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            order = Some(command.spawn().unwrap());
            orders += 1;
        }
        // The moment is what is tried here; nothing is waited for.
        std::thread::sleep(moment);
        site.kill();
        if let Some(mut order) = order {
            order.wait().unwrap();
        }
        let running = seen(&site);
        assert_eq!(running.get(&STEADY), Some(&steady), "kill {kill}: {running:?}");
        assert!(running.values().all(|all| all.len() == 1), "kill {kill}: {running:?}");
    }

    site.start();
    site.eventually("all to be as wanted", || {
        let running = seen(&site);
        let round = running.get(&EDITED)?.first()?.round.clone();
        let as_wanted = round == Some(wanted.round.to_string())
            && running.contains_key(&ORDERED)
            && running.contains_key(&SWITCHED) == wanted.on;
        as_wanted.then_some(())
    });
    site.ready("storm-1");
    let running = seen(&site);
    assert_eq!(running.get(&STEADY), Some(&steady));
    assert!(running.values().all(|all| all.len() == 1), "{running:?}");
    site.ctl_ok(&["delete", "storm-1", "--wait"]);
    assert_eq!(seen(&site), BTreeMap::new(), "left behind");
    assert!(strangers.all_live());
    println!(
        "{KILLS} kills of the controller within {} ms of its start, {shims} of shims, during {edits} edits, \
         {switches} processes taken away or added, {orders} restarts asked for: 0 duplicates, 0 orphans, 0 strangers \
         signalled, 1 process with its pid and start time throughout",
        usual * 3 / 2
    );
}
