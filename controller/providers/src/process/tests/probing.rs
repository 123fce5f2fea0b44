//! Looks at real listeners.

use std::net::TcpListener;

use std::sync::Arc;

use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::{Check, HttpCheck, Probe, Restart};
use agent_harness_model::kinds::{self, AnyTarget, Verdict};
use agent_harness_model::secret::{Secret, Text};

use super::super::probe::{Looker, Run};
use super::world::{World, checked, free_port};
use super::*;
use crate::mask::Mask;
use crate::setup::Runner;

/// Patience that no look needs, for what is not about that.
const LONG: Duration = Duration::from_secs(60);

/// A look as that of a process of some installation.
async fn look(check: &Check) -> Result<(), String> {
    looker("some").look(check, LONG).await
}

fn looker(installation: &str) -> Looker {
    let run = Run {
        pid: 1,
        started_at_ms: 0,
        instance: String::new(),
        folder: PathBuf::new(),
        log_path: PathBuf::new(),
        mark: format!("agent-harness:{installation}:u"),
    };
    Looker::new(&"a/x".parse().unwrap(), &run, Mask::of([]))
}

fn shell(script: &str, cwd: &Path) -> Check {
    Check::Exec(Command {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        cwd: cwd.to_owned(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".into())]),
    })
}

/// The pid that a script wrote.
async fn pid_in(file: PathBuf) -> i32 {
    until(|| crate::fs::read_to_string(&file).ok()?.strip_suffix('\n')?.parse().ok()).await
}

/// A server that gives one fixed answer to everything.
fn serve(answer: &'static str) -> u16 {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[tokio::test]
async fn http_takes_2xx_and_3xx_and_tells_what_else_came() {
    let get = |port| Check::Http(HttpCheck::get(port, "/health?x=1"));
    let good = serve("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(look(&get(good)).await, Ok(()));
    let moved = serve("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(look(&get(moved)).await, Ok(()));
    let bad = serve("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        look(&get(bad)).await,
        Err(format!("GET http://127.0.0.1:{bad}/health?x=1: answered 503 Service Unavailable"))
    );
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(
        look(&get(free)).await,
        Err(format!("GET http://127.0.0.1:{free}/health?x=1: nothing listens there yet"))
    );
}

#[tokio::test]
async fn tcp_and_exec() {
    let port = serve("");
    assert_eq!(look(&Check::Tcp { port }).await, Ok(()));
    let run = |script: &str| shell(script, Path::new("/"));
    assert_eq!(look(&run("true")).await, Ok(()));
    assert_eq!(
        look(&run("echo no such table >&2; exit 4")).await,
        Err("`echo no such table >&2; exit 4`: exit code 4: no such table".to_owned())
    );
}

#[tokio::test]
async fn a_look_that_hangs_is_ended_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let hang = shell("setsid sleep 1000 & echo $! > pid; wait", folder.path());
    let error = looker("some").look(&hang, Duration::from_millis(1500)).await.unwrap_err();
    assert_eq!(error, "`setsid sleep 1000 & echo $! > pid; wait`: no answer within 1.5 s");
    assert!(!is_alive(pid_in(folder.path().join("pid")).await));
}

/// It holds the pipe that the look listens to, and is in no group of ours.
#[tokio::test]
async fn what_a_look_puts_into_the_background_is_not_waited_for_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "setsid sleep 1000 & echo $! > pid; echo why >&2; exit 3";
    let error = look(&shell(script, folder.path())).await.unwrap_err();
    assert_eq!(error, format!("`{script}`: exit code 3: why"));
    assert!(!is_alive(pid_in(folder.path().join("pid")).await));
}

#[tokio::test]
async fn a_look_that_nobody_waits_for_is_ended_too() {
    let folder = tempfile::tempdir().unwrap();
    let hang = shell("setsid sleep 1000 & echo $! > pid; wait", folder.path());
    let task = tokio::spawn(async move { look(&hang).await });
    let pid = pid_in(folder.path().join("pid")).await;
    task.abort();
    until(|| (!is_alive(pid)).then_some(())).await;
}

/// What a killed controller leaves cannot be told from what one has that lives: both carry the mark.
#[tokio::test]
async fn what_a_killed_controller_looked_with_is_ended_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let installation = uuid::Uuid::now_v7().to_string();
    let (hang, mut looker) =
        (shell("echo $$ > pid; exec sleep 1000", folder.path()), looker(&installation));
    let task = tokio::spawn(async move { looker.look(&hang, LONG).await });
    let pid = pid_in(folder.path().join("pid")).await;
    let state = folder.path().to_path_buf();
    let stop = tokio_util::sync::CancellationToken::new();
    Runner::new(&state, state.clone(), installation, stop).unwrap();
    until(|| (!is_alive(pid)).then_some(())).await;
    assert!(task.await.unwrap().unwrap_err().contains("SIGKILL"), "nobody else ended it");
}

/// What is done next about a process, in words.
async fn next(world: &World) -> String {
    match world.verdict(world.present()).await {
        Verdict::Change(steps) => {
            let (action, why) = &steps[0];
            world.apply(action).await.unwrap();
            let kinds::Action::Process(action) = action else { panic!("{action:?}") };
            format!("{action}: {why}")
        }
        Verdict::Wait(why) | Verdict::Stalled(why) => why,
        other => format!("{other:?}"),
    }
}

/// What is done about a process until it is said to `end` as told; the words of each step.
async fn story(world: &World, end: &str) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    until_async(async || {
        let words = next(world).await;
        if told.last() != Some(&words) {
            told.push(words.clone());
        }
        words.starts_with(end)
    })
    .await;
    told
}

