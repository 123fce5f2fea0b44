//! Which service is the PostgreSQL server of the agents, which their object store, and how ports are called.

use std::collections::BTreeMap;

use agent_harness_model::spec::{
    BucketPolicy, Container, ContainerPort, InfraSpec, ObjectStore, Postgres, Protocol, Value,
};

use super::ports::Published;
use super::service::Service;
use crate::convert::report::Report;
use crate::convert::stack::{free_name, name_of};

/// Images of PostgreSQL, by the last part of their path.
const POSTGRES: &[&str] =
    &["postgres", "postgresql", "pgvector", "postgis", "timescaledb", "timescaledb-ha", "citus"];

/// Images that are an object store as MinIO is one.
const STORES: &[&str] = &["minio", "rustfs"];

/// What ports mean by their number in the container.
const PORTS: &[(u16, &str)] = &[
    (22, "ssh"),
    (25, "smtp"),
    (53, "dns"),
    (80, "http"),
    (389, "ldap"),
    (443, "https"),
    (465, "smtp"),
    (587, "smtp"),
    (636, "ldaps"),
    (1025, "smtp"),
    (1080, "web"),
    (2525, "smtp"),
    (3000, "http"),
    (3306, "mysql"),
    (4222, "nats"),
    (4317, "otlp-grpc"),
    (4318, "otlp-http"),
    (5000, "http"),
    (5432, "postgres"),
    (5672, "amqp"),
    (6379, "redis"),
    (8000, "http"),
    (8025, "web"),
    (8080, "http"),
    (8123, "http"),
    (8443, "https"),
    (9090, "http"),
    (9092, "kafka"),
    (9200, "http"),
    (11211, "memcached"),
    (15672, "web"),
    (16686, "web"),
    (27017, "mongodb"),
];

/// What a service is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Postgres,
    ObjectStore,
    Other,
}

impl Role {
    fn of(service: &Service<'_>) -> Self {
        let publishes = |port: u16| service.ports.iter().any(|it| it.container == port);
        let image = service.container.image.split(['@']).next().unwrap_or_default();
        let image = image.rsplit('/').next().unwrap_or_default();
        let image = image.split(':').next().unwrap_or_default();
        if POSTGRES.contains(&image) && publishes(5432) {
            Self::Postgres
        } else if STORES.contains(&image) && publishes(9000) {
            Self::ObjectStore
        } else {
            Self::Other
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::ObjectStore => "objectStore",
            Self::Other => "services",
        }
    }

    /// The port of this role, by its number in the container.
    fn port(self, number: u16, container: &Container) -> Option<&'static str> {
        match (self, number) {
            (Self::Postgres, 5432) => Some("postgres"),
            (Self::ObjectStore, 9000) => Some("s3"),
            (Self::ObjectStore, 9001) => Some("console"),
            (Self::ObjectStore, number) => {
                let address = format!(":{number}");
                let mut words = container.entrypoint.iter().chain(&container.command);
                let names = words.any(|word| word.ends_with(&address));
                names.then_some("console")
            }
            _ => None,
        }
    }
}

/// Puts every service in its place.
pub fn assign(services: Vec<Service<'_>>, report: &mut Report) -> InfraSpec {
    let mut spec = InfraSpec::default();
    let texts: Vec<(String, Vec<String>)> = services.iter().map(said).collect();
    for service in services {
        let name = service.field.key;
        let mut role = Role::of(&service);
        let taken = match role {
            Role::Postgres => spec.postgres.is_some(),
            Role::ObjectStore => spec.object_store.is_some(),
            Role::Other => false,
        };
        if taken {
            let says = format!(
                "an Infra has one `{0}`, and the one above is it: this one is under `services`, \
                 and agents get nothing in it",
                role.key()
            );
            report.note(&service.field, says);
            role = Role::Other;
        }
        let Service { field, mut container, ports } = service;
        container.ports = named(role, ports, &container, report);
        let place = match role {
            Role::Postgres => {
                spec.postgres =
                    Some(Postgres { container: Some(container), ..Postgres::default() });
                role.key().to_owned()
            }
            Role::ObjectStore => {
                mounted_elsewhere(&field, &container, report);
                let buckets = buckets(&field, &mut container, report);
                let store = ObjectStore { container: Some(container), ..ObjectStore::default() };
                spec.object_store = Some(ObjectStore { buckets, ..store });
                role.key().to_owned()
            }
            Role::Other => {
                let wanted = match name {
                    "postgres" | "objectStore" => format!("{name}-service"),
                    _ => name_of(name),
                };
                let free = free_name(&wanted, &spec.services);
                let service = agent_harness_model::spec::Service {
                    container: Some(container),
                    ..Default::default()
                };
                spec.services.insert(free.clone(), service);
                free
            }
        };
        if place != name {
            let users = texts.iter().filter(|(other, texts)| {
                other != name && texts.iter().any(|text| names_host(text, name))
            });
            let users: Vec<String> = users.map(|(other, _)| format!("`{other}`")).collect();
            let mut says = format!("the service is `{place}` here");
            if !users.is_empty() {
                says = format!("{says}; see what {} says of the host `{name}`", users.join(", "));
            }
            report.note(&field, says);
        }
    }
    spec
}

