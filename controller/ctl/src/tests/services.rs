//! Verbs about services of an Infra.

use agent_harness_model::api::{LogFile, ServiceNow};

use super::{looking, world};
use crate::testing::{Asked, Ctl};

fn services(engine_is_there: bool) -> Vec<ServiceNow> {
    let down = "there is no Docker engine at unix:///var/run/docker.sock";
    let mut mailpit = ServiceNow {
        name: "mailpit".into(),
        resource: "container/mailpit".into(),
        image: Some("axllent/mailpit:v1.27".into()),
        ports: vec!["127.0.0.1:18025→8025".into()],
        memory_limit: Some(256 << 20),
        ..ServiceNow::default()
    };
    if engine_is_there {
        mailpit.state = Some("running".into());
        mailpit.health = Some("healthy".into());
        mailpit.digest = Some("sha256:0a1b2c3d4e5f60718293a4b5".into());
        mailpit.started = Some("2026-11-24T11:30:00Z".parse().unwrap());
        mailpit.restarts = Some(2);
        mailpit.cpu_percent = Some(12.345);
        mailpit.memory = Some(39_845_888);
        mailpit.pids = Some(7);
        (mailpit.network_in, mailpit.network_out) = (Some(2048), Some(0));
        (mailpit.disk_read, mailpit.disk_written) = (Some(5 << 20), Some(700));
    } else {
        mailpit.unknown = Some(down.into());
    }
    let server = ServiceNow {
        name: "postgres".into(),
        resource: "service/postgres".into(),
        state: Some("external".into()),
        ports: vec!["db.example:5432".into()],
        ..ServiceNow::default()
    };
    vec![mailpit, server]
}

fn with_services(engine_is_there: bool) -> impl Fn(&str, &str) -> (u16, String) + 'static {
    move |line, body| match line {
        "GET /v1/objects/infra/shared/services"
        | "GET /v1/objects/infra/shared/services?cpu=true" => {
            (200, serde_json::to_string(&services(engine_is_there)).unwrap())
        }
        _ if line.starts_with("GET /v1/events") => (200, String::new()),
        _ => looking(world())(line, body),
    }
}

