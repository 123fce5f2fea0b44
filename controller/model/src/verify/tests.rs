//! Problems in what tools really printed, and which stages a run consists of.

use std::collections::BTreeMap;

use super::*;
use crate::kinds::process::Budget;
use crate::spec::ProblemMatcher;

/// Outputs of TypeScript 5, ESLint 9, Jest 29, Vitest 2, pytest 9, Go 1.26 and Cargo 1.97, colours included.
const OUTPUTS: &str = include_str!("tests/outputs.txt");

fn read(matchers: &Matchers, lines: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<Problem> {
    let mut reader = matchers.reader();
    for line in lines {
        reader.line(line.as_ref());
    }
    reader.finish().0.into_iter().map(|(problem, _)| problem).collect()
}

fn known() -> Matchers {
    Matchers::new(&BTreeMap::new()).unwrap()
}

fn words(problems: &[Problem]) -> String {
    let one = |problem: &Problem| {
        let severity = match problem.severity {
            Severity::Error => "",
            Severity::Warning => " (warning)",
        };
        format!("{}{severity}: {}\n", problem.matcher, problem.words())
    };
    problems.iter().map(one).collect()
}

#[test]
fn problems_are_found_in_what_tools_print() {
    let matchers = known();
    let mut found = String::new();
    for part in OUTPUTS.split("@@ ").skip(1) {
        let (tool, output) = part.split_once('\n').unwrap();
        found = format!("{found}== {tool}\n{}", words(&read(&matchers, output.lines())));
    }
    insta::assert_snapshot!(found, @r#"
    == tsc
    tsc: src/a.ts:1:7 TS2322: Type 'string' is not assignable to type 'number'.
    tsc: src/a.ts:2:22 TS2304: Cannot find name 'z'.
    == tsc pretty
    tsc: src/a.ts:1:7 TS2322: Type 'string' is not assignable to type 'number'.
    tsc: src/a.ts:2:22 TS2304: Cannot find name 'z'.
    == eslint
    eslint (warning): /home/me/app/src/b.js:1:7 no-unused-vars: 'unused' is assigned a value but never used
    eslint: /home/me/app/src/b.js:2:1 no-undef: 'missing' is not defined
    == jest
    jest: src/c.jest.cjs:1:170 adds › two numbers: expect(received).toBe(expected) // Object.is equality
    jest: src/c.jest.cjs:2:30 throws: boom "$x"
    == vitest
    vitest: src/d.test.ts:2:68 adds > two numbers: AssertionError: expected 3 to be 4 // Object.is equality
    == pytest
    pytest: src/test_e.py:3 AssertionError: no $luck
    pytest: src/test_e.py:6 ValueError: deep
    == go test
    go: a_test.go:3 got -1, want 3
    == go build
    go: ./b.go:2:25 undefined: undefinedThing
    == cargo
    cargo: src/lib.rs:1:21 E0308: mismatched types
    == cargo test
    cargo: src/lib.rs:1:21 adds: assertion `left == right` failed: sum
    "#);
}

#[test]
fn what_a_runner_puts_before_a_line_is_no_part_of_it() {
    let lines = [
        "backend:typecheck: src/a.ts(1,2): error TS1: turbo",
        "packages/common typecheck: src/b.ts(3,4): error TS2: pnpm",
        "@lightdash/common:test: \x1b[31msrc/c.ts(5,6): error TS3: scoped\x1b[0m",
    ];
    insta::assert_snapshot!(words(&read(&known(), lines)), @"
    tsc: src/a.ts:1:2 TS1: turbo
    tsc: src/b.ts:3:4 TS2: pnpm
    tsc: src/c.ts:5:6 TS3: scoped
    ");
}

#[test]
fn the_folder_of_a_script_goes_with_its_problems() {
    let matchers = known();
    let mut reader = matchers.reader();
    for line in
        ["> backend@0.1.0 lint /home/me/app/packages/backend", "src/a.ts(1,2): error TS1: x"]
    {
        reader.line(line.as_bytes());
    }
    let (found, _) = reader.finish();
    assert_eq!(found[0].1.as_deref(), Some("/home/me/app/packages/backend"));
}

#[test]
fn whatever_is_printed_is_no_reason_to_fail() {
    let matchers = known();
    let long = "x".repeat(1 << 20);
    let lines: [&[u8]; 6] = [
        b"src/a.ts(1,2): error TS1: \xff\xfe \"quotes\" $HOME `x` \\ \x00 end",
        b"src/a.ts(99999999999999999999999,2): error TS1: a line past all numbers",
        b"\x1b[",
        long.as_bytes(),
        b"",
        "\u{2028}src/\u{202e}b.ts(1,2): error TS1: other \u{1f4a5}".as_bytes(),
    ];
    let found = read(&matchers, lines);
    assert_eq!(found[0].message, "\u{fffd}\u{fffd} \"quotes\" $HOME `x` \\ \0 end");
    assert_eq!(found[1].line, None);
    for problem in &found {
        let json = serde_json::to_string(problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&json).unwrap(), *problem);
    }
    // A text that was cut says so: it may have been cut within a secret.
    let cut = format!("a.ts(1,1): error TS1: {}", "y".repeat(600));
    assert!(read(&matchers, [&cut])[0].message.ends_with("y…"));
    assert!(first_words(&[cut]).unwrap().ends_with("y…"));
    let late = format!("a.ts(1,1): error TS1: {}", " y".repeat(3000));
    assert!(late.len() > 4096 && read(&matchers, [&late])[0].message.ends_with('…'));
    let many = (0..1000).map(|n| format!("a.ts({n},1): error TS1: x"));
    let mut reader = matchers.reader();
    many.for_each(|line| reader.line(line.as_bytes()));
    let (found, more) = reader.finish();
    assert_eq!((found.len(), more), (50, true));
}

#[test]
fn users_teach_it_other_tools() {
    let matcher = |lines: &[&str], within, repeat| ProblemMatcher {
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        within,
        repeat,
    };
    let own = BTreeMap::from([
        (
            "spell".to_owned(),
            matcher(&[r"^(?<file>\S+) line (?<line>\d+): (?<message>.+)$"], 0, false),
        ),
        (
            "style".to_owned(),
            matcher(
                &[r"^File: (?<file>\S+)$", r"^ *(?<severity>\w+) (?<line>\d+) (?<message>.+)$"],
                1,
                true,
            ),
        ),
    ]);
    let lines = [
        "a.md line 3: teh",
        "File: b.md",
        "  Warning 4 long",
        "(a hint)",
        "  Error 5 longer",
        "other words",
        "and others",
        "  Error 6 of no file",
    ];
    insta::assert_snapshot!(words(&read(&Matchers::new(&own).unwrap(), lines)), @"
    spell: a.md:3 teh
    style (warning): b.md:4 long
    style: b.md:5 longer
    ");
}

#[test]
fn of_words_without_a_place_those_that_tell_most_come_first() {
    let first = |lines: &[&str]| {
        first_words(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(
        first(&["begin", "sh: 1: frob: not found", "done"]).unwrap(),
        "sh: 1: frob: not found"
    );
    assert_eq!(first(&["begin", "\x1b[31mlast\x1b[0m", ""]).unwrap(), "last");
    assert_eq!(first(&[" "]), None);
}

fn stage(name: &str, only_full: bool) -> Stage {
    Stage { name: name.to_owned(), work: Work::Commands(Vec::new()), only_full, timeout_ms: 1000 }
}

#[test]
fn a_run_consists_of_what_was_asked_for() {
    let pipeline = |stages| Pipeline {
        stages,
        matchers: BTreeMap::new(),
        budget: Budget::default(),
        worktree: None,
    };
    let whole = pipeline(vec![stage("types", false), stage("unit", false), stage("all", true)]);
    let names = |of: &Pipeline, full, stages: &[&str]| {
        let stages = stages.iter().map(|name| (*name).to_owned()).collect();
        match of.select(&Selection { full, stages }) {
            Ok(stages) => {
                stages.iter().map(|stage| stage.name.clone()).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(names(&whole, false, &[]), "types unit");
    assert_eq!(names(&whole, true, &[]), "types unit all");
    assert_eq!(names(&whole, false, &["all", "types"]), "types all");
    assert_eq!(
        names(&whole, true, &["untit"]),
        "there is no stage `untit`; did you mean `unit`? There are `types`, `unit` and `all`"
    );
    assert_eq!(
        names(&pipeline(Vec::new()), true, &[]),
        "there is nothing to verify it with: its Stack has no `verify`"
    );
    assert_eq!(
        names(&pipeline(vec![stage("all", true)]), false, &[]),
        "every stage of its Stack is `only: full`: run `ctl verify --full`"
    );
}

#[test]
fn a_failure_says_more_than_what_it_stopped() {
    use Verdict::{Cancelled, Error, Fail, Pass};
    assert_eq!(Verdict::of([]), Pass);
    assert_eq!(Verdict::of([Pass, Cancelled, Fail]), Fail);
    assert_eq!(Verdict::of([Cancelled, Error]), Error);
    assert_eq!(Verdict::of([Pass, Cancelled]), Cancelled);
}
