//! Random paths of specs: agents come, change and go, while the controller is ended at any moment, steps fail or hang, servers
//! stop, and somebody breaks things. Whatever the path, it ends in the world that the last specs make from scratch, with
//! all that agents wrote on the way. The same path for the same seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::harness::{Site, succeed};
use super::super::storm::Dice;
use super::host;
use super::trial::Trial;
use super::world::{all_lives, look, secrets};
use super::wrote::Words;

/// The agents that come and go. Agent 1 has no part in it.
const AGENTS: [u16; 2] = [2, 3];

/// How long a path is.
const LENGTH: u64 = 6;

/// What an agent's spec says, if it is there.
const SPECS: [Option<&str>; 6] = [
    None,
    Some("stack: hello"),
    Some("stack: hello, processes: {worker: {env: {EXTRA: \"1\"}}}"),
    Some("stack: hello, processes: {worker: {enabled: false}}"),
    Some("stack: hello, env: {EVERYWHERE: \"1\"}"),
    Some("stack: hello, files: {extra: {content: more}}"),
];

/// What a path has come to.
pub struct Path<'a, 'b> {
    trial: &'a mut Trial<'b>,
    dice: Dice,
    /// What each agent's spec says now.
    specs: BTreeMap<u16, usize>,
    /// In which life each wrote, and what of it nobody has destroyed since.
    wrote: BTreeMap<u16, (String, Words)>,
    /// Whose bucket somebody has removed: what was in it is not made again.
    emptied: BTreeSet<u16>,
    /// A server that does not answer now.
    stopped: Option<u32>,
    others: Vec<(String, u32, String)>,
    strangers: Strangers,
}

impl<'a, 'b> Path<'a, 'b> {
    /// Agents 1 to 3 are there, as the Stack says.
    pub fn new(trial: &'a mut Trial<'b>, seed: u64) -> Self {
        let others = trial.site.processes(1);
        let strangers = Strangers::new(&trial.site);
        let mut path = Self {
            trial,
            // A small seed has few bits to begin with.
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            specs: BTreeMap::new(),
            wrote: BTreeMap::new(),
            emptied: BTreeSet::new(),
            stopped: None,
            others,
            strangers,
        };
        for agent in AGENTS {
            path.specs.insert(agent, 1);
            path.write_spec(agent);
        }
        path.rest();
        path
    }

