//! What is carried over of a service in a compose file, feature by feature.

use super::{compose, service};

#[test]
fn commands_are_split_as_a_shell_splits_them() {
    insta::assert_snapshot!(
        service("command: redis-server --save '' --name \"a b\"\nentrypoint: [sh, -c, 'echo $$HOME $${X}']"),
        @r#"
          command:
          - redis-server
          - --save
          - ""
          - --name
          - a b
          entrypoint:
          - sh
          - -c
          - echo $HOME $${X}
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        "#
    );
}

#[test]
fn environment_comes_as_a_map_or_a_list() {
    insta::assert_snapshot!(
        service(
            "environment:\n  A: text\n  B: 1.10\n  C: true\n  D:\n  SET:\n  E: '${SET}-$${SET}-$$x'\n  F: ''\n  yes: on"
        ),
        @r#"
          env:
            A: text
            B: "1.10"
            C: "true"
            E: value-$${SET}-$x
            F: ""
            SET: value
            "yes": "on"
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        10:7 note: `services.app.environment.D`: it has no value here and is not set: it is left out
        "#
    );
    insta::assert_snapshot!(service("environment: [A=b=c, SET, NONE, A=d]"), @"
      env:
        A: d
        SET: value
    ---
    1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
    6:31 note: `services.app.environment.NONE`: it has no value here and is not set: it is left out
    ");
}

#[test]
fn ports_come_in_many_forms() {
    insta::assert_snapshot!(
        service(
            "ports:
  - 127.0.0.1:8080:80
  - \"0.0.0.0:1025:1025/tcp\"
  - \"[::1]:5353:53/udp\"
  - \"127.0.0.1:9100-9102:7000-7002\"
  - {target: 6379, published: \"6380\", host_ip: 10.0.0.1, protocol: tcp, mode: host}
  - {target: 4000, published: 4000, host_ip: 127.0.0.1, name: admin_ui}"
        ),
        @r#"
          ports:
            admin_ui:
              host: 4000
              container: 4000
            dns:
              host: 5353
              container: 53
              address: "::1"
              protocol: udp
            http:
              host: 8080
              container: 80
            port-7000:
              host: 9100
              container: 7000
            port-7001:
              host: 9101
              container: 7001
            port-7002:
              host: 9102
              container: 7002
            redis:
              host: 6380
              container: 6379
              address: "10.0.0.1"
            smtp:
              host: 1025
              container: 1025
              address: "0.0.0.0"
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        "#
    );
    insta::assert_snapshot!(service("ports: [\"8080\", \"8000-8010:80\", 9000-9001]"), @"
      ports:
        http:
          host: 8080
          container: 8080
        http-80:
          host: 8000
          container: 80
        port-9000:
          host: 9000
          container: 9000
        port-9001:
          host: 9001
          container: 9001
    ---
    1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
    6:13 lost: `services.app.ports[0]`: a port of the host is not chosen freely; it is the container's own here: change `host` where that is taken
    6:21 lost: `services.app.ports[1]`: no port is chosen out of 8000-8010; `host` is the first here
    6:37 lost: `services.app.ports[2]`: a port of the host is not chosen freely; it is the container's own here: change `host` where that is taken
     note: ports without an address are published on 127.0.0.1 alone; write `address: 0.0.0.0` beside `host` of one that other hosts are to reach
    ");
}

#[test]
fn volumes_come_in_many_forms() {
    insta::assert_snapshot!(
        service(
            "volumes:
  - data:/var/lib/data
  - ./conf:/etc/app:ro
  - ../up:/up
  - .:/here
  - ~/home:/home
  - /abs:/abs:rw,cached
  - /anonymous/data
  - {type: bind, source: sub, target: /sub, read_only: true, bind: {create_host_path: true}}
  - {type: volume, source: more, target: /more}"
        ),
        @"
          volumes:
            ./: /here
            ./../up: /up
            ./conf: /etc/app:ro
            ./sub: /sub:ro
            /abs: /abs
            app-anonymous-data: /anonymous/data
            data: /var/lib/data
            more: /more
            ~/home: /home
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        13:9 note: `services.app.volumes[6]`: the volume has no name; it is `app-anonymous-data` here, and its data is kept
         note: paths under `volumes` start at the folder of the spec file: put it beside this file, or change them
        "
    );
}

#[test]
fn health_checks() {
    insta::assert_snapshot!(
        service("healthcheck: {test: curl -f localhost, interval: 5s, timeout: 30s, retries: 3, start_period: 1m30s}"),
        @"
          healthcheck:
            test:
            - CMD-SHELL
            - curl -f localhost
            interval: 5s
            startPeriod: 1m30s
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        "
    );
    insta::assert_snapshot!(
        service("healthcheck:\n  test: [CMD, pg_isready, -d, \"$${DB}\"]\n  retries: 10"),
        @"
          healthcheck:
            test:
            - CMD
            - pg_isready
            - -d
            - $${DB}
            retries: 10
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        "
    );
    insta::assert_snapshot!(service("healthcheck: {disable: true, interval: 5s}"), @"
      healthcheck:
        test:
        - NONE
    ---
    1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
    ");
}

#[test]
fn limits_and_everything_else() {
    insta::assert_snapshot!(
        service(
            "shm_size: 64mb
mem_limit: 512m
cpus: 0.5
deploy: {mode: replicated, replicas: 1, resources: {limits: {memory: 1.5g, cpus: '2'}}}
user: 1000
labels: [a=b, c]
extra_hosts: ['host.docker.internal:host-gateway', 'db=10.0.0.1', 'v6=[::1]']
logging: {driver: json-file, options: {max-size: 10m, max-file: 3}}
ulimits: {nofile: 65536, nproc: {soft: 10, hard: 20}, core: {soft: 0, hard: 0}}
x-own: anything"
        ),
        @r#"
          shmSize: 64Mi
          memory: 1536Mi
          cpus: 2.0
          labels:
            a: b
            c: ""
          extraHosts:
            db: "10.0.0.1"
            host.docker.internal: host-gateway
            v6: "::1"
          logging:
            driver: json-file
            options:
              max-file: "3"
              max-size: 10m
          ulimits:
            core:
              soft: 0
            nofile:
              soft: 65536
            nproc:
              soft: 10
              hard: 20
          user: "1000"
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        9:14 note: `services.app.deploy.mode`: only Docker Swarm reads it
        "#
    );
    insta::assert_snapshot!(
        service("labels: {a: 1}\nextra_hosts: {db: 10.0.0.1}\nmem_limit: 0\nstop_grace_period:"),
        @r#"
          labels:
            a: "1"
          extraHosts:
            db: "10.0.0.1"
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        "#
    );
}

#[test]
fn when_a_container_starts_again() {
    let restart = |word: &str| {
        let text = format!("services: {{a: {{image: a, restart: {word}}}}}");
        compose(&text).lines().skip(4).collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(
        ["always", "'no'", "no", "unless-stopped", "on-failure", "on-failure:3"]
            .map(|word| format!("{word}: {}", restart(word)))
            .join("\n"),
        @"
        always: ---
        'no':         restart: never ---
        no:         restart: never ---
        unless-stopped:         restart: unlessStopped ---
        on-failure:         restart: onFailure ---
        on-failure:3:         restart: onFailure --- 1:26 lost: `services.a.restart`: a container is started again without an end; `never` or `onFailure` say when it is not
        "
    );
    insta::assert_snapshot!(
        compose("services: {a: {image: a, deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}}}"),
        @"
          services:
            a:
              container:
                image: a
                restart: onFailure
        ---
        1:75 lost: `services.a.deploy.restart_policy.max_attempts`: a container is started again without an end; `never` or `onFailure` say when it is not
        "
    );
}
