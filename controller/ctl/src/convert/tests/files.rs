//! The verb itself: the plan's own compose file, files beside each other, exit codes.

use crate::testing::Ctl;

/// The compose file of the plan that the harness was made from.
const PLAN: &str = include_str!("../../../tests/convert/docker-compose.agent.yml");

/// What it comes to.
const INFRA: &str = include_str!("../../../tests/convert/infra.yaml");

#[test]
fn the_plan_s_compose_file_is_carried_over_whole() {
    let ctl = Ctl::new().file("agent-harness/docker-compose.agent.yml", PLAN);
    let shown = ctl.alone(&["convert", "compose", "STATE/agent-harness/docker-compose.agent.yml"]);
    let (yaml, words) = shown.split_once("--- stderr\n").unwrap();
    super::is_valid(yaml);
    assert_eq!(yaml, INFRA);
    insta::assert_snapshot!(words.replace("STATE/agent-harness/docker-compose.agent.yml", "FILE"), @"
    FILE:2:3: note: `services.db`: the service is `postgres` here
    FILE:8:7: note: `services.db.environment.POSTGRES_PASSWORD`: it is written out; to keep it out of the spec, write `POSTGRES_PASSWORD: {secret: db-postgres-password}` and put its value into `secrets/spec-db-postgres-password` of the state folder
    FILE:28:3: note: `services.minio`: it has no `restart`: here it is started again whenever it ends, unless you write `restart: never`
    FILE:28:3: note: `services.minio`: the service is `objectStore` here
    FILE:34:9: note: `services.minio.volumes[0]`: the images of MinIO serve /data, not /minio/data: unless yours is told otherwise, its objects are lost with the container; write `agent-minio-data: /data`
    FILE:39:7: note: `services.minio.environment.MINIO_ROOT_PASSWORD`: it is written out; to keep it out of the spec, write `MINIO_ROOT_PASSWORD: {secret: minio-minio-root-password}` and put its value into `secrets/spec-minio-minio-root-password` of the state folder
    FILE:40:7: note: `services.minio.environment.MINIO_DEFAULT_BUCKETS`: these are `objectStore.buckets` here: the harness makes them
    FILE:69:1: note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
    FILE: note: ports without an address are published on 127.0.0.1 alone; write `address: 0.0.0.0` beside `host` of one that other hosts are to reach
    FILE: note: paths under `volumes` start at the folder of the spec file: put it beside this file, or change them
    --- Done
    ");
}

#[test]
fn variables_come_from_files_and_a_name_is_given() {
    let file = "services: {a: {image: \"a:${AGENT_HARNESS_TEST_TAG:-none}\", restart: always}}\n";
    let files = || {
        Ctl::new()
            .file("compose.yaml", file)
            .file(".env", "AGENT_HARNESS_TEST_TAG=beside\n")
            .file("other.env", "AGENT_HARNESS_TEST_TAG=other\n")
    };
    insta::assert_snapshot!(files().alone(&["convert", "compose", "STATE/compose.yaml"]), @"
    apiVersion: agent-harness.dev/v1alpha1
    kind: Infra
    metadata:
      name: shared
    spec:
      services:
        a:
          container:
            image: a:beside
    --- Done
    ");
    insta::assert_snapshot!(
        files().alone(&[
            "convert", "compose", "STATE/compose.yaml", "--env-file", "STATE/other.env", "--name", "mine"
        ]),
        @"
        apiVersion: agent-harness.dev/v1alpha1
        kind: Infra
        metadata:
          name: mine
        spec:
          services:
            a:
              container:
                image: a:other
        --- Done
        "
    );
}

#[test]
fn what_is_lost_fails_and_what_is_wrong_prints_nothing() {
    let ctl =
        Ctl::new().file("compose.yaml", "services: {a: {image: a, restart: always, init: true}}\n");
    insta::assert_snapshot!(ctl.alone(&["convert", "compose", "STATE/compose.yaml"]), @"
    apiVersion: agent-harness.dev/v1alpha1
    kind: Infra
    metadata:
      name: shared
    spec:
      services:
        a:
          container:
            image: a
    --- stderr
    STATE/compose.yaml:1:43: lost: `services.a.init`: no init process is put in front; take an image that has one
    1 part of STATE/compose.yaml was not carried over
    --- Failed
    ");
    let ctl = Ctl::new().file("compose.yaml", "services:\n  a: {imge: a}\n");
    insta::assert_snapshot!(ctl.alone(&["convert", "compose", "STATE/compose.yaml"]), @"
    --- stderr
    error: `services.a` has no `image`
     --> STATE/compose.yaml:2:3
      |
    2 |   a: {imge: a}
      |   ^
      |
      = help: add one, such as `image: axllent/mailpit`

    error: unknown key `imge` in `services.a`
     --> STATE/compose.yaml:2:7
      |
    2 |   a: {imge: a}
      |       ^^^^
      |
      = help: did you mean `image`?

    error: 2 problems in STATE/compose.yaml
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().alone(&["convert", "compose", "STATE/compose.yaml"]), @"
    --- stderr
    error: STATE/compose.yaml: No such file or directory (os error 2)
    --- Failed
    ");
    let ctl = Ctl::new().file("Procfile", "\u{1}\n");
    insta::assert_snapshot!(ctl.alone(&["convert", "procfile", "STATE/Procfile"]), @"
    --- stderr
    error: the file is not text: byte 0 is the control character 0x01
    --> STATE/Procfile
     = help: save it as UTF-8

    error: 1 problem in STATE/Procfile
    --- Failed
    ");
}

#[test]
fn lists_of_processes_are_read_from_files() {
    let ctl = Ctl::new().file("My App/Procfile", "worker: bin/worker\n");
    insta::assert_snapshot!(ctl.alone(&["convert", "procfile", "STATE/My App/Procfile"]), @"
    apiVersion: agent-harness.dev/v1alpha1
    kind: Stack
    metadata:
      name: my-app
    spec:
      processes:
        worker:
          run: bin/worker
    --- stderr
    STATE/My App/Procfile: note: a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without one it runs in the home folder
    --- Done
    ");
    let ctl = Ctl::new().file("app/ecosystem.json", "{\"apps\": [{\"script\": \"a.js\"}]}\n");
    insta::assert_snapshot!(ctl.alone(&["convert", "pm2", "STATE/app/ecosystem.json", "--name", "x"]), @"
    apiVersion: agent-harness.dev/v1alpha1
    kind: Stack
    metadata:
      name: x
    spec:
      processes:
        a:
          run: node a.js
    --- stderr
    STATE/app/ecosystem.json: note: PM2 ends a process with SIGINT, the harness with SIGTERM; write `stop: {signal: SIGINT}` for one that needs it
    STATE/app/ecosystem.json: note: a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without one it runs in the home folder
    --- Done
    ");
}

#[test]
fn a_file_that_is_not_there_is_not_run() {
    insta::assert_snapshot!(Ctl::new().alone(&["convert", "pm2", "STATE/none.js"]), @"
    --- stderr
    error: STATE/none.js: No such file or directory (os error 2)
    --- Failed
    ");
}
