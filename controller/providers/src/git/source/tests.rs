//! A clone of a real repository, whatever is pushed there.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::process::Command;

use super::*;

/// A repository of somebody else's, and a clone of it.
struct Case {
    base: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self { base: tempfile::tempdir().unwrap() };
        case.git(&["init", "--quiet", "--initial-branch=main", "."]);
        case
    }

    fn theirs(&self) -> PathBuf {
        let folder = self.base.path().join("theirs");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn git(&self, words: &[&str]) -> String {
        let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
        let mut command = Command::new("git");
        command.args(who).args(words).current_dir(self.theirs());
        for name in ["GIT_DIR", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME"] {
            command.env_remove(name);
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, files: &[(&str, &str)], subject: &str) -> String {
        self.commit_with(files, subject, &[])
    }

    fn commit_with(&self, files: &[(&str, &str)], subject: &str, more: &[&str]) -> String {
        for (name, text) in files {
            let path = self.theirs().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]);
        let words = ["commit", "--quiet", "--allow-empty", "-m", subject];
        self.git(&[more, &words].concat());
        self.git(&["rev-parse", "HEAD"])
    }

    fn ours(&self) -> PathBuf {
        self.base.path().join("ours")
    }

    fn url(&self) -> String {
        self.theirs().display().to_string()
    }

    /// An error in words, without what differs from run to run.
    fn words(&self, error: &SourceError) -> String {
        error.to_string().replace(&self.base.path().display().to_string(), "BASE")
    }
}

macro_rules! clone {
    ($case:ident, $folder:ident, $url:ident, $clone:ident) => {
        let ($folder, $url) = ($case.ours(), $case.url());
        let $clone = Clone { folder: &$folder, url: &$url };
        $clone.prepare().unwrap();
    };
}

#[test]
fn a_branch_is_fetched_read_and_checked_out() {
    let case = Case::new();
    let first = case.commit(&[("agents/a.yaml", "a"), ("agents/below/b.yaml", "b")], "Begin");
    clone!(case, folder, url, clone);
    assert_eq!(clone.fetch(Some("main")).unwrap(), first);
    assert_eq!(clone.fetch(None).unwrap(), first, "the usual one");
    let told = clone.commit(&first).unwrap();
    assert_eq!((told.author.as_str(), told.subject.as_str()), ("Ann", "Begin"));
    std::os::unix::fs::symlink("/etc/passwd", case.theirs().join("agents/l.yaml")).unwrap();
    let second = case.commit(&[("agents/a.yaml", "twice"), ("agents/n.txt", "n")], "More");
    clone.prepare().unwrap();
    assert_eq!(clone.fetch(None).unwrap(), second);
    assert!(clone.follows(&second, &first).unwrap());
    assert!(!clone.follows(&first, &second).unwrap());
    let yaml = |name: &Path| name.extension().is_some_and(|it| it == "yaml");
    let files = |commit: &str, path: &str, most| clone.files(commit, Path::new(path), most, yaml);
    assert_eq!(
        files(&second, "agents", 4).unwrap(),
        [("a.yaml".to_owned(), Entry::TooLarge(5)), ("l.yaml".to_owned(), Entry::TooLarge(11)),]
            .into()
    );
    assert_eq!(
        files(&second, "agents", 100).unwrap(),
        [
            ("a.yaml".to_owned(), Entry::File(b"twice".to_vec())),
            ("l.yaml".to_owned(), Entry::Symlink("/etc/passwd".to_owned())),
        ]
        .into()
    );
    assert_eq!(files(&second, "", 100).unwrap(), BTreeMap::new());
    for path in ["nothing", "agents/a.yaml"] {
        let error = case.words(&files(&second, path, 100).unwrap_err());
        let short = &second[..9];
        let wanted =
            format!("commit {short} has no folder `{path}`: put it back, or name another path");
        assert_eq!(error, wanted);
    }
    clone.check_out(&first).unwrap();
    std::fs::write(folder.join("agents/a.yaml"), "changed by hand").unwrap();
    std::fs::write(folder.join("agents/mine"), "is nobody else's").unwrap();
    clone.check_out(&second).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("agents/a.yaml")).unwrap(), "twice");
    assert!(folder.join("agents/mine").exists());
}

#[test]
fn what_cannot_be_fetched_says_why() {
    let case = Case::new();
    case.commit(&[("a", "a")], "Begin");
    clone!(case, folder, url, clone);
    let gone = clone.fetch(Some("gone")).unwrap_err();
    assert_eq!(
        case.words(&gone),
        "BASE/theirs has no branch `gone` (any more): push it, or name another one"
    );
    let nowhere = Clone { folder: &folder, url: "/nowhere/at/all" };
    nowhere.prepare().unwrap();
    let error = case.words(&nowhere.fetch(Some("main")).unwrap_err());
    assert!(error.starts_with("/nowhere/at/all cannot be fetched: "), "{error}");
    clone.prepare().unwrap();
    clone.fetch(Some("main")).unwrap();
}

