//! The files whose change has PM2 start an app again. It looks for them from the app's own folder, a spec from the
//! worktree.

use std::path::Path;

use agent_harness_model::spec::node::NodeKind;
use agent_harness_model::spec::{Duration, FileWatch};

use super::script::below;
use crate::convert::field::Field;
use crate::convert::output::escape;
use crate::convert::report::Report;

/// What is watched for an app that runs in `cwd` of `folder`; `None`: nothing.
pub fn read(
    app: &Field<'_>,
    folder: &Path,
    cwd: Option<&str>,
    report: &mut Report,
) -> Option<FileWatch> {
    let field = app.get("watch")?;
    let from = cwd.unwrap_or_default();
    let paths = match &field.node.kind {
        NodeKind::Bool(false) | NodeKind::Null => return None,
        NodeKind::Bool(true) => vec![if from.is_empty() { "." } else { from }.to_owned()],
        _ => patterns(&field, folder, from, report),
    };
    if let Some(options) = app.get("watch_options") {
        report.lost(&options, "how files are watched cannot be set; remove it");
    }
    let ignore = app.get("ignore_watch");
    let ignore = ignore.map(|it| patterns(&it, folder, from, report)).unwrap_or_default();
    let delay = app.get("watch_delay");
    let delay = delay.and_then(|it| it.parsed::<u64>("a number of milliseconds", report));
    let delay = delay.map(|it| Duration(std::time::Duration::from_millis(it)));
    (!paths.is_empty()).then_some(FileWatch { paths, ignore, delay })
}

fn patterns(field: &Field<'_>, folder: &Path, from: &str, report: &mut Report) -> Vec<String> {
    let mut all = Vec::new();
    for item in field.list_or_one(report) {
        let Some(text) = item.text(report) else { continue };
        let written = Path::new(&text);
        let path =
            if written.is_absolute() { written.to_owned() } else { Path::new(from).join(written) };
        match below(&path, folder) {
            Some(path) if path == Path::new("") => all.push(".".to_owned()),
            Some(path) => all.push(escape(&path.display().to_string())),
            None => {
                report.lost(&item, "it is outside of the worktree, in which all watched files are");
            }
        }
    }
    all
}
