//! Things that look like ours, one of each kind, and do not carry our mark: they are named as conflicts, and nothing
//! that is brought about, taken apart or purged touches them.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::{Value, json};

use super::harness::{Site, succeed, text};
use super::host::{http, started};

/// A program that is not ours; it ends with the test.
struct LookAlike(Child);

impl Drop for LookAlike {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spec(number: u32) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: agent-{number}}}\nspec: {{stack: hello}}\n"
    )
}

/// Everything below a folder, with what the files hold.
fn contents(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.display().to_string(), text(&fs::read(&path).unwrap())));
        }
    }
    found.sort();
    found
}

/// A process that is held, as the files of our processes tell it, for an agent 9 of another installation.
fn other_shim(site: &Site) -> (Child, PathBuf) {
    let run = site.state().join("run");
    let ours = fs::read_dir(&run).unwrap().flatten().map(|entry| entry.path());
    let ours = ours.into_iter().find(|path| path.to_string_lossy().ends_with("~api")).unwrap();
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(ours.join(name)).unwrap()).unwrap()
    };
    let (mut launch, mut held) = (read("launch.json"), read("shim.json"));
    let mark = "agent-harness:0123456789ab:01a00000-0000-7000-8000-0000deadbeef";
    let mut command = Command::new("sleep");
    command.arg("3000").env("HARNESS_MARK", mark).env("HARNESS_PROCESS", "agent-9.deadbeef/api");
    let child = command.spawn().unwrap();
    launch["id"] = json!("agent-9.deadbeef/api");
    launch["mark"] = json!(mark);
    let start: u64 = started(child.id()).parse().unwrap();
    for who in ["shim", "payload"] {
        held[who] = json!({"pid": child.id(), "start": start});
    }
    let folder = run.join("agent-9.deadbeef~api");
    fs::create_dir_all(&folder).unwrap();
    for (name, value) in [("launch.json", launch), ("shim.json", held)] {
        fs::write(folder.join(name), value.to_string()).unwrap();
    }
    (child, folder)
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let mut site = Site::new();
    fs::remove_file(site.specs().join("agent-1.yaml")).unwrap();
    site.start();
    site.ready("agent-2");
    let admin = site.admin();
    let sql = |text: &str| site.sql("postgres", text);

    // Agent 1: a database of the name. Agent 3: a role of the name. Agent 4: a folder in place of its worktree.
    sql("CREATE DATABASE agent_1");
    site.sql("agent_1", "CREATE TABLE precious (n integer)");
    sql("CREATE ROLE agent_3 LOGIN");
    let folder = site.worktree("agent-4");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("precious.txt"), "precious\n").unwrap();
    // Agent 5: a bucket of the name. Agent 6: a worktree of the repository at the place of its own, with its branch.
    assert!(admin.makes("agent-5"));
    admin.put("agent-5", "precious", "precious");
    let tree = site.worktree("agent-6");
    site.git(&["worktree", "add", "--quiet", "-b", "agent/agent-6", tree.to_str().unwrap()]);
    fs::write(tree.join("precious.txt"), "precious\n").unwrap();
    // Agent 7: the branch is there with a file that Git tracks, by the name of a generated one.
    let draft = site.folder().join("draft-tree");
    site.git(&["worktree", "add", "--quiet", "-b", "agent/agent-7", draft.to_str().unwrap()]);
    fs::write(draft.join(".env.agent.7"), "precious\n").unwrap();
    let git = |arguments: &[&str]| {
        succeed(site.command("git").current_dir(&draft).args(arguments));
    };
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Precious"]);
    git(&["checkout", "--quiet", "--detach"]);
    let commit = site.git(&["rev-parse", "agent/agent-7"]);
    // Agent 8: somebody listens on its port.
    let listener = TcpListener::bind(("127.0.0.1", site.api + 80)).unwrap();
    // Agent 9: a shim and its process, in all as ours are, of another installation.
    let (alike, shim) = other_shim(&site);
    let mut alike = LookAlike(alike);
    // And what is nobody's, by names such as ours: a template, and things in the trash.
    sql("CREATE DATABASE hello_template_0badc0de");
    sql("CREATE DATABASE trash_deadbeef_agent_1");
    assert!(admin.makes("trash-deadbeef-agent-1"));
    admin.put("trash-deadbeef-agent-1", "precious", "precious");
    let trash = site.state().join("worktrees/.trash/agent-1-deadbeef-0badc0de");
    fs::create_dir_all(&trash).unwrap();
    fs::write(trash.join("precious.txt"), "precious\n").unwrap();

    let here = || {
        let databases = "SELECT datname, datdba, datacl FROM pg_database WHERE datname IN \
             ('agent_1', 'hello_template_0badc0de', 'trash_deadbeef_agent_1') ORDER BY 1";
        let roles = "SELECT * FROM pg_roles WHERE rolname = 'agent_3'";
        let buckets = ["agent-5", "trash-deadbeef-agent-1"];
        (
            [sql(databases), sql(roles), site.sql("agent_1", "SELECT count(*) FROM precious")],
            buckets.map(|name| admin.objects(name)),
            [&folder, &tree, &shim, &trash].map(|folder| contents(folder)),
            ["agent-6", "agent-7"].map(|name| site.git(&["rev-parse", &format!("agent/{name}")])),
        )
    };
    let before = here();
    let others = site.processes(2);
    for number in [1, 3, 4, 5, 6, 7, 8, 9] {
        site.write_spec(&format!("agent-{number}.yaml"), &spec(number));
    }
    let conflicts = [
        ("agent-1", "agent_1 is there already"),
        ("agent-3", "agent_3 is there already"),
        ("agent-4", "worktrees/agent-4 is a folder with something in it"),
        ("agent-5", "agent-5 is there already"),
        ("agent-6", "worktrees/agent-6"),
        ("agent-7", ".env.agent.7"),
        ("agent-8", "is taken by pid"),
    ];
    for (agent, conflict) in conflicts {
        site.eventually(&format!("the conflict of {agent} to be shown"), || {
            let described = text(&site.ctl(&["describe", agent]).stdout);
            let told = described.contains("conflict: ") && described.contains(conflict);
            told.then_some(())
        });
    }
    site.ready("agent-9");
    assert_eq!(here(), before);
    let tracked = site.worktree("agent-7").join(".env.agent.7");
    assert_eq!(fs::read_to_string(tracked).unwrap(), "precious\n");

    // Neither does anything that ends them.
    let told = site.ctl_ok(&["restart", "9"]);
    site.ready("agent-9");
    assert_eq!(alike.0.try_wait().unwrap(), None, "{told}");
    for number in [1, 3, 4, 5, 6, 7, 8, 9] {
        let name = format!("agent-{number}");
        site.ctl_ok(&["delete", &name, "--purge", "--yes"]);
        site.wait(&name, "deleted");
    }
    assert_eq!(here(), before);
    assert_eq!(site.git(&["rev-parse", "agent/agent-7"]), commit);
    assert_eq!(alike.0.try_wait().unwrap(), None);
    drop(listener);
    assert_eq!(site.processes(2), others);
    assert_eq!(http(site.api + 20, "GET", "/api/v1/health", "").unwrap().0, 200);
}
