//! What lies in the trash: whole incarnations that left, and what a live object put aside because its spec wants
//! something else by now.

use std::collections::BTreeMap;

use agent_harness_model::api::Trashed;
use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};

use super::Control;
use crate::assemble::is_put_aside;
use crate::ledger::{Ledger, ObjectRecord};

/// `GET /v1/trash`
pub async fn list(State(control): State<Control>) -> Json<Vec<Trashed>> {
    Json(trashed(&control.core.ledger(), control.core.config.retention))
}

/// All of it, the oldest incarnation first. Pure.
pub(super) fn trashed(ledger: &Ledger, retention: SignedDuration) -> Vec<Trashed> {
    let mut all = Vec::new();
    for record in ledger.records() {
        match &record.deletion {
            Some(deletion) if deletion.purge => {}
            Some(deletion) => {
                let resources = record.resources.keys().cloned().collect();
                let (since, until) = (deletion.requested_at, deletion.until);
                all.push(trash(record, since, until, resources));
            }
            None => all.extend(put_aside(record).into_iter().map(|(since, resources)| {
                let until = since.checked_add(retention).unwrap_or(since);
                trash(record, since, until, resources)
            })),
        }
    }
    all
}

fn trash(
    record: &ObjectRecord,
    since: Timestamp,
    until: Timestamp,
    resources: Vec<String>,
) -> Trashed {
    let (object, uid) = (record.key.clone(), record.uid.clone());
    Trashed { object, uid, since, until, live: record.deletion.is_none(), resources }
}

/// What a live object does not want any more and is kept, by when that was.
fn put_aside(record: &ObjectRecord) -> BTreeMap<Timestamp, Vec<String>> {
    let mut aside: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (local, entry) in &record.resources {
        if let Some(since) = entry.leaving_since.filter(|_| is_put_aside(entry.place.kind())) {
            aside.entry(since).or_default().push(local.clone());
        }
    }
    aside
}
