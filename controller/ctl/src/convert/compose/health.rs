//! `healthcheck` of a service.

use agent_harness_model::spec::node::NodeKind;
use agent_harness_model::spec::{Duration, Healthcheck};

use super::units;
use crate::convert::field::Field;
use crate::convert::report::Report;

/// Reads a check. Times that are the default are left out.
pub fn read(field: &Field<'_>, report: &mut Report) -> Option<Healthcheck> {
    let mut check = Healthcheck {
        test: Vec::new(),
        interval: None,
        timeout: None,
        retries: None,
        start_period: None,
    };
    let mut off = false;
    for key in field.map(report) {
        match key.key {
            "test" => check.test = test(&key, report).unwrap_or_default(),
            "interval" => check.interval = time(&key, 30, report),
            "timeout" => check.timeout = time(&key, 30, report),
            "start_period" => check.start_period = time(&key, 0, report),
            "retries" => {
                let retries = key.parsed::<u32>("a whole number", report);
                check.retries = retries.filter(|retries| *retries != 3);
            }
            "start_interval" => report.lost(
                &key,
                "a check comes as often while the service starts as later; set `interval`",
            ),
            "disable" => off = key.is_on(report),
            other if other.starts_with("x-") => {}
            other => report.wrong(
                key.at.clone(),
                format!("unknown key `{other}` in `{}`", field.path),
                "a check has `test`, `interval`, `timeout`, `retries`, `start_period`, \
                 `start_interval` and `disable`",
            ),
        }
    }
    if off {
        check.test = vec!["NONE".to_owned()];
    }
    if check.test.first().is_some_and(|word| word == "NONE") {
        let test = vec!["NONE".to_owned()];
        return Some(Healthcheck {
            test,
            interval: None,
            timeout: None,
            retries: None,
            start_period: None,
        });
    }
    if !check.test.is_empty() {
        return Some(check);
    }
    if field.get("test").is_none() && !field.node.entries().is_empty() {
        report.lost(
            field,
            "the image's own check keeps its times; write its `test` here too to change them",
        );
    }
    None
}

fn test(field: &Field<'_>, report: &mut Report) -> Option<Vec<String>> {
    if !matches!(field.node.kind, NodeKind::Seq(_)) {
        return Some(vec!["CMD-SHELL".to_owned(), field.text(report)?]);
    }
    let words = field.words(report)?;
    let kind = words.first().map(String::as_str).unwrap_or_default();
    let fine = match kind {
        "NONE" => true,
        "CMD" | "CMD-SHELL" => words.len() > 1,
        _ => false,
    };
    if !fine {
        report.wrong(
            field.node.place(),
            format!("`{}` is no check", field.path),
            "write `[CMD, PROGRAM, …]`, `[CMD-SHELL, LINE]` or `[NONE]`",
        );
    }
    fine.then_some(words)
}

fn time(field: &Field<'_>, default: u64, report: &mut Report) -> Option<Duration> {
    let time = field.read_as("a time such as 30s", report, units::duration)?;
    (time != Duration::from_secs(default)).then_some(time)
}
