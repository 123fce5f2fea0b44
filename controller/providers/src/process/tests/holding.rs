//! What a shim does for a process that lives an ordinary life.

use super::*;

#[tokio::test]
async fn a_process_runs_with_exactly_its_environment_and_its_end_is_recorded() {
    let bench = Bench::new();
    let mut launch = bench.launch("agent-1/api", "env | sort; pwd; umask; echo gone >&2; exit 7");
    launch.env.insert("SECRET".to_owned(), "a b\nc".to_owned());
    bench.supervisor.start(&launch).await.unwrap();
    assert_eq!(bench.outcome("agent-1/api").await, Outcome::Code(7));
    let mut text: Vec<String> = bench
        .log("agent-1/api")
        .lines()
        .map(|line| line.split_once(' ').unwrap().1.to_owned())
        .collect();
    // What came through two pipes has no order between them.
    text.sort_by_key(|line| line.starts_with("stderr"));
    let root = bench.root.path().display();
    let mark = &bench.mark;
    let pid = text[0].strip_prefix("shim F started with pid ").unwrap();
    assert!(pid.parse::<u32>().is_ok());
    assert_eq!(
        text[1..].join("\n"),
        format!(
            "stdout F HARNESS_MARK={mark}\n\
             stdout F HARNESS_PROCESS=agent-1/api\n\
             stdout F PATH=/usr/bin:/bin\n\
             stdout F PWD={root}\n\
             stdout F SECRET=a b\n\
             stdout F c\n\
             stdout F {root}\n\
             stdout F 0022\n\
             shim F exited with code 7\n\
             stderr F gone"
        )
    );
    let ProcessState::Exited { requested, last_lines, .. } = bench.state("agent-1/api") else {
        panic!("it has exited");
    };
    assert!(!requested);
    assert!(last_lines.iter().any(|line| line == "gone"), "{last_lines:?}");
}

/// As a controller does that was started by a shell in the background, or by `nohup`.
#[tokio::test]
async fn who_ignores_signals_hands_that_on_to_no_process() {
    let bench = Bench::new();
    let wrapper = bench.path("ignores");
    let script = format!(
        "#!/bin/sh\ntrap '' HUP INT QUIT TERM CHLD USR1\nexec '{}' \"$@\"\n",
        shim_binary().display()
    );
    crate::fs::write_atomic(&wrapper, script, 0o755).unwrap();
    let supervisor = Supervisor::new(bench.path("run"), wrapper).unwrap();
    let launch = bench.launch("a/x", "grep SigIgn /proc/self/status; exec sleep 1000");
    supervisor.start(&launch).await.unwrap();
    let told = until(|| {
        bench
            .log("a/x")
            .lines()
            .find_map(|line| Some(line.split_once("SigIgn:")?.1.trim().to_owned()))
    })
    .await;
    let ignored = u64::from_str_radix(&told, 16).unwrap();
    // The C library keeps 32 and 33 for itself.
    assert_eq!(ignored & !(0b11 << 31), 0, "{told}");
    supervisor.stop(&launch.id, Signal::INT, Duration::from_secs(30)).await.unwrap();
    assert_eq!(bench.outcome("a/x").await, Outcome::Signal(2));
}

#[tokio::test]
async fn no_secret_is_in_an_argv_a_debug_text_or_a_readable_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    let mut launch = bench.launch("agent-1/api", "exec sleep 1000");
    launch.env.insert("SECRET".to_owned(), "hunter2".to_owned());
    assert!(!format!("{launch:?}").contains("hunter2"));
    bench.supervisor.start(&launch).await.unwrap();
    let process = bench.get("agent-1/api").unwrap();
    let shim = process.shim.unwrap().pid;
    for file in ["cmdline", "environ"] {
        let text = crate::fs::read(format!("/proc/{shim}/{file}")).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("hunter2"), "{file}");
    }
    for file in crate::fs::list_dir(bench.path("run/agent-1~api")).unwrap() {
        let mode = crate::fs::metadata(&file).unwrap().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    // Nothing of ours is inherited but the lock.
    let pid = bench.pid("agent-1/api");
    let mut held: Vec<String> = crate::fs::list_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .iter()
        .map(|fd| std::fs::read_link(fd).unwrap().display().to_string())
        .map(|target| target.split(':').next().unwrap().to_owned())
        .collect();
    held.sort();
    let lock = bench.path("run/agent-1~api/lock").display().to_string();
    assert_eq!(held, ["/dev/null", &lock, "pipe", "pipe"]);
    bench.stop("agent-1/api").await;
}

#[tokio::test]
async fn the_signal_that_ended_a_process_is_recorded() {
    let bench = Bench::new();
    bench.supervisor.start(&bench.launch("a/x", "kill -SEGV $$")).await.unwrap();
    assert_eq!(bench.outcome("a/x").await, Outcome::Signal(11));
}

