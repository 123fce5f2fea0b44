//! Processes that start again when a file changes.

use std::sync::Arc;

use agent_harness_model::kinds::process::Watch;
use agent_harness_model::kinds::{self, AnyTarget, Verdict};

use super::world::World;
use super::*;

fn world() -> World {
    let mut world = World::new("exec sleep 1000");
    for folder in ["src/deep", "src/node_modules/x"] {
        crate::fs::create_dir_all(world.bench.path(folder), 0o755).unwrap();
    }
    world.want.watch = Some(Watch {
        root: world.bench.root.path().to_owned(),
        paths: vec!["src/**/*.ts".to_owned(), "package.json".to_owned()],
        ignore: vec!["**/*.test.ts".to_owned()],
        delay_ms: 30,
    });
    world
}

fn write(world: &World, file: &str) {
    crate::fs::write_atomic(world.bench.path(file), "new", 0o644).unwrap();
}

/// Carries out the step that follows once a hint has come: why it is done.
async fn respawned(world: &World) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match world.verdict(world.present()).await {
            Verdict::Change(steps) => {
                let (action, why) = &steps[0];
                assert!(
                    matches!(action, kinds::Action::Process(it) if it.to_string() == "respawn")
                );
                world.apply(action).await.unwrap();
                return why.clone();
            }
            Verdict::Settled => tokio::time::sleep(Duration::from_millis(5)).await,
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline, "it is not started again");
    }
}

#[tokio::test]
async fn a_file_that_changes_starts_it_again_and_others_do_not() {
    let world = world();
    world.converge(&world.present()).await;
    let first = world.pid().await;
    for file in ["src/a.test.ts", "src/a.rs", "src/node_modules/x/a.ts", "other.ts"] {
        write(&world, file);
    }
    // In a folder that was not there at the start. All that came before it was seen before it.
    crate::fs::create_dir_all(world.bench.path("src/new/er"), 0o755).unwrap();
    write(&world, "src/new/er/b.ts");
    assert_eq!(respawned(&world).await, "src/new/er/b.ts has changed");
    let second = world.pid().await;
    assert_ne!(first, second);

    write(&world, "package.json");
    assert_eq!(respawned(&world).await, "package.json has changed");
    world.converge(&world.present()).await;
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn what_changed_while_no_controller_was_there_counts() {
    let mut world = world();
    world.converge(&world.present()).await;
    let pid = world.pid().await;
    world.provider = ProcessProvider::new(Arc::clone(&world.supervisor), world.bench.path("logs"));
    world.converge(&world.present()).await;
    assert_eq!(world.pid().await, pid, "nothing has changed");
    // The old provider is gone, and the new one has not looked yet.
    write(&world, "src/deep/c.ts");
    world.provider = ProcessProvider::new(Arc::clone(&world.supervisor), world.bench.path("logs"));
    assert_eq!(respawned(&world).await, "src/deep/c.ts has changed");
    world.converge(&AnyTarget::Gone).await;
}
