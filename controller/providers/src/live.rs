//! What runs, as it is at this moment: for a person who asks, never for a reconcile. Nothing here is remembered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::api::ServiceNow;
use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::Resource;
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::docker::{Containers, Engine};
use crate::process::figures::{Table, Usage};
use crate::process::{Process, ProcessState, Supervisor, described, process_id};
use crate::provider::within;

/// How long the engine may take to tell of one container, the time between two looks included.
const LOOK: Duration = Duration::from_secs(8);
/// Between the two looks from which a share of the processors is told.
const SAMPLE: Duration = Duration::from_millis(500);

/// What runs, for whoever asks about it.
#[derive(Clone)]
pub struct Live {
    containers: Containers,
    supervisor: Arc<Supervisor>,
    installation: String,
}

impl Live {
    /// What an engine and a supervisor have of one installation.
    pub fn new(engine: Arc<Engine>, supervisor: Arc<Supervisor>, installation: String) -> Self {
        Self { containers: Containers::new(engine), supervisor, installation }
    }

    /// The containers: their output, and commands in them.
    pub fn containers(&self) -> &Containers {
        &self.containers
    }

    /// By what processes are held, in words.
    pub fn held_by(&self) -> String {
        self.supervisor.cgroups().to_string()
    }

    /// What a resource of ours carries.
    pub fn mark(&self, id: &ResourceId) -> Mark {
        Mark { installation: self.installation.clone(), uid: id.uid.clone() }
    }

    /// What each is like, all at once. With `cpu` it takes the time between two looks, and the share of the processors
    /// is told.
    pub async fn now(&self, of: &[(ResourceId, Resource)], cpu: bool) -> Vec<ServiceNow> {
        join_all(of.iter().map(|(id, want)| self.one(id, want, cpu))).await
    }

    async fn one(&self, id: &ResourceId, want: &Resource, cpu: bool) -> ServiceNow {
        let unknown = |why: String| ServiceNow { unknown: Some(why), ..ServiceNow::default() };
        let now = match want {
            Resource::Container(want) => {
                let mark = self.mark(id);
                let look = self.containers.now(&want.place.container, &mark, cpu);
                let mut now = match within(LOOK, "the Docker engine", Box::pin(look)).await {
                    Ok(Ok(now)) => now,
                    Ok(Err(error)) => unknown(error.to_string()),
                    Err(why) => unknown(why),
                };
                now.image.get_or_insert_with(|| want.config.image.clone());
                now.memory_limit = now.memory_limit.or(want.config.memory);
                now
            }
            Resource::Process(want) => {
                let now = self.process(id, cpu).await.unwrap_or_else(unknown);
                ServiceNow { memory_limit: want.limits.memory, ..now }
            }
            _ => self.process(id, cpu).await.unwrap_or_else(unknown),
        };
        ServiceNow { name: id.name.clone(), resource: id.local(), ..now }
    }

    async fn process(&self, id: &ResourceId, cpu: bool) -> Result<ServiceNow, String> {
        let Some(process) = self.find(id)? else {
            return Ok(ServiceNow { state: Some("not there".to_owned()), ..ServiceNow::default() });
        };
        let (first, begun) = (Table::read().usage(&process), Instant::now());
        let mut now = of_process(&process, first);
        if let Some(first) = first.filter(|_| cpu) {
            tokio::time::sleep(SAMPLE).await;
            let second = Table::read().usage(&process);
            now.cpu_percent = second.map(|second| {
                let used = second.cpu.saturating_sub(first.cpu).as_secs_f64();
                used / begun.elapsed().as_secs_f64() * 100.0
            });
        }
        Ok(now)
    }

    /// The process of a resource, when it carries our mark.
    fn find(&self, id: &ResourceId) -> Result<Option<Process>, String> {
        let process = process_id(id).map_err(|error| error.to_string())?;
        let found = self.supervisor.get(&process).map_err(|error| error.to_string())?;
        Ok(found.filter(|found| found.mark == self.mark(id).to_string()))
    }
}

fn of_process(process: &Process, usage: Option<Usage>) -> ServiceNow {
    let (state, started) = match &process.state {
        ProcessState::Starting => ("starting".to_owned(), None),
        ProcessState::Running { started_at_ms, .. } => {
            let at = i64::try_from(*started_at_ms).ok();
            ("running".to_owned(), at.and_then(|at| Timestamp::from_millisecond(at).ok()))
        }
        ProcessState::Ending => ("ending".to_owned(), None),
        ProcessState::Exited { requested: true, .. } => ("stopped".to_owned(), None),
        ProcessState::Exited { outcome, exceeded: None, .. } => (outcome.to_string(), None),
        ProcessState::Exited { outcome, exceeded, .. } => (described(outcome, *exceeded), None),
        ProcessState::Lost { why, .. } => (format!("lost: {why}"), None),
    };
    ServiceNow {
        state: Some(state),
        started,
        restarts: Some(u64::from(process.restarts)),
        memory: usage.map(|usage| usage.memory),
        pids: usage.map(|usage| usage.pids),
        ..ServiceNow::default()
    }
}
