//! A real server in a temporary folder on a free port, made with the product's own preparation. It ends with
//! the test program, however that ends: a small shell waits for the end of its standard input.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use agent_harness_model::kinds::service::{EmbeddedPostgres, PostgresConnection};
use agent_harness_model::secret::Secret;
use agent_harness_providers::fs;
use agent_harness_providers::postgres::embedded::{self, Prepared, in_force};
use agent_harness_providers::postgres::server::Server;
use agent_harness_shim::{identity, tree};
use rustix::process::Signal;

const PASSWORD: &str = "admin's \"password\" \\ with $everything";

/// A server of a test.
pub struct TestServer {
    pub port: u16,
    pub folder: PathBuf,
    pub prepared: Prepared,
    watchdog: Child,
}

/// Starts the server, then lives until its own standard input ends: then the server has to go, and its folder.
const WATCHDOG: &str = r#"
folder=$1; shift
"$@" >"$folder/log" 2>&1 </dev/null &
echo $! >"$folder/pid"
read -r _
kill -INT "$(cat "$folder/pid")"
wait
rm -rf "$folder"
"#;

impl TestServer {
    /// The server that the tests of this program share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of one's own.
    pub fn start() -> Self {
        // Not in the test's runtime: it ends with the test, the server with the program.
        std::thread::spawn(|| {
            tokio::runtime::Runtime::new().unwrap().block_on(async {
                let server = Self::prepare().await;
                server.wait().await;
                server
            })
        })
        .join()
        .unwrap()
    }

    async fn prepare() -> Self {
        let folder = tempfile::Builder::new().prefix("harness-pg-").tempdir().unwrap().keep();
        fs::set_mode(&folder, 0o755).unwrap();
        let port = free_port();
        let want = embedded_want(&folder, port);
        let prepared = embedded::prepare(&want, &embedded::default_cache(), &|_| {}).await.unwrap();
        in_force::put_in_force(&prepared.layout).unwrap();
        let watchdog = spawn(&folder, &prepared);
        Self { port, folder, prepared, watchdog }
    }

    /// Waits until it answers.
    pub async fn wait(&self) {
        let server = Server::new(self.connection());
        until("the server answers", || async { server.session().await.is_ok() }).await;
    }

    pub fn connection(&self) -> PostgresConnection {
        PostgresConnection {
            host: "127.0.0.1".into(),
            port: self.port,
            user: "postgres".into(),
            password: Secret::new(PASSWORD),
            database: "postgres".into(),
            sslmode: None,
            in_container: false,
            embedded_root: None,
        }
    }

    /// Kills the whole server at once, as a power cut would: without the postmaster, a session would go on
    /// until it next looks whether that is still there.
    pub fn kill(&mut self) {
        let postmaster = self.pid().unwrap();
        let processes = tree::snapshot().unwrap();
        signal(postmaster, Signal::KILL);
        for session in tree::descendants(&processes, postmaster) {
            identity::signal(session, Signal::KILL).unwrap();
        }
    }

    fn pid(&self) -> Option<i32> {
        let text = fs::read_to_string_if_exists(self.folder.join("pid")).unwrap()?;
        text.trim().parse().ok()
    }

    /// Starts it again on the same data, as often as it takes: what the old one left of shared memory is in
    /// use for as long as its last child lives.
    pub async fn restart(&mut self) {
        let server = Server::new(self.connection());
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // The folder is in use again: the old watchdog must not tidy up.
            self.watchdog.kill().unwrap();
            self.watchdog.wait().unwrap();
            fs::remove_file_if_exists(self.folder.join("pid")).unwrap();
            self.watchdog = spawn(&self.folder, &self.prepared);
            until("it is started", || async { self.pid().is_some() }).await;
            while self.pid().is_some_and(runs) {
                if server.session().await.is_ok() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(Instant::now() < deadline, "the server does not start again");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

fn spawn(folder: &std::path::Path, prepared: &Prepared) -> Child {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", WATCHDOG, "watchdog"]).arg(folder).args(&prepared.argv);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    if let Some(user) = &prepared.user {
        for folder in [folder, &prepared.layout.root] {
            std::os::unix::fs::chown(folder, Some(user.uid), Some(user.gid)).unwrap();
        }
        command.uid(user.uid).gid(user.gid);
    }
    command.spawn().unwrap()
}

/// What an Infra's spec comes to, in a folder of a test.
pub fn embedded_want(folder: &std::path::Path, port: u16) -> EmbeddedPostgres {
    EmbeddedPostgres {
        port,
        version: None,
        bin_dir: None,
        settings: [("fsync".to_owned(), "off".into())].into(),
        root: folder.join("server"),
        admin_password: Secret::new(PASSWORD),
    }
}

/// Sends a signal to a process of a test's server.
pub fn signal(pid: i32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Runs, and is no zombie.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Polls a condition; panics when it is not met within half a minute.
pub async fn until<F: Future<Output = bool>>(what: &str, mut met: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !met().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
