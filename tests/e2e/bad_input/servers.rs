//! Servers that are down, and cannot come back.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::super::containers::Servers;
use super::super::harness::{Site, succeed};
use super::super::host::http;
use super::{agent, said, until};

#[test]
fn servers_that_are_down_take_no_process_along() {
    let mut site = Site::on(Servers::Embedded);
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let before = [site.processes(1), site.processes(2)];
    // Their ports are somebody else's before anybody could start them again.
    site.kill();
    let [postgres, store] = [site.postgres, site.store].map(|port| taken(&site, port));
    let store = Stranger::new(store);
    site.start();
    site.write_spec("agent-3.yaml", &agent("agent-3", ""));
    let told = [
        ("the servers", "infra/shared", "taken"),
        ("an agent that runs", "agent-1", "Ready: "),
        ("an agent that is new", "agent-3", "Ready: "),
    ]
    .map(|(what, object, words)| format!("{what}\n{}\n", until(words, || said(&site, object))));
    insta::assert_snapshot!("servers_down", told.join("\n"));
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    assert_eq!(http(site.frontend + 10, "GET", "/", "").unwrap().0, 200);

    // One of them back, then the other one.
    drop(postgres);
    site.eventually("PostgreSQL to be back", || site.try_sql("postgres", "SELECT 1").ok());
    let told = down_alone(&mut site, "agent-3", "objectStore", "object store");
    insta::assert_snapshot!("object_store_down", told);
    drop(store);
    all_well(&site, &before);
    site.kill();
    let stranger = taken(&site, site.postgres);
    site.start();
    let told = down_alone(&mut site, "agent-4", "postgres", "PostgreSQL");
    insta::assert_snapshot!("postgres_down", told);
    drop(stranger);
    site.ready("agent-4");
    all_well(&site, &before);
}

/// A web server that knows nothing of ours.
struct Stranger {
    port: u16,
    ended: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Stranger {
    fn new(listener: TcpListener) -> Self {
        let port = listener.local_addr().unwrap().port();
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if until.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(
                    b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                );
            }
        });
        Self { port, ended, serving: Some(serving) }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // It waits for the next caller.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.serving.take().map(JoinHandle::join);
    }
}

/// Ends a server, and gives its port to somebody else before anybody could start it again.
fn taken(site: &Site, port: u16) -> TcpListener {
    let pid = Site::pid_on(port);
    succeed(Command::new("kill").args(["-9", &pid.to_string()]));
    site.eventually("the port to be free", || TcpListener::bind(("127.0.0.1", port)).ok())
}

/// What is told while one server is down alone: by the servers, an agent that runs, and one that is new.
fn down_alone(site: &mut Site, new: &str, service: &str, server: &str) -> String {
    site.write_spec(&format!("{new}.yaml"), &agent(new, ""));
    [
        ("the servers", "infra/shared", &*format!("Ready: service/{service} conflict")),
        ("an agent that runs", "agent-1", server),
        ("an agent that is new", new, server),
    ]
    .map(|(what, object, words)| format!("{what}\n{}\n", until(words, || said(site, object))))
    .join("\n")
}

fn all_well(site: &Site, before: &[Vec<(String, u32, String)>; 2]) {
    for object in ["infra/shared", "agent-1", "agent-2", "agent-3"] {
        site.ready(object);
    }
    assert_eq!(*before, [site.processes(1), site.processes(2)]);
}
