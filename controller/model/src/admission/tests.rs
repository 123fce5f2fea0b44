//! What is refused, what is kept, and in which order.

use super::*;

const GIB: u64 = 1 << 30;

/// A host with 16Gi of memory and 100Gi of disk, and what is known of its agents.
#[derive(Default)]
struct Case {
    desired: Desired,
    known: BTreeMap<Uid, Known>,
    facts: Facts,
}

impl Case {
    fn new() -> Self {
        let mut case = Self::default();
        let answers = &mut case.facts.answers;
        answers.insert(Need::Memory, Ok((16 * GIB).to_string()));
        answers.insert(Need::Disk, Ok((100 * GIB).to_string()));
        case
    }

    /// An agent that was accepted at this second and asks for so many GiB of memory and disk.
    fn agent(
        mut self,
        name: &str,
        second: i64,
        asks: (u64, u64),
        given: Option<(u64, u64)>,
    ) -> Self {
        let amount = |(memory, disk)| Amount { memory: memory * GIB, disk: disk * GIB };
        let (key, uid) = (ObjectKey::agent(name), Uid::new(name));
        let since = Timestamp::from_second(second).unwrap();
        let known = Known { turn: Turn::of(&key, since), given: given.map(amount) };
        self.known.insert(uid.clone(), known);
        let object = DesiredObject { asks: amount(asks), ..DesiredObject::default() };
        self.desired.objects.insert((key, uid), object);
        self
    }

    fn object(&mut self, name: &str) -> &mut DesiredObject {
        self.desired.objects.get_mut(&(ObjectKey::agent(name), Uid::new(name))).unwrap()
    }

    fn admit(&mut self) -> BTreeSet<Need> {
        let mut needs = BTreeSet::new();
        admit(&mut self.desired, &self.known, &self.facts, &mut needs);
        needs
    }

    /// One line for each that is refused.
    fn refused(&mut self) -> String {
        self.admit();
        let refused = self.desired.objects.iter().filter_map(|((key, _), object)| {
            let why = object.no_room.as_ref()?;
            Some(format!("{}: {}\n", key.name, why.split(';').next().unwrap_or_default()))
        });
        refused.collect()
    }
}

#[test]
fn who_came_first_goes_first_and_the_rest_waits() {
    let mut case = Case::new()
        .agent("agent-10", 1, (6, 0), None)
        .agent("agent-2", 1, (6, 0), None)
        .agent("agent-1", 2, (6, 0), None)
        .agent("agent-3", 3, (4, 0), None);
    insta::assert_snapshot!(case.refused(), @"agent-1: asks for 6.0Gi of memory, and of 16Gi no more than 4.0Gi is left");
}

#[test]
fn what_was_given_is_kept_and_counts_also_for_whom_nothing_is_known_of_now() {
    let mut case = Case::new()
        .agent("agent-1", 1, (9, 0), None)
        .agent("agent-2", 2, (8, 0), Some((8, 0)))
        .agent("agent-3", 3, (4, 0), Some((4, 0)));
    case.desired.objects.remove(&(ObjectKey::agent("agent-3"), Uid::new("agent-3")));
    insta::assert_snapshot!(case.refused(), @"agent-1: asks for 9.0Gi of memory, and of 16Gi no more than 4.0Gi is left");
    // It has left.
    case.known.remove(&Uid::new("agent-3"));
    case.known.remove(&Uid::new("agent-2"));
    case.desired.objects.remove(&(ObjectKey::agent("agent-2"), Uid::new("agent-2")));
    assert_eq!(case.refused(), "");
}

#[test]
fn more_than_was_given_waits_for_room_and_less_makes_some() {
    let mut case = Case::new().agent("agent-1", 1, (10, 0), Some((6, 0))).agent(
        "agent-2",
        2,
        (8, 0),
        Some((8, 0)),
    );
    insta::assert_snapshot!(case.refused(), @"agent-1: asks for 10Gi of memory, and of 16Gi no more than 8.0Gi is left");
    case.object("agent-1").asks.memory = 7 * GIB;
    assert_eq!(case.refused(), "");
}

