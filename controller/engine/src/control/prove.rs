//! `prove`: whether two agents are kept apart, what each of them has, and what is left of one that is gone. Asked for by
//! people alone, and nothing of it is remembered.

use std::collections::BTreeSet;
use std::path::Path as FilePath;
use std::sync::Arc;

use agent_harness_model::api::{Belongings, Places, Proof, ProveRequest};
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::{Mark, ObjectKey, Uid};
use agent_harness_model::kinds::service::{PostgresConnection, StoreConnection};
use agent_harness_model::kinds::{AnyTarget, Resource, bucket, database, file};
use agent_harness_model::secret::Secret;
use agent_harness_providers::git::receipt;
use agent_harness_providers::prove::{
    Attempt, Login, bucket_is_there, carrying, database_is_there, file_hash, is_open, keys,
    opens_bucket, opens_database, rows, sees_secret,
};
use agent_harness_providers::{fs, process as processes};
use axum::Json;
use axum::extract::{Path, State};

use super::Control;
use super::answer::{Refusal, key};
use super::figures::outside;
use super::objects::live;
use crate::facts::chain;

/// One agent, as it is wanted.
struct Side {
    name: String,
    mark: Mark,
    object: DesiredObject,
    postgres: Option<PostgresConnection>,
    store: Option<StoreConnection>,
}

impl Side {
    fn of(control: &Control, key: &ObjectKey) -> Result<Self, Refusal> {
        let object = live(control, key)?;
        let uid = control.core.ledger().live(key).map(|record| record.uid.clone());
        let uid = uid.ok_or_else(|| Refusal::no_object(key))?;
        let mut side = Self {
            name: key.name.clone(),
            mark: control.core.mark(&uid),
            object,
            postgres: None,
            store: None,
        };
        let view = control.core.view();
        let connections = &view.desired.connections;
        side.postgres =
            side.database().and_then(|it| connections.postgres.get(&it.place.infra)).cloned();
        side.store = side.bucket().and_then(|it| connections.stores.get(&it.place.infra)).cloned();
        Ok(side)
    }

    fn wanted(&self) -> impl Iterator<Item = (&str, &Resource)> {
        self.object.resources.iter().filter_map(|(id, wanted)| match &wanted.target {
            AnyTarget::Present(resource) => Some((id.name.as_str(), resource)),
            _ => None,
        })
    }

    fn database(&self) -> Option<&Arc<database::Desired>> {
        self.wanted().find_map(|(_, it)| match it {
            Resource::Database(want) => Some(want),
            _ => None,
        })
    }

    fn bucket(&self) -> Option<&Arc<bucket::Desired>> {
        self.wanted().find_map(|(_, it)| match it {
            Resource::Bucket(want) => Some(want),
            _ => None,
        })
    }

    fn files(&self) -> impl Iterator<Item = (&str, &Arc<file::Desired>)> {
        self.wanted().filter_map(|(name, it)| match it {
            Resource::File(want) => Some((name, want)),
            _ => None,
        })
    }

    fn worktree(&self) -> Option<&FilePath> {
        self.wanted().find_map(|(_, it)| match it {
            Resource::Worktree(want) => Some(want.place.path.as_path()),
            _ => None,
        })
    }

    /// Its own way into a database.
    fn login(&self, database: &str) -> Option<Login> {
        let (want, server) = (self.database()?, self.postgres.clone()?);
        let (role, password) = (want.place.role.clone(), want.password.clone());
        Some(Login { server, role, password, database: database.to_owned() })
    }

    /// What nobody else may know.
    fn secrets(&self) -> Vec<Secret> {
        let password = self.database().map(|want| want.password.clone());
        let key = self.bucket().and_then(|want| Some(want.key.as_ref()?.secret_key.clone()));
        password.into_iter().chain(key).collect()
    }

    /// Names of what is its own, by which two agents must differ.
    fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> =
            self.object.ports.values().map(|port| format!("port {port}")).collect();
        names.extend(self.database().map(|it| format!("database {}", it.place.database)));
        names.extend(self.database().map(|it| format!("role {}", it.place.role)));
        names.extend(self.bucket().map(|it| format!("bucket {}", it.place.bucket)));
        names.extend(self.worktree().map(|it| format!("worktree {}", it.display())));
        names
    }
}

/// `POST /v1/prove`
pub async fn apart(
    State(control): State<Control>,
    Json(request): Json<ProveRequest>,
) -> Result<Json<Vec<Proof>>, Refusal> {
    let [a, b] = request.agents.map(|name| Side::of(&control, &ObjectKey::agent(&name)));
    let (a, b) = (a?, b?);
    let shared: Vec<String> = a.names().intersection(&b.names()).cloned().collect();
    let differ =
        format!("{} names of {}, {} of {}", a.names().len(), a.name, b.names().len(), b.name);
    let mut proofs =
        vec![Proof::of("ports, database, role, bucket and worktree differ", &shared, differ)];
    for (from, to) in [(&a, &b), (&b, &a)] {
        proofs.extend(try_database(from, to).await);
        proofs.extend(try_bucket(from, to).await);
        proofs.push(try_files(from));
        proofs.push(try_processes(from, to));
    }
    Ok(Json(proofs))
}

