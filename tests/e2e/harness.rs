//! A place of its own for each test: a home folder, a Git repository that holds the hello app, its
//! specs with ports that nobody else uses, a state folder, and a controller over them. When the test
//! ends, all of it ends.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use agent_harness_providers::process::ports::listener;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use tempfile::TempDir;

/// How long anything may take that a person would wait for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What is built and tried here.
const PROGRAMS: [&str; 4] = ["controller", "ctl", "agent-shim", "hello"];

/// A user without any rights.
const NOBODY: u32 = 65534;

/// The folder with the built programs.
pub fn programs() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap().to_path_buf();
    for name in PROGRAMS {
        assert!(
            folder.join(name).is_file(),
            "{name} is not built: run `cargo test --workspace`, or `cargo build --workspace` first"
        );
    }
    folder
}

/// Everything that belongs to one test.
pub struct Site {
    /// What the state folder is on; gone before the folder is.
    disk: Option<Disk>,
    folder: TempDir,
    /// The port of the shared PostgreSQL server.
    pub postgres: u16,
    /// The port of the shared object store.
    pub store: u16,
    /// Agent 1 of the stack has the frontend on this + 10, and so on.
    pub frontend: u16,
    /// The same for the API.
    pub api: u16,
    controller: Option<Child>,
    /// How controllers ended by themselves.
    ends: Vec<ExitStatus>,
    /// The programs of a user without any rights, where it is not we who are to run them.
    user: Option<PathBuf>,
}

