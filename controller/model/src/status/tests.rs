//! Statuses from outcomes: what is on its way, what is stuck, and what stands behind it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ConditionType, Outcome, Phase, Status, Truth, status};
use crate::desired::{DesiredObject, Wanted};
use crate::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use crate::kinds::{Need, Place, setup};
use crate::plan::Hold;
use crate::world::{ApplyError, Class, Fate, Observed};

/// An object that wants nothing but setup steps.
#[derive(Default)]
struct Case {
    fates: BTreeMap<ResourceId, Fate>,
    held: BTreeMap<ResourceId, Hold>,
    unfinished: Vec<ResourceId>,
    others: BTreeMap<ObjectKey, Status>,
    suspended: Option<String>,
    source: Option<String>,
}

fn id(owner: &ObjectKey, name: &str) -> ResourceId {
    ResourceId {
        owner: owner.clone(),
        uid: Uid::new("0190-12345678"),
        kind: ResourceKind::Setup,
        name: name.into(),
    }
}

fn own(name: &str) -> ResourceId {
    id(&ObjectKey::agent("agent-3"), name)
}

fn failed(class: Class, message: &str) -> Fate {
    Fate::Failed(ApplyError { class, message: message.into(), part: None })
}

/// A failure of one part of a resource.
fn of(part: &str, fate: Fate) -> Fate {
    match fate {
        Fate::Failed(error) => Fate::Failed(ApplyError { part: Some(part.to_owned()), ..error }),
        other => other,
    }
}

fn waits_for(owner: &ObjectKey, name: &str) -> Hold {
    Hold::Blocked { by: id(owner, name), need: Need::Succeeded, root: None }
}

impl Case {
    fn status(&self) -> Status {
        let wanted = || Wanted {
            target: crate::kinds::AnyTarget::Gone,
            place: Place::Setup(setup::Place { root: "/".into() }),
            after: Vec::new(),
            renewed_by: Vec::new(),
            source: self.source.clone(),
            parts: BTreeMap::new(),
        };
        let ids = self.fates.keys().chain(self.held.keys()).chain(&self.unfinished);
        let object = DesiredObject {
            resources: ids.map(|id| (id.clone(), wanted())).collect(),
            suspended: self.suspended.clone(),
            ..DesiredObject::default()
        };
        let outcome = Outcome {
            object: &object,
            have: &Observed::default(),
            fates: &self.fates,
            held: &self.held,
            unfinished: &self.unfinished,
            generation: 1,
            source_error: None,
            deletion_blocked: None,
            others: &self.others,
        };
        status(&outcome, None, Timestamp::UNIX_EPOCH)
    }
}

fn message(status: &Status, kind: ConditionType) -> &str {
    &status.condition(kind).unwrap().message
}

#[test]
fn what_failed_and_what_stands_behind_it_is_not_about_to_be_done() {
    let mut case = Case::default();
    case.fates.insert(own("a"), failed(Class::Terminal, "no such command"));
    case.fates.insert(own("b"), Fate::Blocked { by: 1 });
    case.unfinished = vec![own("a"), own("b")];
    let status = case.status();
    assert_eq!(status.phase, Phase::Stalled);
    assert_eq!(message(&status, ConditionType::Progressing), "");
    assert!(status.is_stuck());

    case.unfinished.push(own("c"));
    let status = case.status();
    assert_eq!(message(&status, ConditionType::Progressing), "setup/c is under way");
    assert!(!status.is_stuck(), "something is still to come");
}

#[test]
fn how_far_a_step_is_takes_the_place_of_what_was_said_before() {
    let mut case = Case { unfinished: vec![own("a"), own("b")], ..Case::default() };
    case.fates.insert(own("c"), failed(Class::Transient, "connection refused"));
    let mut status = case.status();
    for text in ["fetching it", "fetching it, for 5 s"] {
        status.tell_progress(&own("a"), text);
        assert_eq!(
            message(&status, ConditionType::Progressing),
            format!(
                "setup/c: connection refused; setup/a is under way: {text}; setup/b is under way"
            )
        );
    }
    let before = status.clone();
    status.tell_progress(&own("z"), "nobody asked");
    assert_eq!(status, before);
}

