//! Which objects whose file vanished may really leave. Pure.
//!
//! A vanished file is a wish only if nothing suggests an accident: the folder can be read, is not empty and
//! is on the same device, the file stayed away for the grace period (a rename is a move, not a deletion),
//! and not more than max(1, 20 %) of the agents vanish together. Everything else waits for `ctl approve`.

use std::collections::{BTreeMap, BTreeSet};

use agent_harness_model::id::{ObjectKey, ObjectKind};
use jiff::{SignedDuration, Timestamp};

/// What is known when the guard is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// Objects without a document, and since when.
    pub vanished: &'a BTreeMap<ObjectKey, Timestamp>,
    /// Number of agents before they vanished.
    pub agents: usize,
    /// Why the folder is not to be believed, if so.
    pub distrust: Option<&'a str>,
    /// Objects that somebody approved.
    pub approved: &'a BTreeSet<ObjectKey>,
    /// How long a file has to be away.
    pub grace: SignedDuration,
    /// Now.
    pub now: Timestamp,
}

/// What the guard says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruling {
    /// These may leave.
    pub leave: BTreeSet<ObjectKey>,
    /// Ask again then: the grace of another one ends.
    pub ask_again: Option<Timestamp>,
    /// Why the others may not, in words.
    pub frozen: Option<String>,
}

/// Rules.
pub fn rule(question: &Question<'_>) -> Ruling {
    let Question { vanished, agents, distrust, approved, grace, now } = *question;
    let mut ruling = Ruling::default();
    let (over, waiting): (Vec<_>, Vec<_>) =
        vanished.iter().partition(|(_, since)| now.duration_since(**since) >= grace);
    ruling.ask_again = waiting.iter().filter_map(|(_, since)| since.checked_add(grace).ok()).min();
    let (allowed, rest): (Vec<_>, Vec<_>) =
        over.into_iter().map(|(key, _)| key.clone()).partition(|key| approved.contains(key));
    ruling.leave.extend(allowed);
    if rest.is_empty() {
        return ruling;
    }
    let limit = (agents / 5).max(1);
    // Those still within their grace count too: a slow `rm *` is one deletion, not many.
    let leaving_agents = vanished.keys().filter(|key| key.kind == ObjectKind::Agent).count();
    if let Some(why) = distrust {
        ruling.frozen = Some(format!("deletions are frozen: {why}"));
    } else if leaving_agents > limit {
        ruling.frozen = Some(format!(
            "deletions are frozen: {leaving_agents} of {agents} agents vanished at once, more than {limit}; \
             put the files back, or let them go with `ctl approve`"
        ));
    } else {
        ruling.leave.extend(rest);
    }
    ruling
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        names: &[&str],
        agents: usize,
        distrust: Option<&str>,
        approved: &[&str],
        after_s: i64,
    ) -> Ruling {
        let vanished =
            names.iter().map(|name| (ObjectKey::agent(*name), Timestamp::UNIX_EPOCH)).collect();
        rule(&Question {
            vanished: &vanished,
            agents,
            distrust,
            approved: &approved.iter().map(|name| ObjectKey::agent(*name)).collect(),
            grace: SignedDuration::from_secs(3),
            now: Timestamp::from_second(after_s).unwrap(),
        })
    }

    #[test]
    fn one_may_leave_after_its_grace() {
        let early = ask(&["a"], 3, None, &[], 1);
        assert!(early.leave.is_empty());
        assert_eq!(early.ask_again, Some(Timestamp::from_second(3).unwrap()));
        let late = ask(&["a"], 3, None, &[], 3);
        assert_eq!(late.leave, [ObjectKey::agent("a")].into());
        assert_eq!(late.frozen, None);
    }

    #[test]
    fn many_at_once_wait_for_approval() {
        let ruling = ask(&["a", "b"], 9, None, &[], 9);
        assert!(ruling.leave.is_empty());
        assert_eq!(
            ruling.frozen.as_deref(),
            Some(
                "deletions are frozen: 2 of 9 agents vanished at once, more than 1; put the files back, \
                 or let them go with `ctl approve`"
            )
        );
        assert_eq!(ask(&["a", "b"], 10, None, &[], 9).leave.len(), 2, "20 % may go");
        assert_eq!(ask(&["a", "b"], 9, None, &["a", "b"], 9).leave.len(), 2, "approved");
    }

    #[test]
    fn a_folder_that_is_not_to_be_believed_deletes_nothing() {
        let ruling = ask(&["a"], 9, Some("the folder is empty"), &[], 9);
        assert!(ruling.leave.is_empty());
        assert_eq!(ruling.frozen.as_deref(), Some("deletions are frozen: the folder is empty"));
    }
}
