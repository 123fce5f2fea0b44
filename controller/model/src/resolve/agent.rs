//! Agent: its worktree, files, database, bucket, setup steps and processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::commands::{Surroundings, environment, inside, leaves};
use super::context::{Context, needs, plain, text};
use super::infra::{bucket_desired, postgres_service, store_service};
use super::own::{DATABASE, own_secret};
use super::stack::{Generation, STEP_TIMEOUT_S, generation, seconds, setup_hash};
use super::store_key::store_key;
use super::{Effective, Stop, agent_id, effective, names, requests, services, stack, tree, verify};
use crate::desired::Dependency;
use crate::hash;
use crate::id::{ResourceId, ResourceKind};
use crate::kinds::{Need, Resource, bucket, database, file, setup, worktree};
use crate::secret::Text;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::parse::{Body, Document};
use crate::spec::{BucketPolicy, CloneStrategy, Cors, Ordered, StackSpec, Step};
use crate::template::Scope;
use crate::validate::branch;
use crate::validate::files::{self, without_detours};

pub(super) fn resolve(cx: &mut Context<'_>, document: &Document) -> Result<(), Stop> {
    let Body::Agent(own) = &document.body else { return Ok(()) };
    let Some(stack_document) = stack::of(cx, &own.stack) else {
        return Err(Stop { problem: None });
    };
    let Effective { spec, node } = effective(stack_document, document)?;
    let id = agent_id(&cx.key.name, own.id).ok_or_else(|| {
        Diagnostic::at(document.name_place(), "the agent has no number")
            .help("end its name with one (agent-3), or write `id:` under `spec:`")
    })?;
    let mut parts =
        Parts { file: &document.file, stack: stack_document, spec: &spec, node: &node, id };
    let (scope, root) = parts.scope(cx)?;
    let env = match &root {
        Some(root) => environment(cx, &node, &spec, &scope, root)?,
        None => environment(cx, &node, &spec, &scope, &cx.facts.home.clone())?,
    };
    let around = Surroundings {
        node: &node,
        scope: &scope,
        root: root.clone().unwrap_or_else(|| cx.facts.home.clone()),
        env,
    };
    let tree = parts.add_worktree(cx, &scope, root.as_deref())?;
    let files = parts.add_files(cx, &scope, tree.as_ref(), root.as_deref())?;
    let database = parts.add_database(cx, &scope)?;
    let bucket = parts.add_bucket(cx, &scope)?;
    let mut ready = tree.iter().map(|id| needs(id.clone(), Need::Exists)).collect::<Vec<_>>();
    ready.extend(files);
    ready.extend(services::used(cx, spec.infra.as_deref(), &node)?);
    if let Some(tree) = &tree {
        let steps = Steps { all: &spec.setup, path: &["setup"], prefix: "", inputs: &[] };
        ready.extend(add_setup(cx, &around, &steps, tree, &ready)?);
    }
    ready.extend(bucket.map(|id| needs(id, Need::Exists)));
    if let (Some(id), Some(wanted)) = (&database, &spec.database) {
        ready.push(needs(id.clone(), Need::Exists));
        let inputs = wanted.template.as_ref().map(|template| template.inputs.as_slice());
        let steps = Steps {
            all: &wanted.after_clone,
            path: &["database", "afterClone"],
            prefix: "afterClone.",
            // A branch that moves to other migrations has them run, as if the clone were of today.
            inputs: inputs.unwrap_or_default(),
        };
        ready.extend(add_setup(cx, &around, &steps, id, &ready)?);
    }
    parts.add_processes(cx, &around, &ready)?;
    cx.object.verify = verify::pipeline(cx, &around, &spec, root)?;
    cx.object.drift = spec.drift.unwrap_or_default();
    cx.object.asks = requests::of_agent(&spec);
    cx.object.capacity = requests::capacity(cx.documents, spec.infra.as_deref());
    if own.suspend == Some(true) {
        cx.object.suspended = Some("its spec says `suspend: true`".into());
    }
    Ok(())
}