async fn try_database(from: &Side, to: &Side) -> Option<Proof> {
    let (own, other) = (&from.database()?.place.database, &to.database()?.place.database);
    let claim = format!("{} opens its own database, and not that of {}", from.name, to.name);
    let own = (own.as_str(), opens_database(&from.login(own)?).await);
    let other = (other.as_str(), opens_database(&from.login(other)?).await);
    Some(own_alone(claim, own, other))
}

async fn try_bucket(from: &Side, to: &Side) -> Option<Proof> {
    let (own, other, store) = (from.bucket()?, to.bucket()?, from.store.as_ref()?);
    let claim = format!("{} opens its own bucket, and not that of {}", from.name, to.name);
    let Some(key) = &own.key else {
        let why = "its store has one key for all agents: `ctl explain infra.spec.objectStore.keys`";
        return Some(Proof::of(claim, &[why.to_owned()], ""));
    };
    let (own, other) = (own.place.bucket.as_str(), other.place.bucket.as_str());
    let (to_own, to_other) =
        (opens_bucket(store, key, own).await, opens_bucket(store, key, other).await);
    Some(own_alone(claim, (own, to_own), (other, to_other)))
}

/// What was tried at one's own, and at somebody else's, which has to turn it away: that nobody answered is no proof.
fn own_alone(claim: String, own: (&str, Attempt), other: (&str, Attempt)) -> Proof {
    let mut against = Vec::new();
    if let (name, Attempt::Refused(why) | Attempt::Unknown(why)) = own {
        against.push(format!("it does not open {name}: {why}"));
    }
    let (name, attempt) = other;
    let refused = match attempt {
        Attempt::Refused(why) => format!("{name}: {why}"),
        Attempt::Opened(how) => {
            against.push(format!("it {how} {name}"));
            String::new()
        }
        Attempt::Unknown(why) => {
            against.push(format!("{name} could not be tried: {why}"));
            String::new()
        }
    };
    Proof::of(claim, &against, refused)
}

fn try_files(of: &Side) -> Proof {
    let (mut against, mut count) = (Vec::new(), 0);
    for (name, want) in of.files().filter(|(_, want)| want.content.is_secret()) {
        count += 1;
        match is_open(&want.place.root.join(&want.place.path)) {
            Ok(Some(false)) => {}
            Ok(Some(true)) => against.push(format!("{name} can be read by others")),
            Ok(None) => against.push(format!("{name} is not there")),
            Err(error) => against.push(chain(&error)),
        }
    }
    let claim = format!("files of {} with secrets are closed to other users of the host", of.name);
    Proof::of(claim, &against, format!("mode 0600, files: {count}"))
}

fn try_processes(from: &Side, to: &Side) -> Proof {
    let claim = format!("no process of {} was given a secret of {}", from.name, to.name);
    let wanted = from.wanted().filter(|(_, it)| matches!(it, Resource::Process(_))).count();
    match (carrying(&from.mark), sees_secret(&from.mark, &to.secrets())) {
        (Ok(all), Ok(seeing)) => {
            let mut against: Vec<_> =
                seeing.iter().map(|pid| format!("pid {pid} has one")).collect();
            if all.is_empty() && wanted > 0 {
                against.push(format!("none of its {wanted} runs, so nothing could be looked at"));
            }
            Proof::of(claim, &against, format!("processes: {}", all.len()))
        }
        (Err(error), _) | (_, Err(error)) => Proof::of(claim, &[error.to_string()], ""),
    }
}

