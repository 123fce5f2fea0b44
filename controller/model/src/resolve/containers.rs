//! Containers of an Infra: from the spec to one with every choice made.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Stop;
use super::agent::millis;
use super::context::{Context, plain};
use crate::hash;
use crate::id::{ResourceId, ResourceKind};
use crate::kinds::Resource;
use crate::kinds::container::{
    Check, Config, Desired, Healthcheck, Mount, Place, Port, Restart, Source,
};
use crate::secret::Text;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::parse::Document;
use crate::spec::{self, Container, ContainerReady, ContainerRestart, Protocol};

/// Where a published port is bound unless the spec says otherwise.
const LOOPBACK: &str = "127.0.0.1";

/// The project that the engine, and `docker compose ls`, know the services of an Infra by.
pub fn project(infra: &str) -> String {
    format!("harness-{infra}")
}

/// What is made of a container of the spec.
pub(super) struct Made {
    pub id: ResourceId,
    /// Its environment, to see who its administrator is.
    env: BTreeMap<String, Text>,
    /// Address and port of the host, by port name.
    ports: BTreeMap<String, (String, u16)>,
}

impl Made {
    /// A variable of its environment.
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(Text::reveal)
    }

    /// Where a port is published.
    pub fn port(&self, name: &str, none: impl FnOnce() -> Stop) -> Result<(String, u16), Stop> {
        self.ports.get(name).cloned().ok_or_else(none)
    }
}

/// Adds the container at `path` of an Infra's `spec`. `extra` is set in its environment where the spec sets nothing.
pub(super) fn add(
    cx: &mut Context<'_>,
    document: &Document,
    path: &[&str],
    name: &str,
    spec: &Container,
    extra: BTreeMap<String, Text>,
) -> Result<Made, Stop> {
    let infra = cx.key.name.clone();
    let at = |rest: &[&str]| {
        let path: Vec<&str> = ["spec"].iter().chain(path).chain(rest).copied().collect();
        document.place(&path)
    };
    let scope = cx.common_scope();
    let mut env = extra;
    for (key, value) in &spec.env {
        let value = cx.value(value, &scope, || at(&["env", key]))?;
        env.insert(key.clone(), value);
    }
    let render = |text: &str, rest: &[&str]| plain(text, &scope, || at(rest));
    let words = |words: &[String], rest: &[&str]| -> Result<Vec<String>, Stop> {
        words.iter().map(|word| render(word, rest)).collect()
    };
    let named = |map: &BTreeMap<String, String>, key: &str| -> Result<BTreeMap<_, _>, Stop> {
        map.iter().map(|(name, text)| Ok((name.clone(), render(text, &[key, name])?))).collect()
    };
    let mounts = mounts(cx, document, spec, &at, &render)?;
    let volumes = mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            Source::Volume(name) => Some(name.clone()),
            Source::Path(_) => None,
        })
        .collect();
    let ports: BTreeMap<String, Port> =
        spec.ports.iter().map(|(name, port)| (name.clone(), published(port))).collect();
    let config = Config {
        image: render(&spec.image, &["image"])?,
        command: words(&spec.command, &["command"])?,
        entrypoint: words(&spec.entrypoint, &["entrypoint"])?,
        env: env.clone(),
        ports: ports.clone(),
        mounts,
        healthcheck: match &spec.healthcheck {
            Some(check) => Some(Healthcheck {
                test: words(&check.test, &["healthcheck", "test"])?,
                ..healthcheck(check)
            }),
            None => None,
        },
        shm_size: spec.shm_size.map(|size| size.0),
        memory: spec.memory.map(|size| size.0),
        nano_cpus: spec.cpus.map(nano_cpus),
        restart: spec.restart.map_or(Restart::default(), restart),
        labels: named(&spec.labels, "labels")?,
        extra_hosts: named(&spec.extra_hosts, "extraHosts")?,
        logging: spec.logging.as_ref().map(|log| {
            (log.driver.clone().unwrap_or_else(|| "json-file".into()), log.options.clone())
        }),
        ulimits: spec
            .ulimits
            .iter()
            .map(|(name, limit)| (name.clone(), (limit.soft, limit.hard.unwrap_or(limit.soft))))
            .collect(),
        user: spec.user.clone(),
        network: spec.network.clone(),
    };
    let ready = checks(spec.ready.as_ref(), &ports);
    let settings = config.settings();
    let fingerprint = hash::parts(settings.iter().map(|(key, value)| format!("{key}={value}")));
    let fingerprint = hash::parts([fingerprint, format!("{ready:?}")]);
    let container = format!("{}-{name}-1", project(&infra));
    let place = Place { infra, name: name.to_owned(), container, volumes };
    for (port, published) in &ports {
        let key = if port == name { name.to_owned() } else { format!("{name}.{port}") };
        if ["web", "http", "ui", "console"].contains(&port.as_str()) {
            cx.object.urls.insert(key.clone(), format!("http://localhost:{}", published.host));
        }
        cx.object.ports.insert(key, published.host);
    }
    let id = cx.id(ResourceKind::Container, name);
    let want = Desired { place, fingerprint, config, ready };
    cx.add(&id, Resource::Container(Arc::new(want)), Vec::new(), &at(&[]));
    let reached = |port: &Port| match port.address.as_str() {
        "0.0.0.0" | "::" => (LOOPBACK.to_owned(), port.host),
        address => (address.to_owned(), port.host),
    };
    let ports = ports.iter().map(|(name, port)| (name.clone(), reached(port))).collect();
    Ok(Made { id, env, ports })
}

