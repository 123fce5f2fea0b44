//! Measures how a template is cloned fastest, and prints the table of `docs/decisions/005-clone-strategy.md`.
//!
//! `cargo run -p agent-harness-providers --example clone_strategy [MAJOR …]`, such as `15 18`; a version that
//! this machine lacks is fetched. Each figure is the median of five clones, in milliseconds; "busy" is right
//! after another database wrote 64 MB, which a copy by file has to wait for (it begins with a checkpoint).

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for developers")]

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use agent_harness_model::kinds::service::{EmbeddedPostgres, PostgresConnection};
use agent_harness_model::secret::Secret;
use agent_harness_providers::fs;
use agent_harness_providers::postgres::embedded::{self, Prepared, default_cache};
use agent_harness_providers::postgres::server::{Limit, Server};

const RUNS: usize = 5;
/// Megabytes of the templates, beside an empty one.
const SIZES: [u32; 2] = [100, 400];

#[tokio::main]
async fn main() {
    let versions: Vec<String> = std::env::args().skip(1).collect();
    let versions = if versions.is_empty() { vec!["15".into(), "18".into()] } else { versions };
    println!("| server | template | wal_log | file_copy | wal_log busy | file_copy busy |");
    println!("|---|---|---|---|---|---|");
    for version in versions {
        measure(&version).await;
    }
}

async fn measure(version: &str) {
    let folder = tempfile::Builder::new().prefix("harness-bench-").tempdir().unwrap();
    fs::set_mode(folder.path(), 0o755).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let password = Secret::new("bench");
    let want = EmbeddedPostgres {
        port,
        version: Some(version.to_owned()),
        bin_dir: None,
        settings: [("autovacuum".to_owned(), "off".into())].into(),
        root: folder.path().join("server"),
        admin_password: password.clone(),
    };
    let prepared =
        embedded::prepare(&want, &default_cache(), &|p| eprintln_progress(&p)).await.unwrap();
    embedded::in_force::put_in_force(&prepared.layout).unwrap();
    let mut child = spawn(&prepared, folder.path());
    let server = Server::new(PostgresConnection {
        host: "127.0.0.1".into(),
        port,
        user: "postgres".into(),
        password,
        database: "postgres".into(),
        sslmode: None,
        in_container: false,
        embedded_root: None,
    });
    while server.session().await.is_err() {
        assert!(child.try_wait().unwrap().is_none(), "the server ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    run(&server, "postgres", "CREATE TABLE busy (text text)").await;
    for size in std::iter::once(0).chain(SIZES) {
        run(&server, "postgres", "CREATE DATABASE tpl").await;
        if size > 0 {
            // A row is a little more than a kilobyte; an index and 40 small tables are part of any schema.
            let rows = size * 900;
            let fill = format!(
                "DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, x text)', i); \
                 END LOOP; END $$; CREATE TABLE big AS SELECT n, repeat('x', 1000) t \
                 FROM generate_series(1, {rows}) n; CREATE INDEX ON big (n)"
            );
            run(&server, "tpl", &fill).await;
        }
        run(&server, "tpl", "VACUUM (FREEZE, ANALYZE)").await;
        run(&server, "postgres", "CHECKPOINT").await;
        let mut cells = Vec::new();
        for busy in [false, true] {
            for strategy in ["wal_log", "file_copy"] {
                cells.push(median(&server, strategy, busy).await);
            }
        }
        let size = if size == 0 { "empty (7 MB)".to_owned() } else { format!("{size} MB") };
        println!("| {version} | {size} | {} |", cells.join(" | "));
        run(&server, "postgres", "DROP DATABASE tpl").await;
    }
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    child.wait().unwrap();
}

async fn median(server: &Server, strategy: &str, busy: bool) -> String {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        if busy {
            let fill = "INSERT INTO busy SELECT repeat('y', 1000) FROM generate_series(1, 60000)";
            run(server, "postgres", &format!("TRUNCATE busy; {fill}")).await;
        }
        let begun = Instant::now();
        let sql = format!("CREATE DATABASE clone TEMPLATE tpl STRATEGY {strategy}");
        run(server, "postgres", &sql).await;
        times.push(begun.elapsed().as_millis());
        run(server, "postgres", "DROP DATABASE clone").await;
    }
    times.sort_unstable();
    times[RUNS / 2].to_string()
}

async fn run(server: &Server, database: &str, sql: &str) {
    let mut session = if database == "postgres" {
        server.session().await.unwrap()
    } else {
        server.session_on(database).await.unwrap()
    };
    session.run_within(Limit::Copy, sql.to_owned(), "measure").await.unwrap();
    if database == "postgres" {
        session.keep();
    } else {
        session.close().await;
    }
}

fn spawn(prepared: &Prepared, folder: &Path) -> Child {
    use std::os::unix::process::CommandExt as _;
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(&prepared.argv[0]);
    command.args(&prepared.argv[1..]).current_dir("/").stderr(log);
    if let Some(user) = &prepared.user {
        command.uid(user.uid).gid(user.gid);
    }
    command.spawn().unwrap()
}

#[allow(clippy::print_stderr, reason = "a program for developers")]
fn eprintln_progress(progress: &embedded::fetch::Progress) {
    eprintln!("{progress}");
}
