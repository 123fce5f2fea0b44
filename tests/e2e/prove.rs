//! `ctl prove`, the plan's last phase: two agents are tried against each other, and end one after the other.

use std::fs;

use serde_json::Value;

use super::harness::{Site, text};

fn proofs(report: &Value) -> Vec<(bool, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |proof: &Value| {
        (proof["passed"].as_bool().unwrap(), text(&proof["claim"]), text(&proof["found"]))
    };
    report["proofs"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn agents_are_kept_apart_and_the_end_of_one_harms_no_other() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let told = site.ctl(&["prove", "--stack", "hello", "-o", "json"]);
    let report: Value = serde_json::from_slice(&told.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&told.stdout), text(&told.stderr)));
    assert_eq!((told.status.code(), &report["status"]), (Some(0), &"pass".into()), "{report:#}");
    assert_eq!(report["agents"], serde_json::json!(["prove-3", "prove-4"]));
    let claims: Vec<String> = proofs(&report).into_iter().map(|(_, claim, _)| claim).collect();
    insta::assert_snapshot!(claims.join("\n"), @"
    ports, database, role, bucket and worktree differ
    prove-3 opens its own database, and not that of prove-4
    prove-3 opens its own bucket, and not that of prove-4
    files of prove-3 with secrets are closed to other users of the host
    no process of prove-3 was given a secret of prove-4
    prove-4 opens its own database, and not that of prove-3
    prove-4 opens its own bucket, and not that of prove-3
    files of prove-4 with secrets are closed to other users of the host
    no process of prove-4 was given a secret of prove-3
    prove-3 is healthy
    prove-4 is healthy
    nothing is left of prove-3
    the end of prove-3 harms nothing of prove-4
    nothing is left of prove-4
    ");
    // What was tried was really refused, by the servers themselves.
    let found = |claim: &str| {
        proofs(&report).into_iter().find(|proof| proof.1.starts_with(claim)).unwrap().2
    };
    assert!(found("prove-3 opens its own database").contains("permission denied"), "{report:#}");
    assert!(found("prove-3 opens its own bucket").contains("AccessDenied"), "{report:#}");
    // Nothing of them is left, also by another way to look.
    assert_eq!(
        site.sql(
            "postgres",
            "SELECT datname FROM pg_database WHERE datname IN ('agent_3', 'agent_4')"
        ),
        ""
    );
    let left = fs::read_dir(site.specs()).unwrap().flatten();
    let left: Vec<_> = left.map(|it| it.file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.starts_with("prove")), "{left:?}");
    assert!(!text(&site.ctl(&["trash"]).stdout).contains("prove"));

    // It sees what is not as it should be, and what nobody puts right.
    site.edit("agent-1.yaml", "{stack: hello}", "{stack: hello, suspend: true}");
    site.wait("agent-1", "condition=Suspended");
    let tree = site.worktree("agent-1");
    let env = tree.join(".env.agent.1");
    fs::set_permissions(&env, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    site.sql("postgres", "GRANT CONNECT ON DATABASE agent_2 TO agent_1");
    let told = site.ctl(&["prove", "1", "2"]);
    let words = text(&told.stdout);
    assert_eq!(told.status.code(), Some(1), "{words}");
    let failed: Vec<&str> = words.lines().filter(|line| line.starts_with("fail")).collect();
    assert!(failed.iter().any(|line| line.contains("it opens agent_2")), "{words}");
    let open = ".env.agent.1 can be read by others";
    assert!(failed.iter().any(|line| line.contains(open)), "{words}");
}

#[test]
fn what_cannot_be_tried_says_why() {
    let mut site = Site::new();
    site.edit(
        "stack.yaml",
        "    api:\n",
        "    broken: {run: \"false\", restart: never}\n    api:\n",
    );
    site.start();
    site.wait("stack/hello", "ready");
    let told = site.ctl(&["prove", "--stack", "hello", "--timeout", "90s"]);
    assert_eq!(told.status.code(), Some(3), "{}", text(&told.stdout));
    assert!(text(&told.stderr).contains("broken"), "{}", text(&told.stderr));
    // What it made for that is gone all the same.
    assert!(!text(&site.ctl(&["get", "agents"]).stdout).contains("prove"));
    let told = site.ctl(&["prove", "--stack", "nothing"]);
    assert_ne!(told.status.code(), Some(0));
    let told = site.ctl(&["prove", "1", "stack/hello"]);
    assert_eq!(told.status.code(), Some(2));
}
