//! What watching files costs: one watcher for all processes, whatever their number, and none where there is none to be
//! had. Each test is played by this test program, run anew, as others of it watch files too.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use agent_harness_model::kinds::process::Watch;

use super::super::changes::FileWatches;
use super::super::probe::Run;
use super::*;

/// Set to how many there are that watch; nothing is played in an ordinary run.
const PLAYED: &str = "HARNESS_TEST_WATCHERS";

/// Runs one of the plays below. `before`: what a shell does first, as root of its own.
fn play(name: &str, count: usize, before: Option<&str>) -> String {
    let this = std::env::current_exe().unwrap();
    let mut command = match before {
        None => Command::new(&this),
        Some(before) => {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "/bin/sh", "-c"]);
            command.arg(format!("{before} && exec \"$@\"")).arg("sh").arg(&this);
            command
        }
    };
    command.arg(format!("process::tests::watchers::{name}")).args(["--exact", "--nocapture"]);
    let played = command.env(PLAYED, count.to_string()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&played.stdout).into_owned();
    assert!(played.status.success(), "{said}{}", String::from_utf8_lossy(&played.stderr));
    assert!(said.contains("1 passed"), "{said}");
    said
}

fn count() -> Option<usize> {
    std::env::var(PLAYED).ok()?.parse().ok()
}

/// How many folders each inotify instance of this process watches.
fn watchers() -> Vec<usize> {
    let opened = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let is_inotify = |path: &PathBuf| {
        std::fs::read_link(path).is_ok_and(|to| to.as_os_str() == "anon_inode:inotify")
    };
    let watchers = opened.map(|entry| entry.path()).filter(is_inotify);
    let folders = |path: PathBuf| {
        let info = format!("/proc/self/fdinfo/{}", path.file_name().unwrap().display());
        crate::fs::read_to_string(info).unwrap().matches("inotify wd:").count()
    };
    watchers.map(folders).collect()
}

/// Processes that each watch a folder of their own.
struct Watching {
    bench: Bench,
    files: FileWatches,
    hints: tokio::sync::broadcast::Receiver<ProcessId>,
    all: Vec<(ProcessId, Run, Watch)>,
}

impl Watching {
    async fn new(count: usize) -> Self {
        let bench = Bench::new();
        let (sender, hints) = tokio::sync::broadcast::channel(4096);
        let mut all = Vec::new();
        for number in 0..count {
            let launch = bench.launch(&format!("a-{number}/x"), "exec sleep 1000");
            bench.supervisor.start(&launch).await.unwrap();
            let root = bench.path(&format!("tree-{number}"));
            crate::fs::create_dir_all(root.join("src"), 0o755).unwrap();
            let process = bench.supervisor.get(&launch.id).unwrap().unwrap();
            let run = bench.supervisor.run(&launch.id, &process).unwrap();
            let paths = vec!["src/**".to_owned()];
            let watch = Watch { root, paths, ignore: Vec::new(), delay_ms: 1 };
            all.push((launch.id, run, watch));
        }
        Self { files: FileWatches::new(sender), bench, hints, all }
    }

    fn changed(&self, number: usize) -> Option<String> {
        let (id, run, watch) = &self.all[number];
        self.files.changed(id, run, Some(watch))
    }

    /// Writes a file for some, and waits until each of them is told of it.
    async fn write(&mut self, whose: impl Iterator<Item = usize> + Clone) {
        let mut expected = BTreeSet::new();
        for number in whose.clone() {
            let (id, _, watch) = &self.all[number];
            crate::fs::write_atomic(watch.root.join("src/file"), "new", 0o644).unwrap();
            expected.insert(id.clone());
        }
        while !expected.is_empty() {
            let hint = tokio::time::timeout(Duration::from_secs(60), self.hints.recv());
            expected.remove(&hint.await.expect("a hint comes").unwrap());
        }
        for number in whose {
            assert!(self.changed(number).is_some_and(|name| name.starts_with("src/")));
        }
    }

    async fn end(self) {
        for (id, ..) in &self.all {
            self.bench.supervisor.stop(id, Signal::KILL, Duration::ZERO).await.unwrap();
        }
    }
}

#[test]
fn one_watcher_does_for_all_processes() {
    let said = play("all_are_watched", 200, None);
    println!("{}", said.lines().find(|line| line.contains("inotify")).unwrap());
}

