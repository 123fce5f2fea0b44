//! The names that templates can use for ports, servers and secrets; and, for checks without any facts,
//! which names there will be.

use super::postgres_url;
use crate::kinds::bucket;
use crate::kinds::service::{PostgresConnection, StoreConnection};
use crate::secret::Secret;
use crate::spec::node::{Node, NodeKind};
use crate::spec::{InfraSpec, StackSpec};
use crate::template::{Scope, names_in};

/// `stack.name`, `infra.name`
pub(super) fn set_owners(scope: &mut Scope, stack: &str, infra: Option<&str>) {
    scope.set("stack.name", stack);
    if let Some(infra) = infra {
        scope.set("infra.name", infra);
    }
}

/// `services.mailpit.ports.web`
pub(super) fn set_services(scope: &mut Scope, infra: &InfraSpec) {
    for (name, service) in &infra.services {
        let published = service.container.iter().flat_map(|container| &container.ports);
        let published = published.map(|(port, number)| (port, number.host));
        for (port, number) in published.chain(service.ports.iter().map(|(port, n)| (port, *n))) {
            scope.set(format!("services.{name}.ports.{port}"), number.to_string());
        }
    }
}

/// The secrets that a text uses as `${secrets.NAME}`, by their names.
pub(crate) fn secrets_in(text: &str) -> impl Iterator<Item = &str> {
    names_in(text).into_iter().filter_map(|name| name.strip_prefix("secrets."))
}

/// Whether a text begins with the value of a name that is an absolute path.
pub(crate) fn begins_at_root(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.split_once('}'));
    name.is_some_and(|(name, _)| ABSOLUTE.contains(&name.trim()))
}

/// Names of absolute paths.
const ABSOLUTE: [&str; 4] = ["harness.bin", "harness.state", "home", "worktree.path"];

/// The secrets that any text in a tree uses.
pub(crate) fn secrets_of(node: &Node, found: &mut std::collections::BTreeSet<String>) {
    match &node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) => {}
        NodeKind::String(text) => found.extend(secrets_in(text).map(str::to_owned)),
        NodeKind::Seq(items) => items.iter().for_each(|item| secrets_of(item, found)),
        NodeKind::Map(entries) => {
            for entry in entries {
                found.extend(secrets_in(&entry.key).map(str::to_owned));
                secrets_of(&entry.value, found);
            }
        }
    }
}

/// Every name that there will be for an agent of this Stack, with values that mean nothing.
pub(crate) fn known(
    spec: &StackSpec,
    node: &Node,
    stack: &str,
    infra: Option<&InfraSpec>,
) -> Scope {
    let mut scope = Scope::default();
    for name in ["harness.bin", "harness.state", "home", "agent.name", "agent.id"] {
        scope.set(name, "1");
    }
    set_ports(&mut scope, spec.ports.keys().map(|name| (name.as_str(), 1)));
    set_owners(&mut scope, stack, spec.infra.as_deref());
    if spec.worktree.is_some() {
        for name in ["worktree.path", "worktree.branch", "worktree.base"] {
            scope.set(name, "x");
        }
    }
    let password = Secret::new("x");
    let text = String::new;
    if spec.database.is_some() {
        set_database(&mut scope, &some_server(), "x", "x", Some(&password));
    }
    if spec.bucket.is_some() {
        let store = StoreConnection {
            endpoint: text(),
            region: text(),
            access_key: text(),
            secret_key: password.clone(),
            embedded_root: None,
        };
        set_store(&mut scope, &store, "x", None);
    }
    if let Some(infra) = infra {
        set_services(&mut scope, infra);
    }
    let mut secrets = std::collections::BTreeSet::new();
    secrets_of(node, &mut secrets);
    for name in secrets {
        scope.set_secret(format!("secrets.{name}"), &password);
    }
    scope
}

/// The same while the template is built: without a password, which the build gets in another way.
pub(crate) fn in_build(agent: &Scope) -> Scope {
    let mut scope = agent.clone();
    if scope.get("database.url").is_some() {
        set_database(&mut scope, &some_server(), "x", "x", None);
    }
    scope
}

/// A server of which only the names matter.
fn some_server() -> PostgresConnection {
    PostgresConnection {
        host: String::new(),
        port: 1,
        user: String::new(),
        password: Secret::new("x"),
        database: String::new(),
        sslmode: None,
        in_container: false,
        embedded_root: None,
    }
}

/// `ports.api`, and the names that the plan's env.template uses: `API_PORT`, `FE_PORT`, `DEBUG_PORT`.
pub(super) fn set_ports<'a>(scope: &mut Scope, ports: impl Iterator<Item = (&'a str, u16)>) {
    if let Some(id) = scope.get("agent.id").cloned() {
        scope.set("AGENT_ID", id);
    }
    if let Some(name) = scope.get("agent.name").cloned() {
        scope.set("AGENT_NAME", name);
    }
    for (name, port) in ports {
        scope.set(format!("ports.{name}"), port.to_string());
        let short = match name {
            "frontend" => Some("FE_PORT"),
            "debugger" => Some("DEBUG_PORT"),
            _ => None,
        };
        // A port that is really called `fe` comes first.
        if let Some(short) = short.filter(|short| scope.get(short).is_none()) {
            scope.set(short, port.to_string());
        }
        let upper = name.to_uppercase().replace('-', "_");
        scope.set(format!("{upper}_PORT"), port.to_string());
    }
}

/// `database.*`
pub(super) fn set_database(
    scope: &mut Scope,
    server: &PostgresConnection,
    name: &str,
    user: &str,
    password: Option<&Secret>,
) {
    scope.set("database.name", name);
    scope.set("database.host", server.host.as_str());
    scope.set("database.port", server.port.to_string());
    scope.set("database.user", user);
    let url = postgres_url::write(server, user, password, name);
    match password {
        Some(password) => {
            scope.set_secret("database.password", password);
            scope.set_secret("database.url", &Secret::new(url));
        }
        None => {
            scope.set("database.password", "");
            scope.set("database.url", url);
        }
    }
}

/// `bucket.*` and `s3.*`
pub(super) fn set_store(
    scope: &mut Scope,
    store: &StoreConnection,
    bucket: &str,
    key: Option<&bucket::Key>,
) {
    scope.set("bucket.name", bucket);
    scope.set("s3.endpoint", store.endpoint.as_str());
    scope.set("s3.region", store.region.as_str());
    match key {
        Some(key) => {
            scope.set("s3.accessKey", key.access_key.as_str());
            scope.set_secret("s3.secretKey", &key.secret_key);
        }
        None => {
            scope.set("s3.accessKey", store.access_key.as_str());
            scope.set_secret("s3.secretKey", &store.secret_key);
        }
    }
}
