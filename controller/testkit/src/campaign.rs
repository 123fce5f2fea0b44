//! Random walks of a controller in memory: specs change, steps fail, answers are lost, the controller is ended anywhere,
//! servers cannot be seen, somebody takes things away. A walk is the same one for the same seed. What it came to is counted.

use std::collections::BTreeSet;
use std::fmt;

use agent_harness_model::desired::Wanted;
use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{AnyTarget, Have, Resource, process};
use agent_harness_model::plan::Step;
use agent_harness_model::world::Seen;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::driver::{Crash, Driver, Order};
use crate::specs::{Specs, specs};

/// How many transitions a walk has before it is to come to rest.
const LENGTH: usize = 24;

/// What came of walks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Walks.
    pub walks: usize,
    /// Specs that changed, reconciles, things that were taken away, servers that went and came.
    pub transitions: usize,
    /// Controllers that were ended in the middle of a reconcile.
    pub kills: usize,
    /// Walks that came to rest, of those that have to.
    pub converged: usize,
    /// Walks that did not.
    pub restless: usize,
    /// Databases, buckets and worktrees that a reconcile lost.
    pub lost: usize,
    /// Processes that were started while they ran.
    pub doubled: usize,
    /// What was there in the end, and is not when the last specs come from scratch; and the other way round.
    pub orphans: usize,
    /// Processes that run in the end, but not as they are wanted.
    pub stale: usize,
    /// Steps about what could not be seen.
    pub blind: usize,
    /// Steps that the world refused while nothing was wrong.
    pub refused: usize,
    /// What belongs to nobody of us and is not as before.
    pub foreign: usize,
    /// The first walk with anything bad: its seed, and what of it can be named.
    pub first: Option<String>,
}

impl Tally {
    /// Adds what other walks came to.
    pub fn add(&mut self, other: Self) {
        self.walks += other.walks;
        self.transitions += other.transitions;
        self.kills += other.kills;
        self.converged += other.converged;
        self.restless += other.restless;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.orphans += other.orphans;
        self.stale += other.stale;
        self.blind += other.blind;
        self.refused += other.refused;
        self.foreign += other.foreign;
        self.first = self.first.take().or(other.first);
    }

    /// How much there is that should not be.
    pub fn bad(&self) -> usize {
        let Self { restless, lost, doubled, orphans, stale, blind, refused, foreign, .. } = self;
        restless + lost + doubled + orphans + stale + blind + refused + foreign
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, number: usize| writeln!(f, "{what:<24}{number}");
        line("transitions", self.transitions)?;
        line("walks", self.walks)?;
        line("killed", self.kills)?;
        line("converged", self.converged)?;
        line("did not converge", self.restless)?;
        line("data lost", self.lost)?;
        line("duplicates", self.doubled)?;
        line("orphans", self.orphans)?;
        line("stale processes", self.stale)?;
        line("blind steps", self.blind)?;
        line("refused steps", self.refused)?;
        line("foreign touched", self.foreign)
    }
}

/// Walks with these seeds until there were so many transitions, or something bad was found.
pub fn walk(seeds: impl Iterator<Item = u64>, transitions: usize, tally: &mut Tally) {
    for seed in seeds {
        if tally.transitions >= transitions || tally.bad() > 0 {
            return;
        }
        let mut walk = Walk::new(seed, tally);
        walk.go();
        if walk.tally.bad() > 0 {
            let named = walk.named.first().cloned().unwrap_or_default();
            walk.tally.first = Some(format!("seed {seed}: {named}"));
        }
    }
}

