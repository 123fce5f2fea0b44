//! What an agent may use, as its user sees it: the reason in its status, its neighbour untouched, and no control group
//! left behind. As this user and in the best way that the host offers, and as one to whom nothing is let.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::path::{Path, PathBuf};

use super::harness::Site;

/// 150 MB in the memory of one of three programs.
const HOG: &str = "head -c 150000000 /dev/zero | tail | sleep 1000";

#[test]
fn an_agent_that_uses_too_much_says_so_and_degrades_alone() {
    use_too_much(Site::new(), "auto");
}

#[test]
fn a_user_without_any_rights_is_held_to_it_too() {
    let mut site = Site::new();
    site.become_a_user();
    use_too_much(site, "none");
}

fn use_too_much(mut site: Site, cgroups: &str) {
    site.edit(
        "agent-1.yaml",
        "spec: {stack: hello}",
        &format!("spec: {{stack: hello, processes: {{hog: {{run: '{HOG}', memory: 48Mi}}}}}}"),
    );
    site.start_with(&[("HARNESS_CGROUPS", cgroups)]);
    site.ready("agent-2");
    let before = site.processes(2);
    site.eventually("the status to say what was too much", || {
        let status = site.object("agent-1")["status"].to_string();
        status.contains(": it used more than its memory of 48Mi").then_some(())
    });
    assert_eq!(site.processes(2), before);
    let info = site.ctl_ok(&["info"]);
    let held = info.lines().find_map(|line| line.strip_prefix("processes   held by ")).unwrap();
    println!("held by {held}");
    assert!(cgroups == "auto" || held == "process groups", "{info}");
    let installation = fs::read_to_string(site.state().join("installation")).unwrap();
    let groups = || groups(Path::new("/sys/fs/cgroup"), installation.trim());
    assert_eq!(groups().is_empty(), held == "process groups", "{:?}", groups());
    site.down();
    assert_eq!(groups(), Vec::<PathBuf>::new());
}

/// The control groups of an installation.
fn groups(below: &Path, installation: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_str() == Some(installation) {
            found.push(entry.path());
        } else {
            found.extend(groups(&entry.path(), installation));
        }
    }
    found
}