async fn until_async(mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done().await {
        assert!(Instant::now() < deadline, "not within 30 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn one_that_lives_no_more_is_ended_and_started_again() {
    let mut world = World::new("trap 'exit 0' TERM; touch alive; while :; do sleep 0.02; done");
    let alive = shell("test -e alive", world.bench.root.path());
    world.want.ready = Some(checked(alive.clone(), 50, 9_000));
    world.want.live = Some(Probe { failures: 2, ..checked(alive, 50, 9_000) });
    world.converge(&world.present()).await;
    let first = world.pid().await;
    crate::fs::remove_file_if_exists(world.bench.path("alive")).unwrap();
    let why = "its `live` check failed 2 times in a row: `test -e alive`: exit code 1";
    let told = story(&world, "start: ").await;
    let ended = format!("ended with exit code 0 ({why})");
    assert!(told.contains(&format!("end: {why}")), "{told:#?}");
    assert_eq!(told.last().unwrap(), &format!("start: {ended}"));
    world.converge(&world.present()).await;
    assert_ne!(world.pid().await, first);
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn one_that_does_not_start_up_in_time_is_ended_and_its_policy_says_what_follows() {
    let mut world = World::new("echo working on it; exec sleep 1000");
    world.want.restart = Restart::Never;
    let line = Check::Log { line: "^(up|listening)$".to_owned() };
    world.want.startup = Some(checked(line, 50, 300));
    world.want.ready = Some(checked(Check::Tcp { port: free_port() }, 50, 9_000));
    let told = story(&world, "ended with").await;
    let why = "its `startup` check did not pass within 0.3 s: a line like /^(up|listening)$/: \
               was not printed yet; its log ends with: working on it";
    assert_eq!(
        told.last().unwrap(),
        &format!("ended with signal SIGTERM ({why}), and its spec says `restart: never`")
    );
    assert!(!told.iter().any(|words| words.contains("connecting")), "startup first: {told:#?}");
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn a_line_makes_it_ready_and_so_it_stays() {
    let mut world =
        World::new("while ! [ -e go ]; do sleep 0.02; done; echo listening on 80; exec sleep 1000");
    let line = Check::Log { line: "listening on [0-9]+".to_owned() };
    world.want.ready = Some(checked(line, 50, 9_000));
    let wait = "is not ready: a line like /listening on [0-9]+/: was not printed yet";
    assert_eq!(world.waits_for("was not printed").await, wait);
    crate::fs::write_atomic(world.bench.path("go"), "", 0o600).unwrap();
    world.converge(&world.present()).await;
    // The next controller does not need the log.
    let log = world.bench.path("logs/agent-agent-3/process/api.log");
    crate::fs::remove_file_if_exists(log).unwrap();
    let pid = world.pid().await;
    world.provider = ProcessProvider::new(Arc::clone(&world.supervisor), world.bench.path("logs"));
    world.converge(&world.present()).await;
    assert_eq!(world.pid().await, pid);
    world.converge(&AnyTarget::Gone).await;
}

/// The looks that a process got, by what they left in a file.
#[tokio::test]
async fn it_is_ready_after_as_many_passes_as_asked_for_and_looked_at_after_its_delay() {
    let mut world = World::new("exec sleep 1000");
    let looks = world.bench.path("looks");
    let count = shell("echo look >> looks", world.bench.root.path());
    world.want.ready = Some(Probe { successes: 3, delay_ms: 200, ..checked(count, 50, 9_000) });
    let began = Instant::now();
    let first = world.waits_for("its first check is to come").await;
    assert_eq!(first, "is not ready: its first check is to come");
    world.converge(&world.present()).await;
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(crate::fs::read_to_string(&looks).unwrap().lines().count() >= 3);
    world.converge(&AnyTarget::Gone).await;
}

/// What a server answers goes into a status as well.
#[tokio::test]
async fn a_secret_that_a_server_answers_is_not_told() {
    let port = serve("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"token\":\"hunter22\"}");
    let mut world = World::new("exec sleep 1000");
    let secret = Text::Secret(Secret::new("hunter22"));
    world.want.command.env.insert("TOKEN".to_owned(), secret);
    let json = [("token".to_owned(), "other".to_owned())].into();
    let check = Check::Http(HttpCheck { json, ..HttpCheck::get(port, "/") });
    world.want.ready = Some(checked(check, 50, 9_000));
    let why = world.waits_for("and not").await;
    let wait =
        format!("is not ready: GET http://127.0.0.1:{port}/: `token` is `***`, and not `other`");
    assert_eq!(why, wait);
    world.converge(&AnyTarget::Gone).await;
}
