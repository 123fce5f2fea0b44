//! A place of its own for each test: a home folder, a Git repository that holds an example (the hello app unless the
//! test says otherwise), its specs with ports that nobody else uses, a state folder, and a controller over them. When the test
//! ends, all of it ends.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use tempfile::TempDir;

use super::containers::{self, Servers};
use super::host::{Disk, copy_files, free_ports, give_back};
use super::store::Store;

/// How long anything may take that a person would wait for.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What is built and tried here.
const PROGRAMS: [&str; 4] = ["controller", "ctl", "agent-shim", "hello"];

/// What of the hello example a test takes.
const HELLO: [&str; 6] =
    ["app/migrations", "app/seeds", "app/seeds/files", "app/frontend", "specs", "."];

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
    /// Which example it is about.
    example: &'static str,
    /// How the shared servers run.
    servers: Servers,
    /// The name of their Infra.
    pub infra: String,
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
    /// The folder of the programs that are run, where it is not the one that they were built in.
    bin: Option<PathBuf>,
    /// Whether it is a user without any rights who runs them.
    is_nobody: bool,
    /// The watched folder, where it is not the example's.
    specs: Option<PathBuf>,
}

impl Site {
    /// With the specs of the example, agents 1 and 2 among them; the controller does not run yet.
    pub fn new() -> Self {
        Self::on(Servers::of_this_run())
    }

    /// The same, on servers that run in this way.
    pub fn on(servers: Servers) -> Self {
        let site = Self::of_example("hello", servers);
        let (postgres, store) = (site.postgres, site.store);
        site.take(&HELLO);
        match servers {
            Servers::Embedded => {
                site.edit("infra.yaml", "port: 15432", &format!("port: {postgres}"));
                site.edit("infra.yaml", "port: 19000", &format!("port: {store}"));
            }
            Servers::Containers => {
                containers::clear(&site.infra);
                site.write_spec("infra.yaml", &containers::servers(&site.infra, postgres, store));
                site.edit("stack.yaml", "infra: shared", &format!("infra: {}", site.infra));
            }
        }
        site.edit(
            "stack.yaml",
            "{frontend: 3000, api: 8000}",
            &format!("{{frontend: {}, api: {}}}", site.frontend, site.api),
        );
        site.commit();
        site
    }

    /// For an example by the name of its folder; nothing of it is taken yet.
    pub fn of_example(example: &'static str, servers: Servers) -> Self {
        let folder = tempfile::Builder::new().prefix("harness-").tempdir().unwrap();
        // PostgreSQL's programs drop root, and must get through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let [postgres, store, frontend, api] = free_ports();
        Self {
            disk: None,
            folder,
            example,
            servers,
            infra: servers.infra(postgres),
            postgres,
            store,
            frontend,
            api,
            controller: None,
            ends: Vec::new(),
            bin: None,
            is_nobody: false,
            specs: None,
        }
    }

    /// Takes the files of these folders of the example.
    pub fn take(&self, folders: &[&str]) {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples");
        for folder in folders {
            let from = examples.join(self.example).join(folder);
            copy_files(&from, &self.example().join(folder));
        }
    }

