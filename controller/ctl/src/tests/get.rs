//! `ctl get`, in all its forms.

use agent_harness_model::api::Object;
use agent_harness_model::status::Phase;

use super::{look, looking, world};
use crate::testing::{Ctl, With as _, agent, lines};

#[test]
fn a_table_of_everything() {
    insta::assert_snapshot!(look(&["get"]), @"
    NAME            PHASE        READY  BRANCH          URL                    AGE  MESSAGE
    infra/shared    Ready        2/2                                           5m
    agent/agent-1   Ready        5/5    agent/agent-1   http://127.0.0.1:3010  5m
    agent/agent-2   Progressing  4/5    agent/agent-2   http://127.0.0.1:3020  5m   process/api is starting: connection refused
    agent/agent-10  Stalled      4/5    agent/agent-10                         5m   port 3100 is taken by pid 4711 (node server.js)
    --- Done
    ");
}

#[test]
fn names_and_kinds_choose() {
    insta::assert_snapshot!(look(&["get", "10", "agent/agent-1"]), @"
    NAME      PHASE    READY  BRANCH          URL                    AGE  MESSAGE
    agent-1   Ready    5/5    agent/agent-1   http://127.0.0.1:3010  5m
    agent-10  Stalled  4/5    agent/agent-10                         5m   port 3100 is taken by pid 4711 (node server.js)
    --- Done
    ");
    insta::assert_snapshot!(look(&["get", "infra"]), @"
    NAME          PHASE  READY  AGE
    infra/shared  Ready  2/2    5m
    --- Done
    ");
    insta::assert_snapshot!(look(&["get", "agent", "10"]), @"
    NAME      PHASE    READY  BRANCH          AGE  MESSAGE
    agent-10  Stalled  4/5    agent/agent-10  5m   port 3100 is taken by pid 4711 (node server.js)
    --- Done
    ");
    insta::assert_snapshot!(look(&["get", "stacks"]), @"
    --- stderr
    nothing there yet: `ctl apply -f FILE` creates objects
    --- Done
    ");
}

#[test]
fn a_narrow_terminal_cuts_the_message_and_never_the_name() {
    let narrow = Ctl::on_terminal(90, false).with(&["get", "agents"], looking(world()));
    insta::assert_snapshot!(narrow, @"
    NAME      PHASE        READY  URL                    AGE  MESSAGE
    agent-1   Ready        5/5    http://127.0.0.1:3010  5m
    agent-2   Progressing  4/5    http://127.0.0.1:3020  5m   process/api is starting: connec…
    agent-10  Stalled      4/5                           5m   port 3100 is taken by pid 4711…
    --- Done
    ");
    let tiny = Ctl::on_terminal(40, false).with(&["get", "agents"], looking(world()));
    insta::assert_snapshot!(tiny, @"
    NAME      PHASE        READY  URL                    AGE  MESSAGE
    agent-1   Ready        5/5    http://127.0.0.1:3010  5m
    agent-2   Progressing  4/5    http://127.0.0.1:3020  5m   process/api is star…
    agent-10  Stalled      4/5                           5m   port 3100 is taken…
    --- Done
    ");
}

#[test]
fn colours_go_by_phase() {
    let shown = Ctl::on_terminal(120, true).with(&["get", "agents"], looking(world()));
    insta::assert_snapshot!(shown.replace('\x1b', "␛"), @"
    ␛[2mNAME␛[0m      ␛[2mPHASE␛[0m        ␛[2mREADY␛[0m  ␛[2mBRANCH␛[0m          ␛[2mURL␛[0m                    ␛[2mAGE␛[0m  ␛[2mMESSAGE␛[0m
    agent-1   ␛[32mReady␛[0m        5/5    agent/agent-1   ␛[36mhttp://127.0.0.1:3010␛[0m  ␛[2m5m␛[0m
    agent-2   ␛[36mProgressing␛[0m  4/5    agent/agent-2   ␛[36mhttp://127.0.0.1:3020␛[0m  ␛[2m5m␛[0m   process/api is starting: connection refused
    agent-10  ␛[1m␛[31mStalled␛[0m      4/5    agent/agent-10                         ␛[2m5m␛[0m   port 3100 is taken by pid 4711 (node server.j…
    --- Done
    ");
}

#[test]
fn other_forms() {
    insta::assert_snapshot!(look(&["get", "-o", "name"]), @"
    infra/shared
    agent/agent-1
    agent/agent-2
    agent/agent-10
    --- Done
    ");
    insta::assert_snapshot!(look(&["get", "agents", "-o", "wide"]), @"
    NAME      PHASE        READY  BRANCH          URLS                                                      AGE  SOURCE                 MESSAGE
    agent-1   Ready        5/5    agent/agent-1   api=http://127.0.0.1:8010 frontend=http://127.0.0.1:3010  5m   specs/agent-1.yaml:1
    agent-2   Progressing  4/5    agent/agent-2   api=http://127.0.0.1:8020 frontend=http://127.0.0.1:3020  5m   specs/agent-2.yaml:1   process/api is starting: connection refused
    agent-10  Stalled      4/5    agent/agent-10                                                            5m   specs/agent-10.yaml:1  port 3100 is taken by pid 4711 (node server.js)
    --- Done
    ");
    insta::assert_snapshot!(look(&["get", "infra/shared", "-o", "yaml"]), @r#"
    apiVersion: agent-harness.dev/v1alpha1
    kind: Infra
    metadata:
      name: shared
      uid: u-shared
      generation: 2
      creationTimestamp: "2026-11-24T11:55:00Z"
      source: specs/infra.yaml:4
    spec:
      postgres:
        embedded:
          port: 15432
    status:
      observedGeneration: 2
      phase: Ready
      conditions:
      - type: Ready
        status: "True"
        reason: AllReady
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      - type: Synced
        status: "True"
        reason: Valid
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      - type: Progressing
        status: "False"
        reason: Working
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      - type: Stalled
        status: "False"
        reason: NotStalled
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      - type: CrashLoop
        status: "False"
        reason: NoCrashes
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      - type: Drifted
        status: "False"
        reason: AsWanted
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      - type: Suspended
        status: "False"
        reason: Active
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      - type: SourceValid
        status: "True"
        reason: Valid
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      - type: DeletionBlocked
        status: "False"
        reason: NotBlocked
        message: ""
        observedGeneration: 2
        lastTransitionTime: "2026-11-24T11:58:00Z"
      ports:
        postgres: 15432
      resources:
        process/api:
          state: Ready
        process/frontend:
          state: Ready
    --- Done
    "#);
    let json = look(&["get", "agents", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(json.trim_end_matches("--- Done")).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);
}

#[test]
fn what_is_not_there_is_said_with_what_may_have_been_meant() {
    insta::assert_snapshot!(look(&["get", "agent-11"]), @"
    --- stderr
    error: agent/agent-11 does not exist
     hint: there are agent-1, agent-2, agent-10
    --- Failed
    ");
    insta::assert_snapshot!(look(&["get", "shared"]), @"
    --- stderr
    error: agent/shared does not exist
     hint: there is infra/shared
    --- Failed
    ");
    insta::assert_snapshot!(look(&["get", "stack/hello"]), @"
    --- stderr
    error: stack/hello does not exist
     hint: there is no stack yet
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().with(&["get"], looking(Vec::new())), @"
    --- stderr
    nothing there yet: `ctl apply -f FILE` creates objects
    --- Done
    ");
}

#[test]
fn a_status_about_an_older_spec_is_not_shown_as_the_present_one() {
    let mut changed = agent("agent-1", Phase::Ready, "");
    changed.metadata.generation = 3;
    let mut leaving = agent("agent-2", Phase::Ready, "");
    leaving.metadata.deletion_timestamp = Some(leaving.metadata.creation_timestamp);
    let mut new = agent("agent-3", Phase::Ready, "");
    new.status = None;
    let shown = Ctl::new().with(&["get"], looking(vec![changed, leaving, new]));
    insta::assert_snapshot!(shown, @"
    NAME     PHASE        READY  BRANCH         URL                    AGE  MESSAGE
    agent-1  Progressing  5/5    agent/agent-1  http://127.0.0.1:3010  5m   the changed spec is not looked at yet
    agent-2  Deleting     5/5    agent/agent-2                         5m
    agent-3  Pending             agent/agent-3                         5m   not looked at yet
    --- Done
    ");
}

#[test]
fn a_url_is_shown_while_something_may_answer_there() {
    let with = |state: &str| {
        agent("agent-1", Phase::Progressing, "no").with(|status| {
            for (name, resource) in &mut status.resources {
                if name.starts_with("process/") {
                    state.clone_into(&mut resource.state);
                }
            }
        })
    };
    let shows = |object: Object| {
        let shown = [&["get"][..], &["get", "-o", "wide"]]
            .map(|words| Ctl::new().with(words, looking(vec![object.clone()])).contains("http://"));
        assert_eq!(shown[0], shown[1], "both tell the same");
        shown[0]
    };
    assert!(shows(with("Ready")) && shows(with("Running")));
    assert!(!shows(with("Missing")) && !shows(with("Exited")));
    for phase in [Phase::Stalled, Phase::Pending, Phase::Suspended, Phase::Deleting] {
        assert!(!shows(agent("agent-1", phase, "no")), "{phase}");
    }
}

/// What is wrong with a file that holds no object is in no status.
#[test]
fn files_that_hold_no_object_are_told_of() {
    let problem = "/specs/x.yaml:3:18: `../x` is not a name";
    let info = format!(
        r#"{{"version":"0.1.0","pid":1,"state":"/s","specs":"/specs","frozen":null,"problems":["{problem}"]}}"#
    );
    let answer = move |line: &str, body: &str| match line {
        "GET /v1/info" => (200, info.clone()),
        _ => looking(vec![agent("agent-1", Phase::Ready, "")])(line, body),
    };
    insta::assert_snapshot!(Ctl::new().with(&["get", "agents"], answer.clone()), @"
    NAME     PHASE  READY  BRANCH         URL                    AGE
    agent-1  Ready  5/5    agent/agent-1  http://127.0.0.1:3010  5m
    --- stderr
    warning: /specs/x.yaml:3:18: `../x` is not a name
    --- Done
    ");
    // Who asks for one, or for a list to work with, gets that.
    for words in [&["get", "1"][..], &["get", "-o", "name"]] {
        let shown = Ctl::new().with(words, answer.clone());
        assert!(!shown.contains(problem), "{shown}");
    }
    let yaml = agent_harness_model::yaml::to_yaml(&agent("agent-1", Phase::Ready, "")).unwrap();
    let shown = Ctl::new()
        .file("status/agent-1.yaml", &yaml)
        .file("problems.yaml", &format!("- '{problem}'\n"))
        .alone(&["get"]);
    assert!(shown.contains(&format!("warning: {problem}\n")), "{shown}");
}

#[test]
fn without_a_controller_the_last_statuses_are_shown() {
    let yaml = agent_harness_model::yaml::to_yaml(&agent("agent-1", Phase::Ready, "")).unwrap();
    let shown = Ctl::new().file("status/agent-1.yaml", &yaml).alone(&["get"]);
    // When it was written is the present, which no snapshot holds.
    let (table, words) = shown.split_once("--- stderr\n").unwrap();
    insta::assert_snapshot!(table, @"
    NAME     PHASE  READY  BRANCH         URL                    AGE
    agent-1  Ready  5/5    agent/agent-1  http://127.0.0.1:3010  5m
    ");
    assert!(
        words.starts_with("warning: the controller does not run; this is what it last wrote, ")
    );
    insta::assert_snapshot!(Ctl::new().alone(&["get"]), @"
    --- stderr
    error: the controller does not run: nothing listens on STATE/control.sock
     hint: start it: controller run --specs DIR --state STATE
    --- Failed
    ");
    let broken = Ctl::new()
        .file("status/agent-1.yaml", &yaml)
        .file("status/agent-2.yaml", "kind: [")
        .alone(&["get", "-o", "name"]);
    insta::assert_snapshot!(broken.lines().take(3).collect::<Vec<_>>().join("
"), @"
    agent/agent-1
    --- stderr
    warning: STATE/status/agent-2.yaml is not the YAML that was expected: expected string scalar at line 1, column 7; the controller writes it anew when it starts
    ");
}

#[test]
fn a_watch_prints_what_changed_in_the_same_columns() {
    let shown = Ctl::new().with(&["get", "agents", "-w"], |line, body| {
        if line == "GET /v1/watch" {
            let ready = agent("agent-2", Phase::Ready, "");
            let mut news = world();
            news.push(ready.clone());
            news.push(ready.with(|status| status.phase = Phase::Degraded));
            return (200, lines(&news));
        }
        looking(world())(line, body)
    });
    insta::assert_snapshot!(shown, @"
    NAME      PHASE        READY  BRANCH          URL                    AGE  MESSAGE
    agent-1   Ready        5/5    agent/agent-1   http://127.0.0.1:3010  5m
    agent-2   Progressing  4/5    agent/agent-2   http://127.0.0.1:3020  5m   process/api is starting: connection refused
    agent-10  Stalled      4/5    agent/agent-10                         5m   port 3100 is taken by pid 4711 (node server.js)
    agent-2   Ready        5/5    agent/agent-2   http://127.0.0.1:3020  5m
    agent-2   Degraded     5/5    agent/agent-2   http://127.0.0.1:3020  5m
    --- stderr
    error: the controller ended
    --- Failed
    ");
}
