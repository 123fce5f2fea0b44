//! At every step boundary of what an agent goes through (it leaves, is called back, changes, comes anew) the controller is
//! ended with `kill -9`, a step fails or its answer is lost, or it never answers. It all ends in the same world as without,
//! what ran goes on running, and whoever had no part in it notices nothing.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::super::harness::{Site, text};
use super::super::host::running as processes_of_the_host;
use super::MOST;
use super::trial::{Running, Trial};
use super::world::{all_lives, running, settled, trash};
use super::wrote::Words;

/// What nobody may notice anything of.
type Bystanders = (Vec<(String, u32, String)>, [u32; 2], String);

/// What an agent goes through.
pub const ALL: [&str; 4] = ["delete", "undelete", "change", "create"];

/// Agent 2 as it is at the begin of each round.
pub struct Round {
    /// Its spec.
    spec: String,
    /// The identity of this life of it.
    life: String,
    /// What there is once it is there.
    expected: Vec<String>,
    /// What is kept of it once it is gone, by what it went through meanwhile.
    kept: BTreeMap<Vec<&'static str>, Vec<String>>,
    others: Bystanders,
    lives: usize,
}

impl Round {
    /// As it is now.
    pub fn of(site: &Site) -> Self {
        let spec = fs::read_to_string(site.specs().join("agent-2.yaml")).unwrap();
        let (life, expected) = settled(site, 2);
        Self { spec, life, expected, kept: BTreeMap::new(), others: bystanders(site), lives: 1 }
    }
}

/// Every boundary under one kind of fault.
pub fn every(trial: &mut Trial<'_>, kind: &str) {
    let mut round = Round::of(&trial.site);
    for side in ["before", "after"] {
        let mut open = BTreeSet::from(ALL);
        for number in 1.. {
            let struck = go(trial, &mut round, &open, &format!("{kind}:{side}:{number}"));
            assert!(number > 1 || !struck.is_empty(), "the controller was built without `faults`");
            open = struck;
            if open.is_empty() {
                assert!(number > 5, "an agent has more than {number} steps");
                break;
            }
            assert!(number < MOST, "an agent has more steps than this campaign tries");
        }
    }
}

/// Agent 2 goes, is called back, changes, goes and comes anew, with the fault in those operations that are `open`; those in
/// which it came about.
pub fn go(
    trial: &mut Trial<'_>,
    round: &mut Round,
    open: &BTreeSet<&'static str>,
    fault: &str,
) -> BTreeSet<&'static str> {
    let mut struck = BTreeSet::new();
    let mut note = |operation, has_struck: bool| {
        if has_struck {
            struck.insert(operation);
        }
    };
    Words::ALL.write(&trial.site, 2);
    if open.contains("delete") || open.contains("undelete") {
        trial.kill();
        trial.site.remove_spec("agent-2.yaml");
        note("delete", leaves(trial, fault));
        assert!(trial.site.processes(2).is_empty(), "{fault}: processes were left behind");
        Words::ALL.are_kept(&trial.site, 2, &round.life, trial.tally);
        trial.kill();
        note("undelete", is_called_back(trial, fault));
        assert_eq!(uid(&trial.site), round.life, "{fault}: what is called back is what left");
        Words::ALL.are_there(&trial.site, 2, trial.tally);
        assert_eq!(all_lives(&trial.site, 2), [round.lives; 4], "{fault}");
    }
    if open.contains("change") {
        note("change", changes(trial, round, fault));
        Words::ALL.are_there(&trial.site, 2, trial.tally);
    }
    trial.site.ctl_ok(&["delete", "2"]);
    trial.until("agent 2 to be gone", |site| site.is_gone("agent-2"));
    Words::ALL.are_kept(&trial.site, 2, &round.life, trial.tally);
    let trash = trash(&trial.site, 2, &round.life);
    let went_through = open.iter().copied().filter(|it| *it != "create").collect();
    let kept = round.kept.entry(went_through).or_insert_with(|| trash.clone());
    assert_eq!(kept.join("\n"), trash.join("\n"), "{fault}");

    trial.kill();
    // Its branch stays, with what was committed; this one is to begin where the first one did.
    trial.site.git(&["branch", "--quiet", "--force", "agent/agent-2", "main"]);
    trial.site.write_spec("agent-2.yaml", &round.spec);
    let ran = trial.strike("create", fault, |_| {}, |site| site.is_ready("agent-2"));
    note("create", runs_on(trial, fault, ran));
    let (life, world) = settled(&trial.site, 2);
    assert_eq!(world.join("\n"), round.expected.join("\n"), "{fault}");
    assert_ne!(life, round.life, "{fault}: what left does not come back as what is new");
    round.life = life;
    round.lives += 1;
    count(trial, round, fault);
    struck
}

