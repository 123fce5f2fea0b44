//! Rounds over logs as shims leave them.

use std::cell::Cell;

use agent_harness_shim::logs::{Follower, From, last_lines, previous};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The logs of an agent.
struct Logs {
    root: tempfile::TempDir,
}

impl Logs {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("agent-agent-3/process"), 0o700).unwrap();
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("agent-agent-3/process").join(name)
    }

    #[allow(clippy::disallowed_methods, reason = "a log as a shim wrote it")]
    fn write(&self, name: &str, lines: std::ops::Range<u64>, age: Duration) {
        let line = |number: u64| {
            let at = agent_harness_shim::timestamp::format(1_795_521_600_000 + number * 1000);
            format!("{at} stdout F line {number}\n")
        };
        std::fs::write(self.path(name), lines.map(line).collect::<String>()).unwrap();
        let file = File::options().write(true).open(self.path(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn tidy(&self, limits: Limits) {
        let errors = tidy(self.root.path(), limits, SystemTime::now(), &|| false);
        assert!(errors.is_empty(), "{errors:?}");
    }

    fn names(&self) -> Vec<String> {
        let paths = fs::list_dir(self.path("")).unwrap();
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        paths.into_iter().map(name).collect()
    }

    fn read(&self, from: From) -> Vec<String> {
        let (_, lines) = Follower::open(&self.path("api.log"), from).unwrap();
        lines.into_iter().map(|line| String::from_utf8(line.text).unwrap()).collect()
    }
}

fn lines(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("line {number}")).collect()
}

#[test]
fn what_is_rotated_is_compressed_once_and_reads_as_before() {
    let logs = Logs::new();
    logs.write("api.log.9", 0..500, 2 * DAY);
    logs.write("api.log.10", 500..1000, DAY);
    logs.write("api.log", 1000..1010, Duration::ZERO);
    logs.tidy(Limits::USUAL);
    assert_eq!(logs.names(), ["api.log", "api.log.10.gz", "api.log.9.gz"]);
    let compressed = fs::metadata(logs.path("api.log.9.gz")).unwrap().unwrap();
    assert!(compressed.len() < 5_000 && compressed.mode() & 0o777 == 0o600, "{compressed:?}");
    let age = SystemTime::now().duration_since(compressed.modified().unwrap()).unwrap();
    assert!(age >= 2 * DAY, "it is as old as its lines: {age:?}");

    assert_eq!(logs.read(From::default()), lines(0..1010));
    assert_eq!(logs.read(From { tail: Some(30), since_ms: None }), lines(980..1010));
    let since_ms = Some(1_795_521_600_000 + 490_000);
    assert_eq!(logs.read(From { tail: None, since_ms }), lines(490..1010));
    assert_eq!(last_lines(&logs.path("api.log"), 12).unwrap(), lines(998..1010));
    assert_eq!(previous(&logs.path("api.log"), From::default()).unwrap(), None);

    logs.tidy(Limits::USUAL);
    let again = fs::metadata(logs.path("api.log.9.gz")).unwrap().unwrap();
    assert_eq!(again.ino(), compressed.ino(), "there was nothing to do");
}

#[test]
fn stopped_anywhere_no_line_is_lost_or_shown_twice() {
    let logs = Logs::new();
    logs.write("api.log.2", 0..500, DAY);
    logs.write("api.log", 500..510, Duration::ZERO);
    // Within the copy.
    logs.write("api.log.2.gz.part", 0..3, Duration::ZERO);
    assert_eq!(logs.read(From::default()), lines(0..510));
    // Before the plain one went.
    compress(&logs.path("api.log.2"), &logs.path("api.log.2.gz")).unwrap();
    assert_eq!(logs.read(From::default()), lines(0..510));
    logs.tidy(Limits::USUAL);
    assert_eq!(logs.names(), ["api.log", "api.log.2.gz"]);
    assert_eq!(logs.read(From::default()), lines(0..510));
}

#[test]
fn half_a_copy_is_begun_anew_and_a_round_that_is_to_stop_begins_none() {
    let logs = Logs::new();
    logs.write("api.log.2", 0..5, DAY);
    logs.write("api.log.3", 5..10, DAY);
    logs.write("api.log.2.gz.part", 0..3, Duration::ZERO);
    let looks = Cell::new(0);
    // Asked before the agent, then before each file.
    let stop = || looks.replace(looks.get() + 1) >= 2;
    assert!(tidy(logs.root.path(), Limits::USUAL, SystemTime::now(), &stop).is_empty());
    assert_eq!(logs.names(), ["api.log.2.gz", "api.log.3"]);
    assert_eq!(logs.read(From::default()), lines(0..10));
}

#[test]
fn what_is_older_than_a_week_goes_but_the_current_log() {
    let logs = Logs::new();
    logs.write("api.log.1", 0..5, 8 * DAY);
    logs.write("api.log.2.gz", 5..10, 8 * DAY);
    logs.write("api.log.3", 10..15, 6 * DAY);
    logs.write("api.log", 15..20, 30 * DAY);
    logs.tidy(Limits::USUAL);
    assert_eq!(logs.names(), ["api.log", "api.log.3.gz"]);
    assert_eq!(logs.read(From::default()), lines(10..20));
}

#[test]
fn all_logs_of_an_agent_share_what_it_may_have_and_the_oldest_go_first() {
    let logs = Logs::new();
    fs::create_dir_all(logs.root.path().join("agent-agent-3/setup"), 0o700).unwrap();
    for (name, days) in [("api.log.1", 3), ("web.log.1", 2), ("../setup/install.log.1", 1)] {
        logs.write(name, 0..2000, days * DAY);
    }
    logs.write("api.log", 0..100, 4 * DAY);
    logs.write("web.log.9", 0..5, 5 * DAY);
    logs.tidy(Limits::USUAL);
    let length = |name: &str| fs::metadata(logs.path(name)).unwrap().unwrap().len();
    let kept = length("api.log") + length("web.log.1.gz") + length("../setup/install.log.1.gz");
    logs.tidy(Limits { bytes: kept, ..Limits::USUAL });
    assert_eq!(logs.names(), ["api.log", "web.log.1.gz"]);
    // What is written to is never taken away, however much it is.
    logs.tidy(Limits { bytes: 1, ..Limits::USUAL });
    assert_eq!(logs.names(), ["api.log"]);
}

#[test]
fn a_compressed_file_that_is_broken_hides_nothing_of_the_others() {
    let logs = Logs::new();
    logs.write("api.log.1.gz", 0..5, DAY);
    logs.write("api.log", 5..7, Duration::ZERO);
    let shown = logs.read(From::default());
    assert!(shown[0].contains("api.log.1.gz is not readable"), "{shown:?}");
    assert_eq!(shown[1..], lines(5..7));
}

#[test]
fn what_cannot_be_compressed_stays_as_it_is_and_is_said() {
    let logs = Logs::new();
    logs.write("api.log.1", 0..5, DAY);
    logs.write("web.log.1", 0..5, DAY);
    fs::create_dir_all(logs.path("api.log.1.gz.part/x"), 0o700).unwrap();
    let errors = tidy(logs.root.path(), Limits::USUAL, SystemTime::now(), &|| false);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(logs.names(), ["api.log.1", "api.log.1.gz.part", "web.log.1.gz"]);
    assert_eq!(logs.read(From::default()), lines(0..5));
}
