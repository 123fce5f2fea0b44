//! The survey: looks at the specs folder, brings the ledger up to date with it, looks facts up, and resolves
//! everything into a new view. It is a job of the queue like any other, and wakes the objects that changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::resolve::{Need, Resolution};
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::status::{Blocked, Blocker};
use jiff::Timestamp;

use crate::assemble::{accept, assemble, note_given, note_leaving, set_apart_moved, still_needed};
use crate::core::{Core, Job, Progress};
use crate::intake::sources::{Intake, document, last_good};
use crate::ledger::{Ledger, LedgerError};
use crate::view::View;

mod basis;
pub use basis::Basis;
use basis::Inputs;

/// What git said longer ago is asked again at a survey.
const FACTS_MAX_AGE: Duration = Duration::from_secs(5);

/// A fact can need another one; each round knows at least one more.
const ROUNDS: usize = 16;

/// Makes a new view and wakes whom it concerns. Blocks on small files and on git.
pub fn survey(core: &Core, max_age: Duration) -> Result<Arc<View>, LedgerError> {
    survey_with(core, &core.survey_turn(), max_age.min(FACTS_MAX_AGE))
}

/// A view of the folder as it was at that moment or later: a new one, unless a survey has begun since. Whoever
/// asks right after an edit is not told of what was there before it, and many who ask at a time share one look.
pub fn no_older_than(
    core: &Core,
    asked: Instant,
    max_age: Duration,
) -> Result<Arc<View>, LedgerError> {
    let turn = core.survey_turn();
    match core.last_survey() {
        Some(begun) if begun >= asked => Ok(core.view()),
        _ => survey_with(core, &turn, max_age),
    }
}

/// The same, by whoever has the turn already.
pub fn survey_with(
    core: &Core,
    _turn: &MutexGuard<'_, ()>,
    max_age: Duration,
) -> Result<Arc<View>, LedgerError> {
    let (now, begun) = (Timestamp::now(), Instant::now());
    core.sources().read(); // I/O: the folder
    if let Some(view) = unchanged(core, max_age) {
        core.note_survey(begun);
        return Ok(view);
    }
    let inputs = Inputs::now(core);
    let intake = {
        let mut sources = core.sources();
        let mut ledger = core.ledger();
        let mut intake = sources.settle(&ledger, now); // pure
        postpone(&mut intake, &ledger);
        accept(&mut ledger, &intake, core.config.retention, now)?; // I/O: the ledger
        keep_needed(&mut intake, &ledger);
        intake
    };
    let mut resolution = resolve_with_facts(core, &intake, max_age, now);
    if set_apart_moved(&mut core.ledger(), &resolution.desired, &core.facts.facts())? {
        // I/O: the ledger
        resolution = resolve_with_facts(core, &intake, FACTS_MAX_AGE, now);
    }
    note_leaving(&mut core.ledger(), &resolution.desired, &core.facts.facts(), now)?; // I/O: the ledger
    note_given(&mut core.ledger(), &resolution.desired)?; // I/O: the ledger
    keep_resolved(core, &mut resolution);
    let view = View::new(intake, resolution.desired, resolution.problems, resolution.needs);
    let view = Arc::new(view);
    publish(core, &view, now);
    core.note_basis(Basis::of(core, inputs, &view.intake, &view));
    core.note_survey(begun);
    Ok(view)
}

/// The view of now, when a new one would be the same. Blocks on files and git.
fn unchanged(core: &Core, max_age: Duration) -> Option<Arc<View>> {
    let basis = core.basis()?;
    let view = basis.view(core)?;
    gather(core, &view.needs, max_age); // I/O: secrets, files, git
    if !basis.has_facts_of(core) {
        return None;
    }
    // It may have failed before.
    core.statuses().write_problems(&view.loose_problems());
    Some(Arc::clone(view))
}

/// What cannot be resolved now (a template file is gone, a repository cannot be read) stays wanted as it was:
/// it goes on being healed. After a restart there is nothing to go back to, and nothing is done about it.
fn keep_resolved(core: &Core, resolution: &mut Resolution) {
    let before = core.view();
    for record in core.ledger().records().filter(|record| record.deletion.is_none()) {
        let id = (record.key.clone(), record.uid.clone());
        if let Some(object) = before.desired.objects.get(&id) {
            resolution.desired.objects.entry(id).or_insert_with(|| object.clone());
        }
    }
    resolution.desired.connections.fill_in(&before.desired.connections);
}

