//! The services of an Infra as they are at this moment; where nobody can tell, as its status has them.

use agent_harness_model::api::{Object, ServiceNow};
use agent_harness_model::id::ObjectKey;

use super::section;
use crate::client::{Client, path};
use crate::error::{Failure, Result};
use crate::object;
use crate::ui::{Cell, Table, Tone, Ui, age, bytes};

/// Characters of a digest that tell it from others.
const DIGEST: usize = 12;
/// What does not apply, or is not known.
const NOTHING: &str = "-";

/// The services of an Infra.
#[derive(Debug, Default)]
pub struct Services {
    all: Vec<ServiceNow>,
    /// What the status says of each: `Ready`.
    states: Vec<String>,
    /// Why there are no figures.
    without: Vec<String>,
}

/// Asks the controller, where one runs. Whatever it cannot say is no reason to show nothing.
pub async fn look(client: &Client, key: &ObjectKey, object: &Object, live: bool) -> Services {
    let mut without = Vec::new();
    let mut all: Vec<ServiceNow> = Vec::new();
    if live {
        match client.get(&path(key, "/services")).await {
            Ok(now) => all = now,
            Err(error) => without.push(Failure::from(error).message),
        }
    }
    if all.is_empty() {
        all = of_status(object);
    }
    let state = |service: &ServiceNow| {
        let status = object.status.as_ref()?.resources.get(&service.resource)?;
        Some(status.state.clone())
    };
    let states = all.iter().map(|service| state(service).unwrap_or_default()).collect();
    for why in all.iter().filter_map(|service| service.unknown.as_ref()) {
        if !without.contains(why) {
            without.push(why.clone());
        }
    }
    Services { all, states, without }
}

/// The services by the names of the resources that run them. A server in a container is that container.
pub fn of_status(object: &Object) -> Vec<ServiceNow> {
    let mut all: Vec<ServiceNow> = Vec::new();
    let resources = object.status.iter().flat_map(|status| &status.resources);
    for (resource, status) in resources.filter(|(_, status)| !status.leaving) {
        let Some((kind @ ("container" | "process" | "service"), name)) = resource.split_once('/')
        else {
            continue;
        };
        // In the order of the kinds: containers come first.
        if kind == "service" && all.iter().any(|known| known.name == name) {
            continue;
        }
        let state = Some(status.state.clone());
        let (name, resource) = (name.to_owned(), resource.clone());
        all.push(ServiceNow { name, resource, state, ..ServiceNow::default() });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

impl Services {
    /// Prints them.
    pub fn show(&self, ui: &mut Ui) -> Result<()> {
        if self.all.is_empty() {
            return Ok(());
        }
        section(ui, "Services")?;
        let mut table = Table::titled(2)
            .column("NAME")
            .column("STATE")
            .column("HEALTH")
            .flexible("IMAGE", 20)
            .flexible("PORTS", 12)
            .column("MEMORY")
            .column("UPTIME")
            .column("RESTARTS");
        for (service, status) in self.all.iter().zip(&self.states) {
            let state = service.state.as_deref().unwrap_or(status);
            let health = health(service, status);
            table.row([
                Cell::from(service.name.as_str()),
                Cell::new(state_tone(state), or_nothing(state.to_owned())),
                Cell::new(health_tone(&health), or_nothing(health)),
                Cell::from(or_nothing(image(service))),
                Cell::from(or_nothing(service.ports.join(", "))),
                Cell::from(memory(service)),
                Cell::from(or_nothing(
                    service.started.map(|at| age(at, ui.now())).unwrap_or_default(),
                )),
                Cell::from(or_nothing(
                    service.restarts.map(|count| count.to_string()).unwrap_or_default(),
                )),
            ]);
        }
        ui.table(&table)?;
        for why in &self.without {
            let words = format!("no figures of this moment: {why}");
            ui.line(&format!("  {}", ui.paint(Tone::Busy, &words)))?;
        }
        Ok(())
    }
}

/// What the engine's own check says, else what the controller's does.
fn health(service: &ServiceNow, status: &str) -> String {
    match (&service.health, service.state.as_deref()) {
        (Some(health), _) => health.clone(),
        (None, Some("running" | "external")) if status == "Ready" => "ready".to_owned(),
        (None, Some("running" | "external")) if !status.is_empty() => "not ready".to_owned(),
        _ => String::new(),
    }
}

fn health_tone(health: &str) -> Tone {
    match health {
        "healthy" | "ready" => Tone::Good,
        "unhealthy" => Tone::Bad,
        "" => Tone::Quiet,
        _ => Tone::Busy,
    }
}

/// The tone of a state of this moment: `running`, `exited (1)`.
pub fn state_tone(state: &str) -> Tone {
    match state {
        "running" => Tone::Good,
        "external" => Tone::Plain,
        _ if state.starts_with("exited") || state.starts_with("lost") => Tone::Bad,
        other => object::state_tone(other),
    }
}

/// `mailpit:v1@sha256:0a1b2c3d4e5f`
fn image(service: &ServiceNow) -> String {
    let Some(image) = &service.image else { return String::new() };
    let named = image.split_once('@').map_or(image.as_str(), |(named, _)| named);
    let digest = service.digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:"));
    match digest.and_then(|digest| digest.get(..DIGEST)) {
        Some(digest) => format!("{named}@sha256:{digest}"),
        None => image.clone(),
    }
}

/// `38Mi / 256Mi`, or without a limit `38Mi`.
pub fn memory(service: &ServiceNow) -> String {
    let used = service.memory.map(bytes);
    match (used, service.memory_limit.map(bytes)) {
        (None, None) => NOTHING.to_owned(),
        (Some(used), None) => used,
        (used, Some(limit)) => format!("{} / {limit}", used.as_deref().unwrap_or(NOTHING)),
    }
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text }
}
