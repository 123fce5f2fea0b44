//! One service of a compose file as a container.

use std::collections::BTreeMap;

use agent_harness_model::spec::node::NodeKind;
use agent_harness_model::spec::{Container, LogOptions};

use super::ports::{self, Published};
use super::project::{Project, told};
use super::{Input, env, health, keys, limits, volumes};
use crate::convert::field::Field;
use crate::convert::report::Report;

/// A service that was read. Its ports have no names yet: these depend on what it is for.
pub struct Service<'a> {
    /// Where it was written.
    pub field: Field<'a>,
    /// The container.
    pub container: Container,
    /// Its ports.
    pub ports: Vec<Published<'a>>,
}

/// Reads a service; none where there is no image to run.
pub fn read<'a>(
    service: &Field<'a>,
    project: &Project,
    input: &Input<'_>,
    report: &mut Report,
) -> Option<Service<'a>> {
    let image = service.get("image").and_then(|image| image.text(report)).unwrap_or_default();
    let mut container = of_image(image.trim());
    let mut published = Vec::new();
    container.env = env::read(service, input, report);
    for key in service.map(report) {
        if key.node.kind == NodeKind::Null {
            continue;
        }
        match key.key {
            "command" => container.command = command(&key, report),
            "entrypoint" => container.entrypoint = command(&key, report),
            "ports" => published = ports::read(&key, report),
            "volumes" => container.volumes = volumes::read(service.key, &key, project, report),
            "healthcheck" => container.healthcheck = health::read(&key, report),
            "shm_size" => container.shm_size = limits::size(&key, report),
            "mem_limit" => container.memory = container.memory.or(limits::size(&key, report)),
            "cpus" => container.cpus = container.cpus.or(limits::cpus(&key, report)),
            "deploy" => limits::deploy(&key, &mut container, report),
            "scale" => limits::replicas(&key, report),
            "labels" => container.labels = labels(&key, report),
            "extra_hosts" => container.extra_hosts = hosts(&key, report),
            "logging" => container.logging = logging(&key, report),
            "ulimits" => container.ulimits = limits::ulimits(&key, report),
            "user" => container.user = key.text(report),
            "networks" => container.network = network(&key, project, report),
            "network_mode" => mode(&key, report),
            "build" => build(&key, container.image.is_empty(), report),
            _ => told(&key, keys::SERVICE, report),
        }
    }
    match service.get("restart") {
        Some(restart) => container.restart = limits::restart(&restart, report),
        None if service.node.find(&["deploy", "restart_policy"]).is_some() => {}
        None if container.image.is_empty() => {}
        None => report.note(
            service,
            "it has no `restart`: here it is started again whenever it ends, unless you write \
             `restart: never`",
        ),
    }
    if container.image.is_empty() {
        if service.get("build").is_none() {
            let message = format!("`{}` has no `image`", service.path);
            report.wrong(service.at.clone(), message, "add one, such as `image: axllent/mailpit`");
        }
        return None;
    }
    Some(Service { field: service.clone(), container, ports: published })
}

/// A container of which only the image is known.
fn of_image(image: &str) -> Container {
    Container {
        image: image.to_owned(),
        command: Vec::new(),
        entrypoint: Vec::new(),
        env: BTreeMap::new(),
        ports: BTreeMap::new(),
        volumes: BTreeMap::new(),
        healthcheck: None,
        ready: None,
        shm_size: None,
        memory: None,
        cpus: None,
        restart: None,
        labels: BTreeMap::new(),
        extra_hosts: BTreeMap::new(),
        logging: None,
        ulimits: BTreeMap::new(),
        user: None,
        network: None,
    }
}

fn command(field: &Field<'_>, report: &mut Report) -> Vec<String> {
    let words = field.words(report).unwrap_or_default();
    if words.is_empty() && report.is_well() {
        report.lost(field, "an empty one does not take away the image's own; write the command");
    }
    words
}

fn labels(field: &Field<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let pairs = field.pairs(&['='], report);
    pairs.into_iter().map(|pair| (pair.name, pair.value.unwrap_or_default())).collect()
}

fn hosts(field: &Field<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let mut hosts = BTreeMap::new();
    for pair in field.pairs(&['=', ':'], report) {
        match pair.value {
            Some(address) if !address.is_empty() => {
                let address = address.trim_matches(['[', ']']).to_owned();
                hosts.insert(pair.name, address);
            }
            _ => report.wrong(
                pair.field.node.place(),
                format!("`{}` has no address", pair.field.path),
                "write `HOST=ADDRESS`",
            ),
        }
    }
    hosts
}

fn logging(field: &Field<'_>, report: &mut Report) -> Option<LogOptions> {
    let mut log = LogOptions { driver: None, options: BTreeMap::new() };
    for key in field.map(report) {
        match key.key {
            "driver" => log.driver = key.text(report),
            "options" => {
                for option in key.map(report) {
                    let value = option.text(report).unwrap_or_default();
                    log.options.insert(option.key.to_owned(), value);
                }
            }
            other if other.starts_with("x-") => {}
            other => report.wrong(
                key.at.clone(),
                format!("unknown key `{other}` in `{}`", field.path),
                "it has `driver` and `options`",
            ),
        }
    }
    (log.driver.is_some() || !log.options.is_empty()).then_some(log)
}

/// The network outside that a service joins. Those of the file itself are all the harness's own.
fn network(field: &Field<'_>, project: &Project, report: &mut Report) -> Option<String> {
    let mut joined = None;
    for item in joined_networks(field, report) {
        let (name, item) = item;
        for option in item.node.entries() {
            let option = Field {
                path: format!("{}.{}", item.path, option.key),
                key: &option.key,
                at: option.place(),
                node: &option.value,
            };
            let says = "addresses and further names are the engine's; use the service's own name";
            report.lost(&option, says);
        }
        match project.networks.get(&name) {
            None if name == "default" => {}
            None => report.wrong(
                item.at.clone(),
                format!("there is no network `{name}` under the file's `networks`"),
                format!("add it there as `{name}:`"),
            ),
            Some(None) => {}
            Some(Some(outside)) if joined.is_none() => joined = Some(outside.clone()),
            Some(Some(outside)) => report.lost(
                &item,
                format!("a container joins one network, and not `{outside}` too; choose one"),
            ),
        }
    }
    joined
}

/// A list of names, or a map of options by name.
fn joined_networks<'a>(field: &Field<'a>, report: &mut Report) -> Vec<(String, Field<'a>)> {
    match field.node.kind {
        NodeKind::Seq(_) => {
            let items = field.list(report);
            items.into_iter().filter_map(|item| Some((item.text(report)?, item))).collect()
        }
        _ => field.map(report).into_iter().map(|item| (item.key.to_owned(), item)).collect(),
    }
}

fn mode(field: &Field<'_>, report: &mut Report) {
    let Some(mode) = field.text(report) else { return };
    let says = match mode.as_str() {
        "host" => "the container is not in the host's own network; publish its `ports`".to_owned(),
        "none" => "the container is in the harness's network; leave its `ports` out".to_owned(),
        _ => format!("the container is in the harness's network, not in `{mode}`"),
    };
    report.lost(field, says);
}

fn build(field: &Field<'_>, is_all: bool, report: &mut Report) {
    let says = "images are not built here; build it with `docker build -t NAME` and ";
    if is_all {
        let rest = "write `image: NAME`: without an image the service is left out";
        report.lost(field, format!("{says}{rest}"));
    } else {
        report.lost(field, format!("{says}see that `image` names it"));
    }
}
