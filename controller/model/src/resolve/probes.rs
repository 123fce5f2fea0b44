//! The checks of a process, with every choice made.

use std::collections::BTreeMap;

use super::Stop;
use super::agent::millis;
use super::commands::Surroundings;
use super::context::{Context, SECRET_IN_NAME, plain};
use crate::kinds::command::Command;
use crate::kinds::process::{Check, Desired, HttpCheck, Probe};
use crate::spec::diagnostic::{self, Diagnostic};
use crate::spec::source::Place;
use crate::spec::{self, HttpProbe, Value};

/// The check at `path`, of a process that runs `command`; it can be of any of `ports`.
pub(super) fn probe(
    cx: &mut Context<'_>,
    around: &Surroundings<'_>,
    path: &[&str],
    wanted: &spec::Probe,
    command: &Command,
    ports: &BTreeMap<String, u16>,
) -> Result<Probe, Stop> {
    let place = |rest: &[&str]| {
        let path: Vec<&str> = path.iter().chain(rest).copied().collect();
        around.place(&path)
    };
    let port = |name: &str, kind: &str| {
        ports.get(name).copied().ok_or_else(|| {
            let names = ports.keys().map(String::as_str);
            Stop::from(
                Diagnostic::at(place(&[kind, "port"]), format!("there is no port `{name}`"))
                    .help(format!("ports are: {}", diagnostic::list(names))),
            )
        })
    };
    let check = if let Some(http) = &wanted.http {
        http_check(around, http, port(&http.port, "http")?, &place)?
    } else if let Some(tcp) = &wanted.tcp {
        Check::Tcp { port: port(&tcp.port, "tcp")? }
    } else if let Some(exec) = &wanted.exec {
        let path: Vec<&str> = path.iter().chain(&["exec"]).copied().collect();
        let argv = around.command(cx, &path, &exec.command, None, &BTreeMap::new())?.argv;
        Check::Exec(Command { argv, ..command.clone() })
    } else if let Some(log) = &wanted.log {
        Check::Log { line: log.line.clone() }
    } else {
        let name = path.last().copied().unwrap_or_default();
        return Err(Diagnostic::at(place(&[]), format!("`{name}` says nothing to look at"))
            .help("write one of `http`, `tcp`, `exec` and `log`")
            .into());
    };
    let defaults = Probe::of(check);
    Ok(Probe {
        delay_ms: wanted.delay.map_or(0, |delay| millis(delay.0)),
        period_ms: wanted.period.map_or(Probe::PERIOD_MS, |period| millis(period.0)),
        timeout_ms: wanted.timeout.map_or(Probe::TIMEOUT_MS, |timeout| millis(timeout.0)),
        attempt_ms: wanted.attempt_timeout.map(|timeout| millis(timeout.0)),
        failures: wanted.failures.unwrap_or(Probe::FAILURES),
        successes: wanted.successes.unwrap_or(1),
        ..defaults
    })
}

fn http_check(
    around: &Surroundings<'_>,
    http: &HttpProbe,
    port: u16,
    place: &impl Fn(&[&str]) -> Place,
) -> Result<Check, Stop> {
    let path = plain(&http.path, around.scope, || place(&["http", "path"]))?;
    let mut json = BTreeMap::new();
    for (field, value) in &http.json {
        let place = || place(&["http", "json", field]);
        let Value::Plain(text) = value else {
            let (message, help) = SECRET_IN_NAME;
            return Err(Diagnostic::at(place(), message).help(help).into());
        };
        json.insert(field.clone(), plain(text, around.scope, place)?);
    }
    let statuses = http.status.as_ref().map_or_else(Vec::new, |status| status.0.clone());
    Ok(Check::Http(HttpCheck { port, path, statuses, json }))
}

/// The port at which a browser finds it: that of its check over HTTP.
pub(super) fn web_port(want: &Desired) -> Option<u16> {
    match want.ready.as_ref()?.check {
        Check::Http(HttpCheck { port, .. }) => Some(port),
        Check::Tcp { .. } | Check::Exec(_) | Check::Log { .. } => None,
    }
}
