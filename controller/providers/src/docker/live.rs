//! What a container is like at this moment, in figures: for a person who asks, never for a reconcile.
//!
//! What is told is picked field by field: an inspection also holds the environment, with its secrets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::api::ServiceNow;
use agent_harness_model::id::Mark;
use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum as Status,
    ContainerStatsResponse, HealthStatusEnum,
};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt as _;

use super::engine::Engine;
use super::error::DockerError;
use super::own::own;

/// Between the two looks from which a share of the processors is told.
const SAMPLE: Duration = Duration::from_millis(500);

/// The containers of an engine, for a person who asks about one.
#[derive(Debug, Clone)]
pub struct Containers {
    pub(super) engine: Arc<Engine>,
}

impl Containers {
    /// Those of one engine.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// What a container is like. The share of the processors takes two looks, and is told with `cpu` alone.
    pub async fn now(&self, name: &str, mark: &Mark, cpu: bool) -> Result<ServiceNow, DockerError> {
        let Some(found) = own(&self.engine, name, mark).await? else {
            return Ok(ServiceNow { state: Some("not there".to_owned()), ..ServiceNow::default() });
        };
        let runs = found.state.as_ref().and_then(|state| state.running) == Some(true);
        let (digest, stats) =
            futures_util::future::join(self.digest(&found), self.stats(name, runs, cpu)).await;
        let mut now = of_inspection(&found);
        now.container = Some(name.to_owned());
        now.digest = digest;
        match stats {
            Ok(Some((first, second))) => figures(&mut now, &first, second.as_ref()),
            Ok(None) => {}
            Err(error) => now.unknown = Some(error.to_string()),
        }
        Ok(now)
    }

    /// The digest that the registry has of its image, else the engine's own.
    async fn digest(&self, found: &ContainerInspectResponse) -> Option<String> {
        let id = found.image.clone()?;
        let look = async {
            let client = self.engine.client().await?;
            self.engine.call("look at an image", client.inspect_image(&id)).await
        };
        // An image may be removed while a container of it runs.
        let known = look.await.ok().and_then(|image| image.repo_digests).unwrap_or_default();
        let digest = known.first().and_then(|name| Some(name.split_once('@')?.1.to_owned()));
        digest.or(Some(id))
    }

    async fn stats(
        &self,
        name: &str,
        runs: bool,
        cpu: bool,
    ) -> Result<Option<(ContainerStatsResponse, Option<ContainerStatsResponse>)>, DockerError> {
        if !runs {
            return Ok(None);
        }
        let first = self.sample(name).await?;
        if !cpu {
            return Ok(Some((first, None)));
        }
        tokio::time::sleep(SAMPLE).await;
        let second = self.sample(name).await?;
        Ok(Some((first, Some(second))))
    }

    async fn sample(&self, name: &str) -> Result<ContainerStatsResponse, DockerError> {
        let client = self.engine.client().await?;
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut stats = Box::pin(client.stats(name, Some(options)));
        let action = format!("measure container {name}");
        let next = async { stats.next().await.unwrap_or(Err(no_answer())) };
        self.engine.call(&action, next).await
    }
}

fn no_answer() -> bollard::errors::Error {
    bollard::errors::Error::RequestTimeoutError
}

/// All that an inspection says without a secret in it.
fn of_inspection(found: &ContainerInspectResponse) -> ServiceNow {
    let state = found.state.clone().unwrap_or_default();
    let health = state.health.as_ref().and_then(|health| health.status);
    let health =
        health.filter(|it| !matches!(it, HealthStatusEnum::EMPTY | HealthStatusEnum::NONE));
    let runs = state.running == Some(true);
    let started = state.started_at.as_deref().and_then(|at| at.parse().ok());
    let limit = found.host_config.as_ref().and_then(|host| host.memory);
    ServiceNow {
        state: Some(word(&state)),
        health: health.filter(|_| runs).map(|it| it.to_string()),
        image: found.config.as_ref().and_then(|config| config.image.clone()),
        started: started.filter(|_| runs),
        restarts: found.restart_count.and_then(|count| u64::try_from(count).ok()),
        memory_limit: limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0),
        ..ServiceNow::default()
    }
}

fn word(state: &ContainerState) -> String {
    let code = state.exit_code.unwrap_or_default();
    match state.status.unwrap_or(Status::EMPTY) {
        Status::EMPTY => "unknown".to_owned(),
        Status::EXITED if state.oom_killed == Some(true) => "exited (out of memory)".to_owned(),
        Status::EXITED | Status::DEAD => format!("exited ({code})"),
        other => other.to_string(),
    }
}

