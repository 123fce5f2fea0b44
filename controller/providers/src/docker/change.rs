//! What is done about a container: made, made anew beside its volumes, started, removed.
//!
//! A new one is made under another name before the old one stops, so that what the engine refuses costs nobody a server
//! that works. Cut anywhere, the same steps lead on from what is there.

use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::container::{Desired, Place, Port};
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder,
    RestartContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use tokio_util::sync::CancellationToken;

use super::body::{Inherited, body};
use super::engine::Engine;
use super::error::DockerError;
use super::listing::Listing;
use super::network::Networks;
use super::own::{labels_of, own};
use super::pull::{self, Report};
use super::{labels, volumes};
use crate::process::ports;

/// Seconds that a container may take to stop before it is killed: a database writes its last pages.
const STOP_S: i32 = 30;

/// Whose container it is, and who does it.
pub struct Change<'a> {
    pub engine: &'a Engine,
    pub id: &'a ResourceId,
    pub mark: Mark,
    pub networks: &'a Networks,
    pub report: &'a Report,
    pub stop: &'a CancellationToken,
}

impl Change<'_> {
    /// Makes the container, in place of one that is made from something else, and starts it.
    pub async fn bring_up(&self, want: &Desired) -> Result<(), DockerError> {
        let (name, place) = (want.place.container.as_str(), &want.place);
        pull::ensure(self.engine, self.id, &want.config.image, self.report, self.stop).await?;
        if want.config.network.is_none() {
            self.networks.ensure(self.engine, &self.mark, place).await?;
        }
        volumes::ensure(self.engine, &self.mark, place).await?;
        let settings = want.config.settings();
        let is_as_wanted = |it: &ContainerInspectResponse| {
            labels::settings(labels_of(it)).as_ref() == Some(&settings)
        };
        let next = next(name);
        let old = self.own(name).await?;
        let mut ready = match self.own(&next).await? {
            Some(left) if is_as_wanted(&left) => true,
            Some(_) => {
                self.remove(&next, false).await?;
                false
            }
            None => false,
        };
        match &old {
            Some(old) if is_as_wanted(old) => {
                if ready {
                    self.remove(&next, false).await?;
                }
                return self.start(want).await;
            }
            Some(old) => {
                self.refuse_taken_ports(want, Some(old)).await?;
                if !ready {
                    self.make(&next, want, &inherited(old, want)).await?;
                    ready = true;
                }
                self.stop_container(name).await?;
                self.remove(name, false).await?;
            }
            None if ready => {}
            None => self.make(name, want, &[]).await?,
        }
        if ready {
            self.rename(&next, name).await?;
        }
        self.start(want).await
    }

    /// Starts what is there, or lets it go on.
    pub async fn start(&self, want: &Desired) -> Result<(), DockerError> {
        let name = &want.place.container;
        let Some(found) = self.own(name).await? else { return Ok(()) };
        let client = self.engine.client().await?;
        if found.state.and_then(|it| it.paused) == Some(true) {
            let go_on = client.unpause_container(name);
            return self.engine.call(&format!("let container {name} go on"), go_on).await;
        }
        let start = client.start_container(name, None::<StartContainerOptions>);
        match self.engine.call(&format!("start container {name}"), start).await {
            // The engine does not say who has it.
            Err(taken @ DockerError::PortTaken { .. }) => {
                self.refuse_taken_ports(want, None).await?;
                Err(taken)
            }
            done => done,
        }
    }

    /// Stops and removes it; its volumes stay, but those without a name of ours when all is to go.
    pub async fn take_down(&self, place: &Place, with_volumes: bool) -> Result<(), DockerError> {
        for name in [place.container.clone(), next(&place.container)] {
            match self.own(&name).await {
                Ok(Some(_)) => {
                    self.stop_container(&name).await?;
                    self.remove(&name, with_volumes).await?;
                }
                // What is there by now is a successor's or somebody else's.
                Ok(None) | Err(DockerError::ForeignContainer { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if with_volumes {
            volumes::remove(self.engine, &self.mark, place).await?;
        }
        self.networks.remove(self.engine, &self.mark, place).await
    }

    /// Stops it and starts it again; its id. `None`: there is none.
    pub async fn restart(&self, place: &Place) -> Result<Option<String>, DockerError> {
        let name = &place.container;
        let Some(found) = self.own(name).await? else { return Ok(None) };
        let client = self.engine.client().await?;
        let options = RestartContainerOptionsBuilder::new().t(STOP_S).build();
        let restart = client.restart_container(name, Some(options));
        self.engine.call(&format!("restart container {name}"), restart).await?;
        Ok(found.id)
    }

    /// The container of a name; `None`: there is none. One that is not ours is an error.
    async fn own(&self, name: &str) -> Result<Option<ContainerInspectResponse>, DockerError> {
        own(self.engine, name, &self.mark).await
    }

    async fn make(
        &self,
        name: &str,
        want: &Desired,
        inherited: &[Inherited],
    ) -> Result<(), DockerError> {
        let client = self.engine.client().await?;
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = client.create_container(Some(options), body(&self.mark, want, inherited));
        self.engine.call(&format!("make container {name}"), made).await.map(drop)
    }

    async fn stop_container(&self, name: &str) -> Result<(), DockerError> {
        let client = self.engine.client().await?;
        let options = StopContainerOptionsBuilder::new().t(STOP_S).build();
        let stop = client.stop_container(name, Some(options));
        match self.engine.call(&format!("stop container {name}"), stop).await {
            // 304: it does not run.
            Ok(()) | Err(DockerError::Refused { status: 304 | 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn remove(&self, name: &str, with_volumes: bool) -> Result<(), DockerError> {
        let client = self.engine.client().await?;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(with_volumes).build();
        let removal = client.remove_container(name, Some(options));
        match self.engine.call(&format!("remove container {name}"), removal).await {
            Ok(()) => Ok(()),
            // 409: its removal is under way.
            Err(error) if error.is_not_found() || error.is_in_use() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn rename(&self, from: &str, to: &str) -> Result<(), DockerError> {
        let client = self.engine.client().await?;
        let options = RenameContainerOptionsBuilder::new().name(to).build();
        let rename = client.rename_container(from, options);
        self.engine.call(&format!("rename container {from} to {to}"), rename).await
    }

    /// Who has a port that the container is to publish: no server stops for one that could not start.
    async fn refuse_taken_ports(
        &self,
        want: &Desired,
        old: Option<&ContainerInspectResponse>,
    ) -> Result<(), DockerError> {
        let listing = Listing::fetch(self.engine).await?;
        for port in want.config.ports.values() {
            if old.is_some_and(|old| publishes(old, port.host)) {
                continue;
            }
            if let Some(what) = in_the_way(&listing, &want.place.container, port)? {
                return Err(DockerError::PortTaken { what });
            }
        }
        Ok(())
    }
}

/// Who has a port of the host: another container, or a program.
pub fn in_the_way(
    listing: &Listing,
    name: &str,
    port: &Port,
) -> Result<Option<String>, DockerError> {
    let other = listing.publisher(name, port);
    // Who else has a port of UDP only the engine can tell, when it starts it.
    if other.is_some() || port.protocol != "tcp" {
        return Ok(other);
    }
    let port = port.host;
    let who = ports::listener(port).map_err(|source| DockerError::Port { port, source })?;
    Ok(who.map(|who| format!("port {port} is taken by {who}")))
}

/// The name of the container that is to take another one's place.
pub fn next(name: &str) -> String {
    format!("{name}-next")
}

fn publishes(found: &ContainerInspectResponse, port: u16) -> bool {
    let settings = found.network_settings.as_ref();
    let ports = settings.and_then(|it| it.ports.as_ref());
    let bindings = ports.into_iter().flat_map(|ports| ports.values().flatten().flatten());
    bindings.into_iter().any(|it| it.host_port.as_deref() == Some(port.to_string().as_str()))
}

/// Volumes that an image asks for and the spec gives no name: the new container gets those of the old one.
fn inherited(old: &ContainerInspectResponse, want: &Desired) -> Vec<Inherited> {
    let is_named = |target: &str| want.config.mounts.iter().any(|it| it.target == target);
    let is_without_name =
        |name: &str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let mounts = old.mounts.iter().flatten();
    mounts
        .filter(|mount| mount.typ.as_deref() == Some("volume"))
        .filter_map(|mount| Some((mount.name.clone()?, mount.destination.clone()?)))
        .filter(|(name, target)| is_without_name(name) && !is_named(target))
        .collect()
}