impl Site {
    /// With the specs of the example, agents 1 and 2 among them; the controller does not run yet.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("harness-").tempdir().unwrap();
        // PostgreSQL's programs drop root, and must get through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let [postgres, store, frontend, api] = free_ports();
        let site = Self {
            disk: None,
            folder,
            postgres,
            store,
            frontend,
            api,
            controller: None,
            ends: Vec::new(),
            user: None,
        };
        let example =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/hello");
        let there = site.repo().join("examples/hello");
        for part in ["app/migrations", "app/seeds", "app/seeds/files", "app/frontend", "specs", "."]
        {
            copy_files(&example.join(part), &there.join(part));
        }
        site.edit("infra.yaml", "port: 15432", &format!("port: {postgres}"));
        site.edit("infra.yaml", "port: 19000", &format!("port: {store}"));
        site.edit(
            "stack.yaml",
            "{frontend: 3000, api: 8000}",
            &format!("{{frontend: {frontend}, api: {api}}}"),
        );
        site.git(&["init", "--quiet", "--initial-branch=main"]);
        site.git(&["add", "--all"]);
        site.git(&["commit", "--quiet", "--message", "The hello app"]);
        site
    }

    /// The folder that all of it is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The repository of the app.
    pub fn repo(&self) -> PathBuf {
        self.folder.path().join("home/app")
    }

    /// The watched folder.
    pub fn specs(&self) -> PathBuf {
        self.repo().join("examples/hello/specs")
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The worktree of an agent.
    pub fn worktree(&self, agent: &str) -> PathBuf {
        self.state().join("worktrees").join(agent)
    }

    /// Replaces text in a spec, as an editor would: all at once.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.specs().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not hold {from:?}:\n{text}");
        self.write_spec(file, &text.replace(from, to));
    }

    /// Writes a spec.
    pub fn write_spec(&self, file: &str, text: &str) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, self.specs().join(file)).unwrap();
    }

    /// Runs git in the repository.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = self.command("git");
        command.current_dir(self.repo()).args(arguments);
        text(&succeed(&mut command).stdout)
    }

    /// A program with the environment of this place alone.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let home = self.folder.path().join("home");
        let mut command = match &self.user {
            Some(_) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")]);
                command.args(["--clear-groups", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &home)
            .env("HARNESS_STATE", self.state())
            .env("NO_COLOR", "1")
            .env("RUST_BACKTRACE", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "Test"), ("GIT_AUTHOR_EMAIL", "test@localhost")])
            .envs([("GIT_COMMITTER_NAME", "Test"), ("GIT_COMMITTER_EMAIL", "test@localhost")])
            .current_dir(&home)
            .stdin(Stdio::null());
        command
    }

    /// Starts the controller.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts the controller with more in its environment.
    pub fn start_with(&mut self, env: &[(&str, &str)]) {
        let command = self.command(self.programs().join("controller"));
        self.begin(command, env);
    }

    /// Lets all that is still to be started run as a user without any rights, where this is root.
    pub fn become_a_user(&mut self) {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // The folder that they were built in may not be open to everybody.
        let bin = self.folder().join("bin");
        fs::create_dir(&bin).unwrap();
        for name in PROGRAMS {
            fs::copy(programs().join(name), bin.join(name)).unwrap();
        }
        let owner = format!("{NOBODY}:{NOBODY}");
        succeed(Command::new("chown").args(["-R", &owner]).arg(self.folder()));
        self.user = Some(bin);
    }

    /// Puts the state folder on a disk of its own, for which this has to be root.
    pub fn state_on_a_disk(&mut self, megabytes: u32) {
        let folder = self.state();
        fs::create_dir_all(&folder).unwrap();
        let size = format!("size={megabytes}m,mode=755");
        succeed(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&folder));
        self.disk = Some(Disk(folder));
    }

    fn programs(&self) -> PathBuf {
        self.user.clone().unwrap_or_else(programs)
    }

    fn begin(&mut self, mut command: Command, env: &[(&str, &str)]) {
        assert!(self.controller.is_none(), "the controller runs already");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let child = command
            .args(["run", "--specs"])
            .arg(self.specs())
            .envs(env.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.controller = Some(child);
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("controller.log")
    }

    /// Ends the controller at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let mut child = self.controller.take().expect("the controller runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until the controller has ended by itself, or `otherwise` holds; whether it ended.
    pub fn ended_or(&mut self, otherwise: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(child) = self.controller.as_mut() else { return true };
            if let Some(status) = child.try_wait().unwrap() {
                self.ends.push(status);
                self.controller = None;
                return true;
            }
            if otherwise(self) {
                return false;
            }
            assert!(Instant::now() < deadline, "neither ended nor done\n{}", self.report());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs `ctl`.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        self.command(self.programs().join("ctl")).args(arguments).output().unwrap()
    }

    /// Runs `ctl`, which has to succeed; what it printed.
    pub fn ctl_ok(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert!(
            output.status.success(),
            "ctl {arguments:?} ended with {}\n{}{}\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr),
            self.report()
        );
        text(&output.stdout)
    }

    /// An object with its status.
    pub fn object(&self, name: &str) -> Value {
        serde_json::from_str(&self.ctl_ok(&["get", name, "-o", "json"])).unwrap()
    }

    /// Whether the controller knows the object.
    pub fn object_exists(&self, name: &str) -> bool {
        // A controller that breaks off in the middle of its answer says nothing about the object.
        let output = self.ctl(&["get", name, "-o", "name"]);
        output.status.success() || !text(&output.stderr).contains("does not exist")
    }

    /// Whether the controller is done with the deletion of an agent: it keeps no status of it any more.
    pub fn is_gone(&self, agent: &str) -> bool {
        !self.state().join("status").join(format!("{agent}.yaml")).exists()
    }

    /// Whether an object is ready now.
    pub fn is_ready(&self, name: &str) -> bool {
        self.ctl(&["wait", name, "--for", "ready", "--timeout", "0s"]).status.success()
    }

    /// Waits until an object is ready for its current spec.
    pub fn ready(&self, name: &str) {
        self.wait(name, "ready");
    }

    /// Waits for a condition.
    pub fn wait(&self, name: &str, condition: &str) {
        let timeout = format!("{}s", PATIENCE.as_secs());
        let socket = self.state().join("control.sock");
        self.eventually("the controller to listen", || UnixStream::connect(&socket).ok());
        if condition != "deleted" {
            self.eventually("it to be known", || self.object_exists(name).then_some(()));
        }
        self.ctl_ok(&["wait", name, "--for", condition, "--timeout", &timeout]);
    }

    /// Waits for something, and shows what is there when it does not come.
    pub fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}\n{}", self.report());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a person would look at when something is wrong.
    pub fn report(&self) -> String {
        let mut report = format!("--- controllers that ended: {:?}", self.ends);
        for arguments in [&["get", "-o", "wide"][..], &["describe", "agent-1"], &["events"]] {
            let output = self.ctl(arguments);
            report = [
                report,
                format!("--- ctl {arguments:?}"),
                text(&output.stdout),
                text(&output.stderr),
            ]
            .join("\n");
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let from = log.len().saturating_sub(8000);
        let from = (from..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(log.len());
        report + "--- the controller's log\n" + &log[from..]
    }

    /// The processes of an agent of the hello app: what each is, its pid and when it started.
    pub fn processes(&self, agent: u16) -> Vec<(String, u32, String)> {
        let port = format!("PORT={}", self.api + agent * 10);
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let (command, environment) = (read("cmdline"), read("environ"));
            let words: Vec<_> = command.split(|byte| *byte == 0).map(text).collect();
            let is_hello = words.first().is_some_and(|program| program.ends_with("/hello"));
            if is_hello && environment.split(|byte| *byte == 0).any(|line| line == port.as_bytes())
            {
                // The 22nd field, counted from behind the name, which may hold anything.
                let stat = text(&read("stat"));
                let started = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(20));
                found.push((words[1].clone(), pid, started.unwrap_or_default().to_owned()));
            }
        }
        found.sort();
        found
    }

    /// Runs SQL as the administrator of the shared server; what comes of it, a line for each row.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let password =
            fs::read_to_string(self.state().join("secrets/infra-shared-postgres")).unwrap();
        let login = self.login("postgres", password.trim()).database(database);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let rows = runtime.block_on(async {
            let mut server = PgConnection::connect_with(&login).await?;
            server.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await
        });
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let line = |row: PgRow| -> String {
            let value = |index| row.try_get_raw(index).unwrap().as_str().unwrap_or("").to_owned();
            (0..row.len()).map(value).collect::<Vec<_>>().join("|")
        };
        rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// How a role gets into the shared server.
    pub fn login(&self, role: &str, password: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.postgres);
        options.username(role).password(password)
    }
}