/// The texts of a service in which the name of another may stand.
fn said(service: &Service<'_>) -> (String, Vec<String>) {
    let container = &service.container;
    let env = container.env.values().filter_map(|value| match value {
        Value::Plain(text) => Some(text.clone()),
        Value::Secret(_) => None,
    });
    let texts = env.chain(container.command.clone()).chain(container.entrypoint.clone());
    (service.field.key.to_owned(), texts.collect())
}

/// Whether a text names a host: by itself, or in a URL or an address.
fn names_host(text: &str, host: &str) -> bool {
    text.match_indices(host).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + host.len()..]);
        let begins = before.is_empty() || before.ends_with(['@', '/', ',', ' ', '=']);
        begins && (after.is_empty() || after.starts_with([':', '/', ',', ' ', '?']))
    })
}

/// The ports of a service by name.
fn named(
    role: Role,
    ports: Vec<Published<'_>>,
    container: &Container,
    report: &mut Report,
) -> BTreeMap<String, ContainerPort> {
    let mut named: BTreeMap<String, ContainerPort> = BTreeMap::new();
    for port in ports {
        let number = port.container;
        if named.values().any(|other| other.container == number) {
            let says = format!(
                "the port {number} of the container is published once; leave one of them out"
            );
            report.lost(&port.field, says);
            continue;
        }
        let known = || PORTS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
        let given = || port.name.as_deref().map(name_of);
        let wanted = match role.port(number, container) {
            Some(name) => name.to_owned(),
            None => given().or_else(|| known().map(str::to_owned)).unwrap_or_else(|| {
                let udp = if port.protocol == Some(Protocol::Udp) { "-udp" } else { "" };
                format!("port-{number}{udp}")
            }),
        };
        let name = if named.contains_key(&wanted) { format!("{wanted}-{number}") } else { wanted };
        let Published { host, container, address, protocol, .. } = port;
        named.insert(name, ContainerPort { host, container, address, protocol });
    }
    named
}

/// The buckets that a MinIO is told to make.
fn buckets(
    field: &crate::convert::field::Field<'_>,
    container: &mut Container,
    report: &mut Report,
) -> BTreeMap<String, BucketPolicy> {
    const VARIABLE: &str = "MINIO_DEFAULT_BUCKETS";
    let mut buckets = BTreeMap::new();
    let Some(Value::Plain(list)) = container.env.get(VARIABLE) else { return buckets };
    let pairs = field.get("environment").map(|env| env.pairs(&['='], report)).unwrap_or_default();
    let pair = pairs.into_iter().find(|pair| pair.name == VARIABLE);
    let place = pair.map_or_else(|| field.clone(), |pair| pair.field);
    for entry in list.split([',', ' ']).filter(|entry| !entry.is_empty()) {
        let (name, policy) = entry.split_once(':').unwrap_or((entry, ""));
        if !policy.is_empty() && policy != "none" {
            let says = format!(
                "the policy `{policy}` of `{name}` is not set; set it with the store's own client"
            );
            report.lost(&place, says);
        }
        if is_bucket(name) {
            buckets.insert(name.to_owned(), BucketPolicy::default());
        } else {
            let says = format!("{name:?} is no name of a bucket; give it 3 to 63 of a-z, 0-9, `-`");
            report.lost(&place, says);
        }
    }
    container.env.remove(VARIABLE);
    report.note(&place, "these are `objectStore.buckets` here: the harness makes them");
    buckets
}

fn is_bucket(name: &str) -> bool {
    let inner = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    (3..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with(['-', '.'])
        && !name.ends_with(['-', '.'])
        && !name.contains("..")
}

/// A volume of a MinIO that it may not write into.
fn mounted_elsewhere(
    field: &crate::convert::field::Field<'_>,
    container: &Container,
    report: &mut Report,
) {
    if container.volumes.values().any(|target| target.trim_end_matches('/') == "/data") {
        return;
    }
    let words = || container.entrypoint.iter().chain(&container.command);
    let volumes = field.get("volumes").map(|volumes| volumes.list(report)).unwrap_or_default();
    for (source, target) in &container.volumes {
        let is_volume = !source.starts_with(['.', '/', '~']);
        if !is_volume || words().any(|word| word.contains(target.as_str())) {
            continue;
        }
        let item = volumes.iter().find(|item| {
            item.node.as_str().is_some_and(|text| text.starts_with(source.as_str()))
                || item.node.get("source").and_then(|it| it.as_str()) == Some(source)
        });
        let item = item.unwrap_or(field);
        report.note(
            item,
            format!(
                "the images of MinIO serve /data, not {target}: unless yours is told otherwise, \
                 its objects are lost with the container; write `{source}: /data`"
            ),
        );
    }
}
