//! Each law is one of the promises of the design.

use agent_harness_model::kinds::Reversibility;
use agent_harness_model::plan::plan as plan_all;
use agent_harness_model::plant::{Bug, plant};
use agent_harness_testkit::campaign::{Tally, walk};
use agent_harness_testkit::driver::{Crash, Driver};
use agent_harness_testkit::specs::{Agent, Specs, specs};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Promise 1: once all steps succeed, the plan is empty; from any state that a crash can leave.
    #[test]
    fn after_success_the_plan_is_empty(
        wish in specs(),
        crashes in proptest::collection::vec((any::<bool>(), 0_usize..12), 0..4),
    ) {
        let mut driver = Driver::default();
        driver.wish(&wish);
        for (before, index) in crashes {
            driver.reconcile(if before { Crash::Before(index) } else { Crash::After(index) });
            driver.world.tick();
        }
        let settled = driver.settle();
        prop_assert!(settled.is_ok(), "never settles:\n{}", settled.unwrap_err());
        prop_assert!(driver.plan().is_settled());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Promise 2: any path of spec edits ends in the same world as the last spec alone from scratch.
    #[test]
    fn the_path_does_not_matter(mut path in proptest::collection::vec(specs(), 1..4), stop in 0_usize..10) {
        // Whoever is suspended in the end is left as it was on the way.
        for agent in path.last_mut().into_iter().flat_map(|specs| &mut specs.agents) {
            agent.overrides.retain(|line| !line.starts_with("suspend"));
        }
        let mut driver = Driver::default();
        for wish in &path {
            driver.wish(wish);
            driver.reconcile(Crash::Before(stop));
            driver.world.tick();
        }
        let settled = driver.settle();
        prop_assert!(settled.is_ok(), "never settles:\n{}", settled.unwrap_err());
        let mut fresh = Driver::default();
        fresh.wish(path.last().unwrap());
        prop_assert!(fresh.settle().is_ok());
        let names = |driver: &Driver| {
            let shape = driver.world.shape();
            // Incarnations differ, and a template generation that was needed once stays for a while.
            let mut names: Vec<String> = shape
                .iter()
                .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
                .filter(|name| !name.starts_with("setup:") && !name.starts_with("process:"))
                .filter(|name| !name.contains("tmpl_") && !name.contains("/checkout"))
                .collect();
            names.sort();
            let running = shape.iter().filter(|line| line.starts_with("process:")).count();
            (names, running)
        };
        prop_assert_eq!(names(&driver), names(&fresh));
    }

    /// Promise 3: nothing is changed or removed that does not carry our mark.
    #[test]
    fn look_alikes_are_left_alone(wish in specs(), pick in any::<prop::sample::Index>(), next in specs()) {
        let mut driver = Driver::default();
        driver.wish(&wish);
        let desired = driver.desired();
        let all: Vec<_> = desired.objects.values().flat_map(|object| &object.resources).collect();
        let (id, wanted) = all[pick.index(all.len())];
        if driver.world.plant(id, &wanted.place) {
            let before = driver.world.strangers();
            let _ = driver.settle();
            prop_assert_eq!(&before, &driver.world.strangers());
            driver.wish(&next);
            let _ = driver.settle();
            prop_assert_eq!(&before, &driver.world.strangers());
        }
    }

    /// Promise 4: no failure to observe ever removes anything.
    #[test]
    fn what_cannot_be_seen_is_not_removed(wish in specs(), next in specs(), postgres in any::<bool>()) {
        let mut driver = Driver::default();
        driver.wish(&wish);
        prop_assert!(driver.settle().is_ok());
        driver.world.down.insert(if postgres { "postgres" } else { "objectStore" }.to_owned());
        driver.wish(&next);
        let desired = driver.desired();
        let observed = driver.look(&desired);
        for step in plan_all(&desired, &observed).steps {
            let seen = matches!(observed.get(&step.resource), agent_harness_model::world::Seen::Known(_));
            prop_assert!(seen, "{} is done blindly", step.resource);
        }
    }

    /// Promise 6: nothing that an agent wrote is lost by teardown: data moves to the trash, and without a
    /// purge no step of any plan is final.
    #[test]
    fn teardown_keeps_all_data(path in proptest::collection::vec(specs(), 2..4)) {
        let mut driver = Driver::default();
        for wish in &path {
            driver.wish(wish);
            for _ in 0..6 {
                let before = driver.world.data();
                let plan = driver.reconcile(Crash::Never);
                for step in &plan.steps {
                    let data = agent_harness_model::status::holds_data(step.resource.kind);
                    prop_assert!(!data || step.reversibility() != Reversibility::Final, "{plan}");
                }
                let after = driver.world.data();
                for name in before.iter().filter(|name| !name.contains("tmpl_")) {
                    let kept = after.iter().any(|other| other.ends_with(name.as_str()) || name.ends_with(other.as_str()));
                    prop_assert!(kept, "{name} is lost");
                }
                driver.world.tick();
            }
        }
    }

    /// Whatever somebody takes away comes back.
    #[test]
    fn tampering_is_healed(wish in specs(), hits in proptest::collection::vec(any::<usize>(), 1..5)) {
        let mut driver = Driver::default();
        driver.wish(&wish);
        prop_assert!(driver.settle().is_ok());
        for hit in hits {
            driver.world.tamper(hit);
        }
        let settled = driver.settle();
        prop_assert!(settled.is_ok(), "never heals:\n{}", settled.unwrap_err());
    }

    /// A plan is in an order that respects its own edges, and touches only resources that are known.
    #[test]
    fn a_plan_can_be_read_from_top_to_bottom(wish in specs()) {
        let mut driver = Driver::default();
        driver.wish(&wish);
        for _ in 0..8 {
            let desired = driver.desired();
            let plan = driver.reconcile(Crash::Never);
            for (index, step) in plan.steps.iter().enumerate() {
                prop_assert_eq!(step.id, index + 1);
                prop_assert!(step.after.iter().all(|before| *before < step.id), "{}", plan);
                let wanted = desired.wanted(&step.resource);
                prop_assert!(wanted.is_some());
                let leaving = wanted.is_some_and(|wanted| wanted.target.leaves());
                prop_assert!(!leaving || !step.cause.is_empty());
            }
            driver.world.tick();
        }
    }
}

