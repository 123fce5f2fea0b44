//! Verbs that change something.

use agent_harness_model::api::{Applied, Approved, Change, Deleted, DiffAnswer, SpecDiff, Trashed};
use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_model::status::Phase;
use serde_json::json;

use super::{looking, without_help, world};
use crate::testing::{Asked, Ctl, agent, not_found, stack};

const SPEC: &str = "apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: agent-3}
spec: {stack: hello}
";

fn applied(changes: &[(&str, Change)]) -> String {
    let applied: Vec<_> = changes
        .iter()
        .map(|(name, change)| Applied {
            object: name.parse().unwrap(),
            change: *change,
            generation: 2,
        })
        .collect();
    serde_json::to_string(&applied).unwrap()
}

#[test]
fn apply_says_what_it_did_to_each_object() {
    let asked = Asked::default();
    let note = asked.clone();
    let shown = Ctl::new().file("specs/a.yaml", SPEC).with(
        &["apply", "-f", "STATE/specs"],
        move |line, body| {
            note.note(line);
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["files"][0]["text"], SPEC);
            let changes = [
                ("infra/shared", Change::Unchanged),
                ("agent-2", Change::Configured),
                ("agent-3", Change::Created),
            ];
            (200, applied(&changes))
        },
    );
    insta::assert_snapshot!(shown, @"
    infra/shared unchanged
    agent/agent-2 configured
    agent/agent-3 created
    --- Done
    ");
    insta::assert_snapshot!(asked.lines(), @"POST /v1/apply");
}

