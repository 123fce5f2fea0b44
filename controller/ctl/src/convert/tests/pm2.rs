//! PM2 configs.

use std::path::Path;

use super::super::pm2::{Form, Input, convert};
use super::shown;

fn config(form: Form, text: &str) -> String {
    let (folder, file) = (Path::new("/src/app"), "ecosystem.config");
    shown(convert(&Input { file, text, form, folder, name: "app" }))
}

#[test]
fn apps_become_processes() {
    insta::assert_snapshot!(
        config(
            Form::Yaml,
            "apps:
  - name: api
    script: src/index.ts
    interpreter: node
    node_args: --import tsx
    args: [--flag, 'a b', '${X}']
    cwd: ./packages/backend/
    env: {PORT: 8080, NODE_ENV: development, URL: 'http://x/${Y}'}
    exec_mode: fork
    instances: 1
    autorestart: true
    kill_timeout: 3000
    max_memory_restart: 300M
    wait_ready: true
    listen_timeout: 10000
    watch: false
  - name: frontend
    script: node_modules/.bin/vite --port 3000 --strictPort
    env: {PORT: 8080}
    autorestart: false
    killTimeout: 5000
  - script: worker.py
    args: --queue default
    stop_exit_codes: [0]
  - script: ./run.sh
    interpreter: none
  - script: npm
    args: run dev
"
        ),
        @"
          ports:
            api: 8080
          processes:
            api:
              run: node --import tsx src/index.ts --flag 'a b' '$${X}'
              cwd: packages/backend
              env:
                NODE_ENV: development
                PORT: ${ports.api}
                URL: http://x/$${Y}
              ready:
                tcp:
                  port: api
                timeout: 10s
              stop:
                timeout: 3s
              memory: 300Mi
            frontend:
              run: node_modules/.bin/vite --port 3000 --strictPort
              env:
                PORT: ${ports.api}
              restart: never
            npm:
              run: npm run dev
            run:
              run: ./run.sh
            worker:
              run: python3 worker.py --queue default
              restart: onFailure
        ---
        2:5 note: `apps[0]`: its PORT is `ports.api`: 8080 + 10 × the number of the agent
        14:5 note: `apps[0].wait_ready`: it is ready here when its port takes a connection
        17:5 note: `apps[1]`: its PORT is `ports.api`: 8080 + 10 × the number of the agent
         note: PM2 ends a process with SIGINT, the harness with SIGTERM; write `stop: {signal: SIGINT}` for one that needs it
         note: a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without one it runs in the home folder
        "
    );
}

#[test]
fn what_a_program_made_absolute_is_relative_again() {
    insta::assert_snapshot!(
        config(
            Form::Program,
            r#"{"apps":[
                {"name":"a","script":"/src/app/packages/a/index.js","cwd":"/src/app/packages/a"},
                {"name":"b","script":"/src/app/tool.js","cwd":"/src/app/packages/b"},
                {"name":"c","script":"index.js","cwd":"/elsewhere"},
                {"name":"d","script":"/src/app/d.js","cwd":"/src/app","watch":["src"],
                    "env":{"PATH":"/src/app/venv/bin:/usr/bin","DIR":"/src/app/data","API_TOKEN":"t"}}
            ]}"#
        ),
        @"
          path:
          - venv/bin
          processes:
            a:
              run: node index.js
              cwd: packages/a
            b:
              run: node ../../tool.js
              cwd: packages/b
            c:
              run: node index.js
            d:
              run: node d.js
              env:
                API_TOKEN: t
                DIR: /src/app/data
              watch:
                paths:
                - src
        ---
         lost: `apps[2].cwd`: a process runs in the worktree of its agent, and this is outside of it; move it in, or begin `run` with `cd … &&`
         note: `apps[3].env.PATH`: folders of this file's own are in `path`, which all processes have; the rest of PATH is the controller's
         note: `apps[3].env.DIR`: it names the folder of this file; `${worktree.path}` is that of an agent
         note: `apps[3].env.API_TOKEN`: it is written out; to keep it out of the spec, write `API_TOKEN: {secret: d-api-token}` and put its value into `secrets/spec-d-api-token` of the state folder
         note: PM2 ends a process with SIGINT, the harness with SIGTERM; write `stop: {signal: SIGINT}` for one that needs it
         note: a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without one it runs in the home folder
        "
    );
}

