//! Whether a process ends again and again. Pure.

use super::ConditionType;
use super::Status;
use crate::id::ResourceId;
use crate::kinds::{End, Have, process, service};
use crate::world::{Observed, Seen};

/// So many ends in a row, none after a healthy minute, are no accident.
const LOOP: u32 = 3;

/// What is said of all that do; empty when none does. `ids`: the resources of the object.
pub(super) fn crashes<'a>(
    ids: impl Iterator<Item = &'a ResourceId>,
    have: &Observed,
    previous: Option<&Status>,
) -> String {
    let before = previous.and_then(|status| status.condition(ConditionType::CrashLoop));
    let before = before.map(|condition| condition.message.as_str()).unwrap_or_default();
    let told = ids.filter_map(|id| match have.get(id) {
        Seen::Known(Some(have)) => crash(&id.local(), have, before),
        Seen::Known(None) => None,
        // What was known of it stands.
        Seen::Unknown(_) => told_before(&format!("{} ended ", id.local()), before),
    });
    told.collect::<Vec<_>>().join("\n")
}

fn crash(name: &str, have: &Have, before: &str) -> Option<String> {
    match have {
        Have::Process(process::Observed::Exited { exit, .. })
        | Have::Service(service::Observed::Exited { exit, .. }) => {
            let times = exit.restarts + 1;
            if times < LOOP || exit.end == End::Success {
                return None;
            }
            let last = match exit.end {
                End::NotStarted => format!("the last time it {}", exit.how),
                End::Lost | End::Orphaned => format!("the last time it was {}", exit.how),
                _ => format!("last with {}", exit.how),
            };
            let mut told = format!("{name} ended {times} times in a row, {last}");
            told.push_str(if exit.last_lines.is_empty() { "" } else { "; its log ends with:" });
            for line in &exit.last_lines {
                told.push_str("\n  ");
                told.push_str(line);
            }
            Some(told)
        }
        // It was started again, and has not run for a minute yet.
        Have::Process(process::Observed::Running { restarts, .. }) if *restarts >= LOOP => {
            let told = format!("{name} ended {restarts} times in a row");
            Some(told_before(&format!("{told}, "), before).unwrap_or(told))
        }
        _ => None,
    }
}

/// What was said of it: a line that begins so, and those below it.
fn told_before(begin: &str, before: &str) -> Option<String> {
    let mut lines = before.lines().skip_while(|line| !line.starts_with(begin));
    let first = lines.next()?;
    let rest = lines.take_while(|line| line.starts_with("  "));
    Some(std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ObjectKey, ResourceKind, Uid};
    use crate::kinds::{Exit, Readiness};

    fn api() -> ResourceId {
        ResourceId {
            owner: ObjectKey::agent("a-1"),
            uid: Uid::new("u"),
            kind: ResourceKind::Process,
            name: "api".to_owned(),
        }
    }

    fn exited(restarts: u32, end: End) -> Seen<Option<Have>> {
        let exit = Exit {
            how: "exit code 3".into(),
            end,
            restarts,
            restart_due: false,
            backoff_ms: 4000,
            last_lines: vec!["cannot open the door".into(), "giving up".into()],
        };
        let fingerprint = "f".into();
        Seen::Known(Some(Have::Process(process::Observed::Exited { fingerprint, exit })))
    }

    fn running(restarts: u32) -> Seen<Option<Have>> {
        Seen::Known(Some(Have::Process(process::Observed::Running {
            fingerprint: "f".into(),
            pid: 7,
            ready: Readiness::Ready,
            restarts,
            age_ms: 1,
            folder_gone: false,
            hopeless: None,
            changed: None,
        })))
    }

    fn told(seen: Seen<Option<Have>>, before: &str) -> String {
        let have: Observed = [(api(), seen)].into_iter().collect();
        let mut status = crate::status::unresolved(1, "", None, jiff::Timestamp::UNIX_EPOCH);
        for condition in &mut status.conditions {
            if condition.kind == ConditionType::CrashLoop {
                before.clone_into(&mut condition.message);
            }
        }
        crashes([api()].iter(), &have, Some(&status))
    }

    #[test]
    fn the_third_end_in_a_row_is_a_loop() {
        assert_eq!(told(exited(1, End::Failure), ""), "");
        assert_eq!(told(exited(9, End::Success), ""), "");
        insta::assert_snapshot!(told(exited(2, End::Failure), ""), @"
        process/api ended 3 times in a row, last with exit code 3; its log ends with:
          cannot open the door
          giving up
        ");
    }

    #[test]
    fn it_lasts_until_it_has_run_for_a_minute_and_reads_the_same() {
        let loops = told(exited(2, End::Failure), "");
        let others =
            format!("process/a ended 9 times in a row\n{loops}\nprocess/b ended 4 times in a row");
        assert_eq!(told(running(3), &others), loops);
        assert_eq!(told(Seen::Unknown("away".into()), &others), loops);
        assert_eq!(told(running(3), ""), "process/api ended 3 times in a row");
        // That many restarts are forgotten after a healthy minute.
        assert_eq!(told(running(0), &loops), "");
        assert_eq!(told(Seen::Known(None), &loops), "");
    }
}
