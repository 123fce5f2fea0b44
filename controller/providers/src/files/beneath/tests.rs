//! Moments within a write that no test from outside can meet.

#![allow(clippy::disallowed_methods, reason = "the test writes as strangers do")]

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