struct Walk<'a> {
    driver: Driver,
    dice: TestRunner,
    tally: &'a mut Tally,
    /// Whether somebody else's things are in the way: then nobody has to come to rest.
    strangers: bool,
    /// What was refused or left, in words.
    named: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(seed: u64, tally: &'a mut Tally) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let dice = TestRunner::new_with_rng(Config::default(), rng);
        Self { driver: Driver::default(), dice, tally, strangers: false, named: Vec::new() }
    }

    fn below(&mut self, most: usize) -> usize {
        self.pick(0..most)
    }

    fn pick<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.dice).unwrap().current()
    }

    fn go(&mut self) {
        self.tally.walks += 1;
        let first = self.pick(specs());
        self.driver.wish(&first);
        if self.below(4) == 0 {
            self.plant_a_stranger();
        }
        let strangers = self.driver.world.strangers();
        for _ in 0..LENGTH {
            self.tally.transitions += 1;
            match self.below(16) {
                0..4 => {
                    let wish = self.pick(specs());
                    self.driver.wish(&wish);
                }
                4 => {
                    let index = self.below(1000);
                    self.driver.world.tamper(index);
                }
                5 | 6 => {
                    let server = ["postgres", "objectStore"][self.below(2)].to_owned();
                    if !self.driver.world.down.remove(&server) {
                        self.driver.world.down.insert(server);
                    }
                }
                _ => self.reconcile(),
            }
            // Not always enough time for what was started to become ready.
            if self.below(3) > 0 {
                self.driver.world.tick();
            }
        }
        self.driver.world.down.clear();
        let mut last = self.pick(specs());
        // Whoever is suspended in the end is left as it was on the way.
        for agent in &mut last.agents {
            agent.overrides.retain(|line| !line.starts_with("suspend"));
        }
        self.driver.wish(&last);
        if self.strangers {
            let _ = self.driver.settle();
        } else {
            self.come_to_rest(&last);
        }
        let now: BTreeSet<String> = self.driver.world.strangers().into_iter().collect();
        // What a tamperer takes away of them is none of ours.
        self.tally.foreign += now.iter().filter(|name| !strangers.contains(name)).count();
        self.tally.doubled += self.driver.world.doubled;
    }

    fn plant_a_stranger(&mut self) {
        let desired = self.driver.desired();
        let all: Vec<_> = desired.objects.values().flat_map(|object| &object.resources).collect();
        let (id, wanted) = all[self.below(all.len())];
        self.strangers = self.driver.world.plant(id, &wanted.place);
    }

    /// One reconcile, with or without a fault, and what it may not do.
    fn reconcile(&mut self) {
        let index = self.below(14);
        let crash = match self.below(8) {
            0 => Crash::Before(index),
            1 => Crash::After(index),
            2 => Crash::Fails(index),
            3 => Crash::Lost(index),
            _ => Crash::Never,
        };
        let order = [Order::AsPlanned, Order::LastFirst][self.below(2)];
        self.tally.kills += usize::from(matches!(crash, Crash::Before(_) | Crash::After(_)));
        let desired = self.driver.desired();
        let observed = self.driver.look(&desired);
        let before = self.driver.world.data();
        let (plan, refused) = self.driver.reconcile_in(order, crash);
        let unseen = |step: &&Step| !matches!(observed.get(&step.resource), Seen::Known(_));
        self.tally.blind += plan.steps.iter().filter(unseen).count();
        if self.driver.world.down.is_empty() && !self.strangers {
            self.tally.refused += refused.len();
            self.named.extend(refused);
        }
        let after = self.driver.world.data();
        let is_kept = |name: &&String| {
            let same = |other: &String| other.ends_with(*name) || name.ends_with(other.as_str());
            name.contains("tmpl_") || after.iter().any(same)
        };
        self.tally.lost += before.iter().filter(|name| !is_kept(name)).count();
    }

    /// It settles, in the world that the last specs make from scratch.
    fn come_to_rest(&mut self, last: &Specs) {
        if self.driver.settle().is_err() {
            self.tally.restless += 1;
            return;
        }
        self.tally.converged += 1;
        let mut fresh = Driver::default();
        fresh.wish(last);
        assert!(fresh.settle().is_ok(), "not even from scratch: {last:?}");
        let (ours, theirs) = (names(&self.driver), names(&fresh));
        let other: Vec<_> = ours.symmetric_difference(&theirs).cloned().collect();
        self.tally.orphans += other.len();
        self.named.extend(other);
        let desired = self.driver.desired();
        let observed = self.driver.look(&desired);
        let all = desired.objects.values().flat_map(|object| &object.resources);
        let is_stale = |(id, wanted): &(&ResourceId, &Wanted)| {
            let AnyTarget::Present(Resource::Process(want)) = &wanted.target else { return false };
            let Seen::Known(Some(Have::Process(process::Observed::Running {
                fingerprint, ..
            }))) = observed.get(id)
            else {
                return true;
            };
            *fingerprint != want.fingerprint
        };
        self.tally.stale += all.filter(is_stale).count();
    }
}

/// The names of all that is no trash and has the same name in each life.
fn names(driver: &Driver) -> BTreeSet<String> {
    let shape = driver.world.shape();
    // What a person wrote into a file stays, wanted or not.
    let shape = shape.iter().filter(|line| !line.contains("fingerprint: \"edited\""));
    let names = shape.map(|line| line.split(' ').next().unwrap_or_default().to_owned());
    // Incarnations differ, and a template generation that was needed once stays for a while.
    let counts = |name: &String| {
        !["setup:", "process:"].iter().any(|kind| name.starts_with(kind))
            && !["tmpl_", "/checkout"].iter().any(|part| name.contains(part))
    };
    names.filter(counts).collect()
}