fn figures(
    now: &mut ServiceNow,
    first: &ContainerStatsResponse,
    second: Option<&ContainerStatsResponse>,
) {
    let last = second.unwrap_or(first);
    now.cpu_percent = second.and_then(|second| cpu_percent(first, second));
    now.memory = memory(last);
    now.pids = last.pids_stats.as_ref().and_then(|pids| pids.current);
    if let Some(networks) = &last.networks {
        now.network_in = Some(networks.values().filter_map(|it| it.rx_bytes).sum());
        now.network_out = Some(networks.values().filter_map(|it| it.tx_bytes).sum());
    }
    let blocks = last.blkio_stats.as_ref();
    if let Some(entries) = blocks.and_then(|it| it.io_service_bytes_recursive.as_ref()) {
        let sum = |op: &str| {
            let of = entries
                .iter()
                .filter(|it| it.op.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(op)));
            Some(of.filter_map(|it| it.value).sum())
        };
        (now.disk_read, now.disk_written) = (sum("read"), sum("write"));
    }
}

/// In use, without what the kernel only keeps of files and gives back when somebody needs it.
fn memory(stats: &ContainerStatsResponse) -> Option<u64> {
    let memory = stats.memory_stats.as_ref()?;
    let none = HashMap::new();
    let details = memory.stats.as_ref().unwrap_or(&none);
    // The one of cgroups v2, the other of v1.
    let cache = details.get("inactive_file").or_else(|| details.get("total_inactive_file"));
    Some(memory.usage?.saturating_sub(cache.copied().unwrap_or(0)))
}

/// Percent of one processor between two looks: 200 is two processors at full load.
#[expect(clippy::cast_precision_loss, reason = "a share of two counters that are far below 2^52")]
fn cpu_percent(first: &ContainerStatsResponse, second: &ContainerStatsResponse) -> Option<f64> {
    let used = |stats: &ContainerStatsResponse| {
        let cpu = stats.cpu_stats.as_ref()?;
        Some((cpu.cpu_usage.as_ref()?.total_usage?, cpu.system_cpu_usage?, cpu.online_cpus?))
    };
    let ((before, all_before, _), (after, all_after, cpus)) = (used(first)?, used(second)?);
    let all = all_after.checked_sub(all_before).filter(|all| *all > 0)? as f64;
    Some(after.saturating_sub(before) as f64 / all * f64::from(cpus) * 100.0)
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerCpuStats, ContainerCpuUsage, ContainerMemoryStats};

    use super::*;

    fn stats(total: u64, system: u64) -> ContainerStatsResponse {
        let usage = ContainerCpuUsage { total_usage: Some(total), ..ContainerCpuUsage::default() };
        let cpu = ContainerCpuStats {
            cpu_usage: Some(usage),
            system_cpu_usage: Some(system),
            online_cpus: Some(4),
            ..ContainerCpuStats::default()
        };
        ContainerStatsResponse { cpu_stats: Some(cpu), ..ContainerStatsResponse::default() }
    }

    #[test]
    fn a_share_is_that_of_one_processor() {
        // Of four processors in one second, half a second of one.
        let percent = cpu_percent(&stats(0, 0), &stats(500_000_000, 4_000_000_000)).unwrap();
        assert!((percent - 50.0).abs() < 0.01, "{percent}");
        assert_eq!(cpu_percent(&stats(0, 7), &stats(5, 7)), None, "no time passed");
    }

    #[test]
    fn memory_is_told_without_the_cache_of_files() {
        for (name, want) in [("inactive_file", 60), ("total_inactive_file", 60), ("rss", 100)] {
            let details = HashMap::from([(name.to_owned(), 40)]);
            let memory_stats = ContainerMemoryStats {
                usage: Some(100),
                stats: Some(details),
                ..ContainerMemoryStats::default()
            };
            let of = ContainerStatsResponse {
                memory_stats: Some(memory_stats),
                ..ContainerStatsResponse::default()
            };
            assert_eq!(memory(&of), Some(want), "{name}");
        }
    }

    #[test]
    fn how_it_ended_is_in_its_state() {
        let exited = |oom| ContainerState {
            status: Some(Status::EXITED),
            exit_code: Some(137),
            oom_killed: Some(oom),
            ..ContainerState::default()
        };
        assert_eq!(word(&exited(false)), "exited (137)");
        assert_eq!(word(&exited(true)), "exited (out of memory)");
    }
}