#[test]
fn describe_shows_services_as_they_are_now() {
    let section = |shown: &str| {
        let rest = shown.split_once("\nServices\n").unwrap().1;
        rest.split_once("\n\n").unwrap().0.to_owned()
    };
    let shown = Ctl::new().with(&["describe", "infra/shared"], with_services(true));
    insta::assert_snapshot!(section(&shown), @"
      NAME      STATE     HEALTH   IMAGE                                      PORTS                 MEMORY        UPTIME  RESTARTS
      mailpit   running   healthy  axllent/mailpit:v1.27@sha256:0a1b2c3d4e5f  127.0.0.1:18025→8025  38Mi / 256Mi  30m     2
      postgres  external  -        -                                          db.example:5432       -             -       -
    ");
    let shown = Ctl::new().with(&["describe", "infra/shared"], with_services(false));
    insta::assert_snapshot!(section(&shown), @"
      NAME      STATE     HEALTH  IMAGE                  PORTS                 MEMORY     UPTIME  RESTARTS
      mailpit   -         -       axllent/mailpit:v1.27  127.0.0.1:18025→8025  - / 256Mi  -       -
      postgres  external  -       -                      db.example:5432       -          -       -
      no figures of this moment: there is no Docker engine at unix:///var/run/docker.sock
    ");
}

#[test]
fn stats_are_a_line_for_each_service() {
    let shown = Ctl::new().with(&["stats", "infra/shared"], with_services(true));
    insta::assert_snapshot!(shown, @"
    NAME      STATE     CPU    MEMORY        PIDS  FILES  UPTIME  RESTARTS  NETWORK     DISK
    mailpit   running   12.3%  38Mi / 256Mi  7     -      30m     2         2.0Ki / 0B  5.0Mi / 700B
    postgres  external  -      -             -     -      -       -         -           -
    total     -         12.3%  38Mi          7     -      -       2         2.0Ki / 0B  5.0Mi / 700B
    --- Done
    ");
    let shown = Ctl::new().with(&["stats", "infra/shared", "mailpit"], with_services(false));
    insta::assert_snapshot!(shown, @"
    NAME     STATE  CPU  MEMORY     PIDS  FILES  UPTIME  RESTARTS  NETWORK  DISK
    mailpit  -      -    - / 256Mi  -     -      -       -         -        -
    --- stderr
    warning: there is no Docker engine at unix:///var/run/docker.sock
    --- Failed
    ");
    let shown = Ctl::new().with(&["stats", "infra/shared", "db"], with_services(true));
    insta::assert_snapshot!(shown, @"
    --- stderr
    error: infra/shared has no service `db`
     hint: there are mailpit, postgres
    --- Failed
    ");
    let shown = Ctl::new().with(&["stats", "infra/shared", "-o", "json"], with_services(true));
    let json = shown.strip_suffix("--- Done").unwrap();
    let read: Vec<ServiceNow> = serde_json::from_str(json).unwrap();
    assert_eq!(read, services(true));
}

#[test]
fn a_service_was_restarted_when_that_is_said() {
    let asked = Asked::default();
    let note = asked.clone();
    let shown = Ctl::new().with(&["restart", "infra/shared", "mailpit"], move |line, body| {
        if line.starts_with("POST") {
            note.note(line);
            return (204, String::new());
        }
        looking(world())(line, body)
    });
    insta::assert_snapshot!(shown, @"
    infra/shared mailpit restarted
    --- Done
    ");
    insta::assert_snapshot!(asked.lines(), @"POST /v1/objects/infra/shared/restart?process=mailpit&wait=true");
}

#[test]
fn the_output_of_a_container_is_mixed_with_log_files() {
    let ctl =
        Ctl::new().file("objectStore.log", "2026-11-24T11:55:01.000Z shim F started with pid 7\n");
    let path = ctl.state().join("objectStore.log");
    let asked = Asked::default();
    let note = asked.clone();
    let shown = ctl.with(
        &["logs", "infra/shared", "--since", "10m", "--tail", "5", "-t"],
        move |line, body| {
            if line == "GET /v1/objects/infra/shared/logs" {
                let logs = [
                    LogFile { name: "mailpit".into(), path: None },
                    LogFile { name: "objectStore".into(), path: Some(path.clone()) },
                ];
                return (200, serde_json::to_string(&logs).unwrap());
            }
            if line.starts_with("GET /v1/objects/infra/shared/logs/") {
                note.note(line);
                let text = "2026-11-24T11:55:00.000Z stdout F one\n\
                            2026-11-24T11:55:02.000Z stderr P two \n\
                            2026-11-24T11:55:02.000Z stderr F parts\n";
                return (200, text.to_owned());
            }
            looking(world())(line, body)
        },
    );
    insta::assert_snapshot!(shown, @"
    2026-11-24T11:55:00.000Z mailpit     | one
    2026-11-24T11:55:01.000Z objectStore | · started with pid 7
    2026-11-24T11:55:02.000Z mailpit     | two parts
    --- Done
    ");
    insta::assert_snapshot!(asked.lines(), @"GET /v1/objects/infra/shared/logs/mailpit?since=1795521000000&tail=5");
}

#[test]
fn a_command_needs_a_service_and_two_dashes() {
    let run = |words: &[&str]| Ctl::new().with(words, looking(world()));
    insta::assert_snapshot!(run(&["exec", "infra/shared", "--", "ls"]), @"
    --- stderr
    error: which service of infra/shared? A name is missing
     hint: `ctl stats infra/shared` lists them
    --- Usage
    ");
    insta::assert_snapshot!(run(&["exec", "1", "ls"]), @"
    --- stderr
    error: agent/agent-1 has no services, such as `ls`
     hint: a command comes after `--`: ctl exec agent-1 -- ls
    --- Usage
    ");
}
