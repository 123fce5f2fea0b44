//! `verify`: runs an agent's pipeline while somebody listens, stops it, and tells what the last run came to.

use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::api::{Severity, VerifyEvent, VerifyRequest};
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::{ObjectKey, ObjectKind, ResourceKind};
use agent_harness_model::kinds::{AnyTarget, Resource};
use agent_harness_model::verify::{Pipeline, Report, Verdict};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use tokio::sync::mpsc;

use super::Control;
use super::answer::{Refusal, key};
use super::objects::{live, specs_of_now};
use super::streams::{send, stream};
use super::suspend::refuse_if_suspended;
use crate::ledger::ObjectRecord;
use crate::publish;
use crate::verify::{Orders, Stop, run};

/// What work is verified with does not depend on what git says, which is slow to ask.
const FACTS: Duration = Duration::from_secs(60);
/// How many events may wait for whoever reads them.
const EVENTS: usize = 64;

/// `POST …/verify`
pub async fn begin(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Json(request): Json<VerifyRequest>,
) -> Result<Response, Refusal> {
    let key = agent(&kind, &name)?;
    // What was just written into the folder is what is meant.
    specs_of_now(&control.core, FACTS).await?;
    let object = live(&control, &key)?;
    let record = record(&control, &key)?;
    let pipeline = pipeline(&control, &key, &object)?;
    let wrong = |message: String| Refusal::Invalid { message, diagnostics: Vec::new() };
    pipeline.select(&request.selection).map_err(|error| wrong(format!("{key}: {error}")))?;
    let verifier = control.outside.verifier();
    let verifier = verifier
        .ok_or_else(|| Refusal::Conflict("nothing can be run here to verify it".to_owned()))?;
    let database_generation = generation(&object, &record);
    let orders = Orders { request, record, pipeline, database_generation, verifier };
    let (lines, response) = stream();
    let (events, mut told) = mpsc::channel(EVENTS);
    let stop = Stop::default();
    tokio::spawn(watch(control.clone(), orders.record.clone(), lines.clone(), stop.clone()));
    tokio::spawn(async move {
        let id = uuid::Uuid::now_v7().to_string();
        let core = Arc::clone(&control.core);
        let _under_way = core.verifies.begin(&id, stop.clone());
        let _ = events.send(VerifyEvent::Accepted { run: id }).await;
        let work = async {
            let report = run(&core.verifies, &orders, &events, &stop).await;
            drop(events);
            report
        };
        let forward = async {
            while let Some(event) = told.recv().await {
                let _ = send(&lines, &event).await;
            }
        };
        let (report, ()) = tokio::join!(work, forward);
        // What it came to is known to all before whoever asked goes on.
        core.verifies.note(&orders.record, &report);
        publish::verified(&core, &orders.record);
        core.event(&orders.record.key, severity(&report), "Verified", words(&report));
        let finished = VerifyEvent::Finished { report: Box::new(report.clone()) };
        let _ = send(&lines, &finished).await;
        // For the next controller.
        core.verifies.keep(&orders.record, &report);
        // Then nobody watches it any more.
        stop.token().cancel();
    });
    Ok(response)
}

/// Stops a run when it has no sense any more, or nobody wants to know.
async fn watch(control: Control, record: ObjectRecord, lines: super::streams::Lines, stop: Stop) {
    let mut views = control.core.views();
    loop {
        tokio::select! {
            () = lines.closed() => return stop.because("nobody waits for it any more"),
            () = control.stop.cancelled() => return stop.because("the controller is ending"),
            () = stop.token().cancelled() => return,
            changed = views.changed() => {
                if changed.is_err() {
                    return;
                }
                let view = Arc::clone(&views.borrow_and_update());
                let leaves = view.object(&record.key, &record.uid).is_some_and(|it| it.deleting);
                if leaves {
                    return stop.because(format!("{} is being deleted", record.key));
                }
            }
        }
    }
}

/// `GET …/verify`
pub async fn last(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Report>, Refusal> {
    let key = agent(&kind, &name)?;
    let report = control.core.verifies.last(&record(&control, &key)?.uid);
    report.map(Json).ok_or_else(|| {
        Refusal::NotFound(format!("{key} was not verified yet: `ctl verify {}` does it", key.name))
    })
}

/// `DELETE …/verify/{run}`
pub async fn stop(
    State(control): State<Control>,
    Path((_, _, run)): Path<(String, String, String)>,
) -> Json<bool> {
    Json(control.core.verifies.stop(&run))
}

fn agent(kind: &str, name: &str) -> Result<ObjectKey, Refusal> {
    let key = key(kind, name)?;
    if key.kind != ObjectKind::Agent {
        return Err(Refusal::NotFound(format!("{key} has no work to verify: that is an Agent's")));
    }
    Ok(key)
}

fn record(control: &Control, key: &ObjectKey) -> Result<ObjectRecord, Refusal> {
    control.core.ledger().live(key).cloned().ok_or_else(|| Refusal::no_object(key))
}

/// What its work is verified with, once it is there.
fn pipeline(
    control: &Control,
    key: &ObjectKey,
    object: &DesiredObject,
) -> Result<Arc<Pipeline>, Refusal> {
    refuse_if_suspended(key, object)?;
    let pipeline = object.verify.clone().ok_or_else(|| {
        Refusal::Conflict(format!(
            "there is nothing to verify {key} with: its Stack has no `verify`; `ctl explain stack.spec.verify`"
        ))
    })?;
    let prepared = |kind| matches!(kind, ResourceKind::Worktree | ResourceKind::Setup);
    let status = publish::one(&control.core, key).and_then(|told| told.status);
    let missing = object.resources.keys().filter(|id| prepared(id.kind)).find(|id| {
        // What was prepared once and fails by now may be just what its work is about.
        let of_database = id.name.starts_with("afterClone.");
        let seen = status.as_ref().and_then(|status| status.resources.get(&id.local()));
        !of_database && seen.is_none_or(|seen| matches!(seen.state.as_str(), "Missing" | "NotRun"))
    });
    match missing {
        Some(missing) => Err(Refusal::Conflict(format!(
            "{key} is not prepared yet: {} is missing; `ctl wait {} --for ready` waits for it, `ctl describe {}` says \
             how it stands",
            missing.local(),
            key.name,
            key.name
        ))),
        None => Ok(pipeline),
    }
}

/// The generation of the template that the database came from, which may be older than the one that new ones come from.
fn generation(object: &DesiredObject, record: &ObjectRecord) -> Option<String> {
    object.resources.iter().find_map(|(id, wanted)| match &wanted.target {
        AnyTarget::Present(Resource::Database(_)) => {
            record.resources.get(&id.local())?.generation.clone()
        }
        _ => None,
    })
}

fn severity(report: &Report) -> Severity {
    match report.status {
        Verdict::Pass | Verdict::Cancelled => Severity::Normal,
        Verdict::Fail | Verdict::Error => Severity::Warning,
    }
}

/// In one line, for the history.
fn words(report: &Report) -> String {
    let time = agent_harness_model::spec::Duration(std::time::Duration::from_millis(
        report.total_duration_ms,
    ));
    let summary = report.summary();
    let what = if report.full { "everything" } else { "its work" };
    let status = report.status;
    let at = summary.stage.map_or_else(String::new, |stage| format!(" at {stage}"));
    let why = summary.first_error.map_or_else(String::new, |why| format!(": {why}"));
    format!("{what}: {status}{at} after {time}{why}")
}
