//! What is wrong within a container of an Infra.

use super::{check, object};

#[test]
fn every_mistake_in_a_container_is_named() {
    let valid = check(vec![(
        "infra.yaml",
        object(
            "Infra",
            "shared",
            "
  postgres: {container: {image: pg}}
  services:
    a: {container: {image: 'two words', memory: 1Mi, cpus: 0}}
    b: {container: {image: b, ports: {x: {host: 1001, container: 80}, y: {host: 1002, container: 80}}}}
    c: {container: {image: c, ports: {x: {host: 1003, container: 80, address: everywhere}}}}
    d: {container: {image: d, volumes: {'no/path': /x, data: relative, one: /y, two: /y}}}
    e: {container: {image: e, labels: {com.docker.compose.project: mine}}}
    f: {container: {image: f, healthcheck: {test: [curl, localhost]}}}
    g: {container: {image: g, ready: {http: {port: web}}}}
    h: {container: {image: h}, process: {run: h}}
    postgres: {container: {image: i}}",
        ),
    )]);
    let lines: Vec<String> =
        valid.problems.iter().map(crate::spec::diagnostic::Diagnostic::line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    infra.yaml:5:14: the container publishes no port named `postgres`; add it under `ports`, such as `postgres: {host: 15432, container: 5432}`
    infra.yaml:7:28: "two words" is not an image; write it by tag or digest, such as `axllent/mailpit:v1.27`
    infra.yaml:7:49: 1Mi is less than the engine gives a container; write 6Mi or more
    infra.yaml:7:60: 0 is no number of processors; write a number above 0, such as `1.5`
    infra.yaml:8:71: `y` and `x` publish the same port 80 of the container; publish it once
    infra.yaml:9:79: "everywhere" is no address of this host; write an IP address, such as `0.0.0.0`, or leave it out for `127.0.0.1`
    infra.yaml:10:41: "no/path" is neither a volume name nor a path; a volume has letters, digits, `-`, `_` and `.`; a path begins with `./`, `/` or `~/`
    infra.yaml:10:62: `relative` is no path in the container; write it with a leading `/`
    infra.yaml:10:81: `two` and `one` are both to be at `/y`; give one of them another place
    infra.yaml:11:40: the label `com.docker.compose.project` is set by the controller itself; give it another name
    infra.yaml:12:51: it is no health check; write `[CMD, PROGRAM, …]`, `[CMD-SHELL, LINE]` or `[NONE]`
    infra.yaml:13:52: there is no port named `web`; there is no port at all
    infra.yaml:14:32: `spec.services.h` has `container` and `process`, but only one of them may be there; remove all but one
    infra.yaml:15:5: `postgres` is the name of a service of its own kind; move it to `spec.postgres`, or give it another name
    "#);
}
