//! Objects for which the host has no room: nothing of them is begun or changed, and they may leave.

use super::*;

const WHY: &str = "asks for 2.0Gi of memory, and of 16Gi no more than 1.0Gi is left";

#[test]
fn nothing_is_begun_without_room() {
    let refused = DesiredObject { no_room: Some(WHY.into()), ..object() };
    assert_snapshot!(planned(refused, &nothing()), @"held agent/a-1, no room: asks for 2.0Gi of memory, and of 16Gi no more than 1.0Gi is left");
}

#[test]
fn what_runs_goes_on_and_is_not_changed_until_there_is_room() {
    let mut refused = DesiredObject { no_room: Some(WHY.into()), ..object() };
    assert!(planned(refused.clone(), &all()).is_settled());
    let Resource::Process(want) = process("api") else { panic!() };
    let want = process::Desired { fingerprint: "api-2".into(), ..(*want).clone() };
    refused.resources.get_mut(&api()).unwrap().target =
        AnyTarget::Present(Resource::Process(Arc::new(want)));
    assert_snapshot!(planned(refused.clone(), &all()), @"held agent/a-1, no room: asks for 2.0Gi of memory, and of 16Gi no more than 1.0Gi is left");
    refused.no_room = None;
    assert_snapshot!(planned(refused, &all()), @"#1 agent/a-1 process/api, respawn, its command, environment, ports or limits changed");
}

#[test]
fn who_leaves_needs_no_room() {
    let refused = DesiredObject { no_room: Some(WHY.into()), ..leaving(&AnyTarget::Trashed) };
    let plan = planned(refused, &all());
    assert_eq!(plan, planned(leaving(&AnyTarget::Trashed), &all()));
    assert!(!plan.steps.is_empty());
}
