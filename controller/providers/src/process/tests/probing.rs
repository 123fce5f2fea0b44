//! Looks at real listeners.

use std::net::TcpListener;

use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::Check;

use super::super::probe::look;
use super::*;

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
    let run = |script: &str| {
        Check::Exec(Command {
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            cwd: "/".into(),
            env: BTreeMap::new(),
        })
    };
    assert_eq!(look(&run("true")).await, Ok(()));
    assert_eq!(
        look(&run("echo no such table >&2; exit 4")).await,
        Err("`echo no such table >&2; exit 4`: exit code 4: no such table".to_owned())
    );
}

#[tokio::test]
async fn a_look_that_hangs_is_ended_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let hang = Check::Exec(Command {
        argv: ["/bin/sh", "-c", "sleep 1000 & echo $! > pid; wait"].map(str::to_owned).to_vec(),
        cwd: folder.path().to_owned(),
        env: BTreeMap::new(),
    });
    let error = look(&hang).await.unwrap_err();
    assert_eq!(error, "`sleep 1000 & echo $! > pid; wait`: no answer within 3 s");
    let pid = crate::fs::read_to_string(folder.path().join("pid")).unwrap();
    let pid: i32 = pid.trim().parse().unwrap();
    until(|| (!is_alive(pid)).then_some(())).await;
}