#[test]
fn shared_services_take_their_part() {
    let mut case = Case::new().agent("agent-1", 1, (15, 0), None);
    let infra =
        DesiredObject { asks: Amount { memory: 2 * GIB, disk: 0 }, ..DesiredObject::default() };
    case.desired.objects.insert((ObjectKey::infra("shared"), Uid::new("i")), infra);
    insta::assert_snapshot!(case.refused(), @"agent-1: asks for 15Gi of memory, and of 16Gi no more than 14Gi is left");
}

#[test]
fn disk_has_to_be_there_and_free() {
    let mut case =
        Case::new().agent("agent-1", 1, (0, 60), None).agent("agent-2", 2, (0, 60), None);
    let needs = case.admit();
    assert!(needs.contains(&Need::FreeDisk(60 * GIB)), "{needs:?}");
    assert!(!needs.contains(&Need::Memory), "nobody asks for it");
    insta::assert_snapshot!(case.refused(), @"
    agent-1: asks for 60Gi of disk: not looked at yet
    agent-2: asks for 60Gi of disk: not looked at yet
    ");
    case.facts.answers.insert(Need::FreeDisk(60 * GIB), Ok(String::new()));
    insta::assert_snapshot!(case.refused(), @"agent-2: asks for 60Gi of disk, and of 100Gi no more than 40Gi is left");
    let why = "no more than 3.0Gi is free where /state is".to_owned();
    case.facts.answers.insert(Need::FreeDisk(60 * GIB), Err(why));
    insta::assert_snapshot!(case.refused(), @"
    agent-1: asks for 60Gi of disk: no more than 3.0Gi is free where /state is
    agent-2: asks for 60Gi of disk: no more than 3.0Gi is free where /state is
    ");
}

#[test]
fn an_infra_says_how_much_there_is_to_give() {
    let mut case = Case::new().agent("agent-1", 1, (20, 0), None);
    case.object("agent-1").capacity.overcommit = true;
    assert_eq!(case.refused(), "");
    case.object("agent-1").capacity = Capacity { memory: Some(24 * GIB), ..Capacity::default() };
    assert_eq!(case.refused(), "");
    case.object("agent-1").capacity = Capacity { memory: Some(8 * GIB), ..Capacity::default() };
    insta::assert_snapshot!(case.refused(), @"agent-1: asks for 20Gi of memory, and there is 8.0Gi in all");
}

#[test]
fn what_cannot_be_looked_at_lets_nobody_start_who_asks_for_it() {
    let mut case = Case::new().agent("agent-1", 1, (1, 0), None).agent("agent-2", 2, (0, 0), None);
    case.facts.answers.insert(Need::Memory, Err("cannot read /proc/meminfo".into()));
    insta::assert_snapshot!(case.refused(), @"agent-1: how much memory there is cannot be told: cannot read /proc/meminfo");
}

#[test]
fn who_leaves_is_not_refused() {
    let mut case = Case::new().agent("agent-1", 1, (20, 0), None);
    case.object("agent-1").deleting = true;
    assert_eq!(case.refused(), "");
}

#[test]
fn who_is_suspended_asks_for_nothing_new_and_keeps_what_it_has() {
    let mut case = Case::new()
        .agent("agent-1", 1, (10, 0), None)
        .agent("agent-2", 2, (10, 0), None)
        .agent("agent-3", 3, (4, 0), Some((4, 0)));
    for name in ["agent-1", "agent-3"] {
        case.object(name).suspended = Some("on holiday".into());
    }
    assert_eq!(case.refused(), "", "only what agent-3 has is taken");
    case.object("agent-1").suspended = None;
    case.known.get_mut(&Uid::new("agent-2")).unwrap().given =
        Some(Amount { memory: 10 * GIB, disk: 0 });
    insta::assert_snapshot!(case.refused(), @"agent-1: asks for 10Gi of memory, and of 16Gi no more than 2.0Gi is left");
}
