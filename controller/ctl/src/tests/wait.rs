//! `ctl wait`: what it waits for, and how it ends.

use agent_harness_model::api::Object;
use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_model::status::{Blocker, ConditionType, Phase, Truth};

use super::{look, looking, world};
use crate::testing::{Ctl, With as _, agent};
use crate::waiting::{Goal, Standing, Target, standing};

fn target() -> Target {
    Target { key: ObjectKey::agent("agent-1"), generation: 2, uids: vec![Uid::new("u-agent-1")] }
}

fn stands(goal: &str, object: Option<&Object>) -> Standing {
    standing(&goal.parse::<Goal>().unwrap(), &target(), object)
}

#[test]
fn nothing_is_concluded_from_an_older_generation() {
    let ready = agent("agent-1", Phase::Ready, "");
    assert_eq!(stands("ready", Some(&ready)), Standing::Met);
    let mut newer = ready.clone();
    newer.metadata.generation = 3;
    assert_eq!(stands("ready", Some(&newer)), Standing::OnTheWay);
    let old_status = ready.clone().with(|status| status.observed_generation = 1);
    assert_eq!(stands("ready", Some(&old_status)), Standing::OnTheWay);
    let old_condition = ready.with(|status| status.conditions[0].observed_generation = 1);
    assert_eq!(stands("ready", Some(&old_condition)), Standing::OnTheWay);
    let stalled_before =
        agent("agent-1", Phase::Stalled, "bad").with(|s| s.observed_generation = 1);
    assert_eq!(stands("ready", Some(&stalled_before)), Standing::OnTheWay);
    // What it refers to changed, and it is not looked at yet.
    let outdated = |phase| Object { outdated: true, ..agent("agent-1", phase, "") };
    for phase in [Phase::Ready, Phase::Stalled] {
        assert_eq!(stands("ready", Some(&outdated(phase))), Standing::OnTheWay);
    }
}

#[test]
fn conditions_by_name() {
    let drifted = agent("agent-1", Phase::Ready, "").with(|status| {
        status.conditions.iter_mut().for_each(|condition| {
            if condition.kind == ConditionType::Drifted {
                condition.status = Truth::True;
            }
        });
    });
    assert_eq!(stands("condition=drifted", Some(&drifted)), Standing::Met);
    assert_eq!(stands("condition=Drifted=false", Some(&drifted)), Standing::OnTheWay);
    assert_eq!(stands("condition=Stalled=False", Some(&drifted)), Standing::Met);
    assert_eq!(
        "condition=Foo".parse::<Goal>().unwrap_err(),
        "Foo is no condition; the conditions are Ready, Synced, Progressing, Stalled, CrashLoop, Drifted, Suspended, SourceValid, DeletionBlocked"
    );
    assert_eq!(
        "Condition=Ready=Yes".parse::<Goal>().unwrap_err(),
        "Yes is no status: write true, false or unknown"
    );
}

#[test]
fn deleted_is_about_one_incarnation() {
    let leaving = agent("agent-1", Phase::Deleting, "");
    assert_eq!(stands("deleted", Some(&leaving)), Standing::OnTheWay);
    assert_eq!(stands("deleted", None), Standing::Met);
    let mut next = leaving.clone();
    next.metadata.uid = Uid::new("u-another");
    assert_eq!(stands("deleted", Some(&next)), Standing::Met);
    let purged = standing(&Goal::Purged, &target(), Some(&next));
    assert_eq!(purged, Standing::OnTheWay, "of those in the trash it says nothing");
    let vanished = "5 of 6 agents vanished at once";
    assert_eq!(
        stands("deleted", Some(&blocked(leaving.clone(), Blocker::Guard, vanished))),
        Standing::Hopeless("cannot leave: 5 of 6 agents vanished at once".to_owned())
    );
    let followed = blocked(leaving, Blocker::LeavingUsers, "still used by agent/agent-2, leaving");
    assert_eq!(stands("deleted", Some(&followed)), Standing::OnTheWay, "it goes by itself");
}