impl Site {
    /// The process that listens on a port.
    pub fn pid_on(port: u16) -> u32 {
        listener(port).unwrap().and_then(|listener| listener.pid).expect("somebody listens")
    }

    /// Ends everything.
    pub fn down(&mut self) {
        if let Some(mut child) = self.controller.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let down = self
            .command(self.programs().join("controller"))
            .args(["down", "--purge", "--yes"])
            .output()
            .unwrap();
        assert!(
            down.status.success() || std::thread::panicking(),
            "controller down: {}{}",
            text(&down.stdout),
            text(&down.stderr)
        );
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.down();
        if std::env::var_os("KEEP").is_some() {
            self.folder.disable_cleanup(true);
        }
    }
}

/// A file system that is mounted there.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// The answer to one HTTP request: status and body.
pub fn http(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = text(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}

/// Runs a command that has to succeed.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    output
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Two ports for servers, and two bases whose agents 1 to 9 are free, below those that the system hands out.
/// Each block is handed out once per test run, so that tests at the same time do not meet; runs at the same time
/// begin at different ones.
fn free_ports() -> [u16; 4] {
    const BLOCKS: u16 = 60;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap();
    loop {
        let turn = NEXT.fetch_add(1, Ordering::SeqCst);
        assert!(turn < BLOCKS, "no free ports from 20000 to 32000");
        let block = 20_000 + (first + turn) % BLOCKS * 200;
        let ports = [block, block + 1, block + 2, block + 102];
        let agents = (1..10).flat_map(|n| [ports[2] + n * 10, ports[3] + n * 10]);
        if ports.into_iter().chain(agents).all(is_free) {
            return ports;
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The files of a folder, without its folders.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}
