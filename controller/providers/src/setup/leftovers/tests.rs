//! Real processes, among them one that belongs to somebody else.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Gid, Uid};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::setup::Runner;

const NOBODY: u32 = 65_534;

/// Does it as nobody would, in a thread of its own.
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let thread = || {
        let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(thread).join().unwrap())
}

/// A process of nobody's that carries the mark, and one of root's that it started, as a step does with sudo.
fn start(mark: &str, folder: &Path) -> (Child, Identity) {
    let pid = folder.join("pid");
    let script = format!(
        "sleep 600 & echo $! > {}; \
         exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups sleep 600",
        pid.display()
    );
    let mut step = Command::new("/bin/sh")
        .args(["-c", &script])
        .env(MARK_VARIABLE, mark)
        .env(STEP_VARIABLE, "step")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let comm = format!("/proc/{}/comm", step.id());
    let deadline = Instant::now() + Duration::from_secs(30);
    while crate::fs::read_to_string(&comm).unwrap().trim() != "sleep" {
        assert_eq!(step.try_wait().unwrap(), None, "it has ended");
        assert!(Instant::now() < deadline, "it does not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = crate::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    (step, identity::of(pid).unwrap())
}

/// Any process of another user.
fn of_another_user() -> Option<Identity> {
    let us = rustix::process::geteuid().as_raw();
    let uid = |pid: i32| std::fs::metadata(format!("/proc/{pid}")).ok().map(|found| found.uid());
    let processes = tree::snapshot().unwrap();
    let other = processes.values().find(|stat| uid(stat.identity.pid).is_some_and(|uid| uid != us));
    other.map(|stat| stat.identity)
}

#[test]
fn what_is_not_ours_to_end_is_left_and_told_and_holds_up_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        // Whoever is not root has only what runs there already to try it on. Not CONT: that may be sent
        // to anybody in the same session. URG is ignored by whoever does not ask for it.
        if let Some(other) = of_another_user() {
            assert_eq!(send(&[other], Signal::URG).unwrap(), BTreeSet::from([other]));
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let installation = format!("leftovers-{}", std::process::id());
    let mark = format!("agent-harness:{installation}:u");
    let whose = Whose::step(mark.clone(), "step".into());

    let (mut step, helper) = start(&mark, folder.path());
    let left = as_nobody(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(whose.end(Duration::ZERO)).unwrap()
    });
    assert_eq!(left, [helper]);
    assert!(!step.wait().unwrap().success());
    assert!(identity::is_alive(helper).unwrap());
    identity::signal(helper, Signal::KILL).unwrap();

    // It keeps no controller from starting.
    let (mut step, helper) = start(&mark, folder.path());
    let state = folder.path().to_path_buf();
    as_nobody(|| Runner::new(&state, state.clone(), installation, CancellationToken::new()))
        .unwrap();
    assert!(!step.wait().unwrap().success());
    assert!(identity::is_alive(helper).unwrap());
    assert!(whose.signal(Signal::KILL).unwrap().is_empty());
}

#[test]
fn whoever_holds_a_lock_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let held = file.reopen().unwrap();
    let mut holder = Command::new("sleep").arg("600").stdin(held).spawn().unwrap();
    assert_eq!(holders(file.as_file()).unwrap(), [holder.id().cast_signed()]);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(holders(file.as_file()).unwrap().is_empty());
}
