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

#[test]
fn a_folder_stands_for_all_that_lies_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap(), 0o755).unwrap();
        fs::write_atomic(path, text, 0o644).unwrap();
    };
    let inputs = Inputs::default();
    let hash = |glob: &str| inputs.hash(folder.path(), &[glob.to_owned()]).unwrap();
    write("migrations/2024/a.sql", "one");
    write("other", "one");
    let before = ["migrations", "migrations/", "./migrations", ".", "migrations/**"].map(hash);
    assert_ne!(before[0], inputs.hash(folder.path(), &[]).unwrap());
    assert_eq!(before[0], before[1]);
    assert_eq!(before[0], before[4]);
    write("migrations/2024/a.sql", "two!");
    for (glob, before) in ["migrations", "migrations/", "./migrations", "."].iter().zip(&before) {
        assert_ne!(hash(glob), *before, "{glob}");
    }
    let before = ["migrations", "."].map(hash);
    write("other", "two!");
    assert_eq!(hash("migrations"), before[0]);
    assert_ne!(hash("."), before[1]);
}

/// Such as the data of a server that another user runs.
#[test]
fn what_may_not_be_read_holds_nothing_up_and_is_seen_once_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::set_mode(root, 0o755).unwrap();
    fs::create_dir_all(root.join("closed"), 0o755).unwrap();
    for file in ["closed/a.sql", "b.sql", "c.sql"] {
        fs::write_atomic(root.join(file), "text", 0o644).unwrap();
    }
    let look = || {
        let inputs = Inputs::default();
        let hash = |glob: &str| inputs.hash(root, &[glob.to_owned()]).unwrap();
        ["**/*.sql", "closed", "closed/*.sql", "c.sql"].map(hash)
    };
    let all = || if rustix::process::geteuid().is_root() { as_nobody(look) } else { look() };
    let open = all();
    for mode in [0o000, 0o444] {
        fs::set_mode(root.join("closed"), mode).unwrap();
        let closed = all();
        assert_ne!(closed[..3], open[..3]);
        assert_eq!(closed[3], open[3]);
        let text = if mode == 0 { "more" } else { "text" };
        fs::write_atomic(root.join("b.sql"), text, 0o644).unwrap();
        assert_ne!(all()[0], closed[0], "what may be read counts");
    }
    fs::set_mode(root.join("closed"), 0o755).unwrap();
    assert_eq!(all(), open);
    fs::set_mode(root.join("c.sql"), 0o000).unwrap();
    assert_ne!(all()[3], open[3]);
}

fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let thread = || {
        let id = rustix::process::Uid::from_raw(65_534);
        rustix::thread::set_thread_res_uid(id, id, id).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(thread).join().unwrap())
}
