//! What is carried over of a compose file beyond one service: what services share, and what becomes of each.

use super::{compose, compose_with};

#[test]
fn files_of_variables_come_below_the_environment() {
    let text = "services:
  app:
    image: app
    restart: always
    env_file:
      - app.env
      - path: none.env
        required: false
      - {path: raw.env, format: raw}
    environment: {B: own}
";
    let files = [("app.env", "A='1'\nB=2\n"), ("raw.env", "C='$X'\n")];
    insta::assert_snapshot!(compose_with(text, &files), @r#"
      services:
        app:
          container:
            image: app
            env:
              A: "1"
              B: own
              C: "'$X'"
    ---
    "#);
    insta::assert_snapshot!(compose_with("services: {a: {image: a, env_file: none.env}}", &[]), @r#"compose.yaml:1:26: the file "none.env" cannot be read: entity not found; a path starts at the folder of this file"#);
    let bad = [("bad.env", "A=1\nB C=2\n")];
    insta::assert_snapshot!(compose_with("services: {a: {image: a, env_file: bad.env}}", &bad), @r#"bad.env:2:1: "B C" is no name for a variable; write NAME=VALUE"#);
}

#[test]
fn anchors_merge_keys_and_extends() {
    insta::assert_snapshot!(
        compose(
            "version: '3.9'
x-base: &base
  restart: always
  environment: &env {A: a, B: b}
  tty: true
services:
  one:
    <<: *base
    image: one
  two:
    <<: [*base, {image: never, user: two}]
    image: two
    environment: {<<: *env, B: own}
  three:
    extends: two
    environment: [C=c, A=three]
    ports: ['127.0.0.1:80:80']
    depends_on: [one]
"
        ),
        @"
          services:
            one:
              container:
                image: one
                env:
                  A: a
                  B: b
            three:
              container:
                image: two
                env:
                  A: three
                  B: own
                  C: c
                ports:
                  http:
                    host: 80
                    container: 80
                user: two
            two:
              container:
                image: two
                env:
                  A: a
                  B: own
                user: two
        ---
        5:3 lost: `services.one.tty` and 2 more: there is no terminal; leave it out
        18:5 note: `services.three.depends_on`: not needed: whoever needs a service waits until it is well
        "
    );
}

#[test]
fn the_servers_of_the_agents_are_found() {
    insta::assert_snapshot!(
        compose(
            "name: My_App
services:
  db:
    image: ghcr.io/org/postgis:16-3.4@sha256:abc
    restart: always
    ports: ['127.0.0.1:5433:5432']
  postgres:
    image: postgres
    restart: always
    ports: ['127.0.0.1:5434:5432']
  inside:
    image: postgres
    restart: always
  s3:
    image: minio/minio
    restart: always
    command: server /export --console-address :9090
    environment: {MINIO_DEFAULT_BUCKETS: 'one,two:public, Three'}
    ports: ['127.0.0.1:9000:9000', '127.0.0.1:9090:9090']
    volumes: ['store:/export']
  app:
    image: app
    restart: always
    environment: {URL: 'postgres://u:p@db:5432/x', S3: 'http://s3.example', OTHER: s3}
volumes: {store: }
"
        ),
        @r#"
          postgres:
            container:
              image: ghcr.io/org/postgis:16-3.4@sha256:abc
              ports:
                postgres:
                  host: 5433
                  container: 5432
          objectStore:
            container:
              image: minio/minio
              command:
              - server
              - /export
              - --console-address
              - ":9090"
              ports:
                console:
                  host: 9090
                  container: 9090
                s3:
                  host: 9000
                  container: 9000
              volumes:
                store: /export
            buckets:
              one: {}
              two: {}
          services:
            app:
              container:
                image: app
                env:
                  OTHER: s3
                  S3: http://s3.example
                  URL: postgres://u:p@db:5432/x
            inside:
              container:
                image: postgres
            postgres-service:
              container:
                image: postgres
                ports:
                  postgres:
                    host: 5434
                    container: 5432
        ---
        3:3 note: `services.db`: the service is `postgres` here; see what `app` says of the host `db`
        7:3 note: `services.postgres`: an Infra has one `postgres`, and the one above is it: this one is under `services`, and agents get nothing in it
        7:3 note: `services.postgres`: the service is `postgres-service` here; see what `app` says of the host `postgres`
        14:3 note: `services.s3`: the service is `objectStore` here; see what `app` says of the host `s3`
        18:19 lost: `services.s3.environment.MINIO_DEFAULT_BUCKETS`: the policy `public` of `two` is not set; set it with the store's own client
        18:19 lost: `services.s3.environment.MINIO_DEFAULT_BUCKETS`: "Three" is no name of a bucket; give it 3 to 63 of a-z, 0-9, `-`
        18:19 note: `services.s3.environment.MINIO_DEFAULT_BUCKETS`: these are `objectStore.buckets` here: the harness makes them
        25:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        "#
    );
}

#[test]
fn names_are_made_to_fit() {
    insta::assert_snapshot!(
        compose(
            "services:
  my.app: {image: a, restart: always}
  my-app: {image: b, restart: always, ports: ['127.0.0.1:1:8080', '127.0.0.1:2:3000', '127.0.0.1:3:9999/udp']}
"
        ),
        @"
          services:
            my-app:
              container:
                image: a
            my-app-2:
              container:
                image: b
                ports:
                  http:
                    host: 1
                    container: 8080
                  http-3000:
                    host: 2
                    container: 3000
                  port-9999-udp:
                    host: 3
                    container: 9999
                    protocol: udp
        ---
        2:3 note: `services.my.app`: the service is `my-app` here
        3:3 note: `services.my-app`: the service is `my-app-2` here
        "
    );
}