    /// Makes the repository of the app of what was taken.
    pub fn commit(&self) {
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "The app"]);
    }

    /// The folder that all of it is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The repository of the app.
    pub fn repo(&self) -> PathBuf {
        self.folder.path().join("home/app")
    }

    /// The example in it.
    fn example(&self) -> PathBuf {
        self.repo().join("examples").join(self.example)
    }

    /// The watched folder.
    pub fn specs(&self) -> PathBuf {
        self.specs.clone().unwrap_or_else(|| self.example().join("specs"))
    }

    /// Lets another folder be the watched one.
    pub fn watch(&mut self, specs: PathBuf) {
        self.specs = Some(specs);
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

    /// Removes a spec.
    pub fn remove_spec(&self, file: &str) {
        fs::remove_file(self.specs().join(file)).unwrap();
    }

    /// Writes a file of the user's own.
    pub fn write_home(&self, path: &str, text: &str) {
        let path = self.folder().join("home").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
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
        let mut command = if self.is_nobody {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")]);
            command.args(["--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &home)
            .env("HARNESS_STATE", self.state())
            .env("NO_COLOR", "1")
            .env("RUST_BACKTRACE", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(std::env::var_os("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)))
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
        let mut command = self.controller();
        command.arg("run").args(self.specs_argument()).envs(env.iter().copied());
        self.begin(command);
    }

    /// The controller's program, to be told what to do.
    pub fn controller(&self) -> Command {
        self.command(self.programs().join("controller"))
    }

    /// Which folder of specs it is about.
    pub fn specs_argument(&self) -> [std::ffi::OsString; 2] {
        ["--specs".into(), self.specs().into()]
    }

    /// Lets all that is still to be started run as a user without any rights, where this is root.
    pub fn become_a_user(&mut self) {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // The folder that they were built in may not be open to everybody.
        self.install("bin", b"");
        let owner = format!("{NOBODY}:{NOBODY}");
        succeed(Command::new("chown").args(["-R", &owner]).arg(self.folder()));
        self.is_nobody = true;
    }

    /// Installs the programs into a folder of this place, as a package does: each is renamed over the one before. From
    /// now on they are run from there. `other`, behind what was built, makes them another build.
    pub fn install(&mut self, folder: &str, other: &[u8]) {
        let bin = self.folder().join(folder);
        fs::create_dir_all(&bin).unwrap();
        for name in PROGRAMS {
            let draft = bin.join(format!("{name}.new"));
            fs::copy(programs().join(name), &draft).unwrap();
            let mut file = fs::OpenOptions::new().append(true).open(&draft).unwrap();
            file.write_all(other).unwrap();
            drop(file);
            fs::rename(draft, bin.join(name)).unwrap();
        }
        self.bin = Some(bin);
    }

    /// Puts the state folder on a disk of its own.
    pub fn state_on_a_disk(&mut self, megabytes: u32) {
        self.disk = Some(Disk::mount(self.state(), megabytes));
    }

    fn programs(&self) -> PathBuf {
        self.bin.clone().unwrap_or_else(programs)
    }

    /// Lets a command be the controller that runs.
    pub fn begin(&mut self, mut command: Command) {
        assert!(self.controller.is_none(), "the controller runs already");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.controller = Some(child);
    }

    /// What the controller prints.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("controller.log")
    }

    /// Ends the controller at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let mut child = self.controller.take().expect("the controller runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the controller to end, as `kill` does, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        let child = self.controller.as_ref().expect("the controller runs");
        succeed(Command::new("kill").arg(child.id().to_string()));
        assert!(self.ended_or(|_| false));
        *self.ends.last().unwrap()
    }

    /// The signal that ended the last controller.
    pub fn ended_by(&self) -> Option<i32> {
        self.ends.last().and_then(ExitStatus::signal)
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
        self.ctl_command(arguments).output().unwrap()
    }

    /// A `ctl` that does not run yet.
    pub fn ctl_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(self.programs().join("ctl"));
        command.args(arguments);
        command
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

    /// A secret out of the state folder.
    pub fn secret(&self, name: &str) -> String {
        let path = self.state().join("secrets").join(name);
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// The shared object store, as its administrator sees it.
    pub fn admin(&self) -> Store {
        let secret = self.secret(&format!("infra-{}-object-store", self.infra));
        Store::new(self.store, self.admin_key(), &secret)
    }

    /// The administrator's access key.
    pub fn admin_key(&self) -> &'static str {
        match self.servers {
            Servers::Embedded => "harness-root",
            Servers::Containers => "minioadmin",
        }
    }

    /// What the shared servers are run as, in the names of resources.
    pub fn server_kind(&self) -> &'static str {
        match self.servers {
            Servers::Embedded => "service",
            Servers::Containers => "container",
        }
    }

    /// Runs SQL as the administrator of the shared server; what comes of it, a line for each row.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same, where the server may be away.
    pub fn try_sql(&self, database: &str, sql: &str) -> Result<String, sqlx::Error> {
        let password = self.secret(&format!("infra-{}-postgres", self.infra));
        let login = self.login("postgres", &password).database(database);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let rows = runtime.block_on(async {
            let mut server = PgConnection::connect_with(&login).await?;
            server.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await
        })?;
        let line = |row: PgRow| -> String {
            let value = |index| row.try_get_raw(index).unwrap().as_str().unwrap_or("").to_owned();
            (0..row.len()).map(value).collect::<Vec<_>>().join("|")
        };
        Ok(rows.into_iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// How a role gets into the shared server.
    pub fn login(&self, role: &str, password: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.postgres);
        options.username(role).password(password)
    }

    /// Ends everything.
    pub fn down(&mut self) {
        if let Some(mut child) = self.controller.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !self.state().exists() {
            return; // nothing was begun
        }
        let down = self.controller().args(["down", "--purge", "--yes"]).output().unwrap();
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
        give_back(self.postgres);
        self.folder.disable_cleanup(std::env::var_os("KEEP").is_some());
    }
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
