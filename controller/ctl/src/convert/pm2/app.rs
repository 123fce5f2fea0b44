//! One app of a PM2 config as a process.

use std::path::Path;

use agent_harness_model::spec::diagnostic::nearest;
use agent_harness_model::spec::node::NodeKind;
use agent_harness_model::spec::{Duration, Probe, RestartPolicy, Stop, TcpProbe};

use super::keys::{APP, Fate};
use super::{env, script, watch};
use crate::convert::compose::size;
use crate::convert::field::Field;
use crate::convert::output::escape;
use crate::convert::report::Report;
use crate::convert::stack::{self, Processes};

/// Milliseconds after which our processes are killed unless the spec says otherwise.
const STOP_TIMEOUT: u64 = 5000;

/// Adds the process of an app.
pub fn read(app: &Field<'_>, folder: &Path, processes: &mut Processes, report: &mut Report) {
    let cwd = script::cwd(app, folder, report);
    let run = script::command(app, folder, cwd.as_deref(), report);
    let fields = app.map(report);
    let name = app.get("name").and_then(|name| name.text(report)).unwrap_or_else(|| base(app));
    let mut port = None;
    let Some(run) = run else { return };
    let mut process = stack::process(run);
    process.cwd = cwd.as_deref().map(escape);
    process.watch = watch::read(app, folder, cwd.as_deref(), report);
    for key in fields.iter().filter(|key| key.node.kind != NodeKind::Null) {
        match snake(key.key).as_str() {
            "env" => {
                let found = env::read(key, &name, folder, processes, report);
                process.env = found.variables;
                port = found.port.or(port);
            }
            "instances" => instances(key, report),
            "exec_mode" => mode(key, report),
            "autorestart" => {
                if key.parsed::<bool>("`true` or `false`", report) == Some(false) {
                    process.restart = RestartPolicy::Never;
                }
            }
            "stop_exit_codes" => exit_codes(key, &mut process.restart, report),
            "max_memory_restart" => {
                process.memory = key.read_as("a size such as 300M", report, size);
            }
            "kill_timeout" => process.stop = stop(key, report),
            "port" => port = key.parsed("a port", report),
            other if other.starts_with("env_") => report.lost(
                key,
                "there is one environment; write these into the `env` of an Agent or of another \
                 Stack",
            ),
            other => told(key, other, report),
        }
    }
    let added = processes.add(app, &name, process, report);
    let port = port.filter(|port| *port > 0).map(|port| {
        let name = processes.give_port(&added, port);
        report.note(
            app,
            format!("its PORT is `ports.{name}`: {port} + 10 × the number of the agent"),
        );
        name
    });
    ready(app, port.as_deref(), &added, processes, report);
}

/// A key in the way of writing with `_`: PM2 takes both.
fn snake(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 2);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    // `env_production` may have any case.
    if key.starts_with("env_") { key.to_owned() } else { out }
}

fn told(field: &Field<'_>, key: &str, report: &mut Report) {
    match APP.iter().find(|(known, _)| *known == key) {
        Some((_, Fate::Carried)) => {}
        Some((_, Fate::Lost(says))) => report.lost(field, *says),
        Some((_, Fate::Note(says))) => report.note(field, *says),
        // PM2 passes over what it does not know.
        None => report.lost(
            field,
            match nearest(key, APP.iter().map(|(known, _)| *known)) {
                Some(near) => format!("PM2 knows no such key; is `{near}` meant?"),
                None => "PM2 knows no such key; remove it".to_owned(),
            },
        ),
    }
}

/// The name of an app that has none: that of its script.
fn base(app: &Field<'_>) -> String {
    let script = app.get("script").and_then(|script| script.node.as_str().map(str::to_owned));
    let script = script.unwrap_or_default();
    let first = script.split_whitespace().next().unwrap_or_default();
    let stem = Path::new(first).file_stem().and_then(|stem| stem.to_str());
    stem.unwrap_or("app").to_owned()
}

fn instances(field: &Field<'_>, report: &mut Report) {
    if field.text(report).as_deref() != Some("1") {
        report.lost(
            field,
            "a process is one process; write one entry for each, with a port of its own",
        );
    }
}

fn mode(field: &Field<'_>, report: &mut Report) {
    match field.text(report).as_deref() {
        None | Some("fork" | "fork_mode") => {}
        Some("cluster" | "cluster_mode") => {
            report.note(field, "there is no cluster: one process listens on its port itself");
        }
        Some(_) => report.lost(field, "PM2 knows `fork` and `cluster` alone; remove it"),
    }
}

fn exit_codes(field: &Field<'_>, restart: &mut RestartPolicy, report: &mut Report) {
    let codes: Vec<Option<String>> =
        field.list_or_one(report).iter().map(|code| code.text(report)).collect();
    match codes.as_slice() {
        [Some(code)] if code == "0" => {
            if *restart == RestartPolicy::Always {
                *restart = RestartPolicy::OnFailure;
            }
        }
        _ => report.lost(field, "only 0 can end a process for good, with `restart: onFailure`"),
    }
}

fn stop(field: &Field<'_>, report: &mut Report) -> Option<Stop> {
    let millis = field.parsed::<u64>("a number of milliseconds", report)?;
    let timeout = Duration(std::time::Duration::from_millis(millis));
    (millis != STOP_TIMEOUT).then(|| Stop { timeout: Some(timeout), ..Stop::default() })
}

/// A process that tells PM2 that it is ready: here its port does.
fn ready(
    app: &Field<'_>,
    port: Option<&str>,
    name: &str,
    processes: &mut Processes,
    report: &mut Report,
) {
    let waits = app.get("wait_ready").filter(|wait| wait.is_on(report));
    let timeout = app.get("listen_timeout");
    match (waits, port, processes.all.get_mut(name)) {
        (Some(waits), Some(port), Some(process)) => {
            report.note(&waits, "it is ready here when its port takes a connection");
            let millis =
                timeout.and_then(|it| it.parsed::<u64>("a number of milliseconds", report));
            let timeout = millis.map(|it| Duration(std::time::Duration::from_millis(it)));
            let tcp = Some(TcpProbe { port: port.to_owned() });
            process.ready = Some(Probe { tcp, timeout, ..Probe::default() });
        }
        (Some(waits), _, _) => report.lost(
            &waits,
            "no message says that a process is ready; write `ready: {http: {port: NAME}}`, or \
             `exec` with a command",
        ),
        (None, _, _) => {
            if let Some(timeout) = timeout {
                report.lost(&timeout, "nothing is waited for; write `ready` with a `timeout`");
            }
        }
    }
}
