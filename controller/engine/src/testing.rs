//! For tests: a world of processes in memory, with what is told of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Action, Have, Readiness, process};
use agent_harness_model::plan::Step;
use agent_harness_model::world::{ApplyError, Ask, Class, Observed, Seen};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_util::sync::CancellationToken;

use crate::world::{Hint, World};

/// Processes that run as soon as they are started; those that are called `bad` cannot be, and of those that are called
/// `mute` nobody learns that they were. There is nothing else.
#[derive(Clone)]
pub struct Hall {
    running: Arc<Mutex<BTreeMap<ResourceId, String>>>,
    /// What was asked for by those who act upon the answers.
    asked: Arc<Mutex<Vec<String>>>,
    dark: bool,
    gate: Arc<Semaphore>,
}

impl Default for Hall {
    fn default() -> Self {
        let gate = Arc::new(Semaphore::new(1));
        Self { running: Arc::default(), asked: Arc::default(), dark: false, gate }
    }
}

impl Hall {
    /// The same, where nothing can be seen.
    pub fn dark(&self) -> Self {
        Self { dark: true, ..self.clone() }
    }

    /// The same, where a look takes until it is opened.
    pub fn closed(&self) -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..self.clone() }
    }

    /// From now on a look takes until it is opened.
    pub async fn close(&self) {
        self.gate.acquire().await.expect("nobody closes the gate").forget();
    }

    /// Lets looks end.
    pub fn open(&self) {
        self.gate.add_permits(1);
    }

    /// What runs.
    pub fn running(&self) -> Vec<ResourceId> {
        self.running.lock().unwrap().keys().cloned().collect()
    }

    /// Every resource that was asked for, in the order of time.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn see(&self, asks: &[Ask<'_>]) -> Observed {
        let running = self.running.lock().unwrap();
        let see = |id: &ResourceId| match running.get(id) {
            _ if self.dark => Seen::Unknown("the lights are out".into()),
            None => Seen::Known(None),
            Some(fingerprint) => Seen::Known(Some(Have::Process(process::Observed::Running {
                fingerprint: fingerprint.clone(),
                pid: 1,
                ready: Readiness::Ready,
                restarts: 0,
                age_ms: 1000,
                folder_gone: false,
                hopeless: None,
                changed: None,
            }))),
        };
        asks.iter().map(|ask| (ask.id.clone(), see(ask.id))).collect()
    }
}

impl World for Hall {
    async fn observe(&self, _: &Connections, asks: &[Ask<'_>]) -> Observed {
        self.asked.lock().unwrap().extend(asks.iter().map(|ask| ask.id.to_string()));
        let _opened = self.gate.acquire().await;
        self.see(asks)
    }

    async fn suppose(&self, _: &Connections, asks: &[Ask<'_>]) -> Observed {
        self.see(asks)
    }

    async fn apply(
        &self,
        _: &Connections,
        step: &Step,
        _: &CancellationToken,
    ) -> Result<(), ApplyError> {
        let mut running = self.running.lock().unwrap();
        match &step.action {
            Action::Process(process::Action::Start(_)) if step.resource.name == "bad" => {
                let message = "there is no such command".into();
                return Err(ApplyError { class: Class::Terminal, message, part: None });
            }
            Action::Process(process::Action::Start(want) | process::Action::Respawn(want)) => {
                running.insert(step.resource.clone(), want.fingerprint.clone());
                if step.resource.name == "mute" {
                    let message = "no answer".into();
                    return Err(ApplyError { class: Class::Indeterminate, message, part: None });
                }
            }
            _ => {
                running.remove(&step.resource);
            }
        }
        Ok(())
    }

    fn hints(&self) -> UnboundedReceiver<Hint> {
        mpsc::unbounded_channel().1
    }
}
