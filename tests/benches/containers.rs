//! Prints how fast shared servers in containers are, each beside what the engine itself takes. Needs a Docker engine and the
//! images of `tests/images/up`. Run `cargo build --release && cargo bench -p agent-harness-tests --bench containers`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]

mod site;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_providers::docker::{Engine, Report, ensure_image};
use site::containers::Servers;
use site::harness::{Site, succeed, text};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 5;
const IMAGE: &str = "pgvector/pgvector:pg16";
const SMALL: &str = "axllent/mailpit:latest";

fn main() {
    say("| Figure | Here | Wanted |\n|---|---|---|");
    pull();
    let site = services();
    no_op(&site);
    killed(&site);
}

/// The same image by the engine's own client and by us, in turn.
fn pull() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = Engine::of_environment();
    let id = ResourceId {
        owner: ObjectKey::infra("bench"),
        uid: Uid::new("u-00000001"),
        kind: ResourceKind::Container,
        name: "bench".to_owned(),
    };
    let report: Report = Arc::new(|_, _| {});
    let stop = CancellationToken::new();
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        forget();
        theirs.push(time(|| drop(docker(&["pull", "--quiet", IMAGE]))));
        forget();
        ours.push(time(|| {
            runtime.block_on(ensure_image(&engine, &id, IMAGE, &report, &stop)).unwrap();
        }));
    }
    let (theirs, ours) = (median(theirs), median(ours));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let what = "pull of PostgreSQL's image from loopback, beside `docker pull`";
    row(what, &format!("{} and {} = {ratio:.2} ×", ms(ours), ms(theirs)), "≤ 1.1 ×");
}

fn forget() {
    let _ = Command::new("docker").args(["rmi", "--force", IMAGE]).output().unwrap();
}

/// Four healthy services.
fn services() -> Site {
    let mut site = Site::on(Servers::Containers);
    for file in ["agent-1.yaml", "agent-2.yaml", "stack.yaml"] {
        site.remove_spec(file);
    }
    let [a, b, c, d] = site::host::free_ports();
    let mut infra = format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Infra\nmetadata: {{name: {}}}\nspec:\n  services:\n",
        site.infra
    );
    for (name, port) in [("a", a), ("b", b), ("c", c), ("d", d)] {
        let ports = format!("{{web: {{host: {port}, container: 8025}}}}");
        writeln!(infra, "    {name}: {{container: {{image: '{SMALL}', ports: {ports}}}}}").unwrap();
    }
    site.write_spec("infra.yaml", &infra);
    site.start_with(&[("RUST_LOG", "warn,agent_harness_engine::converge=debug")]);
    site.ready(&format!("infra/{}", site.infra));
    site
}

/// A look of which nothing follows, asked for by `ctl diff`, less what a `ctl` takes that asks for nothing.
fn no_op(site: &Site) {
    let ask = |words: &[&str]| {
        let times = (0..20).map(|_| time(|| drop(site.ctl_ok(words))));
        median(times.collect())
    };
    let (with, without) = (ask(&["diff"]), ask(&["info"]));
    let looked = with.saturating_sub(without);
    let list =
        median((0..20).map(|_| time(|| drop(docker(&["ps", "--all", "--quiet"])))).collect());
    let both = format!("{} (`docker ps` takes {})", ms(looked), ms(list));
    row("look at four healthy services", &both, "< 20 ms");
}

/// From `docker kill` to running again, beside what the engine takes to start a container that was killed.
fn killed(site: &Site) {
    let name = format!("harness-{}-a-1", site.infra);
    let started = || text(&docker(&["inspect", "--format", "{{.State.StartedAt}}", &name]).stdout);
    let runs = || text(&docker(&["inspect", "--format", "{{.State.Running}}", &name]).stdout);
    let plain = format!("{name}-plain");
    docker(&["run", "--detach", "--name", &plain, "--publish", "127.0.0.1::8025", SMALL]);
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        docker(&["kill", &plain]);
        theirs.push(time(|| drop(docker(&["start", &plain]))));
        let before = started();
        docker(&["kill", &name]);
        ours.push(time(|| while runs().trim() != "true" || started() == before {}));
        // A run of a minute is a healthy one: the next start waits for nothing.
        std::thread::sleep(Duration::from_secs(61));
    }
    docker(&["rm", "--force", &plain]);
    let (theirs, ours) = (median(theirs), median(ours));
    let more = ours.saturating_sub(theirs);
    let both = format!("{} and {}: {} more", ms(ours), ms(theirs), ms(more));
    row("killed → runs again, beside `docker start`", &both, "≤ 300 ms more");
}

fn docker(arguments: &[&str]) -> std::process::Output {
    succeed(Command::new("docker").args(arguments))
}

fn time(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn row(what: &str, here: &str, wanted: &str) {
    say(&format!("| {what} | {here} | {wanted} |"));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}
