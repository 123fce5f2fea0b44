//! The other services of an Infra, and which of them an agent uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::commands::Surroundings;
use super::context::{Context, needs};
use super::processes::{after_others, process};
use super::{Stop, containers};
use crate::desired::Dependency;
use crate::id::{ObjectKey, ResourceId, ResourceKind};
use crate::kinds::{Need, Resource, process as kind};
use crate::secret::Text;
use crate::spec::node::{Node, NodeKind};
use crate::spec::parse::{Body, Document};
use crate::spec::{Process, Service};
use crate::template::names_in;

/// Adds every service that is neither `postgres` nor `objectStore`.
pub(super) fn add(
    cx: &mut Context<'_>,
    document: &Document,
    services: &BTreeMap<String, Service>,
) -> Result<(), Stop> {
    for (name, service) in services {
        if let Some(container) = &service.container {
            let path = ["services", name, "container"];
            containers::add(cx, document, &path, name, container, BTreeMap::new())?;
        } else if let Some(process) = service.process.as_ref().filter(|it| it.enabled) {
            add_process(cx, document, name, service, process)?;
        }
    }
    Ok(())
}

/// A service that is a process of this host: it runs in the folder of its spec file.
fn add_process(
    cx: &mut Context<'_>,
    document: &Document,
    name: &str,
    service: &Service,
    wanted: &Process,
) -> Result<(), Stop> {
    let Some(node) = document.node.get("spec") else { return Ok(()) };
    let mut scope = cx.common_scope();
    cx.add_secrets(&mut scope, node)?;
    for (port, number) in &service.ports {
        scope.set(format!("ports.{port}"), number.to_string());
    }
    let root = Path::new(&*document.file).parent().map_or_else(|| "/".into(), Path::to_path_buf);
    let env = cx.facts.environment.iter();
    let env = env.map(|(key, value)| (key.clone(), Text::from(value.as_str()))).collect();
    let around = Surroundings { node, scope: &scope, root: PathBuf::clone(&root), env };
    let ports: Vec<(String, u16)> =
        service.ports.iter().map(|(port, number)| (port.clone(), *number)).collect();
    let path = ["services", name, "process"];
    let want = process(cx, &around, &path, wanted, ports, &service.ports)?;
    if let Some(kind::Probe { check: kind::Check::Http { port, .. }, .. }) = &want.ready {
        cx.object.urls.insert(name.to_owned(), format!("http://localhost:{port}"));
    }
    for (port, number) in &service.ports {
        cx.object.ports.insert(format!("{name}.{port}"), *number);
    }
    let after = after_others(cx, wanted);
    let id = cx.id(ResourceKind::Process, name);
    cx.add(&id, Resource::Process(Arc::new(want)), after, &around.place(&path));
    Ok(())
}

/// What an agent waits for whose spec names services: each of them is to be ready.
pub(super) fn used(cx: &Context<'_>, infra: Option<&str>, node: &Node) -> Vec<Dependency> {
    let Some(infra) = infra.map(ObjectKey::infra) else { return Vec::new() };
    let Some(Body::Infra(spec)) = cx.documents.get(&infra).map(|it| &it.body) else {
        return Vec::new();
    };
    let mut names = BTreeSet::new();
    named(node, &mut names);
    let of = |name: &String| -> Option<ResourceId> {
        let service = spec.services.get(name)?;
        let kind = match (&service.container, &service.process) {
            (Some(_), _) => ResourceKind::Container,
            (None, Some(process)) if process.enabled => ResourceKind::Process,
            (None, _) => return None,
        };
        cx.foreign(&infra, kind, name)
    };
    names.iter().filter_map(of).map(|id| needs(id, Need::Ready)).collect()
}

/// The services that any text of a tree names as `${services.NAME.…}`.
fn named(node: &Node, found: &mut BTreeSet<String>) {
    match &node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) => {}
        NodeKind::String(text) => {
            let names = names_in(text).into_iter();
            let names = names.filter_map(|name| name.strip_prefix("services."));
            found.extend(names.filter_map(|rest| Some(rest.split_once('.')?.0.to_owned())));
        }
        NodeKind::Seq(items) => items.iter().for_each(|item| named(item, found)),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| named(&entry.value, found)),
    }
}
