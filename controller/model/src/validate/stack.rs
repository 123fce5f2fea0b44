//! A Stack by itself; also a Stack with an agent's overrides in it.

use std::collections::BTreeMap;

use super::lint::{Lint, cycle};
use super::{branch, files, limits, probe, tools, verify};
use crate::resolve::names::begins_at_root;
use crate::resolve::tree;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::node::Node;
use crate::spec::parse::Document;
use crate::spec::{
    AfterCondition, Duration, FileWatch, Ordered, Process, RestartPolicy, StackSpec, Step, Stop,
};
use crate::template::outline;

/// Everything that is wrong with a Stack by itself.
pub(super) fn check_stack(document: &Document, spec: &StackSpec, problems: &mut Vec<Diagnostic>) {
    if let Some(node) = document.node.get("spec") {
        check_spec(&mut Lint { object: &document.key, spec: node, agent: None, problems }, spec);
    }
}

/// Everything that is wrong with a Stack's spec, whether an agent's overrides are in it or not.
pub(super) fn check_spec(lint: &mut Lint<'_>, spec: &StackSpec) {
    for (name, port) in &spec.ports {
        lint.name(&["ports", name], "a port");
        if *port == 0 {
            lint.value(&["ports", name], format!("the port `{name}` is 0"), "a port is 1 to 65535");
        }
    }
    for (key, set) in [("database", spec.database.is_some()), ("bucket", spec.bucket.is_some())] {
        if set && spec.infra.is_none() {
            lint.because(
                &["infra"],
                lint.spec.place_of(&[key]),
                format!("a `{key}` needs an `infra` that it lives on"),
                "add `infra: NAME` with the name of an Infra",
            );
        }
    }
    for (key, set) in [("files", !spec.files.is_empty()), ("setup", !spec.setup.is_empty())] {
        if set && spec.worktree.is_none() {
            lint.because(
                &["worktree"],
                lint.spec.place_of(&[key]),
                format!("`{key}` needs a `worktree` to work in"),
                "add `worktree: {repo: …}` with the repository of the app",
            );
        }
    }
    lint.env(&["env"], &spec.env);
    for (index, folder) in spec.path.iter().enumerate() {
        // An absolute folder is fine: tools may be installed anywhere.
        if folder.is_empty() || folder.contains(':') {
            lint.value(
                &["path", &index.to_string()],
                format!("{folder:?} cannot stand in PATH"),
                "write one folder, such as `venv/bin`",
            );
        } else if folder.starts_with('~') {
            lint.value(
                &["path", &index.to_string()],
                format!("the `~` of {folder:?} is not replaced here"),
                "write `${home}` for the home folder",
            );
        } else if !folder.starts_with('/') && !begins_at_root(folder) {
            lint.below(&["path", &index.to_string()], folder);
        }
    }
    if let Some(tree) = &spec.worktree {
        lint.fixed(&["worktree", "repo"], &tree.repo);
        let refused = outline(&tree.branch).and_then(|name| branch::refused(&tree.branch, &name));
        if let Some(message) = refused {
            lint.value(&["worktree", "branch"], message, branch::HELP);
        }
        if let Some(message) = tree::misplaced_below_specs(&tree.path) {
            lint.value(&["worktree", "path"], message, tree::HELP);
        }
    }
    check_database(lint, spec);
    if let Some(expire) = spec.bucket.as_ref().and_then(|bucket| bucket.expire_after) {
        check_days(lint, &["bucket", "expireAfter"], expire);
    }
    files::check(lint, &spec.files);
    check_steps(lint, &["setup"], &spec.setup);
    check_processes(lint, spec);
    if let Some(all) = &spec.limits {
        limits::check(lint, &["limits"], all.memory, all.cpus);
    }
    tools::check(lint, spec);
    verify::check(lint, spec);
}

