//! What lies in the trash: whole incarnations that left, and what a live object put aside because its spec wants
//! something else by now.

use std::collections::BTreeMap;

use agent_harness_model::api::Trashed;
use agent_harness_model::id::{ResourceId, ResourceKind};
use agent_harness_model::kinds::Place;
use axum::Json;
use axum::extract::{Query, State};
use jiff::{SignedDuration, Timestamp};

use super::Control;
use crate::assemble::is_put_aside;
use crate::ledger::{Ledger, ObjectRecord};

#[derive(Debug, serde::Deserialize)]
pub struct TrashQuery {
    /// Measure it as well, which takes a look at each file and object.
    #[serde(default)]
    sizes: bool,
}

/// `GET /v1/trash?sizes=true`
pub async fn list(
    State(control): State<Control>,
    Query(query): Query<TrashQuery>,
) -> Json<Vec<Trashed>> {
    let core = &control.core;
    let mut all = trashed(&core.ledger(), core.config.retention);
    if let Some(outside) = control.outside.live().filter(|_| query.sizes) {
        let kept = kept(&core.ledger(), &all);
        let sizes = outside.kept_sizes(&core.view().desired.connections, &kept).await;
        for one in &mut all {
            let of = sizes.iter().filter(|(id, _)| id.uid == one.uid);
            let of = of.map(|(id, size)| (id.local(), *size));
            one.sizes = of.filter(|(local, _)| one.resources.contains(local)).collect();
        }
    }
    Json(all)
}

/// Everything in it, and where that is.
fn kept(ledger: &Ledger, all: &[Trashed]) -> Vec<(ResourceId, Place)> {
    let of = |one: &Trashed| {
        let record = ledger.get(&one.uid)?;
        let entries = one.resources.iter().filter_map(|local| {
            let place = &record.resources.get(local)?.place;
            Some((record.resource_id(local, place), place.clone()))
        });
        Some(entries.collect::<Vec<_>>())
    };
    all.iter().filter_map(of).flatten().collect()
}

/// All of it, the oldest incarnation first. Pure.
pub(super) fn trashed(ledger: &Ledger, retention: SignedDuration) -> Vec<Trashed> {
    let mut all = Vec::new();
    for record in ledger.records() {
        match &record.deletion {
            Some(deletion) if deletion.purge => {}
            Some(deletion) => {
                // Files lie in the worktree, and come back with it.
                let kept =
                    record.resources.iter().filter(|(_, it)| it.place.kind() != ResourceKind::File);
                let resources = kept.map(|(local, _)| local.clone()).collect();
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
    Trashed {
        object,
        uid,
        since,
        until,
        live: record.deletion.is_none(),
        resources,
        sizes: BTreeMap::new(),
    }
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
