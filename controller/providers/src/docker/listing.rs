//! All containers of the engine in one call: which are ours, and who has which name and port. Pure but for the call.

use std::collections::BTreeMap;

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::container::Port;
use bollard::models::{ContainerSummary, PortSummaryTypeEnum as PortType};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::engine::Engine;
use super::error::DockerError;
use super::labels;

/// All containers, by name.
#[derive(Debug, Default)]
pub struct Listing {
    by_name: BTreeMap<String, ContainerSummary>,
}

/// What has a container's name.
pub enum Named<'a> {
    Nobody,
    Ours(&'a ContainerSummary),
    /// Another incarnation's of the same Infra, in words.
    Other(String),
    /// Whose, in words.
    Foreign(String),
}

impl Listing {
    /// Asks the engine.
    pub async fn fetch(engine: &Engine) -> Result<Self, DockerError> {
        let client = engine.client().await?;
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let list = client.list_containers(Some(options));
        Ok(Self::new(engine.call("list containers", list).await?))
    }

    fn new(list: Vec<ContainerSummary>) -> Self {
        let named = list.into_iter().flat_map(|summary| {
            let names = summary.names.clone().unwrap_or_default();
            names.into_iter().map(move |name| (bare(&name).to_owned(), summary.clone()))
        });
        Self { by_name: named.collect() }
    }

    /// Who has a name.
    pub fn named(&self, name: &str, mark: &Mark) -> Named<'_> {
        let Some(summary) = self.by_name.get(name) else { return Named::Nobody };
        match labels::mark(summary.labels.as_ref()) {
            Some(owner) if owner == *mark => Named::Ours(summary),
            Some(owner) if owner.installation == mark.installation => Named::Other(format!(
                "the container {name} is that of another incarnation of its Infra"
            )),
            Some(_) => Named::Foreign(format!(
                "the container {name} belongs to another installation of this controller"
            )),
            None => Named::Foreign(format!("the container {name} is not ours ({})", said(summary))),
        }
    }

    /// Whether any container is of a compose project.
    pub fn has_project(&self, project: &str) -> bool {
        let mut all = self.by_name.values();
        all.any(|summary| labels::compose_project(summary.labels.as_ref()) == Some(project))
    }

    /// Which container other than `name` publishes a port of the host.
    pub fn publisher(&self, name: &str, port: &Port) -> Option<String> {
        let udp = port.protocol == "udp";
        let publishes = |summary: &ContainerSummary| {
            let ports = summary.ports.iter().flatten();
            ports.into_iter().any(|it| {
                it.public_port == Some(port.host) && (it.typ == Some(PortType::UDP)) == udp
            })
        };
        let mut others = self.by_name.iter().filter(|(other, _)| other.as_str() != name);
        let (other, summary) = others.find(|(_, summary)| publishes(summary))?;
        let port = port.host;
        Some(format!("port {port} is taken by the container {other} ({})", said(summary)))
    }
}

/// Image and compose project of a container.
fn said(summary: &ContainerSummary) -> String {
    let image = summary.image.as_deref().unwrap_or("unknown");
    match labels::compose_project(summary.labels.as_ref()) {
        Some(project) => format!("image {image}, compose project {project}"),
        None => format!("image {image}"),
    }
}

/// The engine says `/name`.
pub fn bare(name: &str) -> &str {
    name.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use agent_harness_model::id::Uid;
    use bollard::models::PortSummary;

    use super::*;

    fn summary(name: &str, labels: &[(&str, &str)], port: u16) -> ContainerSummary {
        let labels: HashMap<String, String> =
            labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ContainerSummary {
            names: Some(vec![format!("/{name}")]),
            image: Some("postgres:16".into()),
            labels: Some(labels),
            ports: Some(vec![PortSummary { public_port: Some(port), ..PortSummary::default() }]),
            ..ContainerSummary::default()
        }
    }

    fn port(protocol: &'static str) -> Port {
        Port { address: "127.0.0.1".into(), host: 15432, container: 5432, protocol }
    }

    #[test]
    fn who_has_a_name_or_a_port_is_said_with_image_and_project() {
        let mark = Mark { installation: "i".into(), uid: Uid::new("u-00000001") };
        let listing = Listing::new(vec![
            summary("ours", &[(labels::MARK, &mark.to_string())], 1),
            summary("before", &[(labels::MARK, "agent-harness:i:u-00000002")], 2),
            summary("others", &[(labels::MARK, "agent-harness:j:u-00000001")], 3),
            summary("db", &[("com.docker.compose.project", "shop")], 15432),
            summary("plain", &[], 5),
        ]);
        let who = |name: &str| match listing.named(name, &mark) {
            Named::Nobody => "nobody".to_owned(),
            Named::Ours(_) => "ours".to_owned(),
            Named::Other(who) | Named::Foreign(who) => who,
        };
        assert_eq!(who("ours"), "ours");
        assert_eq!(who("nothing"), "nobody");
        assert!(who("before").contains("another incarnation"));
        assert!(who("others").contains("another installation"));
        assert_eq!(
            who("db"),
            "the container db is not ours (image postgres:16, compose project shop)"
        );
        assert_eq!(who("plain"), "the container plain is not ours (image postgres:16)");
        assert_eq!(
            listing.publisher("ours", &port("tcp")).unwrap(),
            "port 15432 is taken by the container db (image postgres:16, compose project shop)"
        );
        assert_eq!(listing.publisher("db", &port("tcp")), None);
        assert_eq!(listing.publisher("ours", &port("udp")), None);
    }
}
