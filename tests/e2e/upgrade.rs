//! Another build of the programs takes over while agents run: nothing starts anew, and what the shims of the one
//! before hold is in the hands of the new one.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::harness::{Site, programs};
use super::host::started;

/// What is held in the run folders, by process: which run it is and which start of it, by which shim and payload, and
/// whether these live or how it ended.
fn held(site: &Site) -> BTreeMap<String, Value> {
    let read = |path: &Path| -> Value {
        let text = fs::read_to_string(path).unwrap_or_else(|_| "null".to_owned());
        serde_json::from_str(&text).unwrap()
    };
    let lives = |identity: &Value| {
        let pid = u32::try_from(identity["pid"].as_u64().unwrap()).unwrap();
        started(pid).parse().ok() == identity["start"].as_u64()
    };
    let folders = fs::read_dir(site.state().join("run")).unwrap().flatten();
    let of = |folder: &Path| {
        let [launch, record, exit] =
            ["launch.json", "shim.json", "exit.json"].map(|file| read(&folder.join(file)));
        if record["payload"].is_null() {
            return Value::Null;
        }
        json!({
            "instance": launch["instance"], "restarts": launch["restarts"],
            "shim": record["shim"], "payload": record["payload"],
            "lives": [lives(&record["shim"]), lives(&record["payload"])], "outcome": exit["outcome"],
        })
    };
    // `agent-1.0a1b2c3d~api` is `agent-1 api` here.
    let name = |folder: &str| {
        let (owner, process) = folder.split_once('~').unwrap();
        format!("{} {process}", owner.split('.').next().unwrap())
    };
    let mut held: BTreeMap<String, Value> = folders
        .map(|entry| (name(&entry.file_name().into_string().unwrap()), of(&entry.path())))
        .collect();
    // It goes on failing meanwhile.
    held.remove("agent-2 failing");
    held
}

/// How often the one that always fails was started again: as its run folder has it, and as its log does.
fn failures(site: &Site) -> [u64; 2] {
    let folders = fs::read_dir(site.state().join("run")).unwrap().flatten();
    let mut folders = folders.filter(|it| it.file_name().to_str().unwrap().ends_with("~failing"));
    let recorded = folders.next().map_or(0, |folder| {
        let launch = fs::read_to_string(folder.path().join("launch.json")).unwrap_or_default();
        let launch: Value = serde_json::from_str(&launch).unwrap_or_default();
        launch["restarts"].as_u64().unwrap_or_default()
    });
    let log = site.state().join("logs/agent-agent-2/process/failing.log");
    let log = fs::read_to_string(log).unwrap_or_default();
    [recorded, (log.matches("shim F started with pid").count() as u64).saturating_sub(1)]
}

/// Lets the new controller do something that begins with a look at everything: one process more.
fn looked_at_everything(site: &Site, before: &str, name: &str) {
    let more = format!("{before}, {name}: {{run: sleep 1000}}");
    site.edit("agent-1.yaml", before, &more);
    site.ready("agent-1");
    site.eventually("it to run", || {
        held(site).contains_key(&format!("agent-1 {name}")).then_some(())
    });
}

#[test]
fn another_build_takes_over_and_nothing_starts_anew() {
    let mut site = Site::new();
    // What a spec says of the programs' folder is another matter.
    site.edit("stack.yaml", "${harness.bin}", programs().to_str().unwrap());
    let extra = "watched: {run: sleep 1000, watch: {paths: [watched/**], delay: 10ms}}, \
                 once: {run: echo done, restart: never}";
    let of_agent_1 = format!("{{stack: hello, processes: {{{extra}}}}}");
    site.edit("agent-1.yaml", "{stack: hello}", &of_agent_1);
    let failing = "{stack: hello, processes: {failing: {run: [/bin/sh, -c, exit 3]}}}";
    site.edit("agent-2.yaml", "{stack: hello}", failing);
    site.install("old", b"");
    site.start();
    site.ready("agent-1");
    site.eventually("the one that fails to do so again and again", || {
        let [restarts, _] = failures(&site);
        (restarts >= 2).then_some(())
    });
    let before = site.eventually("all to be held", || {
        let held = held(&site);
        let count =
            |lives: bool| held.values().filter(|it| it["lives"] == json!([lives, lives])).count();
        // Two servers, three processes of each agent, the one that watches; and the one that is done.
        ((count(true), count(false)) == (9, 1)).then_some(held)
    });
    assert_eq!(before["agent-1 once"]["outcome"], json!({"code": 0}));

    // Ended as a service is, and replaced in its place.
    let restarts = failures(&site)[0];
    assert_eq!(site.terminate().code(), Some(0));
    assert_eq!(held(&site), before);
    site.install("old", b"of another build");
    let gone = |process: &str| {
        let exe = fs::read_link(format!("/proc/{}/exe", before[process]["shim"]["pid"])).unwrap();
        exe.to_str().unwrap().ends_with("/old/agent-shim (deleted)")
    };
    assert!(gone("agent-1 api"), "the file of its shim is another one now");
    site.start();
    looked_at_everything(&site, extra, "second");
    let second = held(&site);
    for (process, was) in &before {
        assert_eq!(&second[process], was, "{process}");
    }
    assert!(failures(&site)[0] >= restarts, "it counts on");

    // Killed, and replaced by one that lies elsewhere.
    site.kill();
    fs::remove_dir_all(site.folder().join("old")).unwrap();
    site.install("new", b"of a third build");
    site.start();
    looked_at_everything(&site, extra, "third");
    let third = held(&site);
    for (process, was) in &second {
        assert_eq!(&third[process], was, "{process}");
    }
    let counted = site.eventually("its counts to agree", || {
        let [recorded, logged] = failures(&site);
        (recorded == logged).then_some(recorded)
    });
    assert!(counted >= restarts, "it counts on");

    // What the first build holds is in the hands of the third.
    let log = site.ctl_ok(&["logs", "1", "once"]);
    assert!(log.contains("done"), "{log}");
    site.ctl_ok(&["restart", "1", "worker"]);
    fs::create_dir_all(site.worktree("agent-1").join("watched")).unwrap();
    fs::write(site.worktree("agent-1").join("watched/file"), "new").unwrap();
    let off = format!("{extra}, frontend: {{enabled: false}}");
    site.edit("agent-1.yaml", extra, &off);
    let ours = |held: &BTreeMap<String, Value>, process: &str| held.get(process).cloned();
    site.eventually("a restart, a watch and a stop to do their work", || {
        let now = held(&site);
        let runs_anew = |process: &str| {
            let it = &now[process];
            it["instance"] != before[process]["instance"] && it["lives"] == json!([true, true])
        };
        let stopped = ours(&now, "agent-1 frontend").is_none();
        (runs_anew("agent-1 worker") && runs_anew("agent-1 watched") && stopped).then_some(())
    });
    for process in ["agent-1 worker", "agent-1 watched", "agent-1 frontend"] {
        let pid = before[process]["payload"]["pid"].as_u64().unwrap();
        let was = before[process]["payload"]["start"].to_string();
        assert_ne!(started(u32::try_from(pid).unwrap()), was, "{process} is ended");
    }
    let last = held(&site);
    for process in ["agent-1 api", "agent-1 once", "agent-2 api", "agent-2 worker"] {
        assert_eq!(last[process], before[process], "{process}");
    }
}
