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
    slot.fill(&temporary, b"new", 0o600).unwrap();
    let error = slot.put(&temporary, 0o600, before.as_ref()).unwrap_err();
    assert!(error.to_string().contains("is a folder: move it away"), "{error}");
    assert_eq!(std::fs::read_to_string(path.join("theirs")).unwrap(), "theirs");
    assert!(!folder.path().join(&temporary).exists());
}
