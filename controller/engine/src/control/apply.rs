//! `apply` and `diff`: check specs with everything that is in force, then write them into the watched folder
//! (files stay the truth), or only say what that would do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use agent_harness_model::api::{Applied, ApplyRequest, Change, DiffAnswer, SpecDiff};
use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_model::plan::plan_object;
use agent_harness_model::spec::node::Node;
use agent_harness_model::spec::parse::Document;
use agent_harness_model::yaml::to_yaml;
use axum::Json;
use axum::extract::State;

use super::Control;
use super::answer::Refusal;
use super::edits::Edits;
use super::objects::as_of_now;
use super::sources::refuse_if_elsewhere;
use super::trial::{self, Given, Proposed, Trial};
use super::written::{Written, taken_back};
use crate::core::Core;
use crate::intake::folder::is_same;
use crate::intake::sources::{Intake, slice};
use crate::ledger::Origin;
use crate::questions;
use crate::survey::survey_with;
use crate::view::View;

/// `POST /v1/apply`
pub async fn apply(
    State(control): State<Control>,
    Json(request): Json<ApplyRequest>,
) -> Result<Json<Vec<Applied>>, Refusal> {
    let core = Arc::clone(&control.core);
    let work = tokio::task::spawn_blocking(move || apply_files(&core, &request));
    work.await.map_err(|error| Refusal::failed(&error))?.map(Json)
}

pub(super) fn apply_files(core: &Core, request: &ApplyRequest) -> Result<Vec<Applied>, Refusal> {
    let given = Given::read(&request.files, &core.config.specs)?;
    let turn = core.survey_turn();
    let view = core.view();
    trial::check(core, &view, &given)?;
    let mut edits = Edits::of(&core.config.specs);
    let mut applied = Vec::new();
    for one in &given.proposed {
        let change = change(core, one);
        if !(request.dry_run && is_its_file(core, &edits, one)) {
            put(core, &mut edits, one)?;
        }
        let object = one.document.key.clone();
        applied.push(Applied { object, change, generation: 0 });
    }
    if !request.dry_run {
        let written = edits.carry_out()?;
        take_in(core, &turn, written, &applied)?;
    }
    let ledger = core.ledger();
    for one in &mut applied {
        one.generation = ledger.live(&one.object).map_or(0, |record| record.generation);
    }
    Ok(applied)
}

/// Takes in what was written. Where that does not work, the command has failed, and nothing of it may take effect
/// later on.
fn take_in(
    core: &Core,
    turn: &MutexGuard<'_, ()>,
    written: Written,
    applied: &[Applied],
) -> Result<(), Refusal> {
    let Err(error) = survey_with(core, turn, Duration::ZERO) else {
        written.keep();
        return Ok(());
    };
    for one in applied.iter().filter(|one| one.change == Change::Created) {
        // Nothing was made for it: no view has named it yet.
        let begun = core.ledger().live(&one.object).map(|record| record.uid.clone());
        if let Some(uid) = begun {
            // It stays where even that does not work, and leaves as an object without a file.
            let _ = core.ledger().remove(&uid);
        }
    }
    Err(taken_back(written, "nothing was applied", &error))
}

/// What applying a document does.
fn change(core: &Core, one: &Proposed) -> Change {
    match core.ledger().live(&one.kept.key) {
        None => Change::Created,
        Some(record) if record.spec_hash != one.kept.hash() => Change::Configured,
        Some(_) => Change::Unchanged,
    }
}

/// Puts a document into the watched folder: over its earlier version, or into a file of its own.
fn put(core: &Core, edits: &mut Edits<'_>, one: &Proposed) -> Result<(), Refusal> {
    let key = &one.kept.key;
    let text = slice(&one.kept).1;
    let known = core.ledger().live(key).map(|record| record.origin.clone());
    if let Some(origin) = &known {
        let comes_from_elsewhere = refuse_if_elsewhere(core, key, origin);
        if comes_from_elsewhere.is_err() {
            let same = change(core, one) == Change::Unchanged;
            return if same { Ok(()) } else { comes_from_elsewhere };
        }
    }
    let known = known.filter(|origin| edits.holds(&origin.file));
    let Some((path, now)) = locate(edits, key, known.as_ref())? else {
        let before = known.map(|origin| origin.file).filter(|path| edits.is_free(path));
        edits.create(before.unwrap_or_else(|| edits.place_for(key)), text);
        return Ok(());
    };
    if edits.holds(&one.path) && one.path.exists() && !is_same(&one.path, &path) {
        return Err(Refusal::Conflict(format!(
            "{key} is in {} already; remove it from there, or from {}",
            path.display(),
            one.path.display()
        )));
    }
    let now_text = slice(&now).1;
    // It lies there already, be it with other comments.
    if now_text == text || now.hash() == one.kept.hash() {
        return Ok(());
    }
    if known.is_none_or(|origin| origin.text != now_text) {
        return Err(Refusal::Conflict(format!(
            "{} holds another {key} than the one that is in force: it was changed there just now, or is wrong \
             (`ctl describe {key}` says how); apply that file, or undo the change in it",
            path.display()
        )));
    }
    Ok(edits.replace(&path, &now, Some(&text))?)
}

