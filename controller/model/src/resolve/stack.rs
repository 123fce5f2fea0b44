//! Stack: the template database, and the checkout in which it is built.
//!
//! The build runs in a worktree of its own at the commit that the base stands for, so that nobody's work
//! is in it and a moved base with the same inputs builds nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::commands::{Surroundings, environment, run_hash};
use super::context::{Context, needs};
use super::infra::postgres_service;
use super::{Stop, agent, names};
use crate::hash;
use crate::id::{ObjectKey, ResourceKind};
use crate::kinds::{Need, Resource, bucket, template, worktree};
use crate::secret::Secret;
use crate::spec::StackSpec;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::node::Node;
use crate::spec::parse::Document;
use crate::template::Scope;

/// Default time limit of a build step or setup step.
pub(super) const STEP_TIMEOUT_S: u64 = 20 * 60;

pub(super) fn resolve(
    cx: &mut Context<'_>,
    document: &Document,
    spec: &StackSpec,
) -> Result<(), Stop> {
    let Some(node) = document.node.get("spec") else { return Ok(()) };
    if let Some(wanted) = spec.database.as_ref().and_then(|database| database.template.as_ref()) {
        let generation = generation(cx, &document.key, node, spec)?;
        build(cx, node, spec, wanted, &generation)?;
    }
    Ok(())
}

/// One generation of a Stack's template.
pub(super) struct Generation {
    /// The hash that keys it.
    pub hash: String,
    /// The database that holds it.
    pub database: String,
}

/// Which generation of the template is wanted now: the same for the Stack and for each agent that did not
/// override the template.
pub(super) fn generation(
    cx: &mut Context<'_>,
    stack: &ObjectKey,
    node: &Node,
    spec: &StackSpec,
) -> Result<Generation, Stop> {
    let template = spec.database.as_ref().and_then(|database| database.template.as_ref());
    let (Some(template), Some(tree)) = (template, &spec.worktree) else {
        return Err(Diagnostic::at(node.place_of(&["database"]), "a template needs a `worktree`")
            .help("name the repository that fills it")
            .into());
    };
    let commit = commit(cx, node, tree)?;
    let repo = cx.path(node.file_of(&["worktree", "repo"]), &tree.repo);
    let patterns = template.inputs.clone();
    let need = super::Need::Inputs { repo, commit, patterns };
    let inputs = cx.fact(need, || node.place_of(&["worktree", "base"]))?;
    let mut parts = vec![template.name.clone(), inputs];
    for (name, step) in template.build.iter() {
        parts.push(format!("{name} {:?} {:?} {:?}", step.run, step.cwd, step.env));
    }
    if let Some(times) = cx.facts.rebuilds.get(stack) {
        parts.push(format!("rebuilt {times}"));
    }
    let hash = hash::parts(parts);
    let digest = hash.split_once('-').map_or(hash.as_str(), |(_, digest)| digest);
    let database = format!("{}_{}", template.name, digest.get(..8).unwrap_or(digest));
    if database.len() > 63 {
        return Err(Diagnostic::at(
            node.place_of(&["database", "template", "name"]),
            format!("the template's name is too long: with its hash, {database} has more than 63 characters"),
        )
        .help("use at most 54 characters")
        .into());
    }
    Ok(Generation { hash, database })
}

/// The commit that the base stands for now: a generation is of its inputs, and is built in its checkout.
fn commit(cx: &mut Context<'_>, node: &Node, tree: &crate::spec::Worktree) -> Result<String, Stop> {
    let repo = cx.path(node.file_of(&["worktree", "repo"]), &tree.repo);
    let need = super::Need::Commit { repo, base: tree.base.clone() };
    cx.fact(need, || node.place_of(&["worktree", "base"]))
}

