//! What a service may use, and when it is started again: `deploy`, `ulimits`, `restart`.

use std::collections::BTreeMap;

use agent_harness_model::spec::node::NodeKind;
use agent_harness_model::spec::{Container, ContainerRestart, Size, Ulimit};

use super::keys;
use super::project::told;
use super::units;
use crate::convert::field::Field;
use crate::convert::report::Report;

/// A size; none where it is 0, which is no limit.
pub fn size(field: &Field<'_>, report: &mut Report) -> Option<Size> {
    let size = field.read_as("a size such as 256m", report, units::size)?;
    (size.0 > 0).then_some(size)
}

/// A number of processors; none where it is 0, which is no limit.
pub fn cpus(field: &Field<'_>, report: &mut Report) -> Option<f64> {
    let number = field.read_as("a number such as 1.5", report, |text| {
        text.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
    })?;
    (number > 0.0).then_some(number)
}

/// Takes `deploy` in. What it says comes before the older keys of the service itself.
pub fn deploy(field: &Field<'_>, container: &mut Container, report: &mut Report) {
    for key in field.map(report) {
        match key.key {
            "resources" => resources(&key, container, report),
            "replicas" => replicas(&key, report),
            "restart_policy" => policy(&key, container, report),
            _ => told(&key, keys::DEPLOY, report),
        }
    }
}

fn resources(field: &Field<'_>, container: &mut Container, report: &mut Report) {
    for part in field.map(report) {
        if part.key == "reservations" {
            let says = "nothing is set aside for a container; `limits` hold";
            report.lost(&part, says);
            continue;
        }
        for key in part.map(report) {
            match (part.key, key.key) {
                ("limits", "memory") => container.memory = size(&key, report).or(container.memory),
                ("limits", "cpus") => container.cpus = cpus(&key, report).or(container.cpus),
                ("limits", "pids") => report
                    .lost(&key, "a container has no limit of processes; set `ulimits: {nproc: …}`"),
                (_, other) if other.starts_with("x-") => {}
                (_, other) => report.wrong(
                    key.at.clone(),
                    format!("unknown key `{other}` in `{}`", part.path),
                    "`limits` has `memory`, `cpus` and `pids`",
                ),
            }
        }
    }
}

/// How many of a service there are to be.
pub fn replicas(field: &Field<'_>, report: &mut Report) {
    match field.parsed::<u32>("a whole number", report) {
        None | Some(1) => {}
        Some(0) => report.lost(field, "every service of an Infra runs; remove this one"),
        Some(_) => report.lost(
            field,
            "a service is one container; write it again under another name and other ports",
        ),
    }
}

fn policy(field: &Field<'_>, container: &mut Container, report: &mut Report) {
    for key in field.map(report) {
        match key.key {
            "condition" => {
                let text = key.text(report);
                container.restart = match text.as_deref() {
                    Some("none") => Some(ContainerRestart::Never),
                    Some("on-failure") => Some(ContainerRestart::OnFailure),
                    _ => None,
                };
            }
            "delay" | "window" => report.lost(&key, "times between starts are the engine's own"),
            "max_attempts" => report.lost(&key, ATTEMPTS),
            other => report.wrong(
                key.at.clone(),
                format!("unknown key `{other}` in `{}`", field.path),
                "it has `condition`, `delay`, `max_attempts` and `window`",
            ),
        }
    }
}

const ATTEMPTS: &str =
    "a container is started again without an end; `never` or `onFailure` say when it is not";

/// `restart`; none where it is `always`, the default.
pub fn restart(field: &Field<'_>, report: &mut Report) -> Option<ContainerRestart> {
    let text = field.text(report)?;
    let (policy, times) = text.split_once(':').unwrap_or((&text, ""));
    let policy = match policy {
        "always" => return None,
        "no" | "false" => ContainerRestart::Never,
        "unless-stopped" => ContainerRestart::UnlessStopped,
        "on-failure" => ContainerRestart::OnFailure,
        _ => {
            report.wrong(
                field.node.place(),
                format!("`{}` is no policy: {text:?}", field.path),
                "write `no`, `always`, `unless-stopped` or `on-failure`",
            );
            return None;
        }
    };
    if !times.is_empty() {
        report.lost(field, ATTEMPTS);
    }
    Some(policy)
}

/// Limits of the kernel.
pub fn ulimits(field: &Field<'_>, report: &mut Report) -> BTreeMap<String, Ulimit> {
    let mut limits = BTreeMap::new();
    for limit in field.map(report) {
        let number =
            |field: &Field<'_>, report: &mut Report| field.parsed::<i64>("a whole number", report);
        let read = match limit.node.kind {
            NodeKind::Map(_) => {
                let soft = limit.get("soft").and_then(|soft| number(&soft, report));
                let hard = limit.get("hard").and_then(|hard| number(&hard, report));
                soft.or(hard).map(|soft| Ulimit { soft, hard: hard.filter(|hard| *hard != soft) })
            }
            _ => number(&limit, report).map(|soft| Ulimit { soft, hard: None }),
        };
        limits.extend(read.map(|read| (limit.key.to_owned(), read)));
    }
    limits
}
