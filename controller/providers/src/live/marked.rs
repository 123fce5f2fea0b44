//! All that carries the mark of this installation, wherever it is: for the audit. What it means is in
//! `agent_harness_model::audit`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use agent_harness_model::audit::{Found, Thing};
use agent_harness_model::desired::Connections;
use agent_harness_model::id::Mark;

use super::{LOOK, Live};
use crate::docker::chain;
use crate::process::marked as processes;
use crate::provider::within;
use crate::{git, postgres, s3};

/// Where to look beside the servers that are known.
#[derive(Debug, Default)]
pub struct Where {
    /// In these repositories.
    pub repositories: BTreeSet<PathBuf>,
    /// Something of ours runs in containers: an engine that does not answer is told of.
    pub has_containers: bool,
    /// Also what takes long to look at: the buckets of a store that is not ours, of which each has to be asked about, and
    /// the processes of the host.
    pub all: bool,
}

/// What was found, and what could not be looked at.
#[derive(Debug, Default)]
pub struct Marked {
    /// What was found.
    pub found: Vec<Found>,
    /// Why something could not be looked at, one sentence each.
    pub unknown: Vec<String>,
}

impl Marked {
    fn add(&mut self, what: &str, looked: Result<Vec<Found>, String>) {
        match looked {
            Ok(found) => self.found.extend(found),
            Err(error) => self.unknown.push(format!("{what}: {error}")),
        }
    }
}

impl Live {
    /// What there is.
    pub async fn marked(&self, connections: &Connections, at: Where) -> Marked {
        let Where { repositories, has_containers, all } = at;
        let mut marked = Marked::default();
        let installation = self.installation.as_str();
        for (infra, connection) in &connections.postgres {
            let server = self.servers.get(infra, connection);
            let look = Box::pin(postgres::marked::find(&server, infra, installation));
            let looked = within(LOOK, server.label(), look).await;
            let looked = looked.and_then(|found| found.map_err(|error| chain(&error)));
            marked.add(&format!("databases of infra/{infra}"), looked);
        }
        let stores = connections.stores.iter();
        for (infra, connection) in stores.filter(|(_, it)| all || s3::marked::is_cheap(it)) {
            let look = Box::pin(s3::marked::find(connection, infra, installation));
            let looked = within(LOOK, "the object store", look).await;
            let looked = looked.and_then(|found| found.map_err(|error| chain(&error)));
            marked.add(&format!("buckets of infra/{infra}"), looked);
        }
        let look = Box::pin(self.containers.marked(installation));
        let looked = within(LOOK, "the Docker engine", look).await;
        let looked = looked.and_then(|found| found.map_err(|error| chain(&error)));
        match looked {
            Err(_) if !has_containers => {}
            looked => marked.add("containers", looked),
        }
        let (supervisor, installation) = (self.supervisor.clone(), self.installation.clone());
        let host = tokio::task::spawn_blocking(move || {
            let mut marked = Marked::default();
            for repo in repositories {
                let looked = git::marked::find(&repo, &installation);
                let looked = looked.map_err(|error| chain(&error));
                marked.add(&format!("worktrees of {}", repo.display()), looked);
            }
            let looked = processes::find(&supervisor, &installation);
            marked.add("processes", looked.map_err(|error| chain(&error)));
            if all {
                let looked = processes::strays(&installation);
                marked.add("processes of the host", looked.map_err(|error| chain(&error)));
            }
            marked
        });
        // It does not panic, and where the runtime ends nobody is left to be told.
        let host = host.await.unwrap_or_default();
        marked.found.extend(host.found);
        marked.unknown.extend(host.unknown);
        marked
    }

    /// Removes something that still carries the mark, whatever is in it. Gone already: Ok.
    pub async fn remove_marked(
        &self,
        connections: &Connections,
        mark: &Mark,
        thing: &Thing,
    ) -> Result<(), String> {
        let no_server = |infra: &str| format!("it is not known how infra/{infra} is reached");
        match thing {
            Thing::Database { infra, name } | Thing::Role { infra, name } => {
                let connection = connections.postgres.get(infra).ok_or_else(|| no_server(infra))?;
                let server = self.servers.get(infra, connection);
                let removal = Box::pin(postgres::marked::remove(&server, mark, name));
                removal.await.map_err(|error| chain(&error))
            }
            Thing::Bucket { infra, name } => {
                let connection = connections.stores.get(infra).ok_or_else(|| no_server(infra))?;
                let removal = Box::pin(s3::marked::remove(connection, mark, name));
                removal.await.map_err(|error| chain(&error))
            }
            Thing::Container { .. } | Thing::Network { .. } | Thing::Volume { .. } => {
                let removal = Box::pin(self.containers.remove_marked(mark, thing));
                removal.await.map_err(|error| chain(&error))
            }
            Thing::Process { folder } => {
                let removal = processes::remove(&self.supervisor, mark, folder);
                removal.await.map_err(|error| chain(&error))
            }
            Thing::Worktree { repo, path } => {
                let (repo, path, mark) = (repo.clone(), path.clone(), mark.clone());
                let removal =
                    tokio::task::spawn_blocking(move || git::marked::remove(&repo, &path, &mark));
                let done = removal.await.map_err(|error| error.to_string())?;
                done.map_err(|error| chain(&error))
            }
            Thing::Stray { .. } | Thing::File { .. } | Thing::Directory { .. } => {
                Err("it is not removed by a provider".to_owned())
            }
        }
    }
}