fn leaves(trial: &mut Trial<'_>, fault: &str) -> bool {
    trial.strike("delete", fault, |_| {}, |site| site.is_gone("agent-2")).is_some()
}

fn is_called_back(trial: &mut Trial<'_>, fault: &str) -> bool {
    let call = |site: &Site| {
        site.ready("agent-1");
        let output = site.ctl(&["undelete", "2"]);
        let said = text(&output.stderr);
        assert!(output.status.success() || said.contains("the controller"), "undelete: {said}");
    };
    let ran = trial.strike("undelete", fault, call, |site| site.is_ready("agent-2"));
    runs_on(trial, fault, ran)
}

/// There and back; only the way there is struck.
fn changes(trial: &mut Trial<'_>, round: &Round, fault: &str) -> bool {
    let others = |site: &Site| {
        let mut all = running(site, 2);
        all.retain(|(what, ..)| what != "worker");
        all
    };
    let before = others(&trial.site);
    trial.kill();
    trial.site.write_spec("agent-2.yaml", &changed(&round.spec, fault));
    let has_changed = |site: &Site| is_as(site, fault) && site.is_ready("agent-2");
    let struck = trial.strike("change", fault, |_| {}, has_changed).is_some();
    trial.site.write_spec("agent-2.yaml", &round.spec);
    trial.tally.transitions += 1;
    let site = &trial.site;
    site.eventually("the change to be taken back", || {
        (!is_as(site, fault) && site.is_ready("agent-2")).then_some(())
    });
    assert_eq!(before, others(site), "{fault}: what did not change was started anew");
    struck
}

/// Nothing is there twice, and whoever had no part in it noticed nothing.
fn count(trial: &mut Trial<'_>, round: &Round, fault: &str) {
    let lives = all_lives(&trial.site, 2);
    for there_are in lives {
        trial.tally.counts(there_are, round.lives);
    }
    assert_eq!(lives, [round.lives; 4], "{fault}");
    trial.tally.counts(running(&trial.site, 2).len(), 3);
    assert_eq!(bystanders(&trial.site), round.others, "{fault}: they had no part in it");
    trial.count_leaks();
}

/// What ran when the fault came runs still. Whether one came.
fn runs_on(trial: &Trial<'_>, fault: &str, ran: Option<Running>) -> bool {
    let Some(ran) = ran else { return false };
    let run = running(&trial.site, 2);
    assert!(ran.iter().all(|it| run.contains(it)), "{fault}: {ran:?} became {run:?}");
    true
}

/// Another spec: a process with more in its environment, and one more file, which hold a mark.
fn changed(spec: &str, mark: &str) -> String {
    let to = format!(
        "spec: {{stack: hello, processes: {{worker: {{env: {{ROUND: {mark}}}}}}}, \
         files: {{round: {{content: {mark}}}}}}}"
    );
    let changed = spec.replace("spec: {stack: hello}", &to);
    assert_ne!(changed, spec);
    changed
}

/// Whether the changed spec is in force.
fn is_as(site: &Site, mark: &str) -> bool {
    let file = fs::read_to_string(site.worktree("agent-2").join("round"));
    let port = format!("PORT={}", site.api + 20);
    let of_round = format!("ROUND={mark}");
    let worker = processes_of_the_host().into_iter().any(|process| {
        process.command.get(1).is_some_and(|word| word == "worker")
            && process.environment.contains(&port)
            && process.environment.contains(&of_round)
    });
    file.is_ok_and(|text| text.trim() == mark) && worker
}

/// Agent 1 and the shared servers.
fn bystanders(site: &Site) -> Bystanders {
    (
        site.processes(1),
        [site.postgres, site.store].map(Site::pid_on),
        site.git(&["-C", site.worktree("agent-1").to_str().unwrap(), "status", "-s"]),
    )
}

fn uid(site: &Site) -> String {
    site.object("agent-2")["metadata"]["uid"].as_str().unwrap().to_owned()
}
