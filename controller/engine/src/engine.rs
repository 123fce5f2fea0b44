//! Starts all parts of the engine and stops them again. What they do is in their own modules.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use agent_harness_model::desired::Connections;
use agent_harness_model::layout;
use agent_harness_model::resolve::Need;
use agent_harness_model::world::Observed;
use agent_harness_providers::live::Live;
use agent_harness_providers::logs::{self, Limits};
use agent_harness_providers::verify::Verifier;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::backoff::jitter;
use crate::control;
use crate::converge::Converger;
use crate::core::{Config, Core, Job, Progress, StartError};
use crate::down::{DownError, down};
use crate::execute::Lanes;
use crate::facts::chain;
use crate::intake::watch::Watch;
use crate::leaks;
use crate::observe::{Observer, Question};
use crate::pressure;
use crate::publish;
use crate::pull::webhook;
use crate::questions;
use crate::served;
use crate::world::{Hint, World};

/// On shutdown, steps under way get this long; whatever they leave is finished by the next start.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Between two rounds over the logs, at least.
const TIDY: Duration = Duration::from_secs(60);

/// An engine that runs.
#[derive(Debug)]
pub struct Engine<W> {
    converger: Arc<Converger<W>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl<W: World> Engine<W> {
    /// Takes the state folder, and does nothing yet. `world` is made once the state folder is known.
    pub fn open(
        config: Config,
        world: impl FnOnce(&Core) -> Result<W, StartError>,
    ) -> Result<Self, StartError> {
        let core = Arc::new(Core::open(config)?);
        let world = Arc::new(world(&core)?);
        let observer = Observer::new(Arc::clone(&world));
        let converger = Arc::new(Converger {
            core,
            world,
            observer,
            lanes: Lanes::default(),
            waits: Mutex::default(),
        });
        Ok(Self { converger, stop: CancellationToken::new(), tasks: JoinSet::new() })
    }

    /// Takes the state folder and begins to work.
    pub fn start(
        config: Config,
        world: impl FnOnce(&Core) -> Result<W, StartError>,
    ) -> Result<Self, StartError> {
        let mut engine = Self::open(config, world)?;
        let Self { converger, stop, tasks } = &mut engine;
        let core = &converger.core;
        let observer = &converger.observer;
        let Config { state, specs, adopt, .. } = &core.config;
        let empty = core.ledger().records().next().is_none();
        // Where there is something, a folder that is away is an accident, and the guard holds all of it.
        if empty && matches!(specs.try_exists(), Ok(false)) {
            return Err(StartError::NoSpecs { specs: specs.clone() });
        }
        served::claim(state, specs, empty, *adopt)?;
        control::sweep(specs);
        let hints = converger.world.hints();
        let webhook = core.config.webhook.map(webhook::listen).transpose()?;
        let listener = control::listen(core)?;
        let outside: Arc<dyn control::Outside> = Arc::new(Hands(Arc::clone(converger)));
        tasks.spawn(control::serve(listener, Arc::clone(core), outside, stop.clone()));
        tasks.spawn(hear(Arc::clone(core), Arc::clone(observer), hints));
        tasks.spawn(watch(Arc::clone(core)));
        tasks.spawn(resync(Arc::clone(converger)));
        for puller in core.pulls.all() {
            tasks.spawn(Arc::clone(puller).keep_asking(Arc::clone(core), stop.clone()));
        }
        if let Some(listener) = webhook {
            tasks.spawn(webhook::serve(listener, Arc::clone(core), stop.clone()));
        }
        tasks.spawn(tidy_logs(state.join(layout::LOGS), core.config.resync, stop.clone()));
        let work = Arc::clone(converger);
        tasks.spawn(core.queue.clone().drive(move |job| Arc::clone(&work).run(job), stop.clone()));
        core.queue.add(Job::Survey, Duration::ZERO);
        for key in core.keys() {
            core.queue.resync(Job::Object(key), Duration::from_millis(500));
        }
        Ok(engine)
    }

    /// Ends everything that runs, agents first; with `purge`, destroys the data as well.
    pub async fn down(&self, purge: bool) -> Result<(), DownError> {
        let result = down(&self.converger, purge).await;
        self.core().advance(Progress::Down);
        result
    }

    /// What all parts share.
    pub fn core(&self) -> &Arc<Core> {
        &self.converger.core
    }

    /// The outside.
    pub fn world(&self) -> &Arc<W> {
        &self.converger.world
    }

    /// Stops working. The agents' processes run on.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.converger.core.steps.cancel();
        let done = tokio::time::timeout(SHUTDOWN, async {
            // The queue and the control socket end by themselves; the others only listen.
            while let Some(ended) = self.tasks.join_next().await {
                if ended.is_err() || self.tasks.len() <= LISTENERS {
                    break;
                }
            }
        });
        if done.await.is_err() {
            tracing::warn!("some steps are not finished; the next start goes on with them");
        }
        self.tasks.shutdown().await;
        control::forget(&self.converger.core);
    }
}

/// Tasks that never end by themselves.
const LISTENERS: usize = 3;

