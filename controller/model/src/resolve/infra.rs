//! Infra: the shared servers, how they are reached, and the buckets that all agents share.

use std::sync::Arc;

use std::collections::BTreeMap;

use super::context::{Context, needs};
use super::{Stop, containers, postgres_url, requests, services};
use crate::desired::Dependency;
use crate::hash;
use crate::id::{ObjectKey, ResourceId, ResourceKind};
use crate::kinds::service::{
    self, EmbeddedObjectStore, EmbeddedPostgres, PostgresConnection, Runtime, StoreConnection,
};
use crate::kinds::{Need, Resource, bucket};
use crate::secret::{Secret, Text};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::parse::Document;
use crate::spec::{BucketPolicy, Container, Cors, InfraSpec, ObjectStore, Postgres};

/// The name of the Postgres service within its Infra.
pub(super) const POSTGRES: &str = "postgres";
/// The name of the object store within its Infra.
pub(super) const OBJECT_STORE: &str = "objectStore";
/// How its folder and its key are called.
const STORE: &str = "object-store";

pub(super) fn resolve(
    cx: &mut Context<'_>,
    document: &Document,
    spec: &InfraSpec,
) -> Result<(), Stop> {
    if let Some(postgres) = &spec.postgres {
        resolve_postgres(cx, document, postgres)?;
    }
    if let Some(store) = &spec.object_store {
        resolve_store(cx, document, store)?;
    }
    cx.object.asks = requests::of_infra(spec);
    services::add(cx, document, &spec.services)
}

/// A server without a runtime that this version has; validation says so first.
fn no_runtime(document: &Document, server: &str) -> Stop {
    Diagnostic::at(document.place(&["spec", server]), format!("`{server}` has no runtime"))
        .help("write `embedded`, `container` or `external` under it")
        .into()
}

/// How the store of secrets calls the key of a server. Its data stays where an Infra of the same name comes after it,
/// and so does its key.
fn server_secret(infra: &str, server: &str) -> String {
    format!("infra-{infra}-{server}")
}

/// The names of all secrets of the servers of an Infra.
pub fn server_secrets(infra: &str) -> [String; 2] {
    [POSTGRES, STORE].map(|server| server_secret(infra, server))
}

/// The administrator's password of a container whose spec sets none: made once.
fn generated(
    cx: &mut Context<'_>,
    container: &Container,
    variable: &str,
    server: &str,
) -> Result<BTreeMap<String, Text>, Stop> {
    if container.env.contains_key(variable) {
        return Ok(BTreeMap::new());
    }
    let secret = cx.secret(&server_secret(&cx.key.name, server))?;
    Ok(BTreeMap::from([(variable.to_owned(), Text::Secret(secret))]))
}

fn resolve_postgres(
    cx: &mut Context<'_>,
    document: &Document,
    spec: &Postgres,
) -> Result<(), Stop> {
    let infra = cx.key.name.clone();
    let root = cx.folder().join(POSTGRES);
    let mut after = Vec::new();
    let (runtime, connection, root) = if let Some(embedded) = &spec.embedded {
        let password = cx.secret(&server_secret(&infra, POSTGRES))?;
        let scope = cx.common_scope();
        let mut settings = BTreeMap::new();
        for (name, value) in &embedded.settings {
            let path = ["spec", "postgres", "embedded", "settings", name.as_str()];
            let value = cx.value(value, &scope, || document.place(&path))?;
            settings.insert(name.clone(), value);
        }
        let connection = PostgresConnection {
            host: "127.0.0.1".into(),
            port: embedded.port,
            user: "postgres".into(),
            password: password.clone(),
            database: "postgres".into(),
            sslmode: None,
            in_container: false,
            embedded_root: Some(root.clone()),
        };
        let runtime = EmbeddedPostgres {
            port: embedded.port,
            version: embedded.version.clone(),
            bin_dir: embedded.bin_dir.as_deref().map(|dir| cx.path(&document.file, dir)),
            settings,
            root: root.clone(),
            admin_password: password,
        };
        cx.object.ports.insert(POSTGRES.into(), embedded.port);
        (Runtime::EmbeddedPostgres(runtime), connection, Some(root))
    } else if let Some(container) = &spec.container {
        let password = "POSTGRES_PASSWORD";
        let extra = generated(cx, container, password, POSTGRES)?;
        let path = [POSTGRES, "container"];
        let made = containers::add(cx, document, &path, POSTGRES, container, extra)?;
        let (host, port) = made.port(POSTGRES, || no_runtime(document, POSTGRES))?;
        let connection = PostgresConnection {
            host,
            port,
            user: made.env("POSTGRES_USER").unwrap_or("postgres").into(),
            password: Secret::new(made.env(password).unwrap_or_default()),
            database: "postgres".into(),
            sslmode: None,
            in_container: true,
            embedded_root: None,
        };
        // Whether it answers is asked as soon as it runs: an engine's own check comes late.
        after.push(needs(made.id, Need::Started));
        (Runtime::ExternalPostgres(connection.clone()), connection, None)
    } else if let Some(external) = &spec.external {
        let scope = cx.common_scope();
        let place = || document.place(&["spec", "postgres", "external", "url"]);
        let url = cx.value(&external.url, &scope, place)?;
        let mut connection = postgres_url::parse(&url).map_err(|why| {
            Stop::from(
                Diagnostic::at(place(), why)
                    .help("write postgres://USER:PASSWORD@HOST:PORT/DATABASE"),
            )
        })?;
        if let Some(password) = &external.password {
            let place = || document.place(&["spec", "postgres", "external", "password"]);
            connection.password = Secret::new(cx.value(password, &scope, place)?.reveal());
        }
        (Runtime::ExternalPostgres(connection.clone()), connection, None)
    } else {
        return Err(no_runtime(document, POSTGRES));
    };
    cx.connections.postgres.insert(infra.clone(), connection);
    add_service(cx, document, POSTGRES, runtime, root, after);
    Ok(())
}

