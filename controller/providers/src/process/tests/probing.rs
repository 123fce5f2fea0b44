//! Looks at real listeners.

use std::net::TcpListener;

use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::Check;

use super::super::probe::{self, Label};
use super::*;
use crate::setup::Runner;

/// Patience that no look needs, for what is not about that.
const LONG: Duration = Duration::from_secs(60);

/// A look as that of a process of some installation.
async fn look(check: &Check) -> Result<(), String> {
    probe::look(check, &label("some"), LONG).await
}

fn label(installation: &str) -> Label {
    Label { mark: format!("agent-harness:{installation}:u"), step: "probe a/x".to_owned() }
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
    let get = |port| Check::Http { port, path: "/health?x=1".to_owned() };
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
    let error = probe::look(&hang, &label("some"), Duration::from_millis(1500)).await.unwrap_err();
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
    let (hang, label) =
        (shell("echo $$ > pid; exec sleep 1000", folder.path()), label(&installation));
    let task = tokio::spawn(async move { probe::look(&hang, &label, LONG).await });
    let pid = pid_in(folder.path().join("pid")).await;
    let state = folder.path().to_path_buf();
    let stop = tokio_util::sync::CancellationToken::new();
    Runner::new(&state, state.clone(), installation, stop).unwrap();
    until(|| (!is_alive(pid)).then_some(())).await;
    assert!(task.await.unwrap().unwrap_err().contains("SIGKILL"), "nobody else ended it");
}
