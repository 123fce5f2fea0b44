//! Setup steps that really run.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::setup::{Action, Desired, Observed, Place, Setup};
use agent_harness_model::kinds::template::BuildStep;
use agent_harness_model::kinds::{self, Have, Kind as _, Resource, Target, Verdict};
use agent_harness_model::secret::{Secret, Text};
use agent_harness_model::world::{ApplyError, Ask, Class, Record, Seen};
use agent_harness_providers::provider::{Context, Provider as _};
use agent_harness_providers::setup::{Runner, SetupProvider, run_build_step};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

struct World {
    folder: TempDir,
    installation: String,
    runner: Runner,
    provider: SetupProvider,
    stop: CancellationToken,
    connections: Connections,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tree")).unwrap();
        // Each test is an installation of its own: they must not end each other's steps.
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        let installation = format!("i{}", name.trim_start_matches('.'));
        let (runner, stop) = runner(&folder, &installation);
        Self {
            provider: SetupProvider::new(runner.clone()),
            runner,
            installation,
            stop,
            folder,
            connections: Connections::default(),
        }
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tree().join(name)
    }

    fn command(&self, argv: &[&str]) -> Command {
        Command {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            cwd: self.tree(),
            env: BTreeMap::from([("PATH".to_owned(), Text::from("/usr/bin:/bin"))]),
        }
    }

    fn shell(&self, script: &str) -> Desired {
        Desired {
            place: Place { root: self.tree() },
            fingerprint: script.to_owned(),
            command: self.command(&["/bin/sh", "-c", script]),
            inputs: Vec::new(),
            inherits: false,
            creates: None,
            timeout_s: 60,
        }
    }

    fn id() -> ResourceId {
        Self::id_of("install")
    }

    fn id_of(name: &str) -> ResourceId {
        ResourceId {
            owner: ObjectKey::agent("agent-1"),
            uid: Uid::new("0000-00000001"),
            kind: ResourceKind::Setup,
            name: name.into(),
        }
    }

    fn log(&self) -> String {
        let path = self.folder.path().join("logs/agent-agent-1/setup/install.log");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::read_to_string(path).unwrap()
    }

    fn context(&self) -> Context<'_> {
        Context::new(&self.connections, &self.installation)
    }

    async fn see(&self, want: Option<&Desired>) -> Option<Observed> {
        let (id, place) = (Self::id(), kinds::Place::Setup(Place { root: self.tree() }));
        let resource = want.map(|want| Resource::Setup(Arc::new(want.clone())));
        let record = Record::default();
        let ask = Ask { id: &id, place: &place, want: resource.as_ref(), record: &record };
        match self.provider.observe(&self.context(), &[ask]).await.get(&id) {
            Seen::Known(None) => None,
            Seen::Known(Some(Have::Setup(seen))) => Some(seen.clone()),
            other => panic!("{other:?}"),
        }
    }

    async fn apply(&self, action: Action) -> Result<(), ApplyError> {
        self.provider.apply(&self.context(), &Self::id(), &kinds::Action::Setup(action)).await
    }

    /// Why it is to run now; `None`: it is not.
    async fn cause(&self, want: &Desired) -> Option<String> {
        let have = self.see(Some(want)).await;
        match Setup::diff(&Target::Present(Arc::new(want.clone())), &want.place, have.as_ref()) {
            Verdict::Settled => None,
            Verdict::Change(changes) => Some(changes[0].1.clone()),
            other => panic!("{other:?}"),
        }
    }

    async fn run(&self, want: &Desired) -> Result<(), ApplyError> {
        self.apply(Action::Run(Arc::new(want.clone()))).await
    }
}

fn runner(folder: &TempDir, installation: &str) -> (Runner, CancellationToken) {
    let stop = CancellationToken::new();
    let logs = folder.path().join("logs");
    let runner = Runner::new(folder.path(), logs, installation.to_owned(), stop.clone()).unwrap();
    (runner, stop)
}

/// Waits until a file has some text in it, and gives that.
async fn text(path: &Path) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => assert!(Instant::now() < until, "{} was never written", path.display()),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with(['Z', 'X']))
}