    /// One path, from where the last one ended.
    pub fn go(&mut self) {
        for agent in AGENTS {
            if self.specs[&agent] != 0 {
                let uid = look(&self.trial.site, agent).0;
                let words = Words { in_git: false, ..Words::ALL };
                words.write(&self.trial.site, agent);
                self.wrote.insert(agent, (uid, words));
            }
        }
        for _ in 0..LENGTH {
            let agent = AGENTS[self.below(2)];
            let spec = self.below(SPECS.len());
            self.specs.insert(agent, spec);
            self.write_spec(agent);
            self.trial.tally.transitions += 1;
            match self.below(9) {
                0..3 => self.kill_at_some_moment(&[]),
                3 => self.fault(),
                4 | 5 => self.tamper(),
                6 => self.outage(),
                7 => self.clock(),
                _ => {}
            }
        }
        self.rest();
        self.nothing_is_lost();
        self.the_path_did_not_matter();
        assert_eq!(self.trial.site.processes(1), self.others, "agent 1 had no part in it");
        self.trial.tally.paths += 1;
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.dice.below(most as u64)).unwrap()
    }

    fn write_spec(&self, agent: u16) {
        let file = format!("agent-{agent}.yaml");
        match SPECS[self.specs[&agent]] {
            Some(spec) => self.trial.site.write_spec(
                &file,
                &format!(
                    "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\n\
                     metadata: {{name: agent-{agent}}}\nspec: {{{spec}}}\n"
                ),
            ),
            None if self.trial.site.specs().join(&file).exists() => {
                self.trial.site.remove_spec(&file);
            }
            None => {}
        }
    }

    /// The moment is what is tried here; nothing is waited for.
    fn kill_at_some_moment(&mut self, env: &[(&str, &str)]) {
        self.trial.kill();
        self.trial.start_with(env);
        std::thread::sleep(Duration::from_millis(self.dice.below(900)));
        // With a fault it may have died already.
        if !self.trial.site.ended_or(|_| true) {
            self.trial.kill();
        }
        self.trial.start();
    }

    fn fault(&mut self) {
        let kind = ["kill", "error", "hang"][self.below(3)];
        let side = ["before", "after"][self.below(2)];
        let fault = format!("{kind}:{side}:{}", 1 + self.below(12));
        self.kill_at_some_moment(&[("HARNESS_FAULT", &fault)]);
    }

    /// The next controller sees a time that is hours away, before or after that of the last one.
    fn clock(&mut self) {
        let library = host::library().display().to_string();
        let hours = self.below(21).cast_signed() - 10;
        let time = format!("{hours:+}h");
        // How long something takes is measured by another clock, which never jumps.
        let env = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", time.as_str()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        self.trial.tally.clocks += 1;
        self.kill_at_some_moment(&env);
    }

    /// Somebody breaks what an agent has.
    fn tamper(&mut self) {
        let site = &self.trial.site;
        let agent = AGENTS[usize::from(self.dice.below(2) == 1)];
        self.trial.tally.tampered += 1;
        match self.dice.below(4) {
            0 => {
                if let Some((_, pid, _)) = site.processes(agent).first() {
                    // It may have ended meanwhile.
                    let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
                }
            }
            1 => {
                let file = site.worktree(&format!("agent-{agent}")).join("CLAUDE.agent.md");
                let _ = fs::remove_file(file);
            }
            2 => {
                let sql = format!("DROP DATABASE IF EXISTS agent_{agent} WITH (FORCE)");
                // A server that is stopped, and one that is being cloned.
                if self.stopped.is_none() && site.try_sql("postgres", &sql).is_ok() {
                    if let Some((_, words)) = self.wrote.get_mut(&agent) {
                        words.row = false;
                    }
                }
            }
            _ => {
                let bucket = format!("agent-{agent}");
                if self.stopped.is_none() && site.admin().buckets().contains(&bucket) {
                    site.admin().remove(&bucket);
                    self.emptied.insert(agent);
                    if let Some((_, words)) = self.wrote.get_mut(&agent) {
                        words.object = false;
                    }
                }
            }
        }
    }

    /// A shared server stops answering, until the next one does or all comes to rest.
    fn outage(&mut self) {
        self.all_answer();
        let port =
            if self.below(2) == 0 { self.trial.site.postgres } else { self.trial.site.store };
        let pid = Site::pid_on(port);
        succeed(Command::new("kill").args(["-STOP", &pid.to_string()]));
        self.stopped = Some(pid);
        self.trial.tally.outages += 1;
    }

    fn all_answer(&mut self) {
        if let Some(pid) = self.stopped.take() {
            succeed(Command::new("kill").args(["-CONT", &pid.to_string()]));
        }
    }

    /// Nothing is wrong any more: all is as the specs say.
    fn rest(&mut self) {
        self.all_answer();
        let begun = Instant::now();
        let site = &self.trial.site;
        for (agent, spec) in &self.specs {
            let name = format!("agent-{agent}");
            if SPECS[*spec].is_some() {
                // The edit may not have been seen yet.
                site.eventually("the last spec to be in force", || {
                    let object = site.ctl(&["get", &name, "-o", "yaml"]);
                    // Whoever broke the same thing again and again has stopped.
                    let tried = || site.ctl(&["reconcile", &name]).status.success();
                    (object.status.success() && tried()).then_some(())
                });
                site.ready(&name);
            } else {
                site.eventually(&format!("{name} to be gone"), || {
                    // Both at once are held by the guard, and meant to go.
                    let is_held = site.ctl_ok(&["get", "-o", "wide"]).contains("are frozen");
                    if is_held {
                        // The controller may be about to start; then the next round does it.
                        site.ctl(&["approve"]);
                    }
                    site.is_gone(&name).then_some(())
                });
            }
        }
        site.eventually("the plan to be empty", || {
            site.ctl(&["diff"]).status.success().then_some(())
        });
        self.trial.tally.converged.push(begun.elapsed());
    }

    /// What agents wrote is with them, or in the trash with the life that wrote it.
    fn nothing_is_lost(&mut self) {
        let site = &self.trial.site;
        for (agent, (uid, words)) in &self.wrote {
            let lives = self.specs[agent] != 0 && look(site, *agent).0 == *uid;
            if lives {
                words.are_there(site, *agent, self.trial.tally);
            } else {
                words.are_kept(site, *agent, uid, self.trial.tally);
            }
        }
    }

    /// All is purged, and comes anew from the specs as they are.
    fn the_path_did_not_matter(&mut self) {
        let (mut before, mut events) = (BTreeMap::new(), BTreeMap::new());
        for agent in AGENTS {
            let site = &self.trial.site;
            events.insert(agent, site.ctl_ok(&["events", &agent.to_string()]));
            let lives = all_lives(site, agent);
            // A short life may have ended before it had anything.
            let [records, had @ ..] = lives;
            for there_are in had {
                self.trial.tally.counts(there_are, records);
            }
            assert!(had.iter().all(|there_are| *there_are <= records), "agent {agent}: {lives:?}");
            if self.specs[&agent] != 0 {
                before.insert(agent, shape(site, agent));
            }
        }
        for agent in AGENTS {
            self.purge(agent);
            self.write_spec(agent);
        }
        self.rest();
        for (agent, (uid, before)) in before {
            if let Some((_, words)) = self.wrote.get(&agent).filter(|(wrote, _)| *wrote == uid) {
                words.write(&self.trial.site, agent);
            }
            let (_, mut scratch) = shape(&self.trial.site, agent);
            let mut before = before;
            if self.emptied.contains(&agent) {
                for words in [&mut before, &mut scratch] {
                    words.retain(|word| !word.starts_with("object ("));
                }
            }
            let events = &events[&agent];
            assert_eq!(before.join("\n"), scratch.join("\n"), "agent {agent}\n{events}");
        }
        self.wrote.clear();
        self.emptied.clear();
        self.strangers.are_as_before(self.trial);
        self.trial.count_leaks();
    }

    /// Every life of it goes for good; nothing is left.
    fn purge(&mut self, agent: u16) {
        let (site, number) = (&self.trial.site, agent.to_string());
        if all_lives(site, agent) != [0; 4] {
            site.ctl_ok(&["delete", &number, "--purge", "--all", "--yes", "--wait"]);
        }
        let lives = all_lives(site, agent).into_iter().sum::<usize>();
        let processes = site.processes(agent).len();
        let secrets = secrets(site, agent, "any-of-them").len();
        self.trial.tally.orphans += lives + processes + secrets;
        assert_eq!([lives, processes, secrets], [0; 3], "agent {agent} was purged");
    }
}

