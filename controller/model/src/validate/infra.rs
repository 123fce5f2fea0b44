//! An Infra by itself.

use super::container;
use super::lint::Lint;
use crate::postgres;
use crate::spec::parse::Document;
use crate::spec::{InfraSpec, StoreKeys};

/// Everything that is wrong with an Infra by itself.
pub(super) fn check(
    document: &Document,
    spec: &InfraSpec,
    problems: &mut Vec<crate::spec::diagnostic::Diagnostic>,
) {
    let Some(node) = document.node.get("spec") else { return };
    let mut lint = Lint { object: &document.key, spec: node, agent: None, problems };
    if let Some(server) = &spec.postgres {
        let runtimes = ["embedded", "container", "external"];
        lint.exactly_one(&["postgres"], &runtimes);
        if let Some(embedded) = &server.embedded {
            if let Some(version) = &embedded.version
                && postgres::major(version).is_none()
            {
                lint.value(
                    &["postgres", "embedded", "version"],
                    format!("{version:?} is no PostgreSQL version"),
                    "write the major version, 13 or later, in quotes, such as \"18\"; or leave it out",
                );
            }
            for (name, value) in &embedded.settings {
                let path = ["postgres", "embedded", "settings", name];
                if let Some((problem, help)) = postgres::setting_problem(name) {
                    lint.key(&path, problem, help);
                }
                lint.secret(&path, value);
            }
        }
        if let Some(container) = &server.container {
            container::check(&mut lint, &["postgres", "container"], container);
            container::needs_port(&mut lint, &["postgres", "container"], container, "postgres");
        }
        if let Some(external) = &server.external {
            lint.secret(&["postgres", "external", "url"], &external.url);
            if let Some(password) = &external.password {
                lint.secret(&["postgres", "external", "password"], password);
            }
        }
    }
    if let Some(store) = &spec.object_store {
        lint.exactly_one(&["objectStore"], &["embedded", "container", "external"]);
        if let Some(container) = &store.container {
            container::check(&mut lint, &["objectStore", "container"], container);
            container::needs_port(&mut lint, &["objectStore", "container"], container, "s3");
        }
        if let Some(external) = &store.external {
            lint.secret(&["objectStore", "external", "accessKey"], &external.access_key);
            lint.secret(&["objectStore", "external", "secretKey"], &external.secret_key);
            if !["http://", "https://"].iter().any(|scheme| external.endpoint.starts_with(scheme)) {
                lint.value(
                    &["objectStore", "external", "endpoint"],
                    format!("{:?} is not a URL", external.endpoint),
                    "write it with its scheme, such as `http://localhost:9000`",
                );
            }
        }
        if store.embedded.is_some() && store.keys == Some(StoreKeys::Shared) {
            lint.value(
                &["objectStore", "keys"],
                "an embedded store gives each agent a key of its own",
                "leave `keys` out, or write `own`",
            );
        }
        for (name, policy) in &store.buckets {
            let path = ["objectStore", "buckets", name];
            if let Some(problem) = super::agents::bucket_problem(name) {
                lint.key(
                    &path,
                    format!("{name:?} is not a bucket name: {problem}"),
                    "a bucket has 3 to 63 of a-z, 0-9, `-` and `.`, such as `results`",
                );
            }
            if let Some(expire) = policy.expire_after {
                let path = ["objectStore", "buckets", name, "expireAfter"];
                super::stack::check_days(&mut lint, &path, expire);
            }
        }
    }
    check_services(&mut lint, spec);
}

fn check_services(lint: &mut Lint<'_>, spec: &InfraSpec) {
    for (name, service) in &spec.services {
        let path = ["services", name.as_str()];
        lint.name(&path, "a service");
        if ["postgres", "objectStore"].contains(&name.as_str()) {
            lint.key(
                &path,
                format!("`{name}` is the name of a service of its own kind"),
                format!("move it to `spec.{name}`, or give it another name"),
            );
        }
        lint.exactly_one(&path, &["container", "process"]);
        if let Some(container) = &service.container {
            container::check(lint, &["services", name, "container"], container);
            if !service.ports.is_empty() {
                lint.key(
                    &["services", name, "ports"],
                    "the ports of a container are under `container.ports`",
                    "move them there; `ports` is for a `process`",
                );
            }
        }
        if let Some(process) = &service.process {
            let base = ["services", name, "process"];
            let at = |key| [base[0], base[1], base[2], key];
            lint.command(&at("run"), &process.run);
            lint.env(&at("env"), &process.env);
            super::limits::check(lint, &base, process.memory, process.cpus);
            if let Some(watch) = &process.watch {
                super::stack::check_watch(lint, &at("watch"), watch);
            }
            super::stack::check_stop(lint, &at("stop"), process.stop.as_ref());
            let ports: Vec<&str> = service.ports.keys().map(String::as_str).collect();
            super::probe::check_all(lint, &base, process, &[], &ports);
        }
    }
}
