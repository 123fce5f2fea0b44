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
    let numbers: Vec<u64> =
        names.iter().filter_map(|name| Some(rotated::of_name(name)?.1)).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(numbers[0] + 1, numbers[1], "each has the number after the one before");
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
    let names_before = names();
    // Neither the file of the next rotation nor, as a folder has its name, that of the one before can be made.
    for name in ["api.log.next", "api.log.next/x"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for number in 20..60 {
        sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
    }
    assert_eq!(names(), [names_before, vec!["api.log.next".to_owned()]].concat());
    let after = texts(&Follower::open(&path, From::default()).unwrap().1);
    assert!(after.starts_with(&before), "{after:?}");
    assert_eq!(after.last().unwrap(), "line 59");

    for name in ["api.log.next/x", "api.log.next"] {
        fs::remove_dir(folder.path().join(name)).unwrap();
    }
    for number in 60..100 {
        sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
    }
    assert_eq!(names().len(), 3, "{:?}", names());
    assert!(fs::metadata(&path).unwrap().len() <= 300, "it goes on as before");
}

#[test]
fn what_has_the_name_of_a_rotated_log_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let mut sink = sink(&path, 300, 9);
    fs::create_dir_all(folder.path().join("api.log.1/x")).unwrap();
    for number in 0..30 {
        sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
    }
    assert!(folder.path().join("api.log.1/x").exists());
    assert!(folder.path().join("api.log.2").is_file(), "the next number is free");
    let expected: Vec<String> = (0..30).map(|number| format!("line {number}")).collect();
    assert_eq!(texts(&Follower::open(&path, From::default()).unwrap().1), expected);
}

#[test]
fn a_follower_misses_no_file_that_came_and_was_rotated_between_two_looks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let mut sink = sink(&path, 300, 20);
    let (mut follower, _) = Follower::open(&path, From::default()).unwrap();
    let mut seen = Vec::new();
    for number in 0..100 {
        sink.feed(Stream::Stdout, format!("line {number}\n").as_bytes());
        if number % 40 == 3 {
            seen.extend(texts(&follower.next_lines().unwrap()));
        }
    }
    seen.extend(texts(&follower.next_lines().unwrap()));
    let expected: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_log_that_was_begun_a_day_ago_is_rotated_with_the_next_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let now = timestamp::now_ms();
    let old = format!("{} stdout F old\n", timestamp::format(now - MAX_AGE_MS - 60_000));
    let young = format!("{} stdout F young\n", timestamp::format(now - MAX_AGE_MS + 60_000));
    for (there, rotated) in [(old, true), (young, false)] {
        #[allow(clippy::disallowed_methods, reason = "a log as another shim wrote it")]
        fs::write(&path, there).unwrap();
        let mut sink = sink(&path, 1_000_000, 3);
        assert!(!path.with_extension("log.1").exists(), "nothing is done before there is a line");
        sink.feed(Stream::Stdout, b"new\n");
        sink.feed(Stream::Stdout, b"newer\n");
        assert_eq!(path.with_extension("log.1").exists(), rotated);
        assert!(!path.with_extension("log.2").exists());
        let _ = rotated::remove(&path, 1);
    }
}

#[test]
fn the_line_of_a_writer_that_was_killed_takes_no_other_along() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let line = "2026-01-01T00:00:00.000Z stdout P half of it\n2026-01-01T00:00:00.000Z stdout F to";
    #[allow(clippy::disallowed_methods, reason = "a log as a killed shim left it")]
    fs::write(&path, line).unwrap();
    let mut sink = sink(&path, 1_000_000, 3);
    sink.note("started with pid 7");
    sink.feed(Stream::Stdout, b"new\n");
    let (_, lines) = Follower::open(&path, From::default()).unwrap();
    assert_eq!(texts(&lines), ["half of itto", "started with pid 7", "new"]);
}

#[test]
fn long_lines_are_whole_again_whatever_came_between_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.log");
    let mut sink = sink(&path, 1_000_000, 3);
    // Its length is a number of parts, and it ends with its stream.
    sink.feed(Stream::Stdout, &vec![b'x'; 2 * CHUNK]);
    sink.feed(Stream::Stderr, b"meanwhile\n");
    sink.feed(Stream::Stdout, &vec![b'y'; CHUNK]);
    sink.finish();
    let (_, lines) = Follower::open(&path, From::default()).unwrap();
    let lengths: Vec<usize> = lines.iter().map(|line| line.text.len()).collect();
    assert_eq!(lengths, ["meanwhile".len(), 3 * CHUNK]);
}
