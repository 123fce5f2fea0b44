//! Prints what specs from a Git repository cost: a fetch that brings nothing beside one by hand, and a thousand agents in
//! one commit. Nothing here fails for being slow. Run `cargo build --release && cargo bench -p agent-harness-tests --bench
//! gitops`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]

mod site;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use site::harness::{Site, succeed};

const AGENTS: usize = 1000;
const ROUNDS: usize = 15;
const HEAD: &str = "apiVersion: agent-harness.dev/v1alpha1";

fn main() {
    let mut site = Site::new();
    let work = site.folder().join("home/team");
    let bare = site.folder().join("home/team.git");
    let url = format!("file://{}", bare.display());
    git(
        &site,
        &["init", "--quiet", "--bare", "--initial-branch=main", bare.to_str().unwrap()],
        None,
    );
    git(&site, &["init", "--quiet", "--initial-branch=main", work.to_str().unwrap()], None);
    // Nothing but what every agent has: it is about specs, not about what they ask for.
    let stack = format!(
        "{HEAD}\nkind: Stack\nmetadata: {{name: s}}\nspec: {{ports: {{web: 20000}}, env: {{A: b}}}}\n"
    );
    let (frontend, _) = (site.frontend, site.api);
    fs::write(work.join("stack.yaml"), stack.replace("20000", &frontend.to_string())).unwrap();
    push(&site, &work, &url, "The Stack");
    let mut command = site.controller();
    command.args(["run", "--interval", "1h", "--source", &format!("team=git:{url}#main")]);
    site.begin(command);
    site.eventually("the Stack", || site.ctl(&["get", "stack/s"]).status.success().then_some(()));
    println!("| Figure | Here | Wanted |");
    println!("|---|---|---|");

    let clone = site.state().join("sources/team");
    let status = || site.ctl_ok(&["get", "stack/s", "-o", "json"]);
    let before = status();
    let (mut by_hand, mut by_us) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let words = [
            "fetch",
            "--quiet",
            "--no-tags",
            "origin",
            "+refs/heads/main:refs/remotes/origin/main",
        ];
        by_hand.push(took(|| git(&site, &words, Some(&clone))));
        by_us.push(took(|| drop(site.ctl_ok(&["sync"]))));
    }
    assert_eq!(status(), before, "nothing was done");
    println!(
        "| `ctl sync` that finds nothing new, beside `git fetch` | {} ms and {} ms | nothing but the fetch |",
        ms(median(by_us)),
        ms(median(by_hand))
    );

    for number in 1..=AGENTS {
        let text = format!(
            "{HEAD}\nkind: Agent\nmetadata: {{name: agent-{number}}}\nspec: {{stack: s}}\n"
        );
        fs::write(work.join(format!("agent-{number}.yaml")), text).unwrap();
    }
    push(&site, &work, &url, "A thousand agents");
    let fetch = took(|| {
        let other = site.folder().join("home/other");
        git(&site, &["clone", "--quiet", &url, other.to_str().unwrap()], None);
    });
    let sync = took(|| drop(site.ctl_ok(&["sync"])));
    println!(
        "| {AGENTS} agents in one commit: `ctl sync`, of it a fetch and checkout alone | {} ms, {} ms | < 1 s |",
        ms(sync),
        ms(fetch)
    );
    let all = || site.ctl_ok(&["get", "agents", "-o", "name"]).lines().count();
    assert_eq!(all(), AGENTS);
    let ready = took(|| {
        let ready = || site.ctl_ok(&["get", "agents"]).matches(" Ready ").count() == AGENTS;
        site.eventually("all of them", || ready().then_some(()));
    });
    println!("| until all of them are Ready, after that | {} ms | |", ms(ready));
    let diff = took(|| drop(site.ctl(&["diff"])));
    println!("| `ctl diff`: everything planned anew | {} ms | |", ms(diff));
}

fn git(site: &Site, words: &[&str], folder: Option<&PathBuf>) {
    let mut command = site.command("git");
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    succeed(command.args(words));
}

fn push(site: &Site, work: &PathBuf, url: &str, subject: &str) {
    git(site, &["add", "--all"], Some(work));
    git(site, &["commit", "--quiet", "-m", subject], Some(work));
    git(site, &["push", "--quiet", url, "HEAD:refs/heads/main"], Some(work));
}

fn took(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn ms(time: Duration) -> u128 {
    time.as_millis()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
