//! What becomes of the file, line by line.

use std::os::unix::fs::PermissionsExt as _;

use agent_harness_model::id::Uid;

use super::*;

fn after(start: &str, work: impl Fn(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("info"), 0o755).unwrap();
    fs::write_atomic(path(folder.path()), start, 0o644).unwrap();
    work(folder.path());
    fs::read_to_string(path(folder.path())).unwrap()
}

fn of(installation: &str, uid: &str) -> Section {
    let mark = Mark { installation: installation.to_owned(), uid: Uid::new(uid) };
    Section::of(&mark, Path::new("/t"))
}

fn files(list: &[&str]) -> Vec<String> {
    list.iter().map(|&file| file.to_owned()).collect()
}

#[test]
fn the_users_lines_stay_around_blocks_with_a_section_for_each_worktree() {
    let (one, two, other) = (of("i1", "u1"), of("i1", "u2"), of("i2", "u1"));
    let text = after("*.log\nno line end", |common| {
        set(common, &two, &files(&["/b"])).unwrap();
        set(common, &one, &files(&["/b", "/a/.env"])).unwrap();
        assert!(has(common, &two, &files(&["/b"])).unwrap());
        assert!(!has(common, &other, &files(&["/b"])).unwrap());
        set(common, &other, &files(&["/b"])).unwrap();
        // What one drops goes, and what the others have stays.
        set(common, &one, &files(&["/c/"])).unwrap();
    });
    assert_eq!(
        text,
        "*.log\nno line end\n\
         # >>> agent-harness i1: files that it generates\n\
         # of u1 /t\n/c/\n\
         # of u2 /t\n/.b.harness-tmp\n/b\n/b.kept-*\n\
         # <<< agent-harness i1\n\
         # >>> agent-harness i2: files that it generates\n\
         # of u1 /t\n/.b.harness-tmp\n/b\n/b.kept-*\n\
         # <<< agent-harness i2\n"
    );
}

#[test]
fn clearing_leaves_what_was_there_before_and_what_others_have() {
    let (one, two) = (of("i1", "u1"), of("i1", "u2"));
    let text = after("a\n", |common| {
        set(common, &one, &files(&["/b/"])).unwrap();
        set(common, &two, &files(&["/c/"])).unwrap();
        clear(common, &one, false).unwrap();
    });
    assert_eq!(
        text,
        "a\n# >>> agent-harness i1: files that it generates\n# of u2 /t\n/c/\n# <<< agent-harness i1\n"
    );
    let text = after(&text, |common| clear(common, &two, true).unwrap());
    assert_eq!(text, "a\n");
    let text = after("a\n", |common| {
        set(common, &one, &files(&["/b"])).unwrap();
        set(common, &one, &[]).unwrap();
    });
    assert_eq!(text, "a\n");
}

#[test]
fn lines_of_an_older_version_stay_until_the_last_worktree_goes() {
    let old = "# >>> agent-harness i1: files that it generates\n/old\n# <<< agent-harness i1\n";
    let one = of("i1", "u1");
    let text = after(old, |common| set(common, &one, &files(&["/b/"])).unwrap());
    assert_eq!(
        text,
        "# >>> agent-harness i1: files that it generates\n/old\n# of u1 /t\n/b/\n# <<< agent-harness i1\n"
    );
    assert_eq!(after(&text, |common| clear(common, &one, true).unwrap()), "");
}

#[test]
fn a_block_without_its_end_is_the_users() {
    let start = "# >>> agent-harness i1: files that it generates\nmine\n";
    let text = after(start, |common| clear(common, &of("i1", "u1"), true).unwrap());
    assert_eq!(text, start);
}

#[test]
fn git_takes_every_path_for_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "-q"]);
    let odd = ["a[1]", "b*", "c\\d", "e ", "f\t", "g?", "ü"];
    let wanted = files(&odd.map(|name| format!("/{name}")).each_ref().map(String::as_str));
    set(&folder.path().join(".git"), &of("i1", "u1"), &wanted).unwrap();
    for name in odd.into_iter().chain(["a1", "bb", "cd", "c", "e", "f", "gg"]) {
        fs::write_atomic(folder.path().join(name), "", 0o644).unwrap();
    }
    assert_eq!(
        git(&["status", "--porcelain", "-z"]),
        "?? a1\0?? bb\0?? c\0?? cd\0?? e\0?? f\0?? gg\0"
    );
}

#[test]
fn a_shared_list_keeps_its_mode_and_a_strangers_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let common = folder.path().join("repo");
    let shared = folder.path().join("shared");
    fs::create_dir_all(common.join("info"), 0o755).unwrap();
    fs::write_atomic(&shared, "secret\n", 0o600).unwrap();
    std::os::unix::fs::symlink(&shared, path(&common)).unwrap();
    set(&common, &of("i1", "u1"), &files(&["/b/"])).unwrap();
    assert!(fs::read_to_string(&shared).unwrap().contains("/b/"));
    assert_eq!(std::fs::metadata(&shared).unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::remove_file(path(&common)).unwrap();
    if !rustix::process::geteuid().is_root() {
        // Whoever is not root cannot give anything away, but has files of root's to lead to.
        std::os::unix::fs::symlink("/etc/passwd", path(&common)).unwrap();
        let error = set(&common, &of("i1", "u1"), &files(&["/c/"])).unwrap_err();
        assert!(error.to_string().contains("leads to a file of another user"), "{error}");
        return;
    }
    std::os::unix::fs::symlink(&shared, path(&common)).unwrap();
    let nobody = Some(65_534);
    let before = fs::read(&shared).unwrap();
    // The link is a stranger's, then what it leads to is.
    std::os::unix::fs::lchown(path(&common), nobody, nobody).unwrap();
    let error = set(&common, &of("i1", "u1"), &files(&["/c/"])).unwrap_err();
    assert!(error.to_string().contains("does not belong to the repository's owner"), "{error}");
    std::os::unix::fs::lchown(&common, nobody, nobody).unwrap();
    let error = set(&common, &of("i1", "u1"), &files(&["/c/"])).unwrap_err();
    assert!(error.to_string().contains("leads to a file of another user"), "{error}");
    assert_eq!(fs::read(&shared).unwrap(), before);
    // In somebody else's repository their file stays theirs.
    std::fs::remove_file(path(&common)).unwrap();
    fs::write_atomic(path(&common), "x\n", 0o640).unwrap();
    std::os::unix::fs::lchown(path(&common), nobody, nobody).unwrap();
    set(&common, &of("i1", "u1"), &files(&["/c/"])).unwrap();
    let now = std::fs::metadata(path(&common)).unwrap();
    assert_eq!((now.uid(), now.permissions().mode() & 0o777), (65_534, 0o640));
}