fn build(
    cx: &mut Context<'_>,
    node: &Node,
    spec: &StackSpec,
    wanted: &crate::spec::DatabaseTemplate,
    generation: &Generation,
) -> Result<(), Stop> {
    let (Some(infra), Some(tree)) = (&spec.infra, &spec.worktree) else {
        return Err(Diagnostic::at(
            node.place_of(&["database"]),
            "a database needs `infra` and `worktree`",
        )
        .help("name the Infra whose Postgres holds it, and the repository that fills it")
        .into());
    };
    let root = cx.folder().join("checkout");
    let mut scope = scope(cx, spec, infra, generation, &root);
    names::set_owners(&mut scope, &cx.key.name, spec.infra.as_deref());
    cx.add_services(&mut scope, infra);
    cx.add_secrets(&mut scope, node)?;
    let env = environment(cx, node, spec, &scope, &root)?;
    let around = Surroundings { node, scope: &scope, root: root.clone(), env };
    let checkout = cx.id(ResourceKind::Worktree, root.display().to_string());
    add_checkout(cx, node, tree, &checkout, &root)?;
    let mut after = vec![needs(checkout.clone(), Need::Exists)];
    if !wanted.build.is_empty() {
        let steps = agent::Steps { all: &spec.setup, path: &["setup"], prefix: "", inputs: &[] };
        after.extend(agent::add_setup(cx, &around, &steps, &checkout, &after)?);
    }
    after.extend(postgres_service(cx, infra).map(|service| needs(service, Need::Ready)));
    let mut steps = Vec::new();
    let mut parts = BTreeMap::new();
    for (name, step) in wanted.build.iter() {
        let path = ["database", "template", "build", name];
        let command = around.command(cx, &path, &step.run, step.cwd.as_deref(), &step.env)?;
        let timeout_s = step.timeout.map_or(STEP_TIMEOUT_S, seconds);
        parts.insert(name.to_owned(), node.place_of(&path).to_string());
        steps.push(template::BuildStep { name: name.to_owned(), command, timeout_s });
    }
    let id = cx.id(ResourceKind::Template, &generation.database);
    let want = template::Desired {
        place: template::Place { infra: infra.clone(), database: generation.database.clone() },
        fingerprint: generation.hash.clone(),
        build: steps,
    };
    let source = node.place_of(&["database", "template"]);
    cx.add(&id, Resource::Template(Arc::new(want)), after, &source);
    if let Some(template) = cx.object.resources.get_mut(&id) {
        template.parts = parts;
    }
    Ok(())
}

fn add_checkout(
    cx: &mut Context<'_>,
    node: &Node,
    tree: &crate::spec::Worktree,
    id: &crate::id::ResourceId,
    root: &std::path::Path,
) -> Result<(), Stop> {
    let commit = commit(cx, node, tree)?;
    let repo: PathBuf = cx.path(node.file_of(&["worktree", "repo"]), &tree.repo);
    let place = worktree::Place { repo, path: root.to_path_buf() };
    let want = worktree::Desired {
        fingerprint: hash::parts([format!("{place:?} {commit}")]),
        place,
        checkout: worktree::Checkout::Detached { commit },
        exclude: Vec::new(),
    };
    let source = node.place_of(&["worktree"]);
    cx.add(id, Resource::Worktree(Arc::new(want)), Vec::new(), &source);
    Ok(())
}

/// The names that exist while the template is built: those of an agent, with the template in place of its
/// database.
fn scope(
    cx: &Context<'_>,
    spec: &StackSpec,
    infra: &str,
    generation: &Generation,
    root: &std::path::Path,
) -> Scope {
    let mut scope = cx.common_scope();
    scope.set("agent.name", cx.key.name.as_str());
    scope.set("agent.id", "0");
    names::set_ports(&mut scope, spec.ports.iter().map(|(name, port)| (name.as_str(), *port)));
    scope.set("worktree.path", root.display().to_string());
    scope.set("worktree.branch", "");
    scope.set("worktree.base", spec.worktree.as_ref().map_or("", |tree| tree.base.as_str()));
    if let Some(server) = cx.connections.postgres.get(infra) {
        // The build logs in as the template's builder: its user and password are set when it runs.
        names::set_database(&mut scope, server, &generation.database, &generation.database, None);
    }
    let store = cx.connections.stores.get(infra).filter(|_| spec.bucket.is_some());
    if let Some(store) = store {
        // A template has no bucket, and so no key to one; the store's own key opens all of them.
        let none = bucket::Key {
            access_key: String::new(),
            secret_key: Secret::new(""),
            shared: Vec::new(),
        };
        names::set_store(&mut scope, store, "", Some(&none));
    }
    scope
}

/// A limit in whole seconds, rounded up: less than a second is not none.
pub(super) fn seconds(duration: crate::spec::Duration) -> u64 {
    let millis = duration.0.as_millis();
    u64::try_from(millis.div_ceil(1000)).unwrap_or(u64::MAX)
}

/// A setup step's hash: its command, its inputs and what it creates.
pub(super) fn setup_hash(
    command: &crate::kinds::command::Command,
    step: &crate::spec::Step,
) -> String {
    run_hash(command, &[format!("{:?} {:?}", step.inputs, step.creates)])
}

/// The Stack of an agent.
pub(super) fn of<'a>(cx: &Context<'a>, name: &str) -> Option<&'a Document> {
    cx.documents.get(&ObjectKey::stack(name))
}
