//! An agent's processes: their commands, ports, probes, and what each of them waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Stop;
use super::agent::{Parts, millis};
use super::commands::{Surroundings, whole_hash};
use super::context::{Context, needs, plain};
use crate::desired::Dependency;
use crate::id::ResourceKind;
use crate::kinds::{Need, Resource, process};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::{AfterCondition, Process, RestartPolicy};
use crate::template::names_in;

/// Default grace of a stop.
const STOP_GRACE_MS: u64 = 5000;
/// Default time between two looks at a process that is ready: a look costs the controller a third of a
/// millisecond, and five agents with two such processes each are to cost it under 0.3 % of a core.
const READY_PERIOD_MS: u64 = 10_000;
/// Default time within which a process has to become ready.
const READY_TIMEOUT_MS: u64 = 60_000;

impl Parts<'_> {
    /// The ports that each process listens on, as far as its spec shows: that of its probe, and those that it
    /// alone is told of on its command line and that are in no other's probe.
    fn own_ports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let probed = |process: &'_ Process| {
            let ready = process.ready.as_ref();
            let http = ready.and_then(|ready| ready.http.as_ref()).map(|http| http.port.clone());
            http.or_else(|| Some(ready?.tcp.as_ref()?.port.clone()))
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
            let command =
                around.command(cx, &path, &wanted.run, wanted.cwd.as_deref(), &wanted.env)?;
            let ports: Vec<(String, u16)> = own_ports
                .get(name.as_str())
                .into_iter()
                .flatten()
                .filter_map(|port| Some(((*port).to_owned(), *cx.object.ports.get(*port)?)))
                .collect();
            let probe = match &wanted.ready {
                None => None,
                Some(probe) => Some(self.probe(cx, around, name, probe, &command)?),
            };
            if let Some(process::Probe { check: process::Check::Http { port, .. }, .. }) = &probe {
                cx.object.urls.insert(name.clone(), format!("http://localhost:{port}"));
            }
            let stop = wanted.stop.clone().unwrap_or_default();
            let place = process::Place {
                stop_signal: stop.signal.unwrap_or_else(|| "SIGTERM".into()),
                stop_grace_ms: stop.timeout.map_or(STOP_GRACE_MS, |timeout| millis(timeout.0)),
            };
            let memory = wanted.memory.map(|size| size.0);
            let mut after = ready.to_vec();
            for (other, condition) in &wanted.after {
                let need = match condition {
                    AfterCondition::Ready => Need::Ready,
                    AfterCondition::Started => Need::Started,
                    AfterCondition::Succeeded => Need::Succeeded,
                };
                after.push(needs(cx.id(ResourceKind::Process, other), need));
            }
            let want = process::Desired {
                fingerprint: whole_hash(&command, &[format!("{ports:?} {memory:?}")]),
                place,
                command,
                ports,
                ready: probe,
                restart: match wanted.restart {
                    RestartPolicy::Always => process::Restart::Always,
                    RestartPolicy::OnFailure => process::Restart::OnFailure,
                    RestartPolicy::Never => process::Restart::Never,
                },
                memory,
            };
            let id = cx.id(ResourceKind::Process, name);
            cx.add(&id, Resource::Process(Arc::new(want)), after, &self.place(&path));
        }
        Ok(())
    }

    fn probe(
        &self,
        cx: &mut Context<'_>,
        around: &Surroundings<'_>,
        name: &str,
        wanted: &crate::spec::Ready,
        command: &crate::kinds::command::Command,
    ) -> Result<process::Probe, Stop> {
        let path = ["processes", name, "ready"];
        let port = |name: &str, kind: &str| {
            cx.object.ports.get(name).copied().ok_or_else(|| {
                let names = cx.object.ports.keys().map(String::as_str);
                let place = self.place(&[path[0], path[1], path[2], kind, "port"]);
                Stop::from(
                    Diagnostic::at(place, format!("there is no port `{name}`"))
                        .help(format!("ports are: {}", crate::spec::diagnostic::list(names))),
                )
            })
        };
        let check = if let Some(http) = &wanted.http {
            let port = port(&http.port, "http")?;
            let place = || self.place(&[path[0], path[1], path[2], "http", "path"]);
            process::Check::Http { port, path: plain(&http.path, around.scope, place)? }
        } else if let Some(tcp) = &wanted.tcp {
            process::Check::Tcp { port: port(&tcp.port, "tcp")? }
        } else if let Some(exec) = &wanted.exec {
            let argv = around.command(cx, &path, &exec.command, None, &BTreeMap::new())?.argv;
            process::Check::Exec(crate::kinds::command::Command { argv, ..command.clone() })
        } else {
            let place = self.place(&path);
            return Err(Diagnostic::at(place, "`ready` says nothing to look at")
                .help("write one of `http`, `tcp` and `exec`")
                .into());
        };
        Ok(process::Probe {
            check,
            period_ms: wanted.period.map_or(READY_PERIOD_MS, |period| millis(period.0)),
            timeout_ms: wanted.timeout.map_or(READY_TIMEOUT_MS, |timeout| millis(timeout.0)),
        })
    }
}