#[tokio::test]
async fn all_are_watched() {
    let Some(count) = count() else { return };
    assert_eq!(watchers(), [0; 0]);
    let mut watching = Watching::new(count).await;
    for number in 0..count {
        assert_eq!(watching.changed(number), None);
    }
    // The folder of each, and the `src` in it is the one that is watched.
    until(|| (watchers() == [count]).then_some(())).await;
    println!("{count} processes watch files: {} inotify", watchers().len());
    // Some are told, and the others are not. Whoever was told watches no more.
    watching.write(0..count / 2).await;
    for number in count / 2..count {
        assert_eq!(watching.changed(number), None, "nothing has changed for it");
    }
    until(|| (watchers() == [count - count / 2]).then_some(())).await;
    watching.write(count / 2..count).await;
    until(|| (watchers() == [0]).then_some(())).await;
    watching.end().await;
}

/// Two of one tree, one of them by another name for it: each is told in its own words.
#[tokio::test]
async fn a_folder_that_two_watch_is_watched_once() {
    let Some(_) = count() else { return };
    let mut watching = Watching::new(2).await;
    let link = watching.bench.path("link");
    std::os::unix::fs::symlink(&watching.all[0].2.root, &link).unwrap();
    watching.all[1].2.root = link;
    for number in 0..2 {
        assert_eq!(watching.changed(number), None);
    }
    until(|| (watchers() == [1]).then_some(())).await;
    let src = watching.all[0].2.root.join("src");
    crate::fs::create_dir_all(src.join("deep"), 0o755).unwrap();
    until(|| (watchers() == [2]).then_some(())).await;
    watching.write(0..1).await;
    let (id, ..) = &watching.all[1];
    until(|| watching.hints.try_recv().ok().filter(|hint| hint == id)).await;
    assert!(watching.changed(1).is_some_and(|name| name.starts_with("src/")));
    watching.end().await;
}

#[test]
fn what_is_watched_twice_is_told_twice() {
    play("a_folder_that_two_watch_is_watched_once", 2, None);
}

/// The folder that is watched goes, and another one comes in its place: that one is watched.
#[tokio::test]
async fn what_takes_the_place_of_a_folder_is_watched() {
    let Some(_) = count() else { return };
    let mut watching = Watching::new(1).await;
    let src = watching.all[0].2.root.join("src");
    assert_eq!(watching.changed(0), None);
    until(|| (watchers() == [1]).then_some(())).await;
    for _ in 0..20 {
        // Moved here with what is in it, which is older than the run.
        let draft = watching.bench.path("draft");
        crate::fs::create_dir_all(draft.join("deep"), 0o755).unwrap();
        crate::fs::rename(&src, watching.bench.path("gone")).unwrap();
        crate::fs::rename(&draft, &src).unwrap();
        until(|| (watchers() == [2]).then_some(())).await;
        crate::fs::remove_dir_all(watching.bench.path("gone")).unwrap();
    }
    crate::fs::write_atomic(src.join("deep/file"), "new", 0o644).unwrap();
    until(|| watching.hints.try_recv().ok()).await;
    assert!(watching.changed(0).is_some());
    watching.end().await;
}

#[test]
fn a_folder_that_is_replaced_is_watched_again() {
    play("what_takes_the_place_of_a_folder_is_watched", 1, None);
}

/// More folders than the system gives watches for, or no watcher at all: all that changes is seen nevertheless.
#[tokio::test]
async fn some_are_looked_at() {
    let Some(count) = count() else { return };
    let mut watching = Watching::new(count).await;
    for number in 0..count {
        assert_eq!(watching.changed(number), None);
    }
    let most = || watchers().into_iter().sum::<usize>();
    until(|| (most() <= 3).then_some(())).await;
    watching.write(0..count).await;
    assert!(most() <= 3, "{:?}", watchers());
    watching.end().await;
}

#[test]
fn where_the_system_has_no_more_watches_files_are_looked_at() {
    let limit =
        |what: &str, most: usize| format!("echo {most} > /proc/sys/user/max_inotify_{what}");
    let allowed = Command::new("unshare")
        .args(["--user", "--map-root-user", "/bin/sh", "-c", &limit("watches", 3)])
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        let is_root = rustix::process::geteuid().is_root();
        assert!(!is_root || std::env::var_os("CI").is_none(), "no user namespace can be made here");
        println!("NOT TESTED: no user namespace can be made here");
        return;
    }
    play("some_are_looked_at", 6, Some(&limit("watches", 3)));
    play("some_are_looked_at", 6, Some(&limit("instances", 0)));
}
