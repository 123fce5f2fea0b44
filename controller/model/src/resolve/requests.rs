//! What an agent and the shared services ask of the host, and how much of it there is to give.

use crate::admission::{Amount, Capacity};
use crate::id::ObjectKey;
use crate::spec::parse::{Body, Document};
use crate::spec::{Container, InfraSpec, Size, StackSpec};

use std::collections::BTreeMap;

/// What an agent asks for: what its spec says, else what it is held to.
pub fn of_agent(spec: &StackSpec) -> Amount {
    let requests = spec.requests.as_ref();
    let limit = || spec.limits.as_ref().and_then(|limits| limits.memory).map(|it| it.0);
    let processes = || {
        let enabled = spec.processes.values().filter(|process| process.enabled);
        sum(enabled.filter_map(|process| process.memory))
    };
    let memory = requests.and_then(|it| it.memory).map(|it| it.0);
    Amount {
        memory: memory.or_else(limit).unwrap_or_else(processes),
        disk: requests.and_then(|it| it.disk).map_or(0, |it| it.0),
    }
}

/// What the shared services are held to.
pub(super) fn of_infra(spec: &InfraSpec) -> Amount {
    let memory = |container: &Container| container.memory;
    let postgres = spec.postgres.iter().filter_map(|it| it.container.as_ref());
    let store = spec.object_store.iter().filter_map(|it| it.container.as_ref());
    let others = spec.services.values().filter_map(|it| it.container.as_ref());
    let processes = spec.services.values().filter_map(|it| it.process.as_ref());
    let processes = processes.filter(|it| it.enabled).filter_map(|it| it.memory);
    let containers = postgres.chain(store).chain(others).filter_map(memory);
    Amount { memory: sum(containers.chain(processes)), disk: 0 }
}

/// How much there is for the agents of an Infra.
pub(super) fn capacity(documents: &BTreeMap<ObjectKey, Document>, infra: Option<&str>) -> Capacity {
    let document = infra.and_then(|infra| documents.get(&ObjectKey::infra(infra)));
    let set = match document.map(|document| &document.body) {
        Some(Body::Infra(spec)) => spec.capacity.clone().unwrap_or_default(),
        _ => return Capacity::default(),
    };
    Capacity {
        memory: set.memory.map(|it| it.0),
        disk: set.disk.map(|it| it.0),
        overcommit: set.overcommit,
    }
}

fn sum(sizes: impl Iterator<Item = Size>) -> u64 {
    sizes.fold(0, |all, size| all.saturating_add(size.0))
}
