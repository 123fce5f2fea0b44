//! Agents: their numbers, their overrides, and what only one of them can have.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{
    LastGood, branch, infra_of, names, of_kind, overrides, refer, seniority, servers, stack,
};
use crate::id::{ObjectKey, ObjectKind};
use crate::resolve::agent_id;
use crate::spec::decode::decode;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::node::{Node, NodeKind};
use crate::spec::parse::{Body, Document};
use crate::spec::source::Place;
use crate::spec::{AgentSpec, StackSpec, shape};
use crate::template::{Scope, render};

/// The longest name of a database that PostgreSQL does not cut, in bytes.
const MAX_DATABASE: usize = 63;

/// An agent with its Stack's spec, its own overrides in it.
pub(super) struct View<'a> {
    pub document: &'a Document,
    pub stack: &'a Document,
    pub id: u32,
    pub spec: Cow<'a, StackSpec>,
    /// The tree of `spec`.
    pub node: Cow<'a, Node>,
}

fn no_number(document: &Document) -> Diagnostic {
    let name = &document.key.name;
    let message = if name.ends_with(|last: char| last.is_ascii_digit()) {
        format!("the number that ends `{name}` is too large")
    } else {
        format!("the agent `{name}` has no number")
    };
    Diagnostic::at(document.name_place(), message)
        .help("end its name with one, such as `agent-3`, or add `id: 3` under `spec`")
        .of(document.key.clone())
}

impl View<'_> {
    /// The place of the agent's number: where it is written, else its name.
    pub fn id_place(&self) -> Place {
        self.document.node.value_place(match self.document.node.find(&["spec", "id"]) {
            Some(_) => &["spec", "id"],
            None => &["metadata", "name"],
        })
    }

    /// How much its claims count, less is more: an agent changes with its Stack, and among those of one
    /// Stack with its own document.
    pub fn seniority(&self, last_good: &LastGood) -> (u8, u8) {
        let own = seniority(self.document, last_good);
        (own.max(seniority(self.stack, last_good)), own)
    }

    /// The place of a value of the spec when the agent wrote it itself, else of its name.
    fn own_place(&self, path: &[&str]) -> Place {
        let own: Vec<&str> = std::iter::once("spec").chain(path.iter().copied()).collect();
        self.document.node.find(&own).map_or_else(|| self.document.name_place(), Node::place)
    }

    /// The names that an agent's own names and paths are made of. Those of the host stand for themselves:
    /// they are the same for all agents.
    fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        for name in ["harness.bin", "harness.state", "home"] {
            scope.set(name, format!("${{{name}}}"));
        }
        scope.set("agent.name", self.document.key.name.as_str());
        scope.set("agent.id", self.id.to_string());
        scope.set("AGENT_NAME", self.document.key.name.as_str());
        scope.set("AGENT_ID", self.id.to_string());
        scope.set("stack.name", self.stack.key.name.as_str());
        for (name, base) in &self.spec.ports {
            let port = u64::from(*base) + u64::from(self.id) * u64::from(self.spec.port_stride);
            scope.set(format!("ports.{name}"), port.to_string());
        }
        if let Some(infra) = &self.spec.infra {
            scope.set("infra.name", infra.as_str());
        }
        if let Some(tree) = &self.spec.worktree {
            for (name, text) in [("worktree.branch", &tree.branch), ("worktree.base", &tree.base)] {
                if let Ok(value) = render(text, &scope) {
                    scope.set(name, value);
                }
            }
        }
        scope
    }
}

/// Every agent whose Stack is there, with what is wrong with it by itself.
pub(super) fn views<'a>(
    documents: &'a BTreeMap<ObjectKey, Document>,
    problems: &mut Vec<Diagnostic>,
) -> Vec<View<'a>> {
    let mut views = Vec::new();
    for document in of_kind(documents, ObjectKind::Agent) {
        let Body::Agent(spec) = &document.body else { continue };
        let Some(stack) = documents.get(&ObjectKey::stack(spec.stack.as_str())) else { continue };
        let Some(id) = agent_id(&document.key.name, spec.id) else {
            problems.push(no_number(document));
            continue;
        };
        let before = problems.len();
        let Some(view) = view(document, spec, stack, id, problems) else { continue };
        if matches!(view.spec, Cow::Owned(_)) {
            // Without overrides all is as in the Stack, which was checked.
            let mut found = Vec::new();
            check_overrides(documents, &view, &mut found);
            problems.extend(found.into_iter().map(|problem| overrides::tell(document, problem)));
        }
        check_names(&view, problems);
        if problems.len() == before {
            views.push(view);
        }
    }
    views
}

