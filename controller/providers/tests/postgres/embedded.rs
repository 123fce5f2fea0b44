//! Embedded servers: prepared once, whatever was left by an earlier try.

use agent_harness_model::id::{Mark, Uid};
use agent_harness_model::kinds::service::EmbeddedPostgres;
use agent_harness_model::world::Class;
use agent_harness_providers::fs;
use agent_harness_providers::postgres::embedded::layout::Layout;
use agent_harness_providers::postgres::embedded::{self, EmbeddedError, default_cache};

use super::server::{embedded_want, free_port, until};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("harness-pg-").tempdir().unwrap();
    fs::set_mode(folder.path(), 0o755).unwrap();
    folder
}

#[tokio::test]
async fn preparing_is_done_once_and_a_draft_is_begun_anew() {
    let folder = folder();
    let want = embedded_want(folder.path(), free_port());
    let draft = want.root.join("data.draft");
    fs::create_dir_all(&draft, 0o755).unwrap();
    fs::write_atomic(draft.join("PG_VERSION"), "half", 0o600).unwrap();
    let prepared = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
    assert!(fs::metadata(&draft).unwrap().is_none());
    let inode = inode(&prepared.layout.data);
    let again = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
    assert_eq!(again.layout.data_version().unwrap(), prepared.layout.data_version().unwrap());
    assert_eq!(inode, self::inode(&again.layout.data), "the same data");
    for left in fs::list_dir(&want.root).unwrap() {
        let name = left.file_name().unwrap().to_str().unwrap().to_owned();
        let names = ["agent-harness.conf.draft", "data", "initialised"];
        assert!(names.contains(&name.as_str()), "{name}");
    }
}

/// A disk that is not mounted, a folder that somebody removed: an empty server in its place would look like work
/// that is lost, and would be in the way of the real one later.
#[tokio::test]
async fn data_that_is_gone_is_an_error_and_never_made_anew() {
    let folder = folder();
    let want = embedded_want(folder.path(), free_port());
    let prepare = || async { embedded::prepare(&want, &default_cache(), &|_| {}).await };
    let prepared = prepare().await.unwrap();
    let (data, kept) = (&prepared.layout.data, folder.path().join("kept"));
    fs::rename(data, &kept).unwrap();
    let error = prepare().await.unwrap_err();
    assert!(matches!(error, EmbeddedError::DataGone { .. }), "{error}");
    assert_eq!(error.class(), Class::Terminal);
    assert_eq!(
        error.to_string(),
        format!(
            "the data of this PostgreSQL server is gone from {}; bring it back (is a disk not mounted?), \
             or delete the folder {} to begin with an empty server",
            data.display(),
            want.root.display()
        )
    );
    assert!(fs::metadata(data).unwrap().is_none(), "nothing was made in its place");

    // One of an earlier version of the harness, without the note: taken over as it is.
    fs::rename(&kept, data).unwrap();
    fs::remove_file_if_exists(want.root.join("initialised")).unwrap();
    prepare().await.unwrap();
    fs::rename(data, &kept).unwrap();
    assert!(matches!(prepare().await, Err(EmbeddedError::DataGone { .. })));

    // What the words say helps.
    fs::remove_dir_all(&want.root).unwrap();
    prepare().await.unwrap();
}

/// As root, in a folder that the server's user cannot enter, such as /root.
#[tokio::test]
async fn a_closed_state_folder_keeps_only_a_pointer_to_the_data() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_mode(folder.path(), 0o700).unwrap();
    let want = embedded_want(folder.path(), free_port());
    let prepared = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
    let elsewhere = !prepared.layout.base.starts_with(folder.path());
    assert_eq!(elsewhere, prepared.user.is_some());
    assert_eq!(Layout::find(&want.root).unwrap(), Some(prepared.layout.clone()));
    let again = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
    assert_eq!(again.layout, prepared.layout);

    Layout::clear(&want.root).unwrap();
    assert_eq!(fs::metadata(&prepared.layout.base).unwrap().is_none(), elsewhere);
    Layout::clear(&want.root).unwrap();
}

/// As root, with the data outside of the state folder: a state folder that was deleted and made again is another
/// installation, with another password, and what the old one left is not its own.
#[tokio::test]
async fn a_state_folder_that_was_made_anew_does_not_take_the_data_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_mode(folder.path(), 0o700).unwrap();
    let want = embedded_want(folder.path(), free_port());
    let mut layouts = Vec::new();
    for installation in ["one", "two"] {
        let mark = Mark { installation: installation.into(), uid: Uid::new("uid-00000001") };
        claim(&want.root, &mark);
        let prepared = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
        assert_eq!(Layout::find(&want.root).unwrap(), Some(prepared.layout.clone()));
        layouts.push(prepared.layout);
        fs::remove_dir_all(&want.root).unwrap();
    }
    let elsewhere = !layouts[0].base.starts_with(folder.path());
    assert_eq!(layouts[0].base != layouts[1].base, elsewhere);

    // A folder outside that is not there at all: its disk is not mounted.
    let mark = Mark { installation: "two".into(), uid: Uid::new("uid-00000001") };
    claim(&want.root, &mark);
    if elsewhere {
        let pointer = want.root.join("location");
        let base = &layouts[1].base;
        fs::write_atomic(&pointer, base.as_os_str().as_encoded_bytes(), 0o644).unwrap();
        fs::remove_dir_all(base).unwrap();
        let error = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap_err();
        assert!(matches!(error, EmbeddedError::DataGone { .. }), "{error}");
    }
    for layout in layouts {
        fs::remove_dir_all(layout.base).unwrap();
    }
}

