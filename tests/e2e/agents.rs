//! The verbs about one agent, as it is at this moment: what it uses, whether it does its work, what its database spent
//! its time on. And whose they are where no agent is named.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::harness::{Site, succeed, text};

/// Runs `ctl` in a folder, with more in its environment.
fn ctl_in(site: &Site, folder: &str, env: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = site.ctl_command(arguments);
    command.current_dir(folder).envs(env.iter().copied()).output().unwrap()
}

fn json(site: &Site, arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&site.ctl_ok(arguments)).unwrap()
}

#[test]
fn what_an_agent_uses_and_whether_it_does_its_work_is_told() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");

    // Each process by its pid, with figures that a running one cannot be without.
    let stats = json(&site, &["stats", "1", "-o", "json"]);
    let told: Vec<_> = stats.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(told, ["api", "frontend", "worker"]);
    let processes = site.processes(1);
    for it in &stats {
        let pid = it["pid"].as_u64().unwrap();
        assert!(processes.iter().any(|(_, known, _)| u64::from(*known) == pid), "{it}");
        assert!(it["cpuPercent"].as_f64().unwrap() >= 0.0, "{it}");
        for figure in ["memory", "pids", "openFiles"] {
            assert!(it[figure].as_u64().unwrap() > 0, "{figure}: {it}");
        }
        assert_eq!((&it["state"], &it["restarts"]), (&"running".into(), &0.into()), "{it}");
    }
    let table = site.ctl_ok(&["stats", "1", "api", "worker"]);
    let names: Vec<_> = table.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["NAME", "api", "worker", "total"], "{table}");
    // Of an Infra as well.
    let servers = json(&site, &["stats", &format!("infra/{}", site.infra), "-o", "json"]);
    let postgres = servers.iter().find(|it| it["name"] == "postgres").unwrap();
    assert!(postgres["memory"].as_u64().unwrap() > 0, "{postgres}");

    // One that is stopped takes connections and says nothing; the look is of now.
    let result = |code| {
        let output = site.ctl(&["health", "1", "-o", "json"]);
        let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{all:?}");
        let bad: Vec<_> = all.into_iter().filter(|it| it["passed"] == false).collect();
        bad.iter().map(|it| format!("{}: {}", it["process"], it["message"])).collect::<Vec<_>>()
    };
    assert!(result(0).is_empty());
    let table = site.ctl_ok(&["health", "1"]);
    assert!(table.contains("/api/v1/health"), "{table}");
    let worker = table.lines().find(|line| line.starts_with("worker")).unwrap();
    assert!(worker.contains("pass") && worker.contains("runs"), "{table}");
    let api = Site::pid_on(site.api + 10).to_string();
    succeed(Command::new("kill").args(["-STOP", &api]));
    let bad = result(1);
    succeed(Command::new("kill").args(["-CONT", &api]));
    assert!(bad.len() == 1 && bad[0].contains("no answer within 3 s"), "{bad:?}");
    site.eventually("the api to do its work", || {
        site.ctl(&["health", "1"]).status.success().then_some(())
    });

    // What is not enabled is not looked at.
    site.edit(
        "agent-2.yaml",
        "{stack: hello}",
        "{stack: hello, processes: {worker: {enabled: false}}}",
    );
    site.ready("agent-2");
    let names = |verb: &str, of: &str| {
        let all = json(&site, &[verb, "2", "-o", "json"]);
        all.iter().map(|it| it[of].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("health", "process"), ["api", "frontend"]);
    assert_eq!(names("stats", "name"), ["api", "frontend"]);

    // A page for people.
    site.ready("agent-1");
    let page = site.ctl_ok(&["status", "1"]);
    let url = format!("http://localhost:{}", site.frontend + 10);
    for words in ["agent/agent-1  Ready", &api, &url, "agent/agent-1  "] {
        assert!(page.contains(words), "{words:?} is not in:\n{page}");
    }
}