#[tokio::test]
async fn what_cannot_be_executed_is_told_at_once_and_recorded() {
    let bench = Bench::new();
    let mut launch = bench.launch("a/x", "");
    launch.argv = vec!["no-such-program".to_owned()];
    let error = bench.supervisor.start(&launch).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "process a/x did not start: cannot execute no-such-program: \
         no folder of its `PATH` has such a program"
    );
    launch.argv = vec!["true".to_owned()];
    launch.cwd = "/no/such/folder".into();
    let error = bench.supervisor.start(&launch).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "process a/x did not start: the working folder /no/such/folder \
         does not exist"
    );
    let process = bench.get("a/x").unwrap();
    assert!(matches!(
        process.state,
        ProcessState::Exited { outcome: Outcome::NotStarted(_), requested: false, .. }
    ));
    assert_eq!((process.restarts, process.failures), (1, 2));
}

#[tokio::test]
async fn a_start_is_idempotent_and_another_fingerprint_needs_a_stop() {
    let bench = Bench::new();
    let mut launch = bench.launch("a/x", "exec sleep 1000");
    bench.supervisor.start(&launch).await.unwrap();
    let pid = bench.pid("a/x");
    bench.supervisor.start(&launch).await.unwrap();
    assert_eq!(bench.pid("a/x"), pid);
    launch.fingerprint = "two".to_owned();
    let error = bench.supervisor.start(&launch).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "process a/x runs with another command, environment or port: stop it first"
    );
    assert_eq!(bench.pid("a/x"), pid);
    bench.stop("a/x").await;
    bench.supervisor.start(&launch).await.unwrap();
    assert_ne!(bench.pid("a/x"), pid);
    let process = bench.get("a/x").unwrap();
    assert_eq!((process.fingerprint.as_str(), process.restarts), ("two", 0));
    bench.stop("a/x").await;
    assert_eq!(bench.marked(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_stop_ends_the_whole_tree_with_those_that_left_the_session() {
    let bench = Bench::new();
    let script = "
        sleep 1001 &
        setsid sleep 1002 &
        (setsid sh -c 'sleep 1003 & exec sleep 1004' &) &
        env -i setsid sh -c \"trap '' TERM; echo \\$\\$ > stubborn; while :; do sleep 1; done\" &
        echo up
        exec sleep 1000";
    bench.supervisor.start(&bench.launch("a/x", script)).await.unwrap();
    // 1000 to 1004; the one without our environment is found by its file.
    until(|| (bench.marked().len() == 5).then_some(())).await;
    let stubborn: i32 =
        until(|| crate::fs::read_to_string(bench.path("stubborn")).ok()?.trim().parse().ok()).await;
    assert!(is_alive(stubborn));
    let id = "a/x".parse().unwrap();
    bench.supervisor.stop(&id, Signal::TERM, Duration::from_millis(300)).await.unwrap();
    assert_eq!(bench.marked(), Vec::<i32>::new());
    assert!(!is_alive(stubborn));
    let state = bench.state("a/x");
    assert!(
        matches!(state, ProcessState::Exited { outcome: Outcome::Signal(15), requested: true, .. }),
        "{state:?}"
    );
    // Absent and ended: Ok.
    bench.stop("a/x").await;
    bench.stop("a/never").await;
}

#[tokio::test]
async fn a_process_that_ends_takes_its_leftovers_along() {
    let bench = Bench::new();
    bench.supervisor.start(&bench.launch("a/x", "setsid sleep 1000 & exit 3")).await.unwrap();
    assert_eq!(bench.outcome("a/x").await, Outcome::Code(3));
    assert_eq!(bench.marked(), Vec::<i32>::new());
}

#[tokio::test]
async fn the_end_of_a_process_gives_a_hint() {
    let bench = Bench::new();
    let mut hints = bench.supervisor.subscribe();
    bench
        .supervisor
        .start(&bench.launch("a/x", "until [ -e go ]; do sleep 0.02; done"))
        .await
        .unwrap();
    crate::fs::write_atomic(bench.path("go"), "", 0o600).unwrap();
    let hint = tokio::time::timeout(Duration::from_secs(30), hints.recv()).await.unwrap().unwrap();
    assert_eq!(hint.as_str(), "a/x");
    assert!(matches!(bench.state("a/x"), ProcessState::Exited { .. }));
}

#[tokio::test]
async fn what_was_stopped_can_be_forgotten_and_what_runs_cannot() {
    let bench = Bench::new();
    let id = "a/x".parse().unwrap();
    bench.supervisor.start(&bench.launch("a/x", "exec sleep 1000")).await.unwrap();
    assert!(matches!(bench.supervisor.forget(&id).await, Err(SuperviseError::Held { .. })));
    bench.stop("a/x").await;
    assert_eq!(bench.supervisor.list().unwrap().len(), 1);
    bench.supervisor.forget(&id).await.unwrap();
    assert!(bench.supervisor.list().unwrap().is_empty());
    bench.supervisor.forget(&id).await.unwrap();
}

#[tokio::test]
async fn failures_in_a_row_are_counted_over_restarts() {
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exit 1");
    for expected in 0..3 {
        bench.supervisor.start(&launch).await.unwrap();
        bench.outcome("a/x").await;
        let process = bench.get("a/x").unwrap();
        assert_eq!((process.restarts, process.failures), (expected, expected + 1));
    }
}

#[tokio::test]
async fn a_line_of_ten_megabytes_and_binary_output_end_up_in_the_log() {
    let bench = Bench::new();
    let script = "head -c 10000000 /dev/zero | tr '\\0' x; printf '\\377\\0\\n'; echo end";
    bench.supervisor.start(&bench.launch("a/x", script)).await.unwrap();
    assert_eq!(bench.outcome("a/x").await, Outcome::Code(0));
    let (_, lines) = agent_harness_shim::logs::Follower::open(
        &bench.path("logs/a/x.log"),
        agent_harness_shim::logs::From::default(),
    )
    .unwrap();
    let texts: Vec<&[u8]> = lines.iter().map(|line| line.text.as_slice()).collect();
    assert_eq!(texts.len(), 4);
    assert_eq!(texts[1].len(), 10_000_002);
    assert!(texts[1].ends_with(b"x\xff\0"));
    assert_eq!(texts[2], b"end");
}

#[tokio::test]
async fn a_process_drops_to_another_user() {
    if !rustix::process::geteuid().is_root() {
        // Only root can; as another user the start says so.
        let bench = Bench::new();
        let mut launch = bench.launch("a/x", "id -u");
        launch.user = Some((65534, 65534));
        let error = bench.supervisor.start(&launch).await.unwrap_err();
        assert!(error.to_string().contains("Operation not permitted"), "{error}");
        return;
    }
    let bench = Bench::new();
    let mut launch = bench.launch("a/x", "id -u; id -G");
    launch.user = Some((65534, 65534));
    launch.cwd = "/".into();
    bench.supervisor.start(&launch).await.unwrap();
    assert_eq!(bench.outcome("a/x").await, Outcome::Code(0));
    let log = bench.log("a/x");
    assert!(log.matches("stdout F 65534\n").count() == 2, "{log}");
}

#[tokio::test]
async fn what_it_costs_is_printed() {
    let bench = Bench::new();
    for number in 0..20 {
        let mut launch = bench.launch(&format!("a/{number}"), "exec sleep 1000");
        launch.env.extend((0..50).map(|n| (format!("VARIABLE_{n}"), "value ".repeat(10))));
        bench.supervisor.start(&launch).await.unwrap();
    }
    let before = Instant::now();
    assert_eq!(bench.supervisor.list().unwrap().len(), 20);
    let listing = before.elapsed();
    let shim = bench.get("a/0").unwrap().shim.unwrap().pid;
    let status = crate::fs::read_to_string(format!("/proc/{shim}/status")).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    println!("a shim (this build): {resident}; one look at 20 processes: {listing:?}");
    for number in 0..20 {
        bench.stop(&format!("a/{number}")).await;
    }
    assert_eq!(bench.marked(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_shim_whose_run_folder_is_gone_ends_with_its_process() {
    let bench = Bench::new();
    bench.supervisor.start(&bench.launch("a/x", "exec sleep 1000")).await.unwrap();
    let process = bench.get("a/x").unwrap();
    let (shim, payload) = (process.shim.unwrap(), process.payload.unwrap());
    crate::fs::remove_dir_all(bench.path("run/a~x")).unwrap();
    assert!(is_alive(payload.pid), "nothing is ended by a missing folder");
    agent_harness_shim::identity::signal(payload, Signal::KILL).unwrap();
    until(|| (!is_alive(shim.pid)).then_some(())).await;
}

/// A folder in the place of a file cannot be written to: as on a full disk, for any user.
#[tokio::test]
async fn a_full_disk_neither_hides_why_a_process_did_not_start_nor_keeps_one_from_being_stopped() {
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exec sleep 1000");
    bench.supervisor.start(&launch).await.unwrap();
    let pid = bench.pid("a/x").cast_signed();
    crate::fs::create_dir_all(bench.path("run/a~x/stop.json"), 0o700).unwrap();
    bench.stop("a/x").await;
    assert!(!is_alive(pid));
    let ProcessState::Exited { requested, .. } = bench.state("a/x") else { panic!("it ended") };
    assert!(requested);

    let mut launch = bench.launch("a/y", "");
    launch.argv = vec!["no-such-program".to_owned()];
    // Where the record is written to first, before it gets its name.
    crate::fs::create_dir_all(bench.path("run/a~y/exit.tmp"), 0o700).unwrap();
    let error = bench.supervisor.start(&launch).await.unwrap_err();
    assert!(error.to_string().contains("cannot execute no-such-program"), "{error}");
    crate::fs::remove_dir_all(bench.path("run/a~y/exit.tmp")).unwrap();
    assert!(matches!(bench.outcome("a/y").await, Outcome::NotStarted(_)));
}
