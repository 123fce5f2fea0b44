//! Containers, networks and volumes of one installation: for an audit, and for a person who wants one of them gone.

use std::collections::HashMap;

use agent_harness_model::audit::{Found, Owner, Thing};
use agent_harness_model::id::Mark;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};

use super::engine::Engine;
use super::error::DockerError;
use super::listing::bare;
use super::live::Containers;
use super::own::own;
use super::{labels, volumes};

impl Containers {
    /// What there is.
    pub async fn marked(&self, installation: &str) -> Result<Vec<Found>, DockerError> {
        find(&self.engine, installation).await
    }

    /// Removes what carries the mark. Gone already: Ok.
    pub async fn remove_marked(&self, mark: &Mark, thing: &Thing) -> Result<(), DockerError> {
        let client = self.engine.client().await?;
        let done = match thing {
            Thing::Container { name } => {
                if own(&self.engine, name, mark).await?.is_none() {
                    return Ok(());
                }
                let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                let removal = client.remove_container(name, Some(options));
                self.engine.call(&format!("remove container {name}"), removal).await
            }
            Thing::Volume { name } => {
                if !volumes::ours(&self.engine, &mark.installation).await?.contains(name) {
                    return Ok(());
                }
                let removal = client.remove_volume(name, None::<RemoveVolumeOptions>);
                self.engine.call(&format!("remove volume {name}"), removal).await
            }
            Thing::Network { name } => {
                let found = find(&self.engine, &mark.installation).await?;
                if !found.iter().any(|it| it.thing == *thing) {
                    return Ok(());
                }
                let removal = client.remove_network(name);
                self.engine.call(&format!("remove network {name}"), removal).await
            }
            _ => return Ok(()),
        };
        match done {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }
}

async fn find(engine: &Engine, installation: &str) -> Result<Vec<Found>, DockerError> {
    let client = engine.client().await?;
    let ours = format!("{}={installation}", labels::INSTALLATION);
    let filters = HashMap::from([("label", vec![ours.as_str()])]);
    let mut all = Vec::new();
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let list = client.list_containers(Some(options));
    for summary in engine.call("list containers", list).await? {
        let name = summary.names.iter().flatten().next().map(|name| bare(name).to_owned());
        if let (Some(name), Some(mark)) = (name, labels::mark(summary.labels.as_ref())) {
            all.push(found(Thing::Container { name }, Owner::Incarnation(mark.uid)));
        }
    }
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let list = client.list_networks(Some(options));
    for network in engine.call("list networks", list).await? {
        if let (Some(name), Some(infra)) = (network.name, labels::infra(network.labels.as_ref())) {
            all.push(found(Thing::Network { name }, Owner::Infra(infra)));
        }
    }
    // A volume outlives the incarnation that made it.
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let list = engine.call("list volumes", client.list_volumes(Some(options))).await?;
    for volume in list.volumes.unwrap_or_default() {
        if let Some(infra) = labels::infra(Some(&volume.labels)) {
            all.push(found(Thing::Volume { name: volume.name }, Owner::Infra(infra)));
        }
    }
    Ok(all)
}

fn found(thing: Thing, owner: Owner) -> Found {
    Found { thing, owner, state: None }
}