#[test]
fn apply_waits_for_the_generation_that_it_made() {
    let looks = std::cell::Cell::new(0);
    let shown = Ctl::new().file("a.yaml", SPEC).with(
        &["apply", "-f", "STATE/a.yaml", "--wait"],
        move |line, _| {
            let mut object = agent("agent-3", Phase::Ready, "");
            looks.set(looks.get() + 1);
            // At first the status is still about the spec before.
            object.metadata.generation = 3;
            object.status.as_mut().unwrap().observed_generation = 2;
            match line {
                "POST /v1/apply" => {
                    let applied = Applied {
                        object: ObjectKey::agent("agent-3"),
                        change: Change::Configured,
                        generation: 3,
                    };
                    (200, serde_json::to_string(&[applied]).unwrap())
                }
                "GET /v1/watch" => (200, String::new()),
                // Its first status is not written yet.
                _ if looks.get() < 4 => not_found(),
                _ if looks.get() < 6 => (200, serde_json::to_string(&object).unwrap()),
                _ => {
                    let status = object.status.as_mut().unwrap();
                    status.observed_generation = 3;
                    status.conditions.iter_mut().for_each(|c| c.observed_generation = 3);
                    (200, serde_json::to_string(&object).unwrap())
                }
            }
        },
    );
    insta::assert_snapshot!(shown, @"
    agent/agent-3 configured
    agent/agent-3 ready
    --- stderr
    agent/agent-3  Progressing  the changed spec is not looked at yet
    --- Done
    ");
}

#[test]
fn what_is_not_well_formed_is_not_sent() {
    let spec = SPEC.replace("stack", "stcak");
    let shown = Ctl::new().file("a.yaml", &spec).alone(&["apply", "-f", "STATE/a.yaml"]);
    insta::assert_snapshot!(without_help(&shown), @"
    --- stderr
    error: unknown key `stcak` in `spec`
     --> STATE/a.yaml:4:8
      |
    4 | spec: {stcak: hello}
      |        ^^^^^
      |

    error: 1 problem in the specs
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().alone(&["apply", "-f", "STATE/none.yaml"]), @"
    --- stderr
    error: STATE/none.yaml: No such file or directory (os error 2)
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().alone(&["apply", "-f", "STATE"]), @"
    --- stderr
    error: STATE holds no spec
     hint: a spec is a *.yaml or *.yml file right in the folder
    --- Failed
    ");
}

#[test]
fn a_refusal_is_shown_as_the_controller_words_it() {
    let shown = Ctl::new().file("a.yaml", SPEC).with(&["apply", "-f", "STATE/a.yaml"], |_, _| {
        let body = json!({
            "message": "nothing was applied",
            "diagnostics": ["error: Stack `hello` does not exist\n --> a.yaml:4:8"],
        });
        (422, body.to_string())
    });
    insta::assert_snapshot!(shown, @"
    --- stderr
    error: Stack `hello` does not exist
     --> a.yaml:4:8

    error: nothing was applied
    --- Failed
    ");
    let shown = Ctl::new().file("a.yaml", SPEC).with(&["apply", "-f", "STATE/a.yaml"], |_, _| {
        let message = "agent/agent-3 comes from Git: commit the change to specs/agent-3.yaml there";
        (409, json!({ "message": message }).to_string())
    });
    insta::assert_snapshot!(shown, @"
    --- stderr
    error: agent/agent-3 comes from Git: commit the change to specs/agent-3.yaml there
    --- Blocked
    ");
}

#[test]
fn verbs_that_need_the_controller_say_how_to_start_it() {
    let shown = Ctl::new().file("a.yaml", SPEC).alone(&["apply", "-f", "STATE/a.yaml"]);
    insta::assert_snapshot!(shown, @"
    --- stderr
    error: the controller does not run: nothing listens on STATE/control.sock
     hint: start it: controller run --specs DIR --state STATE
    --- Failed
    ");
}

#[test]
fn diff_shows_specs_and_plan() {
    let answer = DiffAnswer {
        specs: vec![
            SpecDiff {
                object: ObjectKey::agent("agent-2"),
                before: "stack: hello\nworktree:\n  branch: fix/foo\n".into(),
                after: "stack: hello\nworktree:\n  branch: fix/bar\n".into(),
            },
            SpecDiff {
                object: ObjectKey::agent("agent-3"),
                before: String::new(),
                after: "stack: hello\n".into(),
            },
        ],
        plan: "#1 agent/agent-3 database/agent_3, clone from hello_template_1f3a, does not exist\n\
               held agent/agent-3 process/api, waits for database/agent_3\n"
            .into(),
        steps: 1,
    };
    let text = serde_json::to_string(&answer).unwrap();
    let shown = Ctl::new()
        .file("a.yaml", SPEC)
        .with(&["diff", "-f", "STATE/a.yaml"], move |_, _| (200, text.clone()));
    insta::assert_snapshot!(shown, @"
    --- now/agent/agent-2
    +++ new/agent/agent-2
    @@ -1,3 +1,3 @@
     stack: hello
     worktree:
    -  branch: fix/foo
    +  branch: fix/bar
    --- /dev/null
    +++ new/agent/agent-3
    @@ -0,0 +1 @@
    +stack: hello

    plan: 1 step
      #1 agent/agent-3 database/agent_3, clone from hello_template_1f3a, does not exist
      held agent/agent-3 process/api, waits for database/agent_3
    --- Failed
    ");
    let none = DiffAnswer { specs: Vec::new(), plan: String::new(), steps: 0 };
    let text = serde_json::to_string(&none).unwrap();
    assert_eq!(Ctl::new().with(&["diff"], move |_, _| (200, text.clone())), "--- Done");
    let down = Ctl::new().alone(&["diff"]);
    assert!(down.ends_with("--- Usage"), "a failure is not a difference: {down}");
    for status in [409, 422, 503] {
        let no = move |_: &str, _: &str| (status, json!({"message": "no"}).to_string());
        let refused = Ctl::new().with(&["diff"], no);
        assert!(refused.ends_with("--- Usage"), "{status}: {refused}");
    }
}

#[test]
fn delete_says_until_when_it_comes_back() {
    let went = std::cell::Cell::new(false);
    let deleted = |until: Option<&str>| {
        let deleted = Deleted {
            object: ObjectKey::agent("agent-1"),
            uids: vec![Uid::new("u-agent-1")],
            until: until.map(|until| until.parse().unwrap()),
            destroyed: Vec::new(),
        };
        serde_json::to_string(&deleted).unwrap()
    };
    let kept = deleted(Some("2026-11-25T12:00:00Z"));
    let shown = Ctl::new().with(&["delete", "1"], move |line, body| match line {
        "DELETE /v1/objects/agent/agent-1" => (200, kept.clone()),
        _ => looking(world())(line, body),
    });
    insta::assert_snapshot!(shown, @"
    agent/agent-1 deleted
    --- stderr
    `ctl undelete agent-1` brings it back until 2026-11-25 12:00 UTC
    --- Done
    ");
    let purged = deleted(None);
    let shown =
        Ctl::new().with(&["delete", "1", "--purge", "--yes"], move |line, body| match line {
            "DELETE /v1/objects/agent/agent-1?purge=true" => (200, purged.clone()),
            _ => looking(world())(line, body),
        });
    insta::assert_snapshot!(shown, @"
    agent/agent-1 purged
    --- Done
    ");
    let deleted = deleted(None);
    let shown = Ctl::new().with(
        &["delete", "1", "--purge", "--yes", "--wait"],
        move |line, body| match line {
            "DELETE /v1/objects/agent/agent-1?purge=true" => (200, deleted.clone()),
            "GET /v1/objects/agent/agent-1?uid=u-agent-1" if went.get() => not_found(),
            "GET /v1/watch" => {
                went.set(true);
                not_found()
            }
            _ => looking(world())(line, body),
        },
    );
    insta::assert_snapshot!(shown, @"
    agent/agent-1 purged
    --- Done
    ");
    let shown = Ctl::new().with(&["delete", "1", "77"], |line, body| match line {
        "GET /v1/trash" | "GET /v1/trash?sizes=true" => (200, "[]".to_owned()),
        _ => looking(world())(line, body),
    });
    insta::assert_snapshot!(shown, @"
    --- stderr
    error: agent/agent-77 does not exist
     hint: there are agent-1, agent-2, agent-10
    --- Failed
    ");
}

/// The controller refuses to let go what is used by what is not leaving.
#[test]
fn delete_begins_with_those_that_use_the_others() {
    let delete = |refused: Option<&'static str>| {
        let asked = Asked::default();
        let note = asked.clone();
        let words = ["delete", "infra/shared", "stack/hello", "1", "2", "agent-1"];
        let shown = Ctl::new().with(&words, move |line, body| {
            let Some(path) = line.strip_prefix("DELETE /v1/objects/") else {
                let mut world = world();
                world.push(stack());
                return looking(world)(line, body);
            };
            note.note(path);
            if refused == Some(path) {
                let message = "infra/shared is still used by stack/hello; delete these first";
                return (409, json!({ "message": message }).to_string());
            }
            (200, json!({"object": path, "uids": ["u-12345678"], "until": null}).to_string())
        });
        (shown, asked.lines())
    };
    let (shown, asked) = delete(None);
    insta::assert_snapshot!(asked, @"
    agent/agent-1
    agent/agent-2
    stack/hello
    infra/shared
    ");
    assert!(shown.ends_with("infra/shared deleted\n--- Done"), "{shown}");
    let (shown, _) = delete(Some("infra/shared"));
    insta::assert_snapshot!(shown, @"
    agent/agent-1 deleted
    agent/agent-2 deleted
    stack/hello deleted
    --- stderr
    error: infra/shared is still used by stack/hello; delete these first
     hint: agent/agent-1, agent/agent-2, stack/hello are leaving by now: `ctl wait --for deleted agent/agent-1 agent/agent-2 stack/hello`, then delete the rest
    --- Blocked
    ");
    let (shown, _) = delete(Some("agent/agent-1"));
    assert!(!shown.contains("hint"), "nothing is leaving: {shown}");
}

#[test]
fn undelete_trash_approve() {
    let trash = vec![Trashed {
        object: ObjectKey::agent("agent-4"),
        uid: Uid::new("u-agent-4"),
        since: "2026-11-24T11:00:00Z".parse().unwrap(),
        until: "2026-11-25T11:00:00Z".parse().unwrap(),
        live: false,
        resources: vec!["bucket/agent-4".into(), "database/agent_4".into(), "worktree/tree".into()],
        sizes: [("bucket/agent-4".into(), 1_000_000)].into(),
    }];
    let trash = serde_json::to_string(&trash).unwrap();
    let answer = move |line: &str, body: &str| match line {
        "GET /v1/trash" | "GET /v1/trash?sizes=true" => (200, trash.clone()),
        "DELETE /v1/objects/agent/agent-4?purge=true" => {
            let deleted = json!({"object": "agent/agent-4", "uids": ["u-agent-4"], "until": null});
            (200, deleted.to_string())
        }
        "POST /v1/approve" => {
            let objects = vec![ObjectKey::agent("agent-4"), ObjectKey::agent("agent-5")];
            (200, serde_json::to_string(&Approved { objects }).unwrap())
        }
        "POST /v1/objects/agent/agent-4/undelete" => {
            let applied = applied(&[("agent-4", Change::Restored)]);
            (200, applied.trim_matches(['[', ']']).to_owned())
        }
        _ => looking(world())(line, body),
    };
    insta::assert_snapshot!(Ctl::new().with(&["trash"], answer.clone()), @"
    NAME           UID       DELETED  LEFT  SIZE    KEPT
    agent/agent-4  -agent-4  60m      23h   >977Ki  bucket/agent-4, database/agent_4, worktree/tree
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().with(&["trash", "-o", "name"], answer.clone()), @"
    agent/agent-4
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().with(&["trash", "-o", "yaml"], answer.clone()), @r#"
    - object: agent/agent-4
      uid: u-agent-4
      since: "2026-11-24T11:00:00Z"
      until: "2026-11-25T11:00:00Z"
      resources:
      - bucket/agent-4
      - database/agent_4
      - worktree/tree
      sizes:
        bucket/agent-4: 1000000
    --- Done
    "#);
    let json = Ctl::new().with(&["trash", "-o", "json"], answer.clone());
    assert!(json.starts_with("[\n  {\n    \"object\": \"agent/agent-4\""), "{json}");
    insta::assert_snapshot!(Ctl::new().with(&["delete", "4"], answer.clone()), @"
    --- stderr
    error: agent/agent-4 is in the trash already
     hint: `ctl delete agent-4 --purge` destroys it
     hint: `ctl undelete agent-4` brings it back
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().with(&["delete", "4", "--purge", "-y"], answer.clone()), @"
    agent/agent-4 purged
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().with(&["delete", "agent"], answer.clone()), @"
    --- stderr
    error: which agent? A name is missing
     hint: `ctl get agents -o name` lists them
    --- Usage
    ");
    insta::assert_snapshot!(Ctl::new().with(&["approve"], answer.clone()), @"
    agent/agent-4 approved
    agent/agent-5 approved
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().with(&["undelete", "4"], answer.clone()), @"
    agent/agent-4 restored
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().with(&["undelete", "5"], answer), @"
    --- stderr
    error: agent/agent-5 is not in the trash
     hint: there is agent-4
    --- Failed
    ");
}

#[test]
fn restart_says_what_comes_and_what_cannot() {
    let restart = |words: &[&str], answer: (u16, &'static str)| {
        let asked = Asked::default();
        let note = asked.clone();
        let words: Vec<_> = ["restart", "1"].iter().chain(words).copied().collect();
        let shown = Ctl::new().with(&words, move |line, body| {
            if line.starts_with("POST") {
                note.note(line);
                return (answer.0, answer.1.to_owned());
            }
            looking(world())(line, body)
        });
        format!("{shown}\n{}", asked.lines())
    };
    insta::assert_snapshot!(restart(&[], (204, "")), @"
    agent/agent-1 restarting
    --- Done
    POST /v1/objects/agent/agent-1/restart
    ");
    insta::assert_snapshot!(restart(&["api", "frontend"], (204, "")), @"
    agent/agent-1 process/api restarting
    agent/agent-1 process/frontend restarting
    --- Done
    POST /v1/objects/agent/agent-1/restart?process=api%2Cfrontend
    ");
    let refusal = r#"{"message": "agent/agent-1 has no process `web`; it has api, frontend"}"#;
    insta::assert_snapshot!(restart(&["api", "web"], (404, refusal)), @"
    --- stderr
    error: agent/agent-1 has no process `web`; it has api, frontend
    --- Failed
    POST /v1/objects/agent/agent-1/restart?process=api%2Cweb
    ");
}
