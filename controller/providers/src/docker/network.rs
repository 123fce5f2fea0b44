//! The network of an Infra, in which its services know each other by name.
//!
//! An engine makes any number of networks of one name, and then starts no container in any of them. So only one caller at
//! a time looks and makes.

use std::collections::HashMap;

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::container::Place;
use agent_harness_model::resolve::project;
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptionsBuilder};
use tokio::sync::Mutex;

use super::engine::Engine;
use super::error::DockerError;
use super::labels;

/// Who holds it is the only one that makes or removes networks.
#[derive(Debug, Default)]
pub struct Networks(Mutex<()>);

impl Networks {
    /// Sees to it that the Infra's own network is there.
    pub async fn ensure(
        &self,
        engine: &Engine,
        mark: &Mark,
        place: &Place,
    ) -> Result<(), DockerError> {
        let _alone = self.0.lock().await;
        let name = project(&place.infra);
        let found = find(engine, &name).await?;
        if found.iter().any(|network| !network.is_of(mark)) {
            return Err(DockerError::ForeignNetwork { network: name });
        }
        // Of several, those that nobody is in go; a controller that was killed may have made one twice.
        for surplus in found.iter().skip(1) {
            remove(engine, surplus).await?;
        }
        if !found.is_empty() {
            return Ok(());
        }
        let mut all = labels::common(mark, place);
        all.insert("com.docker.compose.network".to_owned(), "default".to_owned());
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(all),
            ..NetworkCreateRequest::default()
        };
        let client = engine.client().await?;
        let made = client.create_network(request);
        engine.call(&format!("make network {name}"), made).await.map(drop)
    }

    /// Whether the Infra's own network is there and nobody is in it, so that [`Self::remove`] would remove it.
    pub async fn is_left(
        &self,
        engine: &Engine,
        mark: &Mark,
        place: &Place,
    ) -> Result<bool, DockerError> {
        let client = engine.client().await?;
        for network in find(engine, &project(&place.infra)).await? {
            let look = client.inspect_network(&network.id, None::<InspectNetworkOptions>);
            let inside = match engine.call("look at a network", look).await {
                Ok(found) => found.containers.unwrap_or_default(),
                Err(DockerError::Refused { status: 404, .. }) => continue,
                Err(error) => return Err(error),
            };
            if network.is_of(mark) && inside.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the Infra's own network when nobody is in it any more.
    pub async fn remove(
        &self,
        engine: &Engine,
        mark: &Mark,
        place: &Place,
    ) -> Result<(), DockerError> {
        let _alone = self.0.lock().await;
        for network in find(engine, &project(&place.infra)).await? {
            if network.is_of(mark) {
                remove(engine, &network).await?;
            }
        }
        Ok(())
    }
}

struct Network {
    id: String,
    owner: Option<Mark>,
}

impl Network {
    fn is_of(&self, mark: &Mark) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.installation == mark.installation)
    }
}

/// All networks of a name.
async fn find(engine: &Engine, name: &str) -> Result<Vec<Network>, DockerError> {
    let client = engine.client().await?;
    let filters = HashMap::from([("name", vec![name])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let list = engine.call("list networks", client.list_networks(Some(options))).await?;
    // The engine's filter takes parts of names, too.
    let named = list.into_iter().filter(|network| network.name.as_deref() == Some(name));
    let found = named.map(|network| Network {
        id: network.id.clone().unwrap_or_default(),
        owner: labels::mark(network.labels.as_ref()),
    });
    Ok(found.collect())
}

async fn remove(engine: &Engine, network: &Network) -> Result<(), DockerError> {
    let client = engine.client().await?;
    let removal = client.remove_network(&network.id);
    match engine.call(&format!("remove network {:.12}", network.id), removal).await {
        Ok(()) => Ok(()),
        // 403: somebody is in it.
        Err(DockerError::Refused { status: 403 | 404 | 409, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