#[test]
fn what_will_be_tried_again_is_not_stuck() {
    let mut case = Case::default();
    case.fates.insert(own("a"), failed(Class::Terminal, "no such command"));
    case.fates.insert(own("b"), failed(Class::Transient, "connection refused"));
    case.unfinished = vec![own("a"), own("b")];
    assert!(!case.status().is_stuck());
    case.fates.insert(own("b"), failed(Class::Conflict, "not ours"));
    assert!(case.status().is_stuck());
    case.suspended = Some("on holiday".into());
    assert!(!case.status().is_stuck(), "nothing is concluded from what is left alone");
}

#[test]
fn what_waits_for_something_stalled_is_not_on_its_way() {
    let me = ObjectKey::agent("agent-3");
    let stalled = "ended with exit code 1, and its spec says `restart: never`";
    let mut case = Case::default();
    case.held.insert(own("a"), Hold::Stalled(stalled.into()));
    case.held.insert(own("b"), waits_for(&me, "a"));
    case.held.insert(own("c"), waits_for(&me, "b"));
    let status = case.status();
    assert_eq!(status.phase, Phase::Stalled);
    assert_eq!(message(&status, ConditionType::Progressing), "");
    assert!(status.is_stuck());
    assert_eq!(status.condition(ConditionType::Synced).unwrap().status, Truth::False);

    // Behind a step that was not tried, because the one before it cannot work.
    let mut case = Case::default();
    case.fates.insert(own("tree"), failed(Class::Terminal, "there is no repository"));
    case.fates.insert(own("a"), Fate::Blocked { by: 1 });
    case.unfinished = vec![own("tree"), own("a")];
    case.held.insert(own("b"), waits_for(&me, "a"));
    assert!(case.status().is_stuck());

    // As long as anything else moves, it is not all over.
    case.fates.insert(own("tree"), failed(Class::Transient, "the volume is busy"));
    assert!(!case.status().is_stuck());
    case.fates.insert(own("tree"), failed(Class::Terminal, "there is no repository"));
    case.held.insert(own("d"), Hold::Wait("is starting".into()));
    assert!(!case.status().is_stuck());
}

#[test]
fn who_waits_for_a_stuck_object_is_stalled_as_well() {
    let (infra, stack) = (ObjectKey::infra("shared"), ObjectKey::stack("s"));
    let mut root = Case::default();
    root.fates.insert(id(&infra, "server"), failed(Class::Terminal, "port 5432 is taken"));
    root.unfinished = vec![id(&infra, "server")];
    let mut middle = Case::default();
    middle.held.insert(id(&stack, "template"), waits_for(&infra, "server"));
    middle.others.insert(infra.clone(), root.status());
    let mut case = Case::default();
    case.held.insert(own("a"), waits_for(&stack, "template"));
    case.held.insert(own("b"), waits_for(&stack, "template"));
    case.others.insert(stack.clone(), middle.status());
    let status = case.status();
    assert_eq!(status.phase, Phase::Stalled);
    assert!(status.is_stuck());
    assert_eq!(
        message(&status, ConditionType::Ready),
        "stack/s is stalled: infra/shared is stalled: setup/server: port 5432 is taken"
    );
    assert_eq!(
        message(&status, ConditionType::Stalled).matches("stack/s").count(),
        1,
        "once for all that waits"
    );
}

#[test]
fn who_waits_for_an_object_on_its_way_waits() {
    let stack = ObjectKey::stack("s");
    let mut owner = Case::default();
    owner.fates.insert(id(&stack, "x"), failed(Class::Terminal, "no"));
    owner.unfinished = vec![id(&stack, "x"), id(&stack, "template")];
    let mut case = Case::default();
    case.held.insert(own("a"), waits_for(&stack, "template"));
    for others in [BTreeMap::new(), [(stack.clone(), owner.status())].into()] {
        case.others = others;
        let status = case.status();
        assert_eq!(status.phase, Phase::Pending);
        assert_eq!(status.condition(ConditionType::Stalled).unwrap().status, Truth::False);
    }
    // Its own resources never make it wait for itself.
    case.held = [(own("a"), waits_for(&ObjectKey::agent("agent-3"), "b"))].into();
    case.others = [(ObjectKey::agent("agent-3"), owner.status())].into();
    assert_eq!(case.status().phase, Phase::Pending);
}

