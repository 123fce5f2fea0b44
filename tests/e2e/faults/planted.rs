//! Bugs that are planted in the controller, to know that the campaign would see them: the same rounds, with the same
//! looks, have to break off. Those in the pure core are found by walks in memory, see the testkit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use agent_harness_model::plant::Bug;

use super::boundaries::{Round, go};
use super::tally::Tally;
use super::trial::Trial;

/// Those that only real servers, files and processes can show, each with a fault of a round that does.
const BUGS: [(Bug, &str); 6] = [
    (Bug::IntentIsLate, "kill:after:1"),
    (Bug::RetentionIsNothing, "kill:after:1"),
    (Bug::SecretsAreOpen, "error:before:1"),
    (Bug::TrashIsDropped, "kill:before:1"),
    (Bug::TreeIsCleaned, "error:after:1"),
    (Bug::LeaversAreOverlooked, "kill:before:2"),
];

/// Plants each; what was seen first of those that were found.
pub fn find(tally: &mut Tally) -> Vec<String> {
    let mut found = Vec::new();
    for (bug, fault) in BUGS {
        tally.planted.0 += 1;
        let name: &'static str = Box::leak(format!("{bug:?}").into_boxed_str());
        let mut aside = Tally::default();
        let trial = AssertUnwindSafe(|| {
            let mut trial = Trial::new(&mut aside, Some(name));
            let mut round = Round::of(&trial.site);
            go(&mut trial, &mut round, &super::boundaries::ALL.into(), fault);
        });
        let Err(panic) = catch_unwind(trial) else { continue };
        tally.planted.1 += 1;
        let words = panic.downcast_ref::<String>().map_or("an assertion", String::as_str);
        let words = words.lines().next().unwrap_or_default();
        found.push(format!("{name}: {}", words.chars().take(100).collect::<String>()));
    }
    found
}
