//! What stands beside the services of a compose file: volumes, networks, and parts that have no place here.

use std::collections::{BTreeMap, BTreeSet};

use agent_harness_model::spec::diagnostic::nearest;
use agent_harness_model::spec::node::NodeKind;

use super::keys::{self, Fate};
use crate::convert::field::Field;
use crate::convert::report::Report;

/// What services may name.
#[derive(Debug, Default)]
pub struct Project {
    /// The volumes.
    pub volumes: BTreeSet<String>,
    /// The networks: those that exist outside with their real names.
    pub networks: BTreeMap<String, Option<String>>,
}

impl Project {
    /// Reads the parts, and says what becomes of those that cannot be carried over.
    pub fn read(root: &Field<'_>, report: &mut Report) -> Self {
        let mut project = Self::default();
        for part in root.map(report) {
            match part.key {
                "volumes" => project.read_volumes(&part, report),
                "networks" => project.read_networks(&part, report),
                _ => told(&part, keys::TOP, report),
            }
        }
        project
    }

    fn read_volumes(&mut self, part: &Field<'_>, report: &mut Report) {
        for volume in part.map(report) {
            self.volumes.insert(volume.key.to_owned());
            for key in volume.map(report) {
                let says = match key.key {
                    "external" if !is_outside(&key, report) => continue,
                    "external" => {
                        "a volume is made by the harness and begins empty; copy the data into it, \
                         or mount a folder of the host by its path"
                    }
                    "name" => "the volume has the name of its key; give the key that name",
                    "driver" if key.text(report).as_deref() == Some("local") => continue,
                    "driver" | "driver_opts" => {
                        "volumes are those of the engine's own driver; mount a folder of the host \
                         by its path"
                    }
                    "labels" => "volumes have the labels of the harness alone; leave them out",
                    _ => {
                        told(&key, keys::VOLUME, report);
                        continue;
                    }
                };
                report.lost(&key, says);
            }
        }
        if !self.volumes.is_empty() {
            report.note(
                part,
                "the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, \
                 stays there",
            );
        }
    }

    fn read_networks(&mut self, part: &Field<'_>, report: &mut Report) {
        let mut own = 0;
        for network in part.map(report) {
            let external = network.get("external");
            let older = external.as_ref().and_then(|key| key.get("name"));
            let external = external.is_some_and(|key| is_outside(&key, report));
            let name = network.get("name").or(older).and_then(|name| name.text(report));
            let outside = external.then(|| name.unwrap_or_else(|| network.key.to_owned()));
            if !external {
                own += 1;
                for key in network.map(report) {
                    told(&key, keys::NETWORK, report);
                }
            }
            self.networks.insert(network.key.to_owned(), outside);
        }
        match own {
            0 => {}
            1 => report.note(part, "the services of an Infra share one network anyway"),
            _ => report.lost(
                part,
                "the services of an Infra share one network and all reach each other; leave out \
                 what must not",
            ),
        }
    }
}

/// Whether `external` says so; it was a map with a name once.
fn is_outside(field: &Field<'_>, report: &mut Report) -> bool {
    matches!(field.node.kind, NodeKind::Map(_)) || field.is_on(report)
}

/// Says of a key what the table says, or that it is none.
pub fn told(field: &Field<'_>, table: &[(&str, Fate)], report: &mut Report) {
    if field.key.starts_with("x-") {
        return;
    }
    match table.iter().find(|(key, _)| *key == field.key) {
        Some((_, Fate::Carried)) => {}
        Some((_, Fate::Lost(says))) => report.lost(field, *says),
        Some((_, Fate::Note(says))) => report.note(field, *says),
        None => {
            let within = match field.path.rsplit_once('.') {
                Some((within, _)) => format!("`{within}`"),
                None => "a compose file".to_owned(),
            };
            let message = format!("unknown key `{}` in {within}", field.key);
            let help = match nearest(field.key, table.iter().map(|(key, _)| *key)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it: compose does not know it either".to_owned(),
            };
            report.wrong(field.at.clone(), message, help);
        }
    }
}
