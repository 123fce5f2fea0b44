//! Limits that nothing could be held to.

use super::{check, stack};

#[test]
fn every_limit_that_cannot_be_is_named() {
    let spec = "
  processes:
    a: {run: a, memory: 1k, cpus: 0, pids: 200, openFiles: 64, nice: -20}
    b: {run: b, memory: 64Mi, cpus: 0.5, nice: 19}
  limits: {memory: 0, cpus: -1, pids: 1}";
    let valid = check(vec![stack(spec)]);
    let lines: Vec<String> =
        valid.problems.iter().map(crate::spec::diagnostic::Diagnostic::line).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    stack.yaml:6:25: 1000 is less than any program needs; write 1Mi or more, such as `1Gi`
    stack.yaml:6:35: 0 is no number of processors; write a number above 0, such as `1.5`
    stack.yaml:8:20: 0 is less than any program needs; write 1Mi or more, such as `1Gi`
    stack.yaml:8:29: -1 is no number of processors; write a number above 0, such as `1.5`
    ");
}

#[test]
fn numbers_out_of_range_are_named_by_the_schema() {
    let spec = "
  processes:
    a: {run: a, pids: 0, openFiles: 3, nice: 20}
    b: {run: b, cpus: '0.5', nice: -21}
  limits: {pids: 0, memory: 1Gb, nice: 3}";
    let (name, text) = stack(spec);
    let parsed = crate::spec::parse::parse(name, text.as_bytes());
    let lines: Vec<String> =
        parsed.problems.iter().map(crate::spec::diagnostic::Diagnostic::line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    stack.yaml:6:23: `spec.processes.a.pids` must be a whole number from 1, but is the number 0
    stack.yaml:6:37: `spec.processes.a.openFiles` must be a whole number from 16, but is the number 3
    stack.yaml:6:46: `spec.processes.a.nice` must be a whole number from -20 to 19, but is the number 20
    stack.yaml:7:23: `spec.processes.b.cpus` must be a number, but is the text "0.5"; remove the quotes
    stack.yaml:7:36: `spec.processes.b.nice` must be a whole number from -20 to 19, but is the number -21
    stack.yaml:8:18: `spec.limits.pids` must be a whole number from 1, but is the number 0
    stack.yaml:8:29: `spec.limits.memory`: `1Gb` is not a size: write a whole number and a unit, such as 256Mi, 1Gi or 500M
    stack.yaml:8:34: unknown key `nice` in `spec.limits`; the keys of `spec.limits` are `memory`, `cpus` and `pids`
    "#);
}