#[test]
fn a_rewritten_history_does_not_follow() {
    let case = Case::new();
    let first = case.commit(&[("a", "a")], "Begin");
    clone!(case, folder, url, clone);
    clone.fetch(Some("main")).unwrap();
    let other = case.commit_with(&[("a", "b")], "Other", &[]);
    case.git(&["commit", "--quiet", "--amend", "-m", "Rewritten"]);
    let amended = case.git(&["rev-parse", "HEAD"]);
    assert_eq!(clone.fetch(Some("main")).unwrap(), amended);
    assert!(clone.follows(&amended, &first).unwrap());
    assert!(!clone.follows(&amended, &other).unwrap(), "it was never fetched");
}

/// A key of ssh, whose public part is in the file of allowed signers.
fn ssh_key(case: &Case, name: &str) -> PathBuf {
    let key = case.base.path().join(name);
    let mut command = Command::new("ssh-keygen");
    let done = command.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key).status();
    assert!(done.unwrap().success());
    key
}

#[test]
fn only_who_may_sign_with_ssh_is_believed() {
    let case = Case::new();
    let (ann, eve) = (ssh_key(&case, "ann"), ssh_key(&case, "eve"));
    let signers = case.base.path().join("signers");
    let public = std::fs::read_to_string(ann.with_extension("pub")).unwrap();
    std::fs::write(&signers, format!("ann@example.org {public}")).unwrap();
    let signed = |key: &Path| {
        let key = format!("user.signingkey={}", key.display());
        case.commit_with(
            &[],
            "Signed",
            &["-c", "gpg.format=ssh", "-c", &key, "-c", "commit.gpgsign=true"],
        )
    };
    let (plain, by_ann, by_eve) = (case.commit(&[("a", "a")], "Begin"), signed(&ann), signed(&eve));
    clone!(case, folder, url, clone);
    clone.fetch(Some("main")).unwrap();
    let ssh = Signers::Ssh(signers.clone());
    clone.verify(&by_ann, &ssh).unwrap();
    for (commit, why) in [(&plain, "it has no signature"), (&by_eve, "No principal matched")] {
        let error = clone.verify(commit, &ssh).unwrap_err();
        assert!(matches!(error, SourceError::Unsigned { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    let gone = Signers::Ssh(case.base.path().join("nobody"));
    assert!(matches!(clone.verify(&by_ann, &gone).unwrap_err(), SourceError::File(_)));
}

#[test]
fn only_whose_key_was_given_for_gpg_is_believed() {
    let case = Case::new();
    let home = case.base.path().join("gnupg");
    fs::create_dir_all(&home, 0o700).unwrap();
    let gpg = |words: &[&str]| {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(&home).args(["--batch", "--quiet", "--passphrase", ""]);
        let done = command.args(words).output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    for who in ["ann@example.org", "eve@example.org"] {
        gpg(&["--quick-generate-key", who, "ed25519", "sign", "never"]);
    }
    let keys = case.base.path().join("keys.asc");
    std::fs::write(&keys, gpg(&["--armor", "--export", "ann@example.org"])).unwrap();
    let program = case.base.path().join("gpg-of-test");
    let script = format!("#!/bin/sh\nexec gpg --homedir '{}' --batch \"$@\"\n", home.display());
    std::fs::write(&program, script).unwrap();
    fs::set_mode(&program, 0o755).unwrap();
    let signed = |who: &str| {
        let key = format!("user.signingkey={who}");
        let program = format!("gpg.program={}", program.display());
        case.commit_with(&[], "Signed", &["-c", &program, "-c", &key, "-c", "commit.gpgsign=true"])
    };
    let (by_ann, by_eve) = (signed("ann@example.org"), signed("eve@example.org"));
    let plain = case.commit(&[("a", "a")], "Plain");
    clone!(case, folder, url, clone);
    clone.fetch(Some("main")).unwrap();
    let signers = Signers::Gpg(keys);
    clone.verify(&by_ann, &signers).unwrap();
    for commit in [&by_eve, &plain] {
        let error = clone.verify(commit, &signers).unwrap_err();
        assert!(matches!(error, SourceError::Unsigned { .. }), "{error}");
    }
    // Nothing that GnuPG has started is left.
    let _ = Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "all"]).status();
}
