//! An agent's processes: their commands, ports, probes, and what each of them waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Stop;
use super::agent::{Parts, millis};
use super::commands::{Surroundings, whole_hash};
use super::context::{Context, needs};
use super::probes;
use crate::desired::Dependency;
use crate::id::ResourceKind;
use crate::kinds::{Need, Resource, process};
use crate::spec::{AfterCondition, Limits, Probe, Process, RestartPolicy};
use crate::template::names_in;

/// Default time without a change of a watched file.
const WATCH_DELAY_MS: u64 = 300;
/// Default grace of a stop.
const STOP_GRACE_MS: u64 = 5000;

impl Parts<'_> {
    /// The ports that each process listens on, as far as its spec shows: that of its probe, and those that it
    /// alone is told of on its command line and that are in no other's probe.
    fn own_ports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let probed = |process: &'_ Process| {
            [&process.ready, &process.startup, &process.live].into_iter().flatten().find_map(
                |probe| {
                    let http = probe.http.as_ref().map(|http| http.port.clone());
                    http.or_else(|| Some(probe.tcp.as_ref()?.port.clone()))
                },
            )
        };
        let told = |process: &Process, port: &str| {
            let name = format!("ports.{port}");
            process.run.texts().any(|text| names_in(text).contains(&name.as_str()))
        };
        let enabled = || self.spec.processes.iter().filter(|(_, process)| process.enabled);
        let mut own: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for port in self.spec.ports.keys() {
            let mut probing = enabled().filter(|(_, it)| probed(it).as_deref() == Some(port));
            let mut telling = enabled().filter(|(_, it)| told(it, port));
            let owner =
                probing.next().or_else(|| telling.next().filter(|_| telling.next().is_none()));
            if let Some((owner, _)) = owner {
                own.entry(owner).or_default().insert(port);
            }
        }
        own
    }

    /// Adds all that are enabled; each needs `ready` first.
    pub fn add_processes(
        &self,
        cx: &mut Context<'_>,
        around: &Surroundings<'_>,
        ready: &[Dependency],
    ) -> Result<(), Stop> {
        let own_ports = self.own_ports();
        for (name, wanted) in self.spec.processes.iter().filter(|(_, process)| process.enabled) {
            let path = ["processes", name.as_str()];
            let ports: Vec<(String, u16)> = own_ports
                .get(name.as_str())
                .into_iter()
                .flatten()
                .filter_map(|port| Some(((*port).to_owned(), *cx.object.ports.get(*port)?)))
                .collect();
            let all = cx.object.ports.clone();
            let budget = self.spec.limits.as_ref();
            let want = process(cx, around, &path, wanted, ports, &all, budget)?;
            if let Some(port) = probes::web_port(&want) {
                cx.object.urls.insert(name.clone(), format!("http://localhost:{port}"));
            }
            let mut after = ready.to_vec();
            after.extend(after_others(cx, wanted));
            let id = cx.id(ResourceKind::Process, name);
            cx.add(&id, Resource::Process(Arc::new(want)), after, &self.place(&path));
        }
        Ok(())
    }
}

/// What of a process counts beside its command. What came later stands there only when it is set: an upgrade that
/// brings another limit to set is no reason to start anything anew.
fn kept_to(
    ports: &[(String, u16)],
    limits: process::Limits,
    budget: process::Budget,
) -> Vec<String> {
    let mut all = vec![format!("{ports:?} {:?}", limits.memory)];
    let later = process::Limits { memory: None, ..limits };
    if later != process::Limits::default() {
        let process::Limits { memory: _, milli_cpus, pids, open_files, nice } = later;
        all.push(format!("limits {milli_cpus:?} {pids:?} {open_files:?} {nice:?}"));
    }
    if budget != process::Budget::default() {
        let process::Budget { memory, milli_cpus, pids } = budget;
        all.push(format!("of all {memory:?} {milli_cpus:?} {pids:?}"));
    }
    all
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "validation lets only positive numbers through that a host can have"
)]
fn milli_cpus(cpus: f64) -> u64 {
    (cpus * 1e3).round() as u64
}

/// What all processes of an agent may use together.
pub(super) fn budget(limits: Option<&Limits>) -> process::Budget {
    limits.map_or_else(process::Budget::default, |all| process::Budget {
        memory: all.memory.map(|size| size.0),
        milli_cpus: all.cpus.map(milli_cpus),
        pids: all.pids,
    })
}

