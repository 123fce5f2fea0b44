//! Verbs that show what is there.

use agent_harness_model::api::{Check, Environment, Event, Info, Severity};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::status::Phase;

use super::{look, looking, world};
use crate::testing::{Ctl, With as _, agent, lines};

fn events() -> Vec<Event> {
    let event = |minute: &str, severity, reason: &str, message: &str, count| Event {
        time: format!("2026-11-24T11:{minute}:00Z").parse().unwrap(),
        object: ObjectKey::agent("agent-10"),
        severity,
        reason: reason.to_owned(),
        message: message.to_owned(),
        count,
    };
    vec![
        event("55", Severity::Normal, "Created", "database/agent_10 was cloned in 0.3s", 1),
        event("56", Severity::Warning, "PortTaken", "port 3100 is taken by pid 4711", 7),
    ]
}

fn with_events(line: &str, body: &str) -> (u16, String) {
    if line.starts_with("GET /v1/events?") {
        return (200, lines(&events()));
    }
    looking(world())(line, body)
}

#[test]
fn describe_shows_everything() {
    insta::assert_snapshot!(Ctl::new().with(&["describe", "10"], with_events), @"
    agent/agent-10  Stalled
      port 3100 is taken by pid 4711 (node server.js)

      Stack       hello
      Branch      agent/agent-10
      Worktree    /w/agent-10
      Source      specs/agent-10.yaml:1
      Age         5m (since 2026-11-24 11:55 UTC)
      Generation  2
      UID         u-agent-10

    Addresses
      api       http://127.0.0.1:8100
      frontend  http://127.0.0.1:3100
      debugger  port 9210

    Conditions
      Ready            False  NotReady        2m  port 3100 is taken by pid 4711 (node server.js)
      Synced           True   Valid           2m
      Progressing      False  Working         2m  see above
      Stalled          True   NeedsAttention  2m
      CrashLoop        False  NoCrashes       2m
      Drifted          False  AsWanted        2m
      Suspended        False  Active          2m
      SourceValid      True   Valid           2m
      DeletionBlocked  False  NotBlocked      2m

    Resources
      database/agent        Ready
      process/api           Running    see above
      process/frontend      Ready
      setup/files           Succeeded
      worktree//w/agent-10  Ready      agent/agent-10 at 1f3a5c7e9b0d

    Events
      5m  Created    database/agent_10 was cloned in 0.3s
      4m  PortTaken  port 3100 is taken by pid 4711 (×7)
    --- Done
    ");
    let shown = Ctl::new().with(&["describe", "1"], |line, body| match line {
        "GET /v1/objects" => {
            let mut labelled = world();
            let labels = [("team", "billing"), ("ticket", "A-1")];
            labelled[2].metadata.labels =
                labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            (200, serde_json::to_string(&labelled).unwrap())
        }
        _ => with_events(line, body),
    });
    assert!(shown.contains("  Labels      team=billing, ticket=A-1\n"), "{shown}");
    let narrow = Ctl::on_terminal(60, false).with(&["describe", "10", "infra/shared"], with_events);
    insta::assert_snapshot!(narrow, @"
    infra/shared  Ready

      Source      specs/infra.yaml:4
      Age         5m (since 2026-11-24 11:55 UTC)
      Generation  2
      UID         u-shared

    Addresses
      postgres  port 15432

    Services
      NAME      STATE  HEALTH  IMAGE  PORTS  MEMORY  UPTIME  RESTARTS
      api       Ready  -       -      -      -       -       -
      frontend  Ready  -       -      -      -       -       -
      no figures of this moment: no such object

    Conditions
      Ready            True   AllReady    2m
      Synced           True   Valid       2m
      Progressing      False  Working     2m
      Stalled          False  NotStalled  2m
      CrashLoop        False  NoCrashes   2m
      Drifted          False  AsWanted    2m
      Suspended        False  Active      2m
      SourceValid      True   Valid       2m
      DeletionBlocked  False  NotBlocked  2m

    Resources
      process/api       Ready
      process/frontend  Ready

    Events
      5m  Created    database/agent_10 was cloned in 0.3s
      4m  PortTaken  port 3100 is taken by pid 4711 (×7)

    agent/agent-10  Stalled
      port 3100 is taken by pid 4711 (node server.js)

      Stack       hello
      Branch      agent/agent-10
      Worktree    /w/agent-10
      Source      specs/agent-10.yaml:1
      Age         5m (since 2026-11-24 11:55 UTC)
      Generation  2
      UID         u-agent-10

    Addresses
      api       http://127.0.0.1:8100
      frontend  http://127.0.0.1:3100
      debugger  port 9210

    Conditions
      Ready            False  NotReady        2m  port 3100 is taken by
                                                  pid 4711 (node
                                                  server.js)
      Synced           True   Valid           2m
      Progressing      False  Working         2m  see above
      Stalled          True   NeedsAttention  2m
      CrashLoop        False  NoCrashes       2m
      Drifted          False  AsWanted        2m
      Suspended        False  Active          2m
      SourceValid      True   Valid           2m
      DeletionBlocked  False  NotBlocked      2m

    Resources
      database/agent        Ready
      process/api           Running    see above
      process/frontend      Ready
      setup/files           Succeeded
      worktree//w/agent-10  Ready      agent/agent-10 at
                                       1f3a5c7e9b0d

    Events
      5m  Created    database/agent_10 was cloned in 0.3s
      4m  PortTaken  port 3100 is taken by pid 4711 (×7)
    --- Done
    ");
}

#[test]
fn a_description_tells_where_the_worktree_is_and_how_much_more_happened() {
    let mut many = events();
    let other = many[0].clone();
    many.splice(0..0, (1..=10).map(|n| Event { message: format!("step {n}"), ..other.clone() }));
    let shown = |state: &'static str| {
        let many = lines(&many);
        Ctl::new().with(&["describe", "1"], move |line, body| match line {
            "GET /v1/objects" => {
                let object = agent("agent-1", Phase::Ready, "").with(|status| {
                    let worktree = status.resources.get_mut("worktree//w/agent-1").unwrap();
                    state.clone_into(&mut worktree.state);
                });
                (200, serde_json::to_string(&[object]).unwrap())
            }
            line if line.starts_with("GET /v1/events?") => (200, many.clone()),
            _ => looking(world())(line, body),
        })
    };
    let ready = shown("Ready");
    assert!(ready.contains("\n  Worktree    /w/agent-1\n"), "{ready}");
    for state in ["Trashed", "Foreign"] {
        assert!(!shown(state).contains("\n  Worktree "), "nobody finds it there");
    }
    insta::assert_snapshot!(ready.split_once("\nEvents\n").unwrap().1, @"
      5m  Created    step 3
      5m  Created    step 4
      5m  Created    step 5
      5m  Created    step 6
      5m  Created    step 7
      5m  Created    step 8
      5m  Created    step 9
      5m  Created    step 10
      5m  Created    database/agent_10 was cloned in 0.3s
      4m  PortTaken  port 3100 is taken by pid 4711 (×7)
      the last 10 of 12 events; `ctl events agent/agent-1` shows all
    --- Done
    ");
}

#[test]
fn events_are_listed_and_followed() {
    insta::assert_snapshot!(Ctl::new().with(&["events"], with_events), @"
    5m  agent/agent-10  Created    database/agent_10 was cloned in 0.3s
    4m  agent/agent-10  PortTaken  port 3100 is taken by pid 4711 (×7)
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().with(&["events", "10"], with_events), @"
    5m  Created    database/agent_10 was cloned in 0.3s
    4m  PortTaken  port 3100 is taken by pid 4711 (×7)
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().with(&["events", "-f"], with_events), @"
    11:55:00  agent/agent-10      Created           database/agent_10 was cloned in 0.3s
    11:56:00  agent/agent-10      PortTaken         port 3100 is taken by pid 4711 (×7)
    --- stderr
    error: the controller ended
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().with(&["events", "10", "--json"], with_events), @r#"
    {"time":"2026-11-24T11:55:00Z","object":"agent/agent-10","severity":"Normal","reason":"Created","message":"database/agent_10 was cloned in 0.3s","count":1}
    {"time":"2026-11-24T11:56:00Z","object":"agent/agent-10","severity":"Warning","reason":"PortTaken","message":"port 3100 is taken by pid 4711","count":7}
    --- Done
    "#);
}

#[test]
fn events_are_json_as_everything_is() {
    for more in [&[][..], &["-f"]] {
        let shown = |form: &[&str]| {
            let words: Vec<_> = ["events"].iter().chain(more).chain(form).copied().collect();
            Ctl::new().with(&words, with_events)
        };
        assert_eq!(shown(&["-o", "json"]), shown(&["--json"]));
    }
}

#[test]
fn without_a_controller_events_are_read_from_its_files() {
    let events = serde_json::to_string(&events()).unwrap();
    let shown = Ctl::new().file("events/agent-agent-10.json", &events).alone(&["events", "10"]);
    insta::assert_snapshot!(shown, @"
    5m  Created    database/agent_10 was cloned in 0.3s
    4m  PortTaken  port 3100 is taken by pid 4711 (×7)
    --- stderr
    warning: the controller does not run; this is what happened before
    --- Done
    ");
}

#[test]
fn urls() {
    insta::assert_snapshot!(look(&["url", "1"]), @"
    http://127.0.0.1:3010
    --- Done
    ");
    insta::assert_snapshot!(look(&["url", "1", "api"]), @"
    http://127.0.0.1:8010
    --- Done
    ");
    insta::assert_snapshot!(look(&["url", "1", "-a"]), @"
    api       http://127.0.0.1:8010
    frontend  http://127.0.0.1:3010
    --- Done
    ");
    insta::assert_snapshot!(look(&["url", "1", "web"]), @"
    --- stderr
    error: agent/agent-1 has no URL of `web`
     hint: there are api, frontend
    --- Failed
    ");
    let asleep = agent("agent-1", Phase::Suspended, "on holiday");
    insta::assert_snapshot!(Ctl::new().with(&["url", "1"], looking(vec![asleep])), @"
    http://127.0.0.1:3010
    --- stderr
    warning: agent/agent-1 is Suspended: nothing may answer there
    --- Done
    ");
    insta::assert_snapshot!(look(&["url", "infra/shared"]), @"
    --- stderr
    error: infra/shared has no URL
     hint: `ctl describe infra/shared` says how it stands
    --- Failed
    ");
}

#[test]
fn an_environment_hides_its_secrets() {
    let environment = Environment {
        cwd: "/w/agent-1".into(),
        variables: [
            ("GREETING", "it's a \"$HOME\"\nof two lines"),
            ("PGPASSWORD", "hunter2"),
            ("PORT", "8010"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        secret: vec!["PGPASSWORD".to_owned()],
    };
    let text = serde_json::to_string(&environment).unwrap();
    let answer = move |_: &str, _: &str| (200, text.clone());
    insta::assert_snapshot!(Ctl::new().with(&["env", "1"], answer.clone()), @r#"
    GREETING="it's a \"\$HOME\"\nof two lines"
    PGPASSWORD="***"
    PORT=8010
    --- Done
    "#);
    insta::assert_snapshot!(Ctl::new().with(&["env", "1", "-o", "json"], answer.clone()), @r#"
    {
      "GREETING": "it's a \"$HOME\"\nof two lines",
      "PGPASSWORD": "***",
      "PORT": "8010"
    }
    --- Done
    "#);
    let shell = Ctl::new().with(&["env", "1", "-o", "shell"], answer.clone());
    insta::assert_snapshot!(shell, @r#"
    export GREETING='it'\''s a "$HOME"
    of two lines'
    # export PGPASSWORD=… is a secret
    export PORT='8010'
    --- stderr
    warning: PGPASSWORD is left out; --show-secrets prints secrets, too
    --- Done
    "#);
    let shell = Ctl::new().with(&["env", "1", "-o", "shell", "--show-secrets"], answer);
    insta::assert_snapshot!(shell, @r#"
    export GREETING='it'\''s a "$HOME"
    of two lines'
    export PGPASSWORD='hunter2'
    export PORT='8010'
    --- Done
    "#);
}

#[test]
fn info_says_who_runs() {
    let info = Info {
        version: "0.1.0".into(),
        pid: 4711,
        state: "/s".into(),
        specs: "/specs".into(),
        frozen: Some("5 of 6 agents vanished at once".into()),
        problems: vec!["/specs/x.yaml:3:18: `../x` is not a name".into()],
        held_by: Some("cgroup v1 (memory, cpu, pids)".into()),
    };
    let text = serde_json::to_string(&info).unwrap();
    insta::assert_snapshot!(Ctl::new().with(&["info"], move |_, _| (200, text.clone())), @"
    ctl         0.1.0
    controller  0.1.0 (pid 4711)
    state       /s
    specs       /specs
    deletions   held back: 5 of 6 agents vanished at once
    processes   held by cgroup v1 (memory, cpu, pids)
    problem     /specs/x.yaml:3:18: `../x` is not a name
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().alone(&["info"]), @"
    ctl         0.1.0
    controller  does not run
    state       STATE
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().alone(&["version", "--json"]), @r#"
    {
      "ctl": "0.1.0",
      "controller": null
    }
    --- Done
    "#);
}

#[test]
fn no_answer_is_waited_for_for_ever() {
    for words in
        [&["get"][..], &["describe", "1"], &["events"], &["events", "-f"], &["restart", "1"]]
    {
        let shown = Ctl::new().with(words, |_, _| (1, String::new()));
        assert_eq!(
            shown,
            "--- stderr\n\
             error: the controller does not answer: nothing came from STATE/control.sock in 2s\n \
             hint: is it stopped, or is the machine too busy? STATE/lock names its process\n\
             --- Failed",
            "{words:?}"
        );
    }
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do_about_it() {
    let checks = [
        Check::ok("memory", "16Gi, of which agents were given 6.0Gi"),
        Check::warning("disk", "1.0Gi free of 200Gi", "see what takes the room"),
        Check::problem("git", "there is no program `git`", "install git"),
    ];
    let text = serde_json::to_string(&checks).unwrap();
    insta::assert_snapshot!(Ctl::new().with(&["doctor"], move |_, _| (200, text.clone())), @"
    CHECK       RESULT   MESSAGE
    controller  ok       runs
    memory      ok       16Gi, of which agents were given 6.0Gi
    disk        warning  1.0Gi free of 200Gi
    git         problem  there is no program `git`
    --- stderr
    disk: see what takes the room
    git: install git
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().alone(&["doctor"]), @"
    CHECK       RESULT   MESSAGE
    controller  problem  does not run, so nothing else can be said
    --- stderr
    controller: start it with `controller run`
    --- Failed
    ");
}
