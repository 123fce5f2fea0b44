//! `ports` of a service, in both ways of writing them.

use std::ops::RangeInclusive;

use agent_harness_model::spec::Protocol;
use agent_harness_model::spec::node::NodeKind;

use crate::convert::field::Field;
use crate::convert::report::Report;

/// A port that a service publishes.
#[derive(Debug, Clone)]
pub struct Published<'a> {
    /// Where it was written.
    pub field: Field<'a>,
    /// The port on the host.
    pub host: u16,
    /// The port in the container.
    pub container: u16,
    /// The address of the host, if another than 127.0.0.1.
    pub address: Option<String>,
    /// Its protocol, if another than TCP.
    pub protocol: Option<Protocol>,
    /// The name that the file gives it.
    pub name: Option<String>,
}

/// What one entry says.
#[derive(Default)]
struct Written {
    address: String,
    host: String,
    container: String,
    protocol: String,
    name: Option<String>,
}

/// Reads all ports of a service.
pub fn read<'a>(field: &Field<'a>, report: &mut Report) -> Vec<Published<'a>> {
    let mut ports = Vec::new();
    for item in field.list(report) {
        let written = match item.node.kind {
            NodeKind::Map(_) => long(&item, report),
            _ => item.text(report).map(|text| short(&text)),
        };
        if let Some(written) = written {
            publish(&item, &written, &mut ports, report);
        }
    }
    ports
}

/// `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`
fn short(text: &str) -> Written {
    let (text, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let (before, container) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, host) = before.rsplit_once(':').unwrap_or(("", before));
    Written {
        address: address.trim_matches(['[', ']']).to_owned(),
        host: host.to_owned(),
        container: container.to_owned(),
        protocol: protocol.to_owned(),
        name: None,
    }
}

fn long(item: &Field<'_>, report: &mut Report) -> Option<Written> {
    let mut written = Written { protocol: "tcp".to_owned(), ..Written::default() };
    for key in item.map(report) {
        match key.key {
            "target" => written.container = key.text(report)?,
            "published" => written.host = key.text(report)?,
            "host_ip" => written.address = key.text(report)?,
            "protocol" => written.protocol = key.text(report)?,
            "name" => written.name = key.text(report),
            "mode" | "app_protocol" => {}
            other if other.starts_with("x-") => {}
            other => report.wrong(
                key.at.clone(),
                format!("unknown key `{other}` in `{}`", item.path),
                "a port has `target`, `published`, `host_ip`, `protocol`, `name`, `mode` and \
                 `app_protocol`",
            ),
        }
    }
    if written.container.is_empty() {
        let message = format!("`{}` names no `target`", item.path);
        report.wrong(item.at.clone(), message, "add the port of the container as `target`");
        return None;
    }
    Some(written)
}

fn publish<'a>(
    item: &Field<'a>,
    written: &Written,
    ports: &mut Vec<Published<'a>>,
    report: &mut Report,
) {
    let Some(container) = range(&written.container) else { return bad(item, report) };
    let protocol = match written.protocol.to_ascii_lowercase().as_str() {
        "tcp" => None,
        "udp" => Some(Protocol::Udp),
        other => {
            let says = format!("`{other}` is not published; leave it out, or use TCP or UDP");
            return report.lost(item, says);
        }
    };
    let host = if written.host.is_empty() || written.host == "0" {
        report.lost(
            item,
            "a port of the host is not chosen freely; it is the container's own here: change \
             `host` where that is taken",
        );
        container.clone()
    } else {
        let Some(host) = range(&written.host) else { return bad(item, report) };
        host
    };
    let host = if container.len() == 1 && host.len() > 1 {
        let says = format!("no port is chosen out of {}; `host` is the first here", written.host);
        report.lost(item, says);
        *host.start()..=*host.start()
    } else {
        host
    };
    if host.len() != container.len() {
        return bad(item, report);
    }
    let address = match written.address.as_str() {
        "" => {
            report.note_file(
                "ports without an address are published on 127.0.0.1 alone; write `address: \
                 0.0.0.0` beside `host` of one that other hosts are to reach",
            );
            None
        }
        "127.0.0.1" | "localhost" => None,
        other if other.parse::<std::net::IpAddr>().is_ok() => Some(other.to_owned()),
        _ => return bad(item, report),
    };
    for (host, container) in host.zip(container) {
        ports.push(Published {
            field: item.clone(),
            host,
            container,
            address: address.clone(),
            protocol,
            name: written.name.clone(),
        });
    }
}

fn bad(item: &Field<'_>, report: &mut Report) {
    report.wrong(
        item.node.place(),
        format!("`{}` is no port: {}", item.path, item.node.describe()),
        "write `HOST:CONTAINER`, with ports from 1 to 65535 or as many on both sides",
    );
}

/// A port, or `FIRST-LAST`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(first..=last)
}
