//! The log as the shim writes it and as `agent_harness_shim::logs` reads it.

use std::path::Path;

use agent_harness_shim::logs::{Follower, From, Line, last_lines};

use super::*;

fn sink(path: &Path, max_bytes: u64, files: u32) -> Sink {
    Sink::open(LogFile { path: path.to_owned(), max_bytes, files }).unwrap()
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
}

#[test]
fn rotation_keeps_the_number_of_files_and_tears_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let mut sink = sink(&path, 1_000, 3);
    for number in 0..200 {
        sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
    }
    let mut sizes: Vec<(String, u64)> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), entry.metadata().unwrap().len())
        })
        .collect();
    sizes.sort();
    let names: Vec<&str> = sizes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["api.log", "api.log.1", "api.log.2"]);
    assert!(sizes.iter().all(|(_, size)| *size <= 1_000), "{sizes:?}");
    let (_, lines) = Follower::open(&path, From::default()).unwrap();
    let first = 200 - lines.len();
    let expected: Vec<String> = (first..200).map(|number| format!("line {number}")).collect();
    assert_eq!(texts(&lines), expected);
    assert!(lines.len() > 40, "{}", lines.len());
}

#[test]
fn a_follower_gets_each_line_once_across_rotations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let mut sink = sink(&path, 1_000, 3);
    let (mut follower, start) = Follower::open(&path, From::default()).unwrap();
    let mut seen = texts(&start);
    for number in 0..300 {
        sink.feed(Stream::Stderr, format!("line {number}\n").as_bytes());
        if number % 7 == 0 {
            seen.extend(texts(&follower.next_lines().unwrap()));
        }
    }
    seen.extend(texts(&follower.next_lines().unwrap()));
    let expected: Vec<String> = (0..300).map(|number| format!("line {number}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn tail_and_since_choose_what_to_begin_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let text = "2026-01-01T00:00:00.000Z stdout F old\n\
                2026-01-01T00:00:01.000Z stdout P long \n\
                2026-01-01T00:00:01.000Z stdout F line\n\
                2026-01-01T00:00:02.000Z shim F exited with code 1\n\
                not ours\n\
                2026-01-01T00:00:03.000Z stderr F torn";
    #[allow(clippy::disallowed_methods, reason = "a log as somebody else wrote it")]
    fs::write(&path, text).unwrap();
    let get = |from| texts(&Follower::open(&path, from).unwrap().1);
    let all = ["old", "long line", "exited with code 1", "not ours"];
    assert_eq!(get(From::default()), all);
    assert_eq!(get(From { tail: Some(2), since_ms: None }), all[2..]);
    let since_ms = timestamp::parse(b"2026-01-01T00:00:01.000Z");
    assert_eq!(get(From { tail: None, since_ms }), all[1..]);
    assert_eq!(last_lines(&path, 2).unwrap(), ["long line", "torn"]);
    #[allow(clippy::disallowed_methods, reason = "a log as somebody else wrote it")]
    fs::write(
        &path,
        "2026-01-01T00:00:00.000Z stdout F of another run\n\
         2026-01-01T00:00:01.000Z shim F started with pid 7\n\
         2026-01-01T00:00:02.000Z stdout F of this run\n",
    )
    .unwrap();
    assert_eq!(last_lines(&path, 9).unwrap(), ["of this run"]);
    let missing = folder.path().join("none.log");
    assert_eq!(texts(&Follower::open(&missing, From::default()).unwrap().1), [""; 0]);
}

#[test]
fn a_full_disk_loses_lines_and_says_so_when_it_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let mut sink = sink(&path, 1_000_000, 3);
    sink.feed(Stream::Stdout, b"before\n");
    // Writing there answers ENOSPC, as a full disk does.
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let disk = std::mem::replace(&mut sink.file, full);
    sink.feed(Stream::Stdout, b"lost\n");
    sink.feed(Stream::Stdout, b"lost too\n");
    sink.file = disk;
    sink.feed(Stream::Stdout, b"after\n");
    let (_, lines) = Follower::open(&path, From::default()).unwrap();
    let lost = 2 * timestamp::LENGTH + " stdout F lost\n".len() + " stdout F lost too\n".len();
    assert_eq!(
        texts(&lines),
        ["before", "", &format!("{lost} bytes could not be written and are lost"), "after"]
    );
}

#[test]
fn a_symlink_in_place_of_the_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(Sink::open(LogFile::new(path)).is_err());
}

#[test]
fn a_rotation_that_is_not_possible_keeps_all_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let mut sink = sink(&path, 300, 3);
    for number in 0..20 {
        sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
    }
    let names = || {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let before = texts(&Follower::open(&path, From::default()).unwrap().1);
    // Neither the file of the next rotation nor, as a folder has its name, that of the one before can be made.
    for name in ["api.log.next", "api.log.next/x"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for number in 20..60 {
        sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
    }
    assert_eq!(names(), ["api.log", "api.log.1", "api.log.2", "api.log.next"]);
    let after = texts(&Follower::open(&path, From::default()).unwrap().1);
    assert!(after.starts_with(&before), "{after:?}");
    assert_eq!(after.last().unwrap(), "line 59");

    for name in ["api.log.next/x", "api.log.next"] {
        fs::remove_dir(folder.path().join(name)).unwrap();
    }
    for number in 60..100 {
        sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
    }
    assert_eq!(names(), ["api.log", "api.log.1", "api.log.2"]);
    assert!(fs::metadata(&path).unwrap().len() <= 300, "it goes on as before");
}

#[test]
fn what_cannot_be_moved_on_is_not_written_over() {
    // A folder has the name that the older log, or the current one, is to get.
    for blocked in ["api.log.2", "api.log.1"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.log");
        let mut sink = sink(&path, 300, if blocked == "api.log.2" { 3 } else { 2 });
        if blocked == "api.log.2" {
            // Until there is one older log.
            for number in 0.. {
                sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
                if folder.path().join("api.log.1").exists() {
                    break;
                }
            }
        }
        let before = texts(&Follower::open(&path, From::default()).unwrap().1);
        fs::create_dir_all(folder.path().join(blocked).join("x")).unwrap();
        for number in 100..150 {
            sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
        }
        fs::remove_dir(folder.path().join(blocked).join("x")).unwrap();
        fs::remove_dir(folder.path().join(blocked)).unwrap();
        let expected = (100..150).map(|number| format!("line {number}"));
        let expected: Vec<String> = before.into_iter().chain(expected).collect();
        let after = texts(&Follower::open(&path, From::default()).unwrap().1);
        assert_eq!(after, expected, "{blocked}");
    }
}
