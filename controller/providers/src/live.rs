//! What runs, as it is at this moment: for a person who asks, never for a reconcile. Nothing here is remembered.

mod health;
mod kept;
mod marked;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::api::{ServiceNow, SlowQuery};
use agent_harness_model::desired::Connections;
use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::service::PostgresConnection;
use agent_harness_model::kinds::{Resource, database};
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::docker::{Containers, Engine};
use crate::postgres::sizes::{self, Figures};
use crate::postgres::{Server, Servers, StatementsError, statements};
use crate::process::figures::{Table, Usage};
use crate::process::{Process, ProcessState, Supervisor, described, process_id};
use crate::provider::within;

pub use marked::{Marked, Where};

/// How long the engine may take to tell of one container, the time between two looks included.
const LOOK: Duration = Duration::from_secs(8);
/// Between the two looks from which a share of the processors is told.
const SAMPLE: Duration = Duration::from_millis(500);

/// What runs, for whoever asks about it.
#[derive(Clone)]
pub struct Live {
    containers: Containers,
    supervisor: Arc<Supervisor>,
    servers: Arc<Servers>,
    installation: String,
}

impl Live {
    /// What an engine, a supervisor and the database servers have of one installation.
    pub fn new(
        engine: Arc<Engine>,
        supervisor: Arc<Supervisor>,
        servers: Arc<Servers>,
        installation: String,
    ) -> Self {
        Self { containers: Containers::new(engine), supervisor, servers, installation }
    }

    /// The containers: their output, and commands in them.
    pub fn containers(&self) -> &Containers {
        &self.containers
    }

    /// A database server, as whoever looks after it sees it.
    pub fn server(&self, infra: &str, connection: &PostgresConnection) -> Arc<Server> {
        self.servers.get(infra, connection)
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
        // One look at all processes of the host for all of them, and one more.
        let is_process =
            |(_, want): &(ResourceId, Resource)| !matches!(want, Resource::Container(_));
        let any = of.iter().any(is_process);
        let first = if any { table().await } else { Table::default() };
        let begun = Instant::now();
        let containers = join_all(of.iter().map(|(id, want)| self.container(id, want, cpu)));
        let second = async {
            if !any || !cpu {
                return None;
            }
            tokio::time::sleep(SAMPLE).await;
            Some((table().await, begun.elapsed()))
        };
        let (containers, second) = tokio::join!(containers, second);
        let one = |((id, want), container): (&(ResourceId, Resource), Option<ServiceNow>)| {
            let now = container.unwrap_or_else(|| self.process(id, want, &first, second.as_ref()));
            ServiceNow { name: id.name.clone(), resource: id.local(), ..now }
        };
        of.iter().zip(containers).map(one).collect()
    }

    async fn container(&self, id: &ResourceId, want: &Resource, cpu: bool) -> Option<ServiceNow> {
        let Resource::Container(want) = want else { return None };
        let mark = self.mark(id);
        let look = self.containers.now(&want.place.container, &mark, cpu);
        let mut now = match within(LOOK, "the Docker engine", Box::pin(look)).await {
            Ok(Ok(now)) => now,
            Ok(Err(error)) => unknown(error.to_string()),
            Err(why) => unknown(why),
        };
        now.image.get_or_insert_with(|| want.config.image.clone());
        now.memory_limit = now.memory_limit.or(want.config.memory);
        Some(now)
    }

    fn process(
        &self,
        id: &ResourceId,
        want: &Resource,
        first: &Table,
        second: Option<&(Table, Duration)>,
    ) -> ServiceNow {
        let mut now = match self.find(id) {
            Ok(Some(process)) => {
                let first = first.usage(&process);
                let last = second.and_then(|(table, after)| Some((table.usage(&process)?, after)));
                // It may have been started anew in between.
                let mut now = of_process(&process, last.map(|(last, _)| last).or(first));
                now.cpu_percent = first.zip(last).map(|(first, (last, after))| {
                    let used = last.cpu.saturating_sub(first.cpu);
                    used.as_secs_f64() / after.as_secs_f64() * 100.0
                });
                now
            }
            Ok(None) => ServiceNow { state: Some("not there".to_owned()), ..ServiceNow::default() },
            Err(why) => unknown(why),
        };
        if let Resource::Process(want) = want {
            now.memory_limit = want.limits.memory;
        }
        now
    }

    /// The queries of an agent's database that took longest in all, the longest first.
    pub async fn slowest(
        &self,
        connections: &Connections,
        id: &ResourceId,
        place: &database::Place,
        limit: u32,
    ) -> Result<Vec<SlowQuery>, StatementsError> {
        let Some(connection) = connections.postgres.get(&place.infra) else {
            return Err(StatementsError::NoServer { infra: place.infra.clone() });
        };
        let server = self.servers.get(&place.infra, connection);
        statements::slowest(&server, &self.mark(id), place, limit).await
    }

    /// How large databases of ours are in an Infra's server, by name; those that are not there are left out.
    pub async fn sizes(
        &self,
        connections: &Connections,
        infra: &str,
        names: &[String],
    ) -> Result<BTreeMap<String, Figures>, String> {
        let Some(connection) = connections.postgres.get(infra) else {
            return Err(format!("infra/{infra} has no PostgreSQL server"));
        };
        let server = self.servers.get(infra, connection);
        let look = sizes::of(&server, &self.installation, names);
        within(LOOK, server.label(), Box::pin(look)).await?.map_err(|error| error.to_string())
    }

    /// The process of a resource, when it carries our mark.
    fn find(&self, id: &ResourceId) -> Result<Option<Process>, String> {
        let process = process_id(id).map_err(|error| error.to_string())?;
        let found = self.supervisor.get(&process).map_err(|error| error.to_string())?;
        Ok(found.filter(|found| found.mark == self.mark(id).to_string()))
    }
}

/// Reads what takes a while on a host with many processes.
async fn table() -> Table {
    // It does not panic, and where the runtime ends nobody is left to be told.
    tokio::task::spawn_blocking(Table::read).await.unwrap_or_default()
}

fn unknown(why: String) -> ServiceNow {
    ServiceNow { unknown: Some(why), ..ServiceNow::default() }
}

fn of_process(process: &Process, usage: Option<Usage>) -> ServiceNow {
    let (pid, started) = match &process.state {
        ProcessState::Running { pid, started_at_ms } => {
            let at = i64::try_from(*started_at_ms).ok();
            (Some(*pid), at.and_then(|at| Timestamp::from_millisecond(at).ok()))
        }
        _ => (None, None),
    };
    ServiceNow {
        state: Some(state(&process.state)),
        pid,
        started,
        restarts: Some(u64::from(process.restarts)),
        memory: usage.map(|usage| usage.memory),
        pids: usage.map(|usage| usage.pids),
        open_files: usage.map(|usage| usage.files),
        ..ServiceNow::default()
    }
}

/// In a few words.
fn state(state: &ProcessState) -> String {
    match state {
        ProcessState::Starting => "starting".to_owned(),
        ProcessState::Running { .. } => "running".to_owned(),
        ProcessState::Ending => "ending".to_owned(),
        ProcessState::Exited { requested: true, .. } => "stopped".to_owned(),
        ProcessState::Exited { outcome, exceeded: None, .. } => outcome.to_string(),
        ProcessState::Exited { outcome, exceeded, .. } => described(outcome, *exceeded),
        ProcessState::Lost { why, .. } => format!("lost: {why}"),
    }
}
