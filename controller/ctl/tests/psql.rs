//! `ctl psql`: how it calls the user's psql, and what it does without one on a real server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::Controller;

const ENVIRONMENT: [(&str, &str); 5] = [
    ("PGDATABASE", "agent_1"),
    ("PGHOST", "127.0.0.1"),
    ("PGPASSWORD", "hunter2"),
    ("PGPORT", "15432"),
    ("PGUSER", "agent_1"),
];

#[test]
fn psql_is_told_where_to_go_and_never_the_password_as_an_argument() {
    let controller = Controller::with_environment(&ENVIRONMENT);
    let psql = controller.script(
        "psql",
        "#!/bin/sh\nfor word in \"$@\"; do echo \"<$word>\"; done\n/usr/bin/env | /usr/bin/grep ^PG | /usr/bin/sort\n",
    );
    let done = controller
        .ctl()
        .env("PATH", psql.parent().unwrap())
        .env("PGSERVICE", "elsewhere")
        .env("PGHOSTADDR", "10.0.0.1")
        .args(["psql", "1", "select 'a b'", "--", "--csv"])
        .assert();
    done.success().stdout(
        "<--command>\n<select 'a b'>\n<--csv>\nPGCONNECT_TIMEOUT=10\nPGDATABASE=agent_1\nPGHOST=127.0.0.1\nPGPASSWORD=hunter2\nPGPORT=15432\nPGUSER=agent_1\n",
    );
}

#[test]
fn the_users_own_timeout_stays() {
    let controller = Controller::with_environment(&ENVIRONMENT);
    let psql = controller.script("psql", "#!/bin/sh\necho $PGCONNECT_TIMEOUT\n");
    let mut ctl = controller.ctl();
    ctl.env("PATH", psql.parent().unwrap()).env("PGCONNECT_TIMEOUT", "60");
    ctl.args(["psql", "1"]).assert().success().stdout("60\n");
}

#[test]
fn a_query_works_without_psql() {
    let server = Server::start();
    let port = server.port.to_string();
    let controller = Controller::with_environment(&[(
        "DATABASE_URL",
        &format!("postgres://owner:{PASSWORD}@127.0.0.1:{port}/postgres"),
    )]);
    let query = |query: &str| {
        let nowhere = controller.path().join("bin");
        controller.ctl().env("PATH", nowhere).args(["psql", "1", query]).assert()
    };
    query("select 1 as one, 'two words' as b, null as nothing, array[1,2] as many")
        .success()
        .stdout("one  b          nothing  many\n1    two words  NULL     {1,2}\n")
        .stderr("1 row\n");
    query("create table t (a int); insert into t values (1), (2); select a from t where a > 5")
        .success()
        .stdout("")
        .stderr("0 rows\n2 rows\n0 rows\n");
    query("select nothing")
        .code(1)
        .stdout("")
        .stderr("error: column \"nothing\" does not exist (42703)\n");
    let words =
        controller.ctl().env("PATH", controller.path()).args(["psql", "1"]).assert().code(1);
    let words = String::from_utf8(words.get_output().stderr.clone()).unwrap();
    assert!(words.starts_with("error: psql is not installed\n"), "{words}");
}

const PASSWORD: &str = "hunter2";

/// A PostgreSQL server of its own, which ends with the test.
struct Server {
    folder: PathBuf,
    port: u16,
    bin: PathBuf,
}

impl Server {
    fn start() -> Self {
        let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL is installed")
            .map(|entry| entry.unwrap().path())
            .collect();
        versions.sort();
        let bin = versions.pop().unwrap().join("bin");
        let folder = tempfile::tempdir().unwrap().keep();
        let password = folder.join("password");
        std::io::Write::write_all(
            &mut std::fs::File::create(&password).unwrap(),
            PASSWORD.as_bytes(),
        )
        .unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, port: free, bin };
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").args(["-R", "65534:65534"]).arg(&server.folder));
        }
        let data = server.folder.join("data");
        let data = data.to_str().unwrap();
        let password = format!("--pwfile={}", password.display());
        run(server.tool("initdb").args([
            "-D",
            data,
            "-U",
            "owner",
            "-A",
            "scram-sha-256",
            "--no-sync",
            &password,
        ]));
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories={} -c fsync=off",
            server.port,
            server.folder.display()
        );
        run(server.tool("pg_ctl").args([
            "-D",
            data,
            "-w",
            "-l",
            "/dev/null",
            "-o",
            &settings,
            "start",
        ]));
        server
    }

    /// One of PostgreSQL's tools, as a user that it accepts: it refuses to run as root.
    fn tool(&self, name: &str) -> Command {
        let path: &Path = &self.bin.join(name);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/").stdout(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        run(self.tool("pg_ctl").arg("-D").arg(data).args(["-m", "immediate", "stop"]));
        run(Command::new("rm").arg("-r").arg(&self.folder));
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} ended with {status}");
}
