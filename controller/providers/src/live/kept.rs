//! How large is what lies in the trash.

use std::collections::BTreeMap;

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::{Place, bucket, database, worktree};
use futures_util::future::join_all;

use super::{LOOK, Live};
use crate::postgres::{database_of, trash_name};
use crate::provider::within;
use crate::{git, s3};

impl Live {
    /// Bytes of each that can be told now: a server that does not answer has sizes that nobody knows. Nothing but data
    /// has any.
    pub async fn kept_sizes(
        &self,
        connections: &Connections,
        of: &[(ResourceId, Place)],
    ) -> BTreeMap<ResourceId, u64> {
        let mut databases: BTreeMap<&str, Vec<(&ResourceId, String)>> = BTreeMap::new();
        let (mut buckets, mut trees) = (Vec::new(), Vec::new());
        for (id, place) in of {
            match place {
                Place::Database(place) => {
                    if let Some(name) = database_in_trash(place, &self.mark(id)) {
                        databases.entry(&place.infra).or_default().push((id, name));
                    }
                }
                Place::Bucket(place) => buckets.push((id, place)),
                Place::Worktree(place) => trees.push((id, place)),
                _ => {}
            }
        }
        let mut all = BTreeMap::new();
        for (infra, wanted) in databases {
            let names: Vec<String> = wanted.iter().map(|(_, name)| name.clone()).collect();
            let sizes = self.sizes(connections, infra, &names).await.unwrap_or_default();
            let told =
                |(id, name): (&ResourceId, String)| Some((id.clone(), sizes.get(&name)?.size));
            all.extend(wanted.into_iter().filter_map(told));
        }
        let buckets = buckets.into_iter().map(|(id, place)| bucket(connections, id, place));
        all.extend(join_all(buckets).await.into_iter().flatten());
        all.extend(
            join_all(trees.into_iter().map(|(id, place)| tree(id, place)))
                .await
                .into_iter()
                .flatten(),
        );
        all
    }
}

fn database_in_trash(place: &database::Place, mark: &Mark) -> Option<String> {
    match place.kept {
        Some(_) => database_of(place, mark).ok(),
        None => Some(trash_name(&place.database, mark.uid.short())),
    }
}

async fn bucket(
    connections: &Connections,
    id: &ResourceId,
    place: &bucket::Place,
) -> Option<(ResourceId, u64)> {
    let connection = connections.stores.get(&place.infra)?;
    let look = s3::sizes::of_trashed(connection, place, &id.uid);
    let size = within(LOOK, "the object store", Box::pin(look)).await.ok()?.ok()?;
    Some((id.clone(), size))
}

async fn tree(id: &ResourceId, place: &worktree::Place) -> Option<(ResourceId, u64)> {
    let (id, place) = (id.clone(), place.clone());
    let look = tokio::task::spawn_blocking(move || {
        let size = git::sizes::of_trashed(&place, &id.uid).ok()??;
        Some((id, size))
    });
    look.await.ok()?
}
