//! `volumes` of a service, in both ways of writing them.

use std::collections::BTreeMap;

use agent_harness_model::spec::node::NodeKind;

use super::project::Project;
use crate::convert::field::Field;
use crate::convert::report::Report;

/// One entry.
#[derive(Default)]
struct Mount {
    source: String,
    target: String,
    read_only: bool,
}

/// Reads all volumes of a service: by name or path, where they go.
pub fn read(
    service: &str,
    field: &Field<'_>,
    project: &Project,
    report: &mut Report,
) -> BTreeMap<String, String> {
    let mut mounts: BTreeMap<String, String> = BTreeMap::new();
    for item in field.list(report) {
        let mount = match item.node.kind {
            NodeKind::Map(_) => long(&item, report),
            _ => short(&item, report),
        };
        let Some(mount) = mount else { continue };
        let Some(source) = source(service, &item, &mount, project, report) else { continue };
        // The later of two at one place is the one that compose mounts.
        mounts.retain(|_, target| target.trim_end_matches(":ro") != mount.target);
        if let Some(other) = mounts.get(&source) {
            let says = format!(
                "`{source}` is mounted once, at {other}; mount a folder above both, or link one \
                 to the other in the image"
            );
            report.lost(&item, says);
            continue;
        }
        let option = if mount.read_only { ":ro" } else { "" };
        mounts.insert(source, format!("{}{option}", mount.target));
    }
    mounts
}

/// `[SOURCE:]TARGET[:OPTIONS]`
fn short(item: &Field<'_>, report: &mut Report) -> Option<Mount> {
    let text = item.text(report)?;
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [target] => ("", *target, ""),
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => ("", "", ""),
    };
    if target.is_empty() || parts.len() > 1 && source.is_empty() {
        bad(item, report);
        return None;
    }
    let mut mount = Mount { source: source.into(), target: target.into(), read_only: false };
    for option in options.split(',') {
        match option {
            "" | "rw" | "cached" | "consistent" | "delegated" | "rprivate" => {}
            "ro" => mount.read_only = true,
            other => report.lost(
                item,
                format!("the option `{other}` is not set; leave it out, or run this yourself"),
            ),
        }
    }
    Some(mount)
}

fn long(item: &Field<'_>, report: &mut Report) -> Option<Mount> {
    let mut mount = Mount::default();
    let mut kind = "volume".to_owned();
    for key in item.map(report) {
        match key.key {
            "type" => kind = key.text(report)?,
            "source" => mount.source = key.text(report)?,
            "target" => mount.target = key.text(report)?,
            "read_only" => mount.read_only = key.is_on(report),
            // Where a folder is missing, it is made; and the consistency of a mount is gone from Docker.
            "consistency" => {}
            "bind" | "volume" | "tmpfs" | "image" => {
                for option in key.map(report) {
                    if option.key != "create_host_path" && !option.key.starts_with("x-") {
                        report.lost(&option, "it is not set; leave it out, or run this yourself");
                    }
                }
            }
            other if other.starts_with("x-") => {}
            other => report.wrong(
                key.at.clone(),
                format!("unknown key `{other}` in `{}`", item.path),
                "a volume has `type`, `source`, `target`, `read_only`, `bind` and `volume`",
            ),
        }
    }
    match kind.as_str() {
        "volume" => {}
        "bind" if is_path(&mount.source) => {}
        // The long way of writing takes a path without `./` too.
        "bind" if !mount.source.is_empty() => mount.source = format!("./{}", mount.source),
        "bind" => {
            bad(item, report);
            return None;
        }
        "tmpfs" | "npipe" | "cluster" | "image" => {
            report.lost(
                item,
                format!("a volume is a named one or a path of the host, not `{kind}`; name one"),
            );
            return None;
        }
        _ => {
            bad(item, report);
            return None;
        }
    }
    if mount.target.is_empty() {
        bad(item, report);
        return None;
    }
    Some(mount)
}

/// What is mounted, as a key of a spec.
fn source(
    service: &str,
    item: &Field<'_>,
    mount: &Mount,
    project: &Project,
    report: &mut Report,
) -> Option<String> {
    let source = mount.source.as_str();
    if source.is_empty() {
        let name = format!("{service}{}", mount.target.trim_end_matches('/').replace('/', "-"));
        let says = format!("the volume has no name; it is `{name}` here, and its data is kept");
        report.note(item, says);
        return Some(name);
    }
    if is_path(source) {
        if !source.starts_with(['/', '~']) {
            report.note_file(
                "paths under `volumes` start at the folder of the spec file: put it beside this \
                 file, or change them",
            );
        }
        return Some(match source {
            "." => "./".to_owned(),
            _ if source.starts_with("..") => format!("./{source}"),
            _ if source.starts_with("./") || source.starts_with('/') => source.to_owned(),
            _ if source.starts_with("~/") => source.to_owned(),
            "~" => "~/".to_owned(),
            _ => format!("./{source}"),
        });
    }
    if !project.volumes.contains(source) {
        report.wrong(
            item.at.clone(),
            format!("there is no volume `{source}` under the file's `volumes`"),
            format!("add it there as `{source}:`, or write `./{source}` for a folder"),
        );
        return None;
    }
    Some(source.to_owned())
}

fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}

fn bad(item: &Field<'_>, report: &mut Report) {
    report.wrong(
        item.node.place(),
        format!("`{}` is no volume: {}", item.path, item.node.describe()),
        "write `NAME:/PATH` or `./FOLDER:/PATH`",
    );
}