fn resolve_store(
    cx: &mut Context<'_>,
    document: &Document,
    spec: &ObjectStore,
) -> Result<(), Stop> {
    let infra = cx.key.name.clone();
    let root = cx.folder().join(STORE);
    let mut after = Vec::new();
    let (runtime, connection, root) = if let Some(embedded) = &spec.embedded {
        let secret_key = cx.secret(&server_secret(&infra, STORE))?;
        let access_key = "harness-root".to_owned();
        let connection = StoreConnection {
            endpoint: format!("http://127.0.0.1:{}", embedded.port),
            region: "us-east-1".into(),
            access_key: access_key.clone(),
            secret_key: secret_key.clone(),
            embedded_root: Some(root.clone()),
        };
        let runtime =
            EmbeddedObjectStore { port: embedded.port, root: root.clone(), access_key, secret_key };
        cx.object.ports.insert(OBJECT_STORE.into(), embedded.port);
        (Runtime::EmbeddedObjectStore(runtime), connection, Some(root))
    } else if let Some(container) = &spec.container {
        let (user, password) = ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD");
        let mut extra = generated(cx, container, password, STORE)?;
        extra.insert(user.to_owned(), Text::from("minioadmin"));
        let path = [OBJECT_STORE, "container"];
        let made = containers::add(cx, document, &path, OBJECT_STORE, container, extra)?;
        let (host, port) = made.port("s3", || no_runtime(document, OBJECT_STORE))?;
        let connection = StoreConnection {
            endpoint: format!("http://{host}:{port}"),
            region: "us-east-1".into(),
            access_key: made.env(user).unwrap_or_default().into(),
            secret_key: Secret::new(made.env(password).unwrap_or_default()),
            embedded_root: None,
        };
        after.push(needs(made.id, Need::Started));
        (Runtime::ExternalObjectStore(connection.clone()), connection, None)
    } else if let Some(external) = &spec.external {
        let scope = cx.common_scope();
        let at = |key| document.place(&["spec", "objectStore", "external", key]);
        let connection = StoreConnection {
            endpoint: external.endpoint.clone(),
            region: external.region.clone(),
            access_key: cx.value(&external.access_key, &scope, || at("accessKey"))?.reveal().into(),
            secret_key: Secret::new(
                cx.value(&external.secret_key, &scope, || at("secretKey"))?.reveal(),
            ),
            embedded_root: None,
        };
        (Runtime::ExternalObjectStore(connection.clone()), connection, None)
    } else {
        return Err(no_runtime(document, OBJECT_STORE));
    };
    cx.connections.stores.insert(infra, connection);
    let service = add_service(cx, document, OBJECT_STORE, runtime, root, after);
    for (name, policy) in &spec.buckets {
        let id = cx.id(ResourceKind::Bucket, name);
        let place =
            bucket::Place { infra: cx.key.name.clone(), bucket: name.clone(), access_key: None };
        let want = bucket_desired(place, None, policy);
        let source = document.place(&["spec", OBJECT_STORE, "buckets", name]);
        let after = vec![needs(service.clone(), Need::Ready)];
        cx.add(&id, Resource::Bucket(Arc::new(want)), after, &source);
    }
    Ok(())
}