#[test]
fn verbs_without_a_name_are_about_the_agent_around_them() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let said = |folder: &str, env: &[(&str, &str)], arguments: &[&str]| {
        let output = ctl_in(&site, folder, env, arguments);
        let code = output.status.code().unwrap();
        (code, text(&output.stdout).trim().to_owned() + text(&output.stderr).trim())
    };
    let url = |agent: u16| (0, format!("http://localhost:{}", site.frontend + 10 * agent));

    // By a way with a symlink in it, too.
    let inside = site.worktree("agent-2").join("examples/hello");
    let link = site.folder().join("link");
    std::os::unix::fs::symlink(&inside, &link).unwrap();
    let [inside, link] = [&inside, &link].map(|path| path.to_str().unwrap());
    for folder in [inside, link] {
        assert_eq!(said(folder, &[], &["url"]), url(2));
        assert_eq!(said(folder, &[], &["url", "1"]), url(1));
        assert_eq!(said(folder, &[("HARNESS_AGENT", "agent-1")], &["url"]), url(1));
    }
    let (code, told) = said(inside, &[], &["restart", "worker"]);
    assert_eq!((code, told.as_str()), (0, "agent/agent-2 process/worker restarting"));
    site.ready("agent-2");
    let (code, told) = said(inside, &[], &["logs", "api", "-n", "1"]);
    assert_eq!(code, 0, "{told}");
    let (code, told) = said(inside, &[], &["psql", "SELECT 'in ' || current_database()"]);
    assert!(code == 0 && told.contains("in agent_2"), "{told}");
    let (code, told) = said("/", &[], &["logs", "api"]);
    assert!(code == 1 && told.contains("HARNESS_AGENT"), "{told}");
    let (code, told) = said("/", &[], &["health"]);
    assert!(code == 2 && told.contains("HARNESS_AGENT"), "{told}");

    // What runs in the worktree has the variable, and so what it asks is about its own agent.
    let ctl = site.ctl_command(&[]).get_program().to_owned();
    let mut command = site.ctl_command(&["exec", "2", "--"]);
    command.arg(&ctl).arg("url");
    assert_eq!(text(&succeed(&mut command).stdout).trim(), url(2).1);

    // A shell has it, too; it ends as the shell does.
    let mut command = site.ctl_command(&["shell"]);
    command.current_dir(inside).env("SHELL", "/bin/sh").env("PGDATABASE", "mine");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let script = b"echo $HARNESS_AGENT $PGDATABASE; pwd; exit 7\n";
    child.stdin.take().unwrap().write_all(script).unwrap();
    let output = child.wait_with_output().unwrap();
    let worktree = site.worktree("agent-2");
    let expected = format!("agent-2 agent_2\n{}\n", worktree.display());
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(7), expected));
}

#[test]
fn slow_queries_are_those_of_the_own_database_alone() {
    slow_queries(Site::new());
}

/// On any servers.
pub fn slow_queries(mut site: Site) {
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    for agent in ["1", "2"] {
        site.ctl_ok(&["psql", agent, &format!("SELECT {agent} AS mine_{agent}, pg_sleep(0.2)")]);
    }
    let queries = json(&site, &["slow-queries", "1", "-n", "200", "-o", "json"]);
    let of = |name: &str| {
        queries.iter().find(|it| it["query"].as_str().unwrap().contains(name)).cloned()
    };
    let own = of("mine_1").unwrap_or_else(|| panic!("not counted: {queries:?}"));
    assert!(own["totalMs"].as_f64().unwrap() >= 200.0 && own["calls"] == 1, "{own}");
    assert_eq!(of("mine_2"), None, "that is of another agent");
    // What we ran there ourselves, with a verifier of the password in it.
    assert_eq!((of("SCRAM-SHA-256"), of("ROLE")), (None, None), "that is the administrator's");
    let totals: Vec<_> = queries.iter().map(|it| it["totalMs"].as_f64().unwrap()).collect();
    assert!(totals.is_sorted_by(|a, b| a >= b), "{totals:?}");
    let table = site.ctl_ok(&["slow-queries", "1", "-n", "1"]);
    assert!(table.lines().count() == 2 && table.starts_with("CALLS"), "{table}");
    // Nothing stays of the look, and the agent's own role sees no more than before.
    let left = "SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'";
    for database in ["postgres", "agent_1"] {
        assert_eq!(site.sql(database, left), "0", "{database}");
    }
    let role = "SELECT pg_has_role('agent_1', 'pg_read_all_stats', 'member')";
    assert_eq!(site.sql("postgres", role), "f");
    // The other way to them, where somebody has made it.
    site.sql(
        "postgres",
        "CREATE SCHEMA \"my own\"; CREATE EXTENSION pg_stat_statements SCHEMA \"my own\"",
    );
    assert!(site.ctl_ok(&["slow-queries", "1", "-n", "200"]).contains("mine_1"));
    site.sql("postgres", "DROP SCHEMA \"my own\" CASCADE");
}

#[test]
fn how_to_have_queries_counted_is_said() {
    let mut site = Site::on(super::containers::Servers::Embedded);
    site.edit("infra.yaml", "        shared_preload_libraries: pg_stat_statements\n", "");
    site.edit("infra.yaml", "        pg_stat_statements.track: all\n", "        work_mem: 8MB\n");
    site.start();
    site.ready("agent-1");
    let output = site.ctl(&["slow-queries", "1"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let remedy = "postgres: {embedded: {settings: {shared_preload_libraries: pg_stat_statements}}}";
    assert!(told.contains(remedy), "{told}");
    // It is as it says.
    site.edit(
        "infra.yaml",
        "        work_mem: 8MB\n",
        "        shared_preload_libraries: pg_stat_statements\n",
    );
    site.eventually("the server to count", || {
        site.ctl(&["slow-queries", "1"]).status.success().then_some(())
    });
}
