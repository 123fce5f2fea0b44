//! What may be pushed, or happen to a repository: the last good version stays in force, nothing is removed, and whoever asks
//! is told.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::super::harness::{Site, succeed};
use super::server::{Server, USER};
use super::team::{PATH, Team};
use super::{said, source, start, sync, sync_in_vain};

/// Files in one commit.
const MANY: usize = 10_000;

/// What must not change, whatever is pushed.
fn standing(site: &Site) -> impl PartialEq + std::fmt::Debug + use<> {
    let oid =
        "SELECT oid FROM pg_database WHERE datname IN ('agent_1', 'agent_2') ORDER BY datname";
    (site.processes(1), site.processes(2), site.sql("postgres", oid))
}

#[test]
fn whatever_is_pushed_removes_nothing_and_is_told() {
    let mut site = Site::new();
    let server = Server::of_files(&site);
    let team = Team::begin(&site, &server);
    start(&mut site, &server, &["--rewritten", "refuse"]);
    site.ready("agent-1");
    site.ready("agent-2");
    let (good, before) = (team.git(&site, &["rev-parse", "HEAD"]), standing(&site));
    let specs = site.specs();
    let in_force = |commit: &str| assert_eq!(source(&site)["commit"]["id"], commit);
    let info = || said(&site.ctl(&["info"]));
    let unharmed = |what: &str| {
        for name in ["agent-1", "agent-2"] {
            assert!(site.ctl(&["get", name]).status.success(), "{what}: {name} is gone");
        }
        assert_eq!(standing(&site), before, "{what}");
    };

    // What keeps the whole commit from coming into force.
    let git =
        |words: &[&str]| succeed(Command::new("git").arg("-C").arg(server.path()).args(words));
    git(&["update-ref", "-d", "refs/heads/main"]);
    let why = sync_in_vain(&site);
    assert!(why.contains("has no branch `main` (any more): push it, or name another one"), "{why}");
    in_force(&good);
    unharmed("the branch is gone");

    let hidden = server.folder().join("team/away.git");
    fs::rename(server.path(), &hidden).unwrap();
    let why = sync_in_vain(&site);
    assert!(why.contains("cannot be fetched: "), "{why}");
    in_force(&good);
    unharmed("the repository is gone");
    assert!(info().contains("the source team: "), "{}", info());
    fs::rename(hidden, server.path()).unwrap();

    team.git(&site, &["mv", PATH, "elsewhere"]);
    let moved = team.push_all(&site, "Moved");
    let why = sync_in_vain(&site);
    let wanted =
        format!("commit {} has no folder `{PATH}`: put it back, or name another path", &moved[..9]);
    assert!(why.contains(&wanted), "{why}");
    in_force(&good);
    unharmed("the path is gone");
    let back = team.revert_to(&site, &good);
    assert_eq!(sync(&site), back);

    team.git(&site, &["commit", "--quiet", "--amend", "-m", "Rewritten"]);
    team.push(&site);
    let why = sync_in_vain(&site);
    assert!(why.contains(&format!("does not follow {}, which is in force", &back[..9])), "{why}");
    in_force(&back);
    unharmed("the history was rewritten");
    team.git(&site, &["reset", "--quiet", "--hard", &back]);
    team.push(&site);
    assert_eq!(sync(&site), back);

    // What is wrong with a file alone.
    let agent = fs::read_to_string(specs.join("agent-1.yaml")).unwrap();
    let conflict = format!("<<<<<<< HEAD\n{agent}=======\n{agent}>>>>>>> other\n");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_owned();
    let files = [
        (conflict, "is in the middle of a merge"),
        (pointer, "this is a pointer of Git LFS, not the file itself"),
        ("kind: [".to_owned(), "agent-1.yaml"),
    ];
    for (text, wanted) in files {
        site.write_spec("agent-1.yaml", &text);
        let commit = team.push_all(&site, "Wrong");
        assert_eq!(sync(&site), commit, "the others come into force");
        let told = site.eventually("the status to say what is wrong", || {
            let told = site.ctl_ok(&["describe", "agent-1"]);
            told.contains(wanted).then_some(told)
        });
        assert!(told.contains("SourceValid"), "{told}");
        unharmed(wanted);
        team.revert_to(&site, &good);
        sync(&site);
    }
    symlink("/etc/passwd", specs.join("agent-3.yaml")).unwrap();
    team.push_all(&site, "A symlink");
    sync(&site);
    assert!(
        info().contains("the file is a symlink (to /etc/passwd), and these are not followed"),
        "{}",
        info()
    );
    unharmed("a symlink");
    team.revert_to(&site, &good);
    sync(&site);

    // All of them go at once, with something else left in the folder, and without.
    for left in [true, false] {
        team.git(&site, &["rm", "-r", "--quiet", PATH]);
        if left {
            fs::create_dir_all(&specs).unwrap();
            fs::write(specs.join("README.md"), "empty").unwrap();
        }
        team.push_all(&site, "All of them");
        let told = said(&site.ctl(&["sync"]));
        let told = if left { info() } else { told };
        let wanted = if left { "holds no spec files any more" } else { "has no folder" };
        assert!(told.contains(wanted), "{told}");
        unharmed("all were removed");
        team.revert_to(&site, &good);
        sync(&site);
    }
    // Very many at once; that they want a Stack that is not there spares this host ten thousand databases.
    for number in 0..MANY {
        let agent = agent.replace("{name: agent-1}", &format!("{{name: many-{number}}}"));
        let agent = agent.replace("{stack: hello}", "{stack: nobodys}");
        fs::write(specs.join(format!("many-{number}.yaml")), agent).unwrap();
    }
    let commit = team.push_all(&site, "Very many");
    assert_eq!(sync(&site), commit);
    let told = site.eventually("the last of them to be told of", || {
        let output = site.ctl(&["describe", &format!("many-{}", MANY - 1)]);
        let told = said(&output);
        told.contains("nobodys").then_some(told)
    });
    assert!(told.contains("there is no valid Stack named `nobodys`"), "{told}");
    unharmed("very many");
    team.revert_to(&site, &good);
    sync(&site);
    site.ready("agent-1");
    site.ready("agent-2");
    unharmed("all of it");
}

#[test]
fn a_wrong_password_is_told_and_removes_nothing() {
    let mut site = Site::new();
    let port = site.store + 2;
    let server = Server::of_http(&site, port);
    let helper =
        "[credential]\n\thelper = \"!f() { echo username=ann; echo password=wrong; }; f\"\n";
    site.write_home(".gitconfig", helper);
    start(&mut site, &server, &[]);
    let why = site.eventually("the first try to fail", || {
        site.ctl(&["sources"]).status.success().then_some(())?;
        source(&site)["error"].as_str().map(str::to_owned)
    });
    assert!(
        why.contains(&format!("http://{USER}@127.0.0.1:{port}/team/specs.git cannot be fetched: ")),
        "{why}"
    );
    assert!(why.contains("Authentication failed"), "{why}");
    assert!(!why.contains("wrong"), "{why}");
}
