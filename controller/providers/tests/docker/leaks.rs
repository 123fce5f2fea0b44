//! What carries the mark of an installation is found, and goes by its name alone, and only as its owner.

use agent_harness_model::audit::{Found, Owner, Thing};
use agent_harness_model::id::{Mark, Uid};
use agent_harness_providers::docker::DockerError;

use super::engine::{Made, engine};

#[tokio::test]
async fn containers_networks_and_volumes_are_found_and_removed() {
    let Some(engine) = engine().await else { return };
    let made = Made::running(&engine, "while :; do sleep 1; done").await;
    let place = &made.want.place;
    let mark = made.mark();
    let [container, network, volume] = [
        Thing::Container { name: place.container.clone() },
        Thing::Network { name: format!("harness-{}", place.infra) },
        Thing::Volume { name: place.volumes[0].clone() },
    ];
    let ours = async || -> Vec<(Thing, Owner)> {
        let found = made.containers.marked(&mark.installation).await.unwrap().into_iter();
        let of_it = found.filter(|it| it.thing.to_string().contains(&place.infra));
        of_it.map(|Found { thing, owner, .. }| (thing, owner)).collect()
    };
    let infra = || Owner::Infra(place.infra.clone());
    let all = vec![
        (container.clone(), Owner::Incarnation(mark.uid.clone())),
        (network.clone(), infra()),
        (volume.clone(), infra()),
    ];
    assert_eq!(ours().await, all);
    assert!(made.containers.marked("another").await.unwrap().is_empty());

    // Nobody else removes any of it.
    let stranger = Mark { uid: Uid::new("u-99999999"), ..mark.clone() };
    let refused = made.containers.remove_marked(&stranger, &container).await;
    assert!(matches!(refused, Err(DockerError::ForeignContainer { .. })), "{refused:?}");
    let other = Mark { installation: "another".to_owned(), ..mark.clone() };
    for thing in [&network, &volume] {
        made.containers.remove_marked(&other, thing).await.unwrap();
    }
    assert_eq!(ours().await, all);

    for thing in [&container, &network, &volume] {
        made.containers.remove_marked(&mark, thing).await.unwrap();
        // Gone already.
        made.containers.remove_marked(&mark, thing).await.unwrap();
    }
    assert_eq!(ours().await, []);
}
