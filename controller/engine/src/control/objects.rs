//! Requests about objects that change no spec.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::api::{Environment, Info, Object};
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::ObjectKey;
use agent_harness_model::kinds::{AnyTarget, Resource};
use agent_harness_model::secret::Text;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;

use super::Control;
use super::answer::{Refusal, key};
use super::{generations, incarnations};
use crate::core::{Core, Job, Progress};
use crate::publish;
use crate::survey;

/// How long an answer waits for the first look at its objects.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// What git and files beside the specs said longer ago is asked again for whoever asks how it is now.
const FACTS: Duration = Duration::from_millis(200);

/// `GET /v1/info`
pub async fn info(State(control): State<Control>) -> Json<Info> {
    let (config, view) = (&control.core.config, control.core.view());
    Json(Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        state: config.state.clone(),
        specs: config.specs.clone(),
        frozen: view.intake.frozen.clone(),
        problems: control.core.problems(),
        held_by: control.outside.live().map(|live| live.held_by()),
    })
}

#[derive(Debug, serde::Deserialize)]
pub struct ObjectsQuery {
    /// As the folder is now, whether or not the watch has told of it.
    #[serde(default)]
    fresh: bool,
}

/// `GET /v1/objects?fresh=true`
pub async fn list(
    State(control): State<Control>,
    Query(query): Query<ObjectsQuery>,
) -> Result<Json<Vec<Object>>, Refusal> {
    if query.fresh {
        as_of_now(&control.core).await?;
    }
    first_look(&control.core, |_| true).await;
    let mut all: Vec<_> = publish::objects(&control.core).into_values().collect();
    for object in &mut all {
        generations::tell(&control.core, object);
    }
    Ok(Json(all))
}

/// Takes in what the folder holds at this moment; while everything is being ended, nothing is taken in any more.
pub(super) async fn as_of_now(core: &Arc<Core>) -> Result<(), Refusal> {
    specs_of_now(core, FACTS).await
}

/// The same, with what git said no longer ago than this.
pub(super) async fn specs_of_now(core: &Arc<Core>, facts: Duration) -> Result<(), Refusal> {
    if core.progress() > Progress::Working {
        return Ok(());
    }
    let (core, asked) = (Arc::clone(core), Instant::now());
    let work =
        tokio::task::spawn_blocking(move || survey::no_older_than(&core, asked, facts).map(|_| ()));
    let taken_in = work.await.map_err(|error| Refusal::failed(&error))?;
    taken_in.map_err(|error| {
        Refusal::Failed(format!("the specs cannot be taken in: {}", crate::facts::chain(&error)))
    })
}

#[derive(Debug, serde::Deserialize)]
pub struct ObjectQuery {
    #[serde(default)]
    fresh: bool,
    /// This incarnation, wherever it is.
    uid: Option<String>,
}

/// `GET /v1/objects/{kind}/{name}?fresh=true&uid=UID`
pub async fn one(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<ObjectQuery>,
) -> Result<Json<Object>, Refusal> {
    let key = key(&kind, &name)?;
    if query.fresh {
        as_of_now(&control.core).await?;
    }
    if let Some(word) = &query.uid {
        let record = incarnations::named(&control.core.ledger(), &key, word)?;
        return Ok(Json(publish::incarnation(&control.core, &record)));
    }
    first_look(&control.core, |other| *other == key).await;
    let mut object = publish::one(&control.core, &key).ok_or_else(|| Refusal::no_object(&key))?;
    generations::tell(&control.core, &mut object);
    Ok(Json(object))
}

/// Waits a moment for objects at which nobody has looked since the start: their answer would have no status.
async fn first_look(core: &Core, about: impl Fn(&ObjectKey) -> bool) {
    let mut news = core.news.subscribe();
    let unseen = || {
        let ledger = core.ledger();
        let mut live = ledger.records().filter(|it| it.deletion.is_none() && about(&it.key));
        live.any(|record| !core.was_looked_at(&record.key, &record.uid))
    };
    let all_seen = async {
        while unseen() {
            // Lagging behind is a reason to look, too.
            let _ = news.recv().await;
        }
    };
    // Who gets no status is told so by its absence.
    let _ = tokio::time::timeout(FIRST_LOOK, all_seen).await;
}

/// `POST …/reconcile`
pub async fn reconcile(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let key = key(&kind, &name)?;
    if !control.core.keys().contains(&key) {
        return Err(Refusal::no_object(&key));
    }
    control.core.try_anew(&key);
    // Whoever asks knows of something that may not be seen yet.
    for record in control.core.ledger().records().filter(|record| record.key == key) {
        control.core.order_look(&record.uid);
    }
    control.core.queue.add(Job::Survey, Duration::ZERO);
    control.core.queue.add(Job::Object(key), Duration::ZERO);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET …/environment`
pub async fn environment(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Environment>, Refusal> {
    let key = key(&kind, &name)?;
    let object = live(&control, &key)?;
    let mut cwd = object.resources.values().find_map(|wanted| match &wanted.target {
        AnyTarget::Present(Resource::Worktree(want)) => Some(want.place.path.clone()),
        _ => None,
    });
    let mut all: BTreeMap<&String, Vec<&Text>> = BTreeMap::new();
    let mut commands = 0;
    for wanted in object.resources.values() {
        let command = match &wanted.target {
            AnyTarget::Present(Resource::Process(want)) => &want.command,
            AnyTarget::Present(Resource::Setup(want)) => &want.command,
            _ => continue,
        };
        commands += 1;
        cwd.get_or_insert_with(|| command.cwd.clone());
        for (name, value) in &command.env {
            all.entry(name).or_default().push(value);
        }
    }
    // What a single command has beside the others is its own.
    let shared = all.into_iter().filter(|(_, values)| {
        values.len() == commands && values.iter().all(|value| *value == values[0])
    });
    let mut variables = BTreeMap::new();
    let mut secret = Vec::new();
    for (name, values) in shared {
        if values[0].is_secret() {
            secret.push(name.clone());
        }
        variables.insert(name.clone(), values[0].reveal().to_owned());
    }
    let cwd =
        cwd.ok_or_else(|| Refusal::Conflict(format!("{key} has no worktree and no commands")))?;
    Ok(Json(Environment { cwd, variables, secret }))
}

/// What is wanted of the incarnation that is not leaving.
pub fn live(control: &Control, key: &ObjectKey) -> Result<DesiredObject, Refusal> {
    let uid = control.core.ledger().live(key).map(|record| record.uid.clone());
    let uid = uid.ok_or_else(|| Refusal::no_object(key))?;
    control.core.view().object(key, &uid).cloned().ok_or_else(|| {
        Refusal::Conflict(format!("the spec of {key} cannot be resolved; `ctl describe` says why"))
    })
}