/// Writes whose the data is, as the service does before it prepares a server.
fn claim(root: &std::path::Path, mark: &Mark) {
    fs::create_dir_all(root, 0o711).unwrap();
    fs::write_atomic(root.join("owner"), mark.to_string(), 0o600).unwrap();
}

/// A folder with the programs of this machine, `initdb` after the lines of `script`. `$count` is how often it was
/// called before, `$data` where the data is to be.
async fn with_initdb(folder: &std::path::Path, script: &str) -> std::path::PathBuf {
    let probe = embedded_want(&folder.join("probe"), free_port());
    let real = embedded::prepare(&probe, &default_cache(), &|_| {}).await.unwrap().argv[0].clone();
    let real = std::path::Path::new(&real).parent().unwrap();
    let bin = folder.join("bin");
    fs::create_dir_all(&bin, 0o755).unwrap();
    std::os::unix::fs::symlink(real.join("postgres"), bin.join("postgres")).unwrap();
    let calls = folder.join("calls");
    fs::write_atomic(&calls, "", 0o666).unwrap();
    let text = format!(
        "#!/bin/sh\ncount=$(wc -l <{calls}); echo \"$*\" >>{calls}; data=$2\n{script}\nexec {}/initdb \"$@\"\n",
        real.display(),
        calls = calls.display()
    );
    let script = folder.join("script");
    fs::write_atomic(&script, text, 0o755).unwrap();
    // By another program: while one of our threads forks, its child has open whatever we write to, and what is
    // open for writing cannot be executed.
    let copy = std::process::Command::new("cp").arg(&script).arg(bin.join("initdb")).status();
    assert!(copy.unwrap().success());
    bin
}

fn calls(folder: &std::path::Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("calls")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The controller was killed in the middle of `initdb`, which goes on without it and tidies up at its end.
#[tokio::test]
async fn an_initdb_that_outlived_its_controller_does_not_disturb_the_next() {
    let folder = folder();
    let (up, end) = (folder.path().join("up"), folder.path().join("end"));
    fs::set_mode(folder.path(), 0o777).unwrap();
    let script = format!(
        "if [ $count = 0 ]; then ( cd \"$data\"; while [ -d {folder} ] && ! [ -e {end} ]; do rm -rf \"$data\"/*; touch {up}; \
         done ) & exec sleep 1000; fi",
        up = up.display(),
        end = end.display(),
        folder = folder.path().display()
    );
    let mut want = embedded_want(folder.path(), free_port());
    want.bin_dir = Some(with_initdb(folder.path(), &script).await);
    let first = {
        let want = want.clone();
        tokio::spawn(async move { embedded::prepare(&want, &default_cache(), &|_| {}).await })
    };
    until("the first try is at work", || async { up.exists() }).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());

    embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
    let drafts = || -> Vec<_> {
        let names = fs::list_dir(&want.root).unwrap();
        names.into_iter().filter(|name| name.to_string_lossy().contains("data.draft")).collect()
    };
    assert_eq!(drafts().len(), 1, "what somebody works on stays: {:?}", drafts());
    fs::write_atomic(&end, "", 0o644).unwrap();
    until("the draft that nobody uses any more is removed", || async {
        embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
        drafts().is_empty()
    })
    .await;
}

#[tokio::test]
async fn another_locale_is_taken_only_where_the_first_is_not_known() {
    let folder = folder();
    fs::set_mode(folder.path(), 0o777).unwrap();
    let mut want = embedded_want(folder.path(), free_port());
    let prepare = async |want: &EmbeddedPostgres| {
        embedded::prepare(want, &default_cache(), &|_| {}).await.map(drop)
    };
    let full =
        "if [ $count = 0 ]; then echo 'initdb: error: No space left on device' >&2; exit 1; fi";
    want.bin_dir = Some(with_initdb(folder.path(), full).await);
    let error = prepare(&want).await.unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    assert_eq!(calls(folder.path()).len(), 1);
    prepare(&want).await.unwrap();
    assert!(calls(folder.path())[1].contains("--locale C.UTF-8"), "{:?}", calls(folder.path()));

    let other = self::folder();
    fs::set_mode(other.path(), 0o777).unwrap();
    let unknown = "if [ $count = 0 ]; then echo 'initdb: error: invalid locale name \"C.UTF-8\"' >&2; exit 1; fi";
    let mut want = embedded_want(other.path(), free_port());
    want.bin_dir = Some(with_initdb(other.path(), unknown).await);
    prepare(&want).await.unwrap();
    let calls = calls(other.path());
    assert!(calls.len() == 2 && calls[1].contains("--locale C "), "{calls:?}");
}

fn inode(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).unwrap().unwrap().ino()
}

#[tokio::test]
async fn wrong_words_in_the_spec_are_named_before_anything_is_made() {
    let folder = folder();
    let mut want = embedded_want(folder.path(), free_port());
    want.bin_dir = Some("/nonexistent/bin".into());
    let error = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent/bin holds no `postgres` and `initdb`; correct `binDir` or leave it out"
    );
    want.bin_dir = None;
    want.version = Some("newest".into());
    let error = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"newest\" is no PostgreSQL version; write the major version, such as \"18\""
    );
    want.version = None;
    want.settings.insert("listen_addresses".into(), "*".into());
    let error = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::BadSetting { .. }), "{error}");
}

#[tokio::test]
async fn data_of_another_version_is_not_touched() {
    let folder = folder();
    let mut want = embedded_want(folder.path(), free_port());
    let prepared = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
    let have = prepared.layout.data_version().unwrap().unwrap();
    want.version = Some((have + 1).to_string());
    let error = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::DataVersion { .. }), "{error}");
}
