//! Going down: ends everything of a state folder, agents first, then what they share. With `purge` the data
//! goes as well, but for what a person may have written into the state folder. The same reconcile does the work;
//! only what is wanted is another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::desired::{Desired, DesiredObject, Wanted};
use agent_harness_model::id::{ObjectKey, ObjectKind, ResourceKind, Uid};
use agent_harness_model::kinds::{AnyTarget, Place};
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::assemble::{Unreadable, begin_deletion, policy_of};
use crate::converge::Converger;
use crate::core::Core;
use crate::facts::chain;
use crate::intake::servers::lies_in;
use crate::intake::sources::{Intake, last_good};
use crate::ledger::LedgerError;
use crate::leftovers;
use crate::queue::Done;
use crate::status_files::StatusError;
use crate::survey::resolve_with_facts;
use crate::view::View;
use crate::world::World;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(100);

/// How long one kind of objects may take to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why not everything ended.
#[derive(Debug, thiserror::Error)]
pub enum DownError {
    /// The ledger could not be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A status file could not be removed.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// Nothing was done: specs say that these are not to go.
    #[error(
        "nothing was ended: {} {} protected; take `deletion: {{protect: true}}` out of the spec, or of its Stack's, first",
        .0.join(", "),
        if .0.len() == 1 { "is" } else { "are" }
    )]
    Protected(Vec<String>),
    /// Somebody may be protected.
    #[error("nothing was ended: {0}")]
    Unreadable(#[from] Unreadable),
    /// Something is still there.
    #[error("not everything ended: {}", .0.join("; "))]
    Left(Vec<String>),
}

/// Ends everything. The work is done by what the ledger knows, whatever the specs say by now.
pub async fn down<W: World>(converger: &Arc<Converger<W>>, purge: bool) -> Result<(), DownError> {
    const ORDER: [ObjectKind; 3] = [ObjectKind::Agent, ObjectKind::Stack, ObjectKind::Infra];
    let core = &converger.core;
    let _alone = core.down_turn().await;
    if purge {
        refuse_protected(core)?;
    }
    core.drain().await;
    if purge {
        // All of it before anything is done: whoever is cut off here goes on with it at the next start.
        let _turn = core.survey_turn();
        // One more spec may have been accepted since.
        refuse_protected(core)?;
        for (_, uid) in ORDER.into_iter().flat_map(|kind| uids(core, kind)) {
            let (retention, now) = (core.config.retention, Timestamp::now());
            begin_deletion(&mut core.ledger(), &uid, true, retention, now)?;
        }
    }
    for kind in ORDER {
        end_all(converger, kind, purge).await?;
    }
    if purge {
        // What was in embedded servers went with them: now nothing is left of whoever had it.
        for kind in ORDER {
            end_all(converger, kind, purge).await?;
        }
    }
    let known: Vec<ObjectKey> = core.statuses().all().map(|(key, _)| key.clone()).collect();
    for key in known {
        core.statuses().remove(&key)?;
    }
    if purge {
        leftovers::clear(&core.config.state);
    }
    Ok(())
}

/// By the specs that were accepted last. What has left already is in the trash, and not protected any more.
fn refuse_protected(core: &Core) -> Result<(), DownError> {
    let ledger = core.ledger();
    let live = ledger.records().filter(|record| record.deletion.is_none());
    let mut protected = Vec::new();
    for record in live {
        if policy_of(&ledger, record)?.is_protected() {
            protected.push(record.key.to_string());
        }
    }
    if protected.is_empty() { Ok(()) } else { Err(DownError::Protected(protected)) }
}

fn uids(core: &Core, kind: ObjectKind) -> Vec<(ObjectKey, Uid)> {
    let ledger = core.ledger();
    let records = ledger.records().filter(|record| record.key.kind == kind);
    records.map(|record| (record.key.clone(), record.uid.clone())).collect()
}

/// Works on all objects of a kind until nothing of them runs, or with `purge` is there.
async fn end_all<W: World>(
    converger: &Arc<Converger<W>>,
    kind: ObjectKind,
    purge: bool,
) -> Result<(), DownError> {
    let core = &converger.core;
    let deadline = Instant::now() + PATIENCE;
    let mut open: BTreeSet<(ObjectKey, Uid)> = uids(core, kind).into_iter().collect();
    loop {
        let view = Arc::new(view(core, purge));
        // Steps ask what is wanted by now: of a controller that ran, the view before this wants everything there.
        core.replace_view(Arc::clone(&view));
        let mut rounds = JoinSet::new();
        for (key, uid) in open.clone() {
            let (converger, view) = (Arc::clone(converger), Arc::clone(&view));
            rounds.spawn(async move {
                let how = converger.incarnation(&view, &key, &uid).await;
                (key, uid, how)
            });
        }
        while let Some(round) = rounds.join_next().await {
            match round {
                Ok((key, uid, Ok(Done::Settled))) => {
                    open.remove(&(key, uid));
                }
                Ok((_, _, Ok(Done::Again(_) | Done::Failed))) => {}
                Ok((key, _, Err(error))) => tracing::warn!(object = %key, "{}", chain(&error)),
                Err(error) => tracing::error!(%error, "a round of going down was lost"),
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(DownError::Left(left(core, &open)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Nothing is wanted: what runs is to end, and with `purge` everything is to go.
fn view(core: &Core, purge: bool) -> View {
    let intake = Intake { documents: last_good(&core.ledger()), ..Intake::default() };
    // For the way to the servers alone.
    let resolution = resolve_with_facts(core, &intake, Duration::MAX, Timestamp::now());
    let mut desired = Desired { connections: resolution.desired.connections, ..Desired::default() };
    let ledger = core.ledger();
    let embedded: BTreeSet<(String, String)> = ledger
        .records()
        .flat_map(|record| record.resources.values())
        .filter_map(|entry| match &entry.place {
            Place::Service(place) if place.root.is_some() => {
                Some((place.infra.clone(), place.name.clone()))
            }
            _ => None,
        })
        .collect();
    let goes_along =
        |place: &Place| embedded.iter().any(|(infra, name)| lies_in(place, infra, name));
    for record in ledger.records() {
        let mut object = DesiredObject { deleting: purge, ..DesiredObject::default() };
        for (local, entry) in &record.resources {
            let id = record.resource_id(local, &entry.place);
            let target = match id.kind {
                _ if purge && goes_along(&entry.place) => continue,
                _ if purge => AnyTarget::Gone,
                ResourceKind::Process => AnyTarget::Gone,
                ResourceKind::Service | ResourceKind::Container => AnyTarget::Trashed,
                _ => continue,
            };
            let place = entry.place.clone();
            let wanted = Wanted {
                target,
                place,
                after: Vec::new(),
                renewed_by: Vec::new(),
                source: None,
                parts: BTreeMap::new(),
            };
            object.resources.insert(id, wanted);
        }
        desired.objects.insert((record.key.clone(), record.uid.clone()), object);
    }
    drop(ledger);
    View::new(intake, desired, Vec::new(), resolution.needs)
}

fn left(core: &Core, open: &BTreeSet<(ObjectKey, Uid)>) -> Vec<String> {
    let statuses = core.statuses();
    let why = |key: &ObjectKey| {
        let status = statuses.get(key).and_then(|object| object.status.as_ref())?;
        let messages = status
            .resources
            .iter()
            .filter(|(_, resource)| !resource.message.is_empty())
            .map(|(name, resource)| format!("{name} {}", resource.message));
        Some(messages.collect::<Vec<_>>().join(", "))
    };
    open.iter().map(|(key, _)| format!("{key} ({})", why(key).unwrap_or_default())).collect()
}
