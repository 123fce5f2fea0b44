//! Everything that is not carried over, with the words for it.

use super::{compose, service};

#[test]
fn keys_of_a_service() {
    insta::assert_snapshot!(
        service(
            "build: .
profiles: [debug]
pids_limit: 10
working_dir: /x
hostname: x
dns: 1.1.1.1
privileged: true
group_add: [docker]
sysctls: {a: 1}
devices: [/dev/x]
blkio_config: {}
read_only: true
tmpfs: /tmp
init: true
tty: true
stdin_open: true
stop_signal: SIGINT
stop_grace_period: 1m
post_start: []
platform: linux/amd64
mac_address: x
links: [db]
external_links: [db]
volumes_from: [db]
configs: [c]
secrets: [s]
label_file: x
storage_opt: {}
cpuset: '0'
scale: 2"
        ),
        @"
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        6:5 lost: `services.app.build`: images are not built here; build it with `docker build -t NAME` and see that `image` names it
        7:5 lost: `services.app.profiles`: every service of an Infra runs; remove this one unless it is to run
        8:5 lost: `services.app.pids_limit`: a container has no limit of processes; set `ulimits: {nproc: …}`
        9:5 lost: `services.app.working_dir`: the folder is the image's; write `[sh, -c, cd DIR && exec …]` as `command`
        10:5 lost: `services.app.hostname`: the host name is the engine's; others reach it by the name of the service
        11:5 lost: `services.app.dns`: names are resolved as the engine does it; write fixed ones under `extraHosts`
        12:5 lost: `services.app.privileged`: a container has the engine's usual rights and namespaces; run this service yourself if it needs other ones
        13:5 lost: `services.app.group_add`: further groups are not set; write `user: USER:GROUP`
        14:5 lost: `services.app.sysctls`: kernel settings of a container are not set; set them on the host
        15:5 lost: `services.app.devices`: a container gets no devices of the host; run this service yourself
        16:5 lost: `services.app.blkio_config`: disks are not shared out; leave it out
        17:5 lost: `services.app.read_only`: the container may write into its own layer; leave it out
        18:5 lost: `services.app.tmpfs`: there is no memory file system but /dev/shm; name a volume for it
        19:5 lost: `services.app.init`: no init process is put in front; take an image that has one
        20:5 lost: `services.app.tty`: there is no terminal; leave it out
        21:5 lost: `services.app.stdin_open`: standard input is closed; leave it out
        22:5 lost: `services.app.stop_signal`: the signal is the image's; change it there
        23:5 lost: `services.app.stop_grace_period`: the time to stop is the engine's, 10s; leave it out
        24:5 lost: `services.app.post_start`: nothing is run beside the command; put it into a script that is the `entrypoint`
        25:5 lost: `services.app.platform`: the platform is the engine's; name the image by the digest of the other one
        26:5 lost: `services.app.mac_address`: addresses are the engine's; leave it out
        27:5 lost: `services.app.links`: there are no further names for services; use the names of the services themselves
        28:5 lost: `services.app.external_links`: other containers are not linked; name their network under `network`
        29:5 lost: `services.app.volumes_from`: volumes are not taken from others; name them under `volumes`
        30:5 lost: `services.app.configs`: there are no configs; mount each file by its path under `volumes`
        31:5 lost: `services.app.secrets`: there are no secret files; mount each by its path under `volumes`, or write `{secret: NAME}` in `env`
        32:5 lost: `services.app.label_file`: labels are not read from files; write them under `labels`
        33:5 lost: `services.app.storage_opt`: disk space is not limited; leave it out
        34:5 lost: `services.app.cpuset`: only `memory` and `cpus` are limited; set these
        35:5 lost: `services.app.scale`: a service is one container; write it again under another name and other ports
        "
    );
}

#[test]
fn keys_that_are_not_needed() {
    insta::assert_snapshot!(
        service(
            "depends_on: {db: {condition: service_healthy}}
container_name: x
expose: [80]
pull_policy: always
develop: {watch: []}
annotations: {a: b}
attach: false"
        ),
        @"
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        6:5 note: `services.app.depends_on`: not needed: whoever needs a service waits until it is well
        7:5 note: `services.app.container_name`: the harness names its containers; `ctl logs` and `ctl exec` take the name of the service
        8:5 note: `services.app.expose`: not needed: services reach each other at every port
        9:5 note: `services.app.pull_policy`: an image is pulled when the engine does not have it
        10:5 note: `services.app.develop`: it is for `docker compose watch`
        11:5 note: `services.app.annotations`: nothing here reads them
        12:5 note: `services.app.attach`: it is for the output of `docker compose up`
        "
    );
}

