//! The other services of an Infra, and which of them an agent uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::commands::Surroundings;
use super::context::{Context, needs};
use super::processes::{after_others, process};
use super::{Need, Stop, containers};
use crate::desired::Dependency;
use crate::id::{ObjectKey, ResourceKind};
use crate::kinds::{self, Resource};
use crate::secret::Text;
use crate::spec::node::{Node, NodeKind};
use crate::spec::parse::{Body, Document};
use crate::spec::{Command, Process, Service};
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
        } else if let Some(process) = runs(cx, service)? {
            add_process(cx, document, name, service, process)?;
        }
    }
    Ok(())
}

/// The process of a service, unless it is to be left out.
fn runs<'a>(cx: &mut Context<'_>, service: &'a Service) -> Result<Option<&'a Process>, Stop> {
    let Some(process) = service.process.as_ref().filter(|it| it.enabled) else { return Ok(None) };
    let Some(program) = program(process).filter(|_| service.optional) else {
        return Ok(Some(process));
    };
    let need = Need::Program(program);
    let answer = cx.facts.answers.get(&need).cloned();
    cx.needs.insert(need);
    match answer {
        None => Err(Stop { problem: None }),
        Some(found) => Ok(found.ok().map(|_| process)),
    }
}

/// The program of a command that is no template and needs no shell.
fn program(process: &Process) -> Option<String> {
    let word = match &process.run {
        Command::Words(words) => words.first()?.clone(),
        Command::Line(line) => line.split_whitespace().next()?.to_owned(),
    };
    (!word.contains('$')).then_some(word)
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
    let want = process(cx, &around, &path, wanted, ports, &service.ports, None)?;
    if let Some(port) = super::probes::web_port(&want) {
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
pub(super) fn used(
    cx: &mut Context<'_>,
    infra: Option<&str>,
    node: &Node,
) -> Result<Vec<Dependency>, Stop> {
    let Some(infra) = infra.map(ObjectKey::infra) else { return Ok(Vec::new()) };
    let Some(Body::Infra(spec)) = cx.documents.get(&infra).map(|it| &it.body) else {
        return Ok(Vec::new());
    };
    let mut names = BTreeSet::new();
    named(node, &mut names);
    let mut after = Vec::new();
    for name in names {
        let Some(service) = spec.services.get(&name) else { continue };
        let kind = match &service.container {
            Some(_) => ResourceKind::Container,
            None if runs(cx, service)?.is_some() => ResourceKind::Process,
            None => continue,
        };
        after.extend(cx.foreign(&infra, kind, &name).map(|id| needs(id, kinds::Need::Ready)));
    }
    Ok(after)
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