/// What requests may do with this world.
struct Hands<W>(Arc<Converger<W>>);

impl<W: World> control::Outside for Hands<W> {
    fn suppose(
        &self,
        connections: Arc<Connections>,
        questions: Vec<Question>,
    ) -> control::Later<Observed> {
        let world = Arc::clone(&self.0.world);
        Box::pin(async move {
            let asks: Vec<_> = questions.iter().map(Question::as_ask).collect();
            world.suppose(&connections, &asks).await
        })
    }

    fn live(&self) -> Option<Live> {
        self.0.world.live()
    }

    fn verifier(&self) -> Option<Verifier> {
        self.0.world.verifier()
    }

    fn down(&self, purge: bool) -> control::Later<Result<(), DownError>> {
        let converger = Arc::clone(&self.0);
        Box::pin(async move { down(&converger, purge).await })
    }
}

/// Turns hints of the world into wake-ups.
async fn hear<W: World>(
    core: Arc<Core>,
    observer: Arc<Observer<W>>,
    mut hints: mpsc::UnboundedReceiver<Hint>,
) {
    while let Some(hint) = hints.recv().await {
        match hint {
            Hint::Resource(id) => {
                observer.invalidate(&id);
                core.queue.add(Job::Object(id.owner), Duration::ZERO);
            }
            Hint::Progress { of, text, news } => publish::progress(&core, &of, &text, news),
            Hint::All => {
                observer.invalidate_all();
                for key in core.keys() {
                    core.queue.add(Job::Object(key), Duration::ZERO);
                }
            }
        }
    }
    // A world without hints is looked at by the resync.
    std::future::pending::<()>().await;
}

/// Turns changes of the specs folder, and of the template files that specs name, into surveys.
async fn watch(core: Arc<Core>) {
    let (sender, mut hints) = mpsc::channel(1);
    let mut folders = vec![core.config.specs.clone()];
    folders.extend(core.config.folders.values().cloned());
    let mut watch = Watch::new(folders, sender);
    let mut views = core.views();
    // At once for the first time: what was written before the watch began is seen by nobody else.
    let mut renew = tokio::time::interval(core.config.resync);
    loop {
        let hinted = tokio::select! {
            hint = hints.recv() => match hint {
                Some(()) => true,
                None => break,
            },
            changed = views.changed() => match changed {
                Ok(()) => false,
                Err(_) => break,
            },
            _ = renew.tick() => false,
        };
        let files = template_files(&core.view().needs);
        // The folders may be on a file system that hangs.
        let work = tokio::task::spawn_blocking(move || {
            let anew = watch.renew(files);
            (watch, anew)
        });
        let Ok((back, anew)) = work.await else { break };
        watch = back;
        if hinted || anew {
            core.queue.debounce(Job::Survey);
        }
    }
    std::future::pending::<()>().await;
}

/// The template files that specs name.
fn template_files(needs: &BTreeSet<Need>) -> BTreeSet<PathBuf> {
    let path = |need: &Need| match need {
        Need::File(path) => Some(path.clone()),
        Need::Secret(_)
        | Need::Commit { .. }
        | Need::Inputs { .. }
        | Need::Repository(_)
        | Need::Folder(_)
        | Need::Memory
        | Need::Disk
        | Need::FreeDisk(_)
        | Need::Program(_) => None,
    };
    needs.iter().filter_map(path).collect()
}

/// Looks at everything now and then: whatever was missed is seen then. One listing per backend serves all.
async fn resync<W: World>(converger: Arc<Converger<W>>) {
    let Converger { core, world, observer, .. } = &*converger;
    loop {
        tokio::time::sleep(core.config.resync.mul_f64(0.9 + 0.2 * jitter())).await;
        core.queue.resync(Job::Survey, Duration::ZERO);
        let view = core.view();
        observer.look(&view.connections, questions::about_all(&view, core), Duration::ZERO).await;
        let keys = core.keys();
        let begin = Timestamp::now().checked_sub(core.config.retention).unwrap_or_default();
        core.events.forget(|key| keys.contains(key), begin);
        for key in keys {
            core.queue.resync(Job::Object(key), Duration::ZERO);
        }
        if let Some(outside) = world.live() {
            leaks::note(core, &outside).await;
            let of = Arc::clone(core);
            let relieved = tokio::task::spawn_blocking(move || pressure::relieve(&of)).await;
            if let Ok(Err(error)) = relieved {
                tracing::warn!("what lies in the trash cannot give way: {}", chain(&error));
            }
        }
    }
}

/// Compresses and removes old logs, at each resync, but not more often than [`TIDY`].
async fn tidy_logs(logs: PathBuf, resync: Duration, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(resync.max(TIDY)) => {}
            () = stop.cancelled() => return,
        }
        let (logs, stop) = (logs.clone(), stop.clone());
        let round = tokio::task::spawn_blocking(move || {
            logs::tidy(&logs, Limits::USUAL, SystemTime::now(), &|| stop.is_cancelled())
        });
        for error in round.await.unwrap_or_default() {
            tracing::warn!("cannot tidy up logs: {}", chain(&error));
        }
    }
}
