//! `apply`: where files go, and what is never written over.

use std::path::Path;
use std::process::Command;

use agent_harness_model::api::DiffAnswer;

use super::{AGENT, Applied, Change, Object, Site, StatusCode, files, fs, request};

const PATH: &str = "/v1/objects/agent/agent-3";

impl Site {
    async fn apply_files(&self, given: &[(&str, Option<&Path>, &str)]) -> Vec<Applied> {
        self.ok("POST", "/v1/apply", &files(given)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_beside_the_spec_files_is_put_among_them() {
    let site = Site::start();
    let specs = site.folder.path().join("specs");
    let folder = specs.join("sub");
    fs::create_dir_all(&folder, 0o755).unwrap();
    site.until("the Stack", async || site.is_there("/v1/objects/stack/s").await).await;
    for (name, folder, agent) in [
        ("x.yaml", &folder, "agent-3"),
        (".hidden.yaml", &specs, "agent-4"),
        ("notes.txt", &specs, "agent-5"),
    ] {
        let text = AGENT.replace("agent-3", agent);
        fs::write_atomic(folder.join(name), &text, 0o644).unwrap();
        let applied = site.apply_files(&[(name, Some(folder), &text)]).await;
        assert_eq!((applied[0].change, applied[0].generation), (Change::Created, 1), "{name}");
        assert_eq!(fs::read_to_string(site.spec(&format!("{agent}.yaml"))).unwrap(), text);
    }
    // What is read already is left where it is, also under another name of the folder.
    let link = site.folder.path().join("link");
    std::os::unix::fs::symlink(&specs, &link).unwrap();
    let text = AGENT.replace("agent-3", "agent-6");
    fs::write_atomic(site.spec("own-name.yaml"), &text, 0o644).unwrap();
    site.apply_files(&[("own-name.yaml", Some(&link), &text)]).await;
    assert!(site.is_there("/v1/objects/agent/agent-6").await);
    assert!(fs::metadata(site.spec("agent-6.yaml")).unwrap().is_none());
    site.engine.stop().await;
}

fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

const STACK: &str = "\
apiVersion: agent-harness.dev/v1alpha1
kind: Stack
metadata: {name: app}
spec:
  worktree: {repo: ../app, base: HEAD}
  files: {a.env: {from: a.template}}
  processes: {main: {run: sleep 1000}}
---
apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: agent-3}
spec: {stack: app}
";

#[tokio::test(flavor = "multi_thread")]
async fn relative_paths_start_at_the_file_that_was_given() {
    let site = Site::start();
    let (app, mine) = (site.folder.path().join("app"), site.folder.path().join("mine"));
    for folder in [&app, &mine] {
        fs::create_dir_all(folder, 0o755).unwrap();
    }
    git(&app, &["init", "--quiet", "--initial-branch=main"]);
    git(&app, &["commit", "--quiet", "--allow-empty", "--message", "first"]);
    site.until("the Stack", async || site.is_there("/v1/objects/stack/s").await).await;

    let given = [("mine/stack.yaml", Some(mine.as_path()), STACK)];
    // The name is as it was typed; the file that is missing, where it was looked for.
    let (status, body) = site.refused("POST", "/v1/apply", &files(&given)).await;
    let words = body.diagnostics.join("\n");
    assert_eq!(status, 422, "{words}");
    let place = words.lines().find(|line| line.contains("-->")).unwrap_or_default().trim();
    assert_eq!(place, "--> mine/stack.yaml:6:19", "{words}");
    assert!(words.contains(&format!("there is no file {}/a.template", mine.display())), "{words}");

    fs::write_atomic(mine.join("a.template"), "A=1\n", 0o644).unwrap();
    let diff: DiffAnswer = site.ok("POST", "/v1/diff", &files(&given)).await;
    assert!(diff.plan.contains("file/a.env"), "{}", diff.plan);
    let changes = |applied: Vec<Applied>| applied.iter().map(|it| it.change).collect::<Vec<_>>();
    assert_eq!(changes(site.apply_files(&given).await), [Change::Created, Change::Created]);
    let written = fs::read_to_string(site.spec("app.yaml")).unwrap();
    assert!(written.contains(&format!("repo: \"{}\"", app.display())), "{written}");
    // And once more, it is the same.
    assert_eq!(changes(site.apply_files(&given).await), [Change::Unchanged, Change::Unchanged]);
    assert_eq!(fs::read_to_string(site.spec("app.yaml")).unwrap(), written);
    let diff: DiffAnswer = site.ok("POST", "/v1/diff", &files(&given)).await;
    assert!(diff.specs.is_empty(), "{:?}", diff.specs);
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_is_writing_is_not_written_over() {
    let site = Site::start();
    site.apply(AGENT).await;
    let edited = AGENT.replace("{stack: s}", "{stack: s, id: 7}");
    let wrong = AGENT.replace("{stack: s}", "{stack: nowhere}");
    for (there, why) in [
        ("kind: [", "is being edited, or is broken"),
        (wrong.as_str(), "holds another agent/agent-3 than the one that is in force"),
    ] {
        fs::write_atomic(site.spec("agent-3.yaml"), there, 0o644).unwrap();
        for text in [edited.as_str(), AGENT] {
            let (status, body) = site.refused("POST", "/v1/apply", &request(text)).await;
            assert_eq!(status, 409, "{}", body.message);
            assert!(body.message.contains(why), "{}", body.message);
            assert_eq!(fs::read_to_string(site.spec("agent-3.yaml")).unwrap(), there);
        }
    }
    // What is there already needs no writing.
    fs::write_atomic(site.spec("agent-3.yaml"), &edited, 0o644).unwrap();
    site.apply(&edited).await;
    let object: Object = site.ok("GET", PATH, b"").await;
    assert_eq!(object.spec["id"], 7);
    // A file that got another name is written where it is now.
    fs::rename(site.spec("agent-3.yaml"), site.spec("moved.yaml")).unwrap();
    assert_eq!(site.apply(AGENT).await[0].change, Change::Configured);
    assert_eq!(fs::read_to_string(site.spec("moved.yaml")).unwrap(), AGENT);
    assert_eq!(site.call("GET", PATH, b"").await.0, StatusCode::OK);
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_written_together_or_not_at_all() {
    let site = Site::start();
    site.apply(AGENT).await;
    fs::write_atomic(site.spec("agent-3.yaml"), "kind: [", 0o644).unwrap();
    let other = AGENT.replace("agent-3", "agent-2");
    let both = files(&[("a.yaml", None, &other), ("b.yaml", None, AGENT)]);
    assert_eq!(site.refused("POST", "/v1/apply", &both).await.0, 409);
    assert!(fs::metadata(site.spec("agent-2.yaml")).unwrap().is_none());
    site.engine.stop().await;
}

/// A command that failed has no effect later on, either.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_in_is_not_left_in_the_folder() {
    let site = Site::start();
    site.apply(AGENT).await;
    site.until("the process", async || site.world.running().len() == 1).await;
    let (ledger, away) =
        (site.folder.path().join("state/ledger"), site.folder.path().join("state/away"));
    // As on a full disk: the folder of specs can be written, and the ledger cannot.
    fs::rename(&ledger, &away).unwrap();
    let edited = AGENT.replace("{stack: s}", "{stack: s, id: 9}");
    let other = AGENT.replace("agent-3", "agent-4");
    let both = request(&format!("{other}---\n{edited}"));
    let before = fs::list_dir(site.spec("")).unwrap();
    for (method, path, body) in [("POST", "/v1/apply", &both), ("DELETE", PATH, &Vec::new())] {
        let (status, body) = site.refused(method, path, body).await;
        assert_eq!(status, 500);
        assert!(body.message.starts_with("nothing was "), "{}", body.message);
        assert!(body.message.contains("the folder of specs is as it was"), "{}", body.message);
        assert_eq!(fs::list_dir(site.spec("")).unwrap(), before);
        assert_eq!(fs::read_to_string(site.spec("agent-3.yaml")).unwrap(), AGENT);
    }
    fs::rename(&away, &ledger).unwrap();
    let object: Object = site.ok("GET", &format!("{PATH}?fresh=true"), b"").await;
    assert_eq!(object.metadata.deletion_timestamp, None);
    let diff: DiffAnswer = site.ok("POST", "/v1/diff", br#"{"files":[]}"#).await;
    assert_eq!(diff.plan, "");
    assert!(!site.is_there("/v1/objects/agent/agent-4").await);
    let _: Vec<Applied> = site.ok("POST", "/v1/apply", &both).await;
    site.engine.stop().await;
}
