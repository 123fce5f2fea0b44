//! What counts as everything: over a real engine and a world of processes in memory.

use std::collections::BTreeSet;
use std::path::Path;

use agent_harness_model::id::ObjectKey;
use agent_harness_providers::fs;
use jiff::SignedDuration;

use super::*;
use crate::core::Config;
use crate::testing::Hall;

/// A state folder and a specs folder with a Stack of one process and two agents.
struct Site {
    folder: tempfile::TempDir,
}

const HEAD: &str = "apiVersion: agent-harness.dev/v1alpha1";

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(site.specs(), 0o755).unwrap();
        site.stack("main");
        for name in ["agent-1", "agent-2"] {
            let text =
                format!("{HEAD}\nkind: Agent\nmetadata: {{name: {name}}}\nspec: {{stack: s}}\n");
            site.write(&format!("{name}.yaml"), &text);
        }
        site
    }

    fn specs(&self) -> std::path::PathBuf {
        self.folder.path().join("specs")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write_atomic(self.specs().join(name), text, 0o644).unwrap();
    }

    fn stack(&self, process: &str) {
        let text = format!(
            "{HEAD}\nkind: Stack\nmetadata: {{name: s}}\nspec: {{processes: {{{process}: {{run: sleep 1000}}}}}}\n"
        );
        self.write("s.yaml", &text);
    }

    fn engine(&self, specs: &Path, world: &Hall) -> Engine<Hall> {
        let mut config = Config::new(specs.into(), self.folder.path().join("state")).unwrap();
        config.grace = SignedDuration::from_millis(300);
        Engine::start(config, |_| Ok(world.clone())).unwrap()
    }

    /// What `once` comes to.
    async fn once(&self, world: &Hall, seconds: u64) -> End {
        let engine = self.engine(&self.specs(), world);
        let end = bring_about(engine.core(), Duration::from_secs(seconds)).await;
        engine.stop().await;
        end
    }
}

fn whys(end: &End) -> Vec<String> {
    let (End::Late(missing) | End::Stuck(missing)) = end else { panic!("{end:?}") };
    let temporary = std::env::temp_dir();
    let why = |why: &str| {
        // The test's own folder has another name each time.
        let (before, after) = why.split_once(&*temporary.to_string_lossy())?;
        Some(format!("{before}…/{}", after.rsplit_once('/')?.1))
    };
    missing
        .iter()
        .flat_map(|(what, missing)| missing.whys.iter().map(move |said| (what, said)))
        .map(|(what, said)| format!("{what}: {}", why(said).unwrap_or(said.clone())))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_controller_saw_does_not_count() {
    let site = Site::new();
    let world = Hall::default();
    assert_eq!(site.once(&world, 30).await, End::Ready);
    assert_eq!(world.running().len(), 2);
    let end = site.once(&world.dark(), 2).await;
    assert!(matches!(end, End::Late(_)), "{end:?}");
    assert_eq!(
        whys(&end),
        ["agent-1", "agent-2"].map(|name| format!(
            "agent/{name}: Degraded: process/main cannot be seen: the lights are out"
        ))
    );
    assert_eq!(site.once(&world, 30).await, End::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_not_everything() {
    let site = Site::new();
    let world = Hall::default();
    assert_eq!(site.once(&world, 30).await, End::Ready);
    fs::rename(site.specs(), site.folder.path().join("away")).unwrap();
    let end = site.once(&world, 60).await;
    assert!(matches!(end, End::Stuck(_)), "{end:?}");
    assert!(whys(&end).iter().any(|why| why.contains("specs does not exist")), "{end:?}");
    assert_eq!(world.running().len(), 2, "an accident takes nothing along");
}

#[test]
fn a_folder_that_never_was_there_is_a_mistake() {
    let site = Site::new();
    let specs = site.folder.path().join("spces");
    let config = Config::new(specs.clone(), site.folder.path().join("state")).unwrap();
    let started = Engine::start(config, |_| Ok(Hall::default()));
    let said = started.err().map(|error| error.to_string()).unwrap_or_default();
    let folder = specs.display();
    assert!(said.starts_with(&format!("there is no folder {folder}; make it, or")), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_is_carried_out_to_its_end() {
    let site = Site::new();
    let world = Hall::default();
    assert_eq!(site.once(&world, 30).await, End::Ready);
    fs::remove_file_if_exists(site.specs().join("agent-1.yaml")).unwrap();
    assert_eq!(site.once(&world, 30).await, End::Ready);
    let left: BTreeSet<_> = world.running().into_iter().map(|id| id.owner).collect();
    assert_eq!(left, [ObjectKey::agent("agent-2")].into());
    // And with the last agent the Stack, which may only leave after it.
    for name in ["agent-2.yaml", "s.yaml"] {
        fs::remove_file_if_exists(site.specs().join(name)).unwrap();
    }
    site.write(
        "other.yaml",
        &format!("{HEAD}\nkind: Stack\nmetadata: {{name: other}}\nspec: {{}}\n"),
    );
    let engine = site.engine(&site.specs(), &world);
    assert_eq!(bring_about(engine.core(), Duration::from_secs(30)).await, End::Ready);
    let live: Vec<_> = {
        let ledger = engine.core().ledger();
        let live = ledger.records().filter(|record| record.deletion.is_none());
        live.map(|record| record.key.to_string()).collect()
    };
    assert_eq!(live, ["stack/other"]);
    assert!(world.running().is_empty());
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_early_when_nothing_more_can_come() {
    let site = Site::new();
    site.stack("bad");
    let begun = Instant::now();
    let end = site.once(&Hall::default(), 100).await;
    assert!(begun.elapsed() < Duration::from_secs(60), "it waited for what cannot come");
    assert!(matches!(end, End::Stuck(_)), "{end:?}");
    assert_eq!(
        whys(&end),
        ["agent-1", "agent-2"].map(|name| format!(
            "agent/{name}: Stalled: process/bad: there is no such command (asked for at …/s.yaml:4:20)"
        ))
    );
    // Of each object every reason is said.
    site.write(
        "agent-2.yaml",
        &format!("{HEAD}\nkind: Agent\nmetadata: {{name: agent-2}}\nspec: {{stcak: s, idd: 2}}\n"),
    );
    let end = site.once(&Hall::default(), 100).await;
    let of = |agent: &str| {
        let said =
            whys(&end).into_iter().filter(|why| why.starts_with(&format!("agent/{agent}: ")));
        said.map(|why| why.split("; ").next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("agent-1").len(), 1);
    assert_eq!(
        of("agent-2"),
        [
            "agent/agent-2: …/agent-2.yaml:4:8: unknown key `stcak` in `spec`",
            "agent/agent-2: …/agent-2.yaml:4:18: unknown key `idd` in `spec`",
            "agent/agent-2: Stalled: process/bad: there is no such command (asked for at …/s.yaml:4:20)"
        ]
    );
    // A source problem alone, with everything else at work.
    site.stack("main");
    site.write("agent-2.yaml", "kind: [");
    let end = site.once(&Hall::default(), 100).await;
    assert!(matches!(end, End::Stuck(_)), "{end:?}");
    assert!(whys(&end).iter().all(|why| why.contains("agent-2.yaml")), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_everything_is_ended() {
    let site = Site::new();
    let engine = site.engine(&site.specs(), &Hall::default().dark());
    let ended = bring_about(engine.core(), Duration::from_secs(60));
    let (end, down) = tokio::join!(ended, engine.down(false));
    assert_eq!(end, End::Down);
    assert!(down.is_ok(), "{down:?}");
    engine.stop().await;
}
