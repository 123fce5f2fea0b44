//! A container of an Infra by itself.

use std::collections::BTreeMap;
use std::path::Path;

use super::lint::Lint;
use crate::spec::{Container, ContainerReady};

/// The least memory that the engine gives a container.
const MEMORY_MIN: u64 = 6 << 20;
/// Labels that say whose a container is, and which project it belongs to.
const OUR_LABELS: [&str; 2] = ["dev.agent-harness.", "com.docker.compose."];

/// Everything that is wrong with a container by itself.
pub(super) fn check(lint: &mut Lint<'_>, path: &[&str], container: &Container) {
    let at = |rest: &[&'static str]| -> Vec<&str> { path.iter().chain(rest).copied().collect() };
    lint.env(&at(&["env"]), &container.env);
    if container.image.trim().is_empty() || container.image.contains(char::is_whitespace) {
        lint.value(
            &at(&["image"]),
            format!("{:?} is not an image", container.image),
            "write it by tag or digest, such as `axllent/mailpit:v1.27`",
        );
    }
    if let Some(memory) = container.memory.filter(|it| it.0 < MEMORY_MIN) {
        lint.value(
            &at(&["memory"]),
            format!("{memory} is less than the engine gives a container"),
            "write 6Mi or more",
        );
    }
    super::limits::check(lint, path, None, container.cpus);
    check_ports(lint, path, container);
    check_volumes(lint, path, container);
    for name in container.labels.keys() {
        if OUR_LABELS.iter().any(|it| name.starts_with(it)) {
            lint.key(
                &[&at(&["labels"])[..], &[name.as_str()]].concat(),
                format!("the label `{name}` is set by the controller itself"),
                "give it another name",
            );
        }
    }
    if let Some(check) = &container.healthcheck {
        let words: Vec<&str> = check.test.iter().map(String::as_str).collect();
        if !matches!(words.as_slice(), ["CMD", _, ..] | ["CMD-SHELL", _] | ["NONE"]) {
            lint.value(
                &at(&["healthcheck", "test"]),
                "it is no health check",
                "write `[CMD, PROGRAM, …]`, `[CMD-SHELL, LINE]` or `[NONE]`",
            );
        }
    }
    if let Some(ready) = &container.ready {
        check_ready(lint, path, container, ready);
    }
}

/// That a server publishes the port by which it is reached.
pub(super) fn needs_port(lint: &mut Lint<'_>, path: &[&str], container: &Container, name: &str) {
    if !container.ports.contains_key(name) {
        let (host, inside) = if name == "s3" { (19000, 9000) } else { (15432, 5432) };
        lint.key(
            path,
            format!("the container publishes no port named `{name}`"),
            format!(
                "add it under `ports`, such as `{name}: {{host: {host}, container: {inside}}}`"
            ),
        );
    }
}

fn check_ports(lint: &mut Lint<'_>, path: &[&str], container: &Container) {
    let mut inside: BTreeMap<(u16, bool), &str> = BTreeMap::new();
    for (name, port) in &container.ports {
        let path = [path, &["ports", name.as_str()]].concat();
        lint.name(&path, "a port");
        let udp = port.protocol == Some(crate::spec::Protocol::Udp);
        if let Some(other) = inside.insert((port.container, udp), name) {
            lint.key(
                &path,
                format!(
                    "`{name}` and `{other}` publish the same port {} of the container",
                    port.container
                ),
                "publish it once",
            );
        }
        let address = port.address.as_deref();
        if let Some(address) = address.filter(|it| it.parse::<core::net::IpAddr>().is_err()) {
            lint.value(
                &[&path[..], &["address"]].concat(),
                format!("{address:?} is no address of this host"),
                "write an IP address, such as `0.0.0.0`, or leave it out for `127.0.0.1`",
            );
        }
    }
}

fn check_volumes(lint: &mut Lint<'_>, path: &[&str], container: &Container) {
    let mut targets: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, target) in &container.volumes {
        let path = [path, &["volumes", key.as_str()]].concat();
        let is_path = ["./", "../", "/", "~/"].iter().any(|it| key.starts_with(it));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let starts_well = key.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_name = starts_well && key.chars().all(plain);
        if !is_path && !is_name {
            lint.key(
                &path,
                format!("{key:?} is neither a volume name nor a path"),
                "a volume has letters, digits, `-`, `_` and `.`; a path begins with `./`, `/` or `~/`",
            );
        }
        let target = target.strip_suffix(":ro").or(target.strip_suffix(":rw")).unwrap_or(target);
        if !Path::new(target).is_absolute() {
            lint.value(
                &path,
                format!("`{target}` is no path in the container"),
                "write it with a leading `/`",
            );
        }
        if let Some(other) = targets.insert(target, key) {
            lint.key(
                &path,
                format!("`{key}` and `{other}` are both to be at `{target}`"),
                "give one of them another place",
            );
        }
    }
}

fn check_ready(lint: &mut Lint<'_>, path: &[&str], container: &Container, ready: &ContainerReady) {
    let at = [path, &["ready"]].concat();
    lint.exactly_one(&at, &["http", "tcp", "smtp"]);
    let ports: Vec<&str> = container.ports.keys().map(String::as_str).collect();
    let ContainerReady { http, tcp, smtp } = ready;
    let named = [
        ("http", http.as_ref().map(|it| &it.port)),
        ("tcp", tcp.as_ref().map(|it| &it.port)),
        ("smtp", smtp.as_ref().map(|it| &it.port)),
    ];
    for (probe, port) in named {
        if let Some(port) = port {
            lint.one_of(&[&at[..], &[probe, "port"]].concat(), "port", port, &[], &ports);
        }
    }
}