#[test]
fn what_waits_for_something_that_fails_says_where_to_look() {
    let stack = ObjectKey::stack("s");
    let mut owner = Case { unfinished: vec![id(&stack, "template")], ..Case::default() };
    let mut case = Case::default();
    case.held.insert(own("a"), waits_for(&stack, "template"));
    case.others = [(stack.clone(), owner.status())].into();
    let waits = "setup/a waits for stack/s setup/template to succeed";
    assert_eq!(message(&case.status(), ConditionType::Ready), waits, "it is under way");

    owner.fates.insert(id(&stack, "template"), failed(Class::Transient, "exit code 3;\n  no"));
    case.others = [(stack.clone(), owner.status())].into();
    let waits = format!("{waits}; `ctl describe stack/s` says why");
    assert_eq!(message(&case.status(), ConditionType::Ready), waits);
}

#[test]
fn what_does_not_work_says_where_it_is_asked_for() {
    let mut wanted = Wanted {
        target: crate::kinds::AnyTarget::Gone,
        place: Place::Setup(setup::Place { root: "/".into() }),
        after: Vec::new(),
        renewed_by: Vec::new(),
        source: None,
        parts: [("fill".to_owned(), "specs/stack.yaml:19:7".to_owned())].into(),
    };
    let mut object = DesiredObject::default();
    for (name, line) in [("a", 12), ("b", 13), ("c", 14), ("d", 15), ("e", 16)] {
        wanted.source = Some(format!("specs/stack.yaml:{line}:3"));
        object.resources.insert(own(name), wanted.clone());
    }
    let said = "`seed` ended with exit code 3; its last lines (all are in seed.log):\n  went wrong\n  here";
    let fates = [
        (own("a"), failed(Class::Terminal, "no such command")),
        (own("d"), failed(Class::Transient, said)),
        (own("e"), of("fill", failed(Class::Transient, "no disk"))),
    ]
    .into();
    let held = [
        (own("b"), Hold::Conflict("it is somebody's".into())),
        (own("c"), Hold::Wait("starts".into())),
    ]
    .into();
    let outcome = Outcome {
        object: &object,
        have: &Observed::default(),
        fates: &fates,
        held: &held,
        unfinished: &[],
        generation: 1,
        source_error: None,
        deletion_blocked: None,
        others: &BTreeMap::new(),
    };
    let status = status(&outcome, None, Timestamp::UNIX_EPOCH);
    insta::assert_snapshot!(message(&status, ConditionType::Stalled), @"setup/a: no such command (asked for at specs/stack.yaml:12:3); setup/b conflict: it is somebody's (asked for at specs/stack.yaml:13:3)");
    insta::assert_snapshot!(message(&status, ConditionType::Progressing), @"
    setup/d: `seed` ended with exit code 3; its last lines (all are in seed.log) (asked for at specs/stack.yaml:15:3):
      went wrong
      here; setup/e: no disk (asked for at specs/stack.yaml:19:7); setup/c starts
    ");
}

#[test]
fn without_room_an_object_is_pending_and_says_so_once() {
    let mut case = Case::default();
    for name in ["a", "b"] {
        case.held.insert(own(name), Hold::NoRoom("asks for 2.0Gi of memory".into()));
    }
    let status = case.status();
    assert_eq!(status.phase, Phase::Pending);
    let said = "no room: asks for 2.0Gi of memory";
    assert_eq!(message(&status, ConditionType::Ready), said);
    assert_eq!(message(&status, ConditionType::Progressing), said);
}

#[test]
fn what_leaves_is_told_apart_from_what_is_wanted() {
    let mut case = Case::default();
    case.held.insert(own("a"), Hold::Wait("ends".into()));
    let status = case.status();
    assert!(status.resources.values().all(|resource| resource.leaving), "nobody wants it");
}

#[test]
fn an_outage_is_not_blamed_on_what_asks_for_the_thing() {
    let mut case = Case::default();
    case.held.insert(own("a"), Hold::Unknown("the server does not answer".into()));
    case.source = Some("specs/stack.yaml:12:3".into());
    let status = case.status();
    let said = "setup/a cannot be seen: the server does not answer";
    assert_eq!(message(&status, ConditionType::Ready), said);
}
