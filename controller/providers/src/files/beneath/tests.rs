//! Moments within a write that no test from outside can meet.

#![allow(clippy::disallowed_methods, reason = "the test writes as strangers do")]

use std::os::unix::fs::MetadataExt as _;

use super::*;

#[test]
fn what_took_the_files_place_before_the_swap_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    std::fs::write(&path, "old").unwrap();
    let slot = slot(folder.path(), Path::new(".env"), false).unwrap().unwrap();
    let before = slot.look().unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("theirs"), "theirs").unwrap();

    let temporary = slot.temporary();
    let filled = slot.fill(&temporary, b"new", 0o600).unwrap();
    let error = slot.put(&temporary, filled, 0o600, before.as_ref()).unwrap_err();
    assert!(error.to_string().contains("is a folder: move it away"), "{error}");
    assert_eq!(std::fs::read_to_string(path.join("theirs")).unwrap(), "theirs");
    assert!(!folder.path().join(&temporary).exists());
}

#[test]
fn what_took_the_new_files_place_before_the_swap_is_taken_back_is_kept() {
    for is_file in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        let slot = slot(folder.path(), Path::new(".env"), false).unwrap().unwrap();
        let temporary = slot.temporary();
        let filled = slot.fill(&temporary, b"new", 0o600).unwrap();
        // Swapped: a folder came out, and somebody wrote over the new file.
        std::fs::remove_file(folder.path().join(&temporary)).unwrap();
        std::fs::create_dir(folder.path().join(&temporary)).unwrap();
        if is_file {
            std::fs::write(&path, "theirs").unwrap();
        } else {
            std::os::unix::fs::symlink("theirs", &path).unwrap();
        }
        let why = foreign(&path, "is a folder");
        slot.swap_back(&temporary, filled, 0o600, why).unwrap_err();
        assert!(path.is_dir());
        assert!(!folder.path().join(&temporary).exists());
        let [kept] = &slot.kept_paths()[..] else { panic!("one is kept") };
        if is_file {
            assert_eq!(std::fs::read_to_string(kept).unwrap(), "theirs");
        } else {
            assert_eq!(std::fs::read_link(kept).unwrap(), Path::new("theirs"));
        }
    }
}

/// As on a file system that cannot swap two files.
#[test]
fn an_edit_since_the_look_is_kept_also_where_nothing_can_be_swapped() {
    for was_there in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        if was_there {
            std::fs::write(&path, "old").unwrap();
        }
        let slot = slot(folder.path(), Path::new(".env"), false).unwrap().unwrap();
        let before = slot.look().unwrap();
        let temporary = slot.temporary();
        slot.fill(&temporary, b"new", 0o600).unwrap();
        std::fs::write(&path, "an edit").unwrap();
        slot.replace(&temporary, 0o600, before.as_ref()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        let [kept] = &slot.kept_paths()[..] else { panic!("one is kept") };
        assert_eq!(std::fs::read_to_string(kept).unwrap(), "an edit");

        // Nothing new: nothing is kept.
        let before = slot.look().unwrap();
        slot.fill(&temporary, b"newer", 0o600).unwrap();
        slot.replace(&temporary, 0o600, before.as_ref()).unwrap();
        assert_eq!(slot.kept_paths().len(), 1);
    }
}

/// An app that writes a new time stamp into its env file at each start.
#[test]
fn of_very_many_kept_copies_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path(".env.kept-other"), "not a copy").unwrap();
    std::fs::create_dir(path(".env.kept-00000000")).unwrap();
    std::fs::write(path(".env.kept-00000001"), "the oldest").unwrap();
    let oldest = std::fs::metadata(path(".env.kept-00000001")).unwrap();
    // What comes within one tick of the clock has the same time.
    let mut number = 2;
    while number <= kept::MOST {
        let name = path(&format!(".env.kept-{number:08x}"));
        std::fs::write(&name, number.to_string()).unwrap();
        let now = std::fs::metadata(&name).unwrap();
        if number > 2 || (now.ctime(), now.ctime_nsec()) > (oldest.ctime(), oldest.ctime_nsec()) {
            number += 1;
        }
    }
    std::fs::write(path(".env"), "an edit").unwrap();
    let slot = slot(folder.path(), Path::new(".env"), false).unwrap().unwrap();
    slot.write(b"wanted", 0o600, None, &Record::default()).unwrap();
    let [kept] = &slot.kept_paths()[..] else { panic!("one is kept") };
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "an edit");
    assert!(!path(".env.kept-00000001").exists(), "there are too many");
    assert!(path(".env.kept-00000002").exists() && path(".env.kept-other").exists());
    assert!(path(".env.kept-00000000").exists());
}