/// Waits until a process is no more.
async fn dead(pid: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while is_alive(pid) {
        assert!(Instant::now() < until, "{pid} lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_step_runs_once_and_again_when_there_is_a_reason() {
    let world = World::new();
    let mut want = world.shell("echo run >> runs; mkdir -p out");
    want.inputs = vec!["lock.yaml".into(), "src/**/*.sql".into()];
    want.creates = Some("out".into());
    std::fs::create_dir_all(world.path("src/a/b")).unwrap();
    std::fs::write(world.path("lock.yaml"), "1").unwrap();
    std::fs::write(world.path("src/a/b/x.sql"), "1").unwrap();

    let mut causes = Vec::new();
    let mut next = async |want: &Desired| {
        causes.push(world.cause(want).await.unwrap());
        world.run(want).await.unwrap();
        assert_eq!(world.cause(want).await, None);
    };
    next(&want).await;
    std::fs::write(world.path("src/a/b/x.sql"), "22").unwrap();
    next(&want).await;
    std::fs::write(world.path("src/new.sql"), "").unwrap();
    next(&want).await;
    std::fs::write(world.path("src/new.txt"), "no input").unwrap();
    std::fs::remove_dir(world.path("out")).unwrap();
    next(&want).await;
    // In the trash, and back.
    std::fs::rename(world.tree(), world.tree().with_extension("away")).unwrap();
    assert_eq!(world.cause(&want).await, None);
    std::fs::rename(world.tree().with_extension("away"), world.tree()).unwrap();
    assert_eq!(world.cause(&want).await, None);
    want.fingerprint = "another".into();
    next(&want).await;
    world.apply(Action::Forget(want.place.clone())).await.unwrap();
    assert_eq!(world.see(None).await, None);
    next(&want).await;
    assert_eq!(
        causes,
        [
            "was not run yet",
            "its inputs changed",
            "its inputs changed",
            "what it creates is missing",
            "its command changed",
            "was not run yet"
        ]
    );
    assert_eq!(std::fs::read_to_string(world.path("runs")).unwrap().lines().count(), 6);
}

#[tokio::test]
async fn its_environment_is_exactly_what_is_told_and_its_output_is_logged() {
    let world = World::new();
    let mut want = world.shell("env; pwd; echo oops >&2");
    want.command.env.insert("PORT".into(), Text::from("3010"));
    world.run(&want).await.unwrap();
    let log = world.log();
    let mut out: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once(" stdout F ").map(|(_, text)| text))
        .filter(|line| !line.starts_with("HARNESS_"))
        .collect();
    out.sort_unstable();
    let tree = world.tree();
    let tree = tree.to_str().unwrap();
    let (pwd, old) = (format!("PWD={tree}"), "_=/usr/bin/env");
    let mut expected = vec![tree, "PATH=/usr/bin:/bin", "PORT=3010", &pwd];
    if out.contains(&old) {
        expected.push(old);
    }
    expected.sort_unstable();
    assert_eq!(out, expected);
    assert!(log.contains(" stderr F oops\n"), "{log}");
    assert!(log.ends_with(" shim F exit code 0\n"), "{log}");
}

#[tokio::test]
async fn a_failure_shows_the_last_lines_without_secrets() {
    let world = World::new();
    let mut want = world.shell(
        "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; done; echo \"key $KEY\"; exit 3",
    );
    // Of a secret of several lines each may be printed alone.
    want.command.env.insert("KEY".into(), Text::Secret(Secret::new("hunter22\nhunter33")));
    let error = world.run(&want).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    let log = world.folder.path().join("logs/agent-agent-1/setup/install.log");
    let lines: Vec<String> = (13..=30).map(|number| format!("\n  line {number}")).collect();
    let lines = lines.concat();
    assert_eq!(
        error.message,
        format!(
            "`{}` ended with exit code 3; correct it or what it needs, and it is run again; its last lines (all are in {}):{lines}\n  key ***\n  ***",
            want.command.line(),
            log.display()
        )
    );
    assert_eq!(world.cause(&want).await.unwrap(), "its last run ended with exit code 3");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let world = World::new();
    let mut want = world.shell("");
    want.command = world.command(&["no-such-program", "--x"]);
    let error = world.run(&want).await.unwrap_err();
    assert_eq!(error.class, Class::Terminal);
    assert_eq!(
        error.message,
        "cannot run `no-such-program --x`: there is no program no-such-program on the PATH of this agent; install \
         it, write its whole path, or put its folder into PATH of environment.json in the state folder and start the \
         controller anew"
    );
    want.command.cwd = world.path("missing");
    let error = world.run(&want).await.unwrap_err();
    assert!(error.message.ends_with("is not there"), "{error}");
    assert_eq!(world.cause(&want).await.unwrap(), "its last run ended with an interruption");
}

#[tokio::test]
async fn the_deadline_ends_the_whole_tree() {
    let world = World::new();
    let mut want =
        world.shell("setsid sh -c 'echo $$ > daemon; sleep 600' & echo $$ > main; sleep 600");
    want.timeout_s = 1;
    let error = world.run(&want).await.unwrap_err();
    let told = "was stopped: it timed out after 1 s; raise its `timeout` if it needs more;";
    assert!(error.message.contains(told), "{error}");
    for name in ["main", "daemon"] {
        assert!(!is_alive(&text(&world.path(name)).await), "{name}");
    }
    assert_eq!(world.cause(&want).await.unwrap(), "its last run ended with its time used up");
}

#[tokio::test]
async fn nothing_of_a_step_outlives_its_end() {
    let world = World::new();
    let want = world.shell("setsid sleep 600 & echo $! > child; exit 0");
    world.run(&want).await.unwrap();
    assert!(!is_alive(&text(&world.path("child")).await));
}

#[tokio::test]
async fn what_hides_its_environment_is_ended_with_its_group() {
    let world = World::new();
    // Nothing but their group tells whose they are.
    let want = world.shell("env -i sleep 600 & echo $! > child; exit 0");
    world.run(&want).await.unwrap();
    dead(&text(&world.path("child")).await).await;
    let mut want = world.shell("echo $$ > main; exec env -i sleep 600");
    want.timeout_s = 1;
    let error = world.run(&want).await.unwrap_err();
    let told = "was stopped: it timed out after 1 s; raise its `timeout` if it needs more;";
    assert!(error.message.contains(told), "{error}");
    dead(&text(&world.path("main")).await).await;
}

#[tokio::test]
async fn steps_of_one_agent_run_at_the_same_time() {
    let world = World::new();
    // Each waits for the other one.
    let meet = |mine: &str, other: &str| {
        let script = format!("touch {mine}; until [ -e {other} ]; do sleep 0.01; done");
        let mut step = world.shell(&script);
        step.timeout_s = 20;
        step
    };
    let (one, two) = (meet("one", "two"), meet("two", "one"));
    let [one, two] =
        [("one", one), ("two", two)].map(|(name, want)| (World::id_of(name), Arc::new(want)));
    let run = async |(id, want): &(ResourceId, Arc<Desired>)| {
        let action = kinds::Action::Setup(Action::Run(Arc::clone(want)));
        world.provider.apply(&world.context(), id, &action).await
    };
    let (first, second) = tokio::join!(run(&one), run(&two));
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn whoever_holds_a_step_up_is_named() {
    let world = World::new();
    let want = world.shell("true");
    world.run(&want).await.unwrap();
    let folder = world.folder.path().join("setup/agent-agent-1-00000001");
    let path = folder.join("setup.install.lock");
    let lock = std::fs::File::open(&path).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut holder = std::process::Command::new("sleep").arg("600").stdin(lock).spawn().unwrap();
    let error = world.run(&want).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert_eq!(
        error.message,
        format!(
            "`true` is not run, because {} is locked by the pids [{}] of an earlier run: end that",
            path.display(),
            holder.id()
        )
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    world.run(&want).await.unwrap();
}

#[tokio::test]
async fn a_file_where_a_folder_is_to_be_made_is_no_output() {
    let world = World::new();
    let mut want = world.shell("true");
    want.creates = Some("out/index.js".into());
    want.inputs = vec!["out/x.json".into()];
    std::fs::write(world.path("out"), "a file").unwrap();
    world.run(&want).await.unwrap();
    assert_eq!(world.cause(&want).await.unwrap(), "what it creates is missing");
}

#[tokio::test]
async fn a_run_that_is_not_wanted_any_more_is_stopped_alone() {
    let world = World::new();
    let want = world.shell("echo $$ > main; setsid sleep 600 & echo $! > child; wait");
    let other = Arc::new(world.shell("echo $$ > other; until [ -e go ]; do sleep 0.01; done"));
    let (stop, other_id) = (CancellationToken::new(), World::id_of("other"));
    let cx = Context { stop: &stop, ..world.context() };
    let action = kinds::Action::Setup(Action::Run(Arc::new(want.clone())));
    let (id, context) = (World::id(), world.context());
    let beside = kinds::Action::Setup(Action::Run(other));
    let (done, beside, ()) = tokio::join!(
        world.provider.apply(&cx, &id, &action),
        world.provider.apply(&context, &other_id, &beside),
        async {
            for name in ["child", "other"] {
                text(&world.path(name)).await;
            }
            stop.cancel();
            dead(&text(&world.path("main")).await).await;
            assert!(is_alive(&text(&world.path("other")).await));
            std::fs::write(world.path("go"), "").unwrap();
        }
    );
    assert!(done.unwrap_err().message.ends_with("because something else is wanted by now"));
    beside.unwrap();
    assert!(!is_alive(&text(&world.path("child")).await));
    assert_eq!(world.cause(&want).await.unwrap(), "its last run ended with an interruption");
}

#[tokio::test]
async fn a_controller_that_stops_ends_its_steps_and_they_run_again() {
    let world = World::new();
    let want = world.shell("echo $$ > main; sleep 600");
    let (done, ()) = tokio::join!(world.run(&want), async {
        text(&world.path("main")).await;
        world.stop.cancel();
    });
    assert!(done.unwrap_err().message.contains("because the controller stops"));
    assert!(!is_alive(&text(&world.path("main")).await));
    assert_eq!(world.cause(&want).await.unwrap(), "its last run ended with an interruption");
}

#[tokio::test]
async fn what_a_killed_controller_left_is_ended_before_the_next_run() {
    let world = World::new();
    let want = world.shell("echo $$ >> main; sleep 600");
    // As after a kill: the command runs, and nobody knows of it.
    let orphan = |step: &str, mark: &str| {
        std::process::Command::new("/bin/sleep")
            .arg("600")
            .env("HARNESS_MARK", mark)
            .env("HARNESS_STEP", step)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let mark = format!("agent-harness:{}:0000-00000001", world.installation);
    let step = "agent/agent-1 setup/install";
    let mut same = orphan(step, &mark);
    let mut stranger = orphan(step, "agent-harness:other:0000-00000001");
    let quick = world.shell("true");
    world.run(&quick).await.unwrap();
    assert!(!is_alive(&same.id().to_string()));
    assert!(is_alive(&stranger.id().to_string()));

    // And the start of a controller ends those of all steps.
    let mut other = orphan("agent/agent-1 setup/other", &mark);
    let (_next, _) = runner(&world.folder, &world.installation);
    other.wait().unwrap();
    assert!(is_alive(&stranger.id().to_string()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    same.wait().unwrap();

    // Twice at once within one controller: refused.
    let (first, ()) = tokio::join!(world.run(&want), async {
        text(&world.path("main")).await;
        let error = world.run(&want).await.unwrap_err();
        assert_eq!(error.class, Class::Blocked);
        world.stop.cancel();
    });
    assert!(first.is_err());
    assert_eq!(std::fs::read_to_string(world.path("main")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_any_more_is_killed() {
    let world = World::new();
    let want = world.shell("echo $$ > main; sleep 600");
    let main = world.path("main");
    tokio::select! {
        _ = world.run(&want) => panic!("it ended"),
        _ = text(&main) => {}
    }
    let pid = text(&main).await;
    dead(&pid).await;
}

#[tokio::test]
async fn a_build_step_sees_the_new_databases_variables() {
    let world = World::new();
    let mut command = world.command(&["/bin/sh", "-c", "echo $PGDATABASE > db"]);
    command.env.insert("PGDATABASE".into(), Text::from("the agent's"));
    let step = BuildStep { name: "seed".into(), command, timeout_s: 60 };
    let id = ResourceId { kind: ResourceKind::Template, name: "t_1".into(), ..World::id() };
    let env = BTreeMap::from([("PGDATABASE".to_owned(), Text::from("t_1"))]);
    run_build_step(&world.runner, &id, &step, env, &CancellationToken::new()).await.unwrap();
    assert_eq!(text(&world.path("db")).await, "t_1");
    assert!(world.folder.path().join("logs/agent-agent-1/template/seed.log").exists());
}