#[test]
fn a_config_may_be_a_list_or_one_app() {
    insta::assert_snapshot!(config(Form::Json, "[\n\t{\"script\": \"a.js\"}\n]"), @"
      processes:
        a:
          run: node a.js
    ---
     note: PM2 ends a process with SIGINT, the harness with SIGTERM; write `stop: {signal: SIGINT}` for one that needs it
     note: a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without one it runs in the home folder
    ");
    insta::assert_snapshot!(config(Form::Json, "{\"script\": \"a.js\"}"), @"
      processes:
        a:
          run: node a.js
    ---
     note: PM2 ends a process with SIGINT, the harness with SIGTERM; write `stop: {signal: SIGINT}` for one that needs it
     note: a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without one it runs in the home folder
    ");
}

#[test]
fn what_is_not_carried_over() {
    insta::assert_snapshot!(
        config(
            Form::Yaml,
            "apps:
- name: my app
  script: a.js
  instances: max
  exec_mode: cluster
  watch: [src]
  ignore_watch: [x]
  cron_restart: 0 0 * * *
  namespace: x
  out_file: x.log
  error_file: x.log
  log_date_format: x
  pid_file: x
  max_restarts: 10
  uid: app
  increment_var: PORT
  filter_env: [A]
  shutdown_with_message: true
  treekill: false
  post_update: [npm i]
  source_map_support: true
  wait_ready: true
  env: {a.b: c}
  env_production: {A: b}
  interpreter: node@18
  stop_exit_codes: [0, 1]
  atorestart: false
- name: my app
  script: bin/server
  interpreter: none
  node_args: --inspect
  listen_timeout: 1000
deploy: {production: {}}
"
        ),
        @"
          processes:
            my-app:
              run: node a.js
              watch:
                paths:
                - src
                ignore:
                - x
            my-app-2:
              run: bin/server
        ---
        2:3 note: `apps[0]`: `my app` is no name in a spec: it is `my-app` here
        4:3 lost: `apps[0].instances`: a process is one process; write one entry for each, with a port of its own
        5:3 note: `apps[0].exec_mode`: there is no cluster: one process listens on its port itself
        8:3 lost: `apps[0].cron_restart`: nothing is restarted by the clock; let cron run `ctl restart NAME PROCESS`
        9:3 note: `apps[0].namespace`: the processes of an agent are its own; `ctl restart NAME` is for all of them
        10:3 note: `apps[0].out_file`: the harness keeps the output itself; `ctl logs NAME PROCESS` shows it
        11:3 note: `apps[0].error_file`: the harness keeps the output itself; `ctl logs NAME PROCESS` shows it
        12:3 note: `apps[0].log_date_format`: the harness keeps the output itself; `ctl logs NAME PROCESS` shows it
        13:3 note: `apps[0].pid_file`: no file holds its number; `ctl describe` shows it
        14:3 note: `apps[0].max_restarts`: a process that keeps ending is started again after longer and longer times anyway
        15:3 lost: `apps[0].uid`: a process runs as the user of the controller; start that as the user who is meant
        16:3 lost: `apps[0].increment_var`: a process is one process; write one entry for each, with its own `env`
        17:3 lost: `apps[0].filter_env`: a process gets what the spec says, and little of the caller's; see `ctl env NAME`
        18:3 lost: `apps[0].shutdown_with_message`: a process is ended with a signal; write `stop: {signal: …}`
        19:3 lost: `apps[0].treekill`: whatever a process started ends with it
        20:3 lost: `apps[0].post_update`: nothing is run after an update; write it under `setup` as a step
        21:3 note: `apps[0].source_map_support`: it is PM2's own; write `--enable-source-maps` after `node` if it is wanted
        22:3 lost: `apps[0].wait_ready`: no message says that a process is ready; write `ready: {http: {port: NAME}}`, or `exec` with a command
        23:9 lost: `apps[0].env.a.b`: this is no name of a variable in a spec, which has letters, digits and `_`
        24:3 lost: `apps[0].env_production`: there is one environment; write these into the `env` of an Agent or of another Stack
        25:3 lost: `apps[0].interpreter`: the version 18 is not fetched; put the folder of its `node` into `path`
        26:3 lost: `apps[0].stop_exit_codes`: only 0 can end a process for good, with `restart: onFailure`
        27:3 lost: `apps[0].atorestart`: PM2 knows no such key; is `autorestart` meant?
        28:3 note: `apps[1]`: `my app` is no name in a spec: it is `my-app-2` here
        31:3 lost: `apps[1].node_args`: no interpreter runs the script; write one as `run` begins
        32:3 lost: `apps[1].listen_timeout`: nothing is waited for; write `ready` with a `timeout`
        33:1 lost: `deploy`: nothing is deployed here; keep the file for that
         note: PM2 ends a process with SIGINT, the harness with SIGTERM; write `stop: {signal: SIGINT}` for one that needs it
         note: a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without one it runs in the home folder
        "
    );
}

#[test]
fn what_is_wrong_with_a_config() {
    insta::assert_snapshot!(
        [
            config(Form::Yaml, "apps: [{name: x}, {script: [a]}, {script: a, kill_timeout: soon}]"),
            config(Form::Yaml, "apps: []"),
            config(Form::Program, "{\"apps\":[{\"name\":\"x\"}]}"),
            config(Form::Program, "undefined"),
            config(Form::Json, "{\"apps\": ["),
        ]
        .join("\n"),
        @r#"
        ecosystem.config:1:8: `apps[0]` has no `script`; add the file or the command that it runs
        ecosystem.config:1:28: `apps[1].script` must be text, but is a list of 1; write one value
        ecosystem.config:1:60: `apps[2].kill_timeout` must be a number of milliseconds, but is "soon"; correct it

        ecosystem.config: the file names no app; write them under `apps`

        ecosystem.config: `apps[0]` has no `script`; add the file or the command that it runs

        ecosystem.config: the file must be a map, but is the text "undefined"; write `KEY: VALUE` lines below it

        ecosystem.config:1:10: unclosed bracket '['; close it; if the file is being written, it is not complete yet
        "#
    );
}
