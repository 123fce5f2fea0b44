//! The services of an Infra, as a person names them: each with the resource that runs it. Pure.
//!
//! Requests about them are in files of their own: `figures`, `logs`, `exec` and `restart`.

use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind};
use agent_harness_model::kinds::container::Port;
use agent_harness_model::kinds::service::Runtime;
use agent_harness_model::kinds::{AnyTarget, Resource};

use super::answer::Refusal;

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// What runs it. Its name is `postgres`, `objectStore`, or that in `services`.
    pub id: ResourceId,
    /// What is wanted of that.
    pub want: Resource,
}

impl Service {
    /// Whether somebody else runs it.
    pub fn is_external(&self) -> bool {
        match &self.want {
            Resource::Service(want) => match want.runtime {
                Runtime::EmbeddedPostgres(_) | Runtime::EmbeddedObjectStore(_) => false,
                Runtime::ExternalPostgres(_) | Runtime::ExternalObjectStore(_) => true,
            },
            _ => false,
        }
    }

    /// Where it listens: `127.0.0.1:15432→5432`.
    pub fn ports(&self) -> Vec<String> {
        let published = |port: &Port| {
            let udp = if port.protocol == "udp" { "/udp" } else { "" };
            format!("{}:{}→{}{udp}", port.address, port.host, port.container)
        };
        let local = |port: u16| format!("127.0.0.1:{port}");
        match &self.want {
            Resource::Container(want) => want.config.ports.values().map(published).collect(),
            Resource::Process(want) => want.ports.iter().map(|(_, port)| local(*port)).collect(),
            Resource::Service(want) => match &want.runtime {
                Runtime::EmbeddedPostgres(it) => vec![local(it.port)],
                Runtime::EmbeddedObjectStore(it) => vec![local(it.port)],
                Runtime::ExternalPostgres(it) => vec![format!("{}:{}", it.host, it.port)],
                Runtime::ExternalObjectStore(it) => vec![it.endpoint.clone()],
            },
            _ => Vec::new(),
        }
    }
}

/// The services of an Infra, in the order of their names. A server in a container is that container.
pub fn of(object: &DesiredObject) -> Vec<Service> {
    let runs = |id: &ResourceId| {
        matches!(id.kind, ResourceKind::Container | ResourceKind::Process | ResourceKind::Service)
    };
    let wanted = object.resources.iter().filter(|(id, _)| runs(id));
    let mut all: Vec<Service> = wanted
        .filter_map(|(id, wanted)| match &wanted.target {
            AnyTarget::Present(want) => Some(Service { id: id.clone(), want: want.clone() }),
            AnyTarget::Trashed | AnyTarget::Gone => None,
        })
        .collect();
    let container_first = |it: &Service| it.id.kind != ResourceKind::Container;
    all.sort_by(|a, b| (&a.id.name, container_first(a)).cmp(&(&b.id.name, container_first(b))));
    all.dedup_by(|later, first| later.id.name == first.id.name);
    all
}

/// The service of a name; a refusal lists those that there are.
pub fn named(key: &ObjectKey, object: &DesiredObject, name: &str) -> Result<Service, Refusal> {
    let all = of(object);
    let names: Vec<_> = all.iter().map(|service| service.id.name.clone()).collect();
    all.into_iter().find(|service| service.id.name == name).ok_or_else(|| {
        Refusal::NotFound(match names.as_slice() {
            [] => format!("{key} has no services"),
            _ => format!("{key} has no service `{name}`; it has {}", names.join(", ")),
        })
    })
}
