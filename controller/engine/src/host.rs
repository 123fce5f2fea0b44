//! The real outside: hands each question and each step to the provider of its kind, one line a kind.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind};
use agent_harness_model::kinds::Place;
use agent_harness_model::layout;
use agent_harness_model::plan::Step;
use agent_harness_model::world::{ApplyError, Ask, Observed};
use agent_harness_providers::docker::{self, DockerProvider, Engine};
use agent_harness_providers::files::FilesProvider;
use agent_harness_providers::git::GitProvider;
use agent_harness_providers::live::Live;
use agent_harness_providers::postgres::embedded::default_cache;
use agent_harness_providers::postgres::{PostgresProvider, PostgresService, Report, Servers};
use agent_harness_providers::process::{
    CgroupSetting, Cgroups, Limit, ProcessId, ProcessProvider, Supervisor, budget, process_id,
};
use agent_harness_providers::provider::{Context, Provider, unknown};
use agent_harness_providers::s3::{ObjectStoreService, S3Provider};
use agent_harness_providers::setup::{Runner, SetupProvider};
use agent_harness_providers::verify::Verifier;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

use crate::core::{Core, StartError};
use crate::world::{Hint, World};

/// A backend that takes longer to be looked at is unknown for this time.
const LOOK: Duration = Duration::from_secs(10);

/// The host, as this state folder sees it.
pub struct Host {
    installation: String,
    supervisor: Arc<Supervisor>,
    runner: Runner,
    report: Report,
    pulls: docker::Report,
    docker: Arc<Engine>,
    logs: PathBuf,
    bin: PathBuf,
    providers: Providers,
    /// Whose process is whose, for hints.
    owners: Arc<Mutex<BTreeMap<ProcessId, ResourceId>>>,
    hints: Mutex<Option<UnboundedReceiver<Hint>>>,
}

/// The providers, with what each remembers of its last look.
struct Providers {
    trees: GitProvider,
    files: FilesProvider,
    setup: SetupProvider,
    postgres: PostgresProvider,
    buckets: S3Provider,
    processes: ProcessProvider,
    containers: DockerProvider,
    store: ObjectStoreService,
    server: PostgresService,
    servers: Arc<Servers>,
}

impl Host {
    /// The host as this state folder sees it. Needs a tokio runtime.
    pub fn new(core: &Core) -> Result<Self, StartError> {
        let config = &core.config;
        let logs = config.state.join(layout::LOGS);
        let cgroups = Cgroups::choose(config.cgroups, &core.installation);
        let (run, shim) = (config.state.join("run"), config.bin.join("agent-shim"));
        let supervisor = Supervisor::with_cgroups(run, shim, cgroups)
            .map_err(|error| StartError::Host(Box::new(error)))?;
        tracing::info!("processes are held by {}", supervisor.cgroups());
        let wants_some = matches!(config.cgroups, CgroupSetting::V1 | CgroupSetting::V2);
        if wants_some && supervisor.cgroups().is_none() {
            tracing::warn!("the control groups that were asked for cannot be made here");
        }
        let supervisor = Arc::new(supervisor);
        if !Limit::ALL.into_iter().all(|limit| supervisor.cgroups().holds(limit)) {
            tokio::spawn(budget::keep(Arc::downgrade(&supervisor)));
        }
        let owners = Arc::new(Mutex::new(BTreeMap::new()));
        let (sender, hints) = mpsc::unbounded_channel();
        let (downloads, pulls, containers) = (sender.clone(), sender.clone(), sender.clone());
        let report: Report = Arc::new(move |id, progress| {
            let (of, text, news) = (id.clone(), progress.to_string(), progress.is_news());
            // Nobody listening is fine.
            let _ = downloads.send(Hint::Progress { of, text, news });
        });
        let pulls: docker::Report = Arc::new(move |id, progress| {
            let (of, text, news) = (id.clone(), progress.to_string(), progress.is_news());
            let _ = pulls.send(Hint::Progress { of, text, news });
        });
        let notify: docker::Notify = Arc::new(move |of| {
            let _ = containers.send(of.map_or(Hint::All, Hint::Resource));
        });
        let docker = Arc::new(Engine::of_environment());
        let containers = DockerProvider::new(Arc::clone(&docker), Arc::clone(&pulls), Some(notify));
        tokio::spawn(forward(supervisor.subscribe(), Arc::clone(&owners), sender));
        let (installation, stop) = (core.installation.clone(), core.steps.clone());
        let runner = Runner::new(&config.state, logs.clone(), installation, stop)
            .map_err(|error| StartError::Host(Box::new(error)))?;
        Ok(Self {
            installation: core.installation.clone(),
            providers: Providers::new(
                &supervisor,
                &runner,
                &logs,
                &config.bin,
                &report,
                containers,
            ),
            supervisor,
            runner,
            report,
            pulls,
            docker,
            logs,
            bin: config.bin.clone(),
            owners,
            hints: Mutex::new(Some(hints)),
        })
    }