#[test]
fn parts_of_keys() {
    insta::assert_snapshot!(
        service(
            "ports:
  - 8080
  - 8000-8010:80
  - 127.0.0.1:1:9999/sctp
  - 127.0.0.1:53:53
  - 127.0.0.1:53:53/udp
volumes:
  - data:/a
  - data:/b:z
  - ./ro:/ro:ro
  - {type: tmpfs, target: /tmp}
  - {type: volume, source: more, target: /more, volume: {nocopy: true}}
healthcheck: {interval: 5s}
command: []
environment: {discovery.type: single-node}
deploy:
  placement: {}
  replicas: 3
  resources:
    limits: {pids: 10}
    reservations: {memory: 1g}
  restart_policy: {condition: any, delay: 5s}"
        ),
        @r#"
          ports:
            dns:
              host: 53
              container: 53
            http:
              host: 8080
              container: 8080
            http-80:
              host: 8000
              container: 80
          volumes:
            ./ro: /ro:ro
            data: /a
            more: /more
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        7:9 lost: `services.app.ports[0]`: a port of the host is not chosen freely; it is the container's own here: change `host` where that is taken
        8:9 lost: `services.app.ports[1]`: no port is chosen out of 8000-8010; `host` is the first here
        9:9 lost: `services.app.ports[2]`: `sctp` is not published; leave it out, or use TCP or UDP
        11:9 lost: `services.app.ports[4]`: the port 53 of the container is published once; leave one of them out
        14:9 lost: `services.app.volumes[1]`: the option `z` is not set; leave it out, or run this yourself
        14:9 lost: `services.app.volumes[1]`: `data` is mounted once, at /a; mount a folder above both, or link one to the other in the image
        16:9 lost: `services.app.volumes[3]`: a volume is a named one or a path of the host, not `tmpfs`; name one
        17:62 lost: `services.app.volumes[4].volume.nocopy`: it is not set; leave it out, or run this yourself
        18:5 lost: `services.app.healthcheck`: the image's own check keeps its times; write its `test` here too to change them
        19:5 lost: `services.app.command`: an empty one does not take away the image's own; write the command
        20:19 lost: `services.app.environment.discovery.type`: "discovery.type" is no name of a variable in a spec, which has letters, digits and `_`; set it in `command`, or in a file of the image's that you mount
        22:7 note: `services.app.deploy.placement`: only Docker Swarm reads it
        23:7 lost: `services.app.deploy.replicas`: a service is one container; write it again under another name and other ports
        25:18 lost: `services.app.deploy.resources.limits.pids`: a container has no limit of processes; set `ulimits: {nproc: …}`
        26:9 lost: `services.app.deploy.resources.reservations`: nothing is set aside for a container; `limits` hold
        27:40 lost: `services.app.deploy.restart_policy.delay`: times between starts are the engine's own
         note: ports without an address are published on 127.0.0.1 alone; write `address: 0.0.0.0` beside `host` of one that other hosts are to reach
         note: paths under `volumes` start at the folder of the spec file: put it beside this file, or change them
        "#
    );
    insta::assert_snapshot!(
        service("healthcheck: {test: [CMD, x], start_interval: 1s}\ndeploy: {replicas: 0}"),
        @"
          healthcheck:
            test:
            - CMD
            - x
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        6:35 lost: `services.app.healthcheck.start_interval`: a check comes as often while the service starts as later; set `interval`
        7:14 lost: `services.app.deploy.replicas`: every service of an Infra runs; remove this one
        "
    );
}

