//! What PM2 runs for an app: script, interpreter and arguments as one command; and where.

use std::path::{Component, Path, PathBuf};

use agent_harness_model::spec::Command;
use agent_harness_model::spec::node::NodeKind;

use crate::convert::field::Field;
use crate::convert::report::Report;
use crate::convert::stack::{line, line_of};

/// The interpreter of a script by the end of its name, as PM2 chooses it.
const INTERPRETERS: &[(&str, &str)] = &[
    ("js", "node"),
    ("cjs", "node"),
    ("mjs", "node"),
    ("py", "python3"),
    ("sh", "bash"),
    ("rb", "ruby"),
    ("php", "php"),
    ("pl", "perl"),
    ("ts", "bun"),
    ("tsx", "bun"),
    ("coffee", "coffee"),
];

/// The command of an app that runs in `cwd` of `folder`.
pub fn command(
    app: &Field<'_>,
    folder: &Path,
    cwd: Option<&str>,
    report: &mut Report,
) -> Option<Command> {
    let script = ["script", "cmd", "command"].iter().find_map(|key| app.get(key));
    let Some(script) = script else {
        let message = match app.path.as_str() {
            "" => "the app has no `script`".to_owned(),
            path => format!("`{path}` has no `script`"),
        };
        report.wrong(app.node.place(), message, "add the file or the command that it runs");
        return None;
    };
    let text = script.text(report)?;
    let args = list(app, &["args"], report);
    if text.trim().contains(' ') {
        // A whole command line: PM2 has it run by a shell.
        let Command::Line(rest) = line_of(&args) else { return None };
        return line(&script, &text, report).map(|command| match command {
            Command::Line(line) if !rest.is_empty() => Command::Line(format!("{line} {rest}")),
            command => command,
        });
    }
    let text = relative(text.trim(), folder, cwd);
    let before =
        list(app, &["interpreter_args", "node_args", "interpreterArgs", "nodeArgs"], report);
    let mut words = Vec::new();
    words.extend(interpreter(app, &text, !before.is_empty(), report));
    if words.is_empty() && !before.is_empty() {
        let key = if app.get("node_args").is_some() { "node_args" } else { "interpreter_args" };
        if let Some(field) = app.get(key) {
            report.lost(&field, "no interpreter runs the script; write one as `run` begins");
        }
    } else {
        words.extend(before);
    }
    // A file is found in its folder, a program on PATH.
    let is_file = !words.is_empty() || text.contains('/') || !text.contains('.');
    words.push(if is_file { text } else { format!("./{text}") });
    words.extend(args);
    Some(line_of(&words))
}

fn interpreter(
    app: &Field<'_>,
    script: &str,
    has_arguments: bool,
    report: &mut Report,
) -> Option<String> {
    let written = ["interpreter", "exec_interpreter"].iter().find_map(|key| app.get(key));
    if let Some(field) = written {
        let name = field.text(report)?;
        if name == "none" {
            return None;
        }
        if let Some(version) = name.strip_prefix("node@") {
            let says = format!(
                "the version {version} is not fetched; put the folder of its `node` into `path`"
            );
            report.lost(&field, says);
            return Some("node".to_owned());
        }
        return Some(name);
    }
    let extension = Path::new(script).extension().and_then(|extension| extension.to_str());
    let known = INTERPRETERS.iter().find(|(known, _)| Some(*known) == extension);
    match known {
        Some((_, interpreter)) => Some((*interpreter).to_owned()),
        // Arguments for an interpreter are arguments of node, which PM2 takes for whatever it does not know.
        None => has_arguments.then(|| "node".to_owned()),
    }
}

/// A list of words, or a line of them.
fn list(app: &Field<'_>, keys: &[&str], report: &mut Report) -> Vec<String> {
    let Some(field) = keys.iter().find_map(|key| app.get(key)) else { return Vec::new() };
    field.words(report).unwrap_or_default()
}

/// The folder that an app runs in, relative to the worktree; none where it is the worktree.
pub fn cwd(app: &Field<'_>, folder: &Path, report: &mut Report) -> Option<String> {
    let field = app.get("cwd")?;
    if !matches!(field.node.kind, NodeKind::String(_)) {
        field.text(report);
        return None;
    }
    let written = field.text(report)?;
    let Some(path) = below(Path::new(&written), folder) else {
        report.lost(
            &field,
            "a process runs in the worktree of its agent, and this is outside of it; move it in, or \
             begin `run` with `cd … &&`",
        );
        return None;
    };
    (path != Path::new("")).then(|| path.display().to_string())
}

/// A path of `folder`, from there and without detours; `None`: it leads out of it.
pub fn below(path: &Path, folder: &Path) -> Option<PathBuf> {
    let path = path.strip_prefix(folder).unwrap_or(path);
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if parts.pop().is_some() => {}
            Component::Normal(_) => parts.push(part),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.iter().collect())
}

/// A path that a program made absolute, as it is below the folder that the app runs in.
fn relative(script: &str, folder: &Path, cwd: Option<&str>) -> String {
    let Ok(below) = Path::new(script).strip_prefix(folder) else { return script.to_owned() };
    let Some(cwd) = cwd else { return below.display().to_string() };
    match below.strip_prefix(cwd) {
        Ok(below) => below.display().to_string(),
        Err(_) => {
            let up = Path::new(cwd).components().map(|_| "..").collect::<PathBuf>();
            up.join(below).display().to_string()
        }
    }
}