    fn remember(&self, asks: &[Ask<'_>]) {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = |kind| matches!(kind, ResourceKind::Process | ResourceKind::Service);
        for ask in asks.iter().filter(|ask| runs(ask.id.kind)) {
            if let Ok(process) = process_id(ask.id) {
                owners.entry(process).or_insert_with(|| ask.id.clone());
            }
        }
    }
}

impl Providers {
    /// Providers that remember nothing yet.
    fn new(
        supervisor: &Arc<Supervisor>,
        runner: &Runner,
        logs: &Path,
        bin: &Path,
        report: &Report,
        containers: DockerProvider,
    ) -> Self {
        let servers = Arc::new(Servers::default());
        let (logs, supervisor) = (logs.to_path_buf(), Arc::clone(supervisor));
        Self {
            trees: GitProvider::new(),
            files: FilesProvider::new(),
            setup: SetupProvider::new(runner.clone()),
            postgres: PostgresProvider::new(Arc::clone(&servers), Arc::new(runner.clone())),
            buckets: S3Provider::new(),
            processes: ProcessProvider::new(Arc::clone(&supervisor), logs.clone()),
            containers,
            server: PostgresService::new(
                Arc::clone(&supervisor),
                Arc::clone(&servers),
                logs.clone(),
                default_cache(),
                Arc::clone(report),
            ),
            store: ObjectStoreService::new(supervisor, bin.join("controller"), logs),
            servers,
        }
    }