/// The world of an agent, without what tells one path from another: how often its spec has changed, and what its worker
/// found the time for.
fn shape(site: &Site, agent: u16) -> (String, Vec<String>) {
    let (uid, mut words) = look(site, agent);
    words.retain(|word| !word.starts_with('{') && !word.contains("summary.json"));
    (uid, words)
}

/// A database, a bucket and a process that are nobody's of us, under names that we could want.
struct Strangers(Child);

impl Strangers {
    fn new(site: &Site) -> Self {
        site.sql("postgres", "CREATE DATABASE agent_9");
        site.sql("agent_9", "CREATE TABLE theirs AS SELECT 'untouched' AS word");
        site.admin().create("agent-9");
        site.admin().put("agent-9", "theirs", "untouched");
        let sleep = Command::new("sleep").arg("1000009").stdin(Stdio::null()).spawn().unwrap();
        Self(sleep)
    }

    fn are_as_before(&mut self, trial: &mut Trial<'_>) {
        let site = &trial.site;
        let comment = "SELECT word, (SELECT shobj_description(oid, 'pg_database') FROM pg_database \
                       WHERE datname = 'agent_9') FROM theirs";
        let untouched = [
            site.try_sql("agent_9", comment).is_ok_and(|row| row == "untouched|"),
            site.admin().objects("agent-9").get("theirs").is_some_and(|it| it == "untouched"),
            site.admin().tags("agent-9").is_empty(),
            self.0.try_wait().unwrap().is_none(),
        ];
        trial.tally.foreign.0 += untouched.len();
        trial.tally.foreign.1 += untouched.iter().filter(|it| !**it).count();
        assert_eq!(untouched, [true; 4], "what is not ours");
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