#[test]
fn networks_and_volumes() {
    let modes = ["host", "none", "bridge", "service:db"];
    let modes = modes.map(|mode| service(&format!("network_mode: {mode}"))).join("");
    insta::assert_snapshot!(modes, @"
    ---
    1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
    6:5 lost: `services.app.network_mode`: the container is not in the host's own network; publish its `ports`
    ---
    1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
    6:5 lost: `services.app.network_mode`: the container is in the harness's network; leave its `ports` out
    ---
    1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
    6:5 lost: `services.app.network_mode`: the container is in the harness's network, not in `bridge`
    ---
    1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
    6:5 lost: `services.app.network_mode`: the container is in the harness's network, not in `service:db`
    ");
    insta::assert_snapshot!(
        compose(
            "services:
  a:
    image: a
    restart: always
    networks: {back: {aliases: [x]}, outside: , other: }
  b: {image: b, restart: always, networks: [front, default]}
networks:
  back: {driver: bridge, internal: true}
  front:
  outside: {external: true, name: real}
  other: {external: {name: older}}
volumes:
  a: {external: {name: x}}
  b: {name: real}
  c: {driver: local, driver_opts: {type: nfs}}
  d: {driver: rexray, labels: {a: b}}
configs: {}
secrets: {s: {file: s.txt}}
include: [other.yaml]
"
        ),
        @"
          services:
            a:
              container:
                image: a
                network: real
            b:
              container:
                image: b
        ---
        5:23 lost: `services.a.networks.back.aliases`: addresses and further names are the engine's; use the service's own name
        5:49 lost: `services.a.networks.other`: a container joins one network, and not `older` too; choose one
        7:1 lost: `networks`: the services of an Infra share one network and all reach each other; leave out what must not
        8:26 lost: `networks.back.internal`: the network is the harness's own; make one with `docker network create` and name it under `network` of each container
        12:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        13:7 lost: `volumes.a.external`: a volume is made by the harness and begins empty; copy the data into it, or mount a folder of the host by its path
        14:7 lost: `volumes.b.name`: the volume has the name of its key; give the key that name
        15:22 lost: `volumes.c.driver_opts`: volumes are those of the engine's own driver; mount a folder of the host by its path
        16:7 lost: `volumes.d.driver`: volumes are those of the engine's own driver; mount a folder of the host by its path
        16:23 lost: `volumes.d.labels`: volumes have the labels of the harness alone; leave them out
        17:1 lost: `configs`: there are no configs; mount each file by its path under `volumes`
        18:1 lost: `secrets`: there are no secret files; mount each by its path under `volumes`, or write `{secret: NAME}` in `env`
        19:1 lost: `include`: other files are not read; write `docker compose config` into a file and convert that
        "
    );
    insta::assert_snapshot!(compose("services: {a: {image: a, restart: always, networks: [one]}}\nnetworks: {one: }"), @"
      services:
        a:
          container:
            image: a
    ---
    2:1 note: `networks`: the services of an Infra share one network anyway
    ");
}

#[test]
fn a_service_without_an_image_is_left_out() {
    insta::assert_snapshot!(
        compose("services:\n  a: {build: {context: .}}\n  b: {image: b, extends: {file: o.yaml, service: b}}\n"),
        @"
          services:
            b:
              container:
                image: b
        ---
        2:7 lost: `services.a.build`: images are not built here; build it with `docker build -t NAME` and write `image: NAME`: without an image the service is left out
        3:3 note: `services.b`: it has no `restart`: here it is started again whenever it ends, unless you write `restart: never`
        3:17 lost: `services.b.extends`: other files are not read; write `docker compose config` into a file and convert that
        "
    );
}

#[test]
fn passwords_are_carried_over_and_named() {
    insta::assert_snapshot!(
        service(
            "environment: {DB_PASSWORD: p, API_KEY: k, TOKEN: '', PASSWORD_FILE: /run/x, KEYBOARD: de}"
        ),
        @r#"
          env:
            API_KEY: k
            DB_PASSWORD: p
            KEYBOARD: de
            PASSWORD_FILE: /run/x
            TOKEN: ""
        ---
        1:1 note: `volumes`: the volumes are made anew: the data in those of compose, named PROJECT_VOLUME, stays there
        6:19 note: `services.app.environment.DB_PASSWORD`: it is written out; to keep it out of the spec, write `DB_PASSWORD: {secret: app-db-password}` and put its value into `secrets/spec-app-db-password` of the state folder
        6:35 note: `services.app.environment.API_KEY`: it is written out; to keep it out of the spec, write `API_KEY: {secret: app-api-key}` and put its value into `secrets/spec-app-api-key` of the state folder
        "#
    );
}