    async fn observe(&self, cx: &Context<'_>, asks: &[Ask<'_>]) -> Observed {
        let of = |wanted: fn(&Ask<'_>) -> bool| -> Vec<Ask<'_>> {
            asks.iter().filter(|ask| wanted(ask)).cloned().collect()
        };
        let databases =
            of(|ask| matches!(ask.id.kind, ResourceKind::Database | ResourceKind::Template));
        let trees = of(|ask| ask.id.kind == ResourceKind::Worktree);
        let files = of(|ask| ask.id.kind == ResourceKind::File);
        let setup = of(|ask| ask.id.kind == ResourceKind::Setup);
        let buckets = of(|ask| ask.id.kind == ResourceKind::Bucket);
        let processes = of(|ask| ask.id.kind == ResourceKind::Process);
        let containers = of(|ask| ask.id.kind == ResourceKind::Container);
        let stores = of(is_store);
        let servers = of(is_server);
        // First: it says which process on a server's port may be shown a password.
        let servers =
            bounded("the database server", &servers, self.server.observe(cx, &servers)).await;
        let (trees, files, setup, databases, buckets, processes, stores, containers) = tokio::join!(
            bounded("the repository", &trees, self.trees.observe(cx, &trees)),
            bounded("the worktree", &files, self.files.observe(cx, &files)),
            bounded("the worktree", &setup, self.setup.observe(cx, &setup)),
            bounded("the database server", &databases, self.postgres.observe(cx, &databases)),
            bounded("the object store", &buckets, self.buckets.observe(cx, &buckets)),
            bounded("the run folder", &processes, self.processes.observe(cx, &processes)),
            bounded("the object store", &stores, self.store.observe(cx, &stores)),
            bounded("the Docker engine", &containers, self.containers.observe(cx, &containers)),
        );
        let mut observed = unknown(asks, "this version has no provider for it");
        let parts =
            [servers, trees, files, setup, databases, buckets, processes, stores, containers];
        for part in parts {
            observed.merge(part);
        }
        observed
    }
}

impl World for Host {
    async fn observe(&self, connections: &Connections, asks: &[Ask<'_>]) -> Observed {
        self.remember(asks);
        let cx = Context::new(connections, &self.installation);
        Box::pin(self.providers.observe(&cx, asks)).await
    }

    async fn suppose(&self, connections: &Connections, asks: &[Ask<'_>]) -> Observed {
        let cx = Context::new(connections, &self.installation);
        // What a provider remembers of its last look is what its next step rests on: these forget it all.
        let Self { supervisor, runner, logs, bin, report, pulls, docker, .. } = self;
        let containers = DockerProvider::new(Arc::clone(docker), Arc::clone(pulls), None);
        let providers = Providers::new(supervisor, runner, logs, bin, report, containers);
        Box::pin(providers.observe(&cx, asks)).await
    }

    async fn apply(
        &self,
        connections: &Connections,
        step: &Step,
        stop: &CancellationToken,
    ) -> Result<(), ApplyError> {
        let cx = Context { stop, ..Context::new(connections, &self.installation) };
        let (id, action) = (&step.resource, &step.action);
        match id.kind {
            ResourceKind::Database | ResourceKind::Template => {
                self.providers.postgres.apply(&cx, id, action).await
            }
            ResourceKind::Bucket => self.providers.buckets.apply(&cx, id, action).await,
            ResourceKind::Process => self.providers.processes.apply(&cx, id, action).await,
            ResourceKind::Container => self.providers.containers.apply(&cx, id, action).await,
            ResourceKind::Service if id.name == "postgres" => {
                self.providers.server.apply(&cx, id, action).await
            }
            ResourceKind::Service => self.providers.store.apply(&cx, id, action).await,
            ResourceKind::Worktree => self.providers.trees.apply(&cx, id, action).await,
            ResourceKind::File => self.providers.files.apply(&cx, id, action).await,
            ResourceKind::Setup => self.providers.setup.apply(&cx, id, action).await,
        }
    }

    fn warnings(&self, owner: &ObjectKey) -> Vec<String> {
        self.providers
            .buckets
            .warnings()
            .into_iter()
            .filter(|(id, _)| id.owner == *owner)
            .flat_map(|(id, texts)| {
                texts.into_iter().map(move |text| format!("{}: {text}", id.local()))
            })
            .collect()
    }

    fn notices(&self, owner: &ObjectKey) -> Vec<(&'static str, String)> {
        let kept = self.providers.files.take_kept(owner).into_iter();
        let say = |(id, path): (ResourceId, PathBuf)| {
            let (id, path) = (id.local(), path.display());
            let message = format!(
                "{id} was edited by somebody else: that is in {path} now, and the wanted one in its place"
            );
            ("KeptAside", message)
        };
        let old = self.providers.trees.take_old(owner).into_iter();
        let old = old.map(|(id, old)| ("OldBranch", format!("{} {old}", id.local())));
        kept.map(say).chain(old).collect()
    }

    fn live(&self) -> Option<Live> {
        let (engine, supervisor) = (Arc::clone(&self.docker), Arc::clone(&self.supervisor));
        let servers = Arc::clone(&self.providers.servers);
        Some(Live::new(engine, supervisor, servers, self.installation.clone()))
    }

    fn verifier(&self) -> Option<Verifier> {
        let (runner, supervisor) = (self.runner.clone(), Arc::clone(&self.supervisor));
        let (shim, installation) = (self.bin.join("agent-shim"), self.installation.clone());
        Some(Verifier::new(runner, supervisor, shim, installation))
    }

    fn hints(&self) -> UnboundedReceiver<Hint> {
        let taken = self.hints.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.unwrap_or_else(|| mpsc::unbounded_channel().1)
    }
}

/// The object store among the services has this name.
fn is_store(ask: &Ask<'_>) -> bool {
    matches!(ask.place, Place::Service(place) if place.name == "objectStore")
}

/// The Postgres server among the services has this name.
fn is_server(ask: &Ask<'_>) -> bool {
    matches!(ask.place, Place::Service(place) if place.name == "postgres")
}

async fn bounded(
    backend: &str,
    asks: &[Ask<'_>],
    look: impl Future<Output = Observed>,
) -> Observed {
    if asks.is_empty() {
        return Observed::default();
    }
    match tokio::time::timeout(LOOK, look).await {
        Ok(observed) => observed,
        Err(_) => unknown(asks, &format!("{backend} did not answer within {} s", LOOK.as_secs())),
    }
}

async fn forward(
    mut changes: tokio::sync::broadcast::Receiver<ProcessId>,
    owners: Arc<Mutex<BTreeMap<ProcessId, ResourceId>>>,
    hints: UnboundedSender<Hint>,
) {
    loop {
        let hint = match changes.recv().await {
            Ok(process) => {
                let owners = owners.lock().unwrap_or_else(PoisonError::into_inner);
                match owners.get(&process) {
                    Some(id) => Hint::Resource(id.clone()),
                    None => continue,
                }
            }
            Err(RecvError::Lagged(_)) => Hint::All,
            Err(RecvError::Closed) => return,
        };
        if hints.send(hint).is_err() {
            return;
        }
    }
}
