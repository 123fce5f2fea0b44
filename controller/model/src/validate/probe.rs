//! The checks of a process.

use regex::Regex;

use super::lint::Lint;
use crate::spec::{Probe, Process, Value};

/// All checks of the process at `base`. Their ports are those of the group `ports_at`: `ports`.
pub(super) fn check_all(
    lint: &mut Lint<'_>,
    base: &[&str],
    process: &Process,
    ports_at: &[&str],
    ports: &[&str],
) {
    let Process { startup, ready, live, .. } = process;
    for (name, probe) in [("startup", startup), ("ready", ready), ("live", live)] {
        if let Some(probe) = probe {
            check(lint, &[base, &[name]].concat(), probe, ports_at, ports);
        }
    }
    if live.as_ref().is_some_and(|live| live.timeout.is_some()) {
        lint.key(
            &[base, &["live", "timeout"]].concat(),
            "`live` has no `timeout`: it is looked at as long as the process runs",
            "say with `failures` and `period` when it has failed, or with `attemptTimeout` how long one check may take",
        );
    }
    if live.as_ref().is_some_and(|live| live.log.is_some()) {
        lint.key(
            &[base, &["live", "log"]].concat(),
            "a line that was printed once says nothing of whether the process still lives",
            "use `log` in `ready` or `startup`, and `http`, `tcp` or `exec` in `live`",
        );
    }
    for (name, probe) in [("startup", startup), ("live", live)] {
        if probe.as_ref().is_some_and(|probe| probe.successes.is_some_and(|count| count != 1)) {
            lint.value(
                &[base, &[name, "successes"]].concat(),
                format!("one check that passes is enough for `{name}`"),
                "leave it out; `successes` is for `ready`",
            );
        }
    }
}

/// One check at a path. Its port is one of the group `ports_at`: `ports`.
pub(super) fn check(
    lint: &mut Lint<'_>,
    path: &[&str],
    probe: &Probe,
    ports_at: &[&str],
    ports: &[&str],
) {
    lint.exactly_one(path, &["http", "tcp", "exec", "log"]);
    let at = |rest: &[&'static str]| [path, rest].concat();
    for (key, time) in [
        ("timeout", probe.timeout),
        ("period", probe.period),
        ("attemptTimeout", probe.attempt_timeout),
    ] {
        lint.some_time(&at(&[key]), time);
    }
    for (key, count) in [("failures", probe.failures), ("successes", probe.successes)] {
        if count == Some(0) {
            lint.value(&at(&[key]), "no check at all", "write 1 or more, or leave it out");
        }
    }
    if let Some(http) = &probe.http {
        lint.one_of(&at(&["http", "port"]), "port", &http.port, ports_at, ports);
        if !http.path.starts_with('/') {
            lint.value(
                &at(&["http", "path"]),
                format!("the path {:?} does not start with `/`", http.path),
                format!("write `/{}`", http.path),
            );
        }
        for (field, value) in &http.json {
            let path = [path, &["http", "json", field.as_str()]].concat();
            if field.split('.').any(str::is_empty) {
                lint.key(
                    &path,
                    format!("{field:?} names no field"),
                    "write `status`, or `db.connected`",
                );
            }
            if matches!(value, Value::Secret(_)) {
                lint.value(
                    &path,
                    "what a server answers is no secret",
                    "write the text that is expected",
                );
            }
        }
    }
    if let Some(tcp) = &probe.tcp {
        lint.one_of(&at(&["tcp", "port"]), "port", &tcp.port, ports_at, ports);
    }
    if let Some(exec) = &probe.exec {
        lint.command(&at(&["exec", "command"]), &exec.command);
    }
    if let Some(log) = &probe.log {
        regular_expression(lint, &at(&["log", "line"]), &log.line);
    }
}

/// A regular expression at a path; `None` when it is none.
pub(super) fn regular_expression(lint: &mut Lint<'_>, path: &[&str], text: &str) -> Option<Regex> {
    match Regex::new(text) {
        Ok(found) => Some(found),
        Err(error) => {
            // The last line says what is wrong, those before it where.
            let error = error.to_string();
            let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            lint.value(
                path,
                format!("{text:?} is no regular expression: {what}"),
                "put a backslash before `(`, `[`, `*`, `+`, `?` and `.` that are meant as they are",
            );
            None
        }
    }
}