/// What an agent says for itself, with the rest of its Stack around it.
fn check_overrides(
    documents: &BTreeMap<ObjectKey, Document>,
    view: &View<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    let (key, stack) = (&view.document.key, &view.stack.key.name);
    let own = |path: &[&str]| view.document.node.find(path);
    let template = own(&["spec", "database", "template"]);
    let elsewhere = own(&["spec", "infra"]).filter(|_| {
        view.spec.database.as_ref().is_some_and(|database| database.template.is_some())
    });
    if let Some(node) = template.or(elsewhere) {
        problems.push(
            Diagnostic::at(
                node.place(),
                format!("the template belongs to the Stack `{stack}`: an agent cannot change it"),
            )
            .help("leave it out here, or make a Stack of its own for this agent")
            .of(key.clone()),
        );
    }
    if let Some(infra) = &view.spec.infra {
        let wanted = ObjectKey::infra(infra.as_str());
        refer(documents, key, &wanted, view.node.value_place(&["infra"]), problems);
    }
    let infra = infra_of(documents, &view.spec);
    if let Some(infra) = infra {
        servers(key, &view.node, &view.spec, infra, problems);
    }
    names::check(key, &view.node, &view.spec, stack, infra, problems);
}

fn view<'a>(
    document: &'a Document,
    spec: &AgentSpec,
    stack: &'a Document,
    id: u32,
    problems: &mut Vec<Diagnostic>,
) -> Option<View<'a>> {
    let Body::Stack(base) = &stack.body else { return None };
    let node = stack.node.get("spec")?;
    if spec.overrides.is_empty() {
        let (spec, node) = (Cow::Borrowed(base.as_ref()), Cow::Borrowed(node));
        return Some(View { document, stack, id, spec, node });
    }
    let key = &document.key;
    let mut merged = node.clone();
    let mut patch = document.node.get("spec")?.clone();
    if let NodeKind::Map(entries) = &mut patch.kind {
        entries.retain(|entry| spec.overrides.contains_key(&entry.key));
    }
    merged.merge(&patch);
    let found = shape::check_stack_spec(&merged, key);
    if !found.is_empty() {
        problems.extend(found);
        return None;
    }
    match decode::<StackSpec>(&merged) {
        Ok(spec) => {
            let mut found = Vec::new();
            stack::check_merged(document, &merged, &spec, &mut found);
            let right = found.is_empty();
            problems.extend(found.into_iter().map(|problem| overrides::tell(document, problem)));
            let (spec, node) = (Cow::Owned(spec), Cow::Owned(merged));
            right.then_some(View { document, stack, id, spec, node })
        }
        Err(error) => {
            let place = error.place.unwrap_or_else(|| document.place(&["spec"]));
            problems.push(Diagnostic::at(place, error.message).of(key.clone()));
            None
        }
    }
}

/// What only one agent can have, and where it says so.
struct Claim {
    /// What it is, as a message names it.
    what: String,
    /// Where the agent says so.
    place: Place,
    /// What else would do.
    help: &'static str,
}

/// Numbers, databases, buckets, worktrees and branches that two agents claim: the senior one has
/// them, the other falls out. Returns those whose number is their own, senior ones first.
pub(super) fn check<'a>(
    mut views: Vec<View<'a>>,
    last_good: &LastGood,
    problems: &mut Vec<Diagnostic>,
) -> Vec<View<'a>> {
    views.sort_by_key(|view| view.seniority(last_good));
    let mut taken: BTreeMap<String, (ObjectKey, Place)> = BTreeMap::new();
    views.retain(|view| {
        let key = &view.document.key;
        let mut mine = Vec::new();
        for (index, claim) in claims(view).into_iter().enumerate() {
            let Some((owner, place)) = taken.get(&claim.what) else {
                mine.push((claim.what, (key.clone(), claim.place)));
                continue;
            };
            problems.push(
                Diagnostic::at(claim.place, format!("{owner} has {} already", claim.what))
                    .related(format!("{owner} is here"), place.clone())
                    .help(claim.help)
                    .of(key.clone()),
            );
            // Everything else follows from the number, which comes first.
            if index == 0 {
                return false;
            }
        }
        taken.extend(mine);
        true
    });
    views
}

