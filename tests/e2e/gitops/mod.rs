//! Specs from a Git repository, on real Git servers: what is pushed is brought about, whatever is pushed.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

mod bad;
mod keys;
mod server;
mod team;

use std::fs;
use std::process::Output;

use serde_json::Value;

use super::harness::{Site, succeed, text};
use server::{PASSWORD, Server, USER, key_at};
use team::{PATH, Team};

/// Starts the controller on the repository alone, with more words.
fn start(site: &mut Site, server: &Server, more: &[&str]) {
    let mut command = site.controller();
    let source = format!("team=git:{}#main:{PATH}", server.url);
    command.args(["run", "--interval", "1h", "--source", &source]).args(more);
    if server.url.starts_with("ssh:") {
        command.env("GIT_SSH_COMMAND", server.ssh());
    }
    site.begin(command);
}

/// The one source, as it stands.
fn source(site: &Site) -> Value {
    let all: Value = serde_json::from_str(&site.ctl_ok(&["sources", "-o", "json"])).unwrap();
    all[0].clone()
}

/// Asks for news, and gives the commit in force.
fn sync(site: &Site) -> String {
    site.ctl_ok(&["sync"]);
    source(site)["commit"]["id"].as_str().unwrap().to_owned()
}

/// Asks for news that are not to come into force; all that is said.
fn sync_in_vain(site: &Site) -> String {
    let output = site.ctl(&["sync"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn what_is_pushed_is_brought_about_and_changed_nowhere_else() {
    let mut site = Site::new();
    let port = site.store + 2;
    let server = Server::of_http(&site, port);
    let helper = format!(
        "[credential]\n\thelper = \"!f() {{ echo username={USER}; echo 'password={PASSWORD}'; }}; f\"\n"
    );
    site.write_home(".gitconfig", &helper);
    let team = Team::begin(&site, &server);
    let hook = site.store + 4;
    start(&mut site, &server, &["--webhook", &hook.to_string()]);
    site.ready("agent-1");
    site.ready("agent-2");
    let first = team.git(&site, &["rev-parse", "HEAD"]);
    let stands = source(&site);
    assert_eq!(stands["commit"]["id"], first.as_str(), "{stands}");
    assert_eq!(stands["commit"]["subject"], "The specs of the team");
    let one = site.object("agent-1");
    assert_eq!(one["metadata"]["commit"], first.as_str());
    let from = one["metadata"]["source"].as_str().unwrap();
    assert!(from.ends_with(&format!("sources/team/{PATH}/agent-1.yaml:1")), "{from}");

    // It is not changed here.
    let changed = "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: agent-1}\nspec: {stack: hello, env: {A: b}}\n";
    site.write_home("changed.yaml", changed);
    let file = site.folder().join("home/changed.yaml");
    for words in [
        &["apply", "-f", file.to_str().unwrap()][..],
        &["delete", "1"],
        &["delete", "1", "--purge", "--yes"],
    ] {
        let refused = site.ctl(words);
        assert_eq!(refused.status.code(), Some(4), "{words:?}: {}", said(&refused));
        let wanted = format!("commit to {PATH}/agent-1.yaml on branch main of {}", server.url);
        assert!(said(&refused).contains(&wanted), "{words:?}: {}", said(&refused));
    }
    // What is the same as there changes nothing.
    let same = fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap();
    site.write_home("same.yaml", &same);
    let file = site.folder().join("home/same.yaml");
    let unchanged = site.ctl_ok(&["apply", "-f", file.to_str().unwrap()]);
    assert!(unchanged.contains("unchanged"), "{unchanged}");
    assert_eq!(fs::read_dir(site.state().join("local")).unwrap().count(), 0);

    // One more agent, and an edit that is told by a webhook.
    site.write_spec("agent-3.yaml", &same.replace("agent-1", "agent-3"));
    let second = team.push_all(&site, "One more");
    assert_eq!(sync(&site), second);
    site.ready("agent-3");
    assert_eq!(site.object("agent-3")["metadata"]["commit"], second.as_str());
    assert_eq!(site.object("agent-1")["metadata"]["commit"], first.as_str(), "it is the same");
    site.write_spec("agent-3.yaml", &changed.replace("agent-1", "agent-3"));
    let third = team.push_all(&site, "Another environment");
    let secret = site.secret("webhook");
    assert_eq!(tell(&site, hook, "a guess"), "401");
    assert_eq!(source(&site)["commit"]["id"], second.as_str());
    assert_eq!(tell(&site, hook, &secret), "202");
    site.eventually("what the webhook was about", || {
        (source(&site)["commit"]["id"] == third.as_str()).then_some(())
    });
    site.eventually("the new environment", || {
        site.ctl_ok(&["env", "3"]).contains("A=b").then_some(())
    });

    // It goes, and comes back as one that is kept here.
    site.ready("agent-3");
    fs::write(site.worktree("agent-3").join("work"), "of hours").unwrap();
    site.remove_spec("agent-3.yaml");
    team.push_all(&site, "One less");
    sync(&site);
    site.ctl_ok(&["wait", "agent-3", "--for", "deleted", "--timeout", "60s"]);
    site.ctl_ok(&["undelete", "3"]);
    site.ready("agent-3");
    assert_eq!(fs::read_to_string(site.worktree("agent-3").join("work")).unwrap(), "of hours");
    site.ctl_ok(&["delete", "3", "--purge", "--yes", "--wait"]);

    // A controller without the source takes nothing for removed; neither does one that is killed.
    let untouched = (site.processes(1), site.processes(2));
    site.kill();
    let mut command = site.controller();
    command.args(["run", "--specs"]).arg(site.state().join("local"));
    site.begin(command);
    site.eventually("deletions to be frozen", || {
        said(&site.ctl(&["info"])).contains("came from the source team").then_some(())
    });
    site.kill();
    start(&mut site, &server, &[]);
    site.ready("agent-1");
    site.ready("agent-2");
    assert_eq!((site.processes(1), site.processes(2)), untouched);
}

/// Tells that there is something new, as GitHub does; the status of the answer.
fn tell(site: &Site, port: u16, secret: &str) -> String {
    let body = r#"{"ref": "refs/heads/main"}"#;
    site.write_home("body", body);
    let body = site.folder().join("home/body");
    let mut hmac = site.command("openssl");
    let told =
        text(&succeed(hmac.args(["dgst", "-sha256", "-r", "-hmac", secret]).arg(&body)).stdout);
    let signature = told.split_whitespace().next().unwrap();
    let mut curl = site.command("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary"]);
    curl.arg(format!("@{}", body.display()));
    curl.args(["-H", &format!("X-Hub-Signature-256: sha256={signature}")]);
    text(&succeed(curl.arg(format!("http://127.0.0.1:{port}/hooks/team"))).stdout)
}

#[test]
fn only_what_the_team_has_signed_comes_into_force() {
    let mut site = Site::new();
    let port = site.store + 2;
    let server = Server::of_ssh(&site, port);
    let (ann, eve) = (site.folder().join("home/ann"), site.folder().join("home/eve"));
    for key in [&ann, &eve] {
        key_at(key);
    }
    let public = fs::read_to_string(ann.with_extension("pub")).unwrap();
    site.write_home("signers", &format!("ann@example.org {public}"));
    let sign_with = |team: &Team, site: &Site, key: &std::path::Path| {
        let key = key.display().to_string();
        for (name, value) in
            [("gpg.format", "ssh"), ("user.signingkey", key.as_str()), ("commit.gpgsign", "true")]
        {
            team.git(site, &["config", name, value]);
        }
    };
    let team = Team::begin(&site, &server);
    let signers = format!("ssh:{}", site.folder().join("home/signers").display());
    start(&mut site, &server, &["--signers", &signers]);

    // Nothing of what nobody has signed.
    let unsigned = site.eventually("the first try to fail", || {
        site.ctl(&["sources"]).status.success().then_some(())?;
        source(&site)["error"].as_str().map(str::to_owned)
    });
    assert!(unsigned.contains("is not signed by anybody in"), "{unsigned}");
    assert_eq!(site.ctl_ok(&["get", "-o", "name"]), "");

    sign_with(&team, &site, &ann);
    let first = team.push_all(&site, "Signed");
    assert_eq!(sync(&site), first);
    site.ready("agent-1");
    site.ready("agent-2");
    let untouched = (site.processes(1), site.processes(2));

    // What somebody else has signed removes nothing.
    sign_with(&team, &site, &eve);
    site.remove_spec("agent-2.yaml");
    let bad = team.push_all(&site, "Signed by another one");
    let why = sync_in_vain(&site);
    assert!(why.contains(&format!("commit {} is not signed by anybody", &bad[..9])), "{why}");
    assert_eq!(source(&site)["commit"]["id"], first.as_str());
    assert_eq!(source(&site)["refused"]["id"], bad.as_str());

    // What is signed on top of it counts for all of it.
    sign_with(&team, &site, &ann);
    let second = team.push_all(&site, "Signed on top of it");
    assert_eq!(sync(&site), second);
    site.ctl_ok(&["wait", "agent-2", "--for", "deleted", "--timeout", "60s"]);
    assert_eq!(site.processes(1), untouched.0);
}

#[test]
fn a_file_says_what_specs_come_from() {
    let mut site = Site::new();
    let more = site.folder().join("home/more");
    fs::create_dir(&more).unwrap();
    let agent = fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap();
    fs::write(more.join("agent-1.yaml"), &agent).unwrap();
    site.remove_spec("agent-1.yaml");
    let specs = site.specs();
    let text = format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Controller\nspec:\n  specs: {}\n  sources: {{more: {{folder: more}}}}\n",
        specs.display()
    );
    site.write_home("controller.yaml", &text);
    let mut command = site.controller();
    command.args(["run", "--config"]).arg(site.folder().join("home/controller.yaml"));
    site.begin(command);
    site.ready("agent-1");
    site.ready("agent-2");
    let other = agent.replace("{stack: hello}", "{stack: hello, env: {EXTRA: one}}");
    site.write_home("other.yaml", &other);
    let file = site.folder().join("home/other.yaml");
    let refused = site.ctl(&["apply", "-f", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    let wanted = format!(
        "comes from the source more and is changed there: edit {}",
        more.join("agent-1.yaml").display()
    );
    assert!(said(&refused).contains(&wanted), "{}", said(&refused));
    fs::write(more.join("agent-1.yaml"), &other).unwrap();
    site.eventually("the edit", || site.ctl_ok(&["env", "1"]).contains("EXTRA=one").then_some(()));
    // A folder that is away is an accident.
    site.ready("agent-1");
    let kept = site.processes(1);
    fs::rename(&more, site.folder().join("home/away")).unwrap();
    site.eventually("the folder to be missed", || {
        said(&site.ctl(&["info"])).contains("home/more does not exist").then_some(())
    });
    fs::rename(site.folder().join("home/away"), &more).unwrap();
    site.ready("agent-1");
    assert_eq!(site.processes(1), kept);
}

#[test]
fn once_fetches_first_and_says_when_it_cannot() {
    let site = Site::new();
    let server = Server::of_files(&site);
    let team = Team::begin(&site, &server);
    let once = |url: &str| {
        let mut command = site.controller();
        command.args(["once", "--source", &format!("team=git:{url}#main:{PATH}")]);
        command.output().unwrap()
    };
    let done = once(&server.url);
    assert!(done.status.success(), "{}", said(&done));
    // What was in force before is not enough.
    site.remove_spec("agent-2.yaml");
    let second = team.push_all(&site, "One less");
    let done = once(&server.url);
    assert!(done.status.success(), "{}", said(&done));
    assert!(!said(&done).contains("agent/agent-2 Ready"), "{}", said(&done));
    assert!(fs::read_to_string(site.state().join("sources/team.json")).unwrap().contains(&second));
    let stuck = once(&format!("{}-gone", server.url));
    assert_eq!(stuck.status.code(), Some(4), "{}", said(&stuck));
    assert!(said(&stuck).contains("the source team: "), "{}", said(&stuck));
}
