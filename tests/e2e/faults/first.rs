//! The very first start is killed at every step boundary until all that is shared is there: two servers, and the
//! template. The next start goes on with what it finds, and begins nothing twice.

use std::fs;

use super::super::harness::{Site, succeed};
use super::super::host::is_free;
use super::{KILL, MOST};

#[test]
fn a_first_start_that_is_killed_is_gone_on_with() {
    let mut site = Site::new();
    fs::remove_file(site.specs().join("agent-2.yaml")).unwrap();
    site.start();
    site.ready("agent-1");
    let expected = shared(&site);
    for side in ["before", "after"] {
        for number in 1..MOST {
            let fault = format!("kill:{side}:{number}");
            site.kill();
            purge(&site);

            site.start_with(&[("HARNESS_FAULT", &fault)]);
            let died = site.ended_or(|site| site.is_ready("agent-1"));
            let servers = [site.postgres, site.store].map(|port| {
                let pid = (!is_free(port)).then(|| Site::pid_on(port));
                (port, pid)
            });
            // From here on it is the agent's own steps, which another test goes through.
            let complete = templates(&site).is_ok_and(|templates| !templates.is_empty());
            if died {
                assert_eq!(site.ended_by(), Some(KILL), "{fault}");
                site.start();
            }
            site.ready("agent-1");
            for (port, pid) in servers {
                assert!(pid.is_none_or(|pid| pid == Site::pid_on(port)), "{fault}: {port} anew");
            }
            assert_eq!(shared(&site), expected, "{fault}");

            assert!(number > 1 || died, "the controller was built without `faults`");
            if !died || complete {
                assert!(number > 2, "there are more than {number} shared steps");
                break;
            }
        }
    }
}

/// Ends everything of the state folder, with its data.
fn purge(site: &Site) {
    let mut command = site.controller();
    command.args(["down", "--purge", "--yes"]);
    succeed(&mut command);
    assert!([site.postgres, site.store].into_iter().all(is_free), "a server runs on");
    assert!(site.processes(1).is_empty(), "a process runs on");
}

/// The templates that agents may be cloned from.
fn templates(site: &Site) -> Result<String, Box<dyn std::error::Error>> {
    if is_free(site.postgres) {
        return Ok(String::new());
    }
    let complete = "SELECT datname FROM pg_database WHERE datistemplate AND datname LIKE 'hello%'";
    Ok(site.try_sql("postgres", complete)?)
}

/// What there is once agent 1 is ready. Anything that was begun twice would be there twice.
fn shared(site: &Site) -> Vec<String> {
    site.eventually("the plan to be empty", || site.ctl(&["diff"]).status.success().then_some(()));
    let databases = "SELECT datname, datistemplate, datallowconn, pg_get_userbyid(datdba) \
                     FROM pg_database ORDER BY 1";
    let roles =
        "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname NOT LIKE 'pg_%' ORDER BY 1";
    let names = |processes: Vec<(String, u32, String)>| -> Vec<String> {
        processes.into_iter().map(|(what, ..)| what).collect()
    };
    let mut buckets = site.admin().buckets();
    buckets.sort();
    vec![
        site.sql("postgres", databases),
        site.sql("postgres", roles),
        site.sql("agent_1", "SELECT count(*) FROM note"),
        buckets.join(" "),
        site.git(&["worktree", "list"]),
        names(site.processes(1)).join(" "),
    ]
}
