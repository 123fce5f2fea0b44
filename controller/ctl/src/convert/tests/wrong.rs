//! Compose files that are wrong: the diagnostics that specs get, all of them at once.

use super::compose;

#[test]
fn what_is_no_compose_file() {
    let cases = [
        "",
        "# nothing\n",
        "text",
        "[a]",
        "a: 1\n",
        "services: [a]\n",
        "services:\n\ta: 1\n",
        "services: {a: {image: a}}\n---\nservices: {}\n",
        "services: {a: {image: a}, a: {image: b}}\n",
        "services: {a: {image: a, <<: text}}\n",
        "services: {a: {image: a}, b: {<<: [1]}}\n",
        "services: {a: !reset null}\n",
    ];
    let shown = cases.map(|text| format!("{text:?}\n{}", compose(text)));
    insta::assert_snapshot!(shown.join("\n"), @r##"
    ""
    compose.yaml: the file is empty; is this the right file?

    "# nothing\n"
    compose.yaml: the file is empty; is this the right file?

    "text"
    compose.yaml:1:1: the file must be a map, but is the text "text"; write `KEY: VALUE` lines below it
    compose.yaml:1:1: the file has no `services`; is this a compose file?

    "[a]"
    compose.yaml:1:1: the file must be a map, but is a list of 1; write `KEY: VALUE` lines below it
    compose.yaml:1:1: the file has no `services`; is this a compose file?

    "a: 1\n"
    compose.yaml:1:1: unknown key `a` in a compose file; remove it: compose does not know it either
    compose.yaml:1:1: the file has no `services`; is this a compose file?

    "services: [a]\n"
    compose.yaml:1:11: `services` must be a map, but is a list of 1; write `KEY: VALUE` lines below it

    "services:\n\ta: 1\n"
    compose.yaml:2:1: a tab in the indentation; indent with spaces: YAML does not allow tabs there

    "services: {a: {image: a}}\n---\nservices: {}\n"
    compose.yaml:3:1: a second document begins here; write it into a file of its own

    "services: {a: {image: a}, a: {image: b}}\n"
    compose.yaml:1:27: the key `a` is there twice in this map; keep one of them: each would overwrite the other

    "services: {a: {image: a, <<: text}}\n"
    compose.yaml:1:30: `<<` merges maps, but this is the text "text"; write `<<: *NAME` of a map

    "services: {a: {image: a}, b: {<<: [1]}}\n"
    compose.yaml:1:36: `<<` merges maps, but this is the number 1; write `<<: *NAME` of a map

    "services: {a: !reset null}\n"
    compose.yaml:1:22: the tag `!reset` means nothing here; remove it: a spec holds text, numbers, `true`, `false`, lists and maps alone
    "##);
}

#[test]
fn what_is_wrong_with_a_service() {
    insta::assert_snapshot!(
        compose(
            "services:
  app:
    imge: x
    environment: text
    ports: [0, a, '1:2:3:4:5', '1-2:1-3', {published: 1}, {target: 1, x: 2}]
    volumes: ['none:/x', ':/x', 'a:b:c:d', {type: bind, target: /x}, {type: floppy, target: /x}, {source: data}]
    command: it's
    healthcheck: {test: [curl, x], interval: 30, retries: many, often: true}
    mem_limit: lots
    cpus: -1
    scale: $NONE
    restart: sometimes
    extra_hosts: [db]
    ulimits: {nofile: x}
    logging: {drver: x}
    networks: [none]
    deploy: {replicas: x, resources: {limits: {memry: 1}}, restart_policy: {tries: 1}, mood: x}
    env_file: none.env
    init: {}
"
        ),
        @r#"
        compose.yaml:2:3: `services.app` has no `image`; add one, such as `image: axllent/mailpit`
        compose.yaml:3:5: unknown key `imge` in `services.app`; did you mean `image`?
        compose.yaml:4:18: `services.app.environment` must be a map, but is the text "text"; write `KEY: VALUE` lines below it
        compose.yaml:5:13: `services.app.ports[0]` is no port: the number 0; write `HOST:CONTAINER`, with ports from 1 to 65535 or as many on both sides
        compose.yaml:5:16: `services.app.ports[1]` is no port: the text "a"; write `HOST:CONTAINER`, with ports from 1 to 65535 or as many on both sides
        compose.yaml:5:19: `services.app.ports[2]` is no port: the text "1:2:3:4:5"; write `HOST:CONTAINER`, with ports from 1 to 65535 or as many on both sides
        compose.yaml:5:32: `services.app.ports[3]` is no port: the text "1-2:1-3"; write `HOST:CONTAINER`, with ports from 1 to 65535 or as many on both sides
        compose.yaml:5:43: `services.app.ports[4]` names no `target`; add the port of the container as `target`
        compose.yaml:5:71: unknown key `x` in `services.app.ports[5]`; a port has `target`, `published`, `host_ip`, `protocol`, `name`, `mode` and `app_protocol`
        compose.yaml:6:15: there is no volume `none` under the file's `volumes`; add it there as `none:`, or write `./none` for a folder
        compose.yaml:6:26: `services.app.volumes[1]` is no volume: the text ":/x"; write `NAME:/PATH` or `./FOLDER:/PATH`
        compose.yaml:6:33: `services.app.volumes[2]` is no volume: the text "a:b:c:d"; write `NAME:/PATH` or `./FOLDER:/PATH`
        compose.yaml:6:44: `services.app.volumes[3]` is no volume: a map; write `NAME:/PATH` or `./FOLDER:/PATH`
        compose.yaml:6:70: `services.app.volumes[4]` is no volume: a map; write `NAME:/PATH` or `./FOLDER:/PATH`
        compose.yaml:6:98: `services.app.volumes[5]` is no volume: a map; write `NAME:/PATH` or `./FOLDER:/PATH`
        compose.yaml:7:14: `services.app.command` cannot be split into words; close its quotes, or write it as a list of words
        compose.yaml:8:25: `services.app.healthcheck.test` is no check; write `[CMD, PROGRAM, …]`, `[CMD-SHELL, LINE]` or `[NONE]`
        compose.yaml:8:46: `services.app.healthcheck.interval` must be a time such as 30s, but is "30"; correct it
        compose.yaml:8:59: `services.app.healthcheck.retries` must be a whole number, but is "many"; correct it
        compose.yaml:8:65: unknown key `often` in `services.app.healthcheck`; a check has `test`, `interval`, `timeout`, `retries`, `start_period`, `start_interval` and `disable`
        compose.yaml:9:16: `services.app.mem_limit` must be a size such as 256m, but is "lots"; correct it
        compose.yaml:10:11: `services.app.cpus` must be a number such as 1.5, but is "-1"; correct it
        compose.yaml:11:12: `services.app.scale` must be a whole number, but is ""; write one; a variable that is not set is empty
        compose.yaml:12:14: `services.app.restart` is no policy: "sometimes"; write `no`, `always`, `unless-stopped` or `on-failure`
        compose.yaml:13:19: `services.app.extra_hosts.db` has no address; write `HOST=ADDRESS`
        compose.yaml:14:23: `services.app.ulimits.nofile` must be a whole number, but is "x"; correct it
        compose.yaml:15:15: unknown key `drver` in `services.app.logging`; it has `driver` and `options`
        compose.yaml:16:16: there is no network `none` under the file's `networks`; add it there as `none:`
        compose.yaml:17:24: `services.app.deploy.replicas` must be a whole number, but is "x"; correct it
        compose.yaml:17:48: unknown key `memry` in `services.app.deploy.resources.limits`; `limits` has `memory`, `cpus` and `pids`
        compose.yaml:17:77: unknown key `tries` in `services.app.deploy.restart_policy`; it has `condition`, `delay`, `max_attempts` and `window`
        compose.yaml:17:88: unknown key `mood` in `services.app.deploy`; remove it: compose does not know it either
        compose.yaml:18:5: the file "none.env" cannot be read: entity not found; a path starts at the folder of this file
        "#
    );
}

#[test]
fn what_is_wrong_between_services() {
    insta::assert_snapshot!(
        compose(
            "services:
  a: {}
  b: {image: b, extends: c}
  c: {image: c, extends: {service: b}}
  d: {image: d, extends: none}
  e: {image: '${NONE:?set it}', user: '${', labels: {a: 'x $ y'}}
networks: {n: {drver: x}}
vlumes: {}
"
        ),
        @"
        compose.yaml:2:3: `services.a` has no `image`; add one, such as `image: axllent/mailpit`
        compose.yaml:3:17: services extend each other: c → b → c; remove one `extends`
        compose.yaml:4:17: services extend each other: b → c → b; remove one `extends`
        compose.yaml:5:17: there is no service `none` to extend; name a service of this file
        compose.yaml:6:14: `services.e.image` needs the variable `NONE`: set it; set it, or name its file with --env-file
        compose.yaml:6:39: `services.e.user` holds a `$` that begins no variable; write `${NAME}`, or `$$` for a literal `$`
        compose.yaml:6:57: `services.e.labels.a` holds a `$` that begins no variable; write `${NAME}`, or `$$` for a literal `$`
        compose.yaml:7:16: unknown key `drver` in `networks.n`; did you mean `driver`?
        compose.yaml:8:1: unknown key `vlumes` in a compose file; did you mean `volumes`?
        "
    );
}

#[test]
fn a_variable_that_is_not_set_is_empty_and_said() {
    insta::assert_snapshot!(
        compose("services: {a: {image: 'a:${TAG-1}', restart: always, environment: {X: \"$NONE${SET}\"}}}"),
        @"
          services:
            a:
              container:
                image: a:1
                env:
                  X: value
        ---
        1:71 note: `services.a.environment.X`: `NONE` is not set and has no default: it counts as empty; set it, or name its file with --env-file
        "
    );
}