fn check_database(lint: &mut Lint<'_>, spec: &StackSpec) {
    let Some(database) = &spec.database else { return };
    check_steps(lint, &["database", "afterClone"], &database.after_clone);
    let Some(template) = &database.template else { return };
    check_steps(lint, &["database", "template", "build"], &template.build);
    for (name, step) in template.build.iter() {
        let set = [
            ("inputs", !step.inputs.is_empty()),
            ("creates", step.creates.is_some()),
            ("after", step.after.is_some()),
        ];
        for (key, _) in set.into_iter().filter(|(_, set)| *set) {
            lint.key(
                &["database", "template", "build", name, key],
                format!("a step that builds the template takes no `{key}`"),
                "all of them run, in the order written, whenever `template.inputs` or a step changed",
            );
        }
    }
    // Ten characters are left for the hash of the generation.
    if template.name.is_empty() || template.name.len() > 50 {
        lint.value(
            &["database", "template", "name"],
            format!("the template's name has {} bytes", template.name.len()),
            "write 1 to 50 bytes: the hash of each generation is added to it",
        );
    }
    lint.fixed(&["database", "template", "name"], &template.name);
    if let Some(tree) = &spec.worktree {
        // The template is built from it, for all agents.
        lint.fixed(&["worktree", "base"], &tree.base);
    } else {
        lint.because(
            &["worktree"],
            lint.spec.place_of(&["database", "template"]),
            "a template is built in a checkout, and this Stack has no `worktree`",
            "add `worktree: {repo: …}` with the repository of the app",
        );
    }
    for (index, pattern) in template.inputs.iter().enumerate() {
        check_glob(lint, &["database", "template", "inputs", &index.to_string()], pattern);
    }
}

fn check_glob(lint: &mut Lint<'_>, path: &[&str], pattern: &str) {
    lint.fixed(path, pattern);
    if let Err(error) = globset::Glob::new(pattern) {
        lint.value(
            path,
            format!("{pattern:?} is not a pattern: {}", error.kind()),
            "write a glob such as `migrations/**` or `*.lock`",
        );
    } else {
        lint.below(path, pattern);
    }
}

/// Files that are watched, wherever a process is.
pub(super) fn check_watch(lint: &mut Lint<'_>, base: &[&str], watch: &FileWatch) {
    for (key, patterns) in [("paths", &watch.paths), ("ignore", &watch.ignore)] {
        for (index, pattern) in patterns.iter().enumerate() {
            check_glob(lint, &[base, &[key, &index.to_string()]].concat(), pattern);
        }
    }
}

fn check_steps(lint: &mut Lint<'_>, base: &[&str], steps: &Ordered<Step>) {
    let names: Vec<&str> = steps.keys().collect();
    let mut written: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut previous: Option<&str> = None;
    for (name, step) in steps.iter() {
        let at = |rest: &[&'static str]| -> Vec<String> {
            base.iter()
                .copied()
                .chain([name])
                .chain(rest.iter().copied())
                .map(str::to_owned)
                .collect()
        };
        let check =
            |lint: &mut Lint<'_>, rest: &[&'static str], f: &dyn Fn(&mut Lint<'_>, &[&str])| {
                let path = at(rest);
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                f(lint, &path);
            };
        check(lint, &[], &|lint, path| lint.name(path, "a step"));
        check(lint, &["run"], &|lint, path| lint.command(path, &step.run));
        check(lint, &["timeout"], &|lint, path| lint.some_time(path, step.timeout));
        check(lint, &["env"], &|lint, path| lint.env(path, &step.env));
        if let Some(cwd) = &step.cwd {
            check(lint, &["cwd"], &|lint, path| lint.below(path, cwd));
        }
        if let Some(creates) = &step.creates {
            check(lint, &["creates"], &|lint, path| {
                lint.fixed(path, creates);
                lint.below(path, creates);
            });
        }
        for (index, pattern) in step.inputs.iter().enumerate() {
            let index = index.to_string();
            check(lint, &["inputs"], &|lint, path| {
                let mut path = path.to_vec();
                path.push(&index);
                check_glob(lint, &path, pattern);
            });
        }
        for (index, after) in step.after.iter().flatten().enumerate() {
            let index = index.to_string();
            check(lint, &["after"], &|lint, path| {
                let mut path = path.to_vec();
                path.push(&index);
                lint.one_of(&path, "step", after, base, &names);
            });
        }
        let waits = match &step.after {
            Some(after) => after.iter().map(String::as_str).collect(),
            None => previous.into_iter().collect(),
        };
        written.insert(name, waits);
        previous = Some(name);
    }
    if let Some(found) = cycle(names, |name| written.get(name).cloned().unwrap_or_default()) {
        circle_of_steps(lint, base, steps, &found);
    }
}

