//! `ctl psql`: how it calls the user's psql, and that there is no prompt without one.

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
        .env("PGSSLMODE", "verify-full")
        .env("PGOPTIONS", "-c search_path=elsewhere")
        .args(["psql", "1", "select 'a b'", "--", "--csv"])
        .assert();
    done.success().stdout(
        "<--command>\n<select 'a b'>\n<--csv>\nPGCONNECT_TIMEOUT=10\nPGDATABASE=agent_1\nPGHOST=127.0.0.1\nPGPASSWORD=hunter2\nPGPORT=15432\nPGUSER=agent_1\n",
    );
}

/// What an agent's environment does not say is not said by the caller's.
#[test]
fn nothing_of_the_callers_own_connection_is_left() {
    let some = ENVIRONMENT.into_iter().filter(|(name, _)| *name != "PGPASSWORD");
    let controller = Controller::with_environment(&some.collect::<Vec<_>>());
    let psql = controller.script("psql", "#!/bin/sh\n/usr/bin/env | /usr/bin/grep ^PG\nexit 0\n");
    let ctl = || {
        let mut ctl = controller.ctl();
        ctl.env("PATH", psql.parent().unwrap());
        for name in ["PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT"] {
            ctl.env(name, "mine");
        }
        ctl
    };
    for words in [&["psql", "1"][..], &["exec", "1", "--", psql.to_str().unwrap()]] {
        let done = ctl().args(words).assert().success();
        let said = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        assert!(said.contains("PGHOST=127.0.0.1\n") && !said.contains("=mine"), "{said}");
    }
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
fn without_psql_there_is_no_prompt() {
    let controller = Controller::with_environment(&ENVIRONMENT);
    let words =
        controller.ctl().env("PATH", controller.path()).args(["psql", "1"]).assert().code(1);
    let words = String::from_utf8(words.get_output().stderr.clone()).unwrap();
    assert!(words.starts_with("error: psql is not installed\n"), "{words}");
}