/// A file that was written in another worktree is not forgotten, wherever the controller is ended meanwhile.
#[test]
fn a_file_in_a_worktree_that_moved_away_and_back_is_removed() {
    let agent = |overrides: &[&'static str]| Agent { id: 1, overrides: overrides.to_vec() };
    let specs = |stack: &[&'static str], agent| Specs {
        stack: stack.to_vec(),
        agents: vec![agent],
        ..Specs::default()
    };
    let files = "files: {.env: {content: 'P=${ports.api}'}}";
    for stop in 0..10 {
        let mut driver = Driver::default();
        driver.wish(&specs(&[files], agent(&[])));
        assert!(driver.settle().is_ok());
        driver.wish(&specs(&[files], agent(&["worktree: {path: '/elsewhere/x${agent.id}'}"])));
        driver.reconcile(Crash::Before(stop));
        driver.wish(&specs(&[], agent(&[])));
        assert!(driver.settle().is_ok());
        let shape = driver.world.shape().join("\n");
        assert!(!shape.contains("file:"), "stopped before step {stop}:\n{shape}");
    }
}

/// A repository by another name is the same repository.
#[test]
fn an_alias_of_the_repository_moves_nothing() {
    let agents = || vec![Agent { id: 1, overrides: Vec::new() }];
    let specs = |repo| Specs { repo, agents: agents(), ..Specs::default() };
    let mut driver = Driver::default();
    driver.wish(&specs("/repo"));
    assert!(driver.settle().is_ok());
    let before = driver.world.clone();
    for repo in ["/alias", "/repo"] {
        driver.wish(&specs(repo));
        assert_eq!(driver.plan().to_string(), "");
        assert_eq!(driver.settle(), Ok(0));
        assert_eq!(driver.world, before);
    }
}

/// Random walks with faults: 100,000 transitions, or as many as `HARNESS_TRANSITIONS` says, from the seed `HARNESS_SEED`.
#[test]
fn no_walk_loses_doubles_or_leaves_anything() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let transitions = number("HARNESS_TRANSITIONS").unwrap_or(100_000);
    let transitions = usize::try_from(transitions).unwrap();
    let seed = number("HARNESS_SEED").unwrap_or(0);
    // Two halves at a time, of seeds that are even and odd.
    let halves = std::thread::scope(|scope| {
        let half = |first: u64| {
            scope.spawn(move || {
                let mut tally = Tally::default();
                walk((first..).step_by(2), transitions / 2, &mut tally);
                tally
            })
        };
        [half(seed), half(seed + 1)].map(|half| half.join().unwrap())
    });
    let [mut tally, other] = halves;
    tally.add(other);
    println!("the pure core, from seed {seed}\n{tally}");
    assert_eq!(tally.bad(), 0, "{tally:?}");
}

/// The walks see the bugs that are planted in the pure core.
#[test]
fn a_planted_bug_is_found() {
    let planted = [
        Bug::UnknownIsGone,
        Bug::TrashIsGone,
        Bug::OrderIsLost,
        Bug::EditIsMissed,
        Bug::StartsTwice,
        Bug::LeavingIsForgotten,
    ];
    for bug in planted {
        let mut tally = Tally::default();
        plant(Some(bug));
        walk(0.., 10_000, &mut tally);
        plant(None);
        println!("{bug:?}: found after {} transitions", tally.transitions);
        assert!(tally.bad() > 0, "nobody saw {bug:?}");
    }
}
