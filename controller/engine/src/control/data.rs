//! What a purge destroys, by the names that a person knows it by: volumes, folders, databases, buckets. Pure.

use agent_harness_model::kinds::Place;

use crate::ledger::ObjectRecord;

/// The data of these incarnations, as the ledger knows it; each once.
pub fn of(records: &[ObjectRecord]) -> Vec<String> {
    let places = records.iter().flat_map(|record| record.resources.values());
    let mut all: Vec<String> = places.flat_map(|entry| at(&entry.place)).collect();
    all.sort();
    all.dedup();
    all
}

/// What holds data at a place. Files, processes and steps are made anew from the spec.
fn at(place: &Place) -> Vec<String> {
    match place {
        Place::Container(place) => place.volumes.iter().map(|it| format!("volume {it}")).collect(),
        Place::Service(place) => {
            place.root.iter().map(|root| format!("folder {}", root.display())).collect()
        }
        Place::Worktree(place) => vec![format!("worktree {}", place.path.display())],
        Place::Template(place) => vec![format!("database {}", place.database)],
        Place::Database(place) => vec![match &place.kept {
            Some(name) => format!("database {}, kept as {name}", place.database),
            None => format!("database {}", place.database),
        }],
        Place::Bucket(place) => vec![format!("bucket {}", place.bucket)],
        Place::File(_) | Place::Setup(_) | Place::Process(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use agent_harness_model::id::{ObjectKey, Uid};
    use agent_harness_model::kinds::{container, service};
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::Origin;

    #[test]
    fn volumes_and_folders_are_named() {
        let origin = Origin { file: "/x.yaml".into(), line: 1, text: String::new(), commit: None };
        let (key, uid) = (ObjectKey::infra("i"), Uid::new("u-00000001"));
        let mut record = ObjectRecord::new(key, uid, Timestamp::UNIX_EPOCH, origin);
        let (infra, name) = ("i".to_owned(), "postgres".to_owned());
        let root = Some("/state/postgres/i".into());
        record.claim(
            "service/postgres",
            &Place::Service(service::Place { infra: infra.clone(), name, root }),
        );
        let volumes = vec!["harness-i_b".into(), "harness-i_a".into()];
        let (name, container) = ("db".to_owned(), "harness-i-db-1".to_owned());
        let place = container::Place { infra, name, container, volumes };
        record.claim("container/db", &Place::Container(place));
        assert_eq!(
            of(&[record.clone(), record]),
            ["folder /state/postgres/i", "volume harness-i_a", "volume harness-i_b"]
        );
    }
}
