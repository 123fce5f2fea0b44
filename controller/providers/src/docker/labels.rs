//! The labels of what we make: whose it is, what it was made from, and what `docker compose` reads.

use std::collections::{BTreeMap, HashMap};

use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::container::{Config, Place};
use agent_harness_model::resolve::project;
use serde::{Deserialize, Serialize};

/// Whose it is: [`Mark`] as a text.
pub const MARK: &str = "dev.agent-harness.mark";
/// The installation alone, for filters.
pub const INSTALLATION: &str = "dev.agent-harness.installation";
/// The Infra by its name.
const INFRA: &str = "dev.agent-harness.infra";
/// Which resource of the Infra: `postgres`.
const SERVICE: &str = "dev.agent-harness.service";
/// What it was made from.
const CONFIG: &str = "dev.agent-harness.config";
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";

/// The version of what is under [`CONFIG`]: a later one still reads this one, and recreates nothing.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Label {
    version: u32,
    settings: BTreeMap<String, String>,
}

/// What everything of ours carries.
pub fn common(mark: &Mark, place: &Place) -> HashMap<String, String> {
    [
        (MARK, mark.to_string()),
        (INSTALLATION, mark.installation.clone()),
        (INFRA, place.infra.clone()),
        (COMPOSE_PROJECT, project(&place.infra)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// What a container carries beside that. The user's own labels go first: they cannot cover ours.
pub fn of_container(mark: &Mark, place: &Place, config: &Config) -> HashMap<String, String> {
    let settings = config.settings();
    let hash = agent_harness_model::hash::parts(settings.iter().map(|(k, v)| format!("{k}={v}")));
    let label = Label { version: VERSION, settings };
    let mut labels: HashMap<String, String> =
        config.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    labels.extend(common(mark, place));
    let text = serde_json::to_string(&label).unwrap_or_default();
    labels.extend(
        [
            (SERVICE, place.name.clone()),
            (CONFIG, text),
            (COMPOSE_SERVICE, place.name.clone()),
            ("com.docker.compose.container-number", "1".to_owned()),
            ("com.docker.compose.oneoff", "False".to_owned()),
            ("com.docker.compose.config-hash", hash),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    labels
}

/// Whose a thing is.
pub fn mark(labels: Option<&HashMap<String, String>>) -> Option<Mark> {
    Mark::parse(labels?.get(MARK)?)
}

/// What a container was made from; `None`: a later version of ours made it, and only that one can tell.
pub fn settings(labels: Option<&HashMap<String, String>>) -> Option<BTreeMap<String, String>> {
    let label = labels?.get(CONFIG)?;
    let label = serde_json::from_str::<Label>(label).ok()?;
    (label.version == VERSION).then_some(label.settings)
}

/// Which Infra's a thing of ours is.
pub fn infra(labels: Option<&HashMap<String, String>>) -> Option<String> {
    labels?.get(INFRA).cloned()
}

/// Which compose project, if any.
pub fn compose_project(labels: Option<&HashMap<String, String>>) -> Option<&str> {
    labels?.get(COMPOSE_PROJECT).map(String::as_str)
}

/// Which resource a container is, from its labels: owner, uid and service.
pub fn resource(labels: &HashMap<String, String>) -> Option<ResourceId> {
    use agent_harness_model::id::{ObjectKey, ResourceKind};
    let mark = Mark::parse(labels.get(MARK)?)?;
    let owner = ObjectKey::infra(labels.get(INFRA)?.as_str());
    let name = labels.get(SERVICE)?.clone();
    Some(ResourceId { owner, uid: mark.uid, kind: ResourceKind::Container, name })
}