/// Objects that are to leave and are still used stay in force, as they were last.
fn keep_needed(intake: &mut Intake, ledger: &Ledger) {
    for (record, users) in still_needed(ledger) {
        if intake.documents.contains_key(&record.key) {
            continue;
        }
        if let Some(document) = document(record) {
            intake.documents.insert(record.key.clone(), document);
            intake.held.insert(record.key.clone(), String::new());
            intake.blocked.insert(record.key.clone(), until_out(&users));
        }
    }
}

/// Resolves, and looks up what that asks for, until nothing more is asked. Blocks on files and git.
pub fn resolve_with_facts(
    core: &Core,
    intake: &Intake,
    max_age: Duration,
    now: Timestamp,
) -> Resolution {
    let begun = Instant::now();
    let mut needs = core.view().needs.clone();
    for round in 0.. {
        // What was looked up in an earlier round is good enough for this one.
        let age = max_age.max(begun.elapsed());
        if round == 0 {
            gather(core, &needs, age); // I/O: secrets, files, git
        } else {
            core.facts.gather(&needs, age); // the same
        }
        let facts = core.facts.facts();
        let resolution =
            assemble(&intake.documents, &core.ledger(), &facts, core.config.retention, now); // pure
        if round >= ROUNDS || resolution.needs.is_subset(&needs) {
            return resolution;
        }
        needs.extend(resolution.needs);
    }
    unreachable!("the loop above ends by returning")
}

/// Looks facts up; what is passed over because it is young is looked up by a survey of its own, in time.
fn gather(core: &Core, needs: &BTreeSet<Need>, max_age: Duration) {
    if let Some(old) = core.facts.gather(needs, max_age) {
        core.queue.add(Job::Survey, old.saturating_duration_since(Instant::now()));
    }
}

/// A Stack or Infra stays in force until every agent that leaves is out: its databases cannot be moved to the
/// trash on a server that was stopped before.
fn postpone(intake: &mut Intake, ledger: &Ledger) {
    let leaving: Vec<String> = ledger
        .records()
        .filter(|record| record.key.kind == ObjectKind::Agent)
        .filter(|record| record.deletion.as_ref().is_some_and(|it| it.trashed_at.is_none()))
        .map(|record| record.key.to_string())
        .chain(
            intake
                .leave
                .iter()
                .filter(|key| key.kind == ObjectKind::Agent)
                .map(ToString::to_string),
        )
        .collect();
    let stacks: Vec<String> = intake
        .leave
        .iter()
        .filter(|key| key.kind == ObjectKind::Stack)
        .map(ToString::to_string)
        .collect();
    let mut documents = None;
    let waits: BTreeMap<ObjectKey, &[String]> = intake
        .leave
        .iter()
        .filter_map(|key| {
            let users: &[String] = match key.kind {
                ObjectKind::Agent => &[],
                ObjectKind::Stack => &leaving,
                ObjectKind::Infra if leaving.is_empty() => &stacks,
                ObjectKind::Infra => &leaving,
            };
            (!users.is_empty()).then(|| (key.clone(), users))
        })
        .collect();
    for (key, users) in waits {
        let documents = documents.get_or_insert_with(|| last_good(ledger));
        if let Some(document) = documents.get(&key) {
            intake.documents.insert(key.clone(), document.clone());
            intake.held.insert(key.clone(), String::new());
        }
        intake.leave.remove(&key);
        intake.blocked.insert(key, until_out(users));
    }
}

/// That an object leaves once those are out who use it.
fn until_out(users: &[String]) -> Blocked {
    let message = format!("still used by {}, leaving", users.join(", "));
    Blocked { by: Blocker::LeavingUsers, message }
}

