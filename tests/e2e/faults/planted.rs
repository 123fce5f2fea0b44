//! Bugs that are planted in the controller, to know that the campaign would see them: the same rounds, with the same
//! looks, have to break off. Those in the pure core are found by walks in memory, see the testkit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;

use agent_harness_model::plant::Bug;

use super::super::host::running;
use super::boundaries::{Round, go};
use super::tally::Tally;
use super::trial::Trial;

/// Those that only real servers, files and processes can show, each with a fault of a round that does, and what is said then.
const BUGS: [(Bug, &str, &str); 6] = [
    (Bug::IntentIsLate, "kill:after:1", "agent 2 to be gone"),
    (Bug::RetentionIsNothing, "kill:after:1", "bytes lost"),
    (Bug::SecretsAreOpen, "error:before:1", "others can read"),
    (Bug::TrashIsDropped, "kill:before:1", "bytes lost"),
    (Bug::TreeIsCleaned, "error:after:1", "bytes lost"),
    (Bug::LeaversAreOverlooked, "kill:before:2", "kill:before:2: delete"),
];

/// Plants each; what was seen first of those that were found.
pub fn find(tally: &mut Tally) -> Vec<String> {
    let mut found = Vec::new();
    for (bug, fault, expected) in BUGS {
        tally.planted.0 += 1;
        let name: &'static str = Box::leak(format!("{bug:?}").into_boxed_str());
        let (mut aside, mut folder) = (Tally::default(), None);
        let trial = AssertUnwindSafe(|| {
            let mut trial = Trial::new(&mut aside);
            trial.plant(name);
            // Gone before the place is: what runs in a worktree would hold it up.
            let strays = Strays(trial.site.folder().to_path_buf());
            folder = Some(strays.0.clone());
            let mut round = Round::of(&trial.site);
            go(&mut trial, &mut round, &super::boundaries::ALL.into(), fault);
            drop(strays);
        });
        let ended = catch_unwind(trial);
        drop(folder.map(Strays));
        let Err(panic) = ended else { continue };
        let words = panic.downcast_ref::<String>().map_or("", String::as_str);
        let words = words.lines().next().unwrap_or_default();
        tally.planted.1 += usize::from(words.contains(expected));
        found.push(format!("{name}: {}", words.chars().take(100).collect::<String>()));
    }
    found
}

/// What a controller with a bug may have lost from its sight, in a place: ended at last, each by its pid.
struct Strays(PathBuf);

impl Drop for Strays {
    fn drop(&mut self) {
        let folder = self.0.display().to_string();
        for process in running() {
            let is_app = process.command.first().is_some_and(|word| word.ends_with("/hello"));
            let is_of_it = process.environment.iter().any(|word| word.contains(&folder));
            let holds_it = process
                .command
                .iter()
                .any(|word| word.starts_with(&folder) && word.contains("/state/run/agent-2."));
            if is_app && is_of_it || holds_it {
                // It may have ended by itself.
                let _ = Command::new("kill").args(["-9", &process.pid.to_string()]).output();
            }
        }
    }
}
