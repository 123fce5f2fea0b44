//! Real files.

use super::*;

#[test]
fn others_are_looked_at_while_a_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write_atomic(folder.path().join("other"), "text", 0o644).unwrap();
    let inputs = Inputs::default();
    let mut reads = 0;
    let mut read = || {
        let content = inputs.once(Path::new("large"), (0, 0, 0, 0, 0, 0), || {
            reads += 1;
            assert!(inputs.0.try_lock().is_ok(), "whoever looks at another file has to wait");
            inputs.hash(folder.path(), &["other".into()])
        });
        content.unwrap()
    };
    assert_eq!(read(), read());
    assert_eq!(reads, 1, "it is read again only when its stamp changed");
}

#[test]
fn a_file_in_the_place_of_a_folder_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write_atomic(folder.path().join("a"), "", 0o644).unwrap();
    let inputs = Inputs::default();
    let hash = |globs: &[&str]| {
        let globs: Vec<String> = globs.iter().map(|&glob| glob.to_owned()).collect();
        inputs.hash(folder.path(), &globs).unwrap()
    };
    assert_eq!(hash(&["a/b", "a/c/*.sql", "a/d/**"]), hash(&[]));
}