fn mounts(
    cx: &Context<'_>,
    document: &Document,
    spec: &Container,
    at: &impl Fn(&[&str]) -> crate::spec::source::Place,
    render: &impl Fn(&str, &[&str]) -> Result<String, Stop>,
) -> Result<Vec<Mount>, Stop> {
    let project = project(&cx.key.name);
    spec.volumes
        .iter()
        .map(|(key, target)| {
            let target = render(target, &["volumes", key])?;
            let target = target.as_str();
            let (target, read_only) = match target.strip_suffix(":ro") {
                Some(target) => (target, true),
                None => (target.strip_suffix(":rw").unwrap_or(target), false),
            };
            if !Path::new(target).is_absolute() {
                let message = format!("`{target}` is no path in the container");
                return Err(Diagnostic::at(at(&["volumes", key]), message)
                    .help("write it with a leading `/`")
                    .into());
            }
            let source = if ["./", "../", "/", "~/"].iter().any(|it| key.starts_with(it)) {
                Source::Path(cx.path(&document.file, key))
            } else {
                Source::Volume(format!("{project}_{key}"))
            };
            Ok(Mount { source, target: target.to_owned(), read_only })
        })
        .collect()
}

fn published(port: &spec::ContainerPort) -> Port {
    Port {
        address: port.address.clone().unwrap_or_else(|| LOOPBACK.to_owned()),
        host: port.host,
        container: port.container,
        protocol: match port.protocol {
            None | Some(Protocol::Tcp) => "tcp",
            Some(Protocol::Udp) => "udp",
        },
    }
}

fn healthcheck(check: &spec::Healthcheck) -> Healthcheck {
    let ms = |duration: Option<spec::Duration>| duration.map(|it| millis(it.0));
    Healthcheck {
        test: check.test.clone(),
        interval_ms: ms(check.interval),
        timeout_ms: ms(check.timeout),
        retries: check.retries,
        start_period_ms: ms(check.start_period),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "validation lets only positive numbers through that a host can have"
)]
fn nano_cpus(cpus: f64) -> u64 {
    (cpus * 1e9).round() as u64
}

fn restart(policy: ContainerRestart) -> Restart {
    match policy {
        ContainerRestart::Always => Restart::Always,
        ContainerRestart::UnlessStopped => Restart::UnlessStopped,
        ContainerRestart::OnFailure => Restart::OnFailure,
        ContainerRestart::Never => Restart::Never,
    }
}

