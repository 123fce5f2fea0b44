//! One place in which controllers are struck by faults, with what is counted.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::time::Instant;

use super::super::containers::Servers;
use super::super::harness::{PATIENCE, Site};
use super::tally::Tally;
use super::world::running;

/// The signal that nobody can answer to.
pub const KILL: i32 = 9;

/// Specs that are away leave soon: nobody edits them here.
const GRACE: (&str, &str) = ("HARNESS_GRACE", "100ms");

/// The processes of an app: what each is, its pid, when it started.
pub type Running = Vec<(String, u32, String)>;

/// A place, and what all its controllers get.
pub struct Trial<'a> {
    pub site: Site,
    pub tally: &'a mut Tally,
    /// A bug that all its controllers have.
    plant: Option<&'static str>,
}

impl<'a> Trial<'a> {
    /// Agents 1 and 2 of the hello app, on embedded servers.
    pub fn new(tally: &'a mut Tally) -> Self {
        let mut trial = Self { site: Site::on(Servers::Embedded), tally, plant: None };
        trial.start();
        trial.site.ready("agent-1");
        trial.site.ready("agent-2");
        trial
    }

    /// All controllers from now on have this bug.
    pub fn plant(&mut self, bug: &'static str) {
        self.plant = Some(bug);
        self.kill();
        self.start();
    }

    /// Starts a controller that nothing happens to.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts a controller with more in its environment.
    pub fn start_with(&mut self, more: &[(&str, &str)]) {
        let plant = self.plant.map(|plant| ("HARNESS_PLANT", plant));
        let env: Vec<_> = more.iter().copied().chain([GRACE]).chain(plant).collect();
        self.site.start_with(&env);
    }

    /// Ends the controller with `kill -9`.
    pub fn kill(&mut self) {
        self.site.kill();
        self.tally.kills += 1;
    }

    /// Waits until something holds. What a planted bug holds up does not come.
    pub fn until(&self, what: &str, done: impl Fn(&Site) -> bool) {
        let patience = if self.plant.is_some() { PATIENCE / 8 } else { PATIENCE };
        self.site.within(patience, what, || done(&self.site).then_some(()));
    }

    /// Counts what carries our mark and is of no object that the ledger knows, with where it was looked for.
    pub fn count_leaks(&mut self) {
        let audit = self.site.ctl_ok(&["leaks", "-o", "json"]);
        let audit: serde_json::Value = serde_json::from_str(&audit).unwrap();
        assert_eq!(audit["unknown"], serde_json::json!([]));
        self.tally.orphans += audit["leaks"].as_array().unwrap().len();
        assert_eq!(audit["leaks"], serde_json::json!([]));
    }

    /// Starts a controller with a fault, asks it for something, and waits for the fault, or until all is `done` where there
    /// is none. From there a controller without faults works until it is done. What ran of agent 2 when the fault came;
    /// `None` without one.
    pub fn strike(
        &mut self,
        operation: &'static str,
        fault: &str,
        order: impl FnOnce(&Site),
        done: impl Fn(&Site) -> bool,
    ) -> Option<Running> {
        let before = faults(&self.site);
        let steps = steps(&self.site);
        self.start_with(&[("HARNESS_FAULT", fault)]);
        order(&self.site);
        self.tally.transitions += 1;
        let site = &mut self.site;
        let ran = if fault.starts_with("error:") {
            // It goes on by itself.
            let begun = Instant::now();
            assert!(!site.ended_or(&done), "{fault}");
            (faults(site) > before).then(|| (Vec::new(), begun))
        } else if fault.starts_with("kill:") {
            site.ended_or(&done).then(|| {
                assert_eq!(site.ended_by(), Some(KILL), "{fault}");
                (running(site, 2), Instant::now())
            })
        } else {
            assert!(!site.ended_or(|site| faults(site) > before || done(site)), "{fault}");
            (faults(site) > before).then(|| {
                // Whoever asks is answered, and others are looked after.
                site.ctl_ok(&["health", "1"]);
                site.kill();
                (running(site, 2), Instant::now())
            })
        };
        let Some((ran, begun)) = ran else {
            let steps = steps_since(&self.site, steps);
            self.tally.has_steps(operation, steps);
            // The fault would come with what is done next.
            self.kill();
            self.start();
            return None;
        };
        self.tally.struck(operation, fault);
        if !fault.starts_with("error:") {
            self.tally.kills += 1;
            self.start();
        }
        self.until(&format!("{fault}: {operation}"), &done);
        self.tally.converged.push(begun.elapsed());
        Some(ran)
    }
}

/// How often a fault came about.
fn faults(site: &Site) -> usize {
    fs::read_to_string(site.log()).unwrap().matches("a fault of a test: ").count()
}

/// How many steps were begun.
fn steps(site: &Site) -> usize {
    fs::read_to_string(site.log()).unwrap().matches(" step resource=").count()
}

fn steps_since(site: &Site, before: usize) -> usize {
    steps(site) - before
}
