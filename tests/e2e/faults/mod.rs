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
mod planted;
mod tally;
mod trial;
mod world;
mod wrote;

use tally::Tally;
use trial::{KILL, Trial};
use world::{databases, secrets, trees};

/// More boundaries than an agent has steps.
const MOST: usize = 60;

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

#[test]
fn a_planted_bug_is_found() {
    let mut tally = Tally::default();
    let found = planted::find(&mut tally);
    println!("{}\n{tally}", found.join("\n"));
    tally.assert_clean();
}

fn at_every_boundary(kind: &str) {
    let mut tally = Tally::default();
    let mut trial = Trial::new(&mut tally, None);
    boundaries::every(&mut trial, kind);
    drop(trial);
    println!("{kind} at every step boundary\n{tally}");
    tally.assert_clean();
}