/// An agent's Stack with its own overrides in it, and its number.
pub(super) struct Parts<'a> {
    /// The agent's own spec file.
    file: &'a str,
    stack: &'a Document,
    pub spec: &'a StackSpec,
    node: &'a crate::spec::node::Node,
    id: u32,
}

impl Parts<'_> {
    /// The place of a part of the spec.
    pub fn place(&self, path: &[&str]) -> crate::spec::source::Place {
        self.node.place_of(path)
    }

    /// The names that exist for this agent, and its worktree's path.
    fn scope(&mut self, cx: &mut Context<'_>) -> Result<(Scope, Option<PathBuf>), Stop> {
        let mut scope = cx.common_scope();
        scope.set("agent.name", cx.key.name.as_str());
        scope.set("agent.id", self.id.to_string());
        let ports = self.ports()?;
        names::set_ports(&mut scope, ports.iter().map(|(name, port)| (name.as_str(), *port)));
        cx.object.ports = ports;
        names::set_owners(&mut scope, &self.stack.key.name, self.spec.infra.as_deref());
        cx.add_secrets(&mut scope, self.node)?;
        if let Some(infra) = &self.spec.infra {
            cx.add_services(&mut scope, infra);
        }
        let mut root = None;
        if let Some(tree) = &self.spec.worktree {
            let at_branch = || self.place(&["worktree", "branch"]);
            let branch = plain(&tree.branch, &scope, at_branch)?;
            if let Some(message) = branch::refused(&branch, &branch) {
                return Err(Diagnostic::at(at_branch(), message).help(branch::HELP).into());
            }
            scope.set("worktree.branch", branch);
            let base = plain(&tree.base, &scope, || self.place(&["worktree", "base"]))?;
            scope.set("worktree.base", base);
            let path = self.tree_path(cx, tree, &scope)?;
            scope.set("worktree.path", path.display().to_string());
            root = Some(path);
        }
        if let Some(infra) = &self.spec.infra {
            self.server_names(cx, &mut scope, infra)?;
        }
        Ok((scope, root))
    }

    /// Where the worktree goes.
    fn tree_path(
        &self,
        cx: &Context<'_>,
        tree: &crate::spec::Worktree,
        scope: &Scope,
    ) -> Result<PathBuf, Stop> {
        let at_path = || self.place(&["worktree", "path"]);
        let own = self.node.file_of(&["worktree", "path"]);
        let path = cx.path(own, &plain(&tree.path, scope, at_path)?);
        let around = tree::Surroundings {
            specs: vec![own, &self.stack.file, self.file],
            repo: &cx.path(self.node.file_of(&["worktree", "repo"]), &tree.repo),
            state: &cx.facts.state,
            home: &cx.facts.home,
        };
        match tree::misplaced(&path, &around) {
            Some(why) => Err(Diagnostic::at(at_path(), why).help(tree::HELP).into()),
            None => Ok(path),
        }
    }

    fn server_names(
        &self,
        cx: &mut Context<'_>,
        scope: &mut Scope,
        infra: &str,
    ) -> Result<(), Stop> {
        if let Some(database) = &self.spec.database {
            let name = plain(&database.name, scope, || self.place(&["database", "name"]))?;
            let password = cx.secret(&own_secret(cx, DATABASE))?;
            let server =
                cx.connections.postgres.get(infra).cloned().ok_or(Stop { problem: None })?;
            names::set_database(scope, &server, &name, &name, Some(&password));
        }
        if let Some(bucket) = &self.spec.bucket {
            let name = plain(&bucket.name, scope, || self.place(&["bucket", "name"]))?;
            let store = cx.connections.stores.get(infra).cloned().ok_or(Stop { problem: None })?;
            let key = store_key(cx, infra, &store)?;
            names::set_store(scope, &store, &name, key.as_ref());
        }
        Ok(())
    }

    fn ports(&self) -> Result<BTreeMap<String, u16>, Stop> {
        let mut ports = BTreeMap::new();
        for (name, base) in &self.spec.ports {
            let number = u64::from(*base) + u64::from(self.id) * u64::from(self.spec.port_stride);
            let port = u16::try_from(number).map_err(|_| {
                Diagnostic::at(
                    self.place(&["ports", name]),
                    format!("port `{name}` of agent {} would be {number}, past 65535", self.id),
                )
                .help(format!(
                    "{base} + {} × {} has to stay below 65536: use a smaller base, stride or id",
                    self.id, self.spec.port_stride
                ))
            })?;
            ports.insert(name.clone(), port);
        }
        Ok(ports)
    }

    fn add_worktree(
        &self,
        cx: &mut Context<'_>,
        scope: &Scope,
        root: Option<&Path>,
    ) -> Result<Option<ResourceId>, Stop> {
        let (Some(tree), Some(root)) = (&self.spec.worktree, root) else { return Ok(None) };
        let place = worktree::Place {
            repo: cx.path(self.node.file_of(&["worktree", "repo"]), &tree.repo),
            path: root.to_path_buf(),
        };
        let branch = plain(&tree.branch, scope, || self.place(&["worktree", "branch"]))?;
        let base = plain(&tree.base, scope, || self.place(&["worktree", "base"]))?;
        let mut exclude = Vec::new();
        for name in self.spec.files.keys() {
            let name = plain(name, scope, || self.place(&["files", name]))?;
            exclude.push(format!("/{}", without_detours(&name)));
        }
        let want = worktree::Desired {
            fingerprint: hash::parts([format!("{place:?} {branch} {exclude:?}")]),
            place,
            checkout: worktree::Checkout::Branch { branch, base },
            exclude,
        };
        let id = cx.id(ResourceKind::Worktree, root.display().to_string());
        cx.add(&id, Resource::Worktree(Arc::new(want)), Vec::new(), &self.place(&["worktree"]));
        Ok(Some(id))
    }

    fn add_files(
        &self,
        cx: &mut Context<'_>,
        scope: &Scope,
        tree: Option<&ResourceId>,
        root: Option<&Path>,
    ) -> Result<Vec<Dependency>, Stop> {
        let (Some(tree), Some(root)) = (tree, root) else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        let mut names = BTreeMap::new();
        for (template, wanted) in &self.spec.files {
            let place = || self.place(&["files", template]);
            let name = without_detours(&plain(template, scope, place)?);
            if inside(root, &name).is_none_or(|path| path == root) {
                return Err(leaves(place(), &name));
            }
            if name == ".git" || name.starts_with(".git/") {
                let problem = Diagnostic::at(place(), "files inside `.git` are git's own");
                return Err(problem.help("choose another path").into());
            }
            let content = self.content(cx, scope, template, wanted)?;
            let id = cx.id(ResourceKind::File, name.as_str());
            if cx.object.resources.contains_key(&id) {
                let problem = Diagnostic::at(place(), format!("`{name}` is there twice"));
                return Err(problem.help("remove one of them").into());
            }
            let want = file::Desired {
                fingerprint: hash::content(content.reveal().as_bytes()),
                place: file::Place { root: root.to_path_buf(), path: PathBuf::from(&name) },
                mode: self.mode(template, wanted, &content)?,
                content,
            };
            let after = vec![needs(tree.clone(), Need::Exists)];
            cx.add(&id, Resource::File(Arc::new(want)), after, &place());
            all.push(needs(id, Need::Exists));
            names.insert(name, template);
        }
        // What `${…}` comes to is known only now.
        for (name, template) in &names {
            if let Some((outer, _)) = files::folders(name).find_map(|it| names.get_key_value(it)) {
                let place = self.place(&["files", template]);
                let problem = Diagnostic::at(place, files::folder_message(name, outer));
                return Err(problem.help(files::FOLDER_HELP).into());
            }
        }
        Ok(all)
    }

    /// The mode of a file: what the spec says, unless that shows a secret to everybody.
    fn mode(&self, name: &str, wanted: &crate::spec::File, content: &Text) -> Result<u32, Stop> {
        match wanted.mode {
            None => Ok(if content.is_secret() { 0o600 } else { 0o644 }),
            Some(mode) if content.is_secret() && mode.0 & 0o007 != 0 => {
                let place = self.place(&["files", name, "mode"]);
                Err(Diagnostic::at(place, files::OPEN_SECRET).help(files::OPEN_SECRET_HELP).into())
            }
            Some(mode) => Ok(mode.0),
        }
    }

    fn content(
        &self,
        cx: &mut Context<'_>,
        scope: &Scope,
        name: &str,
        wanted: &crate::spec::File,
    ) -> Result<Text, Stop> {
        let place = || self.place(&["files", name, "from"]);
        let Some(from) = &wanted.from else {
            let template = wanted.content.as_deref().unwrap_or_default();
            return text(template, scope, || self.place(&["files", name, "content"]));
        };
        let file = self.node.file_of(&["files", name, "from"]);
        let path = cx.path(file, &plain(from, scope, place)?);
        let template = cx.fact(super::Need::File(path.clone()), place)?;
        let mut scope = scope.clone();
        for name in names::secrets_in(&template) {
            let secret = cx.secret(&super::context::shared_secret(name))?;
            scope.set_secret(format!("secrets.{name}"), &secret);
        }
        crate::template::render(&template, &scope).map_err(|error| {
            let line = template[..error.offset()].matches('\n').count() + 1;
            Diagnostic::at(place(), format!("{}:{line}: {error}", path.display()))
                .help(error.help())
                .into()
        })
    }

    fn add_database(
        &self,
        cx: &mut Context<'_>,
        scope: &Scope,
    ) -> Result<Option<ResourceId>, Stop> {
        let (Some(wanted), Some(infra)) = (&self.spec.database, &self.spec.infra) else {
            return Ok(None);
        };
        let name = plain(&wanted.name, scope, || self.place(&["database", "name"]))?;
        let password = cx.secret(&own_secret(cx, DATABASE))?;
        let mut after: Vec<_> =
            postgres_service(cx, infra).map(|id| needs(id, Need::Ready)).into_iter().collect();
        let mut template = None;
        if wanted.template.is_some() {
            // What an agent overrides in its template does not count: there is one template a Stack.
            let Body::Stack(of_stack) = &self.stack.body else {
                return Err(Stop { problem: None });
            };
            let Some(stack_node) = self.stack.node.get("spec") else {
                return Err(Stop { problem: None });
            };
            let generation = match generation(cx, &self.stack.key, stack_node, of_stack) {
                Ok(generation) => generation,
                // Said of the Stack. A database that is there stays as it is, and so does all that runs
                // on it; a new one waits for a generation that does not exist.
                Err(Stop { problem: Some(_) }) => unknown_generation(wanted),
                Err(stop) => return Err(stop),
            };
            let owner = self.stack.key.clone();
            after.extend(
                cx.foreign(&owner, ResourceKind::Template, &generation.database)
                    .map(|id| needs(id, Need::Ready)),
            );
            template =
                Some(database::From { database: generation.database, generation: generation.hash });
        }
        let place = database::Place {
            infra: infra.clone(),
            database: name.clone(),
            role: name.clone(),
            kept: None,
        };
        let want = database::Desired {
            fingerprint: hash::parts([format!("{place:?}"), password.reveal().to_owned()]),
            place,
            password,
            template,
            strategy: match wanted.strategy {
                CloneStrategy::Auto => database::Strategy::Auto,
                CloneStrategy::WalLog => database::Strategy::WalLog,
                CloneStrategy::FileCopy => database::Strategy::FileCopy,
            },
            // The ledger knows.
            life: None,
        };
        let id = cx.id(ResourceKind::Database, name);
        cx.add(&id, Resource::Database(Arc::new(want)), after, &self.place(&["database"]));
        Ok(Some(id))
    }

    fn add_bucket(&self, cx: &mut Context<'_>, scope: &Scope) -> Result<Option<ResourceId>, Stop> {
        let (Some(wanted), Some(infra)) = (&self.spec.bucket, &self.spec.infra) else {
            return Ok(None);
        };
        let name = plain(&wanted.name, scope, || self.place(&["bucket", "name"]))?;
        let store = cx.connections.stores.get(infra).cloned().ok_or(Stop { problem: None })?;
        let key = store_key(cx, infra, &store)?;
        let place = bucket::Place {
            infra: infra.clone(),
            bucket: name.clone(),
            access_key: key.as_ref().map(|key| key.access_key.clone()),
        };
        let cors = wanted.cors.as_ref().map(|cors| self.cors(cors, scope)).transpose()?;
        let policy = BucketPolicy { expire_after: wanted.expire_after, cors };
        let want = bucket_desired(place, key, &policy);
        let after = store_service(cx, infra).map(|id| needs(id, Need::Ready)).into_iter().collect();
        let id = cx.id(ResourceKind::Bucket, name);
        cx.add(&id, Resource::Bucket(Arc::new(want)), after, &self.place(&["bucket"]));
        Ok(Some(id))
    }

    /// The same with `${…}` replaced: an agent's pages come from its own ports.
    fn cors(&self, wanted: &Cors, scope: &Scope) -> Result<Cors, Stop> {
        let filled = |key: &str, list: &[String]| -> Result<Vec<String>, Stop> {
            let place = || self.place(&["bucket", "cors", key]);
            list.iter().map(|text| plain(text, scope, place)).collect()
        };
        Ok(Cors {
            origins: filled("origins", &wanted.origins)?,
            methods: filled("methods", &wanted.methods)?,
            headers: filled("headers", &wanted.headers)?,
            expose_headers: filled("exposeHeaders", &wanted.expose_headers)?,
            max_age: wanted.max_age,
        })
    }
}