/// `GET …/belongings`
pub async fn belongings(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Belongings>, Refusal> {
    let key = key(&kind, &name)?;
    let side = Side::of(&control, &key)?;
    let outside = outside(&control)?;
    let mut all = Belongings { places: places(&side), ..Belongings::default() };
    let wanted: Vec<_> = side
        .object
        .resources
        .iter()
        .filter_map(|(id, wanted)| match &wanted.target {
            AnyTarget::Present(Resource::Process(want)) => Some((id.clone(), Arc::clone(want))),
            _ => None,
        })
        .collect();
    let looked: Vec<_> =
        wanted.iter().map(|(id, want)| (id.clone(), Resource::Process(Arc::clone(want)))).collect();
    for now in outside.now(&looked, false).await {
        if let (Some(pid), Some(started)) = (now.pid, now.started) {
            all.processes.insert(now.name, format!("{pid}@{started}"));
        }
    }
    let checked: Vec<_> = wanted.iter().map(|(id, want)| (id.clone(), want.as_ref())).collect();
    for health in outside.health(&checked).await.into_iter().filter(|it| !it.passed) {
        all.unhealthy.push(format!("process {}: {}", health.process, health.message));
    }
    let failed = |why: String| Refusal::Failed(format!("{key}: {why}"));
    if let Some(login) = side.database().and_then(|want| side.login(&want.place.database)) {
        all.rows = rows(&login).await.map_err(failed)?;
    }
    if let (Some(want), Some(store)) = (side.bucket(), &side.store) {
        let own = bucket::Key {
            access_key: store.access_key.clone(),
            secret_key: store.secret_key.clone(),
            shared: Vec::new(),
        };
        let key = want.key.as_ref().unwrap_or(&own);
        all.objects = keys(store, key, &want.place.bucket).await.map_err(failed)?;
    }
    for (name, want) in side.files() {
        let hash = file_hash(&want.place.root.join(&want.place.path));
        if let Some(hash) = hash.map_err(|error| Refusal::failed(&error))? {
            all.files.insert(name.to_owned(), hash);
        }
    }
    if let Some(tree) = side.worktree().map(FilePath::to_path_buf) {
        let look = tokio::task::spawn_blocking(move || receipt::content(&tree));
        let content = look.await.map_err(|error| Refusal::failed(&error))?;
        all.tree = Some(content.map_err(|error| Refusal::failed(&error))?.tree);
    }
    Ok(Json(all))
}

fn places(side: &Side) -> Places {
    Places {
        agent: side.name.clone(),
        uid: side.mark.uid.to_string(),
        infra: side
            .database()
            .map(|it| it.place.infra.clone())
            .or_else(|| side.bucket().map(|it| it.place.infra.clone())),
        database: side.database().map(|it| it.place.database.clone()),
        bucket: side.bucket().map(|it| it.place.bucket.clone()),
        worktree: side.worktree().map(FilePath::to_path_buf),
        ports: side.object.ports.values().copied().collect(),
    }
}

/// `POST /v1/remains`: what is left of an agent that is gone, one line each.
pub async fn remains(
    State(control): State<Control>,
    Json(places): Json<Places>,
) -> Result<Json<Vec<String>>, Refusal> {
    let mut left = Vec::new();
    let view = control.core.view();
    let connections = &view.desired.connections;
    let infra = places.infra.as_deref().unwrap_or_default();
    let unknown = || Refusal::Conflict(format!("it is not known how infra/{infra} is reached"));
    if let Some(name) = &places.database {
        let server = connections.postgres.get(infra).ok_or_else(unknown)?;
        let server = outside(&control)?.server(infra, server);
        let found = database_is_there(&server, name).await;
        left.extend(found.map_err(|error| Refusal::failed(&error))?);
    }
    if let Some(name) = &places.bucket {
        let store = connections.stores.get(infra).ok_or_else(unknown)?;
        if bucket_is_there(store, name).await.map_err(Refusal::Failed)? {
            left.push(format!("bucket {name}"));
        }
    }
    let mark = control.core.mark(&Uid::new(&places.uid));
    let pids = carrying(&mark).map_err(|error| Refusal::failed(&error))?;
    left.extend(pids.iter().map(|pid| format!("process {pid}")));
    for path in paths(&control, &places) {
        if fs::metadata(&path).map_err(|error| Refusal::failed(&error))?.is_some() {
            left.push(path.display().to_string());
        }
    }
    for port in &places.ports {
        if processes::probe::http::connect(*port).await.is_ok() {
            left.push(format!("somebody listens on port {port}"));
        }
    }
    Ok(Json(left))
}

/// Its worktree, and what the state folder has of it.
fn paths(control: &Control, places: &Places) -> Vec<std::path::PathBuf> {
    let state = &control.core.config.state;
    let key = ObjectKey::agent(&places.agent);
    let mut all: Vec<_> = places.worktree.iter().cloned().collect();
    all.push(state.join(agent_harness_model::layout::LOGS).join(key.slug()));
    all.push(agent_harness_providers::setup::records_of(
        &state.join("setup"),
        &key,
        &Uid::new(&places.uid),
    ));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_proves_that_nobody_gets_in() {
        let opened = || Attempt::Opened("opens");
        let refused = || Attempt::Refused("permission denied".to_owned());
        let unknown = || Attempt::Unknown("no answer within 10 s".to_owned());
        let told = |own, other| {
            let proof = own_alone("it".to_owned(), ("agent_1", own), ("agent_2", other));
            format!("{} {}", proof.passed, proof.found)
        };
        assert_eq!(told(opened(), refused()), "true agent_2: permission denied");
        assert_eq!(told(opened(), opened()), "false it opens agent_2");
        let why = "false agent_2 could not be tried: no answer within 10 s";
        assert_eq!(told(opened(), unknown()), why);
        let why = "false it does not open agent_1: permission denied";
        assert_eq!(told(refused(), refused()), why);
        assert!(told(unknown(), unknown()).starts_with("false it does not open agent_1"));
    }
}
