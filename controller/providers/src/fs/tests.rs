//! The file wrapper on a real file system: crashes, permissions, links.

use std::error::Error as _;

use super::*;

#[test]
fn a_write_replaces_the_file_with_the_exact_mode_and_leaves_no_temporary() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    write_atomic(&path, "one", 0o644).unwrap();
    write_atomic(&path, "two", 0o600).unwrap();
    assert_eq!(read_to_string(&path).unwrap(), "two");
    assert_eq!(metadata(&path).unwrap().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(list_dir(folder.path()).unwrap(), [path]);
}

#[test]
fn a_write_replaces_a_symlink_and_not_what_it_points_to() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    write_atomic(&target, "theirs", 0o644).unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    write_atomic(&link, "ours", 0o600).unwrap();
    assert_eq!(read_to_string(&target).unwrap(), "theirs");
    assert_eq!(read_to_string(&link).unwrap(), "ours");
}

#[test]
fn an_error_names_what_was_done_and_where() {
    let error = read("/nonexistent/file").unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/file");
    assert_eq!(error.source().unwrap().to_string(), "No such file or directory (os error 2)");
    assert_eq!(error.class(), Class::Terminal);
}

#[test]
fn a_full_disk_passes_and_keeps_the_old_file() {
    // Writing to /dev/full answers ENOSPC, as a full disk does.
    let source = OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .and_then(|mut full| full.write_all(b"x"))
        .unwrap_err();
    let error = FsError::at(Op::Write, Path::new("/state/a.json"))(source);
    assert_eq!(error.to_string(), "cannot write /state/a.json (the disk is full: free some space)");
    assert_eq!(error.class(), Class::Transient);
}

#[test]
fn what_is_absent_is_already_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone");
    assert!(!remove_file_if_exists(&path).unwrap());
    remove_dir_all(&path).unwrap();
    assert_eq!(read_to_string_if_exists(&path).unwrap(), None);
    assert!(metadata(&path).unwrap().is_none());
    assert!(list_dir(&path).unwrap().is_empty());
}

#[test]
fn of_many_files_each_is_written_whole_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: String| folder.path().join(name);
    let mut files: Vec<_> = (0..50).map(|n| (at(format!("f{n}")), vec![n; 3])).collect();
    files[20].0 = at("missing/f20".to_owned());
    let done = write_all_atomic(folder.path(), &files, 0o600);
    for ((path, bytes), (n, done)) in files.iter().zip(done.iter().enumerate()) {
        assert_eq!(done.is_ok(), n != 20, "{n}: {done:?}");
        let written = std::fs::read(path).ok();
        assert_eq!(written.as_ref(), (n != 20).then_some(bytes));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 49);
}
