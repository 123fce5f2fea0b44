//! Volumes of an Infra: made with our mark, and removed by a purge alone.
//!
//! A volume outlives the incarnation that made it: an Infra that is deleted and made again gets its data back. So it is
//! ours when its installation is, whichever incarnation its mark names.

use std::collections::HashMap;

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::container::Place;
use agent_harness_model::resolve::project;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};

use super::engine::Engine;
use super::error::DockerError;
use super::labels;

/// The volumes of an installation, by name.
pub async fn ours(engine: &Engine, installation: &str) -> Result<Vec<String>, DockerError> {
    let client = engine.client().await?;
    let filter = format!("{}={installation}", labels::INSTALLATION);
    let filters = HashMap::from([("label", vec![filter.as_str()])]);
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let list = engine.call("list volumes", client.list_volumes(Some(options))).await?;
    Ok(list.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect())
}

/// Sees to it that the volumes of a place are there and ours.
pub async fn ensure(engine: &Engine, mark: &Mark, place: &Place) -> Result<(), DockerError> {
    let client = engine.client().await?;
    for name in &place.volumes {
        match look(engine, name).await? {
            Some(found) => refuse_foreign(name, &found, mark)?,
            None => {
                let mut all = labels::common(mark, place);
                let short = name.strip_prefix(&format!("{}_", project(&place.infra)));
                let short = short.unwrap_or(name).to_owned();
                all.insert("com.docker.compose.volume".to_owned(), short);
                let request = VolumeCreateRequest {
                    name: Some(name.clone()),
                    labels: Some(all),
                    ..VolumeCreateRequest::default()
                };
                let made = client.create_volume(request);
                engine.call(&format!("make volume {name}"), made).await?;
            }
        }
    }
    Ok(())
}

/// Removes the volumes of a place. One that is used is a successor's by now, and one that is not ours is not looked at
/// twice.
pub async fn remove(engine: &Engine, mark: &Mark, place: &Place) -> Result<(), DockerError> {
    let client = engine.client().await?;
    for name in &place.volumes {
        let Some(found) = look(engine, name).await? else { continue };
        if refuse_foreign(name, &found, mark).is_err() {
            continue;
        }
        let removal = client.remove_volume(name, None::<RemoveVolumeOptions>);
        match engine.call(&format!("remove volume {name}"), removal).await {
            Ok(()) => {}
            Err(error) if error.is_not_found() || error.is_in_use() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The labels of a volume; `None`: there is none of this name.
async fn look(engine: &Engine, name: &str) -> Result<Option<HashMap<String, String>>, DockerError> {
    let client = engine.client().await?;
    match engine.call(&format!("look at volume {name}"), client.inspect_volume(name)).await {
        Ok(volume) => Ok(Some(volume.labels)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn refuse_foreign(
    name: &str,
    found: &HashMap<String, String>,
    mark: &Mark,
) -> Result<(), DockerError> {
    let whose = match labels::mark(Some(found)) {
        Some(owner) if owner.installation == mark.installation => return Ok(()),
        Some(_) => "of another installation of this controller".to_owned(),
        None => match labels::compose_project(Some(found)) {
            Some(project) => format!("of the compose project {project}"),
            None => "somebody else's".to_owned(),
        },
    };
    Err(DockerError::ForeignVolume { volume: name.to_owned(), whose })
}

/// Volumes of the engine that a place has, of those that are ours.
pub fn kept(place: &Place, ours: &[String]) -> Vec<String> {
    place.volumes.iter().filter(|name| ours.contains(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_volumes_are_kept_of_a_place() {
        let place = Place {
            infra: "i".into(),
            name: "db".into(),
            container: "c".into(),
            volumes: vec!["harness-i_b".into(), "harness-i_a".into()],
        };
        let ours = ["harness-i_a".to_owned(), "harness-j_x".to_owned()];
        assert_eq!(kept(&place, &ours), ["harness-i_a"]);
    }

    #[test]
    fn a_volume_of_another_project_is_named_and_refused() {
        let mark = Mark::parse("agent-harness:i:u-00000001").unwrap();
        let labels = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let said = |pairs: &[(&str, &str)]| {
            refuse_foreign("v", &labels(pairs), &mark).map_err(|error| error.to_string())
        };
        assert_eq!(said(&[(labels::MARK, "agent-harness:i:u-00000002")]), Ok(()));
        let shop = said(&[("com.docker.compose.project", "shop")]).unwrap_err();
        assert!(shop.starts_with("the volume `v` is of the compose project shop"), "{shop}");
        assert!(said(&[]).unwrap_err().starts_with("the volume `v` is somebody else's"));
    }
}