fn claims(view: &View<'_>) -> Vec<Claim> {
    let spec = &view.spec;
    let mut claims = vec![Claim {
        what: format!("the number {} of the Stack `{}`", view.id, view.stack.key.name),
        place: view.id_place(),
        help: "give this agent another `id`: its ports follow from it",
    }];
    let infra = spec.infra.as_deref().unwrap_or_default();
    let Names { database, bucket, worktree, branch } = Names::of(view);
    if let Some(name) = database {
        claims.push(Claim {
            what: format!("the database `{name}` of the Infra `{infra}`"),
            place: view.own_place(&["database", "name"]),
            help: "give this agent's database another name, such as `agent_${agent.id}`",
        });
    }
    if let Some(name) = bucket {
        claims.push(Claim {
            what: format!("the bucket `{name}` of the Infra `{infra}`"),
            place: view.own_place(&["bucket", "name"]),
            help: "give this agent's bucket another name, such as `agent-${agent.id}`",
        });
    }
    if let Some(path) = worktree {
        claims.push(Claim {
            what: format!("the worktree `{path}`"),
            place: view.own_place(&["worktree", "path"]),
            help: "give this agent another path, such as `~/worktrees/${agent.name}`",
        });
    }
    if let Some((repo, branch)) = branch {
        claims.push(Claim {
            what: format!("the branch `{branch}` of {repo}"),
            place: view.own_place(&["worktree", "branch"]),
            help: "git checks a branch out in one worktree only: give this agent another branch",
        });
    }
    claims
}

/// What an agent's things are called. What cannot be rendered without the host is left out; that is reported
/// when the agent is resolved.
#[derive(Default)]
struct Names {
    database: Option<String>,
    bucket: Option<String>,
    worktree: Option<String>,
    /// The repository and the branch.
    branch: Option<(String, String)>,
}

impl Names {
    fn of(view: &View<'_>) -> Self {
        let (scope, spec) = (view.scope(), &view.spec);
        let fill = |text: &str| {
            render(text, &scope).ok().filter(|t| !t.is_secret()).map(|t| t.reveal().to_owned())
        };
        let tree = spec.worktree.as_ref();
        let bare = |path: String| path.trim_end_matches('/').to_owned();
        Self {
            database: spec.database.as_ref().and_then(|database| fill(&database.name)),
            bucket: spec.bucket.as_ref().and_then(|bucket| fill(&bucket.name)),
            worktree: tree.and_then(|tree| fill(&tree.path)).map(bare),
            branch: tree.and_then(|tree| Some((bare(fill(&tree.repo)?), fill(&tree.branch)?))),
        }
    }
}

/// Names that no server takes.
fn check_names(view: &View<'_>, problems: &mut Vec<Diagnostic>) {
    let Names { database, bucket, worktree: _, branch } = Names::of(view);
    let mut wrong = |path: &[&str], message: String, help: &str| {
        problems.push(
            Diagnostic::at(view.own_place(path), message).help(help).of(view.document.key.clone()),
        );
    };
    if let Some(name) = database.filter(|name| name.is_empty() || name.len() > MAX_DATABASE) {
        wrong(
            &["database", "name"],
            format!("the database's name {name:?} has {} bytes", name.len()),
            "a name has 1 to 63 bytes, such as `agent_${agent.id}`",
        );
    }
    if let Some((name, problem)) = bucket.and_then(|name| Some((bucket_problem(&name)?, name))) {
        wrong(
            &["bucket", "name"],
            format!("{problem:?} is not a bucket name: {name}"),
            "a bucket has 3 to 63 of a-z, 0-9, `-` and `.`, such as `agent-${agent.id}`",
        );
    }
    if let Some(message) = branch.and_then(|(_, name)| branch::refused(&name, &name)) {
        wrong(&["worktree", "branch"], message, branch::HELP);
    }
}

/// Worktrees that lie in each other: what becomes of the outer one becomes of the inner one too.
pub(super) fn check_nesting(views: &[View<'_>], problems: &mut Vec<Diagnostic>) {
    let trees: BTreeMap<String, &View<'_>> =
        views.iter().filter_map(|view| Some((Names::of(view).worktree?, view))).collect();
    for (path, view) in &trees {
        let outer = path.match_indices('/').find_map(|(end, _)| trees.get(&path[..end]));
        if let Some(outer) = outer {
            problems.push(
                Diagnostic::at(
                    view.own_place(&["worktree", "path"]),
                    format!("the worktree `{path}` lies in that of {}", outer.document.key),
                )
                .related("the other one is here", outer.own_place(&["worktree", "path"]))
                .help("give each agent a folder beside the others")
                .of(view.document.key.clone()),
            );
        }
    }
}

/// What is wrong with a bucket's name by the rules of S3.
pub(super) fn bucket_problem(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: char| c.is_ascii_alphanumeric();
    if !(3..=63).contains(&name.len()) {
        Some("it has fewer than 3 or more than 63 characters")
    } else if !name.chars().all(allowed) {
        Some("only a-z, 0-9, `-` and `.` are allowed")
    } else if !name.starts_with(ends) || !name.ends_with(ends) || name.contains("..") {
        Some("it starts and ends with a letter or digit, and has no two dots in a row")
    } else {
        None
    }
}
