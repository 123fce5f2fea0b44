//! A host on which something is wrong: the clock jumps, no watches can be had. (A full disk is in `bad_input`.)

use std::fs;
use std::path::PathBuf;

use super::super::harness::Site;
use super::super::host::running;

/// What lets a program see another time. Debian's package `faketime`.
pub fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    let mut libraries = folders.map(|it| it.path().join("faketime/libfaketime.so.1"));
    libraries.find(|path| path.is_file()).expect("the package faketime is installed")
}

/// Without a single watch of files, everything is looked at now and then.
#[test]
fn where_no_watch_can_be_had_edits_are_seen_all_the_same() {
    let mut site = Site::new();
    for file in ["agent-1.yaml", "agent-2.yaml", "infra.yaml"] {
        site.remove_spec(file);
    }
    let place = site.folder().display().to_string();
    let write = |site: &Site, round: u32| {
        site.write_spec(
            "stack.yaml",
            &format!(
                "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {{name: blind}}\nspec:\n  \
                 processes: {{main: {{run: sleep 1000010, env: {{PLACE: {place}, ROUND: \"{round}\"}}}}}}\n"
            ),
        );
    };
    write(&site, 0);
    site.write_spec(
        "blind-1.yaml",
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: blind-1}\nspec: {stack: blind}\n",
    );
    // In a user namespace of its own, whose limit is nobody else's.
    let mut command = site.command("unshare");
    let none = "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$@\"";
    command.args(["--user", "--map-root-user", "sh", "-c", none, "sh"]);
    command
        .arg(site.controller().get_program())
        .args(["run", "--resync=2s", "--specs"])
        .arg(site.specs());
    site.begin(command);
    site.ready("blind-1");
    write(&site, 1);
    site.eventually("the edit to be seen", || {
        let rounds =
            running().into_iter().filter(|it| it.environment.contains(&format!("PLACE={place}")));
        let rounds: Vec<bool> =
            rounds.map(|it| it.environment.contains(&"ROUND=1".to_owned())).collect();
        (rounds == [true]).then_some(())
    });
    site.ready("blind-1");
}
