//! Real files, among them a large one.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn a_large_file_is_hashed_while_others_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    // A hole: it takes its time to be read, and no room.
    File::create(folder.path().join("large")).unwrap().set_len(128 << 20).unwrap();
    let inputs = Inputs::default();
    let done = AtomicBool::new(false);
    let meanwhile = std::thread::scope(|scope| {
        scope.spawn(|| {
            inputs.hash(folder.path(), &["large".into()]).unwrap();
            done.store(true, Ordering::Relaxed);
        });
        let mut meanwhile = 0;
        while !done.load(Ordering::Relaxed) {
            let name = format!("small-{meanwhile}");
            fs::write_atomic(folder.path().join(&name), &name, 0o644).unwrap();
            inputs.hash(folder.path(), &[name]).unwrap();
            meanwhile += 1;
        }
        meanwhile
    });
    // Whoever had to wait came to one or two.
    assert!(meanwhile > 4, "{meanwhile}");
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
