//! The queue under a clock of its own: order, debounce, backoff, ageing.

use super::*;

const MS: Duration = Duration::from_millis(1);

fn drain(queue: &mut Queue<&'static str>, now: Instant) -> Vec<&'static str> {
    std::iter::from_fn(|| queue.pop(now)).collect()
}

#[test]
fn equal_keys_are_merged_and_the_earliest_wins() {
    let t0 = Instant::now();
    let mut queue = Queue::new(9);
    queue.add("a", t0, 50 * MS);
    queue.add("a", t0, 10 * MS);
    queue.add("a", t0, 90 * MS);
    assert_eq!(queue.pop(t0 + 9 * MS), None);
    assert_eq!(queue.next_due(), Some(t0 + 10 * MS));
    assert_eq!(drain(&mut queue, t0 + 10 * MS), ["a"]);
    queue.done(&"a", Done::Settled, t0 + 11 * MS, 0.0);
    assert_eq!(drain(&mut queue, t0 + 100 * MS), [""; 0]);
}

#[test]
fn a_key_never_runs_twice_at_a_time_and_a_wake_up_meanwhile_is_not_lost() {
    let t0 = Instant::now();
    let mut queue = Queue::new(9);
    queue.add("a", t0, Duration::ZERO);
    assert_eq!(queue.pop(t0), Some("a"));
    queue.add("a", t0, Duration::ZERO);
    assert_eq!(queue.pop(t0 + MS), None);
    assert_eq!(queue.next_due(), None);
    queue.done(&"a", Done::Settled, t0 + 2 * MS, 0.0);
    assert_eq!(queue.pop(t0 + 2 * MS), Some("a"));
}

#[test]
fn the_first_to_become_due_goes_first() {
    let t0 = Instant::now();
    let mut queue = Queue::new(9);
    for (key, delay) in [("c", 3), ("a", 5), ("b", 3), ("d", 1)] {
        queue.add(key, t0, delay * MS);
    }
    assert_eq!(drain(&mut queue, t0 + 10 * MS), ["d", "c", "b", "a"]);
}

#[test]
fn resyncs_give_way_and_still_come_to_their_turn() {
    let t0 = Instant::now();
    let mut queue = Queue::new(9);
    queue.resync("old resync", t0, Duration::ZERO);
    queue.add("event", t0, 5 * MS);
    assert_eq!(queue.pop(t0 + 10 * MS), Some("event"));
    // An event that comes after the handicap no longer overtakes it.
    let later = t0 + RESYNC_HANDICAP + MS;
    queue.add("late event", later, Duration::ZERO);
    assert_eq!(drain(&mut queue, later), ["old resync", "late event"]);
}

#[test]
fn a_stream_of_changes_is_waited_out_but_not_for_ever() {
    let t0 = Instant::now();
    let mut queue = Queue::new(9);
    queue.debounce("a", t0);
    queue.debounce("a", t0 + 150 * MS);
    assert_eq!(queue.pop(t0 + 210 * MS), None);
    assert_eq!(queue.pop(t0 + 350 * MS), Some("a"));
    queue.done(&"a", Done::Settled, t0 + 350 * MS, 0.0);

    let mut now = t0 + 400 * MS;
    let begin = now;
    while queue.pop(now).is_none() {
        queue.debounce("a", now);
        now += 100 * MS;
    }
    assert_eq!(now - begin, DEBOUNCE_MAX);
}

#[test]
fn a_change_does_not_put_off_another_wake_up() {
    let t0 = Instant::now();
    let mut queue = Queue::new(9);
    queue.add("a", t0, 50 * MS);
    queue.debounce("a", t0);
    assert_eq!(queue.pop(t0 + 50 * MS), Some("a"));
}

#[test]
fn failures_back_off_and_success_forgets_them() {
    let mut now = Instant::now();
    let mut queue = Queue::new(9);
    let mut delays = Vec::new();
    queue.add("a", now, Duration::ZERO);
    for _ in 0..10 {
        assert_eq!(queue.pop(now), Some("a"));
        queue.done(&"a", Done::Failed, now, 1.0);
        let due = queue.next_due().unwrap();
        delays.push((due - now).as_secs());
        now = due;
    }
    assert_eq!(delays, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(queue.pop(now), Some("a"));
    queue.done(&"a", Done::Again(7 * MS), now, 0.0);
    assert_eq!(queue.next_due(), Some(now + 7 * MS));
    assert_eq!(queue.pop(now + 7 * MS), Some("a"));
    queue.done(&"a", Done::Failed, now, 1.0);
    assert_eq!(queue.next_due(), Some(now + 2000 * MS));
}

#[test]
fn a_run_that_was_woken_early_does_not_lengthen_the_backoff() {
    let t0 = Instant::now();
    let mut queue = Queue::new(9);
    for _ in 0..5 {
        queue.add("a", t0, Duration::ZERO);
        assert_eq!(queue.pop(t0), Some("a"));
        queue.done(&"a", Done::Failed, t0, 1.0);
    }
    assert_eq!(queue.next_due(), Some(t0 + 2000 * MS));
}

#[test]
fn no_more_than_the_limit_run_at_a_time() {
    let t0 = Instant::now();
    let mut queue = Queue::new(2);
    for key in ["a", "b", "c"] {
        queue.add(key, t0, Duration::ZERO);
    }
    assert_eq!(drain(&mut queue, t0), ["a", "b"]);
    assert_eq!(queue.next_due(), None);
    assert!(!queue.is_quiet(t0));
    queue.done(&"b", Done::Settled, t0, 0.0);
    assert_eq!(drain(&mut queue, t0), ["c"]);
}
