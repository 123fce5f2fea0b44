//! The fault campaign: controllers are ended, steps fail, hang or lose their answers, servers go away and strangers break
//! things, at every step boundary and along random paths of specs. It all ends in the world that the last specs describe;
//! nothing that an agent wrote is lost, nothing is there twice, nothing is left behind, and nothing of anybody else is
//! touched. That the campaign would see it is shown with bugs that are planted. What came of it is printed.
//!
//! Beside it: the very first start, databases that are replaced, and what goes for good.

mod back;
mod boundaries;
mod database;
mod first;
mod host;
mod paths;
mod planted;
mod tally;
mod trial;
mod world;
mod wrote;

use paths::Path;
use tally::Tally;
use trial::{KILL, Trial};
use world::{databases, secrets, trees};

/// More boundaries than an agent has steps.
const MOST: usize = 60;

/// How many random paths are gone each time.
const PATHS: u64 = 5;

#[test]
fn killed_at_every_boundary_it_ends_in_the_same_world() {
    at_every_boundary("kill");
}

#[test]
fn a_step_that_fails_or_whose_answer_is_lost_ends_in_the_same_world() {
    at_every_boundary("error");
}

#[test]
fn a_step_that_never_answers_holds_nobody_else_up_and_ends_in_the_same_world() {
    at_every_boundary("hang");
}

/// As many paths as `HARNESS_PATHS` says, from the seed `HARNESS_SEED`: a night of it is one command.
#[test]
fn whatever_the_path_it_ends_as_the_last_specs_say() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("HARNESS_SEED").unwrap_or(1);
    println!("seed {seed}; the same paths: HARNESS_SEED={seed}");
    let mut tally = Tally::default();
    let mut trial = Trial::new(&mut tally);
    let mut path = Path::new(&mut trial, seed);
    for number in 0..number("HARNESS_PATHS").unwrap_or(PATHS) {
        println!("path {number} of seed {seed}");
        path.go();
    }
    drop(path);
    drop(trial);
    println!("random paths from seed {seed}\n{tally}");
    tally.assert_clean();
}

#[test]
fn a_planted_bug_is_found() {
    let mut tally = Tally::default();
    let found = planted::find(&mut tally);
    println!("{}\n{tally}", found.join("\n"));
    tally.assert_clean();
}

fn at_every_boundary(kind: &str) {
    let mut tally = Tally::default();
    let mut trial = Trial::new(&mut tally);
    boundaries::every(&mut trial, kind);
    drop(trial);
    println!("{kind} at every step boundary\n{tally}");
    tally.assert_clean();
}