/// A process at `path`, which alone listens on `ports`; a probe can be of `all`. `budget` is its agent's.
pub(super) fn process(
    cx: &mut Context<'_>,
    around: &Surroundings<'_>,
    path: &[&str],
    wanted: &Process,
    ports: Vec<(String, u16)>,
    all: &BTreeMap<String, u16>,
    budget: Option<&Limits>,
) -> Result<process::Desired, Stop> {
    let command = around.command(cx, path, &wanted.run, wanted.cwd.as_deref(), &wanted.env)?;
    let mut probe = |name: &str, wanted: Option<&Probe>| {
        let path: Vec<&str> = path.iter().copied().chain([name]).collect();
        wanted.map(|wanted| probes::probe(cx, around, &path, wanted, &command, all)).transpose()
    };
    let (startup, ready, live) = (
        probe("startup", wanted.startup.as_ref())?,
        probe("ready", wanted.ready.as_ref())?,
        probe("live", wanted.live.as_ref())?,
    );
    let stop = wanted.stop.clone().unwrap_or_default();
    let place = process::Place {
        stop_signal: stop.signal.unwrap_or_else(|| "SIGTERM".into()),
        stop_grace_ms: stop.timeout.map_or(STOP_GRACE_MS, |timeout| millis(timeout.0)),
    };
    let limits = process::Limits {
        memory: wanted.memory.map(|size| size.0),
        milli_cpus: wanted.cpus.map(milli_cpus),
        pids: wanted.pids,
        open_files: wanted.open_files,
        nice: wanted.nice,
    };
    let budget = self::budget(budget);
    Ok(process::Desired {
        fingerprint: whole_hash(&command, &kept_to(&ports, limits, budget)),
        place,
        command,
        ports,
        startup,
        ready,
        live,
        watch: wanted.watch.as_ref().map(|watch| process::Watch {
            root: around.root.clone(),
            paths: watch.paths.clone(),
            ignore: watch.ignore.clone(),
            delay_ms: watch.delay.map_or(WATCH_DELAY_MS, |delay| millis(delay.0)),
        }),
        restart: match wanted.restart {
            RestartPolicy::Always => process::Restart::Always,
            RestartPolicy::OnFailure => process::Restart::OnFailure,
            RestartPolicy::Never => process::Restart::Never,
        },
        limits,
        budget,
    })
}

/// What a process waits for among those of the same object.
pub(super) fn after_others(cx: &Context<'_>, wanted: &Process) -> Vec<Dependency> {
    let of = |(other, condition): (&String, &AfterCondition)| {
        let need = match condition {
            AfterCondition::Ready => Need::Ready,
            AfterCondition::Started => Need::Started,
            AfterCondition::Succeeded => Need::Succeeded,
        };
        needs(cx.id(ResourceKind::Process, other), need)
    };
    wanted.after.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those of releases that knew no other limit than that of memory.
    #[test]
    fn limits_that_are_not_set_start_nothing_anew() {
        let (none, no_budget) = (process::Limits::default(), process::Budget::default());
        let ports = [("api".to_owned(), 8030)];
        assert_eq!(kept_to(&ports, none, no_budget), ["[(\"api\", 8030)] None"]);
        let memory = process::Limits { memory: Some(1 << 30), ..none };
        assert_eq!(kept_to(&[], memory, no_budget), ["[] Some(1073741824)"]);
        let all = [
            (none, no_budget),
            (memory, no_budget),
            (process::Limits { milli_cpus: Some(500), ..none }, no_budget),
            (process::Limits { pids: Some(500), ..none }, no_budget),
            (process::Limits { open_files: Some(500), ..none }, no_budget),
            (process::Limits { nice: Some(5), ..none }, no_budget),
            (none, process::Budget { memory: Some(1 << 30), ..no_budget }),
            (none, process::Budget { milli_cpus: Some(500), ..no_budget }),
            (none, process::Budget { pids: Some(500), ..no_budget }),
        ];
        let different: BTreeSet<Vec<String>> =
            all.iter().map(|(limits, budget)| kept_to(&[], *limits, *budget)).collect();
        assert_eq!(different.len(), all.len());
    }
}
