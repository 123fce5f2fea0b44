//! The kernel hands a pid of ours to a stranger, again and again: it is neither signalled nor taken for ours.
//!
//! In a pid namespace of its own, where root says which pid comes next. The rounds are played by this test program,
//! run anew for the one test that plays them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use agent_harness_shim::identity::{self, Identity};

use super::*;

const ROUNDS: u32 = 100;
/// Where the rounds are played; nothing in an ordinary run.
const ROOT: &str = "HARNESS_TEST_REUSE_ROOT";
const SHIM: &str = "HARNESS_TEST_REUSE_SHIM";
/// The pid that the next process is numbered after.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";
/// Tells each signal that can be told, and that it has come to its end without one.
const STRANGER: &str = "for s in HUP INT QUIT USR1 USR2 TERM; do trap \"echo SIG$s\" $s; done; \
    echo ready; while read line; do :; done; echo end";

/// Whose pid a stranger gets.
#[derive(Debug, Clone, Copy)]
enum Whose {
    Payload,
    Shim,
    Both,
}

#[test]
fn a_stranger_that_gets_a_pid_of_ours_is_neither_signalled_nor_taken_for_ours() {
    if !rustix::process::geteuid().is_root() {
        println!("NOT TESTED: only root says which pid comes next");
        return;
    }
    // The first one of a namespace takes in whoever loses its parent: a shell does, and this program does not.
    let inside = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c"]);
        command.args(["\"$@\"; exit $?", "sh"]).arg(program).args(arguments);
        command
    };
    if !inside(Path::new("test"), &["-w", LAST_PID]).status().is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "no pid namespace can be made here");
        println!("NOT TESTED: no pid namespace can be made here");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let name = "process::tests::reuse::rounds_of_reuse";
    let mut rounds = inside(&this, &[name, "--exact", "--nocapture"]);
    let played = rounds.env(ROOT, root.path()).env(SHIM, shim_binary()).output().unwrap();
    let said = String::from_utf8_lossy(&played.stdout);
    let wrong = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{said}{wrong}");
    let count = said.lines().find(|line| line.contains(" pids of ours")).expect("it has played");
    println!("{count}");
}

/// Plays the rounds in a namespace of their own. Does nothing in an ordinary run.
#[tokio::test]
async fn rounds_of_reuse() {
    let Some(root) = std::env::var_os(ROOT).map(PathBuf::from) else { return };
    let shim = PathBuf::from(std::env::var_os(SHIM).unwrap());
    let mark = format!("agent-harness:reuse:{}", uuid::Uuid::now_v7());
    let mut strangers = 0;
    for round in 0..ROUNDS {
        for whose in [Whose::Payload, Whose::Shim, Whose::Both] {
            let root = root.join(format!("{round}-{whose:?}"));
            let launch = launch(&root, &mark, "a/x", "exec sleep 1000");
            strangers += reuse(&root, &shim, &launch, whose).await;
            assert_eq!(marked(&mark), Vec::<i32>::new(), "round {round}, {whose:?}");
        }
    }
    println!(
        "{ROUNDS} rounds: {strangers} strangers got pids of ours; none was signalled or taken for ours"
    );
}

/// One round: how many strangers there were.
async fn reuse(root: &Path, shim: &Path, launch: &Launch, whose: Whose) -> u32 {
    crate::fs::create_dir_all(root, 0o700).unwrap();
    let supervisor = || Supervisor::new(root.join("run"), shim.to_owned()).unwrap();
    let first = supervisor();
    let started = first.start(launch).await.unwrap();
    let (shim, payload) = (started.shim.unwrap(), started.payload.unwrap());
    // Nobody looks from here on. The shim goes first, so nothing is recorded.
    drop(first);
    for one in [shim, payload] {
        assert!(identity::signal(one, Signal::KILL).unwrap());
        // A zombie still has its pid.
        until(|| identity::stat(one.pid).unwrap().is_none().then_some(())).await;
        if one == shim {
            // Its pid is the name of the session that its payload is in: no kernel hands it out before that has ended.
            let mut other = numbered(shim.pid, &mut Command::new("true"));
            assert_ne!(other.id(), shim.pid.cast_unsigned());
            other.wait().unwrap();
        }
    }
    let mut strangers: Vec<Stranger> = match whose {
        Whose::Payload => vec![Stranger::with(payload)],
        Whose::Shim => vec![Stranger::with(shim)],
        Whose::Both => vec![Stranger::with(shim), Stranger::with(payload)],
    };

    // What the next controller does: it looks, hears that it is stopped, and starts it.
    let next = supervisor();
    let id = &launch.id;
    let seen = next.get(id).unwrap().unwrap();
    let ProcessState::Lost { why: Loss::HolderKilled, orphan, .. } = seen.state else {
        panic!("{whose:?}: it is lost, not {:?}", seen.state)
    };
    assert_eq!(orphan, None, "{whose:?}");
    for stranger in &strangers {
        let who = ports::Listener {
            pid: Some(stranger.identity.pid.cast_unsigned()),
            uid: 0,
            command: String::new(),
            mark: None,
            process: None,
        };
        assert!(!who.descends_from(&seen), "{whose:?}: what it listens on is not ours");
    }
    let grace = Duration::from_millis(50);
    next.fail(id, Signal::USR1, grace, "it is not ready").await.unwrap();
    next.stop(id, Signal::INT, grace).await.unwrap();
    let again = next.start(launch).await.unwrap();
    assert_ne!(again.payload, Some(payload), "{whose:?}");
    next.stop(id, Signal::TERM, grace).await.unwrap();
    next.forget(id).await.unwrap();
    let count = strangers.len();
    for stranger in &mut strangers {
        assert_eq!(stranger.heard(), "end\n", "{whose:?}: a stranger was signalled");
    }
    u32::try_from(count).unwrap()
}

/// Starts it with this pid, if that is free.
fn numbered(pid: i32, command: &mut Command) -> Child {
    #[allow(clippy::disallowed_methods, reason = "/proc is no file of ours")]
    std::fs::write(LAST_PID, (pid - 1).to_string()).unwrap();
    command.spawn().unwrap()
}

/// Somebody else's process that tells what reaches it.
struct Stranger {
    identity: Identity,
    child: Child,
    /// It ends when nothing can come from there any more.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Stranger {
    /// With the pid of one that has ended. The start time is in ticks of 10 ms, and no kernel gets round all pids
    /// within one: a stranger of the same tick is no one that could be met, and another one is made.
    fn with(ended: Identity) -> Self {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", STRANGER]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = numbered(ended.pid, &mut command);
            let identity = identity::of(child.id().cast_signed()).unwrap();
            let stdin = child.stdin.take();
            let stdout = BufReader::new(child.stdout.take().unwrap());
            let mut stranger = Self { identity, child, stdin, stdout };
            if identity.pid == ended.pid && identity.start != ended.start {
                let mut line = String::new();
                stranger.stdout.read_line(&mut line).unwrap();
                assert_eq!(line, "ready\n");
                return stranger;
            }
            assert!(Instant::now() < deadline, "nobody gets pid {}", ended.pid);
        }
    }

    /// Lets it end: what it has told.
    fn heard(&mut self) -> String {
        self.stdin = None;
        let mut heard = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut heard).unwrap();
        heard
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