/// A circle of steps: one without `after` is in it because of the one that is written before it.
fn circle_of_steps(lint: &mut Lint<'_>, base: &[&str], steps: &Ordered<Step>, found: &[&str]) {
    let says = |name: &str| steps.get(name).is_some_and(|step| step.after.is_some());
    // The order alone makes no circle: some step in it has an `after`.
    let first = found.iter().copied().find(|name| says(name)).unwrap_or(found[0]);
    let path: Vec<&str> = base.iter().copied().chain([first, "after"]).collect();
    let follows: Vec<String> = found
        .windows(2)
        .filter(|pair| !says(pair[0]))
        .map(|pair| format!("`{}` follows `{}`", pair[0], pair[1]))
        .collect();
    if follows.is_empty() {
        return circle(lint, &path, "steps", found);
    }
    let message = format!(
        "these steps wait for each other: {}; {}, as a step without `after` waits for the one written before it",
        found.join(" → "),
        follows.join(" and ")
    );
    let help =
        format!("change the `after` of `{first}`, or the order; `after: []` waits for no step");
    lint.key(&path, message, help);
}

fn circle(lint: &mut Lint<'_>, path: &[&str], what: &str, found: &[&str]) {
    if found.len() == 2 {
        return lint.key(path, format!("`{}` waits for itself", found[0]), "remove this");
    }
    let message = format!("these {what} wait for each other: {}", found.join(" → "));
    lint.key(path, message, "remove one of these `after`");
}

fn check_processes(lint: &mut Lint<'_>, spec: &StackSpec) {
    let names: Vec<&str> = spec.processes.keys().map(String::as_str).collect();
    let ports: Vec<&str> = spec.ports.keys().map(String::as_str).collect();
    for (name, process) in &spec.processes {
        let Process { run, cwd, env, stop, after, .. } = process;
        lint.name(&["processes", name], "a process");
        lint.command(&["processes", name, "run"], run);
        lint.env(&["processes", name, "env"], env);
        if let Some(cwd) = cwd {
            lint.below(&["processes", name, "cwd"], cwd);
        }
        probe::check_all(lint, &["processes", name], process, &["ports"], &ports);
        if let Some(watch) = &process.watch {
            check_watch(lint, &["processes", name, "watch"], watch);
        }
        check_stop(lint, &["processes", name, "stop"], stop.as_ref());
        limits::check(lint, &["processes", name], process.memory, process.cpus);
        for (other, condition) in after {
            let path = ["processes", name.as_str(), "after", other.as_str()];
            lint.key_of(&path, "process", &["processes"], &names);
            let restarts =
                spec.processes.get(other).is_some_and(|it| it.restart == RestartPolicy::Always);
            if *condition == AfterCondition::Succeeded && restarts {
                lint.because(
                    &["processes", other, "restart"],
                    lint.spec.value_place(&path),
                    format!(
                        "`{other}` is started again whenever it ends, so it never has succeeded"
                    ),
                    format!(
                        "write `processes.{other}.restart: onFailure`, or wait for it to be `ready`"
                    ),
                );
            }
            let waits_in_vain = process.enabled
                && spec.processes.get(other).is_some_and(|process| !process.enabled);
            if waits_in_vain {
                lint.because(
                    &["processes", other, "enabled"],
                    lint.spec.place_of(&path),
                    format!("`{name}` waits for `{other}`, which is not enabled"),
                    format!("set `processes.{other}.enabled: true`, or remove it from `after`"),
                );
            }
        }
    }
    let after = |name| {
        let process = spec.processes.get::<str>(name);
        process.into_iter().flat_map(|process| process.after.keys().map(String::as_str)).collect()
    };
    if let Some(found) = cycle(names, after) {
        circle(lint, &["processes", found[0], "after"], "processes", &found);
    }
}

const SIGNALS: [&str; 7] =
    ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL"];

/// The signal that asks a process to end.
pub(super) fn check_stop(lint: &mut Lint<'_>, path: &[&str], stop: Option<&Stop>) {
    if let Some(signal) = stop.and_then(|stop| stop.signal.as_deref()) {
        let mut path = path.to_vec();
        path.push("signal");
        lint.one_of(&path, "signal", signal, &[], &SIGNALS);
    }
}

/// Object stores expire by whole days.
pub(super) fn check_days(lint: &mut Lint<'_>, path: &[&str], expire: Duration) {
    let secs = expire.0.as_secs();
    if secs == 0 || !secs.is_multiple_of(86_400) || expire.0.subsec_nanos() != 0 {
        lint.value(
            path,
            format!("`{expire}` is not a number of whole days"),
            "object stores expire by the day: write `1d` or more",
        );
    }
}

/// A Stack's spec with an agent's overrides in it. `node` is its tree.
pub(super) fn check_merged(
    agent: &Document,
    node: &Node,
    spec: &StackSpec,
    problems: &mut Vec<Diagnostic>,
) {
    let agent_of = Some(agent);
    check_spec(&mut Lint { object: &agent.key, spec: node, agent: agent_of, problems }, spec);
}