fn blocked(object: Object, by: Blocker, message: &str) -> Object {
    object.with(|status| {
        let condition = status.conditions.last_mut().unwrap();
        condition.status = Truth::True;
        condition.reason = by.reason().to_owned();
        condition.message = message.to_owned();
    })
}

#[test]
fn what_cannot_leave_says_what_would_let_it() {
    let wait = |by, message| {
        let one = blocked(agent("agent-1", Phase::Ready, ""), by, message);
        Ctl::new().with(&["wait", "1", "--for", "deleted"], looking(vec![one]))
    };
    insta::assert_snapshot!(wait(Blocker::Guard, "deletions are frozen"), @"
    --- stderr
    agent/agent-1  Ready        deletions are frozen
    error: agent/agent-1 cannot leave: deletions are frozen
     hint: `ctl approve` lets it leave
    --- Blocked
    ");
    insta::assert_snapshot!(wait(Blocker::Users, "still used by agent/agent-2"), @"
    --- stderr
    agent/agent-1  Ready        still used by agent/agent-2
    error: agent/agent-1 cannot leave: still used by agent/agent-2
     hint: it leaves once those are deleted that use it
    --- Blocked
    ");
}

#[test]
fn waiting_ends_well_when_all_are_there() {
    insta::assert_snapshot!(look(&["wait", "1", "infra/shared"]), @"
    infra/shared ready
    agent/agent-1 ready
    --- Done
    ");
    insta::assert_snapshot!(look(&["wait", "--for", "deleted", "77"]), @"
    agent/agent-77 deleted
    --- Done
    ");
}

#[test]
fn waiting_ends_when_time_is_up_and_says_why() {
    insta::assert_snapshot!(look(&["wait", "1", "2", "--timeout", "300ms"]), @"
    agent/agent-1 ready
    --- stderr
    agent/agent-2  Progressing  process/api is starting: connection refused
    error: agent/agent-2 is Progressing after 300ms: process/api is starting: connection refused
     hint: `ctl describe agent/agent-2` shows everything about it
    --- NotReady
    ");
    insta::assert_snapshot!(look(&["wait", "77"]), @"
    --- stderr
    error: agent/agent-77 does not exist
     hint: there are agent-1, agent-2, agent-10
    --- Failed
    ");
}

#[test]
fn waiting_ends_early_for_what_does_not_get_there_by_itself() {
    insta::assert_snapshot!(look(&["wait", "10", "--timeout", "60s"]), @"
    --- stderr
    agent/agent-10  Stalled      port 3100 is taken by pid 4711 (node server.js)
    error: agent/agent-10 is stalled: port 3100 is taken by pid 4711 (node server.js)
     hint: `ctl describe agent/agent-10` shows everything about it
    --- Blocked
    ");
}

/// What it last wrote is from before, and nobody looks after it now.
#[test]
fn without_a_controller_nothing_is_known_of_now() {
    let yaml = agent_harness_model::yaml::to_yaml(&agent("agent-1", Phase::Ready, "")).unwrap();
    for goal in ["ready", "deleted", "condition=Stalled=false"] {
        let ctl = Ctl::new().file("status/agent-1.yaml", &yaml);
        insta::allow_duplicates! {
            insta::assert_snapshot!(ctl.alone(&["wait", "1", "--for", goal]), @"
            --- stderr
            error: the controller does not run: nothing listens on STATE/control.sock
             hint: start it: controller run --specs DIR --state STATE
            --- Failed
            ");
        }
    }
}

#[test]
fn a_controller_that_stays_away_is_named() {
    let shown = Ctl::new().with(&["wait", "2", "--timeout", "400ms"], |line, body| match line {
        "GET /v1/objects?fresh=true" => looking(world())(line, body),
        // An answer that breaks off, as when the controller is killed.
        _ => (0, String::new()),
    });
    insta::assert_snapshot!(shown, @"
    --- stderr
    agent/agent-2  Waiting      the controller does not run
    error: agent/agent-2 was not seen in 400ms
     hint: `ctl describe agent/agent-2` shows everything about it
     hint: the controller does not run
    --- NotReady
    ");
}

#[test]
fn a_controller_that_goes_away_meanwhile_is_waited_for() {
    let looks = std::cell::Cell::new(0);
    let shown = Ctl::new().with(&["wait", "2"], move |line, body| {
        looks.set(looks.get() + 1);
        match line {
            "GET /v1/objects/agent/agent-2" if looks.get() > 5 => {
                (200, serde_json::to_string(&agent("agent-2", Phase::Ready, "")).unwrap())
            }
            "GET /v1/watch" => (200, "{\"broken".to_owned()),
            _ => looking(world())(line, body),
        }
    });
    insta::assert_snapshot!(shown, @"
    agent/agent-2 ready
    --- stderr
    agent/agent-2  Progressing  process/api is starting: connection refused
    --- Done
    ");
}

/// However slowly the first words of the watch come, nothing older is said after something newer.
#[test]
fn what_is_said_never_goes_back() {
    let asked = std::cell::Cell::new(0);
    let shown = Ctl::new().with(&["wait", "2"], move |line, body| {
        let now = match asked.get() {
            0 => agent("agent-2", Phase::Progressing, "not looked at yet"),
            1 => agent("agent-2", Phase::Progressing, "process/api is starting"),
            _ => agent("agent-2", Phase::Ready, ""),
        };
        match line {
            "GET /v1/watch" | "GET /v1/objects/agent/agent-2" => {
                asked.set(asked.get() + 1);
                let end = if line.ends_with("watch") { "\n" } else { "" };
                (200, serde_json::to_string(&now).unwrap() + end)
            }
            _ => looking(world())(line, body),
        }
    });
    insta::assert_snapshot!(shown, @"
    agent/agent-2 ready
    --- stderr
    agent/agent-2  Progressing  not looked at yet
    agent/agent-2  Progressing  process/api is starting
    --- Done
    ");
}

#[test]
fn a_controller_that_is_stopped_is_not_waited_for_longer_than_for_anything_else() {
    let shown = Ctl::new().with(&["wait", "2", "--timeout", "300ms"], |_, _| (1, String::new()));
    insta::assert_snapshot!(shown, @"
    --- stderr
    error: the controller does not answer within 300ms
    --- NotReady
    ");
    // And one that is stopped in the middle.
    let shown = Ctl::new().with(&["wait", "2", "--timeout", "900ms"], |line, body| match line {
        "GET /v1/objects?fresh=true" => looking(world())(line, body),
        _ => (1, String::new()),
    });
    insta::assert_snapshot!(shown, @"
    --- stderr
    agent/agent-2  Waiting      the controller does not answer
    error: agent/agent-2 was not seen in 900ms
     hint: `ctl describe agent/agent-2` shows everything about it
     hint: the controller does not answer
    --- NotReady
    ");
}

#[test]
fn a_controller_that_has_not_read_the_specs_yet_is_waited_for() {
    let asked = std::cell::Cell::new(0);
    let shown = Ctl::new().with(&["wait", "1"], move |line, body| {
        asked.set(asked.get() + 1);
        if asked.get() < 3 {
            return (503, "{\"message\": \"not yet\"}".to_owned());
        }
        looking(world())(line, body)
    });
    insta::assert_snapshot!(shown, @"
    agent/agent-1 ready
    --- Done
    ");
    let shown = Ctl::new().with(&["get"], |_, _| (503, "{\"message\": \"not yet\"}".to_owned()));
    insta::assert_snapshot!(shown, @"
    --- stderr
    error: not yet
    --- NotReady
    ");
}

#[test]
fn what_is_stalled_and_still_moves_is_waited_for() {
    let moving = agent("agent-1", Phase::Stalled, "no").with(|status| {
        status.conditions.iter_mut().for_each(|condition| {
            if condition.kind == ConditionType::Progressing {
                condition.status = Truth::True;
            }
        });
    });
    assert_eq!(stands("ready", Some(&moving)), Standing::OnTheWay);
    let stuck = agent("agent-1", Phase::Stalled, "no");
    assert_eq!(stands("ready", Some(&stuck)), Standing::Hopeless("is stalled: no".to_owned()));
}
