//! The verify pipeline: its stages, and the matchers of problems.

use super::lint::Lint;
use super::probe;
use crate::spec::{ProblemMatcher, StackSpec};

/// Groups of a matcher that are told.
const GROUPS: [&str; 6] = ["file", "line", "column", "severity", "code", "message"];

pub(super) fn check(lint: &mut Lint<'_>, spec: &StackSpec) {
    let ports: Vec<&str> = spec.ports.keys().map(String::as_str).collect();
    for (name, stage) in spec.verify.iter() {
        lint.name(&["verify", name], "a stage");
        lint.exactly_one(&["verify", name], &["run", "parallel", "probes"]);
        if let Some(run) = &stage.run {
            lint.command(&["verify", name, "run"], run);
        }
        for (part, command) in &stage.parallel {
            lint.name(&["verify", name, "parallel", part], "a command");
            lint.command(&["verify", name, "parallel", part], command);
        }
        for (part, wanted) in &stage.probes {
            let path = ["verify", name, "probes", part];
            lint.name(&path, "a check");
            probe::check(lint, &path, wanted, &["ports"], &ports);
            if wanted.log.is_some() {
                lint.key(
                    &[&path[..], &["log"]].concat(),
                    "what a process has printed says nothing of whether it still works",
                    "use `http`, `tcp` or `exec`",
                );
            }
        }
        lint.env(&["verify", name, "env"], &stage.env);
        if let Some(cwd) = &stage.cwd {
            lint.below(&["verify", name, "cwd"], cwd);
        }
        lint.some_time(&["verify", name, "timeout"], stage.timeout);
    }
    for (name, matcher) in &spec.problem_matchers {
        lint.name(&["problemMatchers", name], "a matcher");
        check_matcher(lint, name, matcher);
    }
}

fn check_matcher(lint: &mut Lint<'_>, name: &str, matcher: &ProblemMatcher) {
    let mut says_what = false;
    let mut is_whole = true;
    for (index, line) in matcher.lines.iter().enumerate() {
        let index = index.to_string();
        let path = ["problemMatchers", name, "lines", &index];
        let Some(line) = probe::regular_expression(lint, &path, line) else {
            is_whole = false;
            continue;
        };
        for group in line.capture_names().flatten() {
            says_what |= group == "message";
            lint.one_of(&path, "group", group, &[], &GROUPS);
        }
    }
    if is_whole && !says_what {
        lint.key(
            &["problemMatchers", name, "lines"],
            "none of the lines has a group `message`",
            "put what is wrong into a group: `(?<message>.+)`",
        );
    }
}