/// Makes a view the current one, and wakes what changed in it.
fn publish(core: &Core, view: &Arc<View>, now: Timestamp) {
    let (before, changed) = core.replace_view(Arc::clone(view));
    core.advance(Progress::Working);
    let known: BTreeSet<String> = before.problems.iter().map(Diagnostic::line).collect();
    for line in view.problems.iter().map(Diagnostic::line).filter(|line| !known.contains(line)) {
        tracing::warn!("{line}");
    }
    core.statuses().write_problems(&view.loose_problems());
    if view.intake.frozen != before.intake.frozen {
        match &view.intake.frozen {
            Some(why) => tracing::warn!("{why}"),
            None => tracing::info!("deletions are no longer frozen"),
        }
    }
    for key in changed {
        core.try_anew(&key);
        core.queue.add(Job::Object(key), Duration::ZERO);
    }
    if let Some(at) = view.intake.ask_again {
        let delay = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        core.queue.add(Job::Survey, delay + Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use agent_harness_model::kinds::{Place, setup};
    use agent_harness_providers::fs;

    use super::*;
    use crate::core::Config;

    const STACK: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: s}\n\
                         spec: {processes: {main: {run: sleep 1, env: {KEY: {secret: key}}}}}\n";
    const AGENT: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: a-1}\n\
                         spec: {stack: s}\n";

    /// Surveys until nothing more follows from the last change; says whether that was so at once.
    fn is_settled(core: &Core) -> bool {
        let mut surveys = (0..5).map(|_| {
            let before = core.view();
            Arc::ptr_eq(&before, &survey(core, Duration::MAX).unwrap())
        });
        let at_once = surveys.next().unwrap();
        assert!(surveys.any(|same| same), "each survey makes another view");
        at_once
    }

    #[test]
    fn a_survey_that_finds_nothing_new_keeps_the_view_and_any_change_makes_another() {
        let folder = tempfile::tempdir().unwrap();
        let specs = folder.path().join("specs");
        fs::create_dir_all(&specs, 0o755).unwrap();
        let write = |name: &str, text: &str| {
            fs::write_atomic(specs.join(name), text, 0o644).unwrap();
        };
        write("s.yaml", STACK);
        write("a.yaml", AGENT);
        let config = Config::new(specs.clone(), folder.path().join("state")).unwrap();
        let core = Core::open(config).unwrap();
        assert!(!is_settled(&core), "the first one");
        assert!(is_settled(&core));

        write("a.yaml", &AGENT.replace("{stack: s}", "{stack: s, id: 7}"));
        assert!(!is_settled(&core), "a spec");
        let secret = folder.path().join("state/secrets/spec-key");
        fs::write_atomic(&secret, "my own", 0o600).unwrap();
        assert!(!is_settled(&core), "a secret that a spec names");
        let uid = core.ledger().records().next().unwrap().uid.clone();
        core.ledger().update(&uid, |record| record.generation += 1).unwrap();
        assert!(!is_settled(&core), "the ledger");
        assert!(is_settled(&core));

        // As time passes the retention of what the object does not want any more ends.
        let place = Place::Setup(setup::Place { root: "/".into() });
        let since = Some(Timestamp::now());
        core.ledger()
            .update(&uid, |record| record.claim("setup/old", &place).leaving_since = since)
            .unwrap();
        for _ in 0..3 {
            let before = core.view();
            assert!(!Arc::ptr_eq(&before, &survey(&core, Duration::MAX).unwrap()), "it leaves");
        }
        core.ledger().update(&uid, |record| drop(record.resources.remove("setup/old"))).unwrap();
        assert!(!is_settled(&core), "it is gone");

        // As time passes its grace will end.
        fs::rename(specs.join("a.yaml"), folder.path().join("a.yaml")).unwrap();
        let first = survey(&core, Duration::MAX).unwrap();
        assert!(!Arc::ptr_eq(&first, &survey(&core, Duration::MAX).unwrap()));
        fs::rename(folder.path().join("a.yaml"), specs.join("a.yaml")).unwrap();
        assert!(!is_settled(&core), "it is back");
        assert!(is_settled(&core));
        fs::rename(&specs, folder.path().join("elsewhere")).unwrap();
        assert!(!Arc::ptr_eq(&core.view(), &survey(&core, Duration::MAX).unwrap()), "no folder");
    }
}