fn add_service(
    cx: &mut Context<'_>,
    document: &Document,
    name: &str,
    runtime: Runtime,
    root: Option<std::path::PathBuf>,
    after: Vec<Dependency>,
) -> ResourceId {
    let id = cx.id(ResourceKind::Service, name);
    let want = service::Desired {
        place: service::Place { infra: cx.key.name.clone(), name: name.to_owned(), root },
        fingerprint: fingerprint(&runtime),
        runtime,
    };
    cx.add(&id, Resource::Service(Arc::new(want)), after, &document.place(&["spec", name]));
    id
}

fn fingerprint(runtime: &Runtime) -> String {
    let mut parts: Vec<String> = Vec::new();
    match runtime {
        Runtime::EmbeddedPostgres(EmbeddedPostgres {
            port,
            version,
            bin_dir,
            settings,
            root,
            // Set at initdb; a running server does not read it again.
            admin_password: _,
        }) => {
            parts.push(port.to_string());
            parts.push(version.clone().unwrap_or_default());
            parts.push(format!("{bin_dir:?} {}", root.display()));
            parts.extend(settings.iter().map(|(name, value)| format!("{name}={}", value.reveal())));
        }
        Runtime::EmbeddedObjectStore(EmbeddedObjectStore {
            port,
            root,
            access_key,
            secret_key,
        }) => {
            parts.extend([port.to_string(), root.display().to_string()]);
            parts.extend([access_key.clone(), secret_key.reveal().to_owned()]);
        }
        Runtime::ExternalPostgres(PostgresConnection {
            host,
            port,
            user,
            password,
            database,
            sslmode,
            in_container: _,
            embedded_root: _,
        }) => {
            parts.extend([host.clone(), port.to_string(), user.clone()]);
            parts.extend([password.reveal().to_owned(), database.clone()]);
            parts.extend(sslmode.map(|mode| mode.as_str().to_owned()));
        }
        Runtime::ExternalObjectStore(StoreConnection {
            endpoint,
            region,
            access_key,
            secret_key,
            embedded_root: _,
        }) => {
            parts.extend([endpoint.clone(), region.clone(), access_key.clone()]);
            parts.push(secret_key.reveal().to_owned());
        }
    }
    hash::parts(parts)
}

/// A bucket with its policy.
pub(super) fn bucket_desired(
    place: bucket::Place,
    key: Option<bucket::Key>,
    policy: &BucketPolicy,
) -> bucket::Desired {
    let expire_after_s = policy.expire_after.map(|duration| duration.0.as_secs());
    let cors = policy.cors.as_ref().map(cors);
    let key_parts = key.as_ref().map(|key| (&key.access_key, key.secret_key.reveal()));
    let mut parts = vec![format!("{key_parts:?} {expire_after_s:?} {cors:?}")];
    parts.extend(key.iter().flat_map(|key| key.shared.iter().cloned()));
    let fingerprint = hash::parts(parts);
    bucket::Desired { place, fingerprint, key, expire_after_s, cors }
}

fn cors(spec: &Cors) -> bucket::Cors {
    let or = |list: &[String], default: &[&str]| {
        if list.is_empty() {
            default.iter().map(|word| (*word).to_owned()).collect()
        } else {
            list.to_vec()
        }
    };
    bucket::Cors {
        origins: or(&spec.origins, &["*"]),
        methods: or(&spec.methods, &["GET", "HEAD", "PUT"]),
        headers: or(&spec.headers, &["*"]),
        expose_headers: or(&spec.expose_headers, &["ETag"]),
        max_age_s: spec
            .max_age
            .and_then(|duration| u32::try_from(duration.0.as_secs()).ok())
            .unwrap_or(3600),
    }
}

/// The Postgres service of an Infra, for dependencies.
pub(super) fn postgres_service(cx: &Context<'_>, infra: &str) -> Option<ResourceId> {
    cx.foreign(&ObjectKey::infra(infra), ResourceKind::Service, POSTGRES)
}

/// The object store of an Infra, for dependencies.
pub(super) fn store_service(cx: &Context<'_>, infra: &str) -> Option<ResourceId> {
    cx.foreign(&ObjectKey::infra(infra), ResourceKind::Service, OBJECT_STORE)
}