/// Setup steps of one kind.
pub(super) struct Steps<'a> {
    /// The steps.
    pub all: &'a Ordered<Step>,
    /// Where they are in the spec.
    pub path: &'a [&'a str],
    /// What their names begin with.
    pub prefix: &'a str,
    /// What a step depends on that does not say so itself.
    pub inputs: &'a [String],
}

/// Setup steps, in the order written or as their `after` says; what runs later needs all of them.
pub(super) fn add_setup(
    cx: &mut Context<'_>,
    around: &Surroundings<'_>,
    Steps { all: steps, path, prefix, inputs }: &Steps<'_>,
    renewed_by: &ResourceId,
    after: &[Dependency],
) -> Result<Vec<Dependency>, Stop> {
    let mut all = Vec::new();
    let mut previous: Option<Dependency> = None;
    for (name, step) in steps.iter() {
        let path: Vec<&str> = path.iter().copied().chain([name]).collect();
        let command = around.command(cx, &path, &step.run, step.cwd.as_deref(), &step.env)?;
        let id = cx.id(ResourceKind::Setup, format!("{prefix}{name}"));
        let inherits = step.inputs.is_empty() && !inputs.is_empty();
        let want = setup::Desired {
            place: setup::Place { root: around.root.clone() },
            fingerprint: setup_hash(&command, step),
            command,
            inputs: if inherits { inputs.to_vec() } else { step.inputs.clone() },
            inherits,
            creates: step.creates.as_ref().map(PathBuf::from),
            timeout_s: step.timeout.map_or(STEP_TIMEOUT_S, seconds),
        };
        let mut needed = after.to_vec();
        match &step.after {
            None => needed.extend(previous.clone()),
            Some(others) => needed.extend(others.iter().map(|other| {
                needs(cx.id(ResourceKind::Setup, format!("{prefix}{other}")), Need::Succeeded)
            })),
        }
        cx.add(&id, Resource::Setup(Arc::new(want)), needed, &around.place(&path));
        if let Some(wanted) = cx.object.resources.get_mut(&id) {
            wanted.renewed_by.push(renewed_by.clone());
        }
        let dependency = needs(id, Need::Succeeded);
        previous = Some(dependency.clone());
        all.push(dependency);
    }
    Ok(all)
}

/// What stands for a generation while nobody can say which it is.
fn unknown_generation(database: &crate::spec::Database) -> Generation {
    let name = database.template.as_ref().map_or("", |template| template.name.as_str());
    Generation { hash: "unknown".into(), database: name.to_owned() }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
