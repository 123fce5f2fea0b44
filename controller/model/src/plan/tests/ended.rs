//! Processes that have ended: when they start again, and who may start after them.

use super::*;
use crate::kinds::{End, Exit};

/// The plan when the process `name`, with this restart policy, has ended.
fn after_the_end(name: &str, restart: process::Restart, exit: Exit) -> Plan {
    let mut object = object();
    let Resource::Process(want) = process(name) else { panic!() };
    let want = process::Desired { restart, ..(*want).clone() };
    let id = id(ResourceKind::Process, name);
    object.resources.get_mut(&id).unwrap().target =
        AnyTarget::Present(Resource::Process(Arc::new(want)));
    let mut have = all();
    let ended = process::Observed::Exited { fingerprint: format!("{name}-1"), exit };
    have.insert(id, Seen::Known(Some(Have::Process(ended))));
    if name == "api" {
        have.insert(web(), Seen::Known(None));
    }
    planned(object, &have)
}

fn an_end(how: &str, end: End, restart_due: bool) -> Exit {
    Exit {
        how: how.into(),
        end,
        restarts: 0,
        restart_due,
        backoff_ms: 1000,
        last_lines: Vec::new(),
    }
}

#[test]
fn a_process_that_ended_waits_for_its_backoff() {
    let plan = |due| {
        let exit = Exit { restarts: 2, ..an_end("exit code 1", End::Failure, due) };
        after_the_end("web", process::Restart::Always, exit)
    };
    assert_snapshot!(plan(false), @"held agent/a-1 process/web, ended with exit code 1; starts again after a backoff of 1 s (restart 3)");
    assert_snapshot!(plan(true), @"#1 agent/a-1 process/web, start, ended with exit code 1");
}

#[test]
fn a_process_that_is_never_restarted_stalls_when_it_failed() {
    let plan = |how, end, due| after_the_end("web", process::Restart::Never, an_end(how, end, due));
    assert!(plan("exit code 0", End::Success, true).is_settled());
    assert_snapshot!(plan("exit code 1", End::Failure, true), @"held agent/a-1 process/web, ended with exit code 1, and its spec says `restart: never`");
    // What never ran has not ended: it runs once its program is there.
    let how = "did not start: no such program";
    assert_snapshot!(plan(how, End::NotStarted, false), @"held agent/a-1 process/web, did not start: no such program; is tried again after a backoff of 1 s (restart 1)");
    assert_snapshot!(plan(how, End::NotStarted, true), @"#1 agent/a-1 process/web, start, did not start: no such program");
}

#[test]
fn what_runs_on_without_its_holder_is_ended_whatever_the_policy() {
    let how = "lost: its holder was killed; pid 7 runs on without it";
    let plan = |restart, due| after_the_end("web", restart, an_end(how, End::Orphaned, due));
    let never = process::Restart::Never;
    assert_snapshot!(plan(never, true), @"#1 agent/a-1 process/web, end, lost: its holder was killed; pid 7 runs on without it");
    let always = process::Restart::Always;
    assert_snapshot!(plan(always, false), @"#1 agent/a-1 process/web, end, lost: its holder was killed; pid 7 runs on without it");
    assert_snapshot!(plan(always, true), @"#1 agent/a-1 process/web, start, was lost: its holder was killed; pid 7 runs on without it");
}

/// `web` comes after `api: ready`.
#[test]
fn a_good_end_is_as_good_as_ready_only_where_it_is_the_last_one() {
    let plan = |restart| after_the_end("api", restart, an_end("exit code 0", End::Success, false));
    assert_snapshot!(plan(process::Restart::Never), @"#1 agent/a-1 process/web, start, does not run");
    assert_snapshot!(plan(process::Restart::OnFailure), @"#1 agent/a-1 process/web, start, does not run");
    assert_snapshot!(plan(process::Restart::Always), @r"
    held agent/a-1 process/api, ended with exit code 0; starts again after a backoff of 1 s (restart 1)
    held agent/a-1 process/web, waits for agent/a-1 process/api to be ready (process/api ended with exit code 0; starts again after a backoff of 1 s (restart 1))
    ");
}