/// What is looked at from outside. Validation has seen that the ports exist.
fn checks(ready: Option<&ContainerReady>, ports: &BTreeMap<String, Port>) -> Vec<Check> {
    let Some(ready) = ready else {
        let tcp = ports.values().filter(|port| port.protocol == "tcp");
        return tcp.map(|port| Check::Tcp(port.host)).collect();
    };
    let host = |name: &str| ports.get(name).map(|port| port.host);
    let http = ready.http.as_ref();
    let http = http.and_then(|it| Some(Check::Http(host(&it.port)?, it.path.clone())));
    let tcp = ready.tcp.as_ref().and_then(|it| host(&it.port)).map(Check::Tcp);
    let smtp = ready.smtp.as_ref().and_then(|it| host(&it.port)).map(Check::Smtp);
    [http, tcp, smtp].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{resolved, resolved_with};
    use crate::desired::DesiredObject;
    use crate::kinds::{AnyTarget, Resource};
    use crate::resolve::{Need, Resolution};

    const HEAD: &str = "apiVersion: agent-harness.dev/v1alpha1";

    fn infra(spec: &str) -> String {
        format!("{HEAD}\nkind: Infra\nmetadata: {{name: shared}}\nspec: {spec}\n")
    }

    fn object<'a>(resolution: &'a Resolution, kind: &str) -> &'a DesiredObject {
        assert_eq!(resolution.problems, []);
        let mut all = resolution.desired.objects.iter();
        all.find(|((key, _), _)| key.kind.as_str() == kind).map(|(_, object)| object).unwrap()
    }

    /// Each resource, and what it waits for.
    fn order(object: &DesiredObject) -> String {
        let lines = object.resources.iter().map(|(id, wanted)| {
            let after = wanted.after.iter();
            let after: Vec<String> =
                after.map(|it| format!("{} to {}", it.on.local(), it.need.verb())).collect();
            format!("{} {}", id.local(), after.join(", ")).trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_server_in_a_container_is_a_container_and_a_server() {
        let infra = infra(
            "{postgres: {container: {image: pg, command: [pg, '-D${harness.state}/$${x}'], ports: {postgres: {host: 15432, container: 5432}}, \
             volumes: {data: /data, ./init.sh: '/init.sh:ro'}}}, \
             objectStore: {container: {image: minio, env: {MINIO_ROOT_USER: me}, \
             ports: {s3: {host: 19000, container: 9000}}}, buckets: {results: {}}}}",
        );
        let resolution = resolved(&[&infra]);
        let shared = object(&resolution, "infra");
        insta::assert_snapshot!(order(shared), @r"
        service/objectStore container/objectStore to be started
        service/postgres container/postgres to be started
        container/objectStore
        container/postgres
        bucket/results service/objectStore to be ready
        ");
        let to = &resolution.desired.connections.postgres["shared"];
        assert_eq!((to.host.as_str(), to.port, to.user.as_str()), ("127.0.0.1", 15432, "postgres"));
        assert!(to.in_container && to.password.reveal().contains("infra-shared-postgres"));
        let to = &resolution.desired.connections.stores["shared"];
        assert_eq!(
            (to.endpoint.as_str(), to.access_key.as_str()),
            ("http://127.0.0.1:19000", "me")
        );
        let settings = shared.resources.values().find_map(|wanted| match &wanted.target {
            AnyTarget::Present(Resource::Container(want)) if want.place.name == "postgres" => {
                Some((want.place.clone(), want.config.settings()))
            }
            _ => None,
        });
        let (place, settings) = settings.unwrap();
        assert_eq!(place.container, "harness-shared-postgres-1");
        assert_eq!(place.volumes, ["harness-shared_data"]);
        assert_eq!(settings["ports.postgres"], "127.0.0.1:15432:5432/tcp");
        assert_eq!(settings["command"], "[\"pg\", \"-D/state/${x}\"]");
        let volumes = "[\"/specs/init.sh:/init.sh:ro\", \"harness-shared_data:/data\"]";
        assert_eq!(settings["volumes"], volumes);
        assert!(settings["env.POSTGRES_PASSWORD"].starts_with("a secret ("), "{settings:?}");
    }

    const STACK: &str = "{infra: shared, worktree: {repo: ../app, path: '~/t/${agent.name}'}, \
        processes: {api: {run: app, env: {MAIL: '${services.mail.ports.smtp}', \
        WEB: '${services.browser.ports.web}'}}}}";

    /// What an agent's process waits for, with these services.
    fn waits(services: &str, has_browser: bool) -> String {
        let infra = infra(&format!("{{services: {services}}}"));
        let stack = format!("{HEAD}\nkind: Stack\nmetadata: {{name: app}}\nspec: {STACK}\n");
        let agent = format!("{HEAD}\nkind: Agent\nmetadata: {{name: a-1}}\nspec: {{stack: app}}\n");
        let resolution = resolved_with(&[&infra, &stack, &agent], |need| match need {
            Need::Program(_) if !has_browser => Err("there is none".into()),
            _ => Ok("1-abcdef0123456789".into()),
        });
        let agent = order(object(&resolution, "agent"));
        agent.lines().find(|line| line.starts_with("process/")).unwrap().to_owned()
    }

    #[test]
    fn an_agent_waits_for_the_services_that_it_names_and_this_host_has() {
        let services = "{mail: {container: {image: mail, ports: {smtp: {host: 11025, container: 25}}}}, \
            other: {container: {image: other}}, \
            browser: {optional: true, ports: {web: 13001}, process: {run: 'chromium --headless'}}}";
        let all = waits(services, true);
        assert!(all.contains("container/mail to be ready"), "{all}");
        assert!(all.contains("process/browser to be ready"), "{all}");
        assert!(!all.contains("other"), "{all}");
        let without = waits(services, false);
        assert!(without.contains("container/mail") && !without.contains("browser"), "{without}");
    }
}