/// The file of the watched folder that holds an object now, and the object as it is written there.
fn locate(
    edits: &Edits<'_>,
    key: &ObjectKey,
    known: Option<&Origin>,
) -> Result<Option<(PathBuf, Document)>, Refusal> {
    if let Some(Origin { file, .. }) = known {
        if let Some(document) = edits.find(file, key) {
            return Ok(Some((file.clone(), document)));
        }
        if let Some(problem) = edits.broken(file) {
            return Err(Refusal::Conflict(format!(
                "{} is being edited, or is broken, and would be written over; correct it first: {}",
                file.display(),
                problem.line()
            )));
        }
    }
    edits.search(key).map_err(|error| Refusal::failed(&error))
}

/// Whether a document comes from the very file that has it: who edits that writes it as well.
fn is_its_file(core: &Core, edits: &Edits<'_>, one: &Proposed) -> bool {
    let ledger = core.ledger();
    let known = ledger.live(&one.kept.key).map(|record| &record.origin.file);
    edits.holds(&one.path) && known.is_some_and(|file| is_same(file, &one.path))
}

/// `POST /v1/diff`; without files, what there is to do as things are in the folder and outside of it.
pub async fn diff(
    State(control): State<Control>,
    Json(request): Json<ApplyRequest>,
) -> Result<Json<DiffAnswer>, Refusal> {
    let core = Arc::clone(&control.core);
    as_of_now(&core).await?;
    let now = core.view();
    let before = Arc::clone(&now);
    let work = tokio::task::spawn_blocking(move || {
        let given = Given::read(&request.files, &core.config.specs)?;
        let trial = trial::check(&core, &before, &given)?;
        Ok::<_, Refusal>((given.proposed, trial))
    });
    let (proposed, trial) = work.await.map_err(|error| Refusal::failed(&error))??;
    let specs = proposed
        .iter()
        .map(|one| spec_diff(&now, &one.kept))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .filter(|diff| diff.before != diff.after)
        .collect();
    let (plan, steps) = plan(&control, &now, trial, proposed.is_empty()).await;
    Ok(Json(DiffAnswer { specs, plan, steps }))
}

fn spec_diff(now: &View, document: &Document) -> Result<SpecDiff, Refusal> {
    let yaml = |document: &Document| {
        let spec = document.node.get("spec").map(Node::to_json).unwrap_or_default();
        to_yaml(&spec).map_err(|error| Refusal::failed(&error))
    };
    let before = now.intake.documents.get(&document.key).map(yaml).transpose()?;
    Ok(SpecDiff {
        object: document.key.clone(),
        before: before.unwrap_or_default(),
        after: yaml(document)?,
    })
}

/// The plan for every object that would be another than now, or for all.
async fn plan(control: &Control, now: &View, trial: Trial, all: bool) -> (String, usize) {
    let Trial { documents, resolution } = trial;
    let intake = Intake { documents, ..Intake::default() };
    let mut desired = resolution.desired;
    // What leaves an Infra that leaves as well is reached as it is now.
    desired.connections.fill_in(&now.desired.connections);
    let then = View::new(intake, desired, Vec::new(), resolution.needs);
    let mut changed: Vec<(ObjectKey, Uid)> = then.desired.objects.keys().cloned().collect();
    if !all {
        changed.retain(|(key, uid)| then.object(key, uid) != now.object(key, uid));
    }
    let questions: BTreeMap<_, _> = changed
        .iter()
        .flat_map(|(key, uid)| questions::about(&then, &control.core, key, uid))
        .map(|question| (question.id.clone(), question))
        .collect();
    let questions = questions.into_values().collect();
    let have = control.outside.suppose(Arc::clone(&then.connections), questions).await;
    let mut text = String::new();
    let mut steps = 0;
    for (key, uid) in &changed {
        let past = then.object(key, uid).map(|object| control.core.past(object, uid));
        let past = past.unwrap_or_default();
        let mut plan = plan_object(&then.desired, &have, &past, key, uid);
        for step in &mut plan.steps {
            step.id += steps;
            step.after.iter_mut().for_each(|id| *id += steps);
        }
        steps += plan.steps.len();
        text.push_str(&plan.to_string());
    }
    (text, steps)
}
